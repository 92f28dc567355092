/**
 * One end of a connection: bytes that are on their way from it, and bytes that have arrived at it.
 *
 * As long as nothing is lost an end has no timer at all: the peer's words about what it has lie ready with their times,
 * and are looked at when somebody waits for room. Only what is known to be lost starts the retransmission timer.
 */
import * as Provider from "@effect-winsock/core/Provider"
import type { Timer } from "../../Sim.ts"
import type { Address } from "../addresses.ts"
import type { Host } from "./host.ts"
import { type Flow, type Link, makeFlow, type Packet } from "./link.ts"

export const noBytes = new Uint8Array(0)
export const wasReset = Provider.failure("WSAECONNRESET")
const timedOut = Provider.failure("WSAETIMEDOUT")
const nothing = () => {}

const blockBytes = 64 * 1024
let block = new ArrayBuffer(0)
let blockUsed = 0

/**
 * The one copy of bytes on their way. Small ones share a block, which lives as long as they are on their way: a buffer of
 * its own for each costs more than all else that is done to them here.
 */
const copyOf = (bytes: Uint8Array): Uint8Array => {
  if (bytes.length > blockBytes >> 3) return new Uint8Array(bytes)
  if (blockUsed + bytes.length > block.byteLength) {
    block = new ArrayBuffer(blockBytes)
    blockUsed = 0
  }
  const copy = new Uint8Array(block, blockUsed, bytes.length)
  copy.set(bytes)
  blockUsed += bytes.length
  return copy
}

/** What an end tells its handle. */
export interface Ear {
  /** Bytes are wanted, and would go to the sink at once. */
  readonly eager: () => boolean
  /** Bytes have arrived, and nothing waits before them: the last thing in an event. */
  readonly arrived: (bytes: Uint8Array) => void
  /** Something about the end has changed. */
  readonly wake: () => void
  /** The last byte of a write has left the hands of the caller: the last thing in an event. */
  readonly taken: () => void
  /** The end of a closed handle has come to its end. */
  readonly finish: () => void
}

/** Hears nothing. */
export const noEar: Ear = { eager: () => false, arrived: nothing, wake: nothing, taken: nothing, finish: nothing }

/** What the peer has said of what it got. */
interface Word {
  readonly at: number
  /** All before this has arrived. */
  readonly acked: number
  /** So far the peer has room. */
  readonly edge: number
}

/** A part of a stream on its way; without bytes it only asks what has arrived. */
class Segment implements Packet {
  readonly end: End
  readonly seq: number
  readonly bytes: Uint8Array
  readonly fin: boolean
  departed: number

  constructor(end: End, seq: number, bytes: Uint8Array, fin: boolean) {
    this.end = end
    this.seq = seq
    this.bytes = bytes
    this.fin = fin
    this.departed = end.engine.now()
  }

  get next(): number {
    return this.seq + this.bytes.length + (this.fin ? 1 : 0)
  }

  arrive(): void {
    this.end.peer.receive(this, false)
  }

  lost(why: string): void {
    this.end.lost(this, why)
  }
}

export class End {
  readonly conn: string
  readonly host: Host
  readonly local: Address
  peer!: End
  out!: Link
  handle: Ear | undefined
  readonly flow: Flow = makeFlow()
  /** A part that comes before the last word of the handshake ends the handshake too. */
  promote: (() => void) | undefined

  // What goes out. Positions count the bytes from the beginning of the stream, and its end as one.
  private queue: Array<Uint8Array> = []
  private queued = 0
  /** What is referred to of a write. */
  lent: Uint8Array | undefined
  private sent = 0
  private acked = 0
  /** When the oldest part left that the peer has not spoken of. */
  private since = 0
  private edge: number
  private readonly words: Array<Word> = []
  private wordTimer: Timer | undefined
  /** The last word of the peer was lost, or there will be none. */
  private unheard = false
  /** Known to be lost, in the order of the stream. */
  private missing: Array<Segment> = []
  private stall: { retries: number; due: number; timer: Timer } | undefined
  /** The sending direction has been ended here. */
  shut = false
  finSent = false

  // What has come in.
  inbox: Array<Uint8Array> = []
  size = 0
  private received = 0
  /** So far the peer has been told that there is room. */
  private told: number
  private early: Array<Segment> = []
  finArrived = false
  private lastHeard: number
  private keepAliveTimer: Timer | undefined
  private lastTimer: Timer | undefined

