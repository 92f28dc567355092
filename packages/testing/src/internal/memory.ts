/**
 * The world of the in-memory provider: who has which address, who waits for whom, and which bytes are on the way.
 *
 * Nothing happens inside a call but what the call itself answers. All else is an event of a handle, one per microtask.
 */
import * as Provider from "@effect-winsock/core/Provider"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import type * as WsaError from "@effect-winsock/core/WsaError"
import * as NetAddress from "effect/net/NetAddress"
import {
  type Address,
  isAt,
  isV4,
  lookUp,
  type Place,
  placeKey,
  placeOf,
  portOf,
  seenBy,
  withPort
} from "./addresses.ts"
import { fit, overlap, type Seat, tableOf, wildcard } from "./seats.ts"

// Every platform has it; the types of none are loaded here.
declare const queueMicrotask: (event: () => void) => void

// ---------------------------------------------------------------------------------------------------------------------
// The world
// ---------------------------------------------------------------------------------------------------------------------

const pieceBytes = 16 * 1024
const inboxMessages = 256

const noBytes = new Uint8Array(0)
const reset = Provider.failure("WSAECONNRESET")
const notSocket = Provider.failure("WSAENOTSOCK")
const notSupported = Provider.failure("WSAEOPNOTSUPP")

/** One end of a connection. */
class End {
  peer!: End
  handle: MemoryHandle | undefined
  /** What has arrived here. */
  inbox: Array<Uint8Array> = []
  size = 0
  /** What the stack still refers to of a write here. */
  lent: Uint8Array | undefined
  /** The sending direction has been ended here. */
  shut = false
  /** The handle of this end has been closed. */
  gone = false
  failure: Provider.Failure | undefined
  readonly local: Address
  constructor(local: Address) {
    this.local = local
  }
}

interface Attempt {
  readonly plan: Provider.ConnectPlan
  readonly callerData: Uint8Array
  over: boolean
  request: Request | undefined
}

/** Caller and listener meet here. */
class Request {
  state: "waiting" | "accepted" | "rejected" | "withdrawn" = "waiting"
  calleeData: Uint8Array = noBytes
  readonly world: World
  readonly listener: MemoryHandle
  readonly handle: MemoryHandle
  readonly attempt: Attempt
  readonly caller: End
  readonly callee: End

  constructor(world: World, listener: MemoryHandle, handle: MemoryHandle, attempt: Attempt) {
    this.world = world
    this.listener = listener
    this.handle = handle
    this.attempt = attempt
    this.caller = new End(handle.local() ?? SocketAddress.unspecified(handle.kind.family))
    this.callee = new End(seenBy(listener.kind.family, attempt.plan.remote))
    this.caller.peer = this.callee
    this.callee.peer = this.caller
  }

  /** The caller is told, unless it has gone. */
  complete(): void {
    if (this.attempt.over || this.state === "withdrawn") return
    if (this.state === "rejected") return this.handle.refuse(this.attempt, "WSAECONNREFUSED")
    this.world.streams.add(this.caller)
    this.world.settle(this.caller)
    this.handle.establish(this.attempt, this.caller, this.calleeData)
  }

  accept(sink: Provider.Sink, calleeData: Uint8Array | undefined): Provider.Handle | Provider.Failure {
    if (this.callee.failure !== undefined) return this.callee.failure
    if (this.state !== "waiting") return Provider.failure("WSAEINVAL")
    const handle = this.world.open(this.listener.kind, sink)
    if (Provider.isFailure(handle)) return handle
    this.state = "accepted"
    this.listener.offered.delete(this)
    handle.attach(this.callee)
    if (this.world.conditional) {
      if (calleeData !== undefined && calleeData.length > 0) {
        const max = Math.min(this.attempt.plan.calleeCapacity, this.world.calleeDataMax)
        this.calleeData = new Uint8Array(calleeData.subarray(0, max))
      }
      queueMicrotask(() => this.complete())
    }
    return handle
  }

