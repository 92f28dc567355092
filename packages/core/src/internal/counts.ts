/**
 * How many of something there may be, as a program says it.
 */

/** A whole number from `least` on; `Infinity` is as many as come. What is no number at all is a mistake of the program. */
export const countOf = (what: string, count: number, least: number): number => {
  if (typeof count !== "number" || Number.isNaN(count)) {
    throw new RangeError(`${what}: expected a number from ${least} on, got ${String(count)}`)
  }
  return Math.max(least, Math.trunc(count))
}
