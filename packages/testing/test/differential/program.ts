/**
 * Programs over the calls, as data: so that the same one can be run in several worlds, made smaller, and printed.
 *
 * A program names its sockets `a` to `h`. Every step has a meaning whatever came before it (a call on a socket that is
 * not there is a call that is not made), so that any step can be left out of a program.
 */
import { Dice } from "../utils/dice.ts"

export type Family = "IPv4" | "IPv6" | "Unix"
export const slots = ["a", "b", "c", "d", "e", "f", "g", "h"] as const
export type Slot = (typeof slots)[number]

/** An address, as a program can say it: no port and no path is the same in two worlds. */
export type Where =
  /** An address of this machine whose port is chosen, or a path of its own. */
  | { readonly at: "any"; readonly host: string }
  | { readonly at: "path"; readonly number: number }
  /** What the socket is called, or was when that was last seen. */
  | { readonly at: "socket"; readonly s: Slot }
  /** Nobody is there. */
  | { readonly at: "nobody"; readonly family: Family }
  | { readonly at: "text"; readonly text: string }

export type Verdict = "accept" | "reject" | "defer"
export type Flag =
  | "SO_BROADCAST"
  | "SO_REUSEADDR"
  | "SO_EXCLUSIVEADDRUSE"
  | "SO_KEEPALIVE"
  | "TCP_NODELAY"
  | "IPV6_V6ONLY"
export type Probe =
  | "getsockname"
  | "getpeername"
  | "send"
  | "recv"
  | "connect"
  | "connectResult"
  | "shutdown"

export const events = ["FD_READ", "FD_WRITE", "FD_ACCEPT", "FD_CONNECT", "FD_CLOSE"] as const
export type Event = (typeof events)[number]

export type Step =
  | { readonly op: "socket"; readonly s: Slot; readonly family: Family; readonly type: "stream" | "datagram" }
  | { readonly op: "bind"; readonly s: Slot; readonly to: Where }
  | { readonly op: "listen"; readonly s: Slot; readonly backlog: number }
  | { readonly op: "connect"; readonly s: Slot; readonly to: Where }
  | { readonly op: "WSAConnectByList"; readonly s: Slot; readonly first: Where; readonly to: Where }
  /** A non-blocking connect, and calls on the socket before anything has come of it. */
  | { readonly op: "attempt"; readonly s: Slot; readonly to: Where; readonly probes: ReadonlyArray<Probe> }
  | { readonly op: "connectResult"; readonly s: Slot; readonly wait: boolean }
  | { readonly op: "accept"; readonly s: Slot; readonly as: Slot; readonly verdict: Verdict | undefined }
  | { readonly op: "send"; readonly s: Slot; readonly bytes: number }
  | { readonly op: "sendto"; readonly s: Slot; readonly bytes: number; readonly to: Where }
  | {
    readonly op: "recv" | "recvfrom"
    readonly s: Slot
    readonly bytes: number
    readonly peek: boolean
  }
  /** Sends more than any buffer holds, while the peer receives. */
  | { readonly op: "transfer"; readonly s: Slot; readonly as: Slot; readonly bytes: number }
  | { readonly op: "shutdown"; readonly s: Slot; readonly how: "send" | "receive" | "both" }
  | { readonly op: "closesocket"; readonly s: Slot }
  | { readonly op: "setsockopt"; readonly s: Slot; readonly option: Flag; readonly on: boolean }
  | { readonly op: "linger"; readonly s: Slot; readonly seconds: number | undefined }
  | { readonly op: "patience"; readonly s: Slot; readonly millis: number }
  | { readonly op: "nonBlocking"; readonly s: Slot; readonly on: boolean }
  | { readonly op: "select"; readonly s: Slot; readonly sets: ReadonlyArray<"read" | "write" | "except"> }
  | { readonly op: "WSAEventSelect" | "WSAAsyncSelect"; readonly s: Slot; readonly mask: ReadonlyArray<Event> }
  | { readonly op: "WSAEnumNetworkEvents"; readonly s: Slot; readonly reset: boolean }
  /** Interrupts the call on the socket that has waited longest. */
  | { readonly op: "interrupt"; readonly s: Slot }

export type Program = ReadonlyArray<Step>

// ---------------------------------------------------------------------------------------------------------------------
// Words
// ---------------------------------------------------------------------------------------------------------------------

export const printWhere = (where: Where): string => {
  switch (where.at) {
    case "any":
      return where.host
    case "path":
      return `path ${where.number}`
    case "socket":
      return where.s
    case "nobody":
      return `nobody (${where.family})`
    case "text":
      return where.text
  }
}

