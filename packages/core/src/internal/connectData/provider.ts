/**
 * A provider whose streams begin with an exchange of connect data.
 */
import type { Timers } from "../../ConnectData.ts"
import type * as Provider from "../../Provider.ts"
import { Deadlines } from "./deadlines.ts"
import type { Settings } from "./speech.ts"
import { type Shared, Stream } from "./stream.ts"

/** What the provider below can do, and what the carrier adds. */
const capabilitiesOf = (below: Provider.Capabilities, settings: Settings): Provider.Capabilities =>
  Object.freeze({
    ...below,
    callerDataMax: settings.connects ? settings.callerDataMax : 0,
    calleeDataMax: settings.replies && settings.listens ? settings.calleeDataMax : 0,
    // Callers are taken at once. One that waits for a reply can still be refused.
    boundedBacklog: settings.listens ? settings.replies : below.boundedBacklog
  })

const spoken = new WeakMap<Provider.Provider, Settings>()

/** What a provider says at the beginning of its streams, where a carrier of ours has made it. */
export const settingsOf = (provider: Provider.Provider): Settings | undefined => spoken.get(provider)

export const decorate = (below: Provider.Provider, settings: Settings, timers: Timers): Provider.Provider => {
  const known = new WeakMap<Provider.Capabilities, Provider.Capabilities>()
  const capabilities = (kind: Provider.Kind): Provider.Capabilities => {
    const found = below.capabilities(kind)
    if (kind.type === "datagram") return found
    let ours = known.get(found)
    if (ours === undefined) known.set(found, ours = capabilitiesOf(found, settings))
    return ours
  }
  const shared: Shared = {
    settings,
    provider: below,
    headers: new Deadlines(timers, settings.headerTimeout),
    replies: new Deadlines(timers, settings.replyTimeout),
    streams: 0
  }
  const decorated: Provider.Provider = {
    name: below.name,
    network: below.network,
    capabilities,
    open: (kind, sink) => kind.type === "datagram" ? below.open(kind, sink) : Stream.open(shared, kind, sink)
  }
  spoken.set(decorated, settings)
  return decorated
}
