import { Connection, ConnectionServer, Connector, Tls } from "@effect-winsock/core"
import { Memory, SimNetwork, SimTls } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Context, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { Socket } from "effect/socket"

const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkChild(call, { startImmediately: true })

const bytesOf = (...bytes: ReadonlyArray<number>) => new Uint8Array(bytes)

/** Two hosts, a server on one, and effect's Socket that connects to it from the other. */
const setUp = Effect.gen(function*() {
  const net = yield* SimNetwork.make({ hosts: { client: {}, server: {} }, link: { latency: "10 millis" } })
  const atServer = yield* Layer.build(net.layer("server"))
  const atClient = yield* Layer.build(net.layer("client"))
  const server = yield* Effect.provideContext(ConnectionServer.make({ address: "0.0.0.0:80" }), atServer)
  const socket = yield* Effect.provideContext(
    Connector.toSocket(Connector.winsock, net.address("server", 80)),
    atClient
  )
  return { net, server, socket }
})

/** How it ended: the reason, with its code, or with that of its cause. */
const ending = (error: Socket.SocketError) => {
  const { reason } = error
  if (reason._tag === "SocketCloseError") return `${reason._tag} ${reason.code}`
  return `${reason._tag} ${(reason.cause as { readonly _tag?: string } | undefined)?._tag}`
}

const pulled = (frames: ReadonlyArray<Uint8Array | string>) => frames.map((frame) => Array.from(frame as Uint8Array))

