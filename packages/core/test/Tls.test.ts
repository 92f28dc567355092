import { HappyEyeballs, SocketAddress, Tls, WsaError } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Redacted, Schema } from "effect"
import * as tls from "node:tls"
import { inspect } from "node:util"

const at = (text: string) => DateTime.makeUnsafe(text)
const remote = SocketAddress.fromInputUnsafe("[2001:db8::1]:443")
const native = { code: "CERT_HAS_EXPIRED" }
const certificate: Tls.Certificate = {
  subject: "CN=example.org",
  issuer: "CN=Authority",
  names: ["example.org", "192.0.2.1"],
  validFrom: at("2026-01-01T00:00:00Z"),
  validTo: at("2026-02-01T00:00:00Z"),
  fingerprint: "AB:CD"
}
const common = { stage: "tls", remote, serverName: "example.org", native, detail: "of the chain's second" } as const
const errors = [
  new Tls.TlsUntrusted({ ...common, why: "unknown-authority", certificate }),
  new Tls.TlsExpired({ ...common, why: "expired", validTo: certificate.validTo, certificate }),
  new Tls.TlsNameMismatch({ ...common, expected: "example.org", names: certificate.names, certificate }),
  new Tls.TlsProtocol({ ...common, why: "alpn" }),
  new Tls.TlsAlert({ ...common, alert: "certificate_required", number: 116 }),
  new Tls.TlsTruncated({ ...common, stage: "receive" }),
  new Tls.TlsBadOption({ ...common, option: "key" })
] as const
const Any = Schema.Union([
  Tls.TlsUntrusted,
  Tls.TlsExpired,
  Tls.TlsNameMismatch,
  Tls.TlsProtocol,
  Tls.TlsAlert,
  Tls.TlsTruncated,
  Tls.TlsBadOption
])