  /** The handle of this end has been closed. */
  gone = false
  failure: Provider.Failure | undefined
  /** Told when nothing comes of it any more. */
  settled: (() => void) | undefined
  /** Nothing comes of it any more: it has failed, or both directions have ended. */
  over = false
  /** This end was the first to end its direction, so the pair of addresses rests afterwards. */
  closedFirst = false

  constructor(conn: string, host: Host, local: Address) {
    this.conn = conn
    this.host = host
    this.local = local
    this.edge = this.told = host.net.profile.receiveWindow
    this.lastHeard = host.net.engine.now()
  }

  get engine() {
    return this.host.net.engine
  }

  note(kind: string, bytes?: number, why?: string): void {
    this.engine.note({ kind, host: this.host.name, conn: this.conn, bytes, why })
  }

  /** The connection is there. */
  open(): void {
    this.lastHeard = this.engine.now()
    this.host.net.connections.add(this)
  }

  // -- sending --------------------------------------------------------------------------------------------------------

  /** Takes what there is room for; the rest stays lent. */
  write(bytes: Uint8Array): void {
    this.settle()
    this.lent = bytes
    this.go()
  }

  /** Ends the sending direction once everything has gone. */
  end(): void {
    this.settle()
    this.shut = true
    this.go()
    if (this.gone && this.finAcked && !this.over) this.ended()
  }

  /** The handle of this end has been closed. */
  leave(): void {
    this.gone = true
    this.inbox = []
    this.size = 0
  }

  /** Drops what has not been sent. */
  drop(): void {
    this.queue = []
    this.queued = 0
    this.lent = undefined
  }

  /** Takes all of a write that is under way, whatever room there is. */
  keepLent(): void {
    const { lent } = this
    if (lent === undefined) return
    this.queue.push(new Uint8Array(lent))
    this.queued += lent.length
    this.lent = undefined
  }

  /** Everything that was written has arrived, and so has the end. */
  get finAcked(): boolean {
    return this.finSent && this.acked >= this.sent
  }

  /** How many bytes wait here, or may have to be sent again. */
  get held(): number {
    return this.over ? this.size : this.size + this.queued + this.sent - this.acked
  }

  private go(): void {
    this.take()
    this.pump()
    this.expect()
  }

  private take(): void {
    const { lent } = this
    if (lent === undefined) return
    const room = this.host.net.profile.sendBuffer - this.queued - (this.sent - this.acked)
    if (room <= 0) return
    const part = copyOf(room >= lent.length ? lent : lent.subarray(0, room))
    this.queue.push(part)
    this.queued += part.length
    this.lent = part.length === lent.length ? undefined : lent.subarray(part.length)
  }

  private pump(): void {
    if (this.over || this.missing.length > 0) return
    const most = this.out.segment
    for (let head = this.queue[0]; head !== undefined; head = this.queue[0]) {
      const size = Math.min(head.length, most, this.edge - this.sent)
      if (size <= 0) return
      const part = size === head.length ? head : head.subarray(0, size)
      if (size === head.length) this.queue.shift()
      else this.queue[0] = head.subarray(size)
      this.queued -= size
      const segment = new Segment(this, this.sent, part, false)
      this.sent += size
      this.transmit(segment)
    }
    if (this.shut && !this.finSent && this.lent === undefined && !this.over) {
      this.finSent = true
      this.closedFirst = !this.finArrived
      this.note("fin")
      this.transmit(new Segment(this, this.sent++, noBytes, true))
    }
  }

  private transmit(segment: Segment): void {
    segment.departed = this.engine.now()
    if (this.acked === segment.seq) this.since = segment.departed
    if (this.flow.flying === 0 && this.out.instant) this.peer.receive(segment, true)
    else this.out.send(segment.bytes.length, this.flow, segment)
  }

  /** Looks at what the peer has said by now. */
  private settle(): void {
    const { words } = this
    const now = this.engine.now()
    let heard = 0
    for (let word = words[0]; word !== undefined && word.at <= now; word = words[heard]) {
      heard++
      if (word.acked > this.acked) {
        this.acked = word.acked
        this.since = word.at
      }
      if (word.edge > this.edge) this.edge = word.edge
      this.lastHeard = word.at
    }
    if (heard === 0) return
    words.splice(0, heard)
    if (this.stall !== undefined) this.recover()
  }

