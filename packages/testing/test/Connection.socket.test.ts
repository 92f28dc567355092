import { Connection, ConnectionServer, Connector } from "@effect-winsock/core"
import { Memory, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Effect, Exit, Fiber, Layer, Scope } from "effect"
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

  it.sim("cannot be upgraded in place", function*() {
    const { socket } = yield* setUp
    const { upgrade } = yield* socket.reader
    assert.strictEqual((yield* Effect.flip(upgrade())).reason._tag, "SocketUpgradeError")
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
