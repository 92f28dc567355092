// What makes a call fail, what Node says then, and the code that comes of it: the evidence for the conversion table,
// `WsaError.nativeRules`. Each cause is brought about for real by KernelFaults.test.ts, and docs/causes.md is written from
// here (scripts/causes.ts): so the words that are expected stand here too.
import { type SocketAddress, SocketOption, Winsock, type WsaError } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { Effect, Exit, Fiber, Layer, Scope } from "effect"
import * as fs from "node:fs"
import type * as net from "node:net"
import * as path from "node:path"
import * as Worlds from "./worlds.ts"

export interface Cause {
  /** What is the matter, in plain words. */
  readonly cause: string
  /** The rows that it shows. */
  readonly rows: ReadonlyArray<string>
  readonly world: Worlds.WorldName
  readonly call: WsaError.Call
  /** What Node said: system call, name, number. Absent where nobody asked Node. */
  readonly said?: string
  /** What the call fails with; absent where it succeeds in spite of it all. */
  readonly code?: WsaError.Code
  /** The least that it takes, in seconds, where waiting is part of it. */
  readonly least?: number
  /** Brings it about. It fails with what the call fails with, and dies where it comes to something else. */
  readonly run: Effect.Effect<unknown, WsaError.WsaError, Winsock.Winsock | Scope.Scope>
}

export interface Group {
  readonly title: string
  readonly causes: ReadonlyArray<Cause>
}

// --- calls -----------------------------------------------------------------------------------------------------------

type Family = SocketAddress.Family

const bytes = new Uint8Array(8)

const familyOf = (address: string): Family =>
  address.startsWith("unix:") ? "Unix" : address.startsWith("[") ? "IPv6" : "IPv4"

const socket = (type: "stream" | "datagram", address: string) => Winsock.socket({ family: familyOf(address), type })

const at = (address: string) => address as SocketAddress.Input

const connect = (address: string) =>
  Effect.flatMap(socket("stream", address), (s) => Effect.as(Winsock.WSAConnect(s, at(address)), s))

const connectFrom = (local: string, address: string) =>
  Effect.gen(function*() {
    const s = yield* socket("stream", address)
    yield* Winsock.bind(s, at(local))
    yield* Winsock.WSAConnect(s, at(address))
    return s
  })

const setPeer = (address: string) =>
  Effect.flatMap(socket("datagram", address), (s) => Effect.as(Winsock.WSAConnect(s, at(address)), s))

const bind = (type: "stream" | "datagram", address: string) =>
  Effect.flatMap(socket(type, address), (s) => Effect.as(Winsock.bind(s, at(address)), s))

const sendto = (address: string, what: Uint8Array = bytes) =>
  Effect.flatMap(socket("datagram", address), (s) => Winsock.sendto(s, what, at(address)))

/** What an earlier datagram to the peer met, as a receive tells it. */
const word = (address: string, what: Uint8Array = bytes) =>
  Effect.gen(function*() {
    const s = yield* setPeer(address)
    yield* Winsock.send(s, what)
    yield* Winsock.recv(s)
  })

/** What it fails with. */
const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<E, never, R> =>
  Effect.flip(Effect.andThen(effect, Effect.die("it has succeeded")))

/** The code that a connection breaks with; every later call has to go by it (R21). */
const breaking = (s: Winsock.Socket) =>
  Effect.gen(function*() {
    const broke = yield* failureOf(Winsock.recv(s))
    const elsewhere = s.kind.family === "Unix" ? "unix:/nobody" : "127.0.0.1:9"
    const later = [
      (yield* failureOf(Winsock.recv(s)))._tag,
      (yield* failureOf(Winsock.send(s, bytes)))._tag,
      (yield* failureOf(Winsock.WSAConnect(s, elsewhere)))._tag
    ].join(", ")
    const expected = `${broke._tag}, ${broke._tag}, WSAEISCONN`
    if (later !== expected) return yield* Effect.die(`R21: ${broke._tag}, but later ${later}`)
    return yield* Effect.fail(broke)
  })

const expecting = <E extends { readonly _tag: string }>(tag: E["_tag"]) => (error: E) =>
  error._tag === tag ? Effect.void : Effect.die(error)

/** Issues an attempt without waiting for it. */
const begin = (address: string) =>
  Effect.gen(function*() {
    const s = yield* socket("stream", address)
    yield* Winsock.ioctlsocket(s, "FIONBIO", true)
    yield* Effect.catch(Winsock.WSAConnect(s, at(address)), expecting("WSAEWOULDBLOCK"))
    return s
  })

/** An address as in a URL. */
const withPort = (host: string, port: number) => `${host.includes(":") ? `[${host}]` : host}:${port}`

const served = (onConnection?: (socket: net.Socket) => void, host = "127.0.0.1") =>
  Effect.map(Worlds.serve({ host }, onConnection), ({ port }) => withPort(host, port))

const silent = (host: string) => withPort(host, Worlds.silentPort)

// --- the causes ------------------------------------------------------------------------------------------------------

