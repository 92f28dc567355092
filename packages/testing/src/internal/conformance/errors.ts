/** E01 … E20: the codes of WSAConnect. */
import type * as Qos from "@effect-winsock/core/Qos"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import * as SocketOption from "@effect-winsock/core/SocketOption"
import * as Winsock from "@effect-winsock/core/Winsock"
import type * as WsaError from "@effect-winsock/core/WsaError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as World from "../../World.ts"
import { alsoErrors } from "./connect.ts"
import * as F from "./frame.ts"

/** Every call on a socket fails with the code. */
const everyCallFails = (when: string, code: WsaError.Code, s: Winsock.Socket, family: F.Family) =>
  Effect.gen(function*() {
    const address = family === "IPv4" ? "127.0.0.1:9" : family === "IPv6" ? "[::1]:9" : "unix:/nowhere"
    const is = <A, E extends { readonly _tag: string }, R>(call: string, effect: Effect.Effect<A, E, R>) =>
      F.fails(`${call} ${when}`, code, effect)
    yield* is("bind", Winsock.bind(s, address))
    yield* is("connect", Winsock.connect(s, address))
    yield* is("WSAConnect", Winsock.WSAConnect(s, address))
    yield* is("WSAConnect with a bad address", Winsock.WSAConnect(s, "nonsense" as never))
    yield* is("WSAConnectByList", Winsock.WSAConnectByList(s, [address]))
    yield* is("connectResult", Winsock.connectResult(s))
    yield* is("connectResult that waits", Winsock.connectResult(s, { wait: true }))
    yield* is("listen", Winsock.listen(s))
    yield* is("accept", Winsock.accept(s))
    yield* is("send", Winsock.send(s, F.text("x")))
    yield* is("sendto", Winsock.sendto(s, F.text("x"), address))
    yield* is("recv", Winsock.recv(s))
    yield* is("recvfrom", Winsock.recvfrom(s))
    yield* is("shutdown", Winsock.shutdown(s, "both"))
    yield* is("getsockname", Winsock.getsockname(s))
    yield* is("getpeername", Winsock.getpeername(s))
    yield* is("getsockopt", Winsock.getsockopt(s, SocketOption.SO_TYPE))
    yield* is("setsockopt", Winsock.setsockopt(s, SocketOption.SO_REUSEADDR, true))
    yield* is("ioctlsocket", Winsock.ioctlsocket(s, "FIONBIO", true))
    yield* is("closesocket", Winsock.closesocket(s))
  })

const e01 = [
  ...(["stream", "datagram"] as const).flatMap((type) =>
    F.each("E01", F.inet, `every call fails once the layer was released: ${type}`, function*(family) {
      const instance = yield* F.world((world) => world.instance)
      const scope = yield* Scope.make()
      const context = yield* Layer.build(Layer.fresh(instance)).pipe(Scope.provide(scope))
      const fresh = yield* Effect.provideContext(F.make(family, type), context)
      const bound = yield* Effect.provideContext(F.make(family, type), context)
      yield* Winsock.bind(bound, yield* F.local(family))
      yield* Scope.close(scope, Exit.void)
      yield* everyCallFails("on a new socket", "WSANOTINITIALISED", fresh, family)
      yield* everyCallFails("on a bound socket", "WSANOTINITIALISED", bound, family)
      yield* F.fails(
        "socket",
        "WSANOTINITIALISED",
        Effect.provideContext(Winsock.socket({ family, type }), context)
      )
    })
  ),
  ...F.each("E01", F.families, "releasing the layer ends what waits, and lets the peer know", function*(family) {
    const instance = yield* F.world((world) => world.instance)
    const { address, socket: listener } = yield* F.listening(family)
    const scope = yield* Scope.make()
    const context = yield* Layer.build(Layer.fresh(instance)).pipe(Scope.provide(scope))
    const s = yield* Effect.provideContext(F.make(family), context)
    yield* Winsock.WSAConnect(s, address)
    const { socket: server } = yield* Winsock.accept(listener)
    const fiber = yield* F.begin(Winsock.recv(s))
    yield* F.goesOn("recv", fiber)
    yield* Scope.close(scope, Exit.void)
    yield* F.failed("the recv that waited", "WSAEINTR", fiber)
    const end = yield* Effect.result(Winsock.recv(server))
    yield* F.claim(
      "the peer meets the end or a reset",
      end._tag === "Success" ? end.success.length === 0 : end.failure._tag === "WSAECONNRESET"
    )
    yield* F.claim("the other instance goes on", (yield* F.make(family)) !== undefined)
  }),
  F.row("E01", "a service that no start-up made is not started", function*() {
    const forged = Winsock.Winsock.of({
      provider: "forged",
      version: 0x0202,
      capabilities: F.anything(() => undefined)
    })
    yield* F.fails(
      "socket",
      "WSANOTINITIALISED",
      Effect.provideService(Winsock.socket({ family: "IPv4", type: "stream" }), Winsock.Winsock, forged)
    )
  })
]

