/**
 * Runs a program in virtual time, the same way every time.
 *
 * A run has one seed, and from it come its clock, the order of its fibers, its random numbers, the ids of its spans and
 * the bytes of its cryptography. Time stands while a fiber has something to do, and jumps to the next timer when all are
 * at rest: a test just sleeps. A run is wholly synchronous, so it needs no event loop, and an hour of retries takes
 * milliseconds.
 *
 * **Details**
 *
 * All tasks of all fibers enter one queue, first come first served. What waits outside of it waits for a timer or for
 * another fiber, so an empty queue is rest: all timers of the next instant become ready, in the order in which they were
 * set. When there is none, the run is deadlocked, and its report says where each fiber waits.
 *
 * While a run has its turn, `Date`, `Math.random`, `setTimeout` and the like are the run's own, or errors
 * ({@link Options.guard}).
 *
 * **Gotchas**
 *
 * - A synchronous run has no host to wait for: a promise never settles in it. {@link runAsync} has one.
 * - What a program or a library took before the run (`const now = Date.now`) is not guarded; what was imported by name
 *   from `node:crypto` or `node:timers` is when {@link Options.imports} says so.
 * - Keys that are hashed by reference have the same hash inside of a run, so a `HashMap` of n of them takes n steps to
 *   find one.
 *
 * **Example** (An hour in a moment)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 * import { Duration, Effect, Schedule } from "effect"
 *
 * const flaky = Effect.fail("refused").pipe(Effect.retry(Schedule.spaced("1 minute").pipe(Schedule.upTo({ times: 60 }))))
 * const report = Sim.run(flaky)
 *
 * Effect.runSync(Effect.flip(report.exit)) // => "refused"
 * Duration.toMinutes(report.elapsed) // => 60
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as WebCrypto from "effect/crypto/WebCrypto"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { formatReport, formatSites, withReport } from "./internal/sim/format.ts"
import * as guard from "./internal/sim/guard.ts"
import { Hash } from "./internal/sim/hash.ts"
import { withHost } from "./internal/sim/host.ts"
import { Run, type Stop } from "./internal/sim/run.ts"
import { makeClock, makeCrypto, makeRandom, makeTracer, toMicros } from "./internal/sim/services.ts"

// --- what the simulated world asks -----------------------------------------------------------------------------------

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
 * An event, and when it happened.
 *
 * @category models
 * @since 0.1.0
 */
export interface Noted {
  /** Microseconds since the run began. */
  readonly at: number
  /** What happened. */
  readonly event: Event
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
  /**
   * The luck of an entity: of the seed and the name only, whatever else is drawn. Asked for twice it is the same stream,
   * which goes on.
   */
  readonly luck: (entity: string) => Luck
  /** Notes what happened. */
  readonly note: (event: Event) => void
  /** At the end of the run `f` says what is left over, a line each; that it throws is left over too. */
  readonly check: (name: string, f: () => ReadonlyArray<string>) => void
}

/**
 * The run that a program is in.
 *
 * **When to use**
 *
 * Use to build simulated parts of a world: what happens at a time, and by whose luck. A program under test does not need
 * it; its sleeps and its `Random` are the run's.
 *
 * **Example** (Something that happens at a time)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 * import { Deferred, Effect } from "effect"
 *
 * const arrival = Effect.gen(function*() {
 *   const sim = yield* Sim.Sim
 *   const arrived = yield* Deferred.make<number>()
 *   sim.at(20_000, () => Deferred.doneUnsafe(arrived, Effect.succeed(sim.now())))
 *   return yield* Deferred.await(arrived)
 * })
 *
 * Effect.runSync(Sim.run(arrival).exit) // => 20_000
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Sim extends Context.Service<Sim, Engine>()("@effect-winsock/testing/Sim") {}

// --- how a run goes --------------------------------------------------------------------------------------------------

/**
 * What everything random in a run comes from. A number and its decimal text are the same seed.
 *
 * @category models
 * @since 0.1.0
 */
