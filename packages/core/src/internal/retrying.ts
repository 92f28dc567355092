/**
 * Trying again, as a policy says.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"
import * as Tracer from "effect/Tracer"
import type * as HappyEyeballs from "../HappyEyeballs.ts"
import type { Account, BreakerOpen, Budget as Accounts, Destination, Expense, StopReason } from "../RetryPolicy.ts"
import * as SocketAddress from "../SocketAddress.ts"
import * as WsaError from "../WsaError.ts"
import * as Around from "./around.ts"
import * as Observing from "./observing.ts"
import { Settings } from "./pipeline.ts"
import * as Steps from "./retrySteps.ts"
import { within } from "./within.ts"

export const Budget: Context.Reference<Accounts | undefined> = Context.Reference(
  "@effect-winsock/core/RetryPolicy/Budget",
  { defaultValue: (): Accounts | undefined => undefined }
)

/** What was spent before a failure came out: an annotation of its cause. */
export class Spent extends Context.Service<Spent, Expense>()("@effect-winsock/core/RetryPolicy/Spent") {}

/** What a policy decides by: every policy has one. */
export const nodeOf = (policy: object): Steps.Node => (policy as { readonly node: Steps.Node }).node

export const nameOf = (destination: Destination): string =>
  typeof destination === "string" ? destination : SocketAddress.format(destination)

/** What is tried, with what is put around each attempt. */
type Inside = (around: Around.Around | undefined) => Effect.Effect<unknown, unknown, any>

/**
 * Tries again after a failure. `to`: asked when it is wanted, since most attempts go well, and there is no budget. `around`:
 * what is put around all attempts together.
 */
export const retry = (
  self: Inside,
  policy: object,
  to: () => Destination,
  around: Around.Around | undefined
): Effect.Effect<unknown, unknown, any> =>
  Effect.withFiber((fiber) => new Series(self, nodeOf(policy), to, around, fiber).run())

/** What says of itself how to take it: a Winsock error, and what a step such as TLS or a proxy fails with. */
const isFailure = (error: unknown): error is HappyEyeballs.Failure =>
  WsaError.isWsaError(error) ||
  hasProperty(error, "_tag") && hasProperty(error, "stage") && hasProperty(error, "retryClass")

/** What an open breaker fails with. */
const isRefusal = (error: unknown): error is BreakerOpen => hasProperty(error, "_tag") && error._tag === "BreakerOpen"

const tagOf = (error: unknown): string | undefined => isFailure(error) || isRefusal(error) ? error._tag : undefined

export const failureOf = (error: unknown, tag: string) => ({
  tag,
  retryClass: isFailure(error) ? error.retryClass : undefined,
  error
})

/** One use of a policy: attempts until one goes well, or the last one has failed. */
class Series {
  private readonly self: Inside
  private readonly node: Steps.Node
  private readonly to: () => Destination
  private readonly around: Around.Around | undefined
  private readonly clock: Clock.Clock
  private readonly budget: Accounts | undefined
  private readonly context: Context.Context<never>
  private readonly observed: Observing.Observed | undefined
  private readonly began: number
  private step: Steps.Step | undefined

  constructor(
    self: Inside,
    node: Steps.Node,
    to: () => Destination,
    around: Around.Around | undefined,
    fiber: Fiber.Fiber<unknown, unknown>
  ) {
    this.self = self
    this.node = node
    this.to = to
    this.around = around
    this.clock = fiber.getRef(Clock.Clock)
    this.budget = fiber.getRef(Budget)
    this.context = fiber.context
    this.observed = fiber.getRef(Settings).observed
    this.began = this.clock.currentTimeMillisUnsafe()
  }

  run(): Effect.Effect<unknown, unknown, any> {
    this.note((account, now) => account.request(now))
    return this.attempt(1, this.began, undefined, Steps.firstTimeout(this.node))
  }

  private note<A>(f: (account: Account, now: number) => A): A | undefined {
    if (this.budget === undefined) return undefined
    const now = monotonicMillis(this.clock)
    return f(this.budget.account(this.to(), now), now)
  }

