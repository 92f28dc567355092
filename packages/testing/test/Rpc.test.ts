import { ConnectionServer } from "@effect-winsock/core"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Effect, Layer, Random, References } from "effect"
import * as Rpc from "./utils/rpc.ts"

/** How many requests, how long a stream, and how long each of it takes. */
interface Size {
  readonly requests: number
  readonly to: number
  readonly pause: number
}

const one: Size = { requests: 20, to: 50, pause: 20 }

/** The program on two hosts; `trouble` comes to the network while it runs. */
const program = (trouble: (net: SimNetwork.Network) => Effect.Effect<void>, { pause, requests, to }: Size) =>
  Effect.gen(function*() {
    const net = yield* SimNetwork.make({
      hosts: { client: {}, server: { names: ["numbers.example"] } },
      link: { latency: "10 millis", jitter: "5 millis" }
    })
    yield* net.run(
      "server",
      Layer.launch(
        Rpc.serving(pause).pipe(Layer.provide(ConnectionServer.layerSocketServer({ address: "0.0.0.0:80" })))
      )
        // That callers are lost is what is to happen here.
        .pipe(Effect.provideService(References.UnhandledLogLevel, undefined))
    )
    yield* Effect.forkChild(trouble(net))
    return yield* Rpc.asking(requests, to, pause).pipe(
      Effect.provide(Rpc.client("numbers.example:80").pipe(Layer.provide(net.layerConnector("client"))))
    )
  }).pipe(Effect.scoped)

const partition = (net: SimNetwork.Network) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      net.cut("client", "server")
      net.cut("server", "client")
    }),
    () => Effect.sleep("5 seconds"),
    () =>
      Effect.sync(() => {
        net.heal("client", "server")
        net.heal("server", "client")
      })
  )

describe("effect's RPC in the simulated network", () => {
  it.sim("answers requests, fails with its typed errors, and streams", function*() {
    Rpc.complete(20, 50, yield* program(() => Effect.void, one))
  })

  it.sim("survives a partition of five seconds", function*() {
    Rpc.complete(20, 50, yield* program((net) => Effect.andThen(Effect.sleep("200 millis"), partition(net)), one))
  })

  // At a time of its own in every seed; in some of them the connection is lost too, or the server.
  const troubles = (net: SimNetwork.Network) =>
    Effect.gen(function*() {
      yield* Effect.sleep(yield* Random.nextIntBetween(0, 700))
      yield* partition(net)
      yield* Effect.sleep(yield* Random.nextIntBetween(0, 300))
      const kind = yield* Random.nextIntBetween(0, 3)
      if (kind === 0) return
      resets += net.reset({ host: "server" })
      if (kind === 1) return
      net.crash("server")
      yield* Effect.sleep(yield* Random.nextIntBetween(0, 3000))
      net.restart("server")
    })
  let resets = 0

  it("survives that in 500 seeds, and nothing hangs or is left", () => {
    const many: Size = { requests: 8, to: 20, pause: 50 }
    for (let seed = 0; seed < 500; seed++) {
      const report = Sim.run(program(troubles, many), { seed, trace: "off", maxTime: "5 minutes" })
      Rpc.complete(many.requests, many.to, Sim.getOrThrow(report))
    }
    assert.isAbove(resets, 100)
  }, 300_000)
})