  reject(): void {
    if (this.state !== "waiting") return
    this.state = "rejected"
    this.listener.offered.delete(this)
    this.callee.gone = true
    if (!this.attempt.over) {
      if (this.world.conditional) queueMicrotask(() => this.complete())
    } else {
      this.world.breakEnd(this.caller, reset)
    }
  }

  /** The attempt has ended before it was answered. */
  withdraw(): void {
    if (this.state === "rejected") return
    this.state = "withdrawn"
    this.listener.offered.delete(this)
    this.world.breakEnd(this.callee, reset)
  }

  /** Whoever ended in order, and had nothing to say, has gone too. */
  withdrawn(): boolean {
    const { callee, caller, state } = this
    return callee.failure !== undefined ||
      (state === "waiting" && caller.gone && callee.size === 0 && caller.lent === undefined)
  }
}

/** What a world is made of, defaults included. */
export interface Settings {
  readonly callerDataMax: number
  readonly calleeDataMax: number
  readonly conditional: boolean
  readonly ephemeralPorts: readonly [first: number, last: number]
  readonly maxSockets: number
  readonly localAddresses: ReadonlyArray<Address>
  readonly window: number
  readonly network: "up" | "down"
}

export class World {
  network: "up" | "down"
  readonly conditional: boolean
  readonly calleeDataMax: number
  readonly window: number
  readonly capabilities: Readonly<
    Record<Provider.Kind["type"], Readonly<Record<SocketAddress.Family, Provider.Capabilities>>>
  >
  readonly shapes = new Map<string, WsaError.Code | "blackhole">()
  readonly answers = new Map<string, Array<WsaError.Code>>()
  readonly stalled = new Set<string>()
  readonly handles = new Set<MemoryHandle>()
  /** The end of the caller stands for the connection. */
  readonly streams = new Set<End>()
  private readonly seats = new Map<string, Set<MemoryHandle>>()
  private readonly maxSockets: number
  private readonly ports: readonly [first: number, last: number]
  private readonly nextPort = new Map<string, number>()
  private nextName = 0
  private readonly locals: ReadonlyArray<Address>

  constructor(settings: Settings) {
    const { calleeDataMax, callerDataMax } = settings
    this.network = settings.network
    this.calleeDataMax = calleeDataMax
    this.conditional = settings.conditional || callerDataMax > 0 || calleeDataMax > 0
    this.window = settings.window
    this.maxSockets = settings.maxSockets
    this.ports = settings.ephemeralPorts
    this.locals = settings.localAddresses
    const stream = (options: ReadonlyArray<Provider.ProviderOption>): Provider.Capabilities => ({
      callerDataMax,
      calleeDataMax,
      maxMessage: 0,
      options: new Set(options),
      exclusiveBind: true,
      boundedBacklog: true,
      marking: false,
      pacing: false,
      priority: false,
      reservesQos: false
    })
    const datagram = (
      maxMessage: number,
      options: ReadonlyArray<Provider.ProviderOption>
    ): Provider.Capabilities => ({ ...stream(options), callerDataMax: 0, calleeDataMax: 0, maxMessage })
    const inet = stream(["SO_KEEPALIVE", "TCP_NODELAY"])
    this.capabilities = {
      stream: { IPv4: inet, IPv6: inet, Unix: stream(["SO_KEEPALIVE"]) },
      datagram: {
        IPv4: datagram(65507, ["SO_BROADCAST"]),
        IPv6: datagram(65527, ["SO_BROADCAST"]),
        Unix: datagram(65507, [])
      }
    }
  }

  open(kind: Provider.Kind, sink: Provider.Sink): MemoryHandle | Provider.Failure {
    if (this.handles.size >= this.maxSockets) return Provider.failure("WSAEMFILE")
    const handle = new MemoryHandle(this, kind, sink)
    this.handles.add(handle)
    return handle
  }

