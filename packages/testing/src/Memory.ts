/**
 * A provider that connects sockets of one process with each other, through tables and queues.
 *
 * **When to use**
 *
 * Use it in a test that wants the calls to behave and the world to obey: a port that nobody listens on refuses, an
 * address can be made to swallow attempts or to fail them with any code, streams break when told to, and `counts` says
 * whether everything was given back. It is no network model: there is no time, no loss, no latency and no topology.
 * What takes time in a network either happens at once or waits for ever; what lies between takes a simulator.
 *
 * **Details**
 *
 * - Every event of a handle comes in a microtask of its own, in the order in which its causes came. So a run with the
 *   same calls gives the same events.
 * - 127.0.0.0/8, ::1 and the wildcards are here, and what `localAddresses` adds. Unix-domain paths and abstract names
 *   are names in a table: no file is ever touched. To another address there is no route: WSAENETUNREACH.
 * - A connect is over once the request waits at its listener, as on Windows and Linux. Where connect data can travel,
 *   or with `conditional`, it is over when the request is accepted.
 * - A stream holds up to `window` bytes per direction. What is beyond it stays with the sender until there is room.
 * - A reset lets arrive what fits the credit of the peer, and drops the rest.
 * - After `close` of a handle nothing but `closed` comes from it, and no byte is referred to once it has come.
 *
 * @since 0.1.0
 */
import type * as Provider from "@effect-winsock/core/Provider"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import * as Winsock from "@effect-winsock/core/Winsock"
import type * as WsaError from "@effect-winsock/core/WsaError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { placeKey, placeOf } from "./internal/addresses.ts"
import { World } from "./internal/memory.ts"

/**
 * How a world is made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The most caller data that a connect carries, in bytes. Default 0: none. */
  readonly callerDataMax?: number | undefined
  /** The most callee data that an acceptance carries back, in bytes. Default 0: none. What is longer is cut. */
  readonly calleeDataMax?: number | undefined
  /** `true`: a connect is over when it is accepted, also where no connect data can travel. Default `false`. */
  readonly conditional?: boolean | undefined
  /** The first and the last port that are given where none is asked for, in that order. Default 49152 to 65535. */
  readonly ephemeralPorts?: readonly [first: number, last: number] | undefined
  /** How many sockets may be open at a time; one more is WSAEMFILE. Default: no limit. */
  readonly maxSockets?: number | undefined
  /** Addresses that are local beside the loopback ones; their ports mean nothing. */
  readonly localAddresses?: ReadonlyArray<SocketAddress.Input> | undefined
  /** How many bytes of a stream may wait in each direction. Default 65536. */
  readonly window?: number | undefined
  /** Whether the network is up when the world begins (E02). Default `"up"`. */
  readonly network?: "up" | "down" | undefined
}

/**
 * How a world is made, and Winsock started on it.
 *
 * @category models
 * @since 0.1.0
 */
export interface LayerOptions extends Options {
  /** The version that is asked for, as `Winsock.MAKEWORD` joins it (A21). Default 2.2. */
  readonly version?: number | undefined
}

/**
 * What exists in a world at a moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counts {
  /** Handles that were opened or accepted and have not given everything back. */
  readonly handles: number
  /** Handles that listen. */
  readonly listeners: number
  /** Connections that have not broken and of which one end at least is open. */
  readonly streams: number
  /** Attempts to connect that are pending. */
  readonly attempts: number
}

/**
 * What a test may do to the world.
 *
 * **Details**
 *
 * An address with port 0 stands for all ports of its host. Everything takes effect at once, and what follows from it
 * comes as events.
 *
 * @category models
 * @since 0.1.0
 */
export interface Control {
  /** Sets whether the network subsystem works (E02). Sockets that are open stay as they are. */
  readonly setNetwork: (network: "up" | "down") => void
  /** Attempts to connect to the address stay pending for ever, and datagrams to it vanish. */
  readonly blackhole: (address: SocketAddress.Input) => void
  /** Attempts to connect to the address fail with the code. A datagram to it is reported as `Sink.soft` with the code. */
  readonly unreachable: (address: SocketAddress.Input, code: WsaError.Code) => void
  /** Takes back what `blackhole` and `unreachable` have said of the address. Attempts that are pending stay so. */
  readonly reachable: (address: SocketAddress.Input) => void
  /**
   * The next attempts to the address fail with these codes, one after the other; later ones go their way. A datagram to
   * it, and making it the default peer, count as attempts, and fail at once.
   */
  readonly answer: (address: SocketAddress.Input, codes: ReadonlyArray<WsaError.Code>) => void
  /** All pending attempts to the address fail with the code, as after a time-out. Answers how many. */
  readonly failAttempts: (address: SocketAddress.Input, code: WsaError.Code) => number
  /** All connections from and to the address break with the code, at both ends. Answers how many. */
  readonly breakStreams: (address: SocketAddress.Input, code: WsaError.Code) => number
  /** Ends of connections that have the address take no more bytes, or take them again. */
  readonly stallWrites: (address: SocketAddress.Input, stalled?: boolean) => void
  /** Counts what exists; all are 0 once every socket is closed. */
  readonly counts: () => Counts
}

