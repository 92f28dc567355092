// A program in which everything is that could differ from run to run: 50 fibers, timers, luck, queues, races, keys by
// reference, spans, what it asks of the host. Run as a program of its own it prints the hashes of a range of seeds.
import { Sim } from "@effect-winsock/testing"
import { Deferred, Effect, Fiber, HashMap, HashSet, Queue, Random, Ref, Schedule, Semaphore } from "effect"
import { pathToFileURL } from "node:url"

/** Hashed by effect in the first run of the process, and not again. */
const shared = Array.from({ length: 10 }, (_, name) => ({ name: `shared ${name}` }))

const worker = (i: number, jobs: Queue.Queue<number>, log: Ref.Ref<ReadonlyArray<string>>, gate: Semaphore.Semaphore) =>
  Effect.gen(function*() {
    const say = (text: string) => Ref.update(log, (lines) => [...lines, `${i} ${text}`])
    for (let round = 0; round < 4; round++) {
      yield* Effect.sleep(yield* Random.nextIntBetween(0, 20))
      yield* Queue.offer(jobs, i * 100 + round)
      const job = yield* Queue.take(jobs)
      yield* say(`took ${job}`)
      yield* gate.withPermits(1)(Effect.sleep(`${yield* Random.nextIntBetween(1, 5000)} micros`))
      const faster = yield* Effect.raceFirst(
        Effect.sleep(yield* Random.nextIntBetween(1, 10)).pipe(Effect.as("sleep")),
        Effect.yieldNow.pipe(Effect.andThen(Effect.sleep(5)), Effect.as("yield"))
      )
      yield* say(faster)
    }
    const attempts = yield* Ref.make(0)
    yield* Ref.updateAndGet(attempts, (n) => n + 1).pipe(
      Effect.flatMap((n) => n < 3 ? Effect.fail("no") : Effect.succeed(n)),
      Effect.retry(Schedule.jittered(Schedule.exponential("10 millis")))
    )
    const span = yield* Effect.currentSpan
    yield* say(`${span.traceId} ${span.spanId}`)
  }).pipe(Effect.withSpan(`worker ${i}`), Effect.orDie)

/** What it saw of the order of everything. */
export const program = Effect.gen(function*() {
  const sim = yield* Sim.Sim
  const jobs = yield* Queue.bounded<number>(7)
  const log = yield* Ref.make<ReadonlyArray<string>>([])
  const gate = yield* Semaphore.make(3)
  const fibers = yield* Effect.forEach(
    Array.from({ length: 48 }, (_, i) => i),
    (i) => Effect.forkChild(worker(i, jobs, log, gate))
  )
  const ticked = yield* Deferred.make<number>()
  const luck = sim.luck("ticker")
  sim.at(luck.below(5000), () => Deferred.doneUnsafe(ticked, Effect.succeed(luck.below(1000))))
  const own = Array.from({ length: 10 }, (_, name) => ({ name: `own ${name}` }))
  const map = HashMap.fromIterable([...shared, ...own].map((key, index) => [key, index] as const))
  const functions = HashSet.fromIterable([Math.max, Math.min, worker, (x: number) => x])
  const seen: Array<unknown> = [
    yield* Deferred.await(ticked),
    ...Array.from(HashMap.keys(map), ({ name }) => name),
    ...Array.from(functions, (f) => f.length),
    Date.now(),
    Math.random(),
    crypto.randomUUID(),
    performance.now()
  ]
  yield* Effect.forEach(fibers, Fiber.join)
  seen.push(...yield* Ref.get(log))
  sim.note({ kind: "seen", all: seen.join(";") })
  return seen.join("\n")
})

/** The hash of the run with that seed, and what it saw, hashed into it. */
export const hashOf = (seed: number): string => {
  const report = Sim.run(program, { seed })
  if (report.exit._tag === "Failure") throw new Error(Sim.format(report), { cause: report.exit.cause })
  return `${report.hash} ${report.steps} ${report.draws}`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [from, to] = process.argv.slice(2).map(Number)
  for (let seed = from!; seed < to!; seed++) process.stdout.write(`${hashOf(seed)}\n`)
}
