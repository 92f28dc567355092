/**
 * Time-outs that lose every tie.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { afterTurn } from "./timers.ts"

/** What is not through in time is interrupted, and ends with what `late` makes. */
export const within = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  duration: Duration.Duration,
  late: () => Exit.Exit<never, E2>
): Effect.Effect<A, E | E2, R> =>
  Effect.contextWith((context) =>
    Effect.callback<A, E | E2, R>((resume) => {
      const run = Effect.runForkWith(context)
      // A fiber of its own, so that it can be interrupted alone; a race would have a second one, for the clock.
      const fiber = run(self)
      if (fiber.pollUnsafe() !== undefined) return resume(fiber.pollUnsafe()!)
      let isLate = false
      const forget = afterTurn(context, Duration.toMillis(duration), () => {
        isLate = true
        fiber.interruptUnsafe()
      })
      fiber.addObserver((exit) => {
        forget()
        resume(isLate ? despite(exit, late) : exit)
      })
      return Fiber.interrupt(fiber)
    })
  )

/** How it ends after it was interrupted for being late: what it says all the same counts. */
const despite = <A, E, E2>(exit: Exit.Exit<A, E>, late: () => Exit.Exit<never, E2>): Exit.Exit<A, E | E2> => {
  if (Exit.isSuccess(exit)) return exit
  const reasons = exit.cause.reasons.filter((reason) => !Cause.isInterruptReason(reason))
  return reasons.length === 0 ? late() : Exit.failCause(Cause.fromReasons(reasons))
}
