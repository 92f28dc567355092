/**
 * `NO_PROXY`: what is reached without a proxy. There is no standard; docs/proxies.md has the forms, which are those of curl
 * and of Go taken together.
 */
import * as Host from "effect/net/Host"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"

/** One of what is excepted. `port` undefined: of any port. */
export type NoProxy =
  | { readonly _tag: "All" }
  /** `name` and all below it; only what is below it where `below`. */
  | { readonly _tag: "Name"; readonly name: string; readonly below: boolean; readonly port: number | undefined }
  | {
    readonly _tag: "Network"
    readonly octets: ReadonlyArray<number>
    readonly length: number
    readonly port: number | undefined
  }

const octetsOf = (address: NetAddress.IpAddress): ReadonlyArray<number> => {
  const plain = NetAddress.toCanonical(address)
  return plain._tag === "Ipv4Address" ? NetAddress.ipv4ToOctets(plain) : NetAddress.ipv6ToOctets(plain)
}

const networkOf = (text: string, port: number | undefined): NoProxy | undefined => {
  const [, host, bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const address = host === undefined ? undefined : Result.getOrUndefined(NetAddress.ipFromString(host))
  if (address === undefined) return undefined
  const octets = octetsOf(address)
  const mapped = NetAddress.width(address) - 8 * octets.length
  const length = bits === undefined ? 8 * octets.length : Number(bits) - mapped
  return length < 0 || length > 8 * octets.length ? undefined : { _tag: "Network", octets, length, port }
}

const relative = (name: string): string => name.endsWith(".") ? name.slice(0, -1) : name

const nameOf = (text: string, port: number | undefined): NoProxy | undefined => {
  const bare = text.replace(/^\*?\./, "")
  const name = Result.getOrUndefined(Host.domainNameFromString(bare))
  return name === undefined ? undefined : { _tag: "Name", name: relative(name), below: bare !== text, port }
}

const entryOf = (text: string): NoProxy | undefined => {
  if (text === "*") return { _tag: "All" }
  const [, bracketed, afterBracket] = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(text) ?? []
  if (bracketed !== undefined) return networkOf(bracketed, portOf(afterBracket))
  // More than one colon: an IPv6 address as it is.
  const [, host, port] = /^([^:]*):(\d{1,5})$/.exec(text) ?? []
  const bare = host ?? text
  return networkOf(bare, portOf(port)) ?? nameOf(bare, portOf(port))
}

const portOf = (text: string | undefined): number | undefined => text === undefined ? undefined : Number(text)

/** Reads a list, with commas or white space between. What cannot be read excepts nothing, as everywhere. */
export const parseNoProxy = (text: string): ReadonlyArray<NoProxy> =>
  text.split(/[\s,]+/).flatMap((each) => each === "" ? [] : entryOf(each) ?? [])

const within = (octets: ReadonlyArray<number>, network: Extract<NoProxy, { readonly _tag: "Network" }>): boolean =>
  octets.length === network.octets.length && octets.every((octet, i) => {
    const bits = Math.min(8, Math.max(0, network.length - 8 * i))
    return ((octet ^ network.octets[i]!) & (0xff << (8 - bits)) & 0xff) === 0
  })

/** Whether one of the entries is of this host and port. A name is never looked up for it. */
export const noProxyMatches = (entries: ReadonlyArray<NoProxy>, host: Host.Host, port: number): boolean => {
  const octets = typeof host === "string" ? undefined : octetsOf(host)
  const name = typeof host === "string" ? relative(host) : undefined
  return entries.some((entry) => {
    if (entry._tag === "All") return true
    if (entry.port !== undefined && entry.port !== port) return false
    if (entry._tag === "Network") return octets !== undefined && within(octets, entry)
    return name !== undefined && (name.endsWith(`.${entry.name}`) || (!entry.below && name === entry.name))
  })
}

/** This machine, of which a proxy knows another: it is never reached through one. */
export const isHere = (host: Host.Host): boolean =>
  typeof host === "string"
    ? relative(host) === "localhost" || relative(host).endsWith(".localhost")
    : NetAddress.isLoopback(NetAddress.toCanonical(host))
