// One work, in a network namespace of its own: a peer, a process for each contender, and rounds in which each has its
// turn. Started by `main.ts`; answers with the samples of each contender, one a round.
import * as childProcess from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import { inNamespace } from "../scripts/lib/live-world.ts"
import type { Peer } from "./agreed.ts"
import { answer, type Child, start } from "./process.ts"
import type { Contender, Plan, Sample } from "./works.ts"

/** Those that a side has just closed keep their ports for a while: there have to be enough of them. */
const widenPorts = (): void => {
  try {
    fs.writeFileSync("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535")
  } catch {
    // It goes on with those that there are.
  }
}

/** No task takes so long; one that has lost a datagram would. */
const patience = 120_000

const inTime = async <A>(answer: Promise<A>): Promise<A> => {
  const late = AbortSignal.timeout(patience)
  const never = once(late, "abort").then(() => Promise.reject(new Error("no answer, for two minutes")))
  return await Promise.race([answer, never])
}

const measure = async (work: Plan, rounds: number, bare: boolean): Promise<Record<string, ReadonlyArray<Sample>>> => {
  if (inNamespace()) childProcess.execFileSync("ip", ["link", "set", "lo", "up"])
  const other = start("./peer.ts", [inNamespace() ? "8080" : "0", ...(work.awake ? ["awake"] : [])])
  const peer = await other.ask("listen") as Peer
  if (inNamespace()) widenPorts()
  const ask = async (side: Child, count: number): Promise<Sample> => {
    const sample = await inTime(side.ask({ peer, count })) as Sample
    // What the other end has still to do is nobody's.
    await inTime(other.ask("settle"))
    return sample
  }
  const begin = async ({ side, task }: Contender): Promise<Child> => {
    // What the growth of a process is measured from is to be its own: other modules leave room that it grows into.
    const alone = bare || work.fresh ? ["bare"] : []
    const child = start("./side.ts", [side, task, ...alone], {
      flags: work.fresh ? ["--expose-gc", "--max-semi-space-size=1"] : []
    })
    for (let left = work.warmUp; left > 0; left -= work.count) await ask(child, Math.min(left, work.count))
    return child
  }
  const contenders = [...work.ours, ...work.peers]
  const samples = new Map(contenders.map(({ name }) => [name, [] as Array<Sample>]))
  const sides = new Map<Contender, Child>()
  for (let round = 0; round < rounds; round++) {
    // Everyone is first as often as the others.
    for (const contender of contenders.map((_, index) => contenders[(index + round) % contenders.length]!)) {
      const side = sides.get(contender) ?? await begin(contender)
      samples.get(contender.name)!.push(await ask(side, work.count))
      if (work.fresh) await side.end()
      else sides.set(contender, side)
    }
  }
  for (const child of [...sides.values(), other]) await child.end()
  return Object.fromEntries(samples)
}

if (import.meta.main) {
  answer((question) => {
    const { bare, rounds, work } = question as { work: Plan; rounds: number; bare: boolean }
    return measure(work, rounds, bare)
  })
}
