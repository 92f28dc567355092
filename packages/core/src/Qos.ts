/**
 * The quality of service that a connect asks for: a flow specification for each direction.
 *
 * WSAConnect takes it from here where it is not given one itself; the default is none (R19). What a provider cannot honour
 * it refuses with WSAEOPNOTSUPP, and nothing is half-applied (R16, E16); what was done is told by {@link Applied}.
 *
 * **Where things are**
 *
 * `Qos`, `FlowSpec` and `ServiceType` describe what is asked for, `templates` has it for well-known codecs. `check` tells
 * what is wrong with one, and so do the layers. `windows` and `rfc4594` say how kinds of service are marked. The byte codecs
 * read and write the C structures FLOWSPEC and QOS, and the objects of their provider-specific part.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { type Fault, fault, isFault, type Path } from "./internal/qos/fault.ts"
import * as Flows from "./internal/qos/flows.ts"
import * as Objects from "./internal/qos/objects.ts"
import * as Relations from "./internal/qos/relations.ts"
import * as WsaError from "./WsaError.ts"

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

const Word = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff }))
const Dscp = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 63 }))
const Priority = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 7 }))

/**
 * Schema of a rule for what comes in with a code point: the code points and priorities with which it goes on.
 *
 * **Example** (Marking telephony down where there is too much of it)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * const rule = { inbound: 46, conforming: 46, nonConforming: 0, conformingPriority: 6, nonConformingPriority: 0 }
 * Schema.is(Qos.DiffServRule)(rule) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const DiffServRule = Schema.Struct({
  inbound: Dscp,
  conforming: Dscp,
  nonConforming: Dscp,
  conformingPriority: Priority,
  nonConformingPriority: Priority
})

/**
 * A rule for what comes in with a code point.
 *
 * @category models
 * @since 0.1.0
 */
export type DiffServRule = typeof DiffServRule.Type

/**
 * Schema of what is known of a path: hops that keep flows apart, bytes a second, microseconds, bytes of a packet, and flags
 * (1: a hop on the way keeps no flows apart).
 *
 * **Example** (Describing a path)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * const path = { hopCount: 3, bandwidth: 125_000, minimumLatency: 900, pathMtu: 1500, flags: 0 }
 * Schema.is(Qos.AdParameters)(path) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const AdParameters = Schema.Struct({
  hopCount: Word,
  bandwidth: Word,
  minimumLatency: Word,
  pathMtu: Word,
  flags: Word
})

/**
 * What is known of a path.
 *
 * @category models
 * @since 0.1.0
 */
export type AdParameters = typeof AdParameters.Type

/**
 * Schema of what is known of a path for one kind of service: its number, what differs from the path in general, and its own
 * parameters, which are kept as bytes.
 *
 * **Example** (Describing a path for guaranteed service)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * const overrides = { hopCount: 3, bandwidth: 125_000, minimumLatency: 900, pathMtu: 1500, flags: 0 }
 * Schema.is(Qos.AdService)({ service: 3, overrides, parameters: new Uint8Array(16) }) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const AdService = Schema.Struct({ service: Word, overrides: AdParameters, parameters: Schema.Uint8Array })

/**
 * What is known of a path for one kind of service.
 *
 * @category models
 * @since 0.1.0
 */
export type AdService = typeof AdService.Type

/**
 * Schema of an element of policy: its type from 1 to 65535 (0 is reserved), and at most 65531 bytes.
 *
 * **Example** (Naming an application)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.is(Qos.PolicyElement)({ type: 3, info: new TextEncoder().encode("app") }) // => true
 * Schema.is(Qos.PolicyElement)({ type: 0, info: new Uint8Array(0) }) // => false
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const PolicyElement = Schema.Struct({
  type: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 0xffff })),
  info: Schema.Uint8Array.check(Schema.makeFilter((info: Uint8Array) => info.length <= 0xffff - 4))
})

/**
 * An element of policy.
 *
 * @category models
 * @since 0.1.0
 */
export type PolicyElement = typeof PolicyElement.Type

