/**
 * Certificates as data: written, read, and judged as OpenSSL judges real ones.
 */
import type * as Tls from "@effect-winsock/core/Tls"
import * as DateTime from "effect/DateTime"
import * as Base64 from "effect/encoding/Base64"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Hash } from "../sim/hash.ts"
import * as Text from "../text.ts"

export type Usage = "server" | "client"

const Content = Schema.Struct({
  serial: Schema.Int,
  subject: Schema.String,
  issuer: Schema.String,
  names: Schema.Array(Schema.String),
  /** Milliseconds since 1970. */
  notBefore: Schema.Number,
  notAfter: Schema.Number,
  /** The ids of its own key, and of the one that has signed it. */
  key: Schema.String,
  issuerKey: Schema.String,
  isAuthority: Schema.Boolean,
  usage: Schema.Array(Schema.Literals(["server", "client"])),
  flaw: Schema.optionalKey(Schema.Literals(["revoked", "weak", "other"])),
  /** Takes the room that keys and signatures take in a real one. */
  filling: Schema.String
})
const Signed = Schema.Struct({ content: Content, signature: Schema.String })

export type Content = typeof Content.Type
export type Certificate = typeof Signed.Type

const Key = Schema.Struct({ key: Schema.String, passphrase: Schema.optionalKey(Schema.String) })
export type Key = typeof Key.Type

const contentJson = Schema.fromJsonString(Content)
const signedJson = Schema.fromJsonString(Signed)
const keyJson = Schema.fromJsonString(Key)

/** 32 bytes, in hexadecimal digits. Nobody is kept from finding other texts with the same ones. */
export const digest = (...texts: ReadonlyArray<string>): string =>
  [1, 2, 3, 4].map((lane) => {
    const hash = new Hash(lane)
    for (const text of texts) hash.text(text)
    return hash.toString()
  }).join("")

/** How many texts are remembered: a run makes many handshakes with few certificates. */
const most = 256

const remembering = <A>(f: (text: string) => A): (text: string) => A => {
  const known = new Map<string, A>()
  return (text) => {
    let found = known.get(text)
    if (found === undefined) {
      found = f(text)
      if (known.size >= most) known.clear()
      known.set(text, found)
    }
    return found
  }
}

/** Certificates are values: what is worked out of one stays so. */
const oncePer = <A>(f: (certificate: Certificate) => A): (certificate: Certificate) => A => {
  const known = new WeakMap<Certificate, { readonly value: A }>()
  return (certificate) => {
    let found = known.get(certificate)
    if (found === undefined) known.set(certificate, found = { value: f(certificate) })
    return found.value
  }
}

const signatureOf = (content: Content): string =>
  digest("signature", content.issuerKey, Schema.encodeSync(contentJson)(content))

export const sign = (content: Content): Certificate => ({ content, signature: signatureOf(content) })

// ---------------------------------------------------------------------------------------------------------------------
// As text
// ---------------------------------------------------------------------------------------------------------------------

const labels = {
  certificate: "SIMULATED CERTIFICATE",
  key: "SIMULATED PRIVATE KEY",
  encryptedKey: "SIMULATED ENCRYPTED PRIVATE KEY"
} as const

const pemOf = (label: string, json: string): string =>
  `-----BEGIN ${label}-----\n${Base64.encode(json).replace(/.{64}(?=.)/g, "$&\n")}\n-----END ${label}-----\n`

export const certificatePem = (certificate: Certificate): string =>
  pemOf(labels.certificate, Schema.encodeSync(signedJson)(certificate))

export const keyPem = (key: string, passphrase: string | undefined): string =>
  passphrase === undefined
    ? pemOf(labels.key, Schema.encodeSync(keyJson)({ key }))
    : pemOf(labels.encryptedKey, Schema.encodeSync(keyJson)({ key, passphrase: digest("passphrase", passphrase) }))

const textOf = (pem: Tls.Pem): string => typeof pem === "string" ? pem : Text.decode(pem)

interface Block {
  readonly label: string
  readonly json: string | undefined
}

const blocksOf = (text: string): ReadonlyArray<Block> =>
  [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g)].map(([, label, body]) => ({
    label: label!,
    json: Result.getOrUndefined(Base64.decodeString(body!.replace(/\s/g, "")))
  }))

const begins = (what: string, label: string) =>
  `there is no simulated ${what} in it: one begins with -----BEGIN ${label}-----`

const allIn = remembering((text): Result.Result<ReadonlyArray<Certificate>, string> => {
  const blocks = blocksOf(text).filter(({ label }) => label === labels.certificate)
  if (blocks.length === 0) return Result.fail(begins("certificate", labels.certificate))
  const read = blocks.flatMap(({ json }) => Option.toArray(Schema.decodeUnknownOption(signedJson)(json)))
  return read.length === blocks.length ? Result.succeed(read) : Result.fail("a certificate in it cannot be read")
})

/** All certificates in a text, or what is wrong with it. */
export const readCertificates = (pem: Tls.Pem): Result.Result<ReadonlyArray<Certificate>, string> => allIn(textOf(pem))