/** Codes of "destination unreachable", as a router says them, and what they mean (RFC 792, 1122, 1812). */
const onAttempt = [
  [0, "net unreachable", "ENETUNREACH -101", "WSAENETUNREACH"],
  [1, "host unreachable", "EHOSTUNREACH -113", "WSAEHOSTUNREACH"],
  [2, "protocol unreachable", "ENOPROTOOPT -92", "WSAENETUNREACH"],
  [3, "port unreachable", "ECONNREFUSED -111", "WSAECONNREFUSED"],
  [5, "source route failed", "ENOTSUP -95", "WSAEHOSTUNREACH"],
  [6, "net unknown", "ENETUNREACH -101", "WSAENETUNREACH"],
  [7, "host unknown", "EHOSTDOWN -112", "WSAEHOSTDOWN"],
  [8, "source host isolated", "ENONET -64", "WSAEHOSTUNREACH"],
  [9, "net prohibited", "ENETUNREACH -101", "WSAENETUNREACH"],
  [10, "host prohibited", "EHOSTUNREACH -113", "WSAEHOSTUNREACH"],
  [11, "net unreachable for this service", "ENETUNREACH -101", "WSAENETUNREACH"],
  [12, "host unreachable for this service", "EHOSTUNREACH -113", "WSAEHOSTUNREACH"],
  [13, "administratively prohibited", "EHOSTUNREACH -113", "WSAEHOSTUNREACH"],
  [14, "host precedence violation", "EHOSTUNREACH -113", "WSAEHOSTUNREACH"],
  [15, "precedence cutoff", "EHOSTUNREACH -113", "WSAEHOSTUNREACH"]
] as const

/** The same for a datagram socket with a peer. Of codes 0 and 1, which may pass, Linux does not tell it. */
const onDatagram = [
  [2, "protocol unreachable", "ENOPROTOOPT -92", "WSAENETUNREACH"],
  [3, "port unreachable", "ECONNREFUSED -111", "WSAECONNRESET"],
  [4, "too long for the path", "EMSGSIZE -90", "WSAEMSGSIZE"],
  [6, "net unknown", "ENETUNREACH -101", "WSAENETUNREACH"],
  [7, "host unknown", "EHOSTDOWN -112", "WSAEHOSTUNREACH"],
  [8, "source host isolated", "ENONET -64", "WSAEHOSTUNREACH"],
  [9, "net prohibited", "ENETUNREACH -101", "WSAENETUNREACH"],
  [13, "administratively prohibited", "EHOSTUNREACH -113", "WSAEHOSTUNREACH"]
] as const

const rowsOf = (code: WsaError.Code): ReadonlyArray<string> =>
  code === "WSAECONNREFUSED" ? ["E09"] : code === "WSAECONNRESET" || code === "WSAEMSGSIZE" ? ["A09"] : ["E13"]

const unreachable = (code: number) => withPort(Worlds.unreachable(code), 9)

/** A connection through a device, and the device. */
const throughTun = (options?: Parameters<typeof Worlds.tun>[0], onConnection?: (socket: net.Socket) => void) =>
  Effect.gen(function*() {
    const tun = yield* Worlds.tun(options)
    const { port } = yield* Worlds.serve({ host: `${tun.network}.1` }, onConnection)
    const s = yield* connect(`${tun.network}.2:${port}`)
    return { s, tun }
  })

const lost = { loss: 1 }

/** An attempt that nobody answers, and that has to send so many SYNs. */
const countingSyns = (expected: number) =>
  Effect.gen(function*() {
    const count = yield* Worlds.countOut("192.0.2.2", Worlds.silentPort)
    const error = yield* failureOf(connect(silent("192.0.2.2")))
    if (count() !== expected) return yield* Effect.die(`${count()} SYNs instead of ${expected}`)
    return yield* Effect.fail(error)
  })

/** A connection whose other end is in this process, and that end. */
const connected = Effect.gen(function*() {
  let take: (socket: net.Socket) => void
  const taken = new Promise<net.Socket>((resolve) => {
    take = resolve
  })
  const { port } = yield* Worlds.serve({ host: "127.0.0.1" }, (socket) => take(socket))
  const s = yield* connect(`127.0.0.1:${port}`)
  return { s, port, peer: yield* Effect.promise(() => taken) }
})

