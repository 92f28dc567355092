/**
 * Material for the tests of the machines: addresses, states, requests and outcomes, and which codes a call can give.
 */
import { type Provider, Qos, SocketAddress, type WsaError } from "@effect-winsock/core"
import { Arbitrary, Result, Schema } from "effect"
import * as InstanceState from "../../src/internal/instanceState.ts"
import * as SocketState from "../../src/internal/socketState.ts"

export const at = SocketAddress.fromInputUnsafe

/** What a call makes of what it is given. */
export const name = (input: unknown): SocketState.Name => {
  const result = SocketAddress.fromInput(input)
  return Result.isSuccess(result) ? result.success : result.failure
}

export const kind = (
  family: SocketAddress.Family,
  type: "stream" | "datagram",
  direction: "both" | "send" | "receive" = "both"
): Provider.Kind => ({ family, type, direction })

export const stream = kind("IPv4", "stream")
export const datagram = kind("IPv4", "datagram")

export const kinds: ReadonlyArray<Provider.Kind> = [
  stream,
  datagram,
  kind("IPv6", "stream"),
  kind("IPv6", "datagram"),
  kind("Unix", "stream"),
  kind("IPv4", "stream", "send"),
  kind("IPv4", "stream", "receive"),
  kind("IPv4", "datagram", "send"),
  kind("IPv4", "datagram", "receive")
]

export const facts: SocketState.Facts = { started: true, networkUp: true, busy: false }

export const allFacts: ReadonlyArray<SocketState.Facts> = [
  facts,
  { ...facts, busy: true },
  { ...facts, networkUp: false },
  { ...facts, started: false }
]

/** A provider that can do everything, within limits that a test reaches. */
export const able: Provider.Capabilities = {
  callerDataMax: 4,
  calleeDataMax: 4,
  maxMessage: 8,
  options: new Set(["SO_KEEPALIVE", "TCP_NODELAY", "SO_BROADCAST"]),
  exclusiveBind: true,
  boundedBacklog: true,
  marking: true,
  pacing: false,
  priority: false,
  reservesQos: true
}

/** A provider that can do nothing that is not needed. */
export const plain: Provider.Capabilities = {
  ...able,
  callerDataMax: 0,
  calleeDataMax: 0,
  options: new Set(),
  marking: false,
  pacing: false,
  priority: false,
  reservesQos: false
}

export const failure = (code: WsaError.Code | "WsaUnmapped"): Provider.Failure => ({
  _tag: "Failure",
  code,
  native: { code: "EWHATEVER" }
})

export const state = (of: Provider.Kind, change: Partial<SocketState.SocketState> = {}): SocketState.SocketState => ({
  ...SocketState.make(of),
  ...change
})

/** The local address of a socket of the family, and its peer. */
export const localOf = (of: Provider.Kind): SocketAddress.SocketAddress =>
  at(of.family === "IPv4" ? "127.0.0.1:4000" : of.family === "IPv6" ? "[::1]:4000" : "unix:/tmp/local")
export const peerOf = (of: Provider.Kind): SocketAddress.SocketAddress =>
  at(of.family === "IPv4" ? "192.0.2.1:80" : of.family === "IPv6" ? "[2001:db8::1]:80" : "unix:/tmp/peer")

/** Every phase that a socket of the kind can be in. */
export const phases = (of: Provider.Kind): ReadonlyArray<SocketState.SocketState> => {
  const local = localOf(of)
  const remote = peerOf(of)
  const connected: SocketState.Connected = { _tag: "Connected", remote, since: 1000, calleeData: new Uint8Array(0) }
  const broken: SocketState.Broken = { _tag: "Broken", failure: failure("WSAECONNRESET"), was: connected }
  const connecting = (issued: boolean): SocketState.SocketState =>
    state(of, {
      attempts: 1,
      phase: { _tag: "Connecting", attempt: 1, remote, caller: "nonblocking", issued, before: SocketState.noQos }
    })
  const common = [
    state(of),
    state(of, { phase: { _tag: "Bound" }, local }),
    state(of, { phase: connected, local }),
    state(of, { phase: connected, local, shut: SocketState.shutReceive | SocketState.shutSend }),
    state(of, { phase: broken, local }),
    state(of, { phase: { ...broken, was: undefined }, local }),
    state(of, { phase: { _tag: "Closed" } })
  ]
  return of.type === "datagram"
    ? [...common, state(of, { phase: { _tag: "Bound" }, local, cold: { ...state(of).cold, dissolved: true } })]
    : [
      ...common,
      connecting(false),
      connecting(true),
      state(of, { phase: { _tag: "Listening", backlog: 2 }, local }),
      state(of, { phase: connected, local, ended: true })
    ]
}

