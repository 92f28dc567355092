/**
 * A model of TLS: handshakes that take the round trips, make the checks and fail with the errors of real ones, without any
 * cryptography.
 *
 * It is the service `Tls` of core over any connection, so it works in the simulated network and in `Memory`. Certificates are
 * data: an authority issues them as texts, which go into the same options that take PEM live. Whether they are in their time is
 * asked of the clock of the program, which in a run is virtual: a certificate can expire while it goes on.
 *
 * **Details**
 *
 * | modelled | how |
 * | --- | --- |
 * | TLS 1.3 | one round trip after the connect, also with a session that is taken up again |
 * | TLS 1.2 | two round trips; one with a session that is taken up again |
 * | certificates | names, times, chains, authorities, uses, signatures; in the order and by the rules of OpenSSL under Node |
 * | what they send | records and messages of about the size of real ones, which are split and joined as TLS does it |
 * | versions, ciphers, application protocols | agreed on, or the alert of the standard |
 * | client certificates | asked for or required; with TLS 1.3 the refusal comes with the first read of the client |
 * | tickets | two with TLS 1.3, one with TLS 1.2, taken for five minutes by the server that gave them |
 * | the end | close_notify, and the truncation where it does not come |
 *
 * **Gotchas**
 *
 * There is no secrecy in it: whoever reads the bytes reads all, and whoever can write JSON can forge a certificate. It models
 * neither 0-RTT, HelloRetryRequest, key updates, renegotiation, OCSP nor CRLs, and does not speak to real TLS: what is real
 * is `TlsProtocol` to it, and it to what is real.
 *
 * **Example** (A certificate expires during a run)
 *
 * ```ts import.meta.vitest
 * import { Connection, Connector, Tls, Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork, SimTls } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const authority = SimTls.authority("Some Authority")
 * const identity = authority.issue({ names: ["127.0.0.1"], notAfter: "2026-01-02T00:00:00Z" })
 *
 * const serving = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:443")
 *   yield* Winsock.listen(listener)
 *   const tls = yield* Tls.Tls
 *   return yield* Effect.forever(Effect.scoped(Effect.gen(function*() {
 *     const connection = Connection.fromAccepted(yield* Winsock.accept(listener))
 *     yield* Effect.ignore(tls.accept(connection, { identity }))
 *   })))
 * })
 *
 * const connector = Connector.winsock.pipe(Connector.tls({ ca: authority.cert }))
 * const attempt = connector.connect("127.0.0.1:443").pipe(Effect.scoped, Effect.as("connected"))
 * const program = Effect.gen(function*() {
 *   yield* Effect.forkScoped(serving)
 *   const first = yield* attempt
 *   yield* Effect.sleep("1 day")
 *   const second = yield* Effect.flip(Effect.delay(attempt, "1 second"))
 *   return [first, second._tag]
 * }).pipe(Effect.scoped, Effect.provide([SimNetwork.layer(), SimTls.layer()]))
 *
 * Sim.getOrThrow(Sim.run(program)) // => ["connected", "TlsExpired"]
 * ```
 *
 * @since 0.1.0
 */
import type * as Connection from "@effect-winsock/core/Connection"
import * as Tls from "@effect-winsock/core/Tls"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Certificates from "./internal/tls/certificates.ts"
import { Channel } from "./internal/tls/channel.ts"
import * as Handshake from "./internal/tls/handshake.ts"
import * as Wire from "./internal/tls/wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Certificates
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What is wrong with a certificate, beyond its names and times.
 *
 * @category models
 * @since 0.1.0
 */
export type Flaw = "bad-signature" | "revoked" | "weak" | "other"

/**
 * What every certificate can be made with.
 *
 * @category options
 * @since 0.1.0
 */
