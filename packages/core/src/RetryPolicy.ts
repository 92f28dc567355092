/**
 * What to do after a failure: when to try again, how often, and when to stop, by the code it failed with.
 *
 * A policy is a value. {@link byCode} has a schedule per code, {@link byClass} one per class of codes, {@link transient}
 * what is sensible for connects. {@link orElse}, {@link merge} and {@link upTo} make one of several. {@link retry} applies
 * it to any effect that fails with Winsock errors; a code that the effect cannot fail with does not compile.
 *
 * **Details**
 *
 * - What a policy has no entry for is not retried. What is no Winsock error has one by its class, if it says of itself how to
 *   take it, as the failures of proxies and of TLS do.
 * - A {@link layerBudget budget} is shared by all retries to one destination, so that a server that is going down is not
 *   brought down for good by those who try again.
 * - A {@link layerBreaker breaker} makes no attempt at all while an endpoint is known to be out.
 * - {@link step} asks a policy without a clock, {@link format} prints it.
 * - Delays are drawn from effect's `Random`, and time is effect's `Clock`, so a simulated run repeats them.
 *
 * **Example** (Retrying by code)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy, Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect, Schedule } from "effect"
 *
 * const policy = RetryPolicy.byCode({
 *   WSAECONNREFUSED: Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 5 })),
 *   WSAETIMEDOUT: Schedule.recurs(2)
 * })
 *
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.make({ hosts: { client: {}, server: {} } })
 *   net.answer(net.address("server", 80), ["WSAECONNREFUSED", "WSAETIMEDOUT", "WSAEHOSTDOWN"])
 *   const connect = Effect.gen(function*() {
 *     const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *     return yield* Winsock.WSAConnect(s, net.address("server", 80))
 *   }).pipe(Effect.scoped)
 *   const error = yield* Effect.flip(RetryPolicy.retry(connect, policy)).pipe(Effect.provide(net.layer("client")))
 *   return error._tag
 * })
 *
 * Effect.runSync(Sim.run(program).exit) // => "WSAEHOSTDOWN"
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import { put } from "./internal/around.ts"
import * as RetryBudget from "./internal/retryBudget.ts"
import * as Retrying from "./internal/retrying.ts"
import * as Steps from "./internal/retrySteps.ts"
import * as SocketAddress from "./SocketAddress.ts"
import * as Winsock from "./Winsock.ts"
import * as WsaError from "./WsaError.ts"

// --- policies --------------------------------------------------------------------------------------------------------

const TypeId = "~@effect-winsock/core/RetryPolicy" as const

/**
 * What a policy can have an entry for: a Winsock code, what no row knows, and a breaker that is open.
 *
 * @category models
 * @since 0.1.0
 */
export type Tag = WsaError.Code | "WsaUnmapped" | "BreakerOpen"

/**
 * The tags among the failures of an effect that a policy can have an entry for.
 *
 * @category models
 * @since 0.1.0
 */
export type TagOf<E> = E extends { readonly _tag: infer T } ? Extract<T, Tag> : never

/**
 * What to do after a failure.
 *
 * **Details**
 *
 * `Names` are the codes that it names, and that an effect has to be able to fail with; `E` what it adds to the failures of
 * the effect; `R` what its schedules require.
 *
 * @category models
 * @since 0.1.0
 */
export interface Policy<out Names extends Tag = never, out E = never, out R = never> extends Pipeable {
  readonly [TypeId]: {
    readonly _Names: Types.Covariant<Names>
    readonly _E: Types.Covariant<E>
    readonly _R: Types.Covariant<R>
  }
}

class PolicyImpl implements Pipeable {
  readonly [TypeId]!: never
  readonly node: Steps.Node
  constructor(node: Steps.Node) {
    this.node = node
  }
  pipe() {
    return pipeArguments(this, arguments)
  }
}

const make = <Names extends Tag, E, R>(node: Steps.Node): Policy<Names, E, R> =>
  new PolicyImpl(node) as unknown as Policy<Names, E, R>

const noTags: ReadonlySet<string> = new Set()

/**
 * A schedule that a policy can have: its input is the error, and it does not fail.
 *
 * @category models
 * @since 0.1.0
 */
export type PolicySchedule<Input, R = never> = Schedule.Schedule<unknown, Input, never, R>

type ErrorOf<T> = T extends WsaError.Code | "WsaUnmapped" ? WsaError.Instance<T> : BreakerOpen

type Schedules = { readonly [T in Tag]?: PolicySchedule<ErrorOf<T>, any> }

/**
 * Retries by a schedule for each code.
 *
 * **Details**
 *
 * Each code has its own state: a refusal after two time-outs is the first refusal. What has no entry is not retried. The
 * schedule's input is the error. `WsaUnmapped` and {@link BreakerOpen} can have entries too; after the latter the delay is at
 * least its `retryAfter`.
 *
 * **Gotchas**
 *
 * A code for which there is no end ends the retries only when another one does. {@link upTo} bounds all of them together.
 *
 * **Example** (Asking what it does)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 * import { Schedule } from "effect"
 *
 * const policy = RetryPolicy.byCode({
 *   WSAECONNREFUSED: Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 3 })),
 *   WSAETIMEDOUT: Schedule.recurs(1)
 * })
 * const lines = RetryPolicy.format(policy).split("\n")
 * lines[0] // => "WSAECONNREFUSED   100ms     200ms   400ms   stop"
 * lines[1] // => "WSAETIMEDOUT      at once   stop"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const byCode = <const S extends Schedules>(
  schedules: S & { readonly [K in Exclude<keyof S, Tag>]: never }
): Policy<Extract<keyof S, Tag>, never, Schedule.Env<S[keyof S]>> =>
  make({
    _tag: "Table",
    rules: Object.entries(schedules as Schedules).flatMap(([tag, schedule]) =>
      schedule === undefined ? [] : [{ tags: new Set([tag]), classes: noTags, schedule }]
    )
  })

/**
 * Retries by a schedule for each class of codes.
 *
 * **When to use**
 *
 * Use where it does not matter with which of its codes a class fails: a peer that refuses now and resets then is one
 * trouble, and its delays go on.
 *
 * **Details**
 *
 * All codes of a class share one state. The class of a code stands in `WsaError.table`; a class that the effect cannot fail
 * with does no harm.
 *
 * **Example** (Retrying what the network is to blame for)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 * import { Schedule } from "effect"
 *
 * const policy = RetryPolicy.byClass({ transient: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 2 })) })
 * RetryPolicy.format(policy) // => "transient   1s   1s   stop"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const byClass = <
  const S extends { readonly [C in WsaError.RetryClass]?: PolicySchedule<WsaError.WsaError, any> }
>(
  schedules: S & { readonly [K in Exclude<keyof S, WsaError.RetryClass>]: never }
): Policy<never, never, Schedule.Env<S[keyof S]>> => classes(schedules)

const classes = (schedules: { readonly [name: string]: PolicySchedule<any, any> | undefined }): Policy<never> =>
  make({
    _tag: "Table",
    rules: Object.entries(schedules).flatMap(([each, schedule]) =>
      schedule === undefined ? [] : [{ tags: noTags, classes: new Set([each]), schedule }]
    )
  })

/**
 * Retries nothing.
 *
 * **Example** (Failing at once)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 *
 * RetryPolicy.step(RetryPolicy.never, "WSAECONNREFUSED", 0) // => { _tag: "Stop", reason: "no entry" }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const never: Policy = make({ _tag: "Table", rules: [] })

/**
 * How {@link transient} is to differ from its defaults.
 *
 * @category options
 * @since 0.1.0
 */
