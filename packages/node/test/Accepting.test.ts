import { type SocketAddress, SocketOption, Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Random, type Scope } from "effect"
import { leavingNothing, turns } from "./utils/leaks.ts"

const stream = { family: "IPv4", type: "stream" } as const

const { CF_ACCEPT, CF_DEFER, CF_REJECT } = Winsock

const listening = (backlog?: number) =>
  Effect.gen(function*() {
    const listener = yield* Winsock.socket(stream)
    yield* Winsock.bind(listener, "127.0.0.1:0")
    yield* Winsock.listen(listener, backlog)
    return { listener, at: yield* Winsock.getsockname(listener) }
  })

const calling = (at: SocketAddress.SocketAddress) =>
  Effect.tap(Winsock.socket(stream), (s) => Winsock.WSAConnect(s, at))

/** A caller that resets its connection before anyone has accepted it. */
const resetting = (at: SocketAddress.SocketAddress) =>
  Effect.gen(function*() {
    const s = yield* calling(at)
    yield* Winsock.setsockopt(s, SocketOption.SO_LINGER, { l_onoff: true, l_linger: 0 })
    // The listener has seen it come before it sees it go.
    yield* turns(2)
    yield* Winsock.closesocket(s)
  })

const run = <A, E>(program: Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>) =>
  program.pipe(
    Effect.scoped,
    Effect.provide(NodeWinsock.layer),
    Effect.forkChild,
    Effect.flatMap(Fiber.join),
    leavingNothing
  )

describe("Accepting", () => {
  it.live("A06: callers that were reset before anyone accepted are skipped, and their descriptors given back", () =>
    run(Effect.gen(function*() {
      const { at, listener } = yield* listening()
      for (let i = 0; i < 10; i++) yield* resetting(at)
      const last = yield* calling(at)
      const { remote } = yield* Winsock.accept(listener)
      assert.deepStrictEqual(remote, yield* Winsock.getsockname(last))
    })))

  it.live("A05: callers that have gone make room for others in the backlog", () =>
    run(Effect.gen(function*() {
      const { at, listener } = yield* listening(2)
      yield* resetting(at)
      yield* resetting(at)
      yield* turns(2)
      const client = yield* calling(at)
      const { socket: server } = yield* Winsock.accept(listener)
      yield* Winsock.send(server, new Uint8Array([7]))
      assert.deepStrictEqual(Array.from(yield* Winsock.recv(client)), [7])
    })))

  it.live("A05: the backlog holds its number of callers, and resets the others at once", () =>
    run(Effect.gen(function*() {
      const { at, listener } = yield* listening(4)
      const first = yield* Effect.forEach([1, 2, 3, 4], () => calling(at))
      yield* turns(2)
      for (let i = 0; i < 40; i++) {
        const end = yield* Effect.flip(Effect.flatMap(calling(at), (s) => Winsock.recv(s)))
        assert.strictEqual(end._tag, "WSAECONNRESET")
      }
      for (const client of first) {
        const { remote, socket: server } = yield* Winsock.accept(listener)
        assert.deepStrictEqual(remote, yield* Winsock.getsockname(client))
        yield* Winsock.send(server, new Uint8Array([4]))
        assert.deepStrictEqual(Array.from(yield* Winsock.recv(client)), [4])
      }
    })))

  it.live(
    "A07: conditions that answer, fail, die, or are interrupted at random moments lose nobody and leave nothing",
    () =>
      run(
        Effect.gen(function*() {
          const { at, listener } = yield* listening()
          const seen = { accepted: 0, rejected: 0, again: 0 }
          for (let round = 0; round < 150; round++) {
            yield* Effect.scoped(Effect.gen(function*() {
              const client = yield* calling(at)
              while (true) {
                const choice = yield* Random.nextIntBetween(0, 7)
                const moment = yield* Random.nextIntBetween(0, 4)
                const condition = (): Effect.Effect<Winsock.ConditionAnswer, "no"> =>
                  Effect.andThen(
                    moment === 0 ? Effect.void : turns(1),
                    choice === 0
                      ? Effect.succeed(CF_REJECT)
                      : choice === 1
                      ? Effect.succeed(CF_DEFER)
                      : choice === 2
                      ? Effect.fail("no" as const)
                      : choice === 3
                      ? Effect.die("a bug")
                      : Effect.succeed(CF_ACCEPT)
                  )
                let code: string | undefined
                const accepting = Effect.tapError(Winsock.WSAAccept(listener, condition), (error) =>
                  Effect.sync(() => {
                    code = error === "no" ? error : error._tag
                  }))
                const fiber = yield* Effect.forkChild(accepting, { startImmediately: true })
                if (moment > 1) {
                  yield* turns(moment - 2)
                  yield* Fiber.interrupt(fiber)
                }
                if (Exit.isSuccess(yield* Fiber.await(fiber))) {
                  seen.accepted++
                  yield* Winsock.send(client, new Uint8Array(1))
                  return
                }
                if (code === "WSAECONNREFUSED") {
                  seen.rejected++
                  assert.strictEqual((yield* Effect.flip(Winsock.recv(client)))._tag, "WSAECONNRESET")
                  return
                }
                seen.again++
              }
            }))
          }
          for (const [name, count] of Object.entries(seen)) assert.isAbove(count, 10, name)
        }).pipe(Random.withSeed("accepting"))
      ),
    30_000
  )
})
