import { Winsock } from "@effect-winsock/core"
import * as Effect from "effect/Effect"

/**
 * Connects once on loopback, to a port that is bound and where nobody listens.
 *
 * The first connect of a process takes some 5 ms more than the next, and 50 on a busy machine, nearly all of it for
 * compiling what it runs through. A command that says how long a connect took makes that one beforehand.
 */
export const warmUp: Effect.Effect<void, never, Winsock.Winsock> = Effect.gen(function*() {
  const bound = yield* Winsock.socket({ family: "IPv4", type: "stream" })
  yield* Winsock.bind(bound, "127.0.0.1:0")
  const caller = yield* Winsock.socket({ family: "IPv4", type: "stream" })
  yield* Winsock.WSAConnect(caller, yield* Winsock.getsockname(bound))
}).pipe(Effect.scoped, Effect.ignore)
