/**
 * What Node and OpenSSL say, and which error it is.
 */
import type { Tls } from "@effect-winsock/core"

/** What a row says of a failure. */
export type Meaning =
  | readonly ["TlsUntrusted", Tls.UntrustedReason]
  | readonly ["TlsExpired", "expired" | "not-yet-valid"]
  | readonly ["TlsNameMismatch"]
  | readonly ["TlsProtocol", Tls.ProtocolReason]
  | readonly ["TlsAlert", Tls.Alert]

type Row = readonly [native: string, ...meaning: Meaning]

const oldest = [
  "unexpected_message",
  "bad_record_mac",
  "decompression_failure",
  "handshake_failure",
  "no_certificate",
  "bad_certificate",
  "unsupported_certificate",
  "certificate_revoked",
  "certificate_expired",
  "certificate_unknown",
  "illegal_parameter"
] as const

/** One row for each code of Node or OpenSSL. */
// dprint-ignore
export const rows: ReadonlyArray<Row> = [
  // ── what is wrong with a certificate (X509_V_ERR_…) ──────────────────────────────────────────────────────────────
  ["CERT_HAS_EXPIRED", "TlsExpired", "expired"],
  ["CERT_NOT_YET_VALID", "TlsExpired", "not-yet-valid"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "TlsNameMismatch"],
  ["HOSTNAME_MISMATCH", "TlsNameMismatch"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "TlsUntrusted", "self-signed"],
  // the chain leads to an authority that nobody trusts, or ends before any
  ["SELF_SIGNED_CERT_IN_CHAIN", "TlsUntrusted", "unknown-authority"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "TlsUntrusted", "unknown-authority"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "TlsUntrusted", "unknown-authority"],
  ["CERT_UNTRUSTED", "TlsUntrusted", "unknown-authority"],
  ["UNABLE_TO_GET_ISSUER_CERT", "TlsUntrusted", "incomplete-chain"],
  ["CERT_SIGNATURE_FAILURE", "TlsUntrusted", "bad-signature"],
  ["UNABLE_TO_DECRYPT_CERT_SIGNATURE", "TlsUntrusted", "bad-signature"],
  ["UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY", "TlsUntrusted", "bad-signature"],
  ["CERT_REVOKED", "TlsUntrusted", "revoked"],
  ["INVALID_PURPOSE", "TlsUntrusted", "purpose"],
  ["INVALID_CA", "TlsUntrusted", "purpose"],
  ["PATH_LENGTH_EXCEEDED", "TlsUntrusted", "purpose"],
  ["CERT_REJECTED", "TlsUntrusted", "purpose"],
  ["CERT_CHAIN_TOO_LONG", "TlsUntrusted", "other"],
  ["ERROR_IN_CERT_NOT_BEFORE_FIELD", "TlsUntrusted", "other"],
  ["ERROR_IN_CERT_NOT_AFTER_FIELD", "TlsUntrusted", "other"],
  ["UNABLE_TO_GET_CRL", "TlsUntrusted", "other"],
  ["CRL_HAS_EXPIRED", "TlsUntrusted", "other"],
  ["CRL_NOT_YET_VALID", "TlsUntrusted", "other"],
  ["CRL_SIGNATURE_FAILURE", "TlsUntrusted", "other"],
  ["OUT_OF_MEM", "TlsUntrusted", "other"],
  ["UNSPECIFIED", "TlsUntrusted", "other"],
  ["ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE", "TlsUntrusted", "missing"],
  ["ERR_SSL_EE_KEY_TOO_SMALL", "TlsUntrusted", "weak"],
  ["ERR_SSL_CA_KEY_TOO_SMALL", "TlsUntrusted", "weak"],
  ["ERR_SSL_CA_MD_TOO_WEAK", "TlsUntrusted", "weak"],
  ["ERR_SSL_CERTIFICATE_VERIFY_FAILED", "TlsUntrusted", "other"],

  // ── what two sides do not have in common ─────────────────────────────────────────────────────────────────────────
  ["ERR_SSL_UNSUPPORTED_PROTOCOL", "TlsProtocol", "version"],
  ["ERR_SSL_VERSION_TOO_LOW", "TlsProtocol", "version"],
  ["ERR_SSL_NO_PROTOCOLS_AVAILABLE", "TlsProtocol", "version"],
  ["ERR_SSL_INAPPROPRIATE_FALLBACK", "TlsProtocol", "version"],
  ["ERR_SSL_NO_SHARED_CIPHER", "TlsProtocol", "cipher"],
  ["ERR_SSL_NO_CIPHERS_AVAILABLE", "TlsProtocol", "cipher"],
  ["ERR_SSL_NO_SHARED_GROUPS", "TlsProtocol", "cipher"],
  ["ERR_SSL_NO_SUITABLE_KEY_SHARE", "TlsProtocol", "cipher"],
  ["ERR_SSL_NO_SHARED_SIGNATURE_ALGORITHMS", "TlsProtocol", "cipher"],
  ["ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM", "TlsProtocol", "cipher"],
  ["ERR_SSL_UNKNOWN_CIPHER_RETURNED", "TlsProtocol", "cipher"],
  ["ERR_SSL_WRONG_CIPHER_RETURNED", "TlsProtocol", "cipher"],
  ["ERR_SSL_DH_KEY_TOO_SMALL", "TlsProtocol", "cipher"],
  ["ERR_TLS_DH_PARAM_SIZE", "TlsProtocol", "cipher"],
  ["ERR_SSL_NO_APPLICATION_PROTOCOL", "TlsProtocol", "alpn"],
  ["ERR_TLS_ALPN_CALLBACK_INVALID_RESULT", "TlsProtocol", "alpn"],

  // ── what is no TLS: the first five bytes are no head of a record ─────────────────────────────────────────────────
  ["ERR_SSL_WRONG_VERSION_NUMBER", "TlsProtocol", "not-tls"],
  ["ERR_SSL_PACKET_LENGTH_TOO_LONG", "TlsProtocol", "not-tls"],
  ["ERR_SSL_BAD_RECORD_TYPE", "TlsProtocol", "not-tls"],
  ["ERR_SSL_HTTP_REQUEST", "TlsProtocol", "not-tls"],
  ["ERR_SSL_HTTPS_PROXY_REQUEST", "TlsProtocol", "not-tls"],

  // ── what breaks the rules ────────────────────────────────────────────────────────────────────────────────────────
  ["ERR_SSL_UNEXPECTED_MESSAGE", "TlsProtocol", "malformed"],
  ["ERR_SSL_UNEXPECTED_RECORD", "TlsProtocol", "malformed"],
  ["ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "TlsProtocol", "malformed"],
  ["ERR_SSL_DIGEST_CHECK_FAILED", "TlsProtocol", "malformed"],
  ["ERR_SSL_BAD_SIGNATURE", "TlsProtocol", "malformed"],
  ["ERR_SSL_EXCESSIVE_MESSAGE_SIZE", "TlsProtocol", "malformed"],
  ["ERR_SSL_RECORD_LENGTH_MISMATCH", "TlsProtocol", "malformed"],
  ["ERR_SSL_DATA_LENGTH_TOO_LONG", "TlsProtocol", "malformed"],
  ["ERR_SSL_ENCRYPTED_LENGTH_TOO_LONG", "TlsProtocol", "malformed"],
  ["ERR_SSL_BAD_CHANGE_CIPHER_SPEC", "TlsProtocol", "malformed"],
  ["ERR_SSL_CCS_RECEIVED_EARLY", "TlsProtocol", "malformed"],
  ["ERR_SSL_BAD_EXTENSION", "TlsProtocol", "malformed"],
  ["ERR_SSL_UNSOLICITED_EXTENSION", "TlsProtocol", "malformed"],
  ["ERR_SSL_TOO_MANY_WARN_ALERTS", "TlsProtocol", "malformed"],
  ["ERR_SSL_UNKNOWN_ALERT_TYPE", "TlsProtocol", "malformed"],
  ["ERR_SSL_INVALID_ALERT", "TlsProtocol", "malformed"],
  ["ERR_SSL_APPLICATION_DATA_AFTER_CLOSE_NOTIFY", "TlsProtocol", "malformed"],
  ["ERR_TLS_SESSION_ATTACK", "TlsProtocol", "malformed"],
  ["ERR_TLS_RENEGOTIATION_DISABLED", "TlsProtocol", "malformed"],

  // ── the peer's alerts: OpenSSL names them by the version that brought them ───────────────────────────────────────
  ...oldest.flatMap((alert): ReadonlyArray<Row> => [
    [`ERR_SSL_SSL/TLS_ALERT_${alert.toUpperCase()}`, "TlsAlert", alert],
    // before OpenSSL 3.2
    [`ERR_SSL_SSLV3_ALERT_${alert.toUpperCase()}`, "TlsAlert", alert]
  ]),
  ["ERR_SSL_TLSV1_ALERT_DECRYPTION_FAILED", "TlsAlert", "decryption_failed"],
  ["ERR_SSL_TLSV1_ALERT_RECORD_OVERFLOW", "TlsAlert", "record_overflow"],
  ["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "TlsAlert", "unknown_ca"],
  ["ERR_SSL_TLSV1_ALERT_ACCESS_DENIED", "TlsAlert", "access_denied"],
  ["ERR_SSL_TLSV1_ALERT_DECODE_ERROR", "TlsAlert", "decode_error"],
  ["ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR", "TlsAlert", "decrypt_error"],
  ["ERR_SSL_TLSV1_ALERT_EXPORT_RESTRICTION", "TlsAlert", "export_restriction"],
  ["ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", "TlsAlert", "protocol_version"],
  ["ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY", "TlsAlert", "insufficient_security"],
  ["ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR", "TlsAlert", "internal_error"],
  ["ERR_SSL_TLSV1_ALERT_INAPPROPRIATE_FALLBACK", "TlsAlert", "inappropriate_fallback"],
  ["ERR_SSL_TLSV1_ALERT_USER_CANCELLED", "TlsAlert", "user_canceled"],
  ["ERR_SSL_TLSV1_ALERT_NO_RENEGOTIATION", "TlsAlert", "no_renegotiation"],
  ["ERR_SSL_TLSV13_ALERT_MISSING_EXTENSION", "TlsAlert", "missing_extension"],
  ["ERR_SSL_TLSV1_UNSUPPORTED_EXTENSION", "TlsAlert", "unsupported_extension"],
  ["ERR_SSL_TLSV1_CERTIFICATE_UNOBTAINABLE", "TlsAlert", "certificate_unobtainable"],
  ["ERR_SSL_TLSV1_UNRECOGNIZED_NAME", "TlsAlert", "unrecognized_name"],
  ["ERR_SSL_TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE", "TlsAlert", "bad_certificate_status_response"],
  ["ERR_SSL_TLSV1_BAD_CERTIFICATE_HASH_VALUE", "TlsAlert", "bad_certificate_hash_value"],
  ["ERR_SSL_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY", "TlsAlert", "unknown_psk_identity"],
  ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "TlsAlert", "certificate_required"],
  ["ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL", "TlsAlert", "no_application_protocol"]
]

const meanings: ReadonlyMap<string, Meaning> = new Map(rows.map(([native, ...meaning]) => [native, meaning]))

/**
 * What a code means. One that no row has is `undefined`: then it is the alert whose number the message tells, or a failure
 * of the handshake that carries the code.
 */
export const meaningOf = (native: string): Meaning | undefined => meanings.get(native)

/** The number of the alert that an error of OpenSSL tells of in its words. */
export const alertNumberIn = (message: string): number | undefined => {
  const number = /SSL alert number (\d+)/.exec(message)?.[1]
  return number === undefined ? undefined : Number(number)
}
