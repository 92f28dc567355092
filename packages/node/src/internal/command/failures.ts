/**
 * Failures as the reports have them, and the clock they are timed by.
 */
import { Connector, SocketAddress, WsaError } from "@effect-winsock/core"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Dns from "effect/net/Dns"
import type * as NetAddress from "effect/net/NetAddress"
import * as Report from "../../Report.ts"

/** The failure that an error of a call tells. What has no native words and was refused as a request is a rule of ours. */
export const ofError = (
  error: WsaError.WsaError,
  by: Report.Failure["by"] = error.stage === "request" ? "winsock" : "system",
  call: Report.Failure["call"] = error.call
): Report.Failure =>
  new Report.Failure({
    code: error._tag === "WsaUnmapped" ? error.code : error._tag,
    words: error._tag === "WsaUnmapped" ? "no row of the table knows this code" : WsaError.table[error._tag].words,
    transient: WsaError.isTransient(error),
    call,
    stage: error.stage,
    by,
    ...(error.number === undefined ? {} : { number: error.number }),
    ...(error.native === undefined ? {} : { native: error.native }),
    ...(error.detail === undefined ? {} : { detail: error.detail })
  })

/** The failure that an error tells, where it is not one already. */
export const of = (error: WsaError.WsaError | Report.Failure): Report.Failure =>
  error instanceof Report.Failure ? error : ofError(error)

/** The failure of a look-up: as that of a pipeline, and it says that it was the command that looked. */
export const ofLookup =
  (origin: Connector.Origin) => (error: Dns.DnsError | NetAddress.NetAddressError): Report.Failure =>
    ofError(Connector.resolveError(error, origin), "resolver", "lookup")

/** Milliseconds since now, to the microsecond. */
export const stopwatch: Effect.Effect<Effect.Effect<number>> = Effect.map(
  Clock.monotonicTimeNanos,
  (begin) => Effect.map(Clock.monotonicTimeNanos, (now) => Math.round(Number(now - begin) / 1000) / 1000)
)

/** Ends what takes longer than is left, with WSAETIMEDOUT by the deadline. */
export interface Deadline {
  readonly hold: (
    at: { readonly call: Report.Failure["call"]; readonly stage: WsaError.Stage }
  ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Report.Failure, R>
}

export const deadline = (timeout: Duration.Duration | undefined): Effect.Effect<Deadline> =>
  Effect.map(stopwatch, (elapsed): Deadline => ({
    hold: (at) => (effect) =>
      timeout === undefined ? effect : Effect.flatMap(elapsed, (ms) =>
        Effect.timeoutOrElse(effect, {
          duration: Math.max(0, Duration.toMillis(timeout) - ms),
          orElse: () =>
            Effect.fail(ofError(
              WsaError.make("WSAETIMEDOUT", {
                call: at.call === "lookup" ? "WSAConnectByName" : at.call,
                stage: at.stage,
                detail: `--timeout gave it ${Duration.format(timeout)}`
              }),
              "deadline",
              at.call
            ))
        }))
  }))

/** An address as reports write it; one without a name, as unbound Unix-domain sockets are, has none. */
export const nameOf = (address: SocketAddress.SocketAddress | undefined): string | undefined =>
  address === undefined || (address._tag === "UnixPathAddress" && address.path === "")
    ? undefined
    : SocketAddress.format(address)
