/**
 * What tracers and metrics are told of connects, in the simulated network: by a tracer that keeps all spans.
 */
import { Connector, Proxy, RetryPolicy, Telemetry, Tls, Winsock, WsaError } from "@effect-winsock/core"
import { SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Effect, Exit, Fiber, Layer, Metric, Option, Schedule, Tracer } from "effect"

const tracing = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer }
}

/** A span in a line: when it began and ended, since the first one, and how. */
const lines = (spans: ReadonlyArray<Tracer.NativeSpan>) => {
  const millis = (time: bigint) => Number((time - spans[0]!.startTime) / 1000n) / 1000
  return spans.map(({ name, parent, startTime, status }) => {
    const under = spans.findIndex((span) => span.spanId === Option.getOrUndefined(parent)?.spanId)
    assert.strictEqual(status._tag, "Ended", name)
    const exit = status._tag === "Ended" ? status.exit : Exit.void
    const how = Exit.isSuccess(exit) ? "ok" : Exit.hasInterrupts(exit) ? "interrupted" : "error"
    const end = status._tag === "Ended" ? millis(status.endTime) : undefined
    return `${under} ${name} ${millis(startTime)}-${end} ${how}`
  })
}

const attributes = (span: Tracer.NativeSpan) => Object.fromEntries(span.attributes)

const network = Effect.gen(function*() {
  const net = yield* SimNetwork.make({
    hosts: {
      client: { addresses: ["10.0.0.1", "2001:db8::1"] },
      server: { addresses: ["10.0.0.2", "2001:db8::2"], names: ["db.example"] }
    },
    link: { latency: "5 millis" },
    dns: { latency: "20 millis" }
  })
  const server = yield* Layer.build(net.layer("server"))
  const listener = yield* Effect.provideContext(Winsock.socket({ family: "IPv4", type: "stream" }), server)
  yield* Winsock.bind(listener, "10.0.0.2:80")
  yield* Winsock.listen(listener)
  return net
})

const standard = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.resolve())

/** The counts of the histogram by what ended the connects, in the order of the table. */
const counts = Effect.map(Metric.snapshot, (all) =>
  Object.fromEntries(
    all.flatMap(({ attributes, id, state }) =>
      id === Telemetry.duration.id && "count" in state ? [[attributes?.["error.type"] ?? "ok", state.count]] : []
    )
  ))

const ofTest = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.provideService(self, Metric.MetricRegistry, new Map())