const setting = (change: Partial<SocketState.Options>) => (of: SocketState.SocketState): SocketState.SocketState => ({
  ...of,
  cold: { ...of.cold, options: { ...of.cold.options, ...change } }
})

/** Every kind in every phase, blocking and not, with the options that decisions look at. */
export const states: ReadonlyArray<SocketState.SocketState> = kinds.flatMap(phases).flatMap((of) => [
  of,
  { ...of, blocking: false },
  setting({ SO_BROADCAST: true, SO_REUSEADDR: true, IPV6_V6ONLY: false })(of),
  setting({ SO_EXCLUSIVEADDRUSE: true })(of),
  setting({ SO_LINGER: { l_onoff: true, l_linger: 1 } })({ ...of, blocking: false })
])

export const names: ReadonlyArray<SocketState.Name> = [
  "192.0.2.1:80",
  "192.0.2.1:81",
  "192.0.2.1:0",
  "0.0.0.0:0",
  "0.0.0.0:80",
  "255.255.255.255:80",
  "[2001:db8::1]:80",
  "[::]:0",
  "[::ffff:192.0.2.1]:80",
  "unix:/tmp/peer",
  "unix:@peer",
  "",
  "192.0.2.1:99999",
  "no address",
  undefined,
  { _tag: "InetAddressV5" },
  { family: "IPX", address: "1", port: 1 }
].map(name).concat([SocketAddress.unspecified("Unix")])

export const undecodable: SocketState.UndecodableQos = { _tag: "UndecodableQos", why: "the QOS does not decode" }

export const demanding: Qos.Qos = { sending: { serviceType: "guaranteed" }, receiving: { serviceType: "guaranteed" } }

const given = (data: Partial<SocketState.ConnectData>): SocketState.ConnectData => ({
  ...SocketState.noConnectData,
  ...data
})

export const connectDatas: ReadonlyArray<SocketState.ConnectData> = [
  SocketState.noConnectData,
  given({ callerData: new Uint8Array(0) }),
  given({ callerData: new Uint8Array(4), calleeCapacity: 4 }),
  given({ callerData: new Uint8Array(5) }),
  given({ callerData: "undecodable" }),
  given({ calleeCapacity: "undecodable" }),
  given({ sqos: undecodable }),
  given({ gqos: undecodable }),
  given({ sqos: demanding }),
  given({ sqos: {}, gqos: demanding })
]

/** Values of which no string can be made, or that look like something else. */
export const absurd: ReadonlyArray<unknown> = [
  undefined,
  null,
  Number.NaN,
  -1,
  Symbol("how"),
  Object.create(null),
  { toString: 1 },
  "bogus",
  "__proto__",
  [],
  1n,
  () => 0
]

export const options: ReadonlyArray<string> = [
  "SO_BROADCAST",
  "SO_EXCLUSIVEADDRUSE",
  "SO_KEEPALIVE",
  "SO_REUSEADDR",
  "TCP_NODELAY",
  "IPV6_V6ONLY",
  "SO_TYPE",
  "SO_PROTOCOL_INFO",
  "SO_ERROR",
  "SO_ACCEPTCONN",
  "SO_CONNECT_TIME",
  "SO_MAX_MSG_SIZE",
  "SO_LINGER",
  "SO_RCVTIMEO",
  "SO_SNDTIMEO",
  "SO_GROUP_PRIORITY",
  "TCP_MAXRTMS",
  "SO_NOSUCH",
  "__proto__",
  "toString"
]

