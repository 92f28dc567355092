/**
 * What a decoder of bytes from the network makes of the beginning of a stream.
 *
 * A decoder is given all that has come so far, and is asked again when more has. It never throws, keeps nothing between
 * two calls, and allocates nothing before all that it needs is there and within its bound.
 */

export type Decoded<A> = Need | Done<A> | Wrong

/** All is right so far; to say more takes `atLeast` bytes, counted from the first. That is never beyond the bound. */
export interface Need {
  readonly _tag: "Need"
  readonly atLeast: number
}

/** The value, which shares no memory with what was decoded. The bytes from `used` on belong to whatever follows. */
export interface Done<A> {
  readonly _tag: "Done"
  readonly value: A
  readonly used: number
}

/** Whatever follows, it never becomes right. */
export interface Wrong {
  readonly _tag: "Wrong"
  readonly fault: Fault
  readonly why: string
}

/**
 * - `foreign`: the peer speaks something else
 * - `unsupported`: a version, or a value, that nobody may send as of today
 * - `malformed`: lengths or contents that contradict each other
 * - `checksum`: damaged on the way
 * - `tooLong`: longer than the bound
 */
export type Fault = "foreign" | "unsupported" | "malformed" | "checksum" | "tooLong"

export const need = (atLeast: number): Need => ({ _tag: "Need", atLeast })

export const done = <A>(value: A, used: number): Done<A> => ({ _tag: "Done", value, used })

export const wrong = (fault: Fault, why: string): Wrong => ({ _tag: "Wrong", fault, why })

/** Whether the bytes begin as `prefix` does, as far as they go. */
export const beginsAs = (bytes: Uint8Array, prefix: Uint8Array): boolean => {
  const length = Math.min(bytes.length, prefix.length)
  for (let i = 0; i < length; i++) if (bytes[i] !== prefix[i]) return false
  return true
}

/** A copy of a part. Not `slice`: that of a Buffer makes no copy. */
export const copy = (bytes: Uint8Array, from: number, to: number): Uint8Array =>
  new Uint8Array(bytes.subarray(from, to))

export const readU16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!

export const readU32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0

export const writeU16 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

export const writeU32 = (bytes: Uint8Array, at: number, value: number): void => {
  writeU16(bytes, at, value >>> 16)
  writeU16(bytes, at + 2, value)
}

/**
 * Bytes with a type, as the PROXY protocol has them in its header and in its SSL entry, and as the caller's entry has its
 * records: the type in 1 byte, the length in 2, the bytes.
 */
export interface Tlv {
  readonly type: number
  readonly value: Uint8Array
}

const tlvHead = 3
const maximumTlv = 0xffff

/** Calls `each` with the type and the place of every entry; `false` where one goes beyond the end. */
export const walkTlvs = (
  bytes: Uint8Array,
  from: number,
  to: number,
  each: (type: number, from: number, to: number) => void
): boolean => {
  let at = from
  while (at < to) {
    const value = at + tlvHead
    const end = value + readU16(bytes, at + 1)
    // also where its head does not fit: the end is behind the head
    if (end > to) return false
    each(bytes[at]!, value, end)
    at = end
  }
  return true
}

/** How many bytes entries take. */
export const tlvsLength = (tlvs: ReadonlyArray<Tlv>): number =>
  tlvs.reduce((sum, tlv) => sum + tlvHead + tlv.value.length, 0)

/** Writes entries, and gives where they end. */
export const writeTlvs = (bytes: Uint8Array, at: number, tlvs: ReadonlyArray<Tlv>): number => {
  for (const { type, value } of tlvs) {
    if (value.length > maximumTlv) {
      throw new RangeError(`an entry has at most ${maximumTlv} bytes, this one of type ${type} has ${value.length}`)
    }
    bytes[at] = type
    writeU16(bytes, at + 1, value.length)
    bytes.set(value, at + tlvHead)
    at += tlvHead + value.length
  }
  return at
}
