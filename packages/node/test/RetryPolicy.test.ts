import { RetryPolicy, SocketAddress, Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"

const stream = { family: "IPv4", type: "stream" } as const

/** A bound socket that does not listen yet: whoever calls it is refused. */
const deserted = Effect.gen(function*() {
  const listener = yield* Winsock.socket(stream)
  yield* Winsock.bind(listener, "127.0.0.1:0")
  return { at: yield* Winsock.getsockname(listener), listener, listen: Winsock.listen(listener) }
})

/** A schedule that does something before the second retry. */
const beforeSecond = <E>(something: Effect.Effect<unknown, E>) =>
  Schedule.spaced("5 millis").pipe(
    Schedule.tap(({ attempt }) => attempt === 2 ? Effect.orDie(something) : Effect.void),
    Schedule.upTo({ times: 5 })
  )

describe("RetryPolicy on real sockets", () => {
  it.live("R26: retries refusals on one socket, from one port, until somebody listens", () =>
    Effect.gen(function*() {
      const { at, listen, listener } = yield* deserted
      const s = yield* Winsock.socket(stream)
      yield* Winsock.bind(s, "127.0.0.1:0")
      const local = SocketAddress.format(yield* Winsock.getsockname(s))
      yield* RetryPolicy.sameSocket(s, at, RetryPolicy.byCode({ WSAECONNREFUSED: beforeSecond(listen) }))
      const { remote } = yield* Winsock.accept(listener)
      assert.strictEqual(SocketAddress.format(remote), local)
    }).pipe(Effect.scoped, Effect.provide(NodeWinsock.layer)))

  it.live("retries refusals with a socket each, until somebody listens", () =>
    Effect.gen(function*() {
      const { at, listen, listener } = yield* deserted
      const attempts: Array<number | undefined> = []
      const connect = Effect.gen(function*() {
        attempts.push((yield* RetryPolicy.CurrentAttempt)?.number)
        const s = yield* Winsock.socket(stream)
        yield* Winsock.WSAConnect(s, at)
      }).pipe(Effect.scoped)
      yield* connect.pipe(RetryPolicy.retry(RetryPolicy.byCode({ WSAECONNREFUSED: beforeSecond(listen) })))
      yield* Winsock.accept(listener)
      assert.deepStrictEqual(attempts, [1, 2, 3])
    }).pipe(Effect.scoped, Effect.provide(NodeWinsock.layer)))
})
