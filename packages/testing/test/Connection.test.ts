import {
  Connection,
  ConnectionServer,
  Connector,
  type Qos,
  SocketAddress,
  UserData,
  Winsock
} from "@effect-winsock/core"
import { Memory, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Clock, Effect, Equal, Exit, Fiber, Layer, Random, Stream } from "effect"

/** Begins a call, which waits by the time this returns. */
const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkChild(call, { startImmediately: true })

/** Lets everything that is on the way arrive. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const bytesOf = (...bytes: ReadonlyArray<number>) => new Uint8Array(bytes)

/** Bytes whose order shows. */
const counted = (length: number) => new Uint8Array(length).map((_, i) => i % 251)

/** A connection between two hosts, and the network between them. */
const between = (options?: SimNetwork.Options) =>
  Effect.gen(function*() {
    const net = yield* SimNetwork.make({
      hosts: { client: {}, server: {} },
      link: { latency: "10 millis" },
      ...options
    })
    const [atClient, atServer] = [yield* Layer.build(net.layer("client")), yield* Layer.build(net.layer("server"))]
    const listener = yield* Effect.provideContext(ConnectionServer.make({ address: "0.0.0.0:80" }), atServer)
    const client = yield* Effect.provideContext(Connector.winsock.connect(net.address("server", 80)), atClient)
    return { net, listener, client, server: yield* listener.accept, atClient, atServer }
  })

/** All that comes until the peer ends. */
const readAll = <E>(connection: Connection.Connection<E>) =>
  Stream.runFold(Connection.stream(connection), () => new Uint8Array(0), (all, bytes) => {
    const both = new Uint8Array(all.length + bytes.length)
    both.set(all)
    both.set(bytes, all.length)
    return both
  })

const now = Clock.currentTimeMillis

