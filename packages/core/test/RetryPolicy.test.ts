import { RetryPolicy, SocketAddress, WsaError } from "@effect-winsock/core"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Cause, Clock, Duration, Effect, Exit, Fiber, Layer, Random, Schedule, Schema, Stream, Tracer } from "effect"
import { CircuitBreaker } from "effect/persistence"
import * as RetryBudget from "../src/internal/retryBudget.ts"

const runs = Number(process.env.WINSOCK_PROPERTY_RUNS)

type Asked = RetryPolicy.Policy<RetryPolicy.Tag, unknown>

/** What a policy does while attempts fail with these codes, at once: delays, in milliseconds, and why it stops. */
const story = (
  policy: Asked,
  tags: ReadonlyArray<RetryPolicy.Tag>,
  options?: RetryPolicy.StepOptions
): ReadonlyArray<number | RetryPolicy.StopReason> => {
  const told: Array<number | RetryPolicy.StopReason> = []
  let asked: Asked | RetryPolicy.Progress = policy
  let now = 0
  for (const tag of tags) {
    const decision: RetryPolicy.Decision = RetryPolicy.step(asked, tag, now, options)
    if (decision._tag === "Stop") return [...told, decision.reason]
    told.push(Duration.toMillis(decision.delay))
    now += told.at(-1) as number
    asked = decision.progress
  }
  return told
}

const times = <const A>(n: number, a: A): ReadonlyArray<A> => Array.from({ length: n }, () => a)

const numbers = (told: ReadonlyArray<number | RetryPolicy.StopReason>): ReadonlyArray<number> =>
  told.map((each) => typeof each === "number" ? each : assert.fail(`stopped: ${each}`))

const oneSchedule = (schedule: Schedule.Schedule<unknown>) => RetryPolicy.byClass({ transient: schedule })

/** Numbers from 0 up to, and without, 1, of a seed. */
const luckOf = (seed: number) =>
  Effect.runSync(Random.withSeed(Effect.service(Random.Random), `RetryPolicy ${seed}`)).nextDoubleUnsafe

const make = <C extends WsaError.Code>(code: C): WsaError.Instance<C> =>
  WsaError.make(code, { call: "WSAConnect", stage: "connect" })

/** Fails with these codes, one after the other; then succeeds with how many attempts there were. */
const failing = <C extends WsaError.Code>(codes: ReadonlyArray<C>) => {
  const seen: Array<RetryPolicy.Attempt | undefined> = []
  const effect: Effect.Effect<number, WsaError.Instance<C>> = Effect.flatMap(RetryPolicy.CurrentAttempt, (attempt) => {
    const code = codes[seen.push(attempt) - 1]
    return code === undefined ? Effect.succeed(seen.length) : Effect.fail(make(code))
  })
  return { effect, seen }
}

const refused = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.forever })

describe("byCode", () => {
  const policy = RetryPolicy.byCode({
    WSAECONNREFUSED: Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 2 })),
    WSAETIMEDOUT: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 1 }))
  })

  it("keeps the state of each code to itself", () => {
    assert.deepStrictEqual(
      story(policy, ["WSAECONNREFUSED", "WSAETIMEDOUT", "WSAECONNREFUSED", "WSAECONNREFUSED"]),
      [100, 1000, 200, "schedule"]
    )
    assert.deepStrictEqual(story(policy, ["WSAECONNREFUSED", "WSAETIMEDOUT", "WSAETIMEDOUT"]), [100, 1000, "schedule"])
  })

  it("does not retry what has no entry", () => {
    assert.deepStrictEqual(story(policy, ["WSAECONNREFUSED", "WSAECONNRESET"]), [100, "no entry"])
    assert.deepStrictEqual(story(RetryPolicy.byCode({}), ["WSAECONNREFUSED"]), ["no entry"])
  })

  it("gives a schedule the error", () => {
    const toThere = RetryPolicy.byCode({
      WSAECONNREFUSED: Schedule.forever.pipe(
        Schedule.setInputType<WsaError.WSAECONNREFUSED>(),
        Schedule.while(({ input }) => input.stage === "connect")
      )
    })
    const error = WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "accept" })
    assert.strictEqual(RetryPolicy.step(toThere, "WSAECONNREFUSED", 0)._tag, "Retry")
    assert.deepStrictEqual(RetryPolicy.step(toThere, error, 0), { _tag: "Stop", reason: "schedule" })
  })

  it("can have entries for what no row knows, and for a breaker, whose time it keeps to", () => {
    const policy = RetryPolicy.byCode({ WsaUnmapped: Schedule.spaced(7), BreakerOpen: Schedule.spaced(10) })
    assert.deepStrictEqual(story(policy, ["WsaUnmapped", "BreakerOpen"]), [7, 10])
    const open = new RetryPolicy.BreakerOpen({ endpoint: "x", probing: false, retryAfter: Duration.seconds(3) })
    const decision = RetryPolicy.step(policy, open, 0)
    assert.strictEqual(decision._tag === "Retry" && Duration.toMillis(decision.delay), 3000)
  })
})

