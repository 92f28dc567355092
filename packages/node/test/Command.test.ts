import { SocketAddress, Winsock, WsaError } from "@effect-winsock/core"
import { NodeWinsock, Report } from "@effect-winsock/node"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Queue, Result, Schedule, Schema, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import * as Arguments from "../src/internal/command/arguments.ts"
import * as Codes from "../src/internal/command/codes.ts"
import { blackHole } from "./utils/blackHole.ts"
import {
  command,
  commandIn,
  commandProcess,
  connectReport,
  inMemory,
  type Ran,
  reports,
  spawned
} from "./utils/command.ts"

const property = { arbitrary: { runs: Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200), seed: "command" } }

const bytes = (text: string) => new TextEncoder().encode(text)

/** Listens, and does something with every caller. */
const serve = (
  address: SocketAddress.Input,
  conversation: (socket: Winsock.Socket) => Effect.Effect<unknown, unknown>
) =>
  Effect.gen(function*() {
    const family = SocketAddress.familyOf(SocketAddress.fromInputUnsafe(address))
    const listener = yield* Winsock.socket({ family, type: "stream" })
    yield* Winsock.bind(listener, address)
    yield* Winsock.listen(listener)
    yield* Winsock.accept(listener).pipe(
      Effect.flatMap(({ socket }) => Effect.forkScoped(Effect.ignore(conversation(socket)))),
      Effect.forever,
      Effect.forkScoped
    )
    return listener
  })

const quiet = () => Effect.never

/** Lets everything that is on the way arrive. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** Lets virtual time pass until the command has ended. */
const asTimePasses = <E, R>(running: Effect.Effect<Ran, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(running)
    for (let i = 0; i < 1000 && fiber.pollUnsafe() === undefined; i++) {
      yield* settle
      yield* TestClock.adjust("100 millis")
    }
    return yield* Fiber.join(fiber)
  })

/** What a terminal does something about, but for the end of a line. */
// oxlint-disable-next-line no-control-regex
const obeyed = /(?!\n)[\p{Cc}\p{Cf}]/u

