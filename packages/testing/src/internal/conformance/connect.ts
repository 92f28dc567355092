/** R01 … R27: what WSAConnect does. */
import * as Qos from "@effect-winsock/core/Qos"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import * as SocketOption from "@effect-winsock/core/SocketOption"
import * as UserData from "@effect-winsock/core/UserData"
import * as Winsock from "@effect-winsock/core/Winsock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as World from "../../World.ts"
import * as F from "./frame.ts"

/** Two datagram sockets that are bound, and one that is not connected yet. */
const threeDatagrams = (family: F.Family) =>
  Effect.gen(function*() {
    const peer = yield* F.bound(family, "datagram")
    const stranger = yield* F.bound(family, "datagram")
    const { address, socket } = yield* F.bound(family, "datagram")
    return { peer, stranger, socket, address }
  })

const noMoreDatagrams = (s: Winsock.Socket) =>
  Effect.gen(function*() {
    yield* F.turn
    yield* F.nonBlocking(s)
    yield* F.fails("a receive with nothing more to come", "WSAEWOULDBLOCK", Winsock.recvfrom(s))
    yield* F.blocking(s)
  })

/** A socket that cannot be connected to, then can: the same one listens. */
const refusedThenServed = function*(family: F.Family, how: "implicit" | "explicit", mode: "blocking" | "non-blocking") {
  const target = yield* F.bound(family)
  const s = yield* F.make(family)
  if (how === "explicit") yield* Winsock.bind(s, yield* F.local(family))
  if (mode === "non-blocking") yield* F.nonBlocking(s)
  const attempt = (code: "WSAECONNREFUSED" | undefined) =>
    mode === "blocking"
      ? code === undefined
        ? Effect.asVoid(Winsock.WSAConnect(s, target.address))
        : Effect.asVoid(F.fails("a connect to a dead port", code, Winsock.WSAConnect(s, target.address)))
      : Effect.gen(function*() {
        yield* F.fails("a non-blocking connect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, target.address))
        const result = Winsock.connectResult(s, { wait: true })
        yield* code === undefined ? result : F.fails("what became of it", code, result)
      })
  yield* attempt("WSAECONNREFUSED")
  const before = yield* Winsock.getsockname(s)
  yield* attempt("WSAECONNREFUSED")
  yield* F.equal("the port after a second refusal", yield* F.portOf(s), SocketAddress.portOf(before))
  yield* Winsock.listen(target.socket)
  yield* attempt(undefined)
  yield* F.blocking(s)
  yield* F.equal("the local address after the connect", yield* Winsock.getsockname(s), before)
  const { remote, socket: server } = yield* Winsock.accept(target.socket)
  yield* F.equal("the address that the peer sees", remote, before)
  yield* F.talk(s, server)
}

const afterFailure = (code: "WSAENETUNREACH" | "WSAEHOSTUNREACH" | "WSAETIMEDOUT") =>
  F.each("R26", F.inet, `after ${code} the same socket connects again, from the same port`, function*(family) {
    const failing = yield* F.world((world) => world.failing(family, code))
    const s = yield* F.make(family)
    yield* Winsock.bind(s, F.wildcard(family))
    const port = yield* F.portOf(s)
    yield* F.fails("the connect", code, Winsock.WSAConnect(s, failing))
    yield* F.equal("the port after the failure", yield* F.portOf(s), port)
    yield* F.fails("getpeername after the failure", "WSAENOTCONN", Winsock.getpeername(s))
    const { address, socket: listener } = yield* F.listening(family)
    yield* Winsock.WSAConnect(s, address)
    yield* F.equal("the port after the connect", yield* F.portOf(s), port)
    const { remote, socket: server } = yield* Winsock.accept(listener)
    yield* F.equal("the port that the peer sees", SocketAddress.portOf(remote), port)
    yield* F.talk(s, server)
  })

/** What holds of a stream that broke with the code. */
const isBroken = (
  s: Winsock.Socket,
  code: "WSAECONNRESET" | "WSAETIMEDOUT" | "WSAENETRESET" | "WSAECONNABORTED",
  peer: SocketAddress.SocketAddress
) =>
  Effect.gen(function*() {
    yield* F.fails("recv after the break", code, Winsock.recv(s))
    yield* F.fails("recv again", code, Winsock.recv(s))
    yield* F.fails("send after the break", code, Winsock.send(s, F.text("x")))
    yield* F.fails("send again", code, Winsock.send(s, F.text("x")))
    yield* F.fails("recv after the sends", code, Winsock.recv(s))
    yield* F.fails("WSAConnect after the break", "WSAEISCONN", Winsock.WSAConnect(s, peer))
    yield* F.fails("recv after the connect", code, Winsock.recv(s))
    yield* F.equal("getpeername", yield* Winsock.getpeername(s), peer)
    yield* F.equal("SO_ERROR", yield* Winsock.getsockopt(s, SocketOption.SO_ERROR), 0)
  })

const r01 = [
  ...F.each("R01", F.inet, "an unbound stream that connects gets a local address of its own", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const ports = new Set<number | undefined>()
    for (let i = 0; i < 3; i++) {
      const s = yield* F.make(family)
      yield* F.fails("getsockname before the connect", "WSAEINVAL", Winsock.getsockname(s))
      yield* Winsock.WSAConnect(s, address)
      const name = yield* Winsock.getsockname(s)
      yield* F.claim("the port is not 0", SocketAddress.portOf(name) !== 0)
      yield* F.claim("the host is not all-zero", !SocketAddress.isUnspecified(name))
      const { remote } = yield* Winsock.accept(listener)
      yield* F.equal("the address that the peer sees", remote, name)
      yield* F.fails("bind afterwards", "WSAEINVAL", Winsock.bind(s, yield* F.local(family)))
      ports.add(SocketAddress.portOf(name))
    }
    yield* F.equal("different ports among three", ports.size, 3)
  }),
  ...F.each(
    "R01",
    F.inet,
    "an unbound datagram socket that connects gets a local address of its own",
    function*(family) {
      const peer = yield* F.bound(family, "datagram")
      const s = yield* F.make(family, "datagram")
      yield* F.fails("getsockname before the connect", "WSAEINVAL", Winsock.getsockname(s))
      yield* Winsock.WSAConnect(s, peer.address)
      const name = yield* Winsock.getsockname(s)
      yield* F.claim("the port is not 0", SocketAddress.portOf(name) !== 0)
      yield* Winsock.send(s, F.text("from where?"))
      const { from } = yield* Winsock.recvfrom(peer.socket)
      yield* F.equal("the address that the peer sees", from, name)
      yield* F.fails("bind afterwards", "WSAEINVAL", Winsock.bind(s, yield* F.local(family)))
    }
  )
]

