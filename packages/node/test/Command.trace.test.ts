// `winsock connect --trace`: what it draws, and what it writes as events. In memory where no peer of its own is needed.
import { ConnectorEvent, Winsock } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { once } from "node:events"
import * as http from "node:http"
import * as net from "node:net"
import * as tls from "node:tls"
import { blackHole } from "./utils/blackHole.ts"
import { Certificates } from "./utils/certificates.ts"
import { command, commandIn, commandProcess, inMemory, type Ran, spawned } from "./utils/command.ts"

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.toCodecJson(ConnectorEvent.ConnectorEvent)))

const eventsOf = ({ out }: { readonly out: string }) =>
  out.split("\n").filter((line) => line !== "").map((line) => decode(line))

const tagsOf = (ran: Ran) => eventsOf(ran).map(({ _tag }) => _tag)

const listening = (address: string) =>
  Effect.gen(function*() {
    const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
    yield* Winsock.bind(listener, address)
    yield* Winsock.listen(listener)
  })

describe("winsock connect --trace", () => {
  it.effect("E09: races the addresses of a name, draws what happens, and ends with 0", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* listening("127.0.0.1:80")
        const { err, exitCode, out } = yield* command("connect", "both.test:80", "--trace")
        assert.deepStrictEqual([exitCode, err], [0, ""])
        const [title, axis, ...rows] = out.split("\n")
        assert.match(title!, /^both\.test:80: connected to 127\.0\.0\.1:80 from 127\.0\.0\.1:\d+ in .*ms$/)
        assert.match(axis!, /^ {23}0 ms +\d.*ms$/)
        const cells = rows.map((row) => [row.slice(0, 22).trimEnd(), row.slice(60).replace(/:\d{4,}$/, ":PORT")])
        assert.deepStrictEqual(cells, [
          ["look up IPv6", "::1"],
          ["look up IPv4", "127.0.0.1"],
          ["1 [::1]:80", "WSAECONNREFUSED"],
          ["2 127.0.0.1:80", "won"],
          ["  connect", "from 127.0.0.1:PORT"]
        ])
        for (const line of out.split("\n")) assert.isAtMost(line.length, 80)
      })
    ))

  it.effect("says what the code means where it fails, and ends with 1", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { exitCode, out } = yield* command("connect", "127.0.0.1:9", "--trace")
        assert.strictEqual(exitCode, 1)
        assert.match(out, /^127\.0\.0\.1:9: WSAECONNREFUSED after /)
        assert.match(out, /^1 127\.0\.0\.1:9 .*x .* WSAECONNREFUSED$/m)
        assert.match(out, /^WSAECONNREFUSED \(10061\): the other side refused/m)
      })
    ))

  it.effect("writes each event as a line of JSON", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* listening("127.0.0.1:80")
        const ran = yield* command("connect", "127.0.0.1:80", "--trace", "--json")
        assert.strictEqual(ran.exitCode, 0)
        assert.deepStrictEqual(tagsOf(ran), [
          "Began",
          "AttemptBegan",
          "SocketOpened",
          "Connected",
          "AttemptWon",
          "Succeeded"
        ])
        assert.deepInclude(eventsOf(ran)[0], { _tag: "Began", target: "127.0.0.1:80", pipeline: 1, time: 0 })
      })
    ))

  it.effect("binds, and tries again after a code, half a second later", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const flags = ["--trace", "--json", "--bind", "127.0.0.2", "--retry", "WSAECONNREFUSED=1"]
        const fiber = yield* Effect.forkChild(command("connect", "127.0.0.1:9", ...flags))
        while (fiber.pollUnsafe() === undefined) {
          yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
          yield* TestClock.adjust("100 millis")
        }
        const ran = yield* Fiber.join(fiber)
        assert.strictEqual(ran.exitCode, 1)
        const events = eventsOf(ran)
        assert.deepStrictEqual(tagsOf(ran).filter((tag) => /^Attempt|^Retry/.test(tag)), [
          "AttemptBegan",
          "AttemptFailed",
          "RetryScheduled",
          "AttemptBegan",
          "AttemptFailed",
          "RetryStopped"
        ])
        assert.deepInclude(events.find(({ _tag }) => _tag === "RetryScheduled"), { delay: 500, round: 1 })
        const bound = yield* command("connect", "127.0.0.1:9", "--trace", "--bind", "203.0.113.9")
        assert.match(bound.out, /^127\.0\.0\.1:9: WSAEADDRNOTAVAIL at bind after /)
      })
    ))

  it.effect("ends with 2 where flags do not go together", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const wrong = (...args: ReadonlyArray<string>) =>
          Effect.map(command("connect", ...args), ({ err, exitCode, out }) => [exitCode, out, err.trim()])
        assert.deepStrictEqual(yield* wrong("127.0.0.1:9", "--tls", "--attempt-timeout", "1"), [
          2,
          "",
          "--tls, --attempt-timeout: only with --trace"
        ])
        assert.deepStrictEqual(yield* wrong("127.0.0.1:9", "--trace", "--alpn", "h2"), [
          2,
          "",
          "--alpn: only with --tls"
        ])
        assert.deepStrictEqual(yield* wrong("127.0.0.1:9", "--trace", "--send", "x", "--proxy-protocol", "one-way"), [
          2,
          "",
          "--send, --proxy-protocol: not with --trace, which connects and says nothing"
        ])
        assert.deepStrictEqual(yield* wrong("udp:127.0.0.1:9", "--trace"), [
          2,
          "",
          "--trace is for connections: UDP has none"
        ])
        const [code, , err] = yield* wrong("127.0.0.1:9", "--trace", "--proxy", "ftp://a:1")
        assert.strictEqual(code, 2)
        assert.include(err, "the scheme ftp is none of http, socks5, socks5h")
      })
    ))

  it.effect("keeps a line on a terminal that says what it waits for, and takes it away", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* listening("127.0.0.1:80")
        const { err, exitCode } = yield* commandIn({ terminal: true })("connect", "both.test:80", "--trace")
        assert.strictEqual(exitCode, 0)
        assert.include(err, "looking both.test up")
        assert.isTrue(err.endsWith("\r\u001b[2K"))
      })
    ))
})

