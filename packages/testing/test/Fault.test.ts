import { type SocketAddress, Winsock } from "@effect-winsock/core"
import { Fault, Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Clock, Duration, Effect, Exit, Fiber, type Scope } from "effect"
import { Dice } from "./utils/dice.ts"
import { echo } from "./utils/echo.ts"

const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200) / 4

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (from: Uint8Array) => new TextDecoder().decode(from)
const stream = Winsock.socket({ family: "IPv4", type: "stream" })

/** A client and a server that echoes, ten milliseconds from each other. */
const network = Effect.gen(function*() {
  const net = yield* SimNetwork.make({
    hosts: { client: {}, server: { names: ["db.example"] }, other: {} },
    link: { latency: "10 millis" }
  })
  yield* net.run("server", echo)
  yield* net.run("other", echo)
  return net
})

const dial = (to: SocketAddress.Input) =>
  Effect.gen(function*() {
    const s = yield* stream
    yield* Winsock.WSAConnect(s, to)
    return s
  })

const exchange = (s: Winsock.Socket, what = "hello") =>
  Effect.gen(function*() {
    yield* Winsock.send(s, bytes(what))
    return text(yield* Winsock.recv(s))
  })

const ask = (to: SocketAddress.Input) => Effect.scoped(Effect.flatMap(dial(to), (s) => exchange(s)))

/** How something ended, and after how many milliseconds. */
const told = <E extends { readonly _tag: string }, R>(effect: Effect.Effect<string, E, R>) =>
  Effect.gen(function*() {
    const [took, outcome] = yield* Effect.timed(Effect.catch(effect, ({ _tag }) => Effect.succeed(_tag as string)))
    return `${outcome} ${Duration.toMillis(took)}`
  })

/** Runs a program on the client. At the end the client has no socket, and the server its listener and as many as are said. */
const onClient = <A, E>(
  body: (net: SimNetwork.Network, server: SocketAddress.SocketAddress) => Effect.Effect<
    A,
    E,
    Winsock.Winsock | Sim.Sim | Scope.Scope
  >,
  halfOpen: number | undefined = 0
) =>
  Effect.gen(function*() {
    const net = yield* network
    yield* Effect.sleep("1 second")
    yield* Effect.scoped(body(net, net.address("server", 7))).pipe(Effect.provide(net.layer("client")))
    yield* Effect.sleep("10 minutes")
    assert.strictEqual(net.counts("client").handles, 0)
    if (halfOpen !== undefined) assert.strictEqual(net.counts("server").handles, 1 + halfOpen)
  })

