/**
 * Pipelines of connects: a connect as a value, made step by step.
 *
 * {@link winsock} connects one address. A step wraps what stands before it, and the type of what can go wrong follows: it has
 * exactly the codes that the pipeline can end with. The order is the meaning: what stands before {@link happyEyeballs} is part
 * of every attempt, so that a race is won when all of it is done; what stands after {@link resolve} is of everything.
 *
 * Every step keeps one promise: a connect that fails, or is interrupted, leaves nothing open.
 *
 * **Example** (A pipeline, and what it fails with)
 *
 * ```ts import.meta.vitest
 * import { Connector, RetryPolicy } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Duration, Effect, Schedule } from "effect"
 *
 * const connector = Connector.winsock.pipe(
 *   Connector.attemptTimeout("2 seconds"),
 *   Connector.retry(RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.spaced("1 second") })),
 *   Connector.timeout("4500 millis")
 * )
 * const program = connector.connect("127.0.0.1:80").pipe(
 *   Effect.scoped,
 *   Effect.catchTag("WSAETIMEDOUT", (error) => Effect.succeed(error.by)),
 *   Effect.provide(SimNetwork.layer())
 * )
 *
 * const report = Sim.run(program)
 * Sim.getOrThrow(report) // => "deadline"
 * Duration.toMillis(report.elapsed) // => 4500
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as AddressResolver from "effect/net/AddressResolver"
import type * as Dns from "effect/net/Dns"
import * as Host from "effect/net/Host"
import type * as NetAddress from "effect/net/NetAddress"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import { hasProperty } from "effect/Predicate"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import type * as AddressPolicy from "./AddressPolicy.ts"
import * as AddressSelection from "./AddressSelection.ts"
import * as Connection from "./Connection.ts"
import type * as ConnectionPool from "./ConnectionPool.ts"
import type { ConnectorEvent } from "./ConnectorEvent.ts"
import * as HappyEyeballs from "./HappyEyeballs.ts"
import * as Around from "./internal/around.ts"
import * as Inside from "./internal/connectData/inside.ts"
import * as EffectSocket from "./internal/effectSocket.ts"
import { withoutGivingWay } from "./internal/givingWay.ts"
import { Limiter } from "./internal/limiter.ts"
import * as Lookup from "./internal/lookup.ts"
import * as Observing from "./internal/observing.ts"
import * as Pipeline from "./internal/pipeline.ts"
import * as Policed from "./internal/policed.ts"
import * as Pooling from "./internal/pooling.ts"
import * as Keeping from "./internal/reconnecting.ts"
import * as Resolving from "./internal/resolving.ts"
import * as Retrying from "./internal/retrying.ts"
import * as Internal from "./internal/socket.ts"
import * as Targets from "./internal/target.ts"
import * as Tracing from "./internal/telemetry.ts"
import { afterTurn } from "./internal/timers.ts"
import * as Tunnel from "./internal/tunnel.ts"
import * as Proxy from "./Proxy.ts"
import * as Qos from "./Qos.ts"
import type * as Reconnecting from "./Reconnecting.ts"
import * as RetryPolicy from "./RetryPolicy.ts"
import * as SocketAddress from "./SocketAddress.ts"
import type * as SocketOption from "./SocketOption.ts"
import type * as Telemetry from "./Telemetry.ts"
import * as Tls from "./Tls.ts"
import * as UserData from "./UserData.ts"
import * as Waterfall from "./Waterfall.ts"
import * as Winsock from "./Winsock.ts"
import * as WsaError from "./WsaError.ts"

/**
 * Runtime type identifier of connectors.
 *
 * **Example** (What marks one)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 *
 * Connector.TypeId in Connector.winsock // => true
 * ```
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~@effect-winsock/core/Connector"

/**
 * A way to connect: to a `Target`, giving an `Out`, failing with an `E`.
 *
 * **Details**
 *
 * What `connect` gives is closed with the scope it runs in. Where it fails or is interrupted, nothing is left in that scope.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connector<in Target, out Out, out E = never, out R = never> extends Pipeable {
  readonly [TypeId]: typeof TypeId
  /** Connects to a target. */
  readonly connect: (target: Target) => Effect.Effect<Out, E, R | Scope.Scope>
}

// ---------------------------------------------------------------------------------------------------------------------
// Targets
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The name and the port that were asked for. TLS verifies the name, and a proxy may look it up.
 *
 * @category models
 * @since 0.1.0
 */
export type Origin = Host.HostPort

/**
 * One address to connect to, and what was asked for when it was found. A path has no origin, an address its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Endpoint {
  readonly _tag: "Endpoint"
  /** What to connect to. */
  readonly address: SocketAddress.SocketAddress
  /** What was asked for. */
  readonly origin: Origin | undefined
}

/**
 * A name and a port that nobody has looked up yet.
 *
 * @category models
 * @since 0.1.0
 */
export interface Named {
  readonly _tag: "Named"
  /** What is asked for. */
  readonly origin: Origin
}

/**
 * Addresses to try, or answers that bring them, and what was asked for when they were found.
 *
 * @category models
 * @since 0.1.0
 */
export interface Candidates {
  readonly _tag: "Candidates"
  /** What was asked for. */
  readonly origin: Origin | undefined
  /** The addresses, all at once or as they come. What finding them fails with is told by the step that put them here. */
  readonly addresses: HappyEyeballs.Source<never, never, never>
}

/**
 * A target that has been read: an address, or a name.
 *
 * @category models
 * @since 0.1.0
 */
export type Target = Endpoint | Named

/**
 * What is needed of a URL.
 *
 * @category models
 * @since 0.1.0
 */
export interface UrlLike {
  /** The scheme and a colon. */
  readonly protocol: string
  /** The name or the address; IPv6 in brackets. */
  readonly hostname: string
  /** The port, empty where it is that of the scheme. */
  readonly port: string
}

/**
 * What is taken for a target: a URL, a name with a port, an address, a path.
 *
 * **Details**
 *
 * In text: `"example.org:443"`, `"192.0.2.1:80"`, `"[2001:db8::1]:80"`, `"unix:/run/app.sock"`, `"https://example.org/path"`.
 * Of a URL the host and the port count; where it has no port it is that of the scheme: `http` and `ws` 80, `https` and `wss` 443.
 *
 * @category models
 * @since 0.1.0
 */
export type TargetInput = Target | UrlLike | Host.HostPortInput | SocketAddress.Input

/**
 * What is taken for one address.
 *
 * @category models
 * @since 0.1.0
 */
export type EndpointInput = Endpoint | SocketAddress.Input

/**
 * Makes a target of an address. Its origin is the address itself, unless another is given.
 *
 * **Example** (An address that was found for a name)
 *
 * ```ts import.meta.vitest
 * import { Connector, SocketAddress } from "@effect-winsock/core"
 * import { Host } from "effect/net"
 *
 * const address = SocketAddress.fromInputUnsafe("192.0.2.1:443")
 * const target = Connector.endpoint(address, Host.hostPortFromStringUnsafe("example.org:443"))
 * target.origin?.host // => "example.org"
 * Connector.endpoint(address).origin?.port // => 443
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const endpoint: (address: SocketAddress.SocketAddress, origin?: Origin) => Endpoint = Targets.endpoint

/**
 * Reads a target, or says what is wrong with it.
 *
 * **When to use**
 *
 * Use to check what a configuration says before anything is connected. {@link resolve} reads what it is given by itself.
 *
 * **Details**
 *
 * Never throws. What cannot be read is WSAEINVAL of the stage `"request"`, whose `detail` tells what is wrong and what would
 * be right. An address gives an `Endpoint`; a name gives a `Named`, as does an IPv6 address whose zone is the name of an
 * interface. The origin is what was asked for: names in lower case, as `effect/net/Host` writes them.
 *
 * **Gotchas**
 *
 * Port 0 is read as it is: connecting to it is WSAEADDRNOTAVAIL.
 *
 * **Example** (Reading what people write)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 * import { Result } from "effect"
 *
 * const read = (input: Connector.TargetInput) =>
 *   Result.match(Connector.target(input), {
 *     onFailure: ({ detail }) => detail,
 *     onSuccess: (target) => `${target._tag} ${target.origin}`
 *   })
 *
 * read("Example.org:443") // => "Named example.org:443"
 * read(new URL("https://example.org/index.html")) // => "Named example.org:443"
 * read("http://[::1]/") // => "Endpoint [::1]:80"
 * read({ host: "192.0.2.1", port: 80 }) // => "Endpoint 192.0.2.1:80"
 * read("unix:/run/app.sock") // => "Endpoint undefined"
 * read("example.org")?.startsWith("\"example.org\" is no target: expected host:port; write example.org:443") // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const target = (input: TargetInput): Result.Result<Target, WsaError.WSAEINVAL> => Targets.read(input)

const isEndpoint = (u: unknown): u is Endpoint => hasProperty(u, "_tag") && u._tag === "Endpoint"

// ---------------------------------------------------------------------------------------------------------------------
// Making connectors
// ---------------------------------------------------------------------------------------------------------------------

const Proto = {
  [TypeId]: TypeId as typeof TypeId,
  pipe() {
    return pipeArguments(this, arguments)
  }
}

/**
 * Makes a connector of a function that connects.
 *
 * **When to use**
 *
 * Use to begin a pipeline with a way to connect of your own. It is to keep the promise of all: what it fails with, or is
 * interrupted at, leaves nothing in the scope.
 *
 * **Example** (A connector that knows a shorter name)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const database = Connector.make((_: "database") => Connector.winsock.connect("127.0.0.1:5432"))
 * const program = database.connect("database").pipe(Effect.flip, Effect.scoped, Effect.provide(Memory.layer()))
 * const error = await Effect.runPromise(program)
 * error._tag // => "WSAECONNREFUSED"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Target, Out, E = never, R = never>(
  connect: (target: Target) => Effect.Effect<Out, E, R | Scope.Scope>
): Connector<Target, Out, E, R> => {
  const self = Object.create(Proto)
  self.connect = connect
  return self
}

/**
 * Tells whether a value is a connector.
 *
 * **Example** (Recognising one)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 *
 * Connector.isConnector(Connector.winsock) // => true
 * Connector.isConnector("127.0.0.1:80") // => false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isConnector = (u: unknown): u is Connector<never, unknown, unknown, unknown> => hasProperty(u, TypeId)

const Run: unique symbol = Symbol.for("@effect-winsock/core/Connector/Run")

/** A connect, told what is to be put around it. Is run once. */
type Run<Target, Out, E, R> = (
  target: Target,
  around: Around.Around | undefined
) => Effect.Effect<Out, E, R | Scope.Scope>