const e02 = [
  ...F.each(
    "E02",
    ["stream", "datagram"],
    "every call fails while the network is down, and works when it is up",
    function*(type) {
      const s = yield* F.make("IPv4", type)
      const down = yield* Scope.make()
      yield* F.world((world) => world.networkDown).pipe(Scope.provide(down))
      yield* everyCallFails("while the network is down", "WSAENETDOWN", s, "IPv4")
      yield* F.fails("socket", "WSAENETDOWN", F.make("IPv4", type))
      yield* Scope.close(down, Exit.void)
      yield* Winsock.bind(s, yield* F.local("IPv4"))
      yield* F.claim("it is bound", (yield* F.portOf(s)) !== 0)
    }
  ),
  F.row("E02", "a start-up while the network is down fails with WSASYSNOTREADY", function*() {
    const instance = yield* F.world((world) => world.instance)
    yield* F.world((world) => world.networkDown)
    yield* F.fails("the start-up", "WSASYSNOTREADY", Layer.build(Layer.fresh(instance)))
  })
]

const e03 = [
  ...(["stream", "datagram"] as const).flatMap((type) =>
    F.each("E03", F.inet, `two sockets of one instance cannot have one port: ${type}`, function*(family) {
      const { address, socket } = yield* F.bound(family, type)
      const port = SocketAddress.portOf(address)!
      const second = yield* F.make(family, type)
      yield* F.fails("the same address", "WSAEADDRINUSE", Winsock.bind(second, address))
      yield* F.fails("the wildcard on its port", "WSAEADDRINUSE", Winsock.bind(second, F.wildcard(family, port)))
      yield* F.fails("getsockname afterwards", "WSAEINVAL", Winsock.getsockname(second))
      yield* Winsock.closesocket(socket)
      yield* Winsock.bind(second, address)
      yield* F.equal("getsockname once it is free", yield* Winsock.getsockname(second), address)
    })
  ),
  F.row("E03", "two sockets of one instance cannot have one path", function*() {
    const { address } = yield* F.bound("Unix")
    yield* F.fails("bind", "WSAEADDRINUSE", Winsock.bind(yield* F.make("Unix"), address))
  }),
  ...(["stream", "datagram"] as const).flatMap((type) =>
    F.each("E03", F.inet, `an address that another program has is in use: ${type}`, function*(family) {
      const taken = yield* F.world((world) => world.taken(family, type))
      const s = yield* F.make(family, type)
      const error = yield* F.fails("bind", "WSAEADDRINUSE", Winsock.bind(s, taken))
      yield* F.equal("the call in the error", error.call, "bind")
      yield* Winsock.bind(s, yield* F.local(family))
    })
  ),
  F.row("E03", "a path that another program has is in use", function*() {
    const taken = yield* F.world((world) => world.taken("Unix", "stream"))
    yield* F.fails("bind", "WSAEADDRINUSE", Winsock.bind(yield* F.make("Unix"), taken))
  }),
  ...F.each("E03", F.inet, "two sockets that share a port cannot connect to one peer", function*(family) {
    const { address } = yield* F.listening(family)
    const first = yield* F.make(family)
    const second = yield* F.make(family)
    yield* Winsock.setsockopt(first, SocketOption.SO_REUSEADDR, true)
    yield* Winsock.setsockopt(second, SocketOption.SO_REUSEADDR, true)
    yield* Winsock.bind(first, yield* F.local(family))
    const name = yield* Winsock.getsockname(first)
    yield* Winsock.bind(second, name)
    yield* Winsock.WSAConnect(first, address)
    yield* F.fails("the second", "WSAEADDRINUSE", Winsock.WSAConnect(second, address))
    const other = yield* F.listening(family)
    yield* Winsock.WSAConnect(second, other.address)
    yield* F.equal("the port of the second", yield* Winsock.getsockname(second), name)
  })
]

