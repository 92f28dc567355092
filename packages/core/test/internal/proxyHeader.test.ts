import { SocketAddress } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import type { Decoded, Tlv } from "../../src/internal/decoded.ts"
import * as ProxyHeader from "../../src/internal/proxyHeader.ts"
import { allocating, fromHex, inputs, Random, toHex } from "../utils/fuzz.ts"
import { at } from "../utils/machines.ts"

const { Type } = ProxyHeader
const utf8 = (text: string) => new TextEncoder().encode(text)

const signature = "0d0a0d0a 000d0a51 5549540a"
/** A header with the length that its block has. */
const header = (versionCommand: string, family: string, block: string) => {
  const bytes = fromHex(block)
  return fromHex(
    `${signature} ${versionCommand} ${family} ${bytes.length.toString(16).padStart(4, "0")} ${toHex(bytes)}`
  )
}
const tlv = (type: number, value: Uint8Array | string): string => {
  const bytes = typeof value === "string" ? utf8(value) : value
  return toHex(Uint8Array.of(type, bytes.length >> 8, bytes.length, ...bytes))
}

const v4Block = "7f000001 7f000001 002a 0539"

const endpoints = (
  source: string,
  destination: string,
  transport: "stream" | "datagram" = "stream"
): ProxyHeader.Endpoints => ({ transport, source: at(source), destination: at(destination) })

const proxied = (
  endpoints: ProxyHeader.Endpoints | undefined,
  tlvs: ReadonlyArray<Tlv> = [],
  checksum = false
): ProxyHeader.Proxied => ({ command: "PROXY", endpoints, tlvs, checksum })

const valueOf = <A>(decoded: Decoded<A>): A => {
  if (decoded._tag !== "Done") throw new Error(`expected a value, got ${JSON.stringify(decoded)}`)
  return decoded.value
}
const proxiedOf = (bytes: Uint8Array): ProxyHeader.Proxied => {
  const value = valueOf(ProxyHeader.decode(bytes))
  if (value.command !== "PROXY") throw new Error("expected PROXY, got LOCAL")
  return value
}
const faultOf = (decoded: Decoded<unknown>) => (decoded._tag === "Wrong" ? decoded.fault : decoded._tag)
/** Endpoints and entries in a form that says all about them, and that compares fast. */
const shown = (header: ProxyHeader.ProxyHeader): string =>
  header.command === "LOCAL"
    ? "LOCAL"
    : [
      header.endpoints?.transport,
      header.endpoints && SocketAddress.format(header.endpoints.source),
      header.endpoints && SocketAddress.format(header.endpoints.destination),
      header.checksum,
      ...header.tlvs.map((tlv) => `${tlv.type}=${toHex(tlv.value)}`)
    ].join(" ")

/** What HAProxy 2.6.12 sent, with `send-proxy-v2` and options, to a server that wrote it down. */
const haproxy = {
  v4:
    `0d0a0d0a000d0a515549540a211100287f0000017f000001a112238d030004b1f73a8b0500123132372e302e302e313a34313233342d7634`,
  v6: `0d0a0d0a000d0a515549540a2121002b00000000000000000000000000000001
    00000000000000000000000000000001a113238d0300040cfa0378`,
  tls:
    `0d0a0d0a000d0a515549540a2111007c7f0000017f000001c744238e0300045de721ae010002683202000e7365727665722e6578616d706c65
    2000500700000000210007544c5376312e3322000e636c69656e742e6578616d706c65250007525341323034382400
    0a5253412d534841323536230016544c535f4145535f3235365f47434d5f534841333834`,
  check: `0d0a0d0a000d0a515549540a20000007030004a9b87e8f`
}

