import {
  AddressPolicy,
  Connector,
  HappyEyeballs,
  Proxy,
  RetryPolicy,
  SocketAddress,
  Winsock
} from "@effect-winsock/core"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Schedule, type Scope, Stream } from "effect"
import { type AddressResolver, Host } from "effect/net"
import { counted } from "./utils/counted.ts"
import { httpProxy, type Log, socksProxy } from "./utils/proxies.ts"

const at = SocketAddress.fromInputUnsafe

const hosts = {
  client: { addresses: ["198.51.100.1", "2a00:1::1"] },
  server: { addresses: ["9.9.9.9", "2606:4700::1111"], names: ["server.example"] },
  outer: { addresses: ["9.9.9.10"], names: ["outer.example"] },
  inner: { addresses: ["9.9.9.11"] },
  private: { addresses: ["10.0.0.9"] },
  victim: { addresses: ["10.0.0.66", "169.254.169.254", "fd00::66"], names: ["victim.internal"] }
}

/** A program on a client, and what its sockets were told. Whoever listens on port 80 of the victim is never reached. */
const attacked = <A, E>(
  program: (
    net: SimNetwork.Network
  ) => Effect.Effect<A, E, Winsock.Winsock | AddressResolver.AddressResolver | Scope.Scope>
) => {
  const report = Sim.run(Effect.scoped(Effect.gen(function*() {
    const net = yield* SimNetwork.make({ hosts })
    const reached: Array<string> = []
    const listening = (address: string) =>
      Effect.gen(function*() {
        const listener = yield* Winsock.socket({ family: SocketAddress.familyOf(at(address)), type: "stream" })
        yield* Winsock.bind(listener, address)
        yield* Winsock.listen(listener)
        const host = yield* Winsock.getsockname(listener)
        return yield* Effect.forever(
          Effect.tap(Winsock.accept(listener), () => Effect.sync(() => reached.push(SocketAddress.format(host))))
        )
      })
    for (const host of ["client", "server", "victim"]) {
      yield* net.run(host, Effect.all([listening("0.0.0.0:80"), listening("[::]:80")], { concurrency: 2 }))
    }
    yield* Effect.sleep("1 second")
    const { provider, seen } = counted(net.provider("client"))
    const open = seen.opened
    const layer = Layer.merge(net.layerConnector("client"), Winsock.layer(provider))
    const exit = yield* Effect.exit(Effect.provide(Effect.scoped(program(net)), layer))
    return {
      exit,
      reached,
      connects: seen.connects,
      opened: seen.opened - open,
      left: net.counts("client").handles - 2
    }
  })))
  assert.deepStrictEqual(report.leftovers, [])
  const outcome = Sim.getOrThrow(report)
  assert.strictEqual(outcome.left, 0)
  return { ...outcome, value: () => Exit.isSuccess(outcome.exit) ? outcome.exit.value : assert.fail("it failed") }
}

const kinds = {
  socks5: { serve: socksProxy, make: Proxy.socks5 },
  http: { serve: httpProxy, make: Proxy.http }
}

/** As above, with proxies on two public hosts and a private one, and what they were asked for. */
const behindProxies = <A, E>(
  kind: keyof typeof kinds,
  program: Effect.Effect<A, E, Winsock.Winsock | AddressResolver.AddressResolver | Scope.Scope>
) => {
  const log: Log = []
  const outcome = attacked((net) =>
    Effect.gen(function*() {
      const names = { "server.example": "9.9.9.9:80", "evil.example": "10.0.0.66:80" }
      for (const host of ["outer", "inner", "private"]) {
        yield* net.run(host, Effect.andThen(kinds[kind].serve("0.0.0.0:1080", { log, names }), Effect.never))
      }
      net.setName("evil.example", ["10.0.0.66"])
      net.setName("both.example", ["10.0.0.66", "9.9.9.9"])
      yield* Effect.sleep("100 millis")
      return yield* program
    })
  )
  return { ...outcome, log }
}

const guarded = Connector.winsock.pipe(
  Connector.attemptTimeout("2 seconds"),
  Connector.happyEyeballs(),
  Connector.resolve(),
  Connector.addressPolicy(AddressPolicy.publicOnly)
)