const e04 = [
  ...F.each("E04", F.inet, "a connect that is pending ends with WSAEINTR when its socket is closed", function*(family) {
    const address = yield* F.world((world) => world.blackholed(family))
    const s = yield* F.make(family)
    const fiber = yield* F.begin(Winsock.WSAConnect(s, address))
    yield* F.goesOn("the attempt", fiber)
    yield* Winsock.closesocket(s)
    yield* F.failed("the attempt", "WSAEINTR", fiber)
    yield* F.fails("WSAConnect afterwards", "WSAENOTSOCK", Winsock.WSAConnect(s, address))
  }),
  ...F.each(
    "E04",
    F.inet,
    "a connectResult that waits ends with WSAEINTR when its socket is closed",
    function*(family) {
      const { socket } = yield* F.pending(family)
      const fiber = yield* F.begin(Winsock.connectResult(socket, { wait: true }))
      yield* Winsock.closesocket(socket)
      yield* F.failed("connectResult", "WSAEINTR", fiber)
    }
  ),
  ...F.each(
    "E04",
    F.inet,
    "interrupting the fiber is an interruption, not WSAEINTR, and leaves the socket usable",
    function*(family) {
      const { address, client, server } = yield* F.pair(family)
      const fiber = yield* F.begin(Winsock.recv(client))
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      yield* F.claim("it was interrupted", Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      yield* F.talk(client, server)
      yield* F.equal("getpeername", yield* Winsock.getpeername(client), address)
    }
  )
]

const e07 = [
  ...F.each(
    "E07",
    F.inet,
    "a stream to port 0 or to the all-zero address fails with WSAEADDRNOTAVAIL",
    function*(family) {
      const s = yield* F.make(family)
      yield* F.fails("port 0", "WSAEADDRNOTAVAIL", Winsock.WSAConnect(s, yield* F.local(family)))
      yield* F.fails("all zero", "WSAEADDRNOTAVAIL", Winsock.WSAConnect(s, F.wildcard(family, 9)))
      yield* F.fails("both", "WSAEADDRNOTAVAIL", Winsock.WSAConnect(s, F.wildcard(family)))
      yield* F.fails("getsockname", "WSAEINVAL", Winsock.getsockname(s))
      yield* F.nonBlocking(s)
      yield* F.fails("non-blocking", "WSAEADDRNOTAVAIL", Winsock.WSAConnect(s, F.wildcard(family, 9)))
      yield* F.equal("SO_ERROR", yield* Winsock.getsockopt(s, SocketOption.SO_ERROR), 0)
    }
  ),
  ...F.each("E07", F.inet, "a datagram socket connects to port 0", function*(family) {
    const s = yield* F.make(family, "datagram")
    const address = yield* F.local(family)
    yield* Winsock.WSAConnect(s, address)
    yield* F.equal("getpeername", yield* Winsock.getpeername(s), address)
    yield* F.equal("own host", SocketAddress.sameHost(yield* Winsock.getsockname(s), address), true)
    yield* F.equal("bytes taken by send", yield* Winsock.send(s, F.text("x")), 1)
    const peer = yield* F.bound(family, "datagram")
    yield* Winsock.WSAConnect(s, peer.address)
    yield* Winsock.send(s, F.text("real"))
    yield* F.nextIs("what a real peer gets", peer.socket, "real")
  }),
  F.row("E07", "an IPv4-mapped address cannot be reached from a socket that is for IPv6 only", function*() {
    const { address } = yield* F.listening("IPv4")
    const s = yield* F.make("IPv6")
    const mapped = F.at(`[::ffff:127.0.0.1]:${SocketAddress.portOf(address)}` as SocketAddress.Input)
    yield* F.fails("WSAConnect", "WSAEADDRNOTAVAIL", Winsock.WSAConnect(s, mapped))
    yield* Winsock.setsockopt(s, SocketOption.IPV6_V6ONLY, false)
    yield* Winsock.WSAConnect(s, mapped)
  })
]

const addresses = { IPv4: "127.0.0.1:9", IPv6: "[::1]:9", Unix: "unix:/nowhere" } as const

const e08 = [
  ...F.each("E08", F.families, "a stream takes no address of another family", function*(family) {
    const s = yield* F.make(family)
    for (const other of F.families.filter((other) => other !== family)) {
      yield* F.fails(`WSAConnect to ${other}`, "WSAEAFNOSUPPORT", Winsock.WSAConnect(s, addresses[other]))
      yield* F.fails(`bind to ${other}`, "WSAEAFNOSUPPORT", Winsock.bind(s, addresses[other]))
    }
    yield* F.fails(
      "WSAConnect to IPX",
      "WSAEAFNOSUPPORT",
      Winsock.WSAConnect(s, F.anything({ family: "IPX", port: 9 }))
    )
  }),
  ...F.each("E08", F.inet, "a datagram socket takes no address of another family", function*(family) {
    const { address, socket } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    yield* Winsock.WSAConnect(s, address)
    for (const other of F.families.filter((other) => other !== family)) {
      yield* F.fails(`WSAConnect to ${other}`, "WSAEAFNOSUPPORT", Winsock.WSAConnect(s, addresses[other]))
      yield* F.fails(`sendto ${other}`, "WSAEAFNOSUPPORT", Winsock.sendto(s, F.text("x"), addresses[other]))
    }
    yield* F.equal("the peer stays", yield* Winsock.getpeername(s), address)
    yield* Winsock.send(s, F.text("still"))
    yield* F.nextIs("what it gets", socket, "still")
  })
]

const e09 = [
  ...F.each("E09", F.families, "nobody listens: WSAECONNREFUSED", function*(family) {
    const { address } = yield* F.bound(family)
    for (let i = 0; i < 3; i++) {
      const s = yield* F.make(family)
      const error = yield* F.fails("WSAConnect", "WSAECONNREFUSED", Winsock.WSAConnect(s, address))
      yield* F.equal("the peer in the error", error.remote, address)
      yield* F.equal("the call in the error", error.call, "WSAConnect")
      yield* F.equal(
        "the call in the error of connect",
        (yield* F.errorOf("connect", Winsock.connect(s, address))).call,
        "connect"
      )
    }
  }),
  ...F.each("E09", F.families, "after the listener was closed: WSAECONNREFUSED", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    yield* Winsock.WSAConnect(yield* F.make(family), address)
    yield* Winsock.closesocket(listener)
    yield* F.fails("WSAConnect", "WSAECONNREFUSED", Winsock.WSAConnect(yield* F.make(family), address))
  }),
  ...F.each(
    "E09",
    F.inet,
    "a caller beyond the backlog is refused or not answered, or reset where it was let in already",
    function*(family) {
      const bounded = yield* Winsock.Winsock.use((winsock) =>
        Effect.succeed(winsock.capabilities({ family, type: "stream", direction: "both" }).boundedBacklog)
      )
      const { address, socket: listener } = yield* F.listening(family, 1)
      const first = yield* F.make(family)
      yield* Winsock.WSAConnect(first, address)
      const second = yield* F.make(family)
      if (bounded) {
        const code = yield* F.world((world) => world.beyondBacklog)
        yield* F.fails("the second", code, Winsock.WSAConnect(second, address))
      } else {
        // The reset may be there before the caller's side has told that it is connected.
        const end = yield* F.errorOf(
          "the second",
          Effect.andThen(Winsock.WSAConnect(second, address), Winsock.recv(second))
        )
        yield* F.equal("what the second meets", end._tag, "WSAECONNRESET")
      }
      const { socket: server } = yield* Winsock.accept(listener)
      yield* F.talk(first, server)
      const third = yield* F.make(family)
      yield* Winsock.WSAConnect(third, address)
      yield* F.talk(third, (yield* Winsock.accept(listener)).socket)
    }
  )
]

