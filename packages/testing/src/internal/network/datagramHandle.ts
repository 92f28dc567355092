/**
 * Datagrams of a simulated host, as core asks for them.
 */
import * as Provider from "@effect-winsock/core/Provider"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import { type Address, placeOf, portOf, seenBy } from "../addresses.ts"
import { wildcard } from "../seats.ts"
import type { Host } from "./host.ts"
import { type Flow, makeFlow } from "./link.ts"
import type { Taken } from "./ports.ts"
import { cannot, pairFlow, Standing } from "./standing.ts"

const notSocket = Provider.failure("WSAENOTSOCK")
const notSupported = Provider.failure("WSAEOPNOTSUPP")
const deadPort = Provider.failure("WSAECONNRESET")
const anyPort: Provider.BindOptions = { reuse: false, v6Only: true }

export class DatagramHandle implements Provider.Handle {
  readonly host: Host
  readonly kind: Provider.Kind
  readonly number: number
  readonly flow: Flow = makeFlow()
  readonly listening = false
  readonly attempt = undefined
  private readonly sink: Provider.Sink
  seat: Taken<DatagramHandle> | undefined
  peer: Address | undefined
  private address: Address | undefined
  private credit = 0
  private messages: Array<readonly [bytes: Uint8Array, from: Address]> = []
  private size = 0
  private readonly reports: Array<Provider.Failure> = []
  private broadcast = false
  private scheduled = false
  private closing = false
  private dead = false
  /** What its QOS has come to, where there is one. */
  private standing: Standing | undefined

  constructor(host: Host, kind: Provider.Kind, sink: Provider.Sink, number: number) {
    this.host = host
    this.kind = kind
    this.sink = sink
    this.number = number
  }

  /** How many bytes it makes its host hold. */
  get held(): number {
    return this.size
  }

  private get deaf(): boolean {
    return this.closing || this.dead
  }

  private get engine() {
    return this.host.net.engine
  }

  describe(): string {
    const to = this.peer === undefined ? "" : ` to ${SocketAddress.format(this.peer)}`
    const from = this.address === undefined ? "" : ` bound to ${SocketAddress.format(this.address)}`
    return `socket ${this.number} of ${this.host.name}, ${this.kind.family} datagram${from}${to}`
  }

  local(): Address | undefined {
    return this.address
  }

  setOption(option: Provider.ProviderOption, value: boolean): Provider.Failure | undefined {
    if (this.deaf) return notSocket
    if (!this.host.net.capabilities(this.kind).options.has(option)) return Provider.failure("WSAENOPROTOOPT")
    if (option === "SO_BROADCAST") this.broadcast = value
    return undefined
  }

  bind(local: Address, options: Provider.BindOptions): Address | Provider.Failure {
    return this.take(local, options, false)
  }

  private take(local: Address, options: Provider.BindOptions, chosen: boolean): Address | Provider.Failure {
    if (this.deaf) return notSocket
    if (this.seat !== undefined) return Provider.failure("WSAEINVAL")
    const seat = this.host.reserve(this.host.datagramPorts, this, local, options, chosen)
    if (Provider.isFailure(seat)) return seat
    this.seat = seat
    this.address = seat.address
    return seat.address
  }

  private takeAny(): Provider.Failure | undefined {
    if (this.seat !== undefined) return undefined
    const answer = this.take(SocketAddress.unspecified(this.kind.family), anyPort, true)
    return Provider.isFailure(answer) ? answer : undefined
  }

  /** What the receiver sees as the sender of a datagram. */
  private sourceFor(to: Address): Address | Provider.Failure {
    const seat = this.seat!
    if (wildcard(seat)) return this.host.source(to, this.kind.family, portOf(seat.address))
    const here = this.host.has(placeOf(to).host)
    return !here && this.host.isLoopback(seat.host) ? Provider.failure("WSAEADDRNOTAVAIL") : seat.address
  }

  private mayNot(to: Address): boolean {
    return !this.broadcast && this.host.isBroadcast(to)
  }

  // -- sending --------------------------------------------------------------------------------------------------------

  get closed(): boolean {
    return this.deaf
  }

  setQuality(quality: Provider.Quality | undefined): Provider.Failure | undefined {
    if (this.deaf) return undefined
    const from = this.peer === undefined || quality === undefined ? undefined : this.sourceFor(this.peer)
    return Provider.isFailure(from) ? from : this.qualify(quality, from, this.peer)
  }

