// One run: its time, what is ready, what is to happen later, its trace. It is the scheduler of all its fibers, and their
// dispatcher: every task of theirs enters one queue, and whoever is not in it waits for a timer or for another fiber. So
// an empty queue is rest, and the time of the next timer is the time that comes next.
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Formatter from "effect/Formatter"
import type * as Scheduler from "effect/Scheduler"
import type * as Sim from "../../Sim.ts"
import { Choices, type Explorer } from "./choices.ts"
import { type AnyFiber, Fibers, type Live } from "./fibers.ts"
import { Hash } from "./hash.ts"
import { Entry, Heap } from "./heap.ts"
import { Ready, type Task } from "./ready.ts"

export interface Settings {
  readonly seed: number | string
  /** Milliseconds since 1970. */
  readonly start: number
  readonly maxMicros: number
  readonly maxSteps: number
  readonly maxStepsPerInstant: number
  readonly trace: "off" | "hash" | "full"
  /** How many events are kept, where not all are. */
  readonly events: number
}

/** Why a run stops before its program has ended. */
export type Stop = "deadlock" | "livelock" | "time limit" | "step limit" | "thrown"

/** A fiber that used up its operations counts as so many tasks: then a loop without rest is noticed in about a second. */
const stepsOfForcedYield = 64

/** What finalizers may take when a run is ended: virtual microseconds, and steps. */
const graceMicros = 3_600_000_000
const graceSteps = 200_000

export class Run implements Sim.Engine, Scheduler.Scheduler, Scheduler.SchedulerDispatcher {
  readonly executionMode = "async"
  readonly settings: Settings
  readonly choices: Choices
  readonly fibers = new Fibers()
  readonly heap = new Heap()
  readonly hash: Hash | undefined
  steps = 0
  /** What waits for the host, by what it said it is. */
  readonly external = new Map<object, string>()
  /** What a task threw that no fiber could catch. */
  thrown: unknown
  /** Called when something becomes ready while nothing runs. */
  onReady: (() => void) | undefined
  private micros = 0
  private pumping = false
  private closed = false
  private root: AnyFiber | undefined
  /** Whether the program has ended. */
  private stopped = false
  private readonly ready = new Ready()
  private readonly checks: Array<readonly [name: string, f: () => ReadonlyArray<string>]> = []
  private readonly events: Array<Sim.Noted> = []
  private firstEvent = 0
  private stepsOfInstant = 0
  private maxSteps: number
  private maxMicros: number
  private current: AnyFiber | undefined
  private currentNumber = 0

  constructor(settings: Settings, explorer?: Explorer) {
    this.settings = settings
    this.maxSteps = settings.maxSteps
    this.maxMicros = settings.maxMicros
    this.hash = settings.trace === "off" ? undefined : new Hash()
    this.choices = new Choices(settings.seed, this.hash, explorer)
  }

  // --- what the simulated world asks ---------------------------------------------------------------------------------

  now(): number {
    return this.micros
  }

  at(micros: number, task: (argument: any) => void): Entry {
    if (micros > this.micros) {
      const entry = new Entry(Math.ceil(micros), task)
      this.heap.push(entry)
      return entry
    }
    const entry = new Entry(this.micros, task)
    this.becomesReady(entry)
    return entry
  }

  cancel(timer: Sim.Timer): void {
    this.heap.cancel(timer as Entry)
  }

  luck(entity: string): Sim.Luck {
    return this.choices.luck(entity)
  }

  note(event: Sim.Event): void {
    const { hash } = this
    if (hash === undefined) return
    for (const key in event) {
      hash.key(key)
      hash.value(event[key])
    }
    this.keep(event)
  }

  check(name: string, f: () => ReadonlyArray<string>): void {
    this.checks.push([name, f])
  }

  // --- what effect asks ----------------------------------------------------------------------------------------------

  makeDispatcher(): this {
    return this
  }

  scheduleTask(task: () => void): void {
    this.becomesReady(task)
  }

  flush(): void {
    if (this.pumping) this.drain()
  }

