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
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as AddressResolver from "effect/net/AddressResolver"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Target } from "./Connector.ts"
import * as AddressSelection from "./internal/addressSelection.ts"
import * as Destination from "./internal/destination.ts"
import * as Events from "./internal/events.ts"
import { withoutGivingWay } from "./internal/givingWay.ts"
import * as Instance from "./internal/instance.ts"
import * as InstanceState from "./internal/instanceState.ts"
import * as Lookup from "./internal/lookup.ts"
import * as Readiness from "./internal/readiness.ts"
import * as Internal from "./internal/socket.ts"
import * as SocketState from "./internal/socketState.ts"
import type * as NetworkEvent from "./NetworkEvent.ts"
import type * as ProtocolInfo from "./ProtocolInfo.ts"
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
  /** The negotiated version, as {@link MAKEWORD} joins it: 0x0202 is 2.2. */
  readonly version: number
  /** What the provider can do for a kind of socket, before anyone asks it to. */
  readonly capabilities: (kind: Provider.Kind) => Provider.Capabilities
}>()("@effect-winsock/core/Winsock") {}

// The service as its users see it, and the instance behind it.
const instances = new WeakMap<Winsock["Service"], Instance.Instance>()
const services = new WeakMap<Instance.Instance, Winsock["Service"]>()

/**
 * Joins the numbers of a version: the major one in the low byte, the minor one in the high byte.
 *
 * **Example** (Version 2.1)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 *
 * Winsock.MAKEWORD(2, 1) // => 0x0102
 * ```
 *
 * @category versions
 * @since 0.1.0
 */
export const MAKEWORD = (major: number, minor: number): number => (major & 0xff) | ((minor & 0xff) << 8)

/**
 * Starts an instance on a provider (WSAStartup), and cleans it up when the scope of the layer ends.
 *
 * **When to use**
 *
 * Use to make the layer of a provider of your own, or to ask for a version. Programs take a ready one.
 *
 * **Details**
 *
 * The version is 2.2 where none is asked for. One above gives 2.2; one between gives the highest that is not above it;
 * below 1.0 it fails with WSAVERNOTSUPPORTED (A21). It fails with WSASYSNOTREADY where the provider's network is down
 * (E02). The clean-up closes every socket that is still open, waits until nothing is held any more, and makes every later
 * call fail with WSANOTINITIALISED (E01). Time is that of the Clock that the layer is built with, and connect data travel
 * as the `ConnectData.Carrier` says that it is built with.
 *
 * **Gotchas**
 *
 * An instance of version 1.0 or 1.1 has one blocking call at a time, whichever fiber makes it: while it waits, every other
 * call of the instance fails with WSAEINPROGRESS (E05), and only {@link WSACancelBlockingCall} ends it early (E04).
 *
 * **Example** (Starting on a provider of one's own)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Winsock.Winsock.use((winsock) => Effect.succeed(winsock.version))
 * const layer = Winsock.layer(Memory.make().provider, { version: Winsock.MAKEWORD(1, 1) })
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => 0x0101
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  given: Provider.Provider,
  options?: { readonly version?: number | undefined }
): Layer.Layer<Winsock, WsaError.WSAStartupError> =>
  Layer.effect(
    Winsock,
    Effect.gen(function*() {
      const state = InstanceState.start(given.network(), options?.version)
      if ("_tag" in state) return yield* failOf("WSAStartup", state)
      const context = yield* Effect.context<never>()
      const provider = Instance.carried(given, context)
      const instance = new Instance.Instance(provider, given, context, state.next)
      const service = Winsock.of({
        provider: provider.name,
        get version() {
          return instance.state.version
        },
        capabilities: (kind) => provider.capabilities(kind)
      })
      instances.set(service, instance)
      services.set(instance, service)
      yield* Effect.addFinalizer(() => instance.leave)
      return service
    })
  )

const failOf = <C extends WsaError.Call>(call: C, { code, detail }: SocketState.Fail) =>
  Effect.fail(WsaError.forCall(call, code, { stage: "request", detail }))

// A call that is made of the instance, and not of a socket.
const onInstance = <A, E>(
  call: WsaError.Call,
  f: (instance: Instance.Instance, fiber: Fiber.Fiber<any, any>) => Effect.Effect<A, E>
): Effect.Effect<A, E, Winsock> =>
  Effect.withFiber((fiber) => {
    const instance = instances.get(Context.getUnsafe(fiber.context, Winsock))
    return instance === undefined
      ? Effect.fail(WsaError.forCall(call, "WSANOTINITIALISED", {
        stage: "request",
        detail: "the Winsock service was not made by Winsock.layer"
      })) as Effect.Effect<never, any>
      : f(instance, fiber)
  })

const factsOf = (instance: Instance.Instance, fiber: Fiber.Fiber<any, any>): SocketState.Facts => {
  const facts = instance.facts()
  return instance.busy(fiber) ? { ...facts, busy: true } : facts
}

/** E01, E02, E05: what fails before the call is looked at. */
const gateOf = (
  call: WsaError.Call,
  instance: Instance.Instance,
  fiber: Fiber.Fiber<any, any>
): Effect.Effect<never, any> | undefined => {
  const code = SocketState.gate(undefined, factsOf(instance, fiber))
  return code === undefined ? undefined : failOf(call, SocketState.fail(code, SocketState.gateDetail(code)))
}

/**
 * What a start-up tells.
 *
 * @category models
 * @since 0.1.0
 */
export interface WSAData {
  /** The version that was negotiated. */
  readonly wVersion: number
  /** The highest version that there is. */
  readonly wHighVersion: number
  /** The name of the provider. */
  readonly szDescription: string
}

