import { Sim } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Deferred, Duration, Effect, Exit, Fiber, Option, Schedule } from "effect"

const reasonOf = <A, E>(report: Sim.Report<A, E>) => {
  if (Exit.isSuccess(report.exit)) return assert.fail("the run succeeded")
  const error = Option.getOrUndefined(Cause.findErrorOption(report.exit.cause))
  if (!(error instanceof Sim.SimError)) return assert.fail(`no SimError, but ${Cause.pretty(report.exit.cause)}`)
  return error.reason
}

describe("time", () => {
  it("jumps to the next timer: a year of sleeps, time-outs and retries in a moment", () => {
    const report = Sim.run(
      Effect.gen(function*() {
        yield* Effect.sleep("1 hour")
        const none = yield* Effect.timeoutOption(Effect.sleep("100 days"), "10 days")
        const flaky = Effect.fail("no").pipe(
          Effect.retry(Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 24 })))
        )
        const error = yield* Effect.flip(flaky)
        return { none, error, millis: yield* Clock.currentTimeMillis, nanos: yield* Clock.monotonicTimeNanos }
      }),
      { start: 0 }
    )
    const millis = 3_600_000 + 10 * 86_400_000 + (2 ** 24 - 1) * 1000
    assert.deepStrictEqual(
      report.exit,
      Exit.succeed({ none: Option.none(), error: "no", millis, nanos: BigInt(millis) * 1_000_000n })
    )
    assert.strictEqual(Duration.toMillis(report.elapsed), millis)
    assert.strictEqual(report.ended, "done")
  })
})

describe("time", () => {
  it("does not pass below a microsecond: what is shorter wakes at the next one", () => {
    const report = Sim.run(Effect.gen(function*() {
      const sim = yield* Sim.Sim
      const seen: Array<number> = []
      for (const duration of ["0 millis", "1 nanos", "1 micros", "1500 nanos", "300 micros"] as const) {
        yield* Effect.sleep(duration)
        seen.push(sim.now())
      }
      yield* Effect.sleep(0.1 + 0.2)
      return [...seen, sim.now()]
    }))
    assert.deepStrictEqual(report.exit, Exit.succeed([0, 1, 2, 4, 304, 604]))
  })

  it("wakes whoever is due at an instant in the order in which they went to sleep", () => {
    const report = Sim.run(Effect.gen(function*() {
      const woken: Array<number> = []
      const sleeper = (i: number, millis: number) =>
        Effect.sleep(millis).pipe(Effect.andThen(Effect.sync(() => woken.push(i))))
      yield* Effect.forEach([30, 10, 20, 10, 30, 10], (millis, i) => sleeper(i, millis), { concurrency: "unbounded" })
      return woken
    }))
    assert.deepStrictEqual(report.exit, Exit.succeed([1, 3, 5, 2, 0, 4]))
  })
})

