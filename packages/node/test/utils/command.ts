// The command, run in this process, with what it writes caught.
import { ConnectData, Winsock } from "@effect-winsock/core"
import { Report } from "@effect-winsock/node"
import { Memory } from "@effect-winsock/testing"
import {
  Cause,
  ConfigProvider,
  Console,
  Effect,
  Exit,
  FileSystem,
  Layer,
  Path,
  PlatformError,
  Runtime,
  Schema,
  type Scope,
  Sink,
  Stdio,
  Stream,
  Terminal
} from "effect"
import { AddressResolver, Dns } from "effect/net"
import { ChildProcessSpawner } from "effect/process"
import { TestConsole } from "effect/testing"
import { spawn } from "node:child_process"
import path from "node:path"
import { run } from "../../src/internal/command.ts"
import { Network } from "../../src/internal/command/request.ts"

/** What a run of the command did. */
export interface Ran {
  readonly exitCode: number
  readonly out: string
  readonly err: string
}

/** Where it runs: on a pipe, unless said otherwise. */
export interface Place {
  readonly terminal?: boolean
  readonly environment?: { readonly [name: string]: string }
  /** Is told of what it writes to stdout, at once. */
  readonly wrote?: (line: string) => void
}

/** Names that the command can look up. */
const names = {
  "both.test": ["::1", "127.0.0.1"],
  "four.test": ["127.0.0.1"]
}

/** A file that the command can read. */
export const file = { path: "/tenant.bin", bytes: new Uint8Array([0, 1, 254, 255]) }

/** Another one, without an end. */
export const endless = "/endless"

const unused = Effect.die("the command does not use it")

const environment = (stderr: Array<string>, { environment = {}, terminal = false }: Place) =>
  Layer.mergeAll(
    FileSystem.layerNoop({
      stream: (path, options) =>
        path === file.path
          ? Stream.make(file.bytes)
          // It has no end but the one that the reader sets.
          : path === endless
          ? Stream.make(new Uint8Array(Number(options!.bytesToRead)))
          : Stream.fail(
            PlatformError.systemError({
              _tag: "NotFound",
              module: "FileSystem",
              method: "open",
              pathOrDescriptor: path
            })
          )
    }),
    Path.layer,
    Layer.succeed(
      Terminal.Terminal,
      Terminal.make({
        columns: Effect.succeed(80),
        rows: Effect.succeed(24),
        size: unused,
        readInput: unused,
        readLine: unused,
        display: () => unused
      })
    ),
    Layer.succeed(ChildProcessSpawner.ChildProcessSpawner, ChildProcessSpawner.make(() => unused)),
    Stdio.layerTest({
      stdoutIsTerminal: Effect.succeed(terminal),
      stderrIsTerminal: Effect.succeed(terminal),
      stderr: () => Sink.forEach((text) => Effect.sync(() => void stderr.push(String(text))))
    }),
    ConfigProvider.layer(ConfigProvider.fromUnknown(environment)),
    Layer.provide(AddressResolver.layer(), Dns.layerStatic({ hosts: names }).pipe(Layer.orDie)),
    Layer.fresh(TestConsole.layer)
  )

/** Runs a test in a world of its own, which the command runs in too; what the test does itself has the carrier. */
export const inMemory = <A, E>(
  test: (memory: Memory.Control) => Effect.Effect<A, E, Network | Winsock.Winsock | Scope.Scope>,
  carrier: Layer.Layer<never, unknown> = ConnectData.layerNone
): Effect.Effect<A, unknown> =>
  Effect.suspend(() => {
    const { control, provider } = Memory.make({ localAddresses: ["127.0.0.2:0"] })
    const winsock = Winsock.layer(provider)
    return test(control).pipe(
      Effect.scoped,
      Effect.provide(Layer.merge(Layer.succeed(Network, winsock), Layer.provide(Layer.fresh(winsock), carrier)))
    )
  })

/** Runs the command on a provider, and gives its exit code and what it wrote. */
export const commandIn = (place: Place) => (...args: ReadonlyArray<string>) =>
  Effect.suspend(() => {
    const stderr: Array<string> = []
    return Effect.gen(function*() {
      const console = yield* Console.Console
      const told: Console.Console = {
        ...console,
        log: (line: unknown) => {
          place.wrote?.(String(line))
          console.log(line)
        }
      }
      const exit = yield* Effect.exit(Effect.provideService(run(args, "1.2.3"), Console.Console, told))
      let exitCode = -1
      Runtime.defaultTeardown(exit, (code) => {
        exitCode = code
      })
      if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) return yield* Effect.die(Cause.squash(exit.cause))
      const out = yield* TestConsole.logLines
      const err = yield* TestConsole.errorLines
      return { exitCode, out: out.join("\n"), err: stderr.join("") + err.join("\n") } satisfies Ran
    }).pipe(Effect.provide(environment(stderr, place)))
  })

/** Runs the command as in a script: no terminal anywhere. */
export const command = commandIn({})

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Report.Report))

/** The reports that were written with `--json`: every line is one. */
export const reports = ({ out }: { readonly out: string }): ReadonlyArray<Report.Report> =>
  out.split("\n").filter((line) => line !== "").map((line) => decode(line))

/** The report of `winsock connect --json`, which is its only line. */
export const connectReport = (ran: Ran): Report.ConnectReport => {
  const [report, ...others] = reports(ran)
  if (report?._tag !== "ConnectReport" || others.length > 0) throw new Error(`no single report: ${ran.out}`)
  if (report.exitCode !== ran.exitCode) throw new Error(`says ${report.exitCode}, ends with ${ran.exitCode}`)
  return report
}

const bin = path.join(import.meta.dirname, "../../src/bin.ts")

/** The command as a process of its own, for as long as the scope lasts. */
export const spawned = (...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, [bin, ...args], { stdio: ["ignore", "pipe", "pipe"] })
      const output = { out: "", err: "" }
      child.stdout.on("data", (chunk: Buffer) => void (output.out += chunk.toString()))
      child.stderr.on("data", (chunk: Buffer) => void (output.err += chunk.toString()))
      const ended = new Promise<Ran>((resolve) =>
        child.once("close", (code, signal) =>
          resolve({ exitCode: code ?? -1, ...output, ...(signal && { err: signal }) }))
      )
      return { child, ended, output }
    }),
    ({ child, ended }) =>
      Effect.promise(() => {
        child.kill("SIGKILL")
        return ended
      })
  )

/** Runs the command as a process of its own until it ends. */
export const commandProcess = (...args: ReadonlyArray<string>) =>
  Effect.scoped(Effect.flatMap(spawned(...args), ({ ended }) => Effect.promise(() => ended)))