export const printStep = (step: Step): string => {
  const { op, s } = step
  const rest = (): string => {
    switch (step.op) {
      case "socket":
        return `, ${step.family} ${step.type}`
      case "bind":
      case "connect":
        return ` to ${printWhere(step.to)}`
      case "WSAConnectByList":
        return ` to ${printWhere(step.first)}, or else ${printWhere(step.to)}`
      case "attempt":
        return ` to ${printWhere(step.to)}, meanwhile ${step.probes.join(", ")}`
      case "listen":
        return `, backlog ${step.backlog}`
      case "connectResult":
        return step.wait ? ", waiting" : ""
      case "accept":
        return ` as ${step.as}${step.verdict === undefined ? "" : `, condition: ${step.verdict}`}`
      case "send":
        return ` ${step.bytes} bytes`
      case "sendto":
        return ` ${step.bytes} bytes to ${printWhere(step.to)}`
      case "recv":
      case "recvfrom":
        return ` up to ${step.bytes} bytes${step.peek ? ", peeking" : ""}`
      case "transfer":
        return ` ${step.bytes} bytes to ${step.as}`
      case "shutdown":
        return ` ${step.how}`
      case "setsockopt":
        return ` ${step.option} ${step.on}`
      case "linger":
        return ` ${step.seconds === undefined ? "off" : `${step.seconds} s`}`
      case "patience":
        return ` ${step.millis} ms`
      case "nonBlocking":
        return ` ${step.on}`
      case "select":
        return ` ${step.sets.join(", ")}`
      case "WSAEventSelect":
      case "WSAAsyncSelect":
        return ` ${step.mask.join("|") || "nothing"}`
      case "WSAEnumNetworkEvents":
        return step.reset ? ", resetting its event object" : ""
      case "closesocket":
      case "interrupt":
        return ""
    }
  }
  return `${op} ${s}${rest()}`
}

export const print = (program: Program): string =>
  program.map((step, i) => `${String(i + 1).padStart(4)}  ${printStep(step)}`).join("\n")

// ---------------------------------------------------------------------------------------------------------------------
// Chance
// ---------------------------------------------------------------------------------------------------------------------

const hosts: Record<Exclude<Family, "Unix">, ReadonlyArray<string>> = {
  IPv4: ["127.0.0.1:0", "127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0", "0.0.0.0:0"],
  IPv6: ["[::1]:0", "[::1]:0", "[::]:0"]
}

/** What the generator takes a socket for; the calls may see it otherwise. */
interface Guess {
  readonly type: "stream" | "datagram"
  readonly family: Family
  state: "fresh" | "bound" | "listening" | "connected" | "closed"
  /** Who waits to be accepted. */
  readonly callers: Array<Slot>
  /** Who is at the other end. */
  peer: Slot | undefined
  /** Something has been sent to it. */
  unread: boolean
  /** Events were asked for. */
  asked: boolean
}

const guess = (family: Family, type: Guess["type"], state: Guess["state"], peer?: Slot): Guess => ({
  family,
  type,
  state,
  callers: [],
  peer,
  unread: false,
  asked: false
})

/** Writes programs that mostly make sense, and sometimes none. */
class Writer {
  readonly program: Array<Step> = []
  private readonly guesses = new Map<Slot, Guess>()
  private readonly families: ReadonlyArray<Family>
  private readonly datagrams: number
  private readonly dice: Dice
  private paths = 0

  constructor(dice: Dice) {
    this.dice = dice
    this.families = dice.pick<ReadonlyArray<Family>>([
      ["IPv4"],
      ["IPv4"],
      ["IPv4"],
      ["IPv6"],
      ["Unix"],
      ["Unix"],
      ["IPv4", "IPv6"],
      ["IPv4", "Unix"]
    ])
    this.datagrams = dice.pick([0, 0, 30, 100])
  }

  add(step: Step): void {
    this.program.push(step)
  }

  /** A slot whose socket is thought to be so; any other, now and then. */
  private one(...states: ReadonlyArray<Guess["state"]>): Slot | undefined {
    const all = [...this.guesses.keys()]
    if (all.length === 0) return undefined
    if (this.dice.chance(4)) return this.dice.pick(all)
    const fit = all.filter((s) => states.includes(this.guesses.get(s)!.state))
    return fit.length === 0 ? undefined : this.dice.pick(fit)
  }

  private open(): Slot | undefined {
    return slots.find((s) => (this.guesses.get(s)?.state ?? "closed") === "closed")
  }

  private stranger(family: Family): Where {
    return this.dice.pick<Where>([
      { at: "nobody", family },
      { at: "nobody", family },
      { at: "nobody", family },
      { at: "text", text: family === "IPv6" ? "[::]:0" : "0.0.0.0:0" },
      { at: "text", text: "127.0.0.1:0" },
      { at: "text", text: "0.0.0.0:9" },
      { at: "text", text: "[::ffff:127.0.0.1]:9" },
      { at: "text", text: "nonsense" },
      { at: "nobody", family: this.dice.pick<Family>(["IPv4", "IPv6", "Unix"]) }
    ])
  }

