// One connection with a rate, or without one, in a process of its own: sends or receives for so long, and says what came.
import { type Qos, Shaper, Winsock } from "@effect-winsock/core"
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
  readonly bucket: number
  readonly bytes: number
}

export interface Moved {
  readonly bytes: number
  readonly seconds: number
  /** Microseconds of the processor. */
  readonly cpu: number
}

/** The bucket holds what the rate gives in so many milliseconds. */
const qosOf = ({ bucket, way }: Question, tokenRate: number): Qos.Qos => ({
  [way]: { serviceType: "bestEffort", tokenRate, tokenBucketSize: Math.ceil(tokenRate * bucket / 1000) }
})

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

const move = (question: Question): Promise<Moved> =>
  Effect.gen(function*() {
    const { bytes, peer, rate, way } = question
    const s = yield* Winsock.socket(stream)
    yield* Winsock.WSAConnect(s, `${peer.host}:${way === "sending" ? peer.sink : peer.source}`, {
      sqos: rate === undefined ? null : qosOf(question, rate)
    })
    const from = process.cpuUsage()
    const [counted, millis] = yield* way === "sending" ? send(s, bytes) : receive(s, bytes)
    const { system, user } = process.cpuUsage(from)
    return { bytes: counted, seconds: millis / 1000, cpu: system + user }
  }).pipe(Effect.scoped, Effect.provide(NodeWinsock.layer), Effect.runPromise)

/** Nanoseconds of the processor for each of so many. */
const costOf = (count: number, go: (count: number) => unknown): number => {
  go(count / 10)
  const from = process.cpuUsage()
  go(count)
  const { system, user } = process.cpuUsage(from)
  return (system + user) * 1000 / count
}

export const clockCost = (readings: number): number =>
  costOf(readings, (count) => {
    let last = 0n
    for (let i = 0; i < count; i++) last = process.hrtime.bigint()
    return last
  })

/** What the credit of a piece costs, with the reading of the clock. */
export const meterCost = (pieces: number): number => {
  const spec: Shaper.Spec = { tokenRate: 100_000_000, tokenBucketSize: 1_000_000, peakBandwidth: 200_000_000 }
  const meter = Result.getOrThrow(Shaper.meter(spec, process.hrtime.bigint()))
  return costOf(pieces, (count) => {
    let taken = 0
    for (let i = 0; i < count; i++) if (meter.take(process.hrtime.bigint(), 100)) taken++
    return taken
  })
}

if (import.meta.main) answer((question) => move(question as Question))
