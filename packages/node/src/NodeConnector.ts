/**
 * What connectors need, over Node's own sockets, resolver and TLS, as one layer.
 *
 * @since 0.1.0
 */
import type { Tls, Winsock, WsaError } from "@effect-winsock/core"
import * as NodeAddressResolver from "@effect/platform-node-shared/NodeAddressResolver"
import * as NodeDns from "@effect/platform-node-shared/NodeDns"
import * as Layer from "effect/Layer"
import type * as AddressResolver from "effect/net/AddressResolver"
import type * as Dns from "effect/net/Dns"
import * as NodeTls from "./NodeTls.ts"
import * as NodeWinsock from "./NodeWinsock.ts"

/**
 * A running Winsock over Node's sockets, with the look-up of names by the system's resolver, and TLS.
 *
 * **When to use**
 *
 * Use for pipelines of `Connector`. In a simulated test `SimNetwork.layerConnector` takes its place, and nothing else changes.
 *
 * **Details**
 *
 * Names are looked up by `getaddrinfo`: as the hosts file and the configuration of the system have it, with its order of
 * addresses. The zone of a link-local IPv6 address may be the name of an interface.
 *
 * **Example** (Connecting by name)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 * import { NodeConnector } from "@effect-winsock/node"
 * import { Effect } from "effect"
 *
 * const connector = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.resolve())
 * const program = connector.connect("localhost:1").pipe(Effect.flip, Effect.scoped, Effect.provide(NodeConnector.layer))
 *
 * const error = await Effect.runPromise(program)
 * error._tag // => "WSAECONNREFUSED"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  Winsock.Winsock | Dns.Dns | AddressResolver.AddressResolver | Tls.Tls,
  WsaError.WSAStartupError
> = Layer.mergeAll(
  NodeWinsock.layer,
  NodeTls.layer,
  Layer.provideMerge(NodeAddressResolver.layer, NodeDns.layer)
)
