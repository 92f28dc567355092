/**
 * A caller at a listener: taken from the provider below at once, and handed on once it has said who it is.
 */
import * as Provider from "../../Provider.ts"
import type * as Qos from "../../Qos.ts"
import type * as SocketAddress from "../../SocketAddress.ts"
import type { ProxyHeader } from "../proxyHeader.ts"
import type { Deadline, Deadlines } from "./deadlines.ts"
import { Gather } from "./gather.ts"
import { type Line, makeLine, type User } from "./line.ts"
import * as Speech from "./speech.ts"

/** Most headers are shorter: such a one is read at once. */
const firstCredit = 1024

/** Whoever waits to be accepted is listened to, so that its going away is noticed; but not beyond so many bytes. */
const restBound = 16 * 1024

const noBytes = new Uint8Array(0)
const reset = Provider.failure("WSAECONNRESET")

/** Where callers are until they have been accepted, or have gone. */
export interface Listener {
  readonly sink: Provider.Sink
  /** All whose line is still theirs. */
  readonly callers: Set<Caller>
  /** Those of them whose header has not come yet, the oldest first. */
  readonly reading: Set<Caller>
  readonly callerClosed: () => void
}

/** Takes a caller. It is told to the listener when its header is there. */
export const receive = (
  settings: Speech.Settings,
  deadlines: Deadlines,
  listener: Listener,
  request: Provider.Incoming
): void => {
  const caller = new Caller(settings, deadlines, listener, request)
  const line = makeLine(caller, (line) => request.accept(line, undefined))
  if (Provider.isFailure(line)) return request.reject()
  caller.begin(line)
  if (listener.reading.size <= settings.pendingMax) return
  // Whoever has something to say has mostly said it before the oldest is the one too many.
  for (const oldest of listener.reading) return oldest.drop()
}

export class Caller implements User, Provider.Incoming {
  readonly local: SocketAddress.SocketAddress
  remote: SocketAddress.SocketAddress
  callerData: Uint8Array = noBytes
  sqos: Qos.Qos | undefined = undefined
  gqos: Qos.Qos | undefined = undefined
  private state: "reading" | "waiting" | "accepted" | "gone" | "over" = "reading"
  private line!: Line
  private deadline: Deadline | undefined
  private called: Speech.Called | undefined
  private gather: Gather<ProxyHeader> | undefined
  private readonly settings: Speech.Settings
  private readonly deadlines: Deadlines
  private readonly listener: Listener

  constructor(settings: Speech.Settings, deadlines: Deadlines, listener: Listener, request: Provider.Incoming) {
    this.settings = settings
    this.deadlines = deadlines
    this.listener = listener
    this.local = request.local
    this.remote = request.remote
    this.gather = new Gather(Speech.decodeHeader(settings), Speech.headerBound(settings))
  }

  begin(line: Line): void {
    this.line = line
    this.listener.callers.add(this)
    this.listener.reading.add(this)
    this.deadline = this.deadlines.begin(() => this.drop())
    line.handle.read(firstCredit)
  }

  /** Has nothing more to do with it. */
  drop(): void {
    this.leave("over")
    this.line.leave("reset")
  }

  private leave(state: "accepted" | "gone" | "over"): void {
    this.state = state
    this.gather = undefined
    this.listener.reading.delete(this)
    this.deadlines.end(this.deadline)
  }

  /** The listener is closed: whoever has been told of the callers that wait rejects them. */
  listenerClosed(): void {
    if (this.state === "reading") this.drop()
    else if (this.state === "over") this.line.close("reset")
    else this.reject()
  }

  // -- what it is asked -----------------------------------------------------------------------------------------------

  accept(sink: Provider.Sink, calleeData: Uint8Array | undefined): Provider.Handle | Provider.Failure {
    const { called, line, settings } = this
    if (this.state === "gone") return reset
    if (this.state !== "waiting") return Provider.failure("WSAEINVAL")
    if (settings.replies) {
      const failure = line.say(Speech.accepting(settings, called!, calleeData))
      if (failure !== undefined) {
        this.over(failure)
        return failure
      }
    }
    this.leave("accepted")
    this.listener.callers.delete(this)
    line.open(sink)
    return line
  }

  reject(): void {
    if (this.state !== "waiting") return
    if (!this.settings.replies || this.line.say(Speech.rejecting) !== undefined) return this.drop()
    this.leave("over")
    this.line.leave("graceful")
    // A peer that takes nothing is not waited for.
    this.deadline = this.deadlines.begin(() => this.line.close("reset"))
  }

  withdrawn(): boolean {
    return this.state === "gone"
  }

  // -- what its line tells --------------------------------------------------------------------------------------------

  heard(bytes: Uint8Array): number {
    if (this.state === "waiting") return restBound - this.line.keep(bytes)
    const gathered = this.gather!.add(bytes)
    if (gathered._tag === "Need") return gathered.more
    const called = gathered._tag === "Done" ? Speech.calledOf(this.settings, gathered.value) : undefined
    if (gathered._tag === "Wrong" || called === undefined) {
      this.drop()
      return 0
    }
    this.deadlines.end(this.deadline)
    this.listener.reading.delete(this)
    this.gather = undefined
    this.called = called
    this.callerData = called.callerData
    this.sqos = called.sqos
    this.gqos = called.gqos
    this.remote = called.source ?? this.remote
    this.state = "waiting"
    const kept = this.line.keep(bytes.subarray(gathered.used))
    this.listener.sink.incoming(this)
    // It may have been accepted by now.
    return this.isWaiting ? restBound - kept : this.line.wanted
  }

  private get isWaiting(): boolean {
    return this.state === "waiting"
  }

  over(failure: Provider.Failure | undefined): void {
    // Whoever is not replied to may have ended its sending direction in order, and is still there.
    if (failure === undefined && this.state === "waiting" && !this.settings.replies && this.line.holds) {
      return this.line.endsHere()
    }
    const { state } = this
    if (state !== "reading" && state !== "waiting") return
    this.leave(state === "waiting" ? "gone" : "over")
    this.line.leave("reset")
  }

  closed(): void {
    this.deadlines.end(this.deadline)
    this.listener.callers.delete(this)
    this.listener.callerClosed()
  }

  issued(): void {}
  connected(): void {}
  listening(): void {}
  incoming(request: Provider.Incoming): void {
    request.reject()
  }
  said(): void {}
  qosChanged(): void {}
}
