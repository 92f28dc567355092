import { type Provider, Qos, type SocketOption } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import * as S from "../../src/internal/socketState.ts"
import * as m from "../utils/machines.ts"

const { at, datagram, facts, localOf, peerOf, state, stream } = m
const unix = m.kind("Unix", "stream")

const decide = (of: S.SocketState, request: S.Request): S.Decision => S.decide(of, request, facts, m.able)
const codeOf = (answer: S.Decision): string => answer._tag === "Fail" ? answer.code : answer._tag

const set = (of: S.SocketState, option: string, value: unknown): S.Decision =>
  decide(of, { _tag: "setOption", option, value })
const with_ = (of: S.SocketState, option: string, value: unknown): S.SocketState => {
  const decision = set(of, option, value)
  assert.strictEqual(decision._tag, "Done")
  return decision._tag === "Fail" ? of : decision.next
}
const get = (of: S.SocketState, option: string): unknown => {
  const answer = S.getOption(of, option, facts, m.able, 0)
  return answer._tag === "Fail" ? answer.code : answer.value
}

const connected = (of: Provider.Kind, change: Partial<S.SocketState> = {}): S.SocketState =>
  state(of, {
    phase: { _tag: "Connected", remote: peerOf(of), since: 0, calleeData: new Uint8Array(0) },
    local: localOf(of),
    ...change
  })

const close = (of: S.SocketState, lent = false, unsent = false) => {
  const decision = decide(of, { _tag: "close", lent, unsent })
  return decision._tag === "Run" && decision.command._tag === "close"
    ? { how: decision.command.how, linger: decision.command.linger }
    : codeOf(decision)
}

const linger = (l_linger: number, l_onoff = true): SocketOption.Linger => ({ l_onoff, l_linger })