describe("winsock connect", () => {
  it.effect("E09: says which code, from whom, at which step, and ends with 1", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const ran = yield* command("connect", "127.0.0.1:9", "--json")
        assert.strictEqual(ran.exitCode, 1)
        assert.strictEqual(ran.err, "")
        const { attempts, error, outcome, protocol } = connectReport(ran)
        assert.deepStrictEqual([outcome, protocol, attempts.length], ["failed", "tcp", 1])
        assert.strictEqual(attempts[0]!.address, "127.0.0.1:9")
        assert.deepStrictEqual(attempts[0]!.error, error)
        const { by, call, code, number, stage, transient, words } = error!
        assert.deepStrictEqual([code, number, call, stage, by], [
          "WSAECONNREFUSED",
          10061,
          "WSAConnect",
          "connect",
          "system"
        ])
        assert.deepStrictEqual([words, transient], [WsaError.table.WSAECONNREFUSED.words, true])
      })
    ))

  it.effect("says the same to people, on stdout and without colours", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { err, exitCode, out } = yield* command("connect", "127.0.0.1:9")
        assert.strictEqual(exitCode, 1)
        assert.strictEqual(err, "")
        assert.match(out, /^127\.0\.0\.1:9 WSAECONNREFUSED \(10061\) after \d+\.\d ms, from 127\.0\.0\.1:\d+\n/)
        assert.include(out, WsaError.table.WSAECONNREFUSED.words)
        assert.include(out, "WSAConnect, stage connect, said by the system")
        assert.notInclude(out, "\u001b")
      })
    ))

  it.effect("R02: gives both ends of the connection, and ends with 0", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* serve("127.0.0.1:80", quiet)
        const ran = yield* command("connect", "tcp:127.0.0.1:80", "--json")
        const { attempts, error, local, outcome, remote, target } = connectReport(ran)
        assert.deepStrictEqual([ran.exitCode, outcome, error], [0, "connected", undefined])
        assert.deepStrictEqual([target, remote, attempts[0]!.local], ["tcp:127.0.0.1:80", "127.0.0.1:80", local])
        assert.match(local!, /^127\.0\.0\.1:\d+$/)
        assert.match((yield* command("connect", "127.0.0.1:80")).out, /^127\.0\.0\.1:80 connected in \d+\.\d ms, from /)
      })
    ))

  it.effect("connects to a Unix-domain path", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* serve("unix:/run/app.sock", quiet)
        const { outcome, protocol, remote } = connectReport(
          yield* command("connect", "unix:/run/app.sock", "--json")
        )
        assert.deepStrictEqual([outcome, protocol, remote], ["connected", "unix", "unix:/run/app.sock"])
      })
    ))

  it.effect("tries the addresses of a name in their order, and tells of each", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* serve("127.0.0.1:80", quiet)
        const report = connectReport(yield* command("connect", "both.test:80", "--json"))
        assert.deepStrictEqual([report.lookup?.host, report.lookup?.addresses], [
          "both.test",
          ["[::1]:80", "127.0.0.1:80"]
        ])
        assert.deepStrictEqual(report.attempts.map(({ address, error }) => [address, error?.code]), [
          ["[::1]:80", "WSAECONNREFUSED"],
          ["127.0.0.1:80", undefined]
        ])
        assert.deepStrictEqual([report.outcome, report.remote], ["connected", "127.0.0.1:80"])
        const { out } = yield* command("connect", "both.test:80")
        assert.match(out, /^both\.test is \[::1\]:80, 127\.0\.0\.1:80, looked up in /)
        assert.match(out, /^\[::1\]:80 WSAECONNREFUSED /m)
        assert.match(out, /^127\.0\.0\.1:80 connected /m)
      })
    ))

  it.effect("says that a name does not exist, by the resolver", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { attempts, error, outcome } = connectReport(yield* command("connect", "no.test:80", "--json"))
        assert.deepStrictEqual([outcome, attempts.length], ["failed", 0])
        assert.deepStrictEqual([error?.code, error?.by, error?.call, error?.stage], [
          "WSAHOST_NOT_FOUND",
          "resolver",
          "lookup",
          "resolve"
        ])
        const { out } = yield* command("connect", "no.test:80")
        assert.match(out, /^WSAHOST_NOT_FOUND \(11001\) after /)
        assert.include(out, "looking the name up, said by the resolver")
        assert.notInclude(out, "WSAConnectByName")
      })
    ))

  it.effect("R03: says that the calls themselves refuse the all-zero address", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { error } = connectReport(yield* command("connect", "0.0.0.0:80", "--json"))
        assert.deepStrictEqual([error?.code, error?.by, error?.stage], ["WSAEADDRNOTAVAIL", "winsock", "request"])
      })
    ))

  it.effect("E18: --timeout ends it with WSAETIMEDOUT by the deadline", () =>
    inMemory((memory) =>
      Effect.gen(function*() {
        memory.blackhole("[::1]:80")
        const ran = yield* asTimePasses(command("connect", "both.test:80", "--timeout", "2", "--json"))
        const { attempts, durationMs, error, outcome } = connectReport(ran)
        assert.deepStrictEqual([ran.exitCode, outcome, error?.code, error?.by], [
          1,
          "failed",
          "WSAETIMEDOUT",
          "deadline"
        ])
        assert.strictEqual(durationMs, 2000)
        // the deadline is for all of them: what comes after it is not tried
        assert.deepStrictEqual(attempts.map((a) => [a.address, a.durationMs, a.error?.by]), [[
          "[::1]:80",
          2000,
          "deadline"
        ]])
        assert.strictEqual(memory.counts().handles, 0)
      })
    ))

  it.effect("tells the time-out of the system from that of the deadline", () =>
    inMemory((memory) =>
      Effect.gen(function*() {
        memory.answer("127.0.0.1:80", ["WSAETIMEDOUT"])
        const { error } = connectReport(yield* command("connect", "127.0.0.1:80", "--timeout", "2", "--json"))
        assert.deepStrictEqual([error?.code, error?.by], ["WSAETIMEDOUT", "system"])
      })
    ))

  it.effect("--retry tries again after its codes, as often as each says, 500 ms apart", () =>
    inMemory((memory) =>
      Effect.gen(function*() {
        memory.answer("127.0.0.1:80", ["WSAECONNREFUSED", "WSAENETUNREACH", "WSAECONNREFUSED", "WSAECONNREFUSED"])
        const retry = ["--retry", "WSAECONNREFUSED=2", "--retry", "ENETUNREACH=1"]
        const ran = yield* asTimePasses(command("connect", "127.0.0.1:80", ...retry, "--json"))
        const { attempts, durationMs, error } = connectReport(ran)
        assert.deepStrictEqual(attempts.map(({ error, round }) => [round, error?.code]), [
          [1, "WSAECONNREFUSED"],
          [2, "WSAENETUNREACH"],
          [3, "WSAECONNREFUSED"],
          [4, "WSAECONNREFUSED"]
        ])
        assert.deepStrictEqual([ran.exitCode, error?.code, durationMs], [1, "WSAECONNREFUSED", 1500])
      })
    ))

  it.effect("--retry stops as soon as there is a connection, and explains an error once", () =>
    inMemory((memory) =>
      Effect.gen(function*() {
        yield* serve("127.0.0.1:80", quiet)
        memory.answer("127.0.0.1:80", ["WSAECONNREFUSED", "WSAECONNREFUSED"])
        const { exitCode, out } = yield* asTimePasses(command("connect", "127.0.0.1:80", "--retry", "10061=9"))
        assert.strictEqual(exitCode, 0)
        assert.strictEqual(out.split(WsaError.table.WSAECONNREFUSED.words).length, 2)
        assert.match(out, /connected in .*, round 3$/)
      })
    ))

  it.effect("--retry leaves other codes alone", () =>
    inMemory((memory) =>
      Effect.gen(function*() {
        memory.answer("127.0.0.1:80", ["WSAENETUNREACH"])
        const { attempts } = connectReport(
          yield* command("connect", "127.0.0.1:80", "--retry", "WSAECONNREFUSED=5", "--json")
        )
        assert.deepStrictEqual(attempts.map(({ error }) => error?.code), ["WSAENETUNREACH"])
      })
    ))

  it.effect("--retry tries every address again after a failure of any", () =>
    inMemory((memory) =>
      Effect.gen(function*() {
        memory.answer("[::1]:80", ["WSAECONNREFUSED"])
        memory.answer("127.0.0.1:80", ["WSAENETUNREACH"])
        yield* serve("127.0.0.1:80", quiet)
        const ran = yield* asTimePasses(
          command("connect", "both.test:80", "--retry", "WSAECONNREFUSED=1", "--json")
        )
        const { attempts, outcome } = connectReport(ran)
        assert.strictEqual(outcome, "connected")
        assert.deepStrictEqual(attempts.map((a) => [a.round, a.address, a.error?.code]), [
          [1, "[::1]:80", "WSAECONNREFUSED"],
          [1, "127.0.0.1:80", "WSAENETUNREACH"],
          [2, "[::1]:80", "WSAECONNREFUSED"],
          [2, "127.0.0.1:80", undefined]
        ])
      })
    ))

  it.effect("the deadline ends the wait for the next round too", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const ran = yield* asTimePasses(
          command("connect", "127.0.0.1:9", "--retry", "WSAECONNREFUSED=9", "--timeout", "700ms", "--json")
        )
        const { attempts, durationMs, error } = connectReport(ran)
        assert.deepStrictEqual(attempts.map(({ error }) => error?.code), ["WSAECONNREFUSED", "WSAECONNREFUSED"])
        assert.deepStrictEqual([error?.code, error?.by, durationMs], ["WSAETIMEDOUT", "deadline", 700])
      })
    ))

  it.effect("--bind connects from an address, with a port or without", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* serve("127.0.0.1:80", quiet)
        const chosen = connectReport(yield* command("connect", "127.0.0.1:80", "--bind", "127.0.0.2", "--json"))
        assert.match(chosen.local!, /^127\.0\.0\.2:[1-9]\d*$/)
        const named = connectReport(yield* command("connect", "127.0.0.1:80", "--bind", "127.0.0.2:4000", "--json"))
        assert.strictEqual(named.local, "127.0.0.2:4000")
      })
    ))

  it.effect("--bind asks for addresses of its family, and fails as bind does", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* serve("127.0.0.1:80", quiet)
        const name = connectReport(yield* command("connect", "both.test:80", "--bind", "127.0.0.1", "--json"))
        assert.deepStrictEqual(name.lookup?.addresses, ["127.0.0.1:80"])
        const taken = connectReport(yield* command("connect", "127.0.0.1:80", "--bind", "127.0.0.1:80", "--json"))
        assert.deepStrictEqual([taken.error?.code, taken.error?.call], ["WSAEADDRINUSE", "bind"])
        const family = connectReport(yield* command("connect", "127.0.0.1:80", "--bind", "::1", "--json"))
        assert.deepStrictEqual([family.error?.code, family.error?.call], ["WSAEAFNOSUPPORT", "bind"])
      })
    ))

  it.effect("R26: a round with --bind gets the same port again", () =>
    inMemory((memory) =>
      Effect.gen(function*() {
        yield* serve("127.0.0.1:80", quiet)
        memory.answer("127.0.0.1:80", ["WSAECONNREFUSED", "WSAECONNREFUSED"])
        const ran = yield* asTimePasses(
          command("connect", "127.0.0.1:80", "--bind", "127.0.0.1:4000", "--retry", "WSAECONNREFUSED=2", "--json")
        )
        const { attempts, outcome } = connectReport(ran)
        assert.strictEqual(outcome, "connected")
        assert.deepStrictEqual(attempts.map(({ local }) => local), Array(3).fill("127.0.0.1:4000"))
      })
    ))
})

