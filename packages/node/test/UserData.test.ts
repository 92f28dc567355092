// Typed data while connecting, on the sockets of this machine.
import { ConnectData, SocketAddress, UserData, Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema } from "effect"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { promisify } from "node:util"

class Hello extends UserData.Exchange<Hello>()("Hello", {
  caller: Schema.Struct({ tenant: Schema.String, since: Schema.DateTimeUtc }),
  callee: Schema.Struct({ session: Schema.BigInt, key: Schema.Uint8Array }),
  calleeCapacity: 1024
}) {}

const exchanging = Layer.provide(NodeWinsock.layer, ConnectData.layerExchange())

const unixPath = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(path.join(tmpdir(), "winsock-userdata-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
).pipe(Effect.map((directory) => `unix:${path.join(directory, "peer.sock")}`))

const addresses = {
  IPv4: Effect.succeed("127.0.0.1:0"),
  IPv6: Effect.succeed("[::1]:0"),
  Unix: unixPath
}

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

describe("an exchange live", () => {
  for (const family of ["IPv4", "IPv6", "Unix"] as const) {
    it.live(`R12, R13, A07: both ends tell each other typed values, and the stream is theirs afterwards (${family})`, () =>
      Effect.gen(function*() {
        const since = Schema.decodeSync(Schema.DateTimeUtcFromString)("2026-11-23T16:00:00.000Z")
        const listener = yield* Winsock.socket({ family, type: "stream" })
        yield* Winsock.bind(listener, yield* addresses[family])
        yield* Winsock.listen(listener)
        const at = yield* Winsock.getsockname(listener)
        const call = (tenant: string) =>
          Effect.gen(function*() {
            const s = yield* Winsock.socket({ family, type: "stream" })
            const connected = yield* Winsock.WSAConnect(s, at, yield* Hello.options({ tenant, since }))
            return { s, told: yield* Hello.callee(connected) }
          })
        const seen: Array<string> = []
        const accept = Winsock.WSAAccept(
          listener,
          Hello.condition((caller) => {
            seen.push(`${caller.tenant} ${caller.since.epochMilliseconds - since.epochMilliseconds}`)
            return caller.tenant === "acme"
              ? Hello.accept({ session: 2n ** 64n, key: new Uint8Array([0, 255]) })
              : Effect.succeed(Winsock.CF_REJECT)
          })
        )

        const calling = yield* Effect.forkChild(call("acme"))
        const { remote, socket } = yield* accept
        const { s, told } = yield* Fiber.join(calling)
        assert.deepStrictEqual(told, { session: 2n ** 64n, key: new Uint8Array([0, 255]) })
        if (family !== "Unix") assert.isTrue(SocketAddress.same(remote, yield* Winsock.getsockname(s)))
        yield* Winsock.send(s, bytes("to the callee"))
        assert.strictEqual(text(yield* Winsock.recv(socket)), "to the callee")
        yield* Winsock.send(socket, bytes("to the caller"))
        assert.strictEqual(text(yield* Winsock.recv(s)), "to the caller")

        const other = yield* Effect.forkChild(Effect.flip(call("evil")))
        assert.strictEqual((yield* Effect.flip(accept))._tag, "WSAECONNREFUSED")
        assert.strictEqual((yield* Fiber.join(other))._tag, "WSAECONNREFUSED")
        assert.deepStrictEqual(seen, ["acme 0", "evil 0"])
      }).pipe(Effect.scoped, Effect.provide(exchanging)))
  }

  it.live("E17: a peer without the exchange is told from one that refuses, and from one whose answer does not decode", () =>
    Effect.gen(function*() {
      const plain = yield* Layer.build(Layer.fresh(NodeWinsock.layer))
      const listening = Effect.gen(function*() {
        const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
        yield* Winsock.bind(listener, "127.0.0.1:0")
        yield* Winsock.listen(listener)
        return { listener, at: yield* Winsock.getsockname(listener) }
      })
      const greeter = yield* Effect.provideContext(listening, plain)
      yield* Winsock.accept(greeter.listener).pipe(
        Effect.flatMap(({ socket }) => Winsock.send(socket, bytes("220 mail.test ESMTP\r\n"))),
        Effect.forkScoped
      )
      const call = (at: SocketAddress.SocketAddress) =>
        Effect.gen(function*() {
          const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
          return yield* Hello.callee(yield* Winsock.WSAConnect(s, at))
        })
      assert.strictEqual((yield* Effect.flip(call(greeter.at)))._tag, "WSAEPROTONOSUPPORT")

      const stranger = yield* listening
      const calling = yield* Effect.forkChild(Effect.flip(call(stranger.at)))
      yield* Winsock.WSAAccept(
        stranger.listener,
        () => Effect.succeed({ verdict: Winsock.CF_ACCEPT, calleeData: bytes("{}") })
      )
      assert.strictEqual((yield* Fiber.join(calling))._tag, "SchemaError")
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.merge(
        exchanging,
        Hello.layer({
          tenant: "acme",
          since: Schema.decodeSync(Schema.DateTimeUtcFromString)("2026-11-23T16:00:00.000Z")
        })
      ))
    ))

  it("the example is the same program live and simulated, and only what was done of the QOS differs", async () => {
    const example = path.join(import.meta.dirname, "../../../examples/hello.ts")
    const { stdout } = await promisify(execFile)(process.execPath, [example])
    assert.deepStrictEqual(stdout.split("\n"), [
      "\"acme\" has session 1; marked 24, shaped to 64000 bytes/s",
      "\"evil\": WSAECONNREFUSED 10061",
      "\"acme\" has session 1; marked 24, shaped to 64000 bytes/s, 64000 bytes/s reserved",
      "\"evil\": WSAECONNREFUSED 10061",
      ""
    ])
  }, 60_000)
})
