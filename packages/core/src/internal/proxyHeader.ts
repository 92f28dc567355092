/**
 * The header of the PROXY protocol, version 2, as HAProxy's `doc/proxy-protocol.txt` describes it: who really connects to
 * whom, and entries of a type, a length and a value beside it. docs/connect-data.md has it byte by byte.
 *
 * What the protocol leaves to the receiver is decided here:
 *
 * - A LOCAL header is skipped, whatever it holds.
 * - An unspecified family or transport is accepted, without endpoints. Entries follow the address block of its family,
 *   and an unspecified family has none.
 * - So is a Unix address that no `SocketAddress` can hold: one that is no UTF-8, or has a NUL inside.
 * - A second checksum is malformed: no receiver could agree with its sender on what it covers.
 * - An entry for SSL, or a unique ID, that is not as the protocol has it is malformed, since whoever reads it relies on it.
 */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as SocketAddress from "../SocketAddress.ts"
import { crc32c } from "./crc32c.ts"
import {
  beginsAs,
  copy,
  type Decoded,
  done,
  need,
  readU16,
  readU32,
  type Tlv,
  tlvsLength,
  walkTlvs,
  writeTlvs,
  writeU16,
  writeU32,
  wrong
} from "./decoded.ts"
import * as Text from "./text.ts"

/** A connection that a proxy made for itself, to look after its server, or one that it made for somebody. */
export type ProxyHeader = Local | Proxied

export interface Local {
  readonly command: "LOCAL"
}

export interface Proxied {
  readonly command: "PROXY"
  /** Absent where the proxy does not know them, or could not say. */
  readonly endpoints: Endpoints | undefined
  /** All entries in their order, but for the checksum and what is there for padding only. */
  readonly tlvs: ReadonlyArray<Tlv>
  /** A checksum was there, and right; or is to be there. */
  readonly checksum: boolean
}

export interface Endpoints {
  readonly transport: "stream" | "datagram"
  readonly source: SocketAddress.SocketAddress
  readonly destination: SocketAddress.SocketAddress
}

export const Type = {
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  noop: 0x04,
  uniqueId: 0x05,
  ssl: 0x20,
  sslVersion: 0x21,
  sslCommonName: 0x22,
  sslCipher: 0x23,
  sslSignatureAlgorithm: 0x24,
  sslKeyAlgorithm: 0x25,
  netns: 0x30,
  customFirst: 0xe0,
  customLast: 0xef
} as const

const signature = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a)
const version1 = Uint8Array.of(0x50, 0x52, 0x4f, 0x58, 0x59)

/** What every header begins with; its last two bytes say how many follow. */
const fixedLength = 16
/** No header is longer than this. */
export const maximumLength = fixedLength + 0xffff
const checksumLength = 7

const maximumUniqueId = 128
const pathLength = 108

const families = [undefined, "IPv4", "IPv6", "Unix"] as const
const blockLengths = [0, 12, 36, 2 * pathLength] as const
const transports = [undefined, "stream", "datagram"] as const

const hex = (byte: number) => `0x${byte.toString(16).padStart(2, "0")}`

/** Decodes a header that is at most `bound` bytes long as a whole. */
export const decode = (bytes: Uint8Array, bound: number = maximumLength): Decoded<ProxyHeader> => {
  if (!beginsAs(bytes, signature)) {
    return wrong(
      "foreign",
      bytes.length >= version1.length && beginsAs(bytes, version1)
        ? "a header of version 1 of the PROXY protocol, where one of version 2 is expected"
        : "no header of the PROXY protocol: the signature is another"
    )
  }
  if (bytes.length < fixedLength) return need(fixedLength)
  const [version, command] = [bytes[12]! >> 4, bytes[12]! & 15]
  if (version !== 2) return wrong("unsupported", `version ${version}, where 2 is the only one`)
  if (command > 1) return wrong("unsupported", `command ${hex(command)} is neither LOCAL nor PROXY`)
  const total = fixedLength + readU16(bytes, 14)
  if (total > bound) return wrong("tooLong", `a header of ${total} bytes, at most ${bound} are taken`)
  const isLocal = command === 0
  const [family, transport] = [bytes[13]! >> 4, bytes[13]! & 15]
  const entries = fixedLength + (blockLengths[family] ?? 0)
  if (!isLocal) {
    if (family >= families.length) return wrong("unsupported", `address family ${hex(family)} is not assigned`)
    if (transport >= transports.length) return wrong("unsupported", `transport ${hex(transport)} is not assigned`)
    if (total < entries) {
      return wrong(
        "malformed",
        `${total - fixedLength} bytes cannot hold the ${entries - fixedLength} of the addresses`
      )
    }
  }
  if (bytes.length < total) return need(total)
  return isLocal ? done({ command: "LOCAL" }, total) : decodeProxied(bytes, entries, total)
}

