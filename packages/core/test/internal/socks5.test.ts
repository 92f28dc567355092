import { assert, describe, it } from "@effect/vitest"
import { Host, type NetAddress } from "effect/net"
import type { Decoded } from "../../src/internal/decoded.ts"
import * as Socks5 from "../../src/internal/socks5.ts"
import { allocating, fromHex, inputs, Random, toHex } from "../utils/fuzz.ts"

const faultOf = (decoded: Decoded<unknown>) => (decoded._tag === "Wrong" ? decoded.fault : decoded._tag)
const utf8 = (text: string) => new TextEncoder().encode(text)

const answers = {
  IPv4: fromHex("05 00 00 01  c0000201 1f90"),
  IPv6: fromHex("05 00 00 04  20010db8000000000000000000000001 1f90"),
  name: fromHex("05 00 00 03  05 68656c6c6f 1f90"),
  empty: fromHex("05 00 00 03  00 1f90"),
  longest: Uint8Array.from([5, 0, 0, 3, 255, ...new Uint8Array(257)])
}

const decoders: { readonly [name: string]: (bytes: Uint8Array) => Decoded<unknown> } = {
  choice: Socks5.decodeChoice,
  verdict: Socks5.decodeVerdict,
  reply: Socks5.decodeReply
}

describe("socks5", () => {
  it("says what RFC 1928 has a client say", () => {
    const connect = (host: string, port: number) => {
      const read = Host.hostFromStringUnsafe(host)
      return toHex(Socks5.encodeConnect(read as NetAddress.IpAddress | Host.DomainName, port))
    }
    assert.strictEqual(toHex(Socks5.encodeGreeting([0, 2])), "05020002")
    assert.strictEqual(connect("192.0.2.1", 443), "05010001c000020101bb")
    assert.strictEqual(connect("2001:db8::1", 80), "0501000420010db80000000000000000000000010050")
    assert.strictEqual(connect("a.test", 65535), `0501000306${toHex(utf8("a.test"))}ffff`)
    const longest = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(61)}.`
    assert.strictEqual(Socks5.encodeConnect(Host.domainNameFromStringUnsafe(longest), 1)[4], 254)
  })

  it("says user and password as RFC 1929 has it, also as long as they may be", () => {
    assert.strictEqual(toHex(Socks5.encodeLogin(utf8("ab"), utf8("é"))), "0102616202c3a9")
    const longest = Socks5.encodeLogin(new Uint8Array(255).fill(1), new Uint8Array(255).fill(2))
    assert.strictEqual(longest.length, 3 + 255 + 255)
    assert.deepStrictEqual([longest[1], longest[257]], [255, 255])
  })

  it("reads a reply with every kind of address, and what follows belongs to the target", () => {
    for (const [name, bytes] of Object.entries(answers)) {
      const decoded = Socks5.decodeReply(Uint8Array.from([...bytes, 1, 2, 3]))
      assert.deepStrictEqual(decoded, { _tag: "Done", value: { code: 0 }, used: bytes.length }, name)
      assert.isAtMost(bytes.length, Socks5.maximumLength)
    }
  })

  it("needs more at every byte of a reply but the last, and never more than there are", () => {
    for (const [name, bytes] of Object.entries(answers)) {
      for (let length = 0; length < bytes.length; length++) {
        const decoded = Socks5.decodeReply(bytes.subarray(0, length))
        if (decoded._tag !== "Need") return assert.fail(`${name} at ${length}: ${decoded._tag}`)
        assert.isAbove(decoded.atLeast, length)
        assert.isAtMost(decoded.atLeast, bytes.length)
      }
    }
  })

  it("has read a reply that refuses with its code, whatever follows", () => {
    for (let code = 1; code < 256; code++) {
      assert.deepStrictEqual(Socks5.decodeReply(Uint8Array.of(5, code)), { _tag: "Done", value: { code }, used: 2 })
    }
  })

  it("takes any method and any verdict, and decides on neither", () => {
    for (let byte = 0; byte < 256; byte++) {
      assert.deepStrictEqual(Socks5.decodeChoice(Uint8Array.of(5, byte)), { _tag: "Done", value: byte, used: 2 })
      assert.deepStrictEqual(Socks5.decodeVerdict(Uint8Array.of(1, byte)), { _tag: "Done", value: byte, used: 2 })
    }
  })

  it("is foreign at the first byte that is not as it should be: HTTP, SOCKS4, TLS", () => {
    for (const [name, decode] of Object.entries(decoders)) {
      const own = name === "verdict" ? 1 : 5
      for (let byte = 0; byte < 256; byte++) {
        assert.strictEqual(faultOf(decode(Uint8Array.of(byte))), byte === own ? "Need" : "foreign", `${name} ${byte}`)
      }
    }
  })

  it("is malformed with an address of a type that is none", () => {
    for (let type = 0; type < 256; type++) {
      const expected = [1, 3, 4].includes(type) ? "Need" : "malformed"
      assert.strictEqual(faultOf(Socks5.decodeReply(Uint8Array.of(5, 0, 0, type))), expected)
    }
  })

  it("never throws, never takes what is not there, and allocates nothing, whatever comes", () => {
    const random = new Random(1928)
    const seeds = Object.values(answers)
    const seen = new Set<string>()
    for (let i = 0; i < inputs; i++) {
      const bytes = i % 3 === 0 ? random.bytes(random.below(20)) : random.mutate(random.pick(seeds))
      for (const [name, decode] of Object.entries(decoders)) {
        const [decoded, allocated] = allocating(() => decode(bytes))
        assert.strictEqual(allocated, 0)
        if (decoded._tag === "Done") assert.isAtMost(decoded.used, bytes.length)
        if (decoded._tag === "Need") assert.isAbove(decoded.atLeast, bytes.length)
        seen.add(`${name} ${faultOf(decoded)}`)
        // What has been said of the beginning holds for the whole.
        const part = decode(bytes.subarray(0, random.below(bytes.length + 1)))
        if (part._tag !== "Need") assert.deepStrictEqual(part, decoded)
      }
    }
    assert.sameMembers([...seen], [
      ...Object.keys(decoders).flatMap((name) => [`${name} Need`, `${name} Done`, `${name} foreign`]),
      "reply malformed"
    ])
  })
})
