/**
 * Races the addresses of a destination for the first connection, as RFC 8305 (Happy Eyeballs) has it.
 *
 * A name often stands for several addresses of both families, and some of them do not answer. One after another would take
 * minutes, all at once is rude. So the next attempt begins a quarter of a second after the last one, or as soon as that has
 * failed; none is given up for being slow; the first that is through wins, and the others are cancelled.
 *
 * **When to use**
 *
 * Use `race` to connect. Use `make` and `step`, which are the rules without a clock, to see or to test what a race does, or
 * to run one where there are no fibers.
 *
 * **Details**
 *
 * - Addresses that are not tried yet stand in one order: families take turns, the preferred one first, and within a family
 *   they stay in the order in which they came. Those that come late are put where they would stand had they come at once
 *   (RFC 8305 §4, and the draft of version 3). No address is tried twice.
 * - The first attempt begins when an address of the preferred family has come, or it is known that none will; or 50 ms after
 *   the first address of the other family (§3).
 * - The next one begins 250 ms after the last one began, whatever became of those before. That delay is at least 100 ms and
 *   at most 2 s. Where the newest attempt fails, the next one begins at once; the failure of an older one changes nothing
 *   (§5).
 * - An attempt is whatever the caller makes of it: it wins when all of its steps are done, a TLS handshake too. What goes
 *   wrong in one of them, a bind that fails included, is the failure of this attempt only.
 * - When all have failed and no address can come any more, the race fails as the most telling of them did: see `primary`.
 *
 * **Gotchas**
 *
 * The order within a family is the caller's affair. What the system's resolver gives is sorted by RFC 6724 already; what
 * `Dns` reads from a name server is not; `Connector.resolve` sorts, and says which family goes first. With
 * `preferredFamily: "first"` the order also decides which family is the first.
 *
 * **Example** (A race against an address that does not answer)
 *
 * ```ts import.meta.vitest
 * import { HappyEyeballs, SocketAddress, Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Duration, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.SimNetwork
 *   net.blackhole("[2001:db8::1]:80")
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *
 *   const addresses = [
 *     SocketAddress.fromInputUnsafe("[2001:db8::1]:80"),
 *     SocketAddress.fromInputUnsafe("127.0.0.1:80")
 *   ] as const
 *   const { remote } = yield* HappyEyeballs.race(addresses, (address) =>
 *     Effect.gen(function*() {
 *       const s = yield* Winsock.socket({ family: SocketAddress.familyOf(address), type: "stream" })
 *       return yield* Winsock.WSAConnect(s, address)
 *     }))
 *   return SocketAddress.format(remote)
 * }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
 *
 * const report = Sim.run(program)
 * Sim.getOrThrow(report) // => "127.0.0.1:80"
 * Duration.toMillis(report.elapsed) // => 250
 * ```
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Observing from "./internal/observing.ts"
import { isolated, Settings } from "./internal/pipeline.ts"
import { makeTimers, type Timers } from "./internal/timers.ts"
import * as SocketAddress from "./SocketAddress.ts"
import * as WsaError from "./WsaError.ts"

/**
 * How a race is to go.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Which family goes first, and is waited for when the other one has come. `"first"`: that of the first address that
   * comes, and nothing is waited for. Default: that of which the last answer says so, and `"IPv6"` where none does.
   */
  readonly preferredFamily?: "IPv6" | "IPv4" | "first" | undefined
  /** How many addresses of the preferred family come before the first of the other one. Default 1. */
  readonly preferredFamilyCount?: number | undefined
  /** How long addresses of the other family wait for those of the preferred one. Default 50 milliseconds. */
  readonly resolutionDelay?: Duration.Input | undefined
  /**
   * How long after an attempt the next one begins. Default 250 milliseconds; what is less than 100 milliseconds is 100, and
   * what is more than 2 seconds is 2.
   */
  readonly attemptDelay?: Duration.Input | undefined
}

/**
 * What an attempt may fail with: a Winsock error, or another that says as much of itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  /** The code. */
  readonly _tag: string
  /** The step at which the attempt failed. */
  readonly stage: WsaError.Stage
  /** How to take it. */
  readonly retryClass: WsaError.RetryClass
  /** The raw code, of `WsaUnmapped`. */
  readonly code?: string
  /** What the stack below said. */
  readonly native?: WsaError.Native
  /** What was wrong, where, and what would be right. */
  readonly detail?: string
}

// ---------------------------------------------------------------------------------------------------------------------
// Which failure is a race's
// ---------------------------------------------------------------------------------------------------------------------

const beforeConnect: ReadonlySet<string> = new Set<WsaError.Stage>(["request", "resolve", "open", "option", "bind"])
const answers: ReadonlySet<string> = new Set<WsaError.Code>(["WSAECONNREFUSED", "WSAECONNRESET", "WSAECONNABORTED"])

/** The lower, the more telling. */
const rank = ({ _tag, retryClass, stage }: Failure): number => {
  if (retryClass === "interrupt") return 0
  if (retryClass === "policy") return 4
  if (beforeConnect.has(stage)) return 7
  if (stage !== "connect") return 1
  if (answers.has(_tag)) return 2
  if (_tag === "WSAETIMEDOUT") return 3
  return retryClass === "transient" || retryClass === "address" ? 6 : 5
}

