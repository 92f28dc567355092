/**
 * Small proxies, and peers that behave as badly as they are told to, over the calls: live, in memory and simulated alike.
 */
import {
  Connection,
  Connector,
  Proxy,
  SocketAddress,
  SocketOption,
  Tls,
  Winsock,
  type WsaError
} from "@effect-winsock/core"
import { type Cause, Effect, Exit, type Scope } from "effect"

export const utf8 = (text: string) => new TextEncoder().encode(text)
export const textOf = (bytes: Iterable<number>) => new TextDecoder().decode(Uint8Array.from(bytes))

/** Listens, and does something with every caller, each in a fiber of its own, for as long as the scope lasts. */
export const serve = <E, R>(
  address: SocketAddress.Input,
  f: (caller: Connection.Connection) => Effect.Effect<unknown, E, R>
) =>
  Effect.gen(function*() {
    const family = SocketAddress.familyOf(SocketAddress.fromInputUnsafe(address))
    const listener = yield* Winsock.socket({ family, type: "stream" })
    yield* Winsock.bind(listener, address)
    yield* Winsock.listen(listener)
    const one = Effect.gen(function*() {
      const accepted = yield* Winsock.accept(listener)
      yield* Effect.forkScoped(
        Effect.ignore(f(Connection.fromAccepted(accepted))).pipe(
          Effect.andThen(Effect.ignore(Winsock.closesocket(accepted.socket)))
        )
      )
    })
    yield* Effect.forkScoped(Effect.forever(one))
    return yield* Winsock.getsockname(listener)
  })

/** Reads so many bytes, and keeps what comes behind them. */
export class Reader {
  private rest: Uint8Array = new Uint8Array(0)
  private readonly connection: Connection.Connection<any>
  constructor(connection: Connection.Connection<any>) {
    this.connection = connection
  }
  private more(): Effect.Effect<void, unknown> {
    return Effect.flatMap(this.connection.read, (bytes) => {
      this.rest = Uint8Array.from([...this.rest, ...bytes])
      return bytes.length === 0 ? Effect.fail(ended) : Effect.void
    })
  }
  exactly(length: number): Effect.Effect<Uint8Array, unknown> {
    return Effect.suspend(() => {
      if (this.rest.length < length) return Effect.andThen(this.more(), this.exactly(length))
      const taken = this.rest.slice(0, length)
      this.rest = this.rest.slice(length)
      return Effect.succeed(taken)
    })
  }
  /** A text up to and with what ends it. */
  until(end: string): Effect.Effect<string, unknown> {
    return Effect.suspend(() => {
      const at = textOf(this.rest).indexOf(end)
      if (at < 0) return Effect.andThen(this.more(), this.until(end))
      return Effect.map(this.exactly(at + end.length), textOf)
    })
  }
  left(): Uint8Array {
    return this.rest
  }
}

const ended = "it has ended"

const copied = (from: Connection.Connection<any>, to: Connection.Connection<any>): Effect.Effect<void, unknown> =>
  Effect.flatMap(
    from.read,
    (bytes) => bytes.length === 0 ? to.end : Effect.andThen(to.write(bytes), copied(from, to))
  )

/** Hands on what comes from either until both have ended. */
const joined = (one: Connection.Connection<any>, other: Connection.Connection<any>) =>
  Effect.all([copied(one, other), copied(other, one)], { concurrency: 2, discard: true })

/** Whom a proxy has connected to, and how: what it was asked for, in the order in which it was. */
export type Log = Array<string>

export interface ProxyOptions {
  readonly log?: Log
  /** The names that the proxy knows. */
  readonly names?: { readonly [name: string]: SocketAddress.Input }
  /** Those that may call; everybody where there are none. */
  readonly user?: readonly [username: string, password: string]
  /** Bytes that go with the answer, before those of the target. */
  readonly early?: string
  /** What is done with a caller before it is listened to, such as a handshake. */
  readonly greets?: (
    caller: Connection.Connection
  ) => Effect.Effect<Connection.Connection<any>, unknown, Scope.Scope>
}

