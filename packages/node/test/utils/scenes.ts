/**
 * Every call that can wait, each in a scene of its own: a call that waits, and what ends it.
 */
import { NetworkEvent, SocketAddress, SocketOption, Winsock } from "@effect-winsock/core"
import { assert } from "@effect/vitest"
import { type Context, Effect, Fiber, Random, type Scope, Stream } from "effect"
import { mkdirSync } from "node:fs"

type Fails = { readonly _tag: string }
type Calls<A> = Effect.Effect<A, any, Scope.Scope>

/** A call that waits until something ends it. */
export interface Scene {
  readonly call: Effect.Effect<unknown, Fails, Scope.Scope>
  /** Closes what the call is about. */
  readonly close: Effect.Effect<void, any>
  /** Lets the call have what it waits for, where there is such a thing. */
  readonly satisfy: Calls<void>
  /** What has to hold where the call has been given up: `satisfied` before, and `taken` by the call. */
  readonly after?: ((satisfied: boolean, taken: boolean) => Calls<void>) | undefined
}

export interface Situation {
  readonly name: string
  /** The codes that the call may have of its own. */
  readonly codes: ReadonlyArray<string>
  /** Closing ends the call with WSAEINTR; otherwise it is what the call waits for. */
  readonly interrupts: boolean
  /** A call that version 1.1 has one of at a time, and can cancel. */
  readonly blocks: boolean
  /** The call can have an end of its own. */
  readonly ends: boolean
  readonly make: (world: World) => Calls<Scene>
}

/** Where a scene takes place: the instance whose calls are ended, and another one whose sockets are the peers. */
export interface World {
  readonly mine: Context.Context<Winsock.Winsock>
  readonly theirs: Context.Context<Winsock.Winsock>
  /** A listener of theirs, and the address of it, over TCP and over Unix sockets. */
  readonly servers: ReadonlyArray<{ readonly kind: StreamKind; readonly listener: Winsock.Socket; readonly at: string }>
  /** An address that never answers, one that refuses, and a free one for a Unix socket. */
  readonly silent: string
  readonly dead: string
  readonly path: () => string
  /** More bytes than any connection takes at once. */
  readonly many: Uint8Array
}

export type StreamKind = { readonly family: "IPv4" | "Unix"; readonly type: "stream" }

const tcp = { family: "IPv4", type: "stream" } as const
const datagram = { family: "IPv4", type: "datagram" } as const

const socketOf = (context: Context.Context<Winsock.Winsock>, kind: Winsock.SocketOptions) =>
  Effect.provideContext(Winsock.socket(kind), context)

/** Begins a call, which waits by the time this returns. */
const begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkScoped(call, { startImmediately: true })

const pair = (world: World): Calls<{ readonly s: Winsock.Socket; readonly peer: Winsock.Socket }> =>
  Effect.gen(function*() {
    const { at, kind, listener } = world.servers[yield* Random.nextIntBetween(1, world.servers.length - 1)]!
    const s = yield* socketOf(world.mine, kind)
    const accepting = yield* begin(Winsock.accept(listener))
    yield* Winsock.WSAConnect(s, at)
    return { s, peer: (yield* Fiber.join(accepting)).socket }
  })

const datagrams = (world: World) =>
  Effect.gen(function*() {
    const s = yield* socketOf(world.mine, datagram)
    yield* Winsock.bind(s, "127.0.0.1:0")
    const peer = yield* socketOf(world.theirs, datagram)
    yield* Winsock.bind(peer, "127.0.0.1:0")
    return { s, peer, at: yield* Winsock.getsockname(s) }
  })

/** A receive that is given up has taken nothing, and the next one gets what it would have got. */
const nothingLost =
  (s: Winsock.Socket, send: (bytes: Uint8Array) => Calls<unknown>) => (satisfied: boolean, taken: boolean) =>
    Effect.gen(function*() {
      yield* send(new Uint8Array([2]))
      const got: Array<number> = []
      while (got.at(-1) !== 2) got.push(...yield* Winsock.recv(s, 1))
      assert.deepStrictEqual(got, satisfied && !taken ? [1, 2] : [2])
    })