describe("byClass", () => {
  it("shares one state among all codes of a class", () => {
    const policy = RetryPolicy.byClass({
      transient: Schedule.exponential("1 second"),
      resource: Schedule.spaced("1 minute")
    })
    assert.deepStrictEqual(
      story(policy, ["WSAECONNREFUSED", "WSAETIMEDOUT", "WSAENOBUFS", "WSAENETUNREACH", "WSAEACCES"]),
      [1000, 2000, 60_000, 4000, "no entry"]
    )
  })

  it("takes an unmapped error by the class of its Winsock code", () => {
    const unmapped = WsaError.make("WsaUnmapped", { code: "WSAENETRESET", call: "WSAConnect", stage: "connect" })
    assert.strictEqual(RetryPolicy.step(RetryPolicy.transient(), unmapped, 0)._tag, "Retry")
    assert.deepStrictEqual(story(RetryPolicy.transient(), ["WsaUnmapped"]), ["no entry"])
  })
})

describe("transient", () => {
  it("retries the codes of three classes, and no other", () => {
    for (const [code, { retryClass }] of Object.entries(WsaError.table)) {
      const retried = ["transient", "lookup-transient", "resource"].includes(retryClass)
      const decision = RetryPolicy.step(RetryPolicy.transient(), code as WsaError.Code, 0)
      assert.strictEqual(decision._tag, retried ? "Retry" : "Stop", code)
    }
  })

  it("makes four attempts at most, asks a name server three times at most, and begins none after 30 seconds", () => {
    const policy = RetryPolicy.transient()
    assert.deepStrictEqual(story(policy, times(5, "WSAECONNREFUSED"), { luck: 0 }), [100, 100, 100, "limit"])
    assert.deepStrictEqual(story(policy, times(5, "WSATRY_AGAIN")), [100, 100, "schedule"])
    assert.deepStrictEqual(story(policy, times(5, "WSAENOBUFS")), [1000, 2000, 4000, "limit"])
    const patient = RetryPolicy.transient({ attempts: 100 })
    assert.deepStrictEqual(story(patient, times(9, "WSAENOBUFS")), [1000, 2000, 4000, 8000, "limit"])
  })

  it("counts what an attempt took, too", () => {
    const late = RetryPolicy.step(RetryPolicy.transient(), "WSAETIMEDOUT", 29_950, { startedAt: 0 })
    assert.deepStrictEqual(late, { _tag: "Stop", reason: "limit" })
    assert.strictEqual(
      RetryPolicy.step(RetryPolicy.transient(), "WSAETIMEDOUT", 29_000, { startedAt: 0 })._tag,
      "Retry"
    )
  })
})

describe("combinators", () => {
  const hurried = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.spaced(1).pipe(Schedule.upTo({ times: 1 })) })
  const patient = RetryPolicy.byCode({
    WSAECONNREFUSED: Schedule.spaced(1000),
    WSAETIMEDOUT: Schedule.spaced(2000)
  })
  const codes = ["WSAECONNREFUSED", "WSAECONNREFUSED", "WSAETIMEDOUT", "WSAECONNREFUSED"] as const

  it("orElse goes on with the second where the first stops, of whatever reason", () => {
    assert.deepStrictEqual(story(RetryPolicy.orElse(hurried, patient), codes), [1, 1000, 2000, 1000])
    const limited = patient.pipe(RetryPolicy.upTo({ attempts: 2 }), RetryPolicy.orElse(hurried))
    assert.deepStrictEqual(story(limited, codes), [1000, 1, "limit"])
    assert.deepStrictEqual(story(RetryPolicy.orElse(hurried, RetryPolicy.never), codes), [1, "schedule"])
  })

  it("merge lets the second decide what it has an entry for", () => {
    assert.deepStrictEqual(story(RetryPolicy.merge(hurried, patient), codes), [1000, 1000, 2000, 1000])
    assert.deepStrictEqual(story(RetryPolicy.merge(patient, hurried), codes), [1, "schedule"])
    assert.deepStrictEqual(story(patient.pipe(RetryPolicy.merge(hurried)), ["WSAETIMEDOUT"]), [2000])
  })

  it("upTo bounds all codes together", () => {
    assert.deepStrictEqual(story(RetryPolicy.upTo(patient, { attempts: 3 }), codes), [1000, 1000, "limit"])
    assert.deepStrictEqual(story(RetryPolicy.upTo(patient, { duration: 3999 }), codes), [1000, 1000, "limit"])
    assert.deepStrictEqual(story(RetryPolicy.upTo(patient, { duration: 4000 }), codes), [1000, 1000, 2000, "limit"])
    assert.deepStrictEqual(story(RetryPolicy.upTo(patient, { attempts: 1 }), codes), ["limit"])
    assert.deepStrictEqual(story(RetryPolicy.upTo(patient, { attempts: 1 }), ["WSAEINVAL"]), ["no entry"])
  })
})

