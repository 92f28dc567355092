/**
 * What concerns an instance as a whole: how often it is started and with which version, which local addresses its
 * sockets have, and which groups they are in.
 *
 * Pure, as `socketState` is.
 */
import type * as Equal from "effect/Equal"
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Option from "effect/Option"
import type { ProtocolInfo } from "../ProtocolInfo.ts"
import type { Capabilities, Kind } from "../Provider.ts"
import * as SocketAddress from "../SocketAddress.ts"
import { infoOf } from "./protocols.ts"
import {
  type Facts,
  type Fail,
  fail,
  gate,
  gateDetail,
  type Group,
  type GroupQos,
  type Options
} from "./socketState.ts"

/** A local address that a socket of the instance has. */
interface Claim {
  readonly owner: object
  readonly address: SocketAddress.SocketAddress
  readonly reuse: boolean
  readonly exclusive: boolean
}

/** The sockets of a group, each equal to itself alone. */
interface Members {
  readonly constrained: boolean
  readonly key: object
  /** What its creator has asked for it (R20). */
  readonly qos?: GroupQos | undefined
  readonly sockets: HashSet.HashSet<Equal.Equal>
}

export interface InstanceState {
  /** Start-ups that have not been cleaned up. */
  readonly count: number
  /** The scope of its layer has ended: it is never started again. */
  readonly over: boolean
  /** The version that the first of them negotiated. */
  readonly version: number
  /** By transport and port. */
  readonly claims: HashMap.HashMap<string, ReadonlyArray<Claim>>
  readonly groups: HashMap.HashMap<number, Members>
  readonly nextGroup: number
}

/** Numbers of a version, as MAKEWORD joins them: the major one in the low byte. */
const makeWord = (major: number, minor: number): number => major | (minor << 8)

/** The highest version that there is. */
export const highVersion = makeWord(2, 2)

/** Below this one, an instance has one blocking call at a time (E05). */
const isVersion1 = (version: number): boolean => (version & 0xff) < 2

/** A21: the version that comes of the one asked for: the highest that is not above it. */
export const negotiate = (wanted: unknown): number | undefined => {
  if (typeof wanted !== "number" || !Number.isInteger(wanted) || wanted < 0 || wanted > 0xffff) return undefined
  const [major, minor] = [wanted & 0xff, wanted >>> 8]
  if (major === 0) return undefined
  if (major > 2) return highVersion
  return makeWord(major, Math.min(minor, major === 1 ? 1 : 2))
}

const notStarted: InstanceState = {
  count: 0,
  over: false,
  version: 0,
  claims: HashMap.empty(),
  groups: HashMap.empty(),
  // Below are the numbers that ask for a new group.
  nextGroup: 0x100
}

/** A21, E02: one start-up more, of an instance that may run already. */
export const start = (
  network: "up" | "down",
  wanted: unknown = highVersion,
  state: InstanceState = notStarted,
  busy = false
): { readonly next: InstanceState; readonly version: number } | Fail => {
  if (busy) return fail("WSAEINPROGRESS", gateDetail("WSAEINPROGRESS"))
  if (state.over) return fail("WSASYSNOTREADY", "the scope of the layer has ended; build a new one")
  if (network === "down") return fail("WSASYSNOTREADY", "the provider says that its network is down")
  const version = negotiate(wanted)
  if (version === undefined) {
    return fail("WSAVERNOTSUPPORTED", "the version is a word, as MAKEWORD(2, 2) gives it, of at least 1.0")
  }
  return {
    next: { ...state, count: state.count + 1, version: state.count === 0 ? version : state.version },
    version
  }
}

/** A21: one start-up less. With the last one every call fails with WSANOTINITIALISED from now on (E01). */
export const cleanup = (state: InstanceState): InstanceState =>
  state.count > 1
    ? { ...state, count: state.count - 1 }
    : { ...notStarted, over: state.over, nextGroup: state.nextGroup }

/** Leaving the layer's scope takes all start-ups back, and is the end of the instance. */
export const leave = (state: InstanceState): InstanceState => ({ ...cleanup({ ...state, count: 1 }), over: true })

/** E05: whether its calls have to look whether another one blocks. */
export const blocksOnce = (state: InstanceState): boolean => isVersion1(state.version)

/** E04: why there is nothing to cancel. */
export const cancelling = (state: InstanceState, current: Facts, blocked: boolean): Fail | undefined => {
  const code = gate(undefined, current)
  if (code !== undefined) return fail(code, gateDetail(code))
  if (!blocksOnce(state)) return fail("WSAEOPNOTSUPP", "cancelling belongs to version 1.1; interrupt the fiber instead")
  return blocked ? undefined : fail("WSAEINVAL", "no call is blocked")
}

const out: Facts = { started: false, networkUp: true, busy: false }
const up: Facts = { started: true, networkUp: true, busy: false }
const down: Facts = { started: true, networkUp: false, busy: false }