/**
 * Schema of an object of the provider-specific part of a QOS.
 *
 * **Details**
 *
 * | object | type | what it says |
 * | --- | --- | --- |
 * | `SdMode` | 2002 | what becomes of what is beyond the rate: it waits (`"shape"`), is dropped (`"discard"`), or goes as the rest of the network likes (`"borrow"`, `"borrowPlus"`) |
 * | `ShapingRate` | 2003 | bytes a second that are never exceeded, as a peak |
 * | `DsClass` | 4001 | the code point of what is sent; it wins over the marking table |
 * | `TrafficClass` | 4002 | the 802.1 priority of what is sent |
 * | `DiffServ` | 4003 | how what comes in with a code point goes on |
 * | `TcpTraffic` | 4004 | marked as the machine marks TCP: `DsClass` and `TrafficClass` do not count |
 * | `FriendlyName` | 4005 | a name for the flow, of at most 255 UTF-16 units, without NUL |
 * | `StatusInfo` | 1000 | how a reservation stands |
 * | `ReserveInfo` | 1001 | the style of a reservation; `rest` is what follows, which in C holds pointers |
 * | `AdSpec` | 1002 | what is known of the path |
 * | `PolicyInfo` | 1003 | elements of policy |
 * | `Other` | any other | its bytes, untouched: among them DESTADDR (2004), which holds a pointer, and FILTERSPEC_LIST (1004), whose form is published nowhere |
 *
 * **Example** (Asking for a code point by name)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.is(Qos.QosObject)({ _tag: "DsClass", dsField: Qos.dscp.EF }) // => true
 * Schema.is(Qos.QosObject)({ _tag: "DsClass", dsField: 64 }) // => false
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const QosObject = Schema.Union([
  Schema.TaggedStruct("SdMode", { mode: Schema.Literals(Objects.sdModes) }),
  Schema.TaggedStruct("ShapingRate", { rate: Word }),
  Schema.TaggedStruct("DsClass", { dsField: Dscp }),
  Schema.TaggedStruct("TrafficClass", { trafficClass: Priority }),
  Schema.TaggedStruct("DiffServ", { rules: Schema.Array(DiffServRule) }),
  Schema.TaggedStruct("TcpTraffic", {}),
  Schema.TaggedStruct("FriendlyName", {
    name: Schema.String.check(Schema.makeFilter((name: string) => name.length < 256 && !name.includes("\0")))
  }),
  Schema.TaggedStruct("StatusInfo", { status: Word, extended1: Word, extended2: Word }),
  Schema.TaggedStruct("ReserveInfo", {
    style: Schema.Literals(Objects.styles),
    confirmRequest: Word,
    rest: Schema.Uint8Array
  }),
  Schema.TaggedStruct("AdSpec", { general: AdParameters, services: Schema.Array(AdService) }),
  Schema.TaggedStruct("PolicyInfo", { elements: Schema.Array(PolicyElement) }),
  Schema.TaggedStruct("Other", {
    type: Word.check(Schema.makeFilter((type: number) => !Objects.isOwnType(type))),
    body: Schema.Uint8Array
  })
])

/**
 * An object of the provider-specific part of a QOS.
 *
 * @category models
 * @since 0.1.0
 */
export type QosObject = typeof QosObject.Type

/**
 * What can be wrong with the provider-specific part of a QOS.
 *
 * @category errors
 * @since 0.1.0
 */
export type ObjectsError = WsaError.Instance<Objects.ObjectCode>

/**
 * What can be wrong with a flow specification that is read from bytes.
 *
 * @category errors
 * @since 0.1.0
 */
export type FlowSpecError = WsaError.Instance<Flows.FlowCode>

