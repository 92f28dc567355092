// What TLS has to do, whoever does it: programs that run over the simulated network, in memory and on the sockets of this
// machine. Only the layer, and who issues the certificates, are others.
import { Connection, Connector, SocketOption, Tls, Winsock, WsaError } from "@effect-winsock/core"
import { assert } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Redacted, Result, type Scope } from "effect"

/** What a certificate is to be. Times are days from now. */
export interface Wanted {
  readonly names?: ReadonlyArray<string>
  readonly from?: number
  readonly to?: number
  readonly passphrase?: string
  readonly by?: "authority" | "stranger"
}

/** Who issues certificates. */
export interface Issuer {
  /** The authority that is trusted. */
  readonly ca: string
  readonly issue: (wanted?: Wanted) => Tls.Identity
  readonly selfSigned: (name: string) => Tls.Identity
  /** Whether whoever does not take a certificate tells the other side why, by an alert: Node does not. */
  readonly tells: boolean
}

export type Needed = Winsock.Winsock | Tls.Tls | Scope.Scope

export interface Case {
  readonly title: string
  readonly run: (issuer: Issuer) => Effect.Effect<unknown, unknown, Needed>
}

const utf8 = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const versions = ["TLSv1.2", "TLSv1.3"] as const
const only = (version: Tls.Version) => ({ minVersion: version, maxVersion: version })

// ---------------------------------------------------------------------------------------------------------------------
// Two ends
// ---------------------------------------------------------------------------------------------------------------------

const listening = Effect.gen(function*() {
  const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
  yield* Winsock.bind(listener, "127.0.0.1:0")
  yield* Winsock.listen(listener)
  return {
    address: yield* Winsock.getsockname(listener),
    caller: Effect.map(Winsock.accept(listener), Connection.fromAccepted)
  }
})

/** Serves one caller, in a scope of its own. */
const serving = <A, E>(program: (caller: Connection.Connection) => Effect.Effect<A, E, Needed>) =>
  Effect.gen(function*() {
    const { address, caller } = yield* listening
    return { address, server: yield* Effect.forkScoped(Effect.scoped(Effect.flatMap(caller, program))) }
  })

const accepting = (options: Tls.AcceptOptions) => (caller: Connection.Connection) =>
  Tls.Tls.use((tls) => tls.accept(caller, options))

const connecting = (options: Tls.ConnectOptions) => Connector.winsock.pipe(Connector.tls(options))

const readAll = <E>(connection: Connection.Connection<E>) =>
  Effect.gen(function*() {
    const pieces: Array<Uint8Array> = []
    for (let piece = yield* connection.read; piece.length > 0; piece = yield* connection.read) pieces.push(piece)
    return Buffer.concat(pieces)
  })

const failureOf = <A, E>(exit: Exit.Exit<A, E>): E =>
  Exit.isSuccess(exit)
    ? assert.fail("it succeeded")
    : Result.getOrElse(Cause.findError(exit.cause), () => assert.fail(Cause.pretty(exit.cause)))

/** What becomes of a handshake on both sides; of the client also after its first read, since TLS 1.3 judges it then. */
const meet = (server: Tls.AcceptOptions, client: Tls.ConnectOptions) =>
  Effect.gen(function*() {
    const { address, server: fiber } = yield* serving((caller) =>
      Effect.flatMap(accepting(server)(caller), (secured) =>
        Effect.as(Effect.andThen(secured.write(utf8("hi")), Effect.ignore(readAll(secured))), secured.tls))
    )
    const exit = yield* connecting(client).connect(address).pipe(
      Effect.flatMap((secured) =>
        Effect.gen(function*() {
          const first = text(yield* secured.read)
          yield* secured.end
          return { tls: secured.tls, first }
        })
      ),
      Effect.scoped,
      Effect.exit
    )
    return { client: exit, server: yield* Fiber.await(fiber), address }
  })

