import { NetworkEvent, SocketAddress, SocketOption, Winsock } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Equal, Exit, Fiber, HashSet, Layer, Random, Scope, Stream } from "effect"

const stream = { family: "IPv4", type: "stream" } as const

const { CF_ACCEPT, CF_DEFER, CF_REJECT } = Winsock

const listening = Effect.gen(function*() {
  const listener = yield* Winsock.socket(stream)
  yield* Winsock.bind(listener, "127.0.0.1:0")
  yield* Winsock.listen(listener)
  return { listener, at: yield* Winsock.getsockname(listener) }
})

const calling = (at: SocketAddress.SocketAddress) =>
  Effect.tap(Winsock.socket(stream), (s) => Winsock.WSAConnect(s, at))

/** Begins a call, which waits by the time this returns. */
const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkChild(call, { startImmediately: true })

/** Lets everything that is on the way arrive. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** Its fiber gives way after so many steps. */
const givingWay = <A, E, R>(steps: number, effect: Effect.Effect<A, E, R>) =>
  Effect.withFiber((fiber) => {
    ;(fiber as { currentOpCount: number }).currentOpCount = fiber.cache.maxOpsBeforeYield - steps
    return effect
  })

/** Runs a program in a world of its own, and looks whether it leaves anything behind. */
const run = <A, E>(
  program: Effect.Effect<A, E, Winsock.Winsock | Memory.Memory | Scope.Scope>,
  options?: Memory.LayerOptions
) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const context = yield* Scope.provide(Layer.build(Memory.layer(options)), scope)
    const result = yield* program.pipe(Effect.scoped, Effect.provideContext(context))
    yield* settle
    const nothing = { handles: 0, listeners: 0, streams: 0, attempts: 0 }
    assert.deepStrictEqual(Context.get(context, Memory.Memory).counts(), nothing)
    yield* Scope.close(scope, Exit.void)
    return result
  })

