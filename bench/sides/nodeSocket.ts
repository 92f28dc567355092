// Effect's own sockets over Node's: NodeSocket and NodeDatagramSocket.
import * as NodeDatagramSocket from "@effect/platform-node/NodeDatagramSocket"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { Effect, type Scope } from "effect"
import type { Socket } from "effect/socket"
import type { NetConnectOpts } from "node:net"
import { askForBurst, burst, checkNone, chunk, datagram, message, openers, type Peer, request } from "../agreed.ts"
import type { Task, Tasks } from "../side.ts"

const task = <A, E>(program: (...args: Parameters<Task>) => Effect.Effect<A, E, Scope.Scope>): Task => (...args) =>
  Effect.runPromise(Effect.scoped(program(...args)))

const connectAndClose = Effect.fnUntraced(function*(options: NetConnectOpts, count: number) {
  for (let i = 0; i < count; i++) {
    const socket = yield* NodeSocket.makeNet(options)
    yield* Effect.scoped(socket.reader)
  }
})

const refused = Effect.fnUntraced(function*(options: NetConnectOpts, count: number) {
  for (let i = 0; i < count; i++) {
    const socket = yield* NodeSocket.makeNet(options)
    yield* Effect.scoped(socket.reader).pipe(
      Effect.catchIf((error) => error.reason._tag === "SocketOpenError", () => Effect.void)
    )
  }
})

const open = Effect.fnUntraced(function*(options: NetConnectOpts) {
  const socket = yield* NodeSocket.makeNet(options)
  const { pull } = yield* socket.reader
  const { write } = yield* socket.writer
  return { pull, write }
})

const openUdp = Effect.fnUntraced(function*({ datagrams: port, host: address }: Peer) {
  const socket = yield* NodeDatagramSocket.make({ connect: { address, port } })
  const { pull } = yield* socket.reader
  const { write } = yield* socket.writer
  return { pull, write }
})

const lengthOf = (pieces: ReadonlyArray<Uint8Array | string>) =>
  pieces.reduce((length, piece) => length + piece.length, 0)

const isEnd = (error: Socket.SocketError) => error.reason._tag === "SocketCloseError" && error.reason.code === 1000

export const tasks: Tasks = {
  "connect tcp": task(({ accept: port, host }, count) => connectAndClose({ host, port }, count)),
  "connect unix": task(({ path }, count) => connectAndClose({ path }, count)),
  "connect refused": task(({ host, refused: port }, count) => refused({ host, port }, count)),
  "connect concurrent": task(({ accept: port, host }, count) => {
    const one = connectAndClose({ host, port }, 1)
    return Effect.all(Array.from({ length: count }, () => one), { concurrency: "unbounded", discard: true })
  }),
  read: task(Effect.fnUntraced(function*({ host, source: port }, count) {
    const { pull, write } = yield* open({ host, port })
    yield* write(request(count))
    let left = count
    yield* Effect.gen(function*() {
      while (true) left -= lengthOf(yield* pull)
    }).pipe(Effect.catchIf(isEnd, () => Effect.void))
    checkNone(left)
  })),
  write: task(Effect.fnUntraced(function*({ host, sink: port }, count) {
    const { write } = yield* open({ host, port })
    for (let sent = 0; sent < count; sent += chunk.length) yield* write(chunk)
  })),
  "datagrams sent": task(Effect.fnUntraced(function*(peer, count) {
    const { write } = yield* openUdp(peer)
    for (let i = 0; i < count; i++) yield* write({ payload: datagram })
  })),
  "datagrams received": task(Effect.fnUntraced(function*(peer, count) {
    const { pull, write } = yield* openUdp(peer)
    for (let left = count; left > 0;) {
      yield* write({ payload: askForBurst })
      for (let got = 0; got < burst;) got += (yield* pull).length
      left -= burst
    }
  })),
  idle: task(({ echo: port, host }, count, held) => {
    const one = Effect.gen(function*() {
      const { pull, write } = yield* open({ host, port })
      yield* write(message)
      for (let left = message.length; left > 0;) left -= lengthOf(yield* pull)
    })
    return Effect.all(Array.from({ length: count }, () => one), { concurrency: openers, discard: true }).pipe(
      Effect.andThen(Effect.promise(held))
    )
  })
}
