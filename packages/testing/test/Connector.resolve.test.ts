import { Connector, RetryPolicy, SocketAddress, type Winsock, WsaError } from "@effect-winsock/core"
import { Memory, Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result, Schedule, type Scope } from "effect"
import { AddressResolver, Dns, Host, NetAddress } from "effect/net"

describe("a target that is read", () => {
  const read = (input: Connector.TargetInput) => Result.getOrThrow(Connector.target(input))
  const shown = (input: Connector.TargetInput) => {
    const target = read(input)
    return target._tag === "Endpoint"
      ? [SocketAddress.format(target.address), target.origin?.toString()]
      : [target.origin.toString()]
  }

  it("is a name with a port, or an address", () => {
    assert.deepStrictEqual(shown("Example.ORG:443"), ["example.org:443"])
    assert.deepStrictEqual(shown("example.org.:443"), ["example.org.:443"])
    assert.deepStrictEqual(shown("bücher.example:80"), ["xn--bcher-kva.example:80"])
    assert.deepStrictEqual(shown("192.0.2.1:80"), ["192.0.2.1:80", "192.0.2.1:80"])
    assert.deepStrictEqual(shown("[2001:db8::1]:80"), ["[2001:db8::1]:80", "[2001:db8::1]:80"])
    assert.deepStrictEqual(shown("[fe80::1%3]:80"), ["[fe80::1%3]:80", "[fe80::1%3]:80"])
    assert.deepStrictEqual(shown("[fe80::1%eth0]:80"), ["[fe80::1%eth0]:80"], "an interface is looked up")
    assert.deepStrictEqual(shown("unix:/run/app.sock"), ["unix:/run/app.sock", undefined])
    assert.deepStrictEqual(shown("unix:@app"), ["unix:@app", undefined])
  })

  it("is a URL, of which the scheme may tell the port", () => {
    assert.deepStrictEqual(shown("https://example.org/path?query#hash"), ["example.org:443"])
    assert.deepStrictEqual(shown("wss://user:secret@example.org/"), ["example.org:443"])
    assert.deepStrictEqual(shown("http://example.org"), ["example.org:80"])
    assert.deepStrictEqual(shown("ws://example.org:8080"), ["example.org:8080"])
    assert.deepStrictEqual(shown("redis://db.internal:6379/0"), ["db.internal:6379"])
    assert.deepStrictEqual(shown("http://[::1]:81/"), ["[::1]:81", "[::1]:81"])
    assert.deepStrictEqual(shown(new URL("https://example.org")), ["example.org:443"])
    assert.deepStrictEqual(shown({ protocol: "http:", hostname: "[::1]", port: "" }), ["[::1]:80", "[::1]:80"])
    // What the URL standard takes for an address is one here too: nobody gets past a check by another spelling.
    assert.deepStrictEqual(shown("http://2130706433/"), ["127.0.0.1:80", "127.0.0.1:80"])
    assert.deepStrictEqual(shown("http://0x7f.1/"), ["127.0.0.1:80", "127.0.0.1:80"])
  })

  it("is a structure, or what another read gave", () => {
    const named = read("example.org:443")
    assert.strictEqual(read(named), named)
    const endpoint = Connector.endpoint(SocketAddress.fromInputUnsafe("127.0.0.1:80"))
    assert.strictEqual(read(endpoint), endpoint)
    assert.deepStrictEqual(shown({ host: "example.org", port: 80 }), ["example.org:80"])
    assert.deepStrictEqual(shown({ host: "::1", port: 80 }), ["[::1]:80", "[::1]:80"])
    assert.deepStrictEqual(shown(Host.hostPortFromStringUnsafe("example.org:80")), ["example.org:80"])
    assert.deepStrictEqual(shown({ address: "127.0.0.1", port: 80 }), ["127.0.0.1:80", "127.0.0.1:80"])
    assert.deepStrictEqual(shown({ path: "/run/app.sock" }), ["unix:/run/app.sock", undefined])
    assert.deepStrictEqual(shown(NetAddress.inetAddressFromStringUnsafe("127.0.0.1:80")), [
      "127.0.0.1:80",
      "127.0.0.1:80"
    ])
  })

  const hostile = {
    get host(): string {
      throw new Error("no")
    },
    port: 1
  }
  const wrong: ReadonlyArray<readonly [input: unknown, why: RegExp]> = [
    ["example.org", /^"example.org" is no target: expected host:port; write example.org:443/],
    ["::1:80", /IPv6 addresses must be bracketed/],
    ["a b:80", /invalid domain name/],
    ["example.org:65536", /port must be an integer from 0 through 65535/],
    ["example.org:080", /port must be an unpadded decimal integer/],
    ["1.2.3:80", /must not be numeric/],
    ["0x7f.1:80", /must not be numeric/],
    ["redis://db.internal", /the scheme "redis:" has no port of its own: write one/],
    ["redis://2130706433:6379", /must not be numeric/],
    ["file:///etc/passwd", /names no host/],
    ["http://", /it is no URL/],
    ["http://exa mple/", /it is no URL/],
    [{ host: "example.org" }, /expected a host and port/],
    [{ host: "example.org", port: 1.5 }, /port must be an integer/],
    [{ protocol: "https:", hostname: "", port: "" }, /names no host/],
    [{ protocol: "https:", hostname: "a", port: "many" }, /port must be an integer/],
    [{}, /address: missing/],
    [hostile, /reading it threw/],
    [null, /^null is no target/],
    [undefined, /^undefined is no target/],
    [443, /^443 is no target/],
    ["x".repeat(1000), /^"x{57}\.\.\." is no target/]
  ]
  for (const [index, [input, why]] of wrong.entries()) {
    it(`is WSAEINVAL where it cannot be read, with what is wrong and what would be right: ${index}`, () => {
      const error = Result.getOrThrow(Result.flip(Connector.target(input as Connector.TargetInput)))
      assert.instanceOf(error, WsaError.WSAEINVAL)
      assert.strictEqual(error.stage, "request")
      assert.match(error.detail!, why)
      assert.match(
        error.detail!,
        /write example\.org:443, 192\.0\.2\.1:80, \[::1\]:80, https:\/\/example\.org\/ or unix:\/path$/
      )
    })
  }
})

