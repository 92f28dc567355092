/**
 * TLS over a connection: what a handshake is asked for, what it yields, and everything that can go wrong in it.
 *
 * {@link Tls} is the service that does it. Live it is OpenSSL's, in the simulator a model of it; the options, the sessions
 * and the errors are the same, so that a program that was tested against an expired certificate there meets the same error
 * here. `Connector.tls` makes it a step of every attempt to connect.
 *
 * **What can go wrong**
 *
 * | error | what it says |
 * | --- | --- |
 * | {@link TlsUntrusted} | nobody who is trusted vouches for the peer |
 * | {@link TlsExpired} | a certificate is out of its time, or not yet in it |
 * | {@link TlsNameMismatch} | the certificate is of somebody else |
 * | {@link TlsProtocol} | there is no version, cipher or application protocol in common, or the peer does not speak TLS |
 * | {@link TlsAlert} | the peer broke off, and said why |
 * | {@link TlsTruncated} | the connection ended without the peer's having ended the session |
 * | {@link TlsBadOption} | an option cannot be used: no peer was asked |
 *
 * Where the connection itself breaks, the error is Winsock's, of the stage `"tls"`: WSAECONNRESET and its kin.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import { hasProperty } from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Connection from "./Connection.ts"
import { type Broken, brokenAt } from "./internal/transport.ts"
import * as SocketAddress from "./SocketAddress.ts"
import * as WsaError from "./WsaError.ts"

// ---------------------------------------------------------------------------------------------------------------------
// What is asked for
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Certificates or a key: PEM as text, or bytes that whoever does the handshake can read.
 *
 * @category models
 * @since 0.1.0
 */
export type Pem = string | Uint8Array

/**
 * A version of TLS that can be asked for.
 *
 * @category models
 * @since 0.1.0
 */
export type Version = "TLSv1.2" | "TLSv1.3"

/**
 * A certificate with its key: who one is.
 *
 * @category options
 * @since 0.1.0
 */
export interface Identity {
  /** The certificate, and after it those that lead to an authority. */
  readonly cert: Pem
  /** The key of the certificate. */
  readonly key: Redacted.Redacted<Pem>
  /** What the key is encrypted with. */
  readonly passphrase?: Redacted.Redacted<string> | undefined
}

/**
 * What both sides can ask for.
 *
 * @category options
 * @since 0.1.0
 */
export interface CommonOptions {
  /** The protocols that may be spoken over it, such as `"h2"`, the liked ones first. None: nothing is said of them. */
  readonly alpn?: ReadonlyArray<string> | undefined
  /** The authorities that are trusted, in place of those of the system. */
  readonly ca?: Pem | ReadonlyArray<Pem> | undefined
  /** The lowest version that will do. Default TLSv1.2. */
  readonly minVersion?: Version | undefined
  /** The highest version that will do. Default TLSv1.3. */
  readonly maxVersion?: Version | undefined
}

/**
 * What a client asks for.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConnectOptions extends CommonOptions {
  /**
   * Whom the certificate has to be of: a name, which the server is told too, or an address, which it is not. Only whoever
   * accepts any certificate can do without.
   */
  readonly serverName?: string | undefined
  /** Who the client is, if the server asks. */
  readonly identity?: Identity | undefined
  /** Where sessions are kept, to be taken up again by later connections. None: every handshake is a full one. */
  readonly sessions?: SessionCache | undefined
  /** `true`: whoever answers is believed to be whom we meant. Then anybody on the way can read and change everything. */
  readonly dangerouslyAcceptAnyCertificate?: boolean | undefined
}

/**
 * What a server asks for.
 *
 * @category options
 * @since 0.1.0
 */
