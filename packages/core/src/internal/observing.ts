/**
 * How the steps of a pipeline tell what they do to whoever observes it.
 *
 * A step says what has happened, and nothing else: when it was, of which attempt, and in which round is known here. Where
 * nobody observes, nothing is made: `emit` takes a function.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { hasProperty } from "effect/Predicate"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { ConnectorEvent, Failure } from "../ConnectorEvent.ts"
import type { BreakerOpen } from "../RetryPolicy.ts"
import * as SocketAddress from "../SocketAddress.ts"
import type { Session } from "../Tls.ts"
import * as WsaError from "../WsaError.ts"
import { isolated, Settings } from "./pipeline.ts"

type Without<T, K extends string> = T extends unknown ? Omit<T, K> : never

/** What is known of an event where it arises. */
export type News = Without<ConnectorEvent, "pipeline" | "time" | "round" | "attempt">

/** Who observes, and where in the pipeline one is. */
export interface Observed {
  readonly hear: (news: News, from: Observed) => void
  /** How many attempts there have been, whatever the round. */
  readonly count: { attempts: number }
  readonly round: number
  /** The attempt that this is part of. Where no race began one, the first socket that is opened does. */
  readonly attempt: { number: number | undefined }
  /** The attempt that the one of this is part of. */
  readonly around: number | undefined
}

export const tell = (observed: Observed, news: News): void => observed.hear(news, observed)

/** Tells what has happened, if anybody observes. */
export const emit = (news: () => News): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const { observed } = fiber.getRef(Settings)
    if (observed !== undefined) tell(observed, news())
    return Effect.void
  })

// --- where in the pipeline -------------------------------------------------------------------------------------------

const inside = (observed: Observed) => ({ ...observed, around: observed.attempt.number ?? observed.around })

const at = <A, E, R>(self: Effect.Effect<A, E, R>, observed: Observed): Effect.Effect<A, E, R> =>
  Effect.updateService(self, Settings, (settings) => ({ ...settings, observed }))

const begin = (observed: Observed, address: SocketAddress.SocketAddress): void => {
  observed.attempt.number = ++observed.count.attempts
  tell(observed, {
    _tag: "AttemptBegan",
    address,
    ...(observed.around === undefined ? {} : { within: observed.around })
  })
}

/** Begins an attempt unless there is one. Who made the place for it sees to its end. */
export const attempting = (observed: Observed, address: SocketAddress.SocketAddress): void => {
  if (observed.attempt.number === undefined) begin(observed, address)
}

/** Begins an attempt of a race. What runs in it is to run `inAttempt`. */
export const beginAttempt = (observed: Observed, address: SocketAddress.SocketAddress): Observed => {
  const one = { ...inside(observed), attempt: { number: undefined } }
  begin(one, address)
  return one
}

export const inAttempt = at

const endOf = (exit: Exit.Exit<unknown, unknown>): News => {
  if (Exit.isSuccess(exit)) return { _tag: "AttemptWon" }
  return Cause.hasInterruptsOnly(exit.cause)
    ? { _tag: "AttemptLost" }
    : { _tag: "AttemptFailed", failure: failureOfCause(exit.cause) }
}

/** A round of its own, with a place for an attempt. */
export const inRound = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  before: Observed,
  round: number
): Effect.Effect<A, E, R> => {
  const observed = { ...inside(before), round, attempt: { number: undefined } }
  return Effect.onExit(at(self, observed), (exit) => {
    if (observed.attempt.number !== undefined) tell(observed, endOf(exit))
    return Effect.void
  })
}

// --- what is told of errors ------------------------------------------------------------------------------------------

/** What any error may say of itself. */
interface Told {
  readonly _tag?: string
  readonly name?: string
  readonly message?: string
  readonly code?: string
  readonly stage?: WsaError.Stage
  readonly by?: "attempt" | "deadline"
  readonly native?: WsaError.Native
  readonly detail?: string
}

/** The message of a Winsock error has what the other fields say. That of another one may be all there is. */
const detailOf = (error: Told, code: string): string | undefined => {
  const { detail, message } = error
  if (message === undefined || message === "" || WsaError.isWsaError(error)) return detail
  return message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message
}

export const failureOf = (error: unknown): Failure => {
  if (typeof error !== "object" || error === null) return { code: "Unknown", detail: String(error) }
  const { _tag, by, name, native, stage, ...rest }: Told = error
  // what is no error has a code and no tag: an attempt that an error carries
  const code = _tag === undefined || _tag === "WsaUnmapped" ? rest.code ?? _tag ?? name ?? "Unknown" : _tag
  const detail = detailOf(error, code)
  return {
    code,
    ...(stage === undefined ? {} : { stage }),
    ...(by === undefined ? {} : { by }),
    ...(native === undefined ? {} : { native }),
    ...(detail === undefined ? {} : { detail })
  }
}