/** The facts that the calls of a socket are decided by. */
export const facts = (state: InstanceState, network: "up" | "down"): Facts =>
  state.count === 0 ? out : network === "up" ? up : down

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
// Groups
// ---------------------------------------------------------------------------------------------------------------------

/** What `socket` and an accept condition take for a new group. */
export const SG_UNCONSTRAINED_GROUP = 1
export const SG_CONSTRAINED_GROUP = 2

/** A01: the socket creates a group or joins one. No group is 0, or nothing. */
export const join = (
  state: InstanceState,
  socket: Equal.Equal,
  kind: Kind,
  wanted: unknown
): { readonly next: InstanceState; readonly group: Group | undefined } | Fail => {
  if (wanted === undefined || wanted === 0) return { next: state, group: undefined }
  const created = wanted === SG_UNCONSTRAINED_GROUP || wanted === SG_CONSTRAINED_GROUP
  const id = created ? state.nextGroup : wanted
  const members = created
    ? { constrained: wanted === SG_CONSTRAINED_GROUP, key: {}, sockets: HashSet.empty<Equal.Equal>() }
    : typeof id === "number"
    ? Option.getOrUndefined(HashMap.get(state.groups, id))
    : undefined
  if (typeof id !== "number" || members === undefined) {
    return fail(
      "WSAEINVAL",
      "a group is 0, SG_UNCONSTRAINED_GROUP, SG_CONSTRAINED_GROUP, or the SO_GROUP_ID of a socket that is open"
    )
  }
  if (members.constrained && kind.type !== "stream") {
    return fail("WSAEINVAL", "a constrained group takes stream sockets only")
  }
  return {
    next: {
      ...state,
      nextGroup: created ? id + 1 : state.nextGroup,
      groups: HashMap.set(state.groups, id, { ...members, sockets: HashSet.add(members.sockets, socket) })
    },
    group: { id, constrained: members.constrained, created, key: members.key }
  }
}

/** The sockets of a group; it ends with the last of them. */
export const members = (state: InstanceState, group: Group): HashSet.HashSet<Equal.Equal> =>
  Option.match(HashMap.get(state.groups, group.id), { onNone: HashSet.empty, onSome: ({ sockets }) => sockets })

/** A socket of the group was closed. */
export const part = (state: InstanceState, socket: Equal.Equal, group: Group): InstanceState => {
  const sockets = HashSet.remove(members(state, group), socket)
  return {
    ...state,
    groups: HashSet.isEmpty(sockets)
      ? HashMap.remove(state.groups, group.id)
      : HashMap.modify(state.groups, group.id, (one) => ({ ...one, sockets }))
  }
}

/** What the creator of a group has asked for it; also when the creator is gone. */
export const groupQos = (state: InstanceState, group: Group): GroupQos | undefined =>
  Option.getOrUndefined(HashMap.get(state.groups, group.id))?.qos

/** R20: what the creator of a group asks for it from now on. */
export const withGroupQos = (state: InstanceState, group: Group, qos: GroupQos): InstanceState => ({
  ...state,
  groups: HashMap.modify(state.groups, group.id, (one) => ({ ...one, qos }))
})

// ---------------------------------------------------------------------------------------------------------------------
// socket
// ---------------------------------------------------------------------------------------------------------------------

/** What a caller asks a socket to be; anything, since a caller without types may ask for anything. */
export interface SocketRequest {
  readonly family?: unknown
  readonly type?: unknown
  readonly protocol?: unknown
  readonly direction?: unknown
  readonly group?: unknown
}

const directionsOf = (family: Kind["family"], type: Kind["type"]) => ({
  both: { family, type, direction: "both" },
  send: { family, type, direction: "send" },
  receive: { family, type, direction: "receive" }
} as const)

const typesOf = (family: Kind["family"]) => ({
  stream: directionsOf(family, "stream"),
  datagram: directionsOf(family, "datagram")
})

const kinds = { IPv4: typesOf("IPv4"), IPv6: typesOf("IPv6"), Unix: typesOf("Unix") }

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
  return kinds[family][type][direction]
}

/** WSA_FLAG_OVERLAPPED of WSASocket: every call here is as overlapped as can be, so it changes nothing. */
export const overlappedFlag = 1

/** What is wrong with the flags of WSASocket. */
export const checkSocketFlags = (flags: unknown): Fail | undefined =>
  flags === 0 || flags === overlappedFlag ? undefined : fail("WSAEINVAL", "flags is 0 or WSA_FLAG_OVERLAPPED")

/** The rows of WSAEnumProtocols: one for each kind of socket that can be made, whatever its direction. */
export const protocols = (capabilities: (kind: Kind) => Capabilities): ReadonlyArray<ProtocolInfo> =>
  Object.values(kinds)
    .flatMap(({ datagram, stream }): ReadonlyArray<Kind> => [stream.both, datagram.both])
    .filter((kind) => !("_tag" in socketKind(kind, up)))
    .map((kind) => infoOf(kind, capabilities(kind)))

const show = (value: unknown): string => typeof value === "string" ? JSON.stringify(value) : typeof value