export interface AcceptOptions extends CommonOptions {
  /** Who the server is. */
  readonly identity: Identity
  /**
   * Whether the client has to say who it is: not asked, asked and verified if it does, or turned away if it does not.
   * Default `"none"`.
   */
  readonly clientCertificate?: "none" | "request" | "require" | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// What it yields
// ---------------------------------------------------------------------------------------------------------------------

const certificateFields = {
  subject: Schema.String,
  issuer: Schema.String,
  names: Schema.Array(Schema.String),
  validFrom: Schema.DateTimeUtc,
  validTo: Schema.DateTimeUtc,
  fingerprint: Schema.String
}

/**
 * Schema of what is told of a certificate.
 *
 * **Example** (Sending one across JSON)
 *
 * ```ts import.meta.vitest
 * import { Tls } from "@effect-winsock/core"
 * import { DateTime, Schema } from "effect"
 *
 * const json = Schema.encodeSync(Schema.toCodecJson(Tls.Certificate))({
 *   subject: "CN=example.org",
 *   issuer: "CN=Some Authority",
 *   names: ["example.org"],
 *   validFrom: DateTime.makeUnsafe("2026-01-01T00:00:00Z"),
 *   validTo: DateTime.makeUnsafe("2027-01-01T00:00:00Z"),
 *   fingerprint: "AB:CD"
 * })
 * JSON.stringify(json).includes("2027-01-01") // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Certificate: Schema.Struct<typeof certificateFields> = Schema.Struct(certificateFields)

/**
 * What is told of a certificate.
 *
 * @category models
 * @since 0.1.0
 */
export interface Certificate {
  /** Whom it names, such as `"CN=example.org"`. */
  readonly subject: string
  /** Who vouches for it. */
  readonly issuer: string
  /** The names and addresses that it is valid for, such as `"*.example.org"` and `"192.0.2.1"`. */
  readonly names: ReadonlyArray<string>
  /** When its time begins. */
  readonly validFrom: DateTime.Utc
  /** When its time ends. */
  readonly validTo: DateTime.Utc
  /** Its SHA-256 fingerprint: pairs of hexadecimal digits with colons between. */
  readonly fingerprint: string
}

/**
 * What a handshake has settled.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session {
  /** The version that is spoken. */
  readonly protocol: Version
  /** The cipher suite, by the name that the standard gives it. */
  readonly cipher: string
  /** The protocol that is to be spoken over it, where both sides named one. */
  readonly alpn: string | undefined
  /** The name that the client asked for, where it did. */
  readonly serverName: string | undefined
  /** The certificate of the other side, where it has shown one. */
  readonly certificate: Certificate | undefined
  /** Whether the other side is known to be who its certificate says. */
  readonly verified: boolean
  /** Whether an earlier session was taken up again: a round trip, and the certificates, are saved. */
  readonly reused: boolean
}

/**
 * A connection under TLS. `E`: what the connection beneath can fail with beyond a socket's errors.
 *
 * **Details**
 *
 * `end` tells the peer that no more will come, and ends the direction of the connection beneath. A read gives no bytes only
 * where the peer has said so too; where the connection ends without a word it fails with {@link TlsTruncated}.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsConnection<out E = never> extends Connection.Connection<E | StreamError> {
  /** What the handshake has settled. */
  readonly tls: Session
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

const fields = {
  /** Where it came up: in the handshake, or at a later read or write. */
  stage: Schema.Literals(["tls", "receive", "send", "shutdown"]),
  /** Whom the socket is connected to. */
  remote: Schema.optionalKey(SocketAddress.schema),
  /** The name that was asked for. */
  serverName: Schema.optionalKey(Schema.String),
  /** The other side's own words, or those of the library that does the handshake. */
  native: Schema.optionalKey(WsaError.Native),
  /** What was wrong, where, and what would be right. */
  detail: Schema.optionalKey(Schema.String),
  /** Where several addresses were raced: all attempts. */
  attempts: Schema.optionalKey(Schema.Array(WsaError.Attempt))
}

interface Shape {
  readonly _tag: string
  readonly remote?: SocketAddress.SocketAddress
  readonly serverName?: string
  readonly native?: WsaError.Native
  readonly detail?: string
}

const lineOf = ({ _tag, detail, native, remote, serverName }: Shape, words: string): string => {
  const whom = [
    serverName,
    remote && `remote ${SocketAddress.format(remote)}`
  ].filter(Boolean).join(", ")
  return `${_tag}: ${words}${whom && ` [${whom}]`}` + (detail ? `; ${detail}` : "") +
    (native?.code === undefined ? "" : `; ${native.code}`)
}

const untrusted = {
  "self-signed": "the certificate vouches for itself",
  "unknown-authority": "no authority that is trusted vouches for the certificate",
  "incomplete-chain": "a certificate between the peer's and an authority is missing",
  "bad-signature": "a signature in the chain of certificates is wrong",
  "revoked": "a certificate has been revoked",
  "purpose": "a certificate is used for what it is not made for",
  "weak": "a key or a digest in the chain of certificates is too weak",
  "missing": "the peer shows no certificate",
  "other": "the certificate cannot be trusted"
} as const

