import { Qos, type WsaError } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { allocating, fromHex, inputs, Random, toHex } from "./utils/fuzz.ts"

const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200)

type Read<A> = (bytes: Uint8Array) => Result.Result<A, WsaError.WsaError>
type Write<A> = (value: A) => Result.Result<Uint8Array, WsaError.WsaError>

const get = Result.getOrThrow

/** The code and the path of a failure. */
const failed = <A>(result: Result.Result<A, WsaError.WsaError>): readonly [string, string] | "read" =>
  Result.isSuccess(result) ? "read" : [result.failure._tag, (result.failure.path ?? []).join(".")]

const codeOf = <A>(result: Result.Result<A, WsaError.WsaError>): string =>
  Result.isSuccess(result) ? "read" : result.failure._tag

const u32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => Array.from(part)))

/** An object, as a C program would lay it out. */
const object = (type: number, ...body: ReadonlyArray<Uint8Array>): Uint8Array => {
  const bytes = concat(...body)
  return concat(u32(type), u32(8 + bytes.length), bytes)
}

const end = object(2001)

const friendly = (name: string, ...rest: ReadonlyArray<number>): Uint8Array => {
  const bytes = new Uint8Array(512)
  bytes.set(new Uint8Array(Buffer.from(name, "utf16le")))
  bytes.set(rest, 512 - rest.length)
  return bytes
}

const path5 = { hopCount: 3, bandwidth: 125_000, minimumLatency: 900, pathMtu: 1500, flags: 1 }
const pathBytes = concat(u32(3), u32(125_000), u32(900), u32(1500), u32(1))

// ── random values ────────────────────────────────────────────────────────────────────────────────────────────────────

const word = (random: Random): number =>
  random.pick([0, 1, 2, 3, 63, 255, 256, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_fffd, 0xffff_fffe, 16_000])

const below = (random: Random, bound: number): number => Math.min(word(random), bound)

const flowOf = (random: Random): Qos.FlowSpec => {
  const maybe = (field: string, value: unknown) => random.below(3) === 0 ? undefined : { [field]: value }
  return {
    serviceType: random.pick(Qos.ServiceType.literals),
    ...maybe("tokenRate", below(random, 0xffff_fffe)),
    ...maybe("tokenBucketSize", below(random, 0xffff_fffe)),
    ...maybe("peakBandwidth", random.below(4) === 0 ? "infinite" : below(random, 0xffff_fffd)),
    ...maybe("latency", below(random, 0xffff_fffe)),
    ...maybe("delayVariation", below(random, 0xffff_fffe)),
    ...maybe("maxSduSize", below(random, 0xffff_fffe)),
    ...maybe("minimumPolicedSize", below(random, 0xffff_fffe)),
    ...(random.below(4) === 0 ? { noTrafficControl: true } : undefined),
    ...(random.below(4) === 0 ? { noQosSignaling: true } : undefined)
  }
}

const qosOf = (random: Random): Qos.Qos => ({
  ...(random.below(4) === 0 ? undefined : { sending: flowOf(random) }),
  ...(random.below(4) === 0 ? undefined : { receiving: flowOf(random) }),
  providerSpecific: random.bytes(random.pick([0, 0, 1, 7, 40]))
})

const parametersOf = (random: Random): Qos.AdParameters => ({
  hopCount: word(random),
  bandwidth: word(random),
  minimumLatency: word(random),
  pathMtu: word(random),
  flags: word(random)
})

const some = <A>(random: Random, make: () => A): ReadonlyArray<A> => Array.from({ length: random.below(4) }, make)

