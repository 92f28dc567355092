import { assert, it } from "@effect/vitest"
import { Schema } from "effect"
import * as childProcess from "node:child_process"
import * as path from "node:path"
import { promisify } from "node:util"
import { quantile, rows } from "../statistics.ts"
import { rowsOf, type Sample, type Work, works } from "../works.ts"

const run = promisify(childProcess.execFile)

const Row = Schema.Struct({
  name: Schema.String,
  ours: Schema.Finite,
  peer: Schema.Finite,
  peerName: Schema.Literals([
    "node:net",
    "NodeSocket",
    "node:dgram",
    "NodeDatagramSocket",
    "bound, unmarked",
    "plain, one echo",
    "bare WSAConnect",
    "the same, scoped"
  ]),
  ratio: Schema.NullOr(Schema.Finite),
  spread: Schema.NullOr(Schema.Finite),
  unit: Schema.String
})

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Row), { onExcessProperty: "error" })

const workOf = (name: string): Work => works.find(({ ours }) => ours.some((own) => own.name === name))!

it("gives no ratio where memory did not grow", () => {
  const grown = (heap: number): Sample => ({ count: 100, seconds: 0, cpu: 0, rss: 0, heap })
  const samples = new Map([["idle", [grown(200)]], ["node:net", [grown(100)]], ["NodeSocket", [grown(600)]]])
  const found = rows(workOf("idle"), samples).map((
    { name, peerName, ratio, spread }
  ) => [name, peerName, ratio, spread])
  assert.deepStrictEqual(found, [
    ["idle rss", "node:net", null, null],
    ["idle rss", "NodeSocket", null, null],
    ["idle heap", "node:net", 0.5, 0],
    ["idle heap", "NodeSocket", 3, 0]
  ])
})

const sample = (seconds: number): Sample => ({ count: 100, seconds, cpu: 1000 * seconds, rss: 0, heap: 0 })

it("takes the median, and quantiles between two values", () => {
  assert.strictEqual(quantile([3, 1, 2], 0.5), 2)
  assert.strictEqual(quantile([4, 1, 2, 3], 0.5), 2.5)
  assert.strictEqual(quantile([0, 10], 0.25), 2.5)
})

it("gives ratios above 1 where ours is better, be it more of a rate or less of a cost", () => {
  const samples = new Map([
    ["connect tcp", [sample(1), sample(2), sample(3)]],
    ["node:net", [sample(2), sample(4), sample(9)]],
    ["NodeSocket", [sample(1), sample(1), sample(1)]]
  ])
  const found = rows(workOf("connect tcp"), samples).map(({ name, ours, peer, peerName, ratio, spread }) =>
    [name, peerName, ours, peer, ratio, spread] as const
  )
  assert.deepStrictEqual(found, [
    ["connect tcp", "node:net", 50, 25, 2, 0.5],
    ["connect tcp", "NodeSocket", 50, 100, 0.5, 0.33],
    ["connect tcp cpu", "node:net", 20, 40, 2, 0.5],
    ["connect tcp cpu", "NodeSocket", 20, 10, 0.5, 0.33]
  ])
})

it("gives each row of a peer its own name", () => {
  const ids = works.flatMap(rowsOf).map(({ name, peer }) => `${name} / ${peer.name}`)
  assert.strictEqual(new Set(ids).size, ids.length)
})

for (const only of ["read", "idle", "connect marked", "connect exchanged", "connect pipeline"]) {
  it(`runs "${only}", and tells each row as a line of JSON`, { timeout: 60_000 }, async () => {
    const main = path.join(import.meta.dirname, "../main.ts")
    const { stdout } = await run(process.execPath, [main, "--small", "--rounds", "1", "--json", "--only", only])
    const found = stdout.trimEnd().split("\n").map((line) => decode(line))
    assert.deepStrictEqual(
      found.map(({ name, peerName, unit }) => [name, peerName, unit]),
      works.flatMap(rowsOf).filter(({ name }) => name.startsWith(`${only} `) || name === only).map(
        ({ measure, name, peer }) => [name, peer.name, measure.unit]
      )
    )
    // Memory that is given back elsewhere may hide what so few connections take.
    if (only === "idle") return
    for (const { ours, peer, ratio, spread } of found) {
      assert.isTrue(ours > 0 && peer > 0 && ratio !== null && spread !== null)
    }
  })
}
