/** A01 … A22: the calls around WSAConnect, as far as they exist. */
import type * as Provider from "@effect-winsock/core/Provider"
import * as Qos from "@effect-winsock/core/Qos"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import * as SocketOption from "@effect-winsock/core/SocketOption"
import * as Winsock from "@effect-winsock/core/Winsock"
import type * as WsaError from "@effect-winsock/core/WsaError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as AddressResolver from "effect/net/AddressResolver"
import * as Dns from "effect/net/Dns"
import * as Scope from "effect/Scope"
import * as F from "./frame.ts"

const capabilities = (kind: Pick<Provider.Kind, "family" | "type">) =>
  Winsock.Winsock.use((winsock) => Effect.succeed(winsock.capabilities({ ...kind, direction: "both" })))

const a01 = [
  F.row("A01", "what socket cannot make", function*() {
    const is = (
      what: string,
      code: "WSAESOCKTNOSUPPORT" | "WSAEAFNOSUPPORT" | "WSAEPROTONOSUPPORT" | "WSAEPROTOTYPE" | "WSAEINVAL",
      options: unknown
    ) => F.fails(what, code, Winsock.socket(F.anything(options)))
    yield* is("an unknown type", "WSAESOCKTNOSUPPORT", { family: "IPv4", type: "raw" })
    yield* is("an unknown type and family", "WSAESOCKTNOSUPPORT", { family: "IPX", type: "raw" })
    yield* is("an unknown family", "WSAEAFNOSUPPORT", { family: "IPX", type: "stream" })
    yield* is("no family", "WSAEAFNOSUPPORT", { type: "stream" })
    yield* is("a Unix datagram", "WSAESOCKTNOSUPPORT", { family: "Unix", type: "datagram" })
    yield* is("an unknown protocol", "WSAEPROTONOSUPPORT", { family: "IPv4", type: "stream", protocol: "sctp" })
    yield* is("udp for a stream", "WSAEPROTOTYPE", { family: "IPv4", type: "stream", protocol: "udp" })
    yield* is("tcp for a datagram", "WSAEPROTOTYPE", { family: "IPv6", type: "datagram", protocol: "tcp" })
    yield* is("an unknown direction", "WSAEINVAL", { family: "IPv4", type: "stream", direction: "up" })
    yield* Winsock.socket({ family: "IPv4", type: "stream", protocol: "tcp" })
    yield* Winsock.socket({ family: "IPv6", type: "datagram", protocol: "udp" })
  }),
  ...F.each("A01", F.families, "a socket is closed with the scope it was made in", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const scope = yield* Scope.make()
    const s = yield* Scope.provide(F.make(family), scope)
    yield* Winsock.WSAConnect(s, address)
    const { socket: server } = yield* Winsock.accept(listener)
    yield* Winsock.send(s, F.text("last words"))
    yield* Scope.close(scope, Exit.void)
    yield* F.fails("getsockname", "WSAENOTSOCK", Winsock.getsockname(s))
    yield* F.receives("what was handed over", server, F.text("last words"))
    yield* F.equal("the end", (yield* Winsock.recv(server)).length, 0)
  })
]

const a02 = [
  ...(["stream", "datagram"] as const).flatMap((type) =>
    F.each("A02", F.inet, `bind: port 0 chooses one that stays, twice is WSAEINVAL: ${type}`, function*(family) {
      const s = yield* F.make(family, type)
      const wanted = yield* F.local(family)
      yield* Winsock.bind(s, wanted)
      const name = yield* Winsock.getsockname(s)
      const port = SocketAddress.portOf(name)!
      yield* F.claim("a port was chosen", port !== 0)
      yield* F.equal("the host is the one asked for", F.withPort(wanted, port), name)
      yield* F.fails("a second bind", "WSAEINVAL", Winsock.bind(s, wanted))
      yield* F.fails("a second bind to the same", "WSAEINVAL", Winsock.bind(s, name))
      const peer = type === "stream" ? yield* F.listening(family) : yield* F.bound(family, type)
      yield* Winsock.WSAConnect(s, peer.address)
      yield* F.equal("getsockname after a connect", yield* Winsock.getsockname(s), name)
    })
  ),
  F.row("A02", "bind: a Unix path stays, twice is WSAEINVAL", function*() {
    const { address, socket } = yield* F.bound("Unix")
    const name = SocketAddress.format(address)
    yield* F.claim(`the path is the one that was bound, not ${name}`, name.length > "unix:".length)
    yield* F.fails("a second bind", "WSAEINVAL", Winsock.bind(socket, yield* F.local("Unix")))
  }),
  ...(["stream", "datagram"] as const).flatMap((type) =>
    F.each("A02", F.inet, `bind: an address that is not ours is WSAEADDRNOTAVAIL: ${type}`, function*(family) {
      const foreign = yield* F.world((world) => world.foreign(family))
      const s = yield* F.make(family, type)
      yield* F.fails("bind", "WSAEADDRNOTAVAIL", Winsock.bind(s, foreign))
      yield* Winsock.bind(s, yield* F.local(family))
    })
  ),
  ...F.each(
    "A02",
    F.inet,
    "bind: a specific address and the wildcard share a port with SO_REUSEADDR alone",
    function*(family) {
      const first = yield* F.make(family, "datagram")
      yield* Winsock.setsockopt(first, SocketOption.SO_REUSEADDR, true)
      yield* Winsock.bind(first, yield* F.local(family))
      const name = yield* Winsock.getsockname(first)
      const second = yield* F.make(family, "datagram")
      yield* F.fails("without the option", "WSAEADDRINUSE", Winsock.bind(second, name))
      yield* Winsock.setsockopt(second, SocketOption.SO_REUSEADDR, true)
      yield* Winsock.bind(second, name)
      yield* F.equal("getsockname", yield* Winsock.getsockname(second), name)
    }
  ),
  ...F.each("A02", F.inet, "bind: SO_EXCLUSIVEADDRUSE keeps others off", function*(family) {
    const first = yield* F.make(family)
    yield* Winsock.setsockopt(first, SocketOption.SO_EXCLUSIVEADDRUSE, true)
    yield* Winsock.bind(first, yield* F.local(family))
    const second = yield* F.make(family)
    yield* Winsock.setsockopt(second, SocketOption.SO_REUSEADDR, true)
    yield* F.fails("bind", "WSAEADDRINUSE", Winsock.bind(second, yield* Winsock.getsockname(first)))
  }),
  F.row("A02", "bind: IPv4 and IPv6 may have the same port", function*() {
    const six = yield* F.make("IPv6")
    yield* Winsock.bind(six, F.wildcard("IPv6"))
    const four = yield* F.make("IPv4")
    yield* Winsock.bind(four, F.wildcard("IPv4", (yield* F.portOf(six))!))
    yield* F.equal("the port", yield* F.portOf(four), yield* F.portOf(six))
  })
]