/**
 * Chooses the most telling of several failures: the farther an attempt came, the more it tells of the peer. Of two that
 * tell as much, the first.
 *
 * **Details**
 *
 * | | what failed | such as |
 * | --- | --- | --- |
 * | 1 | somebody cancelled it | WSAEINTR |
 * | 2 | what was done over a connection that stood | any code of a stage after `"connect"` |
 * | 3 | the peer answered, and did not want | WSAECONNREFUSED, WSAECONNRESET, WSAECONNABORTED |
 * | 4 | nobody answered | WSAETIMEDOUT |
 * | 5 | it is forbidden, at whatever stage | WSAEACCES |
 * | 6 | the connect failed on this side | WSAENOBUFS, WSAEADDRINUSE, what no row knows |
 * | 7 | there is no way to the address | WSAENETUNREACH, WSAEHOSTUNREACH, WSAENETDOWN, WSAEADDRNOTAVAIL |
 * | 8 | it never came to the connect | any code of the stages `"request"`, `"resolve"`, `"open"`, `"option"`, `"bind"` |
 *
 * So a machine without IPv6 learns from a race that the peer refused over IPv4, and not that IPv6 leads nowhere.
 *
 * **Example** (A refusal tells more than a missing route)
 *
 * ```ts import.meta.vitest
 * import { HappyEyeballs, WsaError } from "@effect-winsock/core"
 *
 * const at = { call: "WSAConnect", stage: "connect" } as const
 * HappyEyeballs.primary([
 *   WsaError.make("WSAENETUNREACH", at),
 *   WsaError.make("WSAECONNREFUSED", at)
 * ])._tag // => "WSAECONNREFUSED"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const primary = <const All extends Arr.NonEmptyReadonlyArray<Failure>>(failures: All): All[number] =>
  failures.reduce((best, failure) => rank(failure) < rank(best) ? failure : best)

// ---------------------------------------------------------------------------------------------------------------------
// The plan
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What came of asking for addresses.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer<out F = never> {
  readonly _tag: "Answer"
  /** Addresses, of any family. More may come, of the same one too. */
  readonly addresses: ReadonlyArray<SocketAddress.SocketAddress>
  /** The family of which no more will come, or `"all"`. */
  readonly ended?: "IPv4" | "IPv6" | "all" | undefined
  /** Why no more will come, where asking failed. A family that has no addresses just ends. */
  readonly failure?: F | undefined
  /**
   * Which family is to go first, as far as is known by now: whoever sorts the addresses knows. It counts where the options
   * name none. Where no address of it has come yet, it is waited for as any preferred family is.
   */
  readonly preferred?: "IPv4" | "IPv6" | undefined
}

/**
 * Something that happened in a race. Attempts have numbers, from 0, in the order in which they begin.
 *
 * @category models
 * @since 0.1.0
 */
export type Event<E extends Failure, F = never> =
  | Answer<F>
  /** The time has come that the last `Arm` named. */
  | { readonly _tag: "Timer" }
  /** An attempt failed, at any of its steps. */
  | { readonly _tag: "Failed"; readonly attempt: number; readonly error: E }
  /** An attempt is through with all of its steps. */
  | { readonly _tag: "Succeeded"; readonly attempt: number }
  /** Whoever wanted the connection wants it no more. */
  | { readonly _tag: "GaveUp" }

/**
 * Something that is to be done for a race, in the order in which it stands.
 *
 * **Details**
 *
 * `Succeed` and `Fail` come once, and last; after `GaveUp` neither does. What comes after the end is `Close` only: for an
 * attempt that was cancelled, and was through all the same.
 *
 * @category models
 * @since 0.1.0
 */
export type Action<E extends Failure, F = never> =
  | { readonly _tag: "Start"; readonly attempt: number; readonly address: SocketAddress.SocketAddress }
  /** Sets the one timer, in place of what it was set to. */
  | { readonly _tag: "Arm"; readonly at: number }
  | { readonly _tag: "Disarm" }
  | { readonly _tag: "Cancel"; readonly attempt: number }
  | { readonly _tag: "Close"; readonly attempt: number }
  | { readonly _tag: "Succeed"; readonly attempt: number }
  /**
   * `attempt`: the one whose failure is the race's. Where none was made, it is the first failure of asking for addresses;
   * there is none where asking went well and gave nothing.
   */
  | { readonly _tag: "Fail"; readonly attempt: number; readonly error: E }
  | { readonly _tag: "Fail"; readonly attempt: undefined; readonly error: F | undefined }

/**
 * An attempt of a race, and how it ended: `"lost"` means that it was cancelled.
 *
 * @category models
 * @since 0.1.0
 */
export type Attempt<E extends Failure> =
  & {
    /** What it connects to. */
    readonly address: SocketAddress.SocketAddress
    /** When it began. */
    readonly began: number
  }
  & (
    | { readonly outcome: "running" }
    | { readonly outcome: "won" | "lost"; readonly ended: number }
    | { readonly outcome: "failed"; readonly ended: number; readonly error: E }
  )

/**
 * Where a race stands. All times are whole microseconds, on a clock that is the caller's.
 *
 * @category models
 * @since 0.1.0
 */
