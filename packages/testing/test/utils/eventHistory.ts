/**
 * Random histories of sockets, held to what the model says: three sockets live the same history, and are asked in the
 * three ways, one each: an event object with WSAEnumNetworkEvents, messages, and select.
 */
import { NetworkEvent, SocketAddress, SocketOption, Winsock } from "@effect-winsock/core"
import { assert } from "@effect/vitest"
import { Effect, Fiber, type Scope, Stream } from "effect"
import { Dice } from "./dice.ts"
import * as Model from "./eventModel.ts"

const patience = 3000

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkScoped(call, { startImmediately: true })

const datagram = { family: "IPv4", type: "datagram" } as const

const tagOf = <A, E extends { readonly _tag: string }, R>(
  call: Effect.Effect<A, E, R>
): Effect.Effect<string, never, R> => Effect.match(call, { onSuccess: () => "none", onFailure: (error) => error._tag })

// ---------------------------------------------------------------------------------------------------------------------
// One way of asking
// ---------------------------------------------------------------------------------------------------------------------

type Door = "event" | "async" | "none"

/** Where the histories take place. */
export interface Place {
  readonly family: SocketAddress.Family
  /** An address to bind. */
  readonly local: () => SocketAddress.Input
  /** How often the event loop turns before nothing more is expected to come. */
  readonly turns: number
  /** A peer can reset. */
  readonly resets: boolean
  /** A connection that is full stays so: of TCP nobody can say that, live. */
  readonly fills: boolean
}

/** One of the three sockets, with those around it. */
interface Lane {
  readonly socket: Winsock.Socket
  /** Who listens for it, and who does not. */
  readonly listener: Winsock.Socket | undefined
  readonly dead: Winsock.Socket | undefined
  peer: Winsock.Socket | undefined
  /** Who waits to be accepted. */
  readonly callers: Array<Winsock.Socket>
  /** What the peer has been sent and has not received. */
  unread: number
  /** How it is asked; `"none"`: by select alone. */
  door: Door
  readonly event: Winsock.WSAEvent
  readonly asked: Model.Asked
  readonly messages: Array<string>
  readonly place: Place
  waiting: { readonly sets: ReadonlyArray<string>; readonly fiber: Fiber.Fiber<Winsock.Selected, unknown> } | undefined
}

const setsNow = (lane: Lane, sets: ReadonlyArray<"read" | "write" | "except">, timeout?: 0) =>
  Effect.map(
    Winsock.select({ ...Object.fromEntries(sets.map((set) => [set, [lane.socket]])), timeout }),
    (selected) => sets.filter((set) => selected[set].length > 0)
  )

/** What can be seen of a socket without changing anything. */
const observe = (lane: Lane, facts: Model.Facts) =>
  Effect.gen(function*() {
    const time = facts.kind === "stream" ? yield* Winsock.getsockopt(lane.socket, SocketOption.SO_CONNECT_TIME) : 0
    return {
      sets: yield* setsNow(lane, ["read", "write", "except"], 0),
      buffered: yield* Winsock.ioctlsocket(lane.socket, "FIONREAD"),
      connected: time < 0xffff_ffff,
      signaled: lane.event.signaled,
      messages: [...lane.messages],
      selected: lane.waiting?.fiber.pollUnsafe() !== undefined
    }
  })

const expected = (lane: Lane, facts: Model.Facts): Effect.Success<ReturnType<typeof observe>> => {
  const sets = Model.setsOf(facts)
  return {
    sets: [...sets],
    buffered: facts.kind === "datagram" ? facts.datagrams[0] ?? 0 : facts.bytes,
    connected: facts.kind === "stream" ? facts.connected && !facts.reset : true,
    signaled: lane.asked.signaled,
    messages: [...lane.asked.posted],
    selected: lane.waiting !== undefined && sets.some((set) => lane.waiting!.sets.includes(set))
  }
}

