/** Start-ups and versions, socket groups, WSAAccept and its condition, and what keeps other calls off. */
import type * as SocketAddress from "@effect-winsock/core/SocketAddress"
import * as SocketOption from "@effect-winsock/core/SocketOption"
import * as Winsock from "@effect-winsock/core/Winsock"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as F from "./frame.ts"

const { CF_ACCEPT, CF_DEFER, CF_REJECT } = Winsock

/** A caller of the listener who has got through, as far as it can tell. */
const calling = (family: F.Family, address: SocketAddress.SocketAddress) =>
  Effect.tap(F.make(family), (s) => Winsock.WSAConnect(s, address))

const answering = (answer: Winsock.ConditionAnswer) => () => Effect.succeed(answer)

const groupOf = (s: Winsock.Socket) => Winsock.getsockopt(s, SocketOption.SO_GROUP_ID)

/** A condition that is running, and waits to be told its answer. */
const considering = (listener: Winsock.Socket) =>
  Effect.gen(function*() {
    const begun = yield* Deferred.make<void>()
    const answer = yield* Deferred.make<Winsock.ConditionAnswer>()
    const fiber = yield* F.begin(
      Winsock.WSAAccept(listener, () => Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(answer)))
    )
    yield* Deferred.await(begun)
    return { fiber, answer: (given: Winsock.ConditionAnswer) => Deferred.succeed(answer, given) }
  })

/** The same in a world whose connection requests carry data, and wait until they are accepted. */
const carrying = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(F.world((world) => world.carrying), (instance) => F.within(instance, effect))

// ---------------------------------------------------------------------------------------------------------------------
// A01, E11: groups
// ---------------------------------------------------------------------------------------------------------------------

const SG_UNCONSTRAINED_GROUP = Winsock.SG_UNCONSTRAINED_GROUP
const SG_CONSTRAINED_GROUP = Winsock.SG_CONSTRAINED_GROUP

/** An address of the family that nobody has, at another host than the world's own. */
const otherHost = (family: "IPv4" | "IPv6") =>
  Effect.map(F.world((world) => world.foreign(family)), (address) => F.withPort(address, 9))

const groups = [
  ...F.each("A01", F.families, "a group is created and joined, by sockets of any kind", function*(family) {
    yield* F.equal("SO_GROUP_ID in no group", yield* groupOf(yield* F.make(family)), 0)
    const none = yield* Winsock.socket({ family, type: "stream", group: 0 })
    yield* F.equal("SO_GROUP_ID of group 0", yield* groupOf(none), 0)
    const first = yield* Winsock.socket({ family, type: "stream", group: SG_UNCONSTRAINED_GROUP })
    const group = yield* groupOf(first)
    yield* F.claim(
      "the new group has a number of its own",
      ![0, SG_UNCONSTRAINED_GROUP, SG_CONSTRAINED_GROUP].includes(group)
    )
    const second = yield* Winsock.socket({ family, type: "stream", group })
    yield* F.equal("SO_GROUP_ID of one that joined", yield* groupOf(second), group)
    const third = yield* Winsock.socket({ family: "IPv4", type: "datagram", group })
    yield* F.equal("SO_GROUP_ID of a datagram socket", yield* groupOf(third), group)
    const other = yield* Winsock.socket({ family, type: "stream", group: SG_UNCONSTRAINED_GROUP })
    yield* F.claim("the next group is another one", (yield* groupOf(other)) !== group)
    yield* F.fails("setting it", "WSAENOPROTOOPT", Winsock.setsockopt(first, F.anything(SocketOption.SO_GROUP_ID), 5))
  }),
  F.row("A01", "an unknown group is WSAEINVAL, and a group ends with its last socket", function*() {
    const ask = (group: unknown) => Winsock.socket({ family: "IPv4", type: "stream", group: F.anything(group) })
    yield* F.fails("a number that nobody gave", "WSAEINVAL", ask(0x7fff))
    yield* F.fails("no number", "WSAEINVAL", ask("family"))
    const first = yield* ask(SG_UNCONSTRAINED_GROUP)
    const group = yield* groupOf(first)
    const second = yield* ask(group)
    yield* Winsock.closesocket(first)
    const third = yield* ask(group)
    yield* Winsock.closesocket(second)
    yield* Winsock.closesocket(third)
    yield* F.fails("a group without sockets", "WSAEINVAL", ask(group))
    const next = yield* ask(SG_UNCONSTRAINED_GROUP)
    yield* F.claim("its number is not given again", (yield* groupOf(next)) !== group)
  }),
  F.row("A01", "a constrained group takes streams only", function*() {
    const first = yield* Winsock.socket({ family: "IPv4", type: "stream", group: SG_CONSTRAINED_GROUP })
    const group = yield* groupOf(first)
    yield* F.fails("a datagram", "WSAEINVAL", Winsock.socket({ family: "IPv4", type: "datagram", group }))
    yield* F.fails(
      "created with a datagram",
      "WSAEINVAL",
      Winsock.socket({ family: "IPv4", type: "datagram", group: SG_CONSTRAINED_GROUP })
    )
    yield* F.equal("a stream", yield* groupOf(yield* Winsock.socket({ family: "IPv6", type: "stream", group })), group)
  }),
  F.row("A01", "an accepted socket is in no group of its listener's", function*() {
    const listener = yield* Winsock.socket({ family: "IPv4", type: "stream", group: SG_UNCONSTRAINED_GROUP })
    yield* Winsock.bind(listener, yield* F.local("IPv4"))
    yield* Winsock.listen(listener)
    yield* calling("IPv4", yield* Winsock.getsockname(listener))
    yield* F.equal("SO_GROUP_ID", yield* groupOf((yield* Winsock.accept(listener)).socket), 0)
  }),
  ...F.each("A14", ["stream", "datagram"], "SO_GROUP_PRIORITY is kept, SO_GROUP_ID is only read", function*(type) {
    const { SO_GROUP_ID, SO_GROUP_PRIORITY } = SocketOption
    const s = yield* Winsock.socket({ family: "IPv4", type, group: SG_UNCONSTRAINED_GROUP })
    yield* F.equal("the priority at first", yield* Winsock.getsockopt(s, SO_GROUP_PRIORITY), 0)
    for (const value of [7, -7, 0x7fff_ffff, -0x8000_0000]) {
      yield* Winsock.setsockopt(s, SO_GROUP_PRIORITY, value)
      yield* F.equal("the priority", yield* Winsock.getsockopt(s, SO_GROUP_PRIORITY), value)
    }
    for (const value of [1.5, NaN, Infinity, 0x8000_0000]) {
      yield* F.fails(`the priority ${value}`, "WSAEINVAL", Winsock.setsockopt(s, SO_GROUP_PRIORITY, value))
    }
    const set = (value: unknown) => Winsock.setsockopt(s, SO_GROUP_PRIORITY, F.anything(value))
    yield* F.fails("a priority that is no number", "WSAEFAULT", set("high"))
    yield* F.equal("the priority afterwards", yield* Winsock.getsockopt(s, SO_GROUP_PRIORITY), -0x8000_0000)
    yield* F.fails("the group", "WSAENOPROTOOPT", Winsock.setsockopt(s, F.anything(SO_GROUP_ID), 5))
    const alone = yield* F.make("IPv4", type)
    yield* Winsock.setsockopt(alone, SO_GROUP_PRIORITY, 3)
    yield* F.equal("in no group", yield* Winsock.getsockopt(alone, SO_GROUP_PRIORITY), 3)
  }),
  ...F.each(
    "R20",
    F.families,
    "a group QOS counts on the socket that created its group, and on no other",
    function*(family) {
      const { address, socket: listener } = yield* F.listening(family)
      const creator = yield* Winsock.socket({ family, type: "stream", group: SG_UNCONSTRAINED_GROUP })
      const refused = Winsock.WSAConnect(creator, address, { gqos: F.impossible })
      yield* F.fails("the creator", "WSAEOPNOTSUPP", refused)
      const member = yield* Winsock.socket({ family, type: "stream", group: yield* groupOf(creator) })
      yield* Winsock.WSAConnect(member, address, { gqos: F.impossible })
      yield* Winsock.WSAConnect(creator, address)
      yield* Winsock.accept(listener)
      yield* Winsock.accept(listener)
    }
  ),
  ...F.each("E11", F.inet, "the sockets of a constrained group connect to one host", function*(family) {
    const elsewhere = yield* otherHost(family)
    const { address } = yield* F.listening(family)
    const also = yield* F.listening(family)
    const first = yield* Winsock.socket({ family, type: "stream", group: SG_CONSTRAINED_GROUP })
    const group = yield* groupOf(first)
    yield* Winsock.WSAConnect(first, address)
    const second = yield* Winsock.socket({ family, type: "stream", group })
    yield* F.fails("another host", "WSAEINVAL", Winsock.WSAConnect(second, elsewhere))
    yield* F.fails("by connect", "WSAEINVAL", Winsock.connect(second, elsewhere))
    yield* F.fails("by a list", "WSAEINVAL", Winsock.WSAConnectByList(second, [elsewhere, address]))
    yield* F.fails("getsockname afterwards", "WSAEINVAL", Winsock.getsockname(second))
    yield* F.fails("port 0 comes first", "WSAEADDRNOTAVAIL", Winsock.WSAConnect(second, F.withPort(elsewhere, 0)))
    const late = Winsock.WSAConnect(second, elsewhere, { callerData: F.text("x"), calleeData: -1 })
    yield* F.fails("caller data comes after", "WSAEINVAL", late)
    yield* Winsock.WSAConnect(second, also.address)
    const free = yield* F.make(family)
    yield* F.nonBlocking(free)
    yield* F.fails("a socket of no group", "WSAEWOULDBLOCK", Winsock.WSAConnect(free, elsewhere))
  }),
  ...F.each("E11", F.inet, "an attempt that is pending counts, one that has failed does not", function*(family) {
    const hole = yield* F.world((world) => world.blackholed(family))
    const { address } = yield* F.listening(family)
    const first = yield* Winsock.socket({ family, type: "stream", group: SG_CONSTRAINED_GROUP })
    const second = yield* Winsock.socket({ family, type: "stream", group: yield* groupOf(first) })
    const dead = yield* F.bound(family)
    yield* F.fails("a refused attempt", "WSAECONNREFUSED", Winsock.WSAConnect(second, dead.address))
    yield* F.nonBlocking(first)
    yield* F.fails("the first, to another host", "WSAEWOULDBLOCK", Winsock.WSAConnect(first, hole))
    yield* F.fails("the second", "WSAEINVAL", Winsock.WSAConnect(second, address))
    yield* Winsock.closesocket(first)
    yield* Winsock.WSAConnect(second, address)
  })
]

