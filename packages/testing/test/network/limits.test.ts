import { Provider, SocketAddress } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import * as SimNetwork from "../../src/SimNetwork.ts"
import { at, joined, milli, Peer, second, world } from "../utils/wire.ts"

const few = { hosts: { client: { ephemeralPorts: [5000, 5001] }, server: {} }, link: { latency: "10 millis" } } as const
const own = { reuse: false, v6Only: true }
const kind: Provider.Kind = { family: "IPv4", type: "stream", direction: "both" }
const code = (answer: unknown) => Provider.isFailure(answer) ? answer.code : answer
const outcome = (peer: Peer) => peer.last?.[2]

describe("ports", () => {
  it("E14: are shared by connections to different peers, and used up for one", () => {
    const here = world(few)
    for (const port of [80, 81]) Peer.open(here, "server").listen(`10.0.0.2:${port}`)
    const connect = (port: number) => Peer.open(here, "client").connect(`10.0.0.2:${port}`)
    const all = [80, 80, 81, 81].map(connect)
    here.engine.run()
    assert.deepStrictEqual(all.map(outcome), ["established", "established", "established", "established"])
    const names = all.map(({ handle }) => SocketAddress.format(handle.local()!))
    assert.deepStrictEqual(names, ["10.0.0.1:5000", "10.0.0.1:5001", "10.0.0.1:5000", "10.0.0.1:5001"])
    const late = connect(80)
    assert.deepStrictEqual(late.last, [here.engine.now(), "connect", "WSAENOBUFS"])
    const bound = Peer.open(here, "client")
    assert.strictEqual(code(bound.handle.bind(at("0.0.0.0:0"), own)), "WSAENOBUFS")
  })

  it("rest for a minute after a connection that was closed here first, and for none after one that was reset", () => {
    const here = world({ ...few, hosts: { client: { ephemeralPorts: [5000, 5000] }, server: {} } })
    Peer.open(here, "server").listen("10.0.0.2:80")
    const connect = () => Peer.open(here, "client").connect("10.0.0.2:80")
    const reset = connect()
    here.engine.run()
    reset.handle.close("reset")
    const first = connect()
    here.engine.run()
    assert.strictEqual(outcome(first), "established")
    first.handle.close("graceful")
    // Its last part has been heard of after a round trip.
    const closed = here.engine.now() + 20 * milli
    here.engine.run(closed)
    assert.strictEqual(outcome(connect()), "WSAENOBUFS")
    here.engine.run(closed + 59 * second)
    assert.strictEqual(outcome(connect()), "WSAENOBUFS")
    here.engine.run(closed + 61 * second)
    const again = connect()
    here.engine.run()
    assert.strictEqual(outcome(again), "established")
  })

  it("T21: no two connections have the same pair of addresses", () => {
    const here = world(few)
    Peer.open(here, "server").listen("10.0.0.2:80")
    const [one, two] = [Peer.open(here, "client"), Peer.open(here, "client")]
    for (const { handle } of [one, two]) handle.bind(at("0.0.0.0:7000"), { reuse: true, v6Only: true })
    one.connect("10.0.0.2:80")
    two.connect("10.0.0.2:80")
    assert.strictEqual(outcome(two), "WSAEADDRINUSE")
  })

  it("R26: a refused attempt keeps its port, unless another connection to the same peer has come to use it", () => {
    const here = world(few)
    const s = Peer.open(here, "client").connect("10.0.0.2:80")
    here.engine.run()
    assert.strictEqual(outcome(s), "WSAECONNREFUSED")
    const local = s.handle.local()!
    s.connect("10.0.0.2:80", { attempt: 2, local, keepLocalPort: true })
    here.engine.run()
    assert.isTrue(SocketAddress.same(local, s.handle.local()!))
  })

  it("A02: are nobody else's while they are bound, except where the provider does not bind exclusively", () => {
    for (const exclusiveBind of [true, false]) {
      const here = world({ ...few, exclusiveBind })
      const [one, two] = [Peer.open(here, "client"), Peer.open(here, "client")]
      one.handle.bind(at("0.0.0.0:80"), own)
      const answer = code(two.handle.bind(at("10.0.0.1:80"), own))
      if (exclusiveBind) assert.strictEqual(answer, "WSAEADDRINUSE")
      else {
        const plan = { backlog: 1, local: at("0.0.0.0:80"), keepLocalPort: false }
        assert.isFalse(Provider.isFailure(one.handle.listen(plan)))
        assert.strictEqual(code(two.handle.listen(plan)), "WSAEADDRINUSE")
      }
      assert.strictEqual(here.net.provider("client").capabilities(kind).exclusiveBind, exclusiveBind)
    }
  })

  it("T40: what is bound to loopback reaches no other host; E07: nor can the address of another be bound", () => {
    const here = world(few)
    const s = Peer.open(here, "client")
    s.handle.bind(at("127.0.0.1:0"), own)
    assert.strictEqual(outcome(s.connect("10.0.0.2:80")), "WSAEADDRNOTAVAIL")
    assert.strictEqual(code(Peer.open(here, "client").handle.bind(at("10.0.0.2:0"), own)), "WSAEADDRNOTAVAIL")
  })
})

