// Which fibers there are. A scheduler is asked about a fiber whenever the fiber goes on, and is the only one who is: so
// it knows them all, in an order that is the same in every run, and numbers them by it. (Effect numbers the fibers of a
// whole process.)
import type * as Fiber from "effect/Fiber"

export type AnyFiber = Fiber.Fiber<unknown, unknown>

/** A fiber that has not ended. */
export interface Live {
  readonly number: number
  readonly fiber: AnyFiber
  /** When it last went on. */
  readonly since: number
}

export class Fibers {
  /** How many there have been. */
  count = 0
  private base = -1
  /** By Effect's number, less the first. */
  private slots = new Int32Array(16)
  private live: Array<AnyFiber> = []
  private numbers: Array<number> = []
  private since: Array<number> = []
  private sweepAt = 1024
  /** All before this one have ended. */
  private ended = 0

  /** The number of a fiber that goes on now, negative when it is its first time. */
  sawAt(fiber: AnyFiber, now: number): number {
    if (this.base < 0) this.base = fiber.id
    const key = fiber.id - this.base
    if (key >= this.slots.length) this.grow(key)
    const slot = this.slots[key]!
    // A fiber from before the run, which this scheduler was given to, has no place.
    if (slot === undefined) return 0
    if (slot === 0) return -this.add(fiber, key, now)
    this.since[slot - 1] = now
    return this.numbers[slot - 1]!
  }

  /** Those that have not ended, in the order of their numbers. */
  alive(): ReadonlyArray<Live> {
    return this.live.flatMap((fiber, slot): ReadonlyArray<Live> =>
      fiber.pollUnsafe() === undefined ? [{ number: this.numbers[slot]!, fiber, since: this.since[slot]! }] : []
    )
  }

  /** Whether there is one that has not ended; asked again and again, each is looked at once. */
  anyAlive(): boolean {
    while (this.ended < this.live.length && this.live[this.ended]!.pollUnsafe() !== undefined) this.ended++
    return this.ended < this.live.length
  }

  private add(fiber: AnyFiber, key: number, now: number): number {
    if (this.live.length === this.sweepAt) this.sweep()
    const number = ++this.count
    this.live.push(fiber)
    this.numbers.push(number)
    this.since.push(now)
    this.slots[key] = this.live.length
    return number
  }

  /** Lets go of those that have ended. */
  private sweep(): void {
    let kept = 0
    for (let slot = 0; slot < this.live.length; slot++) {
      const fiber = this.live[slot]!
      if (fiber.pollUnsafe() !== undefined) continue
      this.live[kept] = fiber
      this.numbers[kept] = this.numbers[slot]!
      this.since[kept] = this.since[slot]!
      this.slots[fiber.id - this.base] = ++kept
    }
    this.ended = 0
    this.live.length = kept
    this.numbers.length = kept
    this.since.length = kept
    this.sweepAt = Math.max(1024, kept * 2)
  }

  private grow(key: number): void {
    let { length } = this.slots
    while (length <= key) length *= 2
    const slots = new Int32Array(length)
    slots.set(this.slots)
    this.slots = slots
  }
}