/**
 * Starts the instance once more.
 *
 * **When to use**
 *
 * Use in code that is not given a scope and pairs its own start-ups and clean-ups, or to start an instance again after its
 * last clean-up. Building the layer is the first start-up already.
 *
 * **Details**
 *
 * Start-ups are counted, and each wants a {@link WSACleanup}; the layer takes back what is left when its scope ends. The
 * version of the instance is that of the start-up that found it not started. Sockets of before the last clean-up stay
 * closed: their calls fail with WSAENOTSOCK. Fails with WSAVERNOTSUPPORTED below 1.0, WSASYSNOTREADY where the network is
 * down or the scope of the layer has ended, WSAEINPROGRESS while a call of version 1.1 blocks or from inside an accept condition (A21).
 *
 * **Example** (Counting)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   yield* Winsock.WSACleanup
 *   const gone = yield* Effect.flip(Winsock.socket({ family: "IPv4", type: "stream" }))
 *   const { wVersion } = yield* Winsock.WSAStartup(Winsock.MAKEWORD(1, 9))
 *   return [gone._tag, wVersion]
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => ["WSANOTINITIALISED", 0x0101]
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSAStartup = (version?: number): Effect.Effect<WSAData, WsaError.WSAStartupError, Winsock> =>
  onInstance("WSAStartup", (instance, fiber) => {
    const answer = instance.startup(version, instance.busy(fiber))
    if (typeof answer !== "number") return failOf("WSAStartup", answer)
    return Effect.succeed({
      wVersion: answer,
      wHighVersion: InstanceState.highVersion,
      szDescription: instance.provider.name
    })
  })

/**
 * Takes one start-up back.
 *
 * **Details**
 *
 * With the last one every socket and event object is closed, calls that wait end with WSAEINTR, and every later call fails
 * with WSANOTINITIALISED; the call returns when nothing is held any more. One too many fails with WSANOTINITIALISED (A21).
 *
 * **Example** (Once too often)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Winsock.WSACleanup.pipe(
 *   Effect.andThen(Winsock.WSACleanup),
 *   Effect.flip,
 *   Effect.map((error) => error._tag),
 *   Effect.provide(Memory.layer())
 * )
 * await Effect.runPromise(program) // => "WSANOTINITIALISED"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSACleanup: Effect.Effect<void, WsaError.WSACleanupError, Winsock> = onInstance(
  "WSACleanup",
  (instance, fiber) => gateOf("WSACleanup", instance, fiber) ?? instance.cleanup
)

/**
 * Cancels the blocking call of an instance of version 1.0 or 1.1: it fails with WSAEINTR (E04).
 *
 * **Details**
 *
 * The socket is left as interrupting the call would leave it: an attempt to connect as a refused one (R26), a connection
 * whose send had handed bytes down broken with WSAECONNABORTED. Fails with WSAEINVAL where no call is blocked, and with
 * WSAEOPNOTSUPP under version 2, where a fiber is interrupted instead.
 *
 * **Example** (Cancelling an accept)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Fiber } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:0")
 *   yield* Winsock.listen(listener)
 *   const waiting = yield* Effect.forkChild(Effect.flip(Winsock.accept(listener)), { startImmediately: true })
 *   yield* Winsock.WSACancelBlockingCall
 *   return (yield* Fiber.join(waiting))._tag
 * })
 *
 * const layer = Winsock.layer(Memory.make().provider, { version: Winsock.MAKEWORD(1, 1) })
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layer))) // => "WSAEINTR"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSACancelBlockingCall: Effect.Effect<void, WsaError.WSACancelBlockingCallError, Winsock> = onInstance(
  "WSACancelBlockingCall",
  (instance) => {
    const answer = instance.cancelBlockingCall()
    return "detail" in answer ? failOf("WSACancelBlockingCall", answer) : answer
  }
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
  /** What was really done of the QOS (R16); `Qos.nothingApplied` where none asked for anything (R19). */
  readonly applied: Qos.Applied
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
  /** A group to create or to join; none (0) where it is absent (A01). */
  readonly group?: Group | undefined
}

/**
 * A socket group: {@link SG_UNCONSTRAINED_GROUP} or {@link SG_CONSTRAINED_GROUP} for a new one, the `SO_GROUP_ID` of one of
 * its sockets to join it, 0 for none.
 *
 * @category models
 * @since 0.1.0
 */
export type Group = number

/**
 * Asks for a new group whose sockets may be of any type and connect anywhere.
 *
 * **Example** (Creating and joining)
 *
 * ```ts import.meta.vitest
 * import { SocketOption, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const first = yield* Winsock.socket({ family: "IPv4", type: "stream", group: Winsock.SG_UNCONSTRAINED_GROUP })
 *   const group = yield* Winsock.getsockopt(first, SocketOption.SO_GROUP_ID)
 *   const second = yield* Winsock.socket({ family: "IPv4", type: "datagram", group })
 *   return group === (yield* Winsock.getsockopt(second, SocketOption.SO_GROUP_ID))
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => true
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const SG_UNCONSTRAINED_GROUP: Group = InstanceState.SG_UNCONSTRAINED_GROUP

/**
 * Asks for a new group of streams that all connect to one host: a connect to another one fails with WSAEINVAL (E11).
 *
 * **Details**
 *
 * The host is that of whichever socket of the group is connected, or has an attempt pending; while there is none, any
 * host will do.
 *
 * **Example** (Its number)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 *
 * Winsock.SG_CONSTRAINED_GROUP // => 2
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const SG_CONSTRAINED_GROUP: Group = InstanceState.SG_CONSTRAINED_GROUP

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
): Effect.Effect<Socket, WsaError.SocketError, Winsock | Scope.Scope> => makeSocket("socket", options, 0)

const makeSocket = <E>(
  call: "socket" | "WSASocket",
  request: InstanceState.SocketRequest,
  flags: unknown
): Effect.Effect<Socket, E, Winsock | Scope.Scope> =>
  onInstance(call, (instance, fiber) =>
    Internal.makeSocket(
      call,
      instance,
      request,
      Context.getUnsafe(fiber.context, Scope.Scope),
      instance.busy(fiber),
      flags,
      Context.get(fiber.context, Instance.Silent)
    ))

/**
 * Lists the protocols that sockets can be made for, with what the provider can do for each.
 *
 * **Example** (Listing the names)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Winsock.WSAEnumProtocols.pipe(
 *   Effect.map((rows) => rows.map((row) => row.szProtocol)),
 *   Effect.provide(Memory.layer())
 * )
 * await Effect.runPromise(program) // => ["TCP/IP", "UDP/IP", "TCP/IPv6", "UDP/IPv6", "AF_UNIX"]
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSAEnumProtocols: Effect.Effect<
  ReadonlyArray<ProtocolInfo.ProtocolInfo>,
  WsaError.WSAEnumProtocolsError,
  Winsock
> = onInstance("WSAEnumProtocols", (instance, fiber) =>
  gateOf("WSAEnumProtocols", instance, fiber) ??
    Effect.succeed(InstanceState.protocols((kind) => instance.provider.capabilities(kind))))

/**
 * What `WSASocket` is asked for: what `socket` takes, where family, type and protocol may come from a row of
 * {@link WSAEnumProtocols}. What is given by itself comes before what the row says.
 *
 * @category models
 * @since 0.1.0
 */
export type WSASocketOptions =
  & { readonly flags?: number | undefined }
  & (
    | SocketOptions & { readonly protocolInfo?: ProtocolInfo.ProtocolInfo | undefined }
    | Partial<SocketOptions> & { readonly protocolInfo: ProtocolInfo.ProtocolInfo }
  )

