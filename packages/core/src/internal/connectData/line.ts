/**
 * A handle of the provider below, whose stream begins with bytes of ours.
 *
 * Until it is opened, what is heard goes to its user, who speaks the exchange. Then it is a connection like any other: what
 * came behind the exchange is given first, and what happened meanwhile is told after it.
 */
import * as Provider from "../../Provider.ts"
import type * as SocketAddress from "../../SocketAddress.ts"
import { soon } from "./deadlines.ts"

const notSocket = Provider.failure("WSAENOTSOCK")

/** Who has to do with a line before it is opened. */
export interface User {
  readonly issued: (attempt: number) => void
  readonly connected: (attempt: number, result: Provider.Established | Provider.Failure) => void
  readonly listening: (result: SocketAddress.SocketAddress | Provider.Failure) => void
  readonly incoming: (request: Provider.Incoming) => void
  /** Bytes, lent for this call. Answers how many more are wanted. */
  readonly heard: (bytes: Uint8Array) => number
  /** Nothing follows: the peer has ended in order, or there was a failure. */
  readonly over: (failure: Provider.Failure | undefined) => void
  /** Nothing of what was said is referred to any more. */
  readonly said: () => void
  readonly qosChanged: (change: Provider.QosChange) => void
  /** The line has given everything back, whether it was opened or not. */
  readonly closed: () => void
}

/** Opens a line, or says why it cannot. */
export const openLine = (
  provider: Provider.Provider,
  kind: Provider.Kind,
  user: User
): Line | Provider.Failure => makeLine(user, (line) => provider.open(kind, line))

/** The line of a handle that is made for it. */
export const makeLine = (
  user: User,
  make: (line: Line) => Provider.Handle | Provider.Failure
): Line | Provider.Failure => {
  const line = new Line(user)
  const handle = make(line)
  if (Provider.isFailure(handle)) return handle
  line.handle = handle
  return line
}

export class Line implements Provider.Sink, Provider.Handle {
  handle!: Provider.Handle
  private user: User | undefined
  /** Where it is told what happens once it is open. */
  private sink: Provider.Sink | undefined
  /** Nothing more is told but that it is closed. */
  private left = false
  /** How it was closed while bytes of a write still wait here. */
  private closing = false
  /** What followed the exchange and has not been given. */
  private rest: Uint8Array | undefined
  private end = false
  private failure: Provider.Failure | undefined
  /** How many bytes are wanted, as was said last. */
  private credit = 0
  private scheduled = false
  /** The provider below refers to bytes of ours. */
  private saying = false
  /** A write that waits until it does no more. */
  private queued: Uint8Array | undefined
  private shut = false

  constructor(user: User) {
    this.user = user
  }

  // -- before it is open ----------------------------------------------------------------------------------------------

  /** Sends bytes of ours, which nobody changes any more. */
  say(bytes: Uint8Array): Provider.Failure | undefined {
    const left = this.handle.write(bytes)
    if (Provider.isFailure(left)) return left
    this.saying = left > 0
    return undefined
  }

  get isSaying(): boolean {
    return this.saying
  }

  /** Keeps a copy of bytes that belong to whoever opens the line. Answers how many it keeps. */
  keep(bytes: Uint8Array): number {
    const { rest } = this
    if (rest === undefined) {
      if (bytes.length > 0) this.rest = new Uint8Array(bytes)
      return bytes.length
    }
    const grown = new Uint8Array(rest.length + bytes.length)
    grown.set(rest)
    grown.set(bytes, rest.length)
    this.rest = grown
    return grown.length
  }

  get holds(): boolean {
    return this.rest !== undefined
  }

  /** From now on it is a connection of the sink's. `user`: whoever still has to hear that it is closed. */
  open(sink: Provider.Sink, user?: User): void {
    this.sink = sink
    this.user = user
    if (this.isBehind) this.schedule()
  }

  /** How many bytes it wants at the end of an event in which it was opened. */
  get wanted(): number {
    return this.left || this.isBehind ? 0 : this.credit
  }

  /** Leaves it: nothing more is told but that it is closed. */
  leave(how: "graceful" | "reset"): void {
    this.left = true
    this.rest = this.queued = undefined
    this.handle.close(how)
  }

  // -- the handle below, as it is -------------------------------------------------------------------------------------

  bind(
    local: SocketAddress.SocketAddress,
    options: Provider.BindOptions
  ): SocketAddress.SocketAddress | Provider.Failure {
    return this.handle.bind(local, options)
  }

  connect(plan: Provider.ConnectPlan): Provider.Established | Provider.Failure | Provider.Pending {
    return this.handle.connect(plan)
  }

  abort(attempt: number): SocketAddress.SocketAddress | undefined {
    return this.handle.abort(attempt)
  }

  setPeer(peer: SocketAddress.SocketAddress | undefined, queue: "keep" | "discard", quality?: Provider.Quality) {
    return this.handle.setPeer(peer, queue, quality)
  }

  setQuality(quality: Provider.Quality | undefined): Provider.Failure | undefined {
    return this.handle.setQuality(quality)
  }