/** Both sides of a handshake that goes well. */
const agree = (server: Tls.AcceptOptions, client: Tls.ConnectOptions) =>
  Effect.map(meet(server, client), (both) => {
    if (Exit.isFailure(both.client)) return assert.fail(Cause.pretty(both.client.cause))
    if (Exit.isFailure(both.server)) return assert.fail(Cause.pretty(both.server.cause))
    assert.strictEqual(both.client.value.first, "hi")
    return { client: both.client.value.tls, server: both.server.value }
  })

type Failing<T> = new(...args: any) => T

/** What a client fails with. */
const refused = <T extends { readonly stage: string }>(
  failure: Failing<T>,
  server: Tls.AcceptOptions,
  client: Tls.ConnectOptions
) =>
  Effect.map(meet(server, client), ({ address, client, server }) => {
    const error: unknown = failureOf(client)
    assert.instanceOf(error, failure)
    assert.strictEqual((error as T).stage, "tls")
    if ("remote" in (error as object)) assert.deepInclude(error as object, { remote: address })
    return { error: error as T, server }
  })

// ---------------------------------------------------------------------------------------------------------------------
// What goes wrong on the way
// ---------------------------------------------------------------------------------------------------------------------

type Ending = "ends" | "resets" | "stalls"

/**
 * A relay before a server. What the client says goes through; of the server so many bytes, and then it ends, resets, or does
 * nothing more. `cut` is done when it has come to that, `gone` when the client has left.
 */
const relayed = (server: Winsock.Accepted["remote"], most: number, how: Ending) =>
  Effect.gen(function*() {
    const { address, caller } = yield* listening
    const begun = yield* Deferred.make<void>()
    const cut = yield* Deferred.make<void>()
    const gone = yield* Deferred.make<void>()
    yield* Effect.forkScoped(Effect.scoped(Effect.gen(function*() {
      const here = yield* caller
      const there = yield* Connector.winsock.connect(server)
      const forth = Effect.gen(function*() {
        for (let bytes = yield* here.read; bytes.length > 0; bytes = yield* here.read) {
          yield* there.write(bytes)
          yield* Deferred.succeed(begun, undefined)
        }
      })
      yield* Effect.forkScoped(Effect.ensuring(Effect.ignore(forth), Deferred.succeed(gone, undefined)))
      yield* Deferred.await(begun)
      let left = most
      while (left > 0) {
        const bytes = yield* there.read
        if (bytes.length === 0) break
        yield* here.write(bytes.subarray(0, left))
        left -= bytes.length
      }
      if (how === "resets") {
        yield* Winsock.setsockopt(here.socket, SocketOption.SO_LINGER, { l_onoff: true, l_linger: 0 })
        yield* Winsock.closesocket(here.socket)
      }
      if (how === "ends") yield* here.end
      yield* Deferred.succeed(cut, undefined)
      return yield* Effect.never
    })))
    return { address, cut: Deferred.await(cut), gone: Deferred.await(gone) }
  })

/** How much of the server is let through: nothing, a part of a record's head, of a message, of the flight. */
const places = [0, 1, 7, 100, 600]

/** What the server says is lost on the way, or is too much. */
const relayedTo = (issuer: Issuer, version: Tls.Version, place: number, how: Ending) =>
  Effect.gen(function*() {
    const { address } = yield* serving((caller) =>
      Effect.ignore(accepting({ identity: issuer.issue(), ...only(version) })(caller))
    )
    return yield* relayed(address, place, how)
  })

const peerThat = <A, E>(does: (caller: Connection.Connection) => Effect.Effect<A, E, Needed>) =>
  Effect.map(serving((caller) => Effect.andThen(Effect.ignore(does(caller)), Effect.never)), ({ address }) => address)

const connectError = (address: Winsock.Accepted["remote"], options: Tls.ConnectOptions) =>
  Effect.flip(Effect.scoped(connecting(options).connect(address)))

// ---------------------------------------------------------------------------------------------------------------------
// The cases
// ---------------------------------------------------------------------------------------------------------------------

const localhost = "localhost"