export interface State<out E extends Failure, out F = never> {
  /** The options, checked. */
  readonly settings: {
    readonly preferredFamily: "IPv6" | "IPv4" | "first" | undefined
    readonly preferredFamilyCount: number
    readonly resolutionDelay: number
    readonly attemptDelay: number
  }
  /** The time of the last event. */
  readonly now: number
  /** All addresses that have come, in the order in which they did. */
  readonly known: ReadonlyArray<SocketAddress.SocketAddress>
  /** The family that goes first, as the last answer had it that said so. */
  readonly preferred: "IPv4" | "IPv6" | undefined
  /** When the first of them came. */
  readonly answered: number | undefined
  /** Those that have not been tried, in the order in which they will be. */
  readonly waiting: ReadonlyArray<SocketAddress.SocketAddress>
  /** The families of which no more will come. */
  readonly ended: { readonly IPv4: boolean; readonly IPv6: boolean }
  /** What asking for addresses failed with, first things first. */
  readonly unresolved: ReadonlyArray<F>
  /** All attempts, in the order in which they began. */
  readonly attempts: ReadonlyArray<Attempt<E>>
  /** What the timer is set to. */
  readonly timer: number | undefined
  /** How the race ended, if it has. */
  readonly over: "succeeded" | "failed" | "gave up" | undefined
}

/**
 * What comes of an event.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step<out E extends Failure, out F = never> {
  /** Where the race stands now. */
  readonly state: State<E, F>
  /** What is to be done. */
  readonly actions: ReadonlyArray<Action<E, F>>
}

const microsOf = (duration: Duration.Input | undefined, otherwise: number): number =>
  duration === undefined ? otherwise : Math.round(Duration.toMicros(Duration.fromInputUnsafe(duration)))
const clamp = (least: number, value: number, most: number): number => Math.min(Math.max(least, value), most)

/**
 * Makes the state of a race that has not begun: no address has come.
 *
 * **Example** (What a delay is held to)
 *
 * ```ts import.meta.vitest
 * import { HappyEyeballs } from "@effect-winsock/core"
 *
 * HappyEyeballs.make().settings.attemptDelay // => 250_000
 * HappyEyeballs.make({ attemptDelay: "10 millis" }).settings.attemptDelay // => 100_000
 * HappyEyeballs.make({ attemptDelay: "1 minute" }).settings.attemptDelay // => 2_000_000
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E extends Failure = never, F = never>(options: Options = {}): State<E, F> => ({
  settings: {
    preferredFamily: options.preferredFamily,
    preferredFamilyCount: Math.max(1, Math.trunc(options.preferredFamilyCount ?? 1)),
    resolutionDelay: Math.max(0, microsOf(options.resolutionDelay, 50_000)),
    attemptDelay: clamp(100_000, microsOf(options.attemptDelay, 250_000), 2_000_000)
  },
  now: 0,
  known: [],
  preferred: undefined,
  answered: undefined,
  waiting: [],
  ended: { IPv4: false, IPv6: false },
  unresolved: [],
  attempts: [],
  timer: undefined,
  over: undefined
})

/** The family that goes first, and is waited for. */
const preferredOf = ({ known, preferred, settings }: State<Failure, unknown>): SocketAddress.Family => {
  const { preferredFamily = preferred ?? "IPv6" } = settings
  return preferredFamily !== "first"
    ? preferredFamily
    : known[0] === undefined
    ? "IPv6"
    : SocketAddress.familyOf(known[0])
}

/** RFC 8305 §4: some of the preferred family, then the other one and it in turns, and what is left of either. */
const interleave = (
  addresses: ReadonlyArray<SocketAddress.SocketAddress>,
  preferred: SocketAddress.Family,
  count: number
): ReadonlyArray<SocketAddress.SocketAddress> => {
  if (addresses.length < 2) return addresses
  const isPreferred = (address: SocketAddress.SocketAddress) => SocketAddress.familyOf(address) === preferred
  const ours = addresses.filter(isPreferred)
  const others = addresses.filter((address) => !isPreferred(address))
  const rest = ours.slice(count)
  const turns = Array.from({ length: Math.max(rest.length, others.length) }, (_, i) => [others[i], rest[i]])
  return [...ours.slice(0, count), ...turns.flat().filter((address) => address !== undefined)]
}

const contains = (
  addresses: ReadonlyArray<SocketAddress.SocketAddress>,
  address: SocketAddress.SocketAddress
): boolean => addresses.some((other) => SocketAddress.same(other, address))

const learn = <E extends Failure, F>(state: State<E, F>, answer: Answer<F>): State<E, F> => {
  const known = [...state.known]
  for (const address of answer.addresses) if (!contains(known, address)) known.push(address)
  const { ended } = answer
  const { preferredFamilyCount } = state.settings
  const preferred = answer.preferred ?? state.preferred
  const tried = state.attempts.map(({ address }) => address)
  return {
    ...state,
    known,
    preferred,
    answered: state.answered ?? (known.length > 0 ? state.now : undefined),
    waiting: interleave(known, preferredOf({ ...state, known, preferred }), preferredFamilyCount).filter((address) =>
      !contains(tried, address)
    ),
    ended: {
      IPv4: state.ended.IPv4 || ended === "IPv4" || ended === "all",
      IPv6: state.ended.IPv6 || ended === "IPv6" || ended === "all"
    },
    unresolved: answer.failure === undefined ? state.unresolved : [...state.unresolved, answer.failure]
  }
}

