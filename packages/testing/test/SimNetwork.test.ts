import { SocketAddress, SocketOption, Winsock } from "@effect-winsock/core"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Deferred, Duration, Effect, Exit, Fiber, Scope } from "effect"
import { echo } from "./utils/echo.ts"

const stream = { family: "IPv4", type: "stream" } as const
const bytes = (text: string) => new TextEncoder().encode(text)
const text = (from: Uint8Array) => new TextDecoder().decode(from)

const two = { hosts: { client: {}, server: { names: ["db.example"] } }, link: { latency: "10 millis" } } as const

/** What a run of a program came to, and how long it took. */
const outcome = <A, E>(program: Effect.Effect<A, E, Sim.Sim>, options?: Sim.Options) => {
  const report = Sim.run(program, options)
  if (Exit.isFailure(report.exit)) throw new Error(`${Sim.format(report)}\n${Cause.pretty(report.exit.cause)}`)
  return { value: report.exit.value, millis: Duration.toMillis(report.elapsed), report }
}

const ask = (net: SimNetwork.Network, what: string) =>
  Effect.gen(function*() {
    const s = yield* Winsock.socket(stream)
    yield* Winsock.connect(s, net.address("server", 7))
    yield* Winsock.send(s, bytes(what))
    return text(yield* Winsock.recv(s))
  }).pipe(Effect.scoped)

/** A listener, and a client that waits to be accepted. */
const called = (options: Winsock.SocketOptions, address: SocketAddress.Input) =>
  Effect.gen(function*() {
    const listener = yield* Winsock.socket(options)
    yield* Winsock.bind(listener, address)
    yield* Winsock.listen(listener)
    const client = yield* Winsock.socket(options)
    yield* Winsock.connect(client, address)
    return { listener, client }
  })

describe("a network of another run", () => {
  /** What comes of opening a socket and of running a program, in a network that may be of another run. */
  const uses = (net: SimNetwork.Network) =>
    Effect.forEach(
      [
        Effect.flip(ask(net, "hello")).pipe(Effect.timeout("1 minute"), Effect.provide(net.layer("client"))),
        Effect.scoped(net.run("server", echo))
      ],
      (use) => Effect.exit(use)
    )

  const defectsOf = (exits: ReadonlyArray<Exit.Exit<unknown, unknown>>) =>
    exits.map((exit) => Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "nothing wrong")

  const advice = "make one in each run, with SimNetwork.make or SimNetwork.layer"

  it("is refused when that run has ended, within another and outside of any", async () => {
    const { value: net } = outcome(SimNetwork.make(two))
    const expected = Array(2).fill(`Error: this network belongs to a run that has ended: ${advice}`)
    assert.deepStrictEqual(defectsOf(outcome(uses(net)).value), expected)
    assert.deepStrictEqual(defectsOf(await Effect.runPromise(uses(net))), expected)
  })

  it("is refused while that run goes on too, and serves its own", async () => {
    const made = Deferred.makeUnsafe<SimNetwork.Network>()
    const tried = Deferred.makeUnsafe<void>()
    const own = Sim.runAsync(Effect.gen(function*() {
      const net = yield* SimNetwork.make(two)
      yield* Deferred.succeed(made, net)
      yield* Sim.externally(Deferred.await(tried))
      yield* net.run("server", echo)
      return yield* ask(net, "hello").pipe(Effect.provide(net.layer("client")))
    }))
    const other = await Sim.runAsync(Sim.externally(Deferred.await(made)).pipe(Effect.flatMap(uses)))
    Deferred.doneUnsafe(tried, Effect.void)
    const exits = Exit.isSuccess(other.exit) ? other.exit.value : assert.fail(Sim.format(other))
    assert.deepStrictEqual(defectsOf(exits), Array(2).fill(`Error: this network belongs to another run: ${advice}`))
    assert.deepStrictEqual((await own).exit, Exit.succeed("hello"))
  })

  it("lets what its own run interrupts come to its end, and what another closes", () => {
    let ended = false
    let leaked: Effect.Effect<void, unknown> = Effect.void
    const report = Sim.run(
      Effect.gen(function*() {
        const net = yield* SimNetwork.make(two)
        const scope = yield* Scope.make()
        yield* Effect.gen(function*() {
          yield* Effect.addFinalizer(() =>
            ask(net, "bye").pipe(Effect.ignore, Effect.andThen(Effect.sync(() => ended = true)))
          )
          const s = yield* Winsock.socket(stream)
          const kept = yield* Winsock.socket(stream).pipe(Scope.provide(scope))
          leaked = Winsock.closesocket(kept).pipe(Effect.ignore)
          yield* Winsock.bind(s, "0.0.0.0:80")
          yield* Winsock.listen(s)
          return yield* Winsock.accept(s)
        }).pipe(Effect.scoped, Effect.provide(net.layer("client")))
      })
    )
    assert.strictEqual(report.ended, "deadlock")
    assert.isTrue(ended)
    assert.isFalse(report.leftovers.some((line) => line.startsWith("did not end")))
    outcome(leaked)
  })
})

