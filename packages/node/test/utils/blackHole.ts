import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as net from "node:net"

const listener = `
  const [host, port] = process.argv.slice(1)
  const server = require("node:net").createServer().listen({ port: Number(port), host, backlog: 1 }, () => {
    process.stdout.write(String(server.address().port) + "\\n")
  })
`

/**
 * A port where attempts to connect get no answer, until it is woken: its listener is stopped and its backlog is full, so
 * that Linux drops what else arrives. Fails where the port is taken.
 */
export const silentPort = (host: string, port: number) =>
  Effect.acquireRelease(
    Effect.tryPromise(async () => {
      const child = spawn(process.execPath, ["-e", listener, host, String(port)], {
        stdio: ["ignore", "pipe", port === 0 ? "inherit" : "ignore"]
      })
      const [line] = await Promise.race([once(child.stdout, "data"), once(child, "exit")])
      if (typeof line === "number") throw new Error(`port ${port} of ${host} is taken`)
      const given = Number(String(line))
      child.kill("SIGSTOP")
      // A backlog of 1 holds two.
      const fillers = [1, 2].map(() => net.connect({ port: given, host }))
      await Promise.all(fillers.map((filler) => once(filler, "connect")))
      return { port: given, wake: Effect.sync(() => child.kill("SIGCONT")), child, fillers }
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
  )

/** A port of 127.0.0.1 where attempts to connect get no answer. */
export const blackHole = Effect.map(Effect.orDie(silentPort("127.0.0.1", 0)), ({ port }) => `127.0.0.1:${port}`)

/** One port where attempts to connect get no answer, of 127.0.0.1 and of ::1; the one of 127.0.0.1 can be woken. */
export const silentPair = Effect.tap(silentPort("127.0.0.1", 0), ({ port }) => silentPort("::1", port)).pipe(
  // What is free on one may be taken on the other.
  Effect.retry({ times: 20 }),
  Effect.orDie
)