  private local(family: Family): Where {
    if (this.dice.chance(4)) return { at: "text", text: family === "IPv6" ? "[2001:db8::1]:0" : "192.0.2.1:0" }
    if (this.dice.chance(8)) {
      const s = this.one("bound", "listening", "connected", "closed")
      if (s !== undefined) return { at: "socket", s }
    }
    if (family === "Unix") return { at: "path", number: this.dice.chance(10) ? 0 : ++this.paths }
    return { at: "any", host: this.dice.pick(hosts[family]) }
  }

  private socket(): void {
    const s = this.open()
    if (s === undefined) return this.close()
    const { dice } = this
    const family = dice.pick(this.families)
    const type = family !== "Unix" && dice.chance(this.datagrams) ? "datagram" : "stream"
    this.add({ op: "socket", s, family, type })
    this.guesses.set(s, guess(family, type, "fresh"))
    if (dice.chance(15)) this.add(this.anyOption(s))
    if (dice.chance(12)) this.ask(s)
    const callable = [...this.guesses.values()].some((other) =>
      other.family === family && other.type === type && other.state === (type === "stream" ? "listening" : "bound")
    )
    if (dice.chance(type === "datagram" ? 75 : callable ? 15 : 85)) {
      this.bind(s)
      if (type === "stream" && dice.chance(90)) this.listen(s)
    } else if (dice.chance(callable ? 80 : 15)) {
      this.connect(s)
    }
  }

  private bind(s: Slot): void {
    const own = this.guesses.get(s)!
    this.add({ op: "bind", s, to: this.local(own.family) })
    if (own.state === "fresh") own.state = "bound"
  }

  private listen(s: Slot): void {
    const own = this.guesses.get(s)!
    this.add({ op: "listen", s, backlog: this.dice.chance(8) ? this.dice.pick([1, 2]) : 100 })
    if (own.state === "bound" && own.type === "stream") own.state = "listening"
  }

  private target(s: Slot): Where {
    const { family, type } = this.guesses.get(s)!
    if (this.dice.chance(10)) return this.stranger(family)
    const fit = [...this.guesses].filter(([name, other]) =>
      name !== s && other.family === family && other.type === type &&
      (type === "datagram" ? other.state !== "fresh" : other.state === "listening")
    )
    if (fit.length === 0) return this.stranger(family)
    if (this.dice.chance(4)) return { at: "socket", s: this.dice.pick([...this.guesses.keys()]) }
    return { at: "socket", s: this.dice.pick(fit)[0] }
  }

  private connect(s: Slot): void {
    const { dice } = this
    const own = this.guesses.get(s)!
    const to = this.target(s)
    const other = to.at === "socket" ? this.guesses.get(to.s) : undefined
    if (dice.chance(20)) {
      const all: ReadonlyArray<Probe> = [
        "getsockname",
        "getpeername",
        "send",
        "recv",
        "connect",
        "connectResult",
        "shutdown"
      ]
      // Each once: two sends at one time may arrive as one.
      const probes = [...new Set([1, 2, 3].map(() => dice.pick(all)))]
      this.add({ op: "attempt", s, to, probes })
    } else if (dice.chance(6)) {
      this.add({ op: "WSAConnectByList", s, first: this.stranger(own.family), to })
    } else {
      this.add({ op: "connect", s, to })
      if (dice.chance(10)) this.add({ op: "connectResult", s, wait: dice.chance(50) })
    }
    if (own.state === "listening" || own.state === "connected") return
    if (own.type === "datagram") {
      own.state = "connected"
    } else if (other?.state === "listening") {
      own.state = "connected"
      other.callers.push(s)
      if (dice.chance(70)) this.accept((to as { readonly s: Slot }).s)
    }
  }

  private accept(s: Slot): void {
    const as = this.open()
    if (as === undefined) return this.close()
    const listener = this.guesses.get(s)!
    const verdict = this.dice.chance(20)
      ? this.dice.pick<Verdict>(["accept", "accept", "reject", "defer"])
      : undefined
    this.add({ op: "accept", s, as, verdict })
    if (listener.callers.length === 0 || verdict === "defer") return
    const caller = listener.callers.shift()!
    if (verdict === "reject") return
    this.guesses.set(as, guess(listener.family, "stream", "connected", caller))
    this.guesses.get(caller)!.peer = as
  }

  private close(): void {
    const s = this.one("fresh", "bound", "connected", "connected", "connected", "listening")
    if (s === undefined) return
    this.add({ op: "closesocket", s })
    this.guesses.get(s)!.state = "closed"
  }