const good: ReadonlyArray<Case> = versions.map((version) => ({
  title: `both sides know what was settled, and who the server is, under ${version}`,
  run: ({ ca, issue }) =>
    Effect.gen(function*() {
      const names = ["localhost", "*.example.org", "192.0.2.1"]
      const server = { identity: issue({ names }), alpn: ["h2", "http/1.1"] }
      const both = yield* agree(server, {
        ca,
        serverName: "www.example.org",
        alpn: ["http/1.1", "h2"],
        ...only(version)
      })
      assert.deepInclude(both.client, {
        protocol: version,
        alpn: "h2",
        serverName: "www.example.org",
        verified: true,
        reused: false
      })
      assert.deepStrictEqual(both.client.certificate?.names, names)
      assert.match(both.client.certificate?.fingerprint ?? "", /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/)
      assert.match(both.client.cipher, version === "TLSv1.2" ? /^TLS_\w+_WITH_\w+$/ : /^TLS_(?!\w+_WITH_)\w+$/)
      assert.deepStrictEqual(both.server, { ...both.client, certificate: undefined, verified: false })
    })
}))

const judging: ReadonlyArray<Case> = [
  {
    title: "an expired certificate is told with its dates and names",
    run: ({ ca, issue, tells }) =>
      Effect.gen(function*() {
        const { error, server } = yield* refused(
          Tls.TlsExpired,
          { identity: issue({ from: -10, to: -3 }) },
          { ca, serverName: localhost }
        )
        assert.deepInclude({ ...error }, { why: "expired", serverName: localhost })
        assert.strictEqual(error.retryClass, "other")
        assert.deepStrictEqual(error.certificate?.names, [localhost])
        assert.deepStrictEqual(error.validTo, error.certificate?.validTo)
        if (!tells) return
        const told = failureOf(server)
        assert.instanceOf(told, Tls.TlsAlert)
        assert.strictEqual(told.alert, "certificate_expired")
      })
  },
  {
    title: "one that is not valid yet, too",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const { error } = yield* refused(
          Tls.TlsExpired,
          { identity: issue({ from: 2, to: 9 }) },
          { ca, serverName: localhost }
        )
        assert.strictEqual(error.why, "not-yet-valid")
        assert.deepStrictEqual(error.validFrom, error.certificate?.validFrom)
      })
  },
  {
    title: "an authority that nobody trusts",
    run: ({ ca, issue, tells }) =>
      Effect.gen(function*() {
        const { error, server } = yield* refused(
          Tls.TlsUntrusted,
          { identity: issue({ by: "stranger" }) },
          { ca, serverName: localhost }
        )
        assert.deepInclude({ ...error }, { why: "unknown-authority", serverName: localhost })
        assert.strictEqual(error.retryClass, "other")
        assert.deepStrictEqual(error.certificate?.names, [localhost])
        if (!tells) return
        const told = failureOf(server)
        assert.instanceOf(told, Tls.TlsAlert)
        assert.strictEqual(told.alert, "unknown_ca")
      })
  },
  {
    title: "a certificate that vouches for itself is trusted by whoever says so",
    run: ({ ca, selfSigned }) =>
      Effect.gen(function*() {
        const identity = selfSigned(localhost)
        const { error } = yield* refused(Tls.TlsUntrusted, { identity }, { ca, serverName: localhost })
        assert.strictEqual(error.why, "self-signed")
        const both = yield* agree({ identity }, { ca: [ca, identity.cert], serverName: localhost })
        assert.isTrue(both.client.verified)
      })
  },
  {
    title: "a certificate of somebody else is told with its names; a wildcard stands for one label",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const server = { identity: issue({ names: ["*.example.org", "example.com"] }) }
        for (const serverName of ["localhost", "example.org", "a.b.example.org", "192.0.2.1"]) {
          const { error } = yield* refused(Tls.TlsNameMismatch, server, { ca, serverName })
          assert.strictEqual(error.expected, serverName)
          assert.deepStrictEqual(error.names, ["*.example.org", "example.com"])
        }
        for (const serverName of ["www.example.org", "example.com", "EXAMPLE.com."]) {
          assert.isTrue((yield* agree(server, { ca, serverName })).client.verified)
        }
      })
  },
  {
    title: "an address has to be in the certificate, and is told nobody as a name",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const both = yield* agree({ identity: issue({ names: ["127.0.0.1", "2001:db8::1"] }) }, { ca })
        assert.isTrue(both.client.verified)
        assert.isUndefined(both.client.serverName)
        assert.isUndefined(both.server.serverName)
        const { error } = yield* refused(Tls.TlsNameMismatch, { identity: issue({ names: ["127.0.0.2"] }) }, { ca })
        assert.strictEqual(error.expected, "127.0.0.1")
        const { client } = yield* agree(
          { identity: issue({ names: ["2001:db8::1"] }) },
          { ca, serverName: "[2001:db8:0::1]" }
        )
        assert.isTrue(client.verified)
      })
  },
  {
    title: "any certificate will do for whoever says that it is dangerous",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const server = { identity: issue({ names: ["x"], from: -10, to: -3, by: "stranger" }) }
        for (const serverName of [localhost, undefined]) {
          const both = yield* agree(server, { ca, serverName, dangerouslyAcceptAnyCertificate: true })
          assert.isFalse(both.client.verified)
          assert.deepStrictEqual(both.client.certificate?.names, ["x"])
        }
      })
  }
]

