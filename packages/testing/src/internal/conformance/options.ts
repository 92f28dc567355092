/** Options, flags and commands of the calls, and the rows that need them. */
import * as ProtocolInfo from "@effect-winsock/core/ProtocolInfo"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import * as SocketOption from "@effect-winsock/core/SocketOption"
import * as Winsock from "@effect-winsock/core/Winsock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as F from "./frame.ts"

const lent = [
  ...F.each("R27", F.families, "bytes lent to a function are those of the stream, and no bytes are its end", function*(
    family
  ) {
    const { client, server } = yield* F.pair(family)
    const copy = (lent: Uint8Array) => new Uint8Array(lent)
    const waiting = yield* F.begin(Winsock.recvLent(server, copy, 3))
    yield* Winsock.send(client, F.text("abcdef"))
    yield* F.equal("a call that waits", yield* Fiber.join(waiting), F.text("abc"))
    yield* F.equal("what waits for a call", yield* Winsock.recvLent(server, copy, 2), F.text("de"))
    yield* F.receives("the rest", server, F.text("f"))
    yield* Winsock.shutdown(client, "send")
    yield* F.equal("the end", yield* Winsock.recvLent(server, copy), new Uint8Array(0))
    yield* F.equal("the end for good", yield* Winsock.recvLent(server, copy), new Uint8Array(0))
  }),
  ...F.each("R27", F.inet, "datagrams are lent whole, or fail with WSAEMSGSIZE and their head", function*(family) {
    const { address, socket } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    const copy = (lent: Uint8Array) => new Uint8Array(lent)
    const waiting = yield* F.begin(Winsock.recvLent(socket, copy))
    yield* Winsock.sendto(s, F.text("first"), address)
    yield* F.equal("a call that waits", yield* Fiber.join(waiting), F.text("first"))
    yield* Winsock.sendto(s, F.text("second"), address)
    yield* Winsock.sendto(s, F.text("third"), address)
    const error = yield* F.fails("one that is too long", "WSAEMSGSIZE", Winsock.recvLent(socket, copy, 3))
    yield* F.equal("its head", "head" in error ? error.head : undefined, F.text("sec"))
    yield* F.equal("the next one", yield* Winsock.recvLent(socket, copy), F.text("third"))
  })
]

const peek = [
  ...F.each("A08", F.families, "MSG_PEEK looks without taking, also where it waits", function*(family) {
    const { client, server } = yield* F.pair(family)
    const waiting = yield* F.begin(Winsock.recv(server, 3, Winsock.MSG_PEEK))
    const behind = yield* F.begin(Winsock.recv(server, 2))
    yield* Winsock.send(client, F.text("abcdef"))
    yield* F.equal("what a call sees that waits", yield* Fiber.join(waiting), F.text("abc"))
    yield* F.equal("what the call behind it takes", yield* Fiber.join(behind), F.text("ab"))
    const buffer = new Uint8Array(2)
    yield* F.equal("how much it sees", yield* Winsock.recv(server, buffer, Winsock.MSG_PEEK), 2)
    yield* F.equal("what it sees", buffer, F.text("cd"))
    yield* F.equal("the rest, once more", yield* Winsock.recv(server, 100, Winsock.MSG_PEEK), F.text("cdef"))
    yield* F.receives("the rest", server, F.text("cdef"))
    yield* F.nonBlocking(server)
    yield* F.fails("nothing there", "WSAEWOULDBLOCK", Winsock.recv(server, 1, Winsock.MSG_PEEK))
    yield* F.blocking(server)
    yield* Winsock.shutdown(client, "send")
    yield* F.equal("the end", (yield* Winsock.recv(server, 1, Winsock.MSG_PEEK)).length, 0)
    yield* F.equal("the end for good", (yield* Winsock.recv(server)).length, 0)
  }),
  ...F.each("A08", F.inet, "an unknown flag is WSAEINVAL, MSG_OOB and MSG_WAITALL WSAEOPNOTSUPP", function*(family) {
    const { client } = yield* F.pair(family)
    yield* F.fails("MSG_OOB", "WSAEOPNOTSUPP", Winsock.recv(client, 1, 1))
    yield* F.fails("MSG_OOB with MSG_PEEK", "WSAEOPNOTSUPP", Winsock.recvfrom(client, 1, 1 | Winsock.MSG_PEEK))
    yield* F.fails("MSG_WAITALL", "WSAEOPNOTSUPP", Winsock.recv(client, 1, 8))
    yield* F.fails("a flag of a send", "WSAEINVAL", Winsock.recv(client, 1, 4))
    yield* F.fails("a flag that nobody has", "WSAEINVAL", Winsock.recvfrom(client, 1, 0x4000 | 1))
    yield* F.fails("no number", "WSAEINVAL", Winsock.recv(client, 1, F.anything("peek")))
    yield* Winsock.closesocket(client)
    yield* F.fails("what comes before it", "WSAENOTSOCK", Winsock.recv(client, 1, 4))
  }),
  ...F.each("A09", F.inet, "MSG_PEEK leaves a datagram, also one that is too long", function*(family) {
    const { address, socket } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    const waiting = yield* F.begin(Winsock.recvfrom(socket, 16, Winsock.MSG_PEEK))
    yield* Winsock.sendto(s, F.text("first"), address)
    const seen = yield* Fiber.join(waiting)
    yield* F.equal("what it sees", seen.bytes, F.text("first"))
    yield* F.equal("whose it is", SocketAddress.portOf(seen.from), yield* F.portOf(s))
    seen.bytes.fill(0)
    yield* Winsock.sendto(s, F.text("second"), address)
    const buffer = new Uint8Array(3)
    const peeked = yield* F.fails("too long", "WSAEMSGSIZE", Winsock.recv(socket, buffer, Winsock.MSG_PEEK))
    yield* F.equal("its head", "head" in peeked ? peeked.head : undefined, F.text("fir"))
    yield* F.nextIs("the first is still there", socket, "first")
    yield* F.nextIs("the second", socket, "second")
  })
]

