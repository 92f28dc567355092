/**
 * Which addresses a program may connect to: a policy as a value, of rules with names.
 *
 * A program that connects to where its users tell it to can be told to connect to what only it can reach: to its own machine,
 * to the network that it stands in, to the metadata service of its cloud (server-side request forgery). A policy says where
 * it may go. It is asked about addresses and not about names, at the moment of the connect, so that a name which stands for
 * one address when it is looked up and for another when it is used gains nothing.
 *
 * **When to use**
 *
 * Use {@link publicOnly} where targets come from outside. Use {@link make} to say which networks a program may reach. Put
 * either into a pipeline with `Connector.addressPolicy`, or around a whole program with {@link layer}.
 *
 * **Details**
 *
 * - The first rule that fits decides; where none does, what the policy says of the others ({@link AddressPolicy.otherwise}).
 * - An IPv4 address that is mapped into IPv6 is that IPv4 address: rules for IPv6 do not fit it, and those for IPv4 do.
 * - Where another IPv6 address carries an IPv4 address, which is where its packets may come out, both have to be allowed: see
 *   {@link embedded}.
 * - Several policies, of one pipeline, of pipelines inside of each other, and of layers, all have to allow. None can be taken
 *   back from within.
 *
 * **Gotchas**
 *
 * Policies are asked by `Connector`. The bare calls of `Winsock` ask nobody, and neither does the resolver about the name
 * servers that it talks to.
 *
 * **Example** (A name that leads home)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy, Connector } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const connector = Connector.winsock.pipe(Connector.addressPolicy(AddressPolicy.publicOnly))
 * const program = Effect.flip(Effect.scoped(connector.connect("127.0.0.1:22"))).pipe(Effect.provide(SimNetwork.layer()))
 *
 * const { _tag, detail } = Sim.getOrThrow(Sim.run(program))
 * _tag // => "WSAEACCES"
 * detail // => "the rule \"loopback\" of the address policy \"publicOnly\" denies 127.0.0.1:22 (127.0.0.0/8)"
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import { hasProperty } from "effect/Predicate"
import * as Ambient from "./internal/ambientPolicies.ts"
import * as SocketAddress from "./SocketAddress.ts"

/**
 * Runtime type identifier of address policies.
 *
 * @category type IDs
 * @since 0.1.0
 */
export type TypeId = "~@effect-winsock/core/AddressPolicy"

/**
 * Runtime type identifier of address policies.
 *
 * **Example** (Telling what a value is)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy } from "@effect-winsock/core"
 *
 * AddressPolicy.publicOnly[AddressPolicy.TypeId] // => AddressPolicy.TypeId
 * ```
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId: TypeId = "~@effect-winsock/core/AddressPolicy"

// ---------------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Which addresses a rule fits: those that fit all that is given. Nothing given: every address.
 *
 * **Gotchas**
 *
 * A list without members fits no address.
 *
 * @category options
 * @since 0.1.0
 */
export interface Conditions {
  /** The address, or the IPv4 address that it carries, is in one of these networks, such as `"10.0.0.0/8"`. */
  readonly networks?: ReadonlyArray<IpNetwork.IpNetworkInput> | undefined
  /** It is in none of these. */
  readonly except?: ReadonlyArray<IpNetwork.IpNetworkInput> | undefined
  /** The family is one of these. A mapped address is of the family `"IPv4"`. */
  readonly families?: ReadonlyArray<SocketAddress.Family> | undefined
  /** The port is one of these, or from the first through the second of a pair. Unix-domain paths have none. */
  readonly ports?: ReadonlyArray<number | readonly [from: number, to: number]> | undefined
  /**
   * The Unix-domain path is one of these, or beneath one that ends in `/`. Paths are compared as they are written, with `.`
   * and `..` worked out; what links lead to is not known. An abstract name begins with a NUL.
   */
  readonly paths?: ReadonlyArray<string> | undefined
}