const common: ReadonlyArray<Case> = [
  {
    title: "no application protocol in common is told to both, and naming none is no failure",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const server = { identity: issue(), alpn: ["h2"] }
        const { error, server: exit } = yield* refused(Tls.TlsAlert, server, { ca, serverName: localhost, alpn: ["x"] })
        assert.deepInclude({ ...error }, { alert: "no_application_protocol", number: 120 })
        assert.strictEqual(error.retryClass, "unsupported")
        const own = failureOf(exit)
        assert.instanceOf(own, Tls.TlsProtocol)
        assert.strictEqual(own.why, "alpn")
        const without = yield* agree(server, { ca, serverName: localhost })
        assert.isUndefined(without.client.alpn)
      })
  },
  {
    title: "no version in common is told to both",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const identity = issue()
        const pairs = [["TLSv1.2", "TLSv1.3"], ["TLSv1.3", "TLSv1.2"]] as const
        for (const [ours, theirs] of pairs) {
          const { error, server } = yield* refused(
            Tls.TlsAlert,
            { identity, ...only(theirs) },
            { ca, serverName: localhost, ...only(ours) }
          )
          assert.deepInclude({ ...error }, { alert: "protocol_version", number: 70 })
          const own = failureOf(server)
          assert.instanceOf(own, Tls.TlsProtocol)
          assert.strictEqual(own.why, "version")
        }
      })
  },
  {
    title: "options that cannot be are told before anybody is asked",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const identity = issue({ passphrase: "open-sesame" })
        const one = issue()
        const client = (options: Tls.ConnectOptions) =>
          Effect.gen(function*() {
            const address = yield* peerThat(() => Effect.never)
            const error = yield* connectError(address, { serverName: localhost, ...options })
            return error._tag === "TlsBadOption" ? error.option : assert.fail(error.message)
          })
        assert.strictEqual(yield* client({ ca: "?" }), "ca")
        assert.strictEqual(yield* client({ ca, alpn: [""] }), "alpn")
        assert.strictEqual(yield* client({ ca, serverName: "not a name" }), "serverName")
        assert.strictEqual(yield* client({ ca, minVersion: "TLSv1.3", maxVersion: "TLSv1.2" }), "minVersion")
        assert.strictEqual(yield* client({ ca, identity: { ...one, cert: "?" } }), "cert")
        assert.strictEqual(yield* client({ ca, identity: { ...one, key: Redacted.make("?") } }), "key")
        assert.strictEqual(yield* client({ ca, identity: { ...one, key: issue().key } }), "key")
        assert.strictEqual(yield* client({ ca, identity: { cert: identity.cert, key: identity.key } }), "passphrase")
        const wrong = { ...identity, passphrase: Redacted.make("open-rice") }
        assert.strictEqual(yield* client({ ca, identity: wrong }), "passphrase")
        yield* agree({ identity }, { ca, serverName: localhost })
      })
  }
]