  counts(): {
    readonly handles: number
    readonly listeners: number
    readonly streams: number
    readonly attempts: number
  } {
    let listeners = 0
    let attempts = 0
    for (const handle of this.handles) {
      if (handle.listening) listeners++
      if (handle.attempt !== undefined) attempts++
    }
    return { handles: this.handles.size, listeners, streams: this.streams.size, attempts }
  }

  // -- shapes -------------------------------------------------------------------------------------------------------

  nextAnswer(place: Place): WsaError.Code | undefined {
    return lookUp(this.answers, place)?.shift() ?? this.answers.get(`${place.host} 0`)?.shift()
  }

  failAttempts(place: Place, code: WsaError.Code): number {
    let count = 0
    for (const handle of this.handles) {
      const attempt = handle.attempt
      if (attempt === undefined || !isAt(attempt.plan.remote, place)) continue
      count++
      attempt.request?.withdraw()
      queueMicrotask(() => handle.refuse(attempt, code))
    }
    return count
  }

  breakStreams(place: Place, code: WsaError.Code): number {
    const failure = Provider.failure(code)
    const found = [...this.streams].filter((end) => isAt(end.local, place) || isAt(end.peer.local, place))
    for (const end of found) {
      this.breakEnd(end, failure)
      this.breakEnd(end.peer, failure)
    }
    return found.length
  }

  stall(place: Place, stalled: boolean): void {
    if (stalled) this.stalled.add(placeKey(place))
    else this.stalled.delete(placeKey(place))
    for (const end of this.streams) {
      this.push(end)
      this.push(end.peer)
    }
  }

  private isStalled(end: End): boolean {
    if (this.stalled.size === 0) return false
    const place = placeOf(end.local)
    return this.stalled.has(placeKey(place)) || this.stalled.has(`${place.host} 0`)
  }

  // -- local addresses ----------------------------------------------------------------------------------------------

  isLocal(host: string): boolean {
    return host.startsWith("unix:") || host.startsWith("127.") || host === "::1" || host === "0.0.0.0" ||
      host === "::" || this.locals.some((address) => placeOf(address).host === host)
  }

  /** The address from which a host is spoken to. */
  source(to: Address, family: SocketAddress.Family, port: number): Address {
    const { host } = placeOf(to)
    const loopback = SocketAddress.fromInputUnsafe(isV4(host) ? "127.0.0.1:0" : "[::1]:0")
    const locals = host.startsWith("127.") || host === "::1"
      ? []
      : this.locals.filter((address) => isV4(placeOf(address).host) === isV4(host))
    const own = locals.find((address) => placeOf(address).host === host) ?? locals[0] ?? loopback
    return seenBy(family, withPort(own, port))
  }

  /** Takes an address for a handle; port 0 and the empty path choose one. */
  reserve(
    handle: MemoryHandle,
    asked: Address,
    options: Provider.BindOptions,
    chosen: boolean
  ): Seat | Provider.Failure {
    const { family, type } = handle.kind
    let address = asked
    if (asked._tag === "UnixPathAddress") {
      while (asked.path === "" && (address === asked || this.seats.has(tableOf(type, placeOf(address))))) {
        address = NetAddress.unixPathAddress(`\0${(this.nextName++).toString(16).padStart(5, "0")}`)
      }
    } else if (asked.port === 0) {
      const port = this.freePort(type)
      if (port === undefined) return Provider.failure("WSAENOBUFS")
      address = withPort(asked, port)
    }
    const place = placeOf(address)
    const table = tableOf(type, place)
    const dual = family === "IPv6" && !options.v6Only
    const seat: Seat = { table, host: place.host, address, dual, reuse: options.reuse, chosen }
    const taken = this.seated(table)
    for (const { seat: other } of taken) {
      if (other !== undefined && overlap(seat, other) && !(seat.reuse && other.reuse)) {
        return Provider.failure("WSAEADDRINUSE")
      }
    }
    if (taken.size === 0) this.seats.set(table, new Set([handle]))
    else (taken as Set<MemoryHandle>).add(handle)
    return seat
  }

