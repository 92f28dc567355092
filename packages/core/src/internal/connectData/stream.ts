/**
 * A stream socket over lines of the provider below: each attempt to connect that got through, and was not accepted, costs
 * it its line, and the next one has another from the same address.
 */
import * as Provider from "../../Provider.ts"
import type * as SocketAddress from "../../SocketAddress.ts"
import * as Frames from "../exchangeFrames.ts"
import { type Caller, type Listener, receive } from "./caller.ts"
import { type Deadline, type Deadlines, soon } from "./deadlines.ts"
import { Gather } from "./gather.ts"
import { type Line, openLine, type User } from "./line.ts"
import * as Speech from "./speech.ts"

const notSocket = Provider.failure("WSAENOTSOCK")
const notSupported = Provider.failure("WSAEOPNOTSUPP")
const notConnected = Provider.failure("WSAENOTCONN")

/** What all sockets of a provider have in common. */
export interface Shared {
  readonly settings: Speech.Settings
  readonly provider: Provider.Provider
  readonly headers: Deadlines
  readonly replies: Deadlines
  /** How many of them have not given everything back. */
  streams: number
}

interface Attempt {
  readonly plan: Provider.ConnectPlan
  /** There is a connection below. */
  met: boolean
  /** Reads the reply, once the connection below is there. */
  gather: Gather<Frames.Reply> | undefined
  deadline: Deadline | undefined
  /** The reply came before the provider below was done with the header. */
  calleeData: Uint8Array | undefined
}

interface Bound {
  readonly local: SocketAddress.SocketAddress
  readonly options: Provider.BindOptions
}

export class Stream implements Provider.Handle, User, Listener {
  readonly sink: Provider.Sink
  private readonly shared: Shared
  private readonly kind: Provider.Kind
  private line: Line | undefined
  /** Lines that have not given everything back. */
  private lines = 0
  private attempt: Attempt | undefined
  private isOpen = false
  private closing = false
  private credit = 0
  private bound: Bound | undefined
  private options: Map<Provider.ProviderOption, boolean> | undefined
  /** The local address of the last attempt that has cost its line. */
  private name: SocketAddress.SocketAddress | undefined
  private listened: { readonly callers: Set<Caller>; readonly reading: Set<Caller> } | undefined

  static open(shared: Shared, kind: Provider.Kind, sink: Provider.Sink): Stream | Provider.Failure {
    const stream = new Stream(shared, kind, sink)
    const failure = stream.renew()
    if (failure !== undefined) return failure
    shared.streams++
    return stream
  }

  private constructor(shared: Shared, kind: Provider.Kind, sink: Provider.Sink) {
    this.shared = shared
    this.kind = kind
    this.sink = sink
  }

  /** Opens a line where there is none, as the last one was. */
  private renew(): Provider.Failure | undefined {
    if (this.line !== undefined) return undefined
    const line = openLine(this.shared.provider, this.kind, this)
    if (Provider.isFailure(line)) return line
    this.lines++
    for (const [option, value] of this.options ?? []) line.handle.setOption(option, value)
    const local = this.bound === undefined ? undefined : line.handle.bind(this.bound.local, this.bound.options)
    if (local !== undefined && Provider.isFailure(local)) {
      line.leave("reset")
      return local
    }
    this.line = line
    return undefined
  }

  /** R26: the socket is left as one whose attempt was refused. */
  private giveUp(line: Line): void {
    this.name = line.handle.local()
    this.line = undefined
    this.endAttempt()
    line.leave("reset")
    // What was bound by name is held; where that cannot be done now, the next attempt tries again, and tells.
    if (this.bound !== undefined) this.renew()
  }

  private endAttempt(): Provider.ConnectPlan | undefined {
    const { attempt } = this
    this.attempt = undefined
    this.shared.replies.end(attempt?.deadline)
    return attempt?.plan
  }

  // -- what it is asked -----------------------------------------------------------------------------------------------

  bind(
    local: SocketAddress.SocketAddress,
    options: Provider.BindOptions
  ): SocketAddress.SocketAddress | Provider.Failure {
    if (this.closing) return notSocket
    const failure = this.renew()
    if (failure !== undefined) return failure
    const answer = this.line!.handle.bind(local, options)
    if (!Provider.isFailure(answer)) this.bound = { local: answer, options }
    return answer
  }

