/**
 * A network of simulated hosts, in the virtual time of a run.
 *
 * **When to use**
 *
 * Use it to run a program, the very one that runs on `NodeWinsock.layer`, on hosts and links that a test describes: with
 * latency, bandwidth and loss, with partitions and hosts that lose their power, and the same way every time.
 *
 * **Details**
 *
 * - What a call means is decided in core, as on every provider. What the world does is decided here: how long things
 *   take, who can be reached, and what is lost.
 * - Streams are modelled at the level of TCP: a handshake of one round trip, ordered bytes in a window, tables of
 *   retries. A loss shows as a stall of the retransmission time-out, a partition as silence.
 * - All luck of a link is drawn from a stream of its own, which depends on the seed and the names of its hosts only. What is
 *   switched off draws nothing.
 * - Nothing happens inside a call but what the call itself answers. All else is an event of the run.
 *
 * **Gotchas**
 *
 * It is no model of congestion control, no byte is lost inside a stream, and where a segment ends is nobody's business.
 *
 * @since 0.1.0
 */
import type * as Provider from "@effect-winsock/core/Provider"
import type * as Qos from "@effect-winsock/core/Qos"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import type * as Tls from "@effect-winsock/core/Tls"
import * as Winsock from "@effect-winsock/core/Winsock"
import type * as WsaError from "@effect-winsock/core/WsaError"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as AddressResolver from "effect/net/AddressResolver"
import * as Dns from "effect/net/Dns"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { isV4, placeOf, withPort } from "./internal/addresses.ts"
import type { Program } from "./internal/network/host.ts"
import type { LinkSettings } from "./internal/network/link.ts"
import { dnsOf } from "./internal/network/names.ts"
import { Network as Model } from "./internal/network/network.ts"
import { type Engine, Sim } from "./Sim.ts"
import * as SimTls from "./SimTls.ts"

/**
 * What an operating system does, as data: its tables of retries, its limits, its ports. Times are milliseconds.
 *
 * **Details**
 *
 * A profile changes the world only, never what a call means.
 *
 * @category models
 * @since 0.1.0
 */
export interface Profile {
  /** What it is called. */
  readonly name: string
  /** How long each request for a connection is waited for. Their sum is the time after which a connect is WSAETIMEDOUT. */
  readonly synRetries: ReadonlyArray<number>
  /** How long each answer to a request is waited for. After the last one the request is forgotten. */
  readonly synAckRetries: ReadonlyArray<number>
  /** How long each transmission of a part is waited for. After their sum a connection breaks with WSAETIMEDOUT. */
  readonly dataRetries: ReadonlyArray<number>
  /** How many of these a connection gets that its program has closed. */
  readonly orphanRetries: number
  /** How long an address is looked for in its network before a connect is WSAEHOSTUNREACH. */
  readonly neighborTimeout: number
  /** SO_KEEPALIVE: when a silent peer is asked, how often, how many times, and what comes of it. */
  readonly keepAlive: {
    /** After so much silence the peer is asked. */
    readonly idle: number
    /** So long an answer is waited for. */
    readonly interval: number
    /** So many times it is asked. */
    readonly count: number
    /** With this code the connection breaks then. */
    readonly code: WsaError.Code
  }
  /**
   * What a caller beyond the backlog meets: its request is ignored, and asked again; it is refused; or it is let in, and
   * reset by core.
   */
  readonly backlog: "ignore" | "refuse" | "reset"
  /** The first and the last port that are given where none is asked for. */
  readonly ephemeralPorts: readonly [first: number, last: number]
  /** How long the pair of addresses of a connection that was closed here first cannot be connected again. */
  readonly timeWait: number
  /** How many bytes of a stream wait for a receiver that does not receive. */
  readonly receiveWindow: number
  /** How many bytes of a stream a sender's stack holds that have not arrived. */
  readonly sendBuffer: number
  /** How many bytes of datagrams wait for a socket, 256 added for each; more are dropped. */
  readonly datagramBuffer: number
  /** Which datagram sockets hear that nobody has the port they sent to: those with that peer, or all. */
  readonly icmp: "connected" | "all"
  /** Which sockets can mark what they send: Node marks streams, and datagrams with a package that it does not come with. */
  readonly marking: "none" | "streams" | "all"
}

const seconds = (...all: ReadonlyArray<number>): ReadonlyArray<number> => all.map((one) => one * 1000)

