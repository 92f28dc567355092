// One connection with a rate, or without one, in a process of its own: sends or receives for so long, and says what came.
import { Qos, Shaper, Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { Effect, Result } from "effect"
import { chunk, type Peer, piece, request } from "./agreed.ts"
import { answer } from "./process.ts"

/** What the bench asks for. */
export interface Question {
  readonly peer: Peer
  readonly way: "sending" | "receiving"
  /** Bytes a second; `undefined` for no QOS. */
  readonly rate: number | undefined
  readonly bytes: number
}

export interface Moved {
  readonly bytes: number
  readonly seconds: number
  /** Microseconds of the processor. */
  readonly cpu: number
}

const qosOf = (way: Question["way"], tokenRate: number): Qos.Qos => ({ [way]: { serviceType: "bestEffort", tokenRate } })

const stream = { family: "IPv4", type: "stream" } as const

/** Sends, and waits until the other end has taken all of it. Gives the bytes, and the milliseconds that they took. */
const send = Effect.fnUntraced(function*(s: Winsock.Socket, total: number) {
  const started = performance.now()
  for (let left = total; left > 0;) {
    left -= yield* Winsock.send(s, left >= chunk.length ? chunk : chunk.subarray(0, left))
  }
  yield* Winsock.shutdown(s, "send")
  yield* Winsock.recv(s)
  return [total, performance.now() - started] as const
})

/** Receives. The last gulp is paid for after it has come, as each is: it does not count. */
const receive = Effect.fnUntraced(function*(s: Winsock.Socket, total: number) {
  yield* Winsock.send(s, request(total))
  let [begin, last, before, got] = [NaN, NaN, 0, 0]
  const into = new Uint8Array(piece)
  while (got < total) {
    const count = yield* Winsock.recv(s, into)
    const now = performance.now()
    if (got === 0) begin = last = now
    // What comes within a tenth of a millisecond was read in one gulp, which recv gives in pieces.
    else if (now - last > 0.1) before = got
    last = now
    got += count
  }
  return [before, last - begin] as const
})

const move = ({ bytes, peer, rate, way }: Question): Promise<Moved> =>
  Effect.gen(function*() {
    const s = yield* Winsock.socket(stream)
    yield* Winsock.WSAConnect(s, `${peer.host}:${way === "sending" ? peer.sink : peer.source}`, {
      sqos: rate === undefined ? null : qosOf(way, rate)
    })
    const from = process.cpuUsage()
    const [counted, millis] = yield* way === "sending" ? send(s, bytes) : receive(s, bytes)
    const { system, user } = process.cpuUsage(from)
    return { bytes: counted, seconds: millis / 1000, cpu: system + user }
  }).pipe(Effect.scoped, Effect.provide(NodeWinsock.layer), Effect.runPromise)

/** Nanoseconds for the credit of a piece, with the reading of the clock. */
export const meterCost = (pieces: number): number => {
  const spec: Shaper.Spec = { tokenRate: 100_000_000, tokenBucketSize: 1_000_000, peakBandwidth: 200_000_000 }
  const meter = Result.getOrThrow(Shaper.meter(spec, process.hrtime.bigint()))
  const go = (count: number): number => {
    let taken = 0
    for (let i = 0; i < count; i++) if (meter.take(process.hrtime.bigint(), 100)) taken++
    return taken
  }
  go(pieces / 10)
  const started = performance.now()
  go(pieces)
  return (performance.now() - started) * 1e6 / pieces
}

if (import.meta.main) answer((question) => move(question as Question))