describe("WSAAccept", () => {
  it.live("A07: a caller whose condition answers what cannot be read waits on", () =>
    run(Effect.gen(function*() {
      const { at, listener } = yield* listening
      yield* calling(at)
      yield* settle
      const fails = (): never => {
        throw new Error("hostile")
      }
      const answers: ReadonlyArray<object> = [
        {
          get verdict() {
            return fails()
          }
        },
        {
          verdict: CF_ACCEPT,
          get calleeData() {
            return fails()
          }
        },
        {
          verdict: CF_ACCEPT,
          get group() {
            return fails()
          }
        }
      ]
      for (const answer of answers) {
        const exit = yield* Effect.exit(Winsock.WSAAccept(listener, () => Effect.succeed(answer as never)))
        assert.isTrue(Exit.hasDies(exit))
      }
      yield* Winsock.ioctlsocket(listener, "FIONBIO", true)
      yield* Winsock.accept(listener)
    })))

  it.live("A07: a caller goes from hand to hand however many wait, as long as each defers", () =>
    run(Effect.gen(function*() {
      const { at, listener } = yield* listening
      const deferring = Effect.flip(Winsock.WSAAccept(listener, () => Effect.succeed(CF_DEFER)))
      const waiting = yield* Effect.forEach(Array.from({ length: 3000 }), () => begin(deferring))
      const last = yield* begin(Winsock.accept(listener))
      yield* calling(at)
      yield* Fiber.join(last)
      for (const fiber of waiting) assert.strictEqual((yield* Fiber.join(fiber))._tag, "WSATRY_AGAIN")
    })))

  it.live("A07: one that is interrupted, however busy its fiber, leaves the caller waiting or has accepted it", () =>
    run(Effect.gen(function*() {
      const seen = { interrupted: 0, accepted: 0 }
      for (let steps = 1; steps < 60; steps++) {
        for (const condition of [Effect.succeed(CF_ACCEPT), Effect.as(Effect.yieldNow, CF_ACCEPT)]) {
          yield* Effect.scoped(Effect.gen(function*() {
            const { at, listener } = yield* listening
            yield* calling(at)
            yield* settle
            const fiber = yield* begin(givingWay(steps, Winsock.WSAAccept(listener, () => condition)))
            yield* Fiber.interrupt(fiber)
            yield* Winsock.ioctlsocket(listener, "FIONBIO", true)
            const left = yield* Effect.result(Winsock.accept(listener))
            const exit = yield* Fiber.await(fiber)
            if (Exit.isSuccess(exit)) {
              seen.accepted++
              assert.strictEqual(left._tag === "Failure" ? left.failure._tag : left._tag, "WSAEWOULDBLOCK")
            } else {
              seen.interrupted++
              assert.isTrue(Exit.hasInterrupts(exit))
              assert.strictEqual(left._tag, "Success", `with ${steps} steps left`)
            }
          }))
        }
      }
      assert.isAbove(seen.interrupted, 30)
      assert.isAbove(seen.accepted, 10)
    })))

  it.live("A07: one that waits and is interrupted in the turn in which a caller comes loses nobody", () =>
    run(Effect.gen(function*() {
      const { at, listener } = yield* listening
      for (let i = 0; i < 20; i++) {
        const first = yield* begin(Winsock.WSAAccept(listener, () => Effect.as(Effect.yieldNow, CF_ACCEPT)))
        const client = yield* begin(calling(at))
        for (let turn = 0; turn < i % 8; turn++) yield* Effect.promise(() => Promise.resolve())
        yield* Fiber.interrupt(first)
        yield* Fiber.await(client)
        const exit = yield* Fiber.await(first)
        if (Exit.hasInterrupts(exit)) yield* Winsock.accept(listener)
      }
    })))

  it.live("A07: a condition may be of any kind: its failures and needs are those of the call", () =>
    run(Effect.gen(function*() {
      class Policy extends Context.Service<Policy, { readonly open: boolean }>()("Policy") {}
      const { at, listener } = yield* listening
      const client = yield* calling(at)
      const accepting = Winsock.WSAAccept(
        listener,
        () => Effect.flatMap(Policy, ({ open }) => open ? Effect.succeed(CF_ACCEPT) : Effect.fail("closed" as const))
      )
      const error = yield* Effect.flip(Effect.provideService(accepting, Policy, { open: false }))
      assert.strictEqual(error, "closed")
      const { remote } = yield* Effect.provideService(accepting, Policy, { open: true })
      assert.isTrue(SocketAddress.same(remote, yield* Winsock.getsockname(client)))
    })))

  it.live("A07: an accepted socket lives in the scope of the call, and not of the condition", () =>
    run(Effect.gen(function*() {
      const { at, listener } = yield* listening
      yield* calling(at)
      const { socket } = yield* Winsock.WSAAccept(
        listener,
        () => Effect.scoped(Effect.as(Effect.addFinalizer(() => Effect.void), CF_ACCEPT))
      )
      yield* Winsock.getpeername(socket)
      yield* calling(at)
      const other = yield* Effect.scoped(Winsock.WSAAccept(listener, () => Effect.succeed(CF_ACCEPT)))
      assert.strictEqual((yield* Effect.flip(Winsock.getpeername(other.socket)))._tag, "WSAENOTSOCK")
    })))

  it.live("A05: callers whose condition runs count for the backlog", () =>
    run(
      Effect.gen(function*() {
        const listener = yield* Winsock.socket(stream)
        yield* Winsock.bind(listener, "127.0.0.1:0")
        yield* Winsock.listen(listener, 2)
        const at = yield* Winsock.getsockname(listener)
        const go = yield* Deferred.make<void>()
        const first = yield* begin(calling(at))
        const considering = yield* begin(
          Winsock.WSAAccept(listener, () => Effect.as(Deferred.await(go), CF_DEFER))
        )
        yield* settle
        const second = yield* begin(calling(at))
        yield* settle
        assert.strictEqual((yield* Effect.flip(calling(at)))._tag, "WSAECONNREFUSED")
        yield* Deferred.succeed(go, undefined)
        assert.strictEqual((yield* Effect.flip(Fiber.join(considering)))._tag, "WSATRY_AGAIN")
        yield* Winsock.accept(listener)
        yield* Winsock.accept(listener)
        yield* Fiber.join(first)
        yield* Fiber.join(second)
      }),
      { conditional: true }
    ))

  it.live("A06, E14: a caller for whom there is no room waits on, for every accept that waits", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        const client = yield* Winsock.socket(stream)
        const spare = yield* Winsock.socket(stream)
        const waiting = [yield* begin(Winsock.accept(listener)), yield* begin(Winsock.accept(listener))]
        const attempt = yield* begin(Winsock.WSAConnect(client, at))
        for (const one of waiting) assert.strictEqual((yield* Effect.flip(Fiber.join(one)))._tag, "WSAEMFILE")
        const asked = Winsock.WSAAccept(listener, () => Effect.succeed(CF_ACCEPT))
        assert.strictEqual((yield* Effect.flip(asked))._tag, "WSAEMFILE")
        yield* Winsock.closesocket(spare)
        yield* settle
        yield* asked
        yield* Fiber.join(attempt)
      }),
      { conditional: true, maxSockets: 3 }
    ))

  it.live("A07: a group that could not take the accepted socket keeps no trace of it", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        const spare = yield* Winsock.socket({ ...stream, group: Winsock.SG_UNCONSTRAINED_GROUP })
        const group = yield* Winsock.getsockopt(spare, SocketOption.SO_GROUP_ID)
        const client = yield* Winsock.socket(stream)
        const attempt = yield* begin(Winsock.WSAConnect(client, at))
        const into = Winsock.WSAAccept(listener, () => Effect.succeed({ verdict: CF_ACCEPT, group }))
        assert.strictEqual((yield* Effect.flip(into))._tag, "WSAEMFILE")
        yield* Winsock.closesocket(spare)
        yield* settle
        // The group has ended with its only socket.
        assert.strictEqual((yield* Effect.flip(into))._tag, "WSAEINVAL")
        yield* Winsock.accept(listener)
        yield* Fiber.join(attempt)
      }),
      { conditional: true, maxSockets: 3 }
    ))

  it.live("A06: callers that have gone before anyone accepted leave nothing behind", () =>
    run(Effect.gen(function*() {
      const memory = yield* Memory.Memory
      const { at, listener } = yield* listening
      for (let i = 0; i < 5; i++) yield* Effect.scoped(calling(at))
      const last = yield* calling(at)
      yield* settle
      const { remote } = yield* Winsock.WSAAccept(listener, () => Effect.succeed(CF_ACCEPT))
      assert.isTrue(SocketAddress.same(remote, yield* Winsock.getsockname(last)))
      yield* settle
      assert.deepStrictEqual(memory.counts(), { handles: 3, listeners: 1, streams: 1, attempts: 0 })
    })))

  it.live("E05: what a condition leaves running is not kept off, and one that is interrupted leaves nobody kept off", () =>
    run(Effect.gen(function*() {
      const { at, listener } = yield* listening
      yield* calling(at)
      const fiber = yield* begin(Winsock.WSAAccept(listener, () => Effect.never))
      yield* Winsock.getsockname(listener)
      yield* Fiber.interrupt(fiber)
      yield* Winsock.WSAAccept(listener, () => Effect.succeed(CF_ACCEPT))
      yield* Winsock.getsockname(listener)
    })))

  const seeds = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 60)
  it.live(
    `A07: callers and conditions by chance: every caller is answered, and nothing is left (${seeds} seeds)`,
    () =>
      Effect.gen(function*() {
        const total = { connected: 0, refused: 0, gone: 0 }
        for (let seed = 0; seed < seeds; seed++) {
          const one = yield* run(byChance, { conditional: seed % 2 === 0 }).pipe(Random.withSeed(`accept ${seed}`))
          total.connected += one.connected
          total.refused += one.refused
          total.gone += one.gone
        }
        for (const [name, count] of Object.entries(total)) assert.isAbove(count, seeds / 2, name)
      }),
    60_000
  )
})