export interface CertificateOptions {
  /** When its time begins. Default: the beginning of 1970. */
  readonly notBefore?: DateTime.DateTime.Input | undefined
  /** When its time ends. Default: the end of the year 9999. */
  readonly notAfter?: DateTime.DateTime.Input | undefined
  /** The id of its key. Default: one of its own. */
  readonly key?: string | undefined
  /** How many bytes it takes at least, as it is sent. Default 1000. A chain of more than 128 KiB is refused. */
  readonly size?: number | undefined
  /** What is wrong with it. Default nothing. */
  readonly flaw?: Flaw | undefined
}

/**
 * What an authority issues.
 *
 * @category options
 * @since 0.1.0
 */
export interface IssueOptions extends CertificateOptions {
  /** The names and addresses that it is for, such as `"*.example.org"` and `"192.0.2.1"`. Default none. */
  readonly names?: ReadonlyArray<string> | undefined
  /** Whom it names. Default: the first of the names. */
  readonly subject?: string | undefined
  /** What it may be used for. Default `"both"`. */
  readonly usage?: "server" | "client" | "both" | undefined
  /** What the key is encrypted with. */
  readonly passphrase?: string | undefined
  /** `false`: it is shown alone, without the intermediate authorities that lead to one that is trusted. Default `true`. */
  readonly chain?: boolean | undefined
}

/**
 * A certificate with its key, as texts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Identity extends Tls.Identity {
  /** The certificate, and after it the intermediate authorities. */
  readonly cert: string
  /** The key of the certificate. */
  readonly key: Redacted.Redacted<string>
}

/**
 * Whoever issues certificates.
 *
 * @category models
 * @since 0.1.0
 */
export interface Authority {
  /** Its name. */
  readonly name: string
  /** Its own certificate: what goes into the option `ca` of those who trust it. */
  readonly cert: string
  /** Issues a certificate. */
  readonly issue: (options?: IssueOptions) => Identity
  /** Makes an authority that this one vouches for. */
  readonly intermediate: (name: string, options?: CertificateOptions) => Authority
}

const always = { notBefore: 0, notAfter: Date.UTC(9999, 11, 31, 23, 59, 59) }
const millis = (input: DateTime.DateTime.Input) => DateTime.toEpochMillis(DateTime.makeUnsafe(input))
const usages = { server: ["server"], client: ["client"], both: ["server", "client"] } as const

interface Issuer {
  readonly subject: string
  readonly key: string
}

const certify = (
  content: Pick<Certificates.Content, "serial" | "subject" | "names" | "isAuthority" | "usage" | "key">,
  issuer: Issuer,
  { flaw, notAfter, notBefore, size = 1000 }: CertificateOptions
): Certificates.Certificate => {
  const whole = {
    ...content,
    issuer: issuer.subject,
    issuerKey: issuer.key,
    notBefore: notBefore === undefined ? always.notBefore : millis(notBefore),
    notAfter: notAfter === undefined ? always.notAfter : millis(notAfter),
    ...(flaw === undefined || flaw === "bad-signature" ? {} : { flaw }),
    filling: ""
  }
  const filling = "=".repeat(Math.max(0, size - JSON.stringify(whole).length))
  const signed = Certificates.sign({ ...whole, filling })
  return flaw === "bad-signature" ? { ...signed, signature: "nobody's" } : signed
}

const authorityOf = (
  name: string,
  own: Certificates.Certificate,
  /** What is shown after the certificates that it issues. */
  above: ReadonlyArray<Certificates.Certificate>
): Authority => {
  const { key, subject } = own.content
  let serial = 0
  return {
    name,
    cert: Certificates.certificatePem(own),
    issue: (options = {}) => {
      const { chain = true, names = [], passphrase, usage = "both" } = options
      const whom = options.subject ?? names[0] ?? "nobody"
      serial++
      const keyId = options.key ?? `${whom}, number ${serial} of ${key}`
      const content = { serial, subject: `CN=${whom}`, names, isAuthority: false, usage: usages[usage], key: keyId }
      const certificate = certify(content, { subject, key }, options)
      return {
        cert: [certificate, ...(chain ? above : [])].map(Certificates.certificatePem).join(""),
        key: Redacted.make(Certificates.keyPem(keyId, passphrase)),
        ...(passphrase === undefined ? {} : { passphrase: Redacted.make(passphrase) })
      }
    },
    intermediate: (name, options = {}) => {
      const keyId = options.key ?? `${name} of ${key}`
      const content = {
        serial: ++serial,
        subject: `CN=${name}`,
        names: [],
        isAuthority: true,
        usage: usages.both,
        key: keyId
      }
      const certificate = certify(content, { subject, key }, options)
      return authorityOf(name, certificate, [certificate, ...above])
    }
  }
}

