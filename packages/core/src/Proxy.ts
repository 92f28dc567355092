/**
 * Proxies: who they are, what they want to know of the caller, and what they answer. `Connector.via` goes through them.
 *
 * **When to use**
 *
 * Use {@link socks5} and {@link http} for a proxy that the program knows, {@link chain} for several in a row, and
 * {@link fromEnvironment} for whatever `https_proxy` and its kin say where the program runs.
 *
 * **Details**
 *
 * What a proxy says of its way to the target comes back as the code that the same would have without a proxy, of the stage
 * `"proxy"`: a target that refuses is WSAECONNREFUSED. What no code says honestly is {@link ProxyFailure},
 * {@link ProxyAuthenticationRequired} or {@link ProxyProtocol}. docs/proxies.md has every answer.
 *
 * **Example** (Through a SOCKS5 proxy)
 *
 * ```ts import.meta.vitest
 * import { Connector, Proxy } from "@effect-winsock/core"
 *
 * const connector = Connector.winsock.pipe(
 *   Connector.via(Proxy.socks5({ address: "127.0.0.1:1080" })),
 *   Connector.attemptTimeout("5 seconds")
 * )
 * Connector.isConnector(connector) // => true
 * ```
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Host from "effect/net/Host"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type { Target } from "./Connector.ts"
import * as HttpConnect from "./internal/httpConnect.ts"
import { isHere, type NoProxy, noProxyMatches, parseNoProxy } from "./internal/noProxy.ts"
import type * as Answers from "./internal/proxyAnswers.ts"
import * as Socks from "./internal/socks5.ts"
import * as Text from "./internal/text.ts"
import type { Broken } from "./internal/transport.ts"
import * as SocketAddress from "./SocketAddress.ts"
import * as WsaError from "./WsaError.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Proxies
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Where a proxy is: an address, or a name with a port that has to be looked up first.
 *
 * @category models
 * @since 0.1.0
 */
export type Server = SocketAddress.SocketAddress | Host.HostPort

/**
 * Who calls, for proxies that ask.
 *
 * @category models
 * @since 0.1.0
 */
export interface Credentials {
  /** The user. */
  readonly username: string
  /** The password. */
  readonly password: Redacted.Redacted
}

/**
 * A SOCKS5 proxy (RFC 1928).
 *
 * @category models
 * @since 0.1.0
 */
export interface Socks5<out S extends Server = Server> {
  readonly _tag: "Socks5"
  /** Where it is. */
  readonly server: S
  /** For the method "user and password" (RFC 1929); without them only "no authentication" is offered. */
  readonly credentials: Credentials | undefined
}

/**
 * An HTTP proxy that takes CONNECT (RFC 9110).
 *
 * @category models
 * @since 0.1.0
 */
export interface Http<out S extends Server = Server> {
  readonly _tag: "Http"
  /** Where it is. */
  readonly server: S
  /** For Basic authentication (RFC 7617), sent with the request. */
  readonly credentials: Credentials | undefined
  /** More fields of the request. */
  readonly headers: { readonly [name: string]: string }
}

/**
 * A single proxy.
 *
 * @category models
 * @since 0.1.0
 */
export type Hop<S extends Server = Server> = Socks5<S> | Http<S>

/**
 * Several proxies in a row: each is reached through those before it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Chain<out S extends Server = Server> {
  readonly _tag: "Chain"
  /** The proxies, the nearest first. */
  readonly hops: readonly [Hop<S>, ...ReadonlyArray<Hop>]
}

/**
 * A proxy, or several in a row. `S`: where the first of them is.
 *
 * @category models
 * @since 0.1.0
 */
export type Proxy<S extends Server = Server> = Hop<S> | Chain<S>

/**
 * Where a proxy is, as it is written down: an address, or a name with its port.
 *
 * @category options
 * @since 0.1.0
 */
export type At =
  | { readonly address: SocketAddress.Input; readonly host?: undefined }
  | { readonly host: Host.HostPortInput; readonly address?: undefined }

/**
 * What every proxy can be told.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Who calls. */
  readonly credentials?: Credentials | undefined
}

/**
 * What an HTTP proxy can be told.
 *
 * @category options
 * @since 0.1.0
 */
export interface HttpOptions extends Options {
  /** More fields of the request, such as `User-Agent`. Those that the request has of its own are refused. */
  readonly headers?: { readonly [name: string]: string } | undefined
}