  /** What is asked for from now on, or a failure, and what was before. */
  private qualify(
    quality: Provider.Quality | undefined,
    from: Address | undefined,
    to: Address | undefined
  ): Provider.Failure | undefined {
    const { host } = this
    const unable = cannot(quality, host.net.capabilities(this.kind))
    if (unable !== undefined) return unable
    if (quality === undefined || from === undefined || to === undefined) this.letGo()
    else {
      const standing = this.standing ?? new Standing(this, "datagram")
      const peer = host.isBroadcast(to) || host.net.told(placeOf(to)) !== undefined
        ? undefined
        : host.net.route(host, placeOf(to).host)
      const failure = standing.askBetween(quality, typeof peer === "string" ? undefined : peer, from, to)
      if (failure !== undefined) return failure
      this.standing = standing
    }
    this.flow.dscp = quality?.dscp ?? 0
    host.net.noteMark(this, quality)
    return undefined
  }

  reserved(): Provider.QosChange["reserved"] {
    return this.standing?.reserved
  }

  qosChanged(change: Provider.QosChange): void {
    if (!this.deaf) this.sink.qosChanged(change)
  }

  private letGo(): void {
    this.standing?.release()
    this.standing = undefined
  }

  setPeer(
    peer: Address | undefined,
    queue: "keep" | "discard",
    quality?: Provider.Quality | undefined
  ): Address | Provider.Failure {
    if (this.deaf) return notSocket
    let address = this.seat?.address ?? SocketAddress.unspecified(this.kind.family)
    if (peer !== undefined) {
      if (SocketAddress.familyOf(peer) !== this.kind.family) return Provider.failure("WSAEAFNOSUPPORT")
      if (this.mayNot(peer)) return Provider.failure("WSAEACCES")
      const place = placeOf(peer)
      const answer = this.host.net.nextAnswer(place)
      if (answer !== undefined) return Provider.failure(answer)
      const failure = this.unreachable(peer) ?? this.takeAny()
      if (failure !== undefined) return failure
      const from = this.sourceFor(peer)
      if (Provider.isFailure(from)) return from
      address = from
    }
    if (quality !== undefined || this.standing !== undefined) {
      const failure = this.qualify(quality, address, peer)
      if (failure !== undefined) return failure
    }
    this.peer = peer
    if (queue === "discard") {
      this.messages = []
      this.size = 0
    }
    if (this.seat !== undefined) this.address = address
    return address
  }

  private unreachable(to: Address): Provider.Failure | undefined {
    const { host } = this
    const place = placeOf(to)
    const known = host.isBroadcast(to) || host.net.told(place) !== undefined
    return !known && host.net.route(host, place.host) === "elsewhere" ? Provider.failure("WSAENETUNREACH") : undefined
  }

  sendTo(bytes: Uint8Array, to: Address | undefined): Provider.Failure | undefined {
    if (this.deaf) return notSocket
    const target = to ?? this.peer
    if (target === undefined) return Provider.failure("WSAENOTCONN")
    if (SocketAddress.familyOf(target) !== this.kind.family) return Provider.failure("WSAEAFNOSUPPORT")
    if (SocketAddress.isUnspecified(target)) return Provider.failure("WSAEADDRNOTAVAIL")
    if (this.mayNot(target)) return Provider.failure("WSAEACCES")
    if (bytes.length > this.host.net.capabilities(this.kind).maxMessage) return Provider.failure("WSAEMSGSIZE")
    return this.unreachable(target) ?? this.takeAny() ?? this.post(bytes, target)
  }

  private post(bytes: Uint8Array, to: Address): Provider.Failure | undefined {
    const { host } = this
    const { net } = host
    if (host.full()) return Provider.failure("WSAENOBUFS")
    const place = placeOf(to)
    const from = this.sourceFor(to)
    if (Provider.isFailure(from)) return from
    net.noteAddresses("datagram", host, `d${this.number}`, from, to, bytes.length)
    const answer = net.nextAnswer(place)
    if (answer !== undefined) return Provider.failure(answer)
    const told = net.told(place)
    const found = net.route(host, place.host)
    if (told === "blackhole") return this.dropped("black hole")
    if (told !== undefined && told !== "refuse") return this.later(() => this.report(Provider.failure(told)))
    // Nobody can have port 0: what is sent there is lost on the way.
    if (to._tag !== "UnixPathAddress" && to.port === 0) return this.dropped("port 0")
    const copy = new Uint8Array(bytes)
    if (host.isBroadcast(to)) {
      for (const other of net.hosts.values()) this.launch(other, copy, from, to, true)
      return undefined
    }
    if (typeof found === "string") return this.dropped("nobody there")
    this.launch(found, copy, from, to, false)
    return undefined
  }

