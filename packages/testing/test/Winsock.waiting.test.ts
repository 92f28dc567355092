import { SocketAddress, SocketOption, Winsock } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, type Scope } from "effect"
import { pair } from "./utils/pair.ts"

const stream = { family: "IPv4", type: "stream" } as const
const datagram = { family: "IPv4", type: "datagram" } as const

const bound = Effect.gen(function*() {
  const s = yield* Winsock.socket(datagram)
  yield* Winsock.bind(s, "127.0.0.1:0")
  return { s, at: SocketAddress.format(yield* Winsock.getsockname(s)) }
})

/** Begins a call, which waits by the time this returns. */
const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkChild(call, { startImmediately: true })

/** Lets everything that is on the way arrive. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const run = <A, E>(program: Effect.Effect<A, E, Winsock.Winsock | Memory.Memory | Scope.Scope>) =>
  program.pipe(Effect.scoped, Effect.provide(Memory.layer()))

describe("calls that wait together", () => {
  it.live("A15: receives that wait go on waiting when the socket is made non-blocking", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* pair
      const first = yield* begin(Winsock.recv(client, 16))
      const second = yield* begin(Winsock.recv(client, 16))
      yield* Winsock.ioctlsocket(client, "FIONBIO", true)
      yield* Winsock.send(server, new Uint8Array([1]))
      assert.deepStrictEqual(Array.from(yield* Fiber.join(first)), [1])
      yield* Winsock.send(server, new Uint8Array([2]))
      assert.deepStrictEqual(Array.from(yield* Fiber.join(second)), [2])
    })))

  it.live("A15: accepts that wait go on waiting when the socket is made non-blocking", () =>
    run(Effect.gen(function*() {
      const { listener } = yield* pair
      const name = yield* Winsock.getsockname(listener)
      const first = yield* begin(Winsock.accept(listener))
      const second = yield* begin(Winsock.accept(listener))
      yield* Winsock.ioctlsocket(listener, "FIONBIO", true)
      yield* Winsock.WSAConnect(yield* Winsock.socket(stream), name)
      yield* Fiber.join(first)
      yield* Winsock.WSAConnect(yield* Winsock.socket(stream), name)
      yield* Fiber.join(second)
    })))

  it.live("R09: a socket whose queue was full receives again after a new peer has emptied it", () =>
    run(Effect.gen(function*() {
      const a = yield* bound
      const b = yield* bound
      for (let i = 0; i < 1500; i++) {
        yield* Winsock.sendto(b.s, new Uint8Array([i]), a.at)
        if (i % 100 === 0) yield* settle
      }
      yield* settle
      yield* Winsock.WSAConnect(a.s, b.at)
      yield* settle
      yield* Winsock.sendto(b.s, new Uint8Array([42]), a.at)
      assert.deepStrictEqual(Array.from(yield* Winsock.recv(a.s)), [42])
    })))

  it.live("A08: receives are served in the order of the calls, also when the first one receives again at once", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* pair
      const got: Array<string> = []
      const receiver = (name: string) =>
        Winsock.recv(client, 1).pipe(
          Effect.map((bytes) => void got.push(`${name}${bytes[0]}`)),
          (once) => Effect.andThen(once, once)
        )
      const first = yield* begin(receiver("a"))
      const second = yield* begin(receiver("b"))
      yield* Winsock.send(server, new Uint8Array([1, 2, 3, 4]))
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      assert.deepStrictEqual(got, ["a1", "b2", "a3", "b4"])
    })))

  it.live("R07: every recv that waits is told that the peer was dissolved, whatever the first one told does", () =>
    run(Effect.gen(function*() {
      const a = yield* bound
      yield* Winsock.WSAConnect(a.s, "127.0.0.1:9")
      const from = yield* begin(Winsock.recvfrom(a.s))
      const first = yield* begin(Effect.ensuring(Effect.exit(Winsock.recv(a.s)), Fiber.interrupt(from)))
      const second = yield* begin(Effect.flip(Winsock.recv(a.s)))
      yield* Winsock.WSAConnect(a.s, "0.0.0.0:0")
      yield* Fiber.join(first)
      assert.strictEqual((yield* Fiber.join(second))._tag, "WSAENOTCONN")
    })))

  it.live("R27: a buffer that its caller has given away meanwhile fails the receive, and no byte is lost", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* pair
      const buffer = new Uint8Array(8)
      const receiving = yield* begin(Effect.flip(Winsock.recv(client, buffer)))
      structuredClone(buffer.buffer, { transfer: [buffer.buffer] })
      yield* Winsock.send(server, new Uint8Array([1, 2]))
      const error = yield* Fiber.join(receiving)
      assert.strictEqual(error._tag === "WsaUnmapped" ? error.code : error._tag, "WSAEFAULT")
      assert.deepStrictEqual(Array.from(yield* Winsock.recv(client)), [1, 2])
    })))

  it.live("A08: a receive that is interrupted takes nothing, however busy its fiber", () =>
    run(Effect.gen(function*() {
      for (let length = 0; length < 60; length++) {
        const { client, server } = yield* pair
        yield* Winsock.send(server, new Uint8Array(60_000).map((_, i) => i % 251))
        yield* settle
        let got = 0
        const one = Effect.uninterruptibleMask((restore) =>
          Effect.map(restore(Winsock.recv(client, 1)), (bytes) => void (got += bytes.length))
        )
        // The fiber gives way in the middle of what it does, another time in each round.
        const padding = Array.from({ length }, () => Effect.void).reduce(
          (all, one) => Effect.andThen(all, one),
          Effect.void
        )
        const receiving = yield* begin(Effect.andThen(padding, Effect.forever(one, { disableYield: true })))
        yield* Fiber.interrupt(receiving)
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(receiving)))
        const next = yield* Winsock.recv(client, 1)
        assert.strictEqual(next[0], got % 251, `after ${got} bytes`)
      }
    })))

  it.live("A22: a list goes on being tried by a socket that is made non-blocking meanwhile", () =>
    run(Effect.gen(function*() {
      const memory = yield* Memory.Memory
      const { listener } = yield* pair
      const s = yield* Winsock.socket(stream)
      memory.blackhole("127.0.0.1:9")
      const trying = yield* begin(Winsock.WSAConnectByList(s, ["127.0.0.1:9", yield* Winsock.getsockname(listener)]))
      yield* settle
      yield* Winsock.ioctlsocket(s, "FIONBIO", true)
      memory.failAttempts("127.0.0.1:9", "WSAETIMEDOUT")
      const { remote } = yield* Fiber.join(trying)
      assert.isTrue(SocketAddress.same(remote, yield* Winsock.getsockname(listener)))
      // It is non-blocking from here on.
      assert.strictEqual((yield* Effect.flip(Winsock.recv(s)))._tag, "WSAEWOULDBLOCK")
    })))

  it.live("E05: a select that only looks keeps nobody off in version 1.1, and there is nothing to cancel", () =>
    Effect.gen(function*() {
      const s = yield* Winsock.socket(stream)
      const looking = yield* begin(Winsock.select({ read: [s], timeout: 0 }))
      assert.strictEqual(yield* Winsock.getsockopt(s, SocketOption.SO_TYPE), "stream")
      assert.strictEqual((yield* Effect.flip(Winsock.WSACancelBlockingCall))._tag, "WSAEINVAL")
      assert.deepStrictEqual(yield* Fiber.join(looking), { read: [], write: [], except: [] })
    }).pipe(Effect.scoped, Effect.provide(Memory.layer({ version: Winsock.MAKEWORD(1, 1) }))))
})