/** 200 ms, doubled up to two minutes: the sixteen waits of tcp_retries2, 924.6 s. */
const doubling = Array.from({ length: 16 }, (_, times) => Math.min(200 * 2 ** times, 120_000))

/**
 * Linux since 6.5, whose first requests for a connection follow each other evenly: a connect times out after 131 s.
 *
 * **Details**
 *
 * These are the times that the kernel computes. Its timers are coarse, and late by up to a sixteenth: a Linux 6.18 was
 * measured to give up after 135 s.
 *
 * **Example** (Reading a table)
 *
 * ```ts import.meta.vitest
 * import { SimNetwork } from "@effect-winsock/testing"
 *
 * SimNetwork.linux.synRetries.reduce((sum, wait) => sum + wait, 0) // => 131000
 * SimNetwork.linux.dataRetries.reduce((sum, wait) => sum + wait, 0) // => 924600
 * ```
 *
 * @category profiles
 * @since 0.1.0
 */
export const linux: Profile = {
  name: "linux",
  synRetries: seconds(1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 64),
  synAckRetries: seconds(1, 2, 4, 8, 16, 32),
  dataRetries: doubling,
  orphanRetries: 8,
  neighborTimeout: 3000,
  keepAlive: { idle: 7_200_000, interval: 75_000, count: 9, code: "WSAETIMEDOUT" },
  backlog: "ignore",
  ephemeralPorts: [32_768, 60_999],
  timeWait: 60_000,
  receiveWindow: 65_536,
  sendBuffer: 65_536,
  datagramBuffer: 212_992,
  icmp: "connected",
  marking: "streams"
}

/**
 * Linux before 6.5: a request for a connection is sent again six times, and each time waited for twice as long. A connect
 * times out after 127 s.
 *
 * **Example** (Reading a table)
 *
 * ```ts import.meta.vitest
 * import { SimNetwork } from "@effect-winsock/testing"
 *
 * SimNetwork.linuxClassic.synRetries.reduce((sum, wait) => sum + wait, 0) // => 127000
 * ```
 *
 * @category profiles
 * @since 0.1.0
 */
export const linuxClassic: Profile = {
  ...linux,
  name: "linux before 6.5",
  synRetries: seconds(1, 2, 4, 8, 16, 32, 64)
}

/**
 * What lies between two hosts, in one direction.
 *
 * @category models
 * @since 0.1.0
 */
export interface LinkOptions {
  /** How long everything takes. Default 1 millisecond, and nothing on a loopback. */
  readonly latency?: Duration.Input | undefined
  /** How much longer it may take, by luck. What belongs together keeps its order. Default none. */
  readonly jitter?: Duration.Input | undefined
  /** How many bytes go through in a second. Streams and datagrams share them fairly. Default: no limit. */
  readonly bandwidth?: number | undefined
  /** How likely a datagram is lost, or a part of a stream, which then stalls. From 0 to 1, default 0. */
  readonly loss?: number | undefined
  /** How likely a datagram arrives twice. Default 0. */
  readonly duplicate?: number | undefined
  /** How likely a datagram is so late that others overtake it. Default 0. */
  readonly reorder?: number | undefined
  /** The longest packet. A longer datagram goes in parts, of which each may be lost. Default 1500, and 64 KiB of bytes on a loopback. */
  readonly mtu?: number | undefined
  /** How many bytes of datagrams wait where there is a bandwidth; more are dropped. Default 262144. */
  readonly queue?: number | undefined
  /**
   * How many bytes a second can be reserved, no more than the bandwidth. Default: three quarters of it in a network in
   * which some link or host says how much it is, and nothing in any other.
   */
  readonly reservable?: number | undefined
}

/**
 * A host of the network.
 *
 * @category models
 * @since 0.1.0
 */
export interface HostOptions {
  /** Its addresses, without ports. Default: one of 10.0.0.0/24 and one of fd00::/64, by its place among the hosts. */
  readonly addresses?: ReadonlyArray<string> | undefined
  /** Names that it is found by, beside its own. */
  readonly names?: ReadonlyArray<string> | undefined
  /** How many sockets may be open at a time; one more is WSAEMFILE. Default: no limit. */
  readonly maxSockets?: number | undefined
  /** How many bytes its sockets may hold; a connect or a datagram beyond it is WSAENOBUFS. Default: no limit. */
  readonly maxBuffers?: number | undefined
  /** The ports that are given where none is asked for. Default: those of the profile. */
  readonly ephemeralPorts?: readonly [first: number, last: number] | undefined
  /** Whether its network is up when the run begins (E02). Default `"up"`. */
  readonly network?: "up" | "down" | undefined
  /** How many bytes a second can be reserved of what leaves it, and of what arrives. Default: as many as its links let. */
  readonly reservable?: number | undefined
}

