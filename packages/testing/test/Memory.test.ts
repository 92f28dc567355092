import { Provider, SocketAddress, Winsock } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"

const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200)

const at = SocketAddress.fromInputUnsafe
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (text: string) => new TextEncoder().encode(text)
const stream: Provider.Kind = { family: "IPv4", type: "stream", direction: "both" }
const stream6: Provider.Kind = { ...stream, family: "IPv6" }
const datagram: Provider.Kind = { family: "IPv4", type: "datagram", direction: "both" }
const plain: Provider.BindOptions = { reuse: false, v6Only: true }
const reuse: Provider.BindOptions = { reuse: true, v6Only: true }

/** Lets everything that is on the way arrive. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

const succeed = <A>(answer: A | Provider.Failure): A => {
  if (Provider.isFailure(answer)) return assert.fail(`unexpected ${answer.code}`)
  return answer as A
}

const codeOf = (answer: unknown) => Provider.isFailure(answer) ? answer.code : answer

/** A sink that writes down what it is told, one line for each event. */
class Recorder implements Provider.Sink {
  readonly events: Array<string> = []
  readonly requests: Array<Provider.Incoming> = []
  readonly messages: Array<string> = []
  readonly pieces: Array<number> = []
  received: Array<number> = []
  credit = 0
  insideCall = false
  /** What to do from inside an event. */
  react: (event: string) => void = () => undefined

  private tell(event: string): void {
    assert.isFalse(this.insideCall, `${event} came from inside a call`)
    this.events.push(event)
    this.react(event)
  }
  issued(attempt: number) {
    this.tell(`issued ${attempt}`)
  }
  connected(attempt: number, result: Provider.Established | Provider.Failure) {
    this.tell(`connected ${attempt} ${Provider.isFailure(result) ? result.code : `[${text(result.calleeData)}]`}`)
  }
  listening() {
    this.tell("listening")
  }
  incoming(request: Provider.Incoming) {
    this.requests.push(request)
    this.tell("incoming")
  }
  data(piece: Uint8Array): number {
    this.received.push(...piece)
    this.pieces.push(piece.length)
    this.credit -= piece.length
    this.tell("data")
    return this.credit
  }
  datagram(piece: Uint8Array, from: SocketAddress.SocketAddress): number {
    this.messages.push(`${text(piece)} ${SocketAddress.format(from)}`)
    this.credit--
    this.tell("datagram")
    return this.credit
  }
  sent() {
    this.tell("sent")
  }
  drained() {
    this.tell("drained")
  }
  ended() {
    this.tell("ended")
  }
  qosChanged() {}
  soft(failure: Provider.Failure) {
    this.tell(`soft ${failure.code}`)
  }
  broken(failure: Provider.Failure) {
    this.tell(`broken ${failure.code}`)
  }
  closed() {
    this.tell("closed")
  }
}

interface Opened {
  readonly sink: Recorder
  readonly handle: Provider.Handle
}

const open = (provider: Provider.Provider, kind = stream): Opened => {
  const sink = new Recorder()
  return { sink, handle: succeed(provider.open(kind, sink)) }
}

const read = ({ handle, sink }: Opened, credit: number) => {
  sink.credit = credit
  handle.read(credit)
}

const plan = (remote: string, more: Partial<Provider.ConnectPlan> = {}): Provider.ConnectPlan => ({
  attempt: 1,
  remote: at(remote),
  local: undefined,
  keepLocalPort: false,
  callerData: undefined,
  calleeCapacity: 0,
  quality: undefined,
  sqos: undefined,
  gqos: undefined,
  ...more
})

const listen = (provider: Provider.Provider, address: string, kind = stream, options = plain): Opened => {
  const listener = open(provider, kind)
  const local = succeed(listener.handle.bind(at(address), options))
  succeed(listener.handle.listen({ backlog: 5, local, keepLocalPort: false }))
  return listener
}

const accept = (listener: Opened, calleeData?: Uint8Array): Opened => {
  const sink = new Recorder()
  return { sink, handle: succeed(listener.sink.requests.shift()!.accept(sink, calleeData)) }
}

const pair = async (provider: Provider.Provider) => {
  const listener = listen(provider, "127.0.0.1:80")
  const client = open(provider)
  client.handle.connect(plan("127.0.0.1:80"))
  await settle()
  const server = accept(listener)
  return { listener, client, server }
}

const closeAll = async (control: Memory.Control, ...handles: ReadonlyArray<Opened>) => {
  for (const { handle } of handles) handle.close("graceful")
  await settle()
  for (const { handle, sink } of handles) {
    handle.close("reset")
    assert.strictEqual(sink.events.filter((event) => event === "closed").length, 1)
    assert.strictEqual(sink.events.at(-1), "closed")
  }
  assert.deepStrictEqual(control.counts(), { handles: 0, listeners: 0, streams: 0, attempts: 0 })
}

