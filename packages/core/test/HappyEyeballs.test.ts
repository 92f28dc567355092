import { HappyEyeballs, SocketAddress, WsaError } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import { Data, Result, Schema } from "effect"
import { addressOf, Draw, linesOf, nameOf, play, type Played, scenarioOf, scenarios } from "./utils/eyeballs.ts"

const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200)
const property = { arbitrary: { runs, seed: "HappyEyeballs" } }

const at = { call: "WSAConnect", stage: "connect" } as const
const refused = WsaError.make("WSAECONNREFUSED", at)

/** What is wrong with a run, whatever it was. */
const faultsOf = ({ actions, state }: Played, givenUp: boolean): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const expect = (holds: boolean, what: string) => {
    if (!holds) faults.push(what)
  }
  const { attempts, settings } = state
  const of = (tag: string) => actions.filter(({ action }) => action._tag === tag)
  const attemptsIn = (tag: string) => of(tag).map(({ action }) => (action as { readonly attempt: number }).attempt)

  attempts.forEach((attempt, i) => {
    const before = attempts[i - 1]
    expect(attempt.outcome !== "running", `attempt ${i} has not ended`)
    if (before === undefined || before.outcome === "running") return
    const isFreed = before.outcome === "failed" && before.ended <= attempt.began
    expect(isFreed || attempt.began >= before.began + settings.attemptDelay, `attempt ${i} began too early`)
    expect(attempt.began >= before.began, `attempt ${i} began before the one before it`)
  })
  const tried = attempts.map(({ address }) => SocketAddress.format(address))
  expect(new Set(tried).size === tried.length, "an address was tried twice")
  expect(of("Start").length === attempts.length, "starts and attempts differ")
  const lost = attempts.flatMap(({ outcome }, i) => outcome === "lost" ? [i] : [])
  expect(JSON.stringify(attemptsIn("Cancel")) === JSON.stringify(lost), "who lost is not who was cancelled")
  const won = attempts.flatMap(({ outcome }, i) => outcome === "won" ? [i] : [])
  expect(JSON.stringify(attemptsIn("Succeed")) === JSON.stringify(won), "who won is not who succeeded")
  expect(won.length + of("Fail").length + (state.over === "gave up" ? 1 : 0) === 1, "not one end")
  expect(givenUp || state.over !== "gave up", "given up by nobody")
  expect(state.timer === undefined, "a timer is set after the end")
  const last = actions.findIndex(({ action }) => action._tag === "Succeed" || action._tag === "Fail")
  const after = last === -1 ? [] : actions.slice(last + 1)
  expect(after.every(({ action }) => action._tag === "Close"), "something was done after the end")
  // The timer is set, or set anew, and switched off only where it was set.
  let armed = false
  for (const { action } of actions) {
    if (action._tag === "Disarm") expect(armed, "a timer was switched off that was not set")
    if (action._tag === "Arm" || action._tag === "Disarm") armed = action._tag === "Arm"
  }
  return faults
}

