/**
 * effect's Socket over a connection: acquiring its reader makes the connection, whose life is that of the acquisition.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { Connection } from "../Connection.ts"
import * as Winsock from "../Winsock.ts"
import { withoutGivingWay } from "./givingWay.ts"
import { encode } from "./text.ts"
import { type Role, type Upgrade, upgrading } from "./upgrading.ts"

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

const alreadyUpgraded = new Socket.SocketError({
  reason: new Socket.SocketUpgradeError({ cause: new Error("the socket is upgraded already, or closed") })
})

/** Closes the socket beneath, which ends all that waits. */
const closeSocket = ({ socket }: Connection<unknown>): Effect.Effect<void> => Effect.ignore(Winsock.closesocket(socket))

const ended = new Socket.CloseEvent(1000)
const closed = new Socket.CloseEvent(1006)

/** What has been taken must come to whoever pulls: from the answer of the read to theirs. */
const stepsOfPull = 8

/** A connection while its acquisition lasts. */
class Current {
  connection: Connection<unknown>
  /** Why it was closed here. */
  private closing: Socket.SocketError | undefined
  private upgraded = false
  private lastWrite: Fiber.Fiber<unknown, unknown> | undefined

  constructor(connection: Connection<unknown>) {
    this.connection = connection
  }

  readonly pull: Socket.Reader<Uint8Array>["pull"] = Effect.withFiber((fiber) =>
    withoutGivingWay(
      fiber,
      Effect.matchEffect(this.connection.read, {
        onFailure: (error) => Effect.fail(this.closing ?? readError(error)),
        onSuccess: (bytes) => bytes.length === 0 ? Effect.fail(closeError(ended)) : Effect.succeed([bytes] as const)
      }),
      stepsOfPull
    )
  )

  /** What waits ends, and says that it was closed. */
  close(error: Socket.SocketError): void {
    this.closing ??= error
  }

  /** Goes on under TLS. Where that fails, or is given up half-way, the connection is of no use any more. */
  upgrade(begin: (connection: Connection<unknown>) => Upgrade, scope: Scope.Scope) {
    return Effect.suspend((): Effect.Effect<void, Socket.SocketError> => {
      if (this.upgraded || this.closing !== undefined) return Effect.fail(alreadyUpgraded)
      const handshake = begin(this.connection)
      if (Result.isFailure(handshake)) return Effect.fail(handshake.failure)
      this.upgraded = true
      return Scope.provide(handshake.success, scope).pipe(
        Effect.map((secured) => {
          this.connection = secured
        }),
        Effect.onExit((exit) => {
          if (Exit.isSuccess(exit)) return Effect.void
          this.close(Option.getOrElse(Exit.findErrorOption(exit), () => closeError(closed)))
          return closeSocket(this.connection)
        })
      )
    })
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
 * `closes`: the end of an acquisition closes the connection, which otherwise its scope does; `role`: who it is when TLS
 * begins.
 */
export const make = <E, R>(
  open: Effect.Effect<Connection<E>, Socket.SocketError, R | Scope.Scope>,
  { closes, ...role }: Role & { readonly closes: boolean }
): Effect.Effect<Socket.Socket, never, Exclude<R, Scope.Scope>> =>
  Effect.contextWith((context: Context.Context<Exclude<R, Scope.Scope>>) => {
    const latch = Latch.makeUnsafe(false)
    const upgrade = upgrading(context, role)
    let current: Current | undefined

    const reader: Effect.Effect<Socket.Reader, Socket.SocketError, R | Scope.Scope> = Effect.gen(function*() {
      const scope = yield* Effect.scope
      const mine = new Current(yield* open)
      yield* Scope.addFinalizer(
        scope,
        Effect.suspend(() => {
          mine.close(closeError(closed))
          if (current === mine) {
            current = undefined
            latch.closeUnsafe()
          }
          return closes ? closeSocket(mine.connection) : Effect.void
        })
      )
      current = mine
      latch.openUnsafe()
      return {
        pull: mine.pull,
        upgrade: upgrade === undefined
          ? Socket.SocketUpgradeError.unsupported
          : (options = {}) => mine.upgrade((connection) => upgrade(connection, options), scope)
      }
    })

    /** Waits where there is no connection. */
    const onCurrent = <A, E>(f: (current: Current) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.suspend(() => current === undefined ? latch.whenOpen(onCurrent(f)) : f(current))

    const writer: Socket.Writer = {
      write: (chunk) =>
        onCurrent((current) => {
          if (!Socket.isCloseEvent(chunk)) return current.write(bytesOf(chunk))
          current.close(closeError(chunk))
          return closeSocket(current.connection)
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
