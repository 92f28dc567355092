/**
 * What each attempt to connect to an address meets, written down: the small door for unit tests.
 *
 * **When to use**
 *
 * Use where a test is about one program and what it does when it is refused, kept waiting, or answered: there is no
 * network to describe. Where the network itself matters, hosts, links, partitions, take `SimNetwork`.
 *
 * **Details**
 *
 * - A script stands for the other side, so it needs no listener. It says what the attempts meet, in the order in which
 *   they begin, and what is said on those that are accepted, in the order in which it is said.
 * - The program runs on the simulated network, in virtual time. Everything takes one round trip, 2 milliseconds,
 *   unless {@link after} says how long; on loopback it takes no time.
 * - The run fails when an attempt comes that is not in the script, when one never comes that is in it, and when bytes
 *   come that are not those expected. It says where in the script it happened, what was expected, and what came.
 *
 * **Gotchas**
 *
 * What fails is the run, and at its end: until then an attempt that was not expected is refused, and a
 * connection on which something else came is reset. A program that goes on for more than ten seconds of virtual time
 * after that is ended, by a {@link Mismatch} that it cannot catch.
 *
 * **Example** (Refused, then answered)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Script, Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const ping = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.WSAConnect(s, "10.0.0.9:6379").pipe(Effect.retry({ times: 2 }))
 *   yield* Winsock.send(s, new TextEncoder().encode("PING\r\n"))
 *   return new TextDecoder().decode(yield* Winsock.recv(s))
 * }).pipe(Effect.scoped)
 *
 * const redis = Script.connects("10.0.0.9:6379", [
 *   Script.refused,
 *   Script.accepted(
 *     Script.expects("PING\r\n"),
 *     Script.sends("+PONG\r\n")
 *   )
 * ])
 *
 * Sim.getOrThrow(Sim.run(Effect.provide(ping, redis))) // => "+PONG\r\n"
 * ```
 *
 * @since 0.1.0
 */
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import type * as Winsock from "@effect-winsock/core/Winsock"
import type * as WsaError from "@effect-winsock/core/WsaError"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import { hostOf, Stage } from "./internal/script.ts"
import { encode } from "./internal/text.ts"
import { Sim } from "./Sim.ts"
import * as SimNetwork from "./SimNetwork.ts"

// --- what may be written ---------------------------------------------------------------------------------------------

type ConnectCode = (typeof WsaError.callErrors)["connect"][number]

/**
 * The codes that an attempt to connect can end with because of the world, and not because of how it was called.
 *
 * @category models
 * @since 0.1.0
 */
export type Code = {
  [C in ConnectCode]: (typeof WsaError.table)[C]["retryClass"] extends "defect" | "pending" | "interrupt" | "startup"
    ? never
    : C
}[ConnectCode]

/**
 * What an attempt meets.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step {
  /** Tells a step from a line. */
  readonly _tag: "Step"
  /** How it ends. */
  readonly outcome: "accepted" | "silence" | Code
  /** What is said then. */
  readonly lines: ReadonlyArray<Line>
  /** How long after its beginning it ends; after a round trip where there is none. */
  readonly after?: Duration.Input | undefined
  /** How long after the end of the attempt before it begins, at the most. */
  readonly within?: Duration.Input | undefined
}

/**
 * What the script does on a connection.
 *
 * @category models
 * @since 0.1.0
 */
export type Action =
  & ({ readonly _tag: "Sends"; readonly bytes: Uint8Array } | { readonly _tag: "Ends" } | { readonly _tag: "Resets" })
  & {
    /** How long it waits before it does it. */
    readonly after?: Duration.Input | undefined
  }

/**
 * What the script expects of the program.
 *
 * @category models
 * @since 0.1.0
 */
export type Expectation =
  & ({ readonly _tag: "Expects"; readonly bytes: Uint8Array } | { readonly _tag: "ExpectsEnd" })
  & {
    /** How long it may take from the line before. */
    readonly within?: Duration.Input | undefined
  }

/**
 * A line of what is said on a connection.
 *
 * @category models
 * @since 0.1.0
 */
export type Line = Action | Expectation

const step = (outcome: Step["outcome"], lines: ReadonlyArray<Line> = []): Step => ({ _tag: "Step", outcome, lines })

const bytesOf = (what: string | Uint8Array): Uint8Array =>
  typeof what === "string" ? encode(what) : new Uint8Array(what)

