/**
 * How data travels while two ends connect, over transports that have no way of their own for it.
 *
 * TCP and Unix-domain sockets carry nothing along with a connection request, so WSAConnect with caller data fails there
 * with WSAEPROTONOSUPPORT (E17). A carrier makes a provider that carries some: it decorates the one that a layer of
 * Winsock is built on, whichever that is, so that live sockets and simulated ones take it alike.
 *
 * | layer | a connect is there | caller data | callee data | for peers that |
 * | --- | --- | --- | --- | --- |
 * | {@link layerNone} | as the transport says | none | none | know nothing of it |
 * | {@link layerExchange} | once the peer has accepted | yes | yes | have it too |
 * | {@link layerProxy} | as the transport says | yes | none | read, or send, the PROXY protocol |
 *
 * **Details**
 *
 * Both say what they have to say in a header of the PROXY protocol, version 2, at the very beginning of the connection;
 * docs/connect-data.md has it byte by byte. Datagram sockets are left alone: they ignore connect data (R11).
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Decorated from "./internal/connectData/provider.ts"
import type { Settings } from "./internal/connectData/speech.ts"
import * as Frames from "./internal/exchangeFrames.ts"
import * as Header from "./internal/proxyHeader.ts"
import type * as Provider from "./Provider.ts"

/**
 * The timers that a carrier has: those of the Clock that the layer is built with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Timers {
  /** Does something after so many milliseconds. What it answers calls that off. */
  readonly after: (millis: number, task: () => void) => () => void
  /** Nanoseconds since whenever; never goes back. */
  readonly now: () => bigint
}

/**
 * What makes a provider that carries data while connecting of one that does not.
 *
 * @category models
 * @since 0.1.0
 */
export type Carrier = (inner: Provider.Provider, timers: Timers) => Provider.Provider

/**
 * The carrier that a layer of Winsock is built with; `undefined` for none, which costs nothing.
 *
 * **Gotchas**
 *
 * It is read when the layer is built. A layer that is built once for two parts of a program has one carrier for both:
 * `Layer.fresh` builds it anew.
 *
 * **Example** (Having none unless told)
 *
 * ```ts import.meta.vitest
 * import { ConnectData } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * await Effect.runPromise(Effect.service(ConnectData.Carrier)) // => undefined
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const Carrier: Context.Reference<Carrier | undefined> = Context.Reference(
  "@effect-winsock/core/ConnectData/Carrier",
  { defaultValue: (): Carrier | undefined => undefined }
)

/**
 * Which sockets a carrier has to do with: those that connect, those that listen, or both.
 *
 * @category models
 * @since 0.1.0
 */
export type Side = "both" | "connect" | "listen"

/**
 * What a caller says of a TLS connection that it speaks for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ssl {
  /** Bits: 1 it came over TLS, 2 with a certificate, 4 with one earlier in the session. */
  readonly client: number
  /** 0 where the certificate was found good. */
  readonly verify: number
  /** The version, such as `"TLSv1.3"`. */
  readonly version?: string | undefined
  /** The common name of the certificate. */
  readonly commonName?: string | undefined
  /** The cipher that is in use. */
  readonly cipher?: string | undefined
  /** The algorithm of the certificate's signature. */
  readonly signatureAlgorithm?: string | undefined
  /** The algorithm of the certificate's key. */
  readonly keyAlgorithm?: string | undefined
}

/**
 * What the PROXY protocol has entries for. What is given goes along with every connect.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entries {
  /** The host that is wanted, as SNI names it. */
  readonly authority?: string | undefined
  /** The name of the protocol above, in the bytes that TLS has for it. */
  readonly alpn?: Uint8Array | undefined
  /** What identifies the connection in logs, at most 128 bytes. */
  readonly uniqueId?: Uint8Array | undefined
  /** What is known of a TLS connection. */
  readonly ssl?: Ssl | undefined
  /** The network namespace of the caller. */
  readonly netns?: string | undefined
}

/**
 * What both carriers can be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The most caller data, in bytes, that is sent or taken. Default 16 KiB, at most 48 KiB. */
  readonly callerDataMax?: number | undefined
  /** Which sockets it has to do with. Default `"both"`. */
  readonly side?: Side | undefined
  /** What else goes along with a connect. */
  readonly entries?: Entries | undefined
  /** The type of the entry that has the caller data, of those for applications: 0xe0 to 0xef. Default 0xe4. */
  readonly type?: number | undefined
  /** How long a caller may take to say who it is. Default 5 seconds. */
  readonly headerTimeout?: Duration.Input | undefined
  /** How many callers of one listener may be about to say who they are; of more the oldest is reset. Default 8192. */
  readonly pendingMax?: number | undefined
}

