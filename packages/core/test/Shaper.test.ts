import { Shaper } from "@effect-winsock/core"
import { Sim } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Arbitrary, Clock, Duration, Effect, Fiber, Result, Schema } from "effect"
import { TestClock } from "effect/testing"

const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200)
const property = { arbitrary: { runs, seed: "Shaper" } }

// ---------------------------------------------------------------------------------------------------------------------
// The reference: what RFC 2215 says of the windows of a trace, in exact fractions. It knows no bucket.
// ---------------------------------------------------------------------------------------------------------------------

const billion = 1_000_000_000n

/**
 * Over any time T that begins and ends with a piece, no more than depth + rate * T bytes. Of all the windows that end with
 * the next piece, the one with the least to spare counts; bytes are in billionths, so that the rate of a nanosecond is whole.
 */
class Windows {
  private sent = 0n
  private least: bigint | undefined
  private readonly rate: bigint
  private readonly depth: bigint

  constructor(rate: number, depth: number) {
    this.rate = BigInt(rate)
    this.depth = BigInt(depth) * billion
  }

  /** In billionths of a byte, how much would be left after a piece. */
  spare(at: bigint, size: number): bigint {
    const begin = this.sent - this.rate * at
    const least = this.least === undefined || begin < this.least ? begin : this.least
    return this.depth - (this.sent + BigInt(size) * billion - this.rate * at - least)
  }

  add(at: bigint, size: number): void {
    const begin = this.sent - this.rate * at
    if (this.least === undefined || begin < this.least) this.least = begin
    this.sent += BigInt(size) * billion
  }
}

class Reference {
  readonly largest: number
  private readonly windows: ReadonlyArray<Windows>
  private readonly smallest: number

  constructor(spec: Shaper.Spec) {
    const { maxSduSize, minimumPolicedSize = 0, peakBandwidth, tokenBucketSize, tokenRate } = spec
    this.largest = maxSduSize ?? (peakBandwidth === undefined ? tokenBucketSize : Math.min(tokenBucketSize, 65536))
    this.smallest = minimumPolicedSize
    this.windows = [
      new Windows(tokenRate, tokenBucketSize),
      ...(peakBandwidth === undefined ? [] : [new Windows(peakBandwidth, this.largest)])
    ]
  }

  conforms(at: bigint, size: number): boolean {
    const counted = Math.max(size, this.smallest)
    return size <= this.largest && this.windows.every((windows) => windows.spare(at, counted) >= 0n)
  }

  add(at: bigint, size: number): void {
    for (const windows of this.windows) windows.add(at, Math.max(size, this.smallest))
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Random flows and traces, of every magnitude
// ---------------------------------------------------------------------------------------------------------------------

const word = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff })))
const bits = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 32 })))
/** A whole number of any magnitude up to that of a word. */
const magnitude = Arbitrary.map(Arbitrary.all([word, bits]), ([word, bits]) => Math.floor(word / 2 ** bits))
/** From 0 to 1. A schema of such numbers would give tiny ones mostly. */
const chance = Arbitrary.map(
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))),
  (millionths) => millionths / 1e6
)
const optional = <A>(arbitrary: Arbitrary.Arbitrary<A>) =>
  Arbitrary.map(Arbitrary.all([arbitrary, chance]), ([value, chance]) => chance < 0.5 ? undefined : value)

const spec: Arbitrary.Arbitrary<Shaper.Spec> = Arbitrary.map(
  Arbitrary.all([magnitude, magnitude, optional(magnitude), optional(chance), optional(chance)]),
  ([rate, bucket, peak, longest, shortest]) => {
    const tokenRate = Math.min(Math.max(rate, 1), 0xffff_fffd)
    const tokenBucketSize = Math.max(bucket, 1)
    const maxSduSize = longest === undefined ? undefined : Math.ceil(longest * tokenBucketSize) || 1
    return {
      tokenRate,
      tokenBucketSize,
      maxSduSize,
      peakBandwidth: peak === undefined ? undefined : Math.min(Math.max(peak, tokenRate), 0xffff_fffd),
      minimumPolicedSize: shortest === undefined
        ? undefined
        : Math.floor(shortest * Math.min(maxSduSize ?? tokenBucketSize, 65536, tokenBucketSize))
    }
  }
)

