// Connect data over real sockets: our own two ends, peers that speak something else, slowly or not at all, and very many.
import { ConnectData, SocketAddress, UserData, Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Random, Schema, type Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import * as net from "node:net"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { heapUsed, leavingNothing, turns } from "./utils/leaks.ts"
import { connectWhenReady, freePort, hasIPv6, start, withServer } from "./utils/servers.ts"

const isLong = process.env["WINSOCK_TIER"] === "long"
const interrupted = Number(process.env["WINSOCK_INTERRUPTED_CONNECTS"] ?? 1000)

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const families = ["IPv4", ...(hasIPv6 ? ["IPv6" as const] : []), "Unix"] as const
type Family = (typeof families)[number]

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(path.join(tmpdir(), "winsock-connect-data-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

const local = (family: Family) =>
  family === "Unix"
    ? Effect.map(directory, (directory) => SocketAddress.fromInputUnsafe({ path: path.join(directory, "socket") }))
    : Effect.succeed(SocketAddress.fromInputUnsafe(family === "IPv4" ? "127.0.0.1:0" : "[::1]:0"))

const listening = (family: Family, backlog?: number) =>
  Effect.gen(function*() {
    const listener = yield* Winsock.socket({ family, type: "stream" })
    yield* Winsock.bind(listener, yield* local(family))
    yield* Winsock.listen(listener, backlog)
    return { listener, address: yield* Winsock.getsockname(listener) }
  })

const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkScoped(call, { startImmediately: true })

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)

/** Runs the program on a layer of its own with the carrier, and holds it to giving everything back. */
const over =
  (carrier: Layer.Layer<never, any>) => <A, E>(program: Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>) =>
    leavingNothing(
      program.pipe(Effect.scoped, Effect.provide(Layer.fresh(Layer.provide(NodeWinsock.layer, Layer.orDie(carrier)))))
    )
const exchange = over(ConnectData.layerExchange())
/** Where nobody replies: whoever does has the time of a busy machine. */
const brief = over(ConnectData.layerExchange({ replyTimeout: "200 millis" }))

class Greeting extends UserData.Exchange<Greeting>()("Greeting", {
  caller: Schema.Struct({ tenant: Schema.String }),
  callee: Schema.Struct({ session: Schema.Number, motd: Schema.String }),
  calleeCapacity: 1024
}) {}

/** A server of somebody else, written against Node alone. */
const serve = (onConnection: (socket: net.Socket) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly server: net.Server; readonly sockets: Set<net.Socket> }>((resume) => {
        const sockets = new Set<net.Socket>()
        const server = net.createServer((socket) => {
          sockets.add(socket.on("error", () => undefined))
          onConnection(socket)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, sockets })))
      }),
      ({ server, sockets }) =>
        Effect.callback<void>((resume) => {
          for (const socket of sockets) socket.destroy()
          server.close(() => resume(Effect.void))
        })
    ),
    ({ server }) => `127.0.0.1:${(server.address() as net.AddressInfo).port}`
  )

/** A caller of somebody else. */
const call = (address: SocketAddress.SocketAddress) =>
  Effect.acquireRelease(
    Effect.callback<net.Socket>((resume) => {
      const socket = net.connect({ port: SocketAddress.portOf(address)!, host: "127.0.0.1" })
      socket.on("error", () => undefined).once("connect", () => resume(Effect.succeed(socket)))
    }),
    (socket) =>
      Effect.callback<void>((resume) => {
        if (socket.closed) return resume(Effect.void)
        socket.once("close", () => resume(Effect.void)).destroy()
      })
  )

const closed = (socket: net.Socket) =>
  Effect.callback<void>((resume) => {
    if (socket.closed) return resume(Effect.void)
    socket.resume().once("close", () => resume(Effect.void))
  })

