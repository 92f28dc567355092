import { ConnectData, Qos, SocketAddress, Winsock } from "@effect-winsock/core"
import { Report } from "@effect-winsock/node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Queue, Result, Schema } from "effect"
import { once } from "node:events"
import * as Arguments from "../src/internal/command/arguments.ts"
import {
  command,
  commandIn,
  commandProcess,
  connectReport,
  endless,
  file,
  inMemory,
  reports,
  spawned
} from "./utils/command.ts"

const property = { arbitrary: { runs: Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200), seed: "command data" } }

const { CF_ACCEPT, CF_REJECT } = Winsock

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const exchange = ConnectData.layerExchange()
const oneWay = ConnectData.layerProxy()

const at = "127.0.0.1:80"

const listening = Effect.gen(function*() {
  const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
  yield* Winsock.bind(listener, at)
  yield* Winsock.listen(listener)
  return listener
})

/** Runs the command against an acceptor that answers, and gives what that has seen. */
const against = (
  answer: Winsock.ConditionAnswer,
  ...args: ReadonlyArray<string>
) =>
  Effect.gen(function*() {
    const listener = yield* listening
    const running = yield* Effect.forkChild(command("connect", at, ...args))
    const seen: Array<Winsock.ConnectionRequest> = []
    const accepted = yield* Effect.result(Winsock.WSAAccept(listener, (request) => {
      seen.push(request)
      return Effect.succeed(answer)
    }))
    return { ran: yield* Fiber.join(running), seen: seen[0]!, accepted }
  })

/** The command as a process that listens, and where. */
const listens = (...args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { child, ended, output } = yield* spawned("listen", "127.0.0.1:0", ...args)
    while (!output.out.includes("\n")) yield* Effect.promise(() => once(child.stdout, "data"))
    const [report] = reports({ out: output.out.split("\n")[0]! })
    if (report?._tag !== "ListeningReport") return assert.fail(output.out)
    return { address: report.address, ended }
  })

describe("winsock connect --caller-data --proxy-protocol", () => {
  it.effect("R12, R13: exchange sends data along, and tells what was passed back", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const calleeData = new Uint8Array([...bytes("session 7"), 0, 255])
        const { ran, seen } = yield* against(
          { verdict: CF_ACCEPT, calleeData },
          "--proxy-protocol",
          "exchange",
          "--caller-data",
          "tenant=acme\\n",
          "--json"
        )
        assert.strictEqual(text(seen.callerData), "tenant=acme\n")
        const report = connectReport(ran)
        assert.strictEqual(report.outcome, "connected")
        assert.deepStrictEqual(
          report.calleeData,
          new Report.UserData({
            bytes: 11,
            text: "session 7\0\ufffd",
            hex: `${Buffer.from("session 7").toString("hex")}00ff`
          })
        )
      }), exchange))

  it.effect("says the same to people, and nothing that their terminal would obey", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { ran } = yield* against(
          { verdict: CF_ACCEPT, calleeData: bytes("\u001b[2Jhello") },
          "--proxy-protocol",
          "exchange"
        )
        assert.match(ran.out, /^127\.0\.0\.1:80 connected in .*\nthe peer passed back 9 bytes: "\\u001b\[2Jhello"$/)
      }), exchange))

  it.effect("R13: --callee-capacity says how much of it is taken", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { ran } = yield* against(
          { verdict: CF_ACCEPT, calleeData: bytes("session 7") },
          "--proxy-protocol",
          "exchange",
          "--callee-capacity",
          "4",
          "--json"
        )
        assert.strictEqual(connectReport(ran).calleeData?.text, "sess")
      }), exchange))

  it.effect("A07: a rejection is WSAECONNREFUSED, and ends with 1", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { ran } = yield* against(CF_REJECT, "--proxy-protocol", "exchange", "--caller-data", "evil", "--json")
        const { error } = connectReport(ran)
        assert.deepStrictEqual([ran.exitCode, error?.code], [1, "WSAECONNREFUSED"])
      }), exchange))

  it.effect("E17: a peer that answers in another way is told from one that refuses", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const listener = yield* listening
        const running = yield* Effect.forkChild(command("connect", at, "--proxy-protocol", "exchange", "--json"))
        const { socket } = yield* Winsock.accept(listener)
        yield* Winsock.send(socket, bytes("220 mail.test ESMTP\r\n"))
        const ran = yield* Fiber.join(running)
        assert.deepStrictEqual([ran.exitCode, connectReport(ran).error?.code], [1, "WSAEPROTONOSUPPORT"])
      })
    ))

  it.effect("one-way sends a PROXY header first, with the data in it, and then what --send says", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const listener = yield* listening
        const running = yield* Effect.forkChild(
          command(
            "connect",
            at,
            "--proxy-protocol",
            "one-way",
            "--caller-data",
            "hex:61626300",
            "--send",
            "body",
            "--json"
          )
        )
        const { socket } = yield* Winsock.accept(listener)
        const report = connectReport(yield* Fiber.join(running))
        assert.strictEqual(report.outcome, "connected")
        let heard = Buffer.alloc(0)
        for (let piece = yield* Winsock.recv(socket); piece.length > 0; piece = yield* Winsock.recv(socket)) {
          heard = Buffer.concat([heard, piece])
        }
        assert.strictEqual(heard.subarray(0, 14).toString("hex"), "0d0a0d0a000d0a515549540a2111")
        const header = heard.subarray(0, 16 + heard.readUInt16BE(14))
        assert.isTrue(header.includes(Buffer.from("61626300", "hex")))
        assert.strictEqual(heard.subarray(header.length).toString(), "body")
      })
    ))

  it.effect("E17: without a carrier there is no place for data", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* listening
        const ran = yield* command("connect", at, "--caller-data", "x", "--json")
        const { error } = connectReport(ran)
        assert.deepStrictEqual([ran.exitCode, error?.code, error?.by], [1, "WSAEPROTONOSUPPORT", "winsock"])
      })
    ))

  it.effect("@ and a path sends what is in a file", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { seen } = yield* against(CF_ACCEPT, "--proxy-protocol", "exchange", "--caller-data", `@${file.path}`)
        assert.deepStrictEqual(new Uint8Array(seen.callerData), file.bytes)
      }), exchange))

  it.effect("UDP ignores user data (R11)", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const ran = yield* command("connect", "udp:127.0.0.1:53", "--caller-data", "x", "--json")
        assert.strictEqual(connectReport(ran).outcome, "unsent")
      })
    ))
})

