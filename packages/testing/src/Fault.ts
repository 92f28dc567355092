/**
 * What may go wrong in a simulated network, as values: made anywhere, kept in lists, drawn by luck, and injected for as
 * long as a scope is open.
 *
 * **When to use**
 *
 * Use with a `SimNetwork`, for whatever a program has to live through. For what one connect of one program meets, `Script`
 * is shorter.
 *
 * **Details**
 *
 * - {@link inject} lets a fault begin at once, and heals it when its scope ends, however it ends. {@link during} is a
 *   scope of so much time. All else about time is Effect's: `Effect.delay` lets it begin later, `Effect.repeat` lets it come
 *   again, `Effect.forkScoped` lets the test go on meanwhile.
 * - Faults may overlap. What several of them keep from working works again when all of them are healed.
 * - Each one stands in the trace of the run, when it begins and when it is over.
 *
 * **Example** (A partition of five seconds, a second from now)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Fault, Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Clock, Effect } from "effect"
 *
 * const listening = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "0.0.0.0:80")
 *   yield* Winsock.listen(listener)
 *   return yield* Effect.never
 * }).pipe(Effect.scoped)
 *
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.make({ hosts: { client: {}, server: {} } })
 *   yield* net.run("server", listening)
 *   yield* Fault.inject(net, Fault.partition("client", "server")).pipe(
 *     Fault.during("5 seconds"),
 *     Effect.delay("1 second"),
 *     Effect.forkScoped
 *   )
 *   yield* Effect.sleep("2 seconds")
 *   return yield* Effect.gen(function*() {
 *     const begin = yield* Clock.currentTimeMillis
 *     const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *     yield* Winsock.WSAConnect(s, net.address("server", 80))
 *     // asked in vain at once, and again every second; after four the partition is over
 *     return (yield* Clock.currentTimeMillis) - begin
 *   }).pipe(Effect.scoped, Effect.provide(net.layer("client")))
 * }).pipe(Effect.scoped)
 *
 * Sim.getOrThrow(Sim.run(program)) // => 4002
 * ```
 *
 * @since 0.1.0
 */
import type * as SocketAddress from "@effect-winsock/core/SocketAddress"
import type * as WsaError from "@effect-winsock/core/WsaError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Network } from "./SimNetwork.ts"

/**
 * Something that may go wrong, as data.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault =
  | { readonly _tag: "NetworkDown" | "Crash" | "Stop" | "Restart"; readonly host: string }
  | { readonly _tag: "Partition"; readonly cuts: ReadonlyArray<readonly [from: string, to: string]> }
  | { readonly _tag: "Refuse" | "BlackHole"; readonly address: SocketAddress.Input }
  | { readonly _tag: "SlowAccept"; readonly address: SocketAddress.Input; readonly delay: Duration.Input }
  | { readonly _tag: "Reset"; readonly at: SocketAddress.Input | { readonly host: string } }
  | { readonly _tag: "DnsFailure"; readonly name: string; readonly code: WsaError.Code }
  | { readonly _tag: "Shortage"; readonly at: Reservable; readonly bytes: number }

/**
 * Where something can be reserved: one way between two hosts, or what leaves and what arrives at a host.
 *
 * @category models
 * @since 0.1.0
 */
export type Reservable = string | readonly [from: string, to: string]

/**
 * One host, or several.
 *
 * @category models
 * @since 0.1.0
 */
export type Hosts = string | ReadonlyArray<string>

const pairs = (from: Hosts, to: Hosts) =>
  [from].flat().flatMap((one) => [to].flat().map((other) => [one, other] as const))