const path_: Group = {
  title: "On the way to the peer",
  causes: [
    {
      cause: "nobody listens on the port",
      rows: ["E09"],
      world: "network",
      call: "WSAConnect",
      said: "connect ECONNREFUSED -111",
      code: "WSAECONNREFUSED",
      run: connect("127.0.0.1:7")
    },
    {
      cause: "nobody listens on the port, over IPv6",
      rows: ["E09"],
      world: "network",
      call: "WSAConnect",
      said: "connect ECONNREFUSED -111",
      code: "WSAECONNREFUSED",
      run: connect("[::1]:7")
    },
    {
      cause: "a firewall on the way answers with a reset",
      rows: ["E09"],
      world: "network",
      call: "WSAConnect",
      said: "connect ECONNREFUSED -111",
      code: "WSAECONNREFUSED",
      run: connect("198.51.100.4:7")
    },
    {
      cause: "a firewall on the way answers with a reset, over IPv6",
      rows: ["E09"],
      world: "network",
      call: "WSAConnect",
      said: "connect ECONNREFUSED -111",
      code: "WSAECONNREFUSED",
      run: connect("[2001:db8:1::4]:7")
    },
    {
      cause: "the SYN is dropped, and sent again once",
      rows: ["E18"],
      world: "oneRetry",
      call: "WSAConnect",
      said: "connect ETIMEDOUT -110",
      code: "WSAETIMEDOUT",
      least: 2.5,
      run: countingSyns(2)
    },
    {
      cause: "the SYN of a non-blocking attempt is dropped, over IPv6",
      rows: ["E18", "R23"],
      world: "oneRetry",
      call: "connectResult",
      said: "connect ETIMEDOUT -110",
      code: "WSAETIMEDOUT",
      least: 2.5,
      run: Effect.flatMap(begin(silent("2001:db8::2")), (s) => Winsock.connectResult(s, { wait: true }))
    },
    {
      cause: "the SYN is dropped, and sent again six times",
      rows: ["E18"],
      world: "sixRetries",
      call: "WSAConnect",
      said: "connect ETIMEDOUT -110",
      code: "WSAETIMEDOUT",
      least: 6.5,
      run: countingSyns(7)
    },
    {
      cause: "the firewall of this machine drops the SYN",
      rows: ["E18"],
      world: "oneRetry",
      call: "WSAConnect",
      said: "connect ETIMEDOUT -110",
      code: "WSAETIMEDOUT",
      least: 2.5,
      run: Effect.andThen(Worlds.dropOut("tcp", "192.0.2.2", 10), connect("192.0.2.2:10"))
    },
    {
      cause: "the first SYN is lost, the second one arrives",
      rows: ["R02"],
      world: "oneRetry",
      call: "WSAConnect",
      least: 0.9,
      run: Effect.gen(function*() {
        const { port } = yield* Worlds.serve({ host: "127.0.0.1" })
        yield* Worlds.dropFirst(port)
        yield* connect(`127.0.0.1:${port}`)
      })
    },
    {
      cause: "every packet takes 200 ms",
      rows: ["R02"],
      world: "patientTun",
      call: "WSAConnect",
      least: 0.4,
      run: throughTun({ delay: 200 })
    },
    {
      cause: "a tenth of the packets is lost, and 100000 bytes arrive all the same",
      rows: ["R02", "A08"],
      world: "patientTun",
      call: "recv",
      run: Effect.gen(function*() {
        const { s } = yield* throughTun({ loss: 0.1, seed: 7 }, (socket) => socket.end(new Uint8Array(100_000)))
        let length = 0
        for (;;) {
          const arrived = (yield* Winsock.recv(s)).length
          if (arrived === 0) break
          length += arrived
        }
        if (length !== 100_000) return yield* Effect.die(`${length} bytes`)
      })
    },
    {
      cause: "there is no route to the network",
      rows: ["E13"],
      world: "network",
      call: "WSAConnect",
      said: "connect ENETUNREACH -101",
      code: "WSAENETUNREACH",
      run: connect("100.64.0.1:9")
    },
    {
      cause: "there is no route to the network, over IPv6",
      rows: ["E13"],
      world: "network",
      call: "WSAConnect",
      said: "connect ENETUNREACH -101",
      code: "WSAENETUNREACH",
      run: connect("[2001:db8:3::1]:9")
    },
    {
      cause: "the router has no route to the network",
      rows: ["E13"],
      world: "network",
      call: "WSAConnect",
      said: "connect ENETUNREACH -101",
      code: "WSAENETUNREACH",
      run: connect("203.0.113.1:9")
    },
    {
      cause: "the router has no route to the network, over IPv6",
      rows: ["E13"],
      world: "network",
      call: "WSAConnect",
      said: "connect ENETUNREACH -101",
      code: "WSAENETUNREACH",
      run: connect("[2001:db8:1:1::1]:9")
    },
    {
      cause: "a firewall on the way says that the host is unreachable",
      rows: ["E13"],
      world: "network",
      call: "WSAConnect",
      said: "connect EHOSTUNREACH -113",
      code: "WSAEHOSTUNREACH",
      run: connect("198.51.100.2:7")
    },
    {
      cause: "a firewall on the way says that it is prohibited",
      rows: ["E13"],
      world: "network",
      call: "WSAConnect",
      said: "connect EHOSTUNREACH -113",
      code: "WSAEHOSTUNREACH",
      run: connect("198.51.100.3:7")
    },
    {
      cause: "a firewall on the way says that the host is unreachable, over IPv6",
      rows: ["E13"],
      world: "network",
      call: "WSAConnect",
      said: "connect EHOSTUNREACH -113",
      code: "WSAEHOSTUNREACH",
      run: connect("[2001:db8:1::2]:7")
    },
    {
      cause: "a firewall on the way says that it is prohibited, over IPv6",
      rows: ["E20"],
      world: "network",
      call: "WSAConnect",
      said: "connect EACCES -13",
      code: "WSAEACCES",
      run: connect("[2001:db8:1::3]:7")
    },
    {
      cause: "nobody answers to the peer's address on the local network (ARP)",
      rows: ["E13"],
      world: "sixRetries",
      call: "WSAConnect",
      said: "connect EHOSTUNREACH -113",
      code: "WSAEHOSTUNREACH",
      least: 1,
      run: connect("192.0.2.77:9")
    },
    {
      cause: "nobody answers to the peer's address on the local network (neighbour discovery)",
      rows: ["E13"],
      world: "sixRetries",
      call: "WSAConnect",
      said: "connect EHOSTUNREACH -113",
      code: "WSAEHOSTUNREACH",
      least: 1,
      run: connect("[2001:db8::77]:9")
    },
    ...["IPv4", "IPv6"].flatMap((family): ReadonlyArray<Cause> => {
      const over = family === "IPv4" ? "" : ", over IPv6"
      const to = (n: number) => family === "IPv4" ? `198.18.${n}.1:9` : `[2001:db8:2:${n}::1]:9`
      return [
        {
          cause: `the route says: unreachable${over}`,
          rows: ["E13"],
          world: "network",
          call: "WSAConnect",
          said: "connect EHOSTUNREACH -113",
          code: "WSAEHOSTUNREACH",
          run: connect(to(0))
        },
        {
          cause: `the route says: prohibited${over}`,
          rows: ["E20"],
          world: "network",
          call: "WSAConnect",
          said: "connect EACCES -13",
          code: "WSAEACCES",
          run: connect(to(1))
        },
        {
          cause: `the route is a black hole${over}`,
          rows: ["E13"],
          world: "network",
          call: "WSAConnect",
          said: "connect EINVAL -22",
          code: "WSAENETUNREACH",
          run: connect(to(2))
        }
      ]
    }),
    ...onAttempt.map(([number, words, said, code]): Cause => ({
      cause: `a router says: ${words} (ICMP 3/${number})`,
      rows: rowsOf(code),
      world: "tun",
      call: "WSAConnect",
      said: `connect ${said}`,
      code,
      run: connect(unreachable(number))
    }))
  ]
}

