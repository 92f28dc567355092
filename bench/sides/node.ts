// Node's own sockets, each step in as small a promise as does it.
import * as dgram from "node:dgram"
import * as net from "node:net"
import { askForBurst, burst, checkNone, chunk, datagram, message, openers, type Peer, request } from "../agreed.ts"
import type { Tasks } from "../side.ts"

const connect = (options: net.NetConnectOpts) =>
  new Promise<net.Socket>((resolve, reject) => {
    const socket = net.connect(options)
    socket.once("connect", () => resolve(socket))
    socket.once("error", reject)
  })

const connectAndClose = async (options: net.NetConnectOpts, count: number) => {
  for (let i = 0; i < count; i++) (await connect(options)).destroy()
}

const send = (socket: net.Socket, bytes: Uint8Array) =>
  new Promise<void>((resolve, reject) => {
    socket.write(bytes, (error) => error ? reject(error) : resolve())
  })

/** Reads that many bytes, and leaves nothing of itself on the socket. */
const read = (socket: net.Socket, count: number) =>
  new Promise<void>((resolve) => {
    let left = count
    const onData = (bytes: Buffer) => {
      left -= bytes.length
      if (left > 0) return
      socket.off("data", onData)
      resolve()
    }
    socket.on("data", onData)
  })

const connectUdp = (peer: Peer) =>
  new Promise<dgram.Socket>((resolve) => {
    const socket = dgram.createSocket("udp4")
    socket.connect(peer.datagrams, peer.host, () => resolve(socket))
  })

const sendDatagram = (socket: dgram.Socket, bytes: Uint8Array) =>
  new Promise<void>((resolve, reject) => {
    socket.send(bytes, (error) => error ? reject(error) : resolve())
  })

export const tasks: Tasks = {
  "connect tcp": ({ accept: port, host }, count) => connectAndClose({ host, port }, count),
  "connect unix": ({ path }, count) => connectAndClose({ path }, count),
  "connect refused": async ({ host, refused: port }, count) => {
    for (let i = 0; i < count; i++) {
      await connect({ host, port }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ECONNREFUSED") throw error
      })
    }
  },
  "connect concurrent": ({ accept: port, host }, count) =>
    Promise.all(Array.from({ length: count }, () => connectAndClose({ host, port }, 1))),
  read: async ({ host, source: port }, count) => {
    const socket = await connect({ host, port })
    let left = count
    socket.on("data", (bytes) => {
      left -= bytes.length
    })
    await send(socket, request(count))
    await new Promise((resolve) => socket.once("end", resolve))
    socket.destroy()
    checkNone(left)
  },
  write: async ({ host, sink: port }, count) => {
    const socket = await connect({ host, port })
    for (let sent = 0; sent < count; sent += chunk.length) await send(socket, chunk)
    socket.destroy()
  },
  "datagrams sent": async (peer, count) => {
    const socket = await connectUdp(peer)
    for (let i = 0; i < count; i++) await sendDatagram(socket, datagram)
    socket.close()
  },
  "datagrams received": async (peer, count) => {
    const socket = await connectUdp(peer)
    await new Promise<void>((resolve) => {
      let got = 0
      socket.on("message", () => {
        got++
        if (got === count) resolve()
        else if (got % burst === 0) socket.send(askForBurst)
      })
      socket.send(askForBurst)
    })
    socket.close()
  },
  idle: async ({ echo: port, host }, count, held) => {
    const sockets: Array<net.Socket> = []
    const opener = async () => {
      while (sockets.length < count) {
        // Its place is taken before it is there, so that there are not too many.
        const index = sockets.push(undefined as never) - 1
        const socket = sockets[index] = await connect({ host, port })
        const answer = read(socket, message.length)
        await send(socket, message)
        await answer
      }
    }
    await Promise.all(Array.from({ length: openers }, opener))
    await held()
    for (const socket of sockets) socket.destroy()
  }
}
