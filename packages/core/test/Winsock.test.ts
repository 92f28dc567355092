import { Provider, Qos, SocketAddress, SocketOption, UserData, Winsock, type WsaError } from "@effect-winsock/core"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"

const tcp = { family: "IPv4", type: "stream" } as const
const udp = { family: "IPv4", type: "datagram" } as const

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const listening = Effect.gen(function*() {
  const listener = yield* Winsock.socket(tcp)
  yield* Winsock.bind(listener, "127.0.0.1:0")
  yield* Winsock.listen(listener)
  return { listener, address: yield* Winsock.getsockname(listener) }
})

const pair = Effect.gen(function*() {
  const { address, listener } = yield* listening
  const client = yield* Winsock.socket(tcp)
  yield* Winsock.WSAConnect(client, address)
  const { socket: server } = yield* Winsock.accept(listener)
  return { client, server, listener, address }
})

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)

const onMemory = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, Memory.layer())

describe("Winsock", () => {
  describe("layer", () => {
    it.effect("E02: does not start where the network is down", () =>
      Effect.gen(function*() {
        const program = Effect.provide(Winsock.socket(tcp), Memory.layer({ network: "down" }))
        assert.strictEqual(yield* tagOf(Effect.scoped(program)), "WSASYSNOTREADY")
      }))

    it.effect("E01: closes what is open when it is left, and every later call says that it was", () =>
      Effect.gen(function*() {
        const world = Memory.make()
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(Winsock.layer(world.provider), scope)
        const outer = yield* Effect.scope
        const { client, server } = yield* pair.pipe(
          Effect.provide(context),
          Effect.provideService(Scope.Scope, outer)
        )
        const pending = yield* Effect.forkChild(Effect.flip(Winsock.recv(client)), { startImmediately: true })
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual((yield* Fiber.join(pending))._tag, "WSAEINTR")
        assert.strictEqual(yield* tagOf(Winsock.recv(server)), "WSANOTINITIALISED")
        assert.strictEqual(yield* tagOf(Winsock.closesocket(server)), "WSANOTINITIALISED")
        const late = Winsock.socket(tcp).pipe(Effect.provide(context))
        assert.strictEqual(yield* tagOf(late), "WSANOTINITIALISED")
        assert.deepStrictEqual(world.control.counts(), { handles: 0, listeners: 0, streams: 0, attempts: 0 })
      }))

    it.effect("is told apart from a service that somebody else made", () =>
      Effect.gen(function*() {
        const service = Winsock.Winsock.of({
          provider: "forged",
          version: 0x0202,
          capabilities: () => assert.fail("not asked")
        })
        const made = Effect.provideService(Winsock.socket(tcp), Winsock.Winsock, service)
        assert.strictEqual(yield* tagOf(Effect.scoped(made)), "WSANOTINITIALISED")
      }))
  })

  describe("socket", () => {
    it.effect("is closed with its scope, and leaves nothing there when it is closed before", () =>
      Effect.gen(function*() {
        const { counts } = yield* Memory.Memory
        const scope = yield* Scope.make()
        for (let i = 0; i < 100; i++) {
          const s = yield* Effect.provideService(Winsock.socket(tcp), Scope.Scope, scope)
          yield* Winsock.closesocket(s)
        }
        assert.strictEqual(scope.state._tag, "Empty")
        const s = yield* Effect.provideService(Winsock.socket(tcp), Scope.Scope, scope)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* tagOf(Winsock.getsockname(s)), "WSAENOTSOCK")
        yield* Effect.yieldNow
        assert.strictEqual(counts().handles, 0)
      }).pipe(onMemory))

    it.effect("WSAEMFILE: says when there is no room for one more, and there is again after one was closed", () =>
      Effect.gen(function*() {
        const first = yield* Winsock.socket(tcp)
        assert.strictEqual(yield* tagOf(Winsock.socket(tcp)), "WSAEMFILE")
        yield* Winsock.closesocket(first)
        yield* Effect.yieldNow
        yield* Winsock.socket(tcp)
      }).pipe(Effect.provide(Memory.layer({ maxSockets: 1 }))))

    it.effect("A01: WSAEOPNOTSUPP: a unidirectional socket does not go the other way", () =>
      Effect.gen(function*() {
        const sender = yield* Winsock.socket({ ...udp, direction: "send" })
        yield* Winsock.bind(sender, "127.0.0.1:0")
        assert.strictEqual(yield* tagOf(Winsock.recvfrom(sender)), "WSAEOPNOTSUPP")
        const receiver = yield* Winsock.socket({ ...udp, direction: "receive" })
        assert.strictEqual(yield* tagOf(Winsock.sendto(receiver, new Uint8Array(1), "127.0.0.1:1")), "WSAEOPNOTSUPP")
      }).pipe(onMemory))
  })

  describe("WSAConnect", () => {
    it.effect("R12, R13: takes user data and QOS from the layers around, and null means none", () =>
      Effect.gen(function*() {
        const s = yield* Winsock.socket(tcp)
        assert.strictEqual(yield* tagOf(Winsock.WSAConnect(s, "127.0.0.1:9")), "WSAEPROTONOSUPPORT")
        // Without caller data the QOS is next in the order of errors.
        assert.strictEqual(yield* tagOf(Winsock.WSAConnect(s, "127.0.0.1:9", { callerData: null })), "WSAEOPNOTSUPP")
        assert.strictEqual(
          yield* tagOf(Winsock.WSAConnect(s, "127.0.0.1:9", { callerData: null, sqos: null })),
          "WSAECONNREFUSED"
        )
        assert.strictEqual(yield* tagOf(Winsock.connect(s, "127.0.0.1:9")), "WSAECONNREFUSED")
        assert.strictEqual(
          yield* tagOf(Winsock.WSAConnectByList(yield* Winsock.socket(tcp), ["127.0.0.1:9"])),
          "WSAECONNREFUSED"
        )
      }).pipe(
        Effect.provide([
          Memory.layer(),
          UserData.layer({ callerData: bytesOf("acme"), calleeCapacity: 8 }),
          Qos.layer({ sending: { serviceType: "guaranteed", tokenRate: 16_000 } })
        ])
      ))

    it.effect("R12, E10: caller data goes along where the transport carries it, and too much of it does not", () =>
      Effect.gen(function*() {
        const { counts } = yield* Memory.Memory
        const { address } = yield* listening
        const s = yield* Winsock.socket(tcp)
        assert.strictEqual(
          yield* tagOf(Winsock.WSAConnect(s, address, { callerData: new Uint8Array(9) })),
          "WSAEFAULT"
        )
        const fiber = yield* Effect.forkChild(Winsock.WSAConnect(s, address, { callerData: new Uint8Array(8) }), {
          startImmediately: true
        })
        assert.strictEqual(counts().attempts, 1)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(counts().attempts, 0)
      }).pipe(Effect.provide(Memory.layer({ callerDataMax: 8 }))))

    it.effect("A13: SO_CONNECT_TIME counts whole seconds of Effect's Clock", () =>
      Effect.gen(function*() {
        const { client } = yield* pair
        assert.strictEqual(yield* Winsock.getsockopt(client, SocketOption.SO_CONNECT_TIME), 0)
        yield* TestClock.adjust("2500 millis")
        assert.strictEqual(yield* Winsock.getsockopt(client, SocketOption.SO_CONNECT_TIME), 2)
      }).pipe(onMemory))

    it.effect("E04, A11: a connect whose socket is closed meanwhile ends with WSAEINTR, an interrupted one does not", () =>
      Effect.gen(function*() {
        const { blackhole } = yield* Memory.Memory
        blackhole("127.0.0.1:7")
        const s = yield* Winsock.socket(tcp)
        const first = yield* Effect.forkChild(Winsock.WSAConnect(s, "127.0.0.1:7"), { startImmediately: true })
        yield* Fiber.interrupt(first)
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(first)))
        assert.strictEqual(yield* tagOf(Winsock.connectResult(s)), "WSAENOTCONN")
        const second = yield* Effect.forkChild(tagOf(Winsock.WSAConnect(s, "127.0.0.1:7")), { startImmediately: true })
        assert.strictEqual(yield* tagOf(Winsock.WSAConnect(s, "127.0.0.1:7")), "WSAEALREADY")
        yield* Winsock.closesocket(s)
        assert.strictEqual(yield* Fiber.join(second), "WSAEINTR")
      }).pipe(onMemory))

    it.effect("A22: a time-out is for the whole list, and leaves the socket without an attempt", () =>
      Effect.gen(function*() {
        const { blackhole, counts } = yield* Memory.Memory
        blackhole("127.0.0.1:7")
        const s = yield* Winsock.socket(tcp)
        const fiber = yield* Effect.forkChild(
          Effect.flip(
            Winsock.WSAConnectByList(s, ["127.0.0.1:9", "127.0.0.1:7", "127.0.0.1:9"], { timeout: "2 seconds" })
          ),
          { startImmediately: true }
        )
        yield* TestClock.adjust("1999 millis")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error._tag, "WSAETIMEDOUT")
        assert.strictEqual(counts().attempts, 0)
      }).pipe(onMemory))

    it.effect("says in its error what was called, from where, to whom, and what the stack said", () =>
      Effect.gen(function*() {
        const s = yield* Winsock.socket(tcp)
        yield* Winsock.bind(s, "127.0.0.1:4000")
        const error = yield* Effect.flip(Winsock.WSAConnect(s, "127.0.0.1:9"))
        assert.strictEqual(error._tag, "WSAECONNREFUSED")
        assert.strictEqual(error.number, 10061)
        assert.strictEqual(error.call, "WSAConnect")
        assert.strictEqual(error.stage, "connect")
        assert.strictEqual(SocketAddress.format(error.remote!), "127.0.0.1:9")
        assert.strictEqual(SocketAddress.format(error.local!), "127.0.0.1:4000")
        assert.strictEqual(error.retryClass, "transient")
      }).pipe(onMemory))
  })

  describe("recv", () => {
    it.effect("gives calls that wait what arrives in their order, and an interrupted one loses nothing", () =>
      Effect.gen(function*() {
        const { client, server } = yield* pair
        const fork = (length: number) =>
          Effect.forkChild(Effect.map(Winsock.recv(server, length), textOf), { startImmediately: true })
        const first = yield* fork(2)
        const second = yield* fork(2)
        const third = yield* fork(8)
        yield* Fiber.interrupt(second)
        yield* Winsock.send(client, bytesOf("abcdef"))
        assert.strictEqual(yield* Fiber.join(first), "ab")
        assert.strictEqual(yield* Fiber.join(third), "cdef")
      }).pipe(onMemory))

    it.effect("R27: bytes given out are the caller's, and bytes taken in are not looked at again", () =>
      Effect.gen(function*() {
        const { client, server } = yield* pair
        const sent = bytesOf("hello")
        yield* Winsock.send(client, sent)
        sent.fill(0)
        const first = yield* Winsock.recv(server, 3)
        first.fill(0)
        const second = yield* Winsock.recv(server)
        assert.strictEqual(textOf(second), "lo")
        const buffer = new Uint8Array(4)
        yield* Winsock.send(client, bytesOf("again"))
        assert.strictEqual(yield* Winsock.recv(server, buffer), 4)
        assert.strictEqual(textOf(buffer), "agai")
        assert.strictEqual(textOf(yield* Winsock.recv(server)), "n")
      }).pipe(onMemory))

    it.effect("A09: WSAEMSGSIZE carries the head that fitted, and who sent it", () =>
      Effect.gen(function*() {
        const s = yield* Winsock.socket(udp)
        yield* Winsock.bind(s, "127.0.0.1:0")
        const own = yield* Winsock.getsockname(s)
        for (const into of [3, new Uint8Array(3)]) {
          yield* Winsock.sendto(s, bytesOf("hello"), own)
          const received: Effect.Effect<unknown, WsaError.RecvError> = into instanceof Uint8Array
            ? Winsock.recv(s, into)
            : Winsock.recv(s, into)
          const error = yield* Effect.flip(received)
          assert.strictEqual(error._tag, "WSAEMSGSIZE")
          assert.strictEqual(textOf(error.head!), "hel")
          assert.isTrue(SocketAddress.same(error.remote!, own))
          if (into instanceof Uint8Array) assert.strictEqual(textOf(into), "hel")
        }
        // The rest is gone: the next one is the next one.
        yield* Winsock.sendto(s, bytesOf("next"), own)
        assert.strictEqual(textOf(yield* Winsock.recv(s)), "next")
      }).pipe(onMemory))

    it.effect("A10: what waits when the receiving direction is shut down ends with WSAESHUTDOWN", () =>
      Effect.gen(function*() {
        const { client, server } = yield* pair
        const waiting = yield* Effect.forkChild(tagOf(Winsock.recv(server)), { startImmediately: true })
        yield* Winsock.shutdown(server, "receive")
        assert.strictEqual(yield* Fiber.join(waiting), "WSAESHUTDOWN")
        // The peer is not stopped by a window that nobody empties.
        yield* Winsock.send(client, new Uint8Array(1024 * 1024))
        yield* Winsock.send(server, bytesOf("still"))
        assert.strictEqual(textOf(yield* Winsock.recv(client)), "still")
      }).pipe(onMemory))
  })

  describe("send", () => {
    it.effect("A08: a blocking send waits for the peer to take it, a non-blocking one takes a part", () =>
      Effect.gen(function*() {
        const { client, server } = yield* pair
        const sending = yield* Effect.forkChild(Winsock.send(client, new Uint8Array(2 * 1024 * 1024)), {
          startImmediately: true
        })
        yield* Effect.yieldNow
        assert.isUndefined(sending.pollUnsafe())
        let received = 0
        while (received < 2 * 1024 * 1024) received += (yield* Winsock.recv(server)).length
        assert.strictEqual(yield* Fiber.join(sending), 2 * 1024 * 1024)

        yield* Winsock.ioctlsocket(client, "FIONBIO", true)
        assert.strictEqual(yield* Winsock.send(client, new Uint8Array(100_000)), 65_536)
        const until = yield* Winsock.send(client, new Uint8Array(65_536)).pipe(Effect.forever, Effect.flip)
        assert.strictEqual(until._tag, "WSAEWOULDBLOCK")
      }).pipe(onMemory))

    it.effect("R21: a break ends every call that waits, after what arrived before it has been given", () =>
      Effect.gen(function*() {
        const { breakStreams } = yield* Memory.Memory
        const { address, client, server } = yield* pair
        yield* Winsock.send(server, bytesOf("last words"))
        const sending = yield* Effect.forkChild(tagOf(Winsock.send(client, new Uint8Array(8 * 1024 * 1024))), {
          startImmediately: true
        })
        const queued = yield* Effect.forkChild(tagOf(Winsock.send(client, bytesOf("x"))), { startImmediately: true })
        breakStreams(address, "WSAECONNRESET")
        assert.strictEqual(yield* Fiber.join(sending), "WSAECONNRESET")
        assert.strictEqual(yield* Fiber.join(queued), "WSAECONNRESET")
        assert.strictEqual(textOf(yield* Winsock.recv(client)), "last words")
        assert.strictEqual(yield* tagOf(Winsock.recv(client)), "WSAECONNRESET")
        assert.strictEqual(yield* tagOf(Winsock.shutdown(client, "send")), "WSAECONNRESET")
        assert.strictEqual(yield* tagOf(Winsock.WSAConnect(client, address)), "WSAEISCONN")
      }).pipe(onMemory))
  })

  describe("accept", () => {
    it.effect("A06: first come, first served; an acceptor that is interrupted takes nobody", () =>
      Effect.gen(function*() {
        const { address, listener } = yield* listening
        const fork = Effect.forkChild(Winsock.accept(listener), { startImmediately: true })
        const first = yield* fork
        const second = yield* fork
        yield* Fiber.interrupt(first)
        const a = yield* Winsock.socket(tcp)
        yield* Winsock.WSAConnect(a, address)
        const { remote } = yield* Fiber.join(second)
        assert.isTrue(SocketAddress.same(remote, yield* Winsock.getsockname(a)))
      }).pipe(onMemory))

    it.effect("A06: the new socket has the listener's options and is blocking as it is", () =>
      Effect.gen(function*() {
        const { address, listener } = yield* listening
        yield* Winsock.setsockopt(listener, SocketOption.SO_KEEPALIVE, true)
        yield* Winsock.ioctlsocket(listener, "FIONBIO", true)
        const client = yield* Winsock.socket(tcp)
        yield* Winsock.WSAConnect(client, address)
        const { socket } = yield* Winsock.accept(listener)
        assert.isTrue(yield* Winsock.getsockopt(socket, SocketOption.SO_KEEPALIVE))
        assert.strictEqual(yield* tagOf(Winsock.recv(socket)), "WSAEWOULDBLOCK")
      }).pipe(onMemory))

    it.effect("T38: callers beyond the backlog are refused", () =>
      Effect.gen(function*() {
        const listener = yield* Winsock.socket(tcp)
        yield* Winsock.bind(listener, "127.0.0.1:0")
        yield* Winsock.listen(listener, 2)
        const address = yield* Winsock.getsockname(listener)
        for (let i = 0; i < 2; i++) yield* Winsock.WSAConnect(yield* Winsock.socket(tcp), address)
        assert.strictEqual(yield* tagOf(Winsock.WSAConnect(yield* Winsock.socket(tcp), address)), "WSAECONNREFUSED")
      }).pipe(onMemory))
  })

  it.effect("asks the provider for its capabilities by the same kinds it was told of", () =>
    Effect.gen(function*() {
      const context = yield* Effect.context<Winsock.Winsock>()
      const { capabilities } = Context.get(context, Winsock.Winsock)
      const s = yield* Winsock.socket(tcp)
      assert.strictEqual(capabilities(s.kind), capabilities(s.kind))
      assert.isFalse(Provider.isFailure(capabilities(s.kind)))
    }).pipe(onMemory))
})
