// What is marked, and what is not: each scene connects, sends, and looks at what went over the wire.
import { Provider, Qos, SocketAddress, SocketOption, Winsock } from "@effect-winsock/core"
import { NodeProvider, NodeWinsock } from "@effect-winsock/node"
import { assert } from "@effect/vitest"
import { Context, Effect, Fiber, Result, type Scope } from "effect"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import { Recorder } from "../utils/recorder.ts"
import type { Capture, Packet } from "./capture.ts"

/** What watches the wire. */
export class Wire extends Context.Service<Wire, Capture>()("test/marking/Wire") {}

export interface Scene {
  /** What it shows, with the rows. */
  readonly title: string
  readonly run: Effect.Effect<unknown, unknown, Wire | Scope.Scope>
}

type Family = "IPv4" | "IPv6"
type Calls = Effect.Effect<unknown, unknown, Wire | Winsock.Winsock | Scope.Scope>

const loopback = { IPv4: "127.0.0.1:0", IPv6: "[::1]:0" } as const
const families = ["IPv4", "IPv6"] as const
const tables = [Qos.windows, Qos.rfc4594]
const bytes = new Uint8Array([1, 2, 3])
const koffi = NodeWinsock.layerWith({ systemCalls: "koffi" })

const bare = (title: string, run: Calls): Scene => ({ title, run: Effect.provide(run, NodeWinsock.layer) })
const lent = (title: string, run: Calls): Scene => ({ title, run: Effect.provide(run, koffi) })

const sent = Effect.flatMap(Wire, ({ packets }) => packets)

/** What it is marked with, each value once. */
const marks = (packets: ReadonlyArray<Packet>): ReadonlyArray<number> =>
  Array.from(new Set(packets.map(({ tos }) => tos >> 2))).sort((a, b) => a - b)

const qosOf = (serviceType: Qos.ServiceType): Qos.Qos => ({
  sending: { serviceType, tokenRate: 100_000_000, tokenBucketSize: 1_000_000 }
})

const portOf = SocketAddress.portOf

const tool = (line: string): string => {
  const [command, ...args] = line.split(" ")
  return childProcess.execFileSync(command!, args, { encoding: "utf8" })
}

const listener = (family: Family, at: SocketAddress.Input = loopback[family]) =>
  Effect.gen(function*() {
    const s = yield* Winsock.socket({ family, type: "stream" })
    if (at.toString().startsWith("[::]")) yield* Winsock.setsockopt(s, SocketOption.IPV6_V6ONLY, false)
    yield* Winsock.bind(s, at)
    yield* Winsock.listen(s)
    const local = yield* Winsock.getsockname(s)
    return { s, local, port: portOf(local)! }
  })

/** Connects a socket with a QOS, and gives both ends. */
const connected = (
  to: { readonly s: Winsock.Socket; readonly local: SocketAddress.SocketAddress },
  s: Winsock.Socket,
  sqos?: Qos.Qos | undefined
) =>
  Effect.gen(function*() {
    const accepting = yield* Effect.forkScoped(Winsock.accept(to.s), { startImmediately: true })
    const { applied } = yield* Winsock.WSAConnect(s, to.local, sqos === undefined ? undefined : { sqos })
    return { applied, theirs: (yield* Fiber.join(accepting)).socket }
  })

/** Sends, and the other end has it. */
const pass = (from: Winsock.Socket, to: Winsock.Socket) =>
  Effect.gen(function*() {
    yield* Winsock.send(from, bytes)
    assert.deepStrictEqual(Array.from(yield* Winsock.recv(to)), Array.from(bytes))
  })

/** All of it was sent by one end, a first packet and data among it, and none of it by nobody. */
const checkSide = (packets: ReadonlyArray<Packet>, version: 4 | 6, mark: number): void => {
  assert.isAbove(packets.filter(({ length }) => length > 0).length, 0)
  assert.isTrue(packets.every((packet) => packet.version === version))
  assert.deepStrictEqual(marks(packets), [mark])
}

const checkCaller = (packets: ReadonlyArray<Packet>, version: 4 | 6, mark: number): void => {
  assert.strictEqual(packets.filter(({ syn }) => syn).length, 1)
  checkSide(packets, version, mark)
}

const versionOf = (family: Family) => family === "IPv4" ? 4 : 6

// --- streams ---------------------------------------------------------------------------------------------------------

/** What can be asked of a connect, and asks for something. */
const services = Qos.ServiceType.literals.filter((name) => name !== "networkUnavailable")