const decodeProxied = (bytes: Uint8Array, entries: number, total: number): Decoded<ProxyHeader> => {
  const tlvs: Array<Tlv> = []
  let checksumAt: number | undefined
  let fault: string | undefined
  const whole = walkTlvs(bytes, entries, total, (type, from, to) => {
    if (type === Type.noop) return
    if (type === Type.crc32c) {
      if (checksumAt !== undefined) fault ??= "two checksums"
      else if (to - from !== 4) fault ??= `a checksum of ${to - from} bytes, where it has 4`
      checksumAt = from
      return
    }
    fault ??= faultOf(type, bytes, from, to)
    if (fault === undefined) tlvs.push({ type, value: copy(bytes, from, to) })
  })
  if (!whole) return wrong("malformed", "an entry goes beyond the end of the header")
  if (fault !== undefined) return wrong("malformed", fault)
  if (checksumAt !== undefined && readU32(bytes, checksumAt) !== checksumOf(bytes, checksumAt, total)) {
    return wrong("checksum", "the checksum of the header is another")
  }
  return done({ command: "PROXY", endpoints: endpointsOf(bytes), tlvs, checksum: checksumAt !== undefined }, total)
}

const faultOf = (type: number, bytes: Uint8Array, from: number, to: number): string | undefined => {
  if (type === Type.uniqueId && to - from > maximumUniqueId) {
    return `a unique ID of ${to - from} bytes, where it has at most ${maximumUniqueId}`
  }
  if (type === Type.ssl && !(to - from >= sslHead && walkTlvs(bytes, from + sslHead, to, () => {}))) {
    return "what is said about SSL is not whole"
  }
  return undefined
}

const noChecksum = new Uint8Array(4)

/** The checksum of a whole header, as if the field at `at` were zero. */
const checksumOf = (bytes: Uint8Array, at: number, total: number): number =>
  crc32c(bytes.subarray(at + 4, total), crc32c(noChecksum, crc32c(bytes.subarray(0, at))))

const endpointsOf = (bytes: Uint8Array): Endpoints | undefined => {
  const family = families[bytes[13]! >> 4]
  const transport = transports[bytes[13]! & 15]
  if (family === undefined || transport === undefined) return undefined
  const at = fixedLength
  if (family === "Unix") {
    const source = pathOf(bytes.subarray(at, at + pathLength))
    const destination = pathOf(bytes.subarray(at + pathLength, at + 2 * pathLength))
    return source === undefined || destination === undefined ? undefined : { transport, source, destination }
  }
  const length = family === "IPv4" ? 4 : 16
  const ports = at + 2 * length
  return {
    transport,
    source: inetOf(bytes.subarray(at, at + length), readU16(bytes, ports)),
    destination: inetOf(bytes.subarray(at + length, ports), readU16(bytes, ports + 2))
  }
}

const inetOf = (address: Uint8Array, port: number): SocketAddress.SocketAddress =>
  address.length === 4
    ? NetAddress.inetAddressUnsafe(NetAddress.ipv4FromBytesUnsafe(address), port)
    : NetAddress.inetAddressUnsafe(NetAddress.ipv6FromBytesUnsafe(address), port)