const clients: ReadonlyArray<Case> = versions.flatMap((version) => [
  {
    title: `a client that shows who it is, is known under ${version}`,
    run: ({ ca, issue }: Issuer) =>
      Effect.gen(function*() {
        for (const clientCertificate of ["request", "require"] as const) {
          const server = { identity: issue(), ca, clientCertificate, ...only(version) }
          const identity = issue({ names: ["client.example"] })
          const both = yield* agree(server, { ca, serverName: localhost, identity })
          assert.isTrue(both.server.verified)
          assert.deepStrictEqual(both.server.certificate?.names, ["client.example"])
        }
        const asking = { identity: issue(), ca, clientCertificate: "request", ...only(version) } as const
        const without = yield* agree(asking, { ca, serverName: localhost })
        assert.isFalse(without.server.verified)
        assert.isUndefined(without.server.certificate)
      })
  },
  {
    title: `a client that has to say who it is and does not, is turned away under ${version}`,
    run: ({ ca, issue }: Issuer) =>
      Effect.gen(function*() {
        const server = { identity: issue(), ca, clientCertificate: "require", ...only(version) } as const
        const both = yield* meet(server, { ca, serverName: localhost })
        const error = failureOf(both.client)
        assert.instanceOf(error, Tls.TlsAlert)
        assert.strictEqual(error.alert, version === "TLSv1.2" ? "handshake_failure" : "certificate_required")
        assert.strictEqual(error.stage, version === "TLSv1.2" ? "tls" : "receive")
        const own = failureOf(both.server)
        assert.instanceOf(own, Tls.TlsUntrusted)
        assert.deepInclude({ ...own }, { why: "missing", stage: "tls" })
      })
  },
  {
    title: `a client with a certificate of a stranger is turned away under ${version}`,
    run: ({ ca, issue, tells }: Issuer) =>
      Effect.gen(function*() {
        for (const clientCertificate of ["request", "require"] as const) {
          const server = { identity: issue(), ca, clientCertificate, ...only(version) }
          const identity = issue({ by: "stranger", names: ["client.example"] })
          const both = yield* meet(server, { ca, serverName: localhost, identity })
          const own = failureOf(both.server)
          assert.instanceOf(own, Tls.TlsUntrusted)
          assert.strictEqual(own.why, "unknown-authority")
          assert.deepStrictEqual(own.certificate?.names, ["client.example"])
          const error = failureOf(both.client)
          if (!tells) continue
          assert.instanceOf(error, Tls.TlsAlert)
          assert.deepInclude({ ...error }, { alert: "unknown_ca", number: 48 })
          assert.strictEqual(error.stage, version === "TLSv1.2" ? "tls" : "receive")
        }
      })
  }
])

