/**
 * The local addresses of a host: who has them, which are free, and which pairs of addresses a connection has.
 */
import * as Provider from "@effect-winsock/core/Provider"
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
import * as NetAddress from "effect/net/NetAddress"
import { type Address, type Place, placeKey, placeOf, withPort } from "../addresses.ts"
import { fit, overlap, type Seat, tableOf } from "../seats.ts"

/** A seat that somebody has, or that nobody has again before a time. */
export interface Taken<H> extends Seat {
  /** `undefined` in TIME_WAIT. */
  owner: H | undefined
  /** The two addresses of a connection. */
  pair: string | undefined
  /** The end of its TIME_WAIT. */
  until: number
}

const nobody: ReadonlySet<never> = new Set()

const pairOf = (local: Address, remote: Address): string => `${placeKey(placeOf(local))} ${placeKey(placeOf(remote))}`

export class Ports<H extends { readonly listening: boolean }> {
  private readonly seats = new Map<string, Set<Taken<H>>>()
  private readonly pairs = new Set<string>()
  private readonly nextPort = new Map<string, number>()
  /** In the order in which they end, since all take as long. */
  private readonly resting: Array<Taken<H>> = []
  private nextName = 0
  private readonly now: () => number
  private readonly range: readonly [first: number, last: number]
  private readonly exclusive: boolean

  constructor(now: () => number, range: readonly [first: number, last: number], exclusive: boolean) {
    this.now = now
    this.range = range
    this.exclusive = exclusive
  }

  private seated(table: string): ReadonlySet<Taken<H>> {
    return this.seats.get(table) ?? nobody
  }

  /** Takes an address that is to be nobody else's; port 0 and the empty path choose one. */
  reserve(
    owner: H,
    kind: Provider.Kind,
    asked: Address,
    options: Provider.BindOptions,
    chosen: boolean
  ): Taken<H> | Provider.Failure {
    this.wake()
    let address = asked
    if (asked._tag === "UnixPathAddress") {
      while (asked.path === "" && (address === asked || this.seats.has(tableOf(kind.type, placeOf(address))))) {
        address = NetAddress.unixPathAddress(`\0${(this.nextName++).toString(16).padStart(5, "0")}`)
      }
    } else if (asked.port === 0) {
      const port = this.free(kind.type, ({ size }) => size === 0)
      if (port === undefined) return Provider.failure("WSAENOBUFS")
      address = withPort(asked, port)
    }
    const seat = this.seat(owner, kind, address, options, chosen)
    // Two may have one address where both say so, or where binding is not exclusive, as long as nobody listens there.
    const strict = this.exclusive || kind.type === "datagram" || kind.family === "Unix"
    for (const other of this.seated(seat.table)) {
      if (other.owner === undefined || !overlap(seat, other)) continue
      if (other.owner.listening || (strict && !(seat.reuse && other.reuse))) return Provider.failure("WSAEADDRINUSE")
    }
    return this.take(seat)
  }

  /** Takes a port for a connection that any local port will do for: others may have it too, for other peers. */
  lend(owner: H, kind: Provider.Kind, source: (port: number) => Address, remote: Address): Taken<H> | Provider.Failure {
    this.wake()
    const host = SocketAddress.unspecified(kind.family)
    const port = this.free(kind.type, (seats, port) => {
      if (seats.size === 0) return true
      for (const { chosen } of seats) if (!chosen) return false
      return !this.pairs.has(pairOf(source(port), remote))
    })
    if (port === undefined) return Provider.failure("WSAENOBUFS")
    return this.take(this.seat(owner, kind, withPort(host, port), { reuse: false, v6Only: true }, true))
  }

  /** Notes the connection that a seat is for. `false`: there is such a connection already. */
  pair(seat: Taken<H>, local: Address, remote: Address): boolean {
    this.wake()
    const pair = pairOf(local, remote)
    if (this.pairs.has(pair)) return false
    this.unpair(seat)
    this.pairs.add(pair)
    seat.pair = pair
    return true
  }

  unpair(seat: Taken<H>): void {
    if (seat.pair !== undefined) this.pairs.delete(seat.pair)
    seat.pair = undefined
  }

  release(seat: Taken<H>): void {
    this.unpair(seat)
    const seats = this.seats.get(seat.table)
    seats?.delete(seat)
    if (seats?.size === 0) this.seats.delete(seat.table)
  }

  /** TIME_WAIT: nobody owns it, and its port is given to nobody who would have it alone, or to the same peer. */
  rest(seat: Taken<H>, micros: number): void {
    if (seat.pair === undefined || micros === 0) return this.release(seat)
    seat.owner = undefined
    seat.until = this.now() + micros
    this.resting.push(seat)
  }

  clear(): void {
    this.seats.clear()
    this.pairs.clear()
    this.resting.length = 0
  }

  /** Who is meant by an address: the first of those that fit it best. */
  find(type: Provider.Kind["type"], place: Place, rank: (owner: H) => number): H | undefined {
    let best: H | undefined
    let bestFit = 0
    for (const seat of this.seated(tableOf(type, place))) {
      if (seat.owner === undefined) continue
      const fits = fit(seat, place.host)
      const total = fits === 0 ? 0 : fits * rank(seat.owner)
      if (total > bestFit) [best, bestFit] = [seat.owner, total]
    }
    return best
  }

  /** All who have a port, or a name. */
  *owners(type: Provider.Kind["type"], place: Place): Generator<readonly [owner: H, seat: Taken<H>]> {
    for (const seat of this.seated(tableOf(type, place))) {
      if (seat.owner !== undefined) yield [seat.owner, seat]
    }
  }

  private seat(
    owner: H,
    { family, type }: Provider.Kind,
    address: Address,
    { reuse, v6Only }: Provider.BindOptions,
    chosen: boolean
  ): Taken<H> {
    const place = placeOf(address)
    const dual = family === "IPv6" && !v6Only
    const table = tableOf(type, place)
    return { table, host: place.host, address, dual, reuse, chosen, owner, pair: undefined, until: Infinity }
  }

  private take(seat: Taken<H>): Taken<H> {
    const seats = this.seats.get(seat.table)
    if (seats === undefined) this.seats.set(seat.table, new Set([seat]))
    else seats.add(seat)
    return seat
  }

  private wake(): void {
    const now = this.now()
    while (this.resting.length > 0 && this.resting[0]!.until <= now) this.release(this.resting.shift()!)
  }

  /** In order, and round again, so that a port rests before it is given once more. */
  private free(type: string, fits: (seats: ReadonlySet<Taken<H>>, port: number) => boolean): number | undefined {
    const [first, last] = this.range
    let port = this.nextPort.get(type) ?? first
    for (let tries = last - first; tries >= 0; tries--) {
      const found = port
      port = port >= last ? first : port + 1
      if (!fits(this.seated(`${type} ${found}`), found)) continue
      this.nextPort.set(type, port)
      return found
    }
    return undefined
  }
}
