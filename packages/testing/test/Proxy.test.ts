import {
  ConnectData,
  type Connection,
  Connector,
  Proxy,
  Qos,
  RetryPolicy,
  SocketAddress,
  UserData,
  Winsock
} from "@effect-winsock/core"
import { Memory, Sim, SimNetwork, SimTls } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Redacted, Scope } from "effect"
import { Host } from "effect/net"
import {
  type Act,
  httpProxy,
  type Log,
  type ProxyOptions,
  scripted,
  serve,
  socksProxy,
  textOf,
  tlsBecomes,
  tlsThroughProxies,
  utf8
} from "./utils/proxies.ts"

const named = (text: string): Connector.Named => ({ _tag: "Named", origin: Host.hostPortFromStringUnsafe(text) })
const endpoint = (text: string): Connector.Endpoint => Connector.endpoint(SocketAddress.fromInputUnsafe(text))
const credentials = { username: "alice", password: Redacted.make("open sesame") }

const kinds = {
  socks5: { make: Proxy.socks5, serve: socksProxy },
  http: { make: Proxy.http, serve: httpProxy }
} as const

/** A client, two proxies and a server that answers `hello, ` and what it was told, each with a name. */
const world = Effect.gen(function*() {
  const net = yield* SimNetwork.make({
    hosts: {
      client: { addresses: ["198.51.100.1", "2001:db8:1::1"], names: ["client.test"] },
      outer: { addresses: ["198.51.100.2", "2001:db8:1::2"], names: ["outer.test"] },
      inner: { addresses: ["198.51.100.3", "2001:db8:1::3"], names: ["inner.test"] },
      server: { addresses: ["198.51.100.4", "2001:db8:1::4"], names: ["server.test"] }
    }
  })
  const answer = (address: string) =>
    serve(address, (caller) =>
      Effect.gen(function*() {
        const heard: Array<number> = []
        for (let bytes = yield* caller.read; bytes.length > 0; bytes = yield* caller.read) heard.push(...bytes)
        yield* caller.write(utf8(`hello, ${textOf(heard)}`))
        yield* caller.end
      }))
  const runs = <E>(host: string, program: Effect.Effect<unknown, E, Winsock.Winsock | Scope.Scope>) =>
    Effect.andThen(net.run(host, Effect.scoped(Effect.andThen(program, Effect.never))), Effect.sleep("100 millis"))
  yield* runs("server", Effect.all([answer("0.0.0.0:80"), answer("[::]:80")]))
  return { net, runs, client: yield* Layer.build(net.layerConnector("client")) }
})

/** Says something to the server, and gives its answer. */
const greeted = (connection: Connection.Connection, what = "client") =>
  Effect.gen(function*() {
    yield* connection.write(utf8(what))
    yield* connection.end
    const heard: Array<number> = []
    for (let bytes = yield* connection.read; bytes.length > 0; bytes = yield* connection.read) heard.push(...bytes)
    return textOf(heard)
  })

const names = { "server.test": "198.51.100.4:80", "inner.test": "198.51.100.3:1080", "none.test": "198.51.100.4:81" }

const simulated = <A, E>(program: Effect.Effect<A, E, Sim.Sim | Scope.Scope>, seed = 1): A =>
  Sim.getOrThrow(Sim.run(Effect.scoped(program), { seed }))