describe("in virtual time", () => {
  it.sim("a partition of a host that is not there cuts nothing", function*() {
    const net = yield* network
    const unknown = Fault.partition("client", ["server", "nowhere"])
    assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.scoped(Fault.inject(net, unknown)))))
    assert.strictEqual(yield* Effect.provide(ask(net.address("server", 7)), net.layer("client")), "hello")
  })

  it.sim("E12: refused after one round trip, and answered again when it is healed", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        const refused = yield* Fault.inject(net, Fault.refuse(server)).pipe(
          Effect.andThen(told(ask(server))),
          Effect.scoped
        )
        assert.deepStrictEqual([refused, yield* told(ask(server))], ["WSAECONNREFUSED 20", "hello 40"])
      })
    ))

  it.sim("a partition of five seconds inside a stream stalls it, and then it goes on", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        const s = yield* dial(server)
        yield* Fault.inject(net, Fault.partition("client", "server")).pipe(Fault.during("5 seconds"), Effect.forkScoped)
        yield* Effect.yieldNow
        // sent again after 200, 600, 1400, 3000 and 6200 ms; then there and back
        assert.strictEqual(yield* told(exchange(s)), "hello 6220")
        assert.strictEqual(yield* told(exchange(s)), "hello 20")
      })
    ))

  it.sim("a one-way black hole breaks a stream as the table says, WSAETIMEDOUT after 924.6 s, and nobody tells the peer", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        const s = yield* dial(server)
        const asked = yield* Fault.inject(net, Fault.partitionOneWay("client", "server")).pipe(
          Effect.andThen(told(exchange(s))),
          Effect.scoped
        )
        assert.strictEqual(asked, "WSAETIMEDOUT 924600")
      }), 1))

  it.sim("a one-way black hole for the answers breaks it as late, at both ends", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        const s = yield* dial(server)
        const answered = yield* Fault.inject(net, Fault.partitionOneWay("server", "client")).pipe(
          Effect.andThen(told(exchange(s))),
          Effect.scoped
        )
        assert.strictEqual(answered, "WSAETIMEDOUT 924600")
      })
    ))

  it.sim("E18: nobody answers a connect in a partition, either way, or in a black hole: 131 s", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        const faults = [
          Fault.partitionOneWay("client", "server"),
          Fault.partitionOneWay("server", "client"),
          Fault.blackHole(server),
          Fault.crash("server")
        ]
        const all = yield* Effect.forEach(faults, (fault) =>
          Fault.inject(net, fault).pipe(Effect.andThen(told(ask(server))), Effect.scoped))
        assert.deepStrictEqual(
          all,
          Array.from(faults, () =>
            "WSAETIMEDOUT 131000")
        )
      })
    ))

  it.sim("R21: a host that lost its power and begins again resets who is still connected", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        const s = yield* dial(server)
        yield* Fault.inject(net, Fault.crash("server")).pipe(Fault.during("1 minute"))
        assert.strictEqual(yield* told(exchange(s)), "WSAECONNRESET 20")
        // its program listens again
        assert.strictEqual(yield* told(ask(server)), "hello 40")
        const other = yield* dial(server)
        yield* Effect.scoped(Fault.inject(net, Fault.restart("server")))
        yield* Effect.sleep("1 second")
        assert.strictEqual(yield* told(exchange(other)), "WSAECONNRESET 20")
      })
    ))

  it.sim("a host that is stopped ends its connections in order, refuses, and begins again", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        const s = yield* dial(server)
        yield* exchange(s)
        const meanwhile = yield* Fault.inject(net, Fault.stop("server")).pipe(
          Effect.andThen(Effect.all([
            told(Effect.map(Winsock.recv(s), ({ length }) => `${length} bytes`)),
            told(ask(server))
          ])),
          Effect.scoped
        )
        assert.deepStrictEqual(meanwhile, ["0 bytes 10", "WSAECONNREFUSED 20"])
        yield* Effect.sleep("1 second")
        assert.strictEqual(yield* told(ask(server)), "hello 40")
      })
    ))

  it.sim("R21: a reset breaks both ends, of one address or of a whole host, and nothing else", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        const other = net.address("other", 7)
        const [one, two, three] = [yield* dial(server), yield* dial(server), yield* dial(other)]
        yield* Effect.sleep("1 second")
        yield* Fault.inject(net, Fault.reset(yield* Winsock.getsockname(one)))
        assert.deepStrictEqual([yield* told(exchange(one)), yield* told(exchange(two))], [
          "WSAECONNRESET 0",
          "hello 20"
        ])
        yield* Fault.inject(net, Fault.reset({ host: "server" }))
        assert.deepStrictEqual([yield* told(exchange(two)), yield* told(exchange(three))], [
          "WSAECONNRESET 0",
          "hello 20"
        ])
      })
    ))

  it.sim("a slow accept takes as much longer as it says", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        const slow = yield* Fault.inject(net, Fault.slowAccept(server, "700 millis")).pipe(
          Effect.andThen(told(ask(server))),
          Effect.scoped
        )
        assert.deepStrictEqual([slow, yield* told(ask(server))], ["hello 740", "hello 40"])
      })
    ))

  it.sim("E02: with the network down calls are WSAENETDOWN, and a peer hears nothing until it is up", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        const s = yield* dial(server)
        const down = yield* Fault.inject(net, Fault.networkDown("client")).pipe(
          Effect.andThen(Effect.all([told(ask(server)), told(exchange(s))])),
          Effect.scoped
        )
        assert.deepStrictEqual(down, ["WSAENETDOWN 0", "WSAENETDOWN 0"])
        assert.strictEqual(yield* told(exchange(s)), "hello 20")
        yield* Fault.inject(net, Fault.networkDown("server")).pipe(Fault.during("5 seconds"), Effect.forkScoped)
        yield* Effect.yieldNow
        assert.strictEqual(yield* told(exchange(s)), "hello 6220")
      })
    ))
})