const local: Group = {
  title: "The local address, and what runs out",
  causes: [
    {
      cause: "another program listens on the port",
      rows: ["E03", "A02"],
      world: "network",
      call: "bind",
      said: "bind EADDRINUSE -98",
      code: "WSAEADDRINUSE",
      run: Effect.flatMap(served(), (address) => bind("stream", address))
    },
    {
      cause: "the same two addresses are connected already",
      rows: ["E03"],
      world: "network",
      call: "WSAConnect",
      said: "connect EADDRNOTAVAIL -99",
      code: "WSAEADDRINUSE",
      run: Effect.gen(function*() {
        const address = yield* served()
        yield* connectFrom(yield* Worlds.foreignConnection(address), address)
      })
    },
    {
      cause: "the address is another machine's",
      rows: ["E07", "A02"],
      world: "network",
      call: "bind",
      said: "bind EADDRNOTAVAIL -99",
      code: "WSAEADDRNOTAVAIL",
      run: bind("stream", "192.0.2.2:0")
    },
    {
      cause: "the address is another machine's, of a datagram socket over IPv6",
      rows: ["E07", "A02"],
      world: "network",
      call: "bind",
      said: "bind EADDRNOTAVAIL -99",
      code: "WSAEADDRNOTAVAIL",
      run: bind("datagram", "[2001:db8::2]:0")
    },
    {
      cause: "bound to loopback, and the peer is elsewhere",
      rows: ["E07"],
      world: "network",
      call: "WSAConnect",
      said: "connect EINVAL -22",
      code: "WSAEADDRNOTAVAIL",
      run: connectFrom("127.0.0.1:0", "192.0.2.2:9")
    },
    {
      cause: "a link-local peer, and no interface has such addresses",
      rows: ["E07"],
      world: "bare",
      call: "WSAConnect",
      said: "connect EINVAL -22",
      code: "WSAEADDRNOTAVAIL",
      run: connect("[fe80::1]:9")
    },
    {
      cause: "a bind to a link-local address, and no interface has such addresses",
      rows: ["E07", "A02"],
      world: "bare",
      call: "bind",
      said: "bind EINVAL -22",
      code: "WSAEADDRNOTAVAIL",
      run: bind("stream", "[fe80::1]:0")
    },
    {
      cause: "IPv6 is switched off",
      rows: ["E07"],
      world: "bare",
      call: "WSAConnect",
      said: "connect EADDRNOTAVAIL -99",
      code: "WSAEADDRNOTAVAIL",
      run: Effect.andThen(Worlds.withoutIPv6, connect("[::1]:7"))
    },
    {
      cause: "the port is one for the privileged",
      rows: ["E20", "A02"],
      world: "noRights",
      call: "bind",
      said: "bind EACCES -13",
      code: "WSAEACCES",
      run: bind("stream", "127.0.0.1:80")
    },
    {
      cause: "every port towards the peer is used up",
      rows: ["E14"],
      world: "network",
      call: "WSAConnect",
      said: "connect EADDRNOTAVAIL -99",
      code: "WSAENOBUFS",
      run: Effect.gen(function*() {
        const address = yield* served()
        yield* Worlds.fewPorts
        return yield* Effect.forever(connect(address))
      })
    },
    {
      cause: "no port is left for a bind to any",
      rows: ["E14"],
      world: "network",
      call: "bind",
      said: "bind EADDRINUSE -98",
      code: "WSAENOBUFS",
      run: Effect.andThen(Worlds.fewPorts, Effect.forever(bind("stream", "127.0.0.1:0")))
    },
    {
      cause: "no port is left for a datagram socket",
      rows: ["E14"],
      world: "network",
      call: "WSAConnect",
      said: "bind EADDRINUSE -98",
      code: "WSAENOBUFS",
      run: Effect.andThen(Worlds.fewPorts, Effect.forever(setPeer("127.0.0.1:9")))
    },
    {
      cause: "the process has no descriptor left",
      rows: ["E14"],
      world: "network",
      call: "WSAConnect",
      said: "connect EMFILE -24",
      code: "WSAENOBUFS",
      run: Effect.gen(function*() {
        const address = yield* served()
        yield* Worlds.fewDescriptors
        return yield* Effect.forever(connect(address))
      })
    },
    {
      cause: "the process has no descriptor left for a bind",
      rows: ["E14"],
      world: "network",
      call: "bind",
      said: "bind EMFILE -24",
      code: "WSAENOBUFS",
      run: Effect.andThen(Worlds.fewDescriptors, Effect.forever(bind("stream", "127.0.0.1:0")))
    },
    {
      cause: "the process has no descriptor left for a datagram socket",
      rows: ["E14"],
      world: "network",
      call: "bind",
      said: "bind EMFILE -24",
      code: "WSAENOBUFS",
      run: Effect.andThen(Worlds.fewDescriptors, Effect.forever(bind("datagram", "127.0.0.1:0")))
    }
  ]
}

