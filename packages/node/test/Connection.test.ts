import { Connection, ConnectionServer, Connector, SocketAddress, SocketOption, Winsock } from "@effect-winsock/core"
import { NodeTls, NodeWinsock } from "@effect-winsock/node"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Equal, Exit, Fiber, Random, Redacted, type Scope, Stream } from "effect"
import { Socket } from "effect/socket"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Certificates, type Pair } from "./utils/certificates.ts"
import { leavingNothing } from "./utils/leaks.ts"

const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkChild(call, { startImmediately: true })

const bytesOf = (...bytes: ReadonlyArray<number>) => new Uint8Array(bytes)

/** Bytes whose order shows. */
const counted = (length: number) => new Uint8Array(length).map((_, i) => i % 251)

const live = <A, E>(program: Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>) =>
  leavingNothing(program.pipe(Effect.scoped, Effect.provide(NodeWinsock.layer)))

const pairAt = (address: SocketAddress.Input) =>
  Effect.gen(function*() {
    const listener = yield* ConnectionServer.make({ address })
    const client = yield* Connector.winsock.connect(listener.address)
    return { listener, client, server: yield* listener.accept }
  })

const pair = pairAt("127.0.0.1:0")

const readAll = <E>(connection: Connection.Connection<E>) =>
  Effect.map(
    Stream.runCollect(Connection.stream(connection)),
    (chunks) => new Uint8Array(Buffer.concat(chunks))
  )

/** A server of Node's, which does something with its first caller. */
const nodeServer = (handler: (socket: net.Socket) => void, options: net.ServerOpts = {}) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = net.createServer(options, handler).listen(0, "127.0.0.1")
      await once(server, "listening")
      return server
    }),
    (server) => Effect.promise(() => new Promise<void>((resolve) => server.close(() => resolve())))
  ).pipe(Effect.map((server) => `127.0.0.1:${(server.address() as net.AddressInfo).port}`))

