import { assert, describe, it } from "@effect/vitest"
import { type Cause, Clock, Duration, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Around from "../../src/internal/around.ts"
import { CurrentAttempt } from "../../src/internal/retrySteps.ts"

const ended = <A, E>(exit: Exit.Exit<A, E>): Cause.Cause<E> => {
  if (Exit.isSuccess(exit)) throw new Error("it went well")
  return exit.cause
}

describe("what is put around", () => {
  it.effect("is put by whoever is inside, the innermost first", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const named = (name: string, outer?: Around.Around): Around.Around => ({
        outer,
        put: (self) => Effect.andThen(Effect.sync(() => order.push(name)), self)
      })
      const all = named("inner", named("middle", named("outer")))
      yield* Around.put(all, Effect.sync(() => order.push("self")))
      assert.deepStrictEqual(order, ["outer", "middle", "inner", "self"])
      assert.strictEqual(yield* Around.put(undefined, Effect.succeed(1)), 1)
    }))

  it.effect("an attempt is told to whoever asks inside", () =>
    Effect.gen(function*() {
      const current = { number: 3, startedAt: 5, previous: "why" }
      assert.deepStrictEqual(yield* new Around.Attempt(undefined, current).put(CurrentAttempt), current)
      assert.isUndefined(yield* CurrentAttempt)
    }))

  it.effect("an isolation closes what was opened where that fails, and leaves it where it goes well", () =>
    Effect.gen(function*() {
      let open = 0
      const acquired = Effect.acquireRelease(Effect.sync(() => open++), () => Effect.sync(() => open--))
      const scope = yield* Scope.make()
      const isolated = <E>(self: Effect.Effect<unknown, E, Scope.Scope>) =>
        Scope.provide(new Around.Isolation(undefined).put(self), scope)
      yield* Effect.flip(isolated(Effect.andThen(acquired, Effect.fail("no"))))
      assert.strictEqual(open, 0)
      yield* isolated(acquired)
      assert.strictEqual(open, 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(open, 0)
    }))
})

describe("a limit", () => {
  it.effect("is what that dies of which takes longer, so that nobody inside takes it for a failure", () =>
    Effect.gen(function*() {
      const limit = new Around.Limit(undefined, 10)
      const caught = Effect.catch(limit.put(Effect.never), () => Effect.succeed("a failure"))
      const fiber = yield* Effect.forkChild(Effect.exit(caught), { startImmediately: true })
      yield* TestClock.adjust("9 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 milli")
      const cause = ended(yield* Fiber.join(fiber))
      assert.isTrue(limit.isOver(cause))
      assert.isFalse(new Around.Limit(undefined, 10).isOver(cause))
    }))

  it.effect("begins once: what comes later inside of it has what is left", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const limit = new Around.Limit(undefined, 10)
      const left = () => limit.left(clock.monotonicTimeNanosUnsafe())
      assert.strictEqual(left(), 10)
      yield* TestClock.adjust(Duration.micros(2500n))
      assert.strictEqual(left(), 7.5)
      const fiber = yield* Effect.forkChild(Effect.exit(limit.put(Effect.never)), { startImmediately: true })
      yield* TestClock.adjust("7 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 milli")
      assert.isTrue(limit.isOver(ended(yield* Fiber.join(fiber))))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(left(), 0)
    }))

  it.effect("comes first where it is over first, and where it is the inner one of two that are over at once", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      assert.isUndefined(Around.first(undefined, clock))
      const outer = new Around.Limit(undefined, 10)
      const between = new Around.Isolation(outer)
      assert.strictEqual(Around.first(new Around.Limit(between, 11), clock)?.limit, outer)
      const same = new Around.Limit(between, 10)
      assert.deepStrictEqual(Around.first(same, clock), { limit: same, left: 10 })
    }))
})
