// A child that answers questions, one at a time, over Node's own channel.
import * as childProcess from "node:child_process"

export interface Child {
  readonly ask: (question: unknown) => Promise<unknown>
  readonly end: () => Promise<void>
}

/** How a program is started, beyond its file and its arguments. */
export interface How {
  /** Flags of Node. */
  readonly flags?: ReadonlyArray<string>
  /** A command that starts the program. */
  readonly prefix?: ReadonlyArray<string>
  readonly env?: NodeJS.ProcessEnv
}

export const start = (
  file: string,
  args: ReadonlyArray<string> = [],
  { env, flags = [], prefix = [] }: How = {}
): Child => {
  const [execPath, ...execArgv] = [...prefix, process.execPath, ...flags]
  const child = childProcess.fork(new URL(file, import.meta.url), args, { execPath: execPath!, execArgv, env })
  const exited = new Promise<void>((resolve) => {
    child.on("exit", () => resolve())
  })
  return {
    ask: (question) =>
      new Promise((resolve, reject) => {
        child.once("message", resolve)
        void exited.then(() => reject(new Error(`it ended: ${[file, ...args].join(" ")}`)))
        child.send(question as childProcess.Serializable)
      }),
    end: () => {
      child.kill()
      return exited
    }
  }
}

/** The other side of it: what the child answers. */
export const answer = (f: (question: unknown) => Promise<unknown>): void => {
  process.on("message", (question) => {
    f(question).then((answer) => process.send!(answer), (error: unknown) => {
      console.error(error)
      process.exit(1)
    })
  })
  // Whoever started it may be gone without a word.
  process.on("disconnect", () => process.exit())
}
