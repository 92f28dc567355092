/**
 * What two ends exchange while they connect: the caller's part, which is the value of one entry of a PROXY header, and the
 * callee's reply, a frame of its own. docs/connect-data.md has both byte by byte.
 */
import { crc32c } from "./crc32c.ts"
import {
  beginsAs,
  copy,
  type Decoded,
  done,
  need,
  readU32,
  type Tlv,
  tlvsLength,
  walkTlvs,
  writeTlvs,
  writeU32,
  wrong
} from "./decoded.ts"

/** The type of our entry, of the range that the PROXY protocol leaves to applications. */
export const defaultType = 0xe4

/** What the caller sends along. A part that is absent was not given; no bytes are not the same. */
export interface Call {
  readonly callerData: Uint8Array | undefined
  /** QOS of the socket and of its group, as the codec of Qos has it. */
  readonly socketQos: Uint8Array | undefined
  readonly groupQos: Uint8Array | undefined
  /** How many bytes of callee data the caller takes; absent where it waits for no reply. */
  readonly calleeCapacity: number | undefined
}

/** What the callee answers. */
export interface Reply {
  readonly verdict: "accepted" | "rejected"
  readonly calleeData: Uint8Array
}

const formatVersion = 1

const Kind = { callerData: 1, socketQos: 2, groupQos: 3, calleeCapacity: 4 } as const

/**
 * Decodes the caller's part, which is whole, since the header around it is: this never needs more. Records of kinds that
 * we do not know are skipped, so that a later format can add some without a new version.
 */
export const decodeCall = (bytes: Uint8Array): Exclude<Decoded<Call>, { readonly _tag: "Need" }> => {
  if (bytes.length === 0) return wrong("malformed", "the caller's part is empty")
  if (bytes[0] !== formatVersion) {
    return wrong("unsupported", `the caller's part is of version ${bytes[0]}, where ${formatVersion} is the only one`)
  }
  const places = new Map<number, readonly [from: number, to: number]>()
  let fault: string | undefined
  const whole = walkTlvs(bytes, 1, bytes.length, (kind, from, to) => {
    if (kind < Kind.callerData || kind > Kind.calleeCapacity) return
    if (places.has(kind)) fault ??= `two records of kind ${kind}`
    if (kind === Kind.calleeCapacity && to - from !== 4) {
      fault ??= `a capacity of ${to - from} bytes, where it has 4`
    }
    places.set(kind, [from, to])
  })
  if (!whole) return wrong("malformed", "a record goes beyond the end of the caller's part")
  if (fault !== undefined) return wrong("malformed", fault)
  const partOf = (kind: number) => {
    const place = places.get(kind)
    return place === undefined ? undefined : copy(bytes, place[0], place[1])
  }
  const capacity = places.get(Kind.calleeCapacity)
  return done({
    callerData: partOf(Kind.callerData),
    socketQos: partOf(Kind.socketQos),
    groupQos: partOf(Kind.groupQos),
    calleeCapacity: capacity === undefined ? undefined : readU32(bytes, capacity[0])
  }, bytes.length)
}

const recordsOf = (call: Call): ReadonlyArray<Tlv> => {
  const records: Array<Tlv> = []
  if (call.callerData !== undefined) records.push({ type: Kind.callerData, value: call.callerData })
  if (call.socketQos !== undefined) records.push({ type: Kind.socketQos, value: call.socketQos })
  if (call.groupQos !== undefined) records.push({ type: Kind.groupQos, value: call.groupQos })
  if (call.calleeCapacity !== undefined) {
    const capacity = new Uint8Array(4)
    writeU32(capacity, 0, call.calleeCapacity)
    records.push({ type: Kind.calleeCapacity, value: capacity })
  }
  return records
}

/** The bytes of the caller's part. Throws a RangeError where one record has more than 65535: check bounds first. */
export const encodeCall = (call: Call): Uint8Array => {
  const records = recordsOf(call)
  const bytes = new Uint8Array(1 + tlvsLength(records))
  bytes[0] = formatVersion
  writeTlvs(bytes, 1, records)
  return bytes
}

/**
 * What a reply begins with. No text begins with its first byte, in ASCII or in UTF-8, so no peer that greets in words
 * does; nor do TLS, HTTP/2, and the PROXY protocol. The line ends and the control characters after it tell of a transport
 * that changes them, as those of PNG do.
 */
export const magic = Uint8Array.of(0x89, 0x57, 0x53, 0x4b, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x52, 0x45, 0x50)

const replyHead = 20
/** What a reply takes beside its callee data. */
export const replyOverhead = replyHead + 4

const verdicts: ReadonlyArray<Reply["verdict"] | undefined> = [undefined, "accepted", "rejected"]

/** Decodes a reply whose callee data is at most `bound` bytes long. */
export const decodeReply = (bytes: Uint8Array, bound: number): Decoded<Reply> => {
  if (!beginsAs(bytes, magic)) return wrong("foreign", "no reply to connect data: it begins as something else")
  if (bytes.length < replyHead) return need(replyHead)
  if (bytes[12] !== formatVersion) {
    return wrong("unsupported", `the reply is of version ${bytes[12]}, where ${formatVersion} is the only one`)
  }
  const verdict = verdicts[bytes[13]!]
  if (verdict === undefined) {
    return wrong("unsupported", `verdict ${bytes[13]} is neither accepted (1) nor rejected (2)`)
  }
  const length = readU32(bytes, 16)
  if (length > bound) return wrong("tooLong", `callee data of ${length} bytes, at most ${bound} are taken`)
  const end = replyHead + length
  if (bytes.length < end + 4) return need(end + 4)
  if (readU32(bytes, end) !== crc32c(bytes.subarray(0, end))) {
    return wrong("checksum", "the checksum of the reply is another")
  }
  return done({ verdict, calleeData: copy(bytes, replyHead, end) }, end + 4)
}

/** The bytes of a reply. */
export const encodeReply = ({ calleeData, verdict }: Reply): Uint8Array => {
  const end = replyHead + calleeData.length
  const bytes = new Uint8Array(end + 4)
  bytes.set(magic)
  bytes[12] = formatVersion
  bytes[13] = verdicts.indexOf(verdict)
  writeU32(bytes, 16, calleeData.length)
  bytes.set(calleeData, replyHead)
  writeU32(bytes, end, crc32c(bytes.subarray(0, end)))
  return bytes
}
