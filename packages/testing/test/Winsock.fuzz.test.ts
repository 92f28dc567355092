import { NetworkEvent, SocketOption, Winsock, WsaError } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, type Context, Effect, Exit, Fiber, Metric, Scope, Stream } from "effect"
import { AddressResolver, Dns, NetAddress } from "effect/net"
import { Dice } from "./utils/dice.ts"
import { pairAt } from "./utils/pair.ts"

const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200)
const only = process.env["WINSOCK_FUZZ_SEED"]
const seeds = only === undefined ? Array.from({ length: runs }, (_, i) => i + 1) : [Number(only)]

const microtask = Effect.promise(() => Promise.resolve())

/** Gives way so many times, for one event or for a turn of the event loop. */
const giveWay = (dice: Dice, most: number) =>
  Effect.gen(function*() {
    for (let i = dice.below(most + 1); i > 0; i--) yield* dice.chance(70) ? microtask : Effect.yieldNow
  })

/** Lets everything that is on the way arrive. */
const settle = Effect.promise(async () => {
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => setImmediate(resolve))
})

const codes: ReadonlyArray<WsaError.Code> = ["WSAECONNRESET", "WSAETIMEDOUT", "WSAENETRESET", "WSAEHOSTUNREACH"]

const wrong = (call: WsaError.Call, exit: Exit.Exit<unknown, { readonly _tag: string }>): string | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  for (const reason of exit.cause.reasons) {
    if (Cause.isDieReason(reason)) return `${call} died: ${String(reason.defect)}`
    if (Cause.isFailReason(reason)) {
      const { _tag: tag, code } = reason.error as { readonly _tag: string; readonly code?: WsaError.Code }
      // Only what the control said may be in no row: the calls themselves say nothing that is not in theirs.
      if (tag === "WsaUnmapped" && !codes.includes(code!)) return `${call} failed with ${tag} of ${code}`
      if (tag !== "WsaUnmapped" && !(WsaError.callErrors[call] as ReadonlyArray<string>).includes(tag)) {
        return `${call} failed with ${tag}`
      }
    }
  }
  return undefined
}

interface Pending {
  readonly call: WsaError.Call
  readonly fiber: Fiber.Fiber<unknown, { readonly _tag: string }>
}

type Any = Effect.Effect<unknown, { readonly _tag: string }>

/** What the calls of one run are made on. */
interface Ground {
  readonly context: Context.Context<Winsock.Winsock>
  readonly sockets: Array<Winsock.Socket>
  readonly events: Array<Winsock.WSAEvent>
  readonly scope: Scope.Scope
}

const some = <A>(dice: Dice, all: ReadonlyArray<A>): ReadonlyArray<A> =>
  dice.chance(5) ? [] : Array.from({ length: 1 + dice.below(3) }, () => dice.pick(all))

const masks = [
  0,
  NetworkEvent.FD_READ,
  NetworkEvent.FD_READ | NetworkEvent.FD_CLOSE,
  NetworkEvent.FD_ACCEPT | NetworkEvent.FD_CONNECT,
  NetworkEvent.FD_ALL_EVENTS
]

/** Answers anything, at once or later or never, and calls what it must not call. */
const condition = (dice: Dice, { scope, sockets }: Ground) => (): Effect.Effect<Winsock.ConditionAnswer> => {
  const verdict = dice.pick([
    Winsock.CF_ACCEPT,
    Winsock.CF_ACCEPT,
    Winsock.CF_REJECT,
    Winsock.CF_DEFER,
    { verdict: Winsock.CF_ACCEPT, calleeData: new Uint8Array(dice.pick([0, 3, 100])) },
    { verdict: Winsock.CF_ACCEPT, group: dice.pick([Winsock.SG_CONSTRAINED_GROUP, 1234]) },
    99 as 0
  ])
  const inside = Effect.flip(Winsock.accept(dice.pick(sockets))).pipe(Scope.provide(scope), Effect.orDie)
  return Effect.as(
    Effect.andThen(dice.chance(20) ? inside : Effect.void, dice.chance(10) ? Effect.never : giveWay(dice, 3)),
    verdict
  )
}

const ports = [1, 2, 3, 4, 5].map((port) => `127.0.0.1:${port}`)
const port = (dice: Dice): string | number => dice.pick([1, "2", "3", 4, 5])

