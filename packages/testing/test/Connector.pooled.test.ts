import {
  AddressPolicy,
  type Connection,
  ConnectionPool,
  Connector,
  Qos,
  RetryPolicy,
  SocketAddress,
  UserData,
  Winsock
} from "@effect-winsock/core"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Layer, Schedule, type Scope } from "effect"
import { Host } from "effect/net"
import { counted } from "./utils/counted.ts"
import { Dice } from "./utils/dice.ts"
import { type Answering, ask, echo, serving } from "./utils/talk.ts"

const runs = Number(process.env["WINSOCK_SIMULATED_SEEDS"] ?? 50)

type World = {
  readonly net: SimNetwork.Network
  /** How many connections the client has asked for. */
  readonly asked: () => number
  /** How many sockets the client has open. */
  readonly open: () => number
}

const server = "10.0.0.2:80"

/** A client and a server that answers lines. What the client leaves open is a failure. */
const between = <A, E>(
  program: (world: World) => Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>,
  options: { readonly answering?: Answering; readonly seed?: number } = {}
) => {
  const report = Sim.run(
    Effect.scoped(Effect.gen(function*() {
      const net = yield* SimNetwork.make({
        hosts: { client: { addresses: ["10.0.0.1"] }, server: { addresses: ["10.0.0.2", "10.0.0.3"] } },
        link: { latency: "10 millis" }
      })
      const listening = serving("0.0.0.0:80", options.answering ?? echo)
      yield* Effect.forkScoped(
        Effect.provide(Effect.scoped(Effect.andThen(listening, Effect.never)), net.layer("server"))
      )
      yield* Effect.sleep("1 second")
      const { provider, seen } = counted(net.provider("client"))
      const world = { net, asked: () => seen.connects.length, open: () => net.counts("client").handles }
      const value = yield* Effect.provide(Effect.scoped(program(world)), Winsock.layer(provider))
      assert.strictEqual(world.open(), 0, "sockets are left")
      assert.strictEqual(net.counts("client").attempts, 0, "attempts are left")
      return value
    })),
    { seed: options.seed ?? 1 }
  )
  const value = Sim.getOrThrow(report)
  assert.deepStrictEqual(report.leftovers, [])
  return value
}

const pooled = (options?: ConnectionPool.Options) => Connector.winsock.pipe(Connector.pooled(options))

/** One exchange on a connection of the pool. */
const exchange = <E>(
  pool: Connector.Connector<string, Connection.Connection, E>,
  line: string,
  target = server
) => Effect.scoped(Effect.flatMap(pool.connect(target), (connection) => ask(connection, line)))

