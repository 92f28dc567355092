/**
 * The contract between the calls and what moves the bytes.
 *
 * A provider opens handles, does what a handle is asked, and tells its `Sink` what the stack below said. It decides
 * nothing: which error several faults give, what an interrupted attempt leaves behind, which datagram belongs to whom
 * is decided once, in core. So a new provider is one file against this module plus the conformance suite.
 *
 * **Details**
 *
 * The contract is free of Effect and made of callbacks, because it is the hot path and because a simulator has to
 * schedule each event by itself. Three promises hold it together:
 *
 * - No method of a `Handle` throws, and any order of calls is legal. After `close` every method does nothing.
 * - A method that answers `Pending` answers later, through the `Sink`, and never from inside the call.
 * - A call of the `Sink` is the last thing a provider does in an event: fibers resume inside it, and they may connect,
 *   send, or close before it returns.
 *
 * @since 0.1.0
 */
import type { FlowSpec, Qos, Reservation } from "./Qos.ts"
import type { Family, SocketAddress } from "./SocketAddress.ts"
import type { Code, Native } from "./WsaError.ts"

/**
 * What a socket is, from its creation to its end.
 *
 * **Details**
 *
 * `direction` is `"both"` unless the socket was asked to be unidirectional (R17).
 *
 * @category models
 * @since 0.1.0
 */
export interface Kind {
  /** The address family. */
  readonly family: Family
  /** `"stream"` for a connection, `"datagram"` for messages. */
  readonly type: "stream" | "datagram"
  /** Which way bytes may go. */
  readonly direction: "both" | "send" | "receive"
}

/**
 * An option of the socket that the stack below has to apply. All other options are kept in core.
 *
 * @category models
 * @since 0.1.0
 */
export type ProviderOption = "SO_KEEPALIVE" | "TCP_NODELAY" | "SO_BROADCAST"

/**
 * What a provider can do for one kind of socket, said before anyone asks.
 *
 * @category models
 * @since 0.1.0
 */
export interface Capabilities {
  /** The most caller data, in bytes, that a connection request can carry. 0: none (E17). */
  readonly callerDataMax: number
  /** The most callee data, in bytes, that an acceptance can carry back. 0: none, the length is then always 0 (R13). */
  readonly calleeDataMax: number
  /** The longest datagram in bytes, 0 for streams (SO_MAX_MSG_SIZE). */
  readonly maxMessage: number
  /** The options that the provider can set. */
  readonly options: ReadonlySet<ProviderOption>
  /** `false`: the provider lets two sockets of one instance bind one address, so core keeps its own table (A02, E03). */
  readonly exclusiveBind: boolean
  /** `false`: the handshake is over before anyone calls accept, so a caller beyond the backlog sees a reset. */
  readonly boundedBacklog: boolean
  /** `true`: what is sent can be marked with a differentiated services code point, from the first packet on. */
  readonly marking: boolean
  /** `true`: the stack itself can space out what is sent. */
  readonly pacing: boolean
  /** `true`: what is sent can be given a priority in the queues of the machine. */
  readonly priority: boolean
  /** `true`: flows can be reserved on the way to the peer, or refused (E16). */
  readonly reservesQos: boolean
}

/**
 * What a QOS asks of the provider. Core decides it, within the capabilities, before the provider is asked (R16–R20).
 *
 * **Details**
 *
 * A provider that cannot do it after all answers WSAEOPNOTSUPP, and has then changed nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Quality {
  /**
   * The differentiated services code point, 0 to 63, of all that is sent from the first packet on; `undefined`: what the
   * stack would send. The two bits beside it, of congestion notification, stay the stack's.
   */
  readonly dscp: number | undefined
  /** The priority in the queues of the machine, 0 to 6. Only where `priority` can be set. */
  readonly priority: number | undefined
  /** Bytes a second that the stack itself sends at most. Only where `pacing` can be done. */
  readonly pacingRate: number | undefined
  /** What is to be reserved for the socket. Only where `reservesQos`. */
  readonly reserve: Flows | undefined
  /** What is to be reserved for the group that the socket created. Only where `reservesQos`. */
  readonly reserveGroup: Flows | undefined
  /**
   * The group that the socket is in: the same object for all its sockets, which share what is reserved for the group on
   * the way to one peer. `undefined` for none.
   */
  readonly group?: object | undefined
}

