// The two worlds that every program of this folder runs in. Only the layer differs.
import { NodeConnector } from "@effect-winsock/node"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { Duration, Effect, type Layer } from "effect"

/** What a pipeline needs, on this machine. */
export const live = NodeConnector.layer

/** What a pipeline needs, in virtual time. */
export const simulated = SimNetwork.layerConnector()

type Needs = Layer.Success<typeof live>

/** Runs a program live, and then simulated, and says what it answered and how long it took by the clock of its world. */
export const inBoth = async <E>(program: Effect.Effect<string, E, Needs>): Promise<void> => {
  const tell = (world: string, took: Duration.Duration, answer: string) =>
    console.log(`${world}, ${Duration.toMillis(took).toFixed(0)} ms: ${answer}`)
  const [took, answer] = await Effect.runPromise(Effect.timed(Effect.provide(program, live)))
  tell("live", took, answer)
  const report = Sim.run(Effect.provide(program, simulated))
  tell("simulated", report.elapsed, Sim.getOrThrow(report))
}
