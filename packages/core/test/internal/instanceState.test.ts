import { type SocketAddress, WsaError } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Equal, Hash, HashMap, Schema } from "effect"
import * as I from "../../src/internal/instanceState.ts"
import { type Group, make as makeSocket, type Options } from "../../src/internal/socketState.ts"
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

const startedAs = (version: number): I.InstanceState => {
  const answer = I.start("up", version)
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

  describe("versions and start-ups", () => {
    it("A21: negotiates the highest version that is not above the one asked for", () => {
      const table: ReadonlyArray<readonly [wanted: unknown, given: number | undefined]> = [
        [0x0001, 0x0001],
        [0x0101, 0x0101],
        [0x0201, 0x0101],
        [0xff01, 0x0101],
        [0x0002, 0x0002],
        [0x0102, 0x0102],
        [0x0202, 0x0202],
        [0x0302, 0x0202],
        [0x0003, 0x0202],
        [0xffff, 0x0202],
        [0x0000, undefined],
        [0x0100, undefined],
        [0xff00, undefined],
        [-1, undefined],
        [0x10002, undefined],
        [2.2, undefined],
        [NaN, undefined],
        ["2.2", undefined],
        [null, undefined]
      ]
      for (const [wanted, given] of table) assert.strictEqual(I.negotiate(wanted), given, String(wanted))
    })

    const word = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff })))
    it.prop("A21: gives a version that there is, and never more than was asked for", [word], ([wanted]) => {
      const rank = (version: number) => (version & 0xff) * 256 + (version >>> 8)
      const given = I.negotiate(wanted)
      assert.strictEqual(given === undefined, (wanted & 0xff) === 0)
      if (given === undefined) return
      assert.include([0x0001, 0x0101, 0x0002, 0x0102, 0x0202], given)
      assert.isAtMost(rank(given), rank(wanted))
      assert.strictEqual(I.negotiate(given), given)
    }, property)

    it("E04, E05: versions 1.0 and 1.1 block once, and can be cancelled where something blocks", () => {
      for (const version of [0x0001, 0x0101, 0x0002, 0x0102, 0x0202]) {
        const state = startedAs(version)
        const old = version === 0x0001 || version === 0x0101
        assert.strictEqual(I.blocksOnce(state), old)
        const code = (blocked: boolean) => I.cancelling(state, facts, blocked)?.code
        assert.strictEqual(code(false), old ? "WSAEINVAL" : "WSAEOPNOTSUPP")
        assert.strictEqual(code(true), old ? undefined : "WSAEOPNOTSUPP")
      }
      const gone = I.cleanup(startedAs(0x0101))
      assert.strictEqual(I.cancelling(gone, I.facts(gone, "up"), false)?.code, "WSANOTINITIALISED")
      const deaf = startedAs(0x0101)
      assert.strictEqual(I.cancelling(deaf, I.facts(deaf, "down"), true)?.code, "WSAENETDOWN")
    })

    it("E01, A21: leaving the scope takes all start-ups back, and nothing starts the instance again", () => {
      const twice = I.start("up", 0x0202, started())
      if ("_tag" in twice) return assert.fail(twice.detail)
      const gone = I.leave(twice.next)
      assert.strictEqual(gone.count, 0)
      for (const state of [gone, I.cleanup(gone), I.leave(gone)]) {
        assert.isFalse(I.facts(state, "up").started)
        const answer = I.start("up", 0x0202, state)
        assert.strictEqual("_tag" in answer ? answer.code : "started", "WSASYSNOTREADY")
      }
    })

    it("A21, E02: a start-up that fails changes nothing", () => {
      for (const [network, wanted] of [["down", 0x0202], ["up", 0], ["down", 0]] as const) {
        const answer = I.start(network, wanted, started())
        assert.strictEqual(
          "_tag" in answer ? answer.code : "",
          network === "down" ? "WSASYSNOTREADY" : "WSAVERNOTSUPPORTED"
        )
      }
    })

    const steps = Arbitrary.array(
      pick<number | "cleanup">([0x0101, 0x0202, 0x0102, "cleanup", "cleanup"]),
      {
        maxLength: 30
      }
    )
    it.prop("A21: start-ups are counted, and the version is that of the first", [steps], ([steps]) => {
      let state = I.cleanup(started())
      let versions: Array<number> = []
      for (const step of steps) {
        if (step === "cleanup") {
          state = I.cleanup(state)
          // The version stays that of the start-up that found it not started, whichever is taken back.
          versions = versions.length > 1 ? versions.slice(0, -1) : []
        } else {
          const answer = I.start("up", step, state)
          if ("_tag" in answer) return assert.fail(answer.detail)
          assert.strictEqual(answer.version, step)
          state = answer.next
          versions.push(step)
        }
        assert.strictEqual(state.count, versions.length)
        assert.strictEqual(I.facts(state, "up").started, versions.length > 0)
        if (versions.length > 0) assert.strictEqual(state.version, versions[0])
      }
    }, property)
  })

  describe("groups", () => {
    class Member implements Equal.Equal {
      [Equal.symbol](that: unknown) {
        return this === that
      }
      [Hash.symbol]() {
        return 1
      }
    }
    const joined = (state: I.InstanceState, member: Member, wanted: unknown, of = stream) => {
      const answer = I.join(state, member, of, wanted)
      if ("_tag" in answer) return assert.fail(answer.detail)
      return answer
    }
    const refused = (state: I.InstanceState, wanted: unknown, of = stream) => {
      const answer = I.join(state, new Member(), of, wanted)
      return "_tag" in answer ? answer.code : "joined"
    }

    it("A01: none is no group, and changes nothing", () => {
      const state = started()
      for (const none of [0, undefined]) {
        const { group, next } = joined(state, new Member(), none)
        assert.isUndefined(group)
        assert.strictEqual(next, state)
      }
    })

    it("A01, R20: who creates a group is told so, who joins it is not", () => {
      const first = joined(started(), new Member(), I.SG_CONSTRAINED_GROUP)
      assert.deepInclude(first.group, { constrained: true, created: true })
      const second = joined(first.next, new Member(), first.group!.id)
      assert.deepStrictEqual(second.group, { ...first.group!, created: false })
      const other = joined(second.next, new Member(), I.SG_UNCONSTRAINED_GROUP)
      assert.notStrictEqual(other.group!.id, first.group!.id)
      assert.isFalse(other.group!.constrained)
    })

    it("A01: a constrained group takes streams only, and what is unknown is WSAEINVAL", () => {
      const { group, next } = joined(started(), new Member(), I.SG_CONSTRAINED_GROUP)
      assert.strictEqual(refused(next, group!.id, datagram), "WSAEINVAL")
      assert.strictEqual(refused(next, I.SG_CONSTRAINED_GROUP, datagram), "WSAEINVAL")
      assert.strictEqual(refused(next, I.SG_UNCONSTRAINED_GROUP, datagram), "joined")
      for (const wanted of [3, -1, 0x7fff, NaN, "1", null, {}, true]) {
        assert.strictEqual(refused(next, wanted), "WSAEINVAL", String(wanted))
      }
    })

    it("A21: a clean-up ends all groups, and their numbers are not given again", () => {
      const { group, next } = joined(started(), new Member(), I.SG_UNCONSTRAINED_GROUP)
      const again = I.start("up", 0x0202, I.cleanup(next))
      if ("_tag" in again) return assert.fail(again.detail)
      assert.strictEqual(refused(again.next, group!.id), "WSAEINVAL")
      assert.isAbove(joined(again.next, new Member(), I.SG_UNCONSTRAINED_GROUP).group!.id, group!.id)
    })

    const everyone = Array.from({ length: 6 }, () => new Member())
    const step = Arbitrary.all({
      who: pick(everyone),
      does: pick(["create", "create constrained", "join", "join", "join", "part", "part"]),
      which: pick([0, 1, 2, 3])
    })
    it.prop(
      "A01: a group is there while one of its sockets is",
      [Arbitrary.array(step, { maxLength: 40 })],
      ([steps]) => {
        let state = started()
        const of = new Map<Member, Group>()
        const ids: Array<number> = []
        for (const { does, which, who } of steps) {
          const mine = of.get(who)
          if (does === "part") {
            if (mine === undefined) continue
            state = I.part(state, who, mine)
            of.delete(who)
          } else if (mine === undefined) {
            const wanted = does === "join"
              ? ids[which] ?? 0x7fff
              : does === "create"
              ? I.SG_UNCONSTRAINED_GROUP
              : I.SG_CONSTRAINED_GROUP
            const exists = does !== "join" || Array.from(of.values()).some(({ id }) => id === wanted)
            const answer = I.join(state, who, stream, wanted)
            assert.strictEqual("_tag" in answer, !exists)
            if ("_tag" in answer) continue
            state = answer.next
            of.set(who, answer.group!)
            if (does !== "join") {
              assert.notInclude(ids, answer.group!.id)
              ids.push(answer.group!.id)
            }
          }
          for (const group of new Set(of.values())) {
            const expected = Array.from(of).filter(([, { id }]) => id === group.id).map(([member]) => member)
            assert.sameMembers(Array.from(I.members(state, group)) as Array<Member>, expected)
          }
          assert.strictEqual(HashMap.size(state.groups), new Set(Array.from(of.values(), ({ id }) => id)).size)
        }
      },
      property
    )
  })
})
