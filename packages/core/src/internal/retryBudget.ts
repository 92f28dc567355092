/**
 * What a budget of retries counts for one destination: the rule of Finagle, and that of gRPC. It has no clock: it is told
 * what time it is, in milliseconds that never go back.
 */

/** What is counted for one destination. */
export interface Account {
  /** A first try begins. */
  readonly request: (now: number) => void
  /** An attempt has gone well. */
  readonly succeeded: (now: number) => void
  /** An attempt has failed in a way that is worth another. */
  readonly failed: (now: number) => void
  /** Takes a retry, if there is one. */
  readonly withdraw: (now: number) => boolean
  /** How many retries there are now. */
  readonly balance: (now: number) => number
  /** Whether it is as a new one would be, so that it can be forgotten. */
  readonly isFresh: (now: number) => boolean
}

/** As many as Finagle's `WindowedAdder` has. */
const slices = 10

/** Counts per slice of time; what is older than `ttl` is forgotten, at most a slice late. */
class Window {
  private readonly counts: Float64Array = new Float64Array(slices + 1)
  private readonly width: number
  private newest = Number.NEGATIVE_INFINITY
  private total = 0

  constructor(ttl: number) {
    this.width = ttl / slices
  }

  private advance(now: number): void {
    const slice = Math.floor(now / this.width)
    const passed = Math.min(slice - this.newest, slices + 1)
    if (passed <= 0) return
    for (let i = 0; i < passed; i++) {
      const at = this.indexOf(slice - i)
      this.total -= this.counts[at]!
      this.counts[at] = 0
    }
    this.newest = slice
  }

  private indexOf(slice: number): number {
    const at = slice % (slices + 1)
    return at < 0 ? at + slices + 1 : at
  }

  add(now: number): void {
    this.advance(now)
    this.counts[this.indexOf(this.newest)]!++
    this.total++
  }

  sum(now: number): number {
    this.advance(now)
    return this.total
  }
}

/** Shares such as 0.29 of 100 come out a little below what they are. */
const tolerance = 1e-9

/**
 * Finagle's `RetryBudget`: a first try deposits `percent` of a retry, a retry withdraws one. Both are forgotten after
 * `ttl`. Beyond them there is a reserve, of `minPerSecond` for each second of `ttl`.
 *
 * What was withdrawn is never forgotten before what had been deposited for it. So no deposit pays twice: without a
 * reserve there are never more retries than `percent` of all first tries.
 */
export const windowed = (options: {
  readonly ttl: number
  readonly minPerSecond: number
  readonly percent: number
}): Account => {
  const reserve = options.minPerSecond * options.ttl / 1000
  const deposits = new Window(options.ttl)
  const withdrawals = new Window(options.ttl)
  const balance = (now: number): number =>
    Math.max(0, Math.floor(reserve + options.percent * deposits.sum(now) - withdrawals.sum(now) + tolerance))
  return {
    request: (now) => deposits.add(now),
    succeeded: () => {},
    failed: () => {},
    withdraw: (now) => {
      if (balance(now) < 1) return false
      withdrawals.add(now)
      return true
    },
    balance,
    isFresh: (now) => deposits.sum(now) === 0 && withdrawals.sum(now) === 0
  }
}

/** Thousandths: gRPC takes no more digits of `tokenRatio`, and whole numbers add up exactly. */
const scale = 1000

/**
 * gRPC's `retryThrottling` (A6): a failure takes a token, a success gives `tokenRatio` of one, and there are retries while
 * more than half of `maxTokens` are left.
 */
export const throttled = (options: { readonly maxTokens: number; readonly tokenRatio: number }): Account => {
  const most = options.maxTokens * scale
  const ratio = Math.floor(options.tokenRatio * scale + tolerance)
  let tokens = most
  return {
    request: () => {},
    succeeded: () => {
      tokens = Math.min(most, tokens + ratio)
    },
    failed: () => {
      tokens = Math.max(0, tokens - scale)
    },
    withdraw: () => tokens > most / 2,
    balance: () => Math.max(0, Math.ceil((tokens - most / 2) / scale)),
    isFresh: () => tokens === most
  }
}

/** Accounts by name. Those that are as new ones are forgotten, looked for every `every` milliseconds at most. */
export const accounts = (make: () => Account, every: number): (name: string, now: number) => Account => {
  const byName = new Map<string, Account>()
  let swept = Number.NEGATIVE_INFINITY
  return (name, now) => {
    if (now - swept >= every) {
      swept = now
      for (const [each, account] of byName) if (account.isFresh(now)) byName.delete(each)
    }
    let account = byName.get(name)
    if (account === undefined) byName.set(name, account = make())
    return account
  }
}
