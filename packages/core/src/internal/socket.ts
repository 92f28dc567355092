/**
 * A socket as it lives: the state of the machine, the handle of the provider, what has arrived, and the calls that wait.
 *
 * It decides nothing. A call asks the machine, does what it says, and either ends or waits; what the provider tells goes
 * to the machine too, and then the calls that wait are looked at again. A call that wakes runs its fiber at once, and
 * that fiber may do anything to this socket: so state is changed first, and waking comes last.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Fiber from "effect/Fiber"
import * as Hash from "effect/Hash"
import * as HashSet from "effect/HashSet"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Provider from "../Provider.ts"
import type * as Qos from "../Qos.ts"
import * as SocketAddress from "../SocketAddress.ts"
import * as WsaError from "../WsaError.ts"
import { settingsOf } from "./connectData/provider.ts"
import type { Settings } from "./connectData/speech.ts"
import type { Item } from "./held.ts"
import type { Instance, Resume } from "./instance.ts"
import * as InstanceState from "./instanceState.ts"
import { ByteQueue, MessageQueue } from "./queue.ts"
import * as Readiness from "./readiness.ts"
import { type Fate, type Host, Shaping } from "./shaping.ts"
import * as SocketState from "./socketState.ts"

/** How many bytes of a stream may wait to be received before the peer has to wait. */
const streamWindow = 256 * 1024

/** How many datagrams may wait to be received; more are dropped. */
const datagramWindow = { messages: 1024, bytes: 1024 * 1024 }

/** The most that a non-blocking send takes at once: it is copied, since nobody waits for it. */
const nonBlockingSend = 64 * 1024

const nothing = () => {}

/** Why a call fails, before it has its call's name. */
interface Fault {
  readonly code: WsaError.Code | "WsaUnmapped"
  readonly native?: WsaError.Native | undefined
  readonly detail?: string | undefined
}

interface Connector {
  readonly call: WsaError.Call
  readonly attempt: number
  /** `"issued"`: a non-blocking call goes as soon as the stack has the attempt. */
  readonly until: "issued" | "over"
  readonly resume: Resume
}

/** A call that waits until a name has been looked up. */
interface Lookup {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly resume: Resume
}

/** A receive: its bytes go into the caller's buffer, are lent to a function, or are the caller's to keep. */
export interface Receiver {
  readonly call: "recv" | "recvfrom"
  readonly into: Uint8Array | undefined
  readonly lend: ((lent: Uint8Array) => unknown) | undefined
  readonly maximum: number
  /** MSG_PEEK: what it gets stays. */
  readonly peek: boolean
  readonly resume: Resume
}

interface Sender {
  readonly call: "send" | "sendto"
  readonly bytes: Uint8Array
  /** `undefined`: a non-blocking call, which has its answer already. */
  readonly resume: Resume | undefined
}

interface Acceptor {
  readonly call: "accept" | "WSAAccept"
  /** A07: a condition comes first, and may put the caller back. */
  readonly considers: boolean
  /** What is done with the caller whose turn it is. */
  readonly take: (request: Provider.Incoming) => Effect.Effect<any, any>
  readonly resume: Resume
}

/** Nobody waits for the answer. */
const nobody: Resume = () => undefined

const closedMeanwhile = "the socket was closed while the call was pending"

/** The caller's buffer was transferred or resized while the call waited: it holds less than it did. */
const lostRoom = ({ into, maximum }: Receiver): boolean => into !== undefined && into.length < maximum

/** An array that grows from nothing takes room for many, and most sockets have one who waits. */
const append = <A>(list: Array<A> | undefined, item: A): Array<A> => {
  if (list === undefined) return [item]
  list.push(item)
  return list
}

const remove = <A>(list: Array<A> | undefined, item: A): boolean => {
  if (list === undefined) return false
  const index = list.indexOf(item)
  if (index === -1) return false
  list.splice(index, 1)
  return true
}

/**
 * Puts a socket into the scope that closes it: at once, as an effect in between could be interrupted, and so that it can be
 * taken out again, which effect's own calls offer for a child scope only. That would double what a socket holds.
 */
const enter = (scope: Scope.Scope, socket: Socket): void => {
  // A closure would be twice as large.
  const finalizer = socket.leaving.bind(socket)
  const state = scope.state
  switch (state._tag) {
    case "Closed":
      return socket.closeNow()
    case "Empty":
      scope.state = { _tag: "Open", finalizerKey: socket, finalizer, finalizers: undefined }
      return
    case "Open":
      if (state.finalizers === undefined) {
        state.finalizers = new Map([[state.finalizerKey!, state.finalizer!]])
        state.finalizerKey = state.finalizer = undefined
      }
      state.finalizers.set(socket, finalizer)
  }
}

/** Takes a socket that was closed before its scope was out of it. */
const leave = (scope: Scope.Scope, socket: Socket): void => {
  const state = scope.state
  if (state._tag !== "Open") return
  if (state.finalizerKey === socket) scope.state = { _tag: "Empty" }
  else if (state.finalizers?.delete(socket) === true && state.finalizers.size === 0) scope.state = { _tag: "Empty" }
}

/** Who is told that a network event of a socket has been recorded. */
export interface Target {
  /** An event has been recorded. */
  readonly signal: (socket: Socket) => void
  /** From now on the socket tells here. */
  readonly attach: (socket: Socket) => void
  /** The socket was closed, or tells someone else. */
  readonly detach: (socket: Socket) => void
}

/** Who waits until the socket is ready. */
export interface Watching {
  /** Something has happened to it. */
  readonly look: (socket: Socket) => void
}

// ---------------------------------------------------------------------------------------------------------------------
// Socket
// ---------------------------------------------------------------------------------------------------------------------

export class Socket implements Provider.Sink, Host, Equal.Equal {
  readonly #made = true

  /** Whether this is a socket that was made here, and not something that looks like one (E15). */
  static is(u: unknown): u is Socket {
    return typeof u === "object" && u !== null && #made in u && u.#made
  }

  state: SocketState.SocketState
  before: Item | undefined = undefined
  after: Item | undefined = undefined
  readonly instance: Instance
  private readonly provider: Provider.Provider
  /** By order of making, so that what is ordered by it comes out alike in each run. */
  private readonly number: number
  handle!: Provider.Handle
  scope!: Scope.Scope

  readonly bytes: ByteQueue | undefined
  readonly messages: MessageQueue | undefined
  private requests: Array<Provider.Incoming> | undefined
  /** Callers whose condition is running, and what ends it when the listener is closed. */
  private considered: Map<Provider.Incoming, Resume> | undefined

  private connectors: Array<Connector> | undefined
  private lookups: Array<Lookup> | undefined
  private receivers: Array<Receiver> | undefined
  private senders: Array<Sender> | undefined
  private acceptors: Array<Acceptor> | undefined
  /** Those who wait to accept are being served. */
  private accepting = false
  private listeners: Array<{ readonly backlog: number; readonly resume: Resume }> | undefined
  /** Datagrams that the provider has and has not answered for. */
  private sendings: Array<(result: Provider.Failure | undefined) => void> | undefined
  /** The write whose bytes the provider refers to. */
  private writing: Sender | undefined
  /** What holds it to the flows of its QOS; `undefined` where none was ever given. */
  private shaping: Shaping<Sender> | undefined
  /** The provider has stopped delivering, for want of credit. */
  private stopped = false
  /** A delivery is under way: it will be told the credit at its end. */
  private delivering = false
  /** Someone asked for events, or waits in select: whatever happens is looked at. */
  private watched = false
  /** What the state was when the socket was closed. */
  private last: SocketState.SocketState | undefined
  private target: Target | undefined
  private watching: Set<Watching> | undefined
  /** Calls off the time-out of the attempt that is pending. */
  private forgetTimeout: (() => void) | undefined
  /** SO_LINGER: those who wait for the close to be over, and what calls off its end. */
  private lingering:
    | { readonly forget: () => void; readonly waiting: Array<(answer: Effect.Effect<void>) => void> }
    | undefined

  constructor(instance: Instance, state: SocketState.SocketState, provider: Provider.Provider = instance.provider) {
    this.instance = instance
    this.provider = provider
    this.number = instance.made++
    this.state = state
    this.bytes = state.kind.type === "stream" ? new ByteQueue() : undefined
    this.messages = state.kind.type === "datagram" ? new MessageQueue(datagramWindow) : undefined
  }

  get kind(): Provider.Kind {
    return this.state.kind
  }

  get capabilities(): Provider.Capabilities {
    return this.provider.capabilities(this.state.kind)
  }

  /** It changes all the time, and two that look the same are two. */
  [Equal.symbol](that: unknown): boolean {
    return this === that
  }

  [Hash.symbol](): number {
    return Hash.number(this.number)
  }

