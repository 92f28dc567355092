// How fast simulated programs are: `pnpm bench:simulate`. README.md beside this file says what is measured.
//
//   --only NAME   the rows of that name and those below it: "sim sleep", "sim sleep full"; may be repeated
//   --rounds N    how many rounds (5)
//   --json        one object a line: name, ours, peer, peerName, ratio, spread, unit
//   --small       as little work as shows that it runs; the figures say nothing
//   --one NAME    one value of one side (`--side`), as a number: what the bench starts for each
import { Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { Memory, Sim, SimNetwork } from "@effect-winsock/testing"
import { Effect, Fiber, Random, Schedule } from "effect"
import { TestClock } from "effect/testing"
import * as childProcess from "node:child_process"
import * as os from "node:os"
import { parseArgs, promisify } from "node:util"
import { type Compared, line, row } from "./statistics.ts"

interface Side {
  /** The value of this side, in the unit of the work: of so much work, after a little that does not count. */
  readonly measure: (count: number) => number | Promise<number>
  readonly count: number
}

/** What is compared with one peer, each ours under the name of its row. */
interface Work extends Omit<Compared, "name"> {
  readonly ours: Readonly<Record<string, Side>>
  readonly peer: Side
}

const traces = ["off", "hash", "full"] as const
type Trace = typeof traces[number]

const seconds = async (body: () => unknown): Promise<number> => {
  const before = performance.now()
  await body()
  return (performance.now() - before) / 1000
}

// --- many that sleep -------------------------------------------------------------------------------------------------

/** Each with a later deadline than the one before it, as time-outs are set one after another. */
const sleepers = (count: number) =>
  Effect.forEach(Array.from({ length: count }, (_, i) => i + 1), (millis) => Effect.forkChild(Effect.sleep(millis)))

const sleepSimulated = (trace: Trace) => async (count: number): Promise<number> => {
  const program = Effect.flatMap(sleepers(count), Fiber.joinAll)
  return count / await seconds(() => Sim.getOrThrow(Sim.run(program, { trace })))
}

const sleepTestClock = async (count: number): Promise<number> => {
  const program = Effect.gen(function*() {
    const fibers = yield* sleepers(count)
    yield* TestClock.adjust(count + 1)
    yield* Fiber.joinAll(fibers)
  }).pipe(Effect.provide(TestClock.layer()))
  return count / await seconds(() => Effect.runPromise(program))
}

// --- many small runs -------------------------------------------------------------------------------------------------

const small = Effect.gen(function*() {
  let attempts = 0
  yield* Effect.suspend(() => ++attempts < 4 ? Effect.fail("refused") : Effect.void).pipe(
    Effect.retry(Schedule.exponential("100 millis"))
  )
  yield* Effect.timeoutOption(Effect.never, "30 seconds")
  return attempts + (yield* Random.next)
})

const runsSimulated = (trace: Trace) => async (count: number): Promise<number> => {
  const run = (from: number, to: number) => () => {
    for (let seed = from; seed < to; seed++) Sim.getOrThrow(Sim.run(small, { seed, trace }))
  }
  run(count, count * 2)()
  return count / await seconds(run(0, count))
}

const runsTestClock = async (count: number): Promise<number> => {
  const one = Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(small)
    yield* TestClock.adjust("1 minute")
    return yield* Fiber.join(fiber)
  }).pipe(Effect.provide(TestClock.layer()))
  const run = async () => {
    for (let seed = 0; seed < count; seed++) await Effect.runPromise(one)
  }
  await run()
  return count / await seconds(run)
}

// --- a network -------------------------------------------------------------------------------------------------------

const stream = { family: "IPv4", type: "stream" } as const
const message = new Uint8Array(100)

/** Sends back what each caller sends, until it ends. */
const echo = Effect.gen(function*() {
  const listener = yield* Winsock.socket(stream)
  yield* Winsock.bind(listener, "0.0.0.0:7")
  yield* Winsock.listen(listener, 65_535)
  return yield* Effect.forever(
    Effect.gen(function*() {
      const { socket } = yield* Winsock.accept(listener)
      yield* Effect.forkScoped(
        Effect.gen(function*() {
          const buffer = new Uint8Array(4096)
          for (let got = 1; got > 0;) {
            got = yield* Winsock.recv(socket, buffer)
            if (got > 0) yield* Winsock.send(socket, buffer.subarray(0, got))
          }
          yield* Winsock.closesocket(socket)
        }).pipe(Effect.ignore)
      )
    })
  )
})