const a03 = [
  ...F.each(
    "A03",
    F.inet,
    "bound to all addresses: getsockname gives the one that the peer is reached from",
    function*(family) {
      const { address, socket: listener } = yield* F.listening(family)
      const s = yield* F.make(family)
      yield* Winsock.bind(s, F.wildcard(family))
      const port = yield* F.portOf(s)
      yield* F.equal("before the connect", yield* Winsock.getsockname(s), F.wildcard(family, port))
      yield* Winsock.WSAConnect(s, address)
      const { remote } = yield* Winsock.accept(listener)
      yield* F.equal("connected", yield* Winsock.getsockname(s), remote)
      yield* F.equal("its port", SocketAddress.portOf(remote), port)
    }
  ),
  ...F.each(
    "A03",
    F.inet,
    "a send that was interrupted broke the connection: getsockname still gives the name",
    function*(family) {
      for (const bind of [false, true]) {
        const { address, socket: listener } = yield* F.listening(family)
        const s = yield* F.make(family)
        if (bind) yield* Winsock.bind(s, F.wildcard(family))
        yield* Winsock.WSAConnect(s, address)
        const { remote } = yield* Winsock.accept(listener)
        const sending = yield* F.begin(Winsock.send(s, new Uint8Array(64 * 1024 * 1024)))
        yield* F.goesOn("a send that nobody receives", sending)
        yield* Fiber.interrupt(sending)
        yield* F.equal("getsockname", yield* Winsock.getsockname(s), remote)
      }
    }
  ),
  ...F.each("A03", F.inet, "bound to all addresses: a refused connect leaves it bound to all", function*(family) {
    const { address } = yield* F.bound(family)
    const s = yield* F.make(family)
    yield* Winsock.bind(s, F.wildcard(family))
    const name = yield* Winsock.getsockname(s)
    yield* F.fails("a connect to a dead port", "WSAECONNREFUSED", Winsock.WSAConnect(s, address))
    yield* F.equal("getsockname", yield* Winsock.getsockname(s), name)
  }),
  ...F.each("A03", F.inet, "getsockname answers from the moment a connect is issued", function*(family) {
    const { socket } = yield* F.pending(family)
    const name = yield* Winsock.getsockname(socket)
    yield* F.claim("a port, while pending", SocketAddress.portOf(name) !== 0)
    yield* F.claim("a host, while pending", !SocketAddress.isUnspecified(name))
    yield* F.fails("the attempt goes on", "WSAEALREADY", Winsock.connectResult(socket))
  }),
  ...F.each("A03", F.inet, "getsockname answers after a refusal, a shutdown, an end and a break", function*(family) {
    const dead = yield* F.bound(family)
    const s = yield* F.make(family)
    yield* F.fails("unbound", "WSAEINVAL", Winsock.getsockname(s))
    yield* F.fails("WSAConnect", "WSAECONNREFUSED", Winsock.WSAConnect(s, dead.address))
    const name = yield* Winsock.getsockname(s)
    yield* F.claim("a port after a refusal", SocketAddress.portOf(name) !== 0)
    const { address, crash } = yield* F.world((world) => world.crashing(family, F.text("x"), "told"))
    yield* Winsock.WSAConnect(s, address)
    const connected = yield* Winsock.getsockname(s)
    yield* F.equal("the port when connected", SocketAddress.portOf(connected), SocketAddress.portOf(name))
    yield* Winsock.shutdown(s, "send")
    yield* F.equal("after a shutdown", yield* Winsock.getsockname(s), connected)
    yield* F.receives("the byte", s, F.text("x"))
    yield* crash
    yield* F.fails("recv", "WSAECONNRESET", Winsock.recv(s))
    yield* F.equal("after a break", yield* Winsock.getsockname(s), connected)
  }),
  ...F.each("A03", F.families, "getsockname of a listener and of what it accepts", function*(family) {
    const { address, listener, server } = yield* F.pair(family)
    yield* F.equal("the listener", yield* Winsock.getsockname(listener), address)
    yield* F.equal("the accepted one", yield* Winsock.getsockname(server), address)
  })
]

const a04 = [
  ...F.each(
    "A04",
    F.families,
    "getpeername fails where there is no peer and answers as long as there was one",
    function*(family) {
      const s = yield* F.make(family)
      yield* F.fails("unconnected", "WSAENOTCONN", Winsock.getpeername(s))
      const dead = yield* F.bound(family)
      yield* F.fails("bound", "WSAENOTCONN", Winsock.getpeername(dead.socket))
      yield* F.fails("WSAConnect", "WSAECONNREFUSED", Winsock.WSAConnect(s, dead.address))
      yield* F.fails("after a refusal", "WSAENOTCONN", Winsock.getpeername(s))
      const { address, client, listener, server } = yield* F.pair(family)
      yield* F.fails("a listener", "WSAENOTCONN", Winsock.getpeername(listener))
      yield* F.equal("connected", yield* Winsock.getpeername(client), address)
      yield* Winsock.shutdown(client, "both")
      yield* F.equal("after a shutdown", yield* Winsock.getpeername(client), address)
      yield* Winsock.closesocket(server)
      yield* F.equal("after the peer has gone", yield* Winsock.getpeername(client), address)
      yield* Winsock.closesocket(client)
      yield* F.fails("closed", "WSAENOTSOCK", Winsock.getpeername(client))
    }
  ),
  ...F.each("A04", F.inet, "getpeername of the accepted socket is the caller", function*(family) {
    const { client, remote, server } = yield* F.pair(family)
    yield* F.equal("getpeername", yield* Winsock.getpeername(server), remote)
    yield* F.equal("the caller's own name", yield* Winsock.getsockname(client), remote)
  }),
  ...F.each("A04", F.inet, "getpeername answers while a connect is pending", function*(family) {
    const { address, socket } = yield* F.pending(family)
    yield* F.equal("getpeername", yield* Winsock.getpeername(socket), address)
  }),
  ...F.each("A04", F.inet, "getpeername of a datagram socket is the name given", function*(family) {
    const { address } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    yield* F.fails("unconnected", "WSAENOTCONN", Winsock.getpeername(s))
    yield* Winsock.sendto(s, F.text("x"), address)
    yield* F.fails("after sendto", "WSAENOTCONN", Winsock.getpeername(s))
    yield* Winsock.WSAConnect(s, address)
    yield* F.equal("connected", yield* Winsock.getpeername(s), address)
  })
]

const a05 = [
  ...F.each(
    "A05",
    F.families,
    "listen: unbound WSAEINVAL, connected WSAEISCONN, twice is fine, SO_ACCEPTCONN shows it",
    function*(family) {
      const unbound = yield* F.make(family)
      yield* F.fails("unbound", "WSAEINVAL", Winsock.listen(unbound))
      const { address, client, listener } = yield* F.pair(family)
      yield* F.fails("connected", "WSAEISCONN", Winsock.listen(client))
      yield* F.equal(
        "SO_ACCEPTCONN of a listener",
        yield* Winsock.getsockopt(listener, SocketOption.SO_ACCEPTCONN),
        true
      )
      yield* F.equal("SO_ACCEPTCONN of a client", yield* Winsock.getsockopt(client, SocketOption.SO_ACCEPTCONN), false)
      yield* Winsock.listen(listener)
      yield* Winsock.listen(listener, 5)
      const s = yield* F.make(family)
      yield* Winsock.WSAConnect(s, address)
      const { socket: server } = yield* Winsock.accept(listener)
      yield* F.talk(s, server)
    }
  ),
  ...F.each(
    "A05",
    F.inet,
    "listen on a datagram socket fails with WSAEOPNOTSUPP, while a connect is pending with WSAEINVAL",
    function*(family) {
      const { socket } = yield* F.bound(family, "datagram")
      yield* F.fails("datagram", "WSAEOPNOTSUPP", Winsock.listen(socket))
      const { socket: pending } = yield* F.pending(family)
      yield* F.fails("pending", "WSAEINVAL", Winsock.listen(pending))
    }
  ),
  ...F.each("A05", F.inet, "a bound socket whose connect was refused can listen", function*(family) {
    const dead = yield* F.bound(family)
    for (const explicit of [true, false]) {
      const s = yield* F.make(family)
      if (explicit) yield* Winsock.bind(s, yield* F.local(family))
      yield* F.fails("WSAConnect", "WSAECONNREFUSED", Winsock.WSAConnect(s, dead.address))
      const port = yield* F.portOf(s)
      yield* Winsock.listen(s)
      const name = yield* Winsock.getsockname(s)
      yield* F.equal("the port", SocketAddress.portOf(name), port)
      const client = yield* F.make(family)
      yield* Winsock.WSAConnect(client, F.withPort(yield* F.local(family), port!))
      const { socket: server } = yield* Winsock.accept(s)
      yield* F.talk(client, server)
    }
  }),
  ...F.each("A05", F.inet, "nobody can listen where somebody listens", function*(family) {
    const taken = yield* F.world((world) => world.taken(family, "stream"))
    const s = yield* F.make(family)
    const both = yield* F.errorOf("bind and listen", Effect.andThen(Winsock.bind(s, taken), Winsock.listen(s)))
    yield* F.equal("bind or listen", both._tag, "WSAEADDRINUSE")
  })
]

