/**
 * What the steps of a pipeline tell those inside of them.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { AddressPolicy } from "../AddressPolicy.ts"
import type { Endpoint } from "../Connector.ts"
import * as Qos from "../Qos.ts"
import * as UserData from "../UserData.ts"
import type * as Winsock from "../Winsock.ts"
import type { Observed } from "./observing.ts"

/** `any`: what it fails with is in the type of the step that put it here. */
export type Prepare = (s: Winsock.Socket, endpoint: Endpoint) => Effect.Effect<unknown, any, Scope.Scope>

/** What holds for every socket that is opened inside. */
export interface Settings {
  /** Is done to each socket before it connects, in this order. */
  readonly prepare: ReadonlyArray<Prepare>
  /** Decide where a socket may connect to: all have to allow. */
  readonly policies: ReadonlyArray<AddressPolicy>
  /** Who is told what happens, if anybody: see `observing.ts`. */
  readonly observed: Observed | undefined
}

export const Settings: Context.Reference<Settings> = Context.Reference("@effect-winsock/core/Connector/Settings", {
  defaultValue: (): Settings => ({ prepare: [], policies: [], observed: undefined })
})

/** Changes what holds inside. */
export const withSettings = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  f: (settings: Settings) => Settings
): Effect.Effect<A, E, R> => Effect.updateService(self, Settings, f)

/** Nothing that is meant for the target goes along with what is opened on the way to it, or for others too. */
export const plain = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateContext(self, (context: Context.Context<R>) =>
    context.pipe(
      Context.add(Qos.SocketQos, undefined),
      Context.add(Qos.GroupQos, undefined),
      Context.add(UserData.CallerData, undefined),
      Context.add(UserData.CalleeCapacity, 0)
    ))

/**
 * Nothing that a failed or interrupted step has opened is left in the scope of the caller. It is closed also where the
 * interruption came while the step could not be interrupted, and comes out as it ends.
 */
export const isolated = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.suspend(() => {
    let scope: Scope.Closeable | undefined
    const inside = Effect.updateContext(self, (context: Context.Context<R | Scope.Scope>): Context.Context<R> => {
      scope = Scope.forkUnsafe(Context.get(context, Scope.Scope))
      return Context.add(context, Scope.Scope, scope)
    })
    return Effect.onExitPrimitive(
      inside,
      (exit) => scope !== undefined && Exit.isFailure(exit) ? Scope.close(scope, exit) : undefined
    )
  })
