/**
 * What the rows of the conformance suite are written with: cases, claims that can fail, and the sockets that most need.
 */
import type * as Qos from "@effect-winsock/core/Qos"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import * as Winsock from "@effect-winsock/core/Winsock"
import type * as WsaError from "@effect-winsock/core/WsaError"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as World from "../../World.ts"

export class ConformanceError extends Data.TaggedError("ConformanceError")<{
  readonly claim: string
  readonly expected: string
  readonly actual: string
}> {
  override get message(): string {
    return `${this.claim}: expected ${this.expected}, got ${this.actual}`
  }
}

export type Failure = ConformanceError | World.NotHere | { readonly _tag: string; readonly message: string }

export type Needs = Winsock.Winsock | World.World | Scope.Scope

export interface Case {
  readonly row: string
  readonly title: string
  readonly run: Effect.Effect<void, Failure, Needs>
}

export const row = <Eff extends Effect.Effect<any, Failure, Needs>>(
  id: string,
  title: string,
  body: () => Generator<Eff, void, never>
): Case => ({ row: id, title, run: Effect.gen(body) as Effect.Effect<void, Failure, Needs> })

/** The same case for several families or kinds. */
export const each = <A extends string, Eff extends Effect.Effect<any, Failure, Needs>>(
  id: string,
  variants: ReadonlyArray<A>,
  title: string,
  body: (variant: A) => Generator<Eff, void, never>
): ReadonlyArray<Case> => variants.map((variant) => row(id, `${title} (${variant})`, () => body(variant)))

export const inet = ["IPv4", "IPv6"] as const
export const families = ["IPv4", "IPv6", "Unix"] as const

// ---------------------------------------------------------------------------------------------------------------------
// Claims
// ---------------------------------------------------------------------------------------------------------------------

export const show = (value: unknown): string => {
  if (value instanceof Uint8Array) return value.length > 32 ? `${value.length} bytes` : `bytes [${Array.from(value)}]`
  if (SocketAddress.isSocketAddress(value)) return SocketAddress.format(value)
  if (typeof value === "string") return JSON.stringify(value)
  if (typeof value === "object" && value !== null && "_tag" in value) return String(value._tag)
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value)
}

export const fault = (claim: string, expected: string, actual: string): Effect.Effect<never, ConformanceError> =>
  Effect.fail(new ConformanceError({ claim, expected, actual }))

export const claim = (what: string, holds: boolean, otherwise = "it does not hold"): Effect.Effect<void, Failure> =>
  holds ? Effect.void : fault(what, "it to hold", otherwise)

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

export const equal = (what: string, actual: unknown, expected: unknown): Effect.Effect<void, Failure> => {
  const same = actual instanceof Uint8Array && expected instanceof Uint8Array
    ? sameBytes(actual, expected)
    : SocketAddress.isSocketAddress(actual) && SocketAddress.isSocketAddress(expected)
    ? SocketAddress.same(actual, expected)
    : Equal.equals(actual, expected)
  return same ? Effect.void : fault(what, show(expected), show(actual))
}

/** The effect fails with the code; gives the error. */
export const fails = <A, E extends { readonly _tag: string }, R>(
  what: string,
  code: WsaError.Code,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<WsaError.WsaError, Failure, R> =>
  Effect.matchEffect(effect, {
    onSuccess: (value) => fault(what, code, `success with ${show(value)}`),
    onFailure: (error): Effect.Effect<any, Failure> =>
      error._tag === code
        ? Effect.succeed(error)
        : fault(what, code, "message" in error ? `${error.message}` : error._tag)
  })

/** The error of an effect that fails. */
export const errorOf = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>): Effect.Effect<E, Failure, R> =>
  Effect.matchEffect(effect, {
    onSuccess: (value) => fault(what, "a failure", `success with ${show(value)}`),
    onFailure: Effect.succeed
  })

/** The exit of a call that another fiber made is a failure with the code. */
export const failed = <A, E extends { readonly _tag: string }>(
  what: string,
  code: WsaError.Code,
  fiber: Fiber.Fiber<A, E>
): Effect.Effect<void, Failure> =>
  Effect.flatMap(Fiber.await(fiber), (exit) => {
    if (Exit.isSuccess(exit)) return fault(what, code, `success with ${show(exit.value)}`)
    const found = Cause.findError(exit.cause)
    return found._tag === "Success" && found.success._tag === code
      ? Effect.void
      : fault(what, code, Cause.pretty(exit.cause).split("\n")[0]!)
  })

