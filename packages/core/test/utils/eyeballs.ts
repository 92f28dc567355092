// Races as a table: what comes of asking for addresses, what the addresses do, and what has to come of it. `play` lets the
// plan run through one without any clock; the simulator runs the same ones with sockets.
import { HappyEyeballs, SocketAddress, WsaError } from "@effect-winsock/core"
import { Schema } from "effect"

type Error = WsaError.WSAConnectError | WsaError.SocketError | WsaError.BindError | WsaError.RecvError

/** What an attempt to connect to an address meets. Times are milliseconds. */
export interface Peer {
  /** The call that fails at once: the attempt never comes to its connect. */
  readonly fails?: "socket" | "bind"
  /** How long the connect takes; for ever without it. */
  readonly after?: number
  /** What the connect fails with. */
  readonly code?: "WSAECONNREFUSED" | "WSAENETUNREACH" | "WSAEHOSTUNREACH" | "WSAETIMEDOUT" | "WSAENOBUFS" | "WSAEACCES"
  /** How long what follows over the connection takes. */
  readonly handshake?: number
  /** The handshake fails. */
  readonly broken?: boolean
  /** It goes on when it is cancelled. */
  readonly stubborn?: boolean
}

/** What comes of asking: addresses by name, separated by blanks. */
export interface Answered {
  readonly at: number
  readonly gives?: string
  readonly ended?: "IPv4" | "IPv6" | "all"
  readonly failure?: string
}

export interface Scenario {
  readonly title: string
  readonly options?: HappyEyeballs.Options
  /** A string: all at once, at the beginning. */
  readonly answers: string | ReadonlyArray<Answered>
  /** Who is not here never answers. */
  readonly peers?: { readonly [name: string]: Peer }
  readonly gaveUp?: number
  /** A line for each attempt, then what came of the race. */
  readonly expected: ReadonlyArray<string>
  /** Only the plan: the order of what happens at one instant matters. */
  readonly planOnly?: boolean
}

const up = (after: number): Peer => ({ after })
const down = (after: number, code: NonNullable<Peer["code"]> = "WSAECONNREFUSED"): Peer => ({ after, code })
const noBind: Peer = { fails: "bind" }
const noSocket: Peer = { fails: "socket" }

/** `"6a"` is `[2001:db8::a]:80`, `"4b"` is `192.0.2.11:80`. */
export const addressOf = (name: string): SocketAddress.SocketAddress => {
  const digit = Number.parseInt(name[1]!, 36)
  return SocketAddress.fromInputUnsafe(name[0] === "6" ? `[2001:db8::${digit.toString(16)}]:80` : `192.0.2.${digit}:80`)
}

const names = new Map(
  ["4", "6"].flatMap((family) => [..."abcdefghij"].map((letter) => `${family}${letter}`))
    .map((name) => [SocketAddress.format(addressOf(name)), name])
)
export const nameOf = (address: SocketAddress.SocketAddress): string => names.get(SocketAddress.format(address))!
export const allNames: ReadonlyArray<string> = [...names.values()]

export const answersOf = ({ answers }: Pick<Scenario, "answers">): ReadonlyArray<Answered> =>
  typeof answers === "string" ? [{ at: 0, gives: answers, ended: "all" }] : answers

export const eventOf = ({ ended, failure, gives }: Answered): HappyEyeballs.Answer<string> => {
  const { addresses } = HappyEyeballs.answer((gives ?? "").split(" ").filter(Boolean).map(addressOf))
  return { _tag: "Answer", addresses, ended, failure }
}

/** The failure of an attempt, as the calls would end. */
export const errorOf = (peer: Peer): Error | undefined => {
  switch (peer.fails) {
    case "socket":
      return WsaError.make("WSAESOCKTNOSUPPORT", { call: "socket", stage: "request" })
    case "bind":
      return WsaError.make("WSAEADDRNOTAVAIL", { call: "bind", stage: "bind" })
    case undefined:
      if (peer.code !== undefined) return WsaError.make(peer.code, { call: "WSAConnect", stage: "connect" })
      return peer.broken ? WsaError.make("WSAECONNRESET", { call: "recv", stage: "receive" }) : undefined
  }
}

