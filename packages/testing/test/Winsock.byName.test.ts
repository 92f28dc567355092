import { SocketAddress, Winsock } from "@effect-winsock/core"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, type Scope } from "effect"
import type { AddressResolver } from "effect/net"

const run = <A, E>(
  body: (
    net: SimNetwork.Network
  ) => Effect.Effect<A, E, Winsock.Winsock | AddressResolver.AddressResolver | Scope.Scope>,
  version?: number
) =>
  Sim.run(Effect.gen(function*() {
    const net = yield* SimNetwork.make({
      hosts: {
        client: { addresses: ["10.0.0.1", "2001:db8::1"] },
        server: { addresses: ["10.0.0.2", "10.0.0.3", "2001:db8::2", "2001:db8::3"], names: ["db.internal"] }
      }
    })
    return yield* Effect.provide(Effect.scoped(body(net)), net.layerConnector("client", { version }))
  }))

const tcp = { family: "IPv4", type: "stream" } as const
const begin = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const listening = (at: SocketAddress.Input) =>
  Effect.gen(function*() {
    const family = SocketAddress.familyOf(SocketAddress.fromInputUnsafe(at))
    const listener = yield* Winsock.socket({ family, type: "stream" })
    yield* Winsock.bind(listener, at)
    yield* Winsock.listen(listener)
    return yield* Effect.never
  })

