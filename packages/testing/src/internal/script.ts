/**
 * The other side of a script: who answers attempts as they are written down, and holds what comes against what is
 * expected. It is plain callbacks on a provider, so that it needs no fiber, and answers in the event that it answers.
 */
import * as Provider from "@effect-winsock/core/Provider"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Script from "../Script.ts"
import type { Engine, Timer } from "../Sim.ts"
import type { Meeting, Network } from "../SimNetwork.ts"
import { type Address, placeOf } from "./addresses.ts"
import { decode } from "./text.ts"

const nothing = () => {}

const silent: Provider.Sink = {
  issued: nothing,
  connected: nothing,
  listening: nothing,
  incoming: (request) => request.reject(),
  data: () => 0,
  datagram: () => 0,
  sent: nothing,
  drained: nothing,
  ended: nothing,
  soft: nothing,
  qosChanged: nothing,
  broken: nothing,
  closed: nothing
}

/** How long a program may go on after something came that was not expected. */
const grace = 10_000_000

/** How long what is still to be said on a connection is waited for, when the program has ended. */
const patience = "1 hour"

const credit = 1 << 20
const noBytes = new Uint8Array(0)
const longest = 60

const micros = (duration: Duration.Input): number =>
  Math.round(Duration.toMillis(Duration.fromInputUnsafe(duration)) * 1000)

const formatMicros = (time: number): string => Duration.format(Duration.micros(BigInt(time)))

/** Bytes as text in quotes where they are text, and in hexadecimal digits where not. */
export const formatBytes = (bytes: Uint8Array): string => {
  const part = bytes.subarray(0, longest)
  const more = bytes.length > longest ? `… (${bytes.length} bytes)` : ""
  const text = decode(part)
  // what a terminal would not show, and what was no text
  const strange = /[^\P{C}\r\n\t]|\ufffd/u.test(text)
  return (strange ? Array.from(part, (byte) => byte.toString(16).padStart(2, "0")).join(" ") : JSON.stringify(text)) +
    more
}

const describeLine = (line: Script.Line): string => {
  switch (line._tag) {
    case "Expects":
      return formatBytes(line.bytes)
    case "ExpectsEnd":
      return "the end"
    case "Sends":
      return `to send ${formatBytes(line.bytes)}`
    case "Ends":
      return "to end"
    case "Resets":
      return "to reset"
  }
}

const describeStep = ({ after, outcome }: Script.Step): string => {
  const what = outcome === "silence" ? "silence" : outcome
  return after === undefined ? what : `${what} after ${Duration.format(Duration.fromInputUnsafe(after))}`
}

const startsWith = (bytes: Uint8Array, start: Uint8Array): boolean => {
  const length = Math.min(bytes.length, start.length)
  for (let index = 0; index < length; index++) if (bytes[index] !== start[index]) return false
  return true
}

const joined = (first: Uint8Array, second: Uint8Array): Uint8Array => {
  const all = new Uint8Array(first.length + second.length)
  all.set(first)
  all.set(second, first.length)
  return all
}

/** What is said on one connection. */
class Conversation {
  private readonly script: Running
  private readonly place: string
  private readonly lines: ReadonlyArray<Script.Line>
  private handle: Provider.Handle | undefined
  private next = 0
  /** Since when the next line is the next one. */
  private since = 0
  private received: Uint8Array = noBytes
  /** How many of the bytes that the next line expects have come. */
  private matched = 0
  private atEnd = false
  private writing = false
  private timer: Timer | undefined
  private entered = -1
  private waiting = -1
  over = false

  constructor(script: Running, place: string, lines: ReadonlyArray<Script.Line>) {
    this.script = script
    this.place = place
    this.lines = lines
  }

  private where(): string {
    const { length } = this.lines
    if (length === 0) return this.place
    return `${this.place}, ${this.next < length ? `line ${this.next + 1} of ${length}` : `after line ${length}`}`
  }

