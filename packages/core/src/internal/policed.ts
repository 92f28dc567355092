/**
 * Asks the policies that are in force.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as AddressPolicy from "../AddressPolicy.ts"
import type { Target } from "../Connector.ts"
import type * as SocketAddress from "../SocketAddress.ts"
import * as WsaError from "../WsaError.ts"
import * as Ambient from "./ambientPolicies.ts"
import * as Pipeline from "./pipeline.ts"

/** The policies in force: of the steps around, and of the layers around. All have to allow. */
export const inForce = (
  context: Context.Context<never>,
  { policies } = Context.get(context, Pipeline.Settings)
): ReadonlyArray<AddressPolicy.AddressPolicy> => {
  const ambient = Ambient.of(context)
  return ambient.length === 0 ? policies : [...policies, ...ambient]
}

const refused = (stage: WsaError.Stage, detail: string, remote?: SocketAddress.SocketAddress) =>
  WsaError.make("WSAEACCES", { call: "WSAConnect", stage, remote, detail })

/** Why a policy denies the address, if one does. */
export const denial = (
  context: Context.Context<never>,
  address: SocketAddress.SocketAddress,
  stage: WsaError.Stage,
  settings?: Pipeline.Settings
): WsaError.WSAEACCES | undefined => {
  for (const policy of inForce(context, settings)) {
    const denial = AddressPolicy.check(policy, address)
    if (denial !== undefined) return refused(stage, AddressPolicy.describe(denial), address)
  }
  return undefined
}

/** Fails where a policy denies the address. */
export const address = (
  address: SocketAddress.SocketAddress,
  stage: WsaError.Stage
): Effect.Effect<void, WsaError.WSAEACCES> =>
  Effect.contextWith((context: Context.Context<never>) => denial(context, address, stage) ?? Effect.void)

/**
 * Fails where a policy denies what is handed to a proxy: an address, or a name that the proxy would look up, of which nobody
 * here can know where it leads.
 */
export const handedOver = (target: Target): Effect.Effect<void, WsaError.WSAEACCES> => {
  if (target._tag === "Endpoint") return address(target.address, "resolve")
  const { host, port } = target.origin
  if (NetAddress.isIpAddress(host)) return address(NetAddress.inetAddressUnsafe(host, port), "resolve")
  return Effect.contextWith((context) => {
    const policy = inForce(context).find(({ allowNames }) => !allowNames)
    return policy === undefined ? Effect.void : refused(
      "resolve",
      `the address policy "${policy.name}" cannot be asked where the proxy would find ${String(host)}: ` +
        "look it up before the proxy (via, then happyEyeballs and resolve), or let the policy allow names " +
        "(AddressPolicy.withNames)"
    )
  })
}
