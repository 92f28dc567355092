// Retrying by code: a server that is not there yet is tried again, sooner or later as its code says.
//
//   node examples/cookbook/retry.ts
import { Connector, RetryPolicy, SocketAddress, Winsock } from "@effect-winsock/core"
import { Effect, Schedule } from "effect"
import { inBoth } from "./worlds.ts"

const connector = Connector.winsock.pipe(
  Connector.attemptTimeout("2 seconds"),
  Connector.happyEyeballs(),
  Connector.resolve(),
  Connector.retry(RetryPolicy.byCode({
    WSAECONNREFUSED: Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 5 })),
    WSAETIMEDOUT: Schedule.recurs(2)
  })),
  Connector.timeout("10 seconds")
)

/** A server that begins to listen half a second late. */
const server = Effect.gen(function*() {
  const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
  yield* Winsock.bind(listener, "127.0.0.1:0")
  yield* Effect.forkScoped(Effect.delay(Winsock.listen(listener), "500 millis"))
  return yield* Winsock.getsockname(listener)
})

export const program = Effect.gen(function*() {
  const port = SocketAddress.portOf(yield* server)
  const connection = yield* connector.connect(`localhost:${port}`)
  return `connected to ${SocketAddress.format(connection.remote)}`
}).pipe(
  Effect.catchTags({
    WSAECONNREFUSED: ({ message }) => Effect.succeed(`gave up: ${message}`),
    WSAETIMEDOUT: ({ by = "stack" }) => Effect.succeed(`gave up, by the ${by}`)
  }),
  Effect.scoped
)

if (import.meta.main) await inBoth(program)
