/**
 * A16, R15–R20, E16: quality of service. What is refused for it in the order of errors is in `connect.ts` and `errors.ts`.
 */
import * as NetworkEvent from "@effect-winsock/core/NetworkEvent"
import * as Qos from "@effect-winsock/core/Qos"
import * as SocketOption from "@effect-winsock/core/SocketOption"
import * as Winsock from "@effect-winsock/core/Winsock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as F from "./frame.ts"

/** What asks for nothing, so that every provider can honour it. */
const modest = (tokenRate: number): Qos.Qos => ({ sending: { serviceType: "bestEffort", tokenRate } })

const rateOf = (s: Winsock.Socket, code: "SIO_GET_QOS" | "SIO_GET_GROUP_QOS") =>
  Effect.map(Winsock.WSAIoctl(s, code), (qos) => qos?.sending?.tokenRate)

const qos = [
  ...F.each("A16", F.families, "WSAIoctl sets and reads the QOS of a socket, and knows no other code", function*(
    family
  ) {
    const s = yield* F.make(family)
    yield* F.equal("none was set", yield* Winsock.WSAIoctl(s, "SIO_GET_QOS"), undefined)
    yield* F.equal("none of a group", yield* Winsock.WSAIoctl(s, "SIO_GET_GROUP_QOS"), undefined)
    yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", modest(7))
    yield* F.equal("what was set", yield* rateOf(s, "SIO_GET_QOS"), 7)
    const unsound = Winsock.WSAIoctl(s, "SIO_SET_QOS", F.anything({ sending: { serviceType: "best" } }))
    yield* F.fails("what is no QOS", "WSAEFAULT", unsound)
    yield* F.fails("nothing", "WSAEFAULT", Winsock.WSAIoctl(s, "SIO_SET_QOS", F.anything(null)))
    yield* F.fails("another code", "WSAEOPNOTSUPP", Winsock.WSAIoctl(s, F.anything("SIO_KEEPALIVE_VALS")))
    yield* F.equal("what was set is still there", yield* rateOf(s, "SIO_GET_QOS"), 7)
    yield* Winsock.closesocket(s)
    yield* F.fails("a closed socket", "WSAENOTSOCK", Winsock.WSAIoctl(s, "SIO_GET_QOS"))
  }),
  F.row("A16", "WSAIoctl refuses a QOS that cannot be honoured, and changes nothing", function*() {
    const { address } = yield* F.listening("IPv4")
    const s = yield* F.make("IPv4")
    yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", modest(7))
    // Before a connect only one that reserves may hold its answer back until it knows the way.
    const { reservesQos } = yield* F.capabilities("IPv4")
    if (reservesQos) yield* Winsock.WSAConnect(s, address)
    yield* F.fails("SIO_SET_QOS", "WSAEOPNOTSUPP", Winsock.WSAIoctl(s, "SIO_SET_QOS", F.impossible))
    yield* F.equal("what was set before", yield* rateOf(s, "SIO_GET_QOS"), 7)
  }),
  ...(["stream", "datagram"] as const).flatMap((type) =>
    F.each("R15", F.inet, `a QOS at connect overrides the one of SIO_SET_QOS: ${type}`, function*(family) {
      const { address } = type === "stream" ? yield* F.listening(family) : yield* F.bound(family, type)
      const s = yield* F.make(family, type)
      yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", modest(1))
      const unsound = Winsock.WSAConnect(s, address, { sqos: modest(2), gqos: F.anything(5) })
      yield* F.fails("a connect that is not right", "WSAEFAULT", unsound)
      yield* F.equal("it changes nothing", yield* rateOf(s, "SIO_GET_QOS"), 1)
      yield* Winsock.WSAConnect(s, address, { sqos: modest(2) })
      yield* F.equal("what the connect gave", yield* rateOf(s, "SIO_GET_QOS"), 2)
      const ambient = yield* F.make(family, type)
      yield* Effect.provide(Winsock.WSAConnect(ambient, address), Qos.layer(modest(3)))
      yield* F.equal("what a layer gave", yield* rateOf(ambient, "SIO_GET_QOS"), 3)
      const silent = yield* F.make(family, type)
      yield* Winsock.WSAIoctl(silent, "SIO_SET_QOS", modest(4))
      yield* Winsock.WSAConnect(silent, address, { sqos: null })
      yield* F.equal("none at the connect", yield* rateOf(silent, "SIO_GET_QOS"), 4)
    })
  ),
  F.row("R15", "a group QOS at connect overrides the one of SIO_SET_GROUP_QOS", function*() {
    const { address } = yield* F.listening("IPv4")
    const s = yield* Winsock.socket({ family: "IPv4", type: "stream", group: Winsock.SG_UNCONSTRAINED_GROUP })
    yield* Winsock.WSAIoctl(s, "SIO_SET_GROUP_QOS", modest(1))
    yield* F.equal("what was set", yield* rateOf(s, "SIO_GET_GROUP_QOS"), 1)
    yield* Winsock.WSAConnect(s, address, { gqos: modest(2) })
    yield* F.equal("what the connect gave", yield* rateOf(s, "SIO_GET_GROUP_QOS"), 2)
  }),
  F.row("R20", "a group QOS is ignored where the socket joined its group, or is in none", function*() {
    const { address } = yield* F.listening("IPv4")
    const first = yield* Winsock.socket({ family: "IPv4", type: "stream", group: Winsock.SG_UNCONSTRAINED_GROUP })
    const group = yield* Winsock.getsockopt(first, SocketOption.SO_GROUP_ID)
    const joined = yield* Winsock.socket({ family: "IPv4", type: "stream", group })
    for (const s of [joined, yield* F.make("IPv4")]) {
      yield* Winsock.WSAIoctl(s, "SIO_SET_GROUP_QOS", { sending: { serviceType: "guaranteed", tokenRate: 16_000 } })
      yield* Winsock.WSAConnect(s, address, { gqos: { sending: { serviceType: "guaranteed", tokenRate: 16_000 } } })
      yield* F.equal("SIO_GET_GROUP_QOS", yield* Winsock.WSAIoctl(s, "SIO_GET_GROUP_QOS"), undefined)
    }
  }),
  F.row(
    "R18",
    "provider-specific QOS parameters are kept byte for byte, and are empty where there were none",
    function*() {
      const s = yield* F.make("IPv4")
      // An object of a type that nobody knows, and the end of the list.
      const bytes = Result.getOrThrow(Qos.encodeObjects([{ _tag: "Other", type: 77, body: F.pattern(300) }]))
      const given = new Uint8Array(bytes)
      yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", { ...modest(1), providerSpecific: bytes })
      bytes.fill(0)
      const read = yield* Winsock.WSAIoctl(s, "SIO_GET_QOS")
      yield* F.equal("what was set", read?.providerSpecific, given)
      read?.providerSpecific?.fill(0)
      const again = yield* Winsock.WSAIoctl(s, "SIO_GET_QOS")
      yield* F.equal("what was set, read again", again?.providerSpecific, given)
      yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", modest(1))
      yield* F.equal("none", (yield* Winsock.WSAIoctl(s, "SIO_GET_QOS"))?.providerSpecific, new Uint8Array(0))
      const unsound = Winsock.WSAIoctl(s, "SIO_SET_QOS", F.anything({ providerSpecific: "words" }))
      yield* F.fails("no bytes", "WSAEFAULT", unsound)
    }
  )
]