/**
 * What can be wrong with a quality of service that is asked for: what {@link check} finds, and the layers fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type QosError = FlowSpecError | ObjectsError

const errorOf = <C extends WsaError.QosErrorCode>({ detail, fault, path }: Fault<C>): WsaError.Instance<C> =>
  WsaError.make(fault, { call: "WSAConnect", stage: "request", path, detail }) as WsaError.Instance<C>

const resultOf = <A extends object, C extends WsaError.QosErrorCode>(
  read: A | Fault<C>
): Result.Result<A, WsaError.Instance<C>> => isFault(read) ? Result.fail(errorOf(read)) : Result.succeed(read)

const oneOf = (names: ReadonlyArray<string>): string => names.map((name) => JSON.stringify(name)).join(", ")

// A value as it is told in a sentence: shortly, whatever it is.
const show = (value: unknown): string =>
  typeof value === "string"
    ? JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
    : typeof value === "number" || typeof value === "boolean" || value === undefined || value === null
    ? String(value)
    : Array.isArray(value)
    ? "an array"
    : `a ${typeof value}`

const wholeNumber = "a whole number from 0 to 4294967294 (4294967295 is QOS_NOT_SPECIFIED: leave the field out)"

const flowFields = (Object.keys(FlowSpec.fields) as Array<keyof FlowSpec>).map((field) => ({
  field,
  accepts: Schema.is(FlowSpec.fields[field]),
  code: field === "serviceType" || field === "noTrafficControl" || field === "noQosSignaling"
    ? "WSA_QOS_ESERVICETYPE" as const
    : "WSA_QOS_EFLOWSPEC" as const,
  right: field === "serviceType"
    ? oneOf(ServiceType.literals)
    : field === "noTrafficControl" || field === "noQosSignaling"
    ? "true or false"
    : field === "peakBandwidth"
    ? `${wholeNumber}, or "infinite", which is 4294967294`
    : wholeNumber
}))

const isRecord = (u: unknown): u is { readonly [key: string]: unknown } => typeof u === "object" && u !== null

const flowShapeFault = (path: Path, flow: unknown): Fault<Flows.FlowCode> | undefined => {
  if (!isRecord(flow)) return fault("WSA_QOS_EFLOWSPEC", path, `is ${show(flow)}; it has to be a flow, or absent`)
  for (const { accepts, code, field, right } of flowFields) {
    if ((field === "serviceType" || field in flow) && !accepts(flow[field])) {
      return fault(code, [...path, field], `is ${show(flow[field])}; it has to be ${right}`)
    }
  }
  return undefined
}

const shapeFault = (qos: unknown): Fault<Flows.FlowCode | "WSA_QOS_EPROVSPECBUF"> | undefined => {
  if (!isRecord(qos)) return fault("WSA_QOS_EFLOWSPEC", [], `is ${show(qos)}; it has to be a record of flows`)
  for (const direction of ["sending", "receiving"] as const) {
    const wrong = direction in qos ? flowShapeFault([direction], qos[direction]) : undefined
    if (wrong !== undefined) return wrong
  }
  return !("providerSpecific" in qos) || qos["providerSpecific"] instanceof Uint8Array
    ? undefined
    : fault("WSA_QOS_EPROVSPECBUF", ["providerSpecific"], `is ${show(qos["providerSpecific"])}; it has to be bytes`)
}

/**
 * Tells what is wrong with a quality of service: the first thing, with its place and what would be right.
 *
 * **Details**
 *
 * | code | what is wrong |
 * | --- | --- |
 * | WSA_QOS_ESERVICETYPE | no such kind of service, or not in this direction; a flag that is neither true nor false |
 * | WSA_QOS_EFLOWSPEC | a number that is none, or out of range; fields that contradict each other |
 * | WSA_QOS_EPROVSPECBUF | a provider-specific part that is no list of objects |
 * | WSA_QOS_EOBJLENGTH | an object whose length cannot be |
 * | WSA_QOS_BAD_OBJECT | an object with a value out of range, or a second one of its kind |
 * | WSA_QOS_ESDMODEOBJ, WSA_QOS_ESHAPERATEOBJ | `SdMode`, `ShapingRate` of no such mode, without or against the rate |
 * | WSA_QOS_EFILTERSTYLE | `ReserveInfo` of no such style |
 * | WSA_QOS_EPOLICYOBJ, WSA_QOS_RESERVED_PETYPE | `PolicyInfo` with an element that cannot be |
 *
 * Rules that fields keep together: sending, `"controlledLoad"`, `"guaranteed"` and `"generalInformation"` state a token
 * rate, and receiving, `"guaranteed"` does; no rate, bucket or largest piece is 0; the peak is not below the token rate; the
 * bucket holds the largest piece; the minimum policed size is above neither; the delay variation is not above the latency.
 * `"networkUnavailable"` is never asked for, and `"generalInformation"` by senders only.
 *
 * The `path` of the error leads to the field. An object of a type that nobody knows is no error (R18).
 *
 * **Example** (Finding the bad field)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 *
 * const error = Qos.check({ sending: { serviceType: "guaranteed", tokenRate: 16_000, peakBandwidth: 8_000 } })
 * error?._tag // => "WSA_QOS_EFLOWSPEC"
 * error?.path // => ["sending", "peakBandwidth"]
 * error?.detail // => "sending.peakBandwidth is 8000; it has to be the tokenRate, 16000, or more"
 * ```
 *
 * @category error handling
 * @since 0.1.0
 */
export const check = (qos: Qos): QosError | undefined => {
  const wrong = shapeFault(qos) ?? Relations.qosFault(qos)
  return wrong === undefined ? undefined : errorOf(wrong)
}

// The QOS as a layer keeps it: what the caller does to its own afterwards does not reach it (R27).
const checked = (qos: Qos): Effect.Effect<Qos, QosError> =>
  Effect.suspend(() => {
    const wrong = check(qos)
    return wrong === undefined ? Effect.succeed(copyOf(qos)) : Effect.fail(wrong)
  })

const copyOf = ({ providerSpecific, receiving, sending }: Qos): Qos => ({
  ...(sending === undefined ? undefined : { sending: { ...sending } }),
  ...(receiving === undefined ? undefined : { receiving: { ...receiving } }),
  ...(providerSpecific === undefined ? undefined : { providerSpecific: new Uint8Array(providerSpecific) })
})

