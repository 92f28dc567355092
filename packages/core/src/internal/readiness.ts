/**
 * Whether a call on a socket would have to wait, and which network events follow from it: for `select` (A17),
 * `WSAEventSelect` (A18, A19) and `WSAAsyncSelect` (A20).
 *
 * Pure, as `socketState` is. An event is recorded where its condition holds, someone has asked for it, and it is enabled:
 * recording disables it, and the calls that the reference names enable it again. So an event nobody has asked for yet is
 * not lost: it is recorded as soon as someone does.
 */
import {
  FD_ACCEPT,
  FD_ALL_EVENTS,
  FD_CLOSE,
  FD_CONNECT,
  FD_GROUP_QOS,
  FD_QOS,
  FD_READ,
  FD_WRITE
} from "../NetworkEvent.ts"
import type { QosEvent } from "../Provider.ts"
import type { Code } from "../WsaError.ts"
import {
  type Facts,
  type Fail,
  fail,
  gate,
  gateDetail,
  noQos,
  nothingAsked,
  type Selection,
  shutReceive,
  shutSend,
  type SocketState,
  withSelection
} from "./socketState.ts"

/** How things stand in the queues, which the machine does not see. */
export interface Standing {
  /** Something has arrived and has not been received. */
  readonly buffered: boolean
  /** A caller waits to be accepted. */
  readonly waiting: boolean
  /** A send would not have to wait for an earlier one. */
  readonly room: boolean
}

// ---------------------------------------------------------------------------------------------------------------------
// select
// ---------------------------------------------------------------------------------------------------------------------

/** The sets of select; bits. */
export const readable = 1
export const writable = 2
export const exceptional = 4

/** A17: in which sets of select the socket is reported. */
export const readiness = (state: SocketState, standing: Standing): number =>
  (isReadable(state, standing) ? readable : 0) |
  (isWritable(state, standing) ? writable : 0) |
  // C3, C4 of what Windows does: it stays so until an attempt succeeds, also where the socket listens meanwhile.
  (state.cold.failed ? exceptional : 0)

/** R17: a unidirectional socket is never ready for what it cannot do, unless there is nothing to wait for any more. */
const mayReceive = ({ kind }: SocketState): boolean => kind.direction !== "send"
const maySend = ({ kind }: SocketState): boolean => kind.direction !== "receive"

const isReadable = (state: SocketState, { buffered, waiting }: Standing): boolean => {
  switch (state.phase._tag) {
    case "Closed":
    case "Broken":
      return true
    case "Listening":
      return waiting
    case "Connected":
      return mayReceive(state) && (buffered || state.ended || (state.shut & shutReceive) !== 0)
    case "Bound":
      return mayReceive(state) && state.kind.type === "datagram" && (buffered || (state.shut & shutReceive) !== 0)
    default:
      return false
  }
}

const isWritable = (state: SocketState, { room }: Standing): boolean => {
  switch (state.phase._tag) {
    case "Closed":
    case "Broken":
      return true
    case "Connected":
      return maySend(state) && (room || (state.shut & shutSend) !== 0)
    default:
      return maySend(state) && state.kind.type === "datagram"
  }
}

const noDuration = "the time-out is a duration that is not negative"

/** A17: what is wrong with the sets of a select, in the order of errors. `strangers`: there is something that is no socket. */
export const checkSets = (
  members: Iterable<{ readonly state: SocketState; readonly facts: Facts }>,
  strangers: boolean,
  timeoutValid: boolean
): Fail | undefined => {
  let empty = true
  for (const { facts, state } of members) {
    empty = false
    const code = gate(state, facts)
    if (code !== undefined) return fail(code, gateDetail(code))
  }
  if (strangers) return fail("WSAENOTSOCK", "the sets are of sockets that Winsock.socket or Winsock.accept made")
  if (empty) return fail("WSAEINVAL", "all sets are empty; nothing can become ready")
  return timeoutValid ? undefined : fail("WSAEINVAL", noDuration)
}

/** A17: a socket that is closed while a select waits is ready, but not to whoever waits for an exception only (E3). */
export const closedWhileSelected = (interest: number): Fail | undefined =>
  interest === exceptional ? fail("WSAENOTSOCK", "the socket was closed while the call was pending") : undefined

