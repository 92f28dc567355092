import { ConnectData, Qos, type SocketAddress, UserData, Winsock } from "@effect-winsock/core"
import { Memory, Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Option, Schema, SchemaTransformation, type Scope } from "effect"

const tcp = { family: "IPv4", type: "stream" } as const
const udp = { family: "IPv4", type: "datagram" } as const

const { CF_ACCEPT, CF_DEFER, CF_REJECT } = Winsock

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

class Hello extends UserData.Exchange<Hello>()("Hello", {
  caller: Schema.Struct({ tenant: Schema.String }),
  callee: Schema.Struct({ session: Schema.Int }),
  calleeCapacity: 128
}) {}

/** Raw bytes, both ways. */
class Raw extends UserData.Exchange<Raw>()("Raw", {
  caller: Schema.Uint8Array,
  callee: Schema.Uint8Array,
  calleeCapacity: 64
}) {}

interface Nested {
  readonly in: ReadonlyArray<Nested>
}
const Nested: Schema.Codec<Nested> = Schema.Struct({ in: Schema.Array(Schema.suspend(() => Nested)) })

class Deep extends UserData.Exchange<Deep>()("Deep", { caller: Nested, callee: Nested, calleeCapacity: 60_000 }) {}

/** A codec whose code throws whenever it is used. */
const throwing = Schema.Uint8Array.pipe(Schema.decodeTo(
  Schema.String,
  SchemaTransformation.transform({
    decode: (): string => {
      throw new Error("out of letters")
    },
    encode: (): Uint8Array => {
      throw new Error("out of ink")
    }
  })
))

class Throws extends UserData.Exchange<Throws>()("Throws", {
  caller: throwing,
  callee: throwing,
  calleeCapacity: 16
}) {}

const listening = Effect.gen(function*() {
  const listener = yield* Winsock.socket(tcp)
  yield* Winsock.bind(listener, "127.0.0.1:0")
  yield* Winsock.listen(listener)
  return { listener, at: yield* Winsock.getsockname(listener) }
})

const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkChild(call, { startImmediately: true })

const calling = (at: SocketAddress.SocketAddress, options?: Winsock.WSAConnectOptions) =>
  Effect.flatMap(Winsock.socket(tcp), (s) => Winsock.WSAConnect(s, at, options))

/** Sends a word each way. */
const talk = (a: Winsock.Socket, b: Winsock.Socket) =>
  Effect.gen(function*() {
    yield* Winsock.send(a, bytesOf("to b"))
    assert.strictEqual(textOf(yield* Winsock.recv(b)), "to b")
    yield* Winsock.send(b, bytesOf("to a"))
    assert.strictEqual(textOf(yield* Winsock.recv(a)), "to a")
  })

/** Accepts a caller without looking at it, and passes these bytes back. */
const answering = (listener: Winsock.Socket, calleeData: Uint8Array) =>
  Winsock.WSAAccept(listener, () => Effect.succeed({ verdict: CF_ACCEPT, calleeData }))

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)

const messageOf = <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.message)

type Program<A, E> = Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>

const simulated = <A, E>(program: Effect.Effect<A, E, Sim.Sim>): A => {
  const report = Sim.run(program)
  if (Exit.isFailure(report.exit)) throw new Error(`${Sim.format(report)}\n${Cause.pretty(report.exit.cause)}`)
  return report.exit.value
}

interface Room {
  readonly callerDataMax: number
  readonly calleeDataMax: number
}

const room: Room = { callerDataMax: 48 * 1024, calleeDataMax: 256 }

const inMemory = <A, E>(program: Program<A, E>, winsock: Layer.Layer<Winsock.Winsock, unknown>): Promise<A> =>
  Effect.runPromise(Effect.provide(Effect.scoped(program), winsock))

const onNetwork = <A, E>(program: Program<A, E>, winsock: Layer.Layer<Winsock.Winsock, unknown, Sim.Sim>): A =>
  simulated(Effect.provide(Effect.scoped(program), winsock))

const loopback = { latency: "3 millis" } as const

