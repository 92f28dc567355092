import { NetworkEvent, Provider, Qos, Shaper, SocketOption, Winsock, WsaError } from "@effect-winsock/core"
import { Memory, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Result, type Scope } from "effect"

const stream = { family: "IPv4", type: "stream" } as const
const datagram = { family: "IPv4", type: "datagram" } as const

/** What is sent at 1000 bytes a second, 400 of them at once after a pause. */
const slow: Qos.FlowSpec = { serviceType: "bestEffort", tokenRate: 1000, tokenBucketSize: 400 }
const sending = (flow: Qos.FlowSpec = slow): Qos.Qos => ({ sending: flow })
const receiving = (flow: Qos.FlowSpec = slow): Qos.Qos => ({ receiving: flow })

const withMode = (qos: Qos.Qos, mode: "discard" | "borrow"): Qos.Qos => ({
  ...qos,
  providerSpecific: Result.getOrThrow(Qos.encodeObjects([{ _tag: "SdMode", mode }]))
})

const milliseconds = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

/** How long something takes, in milliseconds. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const begin = yield* milliseconds
    yield* effect
    return (yield* milliseconds) - begin
  })

const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkChild(call, { startImmediately: true })

const bytes = (length: number, fill = 0) => new Uint8Array(length).fill(fill)

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)

const run = <A, E>(program: Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>) =>
  Effect.provide(Effect.scoped(program), SimNetwork.layer())

/** A client whose connection has a QOS, and what its peer receives, with the milliseconds at which it came. */
const shaped = (
  sqos: Qos.Qos,
  ...options: ReadonlyArray<(s: Winsock.Socket) => Effect.Effect<unknown, any, Winsock.Winsock>>
) =>
  Effect.gen(function*() {
    const listener = yield* Winsock.socket(stream)
    yield* Winsock.bind(listener, "127.0.0.1:0")
    yield* Winsock.listen(listener)
    const client = yield* Winsock.socket(stream)
    for (const option of options) yield* option(client)
    const { applied } = yield* Winsock.WSAConnect(client, yield* Winsock.getsockname(listener), { sqos })
    const { socket: server } = yield* Winsock.accept(listener)
    return { client, server, applied }
  })

/** Receives until the end, and tells what came when. */
const drain = (s: Winsock.Socket) =>
  Effect.gen(function*() {
    const got: Array<{ readonly at: number; readonly bytes: Uint8Array }> = []
    while (true) {
      const bytes = yield* Winsock.recv(s)
      if (bytes.length === 0) return got
      got.push({ at: yield* milliseconds, bytes })
    }
  })

/** Holds what came to the flow. */
const assertConforms = (
  flow: Qos.FlowSpec,
  got: ReadonlyArray<{ readonly at: number; readonly bytes: Uint8Array }>
) => {
  const spec: Shaper.Spec = {
    tokenRate: flow.tokenRate!,
    tokenBucketSize: flow.tokenBucketSize!,
    maxSduSize: flow.maxSduSize,
    peakBandwidth: flow.peakBandwidth === "infinite" ? undefined : flow.peakBandwidth
  }
  const meter = Result.getOrThrow(Shaper.meter(spec, 0n))
  for (const { at, bytes } of got) {
    assert.isTrue(meter.take(BigInt(Math.round(at * 1e6)), bytes.length), `${bytes.length} bytes after ${at} ms`)
  }
}