/** When the next attempt begins, if there is an address for it. */
const due = (state: State<Failure, unknown>): number | undefined => {
  const { answered, attempts, ended, known, now, settings, waiting } = state
  if (waiting.length === 0 || answered === undefined) return undefined
  const newest = attempts.at(-1)
  if (newest !== undefined) return newest.outcome === "failed" ? now : newest.began + settings.attemptDelay
  const preferred = preferredOf(state)
  const isWaitedFor = preferred !== "Unix" && !ended[preferred] &&
    !known.some((address) => SocketAddress.familyOf(address) === preferred)
  return isWaitedFor ? answered + settings.resolutionDelay : now
}

const disarm = (state: State<Failure, unknown>): ReadonlyArray<Action<never>> =>
  state.timer === undefined ? [] : [{ _tag: "Disarm" }]

/** Cancels what still runs. */
const finish = <E extends Failure, F>(
  state: State<E, F>,
  over: "succeeded" | "failed" | "gave up",
  last: ReadonlyArray<Action<E, F>>
): Step<E, F> => {
  const { attempts, now } = state
  const cancels = attempts.flatMap(({ outcome }, attempt) =>
    outcome === "running" ? [{ _tag: "Cancel", attempt } as const] : []
  )
  const ended = attempts.map((attempt) => {
    const { address, began, outcome } = attempt
    return outcome === "running" ? { address, began, outcome: "lost", ended: now } as const : attempt
  })
  return {
    state: { ...state, attempts: ended, waiting: [], timer: undefined, over },
    actions: [...disarm(state), ...cancels, ...last]
  }
}

const failed = <E extends Failure, F>(state: State<E, F>): Action<E, F> => {
  const [first, ...rest] = state.attempts.flatMap((attempt) => attempt.outcome === "failed" ? [attempt.error] : [])
  if (first === undefined) return { _tag: "Fail", attempt: undefined, error: state.unresolved[0] }
  const error = primary([first, ...rest])
  const isIts = (attempt: Attempt<E>) => attempt.outcome === "failed" && attempt.error === error
  return { _tag: "Fail", attempt: state.attempts.findIndex(isIts), error }
}

/** Begins what may begin, sets the timer for what may not yet, and sees whether anything can still come. */
const advance = <E extends Failure, F>(state: State<E, F>): Step<E, F> => {
  const at = due(state)
  if (at !== undefined && at <= state.now && state.waiting.length > 0) {
    const [address, ...waiting] = state.waiting as Arr.NonEmptyReadonlyArray<SocketAddress.SocketAddress>
    const attempts = [...state.attempts, { address, began: state.now, outcome: "running" } as const]
    const next = settle({ ...state, attempts, waiting })
    return { ...next, actions: [{ _tag: "Start", attempt: state.attempts.length, address }, ...next.actions] }
  }
  const canComeYet = at !== undefined || !state.ended.IPv4 || !state.ended.IPv6 ||
    state.attempts.some(({ outcome }) => outcome === "running")
  return canComeYet ? settle(state) : finish(state, "failed", [failed(state)])
}

const settle = <E extends Failure, F>(state: State<E, F>): Step<E, F> => {
  const at = due(state)
  if (at === state.timer) return { state, actions: [] }
  return { state: { ...state, timer: at }, actions: at === undefined ? disarm(state) : [{ _tag: "Arm", at }] }
}

