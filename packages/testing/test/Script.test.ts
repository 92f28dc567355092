import { SocketAddress, Winsock } from "@effect-winsock/core"
import { Script, Sim, SimNetwork } from "@effect-winsock/testing"
import { assert, describe, it } from "@effect-winsock/testing/vitest"
import { Cause, Clock, Duration, Effect, Exit, type Layer, Schedule } from "effect"
import { readFileSync } from "node:fs"
import { Dice } from "./utils/dice.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (from: Uint8Array) => new TextDecoder().decode(from)
const address = "10.0.0.9:6379"

const stream = (family: SocketAddress.Family = "IPv4") => Winsock.socket({ family, type: "stream" })

/** Connects, and does something with the socket. */
const dial = <A, E, R>(
  use: (s: Winsock.Socket) => Effect.Effect<A, E, R>,
  to: SocketAddress.Input = address,
  family: SocketAddress.Family = "IPv4"
) =>
  Effect.gen(function*() {
    const s = yield* stream(family)
    yield* Winsock.WSAConnect(s, to)
    return yield* use(s)
  }).pipe(Effect.scoped)

const attempt = dial(() => Effect.void)

/** How an attempt ended, and after how many milliseconds. */
const told = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const [took, outcome] = yield* Effect.timed(Effect.match(effect, {
      onFailure: ({ _tag }) => _tag,
      onSuccess: () => "connected"
    }))
    return `${outcome} ${Duration.toMillis(took)}`
  })

const say = (what: string) => (s: Winsock.Socket) =>
  Effect.gen(function*() {
    yield* Winsock.send(s, bytes(what))
    return text(yield* Winsock.recv(s))
  })

const played = <A, E, R extends Winsock.Winsock>(
  program: Effect.Effect<A, E, R>,
  script: Layer.Layer<Winsock.Winsock, unknown, Sim.Sim>,
  options?: Sim.Options
) => Sim.run(Effect.provide(program, script) as Effect.Effect<A, E, Sim.Sim>, options)

const differences = (report: Sim.Report<unknown, unknown>) => {
  if (Exit.isSuccess(report.exit)) return assert.fail("the run succeeded")
  const error = Cause.squash(report.exit.cause)
  if (!(error instanceof Sim.SimError)) return assert.fail(`no SimError, but ${Cause.pretty(report.exit.cause)}`)
  assert.strictEqual(error.reason._tag, "Leftovers")
  return report.leftovers
}

