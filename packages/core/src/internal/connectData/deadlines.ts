/**
 * What is given up when it has waited long enough. All wait equally long, so that one timer serves however many there are,
 * and goes on when there is none: to begin one and call it off costs more than all else that an exchange does.
 */
import type { Timers } from "../../ConnectData.ts"

// Every platform has it; the types of none are loaded here.
declare const queueMicrotask: (event: () => void) => void

/** Something happens in an event of its own, once the one that is under way is over. */
export const soon = (event: () => void): void => queueMicrotask(event)

export interface Deadline {
  readonly due: bigint
  readonly expired: () => void
  over: boolean
}

export class Deadlines {
  /** In the order in which they are due. */
  private readonly waiting = new Set<Deadline>()
  private forget: (() => void) | undefined
  private readonly timers: Timers
  private readonly millis: number

  constructor(timers: Timers, millis: number) {
    this.timers = timers
    this.millis = millis
  }

  begin(expired: () => void): Deadline {
    const wait = BigInt(Math.round(this.millis * 1e6))
    const deadline: Deadline = { due: this.timers.now() + wait, expired, over: false }
    this.waiting.add(deadline)
    if (this.forget === undefined) this.arm(this.millis)
    return deadline
  }

  end(deadline: Deadline | undefined): void {
    if (deadline === undefined || deadline.over) return
    deadline.over = true
    this.waiting.delete(deadline)
  }

  /** Nothing waits, and nothing is about to: the timer is called off. */
  rest(): void {
    this.forget?.()
    this.forget = undefined
  }

  private arm(millis: number): void {
    this.forget = this.timers.after(millis, () => this.fire())
  }

  private fire(): void {
    this.forget = undefined
    const now = this.timers.now()
    for (const deadline of this.waiting) {
      if (deadline.due > now) return this.arm(Number(deadline.due - now) / 1e6)
      this.waiting.delete(deadline)
      soon(() => {
        if (deadline.over) return
        deadline.over = true
        deadline.expired()
      })
    }
  }
}