const a06 = [
  ...F.each("A06", F.families, "accept: not listening WSAEINVAL, none waiting WSAEWOULDBLOCK", function*(family) {
    yield* F.fails("unbound", "WSAEINVAL", Winsock.accept(yield* F.make(family)))
    const { socket } = yield* F.bound(family)
    yield* F.fails("bound", "WSAEINVAL", Winsock.accept(socket))
    const { client, listener, server } = yield* F.pair(family)
    yield* F.fails("connected", "WSAEINVAL", Winsock.accept(client))
    yield* F.fails("accepted", "WSAEINVAL", Winsock.accept(server))
    yield* F.nonBlocking(listener)
    yield* F.fails("none waiting", "WSAEWOULDBLOCK", Winsock.accept(listener))
  }),
  ...F.each("A06", F.inet, "accept on a datagram socket fails with WSAEOPNOTSUPP", function*(family) {
    const { socket } = yield* F.bound(family, "datagram")
    yield* F.fails("accept", "WSAEOPNOTSUPP", Winsock.accept(socket))
  }),
  ...F.each("A06", F.families, "a blocked accept wakes with WSAEINTR when its listener is closed", function*(family) {
    const { socket: listener } = yield* F.listening(family)
    const first = yield* F.begin(Winsock.accept(listener))
    const second = yield* F.begin(Winsock.accept(listener))
    yield* F.goesOn("accept", first)
    yield* Winsock.closesocket(listener)
    yield* F.failed("the first", "WSAEINTR", first)
    yield* F.failed("the second", "WSAEINTR", second)
  }),
  ...F.each("A06", F.inet, "first come, first served: callers, and calls of accept", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const names: Array<SocketAddress.SocketAddress> = []
    for (let i = 0; i < 4; i++) {
      const s = yield* F.make(family)
      yield* Winsock.WSAConnect(s, address)
      names.push(yield* Winsock.getsockname(s))
    }
    for (const [i, name] of names.entries()) {
      yield* F.equal(`caller ${i + 1}`, (yield* Winsock.accept(listener)).remote, name)
    }
    const first = yield* F.begin(Winsock.accept(listener))
    const second = yield* F.begin(Winsock.accept(listener))
    const one = yield* F.make(family)
    yield* Winsock.WSAConnect(one, address)
    yield* F.equal("who calls first", (yield* Fiber.join(first)).remote, yield* Winsock.getsockname(one))
    yield* F.goesOn("the second accept", second)
    const two = yield* F.make(family)
    yield* Winsock.WSAConnect(two, address)
    yield* F.equal("who calls next", (yield* Fiber.join(second)).remote, yield* Winsock.getsockname(two))
  }),
  ...F.each(
    "A06",
    F.inet,
    "the accepted socket inherits options and blocking, and is its own afterwards",
    function*(family) {
      const { address, socket: listener } = yield* F.listening(family)
      yield* Winsock.setsockopt(listener, SocketOption.SO_KEEPALIVE, true)
      yield* Winsock.setsockopt(listener, SocketOption.TCP_NODELAY, true)
      yield* Winsock.setsockopt(listener, SocketOption.SO_REUSEADDR, true)
      const first = yield* F.make(family)
      yield* Winsock.WSAConnect(first, address)
      const { socket: server } = yield* Winsock.accept(listener)
      yield* F.equal("SO_KEEPALIVE", yield* Winsock.getsockopt(server, SocketOption.SO_KEEPALIVE), true)
      yield* F.equal("TCP_NODELAY", yield* Winsock.getsockopt(server, SocketOption.TCP_NODELAY), true)
      yield* F.equal("SO_REUSEADDR", yield* Winsock.getsockopt(server, SocketOption.SO_REUSEADDR), true)
      yield* F.equal("SO_ACCEPTCONN", yield* Winsock.getsockopt(server, SocketOption.SO_ACCEPTCONN), false)
      yield* Winsock.setsockopt(server, SocketOption.SO_KEEPALIVE, false)
      yield* F.equal("the listener's own", yield* Winsock.getsockopt(listener, SocketOption.SO_KEEPALIVE), true)
      const second = yield* F.make(family)
      const fiber = yield* F.begin(Winsock.accept(listener))
      yield* F.nonBlocking(listener)
      yield* Winsock.WSAConnect(second, address)
      const accepted = yield* Fiber.join(fiber)
      yield* F.fails("recv on what a non-blocking listener accepted", "WSAEWOULDBLOCK", Winsock.recv(accepted.socket))
    }
  ),
  F.row("A06", "a request withdrawn before it was accepted is skipped", function*() {
    const carrying = yield* F.world((world) => world.carrying)
    yield* F.within(
      carrying,
      Effect.gen(function*() {
        const { address, socket: listener } = yield* F.listening("IPv4")
        const first = yield* F.make("IPv4")
        yield* F.nonBlocking(first)
        yield* F.fails("the first", "WSAEWOULDBLOCK", Winsock.WSAConnect(first, address))
        const second = yield* F.make("IPv4")
        yield* F.nonBlocking(second)
        yield* F.fails("the second", "WSAEWOULDBLOCK", Winsock.WSAConnect(second, address))
        const name = yield* Winsock.getsockname(second)
        yield* Winsock.closesocket(first)
        yield* F.settled
        yield* F.equal("who is accepted", (yield* Winsock.accept(listener)).remote, name)
      })
    )
  })
]

