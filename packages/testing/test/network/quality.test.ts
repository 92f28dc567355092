import { Provider, type Qos } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import * as SimNetwork from "../../src/SimNetwork.ts"
import { Dice } from "../utils/dice.ts"
import { at, joined, milli, Peer, second, world } from "../utils/wire.ts"

const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200) / 4

type World = ReturnType<typeof world>

const quality = (some: Partial<Provider.Quality>): Provider.Quality => ({
  dscp: undefined,
  priority: undefined,
  pacingRate: undefined,
  reserve: undefined,
  reserveGroup: undefined,
  ...some
})

const reserve = (sending: Qos.FlowSpec | undefined, receiving?: Qos.FlowSpec): Provider.Quality =>
  quality({ reserve: { sending, receiving } })

const guaranteed = (tokenRate: number, more: Partial<Qos.FlowSpec> = {}): Qos.FlowSpec => ({
  serviceType: "guaranteed",
  tokenRate,
  tokenBucketSize: 1000,
  ...more
})

const load = (tokenRate: number): Qos.FlowSpec => ({ serviceType: "controlledLoad", tokenRate, tokenBucketSize: 1000 })

const hosts = { client: {}, server: {}, other: {} } as const
const outcome = (peer: Peer) => peer.last?.[2]
const code = (answer: unknown) => Provider.isFailure(answer) ? answer.code : answer

/** A network in which the server listens. */
const listening = (options: SimNetwork.Options, seed?: number) => {
  const here = world({ hosts, ...options }, seed)
  const listener = Peer.open(here, "server").listen("10.0.0.2:80")
  return { ...here, listener }
}

const connecting = (here: World, asked: Provider.Quality | undefined, host = "client") =>
  Peer.open(here, host).connect("10.0.0.2:80", { quality: asked })

const connected = (here: World, asked: Provider.Quality | undefined, host = "client") => {
  const peer = connecting(here, asked, host)
  here.engine.run(here.engine.now() + second)
  return peer
}

/** A datagram socket on a host, bound to port 9, and what its peer is. */
const datagrams = (here: World, host: string, port = 9) => {
  const peer = Peer.open(here, host, "IPv4", "datagram")
  peer.handle.bind(at(`0.0.0.0:${port}`), { reuse: false, v6Only: true })
  peer.handle.read(Infinity)
  return peer
}

/** A datagram of that size that says when it was sent. */
const stamped = (now: number, size: number) => new TextEncoder().encode(`${now}`.padEnd(size, " "))

/** How long each of the datagrams took that arrived. */
const delays = ({ log }: Peer) =>
  log.flatMap(([when, what, detail]) => what === "datagram" ? [when - Number.parseInt(detail as string, 10)] : [])

/** Bytes a second that are reserved one way, by what the network says. */
const sum = ({ net }: World, from: string | undefined, to: string | undefined) => {
  let total = 0
  for (const one of net.reservations()) {
    for (
      const [flow, source, target] of [
        [one.reserved?.sending, one.host, one.to],
        [one.reserved?.receiving, one.to, one.host]
      ] as const
    ) {
      if ((from === undefined || from === source) && (to === undefined || to === target) && source !== target) {
        total += flow?.rate ?? 0
      }
    }
  }
  return total
}

describe("what a network can do of a QOS", () => {
  it("E16: a network of which nothing says that it can be reserved marks as Node does, and reserves nothing", () => {
    const here = world({ hosts })
    const { capabilities } = here.net.provider("client")
    const able = (type: "stream" | "datagram", family: "IPv4" | "IPv6" | "Unix") => {
      const { marking, pacing, priority, reservesQos } = capabilities({ type, family, direction: "both" })
      return [marking, reservesQos, pacing, priority]
    }
    assert.deepStrictEqual(able("stream", "IPv4"), [true, false, false, false])
    assert.deepStrictEqual(able("stream", "IPv6"), [true, false, false, false])
    assert.deepStrictEqual(able("datagram", "IPv4"), [false, false, false, false])
    assert.deepStrictEqual(able("stream", "Unix"), [false, false, false, false])
    assert.throws(() => here.net.setReservable("client", 5), "reserves nothing")
    assert.throws(() => here.net.shape("client", "server", { reservable: 5 }), "reserves nothing")
    assert.throws(() => world({ hosts, link: { reservable: -1 } }), "0 bytes a second or more")
  })

  it("reserves once a link or a host says how much; never for Unix-domain sockets", () => {
    const options: ReadonlyArray<SimNetwork.Options> = [
      { link: { reservable: 5 } },
      { loopback: { reservable: 5 } },
      { links: [{ from: "client", to: "server", reservable: 5 }] },
      { hosts: { ...hosts, server: { reservable: 5 } } }
    ]
    for (const option of options) {
      const { capabilities } = world({ hosts, ...option }).net.provider("client")
      assert.isTrue(capabilities({ type: "stream", family: "IPv4", direction: "both" }).reservesQos)
      assert.isTrue(capabilities({ type: "datagram", family: "IPv6", direction: "both" }).reservesQos)
      assert.isFalse(capabilities({ type: "stream", family: "Unix", direction: "both" }).reservesQos)
    }
  })

  it("R16: what it cannot do is WSAEOPNOTSUPP at once, and changes nothing", () => {
    const here = listening({ profile: { ...SimNetwork.linux, marking: "none" } })
    const bad = [quality({ dscp: 40 }), quality({ priority: 5 }), quality({ pacingRate: 5 }), reserve(load(5))]
    for (const one of bad) {
      const s = connecting(here, one)
      assert.deepStrictEqual(s.last, [here.engine.now(), "connect", "WSAEOPNOTSUPP"])
      assert.isUndefined(s.handle.local())
      s.connect("10.0.0.2:80", { attempt: 2 })
      here.engine.run(here.engine.now() + second)
      assert.strictEqual(outcome(s), "established")
      assert.strictEqual(code(s.handle.setQuality(one)), "WSAEOPNOTSUPP")
      assert.isUndefined(s.handle.setQuality(undefined))
      s.handle.close("reset")
      const d = datagrams(here, "client", 0)
      assert.strictEqual(code(d.handle.setPeer(at("10.0.0.2:9"), "keep", one)), "WSAEOPNOTSUPP")
      assert.strictEqual(code(d.handle.setQuality(one)), "WSAEOPNOTSUPP")
      assert.strictEqual(code(d.handle.sendTo(new Uint8Array(1), undefined)), "WSAENOTCONN")
      d.handle.close("reset")
    }
    assert.notInclude(here.engine.kinds(), "marked")
  })
})

