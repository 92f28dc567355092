/**
 * Waits until a connection is of no use to anybody any more.
 */
import * as Effect from "effect/Effect"
import type * as Connection from "../Connection.ts"
import { afterCall } from "./events.ts"
import * as Internal from "./socket.ts"

const whileOpen = (socket: Internal.Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (!socket.isOpen()) return resume(Effect.void)
    const watching = {
      look: () => {
        if (socket.isOpen()) return
        socket.removeWatching(watching)
        resume(afterCall(Effect.void))
      }
    }
    socket.addWatching(watching)
    return Effect.sync(() => socket.removeWatching(watching))
  })

/** Neither over, nor has one side ended its direction. */
export const isOpen = ({ closeReason, socket }: Connection.Connection<any>): boolean =>
  closeReason === undefined && (!Internal.Socket.is(socket) || socket.isOpen())

/** Waits until it is not open any more. */
export const lost = ({ closed, socket }: Connection.Connection<any>): Effect.Effect<void> =>
  Internal.Socket.is(socket) ? Effect.raceFirst(Effect.asVoid(closed), whileOpen(socket)) : Effect.asVoid(closed)
