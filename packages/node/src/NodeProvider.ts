/**
 * The provider over Node's own sockets: `node:net` for streams, `node:dgram` for datagrams.
 *
 * **What it closes, and what core closes**
 *
 * Linux, below Node, answers some calls otherwise than Winsock. Measured ones have numbers; each is closed once.
 *
 * | closed here | how |
 * | --- | --- |
 * | T13, T41: an error is reported again by a later call | each attempt has a socket of its own |
 * | T19, T34, T36: an attempt under way cannot be ended cleanly | ending one closes its socket with a reset |
 * | T20: a port that was chosen for port 0 is lost by a refusal | the next attempt asks for it by its number, and gets it unless other connections share it by then |
 * | T21, T22, T40: one errno for several causes | what was bound and named goes to `WsaError.fromNative` |
 * | T23, T24, T26: datagrams that wait outlive their peer | a new peer gets a fresh socket on the same port |
 * | T25: dissolving the peer loses the port | every port is asked for by its number |
 * | T30: half of an address dissolves the peer | only the absence of a peer does |
 * | T31: a send fails for what an earlier datagram met | it is reported as that, and the datagram is sent again |
 * | E07: a datagram peer with port 0 | accepted; what is sent there vanishes |
 * | Node's TCP leaves `IPV6_V6ONLY` off for a bound port | an address is bound with what was asked for |
 *
 * | closed by core | how |
 * | --- | --- |
 * | T1, T2, T3, T10: destinations that name nobody | refused before a provider is asked |
 * | T4, T12, T17, T18, T32, T35: calls in a state that is not for them | the state machine answers |
 * | T5, T6, T7, T8, T9: addresses of a wrong shape or family | decoded, or refused, before a provider is asked |
 * | T11, T27, T28, T29, T39: names and receives of what is not bound or connected any more | what core remembers |
 * | T14, T15: what select says | told from the state, not from readiness |
 * | T16: sends and receives while an attempt is pending | the state machine answers |
 * | T33: a closed socket | core knows which are open |
 * | T37: a time-out of sends has no hold on a connect | no such option reaches the socket |
 *
 * **What Node cannot do**
 *
 * - Carry data along with a connect, or reserve a quality of service on the way.
 * - Mark datagrams, or give anything a priority or a pace, by calls of its own: `koffi` lends it the system's.
 * - Bind exclusively: libuv sets SO_REUSEADDR on every TCP socket, so two may bind one port and only one may listen.
 *   Inside an instance core's table keeps them apart; other programs are kept off only by a listener.
 * - Change the backlog of a listener, or leave callers beyond it waiting (T38): they are accepted and reset.
 * - Leave the file of a Unix-domain socket alone: libuv removes what has the path when the socket is closed, whoever made
 *   it. It also says EACCES where the directory is missing, and a file that is left over is WSAEADDRINUSE.
 * - Say cheaply whether the network is up.
 * - Stop receiving datagrams: what comes while nobody wants any is dropped here instead of in the kernel.
 * - Deliver what a peer sent before its reset when nobody reads and a send meets the reset first: Node closes the socket
 *   with the failure. While bytes are asked for, they come first.
 *
 * @since 0.1.0
 */
import { type Provider, WsaError } from "@effect-winsock/core"
import * as Effect from "effect/Effect"
import * as dgram from "node:dgram"
import * as net from "node:net"
import { DatagramHandle } from "./internal/datagramHandle.ts"
import * as Koffi from "./internal/koffi.ts"
import { failureOf } from "./internal/native.ts"
import { datagramDescriptor, type Means } from "./internal/quality.ts"
import { StreamHandle } from "./internal/streamHandle.ts"

/**
 * The two calls of the system for what Node has none: an option of a socket that is a number of 32 bits.
 *
 * **Details**
 *
 * Both throw an error with the `code`, `errno` and `syscall` of Node's system errors. They are called with the numbers
 * of Linux, and on no other system.
 *
 * @category models
 * @since 0.1.0
 */
export interface SystemCalls {
  /** What the option is. */
  readonly getsockopt: (descriptor: number, level: number, option: number) => number
  /** Makes it something else. */
  readonly setsockopt: (descriptor: number, level: number, option: number, value: number) => void
}

const bare: Provider.Capabilities = {
  callerDataMax: 0,
  calleeDataMax: 0,
  maxMessage: 0,
  options: new Set(),
  exclusiveBind: false,
  boundedBacklog: false,
  marking: false,
  pacing: false,
  priority: false,
  reservesQos: false
}

// Before it is bound it has no descriptor, but a place for one.
const findsDatagramDescriptor = (): boolean => {
  const socket = dgram.createSocket("udp4")
  const found = datagramDescriptor(socket) !== undefined
  socket.close()
  return found
}