describe("winsock connect --qos --dscp", () => {
  it.effect("tells what was done of it, and what was not", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* listening
        const ran = yield* command("connect", at, "--qos", "bestEffort:64k", "--json")
        const { sending } = connectReport(ran).applied!
        assert.deepStrictEqual(sending.asked, { serviceType: "bestEffort", tokenRate: 64_000 })
        assert.strictEqual(sending.shaped?.tokenRate, 64_000)
        assert.strictEqual(sending.marked, undefined)
        const { out } = yield* command("connect", at, "--qos", "bestEffort:64k")
        assert.match(out, /^QOS to the peer bestEffort at 64000 bytes\/s: shaped to 64000 bytes\/s$/m)
        assert.notInclude(out, "from the peer")
      })
    ))

  it.effect("says nothing of it where nothing was asked", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* listening
        assert.isUndefined(connectReport(yield* command("connect", at, "--json")).applied)
        assert.notInclude((yield* command("connect", at)).out, "QOS")
      })
    ))

  it.effect("E16: what the provider cannot do is WSAEOPNOTSUPP, said by the calls, with why", () =>
    inMemory(() =>
      Effect.gen(function*() {
        yield* listening
        const ran = yield* command("connect", at, "--qos", "guaranteed:16000", "--json")
        const { error } = connectReport(ran)
        assert.deepStrictEqual([ran.exitCode, error?.code, error?.by], [1, "WSAEOPNOTSUPP", "winsock"])
        assert.include(error?.detail, "sending.serviceType")
      })
    ))

  it.effect("travels with the exchange, and is seen on the other side", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const { seen } = yield* against(
          CF_ACCEPT,
          "--proxy-protocol",
          "exchange",
          "--qos",
          "bestEffort:1M",
          "--json"
        )
        assert.deepStrictEqual(seen.sqos?.sending, { serviceType: "bestEffort", tokenRate: 1_000_000 })
      }), exchange))

  it.live("marks what is sent, live", () =>
    Effect.gen(function*() {
      const { address } = yield* listens("--json")
      const named = connectReport(yield* commandProcess("connect", address, "--dscp", "AF41", "--json"))
      assert.strictEqual(named.applied?.sending.marked, Qos.dscp.AF41)
      const { out } = yield* commandProcess("connect", address, "--qos", "controlledLoad:100k")
      assert.match(
        out,
        /^QOS to the peer controlledLoad at 100000 bytes\/s: marked CS3 \(24\), shaped to 100000 bytes\/s$/m
      )
      assert.match(out, /^ {2}serviceType ignored: nothing is reserved on this network/m)
    }).pipe(Effect.scoped), 60_000)
})

