/**
 * What the answers of proxies come to: the code that says the same, or why no code does. docs/proxies.md has the tables.
 */
import * as WsaError from "../WsaError.ts"
import * as Http from "./httpConnect.ts"
import * as Socks5 from "./socks5.ts"

/** The codes that what a proxy says of its way to the target can come to. */
export const codes = [
  "WSAEACCES",
  "WSAEOPNOTSUPP",
  "WSAEAFNOSUPPORT",
  "WSAENETUNREACH",
  "WSAECONNRESET",
  "WSAETIMEDOUT",
  "WSAECONNREFUSED",
  "WSAELOOP",
  "WSAEHOSTUNREACH",
  "WSAHOST_NOT_FOUND",
  "WSATRY_AGAIN"
] as const satisfies ReadonlyArray<WsaError.Code>

export type Code = (typeof codes)[number]

/** How to take a failure that bears no code. */
export type Class = "transient" | "resource" | "other"

/** Why the way is not open. `words`: the proxy's own. */
export type Refusal =
  | { readonly _tag: "Code"; readonly code: Code; readonly words: string }
  | { readonly _tag: "Failure"; readonly retryClass: Class; readonly words: string; readonly retryAfter?: number }
  | { readonly _tag: "Authentication"; readonly words: string }
  | { readonly _tag: "Protocol"; readonly words: string }

const code = (code: Code, words: string): Refusal => ({ _tag: "Code", code, words })
const failure = (retryClass: Class, words: string, retryAfter?: number): Refusal => ({
  _tag: "Failure",
  retryClass,
  words,
  ...(retryAfter === undefined ? undefined : { retryAfter })
})

const socksCodes: { readonly [reply: number]: Code } = {
  2: "WSAEACCES",
  3: "WSAENETUNREACH",
  4: "WSAEHOSTUNREACH",
  5: "WSAECONNREFUSED",
  // In the sense of ICMP it would be WSAEHOSTUNREACH; what servers have no other reply for, when they say it, is a time-out.
  6: "WSAETIMEDOUT",
  7: "WSAEOPNOTSUPP",
  8: "WSAEAFNOSUPPORT"
}

/** What a SOCKS5 proxy says that does not open the way. */
export const ofSocks5 = (reply: number): Refusal => {
  const words = `${Socks5.words[reply] ?? "a reply that is not assigned"} (${reply})`
  const known = socksCodes[reply]
  if (known !== undefined) return code(known, words)
  return reply === 1 ? failure("transient", words) : { _tag: "Protocol", words }
}

type Making = (words: string, status: Http.ProxyStatus) => Refusal

const as = (known: Code): Making => (words) => code(known, words)

/** The tokens of RFC 9209 that say more than the status; the others leave it at that. */
const tokens: ReadonlyMap<string | undefined, Making> = new Map<string, Making>([
  ["dns_timeout", as("WSATRY_AGAIN")],
  ["dns_error", (words, { rcode }) => code(rcode === "SERVFAIL" ? "WSATRY_AGAIN" : "WSAHOST_NOT_FOUND", words)],
  ["destination_not_found", as("WSAHOST_NOT_FOUND")],
  ["destination_ip_prohibited", as("WSAEACCES")],
  ["destination_ip_unroutable", as("WSAEHOSTUNREACH")],
  ["connection_refused", as("WSAECONNREFUSED")],
  ["connection_terminated", as("WSAECONNRESET")],
  ["connection_timeout", as("WSAETIMEDOUT")],
  ["connection_read_timeout", as("WSAETIMEDOUT")],
  ["connection_write_timeout", as("WSAETIMEDOUT")],
  ["http_request_denied", as("WSAEACCES")],
  ["proxy_loop_detected", as("WSAELOOP")],
  ["tls_protocol_error", (words) => failure("other", words)],
  ["tls_certificate_error", (words) => failure("other", words)],
  ["tls_alert_received", (words) => failure("other", words)]
])

const statusCodes: { readonly [status: number]: Code } = {
  403: "WSAEACCES",
  404: "WSAHOST_NOT_FOUND",
  405: "WSAEOPNOTSUPP",
  451: "WSAEACCES",
  501: "WSAEOPNOTSUPP",
  504: "WSAETIMEDOUT",
  508: "WSAELOOP"
}

/** What Squid says in `X-Squid-Error`: the name of its page, and the number of the system's error. */
const ofSquid = (value: string, words: string): Refusal | undefined => {
  const [, page, number] = /^(ERR_[A-Z_]+) (\d+)$/.exec(value) ?? []
  if (page === "ERR_DNS_FAIL") return code("WSAHOST_NOT_FOUND", words)
  if (page !== "ERR_CONNECT_FAIL") return undefined
  // Nobody knows the system it runs on. No number of these codes on Linux is that of another one on BSD.
  const errno = Number(number)
  const known = codes.find((name) => {
    const { bsdErrno, linuxErrno } = WsaError.table[name]
    return errno === linuxErrno || errno === bsdErrno
  })
  return known === undefined ? undefined : code(known, words)
}

// oxlint-disable-next-line no-control-regex -- those are what is replaced
const control = /[\u0000-\u001f\u007f-\u009f]/g

/** A reason can be long, and is somebody else's: what a terminal would obey does not get there. */
const shortened = (text: string): string => {
  const plain = text.replaceAll(control, "?")
  return plain.length > 200 ? `${plain.slice(0, 200)}…` : plain
}

/** What an HTTP proxy says that does not open the way; `undefined` for a 2xx answer. */
export const ofHttp = (response: Http.Response): Refusal | undefined => {
  const { reason, status } = response
  if (status >= 200 && status < 300) return undefined
  const members = Http.proxyStatus(Http.fieldOf(response, "proxy-status") ?? "")
  const said = members.find(({ error }) => error !== undefined)
  const squid = Http.fieldOf(response, "x-squid-error")
  const words = shortened(
    [
      `${status}${reason === "" ? "" : ` ${reason}`}`,
      said && `${said.error} of ${said.by}${said.details === undefined ? "" : `: ${said.details}`}`,
      squid
    ].filter((each) => each !== undefined).join("; ")
  )
  // 401 is for origins; tinyproxy says it of a password that is not the right one.
  if (status === 407 || status === 401) return { _tag: "Authentication", words }
  const telling = members.find(({ error }) => tokens.has(error))
  if (telling !== undefined) return tokens.get(telling.error)!(words, telling)
  const known = squid === undefined ? undefined : ofSquid(squid, words)
  if (known !== undefined) return known
  const plain = statusCodes[status]
  if (plain !== undefined) return code(plain, words)
  if (status === 400) return { _tag: "Protocol", words }
  const isFull = status === 429 || said?.error === "connection_limit_reached"
  return failure(isFull ? "resource" : status >= 500 ? "transient" : "other", words, Http.retryAfter(response))
}
