import { type Connection, Connector, Proxy, type SocketAddress, type Winsock } from "@effect-winsock/core"
import type { Redacted } from "effect"
import type { Host } from "effect/net"
import { describe, expect, it } from "tstyche"

declare const hole: <A>() => A

type Inner = Connection.Connection<"broken">
type Through<E> = Connector.Connector<Connector.TargetInput, Inner, E | "broken" | Proxy.ProxyError, "needed">

const at = Proxy.socks5({ address: "127.0.0.1:1080" })
const named = Proxy.http({ host: "proxy.test:3128" })

describe("Proxy", () => {
  it("says whether it is at an address, or has a name", () => {
    expect(at).type.toBe<Proxy.Socks5<SocketAddress.SocketAddress>>()
    expect(named).type.toBe<Proxy.Http<Host.HostPort>>()
    expect(Proxy.chain(at, named)).type.toBe<Proxy.Chain<SocketAddress.SocketAddress>>()
    expect(Proxy.chain(named, at)).type.toBe<Proxy.Chain<Host.HostPort>>()
  })

  it("is at one place, and its password is hidden", () => {
    expect(Proxy.socks5).type.not.toBeCallableWith({})
    expect(Proxy.socks5).type.not.toBeCallableWith({ address: "127.0.0.1:1", host: "proxy.test:1" })
    expect<Proxy.Credentials["password"]>().type.toBe<Redacted.Redacted>()
  })

  it("a step adds what a proxy can fail with, and what the connection to it can", () => {
    const plain = hole<Connector.Connector<Connector.Target, Inner, "refused", "needed">>()
    expect(plain.pipe(Connector.via(at))).type.toBe<Through<"refused">>()
    expect(plain.pipe(Connector.via(named))).type.toBe<Through<"refused">>()
    expect(plain.pipe(Connector.via(Proxy.chain(at, named)))).type.toBe<Through<"refused">>()
    expect(plain.pipe(Connector.via(Proxy.rules(at)))).type.toBe<Through<"refused">>()
    expect(Connector.via(plain, named)).type.toBe<Through<"refused">>()
    expect(Connector.via(plain, Proxy.rules(at))).type.toBe<Through<"refused">>()
  })

  it("a proxy with a name needs a connector that looks names up, and so do rules", () => {
    expect(Connector.winsock.pipe).type.toBeCallableWith(Connector.via(at))
    expect(Connector.winsock.pipe).type.not.toBeCallableWith(Connector.via(named))
    expect(Connector.winsock.pipe).type.not.toBeCallableWith(Connector.via(Proxy.rules(at)))
    expect(Connector.winsock.pipe).type.toBeCallableWith(Connector.via(at), Connector.via(named))
    const resolving = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.resolve())
    expect(resolving.pipe).type.toBeCallableWith(Connector.via(named))
  })

  it("can stand before a race, and after the looking up", () => {
    const through = Connector.winsock.pipe(Connector.via(at))
    expect(through).type.toBe<
      Connector.Connector<
        Connector.TargetInput,
        Connection.Connection,
        Connector.ConnectError | Proxy.ProxyError,
        Winsock.Winsock
      >
    >()
    expect(through.pipe).type.toBeCallableWith(Connector.happyEyeballs())
  })

  it("has the codes that proxies report, and what no code says", () => {
    type Reported =
      | "WSAEACCES"
      | "WSAEOPNOTSUPP"
      | "WSAEAFNOSUPPORT"
      | "WSAENETUNREACH"
      | "WSAECONNRESET"
      | "WSAETIMEDOUT"
      | "WSAECONNREFUSED"
      | "WSAELOOP"
      | "WSAEHOSTUNREACH"
      | "WSAHOST_NOT_FOUND"
      | "WSATRY_AGAIN"
    expect<Reported | "ProxyFailure" | "ProxyAuthenticationRequired" | "ProxyProtocol">().type.toBeAssignableTo<
      Proxy.ProxyError["_tag"]
    >()
    expect<"WSAEISCONN">().type.not.toBeAssignableTo<Proxy.ProxyError["_tag"]>()
    expect<"WSAEWOULDBLOCK">().type.not.toBeAssignableTo<Proxy.ProxyError["_tag"]>()
  })
})