/**
 * A rule of a policy.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rule {
  /** What a denial calls it. */
  readonly name: string
  /** What becomes of an address that it fits. */
  readonly verdict: "allow" | "deny"
  /** The networks, read. */
  readonly networks: ReadonlyArray<IpNetwork.IpNetwork> | undefined
  /** The networks that are not meant. */
  readonly except: ReadonlyArray<IpNetwork.IpNetwork>
  /** The families. */
  readonly families: ReadonlyArray<SocketAddress.Family> | undefined
  /** The ports, from the first through the second of each pair. */
  readonly ports: ReadonlyArray<readonly [from: number, to: number]> | undefined
  /** The paths. */
  readonly paths: ReadonlyArray<string> | undefined
}

/**
 * A policy: rules in their order, and what becomes of an address that none of them fits.
 *
 * @category models
 * @since 0.1.0
 */
export interface AddressPolicy extends Pipeable {
  readonly [TypeId]: TypeId
  /** What a denial calls it. */
  readonly name: string
  /** The rules. The first one that fits decides. */
  readonly rules: ReadonlyArray<Rule>
  /** What becomes of an address that no rule fits. */
  readonly otherwise: "allow" | "deny"
  /** `true`: a proxy may be given a name to look up itself, though nobody can check what it makes of it. */
  readonly allowNames: boolean
}

/**
 * What a policy is made of.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** What a denial calls it; `"custom"` unless given. */
  readonly name?: string | undefined
  /** The rules. The first one that fits decides. */
  readonly rules: ReadonlyArray<Rule>
  /** What becomes of an address that no rule fits. */
  readonly otherwise: "allow" | "deny"
  /** `true`: a proxy may be given a name to look up itself, though nobody can check what it makes of it. Default `false`. */
  readonly allowNames?: boolean | undefined
}

/**
 * An IPv4 address that another address carries, and how.
 *
 * @category models
 * @since 0.1.0
 */
export interface Embedded {
  /** The way it is carried. */
  readonly form: "IPv4-mapped" | "IPv4-compatible" | "IPv4-translated" | "NAT64" | "6to4" | "Teredo" | "ISATAP"
  /** The address that is carried. */
  readonly address: NetAddress.Ipv4Address
}

/**
 * That an address is denied, and why.
 *
 * @category models
 * @since 0.1.0
 */
