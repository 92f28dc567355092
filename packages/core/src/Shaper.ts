/**
 * Holds what is sent to a flow specification: a rate, a burst, and a peak.
 *
 * Sockets that have a quality of service are shaped by themselves. This is the same for what a program sends by other means,
 * or wants to hold to a rate of its own.
 *
 * **Details**
 *
 * There are two token buckets, as RFC 2215 has them: one of `tokenBucketSize` bytes that fills at `tokenRate`, one of
 * `maxSduSize` that fills at `peakBandwidth`. Both start full, and a piece conforms where both hold as much. So over any
 * time T no more than min(M + pT, rT + b) bytes conform. The arithmetic is exact: it drifts from the rate by nothing,
 * however long it runs.
 *
 * **Gotchas**
 *
 * The timers of a live clock are a millisecond apart and come late. A bucket that holds less than what the rate gives in
 * two or three of them overflows meanwhile, and the rate is not reached: at 100 MB/s it takes 300 kB.
 *
 * **Example** (Sending at a rate)
 *
 * ```ts import.meta.vitest
 * import { Shaper } from "@effect-winsock/core"
 * import { Sim } from "@effect-winsock/testing"
 * import { Duration, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const shaper = yield* Shaper.make({ tokenRate: 1000, tokenBucketSize: 500 })
 *   yield* Effect.repeat(shaper.take(100), { times: 24 })
 * })
 * Duration.toMillis(Sim.run(program).elapsed) // => 2000
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { makeTimers } from "./internal/timers.ts"
import * as TokenBucket from "./internal/tokenBucket.ts"
import * as Turns from "./internal/turns.ts"

const highestRate = 0xffff_fffd
const Rate = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: highestRate }))
const Size = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff }))
const SomeSize = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 0xffff_ffff }))

/**
 * Schema of what happens to a piece for which there is too little credit.
 *
 * **Details**
 *
 * `"shape"`: it waits until there is enough. `"discard"`: it is to be dropped. `"borrow"`: it goes at once, as one that does
 * not conform. In neither case anything is taken for it.
 *
 * **Example** (Knowing the modes)
 *
 * ```ts import.meta.vitest
 * import { Shaper } from "@effect-winsock/core"
 *
 * Shaper.Mode.literals // => ["shape", "discard", "borrow"]
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Mode: Schema.Literals<readonly ["shape", "discard", "borrow"]> = Schema.Literals([
  "shape",
  "discard",
  "borrow"
])

/**
 * What happens to a piece for which there is too little credit.
 *
 * @category models
 * @since 0.1.0
 */
export type Mode = typeof Mode.Type

/**
 * Schema of what a flow is held to. Rates are in bytes a second, sizes in bytes, all whole numbers.
 *
 * **Details**
 *
 * - `tokenRate` (r) and `tokenBucketSize` (b): the rate in the long run, and what may go at once after a pause.
 * - `peakBandwidth` (p): the rate at no time exceeded by more than one piece; without it there is no such limit.
 * - `maxSduSize` (M): the longest piece. Without it that is what the bucket holds, with a peak 65536 at the most.
 * - `minimumPolicedSize` (m): a shorter piece counts as this; 0 without it.
 * - `mode`: `"shape"` without it.
 *
 * A peak is not below the rate, and neither M nor m is more than the bucket holds, nor m more than M: else nothing could
 * ever conform.
 *
 * **Example** (Checking a flow)
 *
 * ```ts import.meta.vitest
 * import { Shaper } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.is(Shaper.Spec)({ tokenRate: 16_000, tokenBucketSize: 1500, maxSduSize: 1500 }) // => true
 * Schema.is(Shaper.Spec)({ tokenRate: 16_000, tokenBucketSize: 1500, maxSduSize: 9000 }) // => false
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Spec = Schema.Struct({
  tokenRate: Rate,
  tokenBucketSize: SomeSize,
  peakBandwidth: Schema.optional(Rate),
  maxSduSize: Schema.optional(SomeSize),
  minimumPolicedSize: Schema.optional(Size),
  mode: Schema.optional(Mode)
}).check(Schema.makeFilter(({ maxSduSize, minimumPolicedSize = 0, peakBandwidth, tokenBucketSize, tokenRate }) => {
  if (peakBandwidth !== undefined && peakBandwidth < tokenRate) {
    return { path: ["peakBandwidth"], issue: "expected a peak that is not below tokenRate" }
  }
  if (maxSduSize !== undefined && maxSduSize > tokenBucketSize) {
    return {
      path: ["maxSduSize"],
      issue: "expected no more than tokenBucketSize, as a longer piece would never conform"
    }
  }
  return minimumPolicedSize > Math.min(tokenBucketSize, maxSduSize ?? Infinity)
    ? { path: ["minimumPolicedSize"], issue: "expected no more than maxSduSize and tokenBucketSize" }
    : undefined
}))

/**
 * What a flow is held to.
 *
 * @category models
 * @since 0.1.0
 */
export type Spec = typeof Spec.Type

/**
 * Whether a piece conforms and its credit was taken, or is beyond the flow and nothing was taken.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict = "conforming" | "excess"

// ---------------------------------------------------------------------------------------------------------------------
// Without a clock
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The buckets of a flow, without a clock: whoever asks says what time it is, in nanoseconds since whenever.
 *
 * **Details**
 *
 * A time before the last one is taken as the last one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Meter {
  /** The longest piece that ever conforms. */
  readonly largest: number
  /** The longest piece that conforms at that time; 0 for none. */
  readonly credit: (now: bigint) => number
  /** Takes the credit for a piece and answers `true`, or takes nothing and answers `false`. */
  readonly take: (now: bigint, size: number) => boolean
  /** In how many nanoseconds a piece conforms if nothing is taken until then; `undefined`: never, it is too long. */
  readonly wait: (now: bigint, size: number) => bigint | undefined
}

