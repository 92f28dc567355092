/**
 * Time-outs that lose every tie.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { makeTimers } from "./timers.ts"

/**
 * What is not through in time is interrupted, and fails with what `late` makes. What it ends with all the same, before it
 * has come to be interrupted, counts: a connection that has just been made is given, and not lost.
 */
export const within = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  duration: Duration.Duration,
  late: () => E2
): Effect.Effect<A, E | E2, R> =>
  Effect.contextWith((context) =>
    Effect.callback<A, E | E2, R>((resume) => {
      const run = Effect.runForkWith(context)
      // One fiber, for what may be interrupted alone; a race would have one for the clock, too.
      const fiber = run(self)
      if (fiber.pollUnsafe() !== undefined) return resume(fiber.pollUnsafe()!)
      let isLate = false
      const tooLate = Effect.sync(() => {
        isLate = true
        fiber.interruptUnsafe()
      })
      const forget = makeTimers(context).after(Duration.toMillis(duration), () => {
        // whoever ends in the same turn comes first: what a stack has said is worth more than that it was late
        run(Effect.andThen(Effect.yieldNow, tooLate))
      })
      fiber.addObserver((exit) => {
        forget()
        resume(isLate ? despite(exit, late) : exit)
      })
      return Fiber.interrupt(fiber)
    })
  )

/** What has ended after it was told that it is late. */
const despite = <A, E, E2>(exit: Exit.Exit<A, E>, late: () => E2): Exit.Exit<A, E | E2> => {
  if (Exit.isSuccess(exit)) return exit
  const reasons = exit.cause.reasons.filter((reason) => !Cause.isInterruptReason(reason))
  return reasons.length === 0 ? Exit.fail(late()) : Exit.failCause(Cause.fromReasons(reasons))
}