/** What has happened arrives: the socket comes to be what it has to be, and nothing else comes after it. */
const agree = (lane: Lane, facts: Model.Facts, story: () => string) =>
  Effect.gen(function*() {
    const wanted = expected(lane, facts)
    const deadline = Date.now() + patience
    while (JSON.stringify(yield* observe(lane, facts)) !== JSON.stringify(wanted) && Date.now() < deadline) yield* turn
    for (let i = 0; i < lane.place.turns; i++) yield* turn
    assert.deepStrictEqual(yield* observe(lane, facts), wanted, story())
  })

// ---------------------------------------------------------------------------------------------------------------------
// What can be done
// ---------------------------------------------------------------------------------------------------------------------

const bits: Record<Model.Event, number> = {
  FD_CONNECT: NetworkEvent.FD_CONNECT,
  FD_ACCEPT: NetworkEvent.FD_ACCEPT,
  FD_WRITE: NetworkEvent.FD_WRITE,
  FD_READ: NetworkEvent.FD_READ,
  FD_CLOSE: NetworkEvent.FD_CLOSE
}

type Making<A> = Effect.Effect<A, { readonly _tag: string }, Winsock.Winsock | Scope.Scope>

/** A step: done to each of the three sockets, and then to the facts they have in common. */
interface Step {
  readonly name: string
  readonly run: (lane: Lane) => Making<void>
  readonly facts?: (facts: Model.Facts) => void
  /** FD_WRITE may be told meanwhile, and select may see room. */
  readonly unsteady?: boolean
  /** Not every place can do it. */
  readonly needs?: "resets" | "fills"
}

const ask = (lane: Lane, door: "event" | "async", mask: ReadonlyArray<Model.Event>, facts: Model.Facts): Making<void> =>
  Effect.gen(function*() {
    const events = mask.reduce((all, event) => all | bits[event], 0)
    lane.asked.ask(door, mask, facts)
    if (door === "event") {
      return yield* Winsock.WSAEventSelect(lane.socket, mask.length === 0 ? null : lane.event, events)
    }
    const messages = yield* Winsock.WSAAsyncSelect(lane.socket, events)
    yield* begin(Stream.runForEach(messages, ({ error, event, socket }) =>
      Effect.sync(() => {
        const whose = socket === lane.socket ? "" : "accepted "
        lane.messages.push(`${whose}${NetworkEvent.names(event).join("|")}:${error?._tag ?? "none"}`)
      })))
  })

const enumerate = (lane: Lane, handed: boolean, forgive?: Model.Event): Making<void> =>
  Effect.gen(function*() {
    const { iErrorCode, lNetworkEvents } = yield* Winsock.WSAEnumNetworkEvents(lane.socket, handed ? lane.event : null)
    const recorded = Model.allEvents.filter((event) => (lNetworkEvents & bits[event]) !== 0).map((event) => {
      const error = event === "FD_CONNECT" || event === "FD_CLOSE" ? iErrorCode[event] : undefined
      return `${event}:${error?._tag ?? "none"}`
    })
    const told = (all: ReadonlyArray<string>) => all.filter((event) => event !== `${forgive}:none`)
    assert.deepStrictEqual(told(recorded), told(lane.asked.enumerate(handed)), "what is enumerated")
  })

/** A call ends with the code; the events that it enables may be told from here on. */
const ends = (
  lane: Lane,
  call: Effect.Effect<unknown, { readonly _tag: string }>,
  code: string,
  ...enables: ReadonlyArray<Model.Event>
): Making<void> =>
  Effect.gen(function*() {
    lane.asked.enable(...enables)
    assert.strictEqual(yield* tagOf(call), code)
  })

/** A receive gives so many bytes, or fails. */
const receives = (lane: Lane, length: number, flags: number, given: number | string): Making<void> =>
  Effect.gen(function*() {
    lane.asked.enable("FD_READ")
    const answer = yield* Effect.match(Winsock.recvfrom(lane.socket, new Uint8Array(length), flags), {
      onSuccess: ({ length }): number | string => length,
      onFailure: (error) => error._tag
    })
    assert.strictEqual(answer, given)
  })

