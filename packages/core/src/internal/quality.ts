/**
 * What becomes of a QOS: what the provider is asked for, what is enforced here, and what is left undone (R16–R20).
 *
 * Pure, as `socketState` is, which asks it for each connect and each SIO_SET_QOS that asks for anything.
 */
import * as Result from "effect/Result"
import type { Capabilities, Flows, Kind, Quality } from "../Provider.ts"
import * as Qos from "../Qos.ts"

/** A QOS that can be honoured, and how. */
export interface Honoured {
  /** What the provider is asked for; `undefined` for nothing. */
  readonly quality: Quality | undefined
  /** What is enforced on the socket's own flow. */
  readonly sending: Qos.Shape | undefined
  readonly receiving: Qos.Shape | undefined
  /** What is enforced on the flow of the group, which its sockets share. */
  readonly groupSending: Qos.Shape | undefined
  readonly groupReceiving: Qos.Shape | undefined
  /** What is done, as far as it is known before the provider has answered. */
  readonly applied: Qos.Applied
}

/** It cannot be honoured, and why. */
export interface Unable {
  readonly _tag: "Unable"
  readonly detail: string
}

/** The QOS of a socket and the one of its group; what is absent asks for nothing. */
export interface Asked {
  readonly own: Qos.Qos | undefined
  readonly group: Qos.Qos | undefined
  /** The socket created the group, and its connect is what reserves for it. */
  readonly creates: boolean
  /** What its sockets know the group by. */
  readonly key?: object | undefined
}

type Way = "sending" | "receiving"

// What cannot be read was never accepted.
const objectsOf = (qos: Qos.Qos | undefined): ReadonlyArray<Qos.QosObject> =>
  Result.getOrElse(Qos.objects(qos?.providerSpecific), () => nothing)

const hasObject = (qos: Qos.Qos | undefined, tag: Qos.QosObject["_tag"]): boolean =>
  objectsOf(qos).some(({ _tag }) => _tag === tag)

/** R17: a flow is ignored where the socket cannot go that way. */
const has = (kind: Kind, way: Way): boolean => kind.direction !== (way === "sending" ? "receive" : "send")

const flowOf = (qos: Qos.Qos | undefined, way: Way, kind: Kind): Qos.FlowSpec | undefined =>
  has(kind, way) ? qos?.[way] : undefined

const demands = (flow: Qos.FlowSpec): boolean => Qos.isDemanding({ sending: flow }, "both")

/** A stated delay is a promise, but to a service that makes none. */
const promises = ["latency", "delayVariation"] as const

const cannot = (way: Way, flow: Qos.FlowSpec | undefined, capabilities: Capabilities): Unable | undefined => {
  if (flow === undefined || !demands(flow)) return undefined
  if (!capabilities.marking && !capabilities.reservesQos) {
    return {
      _tag: "Unable",
      detail: `${way}.serviceType: this provider can neither mark nor reserve; ask for "bestEffort", or for no QOS`
    }
  }
  const promised = capabilities.reservesQos && flow.noQosSignaling !== true
    ? undefined
    : promises.find((field) => flow[field] !== undefined)
  return promised === undefined ? undefined : {
    _tag: "Unable",
    detail:
      `${way}.${promised}: nothing is reserved, so no delay can be promised; leave it out, or ask for "qualitative"`
  }
}

const cannotMark = (qos: Qos.Qos | undefined, kind: Kind, { marking }: Capabilities): Unable | undefined =>
  marking || flowOf(qos, "sending", kind) === undefined || !hasObject(qos, "DsClass") ? undefined : {
    _tag: "Unable",
    detail: "providerSpecific: this provider cannot mark, which a DsClass asks for; leave it out"
  }

const signalled = (flow: Qos.FlowSpec | undefined): Qos.FlowSpec | undefined =>
  flow !== undefined && demands(flow) && flow.noQosSignaling !== true ? flow : undefined

const flowsOf = (qos: Qos.Qos | undefined, kind: Kind): Flows | undefined => {
  const sending = signalled(flowOf(qos, "sending", kind))
  const receiving = signalled(flowOf(qos, "receiving", kind))
  return sending === undefined && receiving === undefined ? undefined : { sending, receiving }
}

