/**
 * The quality of service that a connect asks for: a flow specification for each direction.
 *
 * WSAConnect takes it from here where it is not given one itself; the default is none (R19). A provider that can reserve
 * nothing refuses a QOS that asks for anything with WSAEOPNOTSUPP, and nothing is half-applied (R16, E16).
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

/**
 * Schema of what kind of service a flow wants.
 *
 * **Details**
 *
 * `"noTraffic"` and `"bestEffort"` ask for nothing; the others ask for a share of the way.
 *
 * **Example** (Knowing the kinds)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 *
 * Qos.ServiceType.literals.includes("guaranteed") // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const ServiceType: Schema.Literals<
  readonly ["noTraffic", "bestEffort", "controlledLoad", "guaranteed", "qualitative"]
> = Schema.Literals(["noTraffic", "bestEffort", "controlledLoad", "guaranteed", "qualitative"])

const Unsigned = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff }))

/**
 * Schema of the flow in one direction; a field that is absent is "not specified".
 *
 * **Details**
 *
 * Rates are in bytes a second, sizes in bytes, times in microseconds; all are whole numbers from 0 to 4294967295.
 *
 * **Example** (Describing a voice call)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.is(Qos.FlowSpec)({ serviceType: "guaranteed", tokenRate: 16_000 }) // => true
 * Schema.is(Qos.FlowSpec)({ serviceType: "guaranteed", tokenRate: -1 }) // => false
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlowSpec = Schema.Struct({
  serviceType: ServiceType,
  tokenRate: Schema.optionalKey(Unsigned),
  tokenBucketSize: Schema.optionalKey(Unsigned),
  peakBandwidth: Schema.optionalKey(Unsigned),
  latency: Schema.optionalKey(Unsigned),
  delayVariation: Schema.optionalKey(Unsigned),
  maxSduSize: Schema.optionalKey(Unsigned),
  minimumPolicedSize: Schema.optionalKey(Unsigned)
})

/**
 * The flow in one direction.
 *
 * @category models
 * @since 0.1.0
 */
export type FlowSpec = typeof FlowSpec.Type

/**
 * Schema of a quality of service: a flow each way, and what a provider may want beyond. A direction that is absent asks for
 * nothing; parameters of the provider are kept byte for byte, and no bytes are none (R18).
 *
 * **Example** (Asking for a rate one way)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.is(Qos.Qos)({ sending: { serviceType: "controlledLoad", tokenRate: 8_000 } }) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Qos = Schema.Struct({
  sending: Schema.optionalKey(FlowSpec),
  receiving: Schema.optionalKey(FlowSpec),
  providerSpecific: Schema.optionalKey(Schema.Uint8Array)
})

/**
 * A quality of service.
 *
 * @category models
 * @since 0.1.0
 */
export type Qos = typeof Qos.Type

/**
 * The quality of service of every WSAConnect below; `undefined` for none (R19).
 *
 * **Example** (Asking for nothing unless told)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * await Effect.runPromise(Effect.service(Qos.SocketQos)) // => undefined
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const SocketQos: Context.Reference<Qos | undefined> = Context.Reference(
  "@effect-winsock/core/Qos/SocketQos",
  { defaultValue: (): Qos | undefined => undefined }
)

/**
 * Sets the quality of service of every WSAConnect below, or fails with a `SchemaError` that names the bad field.
 *
 * **Example** (Asking for a guaranteed rate)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.service(Qos.SocketQos).pipe(
 *   Effect.map((qos) => qos?.sending?.tokenRate),
 *   Effect.provide(Qos.layer({ sending: { serviceType: "guaranteed", tokenRate: 16_000 } }))
 * )
 * await Effect.runPromise(program) // => 16000
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (qos: Qos): Layer.Layer<never, Schema.SchemaError> =>
  Layer.effect(SocketQos, Schema.decodeUnknownEffect(Qos)(qos))

const asks = (flow: FlowSpec | undefined): boolean =>
  flow !== undefined && flow.serviceType !== "noTraffic" && flow.serviceType !== "bestEffort"

/**
 * Tells whether a QOS asks for anything in a direction that the socket has (R17).
 *
 * **Example** (Ignoring the direction that a socket lacks)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 *
 * const qos: Qos.Qos = { receiving: { serviceType: "guaranteed", tokenRate: 16_000 } }
 * Qos.isDemanding(qos, "both") // => true
 * Qos.isDemanding(qos, "send") // => false
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isDemanding = (qos: Qos, direction: "both" | "send" | "receive"): boolean =>
  (direction !== "receive" && asks(qos.sending)) || (direction !== "send" && asks(qos.receiving))

/**
 * What is reserved for one direction.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReservedFlow {
  /** Bytes a second. */
  readonly rate: number
  /** The longest that a byte of a conforming sender takes to the peer, in microseconds. */
  readonly delay: number
}

/**
 * What is reserved on the way between a socket and its peer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reservation {
  readonly sending: ReservedFlow | undefined
  readonly receiving: ReservedFlow | undefined
}

/**
 * What is enforced on one direction: sending waits for its credit, receiving reads no faster.
 *
 * @category models
 * @since 0.1.0
 */
export interface ShapedFlow {
  /** Bytes a second in the long run. */
  readonly tokenRate: number
  /** Bytes that may go at once after a pause. */
  readonly tokenBucketSize: number
  /** Bytes a second at most; `undefined` without a limit. */
  readonly peakBandwidth: number | undefined
  /** What happens to the excess: it waits, it is dropped, or it goes all the same. */
  readonly mode: "shape" | "discard" | "borrow"
  /** Whether a group of sockets shares it. */
  readonly group: boolean
}

/**
 * What was not done of a QOS, and why.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ignored {
  /** The field, such as `"latency"`. */
  readonly field: string
  readonly why: string
}

/**
 * What was done for one direction.
 *
 * @category models
 * @since 0.1.0
 */
export interface AppliedFlow {
  /** What was asked for; `undefined` for nothing (R19). */
  readonly asked: FlowSpec | undefined
  /** The differentiated services code point of what is sent; `undefined` where nothing is marked. */
  readonly marked: number | undefined
  /** What is enforced; `undefined` for nothing. */
  readonly shaped: ShapedFlow | undefined
  /** What is reserved on the way; `undefined` for nothing, as always on a live network. */
  readonly reserved: ReservedFlow | undefined
  /** What was not done, and why. */
  readonly ignored: ReadonlyArray<Ignored>
}

/**
 * What was really done of the QOS of a connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Applied {
  readonly sending: AppliedFlow
  readonly receiving: AppliedFlow
}

const nothingAppliedFlow: AppliedFlow = {
  asked: undefined,
  marked: undefined,
  shaped: undefined,
  reserved: undefined,
  ignored: []
}

/**
 * What is done where no QOS asks for anything.
 *
 * **Example** (Knowing that nothing was asked for)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 *
 * Qos.nothingApplied.sending.marked // => undefined
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const nothingApplied: Applied = { sending: nothingAppliedFlow, receiving: nothingAppliedFlow }
