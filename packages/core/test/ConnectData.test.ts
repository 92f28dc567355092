import { ConnectData, Winsock } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"

const tcp = { family: "IPv4", type: "stream" } as const
const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const listening = Effect.gen(function*() {
  const listener = yield* Winsock.socket(tcp)
  yield* Winsock.bind(listener, "127.0.0.1:0")
  yield* Winsock.listen(listener)
  return { listener, address: yield* Winsock.getsockname(listener) }
})

describe("ConnectData", () => {
  it.live("R12, R13: the exchange carries data both ways, and the stream follows it", () =>
    Effect.gen(function*() {
      const { address, listener } = yield* listening
      const client = yield* Winsock.socket(tcp)
      const calling = yield* Effect.forkChild(
        Winsock.WSAConnect(client, address, { callerData: bytesOf("acme"), calleeData: 5 }),
        { startImmediately: true }
      )
      const { socket: server } = yield* Winsock.WSAAccept(listener, ({ callerData }) =>
        Effect.succeed({ verdict: Winsock.CF_ACCEPT, calleeData: bytesOf(`<${textOf(callerData)}>`) }))
      assert.strictEqual(textOf((yield* Fiber.join(calling)).calleeData), "<acme")
      yield* Winsock.send(server, bytesOf("hello"))
      assert.strictEqual(textOf(yield* Winsock.recv(client)), "hello")
      yield* Winsock.send(client, bytesOf("world"))
      assert.strictEqual(textOf(yield* Winsock.recv(server)), "world")
    }).pipe(Effect.scoped, Effect.provide(Memory.layer().pipe(Layer.provide(ConnectData.layerExchange())))))
})