describe("winsock connect --send --expect", () => {
  const answering = (...pieces: ReadonlyArray<string>) => (socket: Winsock.Socket) =>
    Effect.gen(function*() {
      yield* Winsock.recv(socket)
      for (const piece of pieces) yield* Winsock.send(socket, bytes(piece))
      yield* Winsock.shutdown(socket, "send")
      return yield* Effect.never
    })

  const ask = ["connect", "127.0.0.1:80", "--send", "PING\\r\\n"]

  it.effect("sends, and finds what is expected across pieces", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const heard: Array<string> = []
        yield* serve("127.0.0.1:80", (socket) =>
          Effect.gen(function*() {
            heard.push(new TextDecoder().decode(yield* Winsock.recv(socket)))
            for (const piece of ["+PO", "NG", "\r\n"]) {
              yield* Winsock.send(socket, bytes(piece))
              yield* settle
            }
          }))
        const { exchange, exitCode, outcome } = connectReport(yield* command(...ask, "--expect", "PONG\\r", "--json"))
        assert.deepStrictEqual([exitCode, outcome], [0, "connected"])
        assert.deepStrictEqual(heard, ["PING\r\n"])
        assert.deepStrictEqual([exchange?.sentBytes, exchange?.expected], [6, "PONG\r"])
        assert.include(exchange!.received, "PONG\r")
      })
    ))

  it.effect("ends with 3 where the peer ends without it, and tells what came instead", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* serve("127.0.0.1:80", answering("-ERR\r\n"))
        const { error, exchange, exitCode, outcome } = connectReport(
          yield* command(...ask, "--expect", "+PONG", "--json")
        )
        assert.deepStrictEqual([exitCode, outcome, error], [3, "unmet", undefined])
        assert.deepStrictEqual([exchange?.received, exchange?.receivedBytes, exchange?.ended], ["-ERR\r\n", 6, true])
        const { out } = yield* command(...ask, "--expect", "+PONG")
        assert.include(out, `received 6 bytes: "-ERR\\r\\n"`)
        assert.include(out, `"+PONG" did not come within`)
      })
    ))

  it.effect("ends with 3 where the deadline comes first", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* serve("127.0.0.1:80", quiet)
        const ran = yield* asTimePasses(command(...ask, "--expect", "+PONG", "--timeout", "1.5s", "--json"))
        const { durationMs, error, exchange, outcome } = connectReport(ran)
        assert.deepStrictEqual([ran.exitCode, outcome, durationMs], [3, "unmet", 1500])
        assert.deepStrictEqual([error?.code, error?.by, error?.stage], ["WSAETIMEDOUT", "deadline", "receive"])
        assert.deepStrictEqual([exchange?.receivedBytes, exchange?.ended], [0, false])
      })
    ))

  it.effect("R21: ends with 1 where the connection breaks while it waits", () =>
    inMemory((memory) =>
      Effect.gen(function*() {
        yield* serve("127.0.0.1:80", (socket) =>
          Effect.andThen(
            Winsock.recv(socket),
            Effect.sync(() => memory.breakStreams("127.0.0.1:80", "WSAECONNRESET"))
          ))
        const { error, exitCode, outcome, remote } = connectReport(
          yield* command(...ask, "--expect", "+PONG", "--json")
        )
        assert.deepStrictEqual([exitCode, outcome, remote], [1, "failed", "127.0.0.1:80"])
        assert.deepStrictEqual([error?.code, error?.call], ["WSAECONNRESET", "recv"])
      })
    ))

  it.effect("what a peer sends is not obeyed by the terminal, and is the same as JSON", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const said = "\u001b[2J\u009b2J\u007f\u202e\u{e0001}."
        yield* serve("127.0.0.1:80", (socket) => Winsock.send(socket, bytes(said)))
        const asked = ["connect", "127.0.0.1:80", "--expect", "."] as const
        const { out } = yield* command(...asked)
        assert.notMatch(out, obeyed)
        assert.include(out, `"\\u001b[2J\\u009b2J\\u007f\\u202e\\udb40\\udc01."`)
        const asJson = yield* command(...asked, "--json")
        assert.notMatch(asJson.out, obeyed)
        assert.strictEqual(connectReport(asJson).exchange?.received, said)
      })
    ))

  it.effect("what was asked for is not obeyed by the terminal", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const path = "unix:/nowhere/\u001b[2J\u009b2J\u202e"
        for (const more of [[], ["--json"], ["--trace"], ["--trace", "--json"]]) {
          const { exitCode, out } = yield* command("connect", path, ...more)
          assert.strictEqual(exitCode, 1)
          assert.include(out, "nowhere")
          assert.notMatch(out, obeyed)
        }
      })
    ))

  it.effect("what cannot be read is told without what a terminal obeys, and without a password", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const lines = [
          ["connect", "\u001b[2J\u009b2J:80"],
          ["connect", "h:80", "--trace", "--proxy", "http://alice:open-sesame@\u001b[2J:1"],
          ["connect", "http://alice:open-sesame@h:80"]
        ]
        for (const line of lines) {
          const { err, exitCode, out } = yield* command(...line)
          assert.strictEqual(exitCode, 2)
          assert.include(err + out, "Invalid value")
          assert.notMatch(err + out, obeyed)
          assert.notInclude(err + out, "open-sesame")
        }
      })
    ))

  it.effect("--send alone does not wait for an answer", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* serve("127.0.0.1:80", quiet)
        const { exchange, outcome } = connectReport(yield* command(...ask, "--json"))
        assert.deepStrictEqual([outcome, exchange?.sentBytes, exchange?.expected], ["connected", 6, undefined])
      })
    ))
})

