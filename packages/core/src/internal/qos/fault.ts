// What is wrong with a QOS: the code, the place, and a sentence that says what would be right.
import type { QosErrorCode } from "../../WsaError.ts"

export type Path = ReadonlyArray<string | number>

export interface Fault<C extends QosErrorCode> {
  readonly fault: C
  readonly path: Path
  readonly detail: string
}

export const isFault = <C extends QosErrorCode>(u: object | Fault<C>): u is Fault<C> => "fault" in u

/** `sending.tokenRate`, `providerSpecific[2].dsField`; the QOS itself where the path is empty. */
export const place = (path: Path): string =>
  path.length === 0
    ? "the QOS"
    : path.map((key, at) => typeof key === "number" ? `[${key}]` : at === 0 ? key : `.${key}`).join("")

/** The fault at a place; the sentence begins with the place. */
export const fault = <C extends QosErrorCode>(code: C, path: Path, words: string): Fault<C> => ({
  fault: code,
  path,
  detail: `${place(path)} ${words}`
})

export const hex = (n: number): string => `0x${n.toString(16).padStart(8, "0")}`