describe("schedules", () => {
  it("decorrelatedJitter stays between its base and three times the delay before, and below its cap", () => {
    for (let seed = 0; seed < runs; seed++) {
      const luck = luckOf(seed)
      const base = 1 + luck() * 1000
      const cap = base * (1 + luck() * 50)
      const delays = numbers(
        story(oneSchedule(RetryPolicy.decorrelatedJitter({ base, cap })), times(20, "WSAECONNREFUSED"), { seed })
      )
      delays.forEach((delay, i) => {
        assert.isAtLeast(delay, base - 1e-6)
        assert.isAtMost(delay, Math.min(cap, 3 * (delays[i - 1] ?? base)) + 1e-6)
      })
    }
  })

  it("fullJitter stays between nothing and a bound that doubles up to its cap", () => {
    for (let seed = 0; seed < runs; seed++) {
      const luck = luckOf(seed)
      const base = 1 + luck() * 1000
      const cap = base * (1 + luck() * 50)
      const delays = numbers(
        story(oneSchedule(RetryPolicy.fullJitter({ base, cap })), times(20, "WSAECONNREFUSED"), { seed })
      )
      delays.forEach((delay, i) => {
        assert.isAtLeast(delay, 0)
        assert.isAtMost(delay, Math.min(cap, base * 2 ** i))
      })
    }
  })

  it("draw from all of their range", () => {
    const first = (schedule: Schedule.Schedule<unknown>) =>
      Array.from({ length: 300 }, (_, seed) => numbers(story(oneSchedule(schedule), ["WSAECONNREFUSED"], { seed }))[0]!)
    const full = first(RetryPolicy.fullJitter({ base: 100 }))
    const decorrelated = first(RetryPolicy.decorrelatedJitter({ base: 100 }))
    assert.isBelow(Math.min(...full), 10)
    assert.isAbove(Math.max(...full), 90)
    assert.isBelow(Math.min(...decorrelated), 110)
    assert.isAbove(Math.max(...decorrelated), 290)
  })

  it("begin anew with each series", () => {
    const policy = oneSchedule(RetryPolicy.fullJitter({ base: 100 }))
    const codes = times(5, "WSAECONNREFUSED" as const)
    assert.deepStrictEqual(story(policy, codes, { luck: 0.5 }), [50, 100, 200, 400, 800])
    assert.deepStrictEqual(story(policy, codes, { luck: 0.5 }), [50, 100, 200, 400, 800])
  })
})

describe("connectionBackoff", () => {
  const backoff = oneSchedule(RetryPolicy.connectionBackoff())
  const expected = Array.from({ length: 14 }, (_, i) => Math.min(120_000, 1000 * 1.6 ** i))

  const assertClose = (actual: ReadonlyArray<number>, expected: ReadonlyArray<number>) =>
    actual.forEach((each, i) => assert.closeTo(each, expected[i]!, 1e-3))

  it("is 1 s, 1.6 s, 2.56 s … 120 s, the first exactly and the others up to a fifth less or more", () => {
    const told = (luck: number) => numbers(story(backoff, times(14, "WSAECONNREFUSED"), { luck }))
    assertClose(told(0.5), expected)
    assertClose(told(0), expected.map((each, i) => i === 0 ? each : each * 0.8))
    assertClose(told(1 - Number.EPSILON), expected.map((each, i) => i === 0 ? each : each * 1.2))
    assert.strictEqual(expected.findIndex((each) => each === 120_000), 11)
  })

  it("stays within a fifth of what it would be, whatever is drawn", () => {
    for (let seed = 0; seed < runs; seed++) {
      numbers(story(backoff, times(14, "WSAECONNREFUSED"), { seed })).forEach((delay, i) => {
        assert.isAtLeast(delay, i === 0 ? 1000 : expected[i]! * 0.8 - 1e-6)
        assert.isAtMost(delay, i === 0 ? 1000 : expected[i]! * 1.2 + 1e-6)
      })
    }
  })

  it("is counted from the beginning of the attempt, is never below 0, and never longer than itself", () => {
    for (let seed = 0; seed < runs; seed++) {
      const luck = luckOf(seed)
      let asked: Asked | RetryPolicy.Progress = backoff
      let startedAt = 0
      for (let i = 0; i < 10; i++) {
        // a clock that is set back makes attempts take less than no time
        const took = (luck() - 0.1) * 3 * expected[i]!
        const decision: RetryPolicy.Decision = RetryPolicy.step(asked, "WSAETIMEDOUT", startedAt + took, {
          startedAt,
          seed
        })
        if (decision._tag === "Stop") return assert.fail("stopped")
        const delay = Duration.toMillis(decision.delay)
        const most = i === 0 ? 1000 : expected[i]! * 1.2
        const least = i === 0 ? 1000 : expected[i]! * 0.8
        assert.isAtLeast(delay, Math.max(0, Math.min(least, least - took)) - 1e-6)
        assert.isAtMost(delay, Math.max(0, Math.min(most, most - took)) + 1e-6)
        startedAt += took + delay
        asked = decision.progress
      }
    }
  })

  it("is one back-off for all codes under grpc, whose attempts have 20 seconds or their back-off", () => {
    let asked: Asked | RetryPolicy.Progress = RetryPolicy.grpc()
    const told: Array<readonly [delay: number, timeout: number]> = []
    let now = 0
    for (
      const tag of [...times(5, "WSAECONNREFUSED"), ...times(5, "WSATRY_AGAIN"), ...times(3, "WSAENOBUFS")] as const
    ) {
      const decision: RetryPolicy.Decision = RetryPolicy.step(asked, tag, now, { luck: 0.5 })
      if (decision._tag === "Stop") return assert.fail("stopped")
      told.push([Duration.toMillis(decision.delay), Duration.toMillis(decision.timeout ?? Duration.infinity)])
      now += told.at(-1)![0]
      asked = decision.progress
    }
    assertClose(told.map(([delay]) => delay), expected)
    assertClose(told.map(([, timeout]) => timeout), expected.slice(1).map((each) => Math.max(20_000, each)))
    assert.deepStrictEqual(story(RetryPolicy.grpc(), ["WSAEACCES"]), ["no entry"])
  })
})