/**
 * The network of the host is down: its calls are WSAENETDOWN, and nothing comes or goes (E02).
 *
 * **Example** (Asking for a socket meanwhile)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Fault, Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.SimNetwork
 *   const open = Effect.scoped(Effect.asVoid(Winsock.socket({ family: "IPv4", type: "stream" })))
 *   const error = yield* Fault.inject(net, Fault.networkDown("host")).pipe(
 *     Effect.andThen(Effect.flip(open)),
 *     Effect.scoped
 *   )
 *   yield* open
 *   return error._tag
 * }).pipe(Effect.provide(SimNetwork.layer()))
 *
 * Sim.getOrThrow(Sim.run(program)) // => "WSAENETDOWN"
 * ```
 *
 * @category faults
 * @since 0.1.0
 */
export const networkDown = (host: string): Fault => ({ _tag: "NetworkDown", host })

/**
 * Nothing goes from the ones to the others, nor back. Whoever sends is not told.
 *
 * **Details**
 *
 * Connections stay: what is sent is sent again, as the profile says, and a partition that is over in time shows as a
 * stall. On both sides there may be several hosts.
 *
 * **Example** (One host cut off from two others)
 *
 * ```ts import.meta.vitest
 * import { Fault } from "@effect-winsock/testing"
 *
 * const fault = Fault.partition("leader", ["second", "third"])
 * fault._tag === "Partition" && fault.cuts.length // => 4
 * ```
 *
 * @category faults
 * @since 0.1.0
 */
export const partition = (some: Hosts, others: Hosts): Fault => ({
  _tag: "Partition",
  cuts: [...pairs(some, others), ...pairs(others, some)]
})

/**
 * Nothing goes from the ones to the others; what goes back arrives.
 *
 * **Example** (Questions arrive, answers do not)
 *
 * ```ts import.meta.vitest
 * import { Fault } from "@effect-winsock/testing"
 *
 * Fault.partitionOneWay("server", "client") // => { _tag: "Partition", cuts: [["server", "client"]] }
 * ```
 *
 * @category faults
 * @since 0.1.0
 */
export const partitionOneWay = (from: Hosts, to: Hosts): Fault => ({ _tag: "Partition", cuts: pairs(from, to) })

/**
 * The host loses its power: nobody is told. When it is healed it begins again, with the programs that `run` gave it.
 *
 * **Details**
 *
 * Its peers learn of it when they send: they are reset once it has power again, and time out where it has not.
 *
 * **Example** (A minute without power)
 *
 * ```ts import.meta.vitest
 * import { Fault, Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.make({ hosts: { server: {} } })
 *   let starts = 0
 *   yield* net.run("server", Effect.sync(() => starts++))
 *   yield* Effect.sleep("1 second")
 *   yield* Fault.inject(net, Fault.crash("server")).pipe(Fault.during("1 minute"))
 *   yield* Effect.sleep("1 second")
 *   return starts
 * }).pipe(Effect.scoped)
 *
 * Sim.getOrThrow(Sim.run(program)) // => 2
 * ```
 *
 * @category faults
 * @since 0.1.0
 */
export const crash = (host: string): Fault => ({ _tag: "Crash", host })

/**
 * The programs of the host end, and what they left open is closed in order. When it is healed they begin again.
 *
 * **Example** (A deployment)
 *
 * ```ts import.meta.vitest
 * import { Fault } from "@effect-winsock/testing"
 *
 * Fault.stop("server") // => { _tag: "Stop", host: "server" }
 * ```
 *
 * @category faults
 * @since 0.1.0
 */
export const stop = (host: string): Fault => ({ _tag: "Stop", host })

/**
 * The host loses its power and begins again in the same moment, with its programs. There is nothing to heal.
 *
 * **Example** (A host that lost all connections)
 *
 * ```ts import.meta.vitest
 * import { Fault } from "@effect-winsock/testing"
 *
 * Fault.restart("server") // => { _tag: "Restart", host: "server" }
 * ```
 *
 * @category faults
 * @since 0.1.0
 */
export const restart = (host: string): Fault => ({ _tag: "Restart", host })

/**
 * Whoever asks for the address is refused, whether anybody listens or not. Port 0 stands for all ports of a host.
 *
 * **Example** (A service that does not listen)
 *
 * ```ts import.meta.vitest
 * import { Fault } from "@effect-winsock/testing"
 *
 * Fault.refuse("10.0.0.2:80") // => { _tag: "Refuse", address: "10.0.0.2:80" }
 * ```
 *
 * @category faults
 * @since 0.1.0
 */