export interface TransientOptions {
  /** For the class `"transient"`; {@link decorrelatedJitter} unless given. */
  readonly schedule?: PolicySchedule<WsaError.WsaError> | undefined
  /** For the class `"lookup-transient"`; twice, 100 ms apart or a fifth more or less, unless given. */
  readonly lookup?: PolicySchedule<WsaError.WsaError> | undefined
  /** For the class `"resource"`; 1 s and then twice as much each time, or a fifth more or less, unless given. */
  readonly resource?: PolicySchedule<WsaError.WsaError> | undefined
  /** How many attempts there are at most, the first one included; 4 unless given. */
  readonly attempts?: number | undefined
  /** How long after the beginning of the first attempt the last one may begin; 30 seconds unless given. */
  readonly duration?: Duration.Input | undefined
}

/**
 * Retries what another attempt may mend, as is sensible for connects.
 *
 * **Details**
 *
 * | class | what is done | why |
 * | --- | --- | --- |
 * | `"transient"` | {@link decorrelatedJitter}, 100 ms to 5 s | the network was not in the mood, and others try again too |
 * | `"lookup-transient"` | twice, after about 100 ms | name servers answer quickly, or not at all |
 * | `"resource"` | after about 1 s, 2 s, 4 s | something has run out here: hurrying makes it worse |
 * | all others | nothing | waiting changes nothing |
 *
 * All together at most 4 attempts, of which none begins later than 30 s after the first. These figures are ours; the jitter
 * is from AWS (see {@link decorrelatedJitter}). {@link connectionBackoff} suits connections that are to be kept up.
 *
 * **Example** (Its defaults)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 *
 * const lines = RetryPolicy.format(RetryPolicy.transient()).split("\n")
 * lines[0] // => "transient          100ms–300ms   100ms–900ms   100ms–2.7s   stop"
 * RetryPolicy.step(RetryPolicy.transient(), "WSAEACCES", 0) // => { _tag: "Stop", reason: "no entry" }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const transient = (options: TransientOptions = {}): Policy =>
  upTo(
    classes({
      transient: options.schedule ?? decorrelatedJitter(),
      "lookup-transient": options.lookup ??
        Schedule.spaced("100 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 2 })),
      resource: options.resource ?? Schedule.exponential("1 second").pipe(Schedule.jittered)
    }),
    { attempts: options.attempts ?? 4, duration: options.duration ?? "30 seconds" }
  )

/**
 * Asks another policy where the first one stops: it has no entry for the code, its schedule is over, or its limit reached.
 *
 * **When to use**
 *
 * Use {@link merge} where the first policy's stop is to be its last word.
 *
 * **Example** (Hurrying twice, then being patient)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 * import { Schedule } from "effect"
 *
 * const policy = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.recurs(2) }).pipe(
 *   RetryPolicy.orElse(RetryPolicy.byClass({ transient: Schedule.spaced("1 minute") }))
 * )
 * const lines = RetryPolicy.format(policy, { attempts: 4 }).split("\n")
 * lines[0] // => "WSAECONNREFUSED   at once   at once   1m   …"
 * lines[1] // => "transient         1m        1m        1m   …"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const orElse: {
  /**
   * Asks another policy where the first one stops: it has no entry for the code, its schedule is over, or its limit reached.
   */
  <Names2 extends Tag, E2, R2>(
    that: Policy<Names2, E2, R2>
  ): <Names extends Tag, E, R>(self: Policy<Names, E, R>) => Policy<Names | Names2, E | E2, R | R2>
  /**
   * Asks another policy where the first one stops: it has no entry for the code, its schedule is over, or its limit reached.
   */
  <Names extends Tag, E, R, Names2 extends Tag, E2, R2>(
    self: Policy<Names, E, R>,
    that: Policy<Names2, E2, R2>
  ): Policy<Names | Names2, E | E2, R | R2>
} = dual(
  2,
  (self: Policy<Tag, unknown, unknown>, that: Policy<Tag, unknown, unknown>) =>
    make({ _tag: "OrElse", first: Retrying.nodeOf(self), second: Retrying.nodeOf(that) })
)

/**
 * Makes one table of two: where both have an entry, that of the second policy holds, as with the fields of objects.
 *
 * **Details**
 *
 * A limit ({@link upTo}) stays with the entries of the policy that it was put on.
 *
 * **Example** (Making an exception)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 * import { Schedule } from "effect"
 *
 * const policy = RetryPolicy.byClass({ transient: Schedule.spaced("1 second") }).pipe(
 *   RetryPolicy.merge(RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.recurs(0) }))
 * )
 * const lines = RetryPolicy.format(policy, { attempts: 3 }).split("\n")
 * lines[0] // => "WSAECONNREFUSED   stop"
 * lines[1] // => "transient         1s     1s   …"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const merge: {
  /**
   * Makes one table of two: where both have an entry, that of the second policy holds, as with the fields of objects.
   */
  <Names2 extends Tag, E2, R2>(
    that: Policy<Names2, E2, R2>
  ): <Names extends Tag, E, R>(self: Policy<Names, E, R>) => Policy<Names | Names2, E | E2, R | R2>
  /**
   * Makes one table of two: where both have an entry, that of the second policy holds, as with the fields of objects.
   */
  <Names extends Tag, E, R, Names2 extends Tag, E2, R2>(
    self: Policy<Names, E, R>,
    that: Policy<Names2, E2, R2>
  ): Policy<Names | Names2, E | E2, R | R2>
} = dual(
  2,
  (self: Policy<Tag, unknown, unknown>, that: Policy<Tag, unknown, unknown>) =>
    make({ _tag: "Merge", first: Retrying.nodeOf(self), second: Retrying.nodeOf(that) })
)

/**
 * How far all attempts together may go.
 *
 * @category options
 * @since 0.1.0
 */
export interface Limits {
  /** How many attempts there are at most, the first one included. */
  readonly attempts?: number | undefined
  /** How long after the beginning of the first attempt the last one may begin. */
  readonly duration?: Duration.Input | undefined
}

/**
 * Bounds all attempts together, whatever codes they fail with.
 *
 * **Details**
 *
 * A delay that would lead beyond `duration` is not begun: the failure comes at once.
 *
 * **Gotchas**
 *
 * `attempts` counts the first one, where the `times` of `Schedule.upTo` counts retries. An attempt that has begun in time may
 * end late: {@link attemptTimeout} bounds each.
 *
 * **Example** (Trying at most three times)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 * import { Schedule } from "effect"
 *
 * const policy = RetryPolicy.byCode({
 *   WSAECONNREFUSED: Schedule.spaced("1 second"),
 *   WSAETIMEDOUT: Schedule.forever
 * }).pipe(RetryPolicy.upTo({ attempts: 3 }))
 *
 * const lines = RetryPolicy.format(policy).split("\n")
 * lines[0] // => "WSAECONNREFUSED   1s        1s        stop"
 * lines[1] // => "WSAETIMEDOUT      at once   at once   stop"
 * lines[2] // => "at most 3 attempts"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const upTo: {
  /**
   * Bounds all attempts together, whatever codes they fail with.
   */
  (limits: Limits): <Names extends Tag, E, R>(self: Policy<Names, E, R>) => Policy<Names, E, R>
  /**
   * Bounds all attempts together, whatever codes they fail with.
   */
  <Names extends Tag, E, R>(self: Policy<Names, E, R>, limits: Limits): Policy<Names, E, R>
} = dual(2, (self: Policy<Tag, unknown, unknown>, limits: Limits) =>
  make({
    _tag: "UpTo",
    policy: Retrying.nodeOf(self),
    attempts: limits.attempts,
    duration: limits.duration === undefined ? undefined : millisOf(limits.duration)
  }))

