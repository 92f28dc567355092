/**
 * The addresses that sockets are bound and connected to: IPv4, IPv6 and Unix-domain ones.
 *
 * The values are those of `effect/net/NetAddress`, so that they compare, hash and print as everywhere else in Effect.
 * What this module adds is what a Winsock call needs before it can use one: a parser that takes anything and never
 * throws, the checks that the calls make (all zero? broadcast? the same?), one string form for all families, and a
 * schema that crosses JSON.
 *
 * | what | as a string | as a structure |
 * | --- | --- | --- |
 * | IPv4 | `127.0.0.1:80` | `{ address: "127.0.0.1", port: 80 }` |
 * | IPv6 | `[::1]:80`, `[fe80::1%3]:80` | `{ address: "fe80::1", port: 80, scopeId: 3 }` |
 * | Unix, a path | `unix:/run/app.sock` | `{ path: "/run/app.sock" }` |
 * | Unix, an abstract name (Linux) | `unix:@app` | `{ path: "\u0000app" }` |
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"

/**
 * An address of a socket: an IPv4 or IPv6 address with a port, or a Unix-domain path.
 *
 * @category models
 * @since 0.1.0
 */
export type SocketAddress = NetAddress.SocketAddress

/**
 * What can be turned into a `SocketAddress`: an address, a string or a structure.
 *
 * **Details**
 *
 * A structure may say its `family`, as those of `net.Socket.address()` do; then it has to be the right one.
 *
 * @category models
 * @since 0.1.0
 */
export type Input = NetAddress.SocketAddress.Input

/**
 * The families of addresses that a socket can have.
 *
 * @category models
 * @since 0.1.0
 */
export type Family = "IPv4" | "IPv6" | "Unix"

/**
 * Why a value is no address.
 *
 * **Details**
 *
 * A call that is given such a value ends with WSAEFAULT where it is malformed, and with WSAEAFNOSUPPORT where its family
 * is the trouble (E10, E08).
 *
 * @category errors
 * @since 0.1.0
 */
export interface InvalidAddress {
  readonly _tag: "InvalidAddress"
  /** `"family"` where a structure names a family that we do not have, `"malformed"` for all else. */
  readonly kind: "malformed" | "family"
  /** What is wrong, where, and what would be right. */
  readonly reason: string
}

// The prototypes of real addresses. A value that has one of them and is frozen was made by NetAddress and is used as
// it is; anything else, also an address of another copy of the library, is taken apart and built anew.
const protoV4: object = Object.getPrototypeOf(NetAddress.inetAddressUnsafe(NetAddress.ipv4Loopback, 0))
const protoV6: object = Object.getPrototypeOf(NetAddress.inetAddressUnsafe(NetAddress.ipv6Loopback, 0))
const protoUnix: object = Object.getPrototypeOf(NetAddress.unixPathAddress(""))
const protoIpv4: object = Object.getPrototypeOf(NetAddress.ipv4Loopback)
const protoIpv6: object = Object.getPrototypeOf(NetAddress.ipv6Loopback)

const invalid = (
  reason: string,
  kind: InvalidAddress["kind"] = "malformed"
): Result.Result<never, InvalidAddress> => Result.fail({ _tag: "InvalidAddress", kind, reason })

const isMade = (input: object): boolean => {
  if (input === lastMade) return true
  const proto = Object.getPrototypeOf(input)
  if ((proto !== protoV4 && proto !== protoV6 && proto !== protoUnix) || !Object.isFrozen(input)) return false
  lastMade = input
  return true
}

// Each step on the way to a peer looks at its address again. What is frozen stays so, and what it is made of.
let lastMade: object | undefined

/** The longest path, in bytes of UTF-8: `sun_path` has 108 bytes, and a path ends with a NUL there. */
const maximumPath = 107

// -1 where the string is half of a surrogate pair somewhere: no bytes stand for it.
const utf8Length = (text: string): number => {
  let bytes = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) bytes += 1
    else if (unit < 0x800) bytes += 2
    else if (unit < 0xd800 || unit > 0xdfff) bytes += 3
    else {
      const next = unit < 0xdc00 ? text.charCodeAt(i + 1) : Number.NaN
      if (!(next >= 0xdc00 && next <= 0xdfff)) return -1
      bytes += 4
      i++
    }
  }
  return bytes
}

