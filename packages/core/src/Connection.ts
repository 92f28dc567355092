/**
 * What a pipeline of connects yields: a connection to read from and to write to, whatever it goes through.
 *
 * A connection over a bare socket, through a proxy, or under TLS is the same kind of value. What it can fail with, beyond
 * what a socket can, is its type parameter.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type * as Qos from "./Qos.ts"
import type * as SocketAddress from "./SocketAddress.ts"
import * as Winsock from "./Winsock.ts"
import type * as WsaError from "./WsaError.ts"

/**
 * Runtime type identifier of connections.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~@effect-winsock/core/Connection"

/**
 * What reading can fail with, of every connection.
 *
 * @category errors
 * @since 0.1.0
 */
export type ReadError = WsaError.RecvError

/**
 * What writing can fail with, of every connection.
 *
 * @category errors
 * @since 0.1.0
 */
export type WriteError = WsaError.SendError

/**
 * What ending the own direction can fail with, of every connection.
 *
 * @category errors
 * @since 0.1.0
 */
export type EndError = WsaError.ShutdownError | WsaError.SendError

/**
 * A connection. `E`: what it can fail with beyond what its socket can.
 *
 * **Details**
 *
 * It is closed with the scope it was made in. Reads are answered in their order, and so are writes. Once it is broken, it
 * stays broken (R21).
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection<out E = never> {
  readonly [TypeId]: typeof TypeId
  /** The own address. */
  readonly local: SocketAddress.SocketAddress
  /** Whom the socket is connected to: the first hop, where there are several. */
  readonly remote: SocketAddress.SocketAddress
  /** The socket beneath everything. */
  readonly socket: Winsock.Socket
  /** What the peer passed back as it accepted; empty where it passed nothing. */
  readonly calleeData: Uint8Array
  /** What was really done of the QOS. */
  readonly applied: Qos.Applied
  /** Waits for bytes, and gives them as the caller's own. No bytes: the peer has ended its direction, for good. */
  readonly read: Effect.Effect<Uint8Array, ReadError | E>
  /** Waits for bytes, puts them into a buffer, and gives how many; 0: the peer has ended its direction, for good. */
  readonly readInto: (buffer: Uint8Array) => Effect.Effect<number, ReadError | E>
  /** Waits for bytes, and lends them to a function for the time of its call; no bytes: the peer has ended its direction. */
  readonly readLent: <A>(f: (lent: Uint8Array) => A) => Effect.Effect<A, ReadError | E>
  /** Writes all of the bytes; ends when the stack has taken them, which is how a slow peer holds the writer back. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, WriteError | E>
  /** Ends the own direction: the peer reads to the end of what was written. The other direction goes on. */
  readonly end: Effect.Effect<void, EndError | E>
}

/**
 * Tells whether a value is a connection.
 *
 * @category guards
 * @since 0.1.0
 */
export const isConnection = (u: unknown): u is Connection<unknown> => hasProperty(u, TypeId)

/** A connection over a bare socket. */
class SocketConnection implements Connection {
  readonly [TypeId]: typeof TypeId = TypeId
  readonly local: SocketAddress.SocketAddress
  private readonly connected: Winsock.Connected
  readonly read: Effect.Effect<Uint8Array, ReadError>

  constructor(connected: Winsock.Connected, local: SocketAddress.SocketAddress) {
    this.connected = connected
    this.local = local
    this.read = Winsock.recv(connected.socket)
  }

  get remote() {
    return this.connected.remote
  }
  get socket() {
    return this.connected.socket
  }
  get calleeData() {
    return this.connected.calleeData
  }
  get applied() {
    return this.connected.applied
  }
  readInto(buffer: Uint8Array) {
    return Winsock.recv(this.socket, buffer)
  }
  readLent<A>(f: (lent: Uint8Array) => A) {
    return Winsock.recvLent(this.socket, f)
  }
  write(bytes: Uint8Array): Effect.Effect<void, WriteError> {
    return Effect.flatMap(
      Winsock.send(this.socket, bytes),
      (sent) => sent < bytes.length ? this.write(bytes.subarray(sent)) : Effect.void
    )
  }
  get end() {
    return Winsock.shutdown(this.socket, "send")
  }
}

/**
 * Makes a connection of a socket that is connected.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConnected = (
  connected: Winsock.Connected
): Effect.Effect<Connection, WsaError.GetsocknameError> =>
  Effect.map(Winsock.getsockname(connected.socket), (local) => new SocketConnection(connected, local))
