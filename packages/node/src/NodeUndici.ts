/**
 * HTTP over pipelines of connects: a connector for undici, the client beneath effect's `HttpClient` under Node.
 *
 * undici pools connections, writes requests and reads responses; how it connects is one of its options. {@link connect} makes
 * that option of a `Connector`: addresses are raced, attempts have their time, policies hold, proxies are gone through, and what
 * goes wrong is told in Winsock's codes. Nothing here depends on undici: the option is a plain function.
 *
 * @since 0.1.0
 */
import { type Connection, Connector, WsaError } from "@effect-winsock/core"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { hasProperty } from "effect/Predicate"
import * as Scope from "effect/Scope"
import type * as net from "node:net"
import { ConnectionDuplex } from "./internal/duplex.ts"

/**
 * What undici says of whom it wants to be connected to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  /** The host of the URL, an IPv6 address without its brackets. */
  readonly hostname: string
  /** `"http:"` or `"https:"`. */
  readonly protocol: string
  /** The port of the URL, empty where it is that of the scheme. */
  readonly port: string
}

/**
 * The `connect` option of undici's `Agent`, `Pool` and `Client`.
 *
 * @category models
 * @since 0.1.0
 */
export type Connect = (
  request: Request,
  callback: (...answer: [error: null, socket: net.Socket] | [error: Error, socket: null]) => void
) => void

/**
 * How to connect for each scheme.
 *
 * @category options
 * @since 0.1.0
 */
export interface Connectors<E1 = never, R1 = never, E2 = never, R2 = never> {
  /** For `http:`. */
  readonly http?: Connector.Connector<Connector.Target, Connection.Connection<Error>, E1, R1> | undefined
  /** For `https:`; it is to have the step `tls`, which verifies the host of the URL. */
  readonly https?: Connector.Connector<Connector.Target, Connection.Connection<Error>, E2, R2> | undefined
}

