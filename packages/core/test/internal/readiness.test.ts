import { NetworkEvent, type Provider, WsaError } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import * as R from "../../src/internal/readiness.ts"
import * as S from "../../src/internal/socketState.ts"
import * as m from "../utils/machines.ts"

const { FD_ACCEPT, FD_ALL_EVENTS, FD_CLOSE, FD_CONNECT, FD_READ, FD_WRITE } = NetworkEvent

const property = { arbitrary: { runs: Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200), seed: "readiness" } }

const { at, datagram, facts, state, stream } = m
const local = at("10.0.0.1:5000")
const peer = at("192.0.2.1:80")

const idle: R.Standing = { buffered: false, waiting: false, room: true }
const bytes: R.Standing = { ...idle, buffered: true }
const caller: R.Standing = { ...idle, waiting: true }
const full: R.Standing = { ...idle, room: false }

// ---------------------------------------------------------------------------------------------------------------------
// States, made by what happens to a socket
// ---------------------------------------------------------------------------------------------------------------------

const after = (of: S.SocketState, ...outcomes: ReadonlyArray<S.Outcome>): S.SocketState =>
  outcomes.reduce((state, outcome) => S.react(state, outcome).next, of)

const decided = (of: S.SocketState, request: S.Request): S.SocketState => {
  const decision = S.decide(of, request, facts, m.able)
  if (decision._tag === "Fail") return assert.fail(decision.detail)
  return decision.next
}

const connect = (of: S.SocketState): S.SocketState =>
  decided(of, { _tag: "connect", name: peer, data: S.noConnectData })
const established = (of: S.SocketState): S.SocketState =>
  after(of, {
    _tag: "established",
    attempt: of.attempts,
    calleeData: new Uint8Array(0),
    reserved: undefined,
    now: 1000
  })
const refused = (of: S.SocketState, code: m.Tag = "WSAECONNREFUSED"): S.SocketState =>
  after(
    of,
    { _tag: "issued", attempt: of.attempts },
    { _tag: "attemptFailed", attempt: of.attempts, failure: m.failure(code), local }
  )
const aborted = (of: S.SocketState): S.SocketState => after(of, { _tag: "aborted", attempt: of.attempts, local })
const shut = (of: S.SocketState, how: "receive" | "send" | "both"): S.SocketState =>
  decided(of, { _tag: "shutdown", how })
const broken = (of: S.SocketState, code: m.Tag = "WSAECONNRESET"): S.SocketState =>
  after(of, { _tag: "broken", failure: m.failure(code) })
const ended = (of: S.SocketState): S.SocketState => after(of, { _tag: "ended" })
const peerSet = (of: S.SocketState): S.SocketState =>
  after(of, { _tag: "peerSet", peer, local, quality: S.noQos, now: 1000 })
const dissolved = (of: S.SocketState): S.SocketState => after(of, { _tag: "dissolved", local })
const bound = (of: Provider.Kind): S.SocketState => after(state(of), { _tag: "bound", local, implicit: false })
const listen = (of: S.SocketState): S.SocketState => after(of, { _tag: "listening", local, backlog: 2 })

const fresh = state(stream)
const connecting = connect(fresh)
const connected = established(connecting)
const failed = refused(connecting)
const listening = listen(bound(stream))
const accepted = S.makeAccepted(listening, local, peer, 1000)
const closed = state(stream, { phase: { _tag: "Closed" } })
const udp = { fresh: state(datagram), bound: bound(datagram), connected: peerSet(bound(datagram)) }

const asked = (of: S.SocketState, door: "event" | "async", events: number = FD_ALL_EVENTS): S.SocketState => {
  const decision = R.decideSelect(of, { door, events, told: true }, facts)
  if (decision._tag === "Fail") return assert.fail(decision.detail)
  return decision.next
}

const names = (events: number): string => NetworkEvent.names(events).join(" ")

/** What is told at once to whoever asks for everything. */
const told = (of: S.SocketState, standing: R.Standing, door: "event" | "async" = "event"): string => {
  const { fetched, next } = R.fetch(R.observe(asked(of, door), standing), door)
  assert.strictEqual(R.fetch(next, door).fetched.recorded, 0)
  return names(fetched.recorded)
}