  private dropped(why: string): undefined {
    this.engine.note({ kind: "dropped", host: this.host.name, conn: `d${this.number}`, why })
  }

  private later(task: () => void): undefined {
    this.engine.at(this.engine.now(), task)
  }

  private launch(target: Host, bytes: Uint8Array, from: Address, to: Address, broadcast: boolean): void {
    const link = this.host.net.link(this.host, target)
    if (this.flow.flying === 0 && link.instant) return target.posted(this, bytes, from, to, broadcast, true)
    const flow = pairFlow(link, from, to, bytes.length) ?? this.flow
    flow.dscp = this.flow.dscp
    const why = link.sendDatagram(bytes.length, flow, {
      arrive: () => target.posted(this, bytes, from, to, broadcast, false),
      lost: (why) => this.dropped(why)
    })
    if (why !== undefined) this.dropped(why)
  }

  /** The host that it went to says that nobody has the port. Only a socket with a peer can tell to whom it spoke. */
  deadPort(from: Address): void {
    const { icmp } = this.host.net.profile
    if (icmp === "all" || (this.peer !== undefined && SocketAddress.same(this.peer, from))) this.report(deadPort)
  }

  private report(failure: Provider.Failure): void {
    this.reports.push(failure)
    this.wake()
  }

  // -- receiving ------------------------------------------------------------------------------------------------------

  /** A datagram is here. It is told at once, as the last thing in an event, or waits for the next. */
  arrive(bytes: Uint8Array, from: Address, waits: boolean): void {
    if (this.deaf) return
    const seen = seenBy(this.kind.family, from)
    if (this.peer !== undefined && !SocketAddress.same(this.peer, seen)) return this.dropped("not the peer")
    this.engine.note({ kind: "datagram in", host: this.host.name, conn: `d${this.number}`, bytes: bytes.length })
    const first = this.messages.length === 0 && this.reports.length === 0
    if (!waits && first && this.credit > 0) return this.give(bytes, seen)
    // Its bookkeeping takes room too, as a kernel's does.
    if (this.size + bytes.length + 256 > this.host.net.profile.datagramBuffer) return this.dropped("buffer full")
    this.size += bytes.length + 256
    this.messages.push([bytes, seen])
    this.wake()
  }

  read(credit: number): void {
    if (this.deaf) return
    this.credit = credit
    this.wake()
  }

  private give(bytes: Uint8Array, from: Address): void {
    this.credit = 0
    const left = this.sink.datagram(bytes, from)
    if (left > this.credit) this.credit = left
  }

  private wake(): void {
    if (this.scheduled || this.deaf) return
    this.scheduled = true
    this.later(() => {
      this.scheduled = false
      if (!this.deaf) this.tell()
    })
  }

  private tell(): void {
    const report = this.reports.shift()
    if (report !== undefined) {
      this.wake()
      return this.sink.soft(report)
    }
    if (this.credit <= 0) return
    const message = this.messages.shift()
    if (message === undefined) return
    this.size -= message[0].length + 256
    this.wake()
    this.give(message[0], message[1])
  }

  // -- close ----------------------------------------------------------------------------------------------------------

  close(): void {
    if (this.closing) return
    this.closing = true
    this.letGo()
    this.messages = []
    this.host.leave(this)
    this.giveBack()
    this.later(() => this.sink.closed())
  }

  private giveBack(): void {
    if (this.seat !== undefined && !this.dead) this.host.datagramPorts.release(this.seat)
    this.seat = undefined
  }

  stop(failure: Provider.Failure): void {
    if (this.deaf) return
    const bound = this.seat !== undefined
    this.letGo()
    this.giveBack()
    this.dead = true
    if (bound) this.later(() => this.closing ? undefined : this.sink.broken(failure))
  }

  crash(): void {
    this.dead = true
    this.letGo()
    this.seat = undefined
  }

  // -- what only streams do -------------------------------------------------------------------------------------------

  connect(): Provider.Failure {
    return this.deaf ? notSocket : notSupported
  }

  abort(): undefined {
    return undefined
  }

  listen(): Provider.Failure {
    return this.deaf ? notSocket : notSupported
  }

  write(): Provider.Failure {
    return this.deaf ? notSocket : notSupported
  }

  shutdownSend(): Provider.Failure | undefined {
    return this.deaf ? notSocket : undefined
  }
}