  /** What of it was never said. */
  pending(): ReadonlyArray<string> {
    const line = this.lines[this.next]
    if (line === undefined || this.over) return []
    const came = line._tag === "Expects" && this.matched > 0
      ? `only ${formatBytes(line.bytes.subarray(0, this.matched))} came`
      : "it never came to that"
    return [`${this.where()}: expected ${describeLine(line)}, and ${came}`]
  }

  accept(request: Provider.Incoming): void {
    const handle = request.accept({
      ...silent,
      data: (bytes) => {
        this.received = joined(this.received, bytes)
        this.goOn()
        return credit
      },
      drained: () => {
        this.writing = false
        this.goOn()
      },
      ended: () => {
        this.atEnd = true
        this.goOn()
      },
      broken: ({ code }) => this.cameToNothing(code)
    }, undefined)
    if (Provider.isFailure(handle)) return this.cameToNothing(handle.code)
    this.handle = handle
    handle.read(credit)
    this.goOn()
  }

  /** The connection is gone. It may be, once everything was said. */
  cameToNothing(why: string): void {
    const line = this.lines[this.next]
    if (!this.over && line !== undefined) this.differs(describeLine(line), why)
    this.end("reset")
  }

  end(how: "graceful" | "reset"): void {
    if (this.over) return
    this.over = true
    if (this.timer !== undefined) this.script.engine.cancel(this.timer)
    this.handle?.close(how)
    this.script.ended()
  }

  private differs(expected: string, came: string): void {
    this.script.mismatch(this.where(), expected, came)
    this.end("reset")
  }

  private goOn(): void {
    while (!this.over && !this.writing && this.timer === undefined) {
      const line = this.lines[this.next]
      if (line === undefined) return this.afterLast()
      if (this.entered !== this.next) this.enter(line)
      else if (!this.say(line)) return this.waits(line)
    }
  }

  /** Says once what it waits for: where nobody says more, it is what a report is looked at for. */
  private waits(line: Script.Line): void {
    if (this.over || this.waiting === this.next) return
    this.waiting = this.next
    this.script.note(this.where(), `waits for ${describeLine(line)}`)
  }

  /** A line becomes the next one; some wait before they are said. */
  private enter(line: Script.Line): void {
    const { engine } = this.script
    this.entered = this.next
    this.since = engine.now()
    const after = line._tag === "Expects" || line._tag === "ExpectsEnd" ? undefined : line.after
    if (after === undefined) return
    this.timer = engine.at(engine.now() + micros(after), () => {
      this.timer = undefined
      this.goOn()
    })
  }

  private afterLast(): void {
    if (this.received.length > 0) return this.differs("nothing more", formatBytes(this.received))
    if (this.atEnd) this.end("graceful")
  }

  /** Whether it is done with the line. */
  private say(line: Script.Line): boolean {
    switch (line._tag) {
      case "Expects":
        return this.expect(line)
      case "ExpectsEnd":
        return this.expectEnd(line)
      case "Sends":
        return this.done(() => this.write(line.bytes))
      case "Ends":
        return this.done(() => void this.handle?.shutdownSend())
      case "Resets":
        return this.done(() => this.end("reset"))
    }
  }

  private expect(line: Script.Expectation & { readonly _tag: "Expects" }): boolean {
    const { matched, received } = this
    const { bytes } = line
    const rest = bytes.subarray(matched)
    const come = () => formatBytes(joined(bytes.subarray(0, matched), received))
    if (!startsWith(received, rest)) return this.refuse(line, come())
    if (received.length < rest.length) {
      if (this.atEnd) return this.refuse(line, matched + received.length === 0 ? "the end" : `${come()} and the end`)
      this.matched += received.length
      this.received = noBytes
      return false
    }
    if (this.late(line)) return false
    return this.done(() => {
      this.matched = 0
      this.received = received.subarray(rest.length)
    })
  }

  private expectEnd(line: Script.Expectation): boolean {
    if (this.received.length > 0) return this.refuse(line, formatBytes(this.received))
    return this.atEnd && !this.late(line) && this.done(nothing)
  }