describe("ConnectData", () => {
  for (const family of families) {
    it.live(`R12, R13, R14, A07: two ends exchange typed data, and the stream follows it (${family})`, () =>
      exchange(Effect.gen(function*() {
        const { address, listener } = yield* listening(family)
        const client = yield* Winsock.socket({ family, type: "stream" })
        const attempt = yield* begin(
          Effect.flatMap(
            Greeting.options({ tenant: "acme" }),
            (options) => Winsock.WSAConnect(client, address, options)
          )
        )
        const { socket: server } = yield* Winsock.WSAAccept(
          listener,
          Greeting.condition(({ tenant }) => Greeting.accept({ session: 7, motd: `welcome, ${tenant}` }))
        )
        // At once: it comes in the same piece as the reply, or right behind it.
        yield* Winsock.send(server, bytesOf("first words"))
        const connected = yield* Fiber.join(attempt)
        assert.deepStrictEqual(yield* Greeting.callee(connected), { session: 7, motd: "welcome, acme" })
        assert.strictEqual(textOf(yield* Winsock.recv(client)), "first words")
        yield* Winsock.send(client, bytesOf("an answer"))
        assert.strictEqual(textOf(yield* Winsock.recv(server)), "an answer")
        yield* Winsock.shutdown(client, "send")
        assert.strictEqual((yield* Winsock.recv(server)).length, 0)
      })))

    it.live(`A07, R26: a caller that is rejected is refused, and may try again from the same address (${family})`, () =>
      exchange(Effect.gen(function*() {
        const { address, listener } = yield* listening(family)
        const client = yield* Winsock.socket({ family, type: "stream" })
        const attempt = yield* begin(tagOf(Winsock.WSAConnect(client, address, { callerData: bytesOf("nobody") })))
        yield* tagOf(Winsock.WSAAccept(listener, () => Effect.succeed(Winsock.CF_REJECT)))
        assert.strictEqual(yield* Fiber.join(attempt), "WSAECONNREFUSED")
        const again = yield* begin(Winsock.WSAConnect(client, address))
        const { remote } = yield* Winsock.accept(listener)
        yield* Fiber.join(again)
        if (family !== "Unix") {
          assert.strictEqual(
            SocketAddress.format(remote),
            SocketAddress.format(yield* Winsock.getsockname(client)),
            "as the callee sees it"
          )
        }
      })))

    it.live(`R26: what was bound by name is bound still, and connects from there (${family})`, () =>
      exchange(Effect.gen(function*() {
        const { address, listener } = yield* listening(family)
        const client = yield* Winsock.socket({ family, type: "stream" })
        yield* Winsock.bind(client, yield* local(family))
        const name = yield* Winsock.getsockname(client)
        for (let i = 0; i < 3; i++) {
          const attempt = yield* begin(tagOf(Winsock.WSAConnect(client, address)))
          yield* tagOf(Winsock.WSAAccept(listener, () => Effect.succeed(Winsock.CF_REJECT)))
          assert.strictEqual(yield* Fiber.join(attempt), "WSAECONNREFUSED")
          assert.deepStrictEqual(yield* Winsock.getsockname(client), name)
        }
        const attempt = yield* begin(Winsock.WSAConnect(client, address))
        const { remote, socket: server } = yield* Winsock.accept(listener)
        yield* Fiber.join(attempt)
        if (family !== "Unix") assert.deepStrictEqual(remote, name)
        yield* Winsock.send(client, bytesOf("there"))
        assert.strictEqual(textOf(yield* Winsock.recv(server)), "there")
      })))

    it.live(`caller and callee data as long as they may be, and a mebibyte behind them (${family})`, () =>
      exchange(Effect.gen(function*() {
        const { address, listener } = yield* listening(family)
        const data = Uint8Array.from({ length: 16 * 1024 }, (_, i) => i ^ (i >> 8))
        const many = new Uint8Array(1024 * 1024).fill(7)
        const client = yield* Winsock.socket({ family, type: "stream" })
        const attempt = yield* begin(Winsock.WSAConnect(client, address, { callerData: data, calleeData: data.length }))
        const { socket: server } = yield* Winsock.WSAAccept(
          listener,
          ({ callerData }) => Effect.succeed({ verdict: Winsock.CF_ACCEPT, calleeData: callerData })
        )
        const sending = yield* begin(Winsock.send(server, many))
        assert.deepStrictEqual((yield* Fiber.join(attempt)).calleeData, data)
        let got = 0
        while (got < many.length) {
          const piece = yield* Winsock.recv(client)
          assert.isAbove(piece.length, 0)
          assert.isTrue(piece.every((byte) => byte === 7))
          got += piece.length
        }
        yield* Fiber.join(sending)
      })))
  }

  describe("E17: a peer that does not speak the exchange", () => {
    const meets = (address: string) =>
      Effect.gen(function*() {
        const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
        const tag = yield* tagOf(Winsock.WSAConnect(s, address as SocketAddress.Input, { callerData: bytesOf("acme") }))
        const local = yield* Winsock.getsockname(s)
        assert.isAbove(SocketAddress.portOf(local)!, 0, "R26: it keeps its address")
        return tag
      })

    it.live("an echo server", () =>
      exchange(Effect.gen(function*() {
        const address = yield* serve((socket) => socket.pipe(socket))
        assert.strictEqual(yield* meets(address), "WSAEPROTONOSUPPORT")
      })))

    it.live("one that greets, one that answers with garbage, and one that replies to more than was asked", () =>
      exchange(Effect.gen(function*() {
        const long = Uint8Array.of(
          0x89,
          0x57,
          0x53,
          0x4b,
          0x0d,
          0x0a,
          0x1a,
          0x0a,
          0,
          0x52,
          0x45,
          0x50,
          1,
          1,
          0,
          0,
          9,
          9,
          9,
          9
        )
        for (const words of ["220 at your service\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\0\0\0", long]) {
          const address = yield* serve((socket) => socket.write(words))
          assert.strictEqual(yield* meets(address), "WSAEPROTONOSUPPORT")
        }
      })))

    withServer(
      "redis-server",
      "E18: redis, which takes the zero in the header for the end of what has come, and waits",
      (file) =>
        Effect.gen(function*() {
          const port = yield* freePort("127.0.0.1")
          const server = yield* start(file, `--bind 127.0.0.1 --port ${port} --save --appendonly no`.split(" "))
          yield* connectWhenReady(server, `127.0.0.1:${port}`)
          assert.strictEqual(yield* brief(meets(`127.0.0.1:${port}`)), "WSAETIMEDOUT")
        })
    )

    it.live("E18: one that says nothing is WSAETIMEDOUT", () =>
      brief(Effect.gen(function*() {
        assert.strictEqual(yield* meets(yield* serve((socket) => void socket.resume())), "WSAETIMEDOUT")
      })))

    it.live("one that hangs up is WSAECONNRESET", () =>
      exchange(Effect.gen(function*() {
        assert.strictEqual(yield* meets(yield* serve((socket) => void socket.resume().end())), "WSAECONNRESET")
        const reset = yield* serve((socket) => void socket.once("data", () => socket.resetAndDestroy()))
        assert.strictEqual(yield* meets(reset), "WSAECONNRESET")
      })))
  })

  describe("a caller that does not speak the exchange", () => {
    it.live("is turned away: at its first wrong byte, or when its time is over", () =>
      over(ConnectData.layerExchange({ headerTimeout: "2 seconds" }))(Effect.gen(function*() {
        const { address, listener } = yield* listening("IPv4")
        const wrong = yield* call(address)
        wrong.write("GET / HTTP/1.1\r\n\r\n")
        yield* closed(wrong)
        const slow = yield* call(address)
        const silent = yield* call(address)
        slow.write(Uint8Array.of(0x0d, 0x0a, 0x0d))
        yield* closed(slow)
        yield* closed(silent)
        const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
        const attempt = yield* begin(Winsock.WSAConnect(s, address))
        yield* Winsock.accept(listener)
        yield* Fiber.join(attempt)
      })))

    const peers = isLong ? 5000 : 500
    it.live(
      `${peers} at once that say a byte and no more cost little, are all turned away, and keep nobody off`,
      () =>
        over(ConnectData.layerExchange({ headerTimeout: "3 seconds" }))(Effect.gen(function*() {
          const { address, listener } = yield* listening("IPv4", 4096)
          const before = yield* heapUsed
          const loris = yield* Effect.forEach(
            Array.from({ length: peers }, (_, i) => i),
            () => Effect.tap(call(address), (socket) => Effect.sync(() => void socket.write(Uint8Array.of(0x0d)))),
            {
              concurrency: 200
            }
          )
          yield* turns(20)
          const held = (yield* heapUsed) - before
          // Both ends are in this process: theirs, of Node alone, and ours.
          assert.isBelow(held / peers, 20_000, "bytes each")
          const honest = yield* Winsock.socket({ family: "IPv4", type: "stream" })
          const attempt = yield* begin(Winsock.WSAConnect(honest, address, { callerData: bytesOf("acme") }))
          const seen: Array<string> = []
          yield* Winsock.WSAAccept(listener, ({ callerData }) => {
            seen.push(textOf(callerData))
            return Effect.succeed(Winsock.CF_ACCEPT)
          })
          yield* Fiber.join(attempt)
          assert.deepStrictEqual(seen, ["acme"])
          yield* Effect.forEach(loris, closed, { concurrency: "unbounded" })
          yield* Winsock.ioctlsocket(listener, "FIONBIO", true)
          assert.strictEqual(yield* tagOf(Winsock.accept(listener)), "WSAEWOULDBLOCK")
        })),
      120_000
    )
  })

  it.live(
    "R12, R13: 10000 exchanges, 200 at a time, each with its own data and an echo",
    () =>
      exchange(Effect.gen(function*() {
        const { address, listener } = yield* listening("IPv4", 4096)
        yield* Winsock.WSAAccept(
          listener,
          ({ callerData }) => Effect.succeed({ verdict: Winsock.CF_ACCEPT, calleeData: callerData.toReversed() })
        ).pipe(
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
        yield* Effect.forEach(Array.from({ length: 10_000 }, (_, i) => i), (i) =>
          Effect.gen(function*() {
            const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
            const data = new Uint8Array(new Uint32Array([i]).buffer)
            const { calleeData } = yield* Winsock.WSAConnect(s, address, { callerData: data, calleeData: 4 })
            assert.deepStrictEqual(calleeData, data.toReversed())
            yield* Winsock.send(s, data)
            assert.deepStrictEqual(yield* Winsock.recv(s, 4), data)
            assert.strictEqual((yield* Winsock.recv(s)).length, 0)
          }).pipe(Effect.scoped), { concurrency: 200, discard: true })
      })),
    120_000
  )

  it.live(
    `${interrupted} exchanges interrupted at random moments leave nothing`,
    () =>
      exchange(Effect.gen(function*() {
        const { address, listener } = yield* listening("IPv4", 4096)
        yield* Winsock.WSAAccept(listener, ({ callerData }) =>
          Effect.as(
            callerData[0]! % 2 === 0 ? Effect.yieldNow : Effect.sleep("1 millis"),
            callerData[0]! % 3 === 0 ? Winsock.CF_REJECT : Winsock.CF_ACCEPT
          )).pipe(
            Effect.flatMap(({ socket }) => Winsock.closesocket(socket)),
            Effect.ignore,
            Effect.forever,
            Effect.forkScoped
          )
        yield* Effect.forEach(Array.from({ length: interrupted }, (_, i) => i), (i) =>
          Effect.gen(function*() {
            const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
            const attempt = yield* begin(Winsock.WSAConnect(s, address, { callerData: Uint8Array.of(i % 251) }))
            for (let steps = yield* Random.nextIntBetween(0, 12); steps > 0; steps--) yield* turns(1)
            yield* Fiber.interrupt(attempt)
            const exit = yield* Fiber.await(attempt)
            const after = yield* tagOf(
              Effect.as(Winsock.getpeername(s), { _tag: "connected" } as const).pipe(Effect.flip)
            )
              .pipe(Effect.catch(() => Effect.succeed("connected")))
            if (Exit.isFailure(exit)) assert.notStrictEqual(after, "WSAENOTSOCK")
          }).pipe(Effect.scoped), { concurrency: 20, discard: true })
      })),
    120_000
  )
})

describe("the PROXY protocol alone", () => {
  const proxy = over(ConnectData.layerProxy({ entries: { authority: "shop.test" } }))

  for (const family of families) {
    it.live(`tells the true caller and its data, and is there at once (${family})`, () =>
      proxy(Effect.gen(function*() {
        const { address, listener } = yield* listening(family)
        const client = yield* Winsock.socket({ family, type: "stream" })
        yield* Winsock.WSAConnect(client, address, { callerData: bytesOf("acme") })
        yield* Winsock.send(client, bytesOf("first words"))
        const seen: Array<Winsock.ConnectionRequest> = []
        const { remote, socket: server } = yield* Winsock.WSAAccept(listener, (request) => {
          seen.push(request)
          return Effect.succeed(Winsock.CF_ACCEPT)
        })
        assert.strictEqual(textOf(seen[0]!.callerData), "acme")
        const name = family === "Unix" ? SocketAddress.unspecified("Unix") : yield* Winsock.getsockname(client)
        assert.strictEqual(SocketAddress.format(remote), SocketAddress.format(name))
        assert.strictEqual(textOf(yield* Winsock.recv(server)), "first words")
      })))
  }

  it.live("gives the source that a header names, as accept and getpeername tell it", () =>
    proxy(Effect.gen(function*() {
      const { address, listener } = yield* listening("IPv4")
      const balancer = yield* call(address)
      const header = [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0, 12]
      balancer.write(Uint8Array.of(...header, 192, 0, 2, 1, 198, 51, 100, 7, 0xc3, 0x50, 1, 0xbb, ...bytesOf("GET /")))
      const { remote, socket } = yield* Winsock.accept(listener)
      assert.strictEqual(SocketAddress.format(remote), "192.0.2.1:50000")
      assert.strictEqual(SocketAddress.format(yield* Winsock.getpeername(socket)), "192.0.2.1:50000")
      assert.strictEqual(textOf(yield* Winsock.recv(socket)), "GET /")
    })))
})