const millisOf = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))

/**
 * Gives each attempt so much time. One that takes longer is interrupted, and has failed with WSAETIMEDOUT.
 *
 * **Details**
 *
 * The policy decides on that failure as on any other. An attempt that ends in the very turn in which its time is over has
 * ended. The error says `WSAConnect` and `"connect"`, whatever ran, and in its `detail` how long that was given.
 *
 * **Example** (Giving up a silent peer)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 * import { Sim } from "@effect-winsock/testing"
 * import { Duration, Effect, Schedule } from "effect"
 *
 * const policy = RetryPolicy.byClass({ transient: Schedule.recurs(2) }).pipe(RetryPolicy.attemptTimeout("5 seconds"))
 * const report = Sim.run(Effect.flip(RetryPolicy.retry(Effect.never, policy)))
 *
 * Effect.runSync(report.exit)._tag // => "WSAETIMEDOUT"
 * Duration.toSeconds(report.elapsed) // => 15
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const attemptTimeout: {
  /**
   * Gives each attempt so much time. One that takes longer is interrupted, and has failed with WSAETIMEDOUT.
   */
  (
    duration: Duration.Input
  ): <Names extends Tag, E, R>(self: Policy<Names, E, R>) => Policy<Names, E | WsaError.WSAETIMEDOUT, R>
  /**
   * Gives each attempt so much time. One that takes longer is interrupted, and has failed with WSAETIMEDOUT.
   */
  <Names extends Tag, E, R>(
    self: Policy<Names, E, R>,
    duration: Duration.Input
  ): Policy<Names, E | WsaError.WSAETIMEDOUT, R>
} = dual(2, (self: Policy<Tag, unknown, unknown>, duration: Duration.Input) => {
  const first = Duration.fromInputUnsafe(duration)
  return make({ _tag: "AttemptTimeout", policy: Retrying.nodeOf(self), first, next: () => first })
})

// --- schedules -------------------------------------------------------------------------------------------------------

/**
 * The bounds of a delay that is drawn.
 *
 * @category options
 * @since 0.1.0
 */
export interface JitterOptions {
  /** The least delay, or what it grows from; 100 milliseconds unless given. */
  readonly base?: Duration.Input | undefined
  /** The greatest delay; 5 seconds unless given. */
  readonly cap?: Duration.Input | undefined
}

/** A schedule whose delays are drawn, one after the other. `next` gets a number from 0 up to, and without, 1. */
const drawing = (begin: () => (luck: number) => number): Schedule.Schedule<Duration.Duration> =>
  Schedule.fromStep(Effect.sync(() => {
    const next = begin()
    return () =>
      Effect.map(Random.next, (luck): [Duration.Duration, Duration.Duration] => {
        const delay = Duration.millis(next(luck))
        return [delay, delay]
      })
  }))

/**
 * A delay between `base` and three times the one before, at most `cap`.
 *
 * **Details**
 *
 * AWS's "decorrelated jitter" ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015): `min(cap, random between base
 * and previous × 3)`, where the first previous one is `base`. Those who failed together do not come back together, and
 * nobody comes back at once.
 *
 * **Example** (Its bounds)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 *
 * const policy = RetryPolicy.byClass({ transient: RetryPolicy.decorrelatedJitter({ base: "1 second", cap: "5 seconds" }) })
 * RetryPolicy.format(policy, { attempts: 4 }) // => "transient   1s–3s   1s–5s   1s–5s   …"
 * ```
 *
 * @category schedules
 * @since 0.1.0
 */
export const decorrelatedJitter = (options: JitterOptions = {}): Schedule.Schedule<Duration.Duration> => {
  const base = millisOf(options.base ?? "100 millis")
  const cap = millisOf(options.cap ?? "5 seconds")
  return drawing(() => {
    let previous = base
    return (luck) => previous = Math.min(cap, base + luck * (previous * 3 - base))
  })
}

/**
 * A delay between nothing and a bound that begins with `base` and doubles each time, up to `cap`.
 *
 * **When to use**
 *
 * Use when many fail at one moment and are to be spread as widely as possible.
 *
 * **Details**
 *
 * AWS's "full jitter" ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015): `random between 0 and min(cap, base ×
 * 2ⁿ)`, n from 0 on.
 *
 * **Example** (Its bounds)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 *
 * const policy = RetryPolicy.byClass({ transient: RetryPolicy.fullJitter({ base: "1 second", cap: "3 seconds" }) })
 * RetryPolicy.format(policy, { attempts: 4 }) // => "transient   at once–1s   at once–2s   at once–3s   …"
 * ```
 *
 * @category schedules
 * @since 0.1.0
 */
export const fullJitter = (options: JitterOptions = {}): Schedule.Schedule<Duration.Duration> => {
  const base = millisOf(options.base ?? "100 millis")
  const cap = millisOf(options.cap ?? "5 seconds")
  return drawing(() => {
    let bound = base
    return (luck) => {
      const delay = luck * Math.min(cap, bound)
      bound = Math.min(cap, bound * 2)
      return delay
    }
  })
}

/**
 * The figures of gRPC's connection back-off.
 *
 * @category options
 * @since 0.1.0
 */
export interface BackoffOptions {
  /** What the first attempt is followed by, exactly; 1 second unless given. */
  readonly initial?: Duration.Input | undefined
  /** What each back-off is times the one before; 1.6 unless given. */
  readonly multiplier?: number | undefined
  /** How much a back-off differs at most from what it would be, as a part of it; 0.2 unless given. */
  readonly jitter?: number | undefined
  /** What a back-off is at most, before the jitter; 120 seconds unless given. */
  readonly max?: Duration.Input | undefined
}

/**
 * gRPC's connection back-off: the beginnings of two attempts are at least so far apart.
 *
 * **Details**
 *
 * It is counted from when the failed attempt BEGAN: a refusal after 10 ms waits for the rest of the second, a time-out after
 * 30 s waits for nothing. Figures and algorithm are those of gRPC's "Connection Backoff Protocol" (doc/connection-backoff.md
 * of grpc/grpc): 1 s, × 1.6, at most 120 s, and ± 20 % of all but the first. Its output is the back-off of the attempt
 * that comes.
 *
 * {@link grpc} is the policy of it, with the minimum that gRPC gives a connection.
 *
 * **Gotchas**
 *
 * A series begins anew with each {@link retry}. gRPC has it begin anew only when the server has spoken its protocol, not
 * when it has taken the connection: let the retried effect go as far.
 *
 * **Example** (Counting from the beginning)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 * import { Duration } from "effect"
 *
 * const policy = RetryPolicy.byClass({ transient: RetryPolicy.connectionBackoff({ jitter: 0 }) })
 * const refused = RetryPolicy.step(policy, "WSAECONNREFUSED", 10, { startedAt: 0 })
 * refused._tag === "Retry" && Duration.toMillis(refused.delay) // => 990
 * const timedOut = RetryPolicy.step(policy, "WSAETIMEDOUT", 30_000, { startedAt: 0 })
 * timedOut._tag === "Retry" && Duration.toMillis(timedOut.delay) // => 0
 * ```
 *
 * @category schedules
 * @since 0.1.0
 */