describe("Engine", () => {
  it("runs tasks in the order of their times, of equals as scheduled; what is past is now, after what is ready", () => {
    const report = Sim.run(Effect.gen(function*() {
      const sim = yield* Sim.Sim
      const said: Array<string> = []
      const say = (text: string) => () => said.push(`${sim.now()} ${text}`)
      sim.at(20, say("b"))
      sim.at(10, () => {
        say("a")()
        sim.at(3, say("past"))
        sim.cancel(second)
      })
      sim.at(20, say("c"))
      const second = sim.at(10, say("called off in its own instant"))
      sim.cancel(sim.at(15, say("called off")))
      sim.cancel(sim.at(0, say("called off")))
      sim.at(0, say("now"))
      const ran = sim.at(1, say("first"))
      yield* Effect.sleep("1 milli")
      sim.cancel(ran)
      return said
    }))
    assert.deepStrictEqual(report.exit, Exit.succeed(["0 now", "1 first", "10 a", "10 past", "20 b", "20 c"]))
  })

  it("has luck of the seed and the entity only: asking for another, or drawing from it, changes nothing", () => {
    const drawn = (seed: number, others: ReadonlyArray<string>) =>
      Effect.runSync(
        Sim.run(
          Effect.map(Sim.Sim, (sim) => {
            for (const other of others) sim.luck(other).next()
            return Array.from({ length: 20 }, () => sim.luck("a > b").below(1_000_000))
          }),
          { seed }
        ).exit
      )
    assert.deepStrictEqual(drawn(1, []), drawn(1, ["c > d", "e > f"]))
    assert.notDeepEqual(drawn(1, []), drawn(2, []))
    assert.notDeepEqual(drawn(1, []), drawn(1, ["a > b"]))
  })

  it("draws evenly", () => {
    const report = Sim.run(Effect.map(Sim.Sim, (sim) => {
      const luck = sim.luck("dice")
      const counts = Array.from({ length: 10 }, () => 0)
      for (let i = 0; i < 100_000; i++) counts[luck.below(10)]!++
      return counts
    }))
    for (const count of Effect.runSync(report.exit)) assert.isBelow(Math.abs(count - 10_000), 500)
    assert.strictEqual(report.draws, 100_000)
  })

  it("puts what is noted into the hash: the kinds, the fields, their order and their values", () => {
    const noted = (...events: ReadonlyArray<Sim.Event>) =>
      Sim.run(Effect.map(Sim.Sim, (sim) => events.forEach((event) => sim.note(event)))).hash
    const hashes = [
      noted(),
      noted({ kind: "a" }),
      noted({ kind: "b" }),
      noted({ kind: "a" }, { kind: "b" }),
      noted({ kind: "b" }, { kind: "a" }),
      noted({ kind: "a", x: 1 }),
      noted({ kind: "a", x: 1.5 }),
      noted({ kind: "a", x: 2 ** 40 }),
      noted({ kind: "a", x: "1" }),
      noted({ kind: "a", x: true }),
      noted({ kind: "a", x: undefined }),
      noted({ kind: "a", y: 1 }),
      noted({ kind: "a", x: 1, y: 2 }),
      noted({ kind: "a", y: 2, x: 1 })
    ]
    assert.strictEqual(new Set(hashes).size, hashes.length)
    assert.strictEqual(noted({ kind: "a", x: 1 }), noted({ kind: "a", x: 1 }))
    assert.match(hashes[0]!, /^[0-9a-f]{16}$/)
  })
})

