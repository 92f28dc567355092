import { Provider, SocketAddress } from "@effect-winsock/core"
import { NodeProvider } from "@effect-winsock/node"
import { afterAll, afterEach, assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { Recorder } from "./utils/recorder.ts"

const provider = NodeProvider.make()
const address = SocketAddress.fromInputUnsafe
const text = (bytes: string) => new TextEncoder().encode(bytes)

const opened: Array<{ readonly handle: Provider.Handle; readonly sink: Recorder }> = []

const open = (family: SocketAddress.Family, type: "stream" | "datagram" = "stream") => {
  const sink = new Recorder()
  const handle = provider.open({ family, type, direction: "both" }, sink)
  if (Provider.isFailure(handle)) throw new Error(handle.code)
  opened.push({ handle, sink })
  return { handle, sink }
}

afterEach(async () => {
  for (const { handle, sink } of opened.splice(0)) {
    handle.close("reset")
    await sink.wait("closed")
    assert.strictEqual(sink.all("closed").length, 1)
  }
})

const ok = <A>(answer: A | Provider.Failure | Provider.Pending): A => {
  if (Provider.isFailure(answer) || answer === "pending") throw new Error(JSON.stringify(answer))
  return answer as A
}

const portOf = (at: SocketAddress.SocketAddress | undefined): number => SocketAddress.portOf(at!)!

const plan = (
  attempt: number,
  remote: SocketAddress.SocketAddress,
  local?: SocketAddress.SocketAddress,
  keepLocalPort = false
): Provider.ConnectPlan => ({
  attempt,
  remote,
  local,
  keepLocalPort,
  callerData: undefined,
  calleeCapacity: 0,
  quality: undefined,
  sqos: undefined,
  gqos: undefined
})

const bindOptions: Provider.BindOptions = { reuse: false, v6Only: true }

const listener = (at: SocketAddress.Input, family: SocketAddress.Family = "IPv4") => {
  const made = open(family)
  const local = ok(made.handle.bind(address(at), bindOptions))
  const listening = ok(made.handle.listen({ backlog: 128, local, keepLocalPort: false }))
  assert.isTrue(SocketAddress.same(listening, local))
  return { ...made, local }
}

/**
 * Whether anything on this machine has the port, or had it a minute ago. Linux then does not bind it again: a port that
 * a connect was given is shared with connects to other peers.
 */
const isShared = (port: number): boolean => {
  const hex = port.toString(16).toUpperCase().padStart(4, "0")
  return new RegExp(`^ *\\d+: [0-9A-F]{8}:${hex} `, "m").test(fs.readFileSync("/proc/net/tcp", "utf8"))
}

const closedPort = async (): Promise<SocketAddress.SocketAddress> => {
  const server = net.createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, "close")
  return address({ address: "127.0.0.1", port })
}

const accepted = async (from: { readonly sink: Recorder }, nth = 1) => {
  const { request } = await from.sink.wait("incoming", nth)
  const sink = new Recorder()
  const handle = ok(request.accept(sink, undefined))
  opened.push({ handle, sink })
  return { handle, sink, request }
}

const pair = async (family: SocketAddress.Family, at: SocketAddress.Input) => {
  const server = listener(at, family)
  const client = open(family)
  client.handle.read(Number.MAX_SAFE_INTEGER)
  assert.strictEqual(client.handle.connect(plan(1, server.local)), "pending")
  const peer = await accepted(server)
  peer.handle.read(Number.MAX_SAFE_INTEGER)
  assert.strictEqual((await client.sink.wait("connected")).result, Provider.established)
  return { server, client, peer }
}

const directories: Array<string> = []

const directory = () => {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), "winsock-"))
  directories.push(made)
  return made
}

afterAll(() => {
  for (const made of directories) fs.rmSync(made, { recursive: true })
})

const families: ReadonlyArray<readonly [string, SocketAddress.Family, () => SocketAddress.Input]> = [
  ["IPv4", "IPv4", () => "127.0.0.1:0"],
  ["IPv6", "IPv6", () => "[::1]:0"],
  ["Unix path", "Unix", () => ({ path: path.join(directory(), "s") })],
  ["Unix abstract name", "Unix", () => ({ path: `\0winsock-${process.pid}-${Math.random()}` })]
]

