/**
 * Pipelines of connects: a connect as a value, made step by step.
 *
 * {@link winsock} connects one address. A step wraps what stands before it, and the type of what can go wrong follows: it has
 * exactly the codes that the pipeline can end with. The order is the meaning: what stands before {@link happyEyeballs} is part
 * of every attempt, so that a race is won when all of it is done; what stands after {@link resolve} is of everything.
 *
 * Every step keeps one promise: a connect that fails, or is interrupted, leaves nothing open.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Host from "effect/net/Host"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import { hasProperty } from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Connection from "./Connection.ts"
import * as HappyEyeballs from "./HappyEyeballs.ts"
import * as Pipeline from "./internal/pipeline.ts"
import { within } from "./internal/within.ts"
import * as Qos from "./Qos.ts"
import * as RetryPolicy from "./RetryPolicy.ts"
import * as SocketAddress from "./SocketAddress.ts"
import type * as SocketOption from "./SocketOption.ts"
import * as UserData from "./UserData.ts"
import * as Winsock from "./Winsock.ts"
import * as WsaError from "./WsaError.ts"

/**
 * Runtime type identifier of connectors.
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
  readonly address: SocketAddress.SocketAddress
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
  readonly origin: Origin | undefined
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
  readonly protocol: string
  readonly hostname: string
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
 * @category constructors
 * @since 0.1.0
 */
export const endpoint = (address: SocketAddress.SocketAddress, origin?: Origin): Endpoint => ({
  _tag: "Endpoint",
  address,
  origin: origin ??
    (address._tag === "UnixPathAddress" ? undefined : Host.hostPortUnsafe(address.address, address.port))
})

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
 * @category guards
 * @since 0.1.0
 */
export const isConnector = (u: unknown): u is Connector<never, unknown, unknown, unknown> => hasProperty(u, TypeId)

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

const opened = (endpoint: Endpoint) =>
  Effect.gen(function*() {
    const { prepare } = yield* Pipeline.Settings
    const s = yield* Winsock.socket({ family: SocketAddress.familyOf(endpoint.address), type: "stream" })
    for (const each of prepare) yield* each(s, endpoint)
    return yield* Connection.fromConnected(yield* Winsock.WSAConnect(s, endpoint.address))
  })

const endpointOf = (input: EndpointInput): Result.Result<Endpoint, WsaError.WSAEFAULT> => {
  if (isEndpoint(input)) return Result.succeed(input)
  return Result.mapBoth(SocketAddress.fromInput(input), {
    onFailure: ({ reason }) => WsaError.make("WSAEFAULT", { call: "WSAConnect", stage: "request", detail: reason }),
    onSuccess: (address) => endpoint(address)
  })
}

/**
 * Connects one address with a socket of its own, by WSAConnect: with the QOS and the user data of the layers around.
 *
 * @category connectors
 * @since 0.1.0
 */
export const winsock: Connector<EndpointInput, Connection.Connection, ConnectError, Winsock.Winsock> = make((input) => {
  const endpoint = endpointOf(input)
  return Result.isFailure(endpoint)
    ? Effect.fail(endpoint.failure)
    : Effect.mapError(Pipeline.isolated(opened(endpoint.success)), unexpected)
})

/**
 * Connects to a target.
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
): Connector<Target, Out, E | E2, R | R2> =>
  mapConnect(self, (connect) =>
    Effect.contextWith((context: Context.Context<R2>) =>
      Pipeline.withSettings(connect, (settings) => ({
        ...settings,
        // what stands nearer to the socket is done first
        prepare: [(s, endpoint) => Effect.provideContext(f(s, endpoint), context), ...settings.prepare]
      }))
    ))

/**
 * Does something to each socket before it connects.
 *
 * **Details**
 *
 * It is part of the attempt: what it fails with is the failure of that attempt alone. Several hooks are run in the order in
 * which they stand. The socket is that which is opened: where there is a proxy, the one that connects to the proxy.
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
  ): <Target, Out, E, R>(self: Connector<Target, Out, E, R>) => Connector<Target, Out, E | E2, R | R2>
  /**
   * Does something to each socket before it connects.
   */
  <Target, Out, E, R, E2 = never, R2 = never>(
    self: Connector<Target, Out, E, R>,
    f: (s: Winsock.Socket, endpoint: Endpoint) => Effect.Effect<unknown, E2, R2>
  ): Connector<Target, Out, E | E2, R | R2>
} = dual(2, prepared)

