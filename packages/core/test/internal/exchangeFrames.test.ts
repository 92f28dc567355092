import { assert, describe, it } from "@effect/vitest"
import type { Decoded } from "../../src/internal/decoded.ts"
import * as Frames from "../../src/internal/exchangeFrames.ts"
import { allocating, fromHex, inputs, Random, toHex } from "../utils/fuzz.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)
const faultOf = (decoded: Decoded<unknown>) => (decoded._tag === "Wrong" ? decoded.fault : decoded._tag)

const nothing: Frames.Call = {
  callerData: undefined,
  socketQos: undefined,
  groupQos: undefined,
  calleeCapacity: 0
}

describe("exchangeFrames", () => {
  describe("the caller's part", () => {
    const all: Frames.Call = {
      callerData: utf8("tenant"),
      socketQos: new Uint8Array(68),
      groupQos: Uint8Array.of(9),
      calleeCapacity: 0xffff_ffff
    }

    it("R12: is decoded as it was, and no bytes are not the same as none given", () => {
      const calls = [
        all,
        nothing,
        { ...nothing, callerData: new Uint8Array(0) },
        { ...all, socketQos: undefined },
        { ...all, calleeCapacity: undefined }
      ]
      for (const call of calls) {
        const bytes = Frames.encodeCall(call)
        assert.deepStrictEqual(Frames.decodeCall(bytes), { _tag: "Done", value: call, used: bytes.length })
      }
    })

    it("has its bytes as the page says", () => {
      assert.strictEqual(
        toHex(Frames.encodeCall({ ...nothing, callerData: utf8("hi"), calleeCapacity: 64 })),
        toHex(fromHex("01  01 0002 6869  04 0004 00000040"))
      )
    })

    it("R13: no capacity is not one of 0: the caller waits for no reply", () => {
      const value = { ...nothing, calleeCapacity: undefined }
      assert.deepStrictEqual(Frames.decodeCall(Uint8Array.of(1)), { _tag: "Done", value, used: 1 })
      assert.deepStrictEqual(Frames.encodeCall(value), Uint8Array.of(1))
    })

    it("skips records of kinds to come", () => {
      const decoded = Frames.decodeCall(fromHex("01  00 0000 00 0000  05 0000 05 0000  01 0001 61  ff 0000"))
      assert.deepStrictEqual(decoded, {
        _tag: "Done",
        value: { ...nothing, callerData: utf8("a"), calleeCapacity: undefined },
        used: 20
      })
    })

    it("of another version is unsupported", () => {
      assert.strictEqual(faultOf(Frames.decodeCall(Uint8Array.of(0))), "unsupported")
      assert.strictEqual(faultOf(Frames.decodeCall(fromHex("02 01 0001 61"))), "unsupported")
    })

    it("is malformed with a record twice, with a capacity that is not 4 bytes, and empty", () => {
      for (const hex of ["", "01 01 0001 61 01 0001 62", "01 04 0003 000000", "01 04 0005 0000000000"]) {
        assert.strictEqual(faultOf(Frames.decodeCall(fromHex(hex))), "malformed", hex)
      }
    })

    it("is malformed cut at every byte but between records", () => {
      const bytes = Frames.encodeCall(all)
      const ends = new Set([1, 10, 81, 85, bytes.length])
      for (let length = 0; length <= bytes.length; length++) {
        const expected = ends.has(length) ? "Done" : "malformed"
        assert.strictEqual(faultOf(Frames.decodeCall(bytes.subarray(0, length))), expected, `${length} bytes`)
      }
    })

    it("R27: shares nothing with the bytes that it was decoded from", () => {
      const bytes = Buffer.from(Frames.encodeCall(all))
      const decoded = Frames.decodeCall(bytes)
      bytes.fill(0)
      assert.deepStrictEqual(decoded, { _tag: "Done", value: all, used: bytes.length })
    })

    it("throws a RangeError where a record is longer than it can say", () => {
      assert.throws(() => Frames.encodeCall({ ...nothing, callerData: new Uint8Array(65536) }), RangeError)
    })
  })

  describe("the reply", () => {
    const accepted: Frames.Reply = { verdict: "accepted", calleeData: utf8("welcome") }
    const samples: ReadonlyArray<Frames.Reply> = [
      accepted,
      { verdict: "accepted", calleeData: new Uint8Array(0) },
      { verdict: "rejected", calleeData: new Uint8Array(0) },
      { verdict: "accepted", calleeData: new Uint8Array(100_000).fill(1) }
    ]

    it("is decoded as it was, and what follows belongs to the stream", () => {
      for (const reply of samples) {
        const bytes = Frames.encodeReply(reply)
        assert.strictEqual(bytes.length, Frames.replyOverhead + reply.calleeData.length)
        const decoded = Frames.decodeReply(Uint8Array.from([...bytes, 1, 2, 3]), 100_000)
        assert.deepStrictEqual(decoded, { _tag: "Done", value: reply, used: bytes.length })
      }
    })

    it("needs more at every byte but the last", () => {
      const bytes = Frames.encodeReply(accepted)
      for (let length = 0; length < bytes.length; length++) {
        assert.deepStrictEqual(Frames.decodeReply(bytes.subarray(0, length), 7), {
          _tag: "Need",
          atLeast: length < 20 ? 20 : bytes.length
        })
      }
    })

    it("is checked against its bound as soon as it says its length", () => {
      const bytes = Frames.encodeReply(accepted)
      assert.strictEqual(faultOf(Frames.decodeReply(bytes.subarray(0, 20), 6)), "tooLong")
      assert.strictEqual(faultOf(Frames.decodeReply(bytes.subarray(0, 20), 7)), "Need")
      bytes.fill(0xff, 16, 20)
      assert.strictEqual(faultOf(Frames.decodeReply(bytes, 0xffff_fffe)), "tooLong")
    })

    it("of another version, or with another verdict, is unsupported", () => {
      for (let byte = 0; byte < 256; byte++) {
        const [version, verdict] = [Frames.encodeReply(accepted), Frames.encodeReply(accepted)]
        version[12] = byte
        verdict[13] = byte
        assert.strictEqual(faultOf(Frames.decodeReply(version, 100)), byte === 1 ? "Done" : "unsupported")
        const expected = byte === 1 ? "Done" : byte === 2 ? "checksum" : "unsupported"
        assert.strictEqual(faultOf(Frames.decodeReply(verdict, 100)), expected)
      }
    })

    it("with any one bit changed never passes", () => {
      const bytes = Frames.encodeReply(accepted)
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        const other = bytes.slice()
        other[bit >> 3]! ^= 1 << (bit & 7)
        assert.notStrictEqual(Frames.decodeReply(other, 100)._tag, "Done", `bit ${bit}`)
      }
    })

    it("E17: a peer that speaks something else is foreign at its first byte", () => {
      const greetings = {
        "HTTP/1.1": "HTTP/1.1 400 Bad Request\r\n",
        "HTTP/2": "\x00\x00\x06\x04\x00\x00\x00\x00\x00",
        "TLS": "\x15\x03\x03\x00\x02\x02\x46",
        "SSLv2": "\x80\x1f\x04",
        "SSH": "SSH-2.0-OpenSSH_9.2\r\n",
        "SMTP": "220 mail.example ESMTP\r\n",
        "IMAP": "* OK ready\r\n",
        "Redis": "-ERR unknown command\r\n",
        "PROXY version 1": "PROXY TCP4 ",
        "PROXY version 2": "\r\n\r\n\x00\r\nQUIT\n",
        "MySQL": "\x4a\x00\x00\x00\x0a8.0.36",
        "PostgreSQL": "E\x00\x00\x00",
        "SOCKS5": "\x05\x00",
        "SOCKS4": "\x00\x5a",
        "LDAP": "\x30\x24\x02\x01\x00",
        "Telnet": "\xff\xfd\x18",
        "BitTorrent": "\x13BitTorrent protocol",
        "RDP": "\x03\x00\x00\x13"
      }
      for (const [protocol, greeting] of Object.entries(greetings)) {
        const first = Uint8Array.of(greeting.charCodeAt(0))
        assert.strictEqual(faultOf(Frames.decodeReply(first, 100)), "foreign", protocol)
      }
      // No text in UTF-8 begins with a byte that goes on with a character.
      assert.strictEqual(Frames.magic[0]! & 0xc0, 0x80)
    })

    it("R27: shares nothing with the bytes that it was decoded from", () => {
      const bytes = Buffer.from(Frames.encodeReply(accepted))
      const decoded = Frames.decodeReply(bytes, 100)
      bytes.fill(0)
      assert.deepStrictEqual(decoded, { _tag: "Done", value: accepted, used: bytes.length })
    })
  })

  describe("fuzz", () => {
    const anyCall = (random: Random): Frames.Call => {
      const some = (most: number) => (random.below(2) === 0 ? undefined : random.bytes(random.below(most)))
      return {
        callerData: some(80),
        socketQos: some(40),
        groupQos: some(40),
        calleeCapacity: random.pick([undefined, 0, 1, 1024, 0xffff_ffff])
      }
    }
    const anyReply = (random: Random): Frames.Reply => ({
      verdict: random.pick(["accepted", "rejected"]),
      calleeData: random.bytes(random.below(200))
    })
    const shownCall = (call: Frames.Call) =>
      [call.callerData, call.socketQos, call.groupQos].map((part) => part && toHex(part)).join() + call.calleeCapacity
    const shownReply = (reply: Frames.Reply) => reply.verdict + toHex(reply.calleeData)

    it("no caller's part is a defect, and what passes is what it is", () => {
      const random = new Random(3)
      const seen = new Map<string, number>()
      for (let i = 0; i < inputs; i++) {
        const call = anyCall(random)
        const intact = random.below(4) === 0
        const bytes = intact
          ? Frames.encodeCall(call)
          : random.below(4) === 0
          ? Uint8Array.of(1, ...random.bytes(random.below(100)))
          : random.mutate(Frames.encodeCall(call))
        const failed = (what: string) => assert.fail(`${what}: input ${i}: ${toHex(bytes)}`)
        const [decoded, allocated] = allocating(() => Frames.decodeCall(bytes))
        seen.set(faultOf(decoded), (seen.get(faultOf(decoded)) ?? 0) + 1)
        if (allocated > bytes.length) failed(`allocated ${allocated} bytes`)
        if (decoded._tag !== "Done") {
          if (intact) failed("what was sent is refused")
          continue
        }
        if (decoded.used !== bytes.length) failed(`used ${decoded.used}`)
        if (intact && shownCall(decoded.value) !== shownCall(call)) failed("is not what was sent")
        const again = Frames.decodeCall(Frames.encodeCall(decoded.value))
        if (again._tag !== "Done" || shownCall(again.value) !== shownCall(decoded.value)) {
          failed("is another when sent again")
        }
      }
      for (const outcome of ["Done", "unsupported", "malformed"]) {
        assert.isAbove(seen.get(outcome) ?? 0, inputs / 1000, outcome)
      }
    })

    it("no reply is a defect, none makes it allocate or ask for more than its bound, and what passes is what it is", () => {
      const random = new Random(4)
      const seen = new Map<string, number>()
      for (let i = 0; i < inputs; i++) {
        const reply = anyReply(random)
        const intact = random.below(4) === 0
        const bytes = intact
          ? Frames.encodeReply(reply)
          : random.below(8) === 0
          ? Uint8Array.of(...Frames.magic, 1, 1, 0, 0, 0, 0, 0, random.below(256), ...random.bytes(random.below(200)))
          : random.mutate(Frames.encodeReply(reply))
        const bound = random.pick([0, 50, 200, 0xffff_ffff])
        const failed = (what: string) => assert.fail(`${what}: input ${i}, bound ${bound}: ${toHex(bytes)}`)
        const [decoded, allocated] = allocating(() => Frames.decodeReply(bytes, bound))
        seen.set(faultOf(decoded), (seen.get(faultOf(decoded)) ?? 0) + 1)
        if (decoded._tag === "Need") {
          if (allocated > 0) failed(`allocated ${allocated} bytes before all was there`)
          if (decoded.atLeast <= bytes.length || decoded.atLeast > bound + Frames.replyOverhead) {
            failed(`asks for ${decoded.atLeast}`)
          }
        } else if (decoded._tag === "Done") {
          if (decoded.used > bytes.length) failed(`used ${decoded.used}`)
          if (allocated > Math.min(bytes.length, bound)) failed(`allocated ${allocated} bytes`)
          const again = Frames.decodeReply(Frames.encodeReply(decoded.value), bound)
          if (again._tag !== "Done" || shownReply(again.value) !== shownReply(decoded.value)) {
            failed("is another when sent again")
          }
          if (intact && shownReply(decoded.value) !== shownReply(reply)) failed("is not what was sent")
        } else {
          if (intact && decoded.fault !== "tooLong") failed("what was sent is refused")
          if (allocated > 0) failed(`allocated ${allocated} bytes`)
        }
      }
      for (const outcome of ["Need", "Done", "foreign", "unsupported", "checksum", "tooLong"]) {
        assert.isAbove(seen.get(outcome) ?? 0, inputs / 1000, outcome)
      }
    })
  })
})
