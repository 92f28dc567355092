import { assert, it } from "@effect/vitest"
import { smallRows } from "./utils/rows.ts"

it("runs what is simulated, and tells each row as a line of JSON", { timeout: 120_000 }, async () => {
  const found = await smallRows("simulate.ts", ["TestClock", "1000 pending"], ["sim sleep hash", "sim heap"])
  assert.deepStrictEqual(found.map(({ name, peerName, unit }) => [name, peerName, unit]), [
    ["sim sleep hash", "TestClock", "fiber/s"],
    ["sim heap", "1000 pending", "ns/event"]
  ])
})
