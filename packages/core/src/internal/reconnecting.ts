/**
 * Keeps a connection up: one fiber connects, watches, waits and connects again; who wants a connection waits for that fiber.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { hasProperty } from "effect/Predicate"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type * as Connection from "../Connection.ts"
import type { Options, Reconnecting, State } from "../Reconnecting.ts"
import * as RetryPolicy from "../RetryPolicy.ts"
import * as Lost from "./lost.ts"

export const TypeId = "~@effect-winsock/core/Reconnecting"

/** A connection, and who uses it: it is closed when it is lost and nobody does. */
interface Live<Out> {
  readonly connection: Out
  readonly scope: Scope.Closeable
  leases: number
  retired: boolean
}

const hopeless: ReadonlySet<unknown> = new Set(["policy", "defect", "unsupported", "qos-error"])

const mayPass = (error: unknown): boolean => !(hasProperty(error, "retryClass") && hopeless.has(error.retryClass))

type Next = (now: number, input: unknown) => Pull.Pull<[unknown, Duration.Duration], never, unknown>

class Keeper<Out extends Connection.Connection<any>, E> {
  readonly states: SubscriptionRef.SubscriptionRef<State<E>>
  private readonly connect: Effect.Effect<Out, E, Scope.Scope>
  private readonly scope: Scope.Scope
  private readonly schedule: Schedule.Schedule<unknown>
  private readonly usefulAfter: Duration.Duration | undefined
  private readonly isWorthIt: (error: E) => boolean
  private live: Live<Out> | undefined
  /** Those who want a connection wait for this. */
  private coming = Deferred.makeUnsafe<void, E>()
  /** Told by those who want one, where nobody would try any more. */
  private wanted = Deferred.makeUnsafe<void>()
  private next: Next | undefined
  private attempt = 0
  private startedAt = 0

  constructor(
    connect: Effect.Effect<Out, E, Scope.Scope>,
    scope: Scope.Scope,
    states: SubscriptionRef.SubscriptionRef<State<E>>,
    options: Options<E>
  ) {
    this.connect = connect
    this.scope = scope
    this.states = states
    this.schedule = options.schedule ?? RetryPolicy.connectionBackoff()
    this.usefulAfter = options.usefulAfter === undefined ? undefined : Duration.fromInputUnsafe(options.usefulAfter)
    this.isWorthIt = options.while ?? mayPass
  }

  /** The delays begin anew. */
  readonly useful = Effect.sync(() => {
    this.next = undefined
  })

  readonly get: Effect.Effect<Out, E, Scope.Scope> = Effect.uninterruptibleMask((restore) => {
    const found: Effect.Effect<Out, E, Scope.Scope> = Effect.suspend(() => {
      const { live } = this
      if (live !== undefined && Lost.isOpen(live.connection)) {
        live.leases++
        return Effect.as(Effect.addFinalizer(() => this.release(live)), live.connection)
      }
      // it is lost, and the fiber that watches it has not come to see it
      if (live !== undefined) this.retire(live)
      Deferred.doneUnsafe(this.wanted, Effect.void)
      return Effect.andThen(restore(Deferred.await(this.coming)), found)
    })
    return found
  })

  private release(live: Live<Out>): Effect.Effect<void> {
    return Effect.suspend(() => --live.leases === 0 && live.retired ? Scope.close(live.scope, Exit.void) : Effect.void)
  }

  private retire(live: Live<Out>): void {
    live.retired = true
    if (this.live !== live) return
    this.live = undefined
    this.coming = Deferred.makeUnsafe()
  }

  private tell(state: State<E>): Effect.Effect<void> {
    return SubscriptionRef.set(this.states, state)
  }

  /** How long to wait; `undefined` where the schedule is over. */
  private delay(because: unknown): Effect.Effect<Duration.Duration | undefined> {
    return Effect.gen({ self: this }, function*() {
      this.next ??= yield* Schedule.toStep(this.schedule)
      const { attempt: number, startedAt } = this
      return yield* this.next(yield* Clock.currentTimeMillis, because).pipe(
        Effect.map(([, delay]) => delay),
        Pull.catchDone(() => Effect.undefined),
        Effect.provideService(RetryPolicy.CurrentAttempt, { number, startedAt, previous: because })
      )
    })
  }

