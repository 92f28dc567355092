// Tests that fail, for vitest.test.ts to read what is said of them.
import { Sim } from "@effect-winsock/testing"
import { assert, it } from "@effect-winsock/testing/vitest"
import { Effect, Random } from "effect"

it.sim("expects another number", function*() {
  const sim = yield* Sim.Sim
  yield* Effect.sleep("20 millis")
  sim.note({ kind: "packet lost", from: "a", to: "b" })
  assert.strictEqual(yield* Random.nextIntBetween(0, 1_000_000), -1)
})

it.sim("leaves a fiber", () => Effect.forkDetach(Effect.never))

it.sim("waits for nobody", function*() {
  yield* Effect.sleep("1 second")
  return yield* Effect.never
})

it.sim("fails with a value", () => Effect.fail({ why: "no reason" }), { seed: "of its own" })

it.sim.skip("is skipped", () => Effect.fail("run all the same"))
