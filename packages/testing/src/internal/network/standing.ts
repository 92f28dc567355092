/**
 * What the QOS of a socket has come to: its mark, and what is reserved for it or for the group that it created.
 */
import * as Provider from "@effect-winsock/core/Provider"
import { type Address, placeKey, placeOf } from "../addresses.ts"
import type { Host } from "./host.ts"
import { type Flow, type Link, makeFlow } from "./link.ts"
import { type Holder, Reservation } from "./reservations.ts"

const notSupported = Provider.failure("WSAEOPNOTSUPP")

/** What a network of this kind cannot do of it. */
export const cannot = (
  quality: Provider.Quality | undefined,
  { marking, reservesQos }: Provider.Capabilities
): Provider.Failure | undefined => {
  if (quality === undefined) return undefined
  const { dscp, pacingRate, priority, reserve, reserveGroup } = quality
  const reserves = reserve !== undefined || reserveGroup !== undefined
  return (dscp !== undefined && !marking) || (reserves && !reservesQos) || pacingRate !== undefined ||
      priority !== undefined
    ? notSupported
    : undefined
}

const keyOf = (from: Address, to: Address): string => `${placeKey(placeOf(from))} ${placeKey(placeOf(to))}`

/** The flow of a datagram where something is reserved between the two addresses. */
export const pairFlow = (link: Link, from: Address, to: Address, size: number): Flow | undefined =>
  link.pairOf(() => keyOf(from, to), size)

export class Standing {
  private readonly holder: Holder
  private readonly type: "stream" | "datagram"
  private own: Reservation | undefined
  private created: Reservation | undefined
  /** The one of a group that another socket created. */
  private joined: Reservation | undefined
  private flows: ReadonlyArray<Flow> = []
  private unpair: ReadonlyArray<() => void> = []

  constructor(holder: Holder, type: "stream" | "datagram") {
    this.holder = holder
    this.type = type
  }

  private get net() {
    return this.holder.host.net
  }

  get reserved(): Reservation["granted"] {
    return this.own?.granted ?? this.created?.granted
  }

  /** All of it from now on, or nothing else than before. `receiving`: what the peer sends in, where that is known. */
  ask(quality: Provider.Quality, peer: Host, sending: Flow, receiving: Flow | undefined): Provider.Failure | undefined {
    const { group, reserve, reserveGroup } = quality
    const { holder, net, type } = this
    const own = reserve && new Reservation(holder, type, peer, reserve)
    const created = reserveGroup && new Reservation(holder, type, peer, reserveGroup, group ?? {})
    const wanted = [created, own].filter((one) => one !== undefined)
    const instead = [this.created, this.own].filter((one) => one !== undefined)
    // Whoever cannot be asked grants nothing.
    if (wanted.length > 0 && !net.joined(holder.host, peer)) return notSupported
    if (wanted.length + instead.length > 0 && net.reservations!.ask(wanted, instead) !== undefined) return notSupported
    this.leave()
    this.own = own
    this.created = created
    this.joined = group === undefined || created !== undefined
      ? undefined
      : net.reservations?.ofGroup(group, holder.host, peer)
    this.join("sending", sending)
    if (receiving !== undefined) this.join("receiving", receiving)
    return undefined
  }

  /** The same for the datagrams between two addresses; the second one may be nobody's, or everybody's. */
  askBetween(
    quality: Provider.Quality,
    peer: Host | undefined,
    from: Address,
    to: Address
  ): Provider.Failure | undefined {
    if (peer === undefined) {
      if (quality.reserve !== undefined || quality.reserveGroup !== undefined) return notSupported
      this.release()
      return undefined
    }
    const [sending, receiving] = [makeFlow(), makeFlow()]
    const failure = this.ask(quality, peer, sending, receiving)
    if (failure !== undefined || (this.own ?? this.created ?? this.joined) === undefined) return failure
    const { host } = this.holder
    this.unpair = [
      this.net.link(host, peer).pair(keyOf(from, to), sending),
      this.net.link(peer, host).pair(keyOf(to, from), receiving)
    ]
    return undefined
  }

  /** A flow has what is reserved for the socket, else what is reserved for the group. */
  join(way: "sending" | "receiving", flow: Flow): void {
    const one = this.own?.[way].asked === undefined ? this.created ?? this.joined : this.own
    if (one === undefined) return
    one.join(one[way], flow)
    this.flows = [...this.flows, flow]
  }

  private leave(): void {
    for (const flow of this.flows) this.joined?.leave(flow)
    for (const one of this.unpair) one()
    this.flows = this.unpair = []
    this.joined = undefined
  }

  release(): void {
    this.leave()
    for (const one of [this.own, this.created]) if (one !== undefined) this.net.reservations!.release(one)
    this.own = this.created = undefined
  }
}
