/**
 * What OpenSSL has to know before a handshake, made of the options of a connection.
 */
import { Tls } from "@effect-winsock/core"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { constants, createPrivateKey, X509Certificate } from "node:crypto"
import * as tls from "node:tls"

type Made = Result.Result<tls.SecureContext, Tls.TlsBadOption>

interface Wanted {
  readonly ca: Tls.CommonOptions["ca"]
  readonly identity: Tls.Identity | undefined
  readonly minVersion: Tls.Version | undefined
  readonly maxVersion: Tls.Version | undefined
}

const textOf = (pem: Tls.Pem): string => typeof pem === "string" ? pem : Buffer.from(pem).toString("latin1")

// OpenSSL passes over what it cannot read among authorities, and then trusts nobody.
const certificates = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]*-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g

const certificatesIn = (pem: Tls.Pem): ReadonlyArray<X509Certificate> =>
  (textOf(pem).match(certificates) ?? []).map((one) => new X509Certificate(one))

const faultOfCertificates = (pem: Tls.Pem): string | undefined => {
  try {
    return certificatesIn(pem).length > 0
      ? undefined
      : "there is no certificate in it: PEM begins with -----BEGIN CERTIFICATE-----"
  } catch (error) {
    return `a certificate in it cannot be read: ${wordsOf(error)}`
  }
}

const wordsOf = (error: unknown): string => error instanceof Error ? error.message : String(error)
const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined

const bad = (option: Tls.TlsBadOption["option"], detail: string, code?: string): Made =>
  Result.fail(
    new Tls.TlsBadOption({ stage: "tls", option, detail, ...(code === undefined ? {} : { native: { code } }) })
  )

const bytesOf = (pem: Tls.Pem): string | Buffer => typeof pem === "string" ? pem : Buffer.from(pem)

const isEncrypted = (key: Redacted.Redacted<Tls.Pem>): boolean => bytesOf(Redacted.value(key)).includes("ENCRYPTED")

const faultOfIdentity = ({ cert, key, passphrase }: Tls.Identity): Made | undefined => {
  const fault = faultOfCertificates(cert)
  if (fault !== undefined) return bad("cert", fault)
  const secret = passphrase === undefined ? undefined : Redacted.value(passphrase)
  try {
    const own = createPrivateKey({
      key: bytesOf(Redacted.value(key)),
      ...(secret === undefined ? {} : { passphrase: secret })
    })
    return certificatesIn(cert)[0]!.checkPrivateKey(own)
      ? undefined
      : bad("key", "it is not the key of the certificate")
  } catch (error) {
    const code = codeOf(error)
    if (secret === undefined && code !== undefined && /INTERRUPTED_OR_CANCELLED|MISSING_PASSPHRASE/.test(code)) {
      return bad("passphrase", "the key is encrypted, and there is none", code)
    }
    // A wrong one is seen by the padding, and one in 256 has a padding that is right: what it gives is no key.
    return secret !== undefined && isEncrypted(key)
      ? bad("passphrase", "the key cannot be decrypted with it", code)
      : bad("key", `it cannot be read: ${wordsOf(error)}`, code)
  }
}

const make = ({ ca, identity, maxVersion, minVersion }: Wanted, side: "client" | "server"): Made => {
  const authorities = ca === undefined ? undefined : typeof ca === "string" || ca instanceof Uint8Array ? [ca] : ca
  for (const one of authorities ?? []) {
    const fault = faultOfCertificates(one)
    if (fault !== undefined) return bad("ca", fault)
  }
  const fault = identity === undefined ? undefined : faultOfIdentity(identity)
  if (fault !== undefined) return fault
  try {
    return Result.succeed(tls.createSecureContext({
      minVersion: minVersion ?? "TLSv1.2",
      maxVersion: maxVersion ?? "TLSv1.3",
      // Without one OpenSSL takes no session up again for which it would have asked for a certificate.
      sessionIdContext: "effect-winsock",
      // A handshake costs a server more than a client, which could ask for one after the other: Node counts them in its own
      // servers only.
      ...(side === "server" ? { secureOptions: constants.SSL_OP_NO_RENEGOTIATION } : {}),
      ...(authorities === undefined ? {} : { ca: authorities.map(bytesOf) }),
      ...(identity === undefined ? {} : {
        cert: bytesOf(identity.cert),
        key: bytesOf(Redacted.value(identity.key)),
        ...(identity.passphrase === undefined ? {} : { passphrase: Redacted.value(identity.passphrase) })
      })
    }))
  } catch (error) {
    return bad(identity === undefined ? "ca" : "cert", wordsOf(error), codeOf(error))
  }
}

/** How many contexts are kept: they take the most of a handshake to make, and a server's hold the keys of its tickets. */
const kept = 64

/** Makes contexts, and gives the same one again for the same options: the same values, not equal ones. */
export const makeContexts = (side: "client" | "server"): (
  options: Tls.CommonOptions & { readonly identity?: Tls.Identity | undefined }
) => Made => {
  const known: Array<readonly [Wanted, Made]> = []
  return ({ ca, identity, maxVersion, minVersion }) => {
    const found = known.findIndex(([wanted]) =>
      wanted.ca === ca && wanted.identity === identity && wanted.minVersion === minVersion &&
      wanted.maxVersion === maxVersion
    )
    const wanted = { ca, identity, minVersion, maxVersion }
    const entry = found < 0 ? [wanted, make(wanted, side)] as const : known.splice(found, 1)[0]!
    if (Result.isSuccess(entry[1])) known.push(entry)
    if (known.length > kept) known.shift()
    return entry[1]
  }
}