const breaking: ReadonlyArray<Case> = [
  {
    title: "a peer that speaks something else is told apart",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const address = yield* peerThat((caller) => caller.write(utf8("HTTP/1.1 400 Bad Request\r\n\r\n")))
        const error = yield* connectError(address, { ca, serverName: localhost })
        assert.instanceOf(error, Tls.TlsProtocol)
        assert.deepInclude({ ...error }, { why: "not-tls", stage: "tls" })
        assert.strictEqual(error.retryClass, "unsupported")

        const { address: own, server } = yield* serving(accepting({ identity: issue() }))
        const client = yield* Connector.winsock.connect(own)
        yield* client.write(utf8("GET / HTTP/1.1\r\n\r\n"))
        const other = failureOf(yield* Fiber.await(server))
        assert.instanceOf(other, Tls.TlsProtocol)
        assert.strictEqual(other.why, "not-tls")
      })
  },
  {
    title: "a client that leaves in the middle of the handshake is told to the server as a reset",
    run: ({ issue }) =>
      Effect.gen(function*() {
        const { address, server } = yield* serving(accepting({ identity: issue() }))
        const client = yield* Connector.winsock.connect(address)
        yield* client.end
        const error = failureOf(yield* Fiber.await(server))
        assert.instanceOf(error, WsaError.WSAECONNRESET)
        assert.strictEqual(error.stage, "tls")
      })
  },
  ...versions.flatMap((version) =>
    (["ends", "resets"] as const).map((how) => ({
      title: `a peer that ${
        how === "ends" ? "leaves" : "resets"
      } at any step of ${version} is WSAECONNRESET of this stage`,
      run: (issuer: Issuer) =>
        Effect.forEach(places, (place) =>
          Effect.scoped(Effect.gen(function*() {
            const { address } = yield* relayedTo(issuer, version, place, how)
            const error = yield* connectError(address, { ca: issuer.ca, serverName: localhost, ...only(version) })
            assert.deepInclude(
              { ...error },
              { _tag: "WSAECONNRESET", stage: "tls", call: "WSAConnect" },
              `after ${place}`
            )
          })))
    }))
  ),
  ...versions.map((version) => ({
    title: `a peer that does not go on at any step of ${version} is given up in time, and can be left at any time`,
    run: (issuer: Issuer) =>
      Effect.forEach(places, (place) =>
        Effect.scoped(Effect.gen(function*() {
          const options = { ca: issuer.ca, serverName: localhost, ...only(version) }
          const late = yield* relayedTo(issuer, version, place, "stalls")
          const timed = connecting(options).pipe(Connector.attemptTimeout("300 millis"))
          const error = yield* Effect.flip(Effect.scoped(timed.connect(late.address)))
          assert.deepInclude({ ...error }, { _tag: "WSAETIMEDOUT", by: "attempt" })
          yield* late.gone

          const other = yield* relayedTo(issuer, version, place, "stalls")
          const fiber = yield* Effect.forkChild(Effect.scoped(connecting(options).connect(other.address)))
          yield* other.cut
          yield* Fiber.interrupt(fiber)
          // The socket of the client is closed, though its scope might have gone on.
          yield* other.gone
        })))
  }))
]

