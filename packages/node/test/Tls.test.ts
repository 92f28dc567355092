// Handshakes with servers of openssl and of Node, and with peers that break off at every step. The certificates are made
// for the run, so that none expires in the repository.
import { Connection, Connector, SocketAddress, Tls, Winsock } from "@effect-winsock/core"
import { NodeTls, NodeWinsock } from "@effect-winsock/node"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Effect, Exit, Fiber, Layer, Queue, Redacted, type Scope } from "effect"
import { createHash, createPrivateKey, randomBytes } from "node:crypto"
import { once } from "node:events"
import * as net from "node:net"
import * as tls from "node:tls"
import { Certificates, type Pair } from "./utils/certificates.ts"
import { leavingNothing, turns } from "./utils/leaks.ts"
import { find, start } from "./utils/servers.ts"

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

/** A server of Node's, and the next socket of its that is through the handshake. */
const nodePeer = (on: (socket: tls.TLSSocket) => void) =>
  Effect.gen(function*() {
    const through = yield* Queue.unbounded<tls.TLSSocket>()
    const address = yield* nodeServer({}, (socket) => {
      on(socket.on("error", () => {}))
      Queue.offerUnsafe(through, socket)
    })
    return { address, socket: Queue.take(through) }
  })

/** Node forgets to end the session where what was written has not gone when it is asked to: that is known a turn later. */
const saying = (text: string) => (socket: tls.TLSSocket) =>
  void socket.write(text, () => setImmediate(() => setImmediate(() => socket.end())))

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

/** A server of this library: `accept` does the handshake of the next caller. */
const ours = (pair: Pair, options: Omit<Tls.AcceptOptions, "identity"> = {}) =>
  Effect.gen(function*() {
    const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
    yield* Winsock.bind(listener, "127.0.0.1:0")
    yield* Winsock.listen(listener)
    const tls = yield* Tls.Tls
    const all = { ...options, identity: identityOf(pair) }
    const accepted = Effect.map(Winsock.accept(listener), Connection.fromAccepted)
    return {
      address: yield* Winsock.getsockname(listener),
      accepted,
      accept: () => Effect.flatMap(accepted, (under) => tls.accept(under, all))
    }
  })

