/**
 * The network events that `WSAEventSelect` and `WSAAsyncSelect` tell: FD_CONNECT and its kin.
 *
 * An event is one bit; several are joined with `|`. Each is told once, and once more only after the call that re-enables
 * it, if what it tells still holds then (A18, A20):
 *
 * | event | told when | re-enabled by |
 * | --- | --- | --- |
 * | FD_READ | something can be received | recv, recvfrom, recvLent |
 * | FD_WRITE | a connection came to be, or a datagram socket has an address or a peer | a send that failed with WSAEWOULDBLOCK |
 * | FD_ACCEPT | a caller waits to be accepted | accept, WSAAccept (unless it deferred) |
 * | FD_CONNECT | an attempt is over, with its code | the next attempt |
 * | FD_CLOSE | the peer has ended and everything has been received, or the connection broke, with its code | nothing |
 * | FD_QOS | a reservation was lost, or is there again, with its code | WSAIoctl with SIO_GET_QOS |
 * | FD_GROUP_QOS | the same, of the socket's group | WSAIoctl with SIO_GET_GROUP_QOS |
 *
 * A call enables its event whatever came of it: also a receive that failed, or that only looked (MSG_PEEK).
 *
 * FD_OOB can be asked for. Nothing tells it: there are no out-of-band bytes. FD_QOS and FD_GROUP_QOS are told only where
 * the network reserves, as the simulated one can.
 *
 * **Example** (Naming what happened)
 *
 * ```ts import.meta.vitest
 * import { NetworkEvent } from "@effect-winsock/core"
 *
 * NetworkEvent.names(NetworkEvent.FD_CONNECT | NetworkEvent.FD_WRITE) // => ["FD_WRITE", "FD_CONNECT"]
 * ```
 *
 * @since 0.1.0
 */
import type { QosEvent } from "./Provider.ts"
import type * as WsaError from "./WsaError.ts"

/**
 * Something can be received: bytes of a stream, a datagram, or a report about an earlier one. (A18)
 *
 * **Example** (Its number)
 *
 * ```ts import.meta.vitest
 * import { NetworkEvent } from "@effect-winsock/core"
 *
 * NetworkEvent.FD_READ // => 1
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const FD_READ = 1

/**
 * A send is possible: first when a connection came to be or a datagram socket got an address or a peer, then whenever a
 * send that failed with WSAEWOULDBLOCK would not any more. (A18)
 *
 * **Example** (Its number)
 *
 * ```ts import.meta.vitest
 * import { NetworkEvent } from "@effect-winsock/core"
 *
 * NetworkEvent.FD_WRITE // => 2
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const FD_WRITE = 2

/**
 * Out-of-band bytes. They do not exist here, so this is never told. (A18)
 *
 * **Example** (Its number)
 *
 * ```ts import.meta.vitest
 * import { NetworkEvent } from "@effect-winsock/core"
 *
 * NetworkEvent.FD_OOB // => 4
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const FD_OOB = 4

/**
 * A caller waits to be accepted. (A18)
 *
 * **Example** (Its number)
 *
 * ```ts import.meta.vitest
 * import { NetworkEvent } from "@effect-winsock/core"
 *
 * NetworkEvent.FD_ACCEPT // => 8
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const FD_ACCEPT = 8

/**
 * An attempt to connect is over; the error says with which code. Also for datagram sockets, whose connects are over at once. (A18)
 *
 * **Example** (Its number)
 *
 * ```ts import.meta.vitest
 * import { NetworkEvent } from "@effect-winsock/core"
 *
 * NetworkEvent.FD_CONNECT // => 16
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const FD_CONNECT = 16

/**
 * The peer has ended in order and everything has been received, or the connection broke; the error says with which code. (A18)
 *
 * **Example** (Its number)
 *
 * ```ts import.meta.vitest
 * import { NetworkEvent } from "@effect-winsock/core"
 *
 * NetworkEvent.FD_CLOSE // => 32
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const FD_CLOSE = 32

/**
 * The quality of service of the socket changed. (A18)
 *
 * **Example** (Its number)
 *
 * ```ts import.meta.vitest
 * import { NetworkEvent } from "@effect-winsock/core"
 *
 * NetworkEvent.FD_QOS // => 64
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const FD_QOS = 64

/**
 * The quality of service of the socket's group changed. (A18)
 *
 * **Example** (Its number)
 *
 * ```ts import.meta.vitest
 * import { NetworkEvent } from "@effect-winsock/core"
 *
 * NetworkEvent.FD_GROUP_QOS // => 128
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const FD_GROUP_QOS = 128

/**
 * Every event.
 *
 * **Example** (Asking for everything)
 *
 * ```ts import.meta.vitest
 * import { NetworkEvent } from "@effect-winsock/core"
 *
 * NetworkEvent.names(NetworkEvent.FD_ALL_EVENTS).length // => 8
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const FD_ALL_EVENTS = 255

const bits = { FD_READ, FD_WRITE, FD_OOB, FD_ACCEPT, FD_CONNECT, FD_CLOSE, FD_QOS, FD_GROUP_QOS }

/**
 * The name of an event.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = keyof typeof bits

/**
 * The names of the events that are joined in a number, in the order of their bits.
 *
 * **Example** (Naming one)
 *
 * ```ts import.meta.vitest
 * import { NetworkEvent } from "@effect-winsock/core"
 *
 * NetworkEvent.names(48) // => ["FD_CONNECT", "FD_CLOSE"]
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const names = (events: number): ReadonlyArray<Name> =>
  (Object.keys(bits) as Array<Name>).filter((name) => (events & bits[name]) !== 0)

/**
 * What an event has to say beyond having happened; a key is absent where it went well, or did not happen.
 *
 * @category models
 * @since 0.1.0
 */
export interface Errors {
  /** How the attempt failed. */
  readonly FD_CONNECT?: WsaError.ConnectResultError
  /** How the connection broke; absent for an orderly end. */
  readonly FD_CLOSE?: WsaError.RecvError
  /** What became of the reservation of the socket. */
  readonly FD_QOS?: QosError
  /** What became of the reservation of its group. */
  readonly FD_GROUP_QOS?: QosError
}

/**
 * What FD_QOS and FD_GROUP_QOS tell of a reservation: it is confirmed (again), or it was lost.
 *
 * @category models
 * @since 0.1.0
 */
export type QosError = WsaError.Instance<QosEvent>

/**
 * What happened to a socket since it was asked last: WSANETWORKEVENTS.
 *
 * @category models
 * @since 0.1.0
 */
export interface NetworkEvents {
  /** The events that happened, joined. */
  readonly lNetworkEvents: number
  /** Their errors. */
  readonly iErrorCode: Errors
}

/**
 * One event, as `WSAAsyncSelect` posts it.
 *
 * @category models
 * @since 0.1.0
 */
export interface NetworkMessage<out Socket> {
  /** The socket it happened to: the one that was selected, or one that was accepted from it. */
  readonly socket: Socket
  /** The event: one bit. */
  readonly event: number
  /** How the attempt failed (FD_CONNECT), the connection broke (FD_CLOSE), or what became of a reservation (FD_QOS). */
  readonly error: WsaError.ConnectResultError | WsaError.RecvError | QosError | undefined
}
