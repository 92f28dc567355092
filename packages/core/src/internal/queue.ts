/**
 * What has arrived and waits to be received.
 */
import type { Failure } from "../Provider.ts"
import type { SocketAddress } from "../SocketAddress.ts"

const nothing = new Uint8Array(0)

/** Pieces up to this size share a block, once something waits already. */
const smallPiece = 1024
const blockOfPieces = 8 * 1024

/** Pieces are kept up to this size: a receive that does not say how much it takes gets one whole, without a copy. */
const largestPiece = 64 * 1024

/** What is woken by a piece weighs as much inside as one of this size does outside. */
const lightPiece = 2048

/** The last one made. Nobody reads it; what nobody could read would be compiled away. */
export let counterweight: unknown

/**
 * A copy that its receiver may keep.
 *
 * V8 holds the bytes of an array outside its heap. It frees them with the young generation where that is collected in
 * time, but a copy of 64 KiB puts a few hundred bytes into it: long before it is full, 64 MiB outside make V8 collect
 * everything that the program has loaded, sixteen times a GiB. As much inside as outside keeps the two in step. It
 * costs less than half of what it saves, the more the larger the program; bench/README.md has the figures.
 */
const copyOf = (lent: Uint8Array): Uint8Array => {
  // oxlint-disable-next-line unicorn/no-new-array -- the length is meant
  if (lent.length > lightPiece) counterweight = new Array(lent.length >> 3)
  // Not `slice`: that of a Buffer, which a provider may lend, makes no copy.
  return new Uint8Array(lent)
}

/** Shared by the queues that hold nothing; nobody adds to it. */
const none: Array<Uint8Array> = []

/** The bytes of a stream, in the pieces in which they came. */
export class ByteQueue {
  /** How many bytes wait. */
  length = 0
  private pieces: Array<Uint8Array> = none
  /** How much of the first piece has been taken. */
  private offset = 0
  /** The last piece is lent, and not kept yet. */
  private borrowed = false

  /** Takes in bytes that are lent (R27). What nobody has taken of them is to be kept before they go. */
  borrow(lent: Uint8Array): void {
    this.keep()
    // A piece without bytes would be taken as 0 bytes, which is how a stream ends.
    if (lent.length === 0) return
    this.length += lent.length
    this.add(lent)
    this.borrowed = true
  }

  /** Copies what is left of bytes that were borrowed. */
  keep(): void {
    if (!this.borrowed) return
    this.borrowed = false
    const lent = this.pieces.pop()
    if (lent === undefined) return
    let left = lent
    if (this.pieces.length === 0) {
      left = lent.subarray(this.offset)
      this.offset = 0
    }
    this.length -= left.length
    this.push(left)
  }

  /** Keeps a copy of bytes that are lent. */
  push(lent: Uint8Array): void {
    if (lent.length === 0) return
    this.length += lent.length
    const last = this.pieces.length - 1
    if (last < 0 || lent.length > smallPiece) {
      for (let at = 0; at < lent.length; at += largestPiece) {
        this.add(copyOf(lent.subarray(at, at + largestPiece)))
      }
      return
    }
    // A peer that sends byte by byte would make as many pieces: hundreds of times the memory, and seconds to take them.
    const tail = this.pieces[last]!
    if (tail.buffer.byteLength - tail.length < lent.length) {
      const block = new Uint8Array(new ArrayBuffer(blockOfPieces), 0, lent.length)
      block.set(lent)
      this.pieces.push(block)
      return
    }
    const grown = new Uint8Array(tail.buffer, 0, tail.length + lent.length)
    grown.set(lent, tail.length)
    this.pieces[last] = grown
  }

  /** Fills the target from the front, and answers how many bytes it got. */
  takeInto(target: Uint8Array): number {
    let filled = 0
    while (filled < target.length && this.length > 0) {
      const piece = this.pieces[0]!
      const size = Math.min(piece.length - this.offset, target.length - filled)
      target.set(piece.subarray(this.offset, this.offset + size), filled)
      filled += size
      this.advance(piece, size)
    }
    return filled
  }

