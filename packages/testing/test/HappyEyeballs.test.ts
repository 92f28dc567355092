import { HappyEyeballs, SocketAddress, Winsock, WsaError } from "@effect-winsock/core"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Data, Duration, Effect, Exit, Fiber, Scope, Stream } from "effect"
import {
  addressOf,
  allNames,
  answersOf,
  Draw,
  eventOf,
  linesOf,
  nameOf,
  type Peer,
  play,
  type Scenario,
  scenarioOf,
  scenarios
} from "../../core/test/utils/eyeballs.ts"

const runs = Number(process.env["WINSOCK_SIMULATED_SEEDS"] ?? 50)
const property = { arbitrary: { runs, seed: "HappyEyeballs" } }

const hostOf = (name: string) => SocketAddress.format(addressOf(name)).replace(/:80$/, "").replace(/[[\]]/g, "")

/** A client, and a server that has every address, and listens on port 80 of them all. */
const world = Effect.gen(function*() {
  const net = yield* SimNetwork.make({
    hosts: {
      client: { addresses: ["198.51.100.1", "2001:db8:1::1"] },
      server: { addresses: allNames.map(hostOf) }
    },
    link: { latency: 0 }
  })
  const listening = Effect.gen(function*() {
    for (const [family, address] of [["IPv4", "0.0.0.0:80"], ["IPv6", "[::]:80"]] as const) {
      const listener = yield* Winsock.socket({ family, type: "stream" })
      yield* Winsock.bind(listener, address)
      yield* Winsock.listen(listener)
    }
    return yield* Effect.never
  })
  yield* net.run("server", Effect.scoped(listening))
  yield* Effect.sleep("1 second")
  return net
})

const meets = (net: SimNetwork.Network, peers: Scenario["peers"] = {}) => {
  for (const name of allNames) {
    const { after, code } = peers[name] ?? {}
    net.meet(
      addressOf(name),
      () => after === undefined ? { outcome: "silence" } : { outcome: code ?? "listener", after }
    )
  }
}

/** What an attempt does, with real calls. */
const connect = (address: SocketAddress.SocketAddress, peer: Peer) =>
  Effect.gen(function*() {
    const family = SocketAddress.familyOf(address)
    const s = yield* Winsock.socket({ family, type: peer.fails === "socket" ? ("neither" as never) : "stream" })
    if (peer.fails === "bind") yield* Winsock.bind(s, family === "IPv4" ? "203.0.113.9:0" : "[2001:db8:f::f]:0")
    yield* Winsock.WSAConnect(s, address)
    if (peer.handshake !== undefined) yield* Effect.sleep(peer.handshake)
    if (peer.broken) return yield* WsaError.make("WSAECONNRESET", { call: "recv", stage: "receive" })
    return address
  })

const sourceOf = (scenario: Pick<Scenario, "answers">) =>
  typeof scenario.answers === "string"
    ? eventOf({ at: 0, gives: scenario.answers }).addresses
    : Stream.concat(
      Stream.fromIterable(answersOf(scenario)).pipe(
        Stream.mapAccum(() => 0, (before, answer) => [answer.at, [[answer.at - before, answer] as const]]),
        Stream.mapEffect(([wait, answer]) => Effect.delay(Effect.succeed(eventOf(answer)), wait))
      ),
      Stream.never
    )

type Case = Pick<Scenario, "options" | "answers" | "peers" | "gaveUp">

interface Row {
  readonly name: string
  readonly began: number
  readonly ended: number
  readonly outcome: string
}