// ---------------------------------------------------------------------------------------------------------------------
// A07: WSAAccept
// ---------------------------------------------------------------------------------------------------------------------

const a07 = [
  ...F.each("A07", F.families, "the condition sees the caller, and CF_ACCEPT gives the connection", function*(family) {
    const winsock = yield* Winsock.Winsock
    const { address, socket: listener } = yield* F.listening(family)
    const client = yield* calling(family, address)
    const seen: Array<Winsock.ConnectionRequest> = []
    const { remote, socket: server } = yield* Winsock.WSAAccept(listener, (request) => {
      seen.push(request)
      return Effect.succeed(CF_ACCEPT)
    })
    yield* F.equal("how often it was asked", seen.length, 1)
    const request = seen[0]!
    const name = family === "Unix" ? F.wildcard("Unix") : yield* Winsock.getsockname(client)
    yield* F.equal("the caller", request.remote, name)
    yield* F.equal("the caller, as accept gives it", remote, name)
    yield* F.equal("what was called", request.local, address)
    yield* F.equal("caller data", request.callerData.length, 0)
    const { calleeDataMax } = winsock.capabilities({ family, type: "stream", direction: "both" })
    yield* F.equal("how much callee data there may be", request.calleeDataMax, calleeDataMax)
    yield* F.equal("a QOS", request.sqos, undefined)
    yield* F.talk(client, server)
  }),
  ...F.each("A07", F.families, "without a condition, and in its failures, it is accept", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const client = yield* calling(family, address)
    const { socket: server } = yield* Winsock.WSAAccept(listener)
    yield* F.talk(client, server)
    const never = () => Effect.die("there is nobody to ask about")
    yield* F.fails("unbound", "WSAEINVAL", Winsock.WSAAccept(yield* F.make(family), never))
    yield* F.fails("connected", "WSAEINVAL", Winsock.WSAAccept(server, never))
    yield* F.fails("no socket", "WSAENOTSOCK", Winsock.WSAAccept(F.anything({}), never))
    const datagram = yield* F.make("IPv4", "datagram")
    yield* F.fails("a datagram", "WSAEOPNOTSUPP", Winsock.WSAAccept(datagram, never))
    yield* F.nonBlocking(listener)
    yield* F.fails("none waiting", "WSAEWOULDBLOCK", Winsock.WSAAccept(listener, never))
    yield* F.blocking(listener)
    const waiting = yield* F.begin(Winsock.WSAAccept(listener, never))
    yield* F.goesOn("one that waits", waiting)
    yield* Winsock.closesocket(listener)
    yield* F.failed("one whose listener is closed", "WSAEINTR", waiting)
    yield* F.fails("a closed listener", "WSAENOTSOCK", Winsock.WSAAccept(listener, never))
  }),
  ...F.each(
    "A07",
    F.families,
    "the accepted socket is blocking as its listener is, and so is the wait",
    function*(family) {
      const { address, socket: listener } = yield* F.listening(family)
      const waiting = yield* F.begin(Winsock.WSAAccept(listener, answering(CF_ACCEPT)))
      yield* F.goesOn("a blocking one", waiting)
      yield* F.nonBlocking(listener)
      yield* calling(family, address)
      const { socket } = yield* Fiber.join(waiting)
      yield* F.fails("recv", "WSAEWOULDBLOCK", Winsock.recv(socket))
    }
  ),
  ...F.each("A07", F.families, "CF_REJECT is WSAECONNREFUSED, and the caller meets a reset", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const client = yield* calling(family, address)
    const next = yield* calling(family, address)
    yield* F.fails("WSAAccept", "WSAECONNREFUSED", Winsock.WSAAccept(listener, answering(CF_REJECT)))
    const end = yield* Effect.matchEffect(Winsock.recv(client), {
      onSuccess: (bytes) => Effect.succeed(bytes.length === 0 ? "the end" : "bytes"),
      onFailure: (error) => Effect.succeed<string>(error._tag)
    })
    if (family !== "Unix" || end !== "the end") yield* F.equal("what the caller meets", end, "WSAECONNRESET")
    const { socket: server } = yield* Winsock.WSAAccept(listener, answering(CF_ACCEPT))
    yield* F.talk(next, server)
  }),
  F.row("A07", "CF_REJECT refuses the caller where the transport can still say so", function*() {
    yield* carrying(Effect.gen(function*() {
      const { address, socket: listener } = yield* F.listening("IPv4")
      const s = yield* F.make("IPv4")
      const attempt = yield* F.begin(Winsock.WSAConnect(s, address, { callerData: F.text("tenant=none") }))
      yield* F.fails("WSAAccept", "WSAECONNREFUSED", Winsock.WSAAccept(listener, answering(CF_REJECT)))
      yield* F.failed("the attempt", "WSAECONNREFUSED", attempt)
      const name = yield* Winsock.getsockname(s)
      const again = yield* F.begin(Winsock.WSAConnect(s, address))
      const { remote, socket: server } = yield* Winsock.WSAAccept(listener, answering(CF_ACCEPT))
      yield* Fiber.join(again)
      yield* F.equal("R26: the same socket, from the same port", remote, name)
      yield* F.talk(s, server)
    }))
  }),
  ...F.each("A07", F.families, "CF_DEFER is WSATRY_AGAIN, and the caller is the next one given", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const first = yield* calling(family, address)
    const second = yield* calling(family, address)
    yield* F.fails("WSAAccept", "WSATRY_AGAIN", Winsock.WSAAccept(listener, answering(CF_DEFER)))
    yield* F.fails("once more", "WSATRY_AGAIN", Winsock.WSAAccept(listener, answering(CF_DEFER)))
    yield* F.talk(first, (yield* Winsock.accept(listener)).socket)
    yield* F.fails("the next one", "WSATRY_AGAIN", Winsock.WSAAccept(listener, answering(CF_DEFER)))
    yield* F.talk(second, (yield* Winsock.WSAAccept(listener, answering(CF_ACCEPT))).socket)
    yield* F.nonBlocking(listener)
    yield* F.fails("nobody is left", "WSAEWOULDBLOCK", Winsock.accept(listener))
  }),
  ...F.each("A07", F.families, "any other answer is WSAEINVAL, and the caller waits on", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const client = yield* calling(family, address)
    const is = (what: string, answer: unknown) =>
      F.fails(what, "WSAEINVAL", Winsock.WSAAccept(listener, answering(F.anything(answer))))
    for (const answer of [3, -1, 0.5, NaN, "yes", true, null, undefined, {}, { verdict: "accept" }]) {
      yield* is(`the answer ${F.show(answer)}`, answer)
    }
    yield* is("callee data that is no bytes", { verdict: CF_ACCEPT, calleeData: "welcome" })
    yield* is("more callee data than is carried", { verdict: CF_ACCEPT, calleeData: new Uint8Array(1 << 20) })
    yield* is("an unknown group", { verdict: CF_ACCEPT, group: 0x7fff })
    yield* F.talk(client, (yield* Winsock.accept(listener)).socket)
  }),
  ...F.each("A07", F.families, "the condition hands a group back, of one or many", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    yield* calling(family, address)
    yield* calling(family, address)
    const created = yield* Winsock.WSAAccept(listener, answering({ verdict: CF_ACCEPT, group: SG_CONSTRAINED_GROUP }))
    const group = yield* groupOf(created.socket)
    yield* F.claim("a group was created", group > SG_CONSTRAINED_GROUP)
    const joined = yield* Winsock.WSAAccept(listener, answering({ verdict: CF_ACCEPT, group }))
    yield* F.equal("a group was joined", yield* groupOf(joined.socket), group)
  }),
  ...F.each("A07", F.inet, "a caller of another host cannot come into a constrained group", function*(family) {
    const hole = yield* F.world((world) => world.blackholed(family))
    const s = yield* Winsock.socket({ family, type: "stream", group: SG_CONSTRAINED_GROUP })
    const group = yield* groupOf(s)
    yield* F.nonBlocking(s)
    yield* F.fails("WSAConnect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, hole))
    const { address, socket: listener } = yield* F.listening(family)
    const client = yield* calling(family, address)
    const into = Winsock.WSAAccept(listener, answering({ verdict: CF_ACCEPT, group }))
    yield* F.fails("WSAAccept", "WSAEINVAL", into)
    yield* Winsock.closesocket(s)
    yield* F.fails("into a group that has ended", "WSAEINVAL", into)
    yield* F.talk(client, (yield* Winsock.accept(listener)).socket)
  }),
  ...F.each("A07", F.inet, "a caller that is reset while the condition runs is WSAEACCES", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const client = yield* calling(family, address)
    const { answer, fiber } = yield* considering(listener)
    // What breaks off a send resets the connection.
    yield* Fiber.interrupt(yield* F.begin(Winsock.send(client, new Uint8Array(64 * 1024 * 1024))))
    yield* F.settled
    yield* answer(CF_ACCEPT)
    yield* F.failed("WSAAccept", "WSAEACCES", fiber)
    const next = yield* calling(family, address)
    yield* F.talk(next, (yield* Winsock.accept(listener)).socket)
  }),
  F.row("A07", "a caller that gives up while the condition runs is WSAEACCES, whatever it answers", function*() {
    yield* carrying(Effect.gen(function*() {
      const { address, socket: listener } = yield* F.listening("IPv4")
      for (const given of [CF_ACCEPT, CF_REJECT, CF_DEFER]) {
        const attempt = yield* F.begin(Winsock.WSAConnect(yield* F.make("IPv4"), address))
        const { answer, fiber } = yield* considering(listener)
        yield* Fiber.interrupt(attempt)
        yield* F.settled
        yield* answer(given)
        yield* F.failed(`WSAAccept that answers ${given}`, "WSAEACCES", fiber)
      }
      yield* F.nonBlocking(listener)
      yield* F.fails("nobody is left", "WSAEWOULDBLOCK", Winsock.accept(listener))
    }))
  }),
  ...F.each("A07", F.families, "closing the listener while the condition runs is WSAEINTR", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const client = yield* calling(family, address)
    const { answer, fiber } = yield* considering(listener)
    yield* Winsock.closesocket(listener)
    yield* answer(CF_ACCEPT)
    yield* F.failed("WSAAccept", "WSAEINTR", fiber)
    const end = yield* Effect.result(Winsock.recv(client))
    yield* F.claim(
      "the caller meets a reset or the end",
      end._tag === "Success" ? end.success.length === 0 : end.failure._tag === "WSAECONNRESET"
    )
  }),
  ...F.each(
    "A07",
    F.families,
    "a condition that fails, dies or is interrupted leaves the caller waiting",
    function*(family) {
      const { address, socket: listener } = yield* F.listening(family)
      const client = yield* calling(family, address)
      const error = yield* F.errorOf(
        "WSAAccept",
        Winsock.WSAAccept(listener, () => Effect.fail({ _tag: "Busy", message: "not now" } as const))
      )
      yield* F.equal("a failure of the condition's own", error._tag, "Busy")
      const defect = yield* Effect.exit(Winsock.WSAAccept(listener, () => Effect.die("a bug")))
      yield* F.claim("a defect stays one", Exit.hasDies(defect))
      const thrown = yield* Effect.exit(Winsock.WSAAccept(listener, () => {
        throw new Error("a bug")
      }))
      yield* F.claim("what is thrown is a defect", Exit.hasDies(thrown))
      const { fiber } = yield* considering(listener)
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      yield* F.claim("an interruption stays one", Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      yield* F.talk(client, (yield* Winsock.accept(listener)).socket)
    }
  ),
  ...F.each("A07", F.inet, "two conditions run at once, each for a caller of its own", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const first = yield* calling(family, address)
    const one = yield* considering(listener)
    const second = yield* calling(family, address)
    const two = yield* considering(listener)
    const third = yield* calling(family, address)
    yield* F.talk(third, (yield* Winsock.accept(listener)).socket)
    yield* two.answer(CF_ACCEPT)
    yield* F.talk(second, (yield* Fiber.join(two.fiber)).socket)
    yield* F.goesOn("the first", one.fiber)
    yield* one.answer(CF_DEFER)
    yield* F.failed("the first", "WSATRY_AGAIN", one.fiber)
    yield* F.talk(first, (yield* Winsock.accept(listener)).socket)
  }),
  ...F.each("A07", F.inet, "a caller that is put back goes to an accept that waits", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const client = yield* calling(family, address)
    const { answer, fiber } = yield* considering(listener)
    const waiting = yield* F.begin(Winsock.accept(listener))
    yield* F.goesOn("an accept", waiting)
    yield* answer(CF_DEFER)
    yield* F.failed("WSAAccept", "WSATRY_AGAIN", fiber)
    yield* F.talk(client, (yield* Fiber.join(waiting)).socket)
  })
]

