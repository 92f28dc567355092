// How fast we are, and how lean, beside Node's own sockets and Effect's: `pnpm bench`. README.md beside this file says
// how it measures and what came out.
//
//   --only NAME   the rows of that name and those below it: "read", "read into", "connect tcp cpu"; may be repeated
//   --rounds N    how many rounds (15)
//   --json        one object a line: name, ours, peer, peerName, ratio, spread, unit
//   --bare        each contender loads what it needs and no more: Node's own sockets then run without Effect in memory
//   --small       as little work as shows that it runs; the figures say nothing
import * as os from "node:os"
import { parseArgs } from "node:util"
import { namespaceCommand, namespaceEnvironment } from "../scripts/lib/live-world.ts"
import { start } from "./process.ts"
import { line, rows } from "./statistics.ts"
import { rowsOf, type Sample, small, type Work, works } from "./works.ts"

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    rounds: { type: "string", default: "15" },
    json: { type: "boolean", default: false },
    bare: { type: "boolean", default: false },
    small: { type: "boolean", default: false }
  }
})

const isWanted = (name: string): boolean =>
  values.only === undefined || values.only.some((only) => name === only || name.startsWith(`${only} `))

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

const main = async (): Promise<number> => {
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) {
    process.stderr.write("--rounds takes a whole number from 1 on\n")
    return 2
  }
  const wanted = works.filter((work) => rowsOf(work).some(({ name }) => isWanted(name)))
  if (wanted.length === 0) {
    const names = new Set(works.flatMap(rowsOf).map(({ name }) => name))
    process.stderr.write(`--only is one of ${Array.from(names).join(", ")}\n`)
    return 2
  }
  const namespace = namespaceCommand()
  if (typeof namespace === "string") process.stderr.write(`on the loopback of this machine: ${namespace}\n`)
  const prefix = typeof namespace === "string" ? [] : namespace
  if (!values.json) {
    const [cpu] = os.cpus()
    say(`${os.cpus().length} × ${cpu?.model.trim()}, ${os.type()} ${os.release()}, Node ${process.version}`)
    say(`${rounds} rounds; load before: ${os.loadavg()[0]!.toFixed(2)}\n`)
    say(line())
  }
  for (const work of wanted) {
    for (const row of await measure(values.small ? small(work) : work, rounds, prefix)) {
      if (isWanted(row.name)) say(values.json ? JSON.stringify(row) : line(row))
    }
  }
  return 0
}

const measure = async (work: Work, rounds: number, prefix: ReadonlyArray<string>) => {
  const coordinator = start("./coordinate.ts", [], { prefix, env: namespaceEnvironment() })
  const { measures: _, ...plan } = work
  const samples = await coordinator.ask({ work: plan, rounds, bare: values.bare }) as Record<
    string,
    ReadonlyArray<Sample>
  >
  await coordinator.end()
  return rows(work, new Map(Object.entries(samples)))
}

process.exit(await main())