/**
 * Why a certificate is not trusted.
 *
 * @category models
 * @since 0.1.0
 */
export type UntrustedReason = keyof typeof untrusted

/**
 * Nobody who is trusted vouches for the peer.
 *
 * **Example** (Making one)
 *
 * ```ts import.meta.vitest
 * import { Tls } from "@effect-winsock/core"
 *
 * const error = new Tls.TlsUntrusted({ stage: "tls", why: "self-signed", serverName: "example.org" })
 * error.message // => "TlsUntrusted: the certificate vouches for itself [example.org]"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsUntrusted extends Schema.TaggedError<TlsUntrusted>("@effect-winsock/core/Tls/TlsUntrusted")(
  "TlsUntrusted",
  {
    ...fields,
    /** Why it is not trusted. */
    why: Schema.Literals(Object.keys(untrusted) as Array<UntrustedReason>),
    /** The certificate of the peer. */
    certificate: Schema.optionalKey(Certificate)
  }
) {
  /** How to take it. */
  get retryClass(): "other" {
    return "other"
  }
  override get message(): string {
    return lineOf(this, untrusted[this.why])
  }
}

/**
 * A certificate is out of its time, or not yet in it: the peer's, or one that vouches for it.
 *
 * **Example** (Making one)
 *
 * ```ts import.meta.vitest
 * import { Tls } from "@effect-winsock/core"
 * import { DateTime } from "effect"
 *
 * const error = new Tls.TlsExpired({
 *   stage: "tls",
 *   why: "expired",
 *   validTo: DateTime.makeUnsafe("2026-01-31T00:00:00Z")
 * })
 * error.message // => "TlsExpired: a certificate has expired on 2026-01-31T00:00:00.000Z"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsExpired extends Schema.TaggedError<TlsExpired>("@effect-winsock/core/Tls/TlsExpired")("TlsExpired", {
  ...fields,
  /** Whether its time is over, or has not begun. */
  why: Schema.Literals(["expired", "not-yet-valid"]),
  /** When the time of that certificate begins, where it is known. */
  validFrom: Schema.optionalKey(Schema.DateTimeUtc),
  /** When the time of that certificate ends, where it is known. */
  validTo: Schema.optionalKey(Schema.DateTimeUtc),
  /** The certificate of the peer. */
  certificate: Schema.optionalKey(Certificate)
}) {
  /** How to take it. */
  get retryClass(): "other" {
    return "other"
  }
  override get message(): string {
    const on = (date: DateTime.Utc | undefined) => date === undefined ? "" : ` on ${DateTime.formatIso(date)}`
    return lineOf(
      this,
      this.why === "expired"
        ? `a certificate has expired${on(this.validTo)}`
        : `a certificate is not valid yet: its time begins${on(this.validFrom) || " later"}`
    )
  }
}

/**
 * The certificate is of somebody else: it does not name whom we meant.
 *
 * **Example** (Making one)
 *
 * ```ts import.meta.vitest
 * import { Tls } from "@effect-winsock/core"
 *
 * const error = new Tls.TlsNameMismatch({ stage: "tls", expected: "example.org", names: ["*.example.com"] })
 * error.message // => "TlsNameMismatch: the certificate is for *.example.com, and not for example.org"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsNameMismatch extends Schema.TaggedError<TlsNameMismatch>("@effect-winsock/core/Tls/TlsNameMismatch")(
  "TlsNameMismatch",
  {
    ...fields,
    /** Whom we meant. */
    expected: Schema.String,
    /** Whom the certificate names. */
    names: Schema.Array(Schema.String),
    /** The certificate of the peer. */
    certificate: Schema.optionalKey(Certificate)
  }
) {
  /** How to take it. */
  get retryClass(): "other" {
    return "other"
  }
  override get message(): string {
    return lineOf(this, `the certificate is for ${this.names.join(", ") || "nobody"}, and not for ${this.expected}`)
  }
}

const protocols = {
  "version": "there is no version that both sides speak",
  "cipher": "there is no cipher or key exchange that both sides have",
  "alpn": "there is no application protocol that both sides speak",
  "not-tls": "the peer does not speak TLS",
  "malformed": "the peer breaks the rules of TLS",
  "other": "the handshake failed"
} as const

