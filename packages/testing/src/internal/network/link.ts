/**
 * One direction between two hosts: how long it takes, how much goes through, and what is lost on the way.
 */
import type { Engine, Luck, Timer } from "../../Sim.ts"
import { Classes, type Service } from "./classes.ts"

/** Times are microseconds. */
export interface LinkSettings {
  readonly latency: number
  readonly jitter: number
  /** Bytes per second. */
  readonly bandwidth: number
  readonly loss: number
  readonly duplicate: number
  readonly reorder: number
  readonly mtu: number
  /** How many bytes of datagrams wait for a link that is busy; more are dropped. */
  readonly queue: number
  /** Bytes a second that can be reserved; `undefined`: the usual share of the bandwidth. */
  readonly reservable: number | undefined
}

/** Something that is sent. Exactly one of the two is called, and not before `send` has returned. */
export interface Packet {
  readonly arrive: () => void
  readonly lost: (why: string) => void
}

/** Packets of one flow arrive in the order in which they were sent, and share a link fairly with other flows. */
export interface Flow {
  /** When the last one arrives. */
  floor: number
  /** The virtual time of the link at which the last one has been sent. */
  tag: number
  /** How many are on their way. */
  flying: number
  /** The mark of what is sent: a differentiated services code point, 0 where nothing was asked for. */
  dscp: number
  /** What is reserved for it, by either end; the last one counts. */
  services: ReadonlyArray<Service>
}

const nothingReserved: ReadonlyArray<never> = []

export const makeFlow = (): Flow => ({ floor: 0, tag: 0, flying: 0, dscp: 0, services: nothingReserved })

/** Whether something can be sent from here, or arrive here. */
export interface Place {
  readonly name: string
  readonly reachable: boolean
}

interface Waiting {
  readonly flow: Flow
  readonly packet: Packet
  /** What becomes of it once it is sent is the packet's own affair. */
  readonly flies: boolean
  readonly size: number
  readonly tag: number
}

interface Serving {
  readonly next: Waiting
  readonly begun: number
  readonly ending: Timer
}

/** Of IPv4 and TCP. */
const headers = 40
const largest = 16 * 1024

export class Link {
  settings: LinkSettings
  private readonly plain: LinkSettings
  private changes: ReadonlyArray<(settings: LinkSettings) => LinkSettings> = []
  readonly from: Place
  readonly to: Place
  private readonly engine: Engine
  private luckOfLink: Luck | undefined
  /** How many have cut it: what is sent is lost. */
  cuts = 0
  /** How many hold it: what is sent waits. */
  holds = 0
  private held: Array<() => void> = []
  /** What waits for its turn, in the order of its tags; only where there is a bandwidth. */
  private readonly waiting: Array<Waiting> = []
  private busy = false
  /** What is being sent, as long as all that waits is equal; only where there may be promises. */
  private serving: Serving | undefined
  private clock = 0
  private queued = 0
  /** What is left over of a microsecond when a packet has been sent. */
  private rest = 0
  /** Who goes first, from the first mark or reservation on. */
  private classes: Classes | undefined
  /** Datagrams from one address to another for which something was asked, by the two. */
  private pairs: Map<string, Flow> | undefined
  /** Bytes a second that are reserved. */
  reserved = 0
  /** Is told when the link is another than it was; only where something can be reserved on it. */
  private readonly promises: (() => void) | undefined

  constructor(engine: Engine, from: Place, to: Place, settings: LinkSettings, promises?: () => void) {
    this.promises = promises
    this.engine = engine
    this.from = from
    this.to = to
    this.settings = this.plain = settings
  }

  /** How many bytes of a stream travel as one: as many whole packets as fit 16 KiB. */
  get segment(): number {
    const payload = Math.max(1, this.settings.mtu - headers)
    return payload > largest ? payload : largest - largest % payload
  }

  /** Changes what it is like, on top of earlier changes. Answers what takes this change back, and no other. */
  change(change: (settings: LinkSettings) => LinkSettings): () => void {
    const one = (settings: LinkSettings) => change(settings)
    this.changes = [...this.changes, one]
    this.apply()
    return () => {
      this.changes = this.changes.filter((other) => other !== one)
      this.apply()
    }
  }

  private apply(): void {
    this.settings = this.changes.reduce((settings, change) => change(settings), this.plain)
    this.promises?.()
  }

  get name(): string {
    return `link ${this.from.name}>${this.to.name}`
  }

  /** The luck of this link is asked for only where it is needed: what is switched off draws nothing. */
  private luck(): Luck {
    return this.luckOfLink ??= this.engine.luck(this.name)
  }

  private chance(probability: number): boolean {
    return probability > 0 && this.luck().next() < probability
  }

