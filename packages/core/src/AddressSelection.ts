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
import type * as IpNetwork from "effect/net/IpNetwork"
import * as Internal from "./internal/addressSelection.ts"
import type * as SocketAddress from "./SocketAddress.ts"
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
export const policy: (network: string, precedence: number, label: number) => Policy = Internal.policy

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
export const defaultTable: PolicyTable = Internal.defaultTable

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
export const sort: (
  candidates: ReadonlyArray<Candidate>,
  table?: PolicyTable
) => ReadonlyArray<SocketAddress.SocketAddress> = Internal.sort

// ---------------------------------------------------------------------------------------------------------------------
// The address to send from
// ---------------------------------------------------------------------------------------------------------------------

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
export const sourceOf: (
  address: SocketAddress.SocketAddress
) => Effect.Effect<SocketAddress.SocketAddress | undefined, never, Winsock.Winsock> = (address) =>
  Internal.sourceOf(Winsock, address)

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
