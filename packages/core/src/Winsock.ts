/**
 * The calls: WSAConnect and its kin as Effects, under the names they have in Winsock.
 *
 * A program makes a socket, connects it, and exchanges bytes; each call's failure type is the union of exactly the codes
 * it can end with. What a call does is decided in core and is the same on every provider: Node's real sockets, the
 * in-memory one of `@effect-winsock/testing`, or a simulated network.
 *
 * **Details**
 *
 * - `Winsock` is required to make a socket. The socket carries its instance, so calls on it require nothing.
 * - Providing the layer is the start-up (WSAStartup, version 2.2); leaving its scope is the clean-up: it closes every
 *   socket, and any call afterwards fails with WSANOTINITIALISED (E01).
 * - A blocking call suspends its fiber, never the thread. Interrupting a fiber that connects abandons the attempt and
 *   leaves the socket as a refused one (R26). Interrupting a fiber whose send has handed bytes down breaks the
 *   connection with WSAECONNABORTED; before that, and in a receive, it changes nothing.
 * - Where several errors apply, the first of this order holds: not started, network down, not a socket, a call in
 *   progress, the address does not decode, its family, the socket's state, what the address says, what goes along.
 *
 * **Example** (Talking to oneself)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:0")
 *   yield* Winsock.listen(listener)
 *
 *   const client = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.WSAConnect(client, yield* Winsock.getsockname(listener))
 *   const { socket: server } = yield* Winsock.accept(listener)
 *
 *   yield* Winsock.send(client, new TextEncoder().encode("hello"))
 *   return new TextDecoder().decode(yield* Winsock.recv(server))
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "hello"
 * ```
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as InstanceState from "./internal/instanceState.ts"
import * as Internal from "./internal/socket.ts"
import * as SocketState from "./internal/socketState.ts"
import type * as Provider from "./Provider.ts"
import * as Qos from "./Qos.ts"
import type * as SocketAddress from "./SocketAddress.ts"
import type * as SocketOption from "./SocketOption.ts"
import * as UserData from "./UserData.ts"
import * as WsaError from "./WsaError.ts"

/**
 * A running instance of Winsock: what a start-up gives.
 *
 * **When to use**
 *
 * Use as the requirement of a program that makes sockets; provide it with the layer of a provider, such as
 * `NodeWinsock.layer` or `Memory.layer()`.
 *
 * **Example** (Asking what the provider can do)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Winsock.Winsock.use((winsock) =>
 *   Effect.succeed(winsock.capabilities({ family: "IPv4", type: "datagram", direction: "both" }).maxMessage)
 * )
 * await Effect.runPromise(program.pipe(Effect.provide(Memory.layer()))) // => 65507
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Winsock extends Context.Service<Winsock, {
  /** The name of the provider. */
  readonly provider: string
  /** The negotiated version, high byte first: 0x0202 is 2.2. */
  readonly version: number
  /** What the provider can do for a kind of socket, before anyone asks it to. */
  readonly capabilities: (kind: Provider.Kind) => Provider.Capabilities
}>()("@effect-winsock/core/Winsock") {}

// The service as its users see it, and the instance behind it.
const instances = new WeakMap<Winsock["Service"], Internal.Instance>()

/**
 * Starts an instance on a provider (WSAStartup, 2.2), and cleans it up when the scope of the layer ends.
 *
 * **When to use**
 *
 * Use to make the layer of a provider of your own. Programs take a ready one.
 *
 * **Details**
 *
 * Fails with WSASYSNOTREADY where the provider's network is down (E02). The clean-up closes every socket that is still
 * open, waits until nothing is held any more, and makes every later call fail with WSANOTINITIALISED (E01). Time is that
 * of the Clock that the layer is built with.
 *
 * **Example** (Starting on a provider of one's own)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Winsock.Winsock.use((winsock) => Effect.succeed(winsock.version))
 * const layer = Winsock.layer(Memory.make().provider)
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => 0x0202
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (provider: Provider.Provider): Layer.Layer<Winsock, WsaError.WSAStartupError> =>
  Layer.effect(
    Winsock,
    Effect.gen(function*() {
      const state = InstanceState.start(provider.network())
      if (state === "WSASYSNOTREADY") {
        return yield* Effect.fail(WsaError.forCall("WSAStartup", state, {
          stage: "request",
          detail: `the provider "${provider.name}" says that its network is down`
        }))
      }
      const instance = new Internal.Instance(provider, yield* Clock.Clock, state)
      const service = Winsock.of({
        provider: provider.name,
        version: state.version,
        capabilities: (kind) => provider.capabilities(kind)
      })
      instances.set(service, instance)
      yield* Effect.addFinalizer(() => instance.leave)
      return service
    })
  )

/**
 * A socket. It is opaque: what is known of it is asked with the calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface Socket {
  /** What the socket is. */
  readonly kind: Provider.Kind
}

