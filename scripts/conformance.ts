// The table of what each provider does: `pnpm conformance`.
//
//   --layer node|sim|memory   one layer, or several; all where it is absent
//   --row R09                 one row; `--row "R09: the title"` one case
//   --json                    one object a line: row, title, layer, status, detail
//
// Exit code 1 where anything failed. The live provider runs in a network namespace of its own where there may be one, so
// that routes and time-outs can be what a row needs; see scripts/lib/live-world.ts.
import { Conformance, World } from "@effect-winsock/testing"
import { Effect } from "effect"
import * as childProcess from "node:child_process"
import { parseArgs } from "node:util"
import * as LiveWorld from "./lib/live-world.ts"

const { values } = parseArgs({
  options: {
    layer: { type: "string", multiple: true },
    row: { type: "string", multiple: true },
    json: { type: "boolean", default: false }
  }
})

type Run = (options: Conformance.Options) => Promise<ReadonlyArray<Conformance.Result>>

const layers: Record<string, Run> = {
  node: (options) => Effect.runPromise(Conformance.run("node", LiveWorld.layer(), options)),
  sim: async (options) => Conformance.simulate("sim", World.layerSim, options),
  memory: (options) => Effect.runPromise(Conformance.run("memory", World.layerMemory, options))
}
const names = Object.keys(layers)

const main = async (): Promise<number> => {
  const wanted = names.filter((name) => values.layer === undefined || values.layer.includes(name))
  if (wanted.length === 0) {
    process.stderr.write(`--layer is one of ${names.join(", ")}\n`)
    return 2
  }
  if (wanted.includes("node") && !LiveWorld.inNamespace()) {
    const command = LiveWorld.namespaceCommand()
    if (typeof command !== "string") return await again(command)
    process.stderr.write(`without a namespace of its own: ${command}\n`)
  }
  const results: Array<Conformance.Result> = []
  for (const name of wanted) results.push(...await runOn(name))
  if (!values.json) process.stdout.write(table(wanted, results))
  return results.some(({ status }) => status === "failed") ? 1 : 0
}

/** The same program, in a namespace. */
const again = ([command, ...flags]: ReadonlyArray<string>): Promise<number> => {
  const child = childProcess.spawn(command!, [...flags, process.execPath, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: LiveWorld.namespaceEnvironment()
  })
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => {
    child.on("close", (code) => resolve(code ?? 1))
  })
}

const runOn = (name: string): Promise<ReadonlyArray<Conformance.Result>> => {
  const cases = Conformance.cases.filter(({ row, title }) =>
    values.row === undefined || values.row.includes(row) || values.row.includes(`${row}: ${title}`)
  )
  const onResult = (result: Conformance.Result) => {
    if (!values.json) return
    const { detail, layer, row, status, title } = result
    process.stdout.write(`${JSON.stringify({ row, title, layer, status, detail })}\n`)
  }
  return layers[name]!({ cases, onResult })
}

// --- the table -------------------------------------------------------------------------------------------------------

const table = (layers: ReadonlyArray<string>, results: ReadonlyArray<Conformance.Result>): string => {
  const reasons = new Map<string, number>()
  const lines = Array.from(new Set(results.map(({ row }) => row)), (row) => {
    const cells = layers.map((layer) => cell(results.filter((r) => r.row === row && r.layer === layer), reasons))
    return `${row.padEnd(5)} ${cells.map((cell) => cell.padEnd(24)).join(" ")}`.trimEnd()
  })
  const notes = Array.from(reasons, ([reason, number]) => `[${number}] ${reason}`)
  const failed = results.filter(({ status }) => status === "failed")
    .map(({ detail, layer, row, title }) => `${row} on ${layer}: ${title}\n      ${detail}`)
  const counts = layers.map((layer) => {
    const count = (status: string) => results.filter((r) => r.layer === layer && r.status === status).length
    return `${layer}: ${count("shown")} cases shown, ${count("not-here")} not here, ${count("failed")} failed`
  })
  return [
    `row   ${layers.map((layer) => layer.padEnd(24)).join(" ")}`.trimEnd(),
    ...lines,
    "",
    ...notes,
    ...failed.length > 0 ? ["", "failed:", ...failed] : [],
    "",
    ...counts,
    ""
  ].join("\n")
}

/** `shown`, or how many of its cases were, with the numbers of the reasons. */
const cell = (results: ReadonlyArray<Conformance.Result>, reasons: Map<string, number>): string => {
  const count = (status: string) => results.filter((result) => result.status === status).length
  const notes = new Set(
    results.filter(({ status }) => status === "not-here").map(({ detail }) => {
      if (!reasons.has(detail)) reasons.set(detail, reasons.size + 1)
      return reasons.get(detail)!
    })
  )
  const marks = notes.size === 0 ? "" : ` [${Array.from(notes).join(",")}]`
  const shown = count("shown")
  if (count("failed") > 0) return `FAILED ${count("failed")}/${results.length}${marks}`
  if (shown === 0) return `not here${marks}`
  return shown === results.length ? `shown ${shown}` : `shown ${shown}/${results.length}${marks}`
}

process.exit(await main())