const itself = (caller: Connection.Connection): Effect.Effect<Connection.Connection<any>> => Effect.succeed(caller)

const found = (asked: string, { log, names = {} }: ProxyOptions): SocketAddress.Input | undefined => {
  log?.push(asked)
  const colon = asked.lastIndexOf(":")
  const host = asked.slice(0, colon)
  const address = /^[\d.]+$|^\[/.test(host) ? asked : names[host]
  return address === undefined ? undefined : SocketAddress.fromInputUnsafe(address)
}

const socksReplies: { readonly [code: string]: number } = {
  WSAEACCES: 2,
  WSAENETUNREACH: 3,
  WSAEHOSTUNREACH: 4,
  WSAECONNREFUSED: 5,
  WSAETIMEDOUT: 6
}

/** A SOCKS5 proxy. */
export const socksProxy = (
  address: SocketAddress.Input,
  options: ProxyOptions = {}
): Effect.Effect<SocketAddress.SocketAddress, WsaError.WsaError, Winsock.Winsock | Scope.Scope> =>
  serve(address, (bare) =>
    Effect.gen(function*() {
      const caller = yield* (options.greets ?? itself)(bare)
      const reader = new Reader(caller)
      const [, count] = yield* reader.exactly(2)
      const methods = yield* reader.exactly(count!)
      const method = options.user === undefined ? 0 : 2
      if (!methods.includes(method)) return yield* caller.write(Uint8Array.of(5, 0xff))
      yield* caller.write(Uint8Array.of(5, method))
      if (options.user !== undefined) {
        const [, length] = yield* reader.exactly(2)
        const username = textOf(yield* reader.exactly(length!))
        const password = textOf(yield* reader.exactly((yield* reader.exactly(1))[0]!))
        const right = username === options.user[0] && password === options.user[1]
        yield* caller.write(Uint8Array.of(1, right ? 0 : 1))
        if (!right) return
      }
      const [, command, , type] = yield* reader.exactly(4)
      const host = type === 1
        ? (yield* reader.exactly(4)).join(".")
        : type === 3
        ? textOf(yield* reader.exactly((yield* reader.exactly(1))[0]!))
        : `[${groups(yield* reader.exactly(16))}]`
      const [high, low] = yield* reader.exactly(2)
      const refuse = (reply: number) => caller.write(Uint8Array.of(5, reply, 0, 1, 0, 0, 0, 0, 0, 0))
      if (command !== 1) return yield* refuse(7)
      const to = found(`${host}:${high! * 256 + low!}`, options)
      if (to === undefined) return yield* refuse(4)
      const exit = yield* Effect.exit(Connector.winsock.connect(to))
      if (Exit.isFailure(exit)) return yield* refuse(socksReplies[tagOf(exit)] ?? 1)
      const answer = Uint8Array.of(5, 0, 0, 1, 192, 0, 2, 1, 4, 0)
      yield* caller.write(Uint8Array.from([...answer, ...utf8(options.early ?? "")]))
      yield* exit.value.write(reader.left())
      yield* joined(caller, exit.value)
    }).pipe(Effect.scoped))

const groups = (bytes: Uint8Array): string =>
  Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! * 256 + bytes[2 * i + 1]!).toString(16)).join(":")

const tagOf = (exit: Exit.Failure<unknown, { readonly _tag: string }>): string =>
  Exit.match(exit, { onSuccess: () => "", onFailure: (cause) => firstTag(cause) })

const firstTag = (cause: Cause.Cause<{ readonly _tag: string }>): string =>
  cause.reasons.flatMap((reason) => reason._tag === "Fail" ? [reason.error._tag] : [])[0] ?? ""