export type Seed = number | string

/**
 * How a run is to go.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Where its luck comes from; 0 unless given. */
  readonly seed?: Seed | undefined
  /** What the clock says at the beginning, in milliseconds since 1970; the beginning of 2026 unless given. */
  readonly start?: number | Date | undefined
  /** How much virtual time it may take; 142 years unless given. */
  readonly maxTime?: Duration.Input | undefined
  /** How many tasks may run; 10 million unless given. */
  readonly maxSteps?: number | undefined
  /**
   * How many tasks may run while no time passes: more is a livelock. A million unless given. A fiber that is made to let
   * others go first, since it has used up its operations, counts as 64. A program that begins a million fibers at one
   * instant needs more.
   */
  readonly maxStepsPerInstant?: number | undefined
  /**
   * What `Date`, `Math.random`, `setTimeout`, `crypto.randomUUID`, `performance.now` and their kin are during the run:
   * its own (`"redirect"`, the default), errors that say where they were called (`"throw"`), or the host's (`"off"`).
   */
  readonly guard?: "redirect" | "throw" | "off" | undefined
  /**
   * Whether what was imported by name (`import { randomUUID } from "node:crypto"`) is guarded too, on Node; `false` unless
   * given. It costs about 0.2 ms a run, and `it.sim` does it.
   */
  readonly imports?: boolean | undefined
  /**
   * What is kept of what happens: nothing, a hash of all and the last events (`"hash"`, the default), or a hash and all
   * events.
   */
  readonly trace?: "off" | "hash" | "full" | undefined
  /** How many of the last events are kept, where not all are; 50 unless given. */
  readonly events?: number | undefined
  /** Whether what is left over at the end makes the run fail; `true` unless given. */
  readonly checks?: boolean | undefined
}

/**
 * How a run ended: its program ended; all fibers wait for each other; no time passes; a limit; a task threw that no fiber
 * could catch.
 *
 * @category models
 * @since 0.1.0
 */
export type Ended = "done" | Stop

/**
 * A fiber that waits for something that does not come.
 *
 * @category models
 * @since 0.1.0
 */
export interface Blocked {
  /** Its number in this run, from 1 on in the order in which fibers began. */
  readonly fiber: number
  /** The span that it is in. */
  readonly span: string | undefined
  /** The functions made with `Effect.fn`, and the spans, that it is in, the innermost first, and where they were called. */
  readonly sites: ReadonlyArray<string>
  /** When it last went on, in microseconds since the run began. */
  readonly since: number
}

/**
 * What came of a run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report<out A, out E = never> {
  /** What the program came to; a {@link SimError} when the run ended before it, or left something over. */
  readonly exit: Exit.Exit<A, E | SimError>
  /** How the run ended. */
  readonly ended: Ended
  /** The seed that it was given. */
  readonly seed: Seed
  /** How much virtual time it took. */
  readonly elapsed: Duration.Duration
  /** How many tasks ran. */
  readonly steps: number
  /** How many numbers were drawn. */
  readonly draws: number
  /** How often there was more than one task that could have been next. */
  readonly choices: number
  /** A hash of everything that happened, in 16 hexadecimal digits; empty when nothing was traced. */
  readonly hash: string
  /** The last events, or all of them. */
  readonly events: ReadonlyArray<Noted>
  /**
   * What was left over, a line each: what checks found, fibers, external work, fibers that no interruption ends. Of a run
   * that stopped before its program had ended, what checks found then.
   */
  readonly leftovers: ReadonlyArray<string>
}

const whyExternal = "\n  it waits for virtual time, which stands while it lasts; or never ends, or not within " +
  "externalPatience; or the run is synchronous and has no host"