const failure = <Target, Out, E, R>(connector: Connector.Connector<Target, Out, E, R>, target: Target) =>
  Effect.flip(Effect.scoped(connector.connect(target)))

const forbidden: ReadonlyArray<readonly [address: string, rule: string]> = [
  ["127.0.0.1", "loopback"],
  ["127.8.8.8", "loopback"],
  ["0.0.0.0", "unspecified"],
  ["10.0.0.66", "private"],
  ["172.16.0.1", "private"],
  ["192.168.0.1", "private"],
  ["169.254.169.254", "link-local"],
  ["100.64.0.1", "carrier-grade NAT"],
  ["224.0.0.1", "multicast"],
  ["255.255.255.255", "broadcast"],
  ["192.0.2.1", "documentation"],
  ["198.18.0.1", "benchmarking"],
  ["::1", "loopback"],
  ["::", "unspecified"],
  ["fd00::66", "unique-local"],
  ["fe80::1", "link-local"],
  ["ff02::1", "multicast"],
  ["2001:db8::1", "documentation"],
  ["100::1", "discard-only"],
  ["::ffff:10.0.0.66", "private"],
  ["::ffff:127.0.0.1", "loopback"],
  ["::10.0.0.66", "private"],
  ["::ffff:0:a00:42", "private"],
  ["64:ff9b::a00:42", "private"],
  ["64:ff9b:1::909:909", "local NAT64"],
  ["2002:a00:42::1", "private"],
  ["2001:0:a00:42::1", "private"],
  ["2a00::5efe:10.0.0.66", "private"]
]

describe("a name that leads to what is forbidden", () => {
  // the resolver itself takes nothing of a link-local address without a zone
  for (const [address, rule] of forbidden.filter(([address]) => address !== "fe80::1")) {
    it(`is denied before there is a socket: ${address} is ${rule}`, () => {
      const outcome = attacked((net) => {
        net.setName("evil.example", [address])
        return failure(guarded, "evil.example:80")
      })
      const error = outcome.value()
      assert.strictEqual(error._tag, "WSAEACCES")
      assert.strictEqual(error.stage, "resolve")
      assert.strictEqual(error.retryClass, "policy")
      assert.include(error.detail, `the rule "${rule}" of the address policy "publicOnly"`)
      assert.strictEqual(error._tag === "WSAEACCES" && error.attempts?.length, 1)
      assert.deepStrictEqual([outcome.opened, outcome.connects, outcome.reached], [0, [], []])
    })
  }

  it("is denied with all that it leads to, and each attempt says why", () => {
    const outcome = attacked((net) => {
      net.setName("evil.example", ["127.0.0.1", "10.0.0.66", "fd00::66"])
      return failure(guarded, "evil.example:80")
    })
    const error = outcome.value()
    assert(error._tag === "WSAEACCES")
    assert.deepStrictEqual(
      error.attempts?.map(({ code, detail, stage }) => [stage, code, /"[\w-]+"/.exec(detail!)?.[0]]).sort(),
      [["resolve", "WSAEACCES", "\"loopback\""], ["resolve", "WSAEACCES", "\"private\""], [
        "resolve",
        "WSAEACCES",
        "\"unique-local\""
      ]]
    )
    assert.strictEqual(outcome.opened, 0)
  })

  it("leads on where it leads to something else too", () => {
    const outcome = attacked((net) => {
      net.setName("evil.example", ["fd00::66", "9.9.9.9", "10.0.0.66"])
      return Effect.map(guarded.connect("evil.example:80"), ({ remote }) => SocketAddress.format(remote))
    })
    assert.strictEqual(outcome.value(), "9.9.9.9:80")
    assert.deepStrictEqual(outcome.connects, ["9.9.9.9:80"])
    assert.notInclude(outcome.reached.join(), "66")
  })
})

