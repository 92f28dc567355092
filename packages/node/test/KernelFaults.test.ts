// A real kernel brings every code about that it can: see kernel/causes.ts for what happens, kernel/worlds.ts for where.
//
// Each world is a process in a network namespace of its own, started with the first test; each test waits for what
// became of its cause. docs/causes.md is written from the same causes.
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as childProcess from "node:child_process"
import * as crypto from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as readline from "node:readline"
import * as LiveWorld from "../../../scripts/lib/live-world.ts"
import { type Cause, causes } from "./kernel/causes.ts"
import * as Page from "./kernel/page.ts"
import type { Outcome } from "./kernel/run.ts"
import { type WorldName, worlds } from "./kernel/worlds.ts"

const root = path.join(import.meta.dirname, "../../..")

// --- what the suite makes, and what is left of it ---------------------------------------------------------------------

/** Whatever the worlds start inherits it. */
const mark = `WINSOCK_KERNEL_FAULTS=${crypto.randomUUID()}`

const tryRead = (read: () => string): string => {
  try {
    return read()
  } catch {
    return "" // it has ended meanwhile, or is none of ours
  }
}

const ours = (): ReadonlyArray<string> =>
  fs.readdirSync("/proc").filter((name) =>
    /^\d+$/.test(name) && tryRead(() => fs.readFileSync(`/proc/${name}/environ`, "utf8")).split("\0").includes(mark)
  )

const namespaceOf = (pid: string): string => tryRead(() => fs.readlinkSync(`/proc/${pid}/ns/net`))

const settings = [
  "ipv4/ip_local_port_range",
  "ipv4/tcp_keepalive_intvl",
  "ipv4/tcp_keepalive_probes",
  "ipv4/tcp_keepalive_time",
  "ipv4/tcp_retries2",
  "ipv4/tcp_rto_max_ms",
  "ipv4/tcp_syn_linear_timeouts",
  "ipv4/tcp_syn_retries",
  "ipv6/conf/all/disable_ipv6"
]

/** What a world that ran out here instead of in its namespace would have changed. */
const outside = () => ({
  devices: Object.keys(os.networkInterfaces()).filter((name) => name.startsWith("wk")),
  settings: settings.map((name) => tryRead(() => fs.readFileSync(`/proc/sys/net/${name}`, "utf8")))
})

// --- the worlds ------------------------------------------------------------------------------------------------------

const has = (command: string): boolean =>
  childProcess.spawnSync("sh", ["-c", "command -v \"$1\"", "sh", command], { stdio: "ignore" }).status === 0

interface Running {
  /** Why it cannot be had here. */
  readonly lacking: string | undefined
  readonly child: childProcess.ChildProcess | undefined
  readonly outcomes: Map<string, Outcome>
  /** What it said besides. */
  readonly words: () => string
  readonly over: Promise<void>
}

interface Suite {
  readonly worlds: Map<WorldName, Running>
  readonly before: ReturnType<typeof outside>
  readonly directory: string
  /** The namespaces and processes that were there while it ran. */
  readonly seen: { readonly namespaces: Set<string>; readonly processes: Set<string> }
}

const notHere = (lacking: string): Running => ({
  lacking,
  child: undefined,
  outcomes: new Map(),
  words: () => "",
  over: Promise.resolve()
})

