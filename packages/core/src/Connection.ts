/**
 * What a pipeline of connects yields: a connection to read from and to write to, whatever it goes through.
 *
 * A connection over a bare socket, through a proxy, or under TLS is the same kind of value. What it can fail with, beyond
 * what a socket can, is its type parameter.
 *
 * **Example** (Asking and reading the answer to its end)
 *
 * ```ts import.meta.vitest
 * import { Connection, Connector, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Stream } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:8080")
 *   yield* Winsock.listen(listener)
 *
 *   const client = yield* Connector.winsock.connect("127.0.0.1:8080")
 *   yield* client.write(new TextEncoder().encode("hello"))
 *   yield* client.end
 *
 *   const server = Connection.fromAccepted(yield* Winsock.accept(listener))
 *   return yield* Connection.stream(server).pipe(Stream.decodeText, Stream.mkString)
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "hello"
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import { hasProperty } from "effect/Predicate"
import type * as Pull from "effect/Pull"
import * as Sink from "effect/Sink"
import * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import * as EffectSocket from "./internal/effectSocket.ts"
import { afterCall } from "./internal/events.ts"
import { withoutGivingWay } from "./internal/givingWay.ts"
import * as Internal from "./internal/socket.ts"
import * as Qos from "./Qos.ts"
import * as SocketAddress from "./SocketAddress.ts"
import * as Winsock from "./Winsock.ts"
import * as WsaError from "./WsaError.ts"

/**
 * Runtime type identifier of connections.
 *
 * **Example** (Its value)
 *
 * ```ts import.meta.vitest
 * import { Connection } from "@effect-winsock/core"
 *
 * Connection.TypeId // => "~@effect-winsock/core/Connection"
 * ```
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~@effect-winsock/core/Connection"

/**
 * What reading can fail with, of every connection. It waits, also where its socket does not block: so there is no
 * WSAEWOULDBLOCK.
 *
 * @category errors
 * @since 0.1.0
 */
export type ReadError = Exclude<WsaError.RecvError, WsaError.WSAEWOULDBLOCK>

/**
 * What writing can fail with, of every connection.
 *
 * @category errors
 * @since 0.1.0
 */
export type WriteError = Exclude<WsaError.SendError, WsaError.WSAEWOULDBLOCK>

/**
 * What ending the own direction can fail with, of every connection.
 *
 * @category errors
 * @since 0.1.0
 */
export type EndError = WsaError.ShutdownError | WriteError

/**
 * How a connection ended.
 *
 * **Details**
 *
 * - `Ended`, by the peer: it had ended its direction before this side ended its own, or closed.
 * - `Ended`, by us: this side was first to end its direction, or closed while the peer had not ended.
 * - `Broken`: it broke with this error. Bytes that arrived before can still be read; then reads and writes fail with it.
 *
 * @category models
 * @since 0.1.0
 */
export type CloseReason<E = never> =
  | { readonly _tag: "Ended"; readonly by: "peer" | "us" }
  | { readonly _tag: "Broken"; readonly error: ReadError | E }

/**
 * A connection. `E`: what it can fail with beyond what its socket can.
 *
 * **Details**
 *
 * It is closed with the scope it was made in; calls that wait then end with WSAEINTR. Reads are answered in their order, and
 * so are writes. Once it is broken, it stays broken (R21): who wants to go on makes a new one.
 *
 * **Gotchas**
 *
 * Interrupting a read loses nothing: what has arrived is there for the next one. Interrupting a write that has handed bytes
 * down breaks the connection with WSAECONNABORTED, since nobody knows how much of them has gone.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection<out E = never> {
  readonly [TypeId]: typeof TypeId
  /**
   * The own address. It is looked up when it is first asked for: after the connection was closed it may be the all-zero
   * address.
   */
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
  /** Whether bytes have arrived that nobody has read: asked without reading any. */
  readonly unread: boolean
  /** How it ended; `undefined` while it goes on: while it neither broke nor was closed, and not both directions ended. */
  readonly closeReason: CloseReason<E> | undefined
  /** Waits until it is over, also where nobody reads, and tells how it ended. */
  readonly closed: Effect.Effect<CloseReason<E>>
}

