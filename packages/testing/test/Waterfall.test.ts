/**
 * What a connect did, as text: letter for letter.
 */
import {
  Connection,
  Connector,
  type ConnectorEvent,
  RetryPolicy,
  SocketAddress,
  Tls,
  Waterfall,
  Winsock,
  WsaError
} from "@effect-winsock/core"
import { SimNetwork, SimTls } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Effect, Layer, Schedule, Stream } from "effect"

type Event = ConnectorEvent.ConnectorEvent

const address = SocketAddress.fromInputUnsafe
const [local, dead, alive] = ["10.0.0.1:49152", "[2001:db8::1]:443", "192.0.2.1:443"].map(address) as [
  SocketAddress.SocketAddress,
  SocketAddress.SocketAddress,
  SocketAddress.SocketAddress
]
const at = (time: number, attempt?: number) => ({
  pipeline: 1,
  time,
  round: 1,
  ...(attempt === undefined ? {} : { attempt })
})
const lookUp = (family: "IPv4" | "IPv6") => ({ host: "example.org", family })

const tlsRace: ReadonlyArray<Event> = [
  { _tag: "Began", pipeline: 1, time: 0, target: "example.org:443" },
  { _tag: "Resolving", ...at(0), ...lookUp("IPv6") },
  { _tag: "Resolving", ...at(0), ...lookUp("IPv4") },
  { _tag: "Resolved", ...at(20), ...lookUp("IPv6"), addresses: [dead] },
  { _tag: "AttemptBegan", ...at(20, 1), attempt: 1, address: dead },
  { _tag: "SocketOpened", ...at(20, 1), attempt: 1 },
  { _tag: "Resolved", ...at(21), ...lookUp("IPv4"), addresses: [alive] },
  { _tag: "AttemptBegan", ...at(270, 2), attempt: 2, address: alive },
  { _tag: "SocketOpened", ...at(270, 2), attempt: 2 },
  { _tag: "Connected", ...at(272, 2), attempt: 2, local, remote: alive },
  { _tag: "TlsDone", ...at(282, 2), version: "TLSv1.3", protocol: "h2", resumed: false },
  { _tag: "AttemptWon", ...at(282, 2), attempt: 2 },
  { _tag: "AttemptLost", ...at(282, 1), attempt: 1 },
  { _tag: "Succeeded", pipeline: 1, time: 282, local, remote: alive }
]

const assertText = (text: string, lines: ReadonlyArray<string>) => assert.deepStrictEqual(text.split("\n"), lines)

