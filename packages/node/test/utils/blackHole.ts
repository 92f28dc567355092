import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as net from "node:net"

const listener = `
  const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    process.stdout.write(String(server.address().port) + "\\n")
  })
`

/**
 * A port of 127.0.0.1 where attempts to connect get no answer: its listener is stopped and its backlog is full, so that
 * Linux drops what else arrives.
 */
export const blackHole = Effect.acquireRelease(
  Effect.promise(async () => {
    const child = spawn(process.execPath, ["-e", listener], { stdio: ["ignore", "pipe", "inherit"] })
    const [line] = await once(child.stdout, "data")
    const port = Number(String(line))
    child.kill("SIGSTOP")
    // A backlog of 1 holds two.
    const fillers = [1, 2].map(() => net.connect({ port, host: "127.0.0.1" }))
    await Promise.all(fillers.map((filler) => once(filler, "connect")))
    return { port, child, fillers }
  }),
  ({ child, fillers }) =>
    Effect.promise(async () => {
      const gone = fillers.map((filler) => once(filler, "close"))
      for (const filler of fillers) filler.on("error", () => undefined).destroy()
      await Promise.all(gone)
      const exit = once(child, "exit")
      child.kill("SIGKILL")
      await exit
    })
).pipe(Effect.map(({ port }) => `127.0.0.1:${port}`))