// ---------------------------------------------------------------------------------------------------------------------
// Network events
// ---------------------------------------------------------------------------------------------------------------------

/** Whether the last attempt came to an end of its own, and was not given up. An accepted socket has made none. */
const attemptIsOver = ({ cold, kind, phase }: SocketState): boolean => {
  // A connect of a datagram socket is over at once, and stays so when the peer is dissolved.
  if (kind.type === "datagram" || phase._tag === "Connected") return true
  if (phase._tag === "Broken" && phase.was !== undefined) return true
  return phase._tag !== "Connecting" && cold.lastFailure !== undefined
}

/** The events whose condition holds. */
const conditions = (state: SocketState, standing: Standing, door: Selection["door"]): number => {
  const { kind, phase } = state
  const tag = phase._tag
  if (tag === "Closed") return 0
  const datagram = kind.type === "datagram"
  let events = 0
  const sends = maySend(state) && (state.shut & shutSend) === 0
  if (mayReceive(state) && (standing.buffered || (datagram && tag === "Broken"))) events |= FD_READ
  if (sends && standing.room && (tag === "Connected" || (datagram && tag === "Bound"))) events |= FD_WRITE
  // A datagram socket without an address: a message says that a send is possible, an event object does not.
  if (sends && datagram && tag === "Fresh" && door === "async") events |= FD_WRITE
  if (tag === "Listening" && standing.waiting) events |= FD_ACCEPT
  if (state.attempts > 0 && attemptIsOver(state)) events |= FD_CONNECT
  if (!datagram && (tag === "Broken" || (tag === "Connected" && state.ended && !standing.buffered))) events |= FD_CLOSE
  const { groupNews, news } = tag === "Connecting" ? noQos : state.cold.quality
  if (news !== undefined) events |= FD_QOS
  if (groupNews !== undefined) events |= FD_GROUP_QOS
  return events
}

export { enable } from "./socketState.ts"

/**
 * A18: the events that a call enables again by having ended so, with a code or without. Of the receives each does, of the
 * sends only one that has found no room, and WSAAccept does unless it deferred.
 */
export const enabledBy = (
  call: "recv" | "send" | "accept" | "WSAAccept",
  code: Code | "WsaUnmapped" | undefined
): number => {
  switch (call) {
    case "recv":
      return FD_READ
    case "send":
      return code === "WSAEWOULDBLOCK" ? FD_WRITE : 0
    case "accept":
      return FD_ACCEPT
    case "WSAAccept":
      return code === "WSATRY_AGAIN" ? 0 : FD_ACCEPT
  }
}

/** Records what has come to hold. The same state where there is nothing new. */
export const observe = (state: SocketState, standing: Standing): SocketState => {
  const selection = state.cold.selection
  if (selection === undefined || selection.door === "none") return state
  const enabled = selection.door === "event" ? selection.byEvent : selection.byMessage
  const news = conditions(state, standing, selection.door) & enabled & selection.mask
  if (news === 0) return state
  return withSelection(state, {
    ...selection,
    ...(selection.door === "event" ? { byEvent: enabled & ~news } : { byMessage: enabled & ~news }),
    recorded: selection.recorded | news,
    connectFailure: (news & FD_CONNECT) === 0 ? selection.connectFailure : state.cold.lastFailure,
    closeFailure: (news & FD_CLOSE) === 0
      ? selection.closeFailure
      : state.phase._tag === "Broken"
      ? state.phase.failure
      : undefined
  })
}

/** A18, A20: asks for events, in place of whatever was asked for before. The socket is non-blocking from here on. */
const select = (state: SocketState, door: "event" | "async", mask: number): SocketState => {
  const before = state.cold.selection ?? nothingAsked
  const over = state.attempts > 0 && state.phase._tag !== "Connecting"
  return withSelection({ ...state, blocking: false }, {
    ...before,
    door: mask === 0 ? "none" : door,
    mask,
    // The record is cleared, as the reference says. What nobody has fetched is recorded anew where it still holds.
    byEvent: before.door === "event" ? before.byEvent | before.recorded : before.byEvent,
    // Asking for messages tells anew what holds (D1), but for a connect that was over before anyone asked (D2).
    byMessage: over ? FD_ALL_EVENTS & ~FD_CONNECT : FD_ALL_EVENTS,
    recorded: 0
  })
}