/**
 * What a successful connect gives.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connected {
  /** The socket that was connected. */
  readonly socket: Socket
  /** The peer; the all-zero address after a datagram socket was dis-connected (R07). */
  readonly remote: SocketAddress.SocketAddress
  /** What the peer passed back; empty where it passed nothing, or nothing was asked for (R13, R14). */
  readonly calleeData: Uint8Array
}

/**
 * What a successful accept gives.
 *
 * @category models
 * @since 0.1.0
 */
export interface Accepted {
  /** A new socket, connected to the caller. */
  readonly socket: Socket
  /** The caller. */
  readonly remote: SocketAddress.SocketAddress
}

/**
 * What `socket` is asked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface SocketOptions {
  /** The address family. */
  readonly family: SocketAddress.Family
  /** A connection, or messages. */
  readonly type: "stream" | "datagram"
  /** The protocol; it follows from the type where it is absent. */
  readonly protocol?: "tcp" | "udp" | undefined
  /** `"send"` or `"receive"` for a unidirectional socket; `"both"` where it is absent (R17). */
  readonly direction?: "both" | "send" | "receive" | undefined
}

/**
 * Makes a socket, which is closed with the scope it was made in.
 *
 * **Details**
 *
 * It takes nothing of the system before it is bound, connected or listening. Fails with WSAESOCKTNOSUPPORT for an
 * unknown type and for Unix-domain datagrams, WSAEAFNOSUPPORT for an unknown family, WSAEPROTONOSUPPORT for an unknown
 * protocol, WSAEPROTOTYPE for one that does not fit the type, WSAEINVAL for an unknown direction (A01).
 *
 * **Example** (Asking for a protocol that does not fit)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Winsock.socket({ family: "IPv4", type: "stream", protocol: "udp" }).pipe(
 *   Effect.flip,
 *   Effect.map((error) => error._tag),
 *   Effect.scoped,
 *   Effect.provide(Memory.layer())
 * )
 * await Effect.runPromise(program) // => "WSAEPROTOTYPE"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const socket = (
  options: SocketOptions
): Effect.Effect<Socket, WsaError.SocketError, Winsock | Scope.Scope> =>
  Effect.contextWith((context: Context.Context<Winsock | Scope.Scope>) => {
    const instance = instances.get(Context.get(context, Winsock))
    return instance === undefined
      ? Effect.fail(WsaError.forCall("socket", "WSANOTINITIALISED", {
        stage: "request",
        detail: "the Winsock service was not made by Winsock.layer"
      }))
      : Internal.makeSocket(instance, options, Context.get(context, Scope.Scope))
  })

const onSocket = <A, E>(
  call: WsaError.Call,
  s: Socket,
  f: (socket: Internal.Socket) => Effect.Effect<A, E>
): Effect.Effect<A, E> => Effect.suspend(() => Internal.Socket.is(s) ? f(s) : Internal.notASocket(call, s))

// A fiber gives way after so many steps, and can be interrupted there. So that this is never between what a call has
// taken and its answer, which would be lost, the fiber gives way before it calls.
const stepsOfCall = 2

const waitOnSocket = <A, E>(
  call: WsaError.Call,
  s: Socket,
  f: (
    socket: Internal.Socket,
    resume: (answer: Effect.Effect<A, E>) => void
  ) => void | Effect.Effect<void>
): Effect.Effect<A, E> =>
  Effect.withFiber((fiber) => {
    const wait = Effect.callback<A, E>((resume) =>
      Internal.Socket.is(s) ? f(s, resume) : resume(Internal.notASocket(call, s))
    )
    return fiber.currentOpCount + stepsOfCall < fiber.cache.maxOpsBeforeYield
      ? wait
      : Effect.flatMap(Effect.yieldNow, () => wait)
  })

/**
 * Gives a socket a local address.
 *
 * **Details**
 *
 * Port 0 chooses a free one, which stays. Fails with WSAEINVAL for a socket that is bound already, WSAEADDRINUSE where
 * the address is taken, also by another socket of the same instance, WSAEADDRNOTAVAIL where it is not one of this
 * machine, WSAEFAULT where it does not decode, WSAEAFNOSUPPORT where it is of another family, WSAEACCES where the system
 * does not allow it, WSAENOBUFS where ports or descriptors are used up (A02, E03, E14).
 *
 * **Example** (Binding twice)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(s, "127.0.0.1:0")
 *   return (yield* Effect.flip(Winsock.bind(s, "127.0.0.1:0")))._tag
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "WSAEINVAL"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const bind = (s: Socket, address: SocketAddress.Input): Effect.Effect<void, WsaError.BindError> =>
  onSocket("bind", s, (socket) => socket.bind(Internal.nameOf(address)))

/**
 * Connects a socket: WSAConnect without anything that goes along.
 *
 * **When to use**
 *
 * Use where no connect data and no QOS are wanted, whatever layers say: what is ambient is not looked at.
 *
 * **Details**
 *
 * See {@link WSAConnect} for what it does and fails with.
 *
 * **Example** (Retrying by code)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   let attempts = 0
 *   yield* Effect.suspend(() => {
 *     attempts++
 *     return Winsock.connect(s, "127.0.0.1:9")
 *   }).pipe(
 *     Effect.retry({ while: (error) => error._tag === "WSAECONNREFUSED", times: 2 }),
 *     Effect.catchTag("WSAECONNREFUSED", () => Effect.void)
 *   )
 *   return attempts
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => 3
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const connect = (s: Socket, address: SocketAddress.Input): Effect.Effect<Connected, WsaError.ConnectError> =>
  waitOnSocket(
    "connect",
    s,
    (socket, resume) => socket.connect("connect", Internal.nameOf(address), SocketState.noConnectData, resume)
  )

/**
 * What goes along with a WSAConnect. A field that is absent is taken from the layers around; `null` means none.
 *
 * @category models
 * @since 0.1.0
 */
