/**
 * What is reserved in a network: who has asked for what, who has got it, and who has lost it.
 */
import type { Flows, QosChange } from "@effect-winsock/core/Provider"
import type * as Qos from "@effect-winsock/core/Qos"
import type { Engine } from "../../Sim.ts"
import { type Terms, termsOf, type Way } from "./admission.ts"
import { lateness, reservableOf, Service } from "./classes.ts"
import type { Host } from "./host.ts"
import type { Flow, Link } from "./link.ts"

/** Something of which so much can be reserved and no more. */
interface Pool {
  reserved: number
}

/** Whose a reservation is. */
export interface Holder {
  readonly host: Host
  readonly number: number
  readonly closed: boolean
  readonly qosChanged: (change: QosChange) => void
}

/** What is asked for one way. */
interface Part {
  readonly from: Host
  readonly to: Host
  readonly link: Link
  readonly asked: Qos.FlowSpec | undefined
  readonly flows: Set<Flow>
  terms: Terms | undefined
  service: Service | undefined
}

const wayOf = ({ settings }: Link, type: "stream" | "datagram"): Way => {
  const { bandwidth, jitter, latency, reorder } = settings
  // A datagram that is overtaken is as late as one that was sent so much later.
  const overtaken = type === "datagram" && reorder > 0 ? Math.max(latency, 1000) : 0
  return {
    least: latency,
    later: Math.ceil(jitter + overtaken + lateness(settings)),
    queues: bandwidth !== Infinity
  }
}

const same = (one: Qos.Reservation | undefined, other: Qos.Reservation | undefined): boolean =>
  (["sending", "receiving"] as const).every((way) =>
    one?.[way]?.rate === other?.[way]?.rate && one?.[way]?.delay === other?.[way]?.delay
  )

/** One reservation, of a socket or of the group that it created. */
export class Reservation {
  readonly holder: Holder
  readonly group: object | undefined
  readonly type: "stream" | "datagram"
  readonly sending: Part
  readonly receiving: Part
  /** What there is of it; `undefined` once it is lost. */
  granted: Qos.Reservation | undefined
  over = false

  constructor(holder: Holder, type: "stream" | "datagram", peer: Host, asked: Flows, group?: object) {
    const { host } = holder
    const part = (from: Host, to: Host, asked: Qos.FlowSpec | undefined): Part => ({
      from,
      to,
      link: host.net.link(from, to),
      asked,
      flows: new Set(),
      terms: undefined,
      service: undefined
    })
    this.holder = holder
    this.type = type
    this.group = group
    this.sending = part(host, peer, asked.sending)
    this.receiving = part(peer, host, asked.receiving)
  }

  get parts(): readonly [sending: Part, receiving: Part] {
    return [this.sending, this.receiving]
  }

  /** What is sent in a flow is sent with it, as long as there is anything of it. */
  join(part: Part, flow: Flow): void {
    if (part.flows.has(flow)) return
    part.flows.add(flow)
    if (part.service !== undefined) part.link.favour(flow, part.service)
  }

  leave(flow: Flow): void {
    for (const { flows, link, service } of this.parts) {
      if (flows.delete(flow) && service !== undefined) link.unfavour(flow, service)
    }
  }

  describe(): string {
    const { host, number } = this.holder
    return `${this.group === undefined ? "" : "group of "}socket ${number} of ${host.name} to ${this.sending.to.name}`
  }
}

export class Reservations {
  private readonly engine: Engine
  /** In the order in which they got what they have. */
  private held: ReadonlyArray<Reservation> = []
  /** In the order in which they lost it. */
  private lost: ReadonlyArray<Reservation> = []

  constructor(engine: Engine) {
    this.engine = engine
    engine.check(
      "reservations that outlive their sockets",
      () =>
        [...this.held, ...this.lost].filter(({ holder }) => holder.closed).map((one) =>
          `reservation of ${one.describe()}`
        )
    )
  }

  /** Reserves all of it, or nothing. Answers why not. `instead`: this one is given back where the new one is granted. */
  ask(wanted: ReadonlyArray<Reservation>, instead: ReadonlyArray<Reservation> = []): string | undefined {
    const before = instead.filter((one) => this.held.includes(one))
    before.forEach((one) => this.vacate(one))
    const taken: Array<Reservation> = []
    for (const one of wanted) {
      const why = this.occupy(one)
      if (why === undefined) {
        taken.push(one)
        continue
      }
      for (const other of taken) this.vacate(other)
      for (const other of before) this.occupy(other)
      this.note("not reserved", one, why)
      return why
    }
    for (const one of instead) this.forget(one)
    for (const one of taken) {
      this.held = [...this.held, one]
      this.provide(one)
      this.note("reserved", one)
    }
    if (instead.length > 0) this.refill()
    return undefined
  }

  release(one: Reservation): void {
    if (one.over) return
    if (this.held.includes(one)) this.vacate(one)
    this.forget(one)
    this.refill()
  }

