import { Connector, RetryPolicy, SocketAddress, SocketOption, UserData, Winsock, WsaError } from "@effect-winsock/core"
import { Memory, Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Exit, Fiber, Schedule, Scope, Stream } from "effect"
import type { AddressResolver } from "effect/net"

const at = SocketAddress.fromInputUnsafe

const addresses = ["10.0.0.2", "10.0.0.3", "fd00::2", "fd00::3"]
const six = at("[fd00::2]:80")
const four = at("10.0.0.2:80")
const all = [six, four, at("[fd00::3]:80"), at("10.0.0.3:80")]

type Services = Sim.Sim | Winsock.Winsock | AddressResolver.AddressResolver | Scope.Scope

/** Runs a body on a client of a network whose server listens on port 80 of all its addresses. */
const onNetwork = <A, E>(body: (net: SimNetwork.Network) => Effect.Effect<A, E, Services>) => {
  const report = Sim.run(Effect.scoped(Effect.gen(function*() {
    const net = yield* SimNetwork.make({
      hosts: { client: { addresses: ["10.0.0.1", "fd00::1"] }, server: { addresses, names: ["server.internal"] } },
      link: { latency: "1 milli" }
    })
    yield* net.run(
      "server",
      Effect.scoped(Effect.gen(function*() {
        for (const [family, address] of [["IPv4", "0.0.0.0:80"], ["IPv6", "[::]:80"]] as const) {
          const listener = yield* Winsock.socket({ family, type: "stream" })
          yield* Winsock.bind(listener, address)
          yield* Winsock.listen(listener)
        }
        return yield* Effect.never
      }))
    )
    yield* Effect.sleep("1 second")
    return yield* Effect.provide(Effect.scoped(body(net)), net.layerConnector("client"))
  })))
  assert.deepStrictEqual(report.leftovers, [])
  return Sim.getOrThrow(report)
}

const candidates = (...addresses: ReadonlyArray<SocketAddress.SocketAddress>): Connector.Candidates => ({
  _tag: "Candidates",
  origin: undefined,
  addresses
})

/** What it fails with, after how many milliseconds, and what is open then in a scope that is not over. */
const failing = <E, R>(net: SimNetwork.Network, connect: Effect.Effect<unknown, E, R | Scope.Scope>) =>
  Effect.gen(function*() {
    const sim = yield* Sim.Sim
    const from = sim.now()
    const scope = yield* Scope.make()
    const error = yield* Effect.flip(Scope.provide(connect, scope))
    const { attempts, handles } = net.counts("client")
    yield* Scope.close(scope, Exit.void)
    return { error, millis: (sim.now() - from) / 1000, open: handles + attempts }
  })