/** Names of one address or of two, asked of a resolver that may take its time, fail, or never answer. */
const named = <A, E>(dice: Dice, effect: Effect.Effect<A, E, AddressResolver.AddressResolver>): Effect.Effect<A, E> => {
  const answer: Effect.Effect<ReadonlyArray<NetAddress.IpAddress>, Dns.DnsError> = dice.chance(20)
    ? Effect.fail(
      new Dns.DnsError({ reason: dice.pick(["NotFound", "Temporary"]), method: "lookup", hostname: "a.test" })
    )
    : Effect.succeed(["127.0.0.1", "127.0.0.2"].slice(0, dice.pick([1, 2])).map(NetAddress.ipFromStringUnsafe))
  const late = dice.chance(10) ? Effect.never : giveWay(dice, 3)
  const dns = Dns.make({ lookup: () => Effect.andThen(late, answer) })
  return Effect.provideService(effect, AddressResolver.AddressResolver, AddressResolver.make(dns))
}

/** Anything that can be called, on anything, at any time. */
const calls = (
  dice: Dice,
  memory: Memory.Memory["Service"],
  ground: Ground,
  seed: number
): readonly [call: WsaError.Call, effect: Any] | (() => void) => {
  const { context, events, scope, sockets } = ground
  const s = dice.pick(sockets)
  const event = dice.pick(events)
  const timeout = dice.pick([{}, { timeout: 0 }, { timeout: 1 }, { timeout: "1 hour" }] as const)
  // The first socket is the one that listens, at the first port.
  const listener = dice.chance(60) ? sockets[0]! : s
  const name = dice.chance(5) ? "0.0.0.0:0" : dice.chance(30) ? ports[0]! : dice.pick(ports)
  const bytes = new Uint8Array(Math.min(dice.pick([0, 1, 7, 100, 5000, 100_000]), 64 * windowOf(seed)))
  const fault = dice.pick(codes)
  const all: ReadonlyArray<() => readonly [WsaError.Call, Any] | (() => void)> = [
    () => ["bind", Winsock.bind(s, name)],
    () => ["listen", Winsock.listen(s, dice.pick([1, 2, 10]))],
    () => ["connect", Winsock.connect(s, name)],
    () => ["WSAConnect", Winsock.WSAConnect(s, name)],
    () => ["WSAConnect", Winsock.WSAConnect(s, name, { callerData: bytes.subarray(0, 20), calleeData: 4 })],
    () => ["WSAConnectByList", Winsock.WSAConnectByList(s, [dice.pick(ports), name])],
    () => [
      "WSAConnectByName",
      named(dice, Winsock.WSAConnectByName(s, dice.pick(["a.test", "127.0.0.1", "::1"]), port(dice)))
    ],
    () => ["connectResult", Winsock.connectResult(s, { wait: dice.chance(50) })],
    () => [
      "accept",
      Winsock.accept(listener).pipe(
        Effect.tap(({ socket }) => Effect.sync(() => void sockets.push(socket))),
        Scope.provide(scope)
      )
    ],
    () => ["accept", Scope.provide(Winsock.accept(listener), scope)],
    () => ["send", Winsock.send(s, bytes)],
    () => ["send", Winsock.send(s, bytes)],
    () => ["sendto", Winsock.sendto(s, bytes, name)],
    () => ["recv", Winsock.recv(s, dice.pick([0, 1, 1000, 65536]))],
    () => ["recv", Winsock.recv(s, bytes)],
    () => ["recv", Winsock.recvLent(s, (lent) => lent.length, dice.pick([0, 1, 1000, 65536]))],
    () => ["recv", Winsock.recv(s, dice.pick([0, 1, 1000, 65536]), Winsock.MSG_PEEK)],
    () => ["recvfrom", Winsock.recvfrom(s, dice.pick([0, 1, 1000, 65536]), dice.pick([0, Winsock.MSG_PEEK]))],
    () => ["shutdown", Winsock.shutdown(s, dice.pick(["send", "receive", "both"]))],
    () => ["getsockname", Winsock.getsockname(s)],
    () => ["getpeername", Winsock.getpeername(s)],
    () => ["setsockopt", Winsock.setsockopt(s, SocketOption.SO_REUSEADDR, dice.chance(50))],
    () => [
      "setsockopt",
      Winsock.setsockopt(s, SocketOption.SO_LINGER, { l_onoff: dice.chance(50), l_linger: 0 })
    ],
    () => [
      "setsockopt",
      Winsock.setsockopt(
        s,
        dice.pick([SocketOption.SO_RCVTIMEO, SocketOption.SO_SNDTIMEO, SocketOption.TCP_MAXRTMS]),
        dice.pick([0, 1, 3])
      )
    ],
    () => ["getsockopt", Winsock.getsockopt(s, SocketOption.SO_ERROR)],
    () => ["ioctlsocket", Winsock.ioctlsocket(s, "FIONBIO", dice.chance(40))],
    () => ["closesocket", dice.chance(30) ? Winsock.closesocket(s) : Effect.void],
    () => [
      "select",
      Winsock.select({ read: some(dice, sockets), write: some(dice, sockets), except: some(dice, sockets), ...timeout })
    ],
    () => ["select", Winsock.select({ read: some(dice, sockets), ...timeout })],
    () => ["WSAEventSelect", Winsock.WSAEventSelect(s, event, dice.pick(masks))],
    () => ["WSAEnumNetworkEvents", Winsock.WSAEnumNetworkEvents(s, dice.chance(50) ? event : null)],
    () => ["WSAWaitForMultipleEvents", Winsock.WSAWaitForMultipleEvents(some(dice, events), timeout)],
    () => ["WSAWaitForMultipleEvents", Winsock.WSAWaitForMultipleEvents(events, { waitAll: true, ...timeout })],
    () => ["WSASetEvent", Winsock.WSASetEvent(event)],
    () => ["WSAResetEvent", Winsock.WSAResetEvent(event)],
    () => ["WSACloseEvent", dice.chance(10) ? Winsock.WSACloseEvent(event) : Effect.void],
    () => [
      "WSAAsyncSelect",
      Effect.scoped(Effect.flatMap(Winsock.WSAAsyncSelect(s, dice.pick(masks)), Stream.runDrain))
    ],
    () => [
      "WSAAccept",
      Winsock.WSAAccept(listener, condition(dice, ground)).pipe(
        Effect.tap(({ socket }) => Effect.sync(() => void sockets.push(socket))),
        Scope.provide(scope)
      )
    ],
    () => ["WSAAccept", Scope.provide(Winsock.WSAAccept(listener, condition(dice, ground)), scope)],
    () => [
      "socket",
      Winsock.socket({ family: "IPv4", type: "stream", group: dice.pick([1, 2, 0x100, 0x101]) }).pipe(
        Effect.tap((socket) => Effect.sync(() => void sockets.push(socket))),
        Scope.provide(scope),
        Effect.provideContext(context)
      )
    ],
    // A new caller of the one that listens.
    ...[1, 2].map(() => () =>
      [
        "WSAConnect",
        Winsock.socket({ family: "IPv4", type: "stream" }).pipe(
          Effect.tap((caller) => Effect.sync(() => void sockets.push(caller))),
          Effect.flatMap((caller) => Winsock.WSAConnect(caller, ports[0]!)),
          Scope.provide(scope),
          Effect.provideContext(context)
        )
      ] as const
    ),
    () => ["WSACancelBlockingCall", Effect.provideContext(Winsock.WSACancelBlockingCall, context)],
    () => ["WSACancelBlockingCall", Effect.provideContext(Winsock.WSACancelBlockingCall, context)],
    () => ["WSAStartup", Effect.provideContext(Winsock.WSAStartup(versionOf(seed)), context)],
    () => ["WSACleanup", dice.chance(10) ? Effect.provideContext(Winsock.WSACleanup, context) : Effect.void],
    () => () => void memory.breakStreams("127.0.0.1:0", fault),
    () => () => memory.stallWrites(name === "0.0.0.0:0" ? "127.0.0.1:0" : name, dice.chance(50)),
    () => () => memory.blackhole(dice.pick(ports)),
    () => () => ports.forEach((port) => memory.reachable(port)),
    () => () => memory.answer(dice.pick(ports), [fault]),
    () => () => void memory.failAttempts(dice.pick(ports), fault),
    () => () => memory.setNetwork(dice.chance(10) ? "down" : "up")
  ]
  return dice.pick(all)()
}

