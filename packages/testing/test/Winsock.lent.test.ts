import { type Provider, Winsock } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, type Scope } from "effect"
import { pair } from "./utils/pair.ts"

/** Begins a call, which waits by the time this returns. */
const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkChild(call, { startImmediately: true })

/** Lets everything that is on the way arrive. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** The in-memory provider, and the very buffers that it has delivered. */
const watched = (after: (bytes: Uint8Array, deliver: () => number) => number = (_, deliver) => deliver()) => {
  const { provider } = Memory.make()
  const delivered: Array<Uint8Array> = []
  const watch = (sink: Provider.Sink): Provider.Sink =>
    new Proxy(sink, {
      get: (target, key) => {
        const method = Reflect.get(target, key).bind(target)
        return key !== "data" ? method : (bytes: Uint8Array) => {
          delivered.push(bytes)
          return after(bytes, () => method(bytes))
        }
      }
    })
  return { delivered, layer: Winsock.layer({ ...provider, open: (kind, sink) => provider.open(kind, watch(sink)) }) }
}

const run = <A, E>(program: Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>) =>
  program.pipe(Effect.scoped, Effect.provide(Memory.layer()))

describe("recvLent", () => {
  it.live("R27: a call that waits is lent the provider's own bytes, with no copy in between", () => {
    const { delivered, layer } = watched()
    return Effect.gen(function*() {
      const { client, server } = yield* pair
      const waiting = yield* begin(Winsock.recvLent(client, (lent) => lent))
      yield* Winsock.send(server, new Uint8Array([1, 2, 3]))
      const lent = yield* Fiber.join(waiting)
      assert.strictEqual(delivered.length, 1)
      assert.strictEqual(lent.buffer, delivered[0]!.buffer)
      assert.deepStrictEqual(Array.from(lent), [1, 2, 3])
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.live("R27: what is left is kept before the provider's bytes go, also where an observer of the receiver throws", () => {
    let thrown = 0
    const { layer } = watched((bytes, deliver) => {
      try {
        return deliver()
      } catch {
        thrown++
        return 1
      } finally {
        bytes.fill(9)
      }
    })
    return Effect.gen(function*() {
      const { client, server } = yield* pair
      Effect.runCallback(Winsock.recv(client, 1), {
        onExit: () => {
          throw new Error("an observer")
        }
      })
      yield* Winsock.send(server, new Uint8Array([1, 2, 3]))
      yield* settle
      assert.strictEqual(thrown, 1)
      assert.deepStrictEqual(Array.from(yield* Winsock.recv(client)), [2, 3])
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.live("A08: it takes up to so many bytes and leaves the rest in order, whether it waits or not", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* pair
      const got: Array<number> = []
      const lent = Winsock.recvLent(client, (lent) => void got.push(...lent), 2)
      const waiting = yield* begin(lent)
      yield* Winsock.send(server, new Uint8Array([1, 2, 3, 4, 5]))
      yield* Fiber.join(waiting)
      yield* lent
      yield* Winsock.shutdown(server, "send")
      got.push(...yield* Winsock.recv(client))
      assert.deepStrictEqual(got, [1, 2, 3, 4, 5])
      yield* settle
      assert.strictEqual(yield* Winsock.recvLent(client, (lent) => lent.length), 0)
      assert.strictEqual(yield* Winsock.recvLent(client, (lent) => lent.length), 0)
    })))

  it.live("A08: where the function throws it is a defect, and the bytes are taken", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* pair
      const failing = Winsock.recvLent(client, () => {
        throw new Error("a bug")
      }, 1)
      const waiting = yield* begin(Effect.exit(failing))
      yield* Winsock.send(server, new Uint8Array([1, 2, 3]))
      assert.isTrue(Exit.hasDies(yield* Fiber.join(waiting)))
      assert.isTrue(Exit.hasDies(yield* Effect.exit(failing)))
      assert.deepStrictEqual(Array.from(yield* Winsock.recv(client)), [3])
    })))

  it.live("A08: one that is interrupted while it waits takes nothing, and its function is not called", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* pair
      let called = 0
      const waiting = yield* begin(Winsock.recvLent(client, () => called++))
      yield* Fiber.interrupt(waiting)
      yield* Winsock.send(server, new Uint8Array([7]))
      assert.deepStrictEqual(Array.from(yield* Winsock.recv(client)), [7])
      assert.strictEqual(called, 0)
    })))

  it.live("A08: receives of every kind are served in the order of the calls", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* pair
      const got: Array<string> = []
      const one = yield* begin(Winsock.recvLent(client, (lent) => void got.push(`lent ${lent[0]}`), 1))
      const two = yield* begin(Effect.map(Winsock.recv(client, 1), (bytes) => void got.push(`kept ${bytes[0]}`)))
      const three = yield* begin(Winsock.recvLent(client, (lent) => void got.push(`lent ${lent[0]}`), 1))
      yield* Winsock.send(server, new Uint8Array([1, 2, 3]))
      yield* Effect.all([Fiber.join(one), Fiber.join(two), Fiber.join(three)])
      assert.deepStrictEqual(got, ["lent 1", "kept 2", "lent 3"])
    })))

  it.live("E10: what is no function, or no length, does not decode", () =>
    run(Effect.gen(function*() {
      const { client } = yield* pair
      assert.strictEqual((yield* Effect.flip(Winsock.recvLent(client, 1 as never)))._tag, "WSAEFAULT")
      for (const length of [-1, 0.5, Number.NaN, "1" as never]) {
        assert.strictEqual((yield* Effect.flip(Winsock.recvLent(client, () => 0, length)))._tag, "WSAEFAULT")
      }
      assert.strictEqual(yield* Winsock.recvLent(client, (lent) => lent.length, 0), 0)
    })))
})

describe("send", () => {
  it.live("R27: a non-blocking send has a copy of its bytes, also of those of a Buffer", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* Winsock.ioctlsocket(client, "FIONBIO", true)
      for (const bytes of [Buffer.from([1, 2, 3, 4, 5, 6]), new Uint8Array([1, 2, 3, 4, 5, 6])]) {
        assert.strictEqual(yield* Winsock.send(client, bytes), 6)
        bytes.fill(9)
        const got: Array<number> = []
        while (got.length < 6) got.push(...yield* Winsock.recv(server))
        assert.deepStrictEqual(got, [1, 2, 3, 4, 5, 6])
        yield* settle
      }
    }).pipe(Effect.scoped, Effect.provide(Memory.layer({ window: 4 }))))
})