const tokens: { readonly [code: string]: readonly [status: number, token: string] } = {
  WSAEACCES: [403, "destination_ip_prohibited"],
  WSAENETUNREACH: [502, "destination_ip_unroutable"],
  WSAEHOSTUNREACH: [502, "destination_ip_unroutable"],
  WSAECONNREFUSED: [502, "connection_refused"],
  WSAECONNRESET: [502, "connection_terminated"],
  WSAETIMEDOUT: [504, "connection_timeout"]
}

/** An HTTP proxy that takes CONNECT, and nothing else. */
export const httpProxy = (
  address: SocketAddress.Input,
  options: ProxyOptions = {}
): Effect.Effect<SocketAddress.SocketAddress, WsaError.WsaError, Winsock.Winsock | Scope.Scope> =>
  serve(address, (bare) =>
    Effect.gen(function*() {
      const caller = yield* (options.greets ?? itself)(bare)
      const reader = new Reader(caller)
      const head = yield* reader.until("\r\n\r\n")
      const say = (status: number, token?: string, fields: ReadonlyArray<string> = []) =>
        caller.write(utf8(
          [
            `HTTP/1.1 ${status} ${status === 200 ? "OK" : "No"}`,
            ...(token === undefined ? [] : [`Proxy-Status: test; error=${token}`]),
            ...fields,
            "",
            ""
          ].join("\r\n")
        ))
      const asked = /^CONNECT (\S+) HTTP\/1\.1\r\nHost: (\S+)\r\n/.exec(head)
      if (asked === null || asked[1] !== asked[2]) return yield* say(405)
      if (options.user !== undefined) {
        const sent = /\r\nProxy-Authorization: Basic (\S+)\r\n/.exec(head)?.[1]
        if (sent !== btoa(options.user.join(":"))) return yield* say(407, undefined, ["Proxy-Authenticate: Basic"])
      }
      const to = found(asked[1]!, options)
      if (to === undefined) return yield* say(502, "dns_error; rcode=\"NXDOMAIN\"")
      const exit = yield* Effect.exit(Connector.winsock.connect(to))
      if (Exit.isFailure(exit)) return yield* say(...(tokens[tagOf(exit)] ?? [502, "proxy_internal_error"] as const))
      yield* caller.write(utf8(`HTTP/1.1 200 OK\r\nVia: 1.1 test\r\n\r\n${options.early ?? ""}`))
      yield* exit.value.write(reader.left())
      yield* joined(caller, exit.value)
    }).pipe(Effect.scoped))

/** What a peer of a script does next. */
export type Act =
  /** Reads so many bytes. */
  | { readonly hears: number }
  /** Says something, all at once or byte by byte, a millisecond apart. */
  | { readonly says: Uint8Array | string; readonly slowly?: boolean }
  /** Ends its direction in order, and waits for the other's end. */
  | "ends"
  /** Breaks off. */
  | "resets"
  /** Says nothing for ever. */
  | "waits"

/** A peer that does what its script says, whoever calls. */
export const scripted = (
  address: SocketAddress.Input,
  script: ReadonlyArray<Act>
): Effect.Effect<SocketAddress.SocketAddress, WsaError.WsaError, Winsock.Winsock | Scope.Scope> =>
  serve(address, (caller) =>
    Effect.gen(function*() {
      const reader = new Reader(caller)
      for (const act of script) {
        if (act === "waits") return yield* Effect.never
        if (act === "ends") {
          yield* caller.end
          return yield* Effect.forever(
            Effect.flatMap(caller.read, (b) => b.length === 0 ? Effect.fail(ended) : Effect.void)
          )
        }
        if (act === "resets") {
          yield* Winsock.setsockopt(caller.socket, SocketOption.SO_LINGER, { l_onoff: true, l_linger: 0 })
          return yield* Winsock.closesocket(caller.socket)
        }
        if ("hears" in act) {
          yield* reader.exactly(act.hears)
          continue
        }
        const bytes = typeof act.says === "string" ? utf8(act.says) : act.says
        const pieces = act.slowly === true ? Array.from(bytes, (byte) => Uint8Array.of(byte)) : [bytes]
        for (const piece of pieces) {
          if (act.slowly === true) yield* Effect.sleep("1 millis")
          yield* caller.write(piece)
        }
      }
      return yield* Effect.never
    }))