/** A version in which calls can be cancelled, or the one in which several can wait. */
const versionOf = (seed: number) => seed % 4 === 1 ? Winsock.MAKEWORD(1, 1) : Winsock.MAKEWORD(2, 2)

const layerOf = (seed: number) =>
  Memory.layer({
    version: versionOf(seed),
    ...(seed % 4 === 0 ? { callerDataMax: 64, calleeDataMax: 64 } : { window: windowOf(seed) })
  })

/** Runs the program, and holds it to leaving no fiber that it forked. */
const leavingNoFiber = <A, E, R>(seed: number, program: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    let fibers = 0
    yield* Effect.provideService(program, Metric.FiberRuntimeMetrics, {
      recordFiberStart: () => void fibers++,
      recordFiberEnd: () => void fibers--
    })
    yield* settle
    assert.strictEqual(fibers, 0, `seed ${seed}: fibers`)
  })

const anything = (seed: number) =>
  Effect.gen(function*() {
    const dice = new Dice(seed)
    const context = yield* Effect.context<Winsock.Winsock>()
    const pending: Array<Pending> = []
    const memory = yield* Memory.Memory
    const scope = yield* Scope.make()
    const sockets: Array<Winsock.Socket> = []
    for (let i = 0; i < 7; i++) {
      sockets.push(
        yield* Scope.provide(Winsock.socket({ family: "IPv4", type: i < 5 ? "stream" : "datagram" }), scope)
      )
    }
    // Most of the calls mean something only between sockets that have each other.
    yield* Effect.ignore(Winsock.bind(sockets[0]!, ports[0]!).pipe(Effect.andThen(Winsock.listen(sockets[0]!))))
    yield* Effect.ignore(Winsock.bind(sockets[5]!, ports[3]!))
    yield* Effect.ignore(Winsock.bind(sockets[6]!, ports[4]!))
    const connecting = yield* Effect.forkChild(Winsock.WSAConnect(sockets[1]!, ports[0]!), { startImmediately: true })
    // Where one call can block at a time, a connect does not wait for its accept.
    if (versionOf(seed) === Winsock.MAKEWORD(1, 1)) yield* Fiber.join(connecting)
    sockets.push((yield* Scope.provide(Winsock.accept(sockets[0]!), scope)).socket)
    yield* Fiber.join(connecting)
    const events: Array<Winsock.WSAEvent> = []
    for (let i = 0; i < 3; i++) events.push(yield* Scope.provide(Winsock.WSACreateEvent, scope))

    const ground = { context, events, scope, sockets }
    const actor = Effect.gen(function*() {
      for (let step = 0; step < 40; step++) {
        const next = calls(dice, memory, ground, seed)
        if (typeof next === "function") {
          next()
        } else {
          const [call, effect] = next
          const fiber = yield* Effect.forkDetach(effect, { startImmediately: dice.chance(70) })
          pending.push({ call, fiber })
        }
        yield* giveWay(dice, 2)
        // Any of the last calls, also of another actor.
        if (pending.length > 0 && dice.chance(20)) yield* Fiber.interrupt(dice.pick(pending.slice(-8)).fiber)
      }
    })
    yield* Effect.all(Array.from({ length: 4 }, () => actor), { concurrency: "unbounded" })
    // Leaving the scope, or closing each: either ends whatever is pending.
    yield* Scope.close(scope, Exit.void)
    yield* settle
    for (const { call, fiber } of pending) {
      const exit = fiber.pollUnsafe()
      if (exit === undefined) return assert.fail(`seed ${seed}: ${call} hangs`)
      const problem = wrong(call, exit)
      if (problem !== undefined) return assert.fail(`seed ${seed}: ${problem}`)
    }
    assert.deepStrictEqual(memory.counts(), { handles: 0, listeners: 0, streams: 0, attempts: 0 }, `seed ${seed}`)
  }).pipe(Effect.provide(layerOf(seed)))