describe("retry", () => {
  it.sim("tries until an attempt goes well, and tells each which it is, and when it began", function*() {
    const { effect, seen } = failing(["WSAECONNREFUSED", "WSAETIMEDOUT"])
    const policy = RetryPolicy.byClass({ transient: Schedule.exponential("1 second") })
    assert.strictEqual(yield* RetryPolicy.retry(effect, policy), 3)
    assert.deepStrictEqual(seen.map((attempt) => attempt && [attempt.number, attempt.startedAt]), [
      [1, 0],
      [2, 1000],
      [3, 3000]
    ])
    assert.deepStrictEqual(
      seen.map((attempt) => WsaError.isWsaError(attempt?.previous) ? attempt.previous._tag : attempt?.previous),
      [undefined, "WSAECONNREFUSED", "WSAETIMEDOUT"]
    )
    assert.isUndefined(yield* RetryPolicy.CurrentAttempt)
  }, { start: 0 })

  it.sim("begins each use of a policy anew, also several at once", function*() {
    const policy = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.recurs(2) })
    const { effect } = failing(times(100, "WSAECONNREFUSED"))
    const uses = times(5, RetryPolicy.retry(effect, policy).pipe(Effect.exit))
    const exits = yield* Effect.all(uses, { concurrency: "unbounded" })
    assert.deepStrictEqual(exits.map((exit) => Exit.isFailure(exit) && RetryPolicy.spent(exit.cause)?.attempts), [
      ...times(5, 3)
    ])
  })

  it.sim("gives the last error as it is, and tells in the cause what was spent", function*() {
    const errors = [make("WSAECONNREFUSED"), make("WSAECONNREFUSED"), make("WSAETIMEDOUT")]
    let attempts = 0
    const policy = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.spaced("1 second") })
    const failures: Effect.Effect<never, WsaError.WSAECONNREFUSED | WsaError.WSAETIMEDOUT> = Effect.suspend(() =>
      Effect.fail(errors[attempts++]!)
    )
    const exit = yield* failures.pipe(
      RetryPolicy.retry(policy, { destination: SocketAddress.fromInputUnsafe("10.0.0.1:80") }),
      Effect.exit
    )
    if (Exit.isSuccess(exit)) return assert.fail("succeeded")
    assert.strictEqual(Cause.squash(exit.cause), errors[2])
    assert.deepStrictEqual(RetryPolicy.spent(exit.cause), {
      attempts: 3,
      elapsed: Duration.seconds(2),
      reason: "no entry",
      destination: "10.0.0.1:80"
    })
    assert.isUndefined(RetryPolicy.spent(Cause.fail("no")))
  })

  it.sim("does not touch what is no Winsock error, a defect, or an interruption", function*() {
    let attempts = 0
    const causes: ReadonlyArray<Cause.Cause<unknown>> = [
      Cause.fail({ _tag: "WSAECONNREFUSED" }),
      Cause.fail("no"),
      Cause.die(make("WSAECONNREFUSED")),
      Cause.interrupt(1),
      Cause.combine(Cause.fail(make("WSAECONNREFUSED")), Cause.die("a finalizer broke"))
    ]
    for (const cause of causes) {
      const counting = Effect.suspend(() => {
        attempts++
        return Effect.failCause(cause)
      })
      const exit = yield* Effect.exit(RetryPolicy.retry(counting, RetryPolicy.transient()))
      assert.strictEqual(Exit.isFailure(exit) && String(exit.cause), String(cause))
      assert.isUndefined(Exit.isFailure(exit) ? RetryPolicy.spent(exit.cause) : undefined)
    }
    assert.strictEqual(attempts, causes.length)
  })

  it.sim("goes on for as long as it has to", function*() {
    let attempts = 0
    const error = make("WSAECONNREFUSED")
    const effect = Effect.suspend(() => ++attempts > 20_000 ? Effect.succeed("done") : Effect.fail(error))
    assert.strictEqual(yield* RetryPolicy.retry(effect, refused), "done")
  })

  it.sim("says in the current span what it does, and makes none itself", function*() {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const { effect } = failing(["WSAECONNREFUSED", "WSAECONNREFUSED", "WSAETIMEDOUT"])
    const policy = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.spaced(20) })
    yield* RetryPolicy.retry(effect, policy).pipe(Effect.ignore, Effect.withSpan("connect"), Effect.withTracer(tracer))
    assert.deepStrictEqual(spans.map(({ name }) => name), ["connect"])
    assert.deepStrictEqual(spans[0]!.events.map(([name, , attributes]) => [name, attributes]), [
      ["retry", { "error.type": "WSAECONNREFUSED", "retry.attempt": 2, "retry.delay": 20 }],
      ["retry", { "error.type": "WSAECONNREFUSED", "retry.attempt": 3, "retry.delay": 20 }],
      ["retry.stopped", {
        "error.type": "WSAETIMEDOUT",
        "retry.attempts": 3,
        "retry.elapsed": 40,
        "retry.reason": "no entry"
      }]
    ])
  })
})