  release(handle: MemoryHandle, { table }: Seat): void {
    const seats = this.seats.get(table)
    seats?.delete(handle)
    if (seats?.size === 0) this.seats.delete(table)
  }

  seated(table: string): ReadonlySet<MemoryHandle> {
    return this.seats.get(table) ?? nobody
  }

  /** In order, and round again, so that a port rests before it is given once more. */
  private freePort(type: string): number | undefined {
    const [first, last] = this.ports
    let port = this.nextPort.get(type) ?? first
    for (let tries = last - first; tries >= 0; tries--) {
      const found = port
      port = port >= last ? first : port + 1
      if (this.seats.has(`${type} ${found}`)) continue
      this.nextPort.set(type, port)
      return found
    }
    return undefined
  }

  /** Who is meant by an address: the first of those that fit it best. */
  private findSeated(
    type: Provider.Kind["type"],
    place: Place,
    rank: (handle: MemoryHandle) => number
  ): MemoryHandle | undefined {
    let best: MemoryHandle | undefined
    let bestFit = 0
    for (const handle of this.seated(tableOf(type, place))) {
      const fits = fit(handle.seat!, place.host)
      const total = fits === 0 ? 0 : fits * rank(handle)
      if (total > bestFit) [best, bestFit] = [handle, total]
    }
    return best
  }

  // -- streams ------------------------------------------------------------------------------------------------------

  /** Decides an attempt that has been issued. */
  resolve(handle: MemoryHandle, attempt: Attempt): void {
    if (attempt.over) return
    const { remote } = attempt.plan
    const place = placeOf(remote)
    const code = this.nextAnswer(place) ?? lookUp(this.shapes, place)
    if (code === "blackhole") return
    if (code !== undefined) return handle.refuse(attempt, code)
    if (!this.isLocal(place.host)) return handle.refuse(attempt, "WSAENETUNREACH")
    const listener = this.findSeated("stream", place, ({ listening }) => listening ? 1 : 0)
    if (listener === undefined) return handle.refuse(attempt, "WSAECONNREFUSED")
    const request = new Request(this, listener, handle, attempt)
    attempt.request = request
    listener.offered.add(request)
    if (!this.conditional) queueMicrotask(() => request.complete())
    listener.sink.incoming({
      local: request.callee.local,
      remote: seenBy(listener.kind.family, request.caller.local),
      callerData: attempt.callerData,
      sqos: this.conditional ? attempt.plan.sqos : undefined,
      gqos: this.conditional ? attempt.plan.gqos : undefined,
      accept: (sink, calleeData) => request.accept(sink, calleeData),
      reject: () => request.reject(),
      withdrawn: () => request.withdrawn()
    })
  }

  /** Moves what there is room for, and says so to the sender when it was the last. */
  push(end: End): void {
    const { lent, peer } = end
    if (lent === undefined || this.isStalled(peer)) return
    const room = this.window - peer.size
    if (room <= 0) return
    const part = lent.subarray(0, room)
    peer.inbox.push(new Uint8Array(part))
    peer.size += part.length
    end.lent = part.length === lent.length ? undefined : lent.subarray(part.length)
    peer.handle?.wake()
    if (end.lent === undefined) end.handle?.taken()
  }

  /** Tells an end that its connection is gone. The other one has gone itself, or is told too. */
  breakEnd(end: End, failure: Provider.Failure): void {
    end.lent = undefined
    end.peer.lent = undefined
    if (end.gone) {
      end.handle?.finish()
    } else if (end.failure === undefined) {
      end.failure = failure
      end.handle?.wake()
    }
    if (end.peer.gone) end.peer.handle?.finish()
    this.settle(end)
  }

  /** Forgets a connection that has no end left. */
  settle(end: End): void {
    const { peer } = end
    if (
      end.failure !== undefined || peer.failure !== undefined ||
      (end.gone && peer.gone && end.lent === undefined && peer.lent === undefined)
    ) {
      this.streams.delete(end)
      this.streams.delete(peer)
    }
  }