const windowOf = (seed: number) => [7, 100, 4096, 65536][seed % 4]!

/** Senders and receivers of any number share one connection, and some of them are interrupted. */
const oneStream = (seed: number) =>
  Effect.gen(function*() {
    const dice = new Dice(seed)
    const memory = yield* Memory.Memory
    const { client, server } = yield* pairAt(ports[0]!)

    const window = windowOf(seed)
    let offered = 0
    let received = 0
    let nextTicket = 0
    let lastTicket = -1
    let ended = false
    let broken = false
    const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
    const receivers: Array<Fiber.Fiber<unknown, unknown>> = []

    const send = Effect.suspend(() => {
      const bytes = new Uint8Array(Math.min(dice.pick([1, 3, 100, 3000, 40_000]), 16 * window))
      for (let i = 0; i < bytes.length; i++) bytes[i] = (offered + i) % 251
      offered += bytes.length
      return Effect.map(Winsock.send(client, bytes), (length) => assert.strictEqual(length, bytes.length))
    })
    const receive = Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const ticket = nextTicket++
        const into = dice.chance(50) ? new Uint8Array(dice.pick([1, 10, 5000])) : undefined
        const call = into === undefined
          ? dice.chance(50)
            ? Winsock.recv(server, dice.pick([1, 10, 5000, 65536]))
            : Winsock.recvLent(server, (lent) => new Uint8Array(lent), dice.pick([1, 10, 5000, 65536]))
          : Effect.map(Winsock.recv(server, into), (length) => into.subarray(0, length))
        return Effect.map(restore(call), (bytes) => {
          if (bytes.length === 0) {
            ended = true
            return
          }
          assert.isFalse(ended, "bytes after the end")
          assert.isAbove(ticket, lastTicket, "a receive overtook another")
          lastTicket = ticket
          for (const byte of bytes) if (byte !== received++ % 251) assert.fail(`byte ${received - 1} is ${byte}`)
        })
      })
    )
    const peek = Effect.uninterruptibleMask((restore) =>
      Effect.map(restore(Winsock.recv(server, dice.pick([1, 10, 5000]), Winsock.MSG_PEEK)), (bytes) => {
        bytes.forEach((byte, i) => {
          if (byte !== (received + i) % 251) assert.fail(`byte ${received + i} is shown as ${byte}`)
        })
      })
    )
    const select = Winsock.select({ read: [server], write: dice.chance(50) ? [client] : [] })
    const verify = Effect.tapCause((cause: Cause.Cause<unknown>) =>
      Effect.sync(() => {
        const died = cause.reasons.find(Cause.isDieReason)
        if (died !== undefined) problems.push(`seed ${seed}: ${String(died.defect)}`)
        if (!broken && cause.reasons.some(Cause.isFailReason)) problems.push(`seed ${seed}: ${Cause.pretty(cause)}`)
      })
    )
    const problems: Array<string> = []

    for (let step = 0; step < 60; step++) {
      const chance = dice.below(100)
      if (chance < 35) {
        fibers.push(yield* Effect.forkDetach(verify(send), { startImmediately: true }))
      } else if (chance < 75) {
        const call = dice.chance(75) ? receive : dice.chance(50) ? peek : Effect.asVoid(select)
        const fiber = yield* Effect.forkDetach(verify<void, any>(call), { startImmediately: true })
        fibers.push(fiber)
        receivers.push(fiber)
      } else if (chance < 88) {
        if (receivers.length > 0) yield* Fiber.interrupt(dice.pick(receivers))
      } else if (chance < 97) {
        memory.stallWrites(ports[0]!, dice.chance(50))
      } else if (seed % 3 === 0 && step > 30) {
        broken = true
        memory.breakStreams(ports[0]!, "WSAECONNRESET")
      }
      yield* giveWay(dice, 2)
    }
    memory.stallWrites(ports[0]!, false)
    if (!broken) {
      // What is left arrives, then the end: nothing was lost, however many receives were interrupted.
      const rest = verify(receive).pipe(Effect.repeat({ until: () => ended }))
      const last = yield* Effect.forkDetach(rest, { startImmediately: true })
      yield* settle.pipe(Effect.repeat({ until: () => received >= offered, times: 100 }))
      yield* Winsock.shutdown(client, "send")
      yield* settle
      assert.deepStrictEqual([received, ended, problems], [offered, true, []], `seed ${seed}`)
      assert.isDefined(last.pollUnsafe(), `seed ${seed}`)
    }
    yield* Winsock.closesocket(client)
    yield* Winsock.closesocket(server)
    yield* settle
    assert.deepStrictEqual(problems, [])
    for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe(), `seed ${seed}: a call hangs`)
  }).pipe(
    Effect.scoped,
    Effect.provide(Memory.layer({ window: windowOf(seed) }))
  )

