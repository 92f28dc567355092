/** Where two worlds are meant to differ, and why. */
import type { Difference } from "./compare.ts"

export interface Rule {
  readonly name: string
  readonly reason: string
  readonly explains: (difference: Difference) => boolean
}

export const rules: ReadonlyArray<Rule> = []
