// The carriers over the in-memory provider, held to the contract of a provider event by event.
import { Provider, SocketAddress } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { afterEach, assert, describe, it } from "@effect/vitest"
import { decorate } from "../../../src/internal/connectData/provider.ts"
import type { Settings } from "../../../src/internal/connectData/speech.ts"
import * as Frames from "../../../src/internal/exchangeFrames.ts"
import * as Header from "../../../src/internal/proxyHeader.ts"
import {
  at,
  bytesOf,
  codeOf,
  End,
  FakeTime,
  forwarding,
  forwardingHandle,
  generous,
  settle,
  succeed,
  textOf
} from "../../utils/carried.ts"
import { Random } from "../../utils/fuzz.ts"

const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200)

const exchange: Settings = {
  replies: true,
  connects: true,
  listens: true,
  callerDataMax: 1024,
  calleeDataMax: 1024,
  type: Frames.defaultType,
  entries: {},
  headerTimeout: 5000,
  replyTimeout: 20_000,
  pendingMax: 100
}
const proxy: Settings = { ...exchange, replies: false, calleeDataMax: 0 }

const here = "127.0.0.1:80"
const nothing = { handles: 0, listeners: 0, streams: 0, attempts: 0 }

class World {
  readonly time = new FakeTime()
  readonly memory: ReturnType<typeof Memory.make>
  readonly provider: Provider.Provider
  private readonly ends: Array<End> = []

  private readonly isGenerous: boolean

  constructor(settings: Partial<Settings> = {}, options: Memory.Options = {}, base = exchange, isGenerous = false) {
    this.isGenerous = isGenerous
    this.memory = Memory.make(options)
    const below = isGenerous ? generous(this.memory.provider) : this.memory.provider
    this.provider = decorate(below, { ...base, ...settings }, this.time)
  }

  keep(end: End): End {
    this.ends.push(end)
    end.isExact = !this.isGenerous
    return end
  }

  /** A socket that speaks what the carrier speaks. */
  open(family: SocketAddress.Family = "IPv4"): End {
    return this.keep(End.open(this.provider, family))
  }

  /** A socket of somebody who does not. */
  plain(family: SocketAddress.Family = "IPv4"): End {
    return this.keep(End.open(this.memory.provider, family))
  }

  listen(end = this.open(), address = here): End {
    const local = succeed(end.handle.bind(at(address), { reuse: false, v6Only: true }))
    succeed(end.handle.listen({ backlog: 5, local, keepLocalPort: false }))
    return end
  }

  accept(listener: End, calleeData?: string): End {
    const request = listener.callers.shift()
    if (request === undefined) return assert.fail("nobody calls")
    return this.keep(succeed(End.accept(request, calleeData === undefined ? undefined : bytesOf(calleeData))))
  }

  async pair() {
    const listener = this.listen()
    const client = this.open().read(1000)
    client.connect(here)
    await settle()
    const server = this.accept(listener).read(1000)
    await settle()
    return { listener, client, server }
  }

  /** Everything was given back once all is closed. */
  async over(): Promise<void> {
    for (const end of this.ends) if (!end.isClosing) end.close()
    await settle()
    for (const end of this.ends) if (!end.isClosed) end.handle.close("reset")
    await settle()
    for (const end of this.ends) {
      assert.isTrue(end.isClosed, end.events.join())
      assert.strictEqual(end.events.filter((event) => event === "closed").length, 1)
    }
    assert.deepStrictEqual(this.memory.control.counts(), nothing)
    assert.strictEqual(this.time.armed, 0, "timers that are left")
  }
}

let world = new World()
const begin = (...args: ConstructorParameters<typeof World>) => world = new World(...args)
afterEach(() => world.over())

const callOf = (call: Partial<Frames.Call>) =>
  Frames.encodeCall({
    callerData: undefined,
    socketQos: undefined,
    groupQos: undefined,
    calleeCapacity: 0,
    ...call
  })

const headerOf = (call: Uint8Array | undefined, more: Partial<Header.Proxied> = {}) =>
  Header.encode({
    command: "PROXY",
    endpoints: { transport: "stream", source: at("192.0.2.1:50000"), destination: at("198.51.100.7:443") },
    tlvs: call === undefined ? [] : [{ type: Frames.defaultType, value: call }],
    checksum: true,
    ...more
  })

const header = headerOf(callOf({ callerData: bytesOf("acme"), calleeCapacity: 8 }))
const reply = (calleeData: string, verdict: Frames.Reply["verdict"] = "accepted") =>
  Frames.encodeReply({ verdict, calleeData: bytesOf(calleeData) })