describe("an address that is written down", () => {
  const spellings = [
    "127.0.0.1:80",
    "0.0.0.0:80",
    "127.1:80",
    "0x7f.1:80",
    "0x7f000001:80",
    "0177.0.0.1:80",
    "2130706433:80",
    "017700000001:80",
    "127.0.0.1.:80",
    "localhost:80",
    "victim.internal:80",
    "[::1]:80",
    "[0:0:0:0:0:0:0:1]:80",
    "[::ffff:127.0.0.1]:80",
    "[::ffff:7f00:1]:80",
    "[0000::ffff:a00:42]:80",
    "[fe80::1%1]:80",
    "http://127.0.0.1/",
    "http://127.1/",
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0/",
    "http://127.0.0.1./",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::]/",
    "http://①②⑦.⓪.⓪.①/",
    "http://１２７.0.0.1/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://user@127.0.0.1:80/",
    "http://9.9.9.9@127.0.0.1/",
    "http://127%2e0%2e0%2e1/",
    "unix:/run/docker.sock",
    "unix:@app"
  ]
  for (const spelling of spellings) {
    it(`reaches nothing: ${spelling}`, () => {
      const outcome = attacked(() => failure(guarded, spelling))
      const { _tag } = outcome.value()
      assert.include(["WSAEACCES", "WSAEINVAL", "WSAHOST_NOT_FOUND"], _tag)
      // what URLs and addresses make of it is one of the addresses that are denied, and not a name that nobody has
      if (/^http|^\[|^unix|localhost|victim|^\d+\.\d+\.\d+\.\d+:/.test(spelling) && !/\.[:/]|^0177/i.test(spelling)) {
        assert.strictEqual(_tag, "WSAEACCES")
      }
      assert.deepStrictEqual([outcome.opened, outcome.connects, outcome.reached], [0, [], []])
    })
  }

  it("is denied at the connect itself, without a race and without a name", () => {
    const connector = Connector.winsock.pipe(Connector.addressPolicy(AddressPolicy.publicOnly))
    const outcome = attacked(() => Effect.forEach(forbidden, ([address]) => failure(connector, { address, port: 80 })))
    assert.deepStrictEqual(
      outcome.value().map((error) => [error._tag, error.stage]),
      forbidden.map(() => ["WSAEACCES", "connect"])
    )
    assert.strictEqual(outcome.opened, 0)
  })
})