const connectTo = (lane: Lane, target: Winsock.Socket, code: string): Making<void> =>
  Effect.gen(function*() {
    const name = yield* Winsock.getsockname(target)
    lane.asked.enable("FD_CONNECT", "FD_WRITE")
    const first = yield* tagOf(Winsock.WSAConnect(lane.socket, name))
    assert.strictEqual(first, "WSAEWOULDBLOCK")
    assert.strictEqual(yield* tagOf(Winsock.connectResult(lane.socket, { wait: true })), code)
    if (code === "none") lane.peer = (yield* Winsock.accept(target)).socket
  })

const sendAll = (lane: Lane): Making<void> =>
  Effect.gen(function*() {
    const bytes = new Uint8Array(64 * 1024)
    // Both stacks go on taking for a while.
    for (let turns = 0; turns < 20; turns++) {
      const sent = yield* Effect.match(Winsock.send(lane.socket, bytes), {
        onSuccess: (length) => length,
        onFailure: (error) => assert.strictEqual(error._tag, "WSAEWOULDBLOCK")
      })
      if (typeof sent === "number") {
        lane.unread += sent
        turns = 0
      }
      yield* turn
    }
    // Whatever was told of room meanwhile is history; this is what is told from here on.
    for (let i = lane.messages.length - 1; i >= lane.asked.posted.length; i--) {
      assert.strictEqual(lane.messages.pop(), "FD_WRITE:none")
    }
    yield* enumerate(lane, true, "FD_WRITE")
    yield* ends(lane, Winsock.send(lane.socket, bytes), "WSAEWOULDBLOCK", "FD_WRITE")
  })

const drain = (lane: Lane): Making<void> =>
  Effect.gen(function*() {
    while (lane.unread > 0) lane.unread -= (yield* Winsock.recv(lane.peer!)).length
  })

/** Ends a connection with a reset. */
const reset = (s: Winsock.Socket): Making<void> =>
  Effect.andThen(
    Winsock.setsockopt(s, SocketOption.SO_LINGER, { l_onoff: true, l_linger: 0 }),
    Winsock.closesocket(s)
  )

const whatever = (dice: Dice): ReadonlyArray<Model.Event> => {
  const mask = Model.allEvents.filter(() => dice.below(100) < 70)
  return dice.below(8) === 0 ? [] : dice.below(3) === 0 ? Model.allEvents : mask
}

/** Steps about asking, which any socket takes. */
const asking = (dice: Dice, facts: Model.Facts): ReadonlyArray<Step> => {
  const mask = whatever(dice)
  const names = mask.join("|")
  const handed = dice.below(2) === 0
  return [
    { name: `ask ${names}`, run: (lane) => lane.door === "none" ? Effect.void : ask(lane, lane.door, mask, facts) },
    {
      name: `ask the other way round ${names}`,
      run: (lane) => {
        if (lane.door === "none") return Effect.void
        lane.door = lane.door === "event" ? "async" : "event"
        return ask(lane, lane.door, mask, facts)
      }
    },
    { name: `enumerate ${handed}`, run: (lane) => enumerate(lane, handed) },
    { name: `enumerate ${handed}`, run: (lane) => enumerate(lane, handed) }
  ]
}