const undecodable: ReadonlyArray<readonly [what: string, value: unknown]> = [
  ["nothing", undefined],
  ["null", null],
  ["a number", 7],
  ["no text", ""],
  ["a host name", "localhost:80"],
  ["no port", "127.0.0.1"],
  ["a port that is too big", "127.0.0.1:65536"],
  ["a negative port", { address: "127.0.0.1", port: -1 }],
  ["a fraction of a port", { address: "127.0.0.1", port: 1.5 }],
  ["no address", { port: 80 }],
  ["bytes", new Uint8Array(4)],
  ["a path that is too long", `unix:/${"x".repeat(200)}`]
]

const e10 = [
  ...F.each(
    "E10",
    ["stream", "datagram"],
    "an address that does not decode fails with WSAEFAULT, and leaves the socket as it was",
    function*(type) {
      const s = yield* F.make("IPv4", type)
      for (const [what, value] of undecodable) {
        yield* F.fails(`WSAConnect to ${what}`, "WSAEFAULT", Winsock.WSAConnect(s, F.anything(value)))
        yield* F.fails(`connect to ${what}`, "WSAEFAULT", Winsock.connect(s, F.anything(value)))
        yield* F.fails(`bind to ${what}`, "WSAEFAULT", Winsock.bind(s, F.anything(value)))
      }
      yield* F.fails("getsockname", "WSAEINVAL", Winsock.getsockname(s))
      yield* Winsock.bind(s, yield* F.local("IPv4"))
    }
  ),
  ...F.each(
    "E10",
    F.families,
    "a capacity or a QOS that does not decode fails with WSAEFAULT",
    function*(family) {
      const { address } = yield* F.listening(family)
      const s = yield* F.make(family)
      for (const capacity of [-1, 1.5, NaN, 2 ** 32, "8", {}]) {
        yield* F.fails(
          `callee data ${String(capacity)}`,
          "WSAEFAULT",
          Winsock.WSAConnect(s, address, { calleeData: F.anything(capacity) })
        )
      }
      for (
        const qos of [
          5,
          "guaranteed",
          { sending: 1 },
          { sending: { serviceType: "best" } },
          { receiving: { serviceType: "guaranteed", tokenRate: -1 } },
          { sending: { serviceType: "guaranteed" } },
          { sending: { serviceType: "networkUnavailable" } },
          { receiving: { serviceType: "generalInformation" } },
          { sending: { serviceType: "bestEffort", tokenRate: 2, peakBandwidth: 1 } },
          { sending: { serviceType: "bestEffort", tokenBucketSize: 1, maxSduSize: 2 } },
          { providerSpecific: F.pattern(9) }
        ]
      ) {
        const what = JSON.stringify(qos)
        yield* F.fails(`sqos ${what}`, "WSAEFAULT", Winsock.WSAConnect(s, address, { sqos: F.anything(qos) }))
        yield* F.fails(`gqos ${what}`, "WSAEFAULT", Winsock.WSAConnect(s, address, { gqos: F.anything(qos) }))
      }
      yield* F.fails("getsockname", "WSAEINVAL", Winsock.getsockname(s))
      yield* Winsock.WSAConnect(s, address)
    }
  ),
  F.row("E10", "caller data that is too large, or is not bytes, fails with WSAEFAULT", function*() {
    const carrying = yield* F.world((world) => world.carrying)
    yield* F.within(
      carrying,
      Effect.gen(function*() {
        const { address, socket: listener } = yield* F.listening("IPv4")
        const s = yield* F.make("IPv4")
        yield* F.fails("17 of 16 bytes", "WSAEFAULT", Winsock.WSAConnect(s, address, { callerData: F.pattern(17) }))
        for (const bytes of ["text", [1, 2], 5, new ArrayBuffer(2)]) {
          yield* F.fails(
            "what is not bytes",
            "WSAEFAULT",
            Winsock.WSAConnect(s, address, { callerData: F.anything(bytes) })
          )
        }
        yield* F.fails("getsockname", "WSAEINVAL", Winsock.getsockname(s))
        const fiber = yield* F.begin(Winsock.WSAConnect(s, address, { callerData: F.pattern(16) }))
        yield* Winsock.accept(listener)
        yield* Fiber.join(fiber)
      })
    )
  }),
  ...F.each("E10", F.inet, "what is to be sent or received into has to be bytes", function*(family) {
    const { client, server } = yield* F.pair(family)
    yield* F.fails("send of text", "WSAEFAULT", Winsock.send(client, F.anything("text")))
    yield* F.fails("recv into text", "WSAEFAULT", Winsock.recv(client, F.anything("text")))
    yield* F.fails("recv of a negative length", "WSAEFAULT", Winsock.recv(client, -1))
    yield* F.talk(client, server)
  })
]

