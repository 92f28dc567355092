/**
 * Asks for the addresses of a name, and says in Winsock's codes what asking fails with.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as AddressResolver from "effect/net/AddressResolver"
import type * as Dns from "effect/net/Dns"
import * as Host from "effect/net/Host"
import type * as NetAddress from "effect/net/NetAddress"
import { hasProperty } from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as AddressSelection from "../AddressSelection.ts"
import type { Origin } from "../Connector.ts"
import * as HappyEyeballs from "../HappyEyeballs.ts"
import * as SocketAddress from "../SocketAddress.ts"
import type * as Winsock from "../Winsock.ts"
import * as WsaError from "../WsaError.ts"
import * as Observing from "./observing.ts"
import * as Policed from "./policed.ts"

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

/** An IPv4 address as most are: it can be reached, from one of the same scope. */
const plainV4: AddressSelection.Candidate = {
  address: SocketAddress.fromInputUnsafe("192.0.2.1:0"),
  source: SocketAddress.fromInputUnsafe("192.0.2.2:0")
}

/** How a name is looked up. */
export interface Settings {
  readonly family: Family | undefined
  /** By which the addresses are sorted; `undefined`: they are not. */
  readonly table: AddressSelection.PolicyTable | undefined
}

type Family = "IPv6" | "IPv4"
const families = ["IPv6", "IPv4"] as const

/** The look-ups of one target: answers for a race, and what is to be told where none had an address. */
export class Lookups {
  private readonly context: Context.Context<AddressResolver.AddressResolver | Winsock.Winsock>
  private readonly origin: Origin
  private readonly asked: ReadonlyArray<Family>
  private readonly table: AddressSelection.PolicyTable | undefined
  private failures: Array<LookupError> = []
  private found: Array<SocketAddress.SocketAddress> = []
  private readonly candidates = new Map<SocketAddress.SocketAddress, AddressSelection.Candidate>()

  constructor(
    context: Context.Context<AddressResolver.AddressResolver | Winsock.Winsock>,
    origin: Origin,
    { family, table }: Settings
  ) {
    this.context = context
    this.origin = origin
    this.asked = family === undefined ? families : [family]
    this.table = table
  }

  /** What all of them failed with. */
  get failure(): LookupError | undefined {
    return this.failures.length < this.asked.length ? undefined : worst(this.failures)
  }

  /** Asks anew whenever it is run. IPv6 is asked for first (RFC 8305 §3). */
  readonly answers: Stream.Stream<HappyEyeballs.Answer> = Stream.suspend(() => {
    this.failures = []
    this.found = []
    this.candidates.clear()
    const [first, second] = this.asked.map((family) => Stream.fromEffect(this.answer(family)))
    return second === undefined ? first! : Stream.merge(first!, second)
  })

  private answer(family: Family): Effect.Effect<HappyEyeballs.Answer> {
    return Effect.gen({ self: this }, function*() {
      this.found.push(...yield* this.lookup(family))
      const all = yield* this.sorted([...this.found])
      const preferred = yield* this.preferred(all[0])
      return {
        ...HappyEyeballs.answer(
          all.filter((address) => SocketAddress.familyOf(address) === family),
          this.asked.length === 1 ? "all" : family
        ),
        ...(preferred === undefined ? {} : { preferred })
      }
    })
  }

  /** The family to begin with. An IPv6 address that an IPv4 one could be better than is to wait for it a little. */
  private preferred(first: SocketAddress.SocketAddress | undefined): Effect.Effect<Family | undefined> {
    const { table } = this
    if (table === undefined || first === undefined) return Effect.succeed(undefined)
    const mixed = new Set(this.found.map(SocketAddress.familyOf)).size > 1
    if (mixed) return Effect.succeed(SocketAddress.familyOf(first) as Family)
    // IPv6 is waited for anyway.
    if (this.asked.length === 1 || SocketAddress.familyOf(first) === "IPv4") return Effect.succeed(undefined)
    return Effect.map(
      this.candidate(first),
      (candidate) => AddressSelection.sort([candidate, plainV4], table)[0] === first ? undefined : "IPv4"
    )
  }

  private sorted(
    addresses: ReadonlyArray<SocketAddress.SocketAddress>
  ): Effect.Effect<ReadonlyArray<SocketAddress.SocketAddress>> {
    const { table } = this
    if (table === undefined || addresses.length < 2) return Effect.succeed(addresses)
    const all = Effect.forEach(addresses, (address) => this.candidate(address))
    return Effect.map(all, (candidates) => AddressSelection.sort(candidates, table))
  }

  /** From where an address would be reached is asked once: when the first family is sorted, or when the other one is. */
  private candidate(address: SocketAddress.SocketAddress): Effect.Effect<AddressSelection.Candidate> {
    const known = this.candidates.get(address)
    if (known !== undefined) return Effect.succeed(known)
    const asked = Effect.matchEffect(Policed.address(address, "resolve"), {
      // No socket is opened for what nobody may connect to. It will be denied when it is tried.
      onFailure: () => Effect.succeed(undefined),
      onSuccess: () => Effect.provideContext(AddressSelection.sourceOf(address), this.context)
    })
    return Effect.map(asked, (source) => {
      const candidate = { address, source }
      this.candidates.set(address, candidate)
      return candidate
    })
  }

  private lookup(family: Family): Effect.Effect<ReadonlyArray<SocketAddress.SocketAddress>> {
    const { resolve } = Context.get(this.context, AddressResolver.AddressResolver)
    const question = { host: Host.formatHost(this.origin.host), family }
    return Observing.emit(() => ({ _tag: "Resolving", ...question })).pipe(
      Effect.andThen(resolve(this.origin, { family })),
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