const failureOfCause = (cause: Cause.Cause<unknown>): Failure => {
  const error = Cause.findError(cause)
  if (Result.isSuccess(error)) return failureOf(error.success)
  const defect = Cause.squash(cause)
  return { code: "Defect", detail: defect instanceof Error ? defect.message : String(defect) }
}

export const refusal = ({ endpoint, retryAfter }: BreakerOpen): News => ({
  _tag: "BreakerRefused",
  endpoint,
  ...(retryAfter === undefined ? {} : { retryAfter: Duration.toMillis(retryAfter) })
})

export const handshake = ({ alpn, protocol, reused, serverName }: Session): News => ({
  _tag: "TlsDone",
  ...(serverName === undefined ? {} : { serverName }),
  version: protocol,
  ...(alpn === undefined ? {} : { protocol: alpn }),
  resumed: reused
})

// --- observing -------------------------------------------------------------------------------------------------------

/** Milliseconds, to the microsecond. */
const stopwatch = (clock: Clock.Clock): () => number => {
  const origin = clock.monotonicTimeNanosUnsafe()
  return () => Number((clock.monotonicTimeNanosUnsafe() - origin) / 1000n) / 1000
}

/** Tells a listener all that a connect does, from its beginning to its end. */
export const observing = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  pipeline: number,
  target: string,
  listener: (event: ConnectorEvent) => void
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiber((fiber) => {
      const settings = fiber.getRef(Settings)
      const outer = settings.observed
      const time = stopwatch(fiber.getRef(Clock.Clock))
      const hear = (news: News, { attempt: { number }, round }: Observed) => {
        const where = { _tag: news._tag, pipeline, time: time(), round }
        // what the parts are of is checked where they come from: this puts them together
        listener({ ...where, ...(number === undefined ? {} : { attempt: number }), ...news } as ConnectorEvent)
      }
      // One who observes a part of what another one observes sees the same attempts, under the same numbers.
      const observed: Observed = outer === undefined
        ? { hear, count: { attempts: 0 }, round: 1, attempt: { number: undefined }, around: undefined }
        : {
          ...outer,
          hear: (news, from) => {
            outer.hear(news, from)
            hear(news, from)
          }
        }
      const before = observed.attempt.number
      listener({ _tag: "Began", pipeline, time: 0, target })
      return Effect.onExit(restore(at(self, observed)), (exit) => {
        if (observed.attempt.number !== before) hear(endOf(exit), observed)
        listener({ pipeline, time: time(), ...ending(exit) })
        return Effect.void
      })
    })
  )

type Ending = Without<
  Extract<ConnectorEvent, { readonly _tag: "Succeeded" | "Failed" | "Interrupted" }>,
  "pipeline" | "time"
>

const ending = (exit: Exit.Exit<unknown, unknown>): Ending => {
  if (Exit.isSuccess(exit)) return { _tag: "Succeeded", ...addressesOf(exit.value) }
  return Cause.hasInterruptsOnly(exit.cause)
    ? { _tag: "Interrupted" }
    : { _tag: "Failed", failure: failureOfCause(exit.cause) }
}

/** Both ends, of whatever has them as a connection does. */
const addressesOf = (value: unknown) =>
  hasProperty(value, "local") && SocketAddress.isSocketAddress(value.local) &&
    hasProperty(value, "remote") && SocketAddress.isSocketAddress(value.remote)
    ? { local: value.local, remote: value.remote }
    : {}

const isEnding = ({ _tag }: ConnectorEvent): boolean =>
  _tag === "Succeeded" || _tag === "Failed" || _tag === "Interrupted"

/**
 * Runs an effect for each event, one after the other, beside the connect: a slow one holds up its end, and nothing else. The
 * first that fails ends everything.
 */
export const tapped = <A, E, R, E2, R2>(
  self: Effect.Effect<A, E, R>,
  pipeline: number,
  target: string,
  f: (event: ConnectorEvent) => Effect.Effect<unknown, E2, R2>
): Effect.Effect<A, E | E2, R | R2 | Scope.Scope> =>
  isolated(Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const events = yield* Queue.unbounded<ConnectorEvent>()
      const broken = yield* Deferred.make<never, E2>()
      const next: Effect.Effect<void, E2, R2> = Effect.flatMap(Queue.take(events), (event) =>
        Effect.flatMap(f(event), () => isEnding(event) ? Effect.void : next))
      const telling = yield* Effect.forkChild(
        Effect.onError(Effect.interruptible(next), (cause) =>
          Deferred.failCause(broken, cause))
      )
      let began = false
      const observed = observing(self, pipeline, target, (event) => {
        began = true
        Queue.offerUnsafe(events, event)
      })
      const exit = yield* Effect.exit(restore(Effect.raceFirst(observed, Deferred.await(broken))))
      // where it was interrupted before it began there is nothing to tell, and no end to wait for
      yield* began ? Fiber.join(telling) : Fiber.interrupt(telling)
      return yield* exit
    })
  ))
