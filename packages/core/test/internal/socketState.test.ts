import { type Provider, SocketAddress, WsaError } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect } from "effect"
import * as S from "../../src/internal/socketState.ts"
import * as m from "../utils/machines.ts"

const property = { arbitrary: { runs: Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200), seed: "socketState" } }

const { at, datagram, facts, name, state, stream } = m
const local = at("10.0.0.1:5000")
const peer = at("192.0.2.1:80")
const other = at("192.0.2.1:81")

const decide = (
  of: S.SocketState,
  request: S.Request,
  capabilities: Provider.Capabilities = m.able,
  current: S.Facts = facts
): S.Decision => S.decide(of, request, current, capabilities)

const codeOf = (answer: S.Decision | S.Fail | undefined | { readonly _tag: "Value" }): string =>
  answer === undefined ? "nothing" : answer._tag === "Fail" ? answer.code : answer._tag

const run = (decision: S.Decision): { readonly next: S.SocketState; readonly command: S.Command } => {
  assert.strictEqual(decision._tag, "Run")
  return decision as Extract<S.Decision, { readonly _tag: "Run" }>
}
const commandOf = <T extends S.Command["_tag"]>(
  decision: S.Decision,
  tag: T
): Extract<S.Command, { readonly _tag: T }> => {
  const { command } = run(decision)
  assert.strictEqual(command._tag, tag)
  return command as Extract<S.Command, { readonly _tag: T }>
}
const done = (decision: S.Decision): S.SocketState => {
  assert.strictEqual(decision._tag, "Done")
  return (decision as Extract<S.Decision, { readonly _tag: "Done" }>).next
}

const after = (of: S.SocketState, ...outcomes: ReadonlyArray<S.Outcome>): S.SocketState =>
  outcomes.reduce((state, outcome) => S.react(state, outcome).next, of)

const connect = (to: unknown, data: Partial<S.ConnectData> = {}): S.Request => ({
  _tag: "connect",
  name: name(to),
  data: { ...S.noConnectData, ...data }
})
const connecting = (of: S.SocketState, to: SocketAddress.SocketAddress = peer): S.SocketState =>
  run(decide(of, connect(to))).next

const nonBlocking = (of: Provider.Kind): S.SocketState => state(of, { blocking: false })
const bound = (of: Provider.Kind, implicit = false): S.SocketState =>
  after(state(of), { _tag: "bound", local, implicit })
const established = (attempt = 1): S.Outcome => ({
  _tag: "established",
  attempt,
  calleeData: new Uint8Array(0),
  reserved: undefined,
  now: 1000
})
const attemptFailed = (
  attempt = 1,
  code: m.Tag = "WSAECONNREFUSED",
  at: SocketAddress.SocketAddress | undefined = local
): S.Outcome => ({ _tag: "attemptFailed", attempt, failure: m.failure(code), local: at })
const peerSet = (peer: SocketAddress.SocketAddress): S.Outcome => ({
  _tag: "peerSet",
  peer,
  local,
  quality: S.noQos,
  now: 1000
})
const broken: S.Outcome = { _tag: "broken", failure: m.failure("WSAECONNRESET") }

const connected = (of: Provider.Kind): S.SocketState =>
  of.type === "stream" ? after(connecting(state(of)), established()) : after(state(of), peerSet(peer))
const listening = after(bound(stream), { _tag: "listening", local, backlog: 2 })
const closed = state(stream, { phase: { _tag: "Closed" } })
const dissolved = after(connected(datagram), { _tag: "dissolved", local })