export interface Denial {
  /** The name of the policy. */
  readonly policy: string
  /** The name of the rule; `"otherwise"` where no rule fits, and the policy allows only what one does. */
  readonly rule: string
  /** The address that was asked about. */
  readonly address: SocketAddress.SocketAddress
  /** The network of the rule that it is in. */
  readonly network: IpNetwork.IpNetwork | undefined
  /** The IPv4 address that it carries, where that is what the rule fits. */
  readonly embedded: Embedded | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Addresses that carry addresses
// ---------------------------------------------------------------------------------------------------------------------

/** The octets of an address from a place on, as an IPv4 address. */
const ipv4At = (octets: ReadonlyArray<number>, at: number, mask = 0): NetAddress.Ipv4Address =>
  NetAddress.ipv4FromBytesUnsafe(new Uint8Array(octets.slice(at, at + 4).map((octet) => octet ^ mask)))

const begins = (octets: ReadonlyArray<number>, ...prefix: ReadonlyArray<number>): boolean =>
  prefix.every((octet, i) => octets[i] === octet)

const tenZeros = Array.from({ length: 10 }, () => 0)

/**
 * Finds the IPv4 addresses that an IPv6 address carries: where its packets may come out.
 *
 * **Details**
 *
 * | form | where |
 * | --- | --- |
 * | IPv4-mapped (RFC 4291) | `::ffff:0:0/96`, the last 32 bits |
 * | IPv4-compatible (RFC 4291, deprecated) | `::/96`, the last 32 bits, but for `::` and `::1` |
 * | IPv4-translated (RFC 2765) | `::ffff:0:0:0/96`, the last 32 bits |
 * | NAT64 (RFC 6052) | `64:ff9b::/96`, and `64:ff9b:1::/48` (RFC 8215): the last 32 bits |
 * | 6to4 (RFC 3056) | `2002::/16`, the bits from 16 on |
 * | Teredo (RFC 4380) | `2001::/32`: the server, the bits from 32 on, and the client, the last 32 bits, inverted |
 * | ISATAP (RFC 5214) | any prefix, where the lower half begins with `0:5efe` or `200:5efe`: the last 32 bits |
 *
 * **Gotchas**
 *
 * Translators with a prefix of their own (RFC 6052, section 2.2) cannot be told from other addresses. Deny the prefix.
 *
 * **Example** (What a 6to4 address carries)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy } from "@effect-winsock/core"
 * import { NetAddress } from "effect/net"
 *
 * const [first] = AddressPolicy.embedded(NetAddress.ipFromStringUnsafe("2002:7f00:1::"))
 * first?.form // => "6to4"
 * String(first?.address) // => "127.0.0.1"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const embedded = (address: NetAddress.IpAddress): ReadonlyArray<Embedded> => {
  if (!NetAddress.isIpv6Address(address)) return []
  const octets = NetAddress.ipv6ToOctets(address)
  const last = (form: Embedded["form"]): ReadonlyArray<Embedded> => [{ form, address: ipv4At(octets, 12) }]
  if (begins(octets, ...tenZeros, 0xff, 0xff)) return last("IPv4-mapped")
  if (begins(octets, ...tenZeros, 0, 0)) {
    return NetAddress.isUnspecified(address) || NetAddress.isLoopback(address) ? [] : last("IPv4-compatible")
  }
  if (begins(octets, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0)) return last("IPv4-translated")
  if (begins(octets, 0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0)) return last("NAT64")
  if (begins(octets, 0, 0x64, 0xff, 0x9b, 0, 1)) return last("NAT64")
  if (begins(octets, 0x20, 0x02)) return [{ form: "6to4", address: ipv4At(octets, 2) }]
  if (begins(octets, 0x20, 0x01, 0, 0)) {
    return [
      { form: "Teredo", address: ipv4At(octets, 4) },
      { form: "Teredo", address: ipv4At(octets, 12, 0xff) }
    ]
  }
  // the universal bit of the interface identifier is set where the IPv4 address is unique in the world
  const isIsatap = (octets[8]! & ~2) === 0 && octets[9] === 0 && octets[10] === 0x5e && octets[11] === 0xfe
  return isIsatap ? last("ISATAP") : []
}

// ---------------------------------------------------------------------------------------------------------------------
// Rules
// ---------------------------------------------------------------------------------------------------------------------

/** A mapped network is the IPv4 network that it is. */
const networkOf = (input: IpNetwork.IpNetworkInput): IpNetwork.IpNetwork => {
  const network = IpNetwork.fromInputUnsafe(input)
  const address = NetAddress.toCanonical(network.address)
  return address === network.address || network.prefixLength < 96
    ? network
    : IpNetwork.makeUnsafe(address, network.prefixLength - 96)
}

const isPort = (port: unknown): boolean => Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65535

const portsOf = (ports: NonNullable<Conditions["ports"]>): NonNullable<Rule["ports"]> =>
  ports.map((port) => {
    const [from, to] = typeof port === "number" ? [port, port] : port
    if (!isPort(from) || !isPort(to) || from > to) {
      throw new TypeError(`ports: expected a port or a pair of ports in order, got ${String(port)}`)
    }
    return Object.freeze([from, to] as const)
  })

/** Works out `.`, `..` and doubled slashes; an abstract name is left alone. */
const lexical = (path: string): string => {
  if (path.startsWith("\0")) return path
  const kept: Array<string> = []
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue
    if (name !== "..") kept.push(name)
    else if (kept.length > 0 && kept.at(-1) !== "..") kept.pop()
    else if (!path.startsWith("/")) kept.push(name)
  }
  const joined = kept.join("/")
  return (path.startsWith("/") ? `/${joined}` : joined) + (path.endsWith("/") && joined !== "" ? "/" : "")
}

const known: ReadonlySet<unknown> = new Set<SocketAddress.Family>(["IPv4", "IPv6", "Unix"])

/** A family that is none would fit no address: who denies it so would deny nothing. */
const familiesOf = (families: NonNullable<Conditions["families"]>): NonNullable<Rule["families"]> => {
  if (!Array.isArray(families) || !families.every((family) => known.has(family))) {
    throw new TypeError(`families: expected a list of "IPv4", "IPv6" and "Unix", got ${String(families)}`)
  }
  return [...families]
}

