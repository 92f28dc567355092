// Pipelines over real sockets. The races among dead, silent and refusing addresses run in a network namespace of their own:
// see racing/run.ts.
import { Connector, RetryPolicy, SocketAddress, SocketOption, Winsock, WsaError } from "@effect-winsock/core"
import { NodeConnector } from "@effect-winsock/node"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Schedule, Scope } from "effect"
import { AddressResolver, type NetAddress } from "effect/net"
import * as path from "node:path"
import { namespaceCommand } from "../../../scripts/lib/live-world.ts"
import type { Outcome } from "./racing/run.ts"
import { blackHole } from "./utils/blackHole.ts"
import { leavingNothing } from "./utils/leaks.ts"
import { runInNamespaces } from "./utils/namespaces.ts"

const namespaces = namespaceCommand()

const six = "[::1]:8080"
const four = "127.0.0.1:8080"

interface Expected {
  readonly became: string
  readonly by?: "attempt" | "deadline"
  readonly attempts?: ReadonlyArray<string>
  /** At least. */
  readonly millis?: number
}

const expected: { readonly [title: string]: Expected } = {
  "IPv6 is dead": { became: four },
  "IPv4 is dead, and comes first": { became: six },
  "both are dead": {
    became: "WSAEHOSTUNREACH",
    attempts: ["[2001:db8:1::9]:8080 connect WSAEHOSTUNREACH", "198.51.100.9:8080 connect WSAEHOSTUNREACH"]
  },
  "the first address is silent": { became: four, millis: 250 },
  "the first two addresses are silent": { became: six, millis: 500 },
  "all refuse": {
    became: "WSAECONNREFUSED",
    attempts: ["[::1]:9 connect WSAECONNREFUSED", "127.0.0.1:9 connect WSAECONNREFUSED"]
  },
  "one refuses, and one is silent": {
    became: "WSAECONNREFUSED",
    attempts: ["[::1]:9 connect WSAECONNREFUSED", "192.0.2.66:8080 connect WSAETIMEDOUT"],
    millis: 3000
  },
  "all are silent": {
    became: "WSAETIMEDOUT",
    by: "attempt",
    attempts: ["[2001:db8::66]:8080 connect WSAETIMEDOUT", "192.0.2.66:8080 connect WSAETIMEDOUT"],
    millis: 650
  },
  "the deadline comes while three run": { became: "WSAETIMEDOUT", by: "deadline", millis: 700 },
  "IPv6 is found within its delay": { became: six, millis: 10 },
  "IPv6 is found too late": { became: four, millis: 50 },
  "IPv6 cannot be bound": { became: four }
}

describe.skipIf(typeof namespaces === "string")("RFC 8305, live, through a connector", () => {
  const outcomes = new Map<string, Outcome>()
  let words = ""
  let code: number | null = null

  beforeAll(async () => {
    const ran = await runInNamespaces<Outcome>(
      path.join(import.meta.dirname, "racing/run.ts"),
      80_000,
      namespaces as Array<string>
    )
    words = ran.words
    code = ran.code
    for (const outcome of ran.outcomes) outcomes.set(outcome.title, outcome)
  }, 90_000)

  for (const [title, { attempts = [], became, by, millis = 0 }] of Object.entries(expected)) {
    it(`${title}: ${became}, and nothing is left`, () => {
      const found = outcomes.get(title)
      assert.deepStrictEqual([found?.became, found?.by, found?.attempts], [became, by, attempts], words.slice(-2000))
      // Timers of Node may be a millisecond early.
      assert.isAtLeast(found!.millis, millis - 2)
      assert.strictEqual(found!.left, 0)
    })
  }

  afterAll(() => {
    assert.strictEqual(code, 0, words.slice(-2000))
    assert.strictEqual(outcomes.size, Object.keys(expected).length, "each outcome is expected")
  })
})

const listening = Effect.gen(function*() {
  const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
  yield* Winsock.bind(s, "127.0.0.1:0")
  yield* Winsock.listen(s)
  return SocketAddress.format(yield* Winsock.getsockname(s))
})

const live = <A, E>(program: Effect.Effect<A, E, Winsock.Winsock | AddressResolver.AddressResolver | Scope.Scope>) =>
  leavingNothing(Effect.provide(Effect.scoped(program), NodeConnector.layer))