const kinds = ["IPv4 stream", "IPv6 stream", "Unix stream", "IPv4 datagram", "IPv6 datagram"] as const

const kindOf = (words: (typeof kinds)[number]) => words.split(" ") as [F.Family, F.Type]

const target = (family: F.Family, type: F.Type) => type === "stream" ? F.listening(family) : F.bound(family, "datagram")

const voice: Qos.Qos = {
  sending: { serviceType: "guaranteed", tokenRate: 16_000, tokenBucketSize: 16_000 },
  receiving: { serviceType: "controlledLoad", tokenRate: 16_000, tokenBucketSize: 16_000 }
}

const applied = [
  ...F.each("R19", kinds, "without a QOS nothing is done, and the connection says so", function*(words) {
    const [family, type] = kindOf(words)
    const { address } = yield* target(family, type)
    const s = yield* F.make(family, type)
    const { applied } = yield* Winsock.WSAConnect(s, address)
    yield* F.claim("nothing was done", applied === Qos.nothingApplied)
  }),
  ...F.each(
    "E16",
    kinds,
    "a service is honoured as far as the network can, and the connection says how",
    function*(words) {
      const [family, type] = kindOf(words)
      const { marking, reservesQos } = yield* F.capabilities(family, type)
      const { address } = yield* target(family, type)
      const s = yield* F.make(family, type)
      const attempt = Winsock.WSAConnect(s, address, { sqos: voice })
      if (!marking && !reservesQos) return yield* Effect.asVoid(F.fails("it can do neither", "WSAEOPNOTSUPP", attempt))
      const { receiving, sending } = (yield* attempt).applied
      yield* F.equal("what was asked", sending.asked?.tokenRate, 16_000)
      yield* F.equal("the mark", sending.marked, marking ? Qos.windows.dscp.guaranteed : undefined)
      yield* F.equal("the rate that is kept", sending.shaped?.tokenRate, 16_000)
      yield* F.equal("the rate that is read", receiving.shaped?.tokenRate, 16_000)
      yield* F.claim("what is received is not marked here", receiving.marked === undefined)
      yield* F.equal("whether it is reserved", sending.reserved !== undefined, reservesQos)
      const ignored = sending.ignored.some(({ field }) => field === "serviceType")
      yield* F.equal("whether it says that nothing is reserved", ignored, !reservesQos)
    }
  ),
  ...F.each(
    "R16",
    kinds,
    "a delay that is stated to a service without promises is ignored, and told",
    function*(words) {
      const [family, type] = kindOf(words)
      const { address } = yield* target(family, type)
      const s = yield* F.make(family, type)
      const sqos: Qos.Qos = { sending: { serviceType: "qualitative", tokenRate: 16_000, latency: 1 } }
      const { applied } = yield* Winsock.WSAConnect(s, address, { sqos })
      yield* F.equal("what was ignored", applied.sending.ignored.map(({ field }) => field).join(), "latency")
    }
  ),
  ...F.each("A16", kinds, "SIO_SET_QOS on a connection changes what is done from there on", function*(words) {
    const [family, type] = kindOf(words)
    const { marking, reservesQos } = yield* F.capabilities(family, type)
    const { address } = yield* target(family, type)
    const s = yield* F.make(family, type)
    yield* Winsock.WSAConnect(s, address)
    const set = Winsock.WSAIoctl(s, "SIO_SET_QOS", voice)
    if (!marking && !reservesQos) return yield* Effect.asVoid(F.fails("it can do neither", "WSAEOPNOTSUPP", set))
    yield* set
    const now = (yield* Winsock.connectResult(s)).applied.sending
    yield* F.equal("the mark", now.marked, marking ? Qos.windows.dscp.guaranteed : undefined)
    yield* F.equal("the rate", now.shaped?.tokenRate, 16_000)
    yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", { sending: { serviceType: "bestEffort" } })
    const later = (yield* Winsock.connectResult(s)).applied.sending
    yield* F.claim("no mark is left", later.marked === undefined)
    yield* F.claim("no rate is left", later.shaped === undefined)
    yield* F.claim("nothing is reserved any more", later.reserved === undefined)
  }),
  F.row("R15", "a direction that is not to change keeps the flow of SIO_SET_QOS", function*() {
    const { address } = yield* F.listening("IPv4")
    const s = yield* F.make("IPv4")
    yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", modest(7))
    const sqos: Qos.Qos = {
      sending: { serviceType: "noChange" },
      receiving: { serviceType: "bestEffort", tokenRate: 9 }
    }
    yield* Winsock.WSAConnect(s, address, { sqos })
    const read = yield* Winsock.WSAIoctl(s, "SIO_GET_QOS")
    yield* F.equal("sending", read?.sending?.tokenRate, 7)
    yield* F.equal("receiving", read?.receiving?.tokenRate, 9)
  }),
  F.row("R16", "an attempt that comes to nothing leaves the QOS that there was", function*() {
    const { address: dead } = yield* F.bound("IPv4")
    const s = yield* F.make("IPv4")
    yield* Winsock.WSAIoctl(s, "SIO_SET_QOS", modest(7))
    yield* F.fails("WSAConnect", "WSAECONNREFUSED", Winsock.WSAConnect(s, dead, { sqos: modest(8) }))
    yield* F.equal("what was set", yield* rateOf(s, "SIO_GET_QOS"), 7)
  }),
  ...F.each("R20", F.families, "the QOS of a group holds for each socket in it", function*(family) {
    const { address } = yield* F.listening(family)
    const creator = yield* Winsock.socket({ family, type: "stream", group: Winsock.SG_UNCONSTRAINED_GROUP })
    const group = yield* Winsock.getsockopt(creator, SocketOption.SO_GROUP_ID)
    const early = yield* Winsock.socket({ family, type: "stream", group })
    yield* Winsock.WSAConnect(early, address)
    const gqos: Qos.Qos = { sending: { serviceType: "bestEffort", tokenRate: 50_000 } }
    yield* Effect.provide(Winsock.WSAConnect(creator, address), Qos.layerGroup(gqos))
    const late = yield* Winsock.socket({ family, type: "stream", group })
    yield* Winsock.WSAConnect(late, address)
    for (const s of [early, creator, late]) {
      const { sending } = (yield* Winsock.connectResult(s)).applied
      yield* F.equal("the rate that is shared", sending.groupShaped?.tokenRate, 50_000)
      yield* F.claim("no rate is its own", sending.shaped === undefined)
    }
  })
]

