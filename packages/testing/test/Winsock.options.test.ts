import { SocketOption, Winsock } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { pair } from "./utils/pair.ts"

const stream = { family: "IPv4", type: "stream" } as const

/** Begins a call, which waits by the time this returns. */
const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkChild(call, { startImmediately: true })

/** Lets everything that is on the way arrive. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const run = <A, E>(program: Effect.Effect<A, E, Winsock.Winsock | Memory.Memory | Scope.Scope>) =>
  program.pipe(Effect.scoped, Effect.provide(Memory.layer({ window: 16 })))

const linger = (seconds: number) => ({ l_onoff: true, l_linger: seconds })

/** The peer of a socket takes nothing, or takes what has waited for it. */
const stall = (s: Winsock.Socket, stalled: boolean) =>
  Effect.gen(function*() {
    const memory = yield* Memory.Memory
    memory.stallWrites(yield* Winsock.getpeername(s), stalled)
  })

/** A non-blocking send that leaves bytes which the stack has not taken. */
const leaveUnsent = (s: Winsock.Socket) =>
  Effect.gen(function*() {
    yield* stall(s, true)
    yield* Winsock.ioctlsocket(s, "FIONBIO", true)
    assert.strictEqual(yield* Winsock.send(s, new Uint8Array(40)), 40)
  })

describe("SO_LINGER", () => {
  it.effect("A11: a blocking closesocket waits until the peer's stack has all", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* pair
      const memory = yield* Memory.Memory
      yield* Winsock.setsockopt(client, SocketOption.SO_LINGER, linger(5))
      yield* leaveUnsent(client)
      yield* Winsock.ioctlsocket(client, "FIONBIO", false)
      const closing = yield* begin(Winsock.closesocket(client))
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(closing.pollUnsafe())
      assert.strictEqual((yield* Effect.flip(Winsock.send(client, new Uint8Array(1))))._tag, "WSAENOTSOCK")
      memory.stallWrites(yield* Winsock.getsockname(server), false)
      let got = 0
      while (got < 40) got += (yield* Winsock.recv(server)).length
      yield* Fiber.join(closing)
      assert.strictEqual((yield* Winsock.recv(server)).length, 0)
    })))

  it.effect("A11: after so many seconds it is a reset, and what is unsent is gone", () =>
    run(Effect.gen(function*() {
      const memory = yield* Memory.Memory
      const { client, server } = yield* pair
      const name = yield* Winsock.getsockname(server)
      yield* Winsock.setsockopt(client, SocketOption.SO_LINGER, linger(5))
      yield* leaveUnsent(client)
      yield* Winsock.ioctlsocket(client, "FIONBIO", false)
      const closing = yield* begin(Winsock.closesocket(client))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(closing)
      memory.stallWrites(name, false)
      assert.strictEqual((yield* Effect.flip(Winsock.recv(server)))._tag, "WSAECONNRESET")
      assert.strictEqual(memory.counts().streams, 0)
    })))

  it.effect("A11: a non-blocking closesocket with unsent bytes is WSAEWOULDBLOCK, and nothing is closed", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* Winsock.setsockopt(client, SocketOption.SO_LINGER, linger(5))
      yield* leaveUnsent(client)
      assert.strictEqual((yield* Effect.flip(Winsock.closesocket(client)))._tag, "WSAEWOULDBLOCK")
      yield* stall(client, false)
      let got = 0
      while (got < 40) got += (yield* Winsock.recv(server)).length
      yield* settle
      assert.strictEqual(yield* Winsock.send(client, new Uint8Array(1)), 1)
      yield* settle
      yield* Winsock.closesocket(client)
      assert.strictEqual((yield* Winsock.recv(server)).length, 1)
      assert.strictEqual((yield* Winsock.recv(server)).length, 0)
    })))

  it.effect("A11: whoever interrupts a closesocket that lingers gets the reset at once", () =>
    run(Effect.gen(function*() {
      const memory = yield* Memory.Memory
      const { client, server } = yield* pair
      yield* Winsock.setsockopt(client, SocketOption.SO_LINGER, linger(5))
      yield* leaveUnsent(client)
      yield* Winsock.ioctlsocket(client, "FIONBIO", false)
      const closing = yield* begin(Winsock.closesocket(client))
      yield* Fiber.interrupt(closing)
      assert.strictEqual((yield* Effect.flip(Winsock.recv(server)))._tag, "WSAECONNRESET")
      // The clock has not moved, and nothing waits for it.
      assert.strictEqual(memory.counts().streams, 0)
    })))

  it.effect("A11: the end of a scope lingers too, whatever FIONBIO says, and only time ends it", () =>
    run(Effect.gen(function*() {
      const memory = yield* Memory.Memory
      const { client: other, listener } = yield* pair
      const name = yield* Winsock.getsockname(listener)
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Winsock.socket(stream), scope)
      yield* Winsock.WSAConnect(client, name)
      const { socket: server } = yield* Winsock.accept(listener)
      yield* Winsock.setsockopt(client, SocketOption.SO_LINGER, linger(5))
      yield* leaveUnsent(client)
      const closing = yield* begin(Scope.close(scope, Exit.void))
      yield* begin(Fiber.interrupt(closing))
      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.await(closing)
      memory.stallWrites(name, false)
      assert.strictEqual((yield* Effect.flip(Winsock.recv(server)))._tag, "WSAECONNRESET")
      yield* Winsock.closesocket(other)
    })))

  it.effect("A11: leaving the layer does not wait for what lingers", () =>
    Effect.gen(function*() {
      const { control, provider } = Memory.make({ window: 16 })
      const scope = yield* Scope.make()
      const inner = yield* Scope.make()
      yield* Effect.gen(function*() {
        const { client } = yield* Scope.provide(pair, scope)
        yield* Winsock.setsockopt(client, SocketOption.SO_LINGER, linger(60))
        yield* leaveUnsent(client)
      }).pipe(
        Effect.provide(Winsock.layer(provider)),
        Effect.provideService(Memory.Memory, control),
        Scope.provide(inner)
      )
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(control.counts(), { handles: 0, listeners: 0, streams: 0, attempts: 0 })
    }))

  it.effect("A06: an accepted socket lingers as its listener says", () =>
    run(Effect.gen(function*() {
      const { client: _, listener } = yield* pair
      yield* Winsock.setsockopt(listener, SocketOption.SO_LINGER, linger(0))
      const client = yield* Winsock.socket(stream)
      yield* Winsock.WSAConnect(client, yield* Winsock.getsockname(listener))
      const { socket: server } = yield* Winsock.accept(listener)
      yield* Winsock.closesocket(server)
      assert.strictEqual((yield* Effect.flip(Winsock.recv(client)))._tag, "WSAECONNRESET")
    })))
})