// ---------------------------------------------------------------------------------------------------------------------
// R12, R13, R14, R27: data that comes with a connect, as the condition sees it
// ---------------------------------------------------------------------------------------------------------------------

const data = [
  F.row("R12", "the acceptor sees the caller data, and none where none was given", function*() {
    yield* carrying(Effect.gen(function*() {
      const { address, socket: listener } = yield* F.listening("IPv4")
      for (const given of [F.text("tenant=acme"), new Uint8Array(0), undefined, F.pattern(16)]) {
        const attempt = yield* F.begin(Winsock.WSAConnect(yield* F.make("IPv4"), address, { callerData: given }))
        const seen: Array<Uint8Array> = []
        yield* Winsock.WSAAccept(listener, ({ callerData }) => {
          seen.push(callerData)
          return Effect.succeed(CF_ACCEPT)
        })
        yield* Fiber.join(attempt)
        yield* F.equal(`what was seen of ${F.show(given)}`, seen[0], given ?? new Uint8Array(0))
      }
    }))
  }),
  F.row(
    "R13",
    "callee data up to the capacity, cut where it is longer, discarded where none was asked for",
    function*() {
      yield* carrying(Effect.gen(function*() {
        const { address, socket: listener } = yield* F.listening("IPv4")
        const calleeData = F.text("session1")
        const cases = [[8, 8], [100, 8], [3, 3], [1, 1], [0, 0], [undefined, 0]] as const
        for (const [capacity, expected] of cases) {
          const options = capacity === undefined ? {} : { calleeData: capacity }
          const attempt = yield* F.begin(Winsock.WSAConnect(yield* F.make("IPv4"), address, options))
          yield* Winsock.WSAAccept(listener, answering({ verdict: CF_ACCEPT, calleeData }))
          const connected = yield* Fiber.join(attempt)
          yield* F.equal(`callee data in ${capacity} bytes`, connected.calleeData, calleeData.subarray(0, expected))
        }
      }))
    }
  ),
  F.row("R13", "more callee data than the provider carries is WSAEINVAL at the acceptor", function*() {
    yield* carrying(Effect.gen(function*() {
      const { address, socket: listener } = yield* F.listening("IPv4")
      const attempt = yield* F.begin(Winsock.WSAConnect(yield* F.make("IPv4"), address, { calleeData: 100 }))
      const answer = ({ calleeDataMax }: Winsock.ConnectionRequest) =>
        Effect.succeed({ verdict: CF_ACCEPT, calleeData: new Uint8Array(calleeDataMax + 1) })
      yield* F.fails("WSAAccept", "WSAEINVAL", Winsock.WSAAccept(listener, answer))
      yield* F.goesOn("the attempt", attempt)
      yield* Winsock.accept(listener)
      yield* F.equal("callee data", (yield* Fiber.join(attempt)).calleeData.length, 0)
    }))
  }),
  F.row("R14", "callee data is there when a non-blocking connect completes", function*() {
    yield* carrying(Effect.gen(function*() {
      const { address, socket: listener } = yield* F.listening("IPv4")
      const s = yield* F.make("IPv4")
      yield* F.nonBlocking(s)
      yield* F.fails("WSAConnect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, address, { calleeData: 8 }))
      yield* Winsock.WSAAccept(listener, answering({ verdict: CF_ACCEPT, calleeData: F.text("session") }))
      const connected = yield* Winsock.connectResult(s, { wait: true })
      yield* F.equal("callee data", connected.calleeData, F.text("session"))
      yield* F.equal("asked again", (yield* Winsock.connectResult(s)).calleeData, F.text("session"))
    }))
  }),
  F.row("R27", "caller and callee data may be overwritten once the call that took them has returned", function*() {
    yield* carrying(Effect.gen(function*() {
      const { address, socket: listener } = yield* F.listening("IPv4")
      const s = yield* F.make("IPv4")
      yield* F.nonBlocking(s)
      const callerData = F.text("tenant")
      const calleeData = F.text("session")
      const options = { callerData, calleeData: 8 }
      yield* F.fails("WSAConnect", "WSAEWOULDBLOCK", Winsock.WSAConnect(s, address, options))
      callerData.fill(0)
      const seen: Array<Uint8Array> = []
      yield* Winsock.WSAAccept(listener, (request) => {
        seen.push(request.callerData)
        return Effect.succeed({ verdict: CF_ACCEPT, calleeData })
      })
      calleeData.fill(0)
      yield* F.equal("caller data", seen[0], F.text("tenant"))
      const connected = yield* Winsock.connectResult(s, { wait: true })
      yield* F.equal("callee data", connected.calleeData, F.text("session"))
    }))
  })
]

// ---------------------------------------------------------------------------------------------------------------------
// E05: what is in progress
// ---------------------------------------------------------------------------------------------------------------------

/** Every call of the instance fails with WSAEINPROGRESS. */
const allInProgress = (when: string, s: Winsock.Socket, address: SocketAddress.SocketAddress) =>
  Effect.gen(function*() {
    const is = <A, E extends { readonly _tag: string }, R>(call: string, effect: Effect.Effect<A, E, R>) =>
      F.fails(`${call} ${when}`, "WSAEINPROGRESS", effect)
    yield* is("WSAStartup", Winsock.WSAStartup())
    yield* is("WSACleanup", Winsock.WSACleanup)
    yield* is("socket", Effect.scoped(F.make("IPv4")))
    yield* is("bind", Winsock.bind(s, address))
    yield* is("connect", Winsock.connect(s, address))
    yield* is("WSAConnect", Winsock.WSAConnect(s, address))
    yield* is("WSAConnectByList", Winsock.WSAConnectByList(s, [address]))
    yield* is("connectResult", Winsock.connectResult(s))
    yield* is("listen", Winsock.listen(s))
    yield* is("accept", Effect.scoped(Winsock.accept(s)))
    yield* is("WSAAccept", Effect.scoped(Winsock.WSAAccept(s, answering(CF_ACCEPT))))
    yield* is("send", Winsock.send(s, F.text("x")))
    yield* is("sendto", Winsock.sendto(s, F.text("x"), address))
    yield* is("recv", Winsock.recv(s))
    yield* is("recvLent", Winsock.recvLent(s, (lent) => lent.length))
    yield* is("recvfrom", Winsock.recvfrom(s))
    yield* is("shutdown", Winsock.shutdown(s, "both"))
    yield* is("closesocket", Winsock.closesocket(s))
    yield* is("getsockname", Winsock.getsockname(s))
    yield* is("getpeername", Winsock.getpeername(s))
    yield* is("getsockopt", Winsock.getsockopt(s, SocketOption.SO_TYPE))
    yield* is("setsockopt", Winsock.setsockopt(s, SocketOption.SO_REUSEADDR, true))
    yield* is("ioctlsocket", Winsock.ioctlsocket(s, "FIONBIO", true))
    yield* is("select", Winsock.select({ read: [s] }))
    yield* is("WSACreateEvent", Effect.scoped(Winsock.WSACreateEvent))
    yield* is("WSAEventSelect", Winsock.WSAEventSelect(s, null, 0))
    yield* is("WSAEnumNetworkEvents", Winsock.WSAEnumNetworkEvents(s))
    yield* is("WSAAsyncSelect", Effect.scoped(Winsock.WSAAsyncSelect(s, 0)))
  })

const conditions = [
  ...F.each("E05", F.families, "from inside a condition every call is WSAEINPROGRESS", function*(family) {
    const { address, socket: listener } = yield* F.listening(family)
    const other = yield* F.make("IPv4")
    const client = yield* calling(family, address)
    const { socket: server } = yield* Winsock.WSAAccept(listener, () =>
      Effect.gen(function*() {
        yield* allInProgress("from inside", other, address)
        yield* F.fails("on the listener", "WSAEINPROGRESS", Winsock.getsockname(listener))
        yield* F.fails("on the caller", "WSAEINPROGRESS", Winsock.send(client, F.text("x")))
        yield* F.fails("what comes before it", "WSAENOTSOCK", Winsock.getsockname(F.anything({})))
        return CF_ACCEPT
      }))
    yield* F.talk(client, server)
    yield* F.fails("nothing was done to the other socket", "WSAEINVAL", Winsock.getsockname(other))
  }),
  F.row("E05", "other fibers are not kept off, and forked ones only until the condition ends", function*() {
    const { address, socket: listener } = yield* F.listening("IPv4")
    yield* calling("IPv4", address)
    const go = yield* Deferred.make<void>()
    const begun = yield* Deferred.make<Fiber.Fiber<void, F.Failure>>()
    const scope = yield* Effect.scope
    const accepting = yield* F.begin(Winsock.WSAAccept(listener, () =>
      Effect.gen(function*() {
        const forked = yield* Effect.gen(function*() {
          yield* F.fails("a forked fiber, meanwhile", "WSAEINPROGRESS", Winsock.getsockname(listener))
          yield* Deferred.await(go)
          yield* F.equal("a forked fiber, afterwards", yield* Winsock.getsockname(listener), address)
        }).pipe(Effect.forkIn(scope, { startImmediately: true }))
        yield* Deferred.succeed(begun, forked)
        yield* Deferred.await(go)
        yield* F.fails("the condition itself", "WSAEINPROGRESS", Winsock.getsockname(listener))
        return CF_ACCEPT
      })))
    const forked = yield* Deferred.await(begun)
    yield* F.equal("another fiber", yield* Winsock.getsockname(listener), address)
    const { client, server } = yield* F.pair("IPv4")
    yield* F.talk(client, server)
    yield* Deferred.succeed(go, undefined)
    const { socket } = yield* Fiber.join(accepting)
    yield* Fiber.await(forked)
    yield* Winsock.getsockname(socket)
  }),
  F.row("E05", "a fiber that outlives its condition may call again", function*() {
    const { address, socket: listener } = yield* F.listening("IPv4")
    const client = yield* calling("IPv4", address)
    const scope = yield* Effect.scope
    const go = yield* Deferred.make<void>()
    const begun = yield* Deferred.make<Fiber.Fiber<SocketAddress.SocketAddress, F.Failure>>()
    const { socket: server } = yield* Winsock.WSAAccept(listener, () =>
      Deferred.await(go).pipe(
        Effect.andThen(Winsock.getsockname(listener)),
        Effect.forkIn(scope, { startImmediately: true }),
        Effect.flatMap((fiber) => Deferred.succeed(begun, fiber)),
        Effect.as(CF_ACCEPT)
      ))
    yield* Deferred.succeed(go, undefined)
    yield* F.equal("getsockname", yield* Fiber.join(yield* Deferred.await(begun)), address)
    yield* F.talk(client, server)
  }),
  F.row("E05", "a condition may use another instance, whose conditions keep the first one off too", function*() {
    const another = yield* F.world((world) => world.instance)
    const context = yield* Layer.build(Layer.fresh(another))
    const there = Effect.provideContext(context)
    const outer = yield* F.listening("IPv4")
    const inner = yield* there(F.listening("IPv4"))
    const client = yield* calling("IPv4", outer.address)
    yield* calling("IPv4", inner.address)
    const { socket: server } = yield* Winsock.WSAAccept(outer.socket, () =>
      Effect.gen(function*() {
        yield* F.equal("the other instance", yield* Winsock.getsockname(inner.socket), inner.address)
        const accepted = yield* Winsock.WSAAccept(inner.socket, () =>
          Effect.gen(function*() {
            yield* F.fails("the other one, inside", "WSAEINPROGRESS", Winsock.getsockname(inner.socket))
            yield* F.fails("the first one, inside", "WSAEINPROGRESS", Winsock.getsockname(outer.socket))
            return CF_ACCEPT
          }))
        yield* Winsock.getpeername(accepted.socket)
        yield* F.fails("the first one, afterwards", "WSAEINPROGRESS", Winsock.getsockname(outer.socket))
        return CF_ACCEPT
      }))
    yield* F.talk(client, server)
  })
]

// ---------------------------------------------------------------------------------------------------------------------
// E04, E05: version 1.1
// ---------------------------------------------------------------------------------------------------------------------

const version1 = Winsock.MAKEWORD(1, 1)

/** The same with an instance of version 1.1. */
const old = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(F.world((world) => world.version(version1)), (instance) => F.within(instance, effect))

/** Calls that block, as a 1.1 program makes them, each ready to be begun. */
const blockingCalls = {
  connect: Effect.gen(function*() {
    const s = yield* F.make("IPv4")
    return Winsock.connect(s, yield* F.world((world) => world.blackholed("IPv4")))
  }),
  WSAConnect: Effect.gen(function*() {
    const s = yield* F.make("IPv4")
    return Winsock.WSAConnect(s, yield* F.world((world) => world.blackholed("IPv4")))
  }),
  WSAConnectByList: Effect.gen(function*() {
    const { address } = yield* F.listening("IPv4")
    const hole = yield* F.world((world) => world.blackholed("IPv4"))
    return Winsock.WSAConnectByList(yield* F.make("IPv4"), [hole, address], { timeout: "1 minute" })
  }),
  accept: Effect.map(F.listening("IPv4"), ({ socket }) => Winsock.accept(socket)),
  WSAAccept: Effect.map(
    F.listening("IPv4"),
    ({ socket }) => Winsock.WSAAccept(socket, () => Effect.die("nobody calls"))
  ),
  recv: Effect.map(F.pair("IPv4"), ({ client }) => Winsock.recv(client)),
  recvLent: Effect.map(F.pair("IPv4"), ({ client }) => Winsock.recvLent(client, (lent) => lent.length)),
  recvfrom: Effect.map(F.bound("IPv4", "datagram"), ({ socket }) => Winsock.recvfrom(socket)),
  send: Effect.map(F.pair("IPv4"), ({ client }) => Winsock.send(client, new Uint8Array(64 * 1024 * 1024))),
  select: Effect.map(F.pair("IPv4"), ({ client }) => Winsock.select({ read: [client] })),
  "select with a time-out": Effect.map(
    F.pair("IPv4"),
    ({ client }) => Winsock.select({ read: [client], timeout: "1 minute" })
  )
} as const

type Blocking = keyof typeof blockingCalls

const blockings = Object.keys(blockingCalls) as ReadonlyArray<Blocking>

const begun = (call: Blocking) =>
  Effect.gen(function*() {
    const ready: Effect.Effect<unknown, F.Failure, Scope.Scope> = yield* blockingCalls[call]
    const fiber = yield* F.begin(ready)
    // A time-out takes a fiber of its own, which begins the call.
    yield* F.turn
    yield* F.goesOn(call, fiber)
    return fiber
  })

const versions = [
  ...F.each("E05", blockings, "in version 1.1 a call that blocks keeps all others off", function*(call) {
    yield* old(Effect.gen(function*() {
      const other = yield* F.make("IPv4")
      const address = yield* F.local("IPv4")
      const fiber = yield* begun(call)
      yield* allInProgress(`while ${call} blocks`, other, address)
      yield* F.goesOn(call, fiber)
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      yield* F.claim("an interruption stays one", Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      yield* Winsock.bind(other, address)
    }))
  }),
  F.row("E05", "in version 1.1 a call that ends at once, or is non-blocking, keeps nobody off", function*() {
    yield* old(Effect.gen(function*() {
      const { client, listener, server } = yield* F.pair("IPv4")
      yield* F.talk(client, server)
      yield* F.fails("a connect that fails at once", "WSAEISCONN", Winsock.WSAConnect(client, F.at("127.0.0.1:9")))
      yield* F.nonBlocking(listener)
      yield* F.fails("an accept", "WSAEWOULDBLOCK", Winsock.accept(listener))
      const { socket: pending } = yield* F.pending("IPv4")
      const waiting = yield* F.begin(Winsock.connectResult(pending, { wait: true }))
      yield* F.goesOn("connectResult of a non-blocking socket", waiting)
      yield* F.talk(client, server)
      yield* F.fails("so there is nothing to cancel", "WSAEINVAL", Winsock.WSACancelBlockingCall)
      yield* Winsock.select({ read: [client], timeout: 0 })
      yield* F.talk(client, server)
    }))
  }),
  F.row("E05", "in version 1.1 a call is over when it has its answer, or its socket is gone", function*() {
    yield* old(Effect.gen(function*() {
      const { listener, address } = yield* F.pair("IPv4")
      const scope = yield* Scope.make()
      const waiting = yield* F.begin(Scope.provide(Winsock.accept(listener), scope))
      // A caller of another instance: the calls of this one are kept off.
      const another = yield* F.world((world) => world.instance)
      yield* F.within(another, calling("IPv4", address))
      const { socket } = yield* Fiber.join(waiting)
      yield* Winsock.getpeername(socket)
      const receiving = yield* F.begin(Winsock.recv(socket))
      yield* F.fails("another call", "WSAEINPROGRESS", Winsock.getpeername(listener))
      yield* Scope.close(scope, Exit.void)
      yield* F.failed("recv on a socket whose scope is left", "WSAEINTR", receiving)
      yield* F.equal("another call afterwards", yield* Winsock.getsockname(listener), address)
    }))
  }),
  ...F.each("E04", blockings, "WSACancelBlockingCall ends a call with WSAEINTR", function*(call) {
    yield* old(Effect.gen(function*() {
      const fiber = yield* begun(call)
      yield* Winsock.WSACancelBlockingCall
      yield* F.failed(call, "WSAEINTR", fiber)
      yield* F.fails("once more", "WSAEINVAL", Winsock.WSACancelBlockingCall)
      const { client, server } = yield* F.pair("IPv4")
      yield* F.talk(client, server)
    }))
  }),
  ...F.each("E04", F.inet, "a connect that was cancelled leaves its socket as a refused one", function*(family) {
    const hole = yield* F.world((world) => world.blackholed(family))
    yield* old(Effect.gen(function*() {
      const { address, socket: listener } = yield* F.listening(family)
      const s = yield* F.make(family)
      const fiber = yield* F.begin(Winsock.WSAConnect(s, hole))
      // The attempt has to be issued before it has a local address (A03).
      yield* F.turn
      yield* F.turn
      yield* Winsock.WSACancelBlockingCall
      yield* F.failed("WSAConnect", "WSAEINTR", fiber)
      yield* F.fails("getpeername", "WSAENOTCONN", Winsock.getpeername(s))
      yield* F.fails("connectResult", "WSAENOTCONN", Winsock.connectResult(s))
      yield* F.equal("SO_ERROR", yield* Winsock.getsockopt(s, SocketOption.SO_ERROR), 0)
      const before = yield* Effect.option(F.portOf(s))
      yield* Winsock.WSAConnect(s, address)
      if (before._tag === "Some") yield* F.equal("R26: the port", yield* F.portOf(s), before.value)
      yield* F.talk(s, (yield* Winsock.accept(listener)).socket)
    }))
  }),
  F.row("E04", "what is left of a cancelled receive, accept and send", function*() {
    yield* old(Effect.gen(function*() {
      const { address, client, listener, server } = yield* F.pair("IPv4")
      const receiving = yield* F.begin(Winsock.recv(client))
      yield* Winsock.WSACancelBlockingCall
      yield* F.failed("recv", "WSAEINTR", receiving)
      yield* F.talk(client, server)
      const accepting = yield* F.begin(Winsock.accept(listener))
      yield* Winsock.WSACancelBlockingCall
      yield* F.failed("accept", "WSAEINTR", accepting)
      const next = yield* calling("IPv4", address)
      yield* F.talk(next, (yield* Winsock.accept(listener)).socket)
      const sending = yield* F.begin(Winsock.send(client, new Uint8Array(64 * 1024 * 1024)))
      yield* Winsock.WSACancelBlockingCall
      yield* F.failed("send", "WSAEINTR", sending)
      yield* F.fails("the next send", "WSAECONNABORTED", Winsock.send(client, F.text("x")))
      yield* F.isCutOff(server, "IPv4", 64 * 1024 * 1024)
    }))
  }),
  F.row("E04", "WSACancelBlockingCall: none blocked WSAEINVAL, version 2 WSAEOPNOTSUPP", function*() {
    yield* old(F.fails("none blocked", "WSAEINVAL", Winsock.WSACancelBlockingCall))
    yield* F.fails("version 2.2, none blocked", "WSAEOPNOTSUPP", Winsock.WSACancelBlockingCall)
    const { socket } = yield* F.listening("IPv4")
    const waiting = yield* F.begin(Winsock.accept(socket))
    yield* F.fails("version 2.2, one blocked", "WSAEOPNOTSUPP", Winsock.WSACancelBlockingCall)
    yield* F.goesOn("accept", waiting)
    const two = yield* F.world((world) => world.version(Winsock.MAKEWORD(2, 0)))
    yield* F.within(two, F.fails("version 2.0", "WSAEOPNOTSUPP", Winsock.WSACancelBlockingCall))
    const one = yield* F.world((world) => world.version(Winsock.MAKEWORD(1, 0)))
    yield* F.within(one, F.fails("version 1.0", "WSAEINVAL", Winsock.WSACancelBlockingCall))
  })
]

// ---------------------------------------------------------------------------------------------------------------------
// A21: start-ups
// ---------------------------------------------------------------------------------------------------------------------

const negotiated: ReadonlyArray<readonly [wanted: number, given: number]> = [
  [0x0001, 0x0001],
  [0x0101, 0x0101],
  [0x0901, 0x0101],
  [0x0002, 0x0002],
  [0x0102, 0x0102],
  [0x0202, 0x0202],
  [0x0302, 0x0202],
  [0x0003, 0x0202],
  [0xffff, 0x0202]
]

const startups = [
  F.row("A21", "versions 1.0 to 2.2 are negotiated, above gives 2.2, below 1.0 is WSAVERNOTSUPPORTED", function*() {
    for (const [wanted, given] of negotiated) {
      const layer = yield* F.world((world) => world.version(wanted))
      const version = yield* F.within(layer, Winsock.Winsock.use(({ version }) => Effect.succeed(version)))
      yield* F.equal(`a layer that asks for ${wanted}`, version, given)
      const data = yield* Winsock.WSAStartup(wanted)
      yield* F.equal(`a start-up that asks for ${wanted}`, data.wVersion, given)
      yield* F.equal("the highest", data.wHighVersion, 0x0202)
      yield* Winsock.WSACleanup
    }
    for (const wanted of [0, 0x0100, 0xff00, -1, 0x10002, 1.5, NaN, F.anything("2.2")]) {
      const layer = yield* F.world((world) => world.version(wanted))
      const built = Layer.build(Layer.fresh(layer))
      yield* F.fails(`a layer that asks for ${F.show(wanted)}`, "WSAVERNOTSUPPORTED", Effect.scoped(built))
      yield* F.fails(`a start-up for ${F.show(wanted)}`, "WSAVERNOTSUPPORTED", Winsock.WSAStartup(wanted))
    }
    yield* F.equal("the version all the while", (yield* Winsock.Winsock).version, 0x0202)
  }),
  F.row("A21", "start-ups are counted: only the last clean-up is one", function*() {
    const { client, server } = yield* F.pair("IPv4")
    yield* Winsock.WSAStartup()
    yield* Winsock.WSAStartup(version1)
    yield* Winsock.WSACleanup
    yield* F.talk(client, server)
    yield* Winsock.WSACleanup
    yield* F.talk(client, server)
    yield* Winsock.WSACleanup
    yield* F.fails("recv", "WSANOTINITIALISED", Winsock.recv(client))
    yield* F.fails("socket", "WSANOTINITIALISED", F.make("IPv4"))
    yield* F.fails("one clean-up too many", "WSANOTINITIALISED", Winsock.WSACleanup)
    yield* F.fails("and once more", "WSANOTINITIALISED", Winsock.WSACleanup)
  }),
  ...F.each(
    "A21",
    F.families,
    "the last clean-up closes every socket; started again they are WSAENOTSOCK",
    function*(family) {
      const { address, client, listener, server } = yield* F.pair(family)
      const { address: where, socket: datagram } = yield* F.bound("IPv4", "datagram")
      const receiving = yield* F.begin(Winsock.recv(client))
      const accepting = yield* F.begin(Winsock.accept(listener))
      yield* Winsock.WSACleanup
      yield* F.failed("recv that waits", "WSAEINTR", receiving)
      yield* F.failed("accept that waits", "WSAEINTR", accepting)
      for (const s of [listener, client, server, datagram]) {
        yield* F.fails("before the next start-up", "WSANOTINITIALISED", Winsock.getsockname(s))
      }
      yield* Winsock.WSAStartup()
      for (const s of [listener, client, server, datagram]) {
        yield* F.fails("after the next start-up", "WSAENOTSOCK", Winsock.getsockname(s))
        yield* F.fails("closesocket", "WSAENOTSOCK", Winsock.closesocket(s))
      }
      // Everything was given back: the addresses are free.
      const next = yield* F.make(family)
      yield* Winsock.bind(next, address)
      yield* Winsock.listen(next)
      yield* Winsock.bind(yield* F.make("IPv4", "datagram"), where)
      const caller = yield* calling(family, address)
      yield* F.talk(caller, (yield* Winsock.accept(next)).socket)
    }
  ),
  F.row("A21", "the version is that of the start-up that found the instance not started", function*() {
    const winsock = yield* Winsock.Winsock
    yield* Winsock.WSAStartup(version1)
    yield* F.equal("while it runs", winsock.version, 0x0202)
    yield* Winsock.WSACleanup
    yield* Winsock.WSACleanup
    yield* Winsock.WSAStartup(version1)
    yield* F.equal("started again", winsock.version, version1)
    const { socket } = yield* F.listening("IPv4")
    const waiting = yield* F.begin(Winsock.accept(socket))
    yield* F.fails("its rule holds (E05)", "WSAEINPROGRESS", Winsock.getsockname(socket))
    yield* Winsock.WSACancelBlockingCall
    yield* F.failed("accept", "WSAEINTR", waiting)
    yield* Winsock.WSACleanup
    yield* Winsock.WSAStartup()
    const again = yield* F.listening("IPv4")
    yield* F.begin(Winsock.accept(again.socket))
    yield* F.equal("and does not after the next", yield* Winsock.getsockname(again.socket), again.address)
  }),
  F.row("A21", "a clean-up while a condition runs ends its call, and nothing is accepted", function*() {
    const { address, socket: listener } = yield* F.listening("IPv4")
    const another = yield* F.world((world) => world.instance)
    const client = yield* F.within(another, calling("IPv4", address))
    const { answer, fiber } = yield* considering(listener)
    yield* Winsock.WSACleanup
    yield* answer(CF_ACCEPT)
    yield* F.failed("WSAAccept", "WSAEINTR", fiber)
    const end = yield* Effect.result(Winsock.recv(client))
    yield* F.claim(
      "the caller meets a reset or the end",
      end._tag === "Success" ? end.success.length === 0 : end.failure._tag === "WSAECONNRESET"
    )
  }),
  F.row("A21", "leaving the layer's scope takes every start-up back", function*() {
    const another = yield* F.world((world) => world.instance)
    const scope = yield* Scope.make()
    const context = yield* Scope.provide(Layer.build(Layer.fresh(another)), scope)
    yield* Effect.provideContext(Winsock.WSAStartup(), context)
    const s = yield* Effect.provideContext(F.make("IPv4"), context)
    yield* Scope.close(scope, Exit.void)
    yield* F.fails("a call", "WSANOTINITIALISED", Winsock.getsockopt(s, SocketOption.SO_TYPE))
    yield* F.fails("WSACleanup", "WSANOTINITIALISED", Effect.provideContext(Winsock.WSACleanup, context))
    yield* F.fails("WSAStartup", "WSASYSNOTREADY", Effect.provideContext(Winsock.WSAStartup(), context))
    yield* F.fails("socket", "WSANOTINITIALISED", Effect.provideContext(F.make("IPv4"), context))
  })
]

export const acceptRows: ReadonlyArray<F.Case> = [
  ...groups,
  ...a07,
  ...data,
  ...conditions,
  ...versions,
  ...startups
]
