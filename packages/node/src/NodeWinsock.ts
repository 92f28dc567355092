/**
 * Winsock over Node's own sockets, as one layer.
 *
 * @since 0.1.0
 */
import { Winsock, WsaError } from "@effect-winsock/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as net from "node:net"
import * as NodeProvider from "./NodeProvider.ts"

/**
 * What a layer may be given.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The version of Winsock to ask for; 2.2 unless given. */
  readonly version?: number | undefined
  /**
   * What sets the options of a socket for which Node has no call: `"koffi"`, a package of that name that is installed
   * beside this one. Nothing unless given.
   */
  readonly systemCalls?: "koffi" | undefined
}

const make = (options: Options): Layer.Layer<Winsock.Winsock, WsaError.WSAStartupError> =>
  "BoundSocket" in net
    // What is done with the calls is Linux's own.
    ? options.systemCalls === undefined || process.platform !== "linux"
      ? Winsock.layer(NodeProvider.make(), options)
      : Layer.unwrap(Effect.map(
        NodeProvider.koffi,
        (systemCalls) => Winsock.layer(NodeProvider.make({ systemCalls }), options)
      ))
    // The first call to miss what an older Node has not would say so in words that nobody understands.
    : Layer.effect(
      Winsock.Winsock,
      Effect.fail(WsaError.forCall("WSAStartup", "WSASYSNOTREADY", {
        stage: "request",
        detail: `Node 24.19 or newer is needed, this is ${process.version}`
      }))
    )

/**
 * A running Winsock over Node's sockets.
 *
 * **When to use**
 *
 * Use wherever a program shall reach the network. Tests that shall not take the layer of the in-memory provider instead.
 *
 * **Details**
 *
 * `NodeProvider` tells what Node can do, and what it cannot. Building the layer fails with WSASYSNOTREADY on a Node that
 * is older than 24.19.
 *
 * **Example** (Connecting over loopback)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { NodeWinsock } from "@effect-winsock/node"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:0")
 *   yield* Winsock.listen(listener)
 *   const client = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.WSAConnect(client, yield* Winsock.getsockname(listener))
 *   return yield* Winsock.send(client, new Uint8Array(3))
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NodeWinsock.layer))) // => 3
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Winsock.Winsock, WsaError.WSAStartupError> = make({})

/**
 * A running Winsock over Node's sockets, of a version.
 *
 * **When to use**
 *
 * Use to run a program that was written for Winsock 1.1, with its rule of one blocking call at a time (E05).
 *
 * **Details**
 *
 * One above 2.2 gives 2.2, one between the highest that is not above it; below 1.0 the layer fails with
 * WSAVERNOTSUPPORTED (A21).
 *
 * **Example** (Asking for version 1.1)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { NodeWinsock } from "@effect-winsock/node"
 * import { Effect } from "effect"
 *
 * const program = Winsock.WSACancelBlockingCall.pipe(Effect.flip, Effect.map((error) => error._tag))
 * const layer = NodeWinsock.layerVersion(Winsock.MAKEWORD(1, 1))
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => "WSAEINVAL"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerVersion = (version: number): Layer.Layer<Winsock.Winsock, WsaError.WSAStartupError> =>
  make({ version })

/**
 * A running Winsock over Node's sockets that may use what Node itself does not offer.
 *
 * **When to use**
 *
 * Use to have datagrams marked, or a connection given a priority or a pace, as a QOS asks for it.
 *
 * **Details**
 *
 * With `systemCalls: "koffi"` the layer loads that package, once it is built. It has to be installed: building the layer
 * fails with WSASYSNOTREADY where it is not. On systems other than Linux it is not loaded, and the capabilities stay
 * what they are without it.
 *
 * **Example** (Marking what a datagram socket sends)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { NodeWinsock } from "@effect-winsock/node"
 * import { Effect } from "effect"
 *
 * const layer = NodeWinsock.layerWith({ systemCalls: "koffi" })
 * const program = Winsock.socket({ family: "IPv4", type: "datagram" }).pipe(Effect.scoped, Effect.as("there"))
 * await Effect.runPromise(program.pipe(Effect.provide(layer))) // => "there"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<Winsock.Winsock, WsaError.WSAStartupError> => make(options)
