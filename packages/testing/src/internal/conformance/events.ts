/** R24, A17 … A20, and the part of A06 and A15 that goes with them: who is told when a socket becomes ready. */
import * as NetworkEvent from "@effect-winsock/core/NetworkEvent"
import * as SocketOption from "@effect-winsock/core/SocketOption"
import * as Winsock from "@effect-winsock/core/Winsock"
import type * as WsaError from "@effect-winsock/core/WsaError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as F from "./frame.ts"

const { FD_ACCEPT, FD_ALL_EVENTS, FD_CLOSE, FD_CONNECT, FD_READ, FD_WRITE } = NetworkEvent

type Socket = Winsock.Socket

// ---------------------------------------------------------------------------------------------------------------------
// select
// ---------------------------------------------------------------------------------------------------------------------

const inSets = ({ except, read, write }: Winsock.Selected, s: Socket): string =>
  [read.includes(s) ? "read" : "", write.includes(s) ? "write" : "", except.includes(s) ? "except" : ""]
    .filter((set) => set !== "").join(" ")

/** In which sets a socket is now, asked for in all. */
const isIn = (what: string, s: Socket, sets: string) =>
  Effect.flatMap(
    Winsock.select({ read: [s], write: [s], except: [s], timeout: 0 }),
    (selected) => F.equal(`the sets of ${what}`, inSets(selected, s), sets)
  )

/** A socket comes to be in a set, and meanwhile the call waits. */
const becomes = <E, R>(what: string, s: Socket, set: keyof Winsock.Selected, cause: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function*() {
    const waiting = yield* F.begin(Winsock.select({ [set]: [s] }))
    yield* F.turn
    yield* F.goesOn(`the select before ${what}`, waiting)
    yield* cause
    yield* F.equal(what, inSets(yield* Fiber.join(waiting), s), set)
  })

/** How long a connection that is full may have room again by itself: a stack may acknowledge that late. */
const settles = 250

/** Sends until the stack of neither end takes any more, and gives how much went. */
const fill = (s: Socket) =>
  Effect.gen(function*() {
    const bytes = new Uint8Array(64 * 1024)
    let sent = 0
    let room = yield* Clock.currentTimeMillis
    while ((yield* Clock.currentTimeMillis) - room < settles) {
      const answer = yield* Effect.result(Winsock.send(s, bytes))
      if (Result.isSuccess(answer)) {
        sent += answer.success
        room = yield* Clock.currentTimeMillis
      } else {
        yield* F.equal("a send that does not go", answer.failure._tag, "WSAEWOULDBLOCK")
        yield* F.turn
      }
    }
    return sent
  })

const a17 = [
  ...F.each("A17", F.families, "an unconnected stream is in no set", function*(family) {
    yield* isIn("a fresh one", yield* F.make(family), "")
    yield* isIn("a bound one", (yield* F.bound(family)).socket, "")
    yield* isIn("a listener", (yield* F.listening(family)).socket, "")
  }),
  ...F.each("A17", F.inet, "a stream whose connect is pending is in no set", function*(family) {
    yield* isIn("a pending one", (yield* F.pending(family)).socket, "")
  }),
  ...F.each("A17", F.families, "bytes and the end make a stream readable", function*(family) {
    const { client, server } = yield* F.pair(family)
    yield* isIn("a connected one", server, "write")
    yield* becomes("bytes", server, "read", Winsock.send(client, F.text("x")))
    yield* isIn("one with bytes", server, "read write")
    yield* F.receives("the bytes", server, F.text("x"))
    yield* isIn("one whose bytes were received", server, "write")
    yield* becomes("the end", server, "read", Winsock.shutdown(client, "send"))
    yield* F.equal("the end", (yield* Winsock.recv(server)).length, 0)
    yield* isIn("one that has met the end", server, "read write")
  }),
  ...F.each("A17", F.families, "a caller that waits makes a listener readable", function*(family) {
    const { address, socket } = yield* F.listening(family)
    const s = yield* F.make(family)
    yield* becomes("a caller", socket, "read", Winsock.WSAConnect(s, address))
    yield* isIn("a listener with a caller", socket, "read")
    yield* Winsock.accept(socket)
    yield* isIn("one whose caller was accepted", socket, "")
  }),
  ...F.each("A17", F.families, "a connected stream is writable while it has room", function*(family) {
    const { client, server } = yield* F.pair(family)
    yield* F.nonBlocking(client)
    const sent = yield* fill(client)
    yield* isIn("a full one", client, "")
    yield* becomes("room", client, "write", F.recvExactly(server, sent))
  }),
  ...F.each(
    "A17",
    F.inet,
    "a datagram socket is writable, and readable with a datagram or a report",
    function*(family) {
      const { address, socket } = yield* F.bound(family, "datagram")
      const s = yield* F.make(family, "datagram")
      yield* isIn("an unbound one", s, "write")
      yield* isIn("a bound one", socket, "write")
      yield* Winsock.WSAConnect(s, address)
      yield* isIn("a connected one", s, "write")
      yield* becomes("a datagram", socket, "read", Winsock.send(s, F.text("x")))
      yield* isIn("one with a datagram", socket, "read write")
      yield* F.nextIs("the datagram", socket, "x")
      yield* isIn("one whose datagram was received", socket, "write")
      yield* Winsock.WSAConnect(s, yield* F.deadDatagram(family))
      yield* becomes("a report of a dead port", s, "read", Winsock.send(s, F.text("x")))
    }
  ),
  ...F.each("A17", F.families, "a failed connect makes a stream exceptional until one succeeds", function*(family) {
    const target = yield* F.bound(family)
    const s = yield* F.make(family)
    const connect = Winsock.WSAConnect(s, target.address)
    yield* F.fails("a blocking connect", "WSAECONNREFUSED", connect)
    yield* isIn("a refused one", s, "except")
    yield* isIn("the same again", s, "except")
    yield* F.equal("SO_ERROR", yield* Winsock.getsockopt(s, SocketOption.SO_ERROR), 0)
    yield* F.nonBlocking(s)
    yield* F.fails("a non-blocking connect", "WSAEWOULDBLOCK", connect)
    yield* isIn("one whose next attempt is pending", s, "except")
    yield* F.fails("what became of it", "WSAECONNREFUSED", Winsock.connectResult(s, { wait: true }))
    yield* isIn("one that was refused again", s, "except")
    yield* Winsock.listen(target.socket)
    yield* F.fails("a connect that will do", "WSAEWOULDBLOCK", connect)
    const { write } = yield* Winsock.select({ write: [s] })
    yield* F.equal("writable ones", write.length, 1)
    yield* isIn("a connected one", s, "write")
  }),
  ...F.each("A17", F.inet, "a refused stream that listens is exceptional still", function*(family) {
    const target = yield* F.bound(family)
    const { address, socket } = yield* F.bound(family)
    yield* F.fails("the connect", "WSAECONNREFUSED", Winsock.WSAConnect(socket, target.address))
    yield* Winsock.listen(socket)
    yield* isIn("the listener", socket, "except")
    yield* becomes("a caller", socket, "read", Winsock.WSAConnect(yield* F.make(family), address))
    yield* isIn("the listener with a caller", socket, "read except")
  }),
  ...F.each("A17", F.families, "a reset stream is readable and writable, not exceptional", function*(family) {
    const { address, crash } = yield* F.world((world) => world.crashing(family, F.text("x"), "told"))
    const s = yield* F.make(family)
    yield* Winsock.WSAConnect(s, address)
    yield* F.receives("the byte", s, F.text("x"))
    yield* becomes("the reset", s, "read", crash)
    yield* isIn("a broken one", s, "read write")
  }),
  ...F.each("A17", F.families, "all that are ready are reported, each in its sets", function*(family) {
    const { client, listener, server } = yield* F.pair(family)
    const fresh = yield* F.make(family)
    yield* Winsock.send(client, F.text("x"))
    yield* Winsock.select({ read: [server] })
    const selected = yield* Winsock.select({
      read: [fresh, server, listener, server],
      write: [client],
      except: [client, server]
    })
    yield* F.claim("the readable one", selected.read.length === 1 && selected.read[0] === server)
    yield* F.claim("the writable one", selected.write.length === 1 && selected.write[0] === client)
    yield* F.equal("exceptional ones", selected.except.length, 0)
  }),
  F.row("A17", "empty sets and what is no duration are WSAEINVAL", function*() {
    const s = yield* F.make("IPv4")
    yield* F.fails("no sets", "WSAEINVAL", Winsock.select({}))
    yield* F.fails("empty sets", "WSAEINVAL", Winsock.select({ read: [], write: [], except: [], timeout: 0 }))
    yield* F.fails("no duration", "WSAEINVAL", Winsock.select({ read: [s], timeout: F.anything("soon") }))
    yield* F.fails("a negative one", "WSAEINVAL", Winsock.select({ read: [s], timeout: -1 }))
  }),
  F.row("A17", "a closed socket in a set, or what is none, is WSAENOTSOCK", function*() {
    const s = yield* F.make("IPv4")
    const closed = yield* F.make("IPv4", "datagram")
    yield* Winsock.closesocket(closed)
    for (const set of ["read", "write", "except"] as const) {
      yield* F.fails(`closed, in ${set}`, "WSAENOTSOCK", Winsock.select({ [set]: [closed], timeout: 0 }))
      yield* F.fails(`closed, behind another`, "WSAENOTSOCK", Winsock.select({ read: [s], [set]: [s, closed] }))
      yield* F.fails(`no socket, in ${set}`, "WSAENOTSOCK", Winsock.select({ [set]: [F.anything({})] }))
    }
  }),
  ...F.each("A17", F.families, "a time-out gives empty sets, and the call may be made again", function*(family) {
    const { client, server } = yield* F.pair(family)
    for (const timeout of [0, "1 millis", "20 millis"] as const) {
      const selected = yield* Winsock.select({ read: [server], except: [client], timeout })
      yield* F.equal("what is ready", inSets(selected, server) + inSets(selected, client), "")
    }
    yield* becomes("bytes", server, "read", Winsock.send(client, F.text("x")))
  }),
  ...F.each("A17", F.families, "a socket that is closed meanwhile is reported", function*(family) {
    const first = yield* F.make(family)
    const second = yield* F.make(family)
    const reading = yield* F.begin(Winsock.select({ read: [second, first], except: [first] }))
    const writing = yield* F.begin(Winsock.select({ write: [first], except: [second] }))
    const excepting = yield* F.begin(Winsock.select({ except: [first, second] }))
    yield* Winsock.closesocket(first)
    const selected = yield* Fiber.join(reading)
    yield* F.equal("the closed one", inSets(selected, first), "read")
    yield* F.equal("the other", inSets(selected, second), "")
    yield* F.equal("the closed one, for writing", inSets(yield* Fiber.join(writing), first), "write")
    yield* F.failed("only for exceptions", "WSAENOTSOCK", excepting)
  }),
  ...F.each("A17", F.families, "an interrupted select leaves the sockets alone, and others go on", function*(family) {
    const { client, server } = yield* F.pair(family)
    const first = yield* F.begin(Winsock.select({ read: [server] }))
    const second = yield* F.begin(Winsock.select({ read: [server, client] }))
    yield* Fiber.interrupt(first)
    yield* F.goesOn("the other", second)
    yield* Winsock.send(client, F.text("x"))
    yield* F.equal("the other", inSets(yield* Fiber.join(second), server), "read")
    yield* F.receives("the byte", server, F.text("x"))
  })
]