  toString(): string {
    const { kind, local, phase } = this.state
    const where = "remote" in phase ? ` ${SocketAddress.format(phase.remote)}` : ""
    const from = local === undefined ? "" : ` from ${SocketAddress.format(local)}`
    return `Socket(${kind.family} ${kind.type}, ${phase._tag.toLowerCase()}${where}${from})`
  }

  toJSON(): string {
    return this.toString()
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString()
  }

  // -- answers --------------------------------------------------------------------------------------------------------

  fault(
    call: WsaError.Call,
    fault: Fault,
    stage: WsaError.Stage,
    remote?: SocketAddress.SocketAddress | undefined,
    local: SocketAddress.SocketAddress | undefined = this.state.local
  ): Effect.Effect<never, any> {
    return Effect.fail(WsaError.forCall(call, fault.code, {
      stage,
      local,
      remote,
      native: fault.native,
      detail: fault.detail
    }))
  }

  refuse(call: WsaError.Call, code: WsaError.Code | "WsaUnmapped", stage: WsaError.Stage): Effect.Effect<never, any> {
    if (this.state.phase._tag === "Broken" && this.state.phase.failure.code === code) {
      return this.fault(call, this.state.phase.failure, stage, this.state.phase.was?.remote)
    }
    const detail = code === "WsaUnmapped" ? undefined : SocketState.detailOf(call, code, this.state)
    return this.fault(call, { code, detail }, "request")
  }

  /** An argument that is not what it should be; what comes first in the order of errors is said first. */
  wrongArgument(call: WsaError.Call, fault: Fault): Effect.Effect<never, any> {
    const code = SocketState.gate(this.state, this.instance.facts())
    return code === undefined ? this.fault(call, fault, "request") : this.refuse(call, code, "request")
  }

  /** E10: an argument that does not decode. */
  undecodable(call: WsaError.Call, detail: string): Effect.Effect<never, any> {
    return this.wrongArgument(call, { code: "WSAEFAULT", detail })
  }

  /** E05, after what comes first in the order of errors. */
  inProgress(call: WsaError.Call): Effect.Effect<never, any> {
    const code = SocketState.gate(this.state, { ...this.instance.facts(), busy: true })
    return this.refuse(call, code ?? "WSAEINPROGRESS", "request")
  }

  private react(outcome: SocketState.Outcome): number {
    const before = this.state
    const { next, wake } = SocketState.react(before, outcome)
    this.state = next
    if (before.phase._tag === "Connecting" && next.phase._tag !== "Connecting") this.forgetConnectTimeout()
    if (next.peerGeneration !== before.peerGeneration && this.messages !== undefined) {
      this.messages.clear()
      this.restart(true, this.messages.credit)
    }
    return wake
  }

  private wake(bits: number): void {
    if ((bits & SocketState.Wake.connect) !== 0) this.wakeConnectors()
    if ((bits & SocketState.Wake.receive) !== 0) this.wakeReceivers()
    if ((bits & SocketState.Wake.send) !== 0) this.wakeSenders()
    if ((bits & SocketState.Wake.accept) !== 0) this.wakeAcceptors()
    this.look()
  }

  // -- bind -----------------------------------------------------------------------------------------------------------

  bind(name: SocketState.Name): Effect.Effect<void, any> {
    const options = this.state.cold.options
    const taken = name._tag !== "InvalidAddress" &&
      InstanceState.taken(this.instance.state, this.state.kind, name, options)
    const decision = SocketState.decide(
      this.state,
      { _tag: "bind", name, taken },
      this.instance.facts(),
      this.capabilities
    )
    const at = name._tag === "InvalidAddress" ? undefined : name
    if (decision._tag === "Fail") return this.fault("bind", decision, "request", undefined, at)
    if (decision._tag === "Done" || decision.command._tag !== "bind") return Effect.void
    const { local, reuse, v6Only } = decision.command
    const answer = this.bindHandle(local, { reuse, v6Only }, false)
    if (answer !== undefined) return this.fault("bind", answer, "bind", undefined, at)
    if (this.state.local !== undefined) {
      this.instance.state = InstanceState.claim(this.instance.state, this, this.state.kind, this.state.local, options)
    }
    this.look()
    return Effect.void
  }

  private bindHandle(
    local: SocketAddress.SocketAddress,
    options: Provider.BindOptions,
    implicit: boolean
  ): Provider.Failure | undefined {
    const answer = this.handle.bind(local, options)
    if (Provider.isFailure(answer)) return answer
    this.react({ _tag: "bound", local: answer, implicit })
    if (this.messages !== undefined) this.handle.read(datagramWindow.messages)
    return undefined
  }

  /** R01 for datagrams: a send or a connect binds what is not bound. */
  private bindImplicitly(): Provider.Failure | undefined {
    const local = SocketState.implicitBind(this.state)
    return local === undefined
      ? undefined
      : this.bindHandle(local, { reuse: false, v6Only: this.state.cold.options.IPV6_V6ONLY }, true)
  }

  // -- connect --------------------------------------------------------------------------------------------------------

  connect(
    call: WsaError.Call,
    name: SocketState.Name,
    data: SocketState.ConnectData,
    resume: Resume
  ): void | Effect.Effect<void> {
    const decision = SocketState.decide(
      this.state,
      {
        _tag: "connect",
        name,
        data,
        waits: call === "WSAConnectByList" || call === "WSAConnectByName",
        groupPeer: this.groupPeer(),
        groupQos: this.groupQos()
      },
      this.instance.facts(),
      this.capabilities
    )
    if (decision._tag === "Fail") {
      return resume(this.fault(call, decision, "request", name._tag === "InvalidAddress" ? undefined : name))
    }
    if (decision._tag === "Done") {
      this.state = decision.next
      return resume(this.answerConnected(SocketAddress.unspecified(this.kind.family)))
    }
    const command = decision.command
    switch (command._tag) {
      case "connect":
        this.state = decision.next
        return this.attempt(call, command, resume)
      case "setPeer":
        return resume(this.setPeer(call, command.peer, command.queue, command.quality))
      case "dissolve":
        return resume(this.setPeer(call, undefined, "discard", this.state.cold.quality))
    }
  }

  private attempt(
    call: WsaError.Call,
    { caller, plan, timeout }: Extract<SocketState.Command, { readonly _tag: "connect" }>,
    resume: Resume
  ): void | Effect.Effect<void> {
    // Armed before there is a connection: what the peer sends before it resets is not lost (R21).
    this.handle.read(streamWindow)
    const answer = this.handle.connect(plan)
    if (answer !== "pending") {
      const wake = this.settle(plan.attempt, answer)
      resume(this.outcomeOf(call))
      return this.wake(wake)
    }
    const connector: Connector = {
      call,
      attempt: plan.attempt,
      until: caller === "blocking" ? "over" : "issued",
      resume
    }
    this.connectors = append(this.connectors, connector)
    if (timeout > 0) this.forgetTimeout = this.instance.after(timeout, () => this.timeOut(plan.attempt))
    // A non-blocking attempt is the socket's, not the fiber's: it goes on.
    return Effect.sync(() => {
      remove(this.connectors, connector)
      if (caller === "blocking") this.cancel(plan.attempt)
    })
  }

  private mayCancel(attempt: number): boolean {
    const request = { _tag: "cancelConnect", attempt } as const
    return SocketState.decide(this.state, request, this.instance.facts(), this.capabilities)._tag === "Run"
  }

  /** R26: an attempt that is given up leaves the socket as a refused one. */
  private cancel(attempt: number): void {
    if (!this.mayCancel(attempt)) return
    const local = this.handle.abort(attempt)
    this.wake(this.react({ _tag: "aborted", attempt, local }))
  }

  /** TCP_MAXRTMS: to the machine it is a failure that the provider told. */
  private timeOut(attempt: number): void {
    if (!this.mayCancel(attempt)) return
    const local = this.handle.abort(attempt)
    this.wake(this.react({ _tag: "attemptFailed", attempt, failure: SocketState.connectTimedOut, local }))
  }

  get isConnecting(): boolean {
    return this.state.phase._tag === "Connecting"
  }

  /** Ends the attempt that is under way, as TCP_MAXRTMS would. */
  expire(): void {
    const { phase } = this.state
    if (phase._tag === "Connecting") this.timeOut(phase.attempt)
  }

  private forgetConnectTimeout(): void {
    this.forgetTimeout?.()
    this.forgetTimeout = undefined
  }

