/**
 * What `winsock connect` is asked, and whom it tells.
 */
import type { SocketAddress } from "@effect-winsock/core"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Report from "../../Report.ts"
import type { Retry, Target } from "./arguments.ts"

export interface Options {
  readonly target: Target
  readonly bind: SocketAddress.SocketAddress | undefined
  readonly timeout: Duration.Duration | undefined
  readonly retry: ReadonlyArray<Retry>
  readonly send: Uint8Array | undefined
  readonly expect: Uint8Array | undefined
}

/** What wants to be told as it happens. */
export interface Watcher {
  readonly doing: (what: string) => Effect.Effect<void>
  readonly resolved: (lookup: Report.Lookup) => Effect.Effect<void>
  readonly attempted: (attempt: Report.Attempt) => Effect.Effect<void>
}
