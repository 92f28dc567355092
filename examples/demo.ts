// One program, two layers: the common ways a connect ends, first on the sockets of this machine, then in memory.
//
//   npx -y pnpm@12 demo             both
//   npx -y pnpm@12 demo --live      Node's sockets only
//   npx -y pnpm@12 demo --memory    the in-memory provider only
//
// It starts its own peers, on loopback and on ports that the system chooses, and sends nothing beyond this machine.
// The exit code is 0 only if every line says what was expected.
import { SocketAddress, Winsock, type WsaError } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { Memory } from "@effect-winsock/testing"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Context, Data, Duration, Effect, Layer, Option, Result, type Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setImmediate } from "node:timers/promises"
import { Worker } from "node:worker_threads"

const encode = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const portOf = (address: SocketAddress.SocketAddress) => String(SocketAddress.portOf(address))

// --- what differs between the two worlds ---------------------------------------------------------------------------

/** Addresses with a fate, and a look at what is still open. The only thing the program asks for beside `Winsock`. */
class World extends Context.Service<World, {
  readonly name: string
  /** An address that never answers. */
  readonly silent: Effect.Effect<SocketAddress.Input, unknown, Winsock.Winsock | Scope.Scope>
  /** A Unix-domain path that is free. */
  readonly path: Effect.Effect<SocketAddress.Input, never, Scope.Scope>
  /** What was not given back; empty is good. */
  readonly leftovers: Effect.Effect<ReadonlyArray<string>>
}>()("demo/World") {}

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
      name: "Node's sockets",
      silent: silentListener,
      path: temporaryPath,
      leftovers: Effect.promise(async () => {
        // Node tells that a datagram socket is closed before its own list forgets it, a turn of the event loop later.
        for (let turn = 0; turn < 3; turn++) await setImmediate()
        const after = process.getActiveResourcesInfo()
        for (const resource of before) if (after.includes(resource)) after.splice(after.indexOf(resource), 1)
        return after.filter((resource) => ofSockets.test(resource))
      })
    })
  })
).pipe(Layer.provideMerge(NodeWinsock.layer))