  private refuse(line: Script.Line, came: string): false {
    this.differs(describeLine(line), came)
    return false
  }

  private late(line: Script.Expectation): boolean {
    const took = this.script.engine.now() - this.since
    if (line.within === undefined || took <= micros(line.within)) return false
    this.differs(
      `${describeLine(line)} within ${Duration.format(Duration.fromInputUnsafe(line.within))}`,
      `after ${formatMicros(took)}`
    )
    return true
  }

  private write(bytes: Uint8Array): void {
    const left = this.handle!.write(bytes)
    if (Provider.isFailure(left)) this.cameToNothing(left.code)
    else this.writing = left > 0
  }

  private done(act: () => void): boolean {
    const line = this.lines[this.next]!
    this.script.note(this.where(), line._tag, "bytes" in line ? formatBytes(line.bytes) : undefined)
    this.next++
    act()
    return true
  }
}

/** The script of one address, while it runs. */
class Running {
  readonly engine: Engine
  private readonly address: string
  private readonly steps: ReadonlyArray<Script.Step>
  private readonly stage: Stage
  private readonly takeBack: () => void
  private readonly listener: Provider.Handle
  private readonly faults: Array<string> = []
  /** Conversations that have begun or are about to, by their step. */
  private readonly conversations = new Map<number, Conversation>()
  /** The same, by the caller; those from a path have no names. */
  private readonly callers = new Map<string, ReadonlyArray<Conversation>>()
  private openConversations = 0
  private met = 0
  /** When an attempt was last over. */
  private lastEnd: number

  constructor(stage: Stage, net: Network, host: string, address: Address, steps: ReadonlyArray<Script.Step>) {
    const { engine } = stage
    this.stage = stage
    this.engine = engine
    this.address = SocketAddress.format(address)
    this.steps = steps
    this.lastEnd = engine.now()
    this.listener = this.listen(net.provider(host), address)
    this.takeBack = net.meet(address, (from) => this.meets(from))
    engine.check(`script of ${this.address}`, () => this.leftovers())
  }

  private listen(provider: Provider.Provider, address: Address): Provider.Handle {
    const sink = { ...silent, incoming: (request: Provider.Incoming) => this.incoming(request) }
    const handle = provider.open({ family: SocketAddress.familyOf(address), type: "stream", direction: "both" }, sink)
    if (Provider.isFailure(handle)) throw new Error(`script of ${this.address}: ${handle.code}`)
    const bound = handle.bind(address, { reuse: false, v6Only: true })
    const listening = Provider.isFailure(bound)
      ? bound
      : handle.listen({ backlog: this.steps.length + 1, local: bound, keepLocalPort: false })
    if (Provider.isFailure(listening)) throw new Error(`script of ${this.address}: ${listening.code}`)
    return handle
  }

  get open(): boolean {
    return this.openConversations > 0
  }

  ended(): void {
    this.openConversations--
    this.stage.settled()
  }

  close(): void {
    this.takeBack()
    this.listener.close("graceful")
    for (const one of this.conversations.values()) {
      this.faults.push(...one.pending())
      one.end("reset")
    }
  }

  note(place: string, what: string, bytes?: string): void {
    this.engine.note({ kind: `script ${what}`, place, bytes })
  }

  mismatch(place: string, expected: string, came: string): void {
    this.faults.push(`${place}: expected ${expected}, came ${came}`)
    this.engine.note({ kind: "script differs", place, expected, came })
    this.stage.fails({ address: this.address, place, expected, came })
  }

  private place(index: number): string {
    return `attempt ${index + 1} of ${this.steps.length}`
  }

