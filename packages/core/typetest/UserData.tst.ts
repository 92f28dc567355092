import { UserData, type Winsock } from "@effect-winsock/core"
import { Context, Effect, type Layer, Schema, SchemaTransformation } from "effect"
import { describe, expect, it } from "tstyche"

declare const hole: <A>() => A

class Salt extends Context.Service<Salt, string>()("Salt") {}

const salted = Schema.String.pipe(Schema.decodeTo(
  Schema.String,
  SchemaTransformation.transformEffect({
    decode: (text: string) => Effect.succeed(text),
    encode: (text: string) => Effect.map(Salt, (salt) => salt + text)
  })
))

class Hello extends UserData.Exchange<Hello>()("Hello", {
  caller: Schema.Struct({ tenant: Schema.String }),
  callee: Schema.Struct({ session: Schema.DateFromString }),
  calleeCapacity: 1024
}) {}

class Salted extends UserData.Exchange<Salted>()("Salted", {
  caller: salted,
  callee: UserData.Text,
  calleeCapacity: 16
}) {}

type Tenant = { readonly tenant: string }

describe("Exchange", () => {
  it("keeps its name, its schemas, and what goes in and comes out of them", () => {
    expect(Hello.id).type.toBe<"Hello">()
    expect(Hello.callerSchema.Type).type.toBe<Tenant>()
    expect(Hello.layer({ tenant: "acme" })).type.toBe<Layer.Layer<never, Schema.SchemaError>>()
    expect(Hello.options({ tenant: "acme" })).type.toBe<
      Effect.Effect<UserData.ExchangeConnectOptions, Schema.SchemaError>
    >()
    expect(Hello.callee(hole<Winsock.Connected>())).type.toBe<
      Effect.Effect<{ readonly session: Date }, Schema.SchemaError | UserData.NoUserData>
    >()
    expect(Hello.caller(hole<Winsock.ConnectionRequest>())).type.toBe<
      Effect.Effect<Tenant, Schema.SchemaError | UserData.NoUserData>
    >()
    expect(Hello.accept({ session: new Date() })).type.toBe<
      Effect.Effect<UserData.ExchangeAnswer, Schema.SchemaError>
    >()
  })

  it("takes no other value", () => {
    expect(Hello.layer).type.not.toBeCallableWith({ tenant: 1 })
    expect(Hello.options).type.not.toBeCallableWith({})
    expect(Hello.accept).type.not.toBeCallableWith({ session: "today" })
    expect(Hello.callee).type.not.toBeCallableWith({ tenant: "acme" })
  })

  it("has its answers taken by a WSAAccept, and its options by a WSAConnect", () => {
    expect<Winsock.ConditionAnswer>().type.toBeAssignableFrom<UserData.ExchangeAnswer>()
    expect<Winsock.WSAConnectOptions>().type.toBeAssignableFrom<UserData.ExchangeConnectOptions>()
  })

  it("gives a condition the failures and the needs of what it is made of", () => {
    const closed = hole<Effect.Effect<typeof Winsock.CF_REJECT, "closed">>()
    const logged = hole<Effect.Effect<typeof Winsock.CF_DEFER, never, Salt>>()
    expect(Hello.condition(() => closed)).type.toBe<
      (request: Winsock.ConnectionRequest) => Effect.Effect<Winsock.ConditionAnswer, "closed">
    >()
    expect(Hello.condition(({ tenant }) => tenant === "" ? closed : Hello.accept({ session: new Date() }))).type.toBe<
      (request: Winsock.ConnectionRequest) => Effect.Effect<Winsock.ConditionAnswer, "closed" | Schema.SchemaError>
    >()
    expect(Hello.condition(() => closed, { orElse: () => logged })).type.toBe<
      (request: Winsock.ConnectionRequest) => Effect.Effect<Winsock.ConditionAnswer, "closed", Salt>
    >()
    Hello.condition((caller, request) => {
      expect(caller).type.toBe<Tenant>()
      expect(request).type.toBe<Winsock.ConnectionRequest>()
      return closed
    }, {
      orElse: (error, request) => {
        expect(error).type.toBe<UserData.Unreadable>()
        expect(request).type.toBe<Winsock.ConnectionRequest>()
        return logged
      }
    })
    expect(Hello.condition).type.not.toBeCallableWith(() => Effect.succeed("accept" as const))
  })

  it("needs what its codecs need, where they need it", () => {
    expect(Salted.layer("acme")).type.toBe<Layer.Layer<never, Schema.SchemaError, Salt>>()
    expect(Salted.options("acme")).type.toBe<
      Effect.Effect<UserData.ExchangeConnectOptions, Schema.SchemaError, Salt>
    >()
    expect(Salted.caller(hole<Winsock.ConnectionRequest>())).type.toBe<Effect.Effect<string, UserData.Unreadable>>()
    expect(Salted.callee(hole<Winsock.Connected>())).type.toBe<Effect.Effect<string, UserData.Unreadable>>()
  })

  it("asks for the class that extends it, which has no instances", () => {
    const made = UserData.Exchange()("Hello", { caller: UserData.Text, callee: UserData.Text, calleeCapacity: 1 })
    expect(made).type.toBe<"Missing `Self` generic - use `class Self extends UserData.Exchange<Self>()(...)`">()
    expect(Hello).type.not.toBeConstructableWith()
    expect(Hello).type.not.toBeConstructableWith({ tenant: "acme" })
  })

  it("wants both sides and the room", () => {
    expect(UserData.Exchange<Hello>()).type.not.toBeCallableWith("Hello", {
      caller: UserData.Text,
      callee: UserData.Text
    })
    expect(UserData.Exchange<Hello>()).type.not.toBeCallableWith("Hello", { caller: UserData.Text, calleeCapacity: 1 })
  })
})