describe("capabilities", () => {
  it("are one object per kind", () => {
    const kind = { family: "IPv6", type: "datagram", direction: "both" } as const
    assert.strictEqual(provider.capabilities(kind), provider.capabilities({ ...kind }))
    assert.strictEqual(provider.capabilities(kind).maxMessage, 65527)
    assert.isTrue(provider.capabilities({ ...kind, type: "stream" }).options.has("TCP_NODELAY"))
    assert.isFalse(provider.capabilities({ ...kind, family: "Unix", type: "stream" }).options.has("TCP_NODELAY"))
  })

  it("has no Unix-domain datagrams", () => {
    const answer = provider.open({ family: "Unix", type: "datagram", direction: "both" }, new Recorder())
    assert.strictEqual(Provider.isFailure(answer) && answer.code, "WSAESOCKTNOSUPPORT")
  })
})

describe.each(families)("streams over %s", (_name, family, at) => {
  it("connect, carry bytes both ways, and end", async () => {
    const { client, peer, server } = await pair(family, at())
    assert.deepStrictEqual(client.sink.tags.slice(0, 2), ["issued", "connected"])
    assert.strictEqual(client.handle.write(text("ping")), 0)
    await peer.sink.bytes(4)
    assert.strictEqual(peer.handle.write(text("pong!")), 0)
    await client.sink.bytes(5)
    client.handle.shutdownSend()
    await peer.sink.wait("ended")
    assert.strictEqual(peer.handle.write(text("late")), 0)
    await client.sink.bytes(9)
    peer.handle.close("graceful")
    await client.sink.wait("ended")
    await peer.sink.wait("closed")
    assert.isTrue(SocketAddress.same(peer.request.local, server.local))
    assert.isTrue(SocketAddress.same(peer.request.remote, client.handle.local()!))
  })

  it("report a refusal once", async () => {
    const { handle, local } = listener(at(), family)
    handle.close("graceful")
    const client = open(family)
    assert.strictEqual(client.handle.connect(plan(1, local)), "pending")
    const { result } = await client.sink.wait("connected")
    assert.isTrue(Provider.isFailure(result))
    assert.strictEqual((result as Provider.Failure).code, "WSAECONNREFUSED")
    if (family !== "Unix") assert.isAbove(portOf(client.handle.local()), 0)
    assert.strictEqual(client.sink.all("connected").length, 1)
  })

  it("carry more than anyone buffers, and say when they have gone", async () => {
    const { client, peer } = await pair(family, at())
    const big = new Uint8Array(8 * 1024 * 1024).fill(7)
    const left = client.handle.write(big)
    assert.isAbove(left as number, 0)
    await peer.sink.bytes(big.length)
    await client.sink.wait("drained")
    assert.strictEqual(client.sink.all("drained").length, 1)
    const back = peer.handle.write(big)
    assert.isAbove(back as number, 0)
    // Ending while bytes are on the way must neither cut them nor lose the news.
    peer.handle.shutdownSend()
    await client.sink.bytes(big.length)
    await peer.sink.wait("drained")
    await client.sink.wait("ended")
  })

  it("stop where the credit ends, and go on where it is given", async () => {
    const { client, peer } = await pair(family, at())
    for (const [from, to] of [[client, peer], [peer, client]] as const) {
      to.sink.credit = 0
      const big = new Uint8Array(4 * 1024 * 1024)
      assert.isAbove(from.handle.write(big) as number, 0)
      for (let n = 1; to.sink.received < big.length; n++) {
        await to.sink.wait("data", n)
        assert.strictEqual(to.sink.all("data").length, n)
        to.handle.read(1)
      }
      await from.sink.wait("drained")
    }
  })

  it("flush what is written before a graceful close", async () => {
    const { client, peer } = await pair(family, at())
    const big = new Uint8Array(4 * 1024 * 1024)
    client.handle.write(big)
    client.handle.close("graceful")
    assert.isEmpty(client.sink.all("closed"))
    await peer.sink.bytes(big.length)
    await peer.sink.wait("ended")
    await client.sink.wait("closed")
  })

  it("drop what is written where a reset follows the graceful close", async () => {
    const { client, peer } = await pair(family, at())
    peer.sink.credit = 0
    client.handle.write(new Uint8Array(32 * 1024 * 1024))
    client.handle.close("graceful")
    client.handle.close("reset")
    await client.sink.wait("closed")
    assert.isBelow(peer.sink.received, 32 * 1024 * 1024)
  })

  it("leave nothing behind when an attempt is ended at once", async () => {
    const server = listener(at(), family)
    const client = open(family)
    client.handle.connect(plan(1, server.local))
    assert.isUndefined(client.handle.abort(1))
    assert.isUndefined(client.handle.abort(1))
    assert.strictEqual(client.handle.connect(plan(2, server.local)), "pending")
    await client.sink.wait("connected")
    assert.deepStrictEqual(client.sink.events.map((event) => "attempt" in event && event.attempt), [2, 2])
  })

  it("close also when there never was anything", async () => {
    const { handle, sink } = open(family)
    handle.close("graceful")
    assert.isEmpty(sink.events)
    await sink.wait("closed")
    handle.close("reset")
    assert.isUndefined(handle.local())
    assert.isUndefined(handle.shutdownSend())
    assert.strictEqual(handle.write(text("x")), 0)
    assert.isTrue(Provider.isFailure(handle.connect(plan(1, address("127.0.0.1:1")))))
  })
})

