/**
 * The order in which the addresses of a name are tried: the destination rules of RFC 6724.
 *
 * A name server gives addresses in any order. Which of them are of use from here depends on the address that this machine
 * would send from: to a global address from a global one, to a link-local one from a link-local one, and to an IPv6 address
 * of a machine whose IPv6 leads nowhere not at all. The rules put first what is most likely to work, and to work well.
 *
 * **When to use**
 *
 * `Connector.resolve` and `Winsock.WSAConnectByName` sort by themselves. Use `order` for addresses of your own, and `sort`,
 * which is the rules and nothing else, to see what they say.
 *
 * **Details**
 *
 * | rule | the address comes first … |
 * | --- | --- |
 * | 1 | that can be reached: there is an address to send from |
 * | 2 | whose scope is that of the address to send from |
 * | 5 | whose label is that of the address to send from |
 * | 6 | whose precedence is higher |
 * | 8 | whose scope is smaller |
 * | 9 | that has more leading bits in common with the address to send from, of two IPv6 addresses, at most 64 |
 * | 10 | that came first |
 *
 * Scopes are those of RFC 6724 §3.1; precedences and labels are in a table, which is data. The rules 3 (deprecated
 * addresses), 4 (home addresses) and 7 (tunnels) are left out, since no socket tells what they ask for. Rule 9 is for IPv6
 * only, as in Go: among IPv4 addresses it would undo the rotation by which a name server spreads load.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as SocketAddress from "./SocketAddress.ts"
import * as Winsock from "./Winsock.ts"

/**
 * A row of a policy table: what is said of the addresses of a network. IPv4 stands in it as `::ffff:0:0/96`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Policy {
  /** The addresses that it is about. Where several rows are about an address, the one with the longest prefix counts. */
  readonly network: IpNetwork.Ipv6Network
  /** The higher, the earlier it is tried (rule 6). */
  readonly precedence: number
  /** Addresses with the same label belong together (rule 5). */
  readonly label: number
}

/**
 * A policy table.
 *
 * @category models
 * @since 0.1.0
 */
export type PolicyTable = ReadonlyArray<Policy>

/**
 * An address, and the one that this machine would send from.
 *
 * @category models
 * @since 0.1.0
 */
export interface Candidate {
  /** What would be connected to. */
  readonly address: SocketAddress.SocketAddress
  /** From where; `undefined` where there is no way to it. */
  readonly source: SocketAddress.SocketAddress | undefined
}

/**
 * Makes a row of a policy table. Throws where the network is none of IPv6.
 *
 * **Example** (Preferring the addresses of a site)
 *
 * ```ts import.meta.vitest
 * import { AddressSelection } from "@effect-winsock/core"
 *
 * const table = [AddressSelection.policy("fd12:3456:789a::/48", 45, 14), ...AddressSelection.defaultTable]
 * table.length // => 10
 * ```
 *
 * @category unsafe
 * @since 0.1.0
 */
export const policy = (network: string, precedence: number, label: number): Policy => {
  const parsed = IpNetwork.fromStringUnsafe(network)
  if (!IpNetwork.isIpv6Network(parsed)) {
    throw new TypeError(`${network} is no network of IPv6: write IPv4 as a mapped one, such as ::ffff:10.0.0.0/104`)
  }
  return { network: parsed, precedence, label }
}

/**
 * The policy table of RFC 6724 §2.1.
 *
 * **Example** (Reading a row)
 *
 * ```ts import.meta.vitest
 * import { AddressSelection } from "@effect-winsock/core"
 *
 * AddressSelection.defaultTable.map(({ precedence }) => precedence) // => [50, 40, 35, 30, 5, 3, 1, 1, 1]
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultTable: PolicyTable = [
  policy("::1/128", 50, 0),
  policy("::/0", 40, 1),
  policy("::ffff:0:0/96", 35, 4),
  policy("2002::/16", 30, 2),
  policy("2001::/32", 5, 5),
  policy("fc00::/7", 3, 13),
  policy("::/96", 1, 3),
  policy("fec0::/10", 1, 11),
  policy("3ffe::/16", 1, 12)
]

// ---------------------------------------------------------------------------------------------------------------------
// The rules
// ---------------------------------------------------------------------------------------------------------------------

const linkLocal = 2
const siteLocal = 5
const global = 14

/** RFC 6724 §3.1 and §3.2: 0 is the smallest scope, 15 the largest. */
const scopeOf = (ip: NetAddress.IpAddress): number => {
  if (NetAddress.isLoopback(ip) || NetAddress.isLinkLocal(ip)) return linkLocal
  if (!NetAddress.isIpv6Address(ip)) return global
  const [first, second] = NetAddress.ipv6ToOctets(ip)
  if (first === 0xff) return second & 0xf
  return first === 0xfe && (second & 0xc0) === 0xc0 ? siteLocal : global
}