describe("winsock connect udp:", () => {
  const answerOnce = (text: string) =>
    Effect.gen(function*() {
      const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
      yield* Winsock.bind(s, "127.0.0.1:53")
      yield* Winsock.recvfrom(s).pipe(
        Effect.flatMap(({ from }) => Winsock.sendto(s, bytes(text), from)),
        Effect.forever,
        Effect.forkScoped
      )
    })
  const ask = ["connect", "udp:127.0.0.1:53", "--send", "who?", "--json"]

  it.effect("R05: only sets the peer, and says that this tells nothing", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { exchange, exitCode, outcome } = connectReport(yield* command("connect", "udp:127.0.0.1:9", "--json"))
        assert.deepStrictEqual([exitCode, outcome, exchange], [0, "unsent", undefined])
        const { out } = yield* command("connect", "udp:127.0.0.1:9")
        assert.match(out, /^127\.0\.0\.1:9 is the peer, from /)
        assert.include(out, "nothing was sent")
      })
    ))

  it.effect("A09: a dead port is WSAECONNRESET", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { error, exitCode, outcome } = connectReport(yield* command(...ask))
        assert.deepStrictEqual([exitCode, outcome, error?.code, error?.call], [1, "failed", "WSAECONNRESET", "recv"])
      })
    ))

  it.effect("an answer is an answer, also an empty one", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* answerOnce("")
        const { exchange, exitCode, outcome } = connectReport(yield* command(...ask))
        assert.deepStrictEqual([exitCode, outcome, exchange?.receivedBytes], [0, "answered", 0])
      })
    ))

  it.effect("no answer within a second is told as that, and is no failure", () =>
    inMemory((memory) =>
      Effect.gen(function*() {
        memory.blackhole("127.0.0.1:53")
        const ran = yield* asTimePasses(command(...ask))
        const { durationMs, error, exchange, outcome } = connectReport(ran)
        assert.deepStrictEqual([ran.exitCode, outcome, error, durationMs], [0, "unanswered", undefined, 1000])
        assert.strictEqual(exchange?.sentBytes, 4)
        const longer = connectReport(yield* asTimePasses(command(...ask, "--timeout", "3")))
        assert.deepStrictEqual([longer.outcome, longer.durationMs], ["unanswered", 3000])
      })
    ))

  it.effect("--expect is met by an answer that has it, and ends with 3 by another", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* answerOnce("it is me")
        const met = connectReport(yield* command(...ask, "--expect", "me"))
        assert.deepStrictEqual([met.exitCode, met.outcome], [0, "answered"])
        const ran = yield* asTimePasses(command(...ask, "--expect", "you"))
        const unmet = connectReport(ran)
        assert.deepStrictEqual([unmet.exitCode, unmet.outcome, unmet.exchange?.received], [3, "unmet", "it is me"])
      })
    ))
})

describe("winsock connect, interrupted", () => {
  const reported = (out: string) => connectReport({ exitCode: 130, out, err: "" })
  /** Interrupts it as soon as `until` holds, and gives what it has written in the end. */
  const interrupted = (until: (wrote: number) => boolean, ...args: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const fiber = yield* Effect.forkChild(commandIn({ wrote: (line) => void lines.push(line) })("connect", ...args))
      yield* Effect.repeat(settle, { until: () => until(lines.length) })
      yield* settle
      yield* Fiber.interrupt(fiber)
      return lines.join("\n")
    })

  it.effect("E04: reports the attempts so far, the pending one among them", () =>
    inMemory((memory) =>
      Effect.gen(function*() {
        memory.blackhole("127.0.0.1:80")
        const pending = () => memory.counts().attempts === 1
        const report = reported(yield* interrupted(pending, "both.test:80", "--json"))
        assert.deepStrictEqual([report.outcome, report.exitCode, report.error], ["interrupted", 130, undefined])
        assert.deepStrictEqual(report.attempts.map(({ address, error, pending }) => [address, error?.code, pending]), [
          ["[::1]:80", "WSAECONNREFUSED", undefined],
          ["127.0.0.1:80", undefined, true]
        ])
        assert.deepStrictEqual(report.lookup?.host, "both.test")
        assert.strictEqual(memory.counts().handles, 0)
        const text = yield* interrupted(pending, "127.0.0.1:80")
        assert.match(text, /^127\.0\.0\.1:80 has not answered after \d+\.\d ms\ninterrupted after \d+\.\d ms$/)
      })
    ))

  it.effect("reports what was sent and received by then", () =>
    inMemory((memory) =>
      Effect.gen(function*() {
        let heard = 0
        yield* serve("127.0.0.1:80", (socket) =>
          Effect.gen(function*() {
            yield* Winsock.recv(socket)
            yield* Winsock.send(socket, bytes("half an ans"))
            heard += 1
            return yield* Effect.never
          }))
        let runs = 0
        const answered = () => heard > runs
        const ask = ["127.0.0.1:80", "--send", "who?", "--expect", "answer"]
        const { attempts, exchange, outcome, remote } = reported(yield* interrupted(answered, ...ask, "--json"))
        assert.deepStrictEqual([outcome, remote, attempts.length], ["interrupted", "127.0.0.1:80", 1])
        assert.deepStrictEqual([exchange?.sentBytes, exchange?.received, exchange?.expected, exchange?.ended], [
          4,
          "half an ans",
          "answer",
          false
        ])
        runs = heard
        const text = yield* interrupted(answered, ...ask)
        assert.match(text, /^sent 4 bytes\nreceived 11 bytes: "half an ans"\ninterrupted after /m)
        assert.strictEqual(memory.counts().attempts, 0)
      })
    ))

  it.effect("reports that it waited for the next round", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const retry = ["127.0.0.1:9", "--retry", "WSAECONNREFUSED=3"]
        const text = yield* interrupted((wrote) => wrote === 1, ...retry)
        assert.match(text, /^127\.0\.0\.1:9 WSAECONNREFUSED [^]*\ninterrupted after [^]*$/)
        assert.strictEqual(text.split("WSAECONNREFUSED").length, 2)
      })
    ))
})

