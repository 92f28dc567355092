import { ConnectData, NetworkEvent, Qos, SocketOption, Winsock } from "@effect-winsock/core"
import { Fault, Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Clock, Duration, Effect, Layer, type Scope } from "effect"
import { echo } from "./utils/echo.ts"

const tcp = { family: "IPv4", type: "stream" } as const
const udp = { family: "IPv4", type: "datagram" } as const

const voice = (tokenRate: number, more: Partial<Qos.FlowSpec> = {}): Qos.Qos => ({
  sending: { serviceType: "guaranteed", tokenRate, tokenBucketSize: 1600, ...more }
})

const hosts = { client: {}, server: {} } as const

/** Runs a program on the client, a server that echoes being there. */
const onClient = <A, E>(
  options: SimNetwork.Options,
  body: (net: SimNetwork.Network) => Effect.Effect<A, E, Winsock.Winsock | Sim.Sim | Scope.Scope>
) =>
  Effect.gen(function*() {
    const net = yield* SimNetwork.make({ hosts, ...options })
    yield* net.run("server", echo)
    yield* Effect.sleep("1 second")
    const answer = yield* Effect.scoped(body(net)).pipe(Effect.provide(net.layer("client")))
    assert.deepStrictEqual(net.reservations(), [])
    return answer
  })

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)

const call = Effect.fn("call")(function*(net: SimNetwork.Network, sqos?: Qos.Qos) {
  const s = yield* Winsock.socket(tcp)
  const { applied } = yield* Winsock.WSAConnect(s, net.address("server", 7), { sqos })
  return { s, applied }
})

const room = { latency: "10 millis", bandwidth: 100_000, reservable: 30_000 } as const