const makers: { readonly [T in Qos.QosObject["_tag"]]: (random: Random) => Qos.QosObject } = {
  SdMode: (random) => ({ _tag: "SdMode", mode: random.pick(["borrow", "shape", "discard", "borrowPlus"]) }),
  ShapingRate: (random) => ({ _tag: "ShapingRate", rate: word(random) }),
  DsClass: (random) => ({ _tag: "DsClass", dsField: random.below(64) }),
  TrafficClass: (random) => ({ _tag: "TrafficClass", trafficClass: random.below(8) }),
  DiffServ: (random) => ({
    _tag: "DiffServ",
    rules: some(random, () => ({
      inbound: random.below(64),
      conforming: random.below(64),
      nonConforming: random.below(64),
      conformingPriority: random.below(8),
      nonConformingPriority: random.below(8)
    }))
  }),
  TcpTraffic: () => ({ _tag: "TcpTraffic" }),
  FriendlyName: (random) => ({ _tag: "FriendlyName", name: random.text(random.pick([0, 1, 9, 127])) }),
  StatusInfo: (random) => ({
    _tag: "StatusInfo",
    status: word(random),
    extended1: word(random),
    extended2: word(random)
  }),
  ReserveInfo: (random) => ({
    _tag: "ReserveInfo",
    style: random.pick(["default", "wildcard", "fixedFilter", "sharedExplicit"]),
    confirmRequest: word(random),
    rest: random.bytes(random.below(20))
  }),
  AdSpec: (random) => ({
    _tag: "AdSpec",
    general: parametersOf(random),
    services: some(random, () => ({
      service: word(random),
      overrides: parametersOf(random),
      parameters: random.bytes(random.below(20))
    }))
  }),
  PolicyInfo: (random) => ({
    _tag: "PolicyInfo",
    elements: some(random, () => ({ type: 1 + random.below(0xffff), info: random.bytes(random.below(20)) }))
  }),
  Other: (random) => ({
    _tag: "Other",
    type: random.pick([0, 77, 1004, 2004, 4006]),
    body: random.bytes(random.below(20))
  })
}

const listOf = (random: Random): ReadonlyArray<Qos.QosObject> =>
  Array.from({ length: random.below(5) }, () => random.pick(Object.values(makers))(random))

interface Codec<A> {
  readonly name: string
  readonly read: Read<A>
  readonly write: Write<A>
  readonly schema: Schema.Codec<A, Uint8Array>
  readonly random: (random: Random) => A
}

const flows: Codec<Qos.FlowSpec> = {
  name: "FLOWSPEC",
  read: Qos.decodeFlowSpec,
  write: Qos.encodeFlowSpec,
  schema: Qos.FlowSpecFromBytes,
  random: flowOf
}
const whole: Codec<Qos.Qos> = {
  name: "QOS",
  read: Qos.decode,
  write: Qos.encode,
  schema: Qos.QosFromBytes,
  random: qosOf
}
const lists: Codec<ReadonlyArray<Qos.QosObject>> = {
  name: "objects",
  read: Qos.objects,
  write: Qos.encodeObjects,
  schema: Qos.ObjectsFromBytes,
  random: listOf
}

