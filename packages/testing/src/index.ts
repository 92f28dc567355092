export * as Conformance from "./Conformance.ts"
export * as Memory from "./Memory.ts"
export * as Sim from "./Sim.ts"
export * as World from "./World.ts"