describe("the end", () => {
  it("reports a deadlock with each blocked fiber, its span, its call sites and since when", () => {
    const waiting = Effect.fn("waiting")(function*() {
      yield* Deferred.await(yield* Deferred.make<void>())
    })
    const report = Sim.run(Effect.gen(function*() {
      yield* Effect.forkChild(waiting())
      yield* Effect.sleep("10 millis")
      return yield* Effect.withSpan(Effect.never, "outer")
    }))
    assert.strictEqual(report.ended, "deadlock")
    const reason = reasonOf(report)
    if (reason._tag !== "Deadlock") return assert.fail(reason._tag)
    assert.deepStrictEqual(
      reason.blocked.map(({ fiber, since, span }) => ({ fiber, since, span })),
      [{ fiber: 1, since: 10_000, span: "outer" }, { fiber: 2, since: 0, span: "waiting" }]
    )
    assert.match(reason.blocked[1]!.sites[0]!, /^waiting .*Sim\.test\.ts:\d+:\d+/)
  })

  it("says of a deadlock with external work that a synchronous run has no host", () => {
    const reason = reasonOf(Sim.run(Sim.externally(Effect.never, "reading a file")))
    assert.strictEqual(reason._tag, "Deadlock")
    assert.match(reason.message, /the host is waited for\n  external work: reading a file/)
  })

  it("reports a livelock, of fibers that yield to each other and of one that never rests", () => {
    const pair = Effect.all([Effect.forever(Effect.yieldNow), Effect.forever(Effect.yieldNow)], { concurrency: 2 })
    const busy = Sim.run(Effect.andThen(Effect.sleep("3 millis"), pair), { maxStepsPerInstant: 5000 })
    assert.strictEqual(busy.ended, "livelock")
    const reason = reasonOf(busy)
    if (reason._tag !== "Livelock") return assert.fail(reason._tag)
    assert.strictEqual(reason.at, 3000)
    assert.strictEqual(reason.blocked.length, 3)
    assert.isAtMost(busy.steps, 5010)
    const loop = Sim.run(Effect.forever(Effect.void), { maxStepsPerInstant: 5000 })
    assert.strictEqual(loop.ended, "livelock")
  })

  it("ends a run at its limits of time and of steps", () => {
    const heartbeat = Effect.forever(Effect.sleep("1 second"))
    const late = Sim.run(heartbeat, { maxTime: "90 minutes" })
    assert.deepStrictEqual([late.ended, Duration.toMinutes(late.elapsed)], ["time limit", 90])
    assert.deepInclude(reasonOf(late), { _tag: "LimitReached", limit: "time limit", at: 5_400_000_000 })
    const long = Sim.run(heartbeat, { maxSteps: 1000 })
    assert.deepStrictEqual([long.ended, long.steps], ["step limit", 1000])
    assert.deepInclude(reasonOf(long), { _tag: "LimitReached", limit: "step limit" })
    assert.strictEqual(Sim.run(Effect.sleep("90 minutes"), { maxTime: "90 minutes" }).ended, "done")
  })

  it("runs finalizers of whatever it ends, and gives them time", () => {
    for (
      const [stuck, ended] of [
        [Effect.never, "deadlock"],
        [Effect.forever(Effect.void), "livelock"],
        [Effect.forever(Effect.sleep("1 second")), "time limit"]
      ] as const
    ) {
      const said: Array<string> = []
      const closing = (name: string) =>
        Effect.sleep("1 minute").pipe(Effect.andThen(Effect.sync(() => said.push(name))))
      const program = Effect.gen(function*() {
        yield* Effect.addFinalizer(() => closing("scope"))
        yield* Effect.forkDetach(Effect.onInterrupt(Effect.never, () => closing("detached")))
        return yield* Effect.onInterrupt(stuck, () => closing("root"))
      })
      const report = Sim.run(program, { maxTime: "1 hour", maxStepsPerInstant: 1000 })
      assert.deepStrictEqual([report.ended, said, report.leftovers], [ended, ["root", "scope", "detached"], []])
    }
  })

  it("says which fibers no interruption ends", () => {
    const report = Sim.run(Effect.uninterruptible(Effect.withSpan(Effect.never, "stubborn")))
    assert.strictEqual(report.ended, "deadlock")
    assert.lengthOf(report.leftovers, 1)
    assert.match(report.leftovers[0]!, /^did not end when it was interrupted: #1, span stubborn/)
  })

  it("dies of what a task throws that no fiber can catch", () => {
    const report = Sim.run(Effect.gen(function*() {
      const sim = yield* Sim.Sim
      sim.at(5, () => {
        throw new Error("in a task")
      })
      return yield* Effect.never
    }))
    assert.strictEqual(report.ended, "thrown")
    if (Exit.isSuccess(report.exit)) return assert.fail("the run succeeded")
    assert.strictEqual((Cause.squash(report.exit.cause) as Error).message, "in a task")
  })

  it("tells what is thrown while it is ended", () => {
    const program = Effect.flatMap(
      Sim.Sim,
      (sim) =>
        Effect.forkDetach(Effect.onInterrupt(Effect.never, () =>
          Effect.sync(() => {
            sim.at(sim.now(), () => {
              throw new Error("at last")
            })
          })))
    )
    const report = Sim.run(program)
    assert.include(report.leftovers, "threw when the run was ended: Error: at last")
  })

  it("dies of what a task throws in the last instant of its program, unless that has failed itself", () => {
    const throwing = Effect.gen(function*() {
      const sim = yield* Sim.Sim
      sim.at(0, () => {
        throw new Error("at the end")
      })
    })
    const report = Sim.run(throwing)
    assert.strictEqual(report.ended, "thrown")
    if (Exit.isSuccess(report.exit)) return assert.fail("the run succeeded")
    assert.strictEqual((Cause.squash(report.exit.cause) as Error).message, "at the end")
    assert.deepStrictEqual(Sim.run(Effect.andThen(throwing, Effect.fail("own"))).exit, Exit.fail("own"))
  })

  it("refuses options that are no times and no numbers", () => {
    const wrong = (options: Sim.Options) => () => Sim.run(Effect.void, options)
    assert.throws(wrong({ start: new Date("soon") }), "start is to be a valid Date, or milliseconds since 1970")
    assert.throws(wrong({ maxSteps: NaN }), "maxSteps is to be a number from 0 on, and is NaN")
    assert.throws(wrong({ events: -1 }), "events is to be a number from 0 on, and is -1")
    assert.strictEqual(Sim.getOrThrow(Sim.run(Effect.sync(() => Date.now()), { start: 1.5 })), 1)
  })

  it("refuses a run inside of a run, and goes on", () => {
    const nested = Effect.try({
      try: () => Sim.run(Effect.void),
      catch: (error) => (error as Sim.SimError).reason._tag
    })
    const report = Sim.run(
      Effect.gen(function*() {
        const tag = yield* Effect.flip(nested)
        yield* Effect.sleep("1 second")
        return [tag, Date.now()]
      }),
      { start: 0 }
    )
    assert.deepStrictEqual(report.exit, Exit.succeed(["Nested", 1000]))
  })
})

describe("leftovers", () => {
  const lines = (report: Sim.Report<unknown, unknown>) => {
    const reason = reasonOf(report)
    return reason._tag === "Leftovers" ? reason.leftovers : assert.fail(reason._tag)
  }

  it("are what checks find, fibers and external work, and make the run fail", () => {
    const report = Sim.run(Effect.gen(function*() {
      const sim = yield* Sim.Sim
      let open = 2
      sim.check("sockets", () => open === 0 ? [] : [`${open} open`])
      sim.check("fine", () => [])
      yield* Effect.addFinalizer(() => Effect.sync(() => open--))
      yield* Effect.forkDetach(Sim.externally(Effect.never, "upload").pipe(Effect.withSpan("uploader")))
    }))
    const [sockets, fiber, work, ...others] = lines(report)
    assert.strictEqual(sockets, "sockets: 1 open")
    assert.match(fiber!, /^fiber: #2, span uploader, uploader .*Sim\.test\.ts/)
    assert.deepStrictEqual([work, others], ["external work: upload", []])
    assert.strictEqual(report.ended, "done")
  })

  it("of a program that has not ended are what the simulated world holds then", () => {
    const holding = Effect.gen(function*() {
      const sim = yield* Sim.Sim
      let open = true
      sim.check("sockets", () => open ? ["listens on port 80"] : [])
      yield* Effect.addFinalizer(() => Effect.sync(() => open = false))
      yield* Effect.forkScoped(Effect.never)
      return yield* Effect.never
    })
    const report = Sim.run(holding)
    assert.strictEqual(reasonOf(report)._tag, "Deadlock")
    assert.deepStrictEqual(report.leftovers, ["sockets: listens on port 80"])
    assert.deepStrictEqual(Sim.run(holding, { checks: false }).leftovers, [])
  })

  it("are checks that throw, beside all the others", () => {
    const released: Array<string> = []
    const program = (end: Effect.Effect<void>) =>
      Effect.gen(function*() {
        const sim = yield* Sim.Sim
        sim.check("an error", () => {
          throw new RangeError("too many")
        })
        sim.check("a value", () => {
          throw { code: 7 }
        })
        sim.check("sockets", () => ["1 open"])
        const held = Effect.acquireUseRelease(
          Effect.void,
          () => Effect.never,
          () => Effect.andThen(Effect.sleep("1 second"), Effect.sync(() => released.push("released")))
        )
        yield* Effect.forkDetach(held)
        yield* Effect.yieldNow
        yield* end
      })
    const thrown = ["check an error threw: RangeError: too many", `check a value threw: {"code":7}`, "sockets: 1 open"]
    const done = Sim.run(program(Effect.void))
    assert.deepStrictEqual(done.leftovers, [...thrown, "fiber: #2"])
    assert.strictEqual(reasonOf(done)._tag, "Leftovers")
    const blocked = Sim.run(program(Effect.never))
    assert.deepStrictEqual(blocked.leftovers, thrown)
    assert.strictEqual(reasonOf(blocked)._tag, "Deadlock")
    assert.deepStrictEqual(released, ["released", "released"])
  })

  it("are interrupted however many they are, each with finalizers that end at another time", () => {
    let ended = 0
    const closing = (index: number) => Effect.sleep(index).pipe(Effect.andThen(Effect.sync(() => ended++)))
    const report = Sim.run(
      Effect.forEach(
        Array.from({ length: 3000 }, (_, index) => 3000 - index),
        (index) => Effect.forkDetach(Effect.onInterrupt(Effect.never, () => closing(index))),
        { discard: true }
      )
    )
    assert.deepStrictEqual([ended, report.leftovers.length], [3000, 21])
    assert.notInclude(report.leftovers.join(), "did not end")
  })

  it("are not fibers that end with the program, in its last instant or in its scope", () => {
    const report = Sim.run(Effect.gen(function*() {
      yield* Effect.forkChild(Effect.never)
      yield* Effect.forkScoped(Effect.never)
      yield* Effect.forkDetach(Effect.yieldNow)
    }))
    assert.deepStrictEqual([report.exit, report.leftovers], [Exit.void, []])
  })

  it("are reported and do no harm without checks, and leave the error of a failed program alone", () => {
    const detached = Effect.forkDetach(Effect.never)
    assert.strictEqual(Sim.run(detached, { checks: false }).exit._tag, "Success")
    const failed = Sim.run(Effect.andThen(detached, Effect.fail("no")))
    assert.deepStrictEqual(failed.exit, Exit.fail("no"))
    assert.deepStrictEqual(failed.leftovers, ["fiber: #2"])
  })
})

describe("runAsync", () => {
  it("lets promises settle before time goes on", async () => {
    const chain = Effect.promise(async () => {
      for (let i = 0; i < 20; i++) await Promise.resolve()
      return "settled"
    })
    const report = await Sim.runAsync(Effect.timeoutOption(chain, "1 micros"))
    assert.deepStrictEqual(report.exit, Exit.succeed(Option.some("settled")))
    assert.strictEqual(Duration.toMillis(report.elapsed), 0)
  })

  it("has its fibers go on in its own turns, in the order in which the host woke them", async () => {
    const woken: Array<string> = []
    const waiting = (name: string, delay: Promise<void>) =>
      Effect.promise(() => delay).pipe(Effect.andThen(Effect.sync(() => woken.push(`${name} ${Date.now()}`))))
    const report = await Sim.runAsync(
      Effect.all([waiting("a", Promise.resolve().then(() => undefined)), waiting("b", Promise.resolve())], {
        concurrency: 2
      }),
      { start: 42 }
    )
    assert.strictEqual(report.ended, "done")
    assert.deepStrictEqual(woken.sort(), ["a 42", "b 42"])
  })

  it("stands still while the host works, as long as it is told so", async () => {
    const slow = () => Effect.promise(() => crypto.subtle.digest("SHA-256", new Uint8Array(1 << 24)))
    const marked = await Sim.runAsync(Effect.timeoutOption(Sim.externally(slow()), "5 seconds"))
    assert.strictEqual(Effect.runSync(marked.exit)._tag, "Some")
    assert.strictEqual(Duration.toMillis(marked.elapsed), 0)
    const unmarked = await Sim.runAsync(Effect.timeoutOption(slow(), "5 seconds"))
    assert.strictEqual(Effect.runSync(unmarked.exit)._tag, "None")
  })

  it("ends external work that is interrupted", async () => {
    const report = await Sim.runAsync(Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Sim.externally(Effect.never), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      yield* Effect.sleep("1 second")
    }))
    assert.deepStrictEqual([report.exit, Duration.toMillis(report.elapsed)], [Exit.void, 1000])
  })

  it("is deadlocked when nothing comes from the host either", async () => {
    const report = await Sim.runAsync(Effect.promise(() => new Promise(() => undefined)), { patience: "10 millis" })
    assert.strictEqual(report.ended, "deadlock")
  })

  it("is deadlocked when external work waits for virtual time, and names the work", async () => {
    const timer = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
    for (const waiting of [Effect.sleep("1 second"), timer]) {
      let ended = false
      const work = Effect.onExit(waiting, () => Effect.sync(() => ended = true)).pipe(Sim.externally("an upload"))
      const report = await Sim.runAsync(Effect.andThen(Effect.sleep("1 minute"), work), {
        externalPatience: "10 millis"
      })
      const reason = reasonOf(report)
      if (reason._tag !== "Deadlock") return assert.fail(reason._tag)
      assert.deepStrictEqual(reason.external, ["an upload"])
      assert.include(reason.message, "external work: an upload\n  it waits for virtual time")
      assert.strictEqual(reason.at, 60_000_000)
      assert.isTrue(ended)
      assert.deepStrictEqual(report.leftovers, [])
    }
  })

  it("has patience with a host that was busy for all of it", async () => {
    const { performance, setImmediate } = globalThis
    const busy = new Promise<string>((resolve) =>
      setImmediate(() =>
        setImmediate(() => {
          for (const end = performance.now() + 30; performance.now() < end;);
          setImmediate(() => resolve("done"))
        })
      )
    )
    const report = await Sim.runAsync(Sim.externally(Effect.promise(() => busy)), { externalPatience: "10 millis" })
    assert.deepStrictEqual(report.exit, Exit.succeed("done"))
  })

  it("runs several at once, each in its own time", async () => {
    const program = Effect.gen(function*() {
      for (let i = 0; i < 5; i++) {
        yield* Effect.promise(() => Promise.resolve())
        yield* Effect.sleep("1 hour")
      }
      return [Date.now(), Math.random()]
    })
    const one = await Sim.runAsync(program, { seed: 1 })
    const two = await Sim.runAsync(program, { seed: 2 })
    const both = await Promise.all([Sim.runAsync(program, { seed: 1 }), Sim.runAsync(program, { seed: 2 })])
    assert.deepStrictEqual(both.map(({ exit, hash }) => [exit, hash]), [[one.exit, one.hash], [two.exit, two.hash]])
  })

  it("leaves a program outside of a run as it is", async () => {
    assert.strictEqual(await Effect.runPromise(Sim.externally(Effect.succeed(1), "nothing")), 1)
  })
})