/** A call that goes on while the case does something else; it has begun when this returns. */
export const begin = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Fiber.Fiber<A, E>, never, R | Scope.Scope> => Effect.forkScoped(effect, { startImmediately: true })

/** Whether a call that was begun has not ended. */
export const goesOn = <A, E>(what: string, fiber: Fiber.Fiber<A, E>): Effect.Effect<void, Failure> => {
  const exit = fiber.pollUnsafe()
  return exit === undefined
    ? Effect.void
    : fault(what, "the call to wait", Exit.isSuccess(exit) ? "success" : "failure")
}

// ---------------------------------------------------------------------------------------------------------------------
// Bytes
// ---------------------------------------------------------------------------------------------------------------------

/** Words of one byte a character. */
export const text = (words: string): Uint8Array => Uint8Array.from(words, (character) => character.charCodeAt(0))

const words = (bytes: Uint8Array): string => String.fromCharCode(...bytes)

/** Bytes of which every one tells its place, also across multiples of 256. */
export const pattern = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i ^ (i >>> 8) ^ (i >>> 16)) & 0xff
  return bytes
}

/** Receives exactly so many bytes of a stream. */
export const recvExactly = (s: Winsock.Socket, length: number): Effect.Effect<Uint8Array, Failure> =>
  Effect.gen(function*() {
    const all = new Uint8Array(length)
    let at = 0
    while (at < length) {
      const part = yield* Winsock.recv(s, length - at)
      if (part.length === 0) return yield* fault("bytes of a stream", `${length} bytes`, `the end after ${at}`)
      all.set(part, at)
      at += part.length
    }
    return all
  })

/** The next bytes of a stream are these. */
export const receives = (what: string, s: Winsock.Socket, expected: Uint8Array): Effect.Effect<void, Failure> =>
  Effect.flatMap(recvExactly(s, expected.length), (bytes) => equal(what, bytes, expected))

/** The next datagram is this one. */
export const nextIs = (what: string, s: Winsock.Socket, expected: string): Effect.Effect<void, Failure> =>
  Effect.flatMap(Winsock.recvfrom(s), ({ bytes }) => equal(what, words(bytes), expected))

/**
 * Lets what was sent on this machine arrive, and be told above. It is a sleep, since where time is virtual none passes
 * while fibers only let each other go on.
 */
export const turn = Effect.sleep("2 millis")

/** Waits until a stream knows that it broke, without taking what came before. */
export const untilBroken = (s: Winsock.Socket): Effect.Effect<void> =>
  Winsock.send(s, new Uint8Array(0)).pipe(
    Effect.andThen(turn),
    Effect.forever,
    Effect.catchCause(() => Effect.void)
  )

/** The peer of a stream gave up amid so many bytes: it is reset, or ends early where the transport knows no reset. */
export const isCutOff = (s: Winsock.Socket, family: Family, length: number): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    let got = 0
    const end = yield* Effect.matchEffect(Winsock.recv(s), {
      onSuccess: (bytes) => {
        got += bytes.length
        return bytes.length === 0 ? Effect.fail("the end") : Effect.void
      },
      onFailure: (error) => Effect.fail<string>(error._tag)
    }).pipe(Effect.forever, Effect.flip)
    yield* claim("the peer has not got all", got < length, `it got ${got} of ${length} bytes`)
    if (family !== "Unix" || end !== "the end") yield* equal("what the peer meets", end, "WSAECONNRESET")
  })

/** Both directions of a connection carry bytes. */
export const talk = (a: Winsock.Socket, b: Winsock.Socket): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    yield* equal("bytes taken by send", yield* Winsock.send(a, text("there")), 5)
    yield* receives("bytes that arrive there", b, text("there"))
    yield* Winsock.send(b, text("and back"))
    yield* receives("bytes that arrive back", a, text("and back"))
  })

// ---------------------------------------------------------------------------------------------------------------------
// Sockets
// ---------------------------------------------------------------------------------------------------------------------

