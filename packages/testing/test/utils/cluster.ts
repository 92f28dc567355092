/**
 * effect's cluster over sockets of ours: runners, and who asks their entities, the same live and simulated.
 */
import { Connector, type Winsock } from "@effect-winsock/core"
import { assert } from "@effect/vitest"
import { Effect, Layer, Option, Schema } from "effect"
import {
  Entity,
  MessageStorage,
  type RunnerAddress,
  RunnerHealth,
  Runners,
  RunnerStorage,
  ShardingConfig,
  SocketRunner
} from "effect/cluster"
import type { AddressResolver } from "effect/net"
import { Rpc, RpcClient, RpcSerialization } from "effect/rpc"
import { Socket } from "effect/socket"

export const Greeter = Entity.make("Greeter", [
  Rpc.make("Greet", { payload: { name: Schema.String }, success: Schema.String })
])

/** What the runners of one cluster share: who they are, and whose the shards are. */
export const storage = Effect.sync(() => {
  const runners = new Map<string, readonly [runner: string, healthy: boolean]>()
  const owners = new Map<string, string>()
  const owned = (address: string, shards: ReadonlyArray<string>) =>
    shards.filter((shard) => owners.get(shard) === address)
  let machines = 0
  return RunnerStorage.makeEncoded({
    getRunners: Effect.sync(() => Array.from(runners.values())),
    register: (address, runner, healthy) =>
      Effect.sync(() => {
        runners.set(address, [runner, healthy])
        return machines++
      }),
    unregister: (address) => Effect.sync(() => void runners.delete(address)),
    setRunnerHealth: (address, healthy) =>
      Effect.sync(() => {
        const known = runners.get(address)
        if (known !== undefined) runners.set(address, [known[0], healthy])
      }),
    acquire: (address, shards) =>
      Effect.sync(() => {
        for (const shard of shards) if (!owners.has(shard)) owners.set(shard, address)
        return owned(address, shards)
      }),
    refresh: (address, shards) => Effect.sync(() => owned(address, shards)),
    release: (address, shard) =>
      Effect.sync(() => {
        if (owners.get(shard) === address) owners.delete(shard)
      }),
    releaseAll: (address) =>
      Effect.sync(() => {
        for (const [shard, owner] of Array.from(owners)) if (owner === address) owners.delete(shard)
      })
  })
})

const connector = Connector.winsock.pipe(
  Connector.attemptTimeout("1 second"),
  Connector.happyEyeballs(),
  Connector.resolve()
)

/** How runners reach each other: as effect's NodeClusterSocket does it, with a connector of ours. */
const protocol = Layer.effect(
  Runners.RpcClientProtocol,
  Effect.gen(function*() {
    const serialization = yield* RpcSerialization.RpcSerialization
    const context = yield* Effect.context<AddressResolver.AddressResolver | Winsock.Winsock>()
    return {
      codecFor: serialization.codecFor,
      make: ({ host, port }: RunnerAddress.RunnerAddress) =>
        Connector.toSocket(connector, { host, port }).pipe(
          Effect.provideContext(context),
          Effect.flatMap((socket) => Effect.provideService(RpcClient.makeProtocolSocket(), Socket.Socket, socket)),
          Effect.provideService(RpcSerialization.RpcSerialization, serialization)
        )
    }
  })
)

const shards = { shardsPerGroup: 20, refreshAssignmentsInterval: "500 millis" } as const

/** A runner that others know by an address, and that listens on the SocketServer around it. */
export const runner = (name: string, address: RunnerAddress.RunnerAddress) =>
  Greeter.toLayer({ Greet: ({ payload }) => Effect.succeed(`${name} greets ${payload.name}`) }).pipe(
    Layer.provide(SocketRunner.layer),
    Layer.provide(RunnerHealth.layerNoop),
    Layer.provide([protocol, MessageStorage.layerNoop]),
    Layer.provide([
      RpcSerialization.layerSchemaBinary(),
      ShardingConfig.layer({ ...shards, runnerAddress: Option.some(address) })
    ])
  )

/** One who asks and serves nothing. */
export const clientOnly = SocketRunner.layerClientOnly.pipe(
  Layer.provide([protocol, MessageStorage.layerNoop]),
  Layer.provide([
    RpcSerialization.layerSchemaBinary(),
    ShardingConfig.layer({ ...shards, runnerAddress: Option.none() })
  ])
)

/** What each of so many entities answers. */
export const greetings = (count: number) =>
  Effect.gen(function*() {
    const greeter = yield* Greeter.client
    return yield* Effect.forEach(
      Array.from({ length: count }, (_, i) => `${i}`),
      (name) => greeter(`entity ${name}`).Greet({ name }),
      { concurrency: "unbounded" }
    )
  })

/** Everyone was answered, and by both of two runners. */
export const complete = (count: number, answers: ReadonlyArray<string>) => {
  assert.deepStrictEqual(
    answers.map((answer) => answer.split(" greets ")[1]),
    Array.from({ length: count }, (_, i) => `${i}`)
  )
  assert.deepStrictEqual(Array.from(new Set(answers.map((answer) => answer.split(" ")[0]))).sort(), ["one", "two"])
}
