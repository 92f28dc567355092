// Handshakes with servers of openssl and of Node, and with peers that break off at every step. The certificates are made
// for the run, so that none expires in the repository.
import { type Connection, Connector, SocketAddress, Tls, type Winsock } from "@effect-winsock/core"
import { NodeTls, NodeWinsock } from "@effect-winsock/node"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Redacted, type Scope } from "effect"
import { once } from "node:events"
import type * as net from "node:net"
import * as tls from "node:tls"
import { Certificates, type Pair } from "./utils/certificates.ts"
import { start } from "./utils/servers.ts"

const layer = Layer.merge(NodeWinsock.layer, NodeTls.layer)
type Needed = Winsock.Winsock | Tls.Tls | Scope.Scope

const test = (title: string, program: () => Effect.Effect<unknown, unknown, Needed>, timeout = 20_000) =>
  it.live(title, () => program().pipe(Effect.scoped, Effect.provide(layer), Effect.asVoid), timeout)

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const utf8 = (text: string) => new TextEncoder().encode(text)
const identityOf = ({ cert, key }: Pair): Tls.Identity => ({ cert, key: Redacted.make(key) })

let made: Certificates
let good: Pair
let client: Pair
beforeAll(() => {
  made = new Certificates()
  good = made.issued()
  client = made.issued({ names: "DNS:client" })
})
afterAll(() => made.remove())

// --- peers -----------------------------------------------------------------------------------------------------------

/** A server of Node's that does with each socket what it is told, for as long as the scope lasts. */
const listening = <S extends net.Server>(server: S) =>
  Effect.gen(function*() {
    const sockets = new Set<net.Socket>()
    server.on("connection", (socket) => {
      sockets.add(socket)
      socket.on("error", () => {}).on("close", () => sockets.delete(socket))
    })
    yield* Effect.acquireRelease(
      Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    )
    const { port } = server.address() as net.AddressInfo
    return SocketAddress.fromInputUnsafe(`127.0.0.1:${port}`)
  })

const echo = (socket: tls.TLSSocket) => void socket.on("error", () => {}).pipe(socket)

const nodeServer = (options: tls.TlsOptions = {}, on: (socket: tls.TLSSocket) => void = echo) =>
  Effect.suspend(() => {
    const server = tls.createServer({ cert: good.cert, key: good.key, allowHalfOpen: true, ...options }, on)
    server.on("tlsClientError", () => {})
    return listening(server)
  })

/** A server of openssl's that answers each line with the line turned round. */
const opensslServer = (pair: Pair, more = "") =>
  Effect.gen(function*() {
    const args = `s_server -accept 127.0.0.1:0 -rev -cert ${pair.certFile} -key ${pair.keyFile} ${more}`
    const server = yield* start("openssl", args.trim().split(" "))
    const address = yield* Effect.callback<string>((resume) => {
      const look = () => {
        const found = /ACCEPT (\S+:\d+)/.exec(server.output())
        if (found !== null) resume(Effect.succeed(found[1]!))
      }
      server.child.stdout?.on("data", look)
      server.child.once("exit", () => resume(Effect.die(`openssl ended: ${server.output()}`)))
    })
    return SocketAddress.fromInputUnsafe(address)
  })

const secured = (address: SocketAddress.SocketAddress, options: Tls.ConnectOptions = {}) =>
  Connector.winsock.pipe(Connector.tls({ ca: made.ca.cert, serverName: "localhost", ...options })).connect(
    Connector.endpoint(address)
  )

/** What comes of one connection, which is closed then: openssl serves one after the other. */
const sessionWith = (address: SocketAddress.SocketAddress, options?: Tls.ConnectOptions) =>
  Effect.scoped(Effect.gen(function*() {
    const connection = yield* secured(address, options)
    yield* connection.write(utf8("hello\n"))
    assert.strictEqual(yield* readLine(connection), "olleh\n")
    return connection.tls
  }))

const failing = (address: SocketAddress.SocketAddress, options?: Tls.ConnectOptions) =>
  Effect.flip(secured(address, options))