describe("Connection, live", () => {
  it.live("A08: reads give what was written in its order, and then the end for good", () =>
    live(Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* client.write(counted(1000))
      yield* client.end
      const buffer = new Uint8Array(100)
      assert.strictEqual(yield* server.readInto(buffer), 100)
      assert.deepStrictEqual(buffer, counted(100))
      assert.deepStrictEqual(yield* readAll(server), counted(1000).subarray(100))
      assert.strictEqual(yield* server.readLent((lent) => lent.length), 0)
      yield* server.write(bytesOf(1))
      assert.strictEqual((yield* client.read).length, 1)
      yield* server.end
      assert.deepStrictEqual(yield* client.closed, { _tag: "Ended", by: "us" })
      assert.deepStrictEqual(yield* server.closed, { _tag: "Ended", by: "peer" })
    })))

  it.live("A03: knows its addresses, on each family, and after its end", () =>
    live(Effect.gen(function*() {
      const folder = mkdtempSync(join(tmpdir(), "connection-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      for (const address of ["127.0.0.1:0", "[::1]:0", `unix:${folder}/s`]) {
        const { client, server } = yield* pairAt(address)
        assert.isTrue(Equal.equals(client.local, server.remote), address)
        assert.isTrue(Equal.equals(server.local, client.remote), address)
        yield* Winsock.closesocket(client.socket)
        assert.isTrue(Equal.equals(client.local, server.remote), address)
      }
      const bound = Connector.winsock.pipe(Connector.bindTo({ IPv4: "0.0.0.0:0" }))
      const { listener } = yield* pair
      const { local } = yield* bound.connect(listener.address)
      assert.match(SocketAddress.format(local), /^127\.0\.0\.1:[1-9]/)
    })))

  it.live("a peer that does not read holds the writer back, and one that reads lets it go on", () =>
    live(Effect.gen(function*() {
      let peer!: net.Socket
      const address = yield* nodeServer((socket) => void (peer = socket.pause()))
      const client = yield* Connector.winsock.connect(address)
      // More than the buffers of any system.
      const writing = yield* begin(client.write(counted(30_000_000)))
      assert.strictEqual((yield* Effect.timeoutOption(Fiber.join(writing), "300 millis"))._tag, "None")
      let length = 0
      peer.on("data", (bytes) => length += bytes.length).resume()
      yield* Fiber.join(writing)
      yield* client.end
      yield* Effect.promise(() => once(peer, "end"))
      assert.strictEqual(length, 30_000_000)
    })))

  it.live("R21: what breaks gives what has arrived, stays broken, and says how also where nobody reads", () =>
    live(Effect.gen(function*() {
      let peer!: net.Socket
      const address = yield* nodeServer((socket) => void (peer = socket).write(counted(500)))
      const client = yield* Connector.winsock.connect(address)
      yield* Winsock.select({ read: [client.socket] })
      const closed = yield* begin(client.closed)
      peer.resetAndDestroy()
      const reason = yield* Fiber.join(closed)
      assert.strictEqual(reason._tag === "Broken" && reason.error._tag, "WSAECONNRESET")
      assert.deepStrictEqual(yield* client.read, counted(500))
      for (let i = 0; i < 2; i++) {
        assert.strictEqual((yield* Effect.flip(client.read))._tag, "WSAECONNRESET")
        assert.strictEqual((yield* Effect.flip(client.write(bytesOf(1))))._tag, "WSAECONNRESET")
      }
    })))

  it.live("A11: closing ends it: what waits fails with WSAEINTR", () =>
    live(Effect.gen(function*() {
      const { client, server } = yield* pair
      const reading = yield* begin(Effect.flip(client.read))
      const writing = yield* begin(Effect.flip(client.write(new Uint8Array(30_000_000))))
      yield* Winsock.closesocket(client.socket)
      assert.strictEqual((yield* Fiber.join(reading))._tag, "WSAEINTR")
      assert.strictEqual((yield* Fiber.join(writing))._tag, "WSAEINTR")
      assert.deepStrictEqual(yield* client.closed, { _tag: "Ended", by: "us" })
      assert.strictEqual((yield* Effect.flip(readAll(server)))._tag, "WSAECONNRESET")
    })))

  it.live("A08: reads that are interrupted at all times lose nothing and double nothing", () =>
    live(
      Effect.gen(function*() {
        const { client, server } = yield* pair
        const all = counted(3_000_000)
        const writing = yield* Effect.forkChild(Effect.andThen(client.write(all), client.end))
        const got: Array<Uint8Array> = []
        while (got.at(-1)?.length !== 0) {
          const buffer = new Uint8Array(10_000)
          const way = yield* Random.nextIntBetween(0, 2)
          const fiber = yield* begin(
            way === 0
              ? Effect.map(server.read, (bytes) => void got.push(bytes))
              : way === 1
              ? Effect.map(server.readInto(buffer), (length) => void got.push(buffer.subarray(0, length)))
              : Effect.map(server.readLent((lent) => new Uint8Array(lent)), (bytes) => void got.push(bytes))
          )
          for (let turns = yield* Random.nextIntBetween(0, 3); turns > 0; turns--) {
            yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
          }
          yield* Fiber.interrupt(fiber)
        }
        yield* Fiber.join(writing)
        assert.isTrue(Buffer.concat(got).equals(all))
      }).pipe(Random.withSeed("interrupted reads"))
    ))

  it.live("a write that is given up has sent nothing, or breaks the connection", () =>
    live(Effect.gen(function*() {
      const seen = { sent: 0, broken: 0 }
      for (let turns = 0; turns < 10; turns++) {
        for (const length of [10, 30_000_000]) {
          const { client, server } = yield* pair
          const writing = yield* begin(client.write(new Uint8Array(length)))
          for (let i = 0; i < turns; i++) yield* Effect.yieldNow
          yield* Fiber.interrupt(writing)
          const after = yield* Effect.exit(Effect.andThen(client.write(bytesOf(1)), client.end))
          if (Exit.isSuccess(after)) {
            seen.sent++
            assert.strictEqual((yield* readAll(server)).length, length + 1)
          } else {
            seen.broken++
            assert.strictEqual((yield* Effect.flip(after))._tag, "WSAECONNABORTED")
            assert.strictEqual((yield* Effect.flip(readAll(server)))._tag, "WSAECONNRESET")
          }
        }
      }
      assert.isAbove(seen.sent, 0)
      assert.isAbove(seen.broken, 0)
    })))

  it.live("a relay carries both ways, and ends each by itself", () =>
    live(Effect.gen(function*() {
      const echo = yield* nodeServer((socket) => void socket.pipe(socket), { allowHalfOpen: true })
      const relay = yield* ConnectionServer.make({ address: "127.0.0.1:0" })
      yield* Effect.forkScoped(relay.run((caller) =>
        Effect.flatMap(Connector.winsock.connect(echo), (onwards) => Connection.relay(caller, onwards))
      ))
      const client = yield* Connector.winsock.connect(relay.address)
      const reading = yield* begin(readAll(client))
      yield* Stream.make(counted(5_000_000), bytesOf(1)).pipe(Stream.run(Connection.sink(client)))
      const got = yield* Fiber.join(reading)
      assert.strictEqual(got.length, 5_000_001)
      assert.deepStrictEqual(got.subarray(0, 5_000_000), counted(5_000_000))
    })))
})