describe("a stream that sends", () => {
  it.sim("R15: takes the time that its rate takes, and not more of it at once than the bucket holds", () =>
    run(Effect.gen(function*() {
      const { applied, client, server } = yield* shaped(sending())
      assert.strictEqual(applied.sending.shaped?.tokenRate, 1000)
      const receiver = yield* begin(drain(server))
      assert.strictEqual(yield* timed(Winsock.send(client, bytes(400))), 0)
      assert.strictEqual(yield* timed(Winsock.send(client, bytes(1000))), 1000)
      assert.strictEqual(yield* timed(Winsock.send(client, bytes(1))), 1)
      yield* Effect.sleep("1 minute")
      assert.strictEqual(yield* timed(Winsock.send(client, bytes(60_400))), 60_000)
      yield* Winsock.closesocket(client)
      const got = yield* Fiber.join(receiver)
      assert.strictEqual(got.reduce((sum, { bytes }) => sum + bytes.length, 0), 61_801)
      assertConforms(slow, got)
    })))

  it.sim("R15: never exceeds its peak, cuts to the largest piece, and counts small ones as the smallest", () =>
    run(Effect.gen(function*() {
      const flow: Qos.FlowSpec = {
        ...slow,
        tokenBucketSize: 4000,
        peakBandwidth: 2000,
        maxSduSize: 100,
        minimumPolicedSize: 50
      }
      const { client, server } = yield* shaped(sending(flow))
      const receiver = yield* begin(drain(server))
      // 4000 at the peak of 2000 a second, in which 1950 more come at 1000; the first piece goes at once.
      assert.strictEqual(yield* timed(Winsock.send(client, bytes(4000))), 1950)
      yield* Effect.sleep("10 seconds")
      assert.strictEqual(yield* timed(Effect.repeat(Winsock.send(client, bytes(1)), { times: 3 })), 50)
      yield* Winsock.closesocket(client)
      const got = yield* Fiber.join(receiver)
      assertConforms(flow, got)
    })))

  it.sim("A08: keeps the bytes of one send together, and serves sends in their order", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* shaped(sending())
      const receiver = yield* begin(drain(server))
      const sends = yield* Effect.forEach([1, 2, 3], (fill) => begin(Winsock.send(client, bytes(700, fill))))
      yield* Fiber.joinAll(sends)
      yield* Winsock.closesocket(client)
      const got = (yield* Fiber.join(receiver)).flatMap(({ bytes }) => Array.from(bytes))
      assert.deepStrictEqual(got, [1, 2, 3].flatMap((fill) => Array.from(bytes(700, fill))))
    })))

  it.sim("R27: giving up a send that has only waited for its credit leaves all as it was", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* shaped(sending())
      const receiver = yield* begin(drain(server))
      yield* Winsock.send(client, bytes(400, 1))
      const waiting = yield* begin(Winsock.send(client, bytes(100, 2)))
      const behind = yield* begin(Winsock.send(client, bytes(100, 3)))
      yield* Effect.sleep("50 millis")
      yield* Fiber.interrupt(waiting)
      assert.strictEqual(yield* timed(Fiber.join(behind)), 50)
      yield* Winsock.setsockopt(client, SocketOption.SO_SNDTIMEO, 20)
      assert.strictEqual(yield* tagOf(Winsock.send(client, bytes(100, 4))), "WSAETIMEDOUT")
      yield* Winsock.setsockopt(client, SocketOption.SO_SNDTIMEO, 0)
      assert.strictEqual(yield* timed(Winsock.send(client, bytes(100, 5))), 80)
      yield* Winsock.closesocket(client)
      const got = (yield* Fiber.join(receiver)).flatMap(({ bytes }) => Array.from(bytes))
      assert.deepStrictEqual(got, [1, 1, 1, 1, 3, 5].flatMap((fill) => Array.from(bytes(100, fill))))
    })))

  it.sim("R27: giving up a send of which a part has gone breaks the connection", () =>
    run(Effect.gen(function*() {
      for (const giveUp of ["interrupt", "time-out"] as const) {
        const { client } = yield* shaped(sending())
        if (giveUp === "time-out") yield* Winsock.setsockopt(client, SocketOption.SO_SNDTIMEO, 500)
        const waiting = yield* begin(Winsock.send(client, bytes(1000)))
        yield* Effect.sleep("300 millis")
        if (giveUp === "interrupt") yield* Fiber.interrupt(waiting)
        else assert.strictEqual(yield* tagOf(Fiber.join(waiting)), "WSAETIMEDOUT")
        assert.strictEqual(yield* tagOf(Winsock.send(client, bytes(1))), "WSAECONNABORTED")
      }
    })))

  it.sim("A11: closing ends a send that waits with WSAEINTR; one of which nothing has gone leaves an orderly end", () =>
    run(Effect.gen(function*() {
      for (const first of [400, 1]) {
        const { client, server } = yield* shaped(sending())
        yield* Winsock.send(client, bytes(first))
        const waiting = yield* begin(Winsock.send(client, bytes(700)))
        const behind = yield* begin(Winsock.send(client, bytes(1)))
        yield* Effect.sleep("10 millis")
        yield* Winsock.closesocket(client)
        assert.strictEqual(yield* tagOf(Fiber.join(waiting)), "WSAEINTR")
        assert.strictEqual(yield* tagOf(Fiber.join(behind)), "WSAEINTR")
        const end = yield* Effect.exit(drain(server))
        if (first === 400) assert.isTrue(Exit.isSuccess(end))
        else assert.strictEqual(WsaError.isWsaError(Cause.squash((end as Exit.Failure<unknown, unknown>).cause)), true)
      }
    })))

  it.sim("A10: shutting the sending direction ends a send that waits for its credit", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* shaped(sending())
      const waiting = yield* begin(Winsock.send(client, bytes(1000)))
      const behind = yield* begin(Winsock.send(client, bytes(1)))
      yield* Effect.sleep("10 millis")
      yield* Winsock.shutdown(client, "send")
      assert.strictEqual(
        yield* timed(Effect.map(tagOf(Fiber.join(waiting)), (tag) => assert.strictEqual(tag, "WSAESHUTDOWN"))),
        0
      )
      assert.strictEqual(yield* tagOf(Fiber.join(behind)), "WSAESHUTDOWN")
      assert.strictEqual((yield* drain(server)).reduce((sum, { bytes }) => sum + bytes.length, 0), 400)
    })))

  it.sim("A10: shutting the sending direction leaves a send alone of which all has gone", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* shaped(sending({ ...slow, tokenRate: 1_000_000, tokenBucketSize: 4_000_000 }))
      // As much as the peer has no room for, so that only the last piece is not taken.
      let sent = 0
      let send: Fiber.Fiber<number, unknown>
      do {
        send = yield* begin(Winsock.send(client, bytes(4096)))
        sent += 4096
      } while (send.pollUnsafe() !== undefined)
      yield* Winsock.shutdown(client, "send")
      const receiver = yield* begin(drain(server))
      assert.strictEqual(yield* Fiber.join(send), 4096)
      assert.strictEqual((yield* Fiber.join(receiver)).reduce((sum, { bytes }) => sum + bytes.length, 0), sent)
    })))

  it.sim("R21: a connection that breaks ends a send that waits for its credit", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* shaped(sending())
      const waiting = yield* begin(Winsock.send(client, bytes(1000)))
      yield* Winsock.setsockopt(server, SocketOption.SO_LINGER, { l_onoff: true, l_linger: 0 })
      yield* Winsock.closesocket(server)
      assert.strictEqual(yield* timed(Effect.exit(Fiber.join(waiting))), 0)
      assert.strictEqual(yield* tagOf(Winsock.send(client, bytes(1))), "WSAECONNRESET")
    })))

  it.sim("A08, A17: without blocking takes what there is credit for, and is writable again when there is more", () =>
    run(Effect.gen(function*() {
      const { client } = yield* shaped(sending())
      yield* Winsock.ioctlsocket(client, "FIONBIO", true)
      assert.strictEqual((yield* Winsock.select({ write: [client], timeout: 0 })).write.length, 1)
      assert.strictEqual(yield* Winsock.send(client, bytes(1000)), 400)
      assert.strictEqual(yield* tagOf(Winsock.send(client, bytes(1000))), "WSAEWOULDBLOCK")
      assert.strictEqual((yield* Winsock.select({ write: [client], timeout: 0 })).write.length, 0)
      // A quarter of the bucket is worth waking for.
      assert.strictEqual(yield* timed(Winsock.select({ write: [client] })), 100)
      assert.strictEqual(yield* Winsock.send(client, bytes(1000)), 100)
      yield* Effect.sleep("5 millis")
      assert.strictEqual((yield* Winsock.select({ write: [client], timeout: 0 })).write.length, 0)
      assert.strictEqual(yield* Winsock.send(client, bytes(1000)), 5)
    })))

  it.sim("A18: FD_WRITE comes when there is credit again, once for each send that has found none", () =>
    run(Effect.gen(function*() {
      const { client } = yield* shaped(sending())
      const event = yield* Winsock.WSACreateEvent
      yield* Winsock.WSAEventSelect(client, event, NetworkEvent.FD_WRITE)
      const told: Array<number> = []
      const begun = yield* milliseconds
      let sent = 0
      while (sent < 1000) {
        yield* Winsock.WSAWaitForMultipleEvents([event])
        assert.strictEqual((yield* Winsock.WSAEnumNetworkEvents(client, event)).lNetworkEvents, NetworkEvent.FD_WRITE)
        told.push((yield* milliseconds) - begun)
        while (true) {
          const count = yield* Effect.catchTag(
            Winsock.send(client, bytes(1000 - sent)),
            "WSAEWOULDBLOCK",
            () => Effect.succeed(0)
          )
          sent += count
          if (count === 0 || sent === 1000) break
        }
      }
      assert.deepStrictEqual(told, [0, 100, 200, 300, 400, 500, 600])
    })))

  it.sim("A17: a select that waits is told also when another fiber sends meanwhile", () =>
    run(Effect.gen(function*() {
      const { client } = yield* shaped(sending())
      yield* Winsock.send(client, bytes(400))
      const select = yield* begin(timed(Winsock.select({ write: [client] })))
      yield* Effect.sleep("50 millis")
      yield* Winsock.send(client, bytes(60))
      assert.strictEqual(yield* Fiber.join(select), 160)
    })))

  it.sim("A17: a select that waits is told also when another fiber sends meanwhile without blocking", () =>
    run(Effect.gen(function*() {
      const { client } = yield* shaped(sending())
      yield* Winsock.ioctlsocket(client, "FIONBIO", true)
      yield* Winsock.send(client, bytes(400))
      const select = yield* begin(timed(Winsock.select({ write: [client] })))
      yield* Effect.sleep("50 millis")
      assert.strictEqual(yield* Winsock.send(client, bytes(60)), 50)
      assert.strictEqual(yield* Fiber.join(select), 150)
    })))

  it.sim("A08: waits for a peer that does not receive as well as for its credit", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* shaped(sending({ ...slow, tokenRate: 1_000_000, tokenBucketSize: 1_000_000 }))
      const sent = Uint8Array.from({ length: 4_000_000 }, (_, i) => i % 251)
      const sender = yield* begin(timed(Winsock.send(client, sent)))
      yield* Effect.sleep("1 minute")
      const receiver = yield* begin(drain(server))
      // What the stacks hold went in the first minute; of the rest the bucket held a second's worth.
      const took = yield* Fiber.join(sender)
      assert.isAtLeast(took, 62_000)
      assert.isAtMost(took, 63_000)
      yield* Winsock.closesocket(client)
      let index = 0
      for (const { bytes } of yield* Fiber.join(receiver)) {
        for (const byte of bytes) if (byte !== index++ % 251) assert.fail(`byte ${index - 1} is ${byte}`)
      }
      assert.strictEqual(index, sent.length)
    })))

  it.sim("A16: a bucket that is made smaller and deeper again is no fuller than before", () =>
    run(Effect.gen(function*() {
      const flow = { ...slow, tokenRate: 10, tokenBucketSize: 1000 }
      const { client, server } = yield* shaped(sending(flow))
      yield* begin(drain(server))
      yield* Winsock.send(client, bytes(1000))
      const flap = Effect.gen(function*() {
        yield* Winsock.WSAIoctl(client, "SIO_SET_QOS", sending({ ...flow, tokenBucketSize: 10 }))
        yield* Winsock.WSAIoctl(client, "SIO_SET_QOS", sending(flow))
      })
      yield* flap
      assert.strictEqual(yield* timed(Winsock.send(client, bytes(100))), 10_000)
      // What the smaller one has no room for is made good meanwhile.
      yield* Winsock.WSAIoctl(client, "SIO_SET_QOS", sending({ ...flow, tokenBucketSize: 10 }))
      yield* Effect.sleep("50 seconds")
      yield* Winsock.WSAIoctl(client, "SIO_SET_QOS", sending(flow))
      assert.strictEqual(yield* timed(Winsock.send(client, bytes(600))), 10_000)
    })))

  it.sim("R27: keeps to its flow, whatever becomes of the one that was given and of the one that is told", () =>
    run(Effect.gen(function*() {
      const given = { ...slow }
      const { applied, client } = yield* shaped(sending(given))
      Object.assign(given, { tokenRate: 1 })
      Object.assign(applied.sending.asked!, { tokenRate: 2 })
      assert.deepStrictEqual((yield* Winsock.WSAIoctl(client, "SIO_GET_QOS"))?.sending, slow)
    })))

  it.sim("A16: SIO_SET_QOS on a connection changes the rate from there on, also for a send that waits", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* shaped(sending())
      const receiver = yield* begin(drain(server))
      const waiting = yield* begin(timed(Winsock.send(client, bytes(2400))))
      yield* Effect.sleep("1 second")
      yield* Winsock.WSAIoctl(client, "SIO_SET_QOS", sending({ ...slow, tokenRate: 10_000 }))
      assert.strictEqual(yield* Fiber.join(waiting), 1100)
      // The same flow again is no new bucket.
      for (let i = 0; i < 10; i++) {
        yield* Winsock.WSAIoctl(client, "SIO_SET_QOS", sending({ ...slow, tokenRate: 10_000 }))
      }
      assert.strictEqual(yield* timed(Winsock.send(client, bytes(1000))), 100)
      const unlimited = yield* begin(timed(Winsock.send(client, bytes(100_000))))
      yield* Effect.sleep("1 second")
      yield* Winsock.WSAIoctl(client, "SIO_SET_QOS", sending({ serviceType: "bestEffort" }))
      assert.strictEqual(yield* Fiber.join(unlimited), 1000)
      assert.strictEqual(yield* timed(Winsock.send(client, bytes(1_000_000))), 0)
      yield* Winsock.closesocket(client)
      assert.strictEqual((yield* Fiber.join(receiver)).reduce((sum, { bytes }) => sum + bytes.length, 0), 1_103_400)
    })))

  it.sim("A08: lets ten thousand sends go that have waited, one after another", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* shaped(sending())
      const receiver = yield* begin(drain(server))
      yield* Winsock.send(client, bytes(400))
      const waiting = yield* Effect.forEach(Array.from({ length: 10_000 }), (_, i) =>
        begin(Winsock.send(client, bytes(1, i % 251))))
      yield* Winsock.WSAIoctl(
        client,
        "SIO_SET_QOS",
        sending({ ...slow, tokenRate: 10_000_000, tokenBucketSize: 20_000 })
      )
      assert.isAtMost(yield* timed(Fiber.joinAll(waiting)), 2)
      yield* Winsock.closesocket(client)
      const got = (yield* Fiber.join(receiver)).flatMap(({ bytes }) =>
        Array.from(bytes)
      ).slice(400)
      assert.deepStrictEqual(got, Array.from({ length: 10_000 }, (_, i) => i % 251))
    })))

  it.sim("lets others have their turn while very many small pieces go, and takes no time for that", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* shaped(sending({ ...slow, tokenBucketSize: 1_000_000, maxSduSize: 1 }))
      const receiver = yield* begin(drain(server))
      const send = yield* begin(Winsock.send(client, bytes(100_000)))
      assert.isUndefined(send.pollUnsafe())
      assert.strictEqual(yield* timed(Fiber.join(send)), 0)
      yield* Winsock.closesocket(client)
      assert.strictEqual((yield* Fiber.join(receiver)).reduce((sum, { bytes }) => sum + bytes.length, 0), 100_000)
    })))

  it.sim("in mode borrow, and without a rate, sends at once", () =>
    run(Effect.gen(function*() {
      for (
        const qos of [
          withMode(sending(), "borrow"),
          sending({ serviceType: "bestEffort" }),
          sending({ ...slow, noTrafficControl: true })
        ]
      ) {
        const { client, server } = yield* shaped(qos)
        const receiver = yield* begin(drain(server))
        assert.strictEqual(yield* timed(Winsock.send(client, bytes(100_000))), 0)
        yield* Winsock.closesocket(client)
        yield* Fiber.join(receiver)
      }
    })))

  it.sim("in mode discard waits, as a stream loses nothing", () =>
    run(Effect.gen(function*() {
      const { client } = yield* shaped(withMode(sending(), "discard"))
      assert.strictEqual(yield* timed(Winsock.send(client, bytes(1400))), 1000)
    })))

  it.sim("goes by the clock of any provider", () =>
    Effect.gen(function*() {
      const { client } = yield* shaped(sending())
      assert.strictEqual(yield* timed(Winsock.send(client, bytes(1400))), 1000)
    }).pipe(Effect.scoped, Effect.provide(Memory.layer())))
})

