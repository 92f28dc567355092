import { RetryPolicy, SocketAddress, Winsock, WsaError } from "@effect-winsock/core"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Layer, Schedule } from "effect"

const stream = { family: "IPv4", type: "stream" } as const
const two = { hosts: { client: {}, server: {} }, link: { latency: "10 millis" } } as const

const outcome = <A, E>(program: Effect.Effect<A, E, Sim.Sim>, options?: Sim.Options): A =>
  Sim.getOrThrow(Sim.run(program, options))

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((a, b) => a + b, 0)

/** Opens a socket for each attempt, and closes it when that fails. */
const connect = (address: SocketAddress.SocketAddress) =>
  Effect.flatMap(Winsock.socket(stream), (s) => Winsock.WSAConnect(s, address)).pipe(Effect.scoped)

/** An effect that fails with these codes, one after the other, each after so many milliseconds, and notes its beginnings. */
const failing = (codes: ReadonlyArray<WsaError.Code>, takes: ReadonlyArray<number> = []) => {
  const begins: Array<number> = []
  const effect = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const i = begins.push(now) - 1
    yield* Effect.sleep(takes[i] ?? 0)
    const code = codes[i]
    return code === undefined
      ? "connected"
      : yield* Effect.fail(WsaError.make(code, { call: "WSAConnect", stage: "connect" }) as WsaError.WSAConnectError)
  })
  return { begins, effect }
}

describe("the retry storm", () => {
  const clients = Number(process.env.WINSOCK_STORM_CLIENTS)
  const seconds = 20
  const perSecond = clients / seconds

  /**
   * Everybody connects once, at some time within 20 seconds. The server can take half as many again. One that has been
   * asked for more in a second does nothing in the next one but refuse. From the fifth second to the eighth it is away.
   * The clients are spread over some processes, each of which has a budget of its own.
   */
  const storm = (budget: Layer.Layer<never>, processes: number) =>
    Effect.gen(function*() {
      const net = yield* SimNetwork.make(two)
      const sim = yield* Sim.Sim
      const address = net.address("server", 80)
      const attempts = Array.from({ length: 2 * seconds }, () => 0)
      const failed = Array.from({ length: 2 * seconds }, () => 0)
      net.meet(address, () => {
        const second = Math.floor(sim.now() / 1_000_000)
        attempts[second]!++
        const isAway = second >= 5 && second < 8
        return { outcome: isAway || attempts[second - 1]! > 1.5 * perSecond ? "WSAECONNREFUSED" : "listener" }
      })
      yield* net.run(
        "server",
        Effect.gen(function*() {
          const listener = yield* Winsock.socket(stream)
          yield* Winsock.bind(listener, "0.0.0.0:80")
          yield* Winsock.listen(listener, clients)
          const turnAway = Effect.flatMap(Winsock.accept(listener), ({ socket }) => Winsock.closesocket(socket))
          return yield* Effect.forever(turnAway)
        })
      )
      const stubborn = RetryPolicy.transient({ schedule: RetryPolicy.fullJitter({ base: "1 second" }), attempts: 5 })
      const luck = sim.luck("clients")
      const client = (at: number) =>
        Effect.sleep(at).pipe(
          Effect.andThen(RetryPolicy.retry(connect(address), stubborn, { destination: address })),
          Effect.catchTag("WSAECONNREFUSED", () => Effect.sync(() => failed[Math.floor(at / 1000)]!++))
        )
      const process = Effect.suspend(() =>
        Effect.forEach(Array.from({ length: clients / processes }, () => luck.below(seconds * 1000)), client, {
          concurrency: "unbounded",
          discard: true
        })
      ).pipe(Effect.provide(Layer.merge(net.layer("client"), Layer.fresh(budget))))
      yield* Effect.all(Array.from({ length: processes }, () => process), { concurrency: "unbounded", discard: true })
      return { attempts: sum(attempts), failed, busiest: Math.max(...attempts) }
    }).pipe(Effect.scoped)

  const run = (budget: Layer.Layer<never>, processes = 1) => outcome(storm(budget, processes), { maxSteps: 1e9 })

  it("keeps a server down for good that was away for three seconds, where nothing bounds the retries", () => {
    const { attempts, busiest, failed } = run(Layer.empty)
    assert.isAbove(attempts, 3 * clients)
    assert.isAbove(busiest, 4 * perSecond)
    // long after it is back, those who come are still turned away
    assert.isAbove(sum(failed.slice(15, 20)), 2 * perSecond)
  })

  it("does not break out with a budget: no more attempts than 1.2 × of the first tries, and the server recovers", () => {
    const { attempts, failed } = run(RetryPolicy.layerBudget({ percent: 20, minPerSecond: 0 }))
    assert.isAbove(attempts, clients)
    assert.isAtMost(attempts, 1.2 * clients)
    assert.isAbove(sum(failed.slice(5, 8)), 0)
    assert.strictEqual(sum(failed.slice(10)), 0)
  })

  it("does not break out either where fifty processes have a budget each", () => {
    const { attempts, failed } = run(RetryPolicy.layerBudget({ percent: 20, minPerSecond: 0 }), 50)
    assert.isAbove(attempts, clients)
    assert.isAtMost(attempts, 1.2 * clients)
    assert.strictEqual(sum(failed.slice(10)), 0)
  })

  it("does not break out with the default budget either, whose reserve is small beside the tries", () => {
    const { attempts, failed } = run(RetryPolicy.layerBudget())
    assert.isAtMost(attempts, 1.2 * clients + 10 + seconds)
    assert.strictEqual(sum(failed.slice(10)), 0)
  })

  it("does not break out with gRPC's throttling: the retries end with half of the tokens", () => {
    const { attempts, failed } = run(RetryPolicy.layerThrottle({ maxTokens: 100, tokenRatio: 0.1 }))
    assert.isAtMost(attempts, 1.2 * clients)
    assert.strictEqual(sum(failed.slice(10)), 0)
  })
})