describe("a QOS on a simulated network", () => {
  it.sim("R16: where nothing is reserved it is marked, as on Node, and a delay is refused", () =>
    onClient({}, (net) =>
      Effect.gen(function*() {
        const { applied } = yield* call(net, voice(16_000))
        assert.strictEqual(applied.sending.marked, Qos.windows.dscp.guaranteed)
        assert.isUndefined(applied.sending.reserved)
        assert.deepStrictEqual(applied.sending.ignored.map(({ field }) => field), ["serviceType"])
        assert.strictEqual(yield* tagOf(call(net, voice(16_000, { latency: 1_000_000 }))), "WSAEOPNOTSUPP")
        const d = yield* Winsock.socket(udp)
        const asked = Winsock.WSAConnect(d, net.address("server", 9), { sqos: voice(16_000) })
        assert.strictEqual(yield* tagOf(asked), "WSAEOPNOTSUPP")
      })))

  it.sim("R16, E16: what is admitted is applied and told; what is not leaves the socket as it was", () =>
    onClient({ link: room }, (net) =>
      Effect.gen(function*() {
        const { applied } = yield* call(net, voice(16_000, { latency: 200_000 }))
        assert.deepStrictEqual(applied.sending.reserved, { rate: 16_000, delay: 150_000 })
        assert.deepStrictEqual(applied.sending.ignored, [])
        assert.strictEqual(applied.sending.marked, Qos.windows.dscp.guaranteed)

        const s = yield* Winsock.socket(tcp)
        const begin = yield* Clock.currentTimeMillis
        const refused = yield* tagOf(Winsock.WSAConnect(s, net.address("server", 7), { sqos: voice(16_000) }))
        assert.deepStrictEqual([refused, (yield* Clock.currentTimeMillis) - begin], ["WSAEOPNOTSUPP", 20])
        assert.strictEqual(yield* tagOf(Winsock.getpeername(s)), "WSAENOTCONN")
        const { applied: less } = yield* Winsock.WSAConnect(s, net.address("server", 7), { sqos: voice(14_000) })
        assert.strictEqual(less.sending.reserved?.rate, 14_000)
        assert.strictEqual(net.reservations("client").length, 2)
      })))

  it.sim("A16: SIO_SET_QOS of a connection asks again, and keeps what there is where it is refused", () =>
    onClient({ link: room }, (net) =>
      Effect.gen(function*() {
        const { s } = yield* call(net, voice(16_000))
        assert.strictEqual(yield* tagOf(Winsock.WSAIoctl(s, "SIO_SET_QOS", voice(30_001))), "WSAEOPNOTSUPP")
        assert.strictEqual((yield* Winsock.WSAIoctl(s, "SIO_GET_QOS"))?.sending?.tokenRate, 16_000)
        assert.strictEqual((yield* Winsock.connectResult(s)).applied.sending.reserved?.rate, 16_000)
        yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", voice(30_000))
        assert.strictEqual((yield* Winsock.connectResult(s)).applied.sending.reserved?.rate, 30_000)
        yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", { sending: { serviceType: "bestEffort" } })
        assert.deepStrictEqual(net.reservations(), [])
      })))

  it.sim("A18: FD_QOS tells that a shortage takes a reservation, and that it is there again when it is over", () =>
    onClient({ link: room }, (net) =>
      Effect.gen(function*() {
        const { s } = yield* call(net, voice(16_000))
        const event = yield* Winsock.WSACreateEvent
        yield* Winsock.WSAEventSelect(s, event, NetworkEvent.FD_QOS | NetworkEvent.FD_GROUP_QOS)
        const told = Effect.gen(function*() {
          yield* Winsock.WSAWaitForMultipleEvents([event])
          const { iErrorCode, lNetworkEvents } = yield* Winsock.WSAEnumNetworkEvents(s, event)
          assert.strictEqual(lNetworkEvents, NetworkEvent.FD_QOS)
          const qos = yield* Winsock.WSAIoctl(s, "SIO_GET_QOS")
          const { applied } = yield* Winsock.connectResult(s)
          return [iErrorCode.FD_QOS?._tag, qos?.sending?.serviceType, applied.sending.reserved?.rate]
        })
        yield* Effect.forkScoped(
          Fault.inject(net, Fault.shortage(["client", "server"], 10_000)).pipe(
            Fault.during("1 minute"),
            Effect.delay("1 minute")
          )
        )
        const begin = yield* Clock.currentTimeMillis
        assert.deepStrictEqual(yield* told, ["WSA_QOS_ADMISSION_FAILURE", "networkUnavailable", undefined])
        assert.deepStrictEqual(yield* told, ["WSA_QOS_REQUEST_CONFIRMED", "guaranteed", 16_000])
        assert.strictEqual((yield* Clock.currentTimeMillis) - begin, 120_000)
      })))

  it.sim("A18: FD_QOS tells of a reservation that was lost before the peer had accepted", () =>
    Effect.gen(function*() {
      const net = yield* SimNetwork.make({ hosts, link: room })
      const on = (host: string) => Layer.fresh(Layer.provide(net.layer(host), ConnectData.layerExchange()))
      const server = Effect.gen(function*() {
        const listener = yield* Winsock.socket(tcp)
        yield* Winsock.bind(listener, net.address("server", 80))
        yield* Winsock.listen(listener)
        yield* Winsock.WSAAccept(listener, () => Effect.as(Effect.sleep("1 second"), Winsock.CF_ACCEPT))
        return yield* Effect.never
      })
      yield* Effect.forkScoped(Effect.provide(Effect.scoped(server), on("server")))
      yield* Effect.gen(function*() {
        const s = yield* Winsock.socket(tcp)
        const event = yield* Winsock.WSACreateEvent
        yield* Winsock.WSAEventSelect(s, event, NetworkEvent.FD_CONNECT | NetworkEvent.FD_QOS)
        yield* Effect.flip(Winsock.WSAConnect(s, net.address("server", 80), { sqos: voice(16_000) }))
        yield* Effect.sleep("500 millis")
        assert.strictEqual(net.reservations()[0]?.reserved?.sending?.rate, 16_000)
        net.setReservable(["client", "server"], 0)
        yield* Winsock.WSAWaitForMultipleEvents([event])
        const { iErrorCode } = yield* Winsock.WSAEnumNetworkEvents(s, event)
        assert.isUndefined(iErrorCode.FD_CONNECT)
        assert.strictEqual(iErrorCode.FD_QOS?._tag, "WSA_QOS_ADMISSION_FAILURE")
        assert.isUndefined((yield* Winsock.connectResult(s)).applied.sending.reserved)
        assert.strictEqual((yield* Winsock.WSAIoctl(s, "SIO_GET_QOS"))?.sending?.serviceType, "networkUnavailable")
      }).pipe(Effect.scoped, Effect.provide(on("client")))
    }).pipe(Effect.scoped))

  it.sim("A18, R20: FD_GROUP_QOS tells the creator of a group", () =>
    onClient({ link: room }, (net) =>
      Effect.gen(function*() {
        const address = net.address("server", 7)
        const creator = yield* Winsock.socket({ ...tcp, group: Winsock.SG_UNCONSTRAINED_GROUP })
        const group = yield* Winsock.getsockopt(creator, SocketOption.SO_GROUP_ID)
        yield* Winsock.WSAConnect(creator, address, { gqos: voice(16_000) })
        const member = yield* Winsock.socket({ ...tcp, group })
        yield* Winsock.WSAConnect(member, address)
        assert.deepStrictEqual(net.reservations().map(({ group, reserved }) => [group, reserved?.sending?.rate]), [
          [true, 16_000]
        ])
        const event = yield* Winsock.WSACreateEvent
        yield* Winsock.WSAEventSelect(creator, event, NetworkEvent.FD_QOS | NetworkEvent.FD_GROUP_QOS)
        yield* Effect.forkScoped(Effect.delay(Fault.inject(net, Fault.shortage("client", 0)), "1 minute"))
        yield* Winsock.WSAWaitForMultipleEvents([event])
        const { iErrorCode, lNetworkEvents } = yield* Winsock.WSAEnumNetworkEvents(creator, event)
        assert.strictEqual(lNetworkEvents, NetworkEvent.FD_GROUP_QOS)
        assert.strictEqual(iErrorCode.FD_GROUP_QOS?._tag, "WSA_QOS_ADMISSION_FAILURE")
      })))
})

