/**
 * What steps put around the connect inside of them, handed inwards until somebody has a use for it.
 *
 * A socket that is connected ends itself in time, is closed where that fails, and runs nobody's code on the way: a limit, a
 * scope of its own, and the number of the attempt need not be put around it. Whatever else may be inside has them all put
 * there before it is run.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { isolated } from "./pipeline.ts"
import { type Attempt as Numbered, CurrentAttempt } from "./retrySteps.ts"
import { within } from "./within.ts"

/** One of them, and those further out. What is inside runs once: each run has its own. */
export interface Around {
  readonly outer: Around | undefined
  readonly put: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, any>
}

/** Puts them all. */
export const put = <A, E>(around: Around | undefined, self: Effect.Effect<A, E, any>): Effect.Effect<A, E, any> => {
  let whole = self
  for (let each = around; each !== undefined; each = each.outer) whole = each.put(whole)
  return whole
}

/** What was opened is closed where it fails or is interrupted. */
export class Isolation implements Around {
  readonly outer: Around | undefined

  constructor(outer: Around | undefined) {
    this.outer = outer
  }

  put<A, E, R>(self: Effect.Effect<A, E, R>) {
    return isolated(self)
  }
}

/** Says which attempt it is to whoever asks. */
export class Attempt implements Around {
  readonly outer: Around | undefined
  readonly current: Numbered

  constructor(outer: Around | undefined, current: Numbered) {
    this.outer = outer
    this.current = current
  }

  put<A, E, R>(self: Effect.Effect<A, E, R>) {
    return Effect.updateContext(
      self,
      (context: Context.Context<R>) => Context.add(context, CurrentAttempt, this.current)
    )
  }
}

/**
 * How long it may take, from when it begins. What took longer dies of the limit, so that no step on the way takes that for a
 * failure of what is inside of it; whoever has set the limit makes an error of it.
 */
export class Limit implements Around {
  readonly outer: Around | undefined
  readonly millis: number
  private due: bigint | undefined

  constructor(outer: Around | undefined, millis: number) {
    this.outer = outer
    this.millis = millis
  }

  /** Begins, if it has not begun, and says how many milliseconds are left. `now`: monotonic nanoseconds. */
  left(now: bigint): number {
    if (this.due !== undefined) return Math.max(0, Number(this.due - now) / 1e6)
    this.due = now + BigInt(Math.round(this.millis * 1e6))
    return this.millis
  }

  /** Whether it is what something ended with. */
  isOver(cause: Cause.Cause<unknown>): boolean {
    return cause.reasons.some((reason) => Cause.isDieReason(reason) && reason.defect === this)
  }

  put<A, E, R>(self: Effect.Effect<A, E, R>) {
    return Effect.clockWith((clock) =>
      within(self, Duration.millis(this.left(clock.monotonicTimeNanosUnsafe())), () => Exit.die(this))
    )
  }
}

/** The limit that is over first; of two at once the inner one. */
export const first = (
  around: Around | undefined,
  clock: Clock.Clock
): { readonly limit: Limit; readonly left: number } | undefined => {
  let found: { readonly limit: Limit; readonly left: number } | undefined
  let now: bigint | undefined
  for (let each = around; each !== undefined; each = each.outer) {
    if (!(each instanceof Limit)) continue
    const left = each.left(now ??= clock.monotonicTimeNanosUnsafe())
    if (found === undefined || left < found.left) found = { limit: each, left }
  }
  return found
}
