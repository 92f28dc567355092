import { Connection, Connector, type SocketAddress, Tls, Winsock } from "@effect-winsock/core"
import { Memory, Sim, SimNetwork, SimTls } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, DateTime, Duration, Effect, Exit, Fiber, Layer, Result, Scheduler, type Scope } from "effect"
import * as Wire from "../src/internal/tls/wire.ts"
import { Dice } from "./utils/dice.ts"
import { cases, type Issuer } from "./utils/tlsCases.ts"

const day = 86_400_000

/** Whoever issues certificates at a time. */
const issuerAt = (now: number): Issuer => {
  const authority = SimTls.authority("Authority of the test")
  const stranger = SimTls.authority("Authority that nobody trusts")
  return {
    ca: authority.cert,
    tells: true,
    issue: ({ by, from = -1, names = ["localhost"], passphrase, to = 2 } = {}) =>
      (by === "stranger" ? stranger : authority).issue({
        names,
        passphrase,
        notBefore: now + from * day,
        notAfter: now + to * day
      }),
    selfSigned: (name) => SimTls.selfSigned({ names: [name] })
  }
}

const start = Date.UTC(2026, 0, 1)

const simulated = <A, E>(
  program: Effect.Effect<A, E, Winsock.Winsock | Tls.Tls | SimNetwork.SimNetwork | Scope.Scope>,
  options?: Sim.Options
) => Sim.run(program.pipe(Effect.scoped, Effect.provide(SimNetwork.layerConnector())), options)