/** The server of the proxies that are made of `A`. */
type ServerOf<A extends At> = A extends { readonly address: SocketAddress.Input } ? SocketAddress.SocketAddress
  : Host.HostPort

const isRedactedText = (u: unknown): u is Redacted.Redacted =>
  Redacted.isRedacted(u) && typeof Redacted.value(u) === "string"

const bytesOf = (text: string): number => Text.encode(text).length

const fitting = <A>(sizeOf: (value: A) => number) =>
  Schema.makeFilter<A>((value) => {
    const size = sizeOf(value)
    return size >= 1 && size <= Socks.maximumText ? undefined : `SOCKS5 has 1 to ${Socks.maximumText} bytes for it`
  })

const RedactedText = Schema.declare(isRedactedText, { expected: "a Redacted of a string" })

const socksCredentials = Schema.Struct({
  username: Schema.String.check(fitting(bytesOf)),
  password: RedactedText.check(fitting((password) => bytesOf(Redacted.value(password))))
})

// oxlint-disable-next-line no-control-regex -- those are what must not be there
const control = /[\u0000-\u001f\u007f]/

const httpCredentials = Schema.Struct({
  username: Schema.String.check(
    Schema.makeFilter((username) =>
      username.includes(":") || control.test(username)
        ? "a user has neither a colon nor a control character"
        : undefined
    )
  ),
  password: RedactedText.check(
    Schema.makeFilter((password) =>
      control.test(Redacted.value(password)) ? "a password has no control character" : undefined
    )
  )
})

const Headers = Schema.Record(Schema.String, Schema.String).check(
  Schema.makeFilter((headers) =>
    Object.entries(headers).map(([name, value]) => HttpConnect.fieldFault({ name, value })).find((fault) =>
      fault !== undefined
    )
  )
)

const serverFault = (u: unknown): string | undefined => {
  const { address, host } = u as { readonly address?: unknown; readonly host?: unknown }
  if ((address === undefined) === (host === undefined)) return "one of address and host is to be given"
  if (address !== undefined) {
    const result = SocketAddress.fromInput(address)
    if (Result.isFailure(result)) return result.failure.reason
    return SocketAddress.isUnspecified(result.success) || SocketAddress.portOf(result.success) === 0
      ? "address: names no peer"
      : undefined
  }
  const result = Host.hostPortFromInput(host as Host.HostPortInput)
  if (Result.isFailure(result)) return `host: ${result.failure.message}`
  return result.success.port === 0 ? "host: port 0 names no peer" : undefined
}

const given = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Struct({
    address: Schema.optional(Schema.Unknown),
    host: Schema.optional(Schema.Unknown),
    ...fields
  }).check(Schema.makeFilter((options) => serverFault(options)))

const readSocks5 = Schema.decodeUnknownSync(given({ credentials: Schema.optional(socksCredentials) }))
const readHttp = Schema.decodeUnknownSync(
  given({ credentials: Schema.optional(httpCredentials), headers: Schema.optional(Headers) })
)

const serverOf = <A extends At>(at: A): ServerOf<A> =>
  (at.address === undefined
    ? Host.hostPortFromInputUnsafe(at.host)
    : SocketAddress.fromInputUnsafe(at.address)) as ServerOf<A>

