import { Qos, Shaper, Winsock, WsaError } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Result, Schema } from "effect"
import { Random } from "./utils/fuzz.ts"

const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200)

const anything = (u: unknown): any => u

/** The code and the path of what is wrong. */
const wrong = (qos: unknown): readonly [string, string] | undefined => {
  const error = Qos.check(anything(qos))
  return error && [error._tag, (error.path ?? []).join(".")]
}

const sending = (flow: object): unknown => ({ sending: { serviceType: "bestEffort", ...flow } })

const objects = (...list: ReadonlyArray<Qos.QosObject>): Uint8Array => Result.getOrThrow(Qos.encodeObjects(list))

const ambient = <E>(layer: Layer.Layer<never, E>) => Effect.service(Qos.SocketQos).pipe(Effect.provide(layer))

const fromEnv = (env: Record<string, string>, name?: string) =>
  ambient(Qos.layerConfig(name).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))))

const flowspec = "WSA_QOS_EFLOWSPEC"
const service = "WSA_QOS_ESERVICETYPE"
const buffer = "WSA_QOS_EPROVSPECBUF"

describe("Qos", () => {
  describe("check", () => {
    const shapes: ReadonlyArray<readonly [says: string, qos: unknown, code: string, path: string]> = [
      ["no record", 5, flowspec, ""],
      ["nothing at all", null, flowspec, ""],
      ["a flow that is none", { receiving: 1 }, flowspec, "receiving"],
      ["a flow that is there and undefined", { sending: undefined }, flowspec, "sending"],
      ["no service type", { sending: {} }, service, "sending.serviceType"],
      ["an unknown service type", sending({ serviceType: "best" }), service, "sending.serviceType"],
      ["a flag that is no truth value", sending({ noQosSignaling: 1 }), service, "sending.noQosSignaling"],
      ["a negative rate", sending({ tokenRate: -1 }), flowspec, "sending.tokenRate"],
      ["half a byte", sending({ maxSduSize: 0.5 }), flowspec, "sending.maxSduSize"],
      ["no number", sending({ latency: "10" }), flowspec, "sending.latency"],
      ["not a number", sending({ latency: Number.NaN }), flowspec, "sending.latency"],
      ["QOS_NOT_SPECIFIED as a number", sending({ tokenRate: 0xffff_ffff }), flowspec, "sending.tokenRate"],
      ["no peak as a number", sending({ peakBandwidth: 0xffff_fffe }), flowspec, "sending.peakBandwidth"],
      ["an infinite rate", sending({ tokenRate: "infinite" }), flowspec, "sending.tokenRate"],
      ["a part that is no bytes", { providerSpecific: "words" }, buffer, "providerSpecific"]
    ]
    for (const [says, qos, code, path] of shapes) {
      it(`E10: finds ${says}`, () => {
        assert.deepStrictEqual(wrong(qos), [code, path])
      })
    }

    const sent = (flow: Partial<Qos.FlowSpec>): Qos.Qos => ({ sending: { serviceType: "bestEffort", ...flow } })
    const received = (flow: Partial<Qos.FlowSpec>): Qos.Qos => ({ receiving: { serviceType: "bestEffort", ...flow } })
    const relations: ReadonlyArray<readonly [says: string, bad: Qos.Qos, good: Qos.Qos, code: string, path: string]> = [
      ...(["controlledLoad", "guaranteed", "generalInformation"] as const).map((serviceType) =>
        [
          `a sender that asks for ${serviceType} and states no rate`,
          sent({ serviceType }),
          sent({ serviceType, tokenRate: 1 }),
          flowspec,
          "sending.tokenRate"
        ] as const
      ),
      [
        "a receiver that asks for guaranteed and states no rate",
        received({ serviceType: "guaranteed" }),
        received({ serviceType: "controlledLoad" }),
        flowspec,
        "receiving.tokenRate"
      ],
      [
        "a receiver that asks for any kind",
        received({ serviceType: "generalInformation", tokenRate: 1 }),
        sent({ serviceType: "generalInformation", tokenRate: 1 }),
        service,
        "receiving.serviceType"
      ],
      [
        "a notification that is asked for",
        sent({ serviceType: "networkUnavailable" }),
        sent({ serviceType: "noChange" }),
        service,
        "sending.serviceType"
      ],
      ["a rate of 0", sent({ tokenRate: 0 }), sent({ tokenRate: 1 }), flowspec, "sending.tokenRate"],
      [
        "a peak of 0",
        sent({ peakBandwidth: 0 }),
        sent({ peakBandwidth: "infinite" }),
        flowspec,
        "sending.peakBandwidth"
      ],
      [
        "a peak below the rate",
        sent({ tokenRate: 2, peakBandwidth: 1 }),
        sent({ tokenRate: 2, peakBandwidth: 2 }),
        flowspec,
        "sending.peakBandwidth"
      ],
      ["a largest piece of 0", sent({ maxSduSize: 0 }), sent({ maxSduSize: 1 }), flowspec, "sending.maxSduSize"],
      [
        "a bucket of 0",
        sent({ tokenBucketSize: 0 }),
        sent({ tokenBucketSize: 1 }),
        flowspec,
        "sending.tokenBucketSize"
      ],
      [
        "a bucket below the largest piece",
        sent({ maxSduSize: 3, tokenBucketSize: 2 }),
        sent({ maxSduSize: 3, tokenBucketSize: 3 }),
        flowspec,
        "sending.tokenBucketSize"
      ],
      [
        "a minimum above the largest piece",
        sent({ maxSduSize: 3, minimumPolicedSize: 4 }),
        sent({ maxSduSize: 3, minimumPolicedSize: 3 }),
        flowspec,
        "sending.minimumPolicedSize"
      ],
      [
        "a minimum above the bucket",
        sent({ tokenBucketSize: 3, minimumPolicedSize: 4 }),
        sent({ tokenBucketSize: 3, minimumPolicedSize: 0 }),
        flowspec,
        "sending.minimumPolicedSize"
      ],
      [
        "a variation above the latency",
        sent({ latency: 5, delayVariation: 6 }),
        sent({ latency: 5, delayVariation: 5 }),
        flowspec,
        "sending.delayVariation"
      ]
    ]
    for (const [says, bad, good, code, path] of relations) {
      it(`E10: finds ${says}, and nothing where it is mended`, () => {
        assert.deepStrictEqual(wrong(bad), [code, path])
        assert.isUndefined(wrong(good))
      })
    }

    const rated = { sending: { serviceType: "bestEffort", tokenRate: 100 } } as const
    const withObjects = (...list: ReadonlyArray<Qos.QosObject>): Qos.Qos => ({
      ...rated,
      providerSpecific: objects(...list)
    })
    it("R18: looks into the objects that are known, and lets the others be", () => {
      assert.isUndefined(wrong(withObjects({ _tag: "SdMode", mode: "discard" }, { _tag: "ShapingRate", rate: 100 })))
      assert.isUndefined(wrong(withObjects({ _tag: "Other", type: 77, body: Uint8Array.of(1, 2, 3) })))
      assert.isUndefined(wrong({ providerSpecific: new Uint8Array(0) }))
      assert.deepStrictEqual(
        wrong({ providerSpecific: objects({ _tag: "SdMode", mode: "shape" }) }),
        ["WSA_QOS_ESDMODEOBJ", "providerSpecific.0.mode"]
      )
      assert.isUndefined(wrong({ providerSpecific: objects({ _tag: "SdMode", mode: "borrow" }) }))
      assert.deepStrictEqual(
        wrong(withObjects({ _tag: "TcpTraffic" }, { _tag: "ShapingRate", rate: 99 })),
        ["WSA_QOS_ESHAPERATEOBJ", "providerSpecific.1.rate"]
      )
      assert.deepStrictEqual(
        wrong({ ...withObjects({ _tag: "ShapingRate", rate: 100 }), receiving: { ...rated.sending, tokenRate: 101 } }),
        ["WSA_QOS_ESHAPERATEOBJ", "providerSpecific.0.rate"]
      )
      assert.deepStrictEqual(
        wrong(withObjects({ _tag: "ShapingRate", rate: 0 })),
        ["WSA_QOS_ESHAPERATEOBJ", "providerSpecific.0.rate"]
      )
      assert.deepStrictEqual(
        wrong(withObjects({ _tag: "DsClass", dsField: 1 }, { _tag: "DsClass", dsField: 1 })),
        ["WSA_QOS_BAD_OBJECT", "providerSpecific.1"]
      )
      assert.deepStrictEqual(wrong({ providerSpecific: Uint8Array.of(1) }), [buffer, "providerSpecific.0"])
    })

    it("says the place, what is there and what would be right", () => {
      const error = Qos.check({ receiving: { serviceType: "guaranteed", tokenRate: 8, peakBandwidth: 7 } })
      assert.strictEqual(
        error?.message,
        "WSAConnect: WSA_QOS_EFLOWSPEC (11017): a flow specification is not valid, or contradicts itself; " +
          "receiving.peakBandwidth is 7; it has to be the tokenRate, 8, or more"
      )
      assert.strictEqual(
        Qos.check(anything(sending({ serviceType: "x".repeat(100) })))?.detail,
        `sending.serviceType is "${"x".repeat(40)}…"; it has to be "noTraffic", "bestEffort", "controlledLoad", ` +
          `"guaranteed", "networkUnavailable", "generalInformation", "noChange", "networkControl", "qualitative"`
      )
    })

    it("gives errors that cross JSON with their path", () => {
      const error = Qos.check(anything(sending({ tokenRate: 0 })))!
      const back = Schema.decodeUnknownSync(Schema.toCodecJson(WsaError.WSA_QOS_EFLOWSPEC))(
        JSON.parse(JSON.stringify(error))
      )
      assert.instanceOf(back, WsaError.WSA_QOS_EFLOWSPEC)
      assert.deepStrictEqual(back.path, ["sending", "tokenRate"])
      assert.strictEqual(back.detail, error.detail)
    })

    it("Sound has the same path and sentence in its issue", () => {
      const decoded = Schema.decodeUnknownResult(Qos.Sound)(sending({ tokenRate: 0 }))
      assert.strictEqual(
        Result.isFailure(decoded) && decoded.failure.message,
        "WSA_QOS_EFLOWSPEC: sending.tokenRate is 0; it has to be 1 or more, or absent\n  at [\"sending\"][\"tokenRate\"]"
      )
    })

    it("accepts what fits, and refuses each random flow exactly where an arithmetic of its own finds it unsound", () => {
      const random = new Random(11017)
      let sound = 0
      for (let run = 0; run < runs; run++) {
        const some = () => random.below(2) === 0 ? undefined : random.below(6)
        const flow = {
          serviceType: random.pick(Qos.ServiceType.literals),
          r: some(),
          b: some(),
          p: random.below(5) === 0 ? "infinite" as const : some(),
          M: some(),
          m: some(),
          latency: some(),
          delay: some()
        }
        const given = Object.fromEntries(
          Object.entries({
            serviceType: flow.serviceType,
            tokenRate: flow.r,
            tokenBucketSize: flow.b,
            peakBandwidth: flow.p,
            maxSduSize: flow.M,
            minimumPolicedSize: flow.m,
            latency: flow.latency,
            delayVariation: flow.delay
          }).filter(([, value]) => value !== undefined)
        )
        const p = flow.p === "infinite" ? Infinity : flow.p
        const fits = flow.serviceType !== "networkUnavailable" &&
          (flow.r !== undefined ||
            !["controlledLoad", "guaranteed", "generalInformation"].includes(flow.serviceType)) &&
          [flow.r, p, flow.b, flow.M].every((value) => value !== 0) &&
          (p ?? Infinity) >= (flow.r ?? 0) &&
          (flow.b ?? Infinity) >= Math.max(flow.M ?? 0, flow.m ?? 0) &&
          (flow.M ?? Infinity) >= (flow.m ?? 0) &&
          (flow.latency ?? Infinity) >= (flow.delay ?? 0)
        assert.strictEqual(wrong({ sending: given }) === undefined, fits, JSON.stringify(given))
        if (fits) sound++
      }
      assert.isAbove(sound, runs / 50)
      assert.isBelow(sound, runs)
    })
  })

  describe("layers", () => {
    it.effect("R19: are of no use to a QOS that is wrong: they fail with its class and path", () =>
      Effect.gen(function*() {
        const bad: Qos.Qos = { sending: { serviceType: "guaranteed" } }
        for (const layer of [Qos.layer(bad), Qos.layerGroup(bad)]) {
          const error = yield* Effect.flip(ambient(layer))
          assert.strictEqual(error._tag, "WSA_QOS_EFLOWSPEC")
          assert.deepStrictEqual(error.path, ["sending", "tokenRate"])
        }
      }))

    it.effect("R27: keep a copy", () =>
      Effect.gen(function*() {
        const providerSpecific = objects({ _tag: "DsClass", dsField: 46 })
        const layer = Qos.layer({ providerSpecific })
        const kept = yield* Effect.gen(function*() {
          const before = yield* Qos.SocketQos
          providerSpecific.fill(0)
          return before
        }).pipe(Effect.provide(layer))
        assert.strictEqual(Qos.markOf(kept!, Qos.windows), 46)
      }))

    it.effect("layerMarking refuses a code point of more than six bits", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(ambient(Qos.layerMarking({ ...Qos.windows, nonConforming: 64 })))
        assert.include(error.message, "nonConforming")
      }))

    it.effect("layerConfig says nothing where nothing is said, and reads each name", () =>
      Effect.gen(function*() {
        assert.isUndefined(yield* fromEnv({}))
        assert.isUndefined(yield* fromEnv({ QOS_SENDING_SERVICE_TYPE: "bestEffort" }, "OTHER"))
        const providerSpecific = objects({ _tag: "DsClass", dsField: 46 })
        const read = yield* fromEnv({
          VOICE_SENDING_SERVICE_TYPE: "qualitative",
          VOICE_SENDING_TOKEN_RATE: "16000",
          VOICE_SENDING_TOKEN_BUCKET_SIZE: "3000",
          VOICE_SENDING_PEAK_BANDWIDTH: "infinite",
          VOICE_SENDING_LATENCY: "5",
          VOICE_SENDING_DELAY_VARIATION: "4",
          VOICE_SENDING_MAX_SDU_SIZE: "1500",
          VOICE_SENDING_MINIMUM_POLICED_SIZE: "64",
          VOICE_SENDING_NO_TRAFFIC_CONTROL: "true",
          VOICE_RECEIVING_SERVICE_TYPE: "bestEffort",
          VOICE_RECEIVING_NO_QOS_SIGNALING: "false",
          VOICE_PROVIDER_SPECIFIC: Buffer.from(providerSpecific).toString("base64")
        }, "VOICE")
        assert.deepStrictEqual(read, {
          sending: {
            serviceType: "qualitative",
            tokenRate: 16_000,
            tokenBucketSize: 3000,
            peakBandwidth: "infinite",
            latency: 5,
            delayVariation: 4,
            maxSduSize: 1500,
            minimumPolicedSize: 64,
            noTrafficControl: true
          },
          receiving: { serviceType: "bestEffort", noQosSignaling: false },
          providerSpecific
        })
      }))

    it.effect("layerConfig begins with a template, and its fields may differ", () =>
      Effect.gen(function*() {
        const { G711 } = Qos.templates
        assert.deepStrictEqual(yield* fromEnv({ QOS_TEMPLATE: "g711" }), G711)
        assert.deepStrictEqual(yield* fromEnv({ QOS_TEMPLATE: "G711", QOS_SENDING_SERVICE_TYPE: "bestEffort" }), {
          ...G711,
          sending: { ...G711.sending, serviceType: "bestEffort" }
        })
      }))

    const faults: ReadonlyArray<readonly [env: Record<string, string>, code: string, path: string]> = [
      [{ QOS_SENDING_TOKEN_RATE: "1" }, service, "sending.serviceType"],
      [{ QOS_SENDING_SERVICE_TYPE: "best" }, service, "sending.serviceType"],
      [{ QOS_SENDING_SERVICE_TYPE: "bestEffort", QOS_SENDING_TOKEN_RATE: "fast" }, flowspec, "sending.tokenRate"],
      [{ QOS_SENDING_SERVICE_TYPE: "bestEffort", QOS_SENDING_TOKEN_RATE: "-1" }, flowspec, "sending.tokenRate"],
      [{ QOS_RECEIVING_SERVICE_TYPE: "guaranteed" }, flowspec, "receiving.tokenRate"],
      [{ QOS_TEMPLATE: "G722" }, flowspec, "template"],
      [{ QOS_PROVIDER_SPECIFIC: "no base64" }, buffer, "providerSpecific"],
      [{ QOS_PROVIDER_SPECIFIC: "AAAA" }, buffer, "providerSpecific.0"]
    ]
    for (const [env, code, path] of faults) {
      it.effect(`layerConfig refuses ${JSON.stringify(env)}`, () =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(fromEnv(env))
          assert.strictEqual(error._tag, code)
          assert.strictEqual("path" in error && error.path?.join("."), path)
        }))
    }
  })

  describe("WSAConnect, WSAIoctl", () => {
    it.effect("E10: name the class and the place of what is wrong in their WSAEFAULT", () =>
      Effect.gen(function*() {
        const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
        const qos: Qos.Qos = { sending: { serviceType: "bestEffort", tokenRate: 2, peakBandwidth: 1 } }
        const says = "WSA_QOS_EFLOWSPEC: sending.peakBandwidth is 1; it has to be the tokenRate, 2, or more"
        for (
          const call of [
            Winsock.WSAConnect(s, "127.0.0.1:1", { sqos: qos }),
            Winsock.WSAConnect(s, "127.0.0.1:1", { gqos: qos }),
            Winsock.WSAIoctl(s, "SIO_SET_QOS", qos)
          ]
        ) {
          const error = yield* Effect.flip(call)
          assert.strictEqual(error._tag, "WSAEFAULT")
          assert.strictEqual("detail" in error && error.detail, says)
        }
      }).pipe(Effect.provide(Memory.layer())))
  })

  describe("templates", () => {
    for (const [name, qos] of Object.entries(Qos.templates)) {
      it(`${name} is sound, the same both ways, and found by its name`, () => {
        assert.isUndefined(wrong(qos))
        assert.deepStrictEqual(qos.sending, qos.receiving)
        assert.strictEqual(Qos.template(name.toLowerCase()), qos)
      })
    }

    it("carry what their codecs send", () => {
      const payload: Record<Qos.TemplateName, number> = {
        "G711": 64_000,
        "G723.1": 6_400,
        "G729": 8_000,
        "H263QCIF": 64_000,
        "H263CIF": 384_000,
        "H261QCIF": 64_000,
        "H261CIF": 384_000,
        "GSM6.10": 13_200
      }
      for (const [name, { sending }] of Object.entries(Qos.templates)) {
        const bits = payload[name as Qos.TemplateName]
        // The rate is that of the codec and of the headers of its packets, which take a byte of four to one in forty.
        assert.isAbove(sending!.tokenRate! * 8, bits)
        assert.isAtMost(sending!.tokenRate! * 8, bits * 1.61)
      }
      assert.strictEqual(Qos.templates["GSM6.10"].sending?.tokenRate, 2250)
      assert.strictEqual(Qos.templates.H261CIF.sending?.tokenRate, 48_750)
    })
  })

  describe("marking", () => {
    const flow = (serviceType: Qos.ServiceType): Qos.Qos => ({ sending: { serviceType, tokenRate: 1 } })

    it("Windows marks three kinds of service, RFC 4594's table four", () => {
      const marked = (table: Qos.MarkingTable) =>
        Object.fromEntries(
          Qos.ServiceType.literals.map((kind) => [kind, Qos.markOf(flow(kind), table)]).filter(([, dscp]) =>
            dscp !== undefined
          )
        )
      assert.deepStrictEqual(marked(Qos.windows), { controlledLoad: 24, guaranteed: 40, networkControl: 48 })
      assert.deepStrictEqual(
        marked(Qos.rfc4594),
        { controlledLoad: 26, guaranteed: 46, networkControl: 48, qualitative: 18 }
      )
      assert.isTrue(Schema.is(Qos.MarkingTable)(Qos.windows) && Schema.is(Qos.MarkingTable)(Qos.rfc4594))
    })

    it("names the classes as the RFCs number them", () => {
      for (const [name, value] of Object.entries(Qos.dscp)) {
        const cs = /^CS(\d)$/.exec(name)
        if (cs) assert.strictEqual(value, 8 * Number(cs[1]))
        const af = /^AF(\d)(\d)$/.exec(name)
        if (af) assert.strictEqual(value, 8 * Number(af[1]) + 2 * Number(af[2]))
      }
      const { DF, EF, LE, VA } = Qos.dscp
      assert.deepStrictEqual([DF, LE, VA, EF], [0, 1, 0b101100, 0b101110])
    })

    it("an explicit DS_CLASS wins over the table, TCP_TRAFFIC over both, and no traffic control over all", () => {
      const class46 = objects({ _tag: "DsClass", dsField: 46 })
      const class0 = objects({ _tag: "DsClass", dsField: 0 })
      const tcp = objects({ _tag: "DsClass", dsField: 46 }, { _tag: "TcpTraffic" })
      const guaranteed = flow("guaranteed")
      assert.strictEqual(Qos.markOf({ ...guaranteed, providerSpecific: class46 }, Qos.windows), 46)
      assert.strictEqual(Qos.markOf({ ...guaranteed, providerSpecific: class0 }, Qos.windows), 0)
      assert.strictEqual(Qos.markOf({ providerSpecific: class46 }, Qos.windows), 46)
      assert.isUndefined(Qos.markOf({ ...guaranteed, providerSpecific: tcp }, Qos.windows))
      const left: Qos.Qos = { sending: { serviceType: "guaranteed", tokenRate: 1, noTrafficControl: true } }
      assert.isUndefined(Qos.markOf({ ...left, providerSpecific: class46 }, Qos.windows))
      assert.isUndefined(Qos.markOf({}, Qos.windows))
      assert.isUndefined(Qos.markOf({ receiving: guaranteed.sending! }, Qos.windows))
    })
  })

  describe("shapeOf", () => {
    const shaped = (flow: Partial<Qos.FlowSpec>, ...objects: ReadonlyArray<Qos.QosObject>) =>
      Qos.shapeOf({ serviceType: "bestEffort", ...flow }, objects)

    it("holds a flow to what it states", () => {
      assert.deepStrictEqual(
        shaped({ tokenRate: 10, tokenBucketSize: 20, peakBandwidth: 30, maxSduSize: 15, minimumPolicedSize: 5 }),
        {
          tokenRate: 10,
          tokenBucketSize: 20,
          peakBandwidth: 30,
          maxSduSize: 15,
          minimumPolicedSize: 5,
          mode: "shape"
        }
      )
    })

    it("leaves a flow alone that states no rate, carries nothing, or wants to be left alone", () => {
      assert.isUndefined(shaped({ peakBandwidth: 10 }))
      assert.isUndefined(shaped({ serviceType: "noTraffic", tokenRate: 1 }))
      assert.isUndefined(shaped({ tokenRate: 1, noTrafficControl: true }))
      assert.isUndefined(shaped({ noTrafficControl: true }, { _tag: "ShapingRate", rate: 1 }))
    })

    it("gives a bucket in which the largest piece has room, where none is stated", () => {
      assert.strictEqual(shaped({ tokenRate: 1 })?.tokenBucketSize, 1500)
      assert.strictEqual(shaped({ tokenRate: 1, maxSduSize: 9000 })?.tokenBucketSize, 9000)
      assert.strictEqual(shaped({ tokenRate: 1, minimumPolicedSize: 9000 })?.tokenBucketSize, 9000)
      assert.strictEqual(shaped({ tokenRate: 1_000_001 })?.tokenBucketSize, 10_001)
      assert.strictEqual(shaped({ tokenRate: 1, maxSduSize: 100 })?.tokenBucketSize, 100)
    })

    it("takes the mode and the peak from the objects", () => {
      const modes = (["shape", "discard", "borrow", "borrowPlus"] as const).map((mode) =>
        shaped({ tokenRate: 1 }, { _tag: "SdMode", mode })?.mode
      )
      assert.deepStrictEqual(modes, ["shape", "discard", "borrow", "borrow"])
      const rate = { _tag: "ShapingRate", rate: 20 } as const
      assert.strictEqual(shaped({ tokenRate: 10 }, rate)?.peakBandwidth, 20)
      assert.strictEqual(shaped({ tokenRate: 10, peakBandwidth: 15 }, rate)?.peakBandwidth, 15)
      assert.strictEqual(shaped({ tokenRate: 10, peakBandwidth: "infinite" }, rate)?.peakBandwidth, 20)
      assert.strictEqual(shaped({}, rate)?.tokenRate, 20)
      const slower = shaped({ peakBandwidth: 15 }, rate)
      assert.deepStrictEqual([slower?.tokenRate, slower?.peakBandwidth], [15, 15])
      assert.isUndefined(shaped({ tokenRate: 10, peakBandwidth: "infinite" })?.peakBandwidth)
    })
  })

  it("each QOS that is sound has shapes that a shaper takes", () => {
    const random = new Random(2215)
    const isSpec = Schema.is(Shaper.Spec)
    let shapes = 0
    for (let run = 0; run < runs; run++) {
      const some = (field: string, bound: number) =>
        random.below(2) === 0 ? undefined : { [field]: random.below(bound) }
      const flow = (): Qos.FlowSpec => ({
        serviceType: random.pick(Qos.ServiceType.literals),
        ...some("tokenRate", 5),
        ...some("tokenBucketSize", 5),
        ...(random.below(3) === 0 ? { peakBandwidth: "infinite" } as const : some("peakBandwidth", 8)),
        ...some("maxSduSize", 5),
        ...some("minimumPolicedSize", 5)
      })
      const candidates: ReadonlyArray<Qos.QosObject> = [
        { _tag: "ShapingRate", rate: random.below(8) },
        { _tag: "SdMode", mode: random.pick(["shape", "discard", "borrow", "borrowPlus"] as const) }
      ]
      const list = candidates.filter(() => random.below(2) === 0)
      const qos: Qos.Qos = { sending: flow(), receiving: flow(), providerSpecific: objects(...list) }
      if (wrong(qos) !== undefined) continue
      for (const way of ["sending", "receiving"] as const) {
        const shape = Qos.shapeOf(qos[way]!, list)
        if (shape === undefined) continue
        shapes++
        assert.isTrue(isSpec(shape), JSON.stringify(qos))
      }
    }
    assert.isAbove(shapes, runs / 50)
  })

  describe("isDemanding", () => {
    it("R16, R17: of the kinds that promise something, and of a direction that the socket has", () => {
      const kinds = Qos.ServiceType.literals.filter((serviceType) =>
        Qos.isDemanding({ sending: { serviceType } }, "both")
      )
      assert.deepStrictEqual(kinds, ["controlledLoad", "guaranteed", "networkControl"])
      const receiving: Qos.Qos = { receiving: { serviceType: "guaranteed", tokenRate: 1 } }
      assert.deepStrictEqual(
        (["both", "send", "receive"] as const).map((direction) => Qos.isDemanding(receiving, direction)),
        [true, false, true]
      )
    })
  })
})