describe("TCP", () => {
  it("tells a reset from an end", async () => {
    const { client, peer } = await pair("IPv4", "127.0.0.1:0")
    peer.handle.close("reset")
    const { failure } = await client.sink.wait("broken")
    assert.strictEqual(failure.code, "WSAECONNRESET")
    assert.strictEqual(failure.native?.syscall, "read")
    assert.isAbove(portOf(client.handle.local()), 0)
    assert.isEmpty(client.sink.all("closed"))
    assert.isTrue(Provider.isFailure(client.handle.write(text("x"))))
  })

  it("delivers what came before a reset, also when a send meets the reset first", async () => {
    for (const sends of [false, true]) {
      const { client, peer } = await pair("IPv4", "127.0.0.1:0")
      assert.strictEqual(peer.handle.write(text("last words")), 0)
      peer.handle.close("reset")
      if (sends) assert.strictEqual(client.handle.write(text("too late")), 8)
      const { failure } = await client.sink.wait("broken")
      assert.strictEqual(failure.code, "WSAECONNRESET")
      assert.deepStrictEqual(client.sink.tags, ["issued", "connected", "data", "broken"])
      assert.strictEqual(client.sink.received, 10)
    }
  })

  it("fails a send after a reset where nobody reads", async () => {
    const { client, peer } = await pair("IPv4", "127.0.0.1:0")
    client.sink.credit = 0
    peer.handle.write(text("enough"))
    await client.sink.wait("data")
    peer.handle.close("reset")
    const left = client.handle.write(text("too late"))
    assert.strictEqual(Provider.isFailure(left) && left.code, "WSAECONNRESET")
    await client.sink.wait("broken")
  })

  it("keeps the port of a refused attempt, explicit or not", async () => {
    const nobody = await closedPort()
    const implicit = open("IPv4")
    implicit.handle.connect(plan(1, nobody))
    await implicit.sink.wait("connected")
    const explicit = open("IPv4")
    ok(explicit.handle.bind(address("127.0.0.1:0"), bindOptions))
    explicit.handle.connect(plan(1, nobody, explicit.handle.local()))
    await explicit.sink.wait("connected")

    const server = listener("127.0.0.1:0")
    let nth = 1
    for (const { handle, keep, sink } of [{ ...implicit, keep: true }, { ...explicit, keep: false }]) {
      const local = handle.local()!
      assert.strictEqual(handle.connect(plan(2, server.local, local, keep)), "pending")
      const peer = await accepted(server, nth++)
      await sink.wait("connected", 2)
      assert.isTrue(SocketAddress.same(peer.request.remote, local) || (keep && isShared(portOf(local))))
    }
  })

  it("listens on the port of a refused attempt", async () => {
    const nobody = await closedPort()
    for (let tries = 1;; tries++) {
      const { handle, sink } = open("IPv4")
      handle.connect(plan(1, nobody))
      await sink.wait("connected")
      const local = handle.local()!
      const answer = handle.listen({ backlog: 4, local, keepLocalPort: true })
      // Once it is refused the port is anybody's, and no table of the kernel shows who has bound it without connecting.
      if (Provider.isFailure(answer) && answer.code === "WSAEADDRINUSE" && tries < 20) continue
      const listening = ok(answer)
      assert.strictEqual(portOf(listening), portOf(local))
      assert.isTrue(SocketAddress.same(ok(handle.listen({ backlog: 9, local, keepLocalPort: true })), listening))
      const client = open("IPv4")
      client.handle.connect(plan(1, local))
      await client.sink.wait("connected")
      await accepted({ sink })
      return
    }
  })

  it("connects from the same port to the same peer after an abort, also of what was established", async () => {
    const server = listener("127.0.0.1:0")
    const { handle, sink } = open("IPv4")
    const local = ok(handle.bind(address("127.0.0.1:0"), bindOptions))
    for (let attempt = 1; attempt <= 30; attempt++) {
      assert.strictEqual(handle.connect(plan(attempt, server.local, local)), "pending")
      // Loopback: the kernel has established it before `issued` returns.
      await sink.wait("issued", attempt)
      assert.isTrue(SocketAddress.same(handle.abort(attempt)!, local))
    }
    handle.connect(plan(31, server.local, local))
    const { attempt, result } = await sink.wait("connected")
    assert.strictEqual(attempt, 31)
    assert.strictEqual(result, Provider.established)
    assert.isTrue(SocketAddress.same(handle.local()!, local))
  })

  it("tells the port of an aborted attempt, so that it can be kept", async () => {
    const server = listener("127.0.0.1:0")
    const { handle, sink } = open("IPv4")
    handle.connect(plan(1, server.local))
    await sink.wait("issued")
    const local = handle.abort(1)!
    assert.isAbove(portOf(local), 0)
    handle.connect(plan(2, server.local, local, true))
    await sink.wait("connected")
    assert.isTrue(portOf(handle.local()) === portOf(local) || isShared(portOf(local)))
  })

  it("says what a bind meets", async () => {
    const { local } = listener("127.0.0.1:0")
    const second = open("IPv4")
    const taken = second.handle.bind(local, bindOptions)
    assert.strictEqual(Provider.isFailure(taken) && taken.code, "WSAEADDRINUSE")
    const foreign = second.handle.bind(address("192.0.2.1:0"), bindOptions)
    assert.strictEqual(Provider.isFailure(foreign) && foreign.code, "WSAEADDRNOTAVAIL")
    ok(second.handle.bind(address("127.0.0.1:0"), bindOptions))
    const again = second.handle.bind(address("127.0.0.1:0"), bindOptions)
    assert.strictEqual(Provider.isFailure(again) && again.code, "WSAEINVAL")
  })

  it("says what a listen meets", async () => {
    const one = open("IPv4")
    const local = ok(one.handle.bind(address("127.0.0.1:0"), bindOptions))
    const two = open("IPv4")
    ok(two.handle.bind(local, bindOptions))
    ok(one.handle.listen({ backlog: 1, local, keepLocalPort: false }))
    const answer = two.handle.listen({ backlog: 1, local, keepLocalPort: false })
    const result = answer === "pending" ? (await two.sink.wait("listening")).result : answer
    assert.strictEqual(Provider.isFailure(result) && result.code, "WSAEADDRINUSE")
  })

  it("releases its port at once, and leaves what was accepted alone", async () => {
    const { client, peer, server } = await pair("IPv4", "127.0.0.1:0")
    server.handle.close("graceful")
    const next = listener(server.local)
    assert.isTrue(SocketAddress.same(next.local, server.local))
    client.handle.write(text("still here"))
    await peer.sink.bytes(10)
  })

  it("rejects with a reset, and knows a caller that has gone", async () => {
    const server = listener("127.0.0.1:0")
    const client = open("IPv4")
    client.handle.read(1)
    client.handle.connect(plan(1, server.local))
    const first = await server.sink.wait("incoming")
    assert.isFalse(first.request.withdrawn())
    await client.sink.wait("connected")
    first.request.reject()
    assert.strictEqual((await client.sink.wait("broken")).failure.code, "WSAECONNRESET")
    assert.isTrue(Provider.isFailure(first.request.accept(new Recorder(), undefined)))

    const other = open("IPv4")
    other.handle.connect(plan(1, server.local))
    const second = await server.sink.wait("incoming", 2)
    await other.sink.wait("connected")
    other.handle.close("reset")
    await other.sink.wait("closed")
    assert.isTrue(second.request.withdrawn())
    second.request.reject()
  })

  it("takes options before and after there is a socket", async () => {
    const server = listener("127.0.0.1:0")
    const { handle, sink } = open("IPv4")
    assert.isUndefined(handle.setOption("SO_KEEPALIVE", true))
    handle.connect(plan(1, server.local))
    assert.isUndefined(handle.setOption("TCP_NODELAY", true))
    await sink.wait("connected")
    assert.isUndefined(handle.setOption("SO_KEEPALIVE", false))
    const broadcast = handle.setOption("SO_BROADCAST", true)
    assert.strictEqual(broadcast?.code, "WSAENOPROTOOPT")
    // 02 in the column `tr` is the keep-alive timer: of the second one here, set before the connect.
    const kept = open("IPv4")
    kept.handle.setOption("SO_KEEPALIVE", true)
    kept.handle.connect(plan(1, server.local))
    await kept.sink.wait("connected")
    const hex = portOf(kept.handle.local()).toString(16).toUpperCase().padStart(4, "0")
    if (process.platform === "linux") {
      assert.match(fs.readFileSync("/proc/net/tcp", "utf8"), new RegExp(`0100007F:${hex} \\S+ 01 \\S+ 02:`))
    }
  })

  it("holds any order of calls", async () => {
    const server = listener("127.0.0.1:0")
    const { handle, sink } = open("IPv4")
    const early = handle.write(text("x"))
    assert.strictEqual(Provider.isFailure(early) && early.code, "WSAENOTCONN")
    assert.strictEqual(handle.shutdownSend()?.code, "WSAENOTCONN")
    handle.connect(plan(1, server.local))
    const twice = handle.connect(plan(2, server.local))
    assert.strictEqual(Provider.isFailure(twice) && twice.code, "WSAEALREADY")
    await sink.wait("connected")
    const third = handle.connect(plan(3, server.local))
    assert.strictEqual(Provider.isFailure(third) && third.code, "WSAEISCONN")
    assert.isUndefined(handle.abort(1))
    handle.shutdownSend()
    handle.shutdownSend()
    const late = handle.write(text("x"))
    assert.strictEqual(Provider.isFailure(late) && late.code, "WSAESHUTDOWN")
    assert.isTrue(Provider.isFailure(handle.setPeer(server.local, "keep")))
  })

  it("gives every descriptor back", async () => {
    const server = listener("127.0.0.1:0")
    const nobody = await closedPort()
    const descriptors = () => fs.readdirSync("/proc/self/fd").length
    const before = descriptors()
    for (let n = 1; n <= 50; n++) {
      const { handle, sink } = open("IPv4")
      if (n % 2 === 0) ok(handle.bind(address("127.0.0.1:0"), bindOptions))
      handle.connect(plan(1, n % 5 === 0 ? nobody : server.local, handle.local()))
      if (n % 3 === 0) handle.abort(1)
      else if (n % 5 === 0) await sink.wait("connected")
      else {
        await sink.wait("issued")
        if (n % 4 === 0) handle.abort(1)
      }
      handle.close(n % 7 === 0 ? "reset" : "graceful")
      await sink.wait("closed")
    }
    for (const { request } of server.sink.all("incoming")) request.reject()
    // What an abort had established may still be on its way to the listener.
    server.handle.close("graceful")
    await server.sink.wait("closed")
    assert.isAtMost(descriptors(), before)
  })

  it("E09: an attempt that meets itself is refused, for nobody listens", async () => {
    const { handle, sink } = open("IPv4")
    const local = ok(handle.bind(address("127.0.0.1:0"), bindOptions))
    for (const attempt of [1, 2]) {
      assert.strictEqual(handle.connect(plan(attempt, local, local)), "pending")
      const { result } = await sink.wait("connected", attempt)
      assert.isTrue(Provider.isFailure(result) && result.code === "WSAECONNREFUSED")
    }
    assert.isTrue(SocketAddress.same(handle.local()!, local))
  })
})