const linger = (l_linger: number, l_onoff = true): SocketOption.Linger => ({ l_onoff, l_linger })

/**
 * A connection whose client lingers, and has bytes that the stack does not take as long as nobody receives. A send that
 * would block may go a moment later, while what lies between still fills up: hence the time without any that goes.
 */
const unsent = (family: F.Family, seconds: number) =>
  Effect.gen(function*() {
    const { client, server } = yield* F.pair(family)
    yield* Winsock.setsockopt(client, SocketOption.SO_LINGER, linger(seconds))
    yield* F.nonBlocking(client)
    const piece = F.pattern(65536)
    let sent = 0
    for (let quiet = 0; quiet < 20; quiet++) {
      const part = yield* Effect.result(Winsock.send(client, piece))
      if (part._tag === "Success") {
        sent += part.success
        quiet = 0
      } else if (part.failure._tag !== "WSAEWOULDBLOCK") {
        return yield* F.fault("a send", "WSAEWOULDBLOCK", part.failure._tag)
      }
      yield* quiet === 0 ? Effect.yieldNow : Effect.sleep("10 millis")
    }
    return { client, server, sent }
  })

const lingering = [
  ...F.each("A11", F.families, "SO_LINGER 0 resets, and drops what is unsent", function*(family) {
    const { client, server } = yield* F.pair(family)
    yield* Winsock.setsockopt(client, SocketOption.SO_LINGER, linger(0))
    yield* Winsock.closesocket(client)
    const end = yield* Effect.result(Winsock.recv(server))
    if (family === "Unix" && end._tag === "Success") yield* F.equal("the end", end.success.length, 0)
    else yield* F.equal("the peer's recv", end._tag === "Success" ? "success" : end.failure._tag, "WSAECONNRESET")
    const more = yield* unsent(family, 0)
    yield* Winsock.closesocket(more.client)
    yield* F.isCutOff(more.server, family, more.sent)
  }),
  ...F.each("A11", F.families, "SO_LINGER: a blocking closesocket waits until what is unsent has been taken", function*(
    family
  ) {
    const { client, sent, server } = yield* unsent(family, 60)
    yield* F.blocking(client)
    const closing = yield* F.begin(Winsock.closesocket(client))
    yield* F.turn
    yield* F.goesOn("closesocket", closing)
    yield* F.recvExactly(server, sent)
    yield* Fiber.join(closing)
    yield* F.equal("the end", (yield* Winsock.recv(server)).length, 0)
  }),
  ...F.each("A11", F.families, "SO_LINGER: after so many seconds closesocket resets", function*(family) {
    const { client, sent, server } = yield* unsent(family, 1)
    yield* F.blocking(client)
    yield* Winsock.closesocket(client)
    yield* F.isCutOff(server, family, sent)
  }),
  ...F.each("A11", F.families, "SO_LINGER: a non-blocking closesocket with unsent bytes is WSAEWOULDBLOCK", function*(
    family
  ) {
    const { client, sent, server } = yield* unsent(family, 60)
    yield* F.fails("closesocket", "WSAEWOULDBLOCK", Winsock.closesocket(client))
    yield* F.recvExactly(server, sent)
    yield* F.blocking(client)
    yield* F.talk(client, server)
    yield* Winsock.closesocket(client)
    yield* F.equal("the end", (yield* Winsock.recv(server)).length, 0)
  })
]