/** Runs a scenario with sockets. Times are milliseconds since the race began. */
const simulated = (scenario: Case, net: SimNetwork.Network) =>
  Effect.gen(function*() {
    const sim = yield* Sim.Sim
    const origin = sim.now()
    const now = () => (sim.now() - origin) / 1000
    const rows: Array<Row> = []
    const closed: Array<string> = []
    const attempt = (address: SocketAddress.SocketAddress) => {
      const [name, began] = [nameOf(address), now()]
      const peer = scenario.peers?.[name] ?? {}
      const whole = Effect.gen(function*() {
        let through = false
        yield* Effect.addFinalizer(() => Effect.sync(() => through && closed.push(`${name} is closed at ${now()}`)))
        return yield* Effect.onExit(connect(address, peer), (exit) =>
          Effect.sync(() => {
            through = Exit.isSuccess(exit)
            const failure = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
            const outcome = through ? "won" : WsaError.isWsaError(failure) ? failure._tag : "lost"
            rows.push({ name, began, ended: now(), outcome })
          }))
      })
      return peer.stubborn ? Effect.uninterruptible(whole) : whole
    }

    const scope = yield* Scope.make()
    const race = HappyEyeballs.race(sourceOf(scenario), attempt, scenario.options)
    const fiber = yield* Effect.forkChild(Scope.provide(race, scope))
    if (scenario.gaveUp !== undefined) {
      yield* Effect.forkChild(Effect.delay(Effect.sync(() => fiber.interruptUnsafe()), scenario.gaveUp))
    }
    const exit = yield* Fiber.await(fiber)
    const settled = now()
    // Nothing is left but what won.
    const left = net.counts("client")
    assert.deepStrictEqual([left.handles, left.attempts], [Exit.isSuccess(exit) ? 1 : 0, 0])
    const late = [...closed]
    yield* Scope.close(scope, Exit.void)
    assert.strictEqual(net.counts("client").handles, 0)
    return { exit, settled, rows, late }
  })

const compare = (scenario: Case) => {
  const played = play(scenario)
  const report = Sim.run(Effect.scoped(Effect.gen(function*() {
    const net = yield* world
    meets(net, scenario.peers)
    return yield* Effect.provide(simulated(scenario, net), net.layer("client"))
  })))
  const { exit, late, rows, settled } = Sim.getOrThrow(report)
  assert.deepStrictEqual(report.leftovers, [])

  // An attempt that cannot be interrupted does not learn when it lost: only that it is closed, or that it failed.
  const expected = played.state.attempts.map((attempt): Row => ({
    name: nameOf(attempt.address),
    began: attempt.began / 1000,
    ended: attempt.outcome === "running" ? Infinity : attempt.ended / 1000,
    outcome: attempt.outcome === "failed" ? attempt.error._tag : attempt.outcome
  }))
  const isUnaware = ({ name }: Row) =>
    scenario.peers?.[name]?.stubborn && expected.some((row) => row.name === name && row.outcome === "lost")
  const byBegin = (all: ReadonlyArray<Row>) =>
    all.filter((row) => !isUnaware(row)).sort((one, other) =>
      one.began - other.began || (one.name < other.name ? -1 : 1)
    )
  assert.deepStrictEqual(byBegin(rows), byBegin(expected))
  assert.deepStrictEqual(late, linesOf(played).filter((line) => line.includes(" is closed at ")))
  assert.strictEqual(settled, played.settled)

  const last = played.actions.map(({ action }) => action).find(({ _tag }) => _tag === "Succeed" || _tag === "Fail")
  switch (last?._tag) {
    case "Succeed":
      return assert.strictEqual(
        Exit.isSuccess(exit) && nameOf(exit.value),
        nameOf(played.state.attempts[last.attempt]!.address)
      )
    case "Fail": {
      const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      if (!WsaError.isWsaError(error)) return assert.strictEqual(error, last.error)
      if (last.error === undefined) return assert.strictEqual(error._tag, "WSANO_DATA")
      const plain = (all: ReadonlyArray<WsaError.Attempt>) =>
        all.map(({ address, began, code, ended, stage }) => [nameOf(address), began, ended, stage, code])
      assert.deepStrictEqual(plain(error.attempts!), plain(HappyEyeballs.failures(played.state)))
      return assert.strictEqual(error._tag, (last.error as WsaError.WsaError)._tag)
    }
    default:
      return assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
  }
}

