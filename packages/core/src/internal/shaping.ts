/**
 * What holds a socket to the flow specifications of its QOS: its own, and the one that it shares with its group.
 *
 * What conforms is decided by the meters, and what becomes of the excess by the mode; this only waits. A socket without a
 * QOS has none of it.
 */
import type { Shape } from "../Qos.ts"
import type { Instance } from "./instance.ts"
import type { Honoured } from "./quality.ts"
import type { SocketState } from "./socketState.ts"
import { Line, longestRun, Pool, type Turn } from "./turns.ts"

/** The socket. */
export interface Host {
  readonly instance: Instance
  readonly state: SocketState
  /** There is credit for the next piece of the write that is under way. */
  readonly goOn: () => void
  /** There is credit for a send that does not wait. */
  readonly hasCredit: () => void
  /** There is credit for more to come in. */
  readonly refill: () => void
}

/** The flows that the sockets of a group share. */
export interface Shared {
  sending: Pool | undefined
  receiving: Pool | undefined
}

type Direction = keyof Shared

/** What becomes of a piece: it goes, it waits, it is dropped, or it is longer than any that ever goes. */
export type Fate = "go" | "wait" | "drop" | "long"

/** Someone who waits until a piece may go. */
export interface Ask {
  readonly size: number
  /** `false`: the credit is not taken, it is only told that there is some. */
  readonly takes: boolean
  readonly go: (fate: "go" | "drop" | "long") => void
}

/** One direction: what goes needs credit of the socket's own flow and of the group's, at the same time. */
class Way {
  private own: Line | undefined
  private group: Line | undefined
  /** In their order; the first one has its turn, or waits for it. */
  private readonly asks: Array<Ask> = []
  private turn: Turn | undefined
  private readonly host: Host
  private readonly direction: Direction

  constructor(host: Host, direction: Direction) {
    this.host = host
    this.direction = direction
  }

  /** Nothing holds it. */
  get isFree(): boolean {
    return this.own === undefined && this.group === undefined
  }

  /** What is too much of a datagram is dropped, and never waits. */
  get drops(): boolean {
    return this.own?.waits === false || this.group?.waits === false
  }

  /** A flow that is left as it was keeps its credit; another one begins with what was not used up of it. */
  change(own: Shape | undefined, group: Shape | undefined): void {
    this.leaveTurn()
    const { instance, state } = this.host
    this.own = this.lineOf(own, 0, (spec) => {
      if (this.own === undefined) return new Pool(spec, instance.timers)
      this.own.pool.change(spec)
      return this.own.pool
    })
    this.group = this.lineOf(
      group,
      this.priority,
      (spec) => instance.sharedPool(state.cold.group!.id, this.direction, spec)
    )
    if (waits(this.own) || waits(this.group)) return this.advance()
    for (const ask of this.asks.splice(0)) ask.go(ask.takes ? this.take(ask.size) as "go" | "drop" : "go")
  }

  /** In mode borrow the excess goes at once, like what conforms: nothing is held back. What is a stream cannot be dropped. */
  private lineOf(
    spec: Shape | undefined,
    priority: number,
    pool: (spec: Shape) => Pool
  ): Line | undefined {
    if (spec === undefined || spec.mode === "borrow") return undefined
    return new Line(pool(spec), spec.mode === "shape" || this.host.state.kind.type === "stream", priority)
  }

  private get priority(): number {
    return this.host.state.cold.options.SO_GROUP_PRIORITY
  }

  prioritize(): void {
    if (this.group !== undefined) this.group.pool.move(this.group, this.priority)
  }

  /** What a stream is cut into. */
  get piece(): number {
    return Math.min(this.own?.pool.meter.piece ?? Infinity, this.group?.pool.meter.piece ?? Infinity)
  }

  /** Whether a piece would go now. */
  has(size: number): boolean {
    return !this.isBusy && this.own?.has(size) !== false && this.group?.has(size) !== false
  }

  /** Someone waits to go. Whoever only watches is alone. */
  private get isBusy(): boolean {
    return this.asks[0]?.takes === true
  }

  /** Whether a piece would not have to wait, but go or be dropped. */
  hasRoom(size: number): boolean {
    return !this.isBusy && (!waits(this.own) || this.own.has(size)) && (!waits(this.group) || this.group.has(size))
  }

  /** The longest piece that would go now. */
  get credit(): number {
    if (this.isBusy) return 0
    return Math.min(this.own?.credit ?? Infinity, this.group?.credit ?? Infinity)
  }

  /** Takes the credit for a piece, if that goes now. */
  take(size: number): Fate {
    this.unwatch()
    for (const line of [this.own, this.group]) {
      if (line !== undefined && size > line.pool.meter.largest) return line.waits ? "long" : "drop"
    }
    if (this.has(size)) {
      this.own?.take(size, nothing)
      this.group?.take(size, nothing)
      return "go"
    }
    return this.hasRoom(size) || this.own?.waits === false && !this.own.has(size) ? "drop" : "wait"
  }

