/**
 * What is said and heard over a connection before it is anyone's: bytes of ours, and answers of at most so many bytes.
 */
import * as Effect from "effect/Effect"
import * as Connection from "../Connection.ts"
import * as WsaError from "../WsaError.ts"
import { Gather } from "./connectData/gather.ts"
import type { Decoded } from "./decoded.ts"

/** What it is to whoever connects that the conversation does not come to its end. */
export interface Faults<E> {
  /** The connection breaks. */
  readonly broken: (error: Connection.ReadError | Connection.WriteError) => E
  /** The peer ends it in order. */
  readonly endedEarly: () => E
  /** What the peer says is wrong. */
  readonly wrong: (why: string) => E
}

export class Conversation<E0, E> {
  /** What has come and belongs to whatever is heard next. */
  private rest: Uint8Array = new Uint8Array(0)
  private readonly connection: Connection.Connection<E0>
  private readonly faults: Faults<E>

  constructor(connection: Connection.Connection<E0>, faults: Faults<E>) {
    this.connection = connection
    this.faults = faults
  }

  private failureOf(error: E0 | Connection.ReadError | Connection.WriteError): E0 | E {
    return WsaError.isWsaError(error)
      ? this.faults.broken(error as Connection.ReadError | Connection.WriteError)
      : error as E0
  }

  say(bytes: Uint8Array): Effect.Effect<void, E0 | E> {
    return Effect.mapError(this.connection.write(bytes), (error) => this.failureOf(error))
  }

  /** Waits for an answer, of which there are at most `bound` bytes. */
  hear<A>(decode: (bytes: Uint8Array) => Decoded<A>, bound: number): Effect.Effect<A, E0 | E> {
    return Effect.suspend(() => {
      const gather = new Gather(decode, bound)
      const heard = (piece: Uint8Array): Effect.Effect<A, E0 | E> => {
        const gathered = gather.add(piece)
        switch (gathered._tag) {
          case "Need":
            return more
          case "Wrong":
            return Effect.fail(this.faults.wrong(gathered.why))
          case "Done":
            this.rest = piece.subarray(gathered.used)
            return Effect.succeed(gathered.value)
        }
      }
      const more: Effect.Effect<A, E0 | E> = Effect.flatMap(
        Effect.mapError(this.connection.read, (error) => this.failureOf(error)),
        (piece) => piece.length === 0 ? Effect.fail(this.faults.endedEarly()) : heard(piece)
      )
      return this.rest.length === 0 ? more : heard(this.rest)
    })
  }

  /** The connection, with what has come behind the conversation before all else. */
  done(): Connection.Connection<E0> {
    return Connection.withHead(this.connection, this.rest)
  }
}