// A path ends at its first NUL. An abstract name begins with one; the last that is not padding ends it.
const pathOf = (field: Uint8Array): SocketAddress.SocketAddress | undefined => {
  let end = field.indexOf(0)
  if (end === 0) {
    end = field.length
    while (end > 0 && field[end - 1] === 0) end--
  }
  const path = Text.decode(end < 0 ? field : field.subarray(0, end))
  const address = path === undefined ? undefined : SocketAddress.fromInput({ path })
  return address !== undefined && Result.isSuccess(address) ? address.success : undefined
}

/**
 * How many bytes `encode` makes of a header.
 */
export const encodedLength = (header: ProxyHeader): number =>
  header.command === "LOCAL"
    ? fixedLength
    : fixedLength + blockLengths[familyOf(header.endpoints)] + tlvsLength(header.tlvs) +
      (header.checksum ? checksumLength : 0)

/**
 * The bytes of a header. An IPv4 and an IPv6 address are both sent as IPv6 ones, as HAProxy does; endpoints of which one
 * is a Unix-domain path and the other is not are sent as none. The scope of an IPv6 address has no place in a header, and
 * an abstract name without a character is the same there as no name.
 *
 * Throws a RangeError where the header is longer than `maximumLength`, or holds a checksum among its entries: callers
 * check their bounds first.
 */
export const encode = (header: ProxyHeader): Uint8Array => {
  const total = encodedLength(header)
  if (total > maximumLength) {
    throw new RangeError(`a header has at most ${maximumLength} bytes, this one has ${total}`)
  }
  const bytes = new Uint8Array(total)
  bytes.set(signature)
  writeU16(bytes, 14, total - fixedLength)
  if (header.command === "LOCAL") {
    bytes[12] = 0x20
    return bytes
  }
  if (header.tlvs.some((tlv) => tlv.type === Type.crc32c)) throw new RangeError("the checksum is no entry to be given")
  const family = familyOf(header.endpoints)
  bytes[12] = 0x21
  if (header.endpoints !== undefined && family !== 0) {
    bytes[13] = (family << 4) | transports.indexOf(header.endpoints.transport)
    writeEndpoints(bytes, family, header.endpoints)
  }
  const at = writeTlvs(bytes, fixedLength + blockLengths[family], header.tlvs)
  if (header.checksum) {
    writeTlvs(bytes, at, [{ type: Type.crc32c, value: noChecksum }])
    writeU32(bytes, total - 4, crc32c(bytes))
  }
  return bytes
}

/** The place of their family in the tables above. */
const familyOf = (endpoints: Endpoints | undefined): 0 | 1 | 2 | 3 => {
  if (endpoints === undefined) return 0
  const [source, destination] = [endpoints.source._tag, endpoints.destination._tag]
  if (source === "UnixPathAddress") return destination === "UnixPathAddress" ? 3 : 0
  if (destination === "UnixPathAddress") return 0
  return source === "InetAddressV4" && destination === "InetAddressV4" ? 1 : 2
}

const writeEndpoints = (bytes: Uint8Array, family: 1 | 2 | 3, { destination, source }: Endpoints): void => {
  const length = (blockLengths[family] - (family === 3 ? 0 : 4)) / 2
  for (const [i, address] of [source, destination].entries()) {
    const at = fixedLength + i * length
    if (address._tag === "UnixPathAddress") {
      bytes.set(Text.encode(address.path).subarray(0, pathLength), at)
      continue
    }
    bytes.set(octetsOf(address.address, length), at)
    writeU16(bytes, fixedLength + 2 * length + 2 * i, address.port)
  }
}

const octetsOf = (address: NetAddress.IpAddress, length: number): ReadonlyArray<number> => {
  if (address._tag === "Ipv6Address") return NetAddress.ipv6ToOctets(address)
  const octets = NetAddress.ipv4ToOctets(address)
  return length === 4 ? octets : [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...octets]
}

/** The entries of which the protocol says what they mean. */
export interface Known {
  readonly alpn?: Uint8Array | undefined
  readonly authority?: string | undefined
  readonly uniqueId?: Uint8Array | undefined
  readonly ssl?: Ssl | undefined
  readonly netns?: string | undefined
  /** Those of other types, second ones of the same, and those that are no text where they should be. */
  readonly others?: ReadonlyArray<Tlv> | undefined
}