/** A connector that does itself what would be put around it, or hands that on to what stands inside. */
const running = <Target, Out, E, R>(run: Run<Target, Out, E, R>): Connector<Target, Out, E, R> => {
  const connect = (target: Target) => Effect.suspend(() => run(target, undefined))
  return Object.assign(make(connect), { [Run]: { connect, run } })
}

interface Running<Target, Out, E, R> {
  readonly [Run]?: Pick<Connector<Target, Out, E, R>, "connect"> & { readonly run: Run<Target, Out, E, R> }
}

/** Runs what stands inside of a step. A connector that knows nothing of what is put around it has it put there. */
const runOf = <Target, Out, E, R>(self: Connector<Target, Out, E, R>): Run<Target, Out, E, R> => {
  const known = (self as Running<Target, Out, E, R>)[Run]
  // one that was made of another may connect in a way of its own
  return known !== undefined && known.connect === self.connect
    ? known.run
    : (target, around) => Around.put(around, Effect.suspend(() => self.connect(target)))
}

type Omitted = "WSAEWOULDBLOCK" | "WSAEALREADY" | "WSAEISCONN" | "WSAEINPROGRESS"
const omitted: ReadonlySet<string> = new Set<Omitted>([
  "WSAEWOULDBLOCK",
  "WSAEALREADY",
  "WSAEISCONN",
  "WSAEINPROGRESS"
])

/** What a fresh blocking socket cannot end with is told as what it is: a code that was not expected. */
const unexpected = <E extends WsaError.WsaError>(
  error: E
): Exclude<E, { readonly _tag: Omitted }> | WsaError.WsaUnmapped => {
  if (!omitted.has(error._tag)) return error as Exclude<E, { readonly _tag: Omitted }>
  const { call, detail, local, native, remote, stage } = error
  return WsaError.make("WsaUnmapped", {
    code: error._tag,
    call,
    stage,
    local,
    remote,
    native,
    detail,
    cause: error
  })
}

/**
 * What connecting one address can fail with. A fresh blocking socket ends with neither WSAEWOULDBLOCK nor WSAEALREADY,
 * WSAEISCONN, WSAEINPROGRESS.
 *
 * @category errors
 * @since 0.1.0
 */
export type ConnectError = Exclude<WsaError.SocketError | WsaError.WSAConnectError, { readonly _tag: Omitted }>

// How many steps a fiber takes from here until the new socket is held by what closes it.
const stepsOfSocket = 5

const opened = (endpoint: Endpoint, around: Around.Around | undefined) =>
  Effect.withFiber<Connection.Connection, ConnectError, Winsock.Winsock | Scope.Scope>((fiber) => {
    // what is asked about is what is connected to: an address is frozen, and the endpoint is not read again
    const { address } = endpoint
    const settings = fiber.getRef(Pipeline.Settings)
    const { observed, prepare } = settings
    if (observed !== undefined) Observing.attempting(observed, address)
    const denied = Policed.denial(fiber.context, address, "connect", settings)
    if (denied !== undefined) return Effect.fail(denied)
    if (observed !== undefined || prepare.length > 0) {
      return Around.put(around, Effect.mapError(preparedSocket(endpoint, address, prepare, observed), unexpected))
    }
    // there is nothing but the socket: it is closed without a scope of its own, and ends itself in time
    const limit = Around.first(around, fiber.getRef(Clock.Clock))
    let isLate = false
    const connected = (s: Winsock.Socket) => {
      const forget = limit === undefined || !Internal.Socket.is(s)
        ? undefined
        : afterTurn(fiber.context, limit.left, () => {
          // whoever waits goes on before `expire` answers
          isLate = s.isConnecting
          s.expire()
        })
      return Effect.onExitPrimitive(connecting(s, address), (exit) => {
        forget?.()
        return Exit.isFailure(exit) && Internal.Socket.is(s) ? s.giveUp() : undefined
      })
    }
    return Effect.catchCause(
      withoutGivingWay(fiber, Effect.flatMap(socketFor(address), connected), stepsOfSocket),
      (cause) =>
        limit !== undefined && isLate ? Effect.die(limit.limit) : Effect.failCause(Cause.map(cause, unexpected))
    )
  })

const socketFor = (address: SocketAddress.SocketAddress) =>
  Winsock.socket({ family: SocketAddress.familyOf(address), type: "stream" })

const connecting = (s: Winsock.Socket, address: SocketAddress.SocketAddress) =>
  Effect.map(Winsock.WSAConnect(s, address), Connection.fromConnected)

/** A connect of a socket that is to be prepared, or of which somebody is told. */
const preparedSocket = (
  endpoint: Endpoint,
  address: SocketAddress.SocketAddress,
  prepare: ReadonlyArray<Pipeline.Prepare>,
  observed: Observing.Observed | undefined
) =>
  Pipeline.isolated(Effect.gen(function*() {
    const s = yield* socketFor(address)
    if (observed !== undefined) Observing.tell(observed, { _tag: "SocketOpened" })
    for (const each of prepare) yield* each(s, endpoint)
    const connection = yield* connecting(s, address)
    if (observed !== undefined) {
      Observing.tell(observed, { _tag: "Connected", local: connection.local, remote: connection.remote })
    }
    return connection
  }))

const endpointOf = (input: EndpointInput): Result.Result<Endpoint, WsaError.WSAEFAULT> =>
  Result.mapBoth(SocketAddress.fromInput(isEndpoint(input) ? input.address : input), {
    onFailure: ({ reason }) => WsaError.make("WSAEFAULT", { call: "WSAConnect", stage: "request", detail: reason }),
    onSuccess: (address) =>
      !isEndpoint(input) ? endpoint(address) : address === input.address ? input : endpoint(address, input.origin)
  })

/**
 * Connects one address with a socket of its own, by WSAConnect: with the QOS and the user data of the layers around.
 *
 * **Details**
 *
 * It fails with what `socket` and `WSAConnect` can end with, for a blocking stream socket that is new: {@link ConnectError}. An
 * address that does not decode is WSAEFAULT (E10). The connection is closed with the scope, as is its socket.
 *
 * **Example** (Connecting, and saying something)
 *
 * ```ts import.meta.vitest
 * import { Connector, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *
 *   const connection = yield* Connector.winsock.connect("127.0.0.1:80")
 *   yield* connection.write(new Uint8Array([1, 2, 3]))
 *   const { socket } = yield* Winsock.accept(listener)
 *   return (yield* Winsock.recv(socket)).length
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => 3
 * ```
 *
 * @category connectors
 * @since 0.1.0
 */
export const winsock: Connector<EndpointInput, Connection.Connection, ConnectError, Winsock.Winsock> = running(
  (input, around) => {
    const endpoint = endpointOf(input)
    return Result.isFailure(endpoint) ? Effect.fail(endpoint.failure) : opened(endpoint.success, around)
  }
)

/**
 * Connects to a target.
 *
 * **When to use**
 *
 * Use at the end of a pipe, where the target is known; `connector.connect(target)` is the same.
 *
 * **Example** (To an address)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Connector.winsock.pipe(
 *   Connector.connect("127.0.0.1:9"),
 *   Effect.catchTag("WSAECONNREFUSED", () => Effect.succeed("refused")),
 *   Effect.scoped,
 *   Effect.provide(Memory.layer())
 * )
 * await Effect.runPromise(program) // => "refused"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const connect: {
  /**
   * Connects to a target.
   */
  <Target>(
    target: Target
  ): <Out, E, R>(self: Connector<Target, Out, E, R>) => Effect.Effect<Out, E, R | Scope.Scope>
  /**
   * Connects to a target.
   */
  <Target, Out, E, R>(self: Connector<Target, Out, E, R>, target: Target): Effect.Effect<Out, E, R | Scope.Scope>
} = dual(
  2,
  <Target, Out, E, R>(self: Connector<Target, Out, E, R>, target: Target) => self.connect(target)
)

/** A step that changes the effect of a connect, and nothing else. */
const mapConnect = <Target, Out, E, R, Out2, E2, R2>(
  self: Connector<Target, Out, E, R>,
  f: (connect: Effect.Effect<Out, E, R | Scope.Scope>, target: Target) => Effect.Effect<Out2, E2, R2 | Scope.Scope>
): Connector<Target, Out2, E2, R2> => make((target) => f(Effect.suspend(() => self.connect(target)), target))

// ---------------------------------------------------------------------------------------------------------------------
// Steps: the socket
// ---------------------------------------------------------------------------------------------------------------------

const prepared = <Target, Out, E, R, E2, R2>(
  self: Connector<Target, Out, E, R>,
  f: (s: Winsock.Socket, endpoint: Endpoint) => Effect.Effect<unknown, E2, R2>
): Connector<Target, Out, E | E2, R | Exclude<R2, Scope.Scope>> =>
  mapConnect(self, (connect) =>
    Effect.contextWith((context: Context.Context<Exclude<R2, Scope.Scope>>) => {
      // the scope of a hook is that of its attempt
      const given = Context.omit(Scope.Scope)(context as Context.Context<any>)
      const prepare: Pipeline.Prepare = (s, endpoint) =>
        Effect.provideContext(f(s, endpoint) as Effect.Effect<unknown, E2, Scope.Scope>, given)
      // what stands nearer to the socket is done first
      return Pipeline.withSettings(connect, (settings) => ({ ...settings, prepare: [prepare, ...settings.prepare] }))
    }))

