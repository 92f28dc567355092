// The objects of the provider-specific part of a QOS, from bytes and to bytes: a list, each object with a head of eight
// bytes (its type, its length with the head), which ends with QOS_OBJECT_END_OF_LIST. All numbers are little endian.
//
// Lengths are believed only as far as there are bytes, and counts not at all: what is made of n bytes holds at most n
// bytes, and n / 8 objects.
import type { AdParameters, AdService, DiffServRule, PolicyElement, QosObject } from "../../Qos.ts"
import { type Fault, fault, hex, isFault, type Path } from "./fault.ts"

export type ObjectCode =
  | "WSA_QOS_BAD_OBJECT"
  | "WSA_QOS_EPROVSPECBUF"
  | "WSA_QOS_EFILTERSTYLE"
  | "WSA_QOS_EOBJLENGTH"
  | "WSA_QOS_EPOLICYOBJ"
  | "WSA_QOS_ESDMODEOBJ"
  | "WSA_QOS_ESHAPERATEOBJ"
  | "WSA_QOS_RESERVED_PETYPE"

type Faulty = Fault<ObjectCode>

const headLength = 8
const endOfList = 2001
const nameUnits = 256

export const sdModes = ["borrow", "shape", "discard", "borrowPlus"] as const
export const styles = ["default", "wildcard", "fixedFilter", "sharedExplicit"] as const

