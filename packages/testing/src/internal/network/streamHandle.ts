/**
 * Streams of a simulated host, as core asks for them.
 */
import * as Provider from "@effect-winsock/core/Provider"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import { type Address, placeOf, portOf, seenBy, withPort } from "../addresses.ts"
import { overlap, wildcard } from "../seats.ts"
import { Attempt, type Request } from "./handshake.ts"
import type { Host } from "./host.ts"
import type { Flow } from "./link.ts"
import type { Taken } from "./ports.ts"
import { cannot, Standing } from "./standing.ts"
import { type Ear, type End, noEar } from "./stream.ts"

const notSocket = Provider.failure("WSAENOTSOCK")
const notSupported = Provider.failure("WSAEOPNOTSUPP")
const hungUp = Provider.failure("WSAECONNABORTED")
const anyPort: Provider.BindOptions = { reuse: false, v6Only: true }

/** How much of what waits is given at once. */
const pieceBytes = 64 * 1024

/** What one receive of a system would give: how the bytes have come makes no difference, unless there is no room for all. */
const takeFrom = (inbox: Array<Uint8Array>, most: number): Uint8Array => {
  const first = inbox[0]!
  if (first.length > most) {
    inbox[0] = first.subarray(most)
    return first.subarray(0, most)
  }
  let count = 1
  let size = first.length
  while (count < inbox.length && size + inbox[count]!.length <= most) size += inbox[count++]!.length
  const taken = inbox.splice(0, count)
  if (count === 1) return first
  const joined = new Uint8Array(size)
  let offset = 0
  for (const piece of taken) {
    joined.set(piece, offset)
    offset += piece.length
  }
  return joined
}

export class StreamHandle implements Provider.Handle, Ear {
  readonly host: Host
  readonly kind: Provider.Kind
  readonly sink: Provider.Sink
  readonly number: number
  seat: Taken<StreamHandle> | undefined
  attempt: Attempt | undefined
  listening = false
  private backlog = 0
  /** Callers that have been neither accepted nor rejected. */
  readonly waiting = new Set<Request>()
  private address: Address | undefined
  remote: Address | undefined
  private peerEnd: End | undefined
  private credit = 0
  private everRead = false
  /** A reset may be told: someone reads, or waits for a write. */
  private opened = false
  private told: "nothing" | "ended" | "broken" = "nothing"
  private keepAlive = false
  private scheduled = false
  closing = false
  private finished = false
  /** Its host has lost its power, or was stopped. */
  private dead = false
  /** An attempt that ended with the programs of the host, of which they have not been told. */
  private doomed: Attempt | undefined
  /** What its QOS has come to, where there is one. */
  standing: Standing | undefined

  constructor(host: Host, kind: Provider.Kind, sink: Provider.Sink, number: number) {
    this.host = host
    this.kind = kind
    this.sink = sink
    this.number = number
  }

  /** How many bytes it makes its host hold. */
  get held(): number {
    return this.peerEnd?.held ?? 0
  }

  get deaf(): boolean {
    return this.closing || this.dead
  }

  /** Whether this is the end of its connection. */
  holds(end: End): boolean {
    return this.peerEnd === end && !this.dead
  }

  describe(): string {
    const what = this.listening ? "listens on" : this.peerEnd !== undefined ? "connected from" : "bound to"
    const to = this.remote === undefined ? "" : ` to ${SocketAddress.format(this.remote)}`
    const from = this.address === undefined ? "" : ` ${what} ${SocketAddress.format(this.address)}`
    return `socket ${this.number} of ${this.host.name}, ${this.kind.family} stream${from}${to}`
  }

  local(): Address | undefined {
    return this.address
  }

  setOption(option: Provider.ProviderOption, value: boolean): Provider.Failure | undefined {
    if (this.deaf) return notSocket
    if (!this.host.net.capabilities(this.kind).options.has(option)) return Provider.failure("WSAENOPROTOOPT")
    if (option === "SO_KEEPALIVE") {
      this.keepAlive = value
      this.peerEnd?.keepAlive(value)
    }
    return undefined
  }