/**
 * Does something to each socket before it connects.
 *
 * **Details**
 *
 * It is part of the attempt: what it fails with is the failure of that attempt alone. Several hooks are run in the order in
 * which they stand. The socket is that which is opened: where there is a proxy, the one that connects to the proxy. What the
 * hook adds to its scope is of that attempt, and closed with the socket.
 *
 * **Example** (Refusing what is not wanted)
 *
 * ```ts import.meta.vitest
 * import { Connector, SocketAddress } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Data, Effect } from "effect"
 *
 * class NotSecure extends Data.TaggedError("NotSecure")<{ readonly port: number | undefined }> {}
 *
 * const connector = Connector.winsock.pipe(
 *   Connector.hook((_, { address }) => {
 *     const port = SocketAddress.portOf(address)
 *     return port === 443 ? Effect.void : Effect.fail(new NotSecure({ port }))
 *   })
 * )
 * const program = connector.connect("127.0.0.1:80").pipe(
 *   Effect.catchTag("NotSecure", ({ port }) => Effect.succeed(port)),
 *   Effect.scoped,
 *   Effect.provide(Memory.layer())
 * )
 * await Effect.runPromise(program) // => 80
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const hook: {
  /**
   * Does something to each socket before it connects.
   */
  <E2 = never, R2 = never>(
    f: (s: Winsock.Socket, endpoint: Endpoint) => Effect.Effect<unknown, E2, R2>
  ): <Target, Out, E, R>(
    self: Connector<Target, Out, E, R>
  ) => Connector<Target, Out, E | E2, R | Exclude<R2, Scope.Scope>>
  /**
   * Does something to each socket before it connects.
   */
  <Target, Out, E, R, E2 = never, R2 = never>(
    self: Connector<Target, Out, E, R>,
    f: (s: Winsock.Socket, endpoint: Endpoint) => Effect.Effect<unknown, E2, R2>
  ): Connector<Target, Out, E | E2, R | Exclude<R2, Scope.Scope>>
} = dual(2, prepared)

/**
 * From where to connect: one address for each family. A family that is absent is bound by the stack.
 *
 * @category options
 * @since 0.1.0
 */
export interface Local {
  /** For IPv4; port 0 lets the stack choose one. */
  readonly IPv4?: SocketAddress.Input | undefined
  /** For IPv6; port 0 lets the stack choose one. */
  readonly IPv6?: SocketAddress.Input | undefined
  /** For Unix-domain sockets. */
  readonly Unix?: SocketAddress.Input | undefined
}

/**
 * What binding a fresh socket can fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type BindError = Exclude<WsaError.BindError, { readonly _tag: Omitted }>

/**
 * Binds each socket before it connects: to the address that is given for its family.
 *
 * **Details**
 *
 * It fails with what `bind` can end with; in a race that is the failure of one attempt, and the others go on.
 *
 * **Gotchas**
 *
 * A port that is given, and not 0, is taken by the first attempt that binds it: the others of a race meet WSAEADDRINUSE.
 *
 * **Example** (From a port that a firewall lets through)
 *
 * ```ts import.meta.vitest
 * import { Connector, SocketAddress, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const connector = Connector.winsock.pipe(Connector.bindTo({ IPv4: "127.0.0.1:4711" }))
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *   const { local } = yield* connector.connect("127.0.0.1:80")
 *   return SocketAddress.format(local)
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "127.0.0.1:4711"
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const bindTo: {
  /**
   * Binds each socket before it connects: to the address that is given for its family.
   */
  (local: Local): <Target, Out, E, R>(self: Connector<Target, Out, E, R>) => Connector<Target, Out, E | BindError, R>
  /**
   * Binds each socket before it connects: to the address that is given for its family.
   */
  <Target, Out, E, R>(self: Connector<Target, Out, E, R>, local: Local): Connector<Target, Out, E | BindError, R>
} = dual(
  2,
  <Target, Out, E, R>(self: Connector<Target, Out, E, R>, local: Local): Connector<Target, Out, E | BindError, R> =>
    prepared(self, (s, { address }) => {
      const own = local[SocketAddress.familyOf(address)]
      return own === undefined ? Effect.void : Effect.mapError(Winsock.bind(s, own), unexpected)
    })
)

/**
 * What setting an option of a fresh socket can fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type OptionError = Exclude<WsaError.SetsockoptError, { readonly _tag: Omitted }>

/**
 * Options with their values.
 *
 * @category models
 * @since 0.1.0
 */
export type OptionValues<Values extends ReadonlyArray<unknown>> = {
  readonly [I in keyof Values]: readonly [option: SocketOption.Settable<Values[I]>, value: Values[I]]
}

/**
 * Sets options of each socket before it connects, in the order in which they stand.
 *
 * **Details**
 *
 * It fails with what `setsockopt` can end with; in a race that is the failure of one attempt.
 *
 * **Example** (No delay, and keep-alive)
 *
 * ```ts import.meta.vitest
 * import { Connector, SocketOption, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const connector = Connector.winsock.pipe(
 *   Connector.options([[SocketOption.TCP_NODELAY, true], [SocketOption.SO_KEEPALIVE, true]])
 * )
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *   const { socket } = yield* connector.connect("127.0.0.1:80")
 *   return yield* Winsock.getsockopt(socket, SocketOption.TCP_NODELAY)
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => true
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const options: {
  /**
   * Sets options of each socket before it connects, in the order in which they stand.
   */
  <Values extends ReadonlyArray<unknown>>(
    values: readonly [...OptionValues<Values>]
  ): <Target, Out, E, R>(self: Connector<Target, Out, E, R>) => Connector<Target, Out, E | OptionError, R>
  /**
   * Sets options of each socket before it connects, in the order in which they stand.
   */
  <Target, Out, E, R, Values extends ReadonlyArray<unknown>>(
    self: Connector<Target, Out, E, R>,
    values: readonly [...OptionValues<Values>]
  ): Connector<Target, Out, E | OptionError, R>
} = dual(
  2,
  <Target, Out, E, R>(
    self: Connector<Target, Out, E, R>,
    values: ReadonlyArray<readonly [SocketOption.Settable<unknown>, unknown]>
  ): Connector<Target, Out, E | OptionError, R> =>
    prepared(self, (s) =>
      Effect.forEach(
        values,
        ([option, value]) => Effect.mapError(Winsock.setsockopt(s, option, value), unexpected),
        { discard: true }
      ))
)

// ---------------------------------------------------------------------------------------------------------------------
// Steps: where to
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Holds all that stands before it to a policy: what that denies is not connected to, and fails with WSAEACCES.
 *
 * **Details**
 *
 * It is asked about each address that a race would try, and again about each address that a socket would connect to, a
 * proxy's too, when it is about to: a name that stands for another address by then gains nothing. So it makes no difference
 * where the step stands, as long as it stands after {@link winsock} and {@link via}. In a race an address that is denied is
 * an attempt that has failed, and the others are tried.
 *
 * No socket is opened for an address that is denied. The `detail` of the error has the names of the policy and of its rule.
 *
 * A name that a proxy would look up itself cannot be checked: it is denied, unless the policy allows names
 * (`AddressPolicy.withNames`). Give the proxy addresses: `via`, and after it `happyEyeballs` and `resolve`.
 *
 * Several policies all have to allow, those of `AddressPolicy.layer` included.
 *
 * **Example** (One address of two)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy, Connector, SocketAddress } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const connector = Connector.winsock.pipe(
 *   Connector.happyEyeballs(),
 *   Connector.addressPolicy(AddressPolicy.publicOnly)
 * )
 * const addresses = ["10.0.0.1:80", "9.9.9.9:80"].map(SocketAddress.fromInputUnsafe)
 * const program = Effect.flip(connector.connect({ _tag: "Candidates", origin: undefined, addresses })).pipe(
 *   Effect.scoped,
 *   Effect.provide(SimNetwork.layer())
 * )
 * const { attempts } = Sim.getOrThrow(Sim.run(program))
 * attempts?.map(({ code, stage }) => `${stage} ${code}`) // => ["resolve WSAEACCES", "connect WSAENETUNREACH"]
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const addressPolicy: {
  /**
   * Holds all that stands before it to a policy: what that denies is not connected to, and fails with WSAEACCES.
   */
  (
    policy: AddressPolicy.AddressPolicy
  ): <Target, Out, E, R>(self: Connector<Target, Out, E, R>) => Connector<Target, Out, E | WsaError.WSAEACCES, R>
  /**
   * Holds all that stands before it to a policy: what that denies is not connected to, and fails with WSAEACCES.
   */
  <Target, Out, E, R>(
    self: Connector<Target, Out, E, R>,
    policy: AddressPolicy.AddressPolicy
  ): Connector<Target, Out, E | WsaError.WSAEACCES, R>
} = dual(
  2,
  <Target, Out, E, R>(
    self: Connector<Target, Out, E, R>,
    policy: AddressPolicy.AddressPolicy
  ): Connector<Target, Out, E | WsaError.WSAEACCES, R> =>
    mapConnect(
      self,
      (connect) =>
        Pipeline.withSettings(connect, (settings) => ({ ...settings, policies: [...settings.policies, policy] }))
    )
)

// ---------------------------------------------------------------------------------------------------------------------
// Steps: what goes along
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Asks for a quality of service, in place of what the layers around say. `null`: for none.
 *
 * **Details**
 *
 * `applied` of the connection tells what was done of it. A QOS that cannot be had is WSAEOPNOTSUPP (R16), which the type of
 * {@link winsock} has. It holds for what stands before it: after a `via` it is of the target, and the proxy learns nothing of it.
 *
 * **Example** (Marked packets)
 *
 * ```ts import.meta.vitest
 * import { Connector, Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const connector = Connector.winsock.pipe(Connector.qos({ sending: { serviceType: "controlledLoad", tokenRate: 64_000 } }))
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *   const { applied } = yield* connector.connect("127.0.0.1:80")
 *   return applied.sending.marked
 * }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
 *
 * Sim.getOrThrow(Sim.run(program)) // => 24
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const qos: {
  /**
   * Asks for a quality of service, in place of what the layers around say. `null`: for none.
   */
  (qos: Qos.Qos | null): <Target, Out, E, R>(self: Connector<Target, Out, E, R>) => Connector<Target, Out, E, R>
  /**
   * Asks for a quality of service, in place of what the layers around say. `null`: for none.
   */
  <Target, Out, E, R>(self: Connector<Target, Out, E, R>, qos: Qos.Qos | null): Connector<Target, Out, E, R>
} = dual(
  2,
  <Target, Out, E, R>(self: Connector<Target, Out, E, R>, qos: Qos.Qos | null): Connector<Target, Out, E, R> =>
    mapConnect(self, Effect.provideService(Qos.SocketQos, qos ?? undefined))
)

/**
 * Sends data along with the request, in place of what the layers around say. `null`: none.
 *
 * **Details**
 *
 * Where the provider carries none it is WSAEPROTONOSUPPORT (E17), which the type of {@link winsock} has. It holds for what
 * stands before it: after a `via` it is for the target, and goes inside the tunnel.
 *
 * **Example** (Data that the listener looks at before it accepts)
 *
 * ```ts import.meta.vitest
 * import { Connector, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const connector = Connector.winsock.pipe(Connector.callerData(new Uint8Array([7])))
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *   yield* Effect.forkScoped(connector.connect("127.0.0.1:80"))
 *   let seen: number | undefined
 *   yield* Winsock.WSAAccept(listener, ({ callerData }) => {
 *     seen = callerData[0]
 *     return Effect.succeed(Winsock.CF_ACCEPT)
 *   })
 *   return seen
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer({ callerDataMax: 16 })))
 *
 * await Effect.runPromise(program) // => 7
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const callerData: {
  /**
   * Sends data along with the request, in place of what the layers around say. `null`: none.
   */
  (data: Uint8Array | null): <Target, Out, E, R>(self: Connector<Target, Out, E, R>) => Connector<Target, Out, E, R>
  /**
   * Sends data along with the request, in place of what the layers around say. `null`: none.
   */
  <Target, Out, E, R>(self: Connector<Target, Out, E, R>, data: Uint8Array | null): Connector<Target, Out, E, R>
} = dual(
  2,
  <Target, Out, E, R>(self: Connector<Target, Out, E, R>, data: Uint8Array | null): Connector<Target, Out, E, R> =>
    mapConnect(self, Effect.provideService(UserData.CallerData, data ?? undefined))
)

