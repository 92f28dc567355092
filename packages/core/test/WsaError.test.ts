import { SocketAddress, WsaError } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Cause, Data, Effect, Exit, Result, Schema } from "effect"
import { readFileSync } from "node:fs"
import path from "node:path"

// The data that the tables were made from: what they say, code by code and call by call.
const fixture = (name: string) => JSON.parse(readFileSync(path.join(import.meta.dirname, "fixtures", name), "utf8"))
const rows: ReadonlyArray<{
  readonly name: WsaError.Code
  readonly code: number
  readonly posix: string | null
  readonly linuxErrno: number | null
  readonly bsdErrno: number | null
  readonly libuvWindows: string
  readonly libuvWindowsNumber: number
  readonly libuvGetaddrinfo: string | null
  readonly connectClass: string
}> = fixture("wsa.json")
const callErrors: { readonly calls: { readonly [call: string]: ReadonlyArray<string> } } = fixture("call-errors.json")

const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200)
const property = { arbitrary: { runs, seed: "WsaError" } }

const at = SocketAddress.fromInputUnsafe
const codes = Object.keys(WsaError.table) as Array<WsaError.Code>
const calls = Object.keys(WsaError.callErrors) as Array<WsaError.Call>
const refused = { call: "WSAConnect", stage: "connect" } as const

type Tag = WsaError.Code | "WsaUnmapped"

const classOf = (tag: Tag): Schema.Codec<WsaError.WsaError, unknown> =>
  tag === "WsaUnmapped" ? WsaError.WsaUnmapped : WsaError.classes[tag]

const assertIsA = (error: unknown, tag: Tag): void => {
  const constructor: Function = tag === "WsaUnmapped" ? WsaError.WsaUnmapped : WsaError.classes[tag]
  assert.strictEqual(Object.getPrototypeOf(error), constructor.prototype)
  assert.instanceOf(error, Error)
  assert.isTrue(WsaError.isWsaError(error))
}

// What two errors of one kind have in common: all their fields, addresses by their text.
const facts = (error: WsaError.WsaError): object => ({
  ...error,
  local: error.local && SocketAddress.format(error.local),
  remote: error.remote && SocketAddress.format(error.remote),
  native: positive(error.native),
  number: error.number === undefined ? undefined : error.number + 0,
  path: error.path?.map((key) => typeof key === "number" ? key + 0 : key),
  attempts: error.attempts?.map(({ address, began, ended, native, ...rest }) => ({
    ...rest,
    address: SocketAddress.format(address),
    began: began + 0,
    ended: ended + 0,
    native: positive(native)
  })),
  cause: undefined
})

// JSON has no -0.
const positive = (native: WsaError.Native | undefined) =>
  native?.errno === undefined ? native : { ...native, errno: native.errno + 0 }