/**
 * Callers come, some give up; those who accept do what a condition may do, or are interrupted. At the end everyone who
 * still waits is accepted, so that each caller who has not given up is connected, or was rejected.
 */
const byChance = Effect.gen(function*() {
  const { at, listener } = yield* listening
  const pause = Effect.flatMap(Random.nextIntBetween(0, 3), (turns) => Effect.repeat(settle, { times: turns }))
  const given: Array<string> = []
  let rejected = 0

  const condition = (): Effect.Effect<Winsock.ConditionAnswer, "no"> =>
    Effect.gen(function*() {
      yield* pause
      switch (yield* Random.nextIntBetween(0, 8)) {
        case 0:
          return CF_REJECT
        case 1:
          return CF_DEFER
        case 2:
          return yield* Effect.fail("no" as const)
        case 3:
          return yield* Effect.die("a bug")
        case 4:
          return { verdict: CF_ACCEPT, group: 0x7fff }
        default:
          return CF_ACCEPT
      }
    })
  // Nothing comes between an acceptance and what is done with it.
  const greeting = <E>(accepting: Effect.Effect<Winsock.Accepted, E, Scope.Scope>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(accepting), ({ remote, socket }) => {
        given.push(SocketAddress.format(remote))
        return Effect.ignore(Winsock.send(socket, new Uint8Array(1)))
      })
    )
  const acceptor = Effect.gen(function*() {
    for (let i = 0; i < 6; i++) {
      const accepting = yield* begin(greeting(
        Effect.tapError(Winsock.WSAAccept(listener, condition), (error) =>
          Effect.sync(() => {
            if (error !== "no" && error._tag === "WSAECONNREFUSED") rejected++
          }))
      ))
      yield* pause
      if (yield* Random.nextBoolean) yield* Fiber.interrupt(accepting)
      yield* Fiber.await(accepting)
    }
  })
  const caller = Effect.gen(function*() {
    yield* pause
    const s = yield* Winsock.socket(stream)
    const attempt = yield* begin(Winsock.WSAConnect(s, at))
    yield* pause
    if ((yield* Random.nextIntBetween(0, 6)) === 0) {
      yield* Fiber.interrupt(attempt)
      yield* Winsock.closesocket(s)
      return "gone"
    }
    const end = yield* Effect.result(Effect.andThen(Fiber.join(attempt), Winsock.recv(s, 1)))
    if (end._tag === "Success") return "connected"
    assert.include(["WSAECONNREFUSED", "WSAECONNRESET"], end.failure._tag)
    return "refused"
  })
  const acceptors = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(acceptor))
  const callers = yield* Effect.forEach(Array.from({ length: 12 }), () => Effect.forkChild(caller))
  yield* Effect.repeat(settle, { times: 12 })
  for (const fiber of acceptors) yield* Fiber.interrupt(fiber)
  const last = yield* Effect.forkChild(Effect.forever(greeting(Winsock.accept(listener))))
  const ends: Array<string> = []
  for (const fiber of callers) ends.push(yield* Fiber.join(fiber))
  yield* Fiber.interrupt(last)

  const connected = ends.filter((end) => end === "connected").length
  const refused = ends.filter((end) => end === "refused").length
  assert.strictEqual(new Set(given).size, given.length, "a caller is given once")
  assert.isAtMost(connected, given.length)
  assert.isAtMost(refused, rejected)
  return { connected, refused, gone: ends.length - connected - refused }
})

