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
 * | kind | what it says | number |
 * | --- | --- | --- |
 * | `"noTraffic"` | nothing goes in this direction | 0 |
 * | `"bestEffort"` | as everything goes; a stated rate is still kept | 1 |
 * | `"controlledLoad"` | as on a network without other load (RFC 2211) | 2 |
 * | `"guaranteed"` | a bound on the delay, and no loss while the rate is kept (RFC 2212) | 3 |
 * | `"networkUnavailable"` | no service at present: a notification, never asked for | 4 |
 * | `"generalInformation"` | any kind will do; of a sender only | 5 |
 * | `"noChange"` | this direction stays as it is | 6 |
 * | `"networkControl"` | what keeps the network itself running | 10 |
 * | `"qualitative"` | better than best effort, by no stated amount | 13 |
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
  readonly [
    "noTraffic",
    "bestEffort",
    "controlledLoad",
    "guaranteed",
    "networkUnavailable",
    "generalInformation",
    "noChange",
    "networkControl",
    "qualitative"
  ]
> = Schema.Literals([
  "noTraffic",
  "bestEffort",
  "controlledLoad",
  "guaranteed",
  "networkUnavailable",
  "generalInformation",
  "noChange",
  "networkControl",
  "qualitative"
])

/**
 * What kind of service a flow wants.
 *
 * @category models
 * @since 0.1.0
 */
export type ServiceType = typeof ServiceType.Type

// 4294967295 is QOS_NOT_SPECIFIED, which here is an absent field, and 4294967294 POSITIVE_INFINITY_RATE.
const Unsigned = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_fffe }))
const Peak = Schema.Union([
  Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_fffd })),
  Schema.Literal("infinite")
])

/**
 * Schema of the flow in one direction; a field that is absent is "not specified" (QOS_NOT_SPECIFIED).
 *
 * **Details**
 *
 * Rates are in bytes a second, sizes in bytes, times in microseconds; all are whole numbers from 0 to 4294967294.
 *
 * | field | what it says |
 * | --- | --- |
 * | `tokenRate` | the rate in the long run, r |
 * | `tokenBucketSize` | what may go at once after a pause, b |
 * | `peakBandwidth` | the rate that is never exceeded, p; `"infinite"`: there is none |
 * | `latency` | the longest acceptable delay |
 * | `delayVariation` | by how much delays may differ |
 * | `serviceType` | the kind of service |
 * | `maxSduSize` | the largest piece that is sent at once, M |
 * | `minimumPolicedSize` | smaller pieces count as this much, m |
 * | `noTrafficControl` | `true`: the machine leaves this flow alone, unmarked and unshaped (SERVICE_NO_TRAFFIC_CONTROL) |
 * | `noQosSignaling` | `true`: nothing is reserved on the way (SERVICE_NO_QOS_SIGNALING) |
 *
 * This is the shape alone: which fields go together is told by {@link check}.
 *
 * **Example** (Describing a voice call)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.is(Qos.FlowSpec)({ serviceType: "guaranteed", tokenRate: 16_000, peakBandwidth: "infinite" }) // => true
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
  peakBandwidth: Schema.optionalKey(Peak),
  latency: Schema.optionalKey(Unsigned),
  delayVariation: Schema.optionalKey(Unsigned),
  maxSduSize: Schema.optionalKey(Unsigned),
  minimumPolicedSize: Schema.optionalKey(Unsigned),
  noTrafficControl: Schema.optionalKey(Schema.Boolean),
  noQosSignaling: Schema.optionalKey(Schema.Boolean)
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
 * The quality of service of the group that a socket has created, of every WSAConnect below; `undefined` for none (R19).
 *
 * **Details**
 *
 * Ignored on a socket that is in no group, or has joined one that another has created (R20).
 *
 * **Example** (Asking for nothing unless told)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * await Effect.runPromise(Effect.service(Qos.GroupQos)) // => undefined
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const GroupQos: Context.Reference<Qos | undefined> = Context.Reference(
  "@effect-winsock/core/Qos/GroupQos",
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

/**
 * Sets the quality of service of the groups that sockets have created, of every WSAConnect below, or fails with a
 * `SchemaError` that names the bad field.
 *
 * **Example** (Sharing a rate among the sockets of a group)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.service(Qos.GroupQos).pipe(
 *   Effect.map((qos) => qos?.sending?.tokenRate),
 *   Effect.provide(Qos.layerGroup({ sending: { serviceType: "bestEffort", tokenRate: 64_000 } }))
 * )
 * await Effect.runPromise(program) // => 64000
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerGroup = (qos: Qos): Layer.Layer<never, Schema.SchemaError> =>
  Layer.effect(GroupQos, Schema.decodeUnknownEffect(Qos)(qos))

const demanding: ReadonlySet<ServiceType> = new Set(["controlledLoad", "guaranteed", "networkControl"])

const asks = (flow: FlowSpec | undefined): boolean => flow !== undefined && demanding.has(flow.serviceType)

/**
 * Tells whether a QOS asks for a service that has to be given, in a direction that the socket has (R17).
 *
 * **Details**
 *
 * `"controlledLoad"`, `"guaranteed"` and `"networkControl"` are promises: what cannot keep them refuses them (E16).
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

const Dscp = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 63 }))

/**
 * The differentiated services code points by the names of their classes (RFC 4594; VA of RFC 5865, LE of RFC 8622).
 *
 * **Details**
 *
 * | names | what for |
 * | --- | --- |
 * | DF | everything that asks for nothing |
 * | LE, CS1 | what may wait for all others: CS1 is the older way to say LE |
 * | AF11, AF12, AF13 | much data |
 * | AF21, AF22, AF23 | data that somebody waits for |
 * | AF31, AF32, AF33 | streamed video |
 * | AF41, AF42, AF43 | video conferences |
 * | CS2, CS3, CS4, CS5 | operation of the network, broadcast video, games, signalling |
 * | VA, EF | telephony: admitted, and any |
 * | CS6, CS7 | the network's own |
 *
 * Of AF, the last digit says which packets are dropped first: 3 before 2 before 1.
 *
 * **Example** (Naming a code point)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 *
 * Qos.dscp.EF // => 46
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const dscp = {
  DF: 0,
  LE: 1,
  CS1: 8,
  AF11: 10,
  AF12: 12,
  AF13: 14,
  CS2: 16,
  AF21: 18,
  AF22: 20,
  AF23: 22,
  CS3: 24,
  AF31: 26,
  AF32: 28,
  AF33: 30,
  CS4: 32,
  AF41: 34,
  AF42: 36,
  AF43: 38,
  CS5: 40,
  VA: 44,
  EF: 46,
  CS6: 48,
  CS7: 56
} as const

/**
 * Schema of a table that says how each kind of service is marked: with a code point from 0 to 63.
 *
 * **Example** (Checking a table)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.is(Qos.MarkingTable)({ ...Qos.windows, name: "mine", nonConforming: Qos.dscp.LE }) // => true
 * Schema.is(Qos.MarkingTable)({ ...Qos.windows, nonConforming: 64 }) // => false
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const MarkingTable = Schema.Struct({
  name: Schema.String,
  dscp: Schema.Struct({
    noTraffic: Dscp,
    bestEffort: Dscp,
    controlledLoad: Dscp,
    guaranteed: Dscp,
    networkUnavailable: Dscp,
    generalInformation: Dscp,
    noChange: Dscp,
    networkControl: Dscp,
    qualitative: Dscp
  }),
  nonConforming: Dscp
})

/**
 * How each kind of service is marked, and what goes beyond its rate with mode `"borrow"`.
 *
 * @category models
 * @since 0.1.0
 */
