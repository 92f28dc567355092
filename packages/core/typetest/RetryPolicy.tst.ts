import { RetryPolicy, type Winsock, WsaError } from "@effect-winsock/core"
import { Context, type Duration, Effect, type Layer, pipe, Schedule } from "effect"
import { describe, expect, it } from "tstyche"

declare const hole: <A>() => A

class Weather extends Context.Service<Weather, string>()("Weather") {}

type Refusal = WsaError.WSAECONNREFUSED | WsaError.WSAETIMEDOUT
class NotOurs {
  readonly _tag = "NotOurs"
}

const connect = hole<Effect.Effect<"connected", Refusal | NotOurs, Weather>>()
const refused = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.recurs(1) })
const both = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.recurs(1), WSAETIMEDOUT: Schedule.recurs(1) })
const files = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.recurs(1), WSAEMFILE: Schedule.recurs(1) })

describe("byCode", () => {
  it("names its codes", () => {
    expect(refused).type.toBe<RetryPolicy.Policy<"WSAECONNREFUSED">>()
    expect(both).type.toBe<RetryPolicy.Policy<"WSAECONNREFUSED" | "WSAETIMEDOUT">>()
    expect(RetryPolicy.byCode({ BreakerOpen: Schedule.recurs(1), WsaUnmapped: Schedule.recurs(1) })).type.toBe<
      RetryPolicy.Policy<"BreakerOpen" | "WsaUnmapped">
    >()
    expect(RetryPolicy.byCode({})).type.toBe<RetryPolicy.Policy>()
  })

  it("takes no code that is none", () => {
    expect(RetryPolicy.byCode).type.not.toBeCallableWith({ WSAECONNREFUSD: Schedule.recurs(1) })
    expect(RetryPolicy.byCode).type.not.toBeCallableWith({
      WSAECONNREFUSED: Schedule.recurs(1),
      ECONNREFUSED: Schedule.recurs(1)
    })
    expect(RetryPolicy.byCode).type.not.toBeCallableWith({ WSAECONNREFUSED: 3 })
  })

  it("gives a schedule the error of its code, and keeps what it requires", () => {
    const ofRefusal = hole<Schedule.Schedule<number, WsaError.WSAECONNREFUSED, never, Weather>>()
    expect(RetryPolicy.byCode({ WSAECONNREFUSED: ofRefusal })).type.toBe<
      RetryPolicy.Policy<"WSAECONNREFUSED", never, Weather>
    >()
    expect(RetryPolicy.byCode).type.not.toBeCallableWith({ WSAETIMEDOUT: ofRefusal })
    const failing = hole<Schedule.Schedule<number, unknown, "no", never>>()
    expect(RetryPolicy.byCode).type.not.toBeCallableWith({ WSAETIMEDOUT: failing })
  })
})

describe("byClass", () => {
  it("names no code, so that it fits every effect", () => {
    expect(RetryPolicy.byClass({ transient: Schedule.recurs(1) })).type.toBe<RetryPolicy.Policy>()
    expect(RetryPolicy.byClass).type.not.toBeCallableWith({ transitory: Schedule.recurs(1) })
    expect(RetryPolicy.transient()).type.toBe<RetryPolicy.Policy>()
  })
})

describe("retry", () => {
  it("takes a policy whose codes the effect can fail with, and leaves its type as it is", () => {
    expect(RetryPolicy.retry(connect, both)).type.toBe<Effect.Effect<"connected", Refusal | NotOurs, Weather>>()
    expect(connect.pipe(RetryPolicy.retry(both))).type.toBe<Effect.Effect<"connected", Refusal | NotOurs, Weather>>()
    expect(pipe(connect, RetryPolicy.retry(refused, { destination: "db:5432" }))).type.toBe<
      Effect.Effect<"connected", Refusal | NotOurs, Weather>
    >()
  })

  it("takes none with a code that cannot come", () => {
    expect(RetryPolicy.retry).type.not.toBeCallableWith(connect, files)
    expect(RetryPolicy.retry(files)).type.not.toBeCallableWith(connect)
    expect(connect.pipe).type.not.toBeCallableWith(RetryPolicy.retry(files))
    expect(RetryPolicy.retry).type.not.toBeCallableWith(Effect.succeed(1), refused)
    expect(RetryPolicy.retry).type.not.toBeCallableWith(
      connect,
      RetryPolicy.byCode({ BreakerOpen: Schedule.recurs(1) })
    )
  })

  it("takes those by class for whatever comes", () => {
    expect(RetryPolicy.retry(Effect.succeed(1), RetryPolicy.transient())).type.toBe<Effect.Effect<number>>()
    expect(Effect.fail(new NotOurs()).pipe(RetryPolicy.retry(RetryPolicy.transient()))).type.toBe<
      Effect.Effect<never, NotOurs>
    >()
  })

  it("takes every code of WSAConnect, and none that it is not known to end with", () => {
    const wsaConnect = hole<Effect.Effect<Winsock.Connected, WsaError.WSAConnectError>>()
    expect(RetryPolicy.retry(wsaConnect, both)).type.toBe<typeof wsaConnect>()
    expect(RetryPolicy.retry).type.not.toBeCallableWith(wsaConnect, files)
    expect(RetryPolicy.retry(RetryPolicy.byCode({ WSAHOST_NOT_FOUND: Schedule.recurs(1) })))
      .type.not.toBeCallableWith(wsaConnect)
  })

  it("adds what the policy adds", () => {
    const weathered = RetryPolicy.byCode({
      WSAECONNREFUSED: hole<Schedule.Schedule<number, unknown, never, Weather>>()
    })
    const refusing = hole<Effect.Effect<number, WsaError.WSAECONNREFUSED>>()
    expect(RetryPolicy.retry(refusing, weathered)).type.toBe<
      Effect.Effect<number, WsaError.WSAECONNREFUSED, Weather>
    >()
    expect(RetryPolicy.retry(refusing, RetryPolicy.grpc())).type.toBe<Effect.Effect<number, Refusal>>()
    expect(refusing.pipe(RetryPolicy.retry(RetryPolicy.attemptTimeout(refused, "1 second")))).type.toBe<
      Effect.Effect<number, Refusal>
    >()
  })
})