const ask = Effect.fnUntraced(function*(address: string, rounds: number) {
  const s = yield* Winsock.socket(stream)
  yield* Winsock.connect(s, address)
  const buffer = new Uint8Array(message.length)
  for (let round = 0; round < rounds; round++) {
    yield* Winsock.send(s, message)
    for (let got = 0; got < message.length;) got += yield* Winsock.recv(s, buffer)
  }
}, Effect.scoped)

/** So many clients ask so often that there are so many segments of data in all, both ways. */
const askers = (clients: number, segments: number, address: string) =>
  Effect.all(Array.from({ length: clients }, () => ask(address, Math.ceil(segments / clients / 2))), {
    concurrency: "unbounded",
    discard: true
  })

const segmentsSimulated = (clients: number) => (trace: Trace) => async (count: number): Promise<number> => {
  const program = Effect.gen(function*() {
    const net = yield* SimNetwork.make({ hosts: { client: {}, server: {} }, link: { latency: "1 millis" } })
    yield* net.run("server", echo)
    yield* Effect.provide(askers(clients, count, "10.0.0.2:7"), net.layer("client"))
  }).pipe(Effect.scoped)
  const run = () => void Sim.getOrThrow(Sim.run(program, { trace, maxSteps: Infinity }))
  run()
  return count / await seconds(run)
}

const segmentsLive = (clients: number) => async (count: number): Promise<number> => {
  const program = Effect.gen(function*() {
    yield* Effect.forkScoped(echo)
    yield* Effect.yieldNow
    yield* askers(clients, count, "127.0.0.1:7")
  }).pipe(Effect.scoped, Effect.provide(NodeWinsock.layer))
  await Effect.runPromise(program)
  return count / await seconds(() => Effect.runPromise(program))
}

/** Refused twice, then connected. */
const connectAndRetry = Effect.gen(function*() {
  const listener = yield* Winsock.socket(stream)
  yield* Winsock.bind(listener, "127.0.0.1:80")
  yield* Winsock.listen(listener)
  const s = yield* Winsock.socket(stream)
  yield* Winsock.connect(s, "127.0.0.1:80").pipe(
    Effect.retry({ while: ({ _tag }) => _tag === "WSAECONNREFUSED", schedule: Schedule.exponential("100 millis") })
  )
}).pipe(Effect.scoped)

const refusals = ["WSAECONNREFUSED", "WSAECONNREFUSED"] as const

const retriesSimulated = (trace: Trace) => async (count: number): Promise<number> => {
  const one = Effect.flatMap(SimNetwork.SimNetwork, (net) => {
    net.answer("127.0.0.1:80", refusals)
    return connectAndRetry
  }).pipe(Effect.provide(SimNetwork.layer()))
  const run = (from: number, to: number) => () => {
    for (let seed = from; seed < to; seed++) Sim.getOrThrow(Sim.run(one, { seed, trace }))
  }
  run(count, count * 2)()
  return count / await seconds(run(0, count))
}

const retriesTestClock = async (count: number): Promise<number> => {
  const one = Effect.gen(function*() {
    const { control, provider } = Memory.make()
    control.answer("127.0.0.1:80", refusals)
    const fiber = yield* Effect.forkChild(Effect.provide(connectAndRetry, Winsock.layer(provider)))
    yield* TestClock.adjust("1 second")
    yield* Fiber.join(fiber)
  }).pipe(Effect.provide(TestClock.layer()))
  const run = async () => {
    for (let seed = 0; seed < count; seed++) await Effect.runPromise(one)
  }
  await run()
  return count / await seconds(run)
}

// --- many that are pending -------------------------------------------------------------------------------------------

/** Nanoseconds for an event: one of so many that are pending happens, and another is set. */
const nanosPerEvent = (pending: number) => (events: number): number => {
  const program = Effect.flatMap(Sim.Sim, (sim) =>
    Effect.callback<number>((resume) => {
      const luck = sim.luck("when")
      let left = events * 2
      let before = 0
      const happen = (): void => {
        left--
        if (left === events) before = performance.now()
        if (left === 0) resume(Effect.succeed((performance.now() - before) * 1e6 / events))
        if (left > 0) sim.at(sim.now() + 1 + luck.below(1_000_000), happen)
      }
      for (let i = 0; i < pending; i++) sim.at(1 + luck.below(1_000_000), happen)
    }))
  return Sim.getOrThrow(Sim.run(program, { trace: "off", guard: "off", maxSteps: Infinity }))
}

