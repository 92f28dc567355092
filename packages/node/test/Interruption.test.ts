import { SocketAddress, Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Random, type Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { pair } from "../../testing/test/utils/pair.ts"
import { blackHole } from "./utils/blackHole.ts"
import { heapUsed, leavingNothing, turns } from "./utils/leaks.ts"

const rounds = Number(process.env.WINSOCK_INTERRUPTED_CONNECTS ?? 10_000)

/** They are made in so many parts, and after each one no more memory may be in use than after the first, and this. */
const parts = 5
const flat = 1024 * 1024

const stream = { family: "IPv4", type: "stream" } as const
const unix = { family: "Unix", type: "stream" } as const

/** A listener whose callers are accepted and let go, for as long as the scope lasts. */
const acceptingAt = (kind: typeof stream | typeof unix, address: SocketAddress.Input) =>
  Effect.gen(function*() {
    const listener = yield* Winsock.socket(kind)
    yield* Winsock.bind(listener, address)
    yield* Winsock.listen(listener, 1024)
    yield* Winsock.accept(listener).pipe(
      Effect.flatMap(({ socket }) => Effect.ignore(Winsock.closesocket(socket))),
      Effect.scoped,
      Effect.forever,
      Effect.forkScoped
    )
    return SocketAddress.format(yield* Winsock.getsockname(listener))
  })

const accepting = acceptingAt(stream, "127.0.0.1:0")

/** Lets the peer close first, so that TIME_WAIT is at its port and not at ours, which a later round may get. */
const goodbye = (s: Winsock.Socket) => Effect.map(Winsock.recv(s), (bytes) => assert.strictEqual(bytes.length, 0))

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(path.join(tmpdir(), "winsock-"))),
  (name) => Effect.sync(() => rmSync(name, { recursive: true }))
)

/** Somebody who answers, somebody who refuses, and, where there can be one, somebody who says nothing. */
interface Peers {
  readonly live: string
  readonly dead: string
  readonly silent: string | undefined
}

const overTcp: Effect.Effect<Peers, any, Winsock.Winsock | Scope.Scope> = Effect.gen(function*() {
  const closed = yield* Winsock.socket(stream)
  yield* Winsock.bind(closed, "127.0.0.1:0")
  return {
    live: yield* accepting,
    dead: SocketAddress.format(yield* Winsock.getsockname(closed)),
    silent: yield* blackHole
  }
})

const overUnix: Effect.Effect<Peers, any, Winsock.Winsock | Scope.Scope> = Effect.gen(function*() {
  const at = yield* directory
  return { live: yield* acceptingAt(unix, `unix:${at}/live`), dead: `unix:${at}/dead`, silent: undefined }
})

const pickPeer = ({ dead, live, silent }: Peers) =>
  Effect.gen(function*() {
    const all = silent === undefined ? [live, dead] : [live, silent, dead]
    return all[yield* Random.nextIntBetween(0, all.length - 1)]!
  })

/** Any moment of an attempt, from before it has begun until well after its end. */
const anyMoment = Effect.gen(function*() {
  const moment = yield* Random.nextIntBetween(0, 6)
  if (moment === 1) yield* Effect.yieldNow
  if (moment > 1) yield* turns(moment - 1)
})

class Seen {
  interrupted = 0
  connected = 0
  failed = 0
  samePort = 0
}

type Round = (peers: Peers, seen: Seen) => Effect.Effect<void, any, Winsock.Winsock | Scope.Scope>

const interruptedConnect = (kind: typeof stream | typeof unix): Round => (peers, seen) =>
  Effect.gen(function*() {
    const target = yield* pickPeer(peers)
    const s = yield* Winsock.socket(kind)
    // Linux gives back a port that was asked for. One that it chose for a connect it shares with other
    // connections, of which this machine may have many: then another has to do. (The conformance suite shows
    // R26 for these too, in a network of its own.)
    const bound = kind === stream && (yield* Random.nextBoolean)
    if (bound) yield* Winsock.bind(s, "127.0.0.1:0")
    const fiber = yield* Effect.forkChild(Winsock.WSAConnect(s, target), {
      startImmediately: yield* Random.nextBoolean
    })
    yield* anyMoment
    const exit = yield* Fiber.interrupt(fiber).pipe(Effect.andThen(Fiber.await(fiber)))
    if (Exit.isSuccess(exit)) {
      seen.connected++
      return yield* goodbye(s)
    }
    if (Exit.hasInterrupts(exit)) seen.interrupted++
    else seen.failed++
    // R26: it is as after a refusal: the same socket connects, from the port it has.
    const before = yield* Effect.option(Winsock.getsockname(s))
    yield* Winsock.WSAConnect(s, peers.live)
    if (bound) {
      seen.samePort++
      assert.deepStrictEqual(before, Option.some(yield* Winsock.getsockname(s)))
    }
    yield* goodbye(s)
  })