/**
 * Makes an authority: it vouches for itself, and is believed by whoever has it in `ca`.
 *
 * **Details**
 *
 * It is a value like any other: one with the same name and the same `key` is the same authority, and issues the same
 * certificates in the same order. The texts look like PEM, with labels of their own: Node takes them for none.
 *
 * **Example** (A chain of two)
 *
 * ```ts import.meta.vitest
 * import { SimTls } from "@effect-winsock/testing"
 *
 * const root = SimTls.authority("Root")
 * const identity = root.intermediate("Web").issue({ names: ["example.org", "*.example.org"] })
 *
 * root.cert.startsWith("-----BEGIN SIMULATED CERTIFICATE-----") // => true
 * identity.cert.split("BEGIN").length - 1 // => 2
 * ```
 *
 * @category certificates
 * @since 0.1.0
 */
export const authority = (name: string, options: CertificateOptions = {}): Authority => {
  const subject = `CN=${name}`
  const key = options.key ?? name
  const content = { serial: 0, subject, names: [], isAuthority: true, usage: usages.both, key }
  return authorityOf(name, certify(content, { subject, key }, options), [])
}

/**
 * Makes a certificate that vouches for itself. It is trusted by whoever has it in `ca`.
 *
 * **Example** (Nobody vouches for it)
 *
 * ```ts import.meta.vitest
 * import { SimTls } from "@effect-winsock/testing"
 *
 * const identity = SimTls.selfSigned({ names: ["example.org"] })
 * identity.cert.split("BEGIN").length - 1 // => 1
 * ```
 *
 * @category certificates
 * @since 0.1.0
 */
export const selfSigned = (options: Omit<IssueOptions, "chain"> = {}): Identity => {
  const { names = [], passphrase, usage = "both" } = options
  const whom = options.subject ?? names[0] ?? "nobody"
  const subject = `CN=${whom}`
  const key = options.key ?? `${whom} itself`
  const content = { serial: 1, subject, names, isAuthority: false, usage: usages[usage], key }
  return {
    cert: Certificates.certificatePem(certify(content, { subject, key }, options)),
    key: Redacted.make(Certificates.keyPem(key, passphrase)),
    ...(passphrase === undefined ? {} : { passphrase: Redacted.make(passphrase) })
  }
}

/**
 * The bytes by which a peer breaks off, wherever the other one is.
 *
 * **When to use**
 *
 * Use in a server of a test that speaks no TLS, to let a client meet any alert.
 *
 * **Example** (A server with trouble of its own)
 *
 * ```ts import.meta.vitest
 * import { Connection, Connector, Winsock } from "@effect-winsock/core"
 * import { Memory, SimTls } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:443")
 *   yield* Winsock.listen(listener)
 *   yield* Effect.forkScoped(Effect.gen(function*() {
 *     const server = Connection.fromAccepted(yield* Winsock.accept(listener))
 *     yield* server.write(SimTls.alert("internal_error"))
 *   }))
 *
 *   return yield* Effect.flip(Connector.winsock.pipe(Connector.tls()).connect("127.0.0.1:443"))
 * }).pipe(Effect.scoped, Effect.provide([Memory.layer(), SimTls.layer()]))
 *
 * const error = await Effect.runPromise(program)
 * error._tag // => "TlsAlert"
 * error.retryClass // => "transient"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const alert = (name: Tls.Alert): Uint8Array => Wire.encodeAlert(Tls.alerts[name])

// ---------------------------------------------------------------------------------------------------------------------
// The service
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What a machine has, wants and trusts, where the options of a connection do not say.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The authorities that the system trusts: those of a connection without `ca`. Default none. */
  readonly trusted?: Tls.Pem | ReadonlyArray<Tls.Pem> | undefined
  /** The cipher suites, the liked ones first, by the names of the standard. Default {@link ciphers}. */
  readonly ciphers?: ReadonlyArray<string> | undefined
  /** How long a server takes the tickets that it has given. Default 5 minutes, as Node. */
  readonly ticketLifetime?: Duration.Input | undefined
}

