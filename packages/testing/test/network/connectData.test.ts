// Connect data over a simulated network: between hosts that are far from each other, lose packets, part, stop and are slow.
import { ConnectData, SocketAddress, Winsock } from "@effect-winsock/core"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Exit, Fiber, Layer, Random, type Scope } from "effect"

const seeds = Number(process.env["WINSOCK_SIMULATED_SEEDS"] ?? 50)

const stream = { family: "IPv4", type: "stream" } as const
const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (from: Uint8Array) => new TextDecoder().decode(from)

type On = <A, E>(program: Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>) => Effect.Effect<A, E, Scope.Scope>

interface Hosts {
  readonly net: SimNetwork.Network
  /** Runs a program on a host, with the exchange and without. */
  readonly client: On
  readonly server: On
  readonly plainClient: On
  readonly plainServer: On
  /** Milliseconds since it began. */
  readonly now: Effect.Effect<number>
}

/** A run on two hosts, ten milliseconds from each other, that leaves nothing behind. */
const outcome = <A, E>(
  program: (hosts: Hosts) => Effect.Effect<A, E, Scope.Scope | Sim.Sim>,
  { carrier = ConnectData.layerExchange(), link = { latency: "10 millis" }, seed = 1 }: {
    readonly carrier?: Layer.Layer<never, any>
    readonly link?: SimNetwork.LinkOptions
    readonly seed?: number
  } = {}
): A => {
  const report = Sim.run(
    Effect.gen(function*() {
      const net = yield* SimNetwork.make({ hosts: { client: {}, server: {} }, link })
      const begin = yield* Clock.currentTimeMillis
      const on = (host: string, carrier: Layer.Layer<never, any>): Effect.Effect<On, any, Scope.Scope> =>
        Effect.map(
          Layer.build(Layer.fresh(Layer.provide(net.layer(host), carrier))),
          (context) => (program) => Effect.provideContext(program, context)
        )
      const hosts: Hosts = {
        net,
        client: yield* on("client", carrier),
        server: yield* on("server", carrier),
        plainClient: yield* on("client", ConnectData.layerNone),
        plainServer: yield* on("server", ConnectData.layerNone),
        now: Effect.map(Clock.currentTimeMillis, (now) => now - begin)
      }
      return yield* program(hosts)
    }).pipe(Effect.scoped),
    { seed, maxTime: "1 day" }
  )
  if (Exit.isFailure(report.exit)) {
    return assert.fail(`seed ${seed}: ${Sim.format(report)}\n${Cause.pretty(report.exit.cause)}`)
  }
  assert.deepStrictEqual(report.leftovers, [], `seed ${seed}`)
  return report.exit.value
}

const listening = (net: SimNetwork.Network) =>
  Effect.gen(function*() {
    const listener = yield* Winsock.socket(stream)
    yield* Winsock.bind(listener, net.address("server", 80))
    yield* Winsock.listen(listener, 10_000)
    return listener
  })

const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkScoped(call, { startImmediately: true })

const connecting = (net: SimNetwork.Network, data = "acme") =>
  Effect.gen(function*() {
    const s = yield* Winsock.socket(stream)
    const { calleeData } = yield* Winsock.WSAConnect(s, net.address("server", 80), {
      callerData: bytesOf(data),
      calleeData: 100
    })
    return { s, calleeData: textOf(calleeData) }
  })

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.result(effect), (result) => result._tag === "Success" ? "connected" : result.failure._tag)

/** Accepts everyone, and passes back what it was told. */
const echoing = (listener: Winsock.Socket) =>
  Winsock.WSAAccept(
    listener,
    ({ callerData }) => Effect.succeed({ verdict: Winsock.CF_ACCEPT, calleeData: bytesOf(`<${textOf(callerData)}>`) })
  )