export const connectionBackoff = (options: BackoffOptions = {}): Schedule.Schedule<Duration.Duration> => {
  const initial = millisOf(options.initial ?? "1 second")
  const max = millisOf(options.max ?? "120 seconds")
  const { jitter = 0.2, multiplier = 1.6 } = options
  return Schedule.fromStep(Effect.map(Clock.currentTimeMillis, (begun) => {
    let expected = initial
    let backoff = initial
    // under a plain Effect.retry nobody says when an attempt began: when this schedule did, or its last delay was over
    let begins = begun
    return (now: number) =>
      Effect.map(
        Effect.zip(CurrentAttempt, Random.next),
        ([attempt, luck]): [Duration.Duration, Duration.Duration] => {
          // a clock that was set back does not make anybody wait longer
          const delay = Math.min(backoff, Math.max(0, (attempt?.startedAt ?? begins) + backoff - now))
          begins = now + delay
          expected = Math.min(max, expected * multiplier)
          backoff = expected * (1 - jitter + 2 * jitter * luck)
          return [Duration.millis(backoff), Duration.millis(delay)]
        }
      )
  }))
}

/**
 * How {@link grpc} is to differ from gRPC's figures.
 *
 * @category options
 * @since 0.1.0
 */
export interface GrpcOptions extends BackoffOptions {
  /** What an attempt is given at least; 20 seconds unless given. */
  readonly minConnectTimeout?: Duration.Input | undefined
}

/**
 * Retries as gRPC keeps up its connections: without end, by {@link connectionBackoff}.
 *
 * **Details**
 *
 * All codes of the classes `"transient"`, `"lookup-transient"` and `"resource"` share one back-off. An attempt has until its
 * back-off is over, and at least `minConnectTimeout` (20 s): then it has failed with WSAETIMEDOUT, and the next begins at
 * once.
 *
 * **Example** (Its figures)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 *
 * const lines = RetryPolicy.format(RetryPolicy.grpc({ jitter: 0 }), { attempts: 4 }).split("\n")
 * lines[0] // => "transient          1s   1.6s   2.56s   …"
 * lines[1] // => "lookup-transient   1s   1.6s   2.56s   …"
 * lines[2] // => "resource           1s   1.6s   2.56s   …"
 * lines[3] // => "the first attempt takes at most 20s"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const grpc = (options: GrpcOptions = {}): Policy<never, WsaError.WSAETIMEDOUT> => {
  const least = Duration.fromInputUnsafe(options.minConnectTimeout ?? "20 seconds")
  return make({
    _tag: "AttemptTimeout",
    policy: {
      _tag: "Table",
      rules: [{
        tags: noTags,
        classes: new Set(["transient", "lookup-transient", "resource"]),
        schedule: connectionBackoff(options)
      }]
    },
    first: Duration.max(least, Duration.fromInputUnsafe(options.initial ?? "1 second")),
    next: (backoff) => Duration.max(least, backoff as Duration.Duration)
  })
}

// --- retrying --------------------------------------------------------------------------------------------------------

/**
 * Where attempts go: an address, or a name of your own.
 *
 * @category models
 * @since 0.1.0
 */
export type Destination = string | SocketAddress.SocketAddress

/**
 * What a retry can be told.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Where the attempts go, for the {@link Budget}. Those that have none share one. */
  readonly destination?: Destination | undefined
}

/**
 * An attempt, as what runs in it can see it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attempt {
  /** Which one it is, from 1 on. */
  readonly number: number
  /** When it began, in milliseconds since 1970. */
  readonly startedAt: number
  /** What the one before failed with. */
  readonly previous: unknown
}

/**
 * The attempt that runs; `undefined` outside of {@link retry}.
 *
 * **When to use**
 *
 * Use for an attribute of a span, or to do something else after the first attempt. A schedule can ask it for the attempt
 * that has failed: then `previous` is what it failed with.
 *
 * **Example** (Counting attempts)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy, WsaError } from "@effect-winsock/core"
 * import { Effect, Schedule } from "effect"
 *
 * const attempt = Effect.flatMap(RetryPolicy.CurrentAttempt, (attempt) =>
 *   attempt?.number === 3
 *     ? Effect.succeed("third time lucky")
 *     : Effect.fail(WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" })))
 * const program = RetryPolicy.retry(attempt, RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.recurs(5) }))
 *
 * await Effect.runPromise(program) // => "third time lucky"
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentAttempt: Context.Reference<Attempt | undefined> = Steps.CurrentAttempt

/**
 * Why there was no other attempt.
 *
 * **Details**
 *
 * | reason | what it says |
 * | --- | --- |
 * | `"no entry"` | the policy has none for this code |
 * | `"schedule"` | the code's schedule is over |
 * | `"limit"` | all attempts together have come to their limit, see {@link upTo} |
 * | `"budget"` | the policy would have gone on, but there is no budget for it |
 *
 * @category models
 * @since 0.1.0
 */
export type StopReason = Steps.Reason | "budget"

/**
 * What was spent before a failure came out of {@link retry}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Expense {
  /** How many attempts there were. */
  readonly attempts: number
  /** How long it took from the first to the last failure. */
  readonly elapsed: Duration.Duration
  /** Why there was no other attempt. */
  readonly reason: StopReason
  /** Where they went, as the {@link Budget} names it. */
  readonly destination: string | undefined
}

/**
 * Reads from a cause what was spent before it came out of {@link retry}.
 *
 * **Details**
 *
 * The error is the last one, untouched; what was spent goes along as an annotation of the cause. The same is said in the
 * span that is current, if there is one: an event `retry` for each retry, `retry.stopped` for the last failure.
 *
 * **Example** (Logging why it was given up)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy, WsaError } from "@effect-winsock/core"
 * import { Effect, Schedule } from "effect"
 *
 * const refused = Effect.fail(WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" }))
 * const program = RetryPolicy.retry(refused, RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.recurs(2) })).pipe(
 *   Effect.catchCause((cause) => Effect.succeed(RetryPolicy.spent(cause)))
 * )
 * const spent = await Effect.runPromise(program)
 * spent?.attempts // => 3
 * spent?.reason // => "schedule"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const spent = (cause: Cause.Cause<unknown>): Expense | undefined =>
  Context.getOrUndefined(Cause.annotations(cause), Retrying.Spent)

/**
 * What an effect has to be for a policy: one that can fail with every code that the policy names.
 *
 * @category models
 * @since 0.1.0
 */
export type Failing<Names extends Tag, E> = [Names] extends [TagOf<E>] ? unknown
  : { readonly "the effect cannot fail with": Exclude<Names, TagOf<E>> }