export const refuse = (address: SocketAddress.Input): Fault => ({ _tag: "Refuse", address })

/**
 * Whoever asks for the address gets no answer, and datagrams to it vanish. Connections that are there stay as they are.
 *
 * **Example** (A firewall that says nothing)
 *
 * ```ts import.meta.vitest
 * import { Fault } from "@effect-winsock/testing"
 *
 * Fault.blackHole("10.0.0.2:0") // => { _tag: "BlackHole", address: "10.0.0.2:0" }
 * ```
 *
 * @category faults
 * @since 0.1.0
 */
export const blackHole = (address: SocketAddress.Input): Fault => ({ _tag: "BlackHole", address })

/**
 * Whoever listens on the address answers so much later.
 *
 * **Example** (A host that is busy)
 *
 * ```ts import.meta.vitest
 * import { Fault } from "@effect-winsock/testing"
 *
 * Fault.slowAccept("10.0.0.2:80", "3 seconds")._tag // => "SlowAccept"
 * ```
 *
 * @category faults
 * @since 0.1.0
 */
export const slowAccept = (address: SocketAddress.Input, delay: Duration.Input): Fault => ({
  _tag: "SlowAccept",
  address,
  delay
})

/**
 * All connections from and to the address, or of the host, are reset at both ends, once. There is nothing to heal.
 *
 * **Example** (A router that forgot its connections)
 *
 * ```ts import.meta.vitest
 * import { Fault } from "@effect-winsock/testing"
 *
 * Fault.reset({ host: "router" })._tag // => "Reset"
 * ```
 *
 * @category faults
 * @since 0.1.0
 */
export const reset = (at: SocketAddress.Input | { readonly host: string }): Fault => ({ _tag: "Reset", at })

/**
 * Asking for the addresses of the name fails with the code, WSATRY_AGAIN unless given.
 *
 * **Example** (A name server that does not answer)
 *
 * ```ts import.meta.vitest
 * import { Fault, Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.make({ hosts: { server: { names: ["db.example"] } } })
 *   const found = yield* Fault.inject(net, Fault.dnsFailure("db.example")).pipe(
 *     Effect.map(() => net.lookup("db.example")),
 *     Effect.scoped
 *   )
 *   return [found, net.lookup("db.example").length]
 * })
 *
 * Sim.getOrThrow(Sim.run(program)) // => ["WSATRY_AGAIN", 2]
 * ```
 *
 * @category faults
 * @since 0.1.0
 */
export const dnsFailure = (name: string, code: WsaError.Code = "WSATRY_AGAIN"): Fault => ({
  _tag: "DnsFailure",
  name,
  code
})

/**
 * Only so many bytes a second can be reserved there. What no longer fits is lost, which FD_QOS tells, and is reserved again
 * when it is healed. The network has to be one that reserves.
 *
 * **Example** (A link that takes no more reservations)
 *
 * ```ts import.meta.vitest
 * import { Fault } from "@effect-winsock/testing"
 *
 * Fault.shortage(["client", "server"], 0) // => { _tag: "Shortage", at: ["client", "server"], bytes: 0 }
 * ```
 *
 * @category faults
 * @since 0.1.0
 */
export const shortage = (at: Reservable, bytes: number): Fault => ({ _tag: "Shortage", at, bytes })

// --- injecting -------------------------------------------------------------------------------------------------------

/** How many faults keep something of a network from working. */
const holds = new WeakMap<Network, Map<string, number>>()

/** Keeps something from working; it works again when all have let go. */
const hold = (net: Network, what: string, again: () => void): () => void => {
  const counts = holds.get(net) ?? new Map<string, number>()
  holds.set(net, counts)
  counts.set(what, (counts.get(what) ?? 0) + 1)
  return () => {
    const left = counts.get(what)! - 1
    counts.set(what, left)
    if (left === 0) again()
  }
}

