import { Connection, ConnectionServer, Connector, SocketAddress, SocketOption, Winsock } from "@effect-winsock/core"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Effect, Fiber, Layer, References } from "effect"

const bytesOf = (...bytes: ReadonlyArray<number>) => new Uint8Array(bytes)

/** Two hosts, and where calls of each are made. */
const setUp = (server: SimNetwork.HostOptions = {}) =>
  Effect.gen(function*() {
    const net = yield* SimNetwork.make({ hosts: { client: {}, server }, link: { latency: "10 millis" } })
    const atServer = yield* Layer.build(net.layer("server"))
    const atClient = yield* Layer.build(net.layer("client"))
    return {
      net,
      serving: <E = never>(options: ConnectionServer.Options<E>) =>
        Effect.provideContext(ConnectionServer.make(options), atServer),
      connecting: Effect.provideContext(Connector.winsock.connect(net.address("server", 80)), atClient)
    }
  })

describe("ConnectionServer", () => {
  it.sim("serves each caller in a fiber and a scope of its own, which it closes", function*() {
    const { connecting, serving } = yield* setUp()
    const server = yield* serving({ address: "0.0.0.0:80" })
    let released = 0
    yield* Effect.forkScoped(server.run((caller) =>
      Effect.gen(function*() {
        yield* Effect.addFinalizer(() => Effect.sync(() => released++))
        yield* caller.write(yield* caller.read)
      })
    ))
    const answers = yield* Effect.forEach([1, 2, 3], (n) =>
      Effect.gen(function*() {
        const client = yield* connecting
        yield* client.write(bytesOf(n))
        const answer = yield* client.read
        assert.strictEqual((yield* client.read).length, 0)
        return answer[0]
      }), { concurrency: "unbounded" })
    assert.deepStrictEqual(answers, [1, 2, 3])
    assert.strictEqual(released, 3)
  })

  it.sim("goes on when a handler fails, and ends the connection of its caller", function*() {
    const { connecting, serving } = yield* setUp()
    const server = yield* serving({ address: "0.0.0.0:80" })
    let calls = 0
    yield* server.run((caller) =>
      Effect.andThen(++calls === 1 ? Effect.fail("lost") : Effect.void, caller.write(bytesOf(calls)))
    ).pipe(
      Effect.provideService(References.UnhandledLogLevel, undefined),
      Effect.forkScoped
    )
    assert.strictEqual((yield* (yield* connecting).read).length, 0)
    assert.deepStrictEqual(yield* (yield* connecting).read, bytesOf(2))
  })

  it.sim("interrupting it interrupts its handlers, and closes what they served", function*() {
    const { connecting, net, serving } = yield* setUp()
    const server = yield* serving({ address: "0.0.0.0:80" })
    let interrupted = 0
    const handler = () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
    const running = yield* Effect.forkChild(server.run(handler))
    const clients = yield* Effect.all([connecting, connecting])
    yield* Effect.sleep("1 second")
    yield* Fiber.interrupt(running)
    assert.strictEqual(interrupted, 2)
    for (const client of clients) assert.strictEqual((yield* client.read).length, 0)
    assert.strictEqual(net.counts("server").handles, 1)
    // It listens on, and can be run again.
    yield* Effect.forkScoped(server.run((caller) => caller.write(bytesOf(1))))
    assert.strictEqual((yield* (yield* connecting).read).length, 1)
  })

  it.sim("A06: waits where there is no room for one more, until there is", function*() {
    const { connecting, serving } = yield* setUp({ maxSockets: 2 })
    const server = yield* serving({ address: "0.0.0.0:80" })
    yield* Effect.forkScoped(server.run((caller) => Effect.andThen(caller.read, caller.write(bytesOf(1)))))
    const first = yield* connecting
    const second = yield* connecting
    assert.strictEqual((yield* Effect.timeoutOption(second.read, "10 seconds"))._tag, "None")
    yield* first.write(bytesOf(1))
    yield* second.write(bytesOf(1))
    assert.strictEqual((yield* second.read).length, 1)
  })

  it.sim("A11: closing its listener ends it, with WSAEINTR", function*() {
    const { serving } = yield* setUp()
    const server = yield* serving({ address: "0.0.0.0:80" })
    const running = yield* Effect.forkChild(Effect.flip(server.run(() => Effect.void)), { startImmediately: true })
    yield* Winsock.closesocket(server.socket)
    assert.strictEqual((yield* Fiber.join(running))._tag, "WSAEINTR")
  })

  it.sim("prepares its listener, fails as its calls do, and leaves nothing then", function*() {
    const { net, serving } = yield* setUp()
    const server = yield* serving({
      address: "0.0.0.0:80",
      prepare: (s) => Winsock.setsockopt(s, SocketOption.SO_KEEPALIVE, true)
    })
    assert.isTrue(yield* Winsock.getsockopt(server.socket, SocketOption.SO_KEEPALIVE))
    assert.strictEqual(SocketAddress.format(server.address), "0.0.0.0:80")
    const failing = [
      ["WSAEADDRINUSE", serving({ address: "0.0.0.0:80" })],
      ["WSAEADDRNOTAVAIL", serving({ address: "192.0.2.1:82" })],
      ["WSAEFAULT", serving({ address: "nowhere" })],
      ["no", serving({ address: "0.0.0.0:81", prepare: () => Effect.fail({ _tag: "no" as const }) })]
    ] as const
    for (const [tag, make] of failing) assert.strictEqual((yield* Effect.flip(make))._tag, tag)
    assert.strictEqual(net.counts("server").handles, 1)
  })

  it("callers that come, go and break at all times leave nothing, in 100 seeds", () => {
    for (let seed = 0; seed < 100; seed++) {
      const report = Sim.run(
        Effect.gen(function*() {
          const { connecting, net, serving } = yield* setUp()
          const server = yield* serving({ address: "0.0.0.0:80", backlog: 2 })
          yield* server.run((caller) => Connection.relay(caller, caller)).pipe(
            Effect.provideService(References.UnhandledLogLevel, undefined),
            Effect.forkScoped
          )
          const sim = yield* Sim.Sim
          const luck = sim.luck("callers")
          const calling = Effect.gen(function*() {
            yield* Effect.sleep(luck.below(1000))
            const client = yield* connecting
            yield* client.write(new Uint8Array(luck.below(200_000)))
            yield* luck.below(2) === 0 ? client.end : Effect.sleep(luck.below(50))
          }).pipe(Effect.scoped, Effect.ignore)
          yield* Effect.sleep(luck.below(1000)).pipe(
            Effect.andThen(Effect.sync(() => net.reset({ host: "server" }))),
            Effect.forkScoped
          )
          yield* Effect.all(Array.from({ length: 20 }, () => calling), { concurrency: "unbounded" })
          // What was closed in order takes its time to end.
          yield* Effect.sleep("20 minutes")
          return net.counts()
        }).pipe(Effect.scoped),
        { seed, trace: "off" }
      )
      assert.deepInclude(Sim.getOrThrow(report), { handles: 1, listeners: 1, streams: 0, attempts: 0 })
    }
  }, 120_000)
})