  private later(packet: Packet, why: string): void {
    this.engine.at(this.engine.now(), () => packet.lost(why))
  }

  /** A host that speaks to itself, and is in no way hindered, hears itself at once. */
  get instant(): boolean {
    const { bandwidth, duplicate, jitter, latency, loss, reorder } = this.settings
    return this.from === this.to && latency === 0 && jitter === 0 && bandwidth === Infinity &&
      loss === 0 && duplicate === 0 && reorder === 0 && this.cuts === 0 && this.holds === 0 && this.from.reachable
  }

  /** Sends something that no sink is told of before another event: it may arrive within the call. */
  pass(flow: Flow, packet: Packet): void {
    if (flow.flying === 0 && this.instant) packet.arrive()
    else this.send(0, flow, packet)
  }

  /** Sends a part of a stream, or a word about one. */
  send(size: number, flow: Flow, packet: Packet): void {
    if (!this.from.reachable) return this.later(packet, "network down")
    if (this.holds > 0) return void this.held.push(() => this.send(size, flow, packet))
    if (this.settings.bandwidth === Infinity) return this.leave(flow, packet)
    this.enqueue(size, flow, packet)
  }

  /** Sends a datagram; each of its fragments may be lost. Answers why it was dropped at once, if it was. */
  sendDatagram(size: number, flow: Flow, packet: Packet): string | undefined {
    if (!this.from.reachable) return "network down"
    if (this.holds === 0 && this.settings.bandwidth === Infinity) return void this.fly(size, flow, packet)
    // What is reserved has room of its own.
    const counts = this.classes?.conforms(flow, size) === true ? 0 : size
    if (this.queued + counts > this.settings.queue) return "queue full"
    this.queued += counts
    if (this.holds > 0) {
      this.held.push(() => {
        this.queued -= counts
        const why = this.sendDatagram(size, flow, packet)
        if (why !== undefined) packet.lost(why)
      })
      return undefined
    }
    const dequeue = (after: () => void) => () => {
      this.queued -= counts
      after()
    }
    this.enqueue(size, flow, { arrive: dequeue(() => this.fly(size, flow, packet)), lost: packet.lost }, true)
    return undefined
  }

  /** When a word about a stream that is sent now arrives, which takes no room on the link: -1 where it is lost. */
  eta(flow: Flow): number {
    if (!this.from.reachable || this.cuts > 0) return -1
    return this.ordered(flow)
  }

  /** Does something when the link is no longer held. */
  defer(task: () => void): void {
    this.held.push(task)
  }

  release(): void {
    if (this.holds > 0) return
    const held = this.held
    this.held = []
    for (const task of held) task()
  }

  private travel(): number {
    const { jitter, latency } = this.settings
    return jitter > 0 ? latency + this.luck().below(jitter + 1) : latency
  }

  private ordered(flow: Flow): number {
    const at = this.engine.now() + this.travel()
    return flow.floor = at > flow.floor ? at : flow.floor
  }

  private leave(flow: Flow, packet: Packet): void {
    if (this.cuts > 0) return this.later(packet, "partition")
    if (this.chance(this.settings.loss)) return this.later(packet, "loss")
    this.arriveAt(this.ordered(flow), flow, packet)
  }

  private arriveAt(time: number, flow: Flow, packet: Packet): void {
    flow.flying++
    this.engine.at(time, () => {
      flow.flying--
      if (this.to.reachable) packet.arrive()
      else packet.lost("nobody there")
    })
  }

  private fly(size: number, flow: Flow, packet: Packet): void {
    const { duplicate, latency, loss, mtu, reorder } = this.settings
    if (this.cuts > 0) return this.later(packet, "partition")
    for (let fragment = 0; fragment === 0 || fragment * mtu < size; fragment++) {
      if (this.chance(loss)) return this.later(packet, "loss")
    }
    // It is overtaken by those that are sent up to a latency later.
    const late = this.chance(reorder)
    this.arriveAt(late ? this.engine.now() + this.travel() + Math.max(latency, 1000) : this.ordered(flow), flow, packet)
    if (this.chance(duplicate)) this.arriveAt(this.ordered(flow), flow, packet)
  }

  // -- bandwidth ----------------------------------------------------------------------------------------------------

  /**
   * Fair queueing by self-clocked tags (Golestani): a packet's tag is the virtual time at which it would have been sent
   * were its flow the only one to wait, and the lowest tag goes first.
   */
  private enqueue(size: number, flow: Flow, packet: Packet, flies = false): void {
    if (this.classes !== undefined || flow.dscp !== 0) return this.enqueueByClass(size, flow, packet, flies)
    const tag = flow.tag = Math.max(this.clock, flow.tag) + size
    const next: Waiting = { flow, packet, flies, size, tag }
    let low = 0
    for (let high = this.waiting.length; low < high;) {
      const middle = (low + high) >>> 1
      if (this.waiting[middle]!.tag <= tag) low = middle + 1
      else high = middle
    }
    this.waiting.splice(low, 0, next)
    if (!this.busy) this.serve()
  }