/**
 * Tells whether a value is a connection.
 *
 * **Example** (Telling a connection from its socket)
 *
 * ```ts import.meta.vitest
 * import { Connection, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Winsock.socket({ family: "IPv4", type: "stream" }).pipe(
 *   Effect.map(Connection.isConnection),
 *   Effect.scoped,
 *   Effect.provide(Memory.layer())
 * )
 * await Effect.runPromise(program) // => false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isConnection = (u: unknown): u is Connection<unknown> => hasProperty(u, TypeId)

// ---------------------------------------------------------------------------------------------------------------------
// Making connections
// ---------------------------------------------------------------------------------------------------------------------

/** A call that waits, also on a socket that does not block: until the socket is ready, and then again. */
const patiently = <A, E extends WsaError.WsaError>(
  s: Winsock.Socket,
  set: "read" | "write",
  call: Effect.Effect<A, E>
): Effect.Effect<A, Exclude<E, WsaError.WSAEWOULDBLOCK>> => {
  const patient: Effect.Effect<A, Exclude<E, WsaError.WSAEWOULDBLOCK>> = Effect.catch(
    call,
    (error) =>
      error._tag === "WSAEWOULDBLOCK"
        // Where select fails the call says it better.
        ? Effect.andThen(Effect.ignore(Winsock.select({ [set]: [s] })), patient)
        : Effect.fail(error as Exclude<E, WsaError.WSAEWOULDBLOCK>)
  )
  return patient
}

const writeAll = (s: Winsock.Socket, bytes: Uint8Array): Effect.Effect<void, WriteError> =>
  Effect.flatMap(
    patiently(s, "write", Winsock.send(s, bytes)),
    // Only where the socket does not block.
    (sent) => sent < bytes.length ? writeAll(s, bytes.subarray(sent)) : Effect.void
  )

/** A connection over a bare socket. */
class SocketConnection implements Connection {
  readonly [TypeId]: typeof TypeId = TypeId
  private readonly connected: Winsock.Connected
  // What is made when it is first asked for, so that a connection costs little; functions that can be passed on by themselves.
  private known: SocketAddress.SocketAddress | undefined
  private reading: Connection["read"] | undefined
  private readingInto: Connection["readInto"] | undefined
  private readingLent: Connection["readLent"] | undefined
  private writing: Connection["write"] | undefined

  constructor(connected: Winsock.Connected) {
    this.connected = connected
  }