// ---------------------------------------------------------------------------------------------------------------------
// What a call can give
// ---------------------------------------------------------------------------------------------------------------------

export type Tag = WsaError.Code | "WsaUnmapped"

/** The calls that a socket decides. */
export const socketCalls = [
  "bind",
  "connect",
  "WSAConnect",
  "WSAConnectByList",
  "WSAConnectByName",
  "connectResult",
  "listen",
  "accept",
  "send",
  "sendto",
  "recv",
  "recvfrom",
  "shutdown",
  "closesocket",
  "getsockname",
  "getpeername",
  "getsockopt",
  "setsockopt",
  "ioctlsocket",
  "WSAIoctl"
] as const satisfies ReadonlyArray<WsaError.Call>
export type SocketCall = (typeof socketCalls)[number]

/** Every request that the call can make. */
export const requests = (call: SocketCall): ReadonlyArray<SocketState.Request> => {
  switch (call) {
    case "bind":
      return names.flatMap((name) => [false, true].map((taken) => ({ _tag: "bind", name, taken } as const)))
    case "connect":
      return names.map((name) => ({ _tag: "connect", name, data: SocketState.noConnectData }))
    case "WSAConnect":
      return names.flatMap((name) => connectDatas.map((data) => ({ _tag: "connect", name, data } as const)))
    case "WSAConnectByName":
      return [
        ...requests("WSAConnectByList").filter((request) =>
          // a look-up gives addresses that can be read
          request._tag === "connectByList" && request.names?.every((name) => name._tag !== "InvalidAddress")
        ),
        ...[false, true].flatMap((timeoutValid) =>
          ([undefined, "WSAEFAULT", "WSAEINVAL"] as const).map((code) => ({
            _tag: "connectByList",
            names: undefined,
            timeoutValid,
            fault: code && SocketState.fail(code, "")
          } as const))
        )
      ]
    case "WSAConnectByList":
      return [[], ...names.map((name) => [name]), [name("[::1]:1"), name("unix:/a"), name("192.0.2.1:1")]]
        .flatMap((names) =>
          [false, true].map((timeoutValid) => ({ _tag: "connectByList", names, timeoutValid } as const))
        )
    case "listen":
      return [-1, 0, 5, 1e9, 0.5, Number.NaN, Infinity].map((backlog) => ({ _tag: "listen", backlog }))
    case "shutdown":
      return ["receive", "send", "both", ...absurd].map((how) => ({ _tag: "shutdown", how }))
    case "closesocket":
      return [false, true].flatMap((lent) =>
        [false, true].map((unsent) => ({ _tag: "close", lent, unsent: unsent && !lent } as const))
      )
    case "setsockopt":
      return options.flatMap((option) =>
        [true, false, 5, { l_onoff: true, l_linger: 5 }, { l_onoff: true, l_linger: 1e9 }, ...absurd].map((
          value
        ) => ({ _tag: "setOption", option, value } as const))
      )
    case "ioctlsocket":
      return [true, false, ...absurd].map((blocking) => ({ _tag: "setBlocking", blocking }))
    case "WSAIoctl":
      return ["SIO_SET_QOS", "SIO_GET_QOS", "SIO_SET_GROUP_QOS", "SIO_GET_GROUP_QOS", ...absurd].flatMap((code) =>
        [{}, demanding, undecodable].map((qos) => ({ _tag: "ioctl", code, qos, table: Qos.windows } as const))
      )
    default:
      return []
  }
}

const codesOf = (answers: ReadonlyArray<unknown>): ReadonlyArray<Tag> =>
  answers.flatMap((answer): ReadonlyArray<Tag> => {
    if (typeof answer === "string") return answer.startsWith("W") ? [answer as Tag] : []
    return typeof answer === "object" && answer !== null && "_tag" in answer && answer._tag === "Fail" &&
        "code" in answer
      ? [answer.code as Tag]
      : []
  })