/** Of an address that no row is about: the last in precedence, and of no label. */
const unknown = { precedence: -1, label: -1 }

const policyOf = (table: PolicyTable, ip: NetAddress.IpAddress): Pick<Policy, "precedence" | "label"> => {
  const six = NetAddress.isIpv6Address(ip) ? ip : NetAddress.toIpv4Mapped(ip)
  let found: Policy | undefined
  for (const one of table) {
    if (
      IpNetwork.contains(one.network, six) &&
      (found === undefined || one.network.prefixLength > found.network.prefixLength)
    ) found = one
  }
  return found ?? unknown
}

/** Rule 9: what stands beyond 64 bits names an interface, and no network. */
const commonBits = (one: NetAddress.Ipv6Address, other: NetAddress.Ipv6Address): number => {
  const [a, b] = [NetAddress.ipv6ToSegments(one), NetAddress.ipv6ToSegments(other)]
  for (let i = 0; i < 4; i++) {
    const differing = a[i]! ^ b[i]!
    if (differing !== 0) return i * 16 + Math.clz32(differing) - 16
  }
  return 64
}

/** What the rules ask of an address: each number is better the larger it is, the first that differs decides. */
const ranksOf = (ip: NetAddress.IpAddress, source: NetAddress.IpAddress, table: PolicyTable): ReadonlyArray<number> => {
  const { label, precedence } = policyOf(table, ip)
  const scope = scopeOf(ip)
  return [
    scope === scopeOf(source) ? 1 : 0,
    label === policyOf(table, source).label ? 1 : 0,
    precedence,
    -scope
  ]
}

const ipOf = (address: SocketAddress.SocketAddress): NetAddress.IpAddress | undefined =>
  address._tag === "UnixPathAddress" ? undefined : NetAddress.toCanonical(address).address

interface Ranked {
  readonly address: SocketAddress.SocketAddress
  /** `undefined`: it cannot be reached (rule 1). */
  readonly ranks: ReadonlyArray<number> | undefined
  /** Of an IPv6 address (rule 9). */
  readonly bits: number | undefined
}

const ranked = (table: PolicyTable) => ({ address, source }: Candidate): Ranked => {
  const ip = ipOf(address)
  const from = source && ipOf(source)
  if (ip === undefined || from === undefined) return { address, ranks: undefined, bits: undefined }
  const bits = NetAddress.isIpv6Address(ip) && NetAddress.isIpv6Address(from) ? commonBits(ip, from) : undefined
  return { address, ranks: ranksOf(ip, from, table), bits }
}

/** Less than 0: the first one comes first. */
const compare = (one: Ranked, other: Ranked): number => {
  if (one.ranks === undefined || other.ranks === undefined) {
    return Number(one.ranks === undefined) - Number(other.ranks === undefined)
  }
  for (const [i, rank] of one.ranks.entries()) {
    const difference = other.ranks[i]! - rank
    if (difference !== 0) return difference
  }
  return one.bits === undefined || other.bits === undefined ? 0 : other.bits - one.bits
}