  // -- datagrams ----------------------------------------------------------------------------------------------------

  post(sender: MemoryHandle, bytes: Uint8Array, to: Address): Provider.Failure | undefined {
    const place = placeOf(to)
    const answer = this.nextAnswer(place)
    if (answer !== undefined) return Provider.failure(answer)
    const shape = lookUp(this.shapes, place)
    if (shape === "blackhole") return undefined
    if (shape !== undefined) return sender.report(Provider.failure(shape))
    const from = sender.sourceFor(to)
    const copy = new Uint8Array(bytes)
    if (place.host === "255.255.255.255") {
      for (const handle of this.seated(tableOf("datagram", place))) {
        if (isV4(handle.seat!.host)) handle.arrive(copy, from)
      }
      return undefined
    }
    if (!this.isLocal(place.host)) return Provider.failure("WSAENETUNREACH")
    if (to._tag !== "UnixPathAddress" && to.port === 0) return undefined
    const receiver = this.findSeated(
      "datagram",
      place,
      ({ kind, peer }) => peer === undefined ? 1 : SocketAddress.same(peer, seenBy(kind.family, from)) ? 4 : 0
    )
    if (receiver === undefined) return sender.report(reset)
    receiver.arrive(copy, from)
    return undefined
  }
}

const nobody: ReadonlySet<MemoryHandle> = new Set()

// ---------------------------------------------------------------------------------------------------------------------
// Handles
// ---------------------------------------------------------------------------------------------------------------------

class MemoryHandle implements Provider.Handle {
  seat: Seat | undefined
  attempt: Attempt | undefined
  listening = false
  /** Callers that have been neither accepted nor rejected. */
  readonly offered = new Set<Request>()
  peer: Address | undefined
  private remote: Address | undefined
  private address: Address | undefined
  private end: End | undefined
  private credit = 0
  private everRead = false
  /** A reset may be told: someone reads, or waits for a write. */
  private opened = false
  private drainedDue = false
  private told: "nothing" | "ended" | "broken" = "nothing"
  private messages: Array<readonly [bytes: Uint8Array, from: Address]> = []
  private readonly reports: Array<Provider.Failure> = []
  private broadcast = false
  private scheduled = false
  private closing = false
  private finished = false
  readonly world: World
  readonly kind: Provider.Kind
  readonly sink: Provider.Sink

  constructor(world: World, kind: Provider.Kind, sink: Provider.Sink) {
    this.world = world
    this.kind = kind
    this.sink = sink
  }

  local(): Address | undefined {
    return this.address
  }

  setOption(option: Provider.ProviderOption, value: boolean): Provider.Failure | undefined {
    if (this.closing) return notSocket
    if (!this.world.capabilities[this.kind.type][this.kind.family].options.has(option)) {
      return Provider.failure("WSAENOPROTOOPT")
    }
    if (option === "SO_BROADCAST") this.broadcast = value
    return undefined
  }

  bind(local: Address, options: Provider.BindOptions): Address | Provider.Failure {
    return this.take(local, options, false)
  }

  private take(local: Address, options: Provider.BindOptions, chosen: boolean): Address | Provider.Failure {
    if (this.closing) return notSocket
    if (this.address !== undefined) return Provider.failure("WSAEINVAL")
    if (SocketAddress.familyOf(local) !== this.kind.family) return Provider.failure("WSAEAFNOSUPPORT")
    if (!this.world.isLocal(placeOf(local).host)) return Provider.failure("WSAEADDRNOTAVAIL")
    const seat = this.world.reserve(this, local, options, chosen)
    if (Provider.isFailure(seat)) return seat
    this.seat = seat
    this.address = seat.address
    return seat.address
  }

  /** R01: what was never bound gets an address of the stack's choice. */
  private takeAny(): Provider.Failure | undefined {
    if (this.seat !== undefined) return undefined
    const answer = this.take(SocketAddress.unspecified(this.kind.family), anyPort, true)
    return Provider.isFailure(answer) ? answer : undefined
  }