const meansOf = (given: SystemCalls | undefined) => {
  const calls = process.platform === "linux" ? given : undefined
  const has = calls !== undefined
  const hasForDatagrams = has && findsDatagramDescriptor()
  const means = (more: Partial<Provider.Capabilities>): Means => ({
    calls,
    capabilities: Object.freeze({ ...bare, ...more })
  })
  const udp = (maxMessage: number) =>
    means({ maxMessage, options: new Set(["SO_BROADCAST"]), marking: hasForDatagrams, priority: hasForDatagrams })
  return {
    tcp: means({
      options: new Set(["SO_KEEPALIVE", "TCP_NODELAY"]),
      // On Windows the call never fails, so that nobody can tell whether it did anything.
      marking: "setTypeOfService" in net.Socket.prototype && process.platform !== "win32",
      pacing: has,
      priority: has
    }),
    unix: means({}),
    udp4: udp(65507),
    udp6: udp(65527)
  }
}

/**
 * The system's calls by `koffi`, an optional peer dependency.
 *
 * **When to use**
 *
 * Use for a provider of your own making. Programs take `NodeWinsock.layerWith`.
 *
 * **Details**
 *
 * `koffi` is loaded here and nowhere else. Where it is not installed, or does not work on this machine, this fails with
 * WSASYSNOTREADY.
 *
 * **Example** (Marking datagrams)
 *
 * ```ts import.meta.vitest
 * import { NodeProvider } from "@effect-winsock/node"
 * import { Effect } from "effect"
 *
 * const program = Effect.map(NodeProvider.koffi, (systemCalls) => {
 *   const provider = NodeProvider.make({ systemCalls })
 *   return provider.capabilities({ family: "IPv4", type: "datagram", direction: "both" }).marking
 * })
 * await Effect.runPromise(program) === (process.platform === "linux") // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const koffi: Effect.Effect<SystemCalls, WsaError.WSAStartupError> = Effect.try({
  try: Koffi.load,
  catch: (error) =>
    WsaError.forCall("WSAStartup", "WSASYSNOTREADY", {
      stage: "request",
      detail: `koffi is an optional peer dependency, which was asked for and cannot be loaded: ${Koffi.reason(error)}`
    })
})

/**
 * Makes a provider over Node's sockets.
 *
 * **When to use**
 *
 * Use to build on it: a provider that adds something hands the rest to this one. Programs take `NodeWinsock.layer`.
 *
 * **Details**
 *
 * A provider has no state of its own, so any number of them may be made. `network` always answers `"up"`: asking the
 * machine costs more than a call may, and what is down shows at the first connect.
 *
 * | kind | families | options | longest datagram | QOS | with `systemCalls`, on Linux |
 * | --- | --- | --- | --- | --- | --- |
 * | stream | IPv4, IPv6 | SO_KEEPALIVE, TCP_NODELAY | | marks, not on Windows | marks, priority, pacing |
 * | stream | Unix, on Linux also abstract names | | | | |
 * | datagram | IPv4 | SO_BROADCAST | 65507 | | marks, priority |
 * | datagram | IPv6 | SO_BROADCAST | 65527 | | marks, priority |
 *
 * Opening a Unix-domain datagram socket fails with WSAESOCKTNOSUPPORT.
 *
 * **Gotchas**
 *
 * An IPv6 stream marks what goes to an IPv4-mapped peer only with `systemCalls`; without them such a QOS fails with
 * WSAEOPNOTSUPP.
 *
 * **Example** (Asking what Node can do)
 *
 * ```ts import.meta.vitest
 * import { NodeProvider } from "@effect-winsock/node"
 *
 * const provider = NodeProvider.make()
 * provider.name // => "node"
 * provider.capabilities({ family: "IPv4", type: "datagram", direction: "both" }).maxMessage // => 65507
 * provider.capabilities({ family: "IPv4", type: "stream", direction: "both" }).callerDataMax // => 0
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: { readonly systemCalls?: SystemCalls | undefined }): Provider.Provider => {
  const { tcp, udp4, udp6, unix } = meansOf(options?.systemCalls)
  const means = ({ family, type }: Provider.Kind): Means =>
    family === "Unix" ? unix : type === "stream" ? tcp : family === "IPv4" ? udp4 : udp6
  return {
    name: "node",
    network: () => "up",
    capabilities: (kind) => means(kind).capabilities,
    open: (kind, sink) =>
      kind.type === "stream"
        ? new StreamHandle(kind, means(kind), sink)
        : kind.family === "Unix"
        ? failureOf({ code: "ESOCKTNOSUPPORT", syscall: "socket" }, { kind, stage: "open" })
        : new DatagramHandle(kind, means(kind), sink)
  }
}
