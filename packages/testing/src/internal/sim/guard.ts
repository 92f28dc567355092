// While a run goes on, what a program could ask of the host around effect's services is answered by the run, or is an
// error that says where it was asked. The functions are put in place for exactly as long as the run has its turn.
import type * as Sim from "../../Sim.ts"
import * as byReference from "./byReference.ts"
import type { Entry } from "./heap.ts"
import { Run } from "./run.ts"
import { fill, uuid } from "./services.ts"

export interface Guard {
  readonly mode: "redirect" | "throw" | "off"
  /** Whether what was imported by name from Node's modules is guarded too. */
  readonly imports: boolean
}

let active: Run | undefined

const luck = (): Sim.Luck => active!.luck("host")

/** Whether a run has its turn. */
export const isActive = (): boolean => active !== undefined

/** Why nothing of an engine's run happens to whoever asks for it now: it has ended, or another run has its turn. */
export const whyForeign = (engine: Sim.Engine): "a run that has ended" | "another run" | undefined => {
  if (!(engine instanceof Run)) return undefined
  if (engine.isClosed) return "a run that has ended"
  return active === undefined || active === engine ? undefined : "another run"
}

const host = globalThis as unknown as Record<string, any>
const RealDate = Date

const now = () => active!.settings.start + Math.floor(active!.now() / 1000)

let refusal = (what: string): unknown => new Error(what)

/** How an error is made that says what was asked of the host. */
export const setRefusal = (make: (what: string) => unknown): void => {
  refusal = make
}

// --- what stands in --------------------------------------------------------------------------------------------------

/** A `Date` that makes dates as the host's does, but those without a time as it is told. */
const makeDate = (make: () => Date): DateConstructor => {
  const Made = function(this: unknown, ...parts: Array<any>): unknown {
    if (new.target === undefined) return make().toString()
    const target: Function = new.target === Made ? RealDate : new.target
    return Reflect.construct(RealDate, parts.length === 0 ? [make().getTime()] : parts, target)
  } as unknown as DateConstructor
  Object.setPrototypeOf(Made, RealDate)
  Object.defineProperty(Made, "prototype", { value: RealDate.prototype })
  Object.defineProperty(Made, "name", { value: "Date" })
  return Made
}

const refusing = (name: string) => (): never => {
  throw refusal(name)
}

const SimulatedDate = makeDate(() => new RealDate(now()))
const RefusedDate = makeDate(refusing("Date"))

/** What `setTimeout` and its kin give back. */
class Handle {
  private entry: Entry | undefined
  private readonly run: Run
  private readonly micros: number
  private readonly isRepeated: boolean
  private readonly call: () => void

  constructor(run: Run, millis: unknown, isRepeated: boolean, call: () => void) {
    const given = Number(millis)
    this.run = run
    this.micros = given >= 1 && given <= 2 ** 31 - 1 ? Math.floor(given) * 1000 : 1000
    this.isRepeated = isRepeated
    this.call = call
    this.refresh()
  }

  refresh(): this {
    this.close()
    this.entry = this.run.at(this.run.now() + this.micros, () => {
      if (this.isRepeated) this.refresh()
      this.call()
    })
    return this
  }

