/**
 * What a call on a socket does: the one place where it is decided.
 *
 * Pure and total. `decide` takes a state and a request and answers with a failure, a new state, or a command for the
 * provider; `react` takes a state and what the provider said and answers with a new state and who may go on. The bytes
 * themselves never come here: `receiving` and `sending` only say whether they may move, and allocate nothing.
 */
import * as NetAddress from "effect/net/NetAddress"
import { FD_ALL_EVENTS, FD_CONNECT, FD_GROUP_QOS, FD_QOS, FD_WRITE } from "../NetworkEvent.ts"
import type { ProtocolInfo } from "../ProtocolInfo.ts"
import type {
  Capabilities,
  ConnectPlan,
  Failure,
  Kind,
  ListenPlan,
  ProviderOption,
  QosChange,
  QosEvent
} from "../Provider.ts"
import type * as Qos from "../Qos.ts"
import * as SocketAddress from "../SocketAddress.ts"
import type { Linger } from "../SocketOption.ts"
import { type Call, type Code, type Native, table } from "../WsaError.ts"
import { infoOf } from "./protocols.ts"
import * as Quality from "./quality.ts"

// ---------------------------------------------------------------------------------------------------------------------
// State
// ---------------------------------------------------------------------------------------------------------------------

/** What is known of the last attempt that came to nothing. */
export interface AttemptFailure {
  readonly failure: Failure
  readonly remote: SocketAddress.SocketAddress
}

export interface Fresh {
  readonly _tag: "Fresh"
}

export interface Bound {
  readonly _tag: "Bound"
}

export interface Listening {
  readonly _tag: "Listening"
  readonly backlog: number
}

export interface Connecting {
  readonly _tag: "Connecting"
  readonly attempt: number
  readonly remote: SocketAddress.SocketAddress
  /** Who waits for it: a blocking call, or a call of its own later (`connectResult`). */
  readonly caller: "blocking" | "nonblocking"
  /** The stack has it: its local address is known (A03). */
  readonly issued: boolean
  /** What the socket had of a QOS before; it has that again when the attempt comes to nothing (R16). */
  readonly before: QosState
  /** The QOS of its group with which it was begun, where another socket created that. */
  readonly groupQos?: GroupQos | undefined
}

export interface Connected {
  readonly _tag: "Connected"
  readonly remote: SocketAddress.SocketAddress
  /** Milliseconds; SO_CONNECT_TIME counts from here. */
  readonly since: number
  readonly calleeData: Uint8Array
}

/** R21: it was connected, it is not any more, and it never will be again. */
export interface Broken {
  readonly _tag: "Broken"
  readonly failure: Failure
  readonly was: Connected | undefined
}

export interface Closed {
  readonly _tag: "Closed"
}

export type Phase = Fresh | Bound | Listening | Connecting | Connected | Broken | Closed

/** What setsockopt keeps. One shared object serves all sockets that never set anything. */
export interface Options {
  readonly SO_BROADCAST: boolean
  readonly SO_EXCLUSIVEADDRUSE: boolean
  readonly SO_KEEPALIVE: boolean
  readonly SO_REUSEADDR: boolean
  readonly TCP_NODELAY: boolean
  readonly IPV6_V6ONLY: boolean
  readonly SO_LINGER: Linger
  /** Milliseconds; 0: without end. */
  readonly SO_RCVTIMEO: number
  readonly SO_SNDTIMEO: number
  readonly TCP_MAXRTMS: number
  readonly SO_GROUP_PRIORITY: number
}

/** What a socket was asked to tell, and what it has told. */
export interface Selection {
  /** Who is told: an event object, a stream of messages, or nobody any more. */
  readonly door: "event" | "async" | "none"
  /** The events asked for. */
  readonly mask: number
  /** The events that an event object may be told: one that was recorded waits for the call that enables it. */
  readonly byEvent: number
  /** The events that a message may tell. What the one door has told says nothing about the other (D2). */
  readonly byMessage: number
  /** The events that were recorded for the door and not fetched. */
  readonly recorded: number
  /** How the attempt of the recorded FD_CONNECT failed. */
  readonly connectFailure: AttemptFailure | undefined
  /** How the connection of the recorded FD_CLOSE broke. */
  readonly closeFailure: Failure | undefined
}

/** A socket group, as one of its sockets knows it (A01). */
export interface Group {
  readonly id: number
  /** E11: all its sockets connect to one host. */
  readonly constrained: boolean
  /** R20: the socket created it. */
  readonly created: boolean
  /** The same for all its sockets, and for no other group: its number may be that of another group of another start-up. */
  readonly key?: object | undefined
}

/** Fields that most sockets never touch; one shared object serves them. */
export interface Cold {
  readonly options: Options
  /** SO_ERROR: the code of the last failed non-blocking connect, until one succeeds (A12). */
  readonly soError: Code | "WsaUnmapped" | undefined
  readonly lastFailure: AttemptFailure | undefined
  /** An attempt failed, and none has succeeded since: what select calls exceptional (A17). */
  readonly failed: boolean
  /** A datagram socket whose peer was dissolved (R07). */
  readonly dissolved: boolean
  /** The group that the socket is in (A01). */
  readonly group: Group | undefined
  /** A18, A20; `undefined` where nobody has asked for events yet. */
  readonly selection: Selection | undefined
  readonly quality: QosState
}

/** What the creator of a group has asked for it, and how that is marked. One object as long as it is the same. */
export interface GroupQos {
  readonly qos: Qos.Qos
  readonly table: Qos.MarkingTable | undefined
}

/** What is known of the QOS of a socket. */
export interface QosState {
  /** What SIO_SET_QOS, or a connect, has given last (R15). */
  readonly qos: Qos.Qos | undefined
  /** What SIO_SET_GROUP_QOS, or a connect, has given last for the group that the socket created (R15, R20). */
  readonly groupQos: Qos.Qos | undefined
  /** How service types are marked; `undefined` where no QOS was given. */
  readonly table: Qos.MarkingTable | undefined
  /** How it is honoured on the connection there is; `undefined` where nothing is asked for. */
  readonly honoured: Quality.Honoured | undefined
  /** What was last said of the reservation, and nobody has asked about since (A18). */
  readonly news: QosEvent | undefined
  readonly groupNews: QosEvent | undefined
  /** The reservation that there was is lost. */
  readonly lost: boolean
  readonly groupLost: boolean
}

/** No QOS was given. */
export const noQos: QosState = {
  qos: undefined,
  groupQos: undefined,
  table: undefined,
  honoured: undefined,
  news: undefined,
  groupNews: undefined,
  lost: false,
  groupLost: false
}

export const shutReceive = 1
export const shutSend = 2
/** The sending direction of a stream was shut before the peer ended its own. */
export const shutFirst = 4

export interface SocketState {
  readonly kind: Kind
  readonly phase: Phase
  /** The local association, once it is known here; a provider may know it earlier. */
  readonly local: SocketAddress.SocketAddress | undefined
  /** The stack chose the local association, so only its port is ours (R01, R26). */
  readonly implicit: boolean
  readonly blocking: boolean
  /** Attempts begun so far, the number of the newest one; each connect of a datagram socket is one too. */
  readonly attempts: number
  readonly shut: number
  /** The peer has ended its direction. */
  readonly ended: boolean
  /** Raised with each new default peer: datagrams taken in under an earlier one are dropped (R09). */
  readonly peerGeneration: number
  readonly cold: Cold
}

const fresh: Fresh = { _tag: "Fresh" }
const bound: Bound = { _tag: "Bound" }
const closed: Closed = { _tag: "Closed" }
const noBytes = new Uint8Array(0)

const defaultOptions: Options = {
  SO_BROADCAST: false,
  SO_EXCLUSIVEADDRUSE: false,
  SO_KEEPALIVE: false,
  SO_REUSEADDR: false,
  TCP_NODELAY: false,
  IPV6_V6ONLY: true,
  SO_LINGER: { l_onoff: false, l_linger: 0 },
  SO_RCVTIMEO: 0,
  SO_SNDTIMEO: 0,
  TCP_MAXRTMS: 0,
  SO_GROUP_PRIORITY: 0
}

const defaultCold: Cold = {
  options: defaultOptions,
  soError: undefined,
  lastFailure: undefined,
  failed: false,
  dissolved: false,
  group: undefined,
  selection: undefined,
  quality: noQos
}

export const nothingAsked: Selection = {
  door: "none",
  mask: 0,
  byEvent: FD_ALL_EVENTS,
  byMessage: FD_ALL_EVENTS,
  recorded: 0,
  connectFailure: undefined,
  closeFailure: undefined
}