  private anyOption(s: Slot): Step {
    const { dice } = this
    const flags: ReadonlyArray<Flag> = [
      "SO_BROADCAST",
      "SO_REUSEADDR",
      "SO_EXCLUSIVEADDRUSE",
      "SO_KEEPALIVE",
      "TCP_NODELAY",
      "IPV6_V6ONLY"
    ]
    return dice.pick<() => Step>([
      () => ({ op: "setsockopt", s, option: dice.pick(flags), on: dice.chance(60) }),
      () => ({ op: "linger", s, seconds: dice.pick([undefined, 0, 0, 1]) }),
      () => ({ op: "patience", s, millis: dice.pick([0, 5]) }),
      () => ({ op: "nonBlocking", s, on: dice.chance(70) })
    ])()
  }

  private exchange(s: Slot): void {
    const { dice } = this
    const own = this.guesses.get(s)!
    const { peer, type } = own
    const bytes = dice.pick([0, 1, 5, 100, 100, 1000])
    const room = dice.pick([0, 1, 10, 1000, 65_536, 65_536])
    const receive = (): void => {
      own.unread = dice.chance(50)
      const op = dice.chance(type === "datagram" ? 60 : 15) ? "recvfrom" : "recv"
      this.add({ op, s, bytes: room, peek: dice.chance(15) })
    }
    const chance = dice.below(100)
    if (own.unread ? chance < 75 : chance < 15) return receive()
    if (type === "datagram" && (own.state === "bound" || chance < 50)) {
      const to = this.target(s)
      if (to.at === "socket") this.guesses.get(to.s)!.unread = true
      return this.add({ op: "sendto", s, bytes, to })
    }
    if (peer !== undefined && chance > 90) {
      return this.add({ op: "transfer", s, as: peer, bytes: dice.pick([70_000, 300_000]) })
    }
    if (peer !== undefined) this.guesses.get(peer)!.unread = true
    this.add({ op: "send", s, bytes })
  }

  /** A socket that can be expected to send and receive. */
  private talker(): Slot | undefined {
    const s = this.one("connected", "bound")
    return s !== undefined && this.guesses.get(s)!.type === "stream" ? this.one("connected") : s
  }

  /** Asks for events. */
  private ask(s: Slot): void {
    const { dice } = this
    const mask = dice.chance(40) ? events : events.filter(() => dice.chance(60))
    this.add({ op: dice.pick(["WSAEventSelect", "WSAAsyncSelect"]), s, mask })
    this.guesses.get(s)!.asked = true
  }

  private watch(s: Slot): void {
    const { dice } = this
    const chance = dice.below(100)
    if (chance < 30) {
      const sets = (["read", "write", "except"] as const).filter(() => dice.chance(60))
      this.add({ op: "select", s, sets })
    } else if (this.guesses.get(s)!.asked && chance < 80) {
      this.add({ op: "WSAEnumNetworkEvents", s, reset: dice.chance(50) })
    } else {
      this.ask(s)
    }
  }

  step(): void {
    const { dice } = this
    const chance = dice.below(100)
    if (this.guesses.size < 3 || chance < 12) return this.socket()
    const on = (s: Slot | undefined, f: (s: Slot) => void): void => void (s !== undefined && f(s))
    if (chance < 52) return on(this.talker(), (s) => this.exchange(s))
    if (chance < 62) return on(this.one("fresh", "bound"), (s) => this.connect(s))
    if (chance < 68) {
      const called = [...this.guesses].filter(([, { callers, state }]) => state === "listening" && callers.length > 0)
      if (called.length > 0) return this.accept(dice.pick(called)[0])
      if (dice.chance(60)) return
      return on(this.one("listening"), (s) => this.accept(s))
    }
    if (chance < 70) return on(this.one("fresh"), (s) => this.bind(s))
    if (chance < 71) return on(this.one("bound"), (s) => this.listen(s))
    if (chance < 80) return on(this.one("listening", "connected"), (s) => this.watch(s))
    if (chance < 85) return on(this.one("fresh", "bound", "listening", "connected"), (s) => this.add(this.anyOption(s)))
    if (chance < 89) {
      return on(
        this.one("connected"),
        (s) => this.add({ op: "shutdown", s, how: dice.pick(["send", "send", "receive", "both"]) })
      )
    }
    if (chance < 92) return on(this.one("connected"), (s) => this.connect(s))
    if (chance < 95) return on(this.one("connected", "listening", "bound"), (s) => this.add({ op: "interrupt", s }))
    return this.close()
  }
}

/** The program of a seed: 5 to 60 steps. */
export const generate = (seed: number): Program => {
  const dice = new Dice(seed)
  const length = 5 + dice.below(dice.pick([15, 30, 56]))
  const writer = new Writer(dice)
  while (writer.program.length < length) writer.step()
  return writer.program.slice(0, length)
}