describe("Unix-domain streams", () => {
  it("remove the path with the listener, and connect from a bound one", async () => {
    const at = path.join(directory(), "server")
    const server = listener({ path: at }, "Unix")
    const from = path.join(path.dirname(at), "client")
    const client = open("Unix")
    const local = ok(client.handle.bind(address({ path: from }), bindOptions))
    const missing = address({ path: path.join(path.dirname(at), "nobody") })
    client.handle.connect(plan(1, missing, local))
    const { result } = await client.sink.wait("connected")
    assert.strictEqual(Provider.isFailure(result) && result.code, "WSAECONNREFUSED")
    assert.isTrue(fs.existsSync(from))
    client.handle.connect(plan(2, server.local, local))
    const peer = await accepted(server)
    peer.handle.read(1)
    assert.strictEqual((await client.sink.wait("connected", 2)).result, Provider.established)
    client.handle.write(text("hello"))
    await peer.sink.bytes(5)
    assert.isTrue(SocketAddress.isUnspecified(peer.request.remote))
    server.handle.close("graceful")
    client.handle.close("graceful")
    await client.sink.wait("closed")
    assert.isFalse(fs.existsSync(at))
    assert.isFalse(fs.existsSync(from))
  })
})

const datagrams = (family: "IPv4" | "IPv6" = "IPv4", bind = true) => {
  const made = open(family, "datagram")
  const at = address(family === "IPv4" ? "127.0.0.1:0" : "[::1]:0")
  const local = bind ? ok(made.handle.bind(at, bindOptions)) : at
  made.handle.read(Number.MAX_SAFE_INTEGER)
  return { ...made, local }
}