/**
 * How names are looked up, by programs on hosts whose layer is that of `layerConnector`.
 *
 * @category models
 * @since 0.1.0
 */
export interface DnsOptions {
  /** How long an answer takes. Default nothing. */
  readonly latency?: Duration.Input | undefined
  /** How much longer it may take, by luck. Default none. */
  readonly jitter?: Duration.Input | undefined
  /** How long the resolver waits for an answer that does not come. Default 10 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * How a network is made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The hosts, by name. Default: one, `"host"`. */
  readonly hosts?: Readonly<Record<string, HostOptions>> | undefined
  /** What lies between any two hosts, each way. */
  readonly link?: LinkOptions | undefined
  /** What lies between two hosts, one way, where it differs. */
  readonly links?: ReadonlyArray<LinkOptions & { readonly from: string; readonly to: string }> | undefined
  /** What lies between a host and itself. */
  readonly loopback?: LinkOptions | undefined
  /** How names are looked up. */
  readonly dns?: DnsOptions | undefined
  /** What hosts trust, and have, where they speak TLS: programs on a layer of `layerConnector`. */
  readonly tls?: SimTls.Options | undefined
  /** The operating system that the hosts have. Default `linux`. */
  readonly profile?: Profile | undefined
  /** The most caller data that a connect carries, in bytes. Default 0: none. */
  readonly callerDataMax?: number | undefined
  /** The most callee data that an acceptance carries back, in bytes. Default 0: none. What is longer is cut. */
  readonly calleeDataMax?: number | undefined
  /** `true`: a connect is over when it is accepted, also where no connect data can travel. Default `false`. */
  readonly conditional?: boolean | undefined
  /** `false`: two stream sockets of a host may bind one address, and only one may listen, as under libuv. Default `true`. */
  readonly exclusiveBind?: boolean | undefined
}

/**
 * What exists at a moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counts {
  /** Sockets that are open. */
  readonly handles: number
  /** Sockets that listen. */
  readonly listeners: number
  /** Ends of connections that have not come to their end, those of closed sockets that still send included. */
  readonly streams: number
  /** Attempts to connect that are pending. */
  readonly attempts: number
}

/**
 * What is reserved for a socket, or for the group that it created.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reserved {
  /** The host of the socket. */
  readonly host: string
  /** The number of the socket on its host, as in the trace. */
  readonly socket: number
  /** The host of its peer. */
  readonly to: string
  /** `true`: it is for the group. */
  readonly group: boolean
  /** What there is of it; `undefined` while it is lost. */
  readonly reserved: Qos.Reservation | undefined
}

/**
 * What an attempt to connect meets.
 *
 * @category models
 * @since 0.1.0
 */
export interface Meeting {
  /** Whoever listens, if anybody does; silence, until the caller or its system gives up; or a failure. */
  readonly outcome: "listener" | "silence" | WsaError.Code
  /** How long after its beginning it is over, and not before a round trip where somebody has to answer. Default: after one. */
  readonly after?: Duration.Input | undefined
  /** Told when it is over what became of it: `undefined` where the caller gave it up. */
  readonly ended?: ((how: "established" | WsaError.Code | "WsaUnmapped" | undefined) => void) | undefined
}

/**
 * A network, and what a test may do to it.
 *
 * **Details**
 *
 * All but `run` are plain functions that take effect at once; what follows from it comes to the sockets as it would from a
 * network. In an address, port 0 stands for all ports of its host. A host that is not there is a defect of the test:
 * these functions throw.
 *
 * @category models
 * @since 0.1.0
 */
