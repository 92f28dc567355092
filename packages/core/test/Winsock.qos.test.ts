import { NetworkEvent, Provider, Qos, SocketOption, Winsock } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { noting } from "./utils/quality.ts"

const tcp = { family: "IPv4", type: "stream" } as const
const udp = { family: "IPv4", type: "datagram" } as const

const guaranteed: Qos.Qos = { sending: { serviceType: "guaranteed", tokenRate: 16_000, tokenBucketSize: 16_000 } }
const control: Qos.Qos = { sending: { serviceType: "networkControl", tokenRate: 1_000, tokenBucketSize: 1_500 } }
const plain: Qos.Qos = { sending: { serviceType: "bestEffort" } }

const listening = Effect.gen(function*() {
  const listener = yield* Winsock.socket(tcp)
  yield* Winsock.bind(listener, "127.0.0.1:0")
  yield* Winsock.listen(listener)
  return yield* Winsock.getsockname(listener)
})

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)

const over = (able?: Partial<Provider.Capabilities>) => {
  const noted = noting(Memory.make().provider, able)
  const run = <A, E>(effect: Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>) =>
    Effect.scoped(effect).pipe(Effect.provide(Winsock.layer(noted.provider)))
  const marks = () => noted.asked.map((quality) => quality?.dscp)
  return { noted, run, marks }
}

