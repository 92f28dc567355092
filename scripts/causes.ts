// Writes docs/causes.md: what makes a call fail live, what Node says then, and the code that comes of it.
import * as fs from "node:fs"
import { page } from "../packages/node/test/kernel/page.ts"

fs.writeFileSync(new URL("../docs/causes.md", import.meta.url), page())