const streamSteps = (dice: Dice, facts: Model.Facts): ReadonlyArray<Step> => {
  const { bytes, connected, ended, full, reset: broken, shutSend } = facts
  const alive = connected && !broken
  const length = 1 + dice.below(4)
  const nothing = !connected ? "WSAENOTCONN" : broken ? "WSAECONNRESET" : ended ? 0 : "WSAEWOULDBLOCK"
  const given = (length: number) => bytes > 0 ? Math.min(length, bytes) : nothing
  const take = (length: number) => (facts: Model.Facts) => void (facts.bytes -= Math.min(length, facts.bytes))
  const steps: Array<Step> = [
    { name: `recv ${length}`, run: (lane) => receives(lane, length, 0, given(length)), facts: take(length) },
    { name: "recv all", run: (lane) => receives(lane, 65536, 0, given(65536)), facts: take(65536) },
    { name: `peek ${length}`, run: (lane) => receives(lane, length, Winsock.MSG_PEEK, given(length)) },
    { name: "recv with flags that fail", run: (lane) => receives(lane, length, 4, "WSAEINVAL") }
  ]
  if (!connected) {
    const attempt = (ended: string): Step => ({
      name: ended === "none" ? "connect" : "connect to nobody",
      run: (lane) => connectTo(lane, ended === "none" ? lane.listener! : lane.dead!, ended),
      facts: (facts) => {
        facts.attempt = ended
        facts.connected = ended === "none"
        facts.refused = ended !== "none"
      }
    })
    return [...steps, attempt("none"), attempt("none"), attempt("none"), attempt("WSAECONNREFUSED")]
  }
  if (!ended && !broken) {
    const sends: Step = {
      name: `peer sends ${length}`,
      run: (lane) => Effect.asVoid(Winsock.send(lane.peer!, new Uint8Array(length))),
      facts: (facts) => void (facts.bytes += length)
    }
    steps.push(sends, sends, {
      name: "peer ends",
      run: (lane) => Winsock.shutdown(lane.peer!, "send"),
      facts: (facts) => void (facts.ended = true)
    })
    if (!full) {
      steps.push({
        name: "peer resets",
        run: (lane) => reset(lane.peer!),
        facts: (facts) => void (facts.reset = true),
        needs: "resets"
      })
    }
  }
  if (full) {
    const room: Step = { name: "peer receives all", run: drain, facts: (facts) => void (facts.full = false) }
    steps.push(room, room, {
      name: "send without room",
      run: (lane) => ends(lane, Winsock.send(lane.socket, new Uint8Array(1)), "WSAEWOULDBLOCK", "FD_WRITE")
    })
  } else {
    steps.push({
      name: "send",
      run: (lane) => {
        if (alive && !shutSend) lane.unread += 1
        const code = broken ? "WSAECONNRESET" : shutSend ? "WSAESHUTDOWN" : "none"
        return ends(lane, Winsock.send(lane.socket, new Uint8Array(1)), code)
      }
    })
    if (alive && !shutSend) {
      const fills: Step = {
        name: "send until there is no room",
        run: sendAll,
        facts: (facts) => void (facts.full = true),
        unsteady: true,
        needs: "fills"
      }
      steps.push(fills, {
        name: "shutdown send",
        run: (lane) => Winsock.shutdown(lane.socket, "send"),
        facts: (facts) => void (facts.shutSend = true)
      })
    }
  }
  steps.push({
    name: "connect again",
    run: (lane) =>
      Effect.flatMap(
        Winsock.getsockname(lane.listener!),
        (name) => ends(lane, Winsock.WSAConnect(lane.socket, name), "WSAEISCONN")
      )
  })
  return steps
}

const listenerSteps = (dice: Dice, facts: Model.Facts): ReadonlyArray<Step> => {
  const caller: Step = {
    name: "a caller",
    run: (lane) =>
      Effect.gen(function*() {
        const s = yield* Winsock.socket({ family: lane.place.family, type: "stream" })
        yield* Winsock.WSAConnect(s, yield* Winsock.getsockname(lane.socket))
        lane.callers.push(s)
      }),
    facts: (facts) => void facts.callers++
  }
  const accept: Step = {
    name: "accept",
    run: (lane) =>
      Effect.gen(function*() {
        if (facts.callers === 0) {
          return yield* ends(lane, Effect.scoped(Winsock.accept(lane.socket)), "WSAEWOULDBLOCK", "FD_ACCEPT")
        }
        lane.asked.enable("FD_ACCEPT")
        const { socket } = yield* Winsock.accept(lane.socket)
        lane.callers.shift()
        const told = lane.asked.accepted()
        const { lNetworkEvents } = yield* Winsock.WSAEnumNetworkEvents(socket)
        assert.deepStrictEqual(
          Model.allEvents.filter((event) => (lNetworkEvents & bits[event]) !== 0).map((event) => `${event}:none`),
          told
        )
        yield* Winsock.closesocket(socket)
      }),
    facts: (facts) => void (facts.callers = Math.max(0, facts.callers - 1))
  }
  const index = dice.below(Math.max(1, facts.callers))
  const leaves: Step = {
    name: `caller ${index} leaves`,
    run: (lane) => reset(lane.callers.splice(index, 1)[0]!),
    facts: (facts) => void facts.callers--,
    needs: "resets"
  }
  return [
    accept,
    accept,
    ...(facts.callers > 0 ? [leaves] : []),
    ...(facts.callers < 3 ? [caller, caller, caller] : [])
  ]
}

