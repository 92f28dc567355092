// The services of effect whose answers a seed and virtual time give.
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Random from "effect/Random"
import * as Tracer from "effect/Tracer"
import type * as Sim from "../../Sim.ts"
import type { Run } from "./run.ts"

export const makeClock = (run: Run): Clock.Clock => {
  const millis = () => run.settings.start + Math.floor(run.now() / 1000)
  const startNanos = BigInt(run.settings.start) * 1_000_000n
  const monotonic = () => BigInt(run.now()) * 1000n
  const nanos = () => startNanos + monotonic()
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: monotonic,
    monotonicTimeNanos: Effect.sync(monotonic),
    sleep: (duration) => {
      const micros = toMicros(duration)
      if (micros <= 0) return Effect.yieldNow
      if (micros === Infinity) return Effect.never
      return Effect.callback<void>((resume) => {
        const timer = run.sleep(micros, resume)
        return Effect.sync(() => run.cancel(timer))
      })
    }
  }
}

/** Whole microseconds; what is less than one is one, so that nobody wakes too early. */
export const toMicros = (duration: Duration.Duration): number => {
  const micros = Math.ceil(Duration.toMillis(duration) * 1000 - 1e-6)
  return micros > Number.MAX_SAFE_INTEGER / 2 ? Infinity : micros
}

export const makeRandom = (run: Run): Random.Random => {
  let luck: Sim.Luck | undefined
  const next = () => (luck ??= run.luck("random")).next()
  return {
    nextDoubleUnsafe: next,
    nextIntUnsafe: () =>
      Math.floor(next() * (Number.MAX_SAFE_INTEGER - Number.MIN_SAFE_INTEGER + 1)) + Number.MIN_SAFE_INTEGER
  }
}

/** Fills it with bytes of the luck. */
export const fill = <A extends ArrayBufferView>(luck: Sim.Luck, view: A): A => {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
  for (let index = 0; index < bytes.length; index++) bytes[index] = luck.below(256)
  return view
}

const hex = (luck: Sim.Luck, words: number): string => {
  let text = ""
  for (let word = 0; word < words; word++) text += luck.below(0x100000000).toString(16).padStart(8, "0")
  return text
}

/** Of random bits alone, or with a time in front of them: of version 4, or 7. */
export const uuid = (luck: Sim.Luck, millis?: number): `${string}-${string}-${string}-${string}-${string}` => {
  const random = hex(luck, 4)
  const text = millis === undefined ? random : millis.toString(16).padStart(12, "0") + random.slice(12)
  const version = millis === undefined ? 4 : 7
  const variant = "89ab"[Number.parseInt(text[16]!, 16) & 3]
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${version}${text.slice(13, 16)}-${variant}${text.slice(17, 20)}-${
    text.slice(20)
  }`
}

/** A span whose ids are the run's. */
class Span extends Tracer.NativeSpan {
  constructor(options: ConstructorParameters<typeof Tracer.NativeSpan>[0], luck: Sim.Luck) {
    super(options)
    this._traceId = options.parent._tag === "Some" ? options.parent.value.traceId : hex(luck, 4)
    this._spanId = hex(luck, 2)
  }
}

export const makeTracer = (run: Run): Tracer.Tracer =>
  Tracer.make({ span: (options) => new Span(options, run.luck("spans")) })

/** What effect's cryptography asks of the host; types of this package are those of every host, and know no `Crypto`. */
export const makeCrypto = (run: Run): object => ({
  get subtle() {
    return (globalThis as { readonly crypto?: { readonly subtle?: unknown } }).crypto?.subtle
  },
  getRandomValues: <A extends ArrayBufferView>(view: A) => fill(run.luck("crypto"), view),
  randomUUID: () => uuid(run.luck("crypto"))
})
