import { Provider } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import * as SimNetwork from "../../src/SimNetwork.ts"
import { at, milli, Peer, world } from "../utils/wire.ts"

const two = { hosts: { client: {}, server: {} }, link: { latency: "10 millis" } } as const
const text = (what: string) => new TextEncoder().encode(what)
const own = { reuse: false, v6Only: true }

const bound = (here: ReturnType<typeof world>, host: string, address: string) => {
  const peer = Peer.open(here, host, "IPv4", "datagram")
  const answer = peer.handle.bind(at(address), own)
  assert.isFalse(Provider.isFailure(answer))
  peer.handle.read(peer.credit)
  return peer
}

const code = (answer: unknown) => Provider.isFailure(answer) ? answer.code : answer

/** Sends so many numbered datagrams, and gives those that arrived, in their order. */
const arrivals = (link: SimNetwork.LinkOptions, count: number, seed = 1) => {
  const here = world({ ...two, link: { latency: "10 millis", ...link } }, seed)
  const server = bound(here, "server", "0.0.0.0:9")
  const client = bound(here, "client", "0.0.0.0:9")
  for (let index = 0; index < count; index++) client.handle.sendTo(text(`${index}`), at("10.0.0.2:9"))
  here.engine.run()
  return { here, got: server.log.map(([, , what]) => Number(String(what).split(" ")[0])) }
}

const inOrder = (all: ReadonlyArray<number>) => all.every((one, index) => index === 0 || all[index - 1]! <= one)

