/**
 * The look-ups of a pipeline: they give the addresses of a name to a race, sorted, as they come.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as AddressResolver from "effect/net/AddressResolver"
import * as Host from "effect/net/Host"
import * as Stream from "effect/Stream"
import * as AddressSelection from "../AddressSelection.ts"
import type { Origin } from "../Connector.ts"
import * as HappyEyeballs from "../HappyEyeballs.ts"
import * as SocketAddress from "../SocketAddress.ts"
import type * as Winsock from "../Winsock.ts"
import { failureOf, type Family, type LookupError, worst } from "./lookup.ts"
import * as Observing from "./observing.ts"
import * as Policed from "./policed.ts"

/** An IPv4 address as most are: it can be reached, from one of the same scope. */
const plainV4: AddressSelection.Candidate = {
  address: SocketAddress.fromInputUnsafe("192.0.2.1:0"),
  source: SocketAddress.fromInputUnsafe("192.0.2.2:0")
}

/** How a name is looked up. */
export interface Settings {
  readonly family: Family | undefined
  /** By which the addresses are sorted; `undefined`: they are not. */
  readonly table: AddressSelection.PolicyTable | undefined
}

const families = ["IPv6", "IPv4"] as const

/** The look-ups of one target: answers for a race, and what is to be told where none had an address. */
export class Lookups {
  private readonly context: Context.Context<AddressResolver.AddressResolver | Winsock.Winsock>
  private readonly origin: Origin
  private readonly asked: ReadonlyArray<Family>
  private readonly table: AddressSelection.PolicyTable | undefined
  private failures: Array<LookupError> = []
  private found: Array<SocketAddress.SocketAddress> = []
  private readonly candidates = new Map<SocketAddress.SocketAddress, AddressSelection.Candidate>()

  constructor(
    context: Context.Context<AddressResolver.AddressResolver | Winsock.Winsock>,
    origin: Origin,
    { family, table }: Settings
  ) {
    this.context = context
    this.origin = origin
    this.asked = family === undefined ? families : [family]
    this.table = table
  }

  /** What all of them failed with. */
  get failure(): LookupError | undefined {
    return this.failures.length < this.asked.length ? undefined : worst(this.failures)
  }

  /** Asks anew whenever it is run. IPv6 is asked for first (RFC 8305 §3). */
  readonly answers: Stream.Stream<HappyEyeballs.Answer> = Stream.suspend(() => {
    this.failures = []
    this.found = []
    this.candidates.clear()
    const [first, second] = this.asked.map((family) => Stream.fromEffect(this.answer(family)))
    return second === undefined ? first! : Stream.merge(first!, second)
  })

  private answer(family: Family): Effect.Effect<HappyEyeballs.Answer> {
    return Effect.gen({ self: this }, function*() {
      this.found.push(...yield* this.lookup(family))
      const all = yield* this.sorted([...this.found])
      const preferred = yield* this.preferred(all[0])
      return {
        ...HappyEyeballs.answer(
          all.filter((address) => SocketAddress.familyOf(address) === family),
          this.asked.length === 1 ? "all" : family
        ),
        ...(preferred === undefined ? {} : { preferred })
      }
    })
  }

  /** The family to begin with. An IPv6 address that an IPv4 one could be better than is to wait for it a little. */
  private preferred(first: SocketAddress.SocketAddress | undefined): Effect.Effect<Family | undefined> {
    const { table } = this
    if (table === undefined || first === undefined) return Effect.succeed(undefined)
    const mixed = new Set(this.found.map(SocketAddress.familyOf)).size > 1
    if (mixed) return Effect.succeed(SocketAddress.familyOf(first) as Family)
    // IPv6 is waited for anyway.
    if (this.asked.length === 1 || SocketAddress.familyOf(first) === "IPv4") return Effect.succeed(undefined)
    return Effect.map(
      this.candidate(first),
      (candidate) => AddressSelection.sort([candidate, plainV4], table)[0] === first ? undefined : "IPv4"
    )
  }

  private sorted(
    addresses: ReadonlyArray<SocketAddress.SocketAddress>
  ): Effect.Effect<ReadonlyArray<SocketAddress.SocketAddress>> {
    const { table } = this
    if (table === undefined || addresses.length < 2) return Effect.succeed(addresses)
    const all = Effect.forEach(addresses, (address) => this.candidate(address))
    return Effect.map(all, (candidates) => AddressSelection.sort(candidates, table))
  }

  /** From where an address would be reached is asked once: when the first family is sorted, or when the other one is. */
  private candidate(address: SocketAddress.SocketAddress): Effect.Effect<AddressSelection.Candidate> {
    const known = this.candidates.get(address)
    if (known !== undefined) return Effect.succeed(known)
    const asked = Effect.matchEffect(Policed.address(address, "resolve"), {
      // No socket is opened for what nobody may connect to. It will be denied when it is tried.
      onFailure: () => Effect.succeed(undefined),
      onSuccess: () => Effect.provideContext(AddressSelection.sourceOf(address), this.context)
    })
    return Effect.map(asked, (source) => {
      const candidate = { address, source }
      this.candidates.set(address, candidate)
      return candidate
    })
  }

  private lookup(family: Family): Effect.Effect<ReadonlyArray<SocketAddress.SocketAddress>> {
    const { resolve } = Context.get(this.context, AddressResolver.AddressResolver)
    const question = { host: Host.formatHost(this.origin.host), family }
    return Observing.emit(() => ({ _tag: "Resolving", ...question })).pipe(
      Effect.andThen(resolve(this.origin, { family })),
      Effect.tap((addresses) => Observing.emit(() => ({ _tag: "Resolved", ...question, addresses }))),
      Effect.catch((error) => {
        const failure = failureOf(error, this.origin)
        this.failures.push(failure)
        return Effect.as(
          Observing.emit(() => ({ _tag: "ResolveFailed", ...question, failure: Observing.failureOf(failure) })),
          []
        )
      })
    )
  }
}
