// Proxies that nobody here wrote: what each says of a target comes back as the codes that docs/proxies.md has for it. They run
// in namespaces of their own, where there are routes that refuse, a port that is silent and names that are known: see
// proxies/run.ts.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as path from "node:path"
import type { Outcome } from "./proxies/run.ts"
import { lackingFor, runInNamespaces } from "./utils/namespaces.ts"

const programs = ["danted", "microsocks", "squid", "tinyproxy", "haproxy", "dnsmasq", "nft", "ip", "openssl"]
const lacking = lackingFor(programs, "mount -t tmpfs none /dev/shm")
if (lacking !== undefined) process.stderr.write(`skipped: proxies of Debian: ${lacking}\n`)

/** What becomes of a connect, by the proxy it goes through. */
const expected: { readonly [what: string]: { readonly [proxy: string]: string } } = {
  "IPv4": { dante: "open", microsocks: "open", squid: "open", tinyproxy: "open" },
  "IPv6": { dante: "open", microsocks: "open", squid: "open", tinyproxy: "open" },
  "a name": { dante: "open", microsocks: "open", squid: "open", tinyproxy: "open" },
  "in a row": { all: "open" },
  "nobody listens": {
    dante: "WSAECONNREFUSED",
    microsocks: "WSAECONNREFUSED",
    squid: "WSAECONNREFUSED",
    // It has one word for everything.
    tinyproxy: "ProxyFailure"
  },
  "nobody listens, by name": {
    dante: "WSAECONNREFUSED",
    microsocks: "WSAECONNREFUSED",
    squid: "WSAECONNREFUSED",
    tinyproxy: "ProxyFailure"
  },
  "in a row, and nobody listens": { all: "WSAECONNREFUSED" },
  "no route": {
    dante: "WSAENETUNREACH",
    microsocks: "WSAENETUNREACH",
    squid: "WSAENETUNREACH",
    tinyproxy: "ProxyFailure"
  },
  "no route to the host": {
    dante: "WSAEHOSTUNREACH",
    microsocks: "WSAEHOSTUNREACH",
    squid: "WSAEHOSTUNREACH",
    tinyproxy: "ProxyFailure"
  },
  "forbidden by a route": {
    dante: "ProxyFailure",
    microsocks: "ProxyFailure",
    squid: "WSAEACCES",
    tinyproxy: "ProxyFailure"
  },
  // microsocks has no rules.
  "forbidden by the proxy": { dante: "WSAEACCES", microsocks: "open", squid: "WSAEACCES", tinyproxy: "WSAEACCES" },
  "no answer": { dante: "WSAETIMEDOUT", microsocks: "WSAETIMEDOUT", squid: "WSAETIMEDOUT", tinyproxy: "ProxyFailure" },
  "no such name": {
    dante: "WSAEHOSTUNREACH",
    microsocks: "ProxyFailure",
    squid: "ProxyFailure",
    tinyproxy: "ProxyFailure"
  },
  "a user is missing": {
    dante: "ProxyAuthenticationRequired",
    microsocks: "ProxyAuthenticationRequired",
    squid: "ProxyAuthenticationRequired",
    tinyproxy: "ProxyAuthenticationRequired"
  },
  "a user is wrong": {
    dante: "ProxyAuthenticationRequired",
    microsocks: "ProxyAuthenticationRequired",
    squid: "ProxyAuthenticationRequired",
    tinyproxy: "ProxyAuthenticationRequired"
  },
  "a user is right": { microsocks: "open", squid: "open", tinyproxy: "open" },
  "asked for HTTP": { microsocks: "ProxyProtocol" }
}

const became = (outcome: string): string => outcome === "open" ? "hello, client" : `${outcome} proxy`

describe.skipIf(lacking !== undefined)("ProxyServers", () => {
  const outcomes = new Map<string, Outcome>()
  let words = ""
  let code: number | null = null

  beforeAll(async () => {
    const ran = await runInNamespaces<Outcome>(path.join(import.meta.dirname, "proxies/run.ts"), 50_000)
    words = ran.words
    code = ran.code
    for (const outcome of ran.outcomes) outcomes.set(`${outcome.proxy}: ${outcome.what}`, outcome)
  }, 60_000)

  for (const [what, proxies] of Object.entries(expected)) {
    it(`${what}: ${[...new Set(Object.values(proxies))].join(" or ")}`, () => {
      for (const [proxy, outcome] of Object.entries(proxies)) {
        const found = outcomes.get(`${proxy}: ${what}`)
        assert.strictEqual(found?.became, became(outcome), `${proxy}: ${found?.detail ?? words.slice(-2000)}`)
      }
    })
  }

  it("a proxy that is not there is refused of the stage connect", () => {
    assert.strictEqual(outcomes.get("nobody: is not there")?.became, "WSAECONNREFUSED connect")
  })

  it("the header of the PROXY protocol goes through each to HAProxy, which takes us for the caller", () => {
    for (const proxy of ["dante", "microsocks", "squid", "tinyproxy"]) {
      const found = outcomes.get(`${proxy}: who calls`)
      assert.strictEqual(found?.became, "127.0.0.9 to 127.0.0.1:81", `${proxy}: ${found?.detail ?? words.slice(-2000)}`)
    }
  })

  afterAll(() => {
    assert.strictEqual(code, 0, words.slice(-2000))
    const known = Object.values(expected).reduce((sum, proxies) => sum + Object.keys(proxies).length, 1 + 4)
    assert.strictEqual(outcomes.size, known, "each outcome is expected")
  })
})