const streaming: ReadonlyArray<Case> = [
  {
    title: "each direction ends by itself, whoever is first",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const identity = issue()
        const first = <E>(one: Tls.TlsConnection<E>) =>
          Effect.gen(function*() {
            yield* one.write(utf8("question"))
            yield* one.end
            assert.instanceOf(yield* Effect.flip(one.write(utf8("more"))), WsaError.WSAESHUTDOWN)
            const answer = text(yield* readAll(one))
            assert.strictEqual((yield* one.read).length, 0, "the end stays the end")
            return answer
          })
        const second = <E>(one: Tls.TlsConnection<E>) =>
          Effect.gen(function*() {
            const question = text(yield* readAll(one))
            yield* one.write(utf8(`answer to ${question}`))
            yield* one.end
            return question
          })
        for (const [atServer, atClient] of [[first, second], [second, first]] as const) {
          const { address, server } = yield* serving((caller) =>
            Effect.flatMap(accepting({ identity })(caller), atServer)
          )
          const secured = connecting({ ca, serverName: localhost }).connect(address)
          const seen = yield* Effect.scoped(Effect.flatMap(secured, atClient))
          const other = yield* Fiber.join(server)
          assert.deepStrictEqual(new Set([seen, other]), new Set(["question", "answer to question"]))
        }
      })
  },
  {
    title: "an end without a word is no end, and lets what came before be read",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const { address } = yield* serving((caller) =>
          Effect.gen(function*() {
            const secured = yield* accepting({ identity: issue() })(caller)
            yield* secured.write(utf8("half of it"))
            yield* caller.end
            return yield* Effect.never
          })
        )
        const client = yield* connecting({ ca, serverName: localhost }).connect(address)
        assert.strictEqual(text(yield* client.read), "half of it")
        for (let i = 0; i < 2; i++) {
          const error = yield* Effect.flip(client.read)
          assert.instanceOf(error, Tls.TlsTruncated)
          assert.strictEqual(error.stage, "receive")
          assert.strictEqual(error.retryClass, "transient")
        }
        const reason = yield* client.closed
        assert.strictEqual(reason._tag === "Broken" && reason.error._tag, "TlsTruncated")
      })
  },
  {
    title: "closing tells the other side that nothing is missing",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const { address, server } = yield* serving((caller) =>
          Effect.flatMap(accepting({ identity: issue() })(caller), readAll)
        )
        yield* Effect.scoped(Effect.flatMap(
          connecting({ ca, serverName: localhost }).connect(address),
          (client) => client.write(utf8("all of it"))
        ))
        assert.strictEqual(text(yield* Fiber.join(server)), "all of it")
      })
  },
  {
    title: "megabytes go both ways at once, and a peer that does not read holds the writer back",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const size = 3_000_000
        const bytes = (seed: number) => Uint8Array.from({ length: size }, (_, i) => (i * seed) >> 3)
        const go = yield* Deferred.make<void>()
        const both = <E>(one: Tls.TlsConnection<E>, seed: number, waits: Effect.Effect<void>) =>
          Effect.gen(function*() {
            const [read] = yield* Effect.all([
              Effect.andThen(waits, readAll(one)),
              Effect.andThen(one.write(bytes(seed)), one.end)
            ], { concurrency: 2 })
            return read
          })
        const { address, server } = yield* serving((caller) =>
          Effect.flatMap(accepting({ identity: issue() })(caller), (secured) => both(secured, 3, Deferred.await(go)))
        )
        const client = yield* connecting({ ca, serverName: localhost }).connect(address)
        const fiber = yield* Effect.forkChild(both(client, 5, Effect.void))
        yield* Effect.sleep("200 millis")
        assert.isUndefined(fiber.pollUnsafe(), "nobody has read what it writes")
        yield* Deferred.succeed(go, undefined)
        assert.isTrue((yield* Fiber.join(fiber)).equals(bytes(3)))
        assert.isTrue((yield* Fiber.join(server)).equals(bytes(5)))
      })
  },
  {
    title: "reading into a buffer and reading what is lent give the same bytes",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const sent = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7)
        const { address } = yield* serving((caller) =>
          Effect.flatMap(accepting({ identity: issue() })(caller), (secured) =>
            Effect.andThen(secured.write(sent), Effect.andThen(secured.end, readAll(secured))))
        )
        const client = yield* connecting({ ca, serverName: localhost }).connect(address)
        const got: Array<Uint8Array> = []
        const buffer = new Uint8Array(1000)
        for (let turn = 0, size = 1; size > 0; turn++) {
          size = turn % 2 === 0
            ? yield* client.readInto(buffer)
            : yield* client.readLent((lent) => {
              got.push(lent.slice())
              return lent.length
            })
          if (turn % 2 === 0) {
            got.push(buffer.slice(0, size))
          }
        }
        assert.isTrue(Buffer.concat(got).equals(sent))
        yield* client.end
      })
  },
  {
    title: "TLS runs in TLS",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const outer = { identity: issue({ names: ["proxy.example"] }) }
        const inner = { identity: issue({ names: ["target.example"] }) }
        const { address, server } = yield* serving((caller) =>
          Effect.gen(function*() {
            const first = yield* accepting(outer)(caller)
            const second = yield* Tls.Tls.use((tls) => tls.accept(first, inner))
            const read = yield* readAll(second)
            yield* second.write(read)
            yield* second.end
            return second.tls.serverName
          })
        )
        const connector = Connector.winsock.pipe(
          Connector.tls({ ca, serverName: "proxy.example" }),
          Connector.tls({ ca, serverName: "target.example" })
        )
        const client = yield* connector.connect(address)
        const sent = new Uint8Array(200_000).fill(7)
        yield* client.write(sent)
        yield* client.end
        assert.isTrue((yield* readAll(client)).equals(sent))
        assert.strictEqual(yield* Fiber.join(server), "target.example")
      })
  }
]

