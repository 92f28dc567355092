import { Provider, Winsock } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { compare, printDifference } from "./differential/compare.ts"
import type { World } from "./differential/interpreter.ts"
import { generate, print, type Program } from "./differential/program.ts"
import { smallest } from "./differential/shrink.ts"

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const memory = (name: string, bend: (provider: Provider.Provider) => Provider.Provider): World => ({
  name,
  layer: Layer.unwrap(Effect.sync(() => Winsock.layer(bend(Memory.make().provider)))),
  path: (number) => `/differential/${number}`,
  settle: () => Effect.repeat(turn, { times: 5 })
})

// ---------------------------------------------------------------------------------------------------------------------
// Providers that lie
// ---------------------------------------------------------------------------------------------------------------------

/** The same object but for these methods. */
const but = <A extends object>(target: A, changes: Partial<A>): A =>
  new Proxy(target, {
    get: (target, key) => {
      const value = (key in changes ? changes : target)[key as keyof A]
      return typeof value === "function" ? value.bind(target) : value
    }
  })

/** What it tells instead. */
type Lie = (sink: Provider.Sink) => Partial<Provider.Sink>

const lying = (lie: Lie) => (provider: Provider.Provider): Provider.Provider => ({
  ...provider,
  open: (kind, sink) => provider.open(kind, but(sink, lie(sink)))
})

const lies: { readonly [what: string]: Lie } = {
  "a datagram loses its last byte": (sink) => ({
    datagram: (bytes, from) => sink.datagram(bytes.subarray(0, bytes.length - 1), from)
  }),
  "a refusal is called a time-out": (sink) => ({
    connected: (attempt, result) =>
      sink.connected(attempt, Provider.isFailure(result) ? Provider.failure("WSAETIMEDOUT") : result)
  }),
  "a rejected caller is not told": (sink) => ({
    incoming: (request) => sink.incoming(but(request, { reject: () => undefined }))
  })
}

const truth = memory("truth", (provider) => provider)

/** The first program of some that shows a difference, made as small as it can be. */
const find = (world: World) =>
  Effect.gen(function*() {
    for (let seed = 1; seed <= 200; seed++) {
      const { difference } = yield* compare(generate(seed), truth, world, [])
      if (difference !== undefined) {
        return yield* smallest(difference, (program) => compare(program, truth, world, []))
      }
    }
    return undefined
  })

describe("differential runs", () => {
  for (const [what, lie] of Object.entries(lies)) {
    it.live(`catch that ${what}, and show it in at most 6 steps`, () =>
      Effect.gen(function*() {
        const difference = yield* find(memory("lie", lying(lie)))
        if (difference === undefined) return assert.fail("nobody noticed")
        assert.isAtMost(difference.program.length, 6, printDifference(difference))
        // What was found is shown whole: the program, the step, and what each world said.
        const text = printDifference(difference)
        assert.include(text, print(difference.program))
        assert.include(text, `they part at ${difference.step}`)
        for (const { first, second } of difference.parts) {
          assert.include(text, `truth  ${first}`)
          assert.include(text, `lie    ${second}`)
        }
        // Without any one of its steps nothing is left of it.
        for (let i = 0; i < difference.program.length; i++) {
          const fewer: Program = difference.program.toSpliced(i, 1)
          assert.isUndefined((yield* compare(fewer, truth, memory("lie", lying(lie)), [])).difference, print(fewer))
        }
      }))
  }

  it.live("find nothing between a world and itself", () =>
    Effect.gen(function*() {
      for (let seed = 1; seed <= 50; seed++) {
        const { difference } = yield* compare(generate(seed), truth, memory("again", (provider) => provider), [])
        if (difference !== undefined) assert.fail(`seed ${seed}\n${printDifference(difference)}`)
      }
    }))

  it("have the same program for the same seed, of 5 to 60 steps", () => {
    for (let seed = 1; seed <= 500; seed++) {
      assert.deepStrictEqual(generate(seed), generate(seed))
      assert.isAtLeast(generate(seed).length, 5)
      assert.isAtMost(generate(seed).length, 60)
    }
  })
})