  sourceFor(to: Address): Address {
    const seat = this.seat!
    return wildcard(seat) ? this.world.source(to, this.kind.family, portOf(seat.address)) : seat.address
  }

  // -- connect ------------------------------------------------------------------------------------------------------

  connect(plan: Provider.ConnectPlan): Provider.Failure | Provider.Pending {
    if (this.closing) return notSocket
    if (this.kind.type === "datagram") return notSupported
    if (this.attempt !== undefined) return Provider.failure("WSAEALREADY")
    if (this.end !== undefined) return Provider.failure("WSAEISCONN")
    if (this.listening) return Provider.failure("WSAEINVAL")
    if (SocketAddress.familyOf(plan.remote) !== this.kind.family) return Provider.failure("WSAEAFNOSUPPORT")
    if (SocketAddress.isUnspecified(plan.remote) || SocketAddress.portOf(plan.remote) === 0) {
      return Provider.failure("WSAEADDRNOTAVAIL")
    }
    // A Unix-domain socket that was not bound has no name, neither while it connects nor afterwards.
    if (this.kind.family !== "Unix" || this.seat !== undefined || plan.local !== undefined) {
      const failure = this.takeFor(plan)
      if (failure !== undefined) return failure
      const local = this.sourceFor(plan.remote)
      if (this.seat!.reuse && this.isPairTaken(local, plan.remote)) return Provider.failure("WSAEADDRINUSE")
      this.address = local
    }
    this.remote = plan.remote
    const attempt: Attempt = {
      plan,
      callerData: plan.callerData === undefined ? noBytes : new Uint8Array(plan.callerData),
      over: false,
      request: undefined
    }
    this.attempt = attempt
    queueMicrotask(() => {
      if (attempt.over) return
      queueMicrotask(() => this.world.resolve(this, attempt))
      this.sink.issued(plan.attempt)
    })
    return "pending"
  }

  private takeFor({ keepLocalPort, local }: Pick<Provider.ConnectPlan, "keepLocalPort" | "local">) {
    if (this.seat !== undefined || local === undefined) return this.takeAny()
    const any = keepLocalPort && local._tag !== "UnixPathAddress"
      ? withPort(SocketAddress.unspecified(this.kind.family), local.port)
      : local
    const answer = this.take(any, anyPort, keepLocalPort)
    return Provider.isFailure(answer) ? answer : undefined
  }

  /** T21: two sockets share an address, but no two connections are the same. */
  private isPairTaken(local: Address, remote: Address): boolean {
    for (const other of this.world.seated(this.seat!.table)) {
      if (
        other !== this && other.remote !== undefined && SocketAddress.same(other.remote, remote) &&
        SocketAddress.same(other.address!, local)
      ) return true
    }
    return false
  }

  private endAttempt(attempt: Attempt): void {
    attempt.over = true
    this.attempt = undefined
  }

  /** R26: the port stays. What had been bound is as it was bound. */
  private unconnect(attempt: Attempt): void {
    this.endAttempt(attempt)
    this.remote = undefined
    if (this.seat !== undefined && !this.seat.chosen) this.address = this.seat.address
  }

  refuse(attempt: Attempt, code: WsaError.Code): void {
    if (attempt.over) return
    this.unconnect(attempt)
    this.sink.connected(attempt.plan.attempt, Provider.failure(code))
  }

  establish(attempt: Attempt, end: End, calleeData: Uint8Array): void {
    this.endAttempt(attempt)
    this.attach(end)
    this.wake()
    this.sink.connected(
      attempt.plan.attempt,
      calleeData.length === 0 ? Provider.established : { _tag: "Established", calleeData }
    )
  }

  attach(end: End): void {
    this.end = end
    this.address = end.local
    end.handle = this
  }

  abort(number: number): Address | undefined {
    const attempt = this.attempt
    if (attempt === undefined || attempt.plan.attempt !== number) return undefined
    const local = this.address
    attempt.request?.withdraw()
    this.unconnect(attempt)
    return local
  }