/**
 * Tries again after a failure, as the policy says.
 *
 * **Details**
 *
 * When there is no other attempt, the last failure comes out as it is; {@link spent} tells what went before. It can be
 * interrupted at any time. What does not say of itself how to take it, a defect, and an interruption are not retried. Where a
 * {@link Budget} is provided, the first attempt is entered in it and each retry taken from it.
 *
 * **Gotchas**
 *
 * The effect is run anew: what an attempt has made and not released stays. Let it open its socket, and close it when it fails
 * (`Effect.scoped`); {@link sameSocket} keeps the socket.
 *
 * **Example** (Trying again until it works)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy, WsaError } from "@effect-winsock/core"
 * import { Effect, Schedule } from "effect"
 *
 * let attempts = 0
 * const connect = Effect.suspend(() =>
 *   ++attempts < 3
 *     ? Effect.fail(WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" }))
 *     : Effect.succeed("connected")
 * )
 * const program = connect.pipe(
 *   RetryPolicy.retry(RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.spaced("1 milli") }), { destination: "db:5432" })
 * )
 * await Effect.runPromise(program) // => "connected"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const retry: {
  /**
   * Tries again after a failure, as the policy says.
   */
  <Names extends Tag, E2, R2>(
    policy: Policy<Names, E2, R2>,
    options?: Options
  ): <A, E, R>(self: Effect.Effect<A, E, R> & Failing<Names, E>) => Effect.Effect<A, E | E2, R | R2>
  /**
   * Tries again after a failure, as the policy says.
   */
  <A, E, R, E2, R2>(
    self: Effect.Effect<A, E, R>,
    policy: Policy<TagOf<E>, E2, R2>,
    options?: Options
  ): Effect.Effect<A, E | E2, R | R2>
} = dual(
  (args) => Effect.isEffect(args[0]),
  (self: Effect.Effect<unknown>, policy: Policy<Tag, unknown, unknown>, options: Options = {}) =>
    Retrying.retry((around) => put(around, self), policy, () => options.destination ?? "", undefined)
)

/**
 * The codes after which the same socket may be connected again (R26).
 *
 * @category models
 * @since 0.1.0
 */
export type Reusable = "WSAECONNREFUSED" | "WSAENETUNREACH" | "WSAETIMEDOUT"

/**
 * The codes after which the same socket may be connected again (R26).
 *
 * **Example** (Which they are)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 *
 * RetryPolicy.reusable // => ["WSAECONNREFUSED", "WSAENETUNREACH", "WSAETIMEDOUT"]
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const reusable: ReadonlyArray<Reusable> = ["WSAECONNREFUSED", "WSAENETUNREACH", "WSAETIMEDOUT"]

/**
 * Connects a socket, and tries again on the same one after the three codes that allow it (R26).
 *
 * **When to use**
 *
 * Use where the local port is to stay: it was bound, options were set, or a firewall knows it. A fresh socket for each
 * attempt ({@link retry}) is the better choice otherwise: it can be retried after any code.
 *
 * **Details**
 *
 * After any other code than WSAECONNREFUSED, WSAENETUNREACH and WSAETIMEDOUT the failure comes at once, whatever the policy
 * says; a policy that names another one does not compile. The address is the destination for the {@link Budget}.
 *
 * **Example** (Keeping the port)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy, SocketAddress, Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect, Schedule } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.make({ hosts: { client: {}, server: {} } })
 *   net.answer(net.address("server", 80), ["WSAETIMEDOUT", "WSAECONNREFUSED"])
 *   return yield* Effect.gen(function*() {
 *     const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *     yield* Winsock.bind(s, "0.0.0.0:4711")
 *     const policy = RetryPolicy.byCode({ WSAETIMEDOUT: Schedule.recurs(3) })
 *     const error = yield* Effect.flip(RetryPolicy.sameSocket(s, net.address("server", 80), policy))
 *     return [error._tag, SocketAddress.portOf(yield* Winsock.getsockname(s))]
 *   }).pipe(Effect.scoped, Effect.provide(net.layer("client")))
 * })
 *
 * Effect.runSync(Sim.run(program).exit) // => ["WSAECONNREFUSED", 4711]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const sameSocket = <E2 = never, R2 = never>(
  s: Winsock.Socket,
  address: SocketAddress.Input,
  policy: Policy<Reusable, E2, R2>,
  options?: Winsock.WSAConnectOptions
): Effect.Effect<Winsock.Connected, WsaError.WSAConnectError | E2, R2> =>
  retry(
    Winsock.WSAConnect(s, address, options),
    make<Reusable, E2, R2>({ _tag: "Only", policy: Retrying.nodeOf(policy), tags: new Set(reusable) }),
    { destination: Option.getOrUndefined(Result.getSuccess(SocketAddress.fromInput(address))) }
  )

// --- budgets ---------------------------------------------------------------------------------------------------------

/**
 * What a budget counts for one destination. Times are milliseconds that never go back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Account {
  /** A first try begins. */
  readonly request: (now: number) => void
  /** An attempt has gone well. */
  readonly succeeded: (now: number) => void
  /** An attempt has failed with something that the policy has an entry for. */
  readonly failed: (now: number) => void
  /** Takes a retry, if there is one. */
  readonly withdraw: (now: number) => boolean
  /** How many retries there are now. */
  readonly balance: (now: number) => number
}

/**
 * How many retries there may be, beside the first tries to the same destination.
 *
 * @category models
 * @since 0.1.0
 */
export interface Budget {
  /** The account of a destination, for now: it is asked for each time. */
  readonly account: (destination: Destination, now: number) => Account
}

/**
 * The budget that all retries below share; `undefined` for none: then only policies bound them.
 *
 * **When to use**
 *
 * Use {@link layerBudget} or {@link layerThrottle} to provide one.
 *
 * **Example** (Having none unless told)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * await Effect.runPromise(Effect.service(RetryPolicy.Budget)) // => undefined
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const Budget: Context.Reference<Budget | undefined> = Retrying.Budget

/**
 * How destinations are told apart by a budget or a breaker.
 *
 * @category options
 * @since 0.1.0
 */
export interface KeyOptions {
  /** Destinations of one name share an account. Unless given: the text, or the address with its port. */
  readonly key?: ((destination: Destination) => string) | undefined
}

const budgetOf = (make: () => RetryBudget.Account, every: number, options: KeyOptions): Layer.Layer<never> => {
  const { key = Retrying.nameOf } = options
  return Layer.sync(Budget, () => {
    const account = RetryBudget.accounts(make, every)
    return { account: (destination, now) => account(key(destination), now) }
  })
}

/**
 * How much {@link layerBudget} lets through.
 *
 * @category options
 * @since 0.1.0
 */
export interface BudgetOptions extends KeyOptions {
  /** How many retries there are for a hundred first tries; 20 unless given. */
  readonly percent?: number | undefined
  /** How many there are each second besides, for those who connect rarely; 1 unless given. */
  readonly minPerSecond?: number | undefined
  /** How long first tries and retries count, from 1 to 60 seconds; 10 seconds unless given. */
  readonly ttl?: Duration.Input | undefined
}

const check = (holds: boolean, what: string): void => {
  if (!holds) throw new RangeError(`RetryPolicy: ${what}`)
}