  private settle(attempt: number, result: Provider.Established | Provider.Failure): number {
    if (Provider.isFailure(result)) {
      return this.react({ _tag: "attemptFailed", attempt, failure: result, local: this.handle.local() })
    }
    const { phase } = this.state
    const wake = this.react({
      _tag: "established",
      attempt,
      calleeData: result.calleeData,
      reserved: SocketState.reserves(this.state) ? this.handle.reserved() : undefined,
      now: this.instance.clock.currentTimeMillisUnsafe()
    })
    this.qualified()
    // R20: it may have changed since the attempt was begun.
    const groupQos = this.groupQos()
    if (groupQos !== undefined && phase._tag === "Connecting" && groupQos !== phase.groupQos) {
      this.regroup(groupQos)
    }
    return wake
  }

  /** What became of the last attempt, for a call that asked or waited for it (R14, R22). */
  outcomeOf(call: WsaError.Call): Effect.Effect<any, any> {
    const result = SocketState.connectResult(this.state, this.instance.facts())
    if (result === "WSAEALREADY" && this.state.phase._tag === "Connecting") {
      return this.fault(
        call,
        { code: result, detail: "the attempt is still pending" },
        "connect",
        this.state.phase.remote
      )
    }
    if (typeof result === "string") return this.refuse(call, result, "connect")
    return "failure" in result
      ? this.fault(call, result.failure, "connect", result.remote)
      : this.answerConnected(result.remote, result.calleeData)
  }

  private answerConnected(remote: SocketAddress.SocketAddress, calleeData = Provider.established.calleeData) {
    return Effect.succeed({ socket: this, remote, calleeData, applied: SocketState.applied(this.state) })
  }

  private setPeer(
    call: WsaError.Call,
    peer: SocketAddress.SocketAddress | undefined,
    queue: "keep" | "discard",
    quality: SocketState.QosState
  ): Effect.Effect<any, any> {
    const unbound = this.bindImplicitly()
    if (unbound !== undefined) return this.fault(call, unbound, "bind", peer)
    const local = peer === undefined
      ? this.handle.setPeer(undefined, queue)
      : this.handle.setPeer(peer, queue, quality.honoured?.quality)
    if (Provider.isFailure(local)) {
      this.look()
      return this.fault(call, local, "connect", peer)
    }
    const wake = peer === undefined
      ? this.react({ _tag: "dissolved", local })
      : this.react({ _tag: "peerSet", peer, local, quality, now: this.instance.clock.currentTimeMillisUnsafe() })
    this.askReserved()
    this.qualified()
    this.wake(wake)
    return this.answerConnected(peer ?? SocketAddress.unspecified(this.kind.family))
  }

  /** A22: what has to hold before the first address is tried, or before a name is looked up. */
  checkList(
    call: WsaError.Call,
    asked: Omit<Extract<SocketState.Request, { readonly _tag: "connectByList" }>, "_tag">
  ): Effect.Effect<void, any> {
    const decision = SocketState.decide(
      this.state,
      { _tag: "connectByList", ...asked },
      this.instance.facts(),
      this.capabilities
    )
    return decision._tag === "Fail" ? this.fault(call, decision, "request") : Effect.void
  }

  /** A22: the look-up of a name is part of the call, and ends with the socket. */
  awaitLookup(
    lookup: Effect.Effect<unknown, unknown>,
    context: Context.Context<never>,
    resume: Resume
  ): Effect.Effect<void> {
    const fiber = Effect.runForkWith(context)(lookup)
    const waiting: Lookup = { fiber, resume }
    this.lookups = append(this.lookups, waiting)
    fiber.addObserver((exit) => {
      if (remove(this.lookups, waiting)) resume(exit as Effect.Effect<any, any>)
    })
    return Effect.suspend(() => {
      remove(this.lookups, waiting)
      return Fiber.interrupt(fiber)
    })
  }

  /** Waits until no attempt is pending. Giving up the waiting leaves the attempt alone. */
  awaitConnect(call: WsaError.Call, resume: Resume): void | Effect.Effect<void> {
    const phase = this.state.phase
    if (phase._tag !== "Connecting") return resume(this.outcomeOf(call))
    const connector: Connector = { call, attempt: phase.attempt, until: "over", resume }
    this.connectors = append(this.connectors, connector)
    return Effect.sync(() => {
      remove(this.connectors, connector)
    })
  }

  issued(attempt: number): void {
    this.react({ _tag: "issued", attempt })
    if (this.state.phase._tag !== "Connecting" || this.state.phase.attempt !== attempt) return
    const { caller, remote } = this.state.phase
    if (caller === "blocking") return
    const fault: Fault = {
      code: "WSAEWOULDBLOCK",
      detail: "the attempt goes on; connectResult tells what became of it"
    }
    for (const connector of this.connectors?.filter(({ until }) => until === "issued") ?? []) {
      if (remove(this.connectors, connector)) {
        connector.resume(this.fault(connector.call, fault, "connect", remote))
      }
    }
  }

  connected(attempt: number, result: Provider.Established | Provider.Failure): void {
    this.wake(this.settle(attempt, result))
  }

  private wakeConnectors(): void {
    const connectors = this.connectors
    if (connectors === undefined || connectors.length === 0) return
    this.connectors = undefined
    // All answers are of this moment: a fiber that wakes may begin another attempt.
    const answers = connectors.map((connector) => this.outcomeOf(connector.call))
    connectors.forEach((connector, index) => connector.resume(answers[index]!))
  }

  // -- listen and accept ----------------------------------------------------------------------------------------------

  listen(backlog: number, resume: Resume): void {
    const decision = SocketState.decide(
      this.state,
      { _tag: "listen", backlog },
      this.instance.facts(),
      this.capabilities
    )
    if (decision._tag === "Fail") return resume(this.fault("listen", decision, "request"))
    if (decision._tag === "Done" || decision.command._tag !== "listen") return resume(Effect.void)
    const { plan } = decision.command
    const local = this.state.local ?? this.handle.local() ?? SocketAddress.unspecified(this.kind.family)
    const answer = this.handle.listen({ ...plan, local })
    if (answer !== "pending") return resume(this.listened(plan.backlog, answer))
    ;(this.listeners ??= []).push({ backlog: plan.backlog, resume })
  }

  private listened(
    backlog: number,
    answer: SocketAddress.SocketAddress | Provider.Failure
  ): Effect.Effect<void, any> {
    if (Provider.isFailure(answer)) return this.fault("listen", answer, "listen")
    this.react({ _tag: "listening", local: answer, backlog })
    this.look()
    return Effect.void
  }

  listening(result: SocketAddress.SocketAddress | Provider.Failure): void {
    const listener = this.listeners?.shift()
    if (listener !== undefined) listener.resume(this.listened(listener.backlog, result))
  }

  accept(call: "accept" | "WSAAccept", scope: Scope.Scope, resume: Resume): void | Effect.Effect<void> {
    return this.awaitCaller({ call, considers: false, take: (request) => this.take(call, request, scope), resume })
  }

  /** A07: waits for a caller whose condition is to run; nobody else gets it meanwhile. */
  consider(resume: Resume): void | Effect.Effect<void> {
    return this.awaitCaller({
      call: "WSAAccept",
      considers: true,
      take: (request) => {
        ;(this.considered ??= new Map()).set(request, nobody)
        return Effect.succeed(request)
      },
      resume
    })
  }

  private awaitCaller(acceptor: Acceptor): void | Effect.Effect<void> {
    if (this.serveAcceptor(acceptor, false)) return this.look()
    this.acceptors = append(this.acceptors, acceptor)
    return Effect.sync(() => {
      remove(this.acceptors, acceptor)
    })
  }

  /** `waits`: it has begun to wait already, and goes on also where the socket does not block any more (A15). */
  private serveAcceptor(acceptor: Acceptor, waits: boolean): boolean {
    const verdict = SocketState.accepting(this.state, this.instance.facts(), this.hasCaller())
    if (verdict === "wait" || (waits && verdict === "WSAEWOULDBLOCK")) return false
    const code = verdict === "take" ? undefined : verdict
    // Where a condition comes first the call has not ended yet.
    if (code !== undefined || !acceptor.considers) this.enable(Readiness.enabledBy(acceptor.call, code))
    acceptor.resume(
      code === undefined ? acceptor.take(this.requests!.shift()!) : this.refuse(acceptor.call, code, "accept")
    )
    return true
  }

  /** A06: whoever has gone before anyone accepted is skipped. */
  private hasCaller(): boolean {
    while (this.requests !== undefined && this.requests.length > 0 && this.requests[0]!.withdrawn()) {
      // What the provider still holds of it is given back.
      this.requests.shift()!.reject()
    }
    return this.requests !== undefined && this.requests.length > 0
  }

