import { Connector, HappyEyeballs, Proxy, SocketAddress, WsaError } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Exit, Redacted, Result, Schema } from "effect"
import { Host } from "effect/net"

const secret = "open sesame"
const credentials = { username: "alice", password: Redacted.make(secret) }
const named = (text: string): Connector.Named => ({ _tag: "Named", origin: Host.hostPortFromStringUnsafe(text) })
const endpoint = (text: string, origin?: string): Connector.Endpoint =>
  Connector.endpoint(SocketAddress.fromInputUnsafe(text), origin === undefined ? undefined : named(origin).origin)

const thrown = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    assert.isTrue(Schema.isSchemaError(error))
    return String(error)
  }
  return assert.fail("it has not thrown")
}

describe("Proxy", () => {
  describe("options", () => {
    it("make values, whose server is an address or a name", () => {
      const proxy = Proxy.socks5({ address: "127.0.0.1:1080", credentials })
      assert.strictEqual(proxy.server._tag, "InetAddressV4")
      assert.strictEqual(proxy.credentials?.username, "alice")
      assert.strictEqual(Proxy.http({ host: "p.test:80" }).server.port, 80)
    })

    it("are refused where they are no such thing, and the password is never shown", () => {
      const bad: ReadonlyArray<readonly [unknown, string]> = [
        [{}, "address"],
        [{ address: "127.0.0.1:1", host: "p.test:1" }, "address"],
        [{ address: "p.test:1" }, "address"],
        [{ address: "127.0.0.1:0" }, "names no peer"],
        [{ address: "0.0.0.0:1080" }, "names no peer"],
        [{ host: "p.test" }, "host"],
        [{ host: "p.test:0" }, "port 0"],
        [{ address: "127.0.0.1:1", credentials: { username: "alice" } }, "password"],
        [{ address: "127.0.0.1:1", credentials: { username: "alice", password: secret } }, "Redacted"]
      ]
      for (const make of [Proxy.socks5, Proxy.http]) {
        for (const [options, words] of bad) {
          const error = thrown(() => make(options as Proxy.Options & Proxy.At))
          assert.include(error, words)
          assert.notInclude(error, secret)
        }
      }
    })

    it("RFC 1929: user and password have 1 to 255 bytes", () => {
      const socks = (username: string, password: string) =>
        Proxy.socks5({ address: "127.0.0.1:1", credentials: { username, password: Redacted.make(password) } })
      socks("é".repeat(127), "x".repeat(255))
      for (const [username, password] of [["", "x"], ["x", ""], ["é".repeat(128), "x"], ["x", "x".repeat(256)]]) {
        assert.include(thrown(() => socks(username!, password!)), "1 to 255 bytes")
      }
    })

    it("RFC 7617: a user has no colon, and neither has a control character", () => {
      const http = (username: string, password: string) =>
        Proxy.http({ address: "127.0.0.1:1", credentials: { username, password: Redacted.make(password) } })
      http("", "a:b")
      for (const [username, password] of [["a:b", "x"], ["a\r\n", "x"], ["x", "a\r\nHost: evil"]]) {
        assert.include(thrown(() => http(username!, password!)), "control character")
      }
    })

    it("fields in which another would begin are refused", () => {
      const error = thrown(() => Proxy.http({ address: "127.0.0.1:1", headers: { X: "a\r\nHost: evil" } }))
      assert.include(error, "the field X has a control character")
      assert.include(thrown(() => Proxy.http({ address: "127.0.0.1:1", headers: { Host: "x" } })), "not to be given")
    })
  })

  describe("a proxy that was written down by hand", () => {
    const connector = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.resolve())
    const via = (proxy: Proxy.Proxy) => thrown(() => Connector.via(connector, proxy))
    const made = Proxy.http({ address: "127.0.0.1:1" })
    const evil: Proxy.Http = { ...made, headers: { X: "a\r\nHost: evil" } }

    it("is checked where it is used: alone, in a chain, by rules", () => {
      assert.include(via(evil), "the field X has a control character")
      assert.include(via(Proxy.chain(Proxy.socks5({ address: "127.0.0.1:1" }), evil)), "the field X")
      assert.include(thrown(() => Connector.via(connector, Proxy.rules(evil))), "the field X")
      assert.include(via({ ...made, credentials: { username: "a:b", password: Redacted.make("") } }), "colon")
      assert.include(
        via({ _tag: "Socks5", server: made.server, credentials: { ...credentials, username: "" } }),
        "1 to 255"
      )
      assert.include(via({ ...made, server: SocketAddress.fromInputUnsafe("0.0.0.0:0") }), "names no peer")
    })
  })

  describe("format", () => {
    it("names every hop, and nobody's password", () => {
      const socks = Proxy.socks5({ address: "127.0.0.1:1080", credentials })
      const all = Proxy.chain(Proxy.chain(socks, Proxy.http({ host: "p.test:80", credentials })), socks)
      assert.strictEqual(
        Proxy.format(all),
        "socks5://127.0.0.1:1080, then http://p.test:80, then socks5://127.0.0.1:1080"
      )
      assert.notInclude(JSON.stringify(all), secret)
      assert.strictEqual(Proxy.hopsOf(all).length, 3)
    })
  })

  describe("fromUrl", () => {
    const read = (text: string) =>
      Result.match(Proxy.fromUrl(text), {
        onSuccess: (proxy) => [
          Proxy.format(proxy),
          proxy.credentials && `${proxy.credentials.username}:${Redacted.value(proxy.credentials.password)}`
        ],
        onFailure: ({ reason }) => reason
      })

    it("reads schemes, ports, users and addresses of both families", () => {
      assert.deepStrictEqual(read("http://p.test:3128"), ["http://p.test:3128", undefined])
      assert.deepStrictEqual(read("p.test"), ["http://p.test:80", undefined])
      assert.deepStrictEqual(read("SOCKS5H://p.test/"), ["socks5://p.test:1080", undefined])
      assert.deepStrictEqual(read("socks5://[::1]"), ["socks5://[::1]:1080", undefined])
      assert.deepStrictEqual(read("[2001:db8::1]:8080"), ["http://[2001:db8::1]:8080", undefined])
      assert.deepStrictEqual(read(" http://a%20b:c%40d:e@p.test "), ["http://p.test:80", "a b:c@d:e"])
      assert.deepStrictEqual(read("http://a@b@p.test:1"), ["http://p.test:1", "a@b:"])
    })

    it("says what is wrong without the password", () => {
      for (
        const text of [
          "ftp://x",
          "https://p.test",
          "http://",
          "",
          "http://p.test:99999",
          "http://a:%zz@p.test",
          "http://a%3Ab:c@p.test",
          "a b"
        ]
      ) {
        assert.isString(read(text), text)
      }
      for (
        const text of [
          `ftp://alice:${secret}@p.test`,
          `socks5://:${secret}@p.test`,
          `http://u:${secret}@p_:x`,
          // whoever forgets the host has it where the port should be
          `http://alice:${secret}`,
          `alice:${secret}`
        ]
      ) {
        assert.notInclude(read(text), secret)
      }
    })
  })

  describe("rules", () => {
    const proxy = Proxy.http({ address: "192.0.2.1:3128" })
    const goes = (except: string, target: Connector.Target) =>
      Proxy.proxyFor(Proxy.rules(proxy, except), target) !== undefined

    it("except names, what is below them, addresses, networks, ports, everything", () => {
      const table: ReadonlyArray<readonly [except: string, target: Connector.Target, goes: boolean]> = [
        ["", named("example.org:443"), true],
        ["*", named("example.org:443"), false],
        ["*", endpoint("203.0.113.7:443"), false],
        ["example.org", named("example.org:443"), false],
        ["EXAMPLE.org.", named("example.org:443"), false],
        ["example.org", named("www.example.org:443"), false],
        ["example.org", named("badexample.org:443"), true],
        ["example.org", named("example.org.:443"), false],
        [".example.org", named("example.org:443"), true],
        [".example.org", named("www.example.org:443"), false],
        ["*.example.org", named("a.b.example.org:443"), false],
        ["*.example.org", named("example.org:443"), true],
        ["example.org:8080", named("example.org:8080"), false],
        ["example.org:8080", named("example.org:443"), true],
        ["a.test, b.test\tc.test,,d.test", named("c.test:1"), false],
        ["a.test, b.test\tc.test,,d.test", named("d.test:1"), false],
        ["203.0.113.7", endpoint("203.0.113.7:443"), false],
        ["203.0.113.7:80", endpoint("203.0.113.7:443"), true],
        ["203.0.113.7", named("203.0.113.7:443"), false],
        ["203.0.113.0/24", endpoint("203.0.113.255:1"), false],
        ["203.0.113.0/25", endpoint("203.0.113.128:1"), true],
        ["203.0.113.0/25", endpoint("[::ffff:203.0.113.1]:1"), false],
        ["::ffff:203.0.113.0/121", endpoint("203.0.113.1:1"), false],
        ["0.0.0.0/0", endpoint("203.0.113.1:1"), false],
        ["0.0.0.0/0", endpoint("[2001:db8::1]:1"), true],
        ["2001:db8::/32", endpoint("[2001:db8:ffff::1]:1"), false],
        ["2001:db8::/33", endpoint("[2001:db8:ffff::1]:1"), true],
        ["2001:db8::1", endpoint("[2001:db8::1]:1"), false],
        ["[2001:db8::1]:443", endpoint("[2001:db8::1]:443"), false],
        ["[2001:db8::1]:443", endpoint("[2001:db8::1]:1"), true],
        ["[2001:db8::/32]:443", endpoint("[2001:db8::2]:443"), false],
        ["203.0.113.0/33, 2001:db8::/129, 1.2.3, /8, a b:c:d, [::1", endpoint("203.0.113.1:1"), true],
        // A name is not looked up, and what was found for one is excepted by either.
        ["203.0.113.0/24", named("example.org:443"), true],
        ["203.0.113.0/24", endpoint("203.0.113.7:443", "example.org:443"), false],
        ["example.org", endpoint("203.0.113.7:443", "example.org:443"), false],
        ["", endpoint("203.0.113.7:443", "example.org:443"), true]
      ]
      for (const [except, target, expected] of table) {
        assert.strictEqual(goes(except, target), expected, `${except}: ${JSON.stringify(target)}`)
      }
    })

    it("except this machine, whatever they say", () => {
      for (const text of ["127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "unix:/run/x"]) {
        assert.isFalse(goes("", endpoint(text)), text)
      }
      for (const text of ["localhost:1", "LOCALHOST.:1", "app.localhost:1"]) assert.isFalse(goes("", named(text)), text)
      assert.isTrue(goes("", named("localhost.example.org:1")))
    })
  })

  describe("fromEnvironment", () => {
    const read = (env: Record<string, string>, scheme?: "http" | "https") =>
      Effect.runSync(Proxy.fromEnvironment({ scheme }).parse(ConfigProvider.fromEnv({ env })))
    const through = (env: Record<string, string>, scheme?: "http" | "https") => {
      const { proxy } = read(env, scheme)
      return proxy && Proxy.format(proxy)
    }

    it("reads the one for the scheme, else the one for all, small letters first", () => {
      const env = { http_proxy: "http://h.test", HTTPS_PROXY: "http://s.test", ALL_PROXY: "socks5://a.test" }
      assert.strictEqual(through(env), "http://s.test:80")
      assert.strictEqual(through(env, "http"), "http://h.test:80")
      assert.strictEqual(through({ ...env, https_proxy: "small.test:1" }), "http://small.test:1")
      assert.strictEqual(through({ ALL_PROXY: "socks5://a.test" }), "socks5://a.test:1080")
      assert.strictEqual(through({ all_proxy: "socks5://b.test", ALL_PROXY: "x" }), "socks5://b.test:1080")
      assert.isUndefined(through({}))
      assert.isUndefined(through({ http_proxy: "http://h.test" }))
      assert.isUndefined(through({ https_proxy: "  " }))
    })

    it("does not believe HTTP_PROXY where a server runs CGI", () => {
      assert.strictEqual(through({ HTTP_PROXY: "h.test:1" }, "http"), "http://h.test:1")
      assert.isUndefined(through({ HTTP_PROXY: "h.test:1", REQUEST_METHOD: "GET" }, "http"))
      assert.strictEqual(through({ http_proxy: "h.test:1", REQUEST_METHOD: "GET" }, "http"), "http://h.test:1")
    })

    it("reads what is excepted", () => {
      const rules = read({ https_proxy: "p.test:1", NO_PROXY: ".internal,10.0.0.0/8" })
      assert.isUndefined(Proxy.proxyFor(rules, named("a.internal:1")))
      assert.isDefined(Proxy.proxyFor(rules, named("internal:1")))
    })

    it("fails where a value is no proxy, names the variable, and does not show it", () => {
      const exit = Effect.runSyncExit(
        Proxy.fromEnvironment().parse(ConfigProvider.fromEnv({ env: { https_proxy: `ftp://u:${secret}@x` } }))
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.include(String(exit), "https_proxy")
      assert.include(String(exit), "the scheme ftp")
      assert.notInclude(String(exit), secret)
    })
  })

  describe("errors", () => {
    const attempt: WsaError.Attempt = {
      address: SocketAddress.fromInputUnsafe("192.0.2.1:1"),
      stage: "connect",
      code: "WSAENETUNREACH",
      began: 0,
      ended: 1
    }
    const about = { proxy: "http://p.test:80", detail: "502 Bad Gateway", remote: attempt.address }
    const errors = [
      new Proxy.ProxyFailure({ ...about, retryClass: "resource", retryAfter: Duration.seconds(3) }),
      new Proxy.ProxyAuthenticationRequired(about),
      new Proxy.ProxyProtocol(about)
    ]

    it("cross JSON, with the attempts of their race", () => {
      for (const error of errors) {
        const raced = WsaError.withAttempts(error, [attempt])
        const schema: Schema.Codec<Proxy.ProxyError, unknown> = error.constructor as never
        const json = Schema.toCodecJson(schema)
        const back = Schema.decodeUnknownSync(json)(JSON.parse(JSON.stringify(Schema.encodeUnknownSync(json)(raced))))
        assert.deepStrictEqual(back, raced as never)
        assert.strictEqual(back.stage, "proxy")
        assert.strictEqual(back.message, error.message)
      }
    })

    it("take part in a race: what a proxy says tells more than that there is no way to another address", () => {
      const unreachable = WsaError.make("WSAENETUNREACH", { call: "WSAConnect", stage: "connect" })
      for (const error of errors) {
        const all: readonly [HappyEyeballs.Failure, ...Array<HappyEyeballs.Failure>] = [unreachable, error]
        assert.strictEqual(HappyEyeballs.primary(all), error)
      }
    })
  })
})
