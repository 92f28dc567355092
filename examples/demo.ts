// One program, two worlds: first on the sockets of this machine, then the very same on a simulated network, in virtual
// time. What it does is in program.ts; here is what differs.
//
//   npx -y pnpm@12 demo                both
//   npx -y pnpm@12 demo --live         Node's sockets only
//   npx -y pnpm@12 demo --simulated    the simulated network only
//
// It starts its own peers, on loopback and on ports that the system chooses, and sends nothing beyond this machine.
// The exit code is 0 only if every line says what was expected.
import { ConnectData, Winsock } from "@effect-winsock/core"
import { NodeConnector, NodeWinsock } from "@effect-winsock/node"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Duration, Effect, Exit, Layer, Option } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setImmediate } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import { certificates, simulatedCertificates } from "./cookbook/worlds.ts"
import { line, program, World } from "./program.ts"

const exchanging = Layer.provide(ConnectData.layerExchange())

// --- live ----------------------------------------------------------------------------------------------------------

// The system accepts for a listener as long as there is room in its backlog, and ignores callers beyond it. So a
// listener that never looks after them is a black hole, once it is full: here one in a thread that sleeps for ever.
const sleepingListener = `
  const { parentPort } = require("node:worker_threads")
  const server = require("node:net").createServer().listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })`

const silentListener = Effect.gen(function*() {
  const worker = yield* Effect.acquireRelease(
    Effect.sync(() => new Worker(sleepingListener, { eval: true })),
    (worker) => Effect.promise(() => worker.terminate())
  )
  const port = yield* Effect.callback<number, unknown>((resume) => {
    worker.once("message", (port: number) => resume(Effect.succeed(port)))
    worker.once("error", (error) => resume(Effect.fail(error)))
  })
  const address = `127.0.0.1:${port}`
  // Callers come until one is left standing outside.
  let outside = false
  while (!outside) {
    const caller = yield* Winsock.socket({ family: "IPv4", type: "stream" })
    outside = Option.isNone(yield* Winsock.connect(caller, address).pipe(Effect.timeoutOption("100 millis")))
  }
  return address
})

const temporaryPath = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(path.join(tmpdir(), "winsock-demo-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true }))
).pipe(Effect.map((dir) => `unix:${path.join(dir, "peer.sock")}`))

const ofSockets = /TCP|UDP|Pipe|Connect|Worker|MessagePort/

const live = Layer.effect(
  World,
  Effect.sync(() => {
    // Standard output is made when it is first asked for, and may be a pipe: what was there before does not count.
    void process.stdout
    const before = process.getActiveResourcesInfo()
    return World.of({
      name: "live, on Node's sockets",
      outage: "500 millis",
      silent: silentListener,
      path: temporaryPath,
      exchanging: exchanging(Layer.fresh(NodeWinsock.layer)),
      leftovers: Effect.promise(async () => {
        // Node tells that a datagram socket is closed before its own list forgets it, a turn of the event loop later.
        for (let turn = 0; turn < 3; turn++) await setImmediate()
        const after = process.getActiveResourcesInfo()
        for (const resource of before) if (after.includes(resource)) after.splice(after.indexOf(resource), 1)
        return after.filter((resource) => ofSockets.test(resource))
      })
    })
  })
).pipe(Layer.provideMerge(Layer.merge(NodeConnector.layer, certificates)))

/** Runs the program, and looks for what is left once that has ended too: its end waits for every socket. */
const runLive = Effect.gen(function*() {
  const { leftovers, met } = yield* Effect.provide(program, live)
  const left = yield* leftovers
  yield* line(left.length === 0, "everything closed", "done", "", "", left.join(", ") || "nothing is left open")
  return met && left.length === 0
})

// --- simulated -----------------------------------------------------------------------------------------------------

const simulated = Layer.effect(
  World,
  Effect.map(SimNetwork.SimNetwork, (net) => {
    net.blackhole("127.0.0.1:9")
    return World.of({
      name: "simulated, in virtual time",
      outage: "1 hour",
      silent: Effect.succeed("127.0.0.1:9"),
      path: Effect.succeed("unix:/peer.sock"),
      exchanging: exchanging(Layer.fresh(net.layer("host"))),
      // the run looks by itself
      leftovers: Effect.succeed([])
    })
  })
).pipe(Layer.provideMerge(Layer.merge(
  SimNetwork.layerConnector({ loopback: { latency: "50 micros", reservable: 1_000_000 } }),
  simulatedCertificates
)))

const silently = Effect.provideService(Console.Console, { ...console, log: () => {} })

const simulate = (told: typeof program) => Sim.run(Effect.provide(told, simulated))

/**
 * Runs the program in virtual time, and once more to see whether all of it is the same. A run waits for nothing on this
 * machine, so it is a plain call.
 */
const runSimulated = Effect.gen(function*() {
  const [took, report] = yield* Effect.timed(Effect.sync(() => simulate(program)))
  const again = yield* Effect.sync(() => simulate(silently(program)))
  const closed = report.leftovers.length === 0
  const same = report.hash === again.hash
  yield* line(closed, "everything closed", "done", "", "", report.leftovers.join(", ") || "nothing is left open")
  const hashes = same ? report.hash : `${report.hash}, then ${again.hash}`
  yield* line(same, "once more, the same", "done", "", "", `hash of all events: ${hashes}`)
  if (Exit.isFailure(report.exit)) yield* Console.log(Sim.format(report))
  const elapsed = Duration.format(Duration.seconds(Math.floor(Duration.toSeconds(report.elapsed))))
  yield* Console.log(`\n${elapsed} of virtual time took ${Duration.toMillis(took).toFixed(0)} ms`)
  return Exit.isSuccess(report.exit) && report.exit.value.met && closed && same
})

const main = Effect.gen(function*() {
  const only = process.argv.at(2)
  const liveMet = only === "--simulated" || (yield* runLive)
  const simulatedMet = only === "--live" || (yield* runSimulated)
  if (!liveMet || !simulatedMet) yield* Effect.sync(() => process.exitCode = 1)
})

NodeRuntime.runMain(main)