/** How someone who never blocks learns that a socket is ready. */
type Follower = (
  s: Winsock.Socket,
  set: "read" | "write"
) => Effect.Effect<Effect.Effect<void, { readonly _tag: string }>, any, Winsock.Winsock | Scope.Scope>

const followers: { readonly [name: string]: Follower } = {
  select: (s, set) => Effect.as(Winsock.ioctlsocket(s, "FIONBIO", true), Effect.asVoid(Winsock.select({ [set]: [s] }))),
  WSAEventSelect: (s, set) =>
    Effect.gen(function*() {
      const event = yield* Winsock.WSACreateEvent
      yield* Winsock.WSAEventSelect(s, event, eventsOf(set))
      return Winsock.WSAWaitForMultipleEvents([event]).pipe(
        Effect.andThen(Winsock.WSAEnumNetworkEvents(s, event)),
        Effect.repeat({ until: ({ lNetworkEvents }) => (lNetworkEvents & eventsOf(set)) !== 0 }),
        Effect.asVoid
      )
    }),
  WSAAsyncSelect: (s, set) =>
    Effect.gen(function*() {
      const pull = yield* Stream.toPull(yield* Winsock.WSAAsyncSelect(s, eventsOf(set)))
      return Effect.asVoid(Effect.catchCause(pull, () => Effect.die("the messages have ended")))
    })
}

