/**
 * Programs that run in namespaces of their own, as root of them, and print a line of JSON for each thing that they tried.
 */
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

/** Enters namespaces for network, mounts and processes: what is started there ends with the first of them. */
export const namespaces: ReadonlyArray<string> = ["unshare", "-nmpf", "--mount-proc", "--kill-child"]

const works = (...command: ReadonlyArray<string>): boolean =>
  childProcess.spawnSync(command[0]!, command.slice(1), { stdio: "ignore" }).status === 0

/** What is missing to run these programs in namespaces where `probe` is done first. */
export const lackingFor = (programs: ReadonlyArray<string>, probe: string): string | undefined => {
  const missing = programs.filter((program) => !works("sh", "-c", `PATH=$PATH:/usr/sbin:/sbin command -v ${program}`))
  if (missing.length > 0) return `${missing.join(", ")} not installed`
  return works(...namespaces, "sh", "-c", probe) ? undefined : "needs root, for namespaces"
}

export interface Ran<Outcome> {
  /** What was printed, line by line. */
  readonly outcomes: ReadonlyArray<Outcome>
  /** What was said on standard error. */
  readonly words: string
  readonly code: number | null
}

/** Runs a file in namespaces, with a directory that is removed afterwards as its argument, for `limit` milliseconds at most. */
export const runInNamespaces = async <Outcome>(
  run: string,
  limit: number,
  into: ReadonlyArray<string> = namespaces
): Promise<Ran<Outcome>> => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "winsock-"))
  fs.chmodSync(directory, 0o755) // servers give up being root
  const [command, ...flags] = into
  const child = childProcess.spawn(command!, [...flags, process.execPath, run, directory], {
    cwd: path.join(import.meta.dirname, "../../../.."),
    env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const kill = () => void child.kill("SIGKILL")
  process.once("exit", kill)
  let lines = ""
  let words = ""
  child.stdout.on("data", (chunk: Buffer) => lines += chunk.toString())
  child.stderr.on("data", (chunk: Buffer) => words += chunk.toString())
  const late = setTimeout(kill, limit)
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve))
  clearTimeout(late)
  process.off("exit", kill)
  fs.rmSync(directory, { recursive: true, force: true })
  const outcomes = lines.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Outcome)
  return { outcomes, words, code }
}