/** One socket, to which things happen, and what is told of them. */
const watch = (of: S.SocketState, door: "event" | "async" = "event", mask: number = FD_ALL_EVENTS) => {
  let now = asked(of, door, mask)
  const look = (standing: R.Standing): R.Fetched => {
    const { fetched, next } = R.fetch(
      R.observe(now, standing),
      now.cold.selection?.door === "async" ? "async" : "event"
    )
    now = next
    return fetched
  }
  return {
    become: (change: (of: S.SocketState) => S.SocketState) => {
      now = change(now)
    },
    look,
    tells: (standing: R.Standing): string => names(look(standing).recorded)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Tables
// ---------------------------------------------------------------------------------------------------------------------

const sets = (ready: number): string =>
  [
    (ready & R.readable) !== 0 ? "read" : "",
    (ready & R.writable) !== 0 ? "write" : "",
    (ready & R.exceptional) !== 0 ? "except" : ""
  ].filter((word) => word !== "").join(" ")

describe("unidirectional sockets", () => {
  it("R17: are never ready for what they cannot do", () => {
    for (const type of ["stream", "datagram"] as const) {
      const of = (direction: "send" | "receive") => {
        const kind = m.kind("IPv4", type, direction)
        return type === "stream" ? established(connect(state(kind))) : peerSet(bound(kind))
      }
      assert.strictEqual(R.readiness(of("send"), bytes), R.writable)
      assert.strictEqual(R.readiness(of("receive"), bytes), R.readable)
      const recorded = (direction: "send" | "receive") =>
        R.observe(asked(of(direction), "event"), bytes).cold.selection?.recorded
      assert.strictEqual(recorded("send"), FD_CONNECT | FD_WRITE)
      assert.strictEqual(recorded("receive"), FD_CONNECT | FD_READ)
    }
  })

  it("A17, R17: that are closed or broken are ready for everything, as others are: there is nothing to wait for", () => {
    for (const direction of ["send", "receive"] as const) {
      const kind = m.kind("IPv4", "stream", direction)
      assert.strictEqual(R.readiness(state(kind, { phase: { _tag: "Closed" } }), idle), R.readable | R.writable)
      assert.strictEqual(R.readiness(broken(established(connect(state(kind)))), idle), R.readable | R.writable)
    }
  })
})

describe("readiness", () => {
  describe("A17: the sets of select", () => {
    const rows: ReadonlyArray<readonly [what: string, of: S.SocketState, standing: R.Standing, sets: string]> = [
      ["an unconnected stream is in none", fresh, idle, ""],
      ["a bound stream is in none", bound(stream), idle, ""],
      ["an attempt that is pending is in none", connecting, idle, ""],
      ["a connected stream is writable", connected, idle, "write"],
      ["a full one is in none", connected, full, ""],
      ["bytes make it readable", connected, bytes, "read write"],
      ["bytes of a full one too", connected, { ...bytes, room: false }, "read"],
      ["an accepted one is as a connected one", accepted, idle, "write"],
      ["the end makes it readable", ended(connected), idle, "read write"],
      ["what would fail at once is ready: receiving", shut(connected, "receive"), idle, "read write"],
      ["what would fail at once is ready: sending", shut(connected, "send"), full, "write"],
      ["a break makes it readable and writable, not exceptional", broken(connected), full, "read write"],
      ["a failed attempt is exceptional", failed, idle, "except"],
      ["and stays so while another is pending", connect(failed), idle, "except"],
      ["also where the other is given up", aborted(connect(failed)), idle, "except"],
      ["until one succeeds", established(connect(failed)), idle, "write"],
      ["also as a listener", listen(failed), idle, "except"],
      ["which takes callers", listen(failed), caller, "read except"],
      ["an attempt that was given up leaves nothing", aborted(connecting), idle, ""],
      ["a listener is in none", listening, idle, ""],
      ["a caller makes it readable", listening, caller, "read"],
      ["a listener that broke is readable", broken(listening), idle, "read write"],
      ["an unbound datagram socket is writable", udp.fresh, idle, "write"],
      ["a bound one too", udp.bound, idle, "write"],
      ["a connected one too", udp.connected, idle, "write"],
      ["a datagram makes it readable", udp.bound, bytes, "read write"],
      ["also one of its peer", udp.connected, bytes, "read write"],
      ["what would fail at once is ready: a datagram socket", shut(udp.bound, "both"), idle, "read write"],
      ["a closed one is readable and writable", closed, idle, "read write"]
    ]
    it.each(rows)("%s", (_, of, standing, expected) => {
      assert.strictEqual(sets(R.readiness(of, standing)), expected)
    })
  })

  describe("A18: what holds when it is asked for", () => {
    const rows: ReadonlyArray<
      readonly [what: string, of: S.SocketState, standing: R.Standing, byEvent: string, byMessage: string]
    > = [
      ["an unconnected stream", fresh, idle, "", ""],
      ["a bound stream", bound(stream), idle, "", ""],
      ["an attempt that is pending", connecting, idle, "", ""],
      ["a connect that is over, with messages the FD_WRITE alone", connected, idle, "FD_WRITE FD_CONNECT", "FD_WRITE"],
      ["a full connection", connected, full, "FD_CONNECT", ""],
      ["an accepted socket, which has made no attempt", accepted, idle, "FD_WRITE", "FD_WRITE"],
      ["bytes", accepted, bytes, "FD_READ FD_WRITE", "FD_READ FD_WRITE"],
      ["the end", ended(accepted), idle, "FD_WRITE FD_CLOSE", "FD_WRITE FD_CLOSE"],
      [
        "the end behind bytes, which is told when they are received",
        ended(accepted),
        bytes,
        "FD_READ FD_WRITE",
        "FD_READ FD_WRITE"
      ],
      ["a break", broken(accepted), idle, "FD_CLOSE", "FD_CLOSE"],
      ["a break behind bytes, which is told at once", broken(accepted), bytes, "FD_READ FD_CLOSE", "FD_READ FD_CLOSE"],
      ["a socket whose sending is shut down", shut(accepted, "send"), idle, "", ""],
      ["a connect that failed before anyone asked", failed, idle, "FD_CONNECT", ""],
      ["a connect that was given up", aborted(connecting), idle, "", ""],
      ["a connect that broke since", broken(connected), idle, "FD_CONNECT FD_CLOSE", "FD_CLOSE"],
      ["a listener", listening, idle, "", ""],
      ["a caller", listening, caller, "FD_ACCEPT", "FD_ACCEPT"],
      ["an unbound datagram socket", udp.fresh, idle, "", "FD_WRITE"],
      ["a bound one", udp.bound, idle, "FD_WRITE", "FD_WRITE"],
      ["a datagram", udp.bound, bytes, "FD_READ FD_WRITE", "FD_READ FD_WRITE"],
      ["a connected one", udp.connected, idle, "FD_WRITE FD_CONNECT", "FD_WRITE"],
      [
        "a dissolved one, whose connect nobody has been told of",
        dissolved(udp.connected),
        idle,
        "FD_WRITE FD_CONNECT",
        "FD_WRITE"
      ],
      ["a datagram socket whose sending is shut down", shut(udp.fresh, "send"), idle, "", ""],
      ["a datagram socket that broke", broken(udp.bound), idle, "FD_READ", "FD_READ"],
      ["a closed one", closed, idle, "", ""]
    ]
    const open = rows.filter(([, of]) => of.phase._tag !== "Closed")
    it.each(open)("%s", (_, of, standing, byEvent, byMessage) => {
      assert.strictEqual(told(of, standing, "event"), byEvent)
      assert.strictEqual(told(of, standing, "async"), byMessage)
    })
    it("A11: nothing of a closed socket", () => {
      for (const door of ["event", "async"] as const) {
        const was = asked(accepted, door)
        const now = { ...was, phase: closed.phase }
        assert.strictEqual(R.observe(now, { buffered: true, waiting: true, room: true }), now)
      }
    })
    it("only what was asked for", () => {
      for (const [, of, standing, byEvent] of open) {
        for (const mask of [FD_READ, FD_WRITE, FD_ACCEPT, FD_CONNECT, FD_CLOSE]) {
          const { fetched } = R.fetch(R.observe(asked(of, "event", mask), standing), "event")
          assert.strictEqual(names(fetched.recorded), byEvent.split(" ").includes(names(mask)) ? names(mask) : "")
        }
      }
    })
  })

  describe("A18: once, until the call that enables it", () => {
    it("FD_CONNECT for each attempt, with its code, and FD_WRITE with the one that succeeds", () => {
      const socket = watch(fresh)
      socket.become(connect)
      assert.strictEqual(socket.tells(idle), "")
      socket.become((of) => refused(of, "WSAETIMEDOUT"))
      const first = socket.look(idle)
      assert.strictEqual(names(first.recorded), "FD_CONNECT")
      assert.strictEqual(first.connectFailure?.failure.code, "WSAETIMEDOUT")
      assert.strictEqual(socket.tells(idle), "")
      socket.become(connect)
      assert.strictEqual(socket.tells(idle), "")
      socket.become(established)
      const second = socket.look(idle)
      assert.strictEqual(names(second.recorded), "FD_WRITE FD_CONNECT")
      assert.isUndefined(second.connectFailure)
      assert.strictEqual(socket.tells(idle), "")
    })

    it("an attempt that was given up tells nothing, also of the one before it", () => {
      const socket = watch(fresh)
      socket.become((of) => refused(connect(of)))
      assert.strictEqual(socket.tells(idle), "FD_CONNECT")
      socket.become((of) => aborted(connect(of)))
      assert.strictEqual(socket.tells(idle), "")
    })

    it("FD_CONNECT and FD_WRITE for each connect of a datagram socket, also to the same peer", () => {
      const socket = watch(udp.bound)
      assert.strictEqual(socket.tells(idle), "FD_WRITE")
      for (let i = 0; i < 2; i++) {
        socket.become(peerSet)
        assert.strictEqual(socket.tells(idle), "FD_WRITE FD_CONNECT")
        assert.strictEqual(socket.tells(idle), "")
      }
      socket.become(dissolved)
      assert.strictEqual(socket.tells(idle), "")
    })

    const level: ReadonlyArray<readonly [name: string, event: number, of: S.SocketState, standing: R.Standing]> = [
      ["FD_READ", FD_READ, accepted, bytes],
      ["FD_ACCEPT", FD_ACCEPT, listening, caller]
    ]
    it.each(level)("%s while it holds, whoever asks again, and not when it does not", (name, event, of, standing) => {
      const socket = watch(of, "event", event)
      assert.strictEqual(socket.tells(standing), name)
      assert.strictEqual(socket.tells(standing), "")
      socket.become((of) => S.enable(of, event))
      assert.strictEqual(socket.tells(standing), name)
      socket.become((of) => S.enable(of, event))
      assert.strictEqual(socket.tells(idle), "")
      assert.strictEqual(socket.tells(standing), name)
    })

    it("FD_WRITE after a send that would have blocked, when there is room", () => {
      const socket = watch(accepted, "event", FD_WRITE)
      assert.strictEqual(socket.tells(idle), "FD_WRITE")
      assert.strictEqual(socket.tells(full), "")
      assert.strictEqual(socket.tells(idle), "")
      assert.strictEqual(socket.tells(full), "")
      socket.become((of) => S.enable(of, FD_WRITE))
      assert.strictEqual(socket.tells(full), "")
      assert.strictEqual(socket.tells(idle), "FD_WRITE")
    })

    it("FD_CLOSE once, with the code of a break and without one for an end", () => {
      const gone = watch(accepted, "event", FD_CLOSE)
      gone.become((of) => broken(of, "WSAENETRESET"))
      const fetched = gone.look(idle)
      assert.strictEqual(names(fetched.recorded), "FD_CLOSE")
      assert.strictEqual(fetched.closeFailure?.code, "WSAENETRESET")
      assert.strictEqual(gone.tells(idle), "")
      const orderly = watch(accepted, "event", FD_CLOSE)
      orderly.become(ended)
      assert.strictEqual(orderly.tells(bytes), "")
      const end = orderly.look(idle)
      assert.strictEqual(names(end.recorded), "FD_CLOSE")
      assert.isUndefined(end.closeFailure)
      orderly.become(broken)
      assert.strictEqual(orderly.tells(idle), "")
    })
  })

  describe("A18, A20: asking again", () => {
    it("with an event object tells nothing that was told", () => {
      const socket = watch(established(connect(fresh)))
      assert.strictEqual(socket.tells(bytes), "FD_READ FD_WRITE FD_CONNECT")
      socket.become((of) => asked(of, "event"))
      assert.strictEqual(socket.tells(bytes), "")
      socket.become((of) => R.forget(of))
      socket.become((of) => asked(of, "event"))
      assert.strictEqual(socket.tells(bytes), "")
    })

    it("with an event object clears what was recorded, and records what still holds", () => {
      const recorded = R.observe(asked(established(connect(fresh)), "event"), bytes)
      const again = R.observe(asked(recorded, "event"), idle)
      assert.strictEqual(names(R.fetch(again, "event").fetched.recorded), "FD_WRITE FD_CONNECT")
    })

    it("with an event object tells what nobody had asked for before", () => {
      const socket = watch(fresh, "event", FD_WRITE)
      socket.become((of) => established(connect(of)))
      assert.strictEqual(socket.tells(idle), "FD_WRITE")
      socket.become((of) => asked(of, "event"))
      assert.strictEqual(socket.tells(idle), "FD_CONNECT")
    })

    it("for messages tells anew what holds, but for a connect", () => {
      const socket = watch(fresh, "async")
      socket.become((of) => established(connect(of)))
      assert.strictEqual(socket.tells(bytes), "FD_READ FD_WRITE FD_CONNECT")
      socket.become((of) => asked(of, "async"))
      assert.strictEqual(socket.tells(bytes), "FD_READ FD_WRITE")
      assert.strictEqual(socket.tells(bytes), "")
    })

    it("the other way round tells what the one way has told", () => {
      const socket = watch(fresh, "async")
      socket.become((of) => established(connect(of)))
      assert.strictEqual(socket.tells(bytes), "FD_READ FD_WRITE FD_CONNECT")
      socket.become((of) => asked(of, "event"))
      assert.strictEqual(socket.tells(bytes), "FD_READ FD_WRITE FD_CONNECT")
      socket.become((of) => asked(of, "async"))
      assert.strictEqual(socket.tells(bytes), "FD_READ FD_WRITE")
      socket.become((of) => asked(of, "event"))
      assert.strictEqual(socket.tells(bytes), "")
    })

    it("A19: an enumeration takes no messages, and none are left when an event object is asked for", () => {
      const messages = R.observe(asked(accepted, "async"), bytes)
      const { fetched, next } = R.fetch(messages, "event")
      assert.strictEqual(fetched.recorded, 0)
      assert.strictEqual(next, messages)
      assert.strictEqual(R.fetch(asked(messages, "event", FD_CLOSE), "event").fetched.recorded, 0)
    })

    it("A15: keeps the socket from being made blocking, until nobody asks", () => {
      const blocking: S.Request = { _tag: "setBlocking", blocking: true }
      for (const door of ["event", "async"] as const) {
        const selected = asked(connected, door, FD_READ)
        assert.isFalse(selected.blocking)
        const refusal = S.decide(selected, blocking, facts, m.able)
        assert.strictEqual(refusal._tag === "Fail" ? refusal.code : refusal._tag, "WSAEINVAL")
        assert.isFalse(asked(selected, door, 0).blocking)
        assert.isTrue(decided(asked(selected, door, 0), blocking).blocking)
        assert.isTrue(decided(R.forget(selected), blocking).blocking)
      }
    })

    it("A06: an accepted socket is asked for what its listener is, and starts afresh", () => {
      const told = R.fetch(R.observe(asked(listening, "event", FD_ACCEPT | FD_READ), caller), "event").next
      const taken = S.makeAccepted(told, local, peer, 1000)
      assert.isFalse(taken.blocking)
      const { fetched } = R.fetch(R.observe(taken, bytes), "event")
      assert.strictEqual(names(fetched.recorded), "FD_READ")
      const untold = S.makeAccepted(asked(told, "event", 0), local, peer, 1000)
      assert.isUndefined(untold.cold.selection)
    })
  })

  describe("A18: what asking is refused with", () => {
    const told = { door: "event", events: FD_READ, told: true } as const
    const codeOf = (of: S.SocketState, request: Parameters<typeof R.decideSelect>[1], current = facts) => {
      const decision = R.decideSelect(of, request, current)
      return decision._tag === "Fail" ? decision.code : decision._tag
    }

    it("WSAEINVAL for what are no events", () => {
      for (const events of [256, -1, 0.5, Number.NaN, 2 ** 32, ...m.absurd]) {
        assert.strictEqual(codeOf(fresh, { ...told, events }), "WSAEINVAL", String(typeof events))
      }
      assert.strictEqual(codeOf(fresh, { ...told, events: FD_ALL_EVENTS }), "Done")
    })

    it("WSAEINVAL for events without an event object; none need none", () => {
      assert.strictEqual(codeOf(fresh, { ...told, told: false }), "WSAEINVAL")
      assert.strictEqual(codeOf(fresh, { ...told, told: false, events: 0 }), "Done")
    })

    it("what comes first in the order of errors comes first, and is in the row of the call", () => {
      for (const current of m.allFacts) {
        for (const of of m.states) {
          for (const [call, door] of [["WSAEventSelect", "event"], ["WSAAsyncSelect", "async"]] as const) {
            for (const events of [FD_READ, "all"]) {
              const code = codeOf(of, { door, events, told: true }, current)
              const first = S.gate(of, current)
              assert.strictEqual(code, first ?? (events === "all" ? "WSAEINVAL" : "Done"))
              if (code !== "Done") assert.include(WsaError.callErrors[call] as ReadonlyArray<string>, code)
            }
          }
        }
      }
    })
  })

  // -------------------------------------------------------------------------------------------------------------------
  // Properties
  // -------------------------------------------------------------------------------------------------------------------

  describe("whatever happens", () => {
    interface Asking {
      readonly what: "observe" | "fetch" | "event" | "async" | "forget" | "enable"
      readonly events: number
      readonly standing: R.Standing
    }
    const masks = [FD_ALL_EVENTS, FD_READ, FD_WRITE, FD_ACCEPT, FD_CONNECT, FD_CLOSE, FD_READ | FD_CLOSE]
    const asking: Arbitrary.Arbitrary<Asking> = Arbitrary.all({
      what: m.pick<Asking["what"]>(["observe", "observe", "fetch", "event", "async", "forget", "enable"]),
      events: m.pick(masks),
      standing: Arbitrary.all({
        buffered: m.pick([true, false]),
        waiting: m.pick([true, false]),
        room: m.pick([true, false])
      })
    })
    const askings = Arbitrary.map(
      Arbitrary.all([Arbitrary.array(asking), Arbitrary.array(asking)]),
      (parts) => parts.flat()
    )

    it.prop("A18: nothing is told twice without a call that enables it", [m.history, askings], ([history, askings]) => {
      const last = m.play(history, () => undefined)
      if (last.phase._tag === "Closed") return
      let now = last
      let toldOf = 0
      for (const { events, standing, what } of askings) {
        switch (what) {
          case "observe":
            now = R.observe(now, standing)
            assert.strictEqual(R.observe(now, standing), now)
            break
          case "fetch": {
            const { fetched, next } = R.fetch(now, "event")
            assert.strictEqual(fetched.recorded & toldOf, 0)
            assert.strictEqual(fetched.recorded & ~(now.cold.selection?.mask ?? 0), 0)
            toldOf |= fetched.recorded
            now = next
            break
          }
          case "event":
            now = asked(now, "event", events)
            break
          case "async":
            now = R.observe(asked(now, "async", events), standing)
            break
          case "forget":
            now = R.forget(now)
            break
          case "enable":
            // A call that enables is looked at when it ends, as every other.
            now = R.observe(S.enable(now, events), standing)
            toldOf &= ~events
        }
        assert.isTrue(now.cold.selection === undefined || !now.blocking)
        // Whatever is asked, the socket itself stays what it is.
        assert.deepStrictEqual({ ...now, blocking: last.blocking, cold: last.cold }, last)
      }
    }, property)

    it.prop(
      "A17: a receive or a send that select promises would not wait",
      [m.history, asking],
      ([history, asking]) => {
        const sane = { ...history, steps: history.steps.map((step) => ({ ...step, sane: true })) }
        m.play(sane, (_, of) => {
          if (of.kind.direction !== "both") return
          // Datagrams do not queue up behind each other.
          const standing = {
            ...asking.standing,
            room: asking.standing.room || of.kind.type === "datagram"
          }
          const ready = R.readiness(of, standing)
          const blocking = { ...of, blocking: true }
          const receive = S.receiving(blocking, facts, "recvfrom", standing.buffered)
          const accept = S.accepting(blocking, facts, standing.waiting)
          const send = S.sending(blocking, facts, "sendto", !standing.room)
          if ((ready & R.readable) !== 0) assert.isTrue(receive !== "wait" && accept !== "wait")
          if ((ready & R.writable) !== 0) assert.notStrictEqual(send, "wait")
          // And the other way round: what can be done at once is told.
          if (receive === "take" || receive === "end" || accept === "take") assert.notStrictEqual(ready & R.readable, 0)
          if (send === "go") assert.notStrictEqual(ready & R.writable, 0)
        })
      },
      property
    )
  })
})

describe("what is asked of many sockets and event objects", () => {
  const down: S.Facts = { ...facts, networkUp: false }
  const busy: S.Facts = { ...facts, busy: true }
  const codeOf = (wrong: S.Fail | undefined) => wrong?.code
  const sets = (members: ReadonlyArray<readonly [S.SocketState, S.Facts]>, strangers = false, timeoutValid = true) =>
    codeOf(R.checkSets(members.map(([state, facts]) => ({ state, facts })), strangers, timeoutValid))

  it("A17: the sets of a select are wrong in the order of errors", () => {
    assert.isUndefined(sets([[connected, facts], [fresh, facts]]))
    assert.strictEqual(sets([[closed, down]], true, false), "WSAENETDOWN")
    assert.strictEqual(sets([[connected, facts], [closed, busy]], true, false), "WSAENOTSOCK")
    assert.strictEqual(sets([[connected, busy]], true, false), "WSAEINPROGRESS")
    assert.strictEqual(sets([], true, false), "WSAENOTSOCK")
    assert.strictEqual(sets([], false, false), "WSAEINVAL")
    assert.strictEqual(sets([[connected, facts]], false, false), "WSAEINVAL")
  })

  it("A17: a socket that is closed meanwhile is an error to whoever waits for an exception only", () => {
    assert.strictEqual(codeOf(R.closedWhileSelected(R.exceptional)), "WSAENOTSOCK")
    assert.isUndefined(R.closedWhileSelected(R.exceptional | R.readable))
    assert.isUndefined(R.closedWhileSelected(R.writable))
  })

  it("A19: a wait is wrong in the order of errors, and takes up to 64 event objects", () => {
    const wait = (given: ReadonlyArray<S.Facts>, count = given.length, timeoutValid = true) =>
      codeOf(R.checkWait(given, count, timeoutValid))
    assert.isUndefined(wait([facts]))
    assert.isUndefined(wait(Array.from({ length: 64 }, () => facts)))
    assert.strictEqual(wait(Array.from({ length: 65 }, () => facts)), "WSA_INVALID_PARAMETER")
    assert.strictEqual(wait([]), "WSA_INVALID_PARAMETER")
    assert.strictEqual(wait([facts], 2, false), "WSA_INVALID_PARAMETER")
    assert.strictEqual(wait([facts], 2), "WSA_INVALID_HANDLE")
    assert.strictEqual(wait([facts, busy], 99, false), "WSAEINPROGRESS")
  })

  it("A19: an event object is looked at after the instance, and after the socket", () => {
    assert.isUndefined(R.checkEvent(facts, true))
    assert.strictEqual(codeOf(R.checkEvent(facts, false)), "WSA_INVALID_HANDLE")
    assert.strictEqual(codeOf(R.checkEvent(down, false)), "WSAENETDOWN")
    assert.isUndefined(R.checkEnum(connected, facts, true))
    assert.strictEqual(codeOf(R.checkEnum(connected, facts, false)), "WSA_INVALID_HANDLE")
    assert.strictEqual(codeOf(R.checkEnum(closed, facts, false)), "WSAENOTSOCK")
  })

  it("A18: what a call enables follows from how it ended", () => {
    assert.strictEqual(R.enabledBy("recv", undefined), FD_READ)
    assert.strictEqual(R.enabledBy("recv", "WSAEFAULT"), FD_READ)
    assert.strictEqual(R.enabledBy("send", "WSAEWOULDBLOCK"), FD_WRITE)
    assert.strictEqual(R.enabledBy("send", "WSAENOTCONN"), 0)
    assert.strictEqual(R.enabledBy("send", undefined), 0)
    assert.strictEqual(R.enabledBy("accept", "WSAEWOULDBLOCK"), FD_ACCEPT)
    assert.strictEqual(R.enabledBy("WSAAccept", "WSAECONNREFUSED"), FD_ACCEPT)
    assert.strictEqual(R.enabledBy("WSAAccept", undefined), FD_ACCEPT)
    assert.strictEqual(R.enabledBy("WSAAccept", "WSATRY_AGAIN"), 0)
  })
})