/**
 * Makes a SOCKS5 proxy. Throws a `SchemaError` where an option is no such thing.
 *
 * **Details**
 *
 * With `address` any connector can reach it; with `host` it has to be one that looks names up. User and password have 1 to 255
 * bytes of UTF-8 each. Names of targets are sent as names: the proxy looks them up.
 *
 * **Example** (With a user)
 *
 * ```ts import.meta.vitest
 * import { Proxy } from "@effect-winsock/core"
 * import { Redacted } from "effect"
 *
 * const proxy = Proxy.socks5({
 *   host: "proxy.example.org:1080",
 *   credentials: { username: "alice", password: Redacted.make("open sesame") }
 * })
 * Proxy.format(proxy) // => "socks5://proxy.example.org:1080"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const socks5 = <const A extends At>(options: Options & A): Socks5<ServerOf<A>> => {
  const { credentials } = readSocks5(options)
  return { _tag: "Socks5", server: serverOf(options), credentials }
}

/**
 * Makes an HTTP proxy that takes CONNECT. Throws a `SchemaError` where an option is no such thing.
 *
 * **Details**
 *
 * With `address` any connector can reach it; with `host` it has to be one that looks names up. User and password go along with
 * the first request, as Basic. A proxy that is itself spoken to over TLS is one that a connector with TLS reaches:
 * `Connector.winsock | Connector.tls() | … | Connector.via(Proxy.http({ host }))`.
 *
 * A field of `headers` whose name is no token, or whose value has a line end in it, would be another request: it is refused.
 * So are those that the request has of its own, such as `Host` and `Proxy-Authorization`.
 *
 * **Example** (With a field of its own)
 *
 * ```ts import.meta.vitest
 * import { Proxy } from "@effect-winsock/core"
 *
 * const proxy = Proxy.http({ address: "192.0.2.1:3128", headers: { "User-Agent": "shop/1.0" } })
 * Proxy.format(proxy) // => "http://192.0.2.1:3128"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const http = <const A extends At>(options: HttpOptions & A): Http<ServerOf<A>> => {
  const { credentials, headers } = readHttp(options)
  return { _tag: "Http", server: serverOf(options), credentials, headers: { ...headers } }
}

/**
 * Makes one proxy of several in a row: each is reached through those before it.
 *
 * **Details**
 *
 * `Connector.via(Proxy.chain(a, b))` is `Connector.via(a)` and then `Connector.via(b)`. Only the first one has to be reached from
 * here: what is a name among the others is looked up by the proxy before it.
 *
 * **Example** (Two in a row)
 *
 * ```ts import.meta.vitest
 * import { Proxy } from "@effect-winsock/core"
 *
 * const chain = Proxy.chain(
 *   Proxy.socks5({ address: "127.0.0.1:1080" }),
 *   Proxy.http({ host: "inner.example.org:3128" })
 * )
 * Proxy.format(chain) // => "socks5://127.0.0.1:1080, then http://inner.example.org:3128"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const chain = <S extends Server>(first: Proxy<S>, ...others: ReadonlyArray<Proxy>): Chain<S> => {
  const [hop, ...hops] = hopsOf(first)
  return { _tag: "Chain", hops: [hop, ...hops, ...others.flatMap(hopsOf)] }
}

/**
 * The proxies that a proxy is made of, the nearest first.
 *
 * **Example** (Counting them)
 *
 * ```ts import.meta.vitest
 * import { Proxy } from "@effect-winsock/core"
 *
 * Proxy.hopsOf(Proxy.socks5({ address: "127.0.0.1:1080" })).length // => 1
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const hopsOf = <S extends Server>(self: Proxy<S>): readonly [Hop<S>, ...ReadonlyArray<Hop>] =>
  self._tag === "Chain" ? self.hops : [self]

/**
 * Formats a proxy, without user and password.
 *
 * **Example** (For a log)
 *
 * ```ts import.meta.vitest
 * import { Proxy } from "@effect-winsock/core"
 *
 * Proxy.format(Proxy.http({ address: "[2001:db8::1]:3128" })) // => "http://[2001:db8::1]:3128"
 * Proxy.format(Proxy.socks5({ address: "unix:/run/tor.sock" })) // => "socks5://unix:/run/tor.sock"
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const format = (self: Proxy): string =>
  hopsOf(self).map(({ _tag, server }) =>
    `${_tag === "Socks5" ? "socks5" : "http"}://${
      Host.isHostPort(server) ? Host.formatHostPort(server) : SocketAddress.format(server)
    }`
  ).join(", then ")

/**
 * Why a text is no proxy. It never has a password in it.
 *
 * @category errors
 * @since 0.1.0
 */
export interface InvalidProxy {
  readonly _tag: "InvalidProxy"
  /** What is wrong, and what would be right. */
  readonly reason: string
}

const invalid = (reason: string): Result.Result<never, InvalidProxy> => Result.fail({ _tag: "InvalidProxy", reason })

const makers = {
  http: { make: http, port: 80 },
  socks5: { make: socks5, port: 1080 },
  socks5h: { make: socks5, port: 1080 }
} as const

