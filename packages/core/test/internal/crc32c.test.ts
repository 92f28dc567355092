import { assert, describe, it } from "@effect/vitest"
import { crc32c } from "../../src/internal/crc32c.ts"
import { fromHex } from "../utils/fuzz.ts"

// RFC 3720, appendix B.4, which gives the checksums as they are sent there: the lowest byte first.
const vectors: ReadonlyArray<readonly [what: string, bytes: Uint8Array, sent: string]> = [
  ["32 bytes of zeroes", new Uint8Array(32), "aa36918a"],
  ["32 bytes of ones", new Uint8Array(32).fill(0xff), "43aba862"],
  ["32 bytes that count up", Uint8Array.from({ length: 32 }, (_, i) => i), "4e79dd46"],
  ["32 bytes that count down", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), "5cdb3f11"],
  [
    "an iSCSI command",
    fromHex(
      `01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000`
    ),
    "563a96d9"
  ]
]

describe("crc32c", () => {
  for (const [what, bytes, sent] of vectors) {
    it(`of ${what} is that of RFC 3720`, () => {
      assert.strictEqual(crc32c(bytes), Buffer.from(sent, "hex").readUInt32LE())
    })
  }

  it("goes on where it stopped, wherever that is", () => {
    for (const [, bytes] of vectors) {
      for (let cut = 0; cut <= bytes.length; cut++) {
        assert.strictEqual(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut))), crc32c(bytes))
      }
    }
  })

  it("of nothing is 0", () => assert.strictEqual(crc32c(new Uint8Array(0)), 0))
})
