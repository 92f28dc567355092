/**
 * What a retry policy is made of, and how it decides, failure after failure.
 *
 * A policy is a value, a tree of rules. `begin` makes of it the state of one series of attempts: it is told each failure and
 * when that was, and says how long to wait, or why not to. It reads no clock, and waits for nothing.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import * as WsaError from "../WsaError.ts"

/** Some codes, or classes of codes, that share one schedule. */
export interface Rule {
  readonly tags: ReadonlySet<string>
  readonly classes: ReadonlySet<string>
  readonly schedule: Schedule.Schedule<unknown, any, never, any>
}

export type Node =
  | { readonly _tag: "Table"; readonly rules: ReadonlyArray<Rule> }
  | { readonly _tag: "OrElse"; readonly first: Node; readonly second: Node }
  | { readonly _tag: "Merge"; readonly first: Node; readonly second: Node }
  | { readonly _tag: "Only"; readonly policy: Node; readonly tags: ReadonlySet<string> }
  | {
    readonly _tag: "UpTo"
    readonly policy: Node
    readonly attempts: number | undefined
    readonly duration: number | undefined
  }
  | {
    readonly _tag: "AttemptTimeout"
    readonly policy: Node
    readonly first: Duration.Duration
    /** Of what the schedule has put out with the delay before the attempt. */
    readonly next: (output: unknown) => Duration.Duration
  }

/** Why there is no other attempt. */
export type Reason = "no entry" | "schedule" | "limit"

/** A failed attempt. Times are milliseconds. */
export interface Failure {
  readonly tag: string
  readonly retryClass: string | undefined
  readonly error: unknown
  /** Which attempt it was, from 1 on. */
  readonly attempt: number
  /** When it failed. */
  readonly now: number
  /** When it had begun. */
  readonly startedAt: number
  /** When the first of the series had begun. */
  readonly began: number
}

export type Decision =
  | {
    readonly _tag: "Retry"
    readonly delay: Duration.Duration
    /** What the schedule put out. */
    readonly output: unknown
    /** How long the next attempt may take. */
    readonly timeout: Duration.Duration | undefined
  }
  | { readonly _tag: "Stop"; readonly reason: Reason }

const stop = (reason: Reason): Decision => ({ _tag: "Stop", reason })
const noEntry = Effect.succeed(stop("no entry"))
const limit = Effect.succeed(stop("limit"))

/** Whether a rule of the policy is about such a failure. */
export const covers = (node: Node, failure: Pick<Failure, "tag" | "retryClass">): boolean => {
  switch (node._tag) {
    case "Table":
      return ruleOf(node.rules, failure) !== undefined
    case "OrElse":
    case "Merge":
      return covers(node.first, failure) || covers(node.second, failure)
    case "Only":
      return node.tags.has(failure.tag) && covers(node.policy, failure)
    case "UpTo":
    case "AttemptTimeout":
      return covers(node.policy, failure)
  }
}

const ruleOf = (
  rules: ReadonlyArray<Rule>,
  { retryClass, tag }: Pick<Failure, "tag" | "retryClass">
): Rule | undefined =>
  rules.find((rule) => rule.tags.has(tag) || (retryClass !== undefined && rule.classes.has(retryClass)))

/** How long the first attempt may take. */
export const firstTimeout = (node: Node): Duration.Duration | undefined => {
  switch (node._tag) {
    case "Table":
      return undefined
    case "OrElse":
    case "Merge":
      return shorter(firstTimeout(node.first), firstTimeout(node.second))
    case "Only":
    case "UpTo":
      return firstTimeout(node.policy)
    case "AttemptTimeout":
      return shorter(node.first, firstTimeout(node.policy))
  }
}

const shorter = (a: Duration.Duration | undefined, b: Duration.Duration | undefined): Duration.Duration | undefined =>
  a === undefined ? b : b === undefined ? a : Duration.min(a, b)

export type Step = (failure: Failure) => Effect.Effect<Decision, never, any>

/** Begins a series of attempts. A schedule begins when it is first asked. */
export const begin = (node: Node): Step => {
  switch (node._tag) {
    case "Table":
      return beginTable(node.rules)
    case "OrElse": {
      const first = begin(node.first)
      const second = begin(node.second)
      return (failure) =>
        Effect.flatMap(
          first(failure),
          (decision) =>
            decision._tag === "Stop" && covers(node.second, failure) ? second(failure) : Effect.succeed(decision)
        )
    }
    case "Merge": {
      const first = begin(node.first)
      const second = begin(node.second)
      return (failure) => covers(node.second, failure) ? second(failure) : first(failure)
    }
    case "Only": {
      const step = begin(node.policy)
      return (failure) => node.tags.has(failure.tag) ? step(failure) : noEntry
    }
    case "UpTo":
      return beginUpTo(node, begin(node.policy))
    case "AttemptTimeout": {
      const step = begin(node.policy)
      return (failure) =>
        Effect.map(step(failure), (decision) =>
          decision._tag === "Stop"
            ? decision
            : { ...decision, timeout: shorter(node.next(decision.output), decision.timeout) })
    }
  }
}

