/**
 * The simulated network: who is where, what lies between, and what a test does to it.
 */
import * as Provider from "@effect-winsock/core/Provider"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import type * as WsaError from "@effect-winsock/core/WsaError"
import type { Engine } from "../../Sim.ts"
import type { Profile } from "../../SimNetwork.ts"
import { type Address, isAt, isV4, lookUp, type Place, placeKey } from "../addresses.ts"
import { whyForeign } from "../sim/guard.ts"
import type { Request } from "./handshake.ts"
import { Host, type HostSettings, loopbackV4, loopbackV6, prefixOf } from "./host.ts"
import { Link, type LinkSettings } from "./link.ts"
import { Names, type NameSettings } from "./names.ts"
import { Reservations } from "./reservations.ts"
import type { End } from "./stream.ts"
import { Words } from "./words.ts"

export interface Settings {
  readonly profile: Profile
  readonly hosts: ReadonlyArray<HostSettings>
  readonly link: LinkSettings
  readonly loopback: LinkSettings
  /** By `from>to`. */
  readonly links: ReadonlyMap<string, LinkSettings>
  readonly callerDataMax: number
  readonly calleeDataMax: number
  readonly conditional: boolean
  readonly exclusiveBind: boolean
  /** Whether anything can be reserved. */
  readonly reserves: boolean
  readonly names: NameSettings
}

/** What has been said of an address. */
export type Told = WsaError.Code | "blackhole" | "refuse"

/** What an attempt to connect meets. */
export interface Meeting {
  /** The listener, silence, or a failure. */
  readonly outcome: "listener" | "silence" | WsaError.Code
  /** When it is to be over, in microseconds after it began; not before a round trip where somebody has to answer. */
  readonly after?: number | undefined
  /** It is over, and this became of it: a code, or `undefined` where the caller gave it up. */
  readonly ended?: ((how: "established" | Provider.Failure["code"] | undefined) => void) | undefined
}

const nameIn = (name: string, family: string | undefined): string =>
  family === undefined ? `name ${name}` : `${family} of name ${name}`

const keysOf = (place: Place): readonly [string, string] => [placeKey(place), `${place.host} 0`]

export class Network {
  readonly engine: Engine
  readonly profile: Profile
  readonly hosts = new Map<string, Host>()
  readonly conditional: boolean
  readonly calleeDataMax: number
  readonly exclusiveBind: boolean
  /** Every end that was connected and has not come to its end. */
  readonly connections = new Set<End>()
  /** Callers that listeners have not answered. */
  readonly pending = new Set<Request>()
  /** What is reserved, where anything can be. */
  readonly reservations: Reservations | undefined
  private readonly promises: (() => void) | undefined
  private readonly settings: Settings
  private readonly links = new Map<string, Link>()
  private readonly owners = new Map<string, Host>()
  private readonly prefixes = new Set<string>()
  readonly names: Names
  private readonly shapes = new Words<Told>()
  private readonly answers = new Map<string, Array<WsaError.Code>>()
  private readonly meetings = new Words<(from: Address) => Meeting>()
  private readonly slow = new Words<number>()
  private connectionNumber = 0
  private readonly table: Readonly<
    Record<Provider.Kind["type"], Readonly<Record<SocketAddress.Family, Provider.Capabilities>>>
  >

  constructor(engine: Engine, settings: Settings) {
    const { calleeDataMax, callerDataMax, exclusiveBind, profile } = settings
    this.engine = engine
    this.settings = settings
    this.profile = profile
    this.calleeDataMax = calleeDataMax
    this.exclusiveBind = exclusiveBind
    this.conditional = settings.conditional || callerDataMax > 0 || calleeDataMax > 0
    const reservations = settings.reserves ? new Reservations(engine) : undefined
    this.reservations = reservations
    this.promises = reservations && (() => reservations.reconsider())
    const { marking } = profile
    const stream = (options: ReadonlyArray<Provider.ProviderOption>): Provider.Capabilities => ({
      callerDataMax,
      calleeDataMax,
      maxMessage: 0,
      options: new Set(options),
      exclusiveBind,
      boundedBacklog: profile.backlog !== "reset",
      marking: marking !== "none",
      pacing: false,
      priority: false,
      reservesQos: settings.reserves
    })
    // Nothing of a Unix-domain socket is ever on its way.
    const unix = { marking: false, reservesQos: false }
    const datagram = (maxMessage: number, options: ReadonlyArray<Provider.ProviderOption>): Provider.Capabilities => ({
      ...stream(options),
      callerDataMax: 0,
      calleeDataMax: 0,
      maxMessage,
      marking: marking === "all"
    })
    const inet = stream(["SO_KEEPALIVE", "TCP_NODELAY"])
    this.table = {
      stream: { IPv4: inet, IPv6: inet, Unix: { ...stream([]), ...unix } },
      datagram: {
        IPv4: datagram(65507, ["SO_BROADCAST"]),
        IPv6: datagram(65527, ["SO_BROADCAST"]),
        Unix: { ...datagram(65507, []), ...unix }
      }
    }
    this.names = new Names(engine, settings.names)
    this.names.set("localhost", [loopbackV4, loopbackV6])
    for (const one of settings.hosts) this.add(one)
    for (const host of this.hosts.values()) {
      engine.check(`open sockets of ${host.name}`, () => [...host.handles].map((handle) => handle.describe()))
    }
  }