describe("SimNetwork", () => {
  it("runs the same program on several hosts", () => {
    const { value } = outcome(
      Effect.gen(function*() {
        const net = yield* SimNetwork.make(two)
        yield* net.run("server", echo)
        return yield* Effect.all([ask(net, "one"), ask(net, "two")], { concurrency: 2 }).pipe(
          Effect.provide(net.layer("client"))
        )
      }).pipe(Effect.scoped)
    )
    assert.deepStrictEqual(value, ["one", "two"])
  })

  it("E18: an attempt that nobody answers takes as long as the table of the profile says", () => {
    const { value } = outcome(
      Effect.gen(function*() {
        const net = yield* SimNetwork.make({ ...two, profile: SimNetwork.linuxClassic })
        net.cut("client", "server")
        const begin = yield* Clock.currentTimeMillis
        const error = yield* Effect.flip(Effect.provide(ask(net, "x"), net.layer("client")))
        return [error._tag, (yield* Clock.currentTimeMillis) - begin]
      })
    )
    assert.deepStrictEqual(value, ["WSAETIMEDOUT", 127_000])
  })

  it("a host that loses its power runs its program again once it is restarted", () => {
    const { value } = outcome(
      Effect.gen(function*() {
        const net = yield* SimNetwork.make(two)
        yield* net.run("server", echo)
        return yield* Effect.gen(function*() {
          const s = yield* Winsock.socket(stream)
          yield* Winsock.connect(s, net.address("server", 7))
          net.crash("server")
          yield* Effect.sleep("1 minute")
          net.restart("server")
          yield* Winsock.send(s, bytes("anybody there?"))
          const broken = yield* Effect.flip(Winsock.recv(s))
          return [broken._tag, yield* ask(net, "again")]
        }).pipe(Effect.scoped, Effect.provide(net.layer("client")))
      }).pipe(Effect.scoped)
    )
    assert.deepStrictEqual(value, ["WSAECONNRESET", "again"])
  })

  it("a host that is stopped ends its connections in order, and refuses", () => {
    const { value } = outcome(
      Effect.gen(function*() {
        const net = yield* SimNetwork.make(two)
        yield* net.run("server", echo)
        return yield* Effect.gen(function*() {
          const s = yield* Winsock.socket(stream)
          yield* Winsock.connect(s, net.address("server", 7))
          yield* Effect.sleep("1 second")
          net.stop("server")
          const end = yield* Winsock.recv(s)
          const refused = yield* Effect.flip(ask(net, "x"))
          net.restart("server")
          return [end.length, refused._tag, yield* ask(net, "back")]
        }).pipe(Effect.scoped, Effect.provide(net.layer("client")))
      }).pipe(Effect.scoped)
    )
    assert.deepStrictEqual(value, [0, "WSAECONNREFUSED", "back"])
  })

  it("E02: a host whose network is down says so, and is heard of again when it is up", () => {
    const { value } = outcome(
      Effect.gen(function*() {
        const net = yield* SimNetwork.make(two)
        yield* net.run("server", echo)
        return yield* Effect.gen(function*() {
          net.setNetwork("client", "down")
          const down = yield* Effect.flip(Winsock.socket(stream))
          net.setNetwork("client", "up")
          return [down._tag, yield* ask(net, "up")]
        }).pipe(Effect.provide(net.layer("client")))
      }).pipe(Effect.scoped)
    )
    assert.deepStrictEqual(value, ["WSAENETDOWN", "up"])
  })

  it("finds hosts by their names, unless asking fails", () => {
    const { value } = outcome(
      Effect.gen(function*() {
        const net = yield* SimNetwork.make(two)
        const found = net.lookup("db.example")
        const again = net.lookup("server")
        net.failName("db.example", "WSATRY_AGAIN")
        const failing = net.lookup("db.example")
        net.setName("Cache.example", ["10.0.0.9"])
        const cases = [net.lookup("cache.Example").length, net.lookup("SERVER").length]
        const count = found === "WSATRY_AGAIN" ? 0 : found.length
        return [count, again.length, failing, net.lookup("nobody.example").length, ...cases]
      })
    )
    assert.deepStrictEqual(value, [2, 2, "WSATRY_AGAIN", 0, 1, 2])
  })

  it("tells at the end of a run which sockets are still open, and what a program failed with", () => {
    const report = Sim.run(Effect.gen(function*() {
      const net = yield* SimNetwork.make(two)
      const sink = { closed: () => {} } as never
      net.provider("client").open({ family: "IPv4", type: "stream", direction: "both" }, sink)
      yield* Effect.scoped(Effect.andThen(net.run("server", Effect.fail("no")), Effect.sleep("1 second")))
    }))
    assert.isTrue(report.leftovers.some((line) => line.includes("socket 1 of client")), report.leftovers.join("\n"))
    assert.isTrue(report.leftovers.some((line) => line.includes("server")), report.leftovers.join("\n"))
  })

  it("E03: an address can be shared until somebody listens there, as on Linux", () => {
    const { value } = outcome(
      Effect.gen(function*() {
        const shared = Effect.tap(
          Winsock.socket(stream),
          (s) => Winsock.setsockopt(s, SocketOption.SO_REUSEADDR, true)
        )
        const [first, second, third] = yield* Effect.all([shared, shared, shared])
        yield* Winsock.bind(first, "127.0.0.1:7")
        yield* Winsock.bind(second, "127.0.0.1:7")
        yield* Winsock.listen(first)
        return (yield* Effect.flip(Winsock.bind(third, "127.0.0.1:7")))._tag
      }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
    )
    assert.strictEqual(value, "WSAEADDRINUSE")
  })

  it("tells of a program that failed, and of open sockets, when a deadlock comes of it", () => {
    const report = Sim.run(Effect.gen(function*() {
      const net = yield* SimNetwork.make(two)
      yield* net.run("server", Effect.fail("no configuration"))
      const waiting = Effect.gen(function*() {
        const listener = yield* Winsock.socket(stream)
        yield* Winsock.bind(listener, "0.0.0.0:7")
        yield* Winsock.listen(listener)
        return yield* Winsock.accept(listener)
      })
      return yield* Effect.provide(waiting, net.layer("client"))
    }))
    assert.strictEqual(report.ended, "deadlock")
    assert.isTrue(report.leftovers.some((line) => line.includes("no configuration")), Sim.format(report))
    assert.isTrue(report.leftovers.some((line) => line.includes("listens on 0.0.0.0:7")), Sim.format(report))
  })

  it("A08: what has arrived before the first receive is received in one piece", () => {
    const { value } = outcome(
      Effect.gen(function*() {
        const { client, listener } = yield* called(stream, "127.0.0.1:7")
        for (const part of ["one ", "two ", "three"]) yield* Winsock.send(client, bytes(part))
        yield* Effect.sleep("1 second")
        const { socket } = yield* Winsock.accept(listener)
        return text(yield* Winsock.recv(socket))
      }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
    )
    assert.strictEqual(value, "one two three")
  })

  it("A08, R21: a Unix-domain stream knows at once that its peer has closed, and still gives what had come", () => {
    const { value } = outcome(
      Effect.gen(function*() {
        const { client, listener } = yield* called({ family: "Unix", type: "stream" }, "unix:/run/peer")
        const { socket } = yield* Winsock.accept(listener)
        yield* Winsock.send(socket, bytes("last words"))
        yield* Winsock.closesocket(socket)
        yield* Effect.sleep("1 second")
        const first = yield* Effect.flip(Winsock.send(client, bytes("x")))
        const words = text(yield* Winsock.recv(client))
        const then = yield* Effect.flip(Winsock.recv(client))
        return [first._tag, words, then._tag]
      }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
    )
    assert.deepStrictEqual(value, ["WSAECONNABORTED", "last words", "WSAECONNABORTED"])
  })

  it("options that contradict each other, and hosts that are not there, are defects", () => {
    const wrong = (options: SimNetwork.Options, use: (net: SimNetwork.Network) => unknown = () => {}) => {
      const { exit } = Sim.run(Effect.map(SimNetwork.make(options), use))
      return Exit.isFailure(exit) ? Cause.pretty(exit.cause).split("\n")[0] : "nothing wrong"
    }
    assert.include(wrong({ link: { loss: 1.5 } }), "loss is from 0 to 1, not 1.5")
    assert.include(wrong({ link: { latency: "Infinity" } }), "a latency takes a time that ends")
    assert.include(wrong({ link: { bandwidth: 0 } }), "a bandwidth of 0 lets nothing through")
    assert.include(wrong({ link: { mtu: 20 } }), "an mtu is at least 68, not 20")
    assert.include(wrong({ links: [{ from: "host", to: "moon" }] }), "there is no host moon; there are host")
    assert.include(wrong({ link: { latency: "-1 millis" } }), "a latency takes a time that ends")
    assert.include(wrong({ link: { queue: NaN } }), "a queue of NaN bytes is none")
    assert.include(wrong({ hosts: {} }), "a network has a host at least: hosts is empty")
    const addressed = (address: string) => wrong({ hosts: { a: { addresses: [address] } } })
    assert.include(addressed("10.0.0.1:80"), "10.0.0.1:80 of host a is no address: write one without a port")
    for (const address of ["127.0.0.1", "::1", "0.0.0.0", "255.255.255.255"]) {
      assert.include(addressed(address), `${address} of host a is no address of one host alone`)
    }
    for (const ephemeralPorts of [[9, 1], [0, 9], [1, 70_000], [1, NaN]] as const) {
      assert.include(wrong({ hosts: { a: { ephemeralPorts } } }), "the ephemeral ports of host a are ")
    }
    const same = { addresses: ["10.0.0.1"] }
    assert.include(wrong({ hosts: { a: same, b: same } }), "10.0.0.1 is the address of a and of b")
    assert.include(wrong(two, (net) => net.crash("moon")), "there is no host moon; there are client, server")
    assert.include(wrong({ hosts: { a: same } }, (net) => net.address("a", 80, "IPv6")), "a has no IPv6 address")
  })

  it("gives each host without addresses its own, whatever the others have", () => {
    const { value } = outcome(
      Effect.gen(function*() {
        const hosts = Object.fromEntries(Array.from({ length: 600 }, (_, index) => [`h${index}`, {}]))
        const net = yield* SimNetwork.make({ hosts: { taken: { addresses: ["10.0.0.2"] }, ...hosts } })
        return new Set(Object.keys(hosts).map((name) => SocketAddress.format(net.address(name, 80))))
      })
    )
    assert.strictEqual(value.size, 600)
    assert.isFalse(value.has("10.0.0.2:80") || value.has("10.0.0.255:80") || value.has("10.0.1.0:80"))
  })

  it("the same seed gives the same run, to the last event", () => {
    const program = Effect.gen(function*() {
      const net = yield* SimNetwork.make({
        ...two,
        link: { latency: "10 millis", jitter: "5 millis", loss: 0.05, bandwidth: 10_000_000 }
      })
      yield* net.run("server", echo)
      const all = Array.from({ length: 20 }, (_, index) => ask(net, `caller ${index}`))
      return yield* Effect.provide(Effect.all(all, { concurrency: "unbounded" }), net.layer("client"))
    }).pipe(Effect.scoped)
    const [one, two_, other] = [1, 1, 2].map((seed) => outcome(program, { seed }))
    assert.strictEqual(one!.report.hash, two_!.report.hash)
    assert.deepStrictEqual(one!.value, other!.value)
    assert.notStrictEqual(one!.report.hash, other!.report.hash)
  })

  it("a program that waits for a peer that never speaks is a deadlock, not a time-out", () => {
    const report = Sim.run(
      Effect.gen(function*() {
        const net = yield* SimNetwork.make(two)
        yield* net.run("server", echo)
        yield* Effect.gen(function*() {
          const s = yield* Winsock.socket(stream)
          yield* Winsock.connect(s, net.address("server", 7))
          const waiting = yield* Effect.forkChild(Winsock.recv(s))
          yield* Fiber.join(waiting)
        }).pipe(Effect.scoped, Effect.provide(net.layer("client")))
      }).pipe(Effect.scoped)
    )
    assert.strictEqual(report.ended, "deadlock")
  })
})