  connect(plan: Provider.ConnectPlan): Provider.Established | Provider.Failure | Provider.Pending {
    if (this.closing) return notSocket
    if (this.attempt !== undefined) return Provider.failure("WSAEALREADY")
    if (this.isOpen) return Provider.failure("WSAEISCONN")
    const failure = this.renew()
    if (failure !== undefined) return failure
    const { handle } = this.line!
    // Before there is a connection, so that nothing that the peer says and does at once is missed.
    const credit = this.asks ? Frames.replyOverhead : this.credit
    if (credit > 0) handle.read(credit)
    const answer = handle.connect({
      ...plan,
      callerData: undefined,
      calleeCapacity: 0,
      sqos: undefined,
      gqos: undefined
    })
    if (Provider.isFailure(answer)) return answer
    // R27: the caller may write over its data once the call has returned.
    const callerData = plan.callerData === undefined ? undefined : new Uint8Array(plan.callerData)
    this.attempt = {
      plan: { ...plan, callerData },
      met: false,
      gather: undefined,
      deadline: undefined,
      calleeData: undefined
    }
    if (answer !== "pending") this.connectedAtOnce(this.line!, this.attempt)
    return "pending"
  }

  /** What the provider below answers at once takes its time here. */
  private connectedAtOnce(line: Line, attempt: Attempt): void {
    attempt.met = true
    soon(() => {
      if (this.attempt !== attempt) return
      soon(() => {
        if (this.attempt === attempt && this.line === line) this.connected(attempt.plan.attempt, Provider.established)
      })
      this.sink.issued(attempt.plan.attempt)
    })
  }

  abort(number: number): SocketAddress.SocketAddress | undefined {
    const { attempt, line } = this
    if (this.closing || line === undefined || attempt?.plan.attempt !== number) return undefined
    if (attempt.met) {
      this.giveUp(line)
      return this.name
    }
    this.endAttempt()
    return line.handle.abort(number)
  }

  listen(plan: Provider.ListenPlan): SocketAddress.SocketAddress | Provider.Failure | Provider.Pending {
    if (this.closing) return notSocket
    if (this.attempt !== undefined) return Provider.failure("WSAEINVAL")
    return this.renew() ?? this.line!.handle.listen(plan)
  }

  /** Whether a connection is there only once the peer has replied. */
  private get asks(): boolean {
    return this.shared.settings.connects && this.shared.settings.replies
  }

  read(credit: number): void {
    if (this.closing) return
    this.credit = credit
    if (this.isOpen || !this.asks) this.line?.read(credit)
  }

  write(bytes: Uint8Array): number | Provider.Failure {
    if (this.closing) return notSocket
    return this.isOpen ? this.line!.write(bytes) : notConnected
  }

  shutdownSend(): Provider.Failure | undefined {
    if (this.closing) return notSocket
    return this.isOpen ? this.line!.shutdownSend() : notConnected
  }

  setPeer(): Provider.Failure {
    return this.closing ? notSocket : notSupported
  }

  sendTo(): Provider.Failure {
    return this.closing ? notSocket : notSupported
  }

  setQuality(quality: Provider.Quality | undefined): Provider.Failure | undefined {
    if (this.closing) return undefined
    return this.line === undefined ? (quality === undefined ? undefined : notConnected) : this.line.setQuality(quality)
  }

  reserved() {
    return this.line?.reserved()
  }

  local(): SocketAddress.SocketAddress | undefined {
    return this.line?.handle.local() ?? this.name
  }

  setOption(option: Provider.ProviderOption, value: boolean): Provider.Failure | undefined {
    if (this.closing) return undefined
    if (this.line === undefined && !this.shared.provider.capabilities(this.kind).options.has(option)) {
      return Provider.failure("WSAENOPROTOOPT")
    }
    const failure = this.line?.handle.setOption(option, value)
    if (failure === undefined) (this.options ??= new Map()).set(option, value)
    return failure
  }

  close(how: "graceful" | "reset"): void {
    const { attempt, line } = this
    if (this.closing) {
      if (how === "reset") {
        line?.close("reset")
        for (const caller of this.listened?.callers ?? []) caller.listenerClosed()
      }
      return
    }
    this.closing = true
    this.endAttempt()
    // The peer is not to take an attempt that was given up for a caller.
    line?.close(attempt?.met ? "reset" : how)
    for (const caller of this.listened?.callers ?? []) caller.listenerClosed()
    if (this.lines === 0) soon(() => this.finish())
  }