/** Takes whatever comes on port 8, and never answers. */
const sink = Effect.gen(function*() {
  const listener = yield* Winsock.socket(tcp)
  yield* Winsock.bind(listener, "0.0.0.0:8")
  yield* Winsock.listen(listener)
  return yield* Effect.forever(Effect.gen(function*() {
    const { socket } = yield* Winsock.accept(listener)
    const taking = Effect.repeat(Winsock.recv(socket), { until: (bytes) => bytes.length === 0 })
    yield* Effect.forkScoped(Effect.ignore(taking))
  }))
})

/** How long each packet of a call of ten seconds took that arrived, beside bulk transfers. */
const callBesideBulk = (type: "stream" | "datagram", sqos: Qos.Qos | undefined) =>
  Effect.gen(function*() {
    const net = yield* SimNetwork.make({
      hosts: { client: { reservable: 40_000 }, server: {} },
      link: { latency: "5 millis", bandwidth: 50_000, queue: 20_000 }
    })
    yield* net.run("server", sink)
    const delays: Array<number> = []
    const heard = Effect.gen(function*() {
      const listener = yield* Winsock.socket({ family: "IPv4", type })
      yield* Winsock.bind(listener, "0.0.0.0:9")
      let s = listener
      if (type === "stream") {
        yield* Winsock.listen(listener)
        s = (yield* Winsock.accept(listener)).socket
      }
      let rest = ""
      while (true) {
        const text = rest + new TextDecoder().decode(yield* Winsock.recv(s))
        const now = yield* Clock.currentTimeMillis
        for (let at = 0; at + 160 <= text.length; at += 160) delays.push(now - Number(text.slice(at, at + 160)))
        rest = text.slice(text.length - text.length % 160)
      }
    })
    yield* net.run("server", heard)
    yield* Effect.sleep("1 second")
    return yield* Effect.gen(function*() {
      for (let count = 0; count < 5; count++) {
        const bulk = yield* Winsock.socket(tcp)
        yield* Winsock.connect(bulk, net.address("server", 8))
        yield* Effect.forkScoped(Effect.ignore(Winsock.send(bulk, new Uint8Array(2_000_000))))
      }
      const s = yield* Winsock.socket({ family: "IPv4", type })
      const { applied } = yield* Winsock.WSAConnect(s, net.address("server", 9), { sqos })
      for (let count = 0; count < 500; count++) {
        yield* Effect.forkScoped(
          Winsock.send(s, new TextEncoder().encode(`${yield* Clock.currentTimeMillis}`.padEnd(160)))
        )
        yield* Effect.sleep("20 millis")
      }
      yield* Effect.sleep("5 seconds")
      return { delays, bound: applied.sending.reserved?.delay }
    }).pipe(Effect.scoped, Effect.provide(net.layer("client")))
  }).pipe(Effect.scoped)

