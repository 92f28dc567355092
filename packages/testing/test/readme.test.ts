import { Winsock } from "@effect-winsock/core"
import { Script } from "@effect-winsock/testing"
import { assert, it } from "@effect-winsock/testing/vitest"
import { Effect, Schedule } from "effect"

const redis = "10.0.0.9:6379"
const cap = "150 millis"

const ping = Effect.gen(function*() {
  const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
  yield* Winsock.WSAConnect(s, redis).pipe(Effect.retry({
    while: (error) => error._tag === "WSAECONNREFUSED",
    schedule: Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced(cap)])
  }))
  yield* Winsock.send(s, new TextEncoder().encode("PING\r\n"))
  return new TextDecoder().decode(yield* Winsock.recv(s))
}).pipe(Effect.scoped)

it.sim("retries twice on refusal, then connects, never waits longer than its cap", function*() {
  const server = Script.connects(redis, [
    Script.refused,
    Script.within(cap, Script.refused),
    Script.within(cap, Script.accepted(Script.expects("PING\r\n"), Script.sends("+PONG\r\n")))
  ])
  assert.strictEqual(yield* Effect.provide(ping, server), "+PONG\r\n")
})