const nothing = () => {}

/** Cuts all of them, or none where one of the hosts is not there. */
const cutAll = (net: Network, cuts: ReadonlyArray<readonly [from: string, to: string]>): () => void => {
  const made: Array<readonly [from: string, to: string]> = []
  const heal = () => {
    for (const [from, to] of made) net.heal(from, to)
  }
  try {
    for (const cut of cuts) {
      net.cut(...cut)
      made.push(cut)
    }
  } catch (error) {
    heal()
    throw error
  }
  return heal
}

/** Lets a fault begin, and answers what heals it. */
const begin = (net: Network, fault: Fault): () => void => {
  switch (fault._tag) {
    case "NetworkDown":
      net.setNetwork(fault.host, "down")
      return hold(net, `network of ${fault.host}`, () => net.setNetwork(fault.host, "up"))
    case "Crash":
      net.crash(fault.host)
      return hold(net, fault.host, () => net.restart(fault.host))
    case "Stop":
      net.stop(fault.host)
      return hold(net, fault.host, () => net.restart(fault.host))
    case "Restart":
      net.crash(fault.host)
      hold(net, fault.host, () => net.restart(fault.host))()
      return nothing
    case "Partition":
      return cutAll(net, fault.cuts)
    case "Refuse":
      return net.refuse(fault.address)
    case "BlackHole":
      return net.blackhole(fault.address)
    case "SlowAccept":
      return net.slowAccept(fault.address, fault.delay)
    case "Reset":
      net.reset(fault.at)
      return nothing
    case "DnsFailure":
      return net.failName(fault.name, fault.code)
    case "Shortage":
      return net.setReservable(fault.at, fault.bytes)
  }
}

/**
 * Lets faults begin now, all at once, and heals them when the scope ends.
 *
 * **Gotchas**
 *
 * A host or an address that is not there is a defect.
 *
 * **Example** (Refused as long as the scope is open)
 *
 * ```ts import.meta.vitest
 * import { Winsock } from "@effect-winsock/core"
 * import { Fault, Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.SimNetwork
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *   const s = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   const error = yield* Fault.inject(net, Fault.refuse("127.0.0.1:80")).pipe(
 *     Effect.andThen(Effect.flip(Winsock.WSAConnect(s, "127.0.0.1:80"))),
 *     Effect.scoped
 *   )
 *   yield* Winsock.WSAConnect(s, "127.0.0.1:80")
 *   return error._tag
 * }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
 *
 * Sim.getOrThrow(Sim.run(program)) // => "WSAECONNREFUSED"
 * ```
 *
 * @category injecting
 * @since 0.1.0
 */
export const inject = (net: Network, ...faults: ReadonlyArray<Fault>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.forEach(
    faults,
    (fault) => Effect.acquireRelease(Effect.sync(() => begin(net, fault)), (heal) => Effect.sync(heal)),
    { discard: true }
  )

/**
 * A scope of so much time: what was injected is healed after it.
 *
 * **Example** (Ten times a second of partition, one every minute)
 *
 * ```ts import.meta.vitest
 * import { Fault, Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Duration, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const net = yield* SimNetwork.make({ hosts: { client: {}, server: {} } })
 *   yield* Fault.inject(net, Fault.partition("client", "server")).pipe(
 *     Fault.during("1 second"),
 *     Effect.delay("59 seconds"),
 *     Effect.repeat({ times: 9 })
 *   )
 * })
 *
 * Duration.toMinutes(Sim.run(program).elapsed) // => 10
 * ```
 *
 * @category injecting
 * @since 0.1.0
 */
export const during =
  (duration: Duration.Input) =>
  <A, E, R>(injected: Effect.Effect<A, E, R>): Effect.Effect<void, E, Exclude<R, Scope.Scope>> =>
    Effect.scoped(Effect.andThen(injected, Effect.sleep(duration)))