  private attempt(
    number: number,
    startedAt: number,
    previous: unknown,
    timeout: Duration.Duration | undefined
  ): Effect.Effect<unknown, unknown, any> {
    // Until an attempt has failed there is nothing but the attempt inside of what is put around.
    const around = number === 1 ? this.around : undefined
    const current = { number, startedAt, previous }
    const tried = timeout === undefined && this.observed === undefined
      ? this.self(new Around.Attempt(around, current))
      : Around.put(around, this.round(this.self(new Around.Attempt(undefined, current)), number, timeout))
    return Effect.catchCause(this.budget === undefined ? tried : this.noted(tried), (cause) => {
      const error = Cause.hasDies(cause) ? Option.none() : Cause.findErrorOption(cause)
      const tag = Option.isSome(error) ? tagOf(error.value) : undefined
      if (Option.isNone(error) || tag === undefined) return Effect.failCause(cause)
      const failure = {
        ...failureOf(error.value, tag),
        attempt: number,
        now: this.clock.currentTimeMillisUnsafe(),
        startedAt,
        began: this.began
      }
      return Around.put(around, this.failed(cause, failure))
    })
  }

  private round<A, E, R>(
    attempt: Effect.Effect<A, E, R>,
    number: number,
    timeout: Duration.Duration | undefined
  ): Effect.Effect<A, E | WsaError.WSAETIMEDOUT, R> {
    const timed = timeout === undefined
      ? attempt
      : within(attempt, timeout, () => Exit.fail(timedOut(timeout, this.to())))
    return this.observed === undefined ? timed : Observing.inRound(timed, this.observed, number)
  }

  private noted<A, E, R>(attempt: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.map(attempt, (value) => {
      this.note((account, now) => account.succeeded(now))
      return value
    })
  }

  private failed(cause: Cause.Cause<unknown>, failure: Steps.Failure): Effect.Effect<unknown, unknown, any> {
    if (Steps.covers(this.node, failure)) this.note((account, now) => account.failed(now))
    this.step ??= Steps.begin(this.node)
    return Effect.flatMap(Steps.stepped(this.step, failure), (decision) => {
      if (decision._tag === "Stop") return this.stopped(cause, failure, decision.reason)
      if (this.note((account, now) => account.withdraw(now)) === false) return this.stopped(cause, failure, "budget")
      this.event("retry", {
        "error.type": failure.tag,
        "retry.attempt": failure.attempt + 1,
        "retry.delay": Duration.toMillis(decision.delay)
      })
      this.tell(failure, { _tag: "RetryScheduled", delay: Duration.toMillis(decision.delay) })
      return Effect.flatMap(
        Effect.sleep(decision.delay),
        () => this.attempt(failure.attempt + 1, this.clock.currentTimeMillisUnsafe(), failure.error, decision.timeout)
      )
    })
  }

  private stopped(
    cause: Cause.Cause<unknown>,
    failure: Steps.Failure,
    reason: StopReason
  ): Effect.Effect<never, unknown> {
    const elapsed = failure.now - this.began
    this.event("retry.stopped", {
      "error.type": failure.tag,
      "retry.attempts": failure.attempt,
      "retry.elapsed": elapsed,
      "retry.reason": reason
    })
    this.tell(failure, { _tag: "RetryStopped", reason })
    return Effect.failCause(Cause.annotate(
      cause,
      Context.make(Spent, {
        attempts: failure.attempt,
        elapsed: Duration.millis(elapsed),
        reason,
        destination: this.to() === "" ? undefined : nameOf(this.to())
      })
    ))
  }

  private tell(
    { attempt, error }: Steps.Failure,
    news:
      | { readonly _tag: "RetryScheduled"; readonly delay: number }
      | { readonly _tag: "RetryStopped"; readonly reason: StopReason }
  ): void {
    if (this.observed === undefined) return
    Observing.tell({ ...this.observed, round: attempt }, { ...news, failure: Observing.failureOf(error) })
  }

  private event(name: string, attributes: Record<string, unknown>): void {
    const span = Context.getOrUndefined(this.context, Tracer.ParentSpan)
    if (span?._tag === "Span") span.event(name, this.clock.currentTimeNanosUnsafe(), attributes)
  }
}

export const monotonicMillis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe() / 1000n) / 1000

const timedOut = (timeout: Duration.Duration, destination: Destination) =>
  WsaError.make("WSAETIMEDOUT", {
    call: "WSAConnect",
    stage: "connect",
    by: "attempt",
    remote: typeof destination === "string" ? undefined : destination,
    detail: `its retry policy gives an attempt ${Duration.format(timeout)}`
  })