  /** What was lost is there: the rest of it is sent again at once. */
  private recover(): void {
    const before = this.missing.length
    const missing = this.missing.filter((segment) => segment.next > this.acked)
    if (before > 0 && missing.length === before) return
    this.engine.cancel(this.stall!.timer)
    this.stall = undefined
    this.missing = []
    for (const segment of missing) this.transmit(segment)
  }

  /** Waits for the peer's next word, if anything here depends on it. */
  private expect(): void {
    if (this.over) return
    const waits = this.lent !== undefined || this.queued > 0 || (this.shut && !this.finAcked) ||
      this.stall !== undefined
    if (!waits) return
    const word = this.words[0]
    if (word === undefined) {
      if (this.unheard && this.stall === undefined) this.startRetrying(this.engine.now())
    } else if (this.wordTimer === undefined) {
      this.wordTimer = this.engine.at(word.at, () => {
        this.wordTimer = undefined
        this.heard()
      })
    }
  }

  private heard(): void {
    if (this.over) return
    const waited = this.lent !== undefined
    this.settle()
    this.go()
    if (this.finAcked) this.ended()
    if (waited && this.lent === undefined) this.handle?.taken()
  }

  // -- what is lost ---------------------------------------------------------------------------------------------------

  lost(segment: Segment, why: string): void {
    if (this.over || segment.next <= this.acked) return
    this.note("lost", segment.bytes.length, why)
    if (!this.missing.includes(segment)) {
      this.missing.push(segment)
      this.missing.sort((a, b) => a.seq - b.seq)
    }
    this.startRetrying(segment.departed)
  }

  private startRetrying(since: number): void {
    if (this.stall !== undefined) return
    const due = since + (this.host.net.profile.dataRetries[0] ?? 0) * 1000
    this.stall = { retries: 0, due, timer: this.engine.at(due, () => this.retry()) }
    this.expect()
  }

  private retry(): void {
    const stall = this.stall!
    const { dataRetries, orphanRetries } = this.host.net.profile
    stall.retries++
    if (stall.retries >= (this.gone ? Math.min(orphanRetries, dataRetries.length) : dataRetries.length)) {
      this.note("timed out")
      return this.fail(timedOut)
    }
    const segment = this.missing[0] ?? new Segment(this, this.sent, noBytes, false)
    this.note("retry", segment.bytes.length)
    stall.due += dataRetries[stall.retries]! * 1000
    stall.timer = this.engine.at(stall.due, () => this.retry())
    const asks: Packet = segment.next > segment.seq
      ? segment
      : { arrive: () => segment.arrive(), lost: nothing }
    segment.departed = this.engine.now()
    this.out.send(segment.bytes.length, this.flow, asks)
  }

  // -- receiving ------------------------------------------------------------------------------------------------------

  /** `within`: it comes within the call that sent it, so nobody may be told of it yet. */
  receive(segment: Segment, within: boolean): void {
    if (this.over) return this.failure === undefined && this.finArrived ? this.say() : this.sendReset()
    this.promote?.()
    this.lastHeard = this.engine.now()
    if (segment.next <= this.received || segment.next === segment.seq) return this.say()
    // The rest of the stream would be for nobody: the peer is told so.
    if (this.gone && segment.bytes.length > 0) return this.abort()
    if (segment.seq > this.received) {
      this.note("early", segment.bytes.length)
      this.early.push(segment)
      return this.say()
    }
    const direct = !within && this.early.length === 0 && this.inbox.length === 0 && segment.bytes.length > 0 &&
      this.handle !== undefined && this.handle.eager()
    if (segment.fin) this.note("end")
    else this.note("data", segment.bytes.length)
    if (!direct) this.admit(segment)
    else this.received = segment.next
    if (this.early.length > 0) this.admitEarly()
    this.say()
    if (direct) return this.handle!.arrived(segment.bytes)
    if (this.finArrived && this.finAcked) this.ended()
    this.handle?.wake()
  }

  private admit(segment: Segment): void {
    this.received = segment.next
    if (segment.fin) this.finArrived = true
    if (segment.bytes.length === 0) return
    this.inbox.push(segment.bytes)
    this.size += segment.bytes.length
  }

  private admitEarly(): void {
    this.early.sort((a, b) => a.seq - b.seq)
    for (let next = this.early[0]; next !== undefined && next.seq <= this.received; next = this.early[0]) {
      this.early.shift()
      if (next.next > this.received) this.admit(next)
    }
  }

