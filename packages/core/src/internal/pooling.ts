/**
 * Pools of connections, one for each destination.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import * as Pool from "effect/Pool"
import * as RcMap from "effect/RcMap"
import * as Scope from "effect/Scope"
import type { AddressPolicy } from "../AddressPolicy.ts"
import type * as Connection from "../Connection.ts"
import * as ConnectionPool from "../ConnectionPool.ts"
import { countOf } from "./counts.ts"
import * as Observing from "./observing.ts"
import * as Pipeline from "./pipeline.ts"
import * as Policed from "./policed.ts"
import * as Targets from "./target.ts"
import { within } from "./within.ts"

type Connect<Target, Out, E, R> = (target: Target) => Effect.Effect<Out, E, R | Scope.Scope>

type Lend<Target, Out, E> = (target: Target) => Effect.Effect<Out, E | ConnectionPool.PoolTimeout, Scope.Scope>

/**
 * A place for a connection. The pool makes places, which is done at once; whoever is given an empty one connects, in a fiber of
 * his own: so connects do not wait for one another, and a failure and an interruption are his alone.
 */
interface Place<Out> {
  readonly scope: Scope.Scope
  connection: Out | undefined
  since: number
}

type Places<Out> = Pool.Pool<Place<Out>>

const numbers = new WeakMap<AddressPolicy, number>()
let count = 0

const numberOf = (policy: AddressPolicy): number => {
  const known = numbers.get(policy)
  if (known !== undefined) return known
  numbers.set(policy, ++count)
  return count
}

/**
 * What connections have to have in common to be lent one for the other: the destination, and the policies under which they
 * were opened, so that nobody is lent what he might not open.
 */
class Key implements Equal.Equal {
  private readonly to: unknown
  private readonly under: string

  constructor(target: unknown, policies: ReadonlyArray<AddressPolicy>) {
    this.to = Targets.keyOf(target)
    this.under = policies.map(numberOf).join()
  }

  [Equal.symbol](that: unknown): boolean {
    return that instanceof Key && this.under === that.under && Equal.equals(this.to, that.to)
  }
  [Hash.symbol](): number {
    return Hash.combine(Hash.hash(this.to), Hash.string(this.under))
  }
}

const millisOf = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))

/** Makes a way to connect that lends connections, for as long as the scope lasts. */
export const open = <Target, Out extends Connection.Connection<any>, E, R>(
  connect: Connect<Target, Out, E, R>,
  options: ConnectionPool.Options<Out>
): Effect.Effect<Lend<Target, Out, E>, never, R | Scope.Scope> => {
  const min = countOf("pooled, min", options.min ?? 0, 0)
  const max = countOf("pooled, max", options.max ?? 10, Math.max(1, min))
  const timeToLive = Duration.fromInputUnsafe(options.idleTimeToLive ?? "30 seconds")
  const maxAge = millisOf(options.maxAge ?? Duration.infinity)
  const waitTimeout = options.waitTimeout === undefined ? undefined : Duration.fromInputUnsafe(options.waitTimeout)
  const { reuse = (_, exit) => Exit.isSuccess(exit) } = options

  const places: Effect.Effect<Places<Out>, never, Scope.Scope> = Pool.makeWithTTL({
    acquire: Effect.map(Effect.scope, (scope): Place<Out> => ({ scope, connection: undefined, since: 0 })),
    min,
    max,
    timeToLive
  })

  const place = (places: Places<Out>, target: Target) =>
    waitTimeout === undefined ? Pool.get(places) : within(
      Pool.get(places),
      waitTimeout,
      () => Exit.fail(new ConnectionPool.PoolTimeout({ destination: Targets.textOf(target), max, waited: waitTimeout }))
    )

  const isGood = ({ connection, since }: Place<Out>, now: number) =>
    connection === undefined || (now - since < maxAge && ConnectionPool.isReusable(connection))

  /** What comes back is left in its place, or the place is given up with it. */
  const back = (places: Places<Out>, place: Place<Out>) => (exit: Exit.Exit<unknown, unknown>) =>
    place.connection !== undefined && ConnectionPool.isReusable(place.connection) && reuse(place.connection, exit)
      ? Effect.void
      : Pool.invalidate(places, place)

  const lend = (
    places: Places<Out>,
    target: Target
  ): Effect.Effect<Out, E | ConnectionPool.PoolTimeout, R | Scope.Scope> =>
    Effect.gen(function*() {
      const scope = yield* Effect.scope
      for (;;) {
        const lease = Scope.forkUnsafe(scope)
        const found = yield* Scope.provide(place(places, target), lease)
        if (isGood(found, yield* Clock.currentTimeMillis)) {
          yield* Scope.addFinalizerExit(lease, back(places, found))
          if (found.connection === undefined) {
            found.connection = yield* Scope.provide(Pipeline.plain(connect(target)), found.scope)
            found.since = yield* Clock.currentTimeMillis
          } else yield* Observing.emit(() => ({ _tag: "PoolHit", destination: Targets.textOf(target) }))
          return found.connection
        }
        yield* Pool.invalidate(places, found)
        yield* Scope.close(lease, Exit.void)
      }
    })

  return Effect.gen(function*() {
    const context = yield* Effect.context<R>()
    const all = yield* RcMap.make<Key, Places<Out>, never, Scope.Scope>({
      lookup: () => places,
      idleTimeToLive: min > 0 ? Duration.infinity : timeToLive
    })
    return (target) =>
      Pipeline.isolated(Effect.contextWith((inner: Context.Context<never>) => {
        const lent = Effect.flatMap(
          RcMap.get(all, new Key(target, Policed.inForce(inner))),
          (places) => lend(places, target)
        )
        // what is around the borrower holds for what he opens, and the services are those of the pool
        return Effect.updateContext(lent, (inner: Context.Context<Scope.Scope>) => Context.merge(context, inner))
      }))
  })
}