const byTable = families.flatMap((family) =>
  tables.flatMap((table) =>
    services.map((name) =>
      bare(
        `R16: ${family}, ${table.name}: the SYN and the data of a ${name} flow have code point ${table.dscp[name]}`,
        Effect.gen(function*() {
          const to = yield* listener(family)
          const s = yield* Winsock.socket({ family, type: "stream" })
          const { applied, theirs } = yield* connected(to, s, qosOf(name))
          yield* pass(s, theirs)
          yield* pass(theirs, s)
          const packets = yield* sent
          const expected = table.dscp[name]
          checkCaller(packets.filter((packet) => packet.to === to.port), versionOf(family), expected)
          checkSide(packets.filter((packet) => packet.from === to.port), versionOf(family), 0)
          assert.strictEqual(applied.sending.marked, expected === 0 ? undefined : expected)
        }).pipe(Effect.provide(Qos.layerMarking(table)))
      )
    )
  )
)

const unasked = families.flatMap((family) =>
  [false, true].map((bound) =>
    bare(
      `R19: ${family}: a ${bound ? "bound" : "fresh"} socket without a QOS marks nothing`,
      Effect.gen(function*() {
        const to = yield* listener(family)
        const s = yield* Winsock.socket({ family, type: "stream" })
        if (bound) yield* Winsock.bind(s, loopback[family])
        const { applied, theirs } = yield* connected(to, s)
        yield* pass(s, theirs)
        yield* pass(theirs, s)
        const packets = yield* sent
        assert.deepStrictEqual(applied, Qos.nothingApplied)
        assert.deepStrictEqual(Array.from(new Set(packets.map(({ tos }) => tos))), [0])
        assert.isAtLeast(packets.length, 5)
      })
    )
  )
)

const remarking = families.map((family) =>
  bare(
    `R15, A16: ${family}: SIO_SET_QOS marks a connection anew, and best effort un-marks it`,
    Effect.gen(function*() {
      const to = yield* listener(family)
      const s = yield* Winsock.socket({ family, type: "stream" })
      const { theirs } = yield* connected(to, s)
      const says = (mark: number) =>
        Effect.gen(function*() {
          yield* pass(s, theirs)
          const packets = (yield* sent).filter((packet) => packet.to === to.port && packet.length > 0)
          assert.deepStrictEqual(marks(packets), [mark])
        })
      yield* says(0)
      for (const name of ["guaranteed", "controlledLoad", "bestEffort", "networkControl", "guaranteed"] as const) {
        yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", qosOf(name))
        yield* says(Qos.windows.dscp[name])
      }
    })
  )
)

const accepted = families.map((family) =>
  bare(
    `A16: ${family}: an accepted connection is marked by SIO_SET_QOS`,
    Effect.gen(function*() {
      const to = yield* listener(family)
      const s = yield* Winsock.socket({ family, type: "stream" })
      const { theirs } = yield* connected(to, s, qosOf("controlledLoad"))
      yield* Winsock.WSAIoctl(theirs, "SIO_SET_QOS", qosOf("guaranteed"))
      yield* sent
      yield* pass(theirs, s)
      yield* pass(s, theirs)
      const packets = (yield* sent).filter(({ length }) => length > 0)
      assert.deepStrictEqual(marks(packets.filter(({ from }) => from === to.port)), [Qos.windows.dscp.guaranteed])
      assert.deepStrictEqual(marks(packets.filter((packet) => packet.to === to.port)), [
        Qos.windows.dscp.controlledLoad
      ])
    })
  )
)

const stated = families.map((family) =>
  bare(
    `R18: ${family}: the code point that a QOS names itself is the one that is sent, whatever the table says`,
    Effect.gen(function*() {
      const to = yield* listener(family)
      const s = yield* Winsock.socket({ family, type: "stream" })
      const providerSpecific = Result.getOrThrow(Qos.encodeObjects([{ _tag: "DsClass", dsField: Qos.dscp.AF11 }]))
      const { theirs } = yield* connected(to, s, { ...qosOf("guaranteed"), providerSpecific })
      yield* pass(s, theirs)
      checkCaller((yield* sent).filter((packet) => packet.to === to.port), versionOf(family), Qos.dscp.AF11)
    })
  )
)