describe("winsock connect on a terminal", () => {
  const refused = (place: Parameters<typeof commandIn>[0]) =>
    inMemory((memory) =>
      Effect.gen(function*() {
        memory.blackhole("127.0.0.1:80")
        return yield* asTimePasses(commandIn(place)("connect", "127.0.0.1:80", "--timeout", "1"))
      })
    )
  // oxlint-disable-next-line no-control-regex
  const escapes = /\u001b\[[0-9;]*[a-zA-Z]/g

  it.effect("has colours, and a line on stderr that tells how long it has been and is taken away", () =>
    Effect.gen(function*() {
      const { err, out } = yield* refused({ terminal: true })
      assert.include(out, "\u001b[31mWSAETIMEDOUT\u001b[0m")
      assert.include(err, "connecting to 127.0.0.1:80 … 0.5 s")
      assert.isTrue(err.endsWith("\r\u001b[2K"), JSON.stringify(err))
      const plain = yield* refused({})
      assert.strictEqual(out.replace(escapes, ""), plain.out)
      assert.strictEqual(plain.err, "")
    }))

  it.effect("has neither with NO_COLOR, or where the terminal is dumb", () =>
    Effect.gen(function*() {
      for (const environment of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
        const { err, out } = yield* refused({ terminal: true, environment })
        assert.notMatch(out, escapes)
        assert.strictEqual(err, "")
      }
    }))

  it.effect("has neither with --json", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { err, out } = yield* commandIn({ terminal: true })("connect", "127.0.0.1:9", "--json")
        assert.notMatch(out, escapes)
        assert.strictEqual(err, "")
      })
    ))
})

describe("winsock listen", () => {
  /** Begins to listen, and goes on when it does; `next` is the next line that it writes. */
  const listening = (...args: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const lines = yield* Queue.unbounded<string>()
      const wrote = (line: string) => void Queue.offerUnsafe(lines, line)
      const fiber = yield* Effect.forkChild(commandIn({ wrote })("listen", ...args))
      const next = Queue.take(lines)
      yield* next
      return { fiber, next }
    })

  const connectAndSay = (address: string, text: string) =>
    Effect.scoped(Effect.gen(function*() {
      const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
      yield* Winsock.WSAConnect(s, address)
      yield* Winsock.send(s, bytes(text))
      yield* Winsock.shutdown(s, "send")
      let heard = 0
      for (;;) {
        const { length } = yield* Winsock.recv(s)
        if (length === 0) return heard
        heard += length
      }
    }))

  it.effect("--once tells where it listens, who connects, and how it went, and ends with 0", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { fiber } = yield* listening("127.0.0.1:80", "--once", "--json")
        assert.strictEqual(yield* connectAndSay("127.0.0.1:80", "hello"), 0)
        const ran = yield* Fiber.join(fiber)
        assert.strictEqual(ran.exitCode, 0)
        const [first, caller, gone, ...others] = reports(ran)
        assert.deepStrictEqual(others, [])
        assert.deepStrictEqual(first, new Report.ListeningReport({ protocol: "tcp", address: "127.0.0.1:80" }))
        assert.isTrue(caller?._tag === "CallerReport" && caller.caller === 1)
        assert.isTrue(gone?._tag === "GoneReport" && gone.receivedBytes === 5 && gone.sentBytes === 0)
        assert.strictEqual((gone as Report.GoneReport).remote, (caller as Report.CallerReport).remote)
      })
    ))

  it.effect("--echo sends back what comes, to people it says so", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { fiber } = yield* listening("127.0.0.1:80", "--once", "--echo")
        assert.strictEqual(yield* connectAndSay("127.0.0.1:80", "hello"), 5)
        const { out } = yield* Fiber.join(fiber)
        assert.match(
          out,
          /^listening at 127\.0\.0\.1:80\n1: (127\.0\.0\.1:\d+) connected\n1: \1 ended after .*: 5 bytes received, 5 bytes sent$/
        )
      })
    ))

  it.effect("takes callers side by side until it is interrupted, and leaves nothing behind", () =>
    inMemory((memory) =>
      Effect.gen(function*() {
        const { fiber } = yield* listening("127.0.0.1:80", "--echo", "--json")
        const silent = yield* Winsock.socket({ family: "IPv4", type: "stream" })
        assert.strictEqual(yield* connectAndSay("127.0.0.1:80", "one"), 3)
        yield* Winsock.WSAConnect(silent, "127.0.0.1:80")
        assert.strictEqual(yield* connectAndSay("127.0.0.1:80", "three"), 5)
        yield* Fiber.interrupt(fiber)
        yield* Winsock.closesocket(silent)
        assert.deepStrictEqual(memory.counts(), { handles: 0, listeners: 0, streams: 0, attempts: 0 })
      })
    ))

  it.effect("says of a caller without a name that it has none", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const call = Effect.scoped(Effect.gen(function*() {
          const s = yield* Winsock.socket({ family: "Unix", type: "stream" })
          yield* Winsock.WSAConnect(s, "unix:/run/app.sock")
        }))
        const people = yield* listening("unix:/run/app.sock", "--once")
        yield* call
        assert.match((yield* Fiber.join(people.fiber)).out, /^1: \(no name\) connected\n1: \(no name\) ended after /m)
        const programs = yield* listening("unix:/run/app.sock", "--once", "--json")
        yield* call
        const [, caller] = reports(yield* Fiber.join(programs.fiber))
        assert.isTrue(caller?._tag === "CallerReport" && caller.remote === "unix:")
      })
    ))

  it.effect("tells of datagrams, and sends them back", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
        yield* Winsock.bind(s, "127.0.0.1:4000")
        const { fiber } = yield* listening("udp:127.0.0.1:53", "--once", "--echo", "--json")
        yield* Winsock.sendto(s, bytes("hello"), "127.0.0.1:53")
        assert.strictEqual((yield* Winsock.recvfrom(s)).bytes.length, 5)
        assert.deepStrictEqual(reports(yield* Fiber.join(fiber)), [
          new Report.ListeningReport({ protocol: "udp", address: "127.0.0.1:53" }),
          new Report.DatagramReport({ remote: "127.0.0.1:4000", receivedBytes: 5, echoed: true })
        ])
      })
    ))

  it.effect("an echo that cannot be sent is told as none, and the next datagram is taken", () =>
    inMemory((memory) =>
      Effect.gen(function*() {
        memory.answer("127.0.0.1:4000", ["WSAEACCES"])
        const s = yield* Winsock.socket({ family: "IPv4", type: "datagram" })
        yield* Winsock.bind(s, "127.0.0.1:4000")
        const { next } = yield* listening("udp:127.0.0.1:53", "--echo", "--json")
        yield* Winsock.sendto(s, bytes("one"), "127.0.0.1:53")
        const [one] = reports({ out: yield* next })
        yield* Winsock.sendto(s, bytes("two"), "127.0.0.1:53")
        const [two] = reports({ out: yield* next })
        assert.isTrue(one?._tag === "DatagramReport" && !one.echoed)
        assert.isTrue(two?._tag === "DatagramReport" && two.echoed)
        assert.strictEqual(new TextDecoder().decode((yield* Winsock.recvfrom(s)).bytes), "two")
      })
    ))

  it.effect("R21: tells with which code a connection broke", () =>
    inMemory((memory) =>
      Effect.gen(function*() {
        const { fiber, next } = yield* listening("127.0.0.1:80", "--once", "--json")
        const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
        yield* Winsock.WSAConnect(s, "127.0.0.1:80")
        yield* next
        memory.breakStreams("127.0.0.1:80", "WSAECONNRESET")
        const gone = reports(yield* Fiber.join(fiber)).at(-1)
        assert.isTrue(gone?._tag === "GoneReport" && gone.error?.code === "WSAECONNRESET")
      })
    ))

  it.effect("A02: says that the address is taken, and ends with 1", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* serve("127.0.0.1:80", quiet)
        const ran = yield* command("listen", "127.0.0.1:80", "--json")
        const [report] = reports(ran)
        assert.strictEqual(ran.exitCode, 1)
        assert.isTrue(report?._tag === "ListenFailureReport" && report.error.code === "WSAEADDRINUSE")
        assert.match((yield* command("listen", "127.0.0.1:80")).out, /^127\.0\.0\.1:80 WSAEADDRINUSE \(10048\)\n/)
      })
    ))
})

