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

interface System {
  readonly setTimeout: (what: () => void, millis: number) => unknown
  readonly clearTimeout: (timer: unknown) => void
}

/** What the clock of the system sleeps by. */
const system = globalThis as unknown as System

/** The clock where no other one is provided. */
const systemClock: Clock.Clock = Context.get(Context.empty(), Clock.Clock)

/** Longer ones are none for the system: the clock puts them together of several. */
const longest = 2 ** 31 - 1

/** `context`: its clock and its scheduler are those of every timer. */
export const makeTimers = (context: Context.Context<never>): Timers => {
  const clock = Context.get(context, Clock.Clock)
  return {
    now: () => clock.monotonicTimeNanosUnsafe(),
    after: (millis, what) => after(context, millis, what)
  }
}

/** One timer, as those that `makeTimers` makes. */
export const after = (context: Context.Context<never>, millis: number, what: () => void): () => void => {
  const clock = Context.get(context, Clock.Clock)
  return clock === systemClock && millis > 0 && millis <= longest
    ? ofSystem(millis, what)
    : ofClock(context, clock, millis, what)
}

/** The same as below, without a fiber, which costs as much as a whole connect may: most timers are called off. */
const ofSystem = (millis: number, what: () => void): () => void => {
  const timer = system.setTimeout(what, millis)
  return () => system.clearTimeout(timer)
}

const ofClock = (context: Context.Context<never>, clock: Clock.Clock, millis: number, what: () => void): () => void => {
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