describe("what attempts meet", () => {
  it.sim("E12, E13, E18: outcomes by name, each after one round trip, or after as long as it says", function*() {
    const all = yield* Effect.forEach(Array.from({ length: 9 }), () => told(attempt)).pipe(
      Effect.provide(Script.connects(address, [
        Script.refused,
        Script.hostUnreachable,
        Script.networkUnreachable,
        Script.fails("WSAEHOSTDOWN"),
        Script.timedOut,
        Script.after("2 seconds", Script.timedOut),
        Script.after("300 millis", Script.refused),
        Script.accepted(),
        Script.after("5 seconds", Script.accepted())
      ]))
    )
    assert.deepStrictEqual(all, [
      "WSAECONNREFUSED 2",
      "WSAEHOSTUNREACH 2",
      "WSAENETUNREACH 2",
      "WSAEHOSTDOWN 2",
      "WSAETIMEDOUT 131000",
      "WSAETIMEDOUT 2000",
      "WSAECONNREFUSED 300",
      "connected 2",
      "connected 5000"
    ])
  })

  it.sim("takes as long as the link and the system that it is given", function*() {
    const options = { link: { latency: "50 millis" }, profile: SimNetwork.linuxClassic } as const
    const all = yield* Effect.all([told(attempt), told(attempt)]).pipe(
      Effect.provide(Script.connects(address, [Script.refused, Script.timedOut], options))
    )
    assert.deepStrictEqual(all, ["WSAECONNREFUSED 100", "WSAETIMEDOUT 127000"])
  })

  it.sim("R26: a socket that was refused goes on with the next step, from the same port", function*() {
    const ports = yield* Effect.gen(function*() {
      const s = yield* stream()
      yield* Effect.flip(Winsock.WSAConnect(s, address))
      const first = yield* Winsock.getsockname(s)
      yield* Winsock.WSAConnect(s, address)
      return [first, yield* Winsock.getsockname(s)].map(SocketAddress.portOf)
    }).pipe(Effect.scoped, Effect.provide(Script.connects(address, [Script.refused, Script.accepted()])))
    assert.strictEqual(ports[0], ports[1])
  })

  it.sim("each address has a script of its own: IPv4, IPv6, loopback, a path", function*() {
    const addresses = ["10.0.0.9:80", "[fd00::9]:80", "127.0.0.1:80", "[::1]:80", "unix:/run/app.sock"]
    const families = ["IPv4", "IPv6", "IPv4", "IPv6", "Unix"] as const
    const answers = yield* Effect.forEach(addresses, (to, index) => dial(say(to), to, families[index])).pipe(
      Effect.provide(Script.connects(Object.fromEntries(
        addresses.map((to) => [to, [Script.accepted(Script.expects(to), Script.sends(`I am ${to}`))]])
      )))
    )
    assert.deepStrictEqual(answers, addresses.map((to) => `I am ${to}`))
  })

  it.sim("callers that race meet the steps in the order in which they began", function*() {
    const answers = yield* Effect.all([dial(say("a")), dial(say("b")), dial(say("c"))], { concurrency: 3 }).pipe(
      Effect.provide(Script.connects(address, [
        Script.after("3 seconds", Script.accepted(Script.expects("a"), Script.sends("first"))),
        Script.after("2 seconds", Script.accepted(Script.expects("b"), Script.sends("second"))),
        Script.after("1 second", Script.accepted(Script.expects("c"), Script.sends("third")))
      ]))
    )
    assert.deepStrictEqual(answers, ["first", "second", "third"])
  })

  it.sim("an attempt that is given up has met its step", function*() {
    const all = yield* Effect.all([Effect.timeoutOption(attempt, "1 second"), told(attempt)]).pipe(
      Effect.provide(Script.connects(address, [Script.after("1 minute", Script.accepted()), Script.refused]))
    )
    assert.strictEqual(all[1], "WSAECONNREFUSED 2")
  })
})

describe("the README", () => {
  it("shows the test beside this one as it stands", () => {
    const [readme, test] = [new URL("../../../README.md", import.meta.url), new URL("readme.test.ts", import.meta.url)]
    assert.include(readFileSync(readme, "utf8"), `\`\`\`ts\n${readFileSync(test, "utf8")}\`\`\``)
  })
})

