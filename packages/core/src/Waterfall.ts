/**
 * What a connect did, drawn over time, in plain text.
 *
 * ```text
 * example.org:443: connected to 192.0.2.1:443 from 10.0.0.1:49152 in 282 ms
 *                        0 ms                282 ms
 * look up IPv6           --                            20 ms  2001:db8::1
 * look up IPv4           --                            21 ms  192.0.2.1
 * 1 [2001:db8::1]:443     ========================~   262 ms  lost
 * 2 192.0.2.1:443                                =>    12 ms  won
 *   connect                                      --     2 ms  from 10.0.0.1:49152
 *   tls                                           -    10 ms  TLSv1.3 h2
 * ```
 *
 * There is a line for each look-up, attempt, step, and wait, with the time that it took. The bar of an attempt ends in `>`
 * where it won, in `x` where it failed, in `~` where it was cancelled. What has no room beside its bar stands beneath it.
 *
 * @since 0.1.0
 */
import type { ConnectorEvent, Failure } from "./ConnectorEvent.ts"
import * as Observing from "./internal/observing.ts"
import * as Text from "./internal/waterfall.ts"
import * as SocketAddress from "./SocketAddress.ts"
import type * as WsaError from "./WsaError.ts"

/**
 * How wide a picture is to be.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** How many columns there are: 80 unless given, and no less than 64. */
  readonly width?: number | undefined
}

const widthOf = ({ width = 80 }: Options): number => Math.max(64, Math.trunc(width))

const codeOf = ({ code, stage }: Failure): string =>
  stage === undefined || stage === "connect" ? code : `${code} at ${stage}`

const stops = {
  "no entry": "there is no rule for it",
  schedule: "its schedule is over",
  limit: "the limit of all rounds",
  budget: "no budget is left"
} as const

/** An attempt while it is drawn: `since` when its last step was done. */
interface Drawn {
  readonly row: Text.Row
  since: number
  readonly steps: Array<string>
  /** The one that it is a part of. */
  readonly around: Drawn | undefined
}

type Of<Tag extends ConnectorEvent["_tag"]> = Extract<ConnectorEvent, { readonly _tag: Tag }>

/** The rows of one pipeline, as its events come. */
class Picture {
  private target = ""
  private readonly rows: Array<Text.Row> = []
  private readonly attempts = new Map<number, Drawn>()
  /** What has begun and will end, by what it is. */
  private readonly open = new Map<string, Text.Row>()
  /** Since when a connection stands, outside of all attempts: what is done over it then belongs to none. */
  private standing: number | undefined
  private total = 0
  private ending: Of<"Succeeded" | "Failed" | "Interrupted"> | undefined

  take(event: ConnectorEvent): void {
    this.total = Math.max(this.total, event.time)
    switch (event._tag) {
      case "Began":
        this.target = event.target
        return
      case "Resolving":
        return this.begin(event, keyOf(event), this.questionOf(event), "-")
      case "Resolved":
        return this.end(event, keyOf(event), undefined, listOf(event.addresses))
      case "ResolveFailed":
        return this.end(event, keyOf(event), "x", event.failure.code, event.failure.detail)
      case "AttemptBegan":
        return this.attempt(event)
      case "SocketOpened":
        return
      case "Connected":
        return this.step(event, "connect", `from ${SocketAddress.format(event.local)}`)
      case "ProxyPassed":
        return this.step(event, "proxy", `${event.proxy} to ${event.destination}`)
      case "TlsDone":
        return this.step(
          event,
          "tls",
          [event.version, event.protocol, event.resumed ? "resumed" : undefined].filter(Boolean).join(" ")
        )
      case "AttemptWon":
        return this.won(event)
      case "AttemptLost":
        return this.ended(event, "~", "lost")
      case "AttemptFailed":
        return this.failed(event)
      case "RetryScheduled": {
        this.broken(event)
        const waiting = this.add(event.attempt, Text.row("wait", ".", event.time))
        return Text.end(waiting, event.time + event.delay, undefined, `round ${event.round + 1}`)
      }
      case "RetryStopped":
        this.broken(event)
        return this.instant(event, "no other round", ".", undefined, stops[event.reason])
      case "BreakerRefused": {
        const { endpoint, retryAfter } = event
        const open = retryAfter === undefined ? "is being probed" : `is open for ${Text.inWords(retryAfter)}`
        return this.instant(event, `breaker ${endpoint}`, "-", "x", open)
      }
      case "Queued":
        return this.begin(event, "queue", `queue ${event.destination}`, ".")
      case "Admitted":
        return this.admitted(event)
      case "PoolHit":
        return this.instant(event, `pool ${event.destination}`, "-", undefined, "used again")
      case "Failed":
        this.broken(event)
        this.ending = event
        return
      case "Succeeded":
      case "Interrupted":
        this.ending = event
    }
  }

