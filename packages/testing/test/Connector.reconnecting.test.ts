import {
  AddressPolicy,
  type Connection,
  Connector,
  type Reconnecting,
  RetryPolicy,
  Winsock,
  WsaError
} from "@effect-winsock/core"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Schedule, type Scope, Stream } from "effect"
import { counted } from "./utils/counted.ts"
import { Dice } from "./utils/dice.ts"
import { ask, echo, serving } from "./utils/talk.ts"

const runs = Number(process.env["WINSOCK_SIMULATED_SEEDS"] ?? 50)
const server = "10.0.0.2:80"

interface World {
  readonly net: SimNetwork.Network
  /** When the client has asked for a connection, in milliseconds since the beginning. */
  readonly asked: ReadonlyArray<number>
  readonly open: () => number
}

/** A client and a server that answers lines; nothing takes time but what is told to. */
const between = <A, E>(
  program: (world: World) => Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>,
  seed = 1
) => {
  const report = Sim.run(
    Effect.scoped(Effect.gen(function*() {
      const sim = yield* Sim.Sim
      const net = yield* SimNetwork.make({
        hosts: { client: { addresses: ["10.0.0.1"] }, server: { addresses: ["10.0.0.2"] } },
        link: { latency: 0 }
      })
      yield* net.run("server", Effect.scoped(Effect.andThen(serving("0.0.0.0:80", echo), Effect.never)))
      yield* Effect.sleep("1 second")
      const origin = sim.now()
      const asked: Array<number> = []
      const { provider, seen } = counted(net.provider("client"))
      seen.connects.push = (...addresses) => asked.push(...addresses.map(() => (sim.now() - origin) / 1000))
      const world = { net, asked, open: () => net.counts("client").handles }
      const value = yield* Effect.provide(Effect.scoped(program(world)), Winsock.layer(provider))
      assert.strictEqual(world.open(), 0, "sockets are left")
      assert.strictEqual(net.counts("client").attempts, 0, "attempts are left")
      return value
    })),
    { seed }
  )
  const value = Sim.getOrThrow(report)
  assert.deepStrictEqual(report.leftovers, [])
  return value
}

const steady = RetryPolicy.connectionBackoff({ jitter: 0 })
const kept = (options: Reconnecting.Options<Connector.ConnectError> = { schedule: steady }) =>
  Connector.winsock.pipe(Connector.reconnecting(options)).connect(server)

const tagsOf = <E>(states: ReadonlyArray<Reconnecting.State<E>>) =>
  states.map((state) => state._tag === "Waiting" ? `Waiting ${Duration.toMillis(state.delay)}` : state._tag)