describe("retry", () => {
  it("opens a socket for each attempt, until one goes well", () => {
    const { millis, open } = outcome(
      Effect.gen(function*() {
        const net = yield* SimNetwork.make(two)
        const address = net.address("server", 80)
        net.answer(address, ["WSAECONNREFUSED", "WSAECONNREFUSED", "WSAETIMEDOUT"])
        yield* net.run(
          "server",
          Effect.gen(function*() {
            const listener = yield* Winsock.socket(stream)
            yield* Winsock.bind(listener, "0.0.0.0:80")
            yield* Winsock.listen(listener)
            return yield* Winsock.accept(listener)
          })
        )
        const policy = RetryPolicy.byCode({
          WSAECONNREFUSED: Schedule.exponential("100 millis"),
          WSAETIMEDOUT: Schedule.spaced("1 second")
        })
        const before = yield* Clock.currentTimeMillis
        yield* RetryPolicy.retry(connect(address), policy).pipe(Effect.provide(net.layer("client")))
        return { millis: (yield* Clock.currentTimeMillis) - before, open: net.counts("client") }
      }).pipe(Effect.scoped)
    )
    // a round trip each, and 100 ms, 200 ms and a second between them
    assert.strictEqual(millis, 4 * 20 + 100 + 200 + 1000)
    assert.strictEqual(open.handles, 0)
  })

  it("draws its delays from the run's luck: a seed repeats them, another has others", () => {
    const begins = (seed: number) =>
      outcome(
        Effect.suspend(() => {
          const { begins, effect } = failing(Array(6).fill("WSAECONNREFUSED"))
          const policy = RetryPolicy.transient({ attempts: 6, duration: "1 hour" })
          return Effect.as(Effect.exit(RetryPolicy.retry(effect, policy)), begins)
        }),
        { seed, start: 0 }
      )
    assert.strictEqual(begins(1).length, 6)
    assert.deepStrictEqual(begins(1), begins(1))
    assert.notDeepEqual(begins(1), begins(2))
  })

  it("can be interrupted while it waits, and while it tries; nothing is left over", () => {
    for (const after of [5, 15, 500, 1025, 1500]) {
      const report = Sim.run(
        Effect.gen(function*() {
          const net = yield* SimNetwork.make(two)
          const address = net.address("server", 80)
          const policy = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.spaced("1 second") })
          const fiber = yield* RetryPolicy.retry(connect(address), policy).pipe(
            Effect.provide(net.layer("client")),
            Effect.forkChild
          )
          yield* Effect.sleep(after)
          yield* Fiber.interrupt(fiber)
          return yield* Clock.currentTimeMillis
        }),
        { start: 0 }
      )
      assert.strictEqual(Effect.runSync(report.exit), after)
      assert.deepStrictEqual(report.leftovers, [])
    }
  })
})