/**
 * What two sides do not have in common.
 *
 * @category models
 * @since 0.1.0
 */
export type ProtocolReason = keyof typeof protocols

/**
 * The two sides cannot talk: they have no version, cipher or application protocol in common, or what comes is no TLS.
 *
 * **Example** (Making one)
 *
 * ```ts import.meta.vitest
 * import { Tls } from "@effect-winsock/core"
 *
 * const error = new Tls.TlsProtocol({ stage: "tls", why: "not-tls" })
 * error.message // => "TlsProtocol: the peer does not speak TLS"
 * error.retryClass // => "unsupported"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsProtocol
  extends Schema.TaggedError<TlsProtocol>("@effect-winsock/core/Tls/TlsProtocol")("TlsProtocol", {
    ...fields,
    /** What it is that they do not have in common. */
    why: Schema.Literals(Object.keys(protocols) as Array<ProtocolReason>)
  })
{
  /** How to take it. */
  get retryClass(): "unsupported" {
    return "unsupported"
  }
  override get message(): string {
    return lineOf(this, protocols[this.why])
  }
}

/**
 * The alerts by which a peer breaks off, with their numbers (RFC 8446 §6, RFC 5246 §7.2).
 *
 * **Example** (Looking one up)
 *
 * ```ts import.meta.vitest
 * import { Tls } from "@effect-winsock/core"
 *
 * Tls.alerts.certificate_required // => 116
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const alerts = {
  unexpected_message: 10,
  bad_record_mac: 20,
  decryption_failed: 21,
  record_overflow: 22,
  decompression_failure: 30,
  handshake_failure: 40,
  no_certificate: 41,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  export_restriction: 60,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  inappropriate_fallback: 86,
  user_canceled: 90,
  no_renegotiation: 100,
  missing_extension: 109,
  unsupported_extension: 110,
  certificate_unobtainable: 111,
  unrecognized_name: 112,
  bad_certificate_status_response: 113,
  bad_certificate_hash_value: 114,
  unknown_psk_identity: 115,
  certificate_required: 116,
  no_application_protocol: 120
} as const

/**
 * The name of an alert.
 *
 * @category models
 * @since 0.1.0
 */
export type Alert = keyof typeof alerts

const alertNames: ReadonlyMap<number, Alert> = new Map(
  (Object.keys(alerts) as Array<Alert>).map((name) => [alerts[name], name])
)

/**
 * The name of the alert that has a number; `"unknown"` where the standards have none.
 *
 * **Example** (Reading an alert)
 *
 * ```ts import.meta.vitest
 * import { Tls } from "@effect-winsock/core"
 *
 * Tls.alertOf(48) // => "unknown_ca"
 * Tls.alertOf(255) // => "unknown"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const alertOf = (number: number): Alert | "unknown" => alertNames.get(number) ?? "unknown"

// What the peer may do better another time: its own trouble, or somebody's change of mind.
const passing: ReadonlySet<string> = new Set<Alert>(["internal_error", "user_canceled"])
const incapable: ReadonlySet<string> = new Set<Alert>([
  "handshake_failure",
  "protocol_version",
  "insufficient_security",
  "inappropriate_fallback",
  "missing_extension",
  "unsupported_extension",
  "no_application_protocol"
])

/**
 * The peer broke off, and said why.
 *
 * **Details**
 *
 * A server of TLS 1.3 judges the client's certificate when the client takes the handshake for done. So
 * `certificate_required`, `unknown_ca` and their kin come of the first read then, with the stage `"receive"`.
 *
 * **Example** (Making one)
 *
 * ```ts import.meta.vitest
 * import { Tls } from "@effect-winsock/core"
 *
 * const error = new Tls.TlsAlert({ stage: "receive", alert: "certificate_required", number: 116 })
 * error.message // => "TlsAlert: the peer broke off with the alert certificate_required (116)"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsAlert extends Schema.TaggedError<TlsAlert>("@effect-winsock/core/Tls/TlsAlert")("TlsAlert", {
  ...fields,
  /** The alert, by the name that the standard gives it. */
  alert: Schema.Literals([...Object.keys(alerts) as Array<Alert>, "unknown"]),
  /** Its number. */
  number: Schema.Int
}) {
  /** How to take it: what the peer may do better another time is transient. */
  get retryClass(): "transient" | "unsupported" | "other" {
    if (passing.has(this.alert)) return "transient"
    return incapable.has(this.alert) ? "unsupported" : "other"
  }
  override get message(): string {
    return lineOf(this, `the peer broke off with the alert ${this.alert} (${this.number})`)
  }
}

