import { NetworkEvent, Winsock } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, type Scope, Stream } from "effect"
import { late } from "./utils/late.ts"
import { turns } from "./utils/leaks.ts"

const stream = { family: "IPv4", type: "stream" } as const
const datagram = { family: "IPv4", type: "datagram" } as const
const version1 = { version: Winsock.MAKEWORD(1, 1) }

/** Begins a call, which waits by the time this returns. */
const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkChild(call, { startImmediately: true })

const run = <A, E>(
  program: Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>,
  options?: { readonly version?: number | undefined }
) =>
  program.pipe(
    Effect.scoped,
    Effect.provide(Layer.suspend(() => Winsock.layer(late(Memory.make().provider), options)))
  )

const bound = Effect.gen(function*() {
  const s = yield* Winsock.socket(datagram)
  yield* Winsock.bind(s, "127.0.0.1:0")
  return { s, at: yield* Winsock.getsockname(s) }
})

describe("what ends a call that waits", () => {
  it.live("E04: a call that is cancelled twice, or by someone who is interrupted meanwhile, ends with WSAEINTR", () =>
    run(
      Effect.gen(function*() {
        const { at, s } = yield* bound
        for (const cancellers of [1, 2]) {
          const sending = yield* begin(Effect.flip(Winsock.sendto(s, new Uint8Array(1), at)))
          const cancelling = yield* Effect.forEach(
            Array.from({ length: cancellers }),
            () => begin(Winsock.WSACancelBlockingCall)
          )
          if (cancellers === 1) yield* Fiber.interrupt(cancelling[0]!)
          for (const one of cancelling) yield* Fiber.await(one)
          assert.strictEqual((yield* Fiber.join(sending))._tag, "WSAEINTR")
        }
      }),
      version1
    ))

  it.live("E04: a call that is cancelled and interrupted at once ends", () =>
    run(
      Effect.gen(function*() {
        const { at, s } = yield* bound
        const sending = yield* begin(Winsock.sendto(s, new Uint8Array(1), at))
        const cancelling = yield* begin(Winsock.WSACancelBlockingCall)
        yield* Fiber.interrupt(sending)
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(sending)))
        yield* Fiber.join(cancelling)
      }),
      version1
    ))

  it.live("E05: one call blocks, also where another one's fiber gave way between its looking and its waiting", () =>
    run(
      Effect.gen(function*() {
        const { s } = yield* bound
        for (let left = 0; left < 10; left++) {
          // The fiber has so many steps left before it gives way.
          const receive = Effect.withFiber((fiber) => {
            ;(fiber as { currentOpCount: number }).currentOpCount = fiber.cache.maxOpsBeforeYield - left
            return Winsock.recv(s)
          })
          const calls = yield* Effect.forEach([1, 2], () => begin(Effect.flip(receive)))
          yield* turns(2)
          yield* Winsock.WSACancelBlockingCall
          const codes: Array<string> = []
          for (const call of calls) codes.push((yield* Fiber.join(call))._tag)
          assert.deepStrictEqual(codes.sort(), ["WSAEINPROGRESS", "WSAEINTR"])
        }
      }),
      version1
    ))

  it.live("A11: closing the listener ends a WSAAccept whose condition goes on for ever", () =>
    run(Effect.gen(function*() {
      const listener = yield* Winsock.socket(stream)
      yield* Winsock.bind(listener, "127.0.0.1:0")
      yield* Winsock.listen(listener)
      const interrupted = yield* Deferred.make<void>()
      const running = yield* Deferred.make<void>()
      const accepting = yield* begin(Effect.flip(Winsock.WSAAccept(
        listener,
        () =>
          Effect.andThen(Deferred.succeed(running, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          )
      )))
      const client = yield* Winsock.socket(stream)
      yield* Winsock.WSAConnect(client, yield* Winsock.getsockname(listener))
      yield* Deferred.await(running)
      yield* Winsock.closesocket(listener)
      assert.strictEqual((yield* Fiber.join(accepting))._tag, "WSAEINTR")
      yield* Deferred.await(interrupted)
      assert.strictEqual((yield* Effect.flip(Winsock.recv(client)))._tag, "WSAECONNRESET")
    })))

  it.live("A20: messages that two fibers read end for both", () =>
    run(Effect.gen(function*() {
      const { at, s } = yield* bound
      const messages = yield* Winsock.WSAAsyncSelect(s, NetworkEvent.FD_READ)
      const read = Stream.runFold(messages, () => 0, (count) => count + 1)
      const first = yield* begin(read)
      const second = yield* begin(read)
      const third = yield* begin(read)
      yield* Fiber.interrupt(third)
      yield* Winsock.sendto(s, new Uint8Array(1), at)
      yield* turns(2)
      yield* Winsock.closesocket(s)
      assert.strictEqual((yield* Fiber.join(first)) + (yield* Fiber.join(second)), 1)
    })))
})
