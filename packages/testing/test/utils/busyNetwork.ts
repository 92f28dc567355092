// A network in which everything happens at once: 50 fibers on five hosts, streams and datagrams over links that jitter,
// lose, double and reorder, keys by reference, and faults. Run as a program of its own it prints the hashes of a range of
// seeds.
import { Winsock, type WsaError } from "@effect-winsock/core"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { Clock, Effect, HashMap, Random, Ref, Schedule } from "effect"
import { pathToFileURL } from "node:url"

const servers = ["one", "two", "three", "four"] as const
const stream = { family: "IPv4", type: "stream" } as const
const datagram = { family: "IPv4", type: "datagram" } as const

const some = <A>(values: ReadonlyArray<A>) => Effect.map(Random.nextIntBetween(0, values.length - 1), (n) => values[n]!)

/** Sends back what it gets, in pieces of any size, until the caller ends or goes. */
const serve = Effect.gen(function*() {
  const listener = yield* Winsock.socket(stream)
  yield* Winsock.bind(listener, "0.0.0.0:7")
  yield* Winsock.listen(listener, 4)
  return yield* Effect.forever(
    Effect.gen(function*() {
      const { socket } = yield* Winsock.accept(listener)
      yield* Effect.forkScoped(
        Effect.gen(function*() {
          while (true) {
            const got = yield* Winsock.recv(socket, yield* Random.nextIntBetween(1, 5000))
            if (got.length === 0) break
            yield* Winsock.send(socket, got)
          }
        }).pipe(Effect.ignore, Effect.andThen(Effect.ignore(Winsock.closesocket(socket))))
      )
    }).pipe(Effect.ignore)
  )
})

const answerDatagrams = Effect.gen(function*() {
  const s = yield* Winsock.socket(datagram)
  yield* Winsock.bind(s, "0.0.0.0:9")
  return yield* Effect.forever(
    Effect.ignore(
      Effect.flatMap(Winsock.recvfrom(s), ({ bytes, from }) => Winsock.sendto(s, bytes, from))
    )
  )
})

/** How often what came of it, by keys that effect hashes by reference. */
type Seen = Ref.Ref<HashMap.HashMap<{ readonly what: string }, number>>

const outcomes: Record<string, { readonly what: string }> = {}
const keyOf = (what: string) => outcomes[what] ??= { what }

const note = (seen: Seen, what: string) =>
  Ref.update(seen, (map) => {
    const key = keyOf(what)
    const before = HashMap.get(map, key)
    return HashMap.set(map, key, (before._tag === "Some" ? before.value : 0) + 1)
  })

const exchange = (net: SimNetwork.Network) =>
  Effect.gen(function*() {
    const s = yield* Winsock.socket(stream)
    yield* Winsock.connect(s, net.address(yield* some(servers), 7))
    const size = yield* Random.nextIntBetween(1, 40_000)
    yield* Effect.forkScoped(Effect.ignore(Winsock.send(s, new Uint8Array(size).fill(size & 255))))
    let left = size
    while (left > 0) {
      const got = yield* Winsock.recv(s)
      if (got.length === 0) return "ended early"
      left -= got.length
    }
    return "echoed"
  }).pipe(Effect.scoped)

const ping = (net: SimNetwork.Network) =>
  Effect.gen(function*() {
    const s = yield* Winsock.socket(datagram)
    yield* Winsock.connect(s, net.address(yield* some(servers), 9))
    yield* Winsock.send(s, new Uint8Array(yield* Random.nextIntBetween(1, 1400)))
    const got = yield* Winsock.recv(s)
    return `pong of ${got.length >> 8}`
  }).pipe(Effect.scoped)

const client = (net: SimNetwork.Network, seen: Seen) =>
  Effect.gen(function*() {
    for (let round = 0; round < 4; round++) {
      yield* Effect.sleep(yield* Random.nextIntBetween(0, 3000))
      const asked = (yield* Random.nextBoolean) ? exchange(net) : ping(net)
      const came = yield* asked.pipe(
        Effect.retry({ while: (error) => error._tag === "WSAECONNREFUSED", schedule: Schedule.recurs(2) }),
        Effect.timeoutOrElse({ duration: "20 seconds", orElse: () => Effect.succeed("gave up") }),
        Effect.catch((error: WsaError.WsaError) => Effect.succeed(error._tag))
      )
      yield* note(seen, came)
    }
  })

const oneFault = (net: SimNetwork.Network) =>
  Effect.gen(function*() {
    const host = yield* some(servers)
    const length = yield* Random.nextIntBetween(1, 4000)
    switch (yield* Random.nextIntBetween(0, 4)) {
      case 0:
        return yield* Effect.acquireUseRelease(
          Effect.sync(() => net.cut("client", host)),
          () => Effect.sleep(length),
          () => Effect.sync(() => net.heal("client", host))
        )
      case 1:
        net.crash(host)
        yield* Effect.sleep(length)
        return net.restart(host)
      case 2:
        net.stop(host)
        yield* Effect.sleep(length)
        return net.restart(host)
      case 3:
        return void net.reset({ host })
      default:
        net.answer(net.address(host, 7), ["WSAETIMEDOUT", "WSAEHOSTUNREACH"])
    }
  })

export const program = Effect.gen(function*() {
  const hosts: Record<string, SimNetwork.HostOptions> = { client: {}, one: {}, two: {}, three: {}, four: {} }
  const net = yield* SimNetwork.make({
    hosts,
    link: { latency: "5 millis", jitter: "20 millis", loss: 0.05, duplicate: 0.1, reorder: 0.2, bandwidth: 2_000_000 }
  })
  const seen: Seen = yield* Ref.make(HashMap.empty<{ readonly what: string }, number>())
  for (const host of servers) {
    yield* net.run(host, serve)
    yield* net.run(host, answerDatagrams)
  }
  yield* Effect.forkScoped(
    Effect.forever(Effect.andThen(Effect.sleep("700 millis"), oneFault(net)))
  )
  yield* Effect.all(Array.from({ length: 41 }, () => client(net, seen)), { concurrency: "unbounded", discard: true })
    .pipe(Effect.provide(net.layer("client")))
  const found = Array.from(yield* Ref.get(seen), ([{ what }, times]) => `${what} ${times}`)
  const sim = yield* Sim.Sim
  sim.note({ kind: "seen", all: found.join(";"), until: yield* Clock.currentTimeMillis })
  return found
}).pipe(Effect.scoped)

/** The hash of the run with that seed, and what it saw. */
export const hashOf = (seed: number): string => {
  const report = Sim.run(program, { seed })
  if (report.exit._tag === "Failure") throw new Error(Sim.format(report), { cause: report.exit.cause })
  return `${report.hash} ${report.steps} ${report.draws} ${report.exit.value.length}`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [from, to] = process.argv.slice(2).map(Number)
  for (let seed = from!; seed < to!; seed++) process.stdout.write(`${hashOf(seed)}\n`)
}