// --- with real peers -------------------------------------------------------------------------------------------------

const closing = <S extends net.Server>(server: S) =>
  Effect.gen(function*() {
    const sockets = new Set<net.Socket>()
    server.on("connection", (socket) => sockets.add(socket.on("error", () => {})))
    yield* Effect.acquireRelease(
      Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    )
    return (server.address() as net.AddressInfo).port
  })

const certificates = Effect.acquireRelease(
  Effect.sync(() => new Certificates()),
  (made) => Effect.sync(() => made.remove())
)

const live = (title: string, body: Effect.Effect<unknown, unknown, Scope.Scope>) =>
  it.live(title, () => Effect.asVoid(Effect.scoped(body)), 60_000)

describe("winsock connect --trace, live", () => {
  live(
    "shows the handshake and what is to be spoken, through a proxy too, and what is wrong with a certificate",
    Effect.gen(function*() {
      const made = yield* certificates
      const { cert, key } = made.issued()
      const port = yield* closing(tls.createServer({ cert, key, ALPNProtocols: ["h2"] }).on("tlsClientError", () => {}))
      const proxy = http.createServer().on("connect", (request, client: net.Socket, head: Buffer) => {
        const target = net.connect(Number(request.url!.split(":")[1]), "127.0.0.1", () => {
          client.write("HTTP/1.1 200 OK\r\n\r\n")
          target.write(head)
          client.pipe(target).pipe(client)
        }).on("error", () => client.destroy())
        client.on("error", () => target.destroy())
      })
      const proxyPort = yield* closing(proxy)
      const trusting = ["--trace", "--tls", "--alpn", "h2", "--ca", made.ca.certFile]

      const direct = yield* commandProcess("connect", `localhost:${port}`, ...trusting)
      assert.deepStrictEqual([direct.exitCode, direct.err], [0, ""])
      assert.match(direct.out, /^localhost:\d+: connected to 127\.0\.0\.1:\d+ from /)
      assert.match(direct.out, /^  connect .* from 127\.0\.0\.1:\d+$/m)
      assert.match(direct.out, /^  tls .* TLSv1\.3 h2$/m)

      const through = ["--proxy", `http://127.0.0.1:${proxyPort}`, "--json"]
      const proxied = yield* commandProcess("connect", `localhost:${port}`, ...trusting, ...through)
      assert.strictEqual(proxied.exitCode, 0, proxied.out + proxied.err)
      assert.deepStrictEqual(tagsOf(proxied), [
        "Began",
        "AttemptBegan",
        "SocketOpened",
        "Connected",
        "AttemptWon",
        "ProxyPassed",
        "TlsDone",
        "Succeeded"
      ])
      assert.deepInclude(eventsOf(proxied)[5], {
        proxy: `http://127.0.0.1:${proxyPort}`,
        destination: `localhost:${port}`
      })
      assert.deepInclude(eventsOf(proxied)[6], { version: "TLSv1.3", protocol: "h2", serverName: "localhost" })

      const untrusting = yield* commandProcess("connect", `127.0.0.1:${port}`, "--trace", "--tls")
      assert.deepStrictEqual([untrusting.exitCode, untrusting.err], [1, ""])
      assert.match(untrusting.out, /^127\.0\.0\.1:\d+: TlsUntrusted at tls after /)
      assert.match(untrusting.out, /^  tls .*x /m)
    })
  )

  live(
    "SIGINT: 130, with the picture of what is known by then",
    Effect.gen(function*() {
      const address = yield* blackHole
      const running = yield* spawned("connect", address, "--trace", "--json")
      yield* Effect.promise(async () => {
        while (!running.output.out.includes("SocketOpened")) await once(running.child.stdout, "data")
      })
      running.child.kill("SIGINT")
      const ran = yield* Effect.promise(() => running.ended)
      assert.deepStrictEqual([ran.exitCode, ran.err], [130, ""])
      assert.deepStrictEqual(tagsOf(ran).slice(-2), ["AttemptLost", "Interrupted"])
    })
  )

  live(
    "ends an attempt in its time, and the picture says so",
    Effect.gen(function*() {
      const address = yield* blackHole
      const { exitCode, out } = yield* commandProcess("connect", address, "--trace", "--attempt-timeout", "200ms")
      assert.strictEqual(exitCode, 1)
      assert.match(out, /: WSAETIMEDOUT after 2\d\d/)
      assert.include(out, "the attempt took longer than 200ms")
    })
  )
})