describe("grpc", () => {
  it("begins its attempts 1, 1.6, 2.56 … seconds apart, however long they take, unless that is longer", () => {
    const { begins, effect } = failing(Array(6).fill("WSAECONNREFUSED"), [0, 300, 2560, 5000, 0, 0])
    outcome(RetryPolicy.retry(effect, RetryPolicy.grpc({ jitter: 0 })), { start: 0 })
    assert.deepStrictEqual(begins.slice(0, 5), [0, 1000, 2600, 5160, 10_160])
    assert.closeTo(begins[5]!, 16_713.6, 1)
    assert.closeTo(begins[6]!, 27_199.36, 2)
    assert.strictEqual(begins.length, 7)
  })

  it("gives an attempt 20 seconds, and from the eighth on its whole back-off, then begins the next at once", () => {
    const begins: Array<number> = []
    const silent = Effect.gen(function*() {
      begins.push(yield* Clock.currentTimeMillis)
      return yield* Effect.never
    })
    const policy = RetryPolicy.upTo(RetryPolicy.grpc({ jitter: 0 }), { attempts: 10 })
    const error = outcome(Effect.flip(RetryPolicy.retry(silent, policy)), { start: 0 })
    assert.strictEqual(error._tag, "WSAETIMEDOUT")
    const gaps = begins.slice(1).map((at, i) => at - begins[i]!)
    assert.deepStrictEqual(gaps.slice(0, 7), Array(7).fill(20_000))
    assert.closeTo(gaps[7]!, 26_843.5456, 1)
    assert.closeTo(gaps[8]!, 42_949.67296, 1)
  })

  it("has a schedule that counts from the beginning of attempts under a plain Effect.retry too", () => {
    const { begins, effect } = failing(Array(4).fill("WSAETIMEDOUT"), [400, 700, 9000, 0])
    outcome(Effect.retry(effect, RetryPolicy.connectionBackoff({ jitter: 0 })), { start: 50_000 })
    assert.deepStrictEqual(begins, [50_000, 51_000, 52_600, 61_600, 65_696])
  })
})

describe("attemptTimeout", () => {
  it("loses to what an attempt says in the same turn, and interrupts one that says nothing", () => {
    const policy = RetryPolicy.never.pipe(RetryPolicy.attemptTimeout("1 second"))
    const ended = (millis: number) =>
      outcome(Effect.flip(RetryPolicy.retry(failing(["WSAECONNREFUSED"], [millis]).effect, policy)))
    assert.strictEqual(ended(999)._tag, "WSAECONNREFUSED")
    assert.strictEqual(ended(1000)._tag, "WSAECONNREFUSED")
    assert.strictEqual(ended(1001)._tag, "WSAETIMEDOUT")
    // this timer is set after that of the time-out, and so rings after it
    const late = Effect.andThen(Effect.sleep("400 millis"), failing(["WSAECONNREFUSED"], [600]).effect)
    assert.strictEqual(outcome(Effect.flip(RetryPolicy.retry(late, policy)))._tag, "WSAECONNREFUSED")
  })

  it("tells what it has given up", () => {
    const policy = RetryPolicy.never.pipe(RetryPolicy.attemptTimeout("1500 millis"))
    const destination = SocketAddress.fromInputUnsafe("10.0.0.1:80")
    const error = outcome(Effect.flip(RetryPolicy.retry(Effect.never, policy, { destination })))
    assert.strictEqual(error.remote, destination)
    assert.include(error.message, "its retry policy gives an attempt 1s 500ms")
  })
})