/**
 * Takes an event at a time, and tells where the race stands then and what is to be done.
 *
 * **Details**
 *
 * Times are whole microseconds since whenever; one before the last counts as the last. A timer that fires early or when it
 * was set to something else does no harm, and neither does news of an attempt that has ended.
 *
 * **Example** (The failure of the newest attempt starts the next one)
 *
 * ```ts import.meta.vitest
 * import { HappyEyeballs, SocketAddress, WsaError } from "@effect-winsock/core"
 *
 * const addresses = ["[2001:db8::1]:80", "[2001:db8::2]:80", "192.0.2.1:80"].map(SocketAddress.fromInputUnsafe)
 * const error = WsaError.make("WSAENETUNREACH", { call: "WSAConnect", stage: "connect" })
 *
 * const first = HappyEyeballs.step(HappyEyeballs.make<typeof error>(), HappyEyeballs.answer(addresses, "all"), 0)
 * first.actions.map((action) => action._tag) // => ["Start", "Arm"]
 * first.state.waiting.map(SocketAddress.format) // => ["192.0.2.1:80", "[2001:db8::2]:80"]
 *
 * const second = HappyEyeballs.step(first.state, { _tag: "Failed", attempt: 0, error }, 1000)
 * second.actions.map((action) => action._tag) // => ["Start", "Arm"]
 * second.state.timer // => 251_000
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const step = <E extends Failure, F = never>(
  before: State<E, F>,
  event: Event<E, F>,
  now: number
): Step<E, F> => {
  const state = { ...before, now: Math.max(now, before.now) }
  if (state.over !== undefined) {
    const isLate = event._tag === "Succeeded" && state.attempts[event.attempt]?.outcome === "lost"
    return { state, actions: isLate ? [{ _tag: "Close", attempt: event.attempt }] : [] }
  }
  switch (event._tag) {
    case "Answer":
      return advance(learn(state, event))
    case "Timer":
      return advance({ ...state, timer: undefined })
    case "GaveUp":
      return finish(state, "gave up", [])
    case "Failed":
    case "Succeeded": {
      const attempt = state.attempts[event.attempt]
      if (attempt?.outcome !== "running") return { state, actions: [] }
      const ended = (how: { readonly outcome: "won" } | { readonly outcome: "failed"; readonly error: E }) => ({
        ...state,
        attempts: state.attempts.with(event.attempt, { ...attempt, ...how, ended: state.now })
      })
      return event._tag === "Failed"
        ? advance(ended({ outcome: "failed", error: event.error }))
        : finish(ended({ outcome: "won" }), "succeeded", [{ _tag: "Succeed", attempt: event.attempt }])
    }
  }
}

/**
 * Makes an answer: addresses that have come, and of which family no more will.
 *
 * **Example** (One family has come, and the other one may follow)
 *
 * ```ts import.meta.vitest
 * import { HappyEyeballs, SocketAddress } from "@effect-winsock/core"
 *
 * HappyEyeballs.answer([SocketAddress.fromInputUnsafe("192.0.2.1:80")], "IPv4").ended // => "IPv4"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const answer = (
  addresses: ReadonlyArray<SocketAddress.SocketAddress>,
  ended?: "IPv4" | "IPv6" | "all"
): Answer => ({ _tag: "Answer", addresses, ended })

/**
 * Makes the answer that asking for a family failed: no more of it will come.
 *
 * **Example** (A name server that does not answer)
 *
 * ```ts import.meta.vitest
 * import { HappyEyeballs } from "@effect-winsock/core"
 *
 * HappyEyeballs.failedAnswer("IPv6", "SERVFAIL") // => { _tag: "Answer", addresses: [], ended: "IPv6", failure: "SERVFAIL" }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const failedAnswer = <F>(ended: "IPv4" | "IPv6" | "all", failure: F): Answer<F> => ({
  _tag: "Answer",
  addresses: [],
  ended,
  failure
})

/**
 * Tells of all attempts of a race that failed, as its error carries them: in milliseconds since `origin`.
 *
 * **Example** (Writing a refusal down)
 *
 * ```ts import.meta.vitest
 * import { HappyEyeballs, SocketAddress, WsaError } from "@effect-winsock/core"
 *
 * const addresses = [SocketAddress.fromInputUnsafe("127.0.0.1:1")]
 * const error = WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" })
 * const { state } = HappyEyeballs.step(HappyEyeballs.make<typeof error>(), HappyEyeballs.answer(addresses, "all"), 0)
 * const end = HappyEyeballs.step(state, { _tag: "Failed", attempt: 0, error }, 1500)
 *
 * const [attempt] = HappyEyeballs.failures(end.state)
 * attempt?.code // => "WSAECONNREFUSED"
 * attempt?.ended // => 1.5
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const failures = (state: State<Failure, unknown>, origin: number = 0): ReadonlyArray<WsaError.Attempt> =>
  state.attempts.flatMap((attempt) => {
    if (attempt.outcome !== "failed") return []
    const { _tag, code = _tag, detail, native, stage } = attempt.error
    return [{
      address: attempt.address,
      stage,
      code,
      began: (attempt.began - origin) / 1000,
      ended: (attempt.ended - origin) / 1000,
      ...(native === undefined ? {} : { native }),
      ...(detail === undefined ? {} : { detail })
    }]
  })

// ---------------------------------------------------------------------------------------------------------------------
// The race
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Asks for the addresses of both families at once, and gives each answer when it comes.
 *
 * **When to use**
 *
 * Use to let `race` begin with what comes first, where the resolver can be asked for one family.
 *
 * **Details**
 *
 * IPv6 is asked for first (RFC 8305 §3). What asking fails with is in the answer: the race fails with it only where there is
 * nothing to try.
 *
 * **Example** (Racing while the other family is still looked up)
 *
 * ```ts import.meta.vitest
 * import { HappyEyeballs, SocketAddress } from "@effect-winsock/core"
 * import { Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const lookup = (family: "IPv4" | "IPv6") =>
 *   family === "IPv4"
 *     ? Effect.succeed([SocketAddress.fromInputUnsafe("192.0.2.1:80")])
 *     : Effect.delay(Effect.fail("SERVFAIL"), "30 millis")
 *
 * const program = HappyEyeballs.race(HappyEyeballs.lookups(lookup), (address) => Effect.succeed(address))
 * SocketAddress.format(Sim.getOrThrow(Sim.run(Effect.scoped(program)))) // => "192.0.2.1:80"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const lookups = <F, R>(
  lookup: (family: "IPv6" | "IPv4") => Effect.Effect<ReadonlyArray<SocketAddress.SocketAddress>, F, R>
): Stream.Stream<Answer<F>, never, R> => {
  const one = (family: "IPv6" | "IPv4") =>
    Stream.fromEffect(Effect.match(Effect.suspend(() => lookup(family)), {
      onFailure: (failure): Answer<F> => failedAnswer(family, failure),
      onSuccess: (addresses): Answer<F> => answer(addresses, family)
    }))
  return Stream.merge(one("IPv6"), one("IPv4"))
}

/** Asks for the addresses, and tells the answers. */
const ask = <F, E, R>(
  from: Exclude<Source<F, E, R>, ReadonlyArray<unknown>>,
  tell: (answer: Answer<F | E>) => void
): Effect.Effect<void, never, R> => {
  const onFailure = (failure: E) => tell(failedAnswer("all", failure))
  if (Effect.isEffect(from)) {
    return Effect.match(from, { onFailure, onSuccess: (addresses) => tell(answer(addresses, "all")) })
  }
  const told = Stream.runForEach(from, (answer) => Effect.sync(() => tell(answer)))
  return Effect.match(told, { onFailure, onSuccess: () => tell(answer([], "all")) })
}

