/**
 * The destination rules of RFC 6724, and how a machine is asked from where it would send. The calls that this takes are
 * handed in, since calls take it too.
 */
import * as Effect from "effect/Effect"
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import type { Candidate, Policy, PolicyTable } from "../AddressSelection.ts"
import * as SocketAddress from "../SocketAddress.ts"
import type * as Winsock from "../Winsock.ts"

export const policy = (network: string, precedence: number, label: number): Policy => {
  const parsed = IpNetwork.fromStringUnsafe(network)
  if (!IpNetwork.isIpv6Network(parsed)) {
    throw new TypeError(`${network} is no network of IPv6: write IPv4 as a mapped one, such as ::ffff:10.0.0.0/104`)
  }
  return { network: parsed, precedence, label }
}

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

export const sort = (
  candidates: ReadonlyArray<Candidate>,
  table: PolicyTable = defaultTable
): ReadonlyArray<SocketAddress.SocketAddress> =>
  candidates.map(ranked(table)).sort(compare).map(({ address }) => address)

/** The port of "discard": whoever hears it is not to do anything. Nothing is sent there either. */
const discard = 9

const toDiscard = (address: NetAddress.InetAddress): SocketAddress.Input => ({
  address: address.address,
  port: discard,
  ...(address._tag === "InetAddressV6" ? { scopeId: address.scopeId } : {})
})

/** Connecting a datagram socket chooses a route, and sends nothing. */
export const sourceOf = (
  calls: Pick<typeof Winsock, "socket" | "connect" | "getsockname">,
  address: SocketAddress.SocketAddress
): Effect.Effect<SocketAddress.SocketAddress | undefined, never, Winsock.Winsock> => {
  if (address._tag === "UnixPathAddress") return Effect.succeed(undefined)
  return Effect.gen(function*() {
    const s = yield* calls.socket({ family: SocketAddress.familyOf(address), type: "datagram" })
    yield* calls.connect(s, toDiscard(address))
    return yield* calls.getsockname(s)
  }).pipe(
    Effect.catch(() => Effect.succeed(undefined)),
    Effect.scoped
  )
}
