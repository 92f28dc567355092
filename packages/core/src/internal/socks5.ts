/**
 * SOCKS5 as RFC 1928 has it, for connects, with the methods "no authentication" and "user and password" (RFC 1929): what is
 * said to such a proxy, and what it answers. docs/proxies.md says what each answer comes to.
 *
 * What the RFCs leave open, and what servers make of it, is decided here:
 *
 * - The reserved byte of a reply is not looked at.
 * - A reply that refuses is whole with its code: some servers send no address behind it, and nothing follows anyway.
 */
import type * as Host from "effect/net/Host"
import * as NetAddress from "effect/net/NetAddress"
import { type Decoded, done, need, writeU16, wrong } from "./decoded.ts"
import * as Text from "./text.ts"

const version = 5
const loginVersion = 1

/** How the two ends agree on who calls. */
export const Method = { none: 0, password: 2, nothing: 0xff } as const

const AddressType = { IPv4: 1, name: 3, IPv6: 4 } as const

/** What a name, a user and a password have at most, in bytes. */
export const maximumText = 255

/** No answer of a proxy is longer: a reply with the longest name. */
export const maximumLength = 4 + 1 + maximumText + 2

/** What a proxy answers to a request. `code` 0: it has opened the way. */
export interface Reply {
  readonly code: number
}

/** The words of RFC 1928 for what a reply refuses with; no other code has any. */
export const words: ReadonlyArray<string> = [
  "succeeded",
  "general SOCKS server failure",
  "connection not allowed by ruleset",
  "network unreachable",
  "host unreachable",
  "connection refused",
  "TTL expired",
  "command not supported",
  "address type not supported"
]

/** What a client begins with: the methods that it can use. */
export const encodeGreeting = (methods: ReadonlyArray<number>): Uint8Array =>
  Uint8Array.of(version, methods.length, ...methods)

const isSocks = (bytes: Uint8Array, expected: number, what: string) =>
  bytes.length > 0 && bytes[0] !== expected
    ? wrong("foreign", `${what} begins with byte ${bytes[0]}, where SOCKS5 has ${expected}`)
    : undefined

/** The method that the proxy chose. */
export const decodeChoice = (bytes: Uint8Array): Decoded<number> =>
  isSocks(bytes, version, "the answer to the greeting") ?? (bytes.length < 2 ? need(2) : done(bytes[1]!, 2))

/** User and password, of at least 1 and at most 255 bytes each. */
export const encodeLogin = (user: Uint8Array, password: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(3 + user.length + password.length)
  bytes[0] = loginVersion
  bytes[1] = user.length
  bytes.set(user, 2)
  bytes[2 + user.length] = password.length
  bytes.set(password, 3 + user.length)
  return bytes
}

/** Whether the proxy took user and password: 0 says that it did. */
export const decodeVerdict = (bytes: Uint8Array): Decoded<number> =>
  isSocks(bytes, loginVersion, "the answer to user and password") ?? (bytes.length < 2 ? need(2) : done(bytes[1]!, 2))

/** The request to connect to an address, or to a name of at most 255 bytes, as it is written. */
export const encodeConnect = (host: NetAddress.IpAddress | Host.DomainName, port: number): Uint8Array => {
  const address = typeof host === "string"
    ? [...Text.encode(host)]
    : host._tag === "Ipv4Address"
    ? NetAddress.ipv4ToOctets(host)
    : NetAddress.ipv6ToOctets(host)
  const type = typeof host === "string"
    ? [AddressType.name, address.length]
    : [host._tag === "Ipv4Address" ? AddressType.IPv4 : AddressType.IPv6]
  const bytes = Uint8Array.of(version, 1, 0, ...type, ...address, 0, 0)
  writeU16(bytes, bytes.length - 2, port)
  return bytes
}

/** What the proxy answers to the request. Where it connects from is read over: nobody asks for it. */
export const decodeReply = (bytes: Uint8Array): Decoded<Reply> => {
  const foreign = isSocks(bytes, version, "the reply")
  if (foreign !== undefined) return foreign
  if (bytes.length < 2) return need(2)
  const code = bytes[1]!
  if (code !== 0) return done({ code }, 2)
  if (bytes.length < 4) return need(4)
  const type = bytes[3]!
  if (type !== AddressType.name) {
    if (type !== AddressType.IPv4 && type !== AddressType.IPv6) {
      return wrong("malformed", `the reply has an address of type ${type}, which is none`)
    }
    return whole(bytes, 4 + (type === AddressType.IPv4 ? 4 : 16) + 2)
  }
  return bytes.length < 5 ? need(5) : whole(bytes, 5 + bytes[4]! + 2)
}

const whole = (bytes: Uint8Array, length: number): Decoded<Reply> =>
  bytes.length < length ? need(length) : done({ code: 0 }, length)
