// What a bench prints, read row by row.
import { Schema } from "effect"
import * as childProcess from "node:child_process"
import * as path from "node:path"
import { promisify } from "node:util"

/** The rows of a bench that does so little work that it only shows that it runs. */
export const smallRows = async (bench: string, peers: ReadonlyArray<string>, only: ReadonlyArray<string>) => {
  const Row = Schema.Struct({
    name: Schema.String,
    ours: Schema.Finite,
    peer: Schema.Finite,
    peerName: Schema.Literals(peers),
    ratio: Schema.Finite,
    spread: Schema.Finite,
    unit: Schema.String
  })
  const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Row), { onExcessProperty: "error" })
  const { stdout } = await promisify(childProcess.execFile)(process.execPath, [
    path.join(import.meta.dirname, "../..", bench),
    "--small",
    "--rounds",
    "1",
    "--json",
    ...only.flatMap((name) => ["--only", name])
  ])
  return stdout.trimEnd().split("\n").map((line) => decode(line))
}
