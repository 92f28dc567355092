import { Conformance, SimNetwork, World } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

describe("memory", () => {
  // `pnpm conformance` runs them in real time.
  for (const one of Conformance.cases) {
    it(`${one.row}: ${one.title}`, (context) => {
      const [result] = Conformance.simulate("memory", World.layerMemory, { cases: [one] })
      if (result!.status === "not-here") return context.skip(result!.detail)
      assert.strictEqual(result!.detail, "")
    })
  }
})

describe("sim", () => {
  for (const one of Conformance.cases) {
    it(`${one.row}: ${one.title}`, (context) => {
      const [first, again] = Conformance.simulate("sim", World.layerSim, { cases: [one, one] })
      assert.strictEqual(again!.report.hash, first!.report.hash, "the same run twice")
      if (first!.status === "not-here") return context.skip(first!.detail)
      assert.strictEqual(first!.detail, "")
    })
  }

  it("shows every row", () => {
    const missing = Conformance.simulate("sim", World.layerSim, {
      cases: Conformance.cases.filter(({ row }) => row === "E17" || row === "A22")
    }).flatMap(({ detail, row, status }) => status === "shown" ? [] : [`${row} ${detail}`])
    assert.deepStrictEqual(missing, [])
  })

  // What the rows say holds whatever the world does: those that meet what it does are shown in others too.
  const { linux, linuxClassic } = SimNetwork
  const others: ReadonlyArray<readonly [string, RegExp, Parameters<typeof World.layerSimWith>[0]]> = [
    ["of an older Linux", /^(R26|E18)/, { profile: linuxClassic }],
    ["that refuses callers beyond the backlog", /^(E09|A0[567])/, { profile: { ...linux, backlog: "refuse" } }],
    ["that lets callers beyond the backlog in", /^(E09|A0[567])/, { profile: { ...linux, backlog: "reset" } }],
    ["that tells every datagram socket of dead ports", /^(R0[5678]|A09)/, { profile: { ...linux, icmp: "all" } }],
    ["where two may bind one address", /^(E03|A0[25])/, { exclusiveBind: false }],
    [
      "whose loopback takes time",
      /^(R0[12]|R2[346]|A0[3467]|A08: (?!a non-blocking send)|A1[078])/,
      { loopback: { latency: "200 micros", jitter: "100 micros" } }
    ]
  ]
  for (const [what, rows, options] of others) {
    it(`shows rows in a world ${what}`, () => {
      const cases = Conformance.cases.filter(({ row, title }) => rows.test(`${row}: ${title}`))
      const failed = Conformance.simulate("sim", World.layerSimWith(options), { cases })
        .filter(({ status }) => status === "failed")
        .map(({ detail, row, title }) => `${row}: ${title}: ${detail}`)
      assert.deepStrictEqual(failed, [])
    })
  }
})

describe("a case in virtual time", () => {
  const run = (body: Conformance.Case["run"]) =>
    Conformance.simulate("sim", World.layerSim, { cases: [{ row: "R00", title: "itself", run: body }] })[0]!

  it("that waits for nobody has failed, and says that it is blocked", () => {
    const { detail, status } = run(Effect.never)
    assert.strictEqual(status, "failed")
    assert.match(detail, /^deadlock: /)
  })

  it("that leaves something behind has failed, and says what", () => {
    const { detail, status } = run(Effect.asVoid(Effect.forkDetach(Effect.sleep("1 day"))))
    assert.strictEqual(status, "failed")
    assert.match(detail, /^left over at the end of the run:\n {2}fiber: #\d+/)
  })

  it("that takes more than an hour has failed, unless it may", () => {
    const { detail, status } = run(Effect.sleep("61 minutes"))
    assert.strictEqual(status, "failed")
    assert.match(detail, /^time limit/)
    const one = { row: "R00", title: "itself", run: Effect.sleep("61 minutes") }
    assert.strictEqual(
      Conformance.simulate("sim", World.layerSim, { cases: [one], maxTime: "2 hours" })[0]!.status,
      "shown"
    )
  })

  it("whose world cannot be made is not here, with the reason", () => {
    assert.deepInclude(run(World.notHere("needs root")), { status: "not-here", detail: "needs root" })
  })
})

describe("a case", () => {
  const run = (body: Conformance.Case["run"]) =>
    Conformance.runCase("memory", World.layerMemory, { row: "R00", title: "itself", run: body }, "50 millis")

  it.live("that claims what does not hold has failed, with what was found", () =>
    Effect.gen(function*() {
      const error = new Conformance.ConformanceError({ claim: "it", expected: "this", actual: "that" })
      assert.deepInclude(yield* run(Effect.fail(error)), { status: "failed", detail: "it: expected this, got that" })
    }))

  it.live("whose world cannot be made is not here, with the reason", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* run(World.notHere("needs root")), { status: "not-here", detail: "needs root" })
    }))

  it.live("that dies has failed", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* run(Effect.die(new Error("a bug"))), { status: "failed", detail: "a bug" })
    }))

  it.live("that does not end in time has failed, also where it cannot be interrupted", () =>
    Effect.gen(function*() {
      const late: Partial<Conformance.Result> = { status: "failed", detail: "it has not ended within 50ms" }
      assert.deepInclude(yield* run(Effect.never), late)
      assert.deepInclude(yield* run(Effect.uninterruptible(Effect.never)), late)
      assert.deepInclude(yield* run(Effect.acquireRelease(Effect.void, () => Effect.never)), late)
    }))

  it("has a row and a title of its own", () => {
    const names = Conformance.cases.map(({ row, title }) => `${row}: ${title}`)
    assert.strictEqual(new Set(names).size, names.length)
    assert.deepStrictEqual(
      names.filter((name) => !/^(R(0[1-9]|1\d|2[0-7])|E(0[1-9]|1\d|20)|A(0[1-9]|1\d|2[0-2])): /.test(name)),
      []
    )
  })

  it("exists for every row of the table", () => {
    const rows = (letter: string, count: number) =>
      Array.from({ length: count }, (_, i) => letter + String(i + 1).padStart(2, "0"))
    const missing = [...rows("R", 27), ...rows("E", 20), ...rows("A", 22)]
      .filter((row) => !Conformance.cases.some((one) => one.row === row))
    assert.deepStrictEqual(missing, [])
  })
})