const r02 = F.each(
  "R02",
  F.families,
  "a stream connects to the peer that was named, and then sends and receives",
  function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const s = yield* F.make(family)
    const connected = yield* Winsock.WSAConnect(s, address)
    yield* F.equal("the peer in the answer", connected.remote, address)
    yield* F.claim("the socket in the answer is the one that was connected", connected.socket === s)
    const { socket: server } = yield* Winsock.accept(listener)
    yield* F.equal("getpeername", yield* Winsock.getpeername(s), address)
    yield* F.equal("getsockname of the accepted one", yield* Winsock.getsockname(server), address)
    yield* F.talk(s, server)
  }
)

const r03 = [
  ...F.each(
    "R03",
    F.inet,
    "a stream to the all-zero address fails with WSAEADDRNOTAVAIL, though someone listens",
    function*(family) {
      const listener = yield* F.make(family)
      yield* Winsock.bind(listener, F.wildcard(family))
      yield* Winsock.listen(listener)
      const port = (yield* F.portOf(listener))!
      const s = yield* F.make(family)
      yield* F.fails("WSAConnect to all zero", "WSAEADDRNOTAVAIL", Winsock.WSAConnect(s, F.wildcard(family, port)))
      yield* F.fails("connect to all zero", "WSAEADDRNOTAVAIL", Winsock.connect(s, F.wildcard(family, port)))
      yield* F.fails("getsockname after it", "WSAEINVAL", Winsock.getsockname(s))
      yield* F.nonBlocking(listener)
      yield* F.fails("nobody has called", "WSAEWOULDBLOCK", Winsock.accept(listener))
      yield* Winsock.WSAConnect(s, F.withPort(yield* F.local(family), port))
    }
  ),
  F.row("R03", "an empty Unix path fails with WSAEADDRNOTAVAIL", function*() {
    const s = yield* F.make("Unix")
    yield* F.fails("WSAConnect to no path", "WSAEADDRNOTAVAIL", Winsock.WSAConnect(s, F.wildcard("Unix")))
  })
]

const r04 = F.each(
  "R04",
  F.families,
  "connecting a connected stream fails with WSAEISCONN and harms nothing",
  function*(family) {
    const { address, client, server } = yield* F.pair(family)
    const other = yield* F.listening(family)
    yield* F.fails("WSAConnect to the same peer", "WSAEISCONN", Winsock.WSAConnect(client, address))
    yield* F.fails("WSAConnect to another", "WSAEISCONN", Winsock.WSAConnect(client, other.address))
    yield* F.fails("connect", "WSAEISCONN", Winsock.connect(client, other.address))
    yield* F.fails("WSAConnect on the accepted socket", "WSAEISCONN", Winsock.WSAConnect(server, other.address))
    yield* F.equal("getpeername", yield* Winsock.getpeername(client), address)
    yield* F.talk(client, server)
  }
)

const r05 = F.each(
  "R05",
  F.inet,
  "a datagram connect sets the default destination and sends nothing",
  function*(family) {
    const { address, peer, socket } = yield* threeDatagrams(family)
    const connected = yield* Winsock.WSAConnect(socket, peer.address)
    yield* F.equal("the peer in the answer", connected.remote, peer.address)
    yield* F.equal("getpeername", yield* Winsock.getpeername(socket), peer.address)
    yield* F.equal("bytes taken by send", yield* Winsock.send(socket, F.text("first")), 5)
    const { bytes, from } = yield* Winsock.recvfrom(peer.socket)
    yield* F.equal("the first datagram at the peer", bytes, F.text("first"))
    yield* F.equal("where it came from", from, address)
    yield* F.fails("getpeername of the peer", "WSAENOTCONN", Winsock.getpeername(peer.socket))
    yield* Winsock.sendto(peer.socket, F.text("answer"), address)
    yield* F.equal("what recv without an address gives", yield* Winsock.recv(socket), F.text("answer"))
  }
)

const r06 = F.each("R06", F.inet, "datagrams of anybody but the peer are discarded", function*(family) {
  const { address, peer, socket, stranger } = yield* threeDatagrams(family)
  yield* Winsock.WSAConnect(socket, peer.address)
  yield* Winsock.sendto(stranger.socket, F.text("stranger 1"), address)
  yield* Winsock.sendto(peer.socket, F.text("peer 1"), address)
  yield* Winsock.sendto(stranger.socket, F.text("stranger 2"), address)
  yield* Winsock.sendto(peer.socket, F.text("peer 2"), address)
  yield* F.nextIs("the first datagram", socket, "peer 1")
  yield* F.nextIs("the second datagram", socket, "peer 2")
  yield* noMoreDatagrams(socket)
})