describe("winsock errors", () => {
  it.effect("lists every code with its number, its words, POSIX's name and the calls", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { exitCode, out } = yield* command("errors")
        assert.strictEqual(exitCode, 0)
        const [, ...rows] = out.split("\n")
        assert.strictEqual(rows.length, 97)
        for (const [code, { number, posix, words }] of Object.entries(WsaError.table)) {
          const row = rows.find((row) => row.startsWith(`${code} `))!
          assert.deepStrictEqual(row.split(/ {2,}/).slice(0, 3), [code, String(number), posix ?? "-"])
          assert.include(row, words)
        }
        assert.match(out, /^WSAENOTCONN .* and \d+ more$/m)
      })
    ))

  it.effect("shows one code in full, whichever of its names is given", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { out } = yield* command("errors", "WSAECONNREFUSED")
        for (const words of ["(10061)", "111 on Linux", "transient", "WSAConnectByList", "a closed port, a firewall"]) {
          assert.include(out, words)
        }
        for (const name of ["wsaeconnrefused", "10061", "ECONNREFUSED"]) {
          assert.strictEqual((yield* command("errors", name)).out, out)
        }
      })
    ))

  it.effect("shows all codes that share a name", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { out } = yield* command("errors", "ECANCELED")
        assert.match(out, /^WSAECANCELLED /m)
        assert.match(out, /^WSA_E_CANCELLED /m)
      })
    ))

  it.effect("takes the numbers of systems, and says what each is where it may be several", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const heads = (out: string) => out.split("\n").filter((line) => /^\S/.test(line))
        const asked = (code: string) => Effect.map(command("errors", code), ({ out }) => heads(out))
        for (const errno of ["111", "-111"]) {
          assert.deepStrictEqual(yield* asked(errno), [`${errno} is ECONNREFUSED on Linux`, "WSAECONNREFUSED (10061)"])
        }
        assert.deepStrictEqual(yield* asked("-4078"), [
          "-4078 is ECONNREFUSED in libuv on Windows",
          "WSAECONNREFUSED (10061)"
        ])
        assert.include(yield* asked("61"), "61 is ECONNREFUSED on BSD and macOS")
        assert.deepStrictEqual(yield* asked("87"), [
          "87 is WSA_INVALID_PARAMETER in Winsock",
          "WSA_INVALID_PARAMETER (87)",
          "87 is EUSERS on Linux",
          "WSAEUSERS (10068)"
        ])
        assert.deepStrictEqual(yield* asked("10061"), ["WSAECONNREFUSED (10061)"])
        // a lookup ends with it, and its number is libuv's own
        assert.deepStrictEqual(yield* asked("-3001"), ["-3001 is EAI_AGAIN on this machine", "WSATRY_AGAIN (11002)"])
      })
    ))

  it("finds by every native name what a step takes it for", () => {
    for (const { code, native } of WsaError.nativeRules) {
      for (const name of native) {
        const codes = Result.getOrThrow(Codes.read(name)).map((reading) => reading.code)
        const own = Codes.codes.filter((code) => code === `WSA${name}` || WsaError.table[code].posix === name)
        assert.isTrue(codes.includes(code) || own.length > 0, `${name}: ${codes.join()}`)
      }
    }
    const codes = Result.getOrThrow(Codes.read("ENOENT")).map(({ code }) => code)
    assert.includeMembers(codes, ["WSAECONNREFUSED", "WSAEACCES", "WSAHOST_NOT_FOUND"])
  })

  it.effect("says where the name of a code means another one", () =>
    inMemory(() =>
      Effect.gen(function*() {
        assert.match(
          (yield* command("errors", "-111")).out,
          /^ {2}but +ECONNREFUSED is WSAECONNRESET at send, receive: /m
        )
        assert.notMatch((yield* command("errors", "WSAECONNRESET")).out, /^ {2}but /m)
      })
    ))

  it("says nothing that only this project knows, such as T31", () => {
    for (const { cause } of WsaError.nativeRules) assert.notMatch(cause, /\b[TRAE]\d\d\b/)
  })

  it.effect("tells the calls that end with a code", () =>
    inMemory(() =>
      Effect.gen(function*() {
        assert.match((yield* command("errors", "11003")).out, /^ {2}calls +WSAConnectByName$/m)
        assert.match((yield* command("errors")).out, /^WSANO_RECOVERY .* WSAConnectByName$/m)
        assert.match((yield* command("errors")).out, /^WSATRY_AGAIN .* WSAConnectByName, WSAAccept$/m)
      })
    ))

  it("finds every code by its own name and by its number", () => {
    for (const code of Codes.codes) {
      assert.deepStrictEqual(Codes.lookUp(code), Result.succeed([code]))
      assert.deepStrictEqual(Codes.lookUp(String(WsaError.table[code].number)), Result.succeed([code]))
    }
  })

  it("finds by libuv's names what POSIX calls otherwise", () => {
    assert.deepStrictEqual(Codes.lookUp("EAGAIN"), Result.succeed(["WSAEWOULDBLOCK"]))
    assert.isTrue(Result.isFailure(Codes.lookUp("UNKNOWN")), "what libuv says of what it does not know is no name")
  })
})