const url = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(?:([^/?#]*)@)?([^/?#@]+)\/?$/i

const unescaped = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/**
 * Reads a proxy as URLs have it: `http://user:password@proxy.example.org:3128`, `socks5://127.0.0.1`, `proxy.example.org:3128`.
 *
 * **Details**
 *
 * The schemes are `http`, which is also meant where there is none, `socks5` and `socks5h`; both of these send names as they are.
 * The port is 80 or 1080 unless one is given. User and password are percent-encoded.
 *
 * **Gotchas**
 *
 * `https`, a proxy that is spoken to over TLS, is not read: whose certificates are trusted is the connector's affair.
 *
 * **Example** (With a password)
 *
 * ```ts import.meta.vitest
 * import { Proxy } from "@effect-winsock/core"
 * import { Result } from "effect"
 *
 * const proxy = Result.getOrThrow(Proxy.fromUrl("socks5://alice:open%20sesame@proxy.example.org"))
 * Proxy.format(proxy) // => "socks5://proxy.example.org:1080"
 * proxy.credentials?.username // => "alice"
 * Result.isFailure(Proxy.fromUrl("ftp://proxy.example.org")) // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromUrl = (text: string): Result.Result<Hop<Host.HostPort>, InvalidProxy> => {
  const [, scheme = "http", userinfo, authority = ""] = url.exec(text.trim()) ?? []
  if (authority === "") return invalid("expected scheme://user:password@host:port")
  if (!Object.hasOwn(makers, scheme.toLowerCase())) {
    return invalid(`the scheme ${scheme} is none of ${Object.keys(makers).join(", ")}`)
  }
  const { make, port } = makers[scheme.toLowerCase() as keyof typeof makers]
  const host = Host.hostPortFromString(/:\d+$/.test(authority) ? authority : `${authority}:${port}`)
  // not the words themselves: without an @ a password would be taken for the host
  if (Result.isFailure(host)) return invalid(`host and port: ${host.failure.message}`)
  const [, user = "", word = ""] = /^([^:]*):?(.*)$/s.exec(userinfo ?? "") ?? []
  const [username, password] = [unescaped(user), unescaped(word)]
  if (username === undefined || password === undefined) return invalid("user and password are to be percent-encoded")
  try {
    return Result.succeed(make({
      host: host.success,
      ...(userinfo === undefined ? undefined : { credentials: { username, password: Redacted.make(password) } })
    }))
  } catch (error) {
    return invalid(String((error as Error).message))
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Rules
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Which targets are reached through a proxy, and which are not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rules {
  readonly _tag: "Rules"
  /** The proxy for all that is not excepted; `undefined` for none. */
  readonly proxy: Proxy | undefined
  /** What is excepted, as {@link rules} reads it. */
  readonly except: ReadonlyArray<NoProxy>
}

/**
 * Makes rules of a proxy, and of a list of what is reached without it, as `NO_PROXY` has it.
 *
 * **Details**
 *
 * | in the list | stands for |
 * | --- | --- |
 * | `example.org` | the name, and all names below it |
 * | `.example.org`, `*.example.org` | all names below it |
 * | `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]` | the address |
 * | `10.0.0.0/8`, `fd00::/8` | the addresses of the network |
 * | any of these with a port, such as `example.org:8080`, `[fd00::/8]:443` | that port of it |
 * | `*` | everything |
 *
 * Between them are commas or white space. What is none of these excepts nothing. `localhost`, the names below it and the
 * loopback addresses are excepted always: those of the proxy are others. A name is not looked up to see which network it is in.
 *
 * **Example** (Who goes through the proxy)
 *
 * ```ts import.meta.vitest
 * import { Connector, Proxy, SocketAddress } from "@effect-winsock/core"
 *
 * const rules = Proxy.rules(Proxy.http({ address: "192.0.2.1:3128" }), "example.org, 10.0.0.0/8")
 * const through = (address: string) =>
 *   Proxy.proxyFor(rules, Connector.endpoint(SocketAddress.fromInputUnsafe(address))) !== undefined
 * through("10.1.2.3:80") // => false
 * through("203.0.113.7:80") // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const rules = (proxy: Proxy | undefined, except: string = ""): Rules => ({
  _tag: "Rules",
  proxy,
  except: parseNoProxy(except)
})

/**
 * The proxy that a target is reached through; `undefined` for none.
 *
 * **Details**
 *
 * A target that was found for a name is excepted by its name, or by its address. A path of a Unix-domain socket has no proxy.
 *
 * **Example** (A name below one that is excepted)
 *
 * ```ts import.meta.vitest
 * import { Proxy } from "@effect-winsock/core"
 * import { Host } from "effect/net"
 *
 * const rules = Proxy.rules(Proxy.http({ address: "192.0.2.1:3128" }), "example.org")
 * const target = { _tag: "Named", origin: Host.hostPortFromStringUnsafe("www.example.org:443") } as const
 * Proxy.proxyFor(rules, target) // => undefined
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const proxyFor = (self: Rules, target: Target): Proxy | undefined => {
  const hosts: Array<{ readonly host: Host.Host; readonly port: number }> = []
  if (target._tag === "Endpoint") {
    if (target.address._tag === "UnixPathAddress") return undefined
    hosts.push({ host: target.address.address, port: target.address.port })
  }
  if (target.origin !== undefined) hosts.push(target.origin)
  const isExcepted = hosts.some(({ host, port }) => isHere(host) || noProxyMatches(self.except, host, port))
  return isExcepted ? undefined : self.proxy
}

const setting = (name: string): Config.Config<Redacted.Redacted | undefined> =>
  Config.Redacted(name).pipe(
    Config.option,
    // Whoever sets it to nothing wants none.
    Config.map((value) => Option.getOrUndefined(Option.filter(value, (given) => Redacted.value(given).trim() !== "")))
  )

/** The first that is set: in small letters, as most programs look first. */
const either = (name: string): Config.Config<Redacted.Redacted | undefined> =>
  Config.all([setting(name), setting(name.toUpperCase())]).pipe(Config.map(([small, large]) => small ?? large))

/** A server that runs CGI sets `HTTP_PROXY` to what a client sends as `Proxy`: there it cannot be believed. */
const httpProxy: Config.Config<Redacted.Redacted | undefined> = Config.all([
  setting("http_proxy"),
  setting("HTTP_PROXY"),
  setting("REQUEST_METHOD")
]).pipe(Config.map(([small, large, cgi]) => small ?? (cgi === undefined ? large : undefined)))

/**
 * Reads the rules that the environment has: `https_proxy` or `http_proxy`, else `all_proxy`, and `no_proxy`.
 *
 * **When to use**
 *
 * Use where whoever runs the program decides on the proxy. Nothing reads the environment unless it is asked to.
 *
 * **Details**
 *
 * `scheme` says which of the two counts, `"https"` unless given. Small letters go before capital ones; what is set to nothing is
 * not set. `HTTP_PROXY` in capital letters does not count where `REQUEST_METHOD` is set, as CGI does. The values are read by
 * {@link fromUrl}, and `no_proxy` by {@link rules}. A value that is no proxy is a `ConfigError`, which does not show it.
 *
 * **Example** (What the environment says)
 *
 * ```ts import.meta.vitest
 * import { Proxy } from "@effect-winsock/core"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromEnv({
 *   env: { HTTPS_PROXY: "http://proxy.example.org:3128", NO_PROXY: ".internal" }
 * })
 * const { proxy } = await Effect.runPromise(Proxy.fromEnvironment().parse(environment))
 * proxy && Proxy.format(proxy) // => "http://proxy.example.org:3128"
 * ```
 *
 * @category config
 * @since 0.1.0
 */
export const fromEnvironment = (
  { scheme = "https" }: { readonly scheme?: "https" | "http" | undefined } = {}
): Config.Config<Rules> =>
  Config.all({
    own: scheme === "http" ? httpProxy : either("https_proxy"),
    all: either("all_proxy"),
    no: either("no_proxy")
  }).pipe(Config.mapEffect(({ all, no, own }) => {
    const except = no === undefined ? "" : Redacted.value(no)
    const value = own ?? all
    if (value === undefined) return Effect.succeed(rules(undefined, except))
    const proxy = fromUrl(Redacted.value(value))
    return Result.isSuccess(proxy)
      ? Effect.succeed(rules(proxy.success, except))
      : Effect.fail(
        new Config.ConfigError(
          new Schema.SchemaError(
            new SchemaIssue.Pointer(
              [own === undefined ? "all_proxy" : `${scheme}_proxy`],
              new SchemaIssue.InvalidValue({ message: proxy.failure.reason })
            )
          )
        )
      )
  }))

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

const fields = {
  /** Where it came up. */
  stage: Schema.tag("proxy"),
  /** The proxy that says so, as {@link format} has it. */
  proxy: Schema.String,
  /** In words: the proxy's own, where it has said some. */
  detail: Schema.String,
  /** Whom the socket is connected to: the first proxy, where there are several. */
  remote: Schema.optionalKey(SocketAddress.schema),
  /** Where several addresses were raced: all attempts. */
  attempts: Schema.optionalKey(Schema.Array(WsaError.Attempt))
}

/**
 * The proxy has not opened the way, and no code says honestly why.
 *
 * **Details**
 *
 * `retryClass` is `"transient"` where the way may be open another time: the general failure of SOCKS5, a status of 500 and more
 * that says nothing of its cause. `"resource"`: the proxy has too much to do. `"other"`: another attempt will go as this one
 * did. A retry policy waits at least as long as `retryAfter` says.
 *
 * **Example** (Making one)
 *
 * ```ts import.meta.vitest
 * import { Proxy } from "@effect-winsock/core"
 *
 * const error = new Proxy.ProxyFailure({
 *   proxy: "http://192.0.2.1:3128",
 *   detail: "502 Bad Gateway",
 *   retryClass: "transient"
 * })
 * error.message // => "ProxyFailure: the proxy http://192.0.2.1:3128 has not opened the way: 502 Bad Gateway"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class ProxyFailure extends Schema.TaggedError<ProxyFailure>("@effect-winsock/core/Proxy/ProxyFailure")(
  "ProxyFailure",
  {
    ...fields,
    /** How to take it. */
    retryClass: Schema.Literals(["transient", "resource", "other"]),
    /** How long the proxy asks to wait. */
    retryAfter: Schema.optionalKey(Schema.DurationFromMillis)
  }
) {
  override get message(): string {
    return `ProxyFailure: the proxy ${this.proxy} has not opened the way: ${this.detail}`
  }
}

