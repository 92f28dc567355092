/**
 * A machine: its addresses, its ports, its sockets, and whether it has power.
 */
import * as Provider from "@effect-winsock/core/Provider"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import { type Address, isV4, placeOf, seenBy, withPort } from "../addresses.ts"
import { DatagramHandle } from "./datagramHandle.ts"
import { type Attempt, refuse, Request } from "./handshake.ts"
import { makeFlow } from "./link.ts"
import type { Network } from "./network.ts"
import { Ports, type Taken } from "./ports.ts"
import { StreamHandle } from "./streamHandle.ts"

export interface HostSettings {
  readonly name: string
  /** Without ports. */
  readonly addresses: ReadonlyArray<Address>
  readonly names: ReadonlyArray<string>
  readonly maxSockets: number
  readonly maxBuffers: number
  readonly ephemeralPorts: readonly [first: number, last: number]
  readonly network: "up" | "down"
  /** Bytes a second that can be reserved, each way. */
  readonly reservable: number
}

/** What runs on a host, and ends and begins with it. */
export interface Program {
  readonly start: () => void
  readonly end: () => void
}

export const loopbackV4 = SocketAddress.fromInputUnsafe("127.0.0.1:0")
export const loopbackV6 = SocketAddress.fromInputUnsafe("[::1]:0")
const wentDown = Provider.failure("WSAENETDOWN")

export class Host {
  readonly net: Network
  readonly name: string
  readonly addresses: ReadonlyArray<Address>
  /** The addresses as places. */
  readonly places: ReadonlyArray<string>
  private readonly programs = new Set<Program>()
  /** The programs that have begun and were not ended. */
  private readonly begun = new Set<Program>()
  readonly handles = new Set<StreamHandle | DatagramHandle>()
  ports: Ports<StreamHandle>
  datagramPorts: Ports<DatagramHandle>
  network: "up" | "down"
  /** Its programs may run. */
  running = true
  /** It has power: what it had still to send goes out, and what comes is answered. */
  private powered = true
  private readonly maxSockets: number
  private readonly maxBuffers: number
  private readonly broadcasts: ReadonlyArray<string>
  private nextHandle = 1
  /** What is reserved of what leaves, and of what arrives. */
  readonly leaving = { reserved: 0 }
  readonly arriving = { reserved: 0 }
  private reservables: ReadonlyArray<{ readonly bytes: number }>

  constructor(
    net: Network,
    { addresses, ephemeralPorts, maxBuffers, maxSockets, name, network, reservable }: HostSettings
  ) {
    this.net = net
    this.name = name
    this.addresses = addresses
    this.places = addresses.map((address) => placeOf(address).host)
    this.broadcasts = this.places.filter(isV4).map((host) => `${prefixOf(host)}.255`)
    this.network = network
    this.maxSockets = maxSockets
    this.maxBuffers = maxBuffers
    this.reservables = [{ bytes: reservable }]
    const now = () => net.engine.now()
    this.ports = new Ports(now, ephemeralPorts, net.exclusiveBind)
    this.datagramPorts = new Ports(now, ephemeralPorts, net.exclusiveBind)
  }

  /** Whether anything can be sent from here, or arrive here. */
  get reachable(): boolean {
    return this.powered && this.network === "up"
  }

  /** Bytes a second that can be reserved, each way: the last word counts. */
  get reservable(): number {
    return this.reservables.at(-1)!.bytes
  }

  /** Answers what takes it back. */
  setReservable(bytes: number): () => void {
    const one = { bytes }
    this.reservables = [...this.reservables, one]
    this.net.reservations?.reconsider()
    return () => {
      this.reservables = this.reservables.filter((other) => other !== one)
      this.net.reservations?.reconsider()
    }
  }

  open(kind: Provider.Kind, sink: Provider.Sink): Provider.Handle | Provider.Failure {
    this.net.refuseForeign()
    if (!this.running) return wentDown
    if (this.handles.size >= this.maxSockets) return Provider.failure("WSAEMFILE")
    const number = this.nextHandle++
    const handle = kind.type === "stream"
      ? new StreamHandle(this, kind, sink, number)
      : new DatagramHandle(this, kind, sink, number)
    this.handles.add(handle)
    return handle
  }

  /** Whether its sockets hold as many bytes as it has room for. */
  full(): boolean {
    if (this.maxBuffers === Infinity) return false
    let held = 0
    for (const handle of this.handles) held += handle.held
    return held >= this.maxBuffers
  }

  setNetwork(network: "up" | "down"): void {
    this.network = network
    this.net.engine.note({ kind: `network ${network}`, host: this.name })
    this.begin()
  }

  leave(handle: StreamHandle | DatagramHandle): void {
    this.handles.delete(handle)
  }

  /** Takes an address of this host for a socket. */
  reserve<H extends StreamHandle | DatagramHandle>(
    ports: Ports<H>,
    owner: H,
    local: Address,
    options: Provider.BindOptions,
    chosen: boolean
  ): Taken<H> | Provider.Failure {
    if (SocketAddress.familyOf(local) !== owner.kind.family) return Provider.failure("WSAEAFNOSUPPORT")
    if (!this.has(placeOf(local).host)) return Provider.failure("WSAEADDRNOTAVAIL")
    return ports.reserve(owner, owner.kind, local, options, chosen)
  }

  // -- addresses ------------------------------------------------------------------------------------------------------

