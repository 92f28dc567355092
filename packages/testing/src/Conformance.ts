/**
 * The conformance suite: what WSAConnect and its kin must do, as programs that show it on any provider.
 *
 * Each case has the id of a row of the requirement table and a title, is written against the calls alone, and observes
 * what a user would observe: codes, addresses, the bytes that arrive. It asks a `World` for what its surroundings have to
 * be. So a new provider is its `Provider`, a `World`, and this suite.
 *
 * **Details**
 *
 * - `"shown"`: the case ran and everything it claims held.
 * - `"not-here"`: it could not run, with the reason: a call that comes later, or a world that cannot be made.
 * - `"failed"`: the provider does otherwise.
 *
 * @since 0.1.0
 */
import type * as Winsock from "@effect-winsock/core/Winsock"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { acceptRows } from "./internal/conformance/accept.ts"
import { callRows } from "./internal/conformance/calls.ts"
import { connectRows } from "./internal/conformance/connect.ts"
import { errorRows } from "./internal/conformance/errors.ts"
import { eventRows } from "./internal/conformance/events.ts"
import * as Frame from "./internal/conformance/frame.ts"
import { optionRows } from "./internal/conformance/options.ts"
import { qosRows } from "./internal/conformance/qos.ts"
import * as Sim from "./Sim.ts"
import * as World from "./World.ts"

/**
 * A claim of a case that does not hold.
 *
 * @category errors
 * @since 0.1.0
 */
export type ConformanceError = Frame.ConformanceError

/**
 * Makes a `ConformanceError`: what was claimed, what was expected, what was found.
 *
 * **Example** (Reading one)
 *
 * ```ts import.meta.vitest
 * import { Conformance } from "@effect-winsock/testing"
 *
 * const error = new Conformance.ConformanceError({ claim: "a dead port", expected: "WSAECONNREFUSED", actual: "success" })
 * error.message // => "a dead port: expected WSAECONNREFUSED, got success"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export const ConformanceError: typeof Frame.ConformanceError = Frame.ConformanceError

/**
 * One case of a row.
 *
 * @category models
 * @since 0.1.0
 */
export interface Case {
  /** The row of the requirement table, such as `"R09"`. */
  readonly row: string
  /** What is shown; together with the row it names the case. */
  readonly title: string
  /** Shows it, or fails: with a `World.NotHere`, a `ConformanceError`, or the code that a call ended with. */
  readonly run: Effect.Effect<
    void,
    ConformanceError | World.NotHere | { readonly _tag: string; readonly message: string },
    Winsock.Winsock | World.World | Scope.Scope
  >
}

/**
 * What became of a case on a layer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Result {
  /** The row of the requirement table. */
  readonly row: string
  /** What the case is about. */
  readonly title: string
  /** The name of the layer. */
  readonly layer: string
  /** Whether it was shown. */
  readonly status: "shown" | "not-here" | "failed"
  /** Why it was not shown; empty where it was. */
  readonly detail: string
}

/**
 * How cases are run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The cases; all of them where it is absent. */
  readonly cases?: ReadonlyArray<Case> | undefined
  /** How long a case may take before it has failed. 10 seconds where it is absent. */
  readonly timeout?: Duration.Input | undefined
  /** Told of each result as it comes. */
  readonly onResult?: ((result: Result) => void) | undefined
}

const order = (row: string): number => "REA".indexOf(row.charAt(0)) * 100 + Number(row.slice(1))