// ---------------------------------------------------------------------------------------------------------------------
// Steps: TLS
// ---------------------------------------------------------------------------------------------------------------------

/** The host that was asked for: the name of a name, the address of an address. A path has none. */
const hostOf = (target: unknown): string | undefined => {
  const read = hasProperty(target, "origin") ? Result.succeed(target) : Targets.read(target)
  const origin = Result.isSuccess(read) ? read.success.origin : undefined
  return Host.isHostPort(origin) ? Host.formatHost(origin.host) : undefined
}

/**
 * Does a TLS handshake over the connection: as a part of the attempt, so that a race is won when the handshake is done.
 *
 * **Details**
 *
 * The certificate has to be of the host that was asked for, unless `serverName` names another: the name of a target that was
 * resolved, the address of one that was not. A target that has neither, such as a path, needs a `serverName`. A handshake
 * that fails closes the connection and everything below it.
 *
 * **Example** (A race goes on where a certificate has expired)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 *
 * const connector = Connector.winsock.pipe(
 *   Connector.tls({ alpn: ["h2", "http/1.1"] }),
 *   Connector.attemptTimeout("2 seconds"),
 *   Connector.happyEyeballs()
 * )
 * Connector.isConnector(connector) // => true
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const tls: {
  /**
   * Does a TLS handshake over the connection: as a part of the attempt, so that a race is won when the handshake is done.
   */
  (options?: Tls.ConnectOptions): <Target, E0, E, R>(
    self: Connector<Target, Connection.Connection<E0>, E, R>
  ) => Connector<Target, Tls.TlsConnection<E0>, E | E0 | Tls.HandshakeError, R | Tls.Tls>
  /**
   * Does a TLS handshake over the connection: as a part of the attempt, so that a race is won when the handshake is done.
   */
  <Target, E0, E, R>(
    self: Connector<Target, Connection.Connection<E0>, E, R>,
    options?: Tls.ConnectOptions
  ): Connector<Target, Tls.TlsConnection<E0>, E | E0 | Tls.HandshakeError, R | Tls.Tls>
} = dual(
  (args) => isConnector(args[0]),
  <Target, E0, E, R>(
    self: Connector<Target, Connection.Connection<E0>, E, R>,
    options: Tls.ConnectOptions = {}
  ): Connector<Target, Tls.TlsConnection<E0>, E | E0 | Tls.HandshakeError, R | Tls.Tls> =>
    mapConnect(self, (connect, target) => {
      const serverName = options.serverName ?? hostOf(target)
      const asked = serverName === undefined ? options : { ...options, serverName }
      const handshake = (connection: Connection.Connection<E0>) =>
        Effect.tap(
          Tls.Tls.use((tls) => tls.connect(connection, asked)),
          ({ tls }) => Observing.emit(() => Observing.handshake(tls))
        )
      return Pipeline.isolated(Effect.flatMap(connect, handshake))
    })
)

// ---------------------------------------------------------------------------------------------------------------------
// Steps: proxies
// ---------------------------------------------------------------------------------------------------------------------

/** The target that a proxy is for whoever reaches it. */
const targetOf = (server: Proxy.Server): Target =>
  Host.isHostPort(server) ? { _tag: "Named", origin: server } : endpoint(server)

/** A proxy may have been written down by hand: a header with a line break would be a request of somebody else's. */
const madeAnew = (hop: Proxy.Hop): Proxy.Hop => {
  const { credentials, server } = hop
  const options = { ...(Host.isHostPort(server) ? { host: server } : { address: server }), credentials }
  return hop._tag === "Socks5" ? Proxy.socks5(options) : Proxy.http({ ...options, headers: hop.headers })
}

const through = <E0, E, R>(
  self: Connector<Target, Connection.Connection<E0>, E, R>,
  hop: Proxy.Hop
): Connector<Target, Connection.Connection<E0>, E | E0 | Proxy.ProxyError, R> =>
  make((target) =>
    Pipeline.isolated(Effect.gen(function*() {
      yield* Policed.handedOver(target)
      const destination = yield* Tunnel.destinationOf(target)
      const connection = yield* Pipeline.plain(Tunnel.silently(self.connect(targetOf(hop.server))))
      const speaking = yield* Inside.speaking(connection, destination)
      const opened = yield* Tunnel.opened(connection, hop, destination)
      yield* Observing.emit(() => ({
        _tag: "ProxyPassed",
        proxy: Proxy.format(hop),
        destination: Host.formatHostPort(Host.hostPortUnsafe(destination.host, destination.port))
      }))
      return yield* Inside.spoken(opened, destination, speaking)
    }))
  )

/** Takes whatever is taken for a target. */
const reading = <Out, E, R>(
  self: Connector<Target, Out, E, R>
): Connector<TargetInput, Out, E | WsaError.WSAEINVAL, R> =>
  make((input): Effect.Effect<Out, E | WsaError.WSAEINVAL, R | Scope.Scope> => {
    const target = Targets.read(input)
    return Result.isFailure(target) ? Effect.fail(target.failure) : self.connect(target.success)
  })

/**
 * Goes through a proxy: what stands before it connects to the proxy, and what comes after it to a target.
 *
 * **When to use**
 *
 * Use before `happyEyeballs` and `resolve` to send the proxy addresses, and after them to send it names, which it looks up
 * itself. A proxy with a name needs what stands before it to look names up.
 *
 * **Details**
 *
 * The proxy is a value of {@link Proxy}. With {@link Proxy.rules}, and what {@link Proxy.fromEnvironment} reads, targets that are
 * excepted are reached directly, by what stands before this step.
 *
 * What the proxy says of its way to the target comes back as the code that the same would have without a proxy, of the stage
 * `"proxy"`: see {@link Proxy.ProxyError}. Bytes of the target that come together with the answer are read first. A failure
 * and an interruption at any moment close everything. There is no time-out of its own: `attemptTimeout` behind it has one.
 *
 * Hooks, options and local addresses are of the socket that is opened, which is the one that connects to the proxy, wherever
 * they stand. QOS and connect data are for the target, and never for a proxy: what the carrier of the layer has to say
 * (`ConnectData`) is said inside of the tunnel. Caller data that nobody carries is WSAEPROTONOSUPPORT (E17), before the proxy
 * is asked. A QOS is applied to nothing, as `applied` says.
 *
 * It takes a target in every form: a text that is no target is WSAEINVAL. A proxy that was written down by hand is checked as
 * its constructor does: this throws a `SchemaError` where it is none.
 *
 * **Example** (Refused behind a proxy)
 *
 * ```ts import.meta.vitest
 * import { Connector, Proxy, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * // A SOCKS5 proxy that reaches nobody.
 * const proxy = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:1080")
 *   yield* Winsock.listen(listener)
 *   yield* Effect.gen(function*() {
 *     const { socket } = yield* Winsock.accept(listener)
 *     yield* Winsock.recv(socket) // the methods: take the first
 *     yield* Winsock.send(socket, Uint8Array.of(5, 0))
 *     yield* Winsock.recv(socket) // the request: refused
 *     yield* Winsock.send(socket, Uint8Array.of(5, 5, 0, 1, 0, 0, 0, 0, 0, 0))
 *   }).pipe(Effect.forkScoped)
 * })
 *
 * const program = Effect.gen(function*() {
 *   yield* proxy
 *   const connector = Connector.winsock.pipe(Connector.via(Proxy.socks5({ address: "127.0.0.1:1080" })))
 *   return yield* Effect.flip(connector.connect("shop.test:443"))
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * const error = await Effect.runPromise(program)
 * error._tag // => "WSAECONNREFUSED"
 * error.stage // => "proxy"
 * error.detail // => "the proxy socks5://127.0.0.1:1080 says: connection refused (5)"
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const via: {
  /**
   * Goes through a proxy where the rules say so.
   */
  (rules: Proxy.Rules): <E0, E, R>(
    self: Connector<Target, Connection.Connection<E0>, E, R>
  ) => Connector<TargetInput, Connection.Connection<E0>, E | E0 | Proxy.ProxyError, R>
  /**
   * Goes through a proxy.
   */
  <S extends Proxy.Server>(proxy: Proxy.Proxy<S>): <E0, E, R>(
    self: Connector<TargetOf<S>, Connection.Connection<E0>, E, R>
  ) => Connector<TargetInput, Connection.Connection<E0>, E | E0 | Proxy.ProxyError, R>
  /**
   * Goes through a proxy where the rules say so.
   */
  <E0, E, R>(
    self: Connector<Target, Connection.Connection<E0>, E, R>,
    rules: Proxy.Rules
  ): Connector<TargetInput, Connection.Connection<E0>, E | E0 | Proxy.ProxyError, R>
  /**
   * Goes through a proxy.
   */
  <S extends Proxy.Server, E0, E, R>(
    self: Connector<TargetOf<S>, Connection.Connection<E0>, E, R>,
    proxy: Proxy.Proxy<S>
  ): Connector<TargetInput, Connection.Connection<E0>, E | E0 | Proxy.ProxyError, R>
} = dual(
  2,
  <E0, E, R>(
    self: Connector<Target, Connection.Connection<E0>, E, R>,
    proxy: Proxy.Proxy | Proxy.Rules
  ): Connector<TargetInput, Connection.Connection<E0>, E | E0 | Proxy.ProxyError, R> => {
    type Tunnelled = Connector<Target, Connection.Connection<E0>, E | E0 | Proxy.ProxyError, R>
    const all = (proxy: Proxy.Proxy) => Proxy.hopsOf(proxy).map(madeAnew).reduce<Tunnelled>(through, self)
    if (proxy._tag !== "Rules") return reading(all(proxy))
    const behind = proxy.proxy === undefined ? self : all(proxy.proxy)
    return reading(make((target) => (Proxy.proxyFor(proxy, target) === undefined ? self : behind).connect(target)))
  }
)

