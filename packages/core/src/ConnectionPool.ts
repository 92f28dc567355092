/**
 * What pools of connections are told, and what they fail with. `Connector.pooled` makes one.
 *
 * A pool keeps connections, each to one destination, and gives each to one borrower at a time. What goes back to it is to be
 * as good as new: this module says when it is.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Connection from "./Connection.ts"
import * as Lost from "./internal/lost.ts"

/**
 * How many connections a pool keeps, and for how long. A `min` or `max` that is no number is a `RangeError` where the pool is made.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<in Out extends Connection.Connection<any> = Connection.Connection<any>> {
  /** How many there are to each destination at most, lent and idle; 10 unless given. */
  readonly max?: number | undefined
  /** How many of them stay open however long nobody wants them; 0 unless given. */
  readonly min?: number | undefined
  /**
   * How long one that is beyond `min` stays open while nobody wants it; 30 seconds unless given. It is looked for once in
   * that time, so it can be twice as long.
   */
  readonly idleTimeToLive?: Duration.Input | undefined
  /** How old one may be when it is lent; as old as it gets unless given. */
  readonly maxAge?: Duration.Input | undefined
  /**
   * How long to wait for one where all are lent; then it fails with {@link PoolTimeout}. As long as it takes unless given.
   * What connecting takes is not part of it.
   */
  readonly waitTimeout?: Duration.Input | undefined
  /**
   * Decides whether one that is as good as new ({@link isReusable}) is kept when it is given back; it is told how the scope
   * ended that it was lent to. Unless given: where that was a success. After a failure or an interruption an answer may be on
   * its way that the next borrower would take for his own.
   */
  readonly reuse?: ((connection: Out, exit: Exit.Exit<unknown, unknown>) => boolean) | undefined
}

/**
 * All connections of a pool to the destination were lent, and none came back in time.
 *
 * **Details**
 *
 * It bears no Winsock code: no stack and no peer has said anything. As WSAETIMEDOUT it would be retried, and counted by a
 * breaker, as if the peer had not answered.
 *
 * **Example** (Making one)
 *
 * ```ts import.meta.vitest
 * import { ConnectionPool } from "@effect-winsock/core"
 * import { Duration } from "effect"
 *
 * const error = new ConnectionPool.PoolTimeout({ destination: "db:5432", max: 10, waited: Duration.seconds(1) })
 * error.message // => "all 10 connections of the pool to db:5432 were lent for 1s"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class PoolTimeout extends Schema.TaggedError<PoolTimeout>("@effect-winsock/core/ConnectionPool/PoolTimeout")(
  "PoolTimeout",
  {
    /** Where the connections go to. */
    destination: Schema.String,
    /** How many there are at most. */
    max: Schema.Int,
    /** How long it was waited for one. */
    waited: Schema.DurationFromMillis
  }
) {
  /** What it says in a line. */
  override get message(): string {
    return `all ${this.max} connections of the pool to ${this.destination} were lent for ${
      Duration.format(this.waited)
    }`
  }
}

/**
 * Tells whether a connection is as good as it was when it was new, without reading from it.
 *
 * **Details**
 *
 * It is not, when any of this holds:
 *
 * - it is over: it broke, was closed, or both directions ended (`closeReason`), at its own level or beneath;
 * - one side has ended its direction: the peer, as a server does that closes what is idle, or this side;
 * - bytes of the peer wait that nobody has read (`unread`), at its own level or beneath: the rest of an answer, or something
 *   nobody asked for.
 *
 * **Gotchas**
 *
 * It goes by what has arrived. A peer that has lost its power, or whose last word is still on its way, cannot be told from one
 * that is silent: the first use can still find the connection broken.
 *
 * **Example** (The peer has ended its direction)
 *
 * ```ts import.meta.vitest
 * import { ConnectionPool, Connector, Winsock } from "@effect-winsock/core"
 * import { Sim, SimNetwork } from "@effect-winsock/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:80")
 *   yield* Winsock.listen(listener)
 *   const connection = yield* Connector.winsock.connect("127.0.0.1:80")
 *   const before = ConnectionPool.isReusable(connection)
 *   const { socket } = yield* Winsock.accept(listener)
 *   yield* Winsock.shutdown(socket, "send")
 *   yield* connection.read
 *   return [before, ConnectionPool.isReusable(connection)]
 * }).pipe(Effect.scoped, Effect.provide(SimNetwork.layer()))
 *
 * Sim.getOrThrow(Sim.run(program)) // => [true, false]
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isReusable = (connection: Connection.Connection<any>): boolean =>
  Lost.isOpen(connection) && !connection.unread
