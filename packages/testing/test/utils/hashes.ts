// What a program that is a module of this folder hashes to, by seed.
import { assert } from "@effect/vitest"
import { execFile } from "node:child_process"
import * as path from "node:path"
import { promisify } from "node:util"

/** How many seeds a test takes. */
export const seeds = Number(process.env["WINSOCK_SIMULATED_SEEDS"] ?? 50)

/** Each seed gives the same twice, and another than the others. */
export const assertSameTwice = (hashOf: (seed: number) => string): void => {
  const all = new Set<string>()
  for (let seed = 0; seed < seeds; seed++) {
    const first = hashOf(seed)
    assert.strictEqual(hashOf(seed), first, `seed ${seed}`)
    all.add(first)
  }
  assert.strictEqual(all.size, seeds, "each seed is another run")
}

/** The hashes of seeds, from a process that does nothing else. */
export const hashesOf = async (program: string, from: number, to: number, node = process.execPath) => {
  const { stdout } = await promisify(execFile)(node, [path.join(import.meta.dirname, program), `${from}`, `${to}`])
  return stdout.trim().split("\n")
}