/**
 * Makes the buckets of a flow, full. The mode does not matter here.
 *
 * **When to use**
 *
 * Use to tell what conforms of something that has times of its own, such as a trace; `make` for what is being sent.
 *
 * **Example** (Judging a trace)
 *
 * ```ts import.meta.vitest
 * import { Shaper } from "@effect-winsock/core"
 * import { Result } from "effect"
 *
 * const meter = Result.getOrThrow(Shaper.meter({ tokenRate: 1000, tokenBucketSize: 200 }, 0n))
 * const trace = [[0n, 150], [10_000_000n, 100], [50_000_000n, 100]] as const
 * trace.map(([at, size]) => meter.take(at, size)) // => [true, false, true]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const meter = (spec: Spec, now: bigint): Result.Result<Meter, Schema.SchemaError> =>
  Result.map(Schema.decodeUnknownResult(Spec)(spec), (flow) => new TokenBucket.Meter(flow, now))

// ---------------------------------------------------------------------------------------------------------------------
// With effect's clock
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What holds a flow to its specification.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shaper {
  /** What the flow is held to. */
  readonly spec: Spec
  /** The longest piece that ever conforms: what is longer has to be cut. */
  readonly largest: number
  /** The longest piece that would conform now, without waiting; 0 for none. */
  readonly credit: Effect.Effect<number>
  /**
   * Takes the credit for a piece of so many bytes, and says whether it conforms. In mode `"shape"` it waits its turn and
   * until there is enough; what is longer than `largest` is excess at once. Interrupting it while it waits gives the turn
   * back, and takes nothing.
   */
  readonly take: (bytes: number) => Effect.Effect<Verdict>
}

const shaperOf = (spec: Spec, pool: Turns.Pool, priority: number): Shaper => {
  const line = new Turns.Line(pool, spec.mode === undefined || spec.mode === "shape", priority)
  return {
    spec,
    largest: pool.meter.largest,
    credit: Effect.sync(() => line.credit),
    take: (bytes) =>
      Effect.callback<Verdict>((resume) => {
        if (!Number.isSafeInteger(bytes) || bytes < 0) {
          return resume(Effect.die(new RangeError(`expected a whole number of bytes, got ${bytes}`)))
        }
        const answer = line.take(bytes, (verdict) => resume(Effect.succeed(verdict)))
        if (typeof answer === "string") return resume(Effect.succeed(answer))
        return Effect.sync(() => {
          pool.leave(answer)
        })
      })
  }
}

const makePool = (spec: Spec): Effect.Effect<{ readonly spec: Spec; readonly pool: Turns.Pool }, Schema.SchemaError> =>
  Effect.gen(function*() {
    const flow = yield* Schema.decodeUnknownEffect(Spec)(spec)
    return { spec: flow, pool: new Turns.Pool(flow, makeTimers(yield* Effect.context<never>())) }
  })

/**
 * Makes a shaper with full buckets, on the clock of the effect that makes it, or fails with a `SchemaError` that names the
 * bad field.
 *
 * **Details**
 *
 * Takes are served in the order in which they were asked for, so writers that send piece by piece take turns. There is
 * nothing to close: it has a timer only while someone waits.
 *
 * **Example** (Dropping what is too much)
 *
 * ```ts import.meta.vitest
 * import { Shaper } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const shaper = yield* Shaper.make({ tokenRate: 1000, tokenBucketSize: 250, mode: "discard" })
 *   return [yield* shaper.take(200), yield* shaper.take(200), yield* shaper.take(50)]
 * })
 * await Effect.runPromise(program) // => ["conforming", "excess", "conforming"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (spec: Spec): Effect.Effect<Shaper, Schema.SchemaError> =>
  Effect.map(makePool(spec), ({ pool, spec }) => shaperOf(spec, pool, 0))

/**
 * Shapers that share the credit of one flow.
 *
 * @category models
 * @since 0.1.0
 */
export interface Group {
  /** What all of them together are held to. */
  readonly spec: Spec
  /**
   * Makes one more. The one with the lowest `priority` comes first, as with SO_GROUP_PRIORITY; 0 if not given. Equals take
   * turns, a piece each.
   */
  readonly member: (options?: { readonly priority?: number | undefined }) => Shaper
}

/**
 * Makes a group of shapers that share full buckets.
 *
 * **Gotchas**
 *
 * Who comes first can take everything: the others get what it leaves.
 *
 * **Example** (Letting one go first)
 *
 * ```ts import.meta.vitest
 * import { Shaper } from "@effect-winsock/core"
 * import { Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const group = yield* Shaper.makeGroup({ tokenRate: 1000, tokenBucketSize: 100 })
 *   const [bulk, voice] = [group.member({ priority: 9 }), group.member()]
 *   const order: Array<string> = []
 *   const send = (name: string, shaper: Shaper.Shaper) =>
 *     Effect.repeat(Effect.andThen(shaper.take(100), Effect.sync(() => order.push(name))), { times: 2 })
 *   yield* Effect.all([send("bulk", bulk), send("voice", voice)], { concurrency: "unbounded" })
 *   return order
 * })
 * Sim.getOrThrow(Sim.run(program)) // => ["bulk", "voice", "voice", "voice", "bulk", "bulk"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeGroup = (spec: Spec): Effect.Effect<Group, Schema.SchemaError> =>
  Effect.map(makePool(spec), ({ pool, spec }) => ({
    spec,
    member: ({ priority = 0 } = {}) => {
      // It would be in no order with any other.
      if (Number.isNaN(priority)) throw new RangeError("expected a priority that is a number, got NaN")
      return shaperOf(spec, pool, priority)
    }
  }))
