import { ConnectionServer } from "@effect-winsock/core"
import { NodeConnector } from "@effect-winsock/node"
import { describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SocketServer } from "effect/socket"
import * as Rpc from "../../testing/test/utils/rpc.ts"
import { leavingNothing } from "./utils/leaks.ts"

describe("effect's RPC over real sockets", () => {
  // The program of packages/testing/test/Rpc.test.ts.
  it.live("answers requests, fails with its typed errors, and streams", () =>
    leavingNothing(
      Effect.gen(function*() {
        const { address } = yield* SocketServer.SocketServer
        Rpc.complete(20, 50, yield* Effect.provide(Rpc.asking(20, 50, 2), Rpc.client(address)))
      }).pipe(
        Effect.provide(
          Rpc.serving(2).pipe(
            Layer.provideMerge(ConnectionServer.layerSocketServer({ address: "127.0.0.1:0" })),
            Layer.provideMerge(NodeConnector.layer)
          )
        )
      )
    ))
})
