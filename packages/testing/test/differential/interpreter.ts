/**
 * Runs a program through the calls, on any layer, and writes down what can be seen after each step: how the calls ended,
 * and what every socket is then.
 *
 * Nothing that is written down depends on time. Every step is begun, and then the world settles: whatever follows from the
 * step has arrived before anything is written. A call that waits goes on waiting, and how it ends later is part of the
 * later step. A world of virtual time settles by itself; a live one is waited for until it agrees with what the first world
 * showed, or has had its time.
 */
import { NetworkEvent, SocketAddress, SocketOption, Winsock, type WsaError } from "@effect-winsock/core"
import { Cause, Effect, Exit, Fiber, type Layer, type Scope, Stream } from "effect"
import {
  type Event,
  type Family,
  type Flag,
  printStep,
  type Probe,
  type Program,
  type Slot,
  slots,
  type Step,
  type Where
} from "./program.ts"

/** Where programs run. */
export interface World<R = never> {
  readonly name: string
  readonly layer: Layer.Layer<Winsock.Winsock, WsaError.WSAStartupError, R>
  /** A Unix-domain path that is nobody's before the program. */
  readonly path: (number: number) => string
  /** Lets everything that is on the way arrive; a world that cannot know when that is asks what it has come to. */
  readonly settle: (judgement: Effect.Effect<Judgement>) => Effect.Effect<void>
}

/** What could be seen after a step. */
export interface Entry {
  readonly step: string
  /** By what it is of: the call, a call that waited until now, a socket. */
  readonly seen: { readonly [of: string]: string }
}

export type Transcript = ReadonlyArray<Entry>

/** Whether a world that follows another has come to agree with it, or to differ as it may. */
export type Judgement = "agrees" | "excused" | "differs"

/** What a world is held to while it follows another. */
export interface Judge {
  /** Asked while the world settles. */
  readonly judge: (index: number, found: Entry) => Judgement
  /** Asked once it has settled: `false` ends the run. */
  readonly conclude: (index: number, found: Entry) => boolean
}

type Said = () => string
type Call = Effect.Effect<Said, { readonly _tag: string }, Winsock.Winsock | Scope.Scope>

const say = (text: string): Said => () => text

const hashOf = (hash: number, bytes: Uint8Array): number => {
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash
}
const noHash = 0x811c9dc5
const sayBytes = (bytes: Uint8Array): string =>
  bytes.length === 0 ? "0 bytes" : `${bytes.length} bytes #${hashOf(noHash, bytes).toString(16)}`

const hostsOfNobody: Record<Exclude<Family, "Unix">, string> = { IPv4: "127.0.0.1:9", IPv6: "[::1]:9" }

/** A socket of the program. */
class Held {
  readonly socket: Winsock.Socket
  /** The slot, and the how-many-eth socket of it. */
  readonly label: string
  readonly event: Winsock.WSAEvent
  readonly messages: Array<string> = []
  name: SocketAddress.SocketAddress | undefined = undefined
  /** Its port was chosen for it. */
  chosen = true
  /** How many ports it has had. */
  ports = 0
  closed = false
  nonBlocking = false
  shut = false
  sent = 0
  received = 0
  hash = noHash

  constructor(socket: Winsock.Socket, label: string, event: Winsock.WSAEvent) {
    this.socket = socket
    this.label = label
    this.event = event
  }

  /** Different bytes each time, and from each socket. */
  next(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    const salt = this.label.charCodeAt(0)
    for (let i = 0; i < length; i++) bytes[i] = ((this.sent + i) * 7 + salt) % 251
    this.sent += length
    return bytes
  }

  take(bytes: Uint8Array): void {
    this.received += bytes.length
    this.hash = hashOf(this.hash, bytes)
  }
}

interface Waiting {
  readonly key: string
  readonly s: Slot
  readonly fiber: Fiber.Fiber<Said, { readonly _tag: string }>
}

const describe = (exit: Exit.Exit<Said, { readonly _tag: string }>): string => {
  if (Exit.isSuccess(exit)) return exit.value()
  if (Cause.hasInterruptsOnly(exit.cause)) return "interrupted"
  const reason = exit.cause.reasons[0]!
  return Cause.isFailReason(reason) ? reason.error._tag : `died: ${Cause.pretty(exit.cause)}`
}