const a08 = [
  ...F.each("A08", F.families, "send and recv on an unconnected stream fail with WSAENOTCONN", function*(family) {
    const s = yield* F.make(family)
    const { socket: bound } = yield* F.bound(family)
    const { socket: listener } = yield* F.listening(family)
    for (const [what, socket] of [["new", s], ["bound", bound], ["listening", listener]] as const) {
      yield* F.fails(`send on a ${what} one`, "WSAENOTCONN", Winsock.send(socket, F.text("x")))
      yield* F.fails(`recv on a ${what} one`, "WSAENOTCONN", Winsock.recv(socket))
      yield* F.fails(`send of nothing on a ${what} one`, "WSAENOTCONN", Winsock.send(socket, new Uint8Array(0)))
    }
  }),
  ...F.each("A08", F.inet, "send and recv while a connect is pending fail with WSAENOTCONN", function*(family) {
    const { socket } = yield* F.pending(family)
    yield* F.fails("send", "WSAENOTCONN", Winsock.send(socket, F.text("x")))
    yield* F.fails("recv", "WSAENOTCONN", Winsock.recv(socket))
    yield* F.fails("shutdown", "WSAENOTCONN", Winsock.shutdown(socket, "both"))
  }),
  ...F.each(
    "A08",
    F.families,
    "an orderly end: recv gives all bytes, then 0 for good, and the other direction goes on",
    function*(family) {
      const { client, server } = yield* F.pair(family)
      yield* Winsock.send(client, F.pattern(10_000))
      yield* Winsock.shutdown(client, "send")
      yield* F.receives("the bytes", server, F.pattern(10_000))
      for (let i = 0; i < 3; i++) yield* F.equal("the end", (yield* Winsock.recv(server)).length, 0)
      yield* F.nonBlocking(server)
      yield* F.equal("the end, non-blocking", (yield* Winsock.recv(server)).length, 0)
      yield* F.blocking(server)
      yield* Winsock.send(server, F.text("still"))
      yield* F.receives("the other direction", client, F.text("still"))
    }
  ),
  ...F.each("A08", F.families, "a blocking send takes everything, however slow the receiver is", function*(family) {
    const { client, server } = yield* F.pair(family)
    const length = 4 * 1024 * 1024
    const sent = F.pattern(length)
    const fiber = yield* F.begin(Winsock.send(client, sent))
    yield* F.goesOn("a send that nobody receives", fiber)
    yield* F.receives("the head", server, sent.subarray(0, 1000))
    yield* F.receives("the rest", server, sent.subarray(1000))
    yield* F.equal("bytes taken", yield* Fiber.join(fiber), length)
  }),
  ...F.each("A08", F.families, "two blocking sends do not mix", function*(family) {
    const { client, server } = yield* F.pair(family)
    const length = 1024 * 1024
    const first = yield* F.begin(Winsock.send(client, new Uint8Array(length).fill(1)))
    const second = yield* F.begin(Winsock.send(client, new Uint8Array(length).fill(2)))
    yield* F.receives("the first", server, new Uint8Array(length).fill(1))
    yield* F.receives("the second", server, new Uint8Array(length).fill(2))
    yield* Fiber.join(first)
    yield* Fiber.join(second)
  }),
  ...F.each("A08", F.families, "a non-blocking send takes a part, then nothing, then again", function*(family) {
    const { client, server } = yield* F.pair(family)
    yield* F.nonBlocking(client)
    const sent = F.pattern(64 * 1024 * 1024)
    let taken = 0
    const full = yield* Effect.gen(function*() {
      const part = yield* Winsock.send(client, sent.subarray(taken))
      taken += part
      if (taken >= sent.length) return yield* F.fault("send", "WSAEWOULDBLOCK at some time", "64 MiB taken")
    }).pipe(Effect.forever, Effect.flip)
    yield* F.equal("when there is no room", full._tag, "WSAEWOULDBLOCK")
    yield* F.claim("a part was taken before", taken > 0)
    yield* F.receives("what was taken", server, sent.subarray(0, taken))
    const writable = Winsock.send(client, F.text("more")).pipe(
      Effect.tapError(() => F.turn),
      Effect.retry({ while: (error) => error._tag === "WSAEWOULDBLOCK" })
    )
    yield* F.equal("bytes taken afterwards", yield* writable, 4)
    yield* F.receives("what was taken afterwards", server, F.text("more"))
  }),
  ...F.each("A08", F.families, "0 bytes are legal", function*(family) {
    const { client, server } = yield* F.pair(family)
    yield* F.equal("send of nothing", yield* Winsock.send(client, new Uint8Array(0)), 0)
    yield* F.equal("recv of nothing", (yield* Winsock.recv(client, 0)).length, 0)
    yield* F.equal("recv into nothing", yield* Winsock.recv(client, new Uint8Array(0)), 0)
    yield* F.talk(client, server)
  }),
  ...F.each("A08", F.inet, "sendto ignores its address on a stream, recvfrom names the peer", function*(family) {
    const { address, client, server } = yield* F.pair(family)
    yield* Winsock.sendto(server, F.text("hello"), F.anything("nonsense"))
    const { bytes, from } = yield* Winsock.recvfrom(client)
    yield* F.equal("the bytes", bytes, F.text("hello"))
    yield* F.equal("from", from, address)
  })
]

const a09 = [
  ...F.each(
    "A09",
    F.inet,
    "an unbound datagram socket: recv WSAEINVAL, send WSAENOTCONN, sendto binds it",
    function*(family) {
      const { address, socket: receiver } = yield* F.bound(family, "datagram")
      const s = yield* F.make(family, "datagram")
      yield* F.fails("recv", "WSAEINVAL", Winsock.recv(s))
      yield* F.fails("recvfrom", "WSAEINVAL", Winsock.recvfrom(s))
      yield* F.fails("send", "WSAENOTCONN", Winsock.send(s, F.text("x")))
      yield* F.fails("getsockname", "WSAEINVAL", Winsock.getsockname(s))
      yield* Winsock.sendto(s, F.text("hello"), address)
      const { bytes, from } = yield* Winsock.recvfrom(receiver)
      yield* F.equal("the bytes", bytes, F.text("hello"))
      yield* F.equal("the port", SocketAddress.portOf(from), yield* F.portOf(s))
      yield* Winsock.sendto(receiver, F.text("answer"), from)
      yield* F.nextIs("the answer", s, "answer")
    }
  ),
  ...F.each("A09", F.inet, "a datagram that is too long fails with WSAEMSGSIZE and nothing is sent", function*(family) {
    const { address, socket: receiver } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    const max = yield* Winsock.getsockopt(s, SocketOption.SO_MAX_MSG_SIZE)
    yield* F.fails("sendto", "WSAEMSGSIZE", Winsock.sendto(s, new Uint8Array(max + 1), address))
    yield* F.fails("getsockname", "WSAEINVAL", Winsock.getsockname(s))
    yield* Winsock.WSAConnect(s, address)
    yield* F.fails("send", "WSAEMSGSIZE", Winsock.send(s, new Uint8Array(max + 1)))
    yield* F.equal("the longest", yield* Winsock.send(s, F.pattern(max)), max)
    yield* F.equal("the first that arrives", yield* Winsock.recv(receiver), F.pattern(max))
  }),
  ...F.each("A09", F.inet, "a buffer that is too small takes the head, and WSAEMSGSIZE carries it", function*(family) {
    const { address, socket: receiver } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    const send = (words: string) => Winsock.sendto(s, F.text(words), address)
    yield* send("abcdef")
    const buffer = new Uint8Array(4)
    const error = yield* F.fails("recv", "WSAEMSGSIZE", Winsock.recv(receiver, buffer))
    yield* F.equal("the buffer", buffer, F.text("abcd"))
    yield* F.equal("the head", error.head, F.text("abcd"))
    yield* send("ghijkl")
    const other = yield* F.fails("recvfrom", "WSAEMSGSIZE", Winsock.recvfrom(receiver, 2))
    yield* F.equal("the head", other.head, F.text("gh"))
    yield* F.equal("who sent it", SocketAddress.portOf(other.remote!), yield* F.portOf(s))
    const fiber = yield* F.begin(Winsock.recv(receiver, 3))
    yield* send("mnopqr")
    yield* F.failed("a recv that waited", "WSAEMSGSIZE", fiber)
    yield* send("next")
    yield* F.nextIs("the rest is gone", receiver, "next")
  }),
  ...F.each("A09", F.inet, "an empty datagram arrives", function*(family) {
    const { address, socket: receiver } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    yield* F.equal("bytes taken", yield* Winsock.sendto(s, new Uint8Array(0), address), 0)
    yield* Winsock.sendto(s, F.text("next"), address)
    yield* F.nextIs("the first", receiver, "")
    yield* F.nextIs("the second", receiver, "next")
  }),
  ...F.each(
    "A09",
    F.inet,
    "sendto while connected goes where it says and leaves the default as it is",
    function*(family) {
      const first = yield* F.bound(family, "datagram")
      const second = yield* F.bound(family, "datagram")
      const s = yield* F.make(family, "datagram")
      yield* Winsock.WSAConnect(s, first.address)
      yield* Winsock.sendto(s, F.text("elsewhere"), second.address)
      yield* F.nextIs("at the other", second.socket, "elsewhere")
      yield* F.equal("getpeername", yield* Winsock.getpeername(s), first.address)
      yield* Winsock.send(s, F.text("default"))
      yield* F.nextIs("at the default", first.socket, "default")
      yield* Winsock.sendto(second.socket, F.text("ignored"), yield* Winsock.getsockname(s))
      yield* Winsock.sendto(first.socket, F.text("heard"), yield* Winsock.getsockname(s))
      yield* F.nextIs("what is received", s, "heard")
    }
  ),
  ...F.each("A09", F.inet, "a dead port fails no send, and one later recv with WSAECONNRESET", function*(family) {
    const dead = yield* F.deadDatagram(family)
    const s = yield* F.make(family, "datagram")
    yield* Winsock.WSAConnect(s, dead)
    yield* F.equal("bytes taken by send", yield* Winsock.send(s, F.text("x")), 1)
    yield* F.fails("recv", "WSAECONNRESET", Winsock.recv(s))
    yield* F.nonBlocking(s)
    yield* F.turn
    yield* F.fails("recv again", "WSAEWOULDBLOCK", Winsock.recv(s))
    yield* Winsock.send(s, F.text("x"))
    yield* F.turn
    yield* F.blocking(s)
    yield* F.fails("recv of what was reported before", "WSAECONNRESET", Winsock.recv(s))
    yield* F.nonBlocking(s)
    yield* F.fails("recv after that", "WSAEWOULDBLOCK", Winsock.recv(s))
    for (let i = 0; i < 10; i++) yield* F.equal("bytes taken by send", yield* Winsock.send(s, F.text("x")), 1)
    yield* F.equal("getpeername", yield* Winsock.getpeername(s), dead)
    const alive = yield* F.bound(family, "datagram")
    yield* Winsock.WSAConnect(s, alive.address)
    yield* Winsock.send(s, F.text("alive"))
    yield* F.nextIs("a live peer", alive.socket, "alive")
  }),
  ...F.each("A09", F.inet, "sendto nobody in particular fails with WSAEADDRNOTAVAIL", function*(family) {
    const s = yield* F.make(family, "datagram")
    yield* F.fails("all zero", "WSAEADDRNOTAVAIL", Winsock.sendto(s, F.text("x"), F.wildcard(family, 9)))
    yield* F.fails("nonsense", "WSAEFAULT", Winsock.sendto(s, F.text("x"), F.anything("nonsense")))
    yield* F.equal("port 0", yield* Winsock.sendto(s, F.text("x"), yield* F.local(family)), 1)
  })
]

