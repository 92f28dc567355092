/**
 * Between Node's words and ours: hosts and ports, errors and failures.
 */
import { Provider, type SocketAddress, WsaError } from "@effect-winsock/core"
import * as NetAddress from "effect/net/NetAddress"
import * as os from "node:os"

type Address = SocketAddress.SocketAddress

// Asked only where a zone is in sight: it costs more than a connect, and interfaces come and go.
const scopeIds = (): ReadonlyMap<string, number> =>
  NetAddress.scopeIdsFromInterfaces(Object.entries(os.networkInterfaces()))

const noScopes: ReadonlyMap<string, number> = new Map()

// Whoever connects again mostly means the same peer.
let last: NetAddress.InetAddress | undefined
let lastHost = ""

/** The host of an address as libuv takes it: a zone is the name of an interface, except on Windows. */
export const hostOf = (address: NetAddress.InetAddress): string => {
  if (address === last) return lastHost
  const zoned = address._tag === "InetAddressV6" && address.scopeId !== 0
  const host = NetAddress.formatNativeHost(address, zoned ? scopeIds() : noScopes, process.platform)
  // The name of an interface may change.
  if (!zoned) {
    last = address
    lastHost = host
  }
  return host
}

/** An address from what Node says of one. A zone that no interface bears any more is left out. */
export const fromNode = (host: string, port: number): Address => {
  const zone = host.indexOf("%")
  if (zone === -1) return NetAddress.inetAddressFromNativeUnsafe(host, port)
  try {
    return NetAddress.inetAddressFromNativeUnsafe(host, port, scopeIds())
  } catch {
    return NetAddress.inetAddressFromNativeUnsafe(host.slice(0, zone), port)
  }
}

/** What is known of a failure besides the error itself. */
export interface At {
  readonly kind: Provider.Kind
  readonly stage: WsaError.Stage
  readonly local?: Address | undefined
  readonly remote?: Address | undefined
}

/** The words of an error. Node's system errors have these; anything else that is thrown has none of them. */
export const nativeOf = (error: unknown): WsaError.Native => {
  if (typeof error !== "object" || error === null) return {}
  const { code, errno, syscall } = error as { code?: unknown; errno?: unknown; syscall?: unknown }
  return {
    ...(typeof code === "string" ? { code } : {}),
    ...(typeof errno === "number" ? { errno } : {}),
    ...(typeof syscall === "string" ? { syscall } : {})
  }
}

// EADDRNOTAVAIL from a connect has two causes on Linux, and only the interfaces tell which: no port is left, or the
// machine has no address of the family at all (or no loopback one, for a loopback peer).
const hasNoSource = (kind: Provider.Kind, remote: Address | undefined): boolean => {
  const loopback = remote !== undefined && remote._tag !== "UnixPathAddress" && NetAddress.isLoopback(remote.address)
  return !Object.values(os.networkInterfaces()).some((addresses) =>
    addresses?.some(({ family, internal }) => family === kind.family && (internal || !loopback))
  )
}

/** The failure for an error of Node. */
export const failureOf = (error: unknown, { kind, local, remote, stage }: At): Provider.Failure => {
  const native = nativeOf(error)
  return Provider.failure(
    WsaError.fromNative(native, {
      stage,
      family: kind.family,
      type: kind.type,
      local,
      remote,
      platform: process.platform,
      noSource: stage === "connect" && native.code === "EADDRNOTAVAIL" && hasNoSource(kind, remote)
    }),
    native
  )
}

/** The step at which a stream was, by the system call that failed. */
export const stageOf = (error: unknown, otherwise: WsaError.Stage): WsaError.Stage => {
  switch ((error as { readonly syscall?: unknown } | null)?.syscall) {
    case "bind":
      return "bind"
    case "connect":
      return "connect"
    case "read":
      return "receive"
    case "write":
      return "send"
    case "shutdown":
      return "shutdown"
    default:
      return otherwise
  }
}
