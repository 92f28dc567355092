import { NetworkEvent, type Provider, Winsock } from "@effect-winsock/core"
import { NodeProvider } from "@effect-winsock/node"
import { Memory } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { type Cause, Deferred, Effect, Exit, Fiber, Layer, Random, type Scope, Stream } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { pair } from "../../testing/test/utils/pair.ts"
import { blackHole } from "./utils/blackHole.ts"
import { late } from "./utils/late.ts"
import { heapUsed, leavingNothing, turns } from "./utils/leaks.ts"
import { makeWorld, type Scene, type Situation, situations, type World } from "./utils/scenes.ts"

const rounds = Number(process.env.WINSOCK_CANCELLED_CALLS ?? 1000)

const stream = { family: "IPv4", type: "stream" } as const
const datagram = { family: "IPv4", type: "datagram" } as const
const version1 = { version: Winsock.MAKEWORD(1, 1) }

/** Begins a call, which waits by the time this returns. */
const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkChild(call, { startImmediately: true })

const run = <A, E>(
  program: Effect.Effect<A, E, Winsock.Winsock | Scope.Scope>,
  options?: { readonly version?: number | undefined }
) =>
  program.pipe(
    Effect.scoped,
    Effect.provide(Layer.suspend(() => Winsock.layer(late(Memory.make().provider), options)))
  )

const bound = Effect.gen(function*() {
  const s = yield* Winsock.socket(datagram)
  yield* Winsock.bind(s, "127.0.0.1:0")
  return { s, at: yield* Winsock.getsockname(s) }
})

describe("what ends a call that waits", () => {
  it.live("E04: a call that is cancelled twice, or by someone who is interrupted meanwhile, ends with WSAEINTR", () =>
    run(
      Effect.gen(function*() {
        const { at, s } = yield* bound
        for (const cancellers of [1, 2]) {
          const sending = yield* begin(Effect.flip(Winsock.sendto(s, new Uint8Array(1), at)))
          const cancelling = yield* Effect.forEach(
            Array.from({ length: cancellers }),
            () => begin(Winsock.WSACancelBlockingCall)
          )
          if (cancellers === 1) yield* Fiber.interrupt(cancelling[0]!)
          for (const one of cancelling) yield* Fiber.await(one)
          assert.strictEqual((yield* Fiber.join(sending))._tag, "WSAEINTR")
        }
      }),
      version1
    ))

  it.live("E04: a call that is cancelled and interrupted at once ends", () =>
    run(
      Effect.gen(function*() {
        const { at, s } = yield* bound
        const sending = yield* begin(Winsock.sendto(s, new Uint8Array(1), at))
        const cancelling = yield* begin(Winsock.WSACancelBlockingCall)
        yield* Fiber.interrupt(sending)
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(sending)))
        yield* Fiber.join(cancelling)
      }),
      version1
    ))

  it.live("E05: one call blocks, also where another one's fiber gave way between its looking and its waiting", () =>
    run(
      Effect.gen(function*() {
        const { s } = yield* bound
        for (let left = 0; left < 10; left++) {
          // The fiber has so many steps left before it gives way.
          const receive = Effect.withFiber((fiber) => {
            ;(fiber as { currentOpCount: number }).currentOpCount = fiber.cache.maxOpsBeforeYield - left
            return Winsock.recv(s)
          })
          const calls = yield* Effect.forEach([1, 2], () => begin(Effect.flip(receive)))
          yield* turns(2)
          yield* Winsock.WSACancelBlockingCall
          const codes: Array<string> = []
          for (const call of calls) codes.push((yield* Fiber.join(call))._tag)
          assert.deepStrictEqual(codes.sort(), ["WSAEINPROGRESS", "WSAEINTR"])
        }
      }),
      version1
    ))

  it.live("A11: closing the listener ends a WSAAccept whose condition goes on for ever", () =>
    run(Effect.gen(function*() {
      const listener = yield* Winsock.socket(stream)
      yield* Winsock.bind(listener, "127.0.0.1:0")
      yield* Winsock.listen(listener)
      const interrupted = yield* Deferred.make<void>()
      const running = yield* Deferred.make<void>()
      const accepting = yield* begin(Effect.flip(Winsock.WSAAccept(
        listener,
        () =>
          Effect.andThen(Deferred.succeed(running, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          )
      )))
      const client = yield* Winsock.socket(stream)
      yield* Winsock.WSAConnect(client, yield* Winsock.getsockname(listener))
      yield* Deferred.await(running)
      yield* Winsock.closesocket(listener)
      assert.strictEqual((yield* Fiber.join(accepting))._tag, "WSAEINTR")
      yield* Deferred.await(interrupted)
      assert.strictEqual((yield* Effect.flip(Winsock.recv(client)))._tag, "WSAECONNRESET")
    })))

  it.live("A20: messages that two fibers read end for both", () =>
    run(Effect.gen(function*() {
      const { at, s } = yield* bound
      const messages = yield* Winsock.WSAAsyncSelect(s, NetworkEvent.FD_READ)
      const read = Stream.runFold(messages, () => 0, (count) => count + 1)
      const first = yield* begin(read)
      const second = yield* begin(read)
      const third = yield* begin(read)
      yield* Fiber.interrupt(third)
      yield* Winsock.sendto(s, new Uint8Array(1), at)
      yield* turns(2)
      yield* Winsock.closesocket(s)
      assert.strictEqual((yield* Fiber.join(first)) + (yield* Fiber.join(second)), 1)
    })))

  it.live("A11, A20: whoever sees its messages end, since the socket was closed, finds the address of it free", () =>
    run(Effect.gen(function*() {
      const { at, s } = yield* bound
      const messages = yield* Winsock.WSAAsyncSelect(s, NetworkEvent.FD_READ)
      const next = yield* Winsock.socket(datagram)
      const binding = yield* begin(Effect.andThen(Stream.runDrain(messages), Winsock.bind(next, at)))
      yield* Winsock.closesocket(s)
      yield* Fiber.join(binding)
    })))

  it.live("A08, A20: a receive that is interrupted by whom it tells of more bytes has taken nothing", () =>
    run(Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* Winsock.send(server, new Uint8Array([1, 2]))
      yield* turns(2)
      const pull = yield* Stream.toPull(yield* Winsock.WSAAsyncSelect(client, NetworkEvent.FD_READ))
      yield* pull
      let got = 0
      const receiving = yield* Effect.forkChild(
        Effect.uninterruptibleMask((restore) => Effect.map(restore(Winsock.recv(client, 1)), () => void got++))
      )
      yield* begin(Effect.andThen(pull, Fiber.interrupt(receiving)))
      yield* Fiber.await(receiving)
      assert.deepStrictEqual(Array.from(yield* Winsock.recv(client)), got === 0 ? [1, 2] : [2])
    })))
})