const breaks: Group = {
  title: "A connection that breaks",
  causes: [
    {
      cause: "the peer resets the connection",
      rows: ["R21"],
      world: "network",
      call: "recv",
      said: "read ECONNRESET -104",
      code: "WSAECONNRESET",
      run: Effect.gen(function*() {
        const { peer, s } = yield* connected
        peer.resetAndDestroy()
        return yield* breaking(s)
      })
    },
    {
      cause: "the peer takes the connection and resets it before anybody here has looked",
      rows: ["R26"],
      world: "network",
      call: "connectResult",
      said: "connect ECONNRESET -104",
      code: "WSAECONNRESET",
      run: Effect.gen(function*() {
        const { address, waitForReset } = yield* Worlds.foreignResetting
        const s = yield* begin(address)
        waitForReset()
        yield* Winsock.connectResult(s, { wait: true })
      })
    },
    {
      cause: "the peer closes with bytes unread",
      rows: ["R21"],
      world: "network",
      call: "recv",
      said: "read ECONNRESET -104",
      code: "WSAECONNRESET",
      run: Effect.gen(function*() {
        const { peer, s } = yield* connected
        yield* Winsock.send(s, bytes)
        peer.destroy()
        return yield* breaking(s)
      })
    },
    {
      cause: "the peer has closed in good order, and resets what is sent all the same",
      rows: ["R21"],
      world: "network",
      call: "send",
      said: "write EPIPE -32",
      code: "WSAECONNABORTED",
      run: Effect.gen(function*() {
        const { peer, s } = yield* connected
        peer.destroy()
        yield* Winsock.recv(s)
        return yield* Effect.forever(Winsock.send(s, bytes))
      })
    },
    {
      cause: "this machine destroys the connection (ss -K)",
      rows: ["R21"],
      world: "network",
      call: "recv",
      said: "read ECONNABORTED -103",
      code: "WSAECONNABORTED",
      run: Effect.gen(function*() {
        const { port, s } = yield* connected
        const broke = yield* Effect.forkChild(breaking(s))
        Worlds.sh(`ss -K -t dst 127.0.0.1 dport = ${port}`)
        return yield* Fiber.join(broke)
      })
    },
    {
      cause: "this machine destroys the attempt (ss -K)",
      rows: ["R26"],
      world: "network",
      call: "connectResult",
      said: "connect ECONNABORTED -103",
      code: "WSAECONNABORTED",
      run: Effect.gen(function*() {
        const s = yield* begin(silent("192.0.2.2"))
        Worlds.sh(`ss -K -t dst 192.0.2.2 dport = ${Worlds.silentPort}`)
        yield* Winsock.connectResult(s, { wait: true })
      })
    },
    {
      cause: "every packet is lost from a moment on, while bytes wait for their acknowledgement",
      rows: ["R21"],
      world: "tun",
      call: "recv",
      said: "read ETIMEDOUT -110",
      code: "WSAETIMEDOUT",
      run: Effect.gen(function*() {
        const { s, tun } = yield* throughTun()
        yield* tun.change(lost)
        yield* Winsock.send(s, bytes)
        return yield* breaking(s)
      })
    },
    {
      cause: "every packet is lost from a moment on, and keep-alive finds out",
      rows: ["R21", "A14"],
      world: "tun",
      call: "recv",
      said: "read ETIMEDOUT -110",
      code: "WSAETIMEDOUT",
      run: Effect.gen(function*() {
        const { s, tun } = yield* throughTun()
        yield* Winsock.setsockopt(s, SocketOption.SO_KEEPALIVE, true)
        yield* tun.change(lost)
        return yield* breaking(s)
      })
    },
    {
      cause: "a router says of a connection that its peer is unreachable, and goes on saying so",
      rows: ["R21"],
      world: "tun",
      call: "recv",
      said: "read EHOSTUNREACH -113",
      code: "WSAEHOSTUNREACH",
      run: Effect.gen(function*() {
        const { s, tun } = yield* throughTun()
        yield* tun.change({ icmp: 1 })
        yield* Winsock.send(s, bytes)
        return yield* breaking(s)
      })
    },
    {
      cause: "the interface goes down in the middle, while bytes wait for their acknowledgement",
      rows: ["R21", "E02"],
      world: "tun",
      call: "recv",
      said: "read ETIMEDOUT -110",
      code: "WSAETIMEDOUT",
      run: Effect.gen(function*() {
        const { s, tun } = yield* throughTun()
        Worlds.sh(`ip link set ${tun.device} down`)
        yield* Winsock.send(s, bytes)
        return yield* breaking(s)
      })
    },
    {
      cause: "the interface goes down during the attempt",
      rows: ["E13", "E02"],
      world: "tun",
      call: "connectResult",
      said: "connect ENETUNREACH -101",
      code: "WSAENETUNREACH",
      run: Effect.gen(function*() {
        const { device, network } = yield* Worlds.tun(lost)
        const s = yield* begin(`${network}.2:9`)
        Worlds.sh(`ip link set ${device} down`)
        yield* Winsock.connectResult(s, { wait: true })
      })
    },
    {
      cause: "the interface is down",
      rows: ["E13", "E02"],
      world: "tun",
      call: "WSAConnect",
      said: "connect ENETUNREACH -101",
      code: "WSAENETUNREACH",
      run: Effect.gen(function*() {
        const { device, network } = yield* Worlds.tun(lost)
        Worlds.sh(`ip link set ${device} down`)
        yield* connect(`${network}.2:9`)
      })
    },
    {
      cause: "the interface of a datagram socket's peer goes down",
      rows: ["E13", "E02"],
      world: "tun",
      call: "send",
      said: "send ENETUNREACH -101",
      code: "WSAENETUNREACH",
      run: Effect.gen(function*() {
        const { device, network } = yield* Worlds.tun(lost)
        const s = yield* setPeer(`${network}.2:9`)
        Worlds.sh(`ip link set ${device} down`)
        yield* Winsock.send(s, bytes)
      })
    }
  ]
}

