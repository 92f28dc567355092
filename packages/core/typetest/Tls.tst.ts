import { type Connection, Connector, type Tls, type Winsock } from "@effect-winsock/core"
import { describe, expect, it } from "tstyche"

declare const hole: <A>() => A

type Inner = Connection.Connection<"broken">

describe("Tls", () => {
  it("a step adds what a handshake fails with, and what the connection beneath can", () => {
    const plain = hole<Connector.Connector<"target", Inner, "refused", "needed">>()
    expect(plain.pipe(Connector.tls())).type.toBe<
      Connector.Connector<
        "target",
        Tls.TlsConnection<"broken">,
        "refused" | "broken" | Tls.HandshakeError,
        "needed" | Tls.Tls
      >
    >()
  })

  it("a step over a socket has the codes of WSAConnect, once", () => {
    expect(Connector.winsock.pipe(Connector.tls({ alpn: ["h2"] }))).type.toBe<
      Connector.Connector<
        Connector.EndpointInput,
        Tls.TlsConnection,
        | Connector.ConnectError
        | Tls.TlsUntrusted
        | Tls.TlsExpired
        | Tls.TlsNameMismatch
        | Tls.TlsProtocol
        | Tls.TlsAlert
        | Tls.TlsBadOption,
        Winsock.Winsock | Tls.Tls
      >
    >()
  })

  it("what is done over it can fail as the connection beneath can, and as TLS can", () => {
    const connection = hole<Tls.TlsConnection<"broken">>()
    expect(connection.read).type.toBeAssignableTo<Connection.Connection<"broken" | Tls.StreamError>["read"]>()
    expect<Tls.StreamError["_tag"]>().type.toBe<"TlsAlert" | "TlsProtocol" | "TlsTruncated">()
  })

  it("a server needs an identity, and a key is hidden", () => {
    expect<{}>().type.not.toBeAssignableTo<Tls.AcceptOptions>()
    expect<{ cert: string; key: string }>().type.not.toBeAssignableTo<Tls.Identity>()
  })
})
