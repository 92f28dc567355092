/**
 * Who has which local address, and how well that fits an address that is asked for.
 */
import { type Address, isV4, type Place } from "./addresses.ts"

/** A reservation of a local address. */
export interface Seat {
  readonly table: string
  readonly host: string
  readonly address: Address
  /** IPv4 is taken too. */
  readonly dual: boolean
  readonly reuse: boolean
  /** The stack chose it, so only its port counts (R26). */
  readonly chosen: boolean
}

export const wildcard = (seat: Seat): boolean => seat.host === "0.0.0.0" || seat.host === "::"

/** How well a seat fits a host: not at all, by a wildcard of both families, by one of its own, or exactly. */
export const fit = (seat: Seat, host: string): number =>
  seat.host === host
    ? 3
    : seat.host === (isV4(host) ? "0.0.0.0" : "::")
    ? 2
    : seat.host === "::" && seat.dual
    ? 1
    : 0

export const overlap = (a: Seat, b: Seat): boolean => fit(a, b.host) > 0 || fit(b, a.host) > 0

/** Seats are kept by port, and by name where there is none. */
export const tableOf = (type: string, { host, port }: Place): string =>
  host.startsWith("unix:") ? `${type} ${host}` : `${type} ${port}`
