/**
 * Talks to a proxy over a connection to it, until the way to the target is open.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Host from "effect/net/Host"
import type * as NetAddress from "effect/net/NetAddress"
import * as Redacted from "effect/Redacted"
import type * as Connection from "../Connection.ts"
import type { Target } from "../Connector.ts"
import * as Proxy from "../Proxy.ts"
import * as SocketAddress from "../SocketAddress.ts"
import * as WsaError from "../WsaError.ts"
import { Conversation } from "./conversation.ts"
import * as HttpConnect from "./httpConnect.ts"
import { Silent } from "./instance.ts"
import * as Answers from "./proxyAnswers.ts"
import * as Socks5 from "./socks5.ts"
import * as Text from "./text.ts"
import { brokenAt } from "./transport.ts"

/** What a proxy is asked for. */
export interface Destination {
  readonly host: NetAddress.IpAddress | Host.DomainName
  readonly port: number
  /** Where it is known: what errors name. */
  readonly address: SocketAddress.SocketAddress | undefined
}

/** Why a proxy cannot be asked for a target: what a connect of our own would say of it. */
const unaskable = (
  code: "WSAEADDRNOTAVAIL" | "WSAEAFNOSUPPORT",
  detail: string,
  remote: SocketAddress.SocketAddress | undefined
) => Effect.fail(WsaError.make(code, { call: "WSAConnect", stage: "request", detail, remote }))

const zone = "the zone of an address means nothing to a proxy"

/** What a proxy is asked for to reach a target. */
export const destinationOf = (
  target: Target
): Effect.Effect<Destination, WsaError.WSAEADDRNOTAVAIL | WsaError.WSAEAFNOSUPPORT> => {
  const address = target._tag === "Endpoint" ? target.address : undefined
  if (target._tag === "Named") {
    const { host, port } = target.origin
    if (port === 0) return unaskable("WSAEADDRNOTAVAIL", "port 0 names no peer", address)
    if (typeof host !== "string" || Host.isDomainName(host)) return Effect.succeed({ host, port, address })
    return unaskable("WSAEADDRNOTAVAIL", zone, address)
  }
  const { address: to } = target
  if (to._tag === "UnixPathAddress") {
    return unaskable("WSAEAFNOSUPPORT", "no proxy reaches a Unix-domain socket", address)
  }
  if (SocketAddress.isUnspecified(to)) {
    return unaskable("WSAEADDRNOTAVAIL", "the all-zero address names no peer", address)
  }
  if (to.port === 0) return unaskable("WSAEADDRNOTAVAIL", "port 0 names no peer", address)
  if (to._tag === "InetAddressV6" && to.scopeId !== 0) return unaskable("WSAEADDRNOTAVAIL", zone, address)
  return Effect.succeed({ host: to.address, port: to.port, address })
}

/** A conversation with one proxy. */
class Talk<E0> extends Conversation<E0, Proxy.ProxyError> {
  private readonly remote: SocketAddress.SocketAddress
  private readonly destination: Destination
  private readonly name: string

  constructor(connection: Connection.Connection<E0>, destination: Destination, name: string) {
    super(connection, {
      broken: (error) => brokenAt("proxy", error, `while talking to ${name}`),
      endedEarly: () =>
        WsaError.make("WSAECONNRESET", {
          call: "WSAConnect",
          stage: "proxy",
          local: connection.local,
          remote: connection.remote,
          detail: `${name} has closed the connection before it answered`
        }),
      wrong: (why) => this.protocol(why)
    })
    this.remote = connection.remote
    this.destination = destination
    this.name = name
  }

  private about(detail: string) {
    return { proxy: this.name, detail, remote: this.remote }
  }

  protocol(why: string): Proxy.ProxyProtocol {
    return new Proxy.ProxyProtocol(this.about(why))
  }

