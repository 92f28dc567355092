/**
 * The options that getsockopt reads and setsockopt writes, each with the type of its value.
 *
 * **Details**
 *
 * An option belongs to a type of socket. One that the socket does not have, or that its provider cannot set, ends with
 * WSAENOPROTOOPT (A14). Options that can only be read are no `Settable`: setting one does not compile.
 *
 * **Example** (Reading the type of a socket)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.SO_TYPE.name // => "SO_TYPE"
 * ```
 *
 * @since 0.1.0
 */
import type { ProtocolInfo } from "./ProtocolInfo.ts"

/**
 * An option that can be read.
 *
 * @category models
 * @since 0.1.0
 */
export interface SocketOption<out A> {
  /** Winsock's name of the option. */
  readonly name: string
  /** Carries the type of the value; there is nothing in it. */
  readonly _A?: (() => A) | undefined
}

/**
 * An option that can be read and set.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settable<in out A> extends SocketOption<A> {
  /** Tells an option that can be set from one that cannot. */
  readonly settable: (value: A) => void
}

const readable = <A>(name: string): SocketOption<A> => ({ name })
const settable = <A>(name: string): Settable<A> => ({ name, settable: () => undefined })

/**
 * Whether the socket is a stream or a datagram one. Every socket has it. (A14)
 *
 * **Example** (Naming the option)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.SO_TYPE.name // => "SO_TYPE"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_TYPE: SocketOption<"stream" | "datagram"> = readable("SO_TYPE")

/**
 * The number of the code with which the last non-blocking connect failed, 0 where none did. Reading does not clear
 * it: it stays until a later connect succeeds. A connect that failed while its caller waited leaves 0. (A12)
 *
 * **Gotchas**
 *
 * A code that no row of the table knows reads as 4294967295.
 *
 * **Example** (Naming the option)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.SO_ERROR.name // => "SO_ERROR"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_ERROR: SocketOption<number> = readable("SO_ERROR")

/**
 * Whether a stream socket listens. (A05)
 *
 * **Example** (Naming the option)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.SO_ACCEPTCONN.name // => "SO_ACCEPTCONN"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_ACCEPTCONN: SocketOption<boolean> = readable("SO_ACCEPTCONN")

/**
 * For how many whole seconds a stream has been connected; 4294967295 (all ones) where it is not, and on every
 * datagram socket. Time is that of Effect's Clock. (A13)
 *
 * **Example** (Naming the option)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.SO_CONNECT_TIME.name // => "SO_CONNECT_TIME"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_CONNECT_TIME: SocketOption<number> = readable("SO_CONNECT_TIME")

/**
 * The group that the socket is in, 0 for none; other sockets join it by this number. (A01)
 *
 * **Example** (Naming the option)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.SO_GROUP_ID.name // => "SO_GROUP_ID"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_GROUP_ID: SocketOption<number> = readable("SO_GROUP_ID")

/**
 * The priority of the socket within its group: a whole number, 0 at first. It is kept and given back, and no provider
 * does anything by it (A14).
 *
 * **Example** (Setting it)
 *
 * ```ts import.meta.vitest
 * import { SocketOption, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream", group: Winsock.SG_UNCONSTRAINED_GROUP })
 *   yield* Winsock.setsockopt(s, SocketOption.SO_GROUP_PRIORITY, 7)
 *   return yield* Winsock.getsockopt(s, SocketOption.SO_GROUP_PRIORITY)
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => 7
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_GROUP_PRIORITY: Settable<number> = settable("SO_GROUP_PRIORITY")

/**
 * The row of `WSAEnumProtocols` that the socket belongs to. Every socket has it. (A14)
 *
 * **Example** (Naming the option)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.SO_PROTOCOL_INFO.name // => "SO_PROTOCOL_INFO"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_PROTOCOL_INFO: SocketOption<ProtocolInfo> = readable("SO_PROTOCOL_INFO")

/**
 * The longest datagram in bytes that the provider carries. Datagram sockets have it. (A14)
 *
 * **Example** (Naming the option)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.SO_MAX_MSG_SIZE.name // => "SO_MAX_MSG_SIZE"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_MAX_MSG_SIZE: SocketOption<number> = readable("SO_MAX_MSG_SIZE")

/**
 * Whether a datagram socket may connect and send to a broadcast address; `false` at first. Without it both end
 * with WSAEACCES. (R10, E20)
 *
 * **Example** (Naming the option)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.SO_BROADCAST.name // => "SO_BROADCAST"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_BROADCAST: Settable<boolean> = settable("SO_BROADCAST")

/**
 * Whether bind may take an address that another socket with this option has; `false` at first. WSAEINVAL together
 * with SO_EXCLUSIVEADDRUSE. (A14)
 *
 * **Example** (Naming the option)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.SO_REUSEADDR.name // => "SO_REUSEADDR"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_REUSEADDR: Settable<boolean> = settable("SO_REUSEADDR")

/**
 * Whether nobody else may have the address of this socket; `false` at first. Set before bind, WSAEINVAL afterwards
 * or together with SO_REUSEADDR. (A14)
 *
 * **Gotchas**
 *
 * It is kept among the sockets of one instance. Whether other programs are kept off too, the provider says with
 * `exclusiveBind` of its capabilities.
 *
 * **Example** (Naming the option)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.SO_EXCLUSIVEADDRUSE.name // => "SO_EXCLUSIVEADDRUSE"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_EXCLUSIVEADDRUSE: Settable<boolean> = settable("SO_EXCLUSIVEADDRUSE")

/**
 * Whether a stream asks a silent peer for a sign of life; `false` at first. How often is the provider's. (A14)
 *
 * **Example** (Naming the option)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.SO_KEEPALIVE.name // => "SO_KEEPALIVE"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_KEEPALIVE: Settable<boolean> = settable("SO_KEEPALIVE")

/**
 * Whether a TCP stream sends small pieces at once instead of gathering them; `false` at first. (A14)
 *
 * **Example** (Naming the option)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.TCP_NODELAY.name // => "TCP_NODELAY"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const TCP_NODELAY: Settable<boolean> = settable("TCP_NODELAY")

/**
 * Whether an IPv6 socket leaves IPv4 alone; `true` at first, as on Windows. Off, it also reaches IPv4-mapped
 * addresses. Set before bind, WSAEINVAL afterwards. (A14)
 *
 * **Example** (Naming the option)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.IPV6_V6ONLY.name // => "IPV6_V6ONLY"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const IPV6_V6ONLY: Settable<boolean> = settable("IPV6_V6ONLY")

/**
 * What SO_LINGER takes: Winsock's LINGER.
 *
 * @category models
 * @since 0.1.0
 */