describe("a stream that receives", () => {
  it.sim("R15: reads no faster than its rate, whatever the peer sends", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* shaped(receiving())
      const total = 5_000
      yield* begin(Winsock.send(server, bytes(total)))
      const got: Array<{ readonly at: number; readonly bytes: Uint8Array }> = []
      let sum = 0
      const begun = yield* milliseconds
      while (sum < total) {
        const bytes = yield* Winsock.recv(client)
        sum += bytes.length
        got.push({ at: (yield* milliseconds) - begun, bytes })
      }
      // What came first came before the flow was known; it is paid for.
      const last = got.at(-1)!
      assert.isAtLeast(last.at, total - 400 - last.bytes.length)
      assert.isAtMost(last.at, total)
    })))

  it.sim("R15: reads no faster where its program takes little at a time, and what waits already", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* shaped(receiving({ ...slow, tokenRate: 100_000, tokenBucketSize: 10_000 }))
      const total = 2_000_000
      yield* begin(Winsock.send(server, bytes(total)))
      const took = yield* timed(Effect.gen(function*() {
        for (let sum = 0; sum < total;) sum += (yield* Effect.delay(Winsock.recv(client, 1000), "1 milli")).length
      }))
      assert.isAtLeast(took, 19_000)
      assert.isAtMost(took, 21_000)
    })))

  it.sim("A17: holds a fast peer back, which can send no more than what is under way holds", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* shaped(receiving({ ...slow, tokenRate: 100_000, tokenBucketSize: 10_000 }))
      const total = 4_000_000
      const sender = yield* begin(timed(Winsock.send(server, bytes(total))))
      let sum = 0
      const took = yield* timed(Effect.gen(function*() {
        while (sum < total) sum += (yield* Winsock.recv(client)).length
      }))
      assert.isAtLeast(took, 39_000)
      assert.isAtMost(took, 40_100)
      assert.isAtLeast(yield* Fiber.join(sender), 20_000)
    })))

  it.sim("A16: reads on at once when the QOS is taken away", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* shaped(receiving())
      yield* begin(Winsock.send(server, bytes(1_000_000)))
      yield* Effect.sleep("1 second")
      yield* Winsock.WSAIoctl(client, "SIO_SET_QOS", { receiving: { serviceType: "bestEffort" } })
      let sum = 0
      const took = yield* timed(Effect.gen(function*() {
        while (sum < 1_000_000) sum += (yield* Winsock.recv(client)).length
      }))
      assert.isAtMost(took, 10)
    })))
})