const join = (...parts: ReadonlyArray<Uint8Array>) => Uint8Array.from(parts.flatMap((part) => Array.from(part)))

describe("the exchange", () => {
  it("R12, R13, R14: a connect is there once it is accepted, with callee data cut to the room there is", async () => {
    const { open, listen, accept } = bound(begin())
    const listener = listen()
    const client = open()
    assert.strictEqual(client.connect(here, { callerData: bytesOf("acme"), calleeCapacity: 5 }), "pending")
    await settle()
    assert.deepStrictEqual(client.events, ["issued"])
    const [request] = listener.callers
    assert.strictEqual(textOf(request!.callerData), "acme")
    assert.strictEqual(SocketAddress.format(request!.local), here)
    assert.strictEqual(SocketAddress.format(request!.remote), SocketAddress.format(client.handle.local()!))
    const server = accept(listener, "welcome")
    await settle()
    assert.deepStrictEqual(client.events, ["issued", "connected [welco]"])
    assert.strictEqual(codeOf(request!.accept(new End(), undefined)), "WSAEINVAL")
    client.read(100)
    server.read(100)
    client.write("there")
    server.write("and back")
    await settle()
    assert.strictEqual(server.text, "there")
    assert.strictEqual(client.text, "and back")
  })

  it("R13: more than the caller's own bound is not asked for, and none where there is no room", async () => {
    const { open, listen, accept } = bound(begin({ calleeDataMax: 3 }))
    const listener = listen()
    const clients = [0xffff_ffff, 0].map((calleeCapacity) => {
      const client = open()
      client.connect(here, { calleeCapacity })
      return client
    })
    await settle()
    accept(listener, "abc")
    accept(listener, "abc")
    await settle()
    assert.deepStrictEqual(clients.map(({ events }) => events.at(-1)), ["connected [abc]", "connected []"])
  })

  it("A08: a connection is none before the reply", async () => {
    const { open, listen } = bound(begin())
    listen()
    const client = open()
    client.connect(here)
    await settle()
    assert.strictEqual(codeOf(client.handle.write(bytesOf("early"))), "WSAENOTCONN")
    assert.strictEqual(codeOf(client.handle.shutdownSend()), "WSAENOTCONN")
    assert.strictEqual(codeOf(client.connect(here, { attempt: 2 })), "WSAEALREADY")
    assert.strictEqual(codeOf(client.handle.listen({ backlog: 1, local: at(here), keepLocalPort: false })), "WSAEINVAL")
  })

  it("A07: a caller that is rejected is refused, and can be accepted from the same port afterwards (R26)", async () => {
    const { open, listen, accept } = bound(begin())
    const listener = listen()
    const client = open()
    client.connect(here)
    await settle()
    const local = client.handle.local()!
    listener.callers.shift()!.reject()
    await settle()
    assert.strictEqual(client.events.at(-1), "WSAECONNREFUSED")
    assert.deepStrictEqual(client.handle.local(), local)
    client.read(100)
    client.connect(here, { attempt: 2, local, keepLocalPort: true })
    await settle()
    assert.deepStrictEqual(client.handle.local(), local)
    accept(listener).write("second")
    await settle()
    assert.strictEqual(client.text, "second")
  })

  it("R26: what was bound by name stays bound, and nobody else gets it", async () => {
    const { open, listen } = bound(begin())
    const listener = listen()
    const client = open()
    const local = succeed(client.handle.bind(at("127.0.0.1:5000"), { reuse: false, v6Only: true }))
    for (const attempt of [1, 2, 3]) {
      client.connect(here, { attempt, local })
      await settle()
      listener.callers.shift()!.reject()
      await settle()
      assert.strictEqual(client.events.at(-1), "WSAECONNREFUSED")
      assert.strictEqual(codeOf(open().handle.bind(local, { reuse: false, v6Only: true })), "WSAEADDRINUSE")
    }
    succeed(client.handle.listen({ backlog: 1, local, keepLocalPort: false }))
  })

  it("A06: a caller that gives up is withdrawn, and cannot be accepted", async () => {
    for (const how of ["abort", "close", "reset"] as const) {
      const { listen, open, over } = bound(begin())
      const listener = listen()
      const client = open()
      client.connect(here)
      await settle()
      const [request] = listener.callers
      assert.isFalse(request!.withdrawn())
      const local = client.handle.local()
      if (how === "abort") assert.deepStrictEqual(client.abort(), local)
      else client.close(how === "close" ? "graceful" : "reset")
      await settle()
      assert.isTrue(request!.withdrawn(), how)
      assert.strictEqual(codeOf(request!.accept(new End(), undefined)), "WSAECONNRESET")
      request!.reject()
      assert.deepStrictEqual(client.events, how === "abort" ? ["issued"] : ["issued", "closed"])
      await over()
    }
  })

  it("A11: a caller whose listener is closed is refused, or reset where it had not said who it is", async () => {
    const { open, listen, plain } = bound(begin())
    const listener = listen()
    const client = open()
    client.connect(here)
    const silent = plain().read(100)
    silent.connect(here)
    await settle()
    listener.callers[0]!.reject()
    listener.close()
    await settle()
    assert.strictEqual(client.events.at(-1), "WSAECONNREFUSED")
    assert.strictEqual(silent.events.at(-1), "broken WSAECONNRESET")
    assert.strictEqual(listener.events.at(-1), "closed")
  })

  it("R27: data and what is said are copied", async () => {
    const { open, listen } = bound(begin())
    const listener = listen()
    const client = open()
    const callerData = bytesOf("acme")
    client.connect(here, { callerData, calleeCapacity: 8 })
    callerData.fill(0)
    await settle()
    assert.strictEqual(textOf(listener.callers[0]!.callerData), "acme")
    const calleeData = bytesOf("hello")
    const end = End.accept(listener.callers.shift()!, calleeData)
    calleeData.fill(0)
    await settle()
    assert.strictEqual(client.events.at(-1), "connected [hello]")
    ;(end as End).close("reset")
  })
})