  close(): this {
    if (this.entry !== undefined) this.run.cancel(this.entry)
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

const soon = (call: (...given: Array<any>) => void, given: Array<any>): Entry => active!.at(0, () => call(...given))

const timeout =
  (isRepeated: boolean) => (call: (...given: Array<any>) => void, millis: unknown, ...given: Array<any>) =>
    new Handle(active!, millis, isRepeated, () => call(...given))

const immediates = new WeakSet<object>()

/** A timer of the run is called off; any other is the host's. */
const clear = (real: (handle: unknown) => void) => (handle: any) => {
  if (handle instanceof Handle) handle.close()
  else if (immediates.has(handle)) active!.cancel(handle)
  else real(handle)
}

const abortAfter = (millis: number): unknown => {
  const { AbortController, DOMException } = host
  const controller = new AbortController()
  const reason = new DOMException("The operation was aborted due to timeout", "TimeoutError")
  active!.at(active!.now() + millis * 1000, () => controller.abort(reason))
  return controller.signal
}

const hrtime = (): readonly [number, number] => {
  const micros = active!.now()
  return [Math.floor(micros / 1_000_000), (micros % 1_000_000) * 1000]
}

const randomInt = (min: number, max?: number | ((error: null, n: number) => void), callback?: unknown) => {
  const [low, high] = typeof max === "number" ? [min, max] : [0, min]
  const n = low + luck().below(high - low)
  const call = typeof max === "function" ? max : callback
  if (typeof call !== "function") return n
  soon(call as () => void, [null, n])
  return undefined
}

const randomBytes = (size: number, callback?: (error: null, bytes: Uint8Array) => void) => {
  const bytes = fill(luck(), host["Buffer"].alloc(size))
  if (callback === undefined) return bytes
  soon(callback, [null, bytes])
  return undefined
}

type Filled = ArrayBuffer | (ArrayBufferView & { readonly BYTES_PER_ELEMENT?: number })

const randomFill = (filled: Filled, offset = 0, size?: number): Filled => {
  const view = ArrayBuffer.isView(filled) ? filled : new Uint8Array(filled)
  const { BYTES_PER_ELEMENT: width = 1, byteLength, byteOffset } = view
  const bytes = (size ?? byteLength / width - offset) * width
  fill(luck(), new Uint8Array(view.buffer, byteOffset + offset * width, bytes))
  return filled
}

// --- where it is put -------------------------------------------------------------------------------------------------

interface Place {
  readonly holder: any
  readonly key: string
  readonly redirect: unknown
  readonly refuse: unknown
  saved: unknown
}

let places: ReadonlyArray<Place> | undefined

type Put = (name: string, root: any, key: string, redirect: unknown, refuse?: unknown) => void

const findPlaces = (): ReadonlyArray<Place> => {
  const found: Array<Place> = []
  const put: Put = (name, root, key, redirect, refuse = refusing(name)) => {
    let holder = root
    while (holder != null && !Object.hasOwn(holder, key)) holder = Object.getPrototypeOf(holder)
    if (holder == null || Object.getOwnPropertyDescriptor(holder, key)!.writable !== true) return
    found.push({ holder, key, redirect, refuse, saved: undefined })
  }
  const { AbortSignal, crypto, performance, process, Temporal } = host
  put("Date", host, "Date", SimulatedDate, RefusedDate)
  put("Date.now", RealDate, "now", now)
  put("Math.random", Math, "random", () => luck().next())
  putTimers(put, host)
  put("queueMicrotask", host, "queueMicrotask", (call: () => void) => void soon(call, []))
  if (AbortSignal !== undefined) put("AbortSignal.timeout", AbortSignal, "timeout", abortAfter)
  if (Temporal !== undefined) putTemporal(put, Temporal)
  if (performance !== undefined) put("performance.now", performance, "now", () => active!.now() / 1000)
  if (crypto !== undefined) {
    put("crypto.getRandomValues", crypto, "getRandomValues", (view: ArrayBufferView) => fill(luck(), view))
    put("crypto.randomUUID", crypto, "randomUUID", () => uuid(luck()))
  }
  if (process?.hrtime !== undefined) {
    const bigint = () => BigInt(active!.now()) * 1000n
    put("process.hrtime.bigint", process.hrtime, "bigint", bigint)
    const refuse = Object.assign(refusing("process.hrtime"), { bigint: refusing("process.hrtime.bigint") })
    put("process.hrtime", process, "hrtime", Object.assign(hrtime, { bigint }), refuse)
  }
  // process.nextTick stays the host's: its streams use it, and would wait for ever for what a run drops at its end
  const builtin = (name: string) => process?.getBuiltinModule?.(name)
  const nodeCrypto = builtin("node:crypto")
  if (nodeCrypto !== undefined) {
    put("randomBytes", nodeCrypto, "randomBytes", randomBytes)
    put("randomInt", nodeCrypto, "randomInt", randomInt)
    put("randomUUID", nodeCrypto, "randomUUID", () => uuid(luck()))
    put("randomUUIDv7", nodeCrypto, "randomUUIDv7", () => uuid(luck(), now()))
    put("randomFillSync", nodeCrypto, "randomFillSync", randomFill)
    put("randomFill", nodeCrypto, "randomFill", (view: Filled, ...rest: Array<any>) => {
      const call = rest.pop()
      soon(call, [null, randomFill(view, ...rest)])
    })
  }
  const nodeTimers = builtin("node:timers")
  if (nodeTimers !== undefined) putTimers(put, nodeTimers)
  return found
}

const putTimers = (put: Put, root: any) => {
  put("setTimeout", root, "setTimeout", timeout(false))
  put("setInterval", root, "setInterval", timeout(true))
  put("setImmediate", root, "setImmediate", (call: () => void, ...given: Array<any>) => {
    const entry = soon(call, given)
    immediates.add(entry)
    return entry
  })
  for (const name of ["clearTimeout", "clearInterval", "clearImmediate"]) {
    const call = clear(root[name])
    put(name, root, name, call, call)
  }
}

/** Each of them, from the instant it is. */
const putTemporal = (put: Put, { Instant, Now }: any) => {
  const instant = () => Instant.fromEpochMilliseconds(now())
  const zoned = (zone = Now.timeZoneId()) => instant().toZonedDateTimeISO(zone)
  const redirects: Readonly<Record<string, unknown>> = {
    instant,
    zonedDateTimeISO: zoned,
    plainDateTimeISO: (zone?: unknown) => zoned(zone).toPlainDateTime(),
    plainDateISO: (zone?: unknown) => zoned(zone).toPlainDate(),
    plainTimeISO: (zone?: unknown) => zoned(zone).toPlainTime()
  }
  for (const [key, redirect] of Object.entries(redirects)) put(`Temporal.Now.${key}`, Now, key, redirect)
}

/** Does it while the run answers for the host. */
export const during = <A>(run: Run, { imports, mode }: Guard, body: () => A): A => {
  const patched = mode === "off" ? [] : places ??= findPlaces()
  active = run
  byReference.install()
  for (const place of patched) {
    place.saved = place.holder[place.key]
    place.holder[place.key] = mode === "throw" ? place.refuse : place.redirect
  }
  if (imports) syncImports()
  try {
    return body()
  } finally {
    for (let index = patched.length - 1; index >= 0; index--) {
      const place = patched[index]!
      place.holder[place.key] = place.saved
    }
    if (imports) syncImports()
    byReference.restore()
    active = undefined
  }
}

/** Imports by name have the values that Node's modules had when they were last told to look. */
const syncImports = (): void => host["process"]?.getBuiltinModule?.("node:module").syncBuiltinESMExports()