/** The attempt is the socket's: whoever began it or waits for it goes, and only the end of the socket is its end. */
const abandonedConnect = (kind: typeof stream | typeof unix): Round => (peers, seen) =>
  Effect.gen(function*() {
    const target = yield* pickPeer(peers)
    const s = yield* Winsock.socket(kind)
    yield* Winsock.ioctlsocket(s, "FIONBIO", true)
    const connect = Effect.catchTag(
      Winsock.WSAConnect(s, target),
      "WSAEWOULDBLOCK",
      () => Winsock.connectResult(s, { wait: true })
    )
    const fiber = yield* Effect.forkChild(connect, { startImmediately: yield* Random.nextBoolean })
    yield* anyMoment
    // By closing it, or by leaving its scope, which comes next.
    if (yield* Random.nextBoolean) {
      if (yield* Random.nextBoolean) yield* Winsock.closesocket(s)
      seen.interrupted++
      return
    }
    const exit = yield* Fiber.interrupt(fiber).pipe(Effect.andThen(Fiber.await(fiber)))
    if (Exit.isSuccess(exit)) seen.connected++
    else if (!Exit.hasInterrupts(exit)) seen.failed++
    const begun = yield* Effect.exit(Winsock.connectResult(s))
    if (Exit.isSuccess(begun)) return
    const { error } = begun.cause.reasons.find((reason) => reason._tag === "Fail")!
    switch (error._tag) {
      case "WSAENOTCONN":
        // It was interrupted before it had begun.
        assert.isTrue(Exit.hasInterrupts(exit))
        return
      case "WSAEALREADY":
        seen.interrupted++
        assert.isTrue(Exit.hasInterrupts(exit))
        // It goes on.
        if (target === peers.silent) return
        assert.strictEqual(
          Exit.isSuccess(yield* Effect.exit(Winsock.connectResult(s, { wait: true }))),
          target === peers.live
        )
        return
      default:
        assert.strictEqual(target, peers.dead)
    }
  })

const ways = [
  { name: "over TCP", peers: overTcp, round: interruptedConnect(stream), rounds },
  { name: "over Unix sockets", peers: overUnix, round: interruptedConnect(unix), rounds },
  { name: "non-blocking over TCP", peers: overTcp, round: abandonedConnect(stream), rounds: rounds / 2 },
  { name: "non-blocking over Unix sockets", peers: overUnix, round: abandonedConnect(unix), rounds: rounds / 2 }
]

describe("Interruption", () => {
  it.live.each(ways)(
    "R26: $rounds connects $name that are given up at random moments leave nothing behind",
    ({ name, peers, round, rounds }) =>
      leavingNothing(Effect.gen(function*() {
        const seen = new Seen()
        const used: Array<number> = []
        yield* Effect.gen(function*() {
          const met = yield* peers
          const one = Effect.scoped(Effect.suspend(() => round(met, seen)))
          for (let part = 0; part < parts; part++) {
            yield* Effect.forEach(Array.from({ length: Math.ceil(rounds / parts) }), () => one, {
              concurrency: 8,
              discard: true
            })
            yield* turns(3)
            used.push(yield* heapUsed)
          }
        }).pipe(Effect.scoped, Effect.provide(NodeWinsock.layer), Random.withSeed(name))

        // Every way out was met, or the test shows nothing.
        assert.isAbove(seen.interrupted, rounds / 10)
        assert.isAbove(seen.connected, rounds / 50)
        assert.isAbove(seen.failed, rounds / 50)
        if (name === "over TCP") assert.isAbove(seen.samePort, rounds / 10)
        for (const bytes of used.slice(1)) assert.isBelow(bytes - used[0]!, flat, used.join(" "))
      })),
    120_000
  )

  it.live("R26: after an interruption the same socket connects from the same port, also to the same peer", () =>
    Effect.gen(function*() {
      const live = yield* accepting
      const s = yield* Winsock.socket(stream)
      yield* Winsock.bind(s, "127.0.0.1:0")
      const local = yield* Winsock.getsockname(s)
      for (let i = 0; i < 20; i++) {
        // Linux has established it by now, and Node has not looked yet.
        const fiber = yield* Effect.forkChild(Winsock.WSAConnect(s, live), { startImmediately: true })
        yield* Fiber.interrupt(fiber)
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      }
      yield* Winsock.WSAConnect(s, live)
      assert.strictEqual(SocketAddress.format(yield* Winsock.getsockname(s)), SocketAddress.format(local))
    }).pipe(Effect.scoped, Effect.provide(NodeWinsock.layer)))

  it.live("A11: a send that is interrupted breaks the connection, and a receive that is changes nothing", () =>
    Effect.gen(function*() {
      const { client, listener, server } = yield* pair

      const receiving = yield* Effect.forkChild(Winsock.recv(client), { startImmediately: true })
      yield* Fiber.interrupt(receiving)
      yield* Winsock.send(server, new Uint8Array([1]))
      assert.deepStrictEqual(Array.from(yield* Winsock.recv(client)), [1])

      const sending = yield* Effect.forkChild(Winsock.send(client, new Uint8Array(64 * 1024 * 1024)), {
        startImmediately: true
      })
      yield* Fiber.interrupt(sending)
      assert.strictEqual((yield* Effect.flip(Winsock.send(client, new Uint8Array(1))))._tag, "WSAECONNABORTED")
      assert.strictEqual((yield* Effect.flip(Winsock.recv(client)))._tag, "WSAECONNABORTED")
      assert.strictEqual(
        (yield* Effect.flip(Winsock.WSAConnect(client, yield* Winsock.getsockname(listener))))._tag,
        "WSAEISCONN"
      )
      const drained = yield* Winsock.recv(server).pipe(Effect.forever, Effect.flip)
      assert.strictEqual(drained._tag, "WSAECONNRESET")
    }).pipe(Effect.scoped, Effect.provide(NodeWinsock.layer)))
})