describe("winsock listen --callee-data --proxy-protocol", () => {
  const begin = (...args: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const lines = yield* Queue.unbounded<string>()
      const wrote = (line: string) => void Queue.offerUnsafe(lines, line)
      const fiber = yield* Effect.forkChild(commandIn({ wrote })("listen", at, "--once", ...args))
      yield* Queue.take(lines)
      return fiber
    })

  const call = (options: Winsock.WSAConnectOptions) =>
    Effect.scoped(Effect.gen(function*() {
      const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
      const connected = yield* Winsock.WSAConnect(s, at, options)
      return { text: text(connected.calleeData), from: SocketAddress.format(yield* Winsock.getsockname(s)) }
    }))

  it.effect("R12, R13: exchange tells what a caller sent along and asks for, and passes data back", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const fiber = yield* begin("--proxy-protocol", "exchange", "--callee-data", "session 7", "--json")
        const { text } = yield* call({
          callerData: bytes("tenant=acme"),
          calleeData: 64,
          sqos: { sending: { serviceType: "bestEffort", tokenRate: 64_000 } }
        })
        assert.strictEqual(text, "session 7")
        const [, caller] = reports(yield* Fiber.join(fiber))
        assert.isTrue(caller?._tag === "CallerReport")
        assert.strictEqual((caller as Report.CallerReport).callerData?.text, "tenant=acme")
        assert.deepStrictEqual((caller as Report.CallerReport).qos, {
          sending: { serviceType: "bestEffort", tokenRate: 64_000 }
        })
      }), exchange))

  it.effect("says the same to people", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const fiber = yield* begin("--proxy-protocol", "exchange")
        yield* call({ callerData: bytes("acme\u009b"), sqos: { sending: { serviceType: "bestEffort", tokenRate: 1 } } })
        const { out } = yield* Fiber.join(fiber)
        assert.match(out, /^1: 127.* connected$/m)
        assert.match(out, /^ {2}it sent along 6 bytes: "acme\\u009b"$/m)
        assert.match(out, /^ {2}it asks for bestEffort at 1 bytes\/s to here$/m)
      }), exchange))

  it.effect("one-way tells the true source that a proxy names", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const fiber = yield* begin("--proxy-protocol", "one-way", "--json")
        yield* Effect.scoped(Effect.gen(function*() {
          const proxy = yield* Winsock.socket({ family: "IPv4", type: "stream" })
          yield* Winsock.WSAConnect(proxy, at)
          const header = "0d0a0d0a000d0a515549540a2111000cc0000201c6336407c35001bb"
          yield* Winsock.send(proxy, new Uint8Array([...Buffer.from(header, "hex"), ...bytes("body")]))
        }))
        const [, caller, gone] = reports(yield* Fiber.join(fiber))
        assert.isTrue(caller?._tag === "CallerReport" && caller.remote === "192.0.2.1:50000")
        assert.isTrue(gone?._tag === "GoneReport" && gone.receivedBytes === 4)
      })
    ))

  it.effect("one-way reads the data of one-way", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const fiber = yield* begin("--proxy-protocol", "one-way", "--json")
        const { from } = yield* call({ callerData: bytes("acme") })
        const [, caller] = reports(yield* Fiber.join(fiber))
        assert.isTrue(caller?._tag === "CallerReport" && caller.remote === from && caller.callerData?.text === "acme")
      }), oneWay))

  it.effect("--qos and --dscp are for what goes to a caller; what cannot be done ends its connection", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const shaped = yield* begin("--qos", "bestEffort:64k", "--json")
        yield* call({})
        const [, caller] = reports(yield* Fiber.join(shaped))
        assert.isTrue(caller?._tag === "CallerReport" && caller.applied?.sending.shaped?.tokenRate === 64_000)
        const refused = yield* begin("--qos", "guaranteed:64k", "--json")
        yield* call({})
        const [, , gone] = reports(yield* Fiber.join(refused))
        assert.isTrue(gone?._tag === "GoneReport" && gone.error?.code === "WSAEOPNOTSUPP")
      })
    ))

  it.effect("of datagrams they cannot be: that is wrong usage", () =>
    inMemory(() =>
      Effect.gen(function*() {
        for (
          const flags of [["--qos", "G711"], ["--dscp", "EF"], ["--callee-data", "x"], ["--proxy-protocol", "exchange"]]
        ) {
          const ran = yield* command("listen", "udp:127.0.0.1:53", ...flags)
          assert.deepStrictEqual([ran.exitCode, ran.out], [2, ""])
          assert.include(ran.err, "--callee-data")
        }
      })
    ))

  it.effect("without the exchange nothing can be passed back: that is wrong usage", () =>
    inMemory(() =>
      Effect.gen(function*() {
        for (const flags of [[], ["--proxy-protocol", "one-way"]]) {
          const ran = yield* command("listen", at, "--callee-data", "x", ...flags)
          assert.deepStrictEqual([ran.exitCode, ran.out], [2, ""])
          assert.include(ran.err, "--proxy-protocol exchange")
        }
      })
    ))

  it.live("R12, R13: the command at both ends, live", () =>
    Effect.gen(function*() {
      const { address, ended } = yield* listens(
        "--once",
        "--proxy-protocol",
        "exchange",
        "--callee-data",
        "session 7",
        "--json"
      )
      const report = connectReport(
        yield* commandProcess("connect", address, "--proxy-protocol", "exchange", "--caller-data", "acme", "--json")
      )
      assert.strictEqual(report.calleeData?.text, "session 7")
      const [, caller] = reports(yield* Effect.promise(() => ended))
      assert.isTrue(caller?._tag === "CallerReport" && caller.callerData?.text === "acme")
    }).pipe(Effect.scoped), 60_000)
})