const grouped = families.map((family) =>
  bare(
    `R20: ${family}: a socket is marked as the creator of its group says, also one that was connected before`,
    Effect.gen(function*() {
      const to = yield* listener(family)
      const kind = { family, type: "stream" } as const
      const creator = yield* Winsock.socket({ ...kind, group: Winsock.SG_UNCONSTRAINED_GROUP })
      const group = yield* Winsock.getsockopt(creator, SocketOption.SO_GROUP_ID)
      const early = yield* Winsock.socket({ ...kind, group })
      const { theirs } = yield* connected(to, early)
      yield* Effect.provide(connected(to, creator), Qos.layerGroup(qosOf("guaranteed")))
      yield* sent
      yield* pass(early, theirs)
      const late = yield* Winsock.socket({ ...kind, group })
      yield* connected(to, late)
      const packets = (yield* sent).filter((packet) => packet.to === to.port)
      assert.strictEqual(packets.filter(({ syn }) => syn).length, 1)
      assert.deepStrictEqual(marks(packets), [Qos.windows.dscp.guaranteed])
    })
  )
)

const congestion = "/proc/sys/net/ipv4/tcp_ecn"

/** Both ends of a connection negotiate congestion notification. */
const withEcn = Effect.acquireRelease(
  Effect.sync(() => {
    const before = fs.readFileSync(congestion, "utf8")
    fs.writeFileSync(congestion, "1")
    return before
  }),
  (before) => Effect.sync(() => fs.writeFileSync(congestion, before))
)

const untouched = families.map((family) =>
  bare(
    `R16: ${family}: the two bits of congestion notification stay TCP's, marked, marked anew and un-marked`,
    Effect.gen(function*() {
      yield* withEcn
      const to = yield* listener(family)
      const s = yield* Winsock.socket({ family, type: "stream" })
      const { theirs } = yield* connected(to, s, qosOf("guaranteed"))
      const syn = (yield* sent).find((packet) => packet.syn)
      // RFC 3168, section 6.1.1: the packet that negotiates it does not use it.
      assert.strictEqual(syn?.tos, Qos.windows.dscp.guaranteed << 2)
      const says = (mark: number) =>
        Effect.gen(function*() {
          yield* pass(s, theirs)
          const data = (yield* sent).filter((packet) => packet.to === to.port && packet.length > 0)
          assert.deepStrictEqual(data.map(({ tos }) => tos), [mark << 2 | 2])
        })
      yield* says(Qos.windows.dscp.guaranteed)
      yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", qosOf("controlledLoad"))
      yield* says(Qos.windows.dscp.controlledLoad)
      yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", qosOf("bestEffort"))
      yield* says(0)
    })
  )
)

const addresses = families.flatMap((family) => [
  bare(
    `R26: ${family}: a marked attempt that is refused leaves its port, from which the next one is marked too`,
    Effect.gen(function*() {
      // A port that is bound, and where nobody listens yet.
      const server = yield* Winsock.socket({ family, type: "stream" })
      yield* Winsock.bind(server, loopback[family])
      const local = yield* Winsock.getsockname(server)
      const s = yield* Winsock.socket({ family, type: "stream" })
      const refused = yield* Effect.flip(Winsock.WSAConnect(s, local, { sqos: qosOf("guaranteed") }))
      assert.strictEqual(refused._tag, "WSAECONNREFUSED")
      const port = portOf(yield* Winsock.getsockname(s))
      yield* Winsock.listen(server)
      yield* connected({ s: server, local }, s, qosOf("controlledLoad"))
      const syns = (yield* sent).filter(({ syn }) => syn)
      assert.deepStrictEqual(syns.map(({ from }) => from), [port, port])
      assert.deepStrictEqual(syns.map(({ tos }) => tos >> 2), [
        Qos.windows.dscp.guaranteed,
        Qos.windows.dscp.controlledLoad
      ])
    })
  ),
  bare(
    `R26: ${family}: after a marked attempt was refused, one without a QOS marks nothing`,
    Effect.gen(function*() {
      const server = yield* Winsock.socket({ family, type: "stream" })
      yield* Winsock.bind(server, loopback[family])
      const local = yield* Winsock.getsockname(server)
      const s = yield* Winsock.socket({ family, type: "stream" })
      yield* Effect.flip(Winsock.WSAConnect(s, local, { sqos: qosOf("guaranteed") }))
      yield* Winsock.listen(server)
      const { theirs } = yield* connected({ s: server, local }, s)
      yield* sent
      yield* pass(s, theirs)
      assert.deepStrictEqual(marks(yield* sent), [0])
    })
  ),
  bare(
    `R01: ${family}: a bound socket connects from its address, marked`,
    Effect.gen(function*() {
      const to = yield* listener(family)
      const s = yield* Winsock.socket({ family, type: "stream" })
      yield* Winsock.bind(s, loopback[family])
      const local = yield* Winsock.getsockname(s)
      const { theirs } = yield* connected(to, s, qosOf("guaranteed"))
      yield* pass(s, theirs)
      const packets = (yield* sent).filter((packet) => packet.to === to.port)
      checkCaller(packets, versionOf(family), Qos.windows.dscp.guaranteed)
      assert.isTrue(packets.every(({ from }) => from === portOf(local)))
      assert.isTrue(SocketAddress.same(yield* Winsock.getsockname(s), local))
    })
  )
])