/**
 * Schema of a quality of service in which {@link check} finds nothing wrong; its issues have the path and the sentence.
 *
 * **Example** (Refusing a peak below the rate)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.is(Qos.Sound)({ sending: { serviceType: "bestEffort", tokenRate: 2, peakBandwidth: 1 } }) // => false
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Sound = Qos.check(Schema.makeFilter((qos: Qos) => {
  const wrong = Relations.qosFault(qos)
  return wrong === undefined ? undefined : { path: wrong.path, issue: `${wrong.fault}: ${wrong.detail}` }
}))

/**
 * Reads the objects of the provider-specific part of a QOS; none where there are no bytes (R18).
 *
 * **Details**
 *
 * The list has to end with QOS_OBJECT_END_OF_LIST, which is not among what is returned, and the bytes with it. What is
 * returned holds copies, and no more bytes than were given.
 *
 * **Example** (Reading a code point)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Result } from "effect"
 *
 * const bytes = Uint8Array.of(0xa1, 0x0f, 0, 0, 12, 0, 0, 0, 46, 0, 0, 0, 0xd1, 7, 0, 0, 8, 0, 0, 0)
 * Result.getOrThrow(Qos.objects(bytes)) // => [{ _tag: "DsClass", dsField: 46 }]
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const objects = (bytes: Uint8Array | undefined): Result.Result<ReadonlyArray<QosObject>, ObjectsError> =>
  bytes === undefined || bytes.length === 0 ? Result.succeed([]) : resultOf(Objects.readObjects(bytes, []))

/**
 * Reads the objects of the provider-specific part of a QOS as {@link objects} does, and fails with WSA_QOS_EUNKNOWNPSOBJ for
 * one of a type that nobody knows.
 *
 * **When to use**
 *
 * Use where every object has to be understood, as by a provider that is to honour them.
 *
 * **Example** (Refusing what nobody knows)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Result } from "effect"
 *
 * const bytes = Qos.encodeObjects([{ _tag: "Other", type: 77, body: new Uint8Array(2) }])
 * const read = Result.flatMap(bytes, Qos.knownObjects)
 * Result.isFailure(read) && read.failure._tag // => "WSA_QOS_EUNKNOWNPSOBJ"
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const knownObjects = (
  bytes: Uint8Array | undefined
): Result.Result<ReadonlyArray<QosObject>, ObjectsError | WsaError.WSA_QOS_EUNKNOWNPSOBJ> =>
  bytes === undefined || bytes.length === 0 ? Result.succeed([]) : resultOf(Objects.readObjects(bytes, [], "refuse"))

const acceptObjects = Schema.decodeUnknownResult(Schema.toType(Schema.Array(QosObject)))
const describe = SchemaIssue.makeFormatterStandardSchemaV1()
const keyOf = (key: PropertyKey): string | number => typeof key === "number" ? key : String(key)

/**
 * Writes the objects of the provider-specific part of a QOS, and the end of their list.
 *
 * **Details**
 *
 * An object that is none fails with WSA_QOS_BAD_OBJECT, whose `path` begins with its place in the list.
 *
 * **Example** (Asking for a code point)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Result } from "effect"
 *
 * const providerSpecific = Result.getOrThrow(Qos.encodeObjects([{ _tag: "DsClass", dsField: Qos.dscp.EF }]))
 * Qos.markOf({ sending: { serviceType: "bestEffort" }, providerSpecific }, Qos.windows) // => 46
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeObjects = (
  list: ReadonlyArray<QosObject>
): Result.Result<Uint8Array, WsaError.WSA_QOS_BAD_OBJECT> => {
  const accepted = acceptObjects(list)
  if (Result.isSuccess(accepted)) return Result.succeed(Objects.writeObjects(accepted.success))
  const { message, path = [] } = describe(accepted.failure.issue).issues[0]!
  const keys = path.map((key) => typeof key === "object" ? key.key : key)
  return Result.fail(errorOf(fault("WSA_QOS_BAD_OBJECT", keys.map(keyOf), `is wrong: ${message}`)))
}

/**
 * Reads a FLOWSPEC: 32 bytes, eight numbers, little endian.
 *
 * **Details**
 *
 * Any number is read but for the service type: an unknown one, or unknown flags, fail with WSA_QOS_ESERVICETYPE. Which
 * fields go together is not looked at; {@link check} does.
 *
 * **Example** (Reading what a C program has written)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Result } from "effect"
 *
 * const bytes = new Uint8Array(32).fill(0xff)
 * bytes.set([2, 0, 0, 0], 20)
 * Result.getOrThrow(Qos.decodeFlowSpec(bytes)) // => { serviceType: "controlledLoad" }
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeFlowSpec = (bytes: Uint8Array): Result.Result<FlowSpec, FlowSpecError> =>
  resultOf(Flows.readFlow(bytes))

/**
 * Writes a FLOWSPEC: 32 bytes, or fails with the field that is wrong.
 *
 * **Details**
 *
 * An absent field is written as QOS_NOT_SPECIFIED. A flag that is `false` is read back as absent.
 *
 * **Example** (Writing the flow of a fresh socket)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Result } from "effect"
 *
 * const bytes = Result.getOrThrow(Qos.encodeFlowSpec({ serviceType: "noChange" }))
 * bytes.subarray(18, 26) // => Uint8Array.of(255, 255, 6, 0, 0, 0, 255, 255)
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeFlowSpec = (flow: FlowSpec): Result.Result<Uint8Array, FlowSpecError> => {
  const wrong = flowShapeFault([], flow)
  return wrong === undefined ? Result.succeed(Flows.writeFlow(flow)) : Result.fail(errorOf(wrong))
}

/**
 * Reads a QOS that stands on its own: the FLOWSPEC of sending, that of receiving, the length of the provider-specific part in
 * four bytes, and that part.
 *
 * **Details**
 *
 * A direction whose 32 bytes are all 255 is absent. The provider-specific part is always there, empty where there is none
 * (R18), and is not looked into: see {@link objects}.
 *
 * Bytes that end too early, or go on too long, fail with WSA_QOS_EFLOWSPEC within the flows, and with WSA_QOS_EPROVSPECBUF
 * after them.
 *
 * **Example** (Reading what was written)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Result } from "effect"
 *
 * const bytes = Result.getOrThrow(Qos.encode({ sending: { serviceType: "guaranteed", tokenRate: 16_000 } }))
 * const read = Result.getOrThrow(Qos.decode(bytes))
 * read // => { sending: { serviceType: "guaranteed", tokenRate: 16000 }, providerSpecific: new Uint8Array(0) }
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (
  bytes: Uint8Array
): Result.Result<Qos, FlowSpecError | WsaError.WSA_QOS_EPROVSPECBUF> => resultOf(Flows.readQos(bytes))

/**
 * Writes a QOS so that it stands on its own: 68 bytes, and its provider-specific part; or fails with the field that is wrong.
 *
 * **Example** (Writing a QOS)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Result } from "effect"
 *
 * Result.getOrThrow(Qos.encode({})).length // => 68
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (qos: Qos): Result.Result<Uint8Array, FlowSpecError | WsaError.WSA_QOS_EPROVSPECBUF> => {
  const wrong = shapeFault(qos)
  return wrong === undefined ? Result.succeed(Flows.writeQos(qos)) : Result.fail(errorOf(wrong))
}

const issueOf = (error: QosError): SchemaIssue.Issue => {
  const issue = new SchemaIssue.InvalidValue({ message: `${error._tag}: ${error.detail}` })
  return error.path === undefined || error.path.length === 0 ? issue : new SchemaIssue.Pointer(error.path, issue)
}

const asSchema = <A>(
  read: (bytes: Uint8Array) => Result.Result<A, QosError>,
  write: (value: A) => Result.Result<Uint8Array, QosError>
) =>
  SchemaTransformation.transformEffect<A, Uint8Array>({
    decode: (bytes) => Effect.fromResult(Result.mapError(read(bytes), issueOf)),
    encode: (value) => Effect.fromResult(Result.mapError(write(value), issueOf))
  })

/**
 * Schema of a FLOWSPEC in bytes, see {@link decodeFlowSpec} and {@link encodeFlowSpec}.
 *
 * **Example** (Reading a flow within a larger schema)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * const bytes = Schema.encodeSync(Qos.FlowSpecFromBytes)({ serviceType: "bestEffort", tokenRate: 7 })
 * Schema.decodeSync(Qos.FlowSpecFromBytes)(bytes) // => { serviceType: "bestEffort", tokenRate: 7 }
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlowSpecFromBytes: Schema.Codec<FlowSpec, Uint8Array> = Schema.Uint8Array.pipe(
  Schema.decodeTo(FlowSpec, asSchema(decodeFlowSpec, encodeFlowSpec))
)

/**
 * Schema of a QOS in bytes, see {@link decode} and {@link encode}.
 *
 * **Example** (Sending a QOS across JSON)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * const json = Schema.toCodecJson(Qos.QosFromBytes)
 * const sent = Schema.encodeSync(json)({ sending: { serviceType: "guaranteed", tokenRate: 16_000 } })
 * typeof sent // => "string"
 * Schema.decodeSync(json)(sent).sending?.tokenRate // => 16000
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const QosFromBytes: Schema.Codec<Qos, Uint8Array> = Schema.Uint8Array.pipe(
  Schema.decodeTo(Qos, asSchema(decode, encode))
)

/**
 * Schema of the provider-specific part of a QOS in bytes, see {@link objects} and {@link encodeObjects}.
 *
 * **Details**
 *
 * No bytes are no list: they fail with WSA_QOS_EPROVSPECBUF.
 *
 * **Example** (Reading objects within a larger schema)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * const bytes = Schema.encodeSync(Qos.ObjectsFromBytes)([{ _tag: "TcpTraffic" }])
 * Schema.decodeSync(Qos.ObjectsFromBytes)(bytes) // => [{ _tag: "TcpTraffic" }]
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const ObjectsFromBytes: Schema.Codec<ReadonlyArray<QosObject>, Uint8Array> = Schema.Uint8Array.pipe(
  Schema.decodeTo(Schema.Array(QosObject), asSchema((bytes) => resultOf(Objects.readObjects(bytes, [])), encodeObjects))
)

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
 * Sets the quality of service of every WSAConnect below, or fails with what {@link check} finds wrong.
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
export const layer = (qos: Qos): Layer.Layer<never, QosError> => Layer.effect(SocketQos, checked(qos))

/**
 * Sets the quality of service of the groups that sockets have created, of every WSAConnect below, or fails with what
 * {@link check} finds wrong.
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
export const layerGroup = (qos: Qos): Layer.Layer<never, QosError> => Layer.effect(GroupQos, checked(qos))

const configNames = {
  serviceType: "SERVICE_TYPE",
  tokenRate: "TOKEN_RATE",
  tokenBucketSize: "TOKEN_BUCKET_SIZE",
  peakBandwidth: "PEAK_BANDWIDTH",
  latency: "LATENCY",
  delayVariation: "DELAY_VARIATION",
  maxSduSize: "MAX_SDU_SIZE",
  minimumPolicedSize: "MINIMUM_POLICED_SIZE",
  noTrafficControl: "NO_TRAFFIC_CONTROL",
  noQosSignaling: "NO_QOS_SIGNALING"
} as const satisfies { readonly [K in keyof FlowSpec]-?: string }

// What is no number and no truth value goes on as it is, and the check says where it stands and what it should be.
const valueOf = (text: string): unknown =>
  /^\d+$/.test(text) ? Number(text) : text === "true" ? true : text === "false" ? false : text

const given = (name: string): Config.Config<Option.Option<string>> => Config.option(Config.String(name))

const configOf = (name: string): Config.Config<{ [key: string]: unknown }> =>
  Config.map(
    Config.all(Object.fromEntries(Object.entries(configNames).map(([field, key]) => [field, given(key)]))).pipe(
      Config.nested(name)
    ),
    (fields) =>
      Object.fromEntries(
        Object.entries(fields).flatMap(([field, text]) => Option.isSome(text) ? [[field, valueOf(text.value)]] : [])
      )
  )

/**
 * Sets the quality of service of every WSAConnect below to what the configuration says; to none where it says nothing.
 *
 * **Details**
 *
 * The names, below `QOS` or the name that is given:
 *
 * | name | what it says |
 * | --- | --- |
 * | `QOS_TEMPLATE` | the name of one of {@link templates}, from which the fields below may differ |
 * | `QOS_SENDING_SERVICE_TYPE` | the kind of service; and so on for receiving |
 * | `QOS_SENDING_TOKEN_RATE` | a number; likewise `TOKEN_BUCKET_SIZE`, `LATENCY`, `DELAY_VARIATION`, `MAX_SDU_SIZE`, `MINIMUM_POLICED_SIZE` |
 * | `QOS_SENDING_PEAK_BANDWIDTH` | a number, or `infinite` |
 * | `QOS_SENDING_NO_TRAFFIC_CONTROL` | `true` or `false`; likewise `NO_QOS_SIGNALING` |
 * | `QOS_PROVIDER_SPECIFIC` | objects for the provider, in base64 |
 *
 * What is wrong there fails with what {@link check} finds; a source that cannot be read fails with a `ConfigError`.
 *
 * **Example** (Asking for what the environment says)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 * import { ConfigProvider, Effect, Layer } from "effect"
 *
 * const env = { QOS_SENDING_SERVICE_TYPE: "guaranteed", QOS_SENDING_TOKEN_RATE: "16000" }
 * const program = Effect.service(Qos.SocketQos).pipe(
 *   Effect.provide(Qos.layerConfig().pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))))
 * )
 * await Effect.runPromise(program) // => { sending: { serviceType: "guaranteed", tokenRate: 16000 } }
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (name = "QOS"): Layer.Layer<never, QosError | Config.ConfigError> =>
  Layer.effect(
    SocketQos,
    Effect.flatMap(
      Config.all({
        named: given("TEMPLATE"),
        sending: configOf("SENDING"),
        receiving: configOf("RECEIVING"),
        providerSpecific: given("PROVIDER_SPECIFIC")
      }).pipe(Config.nested(name)),
      ({ named, providerSpecific, receiving, sending }): Effect.Effect<Qos | undefined, QosError> => {
        const base: Qos | undefined = Option.match(named, { onNone: () => ({}), onSome: template })
        if (base === undefined) {
          const words = `is ${show(Option.getOrUndefined(named))}; it has to be ${oneOf(Object.keys(templates))}`
          return Effect.fail(errorOf(fault("WSA_QOS_EFLOWSPEC", ["template"], words)))
        }
        const flow = (way: "sending" | "receiving", fields: object) => {
          const flow = { ...base[way], ...fields }
          return Object.keys(flow).length === 0 ? undefined : { [way]: flow }
        }
        const qos: Qos = {
          ...flow("sending", sending),
          ...flow("receiving", receiving),
          // What is no base64 goes on as it is, and is then found to be no bytes.
          ...Option.match(providerSpecific, {
            onNone: () => undefined,
            onSome: (text): any => ({ providerSpecific: Result.getOrElse(Base64.decode(text), () => text) })
          })
        }
        return Object.keys(qos).length === 0 ? Effect.succeed(undefined) : checked(qos)
      }
    )
  )

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
 * What a flow is held to: a bucket that fills at the token rate, and one that fills at the peak.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shape {
  /** Bytes a second in the long run. */
  readonly tokenRate: number
  /** Bytes that may go at once after a pause. */
  readonly tokenBucketSize: number
  /** Bytes a second at most; `undefined` without a limit. */
  readonly peakBandwidth: number | undefined
  /** The largest piece that goes at once; `undefined` where none is stated. */
  readonly maxSduSize: number | undefined
  /** Smaller pieces count as this much. */
  readonly minimumPolicedSize: number
  /** What happens to the excess: it waits, it is dropped, or it goes all the same. */
  readonly mode: "shape" | "discard" | "borrow"
}

