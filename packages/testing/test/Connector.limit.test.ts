import { Connector } from "@effect-winsock/core"
import { Sim } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, References } from "effect"
import { Dice } from "./utils/dice.ts"

/** Connects that take a second, and how many were under way at a time. */
const slow = () => {
  const now = new Map<string, number>()
  const seen = { most: 0, all: 0, began: [] as Array<string> }
  const connector = Connector.make((target: string) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        seen.began.push(target)
        now.set(target, (now.get(target) ?? 0) + 1)
        seen.most = Math.max(seen.most, now.get(target)!)
        seen.all = Math.max(seen.all, [...now.values()].reduce((a, b) => a + b))
      }),
      () => Effect.as(Effect.sleep("1 second"), target),
      () => Effect.sync(() => now.set(target, now.get(target)! - 1))
    )
  )
  return { connector, seen, left: () => [...now.values()].reduce((a, b) => a + b, 0) }
}

const all = <A, E, R>(effects: ReadonlyArray<Effect.Effect<A, E, R>>) =>
  Effect.all(effects, { concurrency: "unbounded", discard: true })

const seconds = (report: Sim.Report<unknown, unknown>) => Duration.toSeconds(report.elapsed)

describe("limit", () => {
  it("lets so many be under way to each destination, and as many destinations as there are", () => {
    const { connector, seen } = slow()
    const limited = connector.pipe(Connector.limit(2))
    const targets = ["a:1", "b:1", "c:1"].flatMap((target) => Array.from({ length: 6 }, () => target))
    const report = Sim.run(Effect.scoped(all(targets.map((target) => limited.connect(target)))))
    Sim.getOrThrow(report)
    assert.deepStrictEqual([seen.most, seen.all, seconds(report)], [2, 6, 3])
  })

  it("takes no number that is none, which nobody could wait for", () => {
    assert.throws(
      () => Connector.limit(Connector.winsock, NaN),
      /limit, perDestination: expected a number from 1 on, got NaN/
    )
    assert.throws(() => Connector.limit(Connector.winsock, { total: NaN }), RangeError)
  })

  it("takes one destination for the same however it is written", () => {
    const { connector, seen } = slow()
    const limited = connector.pipe(Connector.limit(1))
    const spellings = ["example.org:443", "EXAMPLE.org:443", "https://example.org/", "https://example.org/path"]
    const report = Sim.run(Effect.scoped(all(spellings.map((target) => limited.connect(target)))))
    Sim.getOrThrow(report)
    assert.strictEqual(seen.all, 1)
    assert.strictEqual(seconds(report), 4)
  })

  it("serves whoever came first, first", () => {
    const { connector, seen } = slow()
    const order: Array<number> = []
    const limited = connector.pipe(Connector.limit(1))
    const program = Effect.forEach(
      Array.from({ length: 8 }, (_, i) => i),
      (i) =>
        Effect.delay(Effect.tap(limited.connect("a:1"), () => Effect.sync(() => order.push(i))), `${i * 100} millis`),
      { concurrency: "unbounded", discard: true }
    )
    Sim.getOrThrow(Sim.run(Effect.scoped(program)))
    assert.deepStrictEqual(order, [0, 1, 2, 3, 4, 5, 6, 7])
    assert.strictEqual(seen.most, 1)
  })

  it("lets no more than the total be under way, the destinations by turns", () => {
    const { connector, seen } = slow()
    const limited = connector.pipe(Connector.limit({ perDestination: 2, total: 3 }))
    const targets = ["a:1", "a:1", "a:1", "a:1", "a:1", "a:1", "b:1", "c:1", "d:1"]
    const report = Sim.run(Effect.scoped(all(targets.map((target) => limited.connect(target)))))
    Sim.getOrThrow(report)
    assert.deepStrictEqual([seen.most, seen.all], [2, 3])
    // those who came late for others do not wait for all that came early for one
    assert.isBelow(Math.max(...["b:1", "c:1", "d:1"].map((target) => seen.began.indexOf(target))), 6)
  })

  it("gives the turn of one who is interrupted, waiting or connecting, to the next", () => {
    const { connector, left, seen } = slow()
    const limited = connector.pipe(Connector.limit({ perDestination: 1, total: 1 }))
    const program = Effect.gen(function*() {
      const first = yield* Effect.forkChild(limited.connect("a:1"))
      const second = yield* Effect.forkChild(limited.connect("a:1"))
      const third = yield* Effect.forkChild(limited.connect("a:1"))
      yield* Effect.sleep("100 millis")
      yield* Fiber.interrupt(second)
      yield* Fiber.interrupt(first)
      yield* Fiber.join(third)
    })
    const report = Sim.run(Effect.scoped(program))
    Sim.getOrThrow(report)
    assert.strictEqual(Duration.toMillis(report.elapsed), 1100)
    assert.deepStrictEqual([seen.began.length, left()], [2, 0])
  })

  it("loses no turn of those that are for all, wherever who has just taken one is interrupted", () => {
    for (let steps = 12; steps < 60; steps++) {
      for (let turns = 0; turns < 6; turns++) {
        const { connector } = slow()
        const limited = connector.pipe(Connector.limit({ perDestination: 1, total: 1 }))
        const program = Effect.gen(function*() {
          const given = yield* Effect.forkChild(
            Effect.provideService(Effect.scoped(limited.connect("a:1")), References.MaxOpsBeforeYield, steps)
          )
          for (let i = 0; i < turns; i++) yield* Effect.yieldNow
          yield* Fiber.interrupt(given)
          yield* limited.connect("a:1")
        })
        assert.strictEqual(Sim.run(Effect.scoped(program)).ended, "done", `${steps} steps, ${turns} turns`)
      }
    }
  })

  it("is waited for within a time-out that stands after it, and not within one before it", () => {
    const { connector } = slow()
    const after = connector.pipe(Connector.limit(1), Connector.timeout("1500 millis"))
    const before = connector.pipe(Connector.timeout("1500 millis"), Connector.limit(1))
    const twice = (limited: typeof after) => {
      const connects = Array.from({ length: 2 }, () => Effect.exit(limited.connect("a:1")))
      return Sim.getOrThrow(Sim.run(Effect.scoped(Effect.all(connects, { concurrency: 2 })))).map(({ _tag }) => _tag)
    }
    assert.deepStrictEqual(twice(after), ["Success", "Failure"])
    assert.deepStrictEqual(twice(before), ["Success", "Success"])
  })

  it("holds under any interruption, with any numbers, and nobody waits for ever", () => {
    const runs = Number(process.env["WINSOCK_SIMULATED_SEEDS"] ?? 50)
    for (let seed = 1; seed <= runs; seed++) {
      const dice = new Dice(seed)
      const perDestination = 1 + dice.below(3)
      const total = 1 + dice.below(5)
      const { connector, left, seen } = slow()
      const limited = connector.pipe(Connector.limit({ perDestination, total }))
      const client = Effect.gen(function*() {
        yield* Effect.sleep(dice.below(3000))
        const fiber = yield* Effect.forkChild(limited.connect(`${dice.pick(["a", "b", "c"])}:1`))
        if (dice.chance(40)) {
          yield* Effect.sleep(dice.below(2000))
          yield* Fiber.interrupt(fiber)
        } else {
          yield* Fiber.join(fiber)
        }
      })
      const report = Sim.run(Effect.scoped(all(Array.from({ length: 20 }, () => client))), { seed })
      Sim.getOrThrow(report)
      assert.isAtMost(seen.most, perDestination, `seed ${seed}`)
      assert.isAtMost(seen.all, total, `seed ${seed}`)
      assert.strictEqual(left(), 0, `seed ${seed}`)
      assert.deepStrictEqual(report.leftovers, [], `seed ${seed}`)
    }
  })
})