/**
 * What a connector is to reach that goes through a proxy of this kind: an address, or a name.
 *
 * @category models
 * @since 0.1.0
 */
export type TargetOf<S extends Proxy.Server> = S extends Host.HostPort ? Named : Endpoint

// ---------------------------------------------------------------------------------------------------------------------
// Steps: time
// ---------------------------------------------------------------------------------------------------------------------

const timed = <Target, Out, E, R>(
  self: Connector<Target, Out, E, R>,
  duration: Duration.Input,
  by: "attempt" | "deadline",
  what: string
): Connector<Target, Out, E | WsaError.WSAETIMEDOUT, R> => {
  const length = Duration.fromInputUnsafe(duration)
  const millis = Duration.toMillis(length)
  if (millis === Number.POSITIVE_INFINITY) return self
  const late = (target: Target) =>
    WsaError.make("WSAETIMEDOUT", {
      call: "WSAConnect",
      stage: "connect",
      by,
      remote: isEndpoint(target) ? target.address : undefined,
      detail: `${what} took longer than ${Duration.format(length)}`
    })
  return running((target: Target, around) => {
    const limit = new Around.Limit(around, millis)
    return Effect.catchCause(
      runOf(self)(target, limit),
      (cause): Effect.Effect<never, E | WsaError.WSAETIMEDOUT> =>
        limit.isOver(cause) ? Effect.fail(late(target)) : Effect.failCause(cause)
    )
  })
}

/**
 * Gives an attempt a time, after which it fails with WSAETIMEDOUT, `by: "attempt"`.
 *
 * **When to use**
 *
 * Use before {@link happyEyeballs} or {@link retry}, so that one address or one try cannot use up all the time there is.
 *
 * **Details**
 *
 * An attempt that ends in the same turn as its time is not late: what the stack has said is worth more. Where the stack itself
 * gives up there is no `by`.
 *
 * **Example** (A peer that does not answer)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Duration, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.SimNetwork
 *   net.blackhole("127.0.0.1:80")
 *   const connector = Connector.winsock.pipe(Connector.attemptTimeout("2 seconds"))
 *   const error = yield* Effect.flip(connector.connect("127.0.0.1:80"))
 *   return error._tag === "WSAETIMEDOUT" && error.by
 * }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
 *
 * const report = Sim.run(program)
 * Sim.getOrThrow(report) // => "attempt"
 * Duration.toMillis(report.elapsed) // => 2000
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const attemptTimeout: {
  /**
   * Gives an attempt a time, after which it fails with WSAETIMEDOUT, `by: "attempt"`.
   */
  (
    duration: Duration.Input
  ): <Target, Out, E, R>(self: Connector<Target, Out, E, R>) => Connector<Target, Out, E | WsaError.WSAETIMEDOUT, R>
  /**
   * Gives an attempt a time, after which it fails with WSAETIMEDOUT, `by: "attempt"`.
   */
  <Target, Out, E, R>(
    self: Connector<Target, Out, E, R>,
    duration: Duration.Input
  ): Connector<Target, Out, E | WsaError.WSAETIMEDOUT, R>
} = dual(
  2,
  <Target, Out, E, R>(self: Connector<Target, Out, E, R>, duration: Duration.Input) =>
    timed(self, duration, "attempt", "the attempt")
)

/**
 * Gives everything that stands before it a time, after which it fails with WSAETIMEDOUT, `by: "deadline"`.
 *
 * **When to use**
 *
 * Use as the last step: names, races, retries and their waits are all within this time.
 *
 * **Details**
 *
 * A failure or a success that comes in the same turn wins. What was under way is interrupted and leaves nothing.
 *
 * **Example** (Retries within a time)
 *
 * ```ts import.meta.vitest
 * import { Connector, RetryPolicy } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect, Schedule } from "effect"
 *
 * const connector = Connector.winsock.pipe(
 *   Connector.retry(RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.spaced("1 second") })),
 *   Connector.timeout("10 seconds")
 * )
 * const program = connector.connect("127.0.0.1:80").pipe(Effect.flip, Effect.scoped, Effect.provide(SimNetwork.layer()))
 * Sim.getOrThrow(Sim.run(program)).detail // => "connecting, with all that belongs to it, took longer than 10s"
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const timeout: {
  /**
   * Gives everything that stands before it a time, after which it fails with WSAETIMEDOUT, `by: "deadline"`.
   */
  (
    duration: Duration.Input
  ): <Target, Out, E, R>(self: Connector<Target, Out, E, R>) => Connector<Target, Out, E | WsaError.WSAETIMEDOUT, R>
  /**
   * Gives everything that stands before it a time, after which it fails with WSAETIMEDOUT, `by: "deadline"`.
   */
  <Target, Out, E, R>(
    self: Connector<Target, Out, E, R>,
    duration: Duration.Input
  ): Connector<Target, Out, E | WsaError.WSAETIMEDOUT, R>
} = dual(
  2,
  <Target, Out, E, R>(self: Connector<Target, Out, E, R>, duration: Duration.Input) =>
    timed(self, duration, "deadline", "connecting, with all that belongs to it,")
)

// ---------------------------------------------------------------------------------------------------------------------
// Steps: several attempts
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Races the attempts to connect to the addresses of a target (RFC 8305).
 *
 * **Details**
 *
 * What stands before it is one attempt: a race is won when all of it is done, TLS and proxies too. It fails with the most
 * telling failure of all attempts, which carries them as `attempts` (`HappyEyeballs.primary` has the rule), and with WSANO_DATA
 * where there was no address. `HappyEyeballs` has the order, the delays and what becomes of the losers.
 *
 * **Example** (The first address does not answer)
 *
 * ```ts import.meta.vitest
 * import { Connector, SocketAddress, Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Duration, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.SimNetwork
 *   net.blackhole("127.0.0.1:81")
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *
 *   const connector = Connector.winsock.pipe(Connector.happyEyeballs())
 *   const addresses = ["127.0.0.1:81", "127.0.0.1:80"].map(SocketAddress.fromInputUnsafe)
 *   const { remote } = yield* connector.connect({ _tag: "Candidates", origin: undefined, addresses })
 *   return SocketAddress.portOf(remote)
 * }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
 *
 * const report = Sim.run(program)
 * Sim.getOrThrow(report) // => 80
 * Duration.toMillis(report.elapsed) // => 250
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const happyEyeballs: {
  /**
   * Races the attempts to connect to the addresses of a target (RFC 8305).
   */
  (options?: HappyEyeballs.Options): <Out, E extends HappyEyeballs.Failure, R>(
    self: Connector<Endpoint, Out, E, R>
  ) => Connector<Candidates, Out, E | WsaError.WSANO_DATA | WsaError.WSAEACCES, R>
  /**
   * Races the attempts to connect to the addresses of a target (RFC 8305).
   */
  <Out, E extends HappyEyeballs.Failure, R>(
    self: Connector<Endpoint, Out, E, R>,
    options?: HappyEyeballs.Options
  ): Connector<Candidates, Out, E | WsaError.WSANO_DATA | WsaError.WSAEACCES, R>
} = dual(
  (args) => isConnector(args[0]),
  <Out, E extends HappyEyeballs.Failure, R>(
    self: Connector<Endpoint, Out, E, R>,
    options?: HappyEyeballs.Options
  ): Connector<Candidates, Out, E | WsaError.WSANO_DATA | WsaError.WSAEACCES, R> =>
    running(({ addresses, origin }, around) =>
      Effect.withFiber((fiber) => {
        const settings = fiber.getRef(Pipeline.Settings)
        // a race of one needs none, but whoever observes is told of it
        if (Array.isArray(addresses) && addresses.length === 1 && settings.observed === undefined) {
          const [address] = addresses
          const denied = Policed.denial(fiber.context, address, "resolve", settings)
          return HappyEyeballs.withAttempt<Out, E | WsaError.WSAEACCES, R | Scope.Scope>(
            denied ?? runOf(self)(endpoint(address, origin), new Around.Isolation(around)),
            address
          )
        }
        const attempt = (address: SocketAddress.SocketAddress) =>
          Effect.contextWith((
            context: Context.Context<R>
          ): Effect.Effect<Out, E | WsaError.WSAEACCES, R | Scope.Scope> =>
            Policed.denial(context, address, "resolve") ?? self.connect(endpoint(address, origin))
          )
        return Around.put(around, HappyEyeballs.race(addresses, attempt, options))
      })
    )
)

const destinationOf = (target: unknown): RetryPolicy.Destination =>
  isEndpoint(target) ? target.address : Targets.textOf(target)

/** The same, to be the key of what is kept for each destination. */
const destinationText = (target: unknown): string => {
  const destination = destinationOf(target)
  return typeof destination === "string" ? destination : SocketAddress.format(destination)
}

/**
 * Tries again after a failure, as the policy says.
 *
 * **Details**
 *
 * A policy with an entry for a code that what stands before it cannot end with does not compile. The destination, for budgets
 * (`RetryPolicy.layerBudget`), is the address, where it stands before {@link happyEyeballs}, and else what was asked for.
 *
 * **Example** (Until somebody listens)
 *
 * ```ts import.meta.vitest
 * import { Connector, RetryPolicy, Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Duration, Effect, Schedule } from "effect"
 *
 * const connector = Connector.winsock.pipe(
 *   Connector.retry(RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.exponential("100 millis") }))
 * )
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Effect.forkScoped(Effect.delay(Winsock.listen(listener), "500 millis"))
 *   yield* connector.connect("127.0.0.1:80")
 * }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
 *
 * Duration.toMillis(Sim.run(program).elapsed) // => 700
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const retry: {
  /**
   * Tries again after a failure, as the policy says.
   */
  <Names extends RetryPolicy.Tag, E2, R2>(
    policy: RetryPolicy.Policy<Names, E2, R2>
  ): <Target, Out, E, R>(
    self: Connector<Target, Out, E, R> & RetryPolicy.Failing<Names, E>
  ) => Connector<Target, Out, E | E2, R | R2>
  /**
   * Tries again after a failure, as the policy says.
   */
  <Target, Out, E, R, E2, R2>(
    self: Connector<Target, Out, E, R>,
    policy: RetryPolicy.Policy<RetryPolicy.TagOf<E>, E2, R2>
  ): Connector<Target, Out, E | E2, R | R2>
} = dual(
  2,
  (self: Connector<unknown, unknown, any, unknown>, policy: RetryPolicy.Policy<never, unknown, unknown>) =>
    running((target, around) =>
      Retrying.retry((inner) => runOf(self)(target, inner), policy, () => destinationOf(target), around)
    )
)