describe("what changes on the way", () => {
  it("a name that is another one at the next look-up gains nothing by the first", () => {
    const policy = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.recurs(3) })
    const outcome = attacked((net) => {
      net.setName("evil.example", ["9.9.9.9"])
      net.answer("9.9.9.9:80", ["WSAECONNREFUSED"])
      const retrying = Connector.winsock.pipe(
        Connector.hook(() => Effect.sync(() => net.setName("evil.example", ["10.0.0.66"]))),
        Connector.happyEyeballs(),
        Connector.resolve(),
        Connector.retry(policy),
        Connector.addressPolicy(AddressPolicy.publicOnly)
      )
      return failure(retrying, "evil.example:80")
    })
    assert.strictEqual(outcome.value()._tag, "WSAEACCES")
    assert.deepStrictEqual([outcome.connects, outcome.reached], [["9.9.9.9:80"], []])
  })

  it("the address that was asked about is the one that is connected to, whatever a hook does to the endpoint", () => {
    const outcome = attacked(() =>
      Connector.winsock.pipe(
        Connector.hook((_, endpoint) => Effect.sync(() => Object.assign(endpoint, { address: at("10.0.0.66:80") }))),
        Connector.addressPolicy(AddressPolicy.publicOnly)
      ).connect("9.9.9.9:80")
    )
    assert.strictEqual(SocketAddress.format(outcome.value().remote), "9.9.9.9:80")
    assert.deepStrictEqual(outcome.connects, ["9.9.9.9:80"])
  })

  it("an endpoint that tells another address each time it is read is read once", () => {
    let reads = 0
    const shifting = {
      _tag: "Endpoint" as const,
      origin: undefined,
      get address() {
        return at(reads++ === 0 ? "9.9.9.9:80" : "10.0.0.66:80")
      }
    }
    const inner = {
      _tag: "InetAddressV4" as const,
      port: 80,
      get address() {
        return reads++ === 0 ? "9.9.9.9" : "10.0.0.66"
      }
    }
    const connector = Connector.winsock.pipe(Connector.addressPolicy(AddressPolicy.publicOnly))
    for (const hostile of [shifting, { _tag: "Endpoint", origin: undefined, address: inner }]) {
      reads = 0
      const outcome = attacked(() => Effect.exit(connector.connect(hostile as Connector.Endpoint)))
      outcome.value()
      assert.notInclude(outcome.connects, "10.0.0.66:80")
      assert.deepStrictEqual(outcome.reached.filter((host) => host.includes("66")), [])
    }
  })

  it("answers that come late are asked about too", () => {
    const outcome = attacked(() =>
      Connector.winsock.pipe(Connector.happyEyeballs(), Connector.addressPolicy(AddressPolicy.publicOnly)).connect({
        _tag: "Candidates",
        origin: Host.hostPortFromStringUnsafe("evil.example:81"),
        addresses: Stream.make(
          HappyEyeballs.answer([at("9.9.9.9:81")]),
          HappyEyeballs.answer([at("10.0.0.66:80")], "all")
        )
      }).pipe(Effect.flip)
    )
    const error = outcome.value()
    assert.strictEqual(error._tag, "WSAECONNREFUSED", "the most telling")
    assert.deepStrictEqual(outcome.connects, ["9.9.9.9:81"])
  })

  it("a socket that is bound to what is forbidden still does not connect there", () => {
    const outcome = attacked(() =>
      failure(
        Connector.winsock.pipe(
          Connector.bindTo({ IPv4: "127.0.0.1:0" }),
          Connector.happyEyeballs(),
          Connector.resolve(),
          Connector.addressPolicy(AddressPolicy.publicOnly)
        ),
        "localhost:80"
      )
    )
    assert.strictEqual(outcome.value()._tag, "WSAEACCES")
    assert.strictEqual(outcome.opened, 0)
  })

  it("no hook is run for an address that is denied", () => {
    let hooks = 0
    const connector = Connector.winsock.pipe(
      Connector.hook(() => Effect.sync(() => hooks++)),
      Connector.addressPolicy(AddressPolicy.publicOnly)
    )
    attacked(() => failure(connector, "10.0.0.66:80")).value()
    assert.strictEqual(hooks, 0)
  })
})

