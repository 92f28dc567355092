// Every choice of a run and every draw of its luck comes through here and is counted. A run chooses the first, and draws
// what the seed says; what explores other runs answers `pick` and `preempt` differently.
import type * as Fiber from "effect/Fiber"
import type * as Sim from "../../Sim.ts"
import { Hash } from "./hash.ts"

/** Decides what a run leaves open. */
export interface Explorer {
  /** Which of `n` ready tasks is next: 0 is the one that has been ready for longest. */
  readonly pick: (n: number, choice: number) => number
  /** Whether the fiber lets others go first, here. */
  readonly preempt: (fiber: Fiber.Fiber<unknown, unknown>) => boolean
  /** What an entity draws, from 0 up to and without 1, in place of `drawn`. */
  readonly draw: (entity: string, drawn: number) => number
}

export class Choices {
  /** How many choices there were between more than one. */
  choices = 0
  /** How many numbers were drawn. */
  draws = 0
  readonly explorer: Explorer | undefined
  private readonly seed: readonly [number, number]
  private readonly streams = new Map<string, Luck>()
  private readonly trace: Hash | undefined

  constructor(seed: number | string, trace: Hash | undefined, explorer?: Explorer) {
    const hash = new Hash()
    hash.text(String(seed))
    this.seed = hash.words()
    this.trace = trace
    this.explorer = explorer
  }

  pick(n: number): number {
    if (n === 1) return 0
    this.choices++
    return this.explorer === undefined ? 0 : this.explorer.pick(n, this.choices)
  }

  luck(entity: string): Sim.Luck {
    let luck = this.streams.get(entity)
    if (luck === undefined) {
      const hash = new Hash(this.seed[0], this.seed[1])
      hash.text(entity)
      luck = new Luck(this, entity, hash.words())
      this.streams.set(entity, luck)
    }
    return luck
  }

  /** Whether the fiber lets others go first, before it has to. */
  preempt(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return this.explorer !== undefined && this.explorer.preempt(fiber)
  }

  drawn(entity: string, value: number): number {
    this.draws++
    const drawn = this.explorer === undefined ? value : this.explorer.draw(entity, value)
    if (this.trace !== undefined) this.trace.add(drawn * 0x100000000)
    return drawn
  }
}

/** A stream of the generator sfc32, begun with the words of a hash. */
class Luck implements Sim.Luck {
  private a: number
  private b: number
  private c = 0x6a09e667
  private counter = 1
  private readonly choices: Choices
  private readonly entity: string

  constructor(choices: Choices, entity: string, [a, b]: readonly [number, number]) {
    this.choices = choices
    this.entity = entity
    this.a = a
    this.b = b
    for (let warmUp = 0; warmUp < 12; warmUp++) this.step()
  }

  next(): number {
    const high = this.step() >>> 6
    const low = this.step() >>> 5
    return this.choices.drawn(this.entity, (high * 0x8000000 + low) / 0x20000000000000)
  }

  below(n: number): number {
    return Math.floor(this.next() * n)
  }

  private step(): number {
    const sum = ((this.a + this.b | 0) + this.counter) | 0
    this.counter = (this.counter + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = ((this.c << 21) | (this.c >>> 11)) + sum | 0
    return sum
  }
}