  /** What has come is paid for, if need be with credit that there is not yet. */
  charge(size: number): void {
    const now = this.host.instance.timers.now()
    this.own?.pool.meter.charge(now, size)
    this.group?.pool.meter.charge(now, size)
  }

  enter(ask: Ask): Ask {
    this.asks.push(ask)
    if (this.asks.length === 1) this.advance()
    return ask
  }

  /** Answers whether it still waited. */
  leave(ask: Ask): boolean {
    const index = this.asks.indexOf(ask)
    if (index === -1) return false
    if (index === 0) this.leaveTurn()
    this.asks.splice(index, 1)
    if (index === 0) this.advance()
    return true
  }

  /** Tells when there is credit, once. Whoever takes some meanwhile has to ask again. */
  watch(size: number, told: () => void): void {
    if (this.asks.length === 0 && !this.isFree) this.enter({ size, takes: false, go: told })
  }

  unwatch(): void {
    const [first] = this.asks
    if (first !== undefined && !first.takes) this.leave(first)
  }

  close(): void {
    this.asks.length = 0
    this.leaveTurn()
    this.own = this.group = undefined
  }

  private leaveTurn(): void {
    const turn = this.turn
    this.turn = undefined
    if (turn !== undefined) turn.line.pool.leave(turn)
  }

  /**
   * The first one waits for credit of the own flow, which nobody else takes, and then for that of the group. It goes on by a
   * timer, also where there is credit, and never from inside the call of someone else.
   */
  private advance(): void {
    const [ask] = this.asks
    if (ask === undefined) return
    const { group, own } = this
    if (!waits(own)) return this.advanceInGroup(ask, group!)
    this.turn = own.wait(sizeFor(own, ask), false, (verdict) => {
      this.turn = undefined
      if (verdict === "excess") return this.end(ask, "long")
      if (waits(group)) return this.advanceInGroup(ask, group)
      this.end(ask, ask.takes ? this.pay(ask.size, own, group) : "go")
    })
  }

  private advanceInGroup(ask: Ask, group: Line): void {
    this.turn = group.wait(sizeFor(group, ask), ask.takes, (verdict) => {
      this.turn = undefined
      if (verdict === "excess") return this.end(ask, "long")
      this.end(ask, ask.takes ? this.pay(ask.size, this.own) : "go")
    })
  }

  private pay(size: number, ...lines: ReadonlyArray<Line | undefined>): "go" | "drop" {
    return lines.every((line) => line === undefined || line.take(size, nothing) === "conforming") ? "go" : "drop"
  }

  /** The next one is in its turn before this one goes, since it may do anything. */
  private end(ask: Ask, fate: "go" | "drop" | "long"): void {
    this.asks.shift()
    this.advance()
    ask.go(fate)
  }
}

const waits = (line: Line | undefined): line is Line => line?.waits === true

/** Who takes nothing is told of the longest piece at the most. */
const sizeFor = (line: Line, { size, takes }: Ask): number => takes ? size : Math.min(size, line.pool.meter.largest)

const nothing = () => {}

/** A write that is under way, in pieces. */
interface Write {
  readonly bytes: Uint8Array
  /** How many of them the provider has been given. */
  handed: number
  /** How many more there is credit for already. */
  granted: number
  /** How many pieces have gone one after another. */
  run: number
  /** It waits for credit. */
  ask: Ask | undefined
}

/** What holds a socket. `M`: a datagram that waits. Once there, it stays: a QOS that asks for nothing any more leaves it without limits. */
export class Shaping<M> {
  private readonly sending: Way
  private readonly receiving: Way
  private write: Write | undefined
  /** What a send that does not wait has to find credit for before it is told that there is some. */
  private wanted = 0
  private readonly messages = new Map<M, Ask>()
  private readonly host: Host

  constructor(host: Host) {
    this.host = host
    this.sending = new Way(host, "sending")
    this.receiving = new Way(host, "receiving")
  }

  /** Whether there is anything to enforce. */
  static has(honoured: Honoured | undefined): boolean {
    return honoured !== undefined && (honoured.sending ?? honoured.receiving ?? honoured.groupSending ??
          honoured.groupReceiving) !== undefined
  }

  /** What is enforced from now on. */
  change(honoured: Honoured | undefined): void {
    this.wanted = 0
    this.receiving.change(honoured?.receiving, honoured?.groupReceiving)
    this.sending.change(honoured?.sending, honoured?.groupSending)
  }

  /** SO_GROUP_PRIORITY is another one. */
  prioritize(): void {
    this.sending.prioritize()
    this.receiving.prioritize()
  }