const memory = Layer.effect(
  World,
  Effect.gen(function*() {
    const control = yield* Memory.Memory
    control.blackhole("127.0.0.1:9")
    return World.of({
      name: "in memory",
      silent: Effect.succeed("127.0.0.1:9"),
      path: Effect.succeed("unix:/peer.sock"),
      leftovers: Effect.sync(() =>
        Object.entries(control.counts()).filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`)
      )
    })
  })
).pipe(Layer.provideMerge(Memory.layer()))

// --- how a line is told --------------------------------------------------------------------------------------------

const line = (met: boolean, what: string, outcome: string, number: string, took: string, note: string) =>
  Console.log(
    `${met ? "ok " : "NOT"}  ${what.padEnd(26)} ${outcome.padEnd(16)} ${number.padStart(5)} ${
      took.padStart(9)
    }  ${note}`
  )

class Unexpected extends Data.TaggedError("Unexpected")<{ readonly what: string }> {
  override get message() {
    return this.what
  }
}

const noteOf = ({ detail, native, remote }: Partial<WsaError.WsaError>) =>
  [detail, remote && `by ${SocketAddress.format(remote)}`, native?.code && `below: ${native.code}`]
    .filter((part) => part !== undefined && part !== "").join(", ")

/** Times a step by Effect's clock, says how it ended, and answers whether that was what was expected. */
const step = <R>(
  what: string,
  expected: "done" | WsaError.Code,
  effect: Effect.Effect<string, unknown, R | Scope.Scope>
) =>
  Effect.gen(function*() {
    const [duration, result] = yield* Effect.timed(Effect.result(Effect.scoped(effect)))
    const took = `${Duration.toMillis(duration).toFixed(1)} ms`
    if (Result.isSuccess(result)) {
      yield* line(expected === "done", what, "done", "", took, result.success)
      return expected === "done"
    }
    const error = result.failure as Partial<WsaError.WsaError>
    yield* line(
      error._tag === expected,
      what,
      error._tag ?? "not a code",
      String(error.number ?? ""),
      took,
      error._tag === expected ? noteOf(error) : String(result.failure)
    )
    return error._tag === expected
  })

// --- the program ---------------------------------------------------------------------------------------------------

const tcp = Winsock.socket({ family: "IPv4", type: "stream" })
const udp = Effect.gen(function*() {
  const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
  yield* Winsock.bind(s, "127.0.0.1:0")
  return s
})

/** A listener at an address that answers every caller's words, turned round. */
const echo = Effect.fn(function*(s: Winsock.Socket, address: SocketAddress.Input) {
  yield* Winsock.bind(s, address)
  yield* Winsock.listen(s)
  yield* Effect.forkScoped(Effect.gen(function*() {
    const caller = yield* Winsock.accept(s)
    const words = decode(yield* Winsock.recv(caller.socket))
    yield* Winsock.send(caller.socket, encode(words.split(" ").reverse().join(" ")))
  }))
  return yield* Winsock.getsockname(s)
})

const exchange = Effect.fn(function*(s: Winsock.Socket, words: string) {
  yield* Winsock.send(s, encode(words))
  return `sent "${words}", got "${decode(yield* Winsock.recv(s))}"`
})

const connected = Effect.gen(function*() {
  const address = yield* echo(yield* tcp, "127.0.0.1:0")
  const s = yield* tcp
  yield* Winsock.WSAConnect(s, address)
  return yield* exchange(s, "peer hello")
})

const unixPath = Effect.gen(function*() {
  const address = yield* echo(yield* Winsock.socket({ family: "Unix", type: "stream" }), yield* (yield* World).path)
  const s = yield* Winsock.socket({ family: "Unix", type: "stream" })
  yield* Winsock.WSAConnect(s, address)
  return yield* exchange(s, "path by")
})

const refused = Effect.gen(function*() {
  // Bound, but not listening: the port is ours, and nobody else can answer on it.
  const nobody = yield* tcp
  yield* Winsock.bind(nobody, "127.0.0.1:0")
  yield* Winsock.WSAConnect(yield* tcp, yield* Winsock.getsockname(nobody))
  return "somebody was there"
})

const retried = Effect.gen(function*() {
  const listener = yield* tcp
  yield* Winsock.bind(listener, "127.0.0.1:0")
  const address = yield* Winsock.getsockname(listener)
  const s = yield* tcp
  yield* Winsock.bind(s, "127.0.0.1:0")
  const ports: Array<string> = []
  yield* Winsock.WSAConnect(s, address).pipe(
    Effect.ensuring(Effect.map(Effect.orDie(Winsock.getsockname(s)), (local) => ports.push(portOf(local)))),
    // the listener opens after the second refusal
    Effect.tapError(() => ports.length === 2 ? Winsock.listen(listener) : Effect.void),
    Effect.retry({ while: (error) => error._tag === "WSAECONNREFUSED", times: 4 })
  )
  if (ports.length !== 3 || new Set(ports).size !== 1) {
    return yield* new Unexpected({ what: `connected from ${ports.join()}` })
  }
  return `refused twice, then connected, always from port ${ports[0]}`
})

const unreachable = Effect.gen(function*() {
  // No stream leads to a multicast group. The system refuses by itself, and sends nothing.
  yield* Winsock.WSAConnect(yield* tcp, "224.0.0.1:9")
  return "a group answered"
})

const peerChanged = Effect.gen(function*() {
  const [me, first, second] = [yield* udp, yield* udp, yield* udp]
  const home = yield* Winsock.getsockname(me)
  const say = (from: Winsock.Socket, words: string) => Winsock.sendto(from, encode(words), home)
  yield* Winsock.WSAConnect(me, yield* Winsock.getsockname(first))
  yield* say(second, "a stranger's word")
  yield* say(first, "one")
  const heard = [decode(yield* Winsock.recv(me))]
  yield* say(first, "too late")
  // The same call again changes the peer; what waits from the old one is discarded.
  yield* Winsock.WSAConnect(me, yield* Winsock.getsockname(second))
  yield* say(second, "two")
  heard.push(decode(yield* Winsock.recv(me)))
  if (heard.join() !== "one,two") return yield* new Unexpected({ what: `heard ${heard.join()}` })
  return `heard "one" of the first, "two" of the second, nothing else`
})

const program = Effect.gen(function*() {
  const world = yield* World
  yield* Console.log(`\n${world.name}`)
  // The way to the silent address is long: it is not part of what is timed.
  const steps = yield* Effect.scoped(Effect.gen(function*() {
    const silent = yield* world.silent
    return [
      yield* step("connect, exchange bytes", "done", connected),
      yield* step("connect by a Unix path", "done", unixPath),
      yield* step("nobody listens", "WSAECONNREFUSED", refused),
      yield* step("refused, retried by code", "done", retried),
      yield* step(
        "nobody answers",
        "WSAETIMEDOUT",
        Effect.flatMap(tcp, (s) => Winsock.WSAConnectByList(s, [silent], { timeout: "200 millis" })).pipe(
          Effect.as("somebody answered")
        )
      ),
      yield* step("no way leads there", "WSAENETUNREACH", unreachable),
      yield* step("datagrams, peer changed", "done", peerChanged)
    ]
  }))
  return { met: steps.every((met) => met), leftovers: world.leftovers }
})

/** Runs the program on a world, and looks for what is left once that has ended too: its end waits for every socket. */
const run = (world: typeof live | typeof memory) =>
  Effect.gen(function*() {
    const { leftovers, met } = yield* Effect.provide(program, world)
    const left = yield* leftovers
    yield* line(left.length === 0, "everything closed", "done", "", "", left.join(", ") || "nothing is left open")
    return met && left.length === 0
  })

const main = Effect.gen(function*() {
  const only = process.argv.at(2)
  const liveMet = only === "--memory" || (yield* run(live))
  const memoryMet = only === "--live" || (yield* run(memory))
  if (!liveMet || !memoryMet) yield* Effect.sync(() => process.exitCode = 1)
})

NodeRuntime.runMain(main)
