/**
 * A connection under the modelled TLS, once the handshake is done.
 */
import * as Connection from "@effect-winsock/core/Connection"
import * as Tls from "@effect-winsock/core/Tls"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"
import { withoutGivingWay } from "../givingWay.ts"
import type { Done } from "./handshake.ts"
import * as Wire from "./wire.ts"

type Stage = "receive" | "send" | "shutdown"

const noBytes = new Uint8Array(0)

/** How long the end of the session is waited for on closing, by a stack that does not take it: as on Node. */
const farewell = "100 millis"

export class Channel<E> {
  private readonly under: Connection.Connection<E>
  private readonly done: Done
  private readonly reading = Semaphore.makeUnsafe(1)
  private readonly writing = Semaphore.makeUnsafe(1)
  /** What has been unwrapped and not read. */
  private piece: Uint8Array = noBytes
  /** The peer has said that no more will come. */
  private closed = false
  private ended = false
  /** Why there is no session any more, told by whoever comes across it. */
  private failure: ((stage: Stage) => Tls.StreamError) | undefined
  private readonly failed = Deferred.makeUnsafe<void>()

  constructor(under: Connection.Connection<E>, done: Done) {
    this.under = under
    this.done = done
  }

  private fail(failure: (stage: Stage) => Tls.StreamError): void {
    this.failure = failure
    Deferred.doneUnsafe(this.failed, Effect.void)
  }

  // --- reading -------------------------------------------------------------------------------------------------------

  /** Takes bytes as soon as there are any, and none where there will be none. */
  private take<A>(
    most: number,
    f: (bytes: Uint8Array) => A
  ): Effect.Effect<A, Connection.ReadError | Tls.StreamError | E> {
    const again: Effect.Effect<A, Connection.ReadError | Tls.StreamError | E> = Effect.suspend(() => {
      if (this.piece.length > 0) {
        return withoutGivingWay(() => {
          const taken = this.piece.subarray(0, most)
          this.piece = this.piece.subarray(taken.length)
          return f(taken)
        })
      }
      if (this.failure !== undefined) return Effect.fail(this.failure("receive"))
      if (this.closed) return Effect.sync(() => f(noBytes))
      const incoming = this.done.reader.next()
      return Effect.flatMap(incoming === undefined ? this.more : this.unwrap(incoming), () => again)
    })
    return this.reading.withPermits(1)(again)
  }

  private get more(): Effect.Effect<void, Connection.ReadError | E> {
    return this.under.readLent((lent) => {
      if (lent.length > 0) return this.done.reader.push(lent.slice())
      const { remote } = this.under
      this.fail(() => new Tls.TlsTruncated({ stage: "receive", remote }))
    })
  }

  private unwrap(incoming: Wire.Incoming): Effect.Effect<void> {
    const { remote } = this.under
    switch (incoming._tag) {
      case "Data":
        this.piece = incoming.bytes
        return Effect.void
      case "Close":
        this.closed = true
        return Effect.void
      case "Alert": {
        const { isFatal, number } = incoming
        if (isFatal) this.fail((stage) => new Tls.TlsAlert({ stage, remote, alert: Tls.alertOf(number), number }))
        return Effect.void
      }
      case "Message":
        if (incoming.message.type === "new_session_ticket") {
          this.done.keep(incoming.message.ticket)
          return Effect.void
        }
        return this.breakOff("unexpected_message", `${incoming.message.type} came after the handshake`)
      case "Wrong":
        return this.breakOff(incoming.alert, incoming.detail)
    }
  }

  /** The peer breaks the rules: it is told, if that can be done at once, and there is no session any more. */
  private breakOff(alert: Tls.Alert, detail: string): Effect.Effect<void> {
    const { remote } = this.under
    this.fail((stage) => new Tls.TlsProtocol({ stage, remote, why: "malformed", detail }))
    const told = this.under.write(Wire.encodeAlert(Tls.alerts[alert]))
    return Effect.ignore(Effect.timeoutOption(this.writing.withPermits(1)(told), farewell))
  }

  // --- writing -------------------------------------------------------------------------------------------------------

  private write(bytes: Uint8Array): Effect.Effect<void, Connection.WriteError | Tls.StreamError | E> {
    return this.writing.withPermits(1)(
      Effect.suspend((): Effect.Effect<void, Connection.WriteError | Tls.StreamError | E> => {
        if (this.failure !== undefined) return Effect.fail(this.failure("send"))
        // Where it has ended its direction, or is broken, the connection beneath says so.
        return this.under.write(bytes.length === 0 ? bytes : Wire.encodeData(bytes))
      })
    )
  }

  private get end(): Effect.Effect<void, Connection.EndError | Tls.StreamError | E> {
    return this.writing.withPermits(1)(
      Effect.suspend((): Effect.Effect<void, Connection.EndError | Tls.StreamError | E> => {
        if (this.ended) return this.under.end
        if (this.failure !== undefined) return Effect.fail(this.failure("shutdown"))
        this.ended = true
        return Effect.andThen(this.under.write(Wire.encodeClose()), this.under.end)
      })
    )
  }

  // --- closing -------------------------------------------------------------------------------------------------------

  private reason(): Connection.CloseReason<E | Tls.StreamError> | undefined {
    return this.failure === undefined ? this.under.closeReason : { _tag: "Broken", error: this.failure("receive") }
  }

  /** Ends the session where all went well. */
  close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() =>
      Exit.isSuccess(exit) && !this.ended && this.reason() === undefined
        ? Effect.ignore(Effect.timeoutOption(Effect.interruptible(this.end), farewell))
        : Effect.void
    )
  }

  // --- the connection ------------------------------------------------------------------------------------------------

  get connection(): Tls.TlsConnection<E> {
    const over = Connection.over(
      this.under as Connection.Connection<E | Tls.StreamError>,
      {
        read: this.take(Infinity, (bytes) => bytes),
        readInto: (buffer) =>
          this.take(buffer.length, (bytes) => {
            buffer.set(bytes)
            return bytes.length
          }),
        readLent: (f) => this.take(Infinity, f),
        write: (bytes) => this.write(bytes),
        end: this.end,
        unread: () => this.piece.length > 0,
        closeReason: () => this.reason(),
        closed: Effect.map(
          Effect.raceFirst(this.under.closed, Deferred.await(this.failed)),
          (reason) => this.reason() ?? reason as Connection.CloseReason<E | Tls.StreamError>
        )
      } satisfies Connection.Through<E | Tls.StreamError>
    )
    return Object.assign(over, { tls: this.done.session }) as Tls.TlsConnection<E>
  }
}