describe("Connector, simulated", () => {
  describe("winsock", () => {
    it("connects an address as it is written, and as an endpoint, and closes with the scope", () => {
      onNetwork((net) =>
        Effect.gen(function*() {
          for (
            const target of ["10.0.0.2:80", { address: "fd00::2", port: 80 }, four, Connector.endpoint(six)] as const
          ) {
            yield* Effect.scoped(Effect.gen(function*() {
              const { local, remote } = yield* Connector.winsock.connect(target)
              assert.strictEqual(SocketAddress.portOf(remote), 80)
              assert.strictEqual(SocketAddress.familyOf(local), SocketAddress.familyOf(remote))
              assert.strictEqual(net.counts("client").handles, 1)
            }))
            assert.strictEqual(net.counts("client").handles, 0)
          }
        })
      )
    })

    it("E10: fails with WSAEFAULT where the address does not decode, and opens nothing", () => {
      const { error, open } = onNetwork((net) => failing(net, Connector.winsock.connect("nowhere" as never)))
      assert.instanceOf(error, WsaError.WSAEFAULT)
      assert.deepInclude(error, { call: "WSAConnect", stage: "request" })
      assert.strictEqual(open, 0)
    })

    it("leaves nothing where it fails", () => {
      const { error, open } = onNetwork((net) => failing(net, Connector.winsock.connect("10.0.0.2:81")))
      assert.instanceOf(error, WsaError.WSAECONNREFUSED)
      assert.strictEqual(open, 0)
    })

    it("fails on a fresh socket with none of the codes that its type leaves out", () => {
      const codes = ["WSAEWOULDBLOCK", "WSAEALREADY", "WSAEISCONN", "WSAEINPROGRESS"] as const
      const seen = onNetwork((net) =>
        Effect.forEach(codes, (code) => {
          net.answer(four, [code])
          return Effect.map(Effect.flip(Connector.winsock.connect(four)), (error) =>
            error._tag === "WsaUnmapped" ? error.code : error._tag)
        })
      )
      assert.deepStrictEqual(seen, [...codes])
    })
  })

  describe("steps of the socket", () => {
    it("run before the connect, nearest to the socket first, for every attempt", () => {
      const seen: Array<string> = []
      const says = (name: string) =>
        Connector.hook((_, { address }) =>
          Effect.sync(() => void seen.push(`${name} ${SocketAddress.format(address)}`))
        )
      onNetwork((net) => {
        net.refuse(six)
        return Connector.winsock.pipe(says("inner"), Connector.happyEyeballs(), says("outer"), says("outermost"))
          .connect(
            candidates(six, four)
          )
      })
      assert.deepStrictEqual(
        seen,
        ["[fd00::2]:80", "10.0.0.2:80"].flatMap((address) =>
          ["inner", "outer", "outermost"].map((name) => `${name} ${address}`)
        )
      )
    })

    it("a hook that fails is the failure of that attempt alone", () => {
      const { remote } = onNetwork(() =>
        Connector.winsock.pipe(
          Connector.hook((_, { address }) =>
            address === six
              ? Effect.fail(WsaError.make("WSAEACCES", { call: "setsockopt", stage: "option" }))
              : Effect.void
          ),
          Connector.happyEyeballs()
        ).connect(candidates(six, four))
      )
      assert.deepStrictEqual(remote, four)
    })

    it("what a hook acquires lives as long as the connection, and no longer than an attempt that fails", () => {
      const story: Array<string> = []
      onNetwork((net) =>
        Effect.gen(function*() {
          net.refuse(six)
          const connector = Connector.winsock.pipe(
            Connector.hook((_, { address }) =>
              Effect.acquireRelease(
                Effect.sync(() => void story.push(`acquired for ${SocketAddress.format(address)}`)),
                () => Effect.sync(() => void story.push(`released for ${SocketAddress.format(address)}`))
              )
            ),
            Connector.happyEyeballs()
          )
          yield* Effect.scoped(Effect.tap(
            connector.connect(candidates(six, four)),
            () => Effect.sync(() => story.push("connected"))
          ))
        })
      )
      assert.deepStrictEqual(story, [
        "acquired for [fd00::2]:80",
        "released for [fd00::2]:80",
        "acquired for 10.0.0.2:80",
        "connected",
        "released for 10.0.0.2:80"
      ])
    })

    it("bindTo binds by family, and leaves a family alone that is not given", () => {
      onNetwork(() =>
        Effect.gen(function*() {
          const connector = Connector.winsock.pipe(Connector.bindTo({ IPv4: "10.0.0.1:5000" }))
          assert.strictEqual(SocketAddress.portOf((yield* connector.connect(four)).local), 5000)
          assert.notStrictEqual(SocketAddress.portOf((yield* connector.connect(six)).local), 5000)
          const error = yield* Effect.flip(connector.connect(four))
          assert.instanceOf(error, WsaError.WSAEADDRINUSE)
        })
      )
    })

    it("options are set before the connect, in their order", () => {
      onNetwork(() =>
        Effect.gen(function*() {
          const { socket } = yield* Connector.winsock.pipe(
            Connector.options([
              [SocketOption.TCP_NODELAY, true],
              [SocketOption.SO_SNDTIMEO, 20],
              [SocketOption.SO_SNDTIMEO, 40]
            ])
          ).connect(four)
          assert.isTrue(yield* Winsock.getsockopt(socket, SocketOption.TCP_NODELAY))
          assert.strictEqual(yield* Winsock.getsockopt(socket, SocketOption.SO_SNDTIMEO), 40)
          const wrong = Connector.winsock.pipe(Connector.options([[SocketOption.SO_SNDTIMEO, -1]]))
          assert.strictEqual((yield* Effect.flip(wrong.connect(four))).stage, "request")
        })
      )
    })

    it.effect("callerData says what goes along instead of the layers around, and null says that nothing does", () =>
      Effect.gen(function*() {
        const tagOf = (connector: typeof Connector.winsock) =>
          Effect.map(Effect.flip(connector.connect("127.0.0.1:80")), ({ _tag }) => _tag)
        const data = new Uint8Array([1])
        // Nothing carries connect data here, which is seen before anything else.
        assert.strictEqual(yield* tagOf(Connector.winsock), "WSAEPROTONOSUPPORT")
        assert.strictEqual(yield* tagOf(Connector.winsock.pipe(Connector.callerData(null))), "WSAECONNREFUSED")
        const inner = Connector.winsock.pipe(Connector.callerData(null), Connector.callerData(data))
        assert.strictEqual(yield* tagOf(inner), "WSAECONNREFUSED", "what is nearer holds")
      }).pipe(
        Effect.provideService(UserData.CallerData, new Uint8Array([1])),
        Effect.scoped,
        Effect.provide(Memory.layer())
      ))
  })

  describe("time-outs", () => {
    it("of an attempt: WSAETIMEDOUT by the attempt, with the address", () => {
      const { error, millis, open } = onNetwork((net) => {
        net.blackhole(four)
        return failing(net, Connector.winsock.pipe(Connector.attemptTimeout("2 seconds")).connect(four))
      })
      assert.deepInclude(error, { _tag: "WSAETIMEDOUT", by: "attempt", stage: "connect", call: "WSAConnect" })
      assert.include(error, { detail: "the attempt took longer than 2s" })
      assert.deepStrictEqual([millis, open], [2000, 0])
    })

    it("of everything: WSAETIMEDOUT by the deadline", () => {
      const { error, millis, open } = onNetwork((net) => {
        for (const address of all) net.blackhole(address)
        const connector = Connector.winsock.pipe(
          Connector.attemptTimeout("1 second"),
          Connector.happyEyeballs(),
          Connector.resolve(),
          Connector.retry(RetryPolicy.byCode({ WSAETIMEDOUT: Schedule.spaced("100 millis") })),
          Connector.timeout("10 seconds")
        )
        return failing(net, connector.connect("server.internal:80"))
      })
      assert.deepInclude(error, { _tag: "WSAETIMEDOUT", by: "deadline" })
      assert.deepStrictEqual([millis, open], [10_000, 0])
    })

    for (
      const [name, step] of [["timeout", Connector.timeout], ["attemptTimeout", Connector.attemptTimeout]] as const
    ) {
      it(`${name} loses a tie against what the stack says`, () => {
        const outcomes = onNetwork((net) =>
          Effect.gen(function*() {
            const connector = Connector.winsock.pipe(step("50 millis"))
            const tagAfter = (after: Duration.Input) => {
              const forget = net.meet(four, () => ({ outcome: "WSAECONNREFUSED", after }))
              return Effect.ensuring(
                Effect.map(Effect.flip(connector.connect(four)), ({ _tag }) => _tag),
                Effect.sync(forget)
              )
            }
            return [yield* tagAfter("50 millis"), yield* tagAfter("51 millis")]
          })
        )
        assert.deepStrictEqual(outcomes, ["WSAECONNREFUSED", "WSAETIMEDOUT"])
      })
    }

    it("of everything goes on over the waits of a retry, and that of an attempt begins anew with each", () => {
      const stories = onNetwork((net) =>
        Effect.forEach([false, true], (isPrepared) =>
          Effect.gen(function*() {
            const began: Array<number> = []
            const sim = yield* Sim.Sim
            const from = sim.now()
            const forget = net.meet(four, () => {
              began.push((sim.now() - from) / 1000)
              return began.length % 2 === 1 ? { outcome: "silence" } : { outcome: "WSAECONNREFUSED", after: "5 millis" }
            })
            const connector = (isPrepared ? Connector.hook(Connector.winsock, () => Effect.void) : Connector.winsock)
              .pipe(
                Connector.attemptTimeout("300 millis"),
                Connector.happyEyeballs(),
                Connector.resolve(),
                Connector.retry(RetryPolicy.byCode({
                  WSAETIMEDOUT: Schedule.spaced("100 millis"),
                  WSAECONNREFUSED: Schedule.spaced("200 millis")
                })),
                Connector.timeout("1 second")
              )
            const { error, millis, open } = yield* failing(net, connector.connect("10.0.0.2:80"))
            forget()
            return { began, by: error._tag === "WSAETIMEDOUT" ? error.by : error._tag, millis, open }
          }))
      )
      const story = { began: [0, 400, 605], by: "deadline" as const, millis: 1000, open: 0 }
      assert.deepStrictEqual(stories, [story, story])
    })

    it("of two that are over at once the inner one comes first, and what tries again has no time left", () => {
      const { error, millis, open } = onNetwork((net) => {
        net.blackhole(four)
        const connector = Connector.winsock.pipe(
          Connector.attemptTimeout("1 second"),
          Connector.retry(RetryPolicy.byCode({ WSAETIMEDOUT: Schedule.spaced("1 minute") })),
          Connector.timeout("1 second")
        )
        return failing(net, connector.connect(four))
      })
      assert.deepInclude(error, { _tag: "WSAETIMEDOUT", by: "deadline" })
      assert.deepStrictEqual([millis, open], [1000, 0])
    })

    it("of endless length are none", () => {
      assert.strictEqual(Connector.timeout(Connector.winsock, "Infinity"), Connector.winsock)
    })

    it("end a connect that cannot be interrupted, too", () => {
      const { error, millis, open } = onNetwork((net) => {
        net.blackhole(four)
        return failing(net, Effect.uninterruptible(Connector.timeout(Connector.winsock, "1 second").connect(four)))
      })
      assert.deepInclude(error, { _tag: "WSAETIMEDOUT", by: "deadline" })
      assert.deepStrictEqual([millis, open], [1000, 0])
    })

    it("closes also a connection that was made while a lost attempt could not be interrupted yet", () => {
      const story: Array<string> = []
      const slow = Connector.make(({ address }: Connector.Endpoint) =>
        address === six
          ? Effect.uninterruptible(Effect.sleep("2 seconds"))
          : Effect.acquireRelease(
            Effect.sync(() => void story.push("acquired")),
            () => Effect.sync(() => void story.push("released"))
          )
      )
      const { error, millis } = onNetwork((net) =>
        failing(
          net,
          Effect.ensuring(
            slow.pipe(Connector.happyEyeballs(), Connector.timeout("1 second")).connect(candidates(six, four)),
            Effect.sync(() => story.push("failed"))
          )
        )
      )
      assert.deepInclude(error, { _tag: "WSAETIMEDOUT", by: "deadline" })
      assert.strictEqual(millis, 2000)
      assert.deepStrictEqual(story, ["acquired", "released", "failed"])
    })
  })

  describe("several attempts", () => {
    it("carry the attempts of the last race", () => {
      const { error } = onNetwork((net) => {
        net.refuse(six)
        net.unreachable(four, "WSAENETUNREACH")
        return failing(net, Connector.winsock.pipe(Connector.happyEyeballs()).connect(candidates(six, four)))
      })
      assert.instanceOf(error, WsaError.WSAECONNREFUSED)
      assert.deepStrictEqual(
        error.attempts?.map(({ address, began, code, ended }) => [SocketAddress.format(address), code, began, ended]),
        [["[fd00::2]:80", "WSAECONNREFUSED", 0, 2], ["10.0.0.2:80", "WSAENETUNREACH", 2, 2]]
      )
    })

    it("carry the attempt also where there is only one address", () => {
      const { error, millis, open } = onNetwork((net) => {
        net.refuse(six)
        return failing(net, Connector.winsock.pipe(Connector.happyEyeballs()).connect(candidates(six)))
      })
      assert.instanceOf(error, WsaError.WSAECONNREFUSED)
      assert.deepStrictEqual(
        error.attempts?.map(({ began, code, ended, stage }) => [stage, code, began, ended]),
        [["connect", "WSAECONNREFUSED", 0, 2]]
      )
      assert.deepStrictEqual([millis, open], [2, 0])
    })

    it("close what a connector of one's own has opened where it fails, and tell it which attempt it is", () => {
      const { open, seen } = onNetwork(() =>
        Effect.gen(function*() {
          let open = 0
          const seen: Array<readonly [number | undefined, number]> = []
          const own = Connector.make(({ address }: Connector.Endpoint) =>
            Effect.gen(function*() {
              seen.push([(yield* RetryPolicy.CurrentAttempt)?.number, open])
              yield* Effect.acquireRelease(Effect.sync(() => open++), () => Effect.sync(() => open--))
              if (seen.length === 3) return address
              return yield* WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" })
            })
          )
          yield* own.pipe(
            Connector.happyEyeballs(),
            Connector.resolve(),
            Connector.retry(RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.spaced("1 second") })),
            Connector.timeout("1 minute")
          ).connect("10.0.0.2:80")
          return { open, seen }
        })
      )
      assert.deepStrictEqual([open, seen], [1, [[1, 0], [2, 0], [3, 0]]])
    })

    it("are tried again by the policy, in a scope of their own", () => {
      const { attempts, handles } = onNetwork((net) =>
        Effect.gen(function*() {
          let attempts = 0
          net.answer(four, ["WSAECONNREFUSED", "WSAECONNREFUSED"])
          yield* Connector.winsock.pipe(
            Connector.hook(() => Effect.sync(() => attempts++)),
            Connector.retry(RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.spaced("1 second") }))
          ).connect(four)
          return { attempts, handles: net.counts("client").handles }
        })
      )
      assert.deepStrictEqual([attempts, handles], [3, 1])
    })

    it("are not made while the breaker of the target is open", () => {
      const tags = onNetwork((net) =>
        Effect.gen(function*() {
          net.refuse(four)
          const connector = Connector.winsock.pipe(Connector.circuitBreaker)
          const tags: Array<string> = []
          for (let i = 0; i < 4; i++) tags.push((yield* Effect.flip(connector.connect(four)))._tag)
          return tags
        }).pipe(Effect.provide(RetryPolicy.layerBreaker({ failures: 2 })))
      )
      assert.deepStrictEqual(tags, ["WSAECONNREFUSED", "WSAECONNREFUSED", "BreakerOpen", "BreakerOpen"])
    })

    it("leave nothing where they are interrupted while a breaker writes down that one went well", () => {
      const slow = RetryPolicy.Breaker.of({
        execute: (self) =>
          Effect.uninterruptibleMask((restore) => Effect.tap(restore(self), () => Effect.sleep("1 second"))),
        state: () => Effect.succeed("Closed"),
        transitions: Stream.empty
      })
      const [exit, open] = onNetwork((net) =>
        Effect.gen(function*() {
          const connect = Connector.winsock.pipe(Connector.circuitBreaker).connect(four)
          const fiber = yield* Effect.forkChild(connect, { startImmediately: true })
          yield* Effect.sleep("500 millis")
          assert.strictEqual(net.counts("client").handles, 1)
          yield* Fiber.interrupt(fiber)
          return [yield* Fiber.await(fiber), net.counts("client").handles] as const
        }).pipe(Effect.provideService(RetryPolicy.Breaker, slow))
      )
      assert.isTrue(Exit.hasInterrupts(exit))
      assert.strictEqual(open, 0)
    })
  })

  describe("an interruption", () => {
    /** A pipeline that has every step, and where it waits. */
    const whole = Connector.winsock.pipe(
      Connector.hook(() => Effect.sleep("7 millis")),
      Connector.bindTo({ IPv4: "10.0.0.1:0" }),
      Connector.options([[SocketOption.TCP_NODELAY, true]]),
      Connector.attemptTimeout("900 millis"),
      Connector.happyEyeballs(),
      Connector.resolve(),
      Connector.retry(RetryPolicy.byCode({ WSAETIMEDOUT: Schedule.spaced("500 millis") })),
      Connector.timeout("5 seconds")
    )

    /** Interrupts it after so many milliseconds, and says what is open then, in a scope that goes on. */
    const interruptedAfter = (millis: number, black: boolean) =>
      onNetwork((net) =>
        Effect.gen(function*() {
          if (black) { for (const address of all) net.blackhole(address) }
          const scope = yield* Scope.make()
          const fiber = yield* Effect.forkChild(Scope.provide(whole.connect("server.internal:80"), scope), {
            startImmediately: true
          })
          yield* Effect.sleep(millis)
          const before = net.counts("client")
          yield* Fiber.interrupt(fiber)
          const exit = yield* Fiber.await(fiber)
          const left = net.counts("client")
          yield* Scope.close(scope, Exit.void)
          assert.strictEqual(net.counts("client").handles, 0)
          return { exit, before: before.handles, left: left.handles + left.attempts }
        })
      )

    it("leaves nothing at any millisecond of a whole pipeline that waits at each of its steps", () => {
      const held = new Set<number>()
      for (let millis = 0; millis < 2000; millis += 13) {
        const { before, exit, left } = interruptedAfter(millis, true)
        assert.isTrue(Exit.isFailure(exit))
        assert.strictEqual(left, 0, `after ${millis} ms`)
        held.add(before)
      }
      // In the waits of retries there is nothing, and in a race up to four.
      assert.deepStrictEqual(Array.from(held).sort(), [0, 1, 2, 3, 4])
    })

    it("leaves nothing at any moment of a connect that goes well", () => {
      const ends = new Set<string>()
      for (let millis = 0; millis < 20; millis++) {
        const { exit, left } = interruptedAfter(millis, false)
        ends.add(exit._tag)
        assert.strictEqual(left, Exit.isSuccess(exit) ? 1 : 0, `after ${millis} ms`)
      }
      assert.deepStrictEqual(Array.from(ends).sort(), ["Failure", "Success"])
    })
  })

  it("that was made of another connects as it says itself, whatever stands around it", () => {
    const derived: typeof Connector.winsock = Object.assign(Object.create(Connector.winsock), {
      connect: () => Effect.fail(WsaError.make("WSAEACCES", { call: "WSAConnect", stage: "request" }))
    })
    const connector = derived.pipe(Connector.happyEyeballs(), Connector.timeout("1 second"))
    const { error } = onNetwork((net) => failing(net, connector.connect(candidates(four))))
    assert.instanceOf(error, WsaError.WSAEACCES)
  })

  it("is data, and can be used again and again, also at once", () => {
    const connector = Connector.winsock.pipe(
      Connector.attemptTimeout("1 second"),
      Connector.happyEyeballs(),
      Connector.resolve(),
      Connector.timeout("10 seconds")
    )
    const handles = onNetwork((net) =>
      Effect.gen(function*() {
        yield* Effect.all(Array.from({ length: 50 }, () => connector.connect("server.internal:80")), {
          concurrency: "unbounded"
        })
        return net.counts("client").handles
      })
    )
    assert.strictEqual(handles, 50)
  })
})
