/**
 * What two sides of the modelled TLS say to each other, in bytes: records as TLS has them, and messages in JSON.
 */
import type * as Tls from "@effect-winsock/core/Tls"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Text from "../text.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Messages
// ---------------------------------------------------------------------------------------------------------------------

const Version = Schema.Literals(["TLSv1.2", "TLSv1.3"])

const Message = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("client_hello"),
    random: Schema.String,
    versions: Schema.Array(Version),
    ciphers: Schema.Array(Schema.String),
    alpn: Schema.Array(Schema.String),
    serverName: Schema.optionalKey(Schema.String),
    ticket: Schema.optionalKey(Schema.String)
  }),
  Schema.Struct({
    type: Schema.Literal("server_hello"),
    random: Schema.String,
    version: Version,
    cipher: Schema.String,
    alpn: Schema.optionalKey(Schema.String),
    reused: Schema.Boolean
  }),
  Schema.Struct({ type: Schema.Literal("new_session_ticket"), ticket: Schema.String }),
  Schema.Struct({ type: Schema.Literal("certificate"), chain: Schema.Array(Schema.String) }),
  Schema.Struct({ type: Schema.Literal("certificate_request") }),
  Schema.Struct({ type: Schema.Literal("server_hello_done") }),
  Schema.Struct({ type: Schema.Literal("certificate_verify"), signature: Schema.String }),
  Schema.Struct({ type: Schema.Literal("client_key_exchange") }),
  Schema.Struct({ type: Schema.Literal("finished"), verify: Schema.String })
])

export type Message = typeof Message.Type
export type MessageOf<T extends Message["type"]> = Extract<Message, { readonly type: T }>

const messageJson = Schema.fromJsonString(Message)

/** The numbers of the standards (RFC 8446 §4, RFC 5246 §7.4). */
const numbers: Readonly<Record<Message["type"], number>> = {
  client_hello: 1,
  server_hello: 2,
  new_session_ticket: 4,
  certificate: 11,
  certificate_request: 13,
  server_hello_done: 14,
  certificate_verify: 15,
  client_key_exchange: 16,
  finished: 20
}

const messageHead = 4

/** A longer message is not taken: nobody is made to hold whatever a peer says that it will send. */
export const longestMessage = 131_072

/** A message in bytes: its number, its length, and JSON. */
export const encodeMessage = (message: Message): Uint8Array => {
  const body = Text.encode(Schema.encodeSync(messageJson)(message))
  const bytes = new Uint8Array(messageHead + body.length)
  bytes.set([numbers[message.type], body.length >> 16, body.length >> 8, body.length])
  bytes.set(body, messageHead)
  return bytes
}