const noAddress = (): WsaError.WSANO_DATA =>
  WsaError.make("WSANO_DATA", {
    call: "WSAConnectByName",
    stage: "resolve",
    detail: "there is no address to connect to: no answer had one"
  })

/** What reaches the fiber of a race from all others. */
type News<A, E extends Failure, F> =
  | Answer<F>
  | { readonly _tag: "Timer" }
  | { readonly _tag: "Ended"; readonly attempt: number; readonly exit: Exit.Exit<A, E> }
  | { readonly _tag: "Died"; readonly cause: Cause.Cause<never> }

/** Does what the plan says: holds the fibers of the attempts, their scopes, and the timer. */
class Race<A, E extends Failure, F, R> {
  private readonly news: Queue.Enqueue<News<A, E, F>>
  /** How it ended, once it has. */
  result: Exit.Exit<A, E | F | WsaError.WSANO_DATA> | undefined
  /** How many attempts have not ended. */
  running = 0
  private state: State<E, F>
  private readonly origin: bigint
  private readonly scopes: Array<Scope.Closeable> = []
  private readonly fibers: Array<Fiber.Fiber<void>> = []
  private readonly values: Array<Exit.Exit<A, E>> = []
  private readonly timers: Timers
  private readonly scope: Scope.Scope
  private readonly attempt: (address: SocketAddress.SocketAddress) => Effect.Effect<A, E, R>
  private readonly restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  private disarm: () => void = () => {}
  private readonly observed: Observing.Observed | undefined
  private readonly seen: Array<Observing.Observed> = []

  constructor(
    news: Queue.Enqueue<News<A, E, F>>,
    context: Context.Context<Scope.Scope>,
    options: Options | undefined,
    attempt: (address: SocketAddress.SocketAddress) => Effect.Effect<A, E, R>,
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  ) {
    this.news = news
    this.restore = restore
    this.timers = makeTimers(context)
    this.origin = this.timers.now()
    this.scope = Context.get(context, Scope.Scope)
    this.observed = Context.get(context, Settings).observed
    this.state = make(options)
    this.attempt = attempt
  }

  private now(): number {
    return Number((this.timers.now() - this.origin) / 1000n)
  }

  tell(news: News<A, E, F>): void {
    Queue.offerUnsafe(this.news, news)
  }

  take(news: News<A, E, F>): Effect.Effect<void, never, Exclude<R, Scope.Scope>> {
    switch (news._tag) {
      case "Answer":
      case "Timer":
        return this.happens(news)
      case "Died":
        return this.dies(news.cause)
      case "Ended":
        return this.ends(news.attempt, news.exit)
    }
  }

  private ends(attempt: number, exit: Exit.Exit<A, E>) {
    this.running--
    if (Exit.isSuccess(exit)) {
      this.values[attempt] = exit
      return this.happens({ _tag: "Succeeded", attempt })
    }
    if (this.state.attempts[attempt]?.outcome === "lost") return Effect.void
    const error = Cause.findError(exit.cause)
    return Result.isSuccess(error)
      ? this.happens({ _tag: "Failed", attempt, error: error.success })
      : this.dies(exit.cause as Cause.Cause<never>)
  }

  /** A defect, of an attempt or of whatever gives the addresses, is the race's. So is an interruption from within. */
  private dies(cause: Cause.Cause<never>) {
    this.result ??= Exit.failCause(cause)
    return this.happens({ _tag: "GaveUp" })
  }

  happens(event: Event<E, F>): Effect.Effect<void, never, Exclude<R, Scope.Scope>> {
    return Effect.suspend(() => {
      const before = this.state
      const { actions, state } = step(before, event, this.now())
      this.state = state
      if (this.observed !== undefined) this.tellChanges(this.observed, before, state)
      return Effect.forEach(actions, (action) => this.does(action), { discard: true })
    })
  }

  /** What became of attempts, and then which began. */
  private tellChanges(observed: Observing.Observed, before: State<E, F>, { attempts }: State<E, F>): void {
    const ended = attempts.flatMap((attempt, i) =>
      before.attempts[i]?.outcome === "running" && attempt.outcome !== "running" ? [{ attempt, of: this.seen[i]! }] : []
    )
    for (const { attempt, of } of ended) {
      if (attempt.outcome === "won") Observing.tell(of, { _tag: "AttemptWon" })
      if (attempt.outcome === "failed") {
        Observing.tell(of, { _tag: "AttemptFailed", failure: Observing.failureOf(attempt.error) })
      }
    }
    for (const { attempt, of } of ended) if (attempt.outcome === "lost") Observing.tell(of, { _tag: "AttemptLost" })
    for (const { address } of attempts.slice(before.attempts.length)) {
      this.seen.push(Observing.beginAttempt(observed, address))
    }
  }