describe.each(["IPv4", "IPv6"] as const)("datagrams over %s", (family) => {
  it("go to whom they name, and come from whom they say", async () => {
    const a = datagrams(family)
    const b = datagrams(family)
    assert.strictEqual(a.handle.sendTo(text("one"), b.local), "pending")
    assert.strictEqual(a.handle.sendTo(text(""), b.local), "pending")
    const first = await b.sink.wait("datagram")
    assert.strictEqual(first.text, "one")
    assert.isTrue(SocketAddress.same(first.from, a.local))
    assert.strictEqual((await b.sink.wait("datagram", 2)).text, "")
    await a.sink.wait("sent", 2)
    assert.deepStrictEqual(a.sink.all("sent").map(({ result }) => result), [undefined, undefined])
  })

  it("keep their port through peers", async () => {
    const a = datagrams(family)
    const b = datagrams(family)
    const c = datagrams(family)
    for (const peer of [b.local, c.local, undefined, b.local, undefined]) {
      const local = ok(a.handle.setPeer(peer, "discard"))
      assert.strictEqual(portOf(local), portOf(a.local))
      assert.isTrue(SocketAddress.same(a.handle.local()!, a.local))
    }
    const nobody = a.handle.sendTo(text("x"), undefined)
    assert.strictEqual(Provider.isFailure(nobody) && nobody.code, "WSAENOTCONN")
  })

  it("reach another than the peer, from the same port, and the peer again", async () => {
    const a = datagrams(family)
    const b = datagrams(family)
    const c = datagrams(family)
    ok(a.handle.setPeer(b.local, "discard"))
    a.handle.sendTo(text("1"), undefined)
    a.handle.sendTo(text("2"), c.local)
    a.handle.sendTo(text("3"), undefined)
    a.handle.sendTo(text("4"), b.local)
    await a.sink.wait("sent", 4)
    const other = await c.sink.wait("datagram")
    assert.strictEqual(other.text, "2")
    assert.isTrue(SocketAddress.same(other.from, a.local))
    await b.sink.wait("datagram", 3)
    assert.deepStrictEqual(b.sink.all("datagram").map((event) => event.text), ["1", "3", "4"])
    b.handle.sendTo(text("back"), a.local)
    assert.strictEqual((await a.sink.wait("datagram")).text, "back")
  })
})

