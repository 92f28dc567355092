// What the demo runs, whatever the world: the common ways a connect ends, the pipelines of the cookbook, and a server that is
// away for a while.
import { Connector, RetryPolicy, SocketAddress, Winsock, type WsaError } from "@effect-winsock/core"
import { Console, Context, Data, Duration, Effect, type Layer, Result, Schedule, type Scope } from "effect"
import * as Pool from "./cookbook/pool.ts"
import * as Proxy from "./cookbook/proxy.ts"
import * as Race from "./cookbook/race.ts"
import * as Retry from "./cookbook/retry.ts"
import * as Rpc from "./cookbook/rpc.ts"
import { hello } from "./hello.ts"

const encode = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const portOf = (address: SocketAddress.SocketAddress) => String(SocketAddress.portOf(address))

// --- what differs between two worlds -------------------------------------------------------------------------------

/** Addresses with a fate, and a look at what is still open. The only thing the program asks for beside `Winsock`. */
export class World extends Context.Service<World, {
  readonly name: string
  /** How long the server of the last step is away. */
  readonly outage: Duration.Input
  /** An address that never answers. */
  readonly silent: Effect.Effect<SocketAddress.Input, unknown, Winsock.Winsock | Scope.Scope>
  /** A Unix-domain path that is free. */
  readonly path: Effect.Effect<SocketAddress.Input, never, Scope.Scope>
  /** The same network, and its sockets exchange data while they connect. */
  readonly exchanging: Layer.Layer<Winsock.Winsock, unknown>
  /** What was not given back; empty is good. */
  readonly leftovers: Effect.Effect<ReadonlyArray<string>>
}>()("demo/World") {}

// --- how a line is told --------------------------------------------------------------------------------------------

export const line = (met: boolean, what: string, outcome: string, number: string, took: string, note: string) =>
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
    const millis = Duration.toMillis(duration)
    const took = millis < 10_000 ? `${millis.toFixed(1)} ms` : `${(millis / 1000).toFixed(1)} s`
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

const greeted = (tenant: string) =>
  Effect.gen(function*() {
    const { exchanging } = yield* World
    return yield* Effect.provide(Effect.scoped(hello(tenant)), exchanging)
  })

const headline = (waterfall: string) => waterfall.trim().split("\n")[0]!

const away = Effect.gen(function*() {
  const { outage } = yield* World
  const listener = yield* tcp
  yield* Winsock.bind(listener, "127.0.0.1:0")
  const address = yield* Winsock.getsockname(listener)
  yield* Effect.forkScoped(Effect.delay(Winsock.listen(listener), outage))
  let refusals = 0
  const connector = Connector.winsock.pipe(
    Connector.retry(RetryPolicy.byCode({
      // waits twice as long each time, and never longer than a minute
      WSAECONNREFUSED: Schedule.min([Schedule.exponential("10 millis"), Schedule.spaced("1 minute")])
    })),
    Connector.tapEvents((event) =>
      Effect.sync(() => {
        if (event._tag === "RetryScheduled") refusals++
      })
    )
  )
  yield* connector.connect(address)
  return `refused ${refusals} times in ${Duration.format(Duration.fromInputUnsafe(outage))}, then connected`
})

/** The program. Says whether every step ended as it should, and how to look for what is left over. */
export const program = Effect.gen(function*() {
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
        Connector.winsock.pipe(
          Connector.attemptTimeout("200 millis"),
          Connector.connect(silent),
          Effect.as("somebody answered")
        )
      ),
      yield* step("no way leads there", "WSAENETUNREACH", unreachable),
      yield* step("datagrams, peer changed", "done", peerChanged),
      yield* step("data and QOS go along", "done", greeted("acme")),
      yield* step("the server wants others", "WSAECONNREFUSED", greeted("evil")),
      yield* step("by name, retried by code", "done", Retry.program),
      yield* step("a race of addresses", "done", Effect.map(Race.program, headline)),
      yield* step("TLS through a proxy", "done", Proxy.program),
      yield* step("a pool", "done", Pool.program),
      yield* step("effect's RPC", "done", Rpc.program),
      yield* step("a server that is away", "done", away)
    ]
  }))
  return { met: steps.every((met) => met), leftovers: world.leftovers }
})