describe("Tls", () => {
  describe("errors", () => {
    for (const error of errors) {
      it(`${error._tag} crosses JSON with all that it carries, its attempts too`, () => {
        const attempts = [{ address: remote, stage: "tls", code: error._tag, began: 0, ended: 2 }] as const
        const codec = Schema.toCodecJson(Any)
        const raced = WsaError.withAttempts(error, attempts)
        const json: unknown = JSON.parse(JSON.stringify(Schema.encodeSync(codec)(raced)))
        const back = Schema.decodeUnknownSync(codec)(json)
        assert.strictEqual(back.constructor, error.constructor)
        assert.deepStrictEqual({ ...back }, { ...raced })
        assert.strictEqual(back.message, error.message)
        assert.strictEqual(back.retryClass, error.retryClass)
      })
    }

    it("tell more than a connect that came to nothing: the failure of a race", () => {
      const refused = WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" })
      for (const error of errors) assert.strictEqual(HappyEyeballs.primary([refused, error]), error)
    })

    it("what breaks the connection keeps its code, or its name where WSAConnect has no such code", () => {
      const of = (code: "WSAECONNABORTED" | "WSAENETRESET" | "WSAEMSGSIZE") =>
        Tls.fromTransport(WsaError.make(code, { call: "recv", stage: "receive", remote, native: { code: "EX" } }))
      const aborted = of("WSAECONNABORTED")
      assert.deepInclude({ ...aborted }, { _tag: "WSAECONNABORTED", call: "WSAConnect", stage: "tls", remote })
      for (const code of ["WSAENETRESET", "WSAEMSGSIZE"] as const) {
        const error = of(code)
        assert.deepInclude({ ...error }, { _tag: "WsaUnmapped", code, stage: "tls", native: { code: "EX" } })
      }
    })
  })

  it("a name fits a certificate as Node says that it does", () => {
    const names = [
      "example.org",
      "EXAMPLE.org",
      "*.example.org",
      "a.*.example.org",
      "*",
      "*.org",
      "*.*.org",
      "xn--bcher-kva.example",
      "192.0.2.1",
      "2001:db8::1"
    ]
    const asked = [
      "example.org",
      "Example.Org",
      "example.org.",
      "www.example.org",
      "a.b.example.org",
      "a.www.example.org",
      "org",
      "notexample.org",
      "xn--bcher-kva.example",
      "192.0.2.1",
      "192.0.2.2",
      "2001:db8::1",
      "2001:0db8:0::1",
      "2001:db8::2"
    ]
    const isIp = (name: string) => /^[\d.]+$/.test(name) || name.includes(":")
    for (const name of names) {
      const subjectaltname = isIp(name) ? `IP Address:${name}` : `DNS:${name}`
      for (const host of asked) {
        const wrong = tls.checkServerIdentity(host, { subject: {}, subjectaltname } as tls.PeerCertificate)
        assert.strictEqual(Tls.isFor([name], host), wrong === undefined, `${name} for ${host}`)
      }
    }
    assert.isFalse(Tls.isFor(["example.org"], ""))
    assert.isFalse(Tls.isFor([], "example.org"))
  })

  it("an option of another type is told by its name, and is no defect", () => {
    const identity = { cert: "c", key: Redacted.make("k") }
    const wiped = Redacted.make("k")
    Redacted.wipeUnsafe(wiped)
    const cases: ReadonlyArray<readonly [option: Tls.TlsBadOption["option"], options: object]> = [
      ...[null, 0, {}].map((serverName) => ["serverName", { serverName }] as const),
      ...[null, "h2", [1]].map((alpn) => ["alpn", { alpn }] as const),
      ...["TLSv1", "TLSv1.1", "SSLv3", null, 3].flatMap((version) =>
        [["minVersion", { minVersion: version }], ["maxVersion", { maxVersion: version }]] as const
      ),
      ...[null, 5, {}, [null], ["c", 5]].map((ca) => ["ca", { ca }] as const),
      ...[null, {}, { ...identity, cert: null }].map((identity) => ["cert", { identity }] as const),
      ...["k", null, Redacted.make(5), wiped].map((key) => ["key", { identity: { ...identity, key } }] as const),
      ...["p", null, Redacted.make(5)].map((word) =>
        ["passphrase", { identity: { ...identity, passphrase: word } }] as const
      ),
      ...[null, {}].map((sessions) => ["sessions", { sessions }] as const)
    ]
    for (const [option, options] of cases) {
      const given = { serverName: "example.org", identity, ...options }
      const fault = Tls.faultOf("client", given as Tls.ConnectOptions)
      assert.strictEqual(fault?.option, option, JSON.stringify(options))
    }
    assert.strictEqual(Tls.faultOf("server", {} as Tls.AcceptOptions)?.option, "cert")
    const right: Tls.ConnectOptions = {
      serverName: "example.org",
      alpn: [],
      ca: [],
      identity: { ...identity, passphrase: Redacted.make("") },
      sessions: new Tls.SessionCache()
    }
    assert.isUndefined(Tls.faultOf("client", right))
  })

  describe("a cache of sessions", () => {
    const now = at("2026-01-15T00:00:00Z")
    const bytes = (n: number) => new Uint8Array([n])
    const given = (n: number, certificate?: Tls.Certificate) => ({ bytes: bytes(n), certificate })

    it("gives one of TLS 1.3 once, the newest first, and one of TLS 1.2 again", () => {
      const sessions = new Tls.SessionCache()
      const options = { serverName: "example.org" }
      sessions.put(options, { bytes: bytes(1), protocol: "TLSv1.3" })
      sessions.put(options, { bytes: bytes(2), protocol: "TLSv1.3" })
      assert.deepStrictEqual(sessions.take({ ...options }, now), given(2))
      assert.deepStrictEqual(sessions.take(options, now), given(1))
      assert.isUndefined(sessions.take(options, now))
      sessions.put(options, { bytes: bytes(3), protocol: "TLSv1.2" })
      sessions.put(options, { bytes: bytes(4), protocol: "TLSv1.2" })
      assert.strictEqual(sessions.size, 1)
      assert.deepStrictEqual(sessions.take(options, now), given(4))
      assert.deepStrictEqual(sessions.take(options, now), given(4))
    })

    it("gives it only to whoever verifies the same in the same way", () => {
      const sessions = new Tls.SessionCache()
      const identity = { cert: "c", key: Redacted.make("k") }
      const options = { serverName: "example.org", ca: "authority", identity }
      sessions.put(options, { bytes: bytes(1), protocol: "TLSv1.3" })
      const others: ReadonlyArray<Tls.ConnectOptions> = [
        { ...options, serverName: "example.com" },
        { ...options, ca: "another" },
        { ...options, ca: undefined },
        { ...options, identity: { ...identity } },
        { ...options, dangerouslyAcceptAnyCertificate: true }
      ]
      for (const other of others) assert.isUndefined(sessions.take(other, now))
      assert.deepStrictEqual(sessions.take({ ...options, alpn: ["h2"] }, now), given(1))
    })

    it("shows nobody what it keeps: who has a session can read what was said under it", () => {
      const sessions = new Tls.SessionCache()
      sessions.put({ serverName: "example.org" }, { bytes: new Uint8Array([251, 252, 253]), protocol: "TLSv1.3" })
      for (const text of [JSON.stringify(sessions), inspect(sessions, { depth: 9, showHidden: true })]) {
        assert.notInclude(text, "251")
      }
    })

    it("gives none whose certificate has expired, and drops the oldest", () => {
      const sessions = new Tls.SessionCache({ capacity: 2 })
      const options = { serverName: "example.org" }
      sessions.put(options, { bytes: bytes(1), protocol: "TLSv1.2", certificate })
      assert.deepStrictEqual(sessions.take(options, now), given(1, certificate))
      assert.isUndefined(sessions.take(options, certificate.validTo))
      assert.strictEqual(sessions.size, 0)
      for (const n of [1, 2, 3]) sessions.put(options, { bytes: bytes(n), protocol: "TLSv1.3" })
      assert.strictEqual(sessions.size, 2)
      assert.deepStrictEqual([sessions.take(options, now), sessions.take(options, now)], [given(3), given(2)])
    })
  })
})