const tagOf = <A>(
  call: Effect.Effect<A, { readonly _tag: string }>,
  success: (value: A) => string
): Effect.Effect<string> => Effect.match(call, { onSuccess: success, onFailure: (error) => error._tag })

const { FD_ACCEPT, FD_CLOSE, FD_CONNECT, FD_READ, FD_WRITE } = NetworkEvent
const bitOf: Record<Event, number> = { FD_ACCEPT, FD_CLOSE, FD_CONNECT, FD_READ, FD_WRITE }
const bits = (mask: ReadonlyArray<Event>): number => mask.reduce((all, event) => all | bitOf[event], 0)

const { IPV6_V6ONLY, SO_BROADCAST, SO_EXCLUSIVEADDRUSE, SO_KEEPALIVE, SO_REUSEADDR, TCP_NODELAY } = SocketOption
const optionOf: Record<Flag, SocketOption.Settable<boolean>> = {
  IPV6_V6ONLY,
  SO_BROADCAST,
  SO_EXCLUSIVEADDRUSE,
  SO_KEEPALIVE,
  SO_REUSEADDR,
  TCP_NODELAY
}

const isConnected = (s: Winsock.Socket): Effect.Effect<boolean> =>
  Effect.map(tagOf(Winsock.getpeername(s), () => "yes"), (answer) => answer === "yes")

/** Whether each has the name of the other's peer. */
const facing = (a: Winsock.Socket, b: Winsock.Socket): Effect.Effect<boolean> => {
  const name = (s: Winsock.Socket) => tagOf(Winsock.getsockname(s), SocketAddress.format)
  const peer = (s: Winsock.Socket) => tagOf(Winsock.getpeername(s), SocketAddress.format)
  return Effect.map(
    Effect.all([name(a), peer(b), peer(a), name(b)]),
    ([ownA, peerB, peerA, ownB]) => ownA === peerB && peerA === ownB
  )
}

class Run {
  private readonly held = new Map<Slot, Held>()
  private readonly reserved = new Set<Slot>()
  private readonly generations = new Map<Slot, number>()
  private readonly names = new Map<string, string>()
  private readonly path: World["path"]
  private readonly paths = new Map<string, string>()
  waiting: Array<Waiting> = []