const receiving = (
  name: string,
  call: (s: Winsock.Socket) => Scene["call"],
  takes = true
): ReadonlyArray<Situation> => [
  {
    name: `${name} of a stream`,
    codes: [],
    interrupts: true,
    blocks: true,
    ends: true,
    make: (world) =>
      Effect.map(Effect.tap(pair(world), ({ s }) => perhapsLimited(s, SocketOption.SO_RCVTIMEO)), ({ peer, s }) => ({
        call: call(s),
        close: Winsock.closesocket(s),
        satisfy: Winsock.send(peer, new Uint8Array([1])),
        after: (satisfied, taken) => nothingLost(s, (bytes) => Winsock.send(peer, bytes))(satisfied, taken && takes)
      }))
  },
  {
    name: `${name} of datagrams`,
    codes: [],
    interrupts: true,
    blocks: true,
    ends: true,
    make: (world) =>
      Effect.map(
        Effect.tap(datagrams(world), ({ s }) => perhapsLimited(s, SocketOption.SO_RCVTIMEO)),
        ({ at, peer, s }) => ({
          call: call(s),
          close: Winsock.closesocket(s),
          satisfy: Winsock.sendto(peer, new Uint8Array([1]), at),
          after: (satisfied, taken) =>
            nothingLost(s, (bytes) => Winsock.sendto(peer, bytes, at))(satisfied, taken && takes)
        })
      )
  }
]

const connecting = (
  name: string,
  codes: ReadonlyArray<string>,
  ends: boolean,
  call: (s: Winsock.Socket, world: World) => Scene["call"]
): Situation => ({
  name,
  codes,
  ends,
  interrupts: true,
  blocks: true,
  make: (world) =>
    Effect.map(Effect.tap(socketOf(world.mine, tcp), (s) => perhapsLimited(s, SocketOption.TCP_MAXRTMS)), (s) => ({
      call: call(s, world),
      close: Winsock.closesocket(s),
      satisfy: Effect.void,
      // R26: it is as after a refusal.
      after: (_, taken) => taken ? Effect.void : Winsock.WSAConnect(s, world.servers[0]!.at)
    }))
})

const accepting = (
  name: string,
  codes: ReadonlyArray<string>,
  call: (s: Winsock.Socket) => Scene["call"]
): Situation => ({
  name,
  codes,
  interrupts: true,
  blocks: true,
  ends: true,
  make: (world) =>
    Effect.gen(function*() {
      const unix = yield* Random.nextBoolean
      const kind = { family: unix ? "Unix" : "IPv4", type: "stream" } as const
      const s = yield* socketOf(world.mine, kind)
      yield* Winsock.bind(s, unix ? world.path() : "127.0.0.1:0")
      yield* Winsock.listen(s)
      const at = yield* Winsock.getsockname(s)
      const caller = Effect.gen(function*() {
        yield* Winsock.WSAConnect(yield* socketOf(world.theirs, kind), at)
      })
      return {
        call: call(s),
        close: Winsock.closesocket(s),
        satisfy: caller,
        // Nobody who called is forgotten.
        after: (satisfied, taken) => Effect.andThen(satisfied && !taken ? Effect.void : caller, Winsock.accept(s))
      }
    })
})

/** Half of the calls have a time-out, which is not to outlive them. */
const perhapsLimited = (s: Winsock.Socket, option: SocketOption.Settable<number>) =>
  Effect.flatMap(
    Random.nextBoolean,
    (limits) => limits ? Winsock.setsockopt(s, option, 3_600_000) : Effect.void
  )

const moment = Effect.gen(function*() {
  for (let i = yield* Random.nextIntBetween(0, 2); i > 0; i--) yield* Effect.promise(() => Promise.resolve())
})

const limited = Effect.map(Random.nextBoolean, (limits) => limits ? { timeout: "1 hour" } as const : {})

