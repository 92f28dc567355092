/**
 * Random and mutated inputs for decoders, the same for the same seed, and what a decoder allocates for one.
 */

/** How many inputs each decoder is given. */
export const inputs = Number(process.env["WINSOCK_FUZZ_INPUTS"] ?? 20_000)

export class Random {
  private state: number
  constructor(seed: number) {
    this.state = seed
  }
  /** A whole number from 0 to below `bound`. */
  below(bound: number): number {
    // mulberry32
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000) * bound | 0
  }
  pick<A>(values: ReadonlyArray<A>): A {
    return values[this.below(values.length)]!
  }
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = this.below(256)
    return bytes
  }
  text(length: number): string {
    return Array.from({ length }, () => String.fromCodePoint(this.pick([0x61, 0x7a, 0x2e, 0xe9, 0x20ac, 0x1f600])))
      .join("")
  }
  /** Some of the bytes changed, taken out, doubled or cut off; lengths inside are hit like all else. */
  mutate(bytes: Uint8Array): Uint8Array {
    let result = Array.from(bytes)
    for (let left = 1 + this.below(3); left > 0; left--) {
      const at = this.below(result.length + 1)
      switch (this.below(6)) {
        case 0:
          result = result.slice(0, at)
          break
        case 1:
          result.splice(at, 1 + this.below(8))
          break
        case 2:
          result.splice(at, 0, ...this.bytes(1 + this.below(8)))
          break
        case 3:
          if (at < result.length) result[at] = this.pick([0, 1, 0x7f, 0x80, 0xff])
          break
        case 4:
          result.splice(at, 0, ...result.slice(at, at + this.below(24)))
          break
        default:
          if (at < result.length) result[at]! ^= 1 << this.below(8)
      }
    }
    return Uint8Array.from(result)
  }
}

/** What `run` gives, and how many bytes of arrays it made meanwhile, views not counted. */
export const allocating = <A>(run: () => A): readonly [value: A, allocated: number] => {
  const real = globalThis.Uint8Array
  let allocated = 0
  const counting = new Proxy(real, {
    construct(target, given, constructor) {
      const made: Uint8Array = Reflect.construct(target, given, constructor === counting ? target : constructor)
      if (!(given[0] instanceof ArrayBuffer)) allocated += made.byteLength
      return made
    }
  })
  globalThis.Uint8Array = counting
  try {
    return [run(), allocated]
  } finally {
    globalThis.Uint8Array = real
  }
}

export const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"))

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