describe("several policies", () => {
  const lax = AddressPolicy.make({ name: "lax", rules: [AddressPolicy.allow("all")], otherwise: "allow" })
  const noServer = AddressPolicy.make({
    name: "not there",
    rules: [AddressPolicy.deny("there", { networks: ["9.9.9.9/32"] })],
    otherwise: "allow"
  })
  const bare = Connector.winsock
  const tagOf = (connector: typeof bare, target: string) => Effect.map(failure(connector, target), ({ _tag }) => _tag)

  it("all have to allow, wherever they stand", () => {
    const strict = Connector.addressPolicy(AddressPolicy.publicOnly)
    const loose = Connector.addressPolicy(lax)
    for (
      const connector of [
        bare.pipe(strict, loose),
        bare.pipe(loose, strict),
        bare.pipe(loose, Connector.attemptTimeout("1 second"), strict, loose),
        bare.pipe(strict, Connector.hook(() => Effect.void), loose)
      ]
    ) {
      const outcome = attacked(() => failure(connector, "10.0.0.66:80"))
      assert.strictEqual(outcome.value()._tag, "WSAEACCES")
      assert.strictEqual(outcome.opened, 0)
    }
  })

  const under = <A, E>(layer: Layer.Layer<never>, program: Effect.Effect<A, E, Winsock.Winsock>) =>
    Effect.provide(program, layer)

  it("layers hold for pipelines that are made elsewhere, and cannot be taken back from within", () => {
    const strict = AddressPolicy.layer(AddressPolicy.publicOnly)
    const loose = AddressPolicy.layer(lax)
    const ask = tagOf(bare.pipe(Connector.addressPolicy(lax)), "10.0.0.66:80")
    for (
      const program of [
        Effect.provide(ask, strict),
        Effect.provide(ask, Layer.merge(strict, loose)),
        Effect.provide(ask, Layer.merge(loose, strict)),
        under(strict, under(loose, ask)),
        under(loose, under(strict, ask)),
        under(loose, tagOf(bare.pipe(Connector.addressPolicy(AddressPolicy.publicOnly)), "10.0.0.66:80"))
      ]
    ) {
      const outcome = attacked(() => program)
      assert.strictEqual(outcome.value(), "WSAEACCES")
      assert.strictEqual(outcome.opened, 0)
    }
  })

  it("one layer that is built once for two places holds in both, beside what else holds there", () => {
    const shared = AddressPolicy.layer(noServer)
    const here = (target: string) => Effect.provide(tagOf(bare, target), shared)
    const outcome = attacked(() =>
      Effect.all([
        here("9.9.9.9:80"),
        Effect.provide(here("9.9.9.9:80"), AddressPolicy.layer(AddressPolicy.publicOnly)),
        Effect.provide(here("10.0.0.66:80"), AddressPolicy.layer(AddressPolicy.publicOnly))
      ])
    )
    assert.deepStrictEqual(outcome.value(), ["WSAEACCES", "WSAEACCES", "WSAEACCES"])
    assert.strictEqual(outcome.opened, 0)
  })

  it("holds in fibers that are forked, and no longer once it is left", () => {
    const outcome = attacked(() =>
      Effect.gen(function*() {
        const inside = yield* failure(bare, "10.0.0.66:80").pipe(
          Effect.forkChild,
          Effect.flatMap(Fiber.join),
          Effect.provide(AddressPolicy.layer(AddressPolicy.publicOnly))
        )
        const { remote } = yield* bare.connect("10.0.0.66:80")
        return [inside._tag, SocketAddress.format(remote)]
      })
    )
    assert.deepStrictEqual(outcome.value(), ["WSAEACCES", "10.0.0.66:80"])
  })
})