/**
 * The proxy wants to know who calls, and was not told, or not to its liking.
 *
 * **Example** (Making one)
 *
 * ```ts import.meta.vitest
 * import { Proxy } from "@effect-winsock/core"
 *
 * const error = new Proxy.ProxyAuthenticationRequired({
 *   proxy: "http://192.0.2.1:3128",
 *   detail: "407 Proxy Authentication Required"
 * })
 * error.retryClass // => "policy"
 * error.stage // => "proxy"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class ProxyAuthenticationRequired
  extends Schema.TaggedError<ProxyAuthenticationRequired>("@effect-winsock/core/Proxy/ProxyAuthenticationRequired")(
    "ProxyAuthenticationRequired",
    fields
  )
{
  /** How to take it. */
  get retryClass(): "policy" {
    return "policy"
  }
  override get message(): string {
    return `ProxyAuthenticationRequired: the proxy ${this.proxy} does not serve this caller: ${this.detail}`
  }
}

/**
 * The proxy speaks something else, or has not understood what it was asked.
 *
 * **Example** (Making one)
 *
 * ```ts import.meta.vitest
 * import { Proxy } from "@effect-winsock/core"
 *
 * const error = new Proxy.ProxyProtocol({ proxy: "http://192.0.2.1:22", detail: "the answer does not begin as HTTP/1 does" })
 * error.retryClass // => "unsupported"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class ProxyProtocol extends Schema.TaggedError<ProxyProtocol>("@effect-winsock/core/Proxy/ProxyProtocol")(
  "ProxyProtocol",
  fields
) {
  /** How to take it. */
  get retryClass(): "unsupported" {
    return "unsupported"
  }
  override get message(): string {
    return `ProxyProtocol: the proxy ${this.proxy} cannot be talked to: ${this.detail}`
  }
}