/**
 * The flow of each direction; `undefined` where nothing is asked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Flows {
  /** To the peer. */
  readonly sending: FlowSpec | undefined
  /** From the peer. */
  readonly receiving: FlowSpec | undefined
}

/**
 * What became of a reservation after it had been made (A18).
 *
 * @category models
 * @since 0.1.0
 */
export interface QosChange {
  /** `true`: it is the one of the group. */
  readonly group: boolean
  /** What FD_QOS or FD_GROUP_QOS reports. */
  readonly code: QosEvent
  /** What is reserved from now on; `undefined` for nothing. */
  readonly reserved: Reservation | undefined
}

/**
 * The codes with which a reservation is reported to have changed.
 *
 * @category models
 * @since 0.1.0
 */
export type QosEvent = "WSA_QOS_REQUEST_CONFIRMED" | "WSA_QOS_ADMISSION_FAILURE" | "WSA_QOS_POLICY_FAILURE"

/**
 * What the stack below said when it could not do something.
 *
 * **Details**
 *
 * The provider maps to a Winsock code, since only it knows which of four meanings an EINVAL has; `WsaError.fromNative`
 * is the table for it. The stack's own words travel along and reach the user in the error's `native` field.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  /** Tells a failure from an answer. */
  readonly _tag: "Failure"
  /** The Winsock code, or `"WsaUnmapped"` where no row of the table knows what was said. */
  readonly code: Code | "WsaUnmapped"
  /** The words of the stack below. */
  readonly native?: Native | undefined
}

/**
 * The answer comes through the `Sink`, later, and never from inside the call.
 *
 * @category models
 * @since 0.1.0
 */
export type Pending = "pending"

/**
 * Makes a `Failure`.
 *
 * **When to use**
 *
 * Use in a provider, to answer that something could not be done.
 *
 * **Example** (Refusing a connect)
 *
 * ```ts import.meta.vitest
 * import { Provider } from "@effect-winsock/core"
 *
 * Provider.failure("WSAECONNREFUSED", { code: "ECONNREFUSED", errno: -111, syscall: "connect" }).code // => "WSAECONNREFUSED"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const failure = (code: Code | "WsaUnmapped", native?: Native): Failure => ({ _tag: "Failure", code, native })

/**
 * Tells whether an answer of a provider is a `Failure`.
 *
 * **Example** (Telling a failure from a local address)
 *
 * ```ts import.meta.vitest
 * import { Provider } from "@effect-winsock/core"
 *
 * Provider.isFailure(Provider.failure("WSAEADDRINUSE")) // => true
 * Provider.isFailure("pending") // => false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isFailure = (answer: unknown): answer is Failure =>
  typeof answer === "object" && answer !== null && "_tag" in answer && answer._tag === "Failure"

/**
 * One attempt to connect a stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectPlan {
  /** The number of the attempt on this handle; every event of it carries the number. */
  readonly attempt: number
  /** The peer. */
  readonly remote: SocketAddress
  /** The address to connect from, or `undefined` where the stack chooses (R01). */
  readonly local: SocketAddress | undefined
  /**
   * `true`: only the port of `local` is wanted again, as it was chosen by the stack in an earlier attempt (R26). Where
   * the stack cannot give it again, because other connections came to use it meanwhile, it chooses another.
   */
  readonly keepLocalPort: boolean
  /** Data to send along with the request, or `undefined` for none (R12). Never longer than `callerDataMax`. */
  readonly callerData: Uint8Array | undefined
  /** How many bytes of callee data are wanted back, 0 for none (R13). */
  readonly calleeCapacity: number
  /** What the QOS asks of the provider, or `undefined` for nothing (R19). */
  readonly quality: Quality | undefined
  /** The QOS of the socket as the caller gave it, for a transport that tells the peer (A07). */
  readonly sqos: Qos | undefined
  /** The QOS of the group as its creator gave it, for a transport that tells the peer (A07). */
  readonly gqos: Qos | undefined
}