describe("a datagram", () => {
  it("arrives after the latency, with the address it came from", () => {
    const here = world(two)
    const server = bound(here, "server", "0.0.0.0:9")
    const client = Peer.open(here, "client", "IPv4", "datagram")
    assert.isUndefined(client.handle.sendTo(text("hello"), at("10.0.0.2:9")))
    here.engine.run()
    assert.deepStrictEqual(server.log, [[10 * milli, "datagram", "hello from 10.0.0.1:32768"]])
  })

  it("A09: to a dead port is told to the socket that has that peer, after a round trip, and to no other", () => {
    const here = world(two)
    const connected = Peer.open(here, "client", "IPv4", "datagram")
    const free = Peer.open(here, "client", "IPv4", "datagram")
    connected.handle.setPeer(at("10.0.0.2:9"), "keep")
    connected.handle.sendTo(text("x"), undefined)
    free.handle.sendTo(text("x"), at("10.0.0.2:9"))
    here.engine.run()
    assert.deepStrictEqual(connected.log, [[20 * milli, "soft", "WSAECONNRESET"]])
    assert.deepStrictEqual(free.log, [])
  })

  it("waits for a link that is held as for one that is busy: beyond the queue it is dropped", () => {
    const here = world({ ...two, link: { latency: "10 millis", queue: 10 } })
    const server = bound(here, "server", "0.0.0.0:9")
    const client = bound(here, "client", "0.0.0.0:9")
    here.net.hold("client", "server")
    for (const what of ["12345", "6789", "abc", "0"]) client.handle.sendTo(text(what), at("10.0.0.2:9"))
    here.net.release("client", "server")
    client.handle.sendTo(text("again"), at("10.0.0.2:9"))
    here.engine.run()
    const from = "from 10.0.0.1:9"
    assert.deepStrictEqual(server.log.map(([, , what]) => what), [
      `12345 ${from}`,
      `6789 ${from}`,
      `0 ${from}`,
      `again ${from}`
    ])
  })

  it("A09: to a dead port is told to every sender where the profile says so", () => {
    const here = world({ ...two, profile: { ...SimNetwork.linux, icmp: "all" } })
    const free = Peer.open(here, "client", "IPv4", "datagram")
    free.handle.sendTo(text("x"), at("10.0.0.2:9"))
    here.engine.run()
    assert.deepStrictEqual(free.log, [[20 * milli, "soft", "WSAECONNRESET"]])
  })

  it("R06: of others is dropped by a socket that has a peer, and goes to the one that has it as its peer", () => {
    const here = world({ hosts: { client: {}, server: {}, other: {} } })
    const server = bound(here, "server", "0.0.0.0:9")
    server.handle.setPeer(at("10.0.0.1:5"), "discard")
    const client = bound(here, "client", "0.0.0.0:5")
    const other = bound(here, "other", "0.0.0.0:5")
    client.handle.sendTo(text("friend"), at("10.0.0.2:9"))
    other.handle.sendTo(text("stranger"), at("10.0.0.2:9"))
    here.engine.run()
    assert.deepStrictEqual(server.log.map(([, , what]) => what), ["friend from 10.0.0.1:5"])
  })

  it("R10, E20: goes to all hosts by a broadcast address, which takes SO_BROADCAST", () => {
    const here = world({ hosts: { client: {}, one: {}, two: {} } })
    const client = bound(here, "client", "0.0.0.0:9")
    for (const address of ["255.255.255.255:9", "10.0.0.255:9"]) {
      assert.strictEqual(code(client.handle.sendTo(text("x"), at(address))), "WSAEACCES")
      assert.strictEqual(code(client.handle.setPeer(at(address), "keep")), "WSAEACCES")
    }
    const all = [client, bound(here, "one", "0.0.0.0:9"), bound(here, "two", "0.0.0.0:9")]
    client.handle.setOption("SO_BROADCAST", true)
    assert.isUndefined(client.handle.sendTo(text("all"), at("10.0.0.255:9")))
    here.engine.run()
    for (const { log } of all) assert.deepStrictEqual(log.map(([, , what]) => what), ["all from 10.0.0.1:9"])
  })

  it("E13: to where there is no way fails at once; to an address that nobody has it vanishes", () => {
    const here = world(two)
    const client = bound(here, "client", "0.0.0.0:9")
    assert.strictEqual(code(client.handle.sendTo(text("x"), at("192.0.2.1:9"))), "WSAENETUNREACH")
    assert.strictEqual(code(client.handle.setPeer(at("192.0.2.1:9"), "keep")), "WSAENETUNREACH")
    assert.isUndefined(client.handle.sendTo(text("x"), at("10.0.0.99:9")))
    here.engine.run()
    assert.deepStrictEqual(client.log, [])
  })

  it("is lost, doubled and overtaken as often as the link says, and never otherwise", () => {
    const plain = arrivals({ jitter: "30 millis" }, 1000)
    assert.strictEqual(plain.got.length, 1000)
    assert.isTrue(inOrder(plain.got))
    const lost = arrivals({ loss: 0.2 }, 1000).got
    assert.isTrue(Math.abs(lost.length - 800) < 60, `${lost.length}`)
    assert.isTrue(inOrder(lost))
    const doubled = arrivals({ duplicate: 0.2 }, 1000).got
    assert.isTrue(Math.abs(doubled.length - 1200) < 60, `${doubled.length}`)
    const late = arrivals({ reorder: 0.2 }, 1000).got
    assert.strictEqual(late.length, 1000)
    assert.isFalse(inOrder(late))
    assert.deepStrictEqual(late.toSorted((a, b) => a - b), plain.got)
  })

  it("is doubled and overtaken on a loopback too, and keeps its order where the loopback was held", () => {
    const toItself = (loopback: SimNetwork.LinkOptions) => {
      const here = world({ ...two, loopback })
      const client = bound(here, "client", "127.0.0.1:9")
      const send = (what: string) => void client.handle.sendTo(text(what), at("127.0.0.1:9"))
      const got = () => client.log.map(([, , what]) => String(what).split(" ")[0]).join()
      return { here, send, got }
    }
    const doubled = toItself({ duplicate: 1 })
    doubled.send("1")
    doubled.here.engine.run()
    assert.strictEqual(doubled.got(), "1,1")

    const late = toItself({ reorder: 1 })
    late.send("1")
    late.here.engine.run()
    assert.strictEqual(late.here.engine.now(), milli)

    const held = toItself({})
    held.here.net.hold("client", "client")
    held.send("1")
    held.here.net.release("client", "client")
    held.send("2")
    held.here.engine.run()
    assert.strictEqual(held.got(), "1,2")
  })

  it("that is longer than a packet is lost with any of its parts", () => {
    const here = world({ ...two, link: { loss: 0.1, mtu: 1000 } })
    const server = bound(here, "server", "0.0.0.0:9")
    const client = bound(here, "client", "0.0.0.0:9")
    for (let index = 0; index < 1000; index++) client.handle.sendTo(new Uint8Array(9500), at("10.0.0.2:9"))
    here.engine.run()
    // 0.9 to the tenth.
    assert.isTrue(Math.abs(server.log.length - 349) < 50, `${server.log.length}`)
  })

  it("is dropped where a busy link has no room for it to wait, or the receiver has none", () => {
    const here = world({ ...two, link: { bandwidth: 1000, queue: 2500 } })
    const server = bound(here, "server", "0.0.0.0:9")
    const client = bound(here, "client", "0.0.0.0:9")
    for (let index = 0; index < 10; index++) client.handle.sendTo(new Uint8Array(1000), at("10.0.0.2:9"))
    here.engine.run()
    assert.deepStrictEqual(server.log.map(([micros]) => micros), [1001 * milli, 2001 * milli])

    const full = world({ ...two, profile: { ...SimNetwork.linux, datagramBuffer: 3000 } })
    const slow = bound(full, "server", "0.0.0.0:9")
    slow.handle.read(0)
    const sender = bound(full, "client", "0.0.0.0:9")
    for (let index = 0; index < 10; index++) sender.handle.sendTo(new Uint8Array(1000), at("10.0.0.2:9"))
    full.engine.run()
    slow.handle.read(10)
    full.engine.run()
    assert.strictEqual(slow.log.length, 2)
  })

  it("to the host itself is there when the call returns, and is told in an event of its own (R09)", () => {
    const here = world(two)
    const server = bound(here, "server", "127.0.0.1:9")
    const client = Peer.open(here, "server", "IPv4", "datagram")
    client.handle.sendTo(text("old"), at("127.0.0.1:9"))
    assert.deepStrictEqual(server.log, [])
    server.handle.setPeer(at("127.0.0.1:1"), "discard")
    here.engine.run()
    assert.deepStrictEqual(server.log, [])
  })

  it("vanishes in a black hole, and is refused where a test says so", () => {
    const here = world(two)
    const server = bound(here, "server", "0.0.0.0:9")
    const client = Peer.open(here, "client", "IPv4", "datagram")
    client.handle.setPeer(at("10.0.0.2:9"), "keep")
    const well = here.net.blackhole("10.0.0.2:9")
    client.handle.sendTo(text("1"), undefined)
    here.engine.run()
    well()
    const again = here.net.refuse("10.0.0.2:0")
    client.handle.sendTo(text("2"), undefined)
    here.engine.run()
    again()
    client.handle.sendTo(text("3"), undefined)
    here.engine.run()
    assert.deepStrictEqual(server.log.map(([, , what]) => what), ["3 from 10.0.0.1:32768"])
    assert.deepStrictEqual(client.log.map(([, what]) => what), ["soft"])
  })
})
