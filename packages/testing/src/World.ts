/**
 * What a conformance row needs the world to be, asked for in one way on every layer.
 *
 * A row says "an address that swallows attempts", and the world of its layer makes one: the in-memory world by telling
 * its tables, a live one with routes and namespaces of the machine. What a world cannot make it says with a `NotHere`,
 * and the row is reported as not shown there, with the reason.
 *
 * **Details**
 *
 * Everything that is made lives as long as the scope it was made in, and is taken back with it.
 *
 * @since 0.1.0
 */
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import * as Winsock from "@effect-winsock/core/Winsock"
import type * as WsaError from "@effect-winsock/core/WsaError"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Memory from "./Memory.ts"

/**
 * Why something cannot be made here.
 *
 * **Example** (Saying why)
 *
 * ```ts import.meta.vitest
 * import { World } from "@effect-winsock/testing"
 *
 * new World.NotHere({ reason: "needs root" }).message // => "needs root"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class NotHere extends Data.TaggedError("NotHere")<{
  /** What this layer lacks on this machine. */
  readonly reason: string
}> {
  override get message(): string {
    return this.reason
  }
}

/**
 * Something that a world makes for the length of a scope, or cannot make.
 *
 * @category models
 * @since 0.1.0
 */
export type Making<A> = Effect.Effect<A, NotHere, Scope.Scope>

/**
 * A peer that accepts one caller, sends it bytes, and resets the connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Crashing {
  /** Where it listens. */
  readonly address: SocketAddress.SocketAddress
  /** Resets the connection, once it has been accepted and the bytes were sent. */
  readonly crash: Effect.Effect<void>
}

/**
 * A start-up in the same world as the layer's own.
 *
 * @category models
 * @since 0.1.0
 */
export type Instance = Layer.Layer<Winsock.Winsock, WsaError.WSAStartupError>

/**
 * What a world can be asked to be.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shape {
  /** Another start-up in this world. */
  readonly instance: Making<Instance>
  /** Another start-up in this world that asks for a version, as `Winsock.MAKEWORD` joins it. */
  readonly version: (version: number) => Making<Instance>
  /** An address of this machine to bind, whose port is chosen: port 0, or a path that nobody has. */
  readonly local: (family: SocketAddress.Family) => Making<SocketAddress.SocketAddress>
  /** An address that is not of this machine: nobody can bind it. */
  readonly foreign: (family: SocketAddress.Family) => Making<SocketAddress.SocketAddress>
  /** A local address that another program has. */
  readonly taken: (
    family: SocketAddress.Family,
    type: "stream" | "datagram"
  ) => Making<SocketAddress.SocketAddress>
  /** A broadcast address that a datagram socket can reach. */
  readonly broadcast: Making<SocketAddress.SocketAddress>
  /** An address that never answers an attempt to connect. */
  readonly blackholed: (family: SocketAddress.Family) => Making<SocketAddress.SocketAddress>
  /** An address to which the next attempt to connect fails with the code. */
  readonly failing: (
    family: SocketAddress.Family,
    code: WsaError.Code
  ) => Making<SocketAddress.SocketAddress>
  /**
   * A peer that accepts, sends the bytes, and resets: when it is told, or `"at once"`, so that bytes and reset arrive
   * together.
   */
  readonly crashing: (
    family: SocketAddress.Family,
    bytes: Uint8Array,
    when: "told" | "at once"
  ) => Making<Crashing>
  /** Breaks the connections from and to an address with the code. */
  readonly breaking: (
    family: SocketAddress.Family,
    code: WsaError.Code
  ) => Making<(address: SocketAddress.SocketAddress) => Effect.Effect<void, NotHere>>
  /** Takes the network down until the scope ends. */
  readonly networkDown: Making<void>
  /** A start-up in a world that has two ephemeral ports. Port 20000 is not among them and is free. */
  readonly fewPorts: Making<Instance>
  /** A start-up that has room for a few sockets only. */
  readonly fewDescriptors: Making<Instance>
  /** A start-up whose connection requests carry 16 bytes, and acceptances 8; they wait until they are accepted. */
  readonly carrying: Making<Instance>
}

