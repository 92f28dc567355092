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

/**
 * The same for a limit: whoever ends in the turn in which it is over comes first, since what a stack has said is worth more
 * than that it was late.
 */
export const afterTurn = (context: Context.Context<never>, millis: number, what: () => void): () => void => {
  let due = true
  const forget = after(context, millis, () => {
    const unlessCalledOff = Effect.sync(() => {
      if (due) what()
    })
    Effect.runForkWith(context)(Effect.andThen(Effect.yieldNow, unlessCalledOff))
  })
  return () => {
    due = false
    forget()
  }
}

/** The same as below, without a fiber, which costs as much as a whole connect may: most timers are called off. */
const ofSystem = (millis: number, what: () => void): () => void => Alarm.of(millis).set(what)

/** What the system gives for a timer, where it can be used again. */
interface Reusable {
  readonly refresh: () => void
  readonly ref: () => void
  readonly unref: () => void
}

const isReusable = (u: unknown): u is Reusable =>
  hasProperty(u, "refresh") && hasProperty(u, "ref") && hasProperty(u, "unref")

/**
 * A timer of the system. One that is called off is kept for the next one of its length, as who connects again and again has
 * the same limits: to make one and to clear it costs three times what it costs to set it again. It keeps nothing alive.
 */
class Alarm {
  private static spare: Alarm | undefined

  /** The one that is kept, where it is of this length, or a new one. */
  static of(millis: number): Alarm {
    const { spare } = Alarm
    if (spare?.millis !== millis || spare.by !== system.setTimeout) return new Alarm(millis)
    Alarm.spare = undefined
    return spare
  }

  private readonly millis: number
  private readonly timer: unknown
  private readonly reusable: Reusable | undefined
  /** What has made it: a test may put another in its place, and the one of before then stands still. */
  private readonly by = system.setTimeout
  private what: (() => void) | undefined
  private isNew = true

  constructor(millis: number) {
    this.millis = millis
    this.timer = system.setTimeout(() => this.ring(), millis)
    this.reusable = isReusable(this.timer) ? this.timer : undefined
  }

  set(what: () => void): () => void {
    this.what = what
    if (!this.isNew) {
      this.reusable?.refresh()
      this.reusable?.ref()
    }
    this.isNew = false
    let isMine = true
    return () => {
      if (isMine) this.callOff()
      isMine = false
    }
  }

  private callOff(): void {
    this.what = undefined
    if (Alarm.spare?.millis === this.millis || this.reusable === undefined) return system.clearTimeout(this.timer)
    this.reusable.unref()
    if (Alarm.spare !== undefined) system.clearTimeout(Alarm.spare.timer)
    Alarm.spare = this
  }

  private ring(): void {
    if (Alarm.spare === this) Alarm.spare = undefined
    this.what?.()
  }
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
