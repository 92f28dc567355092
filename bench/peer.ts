// The other end of every work, in a process of its own, so that what it costs is nobody's.
import * as dgram from "node:dgram"
import { once } from "node:events"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { burst, chunk, datagram, type Peer } from "./agreed.ts"
import { answer } from "./process.ts"

const host = "127.0.0.1"
const backlog = 65_535
// As services have: below those that systems choose. On the machine's own loopback it may be somebody else's.
const servicePort = Number(process.argv.at(2) ?? 0)
/** To wake a process that sleeps is charged to whoever does, and the more often the slower he is: a work can do without. */
const isAwake = process.argv.at(3) === "awake"
let open = 0

const serve = async (onConnection: (socket: net.Socket) => void, where: net.ListenOptions): Promise<net.Server> => {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    open++
    socket.on("close", () => open--)
    // The other end may reset.
    socket.on("error", () => socket.destroy())
    onConnection(socket)
  })
  server.listen({ ...where, backlog })
  await once(server, "listening")
  return server
}

const portOf = (server: net.Server): number => (server.address() as net.AddressInfo).port

const untilEnd = (socket: net.Socket): void => {
  socket.on("end", () => socket.end())
  socket.resume()
}

/** Two writes are under way at any time: one in the kernel's hands, and one that waits for it. */
const pour = (socket: net.Socket, total: number): void => {
  let left = total
  const next = (error?: Error | null): void => {
    if (error || left < 0) return
    if (left === 0) {
      left = -1
      socket.end()
      return
    }
    const size = Math.min(left, chunk.length)
    left -= size
    socket.write(size === chunk.length ? chunk : chunk.subarray(0, size), next)
  }
  next()
  next()
}

/** The reply that accepts, and passes nothing back: docs/connect-data.md has its bytes. */
const reply = Buffer.from("8957534b0d0a1a0a005245500101000000000000869a5901", "hex")

const listen = async (): Promise<Peer> => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "winsock-bench-"))
  process.on("exit", () => fs.rmSync(directory, { recursive: true, force: true }))
  process.on("SIGTERM", () => process.exit())
  const unix = path.join(directory, "accept")
  await serve(untilEnd, { path: unix })
  const accept = await serve(untilEnd, { host, port: servicePort })
  const source = await serve((socket) => {
    socket.once("data", (asked: Buffer) => pour(socket, Number(asked.readBigUInt64BE())))
    socket.on("end", () => undefined)
  }, { host, port: 0 })
  const sink = await serve(untilEnd, { host, port: 0 })
  const echo = await serve((socket) => {
    socket.on("data", (bytes) => socket.write(bytes))
    socket.on("end", () => socket.end())
  }, { host, port: 0 })
  const replies = await serve((socket) => {
    // The header comes in one piece, and nothing else comes before the reply.
    socket.once("data", () => {
      socket.write(reply)
      untilEnd(socket)
    })
  }, { host, port: 0 })
  const udp = dgram.createSocket("udp4")
  udp.on("message", (bytes, from) => {
    for (let sent = 0; bytes[0] === 1 && sent < burst; sent++) udp.send(datagram, from.port, from.address)
  })
  udp.bind(0, host)
  await once(udp, "listening")
  const nobody = new net.BoundSocket({ host, port: 0 })
  return {
    host,
    accept: portOf(accept),
    path: unix,
    refused: (nobody.address() as net.AddressInfo).port,
    source: portOf(source),
    sink: portOf(sink),
    echo: portOf(echo),
    replies: portOf(replies),
    datagrams: udp.address().port
  }
}

/** Until everything that was opened is closed, and nothing more comes. */
const settled = async (): Promise<void> => {
  for (let quiet = 0; quiet < 2; quiet = open === 0 ? quiet + 1 : 0) await sleep(10)
}

const stayAwake = (): void => {
  setImmediate(stayAwake)
}

if (import.meta.main && isAwake) stayAwake()
if (import.meta.main) answer((question) => question === "listen" ? listen() : settled().then(() => "settled"))