describe("Winsock, quality of service", () => {
  it.effect("R19: asks the provider for nothing where no QOS does", () => {
    const { marks, run } = over()
    return run(Effect.gen(function*() {
      const address = yield* listening
      for (const sqos of [undefined, null, {}, plain]) {
        const { applied } = yield* Winsock.WSAConnect(yield* Winsock.socket(tcp), address, { sqos })
        assert.isUndefined(applied.sending.marked)
        assert.isUndefined(applied.sending.shaped)
      }
      const { applied } = yield* Winsock.connect(yield* Winsock.socket(tcp), address)
      assert.strictEqual(applied, Qos.nothingApplied)
      assert.deepStrictEqual(marks(), [undefined, undefined, undefined, undefined, undefined])
    }))
  })

  it.effect("E10: a QOS whose fields are others when they are read again is none", () => {
    const { run } = over()
    return run(Effect.gen(function*() {
      const address = yield* listening
      class Inherited {
        get serviceType() {
          return "guaranteed" as const
        }
        get tokenRate() {
          return 16_000
        }
      }
      // As often right as it is read to be checked, and then no more.
      let left = 1000
      const changing = {
        ...guaranteed.sending!,
        get tokenRate() {
          return left-- > 0 ? 16_000 : 0.5
        }
      }
      assert.isUndefined(Qos.check({ sending: changing }))
      left = 1000 - left
      for (const sending of [changing, new Inherited()]) {
        const connecting = Winsock.WSAConnect(yield* Winsock.socket(tcp), address, { sqos: { sending } })
        assert.strictEqual(yield* tagOf(connecting), "WSAEFAULT")
      }
    }))
  })

  it.effect("R15: marks as the connect says, or as SIO_SET_QOS did, by the table around", () => {
    const { marks, run } = over()
    return run(Effect.gen(function*() {
      const address = yield* listening
      const set = yield* Winsock.socket(tcp)
      yield* Effect.provide(Winsock.WSAIoctl(set, "SIO_SET_QOS", guaranteed), Qos.layerMarking(Qos.rfc4594))
      // A plain connect knows no layers, but the socket has a QOS, and the table that came with it.
      const first = yield* Winsock.connect(set, address)
      assert.strictEqual(first.applied.sending.marked, Qos.rfc4594.dscp.guaranteed)
      const both = yield* Winsock.socket(tcp)
      yield* Winsock.WSAIoctl(both, "SIO_SET_QOS", guaranteed)
      const second = yield* Winsock.WSAConnect(both, address, { sqos: control })
      assert.strictEqual(second.applied.sending.marked, Qos.windows.dscp.networkControl)
      assert.deepStrictEqual(second.applied.sending.asked, control.sending)
      assert.deepStrictEqual(marks(), [Qos.rfc4594.dscp.guaranteed, Qos.windows.dscp.networkControl])
    }))
  })

  it.effect("R16, E16: what the provider cannot do after all fails, and leaves the socket as it was", () => {
    const { noted, run } = over()
    noted.answer = Provider.failure("WSAEOPNOTSUPP")
    return run(Effect.gen(function*() {
      const address = yield* listening
      for (const kind of [tcp, udp]) {
        const s = yield* Winsock.socket(kind)
        yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", plain)
        assert.strictEqual(yield* tagOf(Winsock.WSAConnect(s, address, { sqos: guaranteed })), "WSAEOPNOTSUPP")
        assert.strictEqual((yield* Winsock.WSAIoctl(s, "SIO_GET_QOS"))?.sending?.serviceType, "bestEffort")
        const { applied } = yield* Winsock.WSAConnect(s, address)
        assert.isUndefined(applied.sending.marked)
        assert.strictEqual(yield* tagOf(Winsock.WSAIoctl(s, "SIO_SET_QOS", guaranteed)), "WSAEOPNOTSUPP")
        assert.strictEqual((yield* Winsock.WSAIoctl(s, "SIO_GET_QOS"))?.sending?.serviceType, "bestEffort")
      }
    }))
  })

  it.effect("R16, R26: an attempt that comes to nothing leaves nothing of its QOS", () => {
    const { marks, run } = over()
    return run(Effect.gen(function*() {
      const s = yield* Winsock.socket(tcp)
      yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", control)
      assert.strictEqual(
        yield* tagOf(Winsock.WSAConnect(s, "127.0.0.1:9", { sqos: guaranteed })),
        "WSAECONNREFUSED"
      )
      assert.strictEqual((yield* Winsock.WSAIoctl(s, "SIO_GET_QOS"))?.sending?.serviceType, "networkControl")
      yield* Winsock.WSAConnect(s, yield* listening)
      assert.deepStrictEqual(marks(), [40, 48])
    }))
  })

  it.effect("A16: SIO_SET_QOS marks a connection anew, and one without a demand takes the mark away", () => {
    const { marks, run } = over()
    return run(Effect.gen(function*() {
      const address = yield* listening
      for (const kind of [tcp, udp]) {
        const s = yield* Winsock.socket(kind)
        yield* Winsock.WSAConnect(s, address)
        yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", guaranteed)
        assert.strictEqual((yield* Winsock.connectResult(s)).applied.sending.marked, 40)
        yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", { sending: { serviceType: "noChange" } })
        assert.strictEqual((yield* Winsock.connectResult(s)).applied.sending.marked, 40)
        yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", plain)
        assert.isUndefined((yield* Winsock.connectResult(s)).applied.sending.marked)
      }
      assert.deepStrictEqual(marks(), [undefined, 40, 40, undefined, undefined, 40, 40, undefined])
    }))
  })

  it.effect("A16: no QOS is set while an attempt is pending", () => {
    const { run } = over()
    return run(Effect.gen(function*() {
      const address = yield* listening
      const s = yield* Winsock.socket(tcp)
      yield* Winsock.ioctlsocket(s, "FIONBIO", true)
      assert.strictEqual(yield* tagOf(Winsock.WSAConnect(s, address, { sqos: guaranteed })), "WSAEWOULDBLOCK")
      assert.strictEqual(yield* tagOf(Winsock.WSAIoctl(s, "SIO_SET_QOS", plain)), "WSAEOPNOTSUPP")
      assert.strictEqual((yield* Winsock.WSAIoctl(s, "SIO_GET_QOS"))?.sending?.serviceType, "guaranteed")
      const { applied } = yield* Winsock.connectResult(s, { wait: true })
      assert.strictEqual(applied.sending.marked, 40)
    }))
  })

  it.effect("R07: a datagram socket that is dis-connected is marked no more, and again by its next connect", () => {
    const { marks, run } = over()
    return run(Effect.gen(function*() {
      const s = yield* Winsock.socket(udp)
      yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", guaranteed)
      yield* Winsock.connect(s, "127.0.0.1:9")
      const { applied } = yield* Winsock.connect(s, "0.0.0.0:0")
      assert.strictEqual(applied, Qos.nothingApplied)
      yield* Winsock.connect(s, "127.0.0.1:9")
      assert.deepStrictEqual(marks(), [40, undefined, 40])
    }))
  })

  it.effect("R20: what the creator of a group asks marks its other sockets too, now and when they connect", () => {
    const { marks, run } = over()
    return run(Effect.gen(function*() {
      const address = yield* listening
      const creator = yield* Winsock.socket({ ...tcp, group: Winsock.SG_UNCONSTRAINED_GROUP })
      const group = yield* Winsock.getsockopt(creator, SocketOption.SO_GROUP_ID)
      const early = yield* Winsock.socket({ ...tcp, group })
      yield* Winsock.WSAConnect(early, address)
      yield* Effect.provide(Winsock.WSAConnect(creator, address), Qos.layerGroup(guaranteed))
      assert.strictEqual((yield* Winsock.connectResult(early)).applied.sending.marked, 40)
      const late = yield* Winsock.socket({ ...tcp, group })
      const own = yield* Winsock.WSAConnect(late, address, { sqos: control })
      assert.strictEqual(own.applied.sending.marked, 48)
      assert.strictEqual(own.applied.sending.groupShaped?.tokenRate, 16_000)
      // Also when the creator is gone.
      yield* Winsock.closesocket(creator)
      const last = yield* Winsock.WSAConnect(yield* Winsock.socket({ ...tcp, group }), address)
      assert.strictEqual(last.applied.sending.marked, 40)
      assert.deepStrictEqual(marks(), [undefined, 40, 40, 48, 40])
    }))
  })

  it.effect("A18: FD_QOS and FD_GROUP_QOS tell what became of a reservation, once each time it is asked about", () => {
    const { noted, run } = over({ marking: true, reservesQos: true })
    noted.reserved = { sending: { rate: 16_000, delay: 20_000 }, receiving: undefined }
    return run(Effect.gen(function*() {
      const address = yield* listening
      const s = yield* Winsock.socket({ ...tcp, group: Winsock.SG_UNCONSTRAINED_GROUP })
      const { applied } = yield* Winsock.WSAConnect(s, address, { sqos: guaranteed, gqos: guaranteed })
      assert.deepStrictEqual(applied.sending.reserved, { rate: 16_000, delay: 20_000 })
      const event = yield* Winsock.WSACreateEvent
      yield* Winsock.WSAEventSelect(s, event, NetworkEvent.FD_QOS | NetworkEvent.FD_GROUP_QOS)
      const told = Effect.map(Winsock.WSAEnumNetworkEvents(s, event), ({ iErrorCode, lNetworkEvents }) => [
        NetworkEvent.names(lNetworkEvents),
        iErrorCode.FD_QOS?._tag,
        iErrorCode.FD_GROUP_QOS?._tag
      ])
      assert.deepStrictEqual(yield* told, [[], undefined, undefined])
      const sink = noted.sinks[1]!
      sink.qosChanged({ group: false, code: "WSA_QOS_ADMISSION_FAILURE", reserved: undefined })
      assert.deepStrictEqual(yield* told, [["FD_QOS"], "WSA_QOS_ADMISSION_FAILURE", undefined])
      assert.isUndefined((yield* Winsock.connectResult(s)).applied.sending.reserved)
      // Until somebody asks what it is now, there is no news.
      sink.qosChanged({ group: false, code: "WSA_QOS_REQUEST_CONFIRMED", reserved: noted.reserved })
      sink.qosChanged({ group: false, code: "WSA_QOS_ADMISSION_FAILURE", reserved: undefined })
      assert.deepStrictEqual(yield* told, [[], undefined, undefined])
      assert.strictEqual((yield* Winsock.WSAIoctl(s, "SIO_GET_QOS"))?.sending?.serviceType, "networkUnavailable")
      sink.qosChanged({ group: false, code: "WSA_QOS_REQUEST_CONFIRMED", reserved: noted.reserved })
      sink.qosChanged({ group: true, code: "WSA_QOS_POLICY_FAILURE", reserved: undefined })
      assert.deepStrictEqual(yield* told, [
        ["FD_QOS", "FD_GROUP_QOS"],
        "WSA_QOS_REQUEST_CONFIRMED",
        "WSA_QOS_POLICY_FAILURE"
      ])
      assert.strictEqual((yield* Winsock.WSAIoctl(s, "SIO_GET_QOS"))?.sending?.serviceType, "guaranteed")
      assert.strictEqual((yield* Winsock.WSAIoctl(s, "SIO_GET_GROUP_QOS"))?.sending?.serviceType, "networkUnavailable")
      assert.deepStrictEqual((yield* Winsock.connectResult(s)).applied.sending.reserved, noted.reserved?.sending)
    }))
  })

  it.effect("A18: a socket without a reservation of its own has that of the group it created, as long as there is one", () => {
    const { noted, run } = over({ marking: true, reservesQos: true })
    noted.reserved = { sending: { rate: 16_000, delay: 20_000 }, receiving: undefined }
    return run(Effect.gen(function*() {
      const s = yield* Winsock.socket({ ...tcp, group: Winsock.SG_UNCONSTRAINED_GROUP })
      const { applied } = yield* Winsock.WSAConnect(s, yield* listening, { gqos: guaranteed })
      assert.deepStrictEqual(applied.sending.reserved, { rate: 16_000, delay: 20_000 })
      const sink = noted.sinks[0]!
      sink.qosChanged({ group: true, code: "WSA_QOS_ADMISSION_FAILURE", reserved: undefined })
      assert.isUndefined((yield* Winsock.connectResult(s)).applied.sending.reserved)
      sink.qosChanged({ group: true, code: "WSA_QOS_REQUEST_CONFIRMED", reserved: noted.reserved })
      assert.deepStrictEqual((yield* Winsock.connectResult(s)).applied.sending.reserved, noted.reserved!.sending)
    }))
  })

  it.effect("R20: the QOS of a group is marked by its creator's table, on each socket, whenever it connects", () => {
    const { marks, run } = over()
    return run(Effect.gen(function*() {
      const address = yield* listening
      const creator = yield* Winsock.socket({ ...tcp, group: Winsock.SG_UNCONSTRAINED_GROUP })
      const group = yield* Winsock.getsockopt(creator, SocketOption.SO_GROUP_ID)
      const early = yield* Winsock.socket({ ...tcp, group })
      yield* Winsock.WSAIoctl(early, "SIO_SET_QOS", plain)
      yield* Winsock.WSAConnect(early, address, { sqos: { receiving: { serviceType: "bestEffort" } } })
      yield* Winsock.WSAConnect(creator, address, { gqos: guaranteed }).pipe(
        Effect.provide(Qos.layerMarking(Qos.rfc4594))
      )
      yield* Winsock.WSAConnect(yield* Winsock.socket({ ...tcp, group }), address)
      // What is its own is marked by its own.
      yield* Winsock.WSAConnect(yield* Winsock.socket({ ...tcp, group }), address, { sqos: guaranteed })
      assert.deepStrictEqual(marks(), [undefined, 46, 46, 46, 40])
    }))
  })
})