describe("budgets", () => {
  /** First tries that all fail, of a policy that would retry each of them three times. */
  const tries = (n: number, destination?: RetryPolicy.Destination) =>
    Effect.suspend(() => {
      const { effect, seen } = failing(times(10 * n, "WSAECONNREFUSED"))
      const stubborn = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.recurs(3) })
      return RetryPolicy.retry(effect, stubborn, { destination }).pipe(
        Effect.exit,
        Effect.replicateEffect(n),
        Effect.map((exits) => ({ attempts: seen.length, last: exits.at(-1)! }))
      )
    })

  it.sim("give one retry for five first tries, and a reserve of ten seconds' worth", function*() {
    const budget = RetryPolicy.layerBudget({ percent: 20, minPerSecond: 2 })
    yield* Effect.gen(function*() {
      assert.strictEqual((yield* tries(4)).attempts, 4 + 12)
      // 20 of the reserve, 20 of a hundred first tries
      assert.strictEqual((yield* tries(96)).attempts, 96 + 40 - 12)
      assert.strictEqual(yield* RetryPolicy.balance(""), 0)
      yield* Effect.sleep("11 seconds")
      assert.strictEqual(yield* RetryPolicy.balance(""), 20)
      assert.strictEqual((yield* tries(10)).attempts, 10 + 22)
    }).pipe(Effect.provide(budget))
  })

  it.sim("say so when it is they who end the retries", function*() {
    const { attempts, last } = yield* tries(6, "db:5432").pipe(
      Effect.provide(RetryPolicy.layerBudget({ percent: 20, minPerSecond: 0 }))
    )
    assert.strictEqual(attempts, 7)
    if (Exit.isSuccess(last)) return assert.fail("succeeded")
    assert.deepStrictEqual(RetryPolicy.spent(last.cause), {
      attempts: 1,
      elapsed: Duration.zero,
      reason: "budget",
      destination: "db:5432"
    })
    assert.strictEqual(Cause.squash(last.cause) instanceof WsaError.WSAECONNREFUSED, true)
  })

  it.sim("are one for each destination, or for each key", function*() {
    const none = RetryPolicy.layerBudget({ percent: 0, minPerSecond: 0.2 })
    const byHost = RetryPolicy.layerBudget({
      percent: 0,
      minPerSecond: 0.2,
      key: (to) => typeof to === "string" ? to.split(":")[0]! : ""
    })
    const all = Effect.all([tries(1, "a:1"), tries(1, "a:2"), tries(1, "b:1"), tries(1, "a:1")])
    const attempts = (budget: Layer.Layer<never>) =>
      Effect.map(all, (each) => each.map(({ attempts }) => attempts)).pipe(Effect.provide(budget))
    assert.deepStrictEqual(yield* attempts(none), [3, 3, 3, 1])
    assert.deepStrictEqual(yield* attempts(byHost), [3, 1, 3, 1])
    assert.deepStrictEqual(yield* attempts(Layer.empty), [4, 4, 4, 4])
  })

  it.sim("know an address by what it is, however it was made", function*() {
    const [a, b] = [
      SocketAddress.fromInputUnsafe("10.0.0.1:80"),
      SocketAddress.fromInputUnsafe({
        address: "10.0.0.1",
        port: 80
      })
    ]
    const attempts = Effect.all([tries(1, a), tries(1, b)]).pipe(
      Effect.provide(RetryPolicy.layerBudget({ percent: 0, minPerSecond: 0.3 }))
    )
    assert.deepStrictEqual((yield* attempts).map(({ attempts }) => attempts), [4, 1])
  })

  it.sim("of gRPC: retries while more than half of the tokens are left, and successes give them back", function*() {
    yield* Effect.gen(function*() {
      assert.strictEqual((yield* tries(10)).attempts, 10 + 3)
      const succeed = RetryPolicy.retry(Effect.void, RetryPolicy.transient())
      // 13 failures have left none of 8; half of them are 4
      yield* Effect.replicateEffect(succeed, 9)
      assert.strictEqual(yield* RetryPolicy.balance(""), 1)
      assert.strictEqual((yield* tries(1)).attempts, 1)
      yield* Effect.replicateEffect(succeed, 1000)
      assert.strictEqual(yield* RetryPolicy.balance(""), 4)
      assert.strictEqual((yield* tries(10)).attempts, 10 + 3)
    }).pipe(Effect.provide(RetryPolicy.layerThrottle({ maxTokens: 8, tokenRatio: 0.5 })))
  })

  it.sim("of gRPC: half of the tokens are not enough", function*() {
    const attempts = (maxTokens: number) =>
      Effect.map(tries(1), ({ attempts }) => attempts).pipe(Effect.provide(RetryPolicy.layerThrottle({ maxTokens })))
    assert.strictEqual(yield* attempts(2), 1)
    assert.strictEqual(yield* attempts(4), 2)
    assert.strictEqual(yield* attempts(5), 3)
  })

  it.sim("of gRPC: do not count what the policy has no entry for", function*() {
    const policy = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.forever })
    const other: Effect.Effect<never, WsaError.WSAECONNREFUSED | WsaError.WSAEACCES> = Effect.fail(make("WSAEACCES"))
    yield* Effect.gen(function*() {
      yield* Effect.replicateEffect(Effect.exit(RetryPolicy.retry(other, policy)), 10)
      assert.strictEqual(yield* RetryPolicy.balance(""), 5)
    }).pipe(Effect.provide(RetryPolicy.layerThrottle()))
  })

  it("refuse what makes no sense", () => {
    assert.throws(() => RetryPolicy.layerBudget({ percent: -1 }), RangeError, "percent")
    assert.throws(() => RetryPolicy.layerBudget({ minPerSecond: Number.NaN }), RangeError, "minPerSecond")
    assert.throws(() => RetryPolicy.layerBudget({ ttl: "61 seconds" }), RangeError, "ttl")
    assert.throws(() => RetryPolicy.layerThrottle({ maxTokens: 0 }), RangeError, "maxTokens")
    assert.throws(() => RetryPolicy.layerThrottle({ maxTokens: 1001 }), RangeError, "maxTokens")
    assert.throws(() => RetryPolicy.layerThrottle({ tokenRatio: 0 }), RangeError, "tokenRatio")
  })

  it("are never exceeded, over any window, whatever happens when", () => {
    for (let seed = 0; seed < runs; seed++) {
      const luck = luckOf(seed)
      const ttl = 1000 + Math.floor(luck() * 59_000)
      const minPerSecond = luck() < 0.3 ? 0 : luck() * 5
      const percent = luck() < 0.2 ? 0 : luck() * 2
      const account = RetryBudget.windowed({ ttl, minPerSecond, percent })
      const requests: Array<number> = []
      const retries: Array<number> = []
      const within = (times: ReadonlyArray<number>, from: number, to: number) =>
        times.filter((at) => at > from && at <= to).length
      let now = luck() * 1e9
      for (let i = 0; i < 400; i++) {
        now += luck() < 0.6 ? 0 : luck() < 0.9 ? luck() * ttl / 20 : luck() * 1.5 * ttl
        if (luck() < 0.4) {
          account.request(now)
          requests.push(now)
          continue
        }
        const balance = account.balance(now)
        assert.strictEqual(account.withdraw(now), balance >= 1)
        assert.isAtLeast(balance, 0)
        if (balance < 1) continue
        retries.push(now)
        // a first try is remembered for its time, and at most a tenth longer
        const allowed = minPerSecond * ttl / 1000 + percent * within(requests, now - 1.1 * ttl - 1, now)
        assert.isAtMost(within(retries, now - ttl, now), allowed + 1e-6, `seed ${seed}`)
      }
      if (minPerSecond === 0) assert.isAtMost(retries.length, percent * requests.length + 1e-6, `seed ${seed}`)
    }
  })

  it("let through all that they promise, as long as it is there", () => {
    for (let seed = 0; seed < runs; seed++) {
      const luck = luckOf(seed)
      const percent = Math.floor(1 + luck() * 300) / 100
      const account = RetryBudget.windowed({ ttl: 10_000, minPerSecond: 0, percent })
      const requests = Math.floor(luck() * 1000)
      for (let i = 0; i < requests; i++) account.request(i)
      let retries = 0
      while (account.withdraw(9000)) retries++
      assert.strictEqual(retries, Math.floor(Math.round(percent * 100) * requests / 100))
    }
  })

  it("forget a destination that has not been used for a while", () => {
    let made = 0
    const accounts = RetryBudget.accounts(() => {
      made++
      return RetryBudget.windowed({ ttl: 1000, minPerSecond: 1, percent: 1 })
    }, 1000)
    accounts("a", 0).request(0)
    accounts("b", 500).request(500)
    accounts("a", 900)
    assert.strictEqual(made, 2)
    // b's has something in it still; a's has not
    accounts("b", 1400)
    accounts("a", 1400)
    accounts("b", 1400)
    assert.strictEqual(made, 3)
  })
})