const pathFault = (path: string): string | undefined => {
  const abstract = path.startsWith("\0")
  if (path.indexOf("\0", 1) !== -1) {
    return "a path holds no NUL, except a leading one that makes it an abstract name"
  }
  const maximum = abstract ? maximumPath + 1 : maximumPath
  // A UTF-16 unit is at least one byte: what is longer than the maximum needs no counting.
  const bytes = path.length > maximum ? path.length : utf8Length(path)
  if (bytes < 0) return "the path holds half of a surrogate pair, which no bytes stand for"
  if (bytes > maximum) {
    return abstract
      ? `an abstract name has at most ${maximum} bytes with its leading NUL, this one has ${bytes} or more`
      : `a path has at most ${maximum} bytes, this one has ${bytes} or more`
  }
  return undefined
}

const show = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)
  if (value === null) return "null"
  if (Array.isArray(value)) return `an array of ${value.length}`
  switch (typeof value) {
    case "number":
    case "boolean":
    case "undefined":
      return String(value)
    case "function":
      return "a function"
    case "object":
      return "an object"
    default:
      return `a ${typeof value}`
  }
}

const forms = "write 1.2.3.4:80, [::1]:80 or unix:/path, or give { address, port } or { path }"

const fromPath = (path: unknown): Result.Result<SocketAddress, InvalidAddress> => {
  if (typeof path !== "string") return invalid(`path: expected a string, got ${show(path)}`)
  const fault = pathFault(path)
  return fault === undefined
    ? Result.succeed(NetAddress.unixPathAddress(path))
    : invalid(`path ${show(path)}: ${fault}`)
}

// "unix:" takes the rest as the path. A leading "@" stands for the NUL of an abstract name; a path that really begins
// with "@" is written "./@…", which names the same file, and one "./" is taken off again.
const escaped = /^(?:\.\/)*@/
const pathFromText = (text: string): string => {
  if (text.startsWith("@")) return `\0${text.slice(1)}`
  return text.startsWith("./") && escaped.test(text) ? text.slice(2) : text
}
const pathToText = (path: string): string => {
  if (path.startsWith("\0")) return `@${path.slice(1)}`
  return escaped.test(path) ? `./${path}` : path
}

// Whoever connects again mostly names the same peer, and an address never changes.
let lastText = ""
let lastResult: Result.Result<SocketAddress, InvalidAddress> | undefined

const fromText = (text: string): Result.Result<SocketAddress, InvalidAddress> => {
  if (lastResult !== undefined && text === lastText) return lastResult
  lastResult = parseText(text)
  lastText = text
  return lastResult
}

const parseText = (text: string): Result.Result<SocketAddress, InvalidAddress> => {
  if (text.startsWith("unix:")) return fromPath(pathFromText(text.slice(5)))
  const parsed = NetAddress.inetAddressFromString(text)
  return Result.isSuccess(parsed)
    ? Result.succeed(parsed.success)
    : invalid(`${show(text)} is no address: ${parsed.failure.message}; ${forms} (a host name is resolved first)`)
}

const families: ReadonlyMap<unknown, Family> = new Map<unknown, Family>([
  ["IPv4", "IPv4"],
  [4, "IPv4"],
  ["IPv6", "IPv6"],
  [6, "IPv6"],
  ["Unix", "Unix"]
])

const fromStructure = (input: object): Result.Result<SocketAddress, InvalidAddress> => {
  const { address, family: named, path, port, scopeId } = input as { readonly [key: string]: unknown }
  let family: Family | undefined
  if (named !== undefined) {
    family = families.get(named)
    if (family === undefined) {
      return typeof named === "string" || typeof named === "number"
        ? invalid(`family: ${show(named)} is not one of "IPv4", "IPv6", "Unix"`, "family")
        : invalid(`family: expected "IPv4", "IPv6" or "Unix", got ${show(named)}`)
    }
  }
  let result: Result.Result<SocketAddress, InvalidAddress>
  if (path !== undefined) result = fromPath(path)
  else if (address === undefined) return invalid(`address: missing; ${forms}`)
  else result = fromParts(address, port, scopeId)
  return family !== undefined && Result.isSuccess(result) && familyOf(result.success) !== family
    ? invalid(`family: says ${family}, but the address is ${familyOf(result.success)}: leave it out or make them agree`)
    : result
}