const a10 = [
  ...F.each("A10", F.families, "shutdown: send, receive, and what each leaves", function*(family) {
    const { client, server } = yield* F.pair(family)
    yield* Winsock.shutdown(client, "send")
    yield* F.fails("send", "WSAESHUTDOWN", Winsock.send(client, F.text("x")))
    yield* F.fails("send of nothing", "WSAESHUTDOWN", Winsock.send(client, new Uint8Array(0)))
    yield* F.equal("the end at the peer", (yield* Winsock.recv(server)).length, 0)
    yield* Winsock.send(server, F.text("back"))
    yield* F.receives("the other direction", client, F.text("back"))
    yield* Winsock.shutdown(client, "send")
    const fiber = yield* F.begin(Winsock.recv(client))
    yield* Winsock.shutdown(client, "receive")
    yield* F.failed("the recv that waited", "WSAESHUTDOWN", fiber)
    yield* F.fails("recv", "WSAESHUTDOWN", Winsock.recv(client))
  }),
  ...F.each("A10", F.families, "shutdown receive leaves sending", function*(family) {
    const { client, server } = yield* F.pair(family)
    yield* Winsock.send(server, F.text("unread"))
    yield* Winsock.shutdown(client, "receive")
    yield* F.fails("recv", "WSAESHUTDOWN", Winsock.recv(client))
    yield* Winsock.send(client, F.text("goes"))
    yield* F.receives("what is sent", server, F.text("goes"))
  }),
  ...F.each(
    "A10",
    F.families,
    "shutdown of an unconnected stream fails with WSAENOTCONN, with no after-effect",
    function*(family) {
      const { address, socket: listener } = yield* F.listening(family)
      const s = yield* F.make(family)
      yield* F.fails("shutdown", "WSAENOTCONN", Winsock.shutdown(s, "both"))
      yield* F.fails("shutdown of a listener", "WSAENOTCONN", Winsock.shutdown(listener, "both"))
      yield* F.fails("an unknown how", "WSAEINVAL", Winsock.shutdown(s, F.anything("all")))
      yield* Winsock.WSAConnect(s, address)
      const { socket: server } = yield* Winsock.accept(listener)
      yield* F.talk(s, server)
    }
  ),
  ...F.each("A10", F.inet, "shutdown of an unconnected datagram socket is fine, twice too", function*(family) {
    const { address, socket } = yield* F.bound(family, "datagram")
    yield* Winsock.shutdown(socket, "send")
    yield* Winsock.shutdown(socket, "send")
    yield* F.fails("sendto", "WSAESHUTDOWN", Winsock.sendto(socket, F.text("x"), address))
    const other = yield* F.make(family, "datagram")
    yield* Winsock.sendto(other, F.text("in"), address)
    yield* F.nextIs("receiving goes on", socket, "in")
    yield* Winsock.shutdown(socket, "both")
    yield* F.fails("recvfrom", "WSAESHUTDOWN", Winsock.recvfrom(socket))
    yield* F.fails("an unknown how", "WSAEINVAL", Winsock.shutdown(socket, F.anything(7)))
  }),
  ...F.each("A10", F.inet, "shutdown of a broken stream gives the breaking code", function*(family) {
    const { address, crash } = yield* F.world((world) => world.crashing(family, F.text("x"), "told"))
    const s = yield* F.make(family)
    yield* Winsock.WSAConnect(s, address)
    yield* F.receives("the byte", s, F.text("x"))
    yield* crash
    yield* F.fails("recv", "WSAECONNRESET", Winsock.recv(s))
    for (const how of ["send", "receive", "both"] as const) {
      yield* F.fails(`shutdown ${how}`, "WSAECONNRESET", Winsock.shutdown(s, how))
    }
  })
]

const a11 = [
  ...F.each("A11", F.families, "closesocket is graceful: what was handed over arrives", function*(family) {
    const { client, server } = yield* F.pair(family)
    const sent = F.pattern(150_000)
    const received = yield* F.begin(F.recvExactly(server, sent.length))
    yield* Winsock.send(client, sent)
    yield* Winsock.closesocket(client)
    yield* F.equal("what arrives", yield* Fiber.join(received), sent)
    yield* F.equal("the end", (yield* Winsock.recv(server)).length, 0)
  }),
  ...F.each("A11", F.families, "calls that wait end with WSAEINTR", function*(family) {
    const { client, server } = yield* F.pair(family)
    const recv = yield* F.begin(Winsock.recv(client))
    const recvfrom = yield* F.begin(Winsock.recvfrom(client))
    const send = yield* F.begin(Winsock.send(client, F.pattern(32 * 1024 * 1024)))
    const next = yield* F.begin(Winsock.send(client, F.text("x")))
    yield* F.goesOn("send", send)
    yield* Winsock.closesocket(client)
    yield* F.failed("recv", "WSAEINTR", recv)
    yield* F.failed("recvfrom", "WSAEINTR", recvfrom)
    yield* F.failed("send", "WSAEINTR", send)
    yield* F.failed("the send behind it", "WSAEINTR", next)
    yield* F.fails("recv afterwards", "WSAENOTSOCK", Winsock.recv(client))
    yield* F.isCutOff(server, family, 32 * 1024 * 1024)
  }),
  ...F.each("A11", F.inet, "a datagram recv that waits ends with WSAEINTR, and the port is free", function*(family) {
    const { address, socket } = yield* F.bound(family, "datagram")
    const fiber = yield* F.begin(Winsock.recvfrom(socket))
    yield* Winsock.closesocket(socket)
    yield* F.failed("recvfrom", "WSAEINTR", fiber)
    const next = yield* F.make(family, "datagram")
    yield* Winsock.bind(next, address)
  }),
  ...F.each("A11", F.families, "closing a listener turns its callers away and frees the address", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const waiting = yield* F.make(family)
    yield* Winsock.WSAConnect(waiting, address)
    yield* Winsock.closesocket(listener)
    const end = yield* Effect.result(Winsock.recv(waiting))
    yield* F.claim(
      "the caller meets a reset or the end",
      end._tag === "Success" ? end.success.length === 0 : end.failure._tag === "WSAECONNRESET"
    )
    const next = yield* F.make(family)
    yield* Winsock.bind(next, address)
    yield* Winsock.listen(next)
    const s = yield* F.make(family)
    yield* Winsock.WSAConnect(s, address)
    yield* F.talk(s, (yield* Winsock.accept(next)).socket)
  })
]

const soError = (s: Winsock.Socket) => Winsock.getsockopt(s, SocketOption.SO_ERROR)