describe("breaker", () => {
  const ended = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.match(effect, { onSuccess: () => "connected", onFailure: ({ _tag }): string => _tag })

  const asking = (code: WsaError.Code | undefined, endpoint = "db:5432") =>
    ended(RetryPolicy.breaker(code === undefined ? Effect.void : Effect.fail(make(code)), endpoint))

  const state = (endpoint = "db:5432") => RetryPolicy.Breaker.use((breaker) => breaker.state(endpoint))

  it.sim("opens after five transient failures in a row, for 5 s, 10 s, 20 s … up to a minute", function*() {
    yield* Effect.gen(function*() {
      for (let i = 0; i < 5; i++) {
        assert.strictEqual(yield* state(), "Closed")
        assert.strictEqual(yield* asking("WSAETIMEDOUT"), "WSAETIMEDOUT")
      }
      for (const seconds of [5, 10, 20, 40, 60, 60]) {
        assert.strictEqual(yield* state(), "Open")
        const error = yield* Effect.flip(RetryPolicy.breaker(Effect.void, "db:5432"))
        assert.strictEqual(Duration.toSeconds(error.retryAfter!), seconds)
        yield* Effect.sleep(Duration.millis(seconds * 1000 - 1))
        assert.strictEqual(yield* asking(undefined), "BreakerOpen")
        yield* Effect.sleep(1)
        assert.strictEqual(yield* asking("WSAECONNREFUSED"), "WSAECONNREFUSED")
      }
      yield* Effect.sleep("1 minute")
      assert.strictEqual(yield* asking(undefined), "connected")
      assert.strictEqual(yield* state(), "Closed")
    }).pipe(Effect.provide(RetryPolicy.layerBreaker()))
  })

  it.sim("counts only transient codes: others neither open it nor speak for the endpoint", function*() {
    yield* Effect.gen(function*() {
      for (const [code, { retryClass }] of Object.entries(WsaError.table)) {
        if (retryClass !== "transient") yield* Effect.replicateEffect(asking(code as WsaError.Code), 2)
      }
      assert.strictEqual(yield* state(), "Closed")
      yield* asking("WSAECONNREFUSED")
      yield* asking("WSAEACCES")
      yield* asking("WSAECONNREFUSED")
      assert.strictEqual(yield* state(), "Open")
      yield* Effect.sleep("5 seconds")
      yield* asking("WSAEACCES")
      assert.strictEqual(yield* state(), "HalfOpen")
      yield* asking(undefined)
      assert.strictEqual(yield* state(), "Closed")
    }).pipe(Effect.provide(RetryPolicy.layerBreaker({ failures: 2 })))
  })

  it.sim("is reset by a success, and is one for each endpoint", function*() {
    yield* Effect.gen(function*() {
      yield* asking("WSAECONNREFUSED")
      yield* asking(undefined)
      yield* asking("WSAECONNREFUSED")
      yield* asking("WSAECONNREFUSED", "db:5433")
      assert.strictEqual(yield* state(), "Closed")
      yield* asking("WSAECONNREFUSED")
      assert.strictEqual(yield* state(), "Open")
      assert.strictEqual(yield* state("db:5433"), "Closed")
    }).pipe(Effect.provide(RetryPolicy.layerBreaker({ failures: 2 })))
  })

  it.sim("lets one through to see, and tells the others so; one that is interrupted lets another", function*() {
    yield* Effect.gen(function*() {
      yield* asking("WSAECONNREFUSED")
      yield* Effect.sleep("5 seconds")
      const probe = yield* Effect.forkChild(RetryPolicy.breaker(Effect.never, "db:5432"), { startImmediately: true })
      const error = yield* Effect.flip(RetryPolicy.breaker(Effect.void, "db:5432"))
      assert.isTrue(error.probing)
      assert.include(error.message, "somebody else is trying")
      yield* Fiber.interrupt(probe)
      assert.strictEqual(yield* asking(undefined), "connected")
    }).pipe(Effect.provide(RetryPolicy.layerBreaker({ failures: 1 })))
  })

  it.sim("does not take the rejection of another breaker within for its own", function*() {
    yield* Effect.gen(function*() {
      const inner = yield* CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1), openDuration: "1 minute" })
      const guarded = Effect.fail(make("WSAECONNREFUSED")).pipe(inner.execute({ key: "inner" }))
      yield* Effect.flip(guarded)
      assert.strictEqual(yield* ended(RetryPolicy.breaker(guarded, "outer")), "CircuitBreakerError")
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.merge(RetryPolicy.layerBreaker(), CircuitBreaker.layerStoreMemory()))
    )
  })

  it.sim("tells what it does", function*() {
    yield* Effect.gen(function*() {
      const { transitions } = yield* RetryPolicy.Breaker
      const seen = yield* transitions.pipe(
        Stream.take(3),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* asking("WSAECONNREFUSED")
      yield* Effect.sleep("5 seconds")
      yield* asking(undefined)
      assert.deepStrictEqual(yield* Fiber.join(seen), [
        { endpoint: "db:5432", from: "Closed", to: "Open" },
        { endpoint: "db:5432", from: "Open", to: "HalfOpen" },
        { endpoint: "db:5432", from: "HalfOpen", to: "Closed" }
      ])
    }).pipe(Effect.provide(RetryPolicy.layerBreaker({ failures: 1 })))
  })

  it.sim("fails with what is no Winsock error, and crosses JSON", function*() {
    const error = new RetryPolicy.BreakerOpen({ endpoint: "db", probing: false, retryAfter: Duration.seconds(1.5) })
    const codec = Schema.toCodecJson(RetryPolicy.BreakerOpen)
    const back = yield* Schema.decodeEffect(codec)(yield* Schema.encodeEffect(codec)(error))
    assert.deepStrictEqual(back, error)
    assert.isFalse(WsaError.isWsaError(error))
    assert.isFalse("retryClass" in error)
    assert.deepStrictEqual(story(RetryPolicy.transient(), ["BreakerOpen"]), ["no entry"])
    assert.strictEqual(error.message, "no attempt was made at db: its breaker is open for another 1s 500ms")
  })
})

