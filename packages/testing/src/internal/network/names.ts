/**
 * The names of a network: what they stand for, how long asking for them takes, and what it fails with.
 */
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import type * as WsaError from "@effect-winsock/core/WsaError"
import * as Effect from "effect/Effect"
import * as Dns from "effect/net/Dns"
import type { Engine, Luck } from "../../Sim.ts"
import type { Address } from "../addresses.ts"
import type { Host } from "./host.ts"
import { Words } from "./words.ts"

/** In microseconds. */
export interface NameSettings {
  readonly latency: number
  readonly jitter: number
  readonly timeout: number
}

type Family = "IPv4" | "IPv6"
export type Found = ReadonlyArray<Address> | WsaError.Code

const keyOf = (name: string): string => {
  const lower = name.toLowerCase()
  return lower.endsWith(".") ? lower.slice(0, -1) : lower
}

/** What was said of a family goes before what was said of the name. */
const keysOf = (name: string, family: Family | undefined): ReadonlyArray<string> =>
  family === undefined ? [keyOf(name)] : [`${keyOf(name)} ${family}`, keyOf(name)]

const sayKey = (name: string, family: Family | undefined): string => keysOf(name, family)[0]!

export class Names {
  readonly settings: NameSettings
  private readonly engine: Engine
  private readonly known = new Map<string, ReadonlyArray<Address>>()
  private readonly failing = new Words<WsaError.Code>()
  private readonly slow = new Words<number>()
  /** What the next look-ups find, of each family by itself. */
  private readonly next = new Map<string, Array<Found>>()
  private luck: Luck | undefined

  constructor(engine: Engine, settings: NameSettings) {
    this.engine = engine
    this.settings = settings
  }

  set(name: string, addresses: ReadonlyArray<Address>): void {
    this.known.set(keyOf(name), addresses)
  }

  add(name: string, addresses: ReadonlyArray<Address>): void {
    this.set(name, [...this.known.get(keyOf(name)) ?? [], ...addresses])
  }

  fail(name: string, code: WsaError.Code, family: Family | undefined): () => void {
    return this.failing.say(sayKey(name, family), code)
  }

  delay(name: string, micros: number, family: Family | undefined): () => void {
    return this.slow.say(sayKey(name, family), micros)
  }

  answer(name: string, answers: ReadonlyArray<Found>): void {
    for (const family of ["IPv4", "IPv6"] as const) {
      const key = sayKey(name, family)
      this.next.set(key, [...this.next.get(key) ?? [], ...answers])
    }
  }

  /** `undefined` where the name is not known; a code where asking fails. */
  find(name: string, family?: Family): Found | undefined {
    return this.failing.last(...keysOf(name, family)) ?? this.known.get(keyOf(name))
  }

  /** What a program that asks is told, and after how long. */
  ask(host: Host, name: string, family: Family | undefined): { readonly found: Found; readonly after: number } {
    const found = this.foundBy(host, name, family)
    const late = this.slow.last(...keysOf(name, family)) ?? this.latency()
    return { found, after: found === "WSAETIMEDOUT" ? Math.max(late, this.settings.timeout) : late }
  }

  private foundBy(host: Host, name: string, family: Family | undefined): Found {
    // This one is in the hosts file.
    if (host.network === "down" && keyOf(name) !== "localhost") return "WSATRY_AGAIN"
    const [four, six] = [this.nextOf(name, "IPv4", family), this.nextOf(name, "IPv6", family)]
    return this.failing.last(...keysOf(name, family)) ?? four ?? six ?? this.find(name, family) ?? "WSAHOST_NOT_FOUND"
  }

  private nextOf(name: string, family: Family, asked: Family | undefined): Found | undefined {
    return asked === undefined || asked === family ? this.next.get(sayKey(name, family))?.shift() : undefined
  }

  private latency(): number {
    const { jitter, latency } = this.settings
    return jitter > 0 ? latency + (this.luck ??= this.engine.luck("names")).below(jitter + 1) : latency
  }
}

/** What a resolver says where Winsock would say the code. What none of its reasons stands for it names itself. */
const failureOf = (code: WsaError.Code, hostname: string): Dns.DnsError => {
  const [reason, native] = said[code] ?? ["Unknown", code]
  return new Dns.DnsError({ reason, method: "lookup", hostname, cause: { code: native } })
}

const said: { readonly [C in WsaError.Code]?: readonly [Dns.DnsErrorReason, string] } = {
  WSAHOST_NOT_FOUND: ["NotFound", "ENOTFOUND"],
  WSANO_DATA: ["NotFound", "ENODATA"],
  WSATRY_AGAIN: ["ServerFailure", "ESERVFAIL"],
  WSAETIMEDOUT: ["Timeout", "ETIMEOUT"],
  WSANO_RECOVERY: ["Refused", "EREFUSED"]
}

const isOf = (family: Family | undefined) => (address: Address): boolean =>
  family === undefined || SocketAddress.familyOf(address) === family

/** What came of asking. A name without an address of the family exists all the same. */
const told = (
  found: Found,
  name: string,
  family: Family | undefined
): Effect.Effect<ReadonlyArray<Address>, Dns.DnsError> => {
  if (typeof found === "string") return Effect.fail(failureOf(found, name))
  const addresses = found.filter(isOf(family))
  return addresses.length === 0 ? Effect.fail(failureOf("WSANO_DATA", name)) : Effect.succeed(addresses)
}

/** The resolver of a host. */
export const dnsOf = (engine: Engine, names: Names, host: Host): Dns.Dns["Service"] =>
  Dns.make({
    lookup: (name, family) =>
      Effect.suspend(() => {
        const { after, found } = names.ask(host, name, family)
        engine.note({ kind: "name asked", host: host.name, name, family })
        const answer = Effect.suspend(() => {
          const what = typeof found === "string"
            ? found
            : found.filter(isOf(family)).map(SocketAddress.format).join(" ")
          engine.note({ kind: "name answered", host: host.name, name, family, what })
          return told(found, name, family)
        })
        return Effect.map(
          after === 0 ? answer : Effect.andThen(passed(engine, after), answer),
          (all) => all.flatMap((address) => address._tag === "UnixPathAddress" ? [] : [address.address])
        )
      })
  })

const passed = (engine: Engine, micros: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const timer = engine.at(engine.now() + micros, () => resume(Effect.void))
    return Effect.sync(() => engine.cancel(timer))
  })