describe("sameSocket", () => {
  /** Answers of the peer to one socket, what came of it, and the ports it had before each attempt and after. */
  const tried = (codes: ReadonlyArray<WsaError.Code>, policy: RetryPolicy.Policy<RetryPolicy.Reusable>) =>
    outcome(
      Effect.gen(function*() {
        const net = yield* SimNetwork.make(two)
        const address = net.address("server", 80)
        const callers: Array<number | undefined> = []
        const left = [...codes]
        net.meet(address, (from) => {
          callers.push(SocketAddress.portOf(from))
          return { outcome: left.shift() ?? "listener" }
        })
        yield* net.run(
          "server",
          Effect.gen(function*() {
            const listener = yield* Winsock.socket(stream)
            yield* Winsock.bind(listener, "0.0.0.0:80")
            yield* Winsock.listen(listener)
            return yield* Effect.forever(Winsock.accept(listener))
          })
        )
        return yield* Effect.gen(function*() {
          const s = yield* Winsock.socket(stream)
          const ended = yield* RetryPolicy.sameSocket(s, address, policy).pipe(
            Effect.match({ onSuccess: () => "connected", onFailure: (error): string => error._tag })
          )
          return { ended, callers, port: SocketAddress.portOf(yield* Winsock.getsockname(s)) }
        }).pipe(Effect.provide(net.layer("client")))
      }).pipe(Effect.scoped)
    )

  const always = RetryPolicy.byClass({ transient: Schedule.spaced("1 second") })

  it("R26: retries after the three codes, from the port that the first attempt was bound to", () => {
    const { callers, ended, port } = tried(["WSAECONNREFUSED", "WSAENETUNREACH", "WSAETIMEDOUT"], always)
    assert.strictEqual(ended, "connected")
    assert.isAbove(port!, 0)
    assert.deepStrictEqual(callers, Array(4).fill(port))
  })

  it("R26: does not retry after another code, whatever the policy says", () => {
    for (const code of ["WSAECONNRESET", "WSAEHOSTUNREACH", "WSAECONNABORTED", "WSAEACCES"] as const) {
      const { callers, ended } = tried([code, "WSAECONNREFUSED"], always)
      assert.strictEqual(ended, code)
      assert.strictEqual(callers.length, 1)
    }
  })

  it("R26: an attempt that its time-out has interrupted leaves the socket as a refused one", () => {
    const ended = outcome(
      Effect.gen(function*() {
        const net = yield* SimNetwork.make(two)
        const address = net.address("server", 80)
        const heal = net.blackhole(address)
        return yield* Effect.gen(function*() {
          const s = yield* Winsock.socket(stream)
          yield* Winsock.bind(s, "0.0.0.0:4711")
          yield* Effect.forkChild(Effect.andThen(Effect.sleep("2500 millis"), Effect.sync(heal)))
          const policy = RetryPolicy.byCode({ WSAETIMEDOUT: Schedule.recurs(5) }).pipe(
            RetryPolicy.attemptTimeout("1 second")
          )
          const error = yield* Effect.flip(RetryPolicy.sameSocket(s, address, policy))
          return [error._tag, SocketAddress.portOf(yield* Winsock.getsockname(s)), yield* Clock.currentTimeMillis]
        }).pipe(Effect.provide(net.layer("client")))
      }).pipe(Effect.scoped),
      { start: 0 }
    )
    // silence twice, then somebody is there again, and refuses
    assert.deepStrictEqual(ended.slice(0, 2), ["WSAECONNREFUSED", 4711])
    assert.isBelow(Number(ended[2]), 4000)
  })
})

describe("breaker", () => {
  it("stops the attempts to an endpoint that is out, not those to others, and finds out when it is back", () => {
    const { attempts, log } = outcome(
      Effect.gen(function*() {
        const net = yield* SimNetwork.make({ hosts: { client: {}, server: {}, other: {} } })
        const address = net.address("server", 80)
        const attempts: Array<number> = []
        const sim = yield* Sim.Sim
        net.meet(address, () => {
          attempts.push(sim.now() / 1_000_000)
          return { outcome: sim.now() < 20_000_000 ? "WSAETIMEDOUT" : "WSAEACCES" }
        })
        const log: Array<string> = []
        const ask = (to: SocketAddress.SocketAddress) =>
          connect(to).pipe(RetryPolicy.breaker(to), Effect.flip, Effect.map(({ _tag }) => _tag))
        yield* Effect.gen(function*() {
          for (let second = 0; second < 30; second++) {
            log.push(yield* ask(address))
            yield* Effect.sleep("1 second")
          }
          log.push(yield* ask(net.address("other", 80)))
        }).pipe(Effect.provide(Layer.merge(net.layer("client"), RetryPolicy.layerBreaker({ failures: 3 }))))
        return { attempts: attempts.map(Math.floor), log }
      })
    )
    // open after three, for 5 s; then for 10 s; at 17 s for 20 s more
    assert.deepStrictEqual(attempts, [0, 1, 2, 7, 17])
    assert.deepStrictEqual(log.slice(0, 4), ["WSAETIMEDOUT", "WSAETIMEDOUT", "WSAETIMEDOUT", "BreakerOpen"])
    assert.strictEqual(log.filter((tag) => tag === "BreakerOpen").length, 25)
    assert.strictEqual(log.at(-1), "WSAECONNREFUSED")
  })

  it("makes a policy that has an entry for it wait until it may be closed again", () => {
    const { begins, effect } = failing(Array(4).fill("WSAECONNREFUSED"))
    const policy = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.spaced("1 second"), BreakerOpen: Schedule.forever })
    const report = Sim.run(
      effect.pipe(
        RetryPolicy.breaker("db:5432"),
        RetryPolicy.retry(policy),
        Effect.provide(RetryPolicy.layerBreaker({ failures: 2, openFor: "4 seconds" }))
      ),
      { start: 0 }
    )
    assert.strictEqual(Effect.runSync(report.exit), "connected")
    assert.deepStrictEqual(begins, [0, 1000, 5000, 9000, 13_000])
    assert.strictEqual(Duration.toMillis(report.elapsed), 13_000)
  })
})
