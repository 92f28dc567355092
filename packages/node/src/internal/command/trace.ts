/**
 * `winsock connect --trace`: a pipeline of connects, and what it does.
 */
import {
  type Connection,
  Connector,
  type ConnectorEvent,
  type HappyEyeballs,
  type Proxy,
  type Qos,
  RetryPolicy,
  SocketAddress,
  type Tls,
  type Winsock,
  type WsaError
} from "@effect-winsock/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as AddressResolver from "effect/net/AddressResolver"
import type * as Host from "effect/net/Host"
import * as Schedule from "effect/Schedule"
import * as NodeTls from "../../NodeTls.ts"
import type { Retry, Target } from "./arguments.ts"
import { Network } from "./request.ts"

export interface Options {
  readonly target: Target
  readonly bind: SocketAddress.SocketAddress | undefined
  readonly qos: Qos.Qos | undefined
  readonly timeout: Duration.Duration | undefined
  readonly attemptTimeout: Duration.Duration | undefined
  readonly retry: ReadonlyArray<Retry>
  readonly proxy: Proxy.Hop<Host.HostPort> | undefined
  readonly tls: Tls.ConnectOptions | undefined
}

type Services = Winsock.Winsock | AddressResolver.AddressResolver | Tls.Tls

/** Any connector of the command: what it fails with is told, and nothing else is done with it. */
type Way<Target> = Connector.Connector<
  Target,
  Connection.Connection<HappyEyeballs.Failure>,
  HappyEyeballs.Failure,
  Services
>

/** Between two rounds. */
const pause = Duration.millis(500)

const socket = ({ bind, qos }: Options): Way<Connector.Endpoint> => {
  const bound = bind === undefined ? {} : { [SocketAddress.familyOf(bind)]: bind }
  const one = Connector.bindTo(Connector.winsock, bound)
  return qos === undefined ? one : Connector.qos(one, qos)
}

const secured = <Target>(self: Way<Target>, { tls }: Options): Way<Target> =>
  tls === undefined ? self : self.pipe(Connector.tls(tls))

const timed = <Target>(self: Way<Target>, { attemptTimeout }: Options): Way<Target> =>
  attemptTimeout === undefined ? self : Connector.attemptTimeout(self, attemptTimeout)

const found = (self: Way<Connector.Endpoint>): Way<Connector.TargetInput> =>
  self.pipe(Connector.happyEyeballs(), Connector.resolve())

/** A race is won when the handshake is done. A proxy finds the target itself: it is told names. */
const attempts = (options: Options): Way<Connector.TargetInput> => {
  const { proxy } = options
  if (proxy === undefined) return found(timed(secured(socket(options), options), options))
  const through: Way<Connector.Target> = Connector.via(found(socket(options)), proxy)
  return timed(secured(named(through), options), options)
}

/** Targets are read here where nobody looks them up. */
const named = (self: Way<Connector.Target>): Way<Connector.TargetInput> =>
  Connector.make((input) => Effect.flatMap(Effect.fromResult(Connector.target(input)), self.connect))

const again = (retry: ReadonlyArray<Retry>): RetryPolicy.Policy =>
  RetryPolicy.byCode(
    Object.fromEntries(
      retry.map(({ code, times }) => [code, Schedule.spaced(pause).pipe(Schedule.upTo({ times }))])
    ) as {}
  )

const pipeline = (options: Options): Way<Connector.TargetInput> => {
  const { retry, timeout } = options
  const retried = retry.length === 0 ? attempts(options) : Connector.retry(attempts(options), again(retry))
  return timeout === undefined ? retried : Connector.timeout(retried, timeout)
}

const inputOf = (target: Target): Connector.TargetInput =>
  target.protocol === "unix" ? Connector.endpoint(target.address) : target.endpoint

/** Connects, tells everything that happens, and answers the exit code. */
export const run = (
  options: Options,
  tell: (event: ConnectorEvent.ConnectorEvent) => Effect.Effect<void>
): Effect.Effect<number, WsaError.WSAStartupError, Network | AddressResolver.AddressResolver> =>
  Network.use((network) =>
    pipeline(options).pipe(
      Connector.tapEvents(tell),
      Connector.connect(inputOf(options.target)),
      Effect.as(0),
      // it has been told
      Effect.catch(() => Effect.succeed(1)),
      Effect.scoped,
      Effect.provide(Layer.merge(Layer.fresh(network), NodeTls.layer))
    )
  )

/** What is said of an event while it is awaited what comes next. */
export const doing = (event: ConnectorEvent.ConnectorEvent): string | undefined => {
  switch (event._tag) {
    case "Resolving":
      return `looking ${event.host} up`
    case "AttemptBegan":
      return `connecting to ${SocketAddress.format(event.address)}`
    case "Connected":
      return `connected to ${SocketAddress.format(event.remote)}`
    case "ProxyPassed":
      return `connected to ${event.destination}`
    case "RetryScheduled":
      return `${event.failure.code}, round ${event.round + 1} is next`
    default:
      return undefined
  }
}