const objectIn = <T extends QosObject["_tag"]>(
  objects: ReadonlyArray<QosObject>,
  tag: T
): Extract<QosObject, { readonly _tag: T }> | undefined =>
  objects.find((object): object is Extract<QosObject, { readonly _tag: T }> => object._tag === tag)

const minOf = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? a ?? b : Math.min(a, b)

/**
 * Tells what a flow is held to; `undefined` where it states no rate, carries nothing, or wants no traffic control.
 *
 * **Details**
 *
 * Any kind of service is held to the rate that it states. A bucket that is not stated holds what goes in a hundredth of a
 * second, and a packet of 1500 bytes, the largest piece and the minimum policed size at least.
 *
 * Of the objects, `SdMode` chooses the mode, `"shape"` where there is none. `ShapingRate` is a peak, and the rate of a flow
 * that states none.
 *
 * **Example** (Holding a flow to its rate)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 *
 * const shape = Qos.shapeOf({ serviceType: "bestEffort", tokenRate: 1_000_000 })
 * shape?.tokenBucketSize // => 10000
 * Qos.shapeOf({ serviceType: "qualitative" }) // => undefined
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const shapeOf = (flow: FlowSpec, objects: ReadonlyArray<QosObject> = []): Shape | undefined => {
  const { maxSduSize, minimumPolicedSize = 0 } = flow
  const stated = flow.peakBandwidth === "infinite" ? undefined : flow.peakBandwidth
  const shaping = objectIn(objects, "ShapingRate")?.rate
  const peakBandwidth = minOf(stated, shaping)
  const tokenRate = flow.tokenRate ?? (shaping === undefined ? undefined : peakBandwidth)
  if (tokenRate === undefined || flow.noTrafficControl === true || flow.serviceType === "noTraffic") return undefined
  const mode = objectIn(objects, "SdMode")?.mode ?? "shape"
  return {
    tokenRate,
    tokenBucketSize: flow.tokenBucketSize ??
      Math.max(Math.ceil(tokenRate / 100), maxSduSize ?? 1500, minimumPolicedSize),
    peakBandwidth,
    maxSduSize,
    minimumPolicedSize,
    mode: mode === "borrowPlus" ? "borrow" : mode
  }
}

/**
 * Tells the code point of what is sent under a quality of service; `undefined` where nothing is to be marked.
 *
 * **Details**
 *
 * A `DsClass` among the objects wins over the table, also over 0. A code point that the table has is given where it is not
 * 0, as 0 is what unmarked packets have. Nothing is marked under `noTrafficControl`, or with a `TcpTraffic` object.
 *
 * **Example** (Marking by either table)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 *
 * const qos: Qos.Qos = { sending: { serviceType: "guaranteed", tokenRate: 16_000 } }
 * Qos.markOf(qos, Qos.windows) // => 40
 * Qos.markOf(qos, Qos.rfc4594) // => 46
 * Qos.markOf({ sending: { serviceType: "bestEffort" } }, Qos.windows) // => undefined
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const markOf = (qos: Qos, table: MarkingTable): number | undefined => {
  if (qos.sending?.noTrafficControl === true) return undefined
  // What cannot be read was never accepted; here it names no code point.
  const list = Result.getOrElse(objects(qos.providerSpecific), (): ReadonlyArray<QosObject> => [])
  if (objectIn(list, "TcpTraffic") !== undefined) return undefined
  const stated = objectIn(list, "DsClass")?.dsField
  if (stated !== undefined || qos.sending === undefined) return stated
  return table.dscp[qos.sending.serviceType] || undefined
}

/**
 * The names of the templates.
 *
 * @category models
 * @since 0.1.0
 */
