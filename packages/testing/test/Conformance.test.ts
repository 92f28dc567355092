import { Conformance, World } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

describe("memory", () => {
  for (const one of Conformance.cases) {
    // Plain tests: a skip inside an effect is logged as its failure.
    it(`${one.row}: ${one.title}`, async (context) => {
      const { detail, status } = await Effect.runPromise(Conformance.runCase("memory", World.layerMemory, one))
      if (status === "not-here") return context.skip(detail)
      assert.strictEqual(detail, "")
    })
  }
})

describe("a case", () => {
  const run = (body: Conformance.Case["run"]) =>
    Conformance.runCase("memory", World.layerMemory, { row: "R00", title: "itself", run: body }, "50 millis")

  it.live("that claims what does not hold has failed, with what was found", () =>
    Effect.gen(function*() {
      const error = new Conformance.ConformanceError({ claim: "it", expected: "this", actual: "that" })
      assert.deepInclude(yield* run(Effect.fail(error)), { status: "failed", detail: "it: expected this, got that" })
    }))

  it.live("whose world cannot be made is not here, with the reason", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* run(World.notHere("needs root")), { status: "not-here", detail: "needs root" })
    }))

  it.live("that dies has failed", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* run(Effect.die(new Error("a bug"))), { status: "failed", detail: "a bug" })
    }))

  it.live("that does not end in time has failed, also where it cannot be interrupted", () =>
    Effect.gen(function*() {
      const late: Partial<Conformance.Result> = { status: "failed", detail: "it has not ended within 50ms" }
      assert.deepInclude(yield* run(Effect.never), late)
      assert.deepInclude(yield* run(Effect.uninterruptible(Effect.never)), late)
      assert.deepInclude(yield* run(Effect.acquireRelease(Effect.void, () => Effect.never)), late)
    }))

  it("has a row and a title of its own", () => {
    const names = Conformance.cases.map(({ row, title }) => `${row}: ${title}`)
    assert.strictEqual(new Set(names).size, names.length)
    assert.deepStrictEqual(
      names.filter((name) => !/^(R(0[1-9]|1\d|2[0-7])|E(0[1-9]|1\d|20)|A(0[1-9]|1\d|2[0-2])): /.test(name)),
      []
    )
  })

  it("exists for every row of the table", () => {
    const rows = (letter: string, count: number) =>
      Array.from({ length: count }, (_, i) => letter + String(i + 1).padStart(2, "0"))
    const missing = [...rows("R", 27), ...rows("E", 20), ...rows("A", 22)]
      .filter((row) => !Conformance.cases.some((one) => one.row === row))
    assert.deepStrictEqual(missing, [])
  })
})
