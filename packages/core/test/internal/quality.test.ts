import { type Provider, Qos } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Quality from "../../src/internal/quality.ts"
import * as m from "../utils/machines.ts"

const both: Provider.Kind = { family: "IPv4", type: "stream", direction: "both" }
const live: Provider.Capabilities = { ...m.plain, marking: true }
const reserving: Provider.Capabilities = { ...live, reservesQos: true }
const full: Provider.Capabilities = { ...live, pacing: true, priority: true }

const guaranteed: Qos.FlowSpec = { serviceType: "guaranteed", tokenRate: 16_000, tokenBucketSize: 2_000 }

const honour = (
  own: Qos.Qos | undefined,
  capabilities: Provider.Capabilities,
  { creates = false, group, kind = both, table }: {
    readonly group?: Qos.Qos
    readonly creates?: boolean
    readonly kind?: Provider.Kind
    readonly table?: Qos.MarkingTable
  } = {}
) => Quality.honour({ own, group, creates }, kind, capabilities, table)

const honoured = (...given: Parameters<typeof honour>): Quality.Honoured => {
  const answer = honour(...given)
  if (answer === undefined || "_tag" in answer) return assert.fail(answer?.detail ?? "nothing was asked")
  return answer
}

const unable = (...given: Parameters<typeof honour>): string => {
  const answer = honour(...given)
  return answer !== undefined && "_tag" in answer ? answer.detail : assert.fail("it can be honoured")
}

