/**
 * HTTP/1.1 as far as CONNECT has to do with it (RFC 9110 §9.3.6, RFC 9112): the request, the head of the answer, and what
 * the proxy says of a failure in it: Proxy-Status (RFC 9209), Retry-After. docs/proxies.md says what each answer comes to.
 *
 * What the RFCs leave to the recipient is decided here:
 *
 * - A line may end with LF alone. What is folded onto a second line is joined by a space.
 * - Answers of the class 1xx are read over, but for 101: nobody asked to switch to anything.
 * - A 2xx answer has no content, whatever its fields say: what follows its head is the target's.
 * - White space before a colon, a control character within a line and a field without a colon are malformed.
 */
import { type Decoded, done, need, type Wrong, wrong } from "./decoded.ts"
import * as Text from "./text.ts"

/** What an answer's head has at most, with the 1xx answers before it, unless another bound is given. */
export const defaultBound = 16 * 1024

export interface Field {
  readonly name: string
  readonly value: string
}

export interface Request {
  /** The host, an IPv6 address in brackets, with the port. */
  readonly authority: string
  /** Such as `Basic dTpw`. */
  readonly authorization?: string | undefined
  /** More fields, for which `fieldFault` says nothing. */
  readonly fields: ReadonlyArray<Field>
}

/** The head of an answer. Names of fields are in lower case. */
export interface Response {
  readonly status: number
  readonly reason: string
  readonly fields: ReadonlyArray<Field>
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
// oxlint-disable-next-line no-control-regex -- those are what must not be there
const control = /[\u0000-\u0008\u000a-\u001f\u007f]/

/** What the request says itself, or what would make a second request of a part of it. */
const ours: ReadonlySet<string> = new Set([
  "host",
  "proxy-authorization",
  "content-length",
  "transfer-encoding",
  "connection",
  "upgrade",
  "expect",
  "te",
  "trailer"
])

/** Why a field cannot go along, if it cannot: above all, where it would end and another begin inside of it. */
export const fieldFault = ({ name, value }: Field): string | undefined => {
  if (!token.test(name)) return `${JSON.stringify(name)} is no name of a field`
  if (ours.has(name.toLowerCase())) return `the field ${name} is not to be given`
  if (control.test(value)) return `the field ${name} has a control character in its value`
  return value.trim() === value ? undefined : `the field ${name} has white space around its value`
}

/** The bytes of a request. */
export const encodeRequest = ({ authority, authorization, fields }: Request): Uint8Array => {
  const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`]
  if (authorization !== undefined) lines.push(`Proxy-Authorization: ${authorization}`)
  for (const { name, value } of fields) lines.push(`${name}: ${value}`)
  return Text.encode(`${lines.join("\r\n")}\r\n\r\n`)
}

const lf = 10
const cr = 13
const statusLine = /^HTTP\/1\.\d ([1-9]\d\d)(?: (.*))?$/
const beginning = "HTTP/1."

/** The head of the final answer, of which there are at most `bound` bytes with all that goes before it. */
export const decodeResponse = (bytes: Uint8Array, bound: number = defaultBound): Decoded<Response> =>
  responseDecoder(bound)(bytes)

/**
 * The same for one answer that comes in pieces. It keeps how far it has looked: a proxy that sends a byte at a time would
 * have all that has come so far read again for each of them.
 */
export const responseDecoder = (bound: number = defaultBound): (bytes: Uint8Array) => Decoded<Response> => {
  let from = 0
  let searched = 0
  return (bytes) => {
    const looked = bytes.subarray(0, bound)
    for (;;) {
      const head = decodeHead(looked, from, searched, bound)
      if (head._tag === "Need") searched = looked.length
      if (head._tag !== "Done") return head
      const { status } = head.value
      if (status === 101) return wrong("malformed", "the answer switches to another protocol, which nobody asked for")
      if (status >= 200) return head
      from = searched = head.used
    }
  }
}

const decodeHead = (bytes: Uint8Array, from: number, searched: number, bound: number): Decoded<Response> => {
  for (let i = 0; i < beginning.length; i++) {
    if (from + i === bytes.length) break
    if (bytes[from + i] !== beginning.charCodeAt(i)) return wrong("foreign", "the answer does not begin as HTTP/1 does")
  }
  const end = endOfHead(bytes, from, searched)
  if (end < 0) return bytes.length === bound ? tooLong(bound) : need(bytes.length + 1)
  const lines: Array<string> = []
  for (let at = from;;) {
    const feed = bytes.indexOf(lf, at)
    const line = lineOf(bytes, at, feed > at && bytes[feed - 1] === cr ? feed - 1 : feed)
    at = feed + 1
    if (at === end) return decodeLines(lines, end)
    lines.push(line)
  }
}

/** Where the first empty line ends; -1 where there is none. None ends before `searched`. */
const endOfHead = (bytes: Uint8Array, from: number, searched: number): number => {
  for (let feed = bytes.indexOf(lf, searched); feed >= 0; feed = bytes.indexOf(lf, feed + 1)) {
    const last = feed > from && bytes[feed - 1] === cr ? feed - 1 : feed
    if (last === from || bytes[last - 1] === lf) return feed + 1
  }
  return -1
}

const tooLong = (bound: number): Wrong => wrong("tooLong", `the head of the answer has more than ${bound} bytes`)

/** Bytes as they are: what is beyond ASCII, in reasons mostly, is for people to read. */
const lineOf = (bytes: Uint8Array, from: number, to: number): string => {
  const line = bytes.subarray(from, to)
  return Text.decode(line) ?? Array.from(line, (byte) => String.fromCharCode(byte)).join("")
}

const decodeLines = (lines: ReadonlyArray<string>, used: number): Decoded<Response> => {
  const first = statusLine.exec(lines[0] ?? "")
  if (first === null) return wrong("malformed", "the first line of the answer is no status line")
  const fields: Array<Field> = []
  if (lines.some((line) => control.test(line))) {
    return wrong("malformed", "a line of the answer has a control character in it")
  }
  for (const line of lines.slice(1)) {
    const last = fields.at(-1)
    if (line.startsWith(" ") || line.startsWith("\t")) {
      if (last === undefined) return wrong("malformed", "the first field of the answer goes on with nothing")
      fields[fields.length - 1] = { name: last.name, value: `${last.value} ${line.trim()}`.trim() }
      continue
    }
    const colon = line.indexOf(":")
    const name = line.slice(0, Math.max(colon, 0))
    if (!token.test(name)) return wrong("malformed", "a line of the answer is no field")
    fields.push({ name: name.toLowerCase(), value: line.slice(colon + 1).trim() })
  }
  return done({ status: Number(first[1]), reason: first[2] ?? "", fields }, used)
}

/** The value of a field; those of several fields of one name are joined, as they are one list. */
export const fieldOf = ({ fields }: Response, name: string): string | undefined => {
  const values = fields.filter((field) => field.name === name).map(({ value }) => value)
  return values.length === 0 ? undefined : values.join(", ")
}

// ---------------------------------------------------------------------------------------------------------------------
// What the fields say of a failure
// ---------------------------------------------------------------------------------------------------------------------

/** A member of Proxy-Status: what one proxy on the way says. */
export interface ProxyStatus {
  /** Who says it. */
  readonly by: string
  /** The token of the failure. */
  readonly error: string | undefined
  /** What DNS answered, such as `NXDOMAIN`. */
  readonly rcode: string | undefined
  /** In words. */
  readonly details: string | undefined
}

const item =
  /(?:"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"|([A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*)|(-?\d+(?:\.\d+)?)|\?([01])|:([A-Za-z0-9+/=]*):)/y
const parameter = /; *([a-z*][a-z0-9_\-.*]*)(=)?/y
const comma = /[ \t]*,[ \t]*/y

/**
 * Reads a list of structured fields (RFC 9651) as Proxy-Status is one: the proxy that is nearest to the target first. What
 * is no such list says nothing, as a whole.
 */
export const proxyStatus = (value: string): ReadonlyArray<ProxyStatus> => {
  const text = value.trim()
  const members: Array<ProxyStatus> = []
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (found !== null) at = pattern.lastIndex
    return found
  }
  const takeItem = (): string | undefined => {
    const found = take(item)
    return found === null
      ? undefined
      : found[1]?.replaceAll(/\\(["\\])/g, "$1") ?? found[2] ?? found[3] ?? found[4] ?? found[5] ?? ""
  }
  while (at < text.length) {
    if (members.length > 0 && take(comma) === null) return []
    const by = takeItem()
    if (by === undefined) return []
    const parameters = new Map<string, string>()
    for (let found = take(parameter); found !== null; found = take(parameter)) {
      const given = found[2] === undefined ? "" : takeItem()
      if (given === undefined) return []
      parameters.set(found[1]!, given)
    }
    members.push({
      by,
      error: parameters.get("error"),
      rcode: parameters.get("rcode"),
      details: parameters.get("details")
    })
  }
  return members
}

/** The seconds that Retry-After asks for; a date says nothing here, as nobody knows how right the clocks are. */
export const retryAfter = (response: Response): number | undefined => {
  const value = fieldOf(response, "retry-after")
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined
}
