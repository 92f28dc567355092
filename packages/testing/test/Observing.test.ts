/**
 * What a pipeline does, as events: in the simulated network, so that every time is exact.
 */
import { Connector, type ConnectorEvent, RetryPolicy, SocketAddress, Winsock, WsaError } from "@effect-winsock/core"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Data, Effect, Exit, Fiber, Option, References, Result, Schedule, Stream } from "effect"
import { Dice } from "./utils/dice.ts"

type Event = ConnectorEvent.ConnectorEvent

const address = SocketAddress.fromInputUnsafe
const candidates = (...addresses: ReadonlyArray<string>): Connector.Candidates => ({
  _tag: "Candidates",
  origin: undefined,
  addresses: addresses.map(address)
})

/** An event in a line: its time and tag, and of what it is. */
const line = (event: Event): string => {
  const { attempt, round } = { attempt: undefined, round: undefined, ...event }
  return [
    event.time,
    event._tag,
    ...(round === undefined ? [] : [`r${round}`]),
    ...(attempt === undefined ? [] : [`a${attempt}`]),
    ...("within" in event ? [`in a${event.within}`] : []),
    ...("failure" in event ? [event.failure.code] : []),
    ...("delay" in event ? [event.delay] : [])
  ].join(" ")
}

/** Keeps the lines of what is observed. */
const writing = () => {
  const lines: Array<string> = []
  return { lines, tap: (event: Event) => Effect.sync(() => lines.push(line(event))) }
}

const listening = (at: SocketAddress.Input) =>
  Effect.gen(function*() {
    const listener = yield* Winsock.socket({
      family: SocketAddress.familyOf(SocketAddress.fromInputUnsafe(at)),
      type: "stream"
    })
    yield* Winsock.bind(listener, at)
    yield* Winsock.listen(listener)
    return listener
  })

const [dead, alive, closed] = ["[2001:db8::1]:80", "127.0.0.1:80", "127.0.0.1:81"] as const

const world = Effect.gen(function*() {
  const net = yield* SimNetwork.SimNetwork
  net.blackhole(address(dead))
  yield* listening(alive)
  return net
})

const scoped = <A, E, R>(self: Effect.Effect<A, E, R>) => self.pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))

