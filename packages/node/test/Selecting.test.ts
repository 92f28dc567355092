import { NetworkEvent, type SocketAddress, Winsock } from "@effect-winsock/core"
import { NodeProvider } from "@effect-winsock/node"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, type Scope, Stream } from "effect"
import { readFileSync } from "node:fs"
import { Socket } from "../../core/src/internal/socket.ts"
import { leavingNothing } from "./utils/leaks.ts"

const most = 10_000

/** How many sockets fit, each of which takes a descriptor; the rest of the process needs some too. */
const room = (): number => {
  const line = readFileSync("/proc/self/limits", "utf8").match(/Max open files\s+(\d+)/)
  return line === null ? most : Number(line[1]) - 500
}

const live = Math.min(most, room())

const datagram = { family: "IPv4", type: "datagram" } as const

interface Bound {
  readonly s: Winsock.Socket
  readonly at: SocketAddress.SocketAddress
}

const bound = Effect.gen(function*() {
  const s = yield* Winsock.socket(datagram)
  yield* Winsock.bind(s, "127.0.0.1:0")
  return { s, at: yield* Winsock.getsockname(s) }
})

const many = (count: number) => Effect.forEach(Array.from({ length: count }), () => bound)

const one = new Uint8Array([1])

/** How often a method of any socket is called while the program runs. */
const counting = <A, E, R>(
  method: "readiness" | "fetchEvents" | "addWatching" | "removeWatching",
  program: Effect.Effect<A, E, R>
) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const count = { calls: 0 }
      const original = Socket.prototype[method] as (this: Socket, ...given: Array<never>) => never
      Socket.prototype[method] = function(this: Socket, ...given: Array<never>) {
        count.calls++
        return original.apply(this, given)
      }
      return { count, original }
    }),
    ({ count }) => Effect.map(program, (answer) => ({ answer, calls: count.calls })),
    ({ original }) =>
      Effect.sync(() => {
        Socket.prototype[method] = original
      })
  )

/** Begins a call, which waits by the time this returns. */
const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkChild(call, { startImmediately: true })

/** Waits on all of them for the one that a datagram comes to, the last one, and takes it. */
const selectLast = (sockets: ReadonlyArray<Bound>, sender: Bound) =>
  Effect.gen(function*() {
    const last = sockets.at(-1)!
    const selecting = yield* begin(Winsock.select({ read: sockets.map(({ s }) => s) }))
    yield* Winsock.sendto(sender.s, one, last.at)
    const { except, read, write } = yield* Fiber.join(selecting)
    assert.deepStrictEqual([read.length, write.length, except.length], [1, 0, 0])
    assert.strictEqual(read[0], last.s)
    yield* Winsock.recv(last.s)
  })

const sizes = (count: number) => [0.1, 0.2, 0.5, 1].map((part) => Math.floor(count * part))

const grounds = [
  { name: "in memory", count: most, layer: Layer.suspend(() => Winsock.layer(Memory.make().provider)) },
  { name: "on Node's sockets", count: live, layer: Layer.suspend(() => Winsock.layer(NodeProvider.make())) }
]

describe.each(grounds)("readiness of many sockets, $name", ({ count, layer }) => {
  const run = <A, E>(program: Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>) =>
    leavingNothing(program.pipe(Effect.scoped, Effect.provide(layer)))

  it.live(
    `A17: a select on ${count} sockets looks at each twice, and comes and goes at each once`,
    () =>
      run(Effect.gen(function*() {
        const sockets = yield* many(count)
        const sender = yield* bound
        for (const size of sizes(count)) {
          const among = sockets.slice(0, size)
          // Once when it begins, once for its answer, and once more the one that became ready.
          assert.strictEqual((yield* counting("readiness", selectLast(among, sender))).calls, 2 * size + 1)
          assert.strictEqual((yield* counting("addWatching", selectLast(among, sender))).calls, size)
          assert.strictEqual((yield* counting("removeWatching", selectLast(among, sender))).calls, size)
        }
      })),
    60_000
  )

  it.live(
    `A17: what happens to one of ${count} sockets, and makes none ready, is looked at there alone`,
    () =>
      run(Effect.gen(function*() {
        const sockets = yield* many(count)
        const sender = yield* bound
        const all = sockets.map(({ s }) => s)
        const selecting = yield* begin(Winsock.select({ except: all }))
        const times = 100
        const { calls } = yield* counting(
          "readiness",
          Effect.forEach(
            sockets.slice(0, times),
            ({ at, s }) => Effect.andThen(Winsock.sendto(sender.s, one, at), Winsock.recv(s))
          )
        )
        // When it comes and when it is taken.
        assert.isAbove(calls, times / 2)
        assert.isAtMost(calls, 2 * times)
        yield* Fiber.interrupt(selecting)
      })),
    60_000
  )

  it.live(
    `A18, A19: one event object tells of ${count} sockets, and what it tells is kept in each`,
    () =>
      run(Effect.gen(function*() {
        const sockets = yield* many(count)
        const sender = yield* bound
        const event = yield* Winsock.WSACreateEvent
        for (const { s } of sockets) yield* Winsock.WSAEventSelect(s, event, NetworkEvent.FD_READ)
        const told = new Set<Winsock.Socket>()
        let asked = 0
        const { calls } = yield* counting(
          "fetchEvents",
          Effect.gen(function*() {
            for (const { at } of sockets) yield* Winsock.sendto(sender.s, one, at)
            while (told.size < count) {
              assert.deepStrictEqual(yield* Winsock.WSAWaitForMultipleEvents([event]), Option.some(0))
              yield* Winsock.WSAResetEvent(event)
              for (const { s } of sockets) {
                if (told.has(s)) continue
                asked++
                const { lNetworkEvents } = yield* Winsock.WSAEnumNetworkEvents(s)
                if (lNetworkEvents === 0) continue
                assert.strictEqual(lNetworkEvents, NetworkEvent.FD_READ)
                told.add(s)
              }
            }
          })
        )
        assert.strictEqual(calls, asked)
        for (const { s } of sockets) assert.deepStrictEqual(yield* Winsock.recv(s), one)
      })),
    60_000
  )

  it.live(
    `A20: ${count} sockets tell each its own stream, and nothing is looked at that has nothing to tell`,
    () =>
      run(Effect.gen(function*() {
        const sockets = yield* many(count)
        const sender = yield* bound
        const told = yield* Effect.forEach(sockets, ({ s }) =>
          Effect.gen(function*() {
            const messages = yield* Winsock.WSAAsyncSelect(s, NetworkEvent.FD_READ)
            return yield* Effect.forkScoped(
              messages.pipe(
                Stream.mapEffect(({ socket }) => Winsock.recv(socket)),
                Stream.take(2),
                Stream.runFold(() => 0, (sum, bytes) => sum + bytes.length)
              ),
              { startImmediately: true }
            )
          }))
        const { answer, calls } = yield* counting(
          "fetchEvents",
          Effect.gen(function*() {
            for (let i = 0; i < 2; i++) {
              for (const { at } of sockets) yield* Winsock.sendto(sender.s, one, at)
            }
            return yield* Effect.forEach(told, Fiber.join)
          })
        )
        assert.strictEqual(answer.reduce((sum, length) => sum + length, 0), 2 * count)
        assert.isAtMost(calls, 2 * count)
      })),
    60_000
  )
})