const fromParts = (
  address: unknown,
  port: unknown,
  scopeId: unknown
): Result.Result<SocketAddress, InvalidAddress> => {
  if (typeof port !== "number" || !Number.isInteger(port) || port < 0 || port > 65535) {
    return invalid(`port: expected an integer from 0 through 65535, got ${show(port)}`)
  }
  if (
    scopeId !== undefined &&
    (typeof scopeId !== "number" || !Number.isInteger(scopeId) || scopeId < 0 || scopeId > 0xffffffff)
  ) {
    return invalid(`scopeId: expected an unsigned 32-bit integer, got ${show(scopeId)}`)
  }
  let ip = address
  if (typeof address === "object" && address !== null && !Array.isArray(address) && !(address instanceof Uint8Array)) {
    const proto = Object.getPrototypeOf(address)
    // An address of another copy of the library says what it is; whatever else says nothing that parses.
    if (!((proto === protoIpv4 || proto === protoIpv6) && Object.isFrozen(address))) {
      ip = NetAddress.isIpAddress(address) ? String(address) : undefined
    }
  }
  const parsed = NetAddress.ipFromInput(ip as NetAddress.IpAddressInput)
  if (Result.isFailure(parsed)) return invalid(`address: ${show(address)}: ${parsed.failure.message}`)
  const made: Result.Result<NetAddress.InetAddress, NetAddress.NetAddressError> =
    NetAddress.isIpv6Address(parsed.success)
      ? NetAddress.inetAddressV6(parsed.success, port, { scopeId: scopeId ?? 0 })
      : NetAddress.inetAddressV4(parsed.success, port)
  if (Result.isFailure(made)) return invalid(`address: ${made.failure.message}`)
  return (scopeId ?? 0) !== 0 && made.success._tag === "InetAddressV4"
    ? invalid(`scopeId: ${String(scopeId)} is given, but only an IPv6 address has a scope`)
    : Result.succeed(made.success)
}

/**
 * Turns any value into an address, or says what is wrong with it.
 *
 * **Details**
 *
 * Takes addresses, strings and structures, as the table at the head of the module has them. Never throws, whatever the
 * value: also one whose properties throw when they are read. An address that `NetAddress` made is given back as it is; its
 * path is checked all the same, since `NetAddress.unixPathAddress` takes any string.
 *
 * A path has at most 107 bytes of UTF-8, an abstract name 108 with its leading NUL. A NUL elsewhere, and half of a
 * surrogate pair, are malformed. A path that begins with `@` is written `unix:./@…`, since `unix:@…` is an abstract name.
 *
 * **Gotchas**
 *
 * A host name is no address: resolve it first.
 *
 * **Example** (Reading addresses)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress } from "@effect-winsock/core"
 * import { Result } from "effect"
 *
 * const read = (input: unknown) =>
 *   Result.match(SocketAddress.fromInput(input), {
 *     onSuccess: SocketAddress.format,
 *     onFailure: ({ kind, reason }) => `${kind}: ${reason}`
 *   })
 *
 * read("127.0.0.1:80") // => "127.0.0.1:80"
 * read({ address: "fe80::1", port: 80, scopeId: 3 }) // => "[fe80::1%3]:80"
 * read("unix:@app") // => "unix:@app"
 * read({ address: "127.0.0.1", port: 70000 }) // => "malformed: port: expected an integer from 0 through 65535, got 70000"
 * read({ family: "IPX", port: 1 }) // => "family: family: \"IPX\" is not one of \"IPv4\", \"IPv6\", \"Unix\""
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromInput = (input: unknown): Result.Result<SocketAddress, InvalidAddress> => {
  if (typeof input === "string") return fromText(input)
  if (typeof input !== "object" || input === null) return invalid(`expected an address, got ${show(input)}; ${forms}`)
  try {
    if (isMade(input)) {
      const address = input as SocketAddress
      if (address._tag !== "UnixPathAddress") return Result.succeed(address)
      const fault = pathFault(address.path)
      return fault === undefined ? Result.succeed(address) : invalid(`path ${show(address.path)}: ${fault}`)
    }
    return fromStructure(input)
  } catch {
    return invalid(`reading the value threw; ${forms}`)
  }
}

/**
 * Turns a trusted value into an address, throwing where it is none.
 *
 * **When to use**
 *
 * Use for literals in a program or a test.
 *
 * **Example** (Writing an address down)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress } from "@effect-winsock/core"
 *
 * SocketAddress.portOf(SocketAddress.fromInputUnsafe("[::1]:443")) // => 443
 * ```
 *
 * @category unsafe
 * @since 0.1.0
 */
export const fromInputUnsafe = (input: Input): SocketAddress => {
  const result = fromInput(input)
  if (Result.isSuccess(result)) return result.success
  throw new TypeError(result.failure.reason)
}