/** A socket as `socket` makes it. */
export const make = (kind: Kind): SocketState => ({
  kind,
  phase: fresh,
  local: undefined,
  implicit: false,
  blocking: true,
  attempts: 0,
  shut: 0,
  ended: false,
  peerGeneration: 0,
  cold: defaultCold
})

/** A socket as `accept` makes it: connected, with what it inherits from its listener (A06). */
export const makeAccepted = (
  listener: SocketState,
  local: SocketAddress.SocketAddress,
  remote: SocketAddress.SocketAddress,
  now: number
): SocketState => ({
  ...make(listener.kind),
  phase: { _tag: "Connected", remote, since: now, calleeData: noBytes },
  local,
  implicit: true,
  blocking: listener.blocking,
  cold: listener.cold.options === defaultOptions && !isSelected(listener)
    ? defaultCold
    : { ...defaultCold, options: listener.cold.options, selection: inheritedSelection(listener) }
})

const withPhase = (state: SocketState, phase: Phase): SocketState => ({ ...state, phase })

const withCold = (state: SocketState, cold: Partial<Cold>): SocketState => ({
  ...state,
  cold: { ...state.cold, ...cold }
})

export const withSelection = (state: SocketState, selection: Selection): SocketState => withCold(state, { selection })

/** A01: the group that the socket has come to be in. */
export const withGroup = (state: SocketState, group: Group): SocketState => withCold(state, { group })

/** A15: whether events are asked for, so that the socket has to stay non-blocking. */
const isSelected = (state: SocketState): boolean =>
  state.cold.selection !== undefined && state.cold.selection.door !== "none"

const inheritedSelection = (listener: SocketState): Selection | undefined =>
  listener.cold.selection !== undefined && isSelected(listener)
    ? { ...nothingAsked, door: listener.cold.selection.door, mask: listener.cold.selection.mask }
    : undefined

const enabling = (cold: Cold, events: number): Cold =>
  cold.selection === undefined || (cold.selection.byEvent & cold.selection.byMessage & events) === events
    ? cold
    : {
      ...cold,
      selection: {
        ...cold.selection,
        byEvent: cold.selection.byEvent | events,
        byMessage: cold.selection.byMessage | events
      }
    }

/** A18: a call that enables events has been made, whatever came of it. */
export const enable = (state: SocketState, events: number): SocketState => {
  const cold = enabling(state.cold, events)
  return cold === state.cold ? state : { ...state, cold }
}

// ---------------------------------------------------------------------------------------------------------------------
// Facts, requests, decisions
// ---------------------------------------------------------------------------------------------------------------------

/** What the instance knows and a socket does not. */
export interface Facts {
  /** Between start-up and clean-up (E01). */
  readonly started: boolean
  /** The network subsystem works (E02). */
  readonly networkUp: boolean
  /** A blocking call of version 1.1, or the condition of an accept, is running (E05). */
  readonly busy: boolean
}

/** An address as the caller gave it: decoded, or why it could not be. */
export type Name = SocketAddress.SocketAddress | SocketAddress.InvalidAddress

/** What WSAConnect takes beyond the address. */
export interface ConnectData {
  /** `"undecodable"` where what was given is not bytes. */
  readonly callerData: Uint8Array | undefined | "undecodable"
  /** `"undecodable"` where what was given is no capacity. */
  readonly calleeCapacity: number | "undecodable"
  /** `undefined` for none (R19), `"undecodable"` where what was given is no QOS. */
  readonly sqos: Qos.Qos | undefined | UndecodableQos
  readonly gqos: Qos.Qos | undefined | UndecodableQos
  /** How the service types of the QOS are marked. */
  readonly table: Qos.MarkingTable | undefined
}

/** What was given is no QOS, and why. */
export interface UndecodableQos {
  readonly _tag: "UndecodableQos"
  readonly why: string
}

export const isUndecodable = (qos: Qos.Qos | UndecodableQos | undefined): qos is UndecodableQos =>
  qos !== undefined && "_tag" in qos

export const noConnectData: ConnectData = {
  callerData: undefined,
  calleeCapacity: 0,
  sqos: undefined,
  gqos: undefined,
  table: undefined
}

export type Request =
  | { readonly _tag: "bind"; readonly name: Name; readonly taken: boolean }
  | {
    readonly _tag: "connect"
    readonly name: Name
    readonly data: ConnectData
    /** A22: a list began on a blocking socket, and waits for each attempt also where FIONBIO was set since (A15). */
    readonly waits?: boolean
    /** E11: where another socket of the constrained group is connected to, or about to be. */
    readonly groupPeer?: SocketAddress.SocketAddress | undefined
    /** The QOS of the group that the socket is in, and has not created. */
    readonly groupQos?: GroupQos | undefined
  }
  | {
    readonly _tag: "connectByList"
    /** `undefined`: those of a name that has not been looked up. */
    readonly names: ReadonlyArray<Name> | undefined
    readonly timeoutValid: boolean
    /** What is wrong with the name or the service. */
    readonly fault?: Fail | undefined
  }
  | { readonly _tag: "cancelConnect"; readonly attempt: number }
  | { readonly _tag: "listen"; readonly backlog: number }
  | { readonly _tag: "shutdown"; readonly how: unknown }
  /**
   * `lent`: the provider still refers to bytes of a send that has not ended; `unsent`: to a copy of bytes whose send has.
   */
  | { readonly _tag: "close"; readonly lent: boolean; readonly unsent: boolean }
  | { readonly _tag: "setBlocking"; readonly blocking: unknown }
  /** A16: what a code of WSAIoctl sets. */
  | {
    readonly _tag: "ioctl"
    readonly code: unknown
    readonly qos: Qos.Qos | UndecodableQos
    readonly table: Qos.MarkingTable
    readonly groupQos?: GroupQos | undefined
  }
  | { readonly _tag: "setOption"; readonly option: string; readonly value: unknown }

export type Command =
  | {
    readonly _tag: "bind"
    readonly local: SocketAddress.SocketAddress
    readonly reuse: boolean
    readonly v6Only: boolean
  }
  | {
    readonly _tag: "connect"
    readonly plan: ConnectPlan
    readonly caller: "blocking" | "nonblocking"
    /** TCP_MAXRTMS: after so many milliseconds the attempt ends as `connectTimedOut` says; 0: the stack decides. */
    readonly timeout: number
  }
  | {
    readonly _tag: "setPeer"
    readonly peer: SocketAddress.SocketAddress
    readonly queue: "keep" | "discard"
    readonly quality: QosState
  }
  | { readonly _tag: "setQuality"; readonly quality: PlannedQuality | undefined }
  | { readonly _tag: "dissolve" }
  | { readonly _tag: "abort"; readonly attempt: number }
  | { readonly _tag: "listen"; readonly plan: Omit<ListenPlan, "local"> }
  | { readonly _tag: "shutdownSend" }
  /** `linger`: for so many milliseconds the close may take, then it is a reset; 0: nobody waits for it. */
  | { readonly _tag: "close"; readonly how: "graceful" | "reset"; readonly linger: number }
  | { readonly _tag: "setOption"; readonly option: ProviderOption; readonly value: boolean }

type PlannedQuality = NonNullable<ConnectPlan["quality"]>

/** Nothing has changed. */
export interface Fail {
  readonly _tag: "Fail"
  readonly code: Code | "WsaUnmapped"
  /** What was wrong, and what would be right. */
  readonly detail: string
  readonly native?: Native | undefined
}

export type Decision =
  | Fail
  /** It is done. */
  | { readonly _tag: "Done"; readonly next: SocketState }
  /** The provider is asked; what it says goes to `react`. */
  | { readonly _tag: "Run"; readonly next: SocketState; readonly command: Command }

export const fail = (code: Code, detail: string): Fail => ({ _tag: "Fail", code, detail })

// ---------------------------------------------------------------------------------------------------------------------
// What holds for every call, in the order of errors
// ---------------------------------------------------------------------------------------------------------------------

/** E01, E02, E15, E05: asked before anything else, by every call. */
export const gate = (state: SocketState | undefined, facts: Facts): Code | undefined => {
  if (!facts.started) return "WSANOTINITIALISED"
  if (!facts.networkUp) return "WSAENETDOWN"
  if (state !== undefined && state.phase._tag === "Closed") return "WSAENOTSOCK"
  if (facts.busy) return "WSAEINPROGRESS"
  return undefined
}

/** The sentence for a code that `gate` gives. */
export const gateDetail = (code: Code): string => {
  switch (code) {
    case "WSANOTINITIALISED":
      return "the layer that provided this socket has been released; make a new socket from a running one"
    case "WSAENETDOWN":
      return "the provider says that its network is down"
    case "WSAENOTSOCK":
      return "the socket has been closed; make a new one"
    default:
      return "another call of this instance blocks (version 1.1), or the call comes from inside an accept condition"
  }
}