/**
 * The connection ended without the peer's having ended the session: what was read may not be all that was sent.
 *
 * **Example** (Making one)
 *
 * ```ts import.meta.vitest
 * import { Tls } from "@effect-winsock/core"
 *
 * const error = new Tls.TlsTruncated({ stage: "receive" })
 * error.retryClass // => "transient"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsTruncated extends Schema.TaggedError<TlsTruncated>("@effect-winsock/core/Tls/TlsTruncated")(
  "TlsTruncated",
  fields
) {
  /** How to take it. */
  get retryClass(): "transient" {
    return "transient"
  }
  override get message(): string {
    return lineOf(this, "the connection ended without a close_notify: what was read may not be all")
  }
}

const options = [
  "serverName",
  "alpn",
  "ca",
  "cert",
  "key",
  "passphrase",
  "minVersion",
  "maxVersion",
  "sessions"
] as const

/**
 * An option cannot be used. No peer was asked.
 *
 * **Example** (Making one)
 *
 * ```ts import.meta.vitest
 * import { Tls } from "@effect-winsock/core"
 *
 * const error = new Tls.TlsBadOption({ stage: "tls", option: "key", detail: "it is not the key of the certificate" })
 * error.message // => "TlsBadOption: the option key cannot be used; it is not the key of the certificate"
 * error.retryClass // => "defect"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsBadOption extends Schema.TaggedError<TlsBadOption>("@effect-winsock/core/Tls/TlsBadOption")(
  "TlsBadOption",
  {
    ...fields,
    /** The option. */
    option: Schema.Literals(options)
  }
) {
  /** How to take it. */
  get retryClass(): "defect" {
    return "defect"
  }
  override get message(): string {
    return lineOf(this, `the option ${this.option} cannot be used`)
  }
}

/**
 * What a read or a write of a connection under TLS can fail with beyond what the connection beneath can.
 *
 * @category errors
 * @since 0.1.0
 */
export type StreamError = TlsAlert | TlsProtocol | TlsTruncated

/**
 * What a handshake can fail with where the connection beneath breaks: a code of WSAConnect, of the stage `"tls"`.
 *
 * @category errors
 * @since 0.1.0
 */
export type BrokenError = Broken

