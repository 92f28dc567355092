/**
 * Who goes first where not everybody does: what waits for a link that has a bandwidth, once anything there is marked or
 * reserved.
 *
 * - Network control goes before all, with a quarter of the bandwidth at most where something is reserved.
 * - What is reserved goes next, by the time at which it would have been sent had it a line of its own with its rate (virtual
 *   clock, Zhang). As no more is reserved than there is, each byte is sent by that time, but for what is being sent and for
 *   what network control may send at once.
 * - Then come the others, by fair queueing with weights. What somebody sends beyond its reservation is among them.
 * - Lower effort has what is left.
 *
 * A link never rests while anything waits, and takes turns after each packet of its longest size: nothing short waits for
 * something long to be sent to its end.
 */
import type { Engine } from "../../Sim.ts"
import type { Flow, LinkSettings, Packet } from "./link.ts"

/** What is reserved for a flow, or for several that share it, on one link. */
export interface ServiceSettings {
  /** Bytes a second that it is sent with. */
  readonly rate: number
  /** Bytes a second that its bucket fills with. */
  readonly tokenRate: number
  /** Bytes that the bucket holds. */
  readonly depth: number
  /** A datagram that is shorter counts as so long. */
  readonly smallest: number
  /** A longer datagram is none of it. */
  readonly longest: number
}

/** One part of something that is sent, as long as a packet may be. */
export interface Turn {
  readonly size: number
  /** With its last part it has been sent. */
  readonly packet: Packet | undefined
}

interface Waiting {
  readonly flow: Flow
  readonly packet: Packet
  readonly size: number
  /** How much of it has not been sent. */
  left: number
}

/** What waits in order. */
class Lane {
  packets: Array<Waiting> = []
  /** The virtual time at which the last of it was sent in a fair turn. */
  tag: number
  /** The virtual time at which its next turn will have been. */
  bid: number | undefined

  constructor(tag: number) {
    this.tag = tag
  }
}

/** Bytes that came within what was said, and from when on they are due at the rate of the reservation. */
interface Due {
  from: number
  bytes: number
}

const million = 1e6

/** What is reserved, and what waits for it. */
export class Service extends Lane {
  settings: ServiceSettings
  /** Bytes that wait. */
  private backlog = 0
  /** Bytes that wait and came within what was said: the first of those that wait. */
  private credit = 0
  private readonly due: Array<Due> = []
  /** The time by which all that came within what was said is to have been sent. */
  private finish = 0
  /** What the bucket holds, in millionths of a byte, so that it is a whole number: below 0 for short datagrams. */
  private level: number
  private at: number

  constructor(settings: ServiceSettings, now: number) {
    super(0)
    this.settings = settings
    this.level = settings.depth * million
    this.at = now
  }

  get longest(): number {
    return this.settings.longest
  }

  /** Fills the bucket, and takes from it what waits for it, in parts that are worth it. */
  elapse(now: number, part: number): void {
    const { depth, rate, tokenRate } = this.settings
    const excess = this.backlog - this.credit
    const most = (depth + excess) * million
    const micros = now - this.at
    this.at = now
    this.level = micros * tokenRate >= most - this.level ? most : this.level + micros * tokenRate
    const bytes = Math.min(excess, Math.floor(this.level / million))
    if (bytes > 0 && bytes >= Math.min(excess, part, depth)) {
      this.level -= bytes * million
      this.credit += bytes
      if (this.finish < now || this.due.length === 0) {
        this.due.push({ from: this.finish = Math.max(this.finish, now), bytes })
      } else this.due.at(-1)!.bytes += bytes
      this.finish += bytes * million / rate
    }
    this.level = Math.min(this.level, depth * million)
  }

  /** Whether so many bytes would be within what was said. */
  conforms(size: number): boolean {
    return this.backlog === this.credit && this.level >= Math.max(size, this.settings.smallest) * million
  }

  came(size: number): void {
    this.backlog += size
    if (size > 0 && size < this.settings.smallest) this.level -= (this.settings.smallest - size) * million
  }

  /** How much of the first that waits may go by right, at most so much; -1 where nothing may. */
  rightful(part: number): number {
    const head = this.packets[0]
    if (head === undefined) return -1
    if (head.left === 0) return 0
    return this.credit === 0 ? -1 : Math.min(part, head.left, this.due[0]!.bytes)
  }