  /** A07: what the condition answered is done. The request stays, and is the next one, unless this is the end of it. */
  conclude(
    request: Provider.Incoming,
    answer: SocketState.Verdict,
    scope: Scope.Scope
  ): Effect.Effect<any, any> {
    if (!this.considered?.delete(request)) {
      // Closing the listener has rejected it.
      return this.fault("WSAAccept", { code: "WSAEINTR", detail: closedMeanwhile }, "close")
    }
    const fault = SocketState.concluding(answer, request.withdrawn(), this.capabilities)
    this.enable(Readiness.enabledBy("WSAAccept", fault?.code))
    if (fault === undefined) {
      const socket = this.take("WSAAccept", request, scope, answer.calleeData, answer.group)
      this.look()
      return socket
    }
    if (SocketState.keepsCaller(fault.code)) this.putBack(request)
    else request.reject()
    this.look()
    return this.fault("WSAAccept", fault, "accept", request.remote)
  }

  /** A11: fails when the listener is closed while the condition runs, however long that may take. */
  closing(request: Provider.Incoming): Effect.Effect<never, any> {
    return Effect.callback((resume) => {
      if (this.considered?.has(request)) {
        this.considered.set(request, resume as Resume)
      } else {
        resume(this.fault("WSAAccept", { code: "WSAEINTR", detail: closedMeanwhile }, "close"))
      }
    })
  }

  /** The condition came to nothing: it failed, or was interrupted. */
  abandon(request: Provider.Incoming): void {
    if (this.considered?.delete(request)) this.putBack(request)
  }

  private putBack(request: Provider.Incoming): void {
    ;(this.requests ??= []).unshift(request)
    this.wakeAcceptors()
    this.look()
  }

  private take(
    call: "accept" | "WSAAccept",
    request: Provider.Incoming,
    scope: Scope.Scope,
    calleeData?: Uint8Array,
    wanted?: unknown
  ): Effect.Effect<any, any> {
    const socket = new Socket(
      this.instance,
      SocketState.makeAccepted(
        this.state,
        request.local,
        request.remote,
        this.instance.clock.currentTimeMillisUnsafe()
      )
    )
    const wrong = socket.join(wanted) ?? SocketState.checkGroupPeer(socket.groupPeer(), request.remote)
    const handle = wrong === undefined ? request.accept(socket, calleeData) : Provider.failure(wrong.code)
    if (Provider.isFailure(handle)) {
      socket.part()
      if (SocketState.keepsCaller(handle.code)) this.putBack(request)
      else request.reject()
      return this.fault(call, wrong ?? handle, "accept", request.remote)
    }
    socket.open(handle, scope)
    for (const [option, value] of SocketState.inherited(socket.state, this.capabilities)) {
      handle.setOption(option, value)
    }
    handle.read(streamWindow)
    // Its scope may have ended already, and with it the socket, which would never let go of who is told.
    if (this.target !== undefined && socket.state.phase._tag !== "Closed") socket.retarget(this.target)
    return Effect.succeed({ socket, remote: request.remote })
  }

  /** Takes its place: from here on the instance counts it and the scope closes it. */
  open(handle: Provider.Handle, scope: Scope.Scope): void {
    this.handle = handle
    this.instance.sockets.add(this)
    this.scope = scope
    enter(scope, this)
  }

  incoming(request: Provider.Incoming): void {
    // Those in front that have gone make room. To look at all of them for each caller would cost too much.
    this.hasCaller()
    const waiting = (this.requests?.length ?? 0) + (this.considered?.size ?? 0)
    if (!SocketState.holdsCaller(this.state, waiting)) return request.reject()
    this.requests = append(this.requests, request)
    this.wakeAcceptors()
    this.look()
  }

  private wakeAcceptors(): void {
    // Whoever is put back by one of those that wake is met in the next turn: as many calls as there are acceptors, one
    // inside the other, would be more than the stack holds.
    if (this.accepting) return
    this.accepting = true
    try {
      while (this.acceptors !== undefined && this.acceptors.length > 0) {
        // It is out of the list before it wakes, since its fiber may do anything to the list.
        const acceptor = this.acceptors.shift()!
        if (this.serveAcceptor(acceptor, true)) continue
        this.acceptors.unshift(acceptor)
        return
      }
    } finally {
      this.accepting = false
    }
  }

  // -- receive --------------------------------------------------------------------------------------------------------

  receive(asked: Receiver): void | Effect.Effect<void> {
    // While those that wait are being served, what there is belongs to the first of them.
    const behind = this.state.blocking && this.receivers !== undefined && this.receivers.length > 0 &&
      (this.bytes ?? this.messages)!.length > 0
    this.enable(Readiness.enabledBy("recv", undefined))
    if (!behind && this.serveReceiver(asked, false)) return this.look()
    const { forget, waiter } = this.limited(
      asked,
      this.state.cold.options.SO_RCVTIMEO,
      "receive",
      (waiter) => remove(this.receivers, waiter)
    )
    this.receivers = append(this.receivers, waiter)
    return Effect.sync(() => {
      forget()
      remove(this.receivers, waiter)
    })
  }

  /**
   * SO_RCVTIMEO, SO_SNDTIMEO: the same waiter, but it fails with WSAETIMEDOUT after so many milliseconds (0: never), if
   * `giveUp` says that it waited still.
   */
  private limited<W extends { readonly call: WsaError.Call; readonly resume: Resume | undefined }>(
    waiter: W,
    millis: number,
    stage: WsaError.Stage,
    giveUp: (waiter: W) => boolean
  ): { readonly waiter: W; readonly forget: () => void } {
    if (millis === 0) return { waiter, forget: nothing }
    const forget = this.instance.after(millis, () => {
      if (!giveUp(limited)) return
      const detail = `the call has waited for ${millis} milliseconds, as long as its time-out allows`
      waiter.resume!(this.fault(waiter.call, { code: "WSAETIMEDOUT", detail }, stage, this.peer()))
    })
    const limited = {
      ...waiter,
      resume: (answer: Effect.Effect<any, any>) => {
        forget()
        waiter.resume!(answer)
      }
    }
    return { waiter: limited, forget }
  }

  /** `waits`: it has begun to wait already, and goes on also where the socket does not block any more (A15). */
  private serveReceiver(receiver: Receiver, waits: boolean): boolean {
    const buffered = (this.bytes ?? this.messages)!.length > 0
    const verdict = SocketState.receiving(this.state, this.instance.facts(), receiver.call, buffered)
    switch (verdict) {
      case "wait":
      case "WSAEWOULDBLOCK":
      case "end":
      case "take":
        // A08: no bytes are asked for, and none are waited for.
        if (receiver.maximum === 0 && this.bytes !== undefined) {
          receiver.resume(this.received(receiver, new Uint8Array(0), 0, this.peer()))
          return true
        }
        if (verdict === "wait" || (waits && verdict === "WSAEWOULDBLOCK")) return false
        receiver.resume(
          verdict === "take" && lostRoom(receiver)
            ? this.fault(
              receiver.call,
              { code: "WSAEFAULT", detail: "the buffer was detached, or made smaller, while the call was pending" },
              "receive"
            )
            : verdict === "take"
            ? this.bytes === undefined ? this.takeMessage(receiver) : this.takeBytes(receiver, this.bytes)
            : verdict === "end"
            ? this.received(receiver, new Uint8Array(0), 0, this.peer())
            : this.refuse(receiver.call, verdict, "receive")
        )
        return true
      default:
        receiver.resume(this.refuse(receiver.call, verdict, "receive"))
        return true
    }
  }

  peer(): SocketAddress.SocketAddress {
    const phase = this.state.phase
    if (phase._tag === "Connected") return phase.remote
    return phase._tag === "Broken" && phase.was !== undefined
      ? phase.was.remote
      : SocketAddress.unspecified(this.kind.family)
  }

  /** The answer of a receive: `bytes` is what the caller keeps, what it is lent, or its own buffer's first `length`. */
  private received(
    receiver: Receiver,
    bytes: Uint8Array,
    length: number,
    from: SocketAddress.SocketAddress
  ): Effect.Effect<any> {
    if (receiver.lend !== undefined) {
      try {
        return Effect.succeed(receiver.lend(bytes))
      } catch (error) {
        return Effect.die(error)
      }
    }
    if (receiver.call === "recv") return Effect.succeed(receiver.into === undefined ? bytes : length)
    return Effect.succeed(receiver.into === undefined ? { bytes, from } : { length, from })
  }

  private takeBytes(receiver: Receiver, queue: ByteQueue): Effect.Effect<any, any> {
    const from = this.peer()
    const { into, lend, maximum, peek } = receiver
    if (peek) {
      // As much as there is, whatever pieces it came in: who asks again for more bytes must not be shown the same ones.
      const seen = into ?? new Uint8Array(Math.min(maximum, queue.length))
      return this.received(receiver, seen, queue.peekInto(seen), from)
    }
    const bytes = into ?? (lend === undefined ? queue.take(maximum) : queue.lend(maximum))
    const length = into === undefined ? bytes.length : queue.takeInto(into)
    this.restart(queue.length <= streamWindow / 2, streamWindow - queue.length)
    return this.received(receiver, bytes, length, from)
  }

