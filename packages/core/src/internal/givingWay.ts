/**
 * Calls that take something, and whose answer must not be lost.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

// A fiber gives way after so many steps, and can be interrupted there. So that this is never between what a call has
// taken and its answer, which would be lost, the fiber gives way before it calls.
const stepsOfCall = 2

export const withoutGivingWay = <A, E, R>(
  fiber: Fiber.Fiber<any, any>,
  effect: Effect.Effect<A, E, R>,
  steps: number = stepsOfCall
): Effect.Effect<A, E, R> =>
  fiber.currentOpCount + steps < fiber.cache.maxOpsBeforeYield
    ? effect
    : Effect.flatMap(Effect.yieldNow, () => effect)
