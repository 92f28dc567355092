/**
 * Addresses as the worlds of tests see them: a place is where somebody is, whatever family calls it.
 */
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"

export type Address = SocketAddress.SocketAddress

/** An address without its family: one that is mapped into IPv6 is the place of the IPv4 one. */
export interface Place {
  readonly host: string
  readonly port: number
}

export const placeOf = (address: Address): Place => {
  if (address._tag === "UnixPathAddress") return { host: `unix:${address.path}`, port: 0 }
  const plain = NetAddress.toCanonical(address)
  const scope = plain._tag === "InetAddressV6" && plain.scopeId !== 0 ? `%${plain.scopeId}` : ""
  return { host: NetAddress.formatIp(plain.address) + scope, port: plain.port }
}

export const placeKey = ({ host, port }: Place): string => `${host} ${port}`

export const lookUp = <A>(map: ReadonlyMap<string, A>, place: Place): A | undefined =>
  map.get(placeKey(place)) ?? map.get(`${place.host} 0`)

/** Whether an address is the place, where port 0 stands for all ports. */
export const isAt = (address: Address, place: Place): boolean => {
  const { host, port } = placeOf(address)
  return host === place.host && (port === place.port || place.port === 0)
}

/** The same place as a socket of this family sees it. */
export const seenBy = (family: SocketAddress.Family, address: Address): Address =>
  address._tag === "UnixPathAddress"
    ? address
    : family === "IPv4"
    ? NetAddress.toCanonical(address)
    : address._tag === "InetAddressV4"
    ? NetAddress.inetAddressUnsafe(NetAddress.toIpv4Mapped(address.address), address.port)
    : address

export const withPort = (address: Address, port: number): Address =>
  address._tag === "UnixPathAddress"
    ? address
    : address._tag === "InetAddressV4"
    ? NetAddress.inetAddressUnsafe(address.address, port)
    : Result.getOrThrow(NetAddress.inetAddressV6(address.address, port, { scopeId: address.scopeId }))

export const portOf = (address: Address): number => SocketAddress.portOf(address) ?? 0

export const isV4 = (host: string): boolean => !host.includes(":")