interface Step {
  readonly nanos: number
  readonly part: number
}
const step: Arbitrary.Arbitrary<Step> = Arbitrary.map(
  Arbitrary.all([magnitude, bits, chance]),
  ([nanos, bits, part]) => ({ nanos: bits < 4 ? 0 : nanos, part: part * 1.05 })
)
const trace = Arbitrary.array(step, { minLength: 20, maxLength: 60 })

const meterOf = (spec: Shaper.Spec, now = 0n) => Result.getOrThrow(Shaper.meter(spec, now))

// ---------------------------------------------------------------------------------------------------------------------
// Spec
// ---------------------------------------------------------------------------------------------------------------------

describe("Shaper.Spec", () => {
  const wrong: ReadonlyArray<readonly [field: string, spec: Shaper.Spec]> = [
    ["tokenRate", { tokenRate: 0, tokenBucketSize: 10 }],
    ["tokenRate", { tokenRate: 0xffff_fffe, tokenBucketSize: 10 }],
    ["tokenRate", { tokenRate: 1.5, tokenBucketSize: 10 }],
    ["tokenBucketSize", { tokenRate: 10, tokenBucketSize: 0 }],
    ["tokenBucketSize", { tokenRate: 10, tokenBucketSize: 0x1_0000_0000 }],
    ["peakBandwidth", { tokenRate: 10, tokenBucketSize: 10, peakBandwidth: 9 }],
    ["maxSduSize", { tokenRate: 10, tokenBucketSize: 10, maxSduSize: 11 }],
    ["minimumPolicedSize", { tokenRate: 10, tokenBucketSize: 10, maxSduSize: 5, minimumPolicedSize: 6 }],
    ["mode", { tokenRate: 10, tokenBucketSize: 10, mode: "drop" as never }]
  ]

  it("names the field that is wrong, whoever is given it", () => {
    for (const [field, spec] of wrong) {
      const result = Shaper.meter(spec, 0n)
      assert.include(Result.isFailure(result) ? result.failure.message : "", `["${field}"]`)
    }
  })

  it.effect("fails to make a shaper or a group of what cannot be", () =>
    Effect.gen(function*() {
      for (const [field, spec] of wrong) {
        assert.include((yield* Effect.flip(Shaper.make(spec))).message, `["${field}"]`)
        assert.include((yield* Effect.flip(Shaper.makeGroup(spec))).message, `["${field}"]`)
      }
    }))
})

// ---------------------------------------------------------------------------------------------------------------------
// Meter
// ---------------------------------------------------------------------------------------------------------------------