/**
 * Makes no attempt while the breaker of the target is open: fails with `RetryPolicy.BreakerOpen`.
 *
 * **Details**
 *
 * Before {@link happyEyeballs} each address has its own breaker; after it there is one for what was asked for. Only transient codes count against it; `RetryPolicy.layerBreaker` says how many.
 *
 * **Example** (Not knocking at a closed door)
 *
 * ```ts import.meta.vitest
 * import { Connector, RetryPolicy } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Layer } from "effect"
 *
 * const connector = Connector.circuitBreaker(Connector.winsock)
 * const program = Effect.gen(function*() {
 *   yield* Effect.flip(connector.connect("127.0.0.1:80"))
 *   return (yield* Effect.flip(connector.connect("127.0.0.1:80")))._tag
 * }).pipe(
 *   Effect.scoped,
 *   Effect.provide(Layer.merge(Memory.layer(), RetryPolicy.layerBreaker({ failures: 1 })))
 * )
 * await Effect.runPromise(program) // => "BreakerOpen"
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const circuitBreaker = <Target, Out, E, R>(
  self: Connector<Target, Out, E, R>
): Connector<Target, Out, E | RetryPolicy.BreakerOpen, R | RetryPolicy.Breaker> =>
  mapConnect(
    self,
    (connect, target) =>
      // a breaker writes down how it went before it gives what was opened
      Pipeline.isolated(Effect.tapError(RetryPolicy.breaker(connect, destinationOf(target)), (error) =>
        error instanceof RetryPolicy.BreakerOpen
          ? Observing.emit(() => Observing.refusal(error))
          : Effect.void))
  )

// ---------------------------------------------------------------------------------------------------------------------
// Steps: how many
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How many connects may be under way at a time: whole numbers from 1 on. What is less is 1, and what is no number is a
 * `RangeError` where the pipeline is made.
 *
 * @category options
 * @since 0.1.0
 */
export interface LimitOptions {
  /** To each destination; as many as come unless given. */
  readonly perDestination?: number | undefined
  /** To all destinations together; as many as come unless given. */
  readonly total?: number | undefined
}

/**
 * Lets so many connects be under way at a time: to each destination, and in all. The others wait for their turn.
 *
 * **When to use**
 *
 * Use where many fibers begin at once: a server that comes back is not run over, and a machine does not run out of ports.
 *
 * **Details**
 *
 * What counts is a connect that is under way, not a connection that stands: {@link pooled} limits those. The limit belongs to
 * the connector, and to all who use it. Whoever came first is served first; of several destinations, where the total is used
 * up, each in its turn. Who waits can be interrupted, and a time-out that stands after the step covers the wait. A number
 * below 1 is 1.
 *
 * The destination is the address, where the step stands before {@link happyEyeballs}, and else what was asked for.
 *
 * **Example** (One at a time)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 * import { Sim } from "@effect-winsock/testing"
 * import { Duration, Effect } from "effect"
 *
 * const slow = Connector.make((_target: string) => Effect.sleep("1 second")).pipe(Connector.limit(1))
 * const connects = ["db:1", "db:1", "db:1", "elsewhere:1"].map((target) => slow.connect(target))
 * const report = Sim.run(Effect.scoped(Effect.all(connects, { concurrency: "unbounded" })))
 * Duration.toSeconds(report.elapsed) // => 3
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const limit: {
  /**
   * Lets so many connects be under way at a time: to each destination, and in all. The others wait for their turn.
   */
  (
    limits: number | LimitOptions
  ): <Target, Out, E, R>(self: Connector<Target, Out, E, R>) => Connector<Target, Out, E, R>
  /**
   * Lets so many connects be under way at a time: to each destination, and in all. The others wait for their turn.
   */
  <Target, Out, E, R>(self: Connector<Target, Out, E, R>, limits: number | LimitOptions): Connector<Target, Out, E, R>
} = dual(
  2,
  <Target, Out, E, R>(
    self: Connector<Target, Out, E, R>,
    limits: number | LimitOptions
  ): Connector<Target, Out, E, R> => {
    const { perDestination, total } = typeof limits === "number" ? { perDestination: limits } : limits
    const limiter = new Limiter(perDestination, total)
    return mapConnect(self, (connect, target) => {
      const destination = destinationText(target)
      const admitted = Effect.andThen(Observing.emit(() => ({ _tag: "Admitted", destination })), connect)
      return Effect.andThen(
        Observing.emit(() => ({ _tag: "Queued", destination })),
        limiter.run(destination, admitted)
      )
    })
  }
)

// ---------------------------------------------------------------------------------------------------------------------
// Steps: connections that last
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Makes a pool of what stands before it: a connector that lends connections, which stay open, for a scope.
 *
 * **When to use**
 *
 * Use where a program talks with a few destinations again and again, one exchange at a time on a connection.
 *
 * **Details**
 *
 * - Each destination has a pool of its own, with at most `max` connections. All but `min` of them are closed when nobody has
 *   wanted them for `idleTimeToLive`. Targets are of one destination where they name the same host and port, or the same
 *   address on behalf of the same name.
 * - A connection has one borrower at a time. It goes back when his scope ends, and is kept if it is as good as new
 *   (`ConnectionPool.isReusable`) and the scope ended in success (`reuse`). Before it is lent again that is looked at once
 *   more, and its age: what is no longer good is closed, and the next one is taken.
 * - Who finds none connects, as if there were no pool: its failure and its interruption are his.
 * - Where all are lent, whoever came first is served first; with a `waitTimeout` it fails with `ConnectionPool.PoolTimeout`.
 * - The scope of the pool closes all of it, and waits until what is lent has come back.
 * - Connections belong to the pool and not to a borrower: QOS and user data of the layers around go with none of them. Who
 *   wants them for all puts them into the pipeline, before this step. Address policies of steps after it hold: nobody is lent
 *   a connection that was opened under others than his own.
 *
 * **Gotchas**
 *
 * A borrower who keeps a connection beyond its scope talks into the exchanges of others.
 *
 * **Example** (One connection for two exchanges)
 *
 * ```ts import.meta.vitest
 * import { Connector, Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *
 *   const pool = yield* Connector.winsock.pipe(Connector.pooled({ max: 2 }))
 *   const first = yield* Effect.scoped(pool.connect("127.0.0.1:80"))
 *   const second = yield* Effect.scoped(pool.connect("127.0.0.1:80"))
 *   return first === second
 * }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
 *
 * Sim.getOrThrow(Sim.run(program)) // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const pooled: {
  /**
   * Makes a pool of what stands before it: a connector that lends connections, which stay open, for a scope.
   */
  <Out extends Connection.Connection<any>>(
    options?: ConnectionPool.Options<Out>
  ): <Target, Out2 extends Out, E, R>(
    self: Connector<Target, Out2, E, R>
  ) => Effect.Effect<Connector<Target, Out2, E | ConnectionPool.PoolTimeout>, never, R | Scope.Scope>
  /**
   * Makes a pool of what stands before it: a connector that lends connections, which stay open, for a scope.
   */
  <Target, Out extends Connection.Connection<any>, E, R>(
    self: Connector<Target, Out, E, R>,
    options?: ConnectionPool.Options<Out>
  ): Effect.Effect<Connector<Target, Out, E | ConnectionPool.PoolTimeout>, never, R | Scope.Scope>
} = dual(
  (args) => isConnector(args[0]),
  <Target, Out extends Connection.Connection<any>, E, R>(
    self: Connector<Target, Out, E, R>,
    options: ConnectionPool.Options<Out> = {}
  ): Effect.Effect<Connector<Target, Out, E | ConnectionPool.PoolTimeout>, never, R | Scope.Scope> =>
    Effect.map(
      Pooling.open((target: Target) => self.connect(target), options),
      make<Target, Out, E | ConnectionPool.PoolTimeout>
    )
)

/**
 * Keeps a connection up: what is lost is connected anew, after a delay that grows until a connection proves useful.
 *
 * **When to use**
 *
 * Use for one long conversation that many share: a subscription, a control channel, RPC.
 *
 * **Details**
 *
 * A connect begins at once, and gives a `Reconnecting`: its `get` gives the live connection, or waits for the next one.
 *
 * - A connection is lost when it is over (R21), or one side has ended its direction. It is closed when nobody uses it any more;
 *   the next one does not wait for that.
 * - There is one attempt at a time, however many wait. Who waits can be interrupted; the attempt goes on for the others.
 * - The delay is that of `RetryPolicy.connectionBackoff`, 1 s to 2 min from the beginning of an attempt, unless another is
 *   given. It goes on over connections that are lost soon: an accepted connection says little. `useful` says that one was good
 *   for something, and `usefulAfter` after which time that is taken for granted.
 * - After a failure that trying again cannot mend, such as WSAEACCES, or when the schedule is over, those who wait fail with
 *   it. Nothing is tried then until somebody asks.
 * - Its scope ends all of it: attempts, connections, waits (those who wait are interrupted).
 *
 * Time-outs, races, and address policies that stand before or after hold for each attempt alike.
 *
 * **Example** (Through a reset)
 *
 * ```ts import.meta.vitest
 * import { Connector, Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.SimNetwork
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *
 *   const kept = yield* Connector.winsock.pipe(Connector.reconnecting()).connect("127.0.0.1:80")
 *   const first = yield* Effect.scoped(kept.get)
 *   net.reset("127.0.0.1:80")
 *   const reason = yield* first.closed
 *   const second = yield* Effect.scoped(kept.get)
 *   return [reason._tag, second === first, second.closeReason]
 * }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
 *
 * Sim.getOrThrow(Sim.run(program)) // => ["Broken", false, undefined]
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const reconnecting: {
  /**
   * Keeps a connection up: what is lost is connected anew, after a delay that grows until a connection proves useful.
   */
  <E = unknown>(options?: Reconnecting.Options<E>): <Target, Out extends Connection.Connection<any>, E2 extends E, R>(
    self: Connector<Target, Out, E2, R>
  ) => Connector<Target, Reconnecting.Reconnecting<Out, E2>, never, R>
  /**
   * Keeps a connection up: what is lost is connected anew, after a delay that grows until a connection proves useful.
   */
  <Target, Out extends Connection.Connection<any>, E, R>(
    self: Connector<Target, Out, E, R>,
    options?: Reconnecting.Options<E>
  ): Connector<Target, Reconnecting.Reconnecting<Out, E>, never, R>
} = dual(
  (args) => isConnector(args[0]),
  <Target, Out extends Connection.Connection<any>, E, R>(
    self: Connector<Target, Out, E, R>,
    options: Reconnecting.Options<E> = {}
  ): Connector<Target, Reconnecting.Reconnecting<Out, E>, never, R> =>
    make((target) => Keeping.open(Effect.suspend(() => self.connect(target)), options))
)