describe("the exchange between two hosts", () => {
  it("takes two round trips: one for the connection, one for the data", () => {
    const [time, calleeData] = outcome(({ client, net, now, server }) =>
      Effect.gen(function*() {
        const listener = yield* server(listening(net))
        yield* begin(server(echoing(listener)))
        const { calleeData } = yield* client(connecting(net))
        return [yield* now, calleeData] as const
      })
    )
    assert.deepStrictEqual([time, calleeData], [40, "<acme>"])
  })

  it("gives the source that a header of the PROXY protocol names, on the way of the first bytes", () => {
    const [connected, accepted, remote] = outcome(({ client, net, now, server }) =>
      Effect.gen(function*() {
        const listener = yield* server(listening(net))
        const accepting = yield* begin(Effect.zip(server(Winsock.accept(listener)), now))
        const { s } = yield* client(connecting(net))
        const connected = yield* now
        const [{ remote }, accepted] = yield* Fiber.join(accepting)
        const same = SocketAddress.format(remote) === SocketAddress.format(yield* Winsock.getsockname(s))
        return [connected, accepted, same] as const
      }), { carrier: ConnectData.layerProxy() })
    assert.deepStrictEqual([connected, accepted, remote], [20, 30, true])
  })

  it("E18: waits for an answer exactly as long as it was told to", () => {
    const waits = (delay: number, carrier: Layer.Layer<never, any>) =>
      outcome(({ client, net, now, server }) =>
        Effect.gen(function*() {
          const listener = yield* server(listening(net))
          yield* begin(Effect.andThen(Effect.sleep(delay), server(Effect.ignore(echoing(listener)))))
          const tag = yield* client(tagOf(connecting(net)))
          return [tag, yield* now]
        }), { carrier })
    // The connection is there after 20, and the reply takes 10 to arrive.
    assert.deepStrictEqual(waits(20_009, ConnectData.layerExchange()), ["connected", 20_019])
    assert.deepStrictEqual(waits(20_011, ConnectData.layerExchange()), ["WSAETIMEDOUT", 20_020])
    assert.deepStrictEqual(waits(50, ConnectData.layerExchange({ replyTimeout: "30 millis" })), ["WSAETIMEDOUT", 50])
    assert.deepStrictEqual(waits(39, ConnectData.layerExchange({ replyTimeout: "30 millis" })), ["connected", 49])
  })

  it("A06: an acceptor skips a caller whose time was over", () => {
    const seen = outcome(({ client, net, server }) =>
      Effect.gen(function*() {
        const listener = yield* server(listening(net))
        const late = yield* begin(client(tagOf(connecting(net, "late"))))
        assert.strictEqual(yield* Fiber.join(late), "WSAETIMEDOUT")
        const next = yield* begin(client(tagOf(connecting(net, "next"))))
        yield* Effect.sleep("1 second")
        const seen: Array<string> = []
        yield* server(Winsock.WSAAccept(listener, ({ callerData }) => {
          seen.push(textOf(callerData))
          return Effect.succeed(Winsock.CF_ACCEPT)
        }))
        return [...seen, yield* Fiber.join(next)]
      })
    )
    assert.deepStrictEqual(seen, ["next", "connected"])
  })

  it("E17, E18: meets a peer that does not speak it, and one that says nothing", () => {
    const meets = (words: string) =>
      outcome(({ client, net, now, plainServer }) =>
        Effect.gen(function*() {
          const listener = yield* plainServer(listening(net))
          yield* begin(plainServer(Effect.gen(function*() {
            const { socket } = yield* Winsock.accept(listener)
            yield* Winsock.send(socket, bytesOf(words))
            return yield* Effect.never
          })))
          return [yield* client(tagOf(connecting(net))), yield* now]
        })
      )
    assert.deepStrictEqual(meets("220 ready\r\n"), ["WSAEPROTONOSUPPORT", 40])
    assert.deepStrictEqual(meets(""), ["WSAETIMEDOUT", 20_020])
  })

  it("has given a caller its time, to the millisecond, whatever it says meanwhile", () => {
    const [tag, time] = outcome(({ net, now, plainClient, server }) =>
      Effect.gen(function*() {
        const listener = yield* server(listening(net))
        const accepting = yield* begin(server(Winsock.accept(listener)))
        const s = yield* plainClient(Winsock.socket(stream))
        yield* Winsock.WSAConnect(s, net.address("server", 80))
        const drip = yield* begin(Effect.forEach([0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d], (byte) =>
          Effect.andThen(Winsock.send(s, Uint8Array.of(byte)), Effect.sleep("900 millis"))))
        const tag = yield* tagOf(Winsock.recv(s))
        const time = yield* now
        yield* Fiber.interrupt(drip)
        assert.isUndefined(accepting.pollUnsafe(), "nobody was given")
        return [tag, time] as const
      })
    )
    // The last word of the handshake arrives after 30, and the reset takes 10.
    assert.deepStrictEqual([tag, time], ["WSAECONNRESET", 5040])
  })
})

