// Names that dnsmasq serves, looked up by the system's resolver and at the name server itself: what a connect to each of them
// comes to, and which addresses it tries. They run in namespaces of their own: see resolving/run.ts.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as path from "node:path"
import type { Outcome } from "./resolving/run.ts"
import { lackingFor, runInNamespaces } from "./utils/namespaces.ts"

const lacking = lackingFor(["dnsmasq", "ip"], "mount --bind /etc/hosts /etc/hosts")
if (lacking !== undefined) process.stderr.write(`skipped: names of dnsmasq: ${lacking}\n`)

interface Expected {
  readonly became: string | { readonly system: string; readonly "name servers": string }
  readonly tried?: ReadonlyArray<string>
}

const four = "127.0.0.7:P"
const six = "[2001:db8:7::1]:P"

/** `P`: the port of the listener. */
const expected: { readonly [what: string]: Expected } = {
  "both families": { became: six, tried: [six] },
  "an alias": { became: six, tried: [six] },
  "IPv4 only": { became: four, tried: [four] },
  "IPv6 only": { became: six, tried: [six] },
  "a URL": { became: six, tried: [six] },
  "this machine": { became: "[::1]:P", tried: ["[::1]:P"] },
  "IPv6 leads nowhere": { became: four, tried: [four] },
  "both refuse": { became: "WSAECONNREFUSED connect", tried: ["[2001:db8:7::2]:1", "127.0.0.8:1"] },
  "no such name": { became: "WSAHOST_NOT_FOUND resolve", tried: [] },
  // getaddrinfo does not tell it from the one before, or Node does not.
  "a name without an address": {
    became: { "system": "WSAHOST_NOT_FOUND resolve", "name servers": "WSANO_DATA resolve" },
    tried: []
  },
  "the server fails": { became: "WSATRY_AGAIN resolve", tried: [] },
  "the server refuses": {
    became: { "system": "WSATRY_AGAIN resolve", "name servers": "WSANO_RECOVERY resolve" },
    tried: []
  },
  "nobody answers": { became: "WSATRY_AGAIN resolve", tried: [] },
  "IPv6 cannot be asked for": { became: four, tried: [four] },
  "IPv6 is not answered before all is over": { became: four, tried: [four] },
  "IPv4 is not answered before all is over": { became: six, tried: [six] },
  "WSAConnectByName: IPv4": { became: four },
  "WSAConnectByName: IPv6": { became: six },
  "WSAConnectByName: IPv4 on a socket for both": { became: "[::ffff:127.0.0.7]:P" },
  "WSAConnectByName: IPv4 on a socket for IPv6": {
    became: { "system": "WSAHOST_NOT_FOUND resolve", "name servers": "WSANO_DATA resolve" }
  },
  "WSAConnectByName: no such name": { became: "WSAHOST_NOT_FOUND resolve" }
}

const portless = (text: string): string => text.replace(/(:)\d{3,5}$/, "$1P")

describe.skipIf(lacking !== undefined)("Resolving", () => {
  const outcomes = new Map<string, Outcome>()
  let words = ""
  let code: number | null = null

  beforeAll(async () => {
    const ran = await runInNamespaces<Outcome>(path.join(import.meta.dirname, "resolving/run.ts"), 50_000)
    words = ran.words
    code = ran.code
    for (const outcome of ran.outcomes) outcomes.set(`${outcome.resolver}: ${outcome.what}`, outcome)
  }, 60_000)

  for (const resolver of ["system", "name servers"] as const) {
    for (const [what, { became, tried = [] }] of Object.entries(expected)) {
      const outcome = typeof became === "string" ? became : became[resolver]
      it(`${resolver}: ${what}: ${outcome}`, () => {
        const found = outcomes.get(`${resolver}: ${what}`)
        assert.strictEqual(found && portless(found.became), outcome, found?.detail ?? words.slice(-2000))
        assert.deepStrictEqual(found?.tried.map(portless), tried)
      })
    }
  }

  afterAll(() => {
    assert.strictEqual(code, 0, words.slice(-2000))
    assert.strictEqual(outcomes.size, 2 * Object.keys(expected).length, "each outcome is expected")
  })
})