describe("admission", () => {
  const line = { latency: "10 millis", bandwidth: 100_000 } as const
  const half = { ...line, reservable: 50_000 }
  const table: ReadonlyArray<
    readonly [
      what: string,
      options: SimNetwork.Options,
      asked: ReadonlyArray<readonly [Provider.Quality, "established" | "WSAEOPNOTSUPP"]>
    ]
  > = [
    ["as much as there is", { link: half }, [
      [reserve(guaranteed(30_000)), "established"],
      [reserve(guaranteed(20_001)), "WSAEOPNOTSUPP"],
      [reserve(load(20_000)), "established"],
      [reserve(load(1)), "WSAEOPNOTSUPP"]
    ]],
    ["each way for itself", { link: half }, [
      [reserve(guaranteed(50_000)), "established"],
      [reserve(undefined, guaranteed(50_000)), "established"],
      [reserve(load(1)), "WSAEOPNOTSUPP"],
      [reserve(undefined, load(1)), "WSAEOPNOTSUPP"]
    ]],
    ["all of it or nothing", { link: half }, [
      [reserve(load(40_000)), "established"],
      [reserve(load(20_000), load(50_000)), "WSAEOPNOTSUPP"],
      [reserve(undefined, load(50_000)), "established"],
      [reserve(load(10_000)), "established"]
    ]],
    ["three quarters of the bandwidth where a link does not say", {
      link: line,
      loopback: { reservable: 1 }
    }, [[reserve(load(75_001)), "WSAEOPNOTSUPP"], [reserve(load(75_000)), "established"]]],
    ["no more than the bandwidth", { link: { ...line, reservable: 1e9 } }, [
      [reserve(load(100_001)), "WSAEOPNOTSUPP"],
      [reserve(load(100_000)), "established"]
    ]],
    ["what the host that is called has", { link: half, hosts: { ...hosts, server: { reservable: 10 } } }, [
      [reserve(load(11)), "WSAEOPNOTSUPP"],
      [reserve(undefined, load(11)), "WSAEOPNOTSUPP"],
      [reserve(load(10), load(10)), "established"]
    ]],
    ["what the host that calls has", { hosts: { ...hosts, client: { reservable: 10 } } }, [
      [reserve(load(11)), "WSAEOPNOTSUPP"],
      [reserve(undefined, load(11)), "WSAEOPNOTSUPP"],
      [reserve(load(10), load(10)), "established"]
    ]],
    ["nothing where nothing is to be reserved", { link: { ...line, reservable: 0 } }, [
      [reserve(load(1)), "WSAEOPNOTSUPP"],
      [reserve({ serviceType: "bestEffort", tokenRate: 5 }), "established"],
      [reserve({ serviceType: "qualitative" }), "established"],
      [reserve({ serviceType: "networkControl" }), "established"],
      [quality({ dscp: 40 }), "established"]
    ]],
    ["no rate is no flow", { link: half }, [
      [reserve({ serviceType: "guaranteed" }), "WSAEOPNOTSUPP"],
      [reserve({ serviceType: "controlledLoad" }), "WSAEOPNOTSUPP"]
    ]],
    // 2 * 1500 bytes at 75,000 a second are 40 ms, and 10 ms the way.
    ["a delay is kept by a greater rate, where there is one", { link: half }, [
      [reserve(guaranteed(1000, { latency: 50_000 })), "WSAEOPNOTSUPP"],
      [reserve(guaranteed(1000, { latency: 60_000 })), "WSAEOPNOTSUPP"],
      [reserve(guaranteed(1000, { latency: 70_000 })), "established"],
      [reserve(guaranteed(1000, { latency: 2_000_000 })), "WSAEOPNOTSUPP"]
    ]],
    ["a variation is a delay without the way", { link: half }, [
      [reserve(guaranteed(1000, { delayVariation: 50_000 })), "WSAEOPNOTSUPP"],
      [reserve(guaranteed(1000, { delayVariation: 60_000 })), "established"],
      [reserve(guaranteed(1000, { delayVariation: 1_990_000 })), "WSAEOPNOTSUPP"]
    ]],
    ["controlled load has no more than its rate for the sake of a delay", { link: half }, [
      [reserve({ ...load(1000), latency: 1_049_000 }), "WSAEOPNOTSUPP"],
      [reserve({ ...load(1000), latency: 1_050_000 }), "established"]
    ]]
  ]
  it.each(table)("E16: %s", (_, options, asked) => {
    const here = listening(options)
    for (const [one, answer] of asked) assert.strictEqual(outcome(connected(here, one)), answer)
    here.engine.run()
  })

  it("R16: a refusal takes one round trip, leaves the socket as it was, and the port with it (R26)", () => {
    const here = listening({ link: half })
    const s = connecting(here, reserve(load(60_000)))
    here.engine.run()
    assert.deepStrictEqual(s.last, [20 * milli, "connected", "WSAEOPNOTSUPP"])
    assert.deepStrictEqual(here.net.reservations(), [])
    assert.isUndefined(s.handle.reserved())
    assert.deepStrictEqual(here.listener.callers, [])
    const why = here.engine.events.find(({ kind }) => kind === "not reserved")?.["why"]
    assert.strictEqual(why, "link client>server: 60000 of 50000 bytes a second")
    const local = s.handle.local()!
    s.connect("10.0.0.2:80", { attempt: 2, local, keepLocalPort: true, quality: reserve(load(50_000)) })
    here.engine.run()
    assert.strictEqual(outcome(s), "established")
    assert.deepStrictEqual(s.handle.local(), local)
    assert.deepStrictEqual(s.handle.reserved()?.receiving, undefined)
    assert.strictEqual(s.handle.reserved()?.sending?.rate, 50_000)
  })

  it("nobody who is not reached, or not let in, has anything reserved", () => {
    const here = listening({ link: half })
    const nobody = Peer.open(here, "client").connect("10.0.0.2:81", { quality: reserve(load(60_000)) })
    here.engine.run()
    assert.strictEqual(outcome(nobody), "WSAECONNREFUSED")
    here.net.cut("client", "server")
    const silent = connecting(here, reserve(load(60_000)))
    here.engine.run()
    assert.strictEqual(outcome(silent), "WSAETIMEDOUT")
    assert.deepStrictEqual(here.net.reservations(), [])
  })

  it("the bounds are those of RFC 2212", () => {
    const here = listening({ link: half })
    // 10 ms of way, 2 * 1500 bytes at 75,000, and then what the flow itself is worth.
    const bound = (flow: Qos.FlowSpec) => {
      const s = connected(here, reserve(flow))
      const reserved = s.handle.reserved()?.sending
      s.handle.close("reset")
      return reserved && [reserved.rate, reserved.delay]
    }
    assert.deepStrictEqual(bound(guaranteed(10_000)), [10_000, 150_000])
    assert.deepStrictEqual(bound(guaranteed(10_000, { latency: 100_000 })), [20_000, 100_000])
    assert.deepStrictEqual(bound(guaranteed(10_000, { latency: 99_000 })), [20_409, 98_998])
    // (b-M)/R * (p-R)/(p-r) + M/R, with b 1000, M 200, p 20,000, r 10,000.
    const peaked = { peakBandwidth: 20_000, maxSduSize: 200 }
    assert.deepStrictEqual(bound(guaranteed(10_000, peaked)), [10_000, 150_000])
    assert.deepStrictEqual(bound(guaranteed(10_000, { ...peaked, latency: 100_000 })), [13_847, 99_993])
    // No more than the peak, and beyond it M/R.
    assert.deepStrictEqual(bound(guaranteed(10_000, { ...peaked, latency: 60_000 })), [20_000, 60_000])
    assert.deepStrictEqual(bound(guaranteed(10_000, { ...peaked, latency: 55_000 })), [40_000, 55_000])
    // What is not stated is what core's shaper takes: a packet, or what goes in ten milliseconds.
    const { tokenBucketSize: _, ...unstated } = guaranteed(10_000)
    assert.deepStrictEqual(bound(unstated), [10_000, 200_000])
    const free = listening({ link: { latency: "10 millis", jitter: "5 millis" }, loopback: { reservable: 1 } })
    const s = connected(free, reserve(guaranteed(10_000, { latency: 15_000 }), guaranteed(5)))
    assert.deepStrictEqual(s.handle.reserved(), {
      sending: { rate: 10_000, delay: 15_000 },
      receiving: { rate: 5, delay: 15_000 }
    })
    assert.strictEqual(outcome(connected(free, reserve(guaranteed(10_000, { latency: 14_999 })))), "WSAEOPNOTSUPP")
  })

  it("datagrams are admitted when they get their peer, or their QOS", () => {
    const here = listening({ link: half })
    const d = datagrams(here, "client")
    assert.strictEqual(code(d.handle.setPeer(at("10.0.0.2:9"), "keep", reserve(load(60_000)))), "WSAEOPNOTSUPP")
    assert.strictEqual(code(d.handle.sendTo(new Uint8Array(1), undefined)), "WSAENOTCONN")
    d.handle.setPeer(at("10.0.0.2:9"), "keep", reserve(load(50_000), load(5)))
    assert.deepStrictEqual(
      here.net.reservations().map(({ reserved }) => [reserved?.sending?.rate, reserved?.receiving?.rate]),
      [
        [50_000, 5]
      ]
    )
    assert.strictEqual(code(d.handle.setQuality(reserve(load(50_001)))), "WSAEOPNOTSUPP")
    assert.strictEqual(d.handle.reserved()?.sending?.rate, 50_000)
    assert.isUndefined(d.handle.setQuality(reserve(load(40_000))))
    assert.deepStrictEqual([d.handle.reserved()?.sending?.rate, d.handle.reserved()?.receiving], [40_000, undefined])
    // Nobody, everybody, and whoever cannot be asked grants nothing.
    for (const peer of ["10.0.0.200:9", "10.0.0.255:9"]) {
      d.handle.setOption("SO_BROADCAST", true)
      assert.strictEqual(code(d.handle.setPeer(at(peer), "keep", reserve(load(1)))), "WSAEOPNOTSUPP")
    }
    here.net.cut("server", "client")
    assert.strictEqual(code(d.handle.setQuality(reserve(load(1)))), "WSAEOPNOTSUPP")
    assert.strictEqual(d.handle.reserved()?.sending?.rate, 40_000)
    here.net.heal("server", "client")
    d.handle.setPeer(at("10.0.0.3:9"), "keep")
    assert.deepStrictEqual(here.net.reservations(), [])
    d.handle.setPeer(at("10.0.0.2:9"), "keep", reserve(load(1)))
    d.handle.setPeer(undefined, "keep")
    assert.deepStrictEqual(here.net.reservations(), [])
  })
})

