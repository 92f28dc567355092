import {
  type AddressPolicy,
  type Connection,
  type ConnectionPool,
  Connector,
  type ConnectorEvent,
  type Qos,
  type Reconnecting,
  RetryPolicy,
  SocketOption,
  type Tls,
  type Winsock,
  type WsaError
} from "@effect-winsock/core"
import { type Effect, Schedule, type Scope, type Stream } from "effect"
import type { AddressResolver } from "effect/net"
import { describe, expect, it } from "tstyche"

declare const hole: <A>() => A

type Inner = Connection.Connection<"broken">
type Over<Target, E, R = "needed", Out = Inner> = Connector.Connector<Target, Out, E, R>

declare const plain: Over<"target", "refused">
declare const one: Over<Connector.Endpoint, WsaError.WSAECONNREFUSED>
declare const several: Over<Connector.Candidates, WsaError.WSAECONNREFUSED>

describe("Connector", () => {
  it("winsock takes an address in any form, and no name", () => {
    expect(Connector.winsock).type.toBe<
      Connector.Connector<Connector.EndpointInput, Connection.Connection, Connector.ConnectError, Winsock.Winsock>
    >()
    expect(Connector.winsock.connect).type.toBeCallableWith("127.0.0.1:80")
    expect(Connector.winsock.connect).type.not.toBeCallableWith({ host: "db", port: 1 })
  })

  it("winsock fails with what socket and WSAConnect do, without what a fresh blocking socket does not end with", () => {
    type Tags = Connector.ConnectError["_tag"]
    type All = (WsaError.SocketError | WsaError.WSAConnectError)["_tag"]
    expect<Exclude<All, Tags>>().type.toBe<"WSAEWOULDBLOCK" | "WSAEALREADY" | "WSAEISCONN" | "WSAEINPROGRESS">()
    expect<Exclude<Tags, All>>().type.toBe<never>()
  })

  it("connect gives what the pipeline gives, in a scope", () => {
    const connected = hole<Effect.Effect<Inner, "refused", "needed" | Scope.Scope>>()
    expect(Connector.connect(plain, "target")).type.toBe<typeof connected>()
    expect(plain.pipe(Connector.connect("target"))).type.toBe<typeof connected>()
    expect(plain.connect("target")).type.toBe<typeof connected>()
    expect(Connector.connect).type.not.toBeCallableWith(plain, "elsewhere")
  })

  it("a target that takes more is taken where less is given, and what gives more where less is wanted", () => {
    expect<Over<Connector.TargetInput, never>>().type.toBeAssignableTo<Over<Connector.Target, "refused">>()
    expect<Over<Connector.Endpoint, never>>().type.not.toBeAssignableTo<Over<Connector.Target, never>>()
    expect<Over<"t", "refused">>().type.not.toBeAssignableTo<Over<"t", never>>()
  })

  describe("steps of the socket", () => {
    it("hook adds what it fails with and needs, without the scope that it is given", () => {
      const hook = hole<() => Effect.Effect<number, "hook failed", "more" | Scope.Scope>>()
      expect(plain.pipe(Connector.hook(hook))).type.toBe<Over<"target", "refused" | "hook failed", "needed" | "more">>()
      expect(Connector.hook(plain, hook)).type.toBe<Over<"target", "refused" | "hook failed", "needed" | "more">>()
      const silent = hole<(s: Winsock.Socket, endpoint: Connector.Endpoint) => Effect.Effect<void>>()
      expect(plain.pipe(Connector.hook(silent))).type.toBe<Over<"target", "refused">>()
      expect(Connector.hook).type.not.toBeCallableWith(hole<(s: string) => Effect.Effect<string>>())
    })

    it("bindTo adds what bind fails with", () => {
      expect(plain.pipe(Connector.bindTo({ IPv4: "10.0.0.1:0" }))).type.toBe<
        Over<"target", "refused" | Connector.BindError>
      >()
      expect(Connector.bindTo(plain, {})).type.toBe<Over<"target", "refused" | Connector.BindError>>()
      expect<Exclude<WsaError.BindError["_tag"], Connector.BindError["_tag"]>>().type.toBe<"WSAEINPROGRESS">()
      expect(Connector.bindTo).type.not.toBeCallableWith({ IPv5: "10.0.0.1:0" })
    })

    it("options adds what setsockopt fails with, and takes each option with its own value", () => {
      const values = [[SocketOption.TCP_NODELAY, true], [SocketOption.SO_RCVTIMEO, 100]] as const
      expect(plain.pipe(Connector.options(values))).type.toBe<Over<"target", "refused" | Connector.OptionError>>()
      expect(Connector.options(plain, values)).type.toBe<Over<"target", "refused" | Connector.OptionError>>()
      expect<Exclude<WsaError.SetsockoptError["_tag"], Connector.OptionError["_tag"]>>().type.toBe<"WSAEINPROGRESS">()
      expect(Connector.options).type.not.toBeCallableWith([[SocketOption.TCP_NODELAY, 1]])
      expect(Connector.options).type.not.toBeCallableWith([[SocketOption.SO_ERROR, 1]])
    })

    it("addressPolicy adds WSAEACCES", () => {
      const policy = hole<AddressPolicy.AddressPolicy>()
      expect(plain.pipe(Connector.addressPolicy(policy))).type.toBe<Over<"target", "refused" | WsaError.WSAEACCES>>()
      expect(Connector.addressPolicy(plain, policy)).type.toBe<Over<"target", "refused" | WsaError.WSAEACCES>>()
    })

    it("qos and callerData change no type", () => {
      const qos = hole<Qos.Qos>()
      expect(plain.pipe(Connector.qos(qos))).type.toBe<Over<"target", "refused">>()
      expect(plain.pipe(Connector.qos(null))).type.toBe<Over<"target", "refused">>()
      expect(Connector.qos(plain, qos)).type.toBe<Over<"target", "refused">>()
      expect(plain.pipe(Connector.callerData(new Uint8Array(1)))).type.toBe<Over<"target", "refused">>()
      expect(Connector.callerData(plain, null)).type.toBe<Over<"target", "refused">>()
      expect(Connector.callerData).type.not.toBeCallableWith("text")
    })
  })

  describe("steps of time", () => {
    it("attemptTimeout and timeout add WSAETIMEDOUT", () => {
      expect(plain.pipe(Connector.attemptTimeout("1 second"))).type.toBe<
        Over<"target", "refused" | WsaError.WSAETIMEDOUT>
      >()
      expect(Connector.attemptTimeout(plain, 1000)).type.toBe<Over<"target", "refused" | WsaError.WSAETIMEDOUT>>()
      expect(plain.pipe(Connector.timeout("1 second"))).type.toBe<Over<"target", "refused" | WsaError.WSAETIMEDOUT>>()
      expect(Connector.timeout(plain, 1000)).type.toBe<Over<"target", "refused" | WsaError.WSAETIMEDOUT>>()
      expect(Connector.timeout).type.not.toBeCallableWith("soon")
    })
  })

  describe("steps of several attempts", () => {
    type Raced = WsaError.WSAECONNREFUSED | WsaError.WSANO_DATA | WsaError.WSAEACCES

    it("happyEyeballs makes of one address several, and adds that there may be none, and that none may be allowed", () => {
      expect(one.pipe(Connector.happyEyeballs())).type.toBe<Over<Connector.Candidates, Raced>>()
      expect(one.pipe(Connector.happyEyeballs({ attemptDelay: "1 second" }))).type.toBe<
        Over<Connector.Candidates, Raced>
      >()
      expect(Connector.happyEyeballs(one)).type.toBe<Over<Connector.Candidates, Raced>>()
      expect(Connector.happyEyeballs(one, {})).type.toBe<Over<Connector.Candidates, Raced>>()
    })

    it("happyEyeballs takes what connects one address, and failures that say what they are", () => {
      expect(Connector.happyEyeballs).type.not.toBeCallableWith(several)
      expect(Connector.happyEyeballs).type.not.toBeCallableWith(hole<Over<Connector.Endpoint, "refused">>())
    })

    it("resolve makes of addresses names, and adds what looking up fails with, and the resolver", () => {
      type Resolved = Over<
        Connector.TargetInput,
        WsaError.WSAECONNREFUSED | Connector.ResolveError,
        "needed" | AddressResolver.AddressResolver | Winsock.Winsock
      >
      expect(several.pipe(Connector.resolve())).type.toBe<Resolved>()
      expect(several.pipe(Connector.resolve({ family: "IPv4" }))).type.toBe<Resolved>()
      expect(Connector.resolve(several)).type.toBe<Resolved>()
      expect<Connector.ResolveError["_tag"]>().type.toBe<
        | "WSATRY_AGAIN"
        | "WsaUnmapped"
        | "WSANO_RECOVERY"
        | "WSAEADDRNOTAVAIL"
        | "WSANO_DATA"
        | "WSAHOST_NOT_FOUND"
        | "WSAEINVAL"
      >()
      expect(Connector.resolve).type.not.toBeCallableWith(one)
    })

    it("retry adds what its policy fails with and needs", () => {
      const schedule = hole<Schedule.Schedule<number, WsaError.WSAECONNREFUSED, never, "more">>()
      const policy = RetryPolicy.byCode({ WSAECONNREFUSED: schedule })
      type Retried = Over<Connector.Endpoint, WsaError.WSAECONNREFUSED, "needed" | "more">
      expect(one.pipe(Connector.retry(policy))).type.toBe<Retried>()
      expect(Connector.retry(one, policy)).type.toBe<Retried>()
      expect(one.pipe(Connector.retry(RetryPolicy.transient()))).type.toBe<typeof one>()
      expect(one.pipe(Connector.retry(RetryPolicy.grpc()))).type.toBe<
        Over<Connector.Endpoint, WsaError.WSAECONNREFUSED | WsaError.WSAETIMEDOUT>
      >()
    })

    it("retry does not take a code that the pipeline cannot fail with", () => {
      const impossible = RetryPolicy.byCode({ WSAETIMEDOUT: Schedule.recurs(1) })
      expect(one.pipe).type.not.toBeCallableWith(Connector.retry(impossible))
      expect(Connector.retry).type.not.toBeCallableWith(one, impossible)
      expect(Connector.winsock.pipe).type.toBeCallableWith(Connector.retry(impossible))
      // It becomes possible by a step that adds it.
      expect(one.pipe).type.toBeCallableWith(Connector.attemptTimeout("1 second"), Connector.retry(impossible))
      const unresolved = RetryPolicy.byCode({ WSATRY_AGAIN: Schedule.recurs(1) })
      expect(Connector.winsock.pipe).type.not.toBeCallableWith(Connector.happyEyeballs(), Connector.retry(unresolved))
      expect(Connector.winsock.pipe).type.toBeCallableWith(
        Connector.happyEyeballs(),
        Connector.resolve(),
        Connector.retry(unresolved)
      )
    })

    it("circuitBreaker adds that the breaker is open, and needs one", () => {
      type Broken = Over<"target", "refused" | RetryPolicy.BreakerOpen, "needed" | RetryPolicy.Breaker>
      expect(plain.pipe(Connector.circuitBreaker)).type.toBe<Broken>()
      expect(Connector.circuitBreaker(plain)).type.toBe<Broken>()
    })

    it("limit changes no type", () => {
      expect(plain.pipe(Connector.limit(1))).type.toBe<Over<"target", "refused">>()
      expect(Connector.limit(plain, { perDestination: 1, total: 2 })).type.toBe<Over<"target", "refused">>()
      expect(Connector.limit).type.not.toBeCallableWith("many")
    })
  })

  describe("steps of what comes out", () => {
    it("tls gives a connection under TLS, and adds what a handshake fails with", () => {
      type Secured = Over<
        "target",
        "refused" | "broken" | Tls.HandshakeError,
        "needed" | Tls.Tls,
        Tls.TlsConnection<"broken">
      >
      expect(plain.pipe(Connector.tls())).type.toBe<Secured>()
      expect(Connector.tls(plain, { alpn: ["h2"] })).type.toBe<Secured>()
    })

    it("pooled gives a connector that adds PoolTimeout and needs nothing any more, in the scope of the pool", () => {
      type Pool = Effect.Effect<
        Over<"target", "refused" | ConnectionPool.PoolTimeout, never>,
        never,
        "needed" | Scope.Scope
      >
      expect(plain.pipe(Connector.pooled())).type.toBe<Pool>()
      expect(Connector.pooled(plain, { max: 1 })).type.toBe<Pool>()
    })

    it("reconnecting never fails to begin: what goes wrong comes out of each connection that is asked for", () => {
      type Kept = Over<"target", never, "needed", Reconnecting.Reconnecting<Inner, "refused">>
      expect(plain.pipe(Connector.reconnecting())).type.toBe<Kept>()
      expect(Connector.reconnecting(plain)).type.toBe<Kept>()
    })
  })

  describe("steps of who looks on", () => {
    it("tapEvents adds what telling fails with and needs", () => {
      const told = hole<(event: ConnectorEvent.ConnectorEvent) => Effect.Effect<void, "not told", "more">>()
      expect(plain.pipe(Connector.tapEvents(told))).type.toBe<
        Over<"target", "refused" | "not told", "needed" | "more">
      >()
      expect(Connector.tapEvents(plain, told)).type.toBe<Over<"target", "refused" | "not told", "needed" | "more">>()
    })

    it("telemetry changes no type", () => {
      expect(plain.pipe(Connector.telemetry())).type.toBe<Over<"target", "refused">>()
      expect(Connector.telemetry(plain)).type.toBe<Over<"target", "refused">>()
    })

    it("events fails as the connect does, and explain never", () => {
      const events = hole<Stream.Stream<ConnectorEvent.ConnectorEvent, "refused", "needed">>()
      expect(Connector.events(plain, "target")).type.toBe<typeof events>()
      expect(plain.pipe(Connector.events("target"))).type.toBe<typeof events>()
      expect(Connector.explain(plain, "target")).type.toBe<Effect.Effect<string, never, "needed">>()
      expect(plain.pipe(Connector.explain("target"))).type.toBe<Effect.Effect<string, never, "needed">>()
    })
  })

  it("a whole pipeline has exactly the codes of its steps", () => {
    const whole = Connector.winsock.pipe(
      Connector.bindTo({ IPv4: "10.0.0.1:0" }),
      Connector.tls(),
      Connector.attemptTimeout("1 second"),
      Connector.happyEyeballs(),
      Connector.resolve(),
      Connector.retry(RetryPolicy.transient()),
      Connector.circuitBreaker,
      Connector.timeout("10 seconds")
    )
    expect(whole).type.toBe<
      Connector.Connector<
        Connector.TargetInput,
        Tls.TlsConnection,
        | Connector.ConnectError
        | Connector.BindError
        | Tls.HandshakeError
        | Connector.ResolveError
        | WsaError.WSAETIMEDOUT
        | RetryPolicy.BreakerOpen,
        Winsock.Winsock | Tls.Tls | AddressResolver.AddressResolver | RetryPolicy.Breaker
      >
    >()
  })
})