  private serve(): void {
    if (this.classes !== undefined) return this.serveByClass(this.classes)
    const next = this.waiting.shift()
    this.busy = next !== undefined
    if (next === undefined) {
      this.rest = 0
      return
    }
    this.clock = next.tag
    const ending = this.engine.at(this.sent(next.size), () => {
      if (next.flies) next.packet.arrive()
      else this.leave(next.flow, next.packet)
      this.serve()
    })
    if (this.promises) this.serving = { next, begun: this.engine.now(), ending }
  }

  /** When so many bytes have been sent that are sent from now on. */
  private sent(size: number): number {
    const owed = size * 1e6 + this.rest
    const { bandwidth } = this.settings
    const micros = Math.floor(owed / bandwidth)
    this.rest = owed - micros * bandwidth
    return this.engine.now() + micros
  }

  // -- classes --------------------------------------------------------------------------------------------------------

  /** From now on it matters what waits: until then all that waits has been equal. */
  private classify(): Classes {
    if (this.classes !== undefined) return this.classes
    const classes = this.classes = new Classes(this.engine, this.clock, this)
    // A tag was given to what came; from now on it is given to whoever is next. The last of a flow to say so is its first.
    for (const { flow, size, tag } of this.waiting.toReversed()) flow.tag = tag - size
    if (this.serving !== undefined) this.interrupt(this.serving, classes)
    for (const one of this.waiting) classes.add(one.size, one.flow, this.leaving(one))
    this.waiting.length = 0
    return classes
  }

  /** Takes turns with the others, too, what was to be sent as one: after the packet that is being sent. */
  private interrupt({ begun, ending, next }: Serving, classes: Classes): void {
    const { flow, size, tag } = next
    const { bandwidth, mtu } = this.settings
    const gone = Math.floor((this.engine.now() - begun) * bandwidth / 1e6)
    const sent = mtu * (Math.floor(gone / mtu) + 1)
    if (bandwidth === Infinity || sent >= size) return
    this.engine.cancel(ending)
    flow.tag = tag - size + sent
    classes.add(size - sent, flow, this.leaving(next))
    this.engine.at(Math.max(this.engine.now(), begun + Math.ceil(sent * 1e6 / bandwidth)), () => this.serve())
  }

  private leaving({ flies, flow, packet }: Pick<Waiting, "flies" | "flow" | "packet">): Packet {
    return flies ? packet : { arrive: () => this.leave(flow, packet), lost: packet.lost }
  }

  private enqueueByClass(size: number, flow: Flow, packet: Packet, flies: boolean): void {
    this.classify().add(size, flow, this.leaving({ flies, flow, packet }))
    if (!this.busy) this.serve()
  }

  private serveByClass(classes: Classes): void {
    const turn = classes.next()
    this.busy = turn !== undefined
    if (turn === undefined) {
      this.rest = 0
      return
    }
    this.engine.at(this.sent(turn.size), () => {
      turn.packet?.arrive()
      this.serve()
    })
  }

  /** From now on the flows have what is reserved for them. */
  begin(service: Service, flows: Iterable<Flow>): void {
    this.classify().begin(service)
    for (const flow of flows) this.favour(flow, service)
  }

  end(service: Service, flows: Iterable<Flow>): void {
    for (const flow of flows) this.unfavour(flow, service)
    this.classify().end(service)
  }

  favour(flow: Flow, service: Service): void {
    flow.services = [...flow.services, service]
    this.classify().moved(flow)
  }

  unfavour(flow: Flow, service: Service): void {
    flow.services = flow.services.filter((other) => other !== service)
    this.classify().moved(flow)
  }

  /** A mark that is another one counts for what waits, too. */
  mark(flow: Flow, dscp: number): void {
    flow.dscp = dscp
    this.classes?.moved(flow)
  }

  /** Lets the datagrams from one address to another be a flow of their own. Answers what takes it back. */
  pair(key: string, flow: Flow): () => void {
    const pairs = this.pairs ??= new Map<string, Flow>()
    pairs.set(key, flow)
    return () => {
      if (pairs.get(key) === flow) pairs.delete(key)
    }
  }

  /** The flow of a datagram, where it has one of its own; not for one that is longer than was said. */
  pairOf(key: () => string, size: number): Flow | undefined {
    if (this.pairs === undefined || this.pairs.size === 0) return undefined
    const flow = this.pairs.get(key())
    return flow === undefined || size > (flow.services.at(-1)?.longest ?? Infinity) ? undefined : flow
  }
}