describe("combinators", () => {
  it("name the codes of both policies", () => {
    expect(RetryPolicy.orElse(refused, files)).type.toBe<RetryPolicy.Policy<"WSAECONNREFUSED" | "WSAEMFILE">>()
    expect(refused.pipe(RetryPolicy.merge(files))).type.toBe<RetryPolicy.Policy<"WSAECONNREFUSED" | "WSAEMFILE">>()
    expect(refused.pipe(RetryPolicy.orElse(RetryPolicy.grpc()))).type.toBe<
      RetryPolicy.Policy<"WSAECONNREFUSED", WsaError.WSAETIMEDOUT>
    >()
    expect(both.pipe(RetryPolicy.upTo({ attempts: 3 }))).type.toBe<typeof both>()
  })
})

describe("sameSocket", () => {
  it("R26: takes the three codes, and no other", () => {
    const s = hole<Winsock.Socket>()
    expect(RetryPolicy.sameSocket(s, "127.0.0.1:80", both)).type.toBe<
      Effect.Effect<Winsock.Connected, WsaError.WSAConnectError>
    >()
    expect(RetryPolicy.sameSocket).type.toBeCallableWith(s, "127.0.0.1:80", RetryPolicy.transient())
    expect(RetryPolicy.sameSocket).type.not.toBeCallableWith(
      s,
      "127.0.0.1:80",
      RetryPolicy.byCode({ WSAECONNRESET: Schedule.recurs(1) })
    )
  })
})

describe("breaker", () => {
  it("adds its own error, and requires the breakers", () => {
    expect(connect.pipe(RetryPolicy.breaker("db:5432"))).type.toBe<
      Effect.Effect<"connected", Refusal | NotOurs | RetryPolicy.BreakerOpen, Weather | RetryPolicy.Breaker>
    >()
    expect(RetryPolicy.layerBreaker()).type.toBe<Layer.Layer<RetryPolicy.Breaker>>()
    expect(
      connect.pipe(
        RetryPolicy.breaker("db:5432"),
        RetryPolicy.retry(RetryPolicy.byCode({ BreakerOpen: Schedule.recurs(1) }))
      )
    ).type.toBe<
      Effect.Effect<"connected", Refusal | NotOurs | RetryPolicy.BreakerOpen, Weather | RetryPolicy.Breaker>
    >()
  })

  it("does not look like a refusal of the peer", () => {
    expect(WsaError.isTransient).type.not.toBeCallableWith(hole<RetryPolicy.BreakerOpen>())
    expect<RetryPolicy.BreakerOpen>().type.not.toBeAssignableTo<WsaError.WsaError>()
  })
})

describe("budgets", () => {
  it("require nothing, and nobody requires them", () => {
    expect(RetryPolicy.layerBudget({ percent: 10 })).type.toBe<Layer.Layer<never>>()
    expect(RetryPolicy.layerThrottle()).type.toBe<Layer.Layer<never>>()
    expect(RetryPolicy.balance("db:5432")).type.toBe<Effect.Effect<number>>()
  })
})

describe("step", () => {
  it("takes a policy whose schedules require nothing, or what came of it", () => {
    const decision = RetryPolicy.step(both, "WSAETIMEDOUT", 0)
    expect(decision).type.toBe<RetryPolicy.Decision>()
    if (decision._tag === "Retry") {
      expect(decision.delay).type.toBe<Duration.Duration>()
      expect(RetryPolicy.step).type.toBeCallableWith(decision.progress, "WSAETIMEDOUT", 1)
    }
    expect(RetryPolicy.step).type.not.toBeCallableWith(hole<RetryPolicy.Policy<never, never, Weather>>(), "WSAEINTR", 0)
    expect(RetryPolicy.step).type.not.toBeCallableWith(both, "ECONNREFUSED", 0)
  })
})
