/**
 * What a QOS asks of a socket of Node: the code point, the priority and the pace of what it sends.
 */
import { Provider } from "@effect-winsock/core"
import type * as dgram from "node:dgram"
import type * as net from "node:net"
import type { SystemCalls } from "../NodeProvider.ts"
import { nativeOf } from "./native.ts"

/** What a provider can do for one kind of socket, and how. */
export interface Means {
  readonly capabilities: Provider.Capabilities
  /** Of what Node has no call for. */
  readonly calls: SystemCalls | undefined
}

type Name = "dscp" | "priority" | "pacingRate"

/** Sets one of them, or throws what the system said; `undefined` is what the stack does by itself. */
export type Set = (name: Name, value: number | undefined) => void

// The priority comes after the code point, which sets one by itself (ip(7), IP_TOS).
const names: ReadonlyArray<Name> = ["dscp", "priority", "pacingRate"]

/** Whether there is anything to be set. */
export const asks = (quality: Provider.Quality | undefined): boolean =>
  quality !== undefined && names.some((name) => quality[name] !== undefined)

/** Whether more is asked for than can be done for this kind of socket. */
export const isBeyond = (quality: Provider.Quality | undefined, { capabilities }: Means): boolean =>
  quality !== undefined && (
    quality.reserve !== undefined || quality.reserveGroup !== undefined ||
    (quality.dscp !== undefined && !capabilities.marking) ||
    (quality.priority !== undefined && !capabilities.priority) ||
    (quality.pacingRate !== undefined && !capabilities.pacing)
  )

/** Goes over from what was asked for to what is: to all of it, or to nothing. */
export const change = (
  before: Provider.Quality | undefined,
  after: Provider.Quality | undefined,
  set: Set
): Provider.Failure | undefined => {
  const remarks = before?.dscp !== after?.dscp
  const changed = names.filter((name) =>
    before?.[name] !== after?.[name] || (remarks && name === "priority" && after?.priority !== undefined)
  )
  try {
    for (const name of changed) set(name, after?.[name])
    return undefined
  } catch (error) {
    for (const name of changed) {
      try {
        set(name, before?.[name])
      } catch {
        // It is the one that could not be set, and has not been.
      }
    }
    return Provider.failure("WSAEOPNOTSUPP", nativeOf(error))
  }
}

// --- what Node has no call for: Linux's numbers -----------------------------------------------------------------------

type Option = readonly [level: number, option: number]

const IP_TOS: Option = [0, 1]
const IPV6_TCLASS: Option = [41, 67]
const SO_PRIORITY: Option = [1, 12]
const SO_MAX_PACING_RATE: Option = [1, 47]
const unlimited = 0xffff_ffff

const lacking = (): never => {
  throw Object.assign(new Error(), { code: "ENOTSUP" })
}

/** The two bits of congestion notification stay as they are; TCP keeps them itself, datagrams do not. */
const mark = (calls: SystemCalls, descriptor: number, [level, option]: Option, dscp: number | undefined): void => {
  const ecn = calls.getsockopt(descriptor, level, option) & 3
  calls.setsockopt(descriptor, level, option, (dscp ?? 0) << 2 | ecn)
}

/** Sets one on a descriptor. An IPv6 socket that sends to IPv4 peers marks these by IPv4's option. */
export const setOn = (
  { calls }: Means,
  descriptor: number | undefined,
  marks: { readonly IPv4: boolean; readonly IPv6: boolean },
  name: Name,
  value: number | undefined
): void => {
  if (calls === undefined || descriptor === undefined) return lacking()
  switch (name) {
    case "dscp":
      if (marks.IPv4) mark(calls, descriptor, IP_TOS, value)
      if (marks.IPv6) mark(calls, descriptor, IPV6_TCLASS, value)
      return
    case "priority":
      return calls.setsockopt(descriptor, ...SO_PRIORITY, value ?? 0)
    case "pacingRate":
      return calls.setsockopt(descriptor, ...SO_MAX_PACING_RATE, Math.min(value ?? unlimited, unlimited))
  }
}

// --- descriptors ------------------------------------------------------------------------------------------------------

// Node tells the descriptor of a socket to nobody once a connection has it (net), or at all (dgram). Nothing counts on
// what is looked at here: without it the call is refused.

const numberOf = (handle: { readonly fd?: unknown } | null | undefined): number | undefined =>
  typeof handle?.fd === "number" ? handle.fd : undefined

/** The descriptor of a stream. */
export const streamDescriptor = (socket: net.Socket): number | undefined =>
  numberOf((socket as { readonly _handle?: { readonly fd?: unknown } | null })._handle)

/** The descriptor of a datagram socket: negative before it is bound. `_handle` would warn, and is gone in Node 26. */
export const datagramDescriptor = (socket: dgram.Socket): number | undefined => {
  const state = Object.getOwnPropertySymbols(socket).find(({ description }) => description === "state symbol")
  if (state === undefined) return undefined
  return numberOf(
    (socket as unknown as Record<symbol, { readonly handle?: { readonly fd?: unknown } | null }>)[state]?.handle
  )
}
