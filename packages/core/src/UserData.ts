/**
 * The data that a caller sends along with a connection request, and the room it has for what comes back.
 *
 * WSAConnect takes both from here where it is not given them itself. Their default is "none"; a layer, checked when it is
 * built, sets them for a whole program. Only a transport that carries data while connecting honours them: another one
 * ends with WSAEPROTONOSUPPORT (E17), and a datagram socket ignores them (R11).
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
