import type { Winsock } from "@effect-winsock/core"
import { Sim } from "@effect-winsock/testing"
import { it as test } from "@effect-winsock/testing/vitest"
import { type Cause, Effect, type Exit, type Scope } from "effect"
import { describe, expect, it } from "tstyche"

declare const hole: <A>() => A

const program = hole<Effect.Effect<"value", Cause.TimeoutError, Sim.Sim | Scope.Scope>>()
const elsewhere = hole<Effect.Effect<void, never, Winsock.Winsock>>()

describe("Sim", () => {
  it("gives the exit of the program, or why the run failed", () => {
    expect(Sim.run(program)).type.toBe<Sim.Report<"value", Cause.TimeoutError>>()
    expect(Sim.run(program).exit).type.toBe<Exit.Exit<"value", Cause.TimeoutError | Sim.SimError>>()
    expect(Sim.runAsync(program)).type.toBe<Promise<Sim.Report<"value", Cause.TimeoutError>>>()
    expect(Sim.getOrThrow(Sim.run(program))).type.toBe<"value">()
  })

  it("runs what needs nothing, the run and a scope, and nothing else", () => {
    expect(Sim.run).type.toBeCallableWith(Effect.void)
    expect(Sim.run).type.not.toBeCallableWith(elsewhere)
    expect(Sim.runAsync).type.not.toBeCallableWith(elsewhere)
  })

  it("marks external work without a trace in its type", () => {
    expect(Sim.externally(program)).type.toBe<typeof program>()
    expect(program.pipe(Sim.externally("work"))).type.toBe<typeof program>()
  })
})

describe("it.sim", () => {
  it("takes generators and effects, with the same requirements", () => {
    expect(test.sim).type.toBeCallableWith("title", () => program)
    expect(test.sim).type.toBeCallableWith("title", function*() {
      return yield* program
    }, { seed: 1, host: true, test: { retry: 2 } })
    expect(test.sim).type.not.toBeCallableWith("title", () => elsewhere)
    expect(test.sim).type.not.toBeCallableWith("title", function*() {
      return yield* elsewhere
    })
    expect(test.sim.only).type.toBeCallableWith("title", () => program)
    expect(test.sim.skipIf(true)).type.toBeCallableWith("title", () => program)
  })
})
