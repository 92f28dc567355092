/**
 * What a conformance row needs the world to be, asked for in one way on every layer.
 *
 * A row says "an address that swallows attempts", and the world of its layer makes one: the in-memory world by telling
 * its tables, the simulated one by what it does to its hosts, a live one with routes and namespaces of the machine. What a
 * world cannot make it says with a `NotHere`, and the row is reported as not shown there, with the reason.
 *
 * **Details**
 *
 * Everything that is made lives as long as the scope it was made in, and is taken back with it.
 *
 * @since 0.1.0
 */
import * as ConnectData from "@effect-winsock/core/ConnectData"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import * as SocketOption from "@effect-winsock/core/SocketOption"
import * as Winsock from "@effect-winsock/core/Winsock"
import type * as WsaError from "@effect-winsock/core/WsaError"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Memory from "./Memory.ts"
import * as Sim from "./Sim.ts"
import * as SimNetwork from "./SimNetwork.ts"

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
 * A network that reserves.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reserving {
  /** The start-up. */
  readonly instance: Instance
  /** From now on it reserves so many bytes a second in each direction; what does not fit any more is lost. */
  readonly setRoom: (bytesPerSecond: number) => Effect.Effect<void>
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
  /**
   * What a caller meets where a listener's backlog is full, and the provider bounds it: it is refused, or nobody answers
   * it until it gives up, as Linux does (E09).
   */
  readonly beyondBacklog: Making<"WSAECONNREFUSED" | "WSAETIMEDOUT">
  /** A start-up whose connection requests carry 16 bytes, and acceptances 8; they wait until they are accepted. */
  readonly carrying: Making<Instance>
  /** A start-up on a network that reserves 20,000 bytes a second in each direction, and what changes how much it does. */
  readonly reserving: Making<Reserving>
  /**
   * A start-up in this world whose sockets carry as much by the exchange of `ConnectData`; a peer may take 2 seconds to reply.
   */
  readonly exchanging: Making<Instance>
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
    beyondBacklog: no,
    carrying: no,
    reserving: no,
    exchanging: no,
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

/**
 * The same start-up, with sockets that carry 16 bytes with a connection request, and 8 with an acceptance, by the exchange of
 * `ConnectData`. A peer may take 2 seconds to reply.
 *
 * **Example** (Asking how much goes along)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory, World } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Winsock.Winsock.use((winsock) =>
 *   Effect.succeed(winsock.capabilities({ family: "IPv4", type: "stream", direction: "both" }).callerDataMax)
 * )
 * await Effect.runPromise(program.pipe(Effect.provide(World.exchanging(Memory.layer())))) // => 16
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const exchanging = (instance: Instance): Instance =>
  Layer.provide(
    instance,
    Layer.orDie(ConnectData.layerExchange({ callerDataMax: 16, calleeDataMax: 8, replyTimeout: "2 seconds" }))
  )

const at = SocketAddress.fromInputUnsafe

/** A local address of this machine, whose port is chosen, or a path that nobody has. */
const localOf = () => {
  let paths = 0
  return (family: SocketAddress.Family) =>
    Effect.sync(() => at(family === "IPv4" ? "127.0.0.1:0" : family === "IPv6" ? "[::1]:0" : `unix:/world/${paths++}`))
}

/** An address elsewhere: of a host of its own each time, so that nothing said of one reaches another. */
const elsewhereOf = () => {
  let hosts = 0
  return (family: SocketAddress.Family) =>
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
}

/** A socket of another program. */
interface Outside {
  readonly socket: Winsock.Socket
  readonly address: SocketAddress.SocketAddress
}

/** A bound socket of another program, which has an instance of its own: a stream listens. */
const outside = (
  instance: Instance,
  type: "stream" | "datagram",
  local: SocketAddress.SocketAddress
): Effect.Effect<Outside, never, Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* Layer.build(Layer.fresh(instance))
    const family = SocketAddress.familyOf(local)
    const socket = yield* Effect.provideContext(Winsock.socket({ family, type }), context)
    yield* Winsock.bind(socket, local)
    if (type === "stream") yield* Winsock.listen(socket)
    return { socket, address: yield* Winsock.getsockname(socket) }
  }).pipe(Effect.orDie)