/**
 * From where to connect: one address for each family. A family that is absent is bound by the stack.
 *
 * @category options
 * @since 0.1.0
 */
export interface Local {
  readonly IPv4?: SocketAddress.Input | undefined
  readonly IPv6?: SocketAddress.Input | undefined
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
 * An option with its value.
 *
 * @category models
 * @since 0.1.0
 */
export type OptionValue = { readonly [A in "value"]: readonly [SocketOption.Settable<any>, any] }["value"]

/**
 * What setting an option of a fresh socket can fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type OptionError = Exclude<WsaError.SetsockoptError, { readonly _tag: Omitted }>

type Values<Options extends ReadonlyArray<SocketOption.Settable<any>>> = {
  readonly [I in keyof Options]: readonly [
    Options[I],
    Options[I] extends SocketOption.Settable<infer A> ? A : never
  ]
}

/**
 * Sets options of each socket before it connects, in the order in which they stand.
 *
 * @category steps
 * @since 0.1.0
 */
export const options: {
  /**
   * Sets options of each socket before it connects, in the order in which they stand.
   */
  <const Options extends ReadonlyArray<SocketOption.Settable<any>>>(
    ...values: Values<Options>
  ): <Target, Out, E, R>(self: Connector<Target, Out, E, R>) => Connector<Target, Out, E | OptionError, R>
} = (...values: ReadonlyArray<OptionValue>) => <Target, Out, E, R>(self: Connector<Target, Out, E, R>) =>
  prepared(self, (s) =>
    Effect.forEach(
      values,
      ([option, value]) => Effect.mapError(Winsock.setsockopt(s, option, value), unexpected),
      { discard: true }
    ))

// ---------------------------------------------------------------------------------------------------------------------
// Steps: what goes along
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Asks for a quality of service, in place of what the layers around say. `null`: for none.
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
// Steps: time
// ---------------------------------------------------------------------------------------------------------------------

const timed = <Target, Out, E, R>(
  self: Connector<Target, Out, E, R>,
  duration: Duration.Input,
  by: "attempt" | "deadline",
  what: string
): Connector<Target, Out, E | WsaError.WSAETIMEDOUT, R> => {
  const limit = Duration.fromInputUnsafe(duration)
  return mapConnect(self, (connect, target) =>
    within(connect, limit, () =>
      WsaError.make("WSAETIMEDOUT", {
        call: "WSAConnect",
        stage: "connect",
        by,
        remote: isEndpoint(target) ? target.address : undefined,
        detail: `${what} took longer than ${Duration.format(limit)}`
      })))
}

/**
 * Gives an attempt a time, after which it fails with WSAETIMEDOUT, `by: "attempt"`.
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
 * @category steps
 * @since 0.1.0
 */
export const happyEyeballs = (options?: HappyEyeballs.Options) =>
<Out, E extends HappyEyeballs.Failure, R>(
  self: Connector<Endpoint, Out, E, R>
): Connector<Candidates, Out, E | WsaError.WSANO_DATA, R> =>
  make(({ addresses, origin }) =>
    HappyEyeballs.race(addresses, (address) => self.connect(endpoint(address, origin)), options)
  )

const destinationOf = (target: unknown): RetryPolicy.Destination => {
  const origin = hasProperty(target, "origin") ? target.origin : undefined
  if (Host.isHostPort(origin)) return Host.formatHostPort(origin)
  if (isEndpoint(target)) return target.address
  return typeof target === "string" ? target : ""
}

/**
 * Tries again after a failure, as the policy says.
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
    mapConnect(self, (connect, target) => RetryPolicy.retry(connect, policy, { destination: destinationOf(target) }))
)

/**
 * Makes no attempt while the breaker of the target is open.
 *
 * @category steps
 * @since 0.1.0
 */
export const circuitBreaker = <Target, Out, E, R>(
  self: Connector<Target, Out, E, R>
): Connector<Target, Out, E | RetryPolicy.BreakerOpen, R | RetryPolicy.Breaker> =>
  mapConnect(self, (connect, target) => RetryPolicy.breaker(connect, destinationOf(target)))