const e11 = [
  ...F.each("E11", F.families, "a listening socket cannot connect: WSAEINVAL", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const other = yield* F.listening(family)
    yield* F.fails("WSAConnect", "WSAEINVAL", Winsock.WSAConnect(listener, other.address))
    yield* F.fails("connect to itself", "WSAEINVAL", Winsock.connect(listener, address))
    yield* Winsock.WSAConnect(yield* F.make(family), address)
    yield* Winsock.accept(listener)
  })
]

const e12 = F.each(
  "E12",
  F.families,
  "a connected stream cannot connect: WSAEISCONN, also after a shutdown",
  function*(family) {
    const { address, client } = yield* F.pair(family)
    yield* F.fails("WSAConnect", "WSAEISCONN", Winsock.WSAConnect(client, address))
    yield* Winsock.shutdown(client, "send")
    yield* F.fails("WSAConnect after a shutdown", "WSAEISCONN", Winsock.WSAConnect(client, address))
    yield* Winsock.shutdown(client, "both")
    yield* F.fails("WSAConnect after both", "WSAEISCONN", Winsock.WSAConnect(client, address))
    yield* F.nonBlocking(client)
    yield* F.fails("non-blocking WSAConnect", "WSAEISCONN", Winsock.WSAConnect(client, address))
  }
)

const connectFails = (id: string, code: WsaError.Code) => [
  ...F.each(id, F.inet, `an attempt fails with ${code}`, function*(family) {
    const address = yield* F.world((world) => world.failing(family, code))
    const s = yield* F.make(family)
    const error = yield* F.fails("WSAConnect", code, Winsock.WSAConnect(s, address))
    yield* F.equal("the peer in the error", error.remote, address)
    yield* F.equal("SO_ERROR after a blocking connect", yield* Winsock.getsockopt(s, SocketOption.SO_ERROR), 0)
    yield* F.fails("getpeername", "WSAENOTCONN", Winsock.getpeername(s))
  })
]

