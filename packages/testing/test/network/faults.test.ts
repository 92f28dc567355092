import { assert, describe, it } from "@effect/vitest"
import * as SimNetwork from "../../src/SimNetwork.ts"
import { joined, milli, Peer, second, world } from "../utils/wire.ts"

const two = { hosts: { client: {}, server: {} }, link: { latency: "10 millis" } } as const
const keepAlive = { idle: 10_000, interval: 2000, count: 3, code: "WSAETIMEDOUT" } as const

describe("keep-alive", () => {
  it("A14: finds out that a silent peer is gone, as the table says; without it nobody does", () => {
    for (const on of [true, false]) {
      const here = world({ ...two, profile: { ...SimNetwork.linux, keepAlive } })
      const { client } = joined(here, "client", "server")
      client.handle.setOption("SO_KEEPALIVE", on)
      const heard = 20 * milli
      here.net.cut("client", "server")
      here.engine.run()
      assert.deepStrictEqual(
        client.last?.slice(0, 3),
        on
          ? [heard + 16 * second, "broken", "WSAETIMEDOUT"]
          : [heard, "connected", "established"]
      )
    }
  })

  it("is answered by a peer that lives, and by one that has begun anew with a reset", () => {
    const here = world({ ...two, profile: { ...SimNetwork.linux, keepAlive } })
    const { client } = joined(here, "client", "server")
    client.handle.setOption("SO_KEEPALIVE", true)
    here.engine.run(60 * second)
    assert.strictEqual(client.when("broken"), undefined)
    assert.include(here.engine.kinds(), "keep-alive")
    here.net.crash("server")
    here.net.restart("server")
    here.engine.run(80 * second)
    assert.strictEqual(client.last?.[2], "WSAECONNRESET")
  })
})

describe("a network that is hindered", () => {
  it("holds what is sent, and lets it go in order", () => {
    const here = world(two)
    const { client, server } = joined(here, "client", "server")
    const start = here.engine.now()
    here.net.hold("client", "server")
    client.handle.write(new Uint8Array(3))
    client.handle.write(new Uint8Array(4))
    here.engine.run(start + 60 * second)
    assert.strictEqual(server.received, 0)
    here.net.release("client", "server")
    here.engine.run()
    assert.deepStrictEqual(server.log.slice(-2).map(([micros, , size]) => [micros - start, size]), [
      [60 * second + 10 * milli, 3],
      [60 * second + 10 * milli, 4]
    ])
    assert.notInclude(here.engine.kinds(), "retry")
  })

  it("is cut as often as it was said, and heals with the last", () => {
    const here = world(two)
    const { client, server } = joined(here, "client", "server")
    const start = here.engine.now()
    here.net.cut("client", "server")
    here.net.cut("client", "server")
    client.handle.write(new Uint8Array(1))
    here.engine.at(start + second, () => here.net.heal("client", "server"))
    here.engine.at(start + 2 * second, () => here.net.heal("client", "server"))
    here.engine.run()
    assert.deepStrictEqual(server.last, [start + 3000 * milli + 10 * milli, "data", 1])
  })

  it("goes silent with the network of a host, and goes on with it", () => {
    const here = world(two)
    const { client, server } = joined(here, "client", "server")
    const start = here.engine.now()
    here.net.setNetwork("server", "down")
    assert.strictEqual(here.net.provider("server").network(), "down")
    client.handle.write(new Uint8Array(1))
    here.engine.at(start + second, () => here.net.setNetwork("server", "up"))
    here.engine.run()
    assert.deepStrictEqual(server.last, [start + 1400 * milli + 10 * milli, "data", 1])
  })

  it("changes for what is sent from then on, until it is taken back", () => {
    const here = world(two)
    const { client, server } = joined(here, "client", "server")
    const start = here.engine.now()
    const back = here.net.shape("client", "server", { latency: "300 millis" })
    client.handle.write(new Uint8Array(1))
    here.engine.run()
    back()
    client.handle.write(new Uint8Array(2))
    here.engine.run()
    assert.deepStrictEqual(server.log.map(([micros, , size]) => [micros - start, size]), [
      [300 * milli, 1],
      [310 * milli, 2]
    ])
  })
})