/**
 * What a handshake can fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type HandshakeError =
  | TlsUntrusted
  | TlsExpired
  | TlsNameMismatch
  | TlsProtocol
  | TlsAlert
  | TlsBadOption
  | BrokenError

/**
 * What a read or a write of the connection beneath failed with, as the failure of a handshake over it.
 *
 * **When to use**
 *
 * Use to write a {@link Tls} of your own.
 *
 * **Example** (A reset in a handshake)
 *
 * ```ts import.meta.vitest
 * import { Tls, WsaError } from "@effect-winsock/core"
 *
 * const error = Tls.fromTransport(WsaError.make("WSAECONNRESET", { call: "recv", stage: "receive" }))
 * error._tag // => "WSAECONNRESET"
 * error.stage // => "tls"
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const fromTransport = (error: Connection.ReadError | Connection.WriteError): BrokenError =>
  brokenAt("tls", error)

/**
 * The peer ended the connection in the middle of a handshake, in good order: to whoever wanted to connect that is a reset.
 *
 * **When to use**
 *
 * Use to write a {@link Tls} of your own.
 *
 * **Example** (An early end)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress, Tls } from "@effect-winsock/core"
 *
 * const error = Tls.earlyEnd({ remote: SocketAddress.fromInputUnsafe("192.0.2.1:443") })
 * error._tag // => "WSAECONNRESET"
 * error.stage // => "tls"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const earlyEnd = (
  connection: { readonly remote: SocketAddress.SocketAddress; readonly local?: SocketAddress.SocketAddress }
): WsaError.WSAECONNRESET =>
  WsaError.make("WSAECONNRESET", {
    call: "WSAConnect",
    stage: "tls",
    remote: connection.remote,
    local: connection.local,
    detail: "the peer ended the connection in the middle of the handshake"
  })

// ---------------------------------------------------------------------------------------------------------------------
// Names
// ---------------------------------------------------------------------------------------------------------------------

const ipOf = (text: string): NetAddress.IpAddress | undefined => {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text
  return Result.getOrUndefined(NetAddress.ipFromString(bare.replace(/%.*$/, "")))
}

/**
 * The name that a server is told, of whom we mean: none for an address (RFC 6066 §3), no dot at its end, small letters.
 *
 * **Example** (An address is told nobody)
 *
 * ```ts import.meta.vitest
 * import { Tls } from "@effect-winsock/core"
 *
 * Tls.indicated("Example.org.") // => "example.org"
 * Tls.indicated("192.0.2.1") // => undefined
 * Tls.indicated("[2001:db8::1]") // => undefined
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const indicated = (serverName: string): string | undefined =>
  ipOf(serverName) === undefined ? serverName.toLowerCase().replace(/\.$/, "") : undefined

/**
 * Whether a certificate that is for these names and addresses is for the one that we mean (RFC 9525).
 *
 * **Details**
 *
 * `*` stands for one whole label, the first of a name that has at least two more. An address is equal or it is not: a name
 * never stands for it.
 *
 * **Example** (What a wildcard stands for)
 *
 * ```ts import.meta.vitest
 * import { Tls } from "@effect-winsock/core"
 *
 * Tls.isFor(["*.example.org"], "www.example.org") // => true
 * Tls.isFor(["*.example.org"], "example.org") // => false
 * Tls.isFor(["*.example.org"], "a.b.example.org") // => false
 * Tls.isFor(["2001:db8::1"], "[2001:db8:0::1]") // => true
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isFor = (names: ReadonlyArray<string>, serverName: string): boolean => {
  const ip = ipOf(serverName)
  if (ip !== undefined) {
    const text = NetAddress.formatIp(ip)
    return names.some((name) => {
      const own = ipOf(name)
      return own !== undefined && NetAddress.formatIp(own) === text
    })
  }
  const wanted = indicated(serverName)!.split(".")
  return wanted.every((label) => label !== "") && names.some((name) => {
    const labels = name.toLowerCase().replace(/\.$/, "").split(".")
    return ipOf(name) === undefined && labels.length === wanted.length &&
      labels.every((label, i) => label === wanted[i] || (label === "*" && i === 0 && labels.length > 2))
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Options that cannot be
// ---------------------------------------------------------------------------------------------------------------------

const bad = (option: TlsBadOption["option"], detail: string) => new TlsBadOption({ stage: "tls", option, detail })

const protocolName = /^[\x21-\x7e]{1,255}$/
/** All names of protocols with a length before each: what the extension has room for. */
const longestAlpn = 65_533

/** A name as it is sent: one with letters of other scripts has a form for that (RFC 5890). */
const sendable = /^[\w-]+(?:\.[\w-]+)*\.?$/

/**
 * What is wrong with options, as far as that can be told of themselves; `undefined` where nothing is.
 *
 * **When to use**
 *
 * Use to write a {@link Tls} of your own.
 *
 * **Details**
 *
 * A client that verifies has to know whom it means. Versions and names of protocols have to be such as can be sent.
 *
 * **Example** (A client that means nobody)
 *
 * ```ts import.meta.vitest
 * import { Tls } from "@effect-winsock/core"
 *
 * Tls.faultOf("client", { serverName: "example.org" }) // => undefined
 * Tls.faultOf("client", {})?.option // => "serverName"
 * const options = { serverName: "example.org", minVersion: "TLSv1.3", maxVersion: "TLSv1.2" } as const
 * Tls.faultOf("client", options)?.option // => "minVersion"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const faultOf: {
  /**
   * What is wrong with what a client asks for.
   */
  (side: "client", options: ConnectOptions): TlsBadOption | undefined
  /**
   * What is wrong with what a server asks for.
   */
  (side: "server", options: AcceptOptions): TlsBadOption | undefined
} = (side: "client" | "server", options: ConnectOptions | AcceptOptions): TlsBadOption | undefined => {
  const fault = faultOfTypes(options)
  if (fault !== undefined) return fault
  const { alpn = [], maxVersion = "TLSv1.3", minVersion = "TLSv1.2" } = options
  if (minVersion > maxVersion) return bad("minVersion", `it is ${minVersion}, and the highest is ${maxVersion}`)
  if (alpn.some((name) => !protocolName.test(name))) {
    return bad("alpn", "the name of a protocol has 1 to 255 bytes of ASCII")
  }
  if (alpn.join(" ").length + 1 > longestAlpn) {
    return bad("alpn", `all names have at most ${longestAlpn} bytes together, with one before each`)
  }
  if (side === "client") return faultOfName(options)
  return options.identity === undefined ? bad("cert", "a server has to say who it is") : undefined
}