/**
 * The flag of {@link WSASocket} that asks for overlapped calls. It changes nothing: a call here suspends its fiber alone,
 * so that any number of them can be under way on one socket.
 *
 * **Example** (Its number)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 *
 * Winsock.WSA_FLAG_OVERLAPPED // => 1
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const WSA_FLAG_OVERLAPPED: number = InstanceState.overlappedFlag

/**
 * Makes a socket as {@link socket} does, also from a row of {@link WSAEnumProtocols}.
 *
 * **Details**
 *
 * Fails as `socket` does, and with WSAEINVAL for a flag other than {@link WSA_FLAG_OVERLAPPED} (A01).
 *
 * **Example** (Making the first socket that sends messages)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const rows = yield* Winsock.WSAEnumProtocols
 *   const protocolInfo = rows.find((row) => row.dwMessageSize > 0)!
 *   const s = yield* Winsock.WSASocket({ protocolInfo, flags: Winsock.WSA_FLAG_OVERLAPPED })
 *   return s.kind
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => { family: "IPv4", type: "datagram", direction: "both" }
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSASocket = (
  options: WSASocketOptions
): Effect.Effect<Socket, WsaError.WSASocketError, Winsock | Scope.Scope> =>
  Effect.suspend(() => {
    const { direction, flags = 0, group, protocolInfo } = options
    return makeSocket(
      "WSASocket",
      {
        family: options.family ?? protocolInfo?.iAddressFamily,
        type: options.type ?? protocolInfo?.iSocketType,
        protocol: options.protocol ?? protocolInfo?.iProtocol,
        direction,
        group
      },
      flags
    )
  })

const onSocket = <A, E>(
  call: WsaError.Call,
  s: Socket,
  f: (socket: Internal.Socket) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.withFiber((fiber) => {
    if (!Internal.Socket.is(s)) return Internal.notASocket(call, s)
    return s.instance.busy(fiber) ? s.inProgress(call) : f(s)
  })

type Wait<A, E> = (
  socket: Internal.Socket,
  resume: (answer: Effect.Effect<A, E>) => void
) => void | Effect.Effect<void>

const waitOnSocket = <A, E>(
  call: WsaError.Call,
  s: Socket,
  f: Wait<A, E>,
  steps?: number
): Effect.Effect<A, E> =>
  Effect.withFiber((fiber) => {
    if (!Internal.Socket.is(s)) return Internal.notASocket(call, s)
    if (!s.instance.quiet) return waitAlone(call, s, f, fiber, steps)
    return withoutGivingWay(fiber, Effect.callback<A, E>((resume) => f(s, resume)), steps)
  })

// E05: while other calls may be in progress, and be kept off.
const waitAlone = <A, E>(
  call: WsaError.Call,
  socket: Internal.Socket,
  f: Wait<A, E>,
  fiber: Fiber.Fiber<any, any>,
  steps?: number
): Effect.Effect<A, E> => {
  const wait = (resume: Instance.Resume) => {
    // Another one may have begun to block when the fiber gave way.
    if (socket.instance.busy(fiber)) return resume(socket.inProgress(call))
    return socket.state.blocking
      ? socket.instance.blockOnce(
        (resume) => f(socket, resume),
        () => socket.refuse(call, "WSAEINTR", "request")
      )(resume)
      : f(socket, resume)
  }
  return withoutGivingWay(fiber, Effect.callback<A, E>(wait), steps)
}

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
  /** The quality of service of the socket (R15, R16, R19); the ambient one is `Qos.SocketQos`. */
  readonly sqos?: Qos.Qos | null | undefined
  /** That of the group that the socket created; ignored where it created none (R20). The ambient one is `Qos.GroupQos`. */
  readonly gqos?: Qos.Qos | null | undefined
}

const isCapacity = Schema.is(UserData.Capacity)

const noBytes = new Uint8Array(0)

// A copy: what the caller does to its own afterwards does not reach the socket, nor the other way round (R27).
const copyOfQos = ({ providerSpecific = noBytes, receiving, sending }: Qos.Qos): Qos.Qos => ({
  ...(sending === undefined ? undefined : { sending: { ...sending } }),
  ...(receiving === undefined ? undefined : { receiving: { ...receiving } }),
  providerSpecific: new Uint8Array(providerSpecific)
})

const keptQos = (given: Qos.Qos): Qos.Qos | SocketState.UndecodableQos => {
  const unlike = Qos.check(given)
  // What is kept is checked too: fields that are computed may be others by then, or stay behind with their class.
  const kept = unlike === undefined ? copyOfQos(given) : undefined
  const wrong = unlike ?? Qos.check(kept!)
  return wrong === undefined ? kept! : { _tag: "UndecodableQos", why: `${wrong._tag}: ${wrong.detail}` }
}

const qosOf = (given: Qos.Qos | null | undefined): Qos.Qos | undefined | SocketState.UndecodableQos =>
  given === undefined || given === null ? undefined : keptQos(given)

const connectData = (
  context: Context.Context<never>,
  options: WSAConnectOptions
): SocketState.ConnectData => {
  const callerData = options.callerData === undefined ? Context.get(context, UserData.CallerData) : options.callerData
  const capacity = options.calleeData === undefined ? Context.get(context, UserData.CalleeCapacity) : options.calleeData
  const sqos = options.sqos === undefined ? Context.get(context, Qos.SocketQos) : options.sqos
  const gqos = options.gqos === undefined ? Context.get(context, Qos.GroupQos) : options.gqos
  if (
    (callerData ?? undefined) === undefined && (capacity ?? 0) === 0 && (sqos ?? undefined) === undefined &&
    (gqos ?? undefined) === undefined
  ) return SocketState.noConnectData
  return {
    callerData: callerData === undefined || callerData === null
      ? undefined
      : callerData instanceof Uint8Array
      ? callerData
      : "undecodable",
    calleeCapacity: capacity === null ? 0 : isCapacity(capacity) ? capacity : "undecodable",
    sqos: qosOf(sqos),
    gqos: qosOf(gqos),
    table: Context.get(context, Qos.Marking)
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
 * What a QOS asks is done as far as the network can: `applied` of the answer tells what was marked, what is kept to its
 * rate, what was reserved, and what was ignored and why.
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
 * - WSAEPROTONOSUPPORT for caller data that the provider cannot carry, and where the peer does not speak the exchange of
 *   the layer's `ConnectData` (E17), WSAEOPNOTSUPP for a QOS that the provider cannot honour (R16, E16);
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
      (socket, resume) => socket.connect("WSAConnect", Internal.nameOf(address), connectData(context, options), resume)
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
 * What WSAConnectByList and WSAConnectByName give.
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
    const timeout = timeoutOf(options?.timeout)
    const tried = Effect.flatMap(
      socket.checkList("WSAConnectByList", { names, timeoutValid: timeout !== undefined }),
      () => tryList("WSAConnectByList", socket, names, 0)
    )
    return inTime("WSAConnectByList", tried, timeout ?? Duration.infinity)
  })

