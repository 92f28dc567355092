import { assert, describe, it } from "@effect/vitest"
import { hashOf } from "../utils/busyNetwork.ts"
import { assertSameTwice, hashesOf } from "../utils/hashes.ts"

describe("determinism of a network", { timeout: 1_200_000 }, () => {
  it("runs 50 fibers, streams, datagrams, faults and keys by reference the same way each time, for every seed", () => {
    assertSameTwice(hashOf)
  })

  it("runs them in another process as in this one", async () => {
    const here = Array.from({ length: 5 }, (_, seed) => hashOf(seed))
    assert.deepStrictEqual(await hashesOf("busyNetwork.ts", 0, 5), here)
  })

  const other = process.env["WINSOCK_OTHER_NODE"]
  it.skipIf(other === undefined)(
    "runs them on another version of Node (WINSOCK_OTHER_NODE) as on this one",
    async () => {
      const here = Array.from({ length: 5 }, (_, seed) => hashOf(seed))
      assert.deepStrictEqual(await hashesOf("busyNetwork.ts", 0, 5, other!), here)
    }
  )
})
