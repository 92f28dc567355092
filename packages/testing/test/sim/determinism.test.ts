import { Sim } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import * as path from "node:path"
import { promisify } from "node:util"
import { hashOf, program } from "../utils/fiftyFibers.ts"

const seeds = Number(process.env["WINSOCK_SIMULATED_SEEDS"] ?? 50)

/** The hashes of seeds, from a process that does nothing else. */
const hashesOf = async (from: number, to: number) => {
  const file = path.join(import.meta.dirname, "../utils/fiftyFibers.ts")
  const { stdout } = await promisify(execFile)(process.execPath, [file, `${from}`, `${to}`])
  return stdout.trim().split("\n")
}

describe("determinism", () => {
  it("runs 50 fibers, timers, luck and keys by reference the same way each time, for every seed", () => {
    const all = new Set<string>()
    for (let seed = 0; seed < seeds; seed++) {
      const first = hashOf(seed)
      assert.strictEqual(hashOf(seed), first, `seed ${seed}`)
      all.add(first)
    }
    assert.strictEqual(all.size, seeds, "each seed is another run")
  }, 900_000)

  it("runs them in another process as in this one, wherever a process begins", async () => {
    const here = Array.from({ length: 20 }, (_, seed) => hashOf(seed))
    assert.deepStrictEqual(await hashesOf(0, 20), here)
    assert.deepStrictEqual(await hashesOf(10, 20), here.slice(10))
  }, 120_000)

  it("tells of a trace of all events what it tells of the last ones", () => {
    const hashed = Sim.run(program, { seed: 3 })
    const full = Sim.run(program, { seed: 3, trace: "full" })
    assert.strictEqual(full.hash, hashed.hash)
    assert.isAbove(full.events.length, 500)
    assert.deepStrictEqual(full.events.slice(-50), hashed.events)
    const off = Sim.run(program, { seed: 3, trace: "off" })
    assert.deepStrictEqual([off.exit, off.steps, off.hash, off.events.length], [hashed.exit, hashed.steps, "", 0])
  })
})
