/**
 * Time for what is made of callbacks: effect's Clock, so that it is the same live, under a test clock and simulated.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"

export interface Timers {
  /** Nanoseconds since whenever; never goes back. */
  readonly now: () => bigint
  /** Does something after so many milliseconds. What it answers calls that off. */
  readonly after: (millis: number, what: () => void) => () => void
}

interface System {
  readonly setTimeout: (what: () => void, millis: number) => unknown
  readonly clearTimeout: (timer: unknown) => void
  readonly performance: { readonly now: () => number }
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

// --- limits ----------------------------------------------------------------------------------------------------------

/**
 * A timer that is nearly always called off. All limits of one length share one of the system's: to set one and to call it
 * off costs a part of what everything else does that stands around a connect.
 */
export const limit = (context: Context.Context<never>, millis: number, what: () => void): () => void => {
  if (Context.get(context, Clock.Clock) !== systemClock || !(millis >= 1 && millis <= longest)) {
    return after(context, millis, what)
  }
  let limits = byLength.get(millis)
  if (limits === undefined || limits.by !== system.setTimeout) byLength.set(millis, limits = new Limits(millis))
  return limits.after(what)
}

const byLength = new Map<number, Limits>()

interface Limit {
  readonly at: number
  readonly what: () => void
}

/** A timer that can be told not to keep the process alive. */
interface Timer {
  readonly ref: () => void
  readonly unref: () => void
}

const isTimer = (u: unknown): u is Timer => hasProperty(u, "ref") && hasProperty(u, "unref")

/** Limits of one length: the first one that was set is the first one that is over. */
class Limits {
  private readonly millis: number
  private readonly limits = new Set<Limit>()
  private timer: unknown
  /** What sets its timers: a test may put another in its place, and the one of before then stands still. */
  readonly by: System["setTimeout"] = system.setTimeout

  constructor(millis: number) {
    this.millis = millis
  }

  after(what: () => void): () => void {
    const limit: Limit = { at: system.performance.now() + this.millis, what }
    if (this.timer === undefined) this.arm(this.millis)
    else if (this.limits.size === 0 && isTimer(this.timer)) this.timer.ref()
    this.limits.add(limit)
    return () => {
      if (this.limits.delete(limit) && this.limits.size === 0) this.rest()
    }
  }

  private arm(millis: number): void {
    this.timer = system.setTimeout(() => this.fire(), millis)
  }

  /** There is none left. The timer stays for the next one, and keeps nothing alive. */
  private rest(): void {
    if (isTimer(this.timer)) return this.timer.unref()
    system.clearTimeout(this.timer)
    this.timer = undefined
  }

  private fire(): void {
    this.timer = undefined
    const now = system.performance.now()
    for (const limit of this.limits) {
      if (limit.at > now) break
      this.limits.delete(limit)
      limit.what()
    }
    const [next] = this.limits
    if (next !== undefined) {
      if (this.timer === undefined) this.arm(Math.max(1, Math.ceil(next.at - system.performance.now())))
    } else if (byLength.get(this.millis) === this) byLength.delete(this.millis)
  }
}
