import { HappyEyeballs, SocketAddress, Winsock, WsaError } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { once } from "node:events"
import * as net from "node:net"
import { blackHole, silentPair } from "./utils/blackHole.ts"
import { leavingNothing } from "./utils/leaks.ts"

const at = SocketAddress.fromInputUnsafe

const connect = (address: SocketAddress.SocketAddress) =>
  Effect.gen(function*() {
    const s = yield* Winsock.socket({ family: SocketAddress.familyOf(address), type: "stream" })
    const { remote } = yield* Winsock.WSAConnect(s, address)
    return SocketAddress.format(remote)
  })

/** A port that somebody listens on; freed again, it refuses. */
const listening = (address: string) =>
  Effect.gen(function*() {
    const s = yield* Winsock.socket({ family: SocketAddress.familyOf(at(address)), type: "stream" })
    yield* Winsock.bind(s, address)
    yield* Winsock.listen(s)
    return SocketAddress.format(yield* Winsock.getsockname(s))
  })

const race = (...addresses: ReadonlyArray<string>) =>
  HappyEyeballs.race(addresses.map(at), connect, { preferredFamily: "first" })

const live = <A, E>(program: Effect.Effect<A, E, Winsock.Winsock>) =>
  leavingNothing(Effect.provide(program, NodeWinsock.layer))

describe("HappyEyeballs, live", () => {
  it.live("goes on where an address refuses, and leaves nothing but the winner", () =>
    live(Effect.scoped(Effect.gen(function*() {
      const open = yield* listening("127.0.0.1:0")
      const refusing = yield* Effect.scoped(listening("[::1]:0"))
      assert.strictEqual(yield* race(refusing, open), open)
    }))))

  it.live("goes on where an address does not answer: after a quarter of a second", () =>
    live(Effect.scoped(Effect.gen(function*() {
      const silent = yield* blackHole
      const open = yield* listening("127.0.0.1:0")
      const from = performance.now()
      assert.strictEqual(yield* race(silent, open), open)
      assert.isAtLeast(performance.now() - from, 249)
    }))))

  it.live("fails with the most telling of all failures, and carries them", () =>
    live(Effect.gen(function*() {
      const refusing = yield* Effect.scoped(Effect.all([listening("127.0.0.1:0"), listening("[::1]:0")]))
      const binds = (address: SocketAddress.SocketAddress) =>
        Effect.gen(function*() {
          const s = yield* Winsock.socket({ family: SocketAddress.familyOf(address), type: "stream" })
          if (SocketAddress.familyOf(address) === "IPv6") yield* Winsock.bind(s, "[2001:db8::1]:0")
          yield* Winsock.WSAConnect(s, address)
        })
      const error = yield* Effect.flip(Effect.scoped(HappyEyeballs.race(refusing.map(at), binds)))
      assert.instanceOf(error, WsaError.WSAECONNREFUSED)
      assert.deepStrictEqual(
        error.attempts?.map(({ address, code, native, stage }) => [
          SocketAddress.format(address),
          stage,
          code,
          native?.code
        ]),
        [
          [refusing[1], "bind", "WSAEADDRNOTAVAIL", "EADDRNOTAVAIL"],
          [refusing[0], "connect", "WSAECONNREFUSED", "ECONNREFUSED"]
        ]
      )
    })))

  it.live("leaves nothing when it is interrupted while two run", () =>
    live(Effect.scoped(Effect.gen(function*() {
      const silent = [yield* blackHole, yield* blackHole]
      const second = yield* Deferred.make<void>()
      const both = yield* Effect.forkChild(Effect.scoped(HappyEyeballs.race(silent.map(at), (address) =>
        Effect.andThen(
          SocketAddress.format(address) === silent[1] ? Deferred.succeed(second, undefined) : Effect.void,
          connect(address)
        ))))
      yield* Deferred.await(second)
      yield* Fiber.interrupt(both)
    }))))

  // The first address answers to the second SYN, a second after the first one; the last one never does.
  it.live("reaches a peer whose first address is slow and whose last one is silent, which Node's own choice does not", () =>
    Effect.scoped(Effect.gen(function*() {
      const slow = yield* silentPair
      const addresses = [{ address: "127.0.0.1", family: 4 }, { address: "::1", family: 6 }]
      const node = yield* Effect.acquireRelease(
        Effect.sync(() =>
          net.connect({
            host: "peer.example",
            port: slow.port,
            autoSelectFamily: true,
            lookup: (_name, _options, callback) => callback(null, addresses)
          }).on("error", () => {})
        ),
        (socket) => Effect.sync(() => socket.destroy())
      )
      const abandoned = once(node, "connectionAttemptTimeout")
      const ours = yield* Effect.forkChild(Effect.provide(
        Effect.scoped(race(`127.0.0.1:${slow.port}`, `[::1]:${slow.port}`)),
        NodeWinsock.layer
      ))
      const [given] = yield* Effect.promise(() => abandoned)
      assert.strictEqual(given, "127.0.0.1")
      yield* slow.wake
      assert.strictEqual(yield* Fiber.join(ours), `127.0.0.1:${slow.port}`)
      // Its only attempt is the one to the silent address.
      assert.isTrue(node.connecting)
      yield* Effect.sleep("1500 millis")
      assert.isTrue(node.connecting)
    })))
})