const descriptors = (): number => fs.readdirSync("/proc/self/fd").length

const silentPort = 7

/** A port where what arrives is dropped. */
const silence = Effect.acquireRelease(
  Effect.sync(() => {
    tool("nft add table inet silence")
    tool("nft add chain inet silence input { type filter hook input priority 0 ; }")
    tool(`nft add rule inet silence input tcp dport ${silentPort} drop`)
  }),
  () => Effect.sync(() => tool("nft delete table inet silence"))
)

const interrupted = families.map((family) =>
  bare(
    `R26: ${family}: a marked attempt that is given up leaves its port and nothing else, and the next one is from there`,
    Effect.gen(function*() {
      yield* silence
      const to = yield* listener(family)
      const before = descriptors()
      const s = yield* Winsock.socket({ family, type: "stream" })
      const silent = SocketAddress.fromInputUnsafe(
        `${family === "IPv4" ? "127.0.0.1" : "[::1]"}:${silentPort}` as SocketAddress.Input
      )
      const connecting = yield* Effect.forkScoped(Winsock.WSAConnect(s, silent, { sqos: qosOf("guaranteed") }), {
        startImmediately: true
      })
      const [first] = yield* sent
      assert.strictEqual(first?.tos, Qos.windows.dscp.guaranteed << 2)
      assert.strictEqual(descriptors(), before + 1)
      yield* Fiber.interrupt(connecting)
      assert.strictEqual(descriptors(), before)
      yield* connected(to, s, qosOf("controlledLoad"))
      const next = (yield* sent).find(({ syn }) => syn)
      assert.strictEqual(next?.from, first?.from)
      assert.strictEqual(next?.tos, Qos.windows.dscp.controlledLoad << 2)
    })
  )
)

const portRange = "/proc/sys/net/ipv4/ip_local_port_range"

const ports = bare(
  "E14: a marked attempt needs a port that is free of all peers: WSAENOBUFS where none is left",
  Effect.gen(function*() {
    const [first, second] = [yield* listener("IPv4"), yield* listener("IPv4")]
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const before = fs.readFileSync(portRange, "utf8")
        fs.writeFileSync(portRange, "30000 30001")
        return before
      }),
      (before) => Effect.sync(() => fs.writeFileSync(portRange, before))
    )
    const tcp = { family: "IPv4", type: "stream" } as const
    for (const to of [first, second]) yield* connected(to, yield* Winsock.socket(tcp), qosOf("guaranteed"))
    const s = yield* Winsock.socket(tcp)
    const error = yield* Effect.flip(Winsock.WSAConnect(s, first.local, { sqos: qosOf("guaranteed") }))
    assert.strictEqual(error._tag, "WSAENOBUFS")
  })
)

// --- IPv4 peers of IPv6 sockets --------------------------------------------------------------------------------------

const mappedPeer = (port: number): SocketAddress.Input => `[::ffff:127.0.0.1]:${port}` as SocketAddress.Input

const dualStack = (type: "stream" | "datagram") =>
  Effect.tap(
    Winsock.socket({ family: "IPv6", type }),
    (s) => Winsock.setsockopt(s, SocketOption.IPV6_V6ONLY, false)
  )