export interface Network {
  /** Starts Winsock on a host. Each build of the layer is a start-up of its own. */
  readonly layer: (
    host: string,
    options?: { readonly version?: number | undefined }
  ) => Layer.Layer<Winsock.Winsock, WsaError.WSAStartupError>
  /** Winsock on a host, the look-up of names, and TLS: what a connector needs, as `NodeConnector.layer` has it live. */
  readonly layerConnector: (
    host: string,
    options?: { readonly version?: number | undefined }
  ) => Layer.Layer<Winsock.Winsock | Dns.Dns | AddressResolver.AddressResolver | Tls.Tls, WsaError.WSAStartupError>
  /** What moves the bytes of a host. */
  readonly provider: (host: string) => Provider.Provider
  /** The first address of a host in a family, IPv4 where none is named, with a port. */
  readonly address: (host: string, port: number, family?: "IPv4" | "IPv6") => SocketAddress.SocketAddress
  /**
   * Runs a program on a host until the scope ends: on a Winsock of its own, ended when the host is, and begun anew when
   * it is restarted. It begins once the network of the host is up. What it fails with is told at the end of the run.
   */
  readonly run: <A, E, R>(
    host: string,
    program: Effect.Effect<A, E, R>
  ) => Effect.Effect<void, never, Scope.Scope | Exclude<R, Winsock.Winsock | Scope.Scope>>
  /** The addresses that a name stands for, a host's or localhost, with port 0; none where nobody has it; or the code that asking fails with. */
  readonly lookup: (name: string) => ReadonlyArray<SocketAddress.SocketAddress> | WsaError.Code
  /** Gives a name the addresses. */
  readonly setName: (name: string, addresses: ReadonlyArray<string>) => void
  /**
   * The next look-ups of the name by programs find these, one after the other and each family by itself: addresses, or
   * what asking fails with. After them the name stands for what it stood for.
   */
  readonly answerName: (name: string, answers: ReadonlyArray<ReadonlyArray<string> | WsaError.Code>) => void
  /**
   * Asking for the name, in one family or in both, fails with the code; with WSAETIMEDOUT after the time-out of the
   * resolver. Answers what takes it back.
   */
  readonly failName: (name: string, code: WsaError.Code, family?: "IPv4" | "IPv6") => () => void
  /** Asking for the name, in one family or in both, takes so long. Answers what takes it back. */
  readonly slowName: (name: string, after: Duration.Input, family?: "IPv4" | "IPv6") => () => void
  /** Counts what exists, on one host or on all. */
  readonly counts: (host?: string) => Counts
  /** The network of a host fails: calls are WSAENETDOWN, and nothing comes or goes; or it works again (E02). */
  readonly setNetwork: (host: string, network: "up" | "down") => void
  /** What is sent one way between two hosts is lost, until it has been healed as often as it was cut. */
  readonly cut: (from: string, to: string) => void
  /** Takes back one `cut`. */
  readonly heal: (from: string, to: string) => void
  /** What is sent one way between two hosts waits, until it has been released as often as it was held. */
  readonly hold: (from: string, to: string) => void
  /** Takes back one `hold`: what waited goes on its way. */
  readonly release: (from: string, to: string) => void
  /** Changes what lies one way between two hosts, for what is sent from now on. Answers what takes it back. */
  readonly shape: (from: string, to: string, change: LinkOptions) => () => void
  /**
   * Changes how many bytes a second can be reserved on a host, or one way between two hosts. What no longer fits is lost,
   * the oldest keep theirs; it is reserved again once there is room. Both are told (FD_QOS). Answers what takes it back.
   */
  readonly setReservable: (at: string | readonly [from: string, to: string], bytes: number) => () => void
  /** What has been reserved from a host, or from any, and what of it was lost, in the order in which that happened. */
  readonly reservations: (host?: string) => ReadonlyArray<Reserved>
  /** A host loses its power: nobody is told. What its programs still do reaches nobody. */
  readonly crash: (host: string) => void
  /** The programs of a host end, and what they left open is closed in order. */
  readonly stop: (host: string) => void
  /** A host that crashed or was stopped begins again, with its programs. */
  readonly restart: (host: string) => void
  /** Whoever asks for the address is refused, as if nobody listened; datagrams to it meet a dead port. Answers what takes it back. */
  readonly refuse: (address: SocketAddress.Input) => () => void
  /** Whoever asks for the address gets no answer; datagrams to it vanish. Answers what takes it back. */
  readonly blackhole: (address: SocketAddress.Input) => () => void
  /**
   * Whoever asks for the address fails with the code; a datagram to it makes a later receive fail with it. Answers what
   * takes it back.
   */
  readonly unreachable: (address: SocketAddress.Input, code: WsaError.Code) => () => void
  /** Takes back all that `refuse`, `blackhole` and `unreachable` said of the address, of which the last word counts. */
  readonly reachable: (address: SocketAddress.Input) => void
  /** Whoever listens on the address answers so much later. Answers what takes it back. */
  readonly slowAccept: (address: SocketAddress.Input, delay: Duration.Input) => () => void
  /**
   * Decides for each attempt to connect to the address, when it begins, what it meets. Answers what takes it back. Goes
   * before `answer`.
   */
  readonly meet: (address: SocketAddress.Input, decide: (from: SocketAddress.SocketAddress) => Meeting) => () => void
  /**
   * The next attempts to the address fail with these codes, one each, after a round trip where somebody has the address.
   * A datagram to it, and making it the default peer, count as attempts, and fail at once.
   */
  readonly answer: (address: SocketAddress.Input, codes: ReadonlyArray<WsaError.Code>) => void
  /** All attempts that are pending to the address fail with the code. Answers how many. */
  readonly failAttempts: (address: SocketAddress.Input, code: WsaError.Code) => number
  /** All connections from and to the address, or the host of that name, break at both ends. Answers how many. */
  readonly reset: (at: SocketAddress.Input | { readonly host: string }, code?: WsaError.Code) => number
}