describe("the events of a pipeline", () => {
  it.sim("RFC 8305: a race tells of each attempt when it begins, when it is through, and of those it cancels", () =>
    scoped(Effect.gen(function*() {
      yield* world
      const { lines, tap } = writing()
      const connector = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.tapEvents(tap))
      yield* connector.connect(candidates(dead, alive))
      assert.deepStrictEqual(lines, [
        "0 Began",
        "0 AttemptBegan r1 a1",
        "0 SocketOpened r1 a1",
        "250 AttemptBegan r1 a2",
        "250 SocketOpened r1 a2",
        "250 Connected r1 a2",
        "250 AttemptWon r1 a2",
        "250 AttemptLost r1 a1",
        "250 Succeeded"
      ])
    })))

  it.sim("a connect without a race has one attempt, with all of its steps in it", () =>
    scoped(Effect.gen(function*() {
      yield* world
      const { lines, tap } = writing()
      const slowly = Connector.make((target: Connector.EndpointInput) =>
        Effect.delay(Connector.winsock.connect(target), 5).pipe(Effect.tap(Effect.sleep(10)))
      )
      yield* slowly.pipe(Connector.tapEvents(tap), Connector.connect(alive))
      assert.deepStrictEqual(lines, [
        "0 Began",
        "5 AttemptBegan r1 a1",
        "5 SocketOpened r1 a1",
        "5 Connected r1 a1",
        "15 AttemptWon r1 a1",
        "15 Succeeded"
      ])
    })))

  it.sim("each round of a retry has attempts of its own, and says how long it waits", () =>
    scoped(Effect.gen(function*() {
      const { lines, tap } = writing()
      const connector = Connector.winsock.pipe(
        Connector.retry(
          RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 2 })) })
        ),
        Connector.tapEvents(tap)
      )
      yield* Effect.flip(connector.connect(closed))
      assert.deepStrictEqual(lines, [
        "0 Began",
        "0 AttemptBegan r1 a1",
        "0 SocketOpened r1 a1",
        "0 AttemptFailed r1 a1 WSAECONNREFUSED",
        "0 RetryScheduled r1 WSAECONNREFUSED 100",
        "100 AttemptBegan r2 a2",
        "100 SocketOpened r2 a2",
        "100 AttemptFailed r2 a2 WSAECONNREFUSED",
        "100 RetryScheduled r2 WSAECONNREFUSED 200",
        "300 AttemptBegan r3 a3",
        "300 SocketOpened r3 a3",
        "300 AttemptFailed r3 a3 WSAECONNREFUSED",
        "300 RetryStopped r3 WSAECONNREFUSED",
        "300 Failed WSAECONNREFUSED"
      ])
    })))

  it.sim("two observers see the same attempts under the same numbers, each of them its own pipeline", () =>
    scoped(Effect.gen(function*() {
      yield* world
      const [inner, outer] = [writing(), writing()]
      const connector = Connector.winsock.pipe(
        Connector.tapEvents(inner.tap),
        Connector.happyEyeballs(),
        Connector.tapEvents(outer.tap)
      )
      yield* connector.connect(candidates(closed, alive))
      assert.deepStrictEqual(inner.lines, [
        "0 Began",
        "0 SocketOpened r1 a1",
        "0 Failed WSAECONNREFUSED",
        "0 Began",
        "0 SocketOpened r1 a2",
        "0 Connected r1 a2",
        "0 Succeeded"
      ])
      assert.deepStrictEqual(outer.lines, [
        "0 Began",
        "0 AttemptBegan r1 a1",
        "0 SocketOpened r1 a1",
        "0 AttemptFailed r1 a1 WSAECONNREFUSED",
        "0 AttemptBegan r1 a2",
        "0 SocketOpened r1 a2",
        "0 Connected r1 a2",
        "0 AttemptWon r1 a2",
        "0 Succeeded"
      ])
    })))

  it.sim("an attempt that is retried within a race is told as a part of the race's", () =>
    scoped(Effect.gen(function*() {
      const { lines, tap } = writing()
      const connector = Connector.winsock.pipe(
        Connector.retry(RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.recurs(1) })),
        Connector.happyEyeballs(),
        Connector.tapEvents(tap)
      )
      yield* Effect.flip(connector.connect(candidates(closed)))
      assert.deepStrictEqual(lines.filter((each) => each.includes("AttemptBegan")), [
        "0 AttemptBegan r1 a1",
        "0 AttemptBegan r1 a2 in a1",
        "0 AttemptBegan r2 a3 in a1"
      ])
    })))

  it.sim("a time-out of an attempt is its failure, one of everything cancels it", () =>
    scoped(Effect.gen(function*() {
      yield* world
      const [attempt, whole, rounds] = [writing(), writing(), writing()]
      yield* Connector.winsock.pipe(
        Connector.attemptTimeout("1 second"),
        Connector.happyEyeballs(),
        Connector.tapEvents(attempt.tap),
        Connector.connect(candidates(dead)),
        Effect.flip
      )
      assert.deepStrictEqual(attempt.lines.slice(-2), [
        "1000 AttemptFailed r1 a1 WSAETIMEDOUT",
        "1000 Failed WSAETIMEDOUT"
      ])
      yield* Connector.winsock.pipe(
        Connector.happyEyeballs(),
        Connector.timeout("1 second"),
        Connector.tapEvents(whole.tap),
        Connector.connect(candidates(dead)),
        Effect.flip
      )
      assert.deepStrictEqual(whole.lines.slice(-2), ["1000 AttemptLost r1 a1", "1000 Failed WSAETIMEDOUT"])
      yield* Connector.winsock.pipe(
        Connector.retry(RetryPolicy.transient()),
        Connector.timeout("1 second"),
        Connector.tapEvents(rounds.tap),
        Connector.connect(dead),
        Effect.flip
      )
      assert.deepStrictEqual(rounds.lines.slice(-2), ["1000 AttemptLost r1 a1", "1000 Failed WSAETIMEDOUT"])
    })))

  it.sim("an interruption is told, and then it is over", () =>
    scoped(Effect.gen(function*() {
      const net = yield* world
      const { lines, tap } = writing()
      const connector = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.tapEvents(tap))
      const fiber = yield* Effect.forkChild(Effect.scoped(connector.connect(candidates(dead))))
      yield* Effect.sleep(30)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      assert.deepStrictEqual(lines.slice(-2), ["30 AttemptLost r1 a1", "30 Interrupted"])
      assert.strictEqual(net.counts().attempts, 0)
    })))

  it("an interruption that comes before it has begun is waited for by nobody", () => {
    const connector = Connector.winsock.pipe(Connector.tapEvents(() => Effect.void))
    for (let steps = 12; steps < 60; steps++) {
      for (let turns = 0; turns < 6; turns++) {
        const program = Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(
            Effect.provideService(Effect.scoped(connector.connect(closed)), References.MaxOpsBeforeYield, steps)
          )
          for (let i = 0; i < turns; i++) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
        })
        assert.strictEqual(Sim.run(scoped(program)).ended, "done", `${steps} steps, ${turns} turns`)
      }
    }
  })

  it.sim("what is no failure is told as a defect, of the attempt and of the pipeline", () =>
    scoped(Effect.gen(function*() {
      const { lines, tap } = writing()
      const broken = Connector.winsock.pipe(
        Connector.hook(() => Effect.die(new Error("oops"))),
        Connector.tapEvents(tap)
      )
      const exit = yield* Effect.exit(broken.connect(alive))
      assert.isTrue(Exit.hasDies(exit))
      assert.deepStrictEqual(lines.slice(-2), ["0 AttemptFailed r1 a1 Defect", "0 Failed Defect"])
    })))

  it.sim("a connection of a pool that is used again is told, and is no attempt", () =>
    scoped(Effect.gen(function*() {
      yield* world
      const { lines, tap } = writing()
      const pool = yield* Connector.pooled(Connector.winsock)
      const connector = pool.pipe(Connector.limit(1), Connector.tapEvents(tap))
      const once = Effect.scoped(Effect.andThen(connector.connect(alive), Effect.sleep(7)))
      yield* once
      lines.length = 0
      yield* Effect.scoped(connector.connect(alive))
      assert.deepStrictEqual(lines, ["0 Began", "0 Queued r1", "0 Admitted r1", "0 PoolHit r1", "0 Succeeded"])
    })))

  it.sim("waiting for one's turn is told, and its end", () =>
    scoped(Effect.gen(function*() {
      const { lines, tap } = writing()
      const connector = Connector.winsock.pipe(
        Connector.hook(() => Effect.sleep(20)),
        Connector.limit(1),
        Connector.tapEvents(tap)
      )
      yield* Effect.forEach([closed, closed], (target) => Effect.exit(connector.connect(target)), { concurrency: 2 })
      assert.deepStrictEqual(lines.filter((each) => / (Queued|Admitted|Failed)/.test(each)), [
        "0 Queued r1",
        "0 Admitted r1",
        "0 Queued r1",
        "20 Failed WSAECONNREFUSED",
        "20 Admitted r1",
        "40 Failed WSAECONNREFUSED"
      ])
    })))

  it.sim("an error that is none of Winsock's is told by its message", () =>
    scoped(Effect.gen(function*() {
      class Odd extends Data.TaggedError("Odd")<{ readonly message: string; readonly stage: "tls" }> {}
      const failure = (error: unknown) =>
        Connector.make(() => Effect.fail(error)).pipe(
          Connector.events("somewhere"),
          Stream.filterMap((event) => event._tag === "Failed" ? Result.succeed(event.failure) : Result.failVoid),
          Stream.catch(() => Stream.empty),
          Stream.runHead,
          Effect.map(Option.getOrUndefined)
        )
      assert.deepStrictEqual(yield* failure(new Odd({ message: "Odd: it is", stage: "tls" })), {
        code: "Odd",
        stage: "tls",
        detail: "it is"
      })
      assert.deepStrictEqual(yield* failure(new RangeError("too far")), { code: "RangeError", detail: "too far" })
      assert.deepStrictEqual(yield* failure("plain"), { code: "Unknown", detail: "plain" })
      const at = { call: "WSAConnect", stage: "connect" } as const
      assert.deepStrictEqual(yield* failure(WsaError.make("WsaUnmapped", { ...at, code: "EODD" })), {
        code: "EODD",
        stage: "connect"
      })
      assert.deepStrictEqual(yield* failure(WsaError.make("WSAEACCES", { ...at, detail: "no" })), {
        code: "WSAEACCES",
        stage: "connect",
        detail: "no"
      })
    })))

  it.sim("no attempt is told where a breaker is open, but that it is", () =>
    scoped(Effect.gen(function*() {
      const { lines, tap } = writing()
      const connector = Connector.winsock.pipe(Connector.circuitBreaker, Connector.tapEvents(tap))
      yield* Effect.flip(connector.connect(closed))
      lines.length = 0
      yield* Effect.flip(connector.connect(closed))
      assert.deepStrictEqual(lines, ["0 Began", "0 BreakerRefused r1", "0 Failed BreakerOpen"])
    })).pipe(Effect.provide(RetryPolicy.layerBreaker({ failures: 1 }))))
})

