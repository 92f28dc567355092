import { ConnectionServer } from "@effect-winsock/core"
import { SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Clock, Effect, Layer, References } from "effect"
import { RunnerAddress, RunnerStorage } from "effect/cluster"
import * as Cluster from "./utils/cluster.ts"

describe("effect's cluster in the simulated network", () => {
  it.sim("entities on two hosts answer one on a third, through a partition of five seconds", function*() {
    const net = yield* SimNetwork.make({ hosts: { one: {}, two: {}, client: {} }, link: { latency: "5 millis" } })
    const storage = Layer.succeed(RunnerStorage.RunnerStorage, yield* Cluster.storage)
    for (const name of ["one", "two"]) {
      const runner = Cluster.runner(name, RunnerAddress.make(name, 34431)).pipe(
        Layer.provide(ConnectionServer.layerSocketServer({ address: "0.0.0.0:34431" })),
        Layer.provide([storage, net.layerConnector(name)])
      )
      yield* Effect.forkScoped(Layer.launch(runner).pipe(Effect.provideService(References.MinimumLogLevel, "Warn")))
    }
    const asking = yield* Layer.build(Cluster.clientOnly.pipe(Layer.provide([storage, net.layerConnector("client")])))
    yield* Effect.sleep("10 seconds")
    for (const trouble of [false, true]) {
      if (trouble) {
        net.cut("client", "one")
        yield* Effect.sleep("5 seconds").pipe(
          Effect.andThen(Effect.sync(() => net.heal("client", "one"))),
          Effect.forkScoped
        )
      }
      const begin = yield* Clock.currentTimeMillis
      Cluster.complete(50, yield* Effect.provideContext(Cluster.greetings(50), asking))
      const took = (yield* Clock.currentTimeMillis) - begin
      if (trouble) assert.isAtLeast(took, 5000)
      else assert.isBelow(took, 1000)
    }
  })
})
