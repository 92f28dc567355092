// The rows hold over the carriers of connect data too: they decorate a provider, and all that is promised of one holds.
import { ConnectData } from "@effect-winsock/core"
import { Conformance, World } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"

const worlds = [["memory", World.layerMemory], ["sim", World.layerSim]] as const

/** The world, in which connect data travels by the exchange. */
const byExchange = <R>(layer: Layer.Layer<Layer.Success<typeof World.layerMemory>, any, R>) =>
  Layer.merge(
    layer,
    Layer.effect(World.World, World.World.use((world) => Effect.succeed({ ...world, carrying: world.exchanging })))
      .pipe(
        Layer.provide(layer)
      )
  )

const failedOf = (results: ReadonlyArray<Conformance.Result>) =>
  results.filter(({ status }) => status === "failed").map(({ detail, row, title }) => `${row}: ${title}: ${detail}`)

describe.each(worlds)("%s", (name, layer) => {
  it("shows every row about connect data by the exchange", () => {
    const cases = Conformance.cases.filter(({ row }) => /^(R1[234]|R27|E10|E17|E18|A07)/.test(row))
    const results = Conformance.simulate(name, byExchange(layer), { cases })
    assert.deepStrictEqual(failedOf(results), [])
    assert.deepStrictEqual(results.filter(({ status }) => status === "not-here"), [])
  }, 120_000)

  it("shows all that has nothing to do with connect data while every socket speaks the PROXY protocol", () => {
    // It carries caller data where none is expected, takes callers at once, and leaves no other peers than its own.
    const otherwise =
      /^(E09: a caller beyond|E10: caller data|E17: |E18: a peer that never|R1[34]: .*(callee|acceptance)|R27: caller and|A07: .*(can still say so|gives up while))/
    const cases = Conformance.cases.filter(({ row, title }) => !otherwise.test(`${row}: ${title}`))
    const proxied = Layer.provideMerge(layer, Layer.orDie(ConnectData.layerProxy()))
    assert.deepStrictEqual(failedOf(Conformance.simulate(name, proxied, { cases })), [])
    assert.isAbove(cases.length, 700)
  }, 120_000)
})