describe("a connection that is kept up", () => {
  it("is made at once, and shared by all who want it", () => {
    const asked = between(({ asked }) =>
      Effect.gen(function*() {
        const one = yield* kept()
        const all = yield* Effect.all(Array.from({ length: 20 }, () => Effect.scoped(one.get)), {
          concurrency: "unbounded"
        })
        assert.strictEqual(new Set(all).size, 1)
        assert.strictEqual(yield* one.use((connection) => ask(connection, "x")), "x!")
        return asked
      })
    )
    assert.deepStrictEqual(asked, [0])
  })

  it("is made anew when it breaks, and stays broken for who has the old one (R21)", () => {
    const [old, answer] = between(({ net }) =>
      Effect.gen(function*() {
        const one = yield* kept()
        const first = yield* one.get
        net.reset({ host: "server" })
        const old = yield* Effect.flip(first.read)
        return [old._tag, yield* one.use((connection) => ask(connection, "y"))]
      })
    )
    assert.deepStrictEqual([old, answer], ["WSAECONNRESET", "y!"])
  })

  it("is made anew when the peer has ended its direction, and what it had sent can be read to the end", () => {
    const [text, answer, open] = between(({ net, open }) =>
      Effect.gen(function*() {
        const one = yield* kept()
        const talk = Effect.gen(function*() {
          const first = yield* one.get
          yield* first.write(new TextEncoder().encode("last words\n"))
          yield* Effect.sleep("10 millis")
          net.stop("server")
          net.restart("server")
          yield* Effect.sleep("2 seconds")
          const second = yield* Effect.scoped(one.get)
          assert.notStrictEqual(first, second)
          return new TextDecoder().decode(yield* first.read)
        })
        const text = yield* Effect.scoped(talk)
        return [text, yield* one.use((connection) => ask(connection, "z")), open()] as const
      })
    )
    assert.deepStrictEqual([text, answer, open], ["last words!\n", "z!", 1])
  })

  it("waits longer from attempt to attempt, counted from where each began, and tells of it", () => {
    const [asked, states] = between(({ asked, net }) =>
      Effect.gen(function*() {
        const heal = net.refuse(server)
        const one = yield* kept()
        const states = yield* Effect.forkChild(
          Stream.runCollect(Stream.takeUntil(one.states, ({ _tag }) => _tag === "Connected"))
        )
        yield* Effect.sleep("5 seconds")
        heal()
        yield* Effect.scoped(one.get)
        return [asked, tagsOf(yield* Fiber.join(states))] as const
      })
    )
    assert.deepStrictEqual(asked, [0, 1000, 2600, 5160])
    assert.deepStrictEqual(states, [
      "Connecting",
      "Waiting 1000",
      "Connecting",
      "Waiting 1600",
      "Connecting",
      "Waiting 2560",
      "Connecting",
      "Connected"
    ])
  })

  const losing = (
    net: SimNetwork.Network,
    one: Reconnecting.Reconnecting<Connection.Connection, Connector.ConnectError>
  ) =>
    Effect.gen(function*() {
      yield* Effect.scoped(one.get)
      net.reset({ host: "server" })
      yield* Effect.sleep("1 milli")
    })

  it("goes on waiting longer over connections that are lost soon, until one is said to be useful", () => {
    const asked = between(({ asked, net }) =>
      Effect.gen(function*() {
        const one = yield* kept()
        for (let i = 0; i < 4; i++) yield* losing(net, one)
        yield* Effect.scoped(one.get)
        yield* one.useful
        for (let i = 0; i < 2; i++) yield* losing(net, one)
        yield* Effect.scoped(one.get)
        return asked
      })
    )
    const waits = asked.slice(1).map((at, i) => Math.round(at - asked[i]!))
    assert.deepStrictEqual(waits, [1000, 1600, 2560, 4096, 1000, 1600])
  })

  it("takes one that has stood for its time to be useful", () => {
    const asked = between(({ asked, net }) =>
      Effect.gen(function*() {
        const one = yield* kept({ schedule: steady, usefulAfter: "30 seconds" })
        for (let i = 0; i < 3; i++) yield* losing(net, one)
        yield* Effect.scoped(one.get)
        yield* Effect.sleep("31 seconds")
        for (let i = 0; i < 2; i++) yield* losing(net, one)
        yield* Effect.scoped(one.get)
        return asked
      })
    )
    const waits = asked.slice(1).map((at, i) => Math.round(at - asked[i]!))
    // the one that stood for long is followed at once, and that one after the first delay again
    assert.deepStrictEqual(waits.map((wait) => wait > 30_000 ? "at once" : wait), [1000, 1600, 2560, "at once", 1600])
  })

  it("fails where trying again is no use, tries no more, and begins anew when somebody asks", () => {
    const [tags, state, asked, later] = between(({ asked, net }) =>
      Effect.gen(function*() {
        net.answer(server, ["WSAEACCES", "WSAEACCES"])
        const one = yield* kept()
        const waiting = yield* Effect.all(
          Array.from({ length: 3 }, () => Effect.map(Effect.flip(Effect.scoped(one.get)), ({ _tag }) => _tag)),
          { concurrency: "unbounded" }
        )
        yield* Effect.sleep("1 hour")
        const state = (yield* one.state)._tag
        const again = yield* Effect.flip(Effect.scoped(one.get))
        const before = asked.length
        return [[...waiting, again._tag], state, before, yield* one.use((connection) => ask(connection, "ok"))] as const
      })
    )
    assert.deepStrictEqual(tags, ["WSAEACCES", "WSAEACCES", "WSAEACCES", "WSAEACCES"])
    assert.deepStrictEqual([state, asked, later], ["Failed", 2, "ok!"])
  })

  it("waits for the first delay again when it begins anew", () => {
    const asked = between(({ asked, net }) =>
      Effect.gen(function*() {
        net.answer(server, ["WSAECONNREFUSED", "WSAECONNREFUSED", "WSAEACCES", "WSAECONNREFUSED"])
        const one = yield* kept()
        yield* Effect.flip(Effect.scoped(one.get))
        yield* Effect.scoped(one.get)
        return asked
      })
    )
    assert.deepStrictEqual(asked, [0, 1000, 2600, 2600, 3600])
  })

  it("fails with the last failure where the schedule is over", () => {
    const [tag, asked] = between(({ asked, net }) =>
      Effect.gen(function*() {
        const heal = net.refuse(server)
        const one = yield* kept({ schedule: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 2 })) })
        const error = yield* Effect.flip(Effect.scoped(one.get))
        const before = asked.length
        heal()
        yield* Effect.scoped(one.get)
        return [error._tag, before] as const
      })
    )
    assert.deepStrictEqual([tag, asked], ["WSAECONNREFUSED", 3])
  })

  it("tries again what the program says is worth it, and nothing else", () => {
    const tag = between(({ net }) =>
      Effect.gen(function*() {
        net.answer(server, ["WSAEACCES", "WSAECONNREFUSED"])
        const one = yield* kept({ schedule: steady, while: ({ _tag }) => _tag === "WSAEACCES" })
        return (yield* Effect.flip(Effect.scoped(one.get)))._tag
      })
    )
    assert.strictEqual(tag, "WSAECONNREFUSED")
  })

  it("is held to the policies around, each time", () => {
    const error = between(() =>
      Effect.gen(function*() {
        const one = yield* Connector.winsock.pipe(
          Connector.reconnecting(),
          Connector.addressPolicy(AddressPolicy.publicOnly)
        ).connect(server)
        return yield* Effect.flip(Effect.scoped(one.get))
      })
    )
    assert.instanceOf(error, WsaError.WSAEACCES)
  })

  it("ends with its scope: attempts, waits, states and those who wait", () => {
    for (const trouble of ["refuse", "blackhole"] as const) {
      const [exit, states, open] = between(({ net, open }) =>
        Effect.gen(function*() {
          net[trouble](server)
          const seen = yield* Effect.scoped(Effect.gen(function*() {
            const one = yield* kept()
            const waiting = yield* Effect.forkDetach(Effect.scoped(one.get))
            const states = yield* Effect.forkDetach(Stream.runCollect(one.states))
            yield* Effect.sleep("10 seconds")
            return { one, waiting, states }
          }))
          const late = yield* Effect.exit(Effect.scoped(seen.one.get))
          assert.isTrue(Exit.isFailure(late) && Cause.hasInterruptsOnly(late.cause), "who asks later does not wait")
          const exit = yield* Fiber.await(seen.waiting)
          return [exit, tagsOf(yield* Fiber.join(seen.states)).at(-1), open()] as const
        })
      )
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.deepStrictEqual([states, open], ["Closed", 0])
    }
  })

  it("lets nobody wait who asks after its scope has ended, though it was connected then", () => {
    const exit = between(() =>
      Effect.gen(function*() {
        const one = yield* Effect.scoped(Effect.tap(kept(), (one) => Effect.scoped(one.get)))
        return yield* Effect.exit(Effect.scoped(one.get))
      })
    )
    assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
  })

  it("lets who waits be interrupted, and goes on for the others", () => {
    const answer = between(({ net }) =>
      Effect.gen(function*() {
        const heal = net.refuse(server)
        const one = yield* kept()
        const first = yield* Effect.forkChild(one.use((connection) => ask(connection, "a")))
        const second = yield* Effect.forkChild(one.use((connection) => ask(connection, "b")))
        yield* Effect.sleep("3 seconds")
        yield* Fiber.interrupt(first)
        heal()
        return yield* Fiber.join(second)
      })
    )
    assert.strictEqual(answer, "b!")
  })

  it("a defect of a connect is the defect of who waits", () => {
    const exit = between(() =>
      Effect.gen(function*() {
        const broken: Connector.Connector<string, Connection.Connection> = Connector.make(() => Effect.die("a defect"))
        const one = yield* broken.pipe(Connector.reconnecting()).connect("x")
        return yield* Effect.exit(Effect.scoped(one.get))
      })
    )
    assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
  })

  it(`serves many through resets, partitions and a server that ends, one connection at a time, in ${runs} seeds`, () => {
    for (let seed = 1; seed <= runs; seed++) {
      const dice = new Dice(seed)
      let answered = 0
      let most = 0
      between(
        ({ net, open }) =>
          Effect.gen(function*() {
            const one = yield* Connector.winsock.pipe(
              Connector.attemptTimeout("2 seconds"),
              Connector.reconnecting({ usefulAfter: "1 second" })
            ).connect(server)
            const client = (i: number) =>
              Effect.gen(function*() {
                for (let n = 0; n < 5; n++) {
                  const use = one.use((connection) => Effect.andThen(connection.read, Effect.void))
                  const waiting = yield* Effect.forkChild(Effect.exit(use))
                  yield* Effect.sleep(dice.below(3000))
                  yield* Fiber.interrupt(waiting)
                  const line = `${i} ${n}`
                  const exit = yield* Effect.exit(
                    one.use((connection) => connection.write(new TextEncoder().encode(`${line}\n`)))
                  )
                  most = Math.max(most, open())
                  if (Exit.isSuccess(exit)) answered++
                }
              })
            const trouble = Effect.gen(function*() {
              for (;;) {
                yield* Effect.sleep(500 + dice.below(3000))
                const kind = dice.below(3)
                if (kind === 0) {
                  net.reset({ host: "server" })
                } else if (kind === 1) {
                  net.stop("server")
                  yield* Effect.sleep(dice.below(3000))
                  net.restart("server")
                } else {
                  net.cut("client", "server")
                  yield* Effect.sleep(dice.below(5000))
                  net.heal("client", "server")
                }
              }
            })
            const fiber = yield* Effect.forkChild(trouble)
            yield* Effect.all(Array.from({ length: 4 }, (_, i) => client(i)), { concurrency: "unbounded" })
            yield* Fiber.interrupt(fiber)
            yield* Effect.sleep(1)
            assert.isAtMost(open(), 1, `seed ${seed}`)
          }),
        seed
      )
      assert.isAbove(answered, 0, `seed ${seed}`)
      // the live one, and those that were lost and are still used by one of the four each
      assert.isAtMost(most, 5, `seed ${seed}`)
    }
  })
})
