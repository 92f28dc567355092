import { Sim } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, DateTime, Effect, Exit, Hash } from "effect"
import { Console } from "node:console"
import nodeCrypto, { randomUUID } from "node:crypto"
import { Writable } from "node:stream"
import nodeTimers, { setTimeout as importedTimeout } from "node:timers"

/** All that the guard may put something in place of. */
const places = () => {
  const holders: ReadonlyArray<readonly [string, object]> = [
    ["globalThis", globalThis],
    ["Date", Date],
    ["Math", Math],
    ["performance", performance],
    ["crypto", Object.getPrototypeOf(crypto)],
    ["AbortSignal", AbortSignal],
    ["process", process],
    ["process.hrtime", process.hrtime],
    ["node:crypto", nodeCrypto],
    ["node:timers", nodeTimers],
    ["WeakMap", WeakMap.prototype]
  ]
  return holders.flatMap(([name, holder]) =>
    Reflect.ownKeys(holder).flatMap((key) => {
      const { value } = Object.getOwnPropertyDescriptor(holder, key)!
      return typeof value === "function" ? [[`${name}.${String(key)}`, value] as const] : []
    })
  )
}

const assertAsBefore = (before: ReturnType<typeof places>) => {
  const after = places()
  assert.deepStrictEqual(after.map(([name]) => name), before.map(([name]) => name))
  after.forEach(([name, value], i) => assert.strictEqual(value, before[i]![1], name))
}

const ask: Readonly<Record<string, () => unknown>> = {
  "Date.now": () => Date.now(),
  "new Date": () => new Date(),
  Date: () => Date(),
  "Math.random": () => Math.random(),
  "performance.now": () => performance.now(),
  "process.hrtime": () => process.hrtime(),
  "process.hrtime.bigint": () => process.hrtime.bigint(),
  "crypto.randomUUID": () => crypto.randomUUID(),
  "crypto.getRandomValues": () => crypto.getRandomValues(new Uint8Array(4)),
  setTimeout: () => setTimeout(() => undefined, 1),
  setInterval: () => setInterval(() => undefined, 1),
  setImmediate: () => setImmediate(() => undefined),
  queueMicrotask: () => queueMicrotask(() => undefined),
  randomBytes: () => nodeCrypto.randomBytes(8),
  randomInt: () => nodeCrypto.randomInt(10, 2_000_000),
  randomUUID: () => nodeCrypto.randomUUID(),
  randomFillSync: () => nodeCrypto.randomFillSync(new Uint8Array(4)),
  randomFill: () => nodeCrypto.randomFill(new Uint8Array(4), () => undefined),
  "AbortSignal.timeout": () => AbortSignal.timeout(1000).aborted,
  "node:timers": () => nodeTimers.setTimeout(() => undefined, 1)
}

/** What the host says in a run, as text. */
const saidIn = (seed: number, names: ReadonlyArray<string>) =>
  Effect.runSync(Sim.run(Effect.sync(() => names.map((name) => String(ask[name]!()))), { seed }).exit)

