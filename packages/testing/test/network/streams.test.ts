import { assert, describe, it } from "@effect/vitest"
import * as SimNetwork from "../../src/SimNetwork.ts"
import { joined, milli, Peer, second, world } from "../utils/wire.ts"

const two = { hosts: { client: {}, server: {} }, link: { latency: "10 millis" } } as const

const sum = (all: ReadonlyArray<number>) => all.reduce((a, b) => a + b, 0)

describe("a handshake", () => {
  it("takes one round trip, and reaches the listener half a round trip later", () => {
    const here = world(two)
    const listener = Peer.open(here, "server").listen("10.0.0.2:80")
    const client = Peer.open(here, "client").connect("10.0.0.2:80")
    here.engine.run()
    assert.deepStrictEqual(client.log, [[0, "issued"], [20 * milli, "connected", "established"]])
    assert.deepStrictEqual(listener.log, [[30 * milli, "incoming", "10.0.0.1:32768"]])
    assert.strictEqual(here.engine.pending, 0)
  })

  it("E09: is refused after exactly one round trip where nobody listens", () => {
    const here = world(two)
    const client = Peer.open(here, "client").connect("10.0.0.2:80")
    here.engine.run()
    assert.deepStrictEqual(client.last, [20 * milli, "connected", "WSAECONNREFUSED"])
  })

  for (const profile of [SimNetwork.linux, SimNetwork.linuxClassic]) {
    it(`E18: times out as the table of ${profile.name} says, to the microsecond`, () => {
      const here = world({ ...two, profile })
      here.net.cut("client", "server")
      const client = Peer.open(here, "client").connect("10.0.0.2:80")
      here.engine.run()
      assert.deepStrictEqual(client.last, [sum(profile.synRetries) * milli, "connected", "WSAETIMEDOUT"])
      const asked = here.engine.kinds().filter((kind) => kind.startsWith("syn")).length
      assert.strictEqual(asked, profile.synRetries.length)
    })
  }

  it("goes on by itself once a partition has healed", () => {
    const here = world(two)
    here.net.cut("client", "server")
    Peer.open(here, "server").listen("10.0.0.2:80")
    const client = Peer.open(here, "client").connect("10.0.0.2:80")
    here.engine.at(2500 * milli, () => here.net.heal("client", "server"))
    here.engine.run()
    assert.deepStrictEqual(client.last, [3020 * milli, "connected", "established"])
  })

  it("E09: a caller beyond the backlog is refused after a round trip where the system refuses", () => {
    const here = world({ ...two, profile: { ...SimNetwork.linux, backlog: "refuse" } })
    Peer.open(here, "server").listen("10.0.0.2:80", 1)
    Peer.open(here, "client").connect("10.0.0.2:80")
    const second = Peer.open(here, "client").connect("10.0.0.2:80")
    here.engine.run()
    assert.deepStrictEqual(second.last, [20 * milli, "connected", "WSAECONNREFUSED"])
  })

  it("a caller beyond the backlog of a Linux asks again, and comes in once there is room", () => {
    const here = world(two)
    const listener = Peer.open(here, "server").listen("10.0.0.2:80", 1)
    Peer.open(here, "client").connect("10.0.0.2:80")
    const second = Peer.open(here, "client").connect("10.0.0.2:80")
    here.engine.at(1500 * milli, () => void listener.accept())
    here.engine.run()
    assert.deepStrictEqual(second.last, [2020 * milli, "connected", "established"])
  })

  it("A06: a caller that gives up while its request is on the way has withdrawn it", () => {
    const here = world({ ...two, conditional: true })
    const listener = Peer.open(here, "server").listen("10.0.0.2:80")
    const client = Peer.open(here, "client").connect("10.0.0.2:80")
    here.engine.run(5 * milli)
    client.handle.abort(1)
    here.engine.run(12 * milli)
    assert.isFalse(listener.callers[0]!.withdrawn())
    here.engine.run()
    assert.isTrue(listener.callers[0]!.withdrawn())
  })

  it("E13: fails at once where there is no way, and after a search where nobody has the address", () => {
    const here = world(two)
    const away = Peer.open(here, "client").connect("192.0.2.1:80")
    const missing = Peer.open(here, "client").connect("10.0.0.99:80")
    here.engine.run()
    assert.deepStrictEqual(away.last, [0, "connected", "WSAENETUNREACH"])
    assert.deepStrictEqual(missing.last, [3 * second, "connected", "WSAEHOSTUNREACH"])
  })
})

