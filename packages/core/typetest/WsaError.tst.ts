import type { SocketAddress } from "@effect-winsock/core"
import { WsaError } from "@effect-winsock/core"
import { Effect, type Schema } from "effect"
import { describe, expect, it } from "tstyche"

declare const hole: <A>() => A

describe("WsaError", () => {
  describe("ErrorOf", () => {
    it("is the union of the classes of a call's codes", () => {
      expect<WsaError.ErrorOf<"WSACleanup">>().type.toBe<
        WsaError.WSAEINPROGRESS | WsaError.WSAENETDOWN | WsaError.WSANOTINITIALISED
      >()
      expect<WsaError.WSACleanupError>().type.toBe<WsaError.ErrorOf<"WSACleanup">>()
    })

    it("has WsaUnmapped where the call reaches a provider, and only there", () => {
      expect<WsaError.BindError>().type.toBe<
        | WsaError.WSAEACCES
        | WsaError.WSAEADDRINUSE
        | WsaError.WSAEADDRNOTAVAIL
        | WsaError.WSAEAFNOSUPPORT
        | WsaError.WSAEFAULT
        | WsaError.WSAEINPROGRESS
        | WsaError.WSAEINVAL
        | WsaError.WSAENETDOWN
        | WsaError.WSAENOBUFS
        | WsaError.WSAENOTSOCK
        | WsaError.WSANOTINITIALISED
        | WsaError.WsaUnmapped
      >()
      expect<WsaError.GetpeernameError["_tag"]>().type.toBe<
        "WSAEINPROGRESS" | "WSAENETDOWN" | "WSAENOTCONN" | "WSAENOTSOCK" | "WSANOTINITIALISED"
      >()
    })

    it("of WSAConnect has its codes, those about a quality of service, and WsaUnmapped", () => {
      expect<WsaError.WSAConnectError>().type.toBe<
        | WsaError.WSAEACCES
        | WsaError.WSAEADDRINUSE
        | WsaError.WSAEADDRNOTAVAIL
        | WsaError.WSAEAFNOSUPPORT
        | WsaError.WSAEALREADY
        | WsaError.WSAECONNABORTED
        | WsaError.WSAECONNREFUSED
        | WsaError.WSAECONNRESET
        | WsaError.WSAEFAULT
        | WsaError.WSAEHOSTDOWN
        | WsaError.WSAEHOSTUNREACH
        | WsaError.WSAEINPROGRESS
        | WsaError.WSAEINTR
        | WsaError.WSAEINVAL
        | WsaError.WSAEISCONN
        | WsaError.WSAENETDOWN
        | WsaError.WSAENETUNREACH
        | WsaError.WSAENOBUFS
        | WsaError.WSAENOTSOCK
        | WsaError.WSAEOPNOTSUPP
        | WsaError.WSAEPROTONOSUPPORT
        | WsaError.WSAEPROTOTYPE
        | WsaError.WSAETIMEDOUT
        | WsaError.WSAEWOULDBLOCK
        | WsaError.WSANOTINITIALISED
        | WsaError.WSA_QOS_ADMISSION_FAILURE
        | WsaError.WSA_QOS_POLICY_FAILURE
        | WsaError.WSA_QOS_BAD_STYLE
        | WsaError.WSA_QOS_BAD_OBJECT
        | WsaError.WSA_QOS_TRAFFIC_CTRL_ERROR
        | WsaError.WSA_QOS_GENERIC_ERROR
        | WsaError.WSA_QOS_ESERVICETYPE
        | WsaError.WSA_QOS_EFLOWSPEC
        | WsaError.WSA_QOS_EPROVSPECBUF
        | WsaError.WSA_QOS_EFILTERSTYLE
        | WsaError.WSA_QOS_EFILTERTYPE
        | WsaError.WSA_QOS_EFILTERCOUNT
        | WsaError.WSA_QOS_EOBJLENGTH
        | WsaError.WSA_QOS_EFLOWCOUNT
        | WsaError.WSA_QOS_EUNKNOWNPSOBJ
        | WsaError.WSA_QOS_EPOLICYOBJ
        | WsaError.WSA_QOS_EFLOWDESC
        | WsaError.WSA_QOS_EPSFLOWSPEC
        | WsaError.WSA_QOS_EPSFILTERSPEC
        | WsaError.WSA_QOS_ESDMODEOBJ
        | WsaError.WSA_QOS_ESHAPERATEOBJ
        | WsaError.WSA_QOS_RESERVED_PETYPE
        | WsaError.WsaUnmapped
      >()
    })

    it("of connect knows nothing of qualities of service", () => {
      expect<Extract<WsaError.ConnectError["_tag"], `WSA_QOS_${string}`>>().type.toBe<never>()
    })

    it("distributes over calls", () => {
      expect<WsaError.ErrorOf<"WSACleanup" | "WSAStartup">>().type.toBe<
        WsaError.WSACleanupError | WsaError.WSAStartupError
      >()
    })
  })

  describe("catchTag", () => {
    const cleanup = hole<Effect.Effect<void, WsaError.WSACleanupError>>()

    it("takes a code that the call can end with, and leaves the others", () => {
      expect(Effect.catchTag(cleanup, "WSAENETDOWN", () => Effect.void)).type.toBe<
        Effect.Effect<void, WsaError.WSAEINPROGRESS | WsaError.WSANOTINITIALISED>
      >()
    })

    it("does not take a code that cannot come", () => {
      expect(Effect.catchTag).type.not.toBeCallableWith(cleanup, "WSAECONNREFUSED", () => Effect.void)
    })

    it("leaves nothing when every code is handled", () => {
      expect(Effect.catchTags(cleanup, {
        WSAEINPROGRESS: () => Effect.void,
        WSAENETDOWN: () => Effect.void,
        WSANOTINITIALISED: () => Effect.void
      })).type.toBe<Effect.Effect<void>>()
    })
  })

  describe("an error", () => {
    const error = hole<WsaError.WSAECONNREFUSED>()

    it("knows its number and its retry class as literals", () => {
      expect(error.number).type.toBe<10061>()
      expect(error.retryClass).type.toBe<"transient">()
      expect(error._tag).type.toBe<"WSAECONNREFUSED">()
    })

    it("has its call, its stage and its addresses", () => {
      expect(error.call).type.toBe<WsaError.Call>()
      expect(error.stage).type.toBe<WsaError.Stage>()
      expect(error.remote).type.toBe<SocketAddress.SocketAddress | undefined>()
    })

    it("can be yielded", () => {
      expect(Effect.gen(function*() {
        return yield* error
      })).type.toBe<Effect.Effect<never, WsaError.WSAECONNREFUSED>>()
    })

    it("is made with a call and a stage", () => {
      expect(WsaError.WSAECONNREFUSED).type.toBeConstructableWith({ call: "WSAConnect", stage: "connect" })
      expect(WsaError.WSAECONNREFUSED).type.not.toBeConstructableWith({ call: "WSAReconnect", stage: "connect" })
      expect(WsaError.WSAECONNREFUSED).type.not.toBeConstructableWith({ call: "WSAConnect", stage: "reconnect" })
    })
  })

  it("make gives the class of the code", () => {
    const details = { call: "WSAConnect", stage: "connect" } as const
    expect(WsaError.make("WSAEISCONN", details)).type.toBe<WsaError.WSAEISCONN>()
    expect(WsaError.make("WsaUnmapped", details)).type.toBe<WsaError.WsaUnmapped>()
    expect(WsaError.make(hole<"WSAEISCONN" | "WSAEINTR">(), details)).type.toBe<
      WsaError.WSAEISCONN | WsaError.WSAEINTR
    >()
    expect(WsaError.make).type.not.toBeCallableWith("WSAENOSUCH", details)
  })

  it("forCall gives what the call can end with", () => {
    expect(WsaError.forCall("getpeername", "WSAENOTCONN", { stage: "request" })).type.toBe<WsaError.GetpeernameError>()
  })

  it("errorsOf is a schema of what the call can end with, as its classes", () => {
    expect<Schema.Schema.Type<WsaError.ErrorsOf<"WSAConnect">>>().type.toBe<WsaError.WSAConnectError>()
  })

  it("every class is a schema of itself", () => {
    expect<Schema.Schema.Type<typeof WsaError.WSAEINTR>>().type.toBe<WsaError.WSAEINTR>()
  })

  it("fromNative gives a code, or says that there is none", () => {
    expect(WsaError.fromNative({}, hole<WsaError.NativeContext>())).type.toBe<WsaError.Code | "WsaUnmapped">()
  })

  it("fromNative needs to know where it stands", () => {
    expect(WsaError.fromNative).type.not.toBeCallableWith({ code: "EINVAL" }, { stage: "connect" })
  })
})