// ---------------------------------------------------------------------------------------------------------------------
// Event objects
// ---------------------------------------------------------------------------------------------------------------------

const event = Winsock.WSACreateEvent

const names = (events: number): string => NetworkEvent.names(events).join(" ")

/** What is recorded, waited for until all that are expected have been: these, and no others. */
const tells = (what: string, s: Socket, event: Winsock.WSAEvent, expected: number) =>
  Effect.gen(function*() {
    let told = 0
    const errors: NetworkEvent.Errors = {}
    while ((told & expected) !== expected) {
      yield* Winsock.WSAWaitForMultipleEvents([event])
      const { iErrorCode, lNetworkEvents } = yield* Winsock.WSAEnumNetworkEvents(s, event)
      told |= lNetworkEvents
      Object.assign(errors, iErrorCode)
    }
    yield* F.equal(`what is told of ${what}`, names(told), names(expected))
    return errors
  })

/** Nothing is recorded. */
const tellsNothing = (what: string, s: Socket) =>
  Effect.gen(function*() {
    yield* F.turn
    yield* F.turn
    const { iErrorCode, lNetworkEvents } = yield* Winsock.WSAEnumNetworkEvents(s)
    yield* F.equal(`what is told after ${what}`, names(lNetworkEvents), "")
    yield* F.equal(`the errors after ${what}`, Object.keys(iErrorCode).length, 0)
  })

const codeOf = (error: WsaError.WsaError | undefined): string => error?._tag ?? "none"

/** A pair whose server is asked for events, once what it tells as a connected socket has been told. */
const selectedPair = (family: F.Family, events: number) =>
  Effect.gen(function*() {
    const sockets = yield* F.pair(family)
    const told = yield* event
    yield* Winsock.WSAEventSelect(sockets.server, told, events)
    if ((events & FD_WRITE) !== 0) yield* tells("an accepted socket", sockets.server, told, FD_WRITE)
    return { ...sockets, told }
  })

/** The first datagram has been told of, and is still there. */
const selectedDatagram = (family: F.Family) =>
  Effect.gen(function*() {
    const { address, socket } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    const told = yield* event
    yield* Winsock.WSAEventSelect(socket, told, FD_READ)
    for (const words of ["first", "second", "third", "fourth"]) yield* Winsock.sendto(s, F.text(words), address)
    // All have come when the last one has been seen.
    yield* tells("datagrams", socket, told, FD_READ)
    yield* tellsNothing("more datagrams", socket)
    return { socket, told }
  })

const receives: ReadonlyArray<
  readonly [name: string, call: (s: Socket) => Effect.Effect<unknown, { readonly _tag: string }>]