/** Two datagram sockets that are connected with each other, the first with a QOS. */
const messages = (sqos: Qos.Qos) =>
  Effect.gen(function*() {
    const a = yield* Winsock.socket(datagram)
    const b = yield* Winsock.socket(datagram)
    yield* Winsock.bind(a, "127.0.0.1:0")
    yield* Winsock.bind(b, "127.0.0.1:0")
    yield* Winsock.WSAConnect(b, yield* Winsock.getsockname(a))
    yield* Winsock.WSAConnect(a, yield* Winsock.getsockname(b), { sqos })
    return { a, b }
  })

/** Receives until nothing comes for a minute. */
const collect = (s: Winsock.Socket) =>
  Effect.gen(function*() {
    const got: Array<{ readonly at: number; readonly bytes: Uint8Array }> = []
    yield* Winsock.setsockopt(s, SocketOption.SO_RCVTIMEO, 60_000)
    while (true) {
      const bytes = yield* Effect.catchTag(Winsock.recv(s), "WSAETIMEDOUT", () => Effect.succeed(undefined))
      if (bytes === undefined) return got
      got.push({ at: yield* milliseconds, bytes })
    }
  })

describe("datagrams", () => {
  it.sim("R15: wait for their credit in their order", () =>
    run(Effect.gen(function*() {
      const { a, b } = yield* messages(sending())
      const receiver = yield* begin(collect(b))
      const took = yield* timed(Effect.forEach([1, 2, 3, 4, 5], (fill) => Winsock.send(a, bytes(200, fill)), {
        concurrency: "unbounded"
      }))
      assert.strictEqual(took, 600)
      const got = yield* Fiber.join(receiver)
      assert.deepStrictEqual(got.map(({ bytes }) => bytes[0]), [1, 2, 3, 4, 5])
      assertConforms(slow, got)
    })))

  it.sim("in mode discard are dropped where they do not conform, and the sender is not told", () =>
    run(Effect.gen(function*() {
      const { a, b } = yield* messages(withMode(sending({ ...slow, maxSduSize: 300 }), "discard"))
      const receiver = yield* begin(collect(b))
      const took = yield* timed(Effect.gen(function*() {
        for (const size of [200, 300, 200, 1, 301]) assert.strictEqual(yield* Winsock.send(a, bytes(size)), size)
        yield* Effect.sleep("50 millis")
        for (const size of [51, 50, 1]) assert.strictEqual(yield* Winsock.send(a, bytes(size)), size)
      }))
      assert.strictEqual(took, 50)
      assert.deepStrictEqual((yield* Fiber.join(receiver)).map(({ bytes }) => bytes.length), [200, 200, 50])
    })))

  it.sim("in mode borrow go at once, the excess too", () =>
    run(Effect.gen(function*() {
      const { a, b } = yield* messages(withMode(sending(), "borrow"))
      const receiver = yield* begin(collect(b))
      assert.strictEqual(yield* timed(Effect.repeat(Winsock.send(a, bytes(1000)), { times: 4 })), 0)
      assert.strictEqual((yield* Fiber.join(receiver)).length, 5)
    })))

  it.sim("R15: are WSAEMSGSIZE where they are longer than the flow lets any be", () =>
    run(Effect.gen(function*() {
      const { a } = yield* messages(sending({ ...slow, maxSduSize: 300 }))
      const error = yield* Effect.flip(Winsock.send(a, bytes(301)))
      assert.strictEqual(error._tag, "WSAEMSGSIZE")
      assert.strictEqual(yield* timed(Winsock.send(a, bytes(300))), 0)
    })))

  it.sim("A08, A17: without blocking are WSAEWOULDBLOCK without credit, and writable when there is enough for that one", () =>
    run(Effect.gen(function*() {
      const { a } = yield* messages(sending())
      yield* Winsock.ioctlsocket(a, "FIONBIO", true)
      assert.strictEqual(yield* Winsock.send(a, bytes(400)), 400)
      assert.strictEqual(yield* tagOf(Winsock.send(a, bytes(300))), "WSAEWOULDBLOCK")
      assert.strictEqual(yield* timed(Winsock.select({ write: [a] })), 300)
      assert.strictEqual(yield* Winsock.send(a, bytes(300)), 300)
    })))

  it.sim("A17: a select that waits is told also when a send waits meanwhile", () =>
    run(Effect.gen(function*() {
      const { a } = yield* messages(sending())
      yield* Winsock.send(a, bytes(400))
      const select = yield* begin(timed(Winsock.select({ write: [a] })))
      yield* Winsock.send(a, bytes(300))
      assert.strictEqual(yield* Fiber.join(select), 400)
    })))

  it.sim("A17: in mode discard are always writable, and a send that waits is judged anew when the mode becomes that", () =>
    run(Effect.gen(function*() {
      const { a, b } = yield* messages(sending())
      const receiver = yield* begin(collect(b))
      yield* Winsock.send(a, bytes(350))
      const waiting = yield* Effect.forEach([51, 50, 51], (size) => begin(Winsock.send(a, bytes(size))))
      yield* Winsock.WSAIoctl(a, "SIO_SET_QOS", withMode(sending(), "discard"))
      yield* Fiber.joinAll(waiting)
      assert.strictEqual((yield* Winsock.select({ write: [a], timeout: 0 })).write.length, 1)
      assert.deepStrictEqual((yield* Fiber.join(receiver)).map(({ bytes }) => bytes.length), [350, 50])
    })))

  it.sim("R27, A11: a send that waits is given up, times out, and is ended by closing, with nothing sent", () =>
    run(Effect.gen(function*() {
      const { a, b } = yield* messages(sending())
      const receiver = yield* begin(collect(b))
      yield* Winsock.send(a, bytes(400))
      // It leaves no timer that would outlive the run.
      yield* Winsock.setsockopt(a, SocketOption.SO_SNDTIMEO, 3_600_000)
      const waiting = yield* begin(Winsock.send(a, bytes(400)))
      const behind = yield* begin(Winsock.send(a, bytes(100, 7)))
      yield* Effect.sleep("10 millis")
      yield* Fiber.interrupt(waiting)
      assert.strictEqual(yield* timed(Fiber.join(behind)), 90)
      yield* Winsock.setsockopt(a, SocketOption.SO_SNDTIMEO, 50)
      assert.strictEqual(yield* tagOf(Winsock.send(a, bytes(100))), "WSAETIMEDOUT")
      yield* Winsock.setsockopt(a, SocketOption.SO_SNDTIMEO, 0)
      const last = yield* begin(Winsock.send(a, bytes(400)))
      yield* Winsock.closesocket(a)
      assert.strictEqual(yield* tagOf(Fiber.join(last)), "WSAEINTR")
      assert.deepStrictEqual((yield* Fiber.join(receiver)).map(({ bytes }) => bytes.length), [400, 100])
    })))

  it.sim("R09: a send that waits when the peer is dissolved is WSAENOTCONN, and what names its receiver goes", () =>
    run(Effect.gen(function*() {
      const { a, b } = yield* messages(sending())
      const receiver = yield* begin(collect(b))
      yield* Winsock.send(a, bytes(400))
      const waiting = yield* begin(Winsock.send(a, bytes(100)))
      const named = yield* begin(Winsock.sendto(a, bytes(100), yield* Winsock.getsockname(b)))
      yield* Winsock.WSAConnect(a, "0.0.0.0:0")
      assert.strictEqual(yield* tagOf(Fiber.join(waiting)), "WSAENOTCONN")
      yield* Fiber.join(named)
      yield* Winsock.setsockopt(b, SocketOption.SO_RCVTIMEO, 60_000)
      yield* Fiber.interrupt(receiver)
    })))

  it.sim("R21: a socket that the stack takes away ends the sends that wait", () => {
    const sinks: Array<Provider.Sink> = []
    const memory = Memory.make().provider
    const provider: Provider.Provider = {
      ...memory,
      open: (kind, sink) => {
        sinks.push(sink)
        return memory.open(kind, sink)
      }
    }
    return Effect.gen(function*() {
      const { a } = yield* messages(sending())
      yield* Winsock.send(a, bytes(400))
      const waiting = yield* Effect.forEach([100, 200], (size) => begin(tagOf(Winsock.send(a, bytes(size)))))
      sinks[0]!.broken(Provider.failure("WSAENETDOWN"))
      assert.strictEqual(
        yield* timed(
          Effect.map(Fiber.joinAll(waiting), (tags) => assert.deepStrictEqual(tags, ["WSAENETDOWN", "WSAENETDOWN"]))
        ),
        0
      )
    }).pipe(Effect.scoped, Effect.provide(Winsock.layer(provider)))
  })

  it.sim("R15: are received no faster than the rate, and in mode discard dropped beyond it", () =>
    run(Effect.gen(function*() {
      const { a, b } = yield* messages(receiving())
      const receiver = yield* begin(collect(a))
      for (let i = 0; i < 20; i++) yield* Winsock.send(b, bytes(100, i))
      const got = yield* Fiber.join(receiver)
      assert.deepStrictEqual(got.map(({ bytes }) => bytes[0]), Array.from({ length: 20 }, (_, i) => i))
      assert.strictEqual(Math.round(got.at(-1)!.at - got[0]!.at), 1600)
      const discarding = yield* messages(withMode(receiving(), "discard"))
      const keeper = yield* begin(collect(discarding.a))
      for (let i = 0; i < 20; i++) yield* Winsock.send(discarding.b, bytes(100, i))
      yield* Effect.sleep("150 millis")
      for (let i = 0; i < 20; i++) yield* Winsock.send(discarding.b, bytes(100, 50 + i))
      assert.deepStrictEqual((yield* Fiber.join(keeper)).map(({ bytes }) => bytes[0]), [0, 1, 2, 3, 50])
    })))
})