  /** The connection is over: nothing is left that would wake. Answers whose datagrams waited. */
  close(): ReadonlyArray<M> {
    const waiting = Array.from(this.messages.keys())
    this.sending.close()
    this.receiving.close()
    this.write = undefined
    this.messages.clear()
    return waiting
  }

  // -- streams --------------------------------------------------------------------------------------------------------

  /** Begins a write that waits for its credit, piece by piece; `false`: nothing holds it, and it goes as a whole. */
  begin(bytes: Uint8Array): boolean {
    if (this.sending.isFree) return false
    this.write = { bytes, handed: 0, granted: 0, run: 0, ask: undefined }
    return true
  }

  /** The next piece, or `undefined`: it has to wait, or it was the last. */
  next(): Uint8Array | undefined {
    const { write } = this
    if (write === undefined || write.ask !== undefined) return undefined
    // Those of a buffer that was detached meanwhile are gone.
    const left = write.bytes.length - write.handed
    if (left <= 0) return undefined
    let size = write.granted
    write.granted = 0
    if (size === 0) {
      size = Math.min(left, this.sending.piece)
      // A stream waits, and no piece of it is too long.
      if (++write.run > longestRun || this.sending.take(size) !== "go") {
        const granted = size
        write.run = 0
        write.ask = this.sending.enter({
          size,
          takes: true,
          go: (fate) => {
            write.ask = undefined
            if (fate === "go") write.granted = granted
            this.host.goOn()
          }
        })
        return undefined
      }
    }
    const piece = write.bytes.subarray(write.handed, write.handed + size)
    write.handed += piece.length
    return piece
  }

  /** A write is under way. */
  get writes(): boolean {
    return this.write !== undefined
  }

  /** It waits for credit. */
  get waits(): boolean {
    return this.write?.ask !== undefined
  }

  /** All of the write has been handed down. */
  get spent(): boolean {
    return this.write !== undefined && this.write.handed >= this.write.bytes.length
  }

  /** Nothing of the write has been handed down yet. */
  get untouched(): boolean {
    return this.write?.handed === 0
  }

  /** It is over, or given up. Answers how many bytes were handed down. */
  end(): number {
    const { write } = this
    this.write = undefined
    if (write === undefined) return 0
    if (write.ask !== undefined) this.sending.leave(write.ask)
    return write.handed
  }

  /** Takes what there is credit for, up to so many bytes. */
  offer(most: number): number {
    this.sending.unwatch()
    const size = Math.min(most, this.sending.credit)
    return size > 0 && this.sending.take(size) === "go" ? size : 0
  }

  // -- readiness ------------------------------------------------------------------------------------------------------

  /** Whether a send that does not wait would find credit. If it would not, it is told when it does. */
  hasRoom(): boolean {
    if (this.sending.isFree) return true
    return this.sending.hasRoom(Math.max(this.wanted, this.sending.piece))
  }

  watch(): void {
    this.sending.watch(Math.max(this.wanted, this.sending.piece), () => this.host.hasCredit())
  }

  unwatch(): void {
    this.sending.unwatch()
  }

  // -- datagrams ------------------------------------------------------------------------------------------------------

  /** What becomes of a datagram, whose sender waits or does not. */
  judge(size: number, blocking: boolean): Fate {
    const fate = this.sending.take(size)
    this.wanted = fate === "wait" && !blocking ? size : 0
    return fate
  }

  wait(who: M, size: number, go: (fate: "go" | "drop" | "long") => void): void {
    const ask = this.sending.enter({
      size,
      takes: true,
      go: (fate) => {
        this.messages.delete(who)
        go(fate)
      }
    })
    this.messages.set(who, ask)
  }

  /** Answers whether it still waited. */
  giveUp(who: M): boolean {
    const ask = this.messages.get(who)
    this.messages.delete(who)
    return ask !== undefined && this.sending.leave(ask)
  }

  // -- receiving ------------------------------------------------------------------------------------------------------

  /** Bytes of a stream have come. */
  charge(size: number): void {
    this.receiving.charge(size)
  }

  /** A datagram has come: whether it is kept. */
  admits(size: number): boolean {
    if (this.receiving.drops) return this.receiving.take(size) === "go"
    this.receiving.charge(size)
    return true
  }

  /** How much more may come of so much that there is room for. If that is nothing for now, it is told when it is more. */
  allows(room: number): number {
    if (room <= 0 || this.receiving.isFree || this.receiving.drops) return room
    const size = this.receiving.piece
    if (!this.receiving.has(size)) {
      this.receiving.watch(size, () => this.host.refill())
      return 0
    }
    // A datagram is not cut, and the next one is judged anew.
    return this.host.state.kind.type === "datagram" ? room : Math.min(room, this.receiving.credit)
  }
}
