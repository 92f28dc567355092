import { Sim } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, type Layer } from "effect"
import * as Pool from "../cookbook/pool.ts"
import * as Proxy from "../cookbook/proxy.ts"
import * as Race from "../cookbook/race.ts"
import * as Retry from "../cookbook/retry.ts"
import * as Rpc from "../cookbook/rpc.ts"
import { live, simulated } from "../cookbook/worlds.ts"

interface Recipe {
  readonly program: Effect.Effect<string, unknown, Layer.Success<typeof live>>
  readonly says: RegExp
}

const programs: Record<string, Recipe> = {
  "retries by code": { program: Retry.program, says: /^connected to 127\.0\.0\.1:\d+$/ },
  "races addresses": {
    program: Race.program,
    says: /127\.0\.0\.3:\d+ .*WSAEACCES[^]*127\.0\.0\.2:\d+ .*WSAECONNREFUSED[^]*127\.0\.0\.1:\d+ .*won/
  },
  "goes through a proxy with TLS": {
    program: Proxy.program,
    says: /^"hello from server\.example", by TLSv1\.3; the proxy heard "CONNECT server\.example:443 HTTP\/1\.1"$/
  },
  "lends connections from a pool": { program: Pool.program, says: /^100 answers over 3 connections$/ },
  "runs effect's RPC": { program: Rpc.program, says: /^twice 21 is 42; counted 1 2 3 4 5$/ }
}

describe("the cookbook", () => {
  for (const [name, { program, says }] of Object.entries(programs)) {
    it.live(`${name}, live`, () =>
      Effect.gen(function*() {
        assert.match(yield* Effect.provide(program, live), says)
      }))

    it(`${name}, simulated: the same each time, and nothing is left`, () => {
      const run = () => Sim.run(Effect.provide(program, simulated))
      const report = run()
      assert.match(Sim.getOrThrow(report), says)
      assert.deepStrictEqual(report.leftovers, [])
      assert.strictEqual(run().hash, report.hash)
    })
  }

  it("retries on the beats of its schedule: 100, 200 and 400 ms", () => {
    const report = Sim.run(Effect.provide(Retry.program, simulated))
    assert.strictEqual(Duration.toMillis(report.elapsed), 700)
  })
})
