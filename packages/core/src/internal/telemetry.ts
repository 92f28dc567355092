/**
 * Spans and the histogram of a connect, made of its events.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Host from "effect/net/Host"
import type * as Tracer from "effect/Tracer"
import type { ConnectorEvent, Failure } from "../ConnectorEvent.ts"
import * as SocketAddress from "../SocketAddress.ts"
import * as Telemetry from "../Telemetry.ts"
import { observing } from "./observing.ts"
import * as Targets from "./target.ts"

type Attributes = Record<string, unknown>
type Of<Tag extends ConnectorEvent["_tag"]> = Extract<ConnectorEvent, { readonly _tag: Tag }>

const endpoint = (prefix: "network.peer" | "network.local", address: SocketAddress.SocketAddress): Attributes =>
  address._tag === "UnixPathAddress"
    ? { [`${prefix}.address`]: address.path }
    : { [`${prefix}.address`]: String(address.address), [`${prefix}.port`]: address.port }

const peer = (address: SocketAddress.SocketAddress): Attributes => ({
  ...endpoint("network.peer", address),
  "network.transport": address._tag === "UnixPathAddress" ? "unix" : "tcp",
  ...(address._tag === "UnixPathAddress"
    ? {}
    : { "network.type": SocketAddress.familyOf(address) === "IPv6" ? "ipv6" : "ipv4" })
})

const server = (target: unknown): Attributes => {
  const { address, origin } = Targets.partsOf(target)
  if (origin !== undefined) return { "server.address": Host.formatHost(origin.host), "server.port": origin.port }
  return address?._tag === "UnixPathAddress" ? { "server.address": address.path } : {}
}

/** The identifiers of ALPN have a version in them, where HTTP is meant. */
const protocol = (alpn: string): Attributes => {
  const version = /^(?:h(2c?|3)|http\/(\d\.\d))$/.exec(alpn)
  if (version === null) return { "network.protocol.name": alpn }
  return { "network.protocol.name": "http", "network.protocol.version": (version[1] ?? version[2]!).replace("c", "") }
}

/** As an error that exporters can read. */
const failed = ({ code, detail }: Failure) => Exit.fail({ _tag: code, name: code, message: detail ?? code })

const interrupted = Exit.interrupt()

/** Makes spans of the events of one connect. */
class Spans {
  private readonly whole: Tracer.Span
  private readonly context: Context.Context<never>
  private readonly clock: Clock.Clock
  private readonly attributes: Attributes
  private readonly attempts = new Map<number, Tracer.Span>()
  private readonly lookups = new Map<string, Tracer.Span>()

  constructor(whole: Tracer.Span, context: Context.Context<never>, attributes: Attributes) {
    this.whole = whole
    this.context = context
    this.clock = Context.get(context, Clock.Clock)
    this.attributes = attributes
  }

  take(event: ConnectorEvent): void {
    switch (event._tag) {
      case "Resolving":
        this.lookups.set(
          keyOf(event),
          this.begin(`DNS lookup ${event.host}`, this.parentOf(event.attempt), { "dns.question.name": event.host })
        )
        return
      case "Resolved": {
        const answers = event.addresses.map((address) =>
          address._tag === "UnixPathAddress" ? address.path : String(address.address)
        )
        return this.lookedUp(event, Exit.void, { "dns.answers": answers })
      }
      case "ResolveFailed":
        return this.lookedUp(event, failed(event.failure), {
          "dns.answers": [],
          "error.type": Telemetry.errorType(event.failure.code)
        })
      case "AttemptBegan": {
        const { address, attempt, within } = event
        const name = `socket connect ${SocketAddress.format(address)}`
        this.attempts.set(attempt, this.begin(name, this.parentOf(within), peer(address)))
        return
      }
      case "Connected":
        return this.annotate(event.attempt, endpoint("network.local", event.local))
      case "TlsDone":
        return event.protocol === undefined ? undefined : this.annotate(event.attempt, protocol(event.protocol))
      case "AttemptWon":
        return this.ended(event, Exit.void)
      case "AttemptLost":
        return this.ended(event, interrupted)
      case "AttemptFailed":
        this.annotate(event.attempt, { "error.type": Telemetry.errorType(event.failure.code) })
        return this.ended(event, failed(event.failure))
      case "Succeeded":
        if (event.remote !== undefined) annotate(this.whole, peer(event.remote))
        if (event.local !== undefined) annotate(this.whole, endpoint("network.local", event.local))
        return this.close()
      case "Failed":
        annotate(this.whole, { "error.type": Telemetry.errorType(event.failure.code) })
        return this.close()
      case "Interrupted":
        return this.close()
    }
  }