const inTime = <A, E, C extends "WSAConnectByList" | "WSAConnectByName">(
  call: C,
  tried: Effect.Effect<A, E | WsaError.ErrorOf<C>>,
  timeout: Duration.Duration
): Effect.Effect<A, E | WsaError.ErrorOf<C>> =>
  within(tried, timeout, () =>
    Effect.fail(WsaError.forCall(call, "WSAETIMEDOUT", {
      stage: "connect",
      detail: `none of the addresses was connected to within ${Duration.format(timeout)}`
    })))

const tryList = <C extends "WSAConnectByList" | "WSAConnectByName">(
  call: C,
  socket: Internal.Socket,
  names: ReadonlyArray<SocketState.Name>,
  index: number
): Effect.Effect<ConnectedByList, WsaError.ErrorOf<C>> => {
  const name = names[index]!
  const attempt = Effect.flatMap(
    waitOnSocket<Connected, WsaError.ErrorOf<C>>(
      call,
      socket,
      (socket, resume) => socket.connect(call, name, SocketState.noConnectData, resume)
    ),
    (connected) => Effect.map(socket.getsockname(), (local): ConnectedByList => ({ ...connected, local }))
  )
  const next = names.findIndex((name, at) => at > index && SocketState.isOfFamily(socket.state, name))
  if (!SocketState.isOfFamily(socket.state, name) && next !== -1) return tryList(call, socket, names, next)
  return next === -1
    ? attempt
    : Effect.catch(
      attempt,
      (error) => SocketState.triesNext(error._tag) ? tryList(call, socket, names, next) : Effect.fail(error)
    )
}

/**
 * Looks a name up, and tries its addresses one after another on one socket, until one is connected.
 *
 * **When to use**
 *
 * Use it as the document has it, on a socket of your own. For connections `Connector.resolve` with a race is quicker, since it
 * does not wait for one address before it tries the next.
 *
 * **Details**
 *
 * - The socket is a blocking stream that is neither bound nor connected: otherwise WSAEINVAL or WSAEISCONN. That, and what is
 *   given, is looked at before anybody is asked.
 * - `nodename` is a name or an address, `servicename` a port or the name of one, such as `"http"`, from a small table. What
 *   cannot be read is WSAEINVAL.
 * - Names are looked up with the `AddressResolver` of the context, for the family of the socket; for both on one of IPv6
 *   whose IPV6_V6ONLY is off, which then connects to IPv4 addresses as mapped ones. What is an address already is not looked
 *   up; one of another family is WSAEAFNOSUPPORT.
 * - No such name is WSAHOST_NOT_FOUND, one without an address of the family WSANO_DATA, no answer for now WSATRY_AGAIN, and an
 *   answer that no other try would change WSANO_RECOVERY.
 * - Addresses are tried in the order of RFC 6724 (`AddressSelection`). Where none can be connected it fails as the last one did.
 *   `timeout` is for everything, the look-up included, and ends with WSAETIMEDOUT. Ambient QOS and user data are not used
 *   (A22).
 *
 * **Gotchas**
 *
 * The first attempt binds the socket, so a name is tried once on a socket.
 *
 * **Example** (Connecting to a name)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress, Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   const { remote } = yield* Winsock.WSAConnectByName(s, "localhost", "http")
 *   return SocketAddress.format(remote)
 * }).pipe(Effect.scoped, Effect.provide(SimNetwork.layerConnector()))
 *
 * Sim.getOrThrow(Sim.run(program)) // => "127.0.0.1:80"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSAConnectByName = (
  s: Socket,
  nodename: string,
  servicename: string | number,
  options?: { readonly timeout?: Duration.Input | undefined }
): Effect.Effect<ConnectedByList, WsaError.WSAConnectByNameError, AddressResolver.AddressResolver> =>
  Effect.contextWith((context: Context.Context<AddressResolver.AddressResolver>) =>
    onSocket("WSAConnectByName", s, (socket) => {
      const destination = Destination.read(nodename, servicename)
      const target = Result.getOrUndefined(destination)
      const timeout = timeoutOf(options?.timeout)
      // An address is known at once; a name has none of another family.
      const literal = target?._tag === "Endpoint" ? [asSeenBy(socket, target.address)] : undefined
      const checked = socket.checkList("WSAConnectByName", {
        names: literal,
        timeoutValid: timeout !== undefined,
        fault: Result.isFailure(destination) ? destination.failure : undefined
      })
      const found = Effect.suspend(() =>
        literal === undefined ? addressesOf(socket, target!, context) : Effect.succeed(literal)
      )
      const tried = checked.pipe(
        Effect.andThen(found),
        Effect.flatMap((names) => tryList("WSAConnectByName", socket, names, 0))
      )
      return inTime("WSAConnectByName", tried, timeout ?? Duration.infinity)
    })
  )

/** A socket of IPv6 that is for both families sees an IPv4 address as a mapped one. */
const asSeenBy = ({ state }: Internal.Socket, address: SocketAddress.SocketAddress): SocketAddress.SocketAddress =>
  state.kind.family === "IPv6" && SocketState.familiesOf(state).length > 1 && address._tag === "InetAddressV4"
    ? NetAddress.inetAddressUnsafe(NetAddress.toIpv4Mapped(address.address), address.port)
    : address

/** The addresses of a name that are of use to a socket, in the order of preference. */
const addressesOf = (
  socket: Internal.Socket,
  { origin }: Target,
  context: Context.Context<AddressResolver.AddressResolver>
): Effect.Effect<ReadonlyArray<SocketAddress.SocketAddress>, any> => {
  const resolver = Context.get(context, AddressResolver.AddressResolver)
  const lookup = Lookup.addressesOf(resolver, origin!, SocketState.familiesOf(socket.state))
  return lookedUp(socket, lookup, context).pipe(
    Effect.flatMap((found) => found.length < 2 ? Effect.succeed(found) : inOrder(socket, found)),
    Effect.map((found) => found.map((address) => asSeenBy(socket, address)))
  )
}

/** The look-up is part of the call: in version 1.1 it keeps all others off, and can be cancelled (E05). */
const lookedUp = <A, E>(
  socket: Internal.Socket,
  lookup: Effect.Effect<A, E>,
  context: Context.Context<never>
): Effect.Effect<A, any> =>
  waitOnSocket<A, E>(
    "WSAConnectByName",
    socket,
    (socket, resume) => socket.awaitLookup(lookup, context, resume)
  )

const inOrder = (
  { instance }: Internal.Socket,
  addresses: ReadonlyArray<SocketAddress.SocketAddress>
): Effect.Effect<ReadonlyArray<SocketAddress.SocketAddress>> =>
  Effect.provideService(
    Effect.map(
      Effect.forEach(addresses, (address) =>
        Effect.map(
          AddressSelection.sourceOf({ connect, getsockname, socket }, address),
          (source) => ({ address, source })
        )),
      (candidates) => AddressSelection.sort(candidates)
    ),
    Winsock,
    services.get(instance)!
  )

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
 * WSAENOBUFS where there is no room for one more, who then waits on (A06).
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
    waitOnSocket("accept", s, (socket, resume) => socket.accept("accept", Context.get(context, Scope.Scope), resume))
  )

