import * as path from "node:path"
import { defineConfig } from "vitest/config"

// Runs what `scripts/doctest.mjs` extracted: the examples of doc comments, README.md and docs/.
const reports = process.env.WINSOCK_REPORTS

export default defineConfig({
  resolve: { tsconfigPaths: true },
  test: {
    include: [".doctest/**/*.test.ts", "packages/*/.doctest/**/*.test.ts"],
    exclude: ["**/node_modules/**"],
    sequence: { concurrent: false },
    maxWorkers: 2,
    testTimeout: 20_000,
    reporters: reports === undefined
      ? ["default"]
      : ["default", ["json", { outputFile: path.join(reports, "docs.json") }]]
  }
})
