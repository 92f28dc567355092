/**
 * The `winsock` command: its words, and what it writes where. Results go to stdout, everything else to stderr.
 */
import type { ConnectorEvent, Qos } from "@effect-winsock/core"
import * as Argument from "effect/cli/Argument"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as AddressResolver from "effect/net/AddressResolver"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import * as Report from "../Report.ts"
import * as Arguments from "./command/arguments.ts"
import * as Codes from "./command/codes.ts"
import * as Connect from "./command/connect.ts"
import * as Listen from "./command/listen.ts"
import * as Print from "./command/print.ts"
import type * as Request from "./command/request.ts"
import * as Terminal from "./command/terminal.ts"
import * as Trace from "./command/trace.ts"

/** The command has ended, and not with 0. What there was to say has been said. */
export class Ended extends Data.TaggedError("Ended")<{ readonly exitCode: number }> {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}

/** 1: a call failed with a code; 2: the command line makes no sense; 3: what was expected did not come. */
const end = (exitCode: number) => exitCode === 0 ? Effect.void : Effect.fail(new Ended({ exitCode }))

const writeAll = (lines: ReadonlyArray<string>) => lines.length === 0 ? Effect.void : Console.log(lines.join("\n"))

// -- words of the command line ----------------------------------------------------------------------------------------

type Parse<A> = (text: string) => Result.Result<A, string>

/** A value as an error may tell it: what stands before an `@` is a user with a password. */
const shown = (value: string): string => Print.visible(value.replace(/^.*:.*@/s, "…@"))

const parseWith = <A>(kind: "flag" | "argument", option: string, parse: Parse<A>) => (value: string) =>
  Result.match(parse(value), {
    onFailure: (expected) =>
      Effect.fail(
        new CliError.InvalidValue({ option, value: shown(value), expected: Print.visible(expected), kind })
      ),
    onSuccess: Effect.succeed
  })

const argument = <A>(name: string, description: string, parse: Parse<A>) =>
  Argument.String(name).pipe(
    Argument.withDescription(description),
    Argument.mapEffect(parseWith("argument", name, parse))
  )

const flag = <A>(name: string, metavar: string, parse: Parse<A>) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.mapEffect(parseWith("flag", name, parse)))

/** More than any header can hold. Some files have no end. */
const mostData = 64 * 1024

/** More than all authorities of a system. */
const mostCertificates = 4 * 1024 * 1024

const readData = (path: string, most: number) =>
  FileSystem.FileSystem.use((files) => Stream.runCollect(files.stream(path, { bytesToRead: most + 1 }))).pipe(
    Effect.map((chunks) => new Uint8Array(Buffer.concat(chunks))),
    Effect.mapError(({ message }) => message),
    Effect.filterOrFail(
      (bytes) => bytes.length <= most,
      () => `a file of at most ${most} bytes`
    )
  )

const readFlag = (option: string, value: string, path: string, most: number) =>
  Effect.mapError(
    readData(path, most),
    (expected) => new CliError.InvalidValue({ option, value, expected, kind: "flag" })
  )

const data = (name: string, description: string) =>
  flag(name, "<DATA>", Arguments.data).pipe(
    Flag.withDescription(description),
    Flag.mapEffect((read) =>
      read instanceof Uint8Array
        ? Effect.succeed(read)
        : readFlag(name, `@${read.path}`, read.path, mostData)
    ),
    Flag.optional
  )

/** What a connection is to have: of both commands. */
const quality = {
  qos: flag("qos", "<QOS>", Arguments.qos).pipe(
    Flag.withDescription("Ask for this: SERVICE, SERVICE:RATE in bytes a second (k, M), or a template such as G711"),
    Flag.optional
  ),
  dscp: flag("dscp", "<CLASS>", Arguments.dscp).pipe(
    Flag.withDescription("Mark what is sent: EF, AF41, CS1 …, or a number from 0 to 63"),
    Flag.optional
  ),
  proxyProtocol: Flag.Literals("proxy-protocol", ["exchange", "one-way"]).pipe(
    Flag.withDescription("Data travels in a PROXY header: exchange waits for the peer's reply, one-way does not"),
    Flag.optional
  )
}

const carryingOf = (
  { dscp, proxyProtocol, qos }: {
    readonly qos: Option.Option<Qos.Qos>
    readonly dscp: Option.Option<number>
    readonly proxyProtocol: Option.Option<"exchange" | "one-way">
  }
): Request.Carrying => ({
  proxyProtocol: Option.getOrUndefined(proxyProtocol),
  qos: Arguments.marked(Option.getOrUndefined(qos), Option.getOrUndefined(dscp))
})