  private add(settings: HostSettings): void {
    const host = new Host(this, settings)
    this.hosts.set(settings.name, host)
    this.names.set(settings.name, settings.addresses)
    host.places.forEach((place) => {
      const other = this.owners.get(place)
      if (other !== undefined) throw new Error(`${place} is the address of ${other.name} and of ${host.name}`)
      this.owners.set(place, host)
      this.prefixes.add(prefixOf(place))
    })
    for (const name of settings.names) this.names.add(name, settings.addresses)
  }

  /** Refuses whom no answer would reach, who would wait for ever. What was begun before may come to its end. */
  refuseForeign(): void {
    const run = whyForeign(this.engine)
    if (run === undefined) return
    throw new Error(`this network belongs to ${run}: make one in each run, with SimNetwork.make or SimNetwork.layer`)
  }

  capabilities(kind: Provider.Kind): Provider.Capabilities {
    return this.table[kind.type][kind.family]
  }

  host(name: string): Host {
    const host = this.hosts.get(name)
    if (host === undefined) throw new Error(`there is no host ${name}; there are ${[...this.hosts.keys()].join(", ")}`)
    return host
  }

  link(from: Host, to: Host): Link {
    const key = `${from.name}>${to.name}`
    let link = this.links.get(key)
    if (link === undefined) {
      const otherwise = from === to ? this.settings.loopback : this.settings.link
      link = new Link(this.engine, from, to, this.settings.links.get(key) ?? otherwise, this.promises)
      this.links.set(key, link)
    }
    return link
  }

  /** Who has an address: a host, nobody in a network that is there, or nobody that there is a way to. */
  route(from: Host, host: string): Host | "nobody" | "elsewhere" {
    if (from.has(host)) return from
    const four = isV4(host)
    if (!from.places.some((place) => isV4(place) === four)) return "elsewhere"
    return this.owners.get(host) ?? (this.prefixes.has(prefixOf(host)) ? "nobody" : "elsewhere")
  }

  roundTrip(from: Host, to: Host): number {
    return this.link(from, to).settings.latency + this.link(to, from).settings.latency
  }

  /** Whether two hosts can speak with each other now. */
  joined(one: Host, other: Host): boolean {
    return one.reachable && other.reachable && this.link(one, other).cuts === 0 && this.link(other, one).cuts === 0
  }

  nameConnection(): string {
    return `c${++this.connectionNumber}`
  }

  noteAddresses(kind: string, host: Host, conn: string, from: Address, to: Address, bytes?: number): void {
    const event = { kind, host: host.name, conn, from: SocketAddress.format(from), to: SocketAddress.format(to), bytes }
    this.engine.note(event)
  }

  noteMark(
    { host, number }: { readonly host: Host; readonly number: number },
    quality: Provider.Quality | undefined
  ): void {
    const dscp = quality?.dscp
    if (dscp !== undefined) this.engine.note({ kind: "marked", host: host.name, socket: number, dscp })
  }

  /** Forgets a connection that has no end left. */
  settle(end: End): void {
    this.connections.delete(end)
  }

