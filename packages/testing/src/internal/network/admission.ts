/**
 * What it takes to keep a promise: the rate that a flow needs, and the delay that it then has (RFC 2211, RFC 2212).
 */
import { type FlowSpec, shapeOf } from "@effect-winsock/core/Qos"
import type { ServiceSettings } from "./classes.ts"

/** A flow in numbers that are all there (RFC 2215). */
interface Traffic {
  /** r, in bytes a second. */
  readonly rate: number
  /** b, in bytes. */
  readonly bucket: number
  /** p, in bytes a second. */
  readonly peak: number
  /** M, in bytes. */
  readonly longest: number
}

/** What lies on the way. Times are microseconds. */
export interface Way {
  /** How long it takes at least. */
  readonly least: number
  /** How much longer it may take, however much is reserved (D). */
  readonly later: number
  /** Whether bytes wait for each other. */
  readonly queues: boolean
}

/** What is to be reserved, and what comes of it. */
export interface Terms {
  readonly service: ServiceSettings
  /** The longest that a conforming byte takes, in microseconds. */
  readonly delay: number
}

const million = 1e6

/** RFC 2212, where bytes leave as in a line of their own with the rate R: (b-M)/R * (p-R)/(p-r) + M/R + D. */
const delayOf = ({ bucket, longest, peak, rate }: Traffic, reserved: number, { later, least, queues }: Way): number => {
  if (!queues) return least + later
  const spread = peak <= reserved ? 0 : peak === Infinity ? 1 : (peak - reserved) / (peak - rate)
  return Math.ceil(((bucket - longest) / reserved * spread + longest / reserved) * million + least + later)
}

/** The least rate with which nothing takes longer; `undefined` where none is enough. */
const rateFor = (traffic: Traffic, longest: number, way: Way): number | undefined => {
  const { bucket, longest: packet, peak, rate } = traffic
  if (delayOf(traffic, rate, way) <= longest) return rate
  const seconds = (longest - way.least - way.later) / million
  if (!way.queues || seconds <= 0) return undefined
  const spread = peak === Infinity ? 0 : (bucket - packet) / (peak - rate)
  const wanted = peak === Infinity ? bucket / seconds : (spread * peak + packet) / (seconds + spread)
  // As a rate is whole, it may be a little late still.
  let reserved = Math.ceil(wanted <= peak ? wanted : packet / seconds)
  while (delayOf(traffic, reserved, way) > longest) reserved++
  return reserved
}

/** The flow that core lets through: it shapes what is sent by the same numbers, unless it is asked not to. */
const trafficOf = (flow: FlowSpec): Traffic | undefined => {
  const shape = shapeOf({ ...flow, noTrafficControl: false })
  if (shape === undefined) return undefined
  const { maxSduSize = Infinity, peakBandwidth: peak = Infinity, tokenBucketSize: bucket, tokenRate: rate } = shape
  return { rate, bucket, peak, longest: Math.min(maxSduSize, bucket) }
}

/**
 * What a flow needs. `"nothing"`: it asks for nothing that could be reserved; a text: why it cannot be had, however much
 * there is.
 */
export const termsOf = (
  flow: FlowSpec | undefined,
  way: Way,
  type: "stream" | "datagram"
): Terms | "nothing" | string => {
  if (flow === undefined) return "nothing"
  const { serviceType } = flow
  if (serviceType !== "guaranteed" && serviceType !== "controlledLoad" && serviceType !== "networkControl") {
    return "nothing"
  }
  const traffic = trafficOf(flow)
  if (traffic === undefined || traffic.rate === 0) {
    return serviceType === "networkControl" ? "nothing" : `${serviceType} without a tokenRate`
  }
  const longest = Math.min(flow.latency ?? Infinity, way.least + (flow.delayVariation ?? Infinity))
  // Only a guaranteed flow gets more than its rate for the sake of a delay.
  const reserved = serviceType === "guaranteed" ? rateFor(traffic, longest, way) : traffic.rate
  const delay = delayOf(traffic, reserved ?? traffic.rate, way)
  if (reserved === undefined || delay > longest) {
    return `a delay of ${longest} µs, where it is ${reserved === undefined ? way.least + way.later : delay} µs at best`
  }
  return {
    delay,
    service: {
      rate: reserved,
      tokenRate: traffic.rate,
      depth: traffic.bucket,
      smallest: type === "datagram" ? flow.minimumPolicedSize ?? 0 : 0,
      longest: type === "datagram" ? flow.maxSduSize ?? Infinity : Infinity
    }
  }
}