describe("R26: what was bound by name", () => {
  for (const family of ["IPv4", "IPv6", "Unix"] as const) {
    it(`is bound still after a rejection, and connects from there (${family})`, () => {
      const same = outcome(({ client, net, server }) =>
        Effect.gen(function*() {
          // A path is of one host.
          const near = family === "Unix" ? client : server
          const options = { family, type: "stream" } as const
          const listener = yield* near(Winsock.socket(options))
          yield* Winsock.bind(listener, family === "Unix" ? "unix:/callee" : net.address("server", 80, family))
          yield* Winsock.listen(listener)
          const s = yield* client(Winsock.socket(options))
          yield* Winsock.bind(s, family === "Unix" ? "unix:/caller" : net.address("client", 5000, family))
          const name = yield* Winsock.getsockname(s)
          for (let i = 0; i < 3; i++) {
            const attempt = yield* begin(tagOf(Winsock.WSAConnect(s, yield* Winsock.getsockname(listener))))
            yield* near(tagOf(Winsock.WSAAccept(listener, () => Effect.succeed(Winsock.CF_REJECT))))
            assert.strictEqual(yield* Fiber.join(attempt), "WSAECONNREFUSED")
          }
          const attempt = yield* begin(Winsock.WSAConnect(s, yield* Winsock.getsockname(listener)))
          const { remote } = yield* near(Winsock.accept(listener))
          yield* Fiber.join(attempt)
          return SocketAddress.format(remote) === SocketAddress.format(name)
        })
      )
      assert.isTrue(same)
    })
  }
})

describe("a network that is hindered amid the exchange", () => {
  /** What becomes of an attempt when something is done after so many milliseconds. */
  const meeting = (after: number, what: (net: SimNetwork.Network) => Effect.Effect<unknown>) =>
    outcome(({ client, net, now, server }) =>
      Effect.gen(function*() {
        const listener = yield* server(listening(net))
        yield* begin(Effect.ignore(server(echoing(listener))))
        yield* begin(Effect.andThen(Effect.sleep(after), what(net)))
        const first = yield* client(tagOf(connecting(net)))
        const time = yield* now
        return [first, time] as const
      })
    )
  const part = (net: SimNetwork.Network) =>
    Effect.sync(() => {
      net.cut("client", "server")
      net.cut("server", "client")
    })
  const unite = (net: SimNetwork.Network) =>
    Effect.sync(() => {
      net.heal("client", "server")
      net.heal("server", "client")
    })

  it("is a time-out where it stays so: before the header has arrived, and before the reply has", () => {
    // What is on its way arrives: the header leaves after 20, the reply after 30.
    for (const after of [19, 25]) {
      assert.deepStrictEqual(meeting(after, part), ["WSAETIMEDOUT", 20_020], `after ${after}`)
    }
  })

  it("is a matter of time where it heals: nothing that was said is lost", () => {
    for (const after of [19, 25]) {
      const [tag, time] = meeting(after, (net) => Effect.andThen(part(net), Effect.delay(unite(net), "3 seconds")))
      assert.strictEqual(tag, "connected", `after ${after}`)
      assert.isAbove(time, 3000)
      assert.isBelow(time, 15_000)
    }
  })

  it("ends with the host of the peer", () => {
    for (const after of [19, 25]) {
      const [stopped] = meeting(after, (net) => Effect.sync(() => net.stop("server")))
      assert.include(["WSAECONNRESET", "WSAECONNREFUSED"], stopped)
      const [crashed] = meeting(after, (net) => Effect.sync(() => net.crash("server")))
      assert.strictEqual(crashed, "WSAETIMEDOUT")
    }
    const [reset] = meeting(25, (net) => Effect.sync(() => net.reset({ host: "server" })))
    assert.strictEqual(reset, "WSAECONNRESET")
  })

  it("loses packets, and no data", () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const told = outcome(({ client, net, server }) =>
        Effect.gen(function*() {
          const listener = yield* server(listening(net))
          yield* begin(Effect.forever(Effect.gen(function*() {
            const { socket } = yield* server(echoing(listener))
            yield* Winsock.send(socket, bytesOf("first words"))
          })))
          return yield* Effect.forEach(Array.from({ length: 5 }, (_, i) => String(i)), (i) =>
            Effect.gen(function*() {
              const { calleeData, s } = yield* client(connecting(net, i))
              let text = ""
              while (text.length < 11) text += textOf(yield* Winsock.recv(s))
              return calleeData + text
            }), { concurrency: "unbounded" })
        }), {
        seed,
        link: { latency: "10 millis", jitter: "20 millis", loss: 0.1 },
        carrier: ConnectData.layerExchange({ headerTimeout: "10 minutes", replyTimeout: "10 minutes" })
      })
      assert.deepStrictEqual(told, ["0", "1", "2", "3", "4"].map((i) => `<${i}>first words`), `seed ${seed}`)
    }
  }, 600_000)
})

