import { assert, it } from "@effect/vitest"
import { Schema } from "effect"
import * as childProcess from "node:child_process"
import * as path from "node:path"
import { promisify } from "node:util"

const Row = Schema.Struct({
  name: Schema.String,
  ours: Schema.Finite,
  peer: Schema.Finite,
  peerName: Schema.Literals(["asked for", "no QOS", "the clock alone"]),
  ratio: Schema.Finite,
  spread: Schema.Finite,
  unit: Schema.String
})

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Row), { onExcessProperty: "error" })

it("holds flows to their rates, and tells each row as a line of JSON", { timeout: 120_000 }, async () => {
  const main = path.join(import.meta.dirname, "../shaping.ts")
  const only = ["send 10 MB/s", "meter"]
  const { stdout } = await promisify(childProcess.execFile)(process.execPath, [
    main,
    "--small",
    "--rounds",
    "1",
    "--json",
    ...only.flatMap((name) => ["--only", name])
  ])
  const found = stdout.trimEnd().split("\n").map((line) => decode(line))
  assert.deepStrictEqual(found.map(({ name, peerName, unit }) => [name, peerName, unit]), [
    ["send 10 MB/s", "asked for", "MB/s"],
    ["send 10 MB/s cpu", "no QOS", "ms/MB"],
    ["meter", "the clock alone", "ns/piece"]
  ])
})
