import type { Sim } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Scheduler } from "effect"
import { Choices, type Explorer } from "../../src/internal/sim/choices.ts"
import { Run, type Settings } from "../../src/internal/sim/run.ts"
import { makeClock } from "../../src/internal/sim/services.ts"

const settings: Settings = {
  seed: 0,
  start: 0,
  maxMicros: 1e12,
  maxSteps: 100_000,
  maxStepsPerInstant: 100_000,
  trace: "hash",
  events: 10
}

const usual: Explorer = { pick: () => 0, preempt: () => false, draw: (_, drawn) => drawn }

const explore = <A>(program: Effect.Effect<A>, explorer?: Explorer) => {
  const run = new Run(settings, explorer)
  const context = Context.make(Scheduler.Scheduler, run).pipe(Context.add(Clock.Clock, makeClock(run)))
  let exit: Exit.Exit<A> | undefined
  run.start(() => Effect.runForkWith(context)(program), (ended: Exit.Exit<A>) => {
    exit = ended
  })
  assert.isUndefined(run.toTheEnd())
  return { value: Exit.isSuccess(exit!) ? exit!.value : assert.fail("failed"), run }
}

/** Five fibers that say who they are, twice. */
const order = Effect.gen(function*() {
  const said: Array<number> = []
  const fiber = (i: number) =>
    Effect.andThen(Effect.sync(() => said.push(i)), Effect.yieldNow).pipe(Effect.repeat({ times: 1 }))
  yield* Effect.forEach([0, 1, 2, 3, 4], (i) => Effect.forkChild(fiber(i)))
  yield* Effect.sleep(1)
  return said.join("")
})

/** Two that look, and then act on what they saw. */
const race = Effect.gen(function*() {
  let balance = 100
  const withdraw = Effect.gen(function*() {
    const seen = yield* Effect.sync(() => balance)
    yield* Effect.sync(() => {
      balance = seen - 10
    })
  })
  yield* Effect.forkChild(withdraw)
  yield* Effect.forkChild(withdraw)
  yield* Effect.sleep(1)
  return balance
})

describe("Choices", () => {
  it("is first come first served by itself, and counts where there was a choice", () => {
    const { run, value } = explore(order)
    assert.strictEqual(value, "0123401234")
    assert.isAbove(run.choices.choices, 8)
    assert.isBelow(run.choices.choices, run.steps)
    const same = explore(order, usual)
    assert.deepStrictEqual([same.value, same.run.hash!.toString()], [value, run.hash!.toString()])
  })

  it("lets an explorer pick the next task", () => {
    const last = explore(order, { ...usual, pick: (n) => n - 1 })
    assert.notStrictEqual(last.value, "0123401234")
    assert.strictEqual(Array.from(last.value).sort().join(""), "0011223344")
    const third = { ...usual, pick: (n: number, choice: number) => choice === 3 ? Math.min(1, n - 1) : 0 }
    assert.notStrictEqual(explore(order, third).value, explore(order).value)
  })

  it("lets an explorer preempt a fiber: the race that it opens is found among single preemptions", () => {
    const found: Array<number> = []
    for (let at = 0; at < 100; at++) {
      let asked = 0
      const { value } = explore(race, { ...usual, preempt: () => asked++ === at })
      if (value !== 80) found.push(at)
    }
    assert.strictEqual(explore(race).value, 80)
    assert.isAbove(found.length, 0)
  })

  it("lets an explorer replace what is drawn, by entity", () => {
    const draws = (explorer?: Explorer) => {
      const choices = new Choices(1, undefined, explorer)
      const luck: Sim.Luck = choices.luck("link")
      return [luck.next(), luck.below(10), choices.luck("other").next(), choices.draws]
    }
    const [link, below, other, count] = draws()
    assert.strictEqual(count, 3)
    const bad = draws({ ...usual, draw: (entity, drawn) => entity === "link" ? 0.99 : drawn })
    assert.deepStrictEqual(bad, [0.99, 9, other!, 3])
    assert.notDeepEqual([link, below], [0.99, 9])
  })
})