describe("getOrThrow", () => {
  it("keeps the error and says the rest in its message", () => {
    const report = Sim.run(Effect.sleep("1 second").pipe(Effect.andThen(Effect.sync(() => assert.strictEqual(1, 2)))))
    try {
      Sim.getOrThrow(report)
    } catch (error) {
      assert.strictEqual((error as Error).name, "AssertionError")
      assert.strictEqual((error as { readonly expected?: unknown }).expected, 2)
      assert.match((error as Error).message, /^expected 1 to equal 2\n\ndone after 1s, seed 0, 2 steps\n/)
      return
    }
    assert.fail("nothing was thrown")
  })

  const thrownFor = (error: Error, seed: number): Error => {
    try {
      Sim.getOrThrow(Sim.run(Effect.fail(error), { seed }))
    } catch (thrown) {
      return thrown as Error
    }
    return assert.fail("nothing was thrown")
  }

  it("says only what the last run came to of an error that several runs fail with", () => {
    const constant = new Error("no luck")
    thrownFor(constant, 1)
    const again = thrownFor(constant, 2)
    assert.strictEqual(again, constant)
    assert.match(again.message, /^no luck\n\ndone after 0, seed 2, 1 steps\n/)
    assert.notInclude(again.message, "seed 1")
  })

  it("says it beside an error that cannot be changed", () => {
    const frozen = Object.freeze(new Error("frozen"))
    const thrown = thrownFor(frozen, 3)
    assert.strictEqual(thrown.cause, frozen)
    assert.match(thrown.message, /^frozen\n\ndone after 0, seed 3, 1 steps\n/)
  })
})