  private begin(name: string, parent: Tracer.Span, attributes: Attributes): Tracer.Span {
    return Effect.runSyncWith(this.context)(
      Effect.makeSpan(name, { parent, kind: "internal", attributes: { ...this.attributes, ...attributes } })
    )
  }

  private parentOf(attempt: number | undefined): Tracer.Span {
    return (attempt === undefined ? undefined : this.attempts.get(attempt)) ?? this.whole
  }

  private annotate(attempt: number | undefined, attributes: Attributes): void {
    const span = attempt === undefined ? this.whole : this.attempts.get(attempt)
    if (span !== undefined) annotate(span, attributes)
  }

  private end(span: Tracer.Span, exit: Exit.Exit<unknown, unknown>): void {
    span.end(this.clock.currentTimeNanosUnsafe(), exit)
  }

  private ended({ attempt }: Of<"AttemptWon" | "AttemptLost" | "AttemptFailed">, exit: Exit.Exit<unknown, unknown>) {
    const span = this.attempts.get(attempt)
    if (span !== undefined) this.end(span, exit)
  }

  private lookedUp(
    event: Of<"Resolved" | "ResolveFailed">,
    exit: Exit.Exit<unknown, unknown>,
    attributes: Attributes
  ): void {
    const span = this.lookups.get(keyOf(event))
    if (span === undefined) return
    this.lookups.delete(keyOf(event))
    annotate(span, attributes)
    this.end(span, exit)
  }

  /** A look-up that nobody waits for any more says nothing of its end. */
  private close(): void {
    for (const span of this.lookups.values()) this.end(span, interrupted)
  }
}

const keyOf = ({ attempt, family, host }: Of<"Resolving" | "Resolved" | "ResolveFailed">): string =>
  `${attempt} ${family} ${host}`

const annotate = (span: Tracer.Span, attributes: Attributes): void => {
  for (const [name, value] of Object.entries(attributes)) span.attribute(name, value)
}

const errorTypeOf = (event: ConnectorEvent): string | undefined => {
  if (event._tag === "Failed") return Telemetry.errorType(event.failure.code)
  return event._tag === "Interrupted" ? "interrupted" : undefined
}

export const traced = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  target: unknown,
  { attributes = {} }: Telemetry.Options,
  measured: (errorType: string | undefined) => Metric.Histogram<number>
): Effect.Effect<A, E, R> => {
  const text = Targets.textOf(target)
  const name = text === "" ? "connection_setup" : `connection_setup ${text}`
  return Effect.contextWith((context: Context.Context<R>) =>
    Effect.useSpan(name, { kind: "internal", attributes: { ...attributes, ...server(target) } }, (span) => {
      const spans = new Spans(span, context, attributes)
      const seen = observing(self, 1, text, (event) => {
        spans.take(event)
        if (event._tag !== "Succeeded" && event._tag !== "Failed" && event._tag !== "Interrupted") return
        measured(errorTypeOf(event)).updateUnsafe(event.time / 1000, context)
      })
      return Effect.withParentSpan(seen, span)
    })
  ) as Effect.Effect<A, E, R>
}

/** The series of the histogram, one for each way to end. */
export const measuring = ({ attributes = {} }: Telemetry.Options) => {
  const series = new Map<string | undefined, Metric.Histogram<number>>()
  return (errorType: string | undefined): Metric.Histogram<number> => {
    const known = series.get(errorType)
    if (known !== undefined) return known
    const one = Metric.withAttributes(Telemetry.duration, {
      ...attributes,
      ...(errorType === undefined ? {} : { "error.type": errorType })
    })
    series.set(errorType, one)
    return one
  }
}