const a12 = [
  ...F.each(
    "A12",
    F.inet,
    "SO_ERROR: the code of a failed non-blocking connect, until one succeeds",
    function*(family) {
      const dead = yield* F.bound(family)
      const s = yield* F.make(family)
      yield* F.equal("at first", yield* soError(s), 0)
      yield* F.nonBlocking(s)
      yield* F.fails("WSAConnect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, dead.address))
      yield* F.equal("while pending", yield* soError(s), 0)
      yield* F.fails("the result", "WSAECONNREFUSED", Winsock.connectResult(s, { wait: true }))
      yield* F.equal("after it", yield* soError(s), 10_061)
      yield* F.equal("read again", yield* soError(s), 10_061)
      yield* F.fails("WSAConnect again", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, dead.address))
      yield* F.equal("while the next is pending", yield* soError(s), 10_061)
      yield* F.fails("the result", "WSAECONNREFUSED", Winsock.connectResult(s, { wait: true }))
      yield* Winsock.listen(dead.socket)
      yield* F.fails("WSAConnect once more", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, dead.address))
      yield* Winsock.connectResult(s, { wait: true })
      yield* F.equal("after a success", yield* soError(s), 0)
    }
  ),
  ...F.each("A12", F.families, "SO_ERROR: 0 after a failed blocking connect", function*(family) {
    const dead = yield* F.bound(family)
    const s = yield* F.make(family)
    yield* F.fails("WSAConnect", "WSAECONNREFUSED", Winsock.WSAConnect(s, dead.address))
    yield* F.equal("after it", yield* soError(s), 0)
  }),
  ...F.each("A12", F.inet, "SO_ERROR stays on a socket that listens afterwards", function*(family) {
    const dead = yield* F.bound(family)
    const s = yield* F.make(family)
    yield* Winsock.bind(s, yield* F.local(family))
    yield* F.nonBlocking(s)
    yield* F.fails("WSAConnect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, dead.address))
    yield* F.fails("the result", "WSAECONNREFUSED", Winsock.connectResult(s, { wait: true }))
    yield* Winsock.listen(s)
    yield* F.equal("SO_ERROR", yield* soError(s), 10_061)
  })
]

const never = 0xffff_ffff

const a13 = [
  ...F.each("A13", F.families, "SO_CONNECT_TIME: seconds since connected, all ones where it is not", function*(family) {
    const time = (s: Winsock.Socket) => Winsock.getsockopt(s, SocketOption.SO_CONNECT_TIME)
    yield* F.equal("unconnected", yield* time(yield* F.make(family)), never)
    const { client, listener, server } = yield* F.pair(family)
    yield* F.equal("a listener", yield* time(listener), never)
    yield* F.claim("a client: a few seconds at most", (yield* time(client)) < 10)
    yield* F.claim("an accepted one: a few seconds at most", (yield* time(server)) < 10)
  }),
  ...F.each("A13", F.inet, "SO_CONNECT_TIME of a datagram socket is all ones", function*(family) {
    const { address } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    yield* Winsock.WSAConnect(s, address)
    yield* F.equal("connected", yield* Winsock.getsockopt(s, SocketOption.SO_CONNECT_TIME), never)
  })
]

const a14 = [
  ...F.each("A14", F.families, "options of a stream", function*(family) {
    const s = yield* F.make(family)
    const { options } = yield* capabilities({ family, type: "stream" })
    yield* F.equal("SO_TYPE", yield* Winsock.getsockopt(s, SocketOption.SO_TYPE), "stream")
    for (const option of [SocketOption.SO_KEEPALIVE, SocketOption.TCP_NODELAY]) {
      const has = options.has(option.name as Provider.ProviderOption)
      if (has) {
        yield* F.equal(`${option.name} at first`, yield* Winsock.getsockopt(s, option), false)
        yield* Winsock.setsockopt(s, option, true)
        yield* F.equal(option.name, yield* Winsock.getsockopt(s, option), true)
        yield* F.fails(`${option.name} of 1`, "WSAEFAULT", Winsock.setsockopt(s, option, F.anything(1)))
      } else {
        yield* F.fails(`set ${option.name}`, "WSAENOPROTOOPT", Winsock.setsockopt(s, option, true))
        yield* F.fails(`get ${option.name}`, "WSAENOPROTOOPT", Winsock.getsockopt(s, option))
      }
    }
    yield* F.fails("SO_BROADCAST", "WSAENOPROTOOPT", Winsock.setsockopt(s, SocketOption.SO_BROADCAST, true))
    yield* F.fails("SO_MAX_MSG_SIZE", "WSAENOPROTOOPT", Winsock.getsockopt(s, SocketOption.SO_MAX_MSG_SIZE))
    yield* F.fails("an unknown one", "WSAENOPROTOOPT", Winsock.getsockopt(s, F.anything({ name: "SO_WHAT" })))
    yield* F.fails("no option", "WSAENOPROTOOPT", Winsock.setsockopt(s, F.anything(undefined), F.anything(true)))
    yield* F.fails(
      "setting SO_TYPE",
      "WSAENOPROTOOPT",
      Winsock.setsockopt(s, F.anything(SocketOption.SO_TYPE), F.anything("stream"))
    )
  }),
  ...F.each("A14", F.inet, "options of a datagram socket", function*(family) {
    const s = yield* F.make(family, "datagram")
    const { maxMessage } = yield* capabilities({ family, type: "datagram" })
    yield* F.equal("SO_TYPE", yield* Winsock.getsockopt(s, SocketOption.SO_TYPE), "datagram")
    yield* F.equal("SO_MAX_MSG_SIZE", yield* Winsock.getsockopt(s, SocketOption.SO_MAX_MSG_SIZE), maxMessage)
    yield* F.equal("SO_BROADCAST at first", yield* Winsock.getsockopt(s, SocketOption.SO_BROADCAST), false)
    yield* Winsock.setsockopt(s, SocketOption.SO_BROADCAST, true)
    yield* F.equal("SO_BROADCAST", yield* Winsock.getsockopt(s, SocketOption.SO_BROADCAST), true)
    for (const option of [SocketOption.SO_KEEPALIVE, SocketOption.TCP_NODELAY, SocketOption.SO_ACCEPTCONN]) {
      yield* F.fails(option.name, "WSAENOPROTOOPT", Winsock.getsockopt(s, option))
    }
  }),
  ...F.each(
    "A14",
    F.inet,
    "SO_REUSEADDR and SO_EXCLUSIVEADDRUSE exclude each other; the latter comes before bind",
    function*(family) {
      const s = yield* F.make(family)
      yield* Winsock.setsockopt(s, SocketOption.SO_REUSEADDR, true)
      yield* F.fails("exclusive", "WSAEINVAL", Winsock.setsockopt(s, SocketOption.SO_EXCLUSIVEADDRUSE, true))
      yield* Winsock.setsockopt(s, SocketOption.SO_REUSEADDR, false)
      yield* Winsock.setsockopt(s, SocketOption.SO_EXCLUSIVEADDRUSE, true)
      yield* F.fails("reuse", "WSAEINVAL", Winsock.setsockopt(s, SocketOption.SO_REUSEADDR, true))
      yield* Winsock.bind(s, yield* F.local(family))
      yield* F.fails("too late", "WSAEINVAL", Winsock.setsockopt(s, SocketOption.SO_EXCLUSIVEADDRUSE, false))
    }
  ),
  F.row("A14", "IPV6_V6ONLY: on at first, off takes IPv4 too, too late after bind, unknown to IPv4", function*() {
    yield* F.fails("IPv4", "WSAENOPROTOOPT", Winsock.getsockopt(yield* F.make("IPv4"), SocketOption.IPV6_V6ONLY))
    const only = yield* F.make("IPv6")
    yield* F.equal("at first", yield* Winsock.getsockopt(only, SocketOption.IPV6_V6ONLY), true)
    yield* Winsock.bind(only, F.wildcard("IPv6"))
    yield* F.fails("too late", "WSAEINVAL", Winsock.setsockopt(only, SocketOption.IPV6_V6ONLY, false))
    yield* Winsock.listen(only)
    const four = F.withPort(yield* F.local("IPv4"), (yield* F.portOf(only))!)
    yield* F.fails("IPv4 to IPv6 only", "WSAECONNREFUSED", Winsock.WSAConnect(yield* F.make("IPv4"), four))
    const dual = yield* F.make("IPv6")
    yield* Winsock.setsockopt(dual, SocketOption.IPV6_V6ONLY, false)
    yield* Winsock.bind(dual, F.wildcard("IPv6"))
    yield* Winsock.listen(dual)
    const client = yield* F.make("IPv4")
    yield* Winsock.WSAConnect(client, F.withPort(yield* F.local("IPv4"), (yield* F.portOf(dual))!))
    const { socket: server } = yield* Winsock.accept(dual)
    yield* F.talk(client, server)
  }),
  ...F.each(
    "A14",
    F.inet,
    "an option set before a connect is the connection's, and can be changed afterwards",
    function*(family) {
      const { address, socket: listener } = yield* F.listening(family)
      const s = yield* F.make(family)
      yield* Winsock.setsockopt(s, SocketOption.TCP_NODELAY, true)
      yield* Winsock.setsockopt(s, SocketOption.SO_KEEPALIVE, true)
      yield* Winsock.WSAConnect(s, address)
      yield* F.equal("TCP_NODELAY", yield* Winsock.getsockopt(s, SocketOption.TCP_NODELAY), true)
      yield* Winsock.setsockopt(s, SocketOption.TCP_NODELAY, false)
      yield* F.equal("TCP_NODELAY afterwards", yield* Winsock.getsockopt(s, SocketOption.TCP_NODELAY), false)
      yield* F.talk(s, (yield* Winsock.accept(listener)).socket)
    }
  )
]