  /** A step that failed, of those that belong to no attempt, has a line too. */
  private broken({ attempt, failure, time }: {
    readonly attempt?: number
    readonly failure: Failure
    readonly time: number
  }): void {
    const { stage } = failure
    const isOver = this.standing !== undefined && (stage === "proxy" || stage === "tls")
    if (isOver) Text.end(this.add(attempt, Text.row(stage, "-", this.standing!)), time, "x", failure.code)
    this.standing = undefined
  }

  private add(attempt: number | undefined, row: Text.Row): Text.Row {
    const around = attempt === undefined ? undefined : this.attempts.get(attempt)
    const rows = around === undefined ? this.rows : around.row.rows
    rows.push(row)
    return row
  }

  private instant(
    { attempt, time }: { readonly attempt?: number; readonly time: number },
    label: string,
    fill: Text.Row["fill"],
    mark: Text.Mark | undefined,
    note: string
  ): void {
    Text.end(this.add(attempt, Text.row(label, fill, time)), time, mark, note)
  }

  private begin(
    { attempt, time }: { readonly attempt?: number; readonly time: number },
    key: string,
    label: string,
    fill: Text.Row["fill"]
  ): void {
    this.open.set(`${attempt} ${key}`, this.add(attempt, Text.row(label, fill, time)))
  }

  private end(
    { attempt, time }: { readonly attempt?: number; readonly time: number },
    key: string,
    mark: Text.Mark | undefined,
    note: string,
    detail?: string
  ): void {
    const row = this.open.get(`${attempt} ${key}`)
    if (row !== undefined) Text.end(row, time, mark, note, detail)
  }

  /** Who did not have to wait has no line for it. */
  private admitted(event: Of<"Admitted">): void {
    const row = this.open.get(`${event.attempt} queue`)
    if (row === undefined) return
    if (row.began < event.time) return Text.end(row, event.time, undefined, "")
    const rows = event.attempt === undefined ? this.rows : this.attempts.get(event.attempt)?.row.rows ?? this.rows
    rows.splice(rows.indexOf(row), 1)
  }

  private questionOf({ family, host }: Of<"Resolving">): string {
    return [
      "look up",
      ...(this.target.startsWith(`${host}:`) ? [] : [host]),
      ...(family === undefined ? [] : [family])
    ].join(" ")
  }

  private attempt({ address, attempt, time, within }: Of<"AttemptBegan">): void {
    const row = this.add(within, Text.row(`${attempt} ${SocketAddress.format(address)}`, "=", time))
    const around = within === undefined ? undefined : this.attempts.get(within)
    this.attempts.set(attempt, { row, since: time, steps: [], around })
  }

  private step(
    { attempt, time }: { readonly attempt?: number; readonly time: number },
    name: string,
    note: string
  ): void {
    const of = attempt === undefined ? undefined : this.attempts.get(attempt)
    Text.end(
      this.add(attempt, Text.row(name, "-", (of === undefined ? this.standing : of.since) ?? time)),
      time,
      undefined,
      note
    )
    if (of === undefined) this.standing = time
    else {
      of.since = time
      of.steps.push(name)
    }
  }

  private ended({ attempt, time }: Of<"AttemptWon" | "AttemptLost" | "AttemptFailed">, mark: Text.Mark, note: string) {
    const of = this.attempts.get(attempt)
    if (of !== undefined) Text.end(of.row, time, mark, note)
  }

  /** What is done now is done over the connection that it has made. */
  private won(event: Of<"AttemptWon">): void {
    this.ended(event, ">", "won")
    const around = this.attempts.get(event.attempt)?.around
    if (around === undefined) this.standing = event.time
    else around.since = event.time
  }

  /** Where some of its steps were done, the one that was not has a line too. */
  private failed(event: Of<"AttemptFailed">): void {
    const { attempt, failure, time } = event
    const of = this.attempts.get(attempt)
    if (of === undefined) return
    const { code, detail, stage } = failure
    if (of.steps.length === 0) return Text.end(of.row, time, "x", codeOf(failure), detail)
    Text.end(of.row, time, "x", code)
    Text.end(this.add(attempt, Text.row(stage ?? "next", "-", of.since)), time, "x", "", detail)
  }

  private get title(): readonly [string, string | undefined] {
    const after = Text.inWords(this.total)
    switch (this.ending?._tag) {
      case "Succeeded": {
        const { local, remote } = this.ending
        const to = remote === undefined || SocketAddress.format(remote) === this.target
          ? ""
          : ` to ${SocketAddress.format(remote)}`
        const from = local === undefined ? "" : ` from ${SocketAddress.format(local)}`
        return [`connected${to}${from} in ${after}`, undefined]
      }
      case "Failed": {
        const { failure } = this.ending
        return [`${codeOf(failure)} after ${after}`, failure.detail]
      }
      case "Interrupted":
        return [`interrupted after ${after}`, undefined]
      case undefined:
        return [`under way for ${after}`, undefined]
    }
  }