/**
 * All fibers wait for something that does not come: nothing is ready, and no timer is set, or the host is waited for.
 *
 * **Example** (Waiting for nobody)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const waiting = Effect.fn("waiting")(() => Effect.never)
 * const report = Sim.run(Effect.andThen(Effect.sleep("1 second"), waiting()))
 * report.ended // => "deadlock"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class Deadlock extends Data.TaggedError("Deadlock")<{
  /** The fibers that wait. */
  readonly blocked: ReadonlyArray<Blocked>
  /**
   * What waits for the host ({@link externally}): a synchronous run has none, and in another the work has taken longer
   * than {@link AsyncOptions.externalPatience}.
   */
  readonly external: ReadonlyArray<string>
  /** When, in microseconds since the run began. */
  readonly at: number
}> {
  override get message(): string {
    const external = this.external.map((what) => `\n  external work: ${what}`).join("")
    const why = external === "" ? "no timer is set" : `the host is waited for${external}${whyExternal}`
    return `deadlock: nothing is ready, and ${why}${formatSites(this.blocked)}`
  }
}

/**
 * Fibers keep each other busy, and no time passes.
 *
 * **Example** (Looking again and again)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const report = Sim.run(Effect.forever(Effect.yieldNow), { maxStepsPerInstant: 1000 })
 * report.ended // => "livelock"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class Livelock extends Data.TaggedError("Livelock")<{
  /** The fibers there are. */
  readonly blocked: ReadonlyArray<Blocked>
  /** When, in microseconds since the run began. */
  readonly at: number
}> {
  override get message(): string {
    return `livelock: tasks run, and no time passes${formatSites(this.blocked)}`
  }
}

/**
 * The run took as much virtual time, or as many steps, as it might.
 *
 * **Example** (A program without an end)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const heartbeat = Effect.forever(Effect.sleep("1 second"))
 * const report = Sim.run(heartbeat, { maxTime: "1 hour" })
 * report.ended // => "time limit"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class LimitReached extends Data.TaggedError("LimitReached")<{
  /** Which of the two. */
  readonly limit: "time limit" | "step limit"
  /** The fibers there are. */
  readonly blocked: ReadonlyArray<Blocked>
  /** When, in microseconds since the run began. */
  readonly at: number
}> {
  override get message(): string {
    return `${this.limit} reached${formatSites(this.blocked)}`
  }
}

/**
 * The program succeeded and left something over.
 *
 * **Example** (A fiber that nobody ends)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const report = Sim.run(Effect.forkDetach(Effect.sleep("1 hour")))
 * report.leftovers // => ["fiber: #2"]
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class Leftovers extends Data.TaggedError("Leftovers")<{
  /** What, a line each. */
  readonly leftovers: ReadonlyArray<string>
}> {
  override get message(): string {
    return `left over at the end of the run:\n${this.leftovers.map((line) => `  ${line}`).join("\n")}`
  }
}

/**
 * A run was begun inside of a run.
 *
 * **Example** (A run in a run)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const inner = Effect.try({
 *   try: () => Sim.run(Effect.void).ended,
 *   catch: (error) => (error as Sim.SimError).reason._tag
 * })
 * Effect.runSync(Sim.run(Effect.flip(inner)).exit) // => "Nested"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class Nested extends Data.TaggedError("Nested") {
  override get message(): string {
    return "a run cannot be begun inside of a run"
  }
}

/**
 * A program asked the host for what only the run may tell, and the guard throws.
 *
 * **Example** (Asking the host for the date)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const report = Sim.run(Effect.try({ try: () => Date.now(), catch: (error) => (error as Sim.SimError).message.slice(0, 19) }).pipe(Effect.flip), { guard: "throw" })
 * Effect.runSync(report.exit) // => "Date.now was called"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class Ambient extends Data.TaggedError("Ambient")<{
  /** What was asked. */
  readonly what: string
  /** Where. */
  readonly site: string
}> {
  override get message(): string {
    return `${this.what} was called ${this.site}: in a run, ask effect's services (Clock, Random, …)`
  }
}

