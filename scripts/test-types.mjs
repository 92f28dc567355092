// Runs the type tests (`packages/*/typetest`). TSTyche needs the JavaScript API of TypeScript, which version 7 does not
// have, and would download version 6 while it runs; here it gets the one that the lockfile pins.
import { writeFileSync } from "node:fs"
import path from "node:path"

process.env.TSTYCHE_TYPESCRIPT_MODULE ??= import.meta.resolve("@typescript/typescript6")

/** A TSTyche reporter: writes the counts where `.ci/run` looks for them. */
export default class Counts {
  on([event, payload]) {
    if (event !== "run:end" || process.env.WINSOCK_REPORTS === undefined) return
    const { failed, passed, skipped } = payload.result.testCounts
    const file = path.join(process.env.WINSOCK_REPORTS, "types.json")
    writeFileSync(file, JSON.stringify({ passed, failed, skipped }))
  }
}

const main = async () => {
  const { Cli } = await import("tstyche/api")
  process.exitCode = await new Cli().run([
    ...process.argv.slice(2),
    "--reporters",
    `list,summary,${import.meta.filename}`
  ])
}

// not awaited: TSTyche imports this module again, as the reporter, and would wait for it to end
if (import.meta.main) void main()
