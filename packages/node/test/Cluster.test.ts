import { ConnectionServer, SocketAddress } from "@effect-winsock/core"
import { NodeConnector } from "@effect-winsock/node"
import { describe, it } from "@effect/vitest"
import { Effect, Layer, References, Schedule } from "effect"
import { RunnerAddress, RunnerStorage } from "effect/cluster"
import { SocketServer } from "effect/socket"
import * as Cluster from "../../testing/test/utils/cluster.ts"
import { leavingNothing } from "./utils/leaks.ts"

/** Listens first, since others have to know where. */
const runner = (name: string, storage: Layer.Layer<RunnerStorage.RunnerStorage>) =>
  Effect.gen(function*() {
    const { address } = yield* SocketServer.SocketServer
    return Cluster.runner(name, RunnerAddress.make("127.0.0.1", SocketAddress.portOf(address)!))
  }).pipe(
    Layer.unwrap,
    Layer.provide(ConnectionServer.layerSocketServer({ address: "127.0.0.1:0" })),
    Layer.provide([storage, NodeConnector.layer])
  )

describe("effect's cluster over real sockets", () => {
  // The runners of packages/testing/test/Cluster.test.ts.
  it.live("entities of two runners answer one who asks", () =>
    leavingNothing(
      Effect.gen(function*() {
        const storage = Layer.succeed(RunnerStorage.RunnerStorage, yield* Cluster.storage)
        for (const name of ["one", "two"]) yield* Layer.build(runner(name, storage))
        const asking = yield* Layer.build(Cluster.clientOnly.pipe(Layer.provide([storage, NodeConnector.layer])))
        // Until the shards are shared out, one runner has them all.
        yield* Effect.provideContext(Cluster.greetings(50), asking).pipe(
          Effect.flatMap((answers) => Effect.try(() => Cluster.complete(50, answers))),
          Effect.retry(Schedule.spaced("100 millis"))
        )
      }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "Warn"))
    ))
})
