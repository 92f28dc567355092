// One world and the causes that come about in it: `node run.ts WORLD`, in a namespace of its own. Prints a line of JSON
// for each cause. Nobody starts it but KernelFaults.test.ts.
import type { WsaError } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { Cause as Causes, Effect, Exit, Option } from "effect"
import { type Cause, causes } from "./causes.ts"
import { type WorldName, worlds } from "./worlds.ts"

/** What became of a cause. */
export interface Outcome {
  readonly cause: string
  readonly call?: WsaError.Call
  readonly said?: string
  readonly code?: string
  readonly seconds: number
  /** What went wrong in bringing it about. */
  readonly defect?: string
}

const said = ({ code, errno, syscall }: WsaError.Native): string =>
  [syscall, code, errno].filter((word) => word !== undefined).join(" ")

const outcomeOf = (exit: Exit.Exit<unknown, WsaError.WsaError>): Omit<Outcome, "cause" | "seconds"> => {
  if (Exit.isSuccess(exit)) return {}
  const error = Option.getOrUndefined(Causes.findErrorOption(exit.cause))
  return error === undefined
    ? { defect: Causes.pretty(exit.cause) }
    : { call: error.call, code: error._tag, ...error.native === undefined ? {} : { said: said(error.native) } }
}

// Six retries are two minutes where they take as long as the kernel likes.
const limit = process.env.WINSOCK_TIER === "long" ? "200 seconds" : "40 seconds"

const watch = (cause: Cause) =>
  Effect.gen(function*() {
    const from = performance.now()
    const exit = yield* cause.run.pipe(
      Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.die(`nothing came of it in ${limit}`) }),
      Effect.scoped,
      Effect.provide(NodeWinsock.layer),
      Effect.exit
    )
    const outcome: Outcome = { cause: cause.cause, ...outcomeOf(exit), seconds: (performance.now() - from) / 1000 }
    process.stdout.write(`${JSON.stringify(outcome)}\n`)
  })

const name = process.argv[2] as WorldName
const world = worlds[name]
await Effect.runPromise(
  Effect.scoped(Effect.andThen(
    world.make,
    Effect.forEach(causes.filter((cause) => cause.world === name), watch, {
      concurrency: world.together ? "unbounded" : 1
    })
  ))
)