describe("redirect", () => {
  const told = Object.keys(ask).filter((name) => !/^(set|queue|node:|randomFill$)/.test(name))

  it("answers for the host, by the seed", () => {
    for (const name of told) assert.deepStrictEqual(saidIn(1, [name]), saidIn(1, [name]), name)
    for (const name of told.filter((name) => /random|getRandom/.test(name))) {
      assert.notDeepEqual(saidIn(1, [name]), saidIn(2, [name]), name)
    }
  })

  it("has dates of virtual time, and leaves those of other times alone", () => {
    const start = Date.UTC(2001, 1, 3)
    const report = Sim.run(
      Effect.gen(function*() {
        yield* Effect.sleep("1500 millis")
        class Own extends Date {}
        return {
          now: Date.now(),
          made: new Date().getTime(),
          said: Date(),
          given: new Date(5).getTime(),
          text: Date.parse("1970-01-01T00:00:01Z"),
          isDate: [new Date() instanceof Date, new Own() instanceof Own, new Own().getTime()],
          effects: DateTime.nowUnsafe().epochMilliseconds,
          elapsed: performance.now()
        }
      }),
      { start }
    )
    assert.deepStrictEqual(Effect.runSync(report.exit), {
      now: start + 1500,
      made: start + 1500,
      said: new Date(start + 1500).toString(),
      given: 5,
      text: 1000,
      isDate: [true, true, start + 1500],
      effects: start + 1500,
      elapsed: 1500
    })
  })

  it("has the host's timers in virtual time, in order, and calls them off", () => {
    const report = Sim.run(Effect.callback<ReadonlyArray<string>>((resume) => {
      const said: Array<string> = []
      const say = (text: string) => said.push(`${performance.now()} ${text}`)
      const beat = setInterval(say, 1000, "beat")
      const never = setTimeout(say, 500, "never")
      setTimeout(say, 2500, "late")
      const again = setTimeout(say, 100, "again")
      setTimeout(() => again.refresh(), 50)
      setImmediate(say, "soon")
      clearImmediate(setImmediate(say, "never"))
      queueMicrotask(() => say("micro"))
      say("now")
      clearTimeout(never)
      setTimeout(() => {
        clearInterval(beat)
        resume(Effect.succeed(said))
      }, 3500)
    }))
    assert.deepStrictEqual(Effect.runSync(report.exit), [
      "0 now",
      "0 soon",
      "0 micro",
      "150 again",
      "1000 beat",
      "2000 beat",
      "2500 late",
      "3000 beat"
    ])
  })

  it("fills what it is told to fill, and makes ids of the form that is asked for", () => {
    const report = Sim.run(
      Effect.callback<ReadonlyArray<unknown>>((resume) => {
        const part = nodeCrypto.randomFillSync(new Uint16Array(8), 2, 3)
        const whole = nodeCrypto.randomFillSync(new Uint8Array(64))
        nodeCrypto.randomFill(new Uint8Array(32), (error, bytes) => {
          resume(Effect.succeed([
            Array.from(part, (value) => value === 0),
            new Set(whole).size > 16,
            [error, new Set(bytes).size > 8],
            nodeCrypto.randomBytes(5).length,
            crypto.randomUUID()
          ]))
        })
      })
    )
    const [part, ...rest] = Effect.runSync(report.exit)
    assert.deepStrictEqual(part, [true, true, false, false, false, true, true, true])
    assert.deepStrictEqual(rest.slice(0, 3), [true, [null, true], 5])
    assert.match(String(rest[3]), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it.skipIf(!("Temporal" in globalThis))("answers for Temporal", () => {
    const { Now } = Reflect.get(globalThis, "Temporal")
    const asking = Effect.sync(() => [String(Now.instant()), String(Now.plainDateISO("UTC"))])
    const report = Sim.run(Effect.andThen(Effect.sleep("1 day"), asking))
    assert.deepStrictEqual(report.exit, Exit.succeed(["2026-01-02T00:00:00Z", "2026-01-02"]))
  })

  it("aborts after a time that is virtual", () => {
    const report = Sim.run(Effect.callback<unknown>((resume) => {
      const signal = AbortSignal.timeout(60_000)
      signal.addEventListener("abort", () => resume(Effect.succeed([performance.now(), signal.reason.name])))
    }))
    assert.deepStrictEqual(report.exit, Exit.succeed([60_000, "TimeoutError"]))
  })

  it("reaches what was imported by name, where it is told to, and only for the run", () => {
    const [uuid, later] = [randomUUID, importedTimeout]
    const asking = Effect.callback<string>((resume) => {
      importedTimeout(() => resume(Effect.succeed(randomUUID())), 1000)
    })
    const [one, two] = [0, 0].map(() => Sim.run(asking, { imports: true }))
    assert.deepStrictEqual(one!.exit, two!.exit)
    assert.strictEqual(one!.ended, "done")
    assert.strictEqual(randomUUID, uuid)
    assert.strictEqual(importedTimeout, later)
  })

  it("keeps a fiber inside that was started with the default services", () => {
    const report = Sim.run(Effect.callback<number>((resume) => {
      Effect.runFork(
        Effect.sleep("1 hour").pipe(Effect.andThen(Effect.sync(() => resume(Effect.succeed(performance.now())))))
      )
    }))
    assert.deepStrictEqual(report.exit, Exit.succeed(3_600_000))
  })
})

describe("throw", () => {
  it("is an error that says what was asked, and where", () => {
    for (const [name, question] of Object.entries(ask)) {
      const report = Sim.run(Effect.sync(question), { guard: "throw" })
      if (Exit.isSuccess(report.exit)) return assert.fail(`${name} was answered`)
      const error = Cause.squash(report.exit.cause) as Sim.SimError
      assert.strictEqual(error.reason._tag, "Ambient", `${name}: ${Cause.pretty(report.exit.cause)}`)
      assert.match(error.message, /^[\w.]+ was called .*guard\.test\.ts:\d+:\d+/, name)
    }
  })

  it("lets a program be that asks effect's services", () => {
    const report = Sim.run(
      Effect.gen(function*() {
        yield* Effect.log("a line").pipe(Effect.withSpan("span"))
        yield* Effect.sleep("1 second")
        return [new Date(5).getTime(), Hash.hash({}), (yield* DateTime.now).epochMilliseconds]
      }),
      { guard: "throw", start: 0 }
    )
    assert.deepStrictEqual(report.exit, Exit.succeed([5, Hash.hash({}), 1000]))
  })
})

describe("console", () => {
  it("is the host's: what a program writes in a run comes out, whatever the guard", () => {
    for (const guard of ["redirect", "throw", "off"] as const) {
      const said: Array<string> = []
      const lines = new Console({
        stdout: new Writable({
          write: (chunk, _, done) => {
            said.push(String(chunk))
            done()
          }
        })
      })
      const report = Sim.run(
        Effect.repeat(Effect.sync(() => lines.log("line")), { times: 2 }).pipe(Effect.andThen(Effect.sleep(1))),
        { guard }
      )
      assert.deepStrictEqual([report.exit._tag, said], ["Success", ["line\n", "line\n", "line\n"]])
    }
  })
})

describe("off", () => {
  it("leaves the host as it is", () => {
    const report = Sim.run(Effect.sleep("1 day").pipe(Effect.andThen(Effect.sync(() => Date.now()))), { guard: "off" })
    assert.isBelow(Math.abs(Effect.runSync(report.exit) - Date.now()), 10_000)
  })
})

describe("for exactly the run", () => {
  const programs: Readonly<Record<string, Effect.Effect<unknown, unknown, Sim.Sim>>> = {
    "that succeeds": Effect.sleep("1 second"),
    "that fails": Effect.fail("no"),
    "that dies": Effect.die("no"),
    "that is deadlocked": Effect.never,
    "that hangs on": Effect.uninterruptible(Effect.never),
    "that throws where no fiber can catch": Effect.gen(function*() {
      const sim = yield* Sim.Sim
      sim.at(5, () => {
        throw new Error("thrown")
      })
      return yield* Effect.never
    })
  }

  for (const guard of ["redirect", "throw", "off"] as const) {
    for (const [name, program] of Object.entries(programs)) {
      it(`${guard}: nothing is left in place by a run ${name}`, () => {
        const before = places()
        Sim.run(program, { guard })
        assertAsBefore(before)
      })
    }
  }

  it("nothing is left in place when a check throws", () => {
    const before = places()
    const program = Effect.map(Sim.Sim, (sim) =>
      sim.check("broken", () => {
        throw new Error("broken check")
      }))
    assert.deepStrictEqual(Sim.run(program).leftovers, ["check broken threw: Error: broken check"])
    assertAsBefore(before)
    assert.strictEqual(Sim.run(Effect.void).ended, "done")
  })

  it("nothing is in place while a run waits for the host", async () => {
    const before = places()
    const now = Date.now
    const waiting = Effect.promise(() => new Promise<void>((resolve) => resolve())).pipe(Effect.repeat({ times: 5 }))
    const running = Sim.runAsync(waiting)
    assertAsBefore(before)
    assert.strictEqual(Date.now, now)
    assert.strictEqual((await running).ended, "done")
    assertAsBefore(before)
  })

  it("gives what is hashed by reference one hash inside, which it keeps", () => {
    const key = {}
    const inside = Effect.runSync(Sim.run(Effect.sync(() => [Hash.random(key), Hash.random({})])).exit)
    assert.strictEqual(inside[0], inside[1])
    assert.strictEqual(Hash.random(key), inside[0])
    assert.notStrictEqual(Hash.random({}), Hash.random({}))
  })
})