/**
 * Makes a world: its provider, and the hands that shape it.
 *
 * **When to use**
 *
 * Use to test something that is written against `Provider`; programs that are written against the calls take `layer`.
 *
 * **Example** (Counting what is open)
 *
 * ```ts import.meta.vitest
 * import { Memory } from "@effect-winsock/testing"
 *
 * const { control, provider } = Memory.make({ maxSockets: 100 })
 * provider.network() // => "up"
 * control.setNetwork("down")
 * provider.network() // => "down"
 * control.counts() // => { handles: 0, listeners: 0, streams: 0, attempts: 0 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): {
  readonly provider: Provider.Provider
  readonly control: Control
} => {
  const world = new World({
    callerDataMax: options.callerDataMax ?? 0,
    calleeDataMax: options.calleeDataMax ?? 0,
    conditional: options.conditional ?? false,
    ephemeralPorts: options.ephemeralPorts ?? [49152, 65535],
    maxSockets: options.maxSockets ?? Infinity,
    localAddresses: (options.localAddresses ?? []).map(SocketAddress.fromInputUnsafe),
    window: options.window ?? 65536,
    network: options.network ?? "up"
  })
  const at = (address: SocketAddress.Input) => placeOf(SocketAddress.fromInputUnsafe(address))
  return {
    provider: {
      name: "memory",
      network: () => world.network,
      capabilities: (kind) => world.capabilities[kind.type][kind.family],
      open: (kind, sink) => world.open(kind, sink)
    },
    control: {
      setNetwork: (network) => {
        world.network = network
      },
      blackhole: (address) => void world.shapes.set(placeKey(at(address)), "blackhole"),
      unreachable: (address, code) => void world.shapes.set(placeKey(at(address)), code),
      reachable: (address) => void world.shapes.delete(placeKey(at(address))),
      answer: (address, codes) => {
        const key = placeKey(at(address))
        world.answers.set(key, [...world.answers.get(key) ?? [], ...codes])
      },
      failAttempts: (address, code) => world.failAttempts(at(address), code),
      breakStreams: (address, code) => world.breakStreams(at(address), code),
      stallWrites: (address, stalled = true) => world.stall(at(address), stalled),
      counts: () => world.counts()
    }
  }
}

/**
 * The hands on the world that `layer` made.
 *
 * **When to use**
 *
 * Use in a test that runs a program on `layer`, to shape the world around it and to look for leaks at the end.
 *
 * **Example** (Letting a second attempt succeed)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const memory = yield* Memory.Memory
 *   memory.answer("127.0.0.1:80", ["WSAETIMEDOUT"])
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener, 1)
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   const first = yield* Effect.flip(Winsock.connect(s, "127.0.0.1:80"))
 *   yield* Winsock.connect(s, "127.0.0.1:80")
 *   return [first._tag, memory.counts()]
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => ["WSAETIMEDOUT", { handles: 2, listeners: 1, streams: 1, attempts: 0 }]
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Memory extends Context.Service<Memory, Control>()("@effect-winsock/testing/Memory") {}

/**
 * Starts Winsock on a world of its own.
 *
 * **Details**
 *
 * Each build of the layer makes a new world, so tests that provide it do not see each other. It fails with
 * WSASYSNOTREADY where the options say that the network is down, and with WSAVERNOTSUPPORTED for a version below 1.0.
 *
 * **Example** (Running a program without a network)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   return yield* Winsock.connect(s, "127.0.0.1:80")
 * }).pipe(Effect.scoped, Effect.flip, Effect.provide(Memory.layer()))
 *
 * ;(await Effect.runPromise(program))._tag // => "WSAECONNREFUSED"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: LayerOptions): Layer.Layer<Winsock.Winsock | Memory, WsaError.WSAStartupError> =>
  Layer.unwrap(Effect.sync(() => {
    const { control, provider } = make(options)
    return Layer.merge(Winsock.layer(provider, { version: options?.version }), Layer.succeed(Memory, control))
  }))