describe("who observes", () => {
  it.sim("holds up the end of a connect and nothing else where it is slow, and misses nothing", () =>
    scoped(Effect.gen(function*() {
      yield* world
      const { lines, tap } = writing()
      const slow = (event: Event) => Effect.andThen(Effect.sleep(100), tap(event))
      const connector = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.tapEvents(slow))
      const before = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      yield* connector.connect(candidates(dead, alive))
      const after = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      assert.strictEqual(lines.length, 9)
      assert.deepStrictEqual(lines.slice(-2), ["250 AttemptLost r1 a1", "250 Succeeded"])
      assert.strictEqual(after - before, 900)
    })))

  it.sim("fails a connect that goes well, and what that has opened is closed", () =>
    scoped(Effect.gen(function*() {
      const net = yield* world
      const held = net.counts().handles
      const connector = (at: Event["_tag"]) =>
        Connector.winsock.pipe(
          Connector.happyEyeballs(),
          Connector.tapEvents((event) => event._tag === at ? Effect.fail(`told ${at}`) : Effect.void)
        )
      for (const at of ["Began", "AttemptBegan", "Connected", "Succeeded"] as const) {
        assert.strictEqual(yield* Effect.flip(connector(at).connect(candidates(alive))), `told ${at}`)
        assert.strictEqual(net.counts().handles, held)
      }
    })))

  it.sim("ends a connect at once that would have taken long", () =>
    scoped(Effect.gen(function*() {
      const net = yield* world
      const connector = Connector.winsock.pipe(
        Connector.happyEyeballs(),
        Connector.tapEvents((event) => event._tag === "SocketOpened" ? Effect.die("oops") : Effect.void)
      )
      const before = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      const exit = yield* Effect.exit(connector.connect(candidates(dead)))
      assert.isTrue(Exit.hasDies(exit))
      assert.strictEqual(yield* Effect.clockWith((clock) => clock.currentTimeMillis), before)
      assert.strictEqual(net.counts().attempts, 0)
    })))

  it.sim("can give itself a time-out, also while the connect is interrupted", () =>
    scoped(Effect.gen(function*() {
      yield* world
      const told: Array<string> = []
      const connector = Connector.winsock.pipe(Connector.tapEvents((event) =>
        Effect.never.pipe(Effect.timeoutOrElse({
          duration: 10,
          orElse: () => Effect.sync(() => told.push(event._tag))
        }))
      ))
      const fiber = yield* Effect.forkChild(Effect.scoped(connector.connect(dead)))
      yield* Effect.sleep(100)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(told, ["Began", "AttemptBegan", "SocketOpened", "AttemptLost", "Interrupted"])
    })))

  it.sim("gives a stream its end with the connect's, and its failure", () =>
    scoped(Effect.gen(function*() {
      const net = yield* world
      const held = net.counts().handles
      const seen: Array<string> = []
      const watch = (target: string) =>
        Connector.events(Connector.winsock, target).pipe(
          Stream.runForEach((event) => Effect.sync(() => seen.push(event._tag)))
        )
      yield* watch(alive)
      assert.strictEqual(seen.at(-1), "Succeeded")
      assert.strictEqual(net.counts().handles, held)
      const error = yield* Effect.flip(watch(closed))
      assert.strictEqual(error._tag, "WSAECONNREFUSED")
      assert.strictEqual(seen.at(-1), "Failed")
      const [first] = yield* Connector.events(Connector.winsock, dead).pipe(Stream.take(1), Stream.runCollect)
      assert.strictEqual(first!._tag, "Began")
      assert.strictEqual(net.counts().attempts, 0)
    })))

  it.sim("leaves nothing of 10,000 connects", () =>
    scoped(Effect.gen(function*() {
      const net = yield* SimNetwork.SimNetwork
      const listener = yield* listening(alive)
      yield* Effect.scoped(Winsock.accept(listener)).pipe(Effect.forever, Effect.forkScoped)
      const held = net.counts().handles
      let events = 0
      let numbers = 0
      const connector = Connector.winsock.pipe(
        Connector.tapEvents((event) =>
          Effect.sync(() => {
            events++
            if (event._tag === "Began") numbers += event.pipeline
          })
        )
      )
      yield* Effect.forEach(
        Array.from({ length: 10_000 }, (_, i) => i % 2 === 0 ? alive : closed),
        (target) => Effect.ignore(Effect.scoped(connector.connect(target))),
        { concurrency: 20 }
      )
      assert.strictEqual(events, 5_000 * (6 + 5))
      assert.strictEqual(numbers, (10_000 * 10_001) / 2)
      assert.deepStrictEqual([net.counts().handles, net.counts().attempts], [held, 0])
    })), { test: { timeout: 120_000 } })
})

