/**
 * What a carrier says and expects: the header that goes ahead of a connection, and what is read of one that comes.
 */
import * as Result from "effect/Result"
import * as Provider from "../../Provider.ts"
import * as Qos from "../../Qos.ts"
import type * as SocketAddress from "../../SocketAddress.ts"
import type { Code } from "../../WsaError.ts"
import type { Decoded } from "../decoded.ts"
import * as Frames from "../exchangeFrames.ts"
import * as Header from "../proxyHeader.ts"

/** A carrier's settings, all of them. Sizes are in bytes, times in milliseconds. */
export interface Settings {
  /** `true`: the callee replies, and a connection is there once it has. */
  readonly replies: boolean
  /** `true`: what connects sends a header. */
  readonly connects: boolean
  /** `true`: what listens reads one. */
  readonly listens: boolean
  readonly callerDataMax: number
  readonly calleeDataMax: number
  /** The type of the entry that carries the caller's part. */
  readonly type: number
  readonly entries: Header.Known
  readonly headerTimeout: number
  readonly replyTimeout: number
  readonly pendingMax: number
}

/** What a header has besides caller data, at the most: addresses, QOS, and the entries of proxies on the way. */
const roomBeside = 16 * 1024

/** A header of a caller is never longer. */
export const headerBound = ({ callerDataMax }: Settings): number =>
  Math.min(Header.maximumLength, callerDataMax + roomBeside)

export const decodeHeader = (settings: Settings) => (bytes: Uint8Array): Decoded<Header.ProxyHeader> =>
  Header.decode(bytes, headerBound(settings))

/** What a caller has to say. */
export type Said = Pick<Provider.ConnectPlan, "callerData" | "calleeCapacity" | "sqos" | "gqos">

/** What a caller sends ahead, or why it cannot be sent. */
export const headerOf = (
  settings: Settings,
  said: Said,
  source: SocketAddress.SocketAddress | undefined,
  destination: SocketAddress.SocketAddress | undefined
): Uint8Array | Provider.Failure => {
  const tlvs = Header.tlvsOf(settings.entries)
  const call = callOf(settings, said)
  if (call !== undefined && Provider.isFailure(call)) return call
  const header: Header.ProxyHeader = {
    command: "PROXY",
    endpoints: source === undefined || destination === undefined
      ? undefined
      : { transport: "stream", source, destination },
    tlvs: call === undefined ? tlvs : [...tlvs, { type: settings.type, value: call }],
    checksum: true
  }
  return Header.encodedLength(header) > headerBound(settings) ? Provider.failure("WSAENOBUFS") : Header.encode(header)
}

/** The caller's part. One that is not replied to need not be there. */
const callOf = (settings: Settings, said: Said): Uint8Array | Provider.Failure | undefined => {
  const { callerData, gqos, sqos } = said
  const calleeCapacity = settings.replies ? capacityOf(settings, said) : undefined
  if ((callerData ?? sqos ?? gqos ?? calleeCapacity) === undefined) return undefined
  const [socketQos, groupQos] = [encodeQos(sqos), encodeQos(gqos)]
  if (Provider.isFailure(socketQos)) return socketQos
  if (Provider.isFailure(groupQos)) return groupQos
  if ((socketQos?.length ?? 0) + (groupQos?.length ?? 0) > roomBeside) return Provider.failure("WSAENOBUFS")
  return Frames.encodeCall({ callerData, socketQos, groupQos, calleeCapacity })
}

const encodeQos = (qos: Qos.Qos | undefined): Uint8Array | Provider.Failure | undefined => {
  if (qos === undefined) return undefined
  const encoded = Qos.encode(qos)
  return Result.isSuccess(encoded) ? encoded.success : Provider.failure(encoded.failure._tag)
}

const decodeQos = (bytes: Uint8Array | undefined): Qos.Qos | undefined | "wrong" => {
  if (bytes === undefined) return undefined
  const decoded = Qos.decode(bytes)
  return Result.isSuccess(decoded) ? decoded.success : "wrong"
}

/** How much callee data is taken. */
export const capacityOf = ({ calleeDataMax }: Settings, { calleeCapacity }: Pick<Said, "calleeCapacity">): number =>
  Math.min(calleeCapacity, calleeDataMax)

/** What a header says of who calls. */
export interface Called {
  /** The true caller, where the header tells of one. */
  readonly source: SocketAddress.SocketAddress | undefined
  readonly callerData: Uint8Array
  readonly sqos: Qos.Qos | undefined
  readonly gqos: Qos.Qos | undefined
  readonly calleeCapacity: number
}

const noBytes = new Uint8Array(0)
const nobody: Called = {
  source: undefined,
  callerData: noBytes,
  sqos: undefined,
  gqos: undefined,
  calleeCapacity: 0
}

/** Reads a header that was decoded; `undefined` where it is not one that a caller of ours may send. */
export const calledOf = (settings: Settings, header: Header.ProxyHeader): Called | undefined => {
  // A proxy that looks after its server has nobody behind it, and does not wait for a reply.
  if (header.command === "LOCAL") return settings.replies ? undefined : nobody
  const entry = header.tlvs.find(({ type }) => type === settings.type)
  if (entry === undefined) return settings.replies ? undefined : { ...nobody, source: header.endpoints?.source }
  const call = Frames.decodeCall(entry.value)
  if (call._tag === "Wrong") return undefined
  const { calleeCapacity, callerData = noBytes } = call.value
  if (callerData.length > settings.callerDataMax) return undefined
  // One of the two would wait for a reply, or take it for the beginning of the stream.
  if ((calleeCapacity !== undefined) !== settings.replies) return undefined
  // What an end of our own says of itself, the transport knows better.
  const source = settings.replies ? undefined : header.endpoints?.source
  const [sqos, gqos] = [decodeQos(call.value.socketQos), decodeQos(call.value.groupQos)]
  if (sqos === "wrong" || gqos === "wrong") return undefined
  return { source, callerData, sqos, gqos, calleeCapacity: calleeCapacity ?? 0 }
}

/** The reply that accepts, with as much callee data as the caller takes. */
export const accepting = (settings: Settings, called: Called, calleeData: Uint8Array = noBytes): Uint8Array =>
  Frames.encodeReply({
    verdict: "accepted",
    calleeData: calleeData.subarray(0, Math.min(called.calleeCapacity, settings.calleeDataMax))
  })

export const rejecting: Uint8Array = Frames.encodeReply({ verdict: "rejected", calleeData: noBytes })

// ---------------------------------------------------------------------------------------------------------------------
// How an exchange fails, besides as its connection does
// ---------------------------------------------------------------------------------------------------------------------

type Told = Provider.Failure & { readonly detail: string }

const failureOf = <C extends Code>(code: C, detail: string): Told & { readonly code: C } => ({
  _tag: "Failure",
  code,
  detail
})

export const refused = failureOf("WSAECONNREFUSED", "the peer has rejected the caller")

export const silent = (millis: number) =>
  failureOf("WSAETIMEDOUT", `the peer has not replied to the connect data within ${millis} milliseconds`)

export const endedEarly = failureOf(
  "WSAECONNRESET",
  "the peer has closed the connection before it replied to the connect data"
)

export const foreign = (why: string) => failureOf("WSAEPROTONOSUPPORT", `the peer does not speak the exchange: ${why}`)