describe("effect's Socket, live", () => {
  it.live("talks to Node's server, and connects again when it is acquired again", () =>
    live(Effect.gen(function*() {
      const address = yield* nodeServer((socket) => void socket.pipe(socket))
      const socket = yield* Connector.toSocket(Connector.winsock, address)
      const { write } = yield* socket.writer
      for (const text of ["one", "two"]) {
        const fiber = yield* begin(write(text))
        yield* Effect.scoped(Effect.gen(function*() {
          const pull = yield* Socket.readerString(socket)
          assert.deepStrictEqual(yield* pull, [text])
        }))
        yield* Fiber.join(fiber)
      }
    })))

  it.live("fails with what we say as the cause", () =>
    live(Effect.gen(function*() {
      const address = yield* Effect.scoped(nodeServer(() => {}))
      const socket = yield* Connector.toSocket(Connector.winsock, address)
      const { reason } = yield* Effect.flip(socket.reader)
      assert.strictEqual(reason._tag === "SocketOpenError" && (reason.cause as Error).name, "WSAECONNREFUSED")
    })))
})

describe("effect's Socket that begins TLS in the middle, live", () => {
  let made: Certificates
  beforeAll(() => {
    made = new Certificates()
  })
  afterAll(() => made.remove())

  /** Says a word in plain text and one under TLS, and gives what came. */
  const asking = (socket: Socket.Socket) =>
    Effect.gen(function*() {
      const { pull, upgrade } = yield* socket.reader
      const { write } = yield* socket.writer
      yield* write("plain")
      const first = text(yield* pull)
      yield* upgrade({ servername: "localhost", ca: made.ca.cert })
      yield* write("secret")
      return [first, text(yield* pull)]
    }).pipe(Effect.scoped)

  const answering = ({ cert, key }: Pair) => (socket: Socket.Socket) =>
    Effect.gen(function*() {
      const { pull, upgrade } = yield* socket.reader
      const { write } = yield* socket.writer
      yield* write(`${text(yield* pull)} too`)
      yield* upgrade({ cert, key: Redacted.make(key) })
      yield* write(`${text(yield* pull)} too`)
      // Until the peer has gone.
      yield* Effect.ignore(pull)
    }).pipe(Effect.scoped)

  const text = (frames: ReadonlyArray<Uint8Array | string>) =>
    frames.map((frame) => typeof frame === "string" ? frame : new TextDecoder().decode(frame)).join("")

  for (const server of ["ours", "effect's own"] as const) {
    for (const client of ["ours", "effect's own"] as const) {
      it.live(`the client is ${client}, the server ${server}`, () =>
        live(
          Effect.gen(function*() {
            const serving = server === "ours"
              ? ConnectionServer.toSocketServer(yield* ConnectionServer.make({ address: "127.0.0.1:0" }))
              : yield* NodeSocketServer.make({ host: "127.0.0.1", port: 0 })
            yield* Effect.forkScoped(serving.run(answering(made.issued())))
            const port = SocketAddress.portOf(serving.address)!
            const socket = client === "ours"
              ? yield* Connector.toSocket(Connector.winsock, `127.0.0.1:${port}`)
              : yield* NodeSocket.makeNet({ host: "127.0.0.1", port })
            assert.deepStrictEqual(yield* asking(socket), ["plain too", "secret too"])
          }).pipe(Effect.provide(NodeTls.layer))
        ))
    }
  }
})

describe("ConnectionServer, live", () => {
  it.live("serves Node's clients, many at once, and closes what it served", () =>
    live(Effect.gen(function*() {
      const server = yield* ConnectionServer.make({
        address: "127.0.0.1:0",
        prepare: (s) => Winsock.setsockopt(s, SocketOption.TCP_NODELAY, true)
      })
      yield* Effect.forkScoped(server.run((caller) => Connection.relay(caller, caller)))
      const port = SocketAddress.portOf(server.address)!
      const answers = yield* Effect.forEach(Array.from({ length: 50 }, (_, i) => i), (i) =>
        Effect.promise(async () => {
          const socket = net.connect({ port, host: "127.0.0.1" })
          socket.end(`caller ${i}`)
          let text = ""
          for await (const bytes of socket) text += bytes
          return text
        }), { concurrency: "unbounded" })
      assert.deepStrictEqual(answers, Array.from({ length: 50 }, (_, i) => `caller ${i}`))
    })))
})
