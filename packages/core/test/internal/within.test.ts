import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { within } from "../../src/internal/within.ts"

const limit = Duration.millis(10)
const inTime = <A, E>(effect: Effect.Effect<A, E>) => within(effect, limit, () => Exit.fail("late"))

/** Runs it to its end under the test clock, and says how it ended and how many milliseconds that took. */
const ended = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.exit(effect), { startImmediately: true })
    let millis = 0
    while (fiber.pollUnsafe() === undefined && millis < 100) {
      yield* TestClock.adjust("1 milli")
      millis++
    }
    return [yield* Fiber.join(fiber), millis] as const
  })

describe("a time-out", () => {
  it.effect("changes nothing of what ends in time", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* ended(inTime(Effect.succeed(1))), [Exit.succeed(1), 0])
      assert.deepStrictEqual(yield* ended(inTime(Effect.fail("no"))), [Exit.fail("no"), 0])
      assert.deepStrictEqual(yield* ended(inTime(Effect.die("bug"))), [Exit.die("bug"), 0])
      assert.deepStrictEqual(yield* ended(inTime(Effect.delay(Effect.succeed(1), "9 millis"))), [Exit.succeed(1), 9])
      assert.deepStrictEqual(yield* ended(inTime(Effect.delay(Effect.fail("no"), "9 millis"))), [Exit.fail("no"), 9])
      const [own] = yield* ended(inTime(Effect.interrupt))
      assert.isTrue(Exit.isFailure(own) && Cause.hasInterruptsOnly(own.cause))
    }))

  it.effect("loses every tie", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* ended(inTime(Effect.delay(Effect.fail("no"), limit))), [Exit.fail("no"), 10])
      assert.deepStrictEqual(yield* ended(inTime(Effect.delay(Effect.succeed(1), limit))), [Exit.succeed(1), 10])
      assert.deepStrictEqual(yield* ended(inTime(Effect.delay(Effect.succeed(1), "11 millis"))), [
        Exit.fail("late"),
        10
      ])
    }))

  // Both are due when the loop turns again, and run in the order in which they were set: the limit's first.
  it.live("loses every tie by the clock of the system, too", () =>
    Effect.gen(function*() {
      const tie = Effect.callback<never, string>((resume) => {
        queueMicrotask(() => {
          setTimeout(() => resume(Effect.fail("no")), 10)
          for (const from = performance.now(); performance.now() < from + 15;);
        })
      })
      assert.strictEqual(yield* Effect.flip(inTime(tie)), "no")
      assert.strictEqual(yield* Effect.flip(inTime(Effect.never)), "late")
    }))

  it.effect("waits until what was late has given everything back", () =>
    Effect.gen(function*() {
      const slow = Effect.onInterrupt(Effect.never, () => Effect.sleep("5 millis"))
      assert.deepStrictEqual(yield* ended(inTime(slow)), [Exit.fail("late"), 15])
      const broken = Effect.onInterrupt(Effect.never, () => Effect.die("bug"))
      assert.deepStrictEqual(yield* ended(inTime(broken)), [Exit.die("bug"), 10])
      const stubborn = Effect.uninterruptible(Effect.sleep("20 millis"))
      assert.deepStrictEqual(yield* ended(inTime(stubborn)), [Exit.fail("late"), 20])
    }))

  it.effect("passes an interruption on, and waits for its end", () =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const released: Array<string> = []
      const held = Effect.onInterrupt(
        Effect.andThen(Deferred.succeed(begun, undefined), Effect.never),
        () => Effect.delay(Effect.sync(() => void released.push("released")), "1 milli")
      )
      const fiber = yield* Effect.forkChild(inTime(held))
      yield* Deferred.await(begun)
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      assert.deepStrictEqual(released, [])
      yield* TestClock.adjust("1 milli")
      yield* Fiber.join(interrupting)
      assert.deepStrictEqual(released, ["released"])
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
    }))

  it.live("leaves no timer, but for one that the next time-out of its length takes, and that keeps nothing alive", () => {
    // of this length nobody else has one
    const millis = 61_234
    const running = new Set<NodeJS.Timeout>()
    const alive = () => Array.from(running).filter((timer) => timer.hasRef()).length
    const { clearTimeout, setTimeout } = globalThis
    const watched = (what: () => void, after: number) => {
      const timer = setTimeout(what, after)
      if (after === millis) running.add(timer)
      return timer
    }
    Object.assign(globalThis, {
      setTimeout: watched,
      clearTimeout: (timer: NodeJS.Timeout) => {
        running.delete(timer)
        clearTimeout(timer)
      }
    })
    return Effect.gen(function*() {
      const patient = within(Effect.yieldNow, Duration.millis(millis), () => Exit.fail("late"))
      yield* Effect.forEach(Array.from({ length: 100 }), () => patient, { discard: true })
      assert.strictEqual(alive(), 0)
      assert.strictEqual(running.size, 1)
      const waiting = within(Effect.never, Duration.millis(millis), () => Exit.fail("late"))
      const fiber = yield* Effect.forkChild(waiting, { startImmediately: true })
      assert.strictEqual(alive(), 1)
      assert.strictEqual(running.size, 1)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(alive(), 0)
      assert.strictEqual(running.size, 1)
    }).pipe(Effect.ensuring(Effect.sync(() => Object.assign(globalThis, { clearTimeout, setTimeout }))))
  })
})