/** Stands before a server, and hands on so many of its bytes and no more. */
const relaying = (server: SocketAddress.SocketAddress, most = Infinity) =>
  Effect.gen(function*() {
    const reached = yield* Deferred.make<void>()
    const callers: Array<net.Socket> = []
    const address = yield* listening(net.createServer({ allowHalfOpen: true }, (caller) => {
      callers.push(caller)
      const upstream = net.connect(SocketAddress.portOf(server)!, "127.0.0.1").on("error", () => {})
      let passed = 0
      if (most === 0) Deferred.doneUnsafe(reached, Exit.void)
      upstream.on("data", (chunk: Buffer) => {
        const passing = chunk.subarray(0, most - passed)
        passed += passing.length
        if (passing.length > 0) caller.write(passing)
        if (passed >= most) Deferred.doneUnsafe(reached, Exit.void)
      })
      caller.on("data", (chunk) => upstream.write(chunk))
      caller.on("close", () => upstream.destroy())
    }))
    return {
      address,
      /** Waits until it has handed on so many, or the caller is done. */
      reached: Deferred.await(reached),
      done: () => void Deferred.doneUnsafe(reached, Exit.void),
      cut: (how: "end" | "reset") => {
        for (const caller of callers) {
          if (how === "end") caller.end()
          else caller.resetAndDestroy()
        }
      }
    }
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

/** What a connection is read to, all of it. */
const readAll = <E>(connection: Connection.Connection<E>) =>
  Effect.gen(function*() {
    const hash = createHash("sha256")
    let length = 0
    for (;;) {
      const bytes = yield* connection.read
      if (bytes.length === 0) return { length, hash: hash.digest("hex") }
      length += bytes.length
      hash.update(bytes)
    }
  })

const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

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

describe.skipIf(find("openssl") === undefined)("NodeTls", () => {
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

  // --- what goes through it ------------------------------------------------------------------------------------------

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    for (const length of [0, 1, 10_000, 1_000_000, 10_000_000]) {
      test(`carries ${length} bytes both ways under ${version}, and ends`, () =>
        leavingNothing(Effect.scoped(Effect.gen(function*() {
          const address = yield* nodeServer({ maxVersion: version })
          const connection = yield* secured(address)
          const bytes = randomBytes(length)
          const reading = yield* Effect.forkChild(readAll(connection), { startImmediately: true })
          yield* connection.write(bytes)
          yield* connection.end
          assert.deepStrictEqual(yield* Fiber.join(reading), { length, hash: hashOf(bytes) })
          assert.deepStrictEqual(connection.closeReason, { _tag: "Ended", by: "us" })
          assert.deepStrictEqual(yield* connection.closed, { _tag: "Ended", by: "us" })
          const late = yield* Effect.flip(connection.write(new Uint8Array(1)))
          assert.strictEqual(late._tag, "WSAESHUTDOWN")
          assert.strictEqual((yield* connection.read).length, 0)
        }))))
    }
  }

  test("reads into a buffer, lends, and keeps what there was no room for", () =>
    Effect.gen(function*() {
      const address = yield* nodeServer({}, saying("hello world"))
      const connection = yield* secured(address)
      const buffer = new Uint8Array(4)
      assert.strictEqual(yield* connection.readInto(buffer), 4)
      assert.strictEqual(text(buffer), "hell")
      assert.strictEqual(yield* connection.readLent((lent) => text(lent)), "o world")
      assert.strictEqual(yield* connection.readInto(buffer), 0)
      assert.strictEqual(yield* connection.readLent((lent) => lent.length), 0)
    }))

  test("a reader that is slow holds the writer back, and a writer waits for its peer", () =>
    Effect.gen(function*() {
      let received = 0
      const peer = yield* nodePeer((socket) => void socket.pause())
      const connection = yield* secured(peer.address)
      const socket = yield* peer.socket
      const written = { bytes: 0 }
      const writing = yield* Effect.forkChild(Effect.gen(function*() {
        const bytes = new Uint8Array(1_000_000)
        for (let i = 0; i < 64; i++) {
          yield* connection.write(bytes)
          written.bytes += bytes.length
        }
        yield* connection.end
      }))
      // It stands still when every buffer on the way is full.
      let before = -1
      while (before !== written.bytes) {
        before = written.bytes
        yield* Effect.sleep("200 millis")
      }
      assert.isBelow(written.bytes, 32_000_000)
      const ended = once(socket, "end")
      socket.on("data", (chunk) => {
        received += chunk.length
      }).resume()
      yield* Fiber.join(writing)
      yield* Effect.promise(() => ended)
      assert.strictEqual(received, 64_000_000)
    }))

  test("the peer's end is an end, and the own direction goes on", () =>
    Effect.gen(function*() {
      let heard = ""
      const peer = yield* nodePeer((socket) => {
        socket.on("data", (chunk) => {
          heard += chunk.toString()
        })
        saying("bye")(socket)
      })
      const connection = yield* secured(peer.address)
      assert.strictEqual(text(yield* connection.read), "bye")
      assert.strictEqual((yield* connection.read).length, 0)
      assert.isUndefined(connection.closeReason)
      yield* connection.write(utf8("still here"))
      const ended = once(yield* peer.socket, "end")
      yield* connection.end
      yield* Effect.promise(() => ended)
      assert.strictEqual(heard, "still here")
      assert.deepStrictEqual(connection.closeReason, { _tag: "Ended", by: "peer" })
    }))

  test("closing a connection ends the session, so that the peer knows that it has all", () =>
    Effect.gen(function*() {
      const server = yield* ours(good)
      const reading = yield* Effect.forkChild(Effect.scoped(Effect.flatMap(server.accept(), readAll)))
      yield* Effect.scoped(Effect.flatMap(secured(server.address), (connection) => connection.write(utf8("all"))))
      assert.strictEqual((yield* Fiber.join(reading)).length, 3)
    }))

  test("an end of the connection without one of the session is no end, after all that came before it", () =>
    Effect.gen(function*() {
      const relay = yield* relaying(yield* nodeServer({}, (socket) => void socket.write("half")))
      const connection = yield* secured(relay.address)
      assert.strictEqual(text(yield* connection.read), "half")
      relay.cut("end")
      const error = yield* Effect.flip(connection.read)
      assert.instanceOf(error, Tls.TlsTruncated)
      assert.strictEqual(error.stage, "receive")
      assert.strictEqual((yield* Effect.flip(connection.read))._tag, "TlsTruncated")
      const reason = yield* connection.closed
      assert.strictEqual(reason._tag === "Broken" ? reason.error._tag : reason.by, "TlsTruncated")
    }))

  test("a connection that is reset keeps its code, and stays broken", () =>
    Effect.gen(function*() {
      const relay = yield* relaying(yield* nodeServer())
      const connection = yield* secured(relay.address)
      const reading = yield* Effect.forkChild(Effect.flip(connection.read))
      relay.cut("reset")
      assert.strictEqual((yield* Fiber.join(reading))._tag, "WSAECONNRESET")
      const again = yield* Effect.flip(connection.read)
      assert.strictEqual(again._tag, "WSAECONNRESET")
      assert.strictEqual((yield* Effect.flip(connection.write(utf8("?"))))._tag, "WSAECONNRESET")
      const reason = yield* connection.closed
      assert.strictEqual(reason._tag === "Broken" ? reason.error._tag : reason.by, "WSAECONNRESET")
    }))

  test("a read that is interrupted loses nothing, a write that is breaks the connection", () =>
    Effect.gen(function*() {
      const peer = yield* nodePeer((socket) => void socket.pause())
      const connection = yield* secured(peer.address)
      const reading = yield* Effect.forkChild(connection.read, { startImmediately: true })
      yield* Fiber.interrupt(reading)
      const socket = yield* peer.socket
      socket.write("kept")
      assert.strictEqual(text(yield* connection.read), "kept")
      const writing = yield* Effect.forkChild(connection.write(new Uint8Array(30_000_000)), { startImmediately: true })
      yield* turns(20)
      yield* Fiber.interrupt(writing)
      assert.strictEqual((yield* Effect.flip(connection.write(utf8("?"))))._tag, "WSAECONNABORTED")
      assert.strictEqual((yield* Effect.flip(connection.read))._tag, "WSAECONNABORTED")
    }))

  test("an end right after the handshake of a server is an end", () =>
    leavingNothing(Effect.scoped(Effect.gen(function*() {
      const server = yield* ours(good)
      for (let i = 0; i < 30; i++) {
        const serving = yield* Effect.forkChild(Effect.scoped(Effect.flatMap(server.accept(), ({ end }) => end)))
        const { length } = yield* Effect.scoped(Effect.flatMap(secured(server.address), readAll))
        assert.strictEqual(length, 0)
        yield* Fiber.join(serving)
      }
    }))))

  test("closing it ends what waits with WSAEINTR", () =>
    Effect.gen(function*() {
      const address = yield* nodeServer({}, (socket) => void socket.on("error", () => {}).resume())
      const reading = yield* Effect.scoped(Effect.gen(function*() {
        const connection = yield* secured(address)
        return yield* Effect.forkDetach(Effect.flip(connection.read), { startImmediately: true })
      }))
      assert.strictEqual((yield* Fiber.join(reading))._tag, "WSAEINTR")
    }))

  test("closing waits for no stack that takes nothing, and ends the write that waits for it", () =>
    Effect.gen(function*() {
      const peer = yield* nodePeer((socket) => void socket.pause())
      const writing = yield* Effect.scoped(Effect.gen(function*() {
        const connection = yield* secured(peer.address)
        const writing = yield* Effect.forkDetach(Effect.flip(connection.write(new Uint8Array(40_000_000))))
        yield* turns(100)
        return writing
      }))
      assert.strictEqual((yield* Fiber.join(writing))._tag, "WSAEINTR")
    }))

  test("loses nothing where every other read is interrupted", () =>
    leavingNothing(Effect.scoped(Effect.gen(function*() {
      const bytes = randomBytes(2_000_000)
      const peer = yield* nodePeer((socket) => {
        for (let at = 0; at < bytes.length; at += 10_000) socket.write(bytes.subarray(at, at + 10_000))
        socket.end()
      })
      const connection = yield* secured(peer.address)
      const hash = createHash("sha256")
      let length = 0
      let interrupted = 0
      for (let i = 0; length < bytes.length; i++) {
        const buffer = new Uint8Array(2000)
        const reading = yield* Effect.forkChild(connection.readInto(buffer), { startImmediately: i % 3 > 0 })
        yield* turns(i % 4)
        if (i % 2 === 0) yield* Fiber.interrupt(reading)
        const exit = yield* Fiber.await(reading)
        if (Exit.isFailure(exit)) {
          interrupted++
          continue
        }
        length += exit.value
        hash.update(buffer.subarray(0, exit.value))
      }
      assert.strictEqual(hash.digest("hex"), hashOf(bytes))
      assert.isAbove(interrupted, 0)
    }))))

  // --- what breaks it ------------------------------------------------------------------------------------------------

  for (
    const [what, why, bytes] of [
      ["garbage", "not-tls", randomBytes(600).fill(0xab, 0, 5)],
      ["an answer of HTTP", "not-tls", utf8("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")],
      ["a greeting of SMTP", "not-tls", utf8("220 mail.example.org ESMTP\r\n")],
      ["a record that is longer than any", "malformed", Uint8Array.from([22, 3, 3, 255, 255, ...new Uint8Array(64)])],
      ["a message that is none", "malformed", Uint8Array.from([22, 3, 3, 0, 4, 99, 0, 0, 0])]
    ] as const
  ) {
    test(`${what} in place of an answer is ${why}`, () =>
      leavingNothing(Effect.scoped(Effect.gen(function*() {
        const address = yield* listening(net.createServer((socket) => socket.write(bytes)))
        const error = yield* failing(address)
        assert.instanceOf(error, Tls.TlsProtocol)
        assert.strictEqual(error.why, why)
      }))))
  }

  test("each alert of a peer is told by its name", () =>
    leavingNothing(Effect.scoped(Effect.gen(function*() {
      let number = 0
      const address = yield* listening(net.createServer((socket) => {
        socket.on("error", () => {}).once("data", () => socket.write(Uint8Array.from([21, 3, 3, 0, 2, 2, number])))
      }))
      for (const alert of Object.keys(Tls.alerts) as Array<Tls.Alert>) {
        number = Tls.alerts[alert]
        const error = yield* Effect.flip(Effect.scoped(secured(address)))
        if (error._tag !== "TlsAlert") assert.fail(`${alert}: ${error.message}`)
        assert.deepStrictEqual([error.alert, error.number], [alert, number], error.native?.code)
      }
    }))))

  for (const [how, tag] of [["end", "WSAECONNRESET"], ["reset", "WSAECONNRESET"]] as const) {
    test(
      `a peer that does ${how} after any number of bytes breaks the handshake with ${tag}, or what comes after it`,
      () =>
        leavingNothing(Effect.scoped(Effect.gen(function*() {
          const server = yield* nodeServer({}, (socket) => void socket.on("error", () => {}).write("hello"))
          const seen = new Set<string>()
          for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
            for (let after = 0; after < 2000; after += 61) {
              const relay = yield* relaying(server, after)
              const trying = yield* Effect.forkChild(Effect.scoped(Effect.gen(function*() {
                const connection = yield* secured(relay.address, { maxVersion: version })
                yield* connection.read
                relay.done()
                return yield* Effect.forever(connection.read)
              })))
              yield* relay.reached
              relay.cut(how)
              const error = yield* Effect.flip(Fiber.join(trying))
              const stage = "stage" in error ? error.stage : ""
              seen.add(`${stage} ${error._tag}`)
              if (stage === "tls") assert.strictEqual(error._tag, tag, `${version} after ${after} bytes`)
              else assert.include([tag, "TlsTruncated"], error._tag)
            }
          }
          assert.include([...seen], `tls ${tag}`)
          assert.isTrue([...seen].some((one) => one.startsWith("receive ")))
        }))),
      60_000
    )
  }

  test("a peer that never answers is left when the attempt's time is over", () =>
    leavingNothing(Effect.scoped(Effect.gen(function*() {
      const address = yield* listening(net.createServer((socket) => void socket.resume()))
      const error = yield* Connector.winsock.pipe(
        Connector.tls({ ca: made.ca.cert }),
        Connector.attemptTimeout("100 millis")
      ).connect(Connector.endpoint(address)).pipe(Effect.scoped, Effect.flip)
      assert.strictEqual(error._tag, "WSAETIMEDOUT")
      assert.strictEqual(error._tag === "WSAETIMEDOUT" ? error.by : "", "attempt")
    }))))

  test("interrupted at every step it leaves nothing", () =>
    leavingNothing(Effect.scoped(Effect.gen(function*() {
      const server = yield* nodeServer({}, (socket) => void socket.on("error", () => {}).write("hello"))
      for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
        for (let after = 0; after < 2000; after += 61) {
          const relay = yield* relaying(server, after)
          const trying = yield* Effect.forkChild(Effect.scoped(Effect.gen(function*() {
            const connection = yield* secured(relay.address, { maxVersion: version })
            yield* connection.write(new Uint8Array(100))
            yield* connection.read
            relay.done()
            return yield* Effect.forever(connection.read)
          })))
          yield* relay.reached
          yield* Fiber.interrupt(trying)
          assert.strictEqual((yield* Fiber.await(trying))._tag, "Failure")
        }
        for (let count = 0; count < 60; count++) {
          const trying = yield* Effect.forkChild(Effect.scoped(Effect.flatMap(
            secured(server, { maxVersion: version }),
            (connection) => Effect.forever(connection.read)
          )))
          yield* turns(count)
          yield* Fiber.interrupt(trying)
        }
      }
    }))), 6_000)

  // --- servers -------------------------------------------------------------------------------------------------------

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`a server is told what breaks a session of ${version} after its handshake`, () =>
      leavingNothing(Effect.scoped(Effect.gen(function*() {
        const server = yield* ours(good)
        const reading = yield* Effect.forkChild(
          Effect.flip(Effect.scoped(
            Effect.flatMap(server.accept(), ({ read, write }) => Effect.andThen(write(utf8("hi")), read))
          ))
        )
        const under = net.connect(SocketAddress.portOf(server.address)!, "127.0.0.1").on("error", () => {})
        yield* Effect.addFinalizer(() => Effect.sync(() => under.destroy()))
        const peer = tls.connect({ socket: under, ca: made.ca.cert, servername: "localhost", maxVersion: version })
        yield* Effect.promise(() => once(peer.on("error", () => {}), "data"))
        // a record that was never encrypted under the keys of this session
        under.write(Buffer.from([0x17, 3, 3, 0, 40, ...Buffer.alloc(40, 7)]))
        assert.strictEqual((yield* Fiber.join(reading))._tag, "TlsProtocol")
      }))))
  }

  test("no client makes a server do one handshake after the other", () =>
    leavingNothing(Effect.scoped(Effect.gen(function*() {
      const server = yield* ours(good)
      const reading = yield* Effect.forkChild(
        Effect.exit(Effect.scoped(Effect.flatMap(server.accept(), ({ read }) => read)))
      )
      const peer = tls.connect({
        port: SocketAddress.portOf(server.address)!,
        ca: made.ca.cert,
        servername: "localhost",
        maxVersion: "TLSv1.2"
      }).on("error", () => {})
      yield* Effect.addFinalizer(() => Effect.sync(() => peer.destroy()))
      yield* Effect.promise(() => once(peer, "secureConnect"))
      const refused = yield* Effect.callback<boolean>((resume) => {
        peer.once("error", () => resume(Effect.succeed(true)))
        peer.renegotiate({}, (error) => resume(Effect.succeed(error !== null)))
      })
      peer.destroy()
      yield* Fiber.join(reading)
      assert.isTrue(refused)
    }))))

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`accepts, tells whom, and takes sessions of ${version} up again`, () =>
      leavingNothing(Effect.scoped(Effect.gen(function*() {
        const options = { maxVersion: version, alpn: ["h2"], clientCertificate: "require", ca: made.ca.cert } as const
        const server = yield* ours(good, options)
        const sessions = new Tls.SessionCache()
        const asked = { sessions, identity: identityOf(client), alpn: ["http/1.1", "h2"] }
        for (const reused of [false, true, true]) {
          const serving = yield* Effect.forkChild(Effect.scoped(Effect.gen(function*() {
            const connection = yield* server.accept()
            yield* connection.write(yield* connection.read)
            return connection.tls
          })))
          yield* Effect.scoped(Effect.gen(function*() {
            const connection = yield* secured(server.address, asked)
            yield* connection.write(utf8("hello"))
            assert.strictEqual(text(yield* connection.read), "hello")
            assert.deepInclude(connection.tls, { reused, alpn: "h2", protocol: version })
          }))
          const session = yield* Fiber.join(serving)
          assert.deepInclude(session, { reused, alpn: "h2", verified: true })
          // with TLS 1.2 Node does not tell whom a session was for that is taken up again
          if (!reused || version === "TLSv1.3") assert.strictEqual(session.serverName, "localhost")
          assert.deepStrictEqual(session.certificate?.names, ["client"])
        }
      }))))

    test(`turns away under ${version} whom it does not trust, and whoever does not say who it is`, () =>
      leavingNothing(Effect.scoped(Effect.gen(function*() {
        const server = yield* ours(good, { maxVersion: version, clientCertificate: "require", ca: made.ca.cert })
        const both = (options: Tls.ConnectOptions) =>
          Effect.gen(function*() {
            const serving = yield* Effect.forkChild(Effect.flip(Effect.scoped(server.accept())))
            const refused = yield* secured(server.address, options).pipe(
              Effect.flatMap((connection) => connection.read),
              Effect.scoped,
              Effect.flip
            )
            return [yield* Fiber.join(serving), refused] as const
          })
        const [missing, told] = yield* both({})
        assert.instanceOf(missing, Tls.TlsUntrusted)
        assert.strictEqual(missing.why, "missing")
        assert.instanceOf(told, Tls.TlsAlert)
        const [strange] = yield* both({ identity: identityOf(made.issued({}, made.stranger)) })
        assert.instanceOf(strange, Tls.TlsUntrusted)
        assert.strictEqual(strange.why, "unknown-authority")
        const [old] = yield* both({ identity: identityOf(made.issued({ from: -9, to: -2 })) })
        assert.instanceOf(old, Tls.TlsExpired)
      }))))
  }

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`trusts nobody for a session of ${version} that was begun without trust`, () =>
      leavingNothing(Effect.scoped(Effect.gen(function*() {
        const strange = identityOf(made.issued({}, made.stranger))
        const common = { identity: identityOf(good), ca: made.ca.cert, maxVersion: version }
        const server = yield* ours(good, {})
        const tls = yield* Tls.Tls
        const accepting = (clientCertificate: "none" | "require") =>
          Effect.flatMap(server.accepted, (under) => tls.accept(under, { ...common, clientCertificate }))
        const sessions = new Tls.SessionCache()
        // a server that does not ask gives tickets, and a client that is turned away may have got some too
        for (const clientCertificate of ["none", "require", "require", "require"] as const) {
          const serving = yield* Effect.forkChild(Effect.exit(Effect.scoped(Effect.flatMap(
            accepting(clientCertificate),
            (connection) => Effect.as(connection.write(utf8("hello")), connection.tls)
          ))))
          yield* secured(server.address, { sessions, identity: strange }).pipe(
            Effect.flatMap((connection) => connection.read),
            Effect.scoped,
            Effect.exit
          )
          const exit = yield* Fiber.join(serving)
          assert.strictEqual(Exit.isSuccess(exit), clientCertificate === "none")
        }
      }))))
  }

  test("asks a client without insisting", () =>
    Effect.gen(function*() {
      const server = yield* ours(good, { clientCertificate: "request", ca: made.ca.cert })
      for (const identity of [undefined, identityOf(client)]) {
        const serving = yield* Effect.forkChild(Effect.scoped(Effect.map(server.accept(), ({ tls }) => tls)))
        yield* Effect.scoped(Effect.flatMap(secured(server.address, { identity }), (connection) => connection.read))
        const session = yield* Fiber.join(serving)
        assert.strictEqual(session.verified, identity !== undefined)
        assert.strictEqual(session.certificate !== undefined, identity !== undefined)
      }
    }))

  test("tells a client of HTTP from one of TLS, and one that offers another protocol", () =>
    leavingNothing(Effect.scoped(Effect.gen(function*() {
      const server = yield* ours(good, { alpn: ["h2"] })
      const plain = net.connect(SocketAddress.portOf(server.address)!, "127.0.0.1").on("error", () => {})
      plain.write("GET / HTTP/1.1\r\n\r\n")
      const error = yield* Effect.flip(Effect.scoped(server.accept()))
      assert.instanceOf(error, Tls.TlsProtocol)
      assert.strictEqual(error.why, "not-tls")
      plain.destroy()
      const serving = yield* Effect.forkChild(Effect.flip(Effect.scoped(server.accept())))
      const told = yield* failing(server.address, { alpn: ["http/1.1"] }).pipe(Effect.scoped)
      assert.instanceOf(told, Tls.TlsAlert)
      const other = yield* Fiber.join(serving)
      assert.instanceOf(other, Tls.TlsProtocol)
      assert.strictEqual(other.why, "alpn")
    }))))

  // --- what it goes over ---------------------------------------------------------------------------------------------

  test("goes over itself", () =>
    leavingNothing(Effect.scoped(Effect.gen(function*() {
      const outer = yield* ours(good)
      const bytes = randomBytes(3_000_000)
      const serving = yield* Effect.forkChild(Effect.scoped(Effect.gen(function*() {
        const tls = yield* Tls.Tls
        const connection = yield* tls.accept(yield* outer.accept(), { identity: identityOf(good) })
        const heard = yield* readAll(connection)
        yield* connection.write(bytes)
        yield* connection.end
        return heard
      })))
      const twice = Connector.winsock.pipe(
        Connector.tls({ ca: made.ca.cert, serverName: "localhost" }),
        Connector.tls({ ca: made.ca.cert, serverName: "127.0.0.1" })
      )
      const connection = yield* twice.connect(Connector.endpoint(outer.address))
      yield* connection.write(bytes)
      yield* connection.end
      assert.deepStrictEqual(yield* readAll(connection), { length: bytes.length, hash: hashOf(bytes) })
      assert.deepStrictEqual(yield* Fiber.join(serving), { length: bytes.length, hash: hashOf(bytes) })
    }))))

  test("a race goes on where the certificate of the first address is not good", () =>
    leavingNothing(Effect.scoped(Effect.gen(function*() {
      const first = yield* nodeServer({ cert: made.stranger.cert, key: made.stranger.key })
      const second = yield* nodeServer()
      const connector = Connector.winsock.pipe(
        Connector.tls({ ca: made.ca.cert, serverName: "localhost" }),
        Connector.happyEyeballs()
      )
      const race = (addresses: ReadonlyArray<SocketAddress.SocketAddress>) =>
        connector.connect({ _tag: "Candidates", origin: undefined, addresses })
      const connection = yield* race([first, second])
      assert.strictEqual(connection.remote, second)
      const error = yield* Effect.flip(race([first]))
      assert.instanceOf(error, Tls.TlsUntrusted)
      assert.deepStrictEqual(error.attempts?.map(({ code, stage }) => [code, stage]), [["TlsUntrusted", "tls"]])
    }))))

  // --- options that cannot be ----------------------------------------------------------------------------------------

  test("a wrong passphrase is told as one, also where what it gives looks decrypted", () =>
    Effect.gen(function*() {
      const locked = made.issued({ passphrase: "secret" })
      const saysOf = (passphrase: string): string | undefined => {
        try {
          createPrivateKey({ key: locked.key, passphrase })
          return undefined
        } catch (error) {
          return (error as NodeJS.ErrnoException).code
        }
      }
      // one in 256
      let tries = 0
      while (saysOf(`wrong ${tries}`)?.includes("BAD_DECRYPT")) tries++
      const address = yield* nodeServer()
      const identity = { ...identityOf(locked), passphrase: Redacted.make(`wrong ${tries}`) }
      const error = yield* Effect.flip(Effect.scoped(secured(address, { identity })))
      assert.instanceOf(error, Tls.TlsBadOption)
      assert.strictEqual(error.option, "passphrase")
    }))

  test("an option that cannot be used is told by its name, and no peer is asked for the key", () =>
    Effect.gen(function*() {
      const locked = made.issued({ passphrase: "secret" })
      const passphrase = Redacted.make("secret")
      const key = Redacted.make(good.key)
      const cases: ReadonlyArray<readonly [Tls.TlsBadOption["option"], Tls.ConnectOptions]> = [
        ["ca", { ca: "no certificate" }],
        ["ca", { ca: [made.ca.cert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"] }],
        ["cert", { identity: { cert: "", key } }],
        ["key", { identity: { cert: good.cert, key: Redacted.make("no key") } }],
        ["key", { identity: { cert: client.cert, key } }],
        ["passphrase", { identity: identityOf(locked) }],
        ["passphrase", { identity: { ...identityOf(locked), passphrase: Redacted.make("wrong") } }],
        ["alpn", { alpn: [""] }],
        ["alpn", { alpn: ["x".repeat(256)] }],
        ["minVersion", { minVersion: "TLSv1.3", maxVersion: "TLSv1.2" }],
        ["serverName", { serverName: "" }],
        ["serverName", { serverName: "a b" }]
      ]
      const address = yield* nodeServer()
      for (const [option, options] of cases) {
        const error = yield* Effect.flip(Effect.scoped(secured(address, options)))
        assert.instanceOf(error, Tls.TlsBadOption)
        assert.strictEqual(error.option, option, JSON.stringify(options))
        assert.notInclude(JSON.stringify(error), good.key.slice(40, 80))
      }
      const identity = { ...identityOf(locked), passphrase }
      assert.isTrue((yield* secured(address, { identity })).tls.verified)
    }))
})