/** The body of an object, and where it stands in the list. */
interface Body {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly path: Path
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const u32 = (body: Body, at: number): number => body.view.getUint32(at, true)

const badLength = (path: Path, bytes: number, right: string): Faulty =>
  fault(
    "WSA_QOS_EOBJLENGTH",
    [...path, "length"],
    `is ${bytes + headLength}; it has to be ${right}, its head of 8 included`
  )

/** The one number of an object whose body is a number. */
const numberOf = ({ bytes, path, view }: Body): number | Faulty =>
  bytes.length === 4 ? view.getUint32(0, true) : badLength(path, bytes.length, "12")

const within = <A extends QosObject>(
  body: Body,
  field: string,
  maximum: number,
  make: (value: number) => A
): A | Faulty => {
  const value = numberOf(body)
  if (typeof value !== "number") return value
  return value <= maximum
    ? make(value)
    : fault("WSA_QOS_BAD_OBJECT", [...body.path, field], `is ${value}; it has to be from 0 to ${maximum}`)
}

const copy = (bytes: Uint8Array, from: number, to?: number): Uint8Array => new Uint8Array(bytes.subarray(from, to))

interface Kind<A extends QosObject> {
  readonly type: number
  readonly read: (body: Body) => A | Faulty
  /** How long the body is. */
  readonly size: (object: A) => number
  /** Writes the body from `at` on. */
  readonly write: (object: A, bytes: Uint8Array, view: DataView, at: number) => void
}

type Known = Exclude<QosObject["_tag"], "Other">
type Of<T extends QosObject["_tag"]> = Extract<QosObject, { readonly _tag: T }>

const sdMode: Kind<Of<"SdMode">> = {
  type: 2002,
  read: (body) => {
    const value = numberOf(body)
    if (typeof value !== "number") return value
    const mode = sdModes[value]
    return mode === undefined
      ? fault(
        "WSA_QOS_ESDMODEOBJ",
        [...body.path, "mode"],
        `is ${value}; it has to be from 0 to 3: ${sdModes.join(", ")}`
      )
      : { _tag: "SdMode", mode }
  },
  size: () => 4,
  write: ({ mode }, _, view, at) => view.setUint32(at, sdModes.indexOf(mode), true)
}

const shapingRate: Kind<Of<"ShapingRate">> = {
  type: 2003,
  read: (body) => {
    const rate = numberOf(body)
    return typeof rate === "number" ? { _tag: "ShapingRate", rate } : rate
  },
  size: () => 4,
  write: ({ rate }, _, view, at) => view.setUint32(at, rate, true)
}

const dsClass: Kind<Of<"DsClass">> = {
  type: 4001,
  read: (body) => within(body, "dsField", 63, (dsField) => ({ _tag: "DsClass", dsField })),
  size: () => 4,
  write: ({ dsField }, _, view, at) => view.setUint32(at, dsField, true)
}

const trafficClass: Kind<Of<"TrafficClass">> = {
  type: 4002,
  read: (body) => within(body, "trafficClass", 7, (trafficClass) => ({ _tag: "TrafficClass", trafficClass })),
  size: () => 4,
  write: ({ trafficClass }, _, view, at) => view.setUint32(at, trafficClass, true)
}

const ruleFields: ReadonlyArray<readonly [keyof DiffServRule, number]> = [
  ["inbound", 63],
  ["conforming", 63],
  ["nonConforming", 63],
  ["conformingPriority", 7],
  ["nonConformingPriority", 7]
]

const ruleAt = (bytes: Uint8Array, at: number, path: Path): DiffServRule | Faulty => {
  for (const [offset, [field, maximum]] of ruleFields.entries()) {
    const value = bytes[at + offset]!
    if (value > maximum) {
      return fault("WSA_QOS_BAD_OBJECT", [...path, field], `is ${value}; it has to be from 0 to ${maximum}`)
    }
  }
  return {
    inbound: bytes[at]!,
    conforming: bytes[at + 1]!,
    nonConforming: bytes[at + 2]!,
    conformingPriority: bytes[at + 3]!,
    nonConformingPriority: bytes[at + 4]!
  }
}

const diffServ: Kind<Of<"DiffServ">> = {
  type: 4003,
  read: (body) => {
    const { bytes, path } = body
    const count = (bytes.length - 4) / ruleFields.length
    if (bytes.length < 4 || u32(body, 0) !== count) {
      return badLength(path, bytes.length, "12, and 5 more for each rule that is counted")
    }
    const rules: Array<DiffServRule> = []
    for (let i = 0; i < count; i++) {
      const rule = ruleAt(bytes, 4 + i * ruleFields.length, [...path, "rules", i])
      if (isFault(rule)) return rule
      rules.push(rule)
    }
    return { _tag: "DiffServ", rules }
  },
  size: ({ rules }) => 4 + rules.length * ruleFields.length,
  write: ({ rules }, bytes, view, at) => {
    view.setUint32(at, rules.length, true)
    for (const [i, rule] of rules.entries()) {
      bytes.set(ruleFields.map(([field]) => rule[field]), at + 4 + i * ruleFields.length)
    }
  }
}

const tcpTraffic: Kind<Of<"TcpTraffic">> = {
  type: 4004,
  read: ({ bytes, path }) => bytes.length === 0 ? { _tag: "TcpTraffic" } : badLength(path, bytes.length, "8"),
  size: () => 0,
  write: () => {}
}

const friendlyName: Kind<Of<"FriendlyName">> = {
  type: 4005,
  read: ({ bytes, path, view }) => {
    if (bytes.length !== nameUnits * 2) return badLength(path, bytes.length, `${nameUnits * 2 + headLength}`)
    let name = ""
    let at = 0
    for (; at < nameUnits && view.getUint16(at * 2, true) !== 0; at++) {
      name += String.fromCharCode(view.getUint16(at * 2, true))
    }
    const end = at
    while (at < nameUnits && view.getUint16(at * 2, true) === 0) at++
    return end < nameUnits && at === nameUnits
      ? { _tag: "FriendlyName", name }
      : fault("WSA_QOS_BAD_OBJECT", [...path, "name"], "has to be followed by zeros, and by nothing else, to the end")
  },
  size: () => nameUnits * 2,
  write: ({ name }, _, view, at) => {
    for (let i = 0; i < name.length; i++) view.setUint16(at + i * 2, name.charCodeAt(i), true)
  }
}

const statusInfo: Kind<Of<"StatusInfo">> = {
  type: 1000,
  read: (body) =>
    body.bytes.length === 12
      ? { _tag: "StatusInfo", status: u32(body, 0), extended1: u32(body, 4), extended2: u32(body, 8) }
      : badLength(body.path, body.bytes.length, "20"),
  size: () => 12,
  write: ({ extended1, extended2, status }, _, view, at) => {
    view.setUint32(at, status, true)
    view.setUint32(at + 4, extended1, true)
    view.setUint32(at + 8, extended2, true)
  }
}

const reserveInfo: Kind<Of<"ReserveInfo">> = {
  type: 1001,
  read: (body) => {
    if (body.bytes.length < 8) return badLength(body.path, body.bytes.length, "16 or more")
    const style = styles[u32(body, 0)]
    return style === undefined
      ? fault(
        "WSA_QOS_EFILTERSTYLE",
        [...body.path, "style"],
        `is ${u32(body, 0)}; it has to be from 0 to 3: ${styles.join(", ")}`
      )
      : { _tag: "ReserveInfo", style, confirmRequest: u32(body, 4), rest: copy(body.bytes, 8) }
  },
  size: ({ rest }) => 8 + rest.length,
  write: ({ confirmRequest, rest, style }, bytes, view, at) => {
    view.setUint32(at, styles.indexOf(style), true)
    view.setUint32(at + 4, confirmRequest, true)
    bytes.set(rest, at + 8)
  }
}

const adLength = 20

const adParametersAt = (body: Body, at: number): AdParameters => ({
  hopCount: u32(body, at),
  bandwidth: u32(body, at + 4),
  minimumLatency: u32(body, at + 8),
  pathMtu: u32(body, at + 12),
  flags: u32(body, at + 16)
})

const writeAdParameters = (of: AdParameters, view: DataView, at: number): void => {
  view.setUint32(at, of.hopCount, true)
  view.setUint32(at + 4, of.bandwidth, true)
  view.setUint32(at + 8, of.minimumLatency, true)
  view.setUint32(at + 12, of.pathMtu, true)
  view.setUint32(at + 16, of.flags, true)
}

const serviceHead = 8 + adLength

const adSpec: Kind<Of<"AdSpec">> = {
  type: 1002,
  read: (body) => {
    const { bytes, path } = body
    if (bytes.length < adLength + 4) return badLength(path, bytes.length, `${headLength + adLength + 4} or more`)
    const services: Array<AdService> = []
    let at = adLength + 4
    while (at < bytes.length) {
      const left = bytes.length - at
      const length = left < serviceHead ? left : u32(body, at)
      if (length < serviceHead || length > left) {
        return fault(
          "WSA_QOS_EOBJLENGTH",
          [...path, "services", services.length, "length"],
          `is ${length}; it has to be ${serviceHead} or more, and within the ${left} bytes that are left`
        )
      }
      services.push({
        service: u32(body, at + 4),
        overrides: adParametersAt(body, at + 8),
        parameters: copy(bytes, at + serviceHead, at + length)
      })
      at += length
    }
    const counted = u32(body, adLength)
    return counted === services.length
      ? { _tag: "AdSpec", general: adParametersAt(body, 0), services }
      : fault("WSA_QOS_EOBJLENGTH", [...path, "services"], `are ${services.length}, but ${counted} are counted`)
  },
  size: ({ services }) => services.reduce((sum, { parameters }) => sum + serviceHead + parameters.length, adLength + 4),
  write: ({ general, services }, bytes, view, start) => {
    writeAdParameters(general, view, start)
    view.setUint32(start + adLength, services.length, true)
    let at = start + adLength + 4
    for (const { overrides, parameters, service } of services) {
      view.setUint32(at, serviceHead + parameters.length, true)
      view.setUint32(at + 4, service, true)
      writeAdParameters(overrides, view, at + 8)
      bytes.set(parameters, at + serviceHead)
      at += serviceHead + parameters.length
    }
  }
}

const elementHead = 4

const policyInfo: Kind<Of<"PolicyInfo">> = {
  type: 1003,
  read: (body) => {
    const { bytes, path, view } = body
    if (bytes.length < 4) return badLength(path, bytes.length, "12 or more")
    const elements: Array<PolicyElement> = []
    let at = 4
    while (at < bytes.length) {
      const here = [...path, "elements", elements.length]
      const left = bytes.length - at
      const length = left < elementHead ? left : view.getUint16(at, true)
      if (length < elementHead || length > left) {
        return fault(
          "WSA_QOS_EPOLICYOBJ",
          [...here, "length"],
          `is ${length}; it has to be ${elementHead} or more, and within the ${left} bytes that are left`
        )
      }
      const type = view.getUint16(at + 2, true)
      if (type === 0) return fault("WSA_QOS_RESERVED_PETYPE", [...here, "type"], "is 0, which is reserved")
      elements.push({ type, info: copy(bytes, at + elementHead, at + length) })
      at += length
    }
    const counted = u32(body, 0)
    return counted === elements.length
      ? { _tag: "PolicyInfo", elements }
      : fault("WSA_QOS_EPOLICYOBJ", [...path, "elements"], `are ${elements.length}, but ${counted} are counted`)
  },
  size: ({ elements }) => elements.reduce((sum, { info }) => sum + elementHead + info.length, 4),
  write: ({ elements }, bytes, view, start) => {
    view.setUint32(start, elements.length, true)
    let at = start + 4
    for (const { info, type } of elements) {
      view.setUint16(at, elementHead + info.length, true)
      view.setUint16(at + 2, type, true)
      bytes.set(info, at + elementHead)
      at += elementHead + info.length
    }
  }
}

const kinds: { readonly [T in Known]: Kind<Of<T>> } = {
  SdMode: sdMode,
  ShapingRate: shapingRate,
  DsClass: dsClass,
  TrafficClass: trafficClass,
  DiffServ: diffServ,
  TcpTraffic: tcpTraffic,
  FriendlyName: friendlyName,
  StatusInfo: statusInfo,
  ReserveInfo: reserveInfo,
  AdSpec: adSpec,
  PolicyInfo: policyInfo
}

const byType: ReadonlyMap<number, Kind<any>> = new Map(Object.values(kinds).map((kind) => [kind.type, kind]))

/** The types of which no object is `Other`: those that are decoded, and the end of the list. */
export const isOwnType = (type: number): boolean => type === endOfList || byType.has(type)

const listEnd = "the list has to end with QOS_OBJECT_END_OF_LIST (2001, 8), and with it the bytes"

interface ReadObjects {
  (bytes: Uint8Array, path: Path): ReadonlyArray<QosObject> | Faulty
  (bytes: Uint8Array, path: Path, unknown: "keep" | "refuse"):
    | ReadonlyArray<QosObject>
    | Fault<ObjectCode | "WSA_QOS_EUNKNOWNPSOBJ">
}

/** The objects of a list, without the one that ends it. */
export const readObjects: ReadObjects = (
  bytes: Uint8Array,
  path: Path,
  unknown: "keep" | "refuse" = "keep"
): ReadonlyArray<QosObject> | any => {
  const view = viewOf(bytes)
  const objects: Array<QosObject> = []
  let at = 0
  for (;;) {
    const here = [...path, objects.length]
    const left = bytes.length - at
    if (left < headLength) {
      return fault("WSA_QOS_EPROVSPECBUF", here, `has ${left} of the 8 bytes of a head; ${listEnd}`)
    }
    const type = view.getUint32(at, true)
    const length = view.getUint32(at + 4, true)
    if (length < headLength || length > left) {
      return fault(
        "WSA_QOS_EOBJLENGTH",
        [...here, "length"],
        `is ${length}; it has to be 8 or more, and within the ${left} bytes that are left`
      )
    }
    if (type === endOfList) {
      if (length !== headLength) return badLength(here, length - headLength, "8")
      return left === headLength
        ? objects
        : fault("WSA_QOS_EPROVSPECBUF", here, `is followed by ${left - headLength} bytes; ${listEnd}`)
    }
    const kind = byType.get(type)
    if (kind === undefined && unknown === "refuse") {
      return fault("WSA_QOS_EUNKNOWNPSOBJ", [...here, "type"], `is ${type} (${hex(type)}), which nobody knows`)
    }
    const object: QosObject | Faulty = kind === undefined
      ? { _tag: "Other", type, body: copy(bytes, at + headLength, at + length) }
      : kind.read(bodyOf(bytes, at, length, here))
    if (isFault(object)) return object
    objects.push(object)
    at += length
  }
}

const bodyOf = (bytes: Uint8Array, at: number, length: number, path: Path): Body => {
  const body = bytes.subarray(at + headLength, at + length)
  return { bytes: body, view: viewOf(body), path }
}

const sizeOf = (object: QosObject): number =>
  object._tag === "Other" ? object.body.length : (kinds[object._tag] as Kind<QosObject>).size(object)

/** The bytes of objects that their schema has accepted, with the end of the list. */
export const writeObjects = (objects: ReadonlyArray<QosObject>): Uint8Array => {
  const bytes = new Uint8Array(objects.reduce((sum, object) => sum + headLength + sizeOf(object), headLength))
  const view = viewOf(bytes)
  let at = 0
  for (const object of objects) {
    const size = sizeOf(object)
    view.setUint32(at + 4, headLength + size, true)
    if (object._tag === "Other") {
      view.setUint32(at, object.type, true)
      bytes.set(object.body, at + headLength)
    } else {
      const kind = kinds[object._tag] as Kind<QosObject>
      view.setUint32(at, kind.type, true)
      kind.write(object, bytes, view, at + headLength)
    }
    at += headLength + size
  }
  view.setUint32(at, endOfList, true)
  view.setUint32(at + 4, headLength, true)
  return bytes
}