  isLoopback(host: string): boolean {
    return host.startsWith("127.") || host === "::1"
  }

  /** Whether an address is of this host. */
  has(host: string): boolean {
    return host.startsWith("unix:") || this.isLoopback(host) || host === "0.0.0.0" || host === "::" ||
      this.places.includes(host)
  }

  isBroadcast(address: Address): boolean {
    return SocketAddress.isBroadcast(address) ||
      (address._tag === "InetAddressV4" && this.broadcasts.includes(placeOf(address).host))
  }

  /** The address from which a host is spoken to; the caller has made sure that there is a way. */
  source(to: Address, family: SocketAddress.Family, port: number): Address {
    const { host } = placeOf(to)
    const four = isV4(host)
    const own = this.addresses.filter((_, index) => isV4(this.places[index]!) === four)
    const found = this.isLoopback(host)
      ? undefined
      : own.find((address) => placeOf(address).host === host) ??
        own.find((address) => prefixOf(placeOf(address).host) === prefixOf(host)) ?? own[0]
    return seenBy(family, withPort(found ?? (four ? loopbackV4 : loopbackV6), port))
  }

  // -- what arrives ---------------------------------------------------------------------------------------------------

  /** A request for a connection. */
  called(attempt: Attempt): void {
    const { request } = attempt
    if (request !== undefined && !request.callee.over) return request.asked()
    const place = placeOf(attempt.plan.remote)
    const listener = this.net.told(place) === "refuse"
      ? undefined
      : this.ports.find("stream", place, ({ listening }) => listening ? 1 : 0)
    if (listener === undefined) return refuse(this, attempt)
    const { backlog } = this.net.profile
    if (listener.crowded && backlog !== "reset") {
      attempt.note("backlog full")
      return backlog === "refuse" || listener.kind.family === "Unix" ? refuse(this, attempt) : undefined
    }
    if (!attempt.reserves(this)) return refuse(this, attempt, "WSAEOPNOTSUPP")
    const made = new Request(listener, attempt)
    if (!attempt.over) attempt.handle.standing?.join("receiving", made.callee.flow)
    made.asked()
  }

  /** A datagram. `within`: it comes within the call that sent it, so nobody may be told of it yet. */
  posted(
    sender: DatagramHandle,
    bytes: Uint8Array,
    from: Address,
    to: Address,
    broadcast: boolean,
    within: boolean
  ): void {
    const place = placeOf(to)
    if (broadcast) {
      for (const [receiver, { host }] of this.datagramPorts.owners("datagram", place)) {
        if (isV4(host)) receiver.arrive(bytes, from, true)
      }
      return
    }
    const receiver = this.net.told(place) === "refuse" ? undefined : this.datagramPorts.find(
      "datagram",
      place,
      ({ kind, peer }) => peer === undefined ? 1 : SocketAddress.same(peer, seenBy(kind.family, from)) ? 4 : 0
    )
    if (receiver !== undefined) return receiver.arrive(bytes, from, within)
    this.net.noteAddresses("dead port", this, `d${sender.number}`, to, from)
    this.net.link(this, sender.host).pass(makeFlow(), { arrive: () => sender.deadPort(to), lost: () => {} })
  }

  // -- programs -------------------------------------------------------------------------------------------------------

  install(program: Program): void {
    this.net.refuseForeign()
    this.programs.add(program)
    this.begin()
  }

  uninstall(program: Program): void {
    this.programs.delete(program)
    this.begun.delete(program)
  }

  /** A program begins once there is a network, as a service does that waits for it: without one there is no Winsock. */
  private begin(): void {
    if (!this.running || this.network === "down") return
    for (const program of this.programs) {
      if (this.begun.has(program)) continue
      this.begun.add(program)
      program.start()
    }
  }

  private end(): void {
    const begun = [...this.begun]
    this.begun.clear()
    for (const program of begun) program.end()
  }

  // -- power ----------------------------------------------------------------------------------------------------------

  /** Power is lost: nobody is told, and what was on the way from here arrives all the same. */
  crash(): void {
    if (!this.powered) return
    this.running = this.powered = false
    this.net.engine.note({ kind: "power lost", host: this.name })
    for (const handle of this.handles) handle.crash()
    this.handles.clear()
    // Those of sockets that had been closed too.
    for (const end of this.net.connections) if (end.host === this) end.vanish()
    this.end()
  }

  /** Its programs end, and what they left open is closed in order. */
  stop(): void {
    if (!this.running) return
    this.net.engine.note({ kind: "stopped", host: this.name })
    this.end()
    for (const handle of this.handles) handle.stop(wentDown)
    this.running = false
    this.handles.clear()
  }

  restart(): void {
    if (this.running) return
    if (!this.powered) {
      this.ports.clear()
      this.datagramPorts.clear()
    }
    this.running = this.powered = true
    this.net.engine.note({ kind: "restarted", host: this.name })
    this.begin()
  }
}

/** What the addresses of one network have in common: the first three bytes, or the first four groups. */
export const prefixOf = (host: string): string =>
  isV4(host) ? host.slice(0, host.lastIndexOf(".")) : expand(host).slice(0, 4).join(":")

const expand = (host: string): ReadonlyArray<string> => {
  const [head = "", tail] = host.split("::")
  const left = head === "" ? [] : head.split(":")
  if (tail === undefined) return left
  const right = tail === "" ? [] : tail.split(":")
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => "0"), ...right]
}