/**
 * Gives all retries below a budget for each destination, by the rule of Finagle's `RetryBudget`.
 *
 * **When to use**
 *
 * Use at the edge of a program, once, so that all that connects shares it. It is what keeps a server that fails from being
 * met with as many times its load as policies have attempts.
 *
 * **Details**
 *
 * A first try deposits `percent` of a retry, a retry withdraws one; both are forgotten after `ttl`, at most a tenth later.
 * Besides, there is a reserve of `minPerSecond` for each second of `ttl`, which may be spent at once. So within any `ttl`
 * there are no more retries than the reserve and `percent` of the first tries; with a `minPerSecond` of 0 there are never
 * more than `percent` of all first tries. A retry is taken before its delay begins, and is gone when it is interrupted.
 *
 * Finagle's figures are 20 %, 10 s, and 10 a second (finagle-core, `RetryBudget.scala`); it counts requests. Connects are
 * fewer: the last is 1 here.
 *
 * A retry for which there is no budget is not made: the last failure comes out, and {@link spent} says `"budget"`.
 *
 * **Gotchas**
 *
 * - A retry within a retry enters its first tries too, each time. Retry a destination at one place.
 * - Where many processes have a budget each, each has its reserve.
 *
 * **Example** (Spending it)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy, WsaError } from "@effect-winsock/core"
 * import { Effect, Schedule } from "effect"
 *
 * let attempts = 0
 * const connect = Effect.suspend(() => {
 *   attempts++
 *   return Effect.fail(WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" }))
 * })
 * const stubborn = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.recurs(3) })
 * const program = connect.pipe(
 *   RetryPolicy.retry(stubborn, { destination: "db:5432" }),
 *   Effect.ignore,
 *   Effect.repeat({ times: 99 }),
 *   Effect.provide(RetryPolicy.layerBudget({ percent: 20, minPerSecond: 0 }))
 * )
 * await Effect.runPromise(program)
 * attempts // => 120
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBudget = (options: BudgetOptions = {}): Layer.Layer<never> => {
  const { minPerSecond = 1, percent = 20 } = options
  const ttl = millisOf(options.ttl ?? "10 seconds")
  check(percent >= 0 && percent <= 100_000, `percent is from 0 to 100000, not ${percent}`)
  check(minPerSecond >= 0 && Number.isFinite(minPerSecond), `minPerSecond is 0 or more, not ${minPerSecond}`)
  check(ttl >= 1000 && ttl <= 60_000, `ttl is from 1 to 60 seconds, not ${ttl / 1000}`)
  return budgetOf(() => RetryBudget.windowed({ ttl, minPerSecond, percent: percent / 100 }), ttl, options)
}

/**
 * How much {@link layerThrottle} lets through.
 *
 * @category options
 * @since 0.1.0
 */
export interface ThrottleOptions extends KeyOptions {
  /** How many tokens there are at first, and at most, up to 1000; 10 unless given. */
  readonly maxTokens?: number | undefined
  /** What an attempt that goes well gives back; 0.1 unless given. What is less than a thousandth does not count. */
  readonly tokenRatio?: number | undefined
}

/**
 * Gives all retries below a budget for each destination, by the rule of gRPC's `retryThrottling`.
 *
 * **When to use**
 *
 * Use where successes are frequent, and retries are to end soon after they are not: a budget of {@link layerBudget} depends
 * on how many try, this one on how many get through.
 *
 * **Details**
 *
 * An attempt that fails with something that the policy has an entry for takes a token, one that goes well gives `tokenRatio`
 * of one back, and there are retries while more than half of `maxTokens` are left. The rule, its bounds, and the 10 and 0.1
 * of its example are those of gRPC's proposal A6.
 *
 * **Gotchas**
 *
 * Where nothing ever goes well there is nothing to retry with after half of `maxTokens` failures, until something does.
 *
 * **Example** (Retrying while more than half is left)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy, WsaError } from "@effect-winsock/core"
 * import { Effect, Schedule } from "effect"
 *
 * let attempts = 0
 * const connect = Effect.suspend(() => {
 *   attempts++
 *   return Effect.fail(WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" }))
 * })
 * const program = connect.pipe(
 *   RetryPolicy.retry(RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.forever })),
 *   Effect.ignore,
 *   Effect.provide(RetryPolicy.layerThrottle({ maxTokens: 10 }))
 * )
 * await Effect.runPromise(program)
 * attempts // => 5
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerThrottle = (options: ThrottleOptions = {}): Layer.Layer<never> => {
  const { maxTokens = 10, tokenRatio = 0.1 } = options
  check(maxTokens > 0 && maxTokens <= 1000, `maxTokens is above 0 and at most 1000, not ${maxTokens}`)
  check(tokenRatio > 0 && Number.isFinite(tokenRatio), `tokenRatio is above 0, not ${tokenRatio}`)
  return budgetOf(() => RetryBudget.throttled({ maxTokens, tokenRatio }), 10_000, options)
}

/**
 * How many retries to a destination the budget has now; infinitely many where there is none.
 *
 * **Example** (Watching a budget)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * await Effect.runPromise(RetryPolicy.balance("db:5432")) // => Infinity
 * const program = RetryPolicy.balance("db:5432").pipe(Effect.provide(RetryPolicy.layerBudget({ minPerSecond: 2 })))
 * await Effect.runPromise(program) // => 20
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const balance = (destination: Destination): Effect.Effect<number> =>
  Effect.withFiber((fiber) => {
    const budget = fiber.getRef(Budget)
    const now = Retrying.monotonicMillis(fiber.getRef(Clock.Clock))
    return Effect.succeed(
      budget === undefined ? Number.POSITIVE_INFINITY : budget.account(destination, now).balance(now)
    )
  })

// --- breakers --------------------------------------------------------------------------------------------------------

/**
 * No attempt was made: the breaker of the endpoint is open.
 *
 * **Details**
 *
 * It bears no Winsock code. A code tells what a stack or a peer has said about an attempt, and here was none: as
 * WSAECONNREFUSED it would be retried and counted as if the peer had refused again, as WSAEACCES (forbidden by this machine)
 * it could not be told from a firewall. It has no retry class either: a policy retries it only under its own name.
 *
 * **Example** (Making one)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 * import { Duration } from "effect"
 *
 * const error = new RetryPolicy.BreakerOpen({ endpoint: "db:5432", probing: false, retryAfter: Duration.seconds(5) })
 * error.message // => "no attempt was made at db:5432: its breaker is open for another 5s"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class BreakerOpen extends Schema.TaggedError<BreakerOpen>("@effect-winsock/core/RetryPolicy/BreakerOpen")(
  "BreakerOpen",
  {
    /** Where no attempt was made. */
    endpoint: Schema.String,
    /** Whether an attempt of somebody else is under way that decides whether it closes. */
    probing: Schema.Boolean,
    /** How long it is open at least; while it is being probed nobody knows. */
    retryAfter: Schema.optionalKey(Schema.DurationFromMillis)
  }
) {
  /** What it says in a line. */
  override get message(): string {
    const state = this.probing
      ? "somebody else is trying whether it is back"
      : `its breaker is open for another ${Duration.format(this.retryAfter ?? Duration.zero)}`
    return `no attempt was made at ${this.endpoint}: ${state}`
  }
}

/**
 * What a breaker does: it closes, it opens, it lets one through to see.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transition {
  /** Whose breaker it is. */
  readonly endpoint: string
  /** What it was. */
  readonly from: BreakerState
  /** What it is now. */
  readonly to: BreakerState
}

/**
 * The state of a breaker: attempts are made; none is; one is, to see.
 *
 * @category models
 * @since 0.1.0
 */
export type BreakerState = "Closed" | "Open" | "HalfOpen"