const decodeMessage = (bytes: Uint8Array): Message | undefined => {
  const body = Text.decode(bytes.subarray(messageHead))
  const message = Option.getOrUndefined(Schema.decodeUnknownOption(messageJson)(body))
  return message !== undefined && numbers[message.type] === bytes[0] ? message : undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Records
// ---------------------------------------------------------------------------------------------------------------------

const Kind = { alert: 21, handshake: 22, data: 23 } as const

/** Where TLS has its version: so that neither takes the other for its own. */
const mark = [0x73, 0x69] as const

const head = 5
/** What a record of data takes beyond its bytes, as under TLS 1.3. */
const seal = 17
/** The most bytes in a record. */
export const longest = 16_384

const records = (kind: number, bytes: Uint8Array, extra = 0): Uint8Array => {
  const count = Math.max(1, Math.ceil(bytes.length / longest))
  const out = new Uint8Array(bytes.length + count * (head + extra))
  let to = 0
  for (let from = 0; from < bytes.length || from === 0; from += longest) {
    const part = bytes.subarray(from, from + longest)
    const length = part.length + extra
    out.set([kind, ...mark, length >> 8, length], to)
    out.set(part, to + head)
    to += head + length
  }
  return out
}

/** Messages, in as many records as they need. */
export const encodeHandshake = (bytes: Uint8Array): Uint8Array => records(Kind.handshake, bytes)

const warning = 1
const fatal = 2
const closeNotify = 0

/** What breaks off. */
export const encodeAlert = (number: number): Uint8Array => records(Kind.alert, Uint8Array.of(fatal, number))

/** What tells that no more will come. */
export const encodeClose = (): Uint8Array => records(Kind.alert, Uint8Array.of(warning, closeNotify))

/** Bytes of the program. */
export const encodeData = (bytes: Uint8Array): Uint8Array => records(Kind.data, bytes, seal)

/** What is wrong with what has come, and the alert that says so. */
export interface Wrong {
  readonly _tag: "Wrong"
  readonly why: "not-tls" | "malformed"
  readonly alert: Tls.Alert
  readonly detail: string
}

/** What has come. */
export type Incoming =
  | { readonly _tag: "Message"; readonly message: Message; readonly bytes: Uint8Array }
  | { readonly _tag: "Data"; readonly bytes: Uint8Array }
  | { readonly _tag: "Alert"; readonly number: number; readonly isFatal: boolean }
  | { readonly _tag: "Close" }
  | Wrong

const malformed = (alert: Tls.Alert, detail: string): Wrong => ({ _tag: "Wrong", why: "malformed", alert, detail })
const noBytes = new Uint8Array(0)

const joined = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  if (a.length === 0) return b
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

/** Reads records of bytes as they come, however they were cut. */
export class Reader {
  private bytes: Uint8Array = noBytes
  private partial: Uint8Array = noBytes
  private begun = false

  /** Adds bytes, which are the reader's from then on. */
  push(bytes: Uint8Array): void {
    this.bytes = joined(this.bytes, bytes)
  }

  /** The next of what has come; `undefined` where more has to come first. */
  next(): Incoming | undefined {
    for (;;) {
      const whole = this.message()
      if (whole !== undefined) return whole
      const record = this.record()
      if (record === undefined) return undefined
      if ("_tag" in record) return record
      this.begun = true
      const { body, kind } = record
      if (kind === Kind.alert) return alertOf(body)
      if (this.partial.length > 0 && kind !== Kind.handshake) {
        return malformed("unexpected_message", "a message of the handshake is interrupted by something else")
      }
      if (kind === Kind.data) return dataOf(body)
      if (body.length === 0) return malformed("unexpected_message", "a record of the handshake without a byte")
      this.partial = joined(this.partial, body)
    }
  }

  private record(): { readonly kind: number; readonly body: Uint8Array } | Wrong | undefined {
    const { bytes } = this
    const [kind, ...rest] = bytes.subarray(0, 3)
    if (kind === undefined) return undefined
    if (kind < Kind.alert || kind > Kind.data || rest.some((byte, i) => byte !== mark[i])) {
      return this.begun
        ? malformed("unexpected_message", "what comes is no record")
        : { _tag: "Wrong", why: "not-tls", alert: "protocol_version", detail: `it begins with ${shown(bytes)}` }
    }
    if (bytes.length < head) return undefined
    const length = bytes[3]! * 256 + bytes[4]!
    const most = kind === Kind.data ? longest + seal : longest
    if (length > most) return malformed("record_overflow", `a record of ${length} bytes, at most ${most} are taken`)
    if (bytes.length < head + length) return undefined
    this.bytes = bytes.subarray(head + length)
    return { kind, body: bytes.subarray(head, head + length) }
  }

  private message(): Incoming | undefined {
    const { partial } = this
    if (partial.length < messageHead) return undefined
    const length = partial[1]! * 65_536 + partial[2]! * 256 + partial[3]!
    if (length > longestMessage) {
      return malformed("illegal_parameter", `a message of ${length} bytes, at most ${longestMessage} are taken`)
    }
    if (partial.length < messageHead + length) return undefined
    const bytes = partial.subarray(0, messageHead + length)
    this.partial = partial.subarray(messageHead + length)
    const message = decodeMessage(bytes)
    return message === undefined
      ? malformed("decode_error", "a message of the handshake cannot be read")
      : { _tag: "Message", message, bytes }
  }
}

/** What is at the end of a record of data: zeros, where none of it is lost, or of something else. */
const dataOf = (body: Uint8Array): Incoming => {
  const size = body.length - seal
  return size < 0 || body.subarray(size).some((byte) => byte !== 0)
    ? malformed("bad_record_mac", "a record of data is not whole")
    : { _tag: "Data", bytes: body.subarray(0, size) }
}

const alertOf = (body: Uint8Array): Incoming => {
  const [level, number] = body
  if (body.length !== 2 || (level !== warning && level !== fatal)) {
    return malformed("decode_error", "an alert cannot be read")
  }
  return number === closeNotify ? { _tag: "Close" } : { _tag: "Alert", number: number!, isFatal: level === fatal }
}

const shown = (bytes: Uint8Array): string =>
  JSON.stringify(Text.decode(bytes.subarray(0, 16)).replace(/[^\x20-\x7e]/g, "."))
