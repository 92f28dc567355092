/**
 * What a kind of socket is and what its provider can do for it: a row of `WSAEnumProtocols`, and the value of
 * `SO_PROTOCOL_INFO`.
 *
 * **Details**
 *
 * The fields keep Winsock's names (WSAPROTOCOL_INFO). Address families, types and protocols are named as everywhere
 * here. What a provider can do follows from its capabilities alone, and is said in `dwServiceFlags1`.
 *
 * **Example** (Finding out who carries connect data)
 *
 * ```ts import.meta.vitest
 * import { ProtocolInfo, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Winsock.WSAEnumProtocols.pipe(
 *   Effect.map((rows) =>
 *     rows.filter((row) => (row.dwServiceFlags1 & ProtocolInfo.ServiceFlags.XP1_CONNECT_DATA) !== 0)
 *       .map((row) => row.szProtocol)
 *   ),
 *   Effect.provide(Memory.layer({ callerDataMax: 16 }))
 * )
 * await Effect.runPromise(program) // => ["TCP/IP", "TCP/IPv6", "AF_UNIX"]
 * ```
 *
 * @since 0.1.0
 */
import type * as SocketAddress from "./SocketAddress.ts"

/**
 * One protocol.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProtocolInfo {
  /** What it can do: {@link ServiceFlags}, joined with `|`. */
  readonly dwServiceFlags1: number
  /** The address family of its sockets. */
  readonly iAddressFamily: SocketAddress.Family
  /** The type of its sockets. */
  readonly iSocketType: "stream" | "datagram"
  /** The protocol to ask `socket` for; `undefined` where there is none to choose. */
  readonly iProtocol: "tcp" | "udp" | undefined
  /** The longest message in bytes, 0 for a stream, which has none. */
  readonly dwMessageSize: number
  /** Its name. */
  readonly szProtocol: string
}

/**
 * The flags of `dwServiceFlags1`, with Winsock's names and numbers.
 *
 * **Details**
 *
 * Only these are ever set:
 *
 * | flag | set for |
 * | --- | --- |
 * | XP1_CONNECTIONLESS, XP1_MESSAGE_ORIENTED | datagrams |
 * | XP1_GUARANTEED_DELIVERY, XP1_GUARANTEED_ORDER, XP1_GRACEFUL_CLOSE | streams |
 * | XP1_CONNECT_DATA | streams whose provider carries caller or callee data (R12, R13) |
 * | XP1_SUPPORT_BROADCAST | datagrams whose provider can set SO_BROADCAST (R10) |
 * | XP1_QOS_SUPPORTED | providers that can honour a quality of service (R16) |
 *
 * **Example** (Asking for one)
 *
 * ```ts import.meta.vitest
 * import { ProtocolInfo } from "@effect-winsock/core"
 *
 * ProtocolInfo.ServiceFlags.XP1_QOS_SUPPORTED // => 0x2000
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const ServiceFlags = {
  XP1_CONNECTIONLESS: 0x1,
  XP1_GUARANTEED_DELIVERY: 0x2,
  XP1_GUARANTEED_ORDER: 0x4,
  XP1_MESSAGE_ORIENTED: 0x8,
  XP1_PSEUDO_STREAM: 0x10,
  XP1_GRACEFUL_CLOSE: 0x20,
  XP1_EXPEDITED_DATA: 0x40,
  XP1_CONNECT_DATA: 0x80,
  XP1_DISCONNECT_DATA: 0x100,
  XP1_SUPPORT_BROADCAST: 0x200,
  XP1_SUPPORT_MULTIPOINT: 0x400,
  XP1_MULTIPOINT_CONTROL_PLANE: 0x800,
  XP1_MULTIPOINT_DATA_PLANE: 0x1000,
  XP1_QOS_SUPPORTED: 0x2000,
  XP1_INTERRUPT: 0x4000,
  XP1_UNI_SEND: 0x8000,
  XP1_UNI_RECV: 0x10000,
  XP1_IFS_HANDLES: 0x20000,
  XP1_PARTIAL_MESSAGE: 0x40000
} as const
