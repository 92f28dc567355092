// One side of one work, in a process of its own: does what it is told, and says what that took.
import { setTimeout as sleep } from "node:timers/promises"
import type { Peer } from "./agreed.ts"
import { answer } from "./process.ts"
import type { Contender, Sample } from "./works.ts"

/** `held`: called by tasks that hold connections, once all are there. */
export type Task = (peer: Peer, count: number, held: () => Promise<void>) => Promise<unknown>

export type Tasks = Readonly<Record<string, Task>>

const memory = async (): Promise<NodeJS.MemoryUsage> => {
  // What a collection leaves to be done elsewhere needs a moment; a second one finds it.
  for (let i = 0; i < 4; i++) {
    globalThis.gc!()
    await sleep(25)
  }
  return process.memoryUsage()
}

const run = async (task: Task, peer: Peer, count: number): Promise<Sample> => {
  const from = process.cpuUsage()
  const started = performance.now()
  await task(peer, count, () => Promise.resolve())
  const seconds = (performance.now() - started) / 1000
  const { system, user } = process.cpuUsage(from)
  return { count, seconds, cpu: system + user, rss: 0, heap: 0 }
}

/** What a process grows by for so many connections, while it holds half as many that fill the room it has left. */
const grow = async (task: Task, peer: Peer, count: number): Promise<Sample> => {
  let [rss, heap] = [0, 0]
  await task(peer, Math.ceil(count / 2), async () => {
    const before = await memory()
    await task(peer, count, async () => {
      const after = await memory()
      rss = after.rss - before.rss
      heap = after.heapUsed - before.heapUsed
    })
  })
  return { count, seconds: 0, cpu: 0, rss, heap }
}

if (import.meta.main) {
  const [side, name, bare] = process.argv.slice(2) as [Contender["side"], string, string | undefined]
  const load = (side: Contender["side"]): Promise<{ readonly tasks: Tasks }> => import(`./sides/${side}.ts`)
  // Everyone has the same modules in memory, since each garbage collection goes through all that a program has loaded.
  if (bare === undefined) { for (const other of ["node", "nodeSocket", "winsock"] as const) await load(other) }
  const { tasks } = await load(side)
  const task = tasks[name]!
  answer((question) => {
    const { count, peer } = question as { peer: Peer; count: number }
    return globalThis.gc === undefined ? run(task, peer, count) : grow(task, peer, count)
  })
}
