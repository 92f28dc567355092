/**
 * The accepting side: a listener that hands each caller on as a {@link Connection.Connection}, or as effect's Socket.
 *
 * **Example** (An echo, and one who asks)
 *
 * ```ts import.meta.vitest
 * import { Connection, ConnectionServer, Connector } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* ConnectionServer.make({ address: "127.0.0.1:0" })
 *   yield* Effect.forkScoped(server.run((caller) => Connection.relay(caller, caller)))
 *
 *   const client = yield* Connector.winsock.connect(server.address)
 *   yield* client.write(new TextEncoder().encode("hello"))
 *   return new TextDecoder().decode(yield* client.read)
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => "hello"
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import * as Connection from "./Connection.ts"
import * as Pipeline from "./internal/pipeline.ts"
import * as SocketAddress from "./SocketAddress.ts"
import * as Winsock from "./Winsock.ts"
import type * as WsaError from "./WsaError.ts"

/**
 * How a server is made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<E = never, R = never> {
  /** Where to listen. Port 0: one that is free. */
  readonly address: SocketAddress.Input
  /** How many callers may wait to be accepted. */
  readonly backlog?: number | undefined
  /** What is done to the listener before it listens. Accepted sockets inherit its options. */
  readonly prepare?: ((listener: Winsock.Socket) => Effect.Effect<unknown, E, R>) | undefined
}

/**
 * What beginning to listen can fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type OpenError = WsaError.SocketError | WsaError.BindError | WsaError.ListenError | WsaError.GetsocknameError

/**
 * What ends a server. A caller for whom there is no room is not among it: it waits until there is.
 *
 * @category errors
 * @since 0.1.0
 */
export type AcceptError = Exclude<WsaError.AcceptError, WsaError.WSAEMFILE | WsaError.WSAENOBUFS>

/**
 * A server: a listener, and what hands its callers on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Server {
  /** Where it listens. */
  readonly address: SocketAddress.SocketAddress
  /** The listener. */
  readonly socket: Winsock.Socket
  /** Takes the caller who has waited longest, as a connection that is closed with the scope. */
  readonly accept: Effect.Effect<Connection.Connection, WsaError.AcceptError, Scope.Scope>
  /**
   * Runs a handler for each caller, in a fiber and a scope of its own, until it is interrupted, which interrupts the
   * handlers too. What a handler fails with is logged, and ends the connection of its caller alone.
   */
  readonly run: <A, E, R>(
    handler: (connection: Connection.Connection) => Effect.Effect<A, E, R>
  ) => Effect.Effect<never, AcceptError, Exclude<R, Scope.Scope>>
}

/**
 * The server of a program, as a service.
 *
 * **Example** (Asking where it listens)
 *
 * ```ts import.meta.vitest
 * import { ConnectionServer, SocketAddress } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Layer } from "effect"
 *
 * const layer = ConnectionServer.layer({ address: "127.0.0.1:8080" }).pipe(Layer.provide(Memory.layer()))
 * const program = ConnectionServer.ConnectionServer.use(({ address }) => Effect.succeed(SocketAddress.format(address)))
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => "127.0.0.1:8080"
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class ConnectionServer
  extends Context.Service<ConnectionServer, Server>()("@effect-winsock/core/ConnectionServer")
{}

/**
 * The connection that a handler is run for, also where the handler is given effect's Socket; `undefined` elsewhere.
 *
 * **Example** (The caller's address behind effect's Socket)
 *
 * ```ts import.meta.vitest
 * import { ConnectionServer, Connector, SocketAddress } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Deferred, Effect, Layer } from "effect"
 * import { SocketServer } from "effect/socket"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* SocketServer.SocketServer
 *   const caller = yield* Deferred.make<string>()
 *   yield* Effect.forkScoped(server.run(() =>
 *     Effect.flatMap(ConnectionServer.Caller, (connection) =>
 *       Deferred.succeed(caller, SocketAddress.format(connection!.remote)))
 *   ))
 *   yield* Connector.winsock.pipe(Connector.bindTo({ IPv4: "127.0.0.1:5000" })).connect(server.address)
 *   return yield* Deferred.await(caller)
 * }).pipe(
 *   Effect.scoped,
 *   Effect.provide(Layer.provideMerge(ConnectionServer.layerSocketServer({ address: "127.0.0.1:0" }), Memory.layer()))
 * )
 *
 * await Effect.runPromise(program) // => "127.0.0.1:5000"
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const Caller: Context.Reference<Connection.Connection | undefined> = Context.Reference(
  "@effect-winsock/core/ConnectionServer/Caller",
  { defaultValue: (): Connection.Connection | undefined => undefined }
)

/** Where there is no room for one more, it waits on, and there may be room soon. */
const patience = "100 millis"

const hasNoRoom = (error: WsaError.AcceptError): error is WsaError.WSAEMFILE | WsaError.WSAENOBUFS =>
  error._tag === "WSAEMFILE" || error._tag === "WSAENOBUFS"