describe("resolve", () => {
  const connector = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.resolve())

  const failed = (answers: { readonly IPv4: Dns.DnsErrorReason; readonly IPv6: Dns.DnsErrorReason }) =>
    connector.connect("db.internal:80").pipe(
      Effect.flip,
      Effect.scoped,
      Effect.provide(layerOf((family) => Effect.fail(dnsError(answers[family]))))
    )

  const dnsError = (reason: Dns.DnsErrorReason, cause?: unknown) =>
    new Dns.DnsError({ reason, method: "lookup", hostname: "db.internal", cause })

  const layerOf = (
    lookup: (family: "IPv4" | "IPv6") => Effect.Effect<ReadonlyArray<NetAddress.IpAddress>, Dns.DnsError>
  ) =>
    Layer.mergeAll(
      AddressResolver.layer().pipe(
        Layer.provide(Layer.succeed(Dns.Dns, Dns.make({ lookup: (_, family) => lookup(family!) })))
      ),
      Memory.layer()
    )

  const reasons: ReadonlyArray<readonly [reason: Dns.DnsErrorReason, tag: WsaError.Code]> = [
    ["NotFound", "WSAHOST_NOT_FOUND"],
    ["Timeout", "WSATRY_AGAIN"],
    ["Temporary", "WSATRY_AGAIN"],
    ["ServerFailure", "WSATRY_AGAIN"],
    ["Refused", "WSANO_RECOVERY"],
    ["InvalidResponse", "WSANO_RECOVERY"],
    ["Unsupported", "WSANO_RECOVERY"],
    ["BadName", "WSAEINVAL"]
  ]
  for (const [reason, tag] of reasons) {
    it.effect(`fails with ${tag} where the resolver says ${reason}`, () =>
      Effect.gen(function*() {
        const error = yield* failed({ IPv4: reason, IPv6: reason })
        assert.strictEqual(error._tag, tag)
        assert.strictEqual(error.call, "WSAConnectByName")
        assert.strictEqual(error.stage, "resolve")
      }))
  }

  it.effect("keeps what the resolver said that no row knows", () =>
    Effect.gen(function*() {
      const said = (cause: unknown) =>
        connector.connect("db.internal:80").pipe(
          Effect.flip,
          Effect.scoped,
          Effect.provide(layerOf(() => Effect.fail(dnsError("Unknown", cause))))
        )
      const strange = yield* said({ code: "EAI_STRANGE", errno: -4242, syscall: "getaddrinfo" })
      assert.deepInclude(strange, { _tag: "WsaUnmapped", code: "EAI_STRANGE" })
      assert.deepStrictEqual(strange.native, { code: "EAI_STRANGE", errno: -4242, syscall: "getaddrinfo" })
      // A code that Winsock has, but none of those with which a look-up ends.
      assert.deepInclude(yield* said({ code: "EAI_MEMORY" }), { _tag: "WsaUnmapped", code: "WSA_NOT_ENOUGH_MEMORY" })
      assert.deepInclude(yield* said({ code: "EAI_AGAIN" }), { _tag: "WSATRY_AGAIN" })
      assert.deepInclude(yield* said(undefined), { _tag: "WsaUnmapped", code: "Unknown" })
    }))

  it.effect("fails with the more hopeful of two failures, whichever comes first", () =>
    Effect.gen(function*() {
      const tagOf = (IPv4: Dns.DnsErrorReason, IPv6: Dns.DnsErrorReason) =>
        Effect.map(failed({ IPv4, IPv6 }), (error) => error._tag)
      assert.strictEqual(yield* tagOf("NotFound", "ServerFailure"), "WSATRY_AGAIN")
      assert.strictEqual(yield* tagOf("ServerFailure", "NotFound"), "WSATRY_AGAIN")
      assert.strictEqual(yield* tagOf("Refused", "NotFound"), "WSANO_RECOVERY")
      assert.strictEqual(yield* tagOf("Refused", "Timeout"), "WSATRY_AGAIN")
    }))

  const onNetwork = <A, E>(
    body: (
      net: SimNetwork.Network
    ) => Effect.Effect<A, E, Winsock.Winsock | AddressResolver.AddressResolver | Scope.Scope>
  ) =>
    Sim.run(Effect.gen(function*() {
      const net = yield* SimNetwork.make({
        hosts: {
          client: { addresses: ["10.0.0.1", "2001:db8::1"] },
          server: { addresses: ["10.0.0.2", "2001:db8::2"], names: ["db.internal"] }
        }
      })
      return yield* Effect.provide(Effect.scoped(body(net)), net.layerConnector("client"))
    }))

  it("takes the addresses of one family where the other has none, or cannot be asked", () => {
    const report = onNetwork((net) =>
      Effect.gen(function*() {
        net.setName("four.internal", ["10.0.0.2"])
        const { attempts } = yield* Effect.flip(connector.connect("four.internal:80"))
        return attempts?.map(({ address }) => SocketAddress.format(address))
      })
    )
    assert.deepStrictEqual(Sim.getOrThrow(report), ["10.0.0.2:80"])
  })

  it("gives each attempt the name that was asked for", () => {
    const seen: Array<string> = []
    const report = onNetwork(() =>
      Connector.winsock.pipe(
        Connector.hook((_, { address, origin }) =>
          Effect.sync(() => seen.push(`${SocketAddress.format(address)} ${origin}`))
        ),
        Connector.happyEyeballs(),
        Connector.resolve()
      ).connect("https://DB.internal/").pipe(Effect.ignore)
    )
    Sim.getOrThrow(report)
    assert.deepStrictEqual(seen, ["[2001:db8::2]:443 db.internal:443", "10.0.0.2:443 db.internal:443"])
  })

  it("asks anew at every try, and forgets what an earlier one failed with", () => {
    const report = onNetwork((net) =>
      Effect.gen(function*() {
        const heal = net.failName("db.internal", "WSATRY_AGAIN")
        const policy = RetryPolicy.byCode({
          WSANO_DATA: Schedule.recurs(1).pipe(Schedule.tap(() => Effect.sync(heal)))
        })
        const retrying = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.retry(policy), Connector.resolve())
        return (yield* Effect.flip(retrying.connect("db.internal:80")))._tag
      })
    )
    assert.strictEqual(Sim.getOrThrow(report), "WSAECONNREFUSED")
  })

  it("says what a name fails with in the network", () => {
    const report = onNetwork((net) =>
      Effect.gen(function*() {
        const codes: Array<readonly [string, string]> = []
        for (
          const code of [
            "WSAHOST_NOT_FOUND",
            "WSANO_DATA",
            "WSATRY_AGAIN",
            "WSANO_RECOVERY",
            "WSAETIMEDOUT",
            "WSAEREFUSED"
          ] as const
        ) {
          const heal = net.failName("db.internal", code)
          const error = yield* Effect.flip(connector.connect("db.internal:80"))
          codes.push([code, error._tag === "WsaUnmapped" ? error.code : error._tag])
          heal()
        }
        codes.push(["nobody", (yield* Effect.flip(connector.connect("nobody.internal:80")))._tag])
        return codes
      })
    )
    assert.deepStrictEqual(Sim.getOrThrow(report), [
      ["WSAHOST_NOT_FOUND", "WSAHOST_NOT_FOUND"],
      ["WSANO_DATA", "WSANO_DATA"],
      ["WSATRY_AGAIN", "WSATRY_AGAIN"],
      ["WSANO_RECOVERY", "WSANO_RECOVERY"],
      ["WSAETIMEDOUT", "WSATRY_AGAIN"],
      ["WSAEREFUSED", "WSAEREFUSED"],
      ["nobody", "WSAHOST_NOT_FOUND"]
    ])
  })

  it.effect("looks nothing up for an address, and needs no answer from anybody", () =>
    Effect.gen(function*() {
      const layer = layerOf(() => Effect.die(new Error("nothing is to be looked up")))
      const tags = yield* Effect.forEach(
        ["127.0.0.1:1", "[::1]:1", "unix:/run/nobody.sock", "http://127.0.0.1:1/"],
        (target) => Effect.map(Effect.flip(connector.connect(target)), (error) => error._tag)
      ).pipe(Effect.scoped, Effect.provide(layer))
      assert.deepStrictEqual(new Set(tags), new Set(["WSAECONNREFUSED"]))
    }))

  it.effect("takes a name whose addresses cannot be used for one without any", () =>
    Effect.gen(function*() {
      const linkLocal = [NetAddress.ipFromStringUnsafe("fe80::1")]
      const error = yield* connector.connect("printer.local:631").pipe(
        Effect.flip,
        Effect.scoped,
        Effect.provide(
          layerOf((family) => family === "IPv6" ? Effect.succeed(linkLocal) : Effect.fail(dnsError("NotFound")))
        )
      )
      assert.strictEqual(error._tag, "WSANO_DATA")
      assert.strictEqual(error.stage, "resolve")
    }))

  it.effect("tells of a zone that no interface has", () =>
    Effect.gen(function*() {
      const error = yield* connector.connect("[fe80::1%nowhere0]:80").pipe(
        Effect.flip,
        Effect.scoped,
        Effect.provide(layerOf(() => Effect.die(new Error("nothing is to be looked up"))))
      )
      assert.strictEqual(error._tag, "WSAEADDRNOTAVAIL")
      assert.strictEqual(error.stage, "resolve")
    }))
})
