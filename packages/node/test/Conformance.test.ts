import { Conformance } from "@effect-winsock/testing"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import * as childProcess from "node:child_process"
import * as path from "node:path"
import * as readline from "node:readline"

// Routes and time-outs take a network namespace, and a process cannot move into one: so `scripts/conformance.ts` runs the
// cases, one after another, in a process of its own that is started with the first test, and each test waits for its
// case.

const nameOf = ({ row, title }: { readonly row: string; readonly title: string }): string => `${row}: ${title}`

const results = new Map(
  Conformance.cases.map((one) => [nameOf(one), Deferred.makeUnsafe<Conformance.Result, Error>()] as const)
)

let child: childProcess.ChildProcess | undefined

const start = (): void => {
  if (child !== undefined) return
  const root = path.join(import.meta.dirname, "../../..")
  const started = childProcess.spawn(process.execPath, ["scripts/conformance.ts", "--layer", "node", "--json"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"]
  })
  child = started
  let words = ""
  started.stderr.on("data", (chunk: Buffer) => {
    words += chunk.toString()
  })
  readline.createInterface(started.stdout).on("line", (line) => {
    const result = JSON.parse(line) as Conformance.Result
    const waiting = results.get(nameOf(result))
    if (waiting !== undefined) Deferred.doneUnsafe(waiting, Effect.succeed(result))
  })
  started.on("close", (code) => {
    const gone = new Error(`scripts/conformance.ts ended with ${code} before this case\n${words}`)
    for (const waiting of results.values()) Deferred.doneUnsafe(waiting, Effect.fail(gone))
  })
}

afterAll(() => {
  child?.kill()
})

describe("node", () => {
  for (const one of Conformance.cases) {
    // Plain tests: a skip inside an effect is logged as its failure.
    it(`${one.row}: ${one.title}`, async (context) => {
      start()
      const { detail, status } = await Effect.runPromise(Deferred.await(results.get(nameOf(one))!))
      if (status === "not-here") return context.skip(detail)
      assert.strictEqual(detail, "")
    }, 120_000)
  }
})
