// What really goes over the wire where a QOS asks for a mark: see marking/scenes.ts for what is done, marking/capture.ts
// for who watches. The scenes run in a process of their own, in a network namespace that is gone with it; each test waits
// for what became of its scene.
import { NodeProvider, NodeWinsock } from "@effect-winsock/node"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as childProcess from "node:child_process"
import * as path from "node:path"
import * as readline from "node:readline"
import * as LiveWorld from "../../../scripts/lib/live-world.ts"
import type { Outcome } from "./marking/run.ts"
import { scenes } from "./marking/scenes.ts"

const root = path.join(import.meta.dirname, "../../..")

const has = (command: string): boolean =>
  childProcess.spawnSync("sh", ["-c", "command -v \"$1\"", "sh", command], { stdio: "ignore" }).status === 0

interface Running {
  /** Why it cannot be had here. */
  readonly lacking: string | undefined
  readonly child: childProcess.ChildProcess | undefined
  readonly outcomes: Map<string, Outcome>
  readonly words: () => string
  /** Settles once the outcome of a scene is there, or the process has ended. */
  readonly wait: (title: string) => Promise<void>
}

const notHere = (lacking: string): Running => ({
  lacking,
  child: undefined,
  outcomes: new Map(),
  words: () => "",
  wait: () => Promise.resolve()
})

const start = (): Running => {
  const command = LiveWorld.namespaceCommand()
  if (typeof command === "string") return notHere(command)
  const missing = ["tcpdump", "nft", "ss"].filter((program) => !has(program))
  if (missing.length > 0) return notHere(`needs ${missing.join(", ")}`)
  const [file, ...flags] = [...command, "sh", "-c", "ip link set lo up && exec \"$@\"", "sh", process.execPath]
  const child = childProcess.spawn(file!, [...flags, path.join(import.meta.dirname, "marking/run.ts")], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"]
  })
  let words = ""
  child.stderr.on("data", (chunk: Buffer) => {
    words += chunk.toString()
  })
  const outcomes = new Map<string, Outcome>()
  const waiting = new Map<string, () => void>()
  const lines = readline.createInterface(child.stdout).on("line", (line) => {
    const outcome = JSON.parse(line) as Outcome
    outcomes.set(outcome.title, outcome)
    waiting.get(outcome.title)?.()
  })
  const over = Promise.all([
    new Promise((resolve) => child.on("close", resolve)),
    new Promise((resolve) => lines.on("close", resolve))
  ])
  return {
    lacking: undefined,
    child,
    outcomes,
    words: () => words,
    wait: (title) =>
      outcomes.has(title) ? Promise.resolve() : Promise.race([
        over.then(() => undefined),
        new Promise<void>((resolve) => waiting.set(title, resolve))
      ])
  }
}

let running: Running | undefined

afterAll(() => {
  running?.child?.kill()
})