const readLine = <E>(connection: Connection.Connection<E>) =>
  Effect.gen(function*() {
    let line = ""
    while (!line.endsWith("\n")) {
      const bytes = yield* connection.read
      if (bytes.length === 0) break
      line += text(bytes)
    }
    return line
  })

describe("NodeTls", () => {
  describe("openssl s_server", () => {
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      test(`answers under ${version}`, () =>
        Effect.gen(function*() {
          const address = yield* opensslServer(good, version === "TLSv1.2" ? "-tls1_2" : "-tls1_3")
          const connection = yield* secured(address)
          assert.deepInclude(connection.tls, { protocol: version, verified: true, reused: false, alpn: undefined })
          assert.strictEqual(connection.tls.serverName, "localhost")
          assert.deepStrictEqual(connection.tls.certificate?.names.slice(0, 2), ["localhost", "127.0.0.1"])
          assert.strictEqual(connection.tls.certificate?.issuer, "CN=Authority of the test")
          assert.match(connection.tls.certificate?.fingerprint ?? "", /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/)
          yield* connection.write(utf8("hello\n"))
          assert.strictEqual(yield* readLine(connection), "olleh\n")
        }))
    }

    test("an expired certificate is told with its dates", () =>
      Effect.gen(function*() {
        const pair = made.issued({ from: -10, to: -3 })
        const error = yield* failing(yield* opensslServer(pair))
        assert.instanceOf(error, Tls.TlsExpired)
        assert.strictEqual(error.why, "expired")
        const age = (Date.now() - DateTime.toEpochMillis(error.validTo!)) / 86_400_000
        assert.isTrue(age > 2.9 && age < 3.1)
        assert.strictEqual(error.native?.code, "CERT_HAS_EXPIRED")
        assert.strictEqual(error.certificate?.names[0], "localhost")
      }))

    test("one that is not valid yet, too", () =>
      Effect.gen(function*() {
        const error = yield* failing(yield* opensslServer(made.issued({ from: 2, to: 9 })))
        assert.instanceOf(error, Tls.TlsExpired)
        assert.strictEqual(error.why, "not-yet-valid")
        assert.isAbove(DateTime.toEpochMillis(error.validFrom!), Date.now())
      }))

    test("a certificate of somebody else is told with its names", () =>
      Effect.gen(function*() {
        const address = yield* opensslServer(made.issued({ names: "DNS:*.example.org,DNS:example.com" }))
        const error = yield* failing(address)
        assert.instanceOf(error, Tls.TlsNameMismatch)
        assert.strictEqual(error.expected, "localhost")
        assert.deepStrictEqual(error.names, ["*.example.org", "example.com"])
        assert.isTrue((yield* sessionWith(address, { serverName: "www.example.org" })).verified)
      }))

    test("an address has to be in the certificate, and is told nobody as a name", () =>
      Effect.gen(function*() {
        const address = yield* opensslServer(good)
        const connection = yield* secured(address, { serverName: undefined })
        assert.isTrue(connection.tls.verified)
        assert.isUndefined(connection.tls.serverName)
        const error = yield* failing(yield* opensslServer(made.issued({ names: "DNS:127.0.0.1" })), {
          serverName: undefined
        })
        assert.instanceOf(error, Tls.TlsNameMismatch)
        assert.strictEqual(error.expected, "127.0.0.1")
      }))

    test("a certificate with a common name and no other is nobody's", () =>
      Effect.gen(function*() {
        const pair = made.selfSigned("email:somebody@localhost")
        const error = yield* failing(yield* opensslServer(pair), { ca: pair.cert })
        assert.instanceOf(error, Tls.TlsNameMismatch)
        assert.deepStrictEqual(error.names, [])
        assert.strictEqual(error.certificate?.subject, "CN=localhost")
      }))

    test("an authority that nobody trusts, and a certificate that vouches for itself", () =>
      Effect.gen(function*() {
        const unknown = yield* failing(yield* opensslServer(made.issued({}, made.stranger)))
        assert.instanceOf(unknown, Tls.TlsUntrusted)
        assert.strictEqual(unknown.why, "unknown-authority")
        const pair = made.selfSigned()
        const address = yield* opensslServer(pair)
        const self = yield* failing(address)
        assert.instanceOf(self, Tls.TlsUntrusted)
        assert.strictEqual(self.why, "self-signed")
        assert.isTrue((yield* secured(address, { ca: [made.ca.cert, utf8(pair.cert)] })).tls.verified)
      }))

    test("any certificate will do for whoever says that it is dangerous", () =>
      Effect.gen(function*() {
        const address = yield* opensslServer(made.issued({ from: -10, to: -3, names: "DNS:x" }, made.stranger))
        for (const serverName of ["localhost", undefined]) {
          const session = yield* sessionWith(address, { serverName, dangerouslyAcceptAnyCertificate: true })
          assert.isFalse(session.verified)
        }
      }))

    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      test(`a client has to say who it is under ${version}`, () =>
        Effect.gen(function*() {
          const only = version === "TLSv1.2" ? "-tls1_2" : "-tls1_3"
          const address = yield* opensslServer(
            good,
            `${only} -Verify 2 -verify_return_error -CAfile ${made.ca.certFile}`
          )
          yield* sessionWith(address, { identity: identityOf(client) })

          /** What becomes of it: with TLS 1.3 the server judges when the client is through. */
          const refusal = (options: Tls.ConnectOptions) =>
            Effect.flip(Effect.scoped(Effect.flatMap(secured(address, options), (connection) => connection.read)))
          const stage = version === "TLSv1.2" ? "tls" : "receive"
          const none = yield* refusal({})
          assert.instanceOf(none, Tls.TlsAlert)
          assert.strictEqual(none.alert, version === "TLSv1.2" ? "handshake_failure" : "certificate_required")
          assert.strictEqual(none.stage, stage)
          const wrong = yield* refusal({ identity: identityOf(made.issued({}, made.stranger)) })
          assert.instanceOf(wrong, Tls.TlsAlert)
          assert.strictEqual(wrong.alert, "unknown_ca")
          assert.strictEqual(wrong.number, 48)
          assert.strictEqual(wrong.stage, stage)
        }))
    }

    test("speaks the protocol that both have named, and says where there is none", () =>
      Effect.gen(function*() {
        const address = yield* opensslServer(good, "-alpn h2")
        assert.strictEqual((yield* sessionWith(address, { alpn: ["http/1.1", "h2"] })).alpn, "h2")
        assert.isUndefined((yield* sessionWith(address)).alpn)
        const server = yield* nodeServer({ ALPNProtocols: ["h2"] })
        const error = yield* failing(server, { alpn: ["http/1.1"] })
        assert.instanceOf(error, Tls.TlsAlert)
        assert.strictEqual(error.alert, "no_application_protocol")
        assert.strictEqual(error.retryClass, "unsupported")
      }))

    test("says where there is no version in common", () =>
      Effect.gen(function*() {
        const old = yield* failing(yield* opensslServer(good, "-tls1_2"), { minVersion: "TLSv1.3" })
        assert.instanceOf(old, Tls.TlsAlert)
        assert.strictEqual(old.alert, "protocol_version")
        const recent = yield* failing(yield* opensslServer(good, "-tls1_3"), { maxVersion: "TLSv1.2" })
        assert.instanceOf(recent, Tls.TlsAlert)
        assert.strictEqual(recent.alert, "protocol_version")
      }))

    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      test(`takes a session of ${version} up again`, () =>
        Effect.gen(function*() {
          const address = yield* opensslServer(good, version === "TLSv1.2" ? "-tls1_2" : "-tls1_3")
          const sessions = new Tls.SessionCache()
          const once = (options: Tls.ConnectOptions = {}) => sessionWith(address, { sessions, ...options })
          const first = yield* once()
          assert.isFalse(first.reused)
          for (let i = 0; i < 3; i++) {
            const again = yield* once()
            assert.isTrue(again.reused)
            assert.isTrue(again.verified)
            assert.deepStrictEqual(again.certificate, first.certificate)
          }
          assert.isFalse((yield* once({ serverName: "127.0.0.1" })).reused)
          assert.isFalse((yield* once({ dangerouslyAcceptAnyCertificate: true })).reused)
        }))
    }
  })
})