describe("what is said", () => {
  it.sim("bytes are those of a stream, however they are cut", function*() {
    const script = Script.accepted(
      Script.expects("one"),
      Script.expects("two"),
      Script.sends("three"),
      Script.sends("four")
    )
    const heard = yield* dial((s) =>
      Effect.gen(function*() {
        yield* Winsock.send(s, bytes("on"))
        yield* Effect.sleep("1 second")
        yield* Winsock.send(s, bytes("etwo"))
        yield* Effect.sleep("1 second")
        return text(yield* Winsock.recv(s)) + text(yield* Winsock.recv(s))
      })
    ).pipe(Effect.provide(Script.connects(address, [script])))
    assert.strictEqual(heard, "threefour")
  })

  it.sim("half a connection: expects the end, answers, and ends too", function*() {
    const heard = yield* dial((s) =>
      Effect.gen(function*() {
        yield* Winsock.send(s, bytes("all of it"))
        yield* Winsock.shutdown(s, "send")
        const answer = text(yield* Winsock.recv(s))
        return [answer, (yield* Winsock.recv(s)).length]
      })
    ).pipe(Effect.provide(Script.connects(address, [
      Script.accepted(Script.expects("all of it"), Script.expectsEnd, Script.sends("got it"), Script.ends)
    ])))
    assert.deepStrictEqual(heard, ["got it", 0])
  })

  it.sim("R21: resets when it says so, and waits before it does", function*() {
    const outcome = yield* dial((s) =>
      Effect.gen(function*() {
        const begin = yield* Clock.currentTimeMillis
        const part = text(yield* Winsock.recv(s))
        const error = yield* Effect.flip(Winsock.recv(s))
        return [part, error._tag, (yield* Clock.currentTimeMillis) - begin]
      })
    ).pipe(Effect.provide(Script.connects(address, [
      Script.accepted(Script.sends("HTTP/1.1 200"), Script.after("10 seconds", Script.resets))
    ])))
    // the last word of the handshake, the wait, and the way back
    assert.deepStrictEqual(outcome, ["HTTP/1.1 200", "WSAECONNRESET", 1 + 10_000 + 1])
  })

  it.sim("a megabyte goes through in both directions", function*() {
    const megabyte = new Uint8Array(1 << 20).fill(7)
    const length = yield* dial((s) =>
      Effect.gen(function*() {
        yield* Winsock.send(s, megabyte)
        let length = 0
        for (let got = yield* Winsock.recv(s); got.length > 0; got = yield* Winsock.recv(s)) length += got.length
        return length
      })
    ).pipe(Effect.provide(Script.connects(address, [
      Script.accepted(Script.expects(megabyte), Script.sends(megabyte), Script.ends)
    ])))
    assert.strictEqual(length, 1 << 20)
  })

  it.sim("what is on its way when the program ends has been said", function*() {
    yield* dial((s) => Winsock.send(s, bytes("QUIT"))).pipe(
      Effect.provide(Script.connects(address, [Script.accepted(Script.expects("QUIT"), Script.expectsEnd)]))
    )
  })
})

const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200)

/** A conversation, the program that keeps to it, and the same one with a byte that differs. */
const conversation = (seed: number) => {
  const dice = new Dice(seed)
  const word = () => Uint8Array.from({ length: 1 + dice.below(dice.chance(10) ? 50_000 : 20) }, () => dice.below(256))
  const turns = Array.from({ length: 1 + dice.below(8) }, () => ({ ours: dice.chance(50), bytes: word() }))
  const steps = Script.accepted(
    ...turns.map(({ bytes, ours }) =>
      ours
        ? Script.expects(bytes)
        : dice.chance(30)
        ? Script.after("1 second", Script.sends(bytes))
        : Script.sends(bytes)
    )
  )
  const say = (s: Winsock.Socket, bytes: Uint8Array) =>
    Effect.gen(function*() {
      for (let from = 0; from < bytes.length;) {
        const to = Math.min(bytes.length, from + 1 + dice.below(bytes.length))
        yield* Winsock.send(s, bytes.subarray(from, to))
        if (dice.chance(30)) yield* Effect.sleep(dice.below(100))
        from = to
      }
    })
  const hear = (s: Winsock.Socket, bytes: Uint8Array) =>
    Effect.gen(function*() {
      for (let from = 0; from < bytes.length;) {
        const got = yield* Winsock.recv(s, bytes.length - from)
        assert.strictEqual(Buffer.compare(got, bytes.subarray(from, from + got.length)), 0)
        from += got.length
      }
    })
  const play = (differs: number) =>
    dial((s) =>
      Effect.gen(function*() {
        for (const [index, { bytes, ours }] of turns.entries()) {
          if (!ours) yield* hear(s, bytes)
          else yield* say(s, index === differs ? bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1) : bytes)
        }
      })
    )
  const own = turns.flatMap(({ ours }, index) => ours ? [index] : [])
  return { script: Script.connects(address, [steps]), play, differs: own.length === 0 ? undefined : dice.pick(own) }
}