/**
 * What the exchange can be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExchangeOptions extends Options {
  /** The most callee data, in bytes, that is sent or taken. Default 16 KiB, at most 16 MiB. */
  readonly calleeDataMax?: number | undefined
  /** How long a peer may take to accept or reject, from the moment in which there is a connection. Default 20 seconds. */
  readonly replyTimeout?: Duration.Input | undefined
}

const text = Schema.optional(Schema.String.check(Schema.isMaxLength(255)))
const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))

const isTimeout = (u: unknown): u is Duration.Input => {
  const duration = Option.getOrUndefined(Duration.fromInput(u as Duration.Input))
  return duration !== undefined && Duration.isFinite(duration) && Duration.toMillis(duration) > 0
}

const timeout = Schema.optional(Schema.declare(isTimeout, { expected: "a duration of more than 0 that ends" }))

const options = {
  callerDataMax: Schema.optional(upTo(48 * 1024)),
  side: Schema.optional(Schema.Literals(["both", "connect", "listen"])),
  entries: Schema.optional(Schema.Struct({
    authority: text,
    alpn: Schema.optional(Schema.Uint8Array.check(Schema.isMaxLength(255))),
    uniqueId: Schema.optional(Schema.Uint8Array.check(Schema.isMaxLength(128))),
    ssl: Schema.optional(Schema.Struct({
      client: upTo(0xff),
      verify: upTo(0xffff_ffff),
      version: text,
      commonName: text,
      cipher: text,
      signatureAlgorithm: text,
      keyAlgorithm: text
    })),
    netns: text
  })),
  type: Schema.optional(
    Schema.Int.check(Schema.isBetween({ minimum: Header.Type.customFirst, maximum: Header.Type.customLast }))
  ),
  headerTimeout: timeout,
  pendingMax: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })))
}

const Given = Schema.Struct({ ...options, calleeDataMax: Schema.optional(upTo(1 << 24)), replyTimeout: timeout })

const settingsOf = (replies: boolean, given: typeof Given.Type): Settings => {
  const { callerDataMax = 16 * 1024, calleeDataMax = 16 * 1024, pendingMax = 8192, side = "both" } = given
  const { entries = {}, headerTimeout = "5 seconds", replyTimeout = "20 seconds", type = Frames.defaultType } = given
  return {
    replies,
    connects: side !== "listen",
    listens: side !== "connect",
    callerDataMax,
    calleeDataMax: replies ? calleeDataMax : 0,
    pendingMax,
    type,
    entries: copyOf(entries),
    headerTimeout: Duration.toMillis(headerTimeout),
    replyTimeout: Duration.toMillis(replyTimeout)
  }
}

/** The caller may write over its own later (R27). */
const copyOf = ({ alpn, uniqueId, ...others }: Entries): Entries => ({
  ...others,
  alpn: alpn === undefined ? undefined : new Uint8Array(alpn),
  uniqueId: uniqueId === undefined ? undefined : new Uint8Array(uniqueId)
})

const layerOf = (replies: boolean, options: unknown): Layer.Layer<never, Schema.SchemaError> =>
  Layer.effect(
    Carrier,
    Effect.map(Schema.decodeUnknownEffect(Given)(options), (given): Carrier => {
      const settings = settingsOf(replies, given)
      return (inner, timers) => Decorated.decorate(inner, settings, timers)
    })
  )

