import { SocketAddress } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Equal, Hash, Result, Schema } from "effect"
import { NetAddress } from "effect/net"

const property = { arbitrary: { runs: Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200), seed: "SocketAddress" } }

const at = SocketAddress.fromInputUnsafe

const reason = (input: unknown): string =>
  Result.match(SocketAddress.fromInput(input), {
    onFailure: (invalid) => `${invalid.kind}: ${invalid.reason}`,
    onSuccess: (address) => assert.fail(`${SocketAddress.format(address)} should not have been an address`)
  })

describe("SocketAddress", () => {
  describe("fromInput", () => {
    it("reads strings of every family", () => {
      for (
        const [text, family] of [
          ["127.0.0.1:80", "IPv4"],
          ["0.0.0.0:0", "IPv4"],
          ["[::1]:65535", "IPv6"],
          ["[fe80::1%3]:80", "IPv6"],
          ["[::ffff:127.0.0.1]:80", "IPv6"],
          ["unix:/run/app.sock", "Unix"],
          ["unix:@app", "Unix"],
          ["unix:relative", "Unix"],
          ["unix:", "Unix"]
        ] as const
      ) {
        const address = at(text)
        assert.strictEqual(SocketAddress.familyOf(address), family, text)
        assert.isTrue(SocketAddress.same(at(SocketAddress.format(address)), address), text)
      }
    })

    it("reads structures, with or without their family", () => {
      assert.isTrue(SocketAddress.same(at({ address: [127, 0, 0, 1], port: 80 }), at("127.0.0.1:80")))
      assert.isTrue(SocketAddress.same(at({ address: new Uint8Array(16), port: 80 }), at("[::]:80")))
      assert.isTrue(SocketAddress.same(at({ address: "fe80::1", port: 1, scopeId: 3 }), at("[fe80::1%3]:1")))
      assert.isTrue(SocketAddress.same(at({ address: NetAddress.ipv4Loopback, port: 80 }), at("127.0.0.1:80")))
      const fromNode = { address: "127.0.0.1", family: "IPv4", port: 80 }
      assert.isTrue(SocketAddress.same(at(fromNode), at("127.0.0.1:80")))
    })

    it("gives an address that is one back as it is", () => {
      for (const text of ["127.0.0.1:80", "[::1]:80", "unix:/x"]) {
        const address = at(text)
        assert.strictEqual(Result.getOrThrow(SocketAddress.fromInput(address)), address)
        assert.isTrue(SocketAddress.isSocketAddress(address))
      }
    })

    it("E10: says what is malformed, where, and what would be right", () => {
      for (
        const [input, ...words] of [
          [undefined, "undefined", "1.2.3.4:80"],
          [null, "null"],
          [42, "42"],
          [Symbol("no"), "a symbol"],
          [() => 1, "a function"],
          ["", "\"\" is no address", "unix:/path"],
          ["localhost:80", "\"localhost:80\"", "a host name is resolved first"],
          ["1.2.3.4", "expected host:port"],
          ["1.2.3.4:65536", "port"],
          ["::1:80", "must be bracketed"],
          ["[fe80::1%eth0]:80", "scope identifier must be decimal"],
          ["x".repeat(10_000), "..."],
          [{}, "address: missing"],
          [[], "address: missing"],
          [{ address: "1.2.3.4" }, "port: expected an integer from 0 through 65535, got undefined"],
          [{ address: "1.2.3.4", port: 1.5 }, "got 1.5"],
          [{ address: "1.2.3.4", port: "80" }, "got \"80\""],
          [{ address: "1.2.3.4", port: -1 }, "got -1"],
          [{ address: "nowhere", port: 1 }, "address: \"nowhere\""],
          [{ address: [1, 2, 3], port: 1 }, "address: an array of 3"],
          [{ address: null, port: 1 }, "address: null"],
          [{ address: "1.2.3.4", port: 1, scopeId: 1 }, "scopeId", "only an IPv6 address"],
          [{ address: "::1", port: 1, scopeId: -1 }, "scopeId: expected an unsigned 32-bit integer, got -1"],
          [{ address: "::1", port: 1, family: "IPv4" }, "says IPv4, but the address is IPv6"],
          [{ path: "/x", family: "IPv4" }, "says IPv4, but the address is Unix"],
          [{ path: 5 }, "path: expected a string, got 5"],
          [{ path: "/x", family: {} }, "family: expected"],
          [NetAddress.ipv4Loopback, "address: missing"]
        ] as const
      ) {
        const text = reason(input)
        assert.isTrue(text.startsWith("malformed: "), text)
        for (const word of words) assert.include(text, word)
        assert.isBelow(text.length, 400)
      }
    })

    it("E08: tells a family that we do not have from a malformed address", () => {
      assert.include(reason({ family: "AppleTalk", address: "1.2.3.4", port: 1 }), "family: family: \"AppleTalk\"")
      assert.include(reason({ family: 99 }), "family: family: 99")
      assert.include(reason({ family: 0 }), "family: family: 0")
      assert.isTrue(Result.isSuccess(SocketAddress.fromInput({ family: 6, address: "::1", port: 1 })))
    })

    it("E10: a path has at most 107 bytes, an abstract name 108 with its NUL, and no other NUL", () => {
      const fits = ["/".padEnd(107, "x"), `\0${"x".repeat(107)}`, "é".repeat(53), "😀".repeat(26), "", "\0"]
      const fails = [
        "/".padEnd(108, "x"),
        `\0${"x".repeat(108)}`,
        "é".repeat(54),
        "😀".repeat(27),
        "a\0b",
        "\0\0",
        "\ud800"
      ]
      for (const path of fits) {
        assert.isTrue(Result.isSuccess(SocketAddress.fromInput({ path })), JSON.stringify(path))
        const made = NetAddress.unixPathAddress(path)
        assert.strictEqual(Result.getOrThrow(SocketAddress.fromInput(made)), made)
      }
      for (const path of fails) {
        for (const input of [{ path }, NetAddress.unixPathAddress(path)]) {
          assert.isTrue(reason(input).startsWith("malformed: path "), JSON.stringify(path))
          assert.isFalse(SocketAddress.isSocketAddress(input))
        }
      }
    })

    it("never throws, also for values that throw when they are read", () => {
      const thrower = () => {
        throw new Error("hostile")
      }
      const handler = new Proxy({}, { get: thrower })
      const revoked = Proxy.revocable({}, {})
      revoked.revoke()
      for (
        const input of [
          new Proxy({}, handler),
          new Proxy(at("1.2.3.4:5"), handler),
          new Proxy(at("unix:/x"), { get: thrower }),
          revoked.proxy,
          Object.defineProperty({}, "path", { get: thrower }),
          Object.defineProperty({ port: 1 }, "address", { get: thrower }),
          { address: new Proxy([1, 2, 3, 4], { get: thrower }), port: 1 },
          { address: { toString: thrower }, port: 1 },
          { address: Object.assign(Object.create(NetAddress.ipv4Loopback), { toString: thrower }), port: 1 },
          { path: { toString: thrower } },
          { family: { toString: thrower } }
        ]
      ) {
        assert.isTrue(Result.isFailure(SocketAddress.fromInput(input)))
      }
    })

    it("takes an address of another copy of the library apart, and no forged one", () => {
      const copy = (address: object): object =>
        Object.assign(Object.create(Object.create(Object.getPrototypeOf(address))), address)
      const address = at("127.0.0.1:80")
      const alien = Result.getOrThrow(SocketAddress.fromInput(copy(address)))
      assert.isTrue(SocketAddress.same(alien, address))
      const ip = Result.getOrThrow(SocketAddress.fromInput({ address: copy(NetAddress.ipv6Loopback), port: 80 }))
      assert.isTrue(SocketAddress.same(ip, at("[::1]:80")))
      const proto: object = Object.getPrototypeOf(address)
      assert.include(reason(Object.assign(Object.create(proto), { address: "no", port: 1 })), "address: \"no\"")
      assert.include(reason(Object.assign(Object.create(proto), { address: "1.2.3.4", port: 1e9 })), "port")
    })

    it.prop("gives an address or a reason for any value", [Schema.Unknown], ([input]) => {
      for (
        const value of [input, { path: input }, { address: input, port: 1 }, { address: "::1", port: input }, {
          address: "::1",
          port: 1,
          scopeId: input
        }, { family: input, path: "/x" }]
      ) {
        const result = SocketAddress.fromInput(value)
        if (Result.isSuccess(result)) assert.isTrue(SocketAddress.isSocketAddress(result.success))
        else assert.isAbove(result.failure.reason.length, 0)
      }
    }, property)

    it.prop("reads any string, or says why not", [Schema.String], ([text]) => {
      for (const value of [text, `unix:${text}`, `[${text}]:1`, `1.2.3.4:${text}`]) {
        const result = SocketAddress.fromInput(value)
        if (Result.isSuccess(result)) {
          assert.isTrue(SocketAddress.same(at(SocketAddress.format(result.success)), result.success))
        }
      }
    }, property)
  })

  describe("format", () => {
    it("shows an abstract name with a leading @", () => {
      assert.strictEqual(SocketAddress.format(at({ path: "\0app" })), "unix:@app")
      assert.strictEqual(SocketAddress.format(at("unix:@@app")), "unix:@@app")
    })

    it("keeps a path that begins with @ apart from an abstract name", () => {
      for (const path of ["@app", "./@app", "././@app", "./app", "a@b", "\0@app", "\0./@app"]) {
        const address = at({ path })
        const text = SocketAddress.format(address)
        const back = at(text)
        assert.isTrue(SocketAddress.same(back, address), `${JSON.stringify(path)} → ${text}`)
      }
      assert.strictEqual(SocketAddress.format(at({ path: "@app" })), "unix:./@app")
    })

    it.prop("is read back by fromInput", [SocketAddress.schema], ([address]) => {
      const back = at(SocketAddress.format(address))
      assert.isTrue(SocketAddress.same(back, address))
      assert.isTrue(Equal.equals(back, address))
      assert.strictEqual(Hash.hash(back), Hash.hash(address))
    }, property)
  })

  describe("same", () => {
    it("tells family, address, port and scope apart", () => {
      const all = [
        "1.2.3.4:80",
        "1.2.3.4:81",
        "1.2.3.5:80",
        "[::ffff:1.2.3.4]:80",
        "[fe80::1]:80",
        "[fe80::1%1]:80",
        "[fe80::1%2]:80",
        "[fe80::1]:81",
        "unix:/a",
        "unix:/b",
        "unix:@a",
        "unix:"
      ]
      for (const a of all) {
        for (const b of all) assert.strictEqual(SocketAddress.same(at(a), at(b)), a === b, `${a} and ${b}`)
      }
    })

    it.prop(
      "agrees with Equal",
      [SocketAddress.schema, SocketAddress.schema],
      ([a, b]) => SocketAddress.same(a, b) === Equal.equals(a, b) && SocketAddress.same(a, a),
      property
    )
  })

  describe("isUnspecified", () => {
    it("R03, R07: is about the address alone, whatever the port", () => {
      for (const text of ["0.0.0.0:0", "0.0.0.0:80", "[::]:0", "[::]:80", "[::%1]:80", "unix:"]) {
        assert.isTrue(SocketAddress.isUnspecified(at(text)), text)
      }
      for (const text of ["0.0.0.1:0", "127.0.0.1:0", "[::1]:0", "[::ffff:0.0.0.0]:0", "unix:/", "unix:@"]) {
        assert.isFalse(SocketAddress.isUnspecified(at(text)), text)
      }
    })

    it("holds of the all-zero address of every family", () => {
      for (const family of ["IPv4", "IPv6", "Unix"] as const) {
        const address = SocketAddress.unspecified(family)
        assert.isTrue(SocketAddress.isUnspecified(address))
        assert.strictEqual(SocketAddress.familyOf(address), family)
      }
    })
  })

  it("R10: only 255.255.255.255 is a broadcast that needs no netmask to be known", () => {
    assert.isTrue(SocketAddress.isBroadcast(at("255.255.255.255:1")))
    for (const text of ["192.168.1.255:1", "224.0.0.1:1", "[ff02::1]:1", "[::ffff:255.255.255.255]:1", "unix:/x"]) {
      assert.isFalse(SocketAddress.isBroadcast(at(text)), text)
    }
  })

  it("portOf gives the port, and nothing for a path", () => {
    assert.strictEqual(SocketAddress.portOf(at("1.2.3.4:80")), 80)
    assert.strictEqual(SocketAddress.portOf(at("[::1]:0")), 0)
    assert.isUndefined(SocketAddress.portOf(at("unix:/x")))
  })

  describe("schema", () => {
    const json = Schema.toCodecJson(SocketAddress.schema)

    it.prop("crosses JSON, scopes and abstract names included", [SocketAddress.schema], ([address]) => {
      const sent: unknown = JSON.parse(JSON.stringify(Schema.encodeSync(json)(address)))
      assert.isTrue(SocketAddress.same(Schema.decodeUnknownSync(json)(sent), address))
    }, property)

    it("refuses in JSON what is no address, and says why", () => {
      for (const text of ["localhost:80", "", "unix:a\0b", "1.2.3.4:99999"]) {
        assert.isTrue(Result.isFailure(Schema.decodeUnknownResult(json)(text)), text)
      }
      assert.throws(() => Schema.decodeUnknownSync(json)("localhost:80"), /a host name is resolved first/)
    })

    it("does not take a structure for an address", () => {
      assert.isFalse(Schema.is(SocketAddress.schema)({ address: "127.0.0.1", port: 80 }))
      assert.isFalse(Schema.is(SocketAddress.schema)("127.0.0.1:80"))
    })

    it.effect("has arbitrary values of every family", () =>
      Effect.gen(function*() {
        const kinds = new Set<string>()
        const options = { count: 200, seed: "families" }
        for (const address of yield* Arbitrary.sampleEffect(Arbitrary.schema(SocketAddress.schema), options)) {
          kinds.add(SocketAddress.familyOf(address))
          if (address._tag === "InetAddressV6" && address.scopeId !== 0) kinds.add("scope")
          if (address._tag === "UnixPathAddress") kinds.add(address.path.startsWith("\0") ? "abstract" : "path")
        }
        assert.deepStrictEqual([...kinds].sort(), ["IPv4", "IPv6", "Unix", "abstract", "path", "scope"])
      }))
  })
})