/** Transports that carry data of their own, and those that a carrier makes carry it. */
const worlds: ReadonlyArray<[string, <A, E>(program: Program<A, E>, room: Room) => Promise<A>]> = [
  ["in memory", (program, room) => inMemory(program, Memory.layer(room))],
  ["on the simulated network", async (program, room) => onNetwork(program, SimNetwork.layer({ ...room, loopback }))],
  [
    "carried in memory",
    (program, room) => inMemory(program, Layer.provide(Memory.layer(), ConnectData.layerExchange(room)))
  ],
  [
    "carried on the simulated network",
    async (program, room) =>
      onNetwork(program, Layer.provide(SimNetwork.layer({ loopback }), ConnectData.layerExchange(room)))
  ]
]

describe.each(worlds)("an exchange %s", (_, run) => {
  it("R12, R13: what the layer gives is seen by the condition, and what that answers by the caller, both typed", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        const client = yield* begin(calling(at))
        const seen: Array<string> = []
        const { socket: server } = yield* Winsock.WSAAccept(
          listener,
          Hello.condition(({ tenant }, { callerData }) => {
            seen.push(tenant, textOf(callerData))
            return Hello.accept({ session: 7 })
          })
        )
        const connected = yield* Fiber.join(client)
        assert.deepStrictEqual(seen, ["acmé", `{"tenant":"acmé"}`])
        assert.deepStrictEqual(yield* Hello.callee(connected), { session: 7 })
        assert.strictEqual(textOf(connected.calleeData), `{"session":7}`)
        yield* talk(connected.socket, server)
      }).pipe(Effect.provide(Hello.layer({ tenant: "acmé" }))),
      room
    ))

  it("R12: options are for one call, and go before the layer", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        const seen: Array<unknown> = []
        const one = (connecting: ReturnType<typeof calling>) =>
          Effect.gen(function*() {
            const client = yield* begin(connecting)
            yield* Winsock.WSAAccept(listener, (request) =>
              Effect.gen(function*() {
                seen.push(
                  yield* Effect.match(Hello.caller(request), {
                    onFailure: (error) => error._tag,
                    onSuccess: ({ tenant }) => tenant
                  })
                )
                return yield* Hello.accept({ session: seen.length })
              }))
            const connected = yield* Fiber.join(client)
            return yield* Effect.option(Hello.callee(connected))
          })
        assert.deepStrictEqual(
          yield* one(calling(at, yield* Hello.options({ tenant: "other" }))),
          Option.some({ session: 1 })
        )
        assert.deepStrictEqual(yield* one(calling(at)), Option.some({ session: 2 }))
        assert.deepStrictEqual(yield* one(calling(at, { callerData: null, calleeData: null })), Option.none())
        assert.deepStrictEqual(seen, ["other", "acme", "NoUserData"])
      }).pipe(Effect.provide(Hello.layer({ tenant: "acme" }))),
      room
    ))

  it("R14: the callee's data is there when a non-blocking connect has completed, and each time it is asked for", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        const s = yield* Winsock.socket(tcp)
        yield* Winsock.ioctlsocket(s, "FIONBIO", true)
        const options = yield* Hello.options({ tenant: "acme" })
        assert.strictEqual(yield* tagOf(Winsock.WSAConnect(s, at, options)), "WSAEWOULDBLOCK")
        assert.strictEqual(yield* tagOf(Winsock.connectResult(s)), "WSAEALREADY")
        yield* Winsock.WSAAccept(listener, Hello.condition(() => Hello.accept({ session: 9 })))
        const connected = yield* Winsock.connectResult(s, { wait: true })
        assert.deepStrictEqual(yield* Hello.callee(connected), { session: 9 })
        assert.deepStrictEqual(yield* Hello.callee(yield* Winsock.connectResult(s)), { session: 9 })
      }),
      room
    ))

  it("R13: an acceptor that passes nothing is told from one whose bytes do not decode, and both connections stand", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        const cases = [
          ["", "NoUserData", "Hello: the callee passed no data"],
          ["{\"session\":", "SchemaError", "Expected a valid JSON string"],
          ["{\"session\":1.5}", "SchemaError", "Expected an integer\n  at [\"session\"]"]
        ] as const
        for (const [answer, tag, message] of cases) {
          const client = yield* begin(calling(at))
          const { socket: server } = yield* answering(listener, bytesOf(answer))
          const connected = yield* Fiber.join(client)
          const error = yield* Effect.flip(Hello.callee(connected))
          assert.strictEqual(error._tag, tag)
          assert.strictEqual(error.message, message)
          assert.strictEqual(textOf(connected.calleeData), answer)
          yield* talk(connected.socket, server)
        }
      }).pipe(Effect.provide(Hello.layer({ tenant: "acme" }))),
      room
    ))

  it("A07: a caller whose data cannot be read is rejected", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        for (const given of ["", "acme", "{\"tenant\":1}", "{\"tenant\":\"\\ud800", "\u0000"]) {
          const client = yield* begin(Effect.exit(tagOf(calling(at, { callerData: bytesOf(given) }))))
          const accepting = Winsock.WSAAccept(listener, Hello.condition(() => Effect.die("it was read")))
          assert.strictEqual(yield* tagOf(accepting), "WSAECONNREFUSED")
          assert.deepStrictEqual(yield* Fiber.join(client), Exit.succeed("WSAECONNREFUSED"), given)
        }
      }),
      room
    ))

  it("A07: orElse sees why it cannot be read, and answers for it", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        const seen: Array<string> = []
        const condition = Hello.condition(() => Effect.die("it was read"), {
          orElse: (error, { callerData }) => {
            seen.push(`${error.message.replaceAll("\n", "")}: ${textOf(callerData)}`)
            return seen.length === 1 ? Effect.succeed(CF_DEFER) : Hello.accept({ session: 0 })
          }
        })
        const client = yield* begin(calling(at, { callerData: bytesOf("{\"tenant\":1}"), calleeData: 99 }))
        assert.strictEqual(yield* tagOf(Winsock.WSAAccept(listener, condition)), "WSATRY_AGAIN")
        yield* Winsock.WSAAccept(listener, condition)
        assert.deepStrictEqual(yield* Hello.callee(yield* Fiber.join(client)), { session: 0 })
        const other = yield* begin(calling(at))
        yield* Winsock.WSAAccept(listener, condition)
        yield* Fiber.join(other)
        assert.deepStrictEqual(seen, [
          "Expected string  at [\"tenant\"]: {\"tenant\":1}",
          "Expected string  at [\"tenant\"]: {\"tenant\":1}",
          "Hello: the caller passed no data: "
        ])
      }),
      room
    ))

  it("A07: a condition defers, rejects, or fails with what is its own", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        const client = yield* begin(Effect.exit(tagOf(calling(at, yield* Hello.options({ tenant: "acme" })))))
        const answers = [Effect.succeed(CF_DEFER), Effect.fail({ _tag: "Closed" } as const), Effect.succeed(CF_REJECT)]
        const tags: Array<string> = []
        for (const answer of answers) {
          tags.push(yield* tagOf(Winsock.WSAAccept(listener, Hello.condition(() => answer))))
        }
        assert.deepStrictEqual(tags, ["WSATRY_AGAIN", "Closed", "WSAECONNREFUSED"])
        assert.deepStrictEqual(yield* Fiber.join(client), Exit.succeed("WSAECONNREFUSED"))
      }),
      room
    ))

  it("E10: caller data that is too long for the provider is WSAEFAULT, before anybody is called", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        yield* Winsock.ioctlsocket(listener, "FIONBIO", true)
        const s = yield* Winsock.socket(tcp)
        const tenant = "x".repeat(20)
        assert.strictEqual(
          yield* tagOf(Winsock.WSAConnect(s, at, yield* Hello.options({ tenant }))),
          "WSAEFAULT"
        )
        assert.strictEqual(
          yield* tagOf(Effect.provide(Winsock.WSAConnect(s, at), Hello.layer({ tenant }))),
          "WSAEFAULT"
        )
        assert.strictEqual(yield* tagOf(Winsock.accept(listener)), "WSAEWOULDBLOCK")
      }),
      { callerDataMax: 24, calleeDataMax: 24 }
    ))

  it("A07: callee data that is too long is found before anything is sent, and the caller waits on", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        const client = yield* begin(calling(at, yield* Raw.options(new Uint8Array(1))))
        const accepting = (length: number) =>
          Winsock.WSAAccept(listener, Raw.condition(() => Raw.accept(new Uint8Array(length).fill(1))))
        // For the room that its callers have, and for the provider.
        assert.strictEqual(yield* messageOf(accepting(65)), "Expected at most 64 bytes, got 65")
        assert.strictEqual(yield* tagOf(accepting(17)), "WSAEINVAL")
        yield* accepting(16)
        assert.strictEqual((yield* Raw.callee(yield* Fiber.join(client))).length, 16)
      }),
      { callerDataMax: 24, calleeDataMax: 16 }
    ))

  it("E17: a provider that carries no caller data says so", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        assert.strictEqual(yield* tagOf(calling(at)), "WSAEPROTONOSUPPORT")
        const client = yield* begin(calling(at, { callerData: null }))
        yield* Winsock.accept(listener)
        const connected = yield* Fiber.join(client)
        assert.strictEqual(yield* tagOf(Hello.callee(connected)), "NoUserData")
      }).pipe(Effect.provide(Hello.layer({ tenant: "acme" }))),
      { callerDataMax: 0, calleeDataMax: 0 }
    ))

  it("R11: a datagram socket ignores what a layer gives, and has nothing to read", () =>
    run(
      Effect.gen(function*() {
        const peer = yield* Winsock.socket(udp)
        yield* Winsock.bind(peer, "127.0.0.1:0")
        const s = yield* Winsock.socket(udp)
        const connected = yield* Winsock.WSAConnect(s, yield* Winsock.getsockname(peer))
        assert.strictEqual(yield* tagOf(Hello.callee(connected)), "NoUserData")
        yield* Winsock.send(s, bytesOf("only this"))
        assert.strictEqual(textOf(yield* Winsock.recv(peer)), "only this")
      }).pipe(Effect.provide(Hello.layer({ tenant: "x".repeat(70_000) }))),
      room
    ))

  it("R27: a value may be overwritten once it was given, and what is handed out is nobody else's", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        const given = bytesOf("caller")
        const context = yield* Layer.build(Raw.layer(given))
        const options = yield* Raw.options(given)
        given.fill(0)
        for (const [connecting, sent] of [[calling(at), "caller"], [calling(at, options), "caller"]] as const) {
          const client = yield* begin(Effect.provideContext(connecting, context))
          const answer = bytesOf("callee")
          yield* Winsock.WSAAccept(
            listener,
            Raw.condition((caller, request) =>
              Effect.gen(function*() {
                assert.strictEqual(textOf(caller), sent)
                caller.fill(0)
                assert.strictEqual(textOf(yield* Raw.caller(request)), sent)
                const accepted = yield* Raw.accept(answer)
                answer.fill(0)
                return accepted
              })
            )
          )
          const connected = yield* Fiber.join(client)
          ;(yield* Raw.callee(connected)).fill(0)
          assert.strictEqual(textOf(yield* Raw.callee(connected)), "callee")
        }
      }),
      room
    ))

  it("R12: what a peer sends to break a codec is what it cannot read, and no defect", () =>
    run(
      Effect.gen(function*() {
        const { at, listener } = yield* listening
        const deep = bytesOf("{\"in\":[".repeat(5000) + "]}".repeat(5000))
        const cases = [
          [Deep, deep, "the codec threw RangeError: Maximum call stack size exceeded"],
          [Hello, new Uint8Array([0x22, 0xff, 0x22]), "Expected bytes of UTF-8"],
          [Hello, new Uint8Array([0xef, 0xbb, 0xbf, ...bytesOf("{\"tenant\":\"\"}")]), "Expected a valid JSON string"],
          [Throws, new Uint8Array(1), "the codec threw Error: out of letters"]
        ] as const
        for (const [exchange, callerData, message] of cases) {
          const client = yield* begin(Effect.exit(tagOf(calling(at, { callerData }))))
          const seen: Array<string> = []
          const accepting = Winsock.WSAAccept(
            listener,
            exchange.condition(() => Effect.succeed(CF_ACCEPT), {
              orElse: (error) => {
                seen.push(error.message)
                return Effect.succeed(CF_REJECT)
              }
            })
          )
          assert.strictEqual(yield* tagOf(accepting), "WSAECONNREFUSED")
          assert.deepStrictEqual(seen, [message])
          assert.deepStrictEqual(yield* Fiber.join(client), Exit.succeed("WSAECONNREFUSED"))
        }
      }),
      room
    ))

  it("R12, R19: ambient user data and QOS reach the target alone, whatever the layers around connect to meanwhile", () =>
    run(
      Effect.gen(function*() {
        const seen: Record<string, Array<unknown>> = { resolver: [], proxy: [], target: [] }
        /** Serves what connects, one after the other, and notes what it was sent along. */
        const serving = (name: string, answer: (asked: string) => string) =>
          Effect.gen(function*() {
            const { at, listener } = yield* listening
            yield* begin(Effect.forever(Effect.scoped(Effect.gen(function*() {
              const { socket } = yield* Winsock.WSAAccept(listener, ({ callerData, sqos }) => {
                seen[name]!.push([textOf(callerData), sqos?.sending?.tokenRate])
                return Hello.accept({ session: 1 })
              })
              const asked = textOf(yield* Winsock.recv(socket))
              yield* Winsock.send(socket, bytesOf(answer(asked)))
              yield* Winsock.recv(socket)
            }))))
            return at
          })
        const target = yield* serving("target", (asked) => `target heard ${asked}`)
        const nameServer = yield* serving("resolver", () => "0")
        const proxy = yield* serving("proxy", () => "granted")
        const dead = yield* listening
        yield* Winsock.closesocket(dead.listener)

        const ask = (
          connecting: (s: Winsock.Socket) => Effect.Effect<unknown, { readonly _tag: string }>,
          what: string
        ) =>
          Effect.scoped(Effect.gen(function*() {
            const s = yield* Winsock.socket(tcp)
            yield* connecting(s)
            yield* Winsock.send(s, bytesOf(what))
            return textOf(yield* Winsock.recv(s))
          }))

        /** Asks its server over TCP where a name is, in whatever program calls it. */
        class Resolver extends Context.Service<Resolver, {
          readonly resolve: (name: string) => Effect.Effect<
            SocketAddress.SocketAddress,
            { readonly _tag: string },
            Winsock.Winsock
          >
        }>()("Resolver") {}
        const resolver = Layer.succeed(Resolver, {
          resolve: (name) => Effect.as(ask((s) => Winsock.connect(s, nameServer), name), target)
        })

        /** Has a proxy grant the way first: the first of its addresses that answers, and one it knows. */
        class Proxy extends Context.Service<Proxy, {
          readonly open: (to: SocketAddress.SocketAddress) => Effect.Effect<
            string,
            { readonly _tag: string },
            Winsock.Winsock
          >
        }>()("Proxy") {}
        const proxies = Layer.succeed(Proxy, {
          open: (to) =>
            ask((s) => Winsock.WSAConnectByList(s, [dead.at, proxy]), "list").pipe(
              Effect.andThen(ask((s) => Winsock.connect(s, proxy), `${to}`))
            )
        })

        const program = Effect.gen(function*() {
          const at = yield* (yield* Resolver).resolve("db.example")
          yield* (yield* Proxy).open(at)
          const s = yield* Winsock.socket(tcp)
          const connected = yield* Winsock.WSAConnect(s, at)
          yield* Winsock.send(s, bytesOf("hello"))
          assert.strictEqual(textOf(yield* Winsock.recv(s)), "target heard hello")
          return yield* Hello.callee(connected)
        })
        assert.deepStrictEqual(
          yield* Effect.provide(
            program,
            Layer.mergeAll(
              resolver,
              proxies,
              Hello.layer({ tenant: "acme" }),
              Qos.layer({ sending: { serviceType: "bestEffort", tokenRate: 1_000_000 } })
            )
          ),
          { session: 1 }
        )
        const none = ["", undefined]
        assert.deepStrictEqual(seen, {
          resolver: [none],
          proxy: [none, none],
          target: [[`{"tenant":"acme"}`, 1_000_000]]
        })
      }),
      room
    ))
})