/**
 * A request to listen.
 *
 * @category models
 * @since 0.1.0
 */
export interface ListenPlan {
  /** How many callers may wait to be accepted. */
  readonly backlog: number
  /** The address to listen on: the one bound, or the one that a refused attempt has left (A05). */
  readonly local: SocketAddress
  /** `true`: only the port of `local` is binding, as it was chosen by the stack in an earlier attempt (R26). */
  readonly keepLocalPort: boolean
}

/**
 * A connection that came to be.
 *
 * **Details**
 *
 * It has no addresses: the remote one is the plan's, and the local one is asked for when someone wants it. So one
 * constant, {@link established}, serves most connects.
 *
 * @category models
 * @since 0.1.0
 */
export interface Established {
  /** Tells a connection from a failure. */
  readonly _tag: "Established"
  /** What the peer passed back; empty where it passed nothing (R13). */
  readonly calleeData: Uint8Array
}

/**
 * A connection whose peer passed no data back.
 *
 * **Example** (Answering a connect)
 *
 * ```ts import.meta.vitest
 * import { Provider } from "@effect-winsock/core"
 *
 * Provider.established.calleeData.length // => 0
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const established: Established = { _tag: "Established", calleeData: new Uint8Array(0) }

/**
 * What moves the bytes: Node's sockets, an in-process table, a simulated network.
 *
 * @category models
 * @since 0.1.0
 */
export interface Provider {
  /** The name shown in tables, such as `"node"`. */
  readonly name: string
  /** Whether the network subsystem works at all (E02). Asked at every call, so it has to be cheap. */
  readonly network: () => "up" | "down"
  /** What the provider can do for this kind of socket. The same object for the same kind: it is asked often. */
  readonly capabilities: (kind: Kind) => Capabilities
  /** Opens a handle. Takes nothing of the system before bind, connect or listen; WSAEMFILE where there is no room. */
  readonly open: (kind: Kind, sink: Sink) => Handle | Failure
}

/**
 * One socket of a provider. No method throws, any order is legal, and after `close` every method does nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handle {
  /** Binds, and answers with the address bound: port 0 has become a number (A02). */
  readonly bind: (local: SocketAddress, options: BindOptions) => SocketAddress | Failure
  /** Streams: begins an attempt. `Sink.issued` and then `Sink.connected` answer a pending one. */
  readonly connect: (plan: ConnectPlan) => Established | Failure | Pending
  /**
   * Streams: ends an attempt; no event of it follows. Answers with the local address that the attempt had, so that the
   * port can be kept (R26), or `undefined` where it had none yet. Does nothing for any other attempt.
   */
  readonly abort: (attempt: number) => SocketAddress | undefined
  /**
   * Datagrams: sets the default peer, or dissolves it. Answers with the local address. With `"discard"` no datagram
   * that waits in the stack is delivered afterwards (R09). `quality` is what the QOS asks from now on, nothing where it is
   * absent. On a failure everything is as it was before.
   */
  readonly setPeer: (
    peer: SocketAddress | undefined,
    queue: "keep" | "discard",
    quality?: Quality | undefined
  ) => SocketAddress | Failure
  /** Of a connection, or of a datagram socket: what the QOS asks from now on. On a failure everything is as before. */
  readonly setQuality: (quality: Quality | undefined) => Failure | undefined
  /** What is reserved for the socket on the way; `undefined` for nothing. Asked only where something was to be. */
  readonly reserved: () => Reservation | undefined
  /** Streams: listens, or changes the backlog. `Sink.listening` answers a pending one. */
  readonly listen: (plan: ListenPlan) => SocketAddress | Failure | Pending
  /** Starts, or starts again, the delivery of up to so many bytes (streams) or datagrams. */
  readonly read: (credit: number) => void
  /**
   * Streams: takes the bytes, and answers how many of them it still refers to. 0: it is done with them; otherwise
   * exactly one `Sink.drained` follows, or `Sink.broken`. Called again only after that.
   */
  readonly write: (bytes: Uint8Array) => number | Failure
  /**
   * Datagrams: sends one, to the default peer where `to` is `undefined`. `Sink.sent` answers a pending one, in order.
   * The bytes belong to the caller again once it is answered.
   */
  readonly sendTo: (bytes: Uint8Array, to: SocketAddress | undefined) => Failure | Pending | undefined
  /** Streams: ends the sending direction after everything written has gone. */
  readonly shutdownSend: () => Failure | undefined
  /**
   * Gives everything back. `"graceful"` lets written bytes arrive, `"reset"` drops them, also when it comes after a
   * graceful close that has not ended. Exactly one `Sink.closed` follows, never from inside the call.
   */
  readonly close: (how: "graceful" | "reset") => void
  /** The local address, also after a failure or an abort; `undefined` where there never was one. Not asked after `close`. */
  readonly local: () => SocketAddress | undefined
  /** Sets an option; before there is anything to set it on, remembers it. */
  readonly setOption: (option: ProviderOption, value: boolean) => Failure | undefined
}