/** The codes that the machine gives for the call in this state, whatever is asked; what the provider said aside. */
export const decided = (
  call: SocketCall,
  of: SocketState.SocketState,
  facts: SocketState.Facts,
  capabilities: Provider.Capabilities,
  asked: ReadonlyArray<SocketState.Request> = requests(call)
): ReadonlySet<Tag> => {
  const both = [false, true]
  const answers: Array<unknown> = asked.map((request) => SocketState.decide(of, request, facts, capabilities))
  const message = (to: SocketState.Name | undefined) =>
    SocketState.gate(of, facts) === undefined && of.kind.type === "datagram"
      ? [0, 8, 9].map((length) => SocketState.checkMessage(of, length, to, capabilities))
      : []
  switch (call) {
    case "WSAConnectByList":
    case "WSAConnectByName":
      // Then the addresses are tried one by one, each as a connect of the socket.
      if (of.kind.type === "stream" && of.blocking && (of.phase._tag === "Fresh" || of.phase._tag === "Bound")) {
        answers.push(
          ...requests("connect").map((request) => SocketState.decide(of, request, facts, capabilities))
        )
      }
      break
    case "accept":
      answers.push(...both.map((waiting) => SocketState.accepting(of, facts, waiting)))
      break
    case "send":
      answers.push(...both.map((busy) => SocketState.sending(of, facts, call, busy)), ...message(undefined))
      break
    case "sendto":
      answers.push(...both.map((busy) => SocketState.sending(of, facts, call, busy)), ...names.flatMap(message))
      break
    case "recv":
    case "recvfrom":
      answers.push(...both.map((buffered) => SocketState.receiving(of, facts, call, buffered)))
      break
    case "ioctlsocket":
      answers.push(
        ...["FIONREAD", "SIOCATMARK", ...absurd].map((command) => SocketState.ioctlsocketValue(of, command, facts, 1))
      )
      break
    case "getsockname":
      answers.push(SocketState.getsockname(of, facts))
      break
    case "getpeername":
      answers.push(SocketState.getpeername(of, facts))
      break
    case "connectResult":
      answers.push(SocketState.connectResult(of, facts))
      break
    case "getsockopt":
      answers.push(...options.map((option) => SocketState.getOption(of, option, facts, capabilities, 5000)))
      break
    default:
  }
  const codes = new Set(codesOf(answers))
  // R21: the code with which a connection broke is the provider's.
  if (of.phase._tag === "Broken") codes.delete(of.phase.failure.code)
  return codes
}

/** The codes that `socket` decides on, over everything that can be asked for. */
export const decidedBySocket = (): ReadonlySet<Tag> => {
  const values = ["IPv4", "IPv6", "Unix", "stream", "datagram", "tcp", "udp", "both", 0, undefined, "bogus"]
  return new Set(codesOf(
    allFacts.flatMap((facts) =>
      values.flatMap((family) =>
        values.flatMap((type) =>
          values.flatMap((protocol) =>
            ["both", "bogus"].map((direction) => InstanceState.socketKind({ family, type, protocol, direction }, facts))
          )
        )
      )
    ).map((answer) => "family" in answer ? undefined : answer)
  ))
}

// ---------------------------------------------------------------------------------------------------------------------
// Random histories
// ---------------------------------------------------------------------------------------------------------------------

export const pick = <A>(values: ReadonlyArray<A>): Arbitrary.Arbitrary<A> =>
  Arbitrary.map(
    Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: values.length - 1 }))),
    (index) => values[index]!
  )

const callTags = ["bind", "connect", "WSAConnect", "listen", "shutdown", "setsockopt", "ioctlsocket"] as const

/** One thing that happens to a socket; attempts are told by their distance from the newest one. */
export interface Step {
  readonly tag:
    | (typeof callTags)[number]
    | "cancelConnect"
    | "closesocket"
    | SocketState.Outcome["_tag"]
  readonly attempt: number
  readonly code: Tag
  readonly index: number
  /** A name as it is, or a peer of the socket's family. */
  readonly name: SocketState.Name | "peer" | "other"
  readonly local: SocketAddress.SocketAddress
  readonly localKnown: boolean
  readonly implicit: boolean
  /** Values that a type would let through; and a provider that says what fits the socket. */
  readonly sane: boolean
  /** The provider answers a request of the step at once, as `setPeer` and `bind` do. */
  readonly answers: boolean
}