describe("Proxy", () => {
  for (const [name, kind] of Object.entries(kinds)) {
    describe(name, () => {
      const one = (options: ProxyOptions = {}) =>
        Effect.gen(function*() {
          const all = yield* world
          yield* all.runs("outer", kind.serve("198.51.100.2:1080", options))
          return all
        })
      const proxy = kind.make({ address: "198.51.100.2:1080" })

      it("gives a connection to the target: of an address the address is sent, of a name the name", () => {
        const log: Log = []
        const program = Effect.gen(function*() {
          const { client } = yield* one({ log, names })
          const connector = Connector.winsock.pipe(Connector.via(proxy))
          const answers: Array<string> = []
          for (const target of [endpoint("198.51.100.4:80"), endpoint("[2001:db8:1::4]:80"), named("server.test:80")]) {
            const connection = yield* connector.connect(target).pipe(Effect.provide(client))
            assert.strictEqual(SocketAddress.format(connection.remote), "198.51.100.2:1080")
            answers.push(yield* greeted(connection))
          }
          return answers
        })
        assert.deepStrictEqual(simulated(program), ["hello, client", "hello, client", "hello, client"])
        const v6 = name === "http" ? "[2001:db8:1::4]:80" : "[2001:db8:1:0:0:0:0:4]:80"
        assert.deepStrictEqual(log, ["198.51.100.4:80", v6, "server.test:80"])
      })

      it("keeps bytes of the target that come together with the answer", () => {
        const program = Effect.gen(function*() {
          const { client } = yield* one({ early: "early: " })
          const connection = yield* Connector.winsock.pipe(
            Connector.via(proxy),
            Connector.connect(endpoint("198.51.100.4:80")),
            Effect.provide(client)
          )
          const part = new Uint8Array(3)
          assert.strictEqual(yield* connection.readInto(part), 3)
          return textOf(part) + (yield* greeted(connection))
        })
        assert.strictEqual(simulated(program), "early: hello, client")
      })

      it("says who calls, and a wrong password is ProxyAuthenticationRequired", () => {
        const program = Effect.gen(function*() {
          const { client } = yield* one({ user: ["alice", "open sesame"] })
          const through = (options: Proxy.Options) =>
            Connector.winsock.pipe(
              Connector.via(kind.make({ address: "198.51.100.2:1080", ...options })),
              Connector.connect(endpoint("198.51.100.4:80")),
              Effect.flatMap((connection) => greeted(connection)),
              Effect.catchTag("ProxyAuthenticationRequired", (error) => Effect.succeed(error)),
              Effect.scoped,
              Effect.provide(client)
            )
          const wrong = { username: "alice", password: Redacted.make("a secret that is not the one") }
          return [yield* through({ credentials }), yield* through({}), yield* through({ credentials: wrong })]
        })
        const [right, without, wrong] = simulated(program)
        assert.strictEqual(right, "hello, client")
        for (const error of [without, wrong]) {
          if (typeof error !== "object") return assert.fail(error)
          assert.strictEqual(error.proxy, `${name}://198.51.100.2:1080`)
          assert.strictEqual(error.stage, "proxy")
          assert.notInclude(JSON.stringify(error), "secret")
        }
      })

      it("R24, R25: refused, timed out and unreachable behind a proxy are what they are without one", () => {
        const program = Effect.gen(function*() {
          const { client, net } = yield* one({ names })
          net.meet("198.51.100.4:82", () => ({ outcome: "silence" }))
          net.meet("198.51.100.4:83", () => ({ outcome: "WSAEHOSTUNREACH", after: 5 }))
          const connector = Connector.winsock.pipe(Connector.via(proxy))
          const errors: Array<readonly [string, string, string | undefined]> = []
          const targets = [
            endpoint("198.51.100.4:81"),
            named("none.test:81"),
            endpoint("198.51.100.4:82"),
            endpoint("198.51.100.4:83"),
            endpoint("203.0.113.1:80"),
            named("nobody.test:80")
          ]
          for (const target of targets) {
            const error = yield* connector.connect(target).pipe(Effect.flip, Effect.scoped, Effect.provide(client))
            errors.push([
              error._tag,
              error.stage,
              "remote" in error && error.remote ? SocketAddress.format(error.remote) : undefined
            ])
            assert.strictEqual(error.detail?.includes(`${name}://198.51.100.2:1080`), true, error.detail)
          }
          assert.strictEqual(net.counts("client").handles, 0)
          return errors
        })
        const notFound = name === "http" ? "WSAHOST_NOT_FOUND" : "WSAEHOSTUNREACH"
        const noRoute = name === "http" ? "WSAEHOSTUNREACH" : "WSAENETUNREACH"
        assert.deepStrictEqual(simulated(program), [
          ["WSAECONNREFUSED", "proxy", "198.51.100.4:81"],
          ["WSAECONNREFUSED", "proxy", undefined],
          ["WSAETIMEDOUT", "proxy", "198.51.100.4:82"],
          ["WSAEHOSTUNREACH", "proxy", "198.51.100.4:83"],
          [noRoute, "proxy", "203.0.113.1:80"],
          [notFound, "proxy", undefined]
        ])
      })

      it("a proxy that is not there fails as any address, of the stage connect", () => {
        const program = Effect.gen(function*() {
          const { client } = yield* world
          const error = yield* Connector.winsock.pipe(
            Connector.via(proxy),
            Connector.connect(endpoint("198.51.100.4:80")),
            Effect.flip,
            Effect.provide(client)
          )
          return [error._tag, error.stage]
        })
        assert.deepStrictEqual(simulated(program), ["WSAECONNREFUSED", "connect"])
      })

      it("a proxy with a name is looked up, by what stands before it", () => {
        const log: Log = []
        const program = Effect.gen(function*() {
          const { client } = yield* one({ log, names })
          return yield* Connector.winsock.pipe(
            Connector.happyEyeballs(),
            Connector.resolve(),
            Connector.via(kind.make({ host: "outer.test:1080" })),
            Connector.connect(named("server.test:80")),
            Effect.flatMap((connection) => greeted(connection)),
            Effect.provide(client)
          )
        })
        assert.strictEqual(simulated(program), "hello, client")
        assert.deepStrictEqual(log, ["server.test:80"])
      })

      it("is a step of every attempt of a race, and what it fails with is one of the attempts", () => {
        const program = Effect.gen(function*() {
          const { client } = yield* one()
          const connector = Connector.winsock.pipe(Connector.via(proxy), Connector.happyEyeballs())
          const race = (...addresses: ReadonlyArray<string>) =>
            connector.connect({
              _tag: "Candidates",
              origin: undefined,
              addresses: addresses.map((address) => SocketAddress.fromInputUnsafe(address))
            }).pipe(Effect.provide(client))
          const won = yield* greeted(yield* race("[2001:db8:1::4]:81", "198.51.100.4:80"))
          const error = yield* Effect.flip(race("[2001:db8:1::4]:81", "203.0.113.1:80"))
          return [won, error._tag, error.attempts?.map(({ code, stage }) => `${stage} ${code}`)]
        })
        const second = name === "http" ? "WSAEHOSTUNREACH" : "WSAENETUNREACH"
        assert.deepStrictEqual(simulated(program), [
          "hello, client",
          "WSAECONNREFUSED",
          ["proxy WSAECONNREFUSED", `proxy ${second}`]
        ])
      })

      it("proxies in a row reach each other: by steps, and as a chain", () => {
        const [outer, inner]: readonly [Log, Log] = [[], []]
        const program = Effect.gen(function*() {
          const { client, runs } = yield* one({ log: outer, names })
          yield* runs("inner", socksProxy("198.51.100.3:1080", { log: inner, names, user: ["alice", "open sesame"] }))
          const second = Proxy.socks5({ host: "inner.test:1080", credentials })
          const steps = Connector.winsock.pipe(Connector.via(proxy), Connector.via(second))
          const chain = Connector.winsock.pipe(Connector.via(Proxy.chain(proxy, second)))
          const answers: Array<unknown> = []
          for (const connector of [steps, chain]) {
            const connection = yield* connector.connect(named("server.test:80")).pipe(Effect.provide(client))
            answers.push(yield* greeted(connection))
            const error = yield* connector.connect(named("none.test:1")).pipe(Effect.flip, Effect.provide(client))
            answers.push([error._tag, error.detail])
          }
          return answers
        })
        const refused = ["WSAECONNREFUSED", "the proxy socks5://inner.test:1080 says: connection refused (5)"]
        assert.deepStrictEqual(simulated(program), ["hello, client", refused, "hello, client", refused])
        assert.deepStrictEqual(outer, ["inner.test:1080", "inner.test:1080", "inner.test:1080", "inner.test:1080"])
        assert.deepStrictEqual(inner, ["server.test:80", "none.test:1", "server.test:80", "none.test:1"])
      })

      it("rules send some targets through it, and others not", () => {
        const log: Log = []
        const program = Effect.gen(function*() {
          const { client } = yield* one({ log, names })
          const connector = Connector.winsock.pipe(
            Connector.happyEyeballs(),
            Connector.resolve(),
            Connector.via(Proxy.rules(proxy, "2001:db8::/32"))
          )
          const remotes: Array<string> = []
          for (const target of [named("server.test:80"), endpoint("198.51.100.4:80"), endpoint("[2001:db8:1::4]:80")]) {
            const { remote } = yield* connector.connect(target).pipe(Effect.provide(client))
            remotes.push(SocketAddress.format(remote))
          }
          return remotes
        })
        const through = "198.51.100.2:1080"
        assert.deepStrictEqual(simulated(program), [through, through, "[2001:db8:1::4]:80"])
        assert.deepStrictEqual(log, ["server.test:80", "198.51.100.4:80"])
      })

      it("a target that no proxy can be asked for is refused before anyone is called", () => {
        const program = Effect.gen(function*() {
          const connector = Connector.winsock.pipe(Connector.via(kind.make({ address: "127.0.0.1:9" })))
          const targets = ["0.0.0.0:80", "[::]:80", "127.0.0.1:0", "[fe80::1%3]:80", "unix:/run/x"]
          const errors = targets.map(endpoint).concat([])
          const results: Array<string> = []
          for (const target of [...errors, named("a.test:0"), named("[fe80::1%eth0]:80")]) {
            const error = yield* Effect.flip(connector.connect(target))
            results.push(`${error._tag} ${error.stage}`)
          }
          return results
        })
        const done = Effect.runSync(program.pipe(Effect.scoped, Effect.provide(Memory.layer())))
        const not = "WSAEADDRNOTAVAIL request"
        assert.deepStrictEqual(done, [not, not, not, not, "WSAEAFNOSUPPORT request", not, not])
      })
    })
  }

  // -- peers that are no good proxies ---------------------------------------------------------------------------------

  const socksReply = (code: number) => Uint8Array.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0)
  /** What a good proxy does, step by step. */
  const good: {
    readonly [name: string]: {
      readonly proxy: Proxy.Hop<SocketAddress.SocketAddress>
      readonly acts: ReadonlyArray<Act>
    }
  } = {
    socks5: {
      proxy: Proxy.socks5({ address: "198.51.100.2:1080", credentials }),
      acts: [
        { hears: 4 },
        { says: Uint8Array.of(5, 2) },
        { hears: 19 },
        { says: Uint8Array.of(1, 0) },
        { hears: 10 },
        { says: socksReply(0) }
      ]
    },
    http: {
      proxy: Proxy.http({ address: "198.51.100.2:1080" }),
      acts: [
        { hears: "CONNECT 198.51.100.4:80 HTTP/1.1\r\nHost: 198.51.100.4:80\r\n\r\n".length },
        { says: "HTTP/1.1 100 Continue\r\n\r\n" },
        { says: "HTTP/1.1 200 OK\r\nVia: x\r\n\r\n" }
      ]
    }
  }

  /** Goes through a peer that does what its script says: the tag and the stage of what comes of it, and what is left open. */
  const through = (
    proxy: Proxy.Hop<SocketAddress.SocketAddress>,
    acts: ReadonlyArray<Act>,
    use: (
      connect: Effect.Effect<
        Connection.Connection,
        { readonly _tag: string; readonly stage: string; readonly detail?: string }
      >
    ) => Effect.Effect<unknown, { readonly _tag: string; readonly stage: string; readonly detail?: string }> = (
      connect
    ) => connect
  ) =>
    simulated(Effect.gen(function*() {
      const { client, net, runs } = yield* world
      yield* runs("outer", scripted("198.51.100.2:1080", acts))
      const began = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      const scope = yield* Scope.make()
      const connect = Connector.winsock.pipe(Connector.via(proxy), Connector.connect(endpoint("198.51.100.4:80")))
      const result = yield* use(Effect.provide(connect, client).pipe(Effect.provideService(Scope.Scope, scope))).pipe(
        Effect.match({ onSuccess: () => "open", onFailure: ({ _tag, stage }) => `${_tag} ${stage}` })
      )
      const elapsed = (yield* Effect.clockWith((clock) => clock.currentTimeMillis)) - began
      yield* Effect.sleep("1 second")
      return { result, elapsed, open: net.counts("client").handles }
    }))

  for (const [name, { acts, proxy }] of Object.entries(good)) {
    describe(`a ${name} peer`, () => {
      it("that answers byte by byte is as good as another", () => {
        const slowly = acts.map((act) => typeof act === "object" && "says" in act ? { ...act, slowly: true } : act)
        assert.strictEqual(through(proxy, acts).result, "open")
        const { elapsed, open, result } = through(proxy, slowly)
        assert.strictEqual(result, "open")
        assert.isAbove(elapsed, 10)
        assert.strictEqual(open, 1)
      })

      it("that ends, or breaks off, at whatever step, is WSAECONNRESET of the proxy, and nothing is left open", () => {
        for (const how of ["ends", "resets"] as const) {
          for (let step = 0; step < acts.length; step++) {
            const { open, result } = through(proxy, [...acts.slice(0, step), how])
            assert.strictEqual(result, "WSAECONNRESET proxy", `${how} at step ${step}`)
            assert.strictEqual(open, 0, `${how} at step ${step}`)
          }
        }
      })

      it("that falls silent at whatever step is given up by a time-out, and nothing is left open", () => {
        for (let step = 0; step < acts.length; step++) {
          const { elapsed, open, result } = through(
            proxy,
            [...acts.slice(0, step), "waits"],
            (connect) =>
              Connector.make((): typeof connect => connect).pipe(
                Connector.attemptTimeout("3 seconds"),
                Connector.connect(endpoint("198.51.100.4:80")),
                Effect.scoped
              )
          )
          assert.strictEqual(result, "WSAETIMEDOUT connect", `step ${step}`)
          assert.strictEqual(elapsed, 3000)
          assert.strictEqual(open, 0, `step ${step}`)
        }
      })

      it("is let go of wherever a connect is interrupted, in every millisecond", () => {
        const slowly = acts.map((act) => typeof act === "object" && "says" in act ? { ...act, slowly: true } : act)
        const whole = through(proxy, slowly).elapsed
        for (let after = 0; after < whole; after++) {
          const { open, result } = through(proxy, slowly, (connect) =>
            Effect.gen(function*() {
              const fiber = yield* Effect.forkChild(connect)
              yield* Effect.sleep(Duration.millis(after))
              yield* Fiber.interrupt(fiber)
            }))
          assert.strictEqual(result, "open")
          assert.strictEqual(open, 0, `after ${after} ms`)
        }
        assert.isAbove(whole, 10)
      })

      it("that speaks something else is ProxyProtocol, and nothing is left open", () => {
        const greetings = [
          "SSH-2.0-OpenSSH_9.2\r\n",
          Uint8Array.of(0x16, 3, 3, 0, 40),
          new Uint8Array(5000).fill(0),
          "\r\n\r\n",
          name === "http" ? Uint8Array.of(5, 0) : "HTTP/1.1 400 Bad Request\r\n\r\n"
        ]
        for (const says of greetings) {
          for (let step = 0; step < acts.length; step++) {
            const act = acts[step]!
            if (typeof act !== "object" || !("says" in act)) continue
            const { open, result } = through(proxy, [...acts.slice(0, step), { says }, "waits"])
            assert.strictEqual(result, "ProxyProtocol proxy", `${String(says)} at step ${step}`)
            assert.strictEqual(open, 0)
          }
        }
      })
    })
  }

  it("every reply of SOCKS5 comes back as its code", () => {
    const codes = [
      "ProxyFailure",
      "WSAEACCES",
      "WSAENETUNREACH",
      "WSAEHOSTUNREACH",
      "WSAECONNREFUSED",
      "WSAETIMEDOUT",
      "WSAEOPNOTSUPP",
      "WSAEAFNOSUPPORT",
      "ProxyProtocol"
    ]
    const { acts, proxy } = good["socks5"]!
    for (const [i, code] of codes.entries()) {
      // Whole, and with nothing behind the code, as some servers send it.
      for (const says of [socksReply(i + 1), Uint8Array.of(5, i + 1)]) {
        const { open, result } = through(proxy, [...acts.slice(0, -1), { says }, "ends"])
        assert.strictEqual(result, `${code} proxy`)
        assert.strictEqual(open, 0)
      }
    }
  })

  it("answers that come in one piece, and the target's bytes behind them, are read one after the other", () => {
    const { proxy } = good["socks5"]!
    const says = Uint8Array.from([5, 2, 1, 0, ...socksReply(0), ...utf8("hello")])
    const { result } = through(proxy, [{ says }, "waits"], (connect) =>
      Effect.flatMap(
        Effect.orDie(connect),
        (connection) => Effect.map(Effect.orDie(connection.read), (bytes) => assert.strictEqual(textOf(bytes), "hello"))
      ))
    assert.strictEqual(result, "open")
  })

  it("a SOCKS5 peer that chooses what was not offered, or takes nobody, says so", () => {
    const { acts, proxy } = good["socks5"]!
    const chooses = (method: number) => through(proxy, [acts[0]!, { says: Uint8Array.of(5, method) }, "waits"]).result
    assert.strictEqual(chooses(1), "ProxyProtocol proxy")
    assert.strictEqual(chooses(0xff), "ProxyAuthenticationRequired proxy")
    const verdict = [...acts.slice(0, 3), { says: Uint8Array.of(1, 7) }, "ends" as const]
    assert.strictEqual(through(proxy, verdict).result, "ProxyAuthenticationRequired proxy")
  })

  it("a head without an end, and one that is longer than there is room for, are ProxyProtocol", () => {
    const { acts, proxy } = good["http"]!
    const endless = [
      "HTTP/1.1 200 OK\r\n",
      "HTTP/1.1 100 Continue\r\n\r\n".repeat(700),
      `HTTP/1.1 200 ${"x".repeat(17_000)}`
    ]
    for (const says of [...endless, `HTTP/1.1 200 OK\r\n${`A: ${"b".repeat(1000)}\r\n`.repeat(17)}\r\n`]) {
      const { open, result } = through(proxy, [acts[0]!, { says }, ...endless.map((says) => ({ says })), "waits"])
      assert.strictEqual(result, "ProxyProtocol proxy")
      assert.strictEqual(open, 0)
    }
  })

  it("TLS goes through proxies, and to them: names and authorities are checked inside of the tunnel", () => {
    const authority = SimTls.authority("Some Authority")
    const certified = {
      ca: authority.cert,
      server: authority.issue({ names: ["server.test"] }),
      proxy: authority.issue({ names: ["proxy.test"] }),
      stranger: SimTls.authority("A Stranger").issue({ names: ["stranger.test"] })
    }
    const program = tlsThroughProxies(certified).pipe(
      Effect.scoped,
      Effect.provide([SimNetwork.layer(), SimTls.layer()])
    )
    assert.deepStrictEqual(simulated(program), tlsBecomes)
  })

  it("a policy takes what bears no code by its class, and waits as long as the proxy asks to", () => {
    const after = (status: string) =>
      simulated(Effect.gen(function*() {
        const { client, runs } = yield* world
        let asked = 0
        const busy = serve("198.51.100.2:1080", (caller) =>
          Effect.gen(function*() {
            yield* caller.read
            yield* caller.write(utf8(++asked > 1 ? "HTTP/1.1 200 OK\r\n\r\n" : `HTTP/1.1 ${status}\r\n\r\n`))
            yield* caller.read
          }))
        yield* runs("outer", busy)
        const began = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
        const became = yield* Connector.winsock.pipe(
          Connector.via(good["http"]!.proxy),
          Connector.retry(RetryPolicy.transient()),
          Connector.connect(endpoint("198.51.100.4:80")),
          Effect.match({ onSuccess: () => "open", onFailure: (error) => error }),
          Effect.provide(client)
        )
        const seconds = ((yield* Effect.clockWith((clock) => clock.currentTimeMillis)) - began) / 1000
        return { became, seconds }
      }))
    const busy = after("503 Busy\r\nRetry-After: 7")
    assert.strictEqual(busy.became, "open")
    assert.isAtLeast(busy.seconds, 7)
    assert.isBelow(after("502 Bad Gateway").seconds, 1)
    const full = after("429 Too Many Requests")
    assert.strictEqual(full.became, "open")
    assert.isAtLeast(full.seconds, 0.8)
    const { became } = after("302 Found")
    if (typeof became === "string" || became._tag !== "ProxyFailure") return assert.fail(String(became))
    assert.strictEqual(became.retryClass, "other")
  })

  describe("connect data inside of the tunnel", () => {
    const both = (what: Proxy.Hop<SocketAddress.SocketAddress>["_tag"]) => kinds[what === "Socks5" ? "socks5" : "http"]

    /** A client and a server whose layers have a carrier, and a proxy whose layer has none. */
    const carried = (
      carrier: Layer.Layer<never, unknown>,
      kind: (typeof kinds)["socks5" | "http"],
      accepts: (listener: Winsock.Socket) => Effect.Effect<unknown, unknown, Scope.Scope>,
      serving: Layer.Layer<never, unknown> = carrier
    ) =>
      Effect.gen(function*() {
        const log: Log = []
        const { net, runs } = yield* world
        const names = { "server.test": "198.51.100.4:90", "inner.test": "198.51.100.3:1080" }
        yield* runs("outer", kind.serve("198.51.100.2:1080", { log, names }))
        yield* runs("inner", httpProxy("198.51.100.3:1080", { log, names }))
        const target = Effect.gen(function*() {
          const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
          yield* Winsock.bind(listener, "0.0.0.0:90")
          yield* Winsock.listen(listener)
          yield* accepts(listener)
          return yield* Effect.never
        }).pipe(Effect.scoped, Effect.provide(Layer.provide(net.layer("server"), serving)))
        yield* Effect.forkScoped(target)
        yield* Effect.sleep("100 millis")
        const client = yield* Layer.build(Layer.provide(net.layerConnector("client"), carrier))
        const connector = Connector.winsock.pipe(Connector.via(kind.make({ address: "198.51.100.2:1080" })))
        return { client, connector, log, net }
      })

    const acme = UserData.layer({ callerData: utf8("acme"), calleeCapacity: 64 })
    const welcome = (listener: Winsock.Socket) =>
      Effect.gen(function*() {
        const { remote, socket } = yield* Winsock.WSAAccept(listener, ({ callerData }) =>
          Effect.succeed({ verdict: Winsock.CF_ACCEPT, calleeData: utf8(`welcome, ${textOf(callerData)}`) }))
        yield* Winsock.send(socket, utf8(`you are ${SocketAddress.format(remote).split(":")[0]}`))
      })

    for (const what of ["Socks5", "Http"] as const) {
      it(`${what}: the exchange is had with the target, and the proxy hears nothing of it`, () => {
        const program = Effect.gen(function*() {
          const { client, connector, log } = yield* carried(ConnectData.layerExchange(), both(what), welcome)
          const connection = yield* connector.connect(named("server.test:90")).pipe(
            Effect.provide(acme),
            Effect.provide(client)
          )
          return [textOf(connection.calleeData), textOf(yield* connection.read), log]
        })
        // The target's transport knows the proxy only.
        assert.deepStrictEqual(simulated(program), ["welcome, acme", "you are 198.51.100.2", ["server.test:90"]])
      })

      it(`${what}: the header of the PROXY protocol goes to the target, and names the true caller`, () => {
        const program = Effect.gen(function*() {
          const accepts = (listener: Winsock.Socket) =>
            Effect.gen(function*() {
              let said = ""
              const { remote, socket } = yield* Winsock.WSAAccept(listener, ({ callerData }) => {
                said = textOf(callerData)
                return Effect.succeed(Winsock.CF_ACCEPT)
              })
              yield* Winsock.send(socket, utf8(`${said} of ${SocketAddress.format(remote).split(":")[0]}`))
            })
          const { client, connector } = yield* carried(ConnectData.layerProxy(), both(what), accepts)
          const connection = yield* connector.connect(endpoint("198.51.100.4:90")).pipe(
            Effect.provide(acme),
            Effect.provide(client)
          )
          return [connection.calleeData.length, textOf(yield* connection.read)]
        })
        assert.deepStrictEqual(simulated(program), [0, "acme of 198.51.100.1"])
      })

      it(`${what}: of several proxies none hears of it`, () => {
        const program = Effect.gen(function*() {
          const { client, connector, log } = yield* carried(ConnectData.layerExchange(), both(what), welcome)
          const connection = yield* connector.pipe(
            Connector.via(Proxy.http({ host: "inner.test:1080" })),
            Connector.connect(named("server.test:90")),
            Effect.provide(acme),
            Effect.provide(client)
          )
          return [textOf(connection.calleeData), log]
        })
        assert.deepStrictEqual(simulated(program), ["welcome, acme", ["inner.test:1080", "server.test:90"]])
      })
    }

    const failing = (
      accepts: (listener: Winsock.Socket) => Effect.Effect<unknown, unknown, Scope.Scope>,
      { carrier = ConnectData.layerExchange(), data = acme, serving = carrier }: {
        readonly carrier?: Layer.Layer<never, unknown>
        readonly data?: Layer.Layer<never, unknown>
        readonly serving?: Layer.Layer<never, unknown>
      } = {}
    ) =>
      simulated(Effect.gen(function*() {
        const { client, connector, log, net } = yield* carried(carrier, kinds.socks5, accepts, serving)
        const began = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
        const error = yield* connector.connect(endpoint("198.51.100.4:90")).pipe(
          Effect.flip,
          Effect.provide(data),
          Effect.provide(client)
        )
        const elapsed = (yield* Effect.clockWith((clock) => clock.currentTimeMillis)) - began
        yield* Effect.sleep("1 second")
        assert.strictEqual(net.counts("client").handles, 0)
        return [`${error._tag} ${error.stage}`, log.length, elapsed < 1000 ? "soon" : elapsed]
      }))

    it("E17, R13: what the target makes of it ends the attempt as without a proxy", () => {
      const plain = { serving: ConnectData.layerNone }
      const says = (what: string) => (listener: Winsock.Socket) =>
        Effect.flatMap(Winsock.accept(listener), ({ socket }) => Winsock.send(socket, utf8(what)))
      const rejects = (listener: Winsock.Socket) => Winsock.WSAAccept(listener, () => Effect.succeed(Winsock.CF_REJECT))
      const ends = (listener: Winsock.Socket) =>
        Effect.flatMap(Winsock.accept(listener), ({ socket }) => Winsock.closesocket(socket))
      assert.deepStrictEqual(failing(rejects), ["WSAECONNREFUSED connect", 1, "soon"])
      assert.deepStrictEqual(failing(says("220 smtp.test\r\n"), plain), ["WSAEPROTONOSUPPORT connect", 1, "soon"])
      assert.deepStrictEqual(failing(ends, plain), ["WSAECONNRESET connect", 1, "soon"])
      const [became, , elapsed] = failing(Winsock.accept, plain)
      assert.strictEqual(became, "WSAETIMEDOUT connect")
      assert.isAtLeast(elapsed as number, 20_000)
    })

    it("E10, E17: what cannot be carried is refused before the proxy is asked", () => {
      const none = { carrier: ConnectData.layerNone }
      assert.deepStrictEqual(failing(welcome, none), ["WSAEPROTONOSUPPORT request", 0, "soon"])
      const listens = { carrier: ConnectData.layerExchange({ side: "listen" }) }
      assert.deepStrictEqual(failing(welcome, listens), ["WSAEPROTONOSUPPORT request", 0, "soon"])
      const data = UserData.layer({ callerData: new Uint8Array(16 * 1024 + 1) })
      assert.deepStrictEqual(failing(welcome, { data }), ["WSAEFAULT request", 0, "soon"])
    })

    it("R19: a QOS is of no socket behind a proxy, and applied says so", () => {
      const program = Effect.gen(function*() {
        const { client, connector } = yield* carried(ConnectData.layerNone, kinds.http, Winsock.accept)
        const sending = { serviceType: "guaranteed", tokenRate: 1000, tokenBucketSize: 1000 } as const
        const { applied } = yield* connector.pipe(
          Connector.qos({ sending }),
          Connector.connect(endpoint("198.51.100.4:90")),
          Effect.provide(client)
        )
        return [applied.sending.asked?.tokenRate, applied.sending.ignored.length, applied.receiving.ignored.length]
      })
      assert.deepStrictEqual(simulated(program), [1000, 1, 0])
    })

    it("is let go of where the connect is interrupted while the target has not replied", () => {
      const program = Effect.gen(function*() {
        const { client, connector, net } = yield* carried(
          ConnectData.layerExchange(),
          kinds.socks5,
          () => Effect.void,
          ConnectData.layerNone
        )
        const fiber = yield* connector.connect(endpoint("198.51.100.4:90")).pipe(
          Effect.provide(client),
          Effect.forkChild
        )
        yield* Effect.sleep("5 seconds")
        const before = net.counts("client").handles
        yield* Fiber.interrupt(fiber)
        yield* Effect.sleep("1 second")
        return [before, net.counts("client").handles]
      })
      assert.deepStrictEqual(simulated(program), [1, 0])
    })
  })

  it("R12, R19: nothing of what is meant for the target goes to the proxy", () => {
    const seen: Array<unknown> = []
    const program = Effect.gen(function*() {
      const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
      yield* Winsock.bind(listener, "127.0.0.1:1080")
      yield* Winsock.listen(listener)
      const accepting = Effect.gen(function*() {
        const { socket } = yield* Winsock.WSAAccept(listener, ({ callerData, sqos }) => {
          seen.push(callerData.length, sqos)
          return Effect.succeed(Winsock.CF_ACCEPT)
        })
        yield* Winsock.recv(socket)
        yield* Winsock.send(socket, utf8("HTTP/1.1 200 OK\r\n\r\n"))
      })
      yield* Effect.forkScoped(accepting)
      const proxy = Proxy.http({ address: "127.0.0.1:1080" })
      yield* Connector.winsock.pipe(Connector.via(proxy), Connector.connect(named("server.test:80")))
      assert.deepStrictEqual(seen, [0, undefined])
    })
    const asking = Layer.mergeAll(
      Memory.layer({ callerDataMax: 64, calleeDataMax: 64 }),
      UserData.layer({ calleeCapacity: 64 }),
      Qos.layer({ sending: { serviceType: "guaranteed", tokenRate: 1000, tokenBucketSize: 1000 } })
    )
    return Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(asking)))
  })
})