describe("quality", () => {
  it("R19: no QOS, and one without a flow, asks for nothing", () => {
    assert.isUndefined(honour(undefined, m.plain))
    assert.isUndefined(honour({}, m.plain))
    assert.strictEqual(Quality.appliedOf(undefined), Qos.nothingApplied)
  })

  it("R16, E16: a service that has to be given needs a provider that marks or reserves", () => {
    for (const serviceType of ["controlledLoad", "guaranteed", "networkControl"] as const) {
      for (const way of ["sending", "receiving"] as const) {
        const qos: Qos.Qos = { [way]: { serviceType, tokenRate: 1000 } }
        assert.match(unable(qos, m.plain), new RegExp(`^${way}.serviceType: `))
        assert.isDefined(honour(qos, live))
        assert.isDefined(honour(qos, { ...m.plain, reservesQos: true }))
      }
    }
    for (const serviceType of ["noTraffic", "bestEffort", "qualitative", "generalInformation"] as const) {
      assert.isUndefined(honoured({ sending: { serviceType } }, m.plain).quality)
    }
  })

  it("R16, E16: a stated delay is a promise that only a provider that reserves can make", () => {
    for (const field of ["latency", "delayVariation"] as const) {
      const qos: Qos.Qos = { sending: { ...guaranteed, [field]: 5_000 } }
      assert.match(unable(qos, live), new RegExp(`^sending.${field}: `))
      assert.isDefined(honour(qos, reserving))
      // Who asks that nothing be reserved gets no promise either.
      assert.match(unable({ sending: { ...qos.sending!, noQosSignaling: true } }, reserving), /^sending/)
      for (const serviceType of ["bestEffort", "qualitative"] as const) {
        const { ignored } = honoured({ sending: { serviceType, [field]: 5_000 } }, live).applied.sending
        assert.deepStrictEqual(ignored, [{ field, why: `${serviceType} promises no delay` }])
      }
    }
  })

  it("R17: a flow is ignored where the socket cannot go that way, and says so", () => {
    const kind: Provider.Kind = { ...both, direction: "send" }
    const receiving: Qos.Qos = { receiving: { ...guaranteed, latency: 1 } }
    const { applied, quality, receiving: spec } = honoured(receiving, m.plain, { kind })
    assert.isUndefined(quality)
    assert.isUndefined(spec)
    assert.deepStrictEqual(applied.receiving.ignored, [{ field: "receiving", why: "the socket was made to send only" }])
    assert.match(unable({ sending: guaranteed }, m.plain, { kind }), /^sending/)
  })

  it("marks what is sent by the table, and nothing where the table has no mark", () => {
    const dscp = (serviceType: Qos.ServiceType, table: Qos.MarkingTable) =>
      honoured({ sending: { serviceType, tokenRate: 1000 } }, live, { table }).quality?.dscp
    for (const table of [Qos.windows, Qos.rfc4594]) {
      for (
        const serviceType of ["bestEffort", "controlledLoad", "guaranteed", "networkControl", "qualitative"] as const
      ) {
        assert.strictEqual(dscp(serviceType, table), table.dscp[serviceType] || undefined)
      }
    }
    assert.isUndefined(honoured({ receiving: guaranteed }, live).quality)
    assert.isUndefined(honoured({ sending: { ...guaranteed, noTrafficControl: true } }, live).quality)
    assert.isUndefined(honoured({ sending: guaranteed }, { ...m.plain, reservesQos: true }).quality?.dscp)
  })

  it("asks for a priority and a pace only where the provider has them", () => {
    const qos: Qos.Qos = { sending: { ...guaranteed, peakBandwidth: 32_000 } }
    const nothing = { reserve: undefined, reserveGroup: undefined }
    assert.deepStrictEqual(honoured(qos, live).quality, {
      dscp: 40,
      priority: undefined,
      pacingRate: undefined,
      ...nothing
    })
    assert.deepStrictEqual(honoured(qos, full).quality, { dscp: 40, priority: 5, pacingRate: 32_000, ...nothing })
    const endless: Qos.Qos = { sending: { ...guaranteed, peakBandwidth: "infinite" } }
    assert.isUndefined(honoured(endless, full).quality?.pacingRate)
  })

  it("reserves both flows where the provider can, and says on the others that nothing is reserved", () => {
    const qos: Qos.Qos = { sending: guaranteed, receiving: { serviceType: "bestEffort", tokenRate: 1 } }
    assert.deepStrictEqual(honoured(qos, reserving).quality?.reserve, { sending: guaranteed, receiving: undefined })
    assert.isUndefined(honoured({ sending: { ...guaranteed, noQosSignaling: true } }, reserving).quality?.reserve)
    assert.deepStrictEqual(honoured(qos, live).applied.sending.ignored.map(({ field }) => field), ["serviceType"])
    assert.deepStrictEqual(honoured(qos, reserving).applied.sending.ignored, [])
    const reserved = Quality.withReservation(honoured(qos, reserving), {
      sending: { rate: 16_000, delay: 10 },
      receiving: undefined
    })
    assert.deepStrictEqual(reserved.applied.sending.reserved, { rate: 16_000, delay: 10 })
    assert.isUndefined(reserved.applied.receiving.reserved)
  })

  it("enforces a stated rate whatever the service, unless it is asked not to", () => {
    for (const serviceType of ["bestEffort", "controlledLoad", "guaranteed", "qualitative"] as const) {
      const { applied, sending } = honoured({ sending: { ...guaranteed, serviceType } }, live)
      assert.strictEqual(sending?.tokenRate, 16_000)
      assert.deepStrictEqual(applied.sending.shaped, {
        tokenRate: 16_000,
        tokenBucketSize: 2_000,
        peakBandwidth: undefined,
        mode: "shape"
      })
    }
    const free = honoured({ sending: { ...guaranteed, noTrafficControl: true } }, live)
    assert.isUndefined(free.sending)
    assert.deepInclude(free.applied.sending.ignored, {
      field: "tokenRate",
      why: "noTrafficControl asks that nothing be enforced"
    })
    assert.isUndefined(honoured({ sending: { serviceType: "noTraffic", tokenRate: 1 } }, live).sending)
  })

  it("R20: the QOS of a group marks what has no mark of its own, and is reserved by its creator alone", () => {
    const group: Qos.Qos = { sending: guaranteed }
    const member = honoured(undefined, reserving, { group })
    assert.deepStrictEqual(member.quality, {
      dscp: 40,
      priority: undefined,
      pacingRate: undefined,
      reserve: undefined,
      reserveGroup: undefined
    })
    assert.isUndefined(member.sending)
    assert.strictEqual(member.groupSending?.tokenRate, 16_000)
    assert.strictEqual(member.applied.sending.groupShaped?.tokenRate, 16_000)
    const creator = honoured(undefined, reserving, { group, creates: true })
    assert.deepStrictEqual(creator.quality?.reserveGroup, { sending: guaranteed, receiving: undefined })
    const own: Qos.Qos = { sending: { serviceType: "networkControl", tokenRate: 1 } }
    assert.strictEqual(honoured(own, reserving, { group }).quality?.dscp, 48)
    // A member was not asked: what is too much for its provider is left, where for the creator it is an error.
    assert.isUndefined(honoured(undefined, m.plain, { group }).quality)
    assert.match(unable(undefined, m.plain, { group, creates: true }), /^sending/)
  })

  it("leaves a direction as it was where it is not to change", () => {
    const before: Qos.Qos = { sending: guaranteed, receiving: guaranteed }
    const given: Qos.Qos = { sending: { serviceType: "noChange" }, receiving: { serviceType: "bestEffort" } }
    assert.deepStrictEqual(Quality.resolve(given, before), { sending: guaranteed, receiving: given.receiving! })
    assert.deepStrictEqual(Quality.resolve(given, undefined), { receiving: given.receiving! })
    const plain: Qos.Qos = { receiving: { serviceType: "bestEffort" } }
    assert.strictEqual(Quality.resolve(plain, before), plain)
  })

  it("tells of a QOS whose reservation is lost that the network has none", () => {
    assert.deepStrictEqual(Quality.unavailable({ sending: guaranteed }), {
      sending: { ...guaranteed, serviceType: "networkUnavailable" }
    })
  })

  it("R18: a DsClass marks in place of the table, and obliges the provider to mark", () => {
    const objects = (...list: ReadonlyArray<Qos.QosObject>) => Result.getOrThrow(Qos.encodeObjects(list))
    const qos: Qos.Qos = {
      sending: { serviceType: "bestEffort" },
      providerSpecific: objects({ _tag: "DsClass", dsField: Qos.dscp.AF41 })
    }
    assert.strictEqual(honoured(qos, live).quality?.dscp, Qos.dscp.AF41)
    assert.match(unable(qos, m.plain), /^providerSpecific: .*DsClass/)
    const unsent: Qos.Qos = { receiving: { serviceType: "bestEffort" }, providerSpecific: qos.providerSpecific! }
    assert.isUndefined(honoured(unsent, m.plain).quality)
    const urgent: Qos.Qos = { ...qos, providerSpecific: objects({ _tag: "TrafficClass", trafficClass: 7 }) }
    assert.strictEqual(honoured(urgent, full).quality?.priority, 6)
    assert.isUndefined(honoured(urgent, live).quality)
  })

  it("R18: a mode of the excess is kept by datagrams, and a stream that may lose nothing waits instead", () => {
    const providerSpecific = Result.getOrThrow(Qos.encodeObjects([{ _tag: "SdMode", mode: "discard" }]))
    const qos: Qos.Qos = { sending: guaranteed, providerSpecific }
    assert.strictEqual(honoured(qos, live, { kind: { ...both, type: "datagram" } }).sending?.mode, "discard")
    const { applied, sending } = honoured(qos, live)
    assert.strictEqual(sending?.mode, "shape")
    assert.include(applied.sending.ignored.map(({ field }) => field), "providerSpecific")
  })
})
