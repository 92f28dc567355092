import * as Duration from "effect/Duration"
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
    ...report.events.map(formatEvent),
    ...report.leftovers.map((line) => `left over: ${line}`)
  ].join("\n")
