/**
 * Asks for the addresses of a name, and says in Winsock's codes what asking fails with.
 */
import * as Effect from "effect/Effect"
import type * as AddressResolver from "effect/net/AddressResolver"
import type * as Dns from "effect/net/Dns"
import * as Host from "effect/net/Host"
import type * as NetAddress from "effect/net/NetAddress"
import { hasProperty } from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Origin } from "../Connector.ts"
import * as HappyEyeballs from "../HappyEyeballs.ts"
import type * as SocketAddress from "../SocketAddress.ts"
import * as WsaError from "../WsaError.ts"
import * as Observing from "./observing.ts"

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
const worst = (failures: ReadonlyArray<LookupError>): LookupError =>
  failures.reduce((one, other) => codes.indexOf(other._tag) < codes.indexOf(one._tag) ? other : one)

const families = ["IPv6", "IPv4"] as const

/** The look-ups of one target: answers for a race, and what is to be told where none had an address. */
export class Lookups {
  private readonly resolver: AddressResolver.AddressResolver["Service"]
  private readonly origin: Origin
  private readonly asked: ReadonlyArray<"IPv6" | "IPv4">
  private failures: Array<LookupError> = []

  constructor(
    resolver: AddressResolver.AddressResolver["Service"],
    origin: Origin,
    family: "IPv6" | "IPv4" | undefined
  ) {
    this.resolver = resolver
    this.origin = origin
    this.asked = family === undefined ? families : [family]
  }

  /** What all of them failed with. */
  get failure(): LookupError | undefined {
    return this.failures.length < this.asked.length ? undefined : worst(this.failures)
  }

  /** Asks anew whenever it is run. */
  readonly answers: Stream.Stream<HappyEyeballs.Answer> = Stream.suspend(() => {
    this.failures = []
    const [only, other] = this.asked
    return other === undefined
      ? Stream.fromEffect(Effect.map(this.lookup(only!), (addresses) => HappyEyeballs.answer(addresses, "all")))
      : HappyEyeballs.lookups((family) => this.lookup(family))
  })

  private lookup(family: "IPv6" | "IPv4"): Effect.Effect<ReadonlyArray<SocketAddress.SocketAddress>> {
    const question = { host: Host.formatHost(this.origin.host), family }
    return Observing.emit(() => ({ _tag: "Resolving", ...question })).pipe(
      Effect.andThen(this.resolver.resolve(this.origin, { family })),
      Effect.tap((addresses) => Observing.emit(() => ({ _tag: "Resolved", ...question, addresses }))),
      Effect.catch((error) => {
        const failure = failureOf(error, this.origin)
        this.failures.push(failure)
        return Effect.as(
          Observing.emit(() => ({ _tag: "ResolveFailed", ...question, failure: Observing.failureOf(failure) })),
          []
        )
      })
    )
  }
}