  bind(local: Address, options: Provider.BindOptions): Address | Provider.Failure {
    return this.take(local, options, false)
  }

  private take(local: Address, options: Provider.BindOptions, chosen: boolean): Address | Provider.Failure {
    if (this.deaf) return notSocket
    if (this.seat !== undefined) return Provider.failure("WSAEINVAL")
    const seat = this.host.reserve(this.host.ports, this, local, options, chosen)
    if (Provider.isFailure(seat)) return seat
    this.seat = seat
    this.address = seat.address
    return seat.address
  }

  // -- connect ------------------------------------------------------------------------------------------------------

  connect(plan: Provider.ConnectPlan): Provider.Failure | Provider.Pending {
    if (this.deaf) return notSocket
    if (this.attempt !== undefined) return Provider.failure("WSAEALREADY")
    if (this.peerEnd !== undefined) return Provider.failure("WSAEISCONN")
    if (this.listening) return Provider.failure("WSAEINVAL")
    if (SocketAddress.familyOf(plan.remote) !== this.kind.family) return Provider.failure("WSAEAFNOSUPPORT")
    if (SocketAddress.isUnspecified(plan.remote) || SocketAddress.portOf(plan.remote) === 0) {
      return Provider.failure("WSAEADDRNOTAVAIL")
    }
    const unable = cannot(plan.quality, this.host.net.capabilities(this.kind))
    if (unable !== undefined) return unable
    if (this.host.full()) return Provider.failure("WSAENOBUFS")
    // A Unix-domain socket that was not bound has no name, neither while it connects nor afterwards.
    const named = this.kind.family !== "Unix" || this.seat !== undefined || plan.local !== undefined
    const local = named ? this.takeFor(plan) : SocketAddress.unspecified("Unix")
    if (Provider.isFailure(local)) return local
    if (named) this.address = local
    this.remote = plan.remote
    const attempt = new Attempt(this, plan, local)
    this.attempt = attempt
    const { engine } = this.host.net
    engine.at(engine.now(), () => {
      if (attempt.over) return
      engine.at(engine.now(), () => {
        if (!attempt.over) attempt.begin()
      })
      this.sink.issued(plan.attempt)
    })
    return "pending"
  }

  /** The local address of an attempt: what is bound, what an earlier one had, or what the host chooses (R01, R26). */
  private takeFor({ keepLocalPort, local, remote }: Provider.ConnectPlan): Address | Provider.Failure {
    const { host, kind } = this
    if (this.seat === undefined && local !== undefined) {
      const answer = this.takeAgain(local, keepLocalPort)
      // The port was never asked for: an attempt from another one is better than none.
      if (Provider.isFailure(answer) && !(keepLocalPort && answer.code === "WSAEADDRINUSE")) return answer
    }
    const seat = this.seat
    if (seat !== undefined) {
      const from = this.sourceFor(seat, remote)
      if (Provider.isFailure(from)) return from
      if (kind.family === "Unix" || host.ports.pair(seat, from, remote)) return from
      // T21: no two connections are the same.
      if (!seat.chosen) return Provider.failure("WSAEADDRINUSE")
      host.ports.release(seat)
      this.seat = undefined
    }
    const source = (port: number) => host.source(remote, kind.family, port)
    const lent = host.ports.lend(this, kind, source, remote)
    if (Provider.isFailure(lent)) return lent
    this.seat = lent
    const from = source(portOf(lent.address))
    host.ports.pair(lent, from, remote)
    return from
  }

  private takeAgain(local: Address, keepLocalPort: boolean): Address | Provider.Failure {
    const any = keepLocalPort && local._tag !== "UnixPathAddress"
      ? withPort(SocketAddress.unspecified(this.kind.family), local.port)
      : local
    return this.take(any, anyPort, keepLocalPort)
  }