// ---------------------------------------------------------------------------------------------------------------------
// Steps: names
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How names are looked up.
 *
 * @category options
 * @since 0.1.0
 */
export interface ResolveOptions {
  /** Only addresses of this family are asked for. Default: both, at once. */
  readonly family?: "IPv4" | "IPv6" | undefined
  /**
   * `false`: the addresses stay in the order in which the resolver gives them. Default: they are sorted as RFC 6724 has it,
   * by its table, or by the one that is given.
   */
  readonly sort?: boolean | AddressSelection.PolicyTable | undefined
}

/**
 * What reading a target and looking its name up can fail with.
 *
 * **Details**
 *
 * | what happened | code |
 * | --- | --- |
 * | the target cannot be read, or the resolver takes the name for no name | WSAEINVAL, of the stages `"request"` and `"resolve"` |
 * | there is no such name | WSAHOST_NOT_FOUND |
 * | there is one, without an address that can be used | WSANO_DATA |
 * | no answer in time, or a passing failure (SERVFAIL) | WSATRY_AGAIN |
 * | the server refuses, answers what cannot be read, or cannot do it | WSANO_RECOVERY |
 * | the zone of an IPv6 address is no interface of this machine | WSAEADDRNOTAVAIL |
 * | the resolver says something else | `WsaUnmapped`, with its code |
 *
 * @category errors
 * @since 0.1.0
 */
export type ResolveError = Lookup.LookupError

/**
 * Says what a failed look-up is in Winsock's codes, as {@link ResolveError} has them.
 *
 * **When to use**
 *
 * Use where a program looks names up itself, and is to fail as a pipeline does.
 *
 * **Details**
 *
 * What the system said of it is in `native`, and the failure of the look-up is the `cause`.
 *
 * **Example** (A name that does not exist)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 * import { Dns, Host } from "effect/net"
 *
 * const origin = Host.hostPortFromStringUnsafe("nowhere.example:80")
 * const error = new Dns.DnsError({ reason: "NotFound", method: "lookup", hostname: "nowhere.example" })
 * Connector.resolveError(error, origin)._tag // => "WSAHOST_NOT_FOUND"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export const resolveError: (error: Dns.DnsError | NetAddress.NetAddressError, origin: Origin) => ResolveError =
  Lookup.failureOf

/**
 * Looks the name of a target up, and hands the addresses over as they come.
 *
 * **Details**
 *
 * - Both families are asked for at once, so that the race that stands before this step begins with what comes first.
 * - A target that is an address is handed over as it is: nothing is looked up, and no resolver is asked.
 * - The addresses are sorted as RFC 6724 has it, see `AddressSelection`: those of each family when it is answered, and when
 *   both are, the first of all says which family goes first. An IPv4 address that comes first waits for IPv6 as
 *   `happyEyeballs` says, and so does an IPv6 one that an IPv4 one could be better than: one that cannot be reached, say.
 *   What comes late is sorted in among the addresses that were not tried.
 * - It is no failure that one family has no address, or that looking it up fails, as long as the other one has some. Where
 *   none has, it fails with the more hopeful of the two failures: {@link ResolveError}.
 * - Every connect asks anew. What is remembered of answers is the resolver's affair.
 *
 * **Gotchas**
 *
 * To sort addresses, a datagram socket is opened for each, and closed again: that is how a machine is asked from where it
 * would send. Nothing is sent. There is none for an address that a policy in force where the race stands denies, and none at all
 * with `sort: false`.
 *
 * Not every resolver tells a name that does not exist from one without addresses: `getaddrinfo` under Node does not, and
 * both are WSAHOST_NOT_FOUND.
 *
 * **Example** (A name with two addresses)
 *
 * ```ts import.meta.vitest
 * import { Connector, SocketAddress } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Layer } from "effect"
 * import { AddressResolver, Dns } from "effect/net"
 *
 * const connector = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.resolve())
 * const names = Dns.layerStatic({ hosts: { "db.internal": ["::1", "127.0.0.1"] } })
 * const program = connector.connect("db.internal:5432").pipe(
 *   Effect.catchTag("WSAECONNREFUSED", (error) => Effect.succeed(error.attempts)),
 *   Effect.scoped,
 *   Effect.provide([AddressResolver.layer().pipe(Layer.provide(names)), Memory.layer()])
 * )
 *
 * const attempts = await Effect.runPromise(program)
 * Array.isArray(attempts) && attempts.map(({ address }) => SocketAddress.format(address)) // => ["[::1]:5432", "127.0.0.1:5432"]
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const resolve: {
  /**
   * Looks the name of a target up, and hands the addresses over as they come.
   */
  (options?: ResolveOptions): <Out, E, R>(
    self: Connector<Candidates, Out, E, R>
  ) => Connector<TargetInput, Out, E | ResolveError, R | AddressResolver.AddressResolver | Winsock.Winsock>
  /**
   * Looks the name of a target up, and hands the addresses over as they come.
   */
  <Out, E, R>(
    self: Connector<Candidates, Out, E, R>,
    options?: ResolveOptions
  ): Connector<TargetInput, Out, E | ResolveError, R | AddressResolver.AddressResolver | Winsock.Winsock>
} = dual(
  (args) => isConnector(args[0]),
  <Out, E, R>(
    self: Connector<Candidates, Out, E, R>,
    options: ResolveOptions = {}
  ): Connector<TargetInput, Out, E | ResolveError, R | AddressResolver.AddressResolver | Winsock.Winsock> =>
    running((input: TargetInput, around) => {
      const read = target(input)
      if (Result.isFailure(read)) return Effect.fail(read.failure)
      const { origin } = read.success
      return read.success._tag === "Endpoint"
        ? runOf(self)({ _tag: "Candidates", origin, addresses: [read.success.address] }, around)
        : Around.put(around, named(self, read.success.origin, options))
    })
)

const named = <Out, E, R>(
  self: Connector<Candidates, Out, E, R>,
  origin: Origin,
  { family, sort = true }: ResolveOptions
): Effect.Effect<Out, E | ResolveError, R | AddressResolver.AddressResolver | Winsock.Winsock | Scope.Scope> =>
  Effect.contextWith((context: Context.Context<AddressResolver.AddressResolver | Winsock.Winsock>) => {
    const table = sort === true ? AddressSelection.defaultTable : sort === false ? undefined : sort
    const lookups = new Resolving.Lookups(context, origin, { family, table })
    const candidates: Candidates = { _tag: "Candidates", origin, addresses: lookups.answers }
    // The race says only that there was no address: why there was none is known here.
    return Effect.mapError(
      self.connect(candidates),
      (error) => hasProperty(error, "_tag") && error._tag === "WSANO_DATA" ? lookups.failure ?? error : error
    )
  })