const mapped: ReadonlyArray<Scene> = [
  bare(
    "E16: an IPv6 stream marks nothing that goes to an IPv4 peer: WSAEOPNOTSUPP, and no packet is sent",
    Effect.gen(function*() {
      const to = yield* listener("IPv4")
      const s = yield* dualStack("stream")
      yield* sent
      const error = yield* Effect.flip(Winsock.WSAConnect(s, mappedPeer(to.port), { sqos: qosOf("guaranteed") }))
      assert.strictEqual(error._tag, "WSAEOPNOTSUPP")
      assert.deepStrictEqual(yield* sent, [])
      // R16: it is as it was, and connects without.
      yield* Winsock.WSAConnect(s, mappedPeer(to.port))
      assert.deepStrictEqual(marks(yield* sent), [0])
    })
  ),
  bare(
    "E16: nor does a connection that an IPv6 listener has accepted from an IPv4 peer",
    Effect.gen(function*() {
      const to = yield* listener("IPv6", "[::]:0" as SocketAddress.Input)
      const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
      const local = SocketAddress.fromInputUnsafe(`127.0.0.1:${to.port}` as SocketAddress.Input)
      const { theirs } = yield* connected({ s: to.s, local }, s)
      const error = yield* Effect.flip(Winsock.WSAIoctl(theirs, "SIO_SET_QOS", qosOf("guaranteed")))
      assert.strictEqual(error._tag, "WSAEOPNOTSUPP")
      yield* sent
      yield* pass(theirs, s)
      assert.deepStrictEqual(marks(yield* sent), [0])
    })
  ),
  lent(
    "R16: with koffi an IPv6 stream marks what goes to an IPv4 peer, and un-marks it",
    Effect.gen(function*() {
      const to = yield* listener("IPv4")
      const s = yield* dualStack("stream")
      const accepting = yield* Effect.forkScoped(Winsock.accept(to.s), { startImmediately: true })
      yield* Winsock.WSAConnect(s, mappedPeer(to.port), { sqos: qosOf("guaranteed") })
      const theirs = (yield* Fiber.join(accepting)).socket
      yield* pass(s, theirs)
      checkCaller(
        (yield* sent).filter((packet) => packet.to === to.port),
        4,
        Qos.windows.dscp.guaranteed
      )
      yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", qosOf("bestEffort"))
      yield* pass(s, theirs)
      assert.deepStrictEqual(
        marks((yield* sent).filter((packet) => packet.to === to.port && packet.length > 0)),
        [0]
      )
    })
  )
]

// --- datagrams -------------------------------------------------------------------------------------------------------

const receiver = (family: Family) =>
  Effect.gen(function*() {
    const s = yield* Winsock.socket({ family, type: "datagram" })
    yield* Winsock.bind(s, loopback[family])
    const local = yield* Winsock.getsockname(s)
    return { s, local, port: portOf(local)! }
  })

const unmarkedDatagrams = families.map((family) =>
  bare(
    `E16: ${family}: without koffi no datagram is marked: WSAEOPNOTSUPP`,
    Effect.gen(function*() {
      const to = yield* receiver(family)
      const s = yield* Winsock.socket({ family, type: "datagram" })
      const error = yield* Effect.flip(Winsock.WSAConnect(s, to.local, { sqos: qosOf("guaranteed") }))
      assert.strictEqual(error._tag, "WSAEOPNOTSUPP")
      yield* Winsock.WSAConnect(s, to.local)
      yield* Winsock.send(s, bytes)
      yield* Winsock.recv(to.s)
      assert.deepStrictEqual((yield* sent).map(({ tos }) => tos), [0])
    })
  )
)

const datagrams = families.flatMap((family) =>
  tables.flatMap((table) =>
    services.map((name) =>
      lent(
        `R16: ${family}, ${table.name}: a datagram of a ${name} flow has code point ${table.dscp[name]}`,
        Effect.gen(function*() {
          const to = yield* receiver(family)
          const s = yield* Winsock.socket({ family, type: "datagram" })
          yield* Winsock.WSAConnect(s, to.local, { sqos: qosOf(name) })
          yield* Winsock.send(s, bytes)
          yield* Winsock.recv(to.s)
          const packets = yield* sent
          assert.strictEqual(packets.length, 1)
          assert.strictEqual(packets[0]!.version, versionOf(family))
          assert.strictEqual(packets[0]!.tos, table.dscp[name] << 2)
        }).pipe(Effect.provide(Qos.layerMarking(table)))
      )
    )
  )
)