  /** So many bytes of the inbox have been taken. */
  took(bytes: number): void {
    this.size -= bytes
    const { receiveWindow } = this.host.net.profile
    const grown = this.received + receiveWindow - this.size - this.told
    if (!this.over && grown >= Math.min(receiveWindow >> 1, this.out.segment)) this.say()
  }

  /** Tells the peer what is here. */
  private say(): void {
    const { flow, out, peer } = this
    if (out.holds > 0) return out.defer(() => this.say())
    const edge = this.received + this.host.net.profile.receiveWindow - this.size
    if (edge > this.told) this.told = edge
    const at = out.eta(flow)
    if (at < 0) return peer.missed()
    peer.words.push({ at, acked: this.received, edge: this.told })
    peer.unheard = false
    peer.expect()
  }

  /** A word of the peer was lost. */
  private missed(): void {
    if (this.over) return
    this.unheard = true
    if (this.sent > this.acked) this.startRetrying(this.since)
    else this.expect()
  }

  // -- the end --------------------------------------------------------------------------------------------------------

  /** What was sent from here has arrived, to the end. */
  private ended(): void {
    if (this.finArrived) this.stop()
    else if (this.gone && this.lastTimer === undefined) {
      // The end of the peer may never come, and nobody is left here to wait for it.
      const { timeWait } = this.host.net.profile
      this.lastTimer = this.engine.at(this.engine.now() + timeWait * 1000, () => this.stop())
    }
    if (this.gone) this.handle?.finish()
  }

  private stop(): void {
    this.over = true
    if (this.stall !== undefined) this.engine.cancel(this.stall.timer)
    if (this.wordTimer !== undefined) this.engine.cancel(this.wordTimer)
    if (this.keepAliveTimer !== undefined) this.engine.cancel(this.keepAliveTimer)
    if (this.lastTimer !== undefined) this.engine.cancel(this.lastTimer)
    this.stall =
      this.wordTimer =
      this.keepAliveTimer =
      this.lastTimer =
        undefined
    this.missing = []
    this.early = []
    this.drop()
    this.host.net.settle(this)
    this.settled?.()
  }

  /** The connection is gone for this end, whatever the other one knows. */
  fail(failure: Provider.Failure): void {
    if (this.over) return
    this.failure = failure
    this.stop()
    if (this.gone) this.handle?.finish()
    else this.handle?.wake()
  }

  /** Power is lost: the peer is not told. */
  vanish(): void {
    this.failure = wasReset
    if (!this.over) this.stop()
    this.handle?.finish()
    this.handle = undefined
    // What waits there for room here finds out by asking.
    this.peer.missed()
  }

  /** Breaks the connection, and tells the peer. */
  abort(failure: Provider.Failure = wasReset): void {
    if (this.over) return
    this.sendReset()
    this.fail(failure)
  }

  sendReset(): void {
    this.note("rst")
    this.out.pass(this.flow, {
      arrive: () => this.peer.fail(wasReset),
      // Nobody says it again by itself: whoever waits for an answer asks again.
      lost: (why) => {
        this.note("lost", 0, why)
        this.peer.missed()
      }
    })
  }

  // -- keep-alive -----------------------------------------------------------------------------------------------------

  keepAlive(on: boolean): void {
    if (this.keepAliveTimer !== undefined) this.engine.cancel(this.keepAliveTimer)
    this.keepAliveTimer = undefined
    if (on && !this.over) this.awaitSilence()
  }

  private awaitSilence(): void {
    const { idle } = this.host.net.profile.keepAlive
    this.keepAliveTimer = this.engine.at(this.lastHeard + idle * 1000, () => {
      this.settle()
      if (this.engine.now() - this.lastHeard < idle * 1000) this.awaitSilence()
      else this.ask(0)
    })
  }

  private ask(times: number): void {
    const { code, count, interval } = this.host.net.profile.keepAlive
    if (times === count) {
      this.note("timed out")
      return this.abort(Provider.failure(code))
    }
    const asked = this.engine.now()
    const probe = new Segment(this, this.sent, noBytes, false)
    this.note("keep-alive")
    this.out.send(0, this.flow, { arrive: () => probe.arrive(), lost: nothing })
    this.keepAliveTimer = this.engine.at(asked + interval * 1000, () => {
      this.settle()
      if (this.lastHeard >= asked) this.awaitSilence()
      else this.ask(times + 1)
    })
  }
}