  shouldYield(fiber: AnyFiber): boolean {
    // The host woke it, outside of a turn of this run: it comes in by the queue, and goes on in the next turn.
    if (!this.pumping) return true
    if (fiber !== this.current) this.goesOn(fiber)
    if (this.choices.preempt(fiber)) return true
    if (fiber.currentOpCount < fiber.cache.maxOpsBeforeYield) return false
    this.stepsOfInstant += stepsOfForcedYield
    return true
  }

  private goesOn(fiber: AnyFiber): void {
    this.current = fiber
    const number = this.fibers.sawAt(fiber, this.micros)
    this.currentNumber = Math.abs(number)
    if (this.hash === undefined) return
    this.hash.add(this.currentNumber)
    if (number < 0) {
      const span = fiber.cache.span
      this.keep({ kind: "fiber begins", fiber: -number, span: span?._tag === "Span" ? span.name : undefined })
    }
  }

  /** A timer of the fiber that runs. */
  sleep(micros: number, wake: (effect: Effect.Effect<void>) => void): Entry {
    const until = this.micros + micros
    if (this.hash !== undefined) {
      this.hash.number(until)
      this.keep({ kind: "fiber sleeps", fiber: this.currentNumber, micros })
    }
    return this.at(until, wake)
  }

  // --- the host ------------------------------------------------------------------------------------------------------

  beginsExternal(what: string): object {
    const work = {}
    this.external.set(work, what)
    return work
  }

  endsExternal(work: object): void {
    this.external.delete(work)
  }

  // --- turns ---------------------------------------------------------------------------------------------------------

  /** Starts the program as the first task. */
  start<A, E>(begin: () => Fiber.Fiber<A, E>, onExit: (exit: Exit.Exit<A, E>) => void): void {
    this.becomesReady(() => {
      this.root = begin()
      this.root.addObserver((exit) => {
        this.stopped = true
        onExit(exit as Exit.Exit<A, E>)
      })
    })
  }

  /** One turn: all that is ready, until nothing is or the program has ended. */
  turn(): Stop | undefined {
    this.pumping = true
    try {
      return this.drain()
    } catch (error) {
      this.thrown = error
      return "thrown"
    } finally {
      this.pumping = false
      this.current = undefined
    }
  }

  private drain(): Stop | undefined {
    const { choices, ready } = this
    while (ready.size > 0 && !this.stopped) {
      if (this.steps >= this.maxSteps) return "step limit"
      if (this.stepsOfInstant >= this.settings.maxStepsPerInstant) return "livelock"
      this.steps++
      this.stepsOfInstant++
      this.current = undefined
      perform(ready.take(choices.pick(ready.size)))
    }
    return undefined
  }

  /** Whether the program has ended. */
  get hasEnded(): boolean {
    return this.stopped
  }

  get isAtRest(): boolean {
    return this.ready.size === 0
  }

  /** Goes on to the next instant at which something happens: all of it becomes ready. */
  advance(): Stop | undefined {
    const { heap } = this
    const next = heap.next()
    if (next === Infinity) return "deadlock"
    if (next > this.maxMicros) {
      this.micros = this.maxMicros
      return "time limit"
    }
    this.micros = next
    this.stepsOfInstant = 0
    this.hash?.number(next)
    do this.ready.push(heap.shift())
    while (heap.next() === next)
    return undefined
  }

  /** Runs to the end of the program, without the host. */
  toTheEnd(): Stop | undefined {
    while (true) {
      const stop = this.turn()
      if (stop !== undefined || this.stopped) return stop
      // time stands while the host is at work, and here there is no host
      if (this.external.size > 0) return "deadlock"
      const stopped = this.advance()
      if (stopped !== undefined) return stopped
    }
  }

  // --- the end -------------------------------------------------------------------------------------------------------

  /**
   * What is left over when the program has ended. Of a program that has not, its error tells the fibers, and only the
   * parts of the simulated world have more to say.
   */
  leftovers(hasEnded: boolean): ReadonlyArray<string> {
    const found = this.checks.flatMap(([name, f]) => linesOf(name, f))
    if (!hasEnded) return found
    return [...found, ...this.liveFibers(), ...Array.from(this.external.values(), (what) => `external work: ${what}`)]
  }

  private liveFibers(): ReadonlyArray<string> {
    const alive = this.fibers.alive()
    const lines = alive.slice(0, 20).map((live) => `fiber: ${describe(live)}`)
    return alive.length > 20 ? [...lines, `fiber: and ${alive.length - 20} more`] : lines
  }