/**
 * The condition's answer that accepts the caller.
 *
 * **Example** (Its number)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 *
 * Winsock.CF_ACCEPT // => 0
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const CF_ACCEPT: 0 = SocketState.CF_ACCEPT

/**
 * The condition's answer that rejects the caller.
 *
 * **Example** (Its number)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 *
 * Winsock.CF_REJECT // => 1
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const CF_REJECT: 1 = SocketState.CF_REJECT

/**
 * The condition's answer that leaves the caller waiting.
 *
 * **Example** (Its number)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 *
 * Winsock.CF_DEFER // => 2
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const CF_DEFER: 2 = SocketState.CF_DEFER

/**
 * A caller, as an accept condition sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionRequest {
  /** The caller. */
  readonly remote: SocketAddress.SocketAddress
  /** The address that was called. */
  readonly local: SocketAddress.SocketAddress
  /** What the caller sent along; empty for nothing (R12). */
  readonly callerData: Uint8Array
  /** The most callee data, in bytes, that can be handed back; 0: none. */
  readonly calleeDataMax: number
  /** The quality of service that the caller asks for; `undefined` where it asks for none, or the provider carries none. */
  readonly sqos: Qos.Qos | undefined
  /** The quality of service of the caller's group, likewise. */
  readonly gqos: Qos.Qos | undefined
}

/**
 * What an accept condition answers: {@link CF_ACCEPT}, {@link CF_REJECT} or {@link CF_DEFER}; accepting, it may say more.
 *
 * @category models
 * @since 0.1.0
 */
export type ConditionAnswer = typeof CF_ACCEPT | typeof CF_REJECT | typeof CF_DEFER | {
  /** The answer itself. */
  readonly verdict: typeof CF_ACCEPT
  /** Data to hand back to the caller, at most `calleeDataMax` bytes of the request. */
  readonly calleeData?: Uint8Array | undefined
  /** The group that the accepted socket is to be in. */
  readonly group?: Group | undefined
}