for (const kind of ["socks5", "http"] as const) {
  describe(`through ${kind} proxies`, () => {
    const proxy = (address: string) => kinds[kind].make({ address })
    const outer = proxy("9.9.9.10:1080")
    const strict = Connector.addressPolicy(AddressPolicy.publicOnly)
    const lookedUpHere = Connector.winsock.pipe(
      Connector.via(outer),
      Connector.happyEyeballs(),
      Connector.resolve(),
      strict
    )
    const lookedUpThere = Connector.winsock.pipe(Connector.via(outer), strict)
    const named = (text: string): Connector.Named => ({ _tag: "Named", origin: Host.hostPortFromStringUnsafe(text) })

    it("a target that is allowed is reached", () => {
      const outcome = behindProxies(kind, lookedUpHere.connect("server.example:80"))
      assert.isTrue(Exit.isSuccess(outcome.exit))
      assert.deepStrictEqual(new Set(outcome.connects), new Set(["9.9.9.10:1080"]))
      assert.strictEqual(outcome.log.at(-1), "9.9.9.9:80")
    })

    it("what a name leads to is denied before the proxy is called", () => {
      const outcome = behindProxies(kind, failure(lookedUpHere, "evil.example:80"))
      assert.strictEqual(outcome.value()._tag, "WSAEACCES")
      assert.deepStrictEqual([outcome.connects, outcome.log], [[], []])
    })

    it("of two addresses only the one that is allowed is asked for", () => {
      const outcome = behindProxies(kind, lookedUpHere.connect("both.example:80"))
      assert.isTrue(Exit.isSuccess(outcome.exit))
      assert.deepStrictEqual(outcome.log, ["9.9.9.9:80"])
    })

    it("an address is denied before the proxy is called, without a race too", () => {
      const targets = [
        Connector.endpoint(at("10.0.0.66:80")),
        Connector.endpoint(at("[::ffff:10.0.0.66]:80"), Host.hostPortFromStringUnsafe("server.example:80")),
        named("10.0.0.66:80"),
        named("[64:ff9b::a00:42]:80")
      ]
      const lax = Connector.winsock.pipe(
        Connector.via(outer),
        Connector.addressPolicy(AddressPolicy.withNames(AddressPolicy.publicOnly))
      )
      for (const connector of [lookedUpThere, lax]) {
        const outcome = behindProxies(kind, Effect.forEach(targets, (target) => failure(connector, target)))
        assert.deepStrictEqual(outcome.value().map((error) => [error._tag, /"\w+"/.exec(error.detail!)?.[0]]), [
          ["WSAEACCES", "\"private\""],
          ["WSAEACCES", "\"private\""],
          ["WSAEACCES", "\"private\""],
          ["WSAEACCES", "\"private\""]
        ])
        assert.deepStrictEqual([outcome.connects, outcome.log], [[], []])
      }
    })

    it("a name that the proxy would look up is refused, unless the policy allows names", () => {
      const outcome = behindProxies(kind, failure(lookedUpThere, named("evil.example:80")))
      const error = outcome.value()
      assert.strictEqual(error._tag, "WSAEACCES")
      assert.include(error.detail, "look it up before the proxy")
      assert.deepStrictEqual([outcome.connects, outcome.log], [[], []])

      const allowing = Connector.winsock.pipe(
        Connector.via(outer),
        Connector.addressPolicy(AddressPolicy.withNames(AddressPolicy.publicOnly))
      )
      const allowed = behindProxies(kind, allowing.connect(named("server.example:80")))
      assert.isTrue(Exit.isSuccess(allowed.exit))
      assert.deepStrictEqual(allowed.log, ["server.example:80"])
      // it takes all policies that hold to allow names, whichever stands outside
      const withoutNames = AddressPolicy.make({ rules: [], otherwise: "allow" })
      for (
        const both of [
          allowing.pipe(Connector.addressPolicy(withoutNames)),
          Connector.winsock.pipe(
            Connector.via(outer),
            Connector.addressPolicy(withoutNames),
            Connector.addressPolicy(AddressPolicy.withNames(AddressPolicy.publicOnly))
          )
        ]
      ) assert.strictEqual(behindProxies(kind, failure(both, named("server.example:80"))).value()._tag, "WSAEACCES")
    })

    it("a proxy's own address is asked about, also where it is the second of a chain", () => {
      const home = Connector.winsock.pipe(Connector.via(proxy("10.0.0.9:1080")), strict)
      const chain = Connector.winsock.pipe(Connector.via(outer), Connector.via(proxy("10.0.0.9:1080")), strict)
      for (const connector of [home, chain]) {
        const outcome = behindProxies(kind, failure(connector, Connector.endpoint(at("9.9.9.9:80"))))
        assert.strictEqual(outcome.value()._tag, "WSAEACCES")
        assert.deepStrictEqual([outcome.connects, outcome.log], [[], []])
      }
      const excepted = Connector.winsock.pipe(
        Connector.via(proxy("10.0.0.9:1080")),
        Connector.addressPolicy(AddressPolicy.publicOnly.pipe(
          AddressPolicy.before(AddressPolicy.allow("our proxy", { networks: ["10.0.0.9/32"], ports: [1080] }))
        ))
      )
      const outcome = behindProxies(kind, excepted.connect(Connector.endpoint(at("9.9.9.9:80"))))
      assert.isTrue(Exit.isSuccess(outcome.exit))
      assert.strictEqual(
        behindProxies(kind, failure(excepted, Connector.endpoint(at("10.0.0.9:22")))).value()._tag,
        "WSAEACCES"
      )
    })

    it("a chain whose hops are all allowed leads to where it may", () => {
      const chain = Connector.winsock.pipe(Connector.via(outer), Connector.via(proxy("9.9.9.11:1080")), strict)
      const reached = behindProxies(kind, chain.connect(Connector.endpoint(at("9.9.9.9:80"))))
      assert.isTrue(Exit.isSuccess(reached.exit))
      assert.deepStrictEqual(reached.log, ["9.9.9.11:1080", "9.9.9.9:80"])
      const denied = behindProxies(kind, failure(chain, Connector.endpoint(at("10.0.0.66:80"))))
      assert.strictEqual(denied.value()._tag, "WSAEACCES")
      assert.deepStrictEqual([denied.connects, denied.log], [[], []])
    })
  })
}