/** How long an attempt takes; `undefined`: for ever. */
const durationOf = (peer: Peer): number | undefined =>
  peer.fails === undefined ? peer.after === undefined ? undefined : peer.after + (peer.handshake ?? 0) : 0

type Action = HappyEyeballs.Action<Error, string>

export interface Played {
  readonly state: HappyEyeballs.State<Error, string>
  /** All that was to be done, and when. */
  readonly actions: ReadonlyArray<{ readonly at: number; readonly action: Action }>
  /** When the last attempt had ended that was ever started. */
  readonly settled: number
}

/** A run of the plan: what happens earlier comes first, and at one instant what was due first. Times are milliseconds. */
export const play = (scenario: Pick<Scenario, "options" | "answers" | "peers" | "gaveUp">): Played => {
  let state = HappyEyeballs.make<Error, string>(scenario.options)
  const actions: Array<{ at: number; action: Action }> = []
  const due: Array<{ at: number; event: HappyEyeballs.Event<Error, string> }> = []
  const ends = new Map<number, (typeof due)[number]>()
  let timer: (typeof due)[number] | undefined
  let settled = 0

  const later = (at: number, event: HappyEyeballs.Event<Error, string>) => {
    const one = { at: Math.round(at * 1000) / 1000, event }
    due.push(one)
    return one
  }
  const drop = (one: (typeof due)[number] | undefined) => {
    if (one !== undefined && due.includes(one)) due.splice(due.indexOf(one), 1)
  }
  const perform = (now: number, action: Action) => {
    actions.push({ at: now, action })
    switch (action._tag) {
      case "Start": {
        const { attempt } = action
        const peer = scenario.peers?.[nameOf(action.address)] ?? {}
        const [duration, error] = [durationOf(peer), errorOf(peer)]
        if (duration === undefined) return
        const event = error === undefined
          ? { _tag: "Succeeded", attempt } as const
          : { _tag: "Failed", attempt, error } as const
        ends.set(attempt, later(now + duration, event))
        return
      }
      case "Arm":
        drop(timer)
        timer = later(action.at / 1000, { _tag: "Timer" })
        return
      case "Disarm":
        return drop(timer)
      case "Cancel": {
        const { stubborn } = scenario.peers?.[nameOf(state.attempts[action.attempt]!.address)] ?? {}
        if (!stubborn) drop(ends.get(action.attempt))
      }
    }
  }

  for (const answer of answersOf(scenario)) later(answer.at, eventOf(answer))
  if (scenario.gaveUp !== undefined) later(scenario.gaveUp, { _tag: "GaveUp" })
  while (due.length > 0) {
    const next = due.reduce((first, one) => one.at < first.at ? one : first)
    drop(next)
    if (state.over === undefined || next.event._tag === "Succeeded" || next.event._tag === "Failed") settled = next.at
    const step = HappyEyeballs.step(state, next.event, Math.round(next.at * 1000))
    state = step.state
    for (const action of step.actions) perform(next.at, action)
  }
  return { state, actions, settled }
}

/** What came of a run, in lines as a scenario expects them. */
export const linesOf = ({ actions, state }: Played): ReadonlyArray<string> => [
  ...state.attempts.map((attempt) => {
    const ended = attempt.outcome === "running" ? "" : attempt.ended / 1000
    const outcome = attempt.outcome === "failed" ? attempt.error._tag : attempt.outcome
    return `${nameOf(attempt.address)} ${attempt.began / 1000}-${ended} ${outcome}`
  }),
  ...actions.flatMap(({ action, at }) => {
    const of = (attempt: number) => nameOf(state.attempts[attempt]!.address)
    switch (action._tag) {
      case "Succeed":
        return [`${of(action.attempt)} wins at ${at}`]
      case "Close":
        return [`${of(action.attempt)} is closed at ${at}`]
      case "Fail":
        return [
          action.attempt === undefined
            ? `${action.error ?? "no address"} at ${at}`
            : `${action.error._tag} of ${of(action.attempt)} at ${at}`
        ]
      default:
        return []
    }
  }),
  ...(state.over === "gave up" ? ["given up"] : [])
]