/** A peer that serves one caller with the bytes, and resets it. */
const serving = (
  { address, socket: listener }: Outside,
  bytes: Uint8Array,
  when: "told" | "at once",
  reset: (accepted: Winsock.Socket) => Effect.Effect<void>
): Effect.Effect<Crashing, never, Scope.Scope> =>
  Effect.gen(function*() {
    const served = yield* Effect.forkScoped(Effect.gen(function*() {
      const { socket } = yield* Winsock.accept(listener)
      yield* Winsock.send(socket, bytes)
      if (when === "at once") yield* reset(socket)
      return socket
    }))
    // At once may have been before the caller knew of its connection: it meets the reset now.
    return { address, crash: Effect.flatMap(Effect.orDie(Fiber.join(served)), reset) }
  })

const noForeignPath = notHere("a path is nobody's before it is bound")

const inMemory = ({ control, provider }: ReturnType<typeof Memory.make>): Shape => {
  const instance = Winsock.layer(provider)
  const local = localOf()
  const elsewhere = elsewhereOf()
  const other = (family: SocketAddress.Family, type: "stream" | "datagram") =>
    Effect.flatMap(local(family), (address) => outside(instance, type, address))
  return {
    instance: Effect.succeed(instance),
    version: (version) => Effect.succeed(Winsock.layer(provider, { version })),
    local,
    foreign: (family) => family === "Unix" ? noForeignPath : elsewhere(family),
    taken: (family, type) => Effect.map(other(family, type), ({ address }) => address),
    broadcast: Effect.succeed(at("255.255.255.255:9")),
    blackholed: (family) => Effect.tap(elsewhere(family), (address) => Effect.sync(() => control.blackhole(address))),
    failing: (family, code) =>
      Effect.tap(elsewhere(family), (address) => Effect.sync(() => control.answer(address, [code]))),
    crashing: (family, bytes, when) =>
      Effect.flatMap(other(family, "stream"), (peer) =>
        serving(
          peer,
          bytes,
          when,
          () => Effect.sync(() => void control.breakStreams(peer.address, "WSAECONNRESET"))
        )),
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
    beyondBacklog: Effect.succeed("WSAECONNREFUSED"),
    carrying: Effect.sync(() => Winsock.layer(Memory.make({ callerDataMax: 16, calleeDataMax: 8 }).provider)),
    reserving: notHere("the in-memory provider can neither mark nor reserve"),
    exchanging: Effect.succeed(exchanging(instance))
  }
}

/** The host that rows run on, one that they talk with, and two that have little. */
const simulated: SimNetwork.Options = {
  hosts: {
    here: {},
    peer: {},
    "few ports": { ephemeralPorts: [50_000, 50_001] },
    "few sockets": { maxSockets: 4 }
  }
}