describe("an exchange", () => {
  it.effect("says where a value does not fit its schema, when the layer is built, the options or the answer are made", () =>
    Effect.gen(function*() {
      const wrong = { tenant: 1 } as unknown as { readonly tenant: string }
      const expected = "Expected string\n  at [\"tenant\"]"
      assert.strictEqual(yield* messageOf(Layer.build(Hello.layer(wrong))), expected)
      assert.strictEqual(yield* messageOf(Hello.options(wrong)), expected)
      assert.strictEqual(
        yield* messageOf(Hello.accept({ session: "7" as unknown as number })),
        "Expected number\n  at [\"session\"]"
      )
      assert.strictEqual(yield* messageOf(Layer.build(Throws.layer(""))), "the codec threw Error: out of ink")
      assert.strictEqual(yield* messageOf(Throws.accept("")), "the codec threw Error: out of ink")
    }))

  it.effect("refuses a capacity that is none where it would be asked for", () =>
    Effect.gen(function*() {
      for (const calleeCapacity of [-1, 1.5, NaN, 2 ** 32, Infinity]) {
        class Wrong extends UserData.Exchange<Wrong>()("Wrong", {
          caller: UserData.Text,
          callee: UserData.Text,
          calleeCapacity
        }) {}
        assert.strictEqual(yield* tagOf(Layer.build(Wrong.layer("x"))), "SchemaError", `${calleeCapacity}`)
        assert.strictEqual(yield* tagOf(Wrong.options("x")), "SchemaError", `${calleeCapacity}`)
      }
    }))

  it.effect("R13: encodes for the room that its callers have, to the byte", () =>
    Effect.gen(function*() {
      class Small extends UserData.Exchange<Small>()("Small", {
        caller: UserData.Text,
        callee: Schema.String,
        calleeCapacity: 6
      }) {}
      assert.strictEqual((yield* Small.accept("éé")).calleeData.length, 6)
      assert.strictEqual(yield* messageOf(Small.accept("ééé")), "Expected at most 6 bytes, got 8")
    }))

  it.effect("takes a schema whose encoded side is bytes as it is, whatever else is wrapped around it", () =>
    Effect.gen(function*() {
      const mine = Schema.declare((u): u is Uint8Array => u instanceof Uint8Array)
      const schemas = [
        UserData.Text,
        UserData.Text.check(Schema.isMinLength(1)),
        Schema.Uint8Array.check(Schema.isMinLength(2)).pipe(Schema.decodeTo(UserData.Text)),
        mine.pipe(Schema.decodeTo(UserData.Text))
      ]
      for (const caller of schemas) {
        const exchange = UserData.Exchange<Hello>()("Bytes", { caller, callee: caller, calleeCapacity: 16 })
        assert.strictEqual(textOf((yield* exchange.options("acme")).callerData), "acme")
        assert.strictEqual(yield* exchange.callee({ calleeData: bytesOf("acme") }), "acme")
      }
      const text = UserData.Exchange<Hello>()("Json", {
        caller: Schema.String,
        callee: Schema.Uint8ArrayFromHex,
        calleeCapacity: 16
      })
      assert.strictEqual(textOf((yield* text.options("acme")).callerData), "\"acme\"")
      assert.strictEqual(textOf((yield* text.accept(new Uint8Array([255]))).calleeData), "\"ff\"")
    }))

  it.effect("has its codecs ask for services where they need some", () =>
    Effect.gen(function*() {
      class Salt extends Context.Service<Salt, string>()("Salt") {}
      const salted = Schema.String.pipe(Schema.decodeTo(
        Schema.String,
        SchemaTransformation.transformEffect({
          decode: (text: string) => Effect.map(Salt, (salt) => text.slice(salt.length)),
          encode: (text: string) => Effect.map(Salt, (salt) => salt + text)
        })
      ))
      const exchange = UserData.Exchange<Hello>()("Salted", { caller: salted, callee: salted, calleeCapacity: 16 })
      const program = Effect.gen(function*() {
        const { callerData } = yield* exchange.options("acme")
        assert.strictEqual(textOf(callerData), "\"pepperacme\"")
        return yield* exchange.caller({ callerData })
      })
      assert.strictEqual(yield* Effect.provideService(program, Salt, "pepper"), "acme")
    }))

  class Point extends Schema.Class<Point>("Point")({ x: Schema.Finite, y: Schema.Finite }) {}

  const Any = Schema.Struct({
    text: Schema.String,
    number: Schema.Number,
    big: Schema.BigInt,
    bytes: Schema.Uint8Array,
    when: Schema.DateTimeUtc,
    maybe: Schema.Option(Schema.String),
    absent: Schema.optionalKey(Schema.Boolean),
    undef: Schema.optional(Schema.Int),
    points: Schema.Array(Point),
    either: Schema.Union([Schema.Literal("none"), Schema.Struct({ _tag: Schema.tag("some"), of: Schema.Int })]),
    record: Schema.Record(Schema.String, Schema.NullOr(Schema.Int))
  })

  class Everything extends UserData.Exchange<Everything>()("Everything", {
    caller: Any,
    callee: Any,
    calleeCapacity: 2 ** 20
  }) {}

  const property = { arbitrary: { runs: Number(process.env["WINSOCK_PROPERTY_RUNS"]), seed: 12 } }
  const same = Schema.toEquivalence(Any)

  it.prop(
    "R12, R13: any value of a schema goes along with a connect, and any comes back",
    [Any, Any],
    ([sent, answered]) => {
      const program = Effect.gen(function*() {
        const { at, listener } = yield* listening
        const client = yield* begin(calling(at))
        const seen: Array<typeof Any.Type> = []
        yield* Winsock.WSAAccept(
          listener,
          Everything.condition((caller) => {
            seen.push(caller)
            return Everything.accept(answered)
          })
        )
        const back = yield* Everything.callee(yield* Fiber.join(client))
        return seen.length === 1 && same(seen[0]!, sent) && same(back, answered)
      }).pipe(
        Effect.scoped,
        Effect.provide(Layer.mergeAll(
          SimNetwork.layer({ callerDataMax: 2 ** 20, calleeDataMax: 2 ** 20 }),
          Everything.layer(sent)
        ))
      )
      return simulated(program)
    },
    property
  )

  it.prop("R12: any bytes of a caller are read, or refused with a reason", [Schema.Uint8Array], ([callerData]) => {
    for (const exchange of [Hello, Raw, Deep, Everything] as const) {
      const exit = Effect.runSyncExit(
        Effect.result(exchange.caller({ callerData }) as Effect.Effect<unknown, UserData.Unreadable>)
      )
      assert.isTrue(Exit.isSuccess(exit), exchange.id)
    }
  }, property)

  it.prop(
    "R12: a value that was changed or cut on its way is read, or refused with a reason",
    [Any, Schema.Natural, Schema.Natural],
    ([value, where, byte]) => {
      const { callerData } = Effect.runSync(Everything.options(value))
      const changed = new Uint8Array(callerData)
      changed[where % changed.length] = byte
      for (const callerData of [changed, changed.subarray(0, where % changed.length)]) {
        const exit = Effect.runSyncExit(Effect.result(Everything.caller({ callerData })))
        assert.isTrue(Exit.isSuccess(exit), textOf(callerData))
        if (!Exit.isSuccess(exit) || exit.value._tag === "Success") continue
        assert.isAbove(exit.value.failure.message.length, 0)
      }
    },
    property
  )
})