/** The sentence for a code that `gate`, `accepting`, `sending`, `receiving` or a query gives to a call. */
export const detailOf = (call: Call, code: Code, state: SocketState): string | undefined => {
  switch (code) {
    case "WSANOTINITIALISED":
    case "WSAENETDOWN":
    case "WSAENOTSOCK":
    case "WSAEINPROGRESS":
      return gateDetail(code)
    case "WSAENOTCONN":
      return state.phase._tag === "Connecting" ? "the attempt is still pending" : "connect the socket first"
    case "WSAESHUTDOWN":
      return "this direction has been shut down"
    case "WSAEINVAL":
      if (call === "accept" || call === "WSAAccept") return "the socket does not listen: bind it, and listen first"
      return state.phase._tag === "Listening"
        ? "the socket is listening, and makes no attempt"
        : "bind or connect the socket first"
    case "WSAEWOULDBLOCK":
      return "the socket is non-blocking and this cannot be done at once"
    case "WSAEINTR":
      return "WSACancelBlockingCall cancelled the call"
    case "WSAEOPNOTSUPP":
      return state.kind.direction === "both"
        ? `a ${state.kind.type} socket cannot do this`
        : `the socket was made to ${state.kind.direction} only`
    default:
      return undefined
  }
}

/** E10, E08: the address that was given, before the socket's own state is looked at. */
const decodeName = (
  state: SocketState,
  name: Name
): SocketAddress.SocketAddress | Fail => {
  if (name._tag === "InvalidAddress") {
    return fail(name.kind === "family" ? "WSAEAFNOSUPPORT" : "WSAEFAULT", name.reason)
  }
  const family = SocketAddress.familyOf(name)
  return family === state.kind.family
    ? name
    : fail("WSAEAFNOSUPPORT", `the socket is ${state.kind.family}, the address is ${family}`)
}

/** T10: an IPv4-mapped address reaches nothing from a socket that is for IPv6 only. */
const mappedIsOut = (state: SocketState, address: SocketAddress.SocketAddress): boolean =>
  state.cold.options.IPV6_V6ONLY && NetAddress.isInetAddressV6(address) && NetAddress.isIpv4Mapped(address.address)

// ---------------------------------------------------------------------------------------------------------------------
// decide
// ---------------------------------------------------------------------------------------------------------------------

/** What a request does. Never throws; a failure changes nothing. */
export const decide = (state: SocketState, request: Request, facts: Facts, capabilities: Capabilities): Decision => {
  // Leaving a scope and giving up an attempt are ours, not calls: they work also when no call does any more.
  if (request._tag === "cancelConnect") return cancelConnect(state, request.attempt)
  const code = gate(state, facts)
  if (code !== undefined) return fail(code, gateDetail(code))
  switch (request._tag) {
    case "bind":
      return bind(state, request.name, request.taken)
    case "connect":
      return state.kind.type === "stream"
        ? connectStream(state, request, capabilities)
        : connectDatagram(state, request, capabilities)
    case "connectByList":
      return connectByList(state, request)
    case "listen":
      return listen(state, request.backlog)
    case "shutdown":
      return shutdown(state, request.how)
    case "close":
      return !state.blocking && request.unsent && lingerOf(state) > 0
        ? fail("WSAEWOULDBLOCK", "the socket lingers and is non-blocking, and bytes are unsent; nothing was closed")
        : close(state, request.lent)
    case "setBlocking":
      return setBlocking(state, request.blocking)
    case "ioctl":
      return ioctl(state, request, capabilities)
    case "setOption":
      return setOption(state, request.option, request.value, capabilities)
  }
}

const bind = (state: SocketState, given: Name, taken: boolean): Decision => {
  const name = decodeName(state, given)
  if (name._tag === "Fail") return name
  if (state.phase._tag !== "Fresh") return fail("WSAEINVAL", "the socket has a local address already")
  if (state.kind.family === "Unix" && SocketAddress.isUnspecified(name)) {
    return fail("WSAEADDRNOTAVAIL", "an empty path names nothing")
  }
  if (taken) return fail("WSAEADDRINUSE", "another socket of this instance has the address")
  const { IPV6_V6ONLY, SO_REUSEADDR } = state.cold.options
  return { _tag: "Run", next: state, command: { _tag: "bind", local: name, reuse: SO_REUSEADDR, v6Only: IPV6_V6ONLY } }
}

/** A15. */
const setBlocking = (state: SocketState, blocking: unknown): Decision => {
  if (typeof blocking !== "boolean") {
    return fail("WSAEINVAL", "FIONBIO takes true (non-blocking) or false (blocking)")
  }
  if (blocking && isSelected(state)) {
    return fail("WSAEINVAL", "network events are asked for; ask for none (0) before the socket is made blocking")
  }
  return { _tag: "Done", next: { ...state, blocking } }
}

/** R22 … R26 and the order of errors, for streams. */
const connectStream = (
  state: SocketState,
  { data, groupPeer, groupQos, name, waits }: Extract<Request, { readonly _tag: "connect" }>,
  capabilities: Capabilities
): Decision => {
  const remote = decodeName(state, name)
  if (remote._tag === "Fail") return remote
  switch (state.phase._tag) {
    case "Listening":
      return fail("WSAEINVAL", "the socket is listening")
    case "Connecting":
      return fail("WSAEALREADY", `an attempt to ${SocketAddress.format(state.phase.remote)} is pending`)
    case "Connected":
      return fail("WSAEISCONN", `the socket is connected to ${SocketAddress.format(state.phase.remote)}`)
    case "Broken":
      return fail("WSAEISCONN", "the connection of this socket broke; close it and make a new one")
  }
  if (SocketAddress.isUnspecified(remote)) return fail("WSAEADDRNOTAVAIL", "the all-zero address names no peer")
  if (SocketAddress.portOf(remote) === 0) return fail("WSAEADDRNOTAVAIL", "port 0 names no peer")
  if (mappedIsOut(state, remote)) {
    return fail("WSAEADDRNOTAVAIL", "an IPv4-mapped address needs IPV6_V6ONLY off")
  }
  const wrong = checkGroupPeer(groupPeer, remote) ?? checkConnectData(state, data, capabilities)
  if (wrong !== undefined) return wrong
  const quality = connectQos(state, data, groupQos, capabilities)
  if ("_tag" in quality) return quality
  const attempt = state.attempts + 1
  const caller = state.blocking || waits === true ? "blocking" : "nonblocking"
  return {
    _tag: "Run",
    next: {
      ...state,
      attempts: attempt,
      phase: { _tag: "Connecting", attempt, remote, caller, issued: false, before: state.cold.quality, groupQos },
      // A18: FD_CONNECT is told once for each attempt, and FD_WRITE with it.
      cold: enabling(
        state.cold.lastFailure === undefined && quality === state.cold.quality
          ? state.cold
          : { ...state.cold, quality, lastFailure: undefined },
        FD_CONNECT | FD_WRITE
      )
    },
    command: {
      _tag: "connect",
      caller,
      timeout: state.cold.options.TCP_MAXRTMS,
      plan: {
        attempt,
        remote,
        local: state.local,
        keepLocalPort: state.implicit,
        callerData: carriesData(data) && data.callerData !== "undecodable" ? data.callerData : undefined,
        calleeCapacity: data.calleeCapacity === "undecodable" ? 0 : data.calleeCapacity,
        quality: quality.honoured?.quality,
        sqos: quality.qos,
        gqos: quality.groupQos
      }
    }
  }
}

/** E11: all sockets of a constrained group have peers at one host. */
export const checkGroupPeer = (
  groupPeer: SocketAddress.SocketAddress | undefined,
  remote: SocketAddress.SocketAddress
): Fail | undefined =>
  groupPeer === undefined || SocketAddress.sameHost(groupPeer, remote) ? undefined : fail(
    "WSAEINVAL",
    `the peers of the constrained group are at the host of ${SocketAddress.format(groupPeer)}`
  )

/** R12: no bytes are none. */
const carriesData = (
  data: ConnectData
): data is ConnectData & { readonly callerData: Uint8Array | "undecodable" } =>
  data.callerData !== undefined && (data.callerData === "undecodable" || data.callerData.length > 0)

/** E17, E10, E16: what comes with the connect, after the address and the state have been found right. */
const checkConnectData = (
  state: SocketState,
  data: ConnectData,
  capabilities: Capabilities
): Fail | undefined => {
  // R11: user data is nothing to a datagram, right or wrong.
  if (state.kind.type === "stream") {
    if (carriesData(data)) {
      if (capabilities.callerDataMax === 0) {
        return fail("WSAEPROTONOSUPPORT", "this provider carries no caller data")
      }
      if (data.callerData === "undecodable") return fail("WSAEFAULT", "caller data is a Uint8Array")
      if (data.callerData.length > capabilities.callerDataMax) {
        return fail(
          "WSAEFAULT",
          `caller data is ${data.callerData.length} bytes, the provider carries at most ${capabilities.callerDataMax}`
        )
      }
    }
    if (data.calleeCapacity === "undecodable") {
      return fail("WSAEFAULT", "the capacity for callee data is a whole number of bytes from 0 to 4294967295")
    }
  }
  const undecodable = isUndecodable(data.sqos) ? data.sqos : isUndecodable(data.gqos) ? data.gqos : undefined
  return undecodable === undefined ? undefined : fail("WSAEFAULT", undecodable.why)
}