// ---------------------------------------------------------------------------------------------------------------------
// Every call, at random moments
// ---------------------------------------------------------------------------------------------------------------------

const ways = ["closesocket", "WSACancelBlockingCall", "interruption"] as const
type Way = typeof ways[number]

/** Any moment of a call: before it has begun, while it waits, while its answer is on the way, after it. */
const anyMoment = Effect.gen(function*() {
  const moment = yield* Random.nextIntBetween(0, 8)
  if (moment > 5) return yield* turns(moment === 8 ? 8 : moment - 5)
  for (let i = 0; i < moment; i++) yield* Effect.promise(() => Promise.resolve())
})

/** How calls ended: by what was done to them, or with a result of their own. */
class Seen {
  ended = 0
  own = 0
  private readonly name: string
  private readonly may: ReadonlyArray<string>
  private readonly has: ReadonlyArray<string>

  constructor(way: Way, { codes, name }: Situation) {
    this.name = name
    this.has = ["success", ...codes]
    this.may = way === "interruption"
      ? ["interrupted"]
      : way === "closesocket"
      // Whoever comes after the close meets no socket.
      ? ["WSAEINTR", "WSAENOTSOCK"]
      : ["WSAEINTR"]
  }

  note(how: ReadonlyArray<string>): void {
    for (const one of how) assert.include([...this.may, ...this.has], one, this.name)
    if (how.some((one) => this.may.includes(one))) this.ended++
    else this.own++
  }
}

const nameOf = (reason: Cause.Reason<{ readonly _tag: string }>): string =>
  reason._tag === "Interrupt" ? "interrupted" : reason._tag === "Fail" ? reason.error._tag : String(reason.defect)

/** So many calls wait at a time. */
const lanes = 8

/** They are made in so many parts, and after each one no more memory may be in use than after the first, and this. */
const parts = 4
const flat = 1024 * 1024

/** As many for each lane in each part. */
const evenly = (count: number) => Math.ceil(count / lanes / parts) * lanes * parts

const until = <A, E>(name: string, fiber: Fiber.Fiber<A, E>, meanwhile: Effect.Effect<void, any>) =>
  Effect.gen(function*() {
    for (let i = 0; i < 500; i++) {
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return exit
      yield* meanwhile
      yield* turns(1)
    }
    return assert.fail(`${name} hangs`)
  })