/**
 * The cipher suites that a machine has unless it is told: those of TLS 1.3, then those of TLS 1.2.
 *
 * **Example** (Machines that have nothing in common)
 *
 * ```ts import.meta.vitest
 * import { SimTls } from "@effect-winsock/testing"
 *
 * const [first, ...others] = SimTls.ciphers
 * first // => "TLS_AES_256_GCM_SHA384"
 * const client = SimTls.layer({ ciphers: [first] })
 * const server = SimTls.layer({ ciphers: others })
 * client !== server // => true
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const ciphers: readonly [string, ...Array<string>] = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
  "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
  "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
]

const bad = (option: Tls.TlsBadOption["option"], detail: string) =>
  new Tls.TlsBadOption({ stage: "tls", option, detail })

const readAll = (
  ca: NonNullable<Tls.CommonOptions["ca"]>
): Result.Result<ReadonlyArray<Certificates.Certificate>, Tls.TlsBadOption> => {
  const texts = typeof ca === "string" || ca instanceof Uint8Array ? [ca] : ca
  return Result.map(
    Result.all(texts.map((text) => Result.mapError(Certificates.readCertificates(text), (fault) => bad("ca", fault)))),
    (all) => all.flat()
  )
}

const readIdentity = ({ cert, key, passphrase }: Tls.Identity): Result.Result<Handshake.Identity, Tls.TlsBadOption> =>
  Result.gen(function*() {
    const chain = yield* Result.mapError(Certificates.readCertificates(cert), (fault) => bad("cert", fault))
    const own = yield* Result.mapError(Certificates.readKey(Redacted.value(key)), (fault) => bad("key", fault))
    if (own.passphrase !== undefined) {
      if (passphrase === undefined) {
        return yield* Result.fail(bad("passphrase", "the key is encrypted, and there is none"))
      }
      if (!Certificates.opens(own, Redacted.value(passphrase))) {
        return yield* Result.fail(bad("passphrase", "the key cannot be decrypted with it"))
      }
    }
    return chain[0]!.content.key === own.key
      ? { chain, key: own.key }
      : yield* Result.fail(bad("key", "it is not the key of the certificate"))
  })

const versions = ["TLSv1.3", "TLSv1.2"] as const

const commonOf = (
  { alpn = [], ca, maxVersion = "TLSv1.3", minVersion = "TLSv1.2" }: Tls.CommonOptions,
  machine: Options
): Result.Result<Handshake.Common, Tls.TlsBadOption> =>
  Result.map(readAll(ca ?? machine.trusted ?? []), (trusted) => ({
    versions: versions.filter((one) => one >= minVersion && one <= maxVersion),
    ciphers: machine.ciphers ?? ciphers,
    alpn,
    trusted
  }))

const clientOf = (options: Tls.ConnectOptions, machine: Options): Result.Result<Handshake.Client, Tls.TlsBadOption> =>
  Result.gen(function*() {
    const fault = Tls.faultOf("client", options)
    if (fault !== undefined) return yield* Result.fail(fault)
    const common = yield* commonOf(options, machine)
    const identity = options.identity === undefined ? undefined : yield* readIdentity(options.identity)
    return { ...common, options, identity }
  })

const serverOf = (
  options: Tls.AcceptOptions,
  machine: Options,
  secret: string
): Result.Result<Handshake.Server, Tls.TlsBadOption> =>
  Result.gen(function*() {
    const fault = Tls.faultOf("server", options)
    if (fault !== undefined) return yield* Result.fail(fault)
    const common = yield* commonOf(options, machine)
    const identity = yield* readIdentity(options.identity)
    const { clientCertificate = "none" } = options
    const trusted = common.trusted.map(Certificates.toWire)
    return {
      ...common,
      identity,
      clientCertificate,
      seal: Certificates.digest("seal", secret, identity.key, clientCertificate, ...trusted),
      ticketLifetime: Duration.toMillis(Duration.fromInputUnsafe(machine.ticketLifetime ?? "5 minutes"))
    }
  })

/** A session over a connection, ended with the scope. */
const secured = <E, E2, R>(
  connection: Connection.Connection<E>,
  handshake: Effect.Effect<Handshake.Done, E2, R>
) =>
  Effect.flatMap(handshake, (done) => {
    const channel = new Channel(connection, done)
    return Effect.as(Effect.addFinalizer((exit) => channel.close(exit)), channel.connection)
  })