describe("WsaError", () => {
  describe("table", () => {
    it("has a row for every code of the data, and no other", () => {
      assert.deepStrictEqual(codes, rows.map((row) => row.name))
      assert.strictEqual(codes.length, 97)
    })

    it("says of every code what the data say", () => {
      for (const row of rows) {
        const { words, ...rest } = WsaError.table[row.name]
        assert.deepStrictEqual(rest, {
          number: row.code,
          retryClass: row.connectClass,
          posix: row.posix,
          linuxErrno: row.linuxErrno,
          bsdErrno: row.bsdErrno,
          libuvWindows: row.libuvWindows,
          libuvWindowsNumber: row.libuvWindowsNumber,
          libuvGetaddrinfo: row.libuvGetaddrinfo
        }, row.name)
        assert.isAbove(words.length, 10, row.name)
      }
    })

    it("has a class for every row, named as its code, which is its tag too", () => {
      assert.deepStrictEqual(Object.keys(WsaError.classes), codes)
      const exported = new Map<string, unknown>(Object.entries(WsaError))
      for (const code of codes) {
        assert.strictEqual<unknown>(exported.get(code), WsaError.classes[code])
        assert.strictEqual(WsaError.classes[code].name, code)
        assert.strictEqual(WsaError.classes[code].identifier, `@effect-winsock/core/WsaError/${code}`)
        const error = WsaError.make(code, refused)
        assertIsA(error, code)
        assert.strictEqual(error._tag, code)
        assert.strictEqual(error.name, code)
        assert.strictEqual(error.number, WsaError.table[code].number)
        assert.strictEqual(error.retryClass, WsaError.table[code].retryClass)
      }
    })

    it("is found by number", () => {
      for (const code of codes) assert.strictEqual(WsaError.fromNumber(WsaError.table[code].number), code)
      for (const number of [0, -1, 1, 10060.5, Number.NaN, Infinity]) assert.isUndefined(WsaError.fromNumber(number))
    })
  })

  describe("callErrors", () => {
    it("is what the data say, call by call, less what is struck", () => {
      const isStruck = (call: string, code: string) =>
        WsaError.struckCodes.some((struck) => struck.call === call && struck.code === code)
      const expected = Object.entries(callErrors.calls).map(([call, codes]) =>
        [
          call,
          [
            ...codes.filter((code) => !isStruck(call, code)),
            ...WsaError.addedCodes.filter((added) => added.call === call).map(({ code }) => code)
          ].sort()
        ] as const
      )
      const own = Object.entries(WsaError.callErrors).map(([call, codes]) => [call, Array.from(codes).sort()] as const)
      assert.deepStrictEqual<unknown>(Object.fromEntries(own), Object.fromEntries(expected))
    })

    it("what is added does not stand in the data, and has a reason", () => {
      for (const { call, code, reason } of WsaError.addedCodes) {
        assert.notInclude<string>(callErrors.calls[call], code)
        assert.isAbove(reason.length, 10)
      }
    })

    it("what is struck stands in the data, once, with a reason", () => {
      const struck = WsaError.struckCodes.map(({ call, code }) => `${call} ${code}`)
      assert.strictEqual(new Set(struck).size, struck.length)
      for (const { call, code, reason } of WsaError.struckCodes) {
        assert.include(callErrors.calls[call], code)
        assert.isAbove(reason.length, 10)
      }
    })

    it("has no code twice, and no code that only reports an event", () => {
      for (const call of calls) {
        const own: ReadonlyArray<WsaError.Code> = WsaError.callErrors[call]
        assert.strictEqual(new Set(own).size, own.length, call)
        for (const code of own) assert.notInclude(["qos-event", "qos-error"], WsaError.table[code].retryClass)
      }
    })

    it("a call that reaches a provider has room for what nobody expected, any other has not", () => {
      for (const call of calls) {
        const members = WsaError.errorsOf(call).members.map((member) => member.identifier.split("/").at(-1))
        const own: Array<string> = [...WsaError.callErrors[call]]
        if (WsaError.reachesQos.some((name) => name === call)) {
          own.push(...codes.filter((code) => WsaError.table[code].retryClass === "qos-error"))
        }
        if (WsaError.reachesProvider.some((name) => name === call)) own.push("WsaUnmapped")
        assert.deepStrictEqual(members, own, call)
      }
    })

    it("E14: only socket, listen and accept run out of descriptors by that name", () => {
      const found = calls.filter((call) => WsaError.callErrors[call].some((code) => code === "WSAEMFILE"))
      assert.deepStrictEqual(found, ["socket", "listen", "accept", "WSAAccept", "WSASocket"])
    })
  })

  describe("make", () => {
    it("makes real errors that carry what they are given", () => {
      const cause = new Error("beneath")
      const error = WsaError.make("WSAECONNREFUSED", {
        ...refused,
        local: at("127.0.0.1:4000"),
        remote: at("127.0.0.1:1"),
        native: { code: "ECONNREFUSED", errno: -111, syscall: "connect" },
        detail: "the third of three",
        cause
      })
      assert.instanceOf(error, Error)
      assert.instanceOf(error, Data.Error)
      assert.isTrue(WsaError.isWsaError(error))
      assert.isTrue(Cause.isFailReason(Cause.fail(error).reasons[0]!))
      assert.strictEqual(error.cause, cause)
      assert.strictEqual(
        error.message,
        "WSAConnect: WSAECONNREFUSED (10061): the other side refused: nothing listens there, or the listener turned the " +
          "caller away [remote 127.0.0.1:1, from 127.0.0.1:4000]; the third of three; connect ECONNREFUSED (-111)"
      )
      assert.strictEqual(String(error), `WSAECONNREFUSED: ${error.message}`)
    })

    it("leaves out what is undefined", () => {
      const details = { ...refused, local: undefined, remote: undefined, native: undefined, detail: undefined }
      const error = WsaError.make("WSAEINTR", { ...details, cause: undefined })
      assert.deepStrictEqual(Object.keys(error), ["_tag", "number", "call", "stage"])
      assert.isFalse(Object.hasOwn(error, "stack") && (error.stack ?? "").includes("WsaError.test"))
    })

    it("makes the same as the constructor of the class, which checks and has a stack", () => {
      const details = { ...refused, remote: at("[::1]:1"), native: { code: "ETIMEDOUT" } }
      const made = WsaError.make("WSAETIMEDOUT", details)
      const constructed = new WsaError.WSAETIMEDOUT(details)
      assert.deepStrictEqual({ ...made }, { ...constructed })
      assert.deepStrictEqual(JSON.stringify(made), JSON.stringify(constructed))
      assert.include(constructed.stack, "WsaError.test")
      assert.throws(() => new WsaError.WSAETIMEDOUT({ call: "WSAReconnect", stage: "connect" } as never))
    })

    it("leaves the stack trace limit as it was", () => {
      const before = Error.stackTraceLimit
      Error.stackTraceLimit = 7
      WsaError.make("WSAEINTR", refused)
      assert.strictEqual(Error.stackTraceLimit, 7)
      Error.stackTraceLimit = before
    })

    it("keeps the raw code of what no row knows", () => {
      const of = (details: Partial<WsaError.Details & WsaError.UnmappedDetails>) => {
        const { code, number, retryClass } = WsaError.make("WsaUnmapped", { ...refused, ...details })
        return [code, number, retryClass]
      }
      assert.deepStrictEqual(of({ native: { code: "EWEIRD" } }), ["EWEIRD", undefined, "other"])
      assert.deepStrictEqual(of({ native: { errno: -133 } }), ["-133", undefined, "other"])
      assert.deepStrictEqual(of({ code: "WSAELOOP" }), ["WSAELOOP", 10062, "address"])
      assert.deepStrictEqual(of({ code: "WSAENEW", number: 10999 }), ["WSAENEW", 10999, "other"])
      assert.deepStrictEqual(of({}), ["UNKNOWN", undefined, "other"])
    })

    it("isWsaError tells ours from others", () => {
      for (const other of [null, undefined, 1, "WSAEINTR", {}, new Error("x"), { _tag: "WSAEINTR" }]) {
        assert.isFalse(WsaError.isWsaError(other))
      }
    })

    it.effect("is caught by its tag, and shows itself where it is not", () =>
      Effect.gen(function*() {
        const failing = Effect.fail(WsaError.forCall("WSAConnect", "WSAETIMEDOUT", { stage: "connect" }))
        const caught = Effect.catchTag(failing, "WSAETIMEDOUT", ({ number }) => Effect.succeed(number))
        assert.strictEqual(yield* caught, 10060)
        const exit = yield* Effect.exit(failing)
        assert.isTrue(Exit.isFailure(exit) && Cause.pretty(exit.cause).includes("WSAConnect: WSAETIMEDOUT (10060)"))
        const yielded = yield* Effect.flip(Effect.gen(function*() {
          return yield* WsaError.make("WSAEINTR", refused)
        }))
        assert.strictEqual(yielded._tag, "WSAEINTR")
      }))
  })

  describe("forCall", () => {
    it("gives every call its own codes, and anything else inside WsaUnmapped", () => {
      for (const call of calls) {
        const own = new Set(WsaError.errorsOf(call).members.map((member) => member.identifier.split("/").at(-1)))
        for (const code of codes) {
          const error: WsaError.WsaError = WsaError.forCall(call, code, { stage: "request" })
          assert.strictEqual(error.call, call)
          assert.strictEqual(error.number, WsaError.table[code].number)
          assert.strictEqual(error.retryClass, WsaError.table[code].retryClass)
          if (own.has(code)) assert.strictEqual(error._tag, code)
          else assert.isTrue(error._tag === "WsaUnmapped" && error.code === code)
        }
      }
    })

    it("keeps the native words of what nobody knows", () => {
      const native = { code: "EWEIRD", errno: -999, syscall: "connect" }
      const error = WsaError.forCall("WSAConnect", "WsaUnmapped", { stage: "connect", native })
      assert.isTrue(error._tag === "WsaUnmapped" && error.code === "EWEIRD")
      assert.include(error.message, "EWEIRD is not a code that this call is known to end with")
      assert.include(error.message, "connect EWEIRD (-999)")
    })
  })

  describe("JSON", () => {
    const tags = [...codes, "WsaUnmapped"] as const

    it("carries number and addresses in a form that any language reads", () => {
      const error = WsaError.make("WSAECONNREFUSED", {
        ...refused,
        remote: at("unix:@app"),
        local: at("[fe80::1%3]:1")
      })
      assert.deepStrictEqual<unknown>(JSON.parse(JSON.stringify(error)), {
        _tag: "WSAECONNREFUSED",
        number: 10061,
        call: "WSAConnect",
        stage: "connect",
        local: "[fe80::1%3]:1",
        remote: "unix:@app"
      })
    })

    it("refuses a number that is another code's, and a code that the call cannot end with", () => {
      const json = Schema.toCodecJson(WsaError.errorsOf("WSAConnect"))
      const sent = { _tag: "WSAECONNREFUSED", number: 10061, call: "WSAConnect", stage: "connect" }
      assert.isTrue(Result.isSuccess(Schema.decodeUnknownResult(json)(sent)))
      assert.isTrue(Result.isFailure(Schema.decodeUnknownResult(json)({ ...sent, number: 10060 })))
      assert.isTrue(Result.isFailure(Schema.decodeUnknownResult(json)({ ...sent, _tag: "WSAELOOP", number: 10062 })))
    })

    it("keeps the cause", () => {
      const json = Schema.toCodecJson(WsaError.WSAECONNABORTED)
      const cause = new Error("beneath")
      const sent = Schema.encodeSync(json)(WsaError.make("WSAECONNABORTED", { ...refused, cause }))
      const back = Schema.decodeSync(json)(sent)
      assert.instanceOf(back.cause, Error)
      assert.strictEqual((back.cause as Error).message, "beneath")
    })

    it("of an error that holds what is no address still says the rest", () => {
      const error = WsaError.make("WSAEFAULT", {
        ...refused,
        remote: { _tag: "UnixPathAddress", path: "a\0b" } as never
      })
      assert.include(JSON.stringify(error), "WSAEFAULT")
    })

    it.effect("crosses JSON and comes back as an instance, for every class and every union", () =>
      Effect.gen(function*() {
        for (const tag of tags) {
          const schema = classOf(tag)
          const json = Schema.toCodecJson(schema)
          const options = { count: Math.ceil(runs / 20), seed: tag }
          for (const error of yield* Arbitrary.sampleEffect(Arbitrary.schema(schema), options)) {
            const sent: unknown = JSON.parse(JSON.stringify(Schema.encodeSync(json)(error)))
            const back = Schema.decodeUnknownSync(json)(sent)
            assertIsA(back, tag)
            assert.deepStrictEqual(facts(back), facts(error))
            assert.strictEqual(back.message, error.message)
            // What JSON.stringify shows is what the schema sends.
            assert.deepStrictEqual<unknown>(JSON.parse(JSON.stringify(error)), sent)
          }
        }
        for (const call of calls) {
          const json = Schema.toCodecJson(WsaError.errorsOf(call) as Schema.Codec<WsaError.WsaError, unknown>)
          for (const code of WsaError.callErrors[call]) {
            const error = WsaError.make(code, { call, stage: "request", remote: at("[::1]:80") })
            const back = Schema.decodeUnknownSync(json)(Schema.encodeSync(json)(error))
            assertIsA(back, code)
            assert.deepStrictEqual(facts(back), facts(error))
          }
        }
      }))
  })

  describe("fromNative", () => {
    const stream = { family: "IPv4", type: "stream" } as const
    const datagram = { family: "IPv4", type: "datagram" } as const
    const unix = { family: "Unix", type: "stream" } as const
    const bound = { local: at("127.0.0.1:4000") }
    const anyPort = { local: at("127.0.0.1:0") }

    const cases: ReadonlyArray<
      readonly [
        row: string,
        native: string,
        stage: WsaError.Stage,
        socket: Omit<WsaError.NativeContext, "stage">,
        code: WsaError.Code | "WsaUnmapped"
      ]
    > = [
      ["E09", "ECONNREFUSED", "connect", stream, "WSAECONNREFUSED"],
      ["E18", "ETIMEDOUT", "connect", stream, "WSAETIMEDOUT"],
      ["E13", "ENETUNREACH", "connect", stream, "WSAENETUNREACH"],
      ["E13", "EHOSTUNREACH", "connect", stream, "WSAEHOSTUNREACH"],
      ["ICMP 3/7", "EHOSTDOWN", "connect", stream, "WSAEHOSTDOWN"],
      ["ICMP 3/8", "ENONET", "connect", stream, "WSAEHOSTUNREACH"],
      ["ICMP 3/2", "ENOPROTOOPT", "connect", stream, "WSAENETUNREACH"],
      ["ICMP 3/5", "ENOTSUP", "connect", stream, "WSAEHOSTUNREACH"],
      ["ICMP 3/5", "EOPNOTSUPP", "connect", stream, "WSAEHOSTUNREACH"],
      ["route prohibited", "EACCES", "connect", stream, "WSAEACCES"],
      ["E20", "EACCES", "connect", datagram, "WSAEACCES"],
      ["firewall", "EPERM", "send", datagram, "WSAEACCES"],
      ["T22", "EADDRNOTAVAIL", "connect", stream, "WSAENOBUFS"],
      ["T22", "EADDRNOTAVAIL", "connect", { ...stream, ...anyPort }, "WSAENOBUFS"],
      ["T22", "EADDRINUSE", "connect", { ...stream, ...anyPort }, "WSAENOBUFS"],
      ["T22", "EAGAIN", "connect", datagram, "WSAENOBUFS"],
      ["T21", "EADDRNOTAVAIL", "connect", { ...stream, ...bound }, "WSAEADDRINUSE"],
      ["E03", "EADDRINUSE", "connect", { ...stream, ...bound }, "WSAEADDRINUSE"],
      ["E07", "EADDRNOTAVAIL", "connect", { family: "IPv6", type: "stream", noSource: true }, "WSAEADDRNOTAVAIL"],
      ["Windows", "EADDRNOTAVAIL", "connect", { ...stream, platform: "win32" }, "WSAEADDRNOTAVAIL"],
      ["A02", "EADDRINUSE", "bind", { ...stream, ...bound }, "WSAEADDRINUSE"],
      ["E14", "EADDRINUSE", "bind", { ...stream, ...anyPort }, "WSAENOBUFS"],
      ["E14", "EADDRINUSE", "bind", stream, "WSAENOBUFS"],
      ["A02", "EADDRINUSE", "bind", { ...unix, local: at("unix:/x") }, "WSAEADDRINUSE"],
      ["A02", "EADDRNOTAVAIL", "bind", { ...stream, local: at("192.0.2.1:0") }, "WSAEADDRNOTAVAIL"],
      ["E10", "EINVAL", "bind", { ...unix, local: at("unix:/x") }, "WSAEFAULT"],
      ["A02", "EACCES", "bind", { ...unix, local: at("unix:/x") }, "WSAEACCES"],
      ["no directory", "ENOTDIR", "bind", { ...unix, local: at("unix:/etc/passwd/x") }, "WSAEACCES"],
      ["E08", "EINVAL", "bind", { ...stream, local: at("[::1]:0") }, "WSAEAFNOSUPPORT"],
      ["no scope", "EINVAL", "bind", { family: "IPv6", type: "stream", local: at("[fe80::1]:0") }, "WSAEADDRNOTAVAIL"],
      ["A02", "EINVAL", "bind", { ...stream, ...bound }, "WSAEINVAL"],
      ["A02", "ERR_SOCKET_ALREADY_BOUND", "bind", datagram, "WSAEINVAL"],
      ["E10", "EINVAL", "connect", { ...unix, remote: at("unix:/x") }, "WSAEFAULT"],
      ["E08", "EINVAL", "connect", { ...stream, remote: at("[::1]:1") }, "WSAEAFNOSUPPORT"],
      ["E08", "EAFNOSUPPORT", "connect", { ...stream, remote: at("[::1]:1") }, "WSAEAFNOSUPPORT"],
      [
        "no scope",
        "EINVAL",
        "connect",
        { family: "IPv6", type: "stream", remote: at("[fe80::1]:1") },
        "WSAEADDRNOTAVAIL"
      ],
      ["T40", "EINVAL", "connect", { ...stream, ...anyPort, remote: at("192.0.2.1:1") }, "WSAEADDRNOTAVAIL"],
      ["T40", "EINVAL", "send", { ...datagram, ...anyPort, remote: at("192.0.2.1:1") }, "WSAEADDRNOTAVAIL"],
      ["black hole", "EINVAL", "connect", { ...stream, remote: at("192.0.2.1:1") }, "WSAENETUNREACH"],
      ["black hole", "EINVAL", "connect", stream, "WSAENETUNREACH"],
      ["black hole", "EINVAL", "send", { ...datagram, remote: at("192.0.2.1:1") }, "WSAENETUNREACH"],
      ["backlog full", "EAGAIN", "connect", unix, "WSAECONNREFUSED"],
      ["no such path", "ENOENT", "connect", unix, "WSAECONNREFUSED"],
      ["no such path", "ENOTDIR", "connect", unix, "WSAECONNREFUSED"],
      ["no such path", "ELOOP", "connect", unix, "WSAECONNREFUSED"],
      ["other type", "EPROTOTYPE", "connect", unix, "WSAEPROTOTYPE"],
      ["E14", "EMFILE", "connect", stream, "WSAENOBUFS"],
      ["E14", "ENFILE", "bind", stream, "WSAENOBUFS"],
      ["E14", "EMFILE", "open", stream, "WSAEMFILE"],
      ["E14", "ENFILE", "listen", stream, "WSAEMFILE"],
      ["E14", "EMFILE", "accept", stream, "WSAEMFILE"],
      ["E14", "ENOMEM", "connect", stream, "WSAENOBUFS"],
      ["E14", "ENOBUFS", "send", datagram, "WSAENOBUFS"],
      ["T31", "ECONNREFUSED", "receive", datagram, "WSAECONNRESET"],
      ["T31", "ECONNREFUSED", "send", datagram, "WSAECONNRESET"],
      ["ICMP 3/7", "EHOSTDOWN", "receive", datagram, "WSAEHOSTUNREACH"],
      ["ICMP 3/2", "ENOPROTOOPT", "receive", datagram, "WSAENETUNREACH"],
      ["A09", "EMSGSIZE", "send", datagram, "WSAEMSGSIZE"],
      ["R21", "ECONNRESET", "receive", stream, "WSAECONNRESET"],
      ["R21", "EPIPE", "send", stream, "WSAECONNABORTED"],
      ["A08", "EPIPE", "send", { ...stream, platform: "win32" }, "WSAESHUTDOWN"],
      ["R21", "ETIMEDOUT", "receive", stream, "WSAETIMEDOUT"],
      ["A08", "ERR_SOCKET_CLOSED", "send", stream, "WSAENOTCONN"],
      ["A09", "ERR_SOCKET_DGRAM_NOT_CONNECTED", "send", datagram, "WSAENOTCONN"],
      ["T28", "EDESTADDRREQ", "send", datagram, "WSAENOTCONN"],
      ["T33", "EBADF", "send", stream, "WSAENOTSOCK"],
      ["E15", "ERR_SOCKET_DGRAM_NOT_RUNNING", "close", datagram, "WSAENOTSOCK"],
      ["not bound", "EBADF", "option", datagram, "WSAEINVAL"],
      ["A14", "ENOPROTOOPT", "option", stream, "WSAENOPROTOOPT"],
      ["E10", "ERR_SOCKET_BAD_PORT", "connect", stream, "WSAEFAULT"],
      ["E10", "ERR_INVALID_ARG_VALUE", "bind", stream, "WSAEFAULT"],
      ["E04", "ECANCELED", "receive", stream, "WSAEINTR"],
      ["A22", "ENOTFOUND", "resolve", stream, "WSAHOST_NOT_FOUND"],
      ["A22", "EAI_AGAIN", "resolve", stream, "WSATRY_AGAIN"],
      ["A22", "EAI_FAIL", "resolve", stream, "WSANO_RECOVERY"],
      ["A22", "EAI_NODATA", "resolve", stream, "WSANO_DATA"],
      ["own name", "WSAEREMOTE", "connect", stream, "WSAEREMOTE"],
      ["unknown", "EWEIRD", "connect", stream, "WsaUnmapped"],
      ["unknown", "", "connect", stream, "WsaUnmapped"],
      ["unknown", "ENOENT", "send", stream, "WsaUnmapped"],
      ["unknown", "__proto__", "connect", stream, "WsaUnmapped"],
      ["unknown", "UNKNOWN", "connect", stream, "WsaUnmapped"]
    ]

    for (const [row, code, stage, socket, expected] of cases) {
      const kind = `${socket.family} ${socket.type}${socket.platform === undefined ? "" : ` on ${socket.platform}`}`
      const from = socket.local === undefined ? "" : ` from ${SocketAddress.format(socket.local)}`
      const to = socket.remote === undefined ? "" : ` to ${SocketAddress.format(socket.remote)}`
      it(`${row}: "${code}" at ${stage}, ${kind}${from}${to}, is ${expected}`, () => {
        assert.strictEqual(WsaError.fromNative({ code }, { ...socket, stage }), expected)
      })
    }

    it("goes by the number where there is no name, or one that only says that it is unknown", () => {
      const of = (native: WsaError.Native, platform?: string) =>
        WsaError.fromNative(native, { ...stream, stage: "connect", platform })
      assert.strictEqual(of({ errno: -111 }), "WSAECONNREFUSED")
      assert.strictEqual(of({ errno: 111 }), "WSAECONNREFUSED")
      assert.strictEqual(of({ errno: 61 }, "darwin"), "WSAECONNREFUSED")
      assert.strictEqual(of({ errno: -4078 }, "win32"), "WSAECONNREFUSED")
      assert.strictEqual(of({ errno: 10061 }), "WSAECONNREFUSED")
      assert.strictEqual(of({ errno: 6 }, "win32"), "WSA_INVALID_HANDLE")
      assert.strictEqual(of({ errno: -99 }), "WSAENOBUFS")
      assert.strictEqual(of({ code: "Unknown system error -102", errno: -102 }), "WSAENETRESET")
      assert.strictEqual(of({ code: "UNKNOWN", errno: -4094 }, "win32"), "WsaUnmapped")
      assert.strictEqual(of({ code: "EWEIRD", errno: -111 }), "WsaUnmapped")
      assert.strictEqual(of({}), "WsaUnmapped")
      for (const errno of [0, Number.NaN, Infinity, -Infinity, 1.5]) {
        for (const platform of ["linux", "darwin", "win32"]) assert.strictEqual(of({ errno }, platform), "WsaUnmapped")
      }
    })

    it("takes every POSIX name that Winsock has a code for", () => {
      for (const code of codes) {
        const { posix } = WsaError.table[code]
        if (posix === null || code !== `WSA${posix}` || ["EBADF", "EMFILE"].includes(posix)) continue
        assert.strictEqual(WsaError.fromNative({ code: posix }, { ...stream, stage: "close" }), code)
      }
    })

    const Context = Schema.Struct({
      stage: WsaError.Stage,
      family: Schema.Literals(["IPv4", "IPv6", "Unix"]),
      type: Schema.Literals(["stream", "datagram"]),
      local: Schema.optionalKey(SocketAddress.schema),
      remote: Schema.optionalKey(SocketAddress.schema),
      platform: Schema.optionalKey(Schema.Literals(["linux", "win32", "darwin", "freebsd", "sunos"])),
      noSource: Schema.optionalKey(Schema.Boolean)
    })
    const names = [...new Set(WsaError.nativeRules.flatMap((rule) => rule.native))]

    it.prop("knows what to say to any name and any number", [WsaError.Native, Context], ([native, context]) => {
      const code = WsaError.fromNative(native, context)
      assert.isTrue(code === "WsaUnmapped" || WsaError.isCode(code))
      const error: WsaError.WsaError = WsaError.forCall("WSAConnect", code, { stage: context.stage, native })
      assert.isAbove(error.message.length, 0)
    }, property)

    it.prop(
      "knows every name of its table, wherever it appears",
      [Schema.Literals(names), Context],
      ([code, context]) => {
        const found = WsaError.fromNative({ code }, context)
        const known = WsaError.nativeRules.some((rule) =>
          rule.native.includes(code) && rule.stages.includes(context.stage)
        )
        if (found === "WsaUnmapped") assert.isFalse(known && WsaError.isCode(`WSA${code}`))
      },
      property
    )

    it.prop("yields what nativeCodes says, where a line of the table fits", [Schema.Literals(names), Context], ([
      code,
      context
    ]) => {
      const rule = WsaError.nativeRules.find((rule) =>
        rule.native.includes(code) && rule.stages.includes(context.stage) && (rule.when?.(context) ?? true)
      )
      if (rule === undefined) return
      assert.strictEqual(WsaError.fromNative({ code }, context), rule.code)
      assert.isTrue(WsaError.nativeCodes(context.stage).has(rule.code))
    }, property)

    it("E03 to E20: every code of a connect that is no decision of ours has a cause in the table", () => {
      const decided = new Set<WsaError.Code>([
        "WSAEINPROGRESS",
        "WSANOTINITIALISED",
        "WSAEWOULDBLOCK",
        "WSAEINVAL",
        // What a peer said in the exchange of connect data.
        "WSAEPROTONOSUPPORT"
      ])
      const said = WsaError.nativeCodes("connect")
      for (const code of WsaError.callErrors.connect) {
        if (!decided.has(code)) assert.isTrue(said.has(code), code)
      }
    })

    it("has no line that an earlier one hides", () => {
      WsaError.nativeRules.forEach((rule, i) => {
        const earlier = WsaError.nativeRules.slice(0, i).filter((other) => other.when === undefined)
        const open = rule.native.some((name) =>
          rule.stages.some((stage) =>
            !earlier.some((other) => other.native.includes(name) && other.stages.includes(stage))
          )
        )
        assert.isTrue(open, `${rule.native.join()} at ${rule.stages.join()}: ${rule.cause}`)
      })
    })
  })

  it("isTransient is true of what another attempt may cure, and of nothing else", () => {
    const transient = codes.filter((code) => WsaError.isTransient(WsaError.table[code]))
    assert.deepStrictEqual(transient, [
      "WSAENETDOWN",
      "WSAENETUNREACH",
      "WSAENETRESET",
      "WSAECONNABORTED",
      "WSAECONNRESET",
      "WSAETIMEDOUT",
      "WSAECONNREFUSED",
      "WSAEHOSTDOWN",
      "WSAEHOSTUNREACH",
      "WSATRY_AGAIN"
    ])
  })
})