  private takeMessage(receiver: Receiver): Effect.Effect<any, any> {
    const first = receiver.peek ? this.messages!.first() : undefined
    if (first?._tag === "Datagram") return this.message(receiver, first.bytes, first.from, true)
    // A report is no datagram: it is told once, also to a call that only looks.
    const message = this.messages!.shift()!
    this.restart(this.messages!.credit > 0, this.messages!.credit)
    return message._tag === "Soft"
      ? this.fault(receiver.call, message.failure, "receive")
      : this.message(receiver, message.bytes, message.from, false)
  }

  /** A09: a datagram goes whole, or its head goes and the call says so. */
  private message(
    receiver: Receiver,
    bytes: Uint8Array,
    from: SocketAddress.SocketAddress,
    lent: boolean
  ): Effect.Effect<any, any> {
    const length = Math.min(bytes.length, receiver.maximum)
    const head = length === bytes.length ? bytes : bytes.subarray(0, length)
    let kept = head
    if (receiver.into !== undefined) receiver.into.set(head)
    else if (head !== bytes || (lent && receiver.lend === undefined)) kept = new Uint8Array(head)
    if (length === bytes.length) return this.received(receiver, kept, length, from)
    return Effect.fail(WsaError.forCall(receiver.call, "WSAEMSGSIZE", {
      stage: "receive",
      local: this.state.local,
      remote: from,
      head: receiver.into === undefined ? kept : receiver.into.subarray(0, length),
      detail: `the datagram is ${bytes.length} bytes, there is room for ${receiver.maximum}; ${
        receiver.peek ? "it still waits" : "the rest is gone"
      }`
    }))
  }

  /** Delivery goes on once there is room again; while one is under way it is told at its end. */
  private restart(room: boolean, credit: number): void {
    if (!this.stopped || this.delivering || !room) return
    const tag = this.state.phase._tag
    if (tag === "Closed" || tag === "Broken") return
    const allowed = this.shaping === undefined ? credit : this.shaping.allows(credit)
    if (allowed <= 0) return
    this.stopped = false
    this.handle.read(allowed)
  }

  /** The flow lets more come. */
  refill(): void {
    const room = this.room()
    this.restart(this.bytes === undefined ? room > 0 : room >= streamWindow / 2, room)
  }

  /** How much more there is room for. */
  private room(): number {
    if (this.bytes === undefined) return this.messages!.credit
    return (this.state.shut & SocketState.shutReceive) === 0 ? streamWindow - this.bytes.length : streamWindow
  }

  private credit(): number {
    const tag = this.state.phase._tag
    let credit: number
    if (this.bytes === undefined) credit = tag === "Closed" ? 0 : this.messages!.credit
    else credit = tag === "Connected" ? this.room() : 0
    if (this.shaping !== undefined) credit = this.shaping.allows(credit)
    this.stopped = credit <= 0
    return credit
  }

  data(lent: Uint8Array): number {
    const queue = this.bytes
    if (queue === undefined || this.state.phase._tag !== "Connected") return 0
    // To a call that waits no bytes are the end, and this is none.
    if (lent.length === 0) return this.credit()
    if (this.shaping !== undefined) this.shaping.charge(lent.length)
    // A10: what comes after the receiving direction was shut is nobody's.
    if ((this.state.shut & SocketState.shutReceive) !== 0) return this.credit()
    // Straight into the hands of those who wait, and of those whom they let receive; only the rest is kept.
    queue.borrow(lent)
    return this.deliver(() => this.wakeReceivers())
  }

  datagram(lent: Uint8Array, from: SocketAddress.SocketAddress): number {
    const queue = this.messages
    if (queue === undefined) return 0
    if (
      !SocketState.acceptsDatagram(this.state, from) || (this.state.shut & SocketState.shutReceive) !== 0
    ) return this.credit()
    if (this.shaping !== undefined && !this.shaping.admits(lent.length)) return this.credit()
    const receiver = this.receivers?.shift()
    if (receiver !== undefined && !receiver.peek && !lostRoom(receiver)) {
      return this.deliver(() => receiver.resume(this.message(receiver, lent, from, true)))
    }
    queue.push(lent, from)
    if (receiver === undefined) return this.deliver(nothing)
    this.receivers!.unshift(receiver)
    return this.deliver(() => this.wakeReceivers())
  }

  /** Whoever is served, or looks then, may take what has come, and only then the credit is known. */
  private deliver(serve: () => void): number {
    this.delivering = true
    try {
      serve()
      this.look()
    } finally {
      // Also after a throw, as from whoever observes the end of a fiber: what is lent goes, and comes with other bytes.
      this.delivering = false
      this.bytes?.keep()
    }
    return this.credit()
  }

  soft(failure: Provider.Failure): void {
    if (this.state.phase._tag === "Closed" || this.messages === undefined) return
    const receiver = this.receivers?.shift()
    if (receiver !== undefined) return receiver.resume(this.fault(receiver.call, failure, "receive"))
    this.messages.report(failure)
    this.look()
  }

  ended(): void {
    this.wake(this.react({ _tag: "ended" }))
  }

  /** Each call that waits is looked at again; those that still have to wait keep their order. */
  private wakeReceivers(): void {
    let index = 0
    while (this.receivers !== undefined && index < this.receivers.length) {
      // It is out of the list before it wakes, since its fiber may do anything to the list.
      const receiver = this.receivers[index]!
      if (this.receivers.length === 1) this.receivers = undefined
      else this.receivers.splice(index, 1)
      if (this.serveReceiver(receiver, true)) index = 0
      else if (this.receivers === undefined) return void (this.receivers = [receiver])
      else this.receivers.splice(index++, 0, receiver)
    }
  }

  // -- send -----------------------------------------------------------------------------------------------------------

  send(bytes: Uint8Array, call: "send" | "sendto", resume: Resume): void | Effect.Effect<void> {
    const busy = this.writing !== undefined || (this.senders !== undefined && this.senders.length > 0)
    const verdict = SocketState.sending(this.state, this.instance.facts(), call, busy)
    if (verdict !== "go" && verdict !== "wait") {
      resume(this.refuse(call, verdict, "send"))
      this.enable(Readiness.enabledBy("send", verdict))
      return this.look()
    }
    if (bytes.length === 0) return resume(Effect.succeed(0))
    if (!this.state.blocking) return this.sendPart(call, bytes, resume)
    const asked: Sender = { call, bytes, resume }
    if (verdict === "go" && this.transmit(asked)) return
    const { forget, waiter } = this.limited(
      asked,
      this.state.cold.options.SO_SNDTIMEO,
      "send",
      (waiter) => this.giveUpSend(waiter)
    )
    if (verdict === "wait") this.senders = append(this.senders, waiter)
    else this.writing = waiter
    return Effect.sync(() => {
      forget()
      this.giveUpSend(waiter)
    })
  }

  /** Answers whether the send was still under way. */
  private giveUpSend(sender: Sender): boolean {
    if (remove(this.senders, sender)) {
      this.look()
      return true
    }
    if (this.writing !== sender) return false
    if (this.shaping?.untouched === true) {
      // It has only waited for its credit: nothing has happened.
      this.endWrite()
      this.wakeSenders()
      this.look()
      return true
    }
    // R27: the caller has its bytes back, so nothing of them may be sent any more.
    this.breakOff()
    return true
  }

  /** A08: a non-blocking send takes what it can, and that is copied, since nobody waits. */
  private sendPart(call: "send" | "sendto", bytes: Uint8Array, resume: Resume): void {
    const most = Math.min(bytes.length, nonBlockingSend)
    const size = this.shaping === undefined ? most : this.shaping.offer(most)
    if (size === 0) return this.wouldBlock(call, resume)
    // Not `slice`: that of a Buffer makes no copy (R27).
    const part = new Uint8Array(bytes.subarray(0, size))
    const left = this.handle.write(part)
    if (Provider.isFailure(left)) return this.failSend(call, left, resume)
    if (left > 0) this.writing = { call, bytes: part, resume: undefined }
    resume(Effect.succeed(part.length))
    if (this.shaping !== undefined) this.look()
  }

  private wouldBlock(call: "send" | "sendto", resume: Resume): void {
    resume(this.refuse(call, "WSAEWOULDBLOCK", "send"))
    this.enable(Readiness.enabledBy("send", "WSAEWOULDBLOCK"))
    this.look()
  }

  /** Answers whether the call has ended. */
  private transmit(sender: Sender): boolean {
    if (this.shaping?.begin(sender.bytes) === true) {
      this.writing = sender
      const sent = this.transmitPieces()
      if (sent === undefined) return false
      this.answerPieces(sender, sent)
      return true
    }
    const left = this.handle.write(sender.bytes)
    if (Provider.isFailure(left)) {
      this.failSend(sender.call, left, sender.resume!)
      return true
    }
    if (left > 0) {
      this.writing = sender
      return false
    }
    sender.resume!(Effect.succeed(sender.bytes.length))
    return true
  }