  private forget(one: Reservation): void {
    if (one.over) return
    one.over = true
    this.note("released", one)
    this.withdraw(one)
    this.held = this.held.filter((other) => other !== one)
    this.lost = this.lost.filter((other) => other !== one)
  }

  /** There may be less of something, or more: the oldest keep theirs. */
  reconsider(): void {
    if (this.held.length === 0 && this.lost.length === 0) return
    const before = this.held.map((one) => [one, one.granted] as const)
    for (const [one] of before) this.vacate(one)
    const still: Array<Reservation> = []
    for (const [one, had] of before) {
      const why = this.occupy(one)
      if (why !== undefined) this.lose(one, why)
      else {
        still.push(one)
        this.provide(one)
        if (!same(had, one.granted)) this.tell(one, "WSA_QOS_REQUEST_CONFIRMED")
      }
    }
    this.held = still
    this.refill()
  }

  private lose(one: Reservation, why: string): void {
    this.withdraw(one)
    this.lost = [...this.lost, one]
    this.note("reservation lost", one, why)
    this.tell(one, "WSA_QOS_ADMISSION_FAILURE")
  }

  /** Who has lost something gets it again as soon as there is room. */
  private refill(): void {
    for (const one of this.lost) {
      if (this.occupy(one) !== undefined) continue
      this.lost = this.lost.filter((other) => other !== one)
      this.held = [...this.held, one]
      this.provide(one)
      this.note("reserved again", one)
      this.tell(one, "WSA_QOS_REQUEST_CONFIRMED")
    }
  }

  private tell(one: Reservation, code: QosChange["code"]): void {
    const reserved = one.granted
    this.engine.at(this.engine.now(), () => {
      if (!one.over) one.holder.qosChanged({ group: one.group !== undefined, code, reserved })
    })
  }

  private note(kind: string, one: Reservation, why?: string): void {
    const { holder: { host, number }, receiving, sending } = one
    this.engine.note({
      kind,
      host: host.name,
      socket: number,
      to: sending.to.name,
      group: one.group === undefined ? undefined : true,
      sending: sending.terms?.service.rate,
      receiving: receiving.terms?.service.rate,
      why
    })
  }

  // -- how much there is ----------------------------------------------------------------------------------------------

  private poolsOf({ from, link, to }: Part): ReadonlyArray<readonly [pool: Pool, most: number, name: string]> {
    const way = [link, reservableOf(link.settings), link.name] as const
    return from === to
      ? [way]
      : [way, [from.leaving, from.reservable, `host ${from.name}`], [to.arriving, to.reservable, `host ${to.name}`]]
  }

  /** Takes both parts of it, or nothing. Answers why not. */
  private occupy(one: Reservation): string | undefined {
    for (const part of one.parts) {
      const why = this.occupyPart(one, part)
      if (why === undefined) continue
      this.vacate(one)
      return why
    }
    const flow = ({ terms }: Part) => terms === undefined ? undefined : { rate: terms.service.rate, delay: terms.delay }
    one.granted = { sending: flow(one.sending), receiving: flow(one.receiving) }
    return undefined
  }

  private occupyPart(one: Reservation, part: Part): string | undefined {
    const terms = termsOf(part.asked, wayOf(part.link, one.type), one.type)
    if (terms === "nothing") return undefined
    if (typeof terms === "string") return `${part.link.name}: ${terms}`
    const { rate } = terms.service
    for (const [pool, most, name] of this.poolsOf(part)) {
      if (pool.reserved + rate > most) return `${name}: ${rate} of ${Math.max(0, most - pool.reserved)} bytes a second`
    }
    for (const [pool] of this.poolsOf(part)) pool.reserved += rate
    part.terms = terms
    return undefined
  }

  private vacate(one: Reservation): void {
    one.granted = undefined
    for (const part of one.parts) {
      if (part.terms === undefined) continue
      for (const [pool] of this.poolsOf(part)) pool.reserved -= part.terms.service.rate
      part.terms = undefined
    }
  }

  // -- what comes of it -----------------------------------------------------------------------------------------------

  private provide(one: Reservation): void {
    for (const part of one.parts) {
      const { flows, link, service, terms } = part
      if (terms === undefined) continue
      if (service !== undefined) service.settings = terms.service
      else link.begin(part.service = new Service(terms.service, this.engine.now()), flows)
    }
  }

  private withdraw(one: Reservation): void {
    for (const part of one.parts) {
      if (part.service !== undefined) part.link.end(part.service, part.flows)
      part.service = undefined
    }
  }

  list(host: Host | undefined): ReadonlyArray<Reservation> {
    return [...this.held, ...this.lost].filter(({ holder }) => host === undefined || holder.host === host)
  }

  /** What a group has on a way. */
  ofGroup(group: object, from: Host, to: Host): Reservation | undefined {
    return [...this.held, ...this.lost].find((one) =>
      one.group === group && one.sending.from === from && one.sending.to === to
    )
  }
}