const ignoredOf = (
  qos: Qos.Qos | undefined,
  way: Way,
  kind: Kind,
  capabilities: Capabilities,
  shaped: Qos.Shape | undefined
): ReadonlyArray<Qos.Ignored> => {
  const flow = qos?.[way]
  if (flow === undefined || flow.serviceType === "noTraffic") return nothing
  if (!has(kind, way)) {
    return [{ field: way, why: `the socket was made to ${kind.direction} only` }]
  }
  const ignored: Array<Qos.Ignored> = []
  if (demands(flow)) {
    if (!capabilities.reservesQos) {
      ignored.push({
        field: "serviceType",
        why: way === "sending"
          ? "nothing is reserved on this network: what is sent is only marked, and kept to its rate"
          : "nothing is reserved on this network: what is received is only kept to its rate"
      })
    } else if (flow.noQosSignaling === true) {
      ignored.push({ field: "serviceType", why: "noQosSignaling asks that nothing be reserved" })
    }
  } else {
    for (const field of promises) {
      if (flow[field] !== undefined) ignored.push({ field, why: `${flow.serviceType} promises no delay` })
    }
  }
  if (shaped === undefined && flow.tokenRate !== undefined) {
    ignored.push({ field: "tokenRate", why: "noTrafficControl asks that nothing be enforced" })
  }
  if (shaped?.mode === "shape" && discards(qos)) {
    ignored.push({ field: "providerSpecific", why: "a stream loses nothing: the excess waits" })
  }
  if (shaped?.mode === "borrow") {
    ignored.push({ field: "providerSpecific", why: "the excess goes at once, with the mark of what conforms" })
  }
  return ignored
}

const nothing: ReadonlyArray<never> = []

const discards = (qos: Qos.Qos | undefined): boolean =>
  objectsOf(qos).some((object) => object._tag === "SdMode" && object.mode === "discard")

const shapedFlow = (spec: Qos.Shape | undefined): Qos.ShapedFlow | undefined =>
  spec === undefined ? undefined : {
    tokenRate: spec.tokenRate,
    tokenBucketSize: spec.tokenBucketSize,
    peakBandwidth: spec.peakBandwidth,
    mode: spec.mode
  }

/** A stream loses nothing: what a datagram flow would drop waits. */
const shapeOf = (qos: Qos.Qos | undefined, way: Way, kind: Kind): Qos.Shape | undefined => {
  const flow = flowOf(qos, way, kind)
  const shape = flow === undefined ? undefined : Qos.shapeOf(flow, objectsOf(qos))
  return shape?.mode === "discard" && kind.type === "stream" ? { ...shape, mode: "shape" } : shape
}

const priorities: Partial<Record<Qos.ServiceType, number>> = { controlledLoad: 4, guaranteed: 5, networkControl: 6 }

/** Of the seven levels of a machine the last one is for who runs it. */
const priorityOf = (qos: Qos.Qos, { serviceType }: Qos.FlowSpec): number | undefined => {
  const stated = objectsOf(qos).find((object) => object._tag === "TrafficClass")
  return stated === undefined ? priorities[serviceType] : Math.min(stated.trafficClass, 6)
}

/** What the provider can do of a mark, a priority and a pace; the mark is the only one that has to be done. */
const qualityOf = (
  { creates, group, key, own }: Asked,
  kind: Kind,
  capabilities: Capabilities,
  table: Qos.MarkingTable,
  groupTable: Qos.MarkingTable
): Quality | undefined => {
  // The group's where the socket has no flow of its own.
  const qos = flowOf(own, "sending", kind) === undefined ? group : own
  const flow = flowOf(qos, "sending", kind)
  const marks = flow === undefined || flow.noTrafficControl === true ? undefined : flow
  const dscp = marks === undefined ? undefined : Qos.markOf(qos!, qos === own ? table : groupTable)
  const priority = capabilities.priority && marks !== undefined ? priorityOf(qos!, marks) : undefined
  const peak = marks?.peakBandwidth
  const pacingRate = capabilities.pacing && typeof peak === "number" ? peak : undefined
  const reserve = capabilities.reservesQos ? flowsOf(own, kind) : undefined
  const shared = capabilities.reservesQos ? flowsOf(group, kind) : undefined
  const reserveGroup = creates ? shared : undefined
  const mark = capabilities.marking ? dscp : undefined
  const nothingShared = shared === undefined || key === undefined
  return mark === undefined && priority === undefined && pacingRate === undefined && reserve === undefined &&
      shared === undefined
    ? undefined
    : { dscp: mark, priority, pacingRate, reserve, reserveGroup, ...(nothingShared ? undefined : { group: key }) }
}