describe("Connection", () => {
  it.sim("A08: reads give what was written in its order, and then the end for good", function*() {
    const { client, server } = yield* between()
    yield* client.write(counted(1000))
    yield* client.end
    const buffer = new Uint8Array(100)
    assert.strictEqual(yield* server.readInto(buffer), 100)
    assert.deepStrictEqual(buffer, counted(100))
    assert.deepStrictEqual(yield* server.readLent((lent) => [lent.length, lent[0]]), [900, 100])
    for (let i = 0; i < 2; i++) {
      assert.strictEqual((yield* server.read).length, 0)
      assert.strictEqual(yield* server.readInto(buffer), 0)
      assert.strictEqual(yield* server.readLent((lent) => lent.length), 0)
    }
  })

  it.sim("its functions can be passed on by themselves", function*() {
    const { client, server } = yield* between()
    const { write } = client
    const { readInto, readLent } = server
    yield* Stream.make(bytesOf(1), bytesOf(2, 3)).pipe(Stream.runForEach(write))
    const buffer = new Uint8Array(1)
    yield* readInto(buffer)
    assert.strictEqual(yield* readLent((lent) => lent[0]! + buffer[0]!), 3)
  })

  it.sim("a peer that does not read holds the writer back, and one that reads lets it go on", function*() {
    const { client, server } = yield* between()
    const all = counted(1_000_000)
    const writing = yield* begin(Effect.andThen(client.write(all), now))
    yield* Effect.sleep("1 hour")
    assert.isUndefined(writing.pollUnsafe())
    const reading = yield* begin(readAll(server))
    yield* Fiber.join(writing)
    yield* client.end
    assert.deepStrictEqual(yield* Fiber.join(reading), all)
  })

  it.sim("A10: the other direction goes on after the own one has ended, and who ended first has ended it", function*() {
    const { client, server } = yield* between()
    yield* client.end
    assert.strictEqual((yield* server.read).length, 0)
    yield* server.write(bytesOf(1, 2, 3))
    assert.strictEqual((yield* client.read).length, 3)
    assert.deepStrictEqual([client.closeReason, server.closeReason], [undefined, undefined])
    assert.strictEqual((yield* Effect.flip(client.write(bytesOf(1))))._tag, "WSAESHUTDOWN")
    const waiting = yield* begin(client.closed)
    yield* server.end
    assert.deepStrictEqual(yield* Fiber.join(waiting), { _tag: "Ended", by: "us" })
    assert.deepStrictEqual([client.closeReason, server.closeReason], [
      { _tag: "Ended", by: "us" },
      { _tag: "Ended", by: "peer" }
    ])
    // Closing changes nothing of it.
    yield* Winsock.closesocket(server.socket)
    assert.deepStrictEqual(yield* server.closed, { _tag: "Ended", by: "peer" })
  })

  it.sim("A11: closing ends it: what waits fails with WSAEINTR, what comes later with WSAENOTSOCK", function*() {
    const { client, server } = yield* between()
    const reading = yield* begin(Effect.flip(client.read))
    const writing = yield* begin(Effect.flip(client.write(new Uint8Array(1_000_000))))
    const closed = yield* begin(client.closed)
    yield* Winsock.closesocket(client.socket)
    assert.strictEqual((yield* Fiber.join(reading))._tag, "WSAEINTR")
    assert.strictEqual((yield* Fiber.join(writing))._tag, "WSAEINTR")
    assert.deepStrictEqual(yield* Fiber.join(closed), { _tag: "Ended", by: "us" })
    for (const call of [client.read, client.write(bytesOf(1)), client.end]) {
      assert.strictEqual((yield* Effect.flip(call as Effect.Effect<unknown, { _tag: string }>))._tag, "WSAENOTSOCK")
    }
    // The bytes of the write that was cut off are its caller's again, so none of them may be sent any more.
    assert.strictEqual((yield* Effect.flip(readAll(server)))._tag, "WSAECONNRESET")
  })

  it.sim("R21: what breaks gives what has arrived, stays broken, and says how also where nobody reads", function*() {
    const { client, net, server } = yield* between()
    yield* server.write(counted(500))
    yield* Effect.sleep("1 second")
    const closed = yield* begin(client.closed)
    net.reset({ host: "server" })
    const reason = yield* Fiber.join(closed)
    assert.strictEqual(reason._tag === "Broken" && reason.error._tag, "WSAECONNRESET")
    assert.deepStrictEqual(yield* client.read, counted(500))
    for (let i = 0; i < 3; i++) {
      assert.strictEqual((yield* Effect.flip(client.read))._tag, "WSAECONNRESET")
      assert.strictEqual((yield* Effect.flip(client.write(bytesOf(1))))._tag, "WSAECONNRESET")
      assert.strictEqual((yield* Effect.flip(client.end))._tag, "WSAECONNRESET")
    }
    yield* Winsock.closesocket(client.socket)
    const after = client.closeReason
    assert.strictEqual(after?._tag === "Broken" && after.error._tag, "WSAECONNRESET")
    assert.isTrue(after?._tag === "Broken" && Equal.equals(after.error.remote, client.remote))
  })

  it.sim("waiting for its end can be given up", function*() {
    const { client } = yield* between()
    assert.strictEqual((yield* Effect.timeoutOption(client.closed, "1 second"))._tag, "None")
    const { watching } = client.socket as unknown as { readonly watching: Set<unknown> }
    assert.strictEqual(watching.size, 0)
  })

  it.sim("A10: ending lets the write that is under way through, and none behind it", function*() {
    const { client, server } = yield* between()
    const first = yield* begin(client.write(counted(300_000)))
    const second = yield* begin(Effect.flip(client.write(bytesOf(9))))
    yield* client.end
    assert.strictEqual((yield* Fiber.join(second))._tag, "WSAESHUTDOWN")
    assert.deepStrictEqual(yield* readAll(server), counted(300_000))
    yield* Fiber.join(first)
  })

  it.sim("a socket that does not block is waited for", function*() {
    const { client, server } = yield* between()
    yield* Winsock.ioctlsocket(client.socket, "FIONBIO", true)
    yield* Winsock.ioctlsocket(server.socket, "FIONBIO", true)
    const reading = yield* begin(readAll(server))
    yield* client.write(counted(1_000_000))
    yield* client.end
    assert.deepStrictEqual(yield* Fiber.join(reading), counted(1_000_000))
    const into = yield* begin(client.readInto(new Uint8Array(10)))
    yield* server.write(bytesOf(1))
    assert.strictEqual(yield* Fiber.join(into), 1)
    const lent = yield* begin(client.readLent((lent) => lent.length))
    yield* Winsock.closesocket(client.socket)
    assert.strictEqual((yield* Effect.flip(Fiber.join(lent)))._tag, "WSAENOTSOCK")
  })

  describe("addresses and what goes along", () => {
    it.sim("A03: the own address is known when it is asked for, and after the end", function*() {
      const { atClient, client, server } = yield* between()
      assert.isTrue(Equal.equals(client.local, server.remote))
      assert.isTrue(Equal.equals(server.local, client.remote))
      yield* Winsock.closesocket(client.socket)
      assert.isTrue(Equal.equals(client.local, server.remote))

      // One that is bound to all addresses has got one of them.
      const bound = Connector.winsock.pipe(Connector.bindTo({ IPv4: "0.0.0.0:5000" }))
      const { local } = yield* Effect.provideContext(bound.connect(client.remote), atClient)
      assert.strictEqual(SocketAddress.format(local), "10.0.0.1:5000")
    })

    it.sim("R13, R16: what the peer passes back, and what was done of the QOS", function*() {
      const qos: Qos.Qos = { sending: { serviceType: "controlledLoad", tokenRate: 1000, tokenBucketSize: 100 } }
      const net = yield* SimNetwork.make({
        hosts: { client: {}, server: {} },
        link: { latency: "10 millis", bandwidth: 100_000, reservable: 50_000 },
        callerDataMax: 100,
        calleeDataMax: 100
      })
      yield* net.run(
        "server",
        Effect.gen(function*() {
          const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
          yield* Winsock.bind(s, "0.0.0.0:80")
          yield* Winsock.listen(s)
          yield* Winsock.WSAAccept(
            s,
            ({ callerData }) => Effect.succeed({ verdict: Winsock.CF_ACCEPT, calleeData: callerData.toReversed() })
          )
          return yield* Effect.never
        })
      )
      const connector = Connector.winsock.pipe(Connector.qos(qos), Connector.callerData(bytesOf(1, 2, 3)))
      const connection = yield* connector.connect(net.address("server", 80)).pipe(
        Effect.provideService(UserData.CalleeCapacity, 10),
        Effect.provideContext(yield* Layer.build(net.layer("client")))
      )
      assert.deepStrictEqual(Array.from(connection.calleeData), [3, 2, 1])
      assert.isDefined(connection.applied.sending.reserved)
    })
  })

  describe("interruption", () => {
    /** So that the fiber gives way after so many steps, in the middle of what it does. */
    const givingWay = <A, E, R>(steps: number, effect: Effect.Effect<A, E, R>) =>
      Effect.withFiber((fiber) => {
        ;(fiber as { currentOpCount: number }).currentOpCount = fiber.cache.maxOpsBeforeYield - steps
        return effect
      })

    /** Ways to read: the call, and the bytes of its answer. */
    type Read = (self: Connection.Connection) => readonly [Effect.Effect<any, unknown>, (answer: any) => Uint8Array]
    const reads: Record<string, Read> = {
      read: (self) => [self.read, (bytes) => bytes],
      readInto: (self) => {
        const buffer = new Uint8Array(100_000)
        return [self.readInto(buffer), (length) => buffer.subarray(0, length)]
      },
      readLent: (self) => [self.readLent((lent) => new Uint8Array(lent)), (bytes) => bytes]
    }

    const headed = (self: Connection.Connection) => Connection.withHead(self, bytesOf(0))

    for (const [name, read] of Object.entries(reads)) {
      for (const [what, over] of [["", (self: Connection.Connection) => self], [" of a head", headed]] as const) {
        it.live(`A08: a ${name}${what} that is interrupted takes nothing, wherever its fiber gives way`, () =>
          Effect.gen(function*() {
            const seen = { interrupted: 0, done: 0 }
            const server = yield* ConnectionServer.make({ address: "127.0.0.1:0" })
            for (let steps = 1; steps < 40; steps++) {
              const client = over(yield* Connector.winsock.connect(server.address))
              const peer = yield* server.accept
              yield* peer.write(bytesOf(1, 2, 3))
              yield* peer.end
              yield* settle
              const [call, bytesOfAnswer] = read(client)
              // It tells what it has got where nothing interrupts any more.
              let got = new Uint8Array(0)
              const taking = Effect.uninterruptibleMask((restore) =>
                Effect.map(restore(call), (answer) => {
                  got = new Uint8Array(bytesOfAnswer(answer))
                })
              )
              const fiber = yield* begin(givingWay(steps, taking))
              yield* Fiber.interrupt(fiber)
              if (got.length === 0) seen.interrupted++
              else seen.done++
              const all = [...got, ...yield* readAll(client)]
              assert.deepStrictEqual(all, over === headed ? [0, 1, 2, 3] : [1, 2, 3], `with ${steps} steps left`)
            }
            assert.isAbove(seen.interrupted, 0)
            assert.isAbove(seen.done, 0)
          }).pipe(Effect.scoped, Effect.provide(Memory.layer())))
      }
    }

    for (let seed = 0; seed < 20; seed++) {
      it.sim(`A08: reads that are interrupted at all times lose nothing and double nothing, seed ${seed}`, function*() {
        const { client, server } = yield* between({ link: { latency: "10 millis", bandwidth: 1_000_000 } })
        const all = counted(200_000)
        yield* Effect.forkChild(Effect.andThen(client.write(all), client.end))
        const got: Array<Uint8Array> = []
        const ways = Object.values(reads)
        while (got.at(-1)?.length !== 0) {
          const [call, bytesOfAnswer] = ways[yield* Random.nextIntBetween(0, ways.length - 1)]!(server)
          const fiber = yield* begin(
            Effect.map(call, (answer) => void got.push(new Uint8Array(bytesOfAnswer(answer))))
          )
          yield* Effect.sleep(`${yield* Random.nextIntBetween(0, 3000)} micros`)
          yield* Fiber.interrupt(fiber)
        }
        assert.deepStrictEqual(new Uint8Array(got.flatMap((bytes) => Array.from(bytes))), all)
      }, { seed })
    }

    it.sim("A08: a write that is given up has sent nothing, or breaks the connection with what it has sent", function*() {
      const seen = { whole: 0, nothing: 0, broken: 0 }
      for (let steps = 1; steps < 30; steps++) {
        for (const length of [10, 200_000]) {
          const { client, server } = yield* between()
          const fiber = yield* begin(givingWay(steps, client.write(counted(length))))
          yield* Fiber.interrupt(fiber)
          const after = yield* Effect.exit(Effect.andThen(client.write(bytesOf(255)), client.end))
          const got = yield* Effect.exit(readAll(server))
          if (Exit.isFailure(after)) {
            seen.broken++
            assert.strictEqual((yield* Effect.flip(after))._tag, "WSAECONNABORTED")
            assert.strictEqual((yield* Effect.flip(got))._tag, "WSAECONNRESET")
          } else {
            const bytes = yield* got
            if (bytes.length === 1) seen.nothing++
            else {
              seen.whole++
              assert.strictEqual(bytes.length, length + 1)
            }
            assert.strictEqual(bytes.at(-1), 255)
          }
        }
      }
      assert.isAbove(seen.whole, 0)
      assert.isAbove(seen.nothing, 0)
      assert.isAbove(seen.broken, 0)
    })
  })

  describe("withHead", () => {
    it.sim("gives its bytes first, in pieces as they are asked for, and then what comes", function*() {
      const { client, server } = yield* between()
      const headed = Connection.withHead(bytesOf(1, 2, 3, 4))(server)
      const buffer = new Uint8Array(2)
      assert.strictEqual(yield* headed.readInto(buffer), 2)
      assert.deepStrictEqual(buffer, bytesOf(1, 2))
      assert.deepStrictEqual(yield* headed.readLent((lent) => Array.from(lent)), [3, 4])
      const reading = yield* begin(headed.read)
      yield* client.write(bytesOf(5))
      assert.deepStrictEqual(yield* Fiber.join(reading), bytesOf(5))
    })

    it.sim("keeps bytes of two heads, and of none is the connection itself", function*() {
      const { client, server } = yield* between()
      assert.strictEqual(Connection.withHead(server, new Uint8Array(0)), server)
      yield* client.write(bytesOf(3))
      yield* client.end
      const twice = Connection.withHead(Connection.withHead(server, bytesOf(2)), bytesOf(1))
      assert.deepStrictEqual(yield* readAll(twice), bytesOf(1, 2, 3))
    })
  })

  describe("over", () => {
    it.sim("is the connection beneath, but for what it does otherwise", function*() {
      const { client, server } = yield* between()
      const over = Connection.over(client, { write: (bytes) => client.write(bytes.toReversed()) })
      yield* over.write(bytesOf(1, 2, 3))
      assert.deepStrictEqual(yield* server.read, bytesOf(3, 2, 1))
      assert.isTrue(Connection.isConnection(over))
      for (const key of ["local", "remote", "socket", "calleeData", "applied"] as const) {
        assert.strictEqual(over[key], client[key])
      }
      yield* server.end
      assert.strictEqual((yield* over.read).length, 0)
      yield* over.end
      assert.deepStrictEqual(over.closeReason, { _tag: "Ended", by: "peer" })
      assert.deepStrictEqual(yield* over.closed, { _tag: "Ended", by: "peer" })
    })
  })

  describe("streams", () => {
    it.sim("a sink ends the direction when the stream has ended, unless told otherwise", function*() {
      const { client, server } = yield* between()
      const parts = Stream.make(bytesOf(1), bytesOf(2), bytesOf(3))
      yield* Stream.run(parts, Connection.sink(client, { endOnDone: false }))
      yield* Stream.run(parts, Connection.sink(client))
      assert.deepStrictEqual(yield* readAll(server), bytesOf(1, 2, 3, 1, 2, 3))
    })

    it.sim("a stream that fails ends nothing: its half is not taken for the whole", function*() {
      const { client, server } = yield* between()
      const failing = Stream.concat(Stream.make(bytesOf(1)), Stream.fail("lost"))
      assert.strictEqual(yield* Effect.flip(Stream.run(failing, Connection.sink(client))), "lost")
      assert.deepStrictEqual(yield* server.read, bytesOf(1))
      assert.strictEqual((yield* Effect.timeoutOption(server.read, "1 hour"))._tag, "None")
    })

    it.sim("a stream fails with what breaks the connection, after all that had arrived", function*() {
      const { client, net, server } = yield* between()
      yield* client.write(counted(100))
      yield* Effect.sleep("1 second")
      net.reset({ host: "client" })
      let length = 0
      const counting = Stream.runForEach(
        Connection.stream(server),
        (bytes) => Effect.sync(() => length += bytes.length)
      )
      assert.strictEqual((yield* Effect.flip(counting))._tag, "WSAECONNRESET")
      assert.strictEqual(length, 100)
    })

    /** A caller, a relay with two connections, and who is asked behind it. */
    const relayed = Effect.gen(function*() {
      const { atServer, client, net, server } = yield* between({ hosts: { client: {}, server: {}, last: {} } })
      const atLast = yield* Layer.build(net.layer("last"))
      const behind = yield* Effect.provideContext(ConnectionServer.make({ address: "0.0.0.0:80" }), atLast)
      const onwards = yield* Effect.provideContext(
        Connector.winsock.connect(net.address("last", 80)),
        atServer
      )
      const last = yield* behind.accept
      const relaying = yield* begin(Connection.relay(server, onwards))
      return { client, last, net, relaying }
    })

    it.sim("a relay ends each direction by itself", function*() {
      const { client, last, relaying } = yield* relayed
      yield* client.write(counted(300_000))
      yield* client.end
      assert.deepStrictEqual(yield* readAll(last), counted(300_000))
      yield* last.write(counted(1000))
      yield* last.end
      assert.deepStrictEqual(yield* readAll(client), counted(1000))
      yield* Fiber.join(relaying)
    })

    it.sim("a relay fails with what breaks one of its connections", function*() {
      const { net, relaying } = yield* relayed
      net.reset({ host: "last" })
      assert.strictEqual((yield* Effect.flip(Fiber.join(relaying)))._tag, "WSAECONNRESET")
    })
  })
})