/** Each fault, and what a caller meets meanwhile. */
const probes: ReadonlyArray<
  readonly [name: string, fault: (server: SocketAddress.SocketAddress) => Fault.Fault, meanwhile: string]
> = [
  ["network down", () => Fault.networkDown("client"), "WSAENETDOWN 0"],
  ["partition", () => Fault.partition("client", "server"), "WSAETIMEDOUT 131000"],
  ["partition of several", () => Fault.partition(["client", "other"], ["server"]), "WSAETIMEDOUT 131000"],
  ["partition one way", () => Fault.partitionOneWay("client", "server"), "WSAETIMEDOUT 131000"],
  ["crash", () => Fault.crash("server"), "WSAETIMEDOUT 131000"],
  ["stop", () => Fault.stop("server"), "WSAECONNREFUSED 20"],
  ["refuse", (server) => Fault.refuse(server), "WSAECONNREFUSED 20"],
  ["black hole", (server) => Fault.blackHole(server), "WSAETIMEDOUT 131000"],
  ["slow accept", (server) => Fault.slowAccept(server, "2 seconds"), "hello 2040"],
  ["DNS failure", () => Fault.dnsFailure("db.example"), "WSATRY_AGAIN"]
]

/** Finds the server by its name, and asks it. */
const probe = (net: SimNetwork.Network, server: SocketAddress.SocketAddress) =>
  Effect.gen(function*() {
    const found = net.lookup("db.example")
    return typeof found === "string" ? found : yield* told(ask(server))
  })

describe("a fault is healed with its scope", () => {
  for (const [name, fault, meanwhile] of probes) {
    it.sim(`${name}: when it ends, and when it is interrupted`, () =>
      onClient((net, server) =>
        Effect.gen(function*() {
          const one = fault(server)
          const inScope = yield* Effect.scoped(Effect.andThen(Fault.inject(net, one), probe(net, server)))
          assert.strictEqual(inScope, meanwhile)
          yield* Effect.sleep("1 second")
          assert.strictEqual(yield* probe(net, server), "hello 40")

          const fiber = yield* Effect.forkChild(Effect.scoped(Effect.andThen(Fault.inject(net, one), Effect.never)))
          yield* Effect.yieldNow
          assert.strictEqual(yield* probe(net, server), meanwhile)
          yield* Fiber.interrupt(fiber)
          yield* Effect.sleep("1 second")
          assert.strictEqual(yield* probe(net, server), "hello 40")
        })
      ))

    it.sim(`${name}: twice at once is healed with the second`, () =>
      onClient((net, server) =>
        Effect.gen(function*() {
          const one = Fault.inject(net, fault(server))
          yield* Effect.forkScoped(Fault.during("1 hour")(one))
          yield* Effect.forkScoped(Fault.during("2 hours")(one))
          yield* Effect.sleep("90 minutes")
          assert.strictEqual(yield* probe(net, server), meanwhile)
          yield* Effect.sleep("1 hour")
          assert.strictEqual(yield* probe(net, server), "hello 40")
        })
      ))
  }

  it.sim("different faults of one address: each is healed by itself, and the last one counts", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        yield* Effect.forkScoped(Fault.during("3 hours")(Fault.inject(net, Fault.refuse(server))))
        yield* Effect.sleep("1 hour")
        yield* Effect.forkScoped(Fault.during("1 hour")(Fault.inject(net, Fault.blackHole(server))))
        yield* Effect.sleep("1 second")
        assert.strictEqual(yield* told(ask(server)), "WSAETIMEDOUT 131000")
        yield* Effect.sleep("1 hour")
        assert.strictEqual(yield* told(ask(server)), "WSAECONNREFUSED 20")
        yield* Effect.sleep("1 hour")
        assert.strictEqual(yield* told(ask(server)), "hello 40")
      })
    ))

  it.sim("E02: a host that begins again without a network runs its programs once it has one", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        yield* Effect.forkScoped(Fault.during("1 hour")(Fault.inject(net, Fault.crash("server"))))
        yield* Effect.forkScoped(Fault.during("2 hours")(Fault.inject(net, Fault.networkDown("server"))))
        yield* Effect.sleep("90 minutes")
        assert.strictEqual(yield* told(ask(server)), "WSAETIMEDOUT 131000")
        yield* Effect.sleep("1 hour")
        assert.strictEqual(yield* told(ask(server)), "hello 40")
      })
    ))

  it.sim("a host that was stopped and then lost its power begins again when both are healed", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        yield* Effect.forkScoped(Fault.during("1 hour")(Fault.inject(net, Fault.stop("server"))))
        yield* Effect.sleep("30 minutes")
        yield* Effect.forkScoped(Fault.during("1 hour")(Fault.inject(net, Fault.crash("server"))))
        yield* Effect.sleep("45 minutes")
        assert.strictEqual(yield* told(ask(server)), "WSAETIMEDOUT 131000")
        yield* Effect.sleep("1 hour")
        assert.strictEqual(yield* told(ask(server)), "hello 40")
      })
    ))
})