describe("Waterfall.render", () => {
  it("draws look-ups, attempts and their steps, and who won", () =>
    assertText(Waterfall.render(tlsRace), [
      "example.org:443: connected to 192.0.2.1:443 from 10.0.0.1:49152 in 282 ms",
      "                       0 ms                282 ms",
      "look up IPv6           --                            20 ms  2001:db8::1",
      "look up IPv4           --                            21 ms  192.0.2.1",
      "1 [2001:db8::1]:443     ========================~   262 ms  lost",
      "2 192.0.2.1:443                                =>    12 ms  won",
      "  connect                                      --     2 ms  from 10.0.0.1:49152",
      "  tls                                           -    10 ms  TLSv1.3 h2"
    ]))

  it("says what is under way, where the events stop in the middle", () =>
    assertText(Waterfall.render(tlsRace.slice(0, 5)), [
      "example.org:443: under way for 20 ms",
      "                       0 ms                 20 ms",
      "look up IPv6           --------------------------    20 ms  2001:db8::1",
      "look up IPv4           --------------------------    20 ms  under way",
      "1 [2001:db8::1]:443                             =     0 ms  under way"
    ]))

  it("draws every step that is done before one fails, and the one that failed", () =>
    assertText(
      Waterfall.render([
        ...tlsRace.slice(0, 10),
        { _tag: "ProxyPassed", ...at(275, 2), proxy: "socks5://proxy:1080", destination: "example.org:443" },
        {
          _tag: "AttemptFailed",
          ...at(300, 2),
          attempt: 2,
          failure: { code: "TlsExpired", stage: "tls", detail: "a certificate has expired on 2026-01-31" }
        },
        { _tag: "Interrupted", pipeline: 1, time: 310 }
      ]),
      [
        "example.org:443: interrupted after 310 ms",
        "                       0 ms                310 ms",
        "look up IPv6           --                            20 ms  2001:db8::1",
        "look up IPv4           --                            21 ms  192.0.2.1",
        "1 [2001:db8::1]:443     ========================~   290 ms  given up",
        "2 192.0.2.1:443                              ===x    30 ms  TlsExpired",
        "  connect                                    -        2 ms  from 10.0.0.1:49152",
        "  proxy                                      --       3 ms",
        "      socks5://proxy:1080 to example.org:443",
        "  tls                                         --x    25 ms",
        "      a certificate has expired on 2026-01-31"
      ]
    ))

  it("draws what is done over a connection that stands, where that belongs to no attempt", () => {
    const proxied: ReadonlyArray<Event> = [
      { _tag: "Began", pipeline: 1, time: 0, target: "example.org:443" },
      { _tag: "Resolving", ...at(0), host: "proxy.test" },
      { _tag: "Resolved", ...at(5), host: "proxy.test", addresses: [alive] },
      { _tag: "AttemptBegan", ...at(5, 1), attempt: 1, address: alive },
      { _tag: "Connected", ...at(10, 1), attempt: 1, local, remote: alive },
      { _tag: "AttemptWon", ...at(10, 1), attempt: 1 },
      { _tag: "ProxyPassed", ...at(25), proxy: "http://proxy.test:3128", destination: "example.org:443" },
      { _tag: "Failed", pipeline: 1, time: 40, failure: { code: "TlsAlert", stage: "tls", detail: "unknown ca" } }
    ]
    assertText(Waterfall.render(proxied), [
      "example.org:443: TlsAlert at tls after 40 ms",
      "  unknown ca",
      "                       0 ms                 40 ms",
      "look up proxy.test     ----                           5 ms  192.0.2.1",
      "1 192.0.2.1:443           ===>                        5 ms  won",
      "  connect                 ----                        5 ms  from 10.0.0.1:49152",
      "proxy                        -----------             15 ms",
      "    http://proxy.test:3128 to example.org:443",
      "tls                                    ---------x    15 ms  TlsAlert"
    ])
  })

  it("draws waiting for one's turn, unless there was none", () => {
    const queued = (until: number): ReadonlyArray<Event> => [
      { _tag: "Began", pipeline: 1, time: 0, target: "a.test:80" },
      { _tag: "Queued", ...at(0), destination: "a.test:80" },
      { _tag: "Admitted", ...at(until), destination: "a.test:80" },
      { _tag: "BreakerRefused", ...at(10), endpoint: "a.test:80", retryAfter: 5000 },
      { _tag: "Failed", pipeline: 1, time: 10, failure: { code: "BreakerOpen" } }
    ]
    const [title, axis, queue, ...rest] = Waterfall.render(queued(9)).split("\n")
    assert.strictEqual(queue, "queue a.test:80        ........................       9 ms")
    assert.deepStrictEqual(Waterfall.render(queued(0)).split("\n"), [title, axis, ...rest])
    assert.strictEqual(rest[0], "breaker a.test:80                               x     0 ms  is open for 5 s")
  })

  it("draws two pipelines one below the other", () => {
    const [first, second] = Waterfall.render(tlsRace.flatMap((event) => [event, { ...event, pipeline: 2 }])).split(
      "\n\n"
    )
    assert.strictEqual(first, second)
    assert.strictEqual(first, Waterfall.render(tlsRace))
  })

  it("shows what a terminal would obey as what it is", () => {
    const text = Waterfall.render([
      { _tag: "Began", pipeline: 1, time: 0, target: "evil\u001b[2J:80" },
      { _tag: "Failed", pipeline: 1, time: 1, failure: { code: "X", detail: "a\nb\u202ec" } }
    ])
    assertText(text, ["evil\\u001b[2J:80: X after 1 ms", "  a\\u000ab\\u202ec"])
  })

  for (const width of [64, 80, 132]) {
    it(`keeps to ${width} columns, whatever is said, and loses nothing of it`, () => {
      const long = `w${"0123456789".repeat(30)}`
      const detail = "why and how ".repeat(40)
      const events: ReadonlyArray<Event> = [
        { _tag: "Began", pipeline: 1, time: 0, target: long },
        { _tag: "Resolving", ...at(0), host: long },
        { _tag: "Resolved", ...at(1.23456), host: long, addresses: Array.from({ length: 30 }, () => dead) },
        { _tag: "AttemptBegan", ...at(2, 1), attempt: 1, address: address(`unix:/${"path/".repeat(18)}`) },
        {
          _tag: "AttemptBegan",
          ...at(2, 2),
          attempt: 2,
          address: address("[2001:db8:1111:2222:3333:4444:5555:6666]:65535"),
          within: 1
        },
        {
          _tag: "Connected",
          ...at(3, 2),
          attempt: 2,
          local: address("[2001:db8:1111:2222:3333:4444:5555:7777]:65535"),
          remote: dead
        },
        { _tag: "ProxyPassed", ...at(4, 2), proxy: long, destination: long },
        { _tag: "TlsDone", ...at(5, 2), version: "TLSv1.3", protocol: long, resumed: true },
        { _tag: "AttemptFailed", ...at(1_000_000, 2), attempt: 2, failure: { code: long, stage: "proxy", detail } },
        { _tag: "RetryScheduled", ...at(1_000_001), failure: { code: long }, delay: 1e9 },
        { _tag: "RetryStopped", ...at(1_000_002), failure: { code: long }, reason: "budget" },
        { _tag: "BreakerRefused", ...at(1_000_003), endpoint: long, retryAfter: 12_345_678 },
        { _tag: "Queued", ...at(1_000_004), destination: long },
        { _tag: "PoolHit", ...at(1_000_004), destination: long },
        { _tag: "Failed", pipeline: 1, time: 1_000_005, failure: { code: long, stage: "proxy", detail } }
      ]
      const text = Waterfall.render(events, { width })
      for (const line of text.split("\n")) assert.isAtMost(line.length, width, line)
      const squeezed = text.replace(/\s/g, "")
      assert.strictEqual(squeezed.split(long).length - 1, 10)
      assert.strictEqual(squeezed.split(detail.replace(/\s/g, "")).length - 1, 2)
    })
  }
})

