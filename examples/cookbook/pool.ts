// A pool: requests that share a few connections, and a server that may be lost meanwhile.
//
//   node examples/cookbook/pool.ts
import { type Connection, ConnectionServer, Connector, RetryPolicy } from "@effect-winsock/core"
import { Effect, Schedule } from "effect"
import { inBoth } from "./worlds.ts"

const one = new Uint8Array([1])

/** Answers each byte with how many connections there have been. */
const server = Effect.gen(function*() {
  let connections = 0
  const { address, run } = yield* ConnectionServer.make({ address: "127.0.0.1:0" })
  const answer = (caller: Connection.Connection) =>
    Effect.gen(function*() {
      connections++
      while ((yield* caller.read).length > 0) yield* caller.write(new Uint8Array([connections]))
    })
  yield* Effect.forkScoped(run(answer))
  return address
})

const connector = Connector.winsock.pipe(
  Connector.attemptTimeout("2 seconds"),
  Connector.retry(RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.spaced("100 millis") })),
  Connector.timeout("10 seconds")
)

export const program = Effect.gen(function*() {
  const address = yield* server
  // its scope is that of the program: the connections stay open from one request to the next
  const pool = yield* connector.pipe(Connector.pooled({ max: 3, waitTimeout: "5 seconds" }))
  const request = Effect.gen(function*() {
    const connection = yield* pool.connect(address)
    yield* connection.write(one)
    return (yield* connection.read)[0] ?? 0
  }).pipe(Effect.scoped)

  const answers = yield* Effect.all(Array.from({ length: 100 }, () => request), { concurrency: 20 })
  return `${answers.length} answers over ${Math.max(...answers)} connections`
}).pipe(Effect.scoped)

if (import.meta.main) await inBoth(program)
