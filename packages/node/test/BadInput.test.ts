import { SocketAddress, SocketOption, Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Scope } from "effect"
import { AddressResolver, Dns } from "effect/net"
import { pair } from "../../testing/test/utils/pair.ts"
import { resources } from "./utils/resources.ts"

const tcp = { family: "IPv4", type: "stream" } as const
const udp = { family: "IPv4", type: "datagram" } as const
const unix = { family: "Unix", type: "stream" } as const

/** What a caller without types may hand over. */
const untyped = (value: unknown) => value as never

/** The tag with which it fails, and that it says what would be right. */
const tagOf = <A, E extends { readonly _tag: string; readonly detail?: string | undefined }, R>(
  effect: Effect.Effect<A, E, R>
) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.isString(error.detail, error._tag)
    return error._tag
  })

const layers = [["node", NodeWinsock.layer], ["memory", Memory.layer()]] as const

describe.each(layers)("Bad input on %s", (name, layer) => {
  const test = <E>(title: string, body: Effect.Effect<void, E, Winsock.Winsock | Scope.Scope>) =>
    it.live(title, () =>
      Effect.gen(function*() {
        const before = resources()
        yield* body.pipe(Effect.scoped, Effect.provide(layer))
        if (name === "node") assert.isAtMost(resources().socketDescriptors!, before.socketDescriptors!)
      }))

  test(
    "E10: an address that does not decode is WSAEFAULT, and the socket stays as it was",
    Effect.gen(function*() {
      const s = yield* Winsock.socket(tcp)
      const hostile = new Proxy({}, {
        get: () => {
          throw new Error("hostile")
        }
      })
      const malformed = [
        "",
        "127.0.0.1",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "example.org:80",
        "[::1]",
        "unix:" + "x".repeat(108),
        { address: "127.0.0.1", port: 1.5 },
        { address: "127.0.0.1", port: Number.NaN },
        { address: "300.0.0.1", port: 1 },
        { path: "a\0b" },
        { path: 7 },
        {},
        [],
        null,
        undefined,
        80,
        Symbol("address"),
        hostile
      ]
      for (const address of malformed) {
        assert.strictEqual(yield* tagOf(Winsock.WSAConnect(s, untyped(address))), "WSAEFAULT")
        assert.strictEqual(yield* tagOf(Winsock.bind(s, untyped(address))), "WSAEFAULT")
        assert.strictEqual(yield* tagOf(Winsock.WSAConnectByList(s, [untyped(address)])), "WSAEFAULT")
      }
      assert.strictEqual(yield* tagOf(Winsock.getsockname(s)), "WSAEINVAL")
      const datagram = yield* Winsock.socket(udp)
      for (const address of malformed) {
        assert.strictEqual(yield* tagOf(Winsock.sendto(datagram, new Uint8Array(1), untyped(address))), "WSAEFAULT")
      }
      assert.strictEqual(yield* tagOf(Winsock.getsockname(datagram)), "WSAEINVAL")
    })
  )

  test(
    "E08: an address of another family is WSAEAFNOSUPPORT",
    Effect.gen(function*() {
      const s = yield* Winsock.socket(tcp)
      for (const address of ["[::1]:80", "unix:/tmp/s", untyped({ family: "AppleTalk", address: "1", port: 1 })]) {
        assert.strictEqual(yield* tagOf(Winsock.WSAConnect(s, address)), "WSAEAFNOSUPPORT")
        assert.strictEqual(yield* tagOf(Winsock.bind(s, address)), "WSAEAFNOSUPPORT")
      }
    })
  )

  test(
    "R03, E07: the all-zero address and port 0 are no peers of a stream",
    Effect.gen(function*() {
      const s = yield* Winsock.socket(tcp)
      for (const address of ["0.0.0.0:80", "0.0.0.0:0", "127.0.0.1:0"]) {
        assert.strictEqual(yield* tagOf(Winsock.WSAConnect(s, address)), "WSAEADDRNOTAVAIL")
      }
      const local = yield* Winsock.socket(unix)
      assert.strictEqual(yield* tagOf(Winsock.WSAConnect(local, "unix:")), "WSAEADDRNOTAVAIL")
      assert.strictEqual(yield* tagOf(Winsock.bind(local, "unix:")), "WSAEADDRNOTAVAIL")
    })
  )

  test(
    "E10: a path that is too long is WSAEFAULT",
    Effect.gen(function*() {
      const s = yield* Winsock.socket(unix)
      for (const path of ["/" + "x".repeat(107), "/" + "ü".repeat(54), "\0" + "x".repeat(108)]) {
        assert.strictEqual(yield* tagOf(Winsock.WSAConnect(s, { path })), "WSAEFAULT")
        assert.strictEqual(yield* tagOf(Winsock.bind(s, { path })), "WSAEFAULT")
      }
    })
  )

  test(
    "E15: a closed handle and a forged one are WSAENOTSOCK in every call",
    Effect.gen(function*() {
      const closed = yield* Winsock.socket(tcp)
      yield* Winsock.closesocket(closed)
      const forged = [
        untyped({ kind: { family: "IPv4", type: "stream", direction: "both" } }),
        untyped(Object.create(Object.getPrototypeOf(closed))),
        untyped(Object.assign(Object.create(Object.getPrototypeOf(closed)), closed)),
        untyped(new Proxy(closed, {})),
        untyped(null),
        untyped(undefined),
        untyped(3)
      ]
      for (const s of [closed, ...forged]) {
        const calls: ReadonlyArray<
          Effect.Effect<unknown, { readonly _tag: string; readonly detail?: string | undefined }, Scope.Scope>
        > = [
          Winsock.bind(s, "127.0.0.1:0"),
          Winsock.connect(s, "127.0.0.1:1"),
          Winsock.WSAConnect(s, "127.0.0.1:1"),
          Winsock.WSAConnectByList(s, ["127.0.0.1:1"]),
          Effect.provideService(
            Winsock.WSAConnectByName(s, "127.0.0.1", 1),
            AddressResolver.AddressResolver,
            AddressResolver.make(Dns.make({ lookup: () => Effect.die(new Error("a name was looked up")) }))
          ),
          Winsock.connectResult(s),
          Winsock.connectResult(s, { wait: true }),
          Winsock.listen(s),
          Winsock.accept(s),
          Winsock.send(s, new Uint8Array(1)),
          Winsock.sendto(s, new Uint8Array(1), "127.0.0.1:1"),
          Winsock.recv(s),
          Winsock.recvfrom(s),
          Winsock.shutdown(s, "both"),
          Winsock.getsockname(s),
          Winsock.getpeername(s),
          Winsock.getsockopt(s, SocketOption.SO_TYPE),
          Winsock.setsockopt(s, SocketOption.TCP_NODELAY, true),
          Winsock.ioctlsocket(s, "FIONBIO", true),
          Winsock.closesocket(s)
        ]
        for (const call of calls) assert.strictEqual(yield* tagOf(call), "WSAENOTSOCK")
      }
    })
  )

  test(
    "A08: bytes after a shutdown are WSAESHUTDOWN, and the other direction goes on",
    Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* Winsock.shutdown(client, "send")
      assert.strictEqual(yield* tagOf(Winsock.send(client, new Uint8Array(1))), "WSAESHUTDOWN")
      assert.strictEqual((yield* Winsock.recv(server)).length, 0)
      yield* Winsock.send(server, new Uint8Array([7]))
      assert.deepStrictEqual(Array.from(yield* Winsock.recv(client)), [7])
    })
  )

  test(
    "A08: a send of 100 MiB to a peer that never reads waits, copies nothing, and can be interrupted",
    Effect.gen(function*() {
      const { client, server } = yield* pair
      const bytes = new Uint8Array(100 * 1024 * 1024)
      const before = process.memoryUsage()
      const sending = yield* Effect.forkChild(Winsock.send(client, bytes), { startImmediately: true })
      // The peer takes what its window holds and no more: a byte the other way goes round the loop many times.
      for (let i = 0; i < 50; i++) {
        yield* Winsock.send(server, new Uint8Array(1))
        yield* Winsock.recv(client)
      }
      assert.isUndefined(sending.pollUnsafe())
      const after = process.memoryUsage()
      assert.isBelow(after.arrayBuffers - before.arrayBuffers, 16 * 1024 * 1024)
      assert.isBelow(after.external - before.external, 16 * 1024 * 1024)
      yield* Fiber.interrupt(sending)
      assert.strictEqual((yield* Effect.flip(Winsock.send(client, bytes)))._tag, "WSAECONNABORTED")
    })
  )

  test(
    "A09: a datagram over the limit is WSAEMSGSIZE, and nothing is sent",
    Effect.gen(function*() {
      const s = yield* Winsock.socket(udp)
      yield* Winsock.bind(s, "127.0.0.1:0")
      const own = yield* Winsock.getsockname(s)
      const limit = yield* Winsock.getsockopt(s, SocketOption.SO_MAX_MSG_SIZE)
      assert.strictEqual(yield* tagOf(Winsock.sendto(s, new Uint8Array(limit + 1), own)), "WSAEMSGSIZE")
      assert.strictEqual(yield* Winsock.sendto(s, new Uint8Array(limit), own), limit)
      assert.strictEqual((yield* Winsock.recvfrom(s)).bytes.length, limit)
    })
  )

  test(
    "R16, E17, E10: what goes along with a connect and cannot is refused with nothing half-applied",
    Effect.gen(function*() {
      const s = yield* Winsock.socket(tcp)
      const to = "127.0.0.1:9"
      const bytes = new Uint8Array(1)
      const promised = { sending: { serviceType: "guaranteed", tokenRate: 16_000, latency: 1 } } as const
      const cases = [
        [{ callerData: bytes }, "WSAEPROTONOSUPPORT"],
        [{ callerData: untyped("text") }, "WSAEPROTONOSUPPORT"],
        [{ calleeData: -1 }, "WSAEFAULT"],
        [{ calleeData: 1.5 }, "WSAEFAULT"],
        [{ calleeData: untyped("8") }, "WSAEFAULT"],
        [{ sqos: untyped({ sending: { serviceType: "teleport" } }) }, "WSAEFAULT"],
        [{ gqos: untyped(7) }, "WSAEFAULT"],
        [{ sqos: promised }, "WSAEOPNOTSUPP"]
      ] as const
      for (const [options, tag] of cases) assert.strictEqual(yield* tagOf(Winsock.WSAConnect(s, to, options)), tag)
      assert.strictEqual(yield* tagOf(Winsock.getsockname(s)), "WSAEINVAL")
      // R11: on datagrams user data is nothing, a QOS is not.
      const d = yield* Winsock.socket(udp)
      yield* Winsock.WSAConnect(d, to, { callerData: untyped("text"), calleeData: -1 })
      assert.strictEqual(yield* tagOf(Winsock.WSAConnect(d, to, { sqos: promised })), "WSAEOPNOTSUPP")
      assert.strictEqual(SocketAddress.format(yield* Winsock.getpeername(d)), to)
    })
  )

  test(
    "A01, A10, A14, A15: values that a typed caller cannot give are codes, not defects",
    Effect.gen(function*() {
      assert.strictEqual(
        yield* tagOf(Winsock.socket(untyped({ family: "IPv4", type: "raw" }))),
        "WSAESOCKTNOSUPPORT"
      )
      assert.strictEqual(
        yield* tagOf(Winsock.socket(untyped({ family: "IPX", type: "stream" }))),
        "WSAEAFNOSUPPORT"
      )
      assert.strictEqual(
        yield* tagOf(Winsock.socket({ family: "IPv4", type: "stream", protocol: untyped("sctp") })),
        "WSAEPROTONOSUPPORT"
      )
      const s = yield* Winsock.socket(tcp)
      assert.strictEqual(yield* tagOf(Winsock.shutdown(s, untyped("sideways"))), "WSAEINVAL")
      assert.strictEqual(yield* tagOf(Winsock.ioctlsocket(s, untyped("FIOWHAT"), true)), "WSAEINVAL")
      assert.strictEqual(yield* tagOf(Winsock.ioctlsocket(s, "FIONBIO", untyped(2))), "WSAEINVAL")
      assert.strictEqual(yield* tagOf(Winsock.setsockopt(s, SocketOption.SO_BROADCAST, true)), "WSAENOPROTOOPT")
      assert.strictEqual(
        yield* tagOf(Winsock.setsockopt(s, untyped(SocketOption.SO_TYPE), untyped(1))),
        "WSAENOPROTOOPT"
      )
      assert.strictEqual(yield* tagOf(Winsock.setsockopt(s, SocketOption.TCP_NODELAY, untyped("yes"))), "WSAEFAULT")
      assert.strictEqual(yield* tagOf(Winsock.getsockopt(s, untyped({ name: "SO_WHAT" }))), "WSAENOPROTOOPT")
      assert.strictEqual(yield* tagOf(Winsock.getsockopt(s, untyped(null))), "WSAENOPROTOOPT")
      yield* Winsock.bind(s, "127.0.0.1:0")
      assert.strictEqual(yield* tagOf(Winsock.listen(s, untyped("many"))), "WSAEINVAL")
      const { client } = yield* pair
      assert.strictEqual(yield* tagOf(Winsock.send(client, untyped("text"))), "WSAEFAULT")
      assert.strictEqual(yield* tagOf(Winsock.recv(client, untyped("text"))), "WSAEFAULT")
      for (const length of [-1, 0.5, Number.NaN, Infinity]) {
        assert.strictEqual(yield* tagOf(Winsock.recv(client, length)), "WSAEFAULT")
        assert.strictEqual(yield* tagOf(Winsock.recvfrom(client, length)), "WSAEFAULT")
      }
      // In the order of errors what is no socket comes first.
      yield* Winsock.closesocket(client)
      assert.strictEqual(yield* tagOf(Winsock.send(client, untyped("text"))), "WSAENOTSOCK")
      assert.strictEqual(yield* tagOf(Winsock.recv(client, -1)), "WSAENOTSOCK")
    })
  )
})