describe("very many callers", () => {
  it("five thousand that say a byte, and no more: all are turned away in time, and keep nobody off", () => {
    const peers = 5000
    const before = process.memoryUsage().heapUsed
    const [honest, ended, handles, held] = outcome(({ client, net, now, plainClient, server }) =>
      Effect.gen(function*() {
        const listener = yield* server(listening(net))
        const loris = yield* begin(
          plainClient(Effect.forEach(Array.from({ length: peers }, (_, i) => i), (i) =>
            Effect.gen(function*() {
              const s = yield* Winsock.socket(stream)
              yield* Winsock.WSAConnect(s, net.address("server", 80))
              yield* Winsock.send(s, Uint8Array.of(0x0d))
              const tag = yield* tagOf(Winsock.recv(s))
              if (i % 1000 === 0) assert.strictEqual(tag, "WSAECONNRESET")
              return [tag, yield* now] as const
            }), { concurrency: "unbounded" }))
        )
        yield* Effect.sleep("1 second")
        const held = process.memoryUsage().heapUsed - before
        const handles = net.counts("server").handles
        yield* begin(server(echoing(listener)))
        const started = yield* now
        const { calleeData } = yield* client(connecting(net))
        const honest = [calleeData, (yield* now) - started] as const
        const ended = new Set((yield* Fiber.join(loris)).map(([tag, time]) => `${tag} ${time}`))
        return [honest, [...ended], handles, held] as const
      })
    )
    assert.deepStrictEqual(honest, ["<acme>", 40])
    assert.strictEqual(handles, peers + 1)
    assert.deepStrictEqual(ended, ["WSAECONNRESET 5040"])
    // Fibers, both ends and the network between them are in it.
    assert.isBelow(held / peers, 40_000, "bytes each")
  }, 600_000)

  it("more than may be about to say who they are: the oldest make room", () => {
    const [calleeData, handles] = outcome(({ client, net, plainClient, server }) =>
      Effect.gen(function*() {
        const listener = yield* server(listening(net))
        yield* begin(plainClient(Effect.forEach(Array.from({ length: 500 }, (_, i) => i), () =>
          Effect.gen(function*() {
            const s = yield* Winsock.socket(stream)
            yield* Winsock.WSAConnect(s, net.address("server", 80))
            return yield* tagOf(Winsock.recv(s))
          }), { concurrency: "unbounded" })))
        yield* Effect.sleep("1 second")
        const { handles } = net.counts("server")
        yield* begin(server(echoing(listener)))
        return [(yield* client(connecting(net))).calleeData, handles] as const
      }), { carrier: ConnectData.layerExchange({ pendingMax: 100 }) })
    assert.deepStrictEqual([calleeData, handles], ["<acme>", 101])
  })
})

describe("interrupted at any moment", () => {
  it("an attempt leaves nothing: no socket, no timer, on neither side", () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const counts = outcome(({ client, net, server }) =>
        Effect.gen(function*() {
          yield* Effect.scoped(Effect.gen(function*() {
            const listener = yield* server(listening(net))
            yield* begin(Effect.forever(Effect.ignore(server(Winsock.WSAAccept(listener, ({ callerData }) =>
              Effect.as(
                Effect.sleep(callerData[0]! % 7),
                callerData[0]! % 3 === 0 ? Winsock.CF_REJECT : Winsock.CF_ACCEPT
              ))))))
            yield* Effect.forEach(Array.from({ length: 40 }, (_, i) => i), (i) =>
              Effect.scoped(Effect.gen(function*() {
                const attempt = yield* begin(client(connecting(net, String(i))))
                // As finely as things happen: a microsecond is the unit of the network.
                yield* Effect.sleep(Duration.micros(BigInt(yield* Random.nextIntBetween(0, 60_000))))
                yield* Fiber.interrupt(attempt)
              })), { concurrency: 8 })
          }))
          // A graceful close goes on by itself for a while.
          yield* Effect.sleep("3 minutes")
          return net.counts()
        }), { seed })
      assert.deepStrictEqual(counts, { handles: 0, listeners: 0, streams: 0, attempts: 0 }, `seed ${seed}`)
    }
  }, 600_000)
})