  /** What there is credit for goes, piece by piece. Answers how much went in all, or that the rest waits. */
  private transmitPieces(): number | Provider.Failure | undefined {
    const shaping = this.shaping!
    for (let piece = shaping.next(); piece !== undefined; piece = shaping.next()) {
      const left = this.handle.write(piece)
      if (Provider.isFailure(left)) {
        this.endWrite()
        return left
      }
      if (left > 0) return undefined
    }
    return shaping.waits ? undefined : this.endWrite()
  }

  private answerPieces({ call, resume }: Sender, sent: number | Provider.Failure): void {
    if (typeof sent !== "number") return this.failSend(call, sent, resume!)
    resume!(Effect.succeed(sent))
    this.look()
  }

  /** Answers how much of a write that went by pieces was handed down. */
  private endWrite(): number {
    this.writing = undefined
    return this.shaping?.end() ?? 0
  }

  /** The provider has taken the piece before, or there is credit for the next one. */
  goOn(): void {
    const sender = this.writing
    if (sender === undefined) return
    // What was all handed down before the shutdown still arrives, and is sent.
    if ((this.state.shut & SocketState.shutSend) === 0 || this.shaping!.spent) {
      const sent = this.transmitPieces()
      if (sent === undefined) return
      // The next in line goes before the fiber that wakes can send again.
      this.wakeSenders()
      return this.answerPieces(sender, sent)
    }
    this.endWrite()
    this.wakeSenders()
    sender.resume!(this.refuse(sender.call, "WSAESHUTDOWN", "send"))
    this.look()
  }

  private failSend(call: WsaError.Call, failure: Provider.Failure, resume: Resume): void {
    const wake = this.react({ _tag: "broken", failure })
    resume(this.fault(call, failure, "send", this.peer()))
    this.wake(wake)
  }

  private breakOff(): void {
    this.endWrite()
    // A03: the socket keeps its name, and a handle that is closed is not asked.
    const local = this.handle.local()
    this.handle.close("reset")
    this.wake(this.react({ _tag: "broken", failure: SocketState.sendAbandoned, local }))
  }

  drained(): void {
    const sender = this.writing
    if (sender === undefined) return
    if (this.shaping?.writes === true) return this.goOn()
    this.writing = undefined
    // The next in line goes before the fiber that wakes can send again.
    this.wakeSenders()
    sender.resume?.(Effect.succeed(sender.bytes.length))
    this.look()
  }

  private wakeSenders(): void {
    // What broke gives back the bytes of the write that was under way.
    const writing = this.writing
    if (writing !== undefined && this.state.phase._tag === "Broken") {
      this.endWrite()
      writing.resume?.(this.refuse(writing.call, this.state.phase.failure.code, "send"))
    }
    if (this.shaping !== undefined) this.wakeShaped(this.shaping)
    while (this.senders !== undefined && this.senders.length > 0) {
      const sender = this.senders[0]!
      const verdict = SocketState.sending(this.state, this.instance.facts(), sender.call, this.writing !== undefined)
      if (verdict === "wait" || verdict === "WSAEWOULDBLOCK") return
      this.senders.shift()
      if (verdict === "go") this.transmit(sender)
      else sender.resume!(this.refuse(sender.call, verdict, "send"))
    }
  }

  /** What waits for its credit and cannot go any more need not wait. */
  private wakeShaped(shaping: Shaping<Sender>): void {
    if (this.state.phase._tag === "Broken") {
      for (const { call, resume } of shaping.close()) {
        resume!(this.refuse(call, this.state.phase.failure.code, "send"))
      }
    } else if (shaping.waits && (this.state.shut & SocketState.shutSend) !== 0) this.goOn()
  }

  sendMessage(
    call: "send" | "sendto",
    bytes: Uint8Array,
    to: SocketState.Name | undefined,
    resume: Resume
  ): void | Effect.Effect<void> {
    const at = to === undefined || to._tag === "InvalidAddress" ? undefined : to
    const verdict = SocketState.sending(this.state, this.instance.facts(), call, false)
    if (verdict !== "go") return resume(this.refuse(call, verdict as WsaError.Code, "send"))
    const wrong = SocketState.checkMessage(this.state, bytes.length, to, this.capabilities)
    if (wrong !== undefined) return resume(this.fault(call, wrong, "request", at))
    const unbound = this.bindImplicitly()
    if (unbound !== undefined) return resume(this.fault(call, unbound, "bind", at))
    const release = this.shaping === undefined
      ? this.transmitMessage(call, bytes, at, resume)
      : this.shapeMessage(this.shaping, { call, bytes, resume }, at)
    this.look()
    return release
  }

  private shapeMessage(
    shaping: Shaping<Sender>,
    asked: Sender,
    at: SocketAddress.SocketAddress | undefined
  ): void | Effect.Effect<void> {
    const fate = shaping.judge(asked.bytes.length, this.state.blocking)
    if (fate !== "wait") return this.transmitShaped(asked, fate, at)
    if (!this.state.blocking) return this.wouldBlock(asked.call, asked.resume!)
    let release: void | Effect.Effect<void>
    const { forget, waiter } = this.limited(
      asked,
      this.state.cold.options.SO_SNDTIMEO,
      "send",
      (waiter) => shaping.giveUp(waiter)
    )
    shaping.wait(waiter, asked.bytes.length, (fate) => {
      forget()
      const verdict = SocketState.sending(this.state, this.instance.facts(), asked.call, false)
      if (verdict === "go") release = this.transmitShaped(asked, fate, at)
      else asked.resume!(this.refuse(asked.call, verdict as WsaError.Code, "send"))
      this.look()
    })
    return Effect.suspend(() => {
      forget()
      shaping.giveUp(waiter)
      return release ?? Effect.void
    })
  }

  /** A datagram that is dropped was sent, as far as its sender can know: a network does the same. */
  private transmitShaped(
    { bytes, call, resume }: Sender,
    fate: Exclude<Fate, "wait">,
    at: SocketAddress.SocketAddress | undefined
  ): void | Effect.Effect<void> {
    if (fate === "go") return this.transmitMessage(call, bytes, at, resume!)
    if (fate === "drop") return resume!(Effect.succeed(bytes.length))
    const detail = `a datagram of ${bytes.length} bytes is longer than the QOS of the socket lets any be`
    resume!(this.fault(call, { code: "WSAEMSGSIZE", detail }, "send", at))
  }

  private transmitMessage(
    call: "send" | "sendto",
    bytes: Uint8Array,
    at: SocketAddress.SocketAddress | undefined,
    resume: Resume
  ): void | Effect.Effect<void> {
    const answer = this.handle.sendTo(bytes, at)
    if (answer === undefined) return resume(Effect.succeed(bytes.length))
    if (answer !== "pending") return resume(this.fault(call, answer, "send", at))
    let done = false
    /** Those who gave the call up: its fiber, or whoever cancelled it, or both. */
    const released: Array<() => void> = []
    ;(this.sendings ??= []).push((result) => {
      done = true
      if (released.length > 0) return released.forEach((release) => release())
      resume(result === undefined ? Effect.succeed(bytes.length) : this.fault(call, result, "send", at))
    })
    // R27: the bytes are the caller's again only when the provider is done with them. That is never long.
    return Effect.callback<void>((release) => {
      if (done) return release(Effect.void)
      released.push(() => release(Effect.void))
    })
  }

  sent(result: Provider.Failure | undefined): void {
    this.sendings?.shift()?.(result)
  }

  // -- shutdown and close ---------------------------------------------------------------------------------------------

  shutdown(how: unknown): Effect.Effect<void, any> {
    const decision = SocketState.decide(this.state, { _tag: "shutdown", how }, this.instance.facts(), this.capabilities)
    if (decision._tag === "Fail") return this.fault("shutdown", decision, "request")
    const before = this.state.shut
    this.state = decision.next
    if (decision._tag === "Run") {
      const failure = this.handle.shutdownSend()
      if (failure !== undefined) {
        this.state = { ...this.state, shut: before }
        return this.fault("shutdown", failure, "shutdown")
      }
    }
    if ((this.state.shut & SocketState.shutReceive) !== 0) {
      this.messages?.clear()
      this.bytes?.clear()
      this.restart(true, this.bytes === undefined ? this.messages!.credit : streamWindow)
    }
    this.wake(SocketState.Wake.receive | SocketState.Wake.send)
    return Effect.void
  }