/**
 * Every case, in the order of the rows.
 *
 * **Example** (Looking for a row)
 *
 * ```ts import.meta.vitest
 * import { Conformance } from "@effect-winsock/testing"
 *
 * Conformance.cases.some((c) => c.row === "R09") // => true
 * ```
 *
 * @category cases
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case> = [
  ...connectRows,
  ...errorRows,
  ...callRows,
  ...acceptRows,
  ...eventRows,
  ...optionRows,
  ...qosRows
]
  .toSorted((a, b) => order(a.row) - order(b.row))

const timeout = Duration.seconds(10)

/**
 * Runs one case on a layer, built for it alone.
 *
 * **Details**
 *
 * It never fails: what went wrong is the result. A case that does not end in time has failed, also where it is its
 * release that hangs; it is then left to itself. Time is that of the Clock.
 *
 * **Example** (Running one)
 *
 * ```ts import.meta.vitest
 * import { Conformance, World } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const first = Conformance.cases[0]!
 * const result = Conformance.runCase("memory", World.layerMemory, first)
 * ;(await Effect.runPromise(result)).status // => "shown"
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const runCase = <E>(
  name: string,
  layer: Layer.Layer<Winsock.Winsock | World.World, E>,
  one: Case,
  limit: Duration.Input = timeout
): Effect.Effect<Result> => {
  const result = resultOf(name, one)
  return Effect.gen(function*() {
    const fiber = yield* Effect.forkDetach(on(layer, one))
    const exit = yield* Effect.timeoutOption(Fiber.await(fiber), limit).pipe(
      Effect.onInterrupt(() => Fiber.interrupt(fiber))
    )
    if (Option.isNone(exit)) {
      // Whatever it waits for may keep it from being interrupted too.
      yield* Effect.forkDetach(Fiber.interrupt(fiber))
      return result("failed", `it has not ended within ${Duration.format(Duration.fromInputUnsafe(limit))}`)
    }
    return concluded(exit.value, result)
  })
}

const resultOf = (layer: string, { row, title }: Case) => (status: Result["status"], detail: string): Result => ({
  row,
  title,
  layer,
  status,
  detail
})

const on = <E, R>(layer: Layer.Layer<Winsock.Winsock | World.World, E, R>, { run }: Case) =>
  run.pipe(Effect.scoped, Effect.provide(Layer.fresh(layer)))

const concluded = (exit: Exit.Exit<void, unknown>, result: ReturnType<typeof resultOf>): Result => {
  if (Exit.isSuccess(exit)) return result("shown", "")
  const error = Cause.squash(exit.cause)
  return error instanceof World.NotHere
    ? result("not-here", error.reason)
    : result("failed", error instanceof Error ? `${error.message}${placeOf(error)}` : String(error))
}

const placeOf = (error: Error): string => {
  const line = error.stack?.split("\n").find((line) => /internal.conformance.(?!frame)/.test(line))
  return line === undefined ? "" : ` (${line.trim().replace(/^at /, "")})`
}

/**
 * Runs cases one after another on a layer, each on a layer of its own, and gives what became of each.
 *
 * **When to use**
 *
 * Use to see whether a provider does what the calls promise, with a `World` for its surroundings.
 *
 * **Example** (Running the cases of a row)
 *
 * ```ts import.meta.vitest
 * import { Conformance, World } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const cases = Conformance.cases.filter((c) => c.row === "E12")
 * const results = await Effect.runPromise(Conformance.run("memory", World.layerMemory, { cases }))
 * results.every((result) => result.status === "shown") // => true
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = <E>(
  name: string,
  layer: Layer.Layer<Winsock.Winsock | World.World, E>,
  options: Options = {}
): Effect.Effect<ReadonlyArray<Result>> =>
  Effect.forEach(options.cases ?? cases, (one) =>
    Effect.tap(
      runCase(name, layer, one, options.timeout),
      (result) => Effect.sync(() => options.onResult?.(result))
    ))

/**
 * What became of a case in virtual time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Simulated extends Result {
  /** The run that it had for itself. */
  readonly report: Sim.Report<void, unknown>
}

/**
 * Runs cases one after another in virtual time, each in a run of its own, and gives what became of each before it
 * returns.
 *
 * **When to use**
 *
 * Use for a provider that is simulated. `run` is for those that are not.
 *
 * **Details**
 *
 * A case that leaves something over at the end of its run has failed, and so has one that is deadlocked: the result says
 * where its fibers wait. The seed and the limits are those of `Sim.run`; a case may take an hour, unless `maxTime` says
 * otherwise.
 *
 * **Example** (Running the cases of a row)
 *
 * ```ts import.meta.vitest
 * import { Conformance, World } from "@effect-winsock/testing"
 *
 * const cases = Conformance.cases.filter((c) => c.row === "E18")
 * const results = Conformance.simulate("sim", World.layerSim, { cases })
 * results.every((result) => result.status === "shown") // => true
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const simulate = <E>(
  name: string,
  layer: Layer.Layer<Winsock.Winsock | World.World, E, Sim.Sim>,
  options: Omit<Options, "timeout"> & Sim.Options = {}
): ReadonlyArray<Simulated> =>
  (options.cases ?? cases).map((one) => {
    const report = Sim.run<void, unknown>(on(layer, one), { ...options, maxTime: options.maxTime ?? "1 hour" })
    const result: Simulated = Object.assign(concluded(report.exit, resultOf(name, one)), { report })
    options.onResult?.(result)
    return result
  })