describe("HappyEyeballs", () => {
  describe("the plan", () => {
    for (const scenario of scenarios) {
      it(scenario.title, () => {
        const played = play(scenario)
        assert.deepStrictEqual(linesOf(played), scenario.expected)
        assert.deepStrictEqual(faultsOf(played, scenario.gaveUp !== undefined), [])
      })
    }

    it("is a table of 40 scenarios at least, each with a title of its own", () => {
      assert.isAtLeast(scenarios.length, 40)
      assert.strictEqual(new Set(scenarios.map(({ title }) => title)).size, scenarios.length)
    })

    it.prop("keeps its rules whatever comes, and whenever", [Draw], ([draw]) => {
      const scenario = scenarioOf(draw)
      assert.deepStrictEqual(faultsOf(play(scenario), true), [])
    }, property)

    const Happening = Schema.Struct({
      tag: Schema.Literals(["Answer", "Timer", "Failed", "Succeeded", "GaveUp", "Timer", "Failed", "Answer"]),
      attempt: Schema.Int.check(Schema.isBetween({ minimum: -1, maximum: 6 })),
      addresses: Schema.Array(Schema.Literals(["6a", "6b", "6c", "4a", "4b", "4c"])).check(Schema.isMaxLength(3)),
      ended: Schema.Literals(["IPv4", "IPv6", "all", "none", "none"]),
      now: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5_000_000 }))
    })

    it.prop(
      "keeps its rules also where the events make no sense, and time goes back",
      [Schema.Array(Happening)],
      ([all]) => {
        let state = HappyEyeballs.make<typeof refused>()
        const actions: Array<{ at: number; action: HappyEyeballs.Action<typeof refused> }> = []
        const take = (event: HappyEyeballs.Event<typeof refused>, now: number) => {
          const step = HappyEyeballs.step(state, event, now)
          state = step.state
          for (const action of step.actions) actions.push({ at: state.now, action })
        }
        for (const { addresses, attempt, ended, now, tag } of all) {
          take(
            tag === "Answer"
              ? HappyEyeballs.answer(addresses.map(addressOf), ended === "none" ? undefined : ended)
              : tag === "Failed"
              ? { _tag: "Failed", attempt, error: refused }
              : tag === "Succeeded"
              ? { _tag: "Succeeded", attempt }
              : { _tag: tag },
            now
          )
        }
        take({ _tag: "GaveUp" }, 6_000_000)
        assert.deepStrictEqual(faultsOf({ state, actions, settled: 0 }, true), [])
      },
      property
    )
  })

  describe("step", () => {
    const race = (...names: ReadonlyArray<string>) =>
      HappyEyeballs.step(
        HappyEyeballs.make<typeof refused>(),
        HappyEyeballs.answer(names.map(addressOf), "all"),
        1_000_000
      )

    it("sets the timer for the next start, and not where nothing is left to start", () => {
      assert.deepStrictEqual(race("6a", "4a").actions, [
        { _tag: "Start", attempt: 0, address: addressOf("6a") },
        { _tag: "Arm", at: 1_250_000 }
      ])
      assert.deepStrictEqual(race("6a").actions, [{ _tag: "Start", attempt: 0, address: addressOf("6a") }])
    })

    it("sets a timer that fired early again, and starts nothing", () => {
      const early = HappyEyeballs.step(race("6a", "4a").state, { _tag: "Timer" }, 1_249_999)
      assert.deepStrictEqual(early.actions, [{ _tag: "Arm", at: 1_250_000 }])
      const { actions } = HappyEyeballs.step(early.state, { _tag: "Timer" }, 1_250_000)
      assert.deepStrictEqual(actions, [{ _tag: "Start", attempt: 1, address: addressOf("4a") }])
    })

    it("switches the timer off before it cancels, and names the winner last", () => {
      const second = HappyEyeballs.step(race("6a", "4a", "6b").state, { _tag: "Timer" }, 1_250_000)
      const { actions } = HappyEyeballs.step(second.state, { _tag: "Succeeded", attempt: 1 }, 1_300_000)
      assert.deepStrictEqual(actions, [
        { _tag: "Disarm" },
        { _tag: "Cancel", attempt: 0 },
        { _tag: "Succeed", attempt: 1 }
      ])
    })

    it("takes no news of an attempt that has ended, or never was", () => {
      const { state } = HappyEyeballs.step(
        race("6a", "4a").state,
        { _tag: "Failed", attempt: 0, error: refused },
        1_100_000
      )
      for (const attempt of [0, 2, -1]) {
        for (const event of [{ _tag: "Failed", attempt, error: refused }, { _tag: "Succeeded", attempt }] as const) {
          const after = HappyEyeballs.step(state, event, 1_200_000)
          assert.deepStrictEqual(after, { state: { ...state, now: 1_200_000 }, actions: [] })
        }
      }
    })

    it("does not change the state it was given", () => {
      const before = race("6a", "4a").state
      const copy = JSON.stringify(before)
      HappyEyeballs.step(before, { _tag: "Failed", attempt: 0, error: refused }, 1_100_000)
      HappyEyeballs.step(before, { _tag: "GaveUp" }, 1_100_000)
      assert.strictEqual(JSON.stringify(before), copy)
    })

    it("takes a Unix path as one of the other family", () => {
      const path = SocketAddress.fromInputUnsafe("unix:/run/app.sock")
      const first = HappyEyeballs.step(
        HappyEyeballs.make<typeof refused>({ preferredFamily: "first" }),
        HappyEyeballs.answer([path, addressOf("6a")], "all"),
        0
      )
      assert.strictEqual(first.state.attempts[0]?.address, path)
      const second = HappyEyeballs.step(
        HappyEyeballs.make<typeof refused>(),
        HappyEyeballs.answer([path, addressOf("6a")], "all"),
        0
      )
      assert.deepStrictEqual(second.state.waiting, [path])
    })
  })

  describe("an answer that says which family goes first", () => {
    const four = SocketAddress.fromInputUnsafe("192.0.2.1:80")
    const six = SocketAddress.fromInputUnsafe("[2001:db8::1]:80")
    const after = (
      options: HappyEyeballs.Options,
      ...events: ReadonlyArray<readonly [at: number, answer: HappyEyeballs.Answer]>
    ) => {
      let state = HappyEyeballs.make<typeof refused>(options)
      const actions: Array<unknown> = []
      for (const [now, answer] of events) {
        const step = HappyEyeballs.step(state, answer, now)
        state = step.state
        for (const action of step.actions) if (action._tag === "Start" || action._tag === "Arm") actions.push(action)
      }
      return { waiting: state.waiting, actions }
    }
    const both = { ...HappyEyeballs.answer([six, four], "all"), preferred: "IPv4" } as const

    it("is followed where the options name no family", () => {
      assert.deepInclude(after({}, [0, both]), { waiting: [six] })
      assert.deepInclude(after({ preferredFamily: "IPv6" }, [0, both]), { waiting: [four] })
      assert.deepInclude(after({ preferredFamily: "first" }, [0, both]), { waiting: [four] })
    })

    it("lets the other one wait for it, and no longer than any does", () => {
      const alone = { ...HappyEyeballs.answer([six], "IPv6"), preferred: "IPv4" } as const
      assert.deepStrictEqual(after({}, [0, alone]).actions, [{ _tag: "Arm", at: 50_000 }])
      const found = after({}, [0, alone], [20_000, { ...HappyEyeballs.answer([four], "IPv4"), preferred: "IPv4" }])
      assert.deepStrictEqual(found.actions[1], { _tag: "Start", attempt: 0, address: four })
      assert.deepStrictEqual(found.waiting, [six])
      const none = after({}, [0, alone], [20_000, HappyEyeballs.answer([], "IPv4")])
      assert.deepStrictEqual(none.actions[1], { _tag: "Start", attempt: 0, address: six })
    })

    it("can be taken back by the next", () => {
      const alone = { ...HappyEyeballs.answer([six], "IPv6"), preferred: "IPv4" } as const
      const found = after({}, [0, alone], [20_000, { ...HappyEyeballs.answer([four], "IPv4"), preferred: "IPv6" }])
      assert.deepStrictEqual(found.actions[1], { _tag: "Start", attempt: 0, address: six })
    })
  })

  describe("make", () => {
    it("holds what is asked for to what is possible", () => {
      const { settings } = HappyEyeballs.make({
        attemptDelay: -1,
        resolutionDelay: "-1 seconds",
        preferredFamilyCount: -2
      })
      assert.deepStrictEqual(settings, {
        preferredFamily: undefined,
        preferredFamilyCount: 1,
        resolutionDelay: 0,
        attemptDelay: 100_000
      })
      assert.strictEqual(HappyEyeballs.make({ attemptDelay: "Infinity" }).settings.attemptDelay, 2_000_000)
    })
  })

  describe("primary", () => {
    const connect = (code: WsaError.Code) => WsaError.make(code, at)
    const order: ReadonlyArray<ReadonlyArray<WsaError.WsaError>> = [
      [connect("WSAEINTR")],
      [WsaError.make("WSAECONNRESET", { call: "recv", stage: "receive" })],
      [connect("WSAECONNREFUSED"), connect("WSAECONNRESET"), connect("WSAECONNABORTED")],
      [connect("WSAETIMEDOUT")],
      [connect("WSAEACCES"), WsaError.make("WSAEACCES", { call: "bind", stage: "bind" })],
      [connect("WSAENOBUFS"), connect("WSAEADDRINUSE"), WsaError.make("WsaUnmapped", { ...at, code: "EWEIRD" })],
      [
        connect("WSAENETUNREACH"),
        connect("WSAEHOSTUNREACH"),
        connect("WSAEHOSTDOWN"),
        connect("WSAENETDOWN"),
        connect("WSAEADDRNOTAVAIL")
      ],
      [
        WsaError.make("WSAEADDRINUSE", { call: "bind", stage: "bind" }),
        WsaError.make("WSAEMFILE", { call: "socket", stage: "open" }),
        WsaError.make("WSAENETDOWN", { call: "socket", stage: "request" })
      ]
    ]

    it("has an order, and of those that tell as much it takes the first", () => {
      order.forEach((some, i) => {
        for (const one of some) {
          for (const other of order.slice(i).flat()) {
            const expected = some.includes(other) ? other : one
            assert.strictEqual(HappyEyeballs.primary([other, one]), expected, `${one.message} and ${other.message}`)
          }
        }
      })
    })
  })

  describe("failures", () => {
    it("tells of each attempt that failed what its error does, and of no other", () => {
      const unmapped = WsaError.make("WsaUnmapped", {
        ...at,
        native: { code: "EWEIRD", errno: -4000, syscall: "connect" },
        detail: "nobody knows"
      })
      let { state } = HappyEyeballs.step(
        HappyEyeballs.make<WsaError.WsaError>(),
        HappyEyeballs.answer(["6a", "4a", "6b"].map(addressOf), "all"),
        500
      )
      state = HappyEyeballs.step(state, { _tag: "Failed", attempt: 0, error: unmapped }, 1500).state
      state = HappyEyeballs.step(state, { _tag: "GaveUp" }, 2500).state
      assert.deepStrictEqual(HappyEyeballs.failures(state, 500), [{
        address: addressOf("6a"),
        stage: "connect",
        code: "EWEIRD",
        began: 0,
        ended: 1,
        native: { code: "EWEIRD", errno: -4000, syscall: "connect" },
        detail: "nobody knows"
      }])
      assert.deepStrictEqual(state.attempts.map(({ address, outcome }) => `${nameOf(address)} ${outcome}`), [
        "6a failed",
        "4a lost"
      ])
    })
  })
})

