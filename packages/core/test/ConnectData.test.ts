import { ConnectData, ProtocolInfo, Qos, SocketAddress, SocketOption, UserData, Winsock } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Random, Result, type Scope } from "effect"
import { TestClock } from "effect/testing"

const interrupted = Number(process.env["WINSOCK_INTERRUPTED_CONNECTS"] ?? 1000)

const tcp = { family: "IPv4", type: "stream" } as const
const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const families = [["IPv4", "127.0.0.1:0"], ["IPv6", "[::1]:0"], ["Unix", "unix:/tmp/callee"]] as const

const listening = (family: SocketAddress.Family = "IPv4", local: SocketAddress.Input = "127.0.0.1:0") =>
  Effect.gen(function*() {
    const listener = yield* Winsock.socket({ family, type: "stream" })
    yield* Winsock.bind(listener, local)
    yield* Winsock.listen(listener)
    return { listener, address: yield* Winsock.getsockname(listener) }
  })

const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkScoped(call, { startImmediately: true })

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)

/** A QOS whose objects take so many bytes, and a few more. */
const longQos = (length: number): Qos.Qos => ({
  sending: { serviceType: "bestEffort" },
  providerSpecific: Result.getOrThrow(
    Qos.encodeObjects([{ _tag: "ReserveInfo", style: "default", confirmRequest: 0, rest: new Uint8Array(length) }])
  )
})

const nothing = { handles: 0, listeners: 0, streams: 0, attempts: 0 }

/** Runs a program on a world with the carrier; at its end nothing is left in it. */
const over =
  (carrier: Layer.Layer<never, any>, world = Memory.make()) =>
  <A, E>(program: Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>) =>
    program.pipe(
      Effect.scoped,
      Effect.provide(Layer.fresh(Layer.provide(Winsock.layer(world.provider), carrier))),
      Effect.tap(Effect.sync(() => assert.deepStrictEqual(world.control.counts(), nothing)))
    )

const capabilitiesOf = (kind: Parameters<Winsock.Winsock["Service"]["capabilities"]>[0]) =>
  Winsock.Winsock.use((winsock) => Effect.succeed(winsock.capabilities(kind)))
const streamOf = (family: SocketAddress.Family) => capabilitiesOf({ family, type: "stream", direction: "both" })