describe("socket groups", () => {
  it.live("A01: sockets that look the same, and change, are each of their group, and equal to themselves alone", () =>
    run(Effect.gen(function*() {
      const first = yield* Winsock.socket({ ...stream, group: Winsock.SG_UNCONSTRAINED_GROUP })
      const group = yield* Winsock.getsockopt(first, SocketOption.SO_GROUP_ID)
      const others = yield* Effect.forEach([1, 2, 3], () => Winsock.socket({ ...stream, group }))
      assert.isFalse(Equal.equals(others[0], others[1]))
      assert.strictEqual(HashSet.size(HashSet.fromIterable([first, ...others])), 4)
      for (const s of [first, ...others]) yield* Winsock.bind(s, "127.0.0.1:0")
      for (const s of [first, ...others]) {
        // As long as one is there, so is the group.
        yield* Effect.scoped(Winsock.socket({ ...stream, group }))
        yield* Winsock.closesocket(s)
      }
      assert.strictEqual((yield* Effect.flip(Winsock.socket({ ...stream, group })))._tag, "WSAEINVAL")
    })))

  it.live("A19: event objects too are equal to themselves alone", () =>
    run(Effect.gen(function*() {
      const events = yield* Effect.forEach([1, 2, 3], () => Winsock.WSACreateEvent)
      assert.isFalse(Equal.equals(events[0], events[1]))
      assert.strictEqual(HashSet.size(HashSet.fromIterable(events)), 3)
      const set = HashSet.fromIterable(events)
      yield* Winsock.WSASetEvent(events[0]!)
      assert.isTrue(HashSet.has(set, events[0]!))
    })))
})

describe("accept", () => {
  it.live("A06: no room for one more socket is told to however many wait", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        const waiting = yield* Effect.forEach(Array.from({ length: 3000 }), () =>
          begin(Effect.flip(Winsock.accept(listener))))
        yield* calling(at)
        for (const fiber of waiting) {
          assert.strictEqual((yield* Fiber.join(fiber))._tag, "WSAEMFILE")
        }
      }),
      { maxSockets: 2 }
    ))

  it.live("A20: a socket that is accepted into a scope that has ended tells nobody, and holds up no stream", () =>
    run(Effect.gen(function*() {
      const { at, listener } = yield* listening
      const messages = yield* Winsock.WSAAsyncSelect(listener, NetworkEvent.FD_ACCEPT)
      yield* calling(at)
      yield* settle
      const ended = yield* Scope.make()
      yield* Scope.close(ended, Exit.void)
      yield* Scope.provide(Winsock.accept(listener), ended)
      const reading = yield* begin(Stream.runCollect(messages))
      yield* Winsock.closesocket(listener)
      yield* settle
      assert.isDefined(reading.pollUnsafe())
    })))
})