  draw(width: number): string {
    const [title, detail] = this.title
    const whole = this.target === "" ? title : `${this.target}: ${title}`
    return Text.draw(whole, detail, this.rows, this.total, this.ending !== undefined, width)
  }
}

const keyOf = ({ family, host }: Of<"Resolving" | "Resolved" | "ResolveFailed">): string => `${family} ${host}`

/** Addresses without their port, which is that of all. */
const listOf = (addresses: ReadonlyArray<SocketAddress.SocketAddress>): string =>
  addresses.length === 0
    ? "no address"
    : addresses.map((address) =>
      address._tag === "UnixPathAddress" ? SocketAddress.format(address) : String(address.address)
    ).join(", ")

/**
 * Draws what pipelines did, one picture for each.
 *
 * **When to use**
 *
 * Use to look into connects that are slow, or fail: with the events of `Connector.tapEvents` or `Connector.events`, or with
 * those that were kept. `Connector.explain` connects and draws in one.
 *
 * **Details**
 *
 * It is pure: the same events give the same text. Events may stop in the middle; then it is said what is under way.
 *
 * **Example** (Two addresses that refuse)
 *
 * ```ts import.meta.vitest
 * import { Connector, SocketAddress, Waterfall } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect, Stream } from "effect"
 *
 * const addresses = ["127.0.0.1:80", "127.0.0.2:80"].map(SocketAddress.fromInputUnsafe)
 * const program = Connector.events(Connector.winsock.pipe(Connector.happyEyeballs()), {
 *   _tag: "Candidates",
 *   origin: undefined,
 *   addresses
 * }).pipe(
 *   Stream.catch(() => Stream.empty),
 *   Stream.runCollect,
 *   Effect.provide(SimNetwork.layer())
 * )
 * const lines = Waterfall.render(Sim.getOrThrow(Sim.run(program))).split("\n")
 * lines[0] // => "WSAECONNREFUSED after 0 ms"
 * lines[2] // => "1 127.0.0.1:80         x                              0 ms  WSAECONNREFUSED"
 * lines[3] // => "2 127.0.0.2:80         x                              0 ms  WSAECONNREFUSED"
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const render = (events: Iterable<ConnectorEvent>, options: Options = {}): string => {
  const pictures = new Map<number, Picture>()
  for (const event of events) {
    const picture = pictures.get(event.pipeline) ?? new Picture()
    pictures.set(event.pipeline, picture)
    picture.take(event)
  }
  return Array.from(pictures.values(), (picture) => picture.draw(widthOf(options))).join("\n\n")
}

/**
 * Draws what an error tells of the attempts that led to it.
 *
 * **When to use**
 *
 * Use in a log, where nobody has observed the connect: the error of a race has all of its attempts.
 *
 * **Example** (An error of two attempts)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress, Waterfall, WsaError } from "@effect-winsock/core"
 *
 * const error = WsaError.make("WSAECONNREFUSED", {
 *   call: "WSAConnect",
 *   stage: "connect",
 *   attempts: [{
 *     address: SocketAddress.fromInputUnsafe("[2001:db8::1]:80"),
 *     stage: "connect",
 *     code: "WSAETIMEDOUT",
 *     began: 0,
 *     ended: 1000
 *   }, {
 *     address: SocketAddress.fromInputUnsafe("192.0.2.1:80"),
 *     stage: "connect",
 *     code: "WSAECONNREFUSED",
 *     began: 250,
 *     ended: 500
 *   }]
 * })
 * const lines = Waterfall.renderError(error).split("\n")
 * lines[0] // => "WSAECONNREFUSED after 1 s"
 * lines[2] // => "1 [2001:db8::1]:80     =========================x      1 s  WSAETIMEDOUT"
 * lines[3] // => "2 192.0.2.1:80               ======x                250 ms  WSAECONNREFUSED"
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const renderError = (
  error: { readonly _tag: string; readonly attempts?: ReadonlyArray<WsaError.Attempt> | undefined },
  options: Options = {}
): string => render(eventsOf(error, error.attempts ?? []), options)

const eventsOf = (error: unknown, attempts: ReadonlyArray<WsaError.Attempt>): ReadonlyArray<ConnectorEvent> => {
  const of = (i: number) => ({ pipeline: 1, round: 1, attempt: i + 1 })
  const time = attempts.reduce((last, { ended }) => Math.max(last, ended), 0)
  return [
    ...attempts.map(({ address, began }, i) => ({ _tag: "AttemptBegan", ...of(i), time: began, address }) as const),
    ...attempts.map(({ ended, ...attempt }, i) =>
      ({ _tag: "AttemptFailed", ...of(i), time: ended, failure: Observing.failureOf(attempt) }) as const
    ),
    { _tag: "Failed", pipeline: 1, time, failure: Observing.failureOf(error) }
  ]
}
