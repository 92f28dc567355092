import type { Engine, Event, Luck, Timer } from "../../src/Sim.ts"
import { Dice } from "./dice.ts"

interface Task extends Timer {
  readonly order: number
  run: (() => void) | undefined
}

const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** The smallest engine that there is: tasks in the order of their times. */
export class TestEngine implements Engine {
  readonly events: Array<Event & { readonly at: number }> = []
  readonly checks: Array<readonly [name: string, f: () => ReadonlyArray<string>]> = []
  /** Whose luck was asked for. */
  readonly lucky: Array<string> = []
  steps = 0
  private time = 0
  private order = 0
  private tasks: Array<Task> = []
  private readonly seed: number

  constructor(seed = 1) {
    this.seed = seed
  }

  readonly now = () => this.time

  readonly at = (micros: number, run: () => void): Timer => {
    const task: Task = { at: Math.max(micros, this.time), order: this.order++, run }
    let low = 0
    for (let high = this.tasks.length; low < high;) {
      const middle = (low + high) >>> 1
      if (this.tasks[middle]!.at <= task.at) low = middle + 1
      else high = middle
    }
    this.tasks.splice(low, 0, task)
    return task
  }

  readonly cancel = (timer: Timer) => {
    ;(timer as Task).run = undefined
  }

  readonly luck = (entity: string): Luck => {
    this.lucky.push(entity)
    const dice = new Dice(hashOf(`${this.seed} ${entity}`))
    return { next: () => dice.below(1 << 30) / (1 << 30), below: (n) => dice.below(n) }
  }

  readonly note = (event: Event) => {
    this.events.push({ ...event, at: this.time })
  }

  readonly check = (name: string, f: () => ReadonlyArray<string>) => {
    this.checks.push([name, f])
  }

  /** Runs what is due, up to and with a time. */
  run(until = Infinity): void {
    for (let task = this.tasks[0]; task !== undefined && task.at <= until; task = this.tasks[0]) {
      this.tasks.shift()
      if (task.run === undefined) continue
      this.time = task.at
      this.steps++
      task.run()
    }
    if (until !== Infinity) this.time = Math.max(this.time, until)
  }

  /** How many tasks are still to come. */
  get pending(): number {
    return this.tasks.filter(({ run }) => run !== undefined).length
  }

  leftovers(): ReadonlyArray<string> {
    return this.checks.flatMap(([, f]) => f())
  }

  kinds(): ReadonlyArray<string> {
    return this.events.map(({ kind }) => kind)
  }
}