const copyOf = (flow: Qos.FlowSpec | undefined): Qos.FlowSpec | undefined =>
  flow === undefined ? undefined : { ...flow }

const appliedFlow = (
  asked: Asked,
  way: Way,
  kind: Kind,
  capabilities: Capabilities,
  shaped: Qos.Shape | undefined,
  groupShaped: Qos.Shape | undefined,
  marked: number | undefined
): Qos.AppliedFlow => ({
  // What the answer says is the caller's; the QOS is kept here (R27).
  asked: copyOf(asked.own?.[way] ?? asked.group?.[way]),
  marked,
  shaped: shapedFlow(shaped),
  groupShaped: shapedFlow(groupShaped),
  reserved: undefined,
  ignored: [
    ...ignoredOf(asked.own, way, kind, capabilities, shaped),
    ...(asked.own?.[way] === undefined
      ? ignoredOf(asked.group, way, kind, capabilities, groupShaped)
      : nothing)
  ]
})

const asksNothing = (qos: Qos.Qos | undefined): boolean =>
  qos === undefined || (qos.sending === undefined && qos.receiving === undefined)

/** R16–R20, E16: how a QOS is honoured, or why it cannot be; `undefined`: it asks for nothing (R19). */
export const honour = (
  asked: Asked,
  kind: Kind,
  capabilities: Capabilities,
  table: Qos.MarkingTable = Qos.windows,
  groupTable: Qos.MarkingTable = Qos.windows
): Honoured | Unable | undefined => {
  const { creates, group, own } = asked
  if (asksNothing(own) && asksNothing(group)) return undefined
  for (const qos of creates ? [own, group] : [own]) {
    const unable = cannotMark(qos, kind, capabilities) ??
      cannot("sending", flowOf(qos, "sending", kind), capabilities) ??
      cannot("receiving", flowOf(qos, "receiving", kind), capabilities)
    if (unable !== undefined) return unable
  }
  const quality = qualityOf(asked, kind, capabilities, table, groupTable)
  const sending = shapeOf(own, "sending", kind)
  const receiving = shapeOf(own, "receiving", kind)
  const groupSending = shapeOf(group, "sending", kind)
  const groupReceiving = shapeOf(group, "receiving", kind)
  const flow = (way: Way, shaped: Qos.Shape | undefined, group: Qos.Shape | undefined): Qos.AppliedFlow =>
    appliedFlow(asked, way, kind, capabilities, shaped, group, way === "sending" ? quality?.dscp : undefined)
  return {
    quality,
    sending,
    receiving,
    groupSending,
    groupReceiving,
    applied: {
      sending: flow("sending", sending, groupSending),
      receiving: flow("receiving", receiving, groupReceiving)
    }
  }
}

/** What is done, for whoever asks. */
export const appliedOf = (honoured: Honoured | undefined): Qos.Applied => honoured?.applied ?? Qos.nothingApplied

/** What SIO_GET_QOS tells of a QOS whose reservation is lost. */
export const unavailable = (qos: Qos.Qos): Qos.Qos => ({
  ...qos,
  ...(qos.sending === undefined ? undefined : { sending: { ...qos.sending, serviceType: "networkUnavailable" } }),
  ...(qos.receiving === undefined ? undefined : { receiving: { ...qos.receiving, serviceType: "networkUnavailable" } })
})

/** What is reserved from now on. */
export const withReservation = (honoured: Honoured, reserved: Qos.Reservation | undefined): Honoured => ({
  ...honoured,
  applied: {
    sending: { ...honoured.applied.sending, reserved: reserved?.sending },
    receiving: { ...honoured.applied.receiving, reserved: reserved?.receiving }
  }
})

/** A direction that is to stay as it is takes the flow of the one before. */
export const resolve = (given: Qos.Qos, before: Qos.Qos | undefined): Qos.Qos => {
  const way = (name: Way) => {
    const flow = given[name]?.serviceType === "noChange" ? before?.[name] : given[name]
    return flow === undefined ? undefined : { [name]: flow }
  }
  if (given.sending?.serviceType !== "noChange" && given.receiving?.serviceType !== "noChange") return given
  const { receiving: _receiving, sending: _sending, ...rest } = given
  return { ...rest, ...way("sending"), ...way("receiving") }
}