/**
 * Accepts a caller if a condition says so (A07).
 *
 * **When to use**
 *
 * Use to look at a caller before there is a connection to it: at its address, or at what it sent along.
 *
 * **Details**
 *
 * Waits for a caller as {@link accept} does, and runs the condition for it. Nobody else gets this caller meanwhile.
 *
 * - `CF_ACCEPT` gives the socket, which lives in the scope of this call. Callee data and a group may go with it.
 * - `CF_REJECT` fails with WSAECONNREFUSED. The caller is refused where the transport can still say so, and reset
 *   otherwise (`boundedBacklog` of the capabilities).
 * - `CF_DEFER` fails with WSATRY_AGAIN: the caller waits on, and is the next one given, to this call or to {@link accept}.
 * - Any other answer, callee data that is too long, or an unknown group fails with WSAEINVAL, and the caller waits on.
 *
 * A condition that fails or is interrupted leaves the caller waiting, and its failure is that of this call. A caller that
 * has gone while the condition ran gives WSAEACCES; closing the listener meanwhile interrupts the condition, and gives
 * WSAEINTR. Everything else is as in {@link accept}. Without a condition it is {@link accept}.
 *
 * **Gotchas**
 *
 * A call of the same instance from inside the condition fails with WSAEINPROGRESS (E05), also one of a fiber that the
 * condition forked, until the condition has ended.
 *
 * **Example** (Rejecting by address)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:0")
 *   yield* Winsock.listen(listener)
 *   const client = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.WSAConnect(client, yield* Winsock.getsockname(listener))
 *   return yield* Effect.flip(
 *     Winsock.WSAAccept(listener, ({ remote }) =>
 *       Effect.succeed(SocketAddress.format(remote).startsWith("127.") ? Winsock.CF_REJECT : Winsock.CF_ACCEPT))
 *   )
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * ;(await Effect.runPromise(program))._tag // => "WSAECONNREFUSED"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSAAccept = <E = never, R = never>(
  s: Socket,
  condition?: (request: ConnectionRequest) => Effect.Effect<ConditionAnswer, E, R>
): Effect.Effect<Accepted, WsaError.WSAAcceptError | E, R | Scope.Scope> =>
  Effect.contextWith((context: Context.Context<R | Scope.Scope>) => {
    const scope = Context.get(context, Scope.Scope)
    if (condition === undefined) {
      return waitOnSocket("WSAAccept", s, (socket, resume) => socket.accept("WSAAccept", scope, resume))
    }
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        restore(
          waitOnSocket<Provider.Incoming, WsaError.WSAAcceptError>(
            "WSAAccept",
            s,
            (socket, resume) => socket.consider(resume),
            stepsToCondition
          )
        ),
        (request) => consider(s as Internal.Socket, request, condition, restore, scope)
      )
    )
  })

// From the answer of the wait, or of the condition, to where nothing interrupts any more.
const stepsToCondition = 8

const consider = <E, R>(
  socket: Internal.Socket,
  request: Provider.Incoming,
  condition: (request: ConnectionRequest) => Effect.Effect<ConditionAnswer, E, R>,
  restore: <A2, E2, R2>(effect: Effect.Effect<A2, E2, R2>) => Effect.Effect<A2, E2, R2>,
  scope: Scope.Scope
): Effect.Effect<Accepted, WsaError.WSAAcceptError | E, R> =>
  Effect.withFiber((fiber) => {
    const running = socket.instance.beginCondition(Context.get(fiber.context, Instance.Condition))
    const asked = Effect.suspend(() =>
      condition({
        remote: request.remote,
        local: request.local,
        callerData: request.callerData,
        calleeDataMax: socket.capabilities.calleeDataMax,
        sqos: request.sqos,
        gqos: request.gqos
      })
    )
    const asking = Effect.raceFirst(
      Effect.provideService(asked, Instance.Condition, running),
      socket.closing(request)
    )
    const answered = Effect.flatMap(
      asking,
      (answer) => withoutGivingWay(fiber, Effect.succeed(verdictOf(answer)), stepsToCondition)
    )
    return Effect.matchCauseEffect(restore(answered), {
      onFailure: (cause) => {
        socket.instance.endCondition(running)
        socket.abandon(request)
        return Effect.failCause(cause)
      },
      onSuccess: (answer) => {
        socket.instance.endCondition(running)
        return socket.conclude(request, answer, scope)
      }
    })
  })

// Read once, and while whatever goes wrong still puts the caller back.
const verdictOf = (answer: ConditionAnswer): SocketState.Verdict => {
  if (typeof answer !== "object" || answer === null) return { verdict: answer }
  const { calleeData, group, verdict } = answer
  return { verdict, calleeData, group }
}

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
    if (wrong !== undefined) return socket.refuseReceive(socket.wrongArgument(call, wrong), resume)
    const peek = flags === MSG_PEEK
    if (into instanceof Uint8Array) {
      return socket.receive({ call, into, lend: undefined, maximum: into.length, peek, resume })
    }
    if (!isLength(into)) return socket.refuseReceive(notBytes(socket, call), resume)
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
    if (typeof f !== "function") {
      return socket.refuseReceive(socket.undecodable("recv", "expected a function that takes the bytes"), resume)
    }
    if (length !== Infinity && !isLength(length)) return socket.refuseReceive(notBytes(socket, "recv"), resume)
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
 * With `SocketOption.SO_LINGER` it resets at once, or waits for bytes that the stack has not taken and resets after so
 * many seconds; interrupting the wait resets at once. On a non-blocking socket that would have to wait it fails with
 * WSAEWOULDBLOCK, and nothing is closed.
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

// Whatever else is given is the name of no option.
const nameOfOption = (option: unknown): string => {
  const name = typeof option === "object" && option !== null && "name" in option ? option.name : option
  return typeof name === "string" ? name : typeof name
}

/**
 * Makes a socket non-blocking or blocking, or asks what can be received at once.
 *
 * **Details**
 *
 * | command | takes | gives |
 * | --- | --- | --- |
 * | `FIONBIO` | `true` for non-blocking, `false` for blocking, as a new socket is | nothing |
 * | `FIONREAD` | nothing | how many bytes of a stream can be received now, or how long the first datagram is; 0 for none |
 * | `SIOCATMARK` | nothing | `true`: a stream has no out-of-band data that is yet to be read, since there is none at all |
 *
 * A call on a non-blocking socket that cannot end at once fails with WSAEWOULDBLOCK; calls that wait already go on
 * waiting. Fails with WSAEINVAL for another command or value, for `SIOCATMARK` on a datagram socket, and for making a
 * socket blocking while {@link WSAEventSelect} or {@link WSAAsyncSelect} is active (A15).
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
export const ioctlsocket: {
  (s: Socket, command: "FIONBIO", nonBlocking: boolean): Effect.Effect<void, WsaError.IoctlsocketError>
  (s: Socket, command: "FIONREAD"): Effect.Effect<number, WsaError.IoctlsocketError>
  (s: Socket, command: "SIOCATMARK"): Effect.Effect<boolean, WsaError.IoctlsocketError>
} = <A>(s: Socket, command: string, nonBlocking?: boolean): Effect.Effect<A, WsaError.IoctlsocketError> =>
  onSocket<any, WsaError.IoctlsocketError>("ioctlsocket", s, (socket) =>
    command === "FIONBIO"
      ? socket.setBlocking(typeof nonBlocking === "boolean" ? !nonBlocking : undefined)
      : socket.ioctlsocket(command))

/**
 * Sets or reads the quality of service of a socket, or of the group that it created.
 *
 * **Details**
 *
 * A QOS that is set is kept for the connects to come, and holds from now on where the socket is connected: what is sent is
 * marked anew, and `applied` of {@link connectResult} says what was done. One that a {@link WSAConnect} is given overrides it,
 * and is what is read while that attempt is pending and after it has succeeded (R15); an attempt that came to nothing
 * leaves the one before (R16). A direction whose service is `"noChange"` keeps its flow. Service types are marked by the
 * table of `Qos.Marking` around the call.
 *
 * Reading gives `undefined` where there is none (R19), and `providerSpecific` byte for byte, empty where there was none
 * (R18). While a reservation is lost, its flows have the service `"networkUnavailable"`; reading enables FD_QOS again (A18).
 *
 * Fails with WSAEFAULT for a QOS in which `Qos.check` finds something wrong, with its words in `detail`; with WSAEOPNOTSUPP
 * for one that asks for what the provider cannot honour, with nothing changed (R16), while an attempt is pending, and for any
 * other code (A16). The QOS of a group is ignored on a socket that has not created one (R20); the creator's holds for each
 * socket in it.
 *
 * **Example** (Reading what was set)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", { sending: { serviceType: "bestEffort", tokenRate: 8000 } })
 *   return (yield* Winsock.WSAIoctl(s, "SIO_GET_QOS"))?.sending?.tokenRate
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => 8000
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSAIoctl: {
  (
    s: Socket,
    code: "SIO_SET_QOS" | "SIO_SET_GROUP_QOS",
    qos: Qos.Qos
  ): Effect.Effect<void, WsaError.WSAIoctlError>
  (
    s: Socket,
    code: "SIO_GET_QOS" | "SIO_GET_GROUP_QOS"
  ): Effect.Effect<Qos.Qos | undefined, WsaError.WSAIoctlError>
} = <A>(s: Socket, code: string, qos?: Qos.Qos): Effect.Effect<A, WsaError.WSAIoctlError> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.map(
      onSocket<Qos.Qos | undefined, WsaError.WSAIoctlError>(
        "WSAIoctl",
        s,
        (socket) => socket.ioctl(code, keptQos(qos as Qos.Qos), Context.get(context, Qos.Marking))
      ),
      (read) => (read === undefined ? undefined : copyOfQos(read)) as A
    )
  )

// ---------------------------------------------------------------------------------------------------------------------
// Readiness
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The sockets that a select is asked about, or reports.
 *
 * @category models
 * @since 0.1.0
 */
export interface Selected {
  /** Something can be received, the peer has ended or the connection broke, or a caller waits to be accepted. */
  readonly read: ReadonlyArray<Socket>
  /** A send would not wait: a connection has room or broke; a datagram socket always. */
  readonly write: ReadonlyArray<Socket>
  /** An attempt to connect failed, and none has succeeded since. */
  readonly except: ReadonlyArray<Socket>
}

const selectedNone: Selected = { read: [], write: [], except: [] }

