/**
 * The table of codes as the command looks into it: by any of a code's names, and by what nearly is one.
 */
import { WsaError } from "@effect-winsock/core"
import * as Result from "effect/Result"
import { getSystemErrorMap } from "node:util"

export const codes = Object.keys(WsaError.table) as ReadonlyArray<WsaError.Code>

// `EPROCLIM (BSD only)` is a name and a remark.
const bare = (name: string | null): string | undefined => name?.split(" ")[0]

// What is named after a code goes before what only a platform calls so: EINVAL is WSAEINVAL first.
const namings: ReadonlyArray<(code: WsaError.Code) => string | undefined> = [
  (code) => code,
  (code) => String(WsaError.table[code].number),
  (code) => bare(WsaError.table[code].posix),
  (code) => WsaError.table[code].libuvGetaddrinfo ?? undefined,
  (code) => WsaError.table[code].libuvWindows
]

const namesOf = (code: WsaError.Code): ReadonlyArray<string> =>
  namings.map((naming) => naming(code)).filter((name) => name !== undefined && name !== "UNKNOWN") as Array<string>

// How many letters have to be put in, taken out or changed to make one of the other.
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}

const withErrno = (errno: number): ReadonlyArray<WsaError.Code> =>
  codes.filter((code) => WsaError.table[code].linuxErrno === errno || WsaError.table[code].bsdErrno === errno)

const nearest = (text: string): ReadonlyArray<string> => {
  if (/^\d+$/.test(text)) return withErrno(Number(text))
  const distances = codes.map((code) => {
    const near = Math.min(...namesOf(code).map((name) => distance(text, name)))
    return { code, near }
  })
  const least = Math.min(...distances.map(({ near }) => near))
  return least > Math.max(2, text.length / 3) ? [] : distances.filter(({ near }) => near === least).map((d) => d.code)
}

/** The codes that have a name: Winsock's, its number, POSIX's or libuv's; or what to say where none has. */
export const lookUp = (text: string): Result.Result<ReadonlyArray<WsaError.Code>, string> => {
  const name = text.trim().toUpperCase()
  for (const naming of namings) {
    const found = codes.filter((code) => naming(code) === name)
    if (name !== "UNKNOWN" && found.length > 0) return Result.succeed(found)
  }
  const near = nearest(name).slice(0, 5)
  return Result.fail(
    `a code such as WSAECONNREFUSED, 10061 or ECONNREFUSED` +
      (near.length > 0 ? `; did you mean ${near.join(" or ")}?` : "; `winsock errors` lists them")
  )
}

/** A code, and what it was asked for by. */
export interface Reading {
  readonly code: WsaError.Code
  /** What the asked for is, where that is neither a name nor the number of the code: `ECONNREFUSED on Linux`. */
  readonly as?: string | undefined
}

// What a system says that is no name of a code may mean several, by the step at which it says so.
const saidAs = (name: string): ReadonlyArray<WsaError.Code> => {
  const own = codes.filter((code) => namings.slice(0, -1).some((naming) => naming(code) === name))
  return own.length > 0 ?
    own :
    codes.filter((code) =>
      (name !== "UNKNOWN" && WsaError.table[code].libuvWindows === name) ||
      WsaError.nativeRules.some((rule) => rule.code === code && rule.native.includes(name))
    )
}

/** What a number is to the systems of the table. libuv writes their errnos with a minus, and has its own on Windows. */
const inTable = (code: WsaError.Code, number: number): string | undefined => {
  const { bsdErrno, libuvWindows, libuvWindowsNumber, linuxErrno, posix } = WsaError.table[code]
  const errno = Math.abs(number)
  const systems = [...(linuxErrno === errno ? ["Linux"] : []), ...(bsdErrno === errno ? ["BSD and macOS"] : [])]
  if (systems.length > 0) return `${bare(posix)} on ${systems.join(", ")}`
  return libuvWindowsNumber === number && libuvWindows !== "UNKNOWN" ? `${libuvWindows} in libuv on Windows` : undefined
}

/** What Node on this machine calls a number, errnos without a code of their own and those of lookups among them. */
const onThisMachine = (number: number): ReadonlyArray<Reading> => {
  const name = getSystemErrorMap().get(-Math.abs(number))?.[0]
  return name === undefined ? [] : saidAs(name).map((code) => ({ code, as: `${name} on this machine` }))
}

const ofNumber = (number: number): ReadonlyArray<Reading> => {
  const known = codes.flatMap((code): ReadonlyArray<Reading> => {
    const as = inTable(code, number)
    return as !== undefined || number === WsaError.table[code].number ? [{ code, as }] : []
  })
  return [...known, ...onThisMachine(number).filter(({ code }) => known.every((reading) => reading.code !== code))]
}

/** What a code may be asked for by: its names, its number, what a system says instead; or what to say of nothing. */
export const read = (text: string): Result.Result<ReadonlyArray<Reading>, string> => {
  const word = text.trim().toUpperCase()
  const readings = /^-?\d+$/.test(word) ? ofNumber(Number(word)) : saidAs(word).map((code): Reading => ({ code }))
  if (readings.length > 0) return Result.succeed(readings)
  return Result.map(lookUp(word), (found) => found.map((code) => ({ code })))
}

/** The calls that can end with a code. */
export const callsOf = (code: WsaError.Code): ReadonlyArray<WsaError.Call> => {
  const qos = WsaError.table[code].retryClass === "qos-error"
  return (Object.keys(WsaError.callErrors) as Array<WsaError.Call>).filter((call) => {
    const listed: ReadonlyArray<string> = WsaError.callErrors[call]
    const reaches: ReadonlyArray<string> = WsaError.reachesQos
    return listed.includes(code) || (qos && reaches.includes(call))
  })
}