export interface Ssl {
  /** Bits: 1 it came over TLS, 2 with a certificate, 4 with one earlier in the session. */
  readonly client: number
  /** 0 where the client showed a certificate that was found good. */
  readonly verify: number
  readonly version?: string | undefined
  readonly commonName?: string | undefined
  readonly cipher?: string | undefined
  readonly signatureAlgorithm?: string | undefined
  readonly keyAlgorithm?: string | undefined
  /** As those of `Known`. */
  readonly others?: ReadonlyArray<Tlv> | undefined
}

const sslHead = 5

const sslTexts = [
  ["version", Type.sslVersion],
  ["commonName", Type.sslCommonName],
  ["cipher", Type.sslCipher],
  ["signatureAlgorithm", Type.sslSignatureAlgorithm],
  ["keyAlgorithm", Type.sslKeyAlgorithm]
] as const

/** Reads the entries of a header that was decoded. */
export const known = (tlvs: ReadonlyArray<Tlv>): Known => {
  const others: Array<Tlv> = []
  const found: { -readonly [K in keyof Known]: Known[K] } = {}
  for (const tlv of tlvs) {
    const { type, value } = tlv
    if (type === Type.alpn && found.alpn === undefined) found.alpn = value
    else if (type === Type.uniqueId && found.uniqueId === undefined) found.uniqueId = value
    else if (type === Type.ssl && found.ssl === undefined) found.ssl = sslOf(value)
    else if (type === Type.authority) readText(found, "authority", tlv, others)
    else if (type === Type.netns) readText(found, "netns", tlv, others)
    else others.push(tlv)
  }
  return others.length === 0 ? found : { ...found, others }
}

const readText = <K extends string>(
  found: { [key in K]?: string | undefined },
  field: K,
  tlv: Tlv,
  others: Array<Tlv>
): void => {
  const text = found[field] === undefined ? Text.decode(tlv.value) : undefined
  if (text === undefined) others.push(tlv)
  else found[field] = text
}

const sslOf = (value: Uint8Array): Ssl => {
  const others: Array<Tlv> = []
  const found: { -readonly [K in keyof Ssl]: Ssl[K] } = { client: value[0]!, verify: readU32(value, 1) }
  walkTlvs(value, sslHead, value.length, (type, from, to) => {
    const tlv = { type, value: copy(value, from, to) }
    const field = sslTexts.find((field) => field[1] === type)?.[0]
    if (field === undefined) others.push(tlv)
    else readText(found, field, tlv, others)
  })
  return others.length === 0 ? found : { ...found, others }
}

/** The entries that say what `known` holds, in the order of their types; others last. */
export const tlvsOf = (given: Known): ReadonlyArray<Tlv> => {
  const tlvs: Array<Tlv> = []
  if (given.alpn !== undefined) tlvs.push({ type: Type.alpn, value: given.alpn })
  if (given.authority !== undefined) tlvs.push({ type: Type.authority, value: Text.encode(given.authority) })
  if (given.uniqueId !== undefined) tlvs.push({ type: Type.uniqueId, value: given.uniqueId })
  if (given.ssl !== undefined) tlvs.push({ type: Type.ssl, value: sslBytes(given.ssl) })
  if (given.netns !== undefined) tlvs.push({ type: Type.netns, value: Text.encode(given.netns) })
  return given.others === undefined ? tlvs : [...tlvs, ...given.others]
}

const sslBytes = (ssl: Ssl): Uint8Array => {
  const tlvs: Array<Tlv> = []
  for (const [field, type] of sslTexts) {
    const text = ssl[field]
    if (text !== undefined) tlvs.push({ type, value: Text.encode(text) })
  }
  if (ssl.others !== undefined) tlvs.push(...ssl.others)
  const bytes = new Uint8Array(sslHead + tlvsLength(tlvs))
  bytes[0] = ssl.client
  writeU32(bytes, 1, ssl.verify)
  writeTlvs(bytes, sslHead, tlvs)
  return bytes
}
