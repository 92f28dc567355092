import { Sim } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { hashOf, program } from "../utils/fiftyFibers.ts"
import { assertSameTwice, hashesOf } from "../utils/hashes.ts"

describe("determinism", () => {
  it("runs 50 fibers, timers, luck and keys by reference the same way each time, for every seed", () => {
    assertSameTwice(hashOf)
  }, 900_000)

  it("runs them in another process as in this one, wherever a process begins", async () => {
    const here = Array.from({ length: 20 }, (_, seed) => hashOf(seed))
    assert.deepStrictEqual(await hashesOf("fiftyFibers.ts", 0, 20), here)
    assert.deepStrictEqual(await hashesOf("fiftyFibers.ts", 10, 20), here.slice(10))
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