  reserved() {
    return this.handle.reserved()
  }

  listen(plan: Provider.ListenPlan): SocketAddress.SocketAddress | Provider.Failure | Provider.Pending {
    return this.handle.listen(plan)
  }

  sendTo(
    bytes: Uint8Array,
    to: SocketAddress.SocketAddress | undefined
  ): Provider.Failure | Provider.Pending | undefined {
    return this.handle.sendTo(bytes, to)
  }

  local(): SocketAddress.SocketAddress | undefined {
    return this.handle.local()
  }

  setOption(option: Provider.ProviderOption, value: boolean): Provider.Failure | undefined {
    return this.handle.setOption(option, value)
  }

  // -- what passes through --------------------------------------------------------------------------------------------

  read(credit: number): void {
    if (this.left || this.closing) return
    this.credit = credit
    if (this.sink !== undefined && this.isBehind) this.schedule()
    else this.handle.read(credit)
  }

  write(bytes: Uint8Array): number | Provider.Failure {
    if (this.left || this.closing) return notSocket
    if (!this.saying) return this.handle.write(bytes)
    if (this.shut) return Provider.failure("WSAESHUTDOWN")
    if (bytes.length > 0) this.queued = bytes
    return bytes.length
  }

  shutdownSend(): Provider.Failure | undefined {
    if (this.left || this.closing) return notSocket
    this.shut = true
    return this.queued === undefined ? this.handle.shutdownSend() : undefined
  }

  close(how: "graceful" | "reset"): void {
    if (this.left) return this.handle.close(how)
    // What was written and waits here is still to arrive.
    if (how === "graceful" && this.queued !== undefined) this.closing = true
    else this.leave(how)
  }

  // -- what the provider below tells ----------------------------------------------------------------------------------

  issued(attempt: number): void {
    if (!this.left) this.user?.issued(attempt)
  }

  connected(attempt: number, result: Provider.Established | Provider.Failure): void {
    if (!this.left) this.user?.connected(attempt, result)
  }

  listening(result: SocketAddress.SocketAddress | Provider.Failure): void {
    if (!this.left) this.user?.listening(result)
  }

  incoming(request: Provider.Incoming): void {
    if (this.left) request.reject()
    else this.user?.incoming(request)
  }

  data(bytes: Uint8Array): number {
    if (this.left || this.closing) return 0
    if (this.sink === undefined) return this.user!.heard(bytes)
    if (!this.isBehind) return this.sink.data(bytes)
    this.keep(bytes)
    return 0
  }

  datagram(): number {
    return 0
  }

  sent(): void {}

  soft(): void {}

  drained(): void {
    if (!this.saying) return this.left || this.closing ? undefined : this.sink?.drained()
    this.saying = false
    const { queued } = this
    if (queued === undefined) return this.left || this.sink !== undefined ? undefined : this.user!.said()
    this.queued = undefined
    const left = this.handle.write(queued)
    if (Provider.isFailure(left)) return this.broken(left)
    if (this.shut) this.handle.shutdownSend()
    if (this.closing) return this.leave("graceful")
    if (left === 0) this.sink!.drained()
  }

  ended(): void {
    if (this.left || this.closing) return
    if (this.sink === undefined) return this.user!.over(undefined)
    if (!this.isBehind) return this.sink.ended()
    this.end = true
  }

  broken(failure: Provider.Failure): void {
    if (this.left) return
    if (this.closing) return this.leave("reset")
    this.saying = false
    this.queued = undefined
    if (this.sink === undefined) return this.user!.over(failure)
    if (!this.isBehind) return this.sink.broken(failure)
    this.failure = failure
  }

  /** The peer has ended before the line was opened, after what is kept. */
  endsHere(): void {
    this.end = true
  }

  qosChanged(change: Provider.QosChange): void {
    if (!this.left) (this.sink ?? this.user)?.qosChanged(change)
  }

  closed(): void {
    if (this.user !== undefined) this.user.closed()
    else this.sink?.closed()
  }

  // -- what is behind -------------------------------------------------------------------------------------------------

  /** Something has happened that has not been told. */
  private get isBehind(): boolean {
    return this.rest !== undefined || this.end || this.failure !== undefined
  }

  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    soon(() => {
      this.scheduled = false
      if (!this.left && !this.closing) this.tell(this.sink!)
    })
  }

  /** One event; after each there may be another. */
  private tell(sink: Provider.Sink): void {
    const { credit, failure, rest } = this
    if (rest !== undefined) {
      if (credit <= 0) return
      const piece = rest.subarray(0, credit)
      this.rest = piece.length === rest.length ? undefined : rest.subarray(piece.length)
      // A `read` from inside the call counts too.
      this.credit = 0
      const left = sink.data(piece)
      if (left > this.credit) this.credit = left
      if (this.left || this.closing) return
      if (this.isBehind) this.schedule()
      else if (this.credit > 0) this.handle.read(this.credit)
    } else if (this.end) {
      this.end = false
      if (failure !== undefined) this.schedule()
      sink.ended()
    } else if (failure !== undefined) {
      this.failure = undefined
      sink.broken(failure)
    }
  }
}
