/** Makes a program smaller for as long as something holds of it. */
import { Effect } from "effect"
import type { Difference, Verdict } from "./compare.ts"
import type { Program, Step } from "./program.ts"

const but = <S extends Step>(step: S, changes: Partial<S>): Step => Object.assign({}, step, changes)

/** Simpler steps in the place of a step, the simplest first. */
const simpler = (step: Step): ReadonlyArray<Step> => {
  switch (step.op) {
    case "send":
    case "sendto":
      return [0, 1, 5].filter((bytes) => bytes < step.bytes).map((bytes) => but(step, { bytes }))
    case "recv":
    case "recvfrom":
      return [
        ...(step.op === "recvfrom" ? [but(step, { op: "recv" })] : []),
        ...(step.peek ? [but(step, { peek: false })] : []),
        ...[1, 10].filter((bytes) => bytes < step.bytes).map((bytes) => but(step, { bytes }))
      ]
    case "transfer":
      return [{ op: "send", s: step.s, bytes: 1 }]
    case "attempt":
      return [
        { op: "connect", s: step.s, to: step.to },
        ...step.probes.map((_, i) => but(step, { probes: step.probes.toSpliced(i, 1) }))
      ]
    case "WSAConnectByList":
      return [{ op: "connect", s: step.s, to: step.to }, { op: "connect", s: step.s, to: step.first }]
    case "accept":
      return step.verdict === undefined ? [] : [but(step, { verdict: undefined })]
    case "shutdown":
      return step.how === "both" ? [but(step, { how: "send" }), but(step, { how: "receive" })] : []
    case "bind": {
      const host = "127.0.0.1:0"
      return step.to.at === "any" && step.to.host !== host ? [but(step, { to: { at: "any", host } })] : []
    }
    case "WSAEventSelect":
    case "WSAAsyncSelect":
      return step.mask.length < 2 ? [] : step.mask.map((event) => but(step, { mask: [event] }))
    case "select":
      return step.sets.length < 2 ? [] : step.sets.map((set) => but(step, { sets: [set] }))
    default:
      return []
  }
}

/** Fewer steps: halves first, then ever smaller pieces, down to single steps. */
const fewer = function*(program: Program): Generator<Program> {
  for (let size = Math.ceil(program.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = program.length - size; start > -size; start -= size) {
      const from = Math.max(0, start)
      yield [...program.slice(0, from), ...program.slice(start + size)]
    }
  }
}

const easier = function*(program: Program): Generator<Program> {
  for (const [i, step] of program.entries()) {
    for (const other of simpler(step)) yield program.with(i, other)
  }
}

/** A difference that the smallest program shows which was found: whichever it is, as every one of them is to be explained. */
export const smallest = <R>(
  difference: Difference,
  compare: (program: Program) => Effect.Effect<Verdict, never, R>
): Effect.Effect<Difference, never, R> =>
  Effect.gen(function*() {
    let best = difference
    const better = Effect.fnUntraced(function*(candidates: Iterable<Program>) {
      for (const candidate of candidates) {
        const found = (yield* compare(candidate)).difference
        if (found === undefined) continue
        best = found
        return true
      }
      return false
    })
    // What comes after the difference has no part in it.
    const cut = () => best.program.slice(0, best.index + 1)
    while (yield* better([cut()].filter(({ length }) => length < best.program.length))) continue
    while ((yield* better(fewer(best.program))) || (yield* better(easier(best.program)))) continue
    return best
  })