describe("time-outs", () => {
  it.effect("A14: SO_RCVTIMEO ends a receive that waits, which takes nothing and keeps nobody from its place", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* Winsock.setsockopt(client, SocketOption.SO_RCVTIMEO, 100)
      const first = yield* begin(Effect.flip(Winsock.recv(client)))
      yield* TestClock.adjust("60 millis")
      const second = yield* begin(Winsock.recv(client))
      yield* TestClock.adjust("40 millis")
      const error = yield* Fiber.join(first)
      assert.deepInclude(error, { _tag: "WSAETIMEDOUT", call: "recv", stage: "receive" })
      yield* Winsock.send(server, new Uint8Array([7]))
      assert.deepStrictEqual(Array.from(yield* Fiber.join(second)), [7])
      // What was served is not told of its time any more.
      yield* TestClock.adjust("1 second")
      const unbounded = yield* Effect.andThen(
        Winsock.setsockopt(client, SocketOption.SO_RCVTIMEO, 0),
        begin(Winsock.recvLent(client, (lent) => lent.length))
      )
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(unbounded.pollUnsafe())
    })))

  it.effect("A14: SO_RCVTIMEO is for datagrams too, and for MSG_PEEK", () =>
    run(Effect.gen(function*() {
      const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
      yield* Winsock.bind(s, "127.0.0.1:0")
      yield* Winsock.setsockopt(s, SocketOption.SO_RCVTIMEO, 100)
      const receiving = yield* begin(Effect.flip(Winsock.recvfrom(s, 10, Winsock.MSG_PEEK)))
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* Fiber.join(receiving))._tag, "WSAETIMEDOUT")
    })))

  it.live("A14: what is over, given up or closed leaves no timer behind", () => {
    let sleeping = 0
    const clock: Clock.Clock = {
      currentTimeMillisUnsafe: () => 0,
      currentTimeMillis: Effect.succeed(0),
      currentTimeNanosUnsafe: () => 0n,
      currentTimeNanos: Effect.succeed(0n),
      monotonicTimeNanosUnsafe: () => 0n,
      monotonicTimeNanos: Effect.succeed(0n),
      sleep: () =>
        Effect.callback<void>(() => {
          sleeping++
          return Effect.sync(() => sleeping--)
        })
    }
    return run(Effect.gen(function*() {
      const memory = yield* Memory.Memory
      const { client, server } = yield* pair
      yield* Winsock.setsockopt(client, SocketOption.SO_RCVTIMEO, 100)
      yield* Winsock.setsockopt(server, SocketOption.SO_SNDTIMEO, 100)
      const interrupted = yield* begin(Winsock.recv(client))
      const served = yield* begin(Winsock.recv(client, 1))
      assert.strictEqual(sleeping, 2)
      yield* Fiber.interrupt(interrupted)
      assert.strictEqual(sleeping, 1)
      const sending = yield* begin(Winsock.send(server, new Uint8Array(40)))
      assert.strictEqual(sleeping, 2)
      yield* stall(server, true)
      yield* Fiber.join(served)
      assert.strictEqual(sleeping, 1)
      yield* stall(server, false)
      for (let got = 1; got < 40;) got += (yield* Winsock.recv(client)).length
      yield* Fiber.join(sending)
      assert.strictEqual(sleeping, 0)

      memory.blackhole("127.0.0.1:9")
      const s = yield* Winsock.socket(stream)
      yield* Winsock.setsockopt(s, SocketOption.TCP_MAXRTMS, 100)
      const connecting = yield* begin(Winsock.WSAConnect(s, "127.0.0.1:9"))
      assert.strictEqual(sleeping, 1)
      yield* Fiber.interrupt(connecting)
      assert.strictEqual(sleeping, 0)
      const closed = yield* begin(Effect.flip(Winsock.WSAConnect(s, "127.0.0.1:9")))
      assert.strictEqual(sleeping, 1)
      yield* Winsock.closesocket(s)
      assert.strictEqual(sleeping, 0)
      assert.strictEqual((yield* Fiber.join(closed))._tag, "WSAEINTR")

      yield* Winsock.setsockopt(client, SocketOption.SO_LINGER, linger(5))
      yield* leaveUnsent(client)
      yield* Winsock.ioctlsocket(client, "FIONBIO", false)
      const closing = yield* begin(Winsock.closesocket(client))
      assert.strictEqual(sleeping, 1)
      memory.stallWrites(yield* Winsock.getsockname(server), false)
      for (let got = 0; got < 40;) got += (yield* Winsock.recv(server)).length
      yield* Fiber.join(closing)
      assert.strictEqual(sleeping, 0)
    })).pipe(Effect.provideService(Clock.Clock, clock))
  })

  it.effect("A14: SO_SNDTIMEO breaks the connection where bytes were handed down, and nothing where none were", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* stall(client, true)
      const first = yield* begin(Winsock.send(client, new Uint8Array(100)))
      yield* Winsock.setsockopt(client, SocketOption.SO_SNDTIMEO, 100)
      const second = yield* begin(Effect.flip(Winsock.send(client, new Uint8Array(1))))
      yield* TestClock.adjust("100 millis")
      assert.deepInclude(yield* Fiber.join(second), { _tag: "WSAETIMEDOUT", call: "send", stage: "send" })
      yield* stall(client, false)
      let got = 0
      while (got < 100) got += (yield* Winsock.recv(server)).length
      assert.strictEqual(yield* Fiber.join(first), 100)

      yield* stall(client, true)
      const third = yield* begin(Effect.flip(Winsock.send(client, new Uint8Array(100))))
      const behind = yield* begin(Effect.flip(Winsock.send(client, new Uint8Array(1))))
      yield* TestClock.adjust("99 millis")
      assert.isUndefined(third.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(third))._tag, "WSAETIMEDOUT")
      assert.include(["WSAECONNABORTED", "WSAETIMEDOUT"], (yield* Fiber.join(behind))._tag)
      assert.strictEqual((yield* Effect.flip(Winsock.send(client, new Uint8Array(1))))._tag, "WSAECONNABORTED")
      assert.strictEqual((yield* Effect.flip(Winsock.recv(client)))._tag, "WSAECONNABORTED")
    })))

  it.effect("A14: a send that waited first and then handed its bytes down has its time from its beginning", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* stall(client, true)
      const first = yield* begin(Winsock.send(client, new Uint8Array(20)))
      yield* Winsock.setsockopt(client, SocketOption.SO_SNDTIMEO, 100)
      const second = yield* begin(Effect.flip(Winsock.send(client, new Uint8Array(100))))
      yield* TestClock.adjust("60 millis")
      yield* stall(client, false)
      yield* Winsock.recv(server, 1)
      yield* stall(client, true)
      yield* Fiber.join(first)
      yield* TestClock.adjust("39 millis")
      assert.isUndefined(second.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(second))._tag, "WSAETIMEDOUT")
      assert.strictEqual((yield* Effect.flip(Winsock.send(client, new Uint8Array(1))))._tag, "WSAECONNABORTED")
    })))

  it.effect("A14: TCP_MAXRTMS ends an attempt, and the socket connects again from its port (R26)", () =>
    run(Effect.gen(function*() {
      const memory = yield* Memory.Memory
      const { listener } = yield* pair
      memory.blackhole("127.0.0.1:9")
      const s = yield* Winsock.socket(stream)
      yield* Winsock.setsockopt(s, SocketOption.TCP_MAXRTMS, 100)
      const connecting = yield* begin(Effect.flip(Winsock.WSAConnect(s, "127.0.0.1:9")))
      yield* TestClock.adjust("99 millis")
      assert.isUndefined(connecting.pollUnsafe())
      const local = yield* Winsock.getsockname(s)
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(connecting)
      assert.deepInclude(error, { _tag: "WSAETIMEDOUT", call: "WSAConnect", stage: "connect" })
      assert.include(error.message, "TCP_MAXRTMS")
      assert.strictEqual(yield* Winsock.getsockopt(s, SocketOption.SO_ERROR), 0)
      assert.deepStrictEqual(yield* Winsock.getsockname(s), local)
      assert.strictEqual(memory.counts().attempts, 0)
      yield* Winsock.WSAConnect(s, yield* Winsock.getsockname(listener))
      // Its time has been called off with it.
      yield* TestClock.adjust("1 hour")
      yield* Winsock.send(s, new Uint8Array(1))
    })))

  it.effect("A22, A14: TCP_MAXRTMS is for each address of a list by itself", () =>
    run(Effect.gen(function*() {
      const memory = yield* Memory.Memory
      const { listener } = yield* pair
      const name = yield* Winsock.getsockname(listener)
      memory.blackhole("127.0.0.1:8")
      memory.blackhole("127.0.0.1:9")
      const s = yield* Winsock.socket(stream)
      yield* Winsock.setsockopt(s, SocketOption.TCP_MAXRTMS, 100)
      const connecting = yield* begin(Winsock.WSAConnectByList(s, ["127.0.0.1:8", "127.0.0.1:9", name]))
      yield* TestClock.adjust("199 millis")
      assert.isUndefined(connecting.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual((yield* Fiber.join(connecting)).remote, name)
    })))

  it.effect("A12, A14: TCP_MAXRTMS ends a non-blocking attempt as a failure that the stack told", () =>
    run(Effect.gen(function*() {
      const memory = yield* Memory.Memory
      memory.blackhole("127.0.0.1:9")
      const s = yield* Winsock.socket(stream)
      yield* Winsock.ioctlsocket(s, "FIONBIO", true)
      yield* Winsock.setsockopt(s, SocketOption.TCP_MAXRTMS, 100)
      assert.strictEqual((yield* Effect.flip(Winsock.WSAConnect(s, "127.0.0.1:9")))._tag, "WSAEWOULDBLOCK")
      const result = yield* begin(Effect.flip(Winsock.connectResult(s, { wait: true })))
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* Fiber.join(result))._tag, "WSAETIMEDOUT")
      assert.strictEqual(yield* Winsock.getsockopt(s, SocketOption.SO_ERROR), 10060)
      // An attempt that is given up takes its time along.
      assert.strictEqual((yield* Effect.flip(Winsock.WSAConnect(s, "127.0.0.1:9")))._tag, "WSAEWOULDBLOCK")
      yield* Winsock.closesocket(s)
      yield* TestClock.adjust("1 hour")
    })))
})

