import { WsaError } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import * as S from "../../src/internal/socketState.ts"
import { able, absurd, at, facts, pick, plain, state, stream } from "../utils/machines.ts"

const property = { arbitrary: { runs: Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200), seed: "accept" } }

const code = (answer: S.Verdict, withdrawn = false, capabilities = able): string =>
  S.concluding(answer, withdrawn, capabilities)?.code ?? "accepted"

describe("concluding", () => {
  it("A07: each answer has its end, and any other is WSAEINVAL", () => {
    assert.strictEqual(code({ verdict: S.CF_ACCEPT }), "accepted")
    assert.strictEqual(code({ verdict: S.CF_REJECT }), "WSAECONNREFUSED")
    assert.strictEqual(code({ verdict: S.CF_DEFER }), "WSATRY_AGAIN")
    for (const verdict of [3, -1, "0", undefined, null, true, NaN]) assert.strictEqual(code({ verdict }), "WSAEINVAL")
  })

  it("A07: a caller that has gone is WSAEACCES, whatever the answer", () => {
    for (const verdict of [S.CF_ACCEPT, S.CF_REJECT, S.CF_DEFER, 7]) {
      assert.strictEqual(code({ verdict, calleeData: new Uint8Array(99) }, true), "WSAEACCES")
    }
  })

  it("A07, R13: callee data fits the provider, or the answer is WSAEINVAL", () => {
    const accept = (calleeData: unknown, capabilities = able) =>
      code({ verdict: S.CF_ACCEPT, calleeData: calleeData as Uint8Array }, false, capabilities)
    assert.strictEqual(accept(new Uint8Array(able.calleeDataMax)), "accepted")
    assert.strictEqual(accept(new Uint8Array(able.calleeDataMax + 1)), "WSAEINVAL")
    assert.strictEqual(accept(new Uint8Array(0), plain), "accepted")
    assert.strictEqual(accept(new Uint8Array(1), plain), "WSAEINVAL")
    assert.strictEqual(accept("data"), "WSAEINVAL")
    assert.strictEqual(accept(null), "WSAEINVAL")
    // What is not accepted hands nothing back, so nothing is wrong with it.
    assert.strictEqual(code({ verdict: S.CF_DEFER, calleeData: new Uint8Array(99) }), "WSATRY_AGAIN")
  })

  it.prop("A07: answers anything with a code of WSAAccept, and says who still waits", [
    pick([0, 1, 2, ...absurd]),
    pick([undefined, new Uint8Array(2), new Uint8Array(9), ...absurd]),
    pick([true, false])
  ], ([verdict, calleeData, withdrawn]) => {
    const fault = S.concluding({ verdict, calleeData: calleeData as Uint8Array }, withdrawn, able)
    if (fault === undefined) return assert.isTrue(verdict === 0 && !withdrawn)
    assert.include(WsaError.callErrors.WSAAccept as ReadonlyArray<string>, fault.code)
    assert.strictEqual(S.keepsCaller(fault.code), !withdrawn && verdict !== 1)
  }, property)
})

describe("a caller that could not be accepted", () => {
  it("A06, E14: waits on where only room is missing", () => {
    const kept = WsaError.callErrors.WSAAccept.filter((code) => S.keepsCaller(code))
    assert.deepStrictEqual(kept.toSorted(), ["WSAEINVAL", "WSAEMFILE", "WSAENOBUFS", "WSATRY_AGAIN"])
    assert.isFalse(S.keepsCaller("WsaUnmapped"))
  })

  it("A05: one more may wait up to the backlog, and none where nobody listens", () => {
    const listening = state(stream, { phase: { _tag: "Listening", backlog: 2 } })
    assert.deepStrictEqual([0, 1, 2, 3].map((waiting) => S.holdsCaller(listening, waiting)), [true, true, false, false])
    assert.isFalse(S.holdsCaller(state(stream), 0))
  })
})

describe("a constrained group", () => {
  const here = at("10.0.0.1:80")

  it("E11: has its peers at one host, whatever their ports", () => {
    assert.isUndefined(S.checkGroupPeer(undefined, here))
    assert.isUndefined(S.checkGroupPeer(here, at("10.0.0.1:443")))
    assert.strictEqual(S.checkGroupPeer(here, at("10.0.0.2:80"))?.code, "WSAEINVAL")
    assert.strictEqual(S.checkGroupPeer(here, at("[::1]:80"))?.code, "WSAEINVAL")
    assert.isUndefined(S.checkGroupPeer(at("unix:/a"), at("unix:/b")))
  })

  it("E11: is looked at after a broadcast, the all-zero address and port 0, and before what comes along", () => {
    const connect = (to: string, callerData?: Uint8Array) => {
      const decision = S.decide(
        state(stream),
        {
          _tag: "connect",
          name: at(to as "10.0.0.1:1"),
          data: { ...S.noConnectData, callerData },
          groupPeer: here
        },
        facts,
        plain
      )
      return decision._tag === "Fail" ? decision.code : decision._tag
    }
    assert.strictEqual(connect("10.0.0.1:1"), "Run")
    assert.strictEqual(connect("10.0.0.2:1"), "WSAEINVAL")
    assert.strictEqual(connect("10.0.0.2:0"), "WSAEADDRNOTAVAIL")
    assert.strictEqual(connect("0.0.0.0:1"), "WSAEADDRNOTAVAIL")
    assert.strictEqual(connect("10.0.0.2:1", new Uint8Array(1)), "WSAEINVAL")
    assert.strictEqual(connect("10.0.0.1:1", new Uint8Array(1)), "WSAEPROTONOSUPPORT")
  })
})
