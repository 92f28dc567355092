import {
  AddressPolicy,
  type Connection,
  type ConnectionPool,
  Connector,
  type Reconnecting,
  type Winsock,
  type WsaError
} from "@effect-winsock/core"
import type { Effect, Scope } from "effect"
import { describe, expect, it } from "tstyche"

declare const hole: <A>() => A

type Mine = { readonly _tag: "Mine" }
type BadRecord = { readonly _tag: "BadRecord" }

const own = hole<Connector.Connector<string, Connection.Connection<BadRecord>, Mine, "service">>()
const notAConnection = hole<Connector.Connector<string, number>>()

describe("addressPolicy", () => {
  it("adds WSAEACCES, and nothing else", () => {
    expect(own.pipe(Connector.addressPolicy(AddressPolicy.publicOnly))).type.toBe<
      Connector.Connector<string, Connection.Connection<BadRecord>, Mine | WsaError.WSAEACCES, "service">
    >()
    expect(Connector.addressPolicy(Connector.winsock, AddressPolicy.publicOnly)).type.toBe<typeof Connector.winsock>()
  })
})

describe("limit", () => {
  it("changes no type", () => {
    expect(own.pipe(Connector.limit(3))).type.toBe<typeof own>()
    expect(Connector.limit(own, { perDestination: 1, total: 2 })).type.toBe<typeof own>()
  })
})

describe("pooled", () => {
  it("adds PoolTimeout, and takes what connecting requires when the pool is made", () => {
    expect(own.pipe(Connector.pooled({ max: 3 }))).type.toBe<
      Effect.Effect<
        Connector.Connector<string, Connection.Connection<BadRecord>, Mine | ConnectionPool.PoolTimeout>,
        never,
        "service" | Scope.Scope
      >
    >()
    expect(Connector.pooled(Connector.winsock)).type.toBe<
      Effect.Effect<
        Connector.Connector<
          Connector.EndpointInput,
          Connection.Connection,
          Connector.ConnectError | ConnectionPool.PoolTimeout
        >,
        never,
        Winsock.Winsock | Scope.Scope
      >
    >()
  })

  it("lends connections only", () => {
    expect(Connector.pooled).type.not.toBeCallableWith(notAConnection)
  })
})

describe("reconnecting", () => {
  it("does not fail by itself: who asks for a connection does", () => {
    expect(own.pipe(Connector.reconnecting())).type.toBe<
      Connector.Connector<string, Reconnecting.Reconnecting<Connection.Connection<BadRecord>, Mine>, never, "service">
    >()
    expect(hole<Reconnecting.Reconnecting<number, Mine>>().get).type.toBe<Effect.Effect<number, Mine, Scope.Scope>>()
  })

  it("asks about the failures that there are", () => {
    expect(Connector.reconnecting).type.toBeCallableWith(own, { while: (error: Mine) => error._tag === "Mine" })
    expect(Connector.reconnecting).type.not.toBeCallableWith(own, { while: (error: BadRecord) => error !== undefined })
    expect(Connector.reconnecting).type.not.toBeCallableWith(notAConnection)
  })
})
