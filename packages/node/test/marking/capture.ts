// What goes over the loopback device of this namespace, as tcpdump saw it.
import { Effect, type Scope } from "effect"
import * as childProcess from "node:child_process"
import * as dgram from "node:dgram"

/** What is looked at of a packet. */
export interface Packet {
  readonly version: 4 | 6
  readonly protocol: "tcp" | "udp"
  /** The eight bits that hold the code point and, as the last two, congestion notification. */
  readonly tos: number
  readonly from: number
  readonly to: number
  /** It opens a connection. */
  readonly syn: boolean
  /** How many bytes it carries. */
  readonly length: number
}

const ethernet = 14

// A packet of Ethernet with IPv4 or IPv6 in it; anything besides TCP and UDP is nobody's business.
const parse = (frame: Buffer): Packet | undefined => {
  const version = frame[ethernet]! >> 4
  if (version !== 4 && version !== 6) return undefined
  const tos = version === 4 ? frame[ethernet + 1]! : (frame.readUInt16BE(ethernet) >> 4) & 0xff
  const protocol = frame[ethernet + (version === 4 ? 9 : 6)]!
  if (protocol !== 6 && protocol !== 17) return undefined
  const header = version === 4 ? (frame[ethernet]! & 15) * 4 : 40
  const total = version === 4 ? frame.readUInt16BE(ethernet + 2) : header + frame.readUInt16BE(ethernet + 4)
  const at = ethernet + header
  const tcp = protocol === 6
  return {
    version,
    protocol: tcp ? "tcp" : "udp",
    tos,
    from: frame.readUInt16BE(at),
    to: frame.readUInt16BE(at + 2),
    syn: tcp && (frame[at + 13]! & 0x12) === 2,
    length: total - header - (tcp ? (frame[at + 12]! >> 4) * 4 : 8)
  }
}

export interface Capture {
  /** Everything that was sent since this was asked last. */
  readonly packets: Effect.Effect<ReadonlyArray<Packet>>
}

/** Nobody has it: what is sent there tells that everything before has been seen. */
const lastPort = 9

/** Watches loopback for as long as the scope lasts. */
export const make: Effect.Effect<Capture, never, Scope.Scope> = Effect.gen(function*() {
  const seen: Array<Packet> = []
  let wake: (() => void) | undefined
  const told = (packet: Packet): void => {
    if (packet.protocol === "udp" && packet.to === lastPort) wake?.()
    else seen.push(packet)
  }
  const teller = yield* Effect.acquireRelease(
    Effect.sync(() => dgram.createSocket("udp4").on("error", () => undefined)),
    (socket) => Effect.callback<void>((resume) => void socket.close(() => resume(Effect.void)))
  )
  yield* Effect.acquireRelease(
    Effect.callback<childProcess.ChildProcess>((resume) => {
      const child = childProcess.spawn(
        "tcpdump",
        ["-i", "lo", "-Z", "root", "--immediate-mode", "-U", "-w", "-", "tcp or udp"],
        { stdio: ["ignore", "pipe", "pipe"] }
      )
      // It would outlive a process that is ended from outside.
      process.once("exit", () => child.kill("SIGKILL"))
      let words = ""
      const early = () => resume(Effect.die(new Error(`tcpdump ended: ${words}`)))
      child.once("close", early)
      child.once("error", (error) => resume(Effect.die(error)))
      child.stderr.on("data", (chunk: Buffer) => {
        words += chunk.toString()
        if (words.includes("listening on")) {
          child.off("close", early)
          resume(Effect.succeed(child))
        }
      })
      let left = Buffer.alloc(0)
      // The head of the file comes before the packets.
      let skip = 24
      child.stdout.on("data", (chunk: Buffer) => {
        left = Buffer.concat([left, chunk])
        if (left.length < skip) return
        left = left.subarray(skip)
        skip = 0
        while (left.length >= 16 && left.length >= 16 + left.readUInt32LE(8)) {
          const length = left.readUInt32LE(8)
          const packet = parse(left.subarray(16, 16 + length))
          left = left.subarray(16 + length)
          if (packet !== undefined) told(packet)
        }
      })
    }),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("close", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )
  const packets = Effect.callback<ReadonlyArray<Packet>>((resume) => {
    wake = () => {
      wake = undefined
      resume(Effect.succeed(seen.splice(0)))
    }
    teller.send(new Uint8Array(1), lastPort, "127.0.0.1")
  })
  return { packets }
})
