/**
 * What the `winsock` command writes with `--json`: one line for each report, and the schema of every line.
 *
 * `winsock connect` writes one `ConnectReport` when it ends. `winsock listen` writes a `ListeningReport`, and then a line
 * for whatever happens. Each says in `_tag` which it is; `Report` is the schema of them all.
 *
 * Durations are in milliseconds, to the microsecond, of a clock that nobody sets. Addresses are written as everywhere:
 * `127.0.0.1:80`, `[::1]:80`, `unix:/run/app.sock`.
 *
 * @since 0.1.0
 */
import { Qos, WsaError } from "@effect-winsock/core"
import * as Schema from "effect/Schema"

const Milliseconds = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))
const Protocol = Schema.Literals(["tcp", "udp", "unix"])

/**
 * Why something failed, and who said so.
 *
 * **Details**
 *
 * | `by` | who said so |
 * | --- | --- |
 * | `"system"` | the stack below, or the peer through it; `native` has its own words |
 * | `"winsock"` | the calls themselves, by a rule of theirs: nothing was sent |
 * | `"resolver"` | the lookup of the name |
 * | `"deadline"` | `--timeout`: the system had not answered yet |
 *
 * `code` is a Winsock code, or the raw name of what no row of `WsaError.table` knows; then there may be no `number`.
 * `transient` says that the same attempt may go well a little later. `call` is the call that failed, or `"lookup"`
 * where looking a name up did, which no call does.
 *
 * **Example** (Making the failure of a refusal)
 *
 * ```ts import.meta.vitest
 * import { Report } from "@effect-winsock/node"
 *
 * const failure = new Report.Failure({
 *   code: "WSAECONNREFUSED",
 *   number: 10061,
 *   words: "the other side refused",
 *   transient: true,
 *   call: "WSAConnect",
 *   stage: "connect",
 *   by: "system",
 *   native: { code: "ECONNREFUSED", errno: -111, syscall: "connect" }
 * })
 * failure.by // => "system"
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class Failure extends Schema.Class<Failure>("@effect-winsock/node/Report/Failure")({
  code: Schema.String,
  number: Schema.optionalKey(Schema.Int),
  words: Schema.String,
  transient: Schema.Boolean,
  call: Schema.Union([WsaError.Call, Schema.Literal("lookup")]),
  stage: WsaError.Stage,
  by: Schema.Literals(["system", "winsock", "resolver", "deadline"]),
  native: Schema.optionalKey(WsaError.Native),
  detail: Schema.optionalKey(Schema.String)
}) {}

/**
 * One attempt to connect to one address: it succeeded if it has neither an `error` nor `pending`.
 *
 * **Details**
 *
 * `round` counts from 1: `--retry` begins another round, in which every address is tried again. `local` is the address
 * that it was made from, where known. The last one is `pending` where the command was interrupted meanwhile.
 *
 * **Example** (Telling success from failure)
 *
 * ```ts import.meta.vitest
 * import { Report } from "@effect-winsock/node"
 *
 * const attempt = new Report.Attempt({ round: 1, address: "127.0.0.1:80", durationMs: 0.412 })
 * attempt.error === undefined // => true
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class Attempt extends Schema.Class<Attempt>("@effect-winsock/node/Report/Attempt")({
  round: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
  address: Schema.String,
  local: Schema.optionalKey(Schema.String),
  durationMs: Milliseconds,
  error: Schema.optionalKey(Failure),
  pending: Schema.optionalKey(Schema.Boolean)
}) {}

/**
 * The lookup of a name; a literal address needs none.
 *
 * **Example** (Reading what a name stands for)
 *
 * ```ts import.meta.vitest
 * import { Report } from "@effect-winsock/node"
 *
 * const lookup = new Report.Lookup({ host: "localhost", addresses: ["[::1]:80", "127.0.0.1:80"], durationMs: 0.8 })
 * lookup.addresses.length // => 2
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class Lookup extends Schema.Class<Lookup>("@effect-winsock/node/Report/Lookup")({
  host: Schema.String,
  addresses: Schema.Array(Schema.String),
  durationMs: Milliseconds
}) {}

/**
 * What was said once there was a peer, with `--send` and `--expect`.
 *
 * **Details**
 *
 * `received` is the beginning of what came, as text, and at most 4096 bytes of it; `receivedBytes` counts all that was
 * read. `ended` says that the peer has ended its direction. `sentBytes` counts what a `send` that came to its end has
 * handed over, so it is 0 while the only one still waits.
 *
 * **Example** (Reading an answer)
 *
 * ```ts import.meta.vitest
 * import { Report } from "@effect-winsock/node"
 *
 * const exchange = new Report.Exchange({
 *   sentBytes: 6,
 *   receivedBytes: 7,
 *   received: "+PONG\r\n",
 *   expected: "+PONG",
 *   ended: false,
 *   durationMs: 0.3
 * })
 * exchange.received.includes(exchange.expected ?? "") // => true
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class Exchange extends Schema.Class<Exchange>("@effect-winsock/node/Report/Exchange")({
  sentBytes: Schema.Natural,
  receivedBytes: Schema.Natural,
  received: Schema.String,
  expected: Schema.optionalKey(Schema.String),
  ended: Schema.Boolean,
  durationMs: Milliseconds
}) {}

/**
 * Data that came with a connect or with its acceptance.
 *
 * **Details**
 *
 * `bytes` counts all of it; `hex` has the first 4096 bytes, and `text` the same ones as UTF-8.
 *
 * **Example** (Reading what was passed back)
 *
 * ```ts import.meta.vitest
 * import { Report } from "@effect-winsock/node"
 *
 * new Report.UserData({ bytes: 2, text: "ok", hex: "6f6b" }).text // => "ok"
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class UserData extends Schema.Class<UserData>("@effect-winsock/node/Report/UserData")({
  bytes: Schema.Natural,
  text: Schema.String,
  hex: Schema.String
}) {}

const Shaped = Schema.Struct({
  tokenRate: Schema.Finite,
  tokenBucketSize: Schema.Finite,
  peakBandwidth: Schema.optionalKey(Schema.Finite),
  mode: Schema.Literals(["shape", "discard", "borrow"])
})

/**
 * What was done of a quality of service in one direction.
 *
 * **Details**
 *
 * `marked` is the DSCP of what is sent. `shaped` says what is kept to: bytes a second, bytes at once after a pause, and
 * what happens to what is beyond; `groupShaped` the same of what the sockets of a group share. `reserved` has bytes a second and microseconds. `ignored` says what was not done, and
 * why.
 *
 * **Example** (Reading a code point)
 *
 * ```ts import.meta.vitest
 * import { Report } from "@effect-winsock/node"
 *
 * new Report.Flow({ asked: { serviceType: "guaranteed" }, marked: 40, ignored: [] }).marked // => 40
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class Flow extends Schema.Class<Flow>("@effect-winsock/node/Report/Flow")({
  asked: Schema.optionalKey(Qos.FlowSpec),
  marked: Schema.optionalKey(Schema.Int),
  shaped: Schema.optionalKey(Shaped),
  groupShaped: Schema.optionalKey(Shaped),
  reserved: Schema.optionalKey(Schema.Struct({ rate: Schema.Finite, delay: Schema.Finite })),
  ignored: Schema.Array(Schema.Struct({ field: Schema.String, why: Schema.String }))
}) {}

/**
 * What was done of a quality of service, to the peer and from it.
 *
 * **Example** (Reading what was not done)
 *
 * ```ts import.meta.vitest
 * import { Report } from "@effect-winsock/node"
 *
 * const applied = new Report.Applied({
 *   sending: new Report.Flow({
 *     asked: { serviceType: "bestEffort", latency: 1000 },
 *     ignored: [{ field: "latency", why: "best effort bounds no delay" }]
 *   }),
 *   receiving: new Report.Flow({ ignored: [] })
 * })
 * applied.sending.ignored[0]?.field // => "latency"
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class Applied extends Schema.Class<Applied>("@effect-winsock/node/Report/Applied")({
  sending: Flow,
  receiving: Flow
}) {}

/**
 * The report of `winsock connect`.
 *
 * **Details**
 *
 * | `outcome` | what happened | exit code |
 * | --- | --- | --- |
 * | `"connected"` | there is a connection, and `--expect`, if given, was met | 0 |
 * | `"answered"` | UDP: a datagram came back, and `--expect`, if given, was met | 0 |
 * | `"unanswered"` | UDP: the datagram was sent, and nothing came back: nobody can tell whether it arrived | 0 |
 * | `"unsent"` | UDP: the peer was set, and nothing was sent: this says nothing about the peer | 0 |
 * | `"failed"` | a call failed; `error` says how | 1 |
 * | `"unmet"` | what `--expect` asks for did not come | 3 |
 * | `"interrupted"` | Ctrl-C or SIGTERM ended it; what it has is what was known by then | 130 |
 *
 * `attempts` has all of them in their order. `local` and `remote` are the two ends of the connection that was made,
 * `applied` what was done of `--qos` and `--dscp`, `calleeData` what the peer passed back while it was made.
 * `durationMs` is for everything, the lookup and the waiting between rounds included.
 *
 * **Example** (Reading a line of JSON)
 *
 * ```ts import.meta.vitest
 * import { Report } from "@effect-winsock/node"
 * import { Schema } from "effect"
 *
 * const read = Schema.decodeUnknownSync(Schema.fromJsonString(Report.ConnectReport))
 * const line = `{
 *   "_tag": "ConnectReport", "target": "127.0.0.1:80", "protocol": "tcp", "outcome": "connected", "exitCode": 0,
 *   "attempts": [{ "round": 1, "address": "127.0.0.1:80", "durationMs": 0.412 }],
 *   "local": "127.0.0.1:41230", "remote": "127.0.0.1:80", "durationMs": 0.587
 * }`
 * read(line).outcome // => "connected"
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class ConnectReport extends Schema.TaggedClass<ConnectReport>("@effect-winsock/node/Report/ConnectReport")(
  "ConnectReport",
  {
    target: Schema.String,
    protocol: Protocol,
    outcome: Schema.Literals(["connected", "answered", "unanswered", "unsent", "failed", "unmet", "interrupted"]),
    exitCode: Schema.Int,
    lookup: Schema.optionalKey(Lookup),
    attempts: Schema.Array(Attempt),
    local: Schema.optionalKey(Schema.String),
    remote: Schema.optionalKey(Schema.String),
    applied: Schema.optionalKey(Applied),
    calleeData: Schema.optionalKey(UserData),
    exchange: Schema.optionalKey(Exchange),
    error: Schema.optionalKey(Failure),
    durationMs: Milliseconds
  }
) {}

/**
 * The first line of `winsock listen`: it listens, or receives datagrams, at `address`.
 *
 * **Example** (Learning the port that was chosen)
 *
 * ```ts import.meta.vitest
 * import { Report } from "@effect-winsock/node"
 *
 * new Report.ListeningReport({ protocol: "tcp", address: "127.0.0.1:40427" }).address // => "127.0.0.1:40427"
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class ListeningReport extends Schema.TaggedClass<ListeningReport>("@effect-winsock/node/Report/ListeningReport")(
  "ListeningReport",
  { protocol: Protocol, address: Schema.String }
) {}

const Flows = Schema.Struct({
  sending: Schema.optionalKey(Qos.FlowSpec),
  receiving: Schema.optionalKey(Qos.FlowSpec)
})

/**
 * Somebody connected to `winsock listen`.
 *
 * **Details**
 *
 * `caller` counts from 1, and tells callers apart that have no name: those of a Unix-domain path. `callerData`, `qos` and
 * `groupQos` are what the caller sent along, where a carrier brought it; `applied` is what was done of `--qos` and
 * `--dscp` for what goes to the caller.
 *
 * **Example** (Seeing who it was)
 *
 * ```ts import.meta.vitest
 * import { Report } from "@effect-winsock/node"
 *
 * new Report.CallerReport({ caller: 1, remote: "127.0.0.1:50112" }).remote // => "127.0.0.1:50112"
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class CallerReport extends Schema.TaggedClass<CallerReport>("@effect-winsock/node/Report/CallerReport")(
  "CallerReport",
  {
    caller: Schema.Natural,
    remote: Schema.String,
    callerData: Schema.optionalKey(UserData),
    qos: Schema.optionalKey(Flows),
    groupQos: Schema.optionalKey(Flows),
    applied: Schema.optionalKey(Applied)
  }
) {}

/**
 * A caller of `winsock listen` has ended its connection, or the connection has broken with `error`.
 *
 * **Example** (Telling an end from a break)
 *
 * ```ts import.meta.vitest
 * import { Report } from "@effect-winsock/node"
 *
 * const gone = new Report.GoneReport({
 *   caller: 1,
 *   remote: "127.0.0.1:50112",
 *   receivedBytes: 6,
 *   sentBytes: 0,
 *   durationMs: 20.125
 * })
 * gone.error === undefined // => true
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class GoneReport extends Schema.TaggedClass<GoneReport>("@effect-winsock/node/Report/GoneReport")("GoneReport", {
  caller: Schema.Natural,
  remote: Schema.String,
  receivedBytes: Schema.Natural,
  sentBytes: Schema.Natural,
  durationMs: Milliseconds,
  error: Schema.optionalKey(Failure)
}) {}

/**
 * A datagram came to `winsock listen`; `echoed` says whether it was sent back.
 *
 * **Example** (Seeing where it came from)
 *
 * ```ts import.meta.vitest
 * import { Report } from "@effect-winsock/node"
 *
 * new Report.DatagramReport({ remote: "127.0.0.1:50112", receivedBytes: 5, echoed: false }).receivedBytes // => 5
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class DatagramReport extends Schema.TaggedClass<DatagramReport>("@effect-winsock/node/Report/DatagramReport")(
  "DatagramReport",
  { remote: Schema.String, receivedBytes: Schema.Natural, echoed: Schema.Boolean }
) {}

/**
 * The last line of a `winsock listen` that could not listen, or had to stop.
 *
 * **Example** (Finding the address taken)
 *
 * ```ts import.meta.vitest
 * import { Report } from "@effect-winsock/node"
 *
 * const error = new Report.Failure({
 *   code: "WSAEADDRINUSE",
 *   number: 10048,
 *   words: "the local address is already in use",
 *   transient: false,
 *   call: "bind",
 *   stage: "bind",
 *   by: "system"
 * })
 * new Report.ListenFailureReport({ target: "127.0.0.1:80", error }).error.number // => 10048
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class ListenFailureReport
  extends Schema.TaggedClass<ListenFailureReport>("@effect-winsock/node/Report/ListenFailureReport")(
    "ListenFailureReport",
    { target: Schema.String, error: Failure }
  )
{}

/**
 * Schema of every line that the command writes with `--json`.
 *
 * **When to use**
 *
 * Use to read the lines of a log: `Schema.decodeUnknownSync(Schema.fromJsonString(Report.Report))`.
 *
 * **Example** (Reading any line)
 *
 * ```ts import.meta.vitest
 * import { Report } from "@effect-winsock/node"
 * import { Schema } from "effect"
 *
 * const read = Schema.decodeUnknownSync(Schema.fromJsonString(Report.Report))
 * read(`{ "_tag": "CallerReport", "caller": 1, "remote": "127.0.0.1:50112" }`)._tag // => "CallerReport"
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Report: Schema.Union<
  readonly [
    typeof ConnectReport,
    typeof ListeningReport,
    typeof CallerReport,
    typeof GoneReport,
    typeof DatagramReport,
    typeof ListenFailureReport
  ]
> = Schema.Union([
  ConnectReport,
  ListeningReport,
  CallerReport,
  GoneReport,
  DatagramReport,
  ListenFailureReport
])

/**
 * Any report of the command.
 *
 * @category models
 * @since 0.1.0
 */
export type Report = typeof Report.Type
