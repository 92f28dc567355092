import { Conformance, World } from "@effect-winsock/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"

describe("memory", () => {
  for (const one of Conformance.cases) {
    it.live(`${one.row}: ${one.title}`, (context) =>
      Effect.gen(function*() {
        const { detail, status } = yield* Conformance.runCase("memory", World.layerMemory, one)
        if (status === "not-here") return context.skip(detail)
        expect(detail).toBe("")
      }))
  }
})

describe("a case", () => {
  const run = (body: Conformance.Case["run"]) =>
    Conformance.runCase("memory", World.layerMemory, { row: "R00", title: "itself", run: body }, "50 millis")

  it.live("that claims what does not hold has failed, with what was found", () =>
    Effect.gen(function*() {
      const error = new Conformance.ConformanceError({ claim: "it", expected: "this", actual: "that" })
      expect(yield* run(Effect.fail(error))).toMatchObject({ status: "failed", detail: "it: expected this, got that" })
    }))

  it.live("whose world cannot be made is not here, with the reason", () =>
    Effect.gen(function*() {
      expect(yield* run(World.notHere("needs root"))).toMatchObject({ status: "not-here", detail: "needs root" })
    }))

  it.live("that dies has failed", () =>
    Effect.gen(function*() {
      expect(yield* run(Effect.die(new Error("a bug")))).toMatchObject({ status: "failed", detail: "a bug" })
    }))

  it.live("that does not end in time has failed, also where it cannot be interrupted", () =>
    Effect.gen(function*() {
      const late = { status: "failed", detail: "it has not ended within 50ms" }
      expect(yield* run(Effect.never)).toMatchObject(late)
      expect(yield* run(Effect.uninterruptible(Effect.never))).toMatchObject(late)
      expect(yield* run(Effect.acquireRelease(Effect.void, () => Effect.never))).toMatchObject(late)
    }))

  it("has a row and a title of its own", () => {
    const names = Conformance.cases.map(({ row, title }) => `${row}: ${title}`)
    expect(new Set(names).size).toBe(names.length)
    expect(names.filter((name) => !/^(R(0[1-9]|1\d|2[0-7])|E(0[1-9]|1\d|20)|A(0[1-9]|1\d|2[0-2])): /.test(name)))
      .toEqual([])
  })

  it("exists for every row of the table", () => {
    const rows = (letter: string, count: number) =>
      Array.from({ length: count }, (_, i) => letter + String(i + 1).padStart(2, "0"))
    const missing = [...rows("R", 27), ...rows("E", 20), ...rows("A", 22)]
      .filter((row) => !Conformance.cases.some((one) => one.row === row))
    expect(missing).toEqual([])
  })
})
