/**
 * A connection that is made anew when it is lost. `Connector.reconnecting` makes one.
 *
 * A connection that broke stays broken (R21). What is kept up here is not a connection but the way to one: there is a live one,
 * or the next one is on its way, and whoever wants one waits for it.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { TypeId as InternalTypeId } from "./internal/reconnecting.ts"

/**
 * Runtime type identifier of what reconnects.
 *
 * **Example** (Its value)
 *
 * ```ts import.meta.vitest
 * import { Reconnecting } from "@effect-winsock/core"
 *
 * Reconnecting.TypeId // => "~@effect-winsock/core/Reconnecting"
 * ```
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = InternalTypeId

/**
 * When and how often to connect anew.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<in E = unknown> {
  /**
   * How long to wait before the next attempt: `RetryPolicy.connectionBackoff()` unless given, which counts from when the last
   * attempt began. It goes on over connections that were lost, until one has proved useful; where it is over, a failure is
   * the last word, until somebody asks again.
   */
  readonly schedule?: Schedule.Schedule<unknown> | undefined
  /** How long a connection has to stand to have proved useful; never by itself unless given. */
  readonly usefulAfter?: Duration.Input | undefined
  /**
   * Whether to try again after a failure. Unless given: not where it says of itself that trying again is no use, being of the
   * class `"policy"`, `"defect"`, `"unsupported"` or `"qos-error"`.
   */
  readonly while?: ((error: E) => boolean) | undefined
}

/**
 * Where it stands.
 *
 * **Details**
 *
 * - `Connecting`: an attempt is under way; `attempt` counts all there were.
 * - `Connected`: there is a live connection.
 * - `Waiting`: the next attempt begins after the delay. `cause`: what the last one failed with; absent where a connection was
 *   lost.
 * - `Failed`: no attempt follows until somebody asks.
 * - `Closed`: its scope has ended.
 *
 * @category models
 * @since 0.1.0
 */
export type State<E> =
  | { readonly _tag: "Connecting"; readonly attempt: number }
  | { readonly _tag: "Connected"; readonly attempt: number }
  | {
    readonly _tag: "Waiting"
    readonly attempt: number
    readonly delay: Duration.Duration
    readonly cause?: Cause.Cause<E>
  }
  | { readonly _tag: "Failed"; readonly attempt: number; readonly cause: Cause.Cause<E> }
  | { readonly _tag: "Closed" }

/**
 * A connection that is made anew when it is lost.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reconnecting<out Out, out E = never> {
  readonly [TypeId]: typeof TypeId
  /**
   * Gives the live connection, which all share, or waits for the next one. Fails only where no attempt follows: then asking
   * again begins anew. The connection stays open, though it may be lost, until the scope ends and a newer one is wanted.
   */
  readonly get: Effect.Effect<Out, E, Scope.Scope>
  /** As `get`, for one use. What fails by a connection that was lost is not done again. */
  readonly use: <A, E2, R2>(f: (connection: Out) => Effect.Effect<A, E2, R2>) => Effect.Effect<A, E | E2, R2>
  /** Says that the connection has proved useful: the next delay is the first one again. */
  readonly useful: Effect.Effect<void>
  /** Where it stands. */
  readonly state: Effect.Effect<State<E>>
  /** Where it stands, and each change from then on; it ends with the scope of the whole. */
  readonly states: Stream.Stream<State<E>>
}

/**
 * Tells whether a value reconnects.
 *
 * **Example** (Telling it from a connection)
 *
 * ```ts import.meta.vitest
 * import { Connector, Reconnecting } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Connector.winsock.pipe(Connector.reconnecting()).connect("127.0.0.1:80").pipe(
 *   Effect.map(Reconnecting.isReconnecting),
 *   Effect.scoped,
 *   Effect.provide(SimNetwork.layer())
 * )
 * Sim.getOrThrow(Sim.run(program)) // => true
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isReconnecting = (u: unknown): u is Reconnecting<unknown, unknown> => hasProperty(u, TypeId)