/**
 * Why a run failed, where its program did not: `reason` is what happened.
 *
 * **Example** (Handling one reason)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const report = Sim.run(Effect.never)
 * const when = report.exit.pipe(Effect.catchReason("SimError", "Deadlock", ({ at }) => Effect.succeed(at)))
 * Effect.runSync(when) // => 0
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class SimError extends Data.TaggedError("SimError")<{
  /** What happened. */
  readonly reason: Deadlock | Livelock | LimitReached | Leftovers | Nested | Ambient
}> {
  override get message(): string {
    return this.reason.message
  }
}

guard.setRefusal((what) => {
  const error = new Error(what)
  const lines = (error.stack ?? "").split("\n")
  const own = lines.findLastIndex((line, i) => i < 6 && /internal[\\/]sim[\\/]guard\./.test(line))
  const site = lines[own + 1] ?? "somewhere"
  return new SimError({ reason: new Ambient({ what, site: site.trim() }) })
})

// --- running ---------------------------------------------------------------------------------------------------------

const defaultStart = Date.UTC(2026, 0, 1)

const makeRun = (options: Options): Run => {
  const start = Math.floor(Number(options.start ?? defaultStart))
  if (!Number.isSafeInteger(start)) throw new Error("start is to be a valid Date, or milliseconds since 1970")
  for (const name of ["maxSteps", "maxStepsPerInstant", "events"] as const) {
    const given = options[name]
    if (given !== undefined && !(given >= 0)) throw new Error(`${name} is to be a number from 0 on, and is ${given}`)
  }
  return new Run({
    seed: options.seed ?? 0,
    start,
    maxMicros: Math.min(
      toMicros(Duration.fromInputUnsafe(options.maxTime ?? Duration.infinity)),
      Math.floor(Number.MAX_SAFE_INTEGER / 2)
    ),
    maxSteps: options.maxSteps ?? 10_000_000,
    maxStepsPerInstant: options.maxStepsPerInstant ?? 1_000_000,
    trace: options.trace ?? "hash",
    events: options.events ?? 50
  })
}

const contextOf = (run: Run): Context.Context<Sim> =>
  Context.makeUnsafe(
    new Map<string, unknown>([
      [Sim.key, run],
      [Scheduler.Scheduler.key, run],
      [Clock.Clock.key, makeClock(run)],
      [Random.Random.key, makeRandom(run)],
      [Tracer.Tracer.key, makeTracer(run)],
      [WebCrypto.WebCrypto.key, makeCrypto(run)]
    ])
  )

const refuseNested = () => {
  if (guard.isActive()) throw new SimError({ reason: new Nested() })
}

/** The run of a program, up to its end. */
class Course<A, E> {
  readonly run: Run
  readonly guard: guard.Guard
  private exit: Exit.Exit<A, E> | undefined
  private readonly options: Options

  constructor(effect: Effect.Effect<A, E, Sim | Scope.Scope>, options: Options) {
    this.options = options
    const { guard = "redirect", imports = false } = options
    this.guard = { mode: guard, imports: imports && guard !== "off" }
    this.run = makeRun(options)
    const context = contextOf(this.run)
    this.run.start(
      () => Effect.runForkWith(context)(Effect.scoped(effect)),
      (exit) => {
        this.exit = exit
      }
    )
  }

  /** Ends it, and says what came of it. */
  end(before: Stop | undefined): Report<A, E> {
    const { run } = this
    const stop = before ?? run.settle()
    const at = run.now()
    const figures = {
      ended: stop ?? "done" as Ended,
      seed: run.settings.seed,
      elapsed: Duration.micros(BigInt(at)),
      steps: run.steps,
      draws: run.choices.draws,
      choices: run.choices.choices,
      hash: run.hash?.toString() ?? "",
      events: run.noted()
    }
    const exit: Exit.Exit<A, E | SimError> = stop === undefined ? this.exit! : this.failure(stop, at)
    const checked = this.options.checks !== false
    const found = checked ? run.leftovers(stop === undefined) : []
    const leftovers = [...found, ...run.interrupt()]
    run.close()
    if (leftovers.length === 0 || !checked || Exit.isFailure(exit)) return { exit, ...figures, leftovers }
    const failed = Exit.fail(new SimError({ reason: new Leftovers({ leftovers }) }))
    return { exit: failed, ...figures, leftovers }
  }

