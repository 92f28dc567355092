import { AddressPolicy, AddressSelection, Connector, SocketAddress, Winsock } from "@effect-winsock/core"
import { Fault, Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, type Scope } from "effect"
import { type AddressResolver, Dns, NetAddress } from "effect/net"
import { Dice } from "../utils/dice.ts"

type Services = Winsock.Winsock | AddressResolver.AddressResolver | Dns.Dns | Scope.Scope

const run = <A, E>(
  body: (net: SimNetwork.Network) => Effect.Effect<A, E, Services>,
  options?: SimNetwork.DnsOptions,
  seed = 0
) =>
  Sim.run(
    Effect.gen(function*() {
      const net = yield* SimNetwork.make({
        hosts: {
          client: { addresses: ["10.0.0.1", "2001:db8::1"] },
          server: { addresses: ["10.0.0.2", "2001:db8::2"], names: ["db.internal"] }
        },
        dns: options
      })
      return yield* Effect.provide(Effect.scoped(body(net)), net.layerConnector("client"))
    }),
    { seed }
  )

const lookup = (name: string, family?: NetAddress.IpFamily) =>
  Dns.Dns.use((dns) => dns.lookup(name, { family })).pipe(
    Effect.map((addresses) => addresses.map(NetAddress.formatIp).join(" ")),
    Effect.catch(({ reason }) => Effect.succeed(reason))
  )

