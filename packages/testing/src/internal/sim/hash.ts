// A fast hash of a sequence: two lanes of 32 bits. It tells one run from another; it is not for secrets.

const double = new Float64Array(1)
const words = new Uint32Array(double.buffer)

export class Hash {
  private a: number
  private b: number
  // Most hash a few words only, and have no names.
  private keys: Map<string, number> | undefined

  constructor(a = 0x9e3779b9, b = 0x243f6a88) {
    this.a = a | 0
    this.b = b | 0
  }

  /** Adds 32 bits. */
  add(word: number): void {
    const a = Math.imul(this.a ^ word, 0x85ebca6b)
    this.a = (a << 13) | (a >>> 19)
    const b = Math.imul(this.b ^ word, 0xc2b2ae35)
    this.b = ((b << 15) | (b >>> 17)) + this.a | 0
  }

  number(value: number): void {
    if ((value | 0) === value) {
      this.add(value)
      return
    }
    double[0] = value
    this.add(words[0]!)
    this.add(words[1]!)
  }

  text(value: string): void {
    for (let index = 0; index < value.length; index++) this.add(value.charCodeAt(index))
    this.add(~value.length)
  }

  /** A text of which there are few, such as the names of fields: each is hashed once. */
  key(value: string): void {
    this.keys ??= new Map()
    let word = this.keys.get(value)
    if (word === undefined) {
      const own = new Hash()
      own.text(value)
      word = own.words()[0]
      this.keys.set(value, word)
    }
    this.add(word)
  }

  value(value: string | number | boolean | undefined): void {
    switch (typeof value) {
      case "number":
        return this.number(value)
      case "string":
        return this.text(value)
      default:
        return this.add(value === undefined ? 0x75 : value ? 0x74 : 0x66)
    }
  }

  /** What it comes to so far. */
  words(): readonly [number, number] {
    const a = mix(this.a ^ (this.b >>> 7))
    return [a, mix(this.b + a)]
  }

  toString(): string {
    return this.words().map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("")
  }
}

const mix = (word: number): number => {
  const once = Math.imul(word ^ (word >>> 16), 0x7feb352d)
  const twice = Math.imul(once ^ (once >>> 15), 0x846ca68b)
  return (twice ^ (twice >>> 16)) | 0
}
