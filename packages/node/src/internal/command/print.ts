/**
 * Reports and codes as text for people.
 */
import { ConnectorEvent, Qos, Waterfall, WsaError } from "@effect-winsock/core"
import * as Schema from "effect/Schema"
import type * as Report from "../../Report.ts"
import * as Codes from "./codes.ts"
import type { News } from "./listen.ts"
import type { Paint } from "./terminal.ts"

const time = (ms: number): string => ms < 10_000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(1)} s`

const count = (bytes: number): string => bytes === 1 ? "1 byte" : `${bytes} bytes`

const unitOf = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`

/** A terminal obeys some characters, and others change the order of what stands there: they are written in figures. */
export const visible = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}]/gu, (character) => character.split("").map(unitOf).join(""))

// What comes from a peer may hold such: the bytes it sent, the path it is bound to.
const quote = (text: string): string => visible(JSON.stringify(text))

/** A line of JSON. It means the same with figures in it. */
export const json = (value: unknown): string => visible(JSON.stringify(value))

// An unbound Unix-domain socket has no name; a line of JSON has to say something there.
const nameOf = (remote: string, paint: Paint): string =>
  remote === "unix:" ? "(no name)" : paint.strong(quote(remote).slice(1, -1))

const speakers: { readonly [by in Report.Failure["by"]]: string } = {
  system: "said by the system",
  winsock: "said by the calls: nothing was sent",
  resolver: "said by the resolver",
  deadline: "said by the deadline, the system has not answered"
}

const codeOf = (failure: Report.Failure, paint: Paint): string =>
  paint.bad(failure.code) + (failure.number === undefined ? "" : ` (${failure.number})`)

/** What a failure means, where it arose, and who said so. */
const explain = ({ by, call, detail, native, stage, words }: Report.Failure, paint: Paint): ReadonlyArray<string> => {
  const errno = native?.errno === undefined ? undefined : `(${native.errno})`
  const quoted = [native?.syscall, native?.code, errno].filter((word) => word !== undefined).join(" ")
  const step = call === "lookup" ? "looking the name up" : `${call}, stage ${stage}`
  const where = `${step}, ${speakers[by]}${quoted === "" ? "" : `: ${quoted}`}`
  return [words, paint.faint(where), ...(detail === undefined ? [] : [paint.faint(visible(detail))])].map((line) =>
    `  ${line}`
  )
}

export const lookup = ({ addresses, durationMs, host }: Report.Lookup): string =>
  `${visible(host)} is ${addresses.join(", ")}, looked up in ${time(durationMs)}`

/** One attempt; what has been explained before is not explained again. */
export const attempt = (
  { address, durationMs, error, local, pending, round }: Report.Attempt,
  protocol: Report.ConnectReport["protocol"],
  explained: boolean,
  paint: Paint
): ReadonlyArray<string> => {
  const again = round > 1 ? `, round ${round}` : ""
  const from = local === undefined ? "" : `, from ${visible(local)}`
  const to = paint.strong(visible(address))
  if (pending) return [`${to} has not answered after ${time(durationMs)}${again}`]
  if (error === undefined && protocol === "udp") return [`${to} is the peer${from}${again}`]
  return error === undefined
    ? [`${to} ${paint.good("connected")} in ${time(durationMs)}${from}${again}`]
    : [
      `${to} ${codeOf(error, paint)} after ${time(durationMs)}${from}${again}`,
      ...(explained ? [] : explain(error, paint))
    ]
}

const rate = (bytes: number): string => `${bytes} bytes/s`

/** A code point, with the name of its class where it has one. */
const dscpOf = (number: number): string => {
  const name = Object.entries(Qos.dscp).find(([, of]) => of === number)?.[0]
  return name === undefined ? String(number) : `${name} (${number})`
}

const specOf = ({ serviceType, tokenRate }: Qos.FlowSpec): string =>
  serviceType + (tokenRate === undefined ? "" : ` at ${rate(tokenRate)}`)

const modes = { shape: "shaped", discard: "discarded beyond", borrow: "counted, not kept," } as const

const kept = ({ mode, tokenRate }: NonNullable<Report.Flow["shaped"]>): string => `${modes[mode]} to ${rate(tokenRate)}`

