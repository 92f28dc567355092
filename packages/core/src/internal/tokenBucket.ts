/**
 * The arithmetic of flow specifications: token buckets that lose nothing. It has no clock: it is told what time it is.
 *
 * Credit is counted in billionths of a byte. So a rate in bytes a second gives a whole number of them each nanosecond, and
 * nothing is ever rounded: no drift, however long. The largest credit takes 62 bits, and numbers have 53. They could do it
 * in halves, but the clock counts in bigints already, and to turn those into numbers costs as much as bigints do here: a
 * tenth of a microsecond for a piece, beside the clock (`meter` of `npx -y pnpm@12 bench:shaping`).
 */

const billion = 1_000_000_000n

/** The longest datagram, and the most of a stream that is written at once. M where a peak rate comes without one. */
const longestPiece = 65_536

/** What the buckets are made of. */
export interface Flow {
  readonly tokenRate: number
  readonly tokenBucketSize: number
  readonly peakBandwidth?: number | undefined
  readonly maxSduSize?: number | undefined
  readonly minimumPolicedSize?: number | undefined
}

/** One bucket: it fills at its rate up to its depth, and starts full. */
class Bucket {
  private readonly rate: bigint
  private readonly depth: bigint
  /** In billionths of a byte; below 0 for a debt. */
  credit: bigint
  /** What was used up of a deeper bucket before, and is more than this one holds. It is made good once this one is full. */
  private owed = 0n

  constructor(rate: number, depth: number) {
    this.rate = BigInt(rate)
    this.depth = this.credit = BigInt(depth) * billion
  }

  elapse(nanos: bigint): void {
    if (this.credit === this.depth && this.owed === 0n) return
    const credit = this.credit + this.rate * nanos
    const over = credit - this.depth
    this.credit = over > 0n ? this.depth : credit
    if (over > 0n) this.owed = this.owed > over ? this.owed - over : 0n
  }

  /** The nanoseconds until it holds so much, rounded up. */
  wait(cost: bigint): bigint {
    return this.credit >= cost ? 0n : (cost - this.credit + this.rate - 1n) / this.rate
  }

  /** What was used up of another one is used up here, as far as it goes; the rest is kept for the one after. */
  succeed(before: Bucket): void {
    const credit = this.depth - (before.depth - before.credit + before.owed)
    this.credit = credit > 0n ? credit : 0n
    this.owed = this.credit - credit
  }
}

/**
 * What conforms to a flow specification (RFC 2215): over any time T no more than min(M + pT, rT + b) bytes, a piece shorter
 * than m counting as m, and none longer than M.
 */
export class Meter {
  /** The longest piece that can ever conform. */
  readonly largest: number
  /**
   * What a stream is cut into. A part of what the bucket holds, so that it goes on filling while a timer is late: a bucket
   * that was waited full would lose that time.
   */
  readonly piece: number
  /** A piece counts as this at least. */
  private readonly smallest: number
  private readonly token: Bucket
  private readonly peak: Bucket | undefined
  private at: bigint

  /** `now` is in nanoseconds since whenever, here and below. Time that goes back is taken as time that stands still. */
  constructor(flow: Flow, now: bigint) {
    const { minimumPolicedSize = 0, peakBandwidth, tokenBucketSize, tokenRate } = flow
    const { maxSduSize = peakBandwidth === undefined ? tokenBucketSize : longestPiece } = flow
    this.largest = Math.min(maxSduSize, tokenBucketSize)
    this.smallest = Math.min(minimumPolicedSize, this.largest)
    this.piece = Math.min(this.largest, longestPiece, Math.max(tokenBucketSize >>> 2, this.smallest, 1))
    this.token = new Bucket(tokenRate, tokenBucketSize)
    this.peak = peakBandwidth === undefined ? undefined : new Bucket(peakBandwidth, this.largest)
    this.at = now
  }

  private elapse(now: bigint): void {
    if (now <= this.at) return
    const nanos = now - this.at
    this.at = now
    this.token.elapse(nanos)
    this.peak?.elapse(nanos)
  }

  private cost(size: number): bigint {
    return BigInt(size < this.smallest ? this.smallest : size) * billion
  }

  /** The longest piece that conforms now; 0 for none. */
  credit(now: bigint): number {
    this.elapse(now)
    const { peak, token } = this
    const least = peak === undefined || token.credit < peak.credit ? token.credit : peak.credit
    if (least <= 0n || least < this.cost(0)) return 0
    return Math.min(Number(least / billion), this.largest)
  }

  /** Whether there is credit for a piece. */
  conforms(now: bigint, size: number): boolean {
    this.elapse(now)
    const cost = this.cost(size)
    const { peak, token } = this
    return size <= this.largest && token.credit >= cost && (peak === undefined || peak.credit >= cost)
  }

  /** Takes the credit for a piece and answers `true`, or takes nothing and answers `false`. */
  take(now: bigint, size: number): boolean {
    const conforms = this.conforms(now, size)
    if (conforms) this.charge(now, size)
    return conforms
  }

  /** In how many nanoseconds a piece will conform if nothing is taken meanwhile; `undefined`: never, it is too long. */
  wait(now: bigint, size: number): bigint | undefined {
    if (size > this.largest) return undefined
    this.elapse(now)
    const cost = this.cost(size)
    const wait = this.token.wait(cost)
    const peak = this.peak === undefined ? 0n : this.peak.wait(cost)
    return wait > peak ? wait : peak
  }

  /** Takes the credit for what has come without being asked for, also where there is too little: that is a debt. */
  charge(now: bigint, size: number): void {
    this.elapse(now)
    const cost = this.cost(size)
    this.token.credit -= cost
    if (this.peak !== undefined) this.peak.credit -= cost
  }

  /** Takes the place of another one. What was used up stays so, else asking again and again would fill the bucket. */
  succeed(before: Meter): void {
    before.elapse(this.at)
    this.token.succeed(before.token)
    if (this.peak !== undefined && before.peak !== undefined) this.peak.succeed(before.peak)
  }
}