const rule = (verdict: Rule["verdict"], name: string, conditions: Conditions): Rule => {
  const { except = [], families, networks, paths, ports } = conditions
  return Object.freeze({
    name,
    verdict,
    networks: networks && Object.freeze(networks.map(networkOf)),
    except: Object.freeze(except.map(networkOf)),
    families: families && Object.freeze(familiesOf(families)),
    ports: ports && Object.freeze(portsOf(ports)),
    paths: paths && Object.freeze(paths.map(lexical))
  })
}

/**
 * Makes a rule that allows the addresses that it fits.
 *
 * **Details**
 *
 * Throws where a network, a family or a port cannot be read.
 *
 * **Example** (One port of one network)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy, SocketAddress } from "@effect-winsock/core"
 *
 * const policy = AddressPolicy.make({
 *   rules: [AddressPolicy.allow("the databases", { networks: ["10.1.0.0/16"], ports: [5432] })],
 *   otherwise: "deny"
 * })
 * AddressPolicy.check(policy, SocketAddress.fromInputUnsafe("10.1.2.3:5432")) // => undefined
 * AddressPolicy.check(policy, SocketAddress.fromInputUnsafe("10.1.2.3:22"))?.rule // => "otherwise"
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const allow = (name: string, conditions: Conditions = {}): Rule => rule("allow", name, conditions)

/**
 * Makes a rule that denies the addresses that it fits.
 *
 * **Details**
 *
 * Throws where a network, a family or a port cannot be read.
 *
 * **Example** (No mail)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy, SocketAddress } from "@effect-winsock/core"
 *
 * const policy = AddressPolicy.make({
 *   rules: [AddressPolicy.deny("mail", { ports: [25, [465, 587]] })],
 *   otherwise: "allow"
 * })
 * AddressPolicy.check(policy, SocketAddress.fromInputUnsafe("192.0.2.1:587"))?.rule // => "mail"
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const deny = (name: string, conditions: Conditions = {}): Rule => rule("deny", name, conditions)

// ---------------------------------------------------------------------------------------------------------------------
// Policies
// ---------------------------------------------------------------------------------------------------------------------

const Proto = {
  [TypeId]: TypeId,
  pipe() {
    return pipeArguments(this, arguments)
  }
}

/**
 * Makes a policy of rules.
 *
 * **Details**
 *
 * What is made is frozen.
 *
 * **Example** (The first rule that fits decides)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy, SocketAddress } from "@effect-winsock/core"
 *
 * const policy = AddressPolicy.make({
 *   name: "our networks",
 *   rules: [
 *     AddressPolicy.deny("the vault", { networks: ["10.1.9.0/24"] }),
 *     AddressPolicy.allow("the rest of it", { networks: ["10.1.0.0/16"] })
 *   ],
 *   otherwise: "deny"
 * })
 * AddressPolicy.check(policy, SocketAddress.fromInputUnsafe("10.1.9.7:80"))?.rule // => "the vault"
 * AddressPolicy.check(policy, SocketAddress.fromInputUnsafe("10.1.1.7:80")) // => undefined
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): AddressPolicy => {
  const self = Object.assign(Object.create(Proto), {
    name: options.name ?? "custom",
    rules: Object.freeze([...options.rules]),
    otherwise: options.otherwise,
    allowNames: options.allowNames ?? false
  })
  return Object.freeze(self)
}

/**
 * Tells whether a value is an address policy.
 *
 * **Example** (Telling what a value is)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy } from "@effect-winsock/core"
 *
 * AddressPolicy.isAddressPolicy(AddressPolicy.publicOnly) // => true
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isAddressPolicy = (u: unknown): u is AddressPolicy => hasProperty(u, TypeId)

/**
 * Puts rules before those of a policy, so that they decide first.
 *
 * **When to use**
 *
 * Use to make an exception: to let a program that is held to public addresses reach its own proxy.
 *
 * **Example** (Public addresses, and our proxy)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy, SocketAddress } from "@effect-winsock/core"
 *
 * const policy = AddressPolicy.publicOnly.pipe(
 *   AddressPolicy.before(AddressPolicy.allow("our proxy", { networks: ["10.0.0.9/32"], ports: [3128] }))
 * )
 * AddressPolicy.check(policy, SocketAddress.fromInputUnsafe("10.0.0.9:3128")) // => undefined
 * AddressPolicy.check(policy, SocketAddress.fromInputUnsafe("10.0.0.9:22"))?.rule // => "private"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const before = (...rules: ReadonlyArray<Rule>) => (self: AddressPolicy): AddressPolicy =>
  make({ ...self, rules: [...rules, ...self.rules] })

/**
 * Lets names be handed to proxies that look them up themselves.
 *
 * **When to use**
 *
 * Use where the proxy is trusted to keep to a policy of its own: what it makes of a name, nobody here can check.
 *
 * **Example** (A proxy that has its own rules)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy } from "@effect-winsock/core"
 *
 * AddressPolicy.publicOnly.allowNames // => false
 * AddressPolicy.publicOnly.pipe(AddressPolicy.withNames).allowNames // => true
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withNames = (self: AddressPolicy): AddressPolicy => make({ ...self, allowNames: true })

// ---------------------------------------------------------------------------------------------------------------------
// Asking
// ---------------------------------------------------------------------------------------------------------------------

/** An address as rules see it: itself, or an IPv4 address that it carries. */
interface Seen {
  /** The octets of the IP address. */
  readonly ip: ReadonlyArray<number> | undefined
  readonly family: SocketAddress.Family
  readonly port: number | undefined
  readonly path: string | undefined
}