/** An hour of faults that overlap, while a client asks and asks; then, with all of them healed, one who asks is answered. */
const trouble = (dice: Dice) =>
  onClient((net, server) =>
    Effect.gen(function*() {
      const other = net.address("other", 7)
      const hosts = ["client", "server", "other"]
      const kinds: ReadonlyArray<() => Fault.Fault> = [
        () => Fault.networkDown(dice.pick(hosts)),
        () => Fault.partition("client", dice.pick(["server", "other"])),
        () => Fault.partitionOneWay(dice.pick(hosts), ["server", "client"]),
        () => Fault.crash(dice.pick(["server", "other"])),
        () => Fault.stop(dice.pick(["server", "other"])),
        () => Fault.restart(dice.pick(["server", "other"])),
        () => Fault.refuse(dice.pick([server, other])),
        () => Fault.blackHole(dice.pick([server, other])),
        () => Fault.slowAccept(dice.pick([server, other]), dice.below(5000)),
        () => Fault.reset(dice.chance(50) ? server : { host: dice.pick(hosts) }),
        () => Fault.dnsFailure("db.example")
      ]
      const clients = yield* Effect.forkChild(Effect.forEach(
        [server, other],
        (to) => Effect.forever(Effect.andThen(Effect.ignore(ask(to)), Effect.sleep("1 minute"))),
        { concurrency: 2 }
      ))
      yield* Effect.forEach(Array.from({ length: 1 + dice.below(12) }), () =>
        Fault.inject(net, dice.pick(kinds)()).pipe(
          Fault.during(dice.below(600_000)),
          Effect.delay(dice.below(3_000_000)),
          // some do not come to their end
          dice.chance(20) ? Effect.timeoutOption(dice.below(3_600_000)) : Effect.asSome
        ), { concurrency: "unbounded" })
      yield* Fiber.interrupt(clients)
      yield* Effect.sleep("1 second")
      assert.deepStrictEqual([yield* told(ask(server)), yield* told(ask(other))], ["hello 40", "hello 40"])
      assert.strictEqual(net.lookup("db.example").length, 2)
    }), undefined)

describe("any faults", () => {
  it("are healed when all are over, in whatever order they began and ended", () => {
    for (let seed = 0; seed < runs; seed++) {
      const report = Sim.run(trouble(new Dice(seed)), { seed })
      assert.isTrue(Exit.isSuccess(report.exit), `seed ${seed}\n${Sim.format(report)}`)
    }
  })
})

describe("the hands of a network", () => {
  it.sim("two changes of a link are taken back one by one, in any order", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        const times: Array<string> = []
        const look = Effect.map(told(ask(server)), (time) => times.push(time))
        const slow = net.shape("client", "server", { latency: "100 millis" })
        yield* look
        const slower = net.shape("client", "server", { latency: "1 second" })
        yield* look
        slow()
        yield* look
        slower()
        yield* look
        assert.deepStrictEqual(times, ["hello 220", "hello 2020", "hello 2020", "hello 40"])
      })
    ))
})