const a15 = [
  ...F.each("A15", F.inet, "FIONBIO takes true or false, and leaves calls that wait alone", function*(family) {
    const { client, server } = yield* F.pair(family)
    yield* F.fails("another value", "WSAEINVAL", Winsock.ioctlsocket(client, "FIONBIO", F.anything(1)))
    yield* F.fails("another command", "WSAEINVAL", Winsock.ioctlsocket(client, F.anything("FIOASYNC"), true))
    const fiber = yield* F.begin(Winsock.recv(client))
    yield* F.nonBlocking(client)
    yield* F.goesOn("the recv that waits", fiber)
    yield* F.fails("another recv", "WSAEWOULDBLOCK", Winsock.recv(client))
    yield* Winsock.send(server, F.text("x"))
    yield* F.equal("what it gets", yield* Fiber.join(fiber), F.text("x"))
  })
]

const a21 = [
  F.row("A21", "a start-up is version 2.2, and its clean-up closes every socket", function*() {
    const instance = yield* F.world((world) => world.instance)
    const { address, socket: listener } = yield* F.listening("IPv4")
    const scope = yield* Scope.make()
    const context = yield* Layer.build(Layer.fresh(instance)).pipe(Scope.provide(scope))
    yield* F.equal(
      "the version",
      yield* Effect.provideContext(Winsock.Winsock.use((w) => Effect.succeed(w.version)), context),
      0x0202
    )
    const s = yield* Effect.provideContext(F.make("IPv4"), context)
    const held = yield* Effect.provideContext(F.bound("IPv4"), context as never)
    yield* Winsock.WSAConnect(s, address)
    const { socket: server } = yield* Winsock.accept(listener)
    yield* Scope.close(scope, Exit.void)
    const end = yield* Effect.result(Winsock.recv(server))
    yield* F.claim(
      "its peer meets a reset or the end",
      end._tag === "Success" ? end.success.length === 0 : end.failure._tag === "WSAECONNRESET"
    )
    const next = yield* F.make("IPv4")
    yield* Winsock.bind(next, (held as { readonly address: SocketAddress.SocketAddress }).address)
  })
]

/** Whoever asks for a name is told this; for the addresses themselves no resolver is needed. */
const answering = (
  lookup: (family: "IPv4" | "IPv6") => Effect.Effect<ReadonlyArray<SocketAddress.SocketAddress>, Dns.DnsError>
) =>
  Effect.provideService(
    AddressResolver.AddressResolver,
    AddressResolver.make(Dns.make({
      lookup: (_, family) =>
        Effect.map(
          lookup(family!),
          (found) => found.flatMap((one) => one._tag === "UnixPathAddress" ? [] : [one.address])
        )
    }))
  )

const failing = (reason: Dns.DnsErrorReason, cause?: unknown) =>
  answering(() => Effect.fail(new Dns.DnsError({ reason, method: "lookup", hostname: "server.test", cause })))

const nobodyAsks = answering(() => Effect.die(new Error("a name was looked up")))