  close(): Effect.Effect<void, any> {
    const decision = SocketState.decide(
      this.state,
      { _tag: "close", lent: this.lent(), unsent: this.writing !== undefined && this.writing.resume === undefined },
      this.instance.facts(),
      this.capabilities
    )
    if (decision._tag === "Fail") return this.fault("closesocket", decision, "request")
    this.closeNow()
    if (this.lingering === undefined) {
      leave(this.scope, this)
      return Effect.void
    }
    // Whoever closes the scope meanwhile waits too.
    return Effect.ensuring(this.lingered(), Effect.sync(() => leave(this.scope, this)))
  }

  /** SO_LINGER: waits until the close is over. Whoever gives that up has no time left: it becomes a reset. */
  lingered(): Effect.Effect<void> {
    return this.lingering === undefined ? Effect.void : Effect.callback<void>((resume) => {
      if (this.lingering === undefined) return resume(Effect.void)
      this.lingering.waiting.push(resume)
      return Effect.sync(() => this.handle.close("reset"))
    })
  }

  /** A call waits for the provider to be done with its bytes. */
  private lent(): boolean {
    return (this.writing?.resume !== undefined && this.shaping?.untouched !== true) ||
      (this.sendings !== undefined && this.sendings.length > 0)
  }

  /** What its scope does with it. */
  leaving(): Effect.Effect<void> {
    this.closeNow()
    return this.lingered()
  }

  /** What its scope would do with it, before its time. */
  giveUp(): Effect.Effect<void> {
    leave(this.scope, this)
    return this.leaving()
  }

  /** Closes whatever the state, as leaving a scope does. Calls that wait end with WSAEINTR (A11). */
  closeNow(): void {
    if (this.state.phase._tag === "Closed") return
    const { command, next } = SocketState.close(this.state, this.lent())
    if (this.state.local !== undefined) {
      this.instance.state = InstanceState.release(this.instance.state, this, this.state.kind, this.state.local)
    }
    this.last = this.state
    this.state = next
    this.forgetConnectTimeout()
    const interrupted: Array<readonly [WsaError.Call, Resume]> = []
    for (const { call, resume } of this.connectors ?? []) interrupted.push([call, resume])
    const lookups = this.lookups ?? []
    for (const { resume } of lookups) interrupted.push(["WSAConnectByName", resume])
    for (const { call, resume } of this.receivers ?? []) interrupted.push([call, resume])
    const senders = this.senders ?? []
    if (this.writing !== undefined) senders.unshift(this.writing)
    for (const { call, resume } of senders) if (resume !== undefined) interrupted.push([call, resume])
    for (const { call, resume } of this.acceptors ?? []) interrupted.push([call, resume])
    for (const resume of this.considered?.values() ?? []) interrupted.push(["WSAAccept", resume])
    for (const { resume } of this.listeners ?? []) interrupted.push(["listen", resume])
    for (const { call, resume } of this.shaping?.close() ?? []) interrupted.push([call, resume!])
    const sendings = this.sendings ?? []
    const requests = this.requests ?? []
    this.connectors =
      this.lookups =
      this.receivers =
      this.senders =
      this.acceptors =
      this.listeners =
        undefined
    this.writing = this.sendings = this.requests = undefined
    this.bytes?.clear()
    this.messages?.clear()
    for (const request of [...requests, ...this.considered?.keys() ?? []]) request.reject()
    this.considered = undefined
    const target = this.target
    this.target = undefined
    this.part()
    if (command.linger > 0) {
      this.lingering = { waiting: [], forget: this.instance.after(command.linger, () => this.handle.close("reset")) }
    }
    this.handle.close(command.how)
    for (const [call, resume] of interrupted) {
      resume(
        this.fault(call, { code: "WSAEINTR", detail: closedMeanwhile }, "close")
      )
    }
    for (const { fiber } of lookups) fiber.interruptUnsafe()
    for (const sending of sendings) sending(Provider.failure("WSAEINTR"))
    target?.detach(this)
    this.look()
  }

  qosChanged(change: Provider.QosChange): void {
    this.react({ _tag: "qosChanged", change })
    this.look()
  }

  broken(failure: Provider.Failure): void {
    this.wake(this.react({ _tag: "broken", failure }))
  }

  closed(): void {
    const { forget, waiting } = this.lingering ?? { forget: nothing, waiting: [] }
    this.lingering = undefined
    forget()
    this.instance.gone(this)
    for (const resume of waiting) resume(Effect.void)
  }

  // -- readiness ------------------------------------------------------------------------------------------------------

  private standing(): Readiness.Standing {
    return {
      buffered: (this.bytes ?? this.messages)!.length > 0,
      waiting: this.hasCaller(),
      room: this.writing === undefined && (this.senders === undefined || this.senders.length === 0) &&
        (this.shaping === undefined || this.shaping.hasRoom())
    }
  }

  /** A17: the sets of select that the socket belongs to. */
  readiness(): number {
    return Readiness.readiness(this.state, this.standing())
  }

  addWatching(watching: Watching): void {
    this.watched = true
    ;(this.watching ??= new Set()).add(watching)
    this.awaitCredit()
  }

  removeWatching(watching: Watching): void {
    this.watching?.delete(watching)
    this.watched = this.state.cold.selection !== undefined || (this.watching !== undefined && this.watching.size > 0)
    if (!this.watched) this.shaping?.unwatch()
  }

  /** Whoever waits until a send would not have to is told when there is credit. */
  private awaitCredit(): void {
    if (this.shaping !== undefined && this.watched && !this.shaping.hasRoom()) this.shaping.watch()
  }

  hasCredit(): void {
    this.look()
  }

  /** A18: also a receive that is given what it cannot take enables FD_READ. */
  refuseReceive(answer: Effect.Effect<never, any>, resume: Resume): void {
    resume(answer)
    this.enable(Readiness.enabledBy("recv", "WSAEFAULT"))
    this.look()
  }

  private enable(events: number): void {
    if (this.watched) this.state = Readiness.enable(this.state, events)
  }

  /** Whatever has happened, whoever asked for it is told. */
  private look(): void {
    if (!this.watched) return
    const next = Readiness.observe(this.state, this.standing())
    if (next !== this.state) {
      this.state = next
      this.target?.signal(this)
    }
    for (const watching of Array.from(this.watching ?? [])) {
      if (this.watching!.has(watching)) watching.look(this)
    }
    this.awaitCredit()
  }

  /** A18, A20: who is told of which events from now on. */
  select(
    call: "WSAEventSelect" | "WSAAsyncSelect",
    events: unknown,
    target: Target | undefined
  ): Effect.Effect<void, any> {
    const decision = Readiness.decideSelect(
      this.state,
      { door: call === "WSAEventSelect" ? "event" : "async", events, told: target !== undefined },
      this.instance.facts()
    )
    if (decision._tag === "Fail") return this.fault(call, decision, "request")
    this.state = decision.next
    this.retarget(events === 0 ? undefined : target)
    return Effect.void
  }

  private retarget(target: Target | undefined): void {
    const before = this.target
    this.watched = true
    this.target = target
    target?.attach(this)
    if (before !== target) before?.detach(this)
    this.look()
  }

  /** Who was told does not listen any more; another one may have taken its place. */
  deselect(target: Target): void {
    if (this.target !== target) return
    this.state = Readiness.forget(this.state)
    this.retarget(undefined)
  }

  fetchEvents(door: "event" | "async"): Readiness.Fetched {
    const { fetched, next } = Readiness.fetch(this.state, door)
    this.state = next
    return fetched
  }

  /** A19: gives the recorded events, and resets the event object in the same step. */
  enumEvents(event: { readonly reset: () => void } | undefined | "invalid"): Effect.Effect<Readiness.Fetched, any> {
    const wrong = Readiness.checkEnum(this.state, this.instance.facts(), event !== "invalid")
    if (wrong !== undefined || event === "invalid") return this.fault("WSAEnumNetworkEvents", wrong!, "request")
    event?.reset()
    return Effect.succeed(this.fetchEvents("event"))
  }

  // -- groups ---------------------------------------------------------------------------------------------------------

  /** A01: becomes one of a group, or says why it cannot. */
  join(wanted: unknown): SocketState.Fail | undefined {
    const answer = InstanceState.join(this.instance.state, this, this.kind, wanted)
    if ("_tag" in answer) return answer
    this.instance.state = answer.next
    if (answer.group !== undefined) this.state = SocketState.withGroup(this.state, answer.group)
    return undefined
  }

  part(): void {
    const { group } = this.state.cold
    if (group === undefined) return
    this.instance.state = InstanceState.part(this.instance.state, this, group)
    if (HashSet.isEmpty(InstanceState.members(this.instance.state, group))) this.instance.endGroup(group.id)
  }