  private failure(stop: Stop, at: number): Exit.Exit<A, E | SimError> {
    const { exit } = this
    // What threw in the last instant of a program that failed comes after its own error.
    if (stop === "thrown") return exit !== undefined && Exit.isFailure(exit) ? exit : Exit.die(this.run.thrown)
    const blocked = this.run.blocked()
    const reason = stop === "deadlock"
      ? new Deadlock({ blocked, external: Array.from(this.run.external.values()), at })
      : stop === "livelock"
      ? new Livelock({ blocked, at })
      : new LimitReached({ limit: stop, blocked, at })
    return Exit.fail(new SimError({ reason }))
  }
}

/**
 * Runs a program to its end, in virtual time, before it returns.
 *
 * **When to use**
 *
 * Use for tests of whatever waits, retries, races or times out, and wherever a test should be the same every time. `it.sim`
 * of `@effect-winsock/testing/vitest` is the same as a test.
 *
 * **Details**
 *
 * The scope of the program is closed at its end, within the run. What is then left over makes the run fail:
 * what the simulated parts of the world found ({@link Engine.check}), fibers, external work. In whatever way a run ends,
 * its fibers are interrupted, and their finalizers have an hour of virtual time.
 *
 * **Gotchas**
 *
 * Throws a {@link SimError} when it is called inside of a run.
 *
 * **Example** (A time-out)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 * import { Duration, Effect } from "effect"
 *
 * const report = Sim.run(Effect.timeoutOption(Effect.never, "127 seconds"))
 *
 * Effect.runSync(report.exit)._tag // => "None"
 * Duration.toSeconds(report.elapsed) // => 127
 * report.ended // => "done"
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = <A, E>(
  effect: Effect.Effect<A, E, Sim | Scope.Scope>,
  options: Options = {}
): Report<A, E> => {
  refuseNested()
  const course = new Course(effect, options)
  return guard.during(course.run, course.guard, () => course.end(course.run.toTheEnd()))
}

/**
 * How a run that has a host is to go.
 *
 * @category models
 * @since 0.1.0
 */
export interface AsyncOptions extends Options {
  /**
   * How much real time may pass while nothing is ready, no timer is set and no work is known to be the host's, before
   * that is a deadlock; a second unless given.
   */
  readonly patience?: Duration.Input | undefined
  /**
   * How much real time may pass while nothing is ready and work of the host is waited for ({@link externally}), before
   * that is a deadlock; 4 seconds unless given, which is less than the 5 that vitest gives a test. Work that takes longer
   * needs more; work that itself waits for virtual time never ends.
   */
  readonly externalPatience?: Duration.Input | undefined
}