describe("Connector.telemetry", () => {
  it.sim("has a span for the connect, one for each look-up and attempt, and marks what failed and nothing above", () =>
    Effect.gen(function*() {
      const net = yield* network
      const { spans, tracer } = tracing()
      const connector = standard.pipe(Connector.telemetry())
      yield* connector.connect("db.example:80").pipe(
        Effect.withSpan("mine"),
        Effect.withTracer(tracer),
        Effect.scoped,
        Effect.provide(net.layerConnector("client"))
      )
      assert.deepStrictEqual(lines(spans), [
        "-1 mine 0-40 ok",
        "0 connection_setup db.example:80 0-40 ok",
        "1 DNS lookup db.example 0-20 ok",
        "1 DNS lookup db.example 0-20 ok",
        "1 socket connect [2001:db8::2]:80 20-30 error",
        "1 socket connect 10.0.0.2:80 30-40 ok"
      ])
      assert.deepStrictEqual(spans.map(attributes), [
        {},
        {
          "server.address": "db.example",
          "server.port": 80,
          "network.peer.address": "10.0.0.2",
          "network.peer.port": 80,
          "network.transport": "tcp",
          "network.type": "ipv4",
          "network.local.address": "10.0.0.1",
          "network.local.port": 32769
        },
        { "dns.question.name": "db.example", "dns.answers": ["2001:db8::2"] },
        { "dns.question.name": "db.example", "dns.answers": ["10.0.0.2"] },
        {
          "network.peer.address": "2001:db8::2",
          "network.peer.port": 80,
          "network.transport": "tcp",
          "network.type": "ipv6",
          "error.type": "connection_refused"
        },
        {
          "network.peer.address": "10.0.0.2",
          "network.peer.port": 80,
          "network.transport": "tcp",
          "network.type": "ipv4",
          "network.local.address": "10.0.0.1",
          "network.local.port": 32769
        }
      ])
      for (const span of spans) assert.strictEqual(span.kind, "internal")
    }).pipe(Effect.scoped))

  it.sim("ends what a race has cancelled by an interruption, which is no error", () =>
    Effect.gen(function*() {
      const net = yield* network
      net.blackhole("[2001:db8::2]:80")
      const { spans, tracer } = tracing()
      yield* standard.pipe(Connector.telemetry(), Connector.connect("db.example:80")).pipe(
        Effect.withTracer(tracer),
        Effect.scoped,
        Effect.provide(net.layerConnector("client"))
      )
      assert.deepStrictEqual(lines(spans).filter((line) => !line.includes("DNS")), [
        "-1 connection_setup db.example:80 0-280 ok",
        "0 socket connect [2001:db8::2]:80 20-280 interrupted",
        "0 socket connect 10.0.0.2:80 270-280 ok"
      ])
    }).pipe(Effect.scoped))

  it.sim("says in the span of the connect when it tries again, and fails where the last round does", () =>
    Effect.gen(function*() {
      const net = yield* network
      const { spans, tracer } = tracing()
      const connector = Connector.winsock.pipe(
        Connector.retry(
          RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 1 })) })
        ),
        Connector.telemetry({ attributes: { "service.name": "shop" } })
      )
      yield* Effect.flip(connector.connect("10.0.0.2:81")).pipe(
        Effect.withTracer(tracer),
        Effect.scoped,
        Effect.provide(net.layer("client"))
      )
      assert.deepStrictEqual(lines(spans), [
        "-1 connection_setup 10.0.0.2:81 0-1020 error",
        "0 socket connect 10.0.0.2:81 0-10 error",
        "0 socket connect 10.0.0.2:81 1010-1020 error"
      ])
      assert.deepStrictEqual(spans[0]!.events.map(([name]) => name), ["retry", "retry.stopped"])
      for (const span of spans) {
        assert.strictEqual(span.attributes.get("service.name"), "shop")
        assert.strictEqual(span.attributes.get("error.type"), "connection_refused")
      }
    }).pipe(Effect.scoped))

  it.sim("measures how long connects take, in seconds, by what ended them", () =>
    Effect.gen(function*() {
      const net = yield* network
      net.blackhole("10.0.0.2:82")
      const connector = Connector.winsock.pipe(Connector.timeout("2 seconds"), Connector.telemetry())
      const once = (target: string) =>
        Effect.exit(Effect.scoped(connector.connect(target))).pipe(Effect.provide(net.layer("client")))
      yield* once("10.0.0.2:80")
      yield* once("10.0.0.2:80")
      yield* once("10.0.0.2:81")
      yield* once("10.0.0.2:82")
      const fiber = yield* Effect.forkChild(once("10.0.0.2:82"))
      yield* Effect.sleep(100)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* counts, { ok: 2, connection_refused: 1, timed_out: 1, interrupted: 1 })
      const { buckets, sum } = yield* Metric.value(
        Metric.withAttributes(Telemetry.duration, { "error.type": "timed_out" })
      )
      assert.strictEqual(sum, 2)
      assert.deepStrictEqual(buckets.filter(([bound]) => bound >= 1 && bound <= 5), [[1, 0], [2.5, 1], [5, 1]])
    }).pipe(Effect.scoped, ofTest))

  it.sim("says what is to be spoken over TLS, in the span of the attempt", () =>
    Effect.gen(function*() {
      const net = yield* network
      const spoken = (alpn: string | undefined) =>
        Effect.gen(function*() {
          const { spans, tracer } = tracing()
          const session: Tls.Session = {
            protocol: "TLSv1.3",
            cipher: "TLS_AES_128_GCM_SHA256",
            alpn,
            serverName: undefined,
            certificate: undefined,
            verified: true,
            reused: false
          }
          const tls = Layer.mock(Tls.Tls, {
            connect: (connection) => Effect.succeed(Object.assign(Object.create(connection), { tls: session }))
          })
          yield* Connector.winsock.pipe(Connector.tls(), Connector.telemetry(), Connector.connect("10.0.0.2:80")).pipe(
            Effect.withTracer(tracer),
            Effect.scoped,
            Effect.provide(Layer.merge(net.layer("client"), tls))
          )
          const of = attributes(spans.find(({ name }) => name.startsWith("socket"))!)
          return [of["network.protocol.name"], of["network.protocol.version"]]
        })
      assert.deepStrictEqual(yield* spoken("h2"), ["http", "2"])
      assert.deepStrictEqual(yield* spoken("http/1.1"), ["http", "1.1"])
      assert.deepStrictEqual(yield* spoken("h3"), ["http", "3"])
      assert.deepStrictEqual(yield* spoken("postgresql"), ["postgresql", undefined])
      assert.deepStrictEqual(yield* spoken(undefined), [undefined, undefined])
    }).pipe(Effect.scoped))

  it.sim("leaves no span open, whenever a connect is interrupted", () =>
    Effect.gen(function*() {
      const net = yield* network
      net.blackhole("[2001:db8::2]:80")
      for (let after = 0; after < 300; after += 7) {
        const { spans, tracer } = tracing()
        const connect = standard.pipe(Connector.telemetry(), Connector.connect("db.example:80")).pipe(
          Effect.withTracer(tracer),
          Effect.scoped,
          Effect.provide(net.layerConnector("client"))
        )
        const fiber = yield* Effect.forkChild(connect)
        yield* Effect.sleep(after)
        yield* Fiber.interrupt(fiber)
        for (const { name, status } of spans) assert.strictEqual(status._tag, "Ended", `${name} after ${after}`)
      }
    }).pipe(Effect.scoped))

  it.sim("costs nobody anything who has no tracer", () =>
    Effect.gen(function*() {
      const net = yield* network
      yield* standard.pipe(Connector.telemetry(), Connector.connect("db.example:80")).pipe(
        Effect.withTracerEnabled(false),
        Effect.scoped,
        Effect.provide(net.layerConnector("client"))
      )
      assert.deepStrictEqual(yield* counts, { ok: 1 })
    }).pipe(Effect.scoped, ofTest))
})

describe("Telemetry.errorType", () => {
  it("has a name of its own for each code, in small letters", () => {
    const names = Object.keys(WsaError.table).map(Telemetry.errorType)
    assert.strictEqual(new Set(names).size, names.length)
    for (const name of names) assert.match(name, /^[a-z_]+$/)
    assert.notInclude(names, "_OTHER")
  })

  it("has one for every other error of a pipeline", () => {
    const tags = [
      "BreakerOpen",
      ...Object.keys(Tls).filter((name) => /^Tls[A-Z]/.test(name)),
      ...Object.keys(Proxy).filter((name) => /^Proxy[A-Z]/.test(name))
    ]
    for (const tag of tags) assert.notStrictEqual(Telemetry.errorType(tag), "_OTHER", tag)
    assert.strictEqual(Telemetry.errorType("constructor"), "_OTHER")
  })
})
