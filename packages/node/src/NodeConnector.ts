/**
 * What connectors need, over Node's own sockets, resolver and TLS, as one layer.
 *
 * @since 0.1.0
 */
import type { Tls, Winsock, WsaError } from "@effect-winsock/core"
import * as NodeAddressResolver from "@effect/platform-node-shared/NodeAddressResolver"
import * as NodeDns from "@effect/platform-node-shared/NodeDns"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as AddressResolver from "effect/net/AddressResolver"
import * as Dns from "effect/net/Dns"
import * as NetAddress from "effect/net/NetAddress"
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

/**
 * The same as `layer`, but names are looked up at name servers, and not by the system's resolver.
 *
 * **When to use**
 *
 * Use to ask name servers of your own, or where it has to be known whether a name exists: a name without an address is
 * WSANO_DATA here, and WSAHOST_NOT_FOUND from the system's resolver. Nor does a look-up keep a thread of Node's pool busy.
 *
 * **Details**
 *
 * An address is asked for by queries for A and AAAA records, to `nameServers`, or to those of the system where none are given.
 * `timeout` is for each try, `tries` for each server. It fails with a `NetAddressError` where a name server is no address.
 *
 * **Gotchas**
 *
 * The hosts file is not read; of what stands in it only `localhost` is known, which no server is asked for. Search domains are
 * not appended.
 *
 * **Example** (A name that needs no server)
 *
 * ```ts import.meta.vitest
 * import { Connector } from "@effect-winsock/core"
 * import { NodeConnector } from "@effect-winsock/node"
 * import { Effect } from "effect"
 *
 * const connector = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.resolve())
 * const program = connector.connect("localhost:1").pipe(
 *   Effect.flip,
 *   Effect.scoped,
 *   Effect.provide(NodeConnector.layerNameServers({ nameServers: ["192.0.2.53"], timeout: "1 second", tries: 1 }))
 * )
 *
 * const error = await Effect.runPromise(program)
 * error._tag // => "WSAECONNREFUSED"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNameServers = (
  options: NodeDns.Options = {}
): Layer.Layer<
  Winsock.Winsock | Dns.Dns | AddressResolver.AddressResolver | Tls.Tls,
  WsaError.WSAStartupError | NetAddress.NetAddressError
> =>
  Layer.mergeAll(
    NodeWinsock.layer,
    NodeTls.layer,
    Layer.provideMerge(NodeAddressResolver.layer, Layer.effect(Dns.Dns, Effect.map(NodeDns.make(options), ofRecords)))
  )

/** Looks addresses up in records. */
const ofRecords = ({ resolve }: Dns.Dns["Service"]): Dns.Dns["Service"] => {
  const inFamily = (
    host: string,
    family: NetAddress.IpFamily
  ): Effect.Effect<ReadonlyArray<NetAddress.IpAddress>, Dns.DnsError> =>
    Effect.map(
      resolve(host, family === "IPv4" ? "A" : "AAAA") as Effect.Effect<ReadonlyArray<Dns.A | Dns.Aaaa>, Dns.DnsError>,
      (records) => records.map(({ address }) => address)
    )
  return Dns.make({
    lookup: (host, family) =>
      // RFC 6761 §6.3
      host === "localhost" || host.endsWith(".localhost")
        ? Effect.succeed(NetAddress.loopbackAddresses)
        : family !== undefined
        ? inFamily(host, family)
        : Effect.flatMap(
          Effect.all([inFamily(host, "IPv6"), inFamily(host, "IPv4")].map(Effect.result), { concurrency: 2 }),
          ([six, four]) =>
            six!._tag === "Failure" && four!._tag === "Failure"
              ? Effect.fail(six!.failure)
              : Effect.succeed([six!, four!].flatMap((one) => one._tag === "Success" ? one.success : []))
        ),
    resolve
  })
}