const r07 = [
  ...F.each(
    "R07",
    F.inet,
    "the all-zero address dis-connects a datagram socket, which keeps its port",
    function*(family) {
      const { address, peer, socket, stranger } = yield* threeDatagrams(family)
      yield* Winsock.WSAConnect(socket, peer.address)
      const connected = yield* Winsock.WSAConnect(socket, F.wildcard(family))
      yield* F.claim("the answer names the all-zero address", SocketAddress.isUnspecified(connected.remote))
      yield* F.fails("send", "WSAENOTCONN", Winsock.send(socket, F.text("x")))
      yield* F.fails("recv", "WSAENOTCONN", Winsock.recv(socket))
      yield* F.fails("getpeername", "WSAENOTCONN", Winsock.getpeername(socket))
      yield* F.equal("getsockname", yield* Winsock.getsockname(socket), address)
      yield* Winsock.sendto(socket, F.text("out"), stranger.address)
      yield* F.nextIs("what sendto sends", stranger.socket, "out")
      yield* Winsock.sendto(stranger.socket, F.text("in"), address)
      yield* F.nextIs("what recvfrom gives", socket, "in")
      yield* Winsock.WSAConnect(socket, peer.address)
      yield* Winsock.send(socket, F.text("again"))
      yield* F.nextIs("what send sends after a new connect", peer.socket, "again")
    }
  ),
  ...F.each(
    "R07",
    F.inet,
    "a recv that waits ends with WSAENOTCONN when the socket is dis-connected",
    function*(family) {
      const { peer, socket } = yield* threeDatagrams(family)
      yield* Winsock.WSAConnect(socket, peer.address)
      const fiber = yield* F.begin(Winsock.recv(socket))
      yield* F.goesOn("recv with nothing to receive", fiber)
      yield* Winsock.WSAConnect(socket, F.wildcard(family))
      yield* F.failed("the recv that waited", "WSAENOTCONN", fiber)
    }
  ),
  ...F.each("R07", F.inet, "an implicitly bound socket keeps its port when it is dis-connected", function*(family) {
    const peer = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    yield* Winsock.WSAConnect(s, peer.address)
    const port = yield* F.portOf(s)
    yield* Winsock.WSAConnect(s, F.wildcard(family))
    yield* F.equal("the port", yield* F.portOf(s), port)
    yield* Winsock.sendto(s, F.text("from where?"), peer.address)
    const { from } = yield* Winsock.recvfrom(peer.socket)
    yield* F.equal("the port that a receiver sees", SocketAddress.portOf(from), port)
  })
]

const r08 = F.each("R08", F.inet, "connecting again changes the default destination", function*(family) {
  const { address, peer, socket, stranger: other } = yield* threeDatagrams(family)
  yield* Winsock.WSAConnect(socket, peer.address)
  yield* Winsock.send(socket, F.text("to the first"))
  yield* Winsock.WSAConnect(socket, other.address)
  yield* F.equal("getpeername", yield* Winsock.getpeername(socket), other.address)
  yield* F.equal("getsockname", yield* Winsock.getsockname(socket), address)
  yield* Winsock.send(socket, F.text("to the second"))
  yield* F.nextIs("what the second gets", other.socket, "to the second")
  yield* F.nextIs("what the first gets", peer.socket, "to the first")
  yield* noMoreDatagrams(peer.socket)
  yield* Winsock.sendto(peer.socket, F.text("late"), address)
  yield* Winsock.sendto(other.socket, F.text("now"), address)
  yield* F.nextIs("what is received", socket, "now")
})

/** What was queued may wait in the stack, or may have been taken off it: it is discarded, or kept, all the same. */
const r09 = (["in the stack", "above it"] as const).flatMap((queued) => {
  const wait = queued === "above it" ? F.turn : Effect.void
  return [
    F.each(
      "R09",
      F.inet,
      `a first connect discards what was queued, also from the new peer, queued ${queued}`,
      function*(family) {
        const { address, peer, socket, stranger } = yield* threeDatagrams(family)
        yield* Winsock.sendto(stranger.socket, F.text("old, of a stranger"), address)
        yield* Winsock.sendto(peer.socket, F.text("old, of the peer"), address)
        yield* wait
        yield* Winsock.WSAConnect(socket, peer.address)
        yield* Winsock.sendto(stranger.socket, F.text("new, of a stranger"), address)
        yield* Winsock.sendto(peer.socket, F.text("new, of the peer"), address)
        yield* F.nextIs("the first datagram", socket, "new, of the peer")
        yield* noMoreDatagrams(socket)
      }
    ),
    F.each(
      "R09",
      F.inet,
      `what has been queued is seen without a connect, and is gone after one, queued ${queued}`,
      function*(family) {
        const { address, peer, socket, stranger } = yield* threeDatagrams(family)
        yield* Winsock.sendto(stranger.socket, F.text("1"), address)
        yield* Winsock.sendto(peer.socket, F.text("2"), address)
        yield* Winsock.sendto(peer.socket, F.text("3"), address)
        yield* F.nextIs("the first", socket, "1")
        yield* F.nextIs("the second", socket, "2")
        yield* wait
        yield* Winsock.WSAConnect(socket, peer.address)
        yield* Winsock.sendto(peer.socket, F.text("4"), address)
        yield* F.nextIs("after the connect", socket, "4")
      }
    ),
    F.each("R09", F.inet, `another name discards what the old peer had sent, queued ${queued}`, function*(family) {
      const { address, peer, socket, stranger: other } = yield* threeDatagrams(family)
      yield* Winsock.WSAConnect(socket, peer.address)
      yield* Winsock.sendto(peer.socket, F.text("of the old peer"), address)
      yield* wait
      yield* Winsock.WSAConnect(socket, other.address)
      yield* Winsock.sendto(other.socket, F.text("of the new peer"), address)
      yield* F.nextIs("the first datagram", socket, "of the new peer")
      yield* noMoreDatagrams(socket)
    }),
    F.each("R09", F.inet, `the same name keeps what was queued, queued ${queued}`, function*(family) {
      const { address, peer, socket } = yield* threeDatagrams(family)
      yield* Winsock.WSAConnect(socket, peer.address)
      yield* Winsock.sendto(peer.socket, F.text("before"), address)
      yield* wait
      yield* Winsock.WSAConnect(socket, peer.address)
      yield* Winsock.sendto(peer.socket, F.text("after"), address)
      yield* F.nextIs("the first datagram", socket, "before")
      yield* F.nextIs("the second datagram", socket, "after")
    }),
    F.each("R09", F.inet, `dis-connecting discards what was queued, queued ${queued}`, function*(family) {
      const { address, peer, socket, stranger } = yield* threeDatagrams(family)
      yield* Winsock.WSAConnect(socket, peer.address)
      yield* Winsock.sendto(peer.socket, F.text("before"), address)
      yield* wait
      yield* Winsock.WSAConnect(socket, F.wildcard(family))
      yield* Winsock.sendto(stranger.socket, F.text("after"), address)
      yield* F.nextIs("the first datagram", socket, "after")
      yield* noMoreDatagrams(socket)
    })
  ].flat()
})