const e14 = [
  ...F.each(
    "E14",
    F.inet,
    "ephemeral ports are used up: WSAENOBUFS, and a socket that is closed makes room",
    function*(family) {
      const few = yield* F.world((world) => world.fewPorts)
      yield* F.within(
        few,
        Effect.gen(function*() {
          const listener = yield* F.make(family)
          yield* Winsock.bind(listener, F.withPort(yield* F.local(family), 20_000))
          yield* Winsock.listen(listener)
          const address = yield* Winsock.getsockname(listener)
          const first = yield* F.make(family)
          yield* Winsock.WSAConnect(first, address)
          const second = yield* F.make(family)
          yield* Winsock.WSAConnect(second, address)
          const third = yield* F.make(family)
          const error = yield* F.fails("the third connect", "WSAENOBUFS", Winsock.WSAConnect(third, address))
          yield* F.equal("the call in the error", error.call, "WSAConnect")
          yield* F.fails("getpeername", "WSAENOTCONN", Winsock.getpeername(third))
          const servers = [yield* Winsock.accept(listener), yield* Winsock.accept(listener)]
          // The end that closes last has no TIME_WAIT to keep the port from being used again.
          yield* Winsock.closesocket(servers[0]!.socket)
          yield* F.equal("the end at the first", (yield* Winsock.recv(first)).length, 0)
          yield* Winsock.closesocket(first)
          yield* Winsock.WSAConnect(third, address)
        })
      )
    }
  ),
  ...(["stream", "datagram"] as const).flatMap((type) =>
    F.each("E14", F.inet, `no port is left for a bind to port 0: WSAENOBUFS: ${type}`, function*(family) {
      const few = yield* F.world((world) => world.fewPorts)
      yield* F.within(
        few,
        Effect.gen(function*() {
          const first = yield* F.bound(family, type)
          const second = yield* F.bound(family, type)
          yield* F.claim("two ports", !SocketAddress.same(first.address, second.address))
          const third = yield* F.make(family, type)
          yield* F.fails("the third bind", "WSAENOBUFS", Winsock.bind(third, yield* F.local(family)))
          if (type === "datagram") {
            yield* F.fails("a connect that has to bind", "WSAENOBUFS", Winsock.WSAConnect(third, first.address))
            yield* F.fails("a sendto that has to bind", "WSAENOBUFS", Winsock.sendto(third, F.text("x"), first.address))
          }
          yield* Winsock.closesocket(first.socket)
          yield* Winsock.bind(third, yield* F.local(family))
          yield* F.equal("the port that was freed", yield* Winsock.getsockname(third), first.address)
        })
      )
    })
  ),
  ...F.each(
    "E14",
    ["stream", "datagram"],
    "descriptors are used up: WSAENOBUFS at bind or connect, WSAEMFILE at socket",
    function*(type) {
      const few = yield* F.world((world) => world.fewDescriptors)
      yield* F.within(
        few,
        Effect.gen(function*() {
          let last: Winsock.Socket | undefined
          const error = yield* Effect.flip(Effect.forever(Effect.gen(function*() {
            const { socket } = yield* F.bound("IPv4", type)
            last = socket
          })))
          const at = "call" in error ? error.call : undefined
          if (at === "socket") yield* F.equal("socket", error._tag, "WSAEMFILE")
          else yield* F.equal(`${String(at)}: ${error.message}`, error._tag, "WSAENOBUFS")
          yield* F.claim("one could be bound", last !== undefined)
          yield* Winsock.closesocket(last!)
          yield* F.bound("IPv4", type)
        })
      )
    }
  )
]

const e15 = [
  ...(["stream", "datagram"] as const).flatMap((type) =>
    F.each("E15", F.inet, `every call on a closed socket fails with WSAENOTSOCK: ${type}`, function*(family) {
      const fresh = yield* F.make(family, type)
      yield* Winsock.closesocket(fresh)
      yield* everyCallFails("on a closed socket", "WSAENOTSOCK", fresh, family)
      const { socket } = yield* F.bound(family, type)
      yield* Winsock.closesocket(socket)
      yield* everyCallFails("on a closed bound socket", "WSAENOTSOCK", socket, family)
    })
  ),
  F.row("E15", "every call on what is no socket fails with WSAENOTSOCK", function*() {
    const real = yield* F.make("IPv4")
    const forged = [{}, { kind: real.kind }, Object.create(real), { ...real }, null, undefined, 5, "socket", () => real]
    for (const value of forged) yield* everyCallFails("on a forged handle", "WSAENOTSOCK", F.anything(value), "IPv4")
  }),
  ...F.each("E15", F.inet, "a closed connected socket fails with WSAENOTSOCK, and its peer goes on", function*(family) {
    const { address, client, server } = yield* F.pair(family)
    yield* Winsock.closesocket(client)
    yield* everyCallFails("on a closed connected socket", "WSAENOTSOCK", client, family)
    yield* F.equal("the end at the peer", (yield* Winsock.recv(server)).length, 0)
    yield* F.equal("getsockname of the peer", yield* Winsock.getsockname(server), address)
  })
]