/** What WSAEventSelect and WSAAsyncSelect do. */
export const decideSelect = (
  state: SocketState,
  { door, events, told }: {
    readonly door: "event" | "async"
    readonly events: unknown
    /** An event object, or whatever is told, was given. */
    readonly told: boolean
  },
  facts: Facts
): { readonly _tag: "Done"; readonly next: SocketState } | Fail => {
  const code = gate(state, facts)
  if (code !== undefined) return fail(code, gateDetail(code))
  if (typeof events !== "number" || !Number.isInteger(events) || events < 0 || events > FD_ALL_EVENTS) {
    return fail("WSAEINVAL", "the events are FD_* constants joined with |")
  }
  if (!told && events !== 0) return fail("WSAEINVAL", "an event object that has not been closed is told of events")
  return { _tag: "Done", next: select(state, door, events) }
}

/** A19: what is given is no event object, or a closed one. */
export const noEvent = fail("WSA_INVALID_HANDLE", "expected an event object of WSACreateEvent that is not closed")

/** A19: whether a call may use an event object. `valid`: it is one, and has not been closed. */
export const checkEvent = (facts: Facts, valid: boolean): Fail | undefined => {
  const code = gate(undefined, facts)
  if (code !== undefined) return fail(code, gateDetail(code))
  return valid ? undefined : noEvent
}

/** A19: whether the recorded events may be fetched, with an event object or without. */
export const checkEnum = (state: SocketState, facts: Facts, valid: boolean): Fail | undefined => {
  const code = gate(state, facts)
  return code === undefined ? checkEvent(facts, valid) : fail(code, gateDetail(code))
}

/** The most event objects that one wait takes. */
export const mostEvents = 64

/** A19: what is wrong with a wait, in the order of errors. `facts`: those of the event objects; `count`: of all that is given. */
export const checkWait = (
  facts: ReadonlyArray<Facts>,
  count: number,
  timeoutValid: boolean
): Fail | undefined => {
  for (const each of facts) {
    const wrong = checkEvent(each, true)
    if (wrong !== undefined) return wrong
  }
  if (!timeoutValid) return fail("WSA_INVALID_PARAMETER", noDuration)
  if (count === 0 || count > mostEvents) {
    return fail("WSA_INVALID_PARAMETER", `from 1 to ${mostEvents} event objects are waited for, not ${count}`)
  }
  return facts.length < count ? noEvent : undefined
}

/** Nobody listens any more. */
export const forget = (state: SocketState): SocketState => select(state, "event", 0)

/** What has been recorded, and why what failed did. */
export interface Fetched extends Pick<Selection, "recorded" | "connectFailure" | "closeFailure"> {
  /** What became of the reservation. */
  readonly news: QosEvent | undefined
  readonly groupNews: QosEvent | undefined
}

const nothingFetched: Fetched = {
  recorded: 0,
  connectFailure: undefined,
  closeFailure: undefined,
  news: undefined,
  groupNews: undefined
}

/** A19, A20: gives what was recorded for the door, and forgets it. */
export const fetch = (
  state: SocketState,
  door: "event" | "async"
): { readonly next: SocketState; readonly fetched: Fetched } => {
  const selection = state.cold.selection
  if (selection === undefined || selection.door !== door || selection.recorded === 0) {
    return { next: state, fetched: nothingFetched }
  }
  const { closeFailure, connectFailure, recorded } = selection
  return {
    next: withSelection(state, { ...selection, recorded: 0 }),
    fetched: {
      recorded,
      connectFailure: (recorded & FD_CONNECT) === 0 ? undefined : connectFailure,
      closeFailure: (recorded & FD_CLOSE) === 0 ? undefined : closeFailure,
      // As it is now: what was told meanwhile is told with it.
      news: (recorded & FD_QOS) === 0 ? undefined : state.cold.quality.news,
      groupNews: (recorded & FD_GROUP_QOS) === 0 ? undefined : state.cold.quality.groupNews
    }
  }
}