/**
 * The world in which a conformance row runs.
 *
 * **When to use**
 *
 * Use with `make` to describe what a provider's surroundings can be made to be, and hand it to `Conformance.run` together
 * with the provider's `Winsock` layer.
 *
 * **Example** (Asking for an address that nobody answers)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { World } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const world = yield* World.World
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   const failing = yield* world.failing("IPv4", "WSAETIMEDOUT")
 *   return (yield* Effect.flip(Winsock.WSAConnect(s, failing)))._tag
 * }).pipe(Effect.scoped, Effect.provide(World.layerMemory))
 *
 * await Effect.runPromise(program) // => "WSAETIMEDOUT"
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class World extends Context.Service<World, Shape>()("@effect-winsock/testing/World") {}

/**
 * Makes a world from what it can be made to be; all else is answered with the reason.
 *
 * **Example** (A world that can do little)
 *
 * ```ts import.meta.vitest
 * import { World } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const world = World.make("this example makes nothing", {})
 * const program = Effect.scoped(Effect.flip(world.networkDown))
 * Effect.runSync(program).reason // => "this example makes nothing"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (otherwise: string, shape: Partial<Shape>): Shape => {
  const no = notHere(otherwise)
  const none = () => no
  return {
    instance: no,
    version: none,
    local: none,
    foreign: none,
    taken: none,
    broadcast: no,
    blackholed: none,
    failing: none,
    crashing: none,
    breaking: none,
    networkDown: no,
    fewPorts: no,
    fewDescriptors: no,
    carrying: no,
    ...shape
  }
}

/**
 * Answers that something cannot be made here.
 *
 * **Example** (Giving the reason)
 *
 * ```ts import.meta.vitest
 * import { World } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * Effect.runSync(Effect.flip(World.notHere("needs root"))).reason // => "needs root"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const notHere = (reason: string): Effect.Effect<never, NotHere> => Effect.fail(new NotHere({ reason }))

const at = SocketAddress.fromInputUnsafe

const inMemory = ({ control, provider }: ReturnType<typeof Memory.make>): Shape => {
  let paths = 0
  let hosts = 0
  const instance = Winsock.layer(provider)
  const local = (family: SocketAddress.Family) =>
    Effect.sync(() => at(family === "IPv4" ? "127.0.0.1:0" : family === "IPv6" ? "[::1]:0" : `unix:/world/${paths++}`))
  // A host of its own each time, so that nothing said of one reaches another.
  const elsewhere = (family: SocketAddress.Family) =>
    Effect.sync(() => {
      hosts++
      return at(
        family === "IPv4"
          ? `192.0.2.${hosts}:9`
          : family === "IPv6"
          ? `[2001:db8::${hosts}]:9`
          : `unix:/elsewhere/${hosts}`
      )
    })
  /** A socket that belongs to nobody else's instance. */
  const outside = (family: SocketAddress.Family, type: "stream" | "datagram") =>
    Effect.gen(function*() {
      const context = yield* Layer.build(Layer.fresh(instance))
      const s = yield* Effect.provideContext(Winsock.socket({ family, type }), context)
      yield* Winsock.bind(s, yield* local(family))
      return s
    }).pipe(Effect.orDie)
  return {
    instance: Effect.succeed(instance),
    version: (version) => Effect.succeed(Winsock.layer(provider, { version })),
    local,
    foreign: (family) => family === "Unix" ? notHere("a path is nobody's before it is bound") : elsewhere(family),
    taken: (family, type) => Effect.flatMap(outside(family, type), (s) => Effect.orDie(Winsock.getsockname(s))),
    broadcast: Effect.succeed(at("255.255.255.255:9")),
    blackholed: (family) => Effect.tap(elsewhere(family), (address) => Effect.sync(() => control.blackhole(address))),
    failing: (family, code) =>
      Effect.tap(elsewhere(family), (address) => Effect.sync(() => control.answer(address, [code]))),
    crashing: (family, bytes, when) =>
      Effect.gen(function*() {
        const listener = yield* outside(family, "stream")
        yield* Winsock.listen(listener)
        const address = yield* Winsock.getsockname(listener)
        const crash = Effect.sync(() => void control.breakStreams(address, "WSAECONNRESET"))
        const served = yield* Effect.forkScoped(Effect.gen(function*() {
          const { socket } = yield* Winsock.accept(listener)
          yield* Winsock.send(socket, bytes)
          if (when === "at once") yield* crash
        }))
        return { address, crash: Effect.andThen(Effect.orDie(Fiber.join(served)), crash) }
      }).pipe(Effect.orDie),
    breaking: (_family, code) =>
      Effect.succeed((address: SocketAddress.SocketAddress) =>
        Effect.sync(() => void control.breakStreams(address, code))
      ),
    networkDown: Effect.acquireRelease(
      Effect.sync(() => control.setNetwork("down")),
      () => Effect.sync(() => control.setNetwork("up"))
    ),
    fewPorts: Effect.sync(() => Winsock.layer(Memory.make({ ephemeralPorts: [50_000, 50_001] }).provider)),
    fewDescriptors: Effect.sync(() => Winsock.layer(Memory.make({ maxSockets: 4 }).provider)),
    carrying: Effect.sync(() => Winsock.layer(Memory.make({ callerDataMax: 16, calleeDataMax: 8 }).provider))
  }
}

/**
 * An in-memory provider and its world.
 *
 * **When to use**
 *
 * Use to run conformance rows, or a test that asks a `World`, without a network.
 *
 * **Example** (Connecting in memory)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { World } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Winsock.Winsock.use((winsock) => Effect.succeed(winsock.provider))
 * await Effect.runPromise(program.pipe(Effect.provide(World.layerMemory))) // => "memory"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<Winsock.Winsock | World, WsaError.WSAStartupError> = Layer.unwrap(
  Effect.sync(() => {
    const memory = Memory.make()
    return Layer.merge(Winsock.layer(memory.provider), Layer.succeed(World, inMemory(memory)))
  })
)