  refused(refusal: Answers.Refusal): Proxy.ProxyError {
    const { words } = refusal
    switch (refusal._tag) {
      case "Code":
        return WsaError.make(refusal.code, {
          call: "WSAConnect",
          stage: "proxy",
          remote: this.destination.address,
          detail: `the proxy ${this.name} says: ${words}`
        })
      case "Failure": {
        const { retryAfter, retryClass } = refusal
        return new Proxy.ProxyFailure({
          ...this.about(words),
          retryClass,
          ...(retryAfter === undefined ? undefined : { retryAfter: Duration.seconds(retryAfter) })
        })
      }
      case "Authentication":
        return new Proxy.ProxyAuthenticationRequired(this.about(words))
      case "Protocol":
        return this.protocol(words)
    }
  }
}

const loggedIn = <E0>(talk: Talk<E0>, { password, username }: Proxy.Credentials) =>
  Effect.gen(function*() {
    yield* talk.say(Socks5.encodeLogin(Text.encode(username), Text.encode(Redacted.value(password))))
    const verdict = yield* talk.hear(Socks5.decodeVerdict, Socks5.maximumLength)
    if (verdict === 0) return
    const words = `user and password are not the right ones (${verdict})`
    return yield* Effect.fail(talk.refused({ _tag: "Authentication", words }))
  })

const throughSocks5 = <E0>(talk: Talk<E0>, { credentials }: Proxy.Socks5, { host, port }: Destination) =>
  Effect.gen(function*() {
    const { none, nothing, password } = Socks5.Method
    const methods: ReadonlyArray<number> = credentials === undefined ? [none] : [none, password]
    yield* talk.say(Socks5.encodeGreeting(methods))
    const method = yield* talk.hear(Socks5.decodeChoice, Socks5.maximumLength)
    if (method === nothing) {
      const words = `it takes no caller ${credentials === undefined ? "without" : "with"} user and password`
      return yield* Effect.fail(talk.refused({ _tag: "Authentication", words }))
    }
    if (!methods.includes(method)) return yield* Effect.fail(talk.protocol(`it chose method ${method}, not offered`))
    if (credentials !== undefined && method === password) yield* loggedIn(talk, credentials)
    yield* talk.say(Socks5.encodeConnect(host, port))
    const { code } = yield* talk.hear(Socks5.decodeReply, Socks5.maximumLength)
    if (code !== 0) return yield* Effect.fail(talk.refused(Answers.ofSocks5(code)))
  })

const throughHttp = <E0>(talk: Talk<E0>, { credentials, headers }: Proxy.Http, { host, port }: Destination) =>
  Effect.gen(function*() {
    const authorization = credentials &&
      `Basic ${Base64.encode(`${credentials.username}:${Redacted.value(credentials.password)}`)}`
    const authority = Host.formatHostPort(Host.hostPortUnsafe(host, port))
    const fields = Object.entries(headers).map(([name, value]) => ({ name, value }))
    yield* talk.say(HttpConnect.encodeRequest({ authority, authorization, fields }))
    const response = yield* talk.hear(HttpConnect.responseDecoder(), HttpConnect.defaultBound)
    const refusal = Answers.ofHttp(response)
    if (refusal !== undefined) return yield* Effect.fail(talk.refused(refusal))
  })

/** Connects to a proxy, which expects nothing of a carrier's. */
export const silently = <A, E, R>(connect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(connect, Silent, true)

/** Opens the way to a destination over a connection to a proxy, and gives it: bytes that came early are read first. */
export const opened = <E0>(
  connection: Connection.Connection<E0>,
  proxy: Proxy.Hop,
  destination: Destination
): Effect.Effect<Connection.Connection<E0>, E0 | Proxy.ProxyError> =>
  Effect.suspend(() => {
    const talk = new Talk(connection, destination, Proxy.format(proxy))
    const through = proxy._tag === "Socks5"
      ? throughSocks5(talk, proxy, destination)
      : throughHttp(talk, proxy, destination)
    return Effect.map(through, () => talk.done())
  })
