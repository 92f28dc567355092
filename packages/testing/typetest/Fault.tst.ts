import { Fault, type SimNetwork } from "@effect-winsock/testing"
import type { Effect, Scope } from "effect"
import { describe, expect, it } from "tstyche"

declare const net: SimNetwork.Network

describe("Fault", () => {
  it("is injected for as long as a scope is open, and asks for nothing else", () => {
    expect(Fault.inject(net, Fault.crash("server"), Fault.refuse("10.0.0.2:80"))).type.toBe<
      Effect.Effect<void, never, Scope.Scope>
    >()
  })

  it("needs no scope for a time that is known", () => {
    expect(Fault.inject(net, Fault.crash("server")).pipe(Fault.during("5 seconds"))).type.toBe<Effect.Effect<void>>()
  })

  it("fails names with codes of Winsock only", () => {
    expect(Fault.dnsFailure).type.toBeCallableWith("db.example", "WSAHOST_NOT_FOUND")
    expect(Fault.dnsFailure).type.not.toBeCallableWith("db.example", "ENOTFOUND")
  })

  it("knows a shortage on a host, and one way between two", () => {
    expect(Fault.shortage).type.toBeCallableWith(["client", "server"], 5)
    expect(Fault.shortage).type.toBeCallableWith("client", 5)
    expect(Fault.shortage).type.not.toBeCallableWith(["client"], 5)
  })
})