describe("a call beside bulk transfers", { timeout: 120_000 }, () => {
  const g711: Qos.Qos = {
    sending: {
      serviceType: "guaranteed",
      tokenRate: 8000,
      tokenBucketSize: 320,
      maxSduSize: 160,
      latency: 110_000
    }
  }
  for (const type of ["datagram", "stream"] as const) {
    it.sim(`R16: of ${type}s keeps the delay that it was promised`, function*() {
      const { bound, delays } = yield* callBesideBulk(type, g711)
      assert.isAtMost(bound!, 110_000)
      assert.strictEqual(delays.length, 500)
      assert.isAtMost(Math.max(...delays) * 1000, bound!)
    }, { maxTime: "1 hour" })

    it.sim(`of ${type}s that asks for nothing is mostly too late`, function*() {
      const { bound, delays } = yield* callBesideBulk(type, undefined)
      assert.isUndefined(bound)
      assert.isBelow(delays.filter((delay) => delay <= 110).length, 250)
    }, { maxTime: "1 hour" })
  }
})

/** Calls that come and go, with reservations that are refused, lost and found again. */
const busy = (options: SimNetwork.Options, sqos: (index: number) => Qos.Qos | undefined) =>
  onClient(options, (net) =>
    Effect.gen(function*() {
      yield* Effect.forkScoped(
        Fault.inject(net, Fault.partition("client", "server")).pipe(Fault.during("1 second"), Effect.delay("3 seconds"))
      )
      if (options.link?.reservable !== undefined) {
        yield* Effect.forkScoped(Effect.delay(Effect.sync(() => net.setReservable("client", 20_000)), "2 seconds"))
      }
      const one = (index: number) =>
        Effect.gen(function*() {
          yield* Effect.sleep(index * 300)
          const { s } = yield* call(net, sqos(index))
          yield* Effect.forkScoped(Effect.ignore(Winsock.send(s, new Uint8Array(30_000))))
          for (let left = 30_000; left > 0;) left -= (yield* Winsock.recv(s)).length
        }).pipe(Effect.scoped, Effect.ignore)
      yield* Effect.all(Array.from({ length: 20 }, (_, index) => one(index)), { concurrency: "unbounded" })
    }))

describe("a run", { timeout: 120_000 }, () => {
  const link = { latency: "5 millis", bandwidth: 200_000, jitter: "10 millis", loss: 0.02 } as const

  it("in which nobody asks for a QOS is the same whether anything can be reserved or not", () => {
    for (let seed = 0; seed < 10; seed++) {
      const [without, reserving] = [{ link }, { link: { ...link, reservable: 100_000 } }].map((options) =>
        Sim.run(
          Effect.gen(function*() {
            const net = yield* SimNetwork.make({ hosts, ...options })
            yield* net.run("server", echo)
            yield* Effect.gen(function*() {
              const { s } = yield* call(net)
              yield* Effect.forkScoped(Winsock.send(s, new Uint8Array(100_000)))
              for (let left = 100_000; left > 0;) left -= (yield* Winsock.recv(s)).length
            }).pipe(Effect.scoped, Effect.provide(net.layer("client")))
          }).pipe(Effect.scoped),
          { seed }
        )
      )
      assert.strictEqual(Sim.getOrThrow(without!), undefined)
      assert.strictEqual(reserving!.hash, without!.hash, `seed ${seed}`)
      assert.isAbove(Duration.toMillis(without!.elapsed), 500)
    }
  })

  it("in which somebody does is the same each time", () => {
    const hashes = new Set<string>()
    for (let seed = 0; seed < 10; seed++) {
      const asked = (index: number) =>
        index % 3 === 0 ? undefined : voice(15_000, index % 3 === 1 ? { latency: 300_000 } : {})
      const [one, again] = [1, 2].map(() => Sim.run(busy({ link: { ...link, reservable: 100_000 } }, asked), { seed }))
      Sim.getOrThrow(one!)
      assert.strictEqual(one!.hash, again!.hash, `seed ${seed}`)
      hashes.add(one!.hash)
    }
    assert.strictEqual(hashes.size, 10)
  })
})