/**
 * The network that `layer` made.
 *
 * **When to use**
 *
 * Use in a test whose layer is `layer`, to do something to its network. Who has called `make` has the network already.
 *
 * **Example** (Letting the second attempt succeed)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.SimNetwork
 *   net.answer("127.0.0.1:80", ["WSAETIMEDOUT"])
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   const first = yield* Effect.flip(Winsock.connect(s, "127.0.0.1:80"))
 *   yield* Winsock.connect(s, "127.0.0.1:80")
 *   return [first._tag, net.counts().handles]
 * }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
 *
 * Effect.runSync(Sim.run(program).exit) // => ["WSAETIMEDOUT", 2]
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class SimNetwork extends Context.Service<SimNetwork, Network>()("@effect-winsock/testing/SimNetwork") {}

const micros = (duration: Duration.Input): number =>
  Math.round(Duration.toMillis(Duration.fromInputUnsafe(duration)) * 1000)

const linkOf = (options: LinkOptions, otherwise: LinkSettings): LinkSettings => {
  const link = {
    latency: options.latency === undefined ? otherwise.latency : micros(options.latency),
    jitter: options.jitter === undefined ? otherwise.jitter : micros(options.jitter),
    bandwidth: options.bandwidth ?? otherwise.bandwidth,
    loss: options.loss ?? otherwise.loss,
    duplicate: options.duplicate ?? otherwise.duplicate,
    reorder: options.reorder ?? otherwise.reorder,
    mtu: options.mtu ?? otherwise.mtu,
    queue: options.queue ?? otherwise.queue,
    reservable: reservableOf(options.reservable) ?? otherwise.reservable
  }
  for (const name of ["latency", "jitter"] as const) {
    if (!(link[name] >= 0 && link[name] < Infinity)) throw new Error(`a ${name} takes a time that ends`)
  }
  for (const name of ["loss", "duplicate", "reorder"] as const) {
    if (!(link[name] >= 0 && link[name] <= 1)) throw new Error(`${name} is from 0 to 1, not ${link[name]}`)
  }
  if (!(link.queue >= 0)) throw new Error(`a queue of ${link.queue} bytes is none`)
  if (!(link.bandwidth > 0)) throw new Error(`a bandwidth of ${link.bandwidth} lets nothing through`)
  if (!(link.mtu >= leastMtu)) throw new Error(`an mtu is at least ${leastMtu}, not ${link.mtu}`)
  return link
}

const reservableOf = (bytes: number | undefined): number | undefined => {
  if (bytes === undefined || bytes >= 0) return bytes
  throw new Error(`reservable is 0 bytes a second or more, not ${bytes}`)
}

/** Of IPv4 (RFC 791). */
const leastMtu = 68

const plain: LinkSettings = {
  latency: 1000,
  jitter: 0,
  bandwidth: Infinity,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  mtu: 1500,
  queue: 262_144,
  reservable: undefined
}

const addressOf = (ip: string): SocketAddress.SocketAddress =>
  SocketAddress.fromInputUnsafe(ip.includes(":") ? `[${ip}]:0` : `${ip}:0`)

