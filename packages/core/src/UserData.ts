/**
 * The data that a caller sends along with a connection request, and the room it has for what comes back.
 *
 * WSAConnect takes both from here where it is not given them itself. Their default is "none"; a layer, checked when it is
 * built, sets them for a whole program: {@link layer} with raw bytes, or that of an {@link Exchange} with a typed value.
 * Only a transport that carries data while connecting honours them: another one ends with WSAEPROTONOSUPPORT (E17), and
 * a datagram socket ignores them (R11).
 *
 * **Details**
 *
 * `connect` and `WSAConnectByList` never look here, so nothing leaks to another hop.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { CF_ACCEPT, CF_REJECT } from "./internal/socketState.ts"
import type * as Winsock from "./Winsock.ts"

/**
 * Schema of the room for callee data: a whole number of bytes from 0 to 4294967295.
 *
 * **Example** (Refusing a fraction)
 *
 * ```ts import.meta.vitest
 * import { UserData } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.is(UserData.Capacity)(1024) // => true
 * Schema.is(UserData.Capacity)(-1) // => false
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Capacity: Schema.Int = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff }))

/**
 * The data to send along with a connection request; `undefined` for none (R12).
 *
 * **Example** (Sending none unless told)
 *
 * ```ts import.meta.vitest
 * import { UserData } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * await Effect.runPromise(Effect.service(UserData.CallerData)) // => undefined
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const CallerData: Context.Reference<Uint8Array | undefined> = Context.Reference(
  "@effect-winsock/core/UserData/CallerData",
  { defaultValue: (): Uint8Array | undefined => undefined }
)

/**
 * The room in bytes for what the peer passes back; at 0 it is discarded (R13).
 *
 * **Example** (Having no room unless told)
 *
 * ```ts import.meta.vitest
 * import { UserData } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * await Effect.runPromise(Effect.service(UserData.CalleeCapacity)) // => 0
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const CalleeCapacity: Context.Reference<number> = Context.Reference(
  "@effect-winsock/core/UserData/CalleeCapacity",
  { defaultValue: () => 0 }
)

const Given = Schema.Struct({
  callerData: Schema.optionalKey(Schema.Uint8Array),
  calleeCapacity: Schema.optionalKey(Capacity)
})

/**
 * Sets the user data of every WSAConnect below, or fails with a `SchemaError` where it is not bytes or no capacity.
 *
 * **Example** (Sending a tenant along)
 *
 * ```ts import.meta.vitest
 * import { UserData } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.service(UserData.CalleeCapacity).pipe(
 *   Effect.provide(UserData.layer({ callerData: new TextEncoder().encode("acme"), calleeCapacity: 64 }))
 * )
 * await Effect.runPromise(program) // => 64
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (given: typeof Given.Type): Layer.Layer<never, Schema.SchemaError> =>
  Layer.unwrap(
    Schema.decodeUnknownEffect(Given)(given).pipe(
      Effect.map(({ calleeCapacity = 0, callerData }) =>
        // A copy: the caller may write over its own later (R27).
        Layer.mergeAll(
          Layer.succeed(CallerData, callerData === undefined ? undefined : new Uint8Array(callerData)),
          Layer.succeed(CalleeCapacity, calleeCapacity)
        )
      )
    )
  )

// Every runtime has both, and the types of core are those of none.
declare const TextEncoder: new() => { readonly encode: (text: string) => Uint8Array }
declare const TextDecoder: new(
  label: string,
  options: { readonly fatal: boolean; readonly ignoreBOM: boolean }
) => { readonly decode: (bytes: Uint8Array) => string }

/**
 * Schema of a text as the bytes of its UTF-8.
 *
 * **When to use**
 *
 * Use as a side of an {@link Exchange} with a peer that does not speak JSON, or at the bottom of a codec of your own.
 *
 * **Details**
 *
 * Bytes that are no UTF-8 do not decode, and nothing is replaced or left out: neither a byte order mark at the front of
 * the bytes, nor half a surrogate pair in the text, which does not encode.
 *
 * **Example** (A text and its bytes)
 *
 * ```ts import.meta.vitest
 * import { UserData } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.decodeSync(UserData.Text)(new Uint8Array([0xc3, 0xa9])) // => "é"
 * Schema.encodeSync(UserData.Text)("é").length // => 2
 * Schema.is(UserData.Text)("é") // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Text: Schema.Codec<string, Uint8Array> = Schema.Uint8Array.pipe(Schema.decodeTo(
  Schema.String,
  SchemaTransformation.transformEffect({
    decode: (bytes, options) =>
      Effect.try({
        try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
        catch: () => new SchemaIssue.InvalidValue({ expected: "bytes of UTF-8" }, bytes, options)
      }),
    encode: (text, options) =>
      /\p{Surrogate}/u.test(text)
        ? Effect.fail(new SchemaIssue.InvalidValue({ expected: "a text without half a surrogate pair" }, text, options))
        : Effect.succeed(new TextEncoder().encode(text))
  })
))

/**
 * What a reader of an {@link Exchange} fails with where the other side passed nothing: not a byte of user data.
 *
 * **Details**
 *
 * Winsock cannot tell no bytes from none (R12, R13), so this is also what comes of a value that encodes to no bytes.
 *
 * **Example** (Reading what an acceptor left out)
 *
 * ```ts import.meta.vitest
 * import { UserData } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * class Hello extends UserData.Exchange<Hello>()("Hello", {
 *   caller: UserData.Text,
 *   callee: UserData.Text,
 *   calleeCapacity: 64
 * }) {}
 *
 * const program = Hello.callee({ calleeData: new Uint8Array(0) }).pipe(
 *   Effect.catchTag("NoUserData", (error) => Effect.succeed(error.message))
 * )
 * await Effect.runPromise(program) // => "Hello: the callee passed no data"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class NoUserData extends Schema.TaggedError<NoUserData>("@effect-winsock/core/UserData/NoUserData")(
  "NoUserData",
  {
    /** The name of the exchange. */
    exchange: Schema.String,
    /** The side that passed nothing. */
    side: Schema.Literals(["caller", "callee"])
  }
) {
  override get message(): string {
    return `${this.exchange}: the ${this.side} passed no data`
  }
}