// ---------------------------------------------------------------------------------------------------------------------
// TLS through proxies: one program, live and simulated
// ---------------------------------------------------------------------------------------------------------------------

export interface Certified {
  /** The certificate of those who are trusted. */
  readonly ca: string
  /** Of `server.test`. */
  readonly server: Tls.Identity
  /** Of `proxy.test`. */
  readonly proxy: Tls.Identity
  /** Of `server.test`, by somebody else. */
  readonly stranger: Tls.Identity
}

/** What comes of TLS through each kind of proxy, to it, and to both. */
export const tlsThroughProxies = ({ ca, proxy, server, stranger }: Certified) =>
  Effect.gen(function*() {
    const tls = yield* Tls.Tls
    const greeting = (identity: Tls.Identity) => (bare: Connection.Connection) =>
      Effect.gen(function*() {
        const caller = yield* tls.accept(bare, { identity })
        const said = textOf(yield* caller.read)
        yield* caller.write(utf8(`hello, ${said} of ${caller.tls.serverName}`))
        yield* caller.read
      }).pipe(Effect.scoped)
    const [right, wrong] = [
      yield* serve("127.0.0.1:0", greeting(server)),
      yield* serve("127.0.0.1:0", greeting(stranger))
    ]
    const names = {
      "server.test": SocketAddress.format(right),
      "other.test": SocketAddress.format(right),
      "stranger.test": SocketAddress.format(wrong),
      "none.test": "127.0.0.1:1"
    }
    const http = yield* httpProxy("127.0.0.1:0", { names })
    const over = yield* httpProxy("127.0.0.1:0", {
      names,
      greets: (bare) => tls.accept(bare, { identity: proxy })
    })
    const socks = yield* socksProxy("127.0.0.1:0", { names })
    const at = (address: SocketAddress.SocketAddress) => ({ address: SocketAddress.format(address) })
    const connectors = {
      socks: Connector.winsock.pipe(Connector.via(Proxy.socks5(at(socks))), Connector.tls({ ca })),
      http: Connector.winsock.pipe(Connector.via(Proxy.http(at(http))), Connector.tls({ ca })),
      over: Connector.winsock.pipe(
        Connector.tls({ ca, serverName: "proxy.test" }),
        Connector.via(Proxy.http(at(over))),
        Connector.tls({ ca })
      ),
      all: Connector.winsock.pipe(
        Connector.tls({ ca, serverName: "proxy.test" }),
        Connector.via(Proxy.http(at(over))),
        Connector.via(Proxy.socks5(at(socks))),
        Connector.via(Proxy.http(at(http))),
        Connector.tls({ ca })
      )
    }
    const became: Array<string> = []
    for (const [name, connector] of Object.entries(connectors)) {
      for (const target of ["server.test:443", "other.test:443", "stranger.test:443", "none.test:443"]) {
        const one = Effect.gen(function*() {
          const connection = yield* connector.connect(target)
          yield* connection.write(utf8(name))
          return textOf(yield* connection.read)
        }).pipe(Effect.scoped, Effect.catch((error) => Effect.succeed(`${error._tag} ${error.stage}`)))
        became.push(`${target}: ${yield* one}`)
      }
    }
    return became
  })

export const tlsBecomes = ["socks", "http", "over", "all"].flatMap((name) => [
  `server.test:443: hello, ${name} of server.test`,
  "other.test:443: TlsNameMismatch tls",
  "stranger.test:443: TlsUntrusted tls",
  "none.test:443: WSAECONNREFUSED proxy"
])
