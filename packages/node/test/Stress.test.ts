import { SocketAddress, Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Random, Scope } from "effect"
import { createHash } from "node:crypto"
import * as net from "node:net"
import { leavingNothing, turns } from "./utils/leaks.ts"
import { resources } from "./utils/resources.ts"

const connects = 10_000
const mebibyte = 1024 * 1024

const stream = { family: "IPv4", type: "stream" } as const
const datagram = { family: "IPv4", type: "datagram" } as const

type Call = Effect.Effect<void, { readonly _tag: string }, Scope.Scope>

/** Begins a call, which waits by the time this returns. */
const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkChild(call, { startImmediately: true })

const listening = Effect.gen(function*() {
  const listener = yield* Winsock.socket(stream)
  yield* Winsock.bind(listener, "127.0.0.1:0")
  yield* Winsock.listen(listener, 4096)
  return { listener, at: SocketAddress.format(yield* Winsock.getsockname(listener)) }
})

const pair = Effect.gen(function*() {
  const { at, listener } = yield* listening
  const client = yield* Winsock.socket(stream)
  yield* Winsock.WSAConnect(client, at)
  const { socket: server } = yield* Winsock.accept(listener)
  return { at, listener, client, server }
})

const bound = Effect.gen(function*() {
  const s = yield* Winsock.socket(datagram)
  yield* Winsock.bind(s, "127.0.0.1:0")
  return { s, at: SocketAddress.format(yield* Winsock.getsockname(s)) }
})

/** Runs the program on a layer of its own, and holds it to giving everything back. */
const clean = <A, E>(program: Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>) =>
  leavingNothing(program.pipe(Effect.scoped, Effect.provide(NodeWinsock.layer)))