const octetsOf = (ip: NetAddress.IpAddress): ReadonlyArray<number> =>
  NetAddress.isIpv4Address(ip) ? NetAddress.ipv4ToOctets(ip) : NetAddress.ipv6ToOctets(ip)

// What a network begins with is worked out once: a policy has dozens of them, and is asked at every connect.
const beginnings = new WeakMap<IpNetwork.IpNetwork, ReadonlyArray<number>>()

const beginningOf = (network: IpNetwork.IpNetwork): ReadonlyArray<number> => {
  const known = beginnings.get(network)
  if (known !== undefined) return known
  const octets = octetsOf(network.address)
  beginnings.set(network, octets)
  return octets
}

const contains = (network: IpNetwork.IpNetwork, ip: ReadonlyArray<number>): boolean => {
  const octets = beginningOf(network)
  if (octets.length !== ip.length) return false
  const whole = network.prefixLength >> 3
  for (let i = 0; i < whole; i++) if (octets[i] !== ip[i]) return false
  const rest = network.prefixLength & 7
  return rest === 0 || (octets[whole]! ^ ip[whole]!) >> (8 - rest) === 0
}

const inAny = (networks: ReadonlyArray<IpNetwork.IpNetwork>, { ip }: Seen): IpNetwork.IpNetwork | undefined =>
  ip === undefined ? undefined : networks.find((network) => contains(network, ip))

const isAmong = (paths: ReadonlyArray<string>, { path }: Seen): boolean =>
  path !== undefined && paths.some((one) => one.endsWith("/") ? path.startsWith(one) : path === one)

const isBetween = (ports: NonNullable<Rule["ports"]>, { port }: Seen): boolean =>
  port !== undefined && ports.some(([from, to]) => port >= from && port <= to)

/** `undefined` where the rule does not fit. */
const fits = (rule: Rule, seen: Seen): { readonly network: IpNetwork.IpNetwork | undefined } | undefined => {
  if (rule.families !== undefined && !rule.families.includes(seen.family)) return undefined
  if (rule.ports !== undefined && !isBetween(rule.ports, seen)) return undefined
  if (rule.paths !== undefined && !isAmong(rule.paths, seen)) return undefined
  const network = rule.networks && inAny(rule.networks, seen)
  if (rule.networks !== undefined && network === undefined) return undefined
  return inAny(rule.except, seen) === undefined ? { network } : undefined
}