describe("socketState, options", () => {
  it("A11: SO_LINGER says whether a close is graceful, resets at once, or resets after so many seconds", () => {
    const of = connected(stream)
    assert.deepStrictEqual(close(of), { how: "graceful", linger: 0 })
    assert.deepStrictEqual(close(with_(of, "SO_LINGER", linger(3))), { how: "graceful", linger: 3000 })
    assert.deepStrictEqual(close(with_(of, "SO_LINGER", linger(0))), { how: "reset", linger: 0 })
    assert.deepStrictEqual(close(with_(of, "SO_LINGER", linger(0, false))), { how: "graceful", linger: 0 })
    assert.deepStrictEqual(close(with_(of, "SO_LINGER", linger(3, false))), { how: "graceful", linger: 0 })
  })

  it("A11: bytes that are lent are never lingered for (R27)", () => {
    assert.deepStrictEqual(close(with_(connected(stream), "SO_LINGER", linger(3)), true), { how: "reset", linger: 0 })
  })

  it("A11: only a connection lingers", () => {
    for (const of of m.phases(stream)) {
      if (of.phase._tag === "Connected" || of.phase._tag === "Closed") continue
      assert.deepStrictEqual(close(with_(of, "SO_LINGER", linger(3))), { how: "graceful", linger: 0 }, of.phase._tag)
      assert.deepStrictEqual(close(with_(of, "SO_LINGER", linger(0))), { how: "graceful", linger: 0 }, of.phase._tag)
    }
  })

  it("A11: WSAEWOULDBLOCK where a non-blocking socket would have to wait, and only there", () => {
    const lingering = with_(connected(stream), "SO_LINGER", linger(3))
    const nonBlocking = { ...lingering, blocking: false }
    assert.strictEqual(close(nonBlocking, false, true), "WSAEWOULDBLOCK")
    assert.deepStrictEqual(close(nonBlocking, false, false), { how: "graceful", linger: 3000 })
    assert.deepStrictEqual(close(lingering, false, true), { how: "graceful", linger: 3000 })
    assert.deepStrictEqual(close(with_(nonBlocking, "SO_LINGER", linger(0)), false, true), { how: "reset", linger: 0 })
    assert.deepStrictEqual(close(connected(stream, { blocking: false }), false, true), { how: "graceful", linger: 0 })
    // Leaving a scope cannot fail.
    assert.strictEqual(S.close(nonBlocking, false).command.linger, 3000)
  })

  it("A14: SO_LINGER and the time-outs are read back, and are off at first", () => {
    assert.deepStrictEqual(get(state(stream), "SO_LINGER"), linger(0, false))
    assert.deepStrictEqual(get(with_(state(stream), "SO_LINGER", linger(65535)), "SO_LINGER"), linger(65535))
    for (const option of ["SO_RCVTIMEO", "SO_SNDTIMEO", "TCP_MAXRTMS"]) {
      assert.strictEqual(get(state(stream), option), 0)
      assert.strictEqual(get(with_(state(stream), option, 0xffff_ffff), option), 0xffff_ffff)
    }
  })

  it("A14: what is kept is no object of the caller's, and none of the socket's is handed out", () => {
    const given = { l_onoff: true, l_linger: 1 }
    const of = with_(state(stream), "SO_LINGER", given)
    given.l_linger = 9
    const read = get(of, "SO_LINGER") as { l_linger: number }
    assert.deepStrictEqual(read, linger(1) as object)
    read.l_linger = 9
    assert.deepStrictEqual(get(of, "SO_LINGER"), linger(1))
  })

  it("A14: WSAEFAULT for what is of another type, WSAEINVAL for what is out of range", () => {
    for (const value of [...m.absurd, true, {}, { l_onoff: 1, l_linger: 1 }, { l_onoff: true }, { l_linger: 1 }]) {
      assert.strictEqual(codeOf(set(state(stream), "SO_LINGER", value)), "WSAEFAULT")
    }
    for (const seconds of [-1, 0.5, 65536, Number.NaN, Infinity]) {
      assert.strictEqual(codeOf(set(state(stream), "SO_LINGER", linger(seconds))), "WSAEINVAL")
    }
    for (const option of ["SO_RCVTIMEO", "SO_SNDTIMEO", "TCP_MAXRTMS"]) {
      for (const value of ["1", undefined, null, 1n, true, {}]) {
        assert.strictEqual(codeOf(set(state(stream), option, value)), "WSAEFAULT")
      }
      for (const value of [-1, 0.5, 2 ** 32, Number.NaN, Infinity]) {
        assert.strictEqual(codeOf(set(state(stream), option, value)), "WSAEINVAL")
      }
    }
  })

  it("A14: WSAENOPROTOOPT where the type of socket has no such option", () => {
    assert.strictEqual(codeOf(set(state(datagram), "SO_LINGER", linger(1))), "WSAENOPROTOOPT")
    assert.strictEqual(codeOf(set(state(datagram), "TCP_MAXRTMS", 1)), "WSAENOPROTOOPT")
    assert.strictEqual(codeOf(set(state(unix), "TCP_MAXRTMS", 1)), "WSAENOPROTOOPT")
    assert.strictEqual(codeOf(set(state(unix), "SO_LINGER", linger(1))), "Done")
    assert.strictEqual(codeOf(set(state(datagram), "SO_RCVTIMEO", 1)), "Done")
    assert.strictEqual(codeOf(set(state(datagram), "SO_SNDTIMEO", 1)), "Done")
  })

  it("A14: TCP_MAXRTMS goes with the attempts that begin after it was set", () => {
    const of = with_(state(stream), "TCP_MAXRTMS", 250)
    const decision = decide(of, { _tag: "connect", name: peerOf(stream), data: S.noConnectData })
    assert.strictEqual(decision._tag === "Run" && decision.command._tag === "connect" && decision.command.timeout, 250)
    assert.strictEqual(S.connectTimedOut.code, "WSAETIMEDOUT")
  })

  it("A06: an accepted socket has them from its listener", () => {
    const listener = with_(with_(state(stream), "SO_LINGER", linger(2)), "SO_RCVTIMEO", 7)
    const accepted = S.makeAccepted(listener, at("127.0.0.1:1"), at("127.0.0.1:2"), 0)
    assert.deepStrictEqual(get(accepted, "SO_LINGER"), linger(2))
    assert.strictEqual(get(accepted, "SO_RCVTIMEO"), 7)
    assert.deepStrictEqual(S.inherited(accepted, m.able), [])
  })
})