export type Family = SocketAddress.Family
export type Type = "stream" | "datagram"

export const at = SocketAddress.fromInputUnsafe

export const world = <A>(
  ask: (world: World.Shape) => World.Making<A>
): Effect.Effect<A, World.NotHere, World.World | Scope.Scope> => World.World.use(ask)

export const make = (family: Family, type: Type = "stream") => Winsock.socket({ family, type })

export const local = (family: Family) => world((world) => world.local(family))

export const bound = (family: Family, type: Type = "stream") =>
  Effect.gen(function*() {
    const socket = yield* make(family, type)
    yield* Winsock.bind(socket, yield* local(family))
    return { socket, address: yield* Winsock.getsockname(socket) }
  })

export const listening = (family: Family, backlog?: number) =>
  Effect.tap(bound(family), ({ socket }) => Winsock.listen(socket, backlog))

/** A client that is connected to a server. */
export const pair = (family: Family) =>
  Effect.gen(function*() {
    const { address, socket: listener } = yield* listening(family)
    const client = yield* make(family)
    yield* Winsock.WSAConnect(client, address)
    const { remote, socket: server } = yield* Winsock.accept(listener)
    return { listener, address, client, server, remote }
  })

/**
 * What was sent before is known above once somebody else has come, whose call began after it: a stack tells of things in the
 * order in which they came.
 */
export const settled = Effect.scoped(Effect.gen(function*() {
  const { address, socket: listener } = yield* listening("IPv4")
  const client = yield* make("IPv4")
  const attempt = yield* begin(Winsock.WSAConnect(client, address))
  const { socket: server } = yield* Winsock.accept(listener)
  yield* Fiber.join(attempt)
  yield* talk(client, server)
}))

/** An address of a datagram socket that is gone. */
export const deadDatagram = (family: Family) =>
  Effect.tap(bound(family, "datagram"), ({ socket }) => Winsock.closesocket(socket)).pipe(
    Effect.map(({ address }) => address)
  )

export const nonBlocking = (s: Winsock.Socket) => Winsock.ioctlsocket(s, "FIONBIO", true)
export const blocking = (s: Winsock.Socket) => Winsock.ioctlsocket(s, "FIONBIO", false)

/** A non-blocking socket whose attempt to connect never ends. */
export const pending = (family: Family) =>
  Effect.gen(function*() {
    const socket = yield* make(family)
    yield* nonBlocking(socket)
    const address = yield* world((world) => world.blackholed(family))
    yield* fails("a connect to an address that never answers", "WSAEWOULDBLOCK", Winsock.WSAConnect(socket, address))
    return { socket, address }
  })

export const portOf = (s: Winsock.Socket) => Effect.map(Winsock.getsockname(s), SocketAddress.portOf)

/** The same effect with another start-up. */
export const within = <A, E, R>(instance: World.Instance, effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(
    Layer.build(Layer.fresh(instance)),
    (context) => Effect.provideContext(effect, context)
  )

export const withPort = (address: SocketAddress.SocketAddress, port: number): SocketAddress.SocketAddress => {
  const words = SocketAddress.format(address)
  return at(words.replace(/:\d+$/, `:${port}`) as SocketAddress.Input)
}

export const wildcard = (family: Family, port = 0): SocketAddress.SocketAddress =>
  family === "Unix" ? at("unix:") : at(family === "IPv4" ? `0.0.0.0:${port}` : `[::]:${port}`)

/** What is not typed so, but what an untyped caller may pass. */
export const anything = (value: unknown): never => value as never

// ---------------------------------------------------------------------------------------------------------------------
// Quality of service
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What no network can do: a delay that is shorter than a byte of the bucket takes at the rate. Whoever reserves nothing
 * refuses any stated delay, and whoever can neither mark nor reserve refuses the service.
 */
export const impossible: Qos.Qos = {
  sending: { serviceType: "guaranteed", tokenRate: 16_000, tokenBucketSize: 16_000, latency: 1 }
}

/** What a kind of socket can do here. */
export const capabilities = (family: Family, type: Type = "stream") =>
  Winsock.Winsock.use((winsock) => Effect.succeed(winsock.capabilities({ family, type, direction: "both" })))
