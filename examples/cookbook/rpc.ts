// effect's RPC over connections: a server on a listener of ours, a client on a pipeline.
//
//   node examples/cookbook/rpc.ts
import { ConnectionServer, Connector, SocketAddress } from "@effect-winsock/core"
import { Effect, Layer, Schema, Stream } from "effect"
import { Rpc, RpcClient, RpcGroup, RpcSerialization, RpcServer } from "effect/rpc"
import { SocketServer } from "effect/socket"
import { inBoth } from "./worlds.ts"

const Numbers = RpcGroup.make(
  Rpc.make("Double", { payload: { n: Schema.Number }, success: Schema.Number }),
  Rpc.make("Count", { payload: { to: Schema.Number }, success: Schema.Number, stream: true })
)

const handlers = Numbers.toLayer({
  Double: ({ n }) => Effect.succeed(n * 2),
  Count: ({ to }) => Stream.range(1, to)
})

const server = RpcServer.layer(Numbers).pipe(
  Layer.provide(handlers),
  Layer.provide(RpcServer.layerProtocolSocketServer),
  Layer.provide(RpcSerialization.layerNdjson),
  Layer.provideMerge(ConnectionServer.layerSocketServer({ address: "127.0.0.1:0" }))
)

const connector = Connector.winsock.pipe(
  Connector.attemptTimeout("2 seconds"),
  Connector.happyEyeballs(),
  Connector.resolve(),
  Connector.timeout("10 seconds")
)

const client = (target: Connector.TargetInput) =>
  RpcClient.layerProtocolSocket({ retryTransientErrors: true }).pipe(
    Layer.provide([Connector.layerSocket(connector, target), RpcSerialization.layerNdjson])
  )

const ask = Effect.gen(function*() {
  const numbers = yield* RpcClient.make(Numbers)
  const doubled = yield* numbers.Double({ n: 21 })
  const counted = yield* Stream.runCollect(numbers.Count({ to: 5 }))
  return `twice 21 is ${doubled}; counted ${counted.join(" ")}`
}).pipe(Effect.scoped)

export const program = Effect.gen(function*() {
  const { address } = yield* SocketServer.SocketServer
  return yield* Effect.provide(ask, client(`localhost:${SocketAddress.portOf(address)}`))
}).pipe(Effect.provide(server))

if (import.meta.main) await inBoth(program)