/**
 * Sorts addresses by the rules.
 *
 * **Details**
 *
 * Of two that no rule tells apart the first stays the first. An IPv4 address that is mapped into IPv6 counts as what it is.
 *
 * **Example** (A machine whose only IPv6 address is of its link)
 *
 * ```ts import.meta.vitest
 * import { AddressSelection, SocketAddress } from "@effect-winsock/core"
 *
 * const at = SocketAddress.fromInputUnsafe
 * const sorted = AddressSelection.sort([
 *   { address: at("[2001:db8:1::1]:80"), source: at("[fe80::1%2]:0") },
 *   { address: at("198.51.100.121:80"), source: at("198.51.100.117:0") }
 * ])
 * sorted.map(SocketAddress.format) // => ["198.51.100.121:80", "[2001:db8:1::1]:80"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const sort = (
  candidates: ReadonlyArray<Candidate>,
  table: PolicyTable = defaultTable
): ReadonlyArray<SocketAddress.SocketAddress> =>
  candidates.map(ranked(table)).sort(compare).map(({ address }) => address)

// ---------------------------------------------------------------------------------------------------------------------
// The address to send from
// ---------------------------------------------------------------------------------------------------------------------

/** The port of "discard": whoever hears it is not to do anything. Nothing is sent there either. */
const discard = 9

/**
 * Finds the address that this machine would send from to an address; `undefined` where there is no way to it.
 *
 * **Details**
 *
 * A datagram socket is connected there and asked for its name. No packet leaves the machine: connecting a datagram socket
 * chooses a route, and no more.
 *
 * **Example** (From where loopback is reached)
 *
 * ```ts import.meta.vitest
 * import { AddressSelection, SocketAddress } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = AddressSelection.sourceOf(SocketAddress.fromInputUnsafe("[::1]:80")).pipe(
 *   Effect.map((source) => source?._tag),
 *   Effect.provide(Memory.layer())
 * )
 * await Effect.runPromise(program) // => "InetAddressV6"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const sourceOf = (
  address: SocketAddress.SocketAddress
): Effect.Effect<SocketAddress.SocketAddress | undefined, never, Winsock.Winsock> => {
  if (address._tag === "UnixPathAddress") return Effect.succeed(undefined)
  return Effect.gen(function*() {
    const s = yield* Winsock.socket({ family: SocketAddress.familyOf(address), type: "datagram" })
    yield* Winsock.connect(s, toDiscard(address))
    return yield* Winsock.getsockname(s)
  }).pipe(
    Effect.catch(() => Effect.succeed(undefined)),
    Effect.scoped
  )
}

const toDiscard = (address: NetAddress.InetAddress): SocketAddress.Input => ({
  address: address.address,
  port: discard,
  ...(address._tag === "InetAddressV6" ? { scopeId: address.scopeId } : {})
})

/**
 * Finds for each address from where it would be reached.
 *
 * **Example** (A host without a way to an address)
 *
 * ```ts import.meta.vitest
 * import { AddressSelection, SocketAddress } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const addresses = ["[2001:db8::1]:80", "127.0.0.1:80"].map(SocketAddress.fromInputUnsafe)
 * const program = AddressSelection.candidates(addresses).pipe(Effect.provide(SimNetwork.layer()))
 * const found = Sim.getOrThrow(Sim.run(program))
 * found.map(({ source }) => source === undefined) // => [true, false]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const candidates = (
  addresses: ReadonlyArray<SocketAddress.SocketAddress>
): Effect.Effect<ReadonlyArray<Candidate>, never, Winsock.Winsock> =>
  Effect.forEach(addresses, (address) => Effect.map(sourceOf(address), (source): Candidate => ({ address, source })))

/**
 * Sorts addresses by the rules, for this machine as it is now. A single one is left as it is, and nothing is asked.
 *
 * **Example** (The address that leads nowhere comes last)
 *
 * ```ts import.meta.vitest
 * import { AddressSelection, SocketAddress } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const addresses = ["[2001:db8::1]:80", "127.0.0.1:80"].map(SocketAddress.fromInputUnsafe)
 * const program = AddressSelection.order(addresses).pipe(Effect.provide(SimNetwork.layer()))
 * Sim.getOrThrow(Sim.run(program)).map(SocketAddress.format) // => ["127.0.0.1:80", "[2001:db8::1]:80"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const order = (
  addresses: ReadonlyArray<SocketAddress.SocketAddress>,
  table: PolicyTable = defaultTable
): Effect.Effect<ReadonlyArray<SocketAddress.SocketAddress>, never, Winsock.Winsock> =>
  addresses.length < 2 ? Effect.succeed(addresses) : Effect.map(candidates(addresses), (all) => sort(all, table))