export const situations: ReadonlyArray<Situation> = [
  connecting("WSAConnect, answered", [], true, (s, { servers }) => Winsock.WSAConnect(s, servers[0]!.at)),
  connecting("connect, refused", ["WSAECONNREFUSED"], true, (s, { dead }) => Winsock.connect(s, dead)),
  connecting("WSAConnect, never answered", [], false, (s, { silent }) => Winsock.WSAConnect(s, silent)),
  connecting(
    "WSAConnectByList",
    ["WSAECONNREFUSED"],
    false,
    (s, { dead, silent }) => Winsock.WSAConnectByList(s, [dead, silent], { timeout: "1 hour" })
  ),
  {
    name: "connectResult",
    codes: [],
    ends: true,
    interrupts: true,
    blocks: true,
    make: (world) =>
      Effect.gen(function*() {
        const s = yield* socketOf(world.mine, tcp)
        yield* Winsock.ioctlsocket(s, "FIONBIO", true)
        yield* Effect.flip(Winsock.WSAConnect(s, (yield* Random.nextBoolean) ? world.silent : world.servers[0]!.at))
        yield* Winsock.ioctlsocket(s, "FIONBIO", false)
        return { call: Winsock.connectResult(s, { wait: true }), close: Winsock.closesocket(s), satisfy: Effect.void }
      })
  },
  accepting("accept", [], (s) => Winsock.accept(s)),
  accepting("WSAAccept", [], (s) => Winsock.WSAAccept(s)),
  accepting(
    "WSAAccept with a condition",
    ["WSAECONNREFUSED", "WSATRY_AGAIN", "WSAEACCES"],
    (s) =>
      Winsock.WSAAccept(s, () =>
        Effect.andThen(
          moment,
          Effect.map(Random.nextBoolean, (accept) => accept ? Winsock.CF_ACCEPT : Winsock.CF_DEFER)
        ))
  ),
  {
    ...accepting("WSAAccept with a condition that never answers", [], (s) => Winsock.WSAAccept(s, () => Effect.never)),
    ends: false,
    blocks: false
  },
  ...receiving("recv", (s) => Winsock.recv(s)),
  ...receiving("recv into a buffer", (s) => Winsock.recv(s, new Uint8Array(1))),
  ...receiving("recvLent", (s) => Winsock.recvLent(s, (lent) => lent.length, 1)),
  ...receiving("recv with MSG_PEEK", (s) => Winsock.recv(s, 1, Winsock.MSG_PEEK), false),
  ...receiving("recvfrom", (s) => Winsock.recvfrom(s, 1)),
  ...[false, true].map((behind): Situation => ({
    name: behind ? "send behind another one" : "send",
    codes: ["WSAECONNABORTED"],
    // Behind another one of this instance it could not begin.
    blocks: !behind,
    interrupts: true,
    ends: true,
    make: (world) =>
      Effect.gen(function*() {
        const { peer, s } = yield* pair(world)
        yield* perhapsLimited(s, SocketOption.SO_SNDTIMEO)
        if (behind) yield* begin(Effect.exit(Winsock.send(s, world.many)))
        const buffer = new Uint8Array(65_536)
        return {
          call: Winsock.send(s, world.many),
          close: Winsock.closesocket(s),
          satisfy: Effect.repeat(Winsock.recv(peer, buffer), { until: (length) => length === 0 })
        }
      })
  })),
  {
    name: "sendto",
    codes: [],
    interrupts: true,
    blocks: true,
    ends: true,
    make: (world) =>
      Effect.gen(function*() {
        const { peer, s } = yield* datagrams(world)
        return {
          call: Winsock.sendto(s, new Uint8Array(1), yield* Winsock.getsockname(peer)),
          close: Winsock.closesocket(s),
          satisfy: Effect.void
        }
      })
  },
  {
    name: "listen",
    codes: [],
    interrupts: true,
    blocks: false,
    ends: true,
    make: (world) =>
      Effect.gen(function*() {
        const s = yield* socketOf(world.mine, tcp)
        yield* Winsock.bind(s, "127.0.0.1:0")
        return { call: Winsock.listen(s), close: Winsock.closesocket(s), satisfy: Effect.void }
      })
  },
  ...(["read", "except"] as const).map((set): Situation => ({
    name: `select, ${set}`,
    // A17: of whoever waits for exceptions only, a socket that is closed is none.
    codes: ["WSAENOTSOCK"],
    interrupts: false,
    blocks: true,
    ends: set === "read",
    make: (world) =>
      Effect.gen(function*() {
        const one = yield* datagrams(world)
        const other = yield* pair(world)
        const third = yield* socketOf(world.mine, tcp)
        return {
          call: Winsock.select({ [set]: [one.s, other.s, third], ...yield* limited }),
          close: Winsock.closesocket((yield* Random.nextBoolean) ? one.s : other.s),
          satisfy: (yield* Random.nextBoolean)
            ? Winsock.sendto(one.peer, new Uint8Array([1]), one.at)
            : Winsock.shutdown(other.peer, "send")
        }
      })
  })),
  {
    name: "WSAWaitForMultipleEvents",
    codes: ["WSA_INVALID_HANDLE"],
    interrupts: false,
    blocks: false,
    ends: true,
    make: (world) =>
      Effect.gen(function*() {
        const { at, peer, s } = yield* datagrams(world)
        const create = Effect.provideContext(Winsock.WSACreateEvent, world.mine)
        const [first, second] = [yield* create, yield* create]
        yield* Winsock.WSAEventSelect(s, second, NetworkEvent.FD_READ)
        return {
          call: Winsock.WSAWaitForMultipleEvents([first, second], yield* limited),
          close: Winsock.WSACloseEvent((yield* Random.nextBoolean) ? first : second),
          satisfy: Winsock.sendto(peer, new Uint8Array([1]), at)
        }
      })
  },
  {
    name: "messages of WSAAsyncSelect",
    codes: [],
    interrupts: false,
    blocks: false,
    ends: true,
    make: (world) =>
      Effect.gen(function*() {
        const { peer, s } = yield* pair(world)
        const messages = yield* Winsock.WSAAsyncSelect(s, NetworkEvent.FD_READ | NetworkEvent.FD_CLOSE)
        return {
          call: messages.pipe(
            Stream.tap(({ event }) => event === NetworkEvent.FD_READ ? Winsock.recv(s) : Effect.void),
            Stream.takeUntil(({ event }) => event === NetworkEvent.FD_CLOSE),
            Stream.runDrain
          ),
          close: Winsock.closesocket(s),
          satisfy: Effect.andThen(Winsock.send(peer, new Uint8Array([1])), Winsock.shutdown(peer, "send"))
        }
      })
  }
]