/** Ends the call in this way, and gives how it ended. */
const endBy = (
  way: Way,
  { name }: Situation,
  call: Fiber.Fiber<unknown, { readonly _tag: string }>,
  { close }: Scene,
  { mine }: World
) => {
  const cancel = Effect.provideContext(Winsock.WSACancelBlockingCall, mine)
  switch (way) {
    case "closesocket":
      return Effect.andThen(close, until(name, call, Effect.void))
    case "WSACancelBlockingCall":
      // Where it has not begun to wait, there is nothing to cancel yet.
      return until(name, call, Effect.catchTag(cancel, "WSAEINVAL", () => Effect.void))
    case "interruption":
      return Effect.andThen(Fiber.interrupt(call), until(name, call, Effect.void))
  }
}

const round = (situation: Situation, way: Way, world: World, seen: Seen) =>
  Effect.gen(function*() {
    const scene = yield* situation.make(world)
    const call = yield* Effect.forkScoped(scene.call, { startImmediately: yield* Random.nextBoolean })
    yield* anyMoment
    const satisfies = yield* Random.nextBoolean
    const satisfying = satisfies ? yield* Effect.forkScoped(scene.satisfy, { startImmediately: true }) : undefined
    yield* anyMoment
    const exit = yield* endBy(way, situation, call, scene, world)
    seen.note(Exit.isSuccess(exit) ? ["success"] : exit.cause.reasons.map(nameOf))
    if (way === "closesocket" || scene.after === undefined) return
    if (satisfying !== undefined) yield* Fiber.join(satisfying)
    yield* scene.after(satisfies, Exit.isSuccess(exit))
  }).pipe(Effect.scoped)

interface Ground {
  readonly name: string
  readonly rounds: number
  readonly many: number
  /** What happens when does not depend on the machine. */
  readonly determined: boolean
  /** A provider, and an address of it that never answers. */
  readonly make: Effect.Effect<{ readonly provider: Provider.Provider; readonly silent: string }, never, Scope.Scope>
}

const grounds: ReadonlyArray<Ground> = [
  {
    name: "in memory",
    rounds: evenly(rounds),
    many: 128 * 1024,
    determined: true,
    make: Effect.sync(() => {
      const { control, provider } = Memory.make()
      control.blackhole("127.0.0.1:9")
      return { provider: late(provider), silent: "127.0.0.1:9" }
    })
  },
  {
    name: "on Node's sockets",
    rounds: evenly(rounds / 10),
    many: 16 * 1024 * 1024,
    determined: false,
    make: Effect.map(blackHole, (silent) => ({ provider: NodeProvider.make(), silent }))
  }
]

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(path.join(tmpdir(), "winsock-"))),
  (name) => Effect.sync(() => rmSync(name, { recursive: true }))
)

describe.each(grounds)("every call that waits, $name", ({ determined, make, many, rounds }) => {
  it.live.each(ways)(
    `A11, E04, R26: ${rounds} times each, at random moments, %s ends the call and leaves nothing behind`,
    (way) =>
      leavingNothing(Effect.gen(function*() {
        const met = situations.filter(({ blocks }) => way !== "WSACancelBlockingCall" || blocks)
        const seen = met.map((situation) => new Seen(way, situation))
        const used: Array<number> = []
        yield* Effect.gen(function*() {
          const { provider, silent } = yield* make
          const at = yield* directory
          const options = way === "WSACancelBlockingCall" ? version1 : undefined
          const theirs = yield* Layer.build(Winsock.layer(provider))
          const bytes = new Uint8Array(many)
          // Each has an instance of its own, so that one may block while another does.
          const lane = (name: number) =>
            Effect.flatMap(
              Layer.build(Winsock.layer(provider, options)),
              (mine) => makeWorld(mine, theirs, { silent, many: bytes, directory: path.join(at, String(name)) })
            )
          const worlds = yield* Effect.forEach(Array.from({ length: lanes }, (_, i) => i), lane)
          for (let part = 0; part < parts; part++) {
            yield* Effect.forEach(worlds, (world) =>
              Effect.gen(function*() {
                for (let i = 0; i < rounds / lanes / parts; i++) {
                  for (const [index, situation] of met.entries()) yield* round(situation, way, world, seen[index]!)
                }
              }), { concurrency: "unbounded", discard: true })
            yield* turns(3)
            used.push(yield* heapUsed)
          }
        }).pipe(Effect.scoped, Random.withSeed(way))

        for (const bytes of used.slice(1)) assert.isBelow(bytes - used[0]!, flat, used.join(" "))
        // Each call was ended, and each that can have an end of its own has had it, or the test shows nothing.
        for (const [index, { ended, own }] of seen.entries()) {
          const { ends, interrupts, name } = met[index]!
          if (interrupts || way !== "closesocket") assert.isAbove(ended, 0, `${name} was never ended`)
          if (ends && determined) assert.isAbove(own, 0, `${name} never had an end of its own`)
        }
      })),
    600_000
  )
})