  constructor(path: World["path"]) {
    this.path = path
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Names
  // -------------------------------------------------------------------------------------------------------------------

  private readonly keyOf = (held: Held, address: SocketAddress.SocketAddress): string =>
    `${held.socket.kind.type} ${SocketAddress.format(address)}`

  /** An address in words that are the same in every world: ports are called after the socket that they were chosen for. */
  private word(held: Held, address: SocketAddress.SocketAddress): string {
    if (address._tag === "UnixPathAddress") return this.paths.get(address.path) ?? `"${address.path}"`
    const text = SocketAddress.format(address)
    const host = text.slice(0, text.lastIndexOf(":"))
    if (address.port < 1024) return text
    const known = this.names.get(this.keyOf(held, address)) ??
      this.names.get(
        `${held.socket.kind.type} ${address._tag === "InetAddressV4" ? "0.0.0.0" : "[::]"}:${address.port}`
      )
    return `${host}:${known ?? "a port that nobody has"}`
  }

  private learn(held: Held, address: SocketAddress.SocketAddress): void {
    const before = held.name === undefined ? undefined : SocketAddress.portOf(held.name)
    held.name = address
    if (address._tag === "UnixPathAddress" || !held.chosen) return
    if (before !== address.port) held.ports++
    this.names.set(
      this.keyOf(held, address),
      held.ports === 1 ? `(${held.label})` : `(${held.label}, port ${held.ports})`
    )
  }

  private where(own: Held, where: Where): SocketAddress.Input | undefined {
    switch (where.at) {
      case "any":
        return where.host
      case "text":
        return where.text as SocketAddress.Input
      case "socket": {
        const other = this.held.get(where.s)
        // Streams and datagrams have ports of their own: who has the same one there is an accident.
        return other?.socket.kind.type === own.socket.kind.type ? other.name : undefined
      }
      case "nobody":
        return where.family === "Unix" ? this.pathOf("nobody's path", -1) : hostsOfNobody[where.family]
      case "path":
        return this.pathOf(`path ${where.number}`, where.number)
    }
  }

  private pathOf(word: string, number: number): string {
    const path = this.path(number)
    this.paths.set(path, word)
    return `unix:${path}`
  }

  private at(own: Held, where: Where, call: (address: SocketAddress.Input) => Call): Call {
    const address = this.where(own, where)
    return address === undefined ? Effect.succeed(say("not made: there is no such name")) : call(address)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Calls
  // -------------------------------------------------------------------------------------------------------------------

  private readonly hold = (s: Slot, socket: Winsock.Socket): Effect.Effect<Held, { readonly _tag: string }, any> =>
    Effect.map(Winsock.WSACreateEvent, (event) => {
      const generation = (this.generations.get(s) ?? 0) + 1
      this.generations.set(s, generation)
      const held = new Held(socket, generation === 1 ? s : `${s}${generation}`, event)
      this.held.set(s, held)
      return held
    })

  private free(s: Slot): boolean {
    return !this.reserved.has(s) && (this.held.get(s)?.closed ?? true)
  }

  call(step: Step): Call {
    if (step.op === "socket") {
      if (!this.free(step.s)) return Effect.succeed(say("not made: the name is taken"))
      return Winsock.socket({ family: step.family, type: step.type }).pipe(
        Effect.flatMap((socket) => this.hold(step.s, socket)),
        Effect.as(say("ok"))
      )
    }
    const held = this.held.get(step.s)
    return held === undefined ? Effect.succeed(say("not made: there is no such socket")) : this.on(held, step)
  }

  private on(held: Held, step: Exclude<Step, { readonly op: "socket" }>): Call {
    const s = held.socket
    const done = <A>(call: Effect.Effect<A, { readonly _tag: string }>, then?: () => void): Call =>
      Effect.map(call, () => {
        then?.()
        return say("ok")
      })
    switch (step.op) {
      case "bind":
        return this.at(held, step.to, (address) =>
          done(Winsock.bind(s, address), () => {
            if (step.to.at !== "any") held.chosen = false
          }))
      case "listen":
        return done(Winsock.listen(s, step.backlog))
      case "connect":
        return this.at(held, step.to, (address) => this.connect(held, address))
      case "WSAConnectByList":
        return this.at(
          held,
          step.first,
          (first) =>
            this.at(
              held,
              step.to,
              (second) =>
                Effect.map(
                  Winsock.WSAConnectByList(s, [first, second]),
                  ({ remote }) => () => `connected to ${this.word(held, remote)}`
                )
            )
        )
      case "attempt":
        return this.at(held, step.to, (address) =>
          Effect.gen({ self: this }, function*() {
            const said = [yield* tagOf(Winsock.ioctlsocket(s, "FIONBIO", true), () => "ok")]
            if (said[0] === "ok") held.nonBlocking = true
            said.push(yield* tagOf(Winsock.WSAConnect(s, address), () => "connected"))
            for (const probe of step.probes) said.push(`${probe} ${yield* this.probe(held, probe, address)}`)
            return () => said.join("; ")
          }))
      case "connectResult":
        return Effect.map(
          Winsock.connectResult(s, { wait: step.wait }),
          ({ remote }) => () => `connected to ${this.word(held, remote)}`
        )
      case "accept":
        return this.accept(held, step)
      case "send":
        return Effect.map(Effect.suspend(() => Winsock.send(s, held.next(step.bytes))), (sent) => say(`sent ${sent}`))
      case "sendto":
        return this.at(
          held,
          step.to,
          (address) => Effect.map(Winsock.sendto(s, held.next(step.bytes), address), (sent) => say(`sent ${sent}`))
        )
      case "recv":
        return Effect.suspend(() => {
          const buffer = new Uint8Array(step.bytes)
          return Effect.map(Winsock.recv(s, buffer, step.peek ? Winsock.MSG_PEEK : 0), (length) => {
            const bytes = buffer.subarray(0, length)
            if (!step.peek) held.take(bytes)
            return say(sayBytes(bytes))
          })
        })
      case "recvfrom": {
        const buffer = new Uint8Array(step.bytes)
        return Winsock.recvfrom(s, buffer, step.peek ? Winsock.MSG_PEEK : 0).pipe(
          Effect.map(({ from, length }): Said => {
            const bytes = buffer.subarray(0, length)
            if (!step.peek) held.take(bytes)
            return () => `${sayBytes(bytes)} from ${this.word(held, from)}`
          }),
          Effect.catchTag("WSAEMSGSIZE", () => Effect.succeed(say(`WSAEMSGSIZE, ${sayBytes(buffer)}`)))
        )
      }
      case "transfer":
        return this.transfer(held, this.held.get(step.as), step.bytes)
      case "shutdown":
        return done(Winsock.shutdown(s, step.how), () => {
          if (step.how !== "send") held.shut = true
        })
      case "closesocket":
        return done(Winsock.closesocket(s), () => {
          held.closed = true
        })
      case "setsockopt":
        return done(Winsock.setsockopt(s, optionOf[step.option], step.on))
      case "linger":
        return done(
          Winsock.setsockopt(s, SocketOption.SO_LINGER, {
            l_onoff: step.seconds !== undefined,
            l_linger: step.seconds ?? 0
          })
        )
      case "patience":
        return done(Winsock.setsockopt(s, SocketOption.SO_RCVTIMEO, step.millis))
      case "nonBlocking":
        return done(Winsock.ioctlsocket(s, "FIONBIO", step.on), () => {
          held.nonBlocking = step.on
        })
      case "select":
        return Effect.map(
          Winsock.select(Object.fromEntries(step.sets.map((set) => [set, [s]]))),
          (selected) => say(step.sets.filter((set) => selected[set].length > 0).join(", "))
        )
      case "WSAEventSelect":
        return done(Winsock.WSAEventSelect(s, step.mask.length === 0 ? null : held.event, bits(step.mask)), () => {
          held.nonBlocking = true
        })
      case "WSAAsyncSelect":
        return Effect.gen(function*() {
          const messages = yield* Winsock.WSAAsyncSelect(s, bits(step.mask))
          held.nonBlocking = true
          yield* Effect.forkScoped(
            Stream.runForEach(messages, ({ error, event, socket }) =>
              Effect.sync(() => {
                const whose = socket === s ? "" : "accepted "
                held.messages.push(
                  `${whose}${NetworkEvent.names(event).join("|")}${error === undefined ? "" : ` ${error._tag}`}`
                )
              })),
            { startImmediately: true }
          )
          return say("ok")
        })
      case "WSAEnumNetworkEvents":
        return Effect.map(
          Winsock.WSAEnumNetworkEvents(s, step.reset ? held.event : null),
          ({ iErrorCode, lNetworkEvents }) =>
            say(
              NetworkEvent.names(lNetworkEvents).map((name) => {
                const error = name === "FD_CONNECT" || name === "FD_CLOSE" ? iErrorCode[name] : undefined
                return `${name}${error === undefined ? "" : ` ${error._tag}`}`
              }).join(", ") || "nothing"
            )
        )
      case "interrupt": {
        const oldest = this.waiting.find((call) => call.s === step.s && call.fiber.pollUnsafe() === undefined)
        return oldest === undefined
          ? Effect.succeed(say("nothing waits"))
          : Effect.as(Fiber.interrupt(oldest.fiber), say("interrupted"))
      }
    }
  }

  private connect(held: Held, address: SocketAddress.Input): Call {
    const s = held.socket
    const said = ({ remote }: Winsock.Connected): Said => () => `connected to ${this.word(held, remote)}`
    return Effect.matchEffect(Winsock.WSAConnect(s, address), {
      onSuccess: (connected) => Effect.succeed(said(connected)),
      onFailure: (error): Call =>
        error._tag !== "WSAEWOULDBLOCK"
          ? Effect.fail(error)
          : Effect.matchEffect(Winsock.connectResult(s, { wait: true }), {
            onSuccess: (connected) => Effect.succeed(() => `WSAEWOULDBLOCK, then ${said(connected)()}`),
            onFailure: ({ _tag }) => Effect.succeed(say(`WSAEWOULDBLOCK, then ${_tag}`))
          })
    })
  }

  private probe(held: Held, probe: Probe, address: SocketAddress.Input): Effect.Effect<string> {
    const s = held.socket
    const ok = () => "ok"
    switch (probe) {
      case "getsockname":
        return tagOf(Winsock.getsockname(s), ok)
      case "getpeername":
        return tagOf(Winsock.getpeername(s), ok)
      case "send":
        return tagOf(Effect.suspend(() => Winsock.send(s, held.next(3))), String)
      case "recv": {
        // When a datagram is reported to have met nobody depends on time.
        if (s.kind.type === "datagram") return Effect.succeed("is not made")
        const buffer = new Uint8Array(10)
        return tagOf(Winsock.recv(s, buffer), (length) => sayBytes(buffer.subarray(0, length)))
      }
      case "connect":
        return tagOf(Winsock.WSAConnect(s, address), ok)
      case "connectResult":
        return tagOf(Winsock.connectResult(s), ok)
      case "shutdown":
        return tagOf(Winsock.shutdown(s, "send"), ok)
    }
  }

  private accept(held: Held, { as, verdict }: Extract<Step, { readonly op: "accept" }>): Call {
    if (!this.free(as)) return Effect.succeed(say("not made: the name is taken"))
    this.reserved.add(as)
    const accepted = verdict === undefined ? Winsock.accept(held.socket) : Winsock.WSAAccept(
      held.socket,
      () => Effect.succeed({ accept: Winsock.CF_ACCEPT, reject: Winsock.CF_REJECT, defer: Winsock.CF_DEFER }[verdict])
    )
    return accepted.pipe(
      Effect.flatMap(({ remote, socket }) =>
        Effect.map(this.hold(as, socket), (one): Said => {
          one.chosen = false
          one.nonBlocking = held.nonBlocking
          return () => `accepted ${this.word(one, remote)}`
        })
      ),
      Effect.ensuring(Effect.sync(() => this.reserved.delete(as)))
    )
  }

  /** More bytes than any world keeps: so only where somebody takes them, and where nobody else waits for them. */
  private transfer(from: Held, to: Held | undefined, total: number): Call {
    const why = (text: string): Call => Effect.succeed(say(`not made: ${text}`))
    if (to === undefined || to.closed || from.closed) return why("there is no such socket")
    if (from.socket.kind.type === "datagram" || to.socket.kind.type === "datagram") return why("they are no streams")
    if (from.nonBlocking || to.nonBlocking || to.shut) return why("one of them would not wait")
    if (this.waiting.some(({ s }) => this.held.get(s) === to || this.held.get(s) === from)) return why("somebody waits")
    const unix = from.socket.kind.family === "Unix"
    // Nobody can say who is at the other end of a Unix-domain stream: so pieces, which any world keeps for whoever it is.
    const size = unix ? 16_384 : total
    return Effect.gen(function*() {
      const connected = unix
        ? (yield* isConnected(from.socket)) && (yield* isConnected(to.socket))
        : yield* facing(from.socket, to.socket)
      if (!connected) return say("not made: they are not connected")
      const patience = yield* tagOf(Winsock.getsockopt(to.socket, SocketOption.SO_RCVTIMEO), String)
      if (patience !== "0") return say("not made: it would give up")
      const before = to.received
      let sent = 0
      while (sent < total) {
        const piece = from.next(Math.min(size, total - sent))
        const sending = yield* Effect.forkChild(Winsock.send(from.socket, piece), { startImmediately: true })
        const failed = sending.pollUnsafe()
        if (failed !== undefined && Exit.isFailure(failed)) return yield* Effect.as(failed, say(""))
        while (to.received - before < sent + piece.length) {
          const bytes = yield* Winsock.recv(to.socket, 65_536)
          to.take(bytes)
          if (bytes.length === 0) return say(`the end after ${to.received - before}`)
        }
        sent += yield* Fiber.join(sending)
      }
      return say(`${sent} sent, ${to.received - before} received`)
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What can be seen
  // -------------------------------------------------------------------------------------------------------------------

  private readonly sets = (s: Winsock.Socket): Effect.Effect<string> =>
    tagOf(
      Winsock.select({ read: [s], write: [s], except: [s], timeout: 0 }),
      ({ except, read, write }) =>
        [[read, "r"], [write, "w"], [except, "x"]].map(([set, letter]) => set!.length > 0 ? letter : "-").join("")
    )

  /** Who has which address. Whoever chose a port has its name from it, so accepted sockets come last. */
  private readonly learnNames: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(
      [...this.held.values()].filter(({ closed }) => !closed),
      (held) =>
        tagOf(Winsock.getsockname(held.socket), (address) => {
          this.learn(held, address)
          return ""
        }),
      { discard: true }
    )
  )

  private readonly look = (held: Held): Effect.Effect<string> =>
    Effect.gen({ self: this }, function*() {
      const { hash, messages, received, socket: s } = held
      const taken = received === 0 ? "" : `, received ${received} #${hash.toString(16)}`
      const told = messages.length === 0 ? "" : `, told ${messages.join(", ")}`
      if (held.closed) return `closed${taken}${told}`
      const word = (address: SocketAddress.SocketAddress) => this.word(held, address)
      const stream = s.kind.type === "stream"
      const up = yield* tagOf(Winsock.getsockopt(s, SocketOption.SO_CONNECT_TIME), (t) => t < 0xffff_ffff ? ", up" : "")
      const error = yield* tagOf(Winsock.getsockopt(s, SocketOption.SO_ERROR), (code) =>
        code === 0 ? "" : `, error ${code}`)
      const listens = stream
        ? yield* tagOf(Winsock.getsockopt(s, SocketOption.SO_ACCEPTCONN), (yes) =>
          yes ? ", listens" : "")
        : ""
      const unread = yield* tagOf(Winsock.ioctlsocket(s, "FIONREAD"), String)
      const signaled = held.event.signaled ? ", signaled" : ""
      return `${s.kind.family} ${s.kind.type} ${yield* this.sets(s)}${up}${listens}${error}, ${yield* tagOf(
        Winsock.getsockname(s),
        word
      )} to ${yield* tagOf(
        Winsock.getpeername(s),
        word
      )}, unread ${unread}${taken}${signaled}${told}`
    })

  readonly observe = (step: string): Effect.Effect<Entry> =>
    Effect.gen({ self: this }, function*() {
      yield* this.learnNames
      const seen: Record<string, string> = {}
      for (const { fiber, key } of this.waiting) {
        const exit = fiber.pollUnsafe()
        seen[key] = exit === undefined ? "waits" : describe(exit)
      }
      for (const slot of slots) {
        const held = this.held.get(slot)
        if (held !== undefined) seen[slot] = yield* this.look(held)
      }
      return { step, seen }
    })

  /** Sockets that the program has left open. */
  get left(): Program {
    return slots.filter((s) => this.held.get(s)?.closed === false).map((s): Step => ({ op: "closesocket", s }))
  }
}

/** Runs the program, then closes what it has left open, and ends where the judge is against it. */
export const play = <R>(program: Program, world: World<R>, judge?: Judge): Effect.Effect<Transcript, never, R> =>
  Effect.gen(function*() {
    const run = new Run(world.path)
    const transcript: Array<Entry> = []
    const steps = [...program]
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!
      const text = `${i + 1}. ${printStep(step)}`
      const fiber = yield* Effect.forkScoped(run.call(step), { startImmediately: true })
      run.waiting.push({ key: text, s: step.s, fiber })
      yield* world.settle(
        judge === undefined
          ? Effect.succeed("agrees")
          : Effect.map(run.observe(text), (entry) => judge.judge(i, entry))
      )
      const entry = yield* run.observe(text)
      transcript.push(entry)
      if (judge?.conclude(i, entry) === false) break
      run.waiting = run.waiting.filter(({ fiber }) => fiber.pollUnsafe() === undefined)
      // The sockets that are left are known only now.
      if (i === program.length - 1) steps.push(...run.left)
    }
    return transcript
  }).pipe(Effect.scoped, Effect.provide(world.layer), Effect.orDie)