export interface WSAConnectOptions {
  /** Data to send along with the request (R12); the ambient one is `UserData.CallerData`. */
  readonly callerData?: Uint8Array | null | undefined
  /** Room in bytes for what comes back (R13); the ambient one is `UserData.CalleeCapacity`. */
  readonly calleeData?: number | null | undefined
  /** The quality of service of the socket (R16, R19); the ambient one is `Qos.SocketQos`. */
  readonly sqos?: Qos.Qos | null | undefined
  /** The quality of service of its group: ignored, since no socket has made a group (R20). */
  readonly gqos?: Qos.Qos | null | undefined
}

const isCapacity = Schema.is(UserData.Capacity)
const decodeQos = Schema.decodeUnknownOption(Qos.Qos)

const demandOf = (
  socket: Internal.Socket,
  sqos: unknown,
  gqos: unknown
): SocketState.ConnectData["qos"] => {
  if (sqos === undefined && gqos === undefined) return "none"
  const own = sqos === undefined ? Option.none() : decodeQos(sqos)
  const bad = (sqos !== undefined && Option.isNone(own)) || (gqos !== undefined && Option.isNone(decodeQos(gqos)))
  if (bad) return "undecodable"
  return Option.isSome(own) && Qos.isDemanding(own.value, socket.kind.direction) ? "demanding" : "none"
}

const connectData = (
  socket: Internal.Socket,
  context: Context.Context<never>,
  options: WSAConnectOptions
): SocketState.ConnectData => {
  const callerData = options.callerData === undefined ? Context.get(context, UserData.CallerData) : options.callerData
  const capacity = options.calleeData === undefined ? Context.get(context, UserData.CalleeCapacity) : options.calleeData
  const sqos = options.sqos === undefined ? Context.get(context, Qos.SocketQos) : options.sqos
  const qos = demandOf(socket, sqos ?? undefined, options.gqos ?? undefined)
  if ((callerData ?? undefined) === undefined && (capacity ?? 0) === 0 && qos === "none") {
    return SocketState.noConnectData
  }
  return {
    callerData: callerData === undefined || callerData === null
      ? undefined
      : callerData instanceof Uint8Array
      ? callerData
      : "undecodable",
    calleeCapacity: capacity === null ? 0 : isCapacity(capacity) ? capacity : "undecodable",
    qos
  }
}

const none: WSAConnectOptions = {}

