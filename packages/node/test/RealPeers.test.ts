// Connects to servers that nobody here wrote: what is wrong on both sides of our own listeners would show here.
// Each test starts its server on loopback and stops it; `.ci/run` installs them, and elsewhere a missing one is skipped.
import { ConnectData, Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { assert, describe } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { writeFileSync } from "node:fs"
import path from "node:path"
import {
  connectWhenReady,
  freePort,
  hasIPv6,
  receiveText,
  sendText,
  start,
  temporaryDirectory,
  withServer
} from "./utils/servers.ts"

const queryForA = (name: string) => {
  // its number, recursion wanted, one question
  const bytes = [0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]
  for (const label of name.split(".")) bytes.push(label.length, ...new TextEncoder().encode(label))
  bytes.push(0, 0, 1, 0, 1) // the root, A, IN
  return Uint8Array.from(bytes)
}

describe("RealPeers", () => {
  const ping = (s: Winsock.Socket) =>
    Effect.gen(function*() {
      yield* sendText(s, "PING\r\n")
      assert.strictEqual(yield* receiveText(s, (text) => text.endsWith("\r\n")), "+PONG\r\n")
    })

  /** Starts redis, has it answer over TCP, and gives the path it listens on too. */
  const redis = (file: string) =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const port = yield* freePort("127.0.0.1")
      const socket = path.join(directory, "redis.sock")
      const server = yield* start(
        file,
        `--bind 127.0.0.1 --port ${port} --unixsocket ${socket} --dir ${directory} --appendonly no`.split(" ")
      )
      yield* ping(yield* connectWhenReady(server, `127.0.0.1:${port}`))
      return `unix:${socket}`
    })

  withServer("redis-server", "R02: redis answers over TCP", (file) => Effect.asVoid(redis(file)))

  withServer("redis-server", "R02: redis answers over a Unix-domain path", (file) =>
    Effect.gen(function*() {
      const address = yield* redis(file)
      const s = yield* Winsock.socket({ family: "Unix", type: "stream" })
      yield* Winsock.WSAConnect(s, address)
      yield* ping(s)
    }))

  withServer(
    "redis-server",
    "redis takes a header for the beginning of a command, and says nothing",
    (file) =>
      Effect.gen(function*() {
        const address = yield* redis(file)
        const failed = Effect.gen(function*() {
          const s = yield* Winsock.socket({ family: "Unix", type: "stream" })
          return yield* Effect.flip(Winsock.WSAConnect(s, address, { callerData: new Uint8Array(8) }))
        })
        const exchange = NodeWinsock.layer.pipe(
          Layer.provide(ConnectData.layerExchange({ replyTimeout: "300 millis" }))
        )
        const error = yield* failed.pipe(Effect.scoped, Effect.provide(Layer.fresh(exchange)))
        assert.strictEqual(error._tag, "WSAETIMEDOUT")
      })
  )

  const nginx = (file: string, host: string) =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const port = yield* freePort(host)
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((what) => `${what}_temp_path ${path.join(directory, what)};`)
      writeFileSync(
        path.join(directory, "nginx.conf"),
        `daemon off; master_process off; error_log stderr; pid ${path.join(directory, "nginx.pid")};
        events {}
        http {
          access_log off; ${temporary.join(" ")}
          server { listen ${host}:${port}; location / { return 200 "hello"; } }
        }`
      )
      const config = path.join(directory, "nginx.conf")
      const server = yield* start(file, ["-p", directory, "-c", config, "-e", "stderr"])
      const s = yield* connectWhenReady(server, `${host}:${port}`)
      yield* sendText(s, "HEAD / HTTP/1.1\r\nHost: peer.test\r\nConnection: close\r\n\r\n")
      const answer = yield* receiveText(s, () => false)
      assert.isTrue(answer.startsWith("HTTP/1.1 200 OK\r\n"), answer)
      assert.isTrue(answer.endsWith("\r\n\r\n"), "the answer ends, and 0 bytes have told so")
    })

  withServer("nginx", "A08: nginx answers over IPv4, and its end is seen", (file) => nginx(file, "127.0.0.1"))

  withServer(
    "nginx",
    "A08: nginx answers over IPv6, and its end is seen",
    (file) => nginx(file, "[::1]"),
    hasIPv6 ? undefined : "this machine has no ::1"
  )

  withServer("dnsmasq", "R05: dnsmasq answers a connected datagram socket", (file) =>
    Effect.gen(function*() {
      const port = yield* freePort("127.0.0.1")
      const server = yield* start(
        file,
        (`--no-daemon --conf-file=/dev/null --no-resolv --no-hosts --pid-file= --listen-address=127.0.0.1 ` +
          `--bind-interfaces --port=${port} --address=/example.test/192.0.2.7`).split(" ")
      )
      // A datagram socket connects to anything: that TCP connects on the same port says that it is ready. In the
      // foreground it serves one caller at a time, so the connection has to end before the question.
      yield* Effect.scoped(connectWhenReady(server, `127.0.0.1:${port}`))
      const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
      yield* Winsock.WSAConnect(s, `127.0.0.1:${port}`)
      const query = queryForA("example.test")
      yield* Winsock.send(s, query)
      const answer = yield* Winsock.recv(s).pipe(Effect.timeout("10 seconds"))
      assert.deepStrictEqual(Array.from(answer.subarray(0, 2)), [0x12, 0x34])
      assert.strictEqual(answer[2]! & 0x80, 0x80, "it is an answer")
      assert.strictEqual(answer[3]! & 0x0f, 0, "without an error")
      assert.strictEqual(answer[7], 1, "one record")
      assert.deepStrictEqual(Array.from(answer.subarray(-4)), [192, 0, 2, 7])
    }))
})
