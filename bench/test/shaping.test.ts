import { assert, it } from "@effect/vitest"
import { smallRows } from "./utils/rows.ts"

it("holds flows to their rates, and tells each row as a line of JSON", { timeout: 120_000 }, async () => {
  const found = await smallRows("shaping.ts", ["asked for", "no QOS", "the clock alone"], ["send 10 MB/s", "meter"])
  assert.deepStrictEqual(found.map(({ name, peerName, unit }) => [name, peerName, unit]), [
    ["send 10 MB/s", "asked for", "MB/s"],
    ["send 10 MB/s cpu", "no QOS", "ms/MB"],
    ["meter", "the clock alone", "ns/piece"]
  ])
})