describe("WsaError.withAttempts", () => {
  const attempts: ReadonlyArray<WsaError.Attempt> = [
    { address: addressOf("6a"), stage: "connect", code: "WSAENETUNREACH", began: 0, ended: 0.25 },
    {
      address: addressOf("4a"),
      stage: "connect",
      code: "WSAECONNREFUSED",
      began: 0.25,
      ended: 10,
      native: { code: "ECONNREFUSED", errno: -111, syscall: "connect" }
    }
  ]

  it("keeps class, fields, what lies beneath and what it is not", () => {
    const cause = new Error("beneath")
    const error = WsaError.make("WSAECONNREFUSED", { ...at, remote: addressOf("4a"), cause })
    const all = WsaError.withAttempts(error, attempts)
    assert.instanceOf(all, WsaError.WSAECONNREFUSED)
    assert.deepStrictEqual(
      [all.remote, all.cause, all.number, all.retryClass, all.attempts],
      [error.remote, cause, 10061, "transient", attempts]
    )
    assert.isUndefined(error.attempts)
  })

  it("crosses JSON with all attempts", () => {
    const json = Schema.toCodecJson(WsaError.errorsOf("WSAConnect"))
    const error = WsaError.withAttempts(refused, attempts)
    const sent = JSON.parse(JSON.stringify(Schema.encodeUnknownSync(json)(error)))
    const back = Result.getOrThrow(Schema.decodeUnknownResult(json)(sent))
    assert.instanceOf(back, WsaError.WSAECONNREFUSED)
    assert.deepStrictEqual(back.attempts?.map(({ address }) => nameOf(address)), ["6a", "4a"])
    assert.deepStrictEqual(back.attempts?.map(({ began, code, ended }) => [code, began, ended]), [
      ["WSAENETUNREACH", 0, 0.25],
      ["WSAECONNREFUSED", 0.25, 10]
    ])
    assert.deepStrictEqual(back.attempts?.[1]?.native, attempts[1]?.native)
    assert.deepStrictEqual(JSON.parse(JSON.stringify(error)), sent)
  })

  it("says in the message what was tried, where that was more than one", () => {
    const words = WsaError.withAttempts(refused, attempts).message
    assert.isTrue(
      words.endsWith(
        "; the most telling of 2 attempts: [2001:db8::a]:80 WSAENETUNREACH, 192.0.2.10:80 WSAECONNREFUSED"
      ),
      words
    )
    assert.strictEqual(WsaError.withAttempts(refused, attempts.slice(1)).message, refused.message)
  })

  it("takes what is no Winsock error too", () => {
    class Untrusted extends Data.TaggedError("Untrusted")<{ readonly stage: "receive"; readonly cause?: unknown }> {
      override get message() {
        return "untrusted"
      }
    }
    const cause = new Error("beneath")
    const error = WsaError.withAttempts(new Untrusted({ stage: "receive", cause }), attempts)
    assert.instanceOf(error, Untrusted)
    assert.deepStrictEqual([error._tag, error.stage, error.cause, error.message], [
      "Untrusted",
      "receive",
      cause,
      "untrusted"
    ])
    assert.strictEqual(error.attempts, attempts)
  })
})
