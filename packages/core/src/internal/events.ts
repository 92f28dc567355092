/**
 * Who is told when a socket becomes ready: a select that waits, an event object, a stream of messages.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Fiber from "effect/Fiber"
import * as Hash from "effect/Hash"
import * as NetworkEvent from "../NetworkEvent.ts"
import type { QosEvent } from "../Provider.ts"
import * as WsaError from "../WsaError.ts"
import type { Instance, Resume } from "./instance.ts"
import * as Readiness from "./readiness.ts"
import type { Socket, Target, Watching } from "./socket.ts"

/**
 * Whoever is told by what a call has done goes on after that call: it may interrupt the fiber of the call, and what the
 * call has taken and not yet answered would be lost.
 */
export const afterCall = <A, E>(answer: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Fiber.getCurrent() === undefined ? answer : Effect.flatMap(Effect.yieldNow, () => answer)

// ---------------------------------------------------------------------------------------------------------------------
// Event objects
// ---------------------------------------------------------------------------------------------------------------------

/** An event object: signaled until it is reset by a call (A19). */
export class EventObject implements Target, Equal.Equal {
  readonly #made = true

  static is(u: unknown): u is EventObject {
    return typeof u === "object" && u !== null && #made in u && u.#made
  }

  signaled = false
  closed = false
  /** Who waits for it, in the order in which they came. */
  readonly waiters = new Set<() => void>()
  readonly instance: Instance
  private readonly number: number

  constructor(instance: Instance) {
    this.instance = instance
    this.number = instance.made++
    instance.events.add(this)
  }

  /** Two that look the same are two. */
  [Equal.symbol](that: unknown): boolean {
    return this === that
  }

  [Hash.symbol](): number {
    return Hash.number(this.number)
  }

  set(): void {
    if (this.signaled || this.closed) return
    this.signaled = true
    this.wake()
  }

  reset(): void {
    this.signaled = false
  }

  signal(): void {
    this.set()
  }

  attach(): void {}

  detach(): void {}

  close(): void {
    this.closed = true
    this.instance.events.delete(this)
    this.wake()
  }

  private wake(): void {
    // Each runs a fiber, which may end the waiting of another one.
    for (const waiter of Array.from(this.waiters)) if (this.waiters.has(waiter)) waiter()
  }

  toString(): string {
    return `WSAEvent(${this.closed ? "closed" : this.signaled ? "signaled" : "not signaled"})`
  }

  toJSON(): string {
    return this.toString()
  }
}

/** A19: the index of the first event object that is signaled, once one is, or all are. */
export const waitForEvents = (
  events: ReadonlyArray<EventObject>,
  all: boolean,
  resume: Resume,
  invalid: () => Effect.Effect<never, any>
): void | Effect.Effect<void> => {
  const look = (): Effect.Effect<number, any> | undefined => {
    if (events.some((event) => event.closed)) return invalid()
    const index = events.findIndex((event) => event.signaled)
    return index === -1 || (all && !events.every((event) => event.signaled)) ? undefined : Effect.succeed(index)
  }
  const answer = look()
  if (answer !== undefined) return resume(answer)
  const leave = () => {
    for (const event of events) event.waiters.delete(waiter)
  }
  const waiter = () => {
    const answer = look()
    if (answer === undefined) return
    leave()
    resume(afterCall(answer))
  }
  for (const event of events) event.waiters.add(waiter)
  return Effect.sync(leave)
}

// ---------------------------------------------------------------------------------------------------------------------
// Messages
// ---------------------------------------------------------------------------------------------------------------------

/** A18: what went wrong, in the classes that the calls have for it. */
export const errorsOf = (
  socket: Socket,
  { closeFailure, connectFailure, groupNews, news }: Readiness.Fetched
): NetworkEvent.Errors => {
  const { local } = socket.state
  const errors: { -readonly [K in keyof NetworkEvent.Errors]: NetworkEvent.Errors[K] } = {}
  if (connectFailure !== undefined) {
    const { failure, remote } = connectFailure
    errors.FD_CONNECT = WsaError.forCall("connectResult", failure.code, {
      stage: "connect",
      local,
      remote,
      native: failure.native
    })
  }
  if (closeFailure !== undefined) {
    errors.FD_CLOSE = WsaError.forCall("recv", closeFailure.code, {
      stage: "receive",
      local,
      remote: socket.peer(),
      native: closeFailure.native
    })
  }
  if (news !== undefined) errors.FD_QOS = qosError(socket, news)
  if (groupNews !== undefined) errors.FD_GROUP_QOS = qosError(socket, groupNews)
  return errors
}

const qosError = (socket: Socket, code: QosEvent): NetworkEvent.QosError =>
  WsaError.make(code, {
    call: "WSAEnumNetworkEvents",
    stage: "connect",
    local: socket.state.local,
    remote: socket.peer()
  })

/**
 * Of events that come together the connect is told first: who is told of bytes before may think that there is no
 * connection yet. The close is told last.
 */
const inOrder = [
  [NetworkEvent.FD_CONNECT, "FD_CONNECT"],
  [NetworkEvent.FD_ACCEPT, undefined],
  [NetworkEvent.FD_OOB, undefined],
  [NetworkEvent.FD_WRITE, undefined],
  [NetworkEvent.FD_READ, undefined],
  [NetworkEvent.FD_CLOSE, "FD_CLOSE"],
  [NetworkEvent.FD_QOS, "FD_QOS"],
  [NetworkEvent.FD_GROUP_QOS, "FD_GROUP_QOS"]
] as const

/** Messages in the order in which their sockets became ready; what nobody waits for stays one bit of its socket. */
export class Mailbox implements Target {
  private readonly ready = new Set<Socket>()
  private readonly attached = new Set<Socket>()
  /** Messages for a reader that has been woken. */
  private posted: Array<NetworkEvent.NetworkMessage<Socket>> = []
  /** The stream may be run more than once at a time. */
  private readers: Array<Resume> = []

  attach(socket: Socket): void {
    this.attached.add(socket)
  }

  /** A20: it ends when no socket tells here any more. */
  detach(socket: Socket): void {
    this.attached.delete(socket)
    this.ready.delete(socket)
    if (this.attached.size === 0) this.wake()
  }

  signal(socket: Socket): void {
    this.ready.add(socket)
    this.wake()
  }

  /** Nobody reads any more: no events are asked for. */
  close(): void {
    for (const socket of Array.from(this.attached)) socket.deselect(this)
  }

  private wake(): void {
    const readers = this.readers
    if (readers.length === 0) return
    this.readers = []
    this.post()
    for (const reader of readers) reader(afterCall(this.pull))
  }

  /** What has been recorded becomes messages. They are told even if their sockets are closed before someone reads. */
  private post(): void {
    for (const socket of this.ready) {
      const fetched = socket.fetchEvents("async")
      const errors = errorsOf(socket, fetched)
      for (const [event, name] of inOrder) {
        if ((fetched.recorded & event) === 0) continue
        this.posted.push({ socket, event, error: name === undefined ? undefined : errors[name] })
      }
    }
    this.ready.clear()
  }

  readonly pull: Effect.Effect<
    readonly [NetworkEvent.NetworkMessage<Socket>, ...Array<NetworkEvent.NetworkMessage<Socket>>],
    Cause.Done
  > = Effect.suspend(() => {
    this.post()
    const [first, ...others] = this.posted
    this.posted = []
    if (first !== undefined) return Effect.succeed([first, ...others])
    if (this.attached.size === 0) return Cause.done()
    return this.awaitMessage
  })

  private readonly awaitMessage: typeof this.pull = Effect.callback((resume) => {
    if (this.ready.size > 0 || this.posted.length > 0 || this.attached.size === 0) return resume(this.pull)
    const reader = resume as Resume
    this.readers.push(reader)
    return Effect.sync(() => {
      this.readers = this.readers.filter((other) => other !== reader)
    })
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// select
// ---------------------------------------------------------------------------------------------------------------------

/** A select that waits on many sockets: its cost is one look at each when it begins, and one when it ends. */
export class Selecting implements Watching {
  private readonly interests: ReadonlyMap<Socket, number>
  private readonly resume: Resume

  constructor(interests: ReadonlyMap<Socket, number>, resume: Resume) {
    this.interests = interests
    this.resume = resume
  }

  /** Answers at once, or takes its place at each socket. */
  begin(): void | Effect.Effect<void> {
    for (const [socket, interest] of this.interests) {
      if ((socket.readiness() & interest) !== 0) return this.resume(this.answer())
    }
    for (const socket of this.interests.keys()) socket.addWatching(this)
    return Effect.sync(() => this.leave())
  }

  /** Something happened to a socket. */
  look(socket: Socket): void {
    const interest = this.interests.get(socket)!
    if (socket.state.phase._tag !== "Closed" && (socket.readiness() & interest) === 0) return
    this.leave()
    const wrong = socket.state.phase._tag === "Closed" ? Readiness.closedWhileSelected(interest) : undefined
    this.resume(afterCall(wrong === undefined ? this.answer() : socket.fault("select", wrong, "request")))
  }

  private leave(): void {
    for (const socket of this.interests.keys()) socket.removeWatching(this)
  }

  private answer(): Effect.Effect<Selected> {
    const selected = { read: [] as Array<Socket>, write: [] as Array<Socket>, except: [] as Array<Socket> }
    for (const [socket, interest] of this.interests) {
      const ready = socket.readiness() & interest
      if ((ready & Readiness.readable) !== 0) selected.read.push(socket)
      if ((ready & Readiness.writable) !== 0) selected.write.push(socket)
      if ((ready & Readiness.exceptional) !== 0) selected.except.push(socket)
    }
    return Effect.succeed(selected)
  }
}

export interface Selected {
  readonly read: ReadonlyArray<Socket>
  readonly write: ReadonlyArray<Socket>
  readonly except: ReadonlyArray<Socket>
}
