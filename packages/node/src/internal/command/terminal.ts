/**
 * What differs between a terminal and a pipe: colours, and a line that changes while something is awaited.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { stopwatch } from "./failures.ts"

const paint = (on: boolean, style: number) => (text: string): string => on ? `\u001b[${style}m${text}\u001b[0m` : text

/** The colours of a stream: none where it is no terminal, or NO_COLOR is set. */
export interface Paint {
  readonly good: (text: string) => string
  readonly bad: (text: string) => string
  readonly strong: (text: string) => string
  readonly faint: (text: string) => string
}

const paints = (on: boolean): Paint => ({
  good: paint(on, 32),
  bad: paint(on, 31),
  strong: paint(on, 1),
  faint: paint(on, 2)
})

export interface Look {
  readonly stdout: Paint
  /** Whether stdout has colours. */
  readonly colours: boolean
  /** Whether stderr is a terminal that takes a line which changes. */
  readonly live: boolean
}

const environment = Config.all({
  noColor: Config.option(Config.String("NO_COLOR")),
  term: Config.option(Config.String("TERM"))
})

export const look: Effect.Effect<Look, never, Stdio.Stdio> = Effect.gen(function*() {
  const stdio = yield* Stdio.Stdio
  const { noColor, term } = yield* Effect.orDie(environment)
  const plain = Option.getOrElse(noColor, () => "") !== "" || Option.contains(term, "dumb")
  const colours = !plain && (yield* stdio.stdoutIsTerminal)
  return { stdout: paints(colours), colours, live: !plain && (yield* stdio.stderrIsTerminal) }
})

/** A line on stderr that says what is going on, and for how long. */
export interface Live {
  readonly show: (what: string) => Effect.Effect<void>
  /** Takes the line away, so that something else can be written. */
  readonly clear: Effect.Effect<void>
}

const still: Live = { show: () => Effect.void, clear: Effect.void }
const begin = "\r\u001b[2K"

/** The line, for as long as the scope lasts; nothing where it is not wanted. */
export const live = (wanted: boolean): Effect.Effect<Live, never, Stdio.Stdio | Scope.Scope> =>
  Effect.gen(function*() {
    if (!wanted) return still
    const stdio = yield* Stdio.Stdio
    const write = (text: string) => Effect.ignore(Stream.run(Stream.make(text), stdio.stderr()))
    const elapsed = yield* stopwatch
    // One writes at a time: a line that was on its way must not come after it was taken away.
    const turn = yield* Semaphore.make(1)
    let what: string | undefined
    const draw = turn.withPermits(1)(Effect.flatMap(elapsed, (ms) =>
      what === undefined ? Effect.void : write(`${begin}${what} … ${(ms / 1000).toFixed(1)} s`)))
    const clear = turn.withPermits(1)(Effect.suspend(() => {
      const shown = what !== undefined
      what = undefined
      return shown ? write(begin) : Effect.void
    }))
    yield* Effect.addFinalizer(() =>
      clear
    )
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep("100 millis"), draw)))
    return {
      show: (text) => {
        what = text
        return draw
      },
      clear
    }
  })