  // -- callers --------------------------------------------------------------------------------------------------------

  private get callerSets() {
    return this.listened ??= { callers: new Set(), reading: new Set() }
  }

  get callers(): Set<Caller> {
    return this.callerSets.callers
  }

  get reading(): Set<Caller> {
    return this.callerSets.reading
  }

  incoming(request: Provider.Incoming): void {
    const { headers, settings } = this.shared
    if (settings.listens) receive(settings, headers, this, request)
    else this.sink.incoming(request)
  }

  callerClosed(): void {
    this.finish()
  }

  private finish(): void {
    if (!this.closing || this.lines > 0 || (this.listened !== undefined && this.listened.callers.size > 0)) return
    const { headers, replies } = this.shared
    if (--this.shared.streams === 0) {
      headers.rest()
      replies.rest()
    }
    this.sink.closed()
  }

  // -- what its line tells --------------------------------------------------------------------------------------------

  issued(attempt: number): void {
    this.sink.issued(attempt)
  }

  connected(number: number, result: Provider.Established | Provider.Failure): void {
    const { attempt, line, shared: { replies, settings } } = this
    if (attempt === undefined || line === undefined) return
    if (Provider.isFailure(result)) {
      this.endAttempt()
      return this.sink.connected(number, result)
    }
    attempt.met = true
    if (settings.connects) {
      const header = Speech.headerOf(settings, attempt.plan, line.handle.local(), attempt.plan.remote)
      const failure = header instanceof Uint8Array ? line.say(header) : header
      if (failure !== undefined) return this.fail(failure)
    }
    if (!this.asks) return this.establish(line, attempt, result.calleeData)
    const capacity = Speech.capacityOf(settings, attempt.plan)
    attempt.gather = new Gather((bytes) => Frames.decodeReply(bytes, capacity), Frames.replyOverhead + capacity)
    attempt.deadline = replies.begin(() => this.fail(Speech.silent(settings.replyTimeout)))
  }

  private establish(line: Line, { plan }: Attempt, calleeData: Uint8Array): void {
    this.endAttempt()
    this.isOpen = true
    line.open(this.sink, this)
    if (this.credit > 0) line.read(this.credit)
    this.sink.connected(
      plan.attempt,
      calleeData.length === 0 ? Provider.established : { _tag: "Established", calleeData }
    )
  }

  private fail(failure: Provider.Failure): void {
    const { attempt, line } = this
    if (attempt === undefined || line === undefined) return
    this.giveUp(line)
    this.sink.connected(attempt.plan.attempt, failure)
  }

  heard(bytes: Uint8Array): number {
    const { attempt, line } = this
    if (line === undefined) return 0
    if (attempt?.gather === undefined || attempt.calleeData !== undefined) {
      line.keep(bytes)
      return 0
    }
    const gathered = attempt.gather.add(bytes)
    switch (gathered._tag) {
      case "Need":
        return gathered.more
      case "Wrong":
        this.fail(Speech.foreign(gathered.why))
        return 0
      case "Done":
        if (gathered.value.verdict === "rejected") {
          this.fail(Speech.refused)
          return 0
        }
        line.keep(bytes.subarray(gathered.used))
        attempt.calleeData = gathered.value.calleeData
        if (!line.isSaying) this.establish(line, attempt, attempt.calleeData)
        return line.wanted
    }
  }

  said(): void {
    const { attempt, line } = this
    if (attempt?.calleeData !== undefined) this.establish(line!, attempt, attempt.calleeData)
  }

  over(failure: Provider.Failure | undefined): void {
    if (this.attempt !== undefined) this.fail(failure ?? Speech.endedEarly)
    // A listener.
    else if (failure !== undefined) this.sink.broken(failure)
  }

  listening(result: SocketAddress.SocketAddress | Provider.Failure): void {
    this.sink.listening(result)
  }

  qosChanged(change: Provider.QosChange): void {
    this.sink.qosChanged(change)
  }

  closed(): void {
    this.lines--
    this.finish()
  }
}