  get local() {
    return this.known ??= Internal.Socket.is(this.socket)
      ? this.socket.localOnceConnected()
      : SocketAddress.unspecified(this.socket.kind.family)
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
  get read() {
    return this.reading ??= patiently(this.socket, "read", Winsock.recv(this.socket))
  }
  get readInto() {
    return this.readingInto ??= (buffer) => patiently(this.socket, "read", Winsock.recv(this.socket, buffer))
  }
  get readLent() {
    return this.readingLent ??= (f) => patiently(this.socket, "read", Winsock.recvLent(this.socket, f))
  }
  get write() {
    return this.writing ??= (bytes) => writeAll(this.socket, bytes)
  }
  get end() {
    return Winsock.shutdown(this.socket, "send")
  }
  get unread() {
    return Internal.Socket.is(this.socket) && this.socket.bytes !== undefined && this.socket.bytes.length > 0
  }
  get closeReason() {
    return Internal.Socket.is(this.socket) ? reasonOf(this.socket, this.remote) : undefined
  }
  get closed() {
    return Internal.Socket.is(this.socket) ? awaitReason(this.socket, this.remote) : Effect.never
  }
}

const reasonOf = (socket: Internal.Socket, remote: SocketAddress.SocketAddress): CloseReason | undefined => {
  const ending = socket.ending()
  if (ending === undefined) return undefined
  return typeof ending === "string" ? { _tag: "Ended", by: ending } : {
    _tag: "Broken",
    error: WsaError.forCall("recv", ending.code, {
      stage: "receive",
      local: socket.localOnceConnected(),
      remote,
      native: ending.native
    }) as ReadError
  }
}

const awaitReason = (socket: Internal.Socket, remote: SocketAddress.SocketAddress): Effect.Effect<CloseReason> =>
  Effect.callback((resume) => {
    const now = reasonOf(socket, remote)
    if (now !== undefined) return resume(Effect.succeed(now))
    const watching = {
      look: () => {
        const reason = reasonOf(socket, remote)
        if (reason === undefined) return
        socket.removeWatching(watching)
        resume(afterCall(Effect.succeed(reason)))
      }
    }
    socket.addWatching(watching)
    return Effect.sync(() => socket.removeWatching(watching))
  })

/**
 * Makes a connection of what a connect gives.
 *
 * **When to use**
 *
 * Use where a socket was connected by calls, and is read and written as a connection from then on.
 *
 * **Example** (From the calls to a connection)
 *
 * ```ts import.meta.vitest
 * import { Connection, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:8080")
 *   yield* Winsock.listen(listener)
 *
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   const connection = Connection.fromConnected(yield* Winsock.WSAConnect(s, "127.0.0.1:8080"))
 *   yield* connection.end
 *   const { socket } = yield* Winsock.accept(listener)
 *   return (yield* Winsock.recv(socket)).length
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => 0
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConnected = (connected: Winsock.Connected): Connection => new SocketConnection(connected)

const noBytes = new Uint8Array(0)

/**
 * Makes a connection of what an accept gives.
 *
 * **Example** (The caller's address)
 *
 * ```ts import.meta.vitest
 * import { Connection, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Equal } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:8080")
 *   yield* Winsock.listen(listener)
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.connect(s, "127.0.0.1:8080")
 *
 *   const connection = Connection.fromAccepted(yield* Winsock.accept(listener))
 *   return Equal.equals(connection.remote, yield* Winsock.getsockname(s))
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromAccepted = ({ remote, socket }: Winsock.Accepted): Connection =>
  new SocketConnection({ socket, remote, calleeData: noBytes, applied: Qos.nothingApplied })

/**
 * How bytes go through a connection that is made over another one. What is absent is that of the one beneath.
 *
 * @category models
 * @since 0.1.0
 */
export interface Through<out E> {
  /** As {@link Connection.read}. */
  readonly read?: Connection<E>["read"] | undefined
  /** As {@link Connection.readInto}. */
  readonly readInto?: Connection<E>["readInto"] | undefined
  /** As {@link Connection.readLent}. */
  readonly readLent?: Connection<E>["readLent"] | undefined
  /** As {@link Connection.write}. */
  readonly write?: Connection<E>["write"] | undefined
  /** As {@link Connection.end}. */
  readonly end?: Connection<E>["end"] | undefined
  /** Whether bytes wait here, besides those that wait beneath, asked each time. */
  readonly unread?: (() => boolean) | undefined
  /** As {@link Connection.closeReason}, asked each time. */
  readonly closeReason?: (() => CloseReason<E> | undefined) | undefined
  /** As {@link Connection.closed}. */
  readonly closed?: Connection<E>["closed"] | undefined
  /** As {@link Connection.calleeData}. */
  readonly calleeData?: Uint8Array | undefined
  /** As {@link Connection.applied}. */
  readonly applied?: Qos.Applied | undefined
}

type ErrorOf<F, Known> = F extends (...args: any) => infer A ? ErrorOf<A, Known>
  : F extends Effect.Effect<any, infer E, any> ? Exclude<E, Known>
  : never

/**
 * What such ways fail with, beyond what every connection does.
 *
 * @category errors
 * @since 0.1.0
 */
export type ThroughError<T extends Through<unknown>> =
  | ErrorOf<T["read"] | T["readInto"] | T["readLent"], ReadError>
  | ErrorOf<T["write"], WriteError>
  | ErrorOf<T["end"], EndError>

/** A connection over another one. */
class Over<E> implements Connection<E> {
  readonly [TypeId]: typeof TypeId = TypeId
  private readonly under: Connection<E>
  private readonly through: Through<E>
  readonly readInto: Connection<E>["readInto"]
  readonly readLent: Connection<E>["readLent"]
  readonly write: Connection<E>["write"]

  constructor(under: Connection<E>, through: Through<E>) {
    this.under = under
    this.through = through
    this.readInto = through.readInto ?? ((buffer) => under.readInto(buffer))
    this.readLent = through.readLent ?? ((f) => under.readLent(f))
    this.write = through.write ?? ((bytes) => under.write(bytes))
  }