/**
 * The attempt fails with the code.
 *
 * **Details**
 *
 * The codes are those that the world can bring about. One that says that the call was wrong does not compile.
 *
 * **Example** (A host that is down)
 *
 * ```ts import.meta.vitest
 * import { Script } from "@effect-winsock/testing"
 *
 * Script.fails("WSAEHOSTDOWN").outcome // => "WSAEHOSTDOWN"
 * ```
 *
 * @category outcomes
 * @since 0.1.0
 */
export const fails = (code: Code): Step => step(code)

/**
 * The attempt is refused: WSAECONNREFUSED.
 *
 * **Example** (Refused twice)
 *
 * ```ts import.meta.vitest
 * import { Script } from "@effect-winsock/testing"
 *
 * const steps = [Script.refused, Script.refused]
 * steps.map(({ outcome }) => outcome) // => ["WSAECONNREFUSED", "WSAECONNREFUSED"]
 * ```
 *
 * @category outcomes
 * @since 0.1.0
 */
export const refused: Step = fails("WSAECONNREFUSED")

/**
 * Nobody answers: WSAETIMEDOUT once the system gives up, unless the program gives up before.
 *
 * **Details**
 *
 * The system gives up after 131 seconds; `profile` has other systems. {@link after} shortens that.
 *
 * **Example** (A time-out of the system, and one of the program)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Script, Sim } from "@effect-winsock/testing"
 * import { Duration, Effect } from "effect"
 *
 * const attempt = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.WSAConnect(s, "10.0.0.9:80")
 * }).pipe(Effect.scoped)
 * const program = Effect.all([
 *   Effect.timed(Effect.flip(attempt)),
 *   Effect.timed(Effect.flip(attempt)),
 *   Effect.timed(Effect.timeoutOption(attempt, "1 second"))
 * ]).pipe(
 *   Effect.map((all) => all.map(([took]) => Duration.format(took))),
 *   Effect.provide(Script.connects("10.0.0.9:80", [
 *     Script.timedOut,
 *     Script.after("2 seconds", Script.timedOut),
 *     Script.timedOut
 *   ]))
 * )
 *
 * Sim.getOrThrow(Sim.run(program)) // => ["2m 11s", "2s", "1s"]
 * ```
 *
 * @category outcomes
 * @since 0.1.0
 */
export const timedOut: Step = step("silence")

/**
 * There is no way to the host: WSAEHOSTUNREACH.
 *
 * **Example** (A router's answer)
 *
 * ```ts import.meta.vitest
 * import { Script } from "@effect-winsock/testing"
 *
 * Script.hostUnreachable.outcome // => "WSAEHOSTUNREACH"
 * ```
 *
 * @category outcomes
 * @since 0.1.0
 */
export const hostUnreachable: Step = fails("WSAEHOSTUNREACH")

/**
 * There is no way to the network: WSAENETUNREACH.
 *
 * **Example** (No route)
 *
 * ```ts import.meta.vitest
 * import { Script } from "@effect-winsock/testing"
 *
 * Script.networkUnreachable.outcome // => "WSAENETUNREACH"
 * ```
 *
 * @category outcomes
 * @since 0.1.0
 */
export const networkUnreachable: Step = fails("WSAENETUNREACH")

/**
 * The attempt is accepted, and the lines are said, one after the other.
 *
 * **Details**
 *
 * Bytes are those of a stream: how the program cuts them into sends does not matter. When the last line is said, nothing more
 * may come, and the connection stays until the program closes it.
 *
 * **Example** (A server that says goodbye)
 *
 * ```ts import.meta.vitest
 * import { Script } from "@effect-winsock/testing"
 *
 * const goodbye = Script.accepted(
 *   Script.sends("220 ready\r\n"),
 *   Script.expects("QUIT\r\n"),
 *   Script.sends("221 bye\r\n"),
 *   Script.ends
 * )
 * goodbye.lines.length // => 4
 * ```
 *
 * @category outcomes
 * @since 0.1.0
 */
export const accepted = (...lines: ReadonlyArray<Line>): Step => step("accepted", lines)

/**
 * These bytes come next: text is UTF-8.
 *
 * **Example** (Expecting a command)
 *
 * ```ts import.meta.vitest
 * import { Script } from "@effect-winsock/testing"
 *
 * Script.expects("PING\r\n")._tag // => "Expects"
 * ```
 *
 * @category lines
 * @since 0.1.0
 */
