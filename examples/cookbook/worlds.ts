// The two worlds that every program of this folder runs in. Only the layers differ.
import type { Tls } from "@effect-winsock/core"
import { NodeConnector } from "@effect-winsock/node"
import { Sim, SimNetwork, SimTls } from "@effect-winsock/testing"
import { Context, Duration, Effect, Layer, Redacted } from "effect"
import { ca, cert, key } from "./certificates.ts"

/** Who "server.example" is, and who vouches for it. */
export class Certificates extends Context.Service<Certificates, {
  readonly ca: Tls.Pem
  readonly identity: Tls.Identity
}>()("cookbook/Certificates") {}

/** Real ones. */
export const certificates = Layer.succeed(Certificates, { ca, identity: { cert, key: Redacted.make(key) } })

/** Simulated ones: data, in the same form. */
export const simulatedCertificates = Layer.sync(Certificates, () => {
  const authority = SimTls.authority("cookbook authority")
  return { ca: authority.cert, identity: authority.issue({ names: ["server.example"] }) }
})

/** On this machine. */
export const live = Layer.merge(NodeConnector.layer, certificates)

/** In virtual time. */
export const simulated = Layer.merge(SimNetwork.layerConnector(), simulatedCertificates)

/** Runs a program live, and then simulated, and says what it answered and how long it took by the clock of its world. */
export const inBoth = async <E>(program: Effect.Effect<string, E, Layer.Success<typeof live>>): Promise<void> => {
  const tell = (world: string, took: Duration.Duration, answer: string) =>
    console.log(`${world}, ${Duration.toMillis(took).toFixed(0)} ms: ${answer}`)
  const [took, answer] = await Effect.runPromise(Effect.timed(Effect.provide(program, live)))
  tell("live", took, answer)
  const report = Sim.run(Effect.provide(program, simulated))
  tell("simulated", report.elapsed, Sim.getOrThrow(report))
}
