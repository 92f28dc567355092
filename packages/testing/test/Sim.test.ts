import { Sim } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Deferred, Duration, Effect, Exit, Option, Schedule } from "effect"

const reasonOf = <A, E>(report: Sim.Report<A, E>) => {
  if (Exit.isSuccess(report.exit)) return assert.fail("the run succeeded")
  const error = Option.getOrUndefined(Cause.findErrorOption(report.exit.cause))
  if (!(error instanceof Sim.SimError)) return assert.fail(`no SimError, but ${Cause.pretty(report.exit.cause)}`)
  return error.reason
}

describe("time", () => {
  it("jumps to the next timer: a year of sleeps, time-outs and retries in a moment", () => {
    const report = Sim.run(
      Effect.gen(function*() {
        yield* Effect.sleep("1 hour")
        const none = yield* Effect.timeoutOption(Effect.sleep("100 days"), "10 days")
        const flaky = Effect.fail("no").pipe(
          Effect.retry(Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 24 })))
        )
        const error = yield* Effect.flip(flaky)
        return { none, error, millis: yield* Clock.currentTimeMillis, nanos: yield* Clock.monotonicTimeNanos }
      }),
      { start: 0 }
    )
    const millis = 3_600_000 + 10 * 86_400_000 + (2 ** 24 - 1) * 1000
    assert.deepStrictEqual(
      report.exit,
      Exit.succeed({ none: Option.none(), error: "no", millis, nanos: BigInt(millis) * 1_000_000n })
    )
    assert.strictEqual(Duration.toMillis(report.elapsed), millis)
    assert.strictEqual(report.ended, "done")
  })
})

describe("the end", () => {
  it("reports a deadlock with each blocked fiber, its span, its call sites and since when", () => {
    const waiting = Effect.fn("waiting")(function*() {
      yield* Deferred.await(yield* Deferred.make<void>())
    })
    const report = Sim.run(Effect.gen(function*() {
      yield* Effect.forkChild(waiting())
      yield* Effect.sleep("10 millis")
      return yield* Effect.withSpan(Effect.never, "outer")
    }))
    assert.strictEqual(report.ended, "deadlock")
    const reason = reasonOf(report)
    if (reason._tag !== "Deadlock") return assert.fail(reason._tag)
    assert.deepStrictEqual(
      reason.blocked.map(({ fiber, since, span }) => ({ fiber, since, span })),
      [{ fiber: 1, since: 10_000, span: "outer" }, { fiber: 2, since: 0, span: "waiting" }]
    )
    assert.match(reason.blocked[1]!.sites[0]!, /^waiting .*Sim\.test\.ts:\d+:\d+/)
  })
})
