import {
  NetworkEvent,
  type ProtocolInfo,
  type Qos,
  type SocketAddress,
  SocketOption,
  Winsock,
  type WsaError
} from "@effect-winsock/core"
import { Effect, type Option, type Scope, type Stream } from "effect"
import type { AddressResolver } from "effect/net"
import { describe, expect, it } from "tstyche"

declare const hole: <A>() => A

const s = hole<Winsock.Socket>()
const bytes = hole<Uint8Array>()
const event = hole<Winsock.WSAEvent>()

describe("Winsock", () => {
  it("gives each call the failures of its row, and no requirement beside the socket", () => {
    expect(Winsock.bind(s, "127.0.0.1:0")).type.toBe<Effect.Effect<void, WsaError.ErrorOf<"bind">>>()
    expect(Winsock.connect(s, "127.0.0.1:1")).type.toBe<
      Effect.Effect<Winsock.Connected, WsaError.ErrorOf<"connect">>
    >()
    expect(Winsock.WSAConnect(s, "127.0.0.1:1")).type.toBe<
      Effect.Effect<Winsock.Connected, WsaError.ErrorOf<"WSAConnect">>
    >()
    expect(Winsock.connectResult(s)).type.toBe<
      Effect.Effect<Winsock.Connected, WsaError.ErrorOf<"connectResult">>
    >()
    expect(Winsock.WSAConnectByName(s, "example.org", "http")).type.toBe<
      Effect.Effect<
        Winsock.ConnectedByList,
        WsaError.ErrorOf<"WSAConnectByName">,
        AddressResolver.AddressResolver
      >
    >()
    expect(Winsock.WSAConnectByList(s, ["127.0.0.1:1"])).type.toBe<
      Effect.Effect<Winsock.ConnectedByList, WsaError.ErrorOf<"WSAConnectByList">>
    >()
    expect(Winsock.listen(s)).type.toBe<Effect.Effect<void, WsaError.ErrorOf<"listen">>>()
    expect(Winsock.send(s, bytes)).type.toBe<Effect.Effect<number, WsaError.ErrorOf<"send">>>()
    expect(Winsock.sendto(s, bytes, "127.0.0.1:1")).type.toBe<Effect.Effect<number, WsaError.ErrorOf<"sendto">>>()
    expect(Winsock.recv(s)).type.toBe<Effect.Effect<Uint8Array, WsaError.ErrorOf<"recv">>>()
    expect(Winsock.recv(s, bytes)).type.toBe<Effect.Effect<number, WsaError.ErrorOf<"recv">>>()
    expect(Winsock.recvfrom(s)).type.toBe<
      Effect.Effect<
        { readonly bytes: Uint8Array; readonly from: SocketAddress.SocketAddress },
        WsaError.ErrorOf<"recvfrom">
      >
    >()
    expect(Winsock.recvfrom(s, bytes)).type.toBe<
      Effect.Effect<
        { readonly length: number; readonly from: SocketAddress.SocketAddress },
        WsaError.ErrorOf<"recvfrom">
      >
    >()
    expect(Winsock.recv(s, bytes, Winsock.MSG_PEEK)).type.toBe<Effect.Effect<number, WsaError.ErrorOf<"recv">>>()
    expect(Winsock.recv(s, 4, Winsock.MSG_PEEK)).type.toBe<Effect.Effect<Uint8Array, WsaError.ErrorOf<"recv">>>()
    expect(Winsock.recvLent(s, (lent) => lent.length, 16)).type.toBe<
      Effect.Effect<number, WsaError.ErrorOf<"recv">>
    >()
    expect(Winsock.shutdown(s, "send")).type.toBe<Effect.Effect<void, WsaError.ErrorOf<"shutdown">>>()
    expect(Winsock.closesocket(s)).type.toBe<Effect.Effect<void, WsaError.ErrorOf<"closesocket">>>()
    expect(Winsock.getsockname(s)).type.toBe<
      Effect.Effect<SocketAddress.SocketAddress, WsaError.ErrorOf<"getsockname">>
    >()
    expect(Winsock.getpeername(s)).type.toBe<
      Effect.Effect<SocketAddress.SocketAddress, WsaError.ErrorOf<"getpeername">>
    >()
    expect(Winsock.getsockopt(s, SocketOption.SO_TYPE)).type.toBe<
      Effect.Effect<"stream" | "datagram", WsaError.ErrorOf<"getsockopt">>
    >()
    expect(Winsock.setsockopt(s, SocketOption.SO_LINGER, { l_onoff: true, l_linger: 1 })).type.toBe<
      Effect.Effect<void, WsaError.ErrorOf<"setsockopt">>
    >()
    expect(Winsock.setsockopt(s, SocketOption.SO_BROADCAST, true)).type.toBe<
      Effect.Effect<void, WsaError.ErrorOf<"setsockopt">>
    >()
    expect(Winsock.ioctlsocket(s, "FIONBIO", true)).type.toBe<
      Effect.Effect<void, WsaError.ErrorOf<"ioctlsocket">>
    >()
  })

  it("makes a socket from a row, where family and type may be absent, and from nothing else", () => {
    const protocolInfo = hole<ProtocolInfo.ProtocolInfo>()
    expect(Winsock.WSASocket({ protocolInfo })).type.toBe<
      Effect.Effect<Winsock.Socket, WsaError.ErrorOf<"WSASocket">, Winsock.Winsock | Scope.Scope>
    >()
    expect(Winsock.WSASocket).type.toBeCallableWith({ family: "IPv4", type: "stream", flags: 1 })
    expect(Winsock.WSASocket).type.not.toBeCallableWith({ family: "IPv4" })
    expect(Winsock.WSAEnumProtocols).type.toBe<
      Effect.Effect<ReadonlyArray<ProtocolInfo.ProtocolInfo>, WsaError.ErrorOf<"WSAEnumProtocols">, Winsock.Winsock>
    >()
  })

  it("types each command of ioctlsocket and each code of WSAIoctl by itself", () => {
    const qos = hole<Qos.Qos>()
    expect(Winsock.ioctlsocket(s, "FIONREAD")).type.toBe<Effect.Effect<number, WsaError.ErrorOf<"ioctlsocket">>>()
    expect(Winsock.ioctlsocket(s, "SIOCATMARK")).type.toBe<Effect.Effect<boolean, WsaError.ErrorOf<"ioctlsocket">>>()
    expect(Winsock.ioctlsocket).type.not.toBeCallableWith(s, "FIONBIO")
    expect(Winsock.ioctlsocket).type.not.toBeCallableWith(s, "FIONREAD", true)
    expect(Winsock.WSAIoctl(s, "SIO_SET_QOS", qos)).type.toBe<Effect.Effect<void, WsaError.ErrorOf<"WSAIoctl">>>()
    expect(Winsock.WSAIoctl(s, "SIO_GET_GROUP_QOS")).type.toBe<
      Effect.Effect<Qos.Qos | undefined, WsaError.ErrorOf<"WSAIoctl">>
    >()
    expect(Winsock.WSAIoctl).type.not.toBeCallableWith(s, "SIO_SET_QOS")
    expect(Winsock.WSAIoctl).type.not.toBeCallableWith(s, "SIO_GET_QOS", qos)
    expect(Winsock.WSAIoctl).type.not.toBeCallableWith(s, "SIO_RCVALL")
  })

  it("requires the layer and a scope to make a socket, and a scope to accept one", () => {
    const made = Winsock.socket({ family: "IPv4", type: "stream" })
    expect(made).type.toBe<
      Effect.Effect<Winsock.Socket, WsaError.ErrorOf<"socket">, Winsock.Winsock | Scope.Scope>
    >()
    expect(Winsock.accept(s)).type.toBe<
      Effect.Effect<Winsock.Accepted, WsaError.ErrorOf<"accept">, Scope.Scope>
    >()
    expect(Effect.runPromise).type.not.toBeCallableWith(Effect.scoped(made))
  })

  it("gives the calls that ask for readiness the failures of their rows, and no requirement beside what they are given", () => {
    expect(Winsock.select({ read: [s], timeout: "1 second" })).type.toBe<
      Effect.Effect<Winsock.Selected, WsaError.ErrorOf<"select">>
    >()
    expect(Winsock.WSASetEvent(event)).type.toBe<Effect.Effect<void, WsaError.ErrorOf<"WSASetEvent">>>()
    expect(Winsock.WSAResetEvent(event)).type.toBe<Effect.Effect<void, WsaError.ErrorOf<"WSAResetEvent">>>()
    expect(Winsock.WSACloseEvent(event)).type.toBe<Effect.Effect<void, WsaError.ErrorOf<"WSACloseEvent">>>()
    expect(Winsock.WSAWaitForMultipleEvents([event], { waitAll: true, timeout: 5 })).type.toBe<
      Effect.Effect<Option.Option<number>, WsaError.ErrorOf<"WSAWaitForMultipleEvents">>
    >()
    expect(Winsock.WSAEventSelect(s, event, NetworkEvent.FD_READ)).type.toBe<
      Effect.Effect<void, WsaError.ErrorOf<"WSAEventSelect">>
    >()
    expect(Winsock.WSAEnumNetworkEvents(s, event)).type.toBe<
      Effect.Effect<NetworkEvent.NetworkEvents, WsaError.ErrorOf<"WSAEnumNetworkEvents">>
    >()
  })

  it("requires the layer and a scope to make an event object, and a scope to be told by messages", () => {
    expect(Winsock.WSACreateEvent).type.toBe<
      Effect.Effect<Winsock.WSAEvent, WsaError.ErrorOf<"WSACreateEvent">, Winsock.Winsock | Scope.Scope>
    >()
    expect(Winsock.WSAAsyncSelect(s, NetworkEvent.FD_READ)).type.toBe<
      Effect.Effect<
        Stream.Stream<NetworkEvent.NetworkMessage<Winsock.Socket>>,
        WsaError.ErrorOf<"WSAAsyncSelect">,
        Scope.Scope
      >
    >()
    expect(Effect.runPromise).type.not.toBeCallableWith(Effect.scoped(Winsock.WSACreateEvent))
  })

  it("lets nobody catch what waiting for readiness cannot end with", () => {
    expect<Extract<WsaError.ErrorOf<"select">["_tag"], "WSAETIMEDOUT" | "WSAEWOULDBLOCK">>().type.toBe<never>()
    expect<Extract<WsaError.ErrorOf<"WSAWaitForMultipleEvents">["_tag"], "WSAETIMEDOUT" | "WSAEINVAL">>()
      .type.toBe<never>()
    const refused = () => Effect.succeed(1)
    expect(Effect.catchTag).type.toBeCallableWith(Winsock.select({ read: [s] }), "WSAENOTSOCK", refused)
    expect(Effect.catchTag).type.not.toBeCallableWith(Winsock.select({ read: [s] }), "WSAETIMEDOUT", refused)
  })

  it("tells an attempt's failures with FD_CONNECT, a connection's with FD_CLOSE, a reservation's with FD_QOS", () => {
    expect<Required<NetworkEvent.Errors>["FD_CONNECT"]>().type.toBe<WsaError.ErrorOf<"connectResult">>()
    expect<Required<NetworkEvent.Errors>["FD_CLOSE"]>().type.toBe<WsaError.ErrorOf<"recv">>()
    expect<Required<NetworkEvent.Errors>["FD_QOS"]>().type.toBe<
      | WsaError.WSA_QOS_REQUEST_CONFIRMED
      | WsaError.WSA_QOS_ADMISSION_FAILURE
      | WsaError.WSA_QOS_POLICY_FAILURE
    >()
    expect<keyof NetworkEvent.Errors>().type.toBe<"FD_CONNECT" | "FD_CLOSE" | "FD_QOS" | "FD_GROUP_QOS">()
  })

  it("waits for sockets and event objects, and takes neither for the other", () => {
    expect(Winsock.select).type.not.toBeCallableWith({ read: [event] })
    expect(Winsock.WSAWaitForMultipleEvents).type.not.toBeCallableWith([s])
    expect(Winsock.WSAEventSelect).type.toBeCallableWith(s, null, 0)
    expect(Winsock.WSAEventSelect).type.not.toBeCallableWith(s, event, "FD_READ")
  })

  it("gives WSAAccept the failures and the needs of its condition", () => {
    expect(Winsock.WSAAccept(s)).type.toBe<
      Effect.Effect<Winsock.Accepted, WsaError.ErrorOf<"WSAAccept">, Scope.Scope>
    >()
    const refused = hole<Effect.Effect<Winsock.ConditionAnswer, "closed", "Policy">>()
    expect(Winsock.WSAAccept(s, () => refused)).type.toBe<
      Effect.Effect<Winsock.Accepted, WsaError.ErrorOf<"WSAAccept"> | "closed", "Policy" | Scope.Scope>
    >()
    // Each constant keeps its own type, also where it is returned in the middle of a generator.
    const generated = Winsock.WSAAccept(s, ({ remote }) =>
      Effect.gen(function*() {
        if (remote._tag === "UnixPathAddress") return Winsock.CF_REJECT
        yield* Effect.void
        return Winsock.CF_ACCEPT
      }))
    expect(generated).type.toBe<
      Effect.Effect<Winsock.Accepted, WsaError.ErrorOf<"WSAAccept">, Scope.Scope>
    >()
    const answering = <A>(answer: A) => () => Effect.succeed(answer)
    expect(Winsock.WSAAccept).type.toBeCallableWith(s, answering({ verdict: Winsock.CF_ACCEPT, calleeData: bytes }))
    expect(Winsock.WSAAccept).type.not.toBeCallableWith(s, answering({ verdict: Winsock.CF_REJECT, calleeData: bytes }))
    expect(Winsock.WSAAccept).type.not.toBeCallableWith(s, answering("yes" as const))
    expect(Winsock.WSAAccept).type.not.toBeCallableWith(s, answering(3 as const))
  })

  it("gives start-up, clean-up and cancelling the failures of their rows", () => {
    expect(Winsock.WSAStartup(Winsock.MAKEWORD(2, 2))).type.toBe<
      Effect.Effect<Winsock.WSAData, WsaError.ErrorOf<"WSAStartup">, Winsock.Winsock>
    >()
    expect(Winsock.WSACleanup).type.toBe<Effect.Effect<void, WsaError.ErrorOf<"WSACleanup">, Winsock.Winsock>>()
    expect(Winsock.WSACancelBlockingCall).type.toBe<
      Effect.Effect<void, WsaError.ErrorOf<"WSACancelBlockingCall">, Winsock.Winsock>
    >()
    expect<Extract<WsaError.ErrorOf<"WSACancelBlockingCall">["_tag"], "WSAEINPROGRESS">>().type.toBe<never>()
    expect<Extract<WsaError.ErrorOf<"WSAStartup">["_tag"], "WSAVERNOTSUPPORTED">>().type.toBe<"WSAVERNOTSUPPORTED">()
  })

  it("takes a group when a socket is made, and lets its priority be set, not the group", () => {
    expect(Winsock.socket).type.toBeCallableWith({
      family: "IPv4",
      type: "stream",
      group: Winsock.SG_CONSTRAINED_GROUP
    })
    expect(Winsock.socket).type.not.toBeCallableWith({ family: "IPv4", type: "stream", group: "mine" })
    expect(Winsock.setsockopt).type.toBeCallableWith(s, SocketOption.SO_GROUP_PRIORITY, 1)
    expect(Winsock.setsockopt).type.not.toBeCallableWith(s, SocketOption.SO_GROUP_ID, 1)
  })

  it("lets nobody catch a code that the call cannot end with", () => {
    const connect = Winsock.WSAConnect(s, "127.0.0.1:1")
    expect(
      connect.pipe(Effect.catchTag("WSAECONNREFUSED", () => Effect.succeed(1)))
    ).type.toBe<
      Effect.Effect<
        number | Winsock.Connected,
        Exclude<WsaError.ErrorOf<"WSAConnect">, WsaError.WSAECONNREFUSED>
      >
    >()
    expect<Extract<WsaError.ErrorOf<"WSAConnect">["_tag"], "WSAEMSGSIZE" | "WSAESHUTDOWN">>().type.toBe<never>()
    const handler = { WSAECONNREFUSED: () => Effect.succeed(1) }
    expect(Effect.catchTags(connect, handler)).type.toBe<
      Effect.Effect<
        number | Winsock.Connected,
        Exclude<WsaError.ErrorOf<"WSAConnect">, WsaError.WSAECONNREFUSED>
      >
    >()
    expect(Effect.catchTag(connect, "WSAECONNREFUSED", handler.WSAECONNREFUSED)).type.toBe<
      Effect.Effect<
        number | Winsock.Connected,
        Exclude<WsaError.ErrorOf<"WSAConnect">, WsaError.WSAECONNREFUSED>
      >
    >()
    expect(Effect.catchTag).type.toBeCallableWith(connect, "WSAECONNREFUSED", handler.WSAECONNREFUSED)
    expect(Effect.catchTag).type.not.toBeCallableWith(connect, "WSAEMSGSIZE", handler.WSAECONNREFUSED)
  })

  it("lets nobody set an option that can only be read, or to a value of another type", () => {
    expect(Winsock.setsockopt).type.not.toBeCallableWith(s, SocketOption.SO_TYPE, "stream")
    expect(Winsock.setsockopt).type.not.toBeCallableWith(s, SocketOption.SO_BROADCAST, "yes")
    expect(Winsock.setsockopt).type.not.toBeCallableWith(s, SocketOption.SO_LINGER, 0)
    expect(Winsock.setsockopt).type.not.toBeCallableWith(s, SocketOption.SO_RCVTIMEO, "1 second")
    expect(Winsock.setsockopt).type.not.toBeCallableWith(s, SocketOption.SO_PROTOCOL_INFO, {})
  })

  it("takes only the families and types that there are", () => {
    expect(Winsock.socket).type.not.toBeCallableWith({ family: "AppleTalk", type: "stream" })
    expect(Winsock.socket).type.not.toBeCallableWith({ family: "IPv4", type: "raw" })
  })
})
