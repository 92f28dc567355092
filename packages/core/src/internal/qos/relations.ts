// Which fields of a QOS go together. What each may be on its own is said by the schemas of Qos.ts.
import type { FlowSpec, Qos, QosObject, ServiceType } from "../../Qos.ts"
import { type Fault, fault, isFault, type Path } from "./fault.ts"
import type { FlowCode } from "./flows.ts"
import { type ObjectCode, readObjects } from "./objects.ts"

type Direction = "sending" | "receiving"

const ratesNeeded: { readonly [D in Direction]: ReadonlySet<ServiceType> } = {
  sending: new Set(["controlledLoad", "guaranteed", "generalInformation"]),
  receiving: new Set(["guaranteed"])
}

const serviceFault = (direction: Direction, { serviceType }: FlowSpec): Fault<"WSA_QOS_ESERVICETYPE"> | undefined => {
  const wrong = (words: string) =>
    fault("WSA_QOS_ESERVICETYPE", [direction, "serviceType"], `is ${JSON.stringify(serviceType)}, which ${words}`)
  if (serviceType === "networkUnavailable") return wrong("is only ever told, and never asked for")
  if (serviceType === "generalInformation" && direction === "receiving") return wrong("only a sender can ask for")
  return undefined
}

/** Each line: the field that is blamed, whether the flow breaks the rule, and what is said of the field then. */
type Rule = readonly [
  field: keyof FlowSpec,
  broken: (flow: FlowSpec, direction: Direction) => boolean,
  words: (flow: FlowSpec) => string
]

const over = (a: number | undefined, b: number | undefined): boolean => a !== undefined && b !== undefined && a > b

const rules: ReadonlyArray<Rule> = [
  [
    "tokenRate",
    (flow, direction) => flow.tokenRate === undefined && ratesNeeded[direction].has(flow.serviceType),
    ({ serviceType }) => `is missing; ${JSON.stringify(serviceType)} in this direction has to state it`
  ],
  ["tokenRate", ({ tokenRate }) => tokenRate === 0, () => "is 0; it has to be 1 or more, or absent"],
  [
    "peakBandwidth",
    ({ peakBandwidth }) => peakBandwidth === 0,
    () => "is 0; it has to be 1 or more, \"infinite\", or absent"
  ],
  [
    "peakBandwidth",
    ({ peakBandwidth, tokenRate }) => peakBandwidth !== "infinite" && over(tokenRate, peakBandwidth),
    ({ peakBandwidth, tokenRate }) => `is ${peakBandwidth}; it has to be the tokenRate, ${tokenRate}, or more`
  ],
  ["maxSduSize", ({ maxSduSize }) => maxSduSize === 0, () => "is 0; it has to be 1 or more, or absent"],
  ["tokenBucketSize", ({ tokenBucketSize }) => tokenBucketSize === 0, () => "is 0; it has to be 1 or more, or absent"],
  [
    "tokenBucketSize",
    ({ maxSduSize, tokenBucketSize }) => over(maxSduSize, tokenBucketSize),
    ({ maxSduSize, tokenBucketSize }) =>
      `is ${tokenBucketSize}; it has to be the maxSduSize, ${maxSduSize}, or more, or the largest piece never goes`
  ],
  [
    "minimumPolicedSize",
    ({ maxSduSize, minimumPolicedSize }) => over(minimumPolicedSize, maxSduSize),
    ({ maxSduSize, minimumPolicedSize }) =>
      `is ${minimumPolicedSize}; it has to be the maxSduSize, ${maxSduSize}, or less`
  ],
  [
    "minimumPolicedSize",
    ({ minimumPolicedSize, tokenBucketSize }) => over(minimumPolicedSize, tokenBucketSize),
    ({ minimumPolicedSize, tokenBucketSize }) =>
      `is ${minimumPolicedSize}; it has to be the tokenBucketSize, ${tokenBucketSize}, or less, or nothing ever goes`
  ],
  [
    "delayVariation",
    ({ delayVariation, latency }) => over(delayVariation, latency),
    ({ delayVariation, latency }) =>
      `is ${delayVariation}; it has to be the latency, ${latency}, or less: no two delays within it differ by more`
  ]
]

const flowFault = (direction: Direction, flow: FlowSpec): Fault<FlowCode> | undefined => {
  const service = serviceFault(direction, flow)
  if (service !== undefined) return service
  for (const [field, broken, words] of rules) {
    if (broken(flow, direction)) return fault("WSA_QOS_EFLOWSPEC", [direction, field], words(flow))
  }
  return undefined
}

const rateless = (qos: Qos): boolean => qos.sending?.tokenRate === undefined && qos.receiving?.tokenRate === undefined

const objectFault = (qos: Qos, object: QosObject, path: Path): Fault<ObjectCode> | undefined => {
  if (object._tag === "SdMode" && object.mode !== "borrow" && rateless(qos)) {
    return fault(
      "WSA_QOS_ESDMODEOBJ",
      [...path, "mode"],
      `is ${object.mode}; a flow has to state the tokenRate to keep`
    )
  }
  if (object._tag !== "ShapingRate") return undefined
  if (object.rate === 0) return fault("WSA_QOS_ESHAPERATEOBJ", [...path, "rate"], "is 0; it has to be 1 or more")
  const { rate } = object
  for (const way of ["sending", "receiving"] as const) {
    const tokenRate = qos[way]?.tokenRate
    if (!over(tokenRate, rate)) continue
    const words = `is ${rate}; it has to be the tokenRate of ${way}, ${tokenRate}, or more`
    return fault("WSA_QOS_ESHAPERATEOBJ", [...path, "rate"], words)
  }
  return undefined
}

const objectsFault = (qos: Qos): Fault<ObjectCode> | undefined => {
  const { providerSpecific } = qos
  if (providerSpecific === undefined || providerSpecific.length === 0) return undefined
  const objects = readObjects(providerSpecific, ["providerSpecific"])
  if (isFault(objects)) return objects
  const seen = new Set<string>()
  for (const [i, object] of objects.entries()) {
    const path = ["providerSpecific", i]
    const wrong = objectFault(qos, object, path)
    if (wrong !== undefined) return wrong
    if (object._tag !== "Other" && seen.has(object._tag)) {
      return fault("WSA_QOS_BAD_OBJECT", path, `is a second ${object._tag}; there can be one`)
    }
    seen.add(object._tag)
  }
  return undefined
}

/** What is wrong with a QOS of the right shape. */
export const qosFault = (qos: Qos): Fault<FlowCode | ObjectCode> | undefined =>
  (qos.sending && flowFault("sending", qos.sending)) ?? (qos.receiving && flowFault("receiving", qos.receiving)) ??
    objectsFault(qos)