> = [
  ["recv", (s) => Winsock.recv(s, 2)],
  ["recvfrom", (s) => Winsock.recvfrom(s, 2)],
  ["recvLent", (s) => Winsock.recvLent(s, (lent) => lent.length, 2)],
  ["recv of nothing", (s) => Winsock.recv(s, 0)],
  ["MSG_PEEK", (s) => Winsock.recv(s, 2, Winsock.MSG_PEEK)],
  ["recvfrom with MSG_PEEK", (s) => Winsock.recvfrom(s, 2, Winsock.MSG_PEEK)],
  ["a recv with flags that fail", (s) => Winsock.recv(s, 2, 4)],
  ["a recvfrom that takes no such length", (s) => Winsock.recvfrom(s, F.anything("two"))],
  ["a recvLent without a function", (s) => Winsock.recvLent(s, F.anything(undefined), 2)]
]

const a18 = [
  ...F.each("A18", F.families, "the socket becomes non-blocking, and stays so", function*(family) {
    const { told, server } = yield* selectedPair(family, FD_READ)
    yield* F.fails("recv", "WSAEWOULDBLOCK", Winsock.recv(server))
    yield* Winsock.WSAEventSelect(server, told, 0)
    yield* F.fails("recv when nothing is asked for", "WSAEWOULDBLOCK", Winsock.recv(server))
    const fresh = yield* F.make(family)
    yield* Winsock.WSAEventSelect(fresh, null, 0)
    yield* Winsock.bind(fresh, yield* F.local(family))
    yield* Winsock.listen(fresh)
    yield* F.fails("accept of one that was asked for nothing", "WSAEWOULDBLOCK", Winsock.accept(fresh))
  }),
  ...F.each("A15", F.families, "FIONBIO 0 is WSAEINVAL while events are asked for", function*(family) {
    const s = yield* F.make(family)
    const told = yield* event
    yield* Winsock.WSAEventSelect(s, told, FD_READ)
    yield* F.fails("with an event object", "WSAEINVAL", F.blocking(s))
    yield* F.nonBlocking(s)
    yield* Winsock.WSAEventSelect(s, null, 0)
    yield* F.blocking(s)
    yield* Effect.scoped(Effect.andThen(
      Winsock.WSAAsyncSelect(s, FD_READ),
      F.fails("with messages", "WSAEINVAL", F.blocking(s))
    ))
    yield* F.blocking(s)
  }),
  ...F.each("A18", F.families, "FD_CONNECT and FD_WRITE are told once for a connect", function*(family) {
    const { address } = yield* F.listening(family)
    const s = yield* F.make(family)
    const told = yield* event
    yield* Winsock.WSAEventSelect(s, told, FD_ALL_EVENTS)
    yield* tellsNothing("nothing", s)
    yield* F.fails("the connect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, address))
    const errors = yield* tells("the connect", s, told, FD_CONNECT | FD_WRITE)
    yield* F.equal("its code", codeOf(errors.FD_CONNECT), "none")
    yield* tellsNothing("the connect", s)
    yield* Winsock.WSAEventSelect(s, told, FD_ALL_EVENTS)
    yield* tellsNothing("asking again", s)
    yield* F.fails("another connect", "WSAEISCONN", Winsock.WSAConnect(s, address))
    yield* tellsNothing("a connect that was none", s)
  }),
  ...F.each("A18", F.families, "FD_CONNECT is told for each attempt, with its code", function*(family) {
    const target = yield* F.bound(family)
    const s = yield* F.make(family)
    const told = yield* event
    yield* Winsock.WSAEventSelect(s, told, FD_CONNECT | FD_WRITE)
    for (let i = 0; i < 2; i++) {
      yield* F.fails("a connect to nobody", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, target.address))
      const { FD_CONNECT: error } = yield* tells("the refusal", s, told, FD_CONNECT)
      yield* F.equal("its code", codeOf(error), "WSAECONNREFUSED")
      yield* F.equal("the peer in it", error?.remote, target.address)
      yield* tellsNothing("the refusal", s)
    }
    yield* Winsock.listen(target.socket)
    yield* F.fails("the connect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, target.address))
    const errors = yield* tells("the connect", s, told, FD_CONNECT | FD_WRITE)
    yield* F.equal("its code", codeOf(errors.FD_CONNECT), "none")
  }),
  ...F.each("A18", F.families, "a connect that nobody had asked for is recorded", function*(family) {
    const { address } = yield* F.listening(family)
    const s = yield* F.make(family)
    const told = yield* event
    yield* Winsock.WSAConnect(s, address)
    yield* Winsock.WSAEventSelect(s, told, FD_READ | FD_CLOSE)
    yield* tellsNothing("other events", s)
    yield* Winsock.WSAEventSelect(s, told, FD_CONNECT | FD_WRITE)
    yield* tells("the connect", s, told, FD_CONNECT | FD_WRITE)
    const refused = yield* F.make(family)
    const target = yield* F.bound(family)
    yield* F.fails("a blocking connect", "WSAECONNREFUSED", Winsock.WSAConnect(refused, target.address))
    yield* Winsock.WSAEventSelect(refused, told, FD_ALL_EVENTS)
    const errors = yield* tells("the refusal", refused, told, FD_CONNECT)
    yield* F.equal("its code", codeOf(errors.FD_CONNECT), "WSAECONNREFUSED")
  }),
  ...F.each("A18", F.inet, "a connect that was given up is not told", function*(family) {
    const told = yield* event
    const s = yield* F.make(family)
    const silent = yield* F.world((world) => world.blackholed(family))
    const waiting = yield* F.begin(Winsock.WSAConnect(s, silent))
    yield* F.turn
    yield* Fiber.interrupt(waiting)
    yield* Winsock.WSAEventSelect(s, told, FD_ALL_EVENTS)
    yield* tellsNothing("an interrupted connect", s)
  }),
  ...F.each("A18", F.inet, "a datagram connect is told, and FD_WRITE with it, each time", function*(family) {
    const { address } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    const told = yield* event
    yield* Winsock.WSAEventSelect(s, told, FD_ALL_EVENTS)
    yield* tellsNothing("an unbound one", s)
    for (let i = 0; i < 2; i++) {
      yield* Winsock.WSAConnect(s, address)
      const errors = yield* tells("the connect", s, told, FD_CONNECT | FD_WRITE)
      yield* F.equal("its code", codeOf(errors.FD_CONNECT), "none")
      yield* tellsNothing("the connect", s)
    }
    const bound = yield* F.bound(family, "datagram")
    yield* Winsock.WSAEventSelect(bound.socket, told, FD_ALL_EVENTS)
    yield* tells("a bound one", bound.socket, told, FD_WRITE)
  }),
  ...F.each(
    "A18",
    F.families,
    "FD_READ is told once, and again after a receive that leaves something",
    function*(family) {
      const { client, server, told } = yield* selectedPair(family, FD_READ | FD_WRITE)
      yield* Winsock.send(client, F.pattern(100))
      yield* tells("bytes", server, told, FD_READ)
      yield* tellsNothing("bytes that nobody received", server)
      yield* Winsock.send(client, F.pattern(100))
      yield* tellsNothing("more bytes", server)
      yield* Winsock.WSAEventSelect(server, told, FD_READ)
      yield* tellsNothing("asking again", server)
      for (const [name, receive] of receives) {
        yield* Effect.exit(receive(server))
        yield* tells(name, server, told, FD_READ)
        yield* tellsNothing(name, server)
      }
      yield* Winsock.recv(server, 1000).pipe(Effect.forever, Effect.ignore)
      yield* Winsock.WSAEnumNetworkEvents(server, told)
      yield* tellsNothing("receives that left nothing", server)
      yield* Winsock.send(client, F.text("x"))
      yield* tells("bytes after that", server, told, FD_READ)
    }
  ),
  ...F.each("A18", F.inet, "FD_READ of a datagram socket, also after a receive that fails", function*(family) {
    const { socket, told } = yield* selectedDatagram(family)
    yield* F.nextIs("a datagram", socket, "first")
    yield* tells("recvfrom", socket, told, FD_READ)
    yield* F.fails("one that is too long", "WSAEMSGSIZE", Winsock.recv(socket, 2))
    yield* tells("recv that fails", socket, told, FD_READ)
    yield* Winsock.recv(socket, 16, Winsock.MSG_PEEK)
    yield* tells("MSG_PEEK", socket, told, FD_READ)
    yield* F.nextIs("a datagram", socket, "third")
    yield* tells("recvfrom", socket, told, FD_READ)
    yield* F.nextIs("the last", socket, "fourth")
    yield* tellsNothing("the last", socket)
  }),
  ...F.each("A18", F.families, "FD_WRITE is told again after a send that would have blocked", function*(family) {
    const { client, server } = yield* F.pair(family)
    const told = yield* event
    yield* Winsock.WSAEventSelect(client, told, FD_WRITE)
    yield* tells("a connected socket", client, told, FD_WRITE)
    yield* Winsock.send(client, F.text("x"))
    yield* tellsNothing("a send that went", client)
    const sent = yield* fill(client)
    yield* Winsock.WSAEnumNetworkEvents(client, told)
    // What the last send of a full socket has enabled.
    yield* F.fails("a send", "WSAEWOULDBLOCK", Winsock.send(client, F.text("x")))
    yield* tellsNothing("a send that found no room", client)
    yield* F.recvExactly(server, sent + 1)
    yield* tells("room", client, told, FD_WRITE)
    yield* tellsNothing("room that nobody uses", client)
  }),
  ...F.each("A18", F.families, "FD_CLOSE tells an orderly end, after everything was received", function*(family) {
    const { client, server, told } = yield* selectedPair(family, FD_READ | FD_CLOSE)
    yield* Winsock.send(client, F.text("abcdef"))
    yield* Winsock.shutdown(client, "send")
    yield* tells("bytes", server, told, FD_READ)
    yield* tellsNothing("the end behind bytes", server)
    yield* F.equal("a part", yield* Winsock.recv(server, 3), F.text("abc"))
    yield* tells("a part", server, told, FD_READ)
    yield* F.equal("the rest", yield* Winsock.recv(server, 3), F.text("def"))
    const errors = yield* tells("the end", server, told, FD_CLOSE)
    yield* F.equal("its code", codeOf(errors.FD_CLOSE), "none")
    yield* F.equal("the end", (yield* Winsock.recv(server)).length, 0)
    yield* tellsNothing("the end", server)
  }),
  ...F.each("A18", F.families, "FD_CLOSE tells of a peer that closes", function*(family) {
    const { client, server, told } = yield* selectedPair(family, FD_ALL_EVENTS)
    yield* Winsock.closesocket(client)
    const errors = yield* tells("the close", server, told, FD_CLOSE)
    yield* F.equal("its code", codeOf(errors.FD_CLOSE), "none")
  }),
  ...F.each("A18", F.families, "FD_CLOSE tells of a reset with its code", function*(family) {
    const { address, crash } = yield* F.world((world) => world.crashing(family, F.text("x"), "told"))
    const s = yield* F.make(family)
    const told = yield* event
    yield* Winsock.WSAConnect(s, address)
    yield* F.receives("the byte", s, F.text("x"))
    yield* Winsock.WSAEventSelect(s, told, FD_READ | FD_CLOSE)
    yield* crash
    const { FD_CLOSE: error } = yield* tells("the reset", s, told, FD_CLOSE)
    yield* F.equal("its code", codeOf(error), "WSAECONNRESET")
    yield* F.equal("the peer in it", error?.remote, address)
    yield* F.fails("recv", "WSAECONNRESET", Winsock.recv(s))
    yield* tellsNothing("the reset", s)
  }),
  ...F.each(
    "A18",
    F.families,
    "FD_ACCEPT is told once, and again after an accept that leaves a caller",
    function*(family) {
      const { address, socket } = yield* F.listening(family)
      const told = yield* event
      yield* Winsock.WSAEventSelect(socket, told, FD_ACCEPT)
      yield* tellsNothing("no callers", socket)
      for (let i = 0; i < 3; i++) yield* Winsock.WSAConnect(yield* F.make(family), address)
      yield* tells("callers", socket, told, FD_ACCEPT)
      yield* tellsNothing("callers whom nobody accepted", socket)
      yield* Winsock.accept(socket)
      yield* tells("an accept", socket, told, FD_ACCEPT)
      yield* Winsock.accept(socket)
      yield* tells("another accept", socket, told, FD_ACCEPT)
      yield* Winsock.accept(socket)
      yield* tellsNothing("the last accept", socket)
      yield* F.fails("one accept more", "WSAEWOULDBLOCK", Winsock.accept(socket))
      yield* Winsock.WSAConnect(yield* F.make(family), address)
      yield* tells("another caller", socket, told, FD_ACCEPT)
    }
  ),
  ...F.each("A18", F.families, "callers that came before anyone asked are told at once", function*(family) {
    const { address, socket } = yield* F.listening(family)
    const told = yield* event
    yield* Winsock.WSAConnect(yield* F.make(family), address)
    yield* Winsock.select({ read: [socket] })
    yield* Winsock.WSAEventSelect(socket, told, FD_ACCEPT)
    yield* F.claim("the event object is signaled", told.signaled)
    yield* tells("the caller", socket, told, FD_ACCEPT)
  }),
  ...F.each("A18", F.families, "asking again takes the place of what was asked for", function*(family) {
    const { client, server, told } = yield* selectedPair(family, FD_READ)
    const other = yield* event
    yield* Winsock.WSAEventSelect(server, other, FD_CLOSE)
    yield* Winsock.send(client, F.text("x"))
    yield* Winsock.select({ read: [server] })
    yield* F.claim("nothing is told of what is not asked for", !told.signaled && !other.signaled)
    yield* Winsock.WSAEventSelect(server, other, FD_READ)
    yield* tells("bytes", server, other, FD_READ)
    yield* F.claim("the first event object is told nothing", !told.signaled)
    yield* Winsock.WSAEventSelect(server, null, 0)
    yield* Winsock.recv(server)
    yield* Winsock.send(client, F.text("y"))
    yield* Winsock.select({ read: [server] })
    yield* F.claim("nothing is told when nothing is asked for", !told.signaled && !other.signaled)
    yield* tellsNothing("nothing", server)
  }),
  ...F.each("A18", F.families, "the record is cleared by asking again, and holds what still does", function*(family) {
    const { client, server, told } = yield* selectedPair(family, FD_READ)
    yield* Winsock.send(client, F.text("x"))
    yield* Winsock.WSAWaitForMultipleEvents([told])
    yield* Winsock.recv(server)
    yield* Winsock.WSAResetEvent(told)
    yield* Winsock.WSAEventSelect(server, told, FD_READ | FD_WRITE)
    yield* tells("a socket whose bytes are gone", server, told, FD_WRITE)
  }),
  ...F.each(
    "A18",
    F.families,
    "an event object takes the place of messages, whose stream ends, and back",
    function*(family) {
      const { client, server } = yield* F.pair(family)
      const told = yield* event
      const first = yield* inbox(server, FD_READ)
      yield* Winsock.WSAEventSelect(server, told, FD_READ)
      yield* ends("the stream that an event object took the place of", first)
      yield* Winsock.send(client, F.text("x"))
      yield* tells("bytes", server, told, FD_READ)
      const second = yield* inbox(server, FD_READ)
      yield* posts("bytes that are still there", second, [[server, FD_READ]])
      yield* Winsock.recv(server)
      yield* Winsock.send(client, F.text("y"))
      yield* posts("more bytes", second, [[server, FD_READ]])
      yield* F.claim("the event object is told nothing", !told.signaled)
      yield* F.equal("what an enumeration gives", (yield* Winsock.WSAEnumNetworkEvents(server)).lNetworkEvents, 0)
    }
  ),
  ...F.each("A18", F.inet, "FD_QOS and FD_GROUP_QOS can be asked for, and no provider tells them", function*(family) {
    const { address } = yield* F.listening(family)
    const s = yield* F.make(family)
    const told = yield* event
    yield* Winsock.WSAEventSelect(s, told, NetworkEvent.FD_QOS | NetworkEvent.FD_GROUP_QOS | FD_CONNECT)
    yield* F.fails("the connect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, address))
    yield* tells("the connect", s, told, FD_CONNECT)
    yield* tellsNothing("the connect", s)
  }),
  F.row("A18", "unknown events, no event object and no socket are refused, and change nothing", function*() {
    const s = yield* F.make("IPv4")
    const told = yield* event
    const gone = yield* event
    yield* Winsock.WSACloseEvent(gone)
    for (const events of [256, -1, 0.5, 2 ** 32, F.anything("all"), F.anything(undefined)]) {
      yield* F.fails("events", "WSAEINVAL", Winsock.WSAEventSelect(s, told, events))
      yield* F.fails("events of messages", "WSAEINVAL", Effect.scoped(Winsock.WSAAsyncSelect(s, events)))
    }
    for (const none of [null, undefined, gone, F.anything({ signaled: false })]) {
      yield* F.fails("no event object", "WSAEINVAL", Winsock.WSAEventSelect(s, none, FD_READ))
    }
    yield* F.blocking(s)
    yield* Winsock.closesocket(s)
    yield* F.fails("a closed one", "WSAENOTSOCK", Winsock.WSAEventSelect(s, told, FD_READ))
    yield* F.fails("a closed one, for messages", "WSAENOTSOCK", Effect.scoped(Winsock.WSAAsyncSelect(s, FD_READ)))
    yield* F.fails("a closed one, enumerated", "WSAENOTSOCK", Winsock.WSAEnumNetworkEvents(s))
    yield* F.fails("no socket", "WSAENOTSOCK", Winsock.WSAEventSelect(F.anything(told), told, FD_READ))
    yield* F.fails("no socket, enumerated", "WSAENOTSOCK", Winsock.WSAEnumNetworkEvents(F.anything({})))
  })
]

const a19 = [
  ...F.each("A19", F.families, "an enumeration gives what was recorded, and clears it", function*(family) {
    const { client, server, told } = yield* selectedPair(family, FD_READ)
    yield* Winsock.send(client, F.text("x"))
    yield* Winsock.WSAWaitForMultipleEvents([told])
    const first = yield* Winsock.WSAEnumNetworkEvents(server)
    yield* F.equal("the first time", names(first.lNetworkEvents), "FD_READ")
    yield* F.equal("codes of what did not happen", Object.keys(first.iErrorCode).length, 0)
    yield* F.claim("no event object was handed in, so it is signaled", told.signaled)
    yield* F.equal("the second time", (yield* Winsock.WSAEnumNetworkEvents(server, told)).lNetworkEvents, 0)
    yield* F.claim("it was handed in, and is reset", !told.signaled)
    yield* F.equal("null", (yield* Winsock.WSAEnumNetworkEvents(server, null)).lNetworkEvents, 0)
  }),
  ...F.each(
    "A19",
    F.families,
    "an enumeration resets the event object that is handed in, whichever it is",
    function*(family) {
      const { client, server, told } = yield* selectedPair(family, FD_READ)
      const other = yield* event
      yield* Winsock.WSASetEvent(other)
      yield* Winsock.send(client, F.text("x"))
      yield* Winsock.WSAWaitForMultipleEvents([told])
      yield* F.equal("events", names((yield* Winsock.WSAEnumNetworkEvents(server, other)).lNetworkEvents), "FD_READ")
      yield* F.claim("the other is reset", !other.signaled && told.signaled)
      yield* Winsock.WSACloseEvent(other)
      yield* Winsock.recv(server, 0)
      yield* F.fails("a closed one", "WSA_INVALID_HANDLE", Winsock.WSAEnumNetworkEvents(server, other))
      yield* F.fails("what is none", "WSA_INVALID_HANDLE", Winsock.WSAEnumNetworkEvents(server, F.anything(server)))
      yield* F.equal("nothing was lost", names((yield* Winsock.WSAEnumNetworkEvents(server)).lNetworkEvents), "FD_READ")
    }
  ),
  F.row("A19", "a socket that nobody asked about enumerates nothing", function*() {
    const { client, server } = yield* F.pair("IPv4")
    yield* Winsock.send(client, F.text("x"))
    yield* Winsock.select({ read: [server] })
    yield* F.equal("events", (yield* Winsock.WSAEnumNetworkEvents(server)).lNetworkEvents, 0)
    yield* F.blocking(server)
  }),
  F.row("A19", "event objects are set and reset, and stay as they are", function*() {
    const one = yield* event
    yield* F.claim("a new one is not signaled", !one.signaled)
    yield* Winsock.WSASetEvent(one)
    yield* Winsock.WSASetEvent(one)
    yield* Winsock.WSAWaitForMultipleEvents([one])
    yield* F.claim("waiting resets nothing", one.signaled)
    yield* Winsock.WSAResetEvent(one)
    yield* Winsock.WSAResetEvent(one)
    yield* F.claim("it is reset", !one.signaled)
  }),
  F.row("A19", "any: the lowest index of those that are signaled, once one is", function*() {
    const all = [yield* event, yield* event, yield* event]
    const waiting = yield* F.begin(Winsock.WSAWaitForMultipleEvents(all))
    yield* F.turn
    yield* F.goesOn("the waiting", waiting)
    yield* Winsock.WSASetEvent(all[2]!)
    yield* F.equal("the one that is signaled", Option.getOrUndefined(yield* Fiber.join(waiting)), 2)
    yield* Winsock.WSASetEvent(all[1]!)
    yield* F.equal("the lowest", Option.getOrUndefined(yield* Winsock.WSAWaitForMultipleEvents(all)), 1)
    const now = yield* Winsock.WSAWaitForMultipleEvents(all, { timeout: 0 })
    yield* F.equal("without waiting", Option.getOrUndefined(now), 1)
  }),
  F.row("A19", "all: once all are signaled together", function*() {
    const all = [yield* event, yield* event]
    const waiting = yield* F.begin(Winsock.WSAWaitForMultipleEvents(all, { waitAll: true }))
    yield* Winsock.WSASetEvent(all[0]!)
    yield* F.goesOn("one alone", waiting)
    yield* Winsock.WSAResetEvent(all[0]!)
    yield* Winsock.WSASetEvent(all[1]!)
    yield* F.goesOn("one after the other", waiting)
    yield* Winsock.WSASetEvent(all[0]!)
    yield* F.equal("both", Option.getOrUndefined(yield* Fiber.join(waiting)), 0)
    yield* Winsock.WSAResetEvent(all[0]!)
    const over = yield* Winsock.WSAWaitForMultipleEvents(all, { waitAll: true, timeout: "5 millis" })
    yield* F.claim("one alone, until the time is over", Option.isNone(over))
  }),
  F.row("A19", "a time-out gives none, and every waiter of an event object wakes", function*() {
    const one = yield* event
    for (const timeout of [0, "10 millis"] as const) {
      yield* F.claim("none", Option.isNone(yield* Winsock.WSAWaitForMultipleEvents([one], { timeout })))
    }
    const first = yield* F.begin(Winsock.WSAWaitForMultipleEvents([one], { timeout: "5 seconds" }))
    const gone = yield* F.begin(Winsock.WSAWaitForMultipleEvents([one]))
    const second = yield* F.begin(Winsock.WSAWaitForMultipleEvents([yield* event, one]))
    yield* Fiber.interrupt(gone)
    yield* Winsock.WSASetEvent(one)
    yield* F.equal("the first", Option.getOrUndefined(yield* Fiber.join(first)), 0)
    yield* F.equal("the second", Option.getOrUndefined(yield* Fiber.join(second)), 1)
  }),
  F.row("A19", "a closed event object is WSA_INVALID_HANDLE, also to who waits for it", function*() {
    const one = yield* event
    const other = yield* event
    const any = yield* F.begin(Winsock.WSAWaitForMultipleEvents([other, one]))
    const all = yield* F.begin(Winsock.WSAWaitForMultipleEvents([other, one], { waitAll: true, timeout: "5 seconds" }))
    yield* Winsock.WSACloseEvent(one)
    yield* F.failed("any", "WSA_INVALID_HANDLE", any)
    yield* F.failed("all", "WSA_INVALID_HANDLE", all)
    for (const none of [one, F.anything({ signaled: true }), F.anything(null)]) {
      yield* F.fails("WSASetEvent", "WSA_INVALID_HANDLE", Winsock.WSASetEvent(none))
      yield* F.fails("WSAResetEvent", "WSA_INVALID_HANDLE", Winsock.WSAResetEvent(none))
      yield* F.fails("WSACloseEvent", "WSA_INVALID_HANDLE", Winsock.WSACloseEvent(none))
      yield* F.fails("waiting", "WSA_INVALID_HANDLE", Winsock.WSAWaitForMultipleEvents([other, none], { timeout: 0 }))
    }
    const left = yield* Scope.make()
    const scoped = yield* Scope.provide(event, left)
    yield* Scope.close(left, Exit.void)
    yield* F.fails("one whose scope was left", "WSA_INVALID_HANDLE", Winsock.WSASetEvent(scoped))
  }),
  ...F.each("A19", F.families, "a socket whose event object was closed records on", function*(family) {
    const { client, server, told } = yield* selectedPair(family, FD_READ)
    yield* Winsock.WSACloseEvent(told)
    yield* Winsock.send(client, F.text("x"))
    yield* Winsock.select({ read: [server] })
    yield* F.equal("events", names((yield* Winsock.WSAEnumNetworkEvents(server)).lNetworkEvents), "FD_READ")
    yield* F.receives("the byte", server, F.text("x"))
  }),
  F.row("A19", "no event objects, too many, and no duration are WSA_INVALID_PARAMETER", function*() {
    const wait = Winsock.WSAWaitForMultipleEvents
    const one = yield* event
    const many = Array.from({ length: Winsock.WSA_MAXIMUM_WAIT_EVENTS }, () => one)
    yield* Winsock.WSASetEvent(one)
    yield* F.equal("as many as may be", Option.getOrUndefined(yield* wait(many)), 0)
    yield* F.fails("none", "WSA_INVALID_PARAMETER", wait([]))
    yield* F.fails("one too many", "WSA_INVALID_PARAMETER", wait([...many, one]))
    yield* F.fails("no duration", "WSA_INVALID_PARAMETER", wait([one], { timeout: F.anything("soon") }))
    yield* F.fails("a negative one", "WSA_INVALID_PARAMETER", wait([one], { timeout: -1 }))
  }),
  F.row("A19", "one event object serves many sockets", function*() {
    const told = yield* event
    const pairs = [yield* F.pair("IPv4"), yield* F.pair("IPv6")]
    for (const { server } of pairs) yield* Winsock.WSAEventSelect(server, told, FD_READ)
    yield* Winsock.send(pairs[1]!.client, F.text("x"))
    yield* Winsock.WSAWaitForMultipleEvents([told])
    yield* F.equal("the one", (yield* Winsock.WSAEnumNetworkEvents(pairs[0]!.server)).lNetworkEvents, 0)
    yield* F.equal("the other", (yield* Winsock.WSAEnumNetworkEvents(pairs[1]!.server)).lNetworkEvents, FD_READ)
  })
]

// ---------------------------------------------------------------------------------------------------------------------
// Messages
// ---------------------------------------------------------------------------------------------------------------------

interface Inbox {
  readonly messages: Queue.Queue<NetworkEvent.NetworkMessage<Socket>>
  readonly reading: Fiber.Fiber<void>
}

/** Collects messages as they come. */
const read = (stream: Stream.Stream<NetworkEvent.NetworkMessage<Socket>>): Effect.Effect<Inbox, never, Scope.Scope> =>
  Effect.gen(function*() {
    const messages = yield* Queue.unbounded<NetworkEvent.NetworkMessage<Socket>>()
    const reading = yield* F.begin(Stream.runForEach(stream, (message) => Queue.offer(messages, message)))
    return { messages, reading }
  })

const inbox = (s: Socket, events: number) => Effect.flatMap(Winsock.WSAAsyncSelect(s, events), read)

/** The next messages, in their order. Gives their errors. */
const posts = (what: string, { messages }: Inbox, expected: ReadonlyArray<readonly [Socket, number]>) =>
  Effect.gen(function*() {
    const errors: Array<WsaError.WsaError | undefined> = []
    for (const [s, event] of expected) {
      const message = yield* Queue.take(messages)
      yield* F.equal(`a message of ${what}`, names(message.event), names(event))
      yield* F.claim(`the message of ${what} is of its socket`, message.socket === s)
      errors.push(message.error)
    }
    return errors
  })

const postsNothing = (what: string, { messages }: Inbox) =>
  Effect.gen(function*() {
    yield* F.turn
    yield* F.turn
    const message = yield* Queue.poll(messages)
    yield* F.equal(`a message after ${what}`, names(Option.isNone(message) ? 0 : message.value.event), "")
  })

/** The stream of messages ends, by itself. */
const ends = (what: string, { reading }: Inbox) =>
  Effect.flatMap(Fiber.await(reading), (exit) => F.claim(`${what} ends`, Exit.isSuccess(exit)))

const a20 = [
  ...F.each("A20", F.families, "FD_CONNECT and FD_WRITE are posted once for a connect", function*(family) {
    const { address } = yield* F.listening(family)
    const s = yield* F.make(family)
    const box = yield* inbox(s, FD_ALL_EVENTS)
    yield* F.fails("the connect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, address))
    const errors = yield* posts("the connect", box, [[s, FD_CONNECT], [s, FD_WRITE]])
    yield* F.equal("its code", codeOf(errors[0]), "none")
    yield* postsNothing("the connect", box)
    const again = yield* inbox(s, FD_ALL_EVENTS)
    yield* ends("the stream that another took the place of", box)
    yield* posts("asking again", again, [[s, FD_WRITE]])
    yield* postsNothing("asking again", again)
  }),
  ...F.each("A20", F.families, "FD_CONNECT is posted for each attempt, with its code", function*(family) {
    const target = yield* F.bound(family)
    const s = yield* F.make(family)
    const box = yield* inbox(s, FD_CONNECT | FD_WRITE)
    for (let i = 0; i < 2; i++) {
      yield* F.fails("a connect to nobody", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, target.address))
      const [error] = yield* posts("the refusal", box, [[s, FD_CONNECT]])
      yield* F.equal("its code", codeOf(error), "WSAECONNREFUSED")
    }
    yield* Winsock.listen(target.socket)
    yield* F.fails("the connect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, target.address))
    yield* posts("the connect", box, [[s, FD_CONNECT], [s, FD_WRITE]])
  }),
  ...F.each("A20", F.families, "a connect of before is not posted, what holds is", function*(family) {
    const { client, server } = yield* F.pair(family)
    yield* Winsock.send(server, F.text("x"))
    yield* Winsock.select({ read: [client] })
    const box = yield* inbox(client, FD_ALL_EVENTS)
    yield* posts("a connected socket with bytes", box, [[client, FD_WRITE], [client, FD_READ]])
    yield* postsNothing("that", box)
  }),
  ...F.each("A20", F.inet, "a datagram socket posts FD_WRITE, and each connect", function*(family) {
    const { address } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    const box = yield* inbox(s, FD_ALL_EVENTS)
    yield* posts("an unbound one", box, [[s, FD_WRITE]])
    yield* Winsock.WSAConnect(s, address)
    yield* posts("the connect", box, [[s, FD_CONNECT], [s, FD_WRITE]])
    yield* Winsock.WSAConnect(s, address)
    yield* posts("the same again", box, [[s, FD_CONNECT], [s, FD_WRITE]])
    yield* postsNothing("the connects", box)
  }),
  ...F.each("A20", F.families, "FD_READ is posted once until a receive", function*(family) {
    const { client, server } = yield* F.pair(family)
    const box = yield* inbox(server, FD_READ)
    yield* Winsock.send(client, F.text("abc"))
    yield* posts("bytes", box, [[server, FD_READ]])
    yield* Winsock.send(client, F.text("def"))
    yield* postsNothing("bytes that nobody received", box)
    yield* Winsock.recv(server, 1)
    yield* posts("a part", box, [[server, FD_READ]])
    yield* Winsock.recv(server, 1, Winsock.MSG_PEEK)
    yield* posts("MSG_PEEK", box, [[server, FD_READ]])
    yield* F.fails("a failing receive", "WSAEINVAL", Winsock.recv(server, 1, 4))
    yield* posts("a failing receive", box, [[server, FD_READ]])
    yield* postsNothing("that", box)
  }),
  ...F.each("A20", F.families, "FD_WRITE is posted to who asks a full socket, once there is room", function*(family) {
    const { client, server } = yield* F.pair(family)
    yield* F.nonBlocking(client)
    const sent = yield* fill(client)
    const box = yield* inbox(client, FD_WRITE)
    yield* postsNothing("asking a full one", box)
    yield* F.recvExactly(server, sent)
    yield* posts("room", box, [[client, FD_WRITE]])
    yield* Winsock.send(client, F.text("x"))
    yield* postsNothing("a send that went", box)
  }),
  ...F.each(
    "A20",
    F.families,
    "FD_WRITE of a connected socket, and again after a send that would have blocked",
    function*(family) {
      const { client, server } = yield* F.pair(family)
      const box = yield* inbox(client, FD_WRITE)
      yield* posts("a connected socket", box, [[client, FD_WRITE]])
      const sent = yield* fill(client)
      // What was told of room meanwhile is history.
      yield* Queue.clear(box.messages)
      yield* F.fails("a send", "WSAEWOULDBLOCK", Winsock.send(client, F.text("x")))
      yield* postsNothing("a send that found no room", box)
      yield* F.recvExactly(server, sent)
      yield* posts("room", box, [[client, FD_WRITE]])
      yield* postsNothing("room that nobody uses", box)
    }
  ),
  ...F.each("A20", F.families, "FD_CLOSE is posted after everything was received", function*(family) {
    const { client, server } = yield* F.pair(family)
    const box = yield* inbox(server, FD_READ | FD_CLOSE)
    yield* Winsock.send(client, F.text("abc"))
    yield* Winsock.closesocket(client)
    yield* posts("bytes", box, [[server, FD_READ]])
    yield* postsNothing("the end behind bytes", box)
    yield* F.receives("the bytes", server, F.text("abc"))
    const [error] = yield* posts("the end", box, [[server, FD_CLOSE]])
    yield* F.equal("its code", codeOf(error), "none")
  }),
  ...F.each("A20", F.families, "FD_CLOSE is posted with the code of a reset", function*(family) {
    const { address, crash } = yield* F.world((world) => world.crashing(family, F.text("x"), "told"))
    const s = yield* F.make(family)
    yield* Winsock.WSAConnect(s, address)
    yield* F.receives("the byte", s, F.text("x"))
    const box = yield* inbox(s, FD_READ | FD_CLOSE)
    yield* crash
    const [error] = yield* posts("the reset", box, [[s, FD_CLOSE]])
    yield* F.equal("its code", codeOf(error), "WSAECONNRESET")
  }),
  ...F.each("A20", F.families, "FD_ACCEPT is posted once until an accept", function*(family) {
    const { address, socket } = yield* F.listening(family)
    const box = yield* inbox(socket, FD_ACCEPT)
    for (let i = 0; i < 2; i++) yield* Winsock.WSAConnect(yield* F.make(family), address)
    yield* posts("callers", box, [[socket, FD_ACCEPT]])
    yield* postsNothing("callers whom nobody accepted", box)
    yield* Winsock.accept(socket)
    yield* posts("an accept", box, [[socket, FD_ACCEPT]])
    yield* Winsock.accept(socket)
    yield* postsNothing("the last accept", box)
  }),
  ...F.each("A20", F.families, "messages that nobody reads do not pile up", function*(family) {
    const { client, server } = yield* F.pair(family)
    const messages = yield* Winsock.WSAAsyncSelect(server, FD_READ | FD_CLOSE)
    for (let i = 0; i < 10; i++) {
      yield* Winsock.send(client, F.text("ab"))
      yield* Winsock.select({ read: [server] })
      yield* Winsock.recv(server, 1)
    }
    // All that has been sent has come.
    yield* Winsock.select({ read: [server] }).pipe(
      Effect.andThen(Effect.tap(Winsock.recv(server, 64, Winsock.MSG_PEEK), F.turn)),
      Effect.repeat({ until: (bytes) => bytes.length === 10 })
    )
    yield* Winsock.closesocket(client)
    const seen = yield* messages.pipe(
      Stream.mapEffect(({ event }) =>
        event === FD_READ
          ? Effect.map(Winsock.recv(server, new Uint8Array(64)), (length) => `FD_READ ${length}`)
          : Effect.succeed(names(event))
      ),
      Stream.takeUntil((words) => words === "FD_CLOSE"),
      Stream.runCollect
    )
    yield* F.equal("the messages, and what was received", Array.from(seen).join(), "FD_READ 10,FD_CLOSE")
  }),
  ...F.each("A20", F.families, "the stream ends with its socket, which posts nothing after it", function*(family) {
    const { client, server } = yield* F.pair(family)
    const messages = yield* Winsock.WSAAsyncSelect(server, FD_READ)
    yield* Winsock.send(client, F.text("x"))
    yield* Winsock.select({ read: [server] })
    yield* Winsock.closesocket(server)
    yield* F.equal("messages of a closed socket", (yield* Stream.runCollect(messages)).length, 0)
    const box = yield* inbox(client, FD_READ)
    yield* Winsock.closesocket(client)
    yield* ends("a stream that is read", box)
  }),
  ...F.each("A20", F.families, "no events, and a scope that is left, end it", function*(family) {
    const { client, server } = yield* F.pair(family)
    const box = yield* inbox(server, FD_READ)
    const none = yield* Winsock.WSAAsyncSelect(server, 0)
    yield* ends("a stream whose socket is asked for nothing", box)
    yield* F.equal("messages of no events", (yield* Stream.runCollect(none)).length, 0)
    const scope = yield* Scope.make()
    const scoped = yield* read(yield* Scope.provide(Winsock.WSAAsyncSelect(client, FD_READ), scope))
    yield* F.turn
    yield* Scope.close(scope, Exit.void)
    yield* ends("a stream whose scope was left", scoped)
    yield* F.blocking(client)
  })
]

// ---------------------------------------------------------------------------------------------------------------------
// Inheritance, and the completion of a connect
// ---------------------------------------------------------------------------------------------------------------------

const a06 = [
  ...F.each("A06", F.families, "the accepted socket inherits the event object and the events", function*(family) {
    const { address, socket } = yield* F.listening(family)
    const told = yield* event
    yield* Winsock.WSAEventSelect(socket, told, FD_ACCEPT | FD_READ | FD_WRITE | FD_CLOSE)
    const s = yield* F.make(family)
    yield* Winsock.WSAConnect(s, address)
    yield* tells("the caller", socket, told, FD_ACCEPT)
    const { socket: server } = yield* Winsock.accept(socket)
    yield* tells("the accepted socket", server, told, FD_WRITE)
    yield* F.fails("recv", "WSAEWOULDBLOCK", Winsock.recv(server))
    yield* Winsock.send(s, F.text("x"))
    yield* tells("bytes", server, told, FD_READ)
    yield* tellsNothing("all that", socket)
    yield* Winsock.recv(server)
    yield* Winsock.closesocket(s)
    yield* tells("the close", server, told, FD_CLOSE)
    yield* Winsock.WSAEventSelect(socket, null, 0)
    const t = yield* F.make(family)
    yield* Winsock.WSAConnect(t, address)
    yield* Winsock.select({ read: [socket] })
    const { socket: other } = yield* Winsock.accept(socket)
    yield* F.blocking(other)
  }),
  ...F.each(
    "A06",
    F.families,
    "the accepted socket inherits messages, and its own are posted in the same stream",
    function*(
      family
    ) {
      const { address, socket } = yield* F.listening(family)
      const box = yield* inbox(socket, FD_ACCEPT | FD_READ | FD_CLOSE)
      const s = yield* F.make(family)
      yield* Winsock.WSAConnect(s, address)
      yield* posts("the caller", box, [[socket, FD_ACCEPT]])
      const { socket: server } = yield* Winsock.accept(socket)
      yield* Winsock.send(s, F.text("x"))
      yield* posts("bytes", box, [[server, FD_READ]])
      yield* Winsock.closesocket(socket)
      yield* Winsock.recv(server)
      yield* Winsock.closesocket(s)
      yield* posts("the close", box, [[server, FD_CLOSE]])
      yield* Winsock.closesocket(server)
      yield* ends("the stream of both", box)
    }
  )
]

/** A non-blocking attempt, seen in one of the ways. */
const completion = function*(family: F.Family, way: "select" | "WSAAsyncSelect" | "WSAEventSelect") {
  const target = yield* F.bound(family)
  for (const expected of ["WSAECONNREFUSED", "none"]) {
    if (expected === "none") yield* Winsock.listen(target.socket)
    const s = yield* F.make(family)
    yield* F.nonBlocking(s)
    const told = yield* event
    const box = way === "WSAAsyncSelect" ? yield* inbox(s, FD_CONNECT) : undefined
    if (way === "WSAEventSelect") yield* Winsock.WSAEventSelect(s, told, FD_CONNECT)
    yield* F.fails("the connect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, target.address))
    if (box !== undefined) {
      const [error] = yield* posts("the connect", box, [[s, FD_CONNECT]])
      yield* F.equal("the code of the message", codeOf(error), expected)
    } else if (way === "WSAEventSelect") {
      const { FD_CONNECT: error } = yield* tells("the connect", s, told, FD_CONNECT)
      yield* F.equal("the code of the event", codeOf(error), expected)
    } else {
      const sets = inSets(yield* Winsock.select({ read: [s], write: [s], except: [s] }), s)
      yield* F.equal("the sets", sets, expected === "none" ? "write" : "except")
    }
    const result = Winsock.connectResult(s)
    if (expected === "none") yield* F.equal("connectResult", (yield* result).remote, target.address)
    else yield* F.fails("connectResult", "WSAECONNREFUSED", result)
  }
}

const r24 = (["select", "WSAAsyncSelect", "WSAEventSelect"] as const).flatMap((way) =>
  F.each("R24", F.families, `${way} sees how a non-blocking connect ended`, (family) => completion(family, way))
)

export const eventRows: ReadonlyArray<F.Case> = [...r24, ...a06, ...a17, ...a18, ...a19, ...a20]