const e17 = [
  ...F.each(
    "E17",
    F.families,
    "caller data that the provider cannot carry fails with WSAEPROTONOSUPPORT",
    function*(family) {
      const max = yield* Winsock.Winsock.use((winsock) =>
        Effect.succeed(winsock.capabilities({ family, type: "stream", direction: "both" }).callerDataMax)
      )
      if (max > 0) yield* World.notHere("this provider carries caller data")
      const { address, socket: listener } = yield* F.listening(family)
      const s = yield* F.make(family)
      yield* F.fails("one byte", "WSAEPROTONOSUPPORT", Winsock.WSAConnect(s, address, { callerData: F.text("x") }))
      yield* F.fails("many", "WSAEPROTONOSUPPORT", Winsock.WSAConnect(s, address, { callerData: F.pattern(1e6) }))
      yield* F.fails("getsockname", "WSAEINVAL", Winsock.getsockname(s))
      yield* F.nonBlocking(listener)
      yield* F.fails("nobody has called", "WSAEWOULDBLOCK", Winsock.accept(listener))
      yield* Winsock.WSAConnect(s, address, { callerData: new Uint8Array(0) })
    }
  ),
  ...F.each(
    "E17",
    F.families,
    "a peer that does not speak the connect-data exchange is WSAEPROTONOSUPPORT, and leaves the socket as a refused one",
    function*(family) {
      const exchanging = yield* F.world((world) => world.exchanging)
      const { address, socket: listener } = yield* F.listening(family)
      const own = yield* F.within(exchanging, F.make(family))
      const attempt = yield* F.begin(Winsock.WSAConnect(own, address, { callerData: F.text("tenant=acme") }))
      const { remote, socket: server } = yield* Winsock.accept(listener)
      yield* F.goesOn("the attempt", attempt)
      yield* Winsock.send(server, F.text("220 at your service\r\n"))
      yield* F.failed("the attempt", "WSAEPROTONOSUPPORT", attempt)
      const plain = yield* F.make(family)
      yield* Winsock.WSAConnect(plain, address)
      if (family === "Unix") return
      yield* F.equal("R26: getsockname", yield* Winsock.getsockname(own), remote)
      const again = yield* F.begin(Winsock.WSAConnect(own, address))
      yield* Winsock.accept(listener)
      yield* F.equal("R26: the same port", (yield* Winsock.accept(listener)).remote, remote)
      yield* F.goesOn("the next attempt", again)
    }
  ),
  ...F.each("E18", F.families, "a peer that never replies to connect data is WSAETIMEDOUT", function*(family) {
    const exchanging = yield* F.world((world) => world.exchanging)
    const { address, socket: listener } = yield* F.listening(family)
    const s = yield* F.within(exchanging, F.make(family))
    const attempt = yield* F.begin(Winsock.WSAConnect(s, address, { callerData: F.text("tenant=acme") }))
    yield* Winsock.accept(listener)
    yield* F.failed("the attempt", "WSAETIMEDOUT", attempt)
  }),
  ...F.each(
    "E17",
    F.families,
    "connect data goes over the exchange in the same world, and a caller that does not speak it is never given",
    function*(family) {
      const exchanging = yield* F.world((world) => world.exchanging)
      const foreign = yield* F.make(family)
      yield* F.within(
        exchanging,
        Effect.gen(function*() {
          const { address, socket: listener } = yield* F.listening(family)
          yield* Winsock.WSAConnect(foreign, address)
          yield* Winsock.send(foreign, F.text("GET / HTTP/1.1\r\n\r\n"))
          const s = yield* F.make(family)
          const attempt = yield* F.begin(
            Winsock.WSAConnect(s, address, { callerData: F.text("tenant=acme"), calleeData: 8 })
          )
          const seen: Array<Uint8Array> = []
          const { socket: server } = yield* Winsock.WSAAccept(listener, ({ callerData }) => {
            seen.push(callerData)
            return Effect.succeed({ verdict: Winsock.CF_ACCEPT, calleeData: F.text("welcome!") })
          })
          yield* F.equal("caller data", seen[0], F.text("tenant=acme"))
          yield* F.equal("callee data", (yield* Fiber.join(attempt)).calleeData, F.text("welcome!"))
          yield* F.talk(s, server)
          const end = yield* Effect.result(Winsock.recv(foreign))
          yield* F.claim(
            "who does not speak it is turned away",
            end._tag === "Success" ? end.success.length === 0 : end.failure._tag === "WSAECONNRESET"
          )
        })
      )
    }
  )
]

