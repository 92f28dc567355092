/**
 * So many at a time, for each destination and in all.
 */
import * as Effect from "effect/Effect"
import * as PartitionedSemaphore from "effect/PartitionedSemaphore"
import * as Semaphore from "effect/Semaphore"
import { countOf } from "./counts.ts"
import { withoutGivingWay } from "./givingWay.ts"

// How many steps a fiber takes from here until it holds what it has taken of what is for all. Were it interrupted where it gives
// way in between, that would be lost for good.
const stepsOfTaking = 8

const taking = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => withoutGivingWay(fiber, self, stepsOfTaking))

interface Lane {
  readonly semaphore: Semaphore.Semaphore
  /** Who is in it, or waits for it. */
  users: number
}

export class Limiter {
  private readonly lanes = new Map<string, Lane>()
  private readonly perDestination: number | undefined
  private readonly all: PartitionedSemaphore.PartitionedSemaphore<string> | undefined

  constructor(perDestination: number | undefined, total: number | undefined) {
    this.perDestination = perDestination === undefined ? undefined : countOf("limit, perDestination", perDestination, 1)
    this.all = total === undefined
      ? undefined
      : PartitionedSemaphore.makeUnsafe({ permits: countOf("limit, total", total, 1) })
  }

  /** Who waits for his destination has nothing yet of what is for all. */
  run<A, E, R>(destination: string, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const among = this.all === undefined ? self : taking(this.all.withPermit(destination)(self))
    if (this.perDestination === undefined) return among
    return Effect.acquireUseRelease(
      Effect.sync(() => this.enter(destination)),
      ({ semaphore }) => semaphore.withPermit(among),
      (lane) => Effect.sync(() => this.leave(destination, lane))
    )
  }

  private enter(destination: string): Lane {
    const lane = this.lanes.get(destination) ?? { semaphore: Semaphore.makeUnsafe(this.perDestination!), users: 0 }
    lane.users++
    this.lanes.set(destination, lane)
    return lane
  }

  private leave(destination: string, lane: Lane): void {
    if (--lane.users === 0) this.lanes.delete(destination)
  }
}