const flow = (
  which: string,
  { asked, groupShaped, ignored, marked, reserved, shaped }: Report.Flow
): ReadonlyArray<string> => {
  if (asked === undefined && groupShaped === undefined) return []
  const done = [
    ...(marked === undefined ? [] : [`marked ${dscpOf(marked)}`]),
    ...(shaped === undefined ? [] : [kept(shaped)]),
    ...(groupShaped === undefined ? [] : [`${kept(groupShaped)} with its group`]),
    ...(reserved === undefined ? [] : [`reserved ${rate(reserved.rate)} within ${reserved.delay} µs`])
  ]
  return [
    `${which}${asked === undefined ? "" : ` ${specOf(asked)}`}: ${done.join(", ") || "nothing to do"}`,
    ...ignored.map(({ field, why }) => `  ${field} ignored: ${why}`)
  ]
}

const applied = (report: Report.Applied | undefined): ReadonlyArray<string> =>
  report === undefined
    ? []
    : [...flow("QOS to the peer", report.sending), ...flow("QOS from the peer", report.receiving)]

const userData = (who: string, data: Report.UserData | undefined): ReadonlyArray<string> =>
  data === undefined ? [] : [`${who} ${count(data.bytes)}: ${quote(data.text)}`]

const exchange = ({ ended, expected, received, receivedBytes, sentBytes }: Report.Exchange): ReadonlyArray<string> => [
  ...(sentBytes > 0 ? [`sent ${count(sentBytes)}`] : []),
  ...(receivedBytes > 0 ? [`received ${count(receivedBytes)}: ${quote(received)}`] : []),
  ...(expected !== undefined && receivedBytes === 0 ? ["received nothing"] : []),
  ...(ended ? ["the peer has ended its direction"] : [])
]

/** How it ended, after its attempts have been told. */
export const ending = (report: Report.ConnectReport, paint: Paint): ReadonlyArray<string> => {
  const { attempts, durationMs, error, exchange: said, outcome, remote } = report
  const expected = quote(said?.expected ?? "")
  const verdicts: { readonly [O in Report.ConnectReport["outcome"]]: ReadonlyArray<string> } = {
    connected: said?.expected === undefined ? [] : [paint.good(`${expected} came after ${time(said.durationMs)}`)],
    answered: [
      paint.good(`${said?.expected === undefined ? "an answer" : expected} came after ${time(said?.durationMs ?? 0)}`)
    ],
    unanswered: [`no answer within ${time(said?.durationMs ?? 0)}: nobody can tell whether it arrived`],
    unsent: ["nothing was sent: UDP connects to anything, --send asks whether anybody is there"],
    failed: error === undefined || attempts.at(-1)?.error === error
      ? []
      : [
        `${remote === undefined ? "" : `${paint.strong(visible(remote))} `}${codeOf(error, paint)} after ${
          time(durationMs)
        }`,
        ...explain(error, paint)
      ],
    interrupted: [paint.bad(`interrupted after ${time(durationMs)}`)],
    unmet: [paint.bad(`${expected} did not come within ${time(said?.durationMs ?? 0)}`)]
  }
  return [
    ...applied(report.applied),
    ...userData("the peer passed back", report.calleeData),
    ...(said === undefined ? [] : exchange(said)),
    ...verdicts[outcome]
  ]
}

const asks = (who: string, qos: Report.CallerReport["qos"]): ReadonlyArray<string> =>
  qos === undefined ? [] : [
    ...(qos.sending === undefined ? [] : [`${who} ${specOf(qos.sending)} to here`]),
    ...(qos.receiving === undefined ? [] : [`${who} ${specOf(qos.receiving)} from here`])
  ]

/** What `winsock listen` tells. */
export const news = (report: News, paint: Paint): ReadonlyArray<string> => {
  switch (report._tag) {
    case "ListeningReport":
      return [`${report.protocol === "udp" ? "receiving" : "listening"} at ${paint.strong(visible(report.address))}`]
    case "CallerReport":
      return [
        `${report.caller}: ${nameOf(report.remote, paint)} ${paint.good("connected")}`,
        ...[
          ...userData("it sent along", report.callerData),
          ...asks("it asks for", report.qos),
          ...asks("its group asks for", report.groupQos),
          ...applied(report.applied)
        ].map((line) => `  ${line}`)
      ]
    case "GoneReport": {
      const { caller, durationMs, error, receivedBytes, sentBytes } = report
      const how = error === undefined ? "ended" : codeOf(error, paint)
      const bytes = `${count(receivedBytes)} received, ${count(sentBytes)} sent`
      return [
        `${caller}: ${nameOf(report.remote, paint)} ${how} after ${time(durationMs)}: ${bytes}`,
        ...(error === undefined ? [] : explain(error, paint))
      ]
    }
    case "DatagramReport":
      return [
        `${nameOf(report.remote, paint)} sent ${count(report.receivedBytes)}${report.echoed ? ", sent back" : ""}`
      ]
    case "ListenFailureReport":
      return [`${paint.strong(visible(report.target))} ${codeOf(report.error, paint)}`, ...explain(report.error, paint)]
  }
}