describe("a fault as a value", () => {
  it.sim("begins after a delay, lasts for a time, and comes again, by Effect's own means", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        const begin = yield* Clock.currentTimeMillis
        yield* Fault.inject(net, Fault.refuse(server)).pipe(
          Fault.during("5 seconds"),
          Effect.delay("10 seconds"),
          Effect.repeat({ times: 1 }),
          Effect.forkScoped
        )
        const seen: Array<string> = []
        for (let second = 1; second < 32; second++) {
          yield* Effect.sleep(begin + second * 1000 + 500 - (yield* Clock.currentTimeMillis))
          seen.push((yield* told(ask(server))).startsWith("hello") ? "." : "x")
        }
        assert.strictEqual(seen.join(""), ".........xxxxx..........xxxxx..")
      })
    ))

  it.sim("several begin and end together", () =>
    onClient((net, server) =>
      Effect.gen(function*() {
        const other = net.address("other", 7)
        const both = Fault.inject(net, Fault.refuse(server), Fault.slowAccept(other, "1 second"))
        const meanwhile = yield* Effect.scoped(Effect.andThen(both, Effect.all([told(ask(server)), told(ask(other))])))
        assert.deepStrictEqual(meanwhile, ["WSAECONNREFUSED 20", "hello 1040"])
        assert.deepStrictEqual([yield* told(ask(server)), yield* told(ask(other))], ["hello 40", "hello 40"])
      })
    ))

  it("stands in the trace, with its beginning and its end", () => {
    const kinds = (fault: Fault.Fault) => {
      const report = Sim.run(
        Effect.gen(function*() {
          const net = yield* SimNetwork.make({ hosts: { client: {}, server: {} } })
          yield* Fault.inject(net, fault).pipe(Fault.during("1 second"), Effect.delay("1 second"))
        }),
        { trace: "full" }
      )
      return report.events.flatMap(({ at, event }) =>
        event.kind.startsWith("fiber") ? [] : [`${at / 1_000_000} ${Object.values(event).join(" ")}`]
      )
    }
    const at = "10.0.0.2:80"
    assert.deepStrictEqual(kinds(Fault.networkDown("server")), ["1 network down server", "2 network up server"])
    assert.deepStrictEqual(kinds(Fault.partitionOneWay("client", "server")), [
      "1 cut client server",
      "2 healed client server"
    ])
    assert.deepStrictEqual(kinds(Fault.partition("client", "server")).length, 4)
    assert.deepStrictEqual(kinds(Fault.crash("server")), ["1 power lost server", "2 restarted server"])
    assert.deepStrictEqual(kinds(Fault.stop("server")), ["1 stopped server", "2 restarted server"])
    assert.deepStrictEqual(kinds(Fault.restart("server")), ["1 power lost server", "1 restarted server"])
    assert.deepStrictEqual(kinds(Fault.refuse(at)), ["1 fault refuse 10.0.0.2 80", "2 fault over refuse 10.0.0.2 80"])
    assert.deepStrictEqual(kinds(Fault.blackHole(at)), [
      "1 fault black hole 10.0.0.2 80",
      "2 fault over black hole 10.0.0.2 80"
    ])
    assert.deepStrictEqual(kinds(Fault.slowAccept(at, 5)).length, 2)
    assert.deepStrictEqual(kinds(Fault.dnsFailure("server")), [
      "1 fault WSATRY_AGAIN name server",
      "2 fault over WSATRY_AGAIN name server"
    ])
    assert.deepStrictEqual(kinds(Fault.reset(at)), ["1 fault WSAECONNRESET 0"])
  })

  it("of a host that is not there is a defect, which names those that are", () => {
    const report = Sim.run(Effect.gen(function*() {
      const net = yield* SimNetwork.make({ hosts: { client: {}, server: {} } })
      yield* Effect.scoped(Fault.inject(net, Fault.crash("sever")))
    }))
    assert.throws(() => Sim.getOrThrow(report), "there is no host sever; there are client, server")
  })
})
