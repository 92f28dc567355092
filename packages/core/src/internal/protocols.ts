/**
 * The row of WSAEnumProtocols for a kind of socket: what follows from the kind and from its provider's capabilities.
 */
import { type ProtocolInfo, ServiceFlags } from "../ProtocolInfo.ts"
import type { Capabilities, Kind } from "../Provider.ts"

const transports = { stream: "tcp", datagram: "udp" } as const

const nameOf = ({ family, type }: Kind): string =>
  family === "Unix" ? "AF_UNIX" : `${transports[type].toUpperCase()}/${family === "IPv4" ? "IP" : family}`

const flagsOf = ({ type }: Kind, capabilities: Capabilities): number => {
  const { callerDataMax, calleeDataMax, marking, options, reservesQos } = capabilities
  const always = type === "stream"
    ? ServiceFlags.XP1_GUARANTEED_DELIVERY | ServiceFlags.XP1_GUARANTEED_ORDER | ServiceFlags.XP1_GRACEFUL_CLOSE
    : ServiceFlags.XP1_CONNECTIONLESS | ServiceFlags.XP1_MESSAGE_ORIENTED
  return always |
    // R11: to a datagram socket connect data is nothing, whatever could carry it.
    (type === "stream" && callerDataMax + calleeDataMax > 0 ? ServiceFlags.XP1_CONNECT_DATA : 0) |
    (type === "datagram" && options.has("SO_BROADCAST") ? ServiceFlags.XP1_SUPPORT_BROADCAST : 0) |
    (marking || reservesQos ? ServiceFlags.XP1_QOS_SUPPORTED : 0)
}

export const infoOf = (kind: Kind, capabilities: Capabilities): ProtocolInfo => ({
  dwServiceFlags1: flagsOf(kind, capabilities),
  iAddressFamily: kind.family,
  iSocketType: kind.type,
  iProtocol: kind.family === "Unix" ? undefined : transports[kind.type],
  dwMessageSize: kind.type === "stream" ? 0 : capabilities.maxMessage,
  szProtocol: nameOf(kind)
})