// ---------------------------------------------------------------------------------------------------------------------
// Seen from outside
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Does something for each thing that a connect does, in the order in which they happen.
 *
 * **When to use**
 *
 * Use to log what connects do, or to send it somewhere: to a queue, to a hub. {@link events} gives them as a stream.
 *
 * **Details**
 *
 * - It hears of what stands before it: put it last to hear of everything. {@link ConnectorEvent} has the events.
 * - The connect does not wait for it, but for its end: when a connect succeeds, fails or is interrupted, all that happened has
 *   been told. What happens carries its own time, so that it does not matter how late it is told.
 * - As with `Effect.tap`, what it fails with is what the connect fails with: the rest is given up, and closed.
 * - Where nobody observes a pipeline, nothing is made of what it does.
 *
 * **Gotchas**
 *
 * An interruption is told too, and waits for it. What never ends holds a connect up for ever: give it a time-out.
 *
 * **Example** (Writing down what a race does)
 *
 * ```ts import.meta.vitest
 * import { Connector, SocketAddress, Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const addresses = ["[2001:db8::1]:80", "127.0.0.1:80"].map(SocketAddress.fromInputUnsafe)
 * const lines: Array<string> = []
 * const connector = Connector.winsock.pipe(
 *   Connector.happyEyeballs(),
 *   Connector.tapEvents((event) => Effect.sync(() => lines.push(`${event.time} ${event._tag}`)))
 * )
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.SimNetwork
 *   net.blackhole(addresses[0]!)
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *   yield* connector.connect({ _tag: "Candidates", origin: undefined, addresses })
 * }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
 *
 * Sim.getOrThrow(Sim.run(program))
 * lines.slice(0, 3) // => ["0 Began", "0 AttemptBegan", "0 SocketOpened"]
 * lines.slice(3, 6) // => ["250 AttemptBegan", "250 SocketOpened", "250 Connected"]
 * lines.slice(6) // => ["250 AttemptWon", "250 AttemptLost", "250 Succeeded"]
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const tapEvents: {
  /**
   * Does something for each thing that a connect does, in the order in which they happen.
   */
  <E2 = never, R2 = never>(
    f: (event: ConnectorEvent) => Effect.Effect<unknown, E2, R2>
  ): <Target, Out, E, R>(self: Connector<Target, Out, E, R>) => Connector<Target, Out, E | E2, R | R2>
  /**
   * Does something for each thing that a connect does, in the order in which they happen.
   */
  <Target, Out, E, R, E2 = never, R2 = never>(
    self: Connector<Target, Out, E, R>,
    f: (event: ConnectorEvent) => Effect.Effect<unknown, E2, R2>
  ): Connector<Target, Out, E | E2, R | R2>
} = dual(2, <Target, Out, E, R, E2, R2>(
  self: Connector<Target, Out, E, R>,
  f: (event: ConnectorEvent) => Effect.Effect<unknown, E2, R2>
): Connector<Target, Out, E | E2, R | R2> => {
  let count = 0
  return mapConnect(self, (connect, target) => Observing.tapped(connect, ++count, Targets.textOf(target), f))
})

/**
 * Connects to a target, and gives what happens as a stream.
 *
 * **When to use**
 *
 * Use to look into one connect, or to show it as it goes on. {@link explain} draws it, {@link tapEvents} is for every day.
 *
 * **Details**
 *
 * The last event says how it ended; then the stream ends, and fails with what the connect fails with. The connection is closed
 * with the stream. Who stops reading interrupts the connect.
 *
 * **Example** (The steps to a connection)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Stream } from "effect"
 *
 * const program = Connector.events(Connector.winsock, "127.0.0.1:80").pipe(
 *   Stream.map((event) => event._tag),
 *   Stream.catchTag("WSAECONNREFUSED", () => Stream.empty),
 *   Stream.runCollect,
 *   Effect.provide(Memory.layer())
 * )
 * const tags = await Effect.runPromise(program)
 * tags // => ["Began", "AttemptBegan", "SocketOpened", "AttemptFailed", "Failed"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const events: {
  /**
   * Connects to a target, and gives what happens as a stream.
   */
  <Target>(
    target: Target
  ): <Out, E, R>(self: Connector<Target, Out, E, R>) => Stream.Stream<ConnectorEvent, E, Exclude<R, Scope.Scope>>
  /**
   * Connects to a target, and gives what happens as a stream.
   */
  <Target, Out, E, R>(
    self: Connector<Target, Out, E, R>,
    target: Target
  ): Stream.Stream<ConnectorEvent, E, Exclude<R, Scope.Scope>>
} = dual(
  2,
  <Target, Out, E, R>(self: Connector<Target, Out, E, R>, target: Target) =>
    Stream.callback<ConnectorEvent, E, R | Scope.Scope>((queue) =>
      Observing.observing(
        Effect.suspend(() => self.connect(target)),
        1,
        Targets.textOf(target),
        (event) => Queue.offerUnsafe(queue, event)
      ).pipe(
        Effect.andThen(Queue.end(queue))
      )
    )
)

/**
 * Connects to a target, and draws what happened: `Waterfall.render` of its {@link events}.
 *
 * **When to use**
 *
 * Use to see why a connect is slow, or fails.
 *
 * **Details**
 *
 * It does not fail: a failure is in the picture. The connection is closed at once.
 *
 * **Example** (Looking at an address that does not answer)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const connector = Connector.winsock.pipe(Connector.timeout("1 second"))
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.SimNetwork
 *   net.blackhole("192.0.2.1:80")
 *   return yield* Connector.explain(connector, "192.0.2.1:80")
 * }).pipe(Effect.provide(SimNetwork.layer()))
 *
 * const lines = Sim.getOrThrow(Sim.run(program)).split("\n")
 * lines[0] // => "192.0.2.1:80: WSAETIMEDOUT after 1 s"
 * lines[3] // => "1 192.0.2.1:80         =========================x      1 s  WSAETIMEDOUT"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const explain: {
  /**
   * Connects to a target, and draws what happened: `Waterfall.render` of its {@link events}.
   */
  <Target>(
    target: Target,
    options?: Waterfall.Options
  ): <Out, E, R>(self: Connector<Target, Out, E, R>) => Effect.Effect<string, never, Exclude<R, Scope.Scope>>
  /**
   * Connects to a target, and draws what happened: `Waterfall.render` of its {@link events}.
   */
  <Target, Out, E, R>(
    self: Connector<Target, Out, E, R>,
    target: Target,
    options?: Waterfall.Options
  ): Effect.Effect<string, never, Exclude<R, Scope.Scope>>
} = dual(
  (args) => isConnector(args[0]),
  <Target, Out, E, R>(self: Connector<Target, Out, E, R>, target: Target, options?: Waterfall.Options) =>
    Effect.suspend(() => {
      const seen: Array<ConnectorEvent> = []
      return Observing.observing(self.connect(target), 1, Targets.textOf(target), (event) => seen.push(event)).pipe(
        Effect.scoped,
        Effect.ignore,
        Effect.map(() => Waterfall.render(seen, options))
      )
    })
)

/**
 * Tells tracers and metrics what a connect does, by OpenTelemetry's names.
 *
 * **When to use**
 *
 * Use as the last step, so that everything belongs to the span of the connect.
 *
 * **Details**
 *
 * - A span for the connect, and within it one for each look-up and each attempt; {@link Telemetry} has their names and
 *   attributes. What a retry waits for is told as an event of the connect's.
 * - A connect that goes well is no error, whatever became of its attempts.
 * - How long it took goes to `Telemetry.duration`, by `error.type`.
 * - It costs nothing per call: reads and writes are not told of.
 *
 * **Example** (How long connects take that are refused)
 *
 * ```ts import.meta.vitest
 * import { Connector, Telemetry } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Metric } from "effect"
 *
 * const connector = Connector.winsock.pipe(Connector.telemetry({ attributes: { "service.name": "shop" } }))
 * const refused = Metric.withAttributes(Telemetry.duration, {
 *   "service.name": "shop",
 *   "error.type": "connection_refused"
 * })
 * const program = Effect.gen(function*() {
 *   yield* Effect.flip(connector.connect("127.0.0.1:9"))
 *   return (yield* Metric.value(refused)).count
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => 1
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const telemetry: {
  /**
   * Tells tracers and metrics what a connect does, by OpenTelemetry's names.
   */
  (options?: Telemetry.Options): <Target, Out, E, R>(
    self: Connector<Target, Out, E, R>
  ) => Connector<Target, Out, E, R>
  /**
   * Tells tracers and metrics what a connect does, by OpenTelemetry's names.
   */
  <Target, Out, E, R>(self: Connector<Target, Out, E, R>, options?: Telemetry.Options): Connector<Target, Out, E, R>
} = dual(
  (args) => isConnector(args[0]),
  <Target, Out, E, R>(
    self: Connector<Target, Out, E, R>,
    options: Telemetry.Options = {}
  ): Connector<Target, Out, E, R> => {
    const measured = Tracing.measuring(options)
    // spans are ended before what was opened is given
    return mapConnect(self, (connect, target) => Pipeline.isolated(Tracing.traced(connect, target, options, measured)))
  }
)

// ---------------------------------------------------------------------------------------------------------------------
// effect's Socket
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Gives effect's Socket, whose reader connects to a target when it is acquired, and connects again when it is acquired
 * again.
 *
 * **When to use**
 *
 * Use for what takes effect's Socket and connects by itself: effect's RPC client retries by acquiring the reader again.
 *
 * **Details**
 *
 * What the pipeline fails with is the `cause` of a `SocketOpenError`, whose `kind` is `"Timeout"` for a WSAETIMEDOUT. All
 * else is as in `Connection.toSocket`; what is written while there is no connection waits for the next one.
 *
 * **Example** (Reading, and why there was nothing to read)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const socket = yield* Connector.toSocket(Connector.winsock, "127.0.0.1:9")
 *   const { reason } = yield* Effect.flip(socket.reader)
 *   return [reason._tag, reason._tag === "SocketOpenError" && (reason.cause as Error).name]
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => ["SocketOpenError", "WSAECONNREFUSED"]
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const toSocket: {
  /**
   * Gives effect's Socket, whose reader connects to a target when it is acquired, and connects again when it is acquired
   * again.
   */
  <Target>(
    target: Target
  ): <F, E, R>(
    self: Connector<Target, Connection.Connection<F>, E, R>
  ) => Effect.Effect<Socket.Socket, never, Exclude<R, Scope.Scope>>
  /**
   * Gives effect's Socket, whose reader connects to a target when it is acquired, and connects again when it is acquired
   * again.
   */
  <Target, F, E, R>(
    self: Connector<Target, Connection.Connection<F>, E, R>,
    target: Target
  ): Effect.Effect<Socket.Socket, never, Exclude<R, Scope.Scope>>
} = dual(
  2,
  <Target, F, E, R>(self: Connector<Target, Connection.Connection<F>, E, R>, target: Target) =>
    EffectSocket.make(
      Effect.mapError(Effect.suspend(() => self.connect(target)), EffectSocket.openError),
      // The scope of the acquisition closes it, and what it goes through.
      { closes: false, side: "client", serverName: hostOf(target) }
    )
)

/**
 * Provides effect's Socket, as {@link toSocket} gives it.
 *
 * **Example** (What a server says first)
 *
 * ```ts import.meta.vitest
 * import { ConnectionServer, Connector } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Layer } from "effect"
 * import { Socket } from "effect/socket"
 *
 * const layer = Connector.layerSocket(Connector.winsock, "127.0.0.1:8080").pipe(Layer.provideMerge(Memory.layer()))
 * const program = Effect.gen(function*() {
 *   const server = yield* ConnectionServer.make({ address: "127.0.0.1:8080" })
 *   yield* Effect.forkScoped(server.run((caller) => caller.write(new TextEncoder().encode("hello"))))
 *   const pull = yield* Socket.readerString(yield* Socket.Socket)
 *   return yield* pull
 * }).pipe(Effect.scoped, Effect.provide(layer))
 *
 * await Effect.runPromise(program) // => ["hello"]
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const layerSocket: {
  /**
   * Provides effect's Socket, as {@link toSocket} gives it.
   */
  <Target>(
    target: Target
  ): <F, E, R>(
    self: Connector<Target, Connection.Connection<F>, E, R>
  ) => Layer.Layer<Socket.Socket, never, Exclude<R, Scope.Scope>>
  /**
   * Provides effect's Socket, as {@link toSocket} gives it.
   */
  <Target, F, E, R>(
    self: Connector<Target, Connection.Connection<F>, E, R>,
    target: Target
  ): Layer.Layer<Socket.Socket, never, Exclude<R, Scope.Scope>>
} = dual(
  2,
  <Target, F, E, R>(self: Connector<Target, Connection.Connection<F>, E, R>, target: Target) =>
    Layer.effect(Socket.Socket, toSocket(self, target))
)