const times = <A>(count: number, ...values: ReadonlyArray<A>): ReadonlyArray<A> =>
  Array.from({ length: count }, () => values).flat()

const step: Arbitrary.Arbitrary<Step> = Arbitrary.all({
  // What leads on has more weight than what ends a history; the first and the last of a list come more often.
  tag: pick<Step["tag"]>([
    ...times<Step["tag"]>(6, "connect"),
    ...times<Step["tag"]>(4, "issued", "attemptFailed", "WSAConnect", "established"),
    ...times<Step["tag"]>(3, "ioctlsocket", "peerSet"),
    ...times<Step["tag"]>(2, "bind", "cancelConnect", "dissolved", "aborted", "listen"),
    ...callTags,
    "bound",
    "listening",
    "closesocket",
    "broken",
    "ended",
    "WSAConnect"
  ]),
  attempt: pick([...times(7, 0), -1, -2, 1, Number.NaN, Infinity, -Infinity, 0.5, ...times(7, 0)]),
  code: pick<Tag>(["WSAECONNREFUSED", "WSAETIMEDOUT", "WSAEINTR", "WSA_E_CANCELLED", "WsaUnmapped"]),
  index: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9999 }))),
  name: pick<Step["name"]>([...times<Step["name"]>(15, "peer", "other"), ...names]),
  local: pick(["10.0.0.1:5000", "10.0.0.1:5001", "[::1]:5000"].map((text) => at(text))),
  localKnown: pick([true, true, false]),
  implicit: pick([true, false]),
  sane: pick([true, true, false, true, true]),
  answers: pick([true, true, false])
})

export interface History {
  readonly kind: Provider.Kind
  readonly capabilities: Provider.Capabilities
  readonly blocking: boolean
  readonly steps: ReadonlyArray<Step>
}

export const history: Arbitrary.Arbitrary<History> = Arbitrary.all({
  kind: pick([...kinds, stream, stream, datagram, datagram]),
  capabilities: pick([able, plain]),
  blocking: pick([true, false]),
  // Several arrays, since one alone stays short.
  steps: Arbitrary.map(
    Arbitrary.all([Arbitrary.array(step), Arbitrary.array(step), Arbitrary.array(step), Arbitrary.array(step)]),
    (parts) => parts.flat()
  )
})

/** What happened: a request with its decision, or an outcome with its reaction. */
export type Event =
  | {
    readonly _tag: "Decided"
    readonly request: SocketState.Request
    readonly decision: SocketState.Decision
  }
  | { readonly _tag: "Reacted"; readonly outcome: SocketState.Outcome; readonly reaction: SocketState.Reaction }

const frozen = <A>(value: A): A => {
  if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const key of Reflect.ownKeys(value)) frozen(Reflect.get(value, key))
  }
  return value
}

const isName = (name: SocketState.Name): name is SocketAddress.SocketAddress => name._tag !== "InvalidAddress"

/** How many of the requests of a call, from the front, a type would let through. */
const saneRequests = { listen: 4, shutdown: 3, ioctlsocket: 2, closesocket: 4 } as const

const isStreams = new Set<Step["tag"]>(["issued", "established", "attemptFailed", "aborted", "listening", "ended"])
const isDatagrams = new Set<Step["tag"]>(["peerSet", "dissolved"])

/** What happens: a provider that is sane tells streams of attempts and datagram sockets of peers. */
const tagOf = (step: Step, of: SocketState.SocketState): Step["tag"] => {
  if (!step.sane) return step.tag
  if (of.kind.type === "stream") {
    return isDatagrams.has(step.tag)
      ? (step.implicit ? "established" : "attemptFailed")
      : step.tag
  }
  return isStreams.has(step.tag) ? "peerSet" : step.tag
}

const peersOf = (of: Provider.Kind, name: Step["name"]): SocketState.Name => {
  if (name === "peer") return peerOf(of)
  if (name !== "other") return name
  return at(of.family === "IPv4" ? "192.0.2.1:81" : of.family === "IPv6" ? "[2001:db8::1]:81" : "unix:/tmp/other")
}

