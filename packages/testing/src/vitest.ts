/**
 * Tests that are runs in virtual time: `it.sim` beside `it.effect`.
 *
 * **Details**
 *
 * The seed of a test comes from its title, so it is the same every time and on every machine. The environment variable
 * `WINSOCK_SEED` puts another in its place; a test that fails says which seed it had, and what happened last.
 *
 * Needs `@effect/vitest`, which is an optional peer. `Sim.run` with `Sim.getOrThrow` does the same in any test runner.
 *
 * **Example** (A test that sleeps)
 *
 * ```ts import.meta.vitest
 * import { assert, it } from "@effect-winsock/testing/vitest"
 * import { Clock, Effect } from "effect"
 *
 * const register = () =>
 *   it.sim("sleeps for an hour", function*() {
 *     const before = yield* Clock.currentTimeMillis
 *     yield* Effect.sleep("1 hour")
 *     assert.strictEqual(yield* Clock.currentTimeMillis, before + 3_600_000)
 *   })
 * typeof register // => "function"
 * ```
 *
 * @since 0.1.0
 */
import * as EffectVitest from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import { formatReport, withReport } from "./internal/sim/format.ts"
import * as Sim from "./Sim.ts"

/**
 * Everything of `@effect/vitest`, and so of vitest, except for `it`.
 *
 * @category re-exports
 * @since 0.1.0
 */
export * from "@effect/vitest"

/**
 * How a test that is a run is to go: as a run, and as a test.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Sim.AsyncOptions {
  /** Whether the run has turns of the host between its own, as by `Sim.runAsync`; `false` unless given. */
  readonly host?: boolean | undefined
  /** What vitest takes: how long in real time, how many retries, and so on. */
  readonly test?: EffectVitest.TestOptions | undefined
}

/**
 * Registers a test whose body is a generator, or gives an effect.
 *
 * @category models
 * @since 0.1.0
 */
export interface Test {
  <Eff extends Effect.Effect<any, any, Sim.Sim | Scope.Scope>, A>(
    title: string,
    body: () => Generator<Eff, A, never>,
    options?: Options
  ): void
  <A, E>(title: string, body: () => Effect.Effect<A, E, Sim.Sim | Scope.Scope>, options?: Options): void
}

/**
 * Registers tests that are runs, as vitest's own `it` registers others.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tester extends Test {
  /** Only this test of the file, and others that say so. */
  readonly only: Test
  /** Not this test. */
  readonly skip: Test
  /** Not this test, where the condition holds. */
  readonly skipIf: (condition: unknown) => Test
  /** This test, where the condition holds. */
  readonly runIf: (condition: unknown) => Test
  /** A test that is to fail. */
  readonly fails: Test
}

/**
 * What `it` has: all of `@effect/vitest`'s, and `sim`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Methods extends EffectVitest.Vitest.Methods {
  /** Registers a test that runs in virtual time. */
  readonly sim: Tester
}

type Program = Effect.Effect<unknown, unknown, Sim.Sim | Scope.Scope>
type Body = () => Program | Generator<Program, unknown, never>

/** The seed that the environment asks for. */
const seedOfEnvironment = (): string | undefined => {
  const { process } = globalThis as { readonly process?: { readonly env?: Record<string, string | undefined> } }
  const seed = process?.env?.["WINSOCK_SEED"]
  return seed === "" ? undefined : seed
}

/** The program of a body. Fibers that are blocked in no function of their own are blocked in the test. */
const programOf = (title: string, body: Body, site: string | undefined): Program =>
  Effect.suspend(() => {
    const made = body()
    return Effect.isEffect(made) ? made : Effect.gen(() => made)
  }).pipe(
    Effect.provideService(References.CurrentStackFrame, { name: title, stack: () => site, parent: undefined })
  )

type Register = (title: string, options: EffectVitest.TestOptions, test: () => void | Promise<void>) => void

const makeTest = (register: Register): Test => (title: string, body: Body, options: Options = {}) => {
  const { host = false, test = {}, ...rest } = { imports: options.host !== true, ...options }
  const site = new Error().stack?.split("\n")[2]?.trim()
  const runOptions = { ...rest, seed: seedOfEnvironment() ?? options.seed ?? Sim.seedOf(title) }
  register(title, test, () => {
    const program = programOf(title, body, site)
    if (host) return Sim.runAsync(program, runOptions).then(ended)
    return ended(Sim.run(program, runOptions))
  })
}

const ended = (report: Sim.Report<unknown, unknown>): void => {
  if (Exit.isSuccess(report.exit)) return
  throw withReport(
    Cause.squash(report.exit.cause),
    `WINSOCK_SEED=${report.seed} runs it again\n${formatReport(report)}`
  )
}

const makeTester = (it: EffectVitest.Vitest.Methods): Tester =>
  Object.assign(makeTest(it), {
    only: makeTest(it.only),
    skip: makeTest(it.skip),
    skipIf: (condition: unknown) => makeTest(it.skipIf(condition)),
    runIf: (condition: unknown) => makeTest(it.runIf(condition)),
    fails: makeTest(it.fails)
  })

/**
 * The `it` of `@effect/vitest`, with `sim`: tests that are runs in virtual time.
 *
 * **When to use**
 *
 * Use `it.sim` for what waits, retries, races or times out. `it.effect` has a clock that the test moves; this one moves
 * by itself.
 *
 * **Details**
 *
 * The body is a generator function or gives an effect; it may require `Sim` and `Scope`. The test fails when the body
 * does, and when something is left over at the end. A failure keeps its error, with the seed, how to run it again, and
 * the last events after its message.
 *
 * **Example** (Registering tests)
 *
 * ```ts import.meta.vitest
 * import { it } from "@effect-winsock/testing/vitest"
 * import { Effect } from "effect"
 *
 * const register = () => {
 *   it.sim("takes no time", () => Effect.sleep("1 day"))
 *   it.sim("has a seed of its own", function*() {
 *     yield* Effect.sleep("1 day")
 *   }, { seed: 42, trace: "full" })
 * }
 * typeof register // => "function"
 * ```
 *
 * @category testing
 * @since 0.1.0
 */
export const it: Methods = new Proxy(EffectVitest.it, {
  get: (target, property, receiver) => property === "sim" ? sim : Reflect.get(target, property, receiver)
}) as Methods

const sim = makeTester(EffectVitest.it)
