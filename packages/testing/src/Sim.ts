/**
 * What the simulated parts of a run share: its time, its order and its luck.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * A stream of luck, of one entity of the simulated world.
 *
 * @category models
 * @since 0.1.0
 */
export interface Luck {
  /** A number from 0 up to, and without, 1. */
  readonly next: () => number
  /** An integer from 0 up to, and without, `n`. */
  readonly below: (n: number) => number
}

/**
 * Something that is to happen at a time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Timer {
  /** Microseconds since the run began. */
  readonly at: number
}

/**
 * An event of the simulated world, as the trace keeps it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Event {
  /** What happened, in a word or two. */
  readonly kind: string
  readonly [field: string]: string | number | boolean | undefined
}

/**
 * What the simulated parts of a run ask of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Engine {
  /** Microseconds since the run began; an integer. */
  readonly now: () => number
  /** Runs the task at that time, after all that were scheduled earlier for the same time. What is past is now. */
  readonly at: (micros: number, task: () => void) => Timer
  /** Calls the task off, if it has not run. */
  readonly cancel: (timer: Timer) => void
  /** The luck of an entity: of the seed and the name only, whatever else is drawn. */
  readonly luck: (entity: string) => Luck
  /** Notes what happened. */
  readonly note: (event: Event) => void
  /** At the end of the run `f` says what is left over, a line each. */
  readonly check: (name: string, f: () => ReadonlyArray<string>) => void
}

/**
 * The run that a program is in.
 *
 * @category services
 * @since 0.1.0
 */
export class Sim extends Context.Service<Sim, Engine>()("@effect-winsock/testing/Sim") {}