/**
 * What going through a proxy can fail with, beyond what reaching it can.
 *
 * **Details**
 *
 * | | |
 * | --- | --- |
 * | what the proxy says of its way to the target | WSAEACCES, WSAEOPNOTSUPP, WSAEAFNOSUPPORT, WSAENETUNREACH, WSAECONNRESET, WSAETIMEDOUT, WSAECONNREFUSED, WSAELOOP, WSAEHOSTUNREACH, WSAHOST_NOT_FOUND, WSATRY_AGAIN |
 * | what no code says honestly | {@link ProxyFailure}, {@link ProxyAuthenticationRequired}, {@link ProxyProtocol} |
 * | the connection to the proxy breaks before it has answered | WSAECONNRESET and its kin |
 * | a target that no proxy can be asked for | WSAEADDRNOTAVAIL, WSAEAFNOSUPPORT, of the stage `"request"` |
 * | connect data that cannot go through | WSAEPROTONOSUPPORT and its kin |
 *
 * @category errors
 * @since 0.1.0
 */
export type ProxyError =
  | WsaError.Instance<Answers.Code | "WSAEADDRNOTAVAIL" | "WSAEPROTONOSUPPORT">
  | ProxyFailure
  | ProxyAuthenticationRequired
  | ProxyProtocol
  | Broken