describe("the names of a network", () => {
  it("are those of its hosts, in any case, with a dot at the end or without", () => {
    const report = run(() =>
      Effect.forEach(["server", "DB.internal", "db.internal.", "localhost", "nobody"], (name) => lookup(name))
    )
    assert.deepStrictEqual(Sim.getOrThrow(report), [
      "10.0.0.2 2001:db8::2",
      "10.0.0.2 2001:db8::2",
      "10.0.0.2 2001:db8::2",
      "127.0.0.1 ::1",
      "NotFound"
    ])
    assert.strictEqual(Duration.toMillis(report.elapsed), 0)
  })

  it("exist also where they have no address of the family", () => {
    const report = run((net) =>
      Effect.gen(function*() {
        net.setName("four.internal", ["10.0.0.2"])
        const causeOf = (name: string) =>
          Dns.Dns.use((dns) => Effect.flip(dns.lookup(name, { family: "IPv6" }))).pipe(Effect.map(({ cause }) => cause))
        return [yield* lookup("four.internal", "IPv4"), yield* causeOf("four.internal"), yield* causeOf("nobody")]
      })
    )
    assert.deepStrictEqual(Sim.getOrThrow(report), ["10.0.0.2", { code: "ENODATA" }, { code: "ENOTFOUND" }])
  })

  it("are answered after a latency, with luck that is the seed's", () => {
    const times = (seed: number) => {
      const asked = Effect.forEach([1, 2, 3], () => lookup("db.internal"))
      return Duration.toMicros(run(() => asked, { latency: "20 millis", jitter: "10 millis" }, seed).elapsed)
    }
    assert.strictEqual(times(1), times(1))
    assert.notStrictEqual(times(1), times(2))
    assert.isAtLeast(times(1), 60_000)
    assert.isAtMost(times(1), 90_000)
  })

  it("that nobody answers fail after the time-out of the resolver", () => {
    const asked = (options?: SimNetwork.DnsOptions) =>
      run((net) =>
        Effect.suspend(() => {
          net.failName("db.internal", "WSAETIMEDOUT")
          return lookup("db.internal")
        }), options)
    assert.strictEqual(Sim.getOrThrow(asked()), "Timeout")
    assert.strictEqual(Duration.toSeconds(asked().elapsed), 10)
    assert.strictEqual(Duration.toSeconds(asked({ timeout: "3 seconds" }).elapsed), 3)
  })

  it("fail for one family only, until it is taken back", () => {
    const report = run((net) =>
      Effect.gen(function*() {
        const heal = net.failName("db.internal", "WSATRY_AGAIN", "IPv6")
        const before = [yield* lookup("db.internal", "IPv6"), yield* lookup("db.internal", "IPv4")]
        heal()
        return [...before, yield* lookup("db.internal", "IPv6")]
      })
    )
    assert.deepStrictEqual(Sim.getOrThrow(report), ["ServerFailure", "10.0.0.2", "2001:db8::2"])
  })

  it("fail as the faults of a script say", () => {
    const report = run((net) =>
      Fault.inject(net, Fault.dnsFailure("db.internal")).pipe(
        Effect.andThen(lookup("db.internal")),
        Effect.scoped
      )
    )
    assert.strictEqual(Sim.getOrThrow(report), "ServerFailure")
  })

  it("cannot be asked for while the network of the host is down, but for its own", () => {
    const report = run((net) =>
      Effect.suspend(() => {
        net.setNetwork("client", "down")
        return Effect.all([lookup("db.internal"), lookup("localhost")])
      })
    )
    assert.deepStrictEqual(Sim.getOrThrow(report), ["ServerFailure", "127.0.0.1 ::1"])
  })

  it("stand for something else from one look-up to the next, each family by itself", () => {
    const report = run((net) =>
      Effect.gen(function*() {
        net.answerName("db.internal", [["10.0.0.9"], ["127.0.0.1", "::1"], "WSAHOST_NOT_FOUND"])
        const four = Effect.forEach([1, 2, 3, 4], () => lookup("db.internal", "IPv4"))
        const six = Effect.forEach([1, 2, 3, 4], () => lookup("db.internal", "IPv6"))
        const both = [yield* four, yield* six]
        net.answerName("db.internal", [["10.0.0.9"]])
        return [...both, yield* lookup("db.internal"), yield* lookup("db.internal", "IPv4")]
      })
    )
    assert.deepStrictEqual(Sim.getOrThrow(report), [
      ["10.0.0.9", "127.0.0.1", "NotFound", "10.0.0.2"],
      ["NotFound", "::1", "NotFound", "2001:db8::2"],
      "10.0.0.9",
      "10.0.0.2"
    ])
  })

  it("are in the trace: who asked, and what came of it", () => {
    const report = run(() => lookup("db.internal", "IPv4"), { latency: "5 millis" })
    const seen = report.events.filter(({ event }) => event.kind.startsWith("name "))
    assert.deepStrictEqual(seen, [
      { at: 0, event: { kind: "name asked", host: "client", name: "db.internal", family: "IPv4" } },
      {
        at: 5000,
        event: { kind: "name answered", host: "client", name: "db.internal", family: "IPv4", what: "10.0.0.2:0" }
      }
    ])
  })

  it("are given up with whoever asks: nothing is left at the end of the run", () => {
    const report = run(() => Effect.timeoutOption(lookup("db.internal"), "1 second"), { latency: "1 minute" })
    Sim.getOrThrow(report)
    assert.strictEqual(Duration.toSeconds(report.elapsed), 1)
  })
})

const listeningAt = (at: SocketAddress.Input) =>
  Effect.gen(function*() {
    const family = SocketAddress.familyOf(SocketAddress.fromInputUnsafe(at))
    const listener = yield* Winsock.socket({ family, type: "stream" })
    yield* Winsock.bind(listener, at)
    yield* Winsock.listen(listener)
    return yield* Effect.never
  })