describe("limits", () => {
  it("WSAEMFILE where no more sockets may be open, and room again as soon as one is closed", () => {
    const here = world({ hosts: { client: { maxSockets: 2 } } })
    const provider = here.net.provider("client")
    const [first] = [Peer.open(here, "client"), Peer.open(here, "client")]
    assert.strictEqual(code(provider.open(kind, new Peer(here.engine))), "WSAEMFILE")
    first!.handle.close("graceful")
    assert.isFalse(Provider.isFailure(provider.open(kind, new Peer(here.engine))))
  })

  it("E14: WSAENOBUFS where the sockets of a host hold all that it has room for", () => {
    const here = world({ hosts: { client: { maxBuffers: 10_000 }, server: {} } })
    const { client, server } = joined(here, "client", "server")
    server.handle.read(0)
    server.credit = 0
    client.handle.write(new Uint8Array(200_000))
    here.engine.run()
    assert.strictEqual(outcome(Peer.open(here, "client").connect("10.0.0.2:80")), "WSAENOBUFS")
    const datagram = Peer.open(here, "client", "IPv4", "datagram")
    assert.strictEqual(code(datagram.handle.sendTo(new Uint8Array(1), at("10.0.0.2:9"))), "WSAENOBUFS")
    server.credit = Infinity
    server.handle.read(Infinity)
    here.engine.run()
    const later = Peer.open(here, "client").connect("10.0.0.2:80")
    here.engine.run()
    assert.strictEqual(outcome(later), "established")
  })
})

describe("a full backlog", () => {
  const full = (backlog: SimNetwork.Profile["backlog"]) => {
    const here = world({ ...few, hosts: { client: {}, server: {} }, profile: { ...SimNetwork.linux, backlog } })
    const listener = Peer.open(here, "server").listen("10.0.0.2:80", 1)
    const first = Peer.open(here, "client").connect("10.0.0.2:80")
    here.engine.run()
    const start = here.engine.now()
    const second_ = Peer.open(here, "client").connect("10.0.0.2:80")
    return { here, first, listener, second: second_, start }
  }

  it("lets a request wait to be sent again, and answers it when there is room", () => {
    const { here, listener, second: caller, start } = full("ignore")
    here.engine.at(start + 2500 * milli, () => void listener.accept())
    here.engine.run()
    assert.deepStrictEqual(caller.last, [start + 3020 * milli, "connected", "established"])
  })

  it("refuses, where the profile says so, after one round trip", () => {
    const { here, second: caller, start } = full("refuse")
    here.engine.run()
    assert.deepStrictEqual(caller.last, [start + 20 * milli, "connected", "WSAECONNREFUSED"])
  })

  it("lets in whoever core resets, where the profile says so", () => {
    const { here, listener, second: caller } = full("reset")
    here.engine.run()
    assert.strictEqual(outcome(caller), "established")
    assert.strictEqual(listener.callers.length, 2)
    listener.callers[1]!.reject()
    caller.handle.read(1)
    here.engine.run()
    assert.strictEqual(outcome(caller), "WSAECONNRESET")
  })
})