const requestOf = (step: Step, of: SocketState.SocketState): SocketState.Request | undefined => {
  const tag = tagOf(step, of)
  switch (tag) {
    case "bind":
    case "connect":
    case "WSAConnect": {
      const all = requests(tag)
      const request = all[step.index % all.length]!
      const name = peersOf(of.kind, step.name)
      return request._tag === "bind" || request._tag === "connect" ? { ...request, name } : request
    }
    case "setsockopt":
      return {
        _tag: "setOption",
        option: options[step.index % (step.sane ? 6 : options.length)]!,
        value: step.sane ? step.implicit : absurd[step.index % absurd.length]
      }
    case "listen":
    case "shutdown":
    case "ioctlsocket":
    case "closesocket": {
      const all = requests(tag)
      return all[step.index % (step.sane ? saneRequests[tag] : all.length)]!
    }
    case "cancelConnect":
      return { _tag: "cancelConnect", attempt: of.attempts + step.attempt }
    default:
      return undefined
  }
}

const outcomeOf = (step: Step, of: SocketState.SocketState): SocketState.Outcome => {
  const attempt = of.attempts + step.attempt
  const local = step.localKnown ? step.local : undefined
  const name = peersOf(of.kind, step.name)
  switch (tagOf(step, of)) {
    case "issued":
      return { _tag: "issued", attempt }
    case "established":
      return { _tag: "established", attempt, calleeData: new Uint8Array(2), reserved: undefined, now: step.index }
    case "attemptFailed":
      return { _tag: "attemptFailed", attempt, failure: failure(step.code), local }
    case "aborted":
      return { _tag: "aborted", attempt, local }
    case "bound":
      return { _tag: "bound", local: step.local, implicit: step.implicit }
    case "peerSet":
      return {
        _tag: "peerSet",
        peer: isName(name) ? name : peerOf(of.kind),
        local: step.local,
        quality: SocketState.noQos,
        now: step.index
      }
    case "dissolved":
      return { _tag: "dissolved", local }
    case "listening":
      return { _tag: "listening", local: step.local, backlog: step.index }
    case "ended":
      return { _tag: "ended" }
    default:
      return { _tag: "broken", failure: failure(step.code) }
  }
}

const answerTo = (
  command: SocketState.Command,
  step: Step
): SocketState.Outcome | undefined => {
  switch (command._tag) {
    case "connect":
      return { _tag: "issued", attempt: command.plan.attempt }
    case "bind":
      return { _tag: "bound", local: step.local, implicit: false }
    case "setPeer":
      return { _tag: "peerSet", peer: command.peer, local: step.local, quality: command.quality, now: step.index }
    case "dissolve":
      return { _tag: "dissolved", local: step.local }
    case "abort":
      return { _tag: "aborted", attempt: command.attempt, local: step.localKnown ? step.local : undefined }
    case "listen":
      return { _tag: "listening", local: step.local, backlog: command.plan.backlog }
    default:
      return undefined
  }
}

/** Plays a history, with everything frozen: what would change its input throws. */
export const play = (
  { blocking, capabilities, kind, steps }: History,
  visit: (before: SocketState.SocketState, after: SocketState.SocketState, event: Event) => void,
  current: SocketState.Facts = facts
): SocketState.SocketState => {
  let now = frozen(state(kind, { blocking }))
  const tell = (outcome: SocketState.Outcome) => {
    const reaction = frozen(SocketState.react(now, frozen(outcome)))
    const before = now
    now = reaction.next
    visit(before, now, { _tag: "Reacted", outcome, reaction })
  }
  for (const step of steps) {
    const request = requestOf(step, now)
    if (request === undefined) {
      tell(outcomeOf(step, now))
      continue
    }
    const decision = frozen(SocketState.decide(now, frozen(request), frozen(current), frozen(capabilities)))
    const before = now
    if (decision._tag !== "Fail") now = decision.next
    visit(before, now, { _tag: "Decided", request, decision })
    const answer = decision._tag === "Run" && step.answers ? answerTo(decision.command, step) : undefined
    if (answer !== undefined) tell(answer)
  }
  return now
}