describe("a pool of connections", () => {
  it("lends a connection again, and closes it with its scope", () => {
    const [answers, accepted, open] = between(({ asked, open }) =>
      Effect.gen(function*() {
        const pool = yield* pooled()
        const answers = yield* Effect.forEach(["a", "b", "c"], (line) => exchange(pool, line))
        yield* Effect.sleep("10 millis")
        return [answers, asked(), open()] as const
      })
    )
    assert.deepStrictEqual(answers, ["a!", "b!", "c!"])
    assert.deepStrictEqual([accepted, open], [1, 1])
  })

  it("has at most so many to a destination, lends first to who came first, and as many to others", () => {
    const order: Array<number> = []
    const open = between(({ open }) =>
      Effect.gen(function*() {
        const pool = yield* pooled({ max: 2 })
        const one = (i: number, target: string) =>
          Effect.scoped(Effect.gen(function*() {
            yield* pool.connect(target)
            order.push(i)
            yield* Effect.sleep("1 second")
          })).pipe(Effect.delay(`${i} millis`))
        const fibers = yield* Effect.forEach(Array.from({ length: 6 }, (_, i) => i), (i) =>
          Effect.forkChild(one(i, server)))
        const other = yield* Effect.forkChild(one(9, "10.0.0.3:80"))
        yield* Effect.sleep("500 millis")
        const open_ = open()
        yield* Effect.forEach([...fibers, other], Fiber.join)
        return open_
      })
    )
    assert.strictEqual(open, 3)
    assert.deepStrictEqual(order, [0, 1, 9, 2, 3, 4, 5])
  })

  it("fails with PoolTimeout where all are lent for too long, and the peer is not blamed", () => {
    const error = between(() =>
      Effect.gen(function*() {
        const pool = yield* pooled({ max: 1, waitTimeout: "300 millis" })
        yield* pool.connect(server)
        return yield* Effect.flip(pool.connect(server))
      })
    )
    assert(error instanceof ConnectionPool.PoolTimeout)
    assert.strictEqual(error.message, "all 1 connections of the pool to 10.0.0.2:80 were lent for 300ms")
  })

  it("does not count the connect itself as waiting", () => {
    between(({ net }) =>
      Effect.gen(function*() {
        const back = net.slowAccept(server, "1 second")
        const pool = yield* pooled({ max: 1, waitTimeout: "300 millis" })
        yield* pool.connect(server)
        back()
      })
    )
  })

  const spoilers: ReadonlyArray<
    readonly [
      what: string,
      spoil: (
        world: World,
        connection: Connection.Connection
      ) => Effect.Effect<unknown, unknown>
    ]
  > = [
    ["whose peer has hung up", (_, connection) => ask(connection, "hang up")],
    ["that was reset", ({ net }) => Effect.andThen(Effect.sync(() => net.reset({ host: "server" })), Effect.sleep(50))],
    [
      "that has an answer on it that nobody read",
      (_, connection) =>
        Effect.andThen(connection.write(new TextEncoder().encode("unread\n")), Effect.sleep("100 millis"))
    ],
    ["whose own direction was ended", (_, connection) => connection.end],
    ["that was closed", (_, connection) => Winsock.closesocket(connection.socket)],
    ["whose borrower failed", () => Effect.fail("no use")]
  ]
  const answering: Answering = (line) => Effect.succeed(line === "hang up" ? "hang up" : `${line}!`)
  for (const [what, spoil] of spoilers) {
    it(`does not lend one again ${what}`, () => {
      const [again, open] = between(
        (world) =>
          Effect.gen(function*() {
            // one that is idle would not be looked for in this time
            const pool = yield* pooled({ max: 1, idleTimeToLive: "1 hour" })
            const first = yield* Effect.scoped(Effect.tap(pool.connect(server), (one) => spoil(world, one))).pipe(
              Effect.ignore
            )
            assert.isUndefined(first)
            assert.strictEqual(world.open(), 0, "it is closed when it comes back")
            yield* Effect.sleep("100 millis")
            const answer = yield* exchange(pool, "mine")
            yield* Effect.sleep("100 millis")
            assert.strictEqual(world.asked(), 2)
            return [answer, world.open()] as const
          }),
        { answering }
      )
      assert.deepStrictEqual([again, open], ["mine!", 1])
    })
  }

  for (
    const [what, spoil] of [
      ["the peer hung up", ({ net }: World) => Effect.sync(() => net.reset({ host: "server" }))],
      ["the peer said something that nobody asked for", () => Effect.sleep("3 seconds")]
    ] as const
  ) {
    it(`does not lend one again where ${what} while it was idle`, () => {
      const answer = between(
        (world) =>
          Effect.gen(function*() {
            const pool = yield* pooled({ max: 1 })
            yield* exchange(pool, "first\nlate")
            yield* spoil(world)
            yield* Effect.sleep("100 millis")
            const answer = yield* exchange(pool, "second")
            yield* Effect.sleep("100 millis")
            assert.strictEqual(world.asked(), 2)
            return answer
          }),
        {
          answering: (line) =>
            Effect.succeed(line === "first" && what.includes("said") ? "first!\nand more" : `${line}!`)
        }
      )
      assert.strictEqual(answer, "second!")
    })
  }

  it("does not lend one again to another after an interruption, nor its answer", () => {
    const answers = between(
      () =>
        Effect.gen(function*() {
          const pool = yield* pooled({ max: 1 })
          const waiting = yield* Effect.forkChild(exchange(pool, "slow"))
          yield* Effect.sleep("100 millis")
          yield* Fiber.interrupt(waiting)
          return [yield* exchange(pool, "mine"), yield* exchange(pool, "mine too")]
        }),
      { answering: (line) => Effect.delay(Effect.succeed(`${line}!`), line === "slow" ? "1 second" : 0) }
    )
    assert.deepStrictEqual(answers, ["mine!", "mine too!"])
  })

  it("keeps one after a failure where the program says so", () => {
    const accepted = between(({ asked }) =>
      Effect.gen(function*() {
        const pool = yield* pooled({ reuse: () => true })
        yield* Effect.ignore(Effect.scoped(Effect.andThen(pool.connect(server), Effect.fail("no matter"))))
        yield* exchange(pool, "again")
        return asked()
      })
    )
    assert.strictEqual(accepted, 1)
  })

  it("lends none that is too old", () => {
    const accepted = between(({ asked }) =>
      Effect.gen(function*() {
        const pool = yield* pooled({ maxAge: "5 seconds" })
        for (let i = 0; i < 12; i++) {
          yield* exchange(pool, "x")
          yield* Effect.sleep("1 second")
        }
        return asked()
      })
    )
    assert.strictEqual(accepted, 3)
  })

  it("closes what is idle for its time, and keeps the least that there are to be", () => {
    const seen = between(({ open }) =>
      Effect.gen(function*() {
        const burst = (pool: Parameters<typeof exchange>[0]) =>
          Effect.all(Array.from({ length: 5 }, (_, i) => exchange(pool, `${i}`)), { concurrency: "unbounded" })
        const seen: Array<number> = []
        for (const min of [0, 2]) {
          yield* Effect.scoped(Effect.gen(function*() {
            const pool = yield* pooled({ min, idleTimeToLive: "10 seconds" })
            yield* burst(pool)
            seen.push(open())
            yield* Effect.sleep("25 seconds")
            seen.push(open())
          }))
          seen.push(open())
        }
        return seen
      })
    )
    assert.deepStrictEqual(seen, [5, 0, 0, 5, 2, 0])
  })

  it("takes targets for one destination however they are written, and a name and its address for two", () => {
    const keys: Array<string> = []
    const counting = Connector.make((target: Connector.TargetInput) => {
      keys.push(String(typeof target === "string" ? target : "structure"))
      return Connector.winsock.connect(server)
    })
    between(() =>
      Effect.gen(function*() {
        const pool = yield* counting.pipe(Connector.pooled())
        const address = SocketAddress.fromInputUnsafe(server)
        for (
          const target of [
            "example.org:443",
            "EXAMPLE.org:443",
            "https://example.org/a",
            new URL("https://example.org/b"),
            { host: "example.org", port: 443 },
            "10.0.0.2:443",
            "https://10.0.0.2/",
            "https://other.example/",
            Connector.endpoint(address, Host.hostPortFromStringUnsafe("one.example:443")),
            Connector.endpoint(address, Host.hostPortFromStringUnsafe("two.example:443")),
            Connector.endpoint(address, Host.hostPortFromStringUnsafe("one.example:443"))
          ]
        ) yield* Effect.scoped(pool.connect(target))
      })
    )
    assert.deepStrictEqual(keys, [
      "example.org:443",
      "10.0.0.2:443",
      "https://other.example/",
      "structure",
      "structure"
    ])
  })

  it("connects without the QOS and the user data that are around, and with those of its own pipeline", () => {
    const seen: Array<unknown> = []
    const looking = Connector.make((target: string) =>
      Effect.gen(function*() {
        seen.push([
          yield* Qos.SocketQos,
          yield* Qos.GroupQos,
          yield* UserData.CallerData,
          yield* UserData.CalleeCapacity
        ])
        return yield* Connector.winsock.connect(target)
      })
    )
    const qos: Qos.Qos = { sending: { serviceType: "guaranteed", tokenRate: 1000, tokenBucketSize: 1000 } }
    const around = Layer.merge(
      UserData.layer({ callerData: Uint8Array.of(1), calleeCapacity: 9 }),
      Layer.succeed(Qos.SocketQos, qos)
    )
    between(() =>
      Effect.gen(function*() {
        const pool = yield* looking.pipe(Connector.pooled())
        yield* Effect.scoped(pool.connect(server))
        const own = yield* looking.pipe(Connector.callerData(Uint8Array.of(7)), Connector.pooled())
        yield* Effect.ignore(Effect.scoped(own.connect(server)))
      }).pipe(Effect.provide(around))
    )
    assert.deepStrictEqual(seen, [[undefined, undefined, undefined, 0], [undefined, undefined, Uint8Array.of(7), 0]])
  })

  it("lends nobody what was opened under other policies than his own", () => {
    const [denied, lent] = between(() =>
      Effect.gen(function*() {
        const pool = yield* pooled()
        yield* exchange(pool, "free")
        const guarded = pool.pipe(Connector.addressPolicy(AddressPolicy.publicOnly))
        const denied = yield* Effect.flip(Effect.scoped(guarded.connect(server)))
        const under = yield* Effect.flip(Effect.scoped(pool.connect(server))).pipe(
          Effect.provide(AddressPolicy.layer(AddressPolicy.publicOnly))
        )
        return [[denied._tag, under._tag], yield* exchange(pool, "still free")]
      })
    )
    assert.deepStrictEqual([denied, lent], [["WSAEACCES", "WSAEACCES"], "still free!"])
  })

  it("gives the failure of a connect to who waits for it, and tries again for the next", () => {
    const tags = between(({ net }) =>
      Effect.gen(function*() {
        net.answer(server, ["WSAECONNREFUSED", "WSAETIMEDOUT"])
        const pool = yield* pooled({ max: 2 })
        const tag = Effect.map(Effect.exit(exchange(pool, "x")), (exit) =>
          Exit.isSuccess(exit) ? exit.value : (Cause.squash(exit.cause) as { readonly _tag: string })._tag)
        return [yield* tag, yield* tag, yield* tag]
      })
    )
    assert.deepStrictEqual(tags, ["WSAECONNREFUSED", "WSAETIMEDOUT", "x!"])
  })

  it("calls a peer that hangs up at once no oftener than it is asked to", () => {
    const accepted = between(
      ({ asked, net }) =>
        Effect.gen(function*() {
          const pool = yield* pooled()
          for (let i = 0; i < 5; i++) {
            yield* Effect.scoped(Effect.gen(function*() {
              yield* pool.connect(server)
              net.reset({ host: "server" })
              yield* Effect.sleep("1 second")
            }))
          }
          return asked()
        })
    )
    assert.strictEqual(accepted, 5)
  })

  it("lets who waits be interrupted, for a connection and for a connect, and loses nothing by it", () => {
    between(({ net, open }) =>
      Effect.gen(function*() {
        const pool = yield* pooled({ max: 1 })
        const back = net.slowAccept(server, "1 second")
        const first = yield* Effect.forkChild(exchange(pool, "x"))
        const second = yield* Effect.forkChild(exchange(pool, "y"))
        yield* Effect.sleep("100 millis")
        yield* Fiber.interrupt(second)
        assert.strictEqual(open(), 1)
        yield* Fiber.interrupt(first)
        assert.strictEqual(open(), 0)
        back()
        assert.strictEqual(yield* exchange(pool, "z"), "z!")
        assert.strictEqual(open(), 1)
      })
    )
  })

  it("does not let one connect wait for another", () => {
    between(({ net }) =>
      Effect.gen(function*() {
        const pool = yield* pooled({ max: 2 })
        const back = net.slowAccept(server, "1 hour")
        const first = yield* Effect.forkChild(exchange(pool, "x"))
        yield* Effect.sleep("100 millis")
        back()
        assert.strictEqual(yield* exchange(pool, "y"), "y!")
        yield* Fiber.interrupt(first)
      })
    )
  })

  it("closes what is under way with its scope", () => {
    between(({ net, open }) =>
      Effect.gen(function*() {
        yield* Effect.scoped(Effect.gen(function*() {
          net.slowAccept(server, "1 hour")
          const pool = yield* pooled({ max: 1 })
          yield* Effect.forkChild(exchange(pool, "x"))
          yield* Effect.sleep("1 second")
          assert.strictEqual(open(), 1)
        }))
        assert.strictEqual(open(), 0)
      })
    )
  })

  it(`gives everybody his own answer through resets, partitions and interruptions, and leaves nothing, in ${runs} seeds`, () => {
    for (let seed = 1; seed <= runs; seed++) {
      const dice = new Dice(seed)
      const max = 1 + dice.below(3)
      const counts = { answered: 0, most: 0 }
      between(({ net, open }) =>
        Effect.gen(function*() {
          const pool = yield* Connector.winsock.pipe(
            Connector.attemptTimeout("2 seconds"),
            Connector.pooled({ max, min: dice.below(2), idleTimeToLive: "3 seconds", maxAge: "20 seconds" })
          )
          const retrying = pool.pipe(
            Connector.retry(
              RetryPolicy.byClass({ transient: Schedule.spaced("500 millis"), resource: Schedule.spaced(100) })
            )
          )
          const client = (i: number) =>
            Effect.gen(function*() {
              for (let n = 0; n < 6; n++) {
                const line = `${seed} ${i} ${n}`
                const talk = exchange(retrying as typeof pool, line).pipe(Effect.timeoutOption("4 seconds"))
                if (dice.chance(25)) {
                  const fiber = yield* Effect.forkChild(Effect.exit(talk))
                  yield* Effect.sleep(dice.below(60))
                  yield* Fiber.interrupt(fiber)
                  continue
                }
                const exit = yield* Effect.exit(talk)
                counts.most = Math.max(counts.most, open())
                if (Exit.isSuccess(exit) && exit.value._tag === "Some" && exit.value.value !== undefined) {
                  assert.strictEqual(exit.value.value, `${line}!`, `seed ${seed}`)
                  counts.answered++
                }
                yield* Effect.sleep(dice.below(1500))
              }
            })
          const trouble = Effect.gen(function*() {
            for (;;) {
              yield* Effect.sleep(200 + dice.below(2000))
              if (dice.chance(50)) {
                net.reset({ host: "server" })
              } else {
                net.cut("client", "server")
                yield* Effect.sleep(dice.below(3000))
                net.heal("client", "server")
              }
            }
          })
          const fiber = yield* Effect.forkChild(trouble)
          yield* Effect.all(Array.from({ length: 5 }, (_, i) => client(i)), { concurrency: "unbounded" })
          yield* Fiber.interrupt(fiber)
        }), { seed })
      assert.isAbove(counts.answered, 0, `seed ${seed}`)
      assert.isAtMost(counts.most, 2 * max, `seed ${seed}`)
    }
  })

  it("has the errors of its pipeline, and PoolTimeout", () => {
    const report = Sim.run(Effect.scoped(Effect.gen(function*() {
      const pool = yield* Connector.make((target: string) => Effect.fail(`no ${target}` as const)).pipe(
        Connector.pooled()
      )
      return yield* Effect.flip(pool.connect("x"))
    })))
    assert.strictEqual(Sim.getOrThrow(report), "no x")
    assert.strictEqual(Duration.toMillis(report.elapsed), 0)
  })
})
