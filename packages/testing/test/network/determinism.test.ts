import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import * as path from "node:path"
import { promisify } from "node:util"
import { hashOf } from "../utils/busyNetwork.ts"

const seeds = Number(process.env["WINSOCK_SIMULATED_SEEDS"] ?? 50)

/** The hashes of seeds, from a process that does nothing else. */
const hashesOf = async (node: string, to: number) => {
  const file = path.join(import.meta.dirname, "../utils/busyNetwork.ts")
  const { stdout } = await promisify(execFile)(node, [file, "0", `${to}`])
  return stdout.trim().split("\n")
}

describe("determinism of a network", { timeout: 1_200_000 }, () => {
  it("runs 50 fibers, streams, datagrams, faults and keys by reference the same way each time, for every seed", () => {
    const all = new Set<string>()
    for (let seed = 0; seed < seeds; seed++) {
      const first = hashOf(seed)
      assert.strictEqual(hashOf(seed), first, `seed ${seed}`)
      all.add(first)
    }
    assert.strictEqual(all.size, seeds, "each seed is another run")
  })

  it("runs them in another process as in this one", async () => {
    const here = Array.from({ length: 5 }, (_, seed) => hashOf(seed))
    assert.deepStrictEqual(await hashesOf(process.execPath, 5), here)
  })

  const other = process.env["WINSOCK_OTHER_NODE"]
  it.skipIf(other === undefined)(
    "runs them on another version of Node (WINSOCK_OTHER_NODE) as on this one",
    async () => {
      const here = Array.from({ length: 5 }, (_, seed) => hashOf(seed))
      assert.deepStrictEqual(await hashesOf(other!, 5), here)
    }
  )
})