  /** By when so much of it is to have been sent. */
  deadline(size: number): number {
    return size === 0 ? -Infinity : this.due[0]!.from + size * million / this.settings.rate
  }

  went(size: number): void {
    this.backlog -= size
    for (let left = Math.min(size, this.credit); left > 0;) {
      const [first] = this.due
      const bytes = Math.min(left, first!.bytes)
      left -= bytes
      this.credit -= bytes
      first!.bytes -= bytes
      first!.from += bytes * million / this.settings.rate
      if (first!.bytes === 0) this.due.shift()
    }
  }
}

type Rank = "control" | "normal" | "low"

/** RFC 2474, RFC 4594, RFC 8622: class selectors 6 and 7; lower effort, and the class selector that stood for it before. */
const rankOf = ({ dscp }: Flow): Rank => dscp >= 48 ? "control" : dscp === 1 || dscp === 8 ? "low" : "normal"

/** As many shares as the precedence of the mark says: 1 for best effort, 6 for telephony. */
const weightOf = ({ dscp }: Flow): number => (dscp >> 3) + 1

/** The share of a link that network control has before what is reserved. */
const controlled = 1 / 4

/** The share of a bandwidth that can be reserved where nothing else is said. */
const usual = 3 / 4

/** How many bytes a second can be reserved on a link. */
export const reservableOf = ({ bandwidth, reservable = Math.floor(bandwidth * usual) }: LinkSettings): number =>
  Math.min(bandwidth, reservable)

const controlRate = (settings: LinkSettings): number =>
  Math.min(settings.bandwidth * controlled, settings.bandwidth - reservableOf(settings))

/**
 * How much later than by its rate something reserved may be sent, in microseconds: by a packet that is being sent, by one that
 * network control may send at once, and by as much as it has of the link.
 */
export const lateness = (settings: LinkSettings): number =>
  settings.bandwidth === Infinity ? 0 : 2 * settings.mtu * million / (settings.bandwidth - controlRate(settings))

const bidOf = (lane: Lane): number => lane.bid!

export class Classes {
  private readonly engine: Engine
  private readonly link: { readonly settings: LinkSettings }
  private clock: number
  private readonly lanes = new Map<Flow, Lane>()
  private readonly services: Array<Service> = []
  /** By their bids. */
  private readonly ranks: Readonly<Record<Rank, Array<Lane>>> = { control: [], normal: [], low: [] }
  /** What network control may send before all, in millionths of a byte. */
  private control = 0
  private controlAt = 0

  constructor(engine: Engine, clock: number, link: { readonly settings: LinkSettings }) {
    this.engine = engine
    this.clock = clock
    this.link = link
  }

  add(size: number, flow: Flow, packet: Packet): void {
    this.push({ flow, packet, size, left: size })
  }

  private push(waiting: Waiting): void {
    const { flow, left } = waiting
    const service = flow.services.at(-1)
    if (service !== undefined) {
      service.elapse(this.engine.now(), this.part)
      service.packets.push(waiting)
      service.came(left)
      service.elapse(this.engine.now(), this.part)
      return
    }
    const lane = this.lanes.get(flow)
    if (lane !== undefined) return void lane.packets.push(waiting)
    const made = new Lane(flow.tag)
    made.packets.push(waiting)
    this.lanes.set(flow, made)
    this.bid(made)
  }

  /** What waits of a flow waits elsewhere from now on. */
  moved(flow: Flow): void {
    const found: Array<Waiting> = []
    const leave = (lane: Lane) => {
      if (!lane.packets.some((one) => one.flow === flow)) return
      found.push(...lane.packets.filter((one) => one.flow === flow))
      lane.packets = lane.packets.filter((one) => one.flow !== flow)
    }
    for (const service of this.services) {
      const before = found.length
      leave(service)
      for (const { left } of found.slice(before)) service.went(left)
    }
    const lane = this.lanes.get(flow)
    if (lane !== undefined) {
      leave(lane)
      this.dismiss(flow, lane)
    }
    for (const waiting of found) this.push(waiting)
  }

