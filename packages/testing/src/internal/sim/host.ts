import type { Run, Stop } from "./run.ts"

/** A turn of the host's event loop: all promises settle that can. */
const hostTurn = (): Promise<void> =>
  new Promise((resolve) => {
    const { setImmediate, setTimeout } = globalThis as any
    if (setImmediate === undefined) setTimeout(resolve, 0)
    else setImmediate(resolve)
  })

/** Until the host makes something ready; `false` when that many milliseconds have passed. */
const readyWithin = (run: Run, millis: number): Promise<boolean> =>
  new Promise((resolve) => {
    const { clearTimeout, setTimeout } = globalThis as any
    const end = (isReady: boolean) => {
      run.onReady = undefined
      clearTimeout(timer)
      resolve(isReady)
    }
    const timer = millis < 2 ** 31 ? setTimeout(end, millis, false) : undefined
    run.onReady = () => end(true)
  })

/**
 * Whether the host makes something ready within that many milliseconds. A host that was busy for all of them, and so
 * has not settled its promises, has a turn more.
 */
const untilReady = async (run: Run, millis: number): Promise<boolean> => {
  if (await readyWithin(run, millis)) return true
  await hostTurn()
  return !run.isAtRest
}

/** How many milliseconds the host may take: while work is known to be its own, and while none is. */
export interface Patience {
  readonly known: number
  readonly unknown: number
}

/** Runs to the end of the program, with turns of the host between its own. */
export const withHost = async (
  run: Run,
  patience: Patience,
  during: <A>(body: () => A) => A
): Promise<Stop | undefined> => {
  while (true) {
    const stop = during(() => run.turn())
    if (stop !== undefined || run.hasEnded) return stop
    await hostTurn()
    if (!run.isAtRest) continue
    if (run.external.size > 0) {
      // Work that waits for virtual time never ends. Which does cannot be known: a time-out around a promise is no harm.
      if (!await untilReady(run, patience.known)) return "deadlock"
      continue
    }
    const stopped = run.advance()
    if (stopped === "deadlock" && await untilReady(run, patience.unknown)) continue
    if (stopped !== undefined) return stopped
  }
}