export const expects = (what: string | Uint8Array): Expectation => ({ _tag: "Expects", bytes: bytesOf(what) })

/**
 * The program ends its sending direction next, by `shutdown` or by closing the socket.
 *
 * **Example** (Expecting the end)
 *
 * ```ts import.meta.vitest
 * import { Script } from "@effect-winsock/testing"
 *
 * Script.accepted(Script.expects("all of it"), Script.expectsEnd, Script.sends("got it")).lines.length // => 3
 * ```
 *
 * @category lines
 * @since 0.1.0
 */
export const expectsEnd: Expectation = { _tag: "ExpectsEnd" }

/**
 * These bytes are sent: text is UTF-8.
 *
 * **Example** (Sending an answer)
 *
 * ```ts import.meta.vitest
 * import { Script } from "@effect-winsock/testing"
 *
 * Script.sends("+PONG\r\n")._tag // => "Sends"
 * ```
 *
 * @category lines
 * @since 0.1.0
 */
export const sends = (what: string | Uint8Array): Action => ({ _tag: "Sends", bytes: bytesOf(what) })

/**
 * The sending direction is ended in order: the program receives no more bytes.
 *
 * **Example** (Ending at once)
 *
 * ```ts import.meta.vitest
 * import { Script } from "@effect-winsock/testing"
 *
 * Script.accepted(Script.ends).lines.length // => 1
 * ```
 *
 * @category lines
 * @since 0.1.0
 */
export const ends: Action = { _tag: "Ends" }

/**
 * The connection is reset: WSAECONNRESET.
 *
 * **Example** (Reset in the middle of an answer)
 *
 * ```ts import.meta.vitest
 * import { Script } from "@effect-winsock/testing"
 *
 * Script.accepted(Script.sends("HTTP/1.1 200"), Script.after("1 second", Script.resets)).lines.length // => 2
 * ```
 *
 * @category lines
 * @since 0.1.0
 */
export const resets: Action = { _tag: "Resets" }

/**
 * Says how long something takes: an attempt from its beginning to its end, or how long the script waits before it
 * sends, ends or resets.
 *
 * **Details**
 *
 * An attempt that is accepted takes a round trip at least.
 *
 * **Example** (A slow server)
 *
 * ```ts import.meta.vitest
 * import { Script } from "@effect-winsock/testing"
 *
 * const slow = Script.after("2 seconds", Script.accepted(Script.after("1 second", Script.sends("sorry"))))
 * slow.after // => "2 seconds"
 * ```
 *
 * @category timing
 * @since 0.1.0
 */
export const after = <A extends Step | Action>(duration: Duration.Input, what: A): A => ({ ...what, after: duration })

/**
 * Says how long the program may take: to try again after an attempt has ended, or until the bytes come that are expected.
 *
 * **Details**
 *
 * The first attempt counts from when the script began, and bytes from the line before.
 *
 * **Example** (No wait is longer than a second)
 *
 * ```ts import.meta.vitest
 * import { Script } from "@effect-winsock/testing"
 *
 * const steps = [Script.refused, Script.within("1 second", Script.refused), Script.within("1 second", Script.accepted())]
 * steps.map(({ within }) => within) // => [undefined, "1 second", "1 second"]
 * ```
 *
 * @category timing
 * @since 0.1.0
 */
export const within = <A extends Step | Expectation>(duration: Duration.Input, what: A): A => ({
  ...what,
  within: duration
})

// --- the script ------------------------------------------------------------------------------------------------------

/**
 * Something came that the script does not have.
 *
 * **When to use**
 *
 * Use to read what a run died of, when its program went on after that. Usually the report of the run says the same as what is
 * left over.
 *
 * **Example** (Reading it)
 *
 * ```ts import.meta.vitest
 * import { Script } from "@effect-winsock/testing"
 *
 * const place = "attempt 1 of 1, line 1 of 2"
 * const error = new Script.Mismatch({ address: "10.0.0.9:6379", place, expected: "\"PING\"", came: "\"PANG\"" })
 * error.message // => `script of 10.0.0.9:6379: attempt 1 of 1, line 1 of 2: expected "PING", came "PANG"`
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class Mismatch extends Data.TaggedError("Mismatch")<{
  /** Whose script it is. */
  readonly address: string
  /** Where in the script. */
  readonly place: string
  /** What was expected. */
  readonly expected: string
  /** What came. */
  readonly came: string
}> {
  override get message(): string {
    return `script of ${this.address}: ${this.place}: expected ${this.expected}, came ${this.came}`
  }
}