  private does(action: Action<E, F>): Effect.Effect<void, never, Exclude<R, Scope.Scope>> {
    switch (action._tag) {
      case "Start":
        return this.starts(action.attempt, action.address)
      case "Arm":
        this.disarm()
        this.disarm = this.timers.after(Math.max(0, action.at - this.now()) / 1000, () => this.tell({ _tag: "Timer" }))
        return Effect.void
      case "Disarm":
        this.disarm()
        return Effect.void
      case "Cancel":
        this.fibers[action.attempt]?.interruptUnsafe()
        return Effect.void
      case "Close":
        return Effect.ignoreCause(Scope.close(this.scopes[action.attempt]!, Exit.void))
      case "Succeed":
        this.result = this.values[action.attempt]
        return Effect.void
      case "Fail":
        this.result = Exit.fail(
          action.attempt === undefined
            ? action.error ?? noAddress()
            : WsaError.withAttempts(action.error, failures(this.state))
        )
        return Effect.void
    }
  }

  /** An attempt has a scope of its own inside of the caller's: it is closed unless the attempt is through. */
  private starts(attempt: number, address: SocketAddress.SocketAddress) {
    const scope = this.scopes[attempt] = Scope.forkUnsafe(this.scope)
    this.running++
    const seen = this.seen[attempt]
    const self = Effect.suspend(() => this.attempt(address))
    const whole = (restore: typeof this.restore) =>
      restore(Scope.provide(seen === undefined ? self : Observing.inAttempt(self, seen), scope)).pipe(
        Effect.tapCause((cause) => Scope.close(scope, Exit.failCause(cause))),
        Effect.exit
      )
    // Where nothing else can happen before it ends, it needs no fiber of its own: most destinations have one address.
    if (this.isLast) return Effect.flatMap(whole(this.restore), (exit) => this.ends(attempt, exit))
    const told = Effect.uninterruptibleMask((restore) =>
      Effect.map(whole(restore), (exit) => this.tell({ _tag: "Ended", attempt, exit }))
    )
    return Effect.map(Effect.forkChild(told, { startImmediately: true }), (fiber) => {
      this.fibers[attempt] = fiber
    })
  }

  private get isLast(): boolean {
    const { ended, waiting } = this.state
    return this.running === 1 && waiting.length === 0 && ended.IPv4 && ended.IPv6
  }
}

/**
 * Makes the failure of an attempt carry it, as the failure of a race of one address does.
 *
 * **When to use**
 *
 * Use where there is one address, and whoever reads the error is to find in it what was tried, as always.
 *
 * **Details**
 *
 * What it fails with is of the same class, and has `attempts`: the address, step, code and times of this one. Nothing is closed
 * that the attempt has opened: {@link race} does that.
 *
 * **Example** (Where it was refused)
 *
 * ```ts import.meta.vitest
 * import { HappyEyeballs, SocketAddress, WsaError } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const refused = Effect.fail(WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" }))
 * const address = SocketAddress.fromInputUnsafe("192.0.2.1:80")
 * const program = refused.pipe(
 *   HappyEyeballs.withAttempt(address),
 *   Effect.catch((error) => Effect.succeed(error.attempts?.map(({ address }) => SocketAddress.format(address))))
 * )
 * await Effect.runPromise(program) // => ["192.0.2.1:80"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withAttempt: {
  /**
   * Makes the failure of an attempt carry it, as the failure of a race of one address does.
   */
  (
    address: SocketAddress.SocketAddress
  ): <A, E extends Failure, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * Makes the failure of an attempt carry it, as the failure of a race of one address does.
   */
  <A, E extends Failure, R>(self: Effect.Effect<A, E, R>, address: SocketAddress.SocketAddress): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E extends Failure, R>(
    self: Effect.Effect<A, E, R>,
    address: SocketAddress.SocketAddress
  ): Effect.Effect<A, E, R> =>
    Effect.clockWith((clock) => {
      const origin = clock.monotonicTimeNanosUnsafe()
      return Effect.mapError(self, (error) => {
        // the plan is asked only here: where the one attempt is through there is nothing to decide
        const { state } = step(make<E>(), answer([address], "all"), 0)
        const now = Number((clock.monotonicTimeNanosUnsafe() - origin) / 1000n)
        return WsaError.withAttempts(error, failures(step(state, { _tag: "Failed", attempt: 0, error }, now).state))
      })
    })
)

/**
 * Where a race has its addresses from: all of them, an effect that gives all of them, or answers as they come.
 *
 * @category models
 * @since 0.1.0
 */
export type Source<F, E, R> =
  | ReadonlyArray<SocketAddress.SocketAddress>
  | Effect.Effect<ReadonlyArray<SocketAddress.SocketAddress>, E, R>
  | Stream.Stream<Answer<F>, E, R>

