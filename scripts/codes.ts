// Writes `docs/codes.md`, the page of codes, from the tables of `WsaError`. With `--check` it writes nothing, and fails
// where the page does not say what the tables say.
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as WsaError from "../packages/core/src/WsaError.ts"
import { table } from "./lib/markdown.ts"

const page = fileURLToPath(new URL("../docs/codes.md", import.meta.url))

const codes = Object.keys(WsaError.table) as Array<WsaError.Code>
const calls = Object.entries(WsaError.callErrors) as ReadonlyArray<[WsaError.Call, ReadonlyArray<WsaError.Code>]>

const reachesQos = (call: WsaError.Call): boolean => WsaError.reachesQos.some((other) => other === call)

const endsWith = (code: WsaError.Code): string =>
  calls
    .filter(([call, codes]) =>
      codes.includes(code) || (reachesQos(call) && WsaError.table[code].retryClass === "qos-error")
    )
    .map(([call]) => call)
    .join(", ")

const render = (): string => {
  const reached = codes.filter((code) => endsWith(code) !== "")
  const others = codes.filter((code) => endsWith(code) === "")
  return `# The codes

Every Winsock code has a class of its name in \`WsaError\`, and its name is the tag: \`Effect.catchTag("WSAECONNREFUSED", …)\`.
\`npx --no-install winsock errors CODE\` tells the same of one code, also by its number or its POSIX name. This page is written by
\`npx -y pnpm@12 codes\` from the tables of \`WsaError\`.

The class says how to take a code when deciding on another attempt: \`transient\` may go well another time, \`resource\` has
run out here, \`defect\` is the program's own, and so on (\`WsaError.RetryClass\`).

## Codes that a call can end with

The WSA_QOS_* errors are in the types of the calls that
apply a quality of service, ${
    WsaError.reachesQos.map((call) => `\`${call}\``).join(", ")
  }, and no provider here says one: what cannot be honoured is WSAEOPNOTSUPP.
They are what \`Qos.check\` and the layers of \`Qos\` tell, see [qos.md](qos.md). \`connect\` applies none, so its union is the
short one: a program that needs no quality of service handles fewer codes with it.

${
    table(
      ["code", "number", "POSIX", "class", "what it means", "calls"],
      reached.map((code) => {
        const { number, posix, retryClass, words } = WsaError.table[code]
        return [code, String(number), posix ?? "", retryClass, words, endsWith(code)]
      })
    )
  }

## Codes that no call ends with by itself

They have classes all the same: a stack may say one of them, and then it arrives inside \`WsaUnmapped\`, which carries what was
said. The WSA_QOS_* ones among them are news about a reservation, and no failures of a call.

${
    table(
      ["code", "number", "POSIX", "class", "what it means"],
      others.map((code) => {
        const { number, posix, retryClass, words } = WsaError.table[code]
        return [code, String(number), posix ?? "", retryClass, words]
      })
    )
  }

## Calls

A call that asks a provider can also end with \`WsaUnmapped\`; those are ${
    WsaError.reachesProvider.map((call) => `\`${call}\``).join(", ")
  }.

${
    table(
      ["call", "codes"],
      calls.map(([call, codes]) => [
        call,
        codes.join(", ") + (reachesQos(call) ? ", and every code of the class `qos-error`" : "")
      ])
    )
  }
`
}

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } })
if (!values.check) writeFileSync(page, render())
else if (readFileSync(page, "utf8") !== render()) {
  process.stderr.write("docs/codes.md is not what WsaError says; run `npx -y pnpm@12 codes`\n")
  process.exitCode = 1
}