describe("what follows the exchange", () => {
  const rest = "the rest, which belongs to the stream"

  it("is not lost, whatever pieces it comes in, to the callee", async () => {
    const bytes = join(header, bytesOf(rest))
    const sizes = [1, 2, 7, 16, header.length - 1, header.length, header.length + 1, bytes.length]
    for (const [size, isGenerous] of sizes.flatMap((size) => [[size, true], [size, false]] as const)) {
      const { accept, listen, over, plain } = bound(begin({}, {}, exchange, isGenerous))
      const listener = listen()
      const caller = plain().read(1000)
      caller.connect(here)
      await settle()
      for (let at = 0; at < bytes.length; at += size) {
        caller.write(bytes.subarray(at, at + size))
        await settle()
      }
      caller.handle.shutdownSend()
      await settle()
      // Whoever ends so is none of ours: a caller that waits for a reply does not end its direction.
      if (listener.callers[0]!.withdrawn()) {
        assert.strictEqual(caller.events.at(-1), "broken WSAECONNRESET")
      } else {
        const server = accept(listener).read(1000)
        await settle()
        assert.strictEqual(server.text, rest, `pieces of ${size}`)
      }
      await over()
    }
  })

  it("is not lost, whatever pieces it comes in, to the caller", async () => {
    const bytes = join(reply("hello"), bytesOf(rest))
    const sizes = [1, 2, 7, 20, 28, 29, 30, bytes.length]
    for (const [size, isGenerous] of sizes.flatMap((size) => [[size, true], [size, false]] as const)) {
      const { listen, open, over, plain } = bound(begin({}, {}, exchange, isGenerous))
      const listener = listen(plain())
      const client = open().read(10)
      client.connect(here, { calleeCapacity: 8 })
      await settle()
      const server = End.accept(listener.callers.shift()!) as End
      server.read(1000)
      for (let at = 0; at < bytes.length; at += size) {
        server.write(bytes.subarray(at, at + size))
        await settle()
      }
      server.handle.shutdownSend()
      await settle()
      assert.deepStrictEqual(client.events.slice(0, 2), ["issued", "connected [hello]"])
      if (!isGenerous) assert.strictEqual(client.text, rest.slice(0, 10), "no more than the credit")
      client.read(1000)
      await settle()
      assert.strictEqual(client.text, rest, `pieces of ${size}`)
      assert.strictEqual(client.events.at(-1), "ended")
      server.close("reset")
      await over()
    }
  })

  it("comes before the end, and before a reset (R21), whenever it is asked for", async () => {
    for (const how of ["end", "reset", "both"] as const) {
      for (const isGenerous of [true, false]) {
        const { listen, open, over, plain } = bound(begin({}, {}, exchange, isGenerous))
        const listener = listen(plain())
        const client = open()
        if (!isGenerous) client.read(1000)
        client.connect(here)
        await settle()
        const server = End.accept(listener.callers.shift()!) as End
        server.write(join(reply(""), bytesOf(rest)))
        if (how !== "reset") server.handle.shutdownSend()
        if (how === "both") await settle()
        if (how !== "end") server.close("reset")
        await settle()
        if (isGenerous) {
          assert.deepStrictEqual(client.events, ["issued", "connected []"])
          client.read(1000)
          await settle()
        }
        assert.strictEqual(client.text, rest)
        const ends = { end: ["ended"], reset: ["broken WSAECONNRESET"], both: ["ended", "broken WSAECONNRESET"] }[how]
        assert.deepStrictEqual(client.events.filter((event) => /ended|broken/.test(event)), ends)
        server.close("reset")
        await over()
      }
    }
  })

  it("comes after the header, where a peer replies before it has read that", async () => {
    const { listen, open, plain } = bound(begin({}, { window: 5 }))
    const listener = listen(plain())
    const client = open().read(1000)
    client.connect(here, { callerData: bytesOf("acme") })
    await settle()
    const server = End.accept(listener.callers.shift()!) as End
    server.write(join(reply(""), bytesOf(rest)))
    await settle()
    assert.deepStrictEqual(client.events, ["issued"])
    server.read(1000)
    await settle()
    assert.deepStrictEqual(client.events.slice(0, 2), ["issued", "connected []"])
    assert.strictEqual(client.text, rest)
    client.write("thanks")
    await settle()
    assert.isTrue(server.text.endsWith("thanks"))
    server.close("reset")
  })

  it("goes in order where the transport has no room even for the header and the reply", async () => {
    const window = 5
    const { accept, listen, open } = bound(begin({}, { window }))
    const listener = listen()
    const client = open().read(1000)
    client.connect(here, { callerData: bytesOf("acme"), calleeCapacity: 100 })
    await settle()
    const server = accept(listener, "welcome to all of you")
    assert.strictEqual(server.write("greetings"), 9, "it waits for the reply to go")
    assert.strictEqual(codeOf(server.handle.shutdownSend()), undefined)
    server.read(1000)
    await settle()
    assert.deepStrictEqual(client.events.slice(0, 2), ["issued", "connected [welcome to all of you]"])
    assert.strictEqual(client.text, "greetings")
    assert.strictEqual(client.events.at(-1), "ended")
    assert.deepStrictEqual(server.events, ["drained"])
    client.write("back")
    await settle()
    assert.strictEqual(server.text, "back")
  })

  it("arrives also where its socket is closed before the reply has gone", async () => {
    const { accept, listen, open } = bound(begin({}, { window: 5 }))
    const listener = listen()
    const client = open().read(1000)
    client.connect(here, { calleeCapacity: 100 })
    await settle()
    const server = accept(listener, "welcome to all of you")
    server.write("farewell")
    server.close("graceful")
    await settle()
    assert.strictEqual(client.text, "farewell")
    assert.strictEqual(client.events.at(-1), "ended")
    assert.deepStrictEqual(server.events, ["closed"])
  })

  it("is dropped where it is reset then", async () => {
    const { accept, listen, open } = bound(begin({}, { window: 5 }))
    const listener = listen()
    const client = open().read(1000)
    client.connect(here, { calleeCapacity: 100 })
    await settle()
    const server = accept(listener, "welcome to all of you")
    server.write("farewell")
    server.close("graceful")
    server.handle.close("reset")
    await settle()
    assert.strictEqual(client.events.at(-1), "WSAECONNRESET")
    assert.deepStrictEqual(server.events, ["closed"])
  })
})

