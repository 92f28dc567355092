import {
  type Connection,
  ConnectionPool,
  Connector,
  RetryPolicy,
  SocketAddress,
  type Winsock
} from "@effect-winsock/core"
import { NodeConnector, NodeWinsock } from "@effect-winsock/node"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { once } from "node:events"
import * as net from "node:net"
import * as tls from "node:tls"
import { Certificates, type Pair } from "./utils/certificates.ts"
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

const at = SocketAddress.fromInputUnsafe

const say = <E>(connection: Connection.Connection<E>, line: string) =>
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

describe("pooled under TLS, live", () => {
  let made: Certificates
  let good: Pair
  beforeAll(() => {
    made = new Certificates()
    good = made.issued()
  })
  afterAll(() => made.remove())

  // Tickets of TLS 1.3 come after the handshake, unasked.
  for (const version of ["TLSv1.3", "TLSv1.2"] as const) {
    it.live(`lends connections of ${version} again, until the peer ends them`, () =>
      leavingNothing(
        Effect.scoped(Effect.gen(function*() {
          const sockets: Array<tls.TLSSocket> = []
          const options = { cert: good.cert, key: good.key, minVersion: version, maxVersion: version }
          const server = yield* Effect.acquireRelease(
            Effect.promise(async () => {
              const server = tls.createServer(options, (socket) => {
                sockets.push(socket)
                socket.on("error", () => {}).on("data", (data) => void socket.write(`${data.toString().trim()}!\n`))
              })
              server.listen(0, "127.0.0.1")
              await once(server, "listening")
              return server
            }),
            (server) =>
              Effect.promise(() => {
                for (const socket of sockets) socket.destroy()
                return new Promise((resolve) => server.close(resolve))
              })
          )
          const { port } = server.address() as net.AddressInfo
          const pool = yield* Connector.winsock.pipe(
            Connector.tls({ ca: made.ca.cert, serverName: "localhost" }),
            Connector.pooled({ max: 1 })
          )
          const one = (line: string) =>
            Effect.scoped(Effect.gen(function*() {
              const connection = yield* pool.connect(Connector.endpoint(at(`127.0.0.1:${port}`)))
              return [connection, yield* say(connection, line)] as const
            }))
          const [first, a] = yield* one("a")
          yield* Effect.sleep("20 millis")
          const [second, b] = yield* one("b")
          assert.deepStrictEqual([a, b, sockets.length], ["a!", "b!", 1])
          assert.strictEqual(first, second)

          // what was decrypted and not read is for nobody but the borrower
          const third = yield* Effect.scoped(Effect.gen(function*() {
            const connection = yield* pool.connect(Connector.endpoint(at(`127.0.0.1:${port}`)))
            yield* connection.write(new TextEncoder().encode("unread\n"))
            while (!connection.unread) yield* Effect.sleep("1 millis")
            return connection
          }))
          assert.strictEqual(third, first)
          const [fourth, d] = yield* one("d")
          assert.deepStrictEqual([d, sockets.length], ["d!", 2])
          assert.notStrictEqual(fourth, first)

          sockets[1]!.end()
          while (ConnectionPool.isReusable(fourth)) yield* Effect.sleep("1 millis")
          const [, c] = yield* one("c")
          assert.deepStrictEqual([c, sockets.length], ["c!", 3])
        })).pipe(Effect.provide(NodeConnector.layer))
      ))
  }
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