const timeouts = [
  ...F.each("A14", F.families, "SO_RCVTIMEO ends a recv that waits with WSAETIMEDOUT, and takes nothing", function*(
    family
  ) {
    const { client, server } = yield* F.pair(family)
    yield* Winsock.setsockopt(client, SocketOption.SO_RCVTIMEO, 20)
    yield* F.fails("recv", "WSAETIMEDOUT", Winsock.recv(client))
    yield* F.fails("recvfrom", "WSAETIMEDOUT", Winsock.recvfrom(client, 1, Winsock.MSG_PEEK))
    yield* Winsock.setsockopt(client, SocketOption.SO_RCVTIMEO, 0)
    yield* F.talk(client, server)
  }),
  ...F.each("A14", F.inet, "SO_RCVTIMEO is for datagrams too", function*(family) {
    const { address, socket } = yield* F.bound(family, "datagram")
    yield* Winsock.setsockopt(socket, SocketOption.SO_RCVTIMEO, 20)
    yield* F.fails("recvfrom", "WSAETIMEDOUT", Winsock.recvfrom(socket))
    yield* Winsock.setsockopt(socket, SocketOption.SO_RCVTIMEO, 0)
    yield* Winsock.sendto(yield* F.make(family, "datagram"), F.text("late"), address)
    yield* F.nextIs("what comes afterwards", socket, "late")
  }),
  ...F.each("A14", F.families, "SO_SNDTIMEO breaks the connection where bytes were handed down", function*(family) {
    const { client, server } = yield* F.pair(family)
    const sent = F.pattern(16 * 1024 * 1024)
    const first = yield* F.begin(Winsock.send(client, sent))
    yield* Winsock.setsockopt(client, SocketOption.SO_SNDTIMEO, 20)
    yield* F.fails("a send behind another", "WSAETIMEDOUT", Winsock.send(client, F.text("x")))
    yield* F.goesOn("the other", first)
    yield* F.receives("what it sent", server, sent)
    yield* F.equal("the other", yield* Fiber.join(first), sent.length)
    yield* F.fails("a send that nobody takes", "WSAETIMEDOUT", Winsock.send(client, sent))
    yield* F.fails("send", "WSAECONNABORTED", Winsock.send(client, F.text("x")))
    yield* F.fails("recv", "WSAECONNABORTED", Winsock.recv(client))
    yield* F.isCutOff(server, family, sent.length)
  }),
  ...F.each("A14", F.inet, "TCP_MAXRTMS ends an attempt with WSAETIMEDOUT, and the socket connects again", function*(
    family
  ) {
    const hole = yield* F.world((world) => world.blackholed(family))
    const { address } = yield* F.listening(family)
    const s = yield* F.make(family)
    yield* Winsock.setsockopt(s, SocketOption.TCP_MAXRTMS, 30)
    yield* F.fails("a blocking connect", "WSAETIMEDOUT", Winsock.WSAConnect(s, hole))
    yield* F.equal("SO_ERROR", yield* Winsock.getsockopt(s, SocketOption.SO_ERROR), 0)
    const port = yield* F.portOf(s)
    yield* F.nonBlocking(s)
    yield* F.fails("a non-blocking connect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, hole))
    yield* F.fails("what became of it", "WSAETIMEDOUT", Winsock.connectResult(s, { wait: true }))
    yield* F.equal("SO_ERROR", yield* Winsock.getsockopt(s, SocketOption.SO_ERROR), 10060)
    yield* F.blocking(s)
    yield* Winsock.WSAConnect(s, address)
    yield* F.equal("the port", yield* F.portOf(s), port)
  }),
  ...F.each("A14", F.families, "SO_LINGER and the time-outs: their types, their ranges, and who has them", function*(
    family
  ) {
    const { socket: listener, address } = yield* F.listening(family)
    const s = yield* F.make(family)
    const { SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO, TCP_MAXRTMS } = SocketOption
    const read = yield* Winsock.getsockopt(s, SO_LINGER)
    yield* F.claim("SO_LINGER is off at first", !read.l_onoff)
    yield* F.fails("no linger", "WSAEFAULT", Winsock.setsockopt(s, SO_LINGER, F.anything(true)))
    yield* F.fails("too long", "WSAEINVAL", Winsock.setsockopt(s, SO_LINGER, linger(65536)))
    for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) {
      yield* F.equal(`${option.name} at first`, yield* Winsock.getsockopt(s, option), 0)
      yield* F.fails("no number", "WSAEFAULT", Winsock.setsockopt(s, option, F.anything("1")))
      yield* F.fails("negative", "WSAEINVAL", Winsock.setsockopt(s, option, -1))
      yield* Winsock.setsockopt(listener, option, 70)
    }
    const timeout = Winsock.setsockopt(s, TCP_MAXRTMS, 1000)
    if (family === "Unix") yield* F.fails("TCP_MAXRTMS", "WSAENOPROTOOPT", timeout)
    else yield* timeout
    yield* Winsock.setsockopt(listener, SO_LINGER, linger(7))
    yield* Winsock.WSAConnect(s, address)
    const { socket: server } = yield* Winsock.accept(listener)
    yield* F.equal("SO_RCVTIMEO of the accepted one", yield* Winsock.getsockopt(server, SO_RCVTIMEO), 70)
    yield* F.equal("SO_SNDTIMEO of the accepted one", yield* Winsock.getsockopt(server, SO_SNDTIMEO), 70)
    yield* F.equal("SO_LINGER of the accepted one", yield* Winsock.getsockopt(server, SO_LINGER), linger(7))
    const datagram = yield* F.make(family === "IPv6" ? "IPv6" : "IPv4", "datagram")
    yield* F.fails("a datagram", "WSAENOPROTOOPT", Winsock.setsockopt(datagram, SO_LINGER, linger(1)))
    yield* F.fails("a datagram", "WSAENOPROTOOPT", Winsock.getsockopt(datagram, TCP_MAXRTMS))
  })
]