describe("Waterfall.renderError", () => {
  it("draws the attempts that an error carries", () => {
    const attempts: ReadonlyArray<WsaError.Attempt> = [
      { address: dead, stage: "connect", code: "WSAETIMEDOUT", began: 0, ended: 1000, detail: "the attempt took long" },
      { address: alive, stage: "bind", code: "WSAEADDRINUSE", began: 250, ended: 250 }
    ]
    const error = WsaError.make("WSAETIMEDOUT", { call: "WSAConnect", stage: "connect", attempts })
    assertText(Waterfall.renderError(error), [
      "WSAETIMEDOUT after 1 s",
      "                       0 ms                   1 s",
      "1 [2001:db8::1]:443    =========================x      1 s  WSAETIMEDOUT",
      "    the attempt took long",
      "2 192.0.2.1:443              x                        0 ms",
      "    WSAEADDRINUSE at bind"
    ])
  })

  it("says what failed where there were no attempts", () =>
    assertText(
      Waterfall.renderError(WsaError.make("WSAHOST_NOT_FOUND", { call: "WSAConnectByName", stage: "resolve" })),
      [
        "WSAHOST_NOT_FOUND at resolve after 0 ms"
      ]
    ))
})

describe("Connector.explain", () => {
  const world = Effect.gen(function*() {
    const net = yield* SimNetwork.SimNetwork
    net.blackhole("[2001:db8::1]:80")
    const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
    yield* Winsock.bind(listener, "127.0.0.1:80")
    yield* Winsock.listen(listener)
  })
  const candidates = (...addresses: ReadonlyArray<string>): Connector.Candidates => ({
    _tag: "Candidates",
    origin: undefined,
    addresses: addresses.map(address)
  })

  it.sim("draws a race, and closes what it has opened", () =>
    Effect.gen(function*() {
      yield* world
      const text = yield* Connector.explain(
        Connector.winsock.pipe(Connector.happyEyeballs()),
        candidates("[2001:db8::1]:80", "127.0.0.1:80")
      )
      assertText(text, [
        "connected to 127.0.0.1:80 from 127.0.0.1:32769 in 250 ms",
        "                       0 ms                250 ms",
        "1 [2001:db8::1]:80     =========================~   250 ms  lost",
        "2 127.0.0.1:80                                  >     0 ms  won",
        "  connect                                       -     0 ms  from 127.0.0.1:32769"
      ])
      assert.strictEqual((yield* SimNetwork.SimNetwork).counts().handles, 1)
    }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer())))

  it.sim("draws the rounds of a retry, and the waiting between them", () =>
    Effect.gen(function*() {
      yield* world
      const connector = Connector.winsock.pipe(
        Connector.attemptTimeout("1 second"),
        Connector.happyEyeballs(),
        Connector.retry(
          RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.spaced("500 millis").pipe(Schedule.upTo({ times: 1 })) })
        )
      )
      const text = yield* connector.pipe(Connector.explain(candidates("[2001:db8::1]:80", "127.0.0.1:81")))
      assertText(text, [
        "WSAECONNREFUSED after 2.5 s",
        "                       0 ms                 2.5 s",
        "1 [2001:db8::1]:80     ==========x                     1 s  WSAETIMEDOUT",
        "    the attempt took longer than 1s",
        "2 127.0.0.1:81           x                            0 ms  WSAECONNREFUSED",
        "wait                             ......             500 ms  round 2",
        "3 [2001:db8::1]:80                    ==========x      1 s  WSAETIMEDOUT",
        "    the attempt took longer than 1s",
        "4 127.0.0.1:81                           x            0 ms  WSAECONNREFUSED",
        "no other round                                  .     0 ms  its schedule is over"
      ])
      const events = yield* Connector.events(connector, candidates("[2001:db8::1]:80", "127.0.0.1:81")).pipe(
        Stream.catch(() => Stream.empty),
        Stream.runCollect
      )
      assert.strictEqual(Waterfall.render(events), text)
    }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer())))

  const named = Effect.gen(function*() {
    const authority = SimTls.authority("Some Authority")
    const identity = authority.issue({ names: ["example.org"] })
    const net = yield* SimNetwork.make({
      hosts: {
        client: { addresses: ["10.0.0.1", "2001:db8::1"] },
        server: { addresses: ["10.0.0.2", "2001:db8::2"], names: ["example.org"] }
      },
      link: { latency: "10 millis" },
      dns: { latency: "20 millis" }
    })
    net.blackhole("[2001:db8::2]:443")
    const server = yield* Layer.build(Layer.merge(net.layer("server"), SimTls.layer()))
    const serving = Effect.gen(function*() {
      const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
      yield* Winsock.bind(listener, "10.0.0.2:443")
      yield* Winsock.listen(listener)
      const { accept } = yield* Tls.Tls
      const one = Effect.gen(function*() {
        const connection = Connection.fromAccepted(yield* Winsock.accept(listener))
        yield* Effect.ignore(accept(connection, { identity, alpn: ["h2"] }))
        return yield* Effect.never
      })
      yield* Effect.forkScoped(Effect.scoped(one))
    })
    yield* Effect.provideContext(serving, server)
    return { net, ca: authority.cert }
  })

  it.sim("draws names, a race, TLS: from the same events that a telemetry and a tap hear", () =>
    Effect.gen(function*() {
      const { ca, net } = yield* named
      const told: Array<Event> = []
      const connector = Connector.winsock.pipe(
        Connector.tls({ ca, alpn: ["h2"] }),
        Connector.attemptTimeout("5 seconds"),
        Connector.happyEyeballs(),
        Connector.resolve(),
        Connector.telemetry(),
        Connector.tapEvents((event) => Effect.sync(() => told.push(event)))
      )
      const text = yield* Connector.explain(connector, "https://example.org/").pipe(
        Effect.provide(Layer.merge(net.layerConnector("client"), SimTls.layer()))
      )
      assertText(text, [
        "example.org:443: connected to 10.0.0.2:443 from 10.0.0.1:32769 in 310 ms",
        "                       0 ms                310 ms",
        "look up IPv6           --                            20 ms  2001:db8::2",
        "look up IPv4           --                            20 ms  10.0.0.2",
        "1 [2001:db8::2]:443     ========================~   290 ms  lost",
        "2 10.0.0.2:443                               ===>    40 ms  won",
        "  connect                                    ---     20 ms  from 10.0.0.1:32769",
        "  tls                                          --    20 ms  TLSv1.3 h2"
      ])
      assert.strictEqual(Waterfall.render(told), text)
    }).pipe(Effect.scoped))
})