describe("Shaper.meter", () => {
  it.prop("takes exactly what every window of RFC 2215 allows", [spec, trace], ([spec, trace]) => {
    const meter = meterOf(spec)
    const reference = new Reference(spec)
    assert.strictEqual(meter.largest, reference.largest)
    let now = 0n
    for (const { nanos, part } of trace) {
      now += BigInt(nanos)
      const size = Math.floor(part * meter.largest)
      const conforms = reference.conforms(now, size)
      assert.strictEqual(meter.take(now, size), conforms)
      if (conforms) reference.add(now, size)
    }
  }, property)

  it.prop("tells the first nanosecond at which a piece conforms", [spec, trace], ([spec, trace]) => {
    const meter = meterOf(spec)
    const reference = new Reference(spec)
    let now = 0n
    for (const { nanos, part } of trace) {
      now += BigInt(nanos)
      const size = Math.floor(part * meter.largest)
      const wait = meter.wait(now, size)
      if (size > meter.largest) {
        assert.isUndefined(wait)
        continue
      }
      now += wait!
      if (wait! > 0n) assert.isFalse(reference.conforms(now - 1n, size))
      assert.isTrue(reference.conforms(now, size))
      assert.isTrue(meter.take(now, size))
      reference.add(now, size)
    }
  }, property)

  it.prop("tells the longest piece that conforms", [spec, trace], ([spec, trace]) => {
    const meter = meterOf(spec)
    const reference = new Reference(spec)
    let now = 0n
    for (const { nanos, part } of trace) {
      now += BigInt(nanos)
      const credit = meter.credit(now)
      assert.isFalse(reference.conforms(now, credit === 0 ? Math.max(1, spec.minimumPolicedSize ?? 0) : credit + 1))
      if (credit > 0) assert.isTrue(reference.conforms(now, credit))
      const size = Math.min(credit, Math.floor(part * meter.largest))
      if (size > 0 && meter.take(now, size)) reference.add(now, size)
    }
  }, property)

  it("gives not a billionth of a byte more or less than the rate, over hours of odd nanoseconds", () => {
    for (const tokenRate of [1, 7, 999_999_937, 4_294_967_291, 4_294_967_293]) {
      const tokenBucketSize = 4_294_967_295
      const meter = meterOf({ tokenRate, tokenBucketSize })
      let taken = 0n
      let now = 0n
      const take = () => {
        const credit = meter.credit(now)
        assert.isTrue(meter.take(now, credit))
        taken += BigInt(credit)
      }
      take()
      // A prime number of nanoseconds, about 0.9 seconds: no step gives whole bytes.
      for (let i = 0; i < 20_000; i++) {
        now += 899_999_963n
        take()
      }
      assert.strictEqual(taken, BigInt(tokenBucketSize) + (BigInt(tokenRate) * now) / billion)
    }
    const meter = meterOf({ tokenRate: 4_294_967_293, tokenBucketSize: 1 })
    assert.isTrue(meter.take(0n, 1))
    const hours = 1000n * 3600n * billion
    assert.isTrue(meter.take(hours, 1))
    assert.isFalse(meter.take(hours, 1))
    assert.strictEqual(meter.wait(hours, 1), 1n)
  })

  it("waits for more than a hundred years, to the nanosecond", () => {
    const meter = meterOf({ tokenRate: 1, tokenBucketSize: 4_294_967_295 })
    assert.isTrue(meter.take(5n, 4_294_967_295))
    assert.strictEqual(meter.wait(5n, 4_294_967_295), 4_294_967_295n * billion)
  })

  it("takes a time that goes back as one that stands still", () => {
    const meter = meterOf({ tokenRate: 1000, tokenBucketSize: 10 }, 100n)
    assert.isTrue(meter.take(50n, 10))
    assert.strictEqual(meter.wait(0n, 10), 10_000_000n)
    assert.isFalse(meter.take(10_000_099n, 10))
    assert.isTrue(meter.take(10_000_100n, 10))
  })

  it("counts a small piece as the smallest one, and an empty one too", () => {
    const meter = meterOf({ tokenRate: 1000, tokenBucketSize: 100, minimumPolicedSize: 40 })
    assert.deepStrictEqual([meter.take(0n, 1), meter.take(0n, 0), meter.take(0n, 0)], [true, true, false])
    assert.strictEqual(meter.credit(0n), 0)
    assert.strictEqual(meter.wait(0n, 1), 20_000_000n)
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Shaper
// ---------------------------------------------------------------------------------------------------------------------

/** Nanoseconds of the clock of the run. */
const now = Clock.monotonicTimeNanos

const run = <A, E>(program: Effect.Effect<A, E, Sim.Sim>, seed?: number): A =>
  Sim.getOrThrow(Sim.run(program, seed === undefined ? {} : { seed }))

/** A flow that gives so many pieces in an hour: a simulated one is to be over soon. */
const slow = Arbitrary.map(
  Arbitrary.all([magnitude, chance, chance, optional(chance)]),
  ([rate, part, burst, peak]): Shaper.Spec & { readonly piece: number } => {
    const tokenRate = Math.min(Math.max(rate, 100), 0xffff_fffd)
    const piece = Math.min(Math.ceil(tokenRate * (2 + part)), 0xffff_ffff)
    return {
      piece,
      tokenRate,
      tokenBucketSize: Math.min(Math.ceil(piece * (1 + 3 * burst)), 0xffff_ffff),
      maxSduSize: piece,
      peakBandwidth: peak === undefined ? undefined : Math.min(Math.ceil(tokenRate * (1 + peak)), 0xffff_fffd)
    }
  }
)

describe("Shaper.make", () => {
  it.prop("a greedy sender gets its rate over an hour, and no window more than RFC 2215 allows", [slow], ([slow]) => {
    const { piece, ...spec } = slow
    const reference = new Reference(spec)
    const hour = 3600n * billion
    const sent = run(Effect.gen(function*() {
      const shaper = yield* Shaper.make(spec)
      const begin = yield* now
      let sent = 0n
      while (true) {
        assert.strictEqual(yield* shaper.take(piece), "conforming")
        const at = (yield* now) - begin
        if (at > hour) return sent
        assert.isTrue(reference.conforms(at, piece))
        reference.add(at, piece)
        sent += BigInt(piece)
      }
    }))
    assert.isAtLeast(Number(sent), 0.99 * 3600 * spec.tokenRate)
    assert.isAtMost(Number(sent), 3600 * spec.tokenRate + spec.tokenBucketSize)
  }, { arbitrary: { runs: Math.ceil(runs / 20), seed: "an hour" } })

  const wish = Arbitrary.all([chance, chance, chance])
  const someSpec = Arbitrary.map(
    Arbitrary.all([chance, chance, optional(chance), optional(chance)]),
    ([rate, bucket, peak, least]): Shaper.Spec => ({
      tokenRate: 1000 + Math.floor(rate * 1e6),
      tokenBucketSize: 1500 + Math.floor(bucket * 50_000),
      maxSduSize: 1500,
      peakBandwidth: peak === undefined ? undefined : 1_001_000 + Math.floor(peak * 1e6),
      minimumPolicedSize: least === undefined ? undefined : Math.floor(least * 1000)
    })
  )
  const wishes = Arbitrary.array(wish, { minLength: 10, maxLength: 30 })

  it.prop("serves takes in their order, each at the first microsecond that conforms, and forgets those that gave up", [
    someSpec,
    wishes
  ], ([spec, wishes]) => {
    const asked = wishes.map(([at, size, gives]) => ({
      at: Math.floor(at * 100_000),
      size: Math.floor(size * 1500),
      /** Whether it gives up, and after how many microseconds. */
      patience: gives < 0.4 ? Math.floor(gives * 50_000) : undefined
    })).sort((a, b) => a.at - b.at)
    interface Grant {
      readonly index: number
      readonly at: bigint
    }
    /** `who`: those who ask, by their place in the list. */
    const grants = (who: ReadonlyArray<number>) =>
      run(Effect.gen(function*() {
        const shaper = yield* Shaper.make(spec)
        const granted: Array<Grant> = []
        const gaveUp: Array<number> = []
        yield* Effect.forEach(who, (index) => {
          const { at, patience, size } = asked[index]!
          const take = shaper.take(size).pipe(
            Effect.andThen(now),
            Effect.map((at) => granted.push({ index, at }) > 0)
          )
          const patient = patience === undefined
            ? take
            : Effect.timeoutOrElse(take, {
              duration: Duration.micros(BigInt(patience)),
              orElse: () => Effect.sync(() => gaveUp.push(index) > 0)
            })
          return Effect.delay(patient, Duration.micros(BigInt(at)))
        }, { concurrency: "unbounded" })
        return { granted, gaveUp }
      }))
    const all = wishes.map((_, index) => index)
    const { gaveUp, granted } = grants(all)
    assert.strictEqual(granted.length + gaveUp.length, all.length)
    const served = granted.map(({ index }) => index)
    assert.deepStrictEqual(served, all.filter((index) => !gaveUp.includes(index)))
    // Without those that gave up, each goes at the first microsecond that conforms, once the one before it has gone.
    const alone = new Reference(spec)
    let last = 0n
    for (const { at, index } of grants(served).granted) {
      const { at: askedAt, size } = asked[index]!
      const earliest = BigInt(askedAt) * 1000n > last ? BigInt(askedAt) * 1000n : last
      assert.isTrue(alone.conforms(at, size))
      if (at !== earliest) {
        assert.isTrue(at > earliest)
        assert.isFalse(alone.conforms(at - 1000n, size))
      }
      alone.add(at, size)
      last = at
    }
    // They can have kept others waiting for as long as they waited, and took nothing.
    const reference = new Reference(spec)
    for (const { at, index } of granted) {
      assert.isTrue(reference.conforms(at, asked[index]!.size))
      reference.add(at, asked[index]!.size)
    }
  }, property)

  it.prop(
    "is after an interruption as if it had not been asked",
    [someSpec, chance, chance],
    ([spec, before, after]) => {
      const times = (asks: boolean) =>
        run(Effect.gen(function*() {
          const shaper = yield* Shaper.make(spec)
          // Until less than the smallest piece is left: at these rates 1500 bytes are half a millisecond away at least.
          for (let credit = yield* shaper.credit; credit > 0; credit = yield* shaper.credit) yield* shaper.take(credit)
          if (asks) {
            const fibers = [yield* Effect.forkChild(shaper.take(1500)), yield* Effect.forkChild(shaper.take(1500))]
            yield* Effect.sleep(Duration.micros(BigInt(Math.floor(before * 400))))
            yield* Fiber.interruptAll(fibers)
          } else yield* Effect.sleep(Duration.micros(BigInt(Math.floor(before * 400))))
          yield* Effect.sleep(Duration.micros(BigInt(Math.floor(after * 1000))))
          const seen: Array<bigint | number> = [yield* shaper.credit]
          for (let i = 0; i < 5; i++) {
            yield* shaper.take(1000)
            seen.push(yield* now, yield* shaper.credit)
          }
          return seen
        }))
      assert.deepStrictEqual(times(true), times(false))
    },
    property
  )

  it.sim("lets interleaved writers take turns, a piece each", function*() {
    const shaper = yield* Shaper.make({ tokenRate: 10_000, tokenBucketSize: 1000 })
    const counts = [0, 0, 0]
    const writer = (who: number, size: number) =>
      Effect.forever(Effect.andThen(
        shaper.take(size),
        Effect.sync(() => {
          counts[who]!++
          assert.isAtMost(Math.max(...counts) - Math.min(...counts), 1)
        })
      ))
    yield* Effect.raceAll([writer(0, 1000), writer(1, 10), writer(2, 500), Effect.sleep("1 minute")])
    assert.isAtLeast(counts[0]!, 60 * 10_000 / 1510 - 1)
  })

  it.sim("does not let a small piece pass a large one that waits", function*() {
    const shaper = yield* Shaper.make({ tokenRate: 1000, tokenBucketSize: 1000 })
    yield* shaper.take(900)
    const order: Array<number> = []
    const take = (size: number) => Effect.andThen(shaper.take(size), Effect.sync(() => order.push(size)))
    const large = yield* Effect.forkChild(take(1000), { startImmediately: true })
    const small = yield* Effect.forkChild(take(1), { startImmediately: true })
    assert.strictEqual(yield* shaper.credit, 0)
    yield* Fiber.joinAll([large, small])
    assert.deepStrictEqual(order, [1000, 1])
  })

  it.sim("serves the next one at once where the first gives up", function*() {
    const shaper = yield* Shaper.make({ tokenRate: 1000, tokenBucketSize: 1000 })
    yield* shaper.take(900)
    const large = yield* Effect.forkChild(shaper.take(1000), { startImmediately: true })
    const small = yield* Effect.forkChild(shaper.take(100), { startImmediately: true })
    const begin = yield* now
    yield* Fiber.interrupt(large)
    yield* Fiber.join(small)
    assert.strictEqual((yield* now) - begin, 0n)
  })

  it.prop("discard and borrow wait for nothing, and call excess exactly what does not conform", [spec, trace], ([
    spec,
    trace
  ]) => {
    for (const mode of ["discard", "borrow"] as const) {
      const reference = new Reference(spec)
      run(Effect.gen(function*() {
        const shaper = yield* Shaper.make({ ...spec, mode })
        const begin = yield* now
        for (const { nanos, part } of trace.slice(0, 20)) {
          yield* Effect.sleep(Duration.micros(BigInt(nanos)))
          const at = (yield* now) - begin
          const size = Math.floor(part * shaper.largest)
          const conforms = reference.conforms(at, size)
          assert.strictEqual(yield* shaper.take(size), conforms ? "conforming" : "excess")
          assert.strictEqual((yield* now) - begin, at)
          if (conforms) reference.add(at, size)
        }
      }))
    }
  }, property)

  it.sim("says at once that a piece is too long to ever conform", function*() {
    const shaper = yield* Shaper.make({ tokenRate: 1000, tokenBucketSize: 1000, maxSduSize: 600 })
    assert.strictEqual(shaper.largest, 600)
    assert.strictEqual(yield* shaper.take(601), "excess")
    assert.strictEqual(yield* shaper.credit, 600)
    assert.strictEqual(yield* shaper.take(600), "conforming")
    assert.strictEqual(yield* shaper.credit, 400)
  })

  it.sim("dies of a size that is none, and is as before", function*() {
    const shaper = yield* Shaper.make({ tokenRate: 1000, tokenBucketSize: 1000 })
    for (const size of [NaN, -1, 0.5, Infinity, "9" as never]) {
      const exit = yield* Effect.exit(shaper.take(size))
      assert.strictEqual(exit._tag, "Failure")
    }
    assert.strictEqual(yield* shaper.credit, 1000)
  })

  // The run tells what is left over at its end, and that is a failure.
  it.sim("leaves no timer where nobody waits any more", function*() {
    const shaper = yield* Shaper.make({ tokenRate: 1, tokenBucketSize: 10 })
    yield* shaper.take(10)
    yield* Effect.timeoutOption(Effect.all([shaper.take(10), shaper.take(5)], { concurrency: 2 }), "1 second")
    assert.strictEqual(yield* shaper.credit, 1)
  })

  it.effect("goes by the clock of the test", () =>
    Effect.gen(function*() {
      const shaper = yield* Shaper.make({ tokenRate: 1000, tokenBucketSize: 100 })
      yield* shaper.take(100)
      const fiber = yield* Effect.forkChild(shaper.take(7))
      yield* TestClock.adjust("6999 micros")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 micro")
      assert.strictEqual(yield* Fiber.join(fiber), "conforming")
    }))
})

// ---------------------------------------------------------------------------------------------------------------------
// Group
// ---------------------------------------------------------------------------------------------------------------------

describe("Shaper.makeGroup", () => {
  it.sim("refuses a priority that is in no order with others", function*() {
    const group = yield* Shaper.makeGroup({ tokenRate: 1000, tokenBucketSize: 100 })
    assert.throws(() => group.member({ priority: Number.NaN }), RangeError)
  })

  it.sim("gives the credit to the first by priority, and in turn to equals, a piece each", function*() {
    const group = yield* Shaper.makeGroup({ tokenRate: 1000, tokenBucketSize: 100 })
    const first = group.member()
    yield* first.take(100)
    const order: Array<string> = []
    const send = (name: string, times: number, shaper: Shaper.Shaper) =>
      Effect.forkChild(
        Effect.repeat(Effect.andThen(shaper.take(100), Effect.sync(() => order.push(name))), { times: times - 1 }),
        { startImmediately: true }
      )
    const fibers = [
      yield* send("c", 2, group.member({ priority: 7 })),
      yield* send("a", 3, group.member({ priority: 1 })),
      yield* send("b", 2, group.member({ priority: 1 })),
      yield* send("0", 1, first)
    ]
    yield* Fiber.joinAll(fibers)
    assert.deepStrictEqual(order, ["0", "a", "b", "a", "b", "a", "c", "c"])
  })

  it.sim("gives equals a piece each in turn, however many of each wait", function*() {
    const group = yield* Shaper.makeGroup({ tokenRate: 1000, tokenBucketSize: 100 })
    const [a, b] = [group.member(), group.member()]
    yield* a.take(100)
    const order: Array<string> = []
    const ask = (name: string, shaper: Shaper.Shaper) =>
      Effect.forkChild(Effect.andThen(shaper.take(50), Effect.sync(() => order.push(name))), { startImmediately: true })
    const fibers: Array<Fiber.Fiber<unknown>> = []
    for (const name of ["a1", "a2", "a3", "a4"]) fibers.push(yield* ask(name, a))
    for (const name of ["b1", "b2"]) fibers.push(yield* ask(name, b))
    yield* Fiber.joinAll(fibers)
    assert.deepStrictEqual(order, ["a1", "b1", "a2", "b2", "a3", "a4"])
  })

  it.sim("lets a higher priority pass a piece that waits already, and take what it was waiting for", function*() {
    const group = yield* Shaper.makeGroup({ tokenRate: 1000, tokenBucketSize: 1000 })
    const [bulk, voice] = [group.member({ priority: 9 }), group.member()]
    yield* bulk.take(900)
    const begin = yield* now
    const large = yield* Effect.forkChild(bulk.take(1000), { startImmediately: true })
    assert.strictEqual(yield* voice.take(100), "conforming")
    assert.strictEqual((yield* now) - begin, 0n)
    assert.strictEqual(yield* bulk.credit, 0)
    yield* Fiber.join(large)
    assert.strictEqual((yield* now) - begin, billion)
  })

  const pieces = Arbitrary.array(
    Arbitrary.all([chance, chance, chance]),
    { minLength: 20, maxLength: 40 }
  )
  it.prop("all of its members together conform, whoever gives up", [pieces, chance], ([pieces, some]) => {
    const spec: Shaper.Spec = {
      tokenRate: 100_000,
      tokenBucketSize: 6000,
      peakBandwidth: 300_000,
      maxSduSize: 1500,
      minimumPolicedSize: 64,
      mode: "shape"
    }
    const reference = new Reference(spec)
    run(Effect.gen(function*() {
      const group = yield* Shaper.makeGroup(spec)
      const members = [0, 0, 1, 2, 2].map((priority) => group.member({ priority }))
      const begin = yield* now
      yield* Effect.forEach(pieces, ([at, size, who]) => {
        const bytes = Math.floor(size * 1501)
        const take = members[Math.floor(who * 4.999)]!.take(bytes).pipe(
          Effect.andThen((verdict) =>
            Effect.map(now, (at) => {
              assert.strictEqual(verdict, bytes > 1500 ? "excess" : "conforming")
              if (verdict === "excess") return
              assert.isTrue(reference.conforms(at - begin, bytes))
              reference.add(at - begin, bytes)
            })
          )
        )
        return take.pipe(
          Effect.timeoutOption(size < some / 2 ? "20 millis" : "1 hour"),
          Effect.delay(Duration.micros(BigInt(Math.floor(at * 100_000))))
        )
      }, { concurrency: "unbounded" })
    }))
  }, property)
})