/** What a random scenario is drawn from. Its times are odd numbers of microseconds: no two things happen at one instant. */
export const Draw = Schema.Struct({
  preferred: Schema.Literals(["IPv6", "IPv4", "first"]),
  count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3 })),
  attemptDelay: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2500 })),
  answers: Schema.Array(Schema.Struct({
    wait: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 400 })),
    gives: Schema.Array(Schema.Literals(allNames)).check(Schema.isMaxLength(5))
  })).check(Schema.isMinLength(1), Schema.isMaxLength(4)),
  peers: Schema.Array(Schema.Struct({
    kind: Schema.Literals(["up", "up", "refused", "unreachable", "silent", "noBind", "noSocket", "slow", "broken"]),
    after: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1500 }))
  })).check(Schema.isMinLength(allNames.length), Schema.isMaxLength(allNames.length)),
  gaveUp: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9000 }))
})

export const scenarioOf = (draw: typeof Draw.Type): Pick<Scenario, "options" | "answers" | "peers" | "gaveUp"> => {
  const peerOf = ({ after, kind }: (typeof draw.peers)[number], i: number): Peer => {
    const time = after + (i * 2 + 1) * 0.013
    switch (kind) {
      case "up":
        return { after: time }
      case "refused":
        return { after: time, code: "WSAECONNREFUSED" }
      case "unreachable":
        return { after: time, code: "WSAENETUNREACH" }
      case "slow":
        return { after: time, handshake: 400 }
      case "broken":
        return { after: time, handshake: 40, broken: true }
      case "noBind":
        return noBind
      case "noSocket":
        return noSocket
      case "silent":
        return {}
    }
  }
  let at = 0
  const answers = draw.answers.map(({ gives, wait }, i) => {
    at += wait + 0.0007 * 10
    const last = i === draw.answers.length - 1
    return { at: Math.round(at * 1000) / 1000, gives: gives.join(" "), ...(last ? { ended: "all" as const } : {}) }
  })
  return {
    options: {
      preferredFamily: draw.preferred,
      preferredFamilyCount: draw.count,
      attemptDelay: draw.attemptDelay
    },
    answers,
    peers: Object.fromEntries(draw.peers.map((peer, i) => [allNames[i]!, peerOf(peer, i)])),
    gaveUp: draw.gaveUp + 0.333
  }
}

