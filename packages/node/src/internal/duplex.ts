/**
 * A connection as one of Node's streams, for libraries that take a socket of `node:net`.
 */
import { type Connection, SocketAddress } from "@effect-winsock/core"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { Duplex } from "node:stream"

/** What fits into so many bytes is written at once: a small piece after another one would wait for an acknowledgement. */
const together = 64 * 1024

const joined = (pieces: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> => {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  return length > together ? pieces : [Buffer.concat(pieces, length)]
}

const errorOf = (cause: Cause.Cause<unknown>): Error => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error : new Error(String(error))
}

type Done = (error?: Error | null) => void

/**
 * A connection as a stream. It ends its own direction where it is ended, and goes on reading; where it is destroyed, or both
 * directions have ended, the scope of the connection is closed. What reading and writing fail with comes out as it is, as
 * the error of the stream.
 */
export class ConnectionDuplex extends Duplex {
  private readonly connection: Connection.Connection<Error>
  private readonly scope: Scope.Closeable
  private readonly run: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  private readonly fibers = new Set<Fiber.Fiber<unknown, unknown>>()
  bytesRead = 0
  bytesWritten = 0

  constructor(connection: Connection.Connection<Error>, scope: Scope.Closeable, context: Context.Context<never>) {
    super({ allowHalfOpen: true, readableHighWaterMark: together, writableHighWaterMark: together })
    this.connection = connection
    this.scope = scope
    this.run = Effect.runForkWith(context)
  }

  get localAddress(): string | undefined {
    return hostOf(this.connection.local)
  }
  get localPort(): number | undefined {
    return portOf(this.connection.local)
  }
  get remoteAddress(): string | undefined {
    return hostOf(this.connection.remote)
  }
  get remotePort(): number | undefined {
    return portOf(this.connection.remote)
  }
  get remoteFamily(): string | undefined {
    const family = SocketAddress.familyOf(this.connection.remote)
    return family === "Unix" ? undefined : family
  }

  /** Nobody is told any more once it is destroyed. */
  private does<A>(effect: Effect.Effect<A, Error>, then: (exit: Exit.Exit<A, Error>) => void): void {
    const fiber = this.run(effect)
    this.fibers.add(fiber)
    fiber.addObserver((exit) => {
      this.fibers.delete(fiber)
      if (!this.destroyed) then(exit)
    })
  }

  override _read(): void {
    this.does(this.connection.read, (exit) => {
      if (Exit.isFailure(exit)) return this.destroy(errorOf(exit.cause))
      const { buffer, byteLength, byteOffset } = exit.value
      this.bytesRead += byteLength
      this.push(byteLength === 0 ? null : Buffer.from(buffer, byteOffset, byteLength))
    })
  }

  private sends(pieces: ReadonlyArray<Uint8Array>, done: Done): void {
    this.does(Effect.forEach(pieces, (piece) => this.connection.write(piece), { discard: true }), (exit) => {
      if (Exit.isFailure(exit)) return done(errorOf(exit.cause))
      for (const { length } of pieces) this.bytesWritten += length
      done()
    })
  }

  override _write(chunk: Uint8Array, _: BufferEncoding, done: Done): void {
    this.sends([chunk], done)
  }

  override _writev(chunks: ReadonlyArray<{ readonly chunk: Uint8Array }>, done: Done): void {
    this.sends(joined(chunks.map(({ chunk }) => chunk)), done)
  }

  override _final(done: Done): void {
    this.does(this.connection.end, (exit) => done(Exit.isFailure(exit) ? errorOf(exit.cause) : null))
  }

  override _destroy(error: Error | null, done: Done): void {
    const closed = Effect.andThen(Fiber.interruptAll(this.fibers), Scope.close(this.scope, Exit.void))
    this.run(closed).addObserver((exit) => done(error ?? (Exit.isFailure(exit) ? errorOf(exit.cause) : null)))
  }
}

const hostOf = (address: SocketAddress.SocketAddress): string | undefined =>
  address._tag === "UnixPathAddress" ? undefined : address.address.toString()

const portOf = (address: SocketAddress.SocketAddress): number | undefined =>
  address._tag === "UnixPathAddress" ? undefined : address.port