const datagramSteps = (dice: Dice, facts: Model.Facts): ReadonlyArray<Step> => {
  const { bound, connected, datagrams } = facts
  const length = 2 + dice.below(20)
  const first = datagrams[0]
  const given = (room: number) =>
    first === undefined ? (bound ? "WSAEWOULDBLOCK" : "WSAEINVAL") : first > room ? "WSAEMSGSIZE" : first
  const take = (facts: Model.Facts) => void facts.datagrams.shift()
  const receive = (room: number): Step => ({
    name: `recvfrom ${room}`,
    run: (lane) => receives(lane, room, 0, given(room)),
    facts: take
  })
  const steps: Array<Step> = [
    receive(64),
    receive(64),
    receive(1),
    { name: "peek", run: (lane) => receives(lane, 64, Winsock.MSG_PEEK, given(64)) },
    {
      name: "connect",
      run: (lane) =>
        Effect.flatMap(
          Winsock.getsockname(lane.peer!),
          (name) => ends(lane, Winsock.WSAConnect(lane.socket, name), "none", "FD_CONNECT", "FD_WRITE")
        ),
      facts: (facts) => {
        if (!connected) facts.datagrams = []
        Object.assign(facts, { bound: true, connected: true, attempt: "none" })
      }
    }
  ]
  if (!bound) {
    return [...steps, {
      name: "bind",
      run: (lane) => Winsock.bind(lane.socket, "127.0.0.1:0"),
      facts: (facts) => void (facts.bound = true)
    }]
  }
  if (connected) {
    steps.push({
      name: "dis-connect",
      run: (lane) => ends(lane, Winsock.WSAConnect(lane.socket, "0.0.0.0:0"), "none"),
      facts: (facts) => Object.assign(facts, { connected: false, datagrams: [] })
    }, { name: "send", run: (lane) => Effect.asVoid(Winsock.send(lane.socket, new Uint8Array(1))) })
  }
  const sends: Step = {
    name: `peer sends ${length}`,
    run: (lane) =>
      Effect.gen(function*() {
        const port = SocketAddress.portOf(yield* Winsock.getsockname(lane.socket))
        yield* Winsock.sendto(lane.peer!, new Uint8Array(length), `127.0.0.1:${port}`)
        // How many wait cannot be seen; so nothing else is done before this one has come.
        if (first !== undefined) { for (let i = 0; i < 3 * lane.place.turns; i++) yield* turn }
      }),
    facts: (facts) => void facts.datagrams.push(length)
  }
  return datagrams.length < 5 ? [...steps, sends, sends, sends] : steps
}

const stepsOf = { stream: streamSteps, listener: listenerSteps, datagram: datagramSteps }

// ---------------------------------------------------------------------------------------------------------------------
// Histories
// ---------------------------------------------------------------------------------------------------------------------

const bound = ({ family, local }: Place) =>
  Effect.gen(function*() {
    const s = yield* Winsock.socket({ family, type: "stream" })
    yield* Winsock.bind(s, local())
    return s
  })

const listening = (place: Place) => Effect.tap(bound(place), (s) => Winsock.listen(s))

/** How a history begins. */
const beginnings = ["fresh", "fresh", "fresh", "accepted", "listener", "datagram"] as const

