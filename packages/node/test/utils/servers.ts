/**
 * Servers that nobody here wrote, each run by the test that talks to it.
 */
import { SocketAddress, Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { it } from "@effect/vitest"
import { Effect, Schedule, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { networkInterfaces, tmpdir } from "node:os"
import path from "node:path"

const directories = [...(process.env["PATH"] ?? "").split(path.delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"]

export const find = (program: string) =>
  directories.map((directory) => path.join(directory, program)).find((file) => existsSync(file))

export const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some((a) => a.address === "::1")
)

export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(path.join(tmpdir(), "winsock-peer-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

/** A port that was free a moment ago. */
export const freePort = (host: string) =>
  Effect.scoped(Effect.gen(function*() {
    const s = yield* Winsock.socket({ family: host.includes(":") ? "IPv6" : "IPv4", type: "stream" })
    yield* Winsock.bind(s, `${host}:0`)
    return SocketAddress.portOf(yield* Winsock.getsockname(s))!
  }))

export interface Server {
  readonly child: ChildProcess
  /** What it has said so far. */
  readonly output: () => string
}

/** Runs a server for as long as the scope lasts. */
export const start = (program: string, args: ReadonlyArray<string>) =>
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
export const connectWhenReady = (server: Server, address: SocketAddress.Input) =>
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

export const sendText = (s: Winsock.Socket, text: string) => Winsock.send(s, new TextEncoder().encode(text))

export const receiveText = (s: Winsock.Socket, until: (text: string) => boolean) =>
  Effect.gen(function*() {
    let text = ""
    while (!until(text)) {
      const bytes = yield* Winsock.recv(s)
      if (bytes.length === 0) break
      text += new TextDecoder().decode(bytes)
    }
    return text
  }).pipe(Effect.timeout("10 seconds"))

/** A test that runs where the program is installed, and says why where it is not. */
export const withServer = (
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