/**
 * Breakers, one for each endpoint.
 *
 * **Example** (Asking for the state of one)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const program = RetryPolicy.Breaker.use((breaker) => breaker.state("db:5432")).pipe(
 *   Effect.provide(RetryPolicy.layerBreaker())
 * )
 * await Effect.runPromise(program) // => "Closed"
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Breaker extends Context.Service<Breaker, {
  /** Makes an attempt, or fails with {@link BreakerOpen}. */
  readonly execute: <A, E, R>(
    self: Effect.Effect<A, E, R>,
    endpoint: Destination
  ) => Effect.Effect<A, E | BreakerOpen, R>
  /** The state of an endpoint's breaker. */
  readonly state: (endpoint: Destination) => Effect.Effect<BreakerState>
  /** What the breakers do from now on. */
  readonly transitions: Stream.Stream<Transition>
}>()("@effect-winsock/core/RetryPolicy/Breaker") {}

/**
 * When breakers open, and for how long.
 *
 * @category options
 * @since 0.1.0
 */
export interface BreakerOptions extends KeyOptions {
  /** How many attempts in a row fail with a transient code before it opens; 5 unless given. */
  readonly failures?: number | undefined
  /** How long it stays open; 5 seconds, then twice as long each time, up to a minute, unless given. */
  readonly openFor?: Duration.Input | Schedule.Schedule<unknown, number> | undefined
}

/**
 * Provides breakers, one for each endpoint, that open after transient failures in a row.
 *
 * **Details**
 *
 * Only the class `"transient"` counts against an endpoint, and only a success for it: an attempt that was forbidden, badly
 * asked, or interrupted says nothing about the peer. When it has been open for its time, one attempt is let through; if it
 * goes well the breaker closes, and if it fails it opens for longer.
 *
 * It is effect's `CircuitBreaker`, with its memory in this process. Five failures, and 5 s doubling to 60 s, are ours: the
 * defaults of Polly (a tenth of at least 100 calls in 30 s) and resilience4j (half of the last 100) are made for requests,
 * and an endpoint does not see as many connects.
 *
 * **Example** (Not knocking at a closed door)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy, WsaError } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const connect = Effect.fail(WsaError.make("WSAETIMEDOUT", { call: "WSAConnect", stage: "connect" })).pipe(
 *   RetryPolicy.breaker("db:5432")
 * )
 * const program = Effect.gen(function*() {
 *   yield* Effect.flip(connect)
 *   yield* Effect.flip(connect)
 *   return (yield* Effect.flip(connect))._tag
 * }).pipe(Effect.provide(RetryPolicy.layerBreaker({ failures: 2 })))
 *
 * await Effect.runPromise(program) // => "BreakerOpen"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBreaker = (options: BreakerOptions = {}): Layer.Layer<Breaker> => {
  const { failures = 5, key = Retrying.nameOf, openFor = longerAndLonger } = options
  const tripPolicy = CircuitBreaker.consecutive(failures)
  return Layer.effect(
    Breaker,
    Effect.map(CircuitBreaker.make({ tripPolicy, openDuration: openFor }), (breaker) =>
      Breaker.of({
        execute: (self, endpoint) => {
          const name = key(endpoint)
          return Effect.suspend(() => {
            // what is guarded may have a breaker of its own: only a rejection before it ran is ours
            let ran = false
            const noting = Effect.suspend(() => {
              ran = true
              return self
            })
            return breaker.execute(noting, { key: name, classify: outcomeOf }).pipe(
              Effect.mapError((error) =>
                !ran && error instanceof CircuitBreaker.CircuitBreakerError ? openError(name, error) : error
              )
            ) as Effect.Effect<any, any, any>
          })
        },
        state: (endpoint) => Effect.map(Effect.orDie(breaker.state(key(endpoint))), ({ _tag }) => _tag),
        transitions: Stream.map(breaker.transitions, ({ from, key, to }) => ({ endpoint: key, from, to }))
      }))
  ).pipe(Layer.provide(CircuitBreaker.layerStoreMemory()))
}

const longerAndLonger: Schedule.Schedule<unknown> = Schedule.min([
  Schedule.exponential("5 seconds"),
  Schedule.spaced("1 minute")
])

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): CircuitBreaker.Outcome => {
  if (exit._tag === "Success") return CircuitBreaker.success
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  return WsaError.isWsaError(error) && error.retryClass === "transient"
    ? CircuitBreaker.failure()
    : CircuitBreaker.ignored
}

const openError = (endpoint: string, { reason }: CircuitBreaker.CircuitBreakerError): BreakerOpen =>
  reason._tag === "CircuitOpen"
    ? new BreakerOpen({ endpoint, probing: false, retryAfter: reason.retryAfter })
    : new BreakerOpen({ endpoint, probing: true })

/**
 * Makes no attempt while the breaker of the endpoint is open: fails with {@link BreakerOpen}.
 *
 * **Details**
 *
 * Within a {@link retry} every attempt is counted, and a policy with an entry for `BreakerOpen` waits until it may be closed
 * again. Around a {@link retry} the breaker counts what came of all attempts together.
 *
 * **Example** (Waiting for it to close)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy, WsaError } from "@effect-winsock/core"
 * import { Sim } from "@effect-winsock/testing"
 * import { Duration, Effect, Schedule } from "effect"
 *
 * let attempts = 0
 * const connect = Effect.suspend(() =>
 *   ++attempts <= 2
 *     ? Effect.fail(WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" }))
 *     : Effect.succeed("connected")
 * )
 * const policy = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.forever, BreakerOpen: Schedule.recurs(3) })
 * const report = Sim.run(connect.pipe(
 *   RetryPolicy.breaker("db:5432"),
 *   RetryPolicy.retry(policy),
 *   Effect.provide(RetryPolicy.layerBreaker({ failures: 2 }))
 * ))
 * Effect.runSync(report.exit) // => "connected"
 * attempts // => 3
 * Duration.toSeconds(report.elapsed) // => 5
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const breaker: {
  /**
   * Makes no attempt while the breaker of the endpoint is open: fails with {@link BreakerOpen}.
   */
  (endpoint: Destination): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BreakerOpen, R | Breaker>
  /**
   * Makes no attempt while the breaker of the endpoint is open: fails with {@link BreakerOpen}.
   */
  <A, E, R>(self: Effect.Effect<A, E, R>, endpoint: Destination): Effect.Effect<A, E | BreakerOpen, R | Breaker>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, endpoint: Destination): Effect.Effect<A, E | BreakerOpen, R | Breaker> =>
    Breaker.use(({ execute }) => execute(self, endpoint))
)

// --- asking without a clock ------------------------------------------------------------------------------------------

/**
 * How a policy is asked without a clock.
 *
 * @category options
 * @since 0.1.0
 */
export interface StepOptions {
  /** When the attempt had begun; unless given, when the delay before it was over, and for the first one, when it failed. */
  readonly startedAt?: number | undefined
  /** What is drawn, each time: from 0 up to, and without, 1; 0.5 unless given. The first step's holds for all. */
  readonly luck?: number | undefined
  /** Where what is drawn comes from, instead of `luck`. The first step's holds for all. */
  readonly seed?: string | number | undefined
}

/**
 * A policy that has been asked: what it knows of the failures so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  /** The policy. */
  readonly policy: Policy<Tag, unknown>
  /** The failures so far. */
  readonly failures: ReadonlyArray<{
    /** What it failed with. */
    readonly error: WsaError.WsaError | BreakerOpen
    /** When, in milliseconds. */
    readonly now: number
    /** When the attempt had begun. */
    readonly startedAt: number
  }>
  /** When the next attempt begins. */
  readonly next: number
  /** Where what is drawn comes from. */
  readonly options: StepOptions
}