/**
 * Waits until a socket of the sets is ready, and reports all that are (A17, R24).
 *
 * **When to use**
 *
 * Use to wait for several sockets at once, or for a non-blocking connect: it is writable when it succeeded, and
 * exceptional when it failed.
 *
 * **Details**
 *
 * With a `timeout` it reports empty sets when the time is over; zero asks without waiting. An unconnected stream is in no
 * set. A socket that is closed meanwhile is reported as readable and writable. The cost is one look at each socket when
 * the call begins and one when it ends, however long it waits.
 *
 * Fails with WSAEINVAL where all sets are empty or the timeout is no duration, WSAENOTSOCK for a closed socket in a set,
 * or one that is closed meanwhile and is only waited for as exceptional.
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
 *   yield* Effect.flip(Winsock.WSAConnect(s, "127.0.0.1:9"))
 *   const { except, write } = yield* Winsock.select({ write: [s], except: [s], timeout: "10 seconds" })
 *   return [write.length, except.length]
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => [0, 1]
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const select = (
  sets: Partial<Selected> & { readonly timeout?: Duration.Input | undefined }
): Effect.Effect<Selected, WsaError.SelectError> =>
  Effect.withFiber((fiber) => {
    const interests = new Map<Internal.Socket, number>()
    let strangers = false
    const add = (set: ReadonlyArray<Socket> | undefined, interest: number) => {
      for (const s of set ?? []) {
        if (Internal.Socket.is(s)) interests.set(s, (interests.get(s) ?? 0) | interest)
        else strangers = true
      }
    }
    add(sets.read, Readiness.readable)
    add(sets.write, Readiness.writable)
    add(sets.except, Readiness.exceptional)
    const timeout = timeoutOf(sets.timeout)
    const wrong = Readiness.checkSets(membersOf(interests.keys(), fiber), strangers, timeout !== undefined)
    const [first] = interests.keys()
    // Without a first one the sets are empty, and without a time-out it is none: either is wrong.
    if (wrong !== undefined || first === undefined || timeout === undefined) return failOf("select", wrong!)
    const wait = (resume: Instance.Resume) => new Events.Selecting(interests, resume).begin()
    return within(
      Effect.callback<Selected, WsaError.SelectError>((resume) =>
        first.instance.busy(fiber)
          ? resume(first.inProgress("select"))
          // E05: one that only looks keeps nobody off.
          : Duration.isZero(timeout)
          ? wait(resume)
          : first.instance.blockOnce(wait, () => first.refuse("select", "WSAEINTR", "request"))(resume)
      ),
      timeout,
      () => Effect.succeed(selectedNone)
    )
  })

function* membersOf(sockets: Iterable<Internal.Socket>, fiber: Fiber.Fiber<any, any>) {
  for (const { instance, state } of sockets) yield { state, facts: factsOf(instance, fiber) }
}

/** How long a call waits, or `undefined` where what was given is no time-out. */
const timeoutOf = (given: Duration.Input | undefined): Duration.Duration | undefined => {
  if (given === undefined) return Duration.infinity
  const timeout = Option.getOrUndefined(Duration.fromInput(given))
  return timeout === undefined || Duration.isNegative(timeout) ? undefined : timeout
}