/**
 * What an {@link Exchange} is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExchangeOptions<Caller extends Schema.Constraint, Callee extends Schema.Constraint> {
  /** What the caller sends along: any schema, which travels as JSON, or one whose encoded side is a `Uint8Array`. */
  readonly caller: Caller
  /** What the callee passes back, likewise. */
  readonly callee: Callee
  /** The room in bytes that a caller has for what comes back. A callee cannot encode more either. */
  readonly calleeCapacity: number
}

/**
 * What an accept condition fails to read: the caller passed nothing, or what does not decode.
 *
 * @category models
 * @since 0.1.0
 */
export type Unreadable = Schema.SchemaError | NoUserData

/**
 * The class that {@link Exchange} makes. It has no instances; everything is on the class itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExchangeClass<
  in out Self,
  out Id extends string,
  Caller extends Schema.Constraint,
  Callee extends Schema.Constraint
> {
  new(_: never): ExchangeClass.Shape<Self, Id>
  /** Its name, as errors tell it. */
  readonly id: Id
  /** The schema of what the caller sends along, as it was given. */
  readonly callerSchema: Caller
  /** The schema of what the callee passes back, as it was given. */
  readonly calleeSchema: Callee
  /** The room in bytes that a caller has for what comes back. */
  readonly calleeCapacity: number
  /**
   * Caller: sets what every WSAConnect below sends along, and the room for what comes back. Building it fails with a
   * `SchemaError` where the value does not encode.
   */
  readonly layer: (value: Caller["Type"]) => Layer.Layer<never, Schema.SchemaError, Caller["EncodingServices"]>
  /** Caller: the same for one call, as options of WSAConnect. */
  readonly options: (
    value: Caller["Type"]
  ) => Effect.Effect<ExchangeConnectOptions, Schema.SchemaError, Caller["EncodingServices"]>
  /**
   * Caller: what the callee passed back. `NoUserData` where it passed nothing, a `SchemaError` where its bytes do not
   * decode; the connection stands either way, and `calleeData` keeps the bytes.
   */
  readonly callee: (
    connected: Pick<Winsock.Connected, "calleeData">
  ) => Effect.Effect<Callee["Type"], Unreadable, Callee["DecodingServices"]>
  /** Acceptor: what the caller sent along, or why it cannot be read. */
  readonly caller: (
    request: Pick<Winsock.ConnectionRequest, "callerData">
  ) => Effect.Effect<Caller["Type"], Unreadable, Caller["DecodingServices"]>
  /**
   * Acceptor: the answer of an accept condition that accepts, and passes this value back. Fails with a `SchemaError`
   * where it does not encode, or not within `calleeCapacity`.
   */
  readonly accept: (
    value: Callee["Type"],
    options?: { readonly group?: Winsock.Group | undefined }
  ) => Effect.Effect<ExchangeAnswer, Schema.SchemaError, Callee["EncodingServices"]>
  /**
   * Acceptor: the condition of a WSAAccept that is told what the caller sent along, typed. A caller whose data cannot be
   * read is rejected, or answered by `orElse`.
   */
  readonly condition: <
    Answer extends Effect.Effect<Winsock.ConditionAnswer, any, any>,
    Else extends Effect.Effect<Winsock.ConditionAnswer, any, any> = never
  >(
    f: (caller: Caller["Type"], request: Winsock.ConnectionRequest) => Answer,
    options?: {
      readonly orElse?: ((error: Unreadable, request: Winsock.ConnectionRequest) => Else) | undefined
    }
  ) => (
    request: Winsock.ConnectionRequest
  ) => Effect.Effect<
    Winsock.ConditionAnswer,
    Effect.Error<Answer | Else>,
    Effect.Services<Answer | Else> | Caller["DecodingServices"]
  >
}