describe("a reservation ends", () => {
  const setUp = (asked = reserve(load(1000), load(1000))) => {
    const here = listening({ link: { latency: "10 millis", bandwidth: 100_000, reservable: 50_000 } })
    const s = connected(here, asked)
    assert.strictEqual(here.net.reservations().length, 1)
    const server = here.listener.accept()
    return { here, s, server }
  }
  type SetUp = ReturnType<typeof setUp>
  const table: ReadonlyArray<readonly [string, (at: SetUp) => void]> = [
    ["with close", ({ s }) => s.handle.close("graceful")],
    ["with a reset", ({ s }) => s.handle.close("reset")],
    ["when the peer resets", ({ here, server }) => {
      server.handle.close("reset")
      here.engine.run(here.engine.now() + second)
    }],
    ["when both have ended what they send", ({ here, s, server }) => {
      server.handle.shutdownSend()
      s.handle.shutdownSend()
      here.engine.run(here.engine.now() + second)
    }],
    ["when a crash of its host takes it away", ({ here }) => here.net.crash("client")],
    ["when its host is stopped", ({ here }) => here.net.stop("client")],
    ["when it is reset by the network", ({ here }) => here.net.reset("10.0.0.2:80")],
    ["when a partition has lasted until the connection breaks", ({ here, s }) => {
      here.net.cut("client", "server")
      s.handle.write(new Uint8Array(10))
      here.engine.run(here.engine.now() + 900 * second)
      assert.strictEqual(here.net.reservations().length, 1)
      here.engine.run(here.engine.now() + 60 * second)
      here.net.heal("client", "server")
    }],
    ["when a crash of the peer has been found out", ({ here, s }) => {
      here.net.crash("server")
      assert.strictEqual(here.net.reservations().length, 1)
      here.net.restart("server")
      s.handle.write(new Uint8Array(10))
      here.engine.run(here.engine.now() + second)
      Peer.open(here, "server").listen("10.0.0.2:80")
    }],
    ["when nothing is asked for any more", ({ s }) => assert.isUndefined(s.handle.setQuality(undefined))],
    ["when only a mark is asked for", ({ s }) => assert.isUndefined(s.handle.setQuality(quality({ dscp: 40 })))]
  ]
  it.each(table)("%s", (_, end) => {
    const all = setUp()
    end(all)
    assert.deepStrictEqual(all.here.net.reservations(), [])
    assert.isUndefined(all.s.handle.reserved())
    // There is room again, each way.
    all.here.net.restart("client")
    assert.strictEqual(outcome(connected(all.here, reserve(load(50_000), load(50_000)))), "established")
  })

  it("when its attempt is given up, in whatever moment", () => {
    for (const after of [0, 5, 10, 15, 19]) {
      const here = listening({ link: { latency: "10 millis", reservable: 50_000 } })
      const s = connecting(here, reserve(load(50_000)))
      here.engine.run(after * milli)
      assert.strictEqual(here.net.reservations().length, after < 10 ? 0 : 1, `${after}`)
      s.handle.abort(1)
      assert.deepStrictEqual(here.net.reservations(), [])
      // What was asked for before is on its way still, and reserves nothing when it is there.
      here.engine.run()
      assert.deepStrictEqual(here.net.reservations(), [])
    }
  })

  it("and one that does not is left over", () => {
    const { here, s } = setUp()
    assert.notMatch(here.engine.leftovers().join(), /reservation/)
    // As if the way out had been forgotten.
    Object.assign(s.handle, { letGo: () => {} })
    s.handle.close("graceful")
    assert.match(here.engine.leftovers().join(), /reservation of socket 1 of client to server/)
  })

  it("of a socket that has accepted is its own", () => {
    const { here, server } = setUp()
    assert.isUndefined(server.handle.setQuality(reserve(load(49_000))))
    assert.deepStrictEqual(here.net.reservations().map(({ host }) => host), ["client", "server"])
    assert.strictEqual(code(server.handle.setQuality(reserve(load(49_001)))), "WSAEOPNOTSUPP")
    assert.strictEqual(server.handle.reserved()?.sending?.rate, 49_000)
    server.handle.close("reset")
    here.engine.run()
    assert.deepStrictEqual(here.net.reservations(), [])
  })
})