const versions: ReadonlyArray<unknown> = ["TLSv1.2", "TLSv1.3"] satisfies ReadonlyArray<Version>

const isText = (u: unknown): boolean => typeof u === "string"
const isPem = (u: unknown): boolean => typeof u === "string" || u instanceof Uint8Array
const listOf = (is: (u: unknown) => boolean) => (u: unknown): boolean => Array.isArray(u) && u.every(is)

/** What has been wiped is no secret any more. */
const redacted = (is: (u: unknown) => boolean) => (u: unknown): boolean => {
  try {
    return Redacted.isRedacted(u) && is(Redacted.value(u))
  } catch {
    return false
  }
}

type Check = readonly [option: TlsBadOption["option"], value: unknown, is: (u: unknown) => boolean, what: string]

/** What comes from where no types are checked would be a defect later on, or be taken for something else. */
const faultOfTypes = (options: ConnectOptions | AcceptOptions): TlsBadOption | undefined => {
  const { alpn, ca, identity, maxVersion, minVersion, serverName, sessions }: ConnectOptions = options
  const checks: ReadonlyArray<Check> = [
    ["serverName", serverName, isText, "a text"],
    ["alpn", alpn, listOf(isText), "a list of texts"],
    ["minVersion", minVersion, (u) => versions.includes(u), versions.join(" or ")],
    ["maxVersion", maxVersion, (u) => versions.includes(u), versions.join(" or ")],
    ["ca", ca, (u) => isPem(u) || listOf(isPem)(u), "PEM as text or bytes, or a list of these"],
    ["cert", identity, (u) => hasProperty(u, "cert") && isPem(u.cert), "PEM as text or bytes, of an identity"],
    ["key", identity, (u) => hasProperty(u, "key") && redacted(isPem)(u.key), "a Redacted of PEM as text or bytes"],
    ["passphrase", identity?.passphrase, redacted(isText), "a Redacted of a text"],
    ["sessions", sessions, (u) => hasProperty(u, "take") && hasProperty(u, "put"), "a SessionCache"]
  ]
  const wrong = checks.find(([, value, is]) => value !== undefined && !is(value))
  return wrong && bad(wrong[0], `expected ${wrong[3]}`)
}

const faultOfName = (options: ConnectOptions): TlsBadOption | undefined => {
  const { dangerouslyAcceptAnyCertificate, serverName } = options
  if (serverName === undefined) {
    return dangerouslyAcceptAnyCertificate === true
      ? undefined
      : bad("serverName", "there is no name and no address that the certificate could be of")
  }
  return sendable.test(serverName) || ipOf(serverName) !== undefined
    ? undefined
    : bad("serverName", `${JSON.stringify(serverName)} is neither a name nor an address`)
}

// ---------------------------------------------------------------------------------------------------------------------
// Sessions that are taken up again
// ---------------------------------------------------------------------------------------------------------------------

interface Kept {
  readonly options: ConnectOptions
  readonly bytes: Uint8Array
  readonly protocol: Version
  readonly certificate: Certificate | undefined
}

/** A session is worth what was verified in it: it is taken up again only by whoever would have verified the same. */
const asksTheSame = (a: ConnectOptions, b: ConnectOptions): boolean =>
  a.serverName === b.serverName && a.ca === b.ca && a.identity === b.identity &&
  (a.dangerouslyAcceptAnyCertificate ?? false) === (b.dangerouslyAcceptAnyCertificate ?? false)