describe("a peer that does not speak the exchange", () => {
  /** What becomes of an attempt whose peer does something. */
  const meeting = async (what: (peer: End) => void | Promise<void>, plan: Partial<Provider.ConnectPlan> = {}) => {
    const { listen, open, plain } = bound(begin())
    const listener = listen(plain())
    const client = open()
    const local = succeed(client.handle.bind(at("127.0.0.1:5000"), { reuse: false, v6Only: true }))
    client.connect(here, { calleeCapacity: 8, local, ...plan })
    await settle()
    const peer = End.accept(listener.callers.shift()!) as End
    peer.read(100_000)
    await what(peer)
    await settle()
    const outcome = client.events.at(-1)
    if (outcome !== "issued") {
      assert.strictEqual(client.events.length, 2)
      assert.deepStrictEqual(client.handle.local(), local, "R26: it keeps its address")
      assert.strictEqual(client.connect(here, { attempt: 2, local }), "pending", "R26: and may connect again")
      await settle()
      assert.strictEqual(listener.callers.length, 1)
      client.abort(2)
    }
    peer.close("reset")
    await world.over()
    return outcome
  }

  it("E17: is known by what it says", async () => {
    const greetings = [
      "HTTP/1.1 400 Bad Request\r\n\r\n",
      "220 ready\r\n",
      "-ERR unknown command\r\n",
      "\x15\x03\x01\0\x02"
    ]
    for (const text of greetings) {
      assert.strictEqual(await meeting((peer) => void peer.write(text)), "WSAEPROTONOSUPPORT", text)
    }
    const echo = async (peer: End) => {
      await settle()
      peer.write(Uint8Array.from(peer.received))
    }
    assert.strictEqual(await meeting(echo), "WSAEPROTONOSUPPORT")
  })

  it("E17: and by every byte of a reply that is another", async () => {
    const right = reply("hello")
    for (let place = 0; place < right.length; place++) {
      // For later: nobody looks there, but the checksum covers it.
      const bytes = Uint8Array.from(right)
      bytes[place]! ^= 0x40
      // A length that is longer, and within the bound, is waited for.
      const outcome = await meeting((peer) => void peer.write(bytes))
      assert.strictEqual(outcome, "WSAEPROTONOSUPPORT", `byte ${place}`)
    }
  })

  it("E17: also one whose callee data is longer than the room that was asked for", async () => {
    assert.strictEqual(await meeting((peer) => void peer.write(reply("123456789"))), "WSAEPROTONOSUPPORT")
    assert.strictEqual(
      await meeting((peer) => void peer.write(reply("1")), { calleeCapacity: 0 }),
      "WSAEPROTONOSUPPORT"
    )
  })

  it("that ends, or resets, after any byte of its reply is WSAECONNRESET", async () => {
    const right = reply("hello")
    for (let length = 0; length < right.length; length++) {
      const end = (how: "end" | "reset") =>
        meeting(async (peer) => {
          if (length > 0) peer.write(right.subarray(0, length))
          await settle()
          if (how === "end") peer.handle.shutdownSend()
          else peer.handle.close("reset")
          peer.isClosing = how === "reset"
        })
      assert.strictEqual(await end("end"), "WSAECONNRESET", `${length} bytes`)
      assert.strictEqual(await end("reset"), "WSAECONNRESET", `${length} bytes`)
    }
  })

  it("E18: that says nothing is WSAETIMEDOUT when its time is over, and not before", async () => {
    assert.strictEqual(await meeting(() => world.time.pass(19_999)), "issued")
    assert.strictEqual(await meeting(() => world.time.pass(20_000)), "WSAETIMEDOUT")
    assert.strictEqual(
      await meeting(async (peer) => {
        for (const byte of reply("hello").subarray(0, 27)) {
          peer.write(Uint8Array.of(byte))
          await world.time.pass(740)
        }
        await world.time.pass(20)
      }),
      "WSAETIMEDOUT",
      "byte by byte is no excuse"
    )
  })

  it("breaks with its own code", async () => {
    const { listen, open, plain } = bound(begin())
    listen(plain())
    const client = open()
    client.connect(here)
    await settle()
    world.memory.control.breakStreams(here, "WSAENETRESET")
    await settle()
    assert.strictEqual(client.events.at(-1), "WSAENETRESET")
  })
})