/** R20: the QOS of a group is its creator's business alone. */
const ownsGroup = (state: SocketState): boolean => state.cold.group !== undefined && state.cold.group.created

/** R15, R16, E16: what a connect makes of the QOS it is given, and of the one that was set before. */
const connectQos = (
  state: SocketState,
  { gqos, sqos, table }: ConnectData,
  groupQos: GroupQos | undefined,
  capabilities: Capabilities
): QosState | Fail => {
  const before = state.cold.quality
  const given = sqos === undefined || isUndecodable(sqos) ? undefined : sqos
  const givenGroup = gqos === undefined || isUndecodable(gqos) || !ownsGroup(state) ? undefined : gqos
  if (given === undefined && givenGroup === undefined && before === noQos && groupQos === undefined) return before
  return honour(
    state,
    {
      qos: given === undefined ? before.qos : Quality.resolve(given, before.qos),
      groupQos: givenGroup === undefined ? before.groupQos : Quality.resolve(givenGroup, before.groupQos),
      // The table that came with the QOS: a connect that gives none marks as SIO_SET_QOS was told to.
      table: given === undefined && givenGroup === undefined ? before.table ?? table : table
    },
    groupQos,
    capabilities
  )
}

const honour = (
  { cold, kind }: SocketState,
  given: Pick<QosState, "qos" | "groupQos" | "table">,
  groupQos: GroupQos | undefined,
  capabilities: Capabilities
): QosState | Fail => {
  const creates = cold.group !== undefined && cold.group.created
  const asked = { own: given.qos, group: creates ? given.groupQos : groupQos?.qos, creates, key: cold.group?.key }
  const honoured = Quality.honour(asked, kind, capabilities, given.table, creates ? given.table : groupQos?.table)
  if (honoured !== undefined && "_tag" in honoured) return fail("WSAEOPNOTSUPP", honoured.detail)
  return { ...noQos, ...given, honoured }
}

/** What is done of the QOS on the connection there is, or was. */
export const applied = (state: SocketState): Qos.Applied => Quality.appliedOf(state.cold.quality.honoured)

/** Whether the provider has been asked to reserve, and is to be asked what it has reserved. */
export const reserves = ({ cold: { quality: { honoured } } }: SocketState): boolean =>
  honoured?.quality !== undefined &&
  (honoured.quality.reserve !== undefined || honoured.quality.reserveGroup !== undefined)

const withReservation = (quality: QosState, reserved: Qos.Reservation | undefined): QosState =>
  quality.honoured === undefined || reserved === undefined
    ? quality
    : { ...quality, honoured: Quality.withReservation(quality.honoured, reserved) }

/** What the codes of WSAIoctl are about, and whether they set it. */
const ioctlOf = (code: unknown): { readonly about: "qos" | "groupQos"; readonly sets: boolean } | undefined => {
  switch (code) {
    case "SIO_SET_QOS":
      return { about: "qos", sets: true }
    case "SIO_GET_QOS":
      return { about: "qos", sets: false }
    case "SIO_SET_GROUP_QOS":
      return { about: "groupQos", sets: true }
    case "SIO_GET_GROUP_QOS":
      return { about: "groupQos", sets: false }
    default:
      return undefined
  }
}

const noSuchIoctl = "the code is SIO_SET_QOS, SIO_GET_QOS, SIO_SET_GROUP_QOS or SIO_GET_GROUP_QOS"

/** A16, R15, R16. */
const ioctl = (
  state: SocketState,
  { code, groupQos, qos, table }: Extract<Request, { readonly _tag: "ioctl" }>,
  capabilities: Capabilities
): Decision => {
  const known = ioctlOf(code)
  if (known === undefined) return fail("WSAEOPNOTSUPP", noSuchIoctl)
  const before = state.cold.quality
  if (!known.sets) return { _tag: "Done", next: qosRead(state, known.about) }
  if (isUndecodable(qos)) return fail("WSAEFAULT", qos.why)
  // R20: ignored, as in a connect.
  if (known.about === "groupQos" && !ownsGroup(state)) return { _tag: "Done", next: state }
  if (state.phase._tag === "Connecting") {
    return fail("WSAEOPNOTSUPP", "an attempt to connect is pending; set the QOS before it, or when it is over")
  }
  const given = {
    qos: before.qos,
    groupQos: before.groupQos,
    table,
    [known.about]: Quality.resolve(qos, before[known.about])
  }
  const quality = honour(state, given, groupQos, capabilities)
  return "_tag" in quality ? quality : requalify(state, quality)
}

/** Of a connection the provider is told; of another socket a connect will do that. */
const requalify = (state: SocketState, quality: QosState): Decision => {
  const asks = quality.honoured?.quality
  return state.phase._tag !== "Connected"
    ? { _tag: "Done", next: withCold(state, { quality: { ...quality, honoured: undefined } }) }
    : asks === undefined && state.cold.quality.honoured?.quality === undefined
    ? { _tag: "Done", next: withCold(state, { quality }) }
    : { _tag: "Run", next: withCold(state, { quality }), command: { _tag: "setQuality", quality: asks } }
}

/** R20: what the QOS that the creator of a group has given it means to another of its sockets, which is connected. */
export const regroup = (
  state: SocketState,
  groupQos: GroupQos,
  capabilities: Capabilities
): Decision => {
  if (state.phase._tag !== "Connected") return { _tag: "Done", next: state }
  const { groupLost, groupNews, lost, news, qos, table } = state.cold.quality
  const quality = honour(state, { qos, groupQos: undefined, table }, groupQos, capabilities)
  // What is known of reservations stays: nobody has asked for another one.
  return "_tag" in quality ? quality : requalify(state, { ...quality, groupLost, groupNews, lost, news })
}

/** What the provider has answered: what it reserves for what it was asked. */
export const reservedNow = (state: SocketState, reserved: Qos.Reservation | undefined): SocketState =>
  withCold(state, { quality: withReservation(state.cold.quality, reserved) })

/** A18: FD_QOS and FD_GROUP_QOS come again once someone has asked what the QOS is. */
const qosRead = (state: SocketState, about: "qos" | "groupQos"): SocketState => {
  const { cold } = state
  const event = about === "qos" ? FD_QOS : FD_GROUP_QOS
  const news = about === "qos" ? cold.quality.news : cold.quality.groupNews
  const read = news === undefined ? cold : {
    ...cold,
    quality: { ...cold.quality, [about === "qos" ? "news" : "groupNews"]: undefined }
  }
  const enabled = enabling(read, event)
  return enabled === cold ? state : { ...state, cold: enabled }
}

/** A16: what a code of WSAIoctl gives, after it was decided right. `undefined`: none (R19), or nothing is asked for. */
export const ioctlValue = (state: SocketState, code: unknown): Qos.Qos | undefined => {
  const known = ioctlOf(code)
  if (known === undefined || known.sets) return undefined
  const quality = state.cold.quality
  const qos = quality[known.about]
  const lost = known.about === "qos" ? quality.lost : quality.groupLost
  return qos === undefined || !lost ? qos : Quality.unavailable(qos)
}

/** A15: what ioctlsocket gives for a command that asks. `available`: what FIONREAD is about. */
export const ioctlsocketValue = (
  state: SocketState,
  command: unknown,
  facts: Facts,
  available: number
): { readonly _tag: "Value"; readonly value: number | boolean } | Fail => {
  const code = gate(state, facts)
  if (code !== undefined) return fail(code, gateDetail(code))
  switch (command) {
    case "FIONREAD":
      return { _tag: "Value", value: available }
    case "SIOCATMARK":
      // There is no out-of-band data, so all of it has been read.
      return state.kind.type === "stream"
        ? { _tag: "Value", value: true }
        : fail("WSAEINVAL", "SIOCATMARK is for streams")
    default:
      return fail("WSAEINVAL", "the command is FIONBIO, FIONREAD or SIOCATMARK")
  }
}