  /**
   * Lets what is ready at this instant have its turn, since the program ended in the middle of it. What does not come to
   * rest is left over; what throws is the end of the run, as it would have been before.
   */
  settle(): "thrown" | undefined {
    this.grace()
    return this.turn() === "thrown" ? "thrown" : undefined
  }

  /** Interrupts what has not ended, the program before the fibers beyond it. Says what did not end even so, or threw. */
  interrupt(): ReadonlyArray<string> {
    const { root } = this
    const threw: Array<string> = []
    const isOver = (stop: Stop | undefined) => {
      if (stop === "thrown") threw.push(`threw when the run was ended: ${String(this.thrown)}`)
      return stop !== undefined
    }
    if (root !== undefined && root.pollUnsafe() === undefined) {
      this.grace()
      this.becomesReady(() => root.interruptUnsafe())
      isOver(this.toTheEnd())
    }
    const interrupted = new Set<AnyFiber>()
    for (let round = 0; round < 10 && this.interruptOthers(interrupted); round++) {
      while (!isOver(this.turn()) && this.fibers.anyAlive() && this.advance() === undefined);
    }
    const alive = this.fibers.alive().map((live) => `did not end when it was interrupted: ${describe(live)}`)
    return [...threw, ...alive]
  }

  /** Interrupts whom it has not yet; whether there was anyone. */
  private interruptOthers(interrupted: Set<AnyFiber>): boolean {
    const others = this.fibers.alive().filter(({ fiber }) => !interrupted.has(fiber))
    this.grace()
    for (const { fiber } of others) {
      interrupted.add(fiber)
      this.becomesReady(() => fiber.interruptUnsafe())
    }
    return others.length > 0
  }

  private grace(): void {
    this.stopped = false
    this.stepsOfInstant = 0
    this.maxSteps = this.steps + graceSteps
    this.maxMicros = this.micros + graceMicros
  }

  /** From here on nothing of this run goes on. */
  close(): void {
    this.closed = true
  }

  get isClosed(): boolean {
    return this.closed
  }

  noted(): ReadonlyArray<Sim.Noted> {
    return [...this.events.slice(this.firstEvent), ...this.events.slice(0, this.firstEvent)]
  }

  blocked(): ReadonlyArray<Sim.Blocked> {
    return this.fibers.alive().map(whereBlocked)
  }

  private becomesReady(task: Task): void {
    if (this.closed) return
    this.ready.push(task)
    if (!this.pumping) this.onReady?.()
  }

  private keep(event: Sim.Event): void {
    const noted = { at: this.micros, event }
    if (this.settings.trace === "full" || this.events.length < this.settings.events) {
      this.events.push(noted)
    } else if (this.settings.events > 0) {
      this.events[this.firstEvent] = noted
      this.firstEvent = (this.firstEvent + 1) % this.settings.events
    }
  }
}

const perform = (task: Task): void => {
  if (typeof task === "function") {
    task()
    return
  }
  const { task: own } = task
  task.task = undefined
  own?.(Effect.void)
}

/** What a check finds. That it throws is for the report to say: the run is to end as it would without it. */
const linesOf = (name: string, f: () => ReadonlyArray<string>): ReadonlyArray<string> => {
  try {
    return f().map((line) => `${name}: ${line}`)
  } catch (error) {
    return [`check ${name} threw: ${error instanceof Error ? error : Formatter.format(error)}`]
  }
}

const whereBlocked = ({ fiber, number, since }: Live): Sim.Blocked => {
  const { span, stackFrame } = fiber.cache
  const sites: Array<string> = []
  for (let frame = stackFrame; frame !== undefined && sites.length < 5; frame = frame.parent) {
    const stack = frame.stack()
    sites.push(stack === undefined ? frame.name : `${frame.name} ${stack}`)
  }
  return { fiber: number, span: span?._tag === "Span" ? span.name : undefined, sites, since }
}

export const describe = (live: Live): string => {
  const { fiber, sites, span } = whereBlocked(live)
  return [`#${fiber}`, ...span === undefined ? [] : [`span ${span}`], ...sites.slice(0, 1)].join(", ")
}
