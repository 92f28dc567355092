import { assert } from "@effect/vitest"
import { Effect, Fiber, Metric } from "effect"
import { setImmediate } from "node:timers/promises"
import * as v8 from "node:v8"
import * as vm from "node:vm"
import { resources } from "./resources.ts"

/** Lets the event loop turn so many times. */
export const turns = (count: number) =>
  Effect.promise(async () => {
    for (let i = 0; i < count; i++) await setImmediate()
  })

v8.setFlagsFromString("--expose-gc")
const collect = vm.runInNewContext("gc") as () => void

/** The bytes that are in use once all garbage has gone. */
export const heapUsed = Effect.sync(() => {
  collect()
  collect()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
})

/**
 * Runs the program, and holds it to leaving nothing: no handle, listener, timer or other resource of the event loop, no
 * descriptor of a socket, and none of the fibers that it forked.
 */
export const leavingNothing = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const before = resources()
    const fibers = { started: 0, ended: 0 }
    const answer = yield* Effect.provideService(
      Effect.flatMap(Effect.forkChild(program), Fiber.join),
      Metric.FiberRuntimeMetrics,
      {
        recordFiberStart: () => void fibers.started++,
        recordFiberEnd: () => void fibers.ended++
      }
    )
    // 'close' events of Node come in the turn after the last one.
    yield* turns(3)
    for (const [name, count] of Object.entries(resources())) assert.isAtMost(count, before[name] ?? 0, name)
    assert.isAbove(fibers.started, 0)
    assert.strictEqual(fibers.started - fibers.ended, 0, "fibers")
    return answer
  })