describe("a group", () => {
  /** So many sockets of one group, connected with sinks, with the QOS of the group from the first of them. */
  const group = (count: number, gqos: Qos.Qos, priorities: ReadonlyArray<number> = []) =>
    Effect.gen(function*() {
      const listener = yield* Winsock.socket(stream)
      yield* Winsock.bind(listener, "127.0.0.1:0")
      yield* Winsock.listen(listener)
      const address = yield* Winsock.getsockname(listener)
      const members: Array<Winsock.Socket> = []
      const order: Array<number> = []
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      let id: number | undefined
      for (let i = 0; i < count; i++) {
        const s = yield* Winsock.WSASocket({ ...stream, group: id ?? 1 } as never)
        id ??= yield* Winsock.getsockopt(s, SocketOption.SO_GROUP_ID)
        if (priorities[i] !== undefined) yield* Winsock.setsockopt(s, SocketOption.SO_GROUP_PRIORITY, priorities[i]!)
        yield* Winsock.WSAConnect(s, address, i === 0 ? { gqos } : {})
        const { socket } = yield* Winsock.accept(listener)
        fibers.push(
          yield* begin(Effect.forever(Effect.map(Winsock.recv(socket), ({ length }) => {
            for (let n = 0; n < length; n += 100) order.push(i)
          })))
        )
        members.push(s)
      }
      return { members, order, stop: Fiber.interruptAll(fibers) }
    })

  it.sim("R20: shares one bucket among its sockets, a piece each in turn", () =>
    run(Effect.gen(function*() {
      const { members, order, stop } = yield* group(3, sending())
      const took = yield* timed(
        Effect.forEach(members, (s) => Winsock.send(s, bytes(800)), { concurrency: "unbounded" })
      )
      assert.strictEqual(took, 2000)
      yield* Effect.sleep("1 milli")
      const turns = order.slice(4)
      for (let i = 0; i < 12; i += 3) assert.deepStrictEqual(turns.slice(i, i + 3).sort(), [0, 1, 2])
      yield* stop
    })))

  it.sim("R20: serves the socket with the lowest SO_GROUP_PRIORITY first", () =>
    run(Effect.gen(function*() {
      const { members, order, stop } = yield* group(3, sending(), [2, 1, 1])
      yield* Winsock.setsockopt(members[2]!, SocketOption.SO_GROUP_PRIORITY, 0)
      yield* Winsock.send(members[0]!, bytes(400))
      yield* Effect.forEach(members, (s) => Winsock.send(s, bytes(300)), { concurrency: "unbounded" })
      yield* Effect.sleep("1 milli")
      assert.deepStrictEqual(order, [0, 0, 0, 0, 2, 2, 2, 1, 1, 1, 0, 0, 0])
      yield* stop
    })))

  it.sim("R20: a socket is held to its own flow too", () =>
    run(Effect.gen(function*() {
      const { members, stop } = yield* group(2, sending())
      yield* Winsock.WSAIoctl(members[1]!, "SIO_SET_QOS", sending({ ...slow, tokenRate: 100, tokenBucketSize: 100 }))
      const [first, second] = yield* Effect.all(
        [timed(Winsock.send(members[0]!, bytes(2000))), timed(Winsock.send(members[1]!, bytes(300)))],
        { concurrency: 2 }
      )
      // It waits its turn behind a piece of the other.
      assert.isAtLeast(second, 2000)
      assert.isAtMost(second, 2200)
      assert.isAtLeast(first, 1600)
      assert.isAtMost(first, 1900)
      yield* stop
    })))

  it.sim("A18: one that does not block gets its turn among those that do", () =>
    run(Effect.gen(function*() {
      const { members, stop } = yield* group(2, sending())
      const [busy, quiet] = members as [Winsock.Socket, Winsock.Socket]
      const sender = yield* begin(Winsock.send(busy, bytes(1_000_000)))
      yield* Winsock.ioctlsocket(quiet, "FIONBIO", true)
      let sent = 0
      const took = yield* timed(Effect.gen(function*() {
        while (sent < 2000) {
          yield* Winsock.select({ write: [quiet] })
          sent += yield* Effect.catchTag(Winsock.send(quiet, bytes(100)), "WSAEWOULDBLOCK", () => Effect.succeed(0))
        }
      }))
      assert.isAtMost(took, 4500)
      yield* Fiber.interrupt(sender)
      yield* stop
    })))

  it.sim("lets others have their turn while very many small pieces of several sockets go", () =>
    run(Effect.gen(function*() {
      const { members, stop } = yield* group(2, sending({ ...slow, tokenBucketSize: 1_000_000, maxSduSize: 1 }))
      const sends = yield* Effect.forEach(members, (s) => begin(Winsock.send(s, bytes(20_000))))
      yield* Effect.sleep(0)
      assert.deepStrictEqual(sends.map((send) => send.pollUnsafe()), [undefined, undefined])
      assert.strictEqual(yield* timed(Fiber.joinAll(sends)), 0)
      yield* stop
    })))

  it.sim("R20: holds a socket too whose connect was pending when the creator set the flow", () =>
    run(Effect.gen(function*() {
      const listener = yield* Winsock.socket(stream)
      yield* Winsock.bind(listener, "127.0.0.1:0")
      yield* Winsock.listen(listener)
      const address = yield* Winsock.getsockname(listener)
      const creator = yield* Winsock.WSASocket({ ...stream, group: Winsock.SG_UNCONSTRAINED_GROUP })
      yield* Winsock.connect(creator, address)
      const member = yield* Winsock.WSASocket({
        ...stream,
        group: yield* Winsock.getsockopt(creator, SocketOption.SO_GROUP_ID)
      })
      const connecting = yield* begin(Winsock.WSAConnect(member, address))
      assert.isUndefined(connecting.pollUnsafe())
      yield* Winsock.WSAIoctl(creator, "SIO_SET_GROUP_QOS", sending())
      assert.strictEqual((yield* Fiber.join(connecting)).applied.sending.groupShaped?.tokenRate, 1000)
    })))

  it.sim("SIO_SET_GROUP_QOS changes the flow of all of them", () =>
    run(Effect.gen(function*() {
      const { members, stop } = yield* group(2, sending())
      yield* Winsock.send(members[1]!, bytes(400))
      const waiting = yield* begin(timed(Winsock.send(members[1]!, bytes(10_000))))
      yield* Effect.sleep("1 second")
      yield* Winsock.WSAIoctl(members[0]!, "SIO_SET_GROUP_QOS", sending({ ...slow, tokenRate: 9_000 }))
      assert.strictEqual(yield* Fiber.join(waiting), 2000)
      yield* stop
    })))
})