export type TemplateName =
  | "G711"
  | "G723.1"
  | "G729"
  | "H263QCIF"
  | "H263CIF"
  | "H261QCIF"
  | "H261CIF"
  | "GSM6.10"

const both = (flow: FlowSpec): Qos => ({ sending: flow, receiving: flow })

const rtpHeader = 12

/** A codec that sends a packet of the same size again and again: two packets of credit, twice the rate at most. */
const voice = (payload: number, millis: number): Qos => {
  const packet = payload + rtpHeader
  const tokenRate = Math.ceil((packet * 1000) / millis)
  return both({
    serviceType: "guaranteed",
    tokenRate,
    tokenBucketSize: 2 * packet,
    peakBandwidth: 2 * tokenRate,
    maxSduSize: packet,
    minimumPolicedSize: packet
  })
}

/** A codec that sends pictures in packets of a kilobyte: the largest coded picture of credit, twice the rate at most. */
const video = (bitRate: number, picture: number): Qos => {
  const payload = 1024
  const packet = payload + 4 + rtpHeader
  const tokenRate = Math.ceil((bitRate / 8) * (packet / payload))
  return both({
    serviceType: "controlledLoad",
    tokenRate,
    tokenBucketSize: (picture / payload) * packet,
    peakBandwidth: 2 * tokenRate,
    maxSduSize: packet
  })
}