const protocols = [
  F.row("A14", "SO_PROTOCOL_INFO is the row of WSAEnumProtocols", function*() {
    const rows = yield* Winsock.WSAEnumProtocols
    yield* F.claim("there are rows", rows.length > 0)
    const { capabilities } = yield* Winsock.Winsock.use((winsock) => Effect.succeed(winsock))
    for (const row of rows) {
      const { dwServiceFlags1: flags, iAddressFamily: family, iSocketType: type } = row
      const s = yield* F.make(family, type)
      yield* F.equal(row.szProtocol, yield* Winsock.getsockopt(s, SocketOption.SO_PROTOCOL_INFO), row)
      const { marking, maxMessage, reservesQos } = capabilities({ family, type, direction: "both" })
      yield* F.equal("the longest message", row.dwMessageSize, maxMessage)
      const { XP1_CONNECTIONLESS, XP1_QOS_SUPPORTED } = ProtocolInfo.ServiceFlags
      yield* F.equal("XP1_QOS_SUPPORTED", (flags & XP1_QOS_SUPPORTED) !== 0, marking || reservesQos)
      yield* F.equal("XP1_CONNECTIONLESS", (flags & XP1_CONNECTIONLESS) !== 0, type === "datagram")
    }
  }),
  F.row("A01", "WSASocket makes a socket from a row of WSAEnumProtocols", function*() {
    for (const protocolInfo of yield* Winsock.WSAEnumProtocols) {
      const s = yield* Winsock.WSASocket({ protocolInfo, flags: Winsock.WSA_FLAG_OVERLAPPED })
      yield* F.equal("the family", s.kind.family, protocolInfo.iAddressFamily)
      yield* F.equal("the type", s.kind.type, protocolInfo.iSocketType)
      yield* Winsock.bind(s, yield* F.local(s.kind.family))
      const given = yield* Winsock.WSASocket({ protocolInfo, direction: "send" })
      yield* F.equal("what is given by itself", given.kind.direction, "send")
    }
    const plain = { family: "IPv4", type: "stream" } as const
    yield* Winsock.WSASocket(plain)
    const unknown = Winsock.WSASocket({ ...plain, flags: 2 })
    yield* F.equal("the call", (yield* F.fails("an unknown flag", "WSAEINVAL", unknown)).call, "WSASocket")
    const no = Winsock.WSASocket(F.anything({ ...plain, flags: "overlapped" }))
    yield* F.fails("no flag", "WSAEINVAL", no)
    yield* F.fails("nothing at all", "WSAESOCKTNOSUPPORT", Winsock.WSASocket(F.anything({ protocolInfo: null })))
    const [row] = yield* Winsock.WSAEnumProtocols
    yield* F.fails(
      "a type that the row's protocol does not carry",
      "WSAEPROTOTYPE",
      Winsock.WSASocket({ protocolInfo: row!, type: "datagram" })
    )
  })
]