// --- the rows --------------------------------------------------------------------------------------------------------

const byTrace = (name: string, count: number, measure: (trace: Trace) => Side["measure"]) =>
  Object.fromEntries(traces.map((trace) => [`${name} ${trace}`, { measure: measure(trace), count }]))

const works: ReadonlyArray<Work> = [
  {
    ours: byTrace("sim sleep", 100_000, sleepSimulated),
    peer: { measure: sleepTestClock, count: 100_000 },
    peerName: "TestClock",
    unit: "fiber/s",
    better: "more"
  },
  {
    ours: byTrace("sim runs", 20_000, runsSimulated),
    peer: { measure: runsTestClock, count: 2000 },
    peerName: "TestClock",
    unit: "run/s",
    better: "more"
  },
  {
    ours: {
      ...byTrace("sim segments 100", 200_000, segmentsSimulated(100)),
      ...byTrace("sim segments 10000", 200_000, segmentsSimulated(10_000))
    },
    peer: { measure: segmentsLive(100), count: 20_000 },
    peerName: "NodeWinsock, 100",
    unit: "segment/s",
    better: "more"
  },
  {
    ours: byTrace("sim retries", 20_000, retriesSimulated),
    peer: { measure: retriesTestClock, count: 1000 },
    peerName: "Memory, TestClock",
    unit: "run/s",
    better: "more"
  },
  {
    ours: { "sim heap": { measure: nanosPerEvent(1_000_000), count: 1_000_000 } },
    peer: { measure: nanosPerEvent(1000), count: 1_000_000 },
    peerName: "1000 pending",
    unit: "ns/event",
    better: "less"
  }
]

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    rounds: { type: "string", default: "5" },
    json: { type: "boolean", default: false },
    small: { type: "boolean", default: false },
    one: { type: "string" },
    side: { type: "string" }
  }
})

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

const isWanted = (name: string): boolean =>
  values.only === undefined || values.only.some((only) => name === only || name.startsWith(`${only} `))

/** The value of the row's own side or of its peer, from a process that does nothing else. */
const valueOf = async (name: string, side: "ours" | "peer"): Promise<number> => {
  const own = ["--one", name, "--side", side, ...values.small ? ["--small"] : []]
  const { stdout } = await promisify(childProcess.execFile)(process.execPath, [import.meta.filename, ...own])
  // TestClock may have written a warning before it
  return Number(stdout.trimEnd().split("\n").at(-1))
}

const measureOne = async (name: string): Promise<number> => {
  const work = works.find(({ ours }) => name in ours)!
  const { count, measure } = values.side === "peer" ? work.peer : work.ours[name]!
  say(String(await measure(values.small ? count / 100 : count)))
  return 0
}

/** The rows of those names, which have one peer. */
const measure = async (work: Work, names: ReadonlyArray<string>, rounds: number) => {
  const theirs: Array<number> = []
  const ours = new Map(names.map((name) => [name, [] as Array<number>]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, values] of ours) values.push(await valueOf(name, "ours"))
    theirs.push(await valueOf(names[0]!, "peer"))
  }
  return names.map((name) => row({ ...work, name }, ours.get(name)!, theirs))
}

const main = async (): Promise<number> => {
  if (values.one !== undefined) return measureOne(values.one)
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) {
    process.stderr.write("--rounds takes a whole number from 1 on\n")
    return 2
  }
  const names = works.flatMap(({ ours }) => Object.keys(ours))
  if (!names.some(isWanted)) {
    process.stderr.write(`--only is one of ${names.join(", ")}\n`)
    return 2
  }
  if (!values.json) {
    say(`${os.cpus().length} × ${os.cpus()[0]?.model.trim()}, ${os.type()} ${os.release()}, Node ${process.version}`)
    say(`${rounds} rounds; load before: ${os.loadavg()[0]!.toFixed(2)}\n`)
    say(line())
  }
  for (const work of works) {
    const wanted = Object.keys(work.ours).filter(isWanted)
    if (wanted.length === 0) continue
    for (const found of await measure(work, wanted, rounds)) say(values.json ? JSON.stringify(found) : line(found))
  }
  return 0
}

process.exit(await main())
