// From samples to rows.
import { rowsOf, type Sample, type Work } from "./works.ts"

export interface Row {
  readonly name: string
  /** The median, in `unit`. */
  readonly ours: number
  readonly peer: number
  readonly peerName: string
  /** Of the medians; above 1 ours is better, whatever the unit. `null` where one of them did not grow. */
  readonly ratio: number | null
  /** The interquartile range of the ratios of the single rounds. */
  readonly spread: number | null
  readonly unit: string
}

/** The value below which that part of all lies, between two of them where it has to be. */
export const quantile = (values: ReadonlyArray<number>, part: number): number => {
  const sorted = Array.from(values).sort((a, b) => a - b)
  const at = (sorted.length - 1) * part
  const below = sorted[Math.floor(at)]!
  return below + (sorted[Math.ceil(at)]! - below) * (at - Math.floor(at))
}

const rounded = (value: number, digits: number): number => Number(value.toPrecision(digits))
const roundedRatio = (value: number, digits: number) => Number.isFinite(value) ? rounded(value, digits) : null

/** What is compared: whose values, in which unit, and which way is better. */
export interface Compared {
  readonly name: string
  readonly peerName: string
  readonly unit: string
  readonly better: "more" | "less"
}

/** The row of two contenders, from the value of each in each round. */
export const row = (
  { better, name, peerName, unit }: Compared,
  mine: ReadonlyArray<number>,
  theirs: ReadonlyArray<number>
): Row => {
  const ratioOf = (a: number, b: number) => a > 0 && b > 0 ? better === "more" ? a / b : b / a : NaN
  // What the machine did to one round it did to both.
  const ratios = mine.map((value, round) => ratioOf(value, theirs[round]!))
  const [ours, peer] = [quantile(mine, 0.5), quantile(theirs, 0.5)]
  return {
    name,
    ours: rounded(ours, 4),
    peer: rounded(peer, 4),
    peerName,
    ratio: roundedRatio(ratioOf(ours, peer), 3),
    spread: roundedRatio(quantile(ratios, 0.75) - quantile(ratios, 0.25), 2),
    unit
  }
}

/** `samples`: of each contender, by name, one a round. */
export const rows = (work: Work, samples: ReadonlyMap<string, ReadonlyArray<Sample>>): ReadonlyArray<Row> =>
  rowsOf(work).map(({ measure, name, own, peer }) => {
    const valuesOf = (contender: string) => samples.get(contender)!.map(measure.of)
    return row({ ...measure, name, peerName: peer.name }, valuesOf(own.name), valuesOf(peer.name))
  })

const columns = ["name", "ours", "peer", "unit", "peerName", "ratio", "spread"] as const
const numbers: ReadonlySet<string> = new Set(["ours", "peer", "ratio", "spread"])

/** A line of the table; without a row, its head. */
export const line = (own?: Row): string =>
  columns.map((column) => {
    const width = column === "name" || column === "peerName" ? 22 : column === "unit" ? 13 : 8
    const text = own === undefined
      ? column
      : column === "ratio"
      ? own.ratio?.toFixed(2) ?? "-"
      : String(own[column] ?? "-")
    return numbers.has(column) ? text.padStart(width) : text.padEnd(width)
  }).join("  ").trimEnd()