describe("ConnectData", () => {
  for (const [family, local] of families) {
    it.effect(`R12, R13: the exchange carries data both ways, and the stream follows it (${family})`, () =>
      over(ConnectData.layerExchange())(Effect.gen(function*() {
        const { address, listener } = yield* listening(family, local)
        const client = yield* Winsock.socket({ family, type: "stream" })
        const calling = yield* begin(
          Winsock.WSAConnect(client, address, { callerData: bytesOf("acme"), calleeData: 5 })
        )
        const { socket: server } = yield* Winsock.WSAAccept(
          listener,
          ({ callerData }) =>
            Effect.succeed({ verdict: Winsock.CF_ACCEPT, calleeData: bytesOf(`<${textOf(callerData)}>`) })
        )
        assert.strictEqual(textOf((yield* Fiber.join(calling)).calleeData), "<acme")
        yield* Winsock.send(server, bytesOf("hello"))
        assert.strictEqual(textOf(yield* Winsock.recv(client)), "hello")
        yield* Winsock.send(client, bytesOf("world"))
        assert.strictEqual(textOf(yield* Winsock.recv(server)), "world")
      })))
  }

  for (const [family, local] of families) {
    it.effect(`R26: what was bound by name is bound still, and connects from there (${family})`, () =>
      over(ConnectData.layerExchange())(Effect.gen(function*() {
        const { address, listener } = yield* listening(family, local)
        const client = yield* Winsock.socket({ family, type: "stream" })
        yield* Winsock.bind(client, family === "Unix" ? "unix:/tmp/caller" : local)
        const name = yield* Winsock.getsockname(client)
        for (let i = 0; i < 3; i++) {
          const attempt = yield* begin(tagOf(Winsock.WSAConnect(client, address)))
          yield* tagOf(Winsock.WSAAccept(listener, () => Effect.succeed(Winsock.CF_REJECT)))
          assert.strictEqual(yield* Fiber.join(attempt), "WSAECONNREFUSED")
          assert.deepStrictEqual(yield* Winsock.getsockname(client), name)
        }
        const attempt = yield* begin(Winsock.WSAConnect(client, address))
        const { remote } = yield* Winsock.accept(listener)
        yield* Fiber.join(attempt)
        assert.deepStrictEqual(remote, name)
      })))
  }

  it.effect("A22: connect and a list of addresses exchange too, without the data of their surroundings", () =>
    over(ConnectData.layerExchange())(
      Effect.gen(function*() {
        const { address, listener } = yield* listening()
        const seen: Array<string> = []
        for (const name of ["connect", "list", "WSAConnect"] as const) {
          const s = yield* Winsock.socket(tcp)
          const calling = yield* begin<unknown, unknown, never>(
            name === "connect"
              ? Winsock.connect(s, address)
              : name === "list"
              ? Winsock.WSAConnectByList(s, [address])
              : Winsock.WSAConnect(s, address)
          )
          yield* Winsock.WSAAccept(listener, ({ callerData }) => {
            seen.push(textOf(callerData))
            return Effect.succeed(Winsock.CF_ACCEPT)
          })
          yield* Fiber.join(calling)
        }
        assert.deepStrictEqual(seen, ["", "", "ambient"])
      }).pipe(Effect.provide(UserData.layer({ callerData: bytesOf("ambient") })))
    ))

  it.effect("R14, R23: a non-blocking connect completes with the reply, and tells its data then", () =>
    over(ConnectData.layerExchange())(Effect.gen(function*() {
      const { address, listener } = yield* listening()
      const s = yield* Winsock.socket(tcp)
      yield* Winsock.ioctlsocket(s, "FIONBIO", true)
      const calling = Winsock.WSAConnect(s, address, { calleeData: 100 })
      assert.strictEqual(yield* tagOf(calling), "WSAEWOULDBLOCK")
      assert.strictEqual(yield* tagOf(calling), "WSAEALREADY")
      assert.strictEqual(yield* tagOf(Winsock.connectResult(s)), "WSAEALREADY")
      yield* Winsock.WSAAccept(
        listener,
        () => Effect.succeed({ verdict: Winsock.CF_ACCEPT, calleeData: bytesOf("welcome") })
      )
      const { calleeData } = yield* Winsock.connectResult(s, { wait: true })
      assert.strictEqual(textOf(calleeData), "welcome")
    })))

  it.effect("TCP_MAXRTMS ends an attempt whose peer does not reply, before the carrier does", () =>
    over(ConnectData.layerExchange())(Effect.gen(function*() {
      const { address, listener } = yield* listening()
      const s = yield* Winsock.socket(tcp)
      yield* Winsock.setsockopt(s, SocketOption.TCP_MAXRTMS, 3000)
      const calling = yield* begin(tagOf(Winsock.WSAConnect(s, address)))
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(calling.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(calling), "WSAETIMEDOUT")
      yield* Winsock.ioctlsocket(listener, "FIONBIO", true)
      assert.strictEqual(yield* tagOf(Winsock.accept(listener)), "WSAEWOULDBLOCK", "the caller is withdrawn")
    })))

  it.effect("E09: a caller beyond the backlog is refused", () =>
    over(ConnectData.layerExchange())(Effect.gen(function*() {
      const listener = yield* Winsock.socket(tcp)
      yield* Winsock.bind(listener, "127.0.0.1:0")
      yield* Winsock.listen(listener, 1)
      const address = yield* Winsock.getsockname(listener)
      const first = yield* begin(Winsock.WSAConnect(yield* Winsock.socket(tcp), address))
      assert.strictEqual(
        yield* tagOf(Winsock.WSAConnect(yield* Winsock.socket(tcp), address)),
        "WSAECONNREFUSED"
      )
      yield* Winsock.accept(listener)
      yield* Fiber.join(first)
    })))

  it.effect("R11: datagrams are left alone", () =>
    over(ConnectData.layerExchange())(Effect.gen(function*() {
      const server = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
      yield* Winsock.bind(server, "127.0.0.1:0")
      const client = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
      yield* Winsock.WSAConnect(client, yield* Winsock.getsockname(server), { callerData: bytesOf("acme") })
      yield* Winsock.send(client, bytesOf("hello"))
      assert.strictEqual(textOf(yield* Winsock.recv(server)), "hello")
      assert.strictEqual(
        (yield* capabilitiesOf({ family: "IPv4", type: "datagram", direction: "both" })).callerDataMax,
        0
      )
    })))

  describe("what a provider says it can do", () => {
    it.effect("follows the carrier, and the side it is on", () =>
      Effect.gen(function*() {
        const seen = (carrier: Layer.Layer<never, any>) =>
          over(carrier)(
            Effect.map(
              streamOf("Unix"),
              ({ boundedBacklog, calleeDataMax, callerDataMax }) => [callerDataMax, calleeDataMax, boundedBacklog]
            )
          )
        const { layerExchange, layerNone, layerProxy } = ConnectData
        assert.deepStrictEqual(yield* seen(layerNone), [0, 0, true])
        assert.deepStrictEqual(yield* seen(layerExchange()), [16_384, 16_384, true])
        assert.deepStrictEqual(yield* seen(layerExchange({ callerDataMax: 5, calleeDataMax: 6 })), [5, 6, true])
        assert.deepStrictEqual(yield* seen(layerExchange({ side: "connect" })), [16_384, 0, true])
        assert.deepStrictEqual(yield* seen(layerExchange({ side: "listen" })), [0, 16_384, true])
        assert.deepStrictEqual(yield* seen(layerProxy()), [16_384, 0, false])
        assert.deepStrictEqual(yield* seen(layerProxy({ side: "connect", callerDataMax: 7 })), [7, 0, true])
        assert.deepStrictEqual(yield* seen(layerProxy({ side: "listen" })), [0, 0, false])
      }))

    it.effect("is the same object for the same kind, and tells of connect data in WSAEnumProtocols", () =>
      Effect.gen(function*() {
        const flags = (carrier: Layer.Layer<never, any>) =>
          over(carrier)(Effect.gen(function*() {
            assert.strictEqual(yield* streamOf("IPv4"), yield* streamOf("IPv4"))
            const rows = yield* Winsock.WSAEnumProtocols
            return rows.map((row) => (row.dwServiceFlags1 & ProtocolInfo.ServiceFlags.XP1_CONNECT_DATA) !== 0)
          }))
        assert.deepStrictEqual(yield* flags(ConnectData.layerNone), [false, false, false, false, false])
        assert.deepStrictEqual(yield* flags(ConnectData.layerExchange()), [true, false, true, false, true])
      }))
  })

  it.effect("is one carrier for one build of a layer, whatever else is built in between", () =>
    Effect.gen(function*() {
      const { provider } = Memory.make()
      const max = (layer: Layer.Layer<Winsock.Winsock, any>) =>
        Effect.map(streamOf("IPv4"), ({ callerDataMax }) => callerDataMax).pipe(Effect.provide(layer))
      const plain = Winsock.layer(provider)
      const carried = plain.pipe(Layer.provide(ConnectData.layerExchange({ callerDataMax: 9 })))
      assert.strictEqual(yield* max(carried), 9)
      assert.strictEqual(yield* max(plain), 0)
      assert.strictEqual(yield* max(carried), 9)
    }))

  it.effect("takes only what it can keep to", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<unknown> = [
        { callerDataMax: -1 },
        { callerDataMax: 48 * 1024 + 1 },
        { callerDataMax: 1.5 },
        { calleeDataMax: (1 << 24) + 1 },
        { side: "caller" },
        { type: 0xdf },
        { type: 0xf0 },
        { headerTimeout: 0 },
        { headerTimeout: -1 },
        { headerTimeout: "soon" },
        { replyTimeout: "Infinity" },
        { pendingMax: 0 },
        { pendingMax: NaN },
        { entries: { authority: "a".repeat(256) } },
        { entries: { uniqueId: new Uint8Array(129) } },
        { entries: { alpn: "h2" } },
        { entries: { ssl: { client: 256, verify: 0 } } }
      ]
      for (const options of wrong) {
        const layer = ConnectData.layerExchange(options as ConnectData.ExchangeOptions)
        assert.strictEqual(yield* tagOf(Effect.scoped(Layer.build(layer))), "SchemaError", JSON.stringify(options))
      }
      const right: ReadonlyArray<ConnectData.ExchangeOptions> = [
        {},
        { callerDataMax: 0, calleeDataMax: 0, type: 0xe0, pendingMax: 1 },
        { callerDataMax: 48 * 1024, calleeDataMax: 1 << 24, type: 0xef },
        { headerTimeout: 1, replyTimeout: "3 hours" },
        {
          entries: {
            authority: "shop.test",
            alpn: bytesOf("h2"),
            uniqueId: new Uint8Array(128),
            ssl: { client: 1, verify: 0, version: "TLSv1.3", commonName: undefined },
            netns: "blue"
          }
        }
      ]
      for (const options of right) yield* Effect.scoped(Layer.build(ConnectData.layerExchange(options)))
    }))

  it.effect("carries the longest data and every entry at once", () =>
    over(ConnectData.layerExchange({
      callerDataMax: 48 * 1024,
      entries: {
        authority: "é".repeat(255),
        alpn: new Uint8Array(255),
        uniqueId: new Uint8Array(128),
        ssl: {
          client: 7,
          verify: 1,
          version: "é".repeat(255),
          commonName: "é".repeat(255),
          cipher: "é".repeat(255),
          signatureAlgorithm: "é".repeat(255),
          keyAlgorithm: "é".repeat(255)
        },
        netns: "é".repeat(255)
      }
    }))(Effect.gen(function*() {
      const { address, listener } = yield* listening("Unix", "unix:/tmp/callee")
      const data = new Uint8Array(48 * 1024).fill(3)
      const client = yield* Winsock.socket({ family: "Unix", type: "stream" })
      const calling = yield* begin(Winsock.WSAConnect(client, address, { callerData: data, sqos: longQos(4000) }))
      yield* Winsock.WSAAccept(listener, ({ callerData, sqos }) => {
        assert.strictEqual(callerData.length, data.length)
        assert.deepStrictEqual(sqos, longQos(4000))
        return Effect.succeed(Winsock.CF_ACCEPT)
      })
      yield* Fiber.join(calling)
    })))

  it.effect("E14: a QOS for which no header has room ends the attempt, and leaves the socket as a refused one", () =>
    over(ConnectData.layerExchange())(Effect.gen(function*() {
      const { address } = yield* listening()
      const s = yield* Winsock.socket(tcp)
      for (const length of [17_000, 60_000, 70_000]) {
        const calling = Winsock.WSAConnect(s, address, { callerData: new Uint8Array(16_384), sqos: longQos(length) })
        assert.strictEqual(yield* tagOf(calling), "WSAENOBUFS", `${length} bytes`)
      }
      assert.isAbove(SocketAddress.portOf(yield* Winsock.getsockname(s))!, 0)
    })))

  it.live(`${interrupted} exchanges interrupted at random moments leave nothing`, () =>
    over(ConnectData.layerExchange())(Effect.gen(function*() {
      const { address, listener } = yield* listening()
      yield* begin(
        Effect.forever(
          Effect.ignore(
            Winsock.WSAAccept(
              listener,
              ({ callerData }) =>
                Effect.as(Effect.yieldNow, callerData[0]! % 3 === 0 ? Winsock.CF_REJECT : Winsock.CF_ACCEPT)
            )
          )
        )
      )
      yield* Effect.forEach(
        Array.from({ length: interrupted }, (_, i) => i),
        (i) =>
          Effect.scoped(Effect.gen(function*() {
            const s = yield* Winsock.socket(tcp)
            const calling = yield* begin(Winsock.WSAConnect(s, address, { callerData: Uint8Array.of(i % 251) }))
            for (let steps = yield* Random.nextIntBetween(0, 20); steps > 0; steps--) yield* Effect.yieldNow
            yield* Fiber.interrupt(calling)
          })),
        { concurrency: 10, discard: true }
      )
    })))
})