const decide = (policy: AddressPolicy, seen: Seen): Pick<Denial, "rule" | "network"> | undefined => {
  for (const rule of policy.rules) {
    const fit = fits(rule, seen)
    if (fit !== undefined) return rule.verdict === "allow" ? undefined : { rule: rule.name, network: fit.network }
  }
  return policy.otherwise === "allow" ? undefined : { rule: "otherwise", network: undefined }
}

/**
 * Asks a policy about an address: `undefined` where it is allowed.
 *
 * **Details**
 *
 * An address that carries an IPv4 address is asked about twice: for what it carries, and for itself. Either can be denied.
 * The family, to rules that name one, is that of the address itself.
 *
 * **Example** (Asking about an address, however it is written)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy, SocketAddress } from "@effect-winsock/core"
 *
 * const ruleOf = (address: string) =>
 *   AddressPolicy.check(AddressPolicy.publicOnly, SocketAddress.fromInputUnsafe(address))?.rule
 *
 * ruleOf("9.9.9.9:443") // => undefined
 * ruleOf("169.254.169.254:80") // => "link-local"
 * ruleOf("[::ffff:169.254.169.254]:80") // => "link-local"
 * ruleOf("[64:ff9b::a9fe:a9fe]:80") // => "link-local"
 * ruleOf("[64:ff9b::909:909]:443") // => undefined
 * ruleOf("unix:/run/docker.sock") // => "unix paths"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const check: {
  /**
   * Asks a policy about an address: `undefined` where it is allowed.
   */
  (address: SocketAddress.SocketAddress): (policy: AddressPolicy) => Denial | undefined
  /**
   * Asks a policy about an address: `undefined` where it is allowed.
   */
  (policy: AddressPolicy, address: SocketAddress.SocketAddress): Denial | undefined
} = dual(2, (policy: AddressPolicy, address: SocketAddress.SocketAddress): Denial | undefined => {
  const denied = (found: Pick<Denial, "rule" | "network"> | undefined, embedded?: Embedded): Denial | undefined =>
    found && { policy: policy.name, rule: found.rule, address, network: found.network, embedded }
  if (address._tag === "UnixPathAddress") {
    return denied(decide(policy, { ip: undefined, family: "Unix", port: undefined, path: lexical(address.path) }))
  }
  const carried = embedded(address.address)
  const isMapped = carried[0]?.form === "IPv4-mapped"
  const family = isMapped ? "IPv4" : SocketAddress.familyOf(address)
  const asked = (ip: NetAddress.IpAddress) =>
    decide(policy, { ip: octetsOf(ip), family, port: address.port, path: undefined })
  for (const one of carried) {
    const denial = denied(asked(one.address), one)
    if (denial !== undefined) return denial
  }
  return isMapped ? undefined : denied(asked(address.address))
})

/**
 * Says in words why an address is denied, as the errors do.
 *
 * **Example** (What was inside)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy, SocketAddress } from "@effect-winsock/core"
 *
 * const denial = AddressPolicy.check(AddressPolicy.publicOnly, SocketAddress.fromInputUnsafe("[2002:a00:1::]:80"))
 * const words = denial && AddressPolicy.describe(denial)
 * words?.split(" denies ")[0] // => "the rule \"private\" of the address policy \"publicOnly\""
 * words?.split(" denies ")[1] // => "[2002:a00:1::]:80, which carries 10.0.0.1 as 6to4 (10.0.0.0/8)"
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const describe = ({ address, embedded, network, policy, rule }: Denial): string =>
  `the rule "${rule}" of the address policy "${policy}" denies ${SocketAddress.format(address)}` +
  (embedded === undefined ? "" : `, which carries ${String(embedded.address)} as ${embedded.form}`) +
  (network === undefined ? "" : ` (${IpNetwork.format(network)})`)

// ---------------------------------------------------------------------------------------------------------------------
// Public addresses
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A network that is set aside for something.
 *
 * @category models
 * @since 0.1.0
 */
export interface SpecialPurpose {
  /** The network. */
  readonly network: string
  /** What it is for: the name of the rule of {@link publicOnly} that denies it. */
  readonly purpose: string
  /** What IANA says of "globally reachable"; `undefined` where it says neither, or has no row for it. */
  readonly reachable: boolean | undefined
  /** Where it is set aside. */
  readonly reference: string
}