const hostAddressOf = (name: string, ip: string): SocketAddress.SocketAddress => {
  const address = Result.getOrUndefined(SocketAddress.fromInput(ip.includes(":") ? `[${ip}]:0` : `${ip}:0`))
  if (address === undefined) {
    throw new Error(`${ip} of host ${name} is no address: write one without a port, such as 10.0.0.1 or fd00::1`)
  }
  const loopback = address._tag !== "UnixPathAddress" &&
    NetAddress.isLoopback(NetAddress.toCanonical(address).address)
  if (loopback || SocketAddress.isUnspecified(address) || SocketAddress.isBroadcast(address)) {
    throw new Error(`${ip} of host ${name} is no address of one host alone`)
  }
  return address
}

const portsOf = (name: string, [first, last]: readonly [number, number]): readonly [number, number] => {
  if (Number.isInteger(first) && Number.isInteger(last) && 1 <= first && first <= last && last <= 65_535) {
    return [first, last]
  }
  throw new Error(`the ephemeral ports of host ${name} are ${first} to ${last}, and are to be from 1 to 65535`)
}

const modelOf = (engine: Engine, options: Options): Model => {
  const profile = options.profile ?? linux
  const given = Object.entries(options.hosts ?? { host: {} })
  if (given.length === 0) throw new Error("a network has a host at least: hosts is empty")
  const link = linkOf(options.link ?? {}, plain)
  const links = new Map(
    (options.links ?? []).map((one) => [`${one.from}>${one.to}`, linkOf(one, link)] as const)
  )
  const taken = new Set(given.flatMap(([, host]) => host.addresses ?? []))
  let next = 1
  const free = (): ReadonlyArray<string> => {
    for (;; next++) {
      const [high, low] = [next >> 8, next & 255]
      // Neither a network nor its broadcast address is a host's.
      if (low === 0 || low === 255) continue
      const found = [`10.0.${high}.${low}`, `fd00::${next.toString(16)}`]
      if (found.some((address) => taken.has(address))) continue
      next++
      return found
    }
  }
  const all = [options.link, options.loopback, ...(options.links ?? []), ...given.map(([, host]) => host)]
  const model = new Model(engine, {
    profile,
    reserves: all.some((one) => one?.reservable !== undefined),
    link,
    loopback: linkOf(options.loopback ?? {}, { ...plain, latency: 0, mtu: 65_576 }),
    links,
    callerDataMax: options.callerDataMax ?? 0,
    calleeDataMax: options.calleeDataMax ?? 0,
    conditional: options.conditional ?? false,
    exclusiveBind: options.exclusiveBind ?? true,
    names: {
      latency: micros(options.dns?.latency ?? 0),
      jitter: micros(options.dns?.jitter ?? 0),
      timeout: micros(options.dns?.timeout ?? "10 seconds")
    },
    hosts: given.map(([name, host]) => ({
      name,
      addresses: (host.addresses ?? free()).map((ip) => hostAddressOf(name, ip)),
      names: host.names ?? [],
      maxSockets: host.maxSockets ?? Infinity,
      maxBuffers: host.maxBuffers ?? Infinity,
      ephemeralPorts: portsOf(name, host.ephemeralPorts ?? profile.ephemeralPorts),
      network: host.network ?? "up",
      reservable: reservableOf(host.reservable) ?? Infinity
    }))
  })
  for (const { from, to } of options.links ?? []) model.link(model.host(from), model.host(to))
  return model
}

/** Runs a program on a host, and again after each restart of it. */
const runOn = (
  model: Model,
  name: string,
  layer: () => Layer.Layer<Winsock.Winsock, WsaError.WSAStartupError>,
  failed: (line: string) => void
) =>
<A, E, R>(program: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Exclude<R, Winsock.Winsock | Scope.Scope>>()
    const host = model.host(name)
    let fiber: Fiber.Fiber<A, E | WsaError.WSAStartupError> | undefined
    const ended = (exit: Exit.Exit<A, E | WsaError.WSAStartupError>) => {
      if (exit._tag === "Failure" && !Cause.hasInterruptsOnly(exit.cause)) {
        failed(`${name}: ${Cause.pretty(exit.cause)}`)
      }
    }
    const one: Program = {
      start: () => {
        const scoped = Effect.scoped(Effect.provide(program, layer())) as Effect.Effect<
          A,
          E | WsaError.WSAStartupError,
          Exclude<R, Winsock.Winsock | Scope.Scope>
        >
        fiber = Effect.runForkWith(context)(scoped)
        fiber.addObserver(ended)
      },
      end: () => fiber?.interruptUnsafe()
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => host.install(one)),
      () =>
        Effect.suspend(() => {
          host.uninstall(one)
          return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
        })
    )
  })

