import * as Duration from "effect/Duration"
import * as Formatter from "effect/Formatter"
import type * as Sim from "../../Sim.ts"

/** Milliseconds, as precise as the run. */
export const formatMicros = (micros: number): string => `${micros / 1000} ms`

export const formatSites = (blocked: ReadonlyArray<Sim.Blocked>): string => {
  const lines = blocked.slice(0, 20).map(({ fiber, sites, since, span }) => {
    const where = [...span === undefined ? [] : [`in span ${span}`], ...sites]
    return `\n  fiber #${fiber} since ${formatMicros(since)}${where.map((part) => `, ${part}`).join("")}`
  })
  return lines.join("") + (blocked.length > 20 ? `\n  and ${blocked.length - 20} more` : "")
}

export const formatEvent = ({ at, event: { kind, ...fields } }: Sim.Noted): string => {
  const parts = Object.entries(fields).flatMap(([name, value]) => value === undefined ? [] : [`${name}=${value}`])
  return [formatMicros(at).padStart(14), kind, ...parts].join("  ")
}

export const formatReport = (report: Sim.Report<unknown, unknown>): string =>
  [
    `${report.ended} after ${Duration.format(report.elapsed)}, seed ${report.seed}, ${report.steps} steps`,
    ...report.leftovers.map((line) => `left over: ${line}`),
    ...report.events.length === 0 ? [] : ["what happened last:"],
    ...report.events.map(formatEvent)
  ].join("\n")

/** What an error said before, and with the report: it may be a constant that another run has failed with. */
const reported = new WeakMap<Error, { readonly before: string; readonly after: string }>()

/**
 * The error with the report in its message. It stays itself where it can, since what it has beside its message, such as
 * what was expected, is for the test runner to show.
 */
export const withReport = (error: unknown, report: string): Error => {
  if (!(error instanceof Error)) return new Error(`${Formatter.format(error)}\n\n${report}`, { cause: error })
  const last = reported.get(error)
  const before = last !== undefined && last.after === error.message ? last.before : error.message
  const after = `${before}\n\n${report}`
  if (
    !Reflect.defineProperty(error, "message", { value: after, configurable: true, enumerable: false, writable: true })
  ) {
    return new Error(after, { cause: error })
  }
  reported.set(error, { before, after })
  return error
}