const eventsOf = (set: "read" | "write") =>
  set === "read" ? NetworkEvent.FD_READ | NetworkEvent.FD_CLOSE : NetworkEvent.FD_WRITE

/** Two who never block exchange a stream: each goes on when it is told that it can, and is told whenever it can. */
const followed = (seed: number) =>
  Effect.gen(function*() {
    const dice = new Dice(seed)
    const memory = yield* Memory.Memory
    const { client, server } = yield* pairAt(ports[0]!)
    const names = Object.keys(followers)
    const [sends, receives] = [dice.pick(names), dice.pick(names)]
    const total = Math.min(200_000, 100 * windowOf(seed))

    const sender = Effect.gen(function*() {
      const ready = yield* followers[sends]!(client, "write")
      let sent = 0
      while (sent < total) {
        const bytes = new Uint8Array(Math.min(total - sent, dice.pick([1, 100, 5000, 70_000])))
        for (let i = 0; i < bytes.length; i++) bytes[i] = (sent + i) % 251
        const answer = yield* Effect.result(Winsock.send(client, bytes))
        if (answer._tag === "Success") sent += answer.success
        else if (answer.failure._tag === "WSAEWOULDBLOCK") yield* ready
        else return yield* answer.failure
        yield* giveWay(dice, 1)
      }
      yield* Winsock.shutdown(client, "send")
    })
    const receiver = Effect.gen(function*() {
      const ready = yield* followers[receives]!(server, "read")
      let received = 0
      for (;;) {
        yield* ready
        // At most one receive for each time that it was told so, as one who follows the reference does.
        const answer = yield* Effect.result(Winsock.recv(server, dice.pick([1 + (total >> 9), 3000, 65_536])))
        if (answer._tag === "Failure") {
          if (answer.failure._tag === "WSAEWOULDBLOCK") continue
          return yield* answer.failure
        }
        const bytes = answer.success
        if (bytes.length === 0) return received
        for (const byte of bytes) if (byte !== received++ % 251) assert.fail(`byte ${received - 1} is ${byte}`)
        yield* giveWay(dice, 1)
      }
    })
    const staller = Effect.gen(function*() {
      for (let i = 0; i < 10; i++) {
        memory.stallWrites(ports[0]!, dice.chance(50))
        yield* giveWay(dice, 4)
      }
      memory.stallWrites(ports[0]!, false)
    })
    const both = yield* Effect.forkChild(Effect.all([sender, receiver, staller], { concurrency: "unbounded" }), {
      startImmediately: true
    })
    yield* settle.pipe(Effect.repeat({ until: () => both.pollUnsafe() !== undefined, times: 2000 }))
    const exit = both.pollUnsafe()
    if (exit === undefined) return assert.fail(`seed ${seed}: ${sends} or ${receives} was not told`)
    assert.deepStrictEqual(Exit.map(exit, ([, received]) => received), Exit.succeed(total), `seed ${seed}`)
  }).pipe(Effect.scoped, Effect.provide(Memory.layer({ window: windowOf(seed) })))

describe("Winsock, by chance", () => {
  it.live(
    `any calls in any order, interrupted anywhere, fail by their rows and end (${seeds.length} seeds)`,
    () =>
      Effect.gen(function*() {
        for (const seed of seeds) yield* leavingNoFiber(seed, anything(seed))
      }),
    300_000
  )

  it.live(
    `A08, R21: one stream of many senders and receivers is in order and complete (${seeds.length} seeds)`,
    () =>
      Effect.gen(function*() {
        for (const seed of seeds) yield* oneStream(seed)
      }),
    300_000
  )

  it.live(
    `A17–A20: whoever only does what it is told can be done gets a stream through (${seeds.length} seeds)`,
    () =>
      Effect.gen(function*() {
        for (const seed of seeds) yield* leavingNoFiber(seed, followed(seed))
      }),
    300_000
  )
})
