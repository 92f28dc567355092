import { ProtocolInfo } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import * as InstanceState from "../../src/internal/instanceState.ts"
import { infoOf } from "../../src/internal/protocols.ts"
import * as SocketState from "../../src/internal/socketState.ts"
import * as m from "../utils/machines.ts"

const {
  XP1_CONNECTIONLESS,
  XP1_CONNECT_DATA,
  XP1_GRACEFUL_CLOSE,
  XP1_GUARANTEED_DELIVERY,
  XP1_GUARANTEED_ORDER,
  XP1_MESSAGE_ORIENTED,
  XP1_QOS_SUPPORTED,
  XP1_SUPPORT_BROADCAST
} = ProtocolInfo.ServiceFlags
const ofStreams = XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER | XP1_GRACEFUL_CLOSE
const ofDatagrams = XP1_CONNECTIONLESS | XP1_MESSAGE_ORIENTED

describe("protocols", () => {
  it("there is a row for each kind of socket that can be made, and no other", () => {
    const rows = InstanceState.protocols(() => m.plain)
    assert.deepStrictEqual(
      rows.map((row) => [row.iAddressFamily, row.iSocketType, row.iProtocol]),
      [
        ["IPv4", "stream", "tcp"],
        ["IPv4", "datagram", "udp"],
        ["IPv6", "stream", "tcp"],
        ["IPv6", "datagram", "udp"],
        ["Unix", "stream", undefined]
      ]
    )
    for (const { iAddressFamily: family, iProtocol: protocol, iSocketType: type } of rows) {
      assert.notProperty(InstanceState.socketKind({ family, type, protocol }, m.facts), "_tag")
    }
  })

  it("what a provider can do shows in the flags and the size, and nothing that it cannot", () => {
    assert.deepStrictEqual(infoOf(m.stream, m.plain), {
      dwServiceFlags1: ofStreams,
      iAddressFamily: "IPv4",
      iSocketType: "stream",
      iProtocol: "tcp",
      dwMessageSize: 0,
      szProtocol: "TCP/IP"
    })
    assert.strictEqual(infoOf(m.datagram, m.plain).dwServiceFlags1, ofDatagrams)
    assert.strictEqual(infoOf(m.datagram, m.plain).dwMessageSize, 8)
    assert.strictEqual(infoOf(m.stream, m.able).dwServiceFlags1, ofStreams | XP1_CONNECT_DATA | XP1_QOS_SUPPORTED)
    assert.strictEqual(
      infoOf(m.datagram, m.able).dwServiceFlags1,
      ofDatagrams | XP1_SUPPORT_BROADCAST | XP1_QOS_SUPPORTED
    )
    const answering = { ...m.plain, calleeDataMax: 1 }
    assert.strictEqual(infoOf(m.stream, answering).dwServiceFlags1, ofStreams | XP1_CONNECT_DATA)
  })

  it("A14: SO_PROTOCOL_INFO is the socket's row, whatever its direction, and cannot be set", () => {
    for (const kind of m.kinds) {
      const answer = SocketState.getOption(m.state(kind), "SO_PROTOCOL_INFO", m.facts, m.able, 0)
      const rows = InstanceState.protocols(() => m.able)
      assert.deepStrictEqual(
        answer._tag === "Value" ? answer.value : answer.code,
        rows.find((row) => row.iAddressFamily === kind.family && row.iSocketType === kind.type)
      )
    }
    const request = { _tag: "setOption", option: "SO_PROTOCOL_INFO", value: {} } as const
    const decision = SocketState.decide(m.state(m.stream), request, m.facts, m.able)
    assert.strictEqual(decision._tag === "Fail" && decision.code, "WSAENOPROTOOPT")
  })

  it("the flags are bits of their own", () => {
    const bits = Object.values(ProtocolInfo.ServiceFlags)
    assert.strictEqual(bits.reduce((all, bit) => all ^ bit, 0), 2 ** bits.length - 1)
  })
})