/**
 * A quality of service for each codec of which Winsock has a template by name, the same in both directions.
 *
 * **Details**
 *
 * What Windows had installed under these names was never published. The numbers here follow from the codecs' own: the
 * bit rate and length of a frame, from RFC 3551 for voice; bit rate and largest coded picture, from H.261 (QCIF at
 * 1 × 64 kbit/s, CIF at 6 × 64 kbit/s) and from levels 10 and 30 of H.263 (64 and 384 kbit/s) for video. They count what is
 * sent on the socket: 12 bytes of RTP before each payload, and 4 more of the payload's header with video, but not the
 * headers of UDP and IP.
 *
 * | name | codec | packets | token rate |
 * | --- | --- | --- | --- |
 * | G711 | 64 kbit/s | 160 + 12 bytes every 20 ms | 8600 |
 * | G723.1 | 6.3 kbit/s | 24 + 12 bytes every 30 ms | 1200 |
 * | G729 | 8 kbit/s | 20 + 12 bytes every 20 ms | 1600 |
 * | GSM6.10 | 13.2 kbit/s | 33 + 12 bytes every 20 ms | 2250 |
 * | H261QCIF, H263QCIF | 64 kbit/s | 1024 + 16 bytes; a picture has 8 KiB at most | 8125 |
 * | H261CIF, H263CIF | 384 kbit/s | 1024 + 16 bytes; a picture has 32 KiB at most | 48750 |
 *
 * Voice asks for `"guaranteed"`, video for `"controlledLoad"`. No delay is stated: add the one that the call can bear.
 *
 * **Example** (Asking for a telephone call)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 *
 * Qos.templates.G711.sending?.tokenRate // => 8600
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const templates: { readonly [N in TemplateName]: Qos } = {
  "G711": voice(160, 20),
  "G723.1": voice(24, 30),
  "G729": voice(20, 20),
  "H263QCIF": video(64_000, 8 * 1024),
  "H263CIF": video(384_000, 32 * 1024),
  "H261QCIF": video(64_000, 8 * 1024),
  "H261CIF": video(384_000, 32 * 1024),
  "GSM6.10": voice(33, 20)
}

/**
 * Returns the template of a name, whichever way its letters are written, if there is one.
 *
 * **Example** (Looking a template up)
 *
 * ```ts import.meta.vitest
 * import { Qos } from "@effect-winsock/core"
 *
 * Qos.template("g723.1")?.sending?.tokenRate // => 1200
 * Qos.template("G722") // => undefined
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const template = (name: string): Qos | undefined => {
  const found = (Object.keys(templates) as Array<TemplateName>).find((own) => own === name.toUpperCase())
  return found === undefined ? undefined : templates[found]
}

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