const keyIn = remembering((text): Result.Result<Key, string> => {
  const block = blocksOf(text).find(({ label }) => label === labels.key || label === labels.encryptedKey)
  if (block === undefined) return Result.fail(begins("key", labels.key))
  return Result.fromOption(Schema.decodeUnknownOption(keyJson)(block.json), () => "it cannot be read")
})

/** A key of a text, with what it is encrypted with, if so; or what is wrong with the text. */
export const readKey = (pem: Tls.Pem): Result.Result<Key, string> => keyIn(textOf(pem))

export const opens = (key: Key, passphrase: string): boolean => key.passphrase === digest("passphrase", passphrase)

/** A certificate as it is sent. */
export const toWire: (certificate: Certificate) => string = oncePer(Schema.encodeSync(signedJson))

/** `undefined` where it cannot be read. */
export const fromWire: (text: string) => Certificate | undefined = remembering((text) =>
  Option.getOrUndefined(Schema.decodeUnknownOption(signedJson)(text))
)

const fingerprintOf = (certificate: Certificate): string =>
  digest("fingerprint", toWire(certificate)).toUpperCase().replace(/..(?=.)/g, "$&:")

/** What is told of a certificate. */
export const told: (certificate: Certificate) => Tls.Certificate = oncePer((certificate) => ({
  subject: certificate.content.subject,
  issuer: certificate.content.issuer,
  names: certificate.content.names,
  validFrom: DateTime.makeUnsafe(certificate.content.notBefore),
  validTo: DateTime.makeUnsafe(certificate.content.notAfter),
  fingerprint: fingerprintOf(certificate)
}))

// ---------------------------------------------------------------------------------------------------------------------
// Judging them
// ---------------------------------------------------------------------------------------------------------------------

/** What is wrong with a chain of certificates. */
export type Fault =
  | { readonly _tag: "Untrusted"; readonly why: Tls.UntrustedReason; readonly at: Certificate | undefined }
  | { readonly _tag: "Expired"; readonly why: "expired" | "not-yet-valid"; readonly at: Certificate }

const untrusted = (why: Tls.UntrustedReason, at: Certificate): Fault => ({ _tag: "Untrusted", why, at })

const isSelfIssued = ({ content }: Certificate) =>
  content.issuer === content.subject && content.issuerKey === content.key

const hasIssued = (issuer: Certificate, { content }: Certificate): boolean =>
  issuer.content.subject === content.issuer && issuer.content.key === content.issuerKey

/** More certificates on the way to an authority are no chain. */
const longest = 100

interface Path {
  /** From the peer's up. */
  readonly path: ReadonlyArray<Certificate>
  readonly fault: Fault | undefined
}

/** The way from a certificate to an authority that is trusted, as far as it goes. */
const pathOf = (chain: ReadonlyArray<Certificate>, trusted: ReadonlyArray<Certificate>): Path => {
  const path = [chain[0]!]
  const known = new Set(trusted.map(toWire))
  let amongTrusted = false
  for (;;) {
    const last = path.at(-1)!
    amongTrusted ||= known.has(toWire(last))
    if (isSelfIssued(last)) {
      if (amongTrusted) return { path, fault: undefined }
      return { path, fault: untrusted(path.length === 1 ? "self-signed" : "unknown-authority", last) }
    }
    const issuer = trusted.find((one) => hasIssued(one, last)) ??
      (amongTrusted ? undefined : chain.find((one) => hasIssued(one, last)))
    if (issuer === undefined || path.length >= longest) {
      return { path, fault: untrusted(amongTrusted ? "incomplete-chain" : "unknown-authority", last) }
    }
    path.push(issuer)
  }
}

const faultOfUse = ([leaf, ...issuers]: ReadonlyArray<Certificate>, usage: Usage): Fault | undefined => {
  if (!leaf!.content.usage.includes(usage)) return untrusted("purpose", leaf!)
  const none = issuers.find(({ content }) => !content.isAuthority)
  return none === undefined ? undefined : untrusted("purpose", none)
}

const isSigned = oncePer(({ content, signature }) => signature === signatureOf(content))

const faultsOf = (certificate: Certificate, now: number): ReadonlyArray<Fault> => {
  const { content } = certificate
  const faults: Array<Fault> = []
  if (!isSigned(certificate)) faults.push(untrusted("bad-signature", certificate))
  if (content.flaw !== undefined) faults.push(untrusted(content.flaw, certificate))
  if (now < content.notBefore) faults.push({ _tag: "Expired", why: "not-yet-valid", at: certificate })
  if (now > content.notAfter) faults.push({ _tag: "Expired", why: "expired", at: certificate })
  return faults
}

/**
 * What is wrong with a chain, at a time, if anything is. Of several faults it is the last one that OpenSSL would come
 * upon, since that is the one that Node tells of: the peer's own certificate before those above it.
 */
export const faultOf = (
  chain: ReadonlyArray<Certificate>,
  { now, trusted, usage }: {
    readonly now: number
    readonly trusted: ReadonlyArray<Certificate>
    readonly usage: Usage
  }
): Fault | undefined => {
  if (chain.length === 0) return { _tag: "Untrusted", why: "missing", at: undefined }
  const { fault, path } = pathOf(chain, trusted)
  return [fault, faultOfUse(path, usage), ...path.toReversed().flatMap((one) => faultsOf(one, now))]
    .findLast((one) => one !== undefined)
}