describe("proxyHeader", () => {
  describe("what HAProxy sends", () => {
    it("over IPv4, with a unique ID and a checksum", () => {
      const value = proxiedOf(fromHex(haproxy.v4))
      assert.deepStrictEqual(
        value,
        proxied(endpoints("127.0.0.1:41234", "127.0.0.1:9101"), [{
          type: Type.uniqueId,
          value: utf8("127.0.0.1:41234-v4")
        }], true)
      )
    })

    it("over IPv6", () => {
      const bytes = fromHex(haproxy.v6)
      assert.deepStrictEqual(proxiedOf(bytes), proxied(endpoints("[::1]:41235", "[::1]:9101"), [], true))
      // Both of us put the checksum last, so ours is the same to the byte.
      assert.strictEqual(toHex(ProxyHeader.encode(proxiedOf(bytes))), toHex(bytes))
    })

    it("for a client of TLS with a certificate", () => {
      const value = proxiedOf(fromHex(haproxy.tls))
      assert.isTrue(value.checksum)
      const known = ProxyHeader.known(value.tlvs)
      assert.deepStrictEqual(known, {
        alpn: utf8("h2"),
        authority: "server.example",
        ssl: {
          client: 1 | 2 | 4,
          verify: 0,
          version: "TLSv1.3",
          commonName: "client.example",
          keyAlgorithm: "RSA2048",
          signatureAlgorithm: "RSA-SHA256",
          cipher: "TLS_AES_256_GCM_SHA384"
        }
      })
    })

    it("to see whether its server is alive: LOCAL, with a length that is not 0", () => {
      assert.deepStrictEqual(ProxyHeader.decode(fromHex(haproxy.check)), {
        _tag: "Done",
        value: { command: "LOCAL" },
        used: 23
      })
    })

    it("its own tests of entries: whole ones pass, what follows the header is not of it, others are malformed", () => {
      const whole = header("21", "11", `${v4Block} 0200053132333435`)
      assert.strictEqual(ProxyHeader.known(proxiedOf(whole).tlvs).authority, "12345")
      const followed = ProxyHeader.decode(Uint8Array.of(...whole, ...fromHex("0200053534333231")))
      assert.deepStrictEqual(followed, ProxyHeader.decode(whole))
      assert.strictEqual(faultOf(ProxyHeader.decode(header("21", "11", `${v4Block} 02000a3132333435`))), "malformed")
      assert.strictEqual(faultOf(ProxyHeader.decode(header("21", "11", `${v4Block} 02000431323334 00`))), "malformed")
    })
  })

  describe("what we send", () => {
    it("is the example of the page for IPv4, to the byte", () => {
      const bytes = ProxyHeader.encode(proxied(endpoints("127.0.0.1:42", "127.0.0.1:1337")))
      assert.strictEqual(toHex(bytes), toHex(header("21", "11", v4Block)))
    })

    it("is decoded as it was, in all families and both transports", () => {
      const longest = `unix:${"/".repeat(107)}`
      const pairs = [
        ["192.0.2.1:65535", "198.51.100.7:0"],
        ["[2001:db8::1]:1", "[::ffff:192.0.2.1]:2"],
        ["unix:/run/a.sock", "unix:@abstract"],
        [longest, `unix:@${"é".repeat(53)}x`],
        ["unix:", "unix:./@named"]
      ] as const
      for (const [source, destination] of pairs) {
        for (const transport of ["stream", "datagram"] as const) {
          for (const checksum of [false, true]) {
            const value = proxied(endpoints(source, destination, transport), [
              { type: 0x7f, value: utf8("nobody knows") },
              { type: Type.customFirst, value: new Uint8Array(0) }
            ], checksum)
            const bytes = ProxyHeader.encode(value)
            assert.strictEqual(bytes.length, ProxyHeader.encodedLength(value))
            const decoded = ProxyHeader.decode(Uint8Array.of(...bytes, 1, 2, 3))
            assert.deepStrictEqual(decoded, { _tag: "Done", value, used: bytes.length })
          }
        }
      }
    })

    it("has the family byte of the protocol for each", () => {
      const familyByte = (source: string, destination: string, transport: "stream" | "datagram") =>
        ProxyHeader.encode(proxied(endpoints(source, destination, transport)))[13]
      assert.deepStrictEqual(
        [["1.1.1.1:1", "1.1.1.2:2"], ["[::1]:1", "[::2]:2"], ["unix:/a", "unix:/b"]].flatMap((
          [source, destination]
        ) => [
          familyByte(source!, destination!, "stream"),
          familyByte(source!, destination!, "datagram")
        ]),
        [0x11, 0x12, 0x21, 0x22, 0x31, 0x32]
      )
    })

    it("has an IPv4 address mapped where the other is an IPv6 one, as HAProxy does", () => {
      const bytes = ProxyHeader.encode(proxied(endpoints("192.0.2.1:1", "[2001:db8::1]:2")))
      assert.deepStrictEqual(proxiedOf(bytes).endpoints, endpoints("[::ffff:192.0.2.1]:1", "[2001:db8::1]:2"))
    })

    it("has no endpoints where only one is a Unix-domain path, or none are given", () => {
      const entries = [{ type: 1, value: utf8("h2") }]
      const mixed = [endpoints("unix:/a", "1.1.1.1:1"), endpoints("1.1.1.1:1", "unix:/a"), undefined]
      for (const given of mixed) {
        const bytes = ProxyHeader.encode(proxied(given, entries))
        assert.strictEqual(toHex(bytes), toHex(header("21", "00", tlv(1, "h2"))))
        assert.deepStrictEqual(proxiedOf(bytes), proxied(undefined, entries))
      }
    })

    it("loses the scope of an IPv6 address, which has no place there", () => {
      const bytes = ProxyHeader.encode(proxied(endpoints("[fe80::1%3]:1", "[fe80::2%3]:2")))
      assert.deepStrictEqual(proxiedOf(bytes).endpoints, endpoints("[fe80::1]:1", "[fe80::2]:2"))
    })

    it("is 16 bytes for LOCAL", () => {
      assert.strictEqual(toHex(ProxyHeader.encode({ command: "LOCAL" })), toHex(header("20", "00", "")))
    })

    it("is at most what a header can be, and a RangeError beyond", () => {
      const largest = proxied(undefined, [{ type: 0xe4, value: new Uint8Array(0xffff - 3) }])
      const bytes = ProxyHeader.encode(largest)
      assert.strictEqual(bytes.length, ProxyHeader.maximumLength)
      assert.deepStrictEqual(proxiedOf(bytes), largest)
      const beyond = [{ type: 0xe4, value: new Uint8Array(0xffff - 2) }]
      assert.throws(() => ProxyHeader.encode(proxied(undefined, beyond)), RangeError)
      assert.throws(() => ProxyHeader.encode(proxied(undefined, [{ type: 3, value: new Uint8Array(4) }])), RangeError)
    })
  })

  describe("entries", () => {
    it("of known types are read and written as what they mean", () => {
      const known: ProxyHeader.Known = {
        alpn: utf8("http/1.1"),
        authority: "bücher.example",
        uniqueId: new Uint8Array(128).fill(7),
        ssl: {
          client: 1,
          verify: 0xffff_ffff,
          version: "TLSv1.3",
          commonName: "例",
          cipher: "C",
          signatureAlgorithm: "S",
          keyAlgorithm: "K",
          others: [{ type: 0x26, value: utf8("X25519") }]
        },
        netns: "\ufeffblue",
        others: [{ type: 0xe0, value: utf8("ours") }]
      }
      const bytes = ProxyHeader.encode(proxied(undefined, ProxyHeader.tlvsOf(known), true))
      assert.deepStrictEqual(ProxyHeader.known(proxiedOf(bytes).tlvs), known)
      assert.deepStrictEqual(ProxyHeader.known([]), {})
    })

    it("that come twice, or are no text where they should be, stay with the others; the first counts", () => {
      const others = [
        { type: Type.alpn, value: utf8("second") },
        { type: Type.authority, value: utf8("second") },
        { type: Type.uniqueId, value: utf8("second") },
        { type: Type.netns, value: Uint8Array.of(0xff) },
        { type: Type.ssl, value: new Uint8Array(5) }
      ]
      const ssl = { client: 0, verify: 1, others: [{ type: Type.sslCipher, value: Uint8Array.of(0xc0) }] }
      const tlvs = [
        ...ProxyHeader.tlvsOf({ alpn: utf8("first"), authority: "first", uniqueId: utf8("first"), ssl }),
        ...others
      ]
      const known = ProxyHeader.known(tlvs)
      assert.deepStrictEqual(known, {
        alpn: utf8("first"),
        authority: "first",
        uniqueId: utf8("first"),
        ssl,
        others
      })
      assert.deepStrictEqual(ProxyHeader.tlvsOf(known), tlvs)
    })

    it("for padding are skipped, whatever they hold, and count in the checksum", () => {
      const bytes = ProxyHeader.encode(proxied(undefined, [
        { type: Type.noop, value: new Uint8Array(0) },
        { type: 1, value: utf8("h2") },
        { type: Type.noop, value: utf8("padding") }
      ], true))
      assert.deepStrictEqual(proxiedOf(bytes), proxied(undefined, [{ type: 1, value: utf8("h2") }], true))
      bytes[bytes.length - 8]! ^= 1 // the last byte of the padding
      assert.strictEqual(faultOf(ProxyHeader.decode(bytes)), "checksum")
    })

    it("may have the checksum anywhere among them, once, and of 4 bytes", () => {
      const last = ProxyHeader.encode(proxied(undefined, [{ type: 1, value: utf8("h2") }], true))
      assert.strictEqual(faultOf(ProxyHeader.decode(header("21", "00", tlv(3, "123")))), "malformed")
      assert.strictEqual(faultOf(ProxyHeader.decode(header("21", "00", tlv(3, "12345")))), "malformed")
      const twice = toHex(last.subarray(16)) + toHex(last.subarray(-7))
      assert.strictEqual(faultOf(ProxyHeader.decode(header("21", "00", twice))), "malformed")
      // HAProxy has it first.
      assert.isTrue(proxiedOf(fromHex(haproxy.tls)).checksum)
    })

    it("for SSL that are not whole, and unique IDs of more than 128 bytes, are malformed", () => {
      const fault = (type: number, value: string) =>
        faultOf(ProxyHeader.decode(header("21", "11", v4Block + tlv(type, fromHex(value)))))
      assert.strictEqual(fault(Type.ssl, "01 000000"), "malformed")
      assert.strictEqual(fault(Type.ssl, "01 00000000"), "Done")
      assert.strictEqual(fault(Type.ssl, "01 00000000 21 00"), "malformed")
      assert.strictEqual(fault(Type.ssl, "01 00000000 21 0003 6162"), "malformed")
      assert.strictEqual(fault(Type.ssl, "01 00000000 21 0002 6162"), "Done")
      assert.strictEqual(fault(Type.uniqueId, "00".repeat(128)), "Done")
      assert.strictEqual(fault(Type.uniqueId, "00".repeat(129)), "malformed")
    })
  })

  describe("what the protocol says to reject or to tolerate", () => {
    it("LOCAL is taken with any family, any length and any contents, all of which are skipped", () => {
      for (const family of ["00", "11", "21", "31", "ff"]) {
        for (const block of ["", "00", v4Block, "ff".repeat(300), tlv(3, "bad!")]) {
          const bytes = header("20", family, block)
          const decoded = ProxyHeader.decode(Uint8Array.of(...bytes, 1, 2, 3))
          assert.deepStrictEqual(decoded, { _tag: "Done", value: { command: "LOCAL" }, used: bytes.length })
        }
      }
    })

    it("every other byte for version and command is rejected", () => {
      for (let byte = 0; byte < 256; byte++) {
        const bytes = header(byte.toString(16).padStart(2, "0"), "11", v4Block)
        const expected = byte === 0x20 || byte === 0x21 ? "Done" : "unsupported"
        assert.strictEqual(faultOf(ProxyHeader.decode(bytes)), expected, `0x${byte.toString(16)}`)
      }
    })

    it("unspecified families and transports have no endpoints, unassigned ones are rejected", () => {
      for (let byte = 0; byte < 256; byte++) {
        const [family, transport] = [byte >> 4, byte & 15]
        const block = ["", v4Block, "00".repeat(36), "2f00".repeat(54).repeat(2)][family] ?? ""
        const bytes = header("21", byte.toString(16).padStart(2, "0"), block + tlv(1, "h2"))
        const decoded = ProxyHeader.decode(bytes)
        if (family > 3 || transport > 2) {
          assert.strictEqual(faultOf(decoded), "unsupported", `0x${byte.toString(16)}`)
          continue
        }
        const value = proxiedOf(bytes)
        assert.strictEqual(value.endpoints === undefined, family === 0 || transport === 0, `0x${byte.toString(16)}`)
        assert.deepStrictEqual(value.tlvs, [{ type: 1, value: utf8("h2") }])
      }
    })

    it("a block that is too short for its addresses is rejected before it has come", () => {
      for (const [family, length] of [["11", 12], ["22", 36], ["31", 216]] as const) {
        const whole = header("21", family, "00".repeat(length))
        const short = header("21", family, "00".repeat(length - 1))
        assert.strictEqual(faultOf(ProxyHeader.decode(whole)), "Done")
        assert.strictEqual(faultOf(ProxyHeader.decode(short.subarray(0, 16))), "malformed")
      }
    })

    it("a Unix address that is no text, or fills its field, leaves the header without endpoints", () => {
      const field = (hex: string) => hex.padEnd(216, "0")
      const sourceOf = (hex: string) => proxiedOf(header("21", "31", field(hex) + field("2f62"))).endpoints?.source
      assert.deepStrictEqual(sourceOf("2f61"), at("unix:/a"))
      assert.deepStrictEqual(sourceOf("2f61 00 2f63".replaceAll(" ", "")), at("unix:/a"))
      assert.deepStrictEqual(sourceOf("006100"), at("unix:@a"))
      assert.isUndefined(sourceOf("00610062"))
      assert.isUndefined(sourceOf("2fff"))
      assert.isUndefined(sourceOf("2f".repeat(108)))
      assert.deepStrictEqual(sourceOf(`00${"61".repeat(107)}`), at(`unix:@${"a".repeat(107)}`))
    })

    it("other protocols are foreign from the first byte that differs", () => {
      const others = [
        "GET / HTTP/1.1\r\n",
        "\x16\x03\x01\x02\x00",
        "SSH-2.0-x\r\n",
        "EHLO x\r\n",
        "PING\r\n",
        "\r\n\r\nQ"
      ]
      for (const text of others) {
        const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0))
        assert.strictEqual(faultOf(ProxyHeader.decode(bytes)), "foreign", text)
      }
      const bytes = header("21", "11", v4Block)
      for (let i = 0; i < 12; i++) {
        const other = bytes.slice(0, i + 1)
        other[i]! ^= 0x80
        assert.strictEqual(faultOf(ProxyHeader.decode(other)), "foreign")
      }
    })

    it("version 1 is told by its name", () => {
      const decoded = ProxyHeader.decode(utf8("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"))
      assert.strictEqual(faultOf(decoded), "foreign")
      assert.include(decoded._tag === "Wrong" ? decoded.why : "", "version 1")
    })
  })

  describe("a header that comes in pieces", () => {
    const samples = [
      ...Object.values(haproxy).map(fromHex),
      header("21", "11", v4Block),
      header("21", "32", "2f00".repeat(108)),
      ProxyHeader.encode({ command: "LOCAL" })
    ]

    it("needs more at every byte but the last, and says how much that is known to be", () => {
      for (const bytes of samples) {
        for (let length = 0; length < bytes.length; length++) {
          const atLeast = length < 16 ? 16 : bytes.length
          assert.deepStrictEqual(ProxyHeader.decode(bytes.subarray(0, length)), { _tag: "Need", atLeast })
        }
        assert.strictEqual(ProxyHeader.decode(bytes)._tag, "Done")
      }
    })

    it("is malformed where it says that it is shorter, at every length that cuts an entry or an address", () => {
      // The ends of the addresses and of each entry of the one for TLS, as the test of HAProxy's bytes has them.
      const bytes = fromHex(haproxy.tls)
      const ends = new Set([28, 35, 40, 57, bytes.length])
      for (let total = 16; total < bytes.length; total++) {
        const cut = bytes.slice(0, total)
        cut[14] = (total - 16) >> 8
        cut[15] = total - 16
        const expected = !ends.has(total) ? "malformed" : total >= 35 ? "checksum" : "Done"
        assert.strictEqual(faultOf(ProxyHeader.decode(cut)), expected, `${total} bytes`)
      }
    })

    it("is checked against its bound as soon as it says its length", () => {
      const bytes = header("21", "11", v4Block + tlv(0xe4, new Uint8Array(1000)))
      assert.strictEqual(faultOf(ProxyHeader.decode(bytes.subarray(0, 16), bytes.length - 1)), "tooLong")
      assert.strictEqual(faultOf(ProxyHeader.decode(bytes.subarray(0, 16), bytes.length)), "Need")
      assert.strictEqual(faultOf(ProxyHeader.decode(bytes, bytes.length)), "Done")
      const local = header("20", "00", "00".repeat(100))
      assert.strictEqual(faultOf(ProxyHeader.decode(local, 115)), "tooLong")
    })
  })

  it("one bit that changed in a header with a checksum never passes as a checked header", () => {
    for (const bytes of [fromHex(haproxy.v4), fromHex(haproxy.tls)]) {
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        const other = bytes.slice()
        other[bit >> 3]! ^= 1 << (bit & 7)
        const decoded = ProxyHeader.decode(other)
        // What is left: the command became LOCAL, the checksum is none any more, or more bytes are announced.
        const passed = decoded._tag === "Done" && decoded.value.command === "PROXY" && decoded.value.checksum
        assert.isFalse(passed, `bit ${bit}`)
      }
    }
  })

  it("a value shares nothing with the bytes that it was decoded from, also those of a Buffer", () => {
    const bytes = Buffer.from(ProxyHeader.encode(proxied(undefined, [{ type: 0xe4, value: utf8("kept") }])))
    const value = proxiedOf(bytes)
    bytes.fill(0)
    assert.deepStrictEqual(value.tlvs[0]!.value, utf8("kept"))
  })

  describe("fuzz", () => {
    const addresses = (random: Random): [string, string] => {
      const port = () => random.below(65536)
      switch (random.below(3)) {
        case 0: {
          const host = () => random.bytes(4).join(".")
          return [`${host()}:${port()}`, `${host()}:${port()}`]
        }
        case 1: {
          const host = () => Array.from({ length: 8 }, () => random.below(65536).toString(16)).join(":")
          return [`[${host()}]:${port()}`, `[${host()}]:${port()}`]
        }
        default: {
          const path = () => `unix:${random.pick(["", "@a", "/"])}${random.text(random.below(26))}`
          return [path(), path()]
        }
      }
    }
    const anyHeader = (random: Random): ProxyHeader.ProxyHeader => {
      if (random.below(16) === 0) return { command: "LOCAL" }
      const given: ProxyHeader.Known = {
        ...(random.below(4) === 0 ? { alpn: random.bytes(random.below(12)) } : {}),
        ...(random.below(4) === 0 ? { authority: random.text(random.below(40)) } : {}),
        ...(random.below(4) === 0 ? { uniqueId: random.bytes(random.below(129)) } : {}),
        ...(random.below(4) === 0
          ? { ssl: { client: random.below(8), verify: random.below(2), version: "TLSv1.3", cipher: random.text(5) } }
          : {}),
        ...(random.below(4) === 0 ? { netns: random.text(6) } : {}),
        ...(random.below(2) === 0
          ? { others: [{ type: 0xe0 + random.below(16), value: random.bytes(random.below(60)) }] }
          : {})
      }
      const [source, destination] = addresses(random)
      return proxied(
        random.below(8) === 0 ? undefined : endpoints(source, destination, random.pick(["stream", "datagram"])),
        ProxyHeader.tlvsOf(given),
        random.below(2) === 0
      )
    }
    const prefix = fromHex(signature)
    const anyBytes = (random: Random): Uint8Array => {
      switch (random.below(8)) {
        case 0:
          return random.bytes(random.below(300))
        case 1:
          return Uint8Array.of(
            ...prefix,
            random.pick([0x20, 0x21, 0x21]),
            random.pick([0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32]),
            random.below(2),
            random.below(256),
            ...random.bytes(random.below(500))
          )
        default:
          return random.mutate(ProxyHeader.encode(anyHeader(random)))
      }
    }

    it("decode ∘ encode is identity", () => {
      const random = new Random(2)
      for (let i = 0; i < inputs / 4; i++) {
        const value = anyHeader(random)
        const bytes = ProxyHeader.encode(value)
        const decoded = ProxyHeader.decode(bytes, bytes.length)
        if (decoded._tag !== "Done" || decoded.used !== bytes.length || shown(decoded.value) !== shown(value)) {
          assert.deepStrictEqual(decoded, { _tag: "Done", value, used: bytes.length })
        }
      }
    })

    it("no input is a defect, none makes it allocate or ask for more than its bound, and what passes is what it is", () => {
      const random = new Random(1)
      const seen = new Map<string, number>()
      for (let i = 0; i < inputs; i++) {
        const bytes = anyBytes(random)
        const bound = random.pick([16, 100, 300, 1000, ProxyHeader.maximumLength])
        const failed = (what: string) => assert.fail(`${what}: input ${i}, bound ${bound}: ${toHex(bytes)}`)
        const [decoded, allocated] = allocating(() => ProxyHeader.decode(bytes, bound))
        const outcome = faultOf(decoded)
        seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
        if (decoded._tag === "Need") {
          if (allocated > 0) failed(`allocated ${allocated} bytes before all was there`)
          if (decoded.atLeast <= bytes.length || decoded.atLeast > bound) failed(`asks for ${decoded.atLeast}`)
        } else if (decoded._tag === "Done") {
          if (decoded.used > Math.min(bytes.length, bound)) failed(`used ${decoded.used}`)
          if (allocated > decoded.used) failed(`allocated ${allocated} bytes of ${decoded.used}`)
          const again = ProxyHeader.decode(ProxyHeader.encode(decoded.value))
          if (again._tag !== "Done" || shown(again.value) !== shown(decoded.value)) failed("is another when sent again")
          if (decoded.value.command === "PROXY") ProxyHeader.known(decoded.value.tlvs)
        } else if (allocated > Math.min(bytes.length, bound)) failed(`allocated ${allocated} bytes`)
      }
      // else the inputs would not reach all of it
      for (const outcome of ["Need", "Done", "foreign", "unsupported", "malformed", "checksum", "tooLong"]) {
        assert.isAbove(seen.get(outcome) ?? 0, inputs / 1000, outcome)
      }
    })
  })
})