const remarkedDatagrams = families.map((family) =>
  lent(
    `R09, A16: ${family}: a datagram socket is marked anew with its peer and by SIO_SET_QOS, and dissolving un-marks it`,
    Effect.gen(function*() {
      const [first, second] = [yield* receiver(family), yield* receiver(family)]
      const s = yield* Winsock.socket({ family, type: "datagram" })
      const says = (to: typeof first, mark: number) =>
        Effect.gen(function*() {
          yield* Winsock.recv(to.s)
          const packets = yield* sent
          assert.deepStrictEqual(packets.map(({ tos }) => tos), [mark << 2])
          assert.deepStrictEqual(packets.map((packet) => packet.to), [to.port])
        })
      yield* Winsock.WSAConnect(s, first.local, { sqos: qosOf("guaranteed") })
      yield* Winsock.send(s, bytes)
      yield* says(first, Qos.windows.dscp.guaranteed)
      // A new peer is a new socket underneath.
      yield* Winsock.WSAConnect(s, second.local, { sqos: qosOf("controlledLoad") })
      yield* Winsock.send(s, bytes)
      yield* says(second, Qos.windows.dscp.controlledLoad)
      // To somebody else, for once: the mark is the socket's.
      yield* Winsock.sendto(s, bytes, first.local)
      yield* says(first, Qos.windows.dscp.controlledLoad)
      yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", qosOf("networkControl"))
      yield* Winsock.send(s, bytes)
      yield* says(second, Qos.windows.dscp.networkControl)
      yield* Winsock.WSAConnect(s, SocketAddress.unspecified(family))
      yield* Winsock.sendto(s, bytes, first.local)
      yield* says(first, 0)
    })
  )
)

const mappedDatagrams = lent(
  "R16: with koffi an IPv6 datagram socket marks what goes to IPv4 peers and to IPv6 ones",
  Effect.gen(function*() {
    const [four, six] = [yield* receiver("IPv4"), yield* receiver("IPv6")]
    const s = yield* dualStack("datagram")
    yield* Winsock.bind(s, "[::]:0" as SocketAddress.Input)
    yield* Winsock.WSAConnect(s, mappedPeer(four.port), { sqos: qosOf("guaranteed") })
    yield* Winsock.send(s, bytes)
    yield* Winsock.recv(four.s)
    yield* Winsock.sendto(s, bytes, six.local)
    yield* Winsock.recv(six.s)
    const packets = yield* sent
    assert.deepStrictEqual(packets.map(({ version }) => version), [4, 6])
    assert.deepStrictEqual(marks(packets), [Qos.windows.dscp.guaranteed])
  })
)

// --- the provider itself ---------------------------------------------------------------------------------------------

/** Bytes a second at which whatever is connected by this port is paced, as `ss` tells it in bits; 0 where it is not. */
const paceOf = (end: "sport" | "dport", port: number): number => {
  const told = /pacing_rate \S+?\/([\d.]+)([KMG]?)bps/.exec(tool(`ss -tinH state established ${end} = :${port}`))
  return told === null ? 0 : Number(told[1]) * { "": 1, K: 1e3, M: 1e6, G: 1e9 }[told[2] as "" | "K" | "M" | "G"] / 8
}

const quality = (given: Partial<Provider.Quality>): Provider.Quality => ({
  dscp: undefined,
  priority: undefined,
  pacingRate: undefined,
  reserve: undefined,
  reserveGroup: undefined,
  ...given
})

const handleOf = (provider: Provider.Provider, type: "stream" | "datagram", family: Family = "IPv4") =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const sink = new Recorder()
        const handle = provider.open({ family, type, direction: "both" }, sink)
        if (Provider.isFailure(handle)) throw new Error(handle.code)
        return { handle, sink }
      }),
      ({ handle, sink }) =>
        Effect.promise(() => {
          handle.close("reset")
          return sink.wait("closed")
        })
    ),
    (made) => made
  )

const planOf = (remote: SocketAddress.SocketAddress, quality: Provider.Quality | undefined): Provider.ConnectPlan => ({
  attempt: 1,
  remote,
  local: undefined,
  keepLocalPort: false,
  callerData: undefined,
  calleeCapacity: 0,
  quality,
  sqos: undefined,
  gqos: undefined
})

const code = (answer: unknown): string | undefined => Provider.isFailure(answer) ? answer.code : undefined

/** As on a machine that does not let anyone set a priority. */
const withoutPriority = Effect.map(NodeProvider.koffi, (calls) =>
  NodeProvider.make({
    systemCalls: {
      ...calls,
      setsockopt: (descriptor, level, option, value) => {
        if (level === 1 && option === 12) {
          throw Object.assign(new Error("setsockopt"), { code: "EPERM", errno: -1, syscall: "setsockopt" })
        }
        calls.setsockopt(descriptor, level, option, value)
      }
    }
  }))