  /** Whether a datagram is within what is reserved for its flow. */
  conforms(flow: Flow, size: number): boolean {
    const service = flow.services.at(-1)
    if (service === undefined) return false
    service.elapse(this.engine.now(), this.part)
    return service.conforms(size)
  }

  private get part(): number {
    return this.link.settings.mtu
  }

  // -- fair turns -----------------------------------------------------------------------------------------------------

  private bid(lane: Lane): void {
    const [{ flow, left }] = lane.packets as [Waiting]
    lane.bid = Math.max(this.clock, lane.tag) + Math.min(left, this.part) / weightOf(flow)
    const rank = this.ranks[rankOf(flow)]
    let low = 0
    for (let high = rank.length; low < high;) {
      const middle = (low + high) >>> 1
      if (bidOf(rank[middle]!) <= lane.bid) low = middle + 1
      else high = middle
    }
    rank.splice(low, 0, lane)
  }

  private dismiss(flow: Flow, lane: Lane): void {
    for (const rank of Object.values(this.ranks)) {
      const index = rank.indexOf(lane)
      if (index >= 0) rank.splice(index, 1)
    }
    flow.tag = lane.tag
    this.lanes.delete(flow)
  }

  // -- whose turn it is -----------------------------------------------------------------------------------------------

  next(): Turn | undefined {
    const now = this.engine.now()
    const { control, low } = this.ranks
    const [first] = control
    if (first !== undefined && this.mayControl(now, first)) return this.fair(control)
    return this.rightful(now) ?? this.fairest() ?? (low.length > 0 ? this.fair(low) : undefined)
  }

  private mayControl(now: number, lane: Lane): boolean {
    const [{ left }] = lane.packets as [Waiting]
    const size = Math.min(left, this.part) * million
    const { settings } = this.link
    this.control = Math.min(settings.mtu * million, this.control + (now - this.controlAt) * controlRate(settings))
    this.controlAt = now
    // Nobody has reserved anything, so nobody is done wrong.
    if (this.services.length === 0) return true
    if (this.control < size) return false
    this.control -= size
    return true
  }

  private rightful(now: number): Turn | undefined {
    let best: Service | undefined
    let size = 0
    for (const service of this.services) {
      service.elapse(now, this.part)
      const part = service.rightful(this.part)
      if (part < 0) continue
      if (best === undefined || service.deadline(part) < best.deadline(size)) [best, size] = [service, part]
    }
    return best === undefined ? undefined : this.serve(best, size)
  }

  private fairest(): Turn | undefined {
    const { control, normal } = this.ranks
    let least = Infinity
    let found: Service | Array<Lane> | undefined
    for (const rank of [normal, control]) {
      if (rank.length > 0 && bidOf(rank[0]!) < least) [found, least] = [rank, bidOf(rank[0]!)]
    }
    for (const service of this.services) {
      const [head] = service.packets
      if (head === undefined) continue
      const bid = service.bid ??= Math.max(this.clock, service.tag) + Math.min(head.left, this.part)
      if (bid < least) [found, least] = [service, bid]
    }
    if (found === undefined) return undefined
    if (Array.isArray(found)) return this.fair(found)
    this.clock = found.tag = least
    found.bid = undefined
    return this.serve(found, Math.min(found.packets[0]!.left, this.part))
  }

  private fair(rank: Array<Lane>): Turn {
    const lane = rank.shift()!
    const [{ flow, left }] = lane.packets as [Waiting]
    this.clock = lane.tag = bidOf(lane)
    const turn = this.serve(lane, Math.min(left, this.part))
    if (lane.packets.length > 0) this.bid(lane)
    else this.dismiss(flow, lane)
    return turn
  }

  private serve(lane: Lane, size: number): Turn {
    const [head] = lane.packets as [Waiting]
    head.left -= size
    if (lane instanceof Service) lane.went(size)
    if (head.left > 0) return { size, packet: undefined }
    lane.packets.shift()
    if (lane instanceof Service && lane.packets.length === 0) lane.bid = undefined
    return { size, packet: head.packet }
  }

  // -- what is reserved -----------------------------------------------------------------------------------------------

  begin(service: Service): void {
    this.services.push(service)
  }

  /** Nobody's flow has it any more. */
  end(service: Service): void {
    const index = this.services.indexOf(service)
    if (index >= 0) this.services.splice(index, 1)
  }
}