/**
 * Races attempts to connect to addresses, and gives what the first one that is through gives.
 *
 * **When to use**
 *
 * Use to connect to a destination that has more than one address.
 *
 * **Details**
 *
 * - What an attempt opens in its scope stays open with the scope of the caller if it wins, and is closed if it does not:
 *   also where it is through a moment too late.
 * - When this succeeds or fails, or is interrupted, all attempts have ended, and nothing of those that did not win is left.
 * - It fails with the error of the attempt that tells the most (`primary`), which is of the same class and carries
 *   `attempts`: the address, step, code and times of each, in the order in which they began. What asking for addresses fails
 *   with is its failure only where nothing was tried; where there is no address at all that is WSANO_DATA.
 * - A defect in an attempt ends the race with it.
 *
 * **Gotchas**
 *
 * An attempt that cannot be interrupted holds up the end of the race, also the success of another one. There is no time-out
 * here: put one into the attempt, or around the race.
 *
 * **Example** (All that was tried)
 *
 * ```ts import.meta.vitest
 * import { HappyEyeballs, SocketAddress, Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const addresses = [
 *   SocketAddress.fromInputUnsafe("[2001:db8::1]:80"),
 *   SocketAddress.fromInputUnsafe("127.0.0.1:80")
 * ] as const
 * const program = HappyEyeballs.race(addresses, (address) =>
 *   Effect.gen(function*() {
 *     const s = yield* Winsock.socket({ family: SocketAddress.familyOf(address), type: "stream" })
 *     return yield* Winsock.WSAConnect(s, address)
 *   })).pipe(
 *     Effect.catchTag("WSAECONNREFUSED", (error) => Effect.succeed(error.attempts)),
 *     Effect.scoped,
 *     Effect.provide(SimNetwork.layer())
 *   )
 *
 * const attempts = Sim.getOrThrow(Sim.run(program))
 * Array.isArray(attempts) && attempts.map(({ code }) => code) // => ["WSAENETUNREACH", "WSAECONNREFUSED"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const race: {
  <A, E extends Failure, R, E2 = never, R2 = never>(
    addresses:
      | Arr.NonEmptyReadonlyArray<SocketAddress.SocketAddress>
      | Effect.Effect<Arr.NonEmptyReadonlyArray<SocketAddress.SocketAddress>, E2, R2>,
    attempt: (address: SocketAddress.SocketAddress) => Effect.Effect<A, E, R>,
    options?: Options
  ): Effect.Effect<A, E | E2, R | R2 | Scope.Scope>
  <A, E extends Failure, R, F = never, E2 = never, R2 = never>(
    addresses: Source<F, E2, R2>,
    attempt: (address: SocketAddress.SocketAddress) => Effect.Effect<A, E, R>,
    options?: Options
  ): Effect.Effect<A, E | F | E2 | WsaError.WSANO_DATA, R | R2 | Scope.Scope>
} = <A, E extends Failure, R, F, E2, R2>(
  addresses: Source<F, E2, R2>,
  attempt: (address: SocketAddress.SocketAddress) => Effect.Effect<A, E, R>,
  options?: Options
): Effect.Effect<A, any, R | R2 | Scope.Scope> =>
  Effect.contextWith((context) =>
    // most destinations have one address, and pay for no race; whoever observes is told of the steps of the plan
    Array.isArray(addresses) && addresses.length === 1 && Context.get(context, Settings).observed === undefined
      ? withAttempt(isolated(Effect.suspend(() => attempt(addresses[0]))), addresses[0])
      : isolated(together(addresses, attempt, options))
  )

const together = <A, E extends Failure, R, F, E2, R2>(
  addresses: Source<F, E2, R2>,
  attempt: (address: SocketAddress.SocketAddress) => Effect.Effect<A, E, R>,
  options: Options | undefined
): Effect.Effect<A, any, R | R2 | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const news = yield* Queue.unbounded<News<A, E, F | E2>>()
      const context = yield* Effect.context<Scope.Scope>()
      const one = new Race<A, E, F | E2, R>(news, context, options, attempt, restore)
      let asking: Fiber.Fiber<void> | undefined
      if (Stream.isStream(addresses) || Effect.isEffect(addresses)) {
        const told = ask(addresses, (answer) => one.tell(answer))
        const died = (cause: Cause.Cause<never>) => Effect.sync(() => one.tell({ _tag: "Died", cause }))
        asking = yield* Effect.forkChild(Effect.catchCause(told, died), { startImmediately: true })
      } else {
        yield* one.happens(answer(addresses, "all"))
        if (one.result !== undefined) return yield* one.result
      }
      const next = Effect.flatMap(restore(Queue.take(news)), (news) => one.take(news))
      const last = Effect.flatMap(Queue.take(news), (news) => one.take(news))
      yield* Effect.whileLoop({ while: () => one.result === undefined, body: () => next, step: () => {} }).pipe(
        // An interruption comes here too. What is over is not given up any more.
        Effect.onExit(() =>
          one.happens({ _tag: "GaveUp" }).pipe(
            Effect.andThen(asking === undefined ? Effect.void : Fiber.interrupt(asking)),
            Effect.andThen(Effect.whileLoop({ while: () => one.running > 0, body: () => last, step: () => {} }))
          )
        )
      )
      return yield* one.result!
    })
  )
