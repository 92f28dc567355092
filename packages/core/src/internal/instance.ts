/**
 * An instance as it lives: the provider, every socket and event object that has not given everything back, and what is in
 * progress, so that other calls have to fail (E05).
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { Carrier } from "../ConnectData.ts"
import type * as Provider from "../Provider.ts"
import { Held, type Item } from "./held.ts"
import * as InstanceState from "./instanceState.ts"
import type { Shared } from "./shaping.ts"
import type * as SocketState from "./socketState.ts"
import { makeTimers, type Timers } from "./timers.ts"
import type { Flow } from "./tokenBucket.ts"
import { Pool } from "./turns.ts"

export type Resume = (answer: Effect.Effect<any, any>) => void

/** A call that waits: it answers through `resume`, now or later, and says how it is given up. */
export type Waiting = (resume: Resume) => void | Effect.Effect<void>

/** A socket, as far as an instance has to do with it. */
interface Member extends Item {
  readonly handle: Pick<Provider.Handle, "close">
  readonly closeNow: () => void
}

/** An accept condition that is running. It dies with the condition, whatever still holds it. */
export interface RunningCondition {
  readonly instance: Instance
  running: boolean
  /** The one, of another instance, from inside which it was begun. */
  readonly outer: RunningCondition | undefined
}

/** What a call is made from inside of; forked fibers inherit it. */
export const Condition = Context.Reference<RunningCondition | undefined>("@effect-winsock/core/Condition", {
  defaultValue: () => undefined
})

/** Sockets that are made inside say nothing of a carrier's: whoever they connect to expects something else. */
export const Silent: Context.Reference<boolean> = Context.Reference("@effect-winsock/core/Silent", {
  defaultValue: () => false
})

/** The provider as it is used with the carrier that the layer is built with. */
export const carried = (provider: Provider.Provider, context: Context.Context<never>): Provider.Provider => {
  const carrier = Context.get(context, Carrier)
  return carrier === undefined ? provider : carrier(provider, makeTimers(context))
}

export class Instance {
  state: InstanceState.InstanceState
  /** How many sockets and event objects were made. */
  made = 0
  /** Sockets whose handle has not told that it is closed. */
  readonly sockets = new Held<Member>()
  /** What is waited for, and is to be given up when the instance is left. */
  readonly events = new Set<{ readonly close: () => void }>()
  /** What groups of sockets share of the flows that they are held to. */
  private readonly shared = new Map<number, Shared>()
  /** No call can be in progress in a way that others have to mind (E05). */
  quiet = true
  private conditions = 0
  /** How the blocking call of version 1.1 is cancelled. */
  private blocked: { cancel: Effect.Effect<void> } | undefined
  /** Who waits until sockets that were closed have given everything back. */
  private leaving: Array<{ readonly left: Set<Member>; readonly resume: () => void }> = []
  readonly provider: Provider.Provider
  /** The provider below the carrier. */
  readonly bare: Provider.Provider
  readonly clock: Clock.Clock
  readonly timers: Timers

  /** `context`: that of the layer, whose clock and scheduler are those of every timer. */
  constructor(
    provider: Provider.Provider,
    bare: Provider.Provider,
    context: Context.Context<never>,
    state: InstanceState.InstanceState
  ) {
    this.provider = provider
    this.bare = bare
    this.clock = Context.get(context, Clock.Clock)
    this.timers = makeTimers(context)
    this.state = state
    this.hush()
  }

  /** Does something after so many milliseconds by the clock of the instance. What it answers calls that off. */
  after(millis: number, what: () => void): () => void {
    return this.timers.after(millis, what)
  }

  /** The credit that the sockets of a group share, by its flow as it is now. */
  sharedPool(group: number, direction: keyof Shared, flow: Flow): Pool {
    let shared = this.shared.get(group)
    if (shared === undefined) this.shared.set(group, shared = { sending: undefined, receiving: undefined })
    const pool = shared[direction] ??= new Pool(flow, this.timers)
    pool.change(flow)
    return pool
  }

  /** The last socket of a group has gone. */
  endGroup(group: number): void {
    this.shared.delete(group)
  }