describe("effect's Socket", () => {
  it.sim("pulls what comes, and fails with code 1000 when the peer has ended", function*() {
    const { server, socket } = yield* setUp
    const { pull } = yield* socket.reader
    const peer = yield* server.accept
    yield* peer.write(bytesOf(1, 2))
    assert.deepStrictEqual(pulled(yield* pull), [[1, 2]])
    yield* peer.end
    for (let i = 0; i < 2; i++) assert.strictEqual(ending(yield* Effect.flip(pull)), "SocketCloseError 1000")
  })

  it.sim("says why it could not connect, and why the connection broke, as causes of ours", function*() {
    const { net, server, socket } = yield* setUp
    const refused = net.refuse(net.address("server", 80))
    const error = yield* Effect.flip(Effect.scoped(socket.reader))
    assert.strictEqual(ending(error), "SocketOpenError WSAECONNREFUSED")
    assert.strictEqual(error.reason._tag === "SocketOpenError" && error.reason.kind, "Unknown")
    refused()
    const silent = net.blackhole(net.address("server", 80))
    const late = yield* Effect.flip(Effect.scoped(socket.reader))
    assert.strictEqual(ending(late), "SocketOpenError WSAETIMEDOUT")
    assert.strictEqual(late.reason._tag === "SocketOpenError" && late.reason.kind, "Timeout")
    silent()

    const { pull } = yield* socket.reader
    const { write } = yield* socket.writer
    yield* server.accept
    net.reset({ host: "server" })
    assert.strictEqual(ending(yield* Effect.flip(pull)), "SocketReadError WSAECONNRESET")
    assert.strictEqual(ending(yield* Effect.flip(write("x"))), "SocketWriteError WSAECONNRESET")
  })

  it.sim("a pull that waits fails with code 1006 when its acquisition ends", function*() {
    const { server, socket } = yield* setUp
    const scope = yield* Scope.make()
    const { pull } = yield* Scope.provide(socket.reader, scope)
    const peer = yield* server.accept
    const pulling = yield* begin(Effect.flip(pull))
    yield* Scope.close(scope, Exit.void)
    assert.strictEqual(ending(yield* Fiber.join(pulling)), "SocketCloseError 1006")
    assert.strictEqual(ending(yield* Effect.flip(pull)), "SocketCloseError 1006")
    assert.strictEqual((yield* peer.read).length, 0)
  })

  it.sim("connects again when it is acquired again, and what is written meanwhile waits for that", function*() {
    const { server, socket } = yield* setUp
    const { write, writeAll } = yield* socket.writer
    const early = yield* begin(write("early"))
    yield* Effect.sleep("1 minute")
    assert.isUndefined(early.pollUnsafe())
    yield* Effect.scoped(Effect.gen(function*() {
      yield* socket.reader
      yield* Fiber.join(early)
      const peer = yield* server.accept
      assert.strictEqual(new TextDecoder().decode(yield* peer.read), "early")
    }))
    const later = yield* begin(writeAll(["la", new TextEncoder().encode("ter")]))
    yield* socket.reader
    yield* Fiber.join(later)
    const peer = yield* server.accept
    assert.strictEqual(new TextDecoder().decode(yield* peer.read), "later")
  })

  it.sim("a write that is given up goes on, so that others can write after it", function*() {
    const { server, socket } = yield* setUp
    yield* socket.reader
    const { write } = yield* socket.writer
    const peer = yield* server.accept
    const long = yield* begin(write(new Uint8Array(500_000)))
    yield* Effect.sleep("1 second")
    yield* Fiber.interrupt(long)
    const next = yield* begin(write(bytesOf(1)))
    let length = 0
    while (length < 500_001) length += (yield* peer.read).length
    yield* Fiber.join(next)
    assert.strictEqual(length, 500_001)
  })

  it.sim("a batch is written in one piece, whoever else writes", function*() {
    const { server, socket } = yield* setUp
    yield* socket.reader
    const { write, writeAll } = yield* socket.writer
    const peer = yield* server.accept
    yield* Effect.all([write(new Uint8Array(300_000)), writeAll([bytesOf(1, 2), bytesOf(3)]), write(bytesOf(4))], {
      concurrency: "unbounded"
    }).pipe(begin)
    const got: Array<number> = []
    while (got.length < 300_004) got.push(...yield* peer.read)
    assert.deepStrictEqual(got.slice(300_000), [1, 2, 3, 4])
  })

  it.sim("releasing the writer ends the direction behind all that was written", function*() {
    const { server, socket } = yield* setUp
    const { pull } = yield* socket.reader
    const peer = yield* server.accept
    yield* Effect.scoped(Effect.gen(function*() {
      const { write } = yield* socket.writer
      yield* Effect.forkDetach(Effect.ignore(write(new Uint8Array(200_000))), { startImmediately: true })
    }))
    let length = 0
    for (let bytes = yield* peer.read; bytes.length > 0; bytes = yield* peer.read) length += bytes.length
    assert.strictEqual(length, 200_000)
    yield* peer.write(bytesOf(7))
    assert.deepStrictEqual(pulled(yield* pull), [[7]])
  })

  it.sim("a close event closes, and the reader fails with its code and reason", function*() {
    const { server, socket } = yield* setUp
    const { pull } = yield* socket.reader
    const { write } = yield* socket.writer
    const peer = yield* server.accept
    const pulling = yield* begin(Effect.flip(pull))
    yield* write(new Socket.CloseEvent(1009, "too long"))
    const { reason } = yield* Fiber.join(pulling)
    assert.deepInclude({ ...reason }, { _tag: "SocketCloseError", code: 1009, closeReason: "too long" })
    assert.strictEqual((yield* peer.read).length, 0)
  })

  describe("upgrade", () => {
    const authority = SimTls.authority("Authority of the test")
    const { cert, key } = authority.issue({ names: ["numbers.example"] })

    /** Two ends of effect's Socket, and what each says in plain text before TLS. */
    const ends = Effect.gen(function*() {
      const { server, socket } = yield* setUp
      const client = yield* socket.reader
      const peer = yield* server.accept
      const accepted = yield* Connection.toSocket(peer, { tlsServer: true })
      const other = yield* accepted.reader
      const writers = { client: yield* socket.writer, server: yield* accepted.writer }
      yield* writers.client.write("begin")
      assert.strictEqual(pulled(yield* other.pull)[0]!.length, 5)
      return { client, server: other, writers, peer }
    }).pipe(Effect.provide(SimTls.layer()))

    const text = (frames: ReadonlyArray<Uint8Array | string>) => new TextDecoder().decode(frames[0] as Uint8Array)

    it.sim("goes on under TLS, once", function*() {
      const { client, server, writers } = yield* ends
      yield* Effect.all([
        client.upgrade({ servername: "numbers.example", ca: authority.cert, alpnProtocols: ["x"] }),
        server.upgrade({ key: [key], cert: [cert], alpnProtocols: ["x"] })
      ], { concurrency: 2 })
      yield* writers.client.write("secret")
      assert.strictEqual(text(yield* server.pull), "secret")
      yield* writers.server.writeAll(["an", "swer"])
      assert.strictEqual(text(yield* client.pull), "answer")
      const again = yield* Effect.flip(client.upgrade())
      assert.strictEqual(again.reason._tag, "SocketUpgradeError")
      assert.strictEqual((again.reason as Socket.SocketUpgradeError).message, "An error occurred during TLS upgrade")
    })

    it.sim("says what went wrong as its cause, and closes", function*() {
      const { client, server } = yield* ends
      const [mine, other] = yield* Effect.all([
        Effect.flip(client.upgrade({ servername: "numbers.example" })),
        Effect.flip(server.upgrade({ key, cert }))
      ], { concurrency: 2 })
      assert.strictEqual(ending(mine), "SocketUpgradeError TlsUntrusted")
      assert.strictEqual(ending(other), "SocketUpgradeError TlsAlert")
      assert.strictEqual(ending(yield* Effect.flip(client.pull)), "SocketUpgradeError TlsUntrusted")
    })

    it.sim("that is given up half-way closes too", function*() {
      const { client, peer } = yield* ends
      const upgrading = yield* begin(client.upgrade({ servername: "numbers.example", ca: authority.cert }))
      yield* Fiber.interrupt(upgrading)
      assert.strictEqual(ending(yield* Effect.flip(client.pull)), "SocketCloseError 1006")
      yield* Effect.ignore(Stream.runDrain(Connection.stream(peer)))
      assert.isUndefined(peer.closeReason)
      yield* peer.end
      assert.deepStrictEqual(peer.closeReason, { _tag: "Ended", by: "peer" })
    })

    it.sim("wants a key with its certificate, one of them, and a TLS", function*() {
      const { client, server, writers } = yield* ends
      const why = (upgrade: Effect.Effect<void, Socket.SocketError>) =>
        Effect.map(
          Effect.flip(upgrade),
          ({ reason }) => reason._tag === "SocketUpgradeError" ? (reason.cause as Error).message : reason._tag
        )
      const together = "a key and a certificate belong together"
      assert.strictEqual(yield* why(client.upgrade({ key })), together)
      assert.strictEqual(yield* why(client.upgrade({ cert })), together)
      assert.strictEqual(yield* why(server.upgrade({ key: [key, key], cert })), "there can be one key, not several")
      assert.strictEqual(yield* why(server.upgrade({})), "a server needs a key and a certificate")
      // Nothing has been said to the peer yet: both go on.
      yield* writers.server.write("plain")
      assert.strictEqual(text(yield* client.pull), "plain")

      const { socket } = yield* setUp
      const { upgrade } = yield* socket.reader
      assert.strictEqual((yield* Effect.flip(upgrade())).message, "Socket does not support TLS upgrade")
    })
  })

  it.sim("under TLS too a pull that waits fails with code 1006 when its acquisition ends", function*() {
    const authority = SimTls.authority("Authority of the test")
    const { net, server } = yield* setUp
    const tls = yield* SimTls.make({ trusted: authority.cert })
    const socket = yield* Connector.winsock.pipe(
      Connector.tls({ serverName: "numbers.example" }),
      Connector.toSocket(Connector.endpoint(net.address("server", 80))),
      Effect.provideContext(Context.add(yield* Layer.build(net.layer("client")), Tls.Tls, tls))
    )
    const accepting = yield* begin(
      Effect.flatMap(
        server.accept,
        (peer) => tls.accept(peer, { identity: authority.issue({ names: ["numbers.example"] }) })
      )
    )
    const scope = yield* Scope.make()
    const { pull } = yield* Scope.provide(socket.reader, scope)
    const peer = yield* Fiber.join(accepting)
    const pulling = yield* begin(Effect.flip(pull))
    yield* Scope.close(scope, Exit.void)
    assert.strictEqual(ending(yield* Fiber.join(pulling)), "SocketCloseError 1006")
    // It is the end, and not cut off: TLS was ended before the socket.
    assert.strictEqual((yield* peer.read).length, 0)
  })

  it.sim("over one connection it is acquired once, and closes it", function*() {
    const { server, socket } = yield* setUp
    yield* socket.reader
    const peer = yield* server.accept
    const accepted = yield* Connection.toSocket(peer)
    yield* Effect.scoped(accepted.reader)
    assert.deepStrictEqual(peer.closeReason, { _tag: "Ended", by: "us" })
    assert.strictEqual(ending(yield* Effect.flip(accepted.reader)), "SocketCloseError 1000")
  })

  it.sim("over one connection that broke it says how", function*() {
    const { net, server, socket } = yield* setUp
    yield* socket.reader
    const peer = yield* server.accept
    net.reset({ host: "server" })
    yield* peer.closed
    const accepted = yield* Connection.toSocket(peer)
    assert.strictEqual(ending(yield* Effect.flip(accepted.reader)), "SocketOpenError WSAECONNRESET")
  })

  it.live("a pull that is interrupted takes nothing, wherever its fiber gives way", () =>
    Effect.gen(function*() {
      const seen = { interrupted: 0, done: 0 }
      const server = yield* ConnectionServer.make({ address: "127.0.0.1:0" })
      for (let steps = 1; steps < 40; steps++) {
        const socket = yield* Connector.toSocket(Connector.winsock, server.address)
        const { pull } = yield* socket.reader
        yield* (yield* server.accept).write(bytesOf(1, 2, 3))
        yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
        const got: Array<unknown> = []
        const taking = Effect.uninterruptibleMask((restore) =>
          Effect.map(restore(pull), (frames) => void got.push(...pulled(frames)))
        )
        const fiber = yield* begin(Effect.withFiber((fiber) => {
          ;(fiber as { currentOpCount: number }).currentOpCount = fiber.cache.maxOpsBeforeYield - steps
          return taking
        }))
        yield* Fiber.interrupt(fiber)
        if (got.length === 0) {
          seen.interrupted++
          got.push(...pulled(yield* pull))
        } else seen.done++
        assert.deepStrictEqual(got, [[1, 2, 3]], `with ${steps} steps left`)
      }
      assert.isAbove(seen.interrupted, 0)
      assert.isAbove(seen.done, 0)
    }).pipe(Effect.scoped, Effect.provide(Memory.layer())))
})