describe("words for data and quality", () => {
  it("a QOS is a template, or a kind of service with a rate or without", () => {
    const sending = (text: string) => Result.getOrThrow(Arguments.qos(text)).sending
    assert.deepStrictEqual(Result.getOrThrow(Arguments.qos("g711")), Qos.templates.G711)
    assert.deepStrictEqual(sending("bestEffort"), { serviceType: "bestEffort" })
    assert.deepStrictEqual(sending("GUARANTEED:16000"), { serviceType: "guaranteed", tokenRate: 16_000 })
    assert.deepStrictEqual(sending("controlledload:1.5M"), { serviceType: "controlledLoad", tokenRate: 1_500_000 })
    const wrong = (text: string) => Result.isFailure(Arguments.qos(text)) && Arguments.qos(text)
    assert.isTrue(["", "best", "bestEffort:", "bestEffort:1G", "networkUnavailable", "guaranteed"].every(wrong))
    assert.include(Result.getOrThrow(Result.flip(Arguments.qos("guaranteed"))), "sending.tokenRate")
  })

  it("a code point is a number or the name of a class", () => {
    assert.deepStrictEqual(["EF", "af41", "0", "63"].map(Arguments.dscp), [46, 34, 0, 63].map(Result.succeed))
    assert.isTrue(["64", "-1", "AF44", "", "1.5"].every((text) => Result.isFailure(Arguments.dscp(text))))
  })

  it("marking asks for best effort where nothing else is asked for", () => {
    const marked = Arguments.marked(undefined, 46)!
    assert.deepStrictEqual(marked.sending, { serviceType: "bestEffort" })
    assert.strictEqual(Qos.markOf(marked, Qos.windows), 46)
    assert.strictEqual(Qos.markOf(Arguments.marked(Qos.templates.G711, 10)!, Qos.windows), 10)
    assert.isUndefined(Arguments.marked(undefined, undefined))
  })

  it("data is text, hexadecimal, or a file", () => {
    assert.deepStrictEqual(Arguments.data("a\\n"), Result.succeed(bytes("a\n")))
    assert.deepStrictEqual(Arguments.data("hex:00fF"), Result.succeed(new Uint8Array([0, 255])))
    assert.deepStrictEqual(Arguments.data("@a b"), Result.succeed({ path: "a b" }))
    assert.isTrue(["hex:0", "hex:zz", "@", "\\"].every((text) => Result.isFailure(Arguments.data(text))))
  })

  it("a capacity is a number of bytes", () => {
    assert.deepStrictEqual(["0", "4294967295"].map(Arguments.capacity), [0, 4294967295].map(Result.succeed))
    assert.isTrue(["-1", "4294967296", "1.5", ""].every((text) => Result.isFailure(Arguments.capacity(text))))
  })

  it.prop("reads anything, or says what was expected", [Schema.String], ([text]) => {
    for (const parse of [Arguments.qos, Arguments.dscp, Arguments.data, Arguments.capacity]) {
      const result: Result.Result<unknown, string> = parse(text)
      if (Result.isFailure(result)) assert.isAbove(result.failure.length, 0)
    }
  }, property)

  it.effect("a command line that makes no sense ends with 2, and says why", () =>
    inMemory(() =>
      Effect.gen(function*() {
        const cases = [
          [["--qos", "best"], "bestEffort"],
          [["--dscp", "64"], "a number from 0 to 63"],
          [["--caller-data", "@/none"], "@/none"],
          [["--caller-data", `@${endless}`], "at most 65536 bytes"],
          [["--callee-capacity", "x"], "4294967295"],
          [["--proxy-protocol", "both"], "one-way"]
        ] as const
        for (const [flags, words] of cases) {
          const ran = yield* command("connect", at, ...flags)
          assert.deepStrictEqual([ran.exitCode, ran.out], [2, ""])
          assert.include(ran.err, words)
        }
      })
    ))
})