describe("Stress", () => {
  const escaped: Array<unknown> = []
  const note = (error: unknown) => void escaped.push(error)
  beforeAll(() => {
    process.on("unhandledRejection", note)
    process.on("uncaughtExceptionMonitor", note)
  })
  afterAll(() => {
    process.off("unhandledRejection", note)
    process.off("uncaughtExceptionMonitor", note)
    assert.deepStrictEqual(escaped, [])
  })

  it.live(`R02: ${connects} connects, 500 at a time, each exchange bytes`, () =>
    clean(Effect.gen(function*() {
      const { at, listener } = yield* listening
      yield* Winsock.accept(listener).pipe(
        Effect.flatMap(({ socket }) =>
          Effect.gen(function*() {
            yield* Winsock.send(socket, yield* Winsock.recv(socket, 4))
            // First, so that TIME_WAIT is at this one port, and the machine keeps its ports for the tests that follow.
            yield* Winsock.closesocket(socket)
          }).pipe(Effect.forkScoped)
        ),
        Effect.forever,
        Effect.forkScoped
      )
      let echoed = 0
      yield* Effect.forEach(Array.from({ length: connects }, (_, i) => i), (i) =>
        Effect.gen(function*() {
          const s = yield* Winsock.socket(stream)
          yield* Winsock.WSAConnect(s, at)
          const bytes = new Uint8Array(new Uint32Array([i]).buffer)
          yield* Winsock.send(s, bytes)
          assert.deepStrictEqual(yield* Winsock.recv(s, 4), bytes)
          assert.strictEqual((yield* Winsock.recv(s, 4)).length, 0)
          echoed++
        }).pipe(Effect.scoped), { concurrency: 500, discard: true })
      assert.strictEqual(echoed, connects)
    })), 60_000)

  it.live(
    "A08: 64 MiB each way at once, in pieces of any size, arrive as they were sent",
    () =>
      clean(Effect.gen(function*() {
        const { client, server } = yield* pair
        const total = 64 * mebibyte
        const source = new Uint8Array(mebibyte + 4099)
        for (let i = 0; i < source.length; i++) source[i] = (i * 2654435761) >>> 13
        const push = (s: Winsock.Socket, seed: string) =>
          Effect.gen(function*() {
            const hash = createHash("sha1")
            let sent = 0
            while (sent < total) {
              const start = yield* Random.nextIntBetween(0, 4096)
              const size = Math.min(total - sent, yield* Random.nextIntBetween(1, mebibyte))
              const part = source.subarray(start, start + size)
              hash.update(part)
              assert.strictEqual(yield* Winsock.send(s, part), size)
              sent += size
            }
            yield* Winsock.shutdown(s, "send")
            return hash.digest("hex")
          }).pipe(Random.withSeed(seed))
        const pull = (s: Winsock.Socket, buffered: boolean) =>
          Effect.gen(function*() {
            const hash = createHash("sha1")
            const buffer = new Uint8Array(100_003)
            for (;;) {
              const part = buffered ? buffer.subarray(0, yield* Winsock.recv(s, buffer)) : yield* Winsock.recv(s)
              if (part.length === 0) return hash.digest("hex")
              hash.update(part)
            }
          })
        const [up, down, gotUp, gotDown] = yield* Effect.all(
          [push(client, "up"), push(server, "down"), pull(server, true), pull(client, false)],
          { concurrency: "unbounded" }
        )
        assert.strictEqual(gotUp, up)
        assert.strictEqual(gotDown, down)
      })),
    60_000
  )

  it.live(
    "R21: peers that send, reset, end and go as they like give answers and nothing else",
    () =>
      clean(Effect.gen(function*() {
        const codes = new Map<string, number>()
        const open = new Set<net.Socket>()
        const server = net.createServer({ allowHalfOpen: true }, (socket) => {
          open.add(socket)
          socket.on("error", () => undefined)
          socket.on("close", () => open.delete(socket))
          const whim = Math.random()
          if (whim < 0.2) socket.resetAndDestroy()
          else if (whim < 0.4) socket.end(new Uint8Array(100_000))
          else if (whim < 0.6) socket.write(new Uint8Array(300_000), () => socket.resetAndDestroy())
          else if (whim < 0.8) socket.destroy()
          else globalThis.setImmediate(() => socket.resetAndDestroy())
        })
        yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
        yield* Effect.addFinalizer(() =>
          Effect.promise(() =>
            new Promise<void>((resolve) => {
              for (const socket of open) socket.destroy()
              server.close(() => resolve())
            })
          )
        )
        const at = `127.0.0.1:${(server.address() as net.AddressInfo).port}`
        const note = (call: string) => <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
          Effect.tapError(effect, (error) =>
            Effect.sync(() =>
              codes.set(`${call} ${error._tag}`, (codes.get(`${call} ${error._tag}`) ?? 0) + 1)
            ))
        yield* Effect.forEach(Array.from({ length: 1000 }), () =>
          Effect.gen(function*() {
            const s = yield* Winsock.socket(stream)
            yield* note("connect")(Winsock.WSAConnect(s, at))
            const receiving = yield* begin(
              note("recv")(Winsock.recv(s)).pipe(
                Effect.repeat({ until: (bytes) => bytes.length === 0 }),
                Effect.exit
              )
            )
            yield* Effect.exit(
              note("send")(Effect.forEach([1, 2, 3], () => Winsock.send(s, new Uint8Array(70_000))))
            )
            yield* Effect.exit(note("shutdown")(Winsock.shutdown(s, "send")))
            const exit = yield* Fiber.join(receiving)
            assert.isTrue(Exit.isSuccess(exit) || Exit.hasFails(exit))
          }).pipe(Effect.ignore, Effect.scoped), { concurrency: 50, discard: true })
        for (const key of codes.keys()) assert.match(key, /WSAECONNRESET|WSAECONNABORTED/)
        assert.isAbove(codes.get("recv WSAECONNRESET") ?? 0, 10)
      })),
    60_000
  )

  it.live("A06: of 3000 callers none is lost to an accept that is interrupted", () =>
    clean(Effect.gen(function*() {
      const { at, listener } = yield* listening
      const callers = 3000
      let accepted = 0
      const accept = Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(Winsock.accept(listener)), ({ socket }) => {
          accepted++
          return Effect.ignore(Winsock.closesocket(socket))
        })
      )
      const accepting = Effect.gen(function*() {
        const fiber = yield* begin(Effect.forever(accept, { disableYield: true }))
        yield* turns(yield* Random.nextIntBetween(0, 3))
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.repeat({ until: () => accepted >= callers }))
      const calling = Effect.forEach(Array.from({ length: callers }), () =>
        Effect.gen(function*() {
          const s = yield* Winsock.socket(stream)
          yield* Winsock.WSAConnect(s, at)
          assert.strictEqual((yield* Winsock.recv(s)).length, 0)
        }).pipe(Effect.scoped), { concurrency: 200, discard: true })
      yield* Effect.all([accepting, calling], { concurrency: "unbounded" }).pipe(Random.withSeed("accept"))
      assert.strictEqual(accepted, callers)
    })), 60_000)

  it.live(
    "A09: a flood of datagrams is dropped beyond the queue, and the socket receives on",
    () =>
      clean(Effect.gen(function*() {
        const a = yield* bound
        const b = yield* bound
        const flood = Effect.gen(function*() {
          for (let i = 0; i < 20_000; i++) {
            yield* Winsock.sendto(b.s, new Uint8Array(1000), a.at)
            if (i % 64 === 0) yield* turns(1)
          }
        })
        const before = process.memoryUsage()
        yield* flood
        yield* turns(3)
        globalThis.gc?.()
        const after = process.memoryUsage()
        assert.isBelow(after.arrayBuffers - before.arrayBuffers, 24 * mebibyte)
        let kept = 0
        yield* Winsock.ioctlsocket(a.s, "FIONBIO", true)
        yield* Effect.flip(Effect.forever(Effect.map(Winsock.recv(a.s), () => kept++)))
        assert.isAtMost(kept, 1100)
        assert.isAtLeast(kept, 1000)
        yield* Winsock.ioctlsocket(a.s, "FIONBIO", false)
        yield* Winsock.sendto(b.s, new Uint8Array([7]), a.at)
        assert.deepStrictEqual(yield* Winsock.recv(a.s), new Uint8Array([7]))
      })),
    60_000
  )

  it.live("R09: a socket whose queue was full receives again after a new peer has emptied it", () =>
    clean(Effect.gen(function*() {
      const a = yield* bound
      const b = yield* bound
      for (let i = 0; i < 3000; i++) {
        yield* Winsock.sendto(b.s, new Uint8Array(1), a.at)
        if (i % 64 === 0) yield* turns(1)
      }
      yield* turns(3)
      yield* Winsock.WSAConnect(a.s, b.at)
      yield* Winsock.sendto(b.s, new Uint8Array([42]), a.at)
      assert.deepStrictEqual(yield* Winsock.recv(a.s), new Uint8Array([42]))
    })))

  it.live("R27: nothing is sent of a datagram whose caller has its bytes back", () =>
    clean(Effect.gen(function*() {
      const a = yield* bound
      const b = yield* bound
      const bytes = new Uint8Array([1])
      const sends = yield* Effect.forEach(Array.from({ length: 20 }), () =>
        begin(Effect.exit(Winsock.sendto(b.s, bytes, a.at))))
      yield* Winsock.closesocket(b.s)
      yield* Effect.forEach(sends, Fiber.join)
      bytes[0] = 99
      yield* turns(5)
      yield* Winsock.ioctlsocket(a.s, "FIONBIO", true)
      yield* Winsock.recv(a.s).pipe(
        Effect.tap((got) =>
          Effect.sync(() => assert.deepStrictEqual(got, new Uint8Array([1])))
        ),
        Effect.forever,
        Effect.ignore
      )
    })))

  it.live("A11: closing ends every call that is pending with WSAEINTR", () =>
    clean(Effect.gen(function*() {
      const { client, listener, server } = yield* pair
      const d = yield* bound
      const calls = [
        Effect.asVoid(Winsock.accept(listener)),
        Effect.asVoid(Winsock.recv(client)),
        Effect.asVoid(Winsock.recv(client)),
        Effect.asVoid(Winsock.send(client, new Uint8Array(16 * mebibyte))),
        Effect.asVoid(Winsock.send(client, new Uint8Array(1))),
        Effect.asVoid(Winsock.recvfrom(d.s))
      ]
      const fibers = yield* Effect.forEach(calls, (call: Call) => begin(Effect.flip(call)))
      yield* turns(2)
      for (const s of [listener, client, d.s]) yield* Winsock.closesocket(s)
      for (const fiber of fibers) assert.strictEqual((yield* Fiber.join(fiber))._tag, "WSAEINTR")
      assert.strictEqual((yield* Effect.flip(Effect.forever(Winsock.recv(server))))._tag, "WSAECONNRESET")
    })))

  it.live(
    "A21, E01: releasing the layer ends pending calls and lingering writes, and nothing is left",
    () =>
      Effect.gen(function*() {
        const before = resources()
        for (let round = 0; round < 20; round++) {
          // Sockets in a scope that outlives the layer.
          const outer = yield* Scope.make()
          const left = yield* Effect.gen(function*() {
            const { at, client, listener, server } = yield* pair
            const d = yield* bound
            const second = yield* Winsock.socket(stream)
            yield* Winsock.WSAConnect(second, at)
            // Nobody reads, so these bytes linger after the close.
            yield* Winsock.ioctlsocket(second, "FIONBIO", true)
            yield* Effect.ignore(Effect.forever(Winsock.send(second, new Uint8Array(64 * 1024))))
            yield* Winsock.closesocket(second)
            const connecting = yield* Winsock.socket(stream)
            const fibers = yield* Effect.forEach([
              Winsock.accept(listener).pipe(Effect.andThen(Winsock.accept(listener))),
              Winsock.recv(client),
              Winsock.send(server, new Uint8Array(16 * mebibyte)),
              Winsock.recvfrom(d.s),
              Winsock.WSAConnect(connecting, at)
            ], (call) =>
              Effect.forkDetach(Effect.exit(call as Effect.Effect<unknown, any, Scope.Scope>), {
                startImmediately: true
              }))
            if (round % 2 === 1) yield* turns(round)
            return { client, fibers }
          }).pipe(Scope.provide(outer), Effect.provide(NodeWinsock.layer))
          for (const fiber of left.fibers) {
            assert.isTrue(Exit.isExit(yield* Fiber.join(fiber)))
          }
          assert.strictEqual((yield* Effect.flip(Winsock.recv(left.client)))._tag, "WSANOTINITIALISED")
          assert.strictEqual(
            (yield* Effect.flip(Winsock.WSAConnect(left.client, "127.0.0.1:9")))._tag,
            "WSANOTINITIALISED"
          )
          yield* Scope.close(outer, Exit.void)
        }
        yield* turns(3)
        for (const [name, count] of Object.entries(resources())) assert.isAtMost(count, before[name] ?? 0, name)
      }),
    60_000
  )

  it.live("R26: a thousand retries on one socket leave nothing behind", () =>
    clean(Effect.gen(function*() {
      const { at, listener } = yield* listening
      yield* Winsock.closesocket(listener)
      const s = yield* Winsock.socket(stream)
      const before = resources().socketDescriptors ?? 0
      const codes = new Set<string>()
      for (let i = 0; i < 1000; i++) codes.add((yield* Effect.flip(Winsock.WSAConnect(s, at)))._tag)
      assert.deepStrictEqual([...codes], ["WSAECONNREFUSED"])
      assert.isAtMost(resources().socketDescriptors ?? 0, before + 2)
    })), 60_000)
})
