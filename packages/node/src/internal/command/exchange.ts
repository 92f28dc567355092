/**
 * What `winsock connect` says and hears once there is a peer.
 */
import { Winsock } from "@effect-winsock/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Report from "../../Report.ts"
import * as Failures from "./failures.ts"
import type { Options, Watcher } from "./request.ts"

/** How it ended. */
export interface Ending {
  readonly outcome: Report.ConnectReport["outcome"]
  readonly error?: Report.Failure | undefined
}

/** For how long a datagram is waited for, unless `--timeout` says so. */
const patience = Duration.seconds(1)
/** How many of the bytes that came a report has. */
const kept = 4096

/** What comes in, watched for what is expected; of the bytes only the beginning and as many as may match are kept. */
class Inbox {
  private readonly expected: Buffer | undefined
  private head = Buffer.alloc(0)
  private tail = Buffer.alloc(0)
  pieces = 0
  bytes = 0
  ended = false
  met = false

  constructor(expected: Uint8Array | undefined) {
    this.expected = expected && Buffer.from(expected)
  }

  take(bytes: Uint8Array): void {
    this.pieces += 1
    this.bytes += bytes.length
    if (this.head.length < kept) this.head = Buffer.concat([this.head, bytes.subarray(0, kept - this.head.length)])
    if (this.expected === undefined) return
    const recent = Buffer.concat([this.tail, bytes])
    this.met ||= recent.includes(this.expected)
    this.tail = recent.subarray(Math.max(0, recent.length - this.expected.length + 1))
  }

  /** Without an expectation the first datagram is the answer, also an empty one. */
  get enough(): boolean {
    return this.ended || (this.expected === undefined ? this.pieces > 0 : this.met)
  }

  get text(): string {
    return this.head.toString()
  }
}

const fill = (inbox: Inbox, socket: Winsock.Socket): Effect.Effect<void, Report.Failure> =>
  Winsock.recv(socket).pipe(
    Effect.mapError((error) => Failures.ofError(error)),
    Effect.map((bytes) => {
      if (bytes.length === 0 && socket.kind.type === "stream") inbox.ended = true
      else inbox.take(bytes)
    }),
    Effect.repeat({ until: () => inbox.enough }),
    Effect.asVoid
  )

/** Waits for what is to come, for as long as the deadline, or the patience for datagrams, allows. */
const listenFor = (
  inbox: Inbox,
  socket: Winsock.Socket,
  { expect, timeout }: Options,
  deadline: Failures.Deadline
): Effect.Effect<Ending> =>
  Effect.gen(function*() {
    const isDatagram = socket.kind.type === "datagram"
    const waiting = fill(inbox, socket).pipe(deadline.hold({ call: "recv", stage: "receive" }))
    const result = yield* Effect.result(
      timeout === undefined && isDatagram ? Effect.timeoutOption(waiting, patience) : waiting
    )
    if (Result.isFailure(result) && result.failure.by !== "deadline") {
      return { outcome: "failed", error: result.failure }
    }
    if (inbox.enough && (expect === undefined || inbox.met)) return { outcome: isDatagram ? "answered" : "connected" }
    if (expect === undefined) return { outcome: "unanswered" }
    return { outcome: "unmet", error: Result.isFailure(result) ? result.failure : undefined }
  })

/**
 * Sends what is to be sent and waits for what is expected; a datagram that was sent is given time for an answer. `told`
 * hears what was said in the end, also where that was an interruption, unless there was nothing to say or to wait for.
 */
export const exchange = (
  socket: Winsock.Socket,
  options: Options,
  deadline: Failures.Deadline,
  watcher: Watcher,
  told: (exchange: Report.Exchange) => void
): Effect.Effect<Ending> =>
  Effect.gen(function*() {
    const { expect, send } = options
    const isDatagram = socket.kind.type === "datagram"
    if (send === undefined && expect === undefined) return { outcome: isDatagram ? "unsent" : "connected" }
    const took = yield* Failures.stopwatch
    const inbox = new Inbox(expect)
    let sentBytes = 0

    const tell = Effect.map(took, (durationMs) =>
      told(
        new Report.Exchange({
          sentBytes,
          receivedBytes: inbox.bytes,
          received: inbox.text,
          ended: inbox.ended,
          durationMs,
          ...(expect === undefined ? {} : { expected: Buffer.from(expect).toString() })
        })
      ))

    return yield* Effect.gen(function*() {
      if (send !== undefined) {
        yield* watcher.doing(`sending ${send.length} bytes`)
        sentBytes = yield* Winsock.send(socket, send).pipe(
          Effect.mapError((error) => Failures.ofError(error)),
          deadline.hold({ call: "send", stage: "send" })
        )
      }
      if (expect === undefined && !isDatagram) return { outcome: "connected" } as const
      yield* watcher.doing(expect === undefined ? "waiting for an answer" : "waiting for what is expected")
      return yield* listenFor(inbox, socket, options, deadline)
    }).pipe(
      Effect.catch((error): Effect.Effect<Ending> => Effect.succeed({ outcome: "failed", error })),
      Effect.ensuring(tell)
    )
  })