describe("a caller that does not speak the exchange", () => {
  it("is reset at its first wrong byte, and nobody is told", async () => {
    const wrong: Record<string, Uint8Array> = {
      http: bytesOf("GET / HTTP/1.1\r\n\r\n"),
      "version 1": bytesOf("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
      "no part of ours": headerOf(undefined),
      "one way": headerOf(callOf({ callerData: bytesOf("acme"), calleeCapacity: undefined })),
      local: Header.encode({ command: "LOCAL" }),
      "another version": headerOf(Uint8Array.of(2)),
      "a QOS that is none": headerOf(callOf({ socketQos: Uint8Array.of(1, 2, 3) })),
      "too much caller data": headerOf(callOf({ callerData: new Uint8Array(1025) })),
      "too much of all": headerOf(callOf({ callerData: new Uint8Array(20_000) })),
      "another checksum": header.map((byte, index) => index === header.length - 1 ? byte ^ 1 : byte)
    }
    for (const [what, bytes] of Object.entries(wrong)) {
      const { listen, over, plain } = bound(begin())
      const listener = listen()
      const caller = plain().read(100)
      caller.connect(here)
      await settle()
      caller.write(bytes)
      await settle()
      assert.deepStrictEqual(listener.events, [], what)
      assert.strictEqual(caller.events.at(-1), "broken WSAECONNRESET", what)
      assert.isAtMost(world.time.armed, 1, "one timer for all, until the last socket is closed")
      await over()
    }
  })

  it("that goes after any byte of its header is forgotten", async () => {
    for (let length = 0; length < header.length; length++) {
      for (const how of ["graceful", "reset"] as const) {
        const { listen, over, plain } = bound(begin())
        const listener = listen()
        const caller = plain()
        caller.connect(here)
        await settle()
        if (length > 0) caller.write(header.subarray(0, length))
        await settle()
        caller.close(how)
        await settle()
        assert.deepStrictEqual(listener.events, [], `${length} bytes`)
        assert.strictEqual(world.memory.control.counts().handles, 1, `${length} bytes`)
        assert.isAtMost(world.time.armed, 1)
        await over()
      }
    }
  })

  it("has its time, and no more, however slowly it speaks", async () => {
    const { listen, open, plain } = bound(begin())
    const listener = listen()
    const slow = plain().read(100)
    slow.connect(here)
    await settle()
    for (const byte of header.subarray(0, 49)) {
      slow.write(Uint8Array.of(byte))
      await world.time.pass(100)
    }
    assert.deepStrictEqual(slow.events.at(-1), "connected []")
    const late = plain().read(100)
    late.connect(here)
    await settle()
    await world.time.pass(99)
    assert.deepStrictEqual(slow.events.at(-1), "connected []")
    await world.time.pass(1)
    assert.strictEqual(slow.events.at(-1), "broken WSAECONNRESET")
    assert.strictEqual(late.events.at(-1), "connected []")
    const client = open()
    client.connect(here)
    await settle()
    await world.time.pass(4899)
    assert.strictEqual(late.events.at(-1), "connected []")
    await world.time.pass(1)
    assert.strictEqual(late.events.at(-1), "broken WSAECONNRESET")
    assert.deepStrictEqual(listener.events, ["incoming"])
  })

  it("makes room for the newest where there are too many", async () => {
    const { listen, open, plain } = bound(begin({ pendingMax: 3 }))
    const listener = listen()
    const slow = Array.from({ length: 5 }, () => {
      const caller = plain().read(100)
      caller.connect(here)
      return caller
    })
    await settle()
    assert.deepStrictEqual(slow.map(({ events }) => events.at(-1)), [
      "broken WSAECONNRESET",
      "broken WSAECONNRESET",
      "connected []",
      "connected []",
      "connected []"
    ])
    const client = open()
    client.connect(here)
    await settle()
    assert.deepStrictEqual(listener.events, ["incoming"])
  })

  it("holds no memory for what it says will come", async () => {
    const { listen, plain } = bound(begin({ callerDataMax: 48 * 1024, pendingMax: 10_000 }))
    listen()
    const head = headerOf(callOf({ callerData: new Uint8Array(40_000) })).subarray(0, 20)
    const before = process.memoryUsage().arrayBuffers
    for (let i = 0; i < 2000; i++) {
      const caller = plain()
      caller.connect(here)
      await settle()
      caller.write(head)
    }
    await settle()
    // Twenty bytes each, and what the in-memory provider keeps of them; what they announce would be 80 MB.
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 2_000_000)
  })
})