describe("bytes", () => {
  it("arrive in order after the latency, and are answered", () => {
    const here = world(two)
    const { client, server } = joined(here, "client", "server")
    const start = here.engine.now()
    assert.strictEqual(client.handle.write(new Uint8Array(5)), 0)
    assert.strictEqual(server.handle.write(new Uint8Array(7)), 0)
    here.engine.run()
    assert.deepStrictEqual(server.last, [start + 10 * milli, "data", 5])
    assert.deepStrictEqual(client.last, [start + 10 * milli, "data", 7])
  })

  it("wait with the sender as soon as nobody receives them, and go on when somebody does", () => {
    const here = world(two)
    const { client, server } = joined(here, "client", "server")
    server.credit = 0
    server.handle.read(0)
    const profile = SimNetwork.linux
    const total = profile.receiveWindow + profile.sendBuffer + 1000
    assert.strictEqual(client.handle.write(new Uint8Array(total)), total - profile.sendBuffer)
    here.engine.run()
    assert.strictEqual(client.when("drained"), undefined)
    assert.strictEqual(here.engine.pending, 0)
    server.credit = Infinity
    server.handle.read(Infinity)
    here.engine.run()
    assert.strictEqual(server.received, total)
    assert.notStrictEqual(client.when("drained"), undefined)
  })

  it("a partition of 5 s stalls a stream, which then goes on", () => {
    const here = world(two)
    const { client, server } = joined(here, "client", "server")
    const start = here.engine.now()
    here.net.cut("client", "server")
    here.net.cut("server", "client")
    client.handle.write(new Uint8Array(100))
    here.engine.at(start + 5 * second, () => {
      here.net.heal("client", "server")
      here.net.heal("server", "client")
    })
    here.engine.run()
    // The retransmissions leave after 0.2, 0.6, 1.4, 3 and 6.2 s.
    assert.deepStrictEqual(server.last, [start + 6200 * milli + 10 * milli, "data", 100])
    assert.strictEqual(client.when("broken"), undefined)
  })

  for (const way of ["there", "back"] as const) {
    it(`a black hole on the way ${way} times out as the table says`, () => {
      const here = world(two)
      const { client, server } = joined(here, "client", "server")
      const start = here.engine.now()
      if (way === "there") here.net.cut("client", "server")
      else here.net.cut("server", "client")
      client.handle.write(new Uint8Array(100))
      here.engine.run()
      assert.deepStrictEqual(client.last, [start + 924_600 * milli, "broken", "WSAETIMEDOUT"])
      assert.strictEqual(server.received, way === "there" ? 0 : 100)
    })
  }

  it("are lost with the power of a host, and a restarted one answers with a reset", () => {
    const here = world(two)
    const { client } = joined(here, "client", "server")
    const start = here.engine.now()
    here.net.crash("server")
    here.engine.run(start + second)
    assert.deepStrictEqual(client.last?.[1], "connected")
    here.net.restart("server")
    client.handle.write(new Uint8Array(1))
    here.engine.run()
    assert.deepStrictEqual(client.last, [start + second + 20 * milli, "broken", "WSAECONNRESET"])
  })
})

describe("an end", () => {
  it("is told to the peer after the bytes before it, and both directions end by themselves", () => {
    const here = world(two)
    const { client, server } = joined(here, "client", "server")
    client.handle.write(new Uint8Array(10))
    client.handle.shutdownSend()
    here.engine.run()
    assert.deepStrictEqual(server.log.map(([, what]) => what), ["data", "ended"])
    server.handle.write(new Uint8Array(20))
    server.handle.close("graceful")
    here.engine.run()
    assert.strictEqual(client.received, 20)
    assert.strictEqual(client.last?.[1], "ended")
    client.handle.close("graceful")
    here.engine.run()
    assert.strictEqual(client.last?.[1], "closed")
    assert.strictEqual(server.last?.[1], "closed")
    assert.strictEqual(here.net.counts().streams, 0)
  })

  it("A11: a reset drops what is unsent, and breaks the peer", () => {
    const here = world(two)
    const { client, server } = joined(here, "client", "server")
    const start = here.engine.now()
    client.handle.close("reset")
    here.engine.run()
    assert.deepStrictEqual(server.last, [start + 10 * milli, "broken", "WSAECONNRESET"])
    assert.deepStrictEqual(client.last?.[1], "closed")
  })
})

describe("bandwidth", () => {
  it("is shared by two streams, and either has it alone when the other is done", () => {
    const here = world({ ...two, link: { latency: "10 millis", bandwidth: 1_000_000 } })
    const one = joined(here, "client", "server", 80)
    const two_ = joined(here, "client", "server", 81)
    const start = here.engine.now()
    one.client.handle.write(new Uint8Array(1_000_000))
    two_.client.handle.write(new Uint8Array(500_000))
    here.engine.run()
    assert.strictEqual(one.server.received, 1_000_000)
    assert.strictEqual(two_.server.received, 500_000)
    const done = one.server.last![0] - start
    const first = two_.server.last![0] - start
    assert.strictEqual(done, 1_510 * milli)
    assert.isTrue(Math.abs(first - 1_010 * milli) < 50 * milli, `${first}`)
  })
})

describe("loss", () => {
  it("shows as a stall of the retransmission time-out, never as lost bytes", () => {
    const here = world({ ...two, link: { latency: "10 millis", loss: 0.2 } }, 7)
    const { client, server } = joined(here, "client", "server")
    const start = here.engine.now()
    client.handle.write(new Uint8Array(200_000))
    here.engine.run()
    assert.strictEqual(server.received, 200_000)
    assert.include(here.engine.kinds(), "lost")
    assert.isTrue(server.last![0] - start >= 200 * milli)
  })
})

describe("luck", () => {
  it("the same seed gives the same run, another seed another, and nothing draws where nothing may be lost", () => {
    const run = (seed: number, loss: number) => {
      const here = world({ ...two, link: { latency: "10 millis", jitter: loss > 0 ? "3 millis" : 0, loss } }, seed)
      const { client, server } = joined(here, "client", "server")
      client.handle.write(new Uint8Array(300_000))
      server.handle.write(new Uint8Array(100_000))
      here.engine.run()
      return here.engine
    }
    assert.deepStrictEqual(run(1, 0.1).events, run(1, 0.1).events)
    assert.notDeepEqual(run(1, 0.1).events, run(2, 0.1).events)
    assert.deepStrictEqual(run(1, 0).lucky, [])
  })
})
