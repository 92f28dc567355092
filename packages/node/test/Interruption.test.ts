import { SocketAddress, Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Random } from "effect"
import { setImmediate } from "node:timers/promises"
import { blackHole } from "./utils/blackHole.ts"
import { resources } from "./utils/resources.ts"

const rounds = Number(process.env.WINSOCK_INTERRUPTED_CONNECTS ?? 2000)

const stream = { family: "IPv4", type: "stream" } as const

/** Lets the event loop turn so many times. */
const turns = (count: number) =>
  Effect.promise(async () => {
    for (let i = 0; i < count; i++) await setImmediate()
  })

/** A listener whose callers are accepted and let go, for as long as the scope lasts. */
const accepting = Effect.gen(function*() {
  const listener = yield* Winsock.socket(stream)
  yield* Winsock.bind(listener, "127.0.0.1:0")
  yield* Winsock.listen(listener, 1024)
  yield* Winsock.accept(listener).pipe(
    Effect.flatMap(({ socket }) => Effect.ignore(Winsock.closesocket(socket))),
    Effect.scoped,
    Effect.forever,
    Effect.forkScoped
  )
  return SocketAddress.format(yield* Winsock.getsockname(listener))
})

/** Lets the peer close first, so that TIME_WAIT is at its port and not at ours, which a later round may get. */
const goodbye = (s: Winsock.Socket) => Effect.map(Winsock.recv(s), (bytes) => assert.strictEqual(bytes.length, 0))

describe("Interruption", () => {
  it.live(
    `leaves nothing behind ${rounds} connects that are interrupted at random moments`,
    () =>
      Effect.gen(function*() {
        const before = resources()
        const seen = { interrupted: 0, connected: 0, failed: 0, samePort: 0 }
        yield* Effect.gen(function*() {
          const live = yield* accepting
          const silent = yield* blackHole
          const closed = yield* Winsock.socket(stream)
          yield* Winsock.bind(closed, "127.0.0.1:0")
          const dead = SocketAddress.format(yield* Winsock.getsockname(closed))
          const targets = [live, silent, dead]

          const round = Effect.gen(function*() {
            const target = targets[yield* Random.nextIntBetween(0, 2)]!
            const moment = yield* Random.nextIntBetween(0, 6)
            const s = yield* Winsock.socket(stream)
            // Linux gives back a port that was asked for. One that it chose for a connect it shares with other
            // connections, of which this machine may have many: then another has to do. (The conformance suite shows
            // R26 for these too, in a network of its own.)
            const bound = yield* Random.nextBoolean
            if (bound) yield* Winsock.bind(s, "127.0.0.1:0")
            const fiber = yield* Effect.forkChild(Winsock.WSAConnect(s, target), {
              startImmediately: yield* Random.nextBoolean
            })
            if (moment === 1) yield* Effect.yieldNow
            if (moment > 1) yield* turns(moment - 1)
            const exit = yield* Fiber.interrupt(fiber).pipe(Effect.andThen(Fiber.await(fiber)))
            if (Exit.isSuccess(exit)) {
              seen.connected++
              return yield* goodbye(s)
            }
            if (Exit.hasInterrupts(exit)) seen.interrupted++
            else seen.failed++
            // R26: it is as after a refusal: the same socket connects, from the port it has.
            const before = yield* Effect.option(Winsock.getsockname(s))
            yield* Winsock.WSAConnect(s, live)
            if (bound) {
              seen.samePort++
              assert.deepStrictEqual(before, Option.some(yield* Winsock.getsockname(s)))
            }
            yield* goodbye(s)
          }).pipe(Effect.scoped)

          yield* Effect.forEach(Array.from({ length: rounds }), () => round, { concurrency: 8, discard: true })
        }).pipe(Effect.scoped, Effect.provide(NodeWinsock.layer), Random.withSeed("interruption"))

        // Every way out was met, or the test shows nothing.
        assert.isAbove(seen.interrupted, rounds / 10)
        assert.isAbove(seen.connected, rounds / 50)
        assert.isAbove(seen.failed, rounds / 50)
        assert.isAbove(seen.samePort, rounds / 10)
        // 'close' events of Node come in the turn after the last one.
        yield* turns(2)
        for (const [name, count] of Object.entries(resources())) {
          assert.isAtMost(count, before[name] ?? 0, name)
        }
      }),
    120_000
  )

  it.live("R26: after an interruption the same socket connects from the same port, also to the same peer", () =>
    Effect.gen(function*() {
      const live = yield* accepting
      const s = yield* Winsock.socket(stream)
      yield* Winsock.bind(s, "127.0.0.1:0")
      const local = yield* Winsock.getsockname(s)
      for (let i = 0; i < 20; i++) {
        // Linux has established it by now, and Node has not looked yet.
        const fiber = yield* Effect.forkChild(Winsock.WSAConnect(s, live), { startImmediately: true })
        yield* Fiber.interrupt(fiber)
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      }
      yield* Winsock.WSAConnect(s, live)
      assert.strictEqual(SocketAddress.format(yield* Winsock.getsockname(s)), SocketAddress.format(local))
    }).pipe(Effect.scoped, Effect.provide(NodeWinsock.layer)))

  it.live("A11: a send that is interrupted breaks the connection, and a receive that is changes nothing", () =>
    Effect.gen(function*() {
      const listener = yield* Winsock.socket(stream)
      yield* Winsock.bind(listener, "127.0.0.1:0")
      yield* Winsock.listen(listener)
      const client = yield* Winsock.socket(stream)
      yield* Winsock.WSAConnect(client, yield* Winsock.getsockname(listener))
      const { socket: server } = yield* Winsock.accept(listener)

      const receiving = yield* Effect.forkChild(Winsock.recv(client), { startImmediately: true })
      yield* Fiber.interrupt(receiving)
      yield* Winsock.send(server, new Uint8Array([1]))
      assert.deepStrictEqual(Array.from(yield* Winsock.recv(client)), [1])

      const sending = yield* Effect.forkChild(Winsock.send(client, new Uint8Array(64 * 1024 * 1024)), {
        startImmediately: true
      })
      yield* Fiber.interrupt(sending)
      assert.strictEqual((yield* Effect.flip(Winsock.send(client, new Uint8Array(1))))._tag, "WSAECONNABORTED")
      assert.strictEqual((yield* Effect.flip(Winsock.recv(client)))._tag, "WSAECONNABORTED")
      assert.strictEqual(
        (yield* Effect.flip(Winsock.WSAConnect(client, yield* Winsock.getsockname(listener))))._tag,
        "WSAEISCONN"
      )
      const drained = yield* Winsock.recv(server).pipe(Effect.forever, Effect.flip)
      assert.strictEqual(drained._tag, "WSAECONNRESET")
    }).pipe(Effect.scoped, Effect.provide(NodeWinsock.layer)))
})
