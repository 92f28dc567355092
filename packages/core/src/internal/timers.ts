/**
 * Time for what is made of callbacks: effect's Clock, so that it is the same live, under a test clock and simulated.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export interface Timers {
  /** Nanoseconds since whenever; never goes back. */
  readonly now: () => bigint
  /** Does something after so many milliseconds. What it answers calls that off. */
  readonly after: (millis: number, what: () => void) => () => void
}

const systemClock = Context.get(Context.empty(), Clock.Clock)
/** `context`: its clock and its scheduler are those of every timer. */
export const makeTimers = (context: Context.Context<never>): Timers => {
  const clock = Context.get(context, Clock.Clock)
  return {
    now: () => clock.monotonicTimeNanosUnsafe(),
    after: (millis, what) => {
      if (clock === systemClock && millis > 0) {
        const h = (globalThis as any).setTimeout(what, millis)
        return () => (globalThis as any).clearTimeout(h)
      }
      let due = true
      const fiber = Effect.runForkWith(context)(Effect.andThen(
        clock.sleep(Duration.millis(millis)),
        Effect.sync(() => {
          if (!due) return
          due = false
          what()
        })
      ))
      return () => {
        if (!due) return
        due = false
        fiber.interruptUnsafe()
      }
    }
  }
}
