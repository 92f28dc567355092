import * as path from "node:path"
import { defineConfig } from "vitest/config"

// `WINSOCK_TIER=long` is the longer tier: the same tests with more property runs, interrupted connects and ended calls.
// A test reads the numbers, never the tier: `Number(process.env.WINSOCK_PROPERTY_RUNS)`.
const long = process.env.WINSOCK_TIER === "long"

// where `.ci/run` wants the counts; unset when a person runs the tests
const reports = process.env.WINSOCK_REPORTS

export default defineConfig({
  resolve: { tsconfigPaths: true },
  test: {
    setupFiles: [path.join(import.meta.dirname, "vitest.setup.ts")],
    include: ["packages/*/test/**/*.test.ts", "bench/test/**/*.test.ts", "examples/test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", "**/test/utils/**"],
    // Tests open real sockets and measure time: one after the other inside a file, two files at a time.
    sequence: { concurrent: false },
    maxWorkers: 2,
    testTimeout: long ? 300_000 : 20_000,
    hookTimeout: 30_000,
    env: {
      WINSOCK_TIER: long ? "long" : "gate",
      WINSOCK_PROPERTY_RUNS: long ? "5000" : "200",
      WINSOCK_DIFFERENTIAL_RUNS: process.env["WINSOCK_DIFFERENTIAL_RUNS"] ?? (long ? "2000" : "100"),
      WINSOCK_INTERRUPTED_CONNECTS: long ? "10000" : "1000",
      WINSOCK_FUZZ_INPUTS: long ? "1000000" : "20000",
      WINSOCK_CANCELLED_CALLS: long ? "3000" : "64",
      WINSOCK_SIMULATED_SEEDS: long ? "3000" : "50",
      WINSOCK_STORM_CLIENTS: long ? "10000" : "1000"
    },
    reporters: reports === undefined
      ? ["default"]
      : ["default", ["json", { outputFile: path.join(reports, "unit.json") }]]
  }
})
