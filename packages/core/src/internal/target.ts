/**
 * Reads targets: what a program was told to connect to.
 */
import * as Host from "effect/net/Host"
import * as NetAddress from "effect/net/NetAddress"
import { hasProperty } from "effect/Predicate"
import * as Result from "effect/Result"
import type { Candidates, Endpoint, Origin, Target, UrlLike } from "../Connector.ts"
import * as SocketAddress from "../SocketAddress.ts"
import * as WsaError from "../WsaError.ts"

declare const URL: { readonly parse: (text: string) => UrlLike | null }

export const endpoint = (address: SocketAddress.SocketAddress, origin?: Origin): Endpoint => ({
  _tag: "Endpoint",
  address,
  origin: origin ??
    (address._tag === "UnixPathAddress" ? undefined : Host.hostPortUnsafe(address.address, address.port))
})

type Read = Result.Result<Target, string>

const forms = "write example.org:443, 192.0.2.1:80, [::1]:80, https://example.org/ or unix:/path"

export const show = (value: unknown): string =>
  typeof value === "string"
    ? JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)
    : value === null
    ? "null"
    : typeof value === "object"
    ? "an object"
    : String(value)

const ports: ReadonlyMap<string, number> = new Map([["http:", 80], ["ws:", 80], ["https:", 443], ["wss:", 443]])

export const ofOrigin = (origin: Origin): Target => {
  const { host, port } = origin
  if (typeof host !== "string") return endpoint(NetAddress.inetAddressUnsafe(host, port), origin)
  // A zone that is a number is part of the address; the name of an interface has to be looked up.
  const scoped = host.includes("%") ? NetAddress.inetAddressFromHostString(host, port) : undefined
  return scoped !== undefined && Result.isSuccess(scoped)
    ? endpoint(scoped.success, origin)
    : { _tag: "Named", origin }
}

const ofHostPort = (input: Host.HostPortInput): Read =>
  Result.mapBoth(Host.hostPortFromInput(input), {
    onFailure: ({ message }) => message,
    onSuccess: ofOrigin
  })

const ofUrl = ({ hostname, port, protocol }: UrlLike): Read => {
  const own = ports.get(protocol)
  if (hostname === "") return Result.fail("the URL names no host")
  if (port === "" && own === undefined) {
    return Result.fail(
      `the scheme ${show(protocol)} has no port of its own: write one, as in ${protocol}//example.org:6379`
    )
  }
  const host = hostname.startsWith("[") && hostname.endsWith("]") ? hostname.slice(1, -1) : hostname
  return ofHostPort({ host, port: port === "" ? own! : Number(port) })
}

// A program connects to the same few targets again and again, and mostly to the one of before.
let lastText = ""
let lastRead: Read | undefined

const ofText = (text: string): Read => {
  if (lastRead !== undefined && text === lastText) return lastRead
  lastRead = parseText(text)
  lastText = text
  return lastRead
}

const parseText = (text: string): Read => {
  if (text.startsWith("unix:")) return ofAddress(text)
  if (!text.includes("://")) return ofHostPort(text)
  const url = URL.parse(text)
  return url === null ? Result.fail("it is no URL") : ofUrl(url)
}

const ofAddress = (input: unknown): Read =>
  Result.mapBoth(SocketAddress.fromInput(input), {
    onFailure: ({ reason }) => reason,
    onSuccess: (address) => endpoint(address)
  })

const ofObject = (input: object): Read => {
  if (hasProperty(input, "_tag") && (input._tag === "Endpoint" || input._tag === "Named")) {
    const target = input as Target
    // What was named may be an address all the same, such as that of a proxy: nobody is to be asked for it.
    return Result.succeed(
      target._tag === "Named" && typeof target.origin.host !== "string" ? ofOrigin(target.origin) : target
    )
  }
  if (Host.isHostPort(input)) return Result.succeed(ofOrigin(input))
  if (hasProperty(input, "protocol") && hasProperty(input, "hostname")) return ofUrl(input as unknown as UrlLike)
  return hasProperty(input, "host") ? ofHostPort(input as unknown as Host.HostPortParts) : ofAddress(input)
}

const invalid = (input: unknown) => (why: string) =>
  WsaError.make("WSAEINVAL", {
    call: "WSAConnectByName",
    stage: "request",
    detail: `${show(input)} is no target: ${why}; ${forms}`
  })

export const read = (input: unknown): Result.Result<Target, WsaError.WSAEINVAL> => {
  try {
    const read = typeof input === "string"
      ? ofText(input)
      : typeof input === "object" && input !== null
      ? ofObject(input)
      : Result.fail("a target is a text or an object")
    return Result.mapError(read, invalid(input))
  } catch {
    return Result.fail(invalid(input)("reading it threw"))
  }
}

const isCandidates = (input: unknown): input is Candidates => hasProperty(input, "_tag") && input._tag === "Candidates"

/** What of a target is known, whatever it is. */
export const partsOf = (input: unknown): {
  readonly origin: Origin | undefined
  readonly address: SocketAddress.SocketAddress | undefined
} => {
  const target = isCandidates(input) ? input : Result.getOrUndefined(read(input))
  return { origin: target?.origin, address: target?._tag === "Endpoint" ? target.address : undefined }
}

/** A target as people write it; nothing where it is none of ours. */
export const textOf = (input: unknown): string => {
  const { address, origin } = partsOf(input)
  if (origin !== undefined) return Host.formatHostPort(origin)
  if (address !== undefined) return SocketAddress.format(address)
  return typeof input === "string" ? input : ""
}

/** What tells one destination from another; the value itself where it is none of ours. */
export const keyOf = (input: unknown): unknown => {
  const target = isCandidates(input) ? input : Result.getOrUndefined(read(input))
  if (target === undefined) return input
  const origin = target.origin && Host.formatHostPort(target.origin)
  // one address may stand for several names, each with a certificate of its own
  if (target._tag === "Endpoint") return `${SocketAddress.format(target.address)} as ${origin}`
  return origin ?? input
}