const row = (
  network: string,
  purpose: string,
  reachable: boolean | undefined,
  reference: string
): SpecialPurpose => Object.freeze({ network, purpose, reachable, reference })

/**
 * The networks that are set aside for something, those within others before these.
 *
 * **Details**
 *
 * These are all rows of IANA's IPv4 and IPv6 Special-Purpose Address Registries
 * (https://www.iana.org/assignments/iana-ipv4-special-registry, …/iana-ipv6-special-registry), as of September 2026; the
 * newest row is 100:0:0:1::/64, of April 2025. Added are what other registries and documents set aside: multicast, and the
 * deprecated forms `::/96`, `::ffff:0:0:0/96` and `fec0::/10`.
 *
 * **Example** (Looking a network up)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy } from "@effect-winsock/core"
 *
 * const found = AddressPolicy.specialPurpose.find(({ network }) => network === "100.64.0.0/10")
 * found?.purpose // => "carrier-grade NAT"
 * found?.reachable // => false
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const specialPurpose: ReadonlyArray<SpecialPurpose> = Object.freeze([
  // IPv4
  row("0.0.0.0/8", "unspecified", false, "RFC 791"),
  row("10.0.0.0/8", "private", false, "RFC 1918"),
  row("100.64.0.0/10", "carrier-grade NAT", false, "RFC 6598"),
  row("127.0.0.0/8", "loopback", false, "RFC 1122"),
  row("169.254.0.0/16", "link-local", false, "RFC 3927"),
  row("172.16.0.0/12", "private", false, "RFC 1918"),
  row("192.0.0.0/29", "protocol assignments", false, "RFC 7335"),
  row("192.0.0.8/32", "protocol assignments", false, "RFC 7600"),
  row("192.0.0.9/32", "protocol assignments", true, "RFC 7723"),
  row("192.0.0.10/32", "protocol assignments", true, "RFC 8155"),
  row("192.0.0.170/32", "protocol assignments", false, "RFC 7050"),
  row("192.0.0.171/32", "protocol assignments", false, "RFC 7050"),
  row("192.0.0.0/24", "protocol assignments", false, "RFC 6890"),
  row("192.0.2.0/24", "documentation", false, "RFC 5737"),
  row("192.31.196.0/24", "AS112", true, "RFC 7535"),
  row("192.52.193.0/24", "AMT", true, "RFC 7450"),
  row("192.88.99.2/32", "6to4 relay", false, "RFC 6751"),
  row("192.88.99.0/24", "6to4 relay", undefined, "RFC 7526"),
  row("192.168.0.0/16", "private", false, "RFC 1918"),
  row("192.175.48.0/24", "AS112", true, "RFC 7534"),
  row("198.18.0.0/15", "benchmarking", false, "RFC 2544"),
  row("198.51.100.0/24", "documentation", false, "RFC 5737"),
  row("203.0.113.0/24", "documentation", false, "RFC 5737"),
  row("224.0.0.0/4", "multicast", undefined, "RFC 5771"),
  row("255.255.255.255/32", "broadcast", false, "RFC 8190"),
  row("240.0.0.0/4", "reserved", false, "RFC 1112"),
  // IPv6
  row("::/128", "unspecified", false, "RFC 4291"),
  row("::1/128", "loopback", false, "RFC 4291"),
  row("::/96", "IPv4-compatible", undefined, "RFC 4291"),
  row("::ffff:0:0:0/96", "IPv4-translated", undefined, "RFC 2765"),
  row("64:ff9b::/96", "NAT64", true, "RFC 6052"),
  row("64:ff9b:1::/48", "local NAT64", false, "RFC 8215"),
  row("100::/64", "discard-only", false, "RFC 6666"),
  row("100:0:0:1::/64", "dummy", false, "RFC 9780"),
  row("2001::/32", "Teredo", undefined, "RFC 4380"),
  row("2001:1::1/128", "protocol assignments", true, "RFC 7723"),
  row("2001:1::2/128", "protocol assignments", true, "RFC 8155"),
  row("2001:1::3/128", "protocol assignments", true, "RFC 9665"),
  row("2001:2::/48", "benchmarking", false, "RFC 5180"),
  row("2001:3::/32", "protocol assignments", true, "RFC 7450"),
  row("2001:4:112::/48", "protocol assignments", true, "RFC 7535"),
  row("2001:10::/28", "protocol assignments", undefined, "RFC 4843"),
  row("2001:20::/28", "protocol assignments", true, "RFC 7343"),
  row("2001:30::/28", "protocol assignments", true, "RFC 9374"),
  row("2001::/23", "protocol assignments", false, "RFC 2928"),
  row("2001:db8::/32", "documentation", false, "RFC 3849"),
  row("2002::/16", "6to4", undefined, "RFC 3056"),
  row("2620:4f:8000::/48", "AS112", true, "RFC 7534"),
  row("3fff::/20", "documentation", false, "RFC 9637"),
  row("5f00::/16", "segment routing", false, "RFC 9602"),
  row("fc00::/7", "unique-local", false, "RFC 4193"),
  row("fe80::/10", "link-local", false, "RFC 4291"),
  row("fec0::/10", "site-local", undefined, "RFC 3879"),
  row("ff00::/8", "multicast", undefined, "RFC 4291")
])

/**
 * Allows the addresses of the public internet, and nothing else.
 *
 * **Details**
 *
 * Denied are the rows of {@link specialPurpose} that are not said to be reachable from everywhere, those rows within them too
 * that are (what answers there is the next device that serves a protocol, not a host of the internet); of IPv6 all that is
 * outside of 2000::/3, which is all that has been given out, but for NAT64's 64:ff9b::/96; and Unix-domain paths. What an
 * address carries is asked about as well, so that NAT64 leads to public IPv4 addresses only. A rule has the name of its
 * purpose: `"loopback"`, `"private"`, `"link-local"`, `"unique-local"`, `"multicast"` and so on, `"not given out"` for what
 * has none, and `"unix paths"`.
 *
 * **Gotchas**
 *
 * A public address may still be one's own: that of the machine itself, or of a neighbour who trusts it. Add a rule for such.
 *
 * **Example** (All kinds of home)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy, SocketAddress } from "@effect-winsock/core"
 *
 * const rules = ["10.0.0.1:80", "[::1]:80", "[fd00::1]:80", "[5000::1]:80", "[2606:4700::1111]:80"].map((address) =>
 *   AddressPolicy.check(AddressPolicy.publicOnly, SocketAddress.fromInputUnsafe(address))?.rule
 * )
 * rules // => ["private", "loopback", "unique-local", "not given out", undefined]
 * ```
 *
 * @category policies
 * @since 0.1.0
 */