  private sourceFor(seat: Taken<StreamHandle>, remote: Address): Address | Provider.Failure {
    if (wildcard(seat)) return this.host.source(remote, this.kind.family, portOf(seat.address))
    // T40: what is bound to loopback reaches nobody else.
    const here = this.host.has(placeOf(remote).host)
    return !here && this.host.isLoopback(seat.host) ? Provider.failure("WSAEADDRNOTAVAIL") : seat.address
  }

  /** R26: the port stays. What had been bound is as it was bound. */
  private unconnect(attempt: Attempt): void {
    attempt.conclude()
    this.letGo()
    this.attempt = undefined
    this.remote = undefined
    if (this.seat === undefined) return
    this.host.ports.unpair(this.seat)
    if (!this.seat.chosen) this.address = this.seat.address
  }

  refuse(attempt: Attempt, failure: Provider.Failure): void {
    if (attempt.over) return
    attempt.conclude(failure.code)
    this.unconnect(attempt)
    this.sink.connected(attempt.plan.attempt, failure)
  }

  establish(attempt: Attempt, calleeData: Uint8Array): void {
    this.attempt = undefined
    this.attach(attempt.end, attempt.plan.remote)
    this.wake()
    this.sink.connected(
      attempt.plan.attempt,
      calleeData.length === 0 ? Provider.established : { _tag: "Established", calleeData }
    )
  }

  attach(end: End, remote: Address | undefined): void {
    this.peerEnd = end
    this.remote = remote ?? seenBy(this.kind.family, end.peer.local)
    this.address = end.local
    end.handle = this
    if (this.keepAlive) end.keepAlive(true)
    if (this.standing !== undefined) end.settled = () => this.letGo()
  }

  abort(number: number): Address | undefined {
    if (this.doomed?.plan.attempt === number) this.doomed = undefined
    const attempt = this.attempt
    if (this.deaf || attempt === undefined || attempt.plan.attempt !== number) return undefined
    const local = this.address
    attempt.abandon()
    this.unconnect(attempt)
    return local
  }

  // -- listen -------------------------------------------------------------------------------------------------------

  listen(plan: Provider.ListenPlan): Address | Provider.Failure {
    if (this.deaf) return notSocket
    if (this.peerEnd !== undefined) return Provider.failure("WSAEISCONN")
    if (this.attempt !== undefined) return Provider.failure("WSAEINVAL")
    if (!this.listening) {
      if (this.seat === undefined) {
        const answer = this.takeAgain(plan.local, plan.keepLocalPort)
        if (Provider.isFailure(answer)) return answer
      }
      for (const [other, seat] of this.host.ports.owners("stream", placeOf(this.seat!.address))) {
        if (other !== this && other.listening && overlap(this.seat!, seat)) {
          return Provider.failure("WSAEADDRINUSE")
        }
      }
    }
    this.listening = true
    this.backlog = plan.backlog
    this.address = this.seat!.address
    return this.address
  }

  /** Whether no more callers may wait here. */
  get crowded(): boolean {
    return this.waiting.size >= this.backlog
  }

  // -- bytes --------------------------------------------------------------------------------------------------------

  read(credit: number): void {
    if (this.deaf) return
    this.credit = credit
    this.everRead = this.opened = true
    this.wake()
  }

  eager(): boolean {
    return this.credit > 0 && !this.deaf && this.told === "nothing"
  }

  arrived(bytes: Uint8Array): void {
    const end = this.peerEnd!
    const piece = bytes.length <= this.credit ? bytes : bytes.subarray(0, this.credit)
    if (piece !== bytes) {
      end.inbox.push(bytes.subarray(piece.length))
      end.size += bytes.length - piece.length
      this.wake()
    }
    this.give(piece)
  }