const handsOn = (engine: Engine, model: Model, tls: SimTls.Options | undefined): Network => {
  const failures: Array<string> = []
  engine.check("programs that failed", () => failures)
  const place = (address: SocketAddress.Input) => placeOf(SocketAddress.fromInputUnsafe(address))
  const host = (name: string) => model.host(name)
  const mustReserve = () => {
    if (model.reservations !== undefined) return
    throw new Error("this network reserves nothing: say when it is made how much is reservable, on a link or a host")
  }
  const provider = (name: string): Provider.Provider => {
    const one = host(name)
    return {
      name: "sim",
      network: () => one.running ? one.network : "down",
      capabilities: (kind) => model.capabilities(kind),
      open: (kind, sink) => one.open(kind, sink)
    }
  }
  const layer: Network["layer"] = (name, options) => Winsock.layer(provider(name), { version: options?.version })
  const names = (name: string) =>
    Layer.provideMerge(AddressResolver.layer(), Layer.succeed(Dns.Dns, dnsOf(engine, model.names, host(name))))
  return {
    layer,
    layerConnector: (name, options) => Layer.mergeAll(layer(name, options), names(name), SimTls.layer(tls)),
    provider,
    address: (name, port, family = "IPv4") => {
      const found = host(name).addresses.find((address) => isV4(placeOf(address).host) === (family === "IPv4"))
      if (found === undefined) throw new Error(`${name} has no ${family} address`)
      return withPort(found, port)
    },
    run: (name, program) => runOn(model, name, () => layer(name), (line) => failures.push(line))(program),
    lookup: (name) => model.names.find(name) ?? [],
    setName: (name, addresses) => model.names.set(name, addresses.map(addressOf)),
    answerName: (name, answers) =>
      model.names.answer(name, answers.map((one) => typeof one === "string" ? one : one.map(addressOf))),
    failName: (name, code, family) => model.failName(name, code, family),
    slowName: (name, after, family) => model.slowName(name, micros(after), family),
    counts: (name) => model.counts(name === undefined ? undefined : host(name)),
    setNetwork: (name, network) => host(name).setNetwork(network),
    cut: (from, to) => model.cut(host(from), host(to), 1),
    heal: (from, to) => model.cut(host(from), host(to), -1),
    hold: (from, to) => model.hold(host(from), host(to), 1),
    release: (from, to) => model.hold(host(from), host(to), -1),
    shape: (from, to, change) => {
      if (change.reservable !== undefined) mustReserve()
      return model.link(host(from), host(to)).change((settings) => linkOf(change, settings))
    },
    setReservable: (at, bytes) => {
      mustReserve()
      const reservable = reservableOf(bytes)!
      return typeof at === "string"
        ? host(at).setReservable(reservable)
        : model.link(host(at[0]), host(at[1])).change((settings) => ({ ...settings, reservable }))
    },
    reservations: (name) =>
      (model.reservations?.list(name === undefined ? undefined : host(name)) ?? []).map((one) => ({
        host: one.holder.host.name,
        socket: one.holder.number,
        to: one.sending.to.name,
        group: one.group !== undefined,
        reserved: one.granted
      })),
    crash: (name) => host(name).crash(),
    stop: (name) => host(name).stop(),
    restart: (name) => host(name).restart(),
    refuse: (address) => model.tell(place(address), "refuse"),
    blackhole: (address) => model.tell(place(address), "blackhole"),
    unreachable: (address, code) => model.tell(place(address), code),
    reachable: (address) => model.untell(place(address)),
    slowAccept: (address, delay) => model.setSlowness(place(address), micros(delay)),
    meet: (address, decide) =>
      model.meet(place(address), (from) => {
        const { after, ended, outcome } = decide(from)
        return { outcome, ended, after: after === undefined ? undefined : micros(after) }
      }),
    answer: (address, codes) => model.answer(place(address), codes),
    failAttempts: (address, code) => model.failAttempts(place(address), code),
    reset: (at, code = "WSAECONNRESET") =>
      typeof at === "object" && "host" in at && typeof at.host === "string" && !("port" in at)
        ? model.breakStreams((end) => end.host === host(at.host as string), code)
        : model.breakAt(place(at as SocketAddress.Input), code)
  }
}