describe("UDP", () => {
  it("discards what waits when the peer changes, and keeps it when the change fails", async () => {
    const a = datagrams()
    const b = datagrams()
    const c = datagrams()
    ok(a.handle.setPeer(b.local, "discard"))
    // It is in the kernel when `sendTo` returns, and Node has not looked yet.
    b.handle.sendTo(text("old"), a.local)
    ok(a.handle.setPeer(c.local, "discard"))
    c.handle.sendTo(text("new"), a.local)
    assert.strictEqual((await a.sink.wait("datagram")).text, "new")
    c.handle.sendTo(text("kept"), a.local)
    const failing = a.handle.setPeer(address("255.255.255.255:9"), "discard")
    assert.strictEqual(Provider.isFailure(failing) && failing.code, "WSAEACCES")
    assert.strictEqual((await a.sink.wait("datagram", 2)).text, "kept")
    a.handle.sendTo(text("still to c"), undefined)
    assert.strictEqual((await c.sink.wait("datagram")).text, "still to c")
    c.handle.sendTo(text("gone"), a.local)
    ok(a.handle.setPeer(undefined, "discard"))
    b.handle.sendTo(text("from anyone"), a.local)
    assert.strictEqual((await a.sink.wait("datagram", 3)).text, "from anyone")
  })

  it("takes a peer with port 0, to whom everything is lost", async () => {
    const a = datagrams()
    const local = ok(a.handle.setPeer(address("127.0.0.1:0"), "discard"))
    assert.isTrue(SocketAddress.same(local, address(`127.0.0.1:${portOf(a.local)}`)))
    a.handle.sendTo(text("x"), undefined)
    assert.isUndefined((await a.sink.wait("sent")).result)
    assert.isTrue(SocketAddress.same(ok(a.handle.setPeer(address("127.0.0.1:0"), "keep")), local))
  })

  it("reports a dead port softly, and sends on", async () => {
    const a = datagrams()
    const dead = datagrams()
    ok(a.handle.setPeer(dead.local, "discard"))
    // It keeps the port from everybody else, and is deaf to whoever is not its peer.
    ok(dead.handle.setPeer(address("127.0.0.1:9"), "discard"))
    for (let n = 1; n <= 3; n++) {
      a.handle.sendTo(text("x"), undefined)
      await a.sink.wait("sent", n)
    }
    assert.strictEqual((await a.sink.wait("soft")).failure.code, "WSAECONNRESET")
    assert.deepStrictEqual(a.sink.all("sent").map(({ result }) => result), [undefined, undefined, undefined])
    assert.isEmpty(a.sink.all("broken"))
  })

  it("needs leave to broadcast, and keeps it", async () => {
    const a = open("IPv4", "datagram")
    ok(a.handle.bind(address("0.0.0.0:0"), bindOptions))
    const refused = a.handle.setPeer(address("255.255.255.255:9"), "discard")
    assert.strictEqual(Provider.isFailure(refused) && refused.code, "WSAEACCES")
    const b = open("IPv4", "datagram")
    assert.isUndefined(b.handle.setOption("SO_BROADCAST", true))
    ok(b.handle.bind(address("0.0.0.0:0"), bindOptions))
    // The machine may have no route for it; permission is what is asked here.
    for (let n = 0; n < 2; n++) {
      const answer = b.handle.setPeer(address("127.255.255.255:9"), "discard")
      assert.isFalse(Provider.isFailure(answer) && answer.code === "WSAEACCES")
    }
  })

  it("says what a bind meets", () => {
    const a = datagrams()
    const b = open("IPv4", "datagram")
    const taken = b.handle.bind(a.local, bindOptions)
    assert.strictEqual(Provider.isFailure(taken) && taken.code, "WSAEADDRINUSE")
    const shared = open("IPv4", "datagram")
    assert.isTrue(Provider.isFailure(shared.handle.bind(a.local, { ...bindOptions, reuse: true })))
  })

  it("drops what comes while nobody wants any", async () => {
    const a = datagrams()
    const b = datagrams()
    b.sink.credit = 0
    a.handle.sendTo(text("1"), b.local)
    a.handle.sendTo(text("2"), b.local)
    await b.sink.wait("datagram")
    await a.sink.wait("sent", 2)
    // Node has looked at b once more by the second turn of the loop.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    b.handle.read(1)
    a.handle.sendTo(text("3"), b.local)
    assert.strictEqual((await b.sink.wait("datagram", 2)).text, "3")
  })

  it("rejects what is too long", async () => {
    const a = datagrams()
    a.handle.sendTo(new Uint8Array(65508), a.local)
    assert.strictEqual((await a.sink.wait("sent")).result?.code, "WSAEMSGSIZE")
  })
})
