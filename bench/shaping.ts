// How well a flow is held to its rate, and what that costs: `pnpm bench:shaping`. README.md beside this file says what is
// measured.
//
//   --only NAME   the rows of that name and those below it: "send 10 MB/s", "receive 1 MB/s cpu"; may be repeated
//   --rounds N    how many rounds (5)
//   --seconds N   how long each rate is kept up (3)
//   --bucket N    how many milliseconds of the rate the bucket holds (20)
//   --json        one object a line: name, ours, peer, peerName, ratio, spread, unit
//   --small       as little work as shows that it runs; the figures say nothing
import * as os from "node:os"
import { parseArgs } from "node:util"
import type { Peer } from "./agreed.ts"
import { start } from "./process.ts"
import { clockCost, meterCost, type Moved, type Question } from "./shapingSide.ts"
import { line, type Row, row } from "./statistics.ts"

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    bucket: { type: "string", default: "20" },
    json: { type: "boolean", default: false },
    small: { type: "boolean", default: false }
  }
})

const million = 1_000_000
const rates = [1, 10, 100]
const ways = [["send", "sending"], ["receive", "receiving"]] as const

const isWanted = (name: string): boolean =>
  values.only === undefined || values.only.some((only) => name === only || name.startsWith(`${only} `))

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

const tell = (found: Row): void => {
  if (isWanted(found.name)) say(values.json ? JSON.stringify(found) : line(found))
}

const main = async (): Promise<void> => {
  const rounds = Number(values.rounds)
  const seconds = values.small ? 0.1 : Number(values.seconds)
  if (!values.json) {
    const [cpu] = os.cpus()
    say(`${os.cpus().length} × ${cpu?.model.trim()}, ${os.type()} ${os.release()}, Node ${process.version}`)
    say(`${rounds} rounds; load before: ${os.loadavg()[0]!.toFixed(2)}\n`)
    say(line())
  }
  for (const [name, way] of ways) {
    for (const rate of rates) {
      const label = `${name} ${rate} MB/s`
      if (isWanted(label) || isWanted(`${label} cpu`)) await measure(label, way, rate * million, seconds, rounds)
    }
  }
  if (isWanted("meter")) {
    const costs = Array.from({ length: rounds }, () => meterCost(values.small ? 10_000 : 3_000_000))
    const clock = Array.from({ length: rounds }, () => clockCost(values.small ? 10_000 : 3_000_000))
    tell(row({ name: "meter", peerName: "the clock alone", unit: "ns/piece", better: "less" }, costs, clock))
  }
}

const measure = async (name: string, way: Question["way"], rate: number, seconds: number, rounds: number) => {
  const peer = start("./peer.ts")
  const where = await peer.ask("listen") as Peer
  const shaped: Array<Moved> = []
  const free: Array<Moved> = []
  const bytes = Math.ceil(rate * seconds)
  for (let round = 0; round < rounds; round++) {
    for (const [moved, asked] of [[shaped, rate], [free, undefined]] as const) {
      const side = start("./shapingSide.ts")
      const question: Question = { peer: where, way, rate: asked, bucket: Number(values.bucket), bytes }
      // Once to warm up: what a process costs that has just begun is its own.
      await side.ask({ ...question, bytes: Math.ceil(bytes / 4) })
      moved.push(await side.ask(question) as Moved)
      await side.end()
    }
  }
  await peer.end()
  const asked = shaped.map(() => rate / million)
  tell(row(
    { name, peerName: "asked for", unit: "MB/s", better: "more" },
    shaped.map((moved) => moved.bytes / moved.seconds / million),
    asked
  ))
  const cpu = (moved: Moved) => moved.cpu / 1000 / (bytes / million)
  tell(row({ name: `${name} cpu`, peerName: "no QOS", unit: "ms/MB", better: "less" }, shaped.map(cpu), free.map(cpu)))
}

await main()