const ioctls = [
  ...F.each("A15", F.families, "FIONREAD tells how many bytes can be received, SIOCATMARK is true", function*(family) {
    const { client, listener, server } = yield* F.pair(family)
    const waiting = (s: Winsock.Socket) => Winsock.ioctlsocket(s, "FIONREAD")
    yield* F.equal("before anything came", yield* waiting(server), 0)
    yield* Winsock.send(client, F.text("abcdef"))
    yield* Winsock.recv(server, 1, Winsock.MSG_PEEK)
    yield* F.equal("what came", yield* waiting(server), 6)
    yield* Winsock.recv(server, 2)
    yield* F.equal("what is left", yield* waiting(server), 4)
    yield* F.equal("SIOCATMARK", yield* Winsock.ioctlsocket(server, "SIOCATMARK"), true)
    yield* Winsock.recv(server, 4)
    yield* Winsock.shutdown(client, "send")
    yield* F.equal("the end", (yield* Winsock.recv(server)).length, 0)
    yield* F.equal("after the end", yield* waiting(server), 0)
    yield* F.equal("a listener", yield* waiting(listener), 0)
    yield* F.equal("a fresh socket", yield* waiting(yield* F.make(family)), 0)
    yield* Winsock.closesocket(server)
    yield* F.fails("a closed one", "WSAENOTSOCK", waiting(server))
  }),
  ...F.each("A15", F.inet, "FIONREAD tells how long the first datagram is", function*(family) {
    const { address, socket } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    yield* F.equal("before any came", yield* Winsock.ioctlsocket(socket, "FIONREAD"), 0)
    yield* Winsock.sendto(s, F.text("abc"), address)
    yield* Winsock.sendto(s, F.text("defgh"), address)
    yield* Winsock.recv(socket, 16, Winsock.MSG_PEEK)
    yield* F.equal("the first", yield* Winsock.ioctlsocket(socket, "FIONREAD"), 3)
    yield* F.nextIs("it", socket, "abc")
    yield* Winsock.recv(socket, 16, Winsock.MSG_PEEK)
    yield* F.equal("the second", yield* Winsock.ioctlsocket(socket, "FIONREAD"), 5)
    yield* F.fails("SIOCATMARK", "WSAEINVAL", Winsock.ioctlsocket(socket, "SIOCATMARK"))
  })
]

export const optionRows: ReadonlyArray<F.Case> = [
  ...lent,
  ...peek,
  ...lingering,
  ...timeouts,
  ...protocols,
  ...ioctls
]