  /** E11: where another socket of the constrained group is connected to, or about to be. */
  groupPeer(): SocketAddress.SocketAddress | undefined {
    const { group } = this.state.cold
    if (group === undefined || !group.constrained) return undefined
    for (const other of InstanceState.members(this.instance.state, group)) {
      if (other === this || !(other instanceof Socket)) continue
      const peer = SocketState.getpeername(other.state, this.instance.facts())
      if (typeof peer !== "string") return peer
    }
    return undefined
  }

  // -- options --------------------------------------------------------------------------------------------------------

  setOption(option: string, value: unknown): Effect.Effect<void, any> {
    const decision = SocketState.decide(
      this.state,
      { _tag: "setOption", option, value },
      this.instance.facts(),
      this.capabilities
    )
    if (decision._tag === "Fail") return this.fault("setsockopt", decision, "request")
    if (decision._tag === "Run" && decision.command._tag === "setOption") {
      const failure = this.handle.setOption(decision.command.option, decision.command.value)
      if (failure !== undefined) return this.fault("setsockopt", failure, "option")
    }
    this.state = decision.next
    if (option === "SO_GROUP_PRIORITY") this.shaping?.prioritize()
    return Effect.void
  }

  getOption(option: string): Effect.Effect<any, any> {
    const answer = SocketState.getOption(
      this.state,
      option,
      this.instance.facts(),
      this.capabilities,
      this.instance.clock.currentTimeMillisUnsafe()
    )
    return answer._tag === "Fail" ? this.fault("getsockopt", answer, "request") : Effect.succeed(answer.value)
  }

  getsockname(): Effect.Effect<SocketAddress.SocketAddress, any> {
    const answer = SocketState.getsockname(this.state, this.instance.facts())
    if (typeof answer !== "string") return Effect.succeed(answer)
    const local = answer === "ask" ? this.handle.local() : undefined
    return local === undefined
      ? this.refuse("getsockname", answer === "ask" ? "WSAEINVAL" : answer, "request")
      : Effect.succeed(local)
  }

  /** The own address of one that was connected, also when it is closed; all-zero where nobody has asked before. */
  localOnceConnected(): SocketAddress.SocketAddress {
    const { local } = this.last ?? this.state
    // One that is bound to all addresses has got another with its peer.
    if (local !== undefined && !SocketAddress.isUnspecified(local)) return local
    return this.handle.local() ?? local ?? SocketAddress.unspecified(this.kind.family)
  }

  /** How the connection ended; `undefined` while it goes on. */
  ending(): Provider.Failure | "peer" | "us" | undefined {
    return SocketState.ending(this.last ?? this.state, this.last !== undefined)
  }

  /** Connected, with both directions open. */
  isOpen(): boolean {
    return SocketState.isOpen(this.state)
  }

  getpeername(): Effect.Effect<SocketAddress.SocketAddress, any> {
    const answer = SocketState.getpeername(this.state, this.instance.facts())
    return typeof answer === "string" ? this.refuse("getpeername", answer, "request") : Effect.succeed(answer)
  }

  /** A15: FIONREAD and SIOCATMARK, and whatever else is asked. */
  ioctlsocket(command: unknown): Effect.Effect<any, any> {
    const available = this.bytes === undefined ? this.messages!.firstSize() : this.bytes.length
    const answer = SocketState.ioctlsocketValue(this.state, command, this.instance.facts(), available)
    return answer._tag === "Fail" ? this.fault("ioctlsocket", answer, "request") : Effect.succeed(answer.value)
  }

  /** A16: gives what is asked for, where the code asks for something. */
  ioctl(
    code: unknown,
    qos: Qos.Qos | SocketState.UndecodableQos,
    table: Qos.MarkingTable
  ): Effect.Effect<any, any> {
    const request = { _tag: "ioctl", code, qos, table, groupQos: this.groupQos() } as const
    const failure = this.requalify(
      SocketState.decide(this.state, request, this.instance.facts(), this.capabilities)
    )
    if (failure !== undefined) return this.fault("WSAIoctl", failure, "request")
    this.look()
    return Effect.succeed(SocketState.ioctlValue(this.state, code))
  }

  // -- quality of service ---------------------------------------------------------------------------------------------

  /** Does what was decided of the QOS, or nothing of it (R16). */
  private requalify(decision: SocketState.Decision): Fault | undefined {
    if (decision._tag === "Fail") return decision
    if (decision._tag === "Run" && decision.command._tag === "setQuality") {
      const failure = this.handle.setQuality(decision.command.quality)
      if (failure !== undefined) return failure
    }
    const changed = this.state.cold.quality !== decision.next.cold.quality
    this.state = decision.next
    if (decision._tag === "Run") this.askReserved()
    if (changed) this.qualified()
    return undefined
  }

  private askReserved(): void {
    if (SocketState.reserves(this.state)) this.state = SocketState.reservedNow(this.state, this.handle.reserved())
  }

  /** The QOS of the group that it is in, and has not created (R20). */
  private groupQos(): SocketState.GroupQos | undefined {
    const { group } = this.state.cold
    return group === undefined || group.created ? undefined : InstanceState.groupQos(this.instance.state, group)
  }

  /** What is honoured has changed. What the creator of a group has asked for it holds for each of its sockets. */
  private qualified(): void {
    const { group, quality } = this.state.cold
    if (this.shaping !== undefined || Shaping.has(quality.honoured)) {
      ;(this.shaping ??= new Shaping(this)).change(quality.honoured)
    }
    if (group === undefined || !group.created || quality.groupQos === undefined) return
    if (InstanceState.groupQos(this.instance.state, group)?.qos === quality.groupQos) return
    const groupQos = { qos: quality.groupQos, table: quality.table }
    this.instance.state = InstanceState.withGroupQos(this.instance.state, group, groupQos)
    for (const other of InstanceState.members(this.instance.state, group)) {
      if (other !== this && other instanceof Socket) other.regroup(groupQos)
    }
  }

  /** A socket for which the group's QOS is too much stays as it is: it was not asked. */
  private regroup(groupQos: SocketState.GroupQos): void {
    this.requalify(SocketState.regroup(this.state, groupQos, this.capabilities))
  }

  setBlocking(blocking: unknown): Effect.Effect<void, any> {
    const decision = SocketState.decide(
      this.state,
      { _tag: "setBlocking", blocking },
      this.instance.facts(),
      this.capabilities
    )
    if (decision._tag === "Fail") return this.fault("ioctlsocket", decision, "request")
    this.state = decision.next
    return Effect.void
  }
}

/** An address as the caller gave it. */
export const nameOf = (input: unknown): SocketState.Name => {
  if (input === lastRead.text) return lastRead.name
  const result = SocketAddress.fromInput(input)
  if (Result.isFailure(result)) return result.failure
  if (typeof input === "string") lastRead = { text: input, name: result.success }
  return result.success
}

// Who connects often connects to the same peer: its sockets share the address, and it is read once.
let lastRead: { readonly text: string; readonly name: SocketState.Name } = {
  text: "0.0.0.0:0",
  name: SocketAddress.unspecified("IPv4")
}

/** E15: what is asked of something that is no socket. */
export const notASocket = (call: WsaError.Call, given: unknown): Effect.Effect<never, any> =>
  Effect.fail(WsaError.forCall(call, "WSAENOTSOCK", {
    stage: "request",
    detail: `expected a socket that Winsock.socket or Winsock.accept made, got ${
      given === null ? "null" : typeof given
    }`
  }))

/** What the carrier of a socket's instance says at the beginning of a stream, where it has one that we know. */
export const carrierOf = (socket: unknown): Settings | undefined =>
  socket instanceof Socket ? settingsOf(socket.instance.provider) : undefined

/** Makes a socket in the scope, or says why it cannot. */
export const makeSocket = (
  call: "socket" | "WSASocket",
  instance: Instance,
  request: InstanceState.SocketRequest,
  scope: Scope.Scope,
  busy: boolean,
  flags: unknown,
  silent: boolean
): Effect.Effect<any, any> => {
  const current = instance.facts()
  const kind = InstanceState.socketKind(request, busy ? { ...current, busy } : current)
  if ("_tag" in kind) {
    return Effect.fail(WsaError.forCall(call, kind.code, { stage: "request", detail: kind.detail }))
  }
  const provider = silent ? instance.bare : instance.provider
  const socket = new Socket(instance, SocketState.make(kind), provider)
  const wrong = InstanceState.checkSocketFlags(flags) ?? socket.join(request.group)
  if (wrong !== undefined) {
    return Effect.fail(WsaError.forCall(call, wrong.code, { stage: "request", detail: wrong.detail }))
  }
  const handle = provider.open(kind, socket)
  if (Provider.isFailure(handle)) {
    socket.part()
    return Effect.fail(WsaError.forCall(call, handle.code, { stage: "open", native: handle.native }))
  }
  socket.open(handle, scope)
  return Effect.succeed(socket)
}
