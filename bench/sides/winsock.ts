// Ours, as a program of a user has it.
import {
  ConnectData,
  Connector,
  type Qos,
  RetryPolicy,
  type SocketAddress,
  SocketOption,
  Winsock
} from "@effect-winsock/core"
import { NodeConnector, NodeWinsock } from "@effect-winsock/node"
import { Effect, Layer, ManagedRuntime, type Scope } from "effect"
import {
  askForBurst,
  burst,
  callerData,
  checkNone,
  chunk,
  datagram,
  message,
  openers,
  type Peer,
  piece,
  request
} from "../agreed.ts"
import type { Task, Tasks } from "../side.ts"

const runOn =
  <R, RE>(runtime: ManagedRuntime.ManagedRuntime<R, RE>) =>
  <A, E>(program: (...args: Parameters<Task>) => Effect.Effect<A, E, R | Scope.Scope>): Task =>
  (...args) => runtime.runPromise(Effect.scoped(program(...args)))

const task = runOn(ManagedRuntime.make(NodeWinsock.layer))
const exchanging = runOn(
  ManagedRuntime.make(Layer.fresh(NodeWinsock.layer.pipe(Layer.provide(ConnectData.layerExchange()))))
)
const connecting = runOn(ManagedRuntime.make(NodeConnector.layer))

const tcp = Winsock.socket({ family: "IPv4", type: "stream" })
const unix = Winsock.socket({ family: "Unix", type: "stream" })
const udp = Winsock.socket({ family: "IPv4", type: "datagram" })

const at = ({ host }: Peer, port: number) => `${host}:${port}`

const connectAndClose = Effect.fnUntraced(function*(socket: typeof tcp, address: SocketAddress.Input, count: number) {
  for (let i = 0; i < count; i++) {
    const s = yield* socket
    yield* Winsock.connect(s, address)
    yield* Winsock.closesocket(s)
  }
})

/** A service that states no rate, so that it is marked and nothing else. */
const sqos: Qos.Qos = { sending: { serviceType: "networkControl" } }

/** Ports that a bind has chosen are nobody's for a minute after a close, but not after a reset. */
const connectAndReset = Effect.fnUntraced(function*(
  peer: Peer,
  count: number,
  { bound, marked }: { readonly bound: boolean; readonly marked: boolean }
) {
  const address: SocketAddress.Input = at(peer, peer.accept)
  for (let i = 0; i < count; i++) {
    const s = yield* tcp
    yield* Winsock.setsockopt(s, SocketOption.SO_LINGER, { l_onoff: true, l_linger: 0 })
    if (bound) yield* Winsock.bind(s, "0.0.0.0:0")
    yield* Winsock.WSAConnect(s, address, marked ? { sqos } : undefined)
    yield* Winsock.closesocket(s)
  }
})

/** The round trip that an exchange takes, of a program that does without. */
const connectAndEcho = Effect.fnUntraced(function*(address: SocketAddress.Input, count: number) {
  for (let i = 0; i < count; i++) {
    const s = yield* tcp
    yield* Winsock.connect(s, address)
    yield* Winsock.send(s, callerData)
    for (let left = callerData.length; left > 0;) left -= (yield* Winsock.recv(s)).length
    yield* Winsock.closesocket(s)
  }
})

const exchangeAndClose = Effect.fnUntraced(function*(address: SocketAddress.Input, count: number) {
  for (let i = 0; i < count; i++) {
    const s = yield* tcp
    yield* Winsock.WSAConnect(s, address, { callerData, calleeData: 64 })
    yield* Winsock.closesocket(s)
  }
})

const connectAll = Effect.fnUntraced(function*(address: SocketAddress.Input, count: number) {
  for (let i = 0; i < count; i++) {
    const s = yield* tcp
    yield* Winsock.WSAConnect(s, address)
    yield* Winsock.closesocket(s)
  }
})

const connectScoped = Effect.fnUntraced(function*(address: SocketAddress.Input, count: number) {
  const one = Effect.scoped(Effect.flatMap(tcp, (s) => Winsock.WSAConnect(s, address)))
  for (let i = 0; i < count; i++) yield* one
})

/** In the order of docs/connector.md. */
const pipeline = Connector.winsock.pipe(
  Connector.attemptTimeout("10 seconds"),
  Connector.happyEyeballs(),
  Connector.resolve(),
  Connector.retry(RetryPolicy.transient()),
  Connector.timeout("30 seconds")
)

const connectByPipeline = Effect.fnUntraced(function*(target: string, count: number) {
  for (let i = 0; i < count; i++) yield* Effect.scoped(pipeline.connect(target))
})

const refused = Effect.fnUntraced(function*(address: SocketAddress.Input, count: number) {
  for (let i = 0; i < count; i++) {
    const s = yield* tcp
    yield* Effect.catchTag(Winsock.connect(s, address), "WSAECONNREFUSED", () => Effect.void)
    yield* Winsock.closesocket(s)
  }
})