describe("capacity that changes", () => {
  const setUp = () => {
    const here = listening({ link: { latency: "10 millis", bandwidth: 100_000, reservable: 60_000 } })
    return { here, all: [10_000, 20_000, 30_000].map((rate) => connected(here, reserve(load(rate)))) }
  }
  const rates = ({ net }: World) => net.reservations().map(({ reserved }) => reserved?.sending?.rate)
  const changes = ({ log }: Peer) => log.filter(([, what]) => what === "qosChanged").map(([, , detail]) => detail)

  it("A18: less of it takes from those who came last, and more gives it back to those who lost it first", () => {
    const { all, here } = setUp()
    const [one, two, three] = all as [Peer, Peer, Peer]
    const again = here.net.setReservable(["client", "server"], 35_000)
    assert.deepStrictEqual(rates(here), [10_000, 20_000, undefined])
    assert.deepStrictEqual(changes(three), [])
    here.engine.run()
    assert.deepStrictEqual(all.map(changes), [[], [], ["WSA_QOS_ADMISSION_FAILURE"]])
    assert.isUndefined(three.handle.reserved())
    const more = here.net.setReservable(["client", "server"], 15_000)
    here.engine.run()
    assert.deepStrictEqual(changes(two), ["WSA_QOS_ADMISSION_FAILURE"])
    more()
    here.engine.run()
    assert.deepStrictEqual(rates(here), [10_000, 20_000, undefined])
    assert.deepStrictEqual(changes(two).at(-1), "WSA_QOS_REQUEST_CONFIRMED")
    again()
    here.engine.run()
    assert.deepStrictEqual(rates(here), [10_000, 20_000, 30_000])
    assert.deepStrictEqual(changes(three), ["WSA_QOS_ADMISSION_FAILURE", "WSA_QOS_REQUEST_CONFIRMED"])
    assert.strictEqual(three.handle.reserved()?.sending?.rate, 30_000)
    assert.deepStrictEqual(changes(one), [])
  })

  it("A18: what somebody gives back goes to who has lost it", () => {
    const { all, here } = setUp()
    here.net.setReservable("client", 35_000)
    all[0]!.handle.close("reset")
    here.engine.run()
    assert.deepStrictEqual(rates(here), [20_000, undefined])
    all[1]!.handle.close("reset")
    here.engine.run()
    assert.deepStrictEqual(rates(here), [30_000])
    assert.deepStrictEqual(changes(all[2]!), ["WSA_QOS_ADMISSION_FAILURE", "WSA_QOS_REQUEST_CONFIRMED"])
  })

  it("A18: a delay that can no longer be kept is lost too, and one that is another is told", () => {
    const here = listening({ link: { latency: "10 millis", bandwidth: 100_000, reservable: 60_000 } })
    const strict = connected(here, reserve(guaranteed(10_000, { latency: 150_000 })))
    const free = connected(here, reserve(guaranteed(10_000)))
    const back = here.net.shape("client", "server", { latency: "200 millis" })
    here.engine.run()
    assert.deepStrictEqual(changes(strict), ["WSA_QOS_ADMISSION_FAILURE"])
    assert.deepStrictEqual(changes(free), ["WSA_QOS_REQUEST_CONFIRMED"])
    assert.deepStrictEqual(free.handle.reserved()?.sending, { rate: 10_000, delay: 340_000 })
    back()
    here.engine.run()
    assert.deepStrictEqual(strict.handle.reserved()?.sending, { rate: 10_000, delay: 150_000 })
    assert.deepStrictEqual(free.handle.reserved()?.sending, { rate: 10_000, delay: 150_000 })
  })

  it("nobody is told who has closed meanwhile", () => {
    const { all, here } = setUp()
    here.net.setReservable("server", 0)
    for (const { handle } of all) handle.close("reset")
    here.engine.run()
    assert.deepStrictEqual(all.map(changes), [[], [], []])
  })

  it("no more is ever reserved than there is, on any link and host, whatever happens", { timeout: 120_000 }, () => {
    for (let seed = 0; seed < runs; seed++) {
      const dice = new Dice(seed)
      const names = ["client", "server", "other"]
      const some = () => dice.below(60) * 100
      const here = world({
        hosts: { client: { reservable: 5000 }, server: { reservable: some() }, other: {} },
        link: { latency: "10 millis", bandwidth: 8000, reservable: 4000 },
        links: [{ from: "other", to: "client", bandwidth: 3000 }, { from: "server", to: "client", reservable: some() }]
      }, seed)
      const most = new Map<string, number>()
      for (const from of names) {
        for (const to of names) if (from !== to) most.set(`${from}>${to}`, 4000)
      }
      most.set("other>client", 3000)
      const listeners = names.map((name) => Peer.open(here, name).listen(here.net.address(name, 80)))
      const set = (at: string | readonly [string, string], bytes: number) => {
        here.net.setReservable(at, bytes)
        most.set(typeof at === "string" ? at : at.join(">"), bytes)
      }
      set("client", 5000)
      set("server", some())
      set(["server", "client"], some())
      const flow = (): Qos.FlowSpec | undefined =>
        dice.chance(30) ? undefined : dice.chance(50) ? load(1 + some()) : guaranteed(1 + some(), {
          latency: dice.chance(50) ? 300_000 + dice.below(2_000_000) : undefined
        } as Partial<Qos.FlowSpec>)
      const open: Array<Peer> = []
      let granted = 0
      for (let step = 0; step < 60; step++) {
        const peer = open.length > 0 ? dice.pick(open) : undefined
        const where = dice.pick(names)
        switch (dice.below(9)) {
          case 0:
          case 1:
          case 2:
          case 3:
            open.push(
              Peer.open(here, where).connect(here.net.address(dice.pick(names), 80), {
                quality: reserve(flow(), flow())
              })
            )
            break
          case 4:
            peer?.handle.close(dice.chance(50) ? "graceful" : "reset")
            break
          case 5:
            peer?.handle.setQuality(dice.chance(20) ? undefined : reserve(flow(), flow()))
            break
          case 6:
            if (dice.chance(50)) set(where, some())
            else set([where, names[(names.indexOf(where) + 1) % 3]!], some())
            break
          case 7:
            for (const { callers } of listeners) {
              if (callers.length > 0) callers[0]!.reject()
              callers.shift()
            }
            break
          default: {
            const d = Peer.open(here, where, "IPv4", "datagram")
            d.handle.setPeer(here.net.address(dice.pick(names), 9), "keep", reserve(flow(), flow()))
            open.push(d)
          }
        }
        for (let time = dice.below(5); time > 0; time--) {
          for (const name of names) {
            assert.isAtMost(sum(here, name, undefined), most.get(name) ?? Infinity, `seed ${seed}: from ${name}`)
            assert.isAtMost(sum(here, undefined, name), most.get(name) ?? Infinity, `seed ${seed}: to ${name}`)
            for (const to of names) {
              if (to === name) continue
              const limit = Math.min(most.get(`${name}>${to}`)!, name === "other" && to === "client" ? 3000 : 8000)
              assert.isAtMost(sum(here, name, to), limit, `seed ${seed}: ${name}>${to}`)
            }
          }
          granted += here.net.reservations().length
          here.engine.run(here.engine.now() + 7 * milli)
        }
      }
      for (const { handle } of open) handle.close("reset")
      assert.deepStrictEqual(here.net.reservations(), [])
      assert.isAbove(granted, 0)
      for (const at of most.keys()) {
        // All of it is there again: nothing was given back twice, or not at all.
        if (at.includes(">")) set(at.split(">") as [string, string], 1000)
        else set(at, 1000)
      }
      const all = Peer.open(here, "client", "IPv4", "datagram")
      const flows = reserve(load(1000), load(1000))
      assert.isFalse(
        Provider.isFailure(all.handle.setPeer(here.net.address("server", 9), "keep", flows)),
        `seed ${seed}`
      )
      assert.strictEqual(code(all.handle.setQuality(reserve(load(1001)))), "WSAEOPNOTSUPP")
    }
  })
})

