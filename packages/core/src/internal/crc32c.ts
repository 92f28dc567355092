/**
 * The CRC32c of RFC 3720 and RFC 4960, with which headers and frames tell that they were damaged.
 *
 * Node has CRC32 only, and what we carry is a few kilobytes at most: one table is enough.
 */

// The polynomial of Castagnoli, its bits reversed.
const polynomial = 0x82f63b78

const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1
  return value
})

/** The checksum of `bytes` after what `before` is the checksum of. */
export const crc32c = (bytes: Uint8Array, before = 0): number => {
  let value = ~before
  for (let i = 0; i < bytes.length; i++) value = table[(value ^ bytes[i]!) & 0xff]! ^ (value >>> 8)
  return ~value >>> 0
}
