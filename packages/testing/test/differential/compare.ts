/** What two worlds made of a program, side by side. */
import { Effect } from "effect"
import { type Entry, play, type Transcript, type World } from "./interpreter.ts"
import { print, type Program } from "./program.ts"
import type { Rule } from "./rules.ts"

/** Something that two worlds do not agree about. */
export interface Difference {
  readonly program: Program
  /** The steps up to it were alike. */
  readonly index: number
  readonly step: string
  readonly parts: ReadonlyArray<{ readonly of: string; readonly first: string; readonly second: string }>
  readonly worlds: readonly [first: string, second: string]
}

const nothing = "nothing"

const partsOf = (first: Entry | undefined, second: Entry | undefined): Difference["parts"] =>
  [...new Set([...Object.keys(first?.seen ?? {}), ...Object.keys(second?.seen ?? {})])].flatMap((of) => {
    const a = first?.seen[of] ?? nothing
    const b = second?.seen[of] ?? nothing
    return a === b ? [] : [{ of, first: a, second: b }]
  })

/** How often each rule was used, by its name. */
export type Uses = Map<string, number>

export interface Verdict {
  readonly difference: Difference | undefined
  readonly uses: Uses
  readonly steps: number
}

/**
 * Runs the program in the one world, and then in the other until they differ. After a step about which a rule has let them
 * differ, the states may be different ones: so nothing is compared any more.
 */
export const compare = <R1, R2>(
  program: Program,
  first: World<R1>,
  second: World<R2>,
  rules: ReadonlyArray<Rule>
): Effect.Effect<Verdict, never, R1 | R2> =>
  Effect.flatMap(play(program, first), (reference) => follow(program, reference, first.name, second, rules))

/** Runs the program in a world, and compares it with what another has shown. */
export const follow = <R>(
  program: Program,
  reference: Transcript,
  name: string,
  second: World<R>,
  rules: ReadonlyArray<Rule>
): Effect.Effect<Verdict, never, R> =>
  Effect.gen(function*() {
    const transcript = yield* play(program, second, (i, found) => partsOf(reference[i], found).length === 0)
    const index = transcript.length - 1
    const uses: Uses = new Map()
    const parts = partsOf(reference[index], transcript[index])
    if (parts.length === 0) return { difference: undefined, uses, steps: transcript.length }
    const step = transcript[index]!.step
    const difference = { program, index, step, parts, worlds: [name, second.name] as const }
    const rule = rules.find((rule) => rule.explains(difference))
    if (rule === undefined) return { difference, uses, steps: transcript.length }
    uses.set(rule.name, 1)
    return { difference: undefined, uses, steps: transcript.length }
  })

/** The program, and what the two worlds say where they part. */
export const printDifference = ({ parts, program, step, worlds: [first, second] }: Difference): string => {
  const width = Math.max(first.length, second.length)
  return [
    print(program),
    `they part at ${step}`,
    ...parts.flatMap((part) => [
      `  ${part.of}`,
      `    ${first.padEnd(width)}  ${part.first}`,
      `    ${second.padEnd(width)}  ${part.second}`
    ])
  ].join("\n")
}
