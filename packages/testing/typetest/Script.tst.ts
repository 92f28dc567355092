import type { Winsock, WsaError } from "@effect-winsock/core"
import { Script, type Sim } from "@effect-winsock/testing"
import type { Layer } from "effect"
import { describe, expect, it } from "tstyche"

describe("Script", () => {
  it("is a Winsock that needs a run, and nothing else", () => {
    type Played = Layer.Layer<Winsock.Winsock, WsaError.WSAStartupError, Sim.Sim>
    expect(Script.connects("10.0.0.9:80", [Script.refused])).type.toBe<Played>()
    expect(Script.connects({ "10.0.0.9:80": [Script.refused], "10.0.0.8:80": [] })).type.toBe<Played>()
  })

  it("fails attempts with the codes that the world can bring about, and with no other", () => {
    expect<Script.Code>().type.toBe<
      | "WSAEACCES"
      | "WSAEADDRINUSE"
      | "WSAEADDRNOTAVAIL"
      | "WSAEAFNOSUPPORT"
      | "WSAECONNABORTED"
      | "WSAECONNREFUSED"
      | "WSAECONNRESET"
      | "WSAEHOSTDOWN"
      | "WSAEHOSTUNREACH"
      | "WSAENETDOWN"
      | "WSAENETUNREACH"
      | "WSAENOBUFS"
      // a peer that does not speak the exchange of a carrier (E17)
      | "WSAEPROTONOSUPPORT"
      | "WSAETIMEDOUT"
    >()
    expect(Script.fails).type.toBeCallableWith("WSAEHOSTDOWN")
    // the call was wrong, or has not ended
    expect(Script.fails).type.not.toBeCallableWith("WSAEISCONN")
    expect(Script.fails).type.not.toBeCallableWith("WSAEWOULDBLOCK")
    // codes of other calls
    expect(Script.fails).type.not.toBeCallableWith("WSAEMSGSIZE")
    expect(Script.fails).type.not.toBeCallableWith("WSAHOST_NOT_FOUND")
  })

  it("delays what the script does, and hurries what the program does", () => {
    expect(Script.after("1 second", Script.timedOut)).type.toBe<Script.Step>()
    expect(Script.after("1 second", Script.sends("x"))).type.toBe<Script.Action>()
    expect(Script.within("1 second", Script.refused)).type.toBe<Script.Step>()
    expect(Script.within("1 second", Script.expects("x"))).type.toBe<Script.Expectation>()
    expect(Script.after).type.not.toBeCallableWith("1 second", Script.expects("x"))
    expect(Script.within).type.not.toBeCallableWith("1 second", Script.sends("x"))
  })

  it("takes steps for attempts, and lines for connections", () => {
    expect(Script.accepted).type.toBeCallableWith(Script.expects("x"), Script.sends("y"), Script.ends)
    expect(Script.accepted).type.not.toBeCallableWith(Script.refused)
    expect(Script.connects).type.not.toBeCallableWith("10.0.0.9:80", [Script.sends("x")])
  })
})
