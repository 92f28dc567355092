/**
 * effect's Socket over a connection: acquiring its reader makes the connection, whose life is that of the acquisition.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { Connection } from "../Connection.ts"
import { withoutGivingWay } from "./givingWay.ts"
import { encode } from "./text.ts"

const bytesOf = (frame: Uint8Array | string): Uint8Array => typeof frame === "string" ? encode(frame) : frame

/** One after the other, as one: so that nothing that others write comes in between. */
const joined = (frames: ReadonlyArray<Uint8Array | string>): Uint8Array => {
  if (frames.length === 1) return bytesOf(frames[0]!)
  const parts = frames.map(bytesOf)
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

const closeError = ({ code, reason }: Socket.CloseEvent) =>
  new Socket.SocketError({ reason: new Socket.SocketCloseError({ code, closeReason: reason }) })

const readError = (cause: unknown) => new Socket.SocketError({ reason: new Socket.SocketReadError({ cause }) })

const writeError = (cause: unknown) => new Socket.SocketError({ reason: new Socket.SocketWriteError({ cause }) })

const hasTimedOut = (cause: unknown): boolean =>
  typeof cause === "object" && cause !== null && "_tag" in cause && cause._tag === "WSAETIMEDOUT"

/** Why there is no connection, as effect's sockets say it; what we say of it is the cause. */
export const openError = (cause: unknown): Socket.SocketError =>
  new Socket.SocketError({
    reason: new Socket.SocketOpenError({ kind: hasTimedOut(cause) ? "Timeout" : "Unknown", cause })
  })

const ended = new Socket.CloseEvent(1000)
const closed = new Socket.CloseEvent(1006)

/** What has been taken must come to whoever pulls: from the answer of the read to theirs. */
const stepsOfPull = 8

/** A connection while its acquisition lasts. */
class Current<E> {
  readonly connection: Connection<E>
  /** How it was closed here. */
  private closing: Socket.CloseEvent | undefined
  private lastWrite: Fiber.Fiber<unknown, unknown> | undefined
  readonly pull: Socket.Reader<Uint8Array>["pull"]

  constructor(connection: Connection<E>) {
    this.connection = connection
    const pulled = Effect.matchEffect(connection.read, {
      onFailure: (error) => Effect.fail(this.closing === undefined ? readError(error) : closeError(this.closing)),
      onSuccess: (bytes) => bytes.length === 0 ? Effect.fail(closeError(ended)) : Effect.succeed([bytes] as const)
    })
    this.pull = Effect.withFiber((fiber) => withoutGivingWay(fiber, pulled, stepsOfPull))
  }

  /** What waits ends, and says that it was closed. */
  close(event: Socket.CloseEvent): void {
    this.closing ??= event
  }

  /**
   * Whoever gives a write up leaves it alone: others write to the same connection, which would break. It ends with the
   * connection at the latest.
   */
  write(bytes: Uint8Array): Effect.Effect<void, Socket.SocketError> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.forkDetach(Effect.interruptible(this.connection.write(bytes)), { startImmediately: true }),
        (fiber) => {
          this.lastWrite = fiber
          return restore(Effect.flatMap(Fiber.await(fiber), (exit) =>
            Exit.isSuccess(exit) ? Effect.void : Effect.mapError(exit, writeError)))
        }
      )
    )
  }

  /** Ends the direction once all is written, and nobody waits for that. */
  readonly end: Effect.Effect<void> = Effect.suspend(() =>
    Effect.asVoid(Effect.forkDetach(
      Effect.andThen(
        this.lastWrite === undefined ? Effect.void : Fiber.await(this.lastWrite),
        Effect.ignore(this.connection.end)
      ),
      { startImmediately: true }
    ))
  )
}

/**
 * `release`: what is done to the connection when the acquisition ends, before its scope does the rest; `close`: what a
 * close event does.
 */
export const make = <E, R>(
  open: Effect.Effect<Connection<E>, Socket.SocketError, R | Scope.Scope>,
  close: (connection: Connection<E>) => Effect.Effect<void>,
  release: (connection: Connection<E>) => Effect.Effect<void>
): Effect.Effect<Socket.Socket, never, Exclude<R, Scope.Scope>> =>
  Effect.contextWith((context: Context.Context<Exclude<R, Scope.Scope>>) => {
    const latch = Latch.makeUnsafe(false)
    let current: Current<E> | undefined

    const reader: Effect.Effect<Socket.Reader, Socket.SocketError, R | Scope.Scope> = Effect.gen(function*() {
      const scope = yield* Effect.scope
      const mine = new Current(yield* open)
      yield* Scope.addFinalizer(
        scope,
        Effect.suspend(() => {
          mine.close(closed)
          if (current === mine) {
            current = undefined
            latch.closeUnsafe()
          }
          return release(mine.connection)
        })
      )
      current = mine
      latch.openUnsafe()
      return { pull: mine.pull, upgrade: Socket.SocketUpgradeError.unsupported }
    })

    /** Waits where there is no connection. */
    const onCurrent = <A, E>(f: (current: Current<any>) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.suspend(() => current === undefined ? latch.whenOpen(onCurrent(f)) : f(current))

    const writer: Socket.Writer = {
      write: (chunk) =>
        onCurrent((current) => {
          if (!Socket.isCloseEvent(chunk)) return current.write(bytesOf(chunk))
          current.close(chunk)
          return close(current.connection)
        }),
      writeAll: (chunks) => onCurrent((current) => current.write(joined(chunks)))
    }

    return Effect.succeed(Socket.make({
      reader: Effect.updateContext(
        reader,
        (given: Context.Context<Scope.Scope>) => Context.merge(context, given) as Context.Context<R | Scope.Scope>
      ),
      writer: Effect.acquireRelease(
        Effect.succeed(writer),
        () => current === undefined ? Effect.void : current.end
      )
    }))
  })