describe("the PROXY protocol alone", () => {
  it("R12: is said at once, with the addresses, the caller data and what else is asked for", async () => {
    const entries = { authority: "shop.test", netns: "blue" }
    const { listen, open, plain } = bound(begin({ entries }, {}, proxy))
    const listener = listen(plain())
    const client = open().read(100)
    client.connect(here, { callerData: bytesOf("acme") })
    await settle()
    assert.deepStrictEqual(client.events, ["issued", "connected []"])
    const server = End.accept(listener.callers.shift()!) as End
    client.write("and then")
    server.read(1000)
    await settle()
    const decoded = Header.decode(Uint8Array.from(server.received))
    if (decoded._tag !== "Done" || decoded.value.command !== "PROXY") return assert.fail("no header")
    assert.isTrue(decoded.value.checksum)
    assert.deepStrictEqual(decoded.value.endpoints, {
      transport: "stream",
      source: client.handle.local()!,
      destination: at(here)
    })
    const { others, ...known } = Header.known(decoded.value.tlvs)
    assert.deepStrictEqual(known, entries)
    assert.deepStrictEqual(others, [
      { type: 0xe4, value: callOf({ callerData: bytesOf("acme"), calleeCapacity: undefined }) }
    ])
    assert.strictEqual(textOf(server.received.slice(decoded.used)), "and then")
    server.close("reset")
  })

  it("has no part of ours where nothing of ours is said", async () => {
    const { listen, open, plain } = bound(begin({}, {}, proxy))
    const listener = listen(plain())
    open().connect(here)
    await settle()
    const server = End.accept(listener.callers.shift()!) as End
    server.read(1000)
    await settle()
    assert.strictEqual(server.received.length, 16 + 12 + 7)
    server.close("reset")
  })

  it("tells who really calls, where the header does, and gives what follows in order, to its end", async () => {
    const sources: ReadonlyArray<readonly [Uint8Array, string | undefined, string]> = [
      [headerOf(undefined), "192.0.2.1:50000", ""],
      [headerOf(undefined, { checksum: false }), "192.0.2.1:50000", ""],
      [
        headerOf(callOf({ callerData: bytesOf("acme"), calleeCapacity: undefined }), {
          endpoints: { transport: "stream", source: at("[2001:db8::1]:5"), destination: at("[::1]:6") }
        }),
        "[2001:db8::1]:5",
        "acme"
      ],
      [
        headerOf(undefined, { endpoints: { transport: "stream", source: at("unix:/a"), destination: at("unix:/b") } }),
        "unix:/a",
        ""
      ],
      [headerOf(undefined, { endpoints: undefined }), undefined, ""],
      [Header.encode({ command: "LOCAL" }), undefined, ""]
    ]
    for (const [bytes, source, callerData] of sources) {
      const { accept, listen, over, plain } = bound(begin({}, {}, proxy))
      const listener = listen()
      const caller = plain()
      caller.connect(here)
      await settle()
      caller.write(join(bytes, bytesOf("GET /")))
      caller.handle.shutdownSend()
      await settle()
      const [request] = listener.callers
      assert.strictEqual(SocketAddress.format(request!.remote), source ?? SocketAddress.format(caller.handle.local()!))
      assert.strictEqual(SocketAddress.format(request!.local), here)
      assert.strictEqual(textOf(request!.callerData), callerData)
      assert.isFalse(request!.withdrawn())
      const server = accept(listener).read(1000)
      await settle()
      assert.strictEqual(server.text, "GET /")
      assert.strictEqual(server.events.at(-1), "ended")
      caller.read(100)
      server.write("200")
      await settle()
      assert.strictEqual(caller.text, "200")
      await over()
    }
  })

  it("turns away who waits for a reply, and who says nothing", async () => {
    const { listen, plain } = bound(begin({}, {}, proxy))
    const listener = listen()
    const [waits, silent] = [plain().read(100), plain().read(100)]
    waits.connect(here)
    silent.connect(here)
    await settle()
    waits.write(header)
    await settle()
    assert.strictEqual(waits.events.at(-1), "broken WSAECONNRESET")
    await world.time.pass(5000)
    assert.strictEqual(silent.events.at(-1), "broken WSAECONNRESET")
    assert.deepStrictEqual(listener.events, [])
  })

  it("goes ahead of the first write where the transport has no room for it", async () => {
    const { accept, listen, open } = bound(begin({}, { window: 5 }, proxy))
    const listener = listen()
    const client = open()
    client.connect(here)
    client.react = (event) => {
      if (event === "connected []") client.write("at once")
    }
    await settle()
    const server = accept(listener).read(100)
    await settle()
    assert.strictEqual(server.text, "at once")
    assert.deepStrictEqual(client.events, ["issued", "connected []", "drained"])
  })

  it("is left out on the side that is to have none", async () => {
    {
      const { accept, listen, over, plain } = bound(begin({ listens: false }, {}, proxy))
      const listener = listen()
      plain().connect(here)
      await settle()
      accept(listener)
      await over()
    }
    const { listen, open, plain } = bound(begin({ connects: false }, {}, proxy))
    const listener = listen(plain())
    open().connect(here)
    await settle()
    const server = End.accept(listener.callers.shift()!) as End
    server.read(100)
    await settle()
    assert.strictEqual(server.received.length, 0)
    server.close("reset")
  })
})