describe("an observed connect", () => {
  const roads = ["[2001:db8::1]:80", "[2001:db8::2]:80", "127.0.0.1:80", "127.0.0.1:81", "127.0.0.3:80"] as const

  /** It begins once, ends once, and so does each of its attempts; time does not go back. */
  const isWhole = (events: ReadonlyArray<Event>) => {
    const tags = events.map(({ _tag }) => _tag)
    assert.strictEqual(tags[0], "Began")
    assert.match(tags.at(-1)!, /^(Succeeded|Failed|Interrupted)$/)
    assert.lengthOf(tags.filter((tag) => /^(Began|Succeeded|Failed|Interrupted)$/.test(tag)), 2)
    const attempts = (pattern: RegExp) =>
      events.flatMap((event) => pattern.test(event._tag) && "attempt" in event ? [event.attempt] : [])
    const begun = attempts(/^AttemptBegan$/)
    assert.deepStrictEqual(begun, begun.map((_, i) => i + 1))
    assert.deepStrictEqual(attempts(/^Attempt(Won|Failed|Lost)$/).toSorted((a, b) => a! - b!), begun)
    for (const [i, { time }] of events.entries()) assert.isAtLeast(time, events[i - 1]?.time ?? 0)
  }

  /** What came of it and when: an error with its attempts, or whom it is connected to. */
  const outcome = (seed: number, isObserved: boolean) => {
    const dice = new Dice(seed)
    const draw = (below: number) => dice.below(below)
    const addresses = roads.filter(() => draw(2) === 0)
    const blackHoles = roads.filter(() => draw(3) === 0)
    const attempt = draw(2) === 0 ? Connector.winsock : Connector.attemptTimeout(Connector.winsock, 50 + draw(1000))
    const raced = Connector.happyEyeballs(attempt)
    const retried = draw(2) === 0 ? raced : Connector.retry(raced, RetryPolicy.transient({ attempts: 2 }))
    const whole = Connector.timeout(retried, 200 + draw(4000))
    const events: Array<Event> = []
    const keep = (event: Event) => Effect.sync(() => events.push(event))
    const connector = isObserved ? whole.pipe(Connector.telemetry(), Connector.tapEvents(keep)) : whole
    const interruption = draw(4) === 0 ? draw(1500) : undefined
    const program = Effect.gen(function*() {
      const net = yield* SimNetwork.SimNetwork
      yield* listening("127.0.0.1:80")
      for (const road of blackHoles) net.blackhole(address(road))
      const held = net.counts().handles
      const connect = Effect.scoped(Effect.map(connector.connect(candidates(...addresses)), ({ remote }) => remote))
      const fiber = yield* Effect.forkChild(connect)
      if (interruption !== undefined) yield* Effect.forkChild(Effect.delay(Fiber.interrupt(fiber), interruption))
      const exit = yield* Fiber.await(fiber)
      const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      assert.deepStrictEqual([net.counts().handles, net.counts().attempts], [held, 0])
      if (isObserved) isWhole(events)
      if (Exit.isSuccess(exit)) return [now, SocketAddress.format(exit.value), "[]"]
      const error = Option.getOrUndefined(Exit.findErrorOption(exit))
      return [now, error?._tag ?? "interrupted", JSON.stringify(error?.attempts ?? [])]
    })
    return Sim.getOrThrow(Sim.run(scoped(program), { seed }))
  }

  it("ends as it would have done, and when, whatever it meets", () => {
    const ends = new Set<unknown>()
    for (let seed = 0; seed < Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200); seed++) {
      const unobserved = outcome(seed, false)
      ends.add(unobserved[1])
      assert.deepStrictEqual(outcome(seed, true), unobserved, `seed ${seed}`)
    }
    for (
      const end of ["127.0.0.1:80", "WSAECONNREFUSED", "WSAENETUNREACH", "WSAETIMEDOUT", "WSANO_DATA", "interrupted"]
    ) {
      assert.isTrue(ends.has(end), end)
    }
  })
})