const beginTable = (rules: ReadonlyArray<Rule>): Step => {
  const steps = new Map<Rule, (failure: Failure) => Effect.Effect<Decision, never, any>>()
  return (failure) => {
    const rule = ruleOf(rules, failure)
    if (rule === undefined) return noEntry
    const step = steps.get(rule)
    if (step !== undefined) return step(failure)
    return Effect.flatMap(Schedule.toStep(rule.schedule), (next) => {
      const asked: Step = (failure) =>
        next(failure.now, failure.error).pipe(
          Effect.map(([output, delay]): Decision => ({
            _tag: "Retry",
            delay: Duration.max(delay, leastDelay(failure.error)),
            output,
            timeout: undefined
          })),
          Pull.catchDone(() => Effect.succeed(stop("schedule")))
        )
      steps.set(rule, asked)
      return asked(failure)
    })
  }
}

/** An error may say how long it is no use to try again. */
const leastDelay = (error: unknown): Duration.Duration =>
  typeof error === "object" && error !== null && "retryAfter" in error && Duration.isDuration(error.retryAfter)
    ? error.retryAfter
    : Duration.zero

const beginUpTo = (
  { attempts = Number.POSITIVE_INFINITY, duration = Number.POSITIVE_INFINITY, policy }: Extract<Node, { _tag: "UpTo" }>,
  step: Step
): Step =>
(failure) => {
  if (failure.attempt >= attempts) return covers(policy, failure) ? limit : noEntry
  return Effect.map(
    step(failure),
    (decision) =>
      decision._tag === "Retry" && failure.now + Duration.toMillis(decision.delay) - failure.began > duration
        ? stop("limit")
        : decision
  )
}

/** An attempt, as what runs in it can see it. */
export interface Attempt {
  readonly number: number
  readonly startedAt: number
  readonly previous: unknown
}

export const CurrentAttempt: Context.Reference<Attempt | undefined> = Context.Reference(
  "@effect-winsock/core/RetryPolicy/CurrentAttempt",
  { defaultValue: (): Attempt | undefined => undefined }
)

/** Tells a schedule which attempt has failed, so that it can count from when that began. */
export const stepped = (step: Step, failure: Failure): Effect.Effect<Decision, never, any> =>
  Effect.provideService(step(failure), CurrentAttempt, {
    number: failure.attempt,
    startedAt: failure.startedAt,
    previous: failure.error
  })

// --- printing --------------------------------------------------------------------------------------------------------

/** What a policy has rows for: codes that it names, then classes, each with a code of it that has no row of its own. */
export const rowsOf = (node: Node): ReadonlyArray<{ readonly label: string; readonly tag: string }> => {
  const tags = new Set<string>()
  const classes = new Set<string>()
  collect(node, tags, classes)
  const byClass = Array.from(classes).flatMap((retryClass) => {
    const tag = Object.keys(WsaError.table).find((code) =>
      !tags.has(code) && classOf(code) === retryClass && covers(node, { tag: code, retryClass })
    )
    return tag === undefined ? [] : [{ label: retryClass, tag }]
  })
  return [...Array.from(tags, (tag) => ({ label: tag, tag })), ...byClass]
}

export const classOf = (tag: string): WsaError.RetryClass | undefined =>
  WsaError.isCode(tag) ? WsaError.table[tag].retryClass : undefined

const collect = (node: Node, tags: Set<string>, classes: Set<string>): void => {
  switch (node._tag) {
    case "Table":
      for (const rule of node.rules) {
        for (const tag of rule.tags) tags.add(tag)
        for (const each of rule.classes) classes.add(each)
      }
      return
    case "OrElse":
    case "Merge":
      collect(node.first, tags, classes)
      collect(node.second, tags, classes)
      return
    case "Only":
      for (const tag of node.tags) if (covers(node, { tag, retryClass: classOf(tag) })) tags.add(tag)
      return
    case "UpTo":
    case "AttemptTimeout":
      collect(node.policy, tags, classes)
  }
}

/** The limits of all attempts together, in words. */
export const limitsOf = (node: Node): ReadonlyArray<string> => {
  switch (node._tag) {
    case "Table":
      return []
    case "OrElse":
    case "Merge":
      return [...limitsOf(node.first), ...limitsOf(node.second)]
    case "Only":
      return limitsOf(node.policy)
    case "UpTo": {
      const { attempts, duration, policy } = node
      return [
        ...limitsOf(policy),
        ...(attempts === undefined ? [] : [`at most ${attempts} attempts`]),
        ...(duration === undefined ? [] : [`no attempt begins after ${Duration.format(Duration.millis(duration))}`])
      ]
    }
    case "AttemptTimeout":
      return [...limitsOf(node.policy), `the first attempt takes at most ${Duration.format(node.first)}`]
  }
}