describe("hostile values", () => {
  it.effect("A14: SO_LINGER is read once, and what cannot be read does not decode", () =>
    run(Effect.gen(function*() {
      const s = yield* Winsock.socket(stream)
      let reads = 0
      const changing = {
        l_onoff: true,
        get l_linger() {
          return reads++ === 0 ? 7 : -7
        }
      }
      yield* Winsock.setsockopt(s, SocketOption.SO_LINGER, changing)
      assert.deepStrictEqual(yield* Winsock.getsockopt(s, SocketOption.SO_LINGER), linger(7))
      const throwing = {
        l_onoff: true,
        get l_linger(): number {
          throw new Error("hostile")
        }
      }
      for (const value of [throwing, null, undefined, 1n, Symbol("linger"), {}]) {
        const answer = yield* Effect.flip(Winsock.setsockopt(s, SocketOption.SO_LINGER, value as never))
        assert.strictEqual(answer._tag, "WSAEFAULT")
      }
      assert.deepStrictEqual(yield* Winsock.getsockopt(s, SocketOption.SO_LINGER), linger(7))
    })))

  it.effect("A14: what is no name, and has no string, is the name of no option", () =>
    run(Effect.gen(function*() {
      const s = yield* Winsock.socket(stream)
      const nameless: unknown = Object.create(null)
      for (const option of [nameless, { name: nameless }, Symbol("option"), 1n]) {
        assert.strictEqual((yield* Effect.flip(Winsock.getsockopt(s, option as never)))._tag, "WSAENOPROTOOPT")
        assert.strictEqual((yield* Effect.flip(Winsock.setsockopt(s, option as never, 1)))._tag, "WSAENOPROTOOPT")
      }
    })))
})