/**
 * Types that go with {@link ExchangeClass}.
 *
 * @category models
 * @since 0.1.0
 */
export declare namespace ExchangeClass {
  /**
   * What an instance would be, if there were any.
   *
   * @category models
   * @since 0.1.0
   */
  export interface Shape<in out Self, out Id extends string> {
    /** The name of the exchange. */
    readonly id: Id
    /** The class itself. */
    readonly Self: (_: Self) => Self
  }
}

/**
 * What one WSAConnect takes of an {@link Exchange}: its caller data and the room for its callee data.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExchangeConnectOptions {
  /** The value, encoded. */
  readonly callerData: Uint8Array
  /** The capacity of the exchange. */
  readonly calleeData: number
}

/**
 * What an accept condition answers to accept with data of an {@link Exchange}.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExchangeAnswer {
  /** `CF_ACCEPT`. */
  readonly verdict: typeof CF_ACCEPT
  /** The value, encoded. */
  readonly calleeData: Uint8Array
  /** The group that the accepted socket is to be in. */
  readonly group?: Winsock.Group | undefined
}

type MissingSelf = "Missing `Self` generic - use `class Self extends UserData.Exchange<Self>()(...)`"

/**
 * Makes the class of an exchange: what a caller and a callee tell each other while they connect, typed on both sides.
 *
 * **When to use**
 *
 * Use where both ends are yours, or the bytes of the other end have a schema. For bytes without one there is
 * {@link layer}.
 *
 * **Details**
 *
 * A schema travels as JSON in UTF-8, in the canonical form of `Schema.toCodecJson`: dates, bytes and instances of schema
 * classes come back as they were. One whose encoded side is a `Uint8Array` is used as it is, so any codec to bytes will
 * do: {@link Text}, `Schema.Uint8Array` for raw bytes, or your own. No value that does not encode is a defect, nor are
 * bytes of a peer that do not decode, whatever the codec throws: it is a `SchemaError`.
 *
 * | side | is asked for | when it cannot be had |
 * | --- | --- | --- |
 * | caller | `layer`, `options` | `SchemaError` before anything is connected |
 * | caller | `callee` | `SchemaError`, or `NoUserData`; the connection stands, and `calleeData` keeps the bytes |
 * | acceptor | `caller` | `SchemaError`, or `NoUserData` |
 * | acceptor | `condition` | the caller is rejected, unless `orElse` answers otherwise |
 * | acceptor | `accept` | `SchemaError` before anything is sent; the caller waits on |
 *
 * What is longer than the provider carries ends as raw bytes do: WSAConnect with WSAEFAULT (E10), WSAAccept with
 * WSAEINVAL before anything is sent, and the caller waits on (A07).
 *
 * **Example** (Saying who calls, and which session it got)
 *
 * ```ts import.meta.vitest
 * import { UserData, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Fiber, Layer, Schema } from "effect"
 *
 * class Hello extends UserData.Exchange<Hello>()("Hello", {
 *   caller: Schema.Struct({ tenant: Schema.String }),
 *   callee: Schema.Struct({ session: Schema.Int }),
 *   calleeCapacity: 1024
 * }) {}
 *
 * const serve = (listener: Winsock.Socket) =>
 *   Winsock.WSAAccept(
 *     listener,
 *     Hello.condition(({ tenant }) =>
 *       tenant === "acme" ? Hello.accept({ session: 7 }) : Effect.succeed(Winsock.CF_REJECT)
 *     )
 *   )
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:0")
 *   yield* Winsock.listen(listener)
 *   const serving = yield* Effect.forkChild(serve(listener))
 *
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   const connected = yield* Winsock.WSAConnect(s, yield* Winsock.getsockname(listener))
 *   yield* Fiber.join(serving)
 *   return yield* Hello.callee(connected)
 * }).pipe(
 *   Effect.scoped,
 *   Effect.provide(Layer.mergeAll(
 *     Memory.layer({ callerDataMax: 1024, calleeDataMax: 1024 }),
 *     Hello.layer({ tenant: "acme" })
 *   ))
 * )
 *
 * await Effect.runPromise(program) // => { session: 7 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const Exchange =
  <Self = never>() =>
  <const Id extends string, Caller extends Schema.Constraint, Callee extends Schema.Constraint>(
    id: Id,
    options: ExchangeOptions<Caller, Callee>
  ): [Self] extends [never] ? MissingSelf : ExchangeClass<Self, Id, Caller, Callee> => {
    const { callee: calleeSchema, calleeCapacity, caller: callerSchema } = options
    const caller = sideOf(id, "caller", callerSchema, Infinity)
    const callee = sideOf(id, "callee", calleeSchema, calleeCapacity)

    return Object.setPrototypeOf(
      // What a class can extend. Its own properties cannot have these names: functions once had a caller and a callee.
      function() {},
      {
        id,
        callerSchema,
        calleeSchema,
        calleeCapacity,
        layer: (value: Caller["Type"]) =>
          Layer.unwrap(Effect.map(caller.write(value), (callerData) => layer({ callerData, calleeCapacity }))),
        options: (value: Caller["Type"]) =>
          Effect.flatMap(
            checkCapacity(calleeCapacity),
            (calleeData) =>
              Effect.map(caller.write(value), (callerData): ExchangeConnectOptions => ({ callerData, calleeData }))
          ),
        callee: ({ calleeData }: Pick<Winsock.Connected, "calleeData">) => callee.read(calleeData),
        caller: ({ callerData }: Pick<Winsock.ConnectionRequest, "callerData">) => caller.read(callerData),
        accept: (value: Callee["Type"], options?: { readonly group?: Winsock.Group | undefined }) =>
          Effect.map(callee.write(value), (calleeData): ExchangeAnswer => ({
            verdict: CF_ACCEPT,
            calleeData,
            group: options?.group
          })),
        condition: ((f, { orElse } = {}) => (request) =>
          Effect.matchEffect(caller.read(request.callerData), {
            onFailure: (error): Answering => orElse === undefined ? rejecting : orElse(error, request),
            onSuccess: (value): Answering => f(value, request)
          })) as ExchangeClass<Self, Id, Caller, Callee>["condition"]
      } satisfies Omit<ExchangeClass<Self, Id, Caller, Callee>, "prototype">
    )
  }

type Answering = Effect.Effect<Winsock.ConditionAnswer, any, any>

const rejecting: Answering = Effect.succeed(CF_REJECT)

const checkCapacity = Schema.decodeUnknownEffect(Capacity)

/** How one side of an exchange becomes bytes, and bytes become it. */
const sideOf = <S extends Schema.Constraint>(exchange: string, side: "caller" | "callee", schema: S, most: number) => {
  const codec = bytesOf(schema, most)
  const encode = Schema.encodeUnknownEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)
  return {
    write: (value: S["Type"]) => withoutDefects(() => encode(value)),
    read: (bytes: Uint8Array): Effect.Effect<S["Type"], Unreadable, S["DecodingServices"]> =>
      bytes.length === 0 ? Effect.fail(new NoUserData({ exchange, side })) : withoutDefects(() => decode(bytes))
  }
}

