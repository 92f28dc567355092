/**
 * Bytes that come in pieces, until a decoder has enough of them. What is kept grows with what has come, never with what a
 * peer says will come.
 */
import type { Decoded } from "../decoded.ts"

const none = new Uint8Array(0)

/** What a piece has led to: how many bytes more are needed, or the value and how many bytes of the piece belong to it. */
export type Gathered<A> =
  | { readonly _tag: "Need"; readonly more: number }
  | { readonly _tag: "Done"; readonly value: A; readonly used: number }
  | Extract<Decoded<A>, { readonly _tag: "Wrong" }>

export class Gather<A> {
  private kept = none
  private length = 0
  private readonly decode: (bytes: Uint8Array) => Decoded<A>
  private readonly bound: number

  /** `bound`: what is decoded is never longer. */
  constructor(decode: (bytes: Uint8Array) => Decoded<A>, bound: number) {
    this.decode = decode
    this.bound = bound
  }

  add(piece: Uint8Array): Gathered<A> {
    const before = this.length
    const part = piece.subarray(0, this.bound - before)
    const all = before === 0 ? part : this.keep(part)
    const decoded = this.decode(all)
    switch (decoded._tag) {
      case "Need":
        if (before === 0) this.keep(part)
        return { _tag: "Need", more: decoded.atLeast - all.length }
      case "Done":
        this.kept = none
        return { _tag: "Done", value: decoded.value, used: decoded.used - before }
      case "Wrong":
        this.kept = none
        return decoded
    }
  }

  private keep(part: Uint8Array): Uint8Array {
    const length = this.length + part.length
    if (length > this.kept.length) {
      const grown = new Uint8Array(Math.min(this.bound, Math.max(length, 2 * this.kept.length)))
      grown.set(this.kept.subarray(0, this.length))
      this.kept = grown
    }
    this.kept.set(part, this.length)
    this.length = length
    return this.kept.subarray(0, length)
  }
}