/**
 * Makes undici connect by connectors.
 *
 * **When to use**
 *
 * Use where effect's `HttpClient` runs under Node by `NodeHttpClient.layerUndici…`, and wherever undici is used by itself.
 *
 * **Details**
 *
 * - The target is the host and the port of the URL. TLS verifies the host of the URL, whatever the `Host` header says.
 * - What a connect fails with is what the request fails with: as the `cause` of a `TransportError`, see {@link wsaError}. What
 *   breaks while a body is read is the `cause` of a `DecodeError`.
 * - Connections are closed when undici has no more use for them, and at the latest with the scope.
 * - Where TLS has agreed on `h2`, undici speaks HTTP/2: leave it out of `alpn` to have HTTP/1.1.
 *
 * **Gotchas**
 *
 * undici goes on connecting for a request that was aborted, and keeps what comes of it for the next one: give connects a
 * time-out. A connection that is kept alive keeps the process alive, until the dispatcher is closed; with a layer that is when
 * its scope ends. The kernel may hold small writes back unless `TCP_NODELAY` is set.
 *
 * **Example** (effect's client over a pipeline)
 *
 * ```ts import.meta.vitest
 * import { Connector, SocketOption } from "@effect-winsock/core"
 * import { NodeConnector, NodeUndici } from "@effect-winsock/node"
 * import { NodeHttpClient } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 * import { HttpClient } from "effect/http"
 *
 * const http = Connector.winsock.pipe(
 *   Connector.options([[SocketOption.TCP_NODELAY, true]]),
 *   Connector.attemptTimeout("5 seconds"),
 *   Connector.happyEyeballs(),
 *   Connector.resolve(),
 *   Connector.timeout("10 seconds")
 * )
 * const dispatcher = Layer.effect(
 *   NodeHttpClient.Dispatcher,
 *   Effect.flatMap(NodeUndici.connect({ http }), (connect) => NodeHttpClient.makeDispatcherOptions({ connect }))
 * )
 * const client = NodeHttpClient.layerUndiciNoDispatcher.pipe(Layer.provide(dispatcher), Layer.provide(NodeConnector.layer))
 *
 * const program = HttpClient.get("http://127.0.0.1:1/").pipe(
 *   Effect.catchTag("HttpClientError", (error) => Effect.succeed(NodeUndici.wsaError(error)?._tag)),
 *   Effect.provide(client)
 * )
 * await Effect.runPromise(program) // => "WSAECONNREFUSED"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect = <E1 = never, R1 = never, E2 = never, R2 = never>(
  connectors: Connectors<E1, R1, E2, R2>
): Effect.Effect<Connect, never, R1 | R2 | Scope.Scope> =>
  Effect.contextWith((context: Context.Context<R1 | R2 | Scope.Scope>) => {
    const all = Context.get(context, Scope.Scope)
    const run = Effect.runForkWith(context)
    return Effect.succeed<Connect>((request, callback) => {
      const scope = Scope.forkUnsafe(all)
      const opened = Effect.map(
        Scope.provide(connectionOf(connectors, request), scope),
        (connection) => socketOf(connection, scope, context)
      )
      const fiber = run(Effect.onError(opened, (cause) => Scope.close(scope, Exit.failCause(cause))))
      // undici does not expect to be answered before it is done with asking
      fiber.addObserver((exit) =>
        queueMicrotask(() => Exit.isFailure(exit) ? callback(errorOf(exit.cause), null) : callback(null, exit.value))
      )
      Fiber.runIn(fiber, all)
    })
  })

const connectionOf = <E1, R1, E2, R2>(
  { http, https }: Connectors<E1, R1, E2, R2>,
  { hostname, port, protocol }: Request
) =>
  Effect.gen(function*() {
    const connector: Connectors<E1 | E2, R1 | R2>["http"] = protocol === "https:" ? https : http
    if (connector === undefined) return yield* noConnector(protocol)
    return yield* connector.connect(yield* Effect.fromResult(Connector.target({ protocol, hostname, port })))
  })

const noConnector = (protocol: string) =>
  WsaError.make("WSAEPROTONOSUPPORT", {
    call: "WSAConnect",
    stage: "request",
    detail: `nothing connects for ${protocol}; give NodeUndici.connect a connector for it`
  })

const socketOf = (
  connection: Connection.Connection<Error>,
  scope: Scope.Closeable,
  context: Context.Context<never>
): net.Socket => {
  const duplex = new ConnectionDuplex(connection, scope, context)
  // By what TLS has agreed on undici chooses the version of HTTP. All else that it asks of a socket, a stream has.
  const alpnProtocol = hasProperty(connection, "tls") && hasProperty(connection.tls, "alpn") && connection.tls.alpn
  return Object.assign(duplex, { alpnProtocol }) as unknown as net.Socket
}

const errorOf = (cause: Cause.Cause<unknown>): Error => {
  if (Cause.hasInterruptsOnly(cause)) {
    return WsaError.make("WSAEINTR", {
      call: "WSAConnect",
      stage: "connect",
      detail: "the scope of NodeUndici.connect was closed"
    })
  }
  const error = Cause.squash(cause)
  return error instanceof Error ? error : new Error(String(error))
}

/**
 * Finds the Winsock error in what a request failed with, if there is one: it may be the error itself, the reason of an
 * `HttpClientError`, or a cause of either.
 *
 * **Example** (In an error of somebody else)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 * import { NodeUndici } from "@effect-winsock/node"
 *
 * const refused = WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" })
 * NodeUndici.wsaError(new TypeError("fetch failed", { cause: refused }))?._tag // => "WSAECONNREFUSED"
 * NodeUndici.wsaError(new TypeError("fetch failed")) // => undefined
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const wsaError = (error: unknown): WsaError.WsaError | undefined => {
  const seen = new Set<unknown>()
  for (let one = error; typeof one === "object" && one !== null && !seen.has(one); one = beneath(one)) {
    if (WsaError.isWsaError(one)) return one
    seen.add(one)
  }
  return undefined
}

const beneath = (error: object): unknown =>
  hasProperty(error, "reason") && typeof error.reason === "object"
    ? error.reason
    : hasProperty(error, "cause")
    ? error.cause
    : undefined