describe("WSAConnectByName", () => {
  it("A22: tries all addresses of the family, in their order, each for as long as it takes", () => {
    const report = run((net) =>
      Effect.gen(function*() {
        yield* net.run("server", listening("10.0.0.3:80"))
        net.blackhole("10.0.0.2:80")
        const s = yield* Winsock.socket(tcp)
        const { local, remote } = yield* Winsock.WSAConnectByName(s, "db.internal", "http")
        return [SocketAddress.format(remote), SocketAddress.format(local).replace(/:\d+$/, "")]
      })
    )
    assert.deepStrictEqual(Sim.getOrThrow(report), ["10.0.0.3:80", "10.0.0.1"])
    assert.strictEqual(Math.trunc(Duration.toSeconds(report.elapsed)), 131, "the time-out of the first one")
  })

  it("A22: puts what cannot be reached at the end", () => {
    const report = run((net) =>
      Effect.gen(function*() {
        yield* net.run("server", listening("[2001:db8::2]:443"))
        net.setName("db.internal", ["2a00::1", "2001:db8::2"])
        const s = yield* Winsock.socket({ family: "IPv6", type: "stream" })
        const { remote } = yield* Winsock.WSAConnectByName(s, "db.internal", "https")
        return SocketAddress.format(remote)
      })
    )
    assert.strictEqual(Sim.getOrThrow(report), "[2001:db8::2]:443")
    assert.strictEqual(Duration.toMillis(report.elapsed), 2, "one round trip, and no other attempt")
  })

  it("A22: fails as the last address did", () => {
    const report = run((net) =>
      Effect.gen(function*() {
        net.answer("10.0.0.2:80", ["WSAEHOSTUNREACH"])
        const error = yield* Effect.flip(Winsock.WSAConnectByName(yield* Winsock.socket(tcp), "db.internal", 80))
        return [error._tag, error.remote && SocketAddress.format(error.remote)]
      })
    )
    assert.deepStrictEqual(Sim.getOrThrow(report), ["WSAECONNREFUSED", "10.0.0.3:80"])
  })

  it("A22: knows the ports of services by name, in any case", () => {
    const report = run((net) =>
      Effect.gen(function*() {
        const s = yield* Winsock.socket(tcp)
        net.setName("db.internal", ["10.0.0.2"])
        return yield* Effect.forEach(["HTTP", "https", "postgresql", "00080", "0"], (service) =>
          Effect.map(
            Effect.flip(Winsock.WSAConnectByName(s, "db.internal", service, { timeout: "1 minute" })),
            (error) => error.remote === undefined ? error._tag : SocketAddress.portOf(error.remote)
          ))
      })
    )
    // The first attempt has bound the socket.
    assert.deepStrictEqual(Sim.getOrThrow(report), [80, "WSAEINVAL", "WSAEINVAL", "WSAEINVAL", "WSAEINVAL"])
    const ports = run(() =>
      Effect.forEach(
        ["HTTP", "https", "postgresql", "00080", "0"],
        (service) =>
          Effect.flatMap(Winsock.socket(tcp), (s) =>
            Effect.map(
              Effect.flip(Winsock.WSAConnectByName(s, "10.0.0.2", service)),
              (error) => [error._tag, error.remote && SocketAddress.portOf(error.remote)]
            ))
      )
    )
    assert.deepStrictEqual(Sim.getOrThrow(ports), [
      ["WSAECONNREFUSED", 80],
      ["WSAECONNREFUSED", 443],
      ["WSAECONNREFUSED", 5432],
      ["WSAECONNREFUSED", 80],
      ["WSAEADDRNOTAVAIL", 0]
    ])
  })

  it("E04: ends with WSAEINTR where the socket is closed while its name is looked up", () => {
    const report = run((net) =>
      Effect.gen(function*() {
        net.slowName("db.internal", "1 second")
        const s = yield* Winsock.socket(tcp)
        const waiting = yield* begin(Effect.flip(Winsock.WSAConnectByName(s, "db.internal", 80)))
        yield* Winsock.closesocket(s)
        return (yield* Fiber.join(waiting))._tag
      })
    )
    assert.strictEqual(Sim.getOrThrow(report), "WSAEINTR")
  })

  it("A22: leaves nothing behind where it is interrupted while the name is looked up", () => {
    const report = run((net) =>
      Effect.gen(function*() {
        net.slowName("db.internal", "1 hour")
        const s = yield* Winsock.socket(tcp)
        yield* Effect.timeoutOption(Winsock.WSAConnectByName(s, "db.internal", 80), "1 second")
        return [net.counts().handles, (yield* Effect.flip(Winsock.WSAConnect(s, "10.0.0.2:80")))._tag]
      })
    )
    assert.deepStrictEqual(Sim.getOrThrow(report), [1, "WSAECONNREFUSED"])
    assert.isBelow(Duration.toSeconds(report.elapsed), 2)
  })

  it("E05: in version 1.1 the look-up keeps others off, and is cancelled as any blocking call", () => {
    const report = run((net) =>
      Effect.gen(function*() {
        net.slowName("db.internal", "1 minute")
        const s = yield* Winsock.socket(tcp)
        const waiting = yield* begin(Effect.flip(Winsock.WSAConnectByName(s, "db.internal", 80)))
        const other = yield* Effect.flip(Winsock.socket(tcp))
        yield* Winsock.WSACancelBlockingCall
        const cancelled = yield* Fiber.join(waiting)
        return [other._tag, cancelled._tag, cancelled.call]
      }), Winsock.MAKEWORD(1, 1))
    assert.deepStrictEqual(Sim.getOrThrow(report), ["WSAEINPROGRESS", "WSAEINTR", "WSAConnectByName"])
    assert.strictEqual(Duration.toMillis(report.elapsed), 0)
  })

  it("E05: in version 1.1 several addresses are sorted all the same", () => {
    const report = run((net) =>
      Effect.gen(function*() {
        yield* net.run("server", listening("[2001:db8::2]:80"))
        net.setName("db.internal", ["2a00::1", "2001:db8::2"])
        const s = yield* Winsock.socket({ family: "IPv6", type: "stream" })
        return SocketAddress.format((yield* Winsock.WSAConnectByName(s, "db.internal", 80)).remote)
      }), Winsock.MAKEWORD(1, 1))
    assert.strictEqual(Sim.getOrThrow(report), "[2001:db8::2]:80")
    assert.strictEqual(Duration.toMillis(report.elapsed), 2)
  })
})