describe("socketState", () => {
  describe("the order of errors", () => {
    /** What is wrong with a call: `slot` is what it takes, so that two that take different ones can come together. */
    interface Fault {
      readonly slot: string
      readonly says: string
      readonly code: WsaError.Code
      readonly facts?: Partial<S.Facts>
      readonly phase?: S.SocketState
      readonly name?: unknown
      readonly data?: Partial<S.ConnectData>
      readonly capabilities?: Partial<Provider.Capabilities>
    }

    const before: ReadonlyArray<Fault> = [
      { slot: "started", says: "E01 not started", code: "WSANOTINITIALISED", facts: { started: false } },
      { slot: "network", says: "E02 network down", code: "WSAENETDOWN", facts: { networkUp: false } },
      { slot: "phase", says: "E15 closed", code: "WSAENOTSOCK", phase: closed },
      { slot: "busy", says: "E05 another call runs", code: "WSAEINPROGRESS", facts: { busy: true } },
      { slot: "name", says: "E10 the name does not decode", code: "WSAEFAULT", name: "192.0.2.1:99999" },
      { slot: "name", says: "E08 a family that is none of ours", code: "WSAEAFNOSUPPORT", name: { family: "IPX" } },
      { slot: "name", says: "E08 another family", code: "WSAEAFNOSUPPORT", name: "[2001:db8::1]:80" }
    ]
    const callee: Fault = {
      slot: "callee",
      says: "E10 the callee capacity does not decode",
      code: "WSAEFAULT",
      data: { calleeCapacity: "undecodable" }
    }
    const qos: ReadonlyArray<Fault> = [
      { slot: "qos", says: "E10 the QOS does not decode", code: "WSAEFAULT", data: { sqos: m.undecodable } },
      {
        slot: "qos",
        says: "E16 the QOS cannot be honoured",
        code: "WSAEOPNOTSUPP",
        data: { sqos: m.demanding },
        capabilities: { marking: false, reservesQos: false }
      }
    ]
    const connectedStream = connected(stream)
    const ofStreams: ReadonlyArray<Fault> = [
      ...before,
      { slot: "phase", says: "E11 listening", code: "WSAEINVAL", phase: listening },
      { slot: "phase", says: "E06 an attempt is pending", code: "WSAEALREADY", phase: connecting(state(stream)) },
      { slot: "phase", says: "E12 connected", code: "WSAEISCONN", phase: connectedStream },
      { slot: "phase", says: "R21 broken", code: "WSAEISCONN", phase: after(connectedStream, broken) },
      { slot: "name", says: "E07 the zero address", code: "WSAEADDRNOTAVAIL", name: "0.0.0.0:80" },
      { slot: "name", says: "E07 port 0", code: "WSAEADDRNOTAVAIL", name: "192.0.2.1:0" },
      {
        slot: "caller",
        says: "E17 caller data is not supported, and too large at that",
        code: "WSAEPROTONOSUPPORT",
        data: { callerData: new Uint8Array(5) },
        capabilities: { callerDataMax: 0 }
      },
      {
        slot: "caller",
        says: "E10 caller data is too large",
        code: "WSAEFAULT",
        data: { callerData: new Uint8Array(5) }
      },
      callee,
      ...qos
    ]
    const ofDatagrams: ReadonlyArray<Fault> = [
      ...before,
      {
        slot: "phase",
        says: "E14 broken",
        code: "WSAENOBUFS",
        phase: after(connected(datagram), broken)
      },
      { slot: "name", says: "E20 a broadcast address", code: "WSAEACCES", name: "255.255.255.255:80" },
      ...qos
    ]

    const given = (kind: Provider.Kind, faults: ReadonlyArray<Fault>): string => {
      const only: Fault = Object.assign({ name: "192.0.2.1:80" }, ...faults)
      const of = only.phase === undefined ? state(kind) : { ...only.phase, kind }
      const data = Object.assign({}, ...faults.map((fault) => fault.data))
      const able = Object.assign({ ...m.able }, ...faults.map((fault) => fault.capabilities))
      const current = Object.assign({ ...facts }, ...faults.map((fault) => fault.facts))
      return codeOf(decide(of, connect(only.name, data), able, current))
    }

    for (const [kind, faults] of [[stream, ofStreams], [datagram, ofDatagrams]] as const) {
      it(`connect of a ${kind.type}: each fault alone gives its code, and none gives none`, () => {
        assert.strictEqual(given(kind, []), "Run")
        for (const fault of faults) assert.strictEqual(given(kind, [fault]), fault.code, fault.says)
      })

      // Faults that stand next to each other, and all others that can come together too.
      const pairs = faults.flatMap((first, i) =>
        faults.slice(i + 1).filter((second) => second.slot !== first.slot).map((second) => [first, second] as const)
      )
      it.each(pairs.map(([first, second]) => [first.says, second.says, first, second] as const))(
        `connect of a ${kind.type}: %s goes before %s`,
        (_, __, first, second) => {
          assert.strictEqual(given(kind, [first, second]), first.code)
          assert.strictEqual(given(kind, [second, first]), first.code)
        }
      )
    }

    it("of faults in one name the earlier wins: E10, E08, E07, E20", () => {
      const code = (kind: Provider.Kind, to: unknown) => codeOf(decide(state(kind), connect(to)))
      assert.strictEqual(code(stream, "[::1]:99999"), "WSAEFAULT")
      assert.strictEqual(code(stream, "[::]:0"), "WSAEAFNOSUPPORT")
      assert.strictEqual(code(datagram, "[::]:0"), "WSAEAFNOSUPPORT")
      assert.strictEqual(code(m.kind("IPv6", "datagram"), "255.255.255.255:1"), "WSAEAFNOSUPPORT")
      assert.strictEqual(code(stream, "0.0.0.0:0"), "WSAEADDRNOTAVAIL")
    })

    it("E01, E02, E15, E05 come first in every call", () => {
      const bad: S.Facts = { started: false, networkUp: false, busy: true }
      const order = [
        [bad, "WSANOTINITIALISED"],
        [{ ...bad, started: true }, "WSAENETDOWN"],
        [{ ...facts, busy: true }, "WSAENOTSOCK"]
      ] as const
      for (const call of m.socketCalls) {
        for (const [current, code] of order) {
          assert.deepStrictEqual([...m.decided(call, closed, current, m.able)], [code], call)
        }
        assert.deepStrictEqual([...m.decided(call, state(stream), { ...facts, busy: true }, m.able)], [
          "WSAEINPROGRESS"
        ], call)
      }
    })
  })

  describe("connect of a stream", () => {
    it("R02: asks the provider for an attempt, with the next number", () => {
      const { command, next } = run(decide(state(stream), connect(peer)))
      assert.deepStrictEqual(command, {
        _tag: "connect",
        caller: "blocking",
        timeout: 0,
        plan: {
          attempt: 1,
          remote: peer,
          local: undefined,
          keepLocalPort: false,
          callerData: undefined,
          calleeCapacity: 0,
          quality: undefined,
          sqos: undefined,
          gqos: undefined
        }
      })
      assert.deepStrictEqual(next.phase, {
        _tag: "Connecting",
        attempt: 1,
        remote: peer,
        caller: "blocking",
        issued: false,
        before: S.noQos,
        groupQos: undefined
      })
      assert.strictEqual(after(next, established()).phase._tag, "Connected")
    })

    it("R03: an all-zero address names no peer, in any family", () => {
      for (const [family, text] of [["IPv4", "0.0.0.0:80"], ["IPv6", "[::]:80"]] as const) {
        assert.strictEqual(codeOf(decide(state(m.kind(family, "stream")), connect(text))), "WSAEADDRNOTAVAIL")
      }
      const unix = connect(SocketAddress.unspecified("Unix"))
      assert.strictEqual(codeOf(decide(state(m.kind("Unix", "stream")), unix)), "WSAEADDRNOTAVAIL")
    })

    it("R04: connecting a connected socket fails, and leaves its connection alone", () => {
      assert.strictEqual(codeOf(decide(connected(stream), connect(other))), "WSAEISCONN")
    })

    it("R01: the stack chooses the local address of an unbound socket, and getsockname asks for it", () => {
      const before = state(stream)
      assert.strictEqual(S.getsockname(before, facts), "WSAEINVAL")
      const pending = connecting(before)
      assert.strictEqual(S.getsockname(pending, facts), "WSAEINVAL")
      assert.strictEqual(S.getsockname(after(pending, { _tag: "issued", attempt: 1 }), facts), "ask")
      assert.strictEqual(S.getsockname(after(pending, established()), facts), "ask")
    })

    it("R12: caller data goes along; none and no bytes are the same", () => {
      const plan = (callerData: Uint8Array | undefined) =>
        commandOf(decide(state(stream), connect(peer, { callerData })), "connect").plan.callerData
      assert.deepStrictEqual(plan(Uint8Array.of(1, 2)), Uint8Array.of(1, 2))
      assert.isUndefined(plan(new Uint8Array(0)))
      assert.isUndefined(plan(undefined))
      const none = decide(state(stream), connect(peer, { callerData: new Uint8Array(0) }), m.plain)
      assert.strictEqual(codeOf(none), "Run")
    })

    it("R13: the capacity for callee data goes along, and what came back is kept", () => {
      const { command, next } = run(decide(state(stream), connect(peer, { calleeCapacity: 9 })))
      assert.strictEqual(command._tag === "connect" && command.plan.calleeCapacity, 9)
      const calleeData = Uint8Array.of(7)
      const { phase } = after(next, { _tag: "established", attempt: 1, calleeData, reserved: undefined, now: 0 })
      assert.strictEqual(phase._tag === "Connected" && phase.calleeData, calleeData)
    })

    it("R16: a QOS that cannot be honoured fails, and leaves the socket as it is", () => {
      const demanding = connect(peer, { sqos: m.demanding })
      assert.strictEqual(codeOf(decide(state(stream), demanding, m.plain)), "WSAEOPNOTSUPP")
      assert.strictEqual(codeOf(decide(state(stream), demanding, m.able)), "Run")
    })

    it("R22, R23: the socket's mode at the call says who waits for the attempt", () => {
      assert.strictEqual(commandOf(decide(state(stream), connect(peer)), "connect").caller, "blocking")
      assert.strictEqual(commandOf(decide(nonBlocking(stream), connect(peer)), "connect").caller, "nonblocking")
    })

    it("R25: while an attempt is pending another one fails with WSAEALREADY, whoever made it", () => {
      for (const before of [state(stream), nonBlocking(stream)]) {
        assert.strictEqual(codeOf(decide(connecting(before), connect(other))), "WSAEALREADY")
      }
    })

    it("R26: after a failure the same socket connects again, with the port it had", () => {
      for (const code of ["WSAECONNREFUSED", "WSAENETUNREACH", "WSAETIMEDOUT", "WsaUnmapped"] as const) {
        const refused = after(connecting(state(stream)), attemptFailed(1, code))
        assert.strictEqual(refused.phase._tag, "Bound")
        assert.strictEqual(S.getsockname(refused, facts), local)
        const { plan } = commandOf(decide(refused, connect(other)), "connect")
        assert.deepStrictEqual([plan.attempt, plan.local, plan.keepLocalPort], [2, local, true])
      }
    })

    it("R26: an explicit binding is kept with its address", () => {
      const refused = after(connecting(bound(stream)), attemptFailed(1, "WSAECONNREFUSED", other))
      const { plan } = commandOf(decide(refused, connect(peer)), "connect")
      assert.deepStrictEqual([plan.local, plan.keepLocalPort], [local, false])
    })

    it("R26: an implicit binding is named by the address of the last attempt", () => {
      const refused = after(connecting(state(stream)), attemptFailed(1, "WSAECONNREFUSED"))
      const again = after(connecting(refused), attemptFailed(2, "WSAECONNREFUSED", other))
      assert.strictEqual(S.getsockname(again, facts), other)
      const unknown = after(connecting(refused), attemptFailed(2, "WSAENETUNREACH", undefined))
      assert.strictEqual(S.getsockname(unknown, facts), local)
    })

    it("A03: bound to all addresses, the provider knows which one the peer is reached from", () => {
      const all = at("0.0.0.0:4000")
      const wild = state(stream, { phase: { _tag: "Bound" }, local: all })
      assert.strictEqual(S.getsockname(wild, facts), all)
      const pending = connecting(wild)
      const issued = after(pending, { _tag: "issued", attempt: 1 })
      assert.strictEqual(S.getsockname(issued, facts), "ask")
      const established = after(issued, {
        _tag: "established",
        attempt: 1,
        calleeData: new Uint8Array(0),
        reserved: undefined,
        now: 0
      })
      assert.strictEqual(S.getsockname(established, facts), "ask")
      assert.strictEqual(S.getsockname(after(issued, attemptFailed()), facts), all)
      assert.strictEqual(S.getsockname(after(established, broken), facts), "ask")
    })

    it("A03: a connection that broke with its handle closed has the name that the handle told last", () => {
      const gone = after(connected(stream), { _tag: "broken", failure: S.sendAbandoned, local: other })
      assert.strictEqual(S.getsockname(gone, facts), other)
    })

    it("R26: a cancelled attempt leaves the socket as a refused one", () => {
      const pending = connecting(state(stream))
      assert.deepStrictEqual(commandOf(decide(pending, { _tag: "cancelConnect", attempt: 1 }), "abort"), {
        _tag: "abort",
        attempt: 1
      })
      const aborted = after(pending, { _tag: "aborted", attempt: 1, local })
      const refused = after(pending, attemptFailed())
      assert.deepStrictEqual({ ...aborted, cold: undefined }, { ...refused, cold: undefined })
      assert.strictEqual(S.connectResult(aborted, facts), "WSAENOTCONN")
      assert.strictEqual(after(pending, { _tag: "aborted", attempt: 1, local: undefined }).phase._tag, "Fresh")
    })

    it("cancelling an attempt that is over does nothing, and works also when no call does any more", () => {
      assert.strictEqual(done(decide(state(stream), { _tag: "cancelConnect", attempt: 1 })).phase._tag, "Fresh")
      const request: S.Request = { _tag: "cancelConnect", attempt: 1 }
      const off: S.Facts = { started: false, networkUp: false, busy: true }
      assert.strictEqual(codeOf(decide(connecting(state(stream)), request, m.able, off)), "Run")
    })

    it("R14: connectResult gives what became of the attempt", () => {
      assert.strictEqual(S.connectResult(state(stream), facts), "WSAENOTCONN")
      const pending = connecting(nonBlocking(stream))
      assert.strictEqual(S.connectResult(pending, facts), "WSAEALREADY")
      assert.deepInclude(S.connectResult(after(pending, established()), facts), { _tag: "Connected", remote: peer })
      const refused = after(pending, attemptFailed())
      assert.deepStrictEqual(S.connectResult(refused, facts), { failure: m.failure("WSAECONNREFUSED"), remote: peer })
      assert.strictEqual(S.connectResult(connecting(refused), facts), "WSAEALREADY")
      assert.strictEqual(S.connectResult(listening, facts), "WSAEINVAL")
      assert.deepInclude(S.connectResult(after(connected(stream), broken), facts), { _tag: "Connected" })
      assert.strictEqual(S.connectResult(after(listening, broken), facts), "WSAENOTCONN")
    })

    it("T10: an IPv4-mapped address needs IPV6_V6ONLY off", () => {
      for (const type of ["stream", "datagram"] as const) {
        const v6 = state(m.kind("IPv6", type))
        const mapped = connect("[::ffff:192.0.2.1]:80")
        assert.strictEqual(codeOf(decide(v6, mapped)), "WSAEADDRNOTAVAIL")
        const both = done(decide(v6, { _tag: "setOption", option: "IPV6_V6ONLY", value: false }))
        assert.strictEqual(codeOf(decide(both, mapped)), "Run")
      }
    })
  })

  describe("connect of a datagram socket", () => {
    it("R05, R08: sets the default destination, and sets it anew while connected", () => {
      assert.deepStrictEqual(commandOf(decide(state(datagram), connect(peer)), "setPeer"), {
        _tag: "setPeer",
        peer,
        queue: "discard",
        quality: S.noQos
      })
      const again = decide(connected(datagram), connect(other))
      assert.deepStrictEqual(commandOf(again, "setPeer"), {
        _tag: "setPeer",
        peer: other,
        queue: "discard",
        quality: S.noQos
      })
      assert.strictEqual(S.getpeername(after(connected(datagram), peerSet(other)), facts), other)
    })

    it("R06: takes datagrams of its peer only; unconnected, of anyone", () => {
      assert.isTrue(S.acceptsDatagram(connected(datagram), at("192.0.2.1:80")))
      assert.isFalse(S.acceptsDatagram(connected(datagram), other))
      assert.isTrue(S.acceptsDatagram(bound(datagram), other))
      assert.isTrue(S.acceptsDatagram(dissolved, other))
      assert.isFalse(S.acceptsDatagram(state(datagram), other))
      assert.isFalse(S.acceptsDatagram(after(connected(datagram), broken), peer))
    })

    it("R07: an all-zero address dis-connects, and the local port is kept", () => {
      assert.strictEqual(commandOf(decide(connected(datagram), connect("0.0.0.0:9")), "dissolve")._tag, "dissolve")
      assert.strictEqual(S.getsockname(dissolved, facts), local)
      assert.strictEqual(S.getpeername(dissolved, facts), "WSAENOTCONN")
      assert.strictEqual(S.sending(dissolved, facts, "send", false), "WSAENOTCONN")
      assert.strictEqual(S.receiving(dissolved, facts, "recv", true), "WSAENOTCONN")
      assert.strictEqual(S.sending(dissolved, facts, "sendto", false), "go")
      assert.strictEqual(S.receiving(dissolved, facts, "recvfrom", true), "take")
      assert.strictEqual(S.receiving(dissolved, facts, "recvfrom", false), "wait")
    })

    it("R07: what was never bound is not bound by dis-connecting, and connecting again ends it", () => {
      const never = done(decide(state(datagram), connect("0.0.0.0:0")))
      assert.strictEqual(never.phase._tag, "Fresh")
      assert.strictEqual(S.getsockname(never, facts), "WSAEINVAL")
      assert.strictEqual(S.receiving(never, facts, "recv", false), "WSAENOTCONN")
      assert.strictEqual(S.receiving(after(never, peerSet(peer)), facts, "recv", false), "wait")
    })

    it("R09: a new name drops what waits, the same one keeps it", () => {
      const first = connected(datagram)
      assert.strictEqual(first.peerGeneration, 1)
      const same = decide(first, connect("192.0.2.1:80"))
      assert.strictEqual(commandOf(same, "setPeer").queue, "keep")
      assert.strictEqual(after(first, peerSet(at("192.0.2.1:80"))).peerGeneration, 1)
      assert.strictEqual(after(first, peerSet(other)).peerGeneration, 2)
      assert.strictEqual(dissolved.peerGeneration, 2)
      assert.strictEqual(after(dissolved, peerSet(peer)).peerGeneration, 3)
    })

    it("R10, E20: a broadcast address needs SO_BROADCAST", () => {
      const broadcast = connect("255.255.255.255:80")
      assert.strictEqual(codeOf(decide(state(datagram), broadcast)), "WSAEACCES")
      const allowed = run(decide(state(datagram), { _tag: "setOption", option: "SO_BROADCAST", value: true })).next
      assert.strictEqual(codeOf(decide(allowed, broadcast)), "Run")
    })

    it("R11: user data is ignored, right or wrong", () => {
      for (const data of m.connectDatas.filter(({ gqos, sqos }) => sqos === undefined && gqos === undefined)) {
        assert.strictEqual(codeOf(decide(state(datagram), connect(peer, data), m.plain)), "Run")
      }
    })

    it("E07: port 0 is accepted, as Windows does", () => {
      assert.strictEqual(codeOf(decide(state(datagram), connect("192.0.2.1:0"))), "Run")
    })

    it("E14: a socket that the stack has taken away cannot be connected", () => {
      const gone = after(connected(datagram), broken)
      for (const to of ["192.0.2.1:80", "0.0.0.0:0", "255.255.255.255:1"]) {
        assert.strictEqual(codeOf(decide(gone, connect(to))), "WSAENOBUFS")
      }
    })

    it("R01: what is unbound is bound to any address before its first datagram", () => {
      const any = S.implicitBind(state(datagram))
      assert.strictEqual(any && SocketAddress.format(any), "0.0.0.0:0")
      assert.isUndefined(S.implicitBind(bound(datagram)))
    })
  })

  describe("WSAConnectByList", () => {
    const list = (of: S.SocketState, names: ReadonlyArray<unknown> = ["192.0.2.1:80"], timeoutValid = true) =>
      codeOf(decide(of, { _tag: "connectByList", names: names.map(name), timeoutValid }))

    it("A22: goes on an unbound, unconnected, blocking stream socket only", () => {
      assert.strictEqual(list(state(stream)), "Done")
      assert.strictEqual(list(nonBlocking(stream)), "WSAEINVAL")
      assert.strictEqual(list(bound(stream)), "WSAEINVAL")
      assert.strictEqual(list(listening), "WSAEINVAL")
      assert.strictEqual(list(connecting(state(stream))), "WSAEINVAL")
      assert.strictEqual(list(connected(stream)), "WSAEISCONN")
      assert.strictEqual(list(after(connected(stream), broken)), "WSAEISCONN")
      assert.strictEqual(list(state(datagram)), "WSAEINVAL")
    })

    it("A22: wants addresses that decode, one of which fits, and a time-out that is one", () => {
      assert.strictEqual(list(state(stream), []), "WSAEINVAL")
      assert.strictEqual(list(state(stream), ["192.0.2.1:80"], false), "WSAEINVAL")
      assert.strictEqual(list(state(stream), ["192.0.2.1:80", "bogus"]), "WSAEFAULT")
      assert.strictEqual(list(state(stream), ["[::1]:80", { family: "IPX" }]), "WSAEAFNOSUPPORT")
      assert.strictEqual(list(state(stream), ["[::1]:80", "192.0.2.1:80"]), "Done")
      assert.isTrue(S.isOfFamily(state(stream), peer))
      assert.isFalse(S.isOfFamily(state(stream), at("[::1]:80")))
    })

    it("A22: what is wrong with one address is cured by the next, what is wrong with the socket is not", () => {
      for (const code of ["WSAECONNREFUSED", "WSAETIMEDOUT", "WSAEADDRNOTAVAIL", "WsaUnmapped"] as const) {
        assert.isTrue(S.triesNext(code), code)
      }
      for (const code of ["WSAENETDOWN", "WSAENOTSOCK", "WSAEINTR", "WSANOTINITIALISED", "WSAEISCONN"] as const) {
        assert.isFalse(S.triesNext(code), code)
      }
    })
  })

  describe("bind", () => {
    const bind = (of: S.SocketState, to: unknown, taken = false) =>
      codeOf(decide(of, { _tag: "bind", name: name(to), taken }))

    it("A02: asks the provider, with the options that matter", () => {
      const reusing = done(decide(state(stream), { _tag: "setOption", option: "SO_REUSEADDR", value: true }))
      assert.deepStrictEqual(commandOf(decide(reusing, { _tag: "bind", name: local, taken: false }), "bind"), {
        _tag: "bind",
        local,
        reuse: true,
        v6Only: true
      })
      assert.strictEqual(bind(state(stream), "0.0.0.0:0"), "Run")
    })

    it("A02: twice is WSAEINVAL, also after a connect, an attempt or a refusal", () => {
      for (
        const  of of[bound(stream), connected(stream), listening, after(connecting(state(stream)), attemptFailed())]
      ) {
        assert.strictEqual(bind(of, "0.0.0.0:0"), "WSAEINVAL")
      }
      assert.strictEqual(bind(connecting(state(stream)), "0.0.0.0:0"), "WSAEINVAL")
    })

    it("A02: E10, E08, bound, E07, E03 in this order", () => {
      assert.strictEqual(bind(bound(stream), "bogus", true), "WSAEFAULT")
      assert.strictEqual(bind(bound(stream), "[::1]:1", true), "WSAEAFNOSUPPORT")
      assert.strictEqual(bind(bound(stream), "127.0.0.1:1", true), "WSAEINVAL")
      const unix = state(m.kind("Unix", "stream"))
      assert.strictEqual(bind(unix, SocketAddress.unspecified("Unix"), true), "WSAEADDRNOTAVAIL")
      assert.strictEqual(bind(state(stream), "127.0.0.1:1", true), "WSAEADDRINUSE")
    })

    it("A02: what the provider bound is the local address; a second answer is none", () => {
      assert.strictEqual(bound(stream).local, local)
      const again = S.react(bound(stream), { _tag: "bound", local: other, implicit: true })
      assert.strictEqual(again.next.local, local)
    })
  })

  describe("getsockname and getpeername", () => {
    it("A03: asks anew in a second attempt, since the stack may choose another source address", () => {
      const refused = after(connecting(state(stream)), attemptFailed())
      const second = connecting(refused, other)
      assert.strictEqual(S.getsockname(second, facts), local)
      assert.strictEqual(S.getsockname(after(second, { _tag: "issued", attempt: 2 }), facts), "ask")
      assert.strictEqual(S.getsockname(after(second, established(2)), facts), "ask")
    })

    it("A03: an explicit binding is given in every phase", () => {
      const pending = after(connecting(bound(stream)), { _tag: "issued", attempt: 1 })
      for (const  of of[bound(stream), pending, after(pending, established()), listening]) {
        assert.strictEqual(S.getsockname(of, facts), local)
      }
      assert.strictEqual(S.getsockname(after(pending, established(), broken), facts), local)
    })

    it("A04: the peer is known while pending, connected, shut down and broken", () => {
      assert.strictEqual(S.getpeername(state(stream), facts), "WSAENOTCONN")
      assert.strictEqual(S.getpeername(connecting(state(stream)), facts), peer)
      assert.strictEqual(S.getpeername(connected(stream), facts), peer)
      assert.strictEqual(S.getpeername({ ...connected(stream), shut: 3 }, facts), peer)
      assert.strictEqual(S.getpeername(after(connected(stream), broken), facts), peer)
      assert.strictEqual(S.getpeername(after(listening, broken), facts), "WSAENOTCONN")
      assert.strictEqual(S.getpeername(after(connecting(state(stream)), attemptFailed()), facts), "WSAENOTCONN")
      assert.strictEqual(S.getpeername(closed, facts), "WSAENOTSOCK")
    })
  })

  describe("listen and accept", () => {
    const listen = (of: S.SocketState, backlog = 5) => decide(of, { _tag: "listen", backlog })

    it("A05: unbound, datagram, pending, connected, and twice", () => {
      assert.strictEqual(codeOf(listen(state(stream))), "WSAEINVAL")
      assert.strictEqual(codeOf(listen(bound(datagram))), "WSAEOPNOTSUPP")
      assert.strictEqual(codeOf(listen(connecting(state(stream)))), "WSAEINVAL")
      assert.strictEqual(codeOf(listen(connected(stream))), "WSAEISCONN")
      assert.strictEqual(codeOf(listen(after(connected(stream), broken))), "WSAEISCONN")
      assert.strictEqual(codeOf(listen(bound(stream))), "Run")
      assert.strictEqual(codeOf(listen(listening)), "Run")
      assert.strictEqual(codeOf(listen(bound(stream), 0.5)), "WSAEINVAL")
    })

    it("A05: a socket whose connect was refused can listen, on the port it kept", () => {
      const refused = after(connecting(state(stream)), attemptFailed())
      assert.isTrue(commandOf(listen(refused), "listen").plan.keepLocalPort)
      assert.isFalse(commandOf(listen(bound(stream)), "listen").plan.keepLocalPort)
    })

    it("A05: a backlog that cannot be is the nearest that can", () => {
      const backlog = (given: number) => commandOf(listen(bound(stream), given), "listen").plan.backlog
      assert.deepStrictEqual([-1, 0, 1, 7, 1e9].map(backlog), [1, 1, 1, 7, 0x7fff])
    })

    it("A05: SO_ACCEPTCONN shows it", () => {
      const value = (of: S.SocketState) => S.getOption(of, "SO_ACCEPTCONN", facts, m.able, 0)
      assert.deepStrictEqual(value(listening), { _tag: "Value", value: true })
      assert.deepStrictEqual(value(bound(stream)), { _tag: "Value", value: false })
    })

    it("A06: accept takes, waits, or says why not", () => {
      assert.strictEqual(S.accepting(listening, facts, true), "take")
      assert.strictEqual(S.accepting(listening, facts, false), "wait")
      assert.strictEqual(S.accepting({ ...listening, blocking: false }, facts, false), "WSAEWOULDBLOCK")
      assert.strictEqual(S.accepting({ ...listening, blocking: false }, facts, true), "take")
      assert.strictEqual(S.accepting(bound(stream), facts, true), "WSAEINVAL")
      const gone = after(listening, broken)
      assert.strictEqual(S.accepting(gone, facts, true), "take")
      assert.strictEqual(S.accepting(gone, facts, false), "WSAECONNRESET")
      assert.strictEqual(S.accepting(after(connected(stream), broken), facts, false), "WSAEINVAL")
      assert.strictEqual(S.accepting(state(datagram), facts, true), "WSAEOPNOTSUPP")
    })

    it("T38: as many callers wait as the backlog says", () => {
      assert.isTrue(S.holdsCaller(listening, 1))
      assert.isFalse(S.holdsCaller(listening, 2))
      assert.isFalse(S.holdsCaller(bound(stream), 0))
    })

    it("A06: the accepted socket is connected, and has its listener's options and mode, not its errors", () => {
      const set = run(decide(listening, { _tag: "setOption", option: "SO_KEEPALIVE", value: true })).next
      const accepted = S.makeAccepted({ ...set, blocking: false }, local, peer, 2000)
      assert.strictEqual(S.getpeername(accepted, facts), peer)
      assert.isFalse(accepted.blocking)
      assert.isTrue(accepted.cold.options.SO_KEEPALIVE)
      assert.deepStrictEqual(S.inherited(accepted, m.able), [["SO_KEEPALIVE", true]])
      assert.deepStrictEqual(S.inherited(accepted, m.plain), [])
      assert.deepStrictEqual(S.inherited(S.makeAccepted(listening, local, peer, 0), m.able), [])
      assert.isUndefined(accepted.cold.soError)
    })
  })

  describe("send and receive", () => {
    it("A08: a stream that is unconnected or pending is WSAENOTCONN", () => {
      for (const  of of[state(stream), bound(stream), connecting(state(stream)), listening]) {
        assert.strictEqual(S.sending(of, facts, "send", false), "WSAENOTCONN")
        assert.strictEqual(S.receiving(of, facts, "recv", false), "WSAENOTCONN")
      }
    })

    it("A08: waits where it blocks, WSAEWOULDBLOCK where it does not, and goes where it can", () => {
      for (const [blocking, answer] of [[true, "wait"], [false, "WSAEWOULDBLOCK"]] as const) {
        const of = { ...connected(stream), blocking }
        assert.strictEqual(S.sending(of, facts, "send", true), answer)
        assert.strictEqual(S.sending(of, facts, "send", false), "go")
        assert.strictEqual(S.receiving(of, facts, "recv", false), answer)
        assert.strictEqual(S.receiving(of, facts, "recv", true), "take")
      }
    })

    it("A08: after an orderly end the rest comes, and then 0 bytes for good", () => {
      const { next, wake } = S.react(connected(stream), { _tag: "ended" })
      assert.strictEqual(wake, S.Wake.receive)
      assert.strictEqual(S.receiving(next, facts, "recv", true), "take")
      assert.strictEqual(S.receiving(next, facts, "recv", false), "end")
      assert.strictEqual(S.sending(next, facts, "send", false), "go")
      assert.strictEqual(S.react(next, { _tag: "ended" }).wake, S.Wake.none)
    })

    it("R17: a unidirectional socket does the other direction not at all", () => {
      const sender = connected(m.kind("IPv4", "stream", "send"))
      const receiver = connected(m.kind("IPv4", "stream", "receive"))
      assert.strictEqual(S.sending(receiver, facts, "send", false), "WSAEOPNOTSUPP")
      assert.strictEqual(S.receiving(sender, facts, "recv", true), "WSAEOPNOTSUPP")
      assert.strictEqual(S.sending(sender, facts, "send", false), "go")
    })

    it("A09: an unbound datagram socket cannot receive, and sends only where it is told", () => {
      assert.strictEqual(S.receiving(state(datagram), facts, "recv", false), "WSAEINVAL")
      assert.strictEqual(S.receiving(state(datagram), facts, "recvfrom", false), "WSAEINVAL")
      assert.strictEqual(S.sending(state(datagram), facts, "send", false), "WSAENOTCONN")
      assert.strictEqual(S.sending(state(datagram), facts, "sendto", false), "go")
      assert.strictEqual(S.receiving(bound(datagram), facts, "recv", false), "wait")
    })

    it("A09: a datagram that is too long, or goes nowhere, is refused", () => {
      const check = (length: number, to?: unknown, of = state(datagram)) =>
        codeOf(S.checkMessage(of, length, to === undefined ? undefined : name(to), m.able))
      assert.strictEqual(check(8), "nothing")
      assert.strictEqual(check(9), "WSAEMSGSIZE")
      assert.strictEqual(check(0, "192.0.2.1:80"), "nothing")
      assert.strictEqual(check(9, "bogus"), "WSAEFAULT")
      assert.strictEqual(check(9, "[::1]:1"), "WSAEAFNOSUPPORT")
      assert.strictEqual(check(0, "0.0.0.0:1"), "WSAEADDRNOTAVAIL")
      assert.strictEqual(check(0, "255.255.255.255:1"), "WSAEACCES")
      assert.strictEqual(check(0, "[::ffff:1.2.3.4]:1", state(m.kind("IPv6", "datagram"))), "WSAEADDRNOTAVAIL")
    })

    it("R21: what has arrived is still received, then every call gives the breaking code, and it never heals", () => {
      const { next, wake } = S.react(connected(stream), broken)
      assert.strictEqual(wake, S.Wake.all)
      assert.strictEqual(S.receiving(next, facts, "recv", true), "take")
      assert.strictEqual(S.receiving(next, facts, "recv", false), "WSAECONNRESET")
      assert.strictEqual(S.sending(next, facts, "send", false), "WSAECONNRESET")
      assert.strictEqual(codeOf(decide(next, { _tag: "shutdown", how: "send" })), "WSAECONNRESET")
      assert.strictEqual(codeOf(decide(next, connect(peer))), "WSAEISCONN")
      assert.strictEqual(S.react(next, { _tag: "broken", failure: m.failure("WSAETIMEDOUT") }).next, next)
    })
  })

  describe("shutdown and close", () => {
    const shutdown = (of: S.SocketState, how: unknown) => decide(of, { _tag: "shutdown", how })

    it("A10: asks the provider to end the sending direction, once", () => {
      const { command, next } = run(shutdown(connected(stream), "both"))
      assert.strictEqual(command._tag, "shutdownSend")
      assert.strictEqual(S.sending(next, facts, "send", false), "WSAESHUTDOWN")
      assert.strictEqual(S.receiving(next, facts, "recv", true), "WSAESHUTDOWN")
      assert.strictEqual(done(shutdown(next, "send")), next)
    })

    it("A10: the other direction goes on", () => {
      const noReceive = done(shutdown(connected(stream), "receive"))
      assert.strictEqual(S.sending(noReceive, facts, "send", false), "go")
      const noSend = run(shutdown(connected(stream), "send")).next
      assert.strictEqual(S.receiving(noSend, facts, "recv", true), "take")
    })

    it("A10: WSAENOTCONN on an unconnected stream; a datagram socket needs no peer", () => {
      for (const  of of[state(stream), bound(stream), connecting(state(stream)), listening]) {
        assert.strictEqual(codeOf(shutdown(of, "both")), "WSAENOTCONN")
      }
      assert.strictEqual(done(shutdown(state(datagram), "both")).shut, S.shutReceive | S.shutSend)
    })

    it("A10: an unknown how is WSAEINVAL, whatever it is", () => {
      for (const how of m.absurd) assert.strictEqual(codeOf(shutdown(connected(stream), how)), "WSAEINVAL")
    })

    it("A11: closing is graceful, unless bytes are lent: then nothing of them may be sent any more (R27)", () => {
      for (const  of of[state(stream), connected(stream), listening, after(connected(stream), broken), dissolved]) {
        assert.deepStrictEqual(
          commandOf(decide(of, { _tag: "close", lent: false, unsent: false }), "close").how,
          "graceful"
        )
        assert.deepStrictEqual(
          commandOf(decide(of, { _tag: "close", lent: true, unsent: false }), "close").how,
          "reset"
        )
        assert.strictEqual(run(decide(of, { _tag: "close", lent: false, unsent: false })).next.phase._tag, "Closed")
      }
      assert.strictEqual(codeOf(decide(closed, { _tag: "close", lent: false, unsent: false })), "WSAENOTSOCK")
    })
  })

  describe("options", () => {
    const set = (of: S.SocketState, option: string, value: unknown, able = m.able) =>
      decide(of, { _tag: "setOption", option, value }, able)
    const get = (of: S.SocketState, option: string, able = m.able, now = 0) => {
      const answer = S.getOption(of, option, facts, able, now)
      return answer._tag === "Fail" ? answer.code : answer.value
    }

    it("A12: SO_ERROR keeps the code of a failed non-blocking connect until one succeeds", () => {
      const pending = after(connecting(nonBlocking(stream)), { _tag: "issued", attempt: 1 })
      const refused = after(pending, attemptFailed())
      assert.strictEqual(get(pending, "SO_ERROR"), 0)
      assert.strictEqual(get(refused, "SO_ERROR"), 10061)
      assert.strictEqual(get(refused, "SO_ERROR"), 10061)
      const again = connecting(refused)
      assert.strictEqual(get(again, "SO_ERROR"), 10061)
      assert.strictEqual(get(after(again, established(2)), "SO_ERROR"), 0)
      assert.strictEqual(get(after(pending, attemptFailed(1, "WsaUnmapped")), "SO_ERROR"), 0xffff_ffff)
    })

    it("A12: a failed blocking connect, and one whose call gave the code itself, leave 0", () => {
      const blocking = after(connecting(state(stream)), { _tag: "issued", attempt: 1 }, attemptFailed())
      assert.strictEqual(get(blocking, "SO_ERROR"), 0)
      assert.strictEqual(get(after(connecting(nonBlocking(stream)), attemptFailed()), "SO_ERROR"), 0)
    })

    it("A13: SO_CONNECT_TIME counts seconds, and is all ones where there is no connection", () => {
      assert.strictEqual(get(connected(stream), "SO_CONNECT_TIME", m.able, 3999), 2)
      assert.strictEqual(get(connected(stream), "SO_CONNECT_TIME", m.able, 0), 0)
      for (const  of of[state(stream), connected(datagram), after(connected(stream), broken)]) {
        assert.strictEqual(get(of, "SO_CONNECT_TIME", m.able, 9e9), 0xffff_ffff)
      }
    })

    it("A14: what is set is read back, and the provider is told of what is its own", () => {
      for (
        const [of, option] of [
          [state(stream), "SO_KEEPALIVE"],
          [state(stream), "TCP_NODELAY"],
          [state(datagram), "SO_BROADCAST"]
        ] as const
      ) {
        assert.isFalse(get(of, option))
        const { command, next } = run(set(of, option, true))
        assert.deepStrictEqual(command, { _tag: "setOption", option, value: true })
        assert.isTrue(get(next, option))
        assert.strictEqual(done(set(next, option, true)), next)
      }
      assert.isTrue(get(done(set(state(stream), "SO_REUSEADDR", true)), "SO_REUSEADDR"))
      assert.strictEqual(get(state(stream), "SO_TYPE"), "stream")
      assert.strictEqual(get(state(datagram), "SO_MAX_MSG_SIZE"), 8)
      assert.isTrue(get(state(m.kind("IPv6", "stream")), "IPV6_V6ONLY"))
    })

    it("A14: WSAENOPROTOOPT where the option is unknown, not for this type, read-only, or the provider cannot", () => {
      assert.strictEqual(get(state(stream), "__proto__"), "WSAENOPROTOOPT")
      assert.strictEqual(codeOf(set(state(stream), "SO_NOSUCH", true)), "WSAENOPROTOOPT")
      assert.strictEqual(codeOf(set(state(stream), "SO_BROADCAST", true)), "WSAENOPROTOOPT")
      assert.strictEqual(codeOf(set(state(datagram), "SO_KEEPALIVE", true)), "WSAENOPROTOOPT")
      assert.strictEqual(codeOf(set(state(m.kind("Unix", "stream")), "TCP_NODELAY", true)), "WSAENOPROTOOPT")
      assert.strictEqual(codeOf(set(state(stream), "IPV6_V6ONLY", true)), "WSAENOPROTOOPT")
      assert.strictEqual(codeOf(set(state(stream), "SO_TYPE", true)), "WSAENOPROTOOPT")
      assert.strictEqual(codeOf(set(state(stream), "SO_ERROR", true)), "WSAENOPROTOOPT")
      assert.strictEqual(codeOf(set(state(stream), "SO_KEEPALIVE", true, m.plain)), "WSAENOPROTOOPT")
      assert.strictEqual(get(state(datagram), "SO_ACCEPTCONN"), "WSAENOPROTOOPT")
    })

    it("A14: WSAEFAULT where the value is of another type, WSAEINVAL where it comes too late or contradicts", () => {
      assert.strictEqual(codeOf(set(state(stream), "SO_KEEPALIVE", 1)), "WSAEFAULT")
      assert.strictEqual(codeOf(set(bound(stream), "SO_EXCLUSIVEADDRUSE", true)), "WSAEINVAL")
      const v6 = after(state(m.kind("IPv6", "stream")), { _tag: "bound", local: at("[::1]:1"), implicit: false })
      assert.strictEqual(codeOf(set(v6, "IPV6_V6ONLY", false)), "WSAEINVAL")
      const exclusive = done(set(state(stream), "SO_EXCLUSIVEADDRUSE", true))
      assert.strictEqual(codeOf(set(exclusive, "SO_REUSEADDR", true)), "WSAEINVAL")
      assert.strictEqual(codeOf(set(exclusive, "SO_REUSEADDR", false)), "Done")
      const reusing = done(set(state(stream), "SO_REUSEADDR", true))
      assert.strictEqual(codeOf(set(reusing, "SO_EXCLUSIVEADDRUSE", true)), "WSAEINVAL")
    })

    it("A15: FIONBIO takes true or false", () => {
      assert.isFalse(done(decide(state(stream), { _tag: "setBlocking", blocking: false })).blocking)
      for (const blocking of m.absurd) {
        assert.strictEqual(codeOf(decide(state(stream), { _tag: "setBlocking", blocking })), "WSAEINVAL")
      }
    })
  })

  it("A06: accept says to listen, not to connect, and whoever asks a listener for its attempt that it makes none", () => {
    for (const of of m.states) {
      assert.include(S.detailOf("accept", "WSAEINVAL", of), "listen first")
      const asked = S.detailOf("connectResult", "WSAEINVAL", of)
      assert.include(asked, of.phase._tag === "Listening" ? "no attempt" : "bind or connect")
    }
  })

  it("every code that a call refuses with at once has a sentence", () => {
    for (const of of m.states) {
      for (const current of m.allFacts) {
        for (const call of ["recv", "recvfrom", "accept", "getsockname", "getpeername"] as const) {
          for (const code of m.decided(call, of, current, m.able)) {
            if (code === "WsaUnmapped") continue
            assert.isAbove(S.detailOf(call, code, of)?.length ?? 0, 10, `${call}: ${code} of ${of.phase._tag}`)
          }
        }
      }
    }
  })

  describe("over random histories", () => {
    const row = (call: WsaError.Call): ReadonlySet<string> => new Set(WsaError.callErrors[call])

    it.effect("histories go everywhere, so that what holds over them means something", () =>
      Effect.gen(function*() {
        const seen = new Set<string>()
        const histories = yield* Arbitrary.sampleEffect(m.history, { count: 400, seed: property.arbitrary.seed })
        for (const history of histories) {
          m.play(history, (before, after, event) => {
            seen.add(`${before.phase._tag}-${after.phase._tag}`)
            if (event._tag === "Reacted" && after !== before) seen.add(event.outcome._tag)
            if (event._tag === "Decided" && event.decision._tag === "Run") seen.add(event.decision.command._tag)
            if (after.cold.soError !== undefined) seen.add("SO_ERROR")
            if (before.cold.soError !== undefined && after.cold.soError === undefined) seen.add("SO_ERROR-cleared")
            if (after.phase._tag === "Connecting" && after.local !== undefined && after.implicit) seen.add("kept-port")
          })
        }
        const expected = `issued established attemptFailed aborted peerSet dissolved listening bound ended broken
          bind connect setPeer dissolve abort listen shutdownSend close setOption SO_ERROR SO_ERROR-cleared kept-port
          Fresh-Connecting Bound-Connecting Connecting-Bound Connecting-Fresh Connecting-Connected Connecting-Closed
          Connected-Broken Listening-Broken Broken-Broken Broken-Closed`
        for (const what of expected.split(/\s+/)) assert.isTrue(seen.has(what), what)
      }))

    it.prop("nothing throws, nothing is mutated, and a failure is nothing but that", [m.history], ([history]) => {
      m.play(history, (before, after, event) => {
        if (event._tag !== "Decided") return
        if (event.decision._tag === "Fail") {
          assert.strictEqual(after, before)
          assert.notProperty(event.decision, "next")
          assert.isString(event.decision.detail)
        }
      })
    }, property)

    it.prop("R25: never are two attempts pending, and numbers only grow", [m.history], ([history]) => {
      m.play(history, (before, after, event) => {
        assert.isAtLeast(after.attempts, before.attempts)
        if (after.phase._tag === "Connecting") {
          assert.strictEqual(after.phase.attempt, after.attempts)
          if (before.phase._tag === "Connecting") assert.strictEqual(after.attempts, before.attempts)
          else {
            assert.strictEqual(event._tag, "Decided")
            assert.strictEqual(after.attempts, before.attempts + 1)
          }
        } else {
          // A connect of a datagram socket is over at once.
          const datagram = event._tag === "Reacted" && event.outcome._tag === "peerSet" && after !== before
          assert.strictEqual(after.attempts, before.attempts + (datagram ? 1 : 0))
        }
      })
    }, property)

    it.prop("R26: what is said of an attempt that is over changes nothing", [m.history], ([history]) => {
      m.play(history, (before, after, event) => {
        if (event._tag !== "Reacted" || !("attempt" in event.outcome)) return
        if (before.phase._tag === "Connecting" && before.phase.attempt === event.outcome.attempt) return
        assert.strictEqual(after, before)
        assert.strictEqual(event.reaction.wake, S.Wake.none)
      })
    }, property)

    it.prop("R21, E15: what broke stays broken, what is closed stays closed", [m.history], ([history]) => {
      m.play(history, (before, after) => {
        if (before.phase._tag === "Broken") assert.include(["Broken", "Closed"], after.phase._tag)
        if (before.phase._tag !== "Closed") return
        assert.strictEqual(after, before)
        for (const call of m.socketCalls) {
          assert.deepStrictEqual(
            [...m.decided(call, after, facts, history.capabilities, m.requests(call).slice(0, 3))],
            [
              "WSAENOTSOCK"
            ]
          )
        }
      })
    }, property)

    it.prop(
      "no call leaves its row of callErrors",
      [m.history, m.pick(m.allFacts)],
      ([history, current]) => {
        const last = m.play(history, () => undefined)
        for (const call of m.socketCalls) {
          for (const code of m.decided(call, last, current, history.capabilities)) {
            assert.isTrue(row(call).has(code), `${call}: ${code} in ${last.phase._tag}`)
          }
        }
      },
      property
    )

    it.prop("E01, E02: with the instance left or the network down every call fails so, whatever happened", [
      m.history,
      m.pick(m.allFacts.slice(2))
    ], ([history, current]) => {
      m.play(history, (before, after, event) => {
        if (event._tag !== "Decided" || event.request._tag === "cancelConnect") return
        assert.strictEqual(codeOf(event.decision), current.started ? "WSAENETDOWN" : "WSANOTINITIALISED")
        assert.strictEqual(after, before)
      }, current)
    }, property)

    it.prop("R26: a local association that is known survives every end of an attempt", [m.history], ([history]) => {
      m.play(history, (before, after, event) => {
        if (event._tag !== "Reacted" || before.phase._tag !== "Connecting") return
        const { outcome } = event
        if (outcome._tag !== "attemptFailed" && outcome._tag !== "aborted") return
        if (after === before) return
        if (before.local !== undefined && !before.implicit) {
          assert.strictEqual(after.local, before.local)
          assert.isFalse(after.implicit)
        } else {
          assert.strictEqual(after.local, outcome.local ?? before.local)
          assert.strictEqual(after.implicit, before.implicit || outcome.local !== undefined)
        }
        assert.strictEqual(after.phase._tag, after.local === undefined ? "Fresh" : "Bound")
      })
    }, property)

    it.prop(
      "A12: SO_ERROR is set by a non-blocking attempt whose call has returned, and cleared by a success only",
      [m.history],
      ([history]) => {
        m.play(history, (before, after, event) => {
          let expected = before.cold.soError
          if (event._tag === "Reacted" && after !== before && before.phase._tag === "Connecting") {
            const { outcome } = event
            if (outcome._tag === "established") expected = undefined
            if (outcome._tag === "attemptFailed" && before.phase.caller === "nonblocking" && before.phase.issued) {
              expected = outcome.failure.code
            }
          }
          assert.strictEqual(after.cold.soError, expected)
        })
      },
      property
    )

    it.prop("R09: the generation rises exactly when the peer's name differs", [m.history], ([history]) => {
      m.play(history, (before, after, event) => {
        const nameOf = (of: S.SocketState) => of.phase._tag === "Connected" ? of.phase.remote : undefined
        const unnamed = event._tag === "Reacted"
          ? event.outcome._tag === "dissolved" && after !== before
          // What has no peer already keeps what is queued when it is dis-connected once more.
          : event.decision._tag === "Done" && event.request._tag === "connect" && !before.cold.dissolved
        const peerSet = event._tag === "Reacted" && event.outcome._tag === "peerSet" && after !== before
        const [old, now] = [nameOf(before), nameOf(after)]
        const renamed = peerSet && (old === undefined || now === undefined || !SocketAddress.same(old, now))
        assert.strictEqual(after.peerGeneration - before.peerGeneration, unnamed || renamed ? 1 : 0)
      })
    }, property)

    it.prop("questions change nothing and answer always", [m.history, m.pick(m.allFacts)], ([history, current]) => {
      m.play(history, (_, of) => {
        for (const now of [0, Number.NaN, -Infinity]) {
          for (const option of m.options) S.getOption(of, option, current, history.capabilities, now)
        }
        for (const code of Object.keys(WsaError.table) as Array<WsaError.Code>) S.detailOf("recv", code, of)
        S.holdsCaller(of, Number.NaN)
        S.implicitBind(of)
        S.inherited(of, history.capabilities)
        S.acceptsDatagram(of, m.peerOf(of.kind))
      })
    }, { arbitrary: { ...property.arbitrary, runs: Math.ceil(property.arbitrary.runs / 4) } })
  })
})