const broadcast = (id: string) => [
  F.row(id, "a datagram connect to a broadcast address without SO_BROADCAST fails with WSAEACCES", function*() {
    const peer = yield* F.bound("IPv4", "datagram")
    const s = yield* F.make("IPv4", "datagram")
    yield* F.fails("WSAConnect", "WSAEACCES", Winsock.WSAConnect(s, "255.255.255.255:9"))
    yield* F.fails("connect", "WSAEACCES", Winsock.connect(s, "255.255.255.255:9"))
    yield* F.fails("sendto", "WSAEACCES", Winsock.sendto(s, F.text("x"), "255.255.255.255:9"))
    yield* F.fails("getpeername", "WSAENOTCONN", Winsock.getpeername(s))
    yield* Winsock.WSAConnect(s, peer.address)
    yield* F.fails("WSAConnect while connected", "WSAEACCES", Winsock.WSAConnect(s, "255.255.255.255:9"))
    yield* F.equal("the peer stays", yield* Winsock.getpeername(s), peer.address)
  }),
  F.row(id, "with SO_BROADCAST it connects and sends, and without it again it does not", function*() {
    const address = yield* F.world((world) => world.broadcast)
    const s = yield* F.make("IPv4", "datagram")
    yield* Winsock.setsockopt(s, SocketOption.SO_BROADCAST, true)
    yield* Winsock.WSAConnect(s, address)
    yield* F.equal("getpeername", yield* Winsock.getpeername(s), address)
    yield* F.equal("bytes taken by send", yield* Winsock.send(s, F.text("x")), 1)
    yield* Winsock.setsockopt(s, SocketOption.SO_BROADCAST, false)
    yield* F.fails("WSAConnect without it", "WSAEACCES", Winsock.WSAConnect(s, address))
  })
]

const r11 = F.each("R11", F.inet, "a datagram connect ignores user data", function*(family) {
  const { peer, socket } = yield* threeDatagrams(family)
  const connected = yield* Winsock.WSAConnect(socket, peer.address, {
    callerData: F.pattern(100_000),
    calleeData: 100
  })
  yield* F.equal("callee data", connected.calleeData.length, 0)
  yield* Winsock.WSAConnect(socket, peer.address, { callerData: F.anything(5), calleeData: F.anything("x") })
  yield* Winsock.send(socket, F.text("only this"))
  yield* F.nextIs("the first datagram at the peer", peer.socket, "only this")
})

const r12 = [
  ...F.each(
    "R12",
    F.families,
    "where none is given none is sent: the stream begins with what send sends",
    function*(family) {
      const { client, server } = yield* F.pair(family)
      yield* Winsock.send(client, F.text("first"))
      yield* F.receives("the first bytes", server, F.text("first"))
    }
  ),
  F.row("R12", "caller data travels beside the stream, not in it", function*() {
    const carrying = yield* F.world((world) => world.carrying)
    yield* F.within(
      carrying,
      Effect.gen(function*() {
        const { address, socket: listener } = yield* F.listening("IPv4")
        const s = yield* F.make("IPv4")
        const fiber = yield* F.begin(Winsock.WSAConnect(s, address, { callerData: F.text("tenant=acme") }))
        const { socket: server } = yield* Winsock.accept(listener)
        yield* Fiber.join(fiber)
        yield* F.talk(s, server)
      })
    )
  }),
  F.row("R12", "ambient caller data is taken by WSAConnect, not by connect, and null means none", function*() {
    const { provider } = yield* Winsock.Winsock.use((winsock) => Effect.succeed(winsock))
    const capabilities = yield* Winsock.Winsock.use((winsock) =>
      Effect.succeed(winsock.capabilities({ family: "IPv4", type: "stream", direction: "both" }))
    )
    if (capabilities.callerDataMax > 0) yield* World.notHere(`${provider} carries caller data, so none is refused`)
    const { address } = yield* F.listening("IPv4")
    const s = yield* F.make("IPv4")
    const ambient = UserData.layer({ callerData: F.text("ambient") })
    yield* F.fails(
      "WSAConnect with ambient data on a provider that carries none",
      "WSAEPROTONOSUPPORT",
      Effect.provide(Winsock.WSAConnect(s, address), ambient)
    )
    yield* Effect.provide(Winsock.WSAConnect(s, address, { callerData: null }), ambient)
    const other = yield* F.make("IPv4")
    yield* Effect.provide(Winsock.connect(other, address), ambient)
  })
]