describe("HappyEyeballs, simulated", () => {
  describe("sockets race as the plan does", () => {
    for (const scenario of scenarios) if (!scenario.planOnly) it(scenario.title, () => compare(scenario))

    it.prop("and so they do in any scenario", [Draw], ([draw]) => compare(scenarioOf(draw)), property)
  })

  const six = addressOf("6a")
  const four = addressOf("4a")

  /** What a run came to, and how long it took; nothing may be left over. */
  const outcome = <A, E>(program: Effect.Effect<A, E, Sim.Sim>, options?: Sim.Options) => {
    const report = Sim.run(program, options)
    const value = Sim.getOrThrow(report)
    assert.deepStrictEqual(report.leftovers, [])
    return { value, millis: Duration.toMillis(report.elapsed) }
  }

  describe("addresses", () => {
    const gives = (...all: ReadonlyArray<SocketAddress.SocketAddress>) => Effect.delay(Effect.succeed(all), "20 millis")
    const connects = (address: SocketAddress.SocketAddress) =>
      address === four ? Effect.succeed("IPv4") : Effect.fail(refused)
    const refused = WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" })

    it("come as an array", () => {
      const { millis, value } = outcome(Effect.scoped(HappyEyeballs.race([six, four], connects)))
      assert.deepStrictEqual([value, millis], ["IPv4", 0])
    })

    it("come from an effect", () => {
      const { millis, value } = outcome(Effect.scoped(HappyEyeballs.race(gives(six, four), connects)))
      assert.deepStrictEqual([value, millis], ["IPv4", 20])
    })

    it("do not come: the race fails as the asking did", () => {
      const race = HappyEyeballs.race(Effect.fail("SERVFAIL"), connects)
      assert.strictEqual(outcome(Effect.flip(Effect.scoped(race))).value, "SERVFAIL")
    })

    it("are none: WSANO_DATA", () => {
      const { value } = outcome(Effect.flip(Effect.scoped(HappyEyeballs.race(gives(), connects))))
      assert.instanceOf(value, WsaError.WSANO_DATA)
    })

    it("come from a stream that fails in the end: what came is tried", () => {
      const answers = (address: SocketAddress.SocketAddress) =>
        Stream.concat(Stream.succeed(HappyEyeballs.answer([address])), Stream.fail("SERVFAIL"))
      assert.strictEqual(outcome(Effect.scoped(HappyEyeballs.race(answers(four), connects))).value, "IPv4")
      const { value } = outcome(Effect.flip(Effect.scoped(HappyEyeballs.race(answers(six), connects))))
      assert.instanceOf(value, WsaError.WSAECONNREFUSED)
    })

    it("are asked for in both families at once, and the asking ends with the race", () => {
      const asked: Array<string> = []
      const lookup = (family: "IPv4" | "IPv6") =>
        Effect.suspend(() => {
          asked.push(family)
          return family === "IPv4"
            ? gives(four)
            : Effect.onInterrupt(Effect.never, () => Effect.sync(() => asked.push("ended")))
        })
      const race = HappyEyeballs.race(HappyEyeballs.lookups(lookup), connects)
      const { millis, value } = outcome(Effect.scoped(Effect.map(race, (won) => [won, [...asked]])))
      assert.deepStrictEqual([value, millis], [["IPv4", ["IPv6", "IPv4", "ended"]], 70])
    })

    it("that are asked for by what dies, or interrupts itself, end the race with it", () => {
      const nothing = [undefined, undefined] as unknown as ReadonlyArray<SocketAddress.SocketAddress>
      const undecodable = Sim.run(Effect.scoped(HappyEyeballs.race(Effect.succeed(nothing), () => Effect.die("none"))))
      assert.deepStrictEqual(undecodable.exit, Exit.die("none"))
      const died = Sim.run(Effect.scoped(HappyEyeballs.race(Effect.die("defect"), connects)))
      assert.deepStrictEqual(died.exit, Exit.die("defect"))
      const ended = Sim.run(Effect.scoped(HappyEyeballs.race(Effect.interrupt, connects)))
      assert.isTrue(Exit.isFailure(ended.exit) && Cause.hasInterruptsOnly(ended.exit.cause))
    })
  })

  describe("attempts", () => {
    /** Attempts that take so long, and note when what they opened is closed. */
    const opening = (times: { readonly [name: string]: number | "dies" | "interrupts" }) => {
      const closed: Array<string> = []
      const attempt = (address: SocketAddress.SocketAddress) =>
        Effect.gen(function*() {
          const name = nameOf(address)
          yield* Effect.acquireRelease(Effect.void, () => Effect.sync(() => closed.push(name)))
          const time = times[name]!
          if (time === "dies") return yield* Effect.die("defect")
          if (time === "interrupts") return yield* Effect.interrupt
          yield* Effect.sleep(time)
          return name
        })
      return { attempt, closed }
    }

    it("keep what the winner opened until the scope of the caller is closed, and nothing else", () => {
      const { attempt, closed } = opening({ "6a": 1000, "4a": 30, "6b": 1000 })
      outcome(Effect.scoped(Effect.gen(function*() {
        yield* Effect.addFinalizer(() => Effect.sync(() => closed.push("before")))
        assert.strictEqual(yield* HappyEyeballs.race([six, four, addressOf("6b")], attempt), "4a")
        assert.deepStrictEqual(closed, ["6a"])
        yield* Effect.addFinalizer(() => Effect.sync(() => closed.push("after")))
      })))
      assert.deepStrictEqual(closed, ["6a", "after", "4a", "before"])
    })

    it("that die end the race with the defect, and what the others opened is closed", () => {
      const { attempt, closed } = opening({ "6a": 1000, "4a": "dies" })
      const report = Sim.run(Effect.scoped(HappyEyeballs.race([six, four], attempt)))
      assert.deepStrictEqual(report.exit, Exit.die("defect"))
      assert.deepStrictEqual(closed.sort(), ["4a", "6a"])
      assert.strictEqual(Duration.toMillis(report.elapsed), 250)
    })

    it("that interrupt themselves end the race, and what the others opened is closed", () => {
      const { attempt, closed } = opening({ "6a": 1000, "4a": "interrupts" })
      const report = Sim.run(Effect.scoped(HappyEyeballs.race([six, four], attempt)))
      assert.isTrue(Exit.isFailure(report.exit) && Cause.hasInterruptsOnly(report.exit.cause))
      assert.deepStrictEqual(closed.sort(), ["4a", "6a"])
    })

    const refused = WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" })
    const badly = Effect.acquireRelease(Effect.void, () => Effect.die("defect"))

    it("whose finalizers die end the race with the defect, as they would without one", () => {
      const race = HappyEyeballs.race([six], () => Effect.andThen(badly, Effect.fail(refused)))
      const { exit } = Sim.run(Effect.scoped(race))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    })

    it("that have lost do no harm, however they end", () => {
      const loses = Effect.andThen(badly, Effect.uninterruptible(Effect.sleep(600)))
      const dies = Effect.onInterrupt(Effect.never, () => Effect.die("defect"))
      const race = HappyEyeballs.race(
        [six, four, addressOf("6b")],
        (address) => address === six ? loses : address === four ? Effect.andThen(badly, dies) : Effect.succeed("won")
      )
      const { millis, value } = outcome(Effect.scoped(race))
      assert.deepStrictEqual([value, millis], ["won", 600])
    })

    it("win though the asking dies at the same instant", () => {
      const dies = Effect.andThen(Effect.sleep(1), Effect.delay(Effect.die("defect"), 299))
      const race = HappyEyeballs.race(
        Stream.concat(Stream.succeed(HappyEyeballs.answer([six, four])), Stream.fromEffect(dies)),
        (address) =>
          Effect.delay(Effect.succeed(nameOf(address)), 300).pipe(address === six ? (it) => it : Effect.uninterruptible)
      )
      const { millis, value } = outcome(Effect.scoped(race))
      assert.deepStrictEqual([value, millis], ["6a", 550])
    })

    it("that are through at the same instant, and cannot be closed, do no harm either", () => {
      const race = HappyEyeballs.race(
        [six, four],
        (address) =>
          address === six
            ? Effect.delay(Effect.succeed("won"), 300)
            : Effect.andThen(badly, Effect.delay(Effect.succeed("late"), 50))
      )
      assert.strictEqual(outcome(Effect.scoped(race)).value, "won")
    })

    it("may be made of a function that throws", () => {
      const throws = (): Effect.Effect<never> => {
        throw new Error("no effect")
      }
      const { exit } = Sim.run(Effect.scoped(HappyEyeballs.race([six], throws)))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    })

    it("may fail with errors of their own, which carry all attempts too", () => {
      class Untrusted extends Data.TaggedError("Untrusted")<{
        readonly stage: WsaError.Stage
        readonly retryClass: WsaError.RetryClass
        readonly attempts?: ReadonlyArray<WsaError.Attempt>
      }> {}
      const untrusted = new Untrusted({ stage: "receive", retryClass: "policy" })
      const race = HappyEyeballs.race([six, four], (address) => Effect.fail(address === six ? untrusted : refused))
      const { value } = outcome(Effect.flip(Effect.scoped(race)))
      assert.instanceOf(value, WsaError.WSAECONNREFUSED)
      assert.deepStrictEqual(value.attempts?.map(({ code }) => code), ["Untrusted", "WSAECONNREFUSED"])
      const alone = HappyEyeballs.race([six], () => Effect.fail(untrusted))
      const error = outcome(Effect.flip(Effect.scoped(alone))).value
      assert.instanceOf(error, Untrusted)
      assert.deepStrictEqual(error.attempts?.map(({ code }) => code), ["Untrusted"])
    })
  })

  describe("an interruption", () => {
    /** Interrupts a race at a time, after some turns of the fibers; gives how many sockets are left then, and in the end. */
    const interrupted = (millis: number, turns: number) =>
      outcome(Effect.scoped(Effect.gen(function*() {
        const net = yield* world
        meets(net, { "6a": { after: 300 }, "4a": { after: 50 }, "6b": { after: 10, code: "WSAECONNREFUSED" } })
        return yield* Effect.gen(function*() {
          const race = Effect.scoped(HappyEyeballs.race(
            [six, four, addressOf("6b")],
            (address) => Effect.andThen(Effect.yieldNow, connect(address, {}))
          ))
          const fiber = yield* Effect.forkChild(race)
          yield* Effect.sleep(millis)
          for (let i = 0; i < turns; i++) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
          const { attempts, handles } = net.counts("client")
          return [attempts, handles]
        }).pipe(Effect.provide(net.layer("client")))
      }))).value

    it("leaves nothing, whatever it meets", () => {
      for (const millis of [0, 1, 249, 250, 260, 299, 300, 301]) {
        for (let turns = 0; turns < 24; turns++) {
          assert.deepStrictEqual(interrupted(millis, turns), [0, 0], `${turns} turns after ${millis} ms`)
        }
      }
    })
  })

  it("reaches a peer whose first address answers to the second SYN only, and whose last one is a black hole", () => {
    const { millis, value } = outcome(Effect.scoped(Effect.gen(function*() {
      const net = yield* world
      net.blackhole(four)
      net.cut("client", "server")
      yield* Effect.forkScoped(Effect.delay(Effect.sync(() => net.heal("client", "server")), "500 millis"))
      const race = HappyEyeballs.race([six, four], (address) => connect(address, {}))
      return nameOf(yield* Effect.provide(race, net.layer("client")))
    })))
    assert.deepStrictEqual([value, millis], ["6a", 2000])
  })
})