  get local() {
    return this.under.local
  }
  get remote() {
    return this.under.remote
  }
  get socket() {
    return this.under.socket
  }
  get calleeData() {
    return this.through.calleeData ?? this.under.calleeData
  }
  get applied() {
    return this.through.applied ?? this.under.applied
  }
  get read() {
    return this.through.read ?? this.under.read
  }
  get end() {
    return this.through.end ?? this.under.end
  }
  get unread() {
    return this.through.unread?.() === true || this.under.unread
  }
  get closeReason() {
    return this.through.closeReason === undefined ? this.under.closeReason : this.through.closeReason()
  }
  get closed() {
    return this.through.closed ?? this.under.closed
  }
}

/**
 * Makes a connection over another one: with its addresses and its socket, and other ways for the bytes.
 *
 * **When to use**
 *
 * Use to write a layer of your own, as TLS and proxies do: what has to be said first is said on the connection beneath, and
 * what is given back reads and writes through it.
 *
 * **Gotchas**
 *
 * What is made is to keep what every connection promises: reads and writes in their order, nothing lost where a read is
 * interrupted, and broken for good once it is broken. Closing the socket beneath ends what waits.
 *
 * **Example** (Writing in capitals)
 *
 * ```ts import.meta.vitest
 * import { Connection, Connector, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const shouting = (under: Connection.Connection): Connection.Connection =>
 *   Connection.over(under, {
 *     write: (bytes) => under.write(new TextEncoder().encode(new TextDecoder().decode(bytes).toUpperCase()))
 *   })
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:8080")
 *   yield* Winsock.listen(listener)
 *
 *   const client = shouting(yield* Connector.winsock.connect("127.0.0.1:8080"))
 *   yield* client.write(new TextEncoder().encode("hello"))
 *   const { socket } = yield* Winsock.accept(listener)
 *   return new TextDecoder().decode(yield* Winsock.recv(socket))
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "HELLO"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const over = <E, T extends Through<unknown>>(
  under: Connection<E>,
  through: T
): Connection<E | ThroughError<T>> => new Over<E | ThroughError<T>>(under, through as Through<E | ThroughError<T>>)

/** Bytes that are read before those of the connection beneath. */
class Head {
  private left: Uint8Array

  constructor(bytes: Uint8Array) {
    this.left = bytes
  }

  private take(most: number): Uint8Array {
    const taken = this.left.subarray(0, most)
    this.left = this.left.subarray(most)
    return taken
  }

