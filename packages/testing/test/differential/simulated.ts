/** Programs in virtual time: the world that live ones are held to. */
import { type Provider, Winsock } from "@effect-winsock/core"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { Cause, Effect, Exit, Layer } from "effect"
import { play, type Transcript, type World } from "./interpreter.ts"
import { print, type Program } from "./program.ts"

/** Linux, but for callers beyond a backlog: Node leaves none of them waiting. */
const profile: SimNetwork.Profile = { ...SimNetwork.linux, backlog: "reset" }

/** A host by itself, with the provider bent as a test wants it. */
export const simulated = (
  name: string,
  bend: (provider: Provider.Provider) => Provider.Provider = (provider) => provider
): World<Sim.Sim> => ({
  name,
  layer: Layer.unwrap(Effect.map(SimNetwork.make({ profile }), (net) => Winsock.layer(bend(net.provider("host"))))),
  path: (number) => `/simulated/${number}`,
  // Nothing on its way over loopback takes as long, and whoever waits with a time-out has given up.
  settle: () => Effect.sleep("100 millis")
})

/** Runs it to its end; a simulated run that does not come there is nothing to compare with. */
export const run = <A>(program: Program, effect: Effect.Effect<A, never, Sim.Sim>): A => {
  const { exit } = Sim.run(effect, { trace: "off" })
  if (Exit.isSuccess(exit)) return exit.value
  throw new Error(`${print(program)}\n${Cause.pretty(exit.cause)}`)
}

/** What the simulated world shows of a program. */
export const simulate = (program: Program): Transcript => run(program, play(program, simulated("sim")))