describe("a provider below that answers at once", () => {
  it("is given its time: issued, and then connected", async () => {
    const { memory, time } = begin()
    // As a provider may: a connection that is there when the call returns.
    const hasty: Provider.Provider = {
      ...memory.provider,
      open: (kind, sink) => {
        const handle = succeed(memory.provider.open(kind, {
          ...forwarding(sink),
          issued: () => undefined,
          connected: () => undefined
        }))
        return {
          ...forwardingHandle(handle),
          connect: (plan) => {
            const answer = handle.connect(plan)
            return answer === "pending" ? Provider.established : answer
          }
        }
      }
    }
    const provider = decorate(hasty, { ...proxy, connects: false }, time)
    const { listen, plain } = bound(world)
    listen(plain())
    const client = End.open(provider)
    assert.strictEqual(client.connect(here), "pending")
    await settle()
    assert.deepStrictEqual(client.events, ["issued", "connected []"])
    client.close()
    await settle()
    assert.isTrue(client.isClosed)
    const given = End.open(provider)
    given.connect(here)
    given.abort()
    await settle()
    assert.deepStrictEqual(given.events, [])
    given.close()
    await settle()
    assert.isTrue(given.isClosed)
  })
})

/** The hands on a world, by themselves. */
const bound = (world: World) => ({
  open: world.open.bind(world),
  plain: world.plain.bind(world),
  listen: world.listen.bind(world),
  accept: world.accept.bind(world),
  over: world.over.bind(world),
  memory: world.memory,
  time: world.time
})