export interface Linger {
  /** Whether the close of the socket lingers at all. */
  readonly l_onoff: boolean
  /** For how many seconds, from 0 to 65535. 0: not at all, the connection is reset. */
  readonly l_linger: number
}

/**
 * What the close of a connected stream does with bytes that have been handed over and not been taken yet; off at first,
 * so that they go their way while the close does not wait for it. Accepted sockets inherit it. (A11, A14, A06)
 *
 * **Details**
 *
 * | `l_onoff` | `l_linger` | the close |
 * | --- | --- | --- |
 * | `false` | any | is graceful, and does not wait |
 * | `true` | 0 | resets the connection, and drops what is unsent |
 * | `true` | more | waits until all has been taken, and resets the connection after so many seconds |
 *
 * The end of a scope lingers as `closesocket` does on a blocking socket, and cannot be interrupted meanwhile. On a
 * non-blocking socket with unsent bytes `closesocket` fails with WSAEWOULDBLOCK, and closes nothing. Leaving the layer
 * resets whatever is left.
 *
 * **Gotchas**
 *
 * Taken means: by the stack below. What it has taken it sends on by itself, whatever this option says. A Unix-domain
 * stream has no reset: its peer meets the end.
 *
 * **Example** (Closing with a reset)
 *
 * ```ts import.meta.vitest
 * import { SocketOption, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.connect(s, "127.0.0.1:80")
 *   const { socket: server } = yield* Winsock.accept(listener)
 *   yield* Winsock.setsockopt(s, SocketOption.SO_LINGER, { l_onoff: true, l_linger: 0 })
 *   yield* Winsock.closesocket(s)
 *   return (yield* Effect.flip(Winsock.recv(server)))._tag
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "WSAECONNRESET"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_LINGER: Settable<Linger> = settable("SO_LINGER")

/**
 * For how many milliseconds a blocking recv or recvfrom waits before it fails with WSAETIMEDOUT, with nothing taken;
 * 0, as at first, for without end. Time is that of Effect's Clock. Accepted sockets inherit it. (A14, A06)
 *
 * **Example** (Not waiting for ever)
 *
 * ```ts import.meta.vitest
 * import { SocketOption, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
 *   yield* Winsock.bind(s, "127.0.0.1:0")
 *   yield* Winsock.setsockopt(s, SocketOption.SO_RCVTIMEO, 10)
 *   return (yield* Effect.flip(Winsock.recv(s)))._tag
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "WSAETIMEDOUT"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_RCVTIMEO: Settable<number> = settable("SO_RCVTIMEO")

/**
 * For how many milliseconds a blocking send on a stream waits before it fails with WSAETIMEDOUT; 0, as at first, for
 * without end. Time is that of Effect's Clock. Accepted sockets inherit it. (A14, A06)
 *
 * **Gotchas**
 *
 * A send that has handed bytes down when its time is over breaks the connection, with WSAECONNABORTED for all later
 * calls: nobody knows how much of them has gone. One that still waits for another send changes nothing. Datagrams are
 * never waited for so long, and a connect is not a send: see {@link TCP_MAXRTMS}.
 *
 * **Example** (Naming the option)
 *
 * ```ts import.meta.vitest
 * import { SocketOption } from "@effect-winsock/core"
 *
 * SocketOption.SO_SNDTIMEO.name // => "SO_SNDTIMEO"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const SO_SNDTIMEO: Settable<number> = settable("SO_SNDTIMEO")

/**
 * For how many milliseconds an attempt of a TCP stream to connect may go on before it fails with WSAETIMEDOUT, blocking
 * or not; 0, as at first, leaves it to the stack. It counts for attempts that begin after it was set, each by itself. The
 * socket can connect again, as after any such failure (R26). Time is that of Effect's Clock. (A14, E18)
 *
 * **Gotchas**
 *
 * On Windows it also bounds the retransmissions of an established connection; here it does not.
 *
 * **Example** (Giving an attempt up)
 *
 * ```ts import.meta.vitest
 * import { SocketOption, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const memory = yield* Memory.Memory
 *   memory.blackhole("127.0.0.1:80")
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.setsockopt(s, SocketOption.TCP_MAXRTMS, 10)
 *   return (yield* Effect.flip(Winsock.WSAConnect(s, "127.0.0.1:80")))._tag
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "WSAETIMEDOUT"
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export const TCP_MAXRTMS: Settable<number> = settable("TCP_MAXRTMS")