  listen(plan: Provider.ListenPlan): Address | Provider.Failure {
    if (this.closing) return notSocket
    if (this.kind.type === "datagram") return notSupported
    if (this.end !== undefined) return Provider.failure("WSAEISCONN")
    if (this.attempt !== undefined) return Provider.failure("WSAEINVAL")
    if (this.listening) return this.address!
    const failure = this.takeFor(plan)
    if (failure !== undefined) return failure
    for (const other of this.world.seated(this.seat!.table)) {
      if (other !== this && other.listening && overlap(other.seat!, this.seat!)) {
        return Provider.failure("WSAEADDRINUSE")
      }
    }
    this.listening = true
    this.address = this.seat!.address
    return this.address
  }

  // -- bytes --------------------------------------------------------------------------------------------------------

  read(credit: number): void {
    if (this.closing) return
    this.credit = credit
    this.everRead = this.opened = true
    this.wake()
  }

  write(bytes: Uint8Array): number | Provider.Failure {
    if (this.closing) return notSocket
    const end = this.end
    if (end === undefined) return Provider.failure("WSAENOTCONN")
    if (this.told === "broken") return end.failure!
    if (end.shut) return Provider.failure("WSAESHUTDOWN")
    if (end.lent !== undefined || this.drainedDue) return Provider.failure("WSAEWOULDBLOCK")
    if (bytes.length === 0) return 0
    // Nobody is there any more: the bytes vanish, and what comes back is a reset. What had arrived comes before it.
    if (end.failure !== undefined || end.peer.gone) {
      this.opened = true
      this.world.breakEnd(end, reset)
      this.wake()
      return 0
    }
    end.lent = bytes
    this.world.push(end)
    this.drainedDue = false
    if (end.lent === undefined) return 0
    this.opened = true
    return end.lent.length
  }

  shutdownSend(): Provider.Failure | undefined {
    if (this.closing) return notSocket
    if (this.end === undefined) return this.kind.type === "datagram" ? undefined : Provider.failure("WSAENOTCONN")
    if (this.told === "broken") return this.end.failure
    this.end.shut = true
    this.end.peer.handle?.wake()
    return undefined
  }

  /** The last byte of a write has left the hands of the caller. */
  taken(): void {
    this.drainedDue = true
    if (this.closing) this.finish()
    else this.wake()
  }

  // -- datagrams ----------------------------------------------------------------------------------------------------

  setPeer(peer: Address | undefined, queue: "keep" | "discard"): Address | Provider.Failure {
    if (this.closing) return notSocket
    if (this.kind.type === "stream") return notSupported
    if (peer !== undefined) {
      if (SocketAddress.familyOf(peer) !== this.kind.family) return Provider.failure("WSAEAFNOSUPPORT")
      if (SocketAddress.isBroadcast(peer) && !this.broadcast) return Provider.failure("WSAEACCES")
      const answer = this.world.nextAnswer(placeOf(peer))
      if (answer !== undefined) return Provider.failure(answer)
      const failure = this.takeAny()
      if (failure !== undefined) return failure
    }
    this.peer = peer
    if (queue === "discard") this.messages = []
    if (this.seat === undefined) return SocketAddress.unspecified(this.kind.family)
    this.address = peer === undefined ? this.seat.address : this.sourceFor(peer)
    return this.address
  }

  setQuality(quality: Provider.Quality | undefined): Provider.Failure | undefined {
    return this.closing || quality === undefined ? undefined : notSupported
  }

  reserved(): undefined {
    return undefined
  }