  counts(host: Host | undefined) {
    let listeners = 0
    let attempts = 0
    let handles = 0
    for (const one of host === undefined ? this.hosts.values() : [host]) {
      handles += one.handles.size
      for (const handle of one.handles) {
        if (handle.listening) listeners++
        if (handle.attempt !== undefined) attempts++
      }
    }
    let streams = 0
    for (const end of this.connections) if (host === undefined || end.host === host) streams++
    return { handles, listeners, streams, attempts }
  }

  // -- what was said of addresses and names ----------------------------------------------------------------------------

  told(place: Place): Told | undefined {
    return this.shapes.last(...keysOf(place))
  }

  tell(place: Place, told: Told): () => void {
    const what = told === "blackhole" ? "black hole" : told
    return this.fault(what, placeKey(place), this.shapes.say(placeKey(place), told))
  }

  untell(place: Place): void {
    this.shapes.unsay(placeKey(place))
    this.engine.note({ kind: "reachable", at: placeKey(place) })
  }

  /** Notes that something is wrong from now on, and answers what notes that it is not, and makes it so. */
  private fault(what: string, at: string, heal: () => void): () => void {
    this.engine.note({ kind: "fault", what, at })
    return () => {
      this.engine.note({ kind: "fault over", what, at })
      heal()
    }
  }

  /** What an attempt from there to the place is to meet, if a test has a say in it. */
  meeting(place: Place, from: Address): Meeting | undefined {
    const decided = this.meetings.last(...keysOf(place))?.(from)
    if (decided !== undefined) return decided
    const code = this.nextAnswer(place)
    return code === undefined ? undefined : { outcome: code }
  }

  meet(place: Place, decide: (from: Address) => Meeting): () => void {
    return this.meetings.say(placeKey(place), decide)
  }

  nextAnswer(place: Place): WsaError.Code | undefined {
    if (this.answers.size === 0) return undefined
    return lookUp(this.answers, place)?.shift() ?? this.answers.get(`${place.host} 0`)?.shift()
  }

  answer(place: Place, codes: ReadonlyArray<WsaError.Code>): void {
    const key = placeKey(place)
    this.answers.set(key, [...this.answers.get(key) ?? [], ...codes])
  }

  slowness(place: Place): number {
    return this.slow.last(...keysOf(place)) ?? 0
  }

  setSlowness(place: Place, micros: number): () => void {
    return this.fault(`slow accept, ${micros / 1000} ms`, placeKey(place), this.slow.say(placeKey(place), micros))
  }

  failName(name: string, code: WsaError.Code, family: "IPv4" | "IPv6" | undefined): () => void {
    return this.fault(code, nameIn(name, family), this.names.fail(name, code, family))
  }

  slowName(name: string, micros: number, family: "IPv4" | "IPv6" | undefined): () => void {
    return this.fault(`slow name, ${micros / 1000} ms`, nameIn(name, family), this.names.delay(name, micros, family))
  }

  // -- what is done to connections and links ---------------------------------------------------------------------------

  failAttempts(place: Place, code: WsaError.Code): number {
    let count = 0
    for (const { handles } of this.hosts.values()) {
      for (const { attempt } of handles) {
        if (attempt === undefined || attempt.over || !isAt(attempt.plan.remote, place)) continue
        count++
        this.engine.at(this.engine.now(), () => attempt.refuse(code))
      }
    }
    return count
  }

  /** Both ends break at once. */
  breakStreams(which: (end: End) => boolean, code: WsaError.Code): number {
    const failure = Provider.failure(code)
    const found = new Set<string>()
    for (const end of this.connections) {
      if (found.has(end.conn) || !(which(end) || which(end.peer))) continue
      found.add(end.conn)
      end.note("broken", undefined, code)
      end.fail(failure)
      end.peer.fail(failure)
    }
    this.engine.note({ kind: "fault", what: code, connections: found.size })
    return found.size
  }

  breakAt(place: Place, code: WsaError.Code): number {
    return this.breakStreams(({ local }) => isAt(local, place), code)
  }

  cut(from: Host, to: Host, by: 1 | -1): void {
    const link = this.link(from, to)
    link.cuts = Math.max(0, link.cuts + by)
    this.engine.note({ kind: by > 0 ? "cut" : "healed", from: from.name, to: to.name })
  }

  hold(from: Host, to: Host, by: 1 | -1): void {
    const link = this.link(from, to)
    link.holds = Math.max(0, link.holds + by)
    this.engine.note({ kind: by > 0 ? "held" : "released", from: from.name, to: to.name })
    link.release()
  }
}