const runOf =
  (accept: Server["accept"]): Server["run"] =>
  <A, E, R>(handler: (connection: Connection.Connection) => Effect.Effect<A, E, R>) => {
    const serve = (connection: Connection.Connection, scope: Scope.Closeable) =>
      Effect.suspend(() => handler(connection)).pipe(
        Effect.provideService(Caller, connection),
        Scope.provide(scope),
        Effect.onExit((exit) => Scope.close(scope, exit)),
        Effect.ignoreCause({ log: "Unhandled", message: "a handler of a ConnectionServer failed" })
      )
    const serveNext = Effect.gen(function*() {
      const all = yield* Effect.scope
      const own = yield* Scope.fork(all)
      yield* Scope.provide(accept, own).pipe(
        Effect.flatMap((connection) => Effect.forkIn(serve(connection, own), all)),
        Effect.catchIf(hasNoRoom, (error) => Effect.andThen(Scope.close(own, Exit.fail(error)), Effect.sleep(patience)))
      )
    })
    return Effect.scoped(Effect.forever(serveNext))
  }

/**
 * Listens at an address, until the scope ends.
 *
 * **Details**
 *
 * Callers wait in the backlog until they are accepted, by {@link Server.run} or one by one. It fails as `socket`, `bind` and
 * `listen` do, and leaves nothing open then.
 *
 * **Example** (Accepting one caller)
 *
 * ```ts import.meta.vitest
 * import { ConnectionServer, Connector } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* ConnectionServer.make({ address: "127.0.0.1:0", backlog: 1 })
 *   yield* Connector.winsock.connect(server.address)
 *   const caller = yield* server.accept
 *   yield* caller.end
 *   return caller.closeReason
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => undefined
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E = never, R = never>(
  options: Options<E, R>
): Effect.Effect<Server, OpenError | E, R | Winsock.Winsock | Scope.Scope> =>
  Pipeline.isolated(Effect.gen(function*() {
    const wanted = SocketAddress.fromInput(options.address)
    // What does not decode is told by bind.
    const family = Result.isSuccess(wanted) ? SocketAddress.familyOf(wanted.success) : "IPv4"
    const socket = yield* Winsock.socket({ family, type: "stream" })
    if (options.prepare !== undefined) yield* options.prepare(socket)
    yield* Winsock.bind(socket, options.address)
    yield* Winsock.listen(socket, options.backlog)
    const accept = Effect.map(Winsock.accept(socket), Connection.fromAccepted)
    return { address: yield* Winsock.getsockname(socket), socket, accept, run: runOf(accept) }
  }))

/**
 * Listens at an address while the layer lasts.
 *
 * **Example** (Serving while a program runs)
 *
 * ```ts import.meta.vitest
 * import { ConnectionServer, Connector } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* ConnectionServer.ConnectionServer
 *   yield* Effect.forkScoped(server.run((caller) => caller.write(new Uint8Array(3))))
 *   const client = yield* Connector.winsock.connect(server.address)
 *   return (yield* client.read).length
 * }).pipe(
 *   Effect.scoped,
 *   Effect.provide(Layer.provideMerge(ConnectionServer.layer({ address: "127.0.0.1:0" }), Memory.layer()))
 * )
 *
 * await Effect.runPromise(program) // => 3
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E = never, R = never>(
  options: Options<E, R>
): Layer.Layer<ConnectionServer, OpenError | E, Winsock.Winsock | Exclude<R, Scope.Scope>> =>
  Layer.effect(ConnectionServer, make(options))

/**
 * Gives effect's SocketServer of a server, whose handlers are given effect's Socket.
 *
 * **Details**
 *
 * The connection of each, with the caller's addresses, is {@link Caller}. What ends the server is the `cause` of a
 * `SocketServerError`.
 *
 * **Example** (The same address)
 *
 * ```ts import.meta.vitest
 * import { ConnectionServer } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* ConnectionServer.make({ address: "127.0.0.1:0" })
 *   return ConnectionServer.toSocketServer(server).address === server.address
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => true
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const toSocketServer = (self: Server): SocketServer.SocketServer["Service"] => ({
  address: self.address,
  run: <R, E, A>(handler: (socket: Socket.Socket) => Effect.Effect<A, E, R>) =>
    self.run((connection) => Effect.flatMap(Connection.toSocket(connection, { tlsServer: true }), handler)).pipe(
      Effect.mapError((cause) =>
        new SocketServer.SocketServerError({ reason: new SocketServer.SocketServerUnknownError({ cause }) })
      )
    ) as Effect.Effect<never, SocketServer.SocketServerError, R>
})

/**
 * Provides effect's SocketServer: what effect's RPC server, and its cluster, listen with.
 *
 * **Details**
 *
 * What beginning to listen fails with is the `cause` of a `SocketServerError`.
 *
 * **Example** (Where somebody listens already)
 *
 * ```ts import.meta.vitest
 * import { ConnectionServer } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Layer } from "effect"
 *
 * const layer = ConnectionServer.layerSocketServer({ address: "127.0.0.1:8080" })
 * const program = Layer.build(layer).pipe(
 *   Effect.andThen(Effect.flip(Layer.build(Layer.fresh(layer)))),
 *   Effect.map(({ reason }) => (reason.cause as Error).name),
 *   Effect.scoped,
 *   Effect.provide(Memory.layer())
 * )
 *
 * await Effect.runPromise(program) // => "WSAEADDRINUSE"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSocketServer = <E = never, R = never>(
  options: Options<E, R>
): Layer.Layer<
  SocketServer.SocketServer,
  SocketServer.SocketServerError,
  Winsock.Winsock | Exclude<R, Scope.Scope>
> =>
  Layer.effect(
    SocketServer.SocketServer,
    make(options).pipe(
      Effect.map(toSocketServer),
      Effect.mapError((cause) =>
        new SocketServer.SocketServerError({ reason: new SocketServer.SocketServerOpenError({ cause }) })
      )
    )
  )