export type MarkingTable = typeof MarkingTable.Type

const unmarked = {
  noTraffic: dscp.DF,
  bestEffort: dscp.DF,
  networkUnavailable: dscp.DF,
  generalInformation: dscp.DF,
  noChange: dscp.DF
} as const

/**
 * How Windows marks the kinds of service: controlled load CS3, guaranteed CS5, network control CS6, all others nothing.
 *
 * **Gotchas**
 *
 * RFC 4594 gives CS5 to signalling: on a network that follows it, {@link rfc4594} is the table to use.
 *
 * **Example** (Marking as Windows does)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 *
 * Qos.windows.dscp.guaranteed // => 40
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const windows: MarkingTable = {
  name: "windows",
  dscp: {
    ...unmarked,
    controlledLoad: dscp.CS3,
    guaranteed: dscp.CS5,
    networkControl: dscp.CS6,
    qualitative: dscp.DF
  },
  nonConforming: dscp.DF
}

/**
 * The classes of RFC 4594 that fit the kinds of service: qualitative AF21 (low-latency data), controlled load AF31
 * (multimedia streaming), guaranteed EF (telephony), network control CS6, all others nothing.
 *
 * **Details**
 *
 * What goes beyond its rate is best effort, as RFC 2211 and RFC 2212 want it.
 *
 * **Example** (Marking by classes)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 *
 * Qos.rfc4594.dscp.guaranteed === Qos.dscp.EF // => true
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const rfc4594: MarkingTable = {
  name: "rfc4594",
  dscp: {
    ...unmarked,
    controlledLoad: dscp.AF31,
    guaranteed: dscp.EF,
    networkControl: dscp.CS6,
    qualitative: dscp.AF21
  },
  nonConforming: dscp.DF
}

/**
 * The table by which the sockets of every WSAConnect below are marked: that of {@link windows} unless told.
 *
 * **Example** (Knowing which table is used)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const { name } = await Effect.runPromise(Effect.service(Qos.Marking))
 * name // => "windows"
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const Marking: Context.Reference<MarkingTable> = Context.Reference(
  "@effect-winsock/core/Qos/Marking",
  { defaultValue: () => windows }
)

/**
 * Sets the table by which the sockets of every WSAConnect below are marked, or fails with a `SchemaError` that names the
 * bad code point.
 *
 * **Example** (Marking by the classes of RFC 4594)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.service(Qos.Marking).pipe(
 *   Effect.map((table) => table.dscp.guaranteed),
 *   Effect.provide(Qos.layerMarking(Qos.rfc4594))
 * )
 * await Effect.runPromise(program) // => 46
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMarking = (table: MarkingTable): Layer.Layer<never, Schema.SchemaError> =>
  Layer.effect(Marking, Schema.decodeUnknownEffect(MarkingTable)(table))

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
  /** To the peer; `undefined` for nothing. */
  readonly sending: ReservedFlow | undefined
  /** From the peer; `undefined` for nothing. */
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
  /** The reason, in words. */
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
  /** What is enforced on the group of the socket, whose sockets share it; `undefined` for nothing. */
  readonly groupShaped: ShapedFlow | undefined
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
  /** What was done for what goes to the peer. */
  readonly sending: AppliedFlow
  /** What was done for what comes from the peer. */
  readonly receiving: AppliedFlow
}

const nothingAppliedFlow: AppliedFlow = {
  asked: undefined,
  marked: undefined,
  shaped: undefined,
  groupShaped: undefined,
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
