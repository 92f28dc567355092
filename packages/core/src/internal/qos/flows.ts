// FLOWSPEC and QOS, from bytes and to bytes, as the C structures lie in memory: eight numbers of 32 bits for a flow, little
// endian. The pointer of QOS is replaced by what it points to, so that the bytes stand on their own.
import type { FlowSpec, Qos, ServiceType } from "../../Qos.ts"
import { type Fault, fault, hex, isFault, type Path } from "./fault.ts"

export type FlowCode = "WSA_QOS_ESERVICETYPE" | "WSA_QOS_EFLOWSPEC"

const flowLength = 32
const qosHead = 2 * flowLength + 4

const notSpecified = 0xffff_ffff
const infinite = 0xffff_fffe
const noTrafficControl = 0x8100_0000
const noQosSignaling = 0x4000_0000
const flags = 0xc100_0000

const serviceTypes: { readonly [S in ServiceType]: number } = {
  noTraffic: 0,
  bestEffort: 1,
  controlledLoad: 2,
  guaranteed: 3,
  networkUnavailable: 4,
  generalInformation: 5,
  noChange: 6,
  networkControl: 10,
  qualitative: 13
}

const byNumber: ReadonlyMap<number, ServiceType> = new Map(
  (Object.keys(serviceTypes) as Array<ServiceType>).map((name) => [serviceTypes[name], name])
)

/** Where each number stands, in the order of the structure; the service type is the sixth. */
const numbers = [
  ["tokenRate", 0],
  ["tokenBucketSize", 4],
  ["peakBandwidth", 8],
  ["latency", 12],
  ["delayVariation", 16],
  ["maxSduSize", 24],
  ["minimumPolicedSize", 28]
] as const

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const flowAt = (view: DataView, at: number, path: Path): FlowSpec | Fault<"WSA_QOS_ESERVICETYPE"> => {
  const word = view.getUint32(at + 20, true)
  const serviceType = byNumber.get((word & ~flags) >>> 0)
  const control = (word & noTrafficControl) >>> 0
  if (serviceType === undefined || (control !== 0 && control !== noTrafficControl)) {
    return fault(
      "WSA_QOS_ESERVICETYPE",
      [...path, "serviceType"],
      `is ${hex(word)}; it has to be ${[...byNumber.keys()].join(", ")}, with the flags ${hex(noTrafficControl)} and ${
        hex(noQosSignaling)
      } or without`
    )
  }
  const flow: Mutable<FlowSpec> = { serviceType }
  for (const [field, offset] of numbers) {
    const value = view.getUint32(at + offset, true)
    if (value === notSpecified) continue
    if (field === "peakBandwidth") flow.peakBandwidth = value === infinite ? "infinite" : value
    else flow[field] = value
  }
  if (control !== 0) flow.noTrafficControl = true
  if ((word & noQosSignaling) !== 0) flow.noQosSignaling = true
  return flow
}

const writeFlowAt = (flow: FlowSpec, view: DataView, at: number): void => {
  for (const [field, offset] of numbers) {
    const value = flow[field] ?? notSpecified
    view.setUint32(at + offset, value === "infinite" ? infinite : value, true)
  }
  const word = serviceTypes[flow.serviceType] | (flow.noTrafficControl === true ? noTrafficControl : 0) |
    (flow.noQosSignaling === true ? noQosSignaling : 0)
  view.setUint32(at + 20, word >>> 0, true)
}

const cut = (path: Path, bytes: number): Fault<"WSA_QOS_EFLOWSPEC"> =>
  fault("WSA_QOS_EFLOWSPEC", path, `has ${bytes} bytes; a FLOWSPEC has ${flowLength}`)

export const readFlow = (bytes: Uint8Array): FlowSpec | Fault<FlowCode> =>
  bytes.length === flowLength ? flowAt(viewOf(bytes), 0, []) : cut([], bytes.length)

export const writeFlow = (flow: FlowSpec): Uint8Array => {
  const bytes = new Uint8Array(flowLength)
  writeFlowAt(flow, viewOf(bytes), 0)
  return bytes
}

const directions = ["sending", "receiving"] as const

const isAbsent = (bytes: Uint8Array, at: number): boolean => {
  for (let i = at; i < at + flowLength; i++) if (bytes[i] !== 0xff) return false
  return true
}

export const readQos = (bytes: Uint8Array): Qos | Fault<FlowCode | "WSA_QOS_EPROVSPECBUF"> => {
  const view = viewOf(bytes)
  const qos: Mutable<Qos> = {}
  for (const [index, direction] of directions.entries()) {
    const at = index * flowLength
    if (bytes.length < at + flowLength) return cut([direction], Math.max(0, bytes.length - at))
    if (isAbsent(bytes, at)) continue
    const flow = flowAt(view, at, [direction])
    if (isFault(flow)) return flow
    qos[direction] = flow
  }
  const left = bytes.length - qosHead
  if (left < 0) {
    return fault("WSA_QOS_EPROVSPECBUF", ["providerSpecific", "length"], `has ${left + 4} of its 4 bytes`)
  }
  const length = view.getUint32(qosHead - 4, true)
  if (length !== left) {
    return fault("WSA_QOS_EPROVSPECBUF", ["providerSpecific", "length"], `is ${length}, but ${left} bytes follow`)
  }
  qos.providerSpecific = new Uint8Array(bytes.subarray(qosHead))
  return qos
}

export const writeQos = (qos: Qos): Uint8Array => {
  const providerSpecific = qos.providerSpecific ?? new Uint8Array(0)
  const bytes = new Uint8Array(qosHead + providerSpecific.length)
  const view = viewOf(bytes)
  for (const [index, direction] of directions.entries()) {
    const flow = qos[direction]
    if (flow === undefined) bytes.fill(0xff, index * flowLength, (index + 1) * flowLength)
    else writeFlowAt(flow, view, index * flowLength)
  }
  view.setUint32(qosHead - 4, providerSpecific.length, true)
  bytes.set(providerSpecific, qosHead)
  return bytes
}