describe("Memory", () => {
  describe("local addresses", () => {
    it("A02: bind gives a port for 0, in order, and lets no other have what is taken", async () => {
      const { control, provider } = Memory.make({ ephemeralPorts: [5000, 5001] })
      const a = open(provider)
      const b = open(provider)
      const c = open(provider)
      assert.strictEqual(SocketAddress.format(succeed(a.handle.bind(at("127.0.0.1:0"), plain))), "127.0.0.1:5000")
      assert.strictEqual(codeOf(b.handle.bind(at("127.0.0.1:5000"), plain)), "WSAEADDRINUSE")
      assert.strictEqual(codeOf(b.handle.bind(at("0.0.0.0:5000"), reuse)), "WSAEADDRINUSE")
      assert.strictEqual(b.handle.local(), undefined)
      succeed(b.handle.bind(at("127.0.0.2:0"), plain))
      assert.strictEqual(SocketAddress.format(b.handle.local()!), "127.0.0.2:5001")
      assert.strictEqual(codeOf(c.handle.bind(at("127.0.0.1:0"), plain)), "WSAENOBUFS")
      assert.strictEqual(codeOf(c.handle.connect(plan("127.0.0.1:80"))), "WSAENOBUFS")
      assert.strictEqual(codeOf(a.handle.bind(at("127.0.0.1:1"), plain)), "WSAEINVAL")
      a.handle.close("graceful")
      succeed(c.handle.bind(at("127.0.0.1:5000"), plain))
      assert.strictEqual(SocketAddress.format(a.handle.local()!), "127.0.0.1:5000")
      await closeAll(control, a, b, c)
    })

    it("A02, E07: not ours, another family, shared by both", async () => {
      const { control, provider } = Memory.make({ localAddresses: ["192.0.2.1:0"] })
      const [a, b, c] = [open(provider), open(provider), open(provider, stream6)]
      assert.strictEqual(codeOf(a.handle.bind(at("192.0.2.2:80"), plain)), "WSAEADDRNOTAVAIL")
      assert.strictEqual(codeOf(a.handle.bind(at("[::1]:80"), plain)), "WSAEAFNOSUPPORT")
      succeed(a.handle.bind(at("192.0.2.1:80"), reuse))
      succeed(b.handle.bind(at("0.0.0.0:80"), reuse))
      assert.strictEqual(codeOf(c.handle.bind(at("[::]:80"), { reuse: false, v6Only: false })), "WSAEADDRINUSE")
      succeed(c.handle.bind(at("[::]:80"), plain))
      await closeAll(control, a, b, c)
    })

    it("WSAEMFILE beyond maxSockets, also at accept", async () => {
      const { control, provider } = Memory.make({ maxSockets: 2 })
      const listener = listen(provider, "127.0.0.1:80")
      const client = open(provider)
      assert.strictEqual(codeOf(provider.open(stream, new Recorder())), "WSAEMFILE")
      client.handle.connect(plan("127.0.0.1:80"))
      await settle()
      assert.strictEqual(codeOf(listener.sink.requests[0]!.accept(new Recorder(), undefined)), "WSAEMFILE")
      await closeAll(control, listener, client)
    })

    it("gives one object for one kind", () => {
      const { provider } = Memory.make()
      assert.strictEqual(provider.capabilities(stream), provider.capabilities({ ...stream, direction: "send" }))
      assert.strictEqual(provider.capabilities(datagram).maxMessage, 65507)
      assert.strictEqual(provider.capabilities({ ...datagram, family: "IPv6" }).maxMessage, 65527)
    })
  })

  describe("connect", () => {
    it("R01, A03: issued with a local address, then connected; the acceptor sees both", async () => {
      const { control, provider } = Memory.make()
      const listener = listen(provider, "0.0.0.0:80")
      const client = open(provider)
      assert.strictEqual(client.handle.connect(plan("127.0.0.1:80")), "pending")
      assert.deepStrictEqual(client.sink.events, [])
      assert.strictEqual(SocketAddress.format(client.handle.local()!), "127.0.0.1:49152")
      assert.strictEqual(control.counts().attempts, 1)
      await settle()
      assert.deepStrictEqual(client.sink.events, ["issued 1", "connected 1 []"])
      const [request] = listener.sink.requests
      assert.strictEqual(SocketAddress.format(request!.local), "127.0.0.1:80")
      assert.strictEqual(SocketAddress.format(request!.remote), "127.0.0.1:49152")
      assert.deepStrictEqual(control.counts(), { handles: 2, listeners: 1, streams: 1, attempts: 0 })
      const server = accept(listener)
      assert.strictEqual(SocketAddress.format(server.handle.local()!), "127.0.0.1:80")
      await closeAll(control, client, server, listener)
    })

    it("E09, E13, R26: refused, unreachable, shaped; the port stays and the next attempt goes", async () => {
      const { control, provider } = Memory.make()
      const client = open(provider)
      control.unreachable("192.0.2.1:0", "WSAEHOSTUNREACH")
      control.answer("127.0.0.1:80", ["WSAETIMEDOUT", "WSAENOBUFS"])
      const remotes = ["127.0.0.1:81", "192.0.2.7:80", "192.0.2.1:80", "127.0.0.1:80", "127.0.0.1:80", "127.0.0.1:80"]
      const listener = listen(provider, "127.0.0.1:80")
      for (const [i, remote] of remotes.entries()) {
        const local = client.handle.local()
        client.handle.connect(plan(remote, { attempt: i, local, keepLocalPort: true }))
        await settle()
        assert.strictEqual(SocketAddress.portOf(client.handle.local()!), 49152)
      }
      assert.deepStrictEqual(client.sink.events.filter((event) => event.startsWith("connected")), [
        "connected 0 WSAECONNREFUSED",
        "connected 1 WSAENETUNREACH",
        "connected 2 WSAEHOSTUNREACH",
        "connected 3 WSAETIMEDOUT",
        "connected 4 WSAENOBUFS",
        "connected 5 []"
      ])
      await closeAll(control, client, listener)
    })

    it("A05: what was refused can listen, on its port", async () => {
      const { control, provider } = Memory.make()
      const a = open(provider)
      a.handle.connect(plan("127.0.0.1:80"))
      await settle()
      const local = succeed(a.handle.listen({ backlog: 1, local: a.handle.local()!, keepLocalPort: true }))
      assert.strictEqual(local === "pending" ? local : SocketAddress.format(local), "0.0.0.0:49152")
      const b = open(provider)
      b.handle.connect(plan("127.0.0.1:49152"))
      await settle()
      assert.strictEqual(b.sink.events.at(-1), "connected 1 []")
      await closeAll(control, a, b)
    })

    it("a black hole answers never, until the attempt is aborted or made to fail", async () => {
      const { control, provider } = Memory.make()
      control.blackhole("192.0.2.1:80")
      const [a, b, c] = [open(provider), open(provider), open(provider)]
      for (const { handle } of [a, b, c]) handle.connect(plan("192.0.2.1:80"))
      await settle()
      assert.strictEqual(control.counts().attempts, 3)
      assert.strictEqual(codeOf(a.handle.connect(plan("127.0.0.1:1"))), "WSAEALREADY")
      assert.strictEqual(a.handle.abort(7), undefined)
      assert.strictEqual(SocketAddress.portOf(a.handle.abort(1)!), 49152)
      assert.strictEqual(a.handle.abort(1), undefined)
      b.handle.close("graceful")
      assert.strictEqual(control.failAttempts("192.0.2.1:0", "WSAETIMEDOUT"), 1)
      await settle()
      assert.deepStrictEqual(a.sink.events, ["issued 1"])
      assert.deepStrictEqual(b.sink.events, ["issued 1", "closed"])
      assert.deepStrictEqual(c.sink.events, ["issued 1", "connected 1 WSAETIMEDOUT"])
      control.reachable("192.0.2.1:80")
      c.handle.connect(plan("192.0.2.1:80", { attempt: 2 }))
      await settle()
      assert.strictEqual(c.sink.events.at(-1), "connected 2 WSAENETUNREACH")
      await closeAll(control, a, b, c)
    })

    it("aborted at any moment, nothing of the attempt follows", async () => {
      for (let steps = 0; steps < 6; steps++) {
        const { control, provider } = Memory.make()
        const listener = listen(provider, "127.0.0.1:80")
        const client = open(provider)
        client.handle.connect(plan("127.0.0.1:80"))
        for (let i = 0; i < steps; i++) await Promise.resolve()
        const events = client.sink.events.length
        const aborted = client.handle.abort(1) !== undefined
        await settle()
        if (aborted) assert.strictEqual(client.sink.events.length, events)
        if (aborted) assert.isTrue(listener.sink.requests.every((request) => request.withdrawn()))
        await closeAll(control, client, listener)
      }
    })

    it("T38: a caller that is rejected at once is refused, later it is reset", async () => {
      const { control, provider } = Memory.make()
      const listener = listen(provider, "127.0.0.1:80")
      listener.sink.react = () => {
        if (listener.sink.requests.length > 1) listener.sink.requests[1]!.reject()
      }
      const [a, b] = [open(provider), open(provider)]
      for (const client of [a, b]) {
        read(client, 10)
        client.handle.connect(plan("127.0.0.1:80"))
      }
      await settle()
      assert.deepStrictEqual(b.sink.events, ["issued 1", "connected 1 WSAECONNREFUSED"])
      listener.sink.requests[0]!.reject()
      await settle()
      assert.deepStrictEqual(a.sink.events, ["issued 1", "connected 1 []", "broken WSAECONNRESET"])
      await closeAll(control, a, b, listener)
    })

    it("A06: who resets, or ends without a word, is withdrawn; who has said something is not", async () => {
      const { control, provider } = Memory.make()
      const listener = listen(provider, "127.0.0.1:80")
      const clients = [open(provider), open(provider), open(provider)]
      for (const { handle } of clients) handle.connect(plan("127.0.0.1:80"))
      await settle()
      clients[0]!.handle.close("reset")
      clients[1]!.handle.close("graceful")
      clients[2]!.handle.write(bytes("hello"))
      clients[2]!.handle.close("graceful")
      const { requests } = listener.sink
      assert.deepStrictEqual(requests.map((request) => request.withdrawn()), [true, true, false])
      assert.strictEqual(codeOf(requests[0]!.accept(new Recorder(), undefined)), "WSAECONNRESET")
      requests[1]!.reject()
      requests.splice(0, 2)
      const server = accept(listener)
      read(server, 100)
      await settle()
      assert.deepStrictEqual(server.sink.events, ["data", "ended"])
      await closeAll(control, listener, server, ...clients)
    })

    it("A11: a listener that closes resets who waits", async () => {
      const { control, provider } = Memory.make()
      const listener = listen(provider, "127.0.0.1:80")
      const client = open(provider)
      read(client, 1)
      client.handle.connect(plan("127.0.0.1:80"))
      await settle()
      listener.handle.close("graceful")
      await settle()
      assert.strictEqual(client.sink.events.at(-1), "broken WSAECONNRESET")
      await closeAll(control, listener, client)
    })

    it("R12, R13: connect data; connected only when accepted, cut to the capacity", async () => {
      const { control, provider } = Memory.make({ callerDataMax: 10, calleeDataMax: 10 })
      const listener = listen(provider, "127.0.0.1:80")
      const clients = [open(provider), open(provider), open(provider)]
      const callerData = bytes("caller")
      for (const [i, { handle }] of clients.entries()) {
        handle.connect(plan("127.0.0.1:80", { callerData, calleeCapacity: i * 3 }))
      }
      callerData.fill(0)
      await settle()
      assert.deepStrictEqual(clients.map(({ sink }) => sink.events.at(-1)), ["issued 1", "issued 1", "issued 1"])
      assert.deepStrictEqual(listener.sink.requests.map(({ callerData }) => text(callerData)), [
        "caller",
        "caller",
        "caller"
      ])
      const calleeData = bytes("welcome")
      const servers = [accept(listener, calleeData), accept(listener, calleeData)]
      listener.sink.requests[0]!.reject()
      calleeData.fill(0)
      servers[1]!.handle.write(bytes("after"))
      read(clients[1]!, 10)
      await settle()
      assert.deepStrictEqual(clients.map(({ sink }) => sink.events.slice(1)), [
        ["connected 1 []"],
        ["connected 1 [wel]", "data"],
        ["connected 1 WSAECONNREFUSED"]
      ])
      await closeAll(control, listener, ...clients, ...servers)
    })

    it("conditional: an attempt that ends before it is answered breaks what was accepted", async () => {
      const { control, provider } = Memory.make({ conditional: true })
      const listener = listen(provider, "127.0.0.1:80")
      const [a, b, c] = [open(provider), open(provider), open(provider)]
      for (const { handle } of [a, b, c]) handle.connect(plan("127.0.0.1:80"))
      await settle()
      const server = accept(listener)
      read(server, 10)
      a.handle.abort(1)
      b.handle.abort(1)
      assert.isTrue(listener.sink.requests[0]!.withdrawn())
      listener.handle.close("graceful")
      await settle()
      assert.deepStrictEqual(server.sink.events, ["broken WSAECONNRESET"])
      assert.deepStrictEqual(a.sink.events, ["issued 1"])
      assert.deepStrictEqual(b.sink.events, ["issued 1"])
      assert.deepStrictEqual(c.sink.events, ["issued 1", "connected 1 WSAECONNREFUSED"])
      await closeAll(control, listener, a, b, c, server)
    })

    it("T21: two sockets on one address do not make the same connection twice", async () => {
      const { control, provider } = Memory.make()
      const listener = listen(provider, "127.0.0.1:80")
      const [a, b] = [open(provider), open(provider)]
      for (const { handle } of [a, b]) succeed(handle.bind(at("127.0.0.1:5000"), reuse))
      assert.strictEqual(a.handle.connect(plan("127.0.0.1:80")), "pending")
      assert.strictEqual(codeOf(b.handle.connect(plan("127.0.0.1:80"))), "WSAEADDRINUSE")
      assert.strictEqual(b.handle.connect(plan("127.0.0.1:81")), "pending")
      await settle()
      await closeAll(control, listener, a, b)
    })

    it("IPv6 takes IPv4 where it is not for itself, and sees it mapped", async () => {
      const { control, provider } = Memory.make()
      const listener = listen(provider, "[::]:80", stream6, { reuse: false, v6Only: false })
      const only = listen(provider, "[::]:81", stream6)
      const [a, b, c] = [open(provider), open(provider), open(provider, stream6)]
      a.handle.connect(plan("127.0.0.1:80"))
      b.handle.connect(plan("127.0.0.1:81"))
      c.handle.connect(plan("[::ffff:127.0.0.1]:80"))
      await settle()
      assert.strictEqual(a.sink.events.at(-1), "connected 1 []")
      assert.strictEqual(b.sink.events.at(-1), "connected 1 WSAECONNREFUSED")
      assert.deepStrictEqual(listener.sink.requests.map(({ remote }) => SocketAddress.format(remote)), [
        SocketAddress.format(at("[::ffff:127.0.0.1]:49152")),
        SocketAddress.format(at("[::ffff:127.0.0.1]:49154"))
      ])
      await closeAll(control, listener, only, a, b, c)
    })

    it("Unix: paths and abstract names are names", async () => {
      const { control, provider } = Memory.make()
      const kind: Provider.Kind = { ...stream, family: "Unix" }
      for (const name of ["unix:/run/app.sock", "unix:@app"]) {
        const listener = listen(provider, name, kind)
        const client = open(provider, kind)
        client.handle.connect(plan(name))
        await settle()
        assert.strictEqual(client.sink.events.at(-1), "connected 1 []")
        assert.strictEqual(SocketAddress.format(client.handle.local()!), "unix:")
        await closeAll(control, listener, client)
        const late = open(provider, kind)
        late.handle.connect(plan(name))
        await settle()
        assert.strictEqual(late.sink.events.at(-1), "connected 1 WSAECONNREFUSED")
        assert.isUndefined(late.handle.local())
        await closeAll(control, late)
      }
    })
  })

  describe("streams", () => {
    it("R02: bytes in order, in pieces, and no more than the credit", async () => {
      const { control, provider } = Memory.make()
      const { client, listener, server } = await pair(provider)
      const sent = Uint8Array.from({ length: 40_000 }, (_, i) => i * 7)
      assert.strictEqual(client.handle.write(sent), 0)
      await settle()
      assert.deepStrictEqual(server.sink.events, [])
      read(server, 20_000)
      await settle()
      assert.deepStrictEqual(server.sink.pieces, [16_384, 3616])
      read(server, 40_000)
      await settle()
      assert.deepStrictEqual(server.sink.received, [...sent])
      await closeAll(control, listener, client, server)
    })

    it("holds a window of bytes, refers to the rest, and says when it does no more", async () => {
      const { control, provider } = Memory.make({ window: 10 })
      const { client, listener, server } = await pair(provider)
      assert.strictEqual(client.handle.write(bytes("0123456789abcde")), 5)
      assert.strictEqual(codeOf(client.handle.write(bytes("x"))), "WSAEWOULDBLOCK")
      read(server, 4)
      await settle()
      assert.strictEqual(client.sink.events.at(-1), "connected 1 []")
      read(server, 4)
      await settle()
      assert.deepStrictEqual(client.sink.events.slice(2), ["drained"])
      assert.strictEqual(client.handle.write(bytes("fghijklm")), 5)
      client.handle.shutdownSend()
      read(server, 100)
      await settle()
      assert.strictEqual(text(Uint8Array.from(server.sink.received)), "0123456789abcdefghijklm")
      assert.strictEqual(server.sink.events.at(-1), "ended")
      assert.deepStrictEqual(client.sink.events.slice(2), ["drained", "drained"])
      await closeAll(control, listener, client, server)
    })

    it("A10: one direction ends, the other goes on", async () => {
      const { control, provider } = Memory.make()
      const { client, listener, server } = await pair(provider)
      read(client, 100)
      read(server, 100)
      client.handle.write(bytes("question"))
      assert.strictEqual(client.handle.shutdownSend(), undefined)
      assert.strictEqual(codeOf(client.handle.write(bytes("x"))), "WSAESHUTDOWN")
      await settle()
      assert.deepStrictEqual(server.sink.events, ["data", "ended"])
      server.handle.write(bytes("answer"))
      await settle()
      assert.strictEqual(text(Uint8Array.from(client.sink.received)), "answer")
      await closeAll(control, listener, client, server)
    })

    it("A11: a graceful close lets what is lent arrive, and a reset drops it", async () => {
      const { control, provider } = Memory.make({ window: 4 })
      const { client, listener, server } = await pair(provider)
      assert.strictEqual(client.handle.write(bytes("0123456789")), 6)
      client.handle.close("graceful")
      await settle()
      assert.strictEqual(client.sink.events.at(-1), "connected 1 []")
      read(server, 5)
      await settle()
      assert.strictEqual(client.sink.events.at(-1), "connected 1 []")
      read(server, 5)
      await settle()
      assert.strictEqual(client.sink.events.at(-1), "closed")
      assert.strictEqual(text(Uint8Array.from(server.sink.received)), "0123456789")
      assert.strictEqual(server.sink.events.at(-1), "ended")
      await closeAll(control, client, server, listener)

      const again = await pair(provider)
      again.client.handle.write(bytes("0123456789"))
      again.client.handle.close("graceful")
      again.client.handle.close("reset")
      read(again.server, 100)
      await settle()
      assert.strictEqual(text(Uint8Array.from(again.server.sink.received)), "0123")
      assert.deepStrictEqual(again.server.sink.events, ["data", "broken WSAECONNRESET"])
      await closeAll(control, again.client, again.server, again.listener)
    })

    it("R21: what had arrived before a reset comes before it", async () => {
      const { control, provider } = Memory.make()
      const { client, listener, server } = await pair(provider)
      read(client, 100)
      server.handle.write(bytes("last words"))
      server.handle.close("reset")
      assert.strictEqual(client.handle.write(bytes("nobody hears")), 0)
      await settle()
      assert.strictEqual(text(Uint8Array.from(client.sink.received)), "last words")
      assert.deepStrictEqual(client.sink.events.slice(2), ["data", "broken WSAECONNRESET"])
      assert.strictEqual(codeOf(client.handle.write(bytes("x"))), "WSAECONNRESET")
      await closeAll(control, listener, client, server)
    })

    it("who writes to one that has closed is reset", async () => {
      const { control, provider } = Memory.make()
      const { client, listener, server } = await pair(provider)
      read(client, 100)
      server.handle.write(bytes("bye"))
      server.handle.close("graceful")
      await settle()
      assert.deepStrictEqual(client.sink.events.slice(2), ["data", "ended"])
      assert.strictEqual(client.handle.write(bytes("hello?")), 0)
      await settle()
      assert.deepStrictEqual(client.sink.events.slice(2), ["data", "ended", "broken WSAECONNRESET"])
      await closeAll(control, listener, client, server)
    })

    it("breaks streams on command, at both ends, in place of what was owed", async () => {
      const { control, provider } = Memory.make({ window: 4 })
      const { client, listener, server } = await pair(provider)
      read(server, 2)
      client.handle.write(bytes("0123456789"))
      assert.strictEqual(control.breakStreams("127.0.0.1:81", "WSAENETRESET"), 0)
      assert.strictEqual(control.breakStreams("127.0.0.1:80", "WSAENETRESET"), 1)
      await settle()
      assert.deepStrictEqual(client.sink.events.slice(2), ["broken WSAENETRESET"])
      assert.deepStrictEqual(server.sink.events, ["data", "broken WSAENETRESET"])
      assert.strictEqual(control.counts().streams, 0)
      await closeAll(control, listener, client, server)
    })

    it("stalls an end, and lets it take bytes again", async () => {
      const { control, provider } = Memory.make()
      const { client, listener, server } = await pair(provider)
      control.stallWrites("127.0.0.1:80")
      read(server, 100)
      read(client, 100)
      assert.strictEqual(client.handle.write(bytes("hello")), 5)
      assert.strictEqual(server.handle.write(bytes("hello")), 0)
      await settle()
      assert.deepStrictEqual(server.sink.events, [])
      control.stallWrites("127.0.0.1:80", false)
      await settle()
      assert.deepStrictEqual(server.sink.events, ["data"])
      assert.deepStrictEqual(client.sink.events.slice(2), ["data", "drained"])
      await closeAll(control, listener, client, server)
    })

    it("closes with a send lent at both ends", async () => {
      const { control, provider } = Memory.make({ window: 4 })
      const { client, listener, server } = await pair(provider)
      client.handle.write(bytes("0123456789"))
      server.handle.write(bytes("0123456789"))
      await closeAll(control, client, server, listener)
    })
  })

  describe("datagrams", () => {
    const bound = (provider: Provider.Provider, address: string, options = plain) => {
      const opened = open(provider, datagram)
      succeed(opened.handle.bind(at(address), options))
      return opened
    }

    it("go whole and copied, wait for credit, and say from where", async () => {
      const { control, provider } = Memory.make()
      const [a, b] = [bound(provider, "0.0.0.0:1"), bound(provider, "127.0.0.1:2")]
      const message = bytes("one")
      assert.strictEqual(a.handle.sendTo(message, at("127.0.0.1:2")), undefined)
      message.fill(0)
      a.handle.sendTo(bytes(""), at("127.0.0.1:2"))
      a.handle.sendTo(bytes("three"), at("127.0.0.1:2"))
      await settle()
      assert.deepStrictEqual(b.sink.messages, [])
      read(b, 2)
      await settle()
      assert.deepStrictEqual(b.sink.messages, ["one 127.0.0.1:1", " 127.0.0.1:1"])
      read(b, 1)
      await settle()
      assert.strictEqual(b.sink.messages.length, 3)
      await closeAll(control, a, b)
    })

    it("A09: a dead port is reported once to the sender, a failure at once, port 0 not at all", async () => {
      const { control, provider } = Memory.make()
      const a = bound(provider, "127.0.0.1:1")
      const closed = bound(provider, "127.0.0.1:3")
      control.unreachable("127.0.0.1:4", "WSAEHOSTUNREACH")
      control.blackhole("192.0.2.1:0")
      control.answer("127.0.0.1:5", ["WSAENOBUFS"])
      const sends = ["127.0.0.1:2", "127.0.0.1:0", "127.0.0.1:4", "192.0.2.1:1", "127.0.0.1:5", "192.0.2.2:1"]
      assert.deepStrictEqual(sends.map((to) => codeOf(a.handle.sendTo(bytes("x"), at(to)))), [
        undefined,
        undefined,
        undefined,
        undefined,
        "WSAENOBUFS",
        "WSAENETUNREACH"
      ])
      assert.strictEqual(codeOf(a.handle.sendTo(new Uint8Array(65508), at("127.0.0.1:1"))), "WSAEMSGSIZE")
      assert.strictEqual(codeOf(a.handle.sendTo(bytes("x"), undefined)), "WSAENOTCONN")
      closed.handle.sendTo(bytes("x"), at("127.0.0.1:2"))
      closed.handle.close("graceful")
      await settle()
      assert.deepStrictEqual(a.sink.events, ["soft WSAECONNRESET", "soft WSAEHOSTUNREACH"])
      assert.deepStrictEqual(closed.sink.events, ["closed"])
      await closeAll(control, a, closed)
    })

    it("R05 … R09: a peer filters, discards or keeps what waits, and can be dissolved", async () => {
      const { control, provider } = Memory.make()
      const [a, b, c] = [bound(provider, "0.0.0.0:1"), bound(provider, "127.0.0.1:2"), bound(provider, "127.0.0.1:3")]
      b.handle.sendTo(bytes("before"), at("127.0.0.1:1"))
      assert.strictEqual(SocketAddress.format(succeed(a.handle.setPeer(at("127.0.0.1:2"), "discard"))), "127.0.0.1:1")
      b.handle.sendTo(bytes("peer"), at("127.0.0.1:1"))
      c.handle.sendTo(bytes("stranger"), at("127.0.0.1:1"))
      succeed(a.handle.setPeer(at("127.0.0.1:2"), "keep"))
      a.handle.sendTo(bytes("to the peer"), undefined)
      read(a, 10)
      read(b, 10)
      await settle()
      assert.deepStrictEqual(a.sink.messages, ["peer 127.0.0.1:2"])
      assert.deepStrictEqual(b.sink.messages, ["to the peer 127.0.0.1:1"])
      control.answer("127.0.0.1:3", ["WSAENETUNREACH"])
      assert.strictEqual(codeOf(a.handle.setPeer(at("127.0.0.1:3"), "discard")), "WSAENETUNREACH")
      assert.strictEqual(a.handle.sendTo(bytes("x"), undefined), undefined)
      assert.strictEqual(SocketAddress.format(succeed(a.handle.setPeer(undefined, "discard"))), "0.0.0.0:1")
      assert.strictEqual(codeOf(a.handle.sendTo(bytes("x"), undefined)), "WSAENOTCONN")
      c.handle.sendTo(bytes("stranger"), at("127.0.0.1:1"))
      await settle()
      assert.strictEqual(a.sink.messages.at(-1), "stranger 127.0.0.1:3")
      await closeAll(control, a, b, c)
    })

    it("R10: a broadcast needs its option and reaches everyone on the port", async () => {
      const { control, provider } = Memory.make()
      const a = bound(provider, "127.0.0.1:1")
      const others = [bound(provider, "0.0.0.0:2", reuse), bound(provider, "127.0.0.1:2", reuse)]
      for (const other of others) read(other, 10)
      assert.strictEqual(codeOf(a.handle.sendTo(bytes("x"), at("255.255.255.255:2"))), "WSAEACCES")
      assert.strictEqual(codeOf(a.handle.setPeer(at("255.255.255.255:2"), "discard")), "WSAEACCES")
      assert.strictEqual(a.handle.setOption("SO_BROADCAST", true), undefined)
      assert.strictEqual(codeOf(a.handle.setOption("TCP_NODELAY", true)), "WSAENOPROTOOPT")
      assert.strictEqual(a.handle.sendTo(bytes("x"), at("255.255.255.255:2")), undefined)
      succeed(a.handle.setPeer(at("255.255.255.255:2"), "discard"))
      await settle()
      assert.deepStrictEqual(others.map(({ sink }) => sink.messages), [["x 127.0.0.1:1"], ["x 127.0.0.1:1"]])
      await closeAll(control, a, ...others)
    })

    it("of two on a port the one with the peer is meant", async () => {
      const { control, provider } = Memory.make()
      const [a, b, c] = [
        bound(provider, "127.0.0.1:1"),
        bound(provider, "127.0.0.1:2", reuse),
        bound(provider, "127.0.0.1:2", reuse)
      ]
      read(b, 10)
      read(c, 10)
      succeed(c.handle.setPeer(at("127.0.0.1:1"), "discard"))
      a.handle.sendTo(bytes("x"), at("127.0.0.1:2"))
      await settle()
      assert.deepStrictEqual([b.sink.messages.length, c.sink.messages.length], [0, 1])
      await closeAll(control, a, b, c)
    })
  })

  it("after close every method does nothing, and local goes on answering", async () => {
    for (const kind of [stream, datagram]) {
      const { control, provider } = Memory.make()
      const opened = open(provider, kind)
      const { handle } = opened
      succeed(handle.bind(at("127.0.0.1:1"), plain))
      handle.close("graceful")
      handle.bind(at("127.0.0.1:2"), plain)
      handle.connect(plan("127.0.0.1:1"))
      handle.abort(1)
      handle.setPeer(at("127.0.0.1:1"), "discard")
      handle.listen({ backlog: 1, local: at("127.0.0.1:1"), keepLocalPort: false })
      handle.read(10)
      handle.write(bytes("x"))
      handle.sendTo(bytes("x"), at("127.0.0.1:9"))
      handle.shutdownSend()
      handle.setOption("SO_KEEPALIVE", true)
      assert.strictEqual(SocketAddress.format(handle.local()!), "127.0.0.1:1")
      await settle()
      assert.deepStrictEqual(opened.sink.events, ["closed"])
      await closeAll(control, opened)
    }
  })

  it("whatever is done in whatever order: nothing throws, bytes stay in order, and all is given back", async () => {
    for (let seed = 1; seed <= runs; seed++) {
      const first = await storm(seed)
      if (seed % 20 === 1) assert.deepStrictEqual(await storm(seed), first, `seed ${seed} is not deterministic`)
    }
  })

  describe("layer", () => {
    it("E02: does not start without a network", async () => {
      const exit = await Effect.runPromiseExit(
        Effect.void.pipe(Effect.provide(Memory.layer({ network: "down" })))
      )
      assert.isTrue(Exit.isFailure(exit) && Cause.pretty(exit.cause).includes("WSASYSNOTREADY"))
    })

    it.effect("leaves nothing behind, and is a world of its own each time", () =>
      Effect.gen(function*() {
        const world = Effect.gen(function*() {
          const memory = yield* Memory.Memory
          memory.blackhole("192.0.2.1:80")
          yield* Effect.scoped(Effect.gen(function*() {
            const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
            yield* Winsock.bind(s, "127.0.0.1:80")
            yield* Winsock.listen(s)
            const t = yield* Winsock.socket({ family: "IPv4", type: "stream" })
            yield* Winsock.ioctlsocket(t, "FIONBIO", true)
            const error = yield* Effect.flip(Winsock.connect(t, "192.0.2.1:80"))
            assert.strictEqual(error._tag, "WSAEWOULDBLOCK")
            assert.deepStrictEqual(memory.counts(), { handles: 2, listeners: 1, streams: 0, attempts: 1 })
          }))
          return memory.counts()
        })
        for (let i = 0; i < 2; i++) {
          const counts = yield* world.pipe(Effect.provide(Memory.layer()))
          assert.deepStrictEqual(counts, { handles: 0, listeners: 0, streams: 0, attempts: 0 })
        }
      }))
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Storms
// ---------------------------------------------------------------------------------------------------------------------

/** mulberry32: the same numbers for the same seed. */
const randomOf = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below)
  }
}

interface Player extends Opened {
  readonly kind: Provider.Kind
  /** What each stream handle has handed over to the provider. */
  readonly written: Array<number>
  /** Whom it is connected with. */
  mate: Player | undefined
  lent: boolean
  broken: boolean
  closing: boolean
  attempt: number
  /** Whom it tries to reach. */
  remote: SocketAddress.SocketAddress | undefined
}

/** Random calls on random handles, from outside and from inside events; gives everything that was told. */
const storm = async (seed: number): Promise<ReadonlyArray<string>> => {
  const random = randomOf(seed)
  const pick = <A>(values: ReadonlyArray<A>): A => values[random(values.length)]!
  const { control, provider } = Memory.make({
    window: 1 + random(100),
    conditional: random(2) === 0,
    ephemeralPorts: [5000, 5007],
    maxSockets: 12
  })
  const log: Array<string> = []
  const players: Array<Player> = []
  const requests: Array<{ readonly request: Provider.Incoming; readonly client: Player }> = []
  const addresses = ["127.0.0.1:80", "127.0.0.1:81", "0.0.0.0:80", "192.0.2.1:80", "127.0.0.1:5000", "127.0.0.1:5001"]
    .map(at)
  control.blackhole("192.0.2.1:80")
  let counter = 0

  const enlist = (kind: Provider.Kind, make: (sink: Provider.Sink) => Provider.Handle | Provider.Failure) => {
    const sink = new Recorder()
    const name = players.length
    const handle = make(sink)
    if (Provider.isFailure(handle)) return undefined
    const player: Player = {
      kind,
      sink,
      handle,
      written: [],
      mate: undefined,
      lent: false,
      broken: false,
      closing: false,
      attempt: 0,
      remote: undefined
    }
    players.push(player)
    sink.react = (event) => {
      log.push(`${name} ${event}`)
      if (player.closing) assert.strictEqual(event, "closed", `seed ${seed}: ${name} was told ${event} after its close`)
      if (event === "incoming") {
        const request = sink.requests.at(-1)!
        const client = players.find(({ closing, handle, remote }) =>
          !closing && remote !== undefined && SocketAddress.same(remote, request.local) &&
          SocketAddress.same(handle.local()!, request.remote)
        )
        requests.push({ request, client: client! })
      }
      if (event.startsWith("connected")) player.remote = undefined
      if (event === "drained") {
        assert.isTrue(player.lent, `seed ${seed}: drained without a write`)
        player.lent = false
      }
      if (event.startsWith("broken")) {
        assert.isFalse(player.broken, `seed ${seed}: broken twice`)
        player.broken = true
        player.lent = false
      }
      // Fibers resume inside events.
      if (random(4) === 0) act()
    }
    return player
  }

  const inside = <A>(call: () => A): A => {
    for (const { sink } of players) sink.insideCall = true
    try {
      return call()
    } finally {
      for (const { sink } of players) sink.insideCall = false
    }
  }

  const connect = (player: Player, remote: SocketAddress.SocketAddress) => {
    const attempt = player.attempt + 1
    if (inside(() => player.handle.connect({ ...plan("127.0.0.1:80"), remote, attempt })) !== "pending") return
    player.attempt = attempt
    player.remote = remote
  }

  const meet = ({ client, request }: typeof requests[number], accept: boolean) => {
    request.withdrawn()
    if (!accept) return inside(() => request.reject())
    const server = enlist(stream, (sink) => inside(() => request.accept(sink, undefined)))
    if (server !== undefined) [client.mate, server.mate] = [server, client]
  }

  const write = (player: Player) => {
    if (player.lent) return
    const part = Array.from({ length: random(80) }, () => counter++ & 255)
    const left = inside(() => player.handle.write(Uint8Array.from(part)))
    if (Provider.isFailure(left)) return
    player.written.push(...part)
    player.lent = left > 0
  }

  const act = (): void => {
    const player = players.length === 0 ? undefined : pick(players)
    const handle = player?.handle
    switch (random(15)) {
      case 0:
      case 1: {
        const kind = random(4) === 0 ? datagram : stream
        enlist(kind, (sink) => provider.open(kind, sink))
        return
      }
      case 2:
        inside(() => handle?.bind(pick(addresses), random(3) === 0 ? reuse : plain))
        return
      case 3: {
        const local = handle?.local()
        if (local !== undefined) inside(() => handle!.listen({ backlog: 2, local, keepLocalPort: false }))
        return
      }
      case 4:
      case 5:
        if (player !== undefined) {
          connect(player, pick(addresses))
        }
        return
      case 6:
        if (random(4) === 0 && player !== undefined) {
          if (inside(() => handle!.abort(player.attempt)) !== undefined) player.remote = undefined
        }
        return
      case 7:
      case 8: {
        const taken = requests.splice(random(requests.length), 1)[0]
        if (taken !== undefined) meet(taken, random(4) > 0)
        return
      }
      case 9:
      case 10:
        if (player !== undefined) {
          const credit = random(60)
          player.sink.credit = credit
          inside(() => handle!.read(credit))
        }
        return
      case 11:
      case 12:
        if (player === undefined) return
        if (player.kind.type === "stream") return write(player)
        inside(() => handle!.sendTo(bytes(`${counter++}`), pick([undefined, ...addresses])))
        return
      case 13:
        if (player?.kind.type === "datagram") {
          inside(() => handle!.setPeer(pick([undefined, ...addresses]), pick(["keep", "discard"])))
        } else inside(() => handle?.shutdownSend())
        return
      default:
        if (random(3) === 0 && player !== undefined) {
          player.closing = true
          inside(() => handle!.close(pick(["graceful", "graceful", "reset"])))
        } else {
          const deed = random(20)
          if (deed === 0) inside(() => control.breakStreams(pick(addresses), "WSAENETRESET"))
          if (deed === 1) inside(() => control.failAttempts(pick(addresses), "WSAETIMEDOUT"))
          if (deed === 2) inside(() => control.stallWrites("127.0.0.1:80", random(2) === 0))
        }
    }
  }

  // Some are connected when it begins.
  const server = enlist(stream, (sink) => provider.open(stream, sink))!
  server.handle.bind(at("0.0.0.0:80"), plain)
  server.handle.listen({ backlog: 1, local: at("0.0.0.0:80"), keepLocalPort: false })
  for (let i = random(5); i > 0; i--) {
    connect(enlist(stream, (sink) => provider.open(stream, sink))!, at("127.0.0.1:80"))
  }
  for (let i = 0; i < 120; i++) {
    act()
    if (random(3) === 0) await Promise.resolve()
    if (random(10) === 0) await settle()
  }
  for (const { sink } of players) sink.react = () => undefined
  for (const { handle } of players) handle.close(random(2) === 0 ? "graceful" : "reset")
  for (const { handle } of players) handle.close("reset")
  await settle()
  for (const { mate, sink, kind } of players) {
    assert.strictEqual(sink.events.filter((event) => event === "closed").length, 1, `seed ${seed}`)
    assert.strictEqual(sink.events.at(-1), "closed", `seed ${seed}`)
    if (kind.type === "stream" && sink.received.length > 0) {
      assert.isDefined(mate, `seed ${seed}: bytes from nobody`)
      assert.deepStrictEqual(sink.received, mate!.written.slice(0, sink.received.length), `seed ${seed}`)
      // An end in order comes after everything.
      if (sink.events.includes("ended")) assert.strictEqual(sink.received.length, mate!.written.length, `seed ${seed}`)
    }
  }
  assert.deepStrictEqual(control.counts(), { handles: 0, listeners: 0, streams: 0, attempts: 0 }, `seed ${seed}`)
  return log
}
