/**
 * What concerns an instance as a whole: whether it is started, and which local addresses its sockets have.
 *
 * Pure, as `socketState` is. What version 1.1, accept conditions and socket groups add to it has its place in `Facts`.
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { Kind } from "../Provider.ts"
import * as SocketAddress from "../SocketAddress.ts"
import { type Facts, type Fail, fail, gate, gateDetail, type Options } from "./socketState.ts"

/** A local address that a socket of the instance has. */
interface Claim {
  readonly owner: object
  readonly address: SocketAddress.SocketAddress
  readonly reuse: boolean
  readonly exclusive: boolean
}

export interface InstanceState {
  readonly started: boolean
  /** The negotiated version, high byte first: 0x0202. */
  readonly version: number
  /** By transport and port. */
  readonly claims: HashMap.HashMap<string, ReadonlyArray<Claim>>
}

/** E02: an instance starts where the network is up. */
export const start = (network: "up" | "down"): InstanceState | "WSASYSNOTREADY" =>
  network === "up" ? { started: true, version: 0x0202, claims: HashMap.empty() } : "WSASYSNOTREADY"

/** Leaving the layer's scope: every call fails with WSANOTINITIALISED from now on (E01). */
export const cleanup = (state: InstanceState): InstanceState => ({
  ...state,
  started: false,
  claims: HashMap.empty()
})

const notStarted: Facts = { started: false, networkUp: true, busy: false }
const up: Facts = { started: true, networkUp: true, busy: false }
const down: Facts = { started: true, networkUp: false, busy: false }

/** The facts that the calls of a socket are decided by. */
export const facts = (state: InstanceState, network: "up" | "down"): Facts =>
  state.started ? (network === "up" ? up : down) : notStarted

const keyOf = (kind: Kind, address: SocketAddress.SocketAddress): string =>
  `${kind.type} ${SocketAddress.portOf(address) ?? SocketAddress.format(address)}`

const claimsOf = (state: InstanceState, key: string): ReadonlyArray<Claim> =>
  Option.getOrElse(HashMap.get(state.claims, key), () => [])

// One address covers another where they are the same, or where one is all-zero and so stands for all of its family.
const overlaps = (a: SocketAddress.SocketAddress, b: SocketAddress.SocketAddress): boolean =>
  SocketAddress.familyOf(a) === SocketAddress.familyOf(b) &&
  (SocketAddress.isUnspecified(a) || SocketAddress.isUnspecified(b) || SocketAddress.same(a, b))

/** A02, E03: whether another socket of the instance stands in the way. Port 0 is never taken. */
export const taken = (
  state: InstanceState,
  kind: Kind,
  address: SocketAddress.SocketAddress,
  options: Options
): boolean =>
  SocketAddress.portOf(address) !== 0 &&
  claimsOf(state, keyOf(kind, address)).some((claim) =>
    overlaps(claim.address, address) && (claim.exclusive || !(options.SO_REUSEADDR && claim.reuse))
  )

/** Notes the local address of a socket. */
export const claim = (
  state: InstanceState,
  owner: object,
  kind: Kind,
  address: SocketAddress.SocketAddress,
  options: Options
): InstanceState => {
  const key = keyOf(kind, address)
  const others = claimsOf(state, key).filter((claim) => claim.owner !== owner)
  return {
    ...state,
    claims: HashMap.set(state.claims, key, [
      ...others,
      { owner, address, reuse: options.SO_REUSEADDR, exclusive: options.SO_EXCLUSIVEADDRUSE }
    ])
  }
}

/** Forgets the local address of a socket. */
export const release = (
  state: InstanceState,
  owner: object,
  kind: Kind,
  address: SocketAddress.SocketAddress
): InstanceState => {
  const key = keyOf(kind, address)
  const claims = claimsOf(state, key)
  const left = claims.filter((claim) => claim.owner !== owner)
  if (left.length === claims.length) return state
  return {
    ...state,
    claims: left.length === 0 ? HashMap.remove(state.claims, key) : HashMap.set(state.claims, key, left)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// socket
// ---------------------------------------------------------------------------------------------------------------------

/** What a caller asks a socket to be; anything, since a caller without types may ask for anything. */
export interface SocketRequest {
  readonly family?: unknown
  readonly type?: unknown
  readonly protocol?: unknown
  readonly direction?: unknown
}

const kinds: { readonly [key: string]: Kind } = Object.fromEntries(
  (["IPv4", "IPv6", "Unix"] as const).flatMap((family) =>
    (["stream", "datagram"] as const).flatMap((type) =>
      (["both", "send", "receive"] as const).map((direction) =>
        [`${family} ${type} ${direction}`, { family, type, direction }] as const
      )
    )
  )
)

/** A01: what socket fails with, or the kind; one object for each kind, so that a provider may know it by identity. */
export const socketKind = (request: SocketRequest, current: Facts): Kind | Fail => {
  const code = gate(undefined, current)
  if (code !== undefined) return fail(code, gateDetail(code))
  const { direction = "both", family, protocol = 0, type } = request
  if (type !== "stream" && type !== "datagram") {
    return fail("WSAESOCKTNOSUPPORT", `type is "stream" or "datagram", not ${show(type)}`)
  }
  if (family !== "IPv4" && family !== "IPv6" && family !== "Unix") {
    return fail("WSAEAFNOSUPPORT", `family is "IPv4", "IPv6" or "Unix", not ${show(family)}`)
  }
  if (direction !== "both" && direction !== "send" && direction !== "receive") {
    return fail("WSAEINVAL", `direction is "both", "send" or "receive", not ${show(direction)}`)
  }
  if (family === "Unix" && type === "datagram") return fail("WSAESOCKTNOSUPPORT", "Unix-domain sockets are streams")
  if (protocol !== 0 && protocol !== "tcp" && protocol !== "udp") {
    return fail("WSAEPROTONOSUPPORT", `protocol is "tcp" or "udp", not ${show(protocol)}`)
  }
  if (family === "Unix" && protocol !== 0) {
    return fail("WSAEPROTONOSUPPORT", "Unix-domain sockets have no protocol to choose")
  }
  if (protocol !== 0 && (protocol === "tcp") !== (type === "stream")) {
    return fail("WSAEPROTOTYPE", `${protocol} does not carry a ${type} socket`)
  }
  return kinds[`${family} ${type} ${direction}`]!
}

const show = (value: unknown): string => typeof value === "string" ? JSON.stringify(value) : typeof value
