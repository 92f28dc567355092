import { Qos, type WsaError } from "@effect-winsock/core"
import type { Config, Layer, Result, Schema } from "effect"
import { describe, expect, it } from "tstyche"

declare const hole: <A>() => A

const qos = hole<Qos.Qos>()
const bytes = hole<Uint8Array>()

type FlowError = WsaError.WSA_QOS_ESERVICETYPE | WsaError.WSA_QOS_EFLOWSPEC

type ObjectsError =
  | WsaError.WSA_QOS_BAD_OBJECT
  | WsaError.WSA_QOS_EPROVSPECBUF
  | WsaError.WSA_QOS_EFILTERSTYLE
  | WsaError.WSA_QOS_EOBJLENGTH
  | WsaError.WSA_QOS_EPOLICYOBJ
  | WsaError.WSA_QOS_ESDMODEOBJ
  | WsaError.WSA_QOS_ESHAPERATEOBJ
  | WsaError.WSA_QOS_RESERVED_PETYPE

type QosError = FlowError | ObjectsError

describe("Qos", () => {
  it("fails with exactly what can be wrong", () => {
    expect(Qos.check(qos)).type.toBe<QosError | undefined>()
    expect(Qos.layer(qos)).type.toBe<Layer.Layer<never, QosError>>()
    expect(Qos.layerGroup(qos)).type.toBe<Layer.Layer<never, QosError>>()
    expect(Qos.layerConfig()).type.toBe<Layer.Layer<never, QosError | Config.ConfigError>>()
    expect(Qos.layerMarking(Qos.windows)).type.toBe<Layer.Layer<never, Schema.SchemaError>>()
  })

  it("reads and writes bytes, and fails with exactly what can be wrong with them", () => {
    expect(Qos.decodeFlowSpec(bytes)).type.toBe<Result.Result<Qos.FlowSpec, FlowError>>()
    expect(Qos.decode(bytes)).type.toBe<Result.Result<Qos.Qos, FlowError | WsaError.WSA_QOS_EPROVSPECBUF>>()
    expect(Qos.encode(qos)).type.toBe<Result.Result<Uint8Array, FlowError | WsaError.WSA_QOS_EPROVSPECBUF>>()
    expect(Qos.objects(bytes)).type.toBe<Result.Result<ReadonlyArray<Qos.QosObject>, ObjectsError>>()
    expect(Qos.knownObjects(bytes)).type.toBe<
      Result.Result<ReadonlyArray<Qos.QosObject>, ObjectsError | WsaError.WSA_QOS_EUNKNOWNPSOBJ>
    >()
    expect(Qos.encodeObjects([])).type.toBe<Result.Result<Uint8Array, WsaError.WSA_QOS_BAD_OBJECT>>()
  })

  it("knows its kinds, templates and classes by name", () => {
    expect(Qos.layer).type.not.toBeCallableWith({ sending: { serviceType: "best" } })
    expect(Qos.layer).type.not.toBeCallableWith({ sending: { tokenRate: 1 } })
    expect(Qos.layer).type.toBeCallableWith({ sending: { serviceType: "bestEffort", peakBandwidth: "infinite" } })
    expect(Qos.templates["G723.1"]).type.toBe<Qos.Qos>()
    expect<keyof typeof Qos.templates>().type.toBe<Qos.TemplateName>()
    expect(Qos.dscp.EF).type.toBe<46>()
  })
})