/**
 * What the world of a script is like, where that matters.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** What lies between, each way. */
  readonly link?: SimNetwork.LinkOptions | undefined
  /** The operating system. */
  readonly profile?: SimNetwork.Profile | undefined
  /** The version of Winsock that is asked for. Default 2.2. */
  readonly version?: number | undefined
}

const own = "client"

const canonical = (input: SocketAddress.Input): SocketAddress.SocketAddress => {
  const address = SocketAddress.fromInputUnsafe(input)
  return address._tag === "UnixPathAddress" ? address : NetAddress.toCanonical(address)
}

const make = (scripts: ReadonlyArray<readonly [SocketAddress.Input, ReadonlyArray<Step>]>, options: Options) =>
  Effect.gen(function*() {
    const engine = yield* Sim
    const given = scripts.map(([input, steps]) => [canonical(input), steps] as const)
    const others = new Set(given.map(([address]) => hostOf(address, own)))
    others.delete(own)
    const net = yield* SimNetwork.make({
      hosts: { [own]: {}, ...Object.fromEntries([...others].map((host) => [host, { addresses: [host] }])) },
      link: options.link,
      profile: options.profile
    })
    // Built before Winsock, it ends after it: it sees the program's sockets close.
    const stage = yield* Effect.acquireRelease(
      Effect.sync(() => new Stage(engine, (difference) => new Mismatch(difference))),
      ({ end }) => end
    )
    for (const [address, steps] of given) stage.add(net, hostOf(address, own), address, steps)
    return yield* Layer.build(net.layer(own, { version: options.version }))
  })

/**
 * Starts Winsock where attempts to connect to an address meet what is written, or attempts to several addresses do.
 *
 * **Details**
 *
 * - Every build of the layer begins the script anew. It ends with the layer: then every step has to have been met, and every
 *   line said.
 * - An address may be IPv4, IPv6 or a Unix-domain path. Where no script is, there is nobody: WSAENETUNREACH or
 *   WSAEHOSTUNREACH; only on loopback the program may listen itself.
 * - No step at all means that nobody may try.
 *
 * **Example** (The second address of two)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress, Winsock } from "@effect-winsock/core"
 * import { Script, Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   const { remote } = yield* Winsock.WSAConnectByList(s, ["10.0.0.8:80", "10.0.0.9:80"])
 *   return SocketAddress.format(remote)
 * }).pipe(
 *   Effect.scoped,
 *   Effect.provide(Script.connects({
 *     "10.0.0.8:80": [Script.hostUnreachable],
 *     "10.0.0.9:80": [Script.accepted()]
 *   }))
 * )
 *
 * Sim.getOrThrow(Sim.run(program)) // => "10.0.0.9:80"
 * ```
 *
 * **Example** (What a run says that does not go by the script)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Script, Sim } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.WSAConnect(s, "10.0.0.9:80")
 *   yield* Winsock.send(s, new TextEncoder().encode("PANG"))
 * }).pipe(
 *   Effect.scoped,
 *   Effect.provide(Script.connects("10.0.0.9:80", [Script.accepted(Script.expects("PING")), Script.refused]))
 * )
 *
 * const { leftovers } = Sim.run(program)
 * leftovers[0] // => `script of 10.0.0.9:80: attempt 1 of 2, line 1 of 1: expected "PING", came "PANG"`
 * leftovers[1] // => "script of 10.0.0.9:80: attempt 2 of 2 never came; it was to meet WSAECONNREFUSED"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const connects: {
  (
    address: SocketAddress.Input,
    steps: ReadonlyArray<Step>,
    options?: Options
  ): Layer.Layer<Winsock.Winsock, WsaError.WSAStartupError, Sim>
  (
    scripts: Readonly<Record<string, ReadonlyArray<Step>>>,
    options?: Options
  ): Layer.Layer<Winsock.Winsock, WsaError.WSAStartupError, Sim>
} = (
  first: SocketAddress.Input | Readonly<Record<string, ReadonlyArray<Step>>>,
  second: ReadonlyArray<Step> | Options = {},
  third: Options = {}
) =>
  Layer.effectContext(
    Array.isArray(second)
      ? make([[first as SocketAddress.Input, second as ReadonlyArray<Step>]], third)
      : make(Object.entries(first as Readonly<Record<string, ReadonlyArray<Step>>>), second as Options)
  )