const flags = {
  bind: flag("bind", "<ADDRESS>", Arguments.local).pipe(
    Flag.withDescription("Connect from this address: 192.0.2.1, 192.0.2.1:4000, unix:/PATH"),
    Flag.optional
  ),
  timeout: flag("timeout", "<TIME>", Arguments.duration).pipe(
    Flag.withDescription("For everything together: 2 (seconds), 500ms, 1.5s, 2m; ends with WSAETIMEDOUT"),
    Flag.optional
  ),
  retry: flag("retry", "<CODE=N>", Arguments.retry).pipe(
    Flag.withDescription("Try again up to N times after CODE, each time after 500 ms; may be repeated"),
    Flag.atLeast(0)
  ),
  send: flag("send", "<TEXT>", Arguments.bytes).pipe(
    Flag.withDescription("Send this once there is a peer; \\r \\n \\t \\0 \\\\ \\xHH are understood"),
    Flag.optional
  ),
  expect: flag("expect", "<TEXT>", Arguments.bytes).pipe(
    Flag.withDescription("Wait until this has come, or end with 3"),
    Flag.optional
  ),
  callerData: data("caller-data", "Send this along with the connect: as --send, or hex:HH…, or @FILE"),
  calleeCapacity: flag("callee-capacity", "<BYTES>", Arguments.capacity).pipe(
    Flag.withDescription("Take so much of what the peer passes back; 4096 with --proxy-protocol exchange, 0 without"),
    Flag.optional
  ),
  trace: Flag.Boolean("trace").pipe(
    Flag.withDescription("Race the addresses, and draw look-ups, attempts and steps over time"),
    Flag.withDefault(false)
  ),
  tls: Flag.Boolean("tls").pipe(
    Flag.withDescription("Make a TLS handshake part of each attempt; with --trace"),
    Flag.withDefault(false)
  ),
  alpn: Flag.String("alpn").pipe(
    Flag.withMetavar("<PROTOCOL>"),
    Flag.withDescription("Offer this over TLS, such as h2; may be repeated, the liked one first"),
    Flag.atLeast(0)
  ),
  ca: Flag.String("ca").pipe(
    Flag.withMetavar("<FILE>"),
    Flag.withDescription("Trust these authorities, in PEM, and not those of the system"),
    Flag.mapEffect((path) => readFlag("ca", path, path, mostCertificates)),
    Flag.optional
  ),
  attemptTimeout: flag("attempt-timeout", "<TIME>", Arguments.duration).pipe(
    Flag.withDescription("For each attempt: ends with WSAETIMEDOUT; with --trace"),
    Flag.optional
  ),
  proxy: flag("proxy", "<URL>", Arguments.proxy).pipe(
    Flag.withDescription(
      "Go through this one, which looks the name up: http://HOST:PORT, socks5://HOST:PORT; with --trace"
    ),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Write reports as lines of JSON"), Flag.withDefault(false))
}

// -- connect ----------------------------------------------------------------------------------------------------------

const silent: Request.Watcher = {
  doing: () => Effect.void,
  resolved: () => Effect.void,
  attempted: () => Effect.void
}

/** Tells people what happens, as it happens. */
const teller = (
  protocol: Report.ConnectReport["protocol"],
  { stdout }: Terminal.Look,
  line: Terminal.Live
): Request.Watcher => {
  const explained = new Map<string, string>()
  const write = (lines: ReadonlyArray<string>) => Effect.andThen(line.clear, writeAll(lines))
  return {
    doing: (what) => line.show(Print.visible(what)),
    resolved: (lookup) => write([Print.lookup(lookup)]),
    attempted: (attempt) => {
      const code = attempt.error?.code ?? ""
      const known = explained.get(attempt.address) === code
      explained.set(attempt.address, code)
      return write(Print.attempt(attempt, protocol, known, stdout))
    }
  }
}

/** Flags, and whether they are given. */
type Given = { readonly [name: string]: boolean }

const named = (given: Given): string =>
  Object.keys(given).filter((name) => given[name]).map((name) => `--${name}`).join(", ")

/** Which flags do not go with the others. */
const wrongOfConnect = (
  { tls, trace }: { readonly trace: boolean; readonly tls: boolean },
  target: Arguments.Target,
  ofTls: Given,
  ofTrace: Given,
  others: Given
): string => {
  const needed = named(trace ? {} : { tls, ...ofTls, ...ofTrace })
  if (needed !== "") return `${needed}: only with --trace`
  if (trace && target.protocol === "udp") return "--trace is for connections: UDP has none"
  const idle = named(tls ? {} : ofTls)
  if (idle !== "") return `${idle}: only with --tls`
  const unknown = named(trace ? others : {})
  return unknown === "" ? "" : `${unknown}: not with --trace, which connects and says nothing`
}

/** The picture, and what its code means; with `--json` a line for each event. */
const tracer = ({ stdout }: Terminal.Look, line: Terminal.Live, json: boolean) => {
  const seen: Array<ConnectorEvent.ConnectorEvent> = []
  return (event: ConnectorEvent.ConnectorEvent): Effect.Effect<void> => {
    if (json) return Console.log(Print.event(event))
    seen.push(event)
    const isOver = event._tag === "Succeeded" || event._tag === "Failed" || event._tag === "Interrupted"
    if (isOver) return Effect.andThen(line.clear, writeAll(Print.waterfall(seen, stdout)))
    const what = Trace.doing(event)
    return what === undefined ? Effect.void : line.show(Print.visible(what))
  }
}

const connect = Command.make(
  "connect",
  {
    target: argument("target", "HOST:PORT, [::1]:PORT, tcp:HOST:PORT, udp:HOST:PORT, unix:/PATH", Arguments.target),
    ...flags,
    ...quality
  },
  Effect.fnUntraced(
    function*({
      alpn,
      attemptTimeout,
      bind,
      ca,
      calleeCapacity,
      callerData,
      expect,
      json,
      proxy,
      retry,
      send,
      target,
      timeout,
      tls,
      trace,
      ...rest
    }) {
      const carrying = carryingOf(rest)
      const look = yield* Terminal.look
      const line = yield* Terminal.live(look.live && !json)
      const wrong = wrongOfConnect(
        { trace, tls },
        target,
        { alpn: alpn.length > 0, ca: Option.isSome(ca) },
        { "attempt-timeout": Option.isSome(attemptTimeout), proxy: Option.isSome(proxy) },
        {
          send: Option.isSome(send),
          expect: Option.isSome(expect),
          "caller-data": Option.isSome(callerData),
          "callee-capacity": Option.isSome(calleeCapacity),
          "proxy-protocol": carrying.proxyProtocol !== undefined
        }
      )
      if (wrong !== "") return yield* Effect.andThen(Console.error(wrong), end(2))
      if (trace) {
        const code = yield* Trace.run({
          target,
          retry,
          qos: carrying.qos,
          bind: Option.getOrUndefined(bind),
          timeout: Option.getOrUndefined(timeout),
          attemptTimeout: Option.getOrUndefined(attemptTimeout),
          proxy: Option.getOrUndefined(proxy),
          tls: tls ? { alpn, ca: Option.getOrUndefined(ca) } : undefined
        }, tracer(look, line, json)).pipe(
          Effect.catch((error) => Effect.as(Console.error(error.message), 1))
        )
        return yield* end(code)
      }
      const options: Request.Options = {
        ...carrying,
        callerData: Option.getOrUndefined(callerData),
        calleeCapacity: Option.getOrElse(calleeCapacity, () => carrying.proxyProtocol === "exchange" ? 4096 : 0),
        target,
        retry,
        bind: Option.getOrUndefined(bind),
        timeout: Option.getOrUndefined(timeout),
        send: Option.getOrUndefined(send),
        expect: Option.getOrUndefined(expect)
      }
      const tell = (report: Report.ConnectReport) =>
        Effect.andThen(
          line.clear,
          json ? Console.log(Print.json(report)) : writeAll(Print.ending(report, look.stdout))
        )
      const exitCode = yield* Connect.run(options, json ? silent : teller(target.protocol, look, line), tell)
      yield* end(exitCode)
    },
    Effect.scoped
  )
).pipe(
  Command.withDescription("Connects, and tells how it went: which error, from whom, after how long."),
  Command.withShortDescription("Connects, and tells how it went"),
  Command.withExamples([
    { command: "winsock connect localhost:6379 --send 'PING\\r\\n' --expect +PONG --timeout 2" },
    { command: "winsock connect example.org:443 --tls --trace", description: "what it does, over time" },
    { command: "winsock connect unix:/run/app.sock --json" },
    { command: "winsock connect udp:192.0.2.1:53 --send hello" },
    {
      command: "winsock connect db.example:5432 --retry WSAECONNREFUSED=20",
      description: "wait for a server to start"
    },
    { command: "winsock connect 192.0.2.1:80 --proxy-protocol exchange --caller-data tenant=acme" },
    {
      command: "winsock connect 192.0.2.1:5060 --qos G711 --dscp EF",
      description: "ask for the QOS of a telephone call"
    }
  ])
)

// -- listen -----------------------------------------------------------------------------------------------------------

const wrongOfListen = ({ calleeData, proxyProtocol, qos, target }: Listen.Options): string | undefined => {
  if (target.protocol === "udp" && (qos ?? proxyProtocol ?? calleeData) !== undefined) {
    return "--qos, --dscp, --callee-data and --proxy-protocol are for callers: UDP has none"
  }
  return calleeData !== undefined && proxyProtocol !== "exchange"
    ? "--callee-data goes back by --proxy-protocol exchange, and in no other way"
    : undefined
}

const listen = Command.make(
  "listen",
  {
    target: argument("address", "HOST:PORT, [::1]:PORT, tcp:HOST:PORT, udp:HOST:PORT, unix:/PATH", Arguments.target),
    once: Flag.Boolean("once").pipe(
      Flag.withDescription("End after one caller, or one datagram"),
      Flag.withDefault(false)
    ),
    echo: Flag.Boolean("echo").pipe(Flag.withDescription("Send back what comes"), Flag.withDefault(false)),
    calleeData: data("callee-data", "Pass this back to who connects: as --caller-data of connect"),
    ...quality,
    json: flags.json
  },
  Effect.fnUntraced(function*({ calleeData, echo, json, once, target, ...rest }) {
    const { stdout } = yield* Terminal.look
    const tell = (report: Listen.News) => json ? Console.log(Print.json(report)) : writeAll(Print.news(report, stdout))
    const options = { ...carryingOf(rest), calleeData: Option.getOrUndefined(calleeData), echo, once, target }
    const wrong = wrongOfListen(options)
    if (wrong !== undefined) return yield* Effect.andThen(Console.error(wrong), end(2))
    yield* Listen.run(options, tell).pipe(
      Effect.catch((error) =>
        Effect.andThen(tell(new Report.ListenFailureReport({ target: target.text, error })), end(1))
      )
    )
  }, Effect.scoped)
).pipe(
  Command.withDescription("Listens, and tells who connects, from where, and with what. Ends at Ctrl-C."),
  Command.withShortDescription("Listens, and tells who connects"),
  Command.withExamples([
    { command: "winsock listen 127.0.0.1:8080 --echo" },
    { command: "winsock listen 127.0.0.1:8080 --proxy-protocol exchange --callee-data 'session 7'" },
    { command: "winsock listen udp:127.0.0.1:5353 --once --json" }
  ])
)

// -- errors -----------------------------------------------------------------------------------------------------------

const errors = Command.make(
  "errors",
  {
    code: argument(
      "code",
      "Such as WSAECONNREFUSED, 10061, ECONNREFUSED, 111 or -111; without it, all",
      (text) => Result.map(Codes.read(text), (read) => ({ text, read }))
    ).pipe(Argument.optional)
  },
  Effect.fnUntraced(function*({ code }) {
    const { stdout } = yield* Terminal.look
    yield* writeAll(
      Option.match(code, {
        onNone: () => Print.table(stdout),
        onSome: ({ read, text }) => Print.readings(text, read, stdout)
      })
    )
  })
).pipe(
  Command.withDescription("Lists the codes of Winsock, or tells all about one: its number, POSIX's name, the calls."),
  Command.withShortDescription("Tells what a code means"),
  Command.withExamples([{ command: "winsock errors WSAECONNREFUSED" }, { command: "winsock errors -111" }])
)

// -- the whole --------------------------------------------------------------------------------------------------------

const winsock = Command.make("winsock").pipe(
  Command.withDescription(
    "Connections, seen through Winsock's codes.\n  Exit codes: 0 it went well; 1 a call failed; 2 wrong usage; " +
      "3 what was expected did not come; 130 interrupted"
  ),
  Command.withSubcommands([connect, listen, errors])
)

/** Help and versions are results; what is wrong with a command line is not, and comes without the whole help. */
const presenter = (formatter: CliOutput.Formatter): CliOutput.Presenter => ({
  present: (event) => {
    switch (event._tag) {
      case "Help":
        return Console.log(formatter.formatHelpDoc(event.helpDoc))
      case "Version":
        return Console.log(formatter.formatVersion(event.name, event.version))
      case "InvalidInvocation":
        return Console.error(
          [...event.errors.map(({ message }) => message), `Run ${event.commandPath.join(" ")} --help`].join("\n")
        )
    }
  }
})

/** Runs the command on its arguments. */
export const run = (args: ReadonlyArray<string>, version: string): Effect.Effect<
  void,
  Ended,
  Command.Environment | Request.Network | AddressResolver.AddressResolver
> =>
  Effect.gen(function*() {
    const { colours } = yield* Terminal.look
    const output = Context.make(CliOutput.Presenter, presenter(CliOutput.defaultFormatter({ colors: colours }))).pipe(
      Context.add(
        CliConfig.CliConfig,
        CliConfig.make({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })
      )
    )
    yield* Command.runWith(winsock, { version })(args).pipe(
      Effect.provideContext(output),
      Effect.catchIf(
        CliError.isCliError,
        (error) => end(error._tag === "ShowHelp" && error.errors.length === 0 ? 0 : 2)
      )
    )
  })
