/** What two worlds made of a program, side by side. */
import { Effect } from "effect"
import { type Entry, play, type Transcript, type World } from "./interpreter.ts"
import { print, type Program } from "./program.ts"
import type { Rule } from "./rules.ts"

/** Something that two worlds do not agree about: a call, or a socket. */
export interface Part {
  readonly of: string
  readonly first: string
  readonly second: string
}

/** The step after which two worlds do not agree any more. */
export interface Difference {
  readonly program: Program
  readonly index: number
  readonly step: string
  readonly parts: ReadonlyArray<Part>
  readonly worlds: readonly [first: string, second: string]
}

/** How often each rule was used, by its name. */
export type Uses = Map<string, number>

export interface Verdict {
  readonly difference: Difference | undefined
  readonly uses: Uses
  readonly steps: number
}

const nothing = "nothing"

const partsOf = (first: Entry | undefined, second: Entry): ReadonlyArray<Part> =>
  [...new Set([...Object.keys(first?.seen ?? {}), ...Object.keys(second.seen)])].flatMap((of) => {
    const part = { of, first: first?.seen[of] ?? nothing, second: second.seen[of] ?? nothing }
    return part.first === part.second ? [] : [part]
  })

const isSocket = ({ of }: Part): boolean => of.length === 1

/** The socket that a part is of: itself, or the one that was called. */
const socketOf = (part: Part): string => isSocket(part) ? part.of : part.of.split(" ")[2]!.slice(0, 1)

/** Runs the program in the one world, and then in the other until they differ. */
export const compare = <R1, R2>(
  program: Program,
  first: World<R1>,
  second: World<R2>,
  rules: ReadonlyArray<Rule>
): Effect.Effect<Verdict, never, R1 | R2> =>
  Effect.flatMap(play(program, first), (reference) => follow(program, reference, first.name, second, rules))

/**
 * Runs the program in a world, and compares it with what another has shown.
 *
 * Sockets that a rule has let differ are not compared any more, nor are the calls on them; all others are.
 */
export const follow = <R>(
  program: Program,
  reference: Transcript,
  name: string,
  second: World<R>,
  rules: ReadonlyArray<Rule>
): Effect.Effect<Verdict, never, R> =>
  Effect.gen(function*() {
    const uses: Uses = new Map()
    const excused = new Set<string>()
    const partsAt = (index: number, found: Entry) =>
      partsOf(reference[index], found).filter((part) => !excused.has(socketOf(part)))
    const ruleOf = (part: Part, step: string, parts: ReadonlyArray<Part>) =>
      rules.find(({ explains }) => explains(part, step, parts))
    let difference: Difference | undefined
    const transcript = yield* play(program, second, {
      judge: (index, found) => {
        const parts = partsAt(index, found)
        if (parts.length === 0) return "agrees"
        return parts.every((part) => ruleOf(part, found.step, parts) !== undefined) ? "excused" : "differs"
      },
      conclude: (index, found) => {
        const parts = partsAt(index, found)
        const { step } = found
        for (const part of parts) {
          const rule = ruleOf(part, step, parts)
          if (rule === undefined) {
            difference = { program, index, step, parts, worlds: [name, second.name] }
            return false
          }
          uses.set(rule.name, (uses.get(rule.name) ?? 0) + 1)
          if (rule.ends === true) return false
          // A call that ended otherwise has ended; a socket that is otherwise stays so.
          if (isSocket(part)) excused.add(socketOf(part))
        }
        return true
      }
    })
    return { difference, uses, steps: transcript.length }
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
