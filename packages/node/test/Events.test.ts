import { NodeWinsock } from "@effect-winsock/node"
import { afterAll, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { type Place, play } from "../../testing/test/utils/eventHistory.ts"

// The same histories as in memory, some of them, on sockets of this machine.
const runs = Math.ceil(Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200) / 10)
const only = process.env["WINSOCK_EVENTS_SEED"]
const seeds = only === undefined ? Array.from({ length: runs }, (_, i) => i + 1) : [Number(only)]

let directory = ""
let paths = 0

beforeAll(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), "winsock-events-"))
})
afterAll(() => {
  rmSync(directory, { recursive: true })
})

const tcp: Place = { family: "IPv4", local: () => "127.0.0.1:0", turns: 3, resets: true, fills: false }
const unix: Place = {
  family: "Unix",
  local: () => `unix:${directory}/${paths++}`,
  turns: 3,
  resets: false,
  fills: true
}

describe("events, by chance", () => {
  for (const place of [tcp, unix]) {
    it.live(
      `A17–A20: every event is told exactly when the rows say, in each way of asking (${place.family}, ${seeds.length} seeds)`,
      () =>
        Effect.gen(function*() {
          for (const seed of seeds) yield* play(seed, 20, place).pipe(Effect.provide(NodeWinsock.layer))
        }),
      900_000
    )
  }
})