const transient = (code: WsaError.Code): boolean => WsaError.isTransient(WsaError.table[code])

const someCalls = (code: WsaError.Code): string => {
  const calls = Codes.callsOf(code)
  return calls.slice(0, 3).join(", ") + (calls.length > 3 ? ` and ${calls.length - 3} more` : "")
}

/** The table of all codes. */
export const table = (paint: Paint): ReadonlyArray<string> => {
  const rows = [
    ["CODE", "NUMBER", "POSIX", "TRANSIENT", "WORDS", "CALLS"],
    ...Codes.codes.map((code) => {
      const { number, posix, words } = WsaError.table[code]
      return [code, String(number), posix ?? "-", transient(code) ? "yes" : "no", words, someCalls(code)]
    })
  ]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row, index) => {
    const line = row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()
    return index === 0 ? paint.strong(line) : line
  })
}

const numbered = (
  name: string | null,
  numbers: ReadonlyArray<readonly [where: string, number: number | null]>
): string => {
  const known = numbers.filter(([, number]) => number !== null).map(([where, number]) => `${number} on ${where}`)
  return name === null || name === "UNKNOWN" ? "no name" : name + (known.length > 0 ? ` (${known.join(", ")})` : "")
}

const causeOf = ({ cause, stages }: WsaError.NativeRule): string => `${stages.join(", ")}: ${cause}`

const listed = (what: string, lines: ReadonlyArray<string>, paint: Paint): ReadonlyArray<string> =>
  lines.map((line, index) => `  ${paint.faint((index === 0 ? what : "").padEnd(10))}  ${line}`)

/** All that is known of each code that something may be; a number may be one of Winsock's and one of a system's. */
export const readings = (asked: string, read: ReadonlyArray<Codes.Reading>, paint: Paint): ReadonlyArray<string> => {
  const tell = read.some(({ as }) => as !== undefined)
  return read.flatMap(({ as, code: name }, index) => [
    ...(index > 0 ? [""] : []),
    ...(tell ? [paint.faint(`${asked} is ${as ?? `${name} in Winsock`}`)] : []),
    ...code(name, paint)
  ])
}

const code = (name: WsaError.Code, paint: Paint): ReadonlyArray<string> => {
  const row = WsaError.table[name]
  const natives = WsaError.nativeRules.filter((rule) => rule.code === name)
  // The name that POSIX has for this code may mean another one at some step.
  const others = WsaError.nativeRules.filter((rule) =>
    rule.code !== name && name === `WSA${row.posix}` && rule.native.includes(row.posix!)
  )
  const facts: ReadonlyArray<readonly [string, string]> = [
    ["POSIX", numbered(row.posix, [["Linux", row.linuxErrno], ["BSD", row.bsdErrno]])],
    ["libuv", numbered(row.libuvWindows, [["Windows", row.libuvWindowsNumber]])],
    ["class", row.retryClass],
    ["transient", transient(name) ? "yes: the same attempt may go well a little later" : "no"],
    ["calls", Codes.callsOf(name).join(", ") || "none here"]
  ]
  return [
    `${paint.bad(name)} (${row.number})`,
    `  ${row.words}`,
    ...facts.map(([what, words]) => `  ${paint.faint(what.padEnd(10))}  ${words}`),
    ...listed("comes from", natives.map((rule) => `${rule.native.join(", ")} at ${causeOf(rule)}`), paint),
    ...listed("but", others.map((rule) => `${row.posix} is ${rule.code} at ${causeOf(rule)}`), paint)
  ]
}

const writeEvent = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(ConnectorEvent.ConnectorEvent)))

/** An event of a pipeline as a line of JSON. */
export const event = (event: ConnectorEvent.ConnectorEvent): string => visible(writeEvent(event))

/** What a pipeline did, and what it failed with. */
export const waterfall = (
  events: ReadonlyArray<ConnectorEvent.ConnectorEvent>,
  paint: Paint
): ReadonlyArray<string> => {
  const last = events.at(-1)
  const code = last?._tag === "Failed" ? last.failure.code : ""
  return [
    Waterfall.render(events),
    ...(WsaError.isCode(code)
      ? [`${paint.bad(code)} (${WsaError.table[code].number}): ${WsaError.table[code].words}`]
      : [])
  ]
}