/**
 * Carries nothing, as where no layer says otherwise.
 *
 * **When to use**
 *
 * Use for the part of a program that is to do without the carrier of the rest.
 *
 * **Example** (Carrying nothing)
 *
 * ```ts import.meta.vitest
 * import { ConnectData, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Layer } from "effect"
 *
 * const program = Winsock.Winsock.use((winsock) =>
 *   Effect.succeed(winsock.capabilities({ family: "IPv4", type: "stream", direction: "both" }).callerDataMax)
 * )
 * const layer = Memory.layer().pipe(Layer.provide(ConnectData.layerNone))
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => 0
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNone: Layer.Layer<never> = Layer.succeed(Carrier, undefined)

/**
 * Carries data both ways between two ends that both have it: a connect is there once the peer has accepted.
 *
 * **When to use**
 *
 * Use where both ends are yours, and a connection is to begin with who calls, what for, and whether that is welcome.
 *
 * **Details**
 *
 * The caller sends a header with its caller data, its QOS and the room that it has for callee data, and waits. The callee's
 * end takes callers from the transport at once, reads their headers, and hands on those that are whole: `WSAAccept` sees
 * the data, and `accept`, like CF_ACCEPT, answers with the callee data, cut to the room there is (R13). CF_REJECT, and a
 * full backlog, end the attempt with WSAECONNREFUSED; a caller that gives up is withdrawn. What either sends next follows
 * its part of the exchange, and none of it is lost. `remote` is the peer as the transport knows it, whatever its header says.
 *
 * An attempt ends with WSAEPROTONOSUPPORT where the peer answers in another way (E17), WSAETIMEDOUT where it does not
 * answer in time, WSAECONNRESET where it closes the connection instead, and else as the connection broke. The socket is then
 * as a refused one is: it keeps its local address, and may be connected again (R26).
 *
 * Of a caller that does not send a header nothing is told: it is reset at its first wrong byte, after `headerTimeout`, or
 * as the oldest of more than `pendingMax`. Its memory is what it has sent of a header, which is at most 16 KiB longer than
 * `callerDataMax`.
 *
 * **Gotchas**
 *
 * All connects of the layer speak it, and all its listeners expect it: `side` leaves one of them as the transport is.
 *
 * **Example** (Saying who calls, and being told something back)
 *
 * ```ts import.meta.vitest
 * import { ConnectData, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Fiber, Layer } from "effect"
 *
 * const bytes = (text: string) => new TextEncoder().encode(text)
 * const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:0")
 *   yield* Winsock.listen(listener)
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   const calling = yield* Effect.forkChild(
 *     Winsock.WSAConnect(s, yield* Winsock.getsockname(listener), { callerData: bytes("acme"), calleeData: 64 })
 *   )
 *   yield* Winsock.WSAAccept(listener, ({ callerData }) =>
 *     Effect.succeed({ verdict: Winsock.CF_ACCEPT, calleeData: bytes(`welcome, ${text(callerData)}`) }))
 *   return text((yield* Fiber.join(calling)).calleeData)
 * })
 *
 * const layer = Memory.layer().pipe(Layer.provide(ConnectData.layerExchange()))
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layer))) // => "welcome, acme"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerExchange = (options: ExchangeOptions = {}): Layer.Layer<never, Schema.SchemaError> =>
  layerOf(true, options)

/**
 * Speaks the PROXY protocol, version 2: what connects says for whom, and what listens is told who really calls.
 *
 * **When to use**
 *
 * Use behind a load balancer such as HAProxy (`send-proxy-v2`), or to call a peer that expects the header, such as HAProxy
 * (`accept-proxy`) or nginx (`proxy_protocol`).
 *
 * **Details**
 *
 * A connect sends the header, with the addresses of its own connection, the `entries` and the caller data, and is there at
 * once; nothing comes back. What listens takes a caller when its header is there, and gives the source that the header names
 * as `remote`: to `accept`, `WSAAccept` and `getpeername`. A header that names none, as that of a proxy which looks after
 * its server, leaves `remote` as the transport has it. Callers without a right header are reset, as with
 * {@link layerExchange}.
 *
 * **Gotchas**
 *
 * Whoever reaches the listener can say to be anyone: only proxies are to reach it. A source may be of another family than
 * the socket.
 *
 * **Example** (Reading the header without sending one)
 *
 * ```ts import.meta.vitest
 * import { ConnectData, SocketAddress, Winsock } from "@effect-winsock/core"
 * import { Memory } from "@effect-winsock/testing"
 * import { Effect, Layer } from "effect"
 *
 * const header = Uint8Array.of(
 *   ...[0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a], // the signature
 *   ...[0x21, 0x11, 0x00, 0x0c], // PROXY, TCP over IPv4
 *   ...[192, 0, 2, 1, 198, 51, 100, 7, 0xc3, 0x50, 0x01, 0xbb] // source, destination, their ports
 * )
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:0")
 *   yield* Winsock.listen(listener)
 *   const proxy = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.WSAConnect(proxy, yield* Winsock.getsockname(listener))
 *   yield* Winsock.send(proxy, header)
 *   const { remote } = yield* Winsock.accept(listener)
 *   return SocketAddress.format(remote)
 * })
 *
 * const layer = Memory.layer().pipe(Layer.provide(ConnectData.layerProxy({ side: "listen" })))
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layer))) // => "192.0.2.1:50000"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerProxy = (options: Options = {}): Layer.Layer<never, Schema.SchemaError> => layerOf(false, options)