describe("whatever happens, and whenever", () => {
  const what = [
    "abort",
    "close",
    "reset",
    "closeListener",
    "accept",
    "reject",
    "pass",
    "shutdown",
    "write",
    "read"
  ] as const

  it("the contract holds, bytes come in order, and nothing is left", async () => {
    for (let seed = 1; seed <= runs; seed++) {
      const random = new Random(seed)
      const pick = <A>(all: ReadonlyArray<A>): A => random.pick(all)
      const world = new World(
        { pendingMax: pick([1, 100]) },
        { window: pick([3, 20, 1000]) },
        pick([exchange, proxy]),
        pick([true, false])
      )
      const listener = world.listen()
      const ends: Array<{ readonly end: End; readonly sent: Array<number> }> = []
      const peers = new Map<string, { readonly end: End; readonly sent: Array<number> }>()
      const write = ({ end, sent }: (typeof ends)[number]) => {
        if (end.lent > 0 || end.isClosing) return
        const piece = random.bytes(1 + random.below(40))
        const left = end.handle.write(piece)
        if (Provider.isFailure(left)) return
        end.lent = left
        sent.push(...piece)
      }
      for (let steps = 30; steps > 0; steps--) {
        if (random.below(4) === 0) {
          const end = random.below(3) === 0 ? world.plain() : world.open()
          end.read(random.below(50))
          if (
            end.connect(here, { callerData: random.bytes(random.below(30)), calleeCapacity: random.below(20) }) ===
              "pending"
          ) {
            ends.push({ end, sent: [] })
          }
        }
        const one = ends.length === 0 ? undefined : pick(ends)
        switch (pick(what)) {
          case "abort":
            one?.end.abort()
            break
          case "close":
            one?.end.close("graceful")
            break
          case "reset":
            one?.end.close("reset")
            break
          case "closeListener":
            if (random.below(10) === 0 && !listener.isClosing) {
              for (const request of listener.callers.splice(0)) request.reject()
              listener.close()
            }
            break
          case "accept": {
            const request = listener.callers.shift()
            if (request === undefined) break
            const caller = SocketAddress.format(request.remote)
            const end = End.accept(request, random.bytes(random.below(30)))
            if (Provider.isFailure(end)) request.reject()
            else {
              end.isExact = false
              end.read(random.below(50))
              const server = { end, sent: [] }
              ends.push(server)
              peers.set(caller, server)
              world.keep(end)
            }
            break
          }
          case "reject":
            listener.callers.shift()?.reject()
            break
          case "pass":
            await world.time.pass(pick([1, 5000, 20_000]))
            break
          case "shutdown":
            one?.end.handle.shutdownSend()
            break
          case "write":
            if (one !== undefined) write(one)
            break
          case "read":
            if (one !== undefined && !one.end.isClosing) one.end.read(random.below(200))
        }
        for (let turns = random.below(6); turns > 0; turns--) await Promise.resolve()
      }
      for (const { end } of ends) if (!end.isClosing) end.read(100_000)
      await settle()
      for (const [caller, server] of peers) {
        const client = ends.find(({ end }) => {
          const local = end.handle.local()
          return end !== server.end && local !== undefined && SocketAddress.format(local) === caller
        })
        if (client === undefined) continue
        for (const [from, to] of [[client, server], [server, client]] as const) {
          const got = to.end.received
          assert.deepStrictEqual(got, from.sent.slice(0, got.length), `seed ${seed}: bytes in order`)
        }
      }
      await world.over().catch((error: unknown) => assert.fail(`seed ${seed}: ${String(error)}`))
    }
  }, 600_000)
})