/** Listeners of theirs, over both kinds of streams, and addresses for the scenes. */
export const makeWorld = (
  mine: Context.Context<Winsock.Winsock>,
  theirs: Context.Context<Winsock.Winsock>,
  options: { readonly silent: string; readonly directory: string; readonly many: Uint8Array }
): Calls<World> =>
  Effect.gen(function*() {
    let names = 0
    mkdirSync(options.directory, { recursive: true })
    const path = () => `unix:${options.directory}/${names++}`
    const serverAt = (kind: StreamKind, address: string) =>
      Effect.gen(function*() {
        const listener = yield* socketOf(theirs, kind)
        yield* Winsock.bind(listener, address)
        yield* Winsock.listen(listener, 1024)
        return { kind, listener, at: SocketAddress.format(yield* Winsock.getsockname(listener)) }
      })
    const closed = yield* socketOf(theirs, tcp)
    yield* Winsock.bind(closed, "127.0.0.1:0")
    // The first one takes whoever comes, and lets go of them; the others accept for `pair`.
    const open = yield* serverAt(tcp, "127.0.0.1:0")
    yield* Winsock.accept(open.listener).pipe(
      Effect.flatMap(({ socket }) => Effect.ignore(Winsock.closesocket(socket))),
      Effect.scoped,
      Effect.forever,
      Effect.forkScoped
    )
    return {
      mine,
      theirs,
      servers: [open, yield* serverAt(tcp, "127.0.0.1:0"), yield* serverAt({ family: "Unix", type: "stream" }, path())],
      silent: options.silent,
      dead: SocketAddress.format(yield* Winsock.getsockname(closed)),
      path,
      many: options.many
    }
  })
