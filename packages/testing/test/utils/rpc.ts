/**
 * A program of effect's RPC, client and server, over sockets of ours: the same live and simulated.
 */
import { ConnectionServer, Connector, SocketAddress } from "@effect-winsock/core"
import { assert } from "@effect/vitest"
import { Effect, Layer, Random, Result, Schedule, Schema, Stream } from "effect"
import { Rpc, RpcClient, RpcClientError, RpcGroup, RpcSerialization, RpcServer } from "effect/rpc"

export const Numbers = RpcGroup.make(
  Rpc.make("Caller", { success: Schema.String }),
  Rpc.make("Double", { payload: { n: Schema.Number }, success: Schema.Number, error: Schema.Literal("negative") }),
  Rpc.make("Count", { payload: { from: Schema.Number, to: Schema.Number }, success: Schema.Number, stream: true })
)

/** Answers after a while, `pause` at most. */
const handlers = (pause: number) =>
  Numbers.toLayer({
    Caller: () => Effect.map(ConnectionServer.Caller, (caller) => SocketAddress.format(caller!.remote)),
    Double: ({ n }) =>
      Effect.gen(function*() {
        yield* Effect.sleep(yield* Random.nextIntBetween(0, pause))
        return n < 0 ? yield* Effect.fail("negative" as const) : n * 2
      }),
    Count: ({ from, to }) => Stream.range(from, to).pipe(Stream.mapEffect((n) => Effect.as(Effect.sleep(pause), n)))
  })

/** Serves on the SocketServer around it. */
export const serving = (pause: number) =>
  RpcServer.layer(Numbers).pipe(
    Layer.provide(handlers(pause)),
    Layer.provide(RpcServer.layerProtocolSocketServer),
    Layer.provide(RpcSerialization.layerNdjson)
  )

const connector = Connector.winsock.pipe(
  Connector.attemptTimeout("2 seconds"),
  Connector.happyEyeballs(),
  Connector.resolve(),
  Connector.timeout("10 seconds")
)

/** Connects to where a server of ours is, and again where the connection is lost. */
export const client = (target: Connector.TargetInput) =>
  RpcClient.layerProtocolSocket({ retryTransientErrors: true }).pipe(
    Layer.provide([Connector.layerSocket(connector, target), RpcSerialization.layerNdjson])
  )

/** What a lost connection has not answered is asked again. */
const again = <A, E, R>(request: Effect.Effect<A, E | RpcClientError.RpcClientError, R>) =>
  Effect.retry(request, {
    while: (error) => error instanceof RpcClientError.RpcClientError,
    schedule: Schedule.spaced("200 millis")
  })

/** Counts from one to `to`, and goes on from where a lost connection has left it. */
const counting = (counter: RpcClient.FromGroup<typeof Numbers, RpcClientError.RpcClientError>, to: number) =>
  Effect.gen(function*() {
    const got: Array<number> = []
    yield* again(Effect.suspend(() =>
      got.length === to
        ? Effect.void
        : Stream.runForEach(counter.Count({ from: got.length + 1, to }), (n) => Effect.sync(() => got.push(n)))
    ))
    return got
  })

/** Requests at all times, beside a stream: what came of them. */
export const asking = (requests: number, to: number, pause: number) =>
  Effect.gen(function*() {
    const numbers = yield* RpcClient.make(Numbers)
    const doubling = Effect.forEach(
      Array.from({ length: requests }, (_, n) => n - 1),
      (n) =>
        Effect.gen(function*() {
          yield* Effect.sleep(yield* Random.nextIntBetween(0, requests * pause))
          return yield* Effect.result(again(numbers.Double({ n })))
        }),
      { concurrency: "unbounded" }
    )
    return yield* Effect.all(
      { caller: again(numbers.Caller()), doubled: doubling, counted: counting(numbers, to) },
      { concurrency: "unbounded" }
    )
  }).pipe(Effect.scoped)

/** What is to come of it. */
export const complete = (
  requests: number,
  to: number,
  { caller, counted, doubled }: Effect.Success<ReturnType<typeof asking>>
) => {
  assert.match(caller, /^(?:10\.0\.0\.1|127\.0\.0\.1):\d+$/)
  assert.deepStrictEqual(counted, Array.from({ length: to }, (_, n) => n + 1))
  for (let n = -1; n < requests - 1; n++) {
    assert.deepStrictEqual(doubled[n + 1], n < 0 ? Result.fail("negative" as const) : Result.succeed(n * 2))
  }
}
