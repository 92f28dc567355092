import { Memory } from "@effect-winsock/testing"
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Place, play } from "./utils/eventHistory.ts"

const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200)
const only = process.env["WINSOCK_EVENTS_SEED"]
const seeds = only === undefined ? Array.from({ length: runs }, (_, i) => i + 1) : [Number(only)]

const place: Place = { family: "IPv4", local: () => "127.0.0.1:0", turns: 1, resets: true, fills: true }

describe("events, by chance", () => {
  it.live(
    `A17–A20: every event is told exactly when the rows say, in each way of asking (${seeds.length} seeds)`,
    () =>
      Effect.gen(function*() {
        for (const seed of seeds) {
          const window = [500, 4096, 65536][seed % 3]!
          yield* play(seed, 30, place).pipe(Effect.provide(Memory.layer({ window })))
        }
      }),
    900_000
  )
})
