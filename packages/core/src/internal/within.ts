/**
 * Time-outs that lose every tie.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** What is not through in time is interrupted, and fails with what `late` makes. */
export const within = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  duration: Duration.Duration,
  late: () => E2
): Effect.Effect<A, E | E2, R> =>
  Effect.raceFirst(
    self,
    // whoever ends in the same turn comes first: what a stack has said is worth more than that it was late
    Effect.sleep(duration).pipe(
      Effect.andThen(Effect.yieldNow),
      Effect.andThen(Effect.suspend(() => Effect.fail(late())))
    )
  )