const reusing: ReadonlyArray<Case> = versions.flatMap((version) => [{
  title: `a session of ${version} is taken up again by whoever asks for the same`,
  run: ({ ca, issue }) =>
    Effect.gen(function*() {
      const server = { identity: issue({ names: ["localhost", "other.example"] }), ...only(version) }
      const sessions = new Tls.SessionCache()
      const options: Tls.ConnectOptions = { ca, serverName: localhost, sessions }
      const first = yield* agree(server, options)
      assert.isFalse(first.client.reused)
      assert.isAbove(sessions.size, 0)
      // As often as a full handshake gives tickets under TLS 1.3; whether there are new ones then is the server's affair.
      for (let i = 0; i < 2; i++) {
        const again = yield* agree(server, options)
        assert.deepStrictEqual(again.client, { ...first.client, reused: true })
        assert.isTrue(again.server.reused)
      }
      const others: ReadonlyArray<Partial<Tls.ConnectOptions>> = [
        { serverName: "other.example" },
        { ca: [ca] },
        { dangerouslyAcceptAnyCertificate: true }
      ]
      for (const other of others) {
        assert.isFalse((yield* agree(server, { ...options, ...other, sessions })).client.reused)
      }
      const stranger = { identity: issue(), ...only(version) }
      assert.isFalse((yield* agree(stranger, options)).client.reused, "another server gave none of these")
    })
}, {
  title: `who was believed unseen is not known either where a session of ${version} is taken up again`,
  run: ({ ca, issue, selfSigned }: Issuer) =>
    Effect.gen(function*() {
      const identities: ReadonlyArray<readonly [known: boolean, Tls.Identity]> = [
        [false, issue({ names: ["other.example"] })],
        [false, issue({ by: "stranger" })],
        [false, selfSigned(localhost)],
        [true, issue()]
      ]
      for (const [known, identity] of identities) {
        const server = { identity, ...only(version) }
        const sessions = new Tls.SessionCache()
        const options = { ca, serverName: localhost, sessions, dangerouslyAcceptAnyCertificate: true }
        for (const reused of [false, true]) {
          const { client } = yield* agree(server, options)
          assert.deepInclude(client, { reused, verified: known })
        }
      }
    })
}])

const racing: ReadonlyArray<Case> = [
  {
    title: "a race goes on where a certificate is bad, and tells of every attempt where all are",
    run: ({ ca, issue }) =>
      Effect.gen(function*() {
        const served = (wanted: Wanted) =>
          Effect.map(
            serving((caller) => Effect.flatMap(accepting({ identity: issue(wanted) })(caller), readAll)),
            ({ address }) => address
          )
        const race = (...addresses: ReadonlyArray<Winsock.Accepted["remote"]>) =>
          Effect.scoped(
            connecting({ ca, serverName: localhost }).pipe(Connector.happyEyeballs()).connect({
              _tag: "Candidates",
              origin: undefined,
              addresses
            })
          )
        const expired = { from: -10, to: -3 }
        const right = yield* served({})
        const won = yield* race(yield* served(expired), right)
        assert.deepStrictEqual(won.remote, right)

        const addresses = [yield* served(expired), yield* served({ by: "stranger" })]
        const error = yield* Effect.flip(race(...addresses))
        const attempts = "attempts" in error ? error.attempts : undefined
        assert.deepStrictEqual(attempts?.map(({ address, code, stage }) => ({ address, code, stage })), [
          { address: addresses[0]!, code: "TlsExpired", stage: "tls" },
          { address: addresses[1]!, code: "TlsUntrusted", stage: "tls" }
        ])
      })
  }
]

export const cases: ReadonlyArray<Case> = [
  ...good,
  ...judging,
  ...common,
  ...clients,
  ...breaking,
  ...streaming,
  ...reusing,
  ...racing
]
