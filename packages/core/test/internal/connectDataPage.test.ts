import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import path from "node:path"
import * as Frames from "../../src/internal/exchangeFrames.ts"
import * as ProxyHeader from "../../src/internal/proxyHeader.ts"
import { fromHex, toHex } from "../utils/fuzz.ts"
import { at } from "../utils/machines.ts"

const page = readFileSync(path.join(import.meta.dirname, "../../../../docs/connect-data.md"), "utf8")

/** The bytes of a dump of the page; its offsets have to be right. */
const dump = (name: string): Uint8Array => {
  const text = new RegExp(`\`\`\`hexdump ${name}\n(.*?)\n\`\`\``, "s").exec(page)?.[1]
  if (text === undefined) throw new Error(`the page has no dump ${name}`)
  let hex = ""
  for (const line of text.split("\n")) {
    assert.strictEqual(Number.parseInt(line.slice(0, 4), 16), hex.length / 2, line)
    hex += line.slice(6, 54).replaceAll(" ", "")
  }
  return fromHex(hex)
}
const utf8 = (text: string) => new TextEncoder().encode(text)

describe("docs/connect-data.md", () => {
  it("its header is what we send for what it says, and is read so", () => {
    const call = { callerData: utf8("acme"), socketQos: undefined, groupQos: undefined, calleeCapacity: 64 }
    const header: ProxyHeader.ProxyHeader = {
      command: "PROXY",
      endpoints: { transport: "stream", source: at("192.0.2.1:50000"), destination: at("198.51.100.7:443") },
      tlvs: ProxyHeader.tlvsOf({
        authority: "shop.test",
        others: [{ type: Frames.defaultType, value: Frames.encodeCall(call) }]
      }),
      checksum: true
    }
    const bytes = dump("header")
    assert.strictEqual(toHex(bytes), toHex(ProxyHeader.encode(header)))
    assert.deepStrictEqual(ProxyHeader.decode(bytes), { _tag: "Done", value: header, used: bytes.length })
    assert.deepStrictEqual(Frames.decodeCall(header.tlvs[1]!.value), { _tag: "Done", value: call, used: 15 })
  })

  it("its replies are what we send for what it says, and are read so", () => {
    const replies: ReadonlyArray<Frames.Reply> = [
      { verdict: "accepted", calleeData: utf8("hello") },
      { verdict: "rejected", calleeData: new Uint8Array(0) }
    ]
    for (const reply of replies) {
      const bytes = dump(reply.verdict)
      assert.strictEqual(toHex(bytes), toHex(Frames.encodeReply(reply)))
      assert.deepStrictEqual(Frames.decodeReply(bytes, 64), { _tag: "Done", value: reply, used: bytes.length })
    }
  })

  it("its tables have the signature, the magic and the type that we use", () => {
    const inPage = (bytes: Uint8Array) => page.includes(`\`${toHex(bytes).replaceAll(/(..)(?=.)/g, "$1 ")}\``)
    assert.isTrue(inPage(ProxyHeader.encode({ command: "LOCAL" }).subarray(0, 12)))
    assert.isTrue(inPage(Frames.magic))
    assert.isTrue(inPage(Uint8Array.of(Frames.defaultType)))
  })
})