describe("classes", { timeout: 120_000 }, () => {
  const line = { latency: "10 millis", bandwidth: 100_000, mtu: 1000, queue: 1_000_000 } as const
  const options = { link: line, loopback: { reservable: 1 }, profile: { ...SimNetwork.linux, marking: "all" } } as const

  /** Sends some datagrams of 1000 bytes at once from a socket with a QOS, and tells when the receiver has the last. */
  const sending = (
    here: World,
    all: ReadonlyArray<readonly [asked: Provider.Quality | undefined, count: number]>
  ) => {
    const receivers = all.map((_, index) => datagrams(here, "server", 100 + index))
    all.forEach(([asked, count], index) => {
      const d = datagrams(here, "client", 100 + index)
      assert.isFalse(Provider.isFailure(d.handle.setPeer(at(`10.0.0.2:${100 + index}`), "keep", asked)))
      for (let sent = 0; sent < count; sent++) d.handle.sendTo(new Uint8Array(1000), undefined)
    })
    here.engine.run()
    return receivers.map(({ log }) => (log.at(-1)?.[0] ?? 0) / milli)
  }

  it("network control goes before all, lower effort after, and the link never rests", () => {
    // The first that comes is sent at once.
    const ends = sending(world({ hosts, ...options }), [
      [undefined, 1],
      [quality({ dscp: 8 }), 10],
      [undefined, 10],
      [quality({ dscp: 48 }), 10]
    ])
    assert.deepStrictEqual(ends, [20, 10 + 310, 10 + 210, 10 + 110])
  })

  it("a mark has as many shares as its precedence says", () => {
    const [best, assured, expedited] = sending(world({ hosts, ...options }), [
      [undefined, 100],
      [quality({ dscp: 10 }), 100],
      [quality({ dscp: 46 }), 100]
    ])
    // 6 of 9 shares, then 2 of 3.
    assert.approximately(expedited!, 10 + 1000 * 1.5, 20)
    assert.approximately(assured!, 10 + 1500 + (1000 - 1500 * 2 / 9) * 1.5, 20)
    assert.strictEqual(best!, 10 + 3000)
  })

  it("what is reserved has its rate at least; what is sent beyond the bucket is best effort", () => {
    // 20 of 100 bytes go by right, and half of the rest is its fair share.
    const [reserved, other] = sending(world({ hosts, ...options }), [
      [reserve(load(20_000)), 100],
      [undefined, 100]
    ])
    assert.approximately(reserved!, 10 + 1000 / 0.6, 40)
    assert.strictEqual(other!, 10 + 2000)
    // A rate of which nobody takes anything is there for the others.
    assert.deepStrictEqual(
      sending(world({ hosts, ...options }), [[reserve(load(20_000)), 0], [undefined, 100]])[1],
      1010
    )
  })

  it("what is reserved goes by when it is due: a long burst is no harm to who has less", () => {
    const here = world({ hosts, ...options })
    const got = datagrams(here, "server")
    const burst = datagrams(here, "client", 10)
    const d = datagrams(here, "client")
    burst.handle.setPeer(at("10.0.0.2:10"), "keep", reserve(guaranteed(50_000, { tokenBucketSize: 50_000 })))
    d.handle.setPeer(at("10.0.0.2:9"), "keep", reserve(guaranteed(25_000)))
    for (let sent = 0; sent < 50; sent++) burst.handle.sendTo(new Uint8Array(1000), undefined)
    for (let sent = 0; sent < 10; sent++) {
      here.engine.at(sent * 40 * milli, () => d.handle.sendTo(stamped(here.engine.now(), 1000), undefined))
    }
    here.engine.run()
    assert.strictEqual(delays(got).length, 10)
    assert.isAtMost(Math.max(...delays(got)), d.handle.reserved()!.sending!.delay)
  })

  it("what was begun before anything was reserved takes turns too", () => {
    const here = listening(options)
    const got = datagrams(here, "server")
    const bulk = connected(here, undefined)
    const server = here.listener.accept()
    server.onData = (bytes) => assert.deepStrictEqual(new Set(bytes), new Set([5]))
    bulk.handle.write(new Uint8Array(60_000).fill(5))
    const begin = here.engine.now()
    here.engine.run(begin + 33 * milli)
    const d = datagrams(here, "client")
    d.handle.setPeer(at("10.0.0.2:9"), "keep", reserve(guaranteed(20_000)))
    d.handle.sendTo(stamped(here.engine.now(), 1000), undefined)
    here.engine.run()
    // The packet that is being sent ends at 40 ms.
    assert.deepStrictEqual(delays(got), [27 * milli])
    assert.strictEqual(server.received, 60_000)
    assert.strictEqual(server.log.findLast(([, what]) => what === "data")![0] - begin, 620 * milli)
    assert.notInclude(here.engine.kinds(), "early")
  })

  it("what is reserved is late by no more than network control has, however much of that there is", () => {
    const here = world({ hosts, ...options })
    const got = datagrams(here, "server")
    const d = datagrams(here, "client")
    const flow = guaranteed(75_000, { tokenBucketSize: 10_000 })
    d.handle.setPeer(at("10.0.0.2:9"), "keep", reserve(flow))
    const bulk = datagrams(here, "client", 0)
    const control = datagrams(here, "client", 0)
    control.handle.setPeer(at("10.0.0.2:12"), "keep", quality({ dscp: 48 }))
    for (let sent = 0; sent < 100; sent++) {
      bulk.handle.sendTo(new Uint8Array(1000), at("10.0.0.2:11"))
      control.handle.sendTo(new Uint8Array(1000), undefined)
    }
    for (let sent = 0; sent < 10; sent++) d.handle.sendTo(stamped(here.engine.now(), 1000), undefined)
    here.engine.run()
    const { delay } = d.handle.reserved()!.sending!
    assert.strictEqual(delays(got).length, 10)
    assert.isAtMost(Math.max(...delays(got)), delay)
    // The bound is worth something: that late it may be.
    assert.isAtLeast(Math.max(...delays(got)), delay - 21 * milli)
  })

  it("a datagram that is shorter than the least that is counted takes as much of the bucket", () => {
    const here = world({ hosts, ...options })
    const got = datagrams(here, "server")
    const d = datagrams(here, "client")
    d.handle.setPeer(at("10.0.0.2:9"), "keep", reserve(guaranteed(20_000, { minimumPolicedSize: 1000 })))
    for (let count = 0; count < 10; count++) {
      const bulk = datagrams(here, "client", 0)
      for (let sent = 0; sent < 20; sent++) bulk.handle.sendTo(new Uint8Array(1000), at("10.0.0.2:11"))
    }
    for (let sent = 0; sent < 20; sent++) d.handle.sendTo(stamped(0, 100), undefined)
    here.engine.run()
    // By right one in 50 ms, and not one in 5; the others have a fair share.
    assert.isAtMost(delays(got)[0]!, 22 * milli)
    assert.isAtLeast(delays(got).at(-1)!, 120 * milli)
  })

  it("what is reserved for a flow is nobody's else: marks, other peers, and longer datagrams", () => {
    const here = world({ hosts, ...options })
    const d = datagrams(here, "client")
    const got = datagrams(here, "server")
    const elsewhere = datagrams(here, "server", 10)
    d.handle.setPeer(at("10.0.0.2:9"), "keep", reserve(guaranteed(20_000, { maxSduSize: 1000 })))
    const bulk = datagrams(here, "client", 0)
    for (let sent = 0; sent < 100; sent++) bulk.handle.sendTo(new Uint8Array(1000), at("10.0.0.2:11"))
    d.handle.sendTo(stamped(0, 1000), at("10.0.0.2:10"))
    d.handle.sendTo(stamped(0, 1001), undefined)
    here.engine.run()
    assert.isAbove(delays(elsewhere)[0]!, 20 * milli)
    assert.isAbove(delays(got)[0]!, 20 * milli)
  })

  it("what is reserved is not lost where the queue is full", () => {
    const here = world({ hosts, ...options, link: { ...line, queue: 5000 } })
    const got = datagrams(here, "server")
    const d = datagrams(here, "client")
    d.handle.setPeer(at("10.0.0.2:9"), "keep", reserve(guaranteed(20_000)))
    const bulk = datagrams(here, "client", 0)
    for (let sent = 0; sent < 10; sent++) bulk.handle.sendTo(new Uint8Array(1000), at("10.0.0.2:11"))
    assert.isAbove(here.engine.kinds().filter((kind) => kind === "dropped").length, 3)
    for (let sent = 0; sent < 2; sent++) d.handle.sendTo(stamped(0, 1000), undefined)
    here.engine.run()
    // The second one is beyond the bucket.
    assert.deepStrictEqual(delays(got), [30 * milli])
  })

  it("a reservation that is lost, or ends, is best effort from then on, also for what waits", () => {
    for (const end of ["lost", "released"]) {
      const here = world({ hosts, ...options })
      const got = datagrams(here, "server")
      const d = datagrams(here, "client")
      d.handle.setPeer(at("10.0.0.2:9"), "keep", reserve(guaranteed(50_000, { tokenBucketSize: 20_000 })))
      const bulk = datagrams(here, "client", 0)
      for (let sent = 0; sent < 20; sent++) bulk.handle.sendTo(new Uint8Array(1000), at("10.0.0.2:11"))
      for (let sent = 0; sent < 20; sent++) d.handle.sendTo(stamped(0, 1000), undefined)
      here.engine.run(55 * milli)
      if (end === "lost") here.net.setReservable("client", 0)
      else d.handle.setQuality(undefined)
      here.engine.run()
      const times = delays(got)
      assert.deepStrictEqual(times.slice(0, 5), [30, 40, 50, 60, 70].map((millis) => millis * milli))
      assert.isAtLeast(times.at(-1)!, 350 * milli, end)
      assert.deepStrictEqual(times, times.toSorted((a, b) => a - b))
    }
  })

  it("marks and reservations that come while others wait change nobody's order", () => {
    for (const asked of [quality({ dscp: 46 }), reserve(load(20_000))]) {
      const here = listening(options)
      const s = connected(here, undefined)
      const server = here.listener.accept()
      const bytes = Uint8Array.from({ length: 60_000 }, (_, index) => index % 251)
      let next = 0
      server.onData = (got) => {
        for (const byte of got) assert.strictEqual(byte, next++ % 251)
      }
      s.handle.write(bytes)
      here.engine.run(here.engine.now() + 100 * milli)
      assert.isUndefined(s.handle.setQuality(asked))
      here.engine.run(here.engine.now() + 100 * milli)
      assert.isUndefined(s.handle.setQuality(undefined))
      here.engine.run()
      assert.strictEqual(next, 60_000)
      assert.notInclude(here.engine.kinds(), "early")
    }
  })

  it("all sockets of a group share what its creator has reserved on their way, and nobody else", () => {
    const group = {}
    const here = world({ hosts, ...options })
    const flow = guaranteed(50_000, { tokenBucketSize: 10_000 })
    const creator = datagrams(here, "client", 20)
    const asked = quality({ reserveGroup: { sending: flow, receiving: undefined }, group })
    assert.isFalse(Provider.isFailure(creator.handle.setPeer(at("10.0.0.2:20"), "keep", asked)))
    assert.deepStrictEqual(here.net.reservations().map(({ group }) => group), [true])
    const ends = sending(here, [[undefined, 50], [quality({ group }), 5], [quality({ group: {} }), 5]])
    // The one of the group is behind one that is being sent.
    assert.strictEqual(ends[1], 10 + 10 + 50)
    assert.isAbove(ends[2]!, 10 + 10 + 50 + 45)
    assert.strictEqual(here.net.reservations().length, 1)
    // Who leaves the group leaves what it has.
    const [member, got] = [datagrams(here, "client", 30), datagrams(here, "server", 30)]
    const bulk = datagrams(here, "client", 0)
    const late = (some: object) => {
      member.handle.setPeer(at("10.0.0.2:30"), "keep", quality({ group: some }))
      const begin = here.engine.now()
      for (let sent = 0; sent < 20; sent++) bulk.handle.sendTo(new Uint8Array(1000), at("10.0.0.2:11"))
      for (let sent = 0; sent < 5; sent++) member.handle.sendTo(stamped(begin, 1000), undefined)
      here.engine.run()
      return delays(got).at(-1)
    }
    assert.strictEqual(late(group), 70 * milli)
    assert.strictEqual(late({}), 120 * milli)
    assert.strictEqual(late(group), 70 * milli)
    creator.handle.close("reset")
    assert.deepStrictEqual(here.net.reservations(), [])
  })

  it("a stream that leaves its group takes along what waits, and leaves the others what is reserved", () => {
    const group = {}
    const here = world({ hosts, ...options })
    const flow = guaranteed(20_000, { tokenBucketSize: 10_000 })
    const creator = datagrams(here, "client", 20)
    creator.handle.setPeer(
      at("10.0.0.2:20"),
      "keep",
      quality({ reserveGroup: { sending: flow, receiving: undefined }, group })
    )
    const got = datagrams(here, "server", 20)
    const { client: member, server } = joined(here, "client", "server")
    assert.isUndefined(member.handle.setQuality(quality({ group })))
    const bulk = datagrams(here, "client", 0)
    for (let sent = 0; sent < 200; sent++) bulk.handle.sendTo(new Uint8Array(1000), at("10.0.0.2:11"))
    const begin = here.engine.now()
    for (let sent = 0; sent < 40; sent++) member.handle.write(new Uint8Array(1000))
    here.engine.run(begin + 115 * milli)
    // Its bucket at once, and from there on 20 of 100 bytes and half of the rest.
    assert.isAtLeast(server.received, 8000)
    member.handle.setQuality(quality({ group: {} }))
    const [before, since] = [server.received, here.engine.now()]
    here.engine.run(since + 400 * milli)
    // Half of what there is.
    assert.approximately(server.received - before, 20_000, 2000)
    // Its bucket is full again, and holds no more: nothing of what the other one took along counts for it.
    here.engine.run(since + 5 * second)
    for (let sent = 0; sent < 100; sent++) bulk.handle.sendTo(new Uint8Array(1000), at("10.0.0.2:11"))
    for (let sent = 0; sent < 20; sent++) creator.handle.sendTo(stamped(here.engine.now(), 1000), undefined)
    here.engine.run()
    const right = delays(got).filter((delay, index) => delay <= (index + 3) * 10 * milli).length
    assert.isAtLeast(right, 8)
    assert.isAtMost(right, 14)
  })

  it("a guaranteed call survives a bulk transfer, and a best-effort one does not", () => {
    /** A call of 50 datagrams a second for ten seconds, as G.711 makes it, each way, beside streams that take all there is. */
    const call = (asked: Provider.Quality | undefined) => {
      const here = listening({
        link: { latency: "5 millis", bandwidth: 50_000, queue: 20_000 },
        hosts: { client: { reservable: 40_000 }, server: {} }
      })
      const ends = [datagrams(here, "client"), datagrams(here, "server")] as const
      ends[0].handle.setPeer(at("10.0.0.2:9"), "keep", asked)
      ends[1].handle.setPeer(at("10.0.0.1:9"), "keep")
      for (let count = 0; count < 5; count++) {
        const bulk = joined(here, "client", "server", 1000 + count)
        for (const { handle } of [bulk.client, bulk.server]) handle.write(new Uint8Array(10_000_000))
      }
      for (let count = 0; count < 3; count++) {
        const noise = datagrams(here, "client", 0)
        for (let sent = 0; sent < 100; sent++) noise.handle.sendTo(new Uint8Array(1400), at("10.0.0.2:77"))
      }
      const begin = here.engine.now()
      for (let count = 0; count < 500; count++) {
        here.engine.at(begin + count * 20 * milli, () => {
          for (const { handle } of ends) handle.sendTo(stamped(here.engine.now(), 160), undefined)
        })
      }
      const bound = ends[0].handle.reserved()
      here.engine.run(begin + 12 * second)
      return { bound, took: ends.map(delays) }
    }
    const flow: Qos.FlowSpec = guaranteed(8000, {
      tokenBucketSize: 320,
      peakBandwidth: 12_800,
      maxSduSize: 160,
      latency: 110_000
    })
    const kept = call(reserve(flow, flow))
    assert.isAtMost(kept.bound!.sending!.delay, 110_000)
    for (const [index, all] of kept.took.entries()) {
      const bound = (index === 0 ? kept.bound!.receiving : kept.bound!.sending)!.delay
      assert.strictEqual(all.length, 500)
      assert.isAtMost(Math.max(...all), bound)
    }
    const lost = call(undefined)
    assert.isUndefined(lost.bound)
    const late = lost.took[1]!.filter((delay) => delay <= 110_000).length
    assert.isBelow(late, 250)
  })

  it("whatever else is sent: what conforms is never later than its bound, and never lost", () => {
    for (let seed = 0; seed < runs / 2; seed++) {
      const dice = new Dice(seed)
      const bandwidth = dice.pick([20_000, 100_000, 1_000_000])
      const here = world({
        hosts,
        link: {
          latency: `${dice.below(20)} millis`,
          jitter: dice.pick(["0 millis", "7 millis"]),
          bandwidth,
          mtu: dice.pick([300, 1500]),
          queue: 30_000
        },
        loopback: { reservable: 1 },
        profile: { ...SimNetwork.linux, marking: "all" }
      }, seed)
      const end = 2 * second
      const calls: Array<readonly [Peer, Peer, { sent: number }]> = []
      for (let index = 0; index < 6; index++) {
        const rate = Math.round(bandwidth * (2 + dice.below(30)) / 100)
        const longest = 50 + dice.below(600)
        const bucket = longest * (1 + dice.below(4))
        const peak = dice.chance(50) ? rate * (1 + dice.below(3)) + 1 : undefined
        const flow: Qos.FlowSpec = {
          serviceType: dice.pick(["guaranteed", "controlledLoad"]),
          tokenRate: rate,
          tokenBucketSize: bucket,
          maxSduSize: longest,
          ...(peak === undefined ? {} : { peakBandwidth: peak }),
          ...(dice.chance(40) ? { latency: 80_000 + dice.below(300_000) } : {}),
          ...(dice.chance(30) ? { minimumPolicedSize: dice.below(longest) } : {})
        }
        const [from, to] = [datagrams(here, "client", 100 + index), datagrams(here, "server", 100 + index)]
        const answer = from.handle.setPeer(at(`10.0.0.2:${100 + index}`), "keep", reserve(flow))
        if (Provider.isFailure(answer)) continue
        const counts = { sent: 0 }
        calls.push([from, to, counts])
        // As bursty as both buckets allow, which are counted in millionths of a byte.
        let [level, quick, last] = [bucket * 1e6, longest * 1e6, 0]
        const send = () => {
          const now = here.engine.now()
          level = Math.min(bucket * 1e6, level + (now - last) * rate)
          quick = Math.min(longest * 1e6, quick + (now - last) * (peak ?? 1e9))
          last = now
          const size = Math.max(20, 1 + dice.below(longest))
          const cost = Math.max(size, flow.minimumPolicedSize ?? 0) * 1e6
          if (size <= longest && cost <= level && cost <= quick) {
            level -= cost
            quick -= cost
            counts.sent++
            from.handle.sendTo(stamped(now, size), undefined)
          }
          if (now < end) here.engine.at(now + (dice.chance(5) ? dice.below(500_000) : dice.below(8000)), send)
        }
        here.engine.at(dice.below(100_000), send)
      }
      for (let index = 0; index < 6; index++) {
        const cross = datagrams(here, "client", 200 + index)
        const asked = dice.chance(50) ? quality({ dscp: dice.pick([1, 8, 10, 46, 48, 56]) }) : undefined
        cross.handle.setPeer(at("10.0.0.2:99"), "keep", asked)
        const send = () => {
          for (let count = dice.below(20); count > 0; count--) {
            cross.handle.sendTo(new Uint8Array(1 + dice.below(8000)), undefined)
          }
          if (here.engine.now() < end) here.engine.at(here.engine.now() + dice.below(50_000), send)
        }
        send()
      }
      here.engine.run(end * 10)
      for (const [from, to, { sent }] of calls) {
        const bound = from.handle.reserved()!.sending!
        const took = delays(to)
        assert.strictEqual(took.length, sent, `seed ${seed}: none is lost`)
        assert.isAtMost(Math.max(0, ...took), bound.delay, `seed ${seed}: at ${bound.rate} bytes a second`)
      }
    }
  })
})
