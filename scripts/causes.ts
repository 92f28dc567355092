// Writes `docs/causes.md`, what makes a call fail live, from the causes of the kernel faults. With `--check` it writes
// nothing, and fails where the page does not say what the causes say.
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { render } from "../packages/node/test/kernel/page.ts"

const page = fileURLToPath(new URL("../docs/causes.md", import.meta.url))

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } })
if (!values.check) writeFileSync(page, render())
else if (readFileSync(page, "utf8") !== render()) {
  process.stderr.write("docs/causes.md is not what the kernel faults say; run `npx -y pnpm@12 causes`\n")
  process.exitCode = 1
}
