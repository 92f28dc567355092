/** Where live runs are meant to differ from simulated ones, and why. */
import type { Part } from "./compare.ts"
import type { Program, Slot, Step, Where } from "./program.ts"

export interface Rule {
  readonly name: string
  readonly reason: string
  /** A program that would differ without it. */
  readonly example: Program
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

const at = (s: Slot): Where => ({ at: "socket", s })
const tcp = (s: Slot): Step => ({ op: "socket", s, family: "IPv4", type: "stream" })
const unix = (s: Slot): Step => ({ op: "socket", s, family: "Unix", type: "stream" })
const bind = (s: Slot, to: Where = { at: "any", host: "127.0.0.1:0" }): Step => ({ op: "bind", s, to })
const path = (number: number): Where => ({ at: "path", number })
const listen = (s: Slot): Step => ({ op: "listen", s, backlog: 100 })
const connect = (s: Slot, to: Slot): Step => ({ op: "connect", s, to: at(to) })
const accept = (s: Slot, as: Slot): Step => ({ op: "accept", s, as, verdict: undefined })
const close = (s: Slot): Step => ({ op: "closesocket", s })

export const rules: ReadonlyArray<Rule> = [
  {
    name: "a Unix-domain stream knows no reset",
    reason: "Node can only close it, so the peer meets the end where the simulated host resets",
    example: [unix("a"), bind("a", path(1)), listen("a"), unix("b"), connect("b", "a"), close("a")],
    explains: (part, _, parts) =>
      brokeOnUnix(part) ||
      (part.first === "WSAECONNRESET" && part.second.startsWith("0 bytes") && parts.some(brokeOnUnix))
  },
  {
    name: "a Unix-domain caller has no name",
    reason: "Node does not tell the path that a caller has bound",
    example: [
      unix("a"),
      bind("a", path(1)),
      listen("a"),
      unix("b"),
      bind("b", path(2)),
      connect("b", "a"),
      accept("a", "c")
    ],
    explains: ({ first, second }) =>
      first.replace(/^accepted path \d+$/, "accepted \"\"") === second ||
      (first.startsWith("Unix stream") && first.replace(/ to path \d+,/, " to \"\",") === second)
  },
  {
    name: "a reset after the end is met by the next send",
    reason:
      "libuv does not look at a connection whose end it has read, so nobody tells Node that the peer has reset it",
    example: [
      tcp("a"),
      bind("a"),
      listen("a"),
      tcp("b"),
      connect("b", "a"),
      accept("a", "c"),
      close("c"),
      { op: "send", s: "b", bytes: 1 }
    ],
    explains: (part, step, parts) =>
      / (send|sendto|transfer|closesocket|attempt) /.test(step) &&
      (brokeOnTcp(part) || (toldOfBreaking(part) && parts.some(brokeOnTcp)))
  },
  {
    name: "a rejection may come before the connect has returned",
    reason:
      "the listener resets in the turn in which the system tells it of the caller, who then may not have looked yet",
    example: [
      tcp("a"),
      bind("a"),
      listen("a"),
      { op: "accept", s: "a", as: "c", verdict: "reject" },
      tcp("b"),
      connect("b", "a")
    ],
    ends: true,
    explains: ({ first, of, second }) =>
      (/ (connect|attempt) /.test(of) && /connected to/.test(first) && /WSAECONNRESET/.test(second)) ||
      (!isUp(first) && /^IPv. stream r/.test(first) && /^IPv. stream --x/.test(second))
  },
  {
    name: "Node holds no port between attempts",
    reason:
      "a refused socket is closed, and the port that the system chose is asked for again: others may have it by then",
    example: [tcp("a"), bind("a"), tcp("b"), connect("b", "a"), tcp("c"), bind("c", at("b"))],
    ends: true,
    explains: ({ first, of, second }, step, parts) => {
      const sameButPorts = second.includes(", port 2)") && first === second.replaceAll(/, port \d+\)/g, ")")
      const taken = / bind /.test(step) && first === "WSAEADDRINUSE" && second === "ok"
      return sameButPorts || taken ||
        (/ bind /.test(step) && parts.some((part) => part.of !== of && part.first === "WSAEADDRINUSE"))
    }
  }
]
