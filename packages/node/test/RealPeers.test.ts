// Connects to servers that nobody here wrote: what is wrong on both sides of our own listeners would show here.
// Each test starts its server on loopback and stops it; `.ci/run` installs them, and elsewhere a missing one is skipped.
import { SocketAddress, Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { networkInterfaces, tmpdir } from "node:os"
import path from "node:path"

const directories = [...(process.env["PATH"] ?? "").split(path.delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"]

const find = (program: string) =>
  directories.map((directory) => path.join(directory, program)).find((file) => existsSync(file))

const hasIPv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some((a) => a.address === "::1"))

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(path.join(tmpdir(), "winsock-peer-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

/** A port that was free a moment ago. */
const freePort = (host: string) =>
  Effect.scoped(Effect.gen(function*() {
    const s = yield* Winsock.socket({ family: host.includes(":") ? "IPv6" : "IPv4", type: "stream" })
    yield* Winsock.bind(s, `${host}:0`)
    return SocketAddress.portOf(yield* Winsock.getsockname(s))!
  }))

interface Server {
  readonly child: ChildProcess
  /** What it has said so far. */
  readonly output: () => string
}

/** Runs a server for as long as the scope lasts. */
const start = (program: string, args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync((): Server & { readonly kill: () => void } => {
      const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] })
      let output = ""
      const take = (chunk: Buffer) => output += chunk.toString()
      child.stdout.on("data", take)
      child.stderr.on("data", take)
      child.on("error", take)
      const kill = () => void child.kill("SIGKILL")
      process.once("exit", kill) // also where the test is not asked any more
      return { child, kill, output: () => output }
    }),
    ({ child, kill }) =>
      Effect.callback<void>((resume) => {
        process.off("exit", kill)
        if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        kill()
      })
  )

const ended = ({ child, output }: Server) =>
  Effect.callback<never>((resume) => {
    const end = () => resume(Effect.die(`the server ended by itself: ${output()}`))
    if (child.exitCode !== null || child.signalCode !== null) return end()
    child.once("exit", end).once("error", end)
    return Effect.sync(() => void child.off("exit", end).off("error", end))
  })

/** Connects the same socket again and again until the server is there, which is what being ready means. */
const connectWhenReady = (server: Server, address: SocketAddress.Input) =>
  Effect.gen(function*() {
    const family = SocketAddress.familyOf(SocketAddress.fromInputUnsafe(address))
    const s = yield* Winsock.socket({ family, type: "stream" })
    yield* Winsock.WSAConnect(s, address).pipe(
      Effect.retry({ while: (error) => error._tag === "WSAECONNREFUSED", schedule: Schedule.spaced("20 millis") }),
      Effect.raceFirst(ended(server)),
      Effect.timeoutOrElse({
        duration: "15 seconds",
        orElse: () => Effect.die(`the server is not there: ${server.output()}`)
      })
    )
    return s
  })

const sendText = (s: Winsock.Socket, text: string) => Winsock.send(s, new TextEncoder().encode(text))

const receiveText = (s: Winsock.Socket, until: (text: string) => boolean) =>
  Effect.gen(function*() {
    let text = ""
    while (!until(text)) {
      const bytes = yield* Winsock.recv(s)
      if (bytes.length === 0) break
      text += new TextDecoder().decode(bytes)
    }
    return text
  }).pipe(Effect.timeout("10 seconds"))

const queryForA = (name: string) => {
  // its number, recursion wanted, one question
  const bytes = [0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]
  for (const label of name.split(".")) bytes.push(label.length, ...new TextEncoder().encode(label))
  bytes.push(0, 0, 1, 0, 1) // the root, A, IN
  return Uint8Array.from(bytes)
}

/** A test that runs where the program is installed, and says why where it is not. */
const withServer = (
  program: string,
  title: string,
  test: (file: string) => Effect.Effect<void, unknown, Winsock.Winsock | Scope.Scope>,
  lacking: string | undefined = undefined
) => {
  const file = find(program)
  const reason = file === undefined ? `${program} is not installed` : lacking
  if (reason !== undefined) process.stderr.write(`skipped: ${title}: ${reason}\n`)
  it.live.skipIf(reason !== undefined)(
    reason === undefined ? title : `${title} (${reason})`,
    () => test(file!).pipe(Effect.scoped, Effect.provide(NodeWinsock.layer)),
    60_000
  )
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