/**
 * Sessions that later connections take up again, which saves them the certificates, and with TLS 1.2 a round trip.
 *
 * **Details**
 *
 * - A session is given only to a connection with the same server name, authorities and identity (the same values, not equal
 *   ones), and never where one side verifies the peer and the other does not.
 * - It is given no longer than the certificate that was verified in it is valid.
 * - One of TLS 1.3 is given once, so that nobody on the way can tell that two connections are of the same client; servers
 *   send two at a time. One of TLS 1.2 is given again and again.
 * - Where there are more than `capacity`, the oldest are dropped.
 *
 * `take` and `put` are for whoever writes a {@link Tls}.
 *
 * **Example** (Keeping what a server sent)
 *
 * ```ts import.meta.vitest
 * import { Tls } from "@effect-winsock/core"
 * import { DateTime } from "effect"
 *
 * const sessions = new Tls.SessionCache({ capacity: 100 })
 * const options = { serverName: "example.org", sessions }
 * sessions.put(options, { bytes: new Uint8Array([1, 2]), protocol: "TLSv1.3" })
 *
 * const now = DateTime.makeUnsafe("2026-01-01T00:00:00Z")
 * sessions.take({ serverName: "example.com" }, now) // => undefined
 * sessions.take(options, now)?.bytes // => new Uint8Array([1, 2])
 * sessions.size // => 0
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class SessionCache {
  private readonly capacity: number
  // not to be seen where it is printed: a session is a secret
  readonly #kept: Array<Kept> = []

  constructor(options: { readonly capacity?: number | undefined } = {}) {
    this.capacity = options.capacity ?? 256
  }

  /** How many it holds. */
  get size(): number {
    return this.#kept.length
  }

  /** The newest session that whoever asks for this may take up, at this time. */
  take(
    options: ConnectOptions,
    now: DateTime.Utc
  ): { readonly bytes: Uint8Array; readonly certificate: Certificate | undefined } | undefined {
    for (let i = this.#kept.length - 1; i >= 0; i--) {
      const { bytes, certificate, options: own, protocol } = this.#kept[i]!
      if (!asksTheSame(own, options)) continue
      const isValid = certificate === undefined || DateTime.isLessThan(now, certificate.validTo)
      if (!isValid || protocol === "TLSv1.3") this.#kept.splice(i, 1)
      if (isValid) return { bytes, certificate }
    }
    return undefined
  }

  /** Keeps a session that a server has sent to whoever asked for this. */
  put(
    options: ConnectOptions,
    session: {
      readonly bytes: Uint8Array
      readonly protocol: Version
      /** The server's, when the session was begun: taking one up again brings none. */
      readonly certificate?: Certificate | undefined
    }
  ): void {
    const { bytes, certificate, protocol } = session
    if (protocol === "TLSv1.2") {
      const same = this.#kept.findIndex((kept) => kept.protocol === protocol && asksTheSame(kept.options, options))
      if (same >= 0) this.#kept.splice(same, 1)
    }
    this.#kept.push({ options, bytes, protocol, certificate })
    if (this.#kept.length > this.capacity) this.#kept.splice(0, this.#kept.length - this.capacity)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The service
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Does handshakes.
 *
 * **Details**
 *
 * What it gives is ended with the scope it was made in: the session only, the connection beneath belongs to whoever made it.
 *
 * **Example** (A step that connects and says hello)
 *
 * ```ts import.meta.vitest
 * import { type Connection, Tls } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const secured = (connection: Connection.Connection) =>
 *   Tls.Tls.use((tls) => tls.connect(connection, { serverName: "example.org", alpn: ["h2", "http/1.1"] })).pipe(
 *     Effect.map(({ tls }) => tls.alpn),
 *     Effect.catchTag("TlsExpired", (error) => Effect.succeed(`expired on ${error.validTo}`)),
 *     Effect.scoped
 *   )
 * typeof secured // => "function"
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Tls extends Context.Service<Tls, {
  /** Does the handshake of a client over a connection. */
  readonly connect: <E>(
    connection: Connection.Connection<E>,
    options: ConnectOptions
  ) => Effect.Effect<TlsConnection<E>, HandshakeError | E, Scope.Scope>
  /** Does the handshake of a server over a connection. */
  readonly accept: <E>(
    connection: Connection.Connection<E>,
    options: AcceptOptions
  ) => Effect.Effect<TlsConnection<E>, HandshakeError | E, Scope.Scope>
}>()("@effect-winsock/core/Tls") {}
