/**
 * What a pipeline of connects does, as events.
 *
 * `Connector.tapEvents` gives them as they happen, `Connector.events` as a stream, and `Waterfall.render` draws them.
 *
 * | event | what has happened |
 * | --- | --- |
 * | `Began` | the connect to `target` began |
 * | `Succeeded`, `Failed`, `Interrupted` | how it ended: one of them comes, and comes last |
 * | `Resolving` | the addresses of `host` are asked for, of one `family` where it says so |
 * | `Resolved`, `ResolveFailed` | what was answered; there may be no address in it |
 * | `AttemptBegan` | an attempt to connect to `address` began; `within` is the attempt that it is a part of, if any |
 * | `SocketOpened` | there is a socket; what is done to it before it connects comes now |
 * | `Connected` | it is connected, from `local` |
 * | `ProxyPassed` | the proxy has connected to `destination` |
 * | `TlsDone` | the handshake is over: `version` is TLS's, `protocol` what is to be spoken over it |
 * | `AttemptWon` | it is through with all of its steps |
 * | `AttemptFailed` | one of them failed: `failure.stage` says which |
 * | `AttemptLost` | it was cancelled: another one won, or nobody wants it any more |
 * | `RetryScheduled` | after a failure another round begins in `delay` milliseconds |
 * | `RetryStopped` | after a failure there is no other round |
 * | `BreakerRefused` | no attempt is made: the breaker of `endpoint` is open |
 * | `Queued`, `Admitted` | it waits for its turn among the connects to `destination`; it has it |
 * | `PoolHit` | a connection of a pool is used again: nothing is connected |
 *
 * **Which belong together**
 *
 * | field | what it says |
 * | --- | --- |
 * | `pipeline` | which connect it belongs to: the step that observes counts them, from 1 |
 * | `time` | milliseconds since that began, on effect's clock |
 * | `round` | 1, and one more with each retry; the ends of a pipeline have none |
 * | `attempt` | which attempt, from 1 in the order in which they begin, whatever the round |
 *
 * Every event is plain data with a schema: it goes to JSON and back.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as SocketAddress from "./SocketAddress.ts"
import * as WsaError from "./WsaError.ts"

/**
 * Schema of what an event tells of an error.
 *
 * **Details**
 *
 * `code` is the tag of the error, or the raw code where that is `WsaUnmapped`; `"Defect"` of what was no failure at all.
 *
 * **Example** (A refusal)
 *
 * ```ts import.meta.vitest
 * import { ConnectorEvent } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.is(ConnectorEvent.Failure)({ code: "WSAECONNREFUSED", stage: "connect" }) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Failure: Schema.Struct<{
  readonly code: Schema.String
  readonly stage: Schema.optionalKey<typeof WsaError.Stage>
  readonly by: Schema.optionalKey<Schema.Literals<readonly ["attempt", "deadline"]>>
  readonly native: Schema.optionalKey<typeof WsaError.Native>
  readonly detail: Schema.optionalKey<Schema.String>
}> = Schema.Struct({
  code: Schema.String,
  stage: Schema.optionalKey(WsaError.Stage),
  by: Schema.optionalKey(Schema.Literals(["attempt", "deadline"])),
  native: Schema.optionalKey(WsaError.Native),
  detail: Schema.optionalKey(Schema.String)
})

/**
 * What an event tells of an error.
 *
 * @category models
 * @since 0.1.0
 */
export type Failure = typeof Failure.Type

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
const Milliseconds = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))
const Address = SocketAddress.schema

const whole = { pipeline: Count, time: Milliseconds }
const within = { ...whole, round: Count, attempt: Schema.optionalKey(Count) }
const ofAttempt = { ...whole, round: Count, attempt: Count }
const question = { host: Schema.String, family: Schema.optionalKey(Schema.Literals(["IPv4", "IPv6"])) }

/**
 * Schema of every event.
 *
 * **Details**
 *
 * `ConnectorEvent.match` has a case for each, `ConnectorEvent.guards` tells them apart.
 *
 * **Example** (Writing an event as a line of JSON)
 *
 * ```ts import.meta.vitest
 * import { ConnectorEvent, SocketAddress } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * const write = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(ConnectorEvent.ConnectorEvent)))
 * write({
 *   _tag: "AttemptBegan",
 *   pipeline: 1,
 *   time: 0.25,
 *   round: 1,
 *   attempt: 1,
 *   address: SocketAddress.fromInputUnsafe("192.0.2.1:80")
 * }) // => '{"_tag":"AttemptBegan","pipeline":1,"time":0.25,"round":1,"attempt":1,"address":"192.0.2.1:80"}'
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const ConnectorEvent = Schema.TaggedUnion({
  Began: { ...whole, target: Schema.String },
  Resolving: { ...within, ...question },
  Resolved: { ...within, ...question, addresses: Schema.Array(Address) },
  ResolveFailed: { ...within, ...question, failure: Failure },
  AttemptBegan: { ...ofAttempt, address: Address, within: Schema.optionalKey(Count) },
  SocketOpened: ofAttempt,
  Connected: { ...ofAttempt, local: Address, remote: Address },
  ProxyPassed: { ...within, proxy: Schema.String, destination: Schema.String },
  TlsDone: {
    ...within,
    serverName: Schema.optionalKey(Schema.String),
    version: Schema.String,
    protocol: Schema.optionalKey(Schema.String),
    resumed: Schema.Boolean
  },
  AttemptWon: ofAttempt,
  AttemptFailed: { ...ofAttempt, failure: Failure },
  AttemptLost: ofAttempt,
  RetryScheduled: { ...within, failure: Failure, delay: Milliseconds },
  RetryStopped: {
    ...within,
    failure: Failure,
    reason: Schema.Literals(["no entry", "schedule", "limit", "budget"])
  },
  BreakerRefused: { ...within, endpoint: Schema.String, retryAfter: Schema.optionalKey(Milliseconds) },
  Queued: { ...within, destination: Schema.String },
  Admitted: { ...within, destination: Schema.String },
  PoolHit: { ...within, destination: Schema.String },
  Succeeded: { ...whole, local: Schema.optionalKey(Address), remote: Schema.optionalKey(Address) },
  Failed: { ...whole, failure: Failure },
  Interrupted: whole
})

/**
 * Something that a pipeline of connects has done.
 *
 * @category models
 * @since 0.1.0
 */
export type ConnectorEvent = typeof ConnectorEvent.Type
