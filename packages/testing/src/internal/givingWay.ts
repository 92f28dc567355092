/**
 * Calls that take something, and whose answer must not be lost.
 */
import * as Effect from "effect/Effect"

// A fiber gives way after so many steps, and can be interrupted there. So that this is never between what a read has taken
// and its answer, which would be lost, the fiber gives way before it takes.
const stepsOfRead = 32

export const withoutGivingWay = <A>(take: () => A): Effect.Effect<A> =>
  Effect.withFiber((fiber) =>
    fiber.currentOpCount + stepsOfRead < fiber.cache.maxOpsBeforeYield
      ? Effect.sync(take)
      : Effect.flatMap(Effect.yieldNow, () => Effect.sync(take))
  )