  /** Fills the target from the front as `takeInto` does, and takes nothing. */
  peekInto(target: Uint8Array): number {
    let filled = 0
    let offset = this.offset
    for (const piece of this.pieces) {
      if (filled === target.length) break
      const part = piece.subarray(offset, offset + target.length - filled)
      target.set(part, filled)
      filled += part.length
      offset = 0
    }
    return filled
  }

  /** Bytes that the receiver keeps: a whole piece as it is where it fills its buffer, otherwise a copy. */
  take(maximum: number): Uint8Array {
    if (this.length === 0) return nothing
    const piece = this.pieces[0]!
    const isKept = !this.borrowed || this.pieces.length > 1
    if (isKept && this.offset === 0 && piece.length <= maximum && piece.length === piece.buffer.byteLength) {
      this.advance(piece, piece.length)
      return piece
    }
    const isWhole = this.offset === 0 && piece.length <= maximum
    const taken = copyOf(isWhole ? piece : piece.subarray(this.offset, Math.min(piece.length, this.offset + maximum)))
    this.advance(piece, taken.length)
    return taken
  }

  /** Bytes of one piece as they lie here: nothing writes over them, and the receiver does not keep them. */
  lend(maximum: number): Uint8Array {
    if (this.length === 0) return nothing
    const piece = this.pieces[0]!
    const lent = piece.subarray(this.offset, Math.min(piece.length, this.offset + maximum))
    this.advance(piece, lent.length)
    return lent
  }

  clear(): void {
    this.pieces = none
    this.offset = 0
    this.length = 0
  }

  private add(piece: Uint8Array): void {
    if (this.pieces === none) this.pieces = [piece]
    else this.pieces.push(piece)
  }

  private advance(piece: Uint8Array, size: number): void {
    this.length -= size
    this.offset += size
    if (this.offset < piece.length) return
    this.offset = 0
    // An array that was used keeps its room, which an idle connection does not need.
    if (this.pieces.length === 1) this.pieces = none
    else this.pieces.shift()
  }
}

/** A datagram that waits, or what was reported about one that was sent (A09). */
export type Message =
  | { readonly _tag: "Datagram"; readonly bytes: Uint8Array; readonly from: SocketAddress }
  | { readonly _tag: "Soft"; readonly failure: Failure }

/** Datagrams in their order. What does not fit is dropped, as every stack does. */
export class MessageQueue {
  length = 0
  private messages: Array<Message> = []
  private bytes = 0
  private softs = 0

  private readonly maximum: { readonly messages: number; readonly bytes: number }

  constructor(maximum: { readonly messages: number; readonly bytes: number }) {
    this.maximum = maximum
  }

  /** How many more datagrams may come. */
  get credit(): number {
    return this.bytes >= this.maximum.bytes ? 0 : this.maximum.messages - this.length
  }

  push(lent: Uint8Array, from: SocketAddress): void {
    if (this.credit <= 0) return
    this.messages.push({ _tag: "Datagram", bytes: copyOf(lent), from })
    this.length++
    this.bytes += lent.length
  }

  /** One report waits at the most: it is told once (A09). */
  report(failure: Failure): void {
    if (this.softs > 0) return
    this.messages.push({ _tag: "Soft", failure })
    this.length++
    this.softs++
  }

  /** What `shift` would give. */
  first(): Message | undefined {
    return this.messages[0]
  }

  /** How long the first datagram is, whatever was reported before it; 0 where there is none. */
  firstSize(): number {
    const first = this.messages.find((message) => message._tag === "Datagram")
    return first?._tag === "Datagram" ? first.bytes.length : 0
  }

  shift(): Message | undefined {
    const message = this.messages.shift()
    if (message === undefined) return undefined
    this.length--
    if (message._tag === "Soft") this.softs--
    else this.bytes -= message.bytes.length
    return message
  }

  clear(): void {
    this.messages = []
    this.length = 0
    this.bytes = 0
    this.softs = 0
  }
}