/**
 * Connects a socket to a peer, with what is to go along: user data and a quality of service.
 *
 * **Details**
 *
 * A stream: begins a connection. On a blocking socket the effect ends when the attempt does (R22); an unbound socket is
 * bound by it (R01). On a non-blocking one it fails with WSAEWOULDBLOCK as soon as the stack has the attempt, which
 * goes on (R23); {@link connectResult} tells what became of it. Interrupting a blocking one gives the attempt up. After
 * a failure or an interruption the same socket can connect again, from the same port (R26).
 *
 * A datagram socket: sets the default peer, again and again (R05, R08); only its datagrams are received (R06), and those
 * that wait are discarded where the peer is a new one (R09). The all-zero address dis-connects (R07).
 *
 * It fails with
 *
 * - WSAECONNREFUSED, WSAETIMEDOUT, WSAENETUNREACH, WSAEHOSTUNREACH, WSAEHOSTDOWN, WSAECONNRESET, WSAECONNABORTED,
 *   WSAEPROTOTYPE, WSAEACCES, WSAENOBUFS where the stack says so (E09, E13, E14, E18);
 * - WSAEFAULT for an address or an argument that does not decode (E10), WSAEAFNOSUPPORT for another family (E08);
 * - WSAEINVAL on a listening socket (E11), WSAEALREADY while an attempt is pending (R25, E06), WSAEISCONN on a connected
 *   or broken stream (R04, R21);
 * - WSAEADDRNOTAVAIL for the all-zero address or port 0 of a stream (R03, E07), WSAEACCES for a datagram's broadcast
 *   address without SO_BROADCAST (R10, E20), WSAEADDRINUSE where the local address is taken (E03);
 * - WSAEPROTONOSUPPORT for caller data that the provider cannot carry (E17), WSAEOPNOTSUPP for a QOS that it cannot
 *   honour (R16, E16);
 * - WSAEINTR when the socket is closed meanwhile (E04); WSAENOTSOCK, WSANOTINITIALISED, WSAENETDOWN, WSAEINPROGRESS.
 *
 * **Example** (Meeting a refusal)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.WSAConnect(s, "127.0.0.1:9")
 *   return "connected"
 * }).pipe(
 *   Effect.catchTag("WSAECONNREFUSED", (error) => Effect.succeed(`refused: ${error.number}`)),
 *   Effect.scoped,
 *   Effect.provide(Memory.layer())
 * )
 *
 * await Effect.runPromise(program) // => "refused: 10061"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSAConnect = (
  s: Socket,
  address: SocketAddress.Input,
  options: WSAConnectOptions = none
): Effect.Effect<Connected, WsaError.WSAConnectError> =>
  Effect.contextWith((context: Context.Context<never>) =>
    waitOnSocket(
      "WSAConnect",
      s,
      (socket, resume) =>
        socket.connect("WSAConnect", Internal.nameOf(address), connectData(socket, context, options), resume)
    )
  )

/**
 * Tells what became of the last attempt to connect: the connection, or the code it failed with.
 *
 * **When to use**
 *
 * Use after a non-blocking connect has failed with WSAEWOULDBLOCK (R14, R23).
 *
 * **Details**
 *
 * While the attempt is pending it fails with WSAEALREADY; with `wait` it suspends until the attempt is over, and giving
 * up the wait leaves the attempt alone. Where there was no attempt, or it was given up, it fails with WSAENOTCONN, on a
 * listening socket with WSAEINVAL. After a connection broke it still gives the connection: the attempt succeeded.
 *
 * **Example** (Waiting for a non-blocking connect)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.ioctlsocket(s, "FIONBIO", true)
 *   const first = yield* Effect.flip(Winsock.WSAConnect(s, "127.0.0.1:9"))
 *   const result = yield* Effect.flip(Winsock.connectResult(s, { wait: true }))
 *   return [first._tag, result._tag]
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => ["WSAEWOULDBLOCK", "WSAECONNREFUSED"]
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const connectResult = (
  s: Socket,
  options?: { readonly wait?: boolean | undefined }
): Effect.Effect<Connected, WsaError.ConnectResultError> =>
  waitOnSocket("connectResult", s, (socket, resume) =>
    options?.wait === true
      ? socket.awaitConnect("connectResult", resume)
      : resume(socket.outcomeOf("connectResult")))

/**
 * What WSAConnectByList gives.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectedByList extends Connected {
  /** The local address of the connection that was made. */
  readonly local: SocketAddress.SocketAddress
}