describe("a command line that makes no sense", () => {
  const senseless: ReadonlyArray<readonly [args: string, says: string]> = [
    ["connect", "Missing required argument: target"],
    ["connect redis", "expected host:port"],
    ["connect ::1:80", "IPv6 addresses must be bracketed"],
    ["connect 127.0.0.1:70000", "port must be an integer"],
    [`connect unix:${"x".repeat(200)}`, "a path has at most 107 bytes"],
    ["connect 127.0.0.1:1 --timeout soon", "such as 2 (seconds)"],
    ["connect 127.0.0.1:1 --timeout 0", "a time longer than none"],
    ["connect 127.0.0.1:1 --bind here", "an address of this machine"],
    ["connect 127.0.0.1:1 --retry WSAECONREFUSED=3", "did you mean WSAECONNREFUSED?"],
    ["connect 127.0.0.1:1 --retry 111=3", "did you mean WSAECONNREFUSED?"],
    ["connect 127.0.0.1:1 --retry WSAECONNREFUSED", "CODE=N"],
    ["connect 127.0.0.1:1 --retry WSAECONNREFUSED=0", "CODE=N"],
    ["connect 127.0.0.1:1 --retry WSAESTALE=1", "a code that a connect can end with: WSAESTALE cannot be one"],
    ["connect 127.0.0.1:1 --send \\q", "a lone \\ is written \\\\"],
    ["connect 127.0.0.1:1 --jason", "--json"],
    ["connect 127.0.0.1:1 again", "again"],
    ["listen", "Missing required argument: address"],
    ["errors WSAECONREFUSED", "did you mean WSAECONNREFUSED?"],
    ["errors -10061", "did you mean WSAECONNREFUSED?"],
    ["errors 4078", "`winsock errors` lists them"],
    ["errors nonsense", "`winsock errors` lists them"],
    ["conect", "connect"]
  ]

  it.effect.each(senseless)(
    "%s: ends with 2, and says on stderr what would be right",
    ([line, says]) =>
      inMemory(() =>
        Effect.gen(function*() {
          const { err, exitCode, out } = yield* command(...line.split(" "))
          assert.deepStrictEqual([exitCode, out], [2, ""])
          assert.include(err, says)
          assert.match(err, /\nRun winsock.* --help$/)
        })
      )
  )

  it.effect("help and version are results", () =>
    inMemory(() =>
      Effect.gen(function*() {
        for (const line of ["", "--help", "connect --help", "listen -h", "errors --help"]) {
          const { err, exitCode, out } = yield* command(...line.split(" ").filter((word) => word !== ""))
          assert.deepStrictEqual([exitCode, err], [0, ""])
          assert.include(out, "USAGE")
        }
        assert.include((yield* command("--version")).out, "1.2.3")
      })
    ))
})