  sendTo(bytes: Uint8Array, to: Address | undefined): Provider.Failure | undefined {
    if (this.closing) return notSocket
    const { family, type } = this.kind
    if (type === "stream") return notSupported
    const target = to ?? this.peer
    if (target === undefined) return Provider.failure("WSAENOTCONN")
    if (SocketAddress.familyOf(target) !== family) return Provider.failure("WSAEAFNOSUPPORT")
    if (SocketAddress.isUnspecified(target)) return Provider.failure("WSAEADDRNOTAVAIL")
    if (SocketAddress.isBroadcast(target) && !this.broadcast) return Provider.failure("WSAEACCES")
    if (bytes.length > this.world.capabilities.datagram[family].maxMessage) return Provider.failure("WSAEMSGSIZE")
    return this.takeAny() ?? this.world.post(this, bytes, target)
  }

  arrive(bytes: Uint8Array, from: Address): void {
    const seen = seenBy(this.kind.family, from)
    if (this.peer !== undefined && !SocketAddress.same(this.peer, seen)) return
    if (this.messages.length >= inboxMessages) return
    this.messages.push([bytes, seen])
    this.wake()
  }

  report(failure: Provider.Failure): undefined {
    this.reports.push(failure)
    this.wake()
  }

  // -- close --------------------------------------------------------------------------------------------------------

  close(how: "graceful" | "reset"): void {
    if (this.finished) return
    this.closing = true
    if (this.attempt !== undefined) {
      this.attempt.request?.withdraw()
      this.endAttempt(this.attempt)
    }
    this.listening = false
    for (const request of this.offered) request.reject()
    const end = this.end
    if (end === undefined || end.failure !== undefined) return this.finish()
    end.shut = true
    end.gone = true
    end.inbox = []
    end.size = 0
    // What the peer still wants to send arrives nowhere.
    if (how === "reset" || end.peer.lent !== undefined) {
      end.lent = undefined
      this.world.breakEnd(end.peer, reset)
    }
    end.peer.handle?.wake()
    if (end.lent === undefined) this.finish()
  }

  finish(): void {
    if (this.finished) return
    this.finished = true
    this.messages = []
    this.world.handles.delete(this)
    if (this.seat !== undefined) this.world.release(this, this.seat)
    if (this.end !== undefined) this.world.settle(this.end)
    queueMicrotask(() => this.sink.closed())
  }

  // -- events -------------------------------------------------------------------------------------------------------

  wake(): void {
    if (this.scheduled || this.closing) return
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      if (this.closing) return
      if (this.kind.type === "datagram") this.tellDatagram()
      else if (this.end !== undefined) this.tellStream(this.end)
    })
  }

  /** One event; after each there may be another. */
  private tellStream(end: End): void {
    if (this.told === "broken") return
    if (this.drainedDue) {
      this.drainedDue = false
      this.wake()
      return this.sink.drained()
    }
    if (this.credit > 0 && end.inbox.length > 0) {
      const chunk = end.inbox[0]!
      const piece = chunk.subarray(0, Math.min(pieceBytes, this.credit))
      if (piece.length === chunk.length) end.inbox.shift()
      else end.inbox[0] = chunk.subarray(piece.length)
      end.size -= piece.length
      this.world.push(end.peer)
      this.wake()
      // A `read` from inside the call counts too.
      this.credit = 0
      const left = this.sink.data(piece)
      this.credit = Math.max(this.credit, left)
      return
    }
    if (end.failure !== undefined) {
      // Whoever has never read is not told before it does, or writes: what has arrived may still be wanted.
      if (!this.opened) return
      this.told = "broken"
      return this.sink.broken(end.failure)
    }
    const { peer } = end
    if (this.told === "nothing" && this.everRead && peer.shut && peer.lent === undefined && end.inbox.length === 0) {
      this.told = "ended"
      this.wake()
      this.sink.ended()
    }
  }

  private tellDatagram(): void {
    const report = this.reports.shift()
    if (report !== undefined) {
      this.wake()
      return this.sink.soft(report)
    }
    if (this.credit <= 0) return
    const message = this.messages.shift()
    if (message === undefined) return
    this.wake()
    this.credit = 0
    const left = this.sink.datagram(message[0], message[1])
    this.credit = Math.max(this.credit, left)
  }
}

const anyPort: Provider.BindOptions = { reuse: false, v6Only: true }