const e19 = [
  ...F.each(
    "E19",
    F.inet,
    "a non-blocking socket: connect, accept, recv and recvfrom fail with WSAEWOULDBLOCK",
    function*(family) {
      const { address, socket: listener } = yield* F.listening(family)
      const s = yield* F.make(family)
      yield* F.nonBlocking(s)
      const error = yield* F.fails("WSAConnect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, address))
      yield* F.equal("the number", error._tag === "WSAEWOULDBLOCK" ? error.number : 0, 10_035)
      const { socket: server } = yield* Winsock.accept(listener)
      yield* Winsock.connectResult(s, { wait: true })
      yield* F.fails("recv", "WSAEWOULDBLOCK", Winsock.recv(s))
      yield* F.nonBlocking(listener)
      yield* F.fails("accept", "WSAEWOULDBLOCK", Winsock.accept(listener))
      yield* F.blocking(s)
      yield* F.talk(s, server)
      const datagram = yield* F.bound(family, "datagram")
      yield* F.nonBlocking(datagram.socket)
      yield* F.fails("recv", "WSAEWOULDBLOCK", Winsock.recv(datagram.socket))
      yield* F.fails("recvfrom", "WSAEWOULDBLOCK", Winsock.recvfrom(datagram.socket))
    }
  ),
  ...F.each("E19", F.inet, "a datagram connect never does", function*(family) {
    const { address } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    yield* F.nonBlocking(s)
    yield* Winsock.WSAConnect(s, address)
    yield* Winsock.WSAConnect(s, F.wildcard(family))
  })
]

/** Which error when several apply: the first of the order. */
const order = [
  F.row("E10", "of several errors the first of the order is told: the address before the state", function*() {
    const { address, client } = yield* F.pair("IPv4")
    const { socket: listener } = yield* F.listening("IPv4")
    for (
      const [what, s, code] of [["connected", client, "WSAEISCONN"], ["listening", listener, "WSAEINVAL"]] as const
    ) {
      yield* F.fails(`${what}: nonsense`, "WSAEFAULT", Winsock.WSAConnect(s, "nonsense" as never))
      yield* F.fails(`${what}: another family`, "WSAEAFNOSUPPORT", Winsock.WSAConnect(s, "[::]:0"))
      yield* F.fails(`${what}: all zero`, code, Winsock.WSAConnect(s, "0.0.0.0:0"))
      yield* F.fails(
        `${what}: caller data and QOS`,
        code,
        Winsock.WSAConnect(s, address, {
          callerData: F.text("x"),
          calleeData: -1,
          sqos: { sending: { serviceType: "guaranteed", tokenRate: 16_000 } }
        })
      )
    }
    const s = yield* F.make("IPv4")
    yield* F.fails(
      "all zero before what goes along",
      "WSAEADDRNOTAVAIL",
      Winsock.WSAConnect(s, "0.0.0.0:9", { calleeData: -1, sqos: F.anything(5) })
    )
  }),
  F.row(
    "E17",
    "caller data before the capacity and the QOS, what does not decode before what cannot be honoured",
    function*() {
      const { address } = yield* F.listening("IPv4")
      const s = yield* F.make("IPv4")
      const guaranteed: Qos.Qos = { sending: { serviceType: "guaranteed", tokenRate: 16_000 } }
      const callerData = F.text("x")
      yield* F.fails(
        "caller data and capacity",
        "WSAEPROTONOSUPPORT",
        Winsock.WSAConnect(s, address, { callerData, calleeData: -1 })
      )
      yield* F.fails(
        "caller data and QOS",
        "WSAEPROTONOSUPPORT",
        Winsock.WSAConnect(s, address, { callerData, sqos: guaranteed })
      )
      yield* F.fails(
        "capacity and QOS",
        "WSAEFAULT",
        Winsock.WSAConnect(s, address, { calleeData: -1, sqos: guaranteed })
      )
      yield* F.fails(
        "a bad group QOS and a QOS",
        "WSAEFAULT",
        Winsock.WSAConnect(s, address, { sqos: guaranteed, gqos: F.anything(5) })
      )
    }
  ),
  F.row("E16", "a QOS before the local association and what the provider says", function*() {
    const { address } = yield* F.bound("IPv4")
    const s = yield* F.make("IPv4")
    yield* F.fails(
      "QOS and a dead port",
      "WSAEOPNOTSUPP",
      Winsock.WSAConnect(s, address, { sqos: F.impossible })
    )
  })
]

export const errorRows: ReadonlyArray<F.Case> = [
  ...e01,
  ...e02,
  ...e03,
  ...e04,
  ...e07,
  ...e08,
  ...e09,
  ...e10,
  ...e11,
  ...e12,
  ...connectFails("E13", "WSAENETUNREACH"),
  ...connectFails("E13", "WSAEHOSTUNREACH"),
  ...e14,
  ...e15,
  ...e17,
  ...connectFails("E18", "WSAETIMEDOUT"),
  ...e19,
  ...order,
  ...alsoErrors
]