export const scenarios: ReadonlyArray<Scenario> = [
  // One address, and which family goes first
  {
    title: "one address that answers",
    answers: "4a",
    peers: { "4a": up(30) },
    expected: ["4a 0-30 won", "4a wins at 30"]
  },
  {
    title: "one address that refuses",
    answers: "4a",
    peers: { "4a": down(10) },
    expected: ["4a 0-10 WSAECONNREFUSED", "WSAECONNREFUSED of 4a at 10"]
  },
  {
    title: "IPv6 answers in time, and IPv4 is left alone",
    answers: "6a 4a",
    peers: { "6a": up(30), "4a": up(10) },
    expected: ["6a 0-30 won", "6a wins at 30"]
  },
  {
    title: "IPv6 goes first where it comes last in the list",
    answers: "4a 6a",
    peers: { "6a": up(30), "4a": up(10) },
    expected: ["6a 0-30 won", "6a wins at 30"]
  },
  {
    title: "the family of the first address goes first where that is asked for",
    options: { preferredFamily: "first" },
    answers: "4a 6a",
    peers: { "6a": up(30), "4a": up(10) },
    expected: ["4a 0-10 won", "4a wins at 10"]
  },
  {
    title: "IPv4 goes first where it is preferred",
    options: { preferredFamily: "IPv4" },
    answers: "6a 4a",
    peers: { "4a": down(10), "6a": up(30) },
    expected: ["4a 0-10 WSAECONNREFUSED", "6a 10-40 won", "6a wins at 40"]
  },
  // Addresses that do not answer
  {
    title: "a black-holed first address",
    answers: "6a 4a",
    peers: { "4a": up(30) },
    expected: ["6a 0-280 lost", "4a 250-280 won", "4a wins at 280"]
  },
  {
    title: "one family is dead: the other one comes second, however many the first has",
    answers: "6a 6b 6c 6d 4a",
    peers: { "4a": up(30) },
    expected: ["6a 0-280 lost", "4a 250-280 won", "4a wins at 280"]
  },
  {
    title: "one family is unreachable at once",
    answers: "6a 6b 4a 4b",
    peers: { "6a": down(0, "WSAENETUNREACH"), "4a": up(30) },
    expected: ["6a 0-0 WSAENETUNREACH", "4a 0-30 won", "4a wins at 30"]
  },
  {
    title: "the last of many answers: a start every quarter of a second, and nobody is given up",
    answers: "6a 6b 6c 4a 4b",
    peers: { "6c": up(30) },
    expected: [
      "6a 0-1030 lost",
      "4a 250-1030 lost",
      "6b 500-1030 lost",
      "4b 750-1030 lost",
      "6c 1000-1030 won",
      "6c wins at 1030"
    ]
  },
  {
    title: "nobody answers, and each one times out",
    answers: "6a 4a",
    peers: { "6a": down(3000, "WSAETIMEDOUT"), "4a": down(3000, "WSAETIMEDOUT") },
    expected: ["6a 0-3000 WSAETIMEDOUT", "4a 250-3250 WSAETIMEDOUT", "WSAETIMEDOUT of 6a at 3250"]
  },
  // Slow winners
  {
    title: "one slow winner: the timer does not cancel it",
    answers: "6a 4a 4b",
    peers: { "6a": up(2000) },
    expected: ["6a 0-2000 won", "4a 250-2000 lost", "4b 500-2000 lost", "6a wins at 2000"]
  },
  {
    title: "the first is through just after the second has begun",
    answers: "6a 4a",
    peers: { "6a": up(260), "4a": up(30) },
    expected: ["6a 0-260 won", "4a 250-260 lost", "6a wins at 260"]
  },
  {
    title: "two winners at once: the one that began first",
    answers: "6a 4a",
    peers: { "6a": up(300), "4a": { after: 50, stubborn: true } },
    expected: ["6a 0-300 won", "4a 250-300 lost", "6a wins at 300", "4a is closed at 300"]
  },
  {
    title: "a winner at the very instant of the timer",
    answers: "6a 4a",
    peers: { "6a": up(250), "4a": up(30) },
    planOnly: true,
    expected: ["6a 0-250 won", "6a wins at 250"]
  },
  {
    title: "a connection counts when its handshake is done",
    answers: "6a 4a",
    peers: { "6a": { after: 20, handshake: 400 }, "4a": { after: 20, handshake: 30 } },
    expected: ["6a 0-300 lost", "4a 250-300 won", "4a wins at 300"]
  },
  {
    title: "a handshake that fails starts the next",
    answers: "6a 4a",
    peers: { "6a": { after: 20, handshake: 30, broken: true }, "4a": up(30) },
    expected: ["6a 0-50 WSAECONNRESET", "4a 50-80 won", "4a wins at 80"]
  },
  {
    title: "one that wins a moment late is closed",
    answers: "6a 4a",
    peers: { "6a": { after: 100, handshake: 300, stubborn: true }, "4a": up(30) },
    expected: ["6a 0-280 lost", "4a 250-280 won", "4a wins at 280", "6a is closed at 400"]
  },
  {
    title: "two that win late are both closed",
    answers: "6a 4a 6b",
    peers: {
      "6a": { after: 100, handshake: 600, stubborn: true },
      "4a": { after: 100, handshake: 300, stubborn: true },
      "6b": up(10)
    },
    expected: [
      "6a 0-510 lost",
      "4a 250-510 lost",
      "6b 500-510 won",
      "6b wins at 510",
      "4a is closed at 650",
      "6a is closed at 700"
    ]
  },
  {
    title: "one that fails late is nobody's business",
    answers: "6a 4a",
    peers: { "6a": { after: 100, handshake: 300, broken: true, stubborn: true }, "4a": up(30) },
    expected: ["6a 0-280 lost", "4a 250-280 won", "4a wins at 280"]
  },
  // Failures, and what they start
  {
    title: "all refuse: each failure starts the next at once",
    answers: "6a 6b 4a 4b",
    peers: { "6a": down(10), "6b": down(10), "4a": down(10), "4b": down(10) },
    expected: [
      "6a 0-10 WSAECONNREFUSED",
      "4a 10-20 WSAECONNREFUSED",
      "6b 20-30 WSAECONNREFUSED",
      "4b 30-40 WSAECONNREFUSED",
      "WSAECONNREFUSED of 6a at 40"
    ]
  },
  {
    title: "the failure of the newest starts the next, while an older one still runs",
    answers: "6a 4a 6b",
    peers: { "4a": down(10), "6b": up(20) },
    expected: ["6a 0-280 lost", "4a 250-260 WSAECONNREFUSED", "6b 260-280 won", "6b wins at 280"]
  },
  {
    title: "after a failure the delay is counted from the attempt that it started",
    answers: "6a 4a 6b",
    peers: { "6a": down(100), "6b": up(20) },
    expected: ["6a 0-100 WSAECONNREFUSED", "4a 100-370 lost", "6b 350-370 won", "6b wins at 370"]
  },
  {
    title: "the failure of an older one leaves the timer running",
    answers: "6a 4a 6b",
    peers: { "6a": down(300), "6b": up(20) },
    expected: ["6a 0-300 WSAECONNREFUSED", "4a 250-520 lost", "6b 500-520 won", "6b wins at 520"]
  },
  {
    title: "the failures of all older ones leave the timer running",
    answers: "6a 4a 6b 4b",
    peers: { "6a": down(510), "4a": down(270), "4b": up(20) },
    expected: [
      "6a 0-510 WSAECONNREFUSED",
      "4a 250-520 WSAECONNREFUSED",
      "6b 500-770 lost",
      "4b 750-770 won",
      "4b wins at 770"
    ]
  },
  {
    title: "the newest fails and nothing is left: the older one may still win",
    answers: "6a 4a",
    peers: { "6a": up(900), "4a": down(10) },
    expected: ["6a 0-900 won", "4a 250-260 WSAECONNREFUSED", "6a wins at 900"]
  },
  {
    title: "a bind that fails is that attempt's failure only",
    answers: "6a 4a",
    peers: { "6a": noBind, "4a": up(30) },
    expected: ["6a 0-0 WSAEADDRNOTAVAIL", "4a 0-30 won", "4a wins at 30"]
  },
  {
    title: "a socket that cannot be made is that attempt's failure only",
    answers: "6a 4a",
    peers: { "6a": noSocket, "4a": up(30) },
    expected: ["6a 0-0 WSAESOCKTNOSUPPORT", "4a 0-30 won", "4a wins at 30"]
  },
  {
    title: "no bind succeeds",
    answers: "6a 4a",
    peers: { "6a": noBind, "4a": noBind },
    expected: ["6a 0-0 WSAEADDRNOTAVAIL", "4a 0-0 WSAEADDRNOTAVAIL", "WSAEADDRNOTAVAIL of 6a at 0"]
  },
  // Which failure is the race's
  {
    title: "a refusal tells more than a missing route",
    answers: "6a 4a",
    peers: { "6a": down(0, "WSAENETUNREACH"), "4a": down(10) },
    expected: ["6a 0-0 WSAENETUNREACH", "4a 0-10 WSAECONNREFUSED", "WSAECONNREFUSED of 4a at 10"]
  },
  {
    title: "a refusal tells more than silence",
    answers: "6a 4a",
    peers: { "6a": down(3000, "WSAETIMEDOUT"), "4a": down(10) },
    expected: ["6a 0-3000 WSAETIMEDOUT", "4a 250-260 WSAECONNREFUSED", "WSAECONNREFUSED of 4a at 3000"]
  },
  {
    title: "silence tells more than a missing route and a failed bind",
    answers: "6a 4a 6b",
    peers: { "6a": noBind, "4a": down(10, "WSAEHOSTUNREACH"), "6b": down(100, "WSAETIMEDOUT") },
    expected: [
      "6a 0-0 WSAEADDRNOTAVAIL",
      "4a 0-10 WSAEHOSTUNREACH",
      "6b 10-110 WSAETIMEDOUT",
      "WSAETIMEDOUT of 6b at 110"
    ]
  },
  {
    title: "a missing route tells more than a failed bind, and what ran out more than it",
    answers: "6a 4a 6b",
    peers: { "6a": noBind, "4a": down(10, "WSAEHOSTUNREACH"), "6b": down(0, "WSAENOBUFS") },
    expected: ["6a 0-0 WSAEADDRNOTAVAIL", "4a 0-10 WSAEHOSTUNREACH", "6b 10-10 WSAENOBUFS", "WSAENOBUFS of 6b at 10"]
  },
  {
    title: "what is forbidden tells more than a missing route",
    answers: "6a 4a",
    peers: { "6a": down(0, "WSAENETUNREACH"), "4a": down(0, "WSAEACCES") },
    expected: ["6a 0-0 WSAENETUNREACH", "4a 0-0 WSAEACCES", "WSAEACCES of 4a at 0"]
  },
  {
    title: "a broken handshake tells the most",
    answers: "6a 4a 6b",
    peers: { "6a": down(10), "4a": { after: 20, handshake: 30, broken: true }, "6b": down(10) },
    expected: [
      "6a 0-10 WSAECONNREFUSED",
      "4a 10-60 WSAECONNRESET",
      "6b 60-70 WSAECONNREFUSED",
      "WSAECONNRESET of 4a at 70"
    ]
  },
  {
    title: "of two that tell as much it is the one that began first, and not the one that failed first",
    answers: "6a 4a",
    peers: { "6a": down(400, "WSAENETUNREACH"), "4a": down(10, "WSAEHOSTUNREACH") },
    expected: ["6a 0-400 WSAENETUNREACH", "4a 250-260 WSAEHOSTUNREACH", "WSAENETUNREACH of 6a at 400"]
  },
  // Answers that come one after the other
  {
    title: "AAAA comes first: nothing is waited for",
    answers: [{ at: 10, gives: "6a", ended: "IPv6" }, { at: 20, gives: "4a", ended: "IPv4" }],
    peers: { "6a": up(30) },
    expected: ["6a 10-40 won", "6a wins at 40"]
  },
  {
    title: "A comes first: it waits for AAAA, which comes in time",
    answers: [{ at: 10, gives: "4a", ended: "IPv4" }, { at: 40, gives: "6a", ended: "IPv6" }],
    peers: { "6a": up(30), "4a": up(10) },
    expected: ["6a 40-70 won", "6a wins at 70"]
  },
  {
    title: "A comes first: after 50 ms it goes without AAAA, which is the next when it comes",
    answers: [{ at: 10, gives: "4a 4b", ended: "IPv4" }, { at: 100, gives: "6a", ended: "IPv6" }],
    peers: { "6a": up(30) },
    expected: ["4a 60-340 lost", "6a 310-340 won", "6a wins at 340"]
  },
  {
    title: "A comes first: it is known at once that there is no AAAA",
    answers: [{ at: 10, gives: "4a", ended: "IPv4" }, { at: 25, ended: "IPv6" }],
    peers: { "4a": up(30) },
    expected: ["4a 25-55 won", "4a wins at 55"]
  },
  {
    title: "A comes first: asking for AAAA fails",
    answers: [{ at: 10, gives: "4a", ended: "IPv4" }, { at: 25, ended: "IPv6", failure: "SERVFAIL" }],
    peers: { "4a": up(30) },
    expected: ["4a 25-55 won", "4a wins at 55"]
  },
  {
    title: "A comes after it is known that there is no AAAA",
    answers: [{ at: 10, ended: "IPv6" }, { at: 25, gives: "4a", ended: "IPv4" }],
    peers: { "4a": up(30) },
    expected: ["4a 25-55 won", "4a wins at 55"]
  },
  {
    title: "A alone, and AAAA never comes: the winner ends the asking",
    answers: [{ at: 10, gives: "4a", ended: "IPv4" }],
    peers: { "4a": up(30) },
    expected: ["4a 60-90 won", "4a wins at 90"]
  },
  {
    title: "A that comes in two parts waits once",
    answers: [{ at: 10, gives: "4a" }, { at: 40, gives: "4b" }],
    peers: { "4a": up(30) },
    expected: ["4a 60-90 won", "4a wins at 90"]
  },
  {
    title: "A of a delay of nothing does not wait",
    options: { resolutionDelay: 0 },
    answers: [{ at: 10, gives: "4a", ended: "IPv4" }, { at: 40, gives: "6a", ended: "IPv6" }],
    peers: { "4a": up(10) },
    expected: ["4a 10-20 won", "4a wins at 20"]
  },
  {
    title: "IPv4 is preferred: AAAA waits for A",
    options: { preferredFamily: "IPv4", resolutionDelay: "80 millis" },
    answers: [{ at: 10, gives: "6a", ended: "IPv6" }],
    peers: { "6a": up(30) },
    expected: ["6a 90-120 won", "6a wins at 120"]
  },
  {
    title: "A that comes late is put before what is left of AAAA",
    answers: [{ at: 10, gives: "6a 6b 6c", ended: "IPv6" }, { at: 100, gives: "4a 4b", ended: "IPv4" }],
    peers: { "6c": up(10) },
    expected: [
      "6a 10-1020 lost",
      "4a 260-1020 lost",
      "6b 510-1020 lost",
      "4b 760-1020 lost",
      "6c 1010-1020 won",
      "6c wins at 1020"
    ]
  },
  {
    title: "what comes late while the newest is young waits for its delay",
    answers: [{ at: 0, gives: "6a", ended: "IPv6" }, { at: 100, gives: "4a", ended: "IPv4" }],
    peers: { "4a": up(30) },
    expected: ["6a 0-280 lost", "4a 250-280 won", "4a wins at 280"]
  },
  {
    title: "what comes late when the delay has long passed goes at once",
    answers: [{ at: 0, gives: "6a", ended: "IPv6" }, { at: 1000, gives: "4a", ended: "IPv4" }],
    peers: { "4a": up(30) },
    expected: ["6a 0-1030 lost", "4a 1000-1030 won", "4a wins at 1030"]
  },
  {
    title: "what comes late when all have failed goes at once",
    answers: [{ at: 0, gives: "6a", ended: "IPv6" }, { at: 70, gives: "4a", ended: "IPv4" }],
    peers: { "6a": down(10), "4a": up(30) },
    expected: ["6a 0-10 WSAECONNREFUSED", "4a 70-100 won", "4a wins at 100"]
  },
  {
    title: "what comes late when the newest has failed goes at once, though an older one runs",
    answers: [{ at: 0, gives: "6a 6b", ended: "IPv6" }, { at: 270, gives: "4a", ended: "IPv4" }],
    peers: { "6b": down(10), "4a": up(30) },
    expected: ["6a 0-300 lost", "6b 250-260 WSAECONNREFUSED", "4a 270-300 won", "4a wins at 300"]
  },
  {
    title: "an address that comes again is not tried again",
    answers: [{ at: 0, gives: "6a 6a 4a" }, { at: 300, gives: "6a 4a 6b", ended: "all" }],
    peers: { "6a": down(10), "4a": down(400), "6b": down(10) },
    expected: [
      "6a 0-10 WSAECONNREFUSED",
      "4a 10-410 WSAECONNREFUSED",
      "6b 300-310 WSAECONNREFUSED",
      "WSAECONNREFUSED of 6a at 410"
    ]
  },
  {
    title: "all have failed, and the race waits for what may still come",
    answers: [{ at: 0, gives: "6a", ended: "IPv6" }, { at: 500, ended: "IPv4" }],
    peers: { "6a": down(10) },
    expected: ["6a 0-10 WSAECONNREFUSED", "WSAECONNREFUSED of 6a at 500"]
  },
  {
    title: "asking fails, and there is nothing to try",
    answers: [{ at: 20, ended: "IPv4", failure: "SERVFAIL" }, { at: 30, ended: "IPv6", failure: "REFUSED" }],
    expected: ["SERVFAIL at 30"]
  },
  { title: "asking gives nothing", answers: [{ at: 20, ended: "all" }], expected: ["no address at 20"] },
  {
    title: "asking for one family fails, and the attempts of the other: the attempt is what counts",
    answers: [{ at: 0, ended: "IPv6", failure: "SERVFAIL" }, { at: 10, gives: "4a", ended: "IPv4" }],
    peers: { "4a": down(10, "WSAENETUNREACH") },
    expected: ["4a 10-20 WSAENETUNREACH", "WSAENETUNREACH of 4a at 20"]
  },
  // Numbers that can be chosen
  {
    title: "a delay that is too short is 100 ms",
    options: { attemptDelay: "10 millis" },
    answers: "6a 4a 6b",
    peers: { "6b": up(10) },
    expected: ["6a 0-210 lost", "4a 100-210 lost", "6b 200-210 won", "6b wins at 210"]
  },
  {
    title: "a delay that is too long is 2 s",
    options: { attemptDelay: "1 minute" },
    answers: "6a 4a",
    peers: { "4a": up(10) },
    expected: ["6a 0-2010 lost", "4a 2000-2010 won", "4a wins at 2010"]
  },
  {
    title: "a delay that is neither",
    options: { attemptDelay: "400 millis" },
    answers: "6a 4a",
    peers: { "4a": up(10) },
    expected: ["6a 0-410 lost", "4a 400-410 won", "4a wins at 410"]
  },
  {
    title: "two of the preferred family go before the first of the other",
    options: { preferredFamilyCount: 2 },
    answers: "4a 4b 6a 6b 6c",
    peers: { "6a": down(1), "6b": down(1), "4a": down(1), "6c": down(1), "4b": up(1) },
    expected: [
      "6a 0-1 WSAECONNREFUSED",
      "6b 1-2 WSAECONNREFUSED",
      "4a 2-3 WSAECONNREFUSED",
      "6c 3-4 WSAECONNREFUSED",
      "4b 4-5 won",
      "4b wins at 5"
    ]
  },
  // Given up
  { title: "given up before anything has come", answers: [], gaveUp: 20, expected: ["given up"] },
  {
    title: "given up while A waits for AAAA",
    answers: [{ at: 10, gives: "4a", ended: "IPv4" }],
    peers: { "4a": up(10) },
    gaveUp: 30,
    expected: ["given up"]
  },
  { title: "given up in the first connect", answers: "6a 4a", gaveUp: 100, expected: ["6a 0-100 lost", "given up"] },
  {
    title: "given up while two run",
    answers: "6a 4a 6b",
    gaveUp: 300,
    expected: ["6a 0-300 lost", "4a 250-300 lost", "given up"]
  },
  {
    title: "given up in a handshake",
    answers: "6a",
    peers: { "6a": { after: 20, handshake: 400 } },
    gaveUp: 100,
    expected: ["6a 0-100 lost", "given up"]
  },
  {
    title: "given up while the race waits for more addresses",
    answers: [{ at: 0, gives: "6a", ended: "IPv6" }],
    peers: { "6a": down(10) },
    gaveUp: 100,
    expected: ["6a 0-10 WSAECONNREFUSED", "given up"]
  },
  {
    title: "given up, and one is through all the same: it is closed",
    answers: "6a",
    peers: { "6a": { after: 20, handshake: 400, stubborn: true } },
    gaveUp: 100,
    expected: ["6a 0-100 lost", "6a is closed at 420", "given up"]
  }
]
