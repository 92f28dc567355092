/**
 * What a socket has to tell, from rows A17 to A20 alone: whoever drives a history knows what has happened, and this says
 * what follows. It shares nothing with the machine that it judges.
 */

/** In the order in which messages of one moment come. */
export const allEvents = ["FD_CONNECT", "FD_ACCEPT", "FD_WRITE", "FD_READ", "FD_CLOSE"] as const
export type Event = (typeof allEvents)[number]

/** What has happened to a socket. */
export interface Facts {
  kind: "stream" | "listener" | "datagram"
  /** A datagram socket has an address. */
  bound: boolean
  connected: boolean
  /** How the last attempt ended: with a code, or with `"none"`. */
  attempt: string | undefined
  /** An attempt has failed, and none has succeeded since. */
  refused: boolean
  /** Bytes of a stream that have come and were not received. */
  bytes: number
  /** The lengths of datagrams that have come and were not received. */
  datagrams: Array<number>
  ended: boolean
  reset: boolean
  /** A send would have to wait. */
  full: boolean
  shutSend: boolean
  callers: number
}

export const newFacts = (kind: Facts["kind"]): Facts => ({
  kind,
  bound: false,
  connected: false,
  attempt: undefined,
  refused: false,
  bytes: 0,
  datagrams: [],
  ended: false,
  reset: false,
  full: false,
  shutSend: false,
  callers: 0
})

/** A17. */
export const setsOf = (facts: Facts): ReadonlyArray<"read" | "write" | "except"> => {
  const { bytes, callers, connected, datagrams, ended, full, kind, refused, reset } = facts
  const read = bytes > 0 || datagrams.length > 0 || callers > 0 || ended || reset
  const write = kind === "datagram" || reset || (connected && !full)
  return [
    ...(read ? ["read"] as const : []),
    ...(write ? ["write"] as const : []),
    ...(refused ? ["except"] as const : [])
  ]
}

type Door = "event" | "async"

/** A18: when an event holds. */
const holds: Record<Event, (facts: Facts, door: Door) => boolean> = {
  FD_CONNECT: ({ attempt }) => attempt !== undefined,
  FD_ACCEPT: ({ callers }) => callers > 0,
  FD_WRITE: ({ bound, connected, full, kind, reset, shutSend }, door) =>
    kind === "datagram" ? bound || door === "async" : connected && !reset && !full && !shutSend,
  FD_READ: ({ bytes, datagrams }) => bytes > 0 || datagrams.length > 0,
  FD_CLOSE: ({ bytes, ended, reset }) => reset || (ended && bytes === 0)
}

const codeOf = (event: Event, { attempt, reset }: Facts): string =>
  event === "FD_CONNECT" ? attempt! : event === "FD_CLOSE" && reset ? "WSAECONNRESET" : "none"

/** What was asked of a socket, and what it has told since. */
export class Asked {
  door: Door | "none" = "none"
  private mask: ReadonlyArray<Event> = []
  /** Each is told once until a call enables it again; what one door has told, the other has not. */
  private readonly enabled = { event: new Set<Event>(allEvents), async: new Set<Event>(allEvents) }
  private readonly record = new Map<Event, string>()
  /** The event object. */
  signaled = false
  /** All messages, as `name:code`. */
  readonly posted: Array<string> = []

  /** A call has been made that the reference names. */
  enable(...events: ReadonlyArray<Event>): void {
    for (const event of events) {
      this.enabled.event.add(event)
      this.enabled.async.add(event)
    }
  }

  /** Whatever has happened, what holds, is asked for and may be told is told. */
  look(facts: Facts): void {
    const door = this.door
    if (door === "none") return
    for (const event of allEvents) {
      if (!this.mask.includes(event) || !this.enabled[door].has(event) || !holds[event](facts, door)) continue
      this.enabled[door].delete(event)
      if (door === "async") {
        this.posted.push(`${event}:${codeOf(event, facts)}`)
      } else {
        this.record.set(event, codeOf(event, facts))
        this.signaled = true
      }
    }
  }

  ask(door: Door, mask: ReadonlyArray<Event>, facts: Facts): void {
    // The record is cleared; what nobody has fetched was not told.
    for (const event of this.record.keys()) this.enabled.event.add(event)
    this.record.clear()
    this.door = mask.length === 0 ? "none" : door
    this.mask = mask
    if (door === "async") {
      for (const event of allEvents) this.enabled.async.add(event)
      if (facts.attempt !== undefined) this.enabled.async.delete("FD_CONNECT")
    }
    this.look(facts)
  }

  /** WSAEnumNetworkEvents: what was recorded, as `name:code`. */
  enumerate(reset: boolean): ReadonlyArray<string> {
    const recorded = allEvents.filter((event) => this.record.has(event)).map((event) =>
      `${event}:${this.record.get(event)}`
    )
    this.record.clear()
    if (reset) this.signaled = false
    return recorded
  }

  /** A06: what an accepted socket tells, by the same door. */
  accepted(): ReadonlyArray<string> {
    const told = this.door !== "none" && this.mask.includes("FD_WRITE") ? ["FD_WRITE:none"] : []
    if (this.door === "async") this.posted.push(...told.map((event) => `accepted ${event}`))
    else if (told.length > 0) this.signaled = true
    return this.door === "event" ? told : []
  }
}