const datagrams: Group = {
  title: "Datagrams",
  causes: [
    {
      cause: "the peer's port is dead",
      rows: ["A09"],
      world: "network",
      call: "recv",
      said: "recvmsg ECONNREFUSED -111",
      code: "WSAECONNRESET",
      run: word("127.0.0.1:7")
    },
    ...onDatagram.map(([number, words, said, code]): Cause => ({
      cause: `a router says of a datagram: ${words} (ICMP 3/${number})`,
      rows: rowsOf(code),
      world: "tun",
      call: "recv",
      said: `recvmsg ${said}`,
      code,
      run: word(unreachable(number), new Uint8Array(1000))
    })),
    {
      cause: "the router has no route for a datagram (ICMP 3/0), and Linux keeps that to itself",
      rows: ["A09"],
      world: "network",
      call: "recv",
      code: "WSAEWOULDBLOCK",
      run: Effect.gen(function*() {
        const s = yield* setPeer("203.0.113.1:9")
        yield* Winsock.ioctlsocket(s, "FIONBIO", true)
        const before = Worlds.unreachables()
        yield* Winsock.send(s, bytes)
        while (Worlds.unreachables() === before) yield* Effect.sleep("10 millis")
        yield* Effect.sleep("10 millis")
        yield* Winsock.recv(s)
      })
    },
    {
      cause: "there is no route for a datagram",
      rows: ["E13"],
      world: "network",
      call: "sendto",
      said: "send ENETUNREACH -101",
      code: "WSAENETUNREACH",
      run: sendto("100.64.0.1:9")
    },
    {
      cause: "there is no route to a datagram socket's peer",
      rows: ["E13"],
      world: "network",
      call: "WSAConnect",
      said: "connect ENETUNREACH -101",
      code: "WSAENETUNREACH",
      run: setPeer("100.64.0.1:9")
    },
    {
      cause: "the route to a datagram socket's peer says: unreachable",
      rows: ["E13"],
      world: "network",
      call: "WSAConnect",
      said: "connect EHOSTUNREACH -113",
      code: "WSAEHOSTUNREACH",
      run: setPeer("198.18.0.1:9")
    },
    {
      cause: "the route of a datagram says: prohibited",
      rows: ["E20"],
      world: "network",
      call: "sendto",
      said: "send EACCES -13",
      code: "WSAEACCES",
      run: sendto("198.18.1.1:9")
    },
    {
      cause: "the route of a datagram is a black hole",
      rows: ["E13"],
      world: "network",
      call: "sendto",
      said: "send EINVAL -22",
      code: "WSAENETUNREACH",
      run: sendto("198.18.2.1:9")
    },
    {
      cause: "the firewall of this machine drops the datagram",
      rows: ["E20"],
      world: "network",
      call: "sendto",
      said: "send EPERM -1",
      code: "WSAEACCES",
      run: Effect.andThen(Worlds.dropOut("udp", "192.0.2.2", 10), sendto("192.0.2.2:10"))
    },
    {
      cause: "the broadcast address of a network, without SO_BROADCAST",
      rows: ["E20", "R10"],
      world: "network",
      call: "WSAConnect",
      said: "connect EACCES -13",
      code: "WSAEACCES",
      run: setPeer("192.0.2.255:9")
    },
    {
      cause: "the broadcast address of every network, without SO_BROADCAST",
      rows: ["E20", "R10"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEACCES",
      run: setPeer("255.255.255.255:9")
    },
    {
      cause: "a datagram to the broadcast address of a network, without SO_BROADCAST",
      rows: ["E20", "R10"],
      world: "network",
      call: "sendto",
      said: "send EACCES -13",
      code: "WSAEACCES",
      run: sendto("192.0.2.255:9")
    },
    {
      cause: "a stream to the broadcast address of a network",
      rows: ["E13"],
      world: "network",
      call: "WSAConnect",
      said: "connect ENETUNREACH -101",
      code: "WSAENETUNREACH",
      run: connect("192.0.2.255:9")
    },
    {
      cause: "a datagram of 65508 bytes",
      rows: ["A09"],
      world: "network",
      call: "sendto",
      code: "WSAEMSGSIZE",
      run: sendto("127.0.0.1:9", new Uint8Array(65_508))
    },
    {
      cause: "another program has the port of a datagram socket",
      rows: ["E03", "A02"],
      world: "network",
      call: "bind",
      said: "bind EADDRINUSE -98",
      code: "WSAEADDRINUSE",
      run: Effect.flatMap(Worlds.foreignDatagram, (address) => bind("datagram", address))
    }
  ]
}

const paths: Group = {
  title: "Unix-domain paths",
  causes: [
    {
      cause: "there is no such file",
      rows: ["E09"],
      world: "network",
      call: "WSAConnect",
      said: "connect ENOENT -2",
      code: "WSAECONNREFUSED",
      run: Effect.flatMap(Worlds.freshPath, (file) => connect(`unix:${file}`))
    },
    {
      cause: "nobody has the abstract name",
      rows: ["E09"],
      world: "network",
      call: "WSAConnect",
      said: "connect ECONNREFUSED -111",
      code: "WSAECONNREFUSED",
      run: connect("unix:@winsock-nobody")
    },
    {
      cause: "the listener is gone and has left its file",
      rows: ["E09"],
      world: "network",
      call: "WSAConnect",
      said: "connect ECONNREFUSED -111",
      code: "WSAECONNREFUSED",
      run: Effect.gen(function*() {
        const file = yield* Worlds.freshPath
        yield* Effect.scoped(Worlds.foreignUnix(file, "stream"))
        yield* connect(`unix:${file}`)
      })
    },
    {
      cause: "the file is no socket",
      rows: ["E09"],
      world: "network",
      call: "WSAConnect",
      said: "connect ECONNREFUSED -111",
      code: "WSAECONNREFUSED",
      run: Effect.gen(function*() {
        const file = yield* Worlds.freshPath
        fs.writeFileSync(file, "")
        yield* connect(`unix:${file}`)
      })
    },
    {
      cause: "a part of the path is no directory",
      rows: ["E09"],
      world: "network",
      call: "WSAConnect",
      said: "connect ENOTDIR -20",
      code: "WSAECONNREFUSED",
      run: Effect.gen(function*() {
        const file = yield* Worlds.freshPath
        fs.writeFileSync(file, "")
        yield* connect(`unix:${file}/socket`)
      })
    },
    {
      cause: "the path leads in circles",
      rows: ["E09"],
      world: "network",
      call: "WSAConnect",
      said: "connect ELOOP -40",
      code: "WSAECONNREFUSED",
      run: Effect.gen(function*() {
        const file = yield* Worlds.freshPath
        fs.symlinkSync(file, file)
        yield* connect(`unix:${file}`)
      })
    },
    {
      cause: "the backlog of the listener is full",
      rows: ["E09"],
      world: "network",
      call: "WSAConnect",
      said: "connect EAGAIN -11",
      code: "WSAECONNREFUSED",
      run: Effect.gen(function*() {
        const file = yield* Worlds.freshPath
        yield* Worlds.foreignUnix(file, "stream")
        return yield* Effect.forever(connect(`unix:${file}`))
      })
    },
    {
      cause: "a datagram socket has the path",
      rows: ["E08"],
      world: "network",
      call: "WSAConnect",
      said: "connect EPROTOTYPE -91",
      code: "WSAEPROTOTYPE",
      run: Effect.gen(function*() {
        const file = yield* Worlds.freshPath
        yield* Worlds.foreignUnix(file, "datagram")
        yield* connect(`unix:${file}`)
      })
    },
    {
      cause: "the file's mode forbids it",
      rows: ["E20"],
      world: "noRights",
      call: "WSAConnect",
      said: "connect EACCES -13",
      code: "WSAEACCES",
      run: Effect.gen(function*() {
        const file = yield* Worlds.freshPath
        yield* Worlds.serve({ path: file })
        fs.chmodSync(file, 0)
        yield* connect(`unix:${file}`)
      })
    },
    {
      cause: "the path is too long",
      rows: ["E10"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEFAULT",
      run: connect(`unix:/tmp/${"x".repeat(120)}`)
    },
    {
      cause: "the path of a bind exists",
      rows: ["E03", "A02"],
      world: "network",
      call: "bind",
      said: "bind EADDRINUSE -98",
      code: "WSAEADDRINUSE",
      run: Effect.gen(function*() {
        const file = yield* Worlds.freshPath
        fs.writeFileSync(file, "")
        yield* bind("stream", `unix:${file}`)
      })
    },
    {
      cause: "the directory of a bind does not exist",
      rows: ["A02"],
      world: "network",
      call: "bind",
      said: "bind EACCES -13",
      code: "WSAEACCES",
      run: Effect.flatMap(Worlds.freshPath, (file) => bind("stream", `unix:${file}/socket`))
    },
    {
      cause: "a part of the path of a bind is no directory",
      rows: ["A02"],
      world: "network",
      call: "bind",
      said: "bind ENOTDIR -20",
      code: "WSAEACCES",
      run: Effect.gen(function*() {
        const file = yield* Worlds.freshPath
        fs.writeFileSync(file, "")
        yield* bind("stream", `unix:${file}/socket`)
      })
    },
    {
      cause: "the directory of a bind may not be written to",
      rows: ["A02"],
      world: "noRights",
      call: "bind",
      said: "bind EACCES -13",
      code: "WSAEACCES",
      run: Effect.gen(function*() {
        const file = yield* Worlds.freshPath
        fs.chmodSync(path.dirname(file), 0o500)
        yield* bind("stream", `unix:${file}`)
      })
    },
    {
      cause: "the listener is closed with a caller's bytes unread",
      rows: ["R21"],
      world: "network",
      call: "recv",
      said: "read ECONNRESET -104",
      code: "WSAECONNRESET",
      run: Effect.gen(function*() {
        const file = yield* Worlds.freshPath
        const closing = yield* Scope.make()
        yield* Scope.provide(Worlds.foreignUnix(file, "stream"), closing)
        const s = yield* connect(`unix:${file}`)
        yield* Winsock.send(s, bytes)
        yield* Scope.close(closing, Exit.void)
        return yield* breaking(s)
      })
    }
  ]
}

/** A socket of an instance that has been left. */
const ofLeftInstance = Effect.gen(function*() {
  const scope = yield* Scope.make()
  const instance = yield* Layer.buildWithScope(Layer.fresh(NodeWinsock.layer), scope)
  const s = yield* Effect.provideContext(socket("stream", "127.0.0.1"), instance)
  yield* Scope.close(scope, Exit.void)
  return s
})

const version1 = NodeWinsock.layerVersion(Winsock.MAKEWORD(1, 1))

/** An attempt of version 1.1 that nobody answers, and a call meanwhile: what the one and the other end with. */
const besideAttempt = <A, E>(call: Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>) =>
  Effect.gen(function*() {
    const s = yield* socket("stream", "192.0.2.2")
    const other = yield* socket("stream", "127.0.0.1")
    const attempt = yield* Effect.forkChild(Winsock.WSAConnect(s, at(silent("192.0.2.2"))), { startImmediately: true })
    return { attempt, other: yield* Effect.exit(Effect.andThen(call, Winsock.WSAConnect(other, "127.0.0.1:7"))) }
  })

const nature: Group = {
  title: "By the nature of the call",
  causes: [
    {
      cause: "the instance has been left",
      rows: ["E01"],
      world: "network",
      call: "WSAConnect",
      code: "WSANOTINITIALISED",
      run: Effect.flatMap(ofLeftInstance, (s) => Winsock.WSAConnect(s, "127.0.0.1:7"))
    },
    {
      cause: "the socket is closed while the attempt is pending",
      rows: ["E04"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEINTR",
      run: Effect.gen(function*() {
        const s = yield* socket("stream", "192.0.2.2")
        const attempt = yield* Effect.forkChild(Winsock.WSAConnect(s, at(silent("192.0.2.2"))), {
          startImmediately: true
        })
        yield* Winsock.closesocket(s)
        yield* Fiber.join(attempt)
      })
    },
    {
      cause: "the attempt of version 1.1 is cancelled",
      rows: ["E04"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEINTR",
      run: Effect.provide(
        Effect.flatMap(besideAttempt(Winsock.WSACancelBlockingCall), ({ attempt }) => Fiber.join(attempt)),
        version1
      )
    },
    {
      cause: "another call of version 1.1 is blocked",
      rows: ["E05"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEINPROGRESS",
      run: Effect.provide(Effect.flatMap(besideAttempt(Effect.void), ({ other }) => other), version1)
    },
    {
      cause: "the call comes from inside an accept condition",
      rows: ["E05", "A07"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEINPROGRESS",
      run: Effect.gen(function*() {
        const listener = yield* bind("stream", "127.0.0.1:0")
        yield* Winsock.listen(listener)
        const caller = yield* socket("stream", "127.0.0.1")
        const other = yield* socket("stream", "127.0.0.1")
        yield* Winsock.WSAConnect(caller, yield* Winsock.getsockname(listener))
        yield* Winsock.WSAAccept(
          listener,
          () => Effect.as(Winsock.WSAConnect(other, "127.0.0.1:7"), Winsock.CF_ACCEPT)
        )
      })
    },
    {
      cause: "an attempt is pending",
      rows: ["E06", "R25"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEALREADY",
      run: Effect.flatMap(begin(silent("192.0.2.2")), (s) => Winsock.WSAConnect(s, "127.0.0.1:7"))
    },
    {
      cause: "the all-zero address",
      rows: ["E07", "R03"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEADDRNOTAVAIL",
      run: connect("0.0.0.0:7")
    },
    {
      cause: "an IPv6 address on an IPv4 socket",
      rows: ["E08"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEAFNOSUPPORT",
      run: Effect.flatMap(socket("stream", "127.0.0.1"), (s) => Winsock.WSAConnect(s, "[::1]:7"))
    },
    {
      cause: "what does not decode as an address",
      rows: ["E10"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEFAULT",
      run: Effect.flatMap(socket("stream", "127.0.0.1"), (s) => Winsock.WSAConnect(s, at("127.0.0.1:65536")))
    },
    {
      cause: "the socket listens",
      rows: ["E11"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEINVAL",
      run: Effect.gen(function*() {
        const s = yield* bind("stream", "127.0.0.1:0")
        yield* Winsock.listen(s)
        yield* Winsock.WSAConnect(s, "127.0.0.1:7")
      })
    },
    {
      cause: "the socket is connected",
      rows: ["E12", "R04"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEISCONN",
      run: Effect.flatMap(connected, ({ port, s }) => Winsock.WSAConnect(s, at(`127.0.0.1:${port}`)))
    },
    {
      cause: "the socket is closed",
      rows: ["E15"],
      world: "network",
      call: "WSAConnect",
      code: "WSAENOTSOCK",
      run: Effect.gen(function*() {
        const s = yield* socket("stream", "127.0.0.1")
        yield* Winsock.closesocket(s)
        yield* Winsock.WSAConnect(s, "127.0.0.1:7")
      })
    },
    {
      cause: "a bound on the delay of a flow, which nobody here can promise",
      rows: ["E16", "R16"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEOPNOTSUPP",
      run: Effect.gen(function*() {
        const address = yield* served()
        const s = yield* socket("stream", address)
        yield* Winsock.WSAConnect(s, at(address), {
          sqos: { sending: { serviceType: "guaranteed", tokenRate: 1, latency: 1 } }
        })
      })
    },
    {
      cause: "caller data, for which TCP has no place",
      rows: ["E17", "R12"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEPROTONOSUPPORT",
      run: Effect.gen(function*() {
        const address = yield* served()
        const s = yield* socket("stream", address)
        yield* Winsock.WSAConnect(s, at(address), { callerData: bytes })
      })
    },
    {
      cause: "the attempt of a non-blocking socket cannot complete at once",
      rows: ["E19", "R23"],
      world: "network",
      call: "WSAConnect",
      code: "WSAEWOULDBLOCK",
      run: Effect.gen(function*() {
        const s = yield* socket("stream", "192.0.2.2")
        yield* Winsock.ioctlsocket(s, "FIONBIO", true)
        yield* Winsock.WSAConnect(s, at(silent("192.0.2.2")))
      })
    }
  ]
}

export const groups: ReadonlyArray<Group> = [path_, local, breaks, datagrams, paths, nature]

export const causes: ReadonlyArray<Cause> = groups.flatMap(({ causes }) => causes)
