import { type SocketAddress, WsaError } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import * as I from "../../src/internal/instanceState.ts"
import { make as makeSocket, type Options } from "../../src/internal/socketState.ts"
import { absurd, at, datagram, facts, kind, pick, stream } from "../utils/machines.ts"

const property = { arbitrary: { runs: Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200), seed: "instanceState" } }

const none: Options = makeSocket(stream).cold.options
const reuse: Options = { ...none, SO_REUSEADDR: true }
const exclusive: Options = { ...none, SO_EXCLUSIVEADDRUSE: true }

const started = (): I.InstanceState => {
  const answer = I.start("up")
  if ("_tag" in answer) return assert.fail(answer.detail)
  return answer.next
}

describe("instanceState", () => {
  it("E02: starts where the network is up, with version 2.2, and WSASYSNOTREADY where it is not", () => {
    assert.strictEqual(started().version, 0x0202)
    const answer = I.start("down")
    assert.strictEqual("_tag" in answer ? answer.code : "started", "WSASYSNOTREADY")
  })

  it("E01, E02: what its sockets are told, before and after the clean-up", () => {
    assert.deepStrictEqual(I.facts(started(), "up"), facts)
    assert.deepStrictEqual(I.facts(started(), "down"), { ...facts, networkUp: false })
    assert.isFalse(I.facts(I.cleanup(started()), "up").started)
    assert.isFalse(I.facts(I.cleanup(I.cleanup(started())), "down").started)
  })

  describe("socket", () => {
    const socket = (request: I.SocketRequest, current = facts): string => {
      const answer = I.socketKind(request, current)
      return "_tag" in answer ? answer.code : `${answer.family} ${answer.type} ${answer.direction}`
    }

    it("A01: gives one and the same object for one kind", () => {
      const tcp = I.socketKind({ family: "IPv4", type: "stream", protocol: "tcp" }, facts)
      assert.strictEqual(tcp, I.socketKind({ family: "IPv4", type: "stream" }, facts))
      assert.strictEqual(socket({ family: "IPv6", type: "datagram", direction: "send" }), "IPv6 datagram send")
      assert.strictEqual(socket({ family: "Unix", type: "stream" }), "Unix stream both")
      assert.strictEqual(socket({ family: "IPv4", type: "datagram", protocol: "udp" }), "IPv4 datagram both")
    })

    it("A01: names what is unknown, and what does not fit together", () => {
      assert.strictEqual(socket({ family: "IPv4", type: "raw" }), "WSAESOCKTNOSUPPORT")
      assert.strictEqual(socket({ family: "IPX", type: "stream" }), "WSAEAFNOSUPPORT")
      assert.strictEqual(socket({ family: "IPv4", type: "stream", direction: "up" }), "WSAEINVAL")
      assert.strictEqual(socket({ family: "Unix", type: "datagram" }), "WSAESOCKTNOSUPPORT")
      assert.strictEqual(socket({ family: "IPv4", type: "stream", protocol: "sctp" }), "WSAEPROTONOSUPPORT")
      assert.strictEqual(socket({ family: "Unix", type: "stream", protocol: "tcp" }), "WSAEPROTONOSUPPORT")
      assert.strictEqual(socket({ family: "IPv4", type: "stream", protocol: "udp" }), "WSAEPROTOTYPE")
      assert.strictEqual(socket({ family: "IPv4", type: "datagram", protocol: "tcp" }), "WSAEPROTOTYPE")
    })

    it("E01, E02, E05 come first", () => {
      assert.strictEqual(socket({}, { started: false, networkUp: false, busy: true }), "WSANOTINITIALISED")
      assert.strictEqual(socket({}, { started: true, networkUp: false, busy: true }), "WSAENETDOWN")
      assert.strictEqual(socket({}, { ...facts, busy: true }), "WSAEINPROGRESS")
    })

    const any = pick(["IPv4", "IPv6", "Unix", "stream", "datagram", "tcp", "udp", "both", "send", 0, ...absurd])
    it.prop("A01: answers whatever is asked, with a kind or a code of its row", [any, any, any, any], ([
      family,
      type,
      protocol,
      direction
    ]) => {
      const answer = I.socketKind(Object.freeze({ family, type, protocol, direction }), facts)
      if ("_tag" in answer) assert.isTrue(WsaError.callErrors.socket.some((code) => code === answer.code), answer.code)
      else assert.deepStrictEqual([answer.family, answer.type], [family, type])
    }, property)
  })

  describe("local addresses", () => {
    const a = { id: "a" }
    const b = { id: "b" }
    const four = at("127.0.0.1:4000")
    const claimed = (options: Options) => I.claim(started(), a, stream, four, options)

    it("A02, E03: an address is taken while a socket has it", () => {
      const state = claimed(none)
      assert.isTrue(I.taken(state, stream, four, none))
      assert.isFalse(I.taken(started(), stream, four, none))
      assert.isFalse(I.taken(I.release(state, a, stream, four), stream, four, none))
      assert.isFalse(I.taken(I.cleanup(state), stream, four, none))
    })

    it("A02: another port, address, family or transport is free, the all-zero address is not", () => {
      const state = claimed(none)
      assert.isFalse(I.taken(state, stream, at("127.0.0.1:4001"), none))
      assert.isFalse(I.taken(state, stream, at("127.0.0.2:4000"), none))
      assert.isFalse(I.taken(state, kind("IPv6", "stream"), at("[::]:4000"), none))
      assert.isFalse(I.taken(state, datagram, four, none))
      assert.isTrue(I.taken(state, stream, at("0.0.0.0:4000"), none))
      const any = I.claim(started(), a, stream, at("0.0.0.0:4000"), none)
      assert.isTrue(I.taken(any, stream, four, none))
    })

    it("A02: port 0 is never taken", () => {
      const state = I.claim(started(), a, stream, at("127.0.0.1:0"), exclusive)
      assert.isFalse(I.taken(state, stream, at("127.0.0.1:0"), none))
    })

    it("A14: SO_REUSEADDR lets both in where both have it, SO_EXCLUSIVEADDRUSE nobody", () => {
      assert.isFalse(I.taken(claimed(reuse), stream, four, reuse))
      assert.isTrue(I.taken(claimed(reuse), stream, four, none))
      assert.isTrue(I.taken(claimed(reuse), stream, four, exclusive))
      assert.isTrue(I.taken(claimed(none), stream, four, reuse))
      assert.isTrue(I.taken(claimed(exclusive), stream, four, reuse))
    })

    it("A02: a path is known by itself", () => {
      const unix = kind("Unix", "stream")
      const state = I.claim(started(), a, unix, at("unix:/tmp/a"), none)
      assert.isTrue(I.taken(state, unix, at("unix:/tmp/a"), none))
      assert.isFalse(I.taken(state, unix, at("unix:/tmp/b"), none))
    })

    it("releasing what one does not have changes nothing", () => {
      const state = claimed(none)
      assert.strictEqual(I.release(state, b, stream, four), state)
      assert.strictEqual(I.release(started(), a, stream, four).claims.toString(), started().claims.toString())
    })

    const owners = [a, b, { id: "c" }]
    const places = ["127.0.0.1:1", "127.0.0.1:2", "0.0.0.0:1", "127.0.0.2:1", "127.0.0.1:0"].map((text) => at(text))
    const step = Arbitrary.all({
      does: pick(["claim", "claim", "release"]),
      owner: pick(owners),
      place: pick<SocketAddress.SocketAddress>(places),
      options: pick([none, reuse, exclusive])
    })
    it.prop("A02: says what a plain list of the claims says", [Arbitrary.array(step, { maxLength: 20 })], ([steps]) => {
      let state = started()
      let list: Array<(typeof steps)[number]> = []
      for (const step of steps) {
        const { does, options, owner, place } = step
        list = list.filter((claim) => !(claim.owner === owner && claim.place === place))
        // Both places of port 1 that one owner might have are one to the table: an owner has one address.
        list = list.filter((claim) => !(does === "claim" && claim.owner === owner && samePort(claim.place, place)))
        if (does === "release") list = list.filter((claim) => !(claim.owner === owner && samePort(claim.place, place)))
        if (does === "claim") list.push(step)
        state = does === "claim"
          ? I.claim(state, owner, stream, place, options)
          : I.release(state, owner, stream, place)
        for (const wanted of places) {
          for (const asked of [none, reuse, exclusive]) {
            const expected = portOf(wanted) !== 0 && list.some((claim) =>
              samePort(claim.place, wanted) &&
              (claim.place === wanted || places.indexOf(claim.place) === 2 || places.indexOf(wanted) === 2) &&
              !(claim.options === reuse && asked === reuse)
            )
            assert.strictEqual(I.taken(state, stream, wanted, asked), expected)
          }
        }
      }
    }, property)

    const portOf = (address: SocketAddress.SocketAddress) => address._tag === "UnixPathAddress" ? -1 : address.port
    const samePort = (x: SocketAddress.SocketAddress, y: SocketAddress.SocketAddress) => portOf(x) === portOf(y)
  })
})
