/**
 * What looking a name up fails with, in Winsock's codes, and the look-up of a call.
 */
import * as Effect from "effect/Effect"
import type * as AddressResolver from "effect/net/AddressResolver"
import type * as Dns from "effect/net/Dns"
import * as Host from "effect/net/Host"
import type * as NetAddress from "effect/net/NetAddress"
import { hasProperty } from "effect/Predicate"
import * as Result from "effect/Result"
import type { Origin } from "../Connector.ts"
import type * as SocketAddress from "../SocketAddress.ts"
import * as WsaError from "../WsaError.ts"

export type Family = "IPv6" | "IPv4"

/** The codes of a look-up: what tells the most that can still be done about it comes first. */
const codes = [
  "WSATRY_AGAIN",
  "WsaUnmapped",
  "WSANO_RECOVERY",
  "WSAEADDRNOTAVAIL",
  "WSANO_DATA",
  "WSAHOST_NOT_FOUND",
  "WSAEINVAL"
] as const satisfies ReadonlyArray<WsaError.Code | "WsaUnmapped">

export type LookupTag = (typeof codes)[number]
export type LookupError = WsaError.Instance<LookupTag>

const isLookupTag = (code: string): code is LookupTag => (codes as ReadonlyArray<string>).includes(code)

const fixed: Readonly<Record<Exclude<Dns.DnsErrorReason, "Unknown">, LookupTag>> = {
  NotFound: "WSAHOST_NOT_FOUND",
  Timeout: "WSATRY_AGAIN",
  Temporary: "WSATRY_AGAIN",
  ServerFailure: "WSATRY_AGAIN",
  // no other answer is to be had from this server: asking again does not help
  Refused: "WSANO_RECOVERY",
  InvalidResponse: "WSANO_RECOVERY",
  Unsupported: "WSANO_RECOVERY",
  BadName: "WSAEINVAL"
}

/** What the stack below said, where it is an error of a stack. */
const nativeOf = (cause: unknown): WsaError.Native | undefined => {
  if (!hasProperty(cause, "code") || typeof cause.code !== "string") return undefined
  return {
    code: cause.code,
    ...(hasProperty(cause, "errno") && typeof cause.errno === "number" ? { errno: cause.errno } : {}),
    ...(hasProperty(cause, "syscall") && typeof cause.syscall === "string" ? { syscall: cause.syscall } : {})
  }
}

const meant = (reason: Dns.DnsErrorReason, native: WsaError.Native | undefined): WsaError.Code | "WsaUnmapped" => {
  const said = native === undefined ? "WsaUnmapped" : WsaError.fromNative(native, {
    stage: "resolve",
    family: "IPv4",
    type: "stream"
  })
  if (reason === "Unknown") return said
  // `Dns` has one reason for a name that does not exist and for one without addresses; some stacks tell them apart.
  return reason === "NotFound" && said === "WSANO_DATA" ? said : fixed[reason]
}

/** The error of a look-up. A code that none of the names of a look-up's failures is stays what it is, unmapped. */
export const failureOf = (error: Dns.DnsError | NetAddress.NetAddressError, origin: Origin): LookupError => {
  const at = { call: "WSAConnectByName", stage: "resolve", cause: error } as const
  if (error._tag === "NetAddressError") {
    // A name whose addresses cannot be used, or the zone of a literal that no interface has.
    const code = Host.isDomainName(origin.host) ? "WSANO_DATA" : "WSAEADDRNOTAVAIL"
    return WsaError.make(code, { ...at, detail: error.message })
  }
  const native = nativeOf(error.cause)
  const details = { ...at, native, detail: `${error.hostname}: ${error.reason}` }
  const code = meant(error.reason, native)
  return isLookupTag(code) && code !== "WsaUnmapped"
    ? WsaError.make(code, details)
    : WsaError.make("WsaUnmapped", {
      ...details,
      code: code === "WsaUnmapped" ? native?.code ?? error.reason : code
    })
}

/** Of what the families failed with, that which leaves most to hope for: one that does not exist for a family may for the other. */
export const worst = (failures: ReadonlyArray<LookupError>): LookupError =>
  failures.reduce((one, other) => codes.indexOf(other._tag) < codes.indexOf(one._tag) ? other : one)

/** The addresses of a name in these families, which are asked for at once. It fails where none has any. */
export const addressesOf = (
  { resolve }: AddressResolver.AddressResolver["Service"],
  origin: Origin,
  families: ReadonlyArray<Family>
): Effect.Effect<ReadonlyArray<SocketAddress.SocketAddress>, LookupError> =>
  Effect.forEach(
    families,
    (family) => Effect.result(Effect.mapError(resolve(origin, { family }), (error) => failureOf(error, origin))),
    { concurrency: "unbounded" }
  ).pipe(Effect.flatMap((answers) => {
    const found = answers.flatMap((answer) => Result.isSuccess(answer) ? answer.success : [])
    const failures = answers.flatMap((answer) => Result.isFailure(answer) ? [answer.failure] : [])
    return found.length > 0 ? Effect.succeed(found) : Effect.fail(worst(failures))
  }))