describe("any conversation", () => {
  it("passes however its bytes are cut, and fails with one byte that differs", () => {
    for (let seed = 0; seed < runs; seed++) {
      const { differs, play, script } = conversation(seed)
      const kept = played(play(-1), script, { seed })
      assert.deepStrictEqual([kept.ended, kept.leftovers], ["done", []], `seed ${seed}\n${Sim.format(kept)}`)
      if (differs === undefined) continue
      const broken = played(Effect.ignore(play(differs)), script, { seed })
      assert.match(broken.leftovers[0] ?? "", new RegExp(`line ${differs + 1} of \\d+: expected `), `seed ${seed}`)
    }
  })
})

describe("what is not as it was written", () => {
  it("names the bytes that differ, and where", () => {
    const script = Script.connects(address, [
      Script.refused,
      Script.accepted(Script.expects("HELLO\r\n"), Script.sends("OK"), Script.expects("PING\r\n"))
    ])
    const program = Effect.andThen(
      Effect.ignore(attempt),
      dial((s) => Effect.andThen(say("HELLO\r\n")(s), Winsock.send(s, bytes("PANG\r\n"))))
    )
    assert.deepStrictEqual(differences(played(program, script)), [
      `script of ${address}: attempt 2 of 2, line 3 of 3: expected "PING\\r\\n", came "PANG\\r\\n"`
    ])
  })

  it("shows bytes that are no text in hexadecimal digits, and not more than anybody reads", () => {
    const script = Script.connects(address, [Script.accepted(Script.expects(Uint8Array.of(0, 255, 16)))])
    const program = dial((s) => Winsock.send(s, new Uint8Array(1000).fill(65)))
    assert.deepStrictEqual(differences(played(program, script)), [
      `script of ${address}: attempt 1 of 1, line 1 of 1: expected 00 ff 10, came "${"A".repeat(60)}"… (1000 bytes)`
    ])
  })

  it("names what came beyond the last line, the end where bytes were to come, and the bytes where the end was", () => {
    const lines = (...all: ReadonlyArray<Script.Line>) => Script.connects(address, [Script.accepted(...all)])
    const send = (what: string) => dial((s) => Winsock.send(s, bytes(what)))
    assert.deepStrictEqual(differences(played(send("onetwo"), lines(Script.expects("one")))), [
      `script of ${address}: attempt 1 of 1, after line 1: expected nothing more, came "two"`
    ])
    assert.deepStrictEqual(differences(played(send("on"), lines(Script.expects("one")))), [
      `script of ${address}: attempt 1 of 1, line 1 of 1: expected "one", came "on" and the end`
    ])
    assert.deepStrictEqual(differences(played(send("on"), lines(Script.expectsEnd))), [
      `script of ${address}: attempt 1 of 1, line 1 of 1: expected the end, came "on"`
    ])
  })

  it("says of a deadlock how far the script has come, and that more came than it has", () => {
    const script = (...lines: ReadonlyArray<Script.Line>) => Script.connects(address, [Script.accepted(...lines)])
    const stuck = played(dial(say("PIN")), script(Script.expects("PING"), Script.sends("PONG")))
    assert.strictEqual(stuck.ended, "deadlock")
    assert.include(
      stuck.leftovers,
      `script of ${address}: attempt 1 of 1, line 1 of 2: expected "PING", and only "PIN" came`
    )
    assert.deepStrictEqual(
      differences(played(dial(say("PINGS")), script(Script.expects("PING"), Script.sends("PONG")))),
      [
        `script of ${address}: attempt 1 of 1, after line 2: expected nothing more, came "S"`
      ]
    )
  })

  it("waits for what is still to be said when the program has ended", () => {
    const lines = [Script.after("1 minute", Script.sends("late")), Script.expectsEnd]
    const report = played(attempt, Script.connects(address, [Script.accepted(...lines)]))
    assert.strictEqual(Duration.toMillis(report.elapsed), 60_003)
    const never = played(attempt, Script.connects(address, [Script.accepted(Script.after("1 day", Script.resets))]))
    assert.deepStrictEqual(differences(never), [
      `script of ${address}: attempt 1 of 1, line 1 of 1: expected to reset, and it never came to that`
    ])
  })

  it("names the steps that never came, and the lines that were never said", () => {
    const script = Script.connects(address, [
      Script.accepted(Script.expects("PING"), Script.sends("PONG")),
      Script.refused,
      Script.after("2 seconds", Script.timedOut)
    ])
    assert.deepStrictEqual(differences(played(attempt, script)), [
      `script of ${address}: attempt 1 of 3, line 1 of 2: expected "PING", came the end`,
      `script of ${address}: attempt 2 of 3 never came; it was to meet WSAECONNREFUSED`,
      `script of ${address}: attempt 3 of 3 never came; it was to meet silence after 2s`
    ])
  })

  it("refuses an attempt that is not in the script, and names it", () => {
    const refused = played(Effect.flip(attempt), Script.connects(address, []))
    assert.deepStrictEqual(differences(refused), [
      `script of ${address}: attempt 1: expected none, came one from 10.0.0.1:32768`
    ])
    const again = played(
      Effect.andThen(Effect.flip(attempt), told(attempt)),
      Script.connects(address, [Script.refused])
    )
    assert.strictEqual(differences(again).length, 1)
    assert.match(differences(again)[0]!, /attempt 2: expected no more, came one from/)
  })

  it("names an attempt that came too late, and bytes that did", () => {
    const policy = Schedule.exponential("100 millis")
    const program = dial((s) => Effect.andThen(Effect.sleep("3 seconds"), Winsock.send(s, bytes("PING")))).pipe(
      Effect.retry({ schedule: policy, times: 3 })
    )
    const script = Script.connects(address, [
      Script.refused,
      Script.within("250 millis", Script.refused),
      Script.within("250 millis", Script.refused),
      Script.within("250 millis", Script.accepted(Script.within("1 second", Script.expects("PING"))))
    ])
    assert.deepStrictEqual(differences(played(program, script)), [
      `script of ${address}: attempt 4 of 4: expected within 250ms of the one before, came after 400ms`,
      `script of ${address}: attempt 4 of 4, line 1 of 1: expected "PING" within 1s, came after 3s`
    ])
  })

  it("leaves alone what a program failed with", () => {
    const program = Effect.andThen(attempt, Effect.fail("no"))
    const report = played(program, Script.connects(address, [Script.accepted(Script.expects("PING"))]))
    assert.deepStrictEqual(report.exit, Exit.fail("no"))
    assert.include(Sim.format(report), `expected "PING", came the end`)
  })

  it("ends a program that goes on for ever when nothing comes that it waits for", () => {
    const forever = Effect.retry(attempt, Schedule.spaced("1 second"))
    const report = played(forever, Script.connects(address, [Script.refused]))
    assert.strictEqual(report.ended, "thrown")
    const error = Exit.isFailure(report.exit) ? Cause.squash(report.exit.cause) : undefined
    assert.instanceOf(error, Script.Mismatch)
    assert.match((error as Script.Mismatch).message, /attempt 2: expected no more, came one from/)
    assert.strictEqual(Duration.toMillis(report.elapsed), 11_002)
  })

  it("says in the trace where the script stands", () => {
    const report = played(
      dial(say("PING")),
      Script.connects(address, [Script.accepted(Script.expects("PING"), Script.sends("PONG"))])
    )
    const notes = report.events.flatMap(({ at, event }) =>
      event.kind.startsWith("script") ? [`${at} ${event.kind} ${event["place"]}`] : []
    )
    assert.deepStrictEqual(notes, [
      "0 script meets accepted attempt 1 of 1",
      "3000 script waits for \"PING\" attempt 1 of 1, line 1 of 2",
      "3000 script Expects attempt 1 of 1, line 1 of 2",
      "3000 script Sends attempt 1 of 1, line 2 of 2"
    ])
  })
})
