/**
 * Who takes the credit of a flow, and when: lines of turns before one meter. Free of effects, as a socket is.
 */
import type { Timers } from "./timers.ts"
import { type Flow, Meter } from "./tokenBucket.ts"

/** Whether a piece conforms, and its credit was taken, or nothing was taken for it. */
export type Verdict = "conforming" | "excess"

/** Someone who waits for credit. */
export interface Turn {
  readonly line: Line
  readonly size: number
  /** `false`: nothing is taken, it is only told that there is credit. */
  readonly takes: boolean
  readonly go: (verdict: Verdict) => void
}

/** The lines of one priority with someone in them, in the order of their turns. */
interface Row {
  readonly priority: number
  readonly lines: Array<Line>
}

/** Pieces may be single bytes, and credit may be there for millions: after so many of them others get their turn. */
export const longestRun = 1024

const same = (a: Flow, b: Flow): boolean =>
  a.tokenRate === b.tokenRate && a.tokenBucketSize === b.tokenBucketSize && a.peakBandwidth === b.peakBandwidth &&
  a.maxSduSize === b.maxSduSize && a.minimumPolicedSize === b.minimumPolicedSize

/** Those who share the credit of one flow. Of the lines those with the lowest number come first; equals take turns. */
export class Pool {
  meter: Meter
  readonly timers: Timers
  private flow: Flow
  private readonly rows: Array<Row> = []
  /** The timer, and for whom it was set. */
  private alarm: { readonly turn: Turn; readonly forget: () => void } | undefined
  /** It was told that there is credit: until the others go on it may take some, as if it were its turn. */
  private invited: Line | undefined
  private serving = false

  constructor(flow: Flow, timers: Timers) {
    this.flow = flow
    this.timers = timers
    this.meter = new Meter(flow, timers.now())
  }

  /** Another flow from now on: those who wait do so by it. The same one is no change. */
  change(flow: Flow): void {
    if (same(flow, this.flow)) return
    this.flow = flow
    const meter = new Meter(flow, this.timers.now())
    meter.succeed(this.meter)
    this.meter = meter
    this.forget()
    this.arm()
  }

  /** It has to let nobody go first. */
  isFree(line: Line): boolean {
    return this.rows.length === 0 || line.priority < this.rows[0]!.priority || line === this.invited
  }

  enter(turn: Turn): void {
    turn.line.turns.push(turn)
    if (turn.line.turns.length === 1) this.add(turn.line)
    this.arm()
  }

  /** Answers whether it still waited. */
  leave(turn: Turn): boolean {
    const { line } = turn
    const index = line.turns.indexOf(turn)
    if (index === -1) return false
    line.turns.splice(index, 1)
    if (line.turns.length === 0) this.remove(line)
    this.arm()
    return true
  }

  /** A line in which someone waits goes to the end of its new row. */
  move(line: Line, priority: number): void {
    const waits = line.turns.length > 0
    if (waits) this.remove(line)
    line.priority = priority
    if (waits) this.add(line)
    this.arm()
  }

  private add(line: Line): void {
    let at = this.rows.findIndex((row) => row.priority >= line.priority)
    if (at === -1) at = this.rows.length
    if (this.rows[at]?.priority !== line.priority) this.rows.splice(at, 0, { priority: line.priority, lines: [] })
    this.rows[at]!.lines.push(line)
  }

  private remove(line: Line): void {
    const at = this.rows.findIndex((row) => row.priority === line.priority)
    const { lines } = this.rows[at]!
    lines.splice(lines.indexOf(line), 1)
    if (lines.length === 0) this.rows.splice(at, 1)
  }

  /** Everyone for whom there is credit; after a long run of them the rest comes by a timer of its own. */
  private serve(): void {
    this.serving = true
    this.invited = undefined
    try {
      let turn = this.first()
      for (let run = 0; turn !== undefined && run < longestRun; run++) {
        const wait = this.meter.wait(this.timers.now(), turn.size)
        if (wait !== undefined && wait > 0n) return
        if (wait !== undefined && turn.takes) this.meter.take(this.timers.now(), turn.size)
        // It is out of its line before it goes, since it may do anything to the lines.
        const { lines } = this.rows[0]!
        const line = lines.shift()!
        line.turns.shift()
        if (line.turns.length > 0) lines.push(line)
        else if (lines.length === 0) this.rows.shift()
        const verdict = wait === undefined ? "excess" : "conforming"
        if (turn.takes) {
          turn.go(verdict)
        } else {
          // Whoever was told takes it in a turn of the scheduler; the others go on after that.
          this.invited = line
          return turn.go(verdict)
        }
        turn = this.first()
      }
    } finally {
      this.serving = false
      this.arm()
    }
  }

  private first(): Turn | undefined {
    return this.rows[0]?.lines[0]!.turns[0]
  }

  private arm(): void {
    if (this.serving) return
    const turn = this.first()
    if (turn !== undefined && this.alarm?.turn === turn) return
    this.forget()
    if (turn === undefined) return
    // Whole microseconds: a clock that counts milliseconds since 1970 knows nothing smaller.
    const micros = ((this.meter.wait(this.timers.now(), turn.size) ?? 0n) + 999n) / 1000n
    const forget = this.timers.after(Number(micros) / 1000, () => {
      this.alarm = undefined
      this.serve()
    })
    this.alarm = { turn, forget }
  }

  private forget(): void {
    this.alarm?.forget()
    this.alarm = undefined
  }
}

/** One of those who share the credit: its turns come in the order in which they were asked for. */
export class Line {
  readonly pool: Pool
  /** Whether it waits for credit. One that does not is told at once that there is too little. */
  readonly waits: boolean
  /** 0 comes first. Changed by `Pool.move` only. */
  priority: number
  readonly turns: Array<Turn> = []

  constructor(pool: Pool, waits: boolean, priority: number) {
    this.pool = pool
    this.waits = waits
    this.priority = priority
  }

  /** The longest piece that could be taken now: nobody is ahead, and there is credit. */
  get credit(): number {
    const { meter, timers } = this.pool
    return this.pool.isFree(this) ? meter.credit(timers.now()) : 0
  }

  /** Whether a piece could be taken now. */
  has(size: number): boolean {
    const { meter, timers } = this.pool
    return this.pool.isFree(this) && meter.conforms(timers.now(), size)
  }

  /** Takes the credit for a piece, or answers who waits for it now. */
  take(size: number, go: (verdict: Verdict) => void): Verdict | Turn {
    const { meter, timers } = this.pool
    if (size > meter.largest) return "excess"
    if (this.pool.isFree(this) && meter.take(timers.now(), size)) return "conforming"
    return this.waits ? this.wait(size, true, go) : "excess"
  }

  /** Is told when it is its turn and there is credit for a piece, and has taken it or not. */
  wait(size: number, takes: boolean, go: (verdict: Verdict) => void): Turn {
    const turn = { line: this, size, takes, go }
    this.pool.enter(turn)
    return turn
  }
}