export const publicOnly: AddressPolicy = make({
  name: "publicOnly",
  rules: [
    ...specialPurpose.filter(({ reachable }) => reachable !== true).map(({ network, purpose }) =>
      deny(purpose, { networks: [network] })
    ),
    deny("not given out", { networks: ["::/0"], except: ["2000::/3", "64:ff9b::/96"] }),
    deny("unix paths", { families: ["Unix"] })
  ],
  otherwise: "allow"
})

// ---------------------------------------------------------------------------------------------------------------------
// A whole program
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Holds all connectors of a program to a policy, wherever they were made.
 *
 * **Details**
 *
 * Several such layers, merged or one within the other, all hold.
 *
 * **Example** (A program whose pipelines are made elsewhere)
 *
 * ```ts import.meta.vitest
 * import { AddressPolicy, Connector } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const elsewhere = Effect.flip(Effect.scoped(Connector.winsock.connect("10.0.0.1:80")))
 * const program = elsewhere.pipe(
 *   Effect.provide([AddressPolicy.layer(AddressPolicy.publicOnly), SimNetwork.layer()])
 * )
 * Sim.getOrThrow(Sim.run(program))._tag // => "WSAEACCES"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (policy: AddressPolicy): Layer.Layer<never> =>
  Layer.succeedContext(Context.makeUnsafe(Ambient.entry(policy)))