/**
 * What a policy decides: after which delay, and how to go on asking; or that there is no other attempt.
 *
 * @category models
 * @since 0.1.0
 */
export type Decision =
  | {
    readonly _tag: "Retry"
    /** How long to wait. */
    readonly delay: Duration.Duration
    /** How long the next attempt may take, if there is a bound. */
    readonly timeout: Duration.Duration | undefined
    /** What to ask after the next failure. */
    readonly progress: Progress
  }
  | { readonly _tag: "Stop"; readonly reason: StopReason }

/**
 * Asks a policy what it does after a failure, without a clock, and without doing it.
 *
 * **When to use**
 *
 * Use to test a policy, to show what it would do, or to drive attempts of your own.
 *
 * **Details**
 *
 * `now` is the time of the failure, in milliseconds. The same question has the same answer: what is drawn comes from
 * `luck` or `seed`, and is the middle of what it could be unless one is given. The first question is asked of the policy, the
 * next one of the `progress` that came with the answer. It knows of no budget.
 *
 * **Gotchas**
 *
 * All schedules are replayed from the first failure on, so the n-th question takes n steps. A schedule that waits for
 * something, or requires a service, cannot be asked.
 *
 * **Example** (Asking twice)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 * import { Duration, Schedule } from "effect"
 *
 * const policy = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 1 })) })
 *
 * const first = RetryPolicy.step(policy, "WSAECONNREFUSED", 0)
 * first._tag === "Retry" && Duration.toMillis(first.delay) // => 1000
 * const second = first._tag === "Retry" ? RetryPolicy.step(first.progress, "WSAECONNREFUSED", 1001) : first
 * second // => { _tag: "Stop", reason: "schedule" }
 * ```
 *
 * @category stepping
 * @since 0.1.0
 */
export const step = (
  self: Policy<Tag, unknown> | Progress,
  failure: Tag | WsaError.WsaError | BreakerOpen,
  now: number,
  options: StepOptions = {}
): Decision => {
  const before: Progress = TypeId in self
    ? { policy: self, failures: [], next: options.startedAt ?? now, options }
    : self
  const error = typeof failure === "string" ? sample(failure) : failure
  const failures = [...before.failures, { error, now, startedAt: options.startedAt ?? before.next }]
  const decision = Effect.runSync(
    Effect.provideService(replay(Retrying.nodeOf(before.policy), failures), Random.Random, luckOf(before.options))
  )
  return decision._tag === "Stop" ? decision : {
    _tag: "Retry",
    delay: decision.delay,
    timeout: decision.timeout,
    progress: { ...before, failures, next: now + Duration.toMillis(decision.delay) }
  }
}

/** What comes of the last failure. A policy that `step` takes has schedules that require nothing. */
const replay = (node: Steps.Node, failures: Progress["failures"]): Effect.Effect<Steps.Decision> => {
  const step = Steps.begin(node)
  const began = failures[0]!.startedAt
  return Effect.gen(function*() {
    let decision: Steps.Decision = { _tag: "Stop", reason: "no entry" }
    for (const [i, { error, now, startedAt }] of failures.entries()) {
      decision = yield* Steps.stepped(step, {
        ...Retrying.failureOf(error, error._tag),
        attempt: i + 1,
        now,
        startedAt,
        began
      })
    }
    return decision
  }) as Effect.Effect<Steps.Decision>
}

/** An error of a code, as good as any. */
const sample = (tag: Tag): WsaError.WsaError | BreakerOpen =>
  tag === "BreakerOpen"
    ? new BreakerOpen({ endpoint: "", probing: true })
    : WsaError.make(tag, { call: "WSAConnect", stage: "connect" })

const luckOf = ({ luck = 0.5, seed }: StepOptions): typeof Random.Random["Service"] =>
  seed === undefined
    ? { nextDoubleUnsafe: () => luck, nextIntUnsafe: () => Math.floor((2 * luck - 1) * Number.MAX_SAFE_INTEGER) }
    : Effect.runSync(Random.withSeed(Effect.service(Random.Random), seed))

/**
 * How much of a policy to print.
 *
 * @category options
 * @since 0.1.0
 */
export interface FormatOptions {
  /** How many attempts are followed; 5 unless given. */
  readonly attempts?: number | undefined
}

/**
 * Prints a policy: a row for each code or class, with the delays after its first failures, and the limits of all.
 *
 * **Details**
 *
 * A row is what happens when all attempts fail at once, and with that code. Where a delay is drawn, its bounds are shown.
 * `…` says that it goes on.
 *
 * **Example** (Printing the default)
 *
 * ```ts import.meta.vitest
 * import { RetryPolicy } from "@effect-winsock/core"
 *
 * const lines = RetryPolicy.format(RetryPolicy.transient({ attempts: 3 })).split("\n")
 * lines[0] // => "transient          100ms–300ms   100ms–900ms   stop"
 * lines[1] // => "lookup-transient   80ms–120ms    80ms–120ms    stop"
 * lines[2] // => "resource           800ms–1.2s    1.6s–2.4s     stop"
 * lines[3] // => "at most 3 attempts"
 * lines[4] // => "no attempt begins after 30s"
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (self: Policy<Tag, unknown>, options: FormatOptions = {}): string => {
  const { attempts = 5 } = options
  const node = Retrying.nodeOf(self)
  const rows = Steps.rowsOf(node).map(({ label, tag }) => {
    const least = delays(self, tag as Tag, attempts, 0)
    const most = delays(self, tag as Tag, attempts, 1 - Number.EPSILON)
    return [label].concat(least.map((delay, i) => range(delay, most[i] ?? delay)))
  })
  const widths = rows.reduce<Array<number>>(
    (widths, row) => row.map((cell, i) => Math.max(widths[i] ?? 0, cell.length)).concat(widths.slice(row.length)),
    []
  )
  const table = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join("   ").trimEnd())
  return [...table, ...Steps.limitsOf(node)].join("\n")
}

type Cell = number | "stop" | "…"

const delays = (policy: Policy<Tag, unknown>, tag: Tag, attempts: number, luck: number): ReadonlyArray<Cell> => {
  const cells: Array<Cell> = []
  let asked: Policy<Tag, unknown> | Progress = policy
  for (let now = 0; cells.length < attempts - 1;) {
    const decision: Decision = step(asked, tag, now, { luck })
    if (decision._tag === "Stop") return [...cells, "stop"]
    const delay = Duration.toMillis(decision.delay)
    cells.push(delay)
    now += delay
    asked = decision.progress
  }
  return [...cells, "…"]
}

const range = (least: Cell, most: Cell): string => {
  const from = show(least)
  const to = show(most)
  return from === to ? from : `${from}–${to}`
}

const show = (cell: Cell): string =>
  typeof cell === "string" ? cell : cell < 0.5 ? "at once" : inWords(Duration.millis(Math.round(cell)))

/** `1.6s` rather than `1s 600ms`: a column stays narrow. */
const inWords = (duration: Duration.Duration): string => {
  const millis = Duration.toMillis(duration)
  return millis > 1000 && millis < 60_000 ? `${millis / 1000}s` : Duration.format(duration)
}