  /** What the next attempt meets. */
  private meets(from: Address): Meeting {
    const index = this.met++
    const step = this.steps[index]
    const caller = SocketAddress.format(from)
    if (step === undefined) {
      this.mismatch(`attempt ${index + 1}`, this.steps.length === 0 ? "none" : "no more", `one from ${caller}`)
      return { outcome: "WSAECONNREFUSED" }
    }
    const waited = this.engine.now() - this.lastEnd
    if (step.within !== undefined && waited > micros(step.within)) {
      const within = Duration.format(Duration.fromInputUnsafe(step.within))
      const since = index === 0 ? "" : " of the one before"
      this.mismatch(this.place(index), `within ${within}${since}`, `after ${formatMicros(waited)}`)
    }
    this.note(this.place(index), `meets ${describeStep(step)}`)
    if (step.outcome === "accepted") {
      const conversation = new Conversation(this, this.place(index), step.lines)
      this.conversations.set(index, conversation)
      this.openConversations++
      this.callers.set(caller, [...this.expected(caller), conversation])
    }
    const outcome = step.outcome === "accepted"
      ? "listener"
      : step.outcome === "silence" && step.after !== undefined
      ? "WSAETIMEDOUT"
      : step.outcome
    return {
      outcome,
      after: step.after,
      ended: (how) => {
        this.lastEnd = this.engine.now()
        const conversation = this.conversations.get(index)
        if (conversation !== undefined && how !== "established") {
          conversation.cameToNothing(how ?? "nothing: the caller gave up")
        }
      }
    }
  }

  private incoming(request: Provider.Incoming): void {
    const caller = SocketAddress.format(request.remote)
    const [conversation, ...rest] = this.expected(caller)
    this.callers.set(caller, rest)
    if (conversation === undefined) request.reject()
    else conversation.accept(request)
  }

  private expected(caller: string): ReadonlyArray<Conversation> {
    return (this.callers.get(caller) ?? []).filter(({ over }) => !over)
  }

  private leftovers(): ReadonlyArray<string> {
    const never = this.steps.slice(this.met).map((step, index) =>
      `${this.place(this.met + index)} never came; it was to meet ${describeStep(step)}`
    )
    const unsaid = Array.from(this.conversations.values()).flatMap((one) => one.pending())
    return [...this.faults, ...unsaid, ...never]
  }
}

/** What is not as it was written. */
export interface Difference {
  readonly address: string
  readonly place: string
  readonly expected: string
  readonly came: string
}

/** All scripts of a program. */
export class Stage {
  readonly engine: Engine
  private readonly scripts: Array<Running> = []
  private timer: Timer | undefined
  private onSettled: (() => void) | undefined
  private readonly errorOf: (difference: Difference) => Error

  constructor(engine: Engine, errorOf: (difference: Difference) => Error) {
    this.engine = engine
    this.errorOf = errorOf
  }

  add(net: Network, host: string, address: Address, steps: ReadonlyArray<Script.Step>): void {
    this.scripts.push(new Running(this, net, host, address, steps))
  }

  /**
   * The check at the end of the run tells it. But the program may go on for ever, since nothing comes to it that it waits
   * for.
   */
  fails(difference: Difference): void {
    this.timer ??= this.engine.at(this.engine.now() + grace, () => {
      throw this.errorOf(difference)
    })
  }

  settled(): void {
    if (this.onSettled !== undefined && !this.scripts.some(({ open }) => open)) this.onSettled()
  }

  /** Lets what is on its way arrive; the program's sockets are closed by now. */
  readonly end: Effect.Effect<void> = Effect.callback<void>((resume) => {
    this.onSettled = () => resume(Effect.void)
    this.settled()
  }).pipe(
    Effect.timeoutOption(patience),
    Effect.andThen(Effect.sync(() => {
      if (this.timer !== undefined) this.engine.cancel(this.timer)
      for (const script of this.scripts) script.close()
    }))
  )
}

/** The host that has the address: a loopback address and a path are the program's own host's. */
export const hostOf = (address: Address, own: string): string => {
  const { host } = placeOf(address)
  return host.startsWith("unix:") || host.startsWith("127.") || host === "::1" ? own : host
}