const ofProvider: ReadonlyArray<Scene> = [
  bare(
    "R16: a connect of which a part cannot be done does nothing of it: no packet, and WSAEOPNOTSUPP",
    Effect.gen(function*() {
      const to = yield* listener("IPv4")
      const { handle, sink } = yield* handleOf(yield* withoutPriority, "stream")
      yield* sent
      const before = descriptors()
      const answer = handle.connect(planOf(to.local, quality({ dscp: 46, priority: 5 })))
      assert.strictEqual(code(answer), "WSAEOPNOTSUPP")
      assert.deepStrictEqual((answer as Provider.Failure).native, { code: "EPERM", errno: -1, syscall: "setsockopt" })
      assert.strictEqual(descriptors(), before)
      assert.deepStrictEqual(yield* sent, [])
      assert.strictEqual(handle.connect(planOf(to.local, quality({ dscp: 46 }))), "pending")
      yield* Effect.promise(() => sink.wait("connected"))
      assert.deepStrictEqual(marks((yield* sent).filter((packet) => packet.to === to.port)), [46])
      // On the connection likewise: it keeps the mark that it has.
      assert.strictEqual(code(handle.setQuality(quality({ dscp: 10, priority: 5 }))), "WSAEOPNOTSUPP")
      handle.write(bytes)
      const { socket: theirs } = yield* Winsock.accept(to.s)
      yield* Winsock.recv(theirs)
      assert.deepStrictEqual(marks((yield* sent).filter(({ length }) => length > 0)), [46])
      assert.strictEqual(handle.setQuality(quality({ dscp: 10 })), undefined)
      handle.write(bytes)
      yield* Winsock.recv(theirs)
      assert.deepStrictEqual(marks((yield* sent).filter(({ length }) => length > 0)), [10])
    })
  ),
  bare(
    "R16: nor does a peer of which a part cannot be done: the one before stays, with its mark",
    Effect.gen(function*() {
      const [first, second] = [yield* receiver("IPv4"), yield* receiver("IPv4")]
      const { handle, sink } = yield* handleOf(yield* withoutPriority, "datagram")
      assert.isUndefined(code(handle.setPeer(first.local, "discard", quality({ dscp: 46 }))))
      const refused = handle.setPeer(second.local, "discard", quality({ dscp: 10, priority: 5 }))
      assert.strictEqual(code(refused), "WSAEOPNOTSUPP")
      // Nor where the peer is what is wrong: nobody may broadcast yet.
      const broadcast = SocketAddress.fromInputUnsafe("255.255.255.255:9")
      assert.isDefined(code(handle.setPeer(broadcast, "discard", quality({ dscp: 10 }))))
      assert.strictEqual(handle.sendTo(bytes, undefined), "pending")
      yield* Effect.promise(() => sink.wait("sent"))
      yield* Winsock.recv(first.s)
      const packets = yield* sent
      assert.deepStrictEqual(packets.map((packet) => packet.to), [first.port])
      assert.deepStrictEqual(marks(packets), [46])
      assert.isUndefined(handle.setQuality(quality({ dscp: 10 })))
      handle.sendTo(bytes, undefined)
      yield* Winsock.recv(first.s)
      assert.deepStrictEqual(marks(yield* sent), [10])
    })
  ),
  bare(
    "R16: what was asked of a datagram socket before it is bound marks its first datagram",
    Effect.gen(function*() {
      const to = yield* receiver("IPv6")
      const provider = NodeProvider.make({ systemCalls: yield* NodeProvider.koffi })
      const { handle, sink } = yield* handleOf(provider, "datagram", "IPv6")
      assert.isUndefined(handle.setQuality(quality({ dscp: 34 })))
      assert.strictEqual(handle.sendTo(bytes, to.local), "pending")
      yield* Effect.promise(() => sink.wait("sent"))
      yield* Winsock.recv(to.s)
      assert.deepStrictEqual(marks(yield* sent), [34])
    })
  ),
  bare(
    "R16: a datagram keeps the bits of congestion notification that its socket has",
    Effect.gen(function*() {
      const to = yield* receiver("IPv4")
      const calls = yield* NodeProvider.koffi
      let descriptor = -1
      const provider = NodeProvider.make({
        systemCalls: {
          ...calls,
          setsockopt: (fd, level, option, value) => {
            descriptor = fd
            calls.setsockopt(fd, level, option, value)
          }
        }
      })
      const { handle, sink } = yield* handleOf(provider, "datagram")
      assert.isUndefined(code(handle.setPeer(to.local, "keep", quality({ dscp: 46 }))))
      calls.setsockopt(descriptor, 0, 1, 46 << 2 | 1)
      assert.isUndefined(handle.setQuality(quality({ dscp: 10 })))
      handle.sendTo(bytes, undefined)
      yield* Effect.promise(() => sink.wait("sent"))
      assert.isUndefined(handle.setQuality(undefined))
      handle.sendTo(bytes, undefined)
      yield* Effect.promise(() => sink.wait("sent", 2))
      assert.deepStrictEqual((yield* sent).map(({ tos }) => tos), [10 << 2 | 1, 1])
    })
  ),
  bare(
    "R16: with koffi a stream and a datagram socket have the priority that was asked for, also beside a mark",
    Effect.gen(function*() {
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          tool("nft add table inet marking")
          tool("nft add chain inet marking output { type filter hook output priority 0 ; }")
          tool("nft add rule inet marking output meta priority 0:5 counter")
        }),
        () => Effect.sync(() => tool("nft delete table inet marking"))
      )
      const counted = () => Number(/packets (\d+)/.exec(tool("nft list table inet marking"))![1])
      const provider = NodeProvider.make({ systemCalls: yield* NodeProvider.koffi })
      const to = yield* receiver("IPv4")
      const datagram = yield* handleOf(provider, "datagram")
      datagram.handle.setPeer(to.local, "discard", quality({ dscp: 46, priority: 5 }))
      datagram.handle.sendTo(bytes, undefined)
      yield* Winsock.recv(to.s)
      assert.strictEqual(counted(), 1)
      // The mark would change it, if it did not stay.
      datagram.handle.setQuality(quality({ dscp: 10, priority: 5 }))
      datagram.handle.sendTo(bytes, undefined)
      yield* Winsock.recv(to.s)
      assert.strictEqual(counted(), 2)
      datagram.handle.setQuality(undefined)
      datagram.handle.sendTo(bytes, undefined)
      yield* Winsock.recv(to.s)
      assert.strictEqual(counted(), 2)
      const server = yield* listener("IPv4")
      const stream = yield* handleOf(provider, "stream")
      stream.handle.connect(planOf(server.local, quality({ priority: 5 })))
      yield* Effect.promise(() => stream.sink.wait("connected"))
      // The SYN, and what acknowledges the answer to it.
      assert.strictEqual(counted(), 4)
    })
  ),
  bare(
    "R16: with koffi a connection has the pace that was asked for, and loses it",
    Effect.gen(function*() {
      const provider = NodeProvider.make({ systemCalls: yield* NodeProvider.koffi })
      const to = yield* listener("IPv4")
      const { handle, sink } = yield* handleOf(provider, "stream")
      const pace = () => paceOf("dport", to.port)
      handle.connect(planOf(to.local, quality({ pacingRate: 1_000_000 })))
      yield* Effect.promise(() => sink.wait("connected"))
      assert.strictEqual(pace(), 1_000_000)
      assert.isUndefined(handle.setQuality(quality({ pacingRate: 250_000 })))
      assert.strictEqual(pace(), 250_000)
      assert.isUndefined(handle.setQuality(undefined))
      assert.strictEqual(pace(), 0)
    })
  ),
  bare(
    "A16: an accepted connection has a priority and a pace too",
    Effect.gen(function*() {
      const provider = NodeProvider.make({ systemCalls: yield* NodeProvider.koffi })
      const { handle, sink } = yield* handleOf(provider, "stream")
      const local = handle.bind(SocketAddress.fromInputUnsafe(loopback.IPv4), { reuse: false, v6Only: true })
      if (Provider.isFailure(local)) throw new Error(local.code)
      handle.listen({ backlog: 1, local, keepLocalPort: false })
      const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
      yield* Winsock.WSAConnect(s, local)
      const { request } = yield* Effect.promise(() => sink.wait("incoming"))
      const theirs = new Recorder()
      const accepted = request.accept(theirs, undefined)
      if (Provider.isFailure(accepted)) throw new Error(accepted.code)
      assert.isUndefined(accepted.setQuality(quality({ dscp: 18, priority: 3, pacingRate: 1_000_000 })))
      assert.strictEqual(paceOf("sport", portOf(local)!), 1_000_000)
      yield* sent
      accepted.write(bytes)
      yield* Winsock.recv(s)
      assert.deepStrictEqual(marks((yield* sent).filter(({ length }) => length > 0)), [18])
      accepted.close("reset")
      yield* Effect.promise(() => theirs.wait("closed"))
    })
  )
]

export const scenes: ReadonlyArray<Scene> = [
  ...byTable,
  ...unasked,
  ...remarking,
  ...accepted,
  ...stated,
  ...grouped,
  ...untouched,
  ...addresses,
  ...interrupted,
  ports,
  ...mapped,
  ...unmarkedDatagrams,
  ...datagrams,
  ...remarkedDatagrams,
  mappedDatagrams,
  ...ofProvider
]
