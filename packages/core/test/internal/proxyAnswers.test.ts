import { HappyEyeballs, WsaError } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import * as Answers from "../../src/internal/proxyAnswers.ts"

const shown = (refusal: Answers.Refusal | undefined): string | undefined =>
  refusal === undefined ? undefined : refusal._tag === "Code"
    ? refusal.code
    : refusal._tag === "Failure"
    ? `Failure ${refusal.retryClass}${refusal.retryAfter === undefined ? "" : ` ${refusal.retryAfter}`}`
    : refusal._tag

const http = (status: number, fields: { readonly [name: string]: string } = {}, reason = "Reason") =>
  Answers.ofHttp({ status, reason, fields: Object.entries(fields).map(([name, value]) => ({ name, value })) })

describe("proxyAnswers", () => {
  it("SOCKS5: every reply comes to what the page says", () => {
    const table = [
      "Failure transient",
      "WSAEACCES",
      "WSAENETUNREACH",
      "WSAEHOSTUNREACH",
      "WSAECONNREFUSED",
      "WSAETIMEDOUT",
      "WSAEOPNOTSUPP",
      "WSAEAFNOSUPPORT"
    ]
    for (let reply = 1; reply < 256; reply++) {
      assert.strictEqual(shown(Answers.ofSocks5(reply)), table[reply - 1] ?? "Protocol", `${reply}`)
    }
    assert.strictEqual(Answers.ofSocks5(5).words, "connection refused (5)")
    assert.strictEqual(Answers.ofSocks5(0xf0).words, "a reply that is not assigned (240)")
  })

  it("HTTP: every status that says nothing more comes to what the page says", () => {
    const known: { readonly [status: number]: string } = {
      400: "Protocol",
      401: "Authentication",
      403: "WSAEACCES",
      404: "WSAHOST_NOT_FOUND",
      405: "WSAEOPNOTSUPP",
      407: "Authentication",
      429: "Failure resource",
      451: "WSAEACCES",
      501: "WSAEOPNOTSUPP",
      504: "WSAETIMEDOUT",
      508: "WSAELOOP"
    }
    for (let status = 200; status < 1000; status++) {
      const otherwise = status < 300 ? undefined : status < 500 ? "Failure other" : "Failure transient"
      assert.strictEqual(shown(http(status)), known[status] ?? otherwise, `${status}`)
    }
  })

  it("RFC 9209: the token says more than the status", () => {
    const tokens = {
      dns_timeout: "WSATRY_AGAIN",
      dns_error: "WSAHOST_NOT_FOUND",
      "dns_error; rcode=\"NXDOMAIN\"": "WSAHOST_NOT_FOUND",
      "dns_error; rcode=\"SERVFAIL\"": "WSATRY_AGAIN",
      destination_not_found: "WSAHOST_NOT_FOUND",
      destination_unavailable: "Failure transient 7",
      destination_ip_prohibited: "WSAEACCES",
      destination_ip_unroutable: "WSAEHOSTUNREACH",
      connection_refused: "WSAECONNREFUSED",
      connection_terminated: "WSAECONNRESET",
      connection_timeout: "WSAETIMEDOUT",
      connection_read_timeout: "WSAETIMEDOUT",
      connection_write_timeout: "WSAETIMEDOUT",
      connection_limit_reached: "Failure resource 7",
      tls_protocol_error: "Failure other",
      tls_certificate_error: "Failure other",
      tls_alert_received: "Failure other",
      http_request_denied: "WSAEACCES",
      http_request_error: "Failure transient 7",
      http_protocol_error: "Failure transient 7",
      proxy_internal_error: "Failure transient 7",
      proxy_configuration_error: "Failure transient 7",
      proxy_loop_detected: "WSAELOOP",
      one_to_come: "Failure transient 7",
      constructor: "Failure transient 7"
    }
    for (const [token, expected] of Object.entries(tokens)) {
      const status = { "proxy-status": `p.test; error=${token}`, "retry-after": "7" }
      assert.strictEqual(shown(http(502, status)), expected, token)
    }
  })

  it("RFC 9209: of several proxies the one nearest to the target that says more than the status counts", () => {
    const value = "origin; error=one_to_come, a; error=connection_refused, b; error=connection_timeout"
    assert.strictEqual(shown(http(502, { "proxy-status": value })), "WSAECONNREFUSED")
    assert.strictEqual(shown(http(504, { "proxy-status": "not a list;" })), "WSAETIMEDOUT")
    assert.strictEqual(shown(http(407, { "proxy-status": "a; error=connection_refused" })), "Authentication")
    assert.isUndefined(http(200, { "proxy-status": "a; error=connection_refused" }))
  })

  it("Squid: its own field says more than its status, by the numbers of Linux and of BSD", () => {
    const squid = (value: string) => shown(http(503, { "x-squid-error": value }))
    assert.strictEqual(squid("ERR_DNS_FAIL 0"), "WSAHOST_NOT_FOUND")
    for (const [errno, code] of [[111, "REFUSED"], [61, "REFUSED"], [110, "TIMEDOUT"], [60, "TIMEDOUT"]] as const) {
      assert.strictEqual(squid(`ERR_CONNECT_FAIL ${errno}`), `WSAE${code === "REFUSED" ? "CONN" : ""}${code}`)
    }
    for (const errno of [101, 51]) assert.strictEqual(squid(`ERR_CONNECT_FAIL ${errno}`), "WSAENETUNREACH")
    for (const errno of [113, 65]) assert.strictEqual(squid(`ERR_CONNECT_FAIL ${errno}`), "WSAEHOSTUNREACH")
    for (const value of ["ERR_CONNECT_FAIL 5", "ERR_CANNOT_FORWARD 0", "ERR_CONNECT_FAIL", "gibberish"]) {
      assert.strictEqual(squid(value), "Failure transient", value)
    }
    // No number is that of two codes.
    const numbers = Answers.codes.flatMap((code) => {
      const { bsdErrno, linuxErrno } = WsaError.table[code]
      return [...new Set([bsdErrno, linuxErrno].filter((errno) => errno !== null))]
    })
    assert.strictEqual(new Set(numbers).size, numbers.length)
  })

  it("keeps the proxy's words, but not without end", () => {
    const words = (fields: { readonly [name: string]: string }, reason?: string) => http(502, fields, reason)?.words
    assert.strictEqual(words({}), "502 Reason")
    assert.strictEqual(words({}, ""), "502")
    assert.strictEqual(
      words({ "proxy-status": "p.test; error=connection_refused; details=\"no luck\"", "x-squid-error": "ERR_X 1" }),
      "502 Reason; connection_refused of p.test: no luck; ERR_X 1"
    )
    assert.strictEqual(words({}, "x".repeat(1000))?.length, 201)
    assert.strictEqual(words({}, "a\u009b31mb\tc"), "502 a?31mb?c")
  })

  it("says of every code how to take it, and is as telling in a race as what is done over a connection", () => {
    for (const code of Answers.codes) {
      const error = WsaError.make(code, { call: "WSAConnect", stage: "proxy" })
      const timedOut = WsaError.make("WSAETIMEDOUT", { call: "WSAConnect", stage: "connect" })
      const expected = error.retryClass === "policy" ? timedOut : error
      assert.strictEqual(HappyEyeballs.primary([timedOut, error]), expected, code)
    }
  })
})