describe("Connector, live", () => {
  it.live("connects by every step, to an address and to a name, and says what it is connected to", () =>
    live(Effect.gen(function*() {
      const open = yield* listening
      const connector = Connector.winsock.pipe(
        Connector.bindTo({ IPv4: "127.0.0.1:0" }),
        Connector.options([[SocketOption.TCP_NODELAY, true]]),
        Connector.attemptTimeout("5 seconds"),
        Connector.happyEyeballs(),
        Connector.resolve(),
        Connector.retry(RetryPolicy.transient()),
        Connector.timeout("10 seconds")
      )
      for (const target of [open, open.replace("127.0.0.1", "localhost"), new URL(`http://${open}/`)]) {
        const { local, remote, socket } = yield* connector.connect(target)
        assert.strictEqual(SocketAddress.format(remote), open)
        assert.match(SocketAddress.format(local), /^127\.0\.0\.1:\d+$/)
        assert.isTrue(yield* Winsock.getsockopt(socket, SocketOption.TCP_NODELAY))
      }
    })))

  // The refusal is in the kernel, and the time has come, when the loop turns again: its timers run before its sockets.
  for (const [name, step] of [["timeout", Connector.timeout], ["attemptTimeout", Connector.attemptTimeout]] as const) {
    it.live(`${name} loses a tie against what the stack says`, () =>
      live(Effect.gen(function*() {
        const refusing = yield* Effect.scoped(listening)
        const connector = Connector.winsock.pipe(step("20 millis"))
        const fiber = yield* Effect.forkChild(Effect.flip(connector.connect(refusing)), { startImmediately: true })
        for (const from = performance.now(); performance.now() < from + 60;);
        assert.instanceOf(yield* Fiber.join(fiber), WsaError.WSAECONNREFUSED)
      })))
  }

  describe("an interruption leaves nothing in a scope that goes on", () => {
    type Pipeline = (reached: Effect.Effect<void>) => Effect.Effect<
      Effect.Effect<unknown, unknown, Winsock.Winsock | AddressResolver.AddressResolver | Scope.Scope>,
      unknown,
      Winsock.Winsock | Scope.Scope
    >

    /** Interrupts it when it has reached where it waits. */
    const interrupted = (pipeline: Pipeline) =>
      live(Effect.gen(function*() {
        const there = yield* Deferred.make<void>()
        const connect = yield* pipeline(Effect.asVoid(Deferred.succeed(there, undefined)))
        const scope = yield* Scope.make()
        yield* leavingNothing(Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(Scope.provide(connect, scope))
          yield* Deferred.await(there)
          yield* Fiber.interrupt(fiber)
          assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
        }))
        yield* Scope.close(scope, Exit.void)
      }))

    const tells = (reached: Effect.Effect<void>) => Connector.hook(() => reached)

    it.live("in a hook", () =>
      interrupted((reached) =>
        Effect.succeed(
          Connector.winsock.pipe(Connector.hook(() => Effect.andThen(reached, Effect.never))).connect("127.0.0.1:1")
        )
      ))

    it.live("after the bind, in the connect", () =>
      interrupted((reached) =>
        Effect.map(blackHole, (silent) =>
          Connector.winsock.pipe(
            Connector.bindTo({ IPv4: "127.0.0.1:0" }),
            tells(reached)
          ).connect(silent))
      ))

    it.live("in the connect, under time-outs", () =>
      interrupted((reached) =>
        Effect.map(blackHole, (silent) =>
          Connector.winsock.pipe(
            tells(reached),
            Connector.attemptTimeout("1 minute"),
            Connector.timeout("1 minute")
          ).connect(silent))
      ))

    it.live("in a race of two", () =>
      interrupted((reached) =>
        Effect.gen(function*() {
          const silent = [yield* blackHole, yield* blackHole].map(SocketAddress.fromInputUnsafe)
          let begun = 0
          return Connector.winsock.pipe(
            Connector.hook(() => Effect.suspend(() => ++begun === 2 ? reached : Effect.void)),
            Connector.happyEyeballs()
          ).connect({ _tag: "Candidates", origin: undefined, addresses: silent })
        })
      ))

    it.live("in a look-up", () =>
      interrupted((reached) =>
        Effect.succeed(
          Effect.provide(
            Connector.winsock.pipe(Connector.happyEyeballs(), Connector.resolve()).connect("db.internal:80"),
            Layer.succeed(AddressResolver.AddressResolver, {
              resolve: (): Effect.Effect<ReadonlyArray<NetAddress.InetAddress>> => Effect.andThen(reached, Effect.never)
            } as never)
          )
        )
      ))

    it.live("in the wait of a retry", () =>
      interrupted((reached) =>
        Effect.map(Effect.scoped(listening), (refusing) => {
          const schedule = Schedule.spaced("1 minute").pipe(Schedule.tap(() => reached))
          return Connector.winsock.pipe(
            Connector.retry(RetryPolicy.byCode({ WSAECONNREFUSED: schedule }))
          ).connect(refusing)
        })
      ))
  })

  it.live("leaves no connection, timer or fiber behind, however many there were", () =>
    live(Effect.gen(function*() {
      const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
      yield* Winsock.bind(listener, "127.0.0.1:0")
      yield* Winsock.listen(listener)
      const open = SocketAddress.format(yield* Winsock.getsockname(listener))
      const connector = Connector.winsock.pipe(
        Connector.attemptTimeout("1 minute"),
        Connector.happyEyeballs(),
        Connector.resolve(),
        Connector.retry(RetryPolicy.transient()),
        Connector.timeout("1 minute")
      )
      for (let i = 0; i < 200; i++) {
        yield* Effect.scoped(Effect.all([connector.connect(open), Winsock.accept(listener)], { concurrency: 2 }))
      }
    })))
})