const within = <A, E>(
  effect: Effect.Effect<A, E>,
  timeout: Duration.Duration,
  over: () => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Duration.isFinite(timeout) ? Effect.timeoutOrElse(effect, { duration: timeout, orElse: over }) : effect

/**
 * An event object: what `WSAEventSelect` signals, and `WSAWaitForMultipleEvents` waits for. It is opaque.
 *
 * @category models
 * @since 0.1.0
 */
export interface WSAEvent {
  /** Whether it is signaled. */
  readonly signaled: boolean
}

const onEvent = <A, E>(
  call: WsaError.Call,
  event: WSAEvent,
  f: (event: Events.EventObject) => A
): Effect.Effect<A, E> =>
  Effect.withFiber((fiber) => {
    if (!Events.EventObject.is(event)) return failOf(call, Readiness.noEvent) as Effect.Effect<never, any>
    const wrong = Readiness.checkEvent(factsOf(event.instance, fiber), !event.closed)
    return wrong === undefined ? Effect.sync(() => f(event)) : failOf(call, wrong) as Effect.Effect<never, any>
  })

/**
 * Makes an event object that is not signaled; it is closed with the scope it was made in (A19).
 *
 * **Example** (Waiting for a signal)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Option } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const event = yield* Winsock.WSACreateEvent
 *   yield* Winsock.WSASetEvent(event)
 *   return Option.getOrThrow(yield* Winsock.WSAWaitForMultipleEvents([event]))
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => 0
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSACreateEvent: Effect.Effect<WSAEvent, WsaError.WSACreateEventError, Winsock | Scope.Scope> = Effect
  .acquireRelease(
    onInstance<Events.EventObject, WsaError.WSACreateEventError>(
      "WSACreateEvent",
      (instance, fiber) =>
        gateOf("WSACreateEvent", instance, fiber) ?? Effect.sync(() => new Events.EventObject(instance))
    ),
    (event) => Effect.sync(() => event.close())
  )

/**
 * Signals an event object. It stays signaled until it is reset. WSA_INVALID_HANDLE for one that is closed (A19).
 *
 * **Example** (Signaling twice is once)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const event = yield* Winsock.WSACreateEvent
 *   yield* Winsock.WSASetEvent(event)
 *   yield* Winsock.WSASetEvent(event)
 *   return event.signaled
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => true
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSASetEvent = (event: WSAEvent): Effect.Effect<void, WsaError.WSASetEventError> =>
  onEvent("WSASetEvent", event, (event) => event.set())

/**
 * Makes an event object not signaled. WSA_INVALID_HANDLE for one that is closed (A19).
 *
 * **Example** (Resetting)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const event = yield* Winsock.WSACreateEvent
 *   yield* Winsock.WSASetEvent(event)
 *   yield* Winsock.WSAResetEvent(event)
 *   return event.signaled
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => false
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSAResetEvent = (event: WSAEvent): Effect.Effect<void, WsaError.WSAResetEventError> =>
  onEvent("WSAResetEvent", event, (event) => event.reset())

/**
 * Closes an event object before its scope does. Sockets that would signal it signal nothing from now on; who waits for it
 * fails with WSA_INVALID_HANDLE, as does every later call on it (A19).
 *
 * **Example** (Closing twice)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const event = yield* Winsock.WSACreateEvent
 *   yield* Winsock.WSACloseEvent(event)
 *   return (yield* Effect.flip(Winsock.WSACloseEvent(event)))._tag
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "WSA_INVALID_HANDLE"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSACloseEvent = (event: WSAEvent): Effect.Effect<void, WsaError.WSACloseEventError> =>
  onEvent("WSACloseEvent", event, (event) => event.close())

/**
 * The most event objects that one {@link WSAWaitForMultipleEvents} takes.
 *
 * **Example** (Its number)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 *
 * Winsock.WSA_MAXIMUM_WAIT_EVENTS // => 64
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const WSA_MAXIMUM_WAIT_EVENTS = Readiness.mostEvents

/**
 * Waits until an event object is signaled, or all are, and gives the lowest index of those that are; none when the time is
 * over (A19).
 *
 * **Details**
 *
 * It resets nothing. Fails with WSA_INVALID_PARAMETER for no event objects, for more than
 * {@link WSA_MAXIMUM_WAIT_EVENTS}, or a timeout that is no duration; WSA_INVALID_HANDLE for one that is closed, also while
 * it is waited for.
 *
 * **Example** (A time-out)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Option } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const event = yield* Winsock.WSACreateEvent
 *   return Option.isNone(yield* Winsock.WSAWaitForMultipleEvents([event], { timeout: 0 }))
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => true
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSAWaitForMultipleEvents = (
  events: ReadonlyArray<WSAEvent>,
  options?: { readonly waitAll?: boolean | undefined; readonly timeout?: Duration.Input | undefined }
): Effect.Effect<Option.Option<number>, WsaError.WSAWaitForMultipleEventsError> =>
  Effect.withFiber((fiber) => {
    const call = "WSAWaitForMultipleEvents"
    const objects = events.filter(Events.EventObject.is)
    const timeout = timeoutOf(options?.timeout)
    const facts = objects.map(({ instance }) => factsOf(instance, fiber))
    const wrong = Readiness.checkWait(facts, events.length, timeout !== undefined)
    if (wrong !== undefined || timeout === undefined) return failOf(call, wrong!)
    return within(
      Effect.map(
        Effect.callback<number, WsaError.WSAWaitForMultipleEventsError>((resume) =>
          Events.waitForEvents(objects, options?.waitAll === true, resume, () => failOf(call, Readiness.noEvent))
        ),
        Option.some
      ),
      timeout,
      () => Effect.succeedNone
    )
  })

/**
 * Asks for network events of a socket: from now on they are recorded and signal an event object (A18).
 *
 * **When to use**
 *
 * Use to wait for several sockets whose events are to be told one by one: wait with {@link WSAWaitForMultipleEvents}, and
 * fetch what happened with {@link WSAEnumNetworkEvents}.
 *
 * **Details**
 *
 * `events` are constants of `NetworkEvent` joined with `|`; 0 asks for none any more, and needs no event object. The socket
 * becomes non-blocking, and stays so. The call takes the place of an earlier one, and of a {@link WSAAsyncSelect}, whose
 * stream ends. It clears the record. What has come to hold before is recorded at once, FD_CONNECT too; what was fetched
 * already is not recorded again before the call that re-enables it. Accepted sockets inherit it (A06).
 *
 * Fails with WSAEINVAL for unknown events, or an event object that is missing or closed.
 *
 * **Example** (A non-blocking connect)
 *
 * ```ts import.meta.vitest
 * import { NetworkEvent, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   const event = yield* Winsock.WSACreateEvent
 *   yield* Winsock.WSAEventSelect(s, event, NetworkEvent.FD_CONNECT | NetworkEvent.FD_WRITE)
 *   yield* Effect.flip(Winsock.WSAConnect(s, "127.0.0.1:9"))
 *   yield* Winsock.WSAWaitForMultipleEvents([event])
 *   const { iErrorCode, lNetworkEvents } = yield* Winsock.WSAEnumNetworkEvents(s, event)
 *   return [NetworkEvent.names(lNetworkEvents), iErrorCode.FD_CONNECT?._tag]
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => [["FD_CONNECT"], "WSAECONNREFUSED"]
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSAEventSelect = (
  s: Socket,
  event: WSAEvent | null | undefined,
  events: number
): Effect.Effect<void, WsaError.WSAEventSelectError> =>
  onSocket(
    "WSAEventSelect",
    s,
    (socket) =>
      socket.select("WSAEventSelect", events, Events.EventObject.is(event) && !event.closed ? event : undefined)
  )

/**
 * Gives the network events that were recorded since it was asked last, and forgets them (A19).
 *
 * **Details**
 *
 * An event object that is handed in is reset in the same step, so that nothing is lost in between. Messages of a
 * {@link WSAAsyncSelect} are not among what it gives. Fails with WSA_INVALID_HANDLE where the event object is closed.
 *
 * **Example** (Asking a fresh socket)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   return (yield* Winsock.WSAEnumNetworkEvents(s)).lNetworkEvents
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => 0
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSAEnumNetworkEvents = (
  s: Socket,
  event?: WSAEvent | null
): Effect.Effect<NetworkEvent.NetworkEvents, WsaError.WSAEnumNetworkEventsError> =>
  onSocket("WSAEnumNetworkEvents", s, (socket) => {
    const object = event === undefined || event === null
      ? undefined
      : Events.EventObject.is(event) && !event.closed
      ? event
      : "invalid"
    return Effect.map(
      socket.enumEvents(object),
      (fetched) => ({ lNetworkEvents: fetched.recorded, iErrorCode: Events.errorsOf(socket, fetched) })
    )
  })

/**
 * Asks for network events of a socket as a stream of messages (A20).
 *
 * **When to use**
 *
 * Use where one fiber handles what happens to a socket, and to those that are accepted from it, in order.
 *
 * **Details**
 *
 * The call asks at once; the stream gives each event as one message, and is to be run once. An event is not told again
 * before the call that re-enables it, nor while its message has not been read, so nothing piles up. The socket becomes
 * non-blocking. The call takes the place of an earlier one, whose stream ends, and of a {@link WSAEventSelect}. What holds
 * already is told at once, but for an FD_CONNECT of before. Of events that come together FD_CONNECT is told first, FD_CLOSE
 * last. Messages of accepted sockets come in the same stream (A06).
 *
 * The stream ends when the socket, and every one that was accepted from it, is closed or tells someone else; after a close
 * no message of the socket comes any more, but for those that a reader was waiting for. When the scope ends no events are
 * asked for any more. Fails with WSAEINVAL for unknown events.
 *
 * **Example** (Reading until the peer ends)
 *
 * ```ts import.meta.vitest
 * import { NetworkEvent, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Stream } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:0")
 *   yield* Winsock.listen(listener)
 *   const client = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.WSAConnect(client, yield* Winsock.getsockname(listener))
 *   const { socket: server } = yield* Winsock.accept(listener)
 *
 *   const messages = yield* Winsock.WSAAsyncSelect(server, NetworkEvent.FD_READ | NetworkEvent.FD_CLOSE)
 *   yield* Winsock.send(client, new Uint8Array(3))
 *   yield* Winsock.shutdown(client, "send")
 *   const seen: Array<string> = []
 *   yield* messages.pipe(
 *     Stream.tap(({ event, socket }) => event === NetworkEvent.FD_READ ? Winsock.recv(socket) : Effect.void),
 *     Stream.takeUntil(({ event }) => event === NetworkEvent.FD_CLOSE),
 *     Stream.runForEach(({ event }) => Effect.sync(() => seen.push(...NetworkEvent.names(event))))
 *   )
 *   return seen
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => ["FD_READ", "FD_CLOSE"]
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export const WSAAsyncSelect = (
  s: Socket,
  events: number
): Effect.Effect<Stream.Stream<NetworkEvent.NetworkMessage<Socket>>, WsaError.WSAAsyncSelectError, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      onSocket<Events.Mailbox, WsaError.WSAAsyncSelectError>("WSAAsyncSelect", s, (socket) => {
        const mailbox = new Events.Mailbox()
        return Effect.as(socket.select("WSAAsyncSelect", events, mailbox), mailbox)
      }),
      (mailbox) => Effect.sync(() => mailbox.close())
    ),
    (mailbox) => Stream.fromPull(Effect.succeed(mailbox.pull))
  )