const startWorld = (
  name: WorldName,
  command: ReadonlyArray<string> | string,
  { directory, seen }: Pick<Suite, "directory" | "seen">
): Running => {
  if (typeof command === "string") return notHere(command)
  const { lacking, needs, under } = worlds[name]
  const missing = needs.filter((program) => !has(program))
  if (missing.length > 0) return notHere(`needs ${missing.join(", ")}`)
  const reason = lacking?.()
  if (reason !== undefined) return notHere(reason)
  const [file, ...flags] = [
    ...command,
    "sh",
    "-c",
    "ip link set lo up && exec \"$@\"",
    "sh",
    ...under ?? [],
    process.execPath,
    path.join(import.meta.dirname, "kernel/run.ts"),
    name
  ]
  const child = childProcess.spawn(file!, flags, {
    cwd: root,
    env: { ...process.env, TMPDIR: directory, [mark.split("=")[0]!]: mark.split("=")[1]! },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let words = ""
  child.stderr.on("data", (chunk: Buffer) => {
    words += chunk.toString()
  })
  const outcomes = new Map<string, Outcome>()
  const lines = readline.createInterface(child.stdout).on("line", (line) => {
    const outcome = JSON.parse(line) as Outcome
    outcomes.set(outcome.cause, outcome)
    for (const pid of ours()) {
      seen.processes.add(pid)
      seen.namespaces.add(namespaceOf(pid))
    }
  })
  const over = Promise.all([
    new Promise((resolve) => child.on("close", resolve)),
    new Promise((resolve) => lines.on("close", resolve))
  ])
  return { lacking: undefined, child, outcomes, words: () => words, over: over.then(() => undefined) }
}

let suite: Suite | undefined

const start = (): Suite => {
  if (suite !== undefined) return suite
  const made = {
    directory: fs.mkdtempSync(path.join(os.tmpdir(), "winsock-kernel-faults-")),
    seen: { namespaces: new Set<string>(), processes: new Set<string>() },
    before: outside()
  }
  const command = LiveWorld.namespaceCommand()
  const names = Object.keys(worlds) as Array<WorldName>
  suite = { ...made, worlds: new Map(names.map((name) => [name, startWorld(name, command, made)])) }
  return suite
}

afterAll(() => {
  if (suite === undefined) return
  for (const { child } of suite.worlds.values()) child?.kill()
  fs.rmSync(suite.directory, { recursive: true, force: true })
})

// --- the tests -------------------------------------------------------------------------------------------------------

const long = process.env.WINSOCK_TIER === "long" ? 300_000 : 150_000

const titleOf = ({ call, cause, code, rows }: Cause): string =>
  `${rows.join(", ")}: ${cause}: ${call} ${code === undefined ? "succeeds" : `gives ${code}`}`

describe("KernelFaults", () => {
  for (const cause of causes) {
    it(titleOf(cause), async (context) => {
      const { lacking, outcomes, over, words } = start().worlds.get(cause.world)!
      if (lacking !== undefined) return context.skip(lacking)
      await over
      const outcome = outcomes.get(cause.cause)
      assert.isDefined(outcome, `its world ended before it: ${words()}`)
      assert.isUndefined(outcome.defect)
      const { code, said } = cause
      assert.deepStrictEqual(
        { call: outcome.call, said: outcome.said, code: outcome.code },
        { call: code === undefined ? undefined : cause.call, said, code }
      )
      assert.isAtLeast(outcome.seconds, cause.least ?? 0)
    }, long)
  }

  it("nothing is left behind: no process, no namespace, no device, no setting, no file", async (context) => {
    const { before, directory, seen, worlds } = start()
    const running = [...worlds.values()].filter(({ lacking }) => lacking === undefined)
    if (running.length === 0) return context.skip([...worlds.values()][0]!.lacking)
    for (const { over } of running) await over
    const own = namespaceOf("self")
    assert.isAtLeast(seen.processes.size, running.length, "they were seen while they ran")
    assert.isAtLeast(seen.namespaces.size, running.length)
    assert.isFalse(seen.namespaces.has(own))
    // A namespace is gone with the last process in it, since none of them is given a name. Looking for its number would
    // tell nothing: the next one of the machine gets it.
    assert.deepStrictEqual(ours(), [])
    assert.deepStrictEqual(outside(), before)
    assert.deepStrictEqual(fs.readdirSync(directory), [])
  }, long)

  it("E01 to E20: at least fifteen come out of a live connect, and of each other one it is said why not", () => {
    const live = Page.documented.filter(([, code]) => Page.causesOf(code).length > 0)
    assert.isAtLeast(live.length, 15)
    assert.strictEqual(Page.documented.length, 20)
    for (const [row, code] of Page.documented) {
      assert.strictEqual(Page.notLive.has(code), Page.causesOf(code).length === 0, `${row} ${code}`)
    }
  })

  it("no two causes have the same words", () => {
    assert.strictEqual(new Set(causes.map(({ cause }) => cause)).size, causes.length)
  })
})