/** What a codec throws says that a value does not fit, and comes of a peer's bytes too: JSON can be deeper than the stack. */
const withoutDefects = <A, R>(coded: () => Effect.Effect<A, Schema.SchemaError, R>) =>
  Effect.catchDefect(
    Effect.suspend(coded),
    (defect) =>
      Effect.fail(
        new Schema.SchemaError(new SchemaIssue.InvalidValue({ message: `the codec threw ${String(defect)}` }))
      )
  )

const bytesOf = <S extends Schema.Constraint>(
  schema: S,
  most: number
): Schema.Codec<S["Type"], Uint8Array, S["DecodingServices"], S["EncodingServices"]> => {
  const bytes = Schema.Uint8Array.check(
    Schema.makeFilter(({ length }) => length <= most || `Expected at most ${most} bytes, got ${length}`)
  )
  return carriesBytes(schema)
    ? bytes.pipe(Schema.decodeTo(schema as S & Schema.Codec<unknown, Uint8Array>, copied)) as any
    : bytes.pipe(
      Schema.decodeTo(Text, copied),
      Schema.decodeTo(Schema.fromJsonString(Schema.toCodecJson(schema)))
    ) as any
}

// What a side keeps is a copy, and so is what it hands out (R27): a codec may well give back the bytes it was given.
const copied = SchemaTransformation.transform<Uint8Array, Uint8Array>({
  decode: (bytes) => new Uint8Array(bytes),
  encode: (bytes) => new Uint8Array(bytes)
})

/** Whether the encoded side of a schema is bytes. Which bytes, its checks say: they are left out here. */
const carriesBytes = (schema: Schema.Constraint): boolean => {
  const { ast } = Schema.toEncoded(schema)
  return SchemaAST.isDeclaration(ast) &&
    Schema.is(Schema.make(new SchemaAST.Declaration(ast.typeParameters, ast.run, ast.annotations)))(new Uint8Array(0))
}
