import { Sim } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Clock, Effect, Random } from "effect"
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"

const luckOf = (seed: Sim.Seed) => Effect.runSync(Sim.run(Random.next, { seed }).exit)
const luckOfTitle = luckOf(Sim.seedOf("has a seed from its title"))
const luckOf42 = luckOf(42)

describe("it.sim", () => {
  it.sim("runs a generator in virtual time", function*() {
    const before = yield* Clock.currentTimeMillis
    yield* Effect.sleep("1 hour")
    assert.strictEqual(yield* Clock.currentTimeMillis, before + 3_600_000)
  })

  it.sim("runs an effect", () => Effect.map(Sim.Sim, (sim) => assert.strictEqual(sim.now(), 0)))

  it.sim("has a scope", function*() {
    yield* Effect.addFinalizer(() => Effect.void)
    yield* Effect.forkScoped(Effect.never)
  })

  it.sim("has a seed from its title", function*() {
    assert.strictEqual(yield* Random.next, luckOfTitle)
  })

  it.sim("has the seed that it is given", function*() {
    assert.strictEqual(yield* Random.next, luckOf42)
  }, { seed: 42 })

  it.sim("has turns of the host when it is told so", function*() {
    assert.strictEqual(yield* Effect.promise(async () => "settled"), "settled")
  }, { host: true, test: { timeout: 5000 } })

  it.sim.fails("fails when the body does", () => Effect.fail("no"))
  it.sim.fails("fails when something is left over", () => Effect.forkDetach(Effect.never))
  it.sim("does not mind when it is told not to", () => Effect.forkDetach(Effect.never), { checks: false })
  it.sim.skip("is not run", () => Effect.die("run all the same"))
  it.sim.skipIf(true)("is not run where the condition holds", () => Effect.die("run all the same"))
  it.sim.runIf(false)("is run only where the condition holds", () => Effect.die("run all the same"))

  it.effect("stands beside what @effect/vitest has", () => Effect.void)
})

describe("a failure", () => {
  interface Test {
    readonly title: string
    readonly status: string
    readonly failureMessages: ReadonlyArray<string>
  }

  /** What vitest says of tests that fail, by their titles. */
  const messages = async (env: Readonly<Record<string, string>>) => {
    const root = path.join(import.meta.dirname, "../../..")
    const vitest = path.join(root, "node_modules/vitest/vitest.mjs")
    const config = path.join(import.meta.dirname, "utils/failing/vitest.config.ts")
    const folder = mkdtempSync(path.join(tmpdir(), "it-sim-"))
    const output = path.join(folder, "said.json")
    await new Promise<void>((resolve) =>
      execFile(
        process.execPath,
        [vitest, "run", "--config", config, "--outputFile", output],
        { cwd: root, env: { ...process.env, WINSOCK_SEED: "", ...env } },
        () => resolve()
      )
    )
    const said = readFileSync(output, "utf8")
    rmSync(folder, { recursive: true })
    const { testResults } = JSON.parse(said) as {
      readonly testResults: ReadonlyArray<{ readonly assertionResults: ReadonlyArray<Test> }>
    }
    return new Map(
      testResults.flatMap(({ assertionResults }) =>
        assertionResults.map(({ failureMessages, status, title }) => [title, failureMessages[0] ?? status] as const)
      )
    )
  }

  const drawn = (message: string) => /expected (\d+) to equal -1/.exec(message)?.[1]

  it("says its error, its seed, the variable that runs it again, and what happened last", async () => {
    const seed = Sim.seedOf("expects another number")
    const [said, again] = await Promise.all([messages({}), messages({ WINSOCK_SEED: `${seed}` })])
    const numbers = said.get("expects another number")!
    assert.match(
      numbers,
      new RegExp(
        [
          `expected \\d+ to equal -1`,
          ``,
          `WINSOCK_SEED=${seed} runs it again`,
          `done after 20ms, seed ${seed}, \\d+ steps`,
          `what happened last:`,
          ` +0 ms  fiber begins  fiber=1`,
          ` +0 ms  fiber sleeps  fiber=1  micros=20000`,
          ` +20 ms  packet lost  from=a  to=b`
        ].join("\n")
      )
    )
    assert.match(numbers, /failing\.ts:\d+:\d+/)
    assert.match(
      said.get("leaves a fiber")!,
      /left over at the end of the run:\n {2}fiber: #2, leaves a fiber .*failing\.ts/
    )
    assert.match(
      said.get("waits for nobody")!,
      /deadlock: nothing is ready, and no timer is set\n {2}fiber #1 since 1000 ms, waits for nobody .*failing\.ts:\d+/
    )
    assert.match(said.get("fails with a value")!, /no reason[^]*WINSOCK_SEED=of its own runs it again/)
    assert.strictEqual(said.get("is skipped"), "skipped")

    assert.strictEqual(drawn(again.get("expects another number")!), drawn(numbers))
    assert.match(again.get("fails with a value")!, new RegExp(`WINSOCK_SEED=${seed} runs it again`))
  }, 120_000)
})