describe("an address", () => {
  const call = (here: ReturnType<typeof world>) => Peer.open(here, "client").connect("10.0.0.2:80")

  it("is refused, swallowed, or slow to answer, until that is taken back", () => {
    const here = world(two)
    Peer.open(here, "server").listen("10.0.0.2:80")
    const meets = (undo: () => void) => {
      const start = here.engine.now()
      const caller = call(here)
      here.engine.run()
      undo()
      return [caller.last![0] - start, caller.last![2]]
    }
    assert.deepStrictEqual(meets(here.net.refuse("10.0.0.2:80")), [20 * milli, "WSAECONNREFUSED"])
    assert.deepStrictEqual(meets(here.net.blackhole("10.0.0.2:0")), [131 * second, "WSAETIMEDOUT"])
    assert.deepStrictEqual(meets(here.net.slowAccept("10.0.0.2:80", "3 seconds")), [3020 * milli, "established"])
    assert.deepStrictEqual(meets(() => {}), [20 * milli, "established"])
  })

  it("answers the next attempts as a test says, each after a round trip", () => {
    const here = world(two)
    Peer.open(here, "server").listen("10.0.0.2:80")
    here.net.answer("10.0.0.2:80", ["WSAETIMEDOUT", "WSAEHOSTUNREACH"])
    const all = [call(here), call(here), call(here)]
    here.engine.run()
    assert.deepStrictEqual(all.map(({ last }) => last), [
      [20 * milli, "connected", "WSAETIMEDOUT"],
      [20 * milli, "connected", "WSAEHOSTUNREACH"],
      [20 * milli, "connected", "established"]
    ])
  })

  it("has its pending attempts ended, and its connections broken, at once", () => {
    const here = world(two)
    const { client, server } = joined(here, "client", "server", 81)
    here.net.blackhole("10.0.0.2:80")
    const caller = call(here)
    here.engine.run(here.engine.now() + second)
    const now = here.engine.now()
    assert.strictEqual(here.net.failAttempts("10.0.0.2:80", "WSAEHOSTUNREACH"), 1)
    assert.strictEqual(here.net.reset("10.0.0.2:81"), 1)
    here.engine.run()
    assert.deepStrictEqual(caller.last, [now, "connected", "WSAEHOSTUNREACH"])
    assert.deepStrictEqual(client.last, [now, "broken", "WSAECONNRESET"])
    assert.deepStrictEqual(server.last, [now, "broken", "WSAECONNRESET"])
  })
})

describe("a host", () => {
  it("that is half open for its peer stays so, until the peer speaks", () => {
    const here = world(two)
    const { client } = joined(here, "client", "server")
    here.net.crash("server")
    here.net.restart("server")
    here.engine.run(here.engine.now() + 3600 * second)
    assert.strictEqual(client.when("broken"), undefined)
    assert.strictEqual(here.engine.pending, 0)
    client.handle.write(new Uint8Array(1))
    const spoke = here.engine.now()
    here.engine.run()
    assert.deepStrictEqual(client.last, [spoke + 20 * milli, "broken", "WSAECONNRESET"])
  })

  it("that has no power swallows what is sent to it, as the tables say", () => {
    const here = world(two)
    const { client } = joined(here, "client", "server")
    here.net.crash("server")
    const start = here.engine.now()
    client.handle.write(new Uint8Array(1))
    const caller = Peer.open(here, "client").connect("10.0.0.2:80")
    here.engine.run()
    assert.deepStrictEqual(caller.last, [start + 131 * second, "connected", "WSAETIMEDOUT"])
    assert.deepStrictEqual(client.last, [start + 924_600 * milli, "broken", "WSAETIMEDOUT"])
  })

  it("that crashes in front of a full window is found out by asking", () => {
    const here = world(two)
    const { client, server } = joined(here, "client", "server")
    server.handle.read(0)
    client.handle.write(new Uint8Array(300_000))
    here.engine.run()
    here.net.crash("server")
    here.net.restart("server")
    here.engine.run()
    assert.strictEqual(client.last?.[2], "WSAECONNRESET")
  })

  it("that is stopped tells its peers and its programs, and refuses from then on", () => {
    const here = world(two)
    const { client, listener, server } = joined(here, "client", "server")
    const start = here.engine.now()
    server.handle.write(new Uint8Array(100_000))
    here.net.stop("server")
    const caller = Peer.open(here, "client").connect("10.0.0.2:80")
    here.engine.run()
    assert.strictEqual(client.received, 100_000)
    assert.strictEqual(client.last?.[1], "ended")
    assert.deepStrictEqual(caller.last, [start + 20 * milli, "connected", "WSAECONNREFUSED"])
    assert.strictEqual(server.last?.[2], "WSAENETDOWN")
    assert.strictEqual(listener.last?.[2], "WSAENETDOWN")
    listener.handle.close("graceful")
    server.handle.close("graceful")
    here.engine.run()
    assert.strictEqual(server.last?.[1], "closed")
    assert.strictEqual(here.net.counts("server").handles, 0)
  })
})

describe("the luck of a link", () => {
  it("is its own: another link, and what happens there, change nothing of it", () => {
    const run = (hosts: SimNetwork.Options["hosts"], busy: boolean) => {
      const here = world({ hosts: hosts!, link: { latency: "10 millis", loss: 0.3 } }, 3)
      const noise = busy ? joined(here, "client", "other") : undefined
      const start = here.engine.now()
      const server = Peer.open(here, "server", "IPv4", "datagram")
      server.handle.bind(here.net.address("server", 9), { reuse: false, v6Only: true })
      server.handle.read(server.credit)
      const client = Peer.open(here, "client", "IPv4", "datagram")
      for (let index = 0; index < 200; index++) {
        here.engine.at(start + index * milli, () => {
          noise?.client.handle.write(new Uint8Array(1))
          client.handle.sendTo(new TextEncoder().encode(`${index}`), here.net.address("server", 9))
        })
      }
      here.engine.run()
      return server.log.map(([, , what]) => String(what).split(" ")[0])
    }
    const alone = run({ client: {}, server: {} }, false)
    assert.isTrue(alone.length > 100 && alone.length < 200)
    assert.deepStrictEqual(run({ client: {}, server: {}, other: {} }, true), alone)
  })
})
