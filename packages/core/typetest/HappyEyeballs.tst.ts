import type { SocketAddress, WsaError } from "@effect-winsock/core"
import { HappyEyeballs, Winsock } from "@effect-winsock/core"
import { Data, Effect, type Scope, type Stream } from "effect"
import { describe, expect, it } from "tstyche"

declare const hole: <A>() => A

type Address = SocketAddress.SocketAddress
type Failed = WsaError.WSAECONNREFUSED | WsaError.WSAETIMEDOUT

declare const attempt: (address: Address) => Effect.Effect<"connected", Failed, "needed">

class DnsDown extends Data.TaggedError("DnsDown")<{}> {}

describe("HappyEyeballs", () => {
  describe("race", () => {
    it("fails with what an attempt fails with, and nothing else, where there are addresses", () => {
      expect(HappyEyeballs.race(hole<readonly [Address, ...Array<Address>]>(), attempt)).type.toBe<
        Effect.Effect<"connected", Failed, "needed" | Scope.Scope>
      >()
    })

    it("fails also with what asking fails with", () => {
      const addresses = hole<Effect.Effect<readonly [Address, ...Array<Address>], DnsDown, "resolver">>()
      expect(HappyEyeballs.race(addresses, attempt)).type.toBe<
        Effect.Effect<"connected", Failed | DnsDown, "needed" | "resolver" | Scope.Scope>
      >()
    })

    it("fails also with WSANO_DATA where there may be no address", () => {
      expect(HappyEyeballs.race(hole<ReadonlyArray<Address>>(), attempt)).type.toBe<
        Effect.Effect<"connected", Failed | WsaError.WSANO_DATA, "needed" | Scope.Scope>
      >()
      expect(HappyEyeballs.race(hole<Effect.Effect<ReadonlyArray<Address>, DnsDown>>(), attempt)).type.toBe<
        Effect.Effect<"connected", Failed | DnsDown | WsaError.WSANO_DATA, "needed" | Scope.Scope>
      >()
    })

    it("fails also with what is in the answers of a stream", () => {
      const answers = hole<Stream.Stream<HappyEyeballs.Answer<"SERVFAIL">, DnsDown, "resolver">>()
      expect(HappyEyeballs.race(answers, attempt)).type.toBe<
        Effect.Effect<
          "connected",
          Failed | "SERVFAIL" | DnsDown | WsaError.WSANO_DATA,
          "needed" | "resolver" | Scope.Scope
        >
      >()
    })

    it("takes the calls as they are", () => {
      const race = HappyEyeballs.race(hole<readonly [Address]>(), (address) =>
        Effect.flatMap(
          Winsock.socket({ family: "IPv4", type: "stream" }),
          (s) => Winsock.WSAConnect(s, address)
        ))
      expect(race).type.toBe<
        Effect.Effect<
          Winsock.Connected,
          WsaError.SocketError | WsaError.WSAConnectError,
          Winsock.Winsock | Scope.Scope
        >
      >()
    })

    it("refuses attempts whose failures do not say what they are", () => {
      expect(HappyEyeballs.race).type.not.toBeCallableWith(hole<readonly [Address]>(), () => Effect.fail("no"))
      expect(HappyEyeballs.race).type.not.toBeCallableWith(
        hole<readonly [Address]>(),
        () => Effect.fail(new DnsDown())
      )
    })
  })

  describe("lookups", () => {
    it("has failures in the answers", () => {
      const lookup = hole<(family: "IPv4" | "IPv6") => Effect.Effect<ReadonlyArray<Address>, DnsDown, "resolver">>()
      expect(HappyEyeballs.lookups(lookup)).type.toBe<
        Stream.Stream<HappyEyeballs.Answer<DnsDown>, never, "resolver">
      >()
    })
  })

  describe("primary", () => {
    it("is one of those it was given", () => {
      expect(HappyEyeballs.primary(hole<readonly [Failed, ...Array<Failed>]>())).type.toBe<Failed>()
    })
  })
})
