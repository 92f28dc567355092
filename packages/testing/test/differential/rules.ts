/** Where live runs are meant to differ from simulated ones, and why. */
import type { Part } from "./compare.ts"

export interface Rule {
  readonly name: string
  readonly reason: string
  /** What comes after it is not compared: the program has taken another way. */
  readonly ends?: boolean
  /** `first` is what was simulated, `second` what was live, and `parts` is all that differs after the step. */
  readonly explains: (part: Part, step: string, parts: ReadonlyArray<Part>) => boolean
}

const isUp = (state: string): boolean => state.includes(", up")
/** A stream that broke in the simulated world only. */
const broke = ({ first, second }: Part): boolean => !isUp(first) && isUp(second) && /^\S+ stream rw-/.test(first)

const brokeOnUnix = (part: Part): boolean => broke(part) && part.second.startsWith("Unix stream r")
const brokeOnTcp = (part: Part): boolean => broke(part) && part.second.startsWith("IPv")

/** What the listener of a socket tells of it, where they share their events. */
const toldOfBreaking = ({ first, second }: Part): boolean =>
  first.replace(/, (told )?accepted FD_CLOSE WSAECONNRESET$/, "").replace(", signaled", "") === second

export const rules: ReadonlyArray<Rule> = [
  {
    name: "a Unix-domain stream knows no reset",
    reason: "Node can only close it, so the peer meets the end where the simulated host resets",
    explains: (part, _, parts) =>
      brokeOnUnix(part) ||
      (part.first === "WSAECONNRESET" && part.second.startsWith("0 bytes") && parts.some(brokeOnUnix))
  },
  {
    name: "a Unix-domain caller has no name",
    reason: "Node does not tell the path that a caller has bound",
    explains: ({ first, second }) =>
      first.replace(/^accepted path \d+$/, "accepted \"\"") === second ||
      (first.startsWith("Unix stream") && first.replace(/ to path \d+,/, " to \"\",") === second)
  },
  {
    name: "a reset after the end is met by the next send",
    reason:
      "libuv does not look at a connection whose end it has read, so nobody tells Node that the peer has reset it",
    explains: (part, step, parts) =>
      / (send|closesocket|attempt) /.test(step) &&
      (brokeOnTcp(part) || (toldOfBreaking(part) && parts.some(brokeOnTcp)))
  },
  {
    name: "a rejection may come before the connect has returned",
    reason:
      "the listener resets in the turn in which the system tells it of the caller, who then may not have looked yet",
    ends: true,
    explains: ({ first, of, second }) =>
      (/ (connect|attempt) /.test(of) && /connected to/.test(first) && /WSAECONNRESET/.test(second)) ||
      (!isUp(first) && /^IPv. stream r/.test(first) && /^IPv. stream --x/.test(second))
  }
]