const r13 = [
  ...F.each("R13", F.families, "the length is 0 where the peer passed nothing back", function*(family) {
    const { address } = yield* F.listening(family)
    const s = yield* F.make(family)
    const connected = yield* Winsock.WSAConnect(s, address, { calleeData: 1024 })
    yield* F.equal("callee data", connected.calleeData.length, 0)
  }),
  F.row("R13", "the length is 0 where connect data can travel and the peer passed nothing back", function*() {
    const carrying = yield* F.world((world) => world.carrying)
    yield* F.within(
      carrying,
      Effect.gen(function*() {
        const { address, socket: listener } = yield* F.listening("IPv4")
        const s = yield* F.make("IPv4")
        const fiber = yield* F.begin(Winsock.WSAConnect(s, address, { calleeData: 8 }))
        yield* Winsock.accept(listener)
        yield* F.equal("callee data", (yield* Fiber.join(fiber)).calleeData.length, 0)
      })
    )
  })
]

const r14 = [
  ...F.each(
    "R14",
    F.families,
    "connectResult of a non-blocking connect gives what a blocking one would have given",
    function*(family) {
      const { address, socket: listener } = yield* F.listening(family)
      const s = yield* F.make(family)
      yield* F.fails("connectResult where there was no attempt", "WSAENOTCONN", Winsock.connectResult(s))
      yield* F.nonBlocking(s)
      yield* F.fails("WSAConnect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, address, { calleeData: 16 }))
      const connected = yield* Winsock.connectResult(s, { wait: true })
      yield* F.equal("the peer", connected.remote, address)
      yield* F.equal("callee data", connected.calleeData.length, 0)
      const again = yield* Winsock.connectResult(s)
      yield* F.equal("the peer, asked again", again.remote, address)
      yield* Winsock.accept(listener)
    }
  ),
  ...F.each(
    "R14",
    F.families,
    "connectResult gives the code that the attempt failed with, again and again",
    function*(family) {
      const { address } = yield* F.bound(family)
      const s = yield* F.make(family)
      yield* F.nonBlocking(s)
      yield* F.fails("WSAConnect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, address))
      yield* F.fails("connectResult", "WSAECONNREFUSED", Winsock.connectResult(s, { wait: true }))
      yield* F.fails("connectResult again", "WSAECONNREFUSED", Winsock.connectResult(s))
    }
  ),
  ...F.each("R14", F.inet, "connectResult fails with WSAEALREADY while the attempt is pending", function*(family) {
    const { socket } = yield* F.pending(family)
    yield* F.fails("connectResult", "WSAEALREADY", Winsock.connectResult(socket))
    const fiber = yield* F.begin(Winsock.connectResult(socket, { wait: true }))
    yield* F.goesOn("connectResult that waits", fiber)
    yield* Fiber.interrupt(fiber)
    yield* F.fails("connectResult after a wait was given up", "WSAEALREADY", Winsock.connectResult(socket))
    yield* F.fails("connectResult on nothing", "WSAENOTSOCK", Winsock.connectResult(F.anything({})))
  }),
  F.row("R14", "connectResult waits for the acceptance where connect data can travel", function*() {
    const carrying = yield* F.world((world) => world.carrying)
    yield* F.within(
      carrying,
      Effect.gen(function*() {
        const { address, socket: listener } = yield* F.listening("IPv4")
        const s = yield* F.make("IPv4")
        yield* F.nonBlocking(s)
        yield* F.fails("WSAConnect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, address, { calleeData: 8 }))
        yield* F.fails("connectResult before", "WSAEALREADY", Winsock.connectResult(s))
        yield* Winsock.accept(listener)
        yield* F.equal("the peer", (yield* Winsock.connectResult(s, { wait: true })).remote, address)
      })
    )
  })
]

const qosRefused = (id: string) =>
  (["stream", "datagram"] as const).flatMap((type) =>
    F.each(
      id,
      F.inet,
      `a QOS that cannot be honoured fails with WSAEOPNOTSUPP and leaves the socket as it was: ${type}`,
      function*(family) {
        const target = type === "stream" ? yield* F.listening(family) : yield* F.bound(family, "datagram")
        const s = yield* F.make(family, type)
        yield* F.fails("with a QOS", "WSAEOPNOTSUPP", Winsock.WSAConnect(s, target.address, { sqos: F.impossible }))
        yield* F.fails(
          "with an ambient one",
          "WSAEOPNOTSUPP",
          Effect.provide(Winsock.WSAConnect(s, target.address), Qos.layer(F.impossible))
        )
        yield* F.fails("getsockname", "WSAEINVAL", Winsock.getsockname(s))
        yield* F.fails("getpeername", "WSAENOTCONN", Winsock.getpeername(s))
        yield* Winsock.WSAConnect(s, target.address)
        yield* F.equal("getpeername after a connect without", yield* Winsock.getpeername(s), target.address)
      }
    )
  )

const r17 = F.each(
  "R17",
  F.families,
  "a flow spec for a direction that the socket has not is ignored",
  function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const receiving: Qos.Qos = { receiving: { serviceType: "guaranteed", tokenRate: 1 } }
    const sender = yield* Winsock.socket({ family, type: "stream", direction: "send" })
    yield* Winsock.WSAConnect(sender, address, { sqos: receiving })
    const first = yield* Winsock.accept(listener)
    yield* Winsock.send(sender, F.text("one way"))
    yield* F.receives("what arrives", first.socket, F.text("one way"))
    const receiver = yield* Winsock.socket({ family, type: "stream", direction: "receive" })
    yield* Winsock.WSAConnect(receiver, address, { sqos: F.impossible })
    const second = yield* Winsock.accept(listener)
    yield* Winsock.send(second.socket, F.text("the other"))
    yield* F.receives("what arrives", receiver, F.text("the other"))
    yield* F.fails("send on a receiver", "WSAEOPNOTSUPP", Winsock.send(receiver, F.text("x")))
    yield* F.fails("recv on a sender", "WSAEOPNOTSUPP", Winsock.recv(sender))
  }
)

const r19 = F.each(
  "R19",
  F.families,
  "no QOS means none, also one that asks for nothing, and null over an ambient one",
  function*(family) {
    const { address } = yield* F.listening(family)
    yield* Winsock.WSAConnect(yield* F.make(family), address)
    yield* Winsock.WSAConnect(yield* F.make(family), address, { sqos: {} })
    yield* Winsock.WSAConnect(yield* F.make(family), address, { sqos: { sending: { serviceType: "bestEffort" } } })
    const ambient = Qos.layer(F.impossible)
    yield* Effect.provide(Winsock.WSAConnect(yield* F.make(family), address, { sqos: null }), ambient)
    yield* Effect.provide(Winsock.connect(yield* F.make(family), address), ambient)
  }
)

const r20 = F.each(
  "R20",
  F.families,
  "a group QOS is ignored where the socket did not create a group",
  function*(family) {
    const { address } = yield* F.listening(family)
    yield* Winsock.WSAConnect(yield* F.make(family), address, { gqos: F.impossible })
  }
)

const r21 = [
  ...F.each(
    "R21",
    F.families,
    "what came before a reset is received in order, then every call fails with it",
    function*(family) {
      const sent = F.pattern(50_000)
      const { address, crash } = yield* F.world((world) => world.crashing(family, sent, "told"))
      const s = yield* F.make(family)
      yield* Winsock.WSAConnect(s, address)
      yield* F.receives("the head", s, sent.subarray(0, 10_000))
      yield* F.receives("the middle", s, sent.subarray(10_000, 49_000))
      yield* crash
      yield* F.receives("what is left", s, sent.subarray(49_000))
      yield* isBroken(s, "WSAECONNRESET", address)
    }
  ),
  ...F.each(
    "R21",
    F.families,
    "what came before is received also when the reset is known already",
    function*(family) {
      const sent = F.pattern(50_000)
      const { address, crash } = yield* F.world((world) => world.crashing(family, sent, "told"))
      const s = yield* F.make(family)
      yield* Winsock.WSAConnect(s, address)
      yield* F.receives("the head", s, sent.subarray(0, 10_000))
      yield* F.receives("the middle", s, sent.subarray(10_000, 49_000))
      yield* crash
      yield* F.untilBroken(s)
      yield* F.fails("WSAConnect", "WSAEISCONN", Winsock.WSAConnect(s, address))
      yield* F.receives("what is left", s, sent.subarray(49_000))
      yield* isBroken(s, "WSAECONNRESET", address)
    }
  ),
  ...F.each("R21", F.families, "bytes and reset that arrive together are told in that order", function*(family) {
    const sent = F.pattern(5000)
    const { address, crash } = yield* F.world((world) => world.crashing(family, sent, "at once"))
    const s = yield* F.make(family)
    yield* Winsock.WSAConnect(s, address)
    yield* crash
    yield* F.receives("the bytes", s, sent)
    yield* isBroken(s, "WSAECONNRESET", address)
  }),
  ...F.each("R21", F.families, "a recv that waits ends with the breaking code", function*(family) {
    const { address, crash } = yield* F.world((world) => world.crashing(family, F.text("x"), "told"))
    const s = yield* F.make(family)
    yield* Winsock.WSAConnect(s, address)
    yield* F.receives("the byte", s, F.text("x"))
    const fiber = yield* F.begin(Winsock.recv(s))
    yield* F.goesOn("recv with nothing to receive", fiber)
    yield* crash
    yield* F.failed("the recv that waited", "WSAECONNRESET", fiber)
    yield* F.fails("shutdown", "WSAECONNRESET", Winsock.shutdown(s, "both"))
    yield* F.equal("connectResult", (yield* Winsock.connectResult(s)).remote, address)
    yield* isBroken(s, "WSAECONNRESET", address)
  }),
  ...(["WSAETIMEDOUT", "WSAENETRESET", "WSAECONNABORTED"] as const).flatMap((code) =>
    F.each(
      "R21",
      F.inet,
      `a connection that breaks with ${code} fails with it, at both ends, for good`,
      function*(family) {
        const { address, client, remote, server } = yield* F.pair(family)
        const broken = yield* F.world((world) => world.breaking(family, code))
        yield* F.talk(client, server)
        const fiber = yield* F.begin(Winsock.recv(client))
        yield* broken(address)
        yield* F.failed("the recv that waited", code, fiber)
        yield* isBroken(client, code, address)
        yield* isBroken(server, code, remote)
      }
    )
  ),
  ...F.each(
    "R21",
    F.families,
    "interrupting a send that has handed bytes down breaks the connection",
    function*(family) {
      const { address, client, server } = yield* F.pair(family)
      const fiber = yield* F.begin(Winsock.send(client, F.pattern(32 * 1024 * 1024)))
      yield* F.goesOn("a send that nobody receives", fiber)
      yield* Fiber.interrupt(fiber)
      yield* isBroken(client, "WSAECONNABORTED", address)
      yield* F.isCutOff(server, family, 32 * 1024 * 1024)
    }
  )
]

const r22 = F.each("R22", F.families, "a blocking connect ends with the attempt", function*(family) {
  const target = yield* F.bound(family)
  const s = yield* F.make(family)
  const error = yield* F.fails("to nobody", "WSAECONNREFUSED", Winsock.WSAConnect(s, target.address))
  yield* F.equal("the peer in the error", error.remote, target.address)
  yield* Winsock.listen(target.socket)
  yield* F.equal("the peer", (yield* Winsock.WSAConnect(s, target.address)).remote, target.address)
  const { socket: server } = yield* Winsock.accept(target.socket)
  yield* F.talk(s, server)
})

const r23 = F.each("R23", F.inet, "a non-blocking connect fails with WSAEWOULDBLOCK and goes on", function*(family) {
  const { address, socket: listener } = yield* F.listening(family)
  const s = yield* F.make(family)
  yield* F.nonBlocking(s)
  yield* F.fails("WSAConnect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, address))
  const { remote, socket: server } = yield* Winsock.accept(listener)
  yield* Winsock.connectResult(s, { wait: true })
  yield* F.equal("getsockname", yield* Winsock.getsockname(s), remote)
  yield* F.equal("getpeername", yield* Winsock.getpeername(s), address)
  yield* F.blocking(s)
  yield* F.talk(s, server)
})

const r23scope = F.each(
  "R23",
  F.inet,
  "the attempt belongs to the socket, not to the fiber that began it",
  function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const s = yield* F.make(family)
    yield* F.nonBlocking(s)
    const fiber = yield* F.begin(F.errorOf("WSAConnect", Winsock.WSAConnect(s, address)))
    yield* F.equal("the answer", (yield* Fiber.join(fiber))._tag, "WSAEWOULDBLOCK")
    yield* Fiber.interrupt(fiber)
    yield* Winsock.accept(listener)
    yield* F.equal("the peer", (yield* Winsock.connectResult(s, { wait: true })).remote, address)
  }
)

const already = (id: string) => [
  ...F.each(id, F.inet, "further connects fail with WSAEALREADY until the attempt completes", function*(family) {
    const { address, socket } = yield* F.pending(family)
    const other = yield* F.listening(family)
    yield* F.fails("WSAConnect to the same", "WSAEALREADY", Winsock.WSAConnect(socket, address))
    yield* F.fails("WSAConnect to another", "WSAEALREADY", Winsock.WSAConnect(socket, other.address))
    yield* F.fails("connect", "WSAEALREADY", Winsock.connect(socket, address))
    yield* F.equal("the peer of the attempt", yield* Winsock.getpeername(socket), address)
    yield* F.fails("the attempt goes on", "WSAEALREADY", Winsock.connectResult(socket))
  }),
  ...F.each(id, F.inet, "also while a blocking connect of another fiber is pending", function*(family) {
    const address = yield* F.world((world) => world.blackholed(family))
    const s = yield* F.make(family)
    const fiber = yield* F.begin(Winsock.WSAConnect(s, address))
    yield* F.fails("WSAConnect", "WSAEALREADY", Winsock.WSAConnect(s, address))
    yield* F.goesOn("the first attempt", fiber)
  }),
  ...F.each(id, F.inet, "once it has failed, the socket connects again", function*(family) {
    const dead = yield* F.bound(family)
    const s = yield* F.make(family)
    yield* F.nonBlocking(s)
    yield* F.fails("the first", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, dead.address))
    yield* F.fails("the second", "WSAEALREADY", Winsock.WSAConnect(s, dead.address))
    yield* F.fails("the result", "WSAECONNREFUSED", Winsock.connectResult(s, { wait: true }))
    yield* Winsock.listen(dead.socket)
    yield* F.fails("the third", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, dead.address))
    yield* Winsock.connectResult(s, { wait: true })
    yield* F.fails("the fourth", "WSAEISCONN", Winsock.WSAConnect(s, dead.address))
  })
]

