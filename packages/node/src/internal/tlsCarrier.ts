/**
 * A connection as a stream of Node's, for what takes nothing else.
 */
import type { Connection } from "@effect-winsock/core"
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { Duplex } from "node:stream"

/**
 * Nothing that happens to the connection is an error of this stream: whoever uses it would drop what it has not read yet.
 * A read that fails looks like an end, and a write that fails never ends; the causes are here, for whoever wants to know.
 */
export class Carrier extends Duplex {
  /** What reading failed with. */
  unread: Cause.Cause<unknown> | undefined
  /** What writing failed with. */
  unwritten: Cause.Cause<unknown> | undefined
  private readonly connection: Connection.Connection<unknown>
  private readonly run: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  private readonly changed: () => void
  private readonly running = new Set<Fiber.Fiber<unknown, unknown>>()

  /** `changed` is told when writing went on, or failed. */
  constructor(connection: Connection.Connection<unknown>, context: Context.Context<never>, changed: () => void) {
    // Destroyed by its owner alone: what was decrypted can still be read when both directions have ended.
    super({ allowHalfOpen: true, autoDestroy: false })
    this.connection = connection
    this.run = Effect.runForkWith(context)
    this.changed = changed
  }

  private fork<A>(effect: Effect.Effect<A, unknown>, done: (exit: Exit.Exit<A, unknown>) => void): void {
    const fiber = this.run(effect)
    this.running.add(fiber)
    fiber.addObserver((exit) => {
      this.running.delete(fiber)
      if (!this.destroyed) done(exit)
    })
  }

  private writing(effect: Effect.Effect<void, unknown>, done: () => void): void {
    this.fork(effect, (exit) => {
      if (Exit.isSuccess(exit)) done()
      else this.unwritten = exit.cause
      this.changed()
    })
  }

  override _read(): void {
    this.fork(this.connection.read, (exit) => {
      if (Exit.isSuccess(exit)) return void this.push(exit.value.length === 0 ? null : exit.value)
      this.unread = exit.cause
      this.push(null)
    })
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.writing(this.connection.write(chunk), done)
  }

  override _final(done: () => void): void {
    this.writing(this.connection.end, done)
  }

  /** Ends all that it does. */
  get halt(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.destroy()
      return Fiber.interruptAll(this.running)
    })
  }
}