/**
 * Returns `true` for an address that `fromInput` would give back unchanged.
 *
 * **Example** (Telling an address from what could become one)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress } from "@effect-winsock/core"
 *
 * SocketAddress.isSocketAddress(SocketAddress.fromInputUnsafe("127.0.0.1:80")) // => true
 * SocketAddress.isSocketAddress({ address: "127.0.0.1", port: 80 }) // => false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isSocketAddress = (u: unknown): u is SocketAddress =>
  typeof u === "object" && u !== null && Result.match(fromInput(u), {
    onFailure: () => false,
    onSuccess: (address) => address === u
  })

/**
 * Returns the family of an address.
 *
 * **Example** (Asking for the family)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress } from "@effect-winsock/core"
 *
 * SocketAddress.familyOf(SocketAddress.fromInputUnsafe("[::ffff:127.0.0.1]:80")) // => "IPv6"
 * SocketAddress.familyOf(SocketAddress.fromInputUnsafe("unix:/run/app.sock")) // => "Unix"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const familyOf = (address: SocketAddress): Family =>
  address._tag === "InetAddressV4" ? "IPv4" : address._tag === "InetAddressV6" ? "IPv6" : "Unix"

/**
 * Returns the port of an address; Unix-domain addresses have none.
 *
 * **Example** (Asking for the port)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress } from "@effect-winsock/core"
 *
 * SocketAddress.portOf(SocketAddress.fromInputUnsafe("127.0.0.1:80")) // => 80
 * SocketAddress.portOf(SocketAddress.fromInputUnsafe("unix:/run/app.sock")) // => undefined
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const portOf = (address: SocketAddress): number | undefined =>
  address._tag === "UnixPathAddress" ? undefined : address.port

/**
 * Returns `true` for an all-zero IP address, whatever its port, and for the empty path.
 *
 * **Details**
 *
 * A stream cannot connect to such an address (R03, E07); a datagram socket is dis-connected by it (R07).
 *
 * **Example** (Recognising the all-zero address)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress } from "@effect-winsock/core"
 *
 * SocketAddress.isUnspecified(SocketAddress.fromInputUnsafe("0.0.0.0:80")) // => true
 * SocketAddress.isUnspecified(SocketAddress.fromInputUnsafe("[::]:0")) // => true
 * SocketAddress.isUnspecified(SocketAddress.fromInputUnsafe("127.0.0.1:0")) // => false
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isUnspecified = (address: SocketAddress): boolean =>
  address._tag === "UnixPathAddress" ? address.path === "" : NetAddress.isUnspecified(address.address)

/**
 * Returns `true` for the limited broadcast address of IPv4.
 *
 * **Gotchas**
 *
 * The broadcast address of a subnet looks like any other: only who knows the netmask, the provider, can tell.
 *
 * **Example** (Recognising a broadcast)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress } from "@effect-winsock/core"
 *
 * SocketAddress.isBroadcast(SocketAddress.fromInputUnsafe("255.255.255.255:67")) // => true
 * SocketAddress.isBroadcast(SocketAddress.fromInputUnsafe("192.0.2.255:67")) // => false
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isBroadcast = (address: SocketAddress): boolean =>
  address._tag === "InetAddressV4" && NetAddress.isBroadcast(address.address)

/**
 * Returns `true` when two addresses are equal in family, address, port and scope.
 *
 * **Details**
 *
 * An IPv4 address and the same one mapped into IPv6 are two addresses.
 *
 * **Example** (Comparing addresses)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress } from "@effect-winsock/core"
 *
 * const a = SocketAddress.fromInputUnsafe("127.0.0.1:80")
 * SocketAddress.same(a, SocketAddress.fromInputUnsafe({ address: [127, 0, 0, 1], port: 80 })) // => true
 * SocketAddress.same(a, SocketAddress.fromInputUnsafe("[::ffff:127.0.0.1]:80")) // => false
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const same = (a: SocketAddress, b: SocketAddress): boolean => {
  if (a === b) return true
  if (a._tag === "UnixPathAddress") return b._tag === "UnixPathAddress" && a.path === b.path
  return b._tag !== "UnixPathAddress" && a.port === b.port && sameHost(a, b)
}

/**
 * Returns `true` when two addresses are of one host: equal but for their ports. All Unix-domain paths are of this host.
 *
 * **When to use**
 *
 * Use to keep what belongs to a host together, as a constrained socket group does (E11).
 *
 * **Example** (Comparing hosts)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress } from "@effect-winsock/core"
 *
 * const a = SocketAddress.fromInputUnsafe("192.0.2.1:80")
 * SocketAddress.sameHost(a, SocketAddress.fromInputUnsafe("192.0.2.1:443")) // => true
 * SocketAddress.sameHost(a, SocketAddress.fromInputUnsafe("192.0.2.2:80")) // => false
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const sameHost = (a: SocketAddress, b: SocketAddress): boolean => {
  switch (a._tag) {
    case "InetAddressV4":
      return b._tag === "InetAddressV4" && a.address[Equal.symbol](b.address)
    case "InetAddressV6":
      return b._tag === "InetAddressV6" && a.scopeId === b.scopeId && a.address[Equal.symbol](b.address)
    case "UnixPathAddress":
      return b._tag === "UnixPathAddress"
  }
}

/**
 * Formats an address so that `fromInput` reads it back.
 *
 * **Example** (Formatting addresses)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress } from "@effect-winsock/core"
 *
 * SocketAddress.format(SocketAddress.fromInputUnsafe({ address: "::1", port: 80 })) // => "[::1]:80"
 * SocketAddress.format(SocketAddress.fromInputUnsafe({ path: "/run/app.sock" })) // => "unix:/run/app.sock"
 * SocketAddress.format(SocketAddress.fromInputUnsafe({ path: "\u0000app" })) // => "unix:@app"
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const format = (address: SocketAddress): string =>
  address._tag === "UnixPathAddress" ? `unix:${pathToText(address.path)}` : NetAddress.formatInet(address)

const unspecifiedV4 = NetAddress.inetAddressUnsafe(NetAddress.ipv4Unspecified, 0)
const unspecifiedV6 = NetAddress.inetAddressUnsafe(NetAddress.ipv6Unspecified, 0)
const unspecifiedUnix = NetAddress.unixPathAddress("")

/**
 * Returns the all-zero address of a family.
 *
 * **Details**
 *
 * For Unix-domain sockets it is the empty path.
 *
 * **Example** (Naming no address)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress } from "@effect-winsock/core"
 *
 * SocketAddress.format(SocketAddress.unspecified("IPv6")) // => "[::]:0"
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const unspecified = (family: Family): SocketAddress =>
  family === "IPv4" ? unspecifiedV4 : family === "IPv6" ? unspecifiedV6 : unspecifiedUnix

const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const Segment = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff }))
const Port = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65535 }))
const ScopeId = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff }))

// What an arbitrary address is drawn from. The path is short enough in any alphabet.
const Seed = Schema.Union([
  Schema.Struct({ octets: Schema.Tuple([Byte, Byte, Byte, Byte]), port: Port }),
  Schema.Struct({
    segments: Schema.Tuple([Segment, Segment, Segment, Segment, Segment, Segment, Segment, Segment]),
    port: Port,
    scopeId: ScopeId
  }),
  Schema.Struct({ abstract: Schema.Boolean, name: Schema.String.check(Schema.isMaxLength(35)) })
])

const fromSeed = (seed: typeof Seed.Type): SocketAddress =>
  "octets" in seed
    ? fromInputUnsafe({ address: seed.octets, port: seed.port })
    : "segments" in seed
    ? fromInputUnsafe({ address: seed.segments, port: seed.port, scopeId: seed.scopeId })
    : fromInputUnsafe({
      path: (seed.abstract ? "\0" : "") + seed.name.replace(/\0/g, "0").replace(/[\ud800-\udfff]/g, "s")
    })

/**
 * Schema of an address.
 *
 * **Details**
 *
 * In JSON an address is the string of `format`, scope and abstract names included. Arbitrary values are of all families.
 *
 * **Example** (Sending an address across JSON)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * const json = Schema.toCodecJson(SocketAddress.schema)
 * const address = SocketAddress.fromInputUnsafe("[fe80::1%3]:80")
 * Schema.encodeSync(json)(address) // => "[fe80::1%3]:80"
 * SocketAddress.same(Schema.decodeSync(json)("[fe80::1%3]:80"), address) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const schema: Schema.declare<SocketAddress> = Schema.declare(isSocketAddress, {
  identifier: "@effect-winsock/core/SocketAddress",
  expected: "a socket address",
  toCodecJson: () =>
    Schema.link<SocketAddress>()(
      Schema.String,
      SchemaTransformation.transformEffect<SocketAddress, string>({
        decode: (text, options) => {
          const result = fromText(text)
          return Result.isSuccess(result)
            ? Effect.succeed(result.success)
            : Effect.fail(new SchemaIssue.InvalidValue({ expected: result.failure.reason }, text, options))
        },
        encode: (address) => Effect.succeed(format(address))
      })
    ),
  toCodecArbitrary: () =>
    Schema.link<SocketAddress>()(
      Seed,
      SchemaTransformation.transform<SocketAddress, typeof Seed.Type>({
        decode: fromSeed,
        encode: () => ({ octets: [0, 0, 0, 0], port: 0 })
      })
    ),
  toEquivalence: () => same,
  toFormatter: () => format
})