describe("a connector on the names of a network", () => {
  const listening = Effect.all([listeningAt("10.0.0.2:80"), listeningAt("[2001:db8::2]:80")], { concurrency: 2 })
  const connector = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.resolve())
  const connected = (
    prepare: (net: SimNetwork.Network) => void,
    options?: SimNetwork.DnsOptions
  ) => {
    const report = run((net) =>
      Effect.gen(function*() {
        yield* net.run("server", listening)
        prepare(net)
        const { remote } = yield* connector.connect("db.internal:80")
        return SocketAddress.format(remote)
      }), options)
    return [Sim.getOrThrow(report), Duration.toMillis(report.elapsed)]
  }
  // One round trip over the link of 1 ms.
  const trip = 2

  it("begins with IPv6 as soon as it is known, while IPv4 is still asked for", () => {
    assert.deepStrictEqual(
      connected((net) => {
        net.slowName("db.internal", "10 millis", "IPv6")
        net.slowName("db.internal", "1 minute", "IPv4")
      }),
      ["[2001:db8::2]:80", 10 + trip]
    )
  })

  it("waits 50 ms for IPv6 where IPv4 is known, and no longer", () => {
    assert.deepStrictEqual(
      connected((net) => {
        net.slowName("db.internal", "30 millis", "IPv6")
      }),
      ["[2001:db8::2]:80", 30 + trip]
    )
    assert.deepStrictEqual(
      connected((net) => {
        net.slowName("db.internal", "1 minute", "IPv6")
      }),
      ["10.0.0.2:80", 50 + trip]
    )
  })

  it("begins with IPv4 at once where IPv6 cannot be asked for", () => {
    assert.deepStrictEqual(
      connected((net) => {
        net.failName("db.internal", "WSATRY_AGAIN", "IPv6")
      }, { latency: "5 millis" }),
      ["10.0.0.2:80", 5 + trip]
    )
  })

  it("tries an address that comes late while the first ones are silent", () => {
    assert.deepStrictEqual(
      connected((net) => {
        net.blackhole("10.0.0.2:80")
        net.slowName("db.internal", "400 millis", "IPv6")
      }),
      // The attempt delay of the first one is over by then.
      ["[2001:db8::2]:80", 400 + trip]
    )
  })

  it("begins with the family that the order of RFC 6724 puts first, where both are known", () => {
    // A unique local address stands behind IPv4.
    const local = (prepare: (net: SimNetwork.Network) => void) => {
      const report = Sim.run(Effect.gen(function*() {
        const net = yield* SimNetwork.make({ hosts: { client: {}, server: { names: ["db.internal"] } } })
        prepare(net)
        return yield* connector.connect("db.internal:80").pipe(
          Effect.flip,
          Effect.map(({ attempts }) => attempts?.map(({ address }) => SocketAddress.format(address))),
          Effect.scoped,
          Effect.provide(net.layerConnector("client"))
        )
      }))
      return [Sim.getOrThrow(report), Duration.toMillis(report.elapsed)]
    }
    const order = ["10.0.0.2:80", "[fd00::2]:80"]
    assert.deepStrictEqual(local(() => {}), [order, 2 * trip])
    // It waits a little for the one that would be better, also where it is the first to be known.
    const late = (net: SimNetwork.Network) => void net.slowName("db.internal", "40 millis", "IPv4")
    assert.deepStrictEqual(local(late), [order, 40 + 2 * trip])
    const veryLate = (net: SimNetwork.Network) => void net.slowName("db.internal", "1 second", "IPv4")
    assert.deepStrictEqual(local(veryLate), [[...order].reverse(), 1000 + trip])
  })

  it("leaves what leads nowhere for the end, and does not wait for it", () => {
    assert.deepStrictEqual(
      connected((net) => net.setName("db.internal", ["2a00::1", "2a00::2", "10.0.0.2"])),
      ["10.0.0.2:80", trip]
    )
  })

  it("takes the resolver's order, and opens no socket for it, where it is not to sort", () => {
    const report = run((net) =>
      Effect.gen(function*() {
        net.setName("db.internal", ["2a00::1", "2001:db8::2"])
        const attempts = (
          connector: Connector.Connector<
            string,
            unknown,
            { readonly attempts?: ReadonlyArray<{ readonly address: SocketAddress.SocketAddress }> },
            Services
          >
        ) =>
          Effect.flip(connector.connect("db.internal:80")).pipe(
            Effect.map(({ attempts }) => attempts?.map(({ address }) => SocketAddress.format(address)))
          )
        const unsorted = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.resolve({ sort: false }))
        const table = [AddressSelection.policy("2a00::/16", 99, 1), AddressSelection.policy("::/0", 1, 1)]
        const byTable = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.resolve({ sort: table }))
        return [yield* attempts(unsorted), yield* attempts(connector), yield* attempts(byTable)]
      })
    )
    const given = ["[2a00::1]:80", "[2001:db8::2]:80"]
    // A table does not reach what cannot be reached.
    assert.deepStrictEqual(Sim.getOrThrow(report), [given, [...given].reverse(), [...given].reverse()])
  })

  it("opens no socket at all for what a policy denies, not even to ask for the way to it", () => {
    const opened: Array<string> = []
    const report = Sim.run(Effect.gen(function*() {
      const net = yield* SimNetwork.make({
        hosts: { client: { addresses: ["9.9.9.1"] }, server: { addresses: ["9.9.9.2"] } }
      })
      net.setName("db.internal", ["127.0.0.1", "9.9.9.2", "10.0.0.1"])
      const provider = net.provider("client")
      const watched = Winsock.layer({
        ...provider,
        open: (kind, sink) => {
          opened.push(kind.type)
          return provider.open(kind, sink)
        }
      })
      return yield* Connector.winsock.pipe(
        Connector.happyEyeballs(),
        Connector.addressPolicy(AddressPolicy.publicOnly),
        Connector.resolve()
      ).connect("db.internal:80").pipe(
        Effect.flip,
        Effect.map(({ attempts }) => attempts?.map(({ address, code }) => `${SocketAddress.format(address)} ${code}`)),
        Effect.scoped,
        Effect.provide([net.layerConnector("client"), watched])
      )
    }))
    assert.deepStrictEqual(Sim.getOrThrow(report), [
      "9.9.9.2:80 WSAECONNREFUSED",
      "127.0.0.1:80 WSAEACCES",
      "10.0.0.1:80 WSAEACCES"
    ])
    assert.deepStrictEqual(opened, ["datagram", "stream"], "one to sort, and one to connect")
  })

  const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200)
  it(`reaches whoever listens, whatever is answered and when, or says why there was nothing to try (${runs} seeds)`, () => {
    const own = { IPv4: ["10.0.0.2", "10.0.0.3"], IPv6: ["2001:db8::2", "2001:db8::3"] }
    const codes = ["WSATRY_AGAIN", "WSANO_RECOVERY", "WSANO_DATA", "WSAHOST_NOT_FOUND"] as const
    const seen = new Set<string>()
    for (let seed = 1; seed <= runs; seed++) {
      const dice = new Dice(seed)
      const good = dice.pick([...own.IPv4, ...own.IPv6])
      const told = (["IPv4", "IPv6"] as const).map((family) => {
        const code = dice.chance(50) ? dice.pick(codes) : undefined
        const addresses = code === undefined ? own[family].filter(() => dice.chance(60)) : []
        return { family, code: code ?? "WSANO_DATA", isFailing: code !== undefined, addresses, after: dice.below(400) }
      })
      const addresses = told.flatMap((one) => one.addresses)
      const report = Sim.run(
        Effect.gen(function*() {
          const net = yield* SimNetwork.make({
            hosts: {
              client: { addresses: ["10.0.0.1", "2001:db8::1"] },
              server: { addresses: [...own.IPv4, ...own.IPv6] }
            }
          })
          net.setName("db.internal", addresses)
          for (const { after, code, family, isFailing } of told) {
            net.slowName("db.internal", after, family)
            if (isFailing) net.failName("db.internal", code, family)
          }
          yield* net.run("server", listeningAt(good.includes(":") ? `[${good}]:80` : `${good}:80`))
          const outcome = yield* connector.connect("db.internal:80").pipe(
            Effect.match({ onFailure: ({ _tag }) => _tag, onSuccess: () => "connected" as const }),
            Effect.scoped,
            Effect.provide(net.layerConnector("client"))
          )
          return [outcome, net.counts("client").handles]
        }),
        { seed }
      )
      const expected = addresses.includes(good)
        ? "connected"
        : addresses.length > 0
        ? "WSAECONNREFUSED"
        : codes.find((code) => told.some((one) => one.code === code))
      assert.deepStrictEqual(Sim.getOrThrow(report), [expected, 0], `seed ${seed}`)
      seen.add(String(expected))
    }
    if (runs >= 200) assert.strictEqual(seen.size, codes.length + 2, "everything has come about")
  })
})
