import type { Run, Stop } from "./run.ts"

/** A turn of the host's event loop: all promises settle that can. */
const hostTurn = (): Promise<void> =>
  new Promise((resolve) => {
    const { setImmediate, setTimeout } = globalThis as any
    if (setImmediate === undefined) setTimeout(resolve, 0)
    else setImmediate(resolve)
  })

/** Until the host makes something ready; `false` when it has not within that many milliseconds. */
const untilReady = (run: Run, millis: number): Promise<boolean> =>
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

/** Runs to the end of the program, with turns of the host between its own. */
export const withHost = async (
  run: Run,
  patience: number,
  during: <A>(body: () => A) => A
): Promise<Stop | undefined> => {
  while (true) {
    const stop = during(() => run.turn())
    if (stop !== undefined || run.hasEnded) return stop
    await hostTurn()
    if (!run.isAtRest) continue
    if (run.external.size > 0) {
      await untilReady(run, Infinity)
      continue
    }
    const stopped = run.advance()
    if (stopped === "deadlock" && await untilReady(run, patience)) continue
    if (stopped !== undefined) return stopped
  }
}
