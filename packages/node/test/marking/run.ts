// All scenes, one after the other, in the namespace that Marking.test.ts starts this in. Prints a line of JSON for each.
import { Cause, Effect, Exit } from "effect"
import * as Capture from "./capture.ts"
import { scenes, Wire } from "./scenes.ts"

/** What became of a scene. */
export interface Outcome {
  readonly title: string
  /** What went wrong. */
  readonly defect?: string
}

process.once("SIGTERM", () => process.exit())
await Effect.runPromise(
  Effect.scoped(Effect.gen(function*() {
    const wire = yield* Capture.make
    for (const { run, title } of scenes) {
      // What the one before has left on the wire.
      yield* wire.packets
      const exit = yield* Effect.exit(
        run.pipe(Effect.timeout("10 seconds"), Effect.scoped, Effect.provideService(Wire, wire))
      )
      const outcome: Outcome = { title, ...(Exit.isFailure(exit) ? { defect: Cause.pretty(exit.cause) } : {}) }
      process.stdout.write(`${JSON.stringify(outcome)}\n`)
    }
  }))
)
