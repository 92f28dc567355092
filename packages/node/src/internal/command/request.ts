/**
 * What `winsock connect` is asked, and whom it tells.
 */
import { ConnectData, type Qos, type SocketAddress, type Winsock, type WsaError } from "@effect-winsock/core"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Report from "../../Report.ts"
import type { Retry, Target } from "./arguments.ts"

/** What the calls are made on. Each run of the command starts it anew, since a flag may say what carries connect data. */
export class Network extends Context.Service<Network, Layer.Layer<Winsock.Winsock, WsaError.WSAStartupError>>()(
  "@effect-winsock/node/internal/command/Network"
) {}

/** What carries user data, and what a connect asks for. */
export interface Carrying {
  readonly proxyProtocol: "exchange" | "one-way" | undefined
  readonly qos: Qos.Qos | undefined
}

const callerDataMax = 48 * 1024

const carriers = {
  none: ConnectData.layerNone,
  exchange: Layer.orDie(ConnectData.layerExchange({ callerDataMax, calleeDataMax: 1 << 20 })),
  "one-way": Layer.orDie(ConnectData.layerProxy({ callerDataMax }))
} as const

/** What the calls are made on, with what carries their data. It starts anew where another run has it already. */
export const started = (
  { proxyProtocol }: Carrying
): Effect.Effect<Layer.Layer<Winsock.Winsock, WsaError.WSAStartupError>, never, Network> =>
  Network.use((network) => Effect.succeed(Layer.provide(Layer.fresh(network), carriers[proxyProtocol ?? "none"])))

export interface Options extends Carrying {
  readonly target: Target
  readonly bind: SocketAddress.SocketAddress | undefined
  readonly timeout: Duration.Duration | undefined
  readonly retry: ReadonlyArray<Retry>
  readonly send: Uint8Array | undefined
  readonly expect: Uint8Array | undefined
  readonly callerData: Uint8Array | undefined
  readonly calleeCapacity: number
}

/** What wants to be told as it happens. */
export interface Watcher {
  readonly doing: (what: string) => Effect.Effect<void>
  readonly resolved: (lookup: Report.Lookup) => Effect.Effect<void>
  readonly attempted: (attempt: Report.Attempt) => Effect.Effect<void>
}