const r26 = [
  ...(["blocking", "non-blocking"] as const).flatMap((mode) =>
    (["implicit", "explicit"] as const).flatMap((how) =>
      F.each(
        "R26",
        F.inet,
        `after WSAECONNREFUSED the same socket connects from the same port: ${how} binding, ${mode}`,
        (family) => refusedThenServed(family, how, mode)
      )
    )
  ),
  F.row("R26", "after WSAECONNREFUSED the same socket connects again (Unix)", function*() {
    const target = yield* F.bound("Unix")
    const s = yield* F.make("Unix")
    yield* F.fails("to nobody", "WSAECONNREFUSED", Winsock.WSAConnect(s, target.address))
    yield* Winsock.listen(target.socket)
    yield* Winsock.WSAConnect(s, target.address)
    const { socket: server } = yield* Winsock.accept(target.socket)
    yield* F.talk(s, server)
  }),
  ...afterFailure("WSAENETUNREACH"),
  ...afterFailure("WSAEHOSTUNREACH"),
  ...afterFailure("WSAETIMEDOUT"),
  ...F.each(
    "R26",
    F.inet,
    "an attempt that was interrupted leaves the socket as a refused one, with its port",
    function*(family) {
      const blackhole = yield* F.world((world) => world.blackholed(family))
      const { address, socket: listener } = yield* F.listening(family)
      const s = yield* F.make(family)
      yield* Winsock.bind(s, F.wildcard(family))
      const port = yield* F.portOf(s)
      const fiber = yield* F.begin(Winsock.WSAConnect(s, blackhole))
      yield* F.goesOn("the attempt", fiber)
      yield* Fiber.interrupt(fiber)
      yield* F.equal("the port after the interruption", yield* F.portOf(s), port)
      yield* F.fails("getpeername", "WSAENOTCONN", Winsock.getpeername(s))
      yield* F.fails("send", "WSAENOTCONN", Winsock.send(s, F.text("x")))
      yield* Winsock.WSAConnect(s, address)
      yield* F.equal("the port after the connect", yield* F.portOf(s), port)
      const { remote, socket: server } = yield* Winsock.accept(listener)
      yield* F.equal("the port that the peer sees", SocketAddress.portOf(remote), port)
      yield* F.talk(s, server)
    }
  ),
  ...F.each(
    "R26",
    F.families,
    "a connect that is interrupted at once can be made again, and leaves no second connection",
    function*(family) {
      const { address, socket: listener } = yield* F.listening(family)
      const s = yield* F.make(family)
      const fiber = yield* F.begin(Winsock.WSAConnect(s, address))
      yield* Fiber.interrupt(fiber)
      yield* Winsock.WSAConnect(s, address)
      yield* Winsock.send(s, F.text("this one"))
      // The one that was given up may have reached the listener: it has nothing to say, and ends.
      const server = yield* Effect.gen(function*() {
        const { socket } = yield* Winsock.accept(listener)
        const bytes = yield* Effect.orElseSucceed(Winsock.recv(socket), () => new Uint8Array(0))
        return bytes.length === 0 ? yield* Effect.fail("gone" as const) : { socket, bytes }
      }).pipe(Effect.retry({ while: (error) => error === "gone", times: 1 }), Effect.orDie)
      yield* F.equal("the bytes", server.bytes, F.text("this one"))
    }
  )
]

