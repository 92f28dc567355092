import { NodeWinsock } from "@effect-winsock/node"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { follow, printDifference, type Uses } from "../../testing/test/differential/compare.ts"
import type { World } from "../../testing/test/differential/interpreter.ts"
import { generate, type Program } from "../../testing/test/differential/program.ts"
import { rules } from "../../testing/test/differential/rules.ts"
import { smallest } from "../../testing/test/differential/shrink.ts"
import { simulate } from "../../testing/test/differential/simulated.ts"

const runs = Number(process.env["WINSOCK_DIFFERENTIAL_RUNS"] ?? 100)
const only = process.env["WINSOCK_DIFFERENTIAL_SEED"]
const seeds = only === undefined ? Array.from({ length: runs }, (_, i) => i + 1) : [Number(only)]

let directory = ""
let worlds = 0

beforeAll(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), "winsock-differential-"))
})
afterAll(() => {
  rmSync(directory, { recursive: true })
})

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** How long it may take until what a program has done can be seen; so much is waited only where worlds differ. */
const patience = 500

/** Sockets of this machine, over loopback. */
const live = (): World => {
  const prefix = path.join(directory, String(worlds++))
  return {
    name: "node",
    layer: NodeWinsock.layer,
    path: (number) => `${prefix}-${number}`,
    settle: (judgement) =>
      Effect.gen(function*() {
        const deadline = performance.now() + patience
        // A machine that is busy elsewhere takes time and gives no turns.
        for (let turns = 0, excused = 0; turns < 100 || performance.now() < deadline; turns++) {
          yield* turn
          const come = yield* judgement
          // What differs by a rule may be on its way to agree.
          if (come === "agrees" || (come === "excused" && ++excused > 20)) break
        }
        // What is not to come has had time to.
        for (let i = 0; i < 3; i++) yield* turn
      })
  }
}

const differ = (program: Program, allowed = rules) =>
  Effect.suspend(() => follow(program, simulate(program), "sim", live(), allowed))

describe("differential runs", () => {
  it.live(
    `agree with the simulated network, but for what has a rule (${seeds.length} programs)`,
    () =>
      Effect.gen(function*() {
        const uses: Uses = new Map()
        let steps = 0
        for (const seed of seeds) {
          const verdict = yield* differ(generate(seed))
          steps += verdict.steps
          for (const [rule, times] of verdict.uses) uses.set(rule, (uses.get(rule) ?? 0) + times)
          if (verdict.difference !== undefined) {
            assert.fail(
              `seed ${seed}\n${printDifference(yield* smallest(verdict.difference, (program) => differ(program)))}`
            )
          }
        }
        const counted = rules.map(({ name, reason }) =>
          `${String(uses.get(name) ?? 0).padStart(6)}  ${name}: ${reason}`
        )
        process.stdout.write(`${seeds.length} programs, ${steps} steps\n${counted.join("\n")}\n`)
      }),
    900_000
  )

  for (const { example, name } of rules) {
    it.live(`need the rule that ${name}`, () =>
      Effect.gen(function*() {
        const others = rules.filter((rule) => rule.name !== name)
        // What may come first need not do so at the first time.
        let found = yield* differ(example, others)
        for (let again = 0; found.difference === undefined && again < 20; again++) {
          found = yield* differ(example, others)
        }
        assert.isDefined(found.difference)
        const { difference, uses } = yield* differ(example)
        assert.isUndefined(difference)
        for (const used of uses.keys()) assert.strictEqual(used, name)
      }))
  }
})