/**
 * Tries addresses one after another, in their order, on one socket, until one is connected.
 *
 * **Details**
 *
 * The socket is a blocking stream that is neither bound nor connected: otherwise WSAEINVAL or WSAEISCONN. Addresses of
 * another family are passed over; where all are, it fails with WSAEAFNOSUPPORT. Where none can be connected it fails as
 * the last one did. `timeout` is for all of them together, and ends with WSAETIMEDOUT. Ambient QOS and user data are not
 * used (A22).
 *
 * **Gotchas**
 *
 * The first attempt binds the socket, so a list is tried once on a socket.
 *
 * **Example** (Falling back to the second address)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:8080")
 *   yield* Winsock.listen(listener)
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   const { remote } = yield* Winsock.WSAConnectByList(s, ["127.0.0.1:9", "127.0.0.1:8080"])
 *   return SocketAddress.format(remote)
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "127.0.0.1:8080"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSAConnectByList = (
  s: Socket,
  addresses: ReadonlyArray<SocketAddress.Input>,
  options?: { readonly timeout?: Duration.Input | undefined }
): Effect.Effect<ConnectedByList, WsaError.WSAConnectByListError> =>
  onSocket("WSAConnectByList", s, (socket) => {
    const names = addresses.map(Internal.nameOf)
    const given = options?.timeout
    const timeout = given === undefined ? Option.none() : Duration.fromInput(given)
    const timeoutValid = given === undefined || (Option.isSome(timeout) && !Duration.isNegative(timeout.value))
    const tried = Effect.flatMap(socket.checkList(names, timeoutValid), () => tryList(socket, names, 0))
    return Option.isNone(timeout)
      ? tried
      : Effect.timeoutOrElse(tried, {
        duration: timeout.value,
        orElse: () =>
          Effect.fail(WsaError.forCall("WSAConnectByList", "WSAETIMEDOUT", {
            stage: "connect",
            detail: `no address answered within ${Duration.format(timeout.value)}`
          }))
      })
  })

const tryList = (
  socket: Internal.Socket,
  names: ReadonlyArray<SocketState.Name>,
  index: number
): Effect.Effect<ConnectedByList, WsaError.WSAConnectByListError> => {
  const name = names[index]!
  const attempt = Effect.flatMap(
    waitOnSocket<Connected, WsaError.WSAConnectByListError>(
      "WSAConnectByList",
      socket,
      (socket, resume) => socket.connect("WSAConnectByList", name, SocketState.noConnectData, resume)
    ),
    (connected) => Effect.map(socket.getsockname(), (local): ConnectedByList => ({ ...connected, local }))
  )
  const next = names.findIndex((name, at) => at > index && SocketState.isOfFamily(socket.state, name))
  if (!SocketState.isOfFamily(socket.state, name) && next !== -1) return tryList(socket, names, next)
  return next === -1
    ? attempt
    : Effect.catch(
      attempt,
      (error) => SocketState.triesNext(error._tag) ? tryList(socket, names, next) : Effect.fail(error)
    )
}

/**
 * Turns a bound stream socket into a listener.
 *
 * **Details**
 *
 * `backlog` is how many callers may wait to be accepted, from 1 to 32767; what is beyond is set to the nearest, and the
 * default is 128. Callers beyond it are refused, or reset where the transport has accepted them already
 * (`boundedBacklog` of the capabilities). Calling it again is fine. Fails with WSAEINVAL on an unbound socket,
 * WSAEOPNOTSUPP on a datagram one, WSAEISCONN on a connected one, WSAEADDRINUSE where somebody listens there (A05).
 *
 * **Example** (Listening before binding)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Winsock.socket({ family: "IPv4", type: "stream" }).pipe(
 *   Effect.flatMap((s) => Effect.flip(Winsock.listen(s))),
 *   Effect.map((error) => error._tag),
 *   Effect.scoped,
 *   Effect.provide(Memory.layer())
 * )
 * await Effect.runPromise(program) // => "WSAEINVAL"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const listen = (s: Socket, backlog: number = 128): Effect.Effect<void, WsaError.ListenError> =>
  waitOnSocket("listen", s, (socket, resume) => socket.listen(backlog, resume))

/**
 * Takes the caller who has waited longest, as a new socket that is closed with the scope.
 *
 * **Details**
 *
 * A blocking listener waits for one; a non-blocking one fails with WSAEWOULDBLOCK. Callers that have gone meanwhile are
 * skipped. The new socket has the listener's options and is blocking as it is. Fails with WSAEINVAL on a socket that
 * does not listen, WSAEOPNOTSUPP on a datagram one, WSAEINTR when the listener is closed meanwhile, WSAEMFILE or
 * WSAENOBUFS where there is no room for one more (A06).
 *
 * **Gotchas**
 *
 * A loop that accepts in one long scope closes each socket itself, with {@link closesocket}, or gives each connection a
 * scope of its own, with `Effect.scoped`: the sockets live as long as the scope that `accept` is called in.
 *
 * **Example** (Finding nobody there)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:0")
 *   yield* Winsock.listen(listener)
 *   yield* Winsock.ioctlsocket(listener, "FIONBIO", true)
 *   return (yield* Effect.flip(Winsock.accept(listener)))._tag
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "WSAEWOULDBLOCK"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const accept = (s: Socket): Effect.Effect<Accepted, WsaError.AcceptError, Scope.Scope> =>
  Effect.contextWith((context: Context.Context<Scope.Scope>) =>
    waitOnSocket("accept", s, (socket, resume) => socket.accept(Context.get(context, Scope.Scope), resume))
  )

/**
 * Sends bytes on a connected socket, and gives how many were taken.
 *
 * **Details**
 *
 * A blocking stream takes all of them, and waits until the stack has them; nothing is copied, so the bytes belong to the
 * call until it ends. A non-blocking one takes at most 65536 and copies them, or fails with WSAEWOULDBLOCK. A datagram
 * goes whole to the default peer, or fails with WSAEMSGSIZE. No bytes are legal. Fails with WSAENOTCONN where there is no
 * peer, WSAESHUTDOWN after the direction was shut down, the breaking code on a broken stream (R21), WSAEOPNOTSUPP on a
 * socket that only receives, WSAEINTR when the socket is closed meanwhile (A08, A09).
 *
 * **Gotchas**
 *
 * Interrupting a send that has handed bytes down breaks the connection: nobody knows how much of them has gone.
 *
 * **Example** (Sending before connecting)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Winsock.socket({ family: "IPv4", type: "stream" }).pipe(
 *   Effect.flatMap((s) => Effect.flip(Winsock.send(s, new Uint8Array(1)))),
 *   Effect.map((error) => error._tag),
 *   Effect.scoped,
 *   Effect.provide(Memory.layer())
 * )
 * await Effect.runPromise(program) // => "WSAENOTCONN"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const send = (s: Socket, bytes: Uint8Array): Effect.Effect<number, WsaError.SendError> =>
  waitOnSocket("send", s, (socket, resume) => {
    if (!(bytes instanceof Uint8Array)) return resume(notBytes(socket, "send"))
    return socket.kind.type === "stream"
      ? socket.send(bytes, "send", resume)
      : socket.sendMessage("send", bytes, undefined, resume)
  })

const notBytes = (socket: Internal.Socket, call: "send" | "sendto" | "recv" | "recvfrom") =>
  socket.undecodable(call, "expected a Uint8Array, or a length that is a whole number of bytes")

/**
 * Sends a datagram to an address; on a stream the address is ignored, as Winsock does.
 *
 * **Details**
 *
 * An unbound socket is bound by it. On a connected one it goes where it says and leaves the default peer as it is. Fails
 * as {@link send} does, and with WSAEFAULT for an address that does not decode, WSAEAFNOSUPPORT for another family,
 * WSAEADDRNOTAVAIL for the all-zero one, WSAEACCES for a broadcast one without SO_BROADCAST (A09). A dead port does not
 * fail a send; a later receive fails with WSAECONNRESET once, where the stack tells.
 *
 * **Example** (Sending to oneself)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
 *   yield* Winsock.bind(s, "127.0.0.1:0")
 *   yield* Winsock.sendto(s, new TextEncoder().encode("hello"), yield* Winsock.getsockname(s))
 *   return (yield* Winsock.recvfrom(s)).bytes.length
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => 5
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const sendto = (
  s: Socket,
  bytes: Uint8Array,
  to: SocketAddress.Input
): Effect.Effect<number, WsaError.SendtoError> =>
  waitOnSocket("sendto", s, (socket, resume) => {
    if (!(bytes instanceof Uint8Array)) return resume(notBytes(socket, "sendto"))
    return socket.kind.type === "stream"
      ? socket.send(bytes, "sendto", resume)
      : socket.sendMessage("sendto", bytes, Internal.nameOf(to), resume)
  })

const defaultLength = 65_536

// What it gives follows from what it is given: the overloads below say how.
const receive = <A>(
  call: "recv" | "recvfrom",
  s: Socket,
  into: Uint8Array | number,
  flags: number
): Effect.Effect<A, WsaError.RecvError & WsaError.RecvfromError> =>
  waitOnSocket(call, s, (socket, resume) => {
    const wrong = flags === 0 ? undefined : SocketState.checkReceiveFlags(flags)
    if (wrong !== undefined) return resume(socket.wrongArgument(call, wrong))
    const peek = flags === MSG_PEEK
    if (into instanceof Uint8Array) {
      return socket.receive({ call, into, lend: undefined, maximum: into.length, peek, resume })
    }
    if (!isLength(into)) return resume(notBytes(socket, call))
    return socket.receive({ call, into: undefined, lend: undefined, maximum: into, peek, resume })
  })

const isLength = (length: unknown): length is number => Number.isInteger(length) && (length as number) >= 0

/**
 * The flag of {@link recv} and {@link recvfrom} that looks at what has arrived without taking it.
 *
 * **Example** (Looking before taking)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
 *   yield* Winsock.bind(s, "127.0.0.1:5353")
 *   yield* Winsock.sendto(s, new Uint8Array(3), "127.0.0.1:5353")
 *   const seen = yield* Winsock.recv(s, 16, Winsock.MSG_PEEK)
 *   const taken = yield* Winsock.recv(s, 16)
 *   return [seen.length, taken.length]
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => [3, 3]
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const MSG_PEEK: number = SocketState.peekFlag

/**
 * Receives what has arrived: into the caller's buffer, or as bytes of its own.
 *
 * **Details**
 *
 * With a buffer it gives how many bytes were put there, with a length (65536 where it is absent) fresh bytes that the
 * caller keeps. A blocking socket waits for something to arrive; a non-blocking one fails with WSAEWOULDBLOCK. On a
 * stream 0 bytes mean that the peer has ended its direction, for good; a datagram that is too long gives its head, in
 * the buffer and in the error's `head`, and fails with WSAEMSGSIZE. A connection that broke first gives all that arrived
 * before, then fails with the breaking code (R21). Fails with WSAENOTCONN on an unconnected stream and on a datagram
 * socket that was dis-connected (R07), WSAEINVAL on an unbound datagram socket, WSAESHUTDOWN after the direction was shut
 * down, WSAECONNRESET once after a datagram met a dead port, WSAEINTR when the socket is closed meanwhile (A08, A09).
 *
 * With {@link MSG_PEEK} as `flags` it looks and takes nothing: it waits and fails in the same way, keeps its place among
 * the calls that wait, and a datagram that is too long stays too. There is no out-of-band data: MSG_OOB and MSG_WAITALL
 * fail with WSAEOPNOTSUPP, any other flag with WSAEINVAL.
 *
 * **Example** (Receiving into a buffer)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
 *   yield* Winsock.bind(s, "127.0.0.1:0")
 *   yield* Winsock.sendto(s, new Uint8Array([1, 2, 3]), yield* Winsock.getsockname(s))
 *   const buffer = new Uint8Array(16)
 *   return [yield* Winsock.recv(s, buffer), buffer[2]]
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => [3, 3]
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const recv: {
  (s: Socket, buffer: Uint8Array, flags?: number): Effect.Effect<number, WsaError.RecvError>
  (s: Socket, length?: number, flags?: number): Effect.Effect<Uint8Array, WsaError.RecvError>
} = <A>(s: Socket, into: Uint8Array | number = defaultLength, flags: number = 0) => receive<A>("recv", s, into, flags)

/**
 * Receives as {@link recv} does, but lends the bytes to a function instead of copying them, and gives what it answers.
 *
 * **When to use**
 *
 * Use where bytes are looked at once and not kept, such as by a parser, a hash, or a sink that copies them anyway.
 *
 * **Details**
 *
 * The function is called once, with what has arrived, up to `length` bytes; where `length` is absent, with all that came
 * in one piece. No bytes are the orderly end of a stream, for good. A call that waits lends what the provider delivers,
 * with no copy in between. It fails as `recv` does; a datagram that is longer than `length` fails with WSAEMSGSIZE, its
 * head in the error, and the function is not called. Where the function throws, that is a defect, and the bytes are taken.
 *
 * **Gotchas**
 *
 * - The bytes are lent for that call only (R27): whoever keeps the view finds other bytes in it later.
 * - The function is called in the middle of a delivery. It computes; it runs no Effect, above all none on this socket.
 *
 * **Example** (Counting lines without a copy)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
 *   yield* Winsock.bind(s, "127.0.0.1:5353")
 *   yield* Winsock.sendto(s, new TextEncoder().encode("one\ntwo\n"), "127.0.0.1:5353")
 *   return yield* Winsock.recvLent(s, (lent) => lent.filter((byte) => byte === 10).length)
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => 2
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const recvLent = <A>(
  s: Socket,
  f: (lent: Uint8Array) => A,
  length: number = Infinity
): Effect.Effect<A, WsaError.RecvError> =>
  waitOnSocket("recv", s, (socket, resume) => {
    if (typeof f !== "function") return resume(socket.undecodable("recv", "expected a function that takes the bytes"))
    if (length !== Infinity && !isLength(length)) return resume(notBytes(socket, "recv"))
    return socket.receive({ call: "recv", into: undefined, lend: f, maximum: length, peek: false, resume })
  })

/**
 * Receives as {@link recv} does, and tells from whom; also on a datagram socket that was dis-connected (R07).
 *
 * **Example** (Answering whoever asked)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
 *   yield* Winsock.bind(s, "127.0.0.1:5353")
 *   yield* Winsock.sendto(s, new Uint8Array(1), "127.0.0.1:5353")
 *   const { from } = yield* Winsock.recvfrom(s)
 *   return SocketAddress.format(from)
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "127.0.0.1:5353"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const recvfrom: {
  (
    s: Socket,
    buffer: Uint8Array,
    flags?: number
  ): Effect.Effect<{ readonly length: number; readonly from: SocketAddress.SocketAddress }, WsaError.RecvfromError>
  (
    s: Socket,
    length?: number,
    flags?: number
  ): Effect.Effect<{ readonly bytes: Uint8Array; readonly from: SocketAddress.SocketAddress }, WsaError.RecvfromError>
} = <A>(s: Socket, into: Uint8Array | number = defaultLength, flags: number = 0) =>
  receive<A>("recvfrom", s, into, flags)

/**
 * Ends one direction of a socket, or both; the other one goes on.
 *
 * **Details**
 *
 * After `"send"` the peer meets the end once everything sent has arrived. After `"receive"` what arrives is dropped.
 * Calls in the direction that was ended fail with WSAESHUTDOWN. Fails with WSAENOTCONN on an unconnected stream, with no
 * after-effect, WSAEINVAL for an unknown `how`, the breaking code on a broken stream (A10).
 *
 * **Example** (Ending the sending direction)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
 *   yield* Winsock.shutdown(s, "send")
 *   return (yield* Effect.flip(Winsock.sendto(s, new Uint8Array(1), "127.0.0.1:9")))._tag
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "WSAESHUTDOWN"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const shutdown = (
  s: Socket,
  how: "receive" | "send" | "both"
): Effect.Effect<void, WsaError.ShutdownError> => onSocket("shutdown", s, (socket) => socket.shutdown(how))

/**
 * Closes a socket before its scope does.
 *
 * **Details**
 *
 * It is graceful: what was handed over arrives. Calls that wait on the socket end with WSAEINTR, and every later call with
 * WSAENOTSOCK (A11). A send that is cut off so gives its bytes back, and resets the connection: they may not be sent any
 * more.
 *
 * **Example** (Closing twice)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.closesocket(s)
 *   return (yield* Effect.flip(Winsock.closesocket(s)))._tag
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "WSAENOTSOCK"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const closesocket = (s: Socket): Effect.Effect<void, WsaError.ClosesocketError> =>
  onSocket("closesocket", s, (socket) => socket.close())

/**
 * Gives the local address of a socket.
 *
 * **Details**
 *
 * Fails with WSAEINVAL before there is one: before bind, or before the stack has the first attempt to connect. From then
 * on it answers, also while an attempt is pending and after one has failed (A03, R01). A Unix-domain socket that was not
 * bound has no name: it fails with WSAEINVAL until it is connected, and then gives the empty path.
 *
 * **Example** (Learning the port that was chosen)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(s, "127.0.0.1:0")
 *   return SocketAddress.portOf(yield* Winsock.getsockname(s)) !== 0
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => true
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const getsockname = (s: Socket): Effect.Effect<SocketAddress.SocketAddress, WsaError.GetsocknameError> =>
  onSocket("getsockname", s, (socket) => socket.getsockname())

/**
 * Gives the peer's address of a socket.
 *
 * **Details**
 *
 * It answers while an attempt to connect is pending, after a shutdown, and after the connection broke; on a datagram
 * socket it gives the default peer. Otherwise it fails with WSAENOTCONN (A04).
 *
 * **Example** (Asking a datagram socket)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
 *   yield* Winsock.WSAConnect(s, "127.0.0.1:53")
 *   return SocketAddress.format(yield* Winsock.getpeername(s))
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "127.0.0.1:53"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const getpeername = (s: Socket): Effect.Effect<SocketAddress.SocketAddress, WsaError.GetpeernameError> =>
  onSocket("getpeername", s, (socket) => socket.getpeername())

/**
 * Reads an option of a socket.
 *
 * **Details**
 *
 * Fails with WSAENOPROTOOPT for an option that is unknown, or that this type of socket does not have (A14).
 *
 * **Example** (Reading an error that stays)
 *
 * ```ts import.meta.vitest
 * import { SocketOption, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   return yield* Winsock.getsockopt(s, SocketOption.SO_ERROR)
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => 0
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const getsockopt = <A>(
  s: Socket,
  option: SocketOption.SocketOption<A>
): Effect.Effect<A, WsaError.GetsockoptError> =>
  onSocket("getsockopt", s, (socket) => socket.getOption(nameOfOption(option)))

/**
 * Sets an option of a socket.
 *
 * **Details**
 *
 * Fails with WSAENOPROTOOPT for an option that is unknown, cannot be set, or that this type of socket or its provider
 * does not have, WSAEFAULT for a value of another type, WSAEINVAL where it comes too late or contradicts another (A14).
 *
 * **Example** (Allowing broadcasts)
 *
 * ```ts import.meta.vitest
 * import { SocketOption, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
 *   yield* Winsock.setsockopt(s, SocketOption.SO_BROADCAST, true)
 *   return yield* Winsock.getsockopt(s, SocketOption.SO_BROADCAST)
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => true
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const setsockopt = <A>(
  s: Socket,
  option: SocketOption.Settable<A>,
  value: A
): Effect.Effect<void, WsaError.SetsockoptError> =>
  onSocket("setsockopt", s, (socket) => socket.setOption(nameOfOption(option), value))

const nameOfOption = (option: unknown): string =>
  typeof option === "object" && option !== null && "name" in option ? String(option.name) : String(option)

/**
 * Makes a socket non-blocking (`true`) or blocking (`false`), as a new one is.
 *
 * **Details**
 *
 * A call on a non-blocking socket that cannot end at once fails with WSAEWOULDBLOCK; calls that wait already go on
 * waiting. Fails with WSAEINVAL for another command or value (A15).
 *
 * **Example** (Not waiting for bytes)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
 *   yield* Winsock.bind(s, "127.0.0.1:0")
 *   yield* Winsock.ioctlsocket(s, "FIONBIO", true)
 *   return (yield* Effect.flip(Winsock.recv(s)))._tag
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "WSAEWOULDBLOCK"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const ioctlsocket = (
  s: Socket,
  command: "FIONBIO",
  nonBlocking: boolean
): Effect.Effect<void, WsaError.IoctlsocketError> =>
  onSocket(
    "ioctlsocket",
    s,
    (socket) => socket.setBlocking(command === "FIONBIO" && typeof nonBlocking === "boolean" ? !nonBlocking : undefined)
  )
