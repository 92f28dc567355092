import { type Connection, ConnectionPool, Connector, RetryPolicy, type Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { once } from "node:events"
import * as net from "node:net"
import { leavingNothing } from "./utils/leaks.ts"

/** A server of Node's that answers each line, ends the connection on "end", and breaks it on "break". */
const server = (port = 0) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const sockets = new Set<net.Socket>()
      const seen = { accepted: 0, sockets }
      const server = net.createServer((socket) => {
        seen.accepted++
        sockets.add(socket)
        socket.on("error", () => {}).on("close", () => sockets.delete(socket))
        socket.on("data", (data) => {
          const line = data.toString().trim()
          if (line === "end") socket.end()
          else if (line === "break") socket.resetAndDestroy()
          else socket.write(`${line}!\n`)
        })
      })
      server.listen(port, "127.0.0.1")
      await once(server, "listening")
      return { server, seen, port: (server.address() as net.AddressInfo).port }
    }),
    ({ seen, server }) =>
      Effect.promise(() => {
        for (const socket of seen.sockets) socket.destroy()
        return new Promise((resolve) => server.close(resolve))
      })
  )

const say = (connection: Connection.Connection, line: string) =>
  Effect.andThen(connection.write(new TextEncoder().encode(`${line}\n`)), connection.read).pipe(
    Effect.map((bytes) => new TextDecoder().decode(bytes).trim())
  )

const live = <A, E>(program: Effect.Effect<A, E, Winsock.Winsock>) =>
  leavingNothing(Effect.provide(program, NodeWinsock.layer))

describe("pooled, live", () => {
  it.live("lends connections again, to so many at a time, and leaves nothing", () =>
    live(Effect.scoped(Effect.gen(function*() {
      const { port, seen } = yield* server()
      const pool = yield* Connector.winsock.pipe(Connector.pooled({ max: 3 }))
      const one = (i: number) =>
        Effect.scoped(Effect.flatMap(pool.connect(`127.0.0.1:${port}`), (connection) => say(connection, `${i}`)))
      const numbers = Array.from({ length: 50 }, (_, i) => i)
      const answers = yield* Effect.all(numbers.map(one), { concurrency: "unbounded" })
      assert.deepStrictEqual(answers, numbers.map((i) => `${i}!`))
      assert.strictEqual(seen.accepted, 3)
    }))))

  for (const word of ["end", "break"] as const) {
    it.live(`does not lend again what the peer ${word === "end" ? "ended" : "broke"}`, () =>
      live(Effect.scoped(Effect.gen(function*() {
        const { port, seen } = yield* server()
        const pool = yield* Connector.winsock.pipe(Connector.pooled({ max: 1 }))
        const first = yield* Effect.scoped(Effect.gen(function*() {
          const connection = yield* pool.connect(`127.0.0.1:${port}`)
          // "end" is the peer's end, and nothing of ours: the connection is not over, and of no use all the same
          yield* Effect.ignore(say(connection, word))
          return connection
        }))
        assert.isFalse(ConnectionPool.isReusable(first))
        const answer = yield* Effect.scoped(
          Effect.flatMap(pool.connect(`127.0.0.1:${port}`), (connection) => say(connection, "again"))
        )
        assert.deepStrictEqual([answer, seen.accepted], ["again!", 2])
      }))))
  }

  it.live("does not lend again what the peer ended while it was idle, or was interrupted in its use", () =>
    live(Effect.scoped(Effect.gen(function*() {
      const { port, seen } = yield* server()
      const pool = yield* Connector.winsock.pipe(Connector.pooled({ max: 1 }))
      const target = `127.0.0.1:${port}`
      const first = yield* Effect.scoped(Effect.tap(pool.connect(target), (connection) => say(connection, "a")))
      const [socket] = seen.sockets
      socket!.end()
      while (ConnectionPool.isReusable(first)) yield* Effect.sleep("1 millis")
      const using = yield* Effect.forkChild(Effect.scoped(Effect.flatMap(pool.connect(target), ({ read }) => read)))
      while (seen.accepted < 2) yield* Effect.sleep("1 millis")
      yield* Fiber.interrupt(using)
      const answer = yield* Effect.scoped(Effect.flatMap(pool.connect(target), (connection) => say(connection, "b")))
      assert.deepStrictEqual([answer, seen.accepted], ["b!", 3])
    }))))
})

describe("reconnecting, live", () => {
  const quickly = RetryPolicy.connectionBackoff({ initial: "20 millis", max: "50 millis" })

  it.live("goes on after a reset, after an end, and through a time without a server", () =>
    live(Effect.scoped(Effect.gen(function*() {
      const kept = yield* Effect.scoped(Effect.gen(function*() {
        const { port } = yield* server()
        return port
      })).pipe(
        Effect.flatMap((port) =>
          Effect.map(
            Connector.winsock.pipe(Connector.reconnecting({ schedule: quickly })).connect(`127.0.0.1:${port}`),
            (kept) => ({ kept, port })
          )
        )
      )
      const { kept: one, port } = kept
      // nobody listens yet: who wants a connection waits
      const waiting = yield* Effect.forkChild(one.use((connection) => say(connection, "patience")))
      yield* Effect.sleep("100 millis")
      const { seen } = yield* server(port)
      assert.strictEqual(yield* Fiber.join(waiting), "patience!")
      for (const word of ["end", "break"]) {
        const old = yield* Effect.scoped(Effect.tap(one.get, (connection) => Effect.ignore(say(connection, word))))
        assert.strictEqual(yield* one.use((connection) => say(connection, "next")), "next!")
        assert.notStrictEqual(old, yield* Effect.scoped(one.get))
      }
      assert.strictEqual(seen.accepted, 3)
    }))))

  it.live("makes one connection for fifty fibers", () =>
    live(Effect.scoped(Effect.gen(function*() {
      const { port, seen } = yield* server()
      const one = yield* Connector.winsock.pipe(Connector.reconnecting()).connect(`127.0.0.1:${port}`)
      const all = yield* Effect.all(Array.from({ length: 50 }, () => Effect.scoped(one.get)), {
        concurrency: "unbounded"
      })
      assert.strictEqual(new Set(all).size, 1)
      assert.strictEqual(yield* one.use((connection) => say(connection, "one")), "one!")
      assert.strictEqual(seen.accepted, 1)
    }))))
})