  /** A `read` from inside the call counts too. */
  private give(piece: Uint8Array): void {
    this.credit = 0
    const left = this.sink.data(piece)
    if (left > this.credit) this.credit = left
  }

  write(bytes: Uint8Array): number | Provider.Failure {
    if (this.deaf) return notSocket
    const end = this.peerEnd
    if (end === undefined) return Provider.failure("WSAENOTCONN")
    if (this.told === "broken") return end.failure!
    if (end.shut) return Provider.failure("WSAESHUTDOWN")
    if (end.lent !== undefined) return Provider.failure("WSAEWOULDBLOCK")
    if (bytes.length === 0) return 0
    // Nothing of a Unix-domain stream is ever on its way, so it is known at once that the peer has closed its end.
    if (this.kind.family === "Unix" && end.peer.gone && !end.over) {
      this.opened = true
      end.abort(hungUp)
      return hungUp
    }
    // Nobody is there any more: the bytes vanish, and what comes back is a reset. What had arrived comes before it.
    if (end.over) {
      this.opened = true
      this.wake()
      return 0
    }
    end.write(bytes)
    if (end.lent === undefined) return 0
    this.opened = true
    return (end.lent as Uint8Array).length
  }

  shutdownSend(): Provider.Failure | undefined {
    if (this.deaf) return notSocket
    const end = this.peerEnd
    if (end === undefined) return Provider.failure("WSAENOTCONN")
    if (this.told === "broken") return end.failure
    if (!end.shut) end.end()
    return undefined
  }

  taken(): void {
    if (this.dead) return
    if (!this.closing) return this.sink.drained()
    if (!this.finished) this.leaveEnd(this.peerEnd!)
  }

  setPeer(): Provider.Failure {
    return this.deaf ? notSocket : notSupported
  }

  // -- quality of service -------------------------------------------------------------------------------------------

  get closed(): boolean {
    return this.deaf
  }

  setQuality(quality: Provider.Quality | undefined): Provider.Failure | undefined {
    const { host, peerEnd: end } = this
    if (this.deaf) return undefined
    if (end === undefined || end.over) return quality === undefined ? undefined : Provider.failure("WSAENOTCONN")
    if (quality === undefined) this.letGo()
    else {
      const unable = cannot(quality, host.net.capabilities(this.kind))
      if (unable !== undefined) return unable
      const standing = this.standing ?? new Standing(this, "stream")
      const failure = standing.ask(quality, end.peer.host, end.flow, end.peer.flow)
      if (failure !== undefined) return failure
      this.standing = standing
      end.settled = () => this.letGo()
    }
    end.out.mark(end.flow, quality?.dscp ?? 0)
    host.net.noteMark(this, quality)
    return undefined
  }

  /** What an attempt asks for is reserved on the way to its peer, or nothing is. */
  reserves(quality: Provider.Quality, peer: Host, flow: Flow): boolean {
    if (this.standing !== undefined) return true
    const standing = new Standing(this, "stream")
    if (standing.ask(quality, peer, flow, undefined) !== undefined) return false
    this.standing = standing
    return true
  }

  reserved(): Provider.QosChange["reserved"] {
    return this.standing?.reserved
  }

  qosChanged(change: Provider.QosChange): void {
    if (!this.deaf && this.attempt === undefined) this.sink.qosChanged(change)
  }

  private letGo(): void {
    this.standing?.release()
    this.standing = undefined
  }

  sendTo(): Provider.Failure {
    return this.deaf ? notSocket : notSupported
  }

  // -- close --------------------------------------------------------------------------------------------------------

  close(how: "graceful" | "reset"): void {
    if (this.finished) return
    if (!this.closing) this.host.leave(this)
    this.closing = true
    this.letGo()
    if (this.dead) return this.finish()
    this.withdraw()
    const { peerEnd: end } = this
    if (end === undefined || end.over) return this.finish()
    this.closeEnd(end, how)
    if (end.lent === undefined) this.leaveEnd(end)
  }