  /** Reads of what is left, and of the connection beneath once that is nothing. */
  read<A, E>(most: number, f: (bytes: Uint8Array) => A, next: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.withFiber((fiber) =>
      this.left.length === 0 ? next : withoutGivingWay(
        fiber,
        // Another fiber may have read it meanwhile.
        Effect.suspend(() => this.left.length === 0 ? next : Effect.succeed(f(this.take(most))))
      )
    )
  }
}

/**
 * Puts bytes before all that is yet to be read of a connection.
 *
 * **When to use**
 *
 * Use to give back what was read too far, such as bytes of the target that arrived together with the answer of a proxy.
 *
 * **Details**
 *
 * The bytes are the connection's from then on: it hands them out without a copy.
 *
 * **Example** (Looking at the first line)
 *
 * ```ts import.meta.vitest
 * import { Connection, Connector, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:8080")
 *   yield* Winsock.listen(listener)
 *   const client = yield* Connector.winsock.connect("127.0.0.1:8080")
 *   yield* client.write(new TextEncoder().encode("ready\nhello"))
 *
 *   const accepted = Connection.fromAccepted(yield* Winsock.accept(listener))
 *   const bytes = yield* accepted.read
 *   const after = Connection.withHead(accepted, bytes.subarray(bytes.indexOf(10) + 1))
 *   return new TextDecoder().decode(yield* after.read)
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "hello"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withHead: {
  /**
   * Puts bytes before all that is yet to be read of a connection.
   */
  (bytes: Uint8Array): <E>(self: Connection<E>) => Connection<E>
  /**
   * Puts bytes before all that is yet to be read of a connection.
   */
  <E>(self: Connection<E>, bytes: Uint8Array): Connection<E>
} = dual(2, <E>(self: Connection<E>, bytes: Uint8Array): Connection<E> => {
  if (bytes.length === 0) return self
  const head = new Head(bytes)
  return new Over<E>(self, {
    read: head.read(Infinity, (bytes) => bytes, self.read),
    readInto: (buffer) =>
      head.read(
        buffer.length,
        (bytes) => {
          buffer.set(bytes)
          return bytes.length
        },
        self.readInto(buffer)
      ),
    readLent: (f) => head.read(Infinity, f, self.readLent(f))
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Streams
// ---------------------------------------------------------------------------------------------------------------------

const pullOf = <E>(self: Connection<E>): Pull.Pull<readonly [Uint8Array], ReadError | E> =>
  Effect.flatMap(
    self.read,
    (bytes): Pull.Pull<readonly [Uint8Array]> => bytes.length === 0 ? Cause.done() : Effect.succeed([bytes])
  )

/**
 * Gives what is read of a connection as a stream, which ends when the peer has ended its direction.
 *
 * **Details**
 *
 * It reads when it is asked to: what nobody takes holds the peer back. Running it again goes on where it was left.
 *
 * **Gotchas**
 *
 * Bytes that a stream has taken and not yet handed on are lost when the stream is interrupted. Where they must not be, read
 * by {@link Connection.read}.
 *
 * **Example** (Counting bytes)
 *
 * ```ts import.meta.vitest
 * import { Connection, Connector, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Stream } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:8080")
 *   yield* Winsock.listen(listener)
 *   const client = yield* Connector.winsock.connect("127.0.0.1:8080")
 *   yield* client.write(new Uint8Array(1000))
 *   yield* client.end
 *
 *   const server = Connection.fromAccepted(yield* Winsock.accept(listener))
 *   return yield* Stream.runFold(Connection.stream(server), () => 0, (sum, bytes) => sum + bytes.length)
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => 1000
 * ```
 *
 * @category streams
 * @since 0.1.0
 */
export const stream = <E>(self: Connection<E>): Stream.Stream<Uint8Array, ReadError | E> =>
  Stream.fromPull(Effect.succeed(pullOf(self)))

/**
 * Gives a sink that writes to a connection, and ends the own direction when the stream has come to its end.
 *
 * **Details**
 *
 * With `endOnDone: false` the direction stays open for what is written afterwards. A stream that fails ends nothing: the peer
 * is not to take half of it for the whole.
 *
 * **Example** (Writing a stream)
 *
 * ```ts import.meta.vitest
 * import { Connection, Connector, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Stream } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:8080")
 *   yield* Winsock.listen(listener)
 *   const client = yield* Connector.winsock.connect("127.0.0.1:8080")
 *   yield* Stream.make("one ", "two").pipe(Stream.encodeText, Stream.run(Connection.sink(client)))
 *
 *   const server = Connection.fromAccepted(yield* Winsock.accept(listener))
 *   return yield* Connection.stream(server).pipe(Stream.decodeText, Stream.mkString)
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "one two"
 * ```
 *
 * @category streams
 * @since 0.1.0
 */
export const sink = <E>(
  self: Connection<E>,
  options?: { readonly endOnDone?: boolean | undefined }
): Sink.Sink<void, Uint8Array, never, EndError | E> => {
  const writing = Sink.forEachArray((chunks: ReadonlyArray<Uint8Array>) =>
    Effect.forEach(chunks, (bytes) => self.write(bytes), { discard: true })
  )
  return options?.endOnDone === false ? writing : Sink.mapEffect(writing, () => self.end)
}

const carry = <E, E2>(
  from: Connection<E>,
  to: Connection<E2>
): Effect.Effect<void, ReadError | EndError | E | E2> => {
  const next: Effect.Effect<void, ReadError | EndError | E | E2> = Effect.flatMap(
    from.read,
    (bytes) => bytes.length === 0 ? to.end : Effect.flatMap(to.write(bytes), () => next)
  )
  return next
}

/**
 * Carries bytes between two connections, both ways, until both have ended.
 *
 * **When to use**
 *
 * Use to stand in between: a proxy, a tunnel, a recorder.
 *
 * **Details**
 *
 * Each direction is ended by itself: where one peer has ended, the other one reads to its end, and may go on answering. A
 * direction that fails ends both. Nothing is read of one before the other has taken what was read earlier.
 *
 * **Example** (A relay with one caller)
 *
 * ```ts import.meta.vitest
 * import { Connection, Connector, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const listen = Effect.fn(function*(port: number) {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(s, `127.0.0.1:${port}`)
 *   yield* Winsock.listen(s)
 *   return Effect.map(Winsock.accept(s), Connection.fromAccepted)
 * })
 *
 * const program = Effect.gen(function*() {
 *   const atServer = yield* listen(8080)
 *   const atRelay = yield* listen(8081)
 *   yield* Effect.forkChild(Effect.gen(function*() {
 *     const caller = yield* atRelay
 *     yield* Connection.relay(caller, yield* Connector.winsock.connect("127.0.0.1:8080"))
 *   }))
 *
 *   const client = yield* Connector.winsock.connect("127.0.0.1:8081")
 *   yield* client.write(new TextEncoder().encode("hello"))
 *   const server = yield* atServer
 *   yield* server.write(yield* server.read)
 *   return new TextDecoder().decode(yield* client.read)
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "hello"
 * ```
 *
 * @category streams
 * @since 0.1.0
 */
export const relay = <E, E2>(
  one: Connection<E>,
  other: Connection<E2>
): Effect.Effect<void, ReadError | EndError | E | E2> =>
  Effect.all([carry(one, other), carry(other, one)], { concurrency: 2, discard: true })

// ---------------------------------------------------------------------------------------------------------------------
// effect's Socket
// ---------------------------------------------------------------------------------------------------------------------

const notOver = <E>(self: Connection<E>): Effect.Effect<Connection<E>, Socket.SocketError> => {
  const reason = self.closeReason
  if (reason === undefined) return Effect.succeed(self)
  return Effect.fail(
    reason._tag === "Broken"
      ? EffectSocket.openError(reason.error)
      : new Socket.SocketError({ reason: new Socket.SocketCloseError({ code: 1000 }) })
  )
}

/**
 * Gives effect's Socket over a connection: what effect's RPC, and whatever else takes a Socket, runs over.
 *
 * **When to use**
 *
 * Use on the accepting side, and for a connection that is there already. `Connector.toSocket` makes one that connects, and
 * connects again.
 *
 * **Details**
 *
 * - A pull gives what one read does. The peer's orderly end is a `SocketCloseError` with code 1000, a failure a
 *   `SocketReadError` whose `cause` is ours.
 * - When the scope of the reader ends the connection is closed, and a pull that waits fails with code 1006. So the reader can
 *   be acquired once; after that it fails with code 1000, or with a `SocketOpenError` where the connection broke.
 * - A write that is given up goes on: others write to the same connection, and it is not to break. The bytes of a write are
 *   the socket's until it ends. A close event closes the connection, and the reader fails with its code.
 * - Releasing the writer ends the own direction, behind all that was written.
 *
 * - `upgrade` begins TLS in the middle, with the `Tls` that is around where the Socket is made: as a client, or as a server
 *   with `tlsServer`. What goes wrong is the `cause` of a `SocketUpgradeError`, and the connection is closed then. Without a
 *   `Tls`, and a second time, it fails.
 *
 * **Example** (Pulling)
 *
 * ```ts import.meta.vitest
 * import { Connection, Connector, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Stream } from "effect"
 * import { Socket } from "effect/socket"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:8080")
 *   yield* Winsock.listen(listener)
 *   const client = yield* Connector.winsock.connect("127.0.0.1:8080")
 *   yield* client.write(new TextEncoder().encode("hello"))
 *   yield* client.end
 *
 *   const socket = yield* Connection.toSocket(Connection.fromAccepted(yield* Winsock.accept(listener)))
 *   return yield* Socket.toStream(socket).pipe(
 *     Stream.catchReason("SocketError", "SocketCloseError", () => Stream.empty),
 *     Stream.decodeText,
 *     Stream.mkString
 *   )
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "hello"
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const toSocket = <E>(
  self: Connection<E>,
  options?: { readonly tlsServer?: boolean | undefined }
): Effect.Effect<Socket.Socket> =>
  EffectSocket.make(Effect.suspend(() => notOver(self)), {
    closes: true,
    side: options?.tlsServer === true ? "server" : "client"
  })