describe("socketState, quality of service", () => {
  const plain: Qos.Qos = { sending: { serviceType: "bestEffort", tokenRate: 7 } }
  const other: Qos.Qos = { receiving: { serviceType: "bestEffort" } }
  const ioctl = (of: S.SocketState, code: unknown, qos: Qos.Qos | S.UndecodableQos = m.undecodable, able = m.able) =>
    S.decide(of, { _tag: "ioctl", code, qos, table: Qos.windows }, facts, able)
  const told = (of: S.SocketState, code: string, qos: Qos.Qos): S.SocketState => {
    const decision = ioctl(of, code, qos)
    assert.strictEqual(decision._tag, "Done")
    return decision._tag === "Done" ? decision.next : of
  }
  const connect = (of: S.SocketState, data: Partial<S.ConnectData>, able = m.able) =>
    S.decide(of, { _tag: "connect", name: peerOf(of.kind), data: { ...S.noConnectData, ...data } }, facts, able)
  const after = (decision: S.Decision): S.SocketState => {
    assert.strictEqual(decision._tag, "Run")
    if (decision._tag === "Fail") return state(stream)
    return decision._tag === "Run" && decision.command._tag === "setPeer"
      ? S.react(decision.next, { ...decision.command, _tag: "peerSet", local: m.localOf(datagram), now: 0 }).next
      : decision.next
  }
  const read = (of: S.SocketState) => [S.ioctlValue(of, "SIO_GET_QOS"), S.ioctlValue(of, "SIO_GET_GROUP_QOS")]

  const creator = (of: Provider.Kind) => S.withGroup(state(of), { id: 9, constrained: false, created: true })
  const member = (of: Provider.Kind) => S.withGroup(state(of), { id: 9, constrained: false, created: false })

  it("A16: what is set is read back, and none where none was set (R19)", () => {
    assert.deepStrictEqual(read(state(stream)), [undefined, undefined])
    assert.deepStrictEqual(read(told(state(stream), "SIO_SET_QOS", plain)), [plain, undefined])
    assert.deepStrictEqual(read(told(creator(stream), "SIO_SET_GROUP_QOS", plain)), [undefined, plain])
    assert.isUndefined(S.ioctlValue(told(state(stream), "SIO_SET_QOS", plain), "SIO_SET_QOS"))
  })

  it("A16: WSAEOPNOTSUPP for any other code, whatever comes with it", () => {
    for (const code of m.absurd) assert.strictEqual(codeOf(ioctl(state(stream), code)), "WSAEOPNOTSUPP")
    assert.strictEqual(codeOf(ioctl(state(stream), "SIO_RCVALL", plain)), "WSAEOPNOTSUPP")
  })

  it("A16: WSAEFAULT for what does not decode, WSAEOPNOTSUPP for what the provider cannot honour (R16)", () => {
    for (const code of ["SIO_SET_QOS", "SIO_SET_GROUP_QOS"]) {
      assert.strictEqual(codeOf(ioctl(creator(stream), code)), "WSAEFAULT")
      assert.strictEqual(codeOf(ioctl(creator(stream), code, m.demanding, m.plain)), "WSAEOPNOTSUPP")
      assert.strictEqual(codeOf(ioctl(creator(stream), code, m.demanding, m.able)), "Done")
    }
    assert.strictEqual(codeOf(ioctl(state(stream), "SIO_SET_GROUP_QOS")), "WSAEFAULT")
  })

  it("R17: a flow in a direction that the socket lacks asks for nothing", () => {
    const sending = state(m.kind("IPv4", "stream", "send"))
    const receiving: Qos.Qos = { receiving: { serviceType: "guaranteed" } }
    assert.strictEqual(codeOf(ioctl(sending, "SIO_SET_QOS", receiving, m.plain)), "Done")
    assert.strictEqual(codeOf(ioctl(sending, "SIO_SET_QOS", m.demanding, m.plain)), "WSAEOPNOTSUPP")
  })

  it("R15: a connect that is decided right overrides what was set, one that is not leaves it", () => {
    for (const  of of[creator(stream), creator(datagram)]) {
      const before = told(told(of, "SIO_SET_QOS", plain), "SIO_SET_GROUP_QOS", plain)
      assert.deepStrictEqual(read(after(connect(before, {}))), [plain, plain])
      assert.deepStrictEqual(read(after(connect(before, { sqos: other }))), [other, plain])
      assert.deepStrictEqual(read(after(connect(before, { gqos: other }))), [plain, other])
      assert.strictEqual(codeOf(connect(before, { sqos: m.demanding }, m.plain)), "WSAEOPNOTSUPP")
      assert.strictEqual(codeOf(connect(before, { gqos: m.demanding }, m.plain)), "WSAEOPNOTSUPP")
    }
  })

  it("R20: a group QOS is ignored where the socket has not created its group", () => {
    for (const  of of[state(stream), member(stream), member(datagram)]) {
      assert.deepStrictEqual(read(told(of, "SIO_SET_GROUP_QOS", plain)), [undefined, undefined])
      assert.strictEqual(codeOf(ioctl(of, "SIO_SET_GROUP_QOS", m.demanding, m.plain)), "Done")
      assert.deepStrictEqual(read(after(connect(of, { gqos: plain }))), [undefined, undefined])
      assert.strictEqual(codeOf(connect(of, { gqos: m.demanding }, m.plain)), "Run")
      assert.strictEqual(codeOf(connect(of, { gqos: m.undecodable }, m.plain)), "WSAEFAULT")
    }
  })
})

describe("socketState, ioctlsocket", () => {
  const ask = (of: S.SocketState, command: unknown, available = 5) => {
    const answer = S.ioctlsocketValue(of, command, facts, available)
    return answer._tag === "Fail" ? answer.code : answer.value
  }

  it("A15: FIONREAD is what is there, in every phase, SIOCATMARK is true on streams", () => {
    for (const of of m.kinds.flatMap(m.phases)) {
      const closed = of.phase._tag === "Closed"
      assert.strictEqual(ask(of, "FIONREAD"), closed ? "WSAENOTSOCK" : 5)
      assert.strictEqual(
        ask(of, "SIOCATMARK"),
        closed ? "WSAENOTSOCK" : of.kind.type === "stream" ? true : "WSAEINVAL"
      )
    }
  })

  it("A15: any other command is WSAEINVAL", () => {
    for (const command of [...m.absurd, "FIOASYNC"]) assert.strictEqual(ask(state(stream), command), "WSAEINVAL")
  })
})