/**
 * Runs a program to its end, in virtual time, and lets the host do its work between the instants.
 *
 * **When to use**
 *
 * Use where a program has to await promises of the host: WebAssembly, `crypto.subtle`, files. Everything else is better
 * run by {@link run}.
 *
 * **Details**
 *
 * When nothing is ready, the host has a turn of its event loop, in which all promises settle that can, before time goes
 * on. Work that takes longer is marked with {@link externally}: virtual time stands while it lasts. The fibers that the
 * host wakes wait for the next turn of the run, so that their order among each other is the order in which they were
 * woken.
 *
 * **Gotchas**
 *
 * - The guard is in place while the run has its turn, and not in the callbacks of promises.
 * - In what order several works of the host end is the host's affair, and may differ from run to run.
 * - After a deadlock or a limit, finalizers that wait for the host do not end.
 *
 * **Example** (A digest)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const digest = Sim.externally(Effect.promise(() => crypto.subtle.digest("SHA-256", new Uint8Array(1_000_000))))
 * const report = await Sim.runAsync(Effect.timeoutOption(digest, "1 milli"))
 * Effect.runSync(report.exit)._tag // => "Some"
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const runAsync = async <A, E>(
  effect: Effect.Effect<A, E, Sim | Scope.Scope>,
  options: AsyncOptions = {}
): Promise<Report<A, E>> => {
  refuseNested()
  const course = new Course(effect, options)
  const patience = {
    known: Duration.toMillis(Duration.fromInputUnsafe(options.externalPatience ?? "4 seconds")),
    unknown: Duration.toMillis(Duration.fromInputUnsafe(options.patience ?? "1 second"))
  }
  const stop = await withHost(course.run, patience, (body) => guard.during(course.run, course.guard, body))
  return guard.during(course.run, course.guard, () => course.end(stop))
}

/**
 * Marks work that the host does: virtual time stands while it lasts. Outside of a run it changes nothing.
 *
 * **When to use**
 *
 * Use for promises that take more than a turn of the event loop, in programs that {@link runAsync} runs.
 *
 * **Gotchas**
 *
 * Work that waits for virtual time, by `Effect.sleep` or by a `setTimeout` that the guard made the run's, never ends: the
 * run is deadlocked after {@link AsyncOptions.externalPatience}.
 *
 * **Example** (Reading a file)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 * import { readFile } from "node:fs/promises"
 *
 * const reading = Effect.promise(() => readFile("package.json", "utf8")).pipe(Sim.externally("reading"))
 * const report = await Sim.runAsync(Effect.timeoutOption(reading, "1 milli"))
 * Effect.runSync(report.exit)._tag // => "Some"
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const externally: {
  (what: string): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, what?: string): Effect.Effect<A, E, R>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(effect: Effect.Effect<A, E, R>, what = "work of the host"): Effect.Effect<A, E, R> =>
    Effect.withFiber((fiber) => {
      const { scheduler } = fiber.cache
      if (!(scheduler instanceof Run)) return effect
      const begin = Effect.sync(() => scheduler.beginsExternal(what))
      return Effect.acquireUseRelease(begin, () => effect, (work) => Effect.sync(() => scheduler.endsExternal(work)))
    })
)

/**
 * What the program came to; throws, when it failed, an error with the report in its message.
 *
 * **When to use**
 *
 * Use in tests of any test runner. `it.sim` does it itself.
 *
 * **Example** (A test without vitest)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const test = (seed: number) => Sim.getOrThrow(Sim.run(Effect.sleep("1 second").pipe(Effect.as("fine")), { seed }))
 * test(1) // => "fine"
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const getOrThrow = <A, E>(report: Report<A, E>): A => {
  if (Exit.isSuccess(report.exit)) return report.exit.value
  throw withReport(Cause.squash(report.exit.cause), formatReport(report))
}

/**
 * A seed from a text, such as the title of a test: a number of up to ten digits.
 *
 * **Example** (The seed of a title)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 *
 * Sim.seedOf("survives two refusals") === Sim.seedOf("survives two refusals") // => true
 * Sim.seedOf("survives two refusals") === Sim.seedOf("survives three refusals") // => false
 * ```
 *
 * @category seeds
 * @since 0.1.0
 */
export const seedOf = (text: string): number => {
  const hash = new Hash()
  hash.text(text)
  return hash.words()[0] >>> 0
}

/**
 * A report as text: how the run ended, its seed, its last events a line each, and what was left over.
 *
 * **Example** (Reading a report)
 *
 * ```ts import.meta.vitest
 * import { Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * Sim.format(Sim.run(Effect.sleep("5 millis"), { seed: 7 })).split("\n")[0] // => "done after 5ms, seed 7, 2 steps"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (report: Report<unknown, unknown>): string => formatReport(report)