const inSim = (net: SimNetwork.Network, options: SimNetwork.Options, engine: Sim.Engine): Shape => {
  const instance = net.layer("here")
  const local = localOf()
  const elsewhere = elsewhereOf()
  const neighbour = (family: SocketAddress.Family) => at(family === "IPv4" ? "10.0.0.200:9" : "[fd00::200]:9")
  const other = (family: SocketAddress.Family, type: "stream" | "datagram") =>
    Effect.flatMap(local(family), (address) => outside(instance, type, address))
  /** A listener on another host; a path is of this one. */
  const peer = (family: SocketAddress.Family) =>
    family === "Unix"
      ? other(family, "stream")
      : outside(net.layer("peer"), "stream", net.address("peer", 0, family))
  const swallowing = (family: SocketAddress.Family) =>
    Effect.tap(elsewhere(family), (address) => Effect.sync(() => net.blackhole(address)))
  return {
    instance: Effect.succeed(instance),
    version: (version) => Effect.succeed(net.layer("here", { version })),
    local,
    foreign: (family) => family === "Unix" ? noForeignPath : Effect.succeed(net.address("peer", 0, family)),
    taken: (family, type) => Effect.map(other(family, type), ({ address }) => address),
    broadcast: Effect.succeed(at("255.255.255.255:9")),
    blackholed: swallowing,
    // What the network says by itself, where it says it.
    failing: (family, code) => {
      if (code === "WSAETIMEDOUT") return swallowing(family)
      if (code === "WSAENETUNREACH" && family !== "Unix") return elsewhere(family)
      if (code === "WSAEHOSTUNREACH" && family !== "Unix") return Effect.succeed(neighbour(family))
      return Effect.tap(elsewhere(family), (address) => Effect.sync(() => net.answer(address, [code])))
    },
    crashing: (family, bytes, when) =>
      Effect.flatMap(peer(family), (listener) =>
        serving(listener, bytes, when, (accepted) =>
          family === "Unix"
            // No program can do that to a path, so the network does, once the bytes are there.
            ? Effect.delay(Effect.sync(() => void net.reset(listener.address)), "1 millis")
            : Winsock.setsockopt(accepted, SocketOption.SO_LINGER, { l_onoff: true, l_linger: 0 }).pipe(
              Effect.andThen(Winsock.closesocket(accepted)),
              Effect.catchTag("WSAENOTSOCK", () => Effect.void),
              Effect.orDie
            ))),
    breaking: (_family, code) =>
      Effect.succeed((address: SocketAddress.SocketAddress) => Effect.sync(() => void net.reset(address, code))),
    networkDown: Effect.acquireRelease(
      Effect.sync(() => net.setNetwork("here", "down")),
      () => Effect.sync(() => net.setNetwork("here", "up"))
    ),
    fewPorts: Effect.succeed(net.layer("few ports")),
    fewDescriptors: Effect.succeed(net.layer("few sockets")),
    beyondBacklog: Effect.succeed(
      (options.profile ?? SimNetwork.linux).backlog === "ignore" ? "WSAETIMEDOUT" : "WSAECONNREFUSED"
    ),
    carrying: Effect.map(
      Effect.provideService(SimNetwork.make({ ...options, callerDataMax: 16, calleeDataMax: 8 }), Sim.Sim, engine),
      (carrying) => carrying.layer("host")
    ),
    reserving: Effect.map(
      Effect.provideService(
        SimNetwork.make({ ...options, loopback: { ...options.loopback, reservable: 20_000 } }),
        Sim.Sim,
        engine
      ),
      (reserving) => ({
        instance: reserving.layer("host"),
        setRoom: (bytes) => Effect.sync(() => void reserving.setReservable(["host", "host"], bytes))
      })
    ),
    exchanging: Effect.succeed(exchanging(instance))
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

/**
 * A simulated network of this kind, and its world.
 *
 * **When to use**
 *
 * Use to run conformance rows where systems or links are others than `layerSim` has.
 *
 * **Example** (A time-out as an older Linux has it)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork, World } from "@effect-winsock/testing"
 * import { Duration, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const world = yield* World.World
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   return yield* Effect.flip(Winsock.WSAConnect(s, yield* world.blackholed("IPv4")))
 * }).pipe(Effect.scoped, Effect.provide(World.layerSimWith({ profile: SimNetwork.linuxClassic })))
 *
 * Duration.toSeconds(Sim.run(program).elapsed) // => 127
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSimWith = (
  options: Pick<SimNetwork.Options, "profile" | "link" | "loopback" | "exclusiveBind">
): Layer.Layer<Winsock.Winsock | World, WsaError.WSAStartupError, Sim.Sim> =>
  Layer.unwrap(Effect.gen(function*() {
    const net = yield* SimNetwork.make({ ...simulated, ...options })
    return Layer.merge(net.layer("here"), Layer.succeed(World, inSim(net, options, yield* Sim.Sim)))
  }))

/**
 * A simulated network and its world.
 *
 * **When to use**
 *
 * Use to run conformance rows, or a test that asks a `World`, in virtual time and between hosts: what nobody answers times
 * out as a system does it, and what breaks does so on a link.
 *
 * **Example** (A time-out as Linux has it)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Sim, World } from "@effect-winsock/testing"
 * import { Duration, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const world = yield* World.World
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   const failing = yield* world.failing("IPv4", "WSAETIMEDOUT")
 *   return (yield* Effect.flip(Winsock.WSAConnect(s, failing)))._tag
 * }).pipe(Effect.scoped, Effect.provide(World.layerSim))
 *
 * const report = Sim.run(program)
 * Effect.runSync(report.exit) // => "WSAETIMEDOUT"
 * Duration.toSeconds(report.elapsed) // => 131
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSim: Layer.Layer<Winsock.Winsock | World, WsaError.WSAStartupError, Sim.Sim> = layerSimWith({})
