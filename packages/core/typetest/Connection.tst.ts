import type { Winsock, WsaError } from "@effect-winsock/core"
import { Connection, ConnectionServer, Connector } from "@effect-winsock/core"
import type { Effect, Scope, Sink, Stream } from "effect"
import type { Socket, SocketServer } from "effect/socket"
import { describe, expect, it } from "tstyche"

declare const hole: <A>() => A

type BadRecord = { readonly _tag: "BadRecord" }

const plain = hole<Connection.Connection>()
const secured = hole<Connection.Connection<BadRecord>>()

describe("Connection", () => {
  it("waits: neither reading nor writing fails with WSAEWOULDBLOCK, and all else that recv and send do is there", () => {
    expect<Connection.ReadError>().type.toBe<Exclude<WsaError.RecvError, WsaError.WSAEWOULDBLOCK>>()
    expect<Connection.WriteError>().type.toBe<Exclude<WsaError.SendError, WsaError.WSAEWOULDBLOCK>>()
    expect<WsaError.WSAEWOULDBLOCK>().type.not.toBeAssignableTo<Connection.ReadError | Connection.WriteError>()
  })

  it("fails with what it can fail with beyond a socket, and a plain one is one of those too", () => {
    expect(secured.read).type.toBe<Effect.Effect<Uint8Array, Connection.ReadError | BadRecord>>()
    expect(secured.closed).type.toBe<Effect.Effect<Connection.CloseReason<BadRecord>>>()
    expect(plain).type.toBeAssignableTo<Connection.Connection<BadRecord>>()
    expect(secured).type.not.toBeAssignableTo<Connection.Connection>()
  })

  it("over another one it fails with what the new ways fail with", () => {
    expect(Connection.over(plain, { write: (bytes) => plain.write(bytes) })).type.toBe<Connection.Connection>()
    expect(Connection.over(secured, { write: (bytes) => plain.write(bytes) })).type.toBe<
      Connection.Connection<BadRecord>
    >()
    expect(Connection.over(plain, { read: secured.read, end: hole<Effect.Effect<void, "late">>() })).type.toBe<
      Connection.Connection<BadRecord | "late">
    >()
  })

  it("its streams fail as it does", () => {
    expect(Connection.stream(secured)).type.toBe<Stream.Stream<Uint8Array, Connection.ReadError | BadRecord>>()
    expect(Connection.sink(plain)).type.toBe<Sink.Sink<void, Uint8Array, never, Connection.EndError>>()
    expect(Connection.relay(plain, secured)).type.toBe<
      Effect.Effect<void, Connection.ReadError | Connection.EndError | BadRecord>
    >()
  })
})

describe("effect's sockets", () => {
  it("need what the connector needs", () => {
    expect(Connector.toSocket(Connector.winsock, "127.0.0.1:80")).type.toBe<
      Effect.Effect<Socket.Socket, never, Winsock.Winsock>
    >()
    expect(Connector.winsock.pipe(Connector.toSocket("127.0.0.1:80"))).type.toBe<
      Effect.Effect<Socket.Socket, never, Winsock.Winsock>
    >()
    expect(Connection.toSocket(secured)).type.toBe<Effect.Effect<Socket.Socket>>()
    expect(Connector.toSocket).type.not.toBeCallableWith(Connector.winsock, 80)
  })
})

describe("ConnectionServer", () => {
  it("needs what preparing its listener needs, and fails as that does", () => {
    const options = hole<ConnectionServer.Options<"prepare", "needed">>()
    expect(ConnectionServer.make(options)).type.toBe<
      Effect.Effect<
        ConnectionServer.Server,
        ConnectionServer.OpenError | "prepare",
        "needed" | Winsock.Winsock | Scope.Scope
      >
    >()
  })

  it("gives each handler a scope, runs for ever, and ends by no failure of a handler", () => {
    const handler = hole<(connection: Connection.Connection) => Effect.Effect<1, "lost", "needed" | Scope.Scope>>()
    expect(hole<ConnectionServer.Server>().run(handler)).type.toBe<
      Effect.Effect<never, ConnectionServer.AcceptError, "needed">
    >()
    expect<WsaError.WSAEMFILE>().type.not.toBeAssignableTo<ConnectionServer.AcceptError>()
  })

  it("is effect's SocketServer", () => {
    expect(ConnectionServer.toSocketServer(hole<ConnectionServer.Server>())).type.toBe<
      SocketServer.SocketServer["Service"]
    >()
  })
})