const carried = [
  F.row("A07", "the condition sees the QOS of the caller and of its group, and none where none was given", function*() {
    const carrying = yield* F.world((world) => world.carrying)
    yield* F.within(
      carrying,
      Effect.gen(function*() {
        const { address, socket: listener } = yield* F.listening("IPv4")
        for (const options of [{ sqos: modest(7), gqos: modest(8) }, {}]) {
          const s = yield* Winsock.socket({ family: "IPv4", type: "stream", group: Winsock.SG_UNCONSTRAINED_GROUP })
          const attempt = yield* F.begin(Winsock.WSAConnect(s, address, options))
          const seen: Array<Winsock.ConnectionRequest> = []
          yield* Winsock.WSAAccept(listener, (request) => {
            seen.push(request)
            return Effect.succeed(Winsock.CF_ACCEPT)
          })
          yield* Fiber.join(attempt)
          yield* F.equal("the QOS of the socket", seen[0]?.sqos?.sending?.tokenRate, options.sqos?.sending?.tokenRate)
          yield* F.equal("the QOS of the group", seen[0]?.gqos?.sending?.tokenRate, options.gqos?.sending?.tokenRate)
        }
      })
    )
  })
]

const reserved = [
  F.row("E16", "a reservation is admitted while there is room, and another one is refused", function*() {
    const { instance } = yield* F.world((world) => world.reserving)
    yield* F.within(
      instance,
      Effect.gen(function*() {
        const { address } = yield* F.listening("IPv4")
        const first = yield* F.make("IPv4")
        const { applied } = yield* Winsock.WSAConnect(first, address, { sqos: { sending: voice.sending! } })
        yield* F.equal("the rate that is reserved", applied.sending.reserved?.rate, 16_000)
        const second = yield* F.make("IPv4")
        const refused = Winsock.WSAConnect(second, address, { sqos: { sending: voice.sending! } })
        yield* F.fails("a second", "WSAEOPNOTSUPP", refused)
        yield* F.fails("it is as before", "WSAENOTCONN", Winsock.getpeername(second))
        yield* Winsock.closesocket(first)
        yield* Winsock.WSAConnect(second, address, { sqos: { sending: voice.sending! } })
      })
    )
  }),
  F.row("A18", "FD_QOS tells that a reservation is lost, and that it is there again", function*() {
    const { instance, setRoom } = yield* F.world((world) => world.reserving)
    yield* F.within(
      instance,
      Effect.gen(function*() {
        const { address } = yield* F.listening("IPv4")
        const s = yield* F.make("IPv4")
        yield* Winsock.WSAConnect(s, address, { sqos: { sending: voice.sending! } })
        const event = yield* Winsock.WSACreateEvent
        yield* Winsock.WSAEventSelect(s, event, NetworkEvent.FD_QOS)
        for (const [room, code] of [[0, "WSA_QOS_ADMISSION_FAILURE"], [20_000, "WSA_QOS_REQUEST_CONFIRMED"]] as const) {
          yield* setRoom(room)
          yield* Winsock.WSAWaitForMultipleEvents([event])
          const { iErrorCode, lNetworkEvents } = yield* Winsock.WSAEnumNetworkEvents(s, event)
          yield* F.equal("what is told", lNetworkEvents, NetworkEvent.FD_QOS)
          yield* F.equal("its code", iErrorCode.FD_QOS?._tag, code)
          const service = (yield* Winsock.WSAIoctl(s, "SIO_GET_QOS"))?.sending?.serviceType
          yield* F.equal("the service there is", service, room === 0 ? "networkUnavailable" : "guaranteed")
          const { sending } = (yield* Winsock.connectResult(s)).applied
          yield* F.equal("whether it is reserved", sending.reserved !== undefined, room > 0)
        }
      })
    )
  })
]

export const qosRows: ReadonlyArray<F.Case> = [...qos, ...applied, ...carried, ...reserved]