describe("Qos in bytes", () => {
  describe("FLOWSPEC", () => {
    const full = fromHex(
      "803e0000 000c0000 007d0000 10270000 88130000 030000c1 dc050000 40000000"
    )
    it("lies in memory as the C structure does: eight numbers, little endian", () => {
      const flow: Qos.FlowSpec = {
        serviceType: "guaranteed",
        tokenRate: 16_000,
        tokenBucketSize: 3072,
        peakBandwidth: 32_000,
        latency: 10_000,
        delayVariation: 5000,
        maxSduSize: 1500,
        minimumPolicedSize: 64,
        noTrafficControl: true,
        noQosSignaling: true
      }
      assert.deepStrictEqual(get(Qos.decodeFlowSpec(full)), flow)
      assert.strictEqual(toHex(get(Qos.encodeFlowSpec(flow))), toHex(full))
    })

    it("has a fresh socket's flow, QOS_NOT_SPECIFIED throughout and SERVICETYPE_NOCHANGE", () => {
      const fresh = concat(new Uint8Array(20).fill(255), u32(6), new Uint8Array(8).fill(255))
      assert.deepStrictEqual(get(Qos.decodeFlowSpec(fresh)), { serviceType: "noChange" })
    })

    it("tells POSITIVE_INFINITY_RATE from a number, of the peak alone", () => {
      const flow = get(Qos.decodeFlowSpec(concat(new Uint8Array(20).fill(254), u32(1), new Uint8Array(8).fill(254))))
      assert.strictEqual(flow.peakBandwidth, 0xfefe_fefe)
      const infinite = u32(0xffff_fffe)
      const bytes = concat(infinite, infinite, infinite, infinite, infinite, u32(1), infinite, infinite)
      const read = get(Qos.decodeFlowSpec(bytes))
      assert.deepStrictEqual([read.tokenRate, read.peakBandwidth], [0xffff_fffe, "infinite"])
      assert.deepStrictEqual(get(Qos.encodeFlowSpec(read)), bytes)
    })

    it("knows each service type by its number, with either flag and with both, and fails typed with any other", () => {
      const known = [0, 1, 2, 3, 4, 5, 6, 10, 13]
      for (const flags of [0, 0x8100_0000, 0x4000_0000, 0xc100_0000]) {
        const read = known.map((kind) => get(Qos.decodeFlowSpec(withService((flags | kind) >>> 0))))
        assert.deepStrictEqual(read.map(({ serviceType }) => serviceType), [...Qos.ServiceType.literals])
        assert.strictEqual(read[0]?.noTrafficControl, (flags & 0x8100_0000) !== 0 ? true : undefined)
        assert.strictEqual(read[0]?.noQosSignaling, (flags & 0x4000_0000) !== 0 ? true : undefined)
      }
      for (const service of [7, 8, 9, 11, 12, 14, 0x100, 0x8001_0000, 0x8000_0001, 0x0100_0001, 0xffff_ffff]) {
        assert.deepStrictEqual(
          failed(Qos.decodeFlowSpec(withService(service))),
          ["WSA_QOS_ESERVICETYPE", "serviceType"],
          service.toString(16)
        )
      }
    })

    const withService = (service: number): Uint8Array => concat(new Uint8Array(20), u32(service), new Uint8Array(8))

    it("refuses a value that is no flow, with its field", () => {
      const flow: any = { serviceType: "guaranteed", tokenRate: -1 }
      assert.deepStrictEqual(failed(Qos.encodeFlowSpec(flow)), ["WSA_QOS_EFLOWSPEC", "tokenRate"])
    })

    it("truncated at any byte, or with one too many, is WSA_QOS_EFLOWSPEC", () => {
      for (let length = 0; length < full.length; length++) {
        assert.deepStrictEqual(failed(Qos.decodeFlowSpec(full.subarray(0, length))), ["WSA_QOS_EFLOWSPEC", ""])
      }
      assert.deepStrictEqual(failed(Qos.decodeFlowSpec(concat(full, full.subarray(0, 1)))), ["WSA_QOS_EFLOWSPEC", ""])
    })
  })

  describe("QOS", () => {
    const bytes = get(Qos.encode({
      sending: { serviceType: "bestEffort", tokenRate: 7 },
      receiving: { serviceType: "noTraffic" },
      providerSpecific: Uint8Array.of(1, 2, 3)
    }))

    it("is the flow of sending, that of receiving, a length of four bytes, and so many bytes", () => {
      assert.deepStrictEqual(
        bytes.subarray(0, 32),
        get(Qos.encodeFlowSpec({ serviceType: "bestEffort", tokenRate: 7 }))
      )
      assert.deepStrictEqual(bytes.subarray(32, 64), get(Qos.encodeFlowSpec({ serviceType: "noTraffic" })))
      assert.deepStrictEqual(bytes.subarray(64), Uint8Array.of(3, 0, 0, 0, 1, 2, 3))
    })

    it("tells a direction that is absent from one that asks for nothing", () => {
      const absent = get(Qos.encode({ receiving: { serviceType: "noTraffic" } }))
      assert.deepStrictEqual(absent.subarray(0, 32), new Uint8Array(32).fill(255))
      assert.deepStrictEqual(get(Qos.decode(absent)), {
        receiving: { serviceType: "noTraffic" },
        providerSpecific: new Uint8Array(0)
      })
    })

    it("R18: keeps the provider-specific part byte for byte, whatever it holds, and in a copy", () => {
      const given = new Uint8Array(bytes)
      const read = get(Qos.decode(given))
      given.fill(0)
      assert.deepStrictEqual(read.providerSpecific, Uint8Array.of(1, 2, 3))
    })

    it("truncated at any byte is WSA_QOS_EFLOWSPEC within a flow, and WSA_QOS_EPROVSPECBUF after them", () => {
      for (let length = 0; length < bytes.length; length++) {
        assert.deepStrictEqual(
          failed(Qos.decode(bytes.subarray(0, length))),
          length < 32
            ? ["WSA_QOS_EFLOWSPEC", "sending"]
            : length < 64
            ? ["WSA_QOS_EFLOWSPEC", "receiving"]
            : ["WSA_QOS_EPROVSPECBUF", "providerSpecific.length"]
        )
      }
      assert.strictEqual(codeOf(Qos.decode(concat(bytes, end))), "WSA_QOS_EPROVSPECBUF")
    })

    it("says in which direction the service type is wrong", () => {
      const wrong = new Uint8Array(bytes)
      wrong[32 + 20] = 9
      assert.deepStrictEqual(failed(Qos.decode(wrong)), ["WSA_QOS_ESERVICETYPE", "receiving.serviceType"])
    })
  })

  describe("objects", () => {
    const rule = { inbound: 46, conforming: 46, nonConforming: 0, conformingPriority: 6, nonConformingPriority: 1 }
    const known: ReadonlyArray<readonly [bytes: Uint8Array, value: Qos.QosObject]> = [
      [object(2002, u32(2)), { _tag: "SdMode", mode: "discard" }],
      [object(2003, u32(64_000)), { _tag: "ShapingRate", rate: 64_000 }],
      [object(4001, u32(46)), { _tag: "DsClass", dsField: 46 }],
      [object(4002, u32(6)), { _tag: "TrafficClass", trafficClass: 6 }],
      [object(4003, u32(1), Uint8Array.of(46, 46, 0, 6, 1)), { _tag: "DiffServ", rules: [rule] }],
      [object(4004), { _tag: "TcpTraffic" }],
      [object(4005, friendly("süß 🎧")), { _tag: "FriendlyName", name: "süß 🎧" }],
      [object(1000, u32(11_010), u32(56_103), u32(0)), {
        _tag: "StatusInfo",
        status: 11_010,
        extended1: 56_103,
        extended2: 0
      }],
      [object(1001, u32(2), u32(1), Uint8Array.of(9, 8)), {
        _tag: "ReserveInfo",
        style: "fixedFilter",
        confirmRequest: 1,
        rest: Uint8Array.of(9, 8)
      }],
      [object(1002, pathBytes, u32(1), u32(30), u32(3), pathBytes, Uint8Array.of(5, 6)), {
        _tag: "AdSpec",
        general: path5,
        services: [{ service: 3, overrides: path5, parameters: Uint8Array.of(5, 6) }]
      }],
      [object(1003, u32(2), Uint8Array.of(7, 0, 3, 0, 1, 2, 3, 4, 0, 255, 255)), {
        _tag: "PolicyInfo",
        elements: [{ type: 3, info: Uint8Array.of(1, 2, 3) }, { type: 0xffff, info: new Uint8Array(0) }]
      }],
      [object(2004, u32(0xdead_beef), u32(16)), {
        _tag: "Other",
        type: 2004,
        body: concat(u32(0xdead_beef), u32(16))
      }]
    ]
    for (const [bytes, value] of known) {
      it(`R18: ${value._tag} lies in memory as the C structure does`, () => {
        assert.deepStrictEqual(get(Qos.objects(concat(bytes, end))), [value])
        assert.strictEqual(toHex(get(Qos.encodeObjects([value]))), toHex(concat(bytes, end)))
      })
    }

    it("shows an example of each kind above", () => {
      assert.deepStrictEqual(new Set(known.map(([, { _tag }]) => _tag)), new Set(Object.keys(makers)))
    })

    it("R18: no part is no objects, and a list of none is its end alone", () => {
      assert.deepStrictEqual([get(Qos.objects(undefined)), get(Qos.objects(new Uint8Array(0)))], [[], []])
      assert.deepStrictEqual(get(Qos.encodeObjects([])), end)
      assert.deepStrictEqual(get(Qos.objects(end)), [])
      assert.isTrue(Result.isFailure(Schema.decodeUnknownResult(Qos.ObjectsFromBytes)(new Uint8Array(0))))
    })

    const faults: ReadonlyArray<readonly [says: string, bytes: Uint8Array, code: string, path: string]> = [
      ["no end", object(4004), "WSA_QOS_EPROVSPECBUF", "1"],
      ["bytes after the end", concat(end, end), "WSA_QOS_EPROVSPECBUF", "0"],
      ["an end with a body", object(2001, u32(0)), "WSA_QOS_EOBJLENGTH", "0.length"],
      ["a length without the head", concat(u32(4004), u32(7), end), "WSA_QOS_EOBJLENGTH", "0.length"],
      ["a length beyond the bytes", concat(u32(4004), u32(0xffff_ffff), end), "WSA_QOS_EOBJLENGTH", "0.length"],
      ["a mode that is none", concat(object(2002, u32(4)), end), "WSA_QOS_ESDMODEOBJ", "0.mode"],
      ["a number too long", concat(object(2003, u32(4), u32(4)), end), "WSA_QOS_EOBJLENGTH", "0.length"],
      ["a number too short", concat(object(2002), end), "WSA_QOS_EOBJLENGTH", "0.length"],
      [
        "a code point of seven bits",
        concat(object(4001, u32(64)), end),
        "WSA_QOS_BAD_OBJECT",
        "0.dsField"
      ],
      ["a priority of four bits", concat(object(4002, u32(8)), end), "WSA_QOS_BAD_OBJECT", "0.trafficClass"],
      [
        "rules that are miscounted",
        concat(object(4003, u32(2), new Uint8Array(5)), end),
        "WSA_QOS_EOBJLENGTH",
        "0.length"
      ],
      ["rules without a count", concat(object(4003, new Uint8Array(3)), end), "WSA_QOS_EOBJLENGTH", "0.length"],
      [
        "a rule with a code point of seven bits",
        concat(object(4004), object(4003, u32(1), Uint8Array.of(0, 0, 64, 0, 0)), end),
        "WSA_QOS_BAD_OBJECT",
        "1.rules.0.nonConforming"
      ],
      ["a body where none is", concat(object(4004, u32(0)), end), "WSA_QOS_EOBJLENGTH", "0.length"],
      ["a name too short", concat(object(4005, new Uint8Array(510)), end), "WSA_QOS_EOBJLENGTH", "0.length"],
      [
        "a name without an end",
        concat(object(4005, new Uint8Array(512).fill(97)), end),
        "WSA_QOS_BAD_OBJECT",
        "0.name"
      ],
      ["a name with more behind it", concat(object(4005, friendly("a", 1)), end), "WSA_QOS_BAD_OBJECT", "0.name"],
      ["a status cut short", concat(object(1000, u32(0), u32(0)), end), "WSA_QOS_EOBJLENGTH", "0.length"],
      ["a style that is none", concat(object(1001, u32(4), u32(0)), end), "WSA_QOS_EFILTERSTYLE", "0.style"],
      ["a style cut short", concat(object(1001, u32(1)), end), "WSA_QOS_EOBJLENGTH", "0.length"],
      ["a path cut short", concat(object(1002, pathBytes), end), "WSA_QOS_EOBJLENGTH", "0.length"],
      [
        "services that are miscounted",
        concat(object(1002, pathBytes, u32(1)), end),
        "WSA_QOS_EOBJLENGTH",
        "0.services"
      ],
      [
        "a service cut short",
        concat(object(1002, pathBytes, u32(1), u32(28), u32(3)), end),
        "WSA_QOS_EOBJLENGTH",
        "0.services.0.length"
      ],
      [
        "a service that goes on beyond the object",
        concat(object(1002, pathBytes, u32(1), u32(29), u32(3), pathBytes), end),
        "WSA_QOS_EOBJLENGTH",
        "0.services.0.length"
      ],
      ["a policy without a count", concat(object(1003), end), "WSA_QOS_EOBJLENGTH", "0.length"],
      ["a policy that is miscounted", concat(object(1003, u32(1)), end), "WSA_QOS_EPOLICYOBJ", "0.elements"],
      [
        "an element without its head",
        concat(object(1003, u32(1), Uint8Array.of(3, 0, 3, 0)), end),
        "WSA_QOS_EPOLICYOBJ",
        "0.elements.0.length"
      ],
      [
        "an element that goes on beyond the object",
        concat(object(1003, u32(1), Uint8Array.of(5, 0, 3, 0)), end),
        "WSA_QOS_EPOLICYOBJ",
        "0.elements.0.length"
      ],
      [
        "an element of the reserved type",
        concat(object(1003, u32(1), Uint8Array.of(4, 0, 0, 0)), end),
        "WSA_QOS_RESERVED_PETYPE",
        "0.elements.0.type"
      ]
    ]
    for (const [says, bytes, code, path] of faults) {
      it(`refuses ${says}`, () => {
        assert.deepStrictEqual(failed(Qos.objects(bytes)), [code, path])
      })
    }

    it("keeps what nobody knows, unless it is to be known", () => {
      const bytes = concat(object(4004), object(77, Uint8Array.of(1)), end)
      assert.deepStrictEqual(get(Qos.objects(bytes))[1], { _tag: "Other", type: 77, body: Uint8Array.of(1) })
      assert.deepStrictEqual(failed(Qos.knownObjects(bytes)), ["WSA_QOS_EUNKNOWNPSOBJ", "1.type"])
      assert.deepStrictEqual(get(Qos.knownObjects(concat(object(4004), end))), [{ _tag: "TcpTraffic" }])
    })

    it("refuses to write what it would not read, with its place", () => {
      const refused = (...list: ReadonlyArray<any>) => failed(Qos.encodeObjects(list))
      assert.deepStrictEqual(refused({ _tag: "TcpTraffic" }, { _tag: "DsClass", dsField: 64 }), [
        "WSA_QOS_BAD_OBJECT",
        "1.dsField"
      ])
      assert.strictEqual(refused({ _tag: "Other", type: 4001, body: new Uint8Array(4) })[0], "WSA_QOS_BAD_OBJECT")
      assert.strictEqual(refused({ _tag: "Other", type: 2001, body: new Uint8Array(0) })[0], "WSA_QOS_BAD_OBJECT")
      assert.strictEqual(refused({ _tag: "FriendlyName", name: "a".repeat(256) })[0], "WSA_QOS_BAD_OBJECT")
      assert.strictEqual(refused({ _tag: "FriendlyName", name: "a\0" })[0], "WSA_QOS_BAD_OBJECT")
      assert.strictEqual(
        refused({ _tag: "PolicyInfo", elements: [{ type: 0, info: new Uint8Array(0) }] })[0],
        "WSA_QOS_BAD_OBJECT"
      )
      assert.strictEqual(
        refused({ _tag: "PolicyInfo", elements: [{ type: 1, info: new Uint8Array(0xfffc) }] })[0],
        "WSA_QOS_BAD_OBJECT"
      )
      assert.strictEqual(refused(5)[0], "WSA_QOS_BAD_OBJECT")
      assert.strictEqual(codeOf(Qos.encodeObjects([{ _tag: "FriendlyName", name: "a".repeat(255) }])), "read")
    })

    it("truncated at any byte is WSA_QOS_EPROVSPECBUF in a head, and WSA_QOS_EOBJLENGTH in a body", () => {
      const bytes = concat(...known.map(([bytes]) => bytes), end)
      const heads: Array<number> = []
      for (let at = 0; at < bytes.length; at += new DataView(bytes.buffer).getUint32(at + 4, true)) heads.push(at)
      for (let length = 1; length < bytes.length; length++) {
        const inHead = heads.some((at) => length >= at && length < at + 8)
        assert.strictEqual(
          codeOf(Qos.objects(bytes.subarray(0, length))),
          inHead ? "WSA_QOS_EPROVSPECBUF" : "WSA_QOS_EOBJLENGTH",
          `${length}`
        )
      }
    })
  })

  const codecs = [flows, whole, lists] as ReadonlyArray<Codec<any>>
  for (const { name, random: make, read, schema, write } of codecs) {
    describe(`${name}, whatever it holds`, () => {
      it("is read as it was written, by the functions and by the schema", () => {
        const random = new Random(4594)
        const decode = Schema.decodeUnknownResult(schema)
        const encode = Schema.encodeUnknownResult(schema)
        for (let run = 0; run < runs; run++) {
          const value = make(random)
          const bytes = get(write(value))
          assert.deepStrictEqual(get(read(bytes)), value)
          assert.deepStrictEqual(get(encode(value)), bytes)
          assert.deepStrictEqual(get(decode(bytes)), value)
        }
      })

      it(`ends in a value or in a typed error, and holds no more bytes than it was given: ${inputs} inputs`, () => {
        const random = new Random(inputs)
        let accepted = 0
        let most = 0
        for (let input = 0; input < inputs; input++) {
          const given = random.below(4) === 0
            ? random.bytes(random.below(120))
            : random.mutate(get(write(make(random))))
          const [result, allocated] = allocating(() => read(given))
          assert.isAtMost(allocated, given.length)
          most = Math.max(most, allocated)
          if (Result.isFailure(result)) {
            assert.match(result.failure._tag, /^WSA_QOS_/)
            continue
          }
          accepted++
          if (given.length > 0) assert.strictEqual(toHex(get(write(result.success))), toHex(given))
        }
        // Mutation leaves some as they have to be: the identity above is not about nothing.
        assert.isAbove(accepted, inputs / 100)
        // A flow has no bytes to keep; the others have, and what they keep is seen.
        if (name !== "FLOWSPEC") assert.isAbove(most, 0)
      }, 600_000)
    })
  }

  it("an issue of a schema has the path and the words of the error", () => {
    const read = Schema.decodeUnknownResult(Qos.ObjectsFromBytes)(concat(object(4001, u32(64)), end))
    assert.strictEqual(
      Result.isFailure(read) && read.failure.message,
      "WSA_QOS_BAD_OBJECT: [0].dsField is 64; it has to be from 0 to 63\n  at [0][\"dsField\"]"
    )
  })
})