/**
 * Makes the service, for a machine.
 *
 * **When to use**
 *
 * Use where client and server are to differ in what they trust or have; {@link layer} gives it to a program.
 *
 * **Example** (A client and a server, over any connections)
 *
 * ```ts import.meta.vitest
 * import { Connection, Connector, Winsock } from "@effect-winsock/core"
 * import { Memory, SimTls } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const authority = SimTls.authority("Some Authority")
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:443")
 *   yield* Winsock.listen(listener)
 *   const client = yield* Connector.winsock.connect("127.0.0.1:443")
 *   const server = Connection.fromAccepted(yield* Winsock.accept(listener))
 *
 *   const one = yield* SimTls.make({ trusted: authority.cert })
 *   const other = yield* SimTls.make()
 *   const [secured] = yield* Effect.all([
 *     one.connect(client, { serverName: "example.org", alpn: ["h2"] }),
 *     other.accept(server, { identity: authority.issue({ names: ["example.org"] }), alpn: ["h2"] })
 *   ], { concurrency: 2 })
 *   return [secured.tls.protocol, secured.tls.alpn, secured.tls.certificate?.subject]
 * }).pipe(Effect.scoped, Effect.provide(Memory.layer()))
 *
 * await Effect.runPromise(program) // => ["TLSv1.3", "h2", "CN=example.org"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Effect.Effect<Tls.Tls["Service"]> =>
  Effect.map(Random.nextInt, (secret) =>
    Tls.Tls.of({
      connect: (connection, asked) =>
        Effect.flatMap(
          Effect.fromResult(clientOf(asked, options)),
          (client) => secured(connection, Handshake.connect(connection, client))
        ),
      accept: (connection, asked) =>
        Effect.flatMap(
          Effect.fromResult(serverOf(asked, options, String(secret))),
          (server) => secured(connection, Handshake.accept(connection, server))
        )
    }))

/**
 * Provides the service `Tls`, modelled.
 *
 * **When to use**
 *
 * Use in the place of the layer for Node: the program stays the same, as long as it is given its certificates from outside.
 * `SimNetwork.layerConnector` has it.
 *
 * **Example** (What the system trusts)
 *
 * ```ts import.meta.vitest
 * import { SimTls } from "@effect-winsock/testing"
 * import { Layer } from "effect"
 *
 * const authority = SimTls.authority("Public Authority")
 * Layer.isLayer(SimTls.layer({ trusted: authority.cert })) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Tls.Tls> => Layer.effect(Tls.Tls, make(options))