describe("the modelled TLS", () => {
  describe("in the simulated network", () => {
    for (const { run, title } of cases) {
      it(title, () => {
        const report = simulated(run(issuerAt(start)))
        Sim.getOrThrow(report)
        assert.deepStrictEqual(report.leftovers, [])
      })
    }
  })

  describe("in memory", () => {
    const layer = Layer.merge(Memory.layer(), SimTls.layer())
    for (const { run, title } of cases) {
      it.live(title, () =>
        Effect.gen(function*() {
          const memory = yield* Memory.Memory
          yield* Effect.scoped(run(issuerAt(Date.now())))
          assert.deepStrictEqual(memory.counts(), { handles: 0, listeners: 0, streams: 0, attempts: 0 })
        }).pipe(Effect.provide(Layer.fresh(layer))))
    }
  })

  const utf8 = (text: string) => new TextEncoder().encode(text)
  const authority = SimTls.authority("Authority of the test")
  const only = (version: Tls.Version) => ({ minVersion: version, maxVersion: version })

  const listening = (address: SocketAddress.Input | SocketAddress.SocketAddress) =>
    Effect.gen(function*() {
      const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
      yield* Winsock.bind(listener, address)
      yield* Winsock.listen(listener)
      return listener
    })

  /** Serves every caller in a scope of its own, until the scope ends. */
  const serving = <A, E>(
    listener: Winsock.Socket,
    program: (caller: Connection.Connection) => Effect.Effect<A, E, Winsock.Winsock | Tls.Tls | Scope.Scope>
  ) =>
    Effect.forkScoped(Effect.forever(Effect.gen(function*() {
      const accepted = yield* Winsock.accept(listener)
      yield* Effect.forkScoped(Effect.ensuring(
        Effect.ignore(Effect.scoped(program(Connection.fromAccepted(accepted)))),
        Effect.ignore(Winsock.closesocket(accepted.socket))
      ))
    })))

  const accepting = (options: Tls.AcceptOptions) => (caller: Connection.Connection) =>
    Tls.Tls.use((tls) => tls.accept(caller, options))

  const drained = <E>(one: Connection.Connection<E>): Effect.Effect<void, Connection.ReadError | E> =>
    Effect.flatMap(one.read, ({ length }) => length === 0 ? Effect.void : drained(one))

  const connecting = (options: Tls.ConnectOptions = {}) =>
    Connector.winsock.pipe(Connector.tls({ ca: authority.cert, serverName: "localhost", ...options }))

  /** What becomes of a handshake on both sides, in memory. */
  const meet = (
    server: Tls.AcceptOptions,
    client: Tls.ConnectOptions = {},
    machines: { readonly server?: SimTls.Options; readonly client?: SimTls.Options } = {}
  ) =>
    Effect.gen(function*() {
      const listener = yield* listening("127.0.0.1:443")
      const serverTls = yield* SimTls.make(machines.server)
      const clientTls = yield* SimTls.make(machines.client)
      const fiber = yield* Effect.forkChild(Effect.scoped(Effect.gen(function*() {
        const caller = Connection.fromAccepted(yield* Winsock.accept(listener))
        return (yield* serverTls.accept(caller, server)).tls
      })))
      const exit = yield* connecting(client).connect("127.0.0.1:443").pipe(
        Effect.map((secured) => secured.tls),
        Effect.scoped,
        Effect.provideService(Tls.Tls, clientTls),
        Effect.exit
      )
      return { client: exit, server: yield* Fiber.await(fiber) }
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(Memory.layer())))

  const failureOf = <A, E>(exit: Exit.Exit<A, E>): E =>
    Exit.isSuccess(exit)
      ? assert.fail("it succeeded")
      : Result.getOrElse(Cause.findError(exit.cause), () => assert.fail(Cause.pretty(exit.cause)))

  describe("takes the time of real ones", () => {
    const milli = Duration.millis
    const latency = 20

    /** How long a connect takes to whoever did it, and a handshake to the server, in milliseconds. */
    const timed = (
      version: Tls.Version,
      { issued = {}, link = {}, times = 1 }: {
        readonly issued?: SimTls.IssueOptions
        readonly link?: SimNetwork.LinkOptions
        readonly times?: number
      } = {}
    ) =>
      Sim.getOrThrow(Sim.run(
        Effect.gen(function*() {
          const net = yield* SimNetwork.make({
            hosts: { client: {}, server: {} },
            link: { latency: milli(latency), ...link },
            tls: { trusted: authority.cert }
          })
          const identity = authority.issue({ names: ["server.example"], ...issued })
          const servers: Array<number> = []
          const server = Effect.gen(function*() {
            yield* serving(yield* listening("0.0.0.0:443"), (caller) =>
              Effect.gen(function*() {
                const secured = yield* accepting({ identity, ...only(version) })(caller)
                servers.push(yield* Clock.currentTimeMillis)
                yield* drained(secured)
              }))
            return yield* Effect.never
          })
          yield* Effect.forkScoped(Effect.provide(Effect.scoped(server), net.layerConnector("server")))
          const sessions = new Tls.SessionCache()
          const connector = Connector.winsock.pipe(Connector.tls({ serverName: "server.example", sessions }))
          const client = Effect.gen(function*() {
            const begin = yield* Clock.currentTimeMillis
            const connection = yield* connector.connect(net.address("server", 443))
            const took = (yield* Clock.currentTimeMillis) - begin
            // A ticket is taken by whoever reads.
            yield* connection.end
            yield* drained(connection)
            return { took, server: servers.at(-1)! - begin, reused: connection.tls.reused }
          })
          const results: Array<Effect.Success<typeof client>> = []
          const again = Effect.gen(function*() {
            for (let i = 0; i < times; i++) results.push(yield* Effect.scoped(client))
          })
          yield* Effect.provide(again, net.layerConnector("client"))
          return results
        }).pipe(Effect.scoped)
      ))

    it("one round trip after the connect with TLS 1.3, two with TLS 1.2", () => {
      assert.deepStrictEqual(timed("TLSv1.3"), [{ took: 4 * latency, server: 5 * latency, reused: false }])
      assert.deepStrictEqual(timed("TLSv1.2"), [{ took: 6 * latency, server: 5 * latency, reused: false }])
    })

    it("one round trip with a session that is taken up again", () => {
      for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
        const [first, ...others] = timed(version, { times: 4 })
        assert.isFalse(first?.reused)
        for (const other of others) {
          assert.deepStrictEqual(other, { took: 4 * latency, server: 5 * latency, reused: true })
        }
      }
    })

    it("TLS in TLS the same again", () => {
      const report = Sim.run(
        Effect.gen(function*() {
          const net = yield* SimNetwork.make({
            hosts: { client: {}, server: {} },
            link: { latency: milli(latency) },
            tls: { trusted: authority.cert }
          })
          const identity = authority.issue({ names: ["server.example"] })
          const server = Effect.gen(function*() {
            yield* serving(yield* listening("0.0.0.0:443"), (caller) =>
              Effect.gen(function*() {
                const outer = yield* accepting({ identity })(caller)
                yield* drained(yield* Tls.Tls.use((tls) => tls.accept(outer, { identity, ...only("TLSv1.2") })))
              }))
            return yield* Effect.never
          })
          yield* Effect.forkScoped(Effect.provide(Effect.scoped(server), net.layerConnector("server")))
          const options = { serverName: "server.example" }
          const connector = Connector.winsock.pipe(Connector.tls(options), Connector.tls(options))
          const begin = yield* Clock.currentTimeMillis
          return yield* connector.connect(net.address("server", 443)).pipe(
            Effect.andThen(Clock.currentTimeMillis),
            Effect.map((now) => now - begin),
            Effect.scoped,
            Effect.provide(net.layerConnector("client"))
          )
        }).pipe(Effect.scoped)
      )
      // A round trip to connect, one for TLS 1.3, and two for TLS 1.2 in it.
      assert.strictEqual(Sim.getOrThrow(report), 8 * latency)
    })

    it("a long chain takes no more round trips, and as many bytes of a link as it has", () => {
      const issued = { size: 60_000 }
      assert.strictEqual(timed("TLSv1.3", { issued })[0]?.took, 4 * latency)
      const [small] = timed("TLSv1.3", { link: { bandwidth: 100_000 } })
      const [large] = timed("TLSv1.3", { link: { bandwidth: 100_000 }, issued })
      assert.approximately(large!.took - small!.took, 600, 30)
    })
  })

  describe("judges certificates", () => {
    const root = authority
    const web = root.intermediate("Web")
    const names = ["localhost"]
    const past = { notBefore: "2000-01-01T00:00:00Z", notAfter: "2001-01-01T00:00:00Z" }
    const client = root.issue({ names, usage: "client" })
    const leafAsAuthority = (() => {
      const own = root.issue({ names: ["leaf.example"], key: "leaf" })
      const forged = SimTls.authority("leaf.example", { key: "leaf" }).issue({ names })
      return { ...forged, cert: forged.cert + own.cert }
    })()

    const shownWithRoot = (() => {
      const identity = web.issue({ names })
      return { ...identity, cert: identity.cert + root.cert }
    })()

    type Why = Tls.UntrustedReason | Tls.TlsExpired["why"]
    type Row = readonly [what: string, identity: Tls.Identity, why: Why, alert: Tls.Alert, ca?: string]
    const table: ReadonlyArray<Row> = [
      ["a bad signature", root.issue({ names, flaw: "bad-signature" }), "bad-signature", "decrypt_error"],
      ["a revoked one", root.issue({ names, flaw: "revoked" }), "revoked", "certificate_revoked"],
      ["a weak one", root.issue({ names, flaw: "weak" }), "weak", "bad_certificate"],
      ["one that is wrong in another way", root.issue({ names, flaw: "other" }), "other", "certificate_unknown"],
      ["one of a client", client, "purpose", "unsupported_certificate"],
      ["one that was issued by no authority", leafAsAuthority, "purpose", "unsupported_certificate"],
      ["one that vouches for itself", SimTls.selfSigned({ names }), "self-signed", "unknown_ca"],
      ["a chain that is not shown", web.issue({ names, chain: false }), "unknown-authority", "unknown_ca"],
      [
        "an authority of the same name with another key",
        SimTls.authority(root.name, { key: "x" }).issue({ names }),
        "unknown-authority",
        "unknown_ca"
      ],
      [
        "an authority that is shown above one that is trusted",
        shownWithRoot,
        "incomplete-chain",
        "unknown_ca",
        web.cert
      ],
      [
        "an intermediate authority that is trusted alone",
        web.issue({ names }),
        "incomplete-chain",
        "unknown_ca",
        web.cert
      ],
      ["a flaw above", root.intermediate("X", { flaw: "revoked" }).issue({ names }), "revoked", "certificate_revoked"],
      [
        "one that is out of time above",
        root.intermediate("Y", past).issue({ names }),
        "expired",
        "certificate_expired"
      ],
      [
        "one that is out of time and untrusted",
        SimTls.selfSigned({ names, ...past }),
        "expired",
        "certificate_expired"
      ],
      [
        "one that is not yet in time",
        root.issue({ names, notBefore: "9000-01-01T00:00:00Z" }),
        "not-yet-valid",
        "bad_certificate"
      ]
    ]
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      for (const [what, identity, why, alert, ca = root.cert] of table) {
        it.live(`${what} is ${why} under ${version}, and the server is told ${alert}`, () =>
          Effect.gen(function*() {
            const both = yield* meet({ identity, ...only(version) }, { ca })
            const error = failureOf(both.client)
            assert.isTrue(error instanceof Tls.TlsUntrusted || error instanceof Tls.TlsExpired)
            assert.deepInclude({ ...error }, { why, stage: "tls", serverName: "localhost" })
            const told = failureOf(both.server)
            assert.instanceOf(told, Tls.TlsAlert)
            assert.deepInclude({ ...told }, { alert, number: Tls.alerts[alert] })
          }))
      }
    }

    it.live("a chain of three is whole, whatever stands between them", () =>
      Effect.gen(function*() {
        const identity = web.intermediate("Shop").issue({ names })
        const stranger = SimTls.authority("Z").cert
        const [leaf, ...above] = identity.cert.split(/(?<=-----END SIMULATED CERTIFICATE-----\n)/)
        const { client } = yield* meet({
          identity: { ...identity, cert: [leaf, stranger, ...above.toReversed()].join("") }
        })
        assert.isTrue(Exit.isSuccess(client) && client.value.verified)
      }))

    it.live("the system trusts whom it is told, and nobody else", () =>
      Effect.gen(function*() {
        const server = { identity: root.issue({ names }) }
        const trusted = yield* meet(server, { ca: undefined }, { client: { trusted: [root.cert] } })
        assert.isTrue(Exit.isSuccess(trusted.client))
        const error = failureOf((yield* meet(server, { ca: undefined })).client)
        assert.instanceOf(error, Tls.TlsUntrusted)
      }))

    it("a certificate expires while time goes on, and a session that was begun with it is not taken up again", () => {
      const identity = root.issue({ names, notAfter: start + day })
      const report = simulated(Effect.gen(function*() {
        yield* serving(
          yield* listening("127.0.0.1:443"),
          (caller) => Effect.flatMap(accepting({ identity })(caller), drained)
        )
        const sessions = new Tls.SessionCache()
        const attempt = connecting({ sessions }).connect("127.0.0.1:443").pipe(
          Effect.tap((connection) => Effect.andThen(connection.end, drained(connection))),
          Effect.scoped,
          Effect.map(({ tls }) => tls.reused)
        )
        yield* Effect.sleep("86398 seconds")
        const reused = [yield* attempt, yield* attempt]
        yield* Effect.sleep("3 seconds")
        const error = yield* Effect.flip(attempt)
        return [reused, error]
      }))
      const [reused, error] = Sim.getOrThrow(report)
      assert.deepStrictEqual(reused, [false, true])
      assert.instanceOf(error, Tls.TlsExpired)
      assert.strictEqual(error.validTo && DateTime.toEpochMillis(error.validTo), start + day)
    })

    it.live("what is real is no certificate here, and a text that was changed is none either", () =>
      Effect.gen(function*() {
        const own = root.issue({ names })
        const real = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
        const changed = own.cert.replace(/\n[^-\n]{20}/, "\n!")
        for (const cert of [real, changed]) {
          const server = failureOf(yield* Effect.scoped(Effect.exit(meetServer({ ...own, cert }))))
          assert.instanceOf(server, Tls.TlsBadOption)
          assert.strictEqual(server.option, "cert")
        }
      }))
    const meetServer = (identity: Tls.Identity) =>
      Effect.gen(function*() {
        const listener = yield* listening("127.0.0.1:443")
        const connection = yield* Connector.winsock.connect("127.0.0.1:443")
        yield* Winsock.accept(listener)
        return yield* Effect.flatMap(SimTls.make(), (tls) => tls.accept(connection, { identity }))
      }).pipe(Effect.provide(Layer.fresh(Memory.layer())))
  })

  describe("agrees or breaks off", () => {
    const identity = authority.issue({ names: ["localhost"] })

    it.live("the cipher is the first that the client likes and the server has", () =>
      Effect.gen(function*() {
        const [first, second, , old] = SimTls.ciphers
        const machines = { client: { ciphers: [old!, second!, first] }, server: { ciphers: [first, second!, old!] } }
        const both = yield* meet({ identity }, {}, machines)
        assert.isTrue(Exit.isSuccess(both.client) && both.client.value.cipher === second)
        const earlier = yield* meet({ identity, ...only("TLSv1.2") }, {}, machines)
        assert.isTrue(Exit.isSuccess(earlier.client) && earlier.client.value.cipher === old)
      }))

    it.live("no cipher in common is told to both", () =>
      Effect.gen(function*() {
        const [first, second] = SimTls.ciphers
        const both = yield* meet({ identity }, {}, { client: { ciphers: [first] }, server: { ciphers: [second!] } })
        const error = failureOf(both.client)
        assert.instanceOf(error, Tls.TlsAlert)
        assert.strictEqual(error.alert, "handshake_failure")
        const own = failureOf(both.server)
        assert.instanceOf(own, Tls.TlsProtocol)
        assert.deepInclude({ ...own }, { why: "cipher", detail: `the client has ${first}` })
      }))

    it.live("every alert of the standards can be met, in the handshake and after it", () =>
      Effect.forEach(Object.keys(Tls.alerts) as Array<Tls.Alert>, (alert) =>
        Effect.gen(function*() {
          const listener = yield* listening("127.0.0.1:443")
          yield* serving(listener, (caller) => Effect.andThen(caller.write(SimTls.alert(alert)), Effect.never))
          const error = yield* Effect.flip(connecting().connect("127.0.0.1:443"))
          assert.instanceOf(error, Tls.TlsAlert)
          assert.deepInclude({ ...error }, { alert, number: Tls.alerts[alert], stage: "tls" })

          const later = yield* listening("127.0.0.1:444")
          yield* serving(later, (caller) =>
            Effect.gen(function*() {
              yield* accepting({ identity })(caller)
              yield* caller.write(SimTls.alert(alert))
              return yield* Effect.never
            }))
          const connection = yield* connecting().connect("127.0.0.1:444")
          const read = yield* Effect.flip(connection.read)
          assert.instanceOf(read, Tls.TlsAlert)
          assert.deepInclude({ ...read }, { alert, stage: "receive" })
          const written = yield* Effect.flip(connection.write(utf8("more")))
          assert.deepInclude({ ...written }, { _tag: "TlsAlert", alert, stage: "send" })
          const ended = yield* Effect.flip(connection.end)
          assert.deepInclude({ ...ended }, { _tag: "TlsAlert", alert, stage: "shutdown" })
          const reason = yield* connection.closed
          assert.strictEqual(reason._tag === "Broken" && reason.error._tag, "TlsAlert")
        }).pipe(Effect.scoped, Effect.provide(Layer.fresh(Layer.merge(Memory.layer(), SimTls.layer()))))))

    it.live("what is no record after the handshake breaks the session, and the other side is told", () =>
      Effect.gen(function*() {
        const told: Array<unknown> = []
        yield* serving(yield* listening("127.0.0.1:443"), (caller) =>
          Effect.gen(function*() {
            const secured = yield* accepting({ identity })(caller)
            yield* caller.write(utf8("in the clear"))
            told.push(yield* Effect.flip(secured.read))
          }))
        const connection = yield* connecting().connect("127.0.0.1:443")
        const error = yield* Effect.flip(connection.read)
        assert.instanceOf(error, Tls.TlsProtocol)
        assert.deepInclude({ ...error }, { why: "malformed", stage: "receive" })
        yield* Effect.yieldNow
        while (told.length === 0) yield* Effect.yieldNow
        assert.deepInclude({ ...told[0] as Tls.TlsAlert }, { _tag: "TlsAlert", alert: "unexpected_message" })
      }).pipe(Effect.scoped, Effect.provide(Layer.fresh(Layer.merge(Memory.layer(), SimTls.layer())))))

    it("a client whose certificate has expired since is asked for another one", () => {
      const report = simulated(Effect.gen(function*() {
        const told: Array<unknown> = []
        yield* serving(
          yield* listening("127.0.0.1:443"),
          (caller) =>
            accepting({ identity, ca: authority.cert, clientCertificate: "require" })(caller).pipe(
              Effect.tapError((error) => Effect.sync(() => told.push(error))),
              Effect.flatMap((secured) => {
                told.push(secured.tls)
                return drained(secured)
              })
            )
        )
        const sessions = new Tls.SessionCache()
        const client = authority.issue({ names: ["client.example"], notAfter: start + 60_000 })
        const attempt = connecting({ sessions, identity: client }).connect("127.0.0.1:443").pipe(
          Effect.tap((connection) => Effect.andThen(connection.end, drained(connection))),
          Effect.scoped,
          Effect.exit
        )
        yield* attempt
        yield* attempt
        yield* Effect.sleep("61 seconds")
        const refused = failureOf(yield* attempt)
        return { told, refused }
      }))
      const { refused, told } = Sim.getOrThrow(report)
      assert.deepInclude(told[0], { reused: false, verified: true })
      assert.deepInclude(told[1], { reused: true, verified: true })
      assert.deepStrictEqual((told[1] as Tls.Session).certificate?.names, ["client.example"])
      assert.instanceOf(told[2], Tls.TlsExpired)
      assert.deepInclude({ ...refused }, { _tag: "TlsAlert", alert: "certificate_expired", stage: "receive" })
    })

    it("a server takes back what it gave, for five minutes, and what another one gave never", () => {
      const report = simulated(Effect.gen(function*() {
        const both = (["127.0.0.1:443", "127.0.0.1:444"] as const).map((address) =>
          Effect.gen(function*() {
            const listener = yield* listening(address)
            const tls = yield* SimTls.make()
            yield* Effect.provideService(
              serving(listener, (caller) => Effect.flatMap(accepting({ identity })(caller), drained)),
              Tls.Tls,
              tls
            )
          })
        )
        yield* Effect.all(both)
        const sessions = new Tls.SessionCache()
        const reused = (port: number) =>
          connecting({ sessions }).connect(`127.0.0.1:${port}`).pipe(
            Effect.tap((connection) => Effect.andThen(connection.end, drained(connection))),
            Effect.scoped,
            Effect.map(({ tls }) => tls.reused)
          )
        const seen = [yield* reused(443), yield* reused(443), yield* reused(444)]
        yield* Effect.sleep("5 minutes")
        return [...seen, yield* reused(444)]
      }))
      assert.deepStrictEqual(Sim.getOrThrow(report), [false, true, false, false])
    })
  })

  describe("leaves nothing", () => {
    const identity = authority.issue({ names: ["localhost"] })

    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      it(`wherever a client or a server of ${version} is interrupted`, () => {
        const ends = new Set<string>()
        // Each turn of the run is a place: the last of these come after the handshake.
        for (let turns = 0; turns < 80; turns++) {
          for (const first of ["client", "server"] as const) {
            const report = simulated(Effect.gen(function*() {
              const net = yield* SimNetwork.SimNetwork
              const listener = yield* listening("127.0.0.1:443")
              const options = only(version)
              const sides = {
                server: Effect.gen(function*() {
                  const accepted = yield* Winsock.accept(listener)
                  yield* drained(yield* accepting({ identity, ...options })(Connection.fromAccepted(accepted)))
                }),
                client: Effect.gen(function*() {
                  const connection = yield* connecting(options).connect("127.0.0.1:443")
                  yield* connection.write(utf8("hello"))
                  yield* connection.end
                  yield* drained(connection)
                })
              }
              const [one, other] = yield* Effect.forEach(
                first === "client" ? [sides.client, sides.server] : [sides.server, sides.client],
                (side: Effect.Effect<void, unknown, Winsock.Winsock | Tls.Tls | Scope.Scope>) =>
                  Effect.forkChild(Effect.scoped(side))
              )
              for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
              yield* Fiber.interrupt(one!)
              ends.add((yield* Fiber.await(one!))._tag)
              yield* Effect.sleep("1 second")
              yield* Fiber.interrupt(other!)
              // Only the listener is there.
              assert.deepInclude(net.counts(), { handles: 1, listeners: 1, attempts: 0 }, `${first} after ${turns}`)
            }))
            Sim.getOrThrow(report)
            assert.deepStrictEqual(report.leftovers, [])
          }
        }
        assert.deepStrictEqual(ends, new Set(["Failure", "Success"]))
      })
    }

    it.live("and does not wait for a peer that takes nothing", () =>
      Effect.gen(function*() {
        const memory = yield* Memory.Memory
        yield* Effect.scoped(Effect.gen(function*() {
          yield* serving(
            yield* listening("127.0.0.1:443"),
            (caller) => Effect.andThen(accepting({ identity })(caller), Effect.never)
          )
          yield* Effect.scoped(Effect.gen(function*() {
            yield* connecting().connect("127.0.0.1:443")
            memory.stallWrites("127.0.0.1:443")
          }))
        }))
        assert.deepStrictEqual(memory.counts(), { handles: 0, listeners: 0, streams: 0, attempts: 0 })
      }).pipe(Effect.provide(Layer.fresh(Layer.merge(Memory.layer(), SimTls.layer())))))

    it("on a network that loses, slows and cuts: whole, or failed with what is in the types", () => {
      const seeds = Number(process.env["WINSOCK_SIMULATED_SEEDS"])
      const size = 150_000
      const ends = new Map<string, number>()
      for (let seed = 0; seed < seeds; seed++) {
        const dice = new Dice(seed)
        const version = dice.pick(["TLSv1.2", "TLSv1.3"] as const)
        const report = Sim.run(
          Effect.gen(function*() {
            const net = yield* SimNetwork.make({
              hosts: { client: {}, server: {} },
              link: {
                latency: Duration.millis(5 + dice.below(50)),
                jitter: "10 millis",
                loss: 0.1,
                bandwidth: 200_000
              },
              tls: { trusted: authority.cert }
            })
            const server = Effect.gen(function*() {
              yield* serving(yield* listening("0.0.0.0:443"), (caller) =>
                Effect.gen(function*() {
                  const secured = yield* accepting({ identity, ...only(version) })(caller)
                  yield* drained(secured)
                  yield* secured.write(new Uint8Array(size))
                  yield* secured.end
                }))
              return yield* Effect.never
            })
            yield* Effect.forkScoped(Effect.provide(Effect.scoped(server), net.layerConnector("server")))
            const trouble = Effect.gen(function*() {
              yield* Effect.sleep(Duration.millis(dice.below(1500)))
              switch (dice.below(4)) {
                case 0:
                  return net.reset({ host: "client" })
                case 1:
                  return net.crash("server")
                case 2:
                  net.cut("server", "client")
                  yield* Effect.sleep(Duration.seconds(dice.below(20)))
                  return net.heal("server", "client")
              }
            })
            const connector = Connector.winsock.pipe(
              Connector.tls({ serverName: "localhost" }),
              Connector.attemptTimeout("5 seconds")
            )
            const asking = Effect.scoped(Effect.gen(function*() {
              const connection = yield* connector.connect(net.address("server", 443))
              yield* connection.end
              let read = 0
              for (let piece = yield* connection.read; piece.length > 0; piece = yield* connection.read) {
                read += piece.length
              }
              return read
            }))
            yield* Effect.forkScoped(trouble)
            return yield* Effect.provide(
              Effect.exit(Effect.timeoutOption(asking, "1 hour")),
              net.layerConnector("client")
            )
          }).pipe(Effect.scoped),
          { seed }
        )
        const exit = Sim.getOrThrow(report)
        assert.deepStrictEqual(report.leftovers, [], `seed ${seed}`)
        const end = Exit.isFailure(exit) ? failureOf(exit)._tag : exit.value._tag === "None" ? "late" : "whole"
        if (Exit.isSuccess(exit) && exit.value._tag === "Some") {
          assert.strictEqual(exit.value.value, size, `seed ${seed}`)
        }
        ends.set(end, (ends.get(end) ?? 0) + 1)
      }
      for (const end of ["whole", "WSAECONNRESET", "WSAETIMEDOUT"]) {
        assert.isAbove(ends.get(end) ?? 0, 0, JSON.stringify([...ends]))
      }
    })

    it("and loses nothing where reads are interrupted", () => {
      const sent = Uint8Array.from({ length: 200_000 }, (_, i) => i * 13)
      const report = simulated(Effect.gen(function*() {
        yield* serving(yield* listening("127.0.0.1:443"), (caller) =>
          Effect.gen(function*() {
            const secured = yield* accepting({ identity })(caller)
            for (let at = 0; at < sent.length; at += 3000) {
              yield* secured.write(sent.subarray(at, at + 3000))
              yield* Effect.sleep("1 millis")
            }
            yield* secured.end
            yield* drained(secured)
          }))
        const connection = yield* connecting().connect("127.0.0.1:443")
        const got: Array<Uint8Array> = []
        for (let turn = 0, over = false; !over; turn++) {
          const reading = yield* Effect.forkChild(connection.read, { startImmediately: true })
          for (let i = 0; i < turn % 7; i++) yield* Effect.yieldNow
          if (turn % 5 === 0) yield* Effect.sleep("300 micros")
          yield* Fiber.interrupt(reading)
          const exit = yield* Fiber.await(reading)
          if (Exit.isSuccess(exit)) {
            got.push(exit.value)
            over = exit.value.length === 0
          }
        }
        return Buffer.concat(got).equals(sent)
      }))
      assert.isTrue(Sim.getOrThrow(report))
    })

    it("nor where they are interrupted as they give way", () => {
      const sent = Uint8Array.from({ length: 100_000 }, (_, i) => i * 11 + (i >> 8))
      const report = simulated(Effect.gen(function*() {
        yield* serving(yield* listening("127.0.0.1:443"), (caller) =>
          Effect.gen(function*() {
            const secured = yield* accepting({ identity })(caller)
            for (let at = 0; at < sent.length; at += 20) yield* secured.write(sent.subarray(at, at + 20))
            yield* secured.end
            yield* drained(secured)
          }))
        const connection = yield* connecting().connect("127.0.0.1:443")
        const got: Array<Uint8Array> = []
        const reader = (steps: number) =>
          Effect.gen(function*() {
            // Gives way at another place of a read each time.
            for (let step = 0; step < steps; step++) yield* Effect.void
            while (got.at(-1)?.length !== 0) {
              got.push(yield* connection.read)
            }
          })
        for (let turn = 0; got.at(-1)?.length !== 0; turn++) {
          const reading = yield* Effect.forkChild(
            Effect.provideService(reader(turn), Scheduler.MaxOpsBeforeYield, 100),
            {
              startImmediately: true
            }
          )
          yield* Effect.yieldNow
          yield* Fiber.interrupt(reading)
        }
        return Buffer.concat(got).equals(sent)
      }))
      assert.isTrue(Sim.getOrThrow(report))
    })

    it("and goes the same way with the same seed", () => {
      const { run } = cases.find(({ title }) => title.startsWith("TLS runs in TLS"))!
      const hashes = [7, 7, 8].map((seed) => simulated(run(issuerAt(start)), { seed }).hash)
      assert.strictEqual(hashes[0], hashes[1])
      assert.notStrictEqual(hashes[0], hashes[2])
    })
  })

  describe("reads what comes", () => {
    const hello = {
      type: "client_hello",
      random: "1",
      versions: ["TLSv1.3"],
      ciphers: ["x".repeat(50_000)],
      alpn: []
    } as const
    const whole = Buffer.concat([
      Wire.encodeHandshake(
        Buffer.concat([Wire.encodeMessage(hello), Wire.encodeMessage({ type: "certificate_request" })])
      ),
      Wire.encodeData(new Uint8Array(40_000).fill(9)),
      Wire.encodeClose()
    ])
    const read = (pieces: Iterable<Uint8Array>) => {
      const reader = new Wire.Reader()
      const seen: Array<Wire.Incoming> = []
      for (const piece of pieces) {
        reader.push(piece)
        for (let next = reader.next(); next !== undefined; next = reader.next()) {
          seen.push(next)
          if (next._tag === "Wrong") return seen
        }
      }
      return seen
    }
    const tags = (seen: ReadonlyArray<Wire.Incoming>) => seen.map(({ _tag }) => _tag)

    it("however it was cut", () => {
      const once = read([whole])
      assert.deepStrictEqual(tags(once), ["Message", "Message", "Data", "Data", "Data", "Close"])
      for (let seed = 0; seed < 100; seed++) {
        const dice = new Dice(seed)
        const pieces: Array<Uint8Array> = []
        for (let at = 0; at < whole.length;) {
          const size = dice.chance(50) ? 1 + dice.below(8) : 1 + dice.below(20_000)
          pieces.push(whole.subarray(at, at + size))
          at += size
        }
        assert.deepStrictEqual(read(pieces), once, `seed ${seed}`)
      }
    })

    it("and holds no more than it says", () => {
      const head = (kind: number, length: number) => Uint8Array.of(kind, 0x73, 0x69, length >> 8, length)
      const wrong = (bytes: ReadonlyArray<Uint8Array>, alert: Tls.Alert) => {
        const last = read(bytes).at(-1)
        assert.deepInclude({ ...last }, { _tag: "Wrong", why: "malformed", alert })
      }
      wrong([head(22, 16_385)], "record_overflow")
      wrong([head(23, 16_402)], "record_overflow")
      wrong([head(22, 4), Uint8Array.of(11, 255, 255, 255)], "illegal_parameter")
      wrong([head(22, 0)], "unexpected_message")
      wrong([head(22, 6), Uint8Array.of(1, 0, 0, 2, 123, 125)], "decode_error")
      wrong([head(22, 6), Uint8Array.of(1, 0, 0, 9, 123, 125), Wire.encodeData(utf8("x"))], "unexpected_message")
      wrong([head(23, 3), Uint8Array.of(1, 2, 3)], "bad_record_mac")
      wrong([head(23, 17), new Uint8Array(17).fill(1)], "bad_record_mac")
      wrong([head(21, 3), Uint8Array.of(1, 2, 3)], "decode_error")
      wrong([Wire.encodeData(new Uint8Array(1)), utf8("x")], "unexpected_message")
    })

    it("and never throws, whatever it is", () => {
      const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"])
      for (let seed = 0; seed < runs; seed++) {
        const dice = new Dice(seed)
        const bytes = Uint8Array.from(whole.subarray(0, 1 + dice.below(whole.length)))
        for (let i = 0; i < 3; i++) bytes[dice.below(Math.min(bytes.length, 600))] = dice.below(256)
        assert.isArray(read([bytes]))
      }
    })

    it("a handshake in which a byte is changed on the way fails, or is whole", () => {
      const identity = authority.issue({ names: ["localhost"], size: 100 })
      for (let seed = 0; seed < 150; seed++) {
        const dice = new Dice(seed)
        const toClient = dice.chance(50)
        const at = dice.below(900)
        const report = simulated(
          Effect.gen(function*() {
            let active = false
            /** Changes one byte of what is read. */
            const changing = (under: Connection.Connection, here: boolean): Connection.Connection => {
              let seen = 0
              return Connection.over(under, {
                readLent: (f) =>
                  under.readLent((lent) => {
                    const bytes = lent.slice()
                    if (active && here && at >= seen && at < seen + bytes.length) bytes[at - seen]! ^= 1 + (seed % 255)
                    seen += bytes.length
                    return f(bytes)
                  })
              })
            }
            const listener = yield* listening("127.0.0.1:443")
            const tls = yield* Tls.Tls
            yield* serving(
              listener,
              (caller) => Effect.flatMap(tls.accept(changing(caller, !toClient), { identity }), drained)
            )
            const sessions = new Tls.SessionCache()
            const attempt = Effect.scoped(Effect.gen(function*() {
              const connection = yield* Connector.winsock.connect("127.0.0.1:443")
              const secured = yield* tls.connect(changing(connection, toClient), {
                ca: authority.cert,
                serverName: "localhost",
                sessions
              })
              yield* secured.end
              yield* drained(secured)
            }))
            // Half of them take up a session, in which nothing but the last word of each proves anything.
            if (seed % 2 === 0) yield* attempt
            active = true
            // A changed length may let it wait for more, which is what a time-out is for.
            return yield* Effect.exit(Effect.timeoutOption(attempt, "1 minute"))
          }),
          { seed }
        )
        const exit = Sim.getOrThrow(report)
        assert.isFalse(Exit.isFailure(exit) && Cause.hasDies(exit.cause), `seed ${seed}`)
        // What both have said is in the last word of each.
        if (at < 200) assert.isFalse(Exit.isSuccess(exit) && exit.value._tag === "Some", `seed ${seed}`)
        assert.deepStrictEqual(report.leftovers, [], `seed ${seed}`)
      }
    })
  })
})