describe("Marking", () => {
  for (const { title } of scenes) {
    it(title, async (context) => {
      running ??= start()
      if (running.lacking !== undefined) return context.skip(running.lacking)
      await running.wait(title)
      const outcome = running.outcomes.get(title)
      assert.isDefined(outcome, `it ended before: ${running.words()}`)
      assert.isUndefined(outcome.defect)
    }, 60_000)
  }

  it("no two scenes have the same title", () => {
    assert.strictEqual(new Set(scenes.map(({ title }) => title)).size, scenes.length)
  })

  it("the capabilities say what can be marked, paced and prioritised, with koffi and without", async () => {
    const systemCalls = await Effect.runPromise(NodeProvider.koffi)
    const kinds = [["IPv4", "stream"], ["IPv6", "stream"], ["Unix", "stream"], ["IPv4", "datagram"], [
      "IPv6",
      "datagram"
    ]] as const
    const table = (options?: { readonly systemCalls: NodeProvider.SystemCalls }) =>
      kinds.map(([family, type]) => {
        const { marking, pacing, priority } = NodeProvider.make(options).capabilities({
          family,
          type,
          direction: "both"
        })
        return { marking, pacing, priority }
      })
    const linux = process.platform === "linux"
    const nothing = { marking: false, pacing: false, priority: false }
    const marks = { ...nothing, marking: process.platform !== "win32" }
    const paces = { ...marks, pacing: linux, priority: linux }
    const ranks = { ...nothing, marking: linux, priority: linux }
    assert.deepStrictEqual(table(), [marks, marks, nothing, nothing, nothing])
    assert.deepStrictEqual(table({ systemCalls }), [paces, paces, nothing, ranks, ranks])
  })

  it("what the system refuses is thrown in its own words", async () => {
    const { getsockopt, setsockopt } = await Effect.runPromise(NodeProvider.koffi)
    const words = { code: "EBADF", errno: -9 }
    assert.deepInclude(caught(() => getsockopt(-1, 1, 12)), { ...words, syscall: "getsockopt" })
    assert.deepInclude(caught(() => setsockopt(-1, 1, 12, 0)), { ...words, syscall: "setsockopt" })
  })

  it("koffi is loaded by the layer that is asked for it, when it is built, and by no other", () => {
    const outcome = program(`
      const { createRequire } = require("node:module")
      const loaded = () => Object.keys(createRequire("${root}/x.js").cache).some((file) => file.includes("/koffi/"))
      Promise.all([import("effect"), import("@effect-winsock/node")]).then(async ([{ Effect, Layer }, { NodeWinsock }]) => {
        const build = (layer) => Effect.runPromise(Effect.scoped(Layer.build(layer)))
        const asked = NodeWinsock.layerWith({ systemCalls: "koffi" })
        await build(NodeWinsock.layer)
        await build(NodeWinsock.layerWith({}))
        console.log(loaded())
        await build(asked)
        console.log(loaded())
      })`)
    assert.strictEqual(outcome, process.platform === "linux" ? "false\ntrue\n" : "false\nfalse\n")
  })

  it.skipIf(process.platform !== "linux")("a layer that is asked for koffi fails where it is not installed", () => {
    const outcome = program(`
      require("node:module").registerHooks({
        resolve: (name, context, next) => {
          if (name !== "koffi") return next(name, context)
          throw Object.assign(new Error("Cannot find module 'koffi'\\nRequire stack:"), { code: "MODULE_NOT_FOUND" })
        }
      })
      Promise.all([import("effect"), import("@effect-winsock/node")]).then(async ([{ Effect, Layer }, { NodeWinsock }]) => {
        const build = (layer) => Effect.runPromise(Effect.scoped(Layer.build(layer)))
        await build(NodeWinsock.layer)
        const asked = Layer.build(NodeWinsock.layerWith({ systemCalls: "koffi" }))
        const { _tag, detail } = await Effect.runPromise(Effect.flip(Effect.scoped(asked)))
        console.log(JSON.stringify({ _tag, detail }))
      })`)
    assert.deepStrictEqual(JSON.parse(outcome), {
      _tag: "WSASYSNOTREADY",
      detail: "koffi is an optional peer dependency, which was asked for and cannot be loaded: " +
        "Cannot find module 'koffi'"
    })
  })

  it("a Node that lacks what marks a stream, or leads to the descriptor of a datagram socket, says that it cannot", () => {
    const outcome = program(`
      const dgram = require("node:dgram")
      delete require("node:net").Socket.prototype.setTypeOfService
      dgram.createSocket = () => ({ close: () => undefined })
      require("node:module").syncBuiltinESMExports()
      import("@effect-winsock/node").then(({ NodeProvider }) => {
        const systemCalls = { getsockopt: () => 0, setsockopt: () => undefined }
        const { capabilities } = NodeProvider.make({ systemCalls })
        const of = (type) => capabilities({ family: "IPv4", type, direction: "both" })
        console.log(JSON.stringify(["stream", "datagram"].map((type) => [of(type).marking, of(type).priority])))
      })`)
    const linux = process.platform === "linux"
    assert.deepStrictEqual(JSON.parse(outcome), [[false, linux], [false, false]])
  })

  it("a version can be asked for beside koffi", async () => {
    const layer = NodeWinsock.layerWith({ version: 0, systemCalls: "koffi" })
    const error = await Effect.runPromise(Effect.flip(Effect.scoped(Layer.build(layer))))
    assert.strictEqual(error._tag, "WSAVERNOTSUPPORTED")
  })
})

const caught = (run: () => unknown): unknown => {
  try {
    return run()
  } catch (error) {
    return error
  }
}

/** What a program of its own writes, which has loaded nothing yet. */
const program = (text: string): string =>
  childProcess.execFileSync(process.execPath, ["-e", text], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
