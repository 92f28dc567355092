import { SocketOption, Winsock, WsaError } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Scope } from "effect"

const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200)
const only = process.env["WINSOCK_FUZZ_SEED"]
const seeds = only === undefined ? Array.from({ length: runs }, (_, i) => i + 1) : [Number(only)]

/** Draws that depend on nothing but the seed. */
class Dice {
  private state: number
  constructor(seed: number) {
    this.state = Math.imul(seed, 0x9e3779b1) >>> 0
  }
  below(n: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
  chance(percent: number): boolean {
    return this.below(100) < percent
  }
  pick<A>(all: ReadonlyArray<A>): A {
    return all[this.below(all.length)]!
  }
}

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

const ports = [1, 2, 3, 4, 5].map((port) => `127.0.0.1:${port}`)
/** Anything that can be called, on anything, at any time. */
const calls = (
  dice: Dice,
  memory: Memory.Memory["Service"],
  sockets: Array<Winsock.Socket>,
  scope: Scope.Scope,
  seed: number
): readonly [call: WsaError.Call, effect: Any] | (() => void) => {
  const s = dice.pick(sockets)
  const name = dice.chance(5) ? "0.0.0.0:0" : dice.pick(ports)
  const bytes = new Uint8Array(Math.min(dice.pick([0, 1, 7, 100, 5000, 100_000]), 64 * windowOf(seed)))
  const fault = dice.pick(codes)
  const all: ReadonlyArray<() => readonly [WsaError.Call, Any] | (() => void)> = [
    () => ["bind", Winsock.bind(s, name)],
    () => ["listen", Winsock.listen(s, dice.pick([1, 2, 10]))],
    () => ["connect", Winsock.connect(s, name)],
    () => ["WSAConnect", Winsock.WSAConnect(s, name)],
    () => ["WSAConnect", Winsock.WSAConnect(s, name, { callerData: bytes.subarray(0, 20), calleeData: 4 })],
    () => ["WSAConnectByList", Winsock.WSAConnectByList(s, [dice.pick(ports), name])],
    () => ["connectResult", Winsock.connectResult(s, { wait: dice.chance(50) })],
    () => [
      "accept",
      Winsock.accept(s).pipe(
        Effect.tap(({ socket }) => Effect.sync(() => void sockets.push(socket))),
        Scope.provide(scope)
      )
    ],
    () => ["accept", Scope.provide(Winsock.accept(s), scope)],
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

const anything = (seed: number) =>
  Effect.gen(function*() {
    const dice = new Dice(seed)
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
    sockets.push((yield* Scope.provide(Winsock.accept(sockets[0]!), scope)).socket)
    yield* Fiber.join(connecting)

    const actor = Effect.gen(function*() {
      for (let step = 0; step < 40; step++) {
        const next = calls(dice, memory, sockets, scope, seed)
        if (typeof next === "function") {
          next()
        } else {
          const [call, effect] = next
          const fiber = yield* Effect.forkDetach(effect, { startImmediately: dice.chance(70) })
          pending.push({ call, fiber })
        }
        yield* giveWay(dice, 2)
        // Any call that is pending, also of another actor.
        if (pending.length > 0 && dice.chance(20)) yield* Fiber.interrupt(dice.pick(pending).fiber)
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
  }).pipe(Effect.provide(Memory.layer(
    seed % 4 === 0 ? { callerDataMax: 64, calleeDataMax: 64 } : { window: windowOf(seed) }
  )))

const windowOf = (seed: number) => [7, 100, 4096, 65536][seed % 4]!

/** Senders and receivers of any number share one connection, and some of them are interrupted. */
const oneStream = (seed: number) =>
  Effect.gen(function*() {
    const dice = new Dice(seed)
    const memory = yield* Memory.Memory
    const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
    yield* Winsock.bind(listener, ports[0]!)
    yield* Winsock.listen(listener)
    const client = yield* Winsock.socket({ family: "IPv4", type: "stream" })
    yield* Winsock.WSAConnect(client, ports[0]!)
    const { socket: server } = yield* Winsock.accept(listener)

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
        const fiber = yield* Effect.forkDetach(verify(receive), { startImmediately: true })
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

describe("Winsock, by chance", () => {
  it.live(
    `any calls in any order, interrupted anywhere, fail by their rows and end (${seeds.length} seeds)`,
    () =>
      Effect.gen(function*() {
        for (const seed of seeds) yield* anything(seed)
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
})