const byName = [
  ...F.each(
    "A22",
    F.inet,
    "WSAConnectByName looks the name up for the family of the socket, and gives both addresses",
    function*(family) {
      const asked: Array<string> = []
      const { address, socket: listener } = yield* F.listening(family)
      const s = yield* F.make(family)
      const connected = yield* Winsock.WSAConnectByName(s, "server.test", SocketAddress.portOf(address)!).pipe(
        answering((family) => Effect.sync(() => (asked.push(family), [address])))
      )
      yield* F.equal("who was asked for", asked.join(), family)
      yield* F.equal("the peer", connected.remote, address)
      yield* F.claim("the socket", connected.socket === s)
      yield* F.equal("the local address", connected.local, yield* Winsock.getsockname(s))
      const { socket: server } = yield* Winsock.accept(listener)
      yield* F.talk(s, server)
    }
  ),
  ...F.each(
    "A22",
    F.inet,
    "WSAConnectByName looks no address up, and takes the port as a text",
    function*(family) {
      const { address } = yield* F.listening(family)
      const s = yield* F.make(family)
      const host = family === "IPv4" ? "127.0.0.1" : "::1"
      const port = String(SocketAddress.portOf(address))
      yield* F.fails(
        "an address of another family",
        "WSAEAFNOSUPPORT",
        nobodyAsks(Winsock.WSAConnectByName(s, family === "IPv4" ? "::1" : "127.0.0.1", port))
      )
      const { remote } = yield* nobodyAsks(Winsock.WSAConnectByName(s, host, port))
      yield* F.equal("the peer", remote, address)
    }
  ),
  F.row("A22", "WSAConnectByName tries both families on a socket that is for both, one after the other", function*() {
    const six = yield* F.bound("IPv6")
    const four = yield* F.make("IPv4")
    const port = SocketAddress.portOf(six.address)!
    yield* Winsock.bind(four, F.withPort(yield* F.local("IPv4"), port))
    yield* Winsock.listen(four)
    const dns = answering((family) => Effect.succeed([F.at(family === "IPv4" ? "127.0.0.1:0" : "[::1]:0")]))
    const only = yield* F.make("IPv6")
    yield* F.fails("for IPv6 only", "WSAECONNREFUSED", dns(Winsock.WSAConnectByName(only, "server.test", port)))
    const s = yield* F.make("IPv6")
    yield* Winsock.setsockopt(s, SocketOption.IPV6_V6ONLY, false)
    const { remote } = yield* dns(Winsock.WSAConnectByName(s, "server.test", port))
    yield* F.equal("the peer", remote, F.at(`[::ffff:127.0.0.1]:${port}` as SocketAddress.Input))
    const { socket: server } = yield* Winsock.accept(four)
    yield* F.talk(s, server)
  }),
  ...F.each(
    "A22",
    F.inet,
    "WSAConnectByName on a bound, connected, non-blocking or datagram socket, or with what is no name",
    function*(family) {
      const { address } = yield* F.listening(family)
      const connect = (s: Winsock.Socket, options?: { readonly timeout: "-1 second" }) =>
        nobodyAsks(Winsock.WSAConnectByName(s, "server.test", "http", options))
      const bound = yield* F.bound(family)
      yield* F.fails("bound", "WSAEINVAL", connect(bound.socket))
      const s = yield* F.make(family)
      yield* F.nonBlocking(s)
      yield* F.fails("non-blocking", "WSAEINVAL", connect(s))
      yield* F.blocking(s)
      yield* F.fails("a negative time-out", "WSAEINVAL", connect(s, { timeout: "-1 second" }))
      for (
        const [nodename, servicename] of [["", 80], ["a b", 80], ["[::1]", 80], ["server.test", "no-such-service"], [
          "server.test",
          65_536
        ]] as const
      ) {
        yield* F.fails(
          `${nodename} ${servicename}`,
          "WSAEINVAL",
          nobodyAsks(Winsock.WSAConnectByName(s, nodename, servicename))
        )
      }
      yield* F.fails("no text", "WSAEFAULT", nobodyAsks(Winsock.WSAConnectByName(s, F.anything(7), 80)))
      yield* F.fails(
        "no service",
        "WSAEFAULT",
        nobodyAsks(Winsock.WSAConnectByName(s, "server.test", F.anything(null)))
      )
      yield* Winsock.WSAConnect(s, address)
      yield* F.fails("connected", "WSAEISCONN", connect(s))
      const datagram = yield* F.make(family, "datagram")
      yield* F.fails("datagram", "WSAEINVAL", connect(datagram))
      yield* Winsock.closesocket(datagram)
      yield* F.fails("closed", "WSAENOTSOCK", connect(datagram))
    }
  ),
  F.row("A22", "WSAConnectByName on a Unix-domain socket is WSAEAFNOSUPPORT", function*() {
    const s = yield* F.make("Unix")
    yield* F.fails("a name", "WSAEAFNOSUPPORT", nobodyAsks(Winsock.WSAConnectByName(s, "server.test", 80)))
  }),
  ...F.each(
    "A22",
    F.inet,
    "WSAConnectByName says what looking a name up fails with, and leaves the socket as it was",
    function*(family) {
      const s = yield* F.make(family)
      const codes: ReadonlyArray<readonly [WsaError.Code, ReturnType<typeof failing>]> = [
        ["WSAHOST_NOT_FOUND", failing("NotFound")],
        ["WSANO_DATA", failing("NotFound", { code: "ENODATA" })],
        ["WSATRY_AGAIN", failing("Temporary")],
        ["WSANO_RECOVERY", failing("Refused")]
      ]
      for (const [code, told] of codes) {
        const error = yield* F.fails(code, code, told(Winsock.WSAConnectByName(s, "server.test", 80)))
        yield* F.equal("the step", error.stage, "resolve")
      }
      const { address } = yield* F.listening(family)
      yield* Winsock.WSAConnect(s, address)
    }
  ),
  ...F.each(
    "A22",
    F.inet,
    "WSAConnectByName ends with WSAETIMEDOUT after its time-out, the look-up included",
    function*(family) {
      const s = yield* F.make(family)
      const timeout = "50 millis"
      yield* F.fails(
        "the name",
        "WSAETIMEDOUT",
        answering(() => Effect.never)(Winsock.WSAConnectByName(s, "server.test", 80, { timeout }))
      )
      const hole = yield* F.world((world) => world.blackholed(family))
      yield* F.fails(
        "the address",
        "WSAETIMEDOUT",
        answering(() => Effect.succeed([hole]))(
          Winsock.WSAConnectByName(s, "server.test", SocketAddress.portOf(hole)!, { timeout })
        )
      )
      yield* F.fails("getpeername", "WSAENOTCONN", Winsock.getpeername(s))
    }
  ),
  F.row("A22", "WSAConnectByName does not use the QOS of the layers around", function*() {
    const { address } = yield* F.listening("IPv4")
    const ambient = Effect.provideService(Qos.SocketQos, F.impossible)
    const s = yield* F.make("IPv4")
    yield* F.fails("WSAConnect does", "WSAEOPNOTSUPP", ambient(Winsock.WSAConnect(s, address)))
    const another = yield* F.make("IPv4")
    yield* ambient(nobodyAsks(Winsock.WSAConnectByName(another, "127.0.0.1", SocketAddress.portOf(address)!)))
  })
]

const a22 = [
  ...F.each(
    "A22",
    F.families,
    "WSAConnectByList tries in order, on the socket handed in, and gives both addresses",
    function*(family) {
      const dead = yield* F.bound(family)
      const good = yield* F.listening(family)
      const unused = yield* F.listening(family)
      const s = yield* F.make(family)
      const connected = yield* Winsock.WSAConnectByList(s, [dead.address, good.address, unused.address])
      yield* F.equal("the peer", connected.remote, good.address)
      yield* F.claim("the socket", connected.socket === s)
      yield* F.equal("the local address", connected.local, yield* Winsock.getsockname(s))
      const { socket: server } = yield* Winsock.accept(good.socket)
      yield* F.talk(s, server)
      yield* F.nonBlocking(unused.socket)
      yield* F.fails("the third was not tried", "WSAEWOULDBLOCK", Winsock.accept(unused.socket))
    }
  ),
  ...F.each(
    "A22",
    F.inet,
    "WSAConnectByList on a bound, connected, non-blocking or datagram socket",
    function*(family) {
      const { address } = yield* F.listening(family)
      const bound = yield* F.bound(family)
      yield* F.fails("bound", "WSAEINVAL", Winsock.WSAConnectByList(bound.socket, [address]))
      const s = yield* F.make(family)
      yield* F.nonBlocking(s)
      yield* F.fails("non-blocking", "WSAEINVAL", Winsock.WSAConnectByList(s, [address]))
      yield* F.blocking(s)
      yield* F.fails("an empty list", "WSAEINVAL", Winsock.WSAConnectByList(s, []))
      yield* F.fails("a bad address in it", "WSAEFAULT", Winsock.WSAConnectByList(s, [address, F.anything("nonsense")]))
      yield* F.fails(
        "a negative time-out",
        "WSAEINVAL",
        Winsock.WSAConnectByList(s, [address], { timeout: "-1 second" as never })
      )
      yield* Winsock.WSAConnectByList(s, [address])
      yield* F.fails("connected", "WSAEISCONN", Winsock.WSAConnectByList(s, [address]))
      const datagram = yield* F.make(family, "datagram")
      yield* F.fails("datagram", "WSAEINVAL", Winsock.WSAConnectByList(datagram, [address]))
    }
  ),
  ...F.each(
    "A22",
    F.inet,
    "WSAConnectByList passes over other families, and fails as the last one did",
    function*(family) {
      const other = family === "IPv4" ? "IPv6" : "IPv4"
      const dead = yield* F.bound(family)
      const wrong = yield* F.listening(other)
      const good = yield* F.listening(family)
      const s = yield* F.make(family)
      yield* F.fails("only others", "WSAEAFNOSUPPORT", Winsock.WSAConnectByList(s, [wrong.address]))
      yield* F.equal(
        "the peer",
        (yield* Winsock.WSAConnectByList(s, [wrong.address, good.address])).remote,
        good.address
      )
      const failing = yield* F.world((world) => world.failing(family, "WSAEHOSTUNREACH"))
      const second = yield* F.make(family)
      yield* F.fails(
        "the last one's code",
        "WSAECONNREFUSED",
        Winsock.WSAConnectByList(second, [failing, dead.address])
      )
    }
  ),
  ...F.each("A22", F.inet, "WSAConnectByList ends with WSAETIMEDOUT after its time-out", function*(family) {
    const hole = yield* F.world((world) => world.blackholed(family))
    const s = yield* F.make(family)
    yield* F.fails("WSAConnectByList", "WSAETIMEDOUT", Winsock.WSAConnectByList(s, [hole], { timeout: "50 millis" }))
    yield* F.fails("getpeername", "WSAENOTCONN", Winsock.getpeername(s))
    const { address } = yield* F.listening(family)
    yield* Winsock.WSAConnect(s, address)
  }),
  ...byName
]

export const callRows: ReadonlyArray<F.Case> = [
  ...a01,
  ...a02,
  ...a03,
  ...a04,
  ...a05,
  ...a06,
  ...a08,
  ...a09,
  ...a10,
  ...a11,
  ...a12,
  ...a13,
  ...a14,
  ...a15,
  ...a21,
  ...a22
]
