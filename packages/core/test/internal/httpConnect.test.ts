import { assert, describe, it } from "@effect/vitest"
import type { Decoded } from "../../src/internal/decoded.ts"
import * as Http from "../../src/internal/httpConnect.ts"
import { inputs, Random } from "../utils/fuzz.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const faultOf = (decoded: Decoded<unknown>) => (decoded._tag === "Wrong" ? decoded.fault : decoded._tag)

const established = "HTTP/1.1 200 Connection established\r\n\r\n"
const denied =
  "HTTP/1.1 403 Forbidden\r\nProxy-Status: proxy.test; error=http_request_denied\r\nContent-Length: 2\r\n\r\nno"
const samples = [
  established,
  denied,
  "HTTP/1.0 200 OK\r\nA: b\r\nA: c\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204\r\n\r\n",
  "HTTP/1.1 502 Bad Gateway\nX: y\n z\n\n"
]

const read = (text: string, bound?: number) => Http.decodeResponse(utf8(text), bound)
const done = (text: string) => {
  const decoded = read(text)
  return decoded._tag === "Done" ? decoded : assert.fail(`${JSON.stringify(text)}: ${JSON.stringify(decoded)}`)
}

describe("httpConnect", () => {
  it("asks in the form of an authority, with what is to go along", () => {
    const bytes = Http.encodeRequest({
      authority: "[2001:db8::1]:443",
      authorization: "Basic dTpw",
      fields: [{ name: "User-Agent", value: "x" }]
    })
    assert.strictEqual(
      textOf(bytes),
      "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n" +
        "Proxy-Authorization: Basic dTpw\r\nUser-Agent: x\r\n\r\n"
    )
  })

  it("lets no field be given in which another begins, or which would make a second request", () => {
    const fault = (name: string, value: string) => Http.fieldFault({ name, value })
    assert.isUndefined(fault("User-Agent", "effect winsock/1.0 (café)"))
    assert.isUndefined(fault("X-Empty", ""))
    assert.isUndefined(fault("X-Tab", "a\tb"))
    for (const value of ["a\r\nHost: evil", "a\nb", "a\rb", "a\0b", "a\u007fb", " a", "a\t"]) {
      assert.isString(fault("X", value), JSON.stringify(value))
    }
    for (const name of ["", "a b", "a:", "a\r\nb", "é", "a\0"]) assert.isString(fault(name, "x"), JSON.stringify(name))
    for (const name of ["Host", "HOST", "Proxy-Authorization", "Content-Length", "transfer-encoding", "Expect"]) {
      assert.isString(fault(name, "x"), name)
    }
  })

  it("reads the head of an answer, and what follows belongs to the target", () => {
    const { used, value } = done(`${established}hello`)
    assert.deepStrictEqual(value, { status: 200, reason: "Connection established", fields: [] })
    assert.strictEqual(used, established.length)
  })

  it("reads over answers of the class 1xx", () => {
    const text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 \r\nA: b\r\n\r\n"
    const { used, value } = done(`${text}rest`)
    assert.deepStrictEqual(value, { status: 204, reason: "", fields: [{ name: "a", value: "b" }] })
    assert.strictEqual(used, text.length)
    assert.strictEqual(faultOf(read("HTTP/1.1 101 Switching Protocols\r\n\r\n")), "malformed")
  })

  it("takes lines that end with LF alone, no reason, lines that are folded, bytes that are no UTF-8", () => {
    const { value } = done("HTTP/1.1 502\nA: b\n  c\n\td\nB:\n\n")
    assert.deepStrictEqual(value, {
      status: 502,
      reason: "",
      fields: [{ name: "a", value: "b c d" }, { name: "b", value: "" }]
    })
    const latin = Http.decodeResponse(Uint8Array.from([...utf8("HTTP/1.1 500 "), 0xe9, ...utf8("\r\n\r\n")]))
    assert.strictEqual(latin._tag === "Done" && latin.value.reason, "é")
  })

  it("is foreign at the first byte that HTTP/1 does not begin with, also after an answer of 1xx", () => {
    const greetings = ["SSH-2.0-x\r\n", "\x05\x00", "\x16\x03\x01", "http/1.1", "HTTP/2 200", "\r\nHTTP/1.1 200 OK"]
    for (const text of greetings) assert.strictEqual(faultOf(read(text)), "foreign", JSON.stringify(text))
    assert.strictEqual(faultOf(read("HTTP/1.1 100 \r\n\r\nX")), "foreign")
    assert.strictEqual(faultOf(read("HTTP/1.1 100 \r\n\r\nHTT")), "Need")
  })

  it("is malformed without a status, with a field that is none, and with a control character", () => {
    const heads = [
      "HTTP/1.1 20 OK",
      "HTTP/1.1 2000 OK",
      "HTTP/1.1 099 OK",
      "HTTP/1.1  200 OK",
      "HTTP/1.1",
      "HTTP/1.1 200 OK\r\nno colon",
      "HTTP/1.1 200 OK\r\nA : b",
      "HTTP/1.1 200 OK\r\n: b",
      "HTTP/1.1 200 OK\r\n folded",
      "HTTP/1.1 200 OK\r\nA: b\0c",
      "HTTP/1.1 200 OK\r\nA: b\rc",
      "HTTP/1.1 200 O\x1bK"
    ]
    for (const head of heads) assert.strictEqual(faultOf(read(`${head}\r\n\r\n`)), "malformed", JSON.stringify(head))
  })

  it("is too long beyond its bound, whether it has an end or not, and with all that goes before it", () => {
    assert.strictEqual(faultOf(read(established, established.length)), "Done")
    assert.strictEqual(faultOf(read(established, established.length - 1)), "tooLong")
    assert.strictEqual(faultOf(read(established.slice(0, 20), 21)), "Need")
    assert.strictEqual(faultOf(read(established.slice(0, 20), 20)), "tooLong")
    const endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000)
    assert.strictEqual(faultOf(read(endless)), "tooLong")
    assert.strictEqual(faultOf(read(`HTTP/1.1 200 OK\r\nA: ${"a".repeat(16 * 1024)}`)), "tooLong")
  })

  it("needs more at every byte but the last, and says the same whatever the pieces", () => {
    for (const text of samples) {
      const bytes = utf8(text)
      const whole = Http.decodeResponse(bytes)
      if (whole._tag !== "Done") return assert.fail(text)
      for (let length = 0; length < bytes.length; length++) {
        const decoded = Http.decodeResponse(bytes.subarray(0, length))
        if (length >= whole.used) assert.deepStrictEqual(decoded, whole)
        else assert.deepStrictEqual(decoded, { _tag: "Need", atLeast: length + 1 })
      }
    }
  })

  it("looks at nothing again for each byte that comes: bytes one by one cost no more than all at once", () => {
    let searches = 0
    class Counted extends Uint8Array {
      override indexOf(...args: Parameters<Uint8Array["indexOf"]>): number {
        searches++
        return super.indexOf(...args)
      }
    }
    const heads = [`HTTP/1.1 200 OK\n${"a:\n".repeat(1000)}\n`, `${"HTTP/1.1 100\n\n".repeat(300)}${established}`]
    for (const head of heads) {
      const bytes = new Counted(utf8(head))
      const decode = Http.responseDecoder()
      searches = 0
      for (let length = 1; length < bytes.length; length++) {
        assert.strictEqual(decode(bytes.subarray(0, length))._tag, "Need")
      }
      assert.deepStrictEqual(decode(bytes), Http.decodeResponse(bytes))
      assert.isBelow(searches, 4 * bytes.length)
    }
  })

  it("says the same of every input, at once and byte by byte", () => {
    const random = new Random(9112)
    for (let i = 0; i < inputs / 10; i++) {
      const bytes = random.mutate(utf8(random.pick(samples)))
      const bound = random.pick([16, 64, 16 * 1024])
      const decode = Http.responseDecoder(bound)
      let decoded: Decoded<Http.Response> = decode(new Uint8Array(0))
      for (let length = 1; length <= bytes.length && decoded._tag === "Need"; length++) {
        decoded = decode(bytes.subarray(0, length))
      }
      assert.deepStrictEqual(decoded, Http.decodeResponse(bytes, bound))
    }
  })

  it("never throws, and never takes what is not there, whatever comes", () => {
    const random = new Random(9110)
    const seen = new Set<string>()
    for (let i = 0; i < inputs; i++) {
      const bytes = i % 4 === 0 ? random.bytes(random.below(40)) : random.mutate(utf8(random.pick(samples)))
      const bound = random.pick([16, 64, 16 * 1024])
      const decoded = Http.decodeResponse(bytes, bound)
      if (decoded._tag === "Done") {
        assert.isAtMost(decoded.used, Math.min(bytes.length, bound))
        for (const { name, value } of decoded.value.fields) {
          assert.match(name, /^[^\sA-Z:]+$/)
          assert.strictEqual(value, value.trim())
        }
        Http.retryAfter(decoded.value)
        Http.proxyStatus(Http.fieldOf(decoded.value, "proxy-status") ?? "")
      }
      if (decoded._tag === "Need") assert.isAtMost(decoded.atLeast, bound)
      seen.add(faultOf(decoded))
      const part = Http.decodeResponse(bytes.subarray(0, random.below(bytes.length + 1)), bound)
      if (part._tag !== "Need") assert.deepStrictEqual(part, decoded)
    }
    assert.sameMembers([...seen], ["Done", "Need", "foreign", "malformed", "tooLong"])
  })

  describe("Proxy-Status", () => {
    const only = (value: string) => Http.proxyStatus(value)

    it("RFC 9209: is a list of who says what", () => {
      assert.deepStrictEqual(
        only(
          `r34.test; error=dns_error; rcode="NXDOMAIN", "a \\"proxy\\""; details="no, really; no"; error=connection_refused;` +
            ` received-status=503;x-flag, FooCDN`
        ),
        [
          { by: "r34.test", error: "dns_error", rcode: "NXDOMAIN", details: undefined },
          { by: "a \"proxy\"", error: "connection_refused", rcode: undefined, details: "no, really; no" },
          { by: "FooCDN", error: undefined, rcode: undefined, details: undefined }
        ]
      )
      assert.deepStrictEqual(only(""), [])
    })

    it("RFC 9651: says nothing where it is no such list", () => {
      for (
        const value of [
          "a b",
          "a,",
          ",a",
          "a;",
          "a; error=",
          "a; error=\"open",
          "a; Error=x",
          "\"é\"",
          "a; error==x",
          "=",
          "a;b=\"\\x\""
        ]
      ) assert.deepStrictEqual(only(value), [], value)
    })

    it("never throws, and takes time that grows with its length only", () => {
      const random = new Random(9209)
      const sample = utf8(`r34.test; error=dns_error; rcode="NXDOMAIN", b; details="x\\"y"; x=?1; y=:aGk=:; z=-1.5`)
      const lengths = new Set<number>()
      for (let i = 0; i < inputs; i++) lengths.add(only(textOf(random.mutate(sample))).length)
      assert.includeMembers([...lengths], [0, 2])
      assert.deepStrictEqual(only(`a; b="${"\\".repeat(100_001)}"`), [])
      assert.deepStrictEqual(only(`a${"; b".repeat(50_000)} !`), [])
    })
  })

  it("takes Retry-After where it is a number of seconds, and no date", () => {
    const after = (value: string) =>
      Http.retryAfter({ status: 503, reason: "", fields: [{ name: "retry-after", value }] })
    assert.strictEqual(after("120"), 120)
    assert.strictEqual(after("0"), 0)
    for (const value of ["", "-1", "1.5", "1e3", "99999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "1, 2"]) {
      assert.isUndefined(after(value), value)
    }
  })
})