/**
 * How an address is to be bound.
 *
 * @category models
 * @since 0.1.0
 */
export interface BindOptions {
  /** SO_REUSEADDR: others may have the address too. */
  readonly reuse: boolean
  /** IPV6_V6ONLY: an IPv6 socket does not take IPv4. */
  readonly v6Only: boolean
}

/**
 * Where a provider tells what happened to a handle. Each call is the last thing it does in an event.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sink {
  /** The stack has the attempt and the local address is known; only now a non-blocking call returns (R23, A03). */
  readonly issued: (attempt: number) => void
  /** The attempt is over. */
  readonly connected: (attempt: number, result: Established | Failure) => void
  /** The pending listen is over. */
  readonly listening: (result: SocketAddress | Failure) => void
  /** A caller asks for a connection. */
  readonly incoming: (request: Incoming) => void
  /**
   * Bytes arrived. They are lent for this call only (R27): core copies what it keeps. Answers the credit that is left;
   * at 0 or below the delivery stops until `read`.
   */
  readonly data: (bytes: Uint8Array) => number
  /** A datagram arrived, lent for this call only. Answers the credit that is left. */
  readonly datagram: (bytes: Uint8Array, from: SocketAddress) => number
  /** Answers the oldest pending `sendTo`. */
  readonly sent: (result: Failure | undefined) => void
  /** No byte of a write is referred to any more. */
  readonly drained: () => void
  /** The peer ended its sending direction in order. */
  readonly ended: () => void
  /** Datagrams: something was reported about an earlier one, such as a dead port. The socket lives (A09). */
  readonly soft: (failure: Failure) => void
  /** What had been reserved has changed (A18). */
  readonly qosChanged: (change: QosChange) => void
  /** The connection, or the listener, is gone (R21). `close` is still called, and `closed` still follows it. */
  readonly broken: (failure: Failure) => void
  /** The handle has given everything back. */
  readonly closed: () => void
}

/**
 * A request for a connection, before anyone has accepted it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Incoming {
  /** The address that was called. */
  readonly local: SocketAddress
  /** The caller. */
  readonly remote: SocketAddress
  /** What the caller sent along; empty for nothing. */
  readonly callerData: Uint8Array
  /** The QOS that the caller asks for, where the transport tells it (A07). */
  readonly sqos: Qos | undefined
  /** The QOS of the caller's group, where the transport tells it (A07). */
  readonly gqos: Qos | undefined
  /** Accepts, with data to pass back. Nothing is delivered to the sink before `Handle.read`. */
  readonly accept: (sink: Sink, calleeData: Uint8Array | undefined) => Handle | Failure
  /** Rejects: the caller is refused where the transport can still say so, and reset where it cannot. */
  readonly reject: () => void
  /** Whether the caller has gone meanwhile (A06). */
  readonly withdrawn: () => boolean
}