const makeLane = (how: (typeof beginnings)[number], door: Door, place: Place): Making<Lane> =>
  Effect.gen(function*() {
    const around = {
      door,
      place,
      event: yield* Winsock.WSACreateEvent,
      asked: new Model.Asked(),
      messages: [],
      callers: [],
      waiting: undefined,
      unread: 0,
      listener: undefined,
      dead: undefined,
      peer: undefined
    }
    switch (how) {
      case "listener": {
        const socket = yield* listening(place)
        yield* Winsock.ioctlsocket(socket, "FIONBIO", true)
        return { ...around, socket }
      }
      case "datagram": {
        const peer = yield* Winsock.socket(datagram)
        yield* Winsock.bind(peer, "127.0.0.1:0")
        const socket = yield* Winsock.socket(datagram)
        yield* Winsock.ioctlsocket(socket, "FIONBIO", true)
        return { ...around, socket, peer }
      }
      default: {
        const listener = yield* listening(place)
        const dead = yield* bound(place)
        let socket = yield* Winsock.socket({ family: place.family, type: "stream" })
        let peer: Winsock.Socket | undefined
        if (how === "accepted") {
          peer = socket
          yield* Winsock.WSAConnect(peer, yield* Winsock.getsockname(listener))
          socket = (yield* Winsock.accept(listener)).socket
        }
        yield* Winsock.ioctlsocket(socket, "FIONBIO", true)
        return { ...around, socket, listener, dead, peer }
      }
    }
  })

/** A select that waits for what is not there yet. */
const beginWaiting = (lane: Lane, facts: Model.Facts): Making<void> =>
  Effect.gen(function*() {
    const there = Model.setsOf(facts)
    const sets = (["read", "write", "except"] as const).filter((set) => !there.includes(set))
    if (sets.length === 0) return
    const call = Winsock.select(Object.fromEntries(sets.map((set) => [set, [lane.socket]])))
    lane.waiting = { sets, fiber: yield* begin(call) }
  })

/** Plays the history of a seed, and fails where a socket tells what it has not to, or does not tell what it has to. */
export const play = (
  seed: number,
  length: number,
  place: Place
): Effect.Effect<void, { readonly _tag: string }, Winsock.Winsock> =>
  Effect.gen(function*() {
    const dice = new Dice(seed)
    const how = dice.pick(beginnings)
    const facts = Model.newFacts(how === "listener" || how === "datagram" ? how : "stream")
    facts.connected = how === "accepted"
    const lanes = [
      yield* makeLane(how, "event", place),
      yield* makeLane(how, "async", place),
      yield* makeLane(how, "none", place)
    ]
    const done: Array<string> = [`seed ${seed}: ${how}`]
    const story = (lane: Lane) => () => `${done.join("; ")} [asked by ${lane.door}]`
    for (let i = 0; i < length; i++) {
      const own = stepsOf[facts.kind](dice, facts).filter(({ needs }) => needs === undefined || place[needs])
      // Asking comes first, or else most of it would be about what nobody asked for.
      const step = dice.pick(i === 0 || dice.below(100) < 35 ? asking(dice, facts) : own)
      done.push(step.name)
      for (const lane of lanes) {
        if (lane.door === "none" && step.unsteady !== true) yield* beginWaiting(lane, facts)
        yield* step.run(lane).pipe(
          Effect.tapCause(() => Effect.sync(() => process.stderr.write(`${story(lane)()}\n`)))
        )
      }
      step.facts?.(facts)
      for (const lane of lanes) {
        lane.asked.look(facts)
        yield* agree(lane, facts, story(lane))
        if (lane.waiting !== undefined) yield* Fiber.interrupt(lane.waiting.fiber)
        lane.waiting = undefined
      }
    }
    for (const lane of lanes) {
      yield* enumerate(lane, true)
      yield* Winsock.closesocket(lane.socket)
      lane.asked.door = "none"
      for (let i = 0; i < place.turns; i++) yield* turn
      assert.deepStrictEqual(lane.messages, lane.asked.posted, story(lane)())
    }
  }).pipe(Effect.scoped)