/** R05 … R11 and the order of errors, for datagrams. */
const connectDatagram = (
  state: SocketState,
  { data, groupQos, name }: Extract<Request, { readonly _tag: "connect" }>,
  capabilities: Capabilities
): Decision => {
  const peer = decodeName(state, name)
  if (peer._tag === "Fail") return peer
  // E14 says "the socket cannot be connected": the stack has taken it away, and it never heals (R21).
  if (state.phase._tag === "Broken") return fail("WSAENOBUFS", "the socket broke; close it and make a new one")
  if (SocketAddress.isUnspecified(peer)) {
    const wrong = checkConnectData(state, data, capabilities)
    if (wrong !== undefined) return wrong
    const quality = connectQos(state, data, groupQos, capabilities)
    if ("_tag" in quality) return quality
    // R07. What is dissolved already stays as it is (R09), and what was never bound gets no address for it.
    if (state.cold.dissolved) return { _tag: "Done", next: state }
    return state.phase._tag === "Fresh"
      ? { _tag: "Done", next: dissolved(state, undefined).next }
      : { _tag: "Run", next: state, command: { _tag: "dissolve" } }
  }
  if (SocketAddress.isBroadcast(peer) && !state.cold.options.SO_BROADCAST) {
    return fail("WSAEACCES", "a broadcast address needs SO_BROADCAST")
  }
  if (mappedIsOut(state, peer)) return fail("WSAEADDRNOTAVAIL", "an IPv4-mapped address needs IPV6_V6ONLY off")
  const wrong = checkConnectData(state, data, capabilities)
  if (wrong !== undefined) return wrong
  const quality = connectQos(state, data, groupQos, capabilities)
  if ("_tag" in quality) return quality
  const same = state.phase._tag === "Connected" && SocketAddress.same(state.phase.remote, peer)
  return {
    _tag: "Run",
    next: state,
    command: { _tag: "setPeer", peer, queue: same ? "keep" : "discard", quality }
  }
}

/** A22: only what holds before the first address is tried, or before a name is looked up. */
const connectByList = (
  state: SocketState,
  { fault, names, timeoutValid }: Extract<Request, { readonly _tag: "connectByList" }>
): Decision => {
  for (const given of names ?? []) {
    if (given._tag === "InvalidAddress" && given.kind === "malformed") return fail("WSAEFAULT", given.reason)
  }
  if (fault !== undefined) return fault
  if (!timeoutValid) return fail("WSAEINVAL", "the time-out is a duration that is not negative")
  if (names?.length === 0) return fail("WSAEINVAL", "the list of addresses is empty")
  if (state.kind.type !== "stream") return fail("WSAEINVAL", "only a stream socket can try a list of addresses")
  if (!state.blocking) return fail("WSAEINVAL", "the socket is non-blocking; a list is tried by a blocking one")
  if (state.phase._tag === "Connected" || state.phase._tag === "Broken") {
    return fail("WSAEISCONN", "the socket has been connected; make a new one")
  }
  if (state.phase._tag !== "Fresh") return fail("WSAEINVAL", "the socket is bound; a list is tried by an unbound one")
  if (names === undefined && state.kind.family === "Unix") {
    return fail("WSAEAFNOSUPPORT", "a name has addresses of IPv4 and of IPv6, and the socket is Unix")
  }
  if (names !== undefined && !names.some((name) => isOfFamily(state, name))) {
    return fail("WSAEAFNOSUPPORT", `no address of the list is ${state.kind.family}, as the socket is`)
  }
  return { _tag: "Done", next: state }
}

/** A22: the families of which a name's addresses are of use: a socket of IPv6 that is for both takes IPv4 ones mapped. */
export const familiesOf = (state: SocketState): ReadonlyArray<"IPv4" | "IPv6"> =>
  state.kind.family === "IPv4" ? ["IPv4"] : state.cold.options.IPV6_V6ONLY ? ["IPv6"] : ["IPv6", "IPv4"]

/** A22: an address of another family is passed over. */
export const isOfFamily = (state: SocketState, name: Name): boolean =>
  name._tag !== "InvalidAddress" && SocketAddress.familyOf(name) === state.kind.family

/** A22: whether the next address is tried, or the socket itself is at fault and no other would do. */
export const triesNext = (code: Code | "WsaUnmapped"): boolean => {
  switch (code) {
    case "WSANOTINITIALISED":
    case "WSAENETDOWN":
    case "WSAENOTSOCK":
    case "WSAEINPROGRESS":
    case "WSAEINTR":
    case "WSAEINVAL":
    case "WSAEISCONN":
      return false
    default:
      return true
  }
}

const cancelConnect = (state: SocketState, attempt: number): Decision =>
  state.phase._tag === "Connecting" && state.phase.attempt === attempt
    ? { _tag: "Run", next: state, command: { _tag: "abort", attempt } }
    : { _tag: "Done", next: state }

const listen = (state: SocketState, backlog: number): Decision => {
  if (state.kind.type === "datagram") return fail("WSAEOPNOTSUPP", "a datagram socket cannot listen")
  switch (state.phase._tag) {
    case "Fresh":
      return fail("WSAEINVAL", "bind the socket first")
    case "Connecting":
      return fail("WSAEINVAL", "an attempt to connect is pending on the socket")
    case "Connected":
    case "Broken":
      return fail("WSAEISCONN", "the socket has been connected")
  }
  if (!Number.isInteger(backlog)) return fail("WSAEINVAL", "the backlog is a whole number")
  return {
    _tag: "Run",
    next: state,
    command: { _tag: "listen", plan: { backlog: clampBacklog(backlog), keepLocalPort: state.implicit } }
  }
}

/** As the reference says, a backlog that cannot be is set to the nearest that can. */
const clampBacklog = (backlog: number): number => Math.min(Math.max(backlog, 1), 0x7fff)

const shutBits = (how: unknown): number | undefined => {
  switch (how) {
    case "receive":
      return shutReceive
    case "send":
      return shutSend
    case "both":
      return shutReceive | shutSend
    default:
      return undefined
  }
}

const shutdown = (state: SocketState, how: unknown): Decision => {
  const bits = shutBits(how)
  if (bits === undefined) {
    // Not every value has a string: a symbol has, an object without a prototype has not.
    const given = typeof how === "string" ? JSON.stringify(how) : typeof how
    return fail("WSAEINVAL", `how is "receive", "send" or "both", not ${given}`)
  }
  if (state.phase._tag === "Broken") return failBroken(state.phase)
  const next = (state.shut | bits) === state.shut ? state : { ...state, shut: state.shut | bits }
  if (state.kind.type === "datagram") return { _tag: "Done", next }
  if (state.phase._tag !== "Connected") return fail("WSAENOTCONN", "connect the socket first")
  if ((bits & shutSend) === 0 || (state.shut & shutSend) !== 0) return { _tag: "Done", next }
  return {
    _tag: "Run",
    next: state.ended ? next : { ...next, shut: next.shut | shutFirst },
    command: { _tag: "shutdownSend" }
  }
}

/** SO_LINGER of a connection, in milliseconds; -1 where it is off. */
const lingerOf = (state: SocketState): number => {
  const { l_linger, l_onoff } = state.cold.options.SO_LINGER
  return l_onoff && state.phase._tag === "Connected" ? l_linger * 1000 : -1
}

/**
 * A11: graceful, so that what was handed over arrives. But a send that is cut off here gives its bytes back to the
 * caller (R27), who may write over them: then nothing of them may be sent any more.
 */