const r27 = [
  ...F.each("R27", F.families, "bytes of a send may be overwritten once it has returned", function*(family) {
    const { client, server } = yield* F.pair(family)
    const length = 1_000_000
    const buffer = F.pattern(length)
    const fiber = yield* F.begin(F.recvExactly(server, length + 1))
    yield* F.equal("bytes taken", yield* Winsock.send(client, buffer), length)
    buffer.fill(0xee)
    yield* Winsock.send(client, F.text("."))
    const all = yield* Fiber.join(fiber)
    yield* F.equal("what arrived", all.subarray(0, length), F.pattern(length))
  }),
  ...F.each("R27", F.families, "bytes of a non-blocking send may be overwritten at once", function*(family) {
    const { client, server } = yield* F.pair(family)
    yield* F.nonBlocking(client)
    const sent = F.pattern(64 * 1024 * 1024)
    const buffer = new Uint8Array(50_000)
    let taken = 0
    const full = yield* Effect.suspend(() => {
      buffer.set(sent.subarray(taken, taken + buffer.length))
      return Effect.map(Winsock.send(client, buffer), (part) => {
        taken += part
        buffer.fill(0xee)
      })
    }).pipe(Effect.forever, Effect.flip)
    yield* F.equal("when there is no room", full._tag, "WSAEWOULDBLOCK")
    buffer.fill(0xee)
    yield* F.receives("what arrived", server, sent.subarray(0, taken))
  }),
  ...F.each("R27", F.inet, "bytes of a datagram may be overwritten once it was sent", function*(family) {
    const receiver = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    const buffer = F.pattern(1000)
    yield* Winsock.sendto(s, buffer, receiver.address)
    buffer.fill(0xee)
    yield* Winsock.sendto(s, buffer, receiver.address)
    yield* F.equal("the first", yield* Winsock.recv(receiver.socket), F.pattern(1000))
  }),
  ...F.each("R27", F.families, "bytes handed out are never overwritten later", function*(family) {
    const { client, server } = yield* F.pair(family)
    yield* Winsock.send(client, F.text("first"))
    const first = yield* Winsock.recv(server)
    const fiber = yield* F.begin(Winsock.recv(server))
    yield* Winsock.send(client, F.text("second"))
    const second = yield* Fiber.join(fiber)
    yield* Winsock.send(client, F.text("third!"))
    const third = yield* Winsock.recv(server)
    yield* F.equal("the first", first, F.text("first"))
    yield* F.equal("the second", second, F.text("second"))
    yield* F.equal("the third", third, F.text("third!"))
    third.fill(0)
    yield* Winsock.send(client, F.text("fourth"))
    yield* F.equal("the fourth", yield* Winsock.recv(server), F.text("fourth"))
  }),
  ...F.each("R27", F.inet, "datagrams handed out are never overwritten later", function*(family) {
    const receiver = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    yield* Winsock.sendto(s, F.text("first"), receiver.address)
    const first = yield* Winsock.recvfrom(receiver.socket)
    const fiber = yield* F.begin(Winsock.recv(receiver.socket))
    yield* Winsock.sendto(s, F.text("other"), receiver.address)
    const second = yield* Fiber.join(fiber)
    yield* Winsock.sendto(s, F.text("third"), receiver.address)
    yield* Winsock.recv(receiver.socket)
    yield* F.equal("the first", first.bytes, F.text("first"))
    yield* F.equal("the second", second, F.text("other"))
  }),
  ...F.each("R27", F.families, "a receive writes into its buffer what it says, and nothing else", function*(family) {
    const { client, server } = yield* F.pair(family)
    const buffer = new Uint8Array(16).fill(0xaa)
    yield* Winsock.send(client, F.text("abcdef"))
    const length = yield* Winsock.recv(server, buffer.subarray(4, 8))
    yield* F.equal("how many bytes", length, 4)
    yield* F.equal("the part", buffer.subarray(4, 8), F.text("abcd"))
    yield* F.claim("the rest is untouched", buffer.every((byte, i) => (i >= 4 && i < 8) || byte === 0xaa))
    yield* F.receives("what is left", server, F.text("ef"))
  }),
  F.row("R27", "an ambient caller data layer keeps a copy", function*() {
    const bytes = F.text("tenant")
    const layer = UserData.layer({ callerData: bytes })
    const seen = yield* Effect.provide(
      Effect.gen(function*() {
        bytes.fill(0)
        return yield* UserData.CallerData
      }),
      layer
    )
    yield* F.equal("what the layer gives", seen, F.text("tenant"))
  })
]

export const connectRows: ReadonlyArray<F.Case> = [
  ...r01,
  ...r02,
  ...r03,
  ...r04,
  ...r05,
  ...r06,
  ...r07,
  ...r08,
  ...r09,
  ...broadcast("R10"),
  ...r11,
  ...r12,
  ...r13,
  ...r14,
  ...qosRefused("R16"),
  ...r17,
  ...r19,
  ...r20,
  ...r21,
  ...r22,
  ...r23,
  ...r23scope,
  ...already("R25"),
  ...r26,
  ...r27
]

export const alsoErrors: ReadonlyArray<F.Case> = [
  ...already("E06"),
  ...qosRefused("E16"),
  ...broadcast("E20")
]