/**
 * Makes a network in the run that the program is in.
 *
 * **When to use**
 *
 * Use for more than one host. For a program that talks with itself `layer` is the shorter way.
 *
 * **Details**
 *
 * A host without addresses gets one of 10.0.0.0/24 and one of fd00::/64. All hosts reach each other where both have an
 * address of a family. Another address of these networks is nobody's: WSAEHOSTUNREACH after a while; to all others there is
 * no way: WSAENETUNREACH at once. Options that contradict each other are a defect.
 *
 * **Gotchas**
 *
 * A network belongs to the run that it was made in: to open a socket in it, or to run a program on it, in another run or
 * after its own has ended is a defect.
 *
 * **Example** (Being refused after one round trip)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Clock, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.make({ hosts: { client: {}, server: {} }, link: { latency: "20 millis" } })
 *   return yield* Effect.gen(function*() {
 *     const begin = yield* Clock.currentTimeMillis
 *     const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *     const error = yield* Effect.flip(Winsock.connect(s, net.address("server", 80)))
 *     return [error._tag, (yield* Clock.currentTimeMillis) - begin]
 *   }).pipe(Effect.scoped, Effect.provide(net.layer("client")))
 * })
 *
 * Effect.runSync(Sim.run(program).exit) // => ["WSAECONNREFUSED", 40]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Effect.Effect<Network, never, Sim> =>
  Effect.map(Sim, (engine) => handsOn(engine, modelOf(engine, options), options.tls))

/**
 * Starts Winsock on the first host of a network of its own, in the run that the program is in.
 *
 * **When to use**
 *
 * Use for a program that needs no other hosts, or that finds them through `SimNetwork`.
 *
 * **Example** (A time-out of two minutes in a moment)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Duration, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const { blackhole } = yield* SimNetwork.SimNetwork
 *   blackhole("192.0.2.7:80")
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   return (yield* Effect.flip(Winsock.connect(s, "192.0.2.7:80")))._tag
 * }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
 *
 * const report = Sim.run(program)
 * Effect.runSync(report.exit) // => "WSAETIMEDOUT"
 * Duration.toSeconds(report.elapsed) // => 131
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options & { readonly version?: number | undefined } = {}
): Layer.Layer<Winsock.Winsock | SimNetwork, WsaError.WSAStartupError, Sim> =>
  onFirst(options, (net, first) => net.layer(first, { version: options.version }))

const onFirst = <A>(
  options: Options,
  layer: (net: Network, first: string) => Layer.Layer<A, WsaError.WSAStartupError>
): Layer.Layer<A | SimNetwork, WsaError.WSAStartupError, Sim> =>
  Layer.unwrap(Effect.map(make(options), (net) => {
    const [first = "host"] = Object.keys(options.hosts ?? {})
    return Layer.merge(layer(net, first), Layer.succeed(SimNetwork, net))
  }))

/**
 * Starts Winsock on the first host of a network of its own, with the look-up of names and TLS: what a connector needs.
 *
 * **When to use**
 *
 * Use in the place of `NodeConnector.layer` of the package for Node: the program stays the same.
 *
 * **Details**
 *
 * Names are those of the hosts, what `names` adds to them, and what `setName` said of them. `failName` makes asking fail.
 * TLS is that of `SimTls`.
 *
 * **Example** (Connecting by name)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const connector = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.resolve())
 * const program = connector.connect("server.example:80").pipe(
 *   Effect.flip,
 *   Effect.scoped,
 *   Effect.provide(SimNetwork.layerConnector({ hosts: { client: {}, server: { names: ["server.example"] } } }))
 * )
 *
 * Sim.getOrThrow(Sim.run(program))._tag // => "WSAECONNREFUSED"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConnector = (
  options: Options & { readonly version?: number | undefined } = {}
): Layer.Layer<
  Winsock.Winsock | Dns.Dns | AddressResolver.AddressResolver | Tls.Tls | SimNetwork,
  WsaError.WSAStartupError,
  Sim
> => onFirst(options, (net, first) => net.layerConnector(first, { version: options.version }))