export const close = (
  state: SocketState,
  lent: boolean
): { readonly _tag: "Run"; readonly next: SocketState; readonly command: Extract<Command, { _tag: "close" }> } => {
  const linger = lingerOf(state)
  const reset = lent || linger === 0
  return {
    _tag: "Run",
    next: withPhase(state, closed),
    command: { _tag: "close", how: reset ? "reset" : "graceful", linger: reset ? 0 : Math.max(linger, 0) }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

const providerOptions: ReadonlySet<string> = new Set<ProviderOption>(["SO_KEEPALIVE", "TCP_NODELAY", "SO_BROADCAST"])

const isProviderOption = (option: string): option is ProviderOption => providerOptions.has(option)

const isSettable = (option: string): option is keyof Options => Object.hasOwn(defaultOptions, option)

/** A14: whether this socket has the option at all. */
const hasOption = (kind: Kind, option: string, capabilities: Capabilities): boolean => {
  switch (option) {
    case "SO_TYPE":
    case "SO_PROTOCOL_INFO":
    case "SO_ERROR":
    case "SO_CONNECT_TIME":
    case "SO_GROUP_ID":
    case "SO_GROUP_PRIORITY":
    case "SO_REUSEADDR":
    case "SO_EXCLUSIVEADDRUSE":
    case "SO_RCVTIMEO":
    case "SO_SNDTIMEO":
      return true
    case "SO_ACCEPTCONN":
    case "SO_LINGER":
      return kind.type === "stream"
    case "TCP_MAXRTMS":
      return kind.type === "stream" && kind.family !== "Unix"
    case "SO_MAX_MSG_SIZE":
      return kind.type === "datagram"
    case "SO_BROADCAST":
      return kind.type === "datagram" && capabilities.options.has(option)
    case "SO_KEEPALIVE":
      return kind.type === "stream" && capabilities.options.has(option)
    case "TCP_NODELAY":
      return kind.type === "stream" && kind.family !== "Unix" && capabilities.options.has(option)
    case "IPV6_V6ONLY":
      return kind.family === "IPv6"
    default:
      return false
  }
}

const noSuchOption = (state: SocketState, option: string): string =>
  `this socket (${state.kind.family} ${state.kind.type}) has no option ${option}, or its provider cannot set it`

const setOption = (state: SocketState, option: string, value: unknown, capabilities: Capabilities): Decision => {
  if (!hasOption(state.kind, option, capabilities)) return fail("WSAENOPROTOOPT", noSuchOption(state, option))
  if (!isSettable(option)) return fail("WSAENOPROTOOPT", `${option} can be read, not set`)
  // A copy: what is kept does not change when the caller's object does.
  const kept = option === "SO_LINGER" ? lingerFrom(value) : value
  const wrong = checkValue(option, kept)
  if (wrong !== undefined) return wrong
  const options = state.cold.options
  if (state.phase._tag !== "Fresh" && (option === "SO_EXCLUSIVEADDRUSE" || option === "IPV6_V6ONLY")) {
    return fail("WSAEINVAL", `${option} is set before the socket is bound`)
  }
  if (value === true && option === "SO_REUSEADDR" && options.SO_EXCLUSIVEADDRUSE) {
    return fail("WSAEINVAL", "the socket has SO_EXCLUSIVEADDRUSE")
  }
  if (value === true && option === "SO_EXCLUSIVEADDRUSE" && options.SO_REUSEADDR) {
    return fail("WSAEINVAL", "the socket has SO_REUSEADDR")
  }
  if (options[option] === value) return { _tag: "Done", next: state }
  const next = withCold(state, { options: { ...options, [option]: kept } })
  return isProviderOption(option) && typeof value === "boolean"
    ? { _tag: "Run", next, command: { _tag: "setOption", option, value } }
    : { _tag: "Done", next }
}

/** Read once, so that what is checked is what is kept; `undefined` also where reading throws. */
const lingerFrom = (value: unknown): Linger | undefined => {
  try {
    const { l_linger, l_onoff } = value as Linger
    return typeof l_onoff === "boolean" && typeof l_linger === "number" ? { l_onoff, l_linger } : undefined
  } catch {
    return undefined
  }
}

const isWhole = (value: number, most: number): boolean => Number.isInteger(value) && value >= 0 && value <= most

/** A14: WSAEFAULT for a value of another type, WSAEINVAL for one out of range. */
const checkValue = (option: keyof Options, value: unknown): Fail | undefined => {
  switch (option) {
    case "SO_LINGER": {
      const linger = value as Linger | undefined
      if (linger === undefined) return fail("WSAEFAULT", "SO_LINGER takes { l_onoff: a boolean, l_linger: seconds }")
      return isWhole(linger.l_linger, 0xffff)
        ? undefined
        : fail("WSAEINVAL", "l_linger is a whole number of seconds from 0 to 65535")
    }
    case "SO_RCVTIMEO":
    case "SO_SNDTIMEO":
    case "TCP_MAXRTMS":
      if (typeof value !== "number") return fail("WSAEFAULT", `${option} takes a number of milliseconds`)
      return isWhole(value, 0xffff_ffff)
        ? undefined
        : fail("WSAEINVAL", `${option} is a whole number of milliseconds from 0 to 4294967295`)
    case "SO_GROUP_PRIORITY":
      if (typeof value !== "number") return fail("WSAEFAULT", `${option} takes a number`)
      return Number.isInteger(value) && value === (value | 0)
        ? undefined
        : fail("WSAEINVAL", `${option} is a whole number of 32 bits`)
    default:
      return typeof value === "boolean" ? undefined : fail("WSAEFAULT", `${option} takes true or false`)
  }
}

/** A06: what the provider has to be told of the options that an accepted socket has from its listener. */
export const inherited = (state: SocketState, capabilities: Capabilities): ReadonlyArray<[ProviderOption, boolean]> => {
  const options = state.cold.options
  if (options === defaultOptions) return []
  return Array.from(providerOptions)
    .filter((option) => isProviderOption(option))
    .filter((option) => hasOption(state.kind, option, capabilities) && options[option] !== defaultOptions[option])
    .map((option) => [option, options[option]])
}

/** SO_CONNECT_TIME of a socket that is not connected (A13). */
export const neverConnected = 0xffff_ffff

export type OptionValue = boolean | number | string | Linger | ProtocolInfo | undefined

/** What getsockopt gives: the value, or the code it fails with. */
export const getOption = (
  state: SocketState,
  option: string,
  facts: Facts,
  capabilities: Capabilities,
  now: number
): { readonly _tag: "Value"; readonly value: OptionValue } | Fail => {
  const code = gate(state, facts)
  if (code !== undefined) return fail(code, gateDetail(code))
  if (!hasOption(state.kind, option, capabilities)) return fail("WSAENOPROTOOPT", noSuchOption(state, option))
  return { _tag: "Value", value: optionValue(state, option, capabilities, now) }
}

const numberOf = (code: Code | "WsaUnmapped" | undefined): number =>
  code === undefined ? 0 : code === "WsaUnmapped" ? 0xffff_ffff : table[code].number

const optionValue = (state: SocketState, option: string, capabilities: Capabilities, now: number): OptionValue => {
  switch (option) {
    case "SO_TYPE":
      return state.kind.type
    case "SO_PROTOCOL_INFO":
      return infoOf(state.kind, capabilities)
    case "SO_ERROR":
      return numberOf(state.cold.soError)
    case "SO_GROUP_ID":
      return state.cold.group?.id ?? 0
    case "SO_ACCEPTCONN":
      return state.phase._tag === "Listening"
    case "SO_MAX_MSG_SIZE":
      return capabilities.maxMessage
    case "SO_CONNECT_TIME":
      return state.kind.type === "stream" && state.phase._tag === "Connected"
        ? Math.max(0, Math.floor((now - state.phase.since) / 1000))
        : neverConnected
    case "SO_LINGER":
      return { ...state.cold.options.SO_LINGER }
    default:
      return isSettable(option) ? state.cold.options[option] : undefined
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Questions that change nothing
// ---------------------------------------------------------------------------------------------------------------------

/** R21: the words with which the connection broke. */
const failBroken = ({ failure }: Broken): Fail => ({
  _tag: "Fail",
  code: failure.code,
  detail: "the connection broke; close the socket and make a new one",
  native: failure.native
})

/**
 * The stack chooses the address for each peer: where only the port of an implicit association was kept, and where the
 * socket is bound to all addresses.
 */
const isChosenForPeer = (state: SocketState): boolean => {
  switch (state.phase._tag) {
    case "Connecting":
      return state.phase.issued && (state.implicit || isBoundToAll(state))
    case "Connected":
    case "Broken":
      return state.kind.type === "stream" && isBoundToAll(state)
    default:
      return false
  }
}

const isBoundToAll = ({ kind, local }: SocketState): boolean =>
  kind.family !== "Unix" && local !== undefined && SocketAddress.isUnspecified(local)

/** A03: the address, the code, or `"ask"` where only the provider knows it. */
export const getsockname = (state: SocketState, facts: Facts): SocketAddress.SocketAddress | Code | "ask" => {
  const code = gate(state, facts)
  if (code !== undefined) return code
  if (state.local !== undefined && !isChosenForPeer(state)) return state.local
  switch (state.phase._tag) {
    case "Fresh":
      return "WSAEINVAL"
    case "Connecting":
      return state.phase.issued ? "ask" : "WSAEINVAL"
    default:
      return "ask"
  }
}

/**
 * How a connection ended: who ended it first, or how it broke; `undefined` while it goes on. `closed`: the state is that of
 * the moment before the socket was closed.
 */
export const ending = (state: SocketState, closed: boolean): Failure | "peer" | "us" | undefined => {
  if (state.phase._tag === "Broken") return state.phase.failure
  if (!closed && !(state.ended && (state.shut & shutSend) !== 0)) return undefined
  return state.ended && (state.shut & shutFirst) === 0 ? "peer" : "us"
}

/** Whether it is connected, and neither side has ended its direction. */
export const isOpen = (state: SocketState): boolean =>
  state.phase._tag === "Connected" && !state.ended && state.shut === 0

/** A04: the peer, also of an attempt, after a shutdown, and of what broke. */
export const getpeername = (state: SocketState, facts: Facts): SocketAddress.SocketAddress | Code => {
  const code = gate(state, facts)
  if (code !== undefined) return code
  switch (state.phase._tag) {
    case "Connected":
    case "Connecting":
      return state.phase.remote
    case "Broken":
      return state.phase.was === undefined ? "WSAENOTCONN" : state.phase.was.remote
    default:
      return "WSAENOTCONN"
  }
}

/** R14: what became of the last attempt. */
export const connectResult = (state: SocketState, facts: Facts): Connected | AttemptFailure | Code => {
  const code = gate(state, facts)
  if (code !== undefined) return code
  switch (state.phase._tag) {
    case "Connected":
      return state.phase
    case "Connecting":
      return "WSAEALREADY"
    case "Listening":
      return "WSAEINVAL"
    case "Broken":
      return state.phase.was ?? "WSAENOTCONN"
    default:
      return state.cold.lastFailure ?? "WSAENOTCONN"
  }
}

/** A06, R21: whether accept may take a caller, has to wait for one, or fails. Who came before a listener broke is there. */
export const accepting = (
  state: SocketState,
  facts: Facts,
  waiting: boolean
): Code | "WsaUnmapped" | "take" | "wait" => {
  const code = gate(state, facts)
  if (code !== undefined) return code
  if (state.kind.type === "datagram") return "WSAEOPNOTSUPP"
  const gone = state.phase._tag === "Broken" && state.phase.was === undefined ? state.phase.failure.code : undefined
  if (gone === undefined && state.phase._tag !== "Listening") return "WSAEINVAL"
  if (waiting) return "take"
  if (gone !== undefined) return gone
  return state.blocking ? "wait" : "WSAEWOULDBLOCK"
}

/** What an accept condition answered; anything, since one without types may answer anything. */
export interface Verdict {
  readonly verdict: unknown
  readonly calleeData?: Uint8Array | undefined
  readonly group?: unknown
}

/** The answers of an accept condition. */
export const CF_ACCEPT = 0
export const CF_REJECT = 1
export const CF_DEFER = 2

/** A07: what WSAAccept fails with after its condition has answered, or nothing, where the caller is accepted. */
export const concluding = (answer: Verdict, withdrawn: boolean, capabilities: Capabilities): Fail | undefined => {
  if (withdrawn) return fail("WSAEACCES", "the caller has gone while the condition ran")
  switch (answer.verdict) {
    case CF_REJECT:
      return fail("WSAECONNREFUSED", "the condition rejected the caller")
    case CF_DEFER:
      return fail("WSATRY_AGAIN", "the condition deferred; the caller waits, and is the next one given")
    case CF_ACCEPT:
      break
    default:
      return fail("WSAEINVAL", "the condition answers CF_ACCEPT, CF_REJECT or CF_DEFER; the caller still waits")
  }
  const data = answer.calleeData
  if (data === undefined) return undefined
  if (!(data instanceof Uint8Array)) return fail("WSAEINVAL", "callee data is a Uint8Array; the caller still waits")
  return data.length <= capabilities.calleeDataMax ? undefined : fail(
    "WSAEINVAL",
    `callee data is ${data.length} bytes, the provider carries at most ${capabilities.calleeDataMax}; ` +
      "the caller still waits"
  )
}

/** A07: whether a caller who could not be accepted waits on: not one that was rejected, or has gone. */
export const keepsCaller = (code: Code | "WsaUnmapped"): boolean => {
  switch (code) {
    case "WSATRY_AGAIN":
    case "WSAEINVAL":
    case "WSAEMFILE":
    case "WSAENOBUFS":
      return true
    default:
      return false
  }
}

/** Whether one more caller may wait: beyond the backlog it is rejected (T38). */
export const holdsCaller = (state: SocketState, waiting: number): boolean =>
  state.phase._tag === "Listening" && waiting < state.phase.backlog

/** MSG_PEEK of recv and recvfrom. */
export const peekFlag = 2

/** Flags that the reference knows, and that ask for what is not here: MSG_OOB and MSG_WAITALL. */
const unsupportedFlags = 1 | 8

/** A08, A09: what is wrong with the flags of a receive, as its reference says. */
export const checkReceiveFlags = (flags: unknown): Fail | undefined => {
  if (typeof flags !== "number" || (flags & ~(peekFlag | unsupportedFlags)) !== 0 || !Number.isInteger(flags)) {
    return fail("WSAEINVAL", "flags is 0 or MSG_PEEK")
  }
  return (flags & unsupportedFlags) === 0
    ? undefined
    : fail("WSAEOPNOTSUPP", "there is no out-of-band data here, and no MSG_WAITALL: flags is 0 or MSG_PEEK")
}

/**
 * A08, A09, R07, R21: whether a receive takes what is there, has met the end, has to wait, or fails.
 * `buffered`: something has arrived and has not been taken.
 */
export const receiving = (
  state: SocketState,
  facts: Facts,
  call: "recv" | "recvfrom",
  buffered: boolean
): Code | "WsaUnmapped" | "take" | "end" | "wait" => {
  const code = gate(state, facts)
  if (code !== undefined) return code
  if (state.kind.direction === "send") return "WSAEOPNOTSUPP"
  if (state.phase._tag === "Broken") return buffered ? "take" : state.phase.failure.code
  if ((state.shut & shutReceive) !== 0) return "WSAESHUTDOWN"
  const tag = state.phase._tag
  if (state.kind.type === "stream") {
    if (tag !== "Connected") return "WSAENOTCONN"
    if (!buffered && state.ended) return "end"
  } else {
    if (call === "recv" && state.cold.dissolved) return "WSAENOTCONN"
    if (tag === "Fresh") return "WSAEINVAL"
  }
  if (buffered) return "take"
  return state.blocking ? "wait" : "WSAEWOULDBLOCK"
}

/** A08, A09, R07, R21: whether a send may go, or fails. `busy`: an earlier one has not been taken by the stack yet. */
export const sending = (
  state: SocketState,
  facts: Facts,
  call: "send" | "sendto",
  busy: boolean
): Code | "WsaUnmapped" | "go" | "wait" => {
  const code = gate(state, facts)
  if (code !== undefined) return code
  if (state.kind.direction === "receive") return "WSAEOPNOTSUPP"
  if (state.phase._tag === "Broken") return state.phase.failure.code
  if ((state.shut & shutSend) !== 0) return "WSAESHUTDOWN"
  if (state.phase._tag !== "Connected" && (state.kind.type === "stream" || call === "send")) return "WSAENOTCONN"
  if (!busy) return "go"
  return state.blocking ? "wait" : "WSAEWOULDBLOCK"
}

/** What a datagram and its destination have to be. `undefined`: the peer, or an address that will do. */
export const checkMessage = (
  state: SocketState,
  length: number,
  to: Name | undefined,
  capabilities: Capabilities
): Fail | undefined => {
  if (to !== undefined) {
    const name = decodeName(state, to)
    if (name._tag === "Fail") return name
    if (SocketAddress.isUnspecified(name)) return fail("WSAEADDRNOTAVAIL", "the all-zero address names no peer")
    if (mappedIsOut(state, name)) return fail("WSAEADDRNOTAVAIL", "an IPv4-mapped address needs IPV6_V6ONLY off")
    if (SocketAddress.isBroadcast(name) && !state.cold.options.SO_BROADCAST) {
      return fail("WSAEACCES", "a broadcast address needs SO_BROADCAST")
    }
  }
  return length > capabilities.maxMessage
    ? fail(
      "WSAEMSGSIZE",
      `the datagram is ${length} bytes, the provider carries at most ${capabilities.maxMessage}; nothing was sent`
    )
    : undefined
}

/** R01 for datagrams: what to bind before the first send or connect, `undefined` where it is bound already. */
export const implicitBind = (state: SocketState): SocketAddress.SocketAddress | undefined =>
  state.phase._tag === "Fresh" ? SocketAddress.unspecified(state.kind.family) : undefined

/** R06: whether a datagram that arrived is for the socket as it is now. */
export const acceptsDatagram = (state: SocketState, from: SocketAddress.SocketAddress): boolean =>
  state.phase._tag === "Connected" ? SocketAddress.same(state.phase.remote, from) : state.phase._tag === "Bound"

// ---------------------------------------------------------------------------------------------------------------------
// react
// ---------------------------------------------------------------------------------------------------------------------

export type Outcome =
  | { readonly _tag: "bound"; readonly local: SocketAddress.SocketAddress; readonly implicit: boolean }
  | { readonly _tag: "issued"; readonly attempt: number }
  | {
    readonly _tag: "established"
    readonly attempt: number
    readonly calleeData: Uint8Array
    readonly reserved: Qos.Reservation | undefined
    readonly now: number
  }
  | {
    readonly _tag: "attemptFailed"
    readonly attempt: number
    readonly failure: Failure
    readonly local: SocketAddress.SocketAddress | undefined
  }
  | { readonly _tag: "aborted"; readonly attempt: number; readonly local: SocketAddress.SocketAddress | undefined }
  | {
    readonly _tag: "peerSet"
    readonly peer: SocketAddress.SocketAddress
    readonly local: SocketAddress.SocketAddress
    readonly quality: QosState
    readonly now: number
  }
  | { readonly _tag: "qosChanged"; readonly change: QosChange }
  | { readonly _tag: "dissolved"; readonly local: SocketAddress.SocketAddress | undefined }
  | { readonly _tag: "listening"; readonly local: SocketAddress.SocketAddress; readonly backlog: number }
  | { readonly _tag: "ended" }
  /** `local`: where the connection was, from a handle that will not tell any more. */
  | { readonly _tag: "broken"; readonly failure: Failure; readonly local?: SocketAddress.SocketAddress | undefined }

/** Which waiting calls may go on; bits. */
export const Wake = { none: 0, connect: 1, receive: 2, send: 4, accept: 8, all: 15 } as const

export interface Reaction {
  readonly next: SocketState
  readonly wake: number
}

/** What became of what the provider was asked, or what it said by itself. An attempt that is over changes nothing. */
export const react = (state: SocketState, outcome: Outcome): Reaction => {
  if (state.phase._tag === "Closed") return { next: state, wake: Wake.none }
  switch (outcome._tag) {
    case "bound":
      return state.phase._tag === "Fresh"
        ? { next: { ...state, phase: bound, local: outcome.local, implicit: outcome.implicit }, wake: Wake.none }
        : { next: state, wake: Wake.none }
    case "issued":
      return isCurrent(state, outcome.attempt)
        ? { next: withPhase(state, { ...state.phase, issued: true }), wake: Wake.none }
        : { next: state, wake: Wake.none }
    case "established":
      return established(state, outcome)
    case "attemptFailed":
      return attemptFailed(state, outcome.attempt, outcome.failure, outcome.local)
    case "aborted":
      return isCurrent(state, outcome.attempt)
        ? { next: afterAttempt(state, outcome.local), wake: Wake.connect }
        : { next: state, wake: Wake.none }
    case "peerSet":
      return peerSet(state, outcome)
    case "qosChanged":
      return { next: qosChanged(state, outcome.change), wake: Wake.none }
    case "dissolved":
      return dissolved(state, outcome.local)
    case "listening":
      return state.phase._tag === "Bound" || state.phase._tag === "Listening"
        ? {
          next: { ...state, local: outcome.local, phase: { _tag: "Listening", backlog: outcome.backlog } },
          wake: Wake.none
        }
        : { next: state, wake: Wake.none }
    case "ended":
      return state.phase._tag === "Connected" && !state.ended
        ? { next: { ...state, ended: true }, wake: Wake.receive }
        : { next: state, wake: Wake.none }
    case "broken":
      return broken(outcome.local === undefined ? state : { ...state, local: outcome.local }, outcome.failure)
  }
}

const isCurrent = (
  state: SocketState,
  attempt: number
): state is SocketState & { readonly phase: Connecting } =>
  state.phase._tag === "Connecting" && state.phase.attempt === attempt

const established = (
  state: SocketState,
  { attempt, calleeData, now, reserved }: Extract<Outcome, { readonly _tag: "established" }>
): Reaction => {
  if (!isCurrent(state, attempt)) return { next: state, wake: Wake.none }
  const { phase } = state
  const cold = reserved === undefined
    ? state.cold
    : { ...state.cold, quality: withReservation(state.cold.quality, reserved) }
  return {
    next: {
      ...state,
      phase: { _tag: "Connected", remote: phase.remote, since: now, calleeData },
      // The address of an earlier attempt is not this one's: the provider is asked when someone wants to know.
      local: state.implicit ? undefined : state.local,
      implicit: state.implicit || state.local === undefined,
      cold: cold.failed ? { ...cold, soError: undefined, lastFailure: undefined, failed: false } : cold
    },
    wake: Wake.connect
  }
}

const attemptFailed = (
  state: SocketState,
  attempt: number,
  failure: Failure,
  local: SocketAddress.SocketAddress | undefined
): Reaction => {
  if (!isCurrent(state, attempt)) return { next: state, wake: Wake.none }
  const { caller, issued, remote } = state.phase
  const next = withCold(afterAttempt(state, local), { lastFailure: { failure, remote }, failed: true })
  return {
    // A12: only an attempt whose call has returned already leaves its code in SO_ERROR.
    next: caller === "nonblocking" && issued ? withCold(next, { soError: failure.code }) : next,
    wake: Wake.connect
  }
}

/** How an attempt fails that TCP_MAXRTMS ends. */
export const connectTimedOut: Failure & { readonly detail: string } = {
  _tag: "Failure",
  code: "WSAETIMEDOUT",
  detail: "the attempt has taken as long as TCP_MAXRTMS allows"
}

/**
 * How a connection breaks when a send that has handed bytes down gives up: nobody knows how much of them has gone.
 */
export const sendAbandoned: Failure = { _tag: "Failure", code: "WSAECONNABORTED" }

/** R26: whatever ended it, the socket keeps its local association, chosen by itself or by the stack. */
const afterAttempt = (
  attempted: SocketState & { readonly phase: Connecting },
  local: SocketAddress.SocketAddress | undefined
): SocketState => {
  const { before } = attempted.phase
  const state = before === attempted.cold.quality ? attempted : withCold(attempted, { quality: before })
  // The port of an implicit association stays, and the address is that of this attempt.
  if (state.local !== undefined && (!state.implicit || local === undefined)) return withPhase(state, bound)
  return local === undefined ? withPhase(state, fresh) : { ...state, phase: bound, local, implicit: true }
}

const peerSet = (
  state: SocketState,
  { local, now, peer, quality }: Extract<Outcome, { readonly _tag: "peerSet" }>
): Reaction => {
  const phase = state.phase
  if (phase._tag !== "Fresh" && phase._tag !== "Bound" && phase._tag !== "Connected") {
    return { next: state, wake: Wake.none }
  }
  const same = phase._tag === "Connected" && SocketAddress.same(phase.remote, peer)
  return {
    next: {
      ...state,
      phase: { _tag: "Connected", remote: peer, since: now, calleeData: noBytes },
      local,
      implicit: state.implicit || phase._tag === "Fresh",
      peerGeneration: same ? state.peerGeneration : state.peerGeneration + 1,
      attempts: state.attempts + 1,
      cold: enabling(
        state.cold.dissolved || quality !== state.cold.quality
          ? { ...state.cold, dissolved: false, quality }
          : state.cold,
        FD_CONNECT | FD_WRITE
      )
    },
    wake: Wake.none
  }
}

const dissolved = (state: SocketState, local: SocketAddress.SocketAddress | undefined): Reaction => {
  const phase = state.phase
  if (phase._tag !== "Fresh" && phase._tag !== "Bound" && phase._tag !== "Connected") {
    return { next: state, wake: Wake.none }
  }
  return {
    next: {
      ...state,
      phase: phase._tag === "Fresh" ? phase : bound,
      local: local ?? state.local,
      peerGeneration: state.peerGeneration + 1,
      // What was set stays set; it is honoured again on the next connect.
      cold: { ...state.cold, dissolved: true, quality: { ...state.cold.quality, honoured: undefined } }
    },
    // A recv that waits for the peer that is gone has nothing to wait for.
    wake: Wake.receive
  }
}

/** A18: the reservation is another one, or none. */
const qosChanged = (state: SocketState, { code, group, reserved }: QosChange): SocketState => {
  // What is reserved can be lost before the peer has accepted: it is told once there is a connection.
  if (state.phase._tag !== "Connected" && state.phase._tag !== "Connecting") return state
  const { quality } = state.cold
  const { honoured } = quality
  const lost = code !== "WSA_QOS_REQUEST_CONFIRMED"
  // The one of the group is what a socket has that has none of its own.
  const shown = !group || honoured?.quality?.reserve === undefined
  return withCold(state, {
    quality: {
      ...quality,
      ...(group ? { groupNews: code, groupLost: lost } : { news: code, lost }),
      honoured: honoured === undefined || !shown ? honoured : Quality.withReservation(honoured, reserved)
    }
  })
}

const broken = (state: SocketState, failure: Failure): Reaction => {
  switch (state.phase._tag) {
    case "Connected":
      return { next: withPhase(state, { _tag: "Broken", failure, was: state.phase }), wake: Wake.all }
    case "Listening":
    case "Bound":
      return { next: withPhase(state, { _tag: "Broken", failure, was: undefined }), wake: Wake.all }
    default:
      return { next: state, wake: Wake.none }
  }
}
