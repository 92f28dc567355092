import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber } from "effect"
import { afterTurn, makeTimers } from "../../src/internal/timers.ts"

const context = Context.empty()
const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length

/** Sets a timer, and tells how long it took. */
const took = (millis: number) =>
  Effect.callback<number>((resume) => {
    const from = performance.now()
    makeTimers(context).after(millis, () => resume(Effect.succeed(performance.now() - from)))
  })

describe("a timer of the system", () => {
  it.live("has its own time, also where one of its length was called off a while ago, or is set still", () =>
    Effect.gen(function*() {
      makeTimers(context).after(60, () => assert.fail("it was called off"))()
      yield* Effect.sleep("30 millis")
      const first = yield* Effect.forkChild(took(60), { startImmediately: true })
      yield* Effect.sleep("20 millis")
      const second = yield* Effect.forkChild(took(60), { startImmediately: true })
      // Timers of Node may be a millisecond early.
      assert.isAtLeast(yield* Fiber.join(first), 59)
      assert.isUndefined(second.pollUnsafe())
      assert.isAtLeast(yield* Fiber.join(second), 59)
    }))

  it.live("keeps nothing alive once it is called off, however often it is used again", () =>
    Effect.gen(function*() {
      const before = timers()
      for (let i = 0; i < 10; i++) {
        const forget = makeTimers(context).after(10_000, () => assert.fail("it was called off"))
        assert.strictEqual(timers(), before + 1)
        forget()
        forget()
        assert.strictEqual(timers(), before)
      }
      const both = [1, 2].map(() => makeTimers(context).after(10_000, () => assert.fail("it was called off")))
      assert.strictEqual(timers(), before + 2)
      for (const forget of both) forget()
      assert.strictEqual(timers(), before)
      yield* Effect.void
    }))

  it.live("of another length takes the place of the one that was called off", () =>
    Effect.gen(function*() {
      const before = timers()
      for (const millis of [10_000, 20_000, 20_000, 10_000]) {
        const forget = makeTimers(context).after(millis, () => assert.fail("it was called off"))
        assert.strictEqual(timers(), before + 1)
        forget()
      }
      assert.strictEqual(timers(), before)
      assert.isAtLeast(yield* took(10), 9)
    }))

  it.live("can be called off, and used again, when its time has come", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 3; i++) {
        let forget = () => {}
        yield* Effect.callback<void>((resume) => {
          forget = makeTimers(context).after(5, () => resume(Effect.void))
        })
        forget()
        assert.isAtLeast(yield* took(5), 4)
      }
    }))

  it.live("of a limit can be called off as long as the turn lasts in which its time has come", () =>
    Effect.gen(function*() {
      let rang = false
      yield* Effect.callback<void>((resume) => {
        queueMicrotask(() => {
          const forget = afterTurn(context, 5, () => {
            rang = true
          })
          setTimeout(() => {
            forget()
            resume(Effect.void)
          }, 5)
          for (const from = performance.now(); performance.now() < from + 10;);
        })
      })
      yield* Effect.sleep("10 millis")
      assert.isFalse(rang)
    }))
})