  facts(): SocketState.Facts {
    return InstanceState.facts(this.state, this.provider.network())
  }

  private hush(): void {
    this.quiet = this.conditions === 0 && !InstanceState.blocksOnce(this.state)
  }

  // -- start-up and clean-up ------------------------------------------------------------------------------------------

  /** A21: one start-up more. */
  startup(wanted: unknown, busy: boolean): number | SocketState.Fail {
    const answer = InstanceState.start(this.provider.network(), wanted, this.state, busy)
    if ("_tag" in answer) return answer
    this.state = answer.next
    this.hush()
    return answer.version
  }

  /** A21: one start-up less. With the last one calls fail, and it is over when nothing is held any more. */
  readonly cleanup: Effect.Effect<void> = Effect.suspend(() => {
    this.state = InstanceState.cleanup(this.state)
    return this.state.count === 0 ? this.closeAll : Effect.void
  })

  /** Leaves, however often it was started. */
  readonly leave: Effect.Effect<void> = Effect.suspend(() => {
    this.state = InstanceState.leave(this.state)
    return this.closeAll
  })

  private readonly closeAll: Effect.Effect<void> = Effect.callback<void>((resume) => {
    for (const event of Array.from(this.events)) event.close()
    // A start-up that comes meanwhile makes sockets that are not waited for.
    const left = new Set(this.sockets)
    for (const socket of left) {
      socket.closeNow()
      // As the reference says of WSACleanup: what has not been sent by now can be lost.
      socket.handle.close("reset")
    }
    if (left.size === 0) return resume(Effect.void)
    this.leaving.push({ left, resume: () => resume(Effect.void) })
  })

  gone(socket: Member): void {
    this.sockets.delete(socket)
    if (this.leaving.length === 0) return
    const over = this.leaving.filter(({ left }) => left.delete(socket) && left.size === 0)
    this.leaving = this.leaving.filter((one) => !over.includes(one))
    for (const { resume } of over) resume()
  }

  // -- what is in progress (E05) --------------------------------------------------------------------------------------

  /** Whether a call of this fiber has to fail: another one blocks, or it comes from inside an accept condition. */
  busy(fiber: Fiber.Fiber<any, any>): boolean {
    if (this.quiet) return false
    if (this.blocked !== undefined) return true
    let condition = Context.get(fiber.context, Condition)
    while (condition !== undefined && !(condition.running && condition.instance === this)) condition = condition.outer
    return condition !== undefined
  }

  beginCondition(outer: RunningCondition | undefined): RunningCondition {
    this.conditions++
    this.hush()
    return { instance: this, running: true, outer }
  }

  endCondition(condition: RunningCondition): void {
    if (!condition.running) return
    condition.running = false
    this.conditions--
    this.hush()
  }

  /** E05: in version 1.1 the call keeps all others off while it waits, and can be cancelled (E04). */
  blockOnce(wait: Waiting, cancelled: () => Effect.Effect<never, any>): Waiting {
    if (!InstanceState.blocksOnce(this.state)) return wait
    return (resume) => {
      const mine = { cancel: Effect.void }
      let ended = false
      const release = wait((answer) => {
        ended = true
        this.unblock(mine)
        resume(answer)
      })
      if (ended || release === undefined) return release
      // Whoever cancels may be interrupted meanwhile: the call would then be neither pending nor over.
      mine.cancel = Effect.uninterruptible(Effect.andThen(
        release,
        Effect.sync(() => {
          if (ended) return
          ended = true
          this.unblock(mine)
          resume(cancelled())
        })
      ))
      this.blocked = mine
      return Effect.suspend(() => {
        this.unblock(mine)
        return release
      })
    }
  }

  private unblock(mine: { readonly cancel: Effect.Effect<void> }): void {
    if (this.blocked === mine) this.blocked = undefined
  }

  /** E04: what WSACancelBlockingCall does, or why it cannot. */
  cancelBlockingCall(): Effect.Effect<void> | SocketState.Fail {
    return InstanceState.cancelling(this.state, this.facts(), this.blocked !== undefined) ?? this.blocked!.cancel
  }
}