const connected = Effect.fnUntraced(function*(socket: typeof tcp, address: SocketAddress.Input) {
  const s = yield* socket
  yield* Winsock.connect(s, address)
  return s
})

const source = Effect.fnUntraced(function*(peer: Peer, count: number) {
  const s = yield* connected(tcp, at(peer, peer.source))
  yield* Winsock.send(s, request(count))
  return s
})

const sourceConnection = Effect.fnUntraced(function*(peer: Peer, count: number) {
  const connection = yield* Connector.winsock.connect(at(peer, peer.source))
  yield* connection.write(request(count))
  return connection
})

export const tasks: Tasks = {
  "connect tcp": task((peer, count) => connectAndClose(tcp, at(peer, peer.accept), count)),
  "connect unix": task((peer, count) => connectAndClose(unix, `unix:${peer.path}`, count)),
  "connect refused": task((peer, count) => refused(at(peer, peer.refused), count)),
  "connect concurrent": task((peer, count) => {
    const one = connectAndClose(tcp, at(peer, peer.accept), 1)
    return Effect.all(Array.from({ length: count }, () => one), { concurrency: "unbounded", discard: true })
  }),
  "connect exchanged": exchanging((peer, count) => exchangeAndClose(at(peer, peer.replies), count)),
  "connect echoed": task((peer, count) => connectAndEcho(at(peer, peer.echo), count)),
  "connect marked": task((peer, count) => connectAndReset(peer, count, { bound: false, marked: true })),
  "connect marked bound": task((peer, count) => connectAndReset(peer, count, { bound: true, marked: true })),
  "connect bound": task((peer, count) => connectAndReset(peer, count, { bound: true, marked: false })),
  "connect bare": connecting((peer, count) => connectAll(at(peer, peer.accept), count)),
  "connect scoped": connecting((peer, count) => connectScoped(at(peer, peer.accept), count)),
  "connect pipeline": connecting((peer, count) => connectByPipeline(at(peer, peer.accept), count)),
  "read into": task(Effect.fnUntraced(function*(peer, count) {
    const s = yield* source(peer, count)
    const buffer = new Uint8Array(piece)
    let left = count
    for (let length = 1; length > 0; left -= length) length = yield* Winsock.recv(s, buffer)
    checkNone(left)
  })),
  "read owned": task(Effect.fnUntraced(function*(peer, count) {
    const s = yield* source(peer, count)
    let left = count
    for (let length = 1; length > 0; left -= length) length = (yield* Winsock.recv(s, piece)).length
    checkNone(left)
  })),
  "read lent": task(Effect.fnUntraced(function*(peer, count) {
    const s = yield* source(peer, count)
    let left = count
    for (let length = 1; length > 0; left -= length) length = yield* Winsock.recvLent(s, (lent) => lent.length)
    checkNone(left)
  })),
  "connection read into": task(Effect.fnUntraced(function*(peer, count) {
    const connection = yield* sourceConnection(peer, count)
    const buffer = new Uint8Array(piece)
    let left = count
    for (let length = 1; length > 0; left -= length) length = yield* connection.readInto(buffer)
    checkNone(left)
  })),
  "connection read owned": task(Effect.fnUntraced(function*(peer, count) {
    const connection = yield* sourceConnection(peer, count)
    let left = count
    for (let length = 1; length > 0; left -= length) length = (yield* connection.read).length
    checkNone(left)
  })),
  "connection read lent": task(Effect.fnUntraced(function*(peer, count) {
    const connection = yield* sourceConnection(peer, count)
    let left = count
    for (let length = 1; length > 0; left -= length) length = yield* connection.readLent((lent) => lent.length)
    checkNone(left)
  })),
  write: task(Effect.fnUntraced(function*(peer, count) {
    const s = yield* connected(tcp, at(peer, peer.sink))
    for (let sent = 0; sent < count; sent += chunk.length) yield* Winsock.send(s, chunk)
  })),
  "datagrams sent": task(Effect.fnUntraced(function*(peer, count) {
    const s = yield* connected(udp, at(peer, peer.datagrams))
    for (let i = 0; i < count; i++) yield* Winsock.send(s, datagram)
  })),
  "datagrams received": task(Effect.fnUntraced(function*(peer, count) {
    const s = yield* connected(udp, at(peer, peer.datagrams))
    const buffer = new Uint8Array(datagram.length)
    for (let i = 0; i < count; i++) {
      if (i % burst === 0) yield* Winsock.send(s, askForBurst)
      yield* Winsock.recv(s, buffer)
    }
  })),
  idle: task((peer, count, held) => {
    const one = Effect.gen(function*() {
      const s = yield* connected(tcp, at(peer, peer.echo))
      yield* Winsock.send(s, message)
      for (let left = message.length; left > 0;) left -= (yield* Winsock.recv(s)).length
    })
    return Effect.all(Array.from({ length: count }, () => one), { concurrency: openers, discard: true }).pipe(
      Effect.andThen(Effect.promise(held))
    )
  })
}