  /** The host has all that was written: it goes on by itself. */
  private leaveEnd(end: End): void {
    // The end that is the last to go has nothing to wait for.
    if (end.finArrived && end.finSent) this.giveBack(end)
    else if (!end.over) end.handle = { ...noEar, finish: () => this.giveBack(end) }
    this.finish()
  }

  /** Gives up what has not become a connection. */
  private withdraw(): void {
    const { attempt } = this
    if (attempt !== undefined) {
      attempt.abandon()
      this.unconnect(attempt)
    }
    this.listening = false
    for (const request of this.waiting) request.reject()
  }

  private closeEnd(end: End, how: "graceful" | "reset"): void {
    const unread = end.size > 0
    end.leave()
    // A Unix-domain stream knows no reset but that of bytes that nobody has read.
    if (unread || (how === "reset" && this.kind.family !== "Unix")) return end.abort()
    if (how === "reset") end.drop()
    end.end()
  }

  finish(): void {
    if (this.finished || !this.closing) return
    this.finished = true
    const { peerEnd: end } = this
    if (end === undefined || end.over) this.giveBack(end)
    const { engine } = this.host.net
    engine.at(engine.now(), () => this.sink.closed())
  }

  private giveBack(end: End | undefined): void {
    const { seat } = this
    this.seat = undefined
    if (seat === undefined) return
    const rests = end !== undefined && end.closedFirst && end.failure === undefined
    if (rests) this.host.ports.rest(seat, this.host.net.profile.timeWait * 1000)
    else this.host.ports.release(seat)
  }

  /** The system of the host ends: what is open is closed in order, and the program, if it lives still, is told. */
  stop(failure: Provider.Failure): void {
    if (this.deaf) return
    const { attempt, peerEnd: end, sink } = this
    this.doomed = attempt
    const busy = attempt !== undefined || this.listening || (end !== undefined && this.told !== "broken")
    this.withdraw()
    this.letGo()
    this.dead = true
    if (end === undefined || end.over) this.giveBack(end)
    else {
      end.keepLent()
      end.handle = { ...noEar, finish: () => this.giveBack(end) }
      this.closeEnd(end, "graceful")
    }
    if (!busy) return
    const { engine } = this.host.net
    engine.at(engine.now(), () => {
      if (this.closing) return
      if (attempt === undefined) return sink.broken(failure)
      if (this.doomed !== attempt) return
      this.doomed = undefined
      sink.connected(attempt.plan.attempt, failure)
    })
  }

  /** The host has lost its power. */
  crash(): void {
    this.dead = true
    this.letGo()
    this.seat = undefined
    this.attempt?.conclude()
    this.attempt = undefined
    this.listening = false
    for (const request of this.waiting) request.vanish()
  }

  // -- events -------------------------------------------------------------------------------------------------------

  wake(): void {
    if (this.scheduled || this.deaf) return
    this.scheduled = true
    const { engine } = this.host.net
    engine.at(engine.now(), () => {
      this.scheduled = false
      if (!this.deaf && this.peerEnd !== undefined) this.tell(this.peerEnd)
    })
  }

  /** One event; after each there may be another. */
  private tell(end: End): void {
    if (this.told === "broken") return
    if (this.credit > 0 && end.inbox.length > 0) {
      const piece = takeFrom(end.inbox, Math.min(pieceBytes, this.credit))
      end.took(piece.length)
      this.wake()
      return this.give(piece)
    }
    if (end.failure !== undefined) {
      // Whoever has never read is not told before it does, or writes: what has arrived may still be wanted.
      if (!this.opened) return
      this.told = "broken"
      return this.sink.broken(end.failure)
    }
    if (this.told === "nothing" && this.everRead && end.finArrived && end.inbox.length === 0) {
      this.told = "ended"
      this.sink.ended()
    }
  }
}