describe("winsock as a process of its own", () => {
  /** A process takes its time to start, and more on a busy machine. */
  const spawns = <E>(title: string, test: Effect.Effect<void, E, Winsock.Winsock | Scope.Scope>) =>
    it.live(title, () => test.pipe(Effect.scoped, Effect.provide(NodeWinsock.layer)), 60_000)

  const directory = Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(path.join(tmpdir(), "winsock-command-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )

  /** A path that somebody listened at who has been killed. */
  const stalePath = Effect.flatMap(directory, (directory) =>
    Effect.promise(async () => {
      const file = path.join(directory, "stale.sock")
      const program = `require("node:net").createServer().listen(${JSON.stringify(file)}, () => console.log("here"))`
      const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] })
      await once(child.stdout, "data")
      child.kill("SIGKILL")
      await once(child, "exit")
      return `unix:${file}`
    }))

  /** An address that is bound, and where nobody listens. */
  const deadAddress = (type: "stream" | "datagram") =>
    Effect.gen(function*() {
      const s = yield* Winsock.socket({ family: "IPv4", type })
      yield* Winsock.bind(s, "127.0.0.1:0")
      const address = SocketAddress.format(yield* Winsock.getsockname(s))
      // It is kept, so that nobody else gets the port; what a stranger sends to it finds nobody.
      if (type === "datagram") yield* Winsock.connect(s, "127.0.0.1:9")
      return address
    })

  spawns(
    "a dead port: WSAECONNREFUSED in the system's own words, and 1",
    Effect.gen(function*() {
      const address = yield* deadAddress("stream")
      const ran = yield* commandProcess("connect", address, "--json")
      const { error } = connectReport(ran)
      assert.deepStrictEqual([ran.exitCode, ran.err, error?.code, error?.by], [1, "", "WSAECONNREFUSED", "system"])
      assert.deepStrictEqual([error?.native?.code, error?.native?.syscall], ["ECONNREFUSED", "connect"])
      const text = yield* commandProcess("connect", address)
      assert.match(text.out, /: connect ECONNREFUSED \(-\d+\)$/m)
      assert.notInclude(text.out + text.err, "\u001b")
    })
  )

  spawns(
    "a listener: both ends, what it answers, and 0; what it does not, and 3",
    Effect.gen(function*() {
      const listener = yield* serve(
        "127.0.0.1:0",
        (socket) => Winsock.recv(socket).pipe(Effect.flatMap((bytes) => Winsock.send(socket, bytes)), Effect.forever)
      )
      const address = SocketAddress.format(yield* Winsock.getsockname(listener))
      const met = connectReport(
        yield* commandProcess("connect", address, "--send", "PING\\r\\n", "--expect", "PING", "--json")
      )
      assert.deepStrictEqual([met.exitCode, met.remote, met.exchange?.received], [0, address, "PING\r\n"])
      const unmet = yield* commandProcess("connect", address, "--send", "A", "--expect", "B", "--timeout", "500ms")
      assert.strictEqual(unmet.exitCode, 3)
    })
  )

  spawns(
    "a black hole: WSAETIMEDOUT by the deadline, when it comes",
    Effect.gen(function*() {
      const { durationMs, error, exitCode } = connectReport(
        yield* commandProcess("connect", yield* blackHole, "--timeout", "400ms", "--json")
      )
      assert.deepStrictEqual([exitCode, error?.code, error?.by], [1, "WSAETIMEDOUT", "deadline"])
      assert.isAtLeast(durationMs, 395) // timers are a little early at times
    })
  )

  spawns(
    "a stale path: WSAECONNREFUSED",
    Effect.gen(function*() {
      const { error, exitCode } = connectReport(yield* commandProcess("connect", yield* stalePath, "--json"))
      assert.deepStrictEqual([exitCode, error?.code, error?.native?.code], [1, "WSAECONNREFUSED", "ECONNREFUSED"])
    })
  )

  spawns(
    "A09: a dead UDP port: WSAECONNRESET",
    Effect.gen(function*() {
      const address = yield* deadAddress("datagram")
      const { error, exitCode } = connectReport(
        yield* commandProcess("connect", `udp:${address}`, "--send", "x", "--json")
      )
      assert.deepStrictEqual([exitCode, error?.code, error?.by], [1, "WSAECONNRESET", "system"])
    })
  )

  spawns(
    "a name is looked up by the system",
    Effect.gen(function*() {
      const { attempts, lookup } = connectReport(yield* commandProcess("connect", "localhost:0", "--json"))
      assert.strictEqual(lookup?.host, "localhost")
      assert.deepStrictEqual(lookup?.addresses, attempts.map(({ address }) => address))
    })
  )

  spawns(
    "wrong usage: 2, and nothing on stdout",
    Effect.gen(function*() {
      const { err, exitCode, out } = yield* commandProcess("errors", "WSAECONREFUSED")
      assert.deepStrictEqual([exitCode, out], [2, ""])
      assert.include(err, "did you mean WSAECONNREFUSED?")
    })
  )

  spawns(
    "SIGINT and SIGTERM while it connects: 130, with the report of a pending attempt",
    Effect.gen(function*() {
      const address = yield* blackHole
      const port = Number(address.split(":")[1]).toString(16).toUpperCase().padStart(4, "0")
      const waitsForAnswer = new RegExp(`:${port} 02 `) // SYN_SENT, towards the black hole
      const waits = (wanted: boolean) =>
        Effect.sync(() => waitsForAnswer.test(readFileSync("/proc/net/tcp", "utf8"))).pipe(
          Effect.repeat({ until: (waits) => waits === wanted, schedule: Schedule.spaced("20 millis") })
        )
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        yield* waits(false)
        const running = yield* spawned("connect", address, "--json")
        yield* waits(true)
        running.child.kill(signal)
        const ran = yield* Effect.promise(() => running.ended)
        assert.deepStrictEqual([ran.exitCode, ran.err], [130, ""])
        const { attempts, outcome } = connectReport(ran)
        assert.deepStrictEqual([outcome, attempts.map(({ address, pending }) => [address, pending])], [
          "interrupted",
          [[address, true]]
        ])
      }
    })
  )

  spawns(
    "SIGINT and SIGTERM while it listens: 130, and the path is gone",
    Effect.gen(function*() {
      const file = path.join(yield* directory, "listen.sock")
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        const running = yield* spawned("listen", `unix:${file}`, "--json")
        yield* Effect.promise(() => once(running.child.stdout, "data"))
        assert.isTrue(existsSync(file))
        running.child.kill(signal)
        const ran = yield* Effect.promise(() => running.ended)
        assert.deepStrictEqual([ran.exitCode, ran.err], [130, ""])
        assert.deepStrictEqual(reports(ran), [
          new Report.ListeningReport({ protocol: "unix", address: `unix:${file}` })
        ])
        assert.isFalse(existsSync(file))
      }
    })
  )

  it("the library loads nothing of the command line", () => {
    const program = `
      import { registerHooks } from "node:module"
      registerHooks({ load: (url, context, next) => (console.log(url), next(url, context)) })
      await import(${JSON.stringify(path.join(import.meta.dirname, "../src/index.ts"))})`
    const urls = execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" })
    assert.include(urls, "NodeWinsock.ts")
    // the resolver of the platform is what connectors need, and nothing else of it
    assert.notMatch(
      urls,
      /platform-node[^\n]*\/Node(?!AddressResolver|Dns)\w+\.|effect\/(?:src|dist)\/cli\/|internal\/command/
    )
  })
})

describe("words of the command line", () => {
  const hex = (value: Uint8Array) => Array.from(value, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")

  it.prop("any bytes can be written as \\xHH", [Schema.Uint8Array], ([value]) => {
    assert.deepStrictEqual(Arguments.bytes(hex(value)), Result.succeed(value))
  }, property)

  it.prop("any text without a backslash stands for itself", [Schema.String], ([text]) => {
    const plain = new TextDecoder().decode(bytes(text.replaceAll("\\", "/"))) // no half surrogates
    assert.deepStrictEqual(Arguments.bytes(plain), Result.succeed(bytes(plain)))
  }, property)

  it("the escapes of C mean what they do there", () => {
    assert.deepStrictEqual(Arguments.bytes("a\\r\\n\\t\\0\\\\\\x41"), Result.succeed(bytes("a\r\n\t\0\\A")))
  })

  it.prop("reads any target and any time, or says what was expected", [Schema.String], ([text]) => {
    for (const parse of [Arguments.target, Arguments.duration, Arguments.local, Arguments.retry, Codes.lookUp]) {
      const result: Result.Result<unknown, string> = parse(text)
      if (Result.isFailure(result)) assert.isAbove(result.failure.length, 0)
    }
  }, property)

  it("times have units, and are seconds without one", () => {
    const millis = (text: string) => Duration.toMillis(Result.getOrThrow(Arguments.duration(text)))
    const times = ["2", "0.5", "500ms", "1.5s", "2m", "1h", "2 seconds"]
    assert.deepStrictEqual(times.map(millis), [2000, 500, 500, 1500, 120_000, 3_600_000, 2000])
  })

  it("a target says its protocol, and tcp goes without saying", () => {
    const read = (text: string) => {
      const target = Result.getOrThrow(Arguments.target(text))
      return [
        target.protocol,
        target.protocol === "unix" ? SocketAddress.format(target.address) : String(target.endpoint)
      ]
    }
    assert.deepStrictEqual(read("db.test:5432"), ["tcp", "db.test:5432"])
    assert.deepStrictEqual(read("tcp://db.test:5432"), ["tcp", "db.test:5432"])
    assert.deepStrictEqual(read("[::1]:80"), ["tcp", "[::1]:80"])
    assert.deepStrictEqual(read("udp:127.0.0.1:53"), ["udp", "127.0.0.1:53"])
    assert.deepStrictEqual(read("unix:/run/app.sock"), ["unix", "unix:/run/app.sock"])
    assert.deepStrictEqual(read("unix:@app"), ["unix", "unix:@app"])
  })
})