describe("step", () => {
  it("is pure: what was asked can be asked again, and goes on from there in several ways", () => {
    const policy = RetryPolicy.transient({ attempts: 10 })
    const first = RetryPolicy.step(policy, "WSAECONNREFUSED", 0, { seed: 7 })
    assert.deepStrictEqual(RetryPolicy.step(policy, "WSAECONNREFUSED", 0, { seed: 7 }), first)
    if (first._tag === "Stop") return assert.fail("stopped")
    const one = RetryPolicy.step(first.progress, "WSAECONNREFUSED", 500)
    const other = RetryPolicy.step(first.progress, "WSAENOBUFS", 500)
    assert.deepStrictEqual(RetryPolicy.step(first.progress, "WSAECONNREFUSED", 500), one)
    assert.notDeepEqual(one, other)
    assert.strictEqual(first.progress.failures.length, 1)
  })

  it.sim("foresees what a retry does with the same luck", function*() {
    const codes = ["WSAECONNREFUSED", "WSAETIMEDOUT", "WSAENOBUFS", "WSAECONNREFUSED", "WSATRY_AGAIN"] as const
    for (let seed = 0; seed < runs; seed++) {
      const policy = RetryPolicy.transient({
        schedule: seed % 2 === 0 ? RetryPolicy.decorrelatedJitter() : RetryPolicy.connectionBackoff(),
        attempts: 10
      })
      const began = yield* Clock.currentTimeMillis
      const { effect, seen } = failing(codes)
      yield* RetryPolicy.retry(effect, policy).pipe(Random.withSeed(seed))
      const told = numbers(story(policy, codes, { seed }))
      let at = 0
      told.forEach((delay, i) => {
        at += delay
        assert.closeTo(seen[i + 1]!.startedAt - began, at, 2, `seed ${seed}`)
      })
    }
  })
})

describe("format", () => {
  it("has a row for each code and class, and the limits", () => {
    const policy = RetryPolicy.transient({ attempts: 3 }).pipe(
      RetryPolicy.merge(
        RetryPolicy.byCode({ WSAEACCES: Schedule.spaced("90 seconds"), WSAECONNRESET: Schedule.recurs(1) })
      )
    )
    assert.deepStrictEqual(RetryPolicy.format(policy, { attempts: 3 }).split("\n"), [
      "WSAEACCES          1m 30s        1m 30s        …",
      "WSAECONNRESET      at once       stop",
      "transient          100ms–300ms   100ms–900ms   …",
      "lookup-transient   80ms–120ms    80ms–120ms    …",
      "resource           800ms–1.2s    1.6s–2.4s     …",
      "at most 3 attempts",
      "no attempt begins after 30s"
    ])
  })

  it("has only rows that can be reached", () => {
    const one = RetryPolicy.byCode({ WSAETIMEDOUT: Schedule.recurs(0) })
    assert.strictEqual(RetryPolicy.format(one), "WSAETIMEDOUT   stop")
    assert.strictEqual(RetryPolicy.format(RetryPolicy.never), "")
  })
})