  private waits(delay: Duration.Duration, cause?: Cause.Cause<E>): Effect.Effect<void> {
    if (!Duration.isPositive(delay)) return Effect.void
    const told = this.tell({
      _tag: "Waiting",
      attempt: this.attempt,
      delay,
      ...(cause === undefined ? {} : { cause })
    })
    return Effect.andThen(told, Effect.sleep(delay))
  }

  /** Whoever waits now is told. The next one who asks begins anew. */
  private fails(cause: Cause.Cause<E>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      const { coming } = this
      this.coming = Deferred.makeUnsafe()
      this.wanted = Deferred.makeUnsafe()
      this.next = undefined
      yield* this.tell({ _tag: "Failed", attempt: this.attempt, cause })
      yield* Deferred.failCause(coming, cause)
      yield* Deferred.await(this.wanted)
    })
  }

  private stands(live: Live<Out>): Effect.Effect<void> {
    const lost = Lost.lost(live.connection)
    return this.usefulAfter === undefined ? lost : Effect.raceFirst(
      lost,
      Effect.andThen(Effect.delay(this.useful, this.usefulAfter), Effect.never)
    )
  }

  private readonly round = Effect.gen({ self: this }, function*() {
    this.attempt++
    this.startedAt = yield* Clock.currentTimeMillis
    if (this.attempt > 1) yield* this.tell({ _tag: "Connecting", attempt: this.attempt })
    const scope = Scope.forkUnsafe(this.scope)
    const exit = yield* Effect.exit(Scope.provide(this.connect, scope))
    if (Exit.isFailure(exit)) {
      yield* Scope.close(scope, exit)
      const error = Cause.findError(exit.cause)
      const delay = Result.isSuccess(error) && this.isWorthIt(error.success)
        ? yield* this.delay(error.success)
        : undefined
      return yield* delay === undefined ? this.fails(exit.cause) : this.waits(delay, exit.cause)
    }
    const live: Live<Out> = { connection: exit.value, scope, leases: 0, retired: false }
    this.live = live
    yield* this.tell({ _tag: "Connected", attempt: this.attempt })
    yield* Deferred.succeed(this.coming, undefined)
    yield* this.stands(live)
    this.retire(live)
    if (live.leases === 0) yield* Scope.close(scope, Exit.void)
    // what was lost is tried for at least once more
    yield* this.waits((yield* this.delay(live.connection.closeReason)) ?? Duration.zero)
  })

  readonly keep: Effect.Effect<never> = Effect.forever(Effect.suspend(() => this.round))

  readonly close = Effect.suspend(() => {
    // who asks from now on finds no connection, and nobody to wait for
    if (this.live !== undefined) this.retire(this.live)
    return Effect.andThen(this.tell({ _tag: "Closed" }), Deferred.interrupt(this.coming))
  })
}

/** Keeps a connection up for as long as the scope lasts. */
export const open = <Out extends Connection.Connection<any>, E, R>(
  connect: Effect.Effect<Out, E, R | Scope.Scope>,
  options: Options<E>
): Effect.Effect<Reconnecting<Out, E>, never, R | Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const states = yield* SubscriptionRef.make<State<E>>({ _tag: "Connecting", attempt: 1 })
    // the fiber that connects has all that is around here
    const keeper = new Keeper(connect as Effect.Effect<Out, E, Scope.Scope>, scope, states, options)
    yield* Scope.addFinalizer(scope, keeper.close)
    yield* Effect.forkIn(keeper.keep, scope)
    const get = keeper.get
    return {
      [TypeId]: TypeId,
      get,
      use: (f) => Effect.scoped(Effect.flatMap(get, f)),
      useful: keeper.useful,
      state: SubscriptionRef.get(states),
      states: Stream.takeUntil(SubscriptionRef.changes(states), ({ _tag }) => _tag === "Closed")
    }
  })
