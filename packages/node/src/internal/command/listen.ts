/**
 * `winsock listen`: takes callers, or datagrams, and tells of them.
 */
import { SocketAddress, Winsock } from "@effect-winsock/core"
import * as Effect from "effect/Effect"
import type * as AddressResolver from "effect/net/AddressResolver"
import type * as Scope from "effect/Scope"
import * as Report from "../../Report.ts"
import type { Target } from "./arguments.ts"
import { resolve } from "./connect.ts"
import * as Failures from "./failures.ts"

export interface Options {
  readonly target: Target
  /** Send back what comes. */
  readonly echo: boolean
  /** Take one caller, or one datagram, and end with it. */
  readonly once: boolean
}

/** What it tells. */
export type News = Exclude<Report.Report, Report.ConnectReport>

type Tell = (news: News) => Effect.Effect<void>

const named = (address: SocketAddress.SocketAddress): string => Failures.nameOf(address) ?? "unix:"

/** Hears a caller out. */
const serve = (
  caller: number,
  { remote, socket }: Winsock.Accepted,
  echo: boolean,
  tell: Tell
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const took = yield* Failures.stopwatch
    let receivedBytes = 0
    let sentBytes = 0
    const piece = Effect.gen(function*() {
      const bytes = yield* Winsock.recv(socket)
      receivedBytes += bytes.length
      if (echo && bytes.length > 0) sentBytes += yield* Winsock.send(socket, bytes)
      return bytes.length
    })
    yield* tell(new Report.CallerReport({ caller, remote: named(remote) }))
    const error = yield* piece.pipe(
      Effect.repeat({ until: (length) => length === 0 }),
      Effect.matchEager({ onSuccess: () => undefined, onFailure: (error) => Failures.ofError(error) })
    )
    yield* tell(
      new Report.GoneReport({
        caller,
        remote: named(remote),
        receivedBytes,
        sentBytes,
        durationMs: yield* took,
        ...(error === undefined ? {} : { error })
      })
    )
  }).pipe(Effect.ensuring(Effect.ignore(Winsock.closesocket(socket))))

const takeCallers = (listener: Winsock.Socket, { echo, once }: Options, tell: Tell) =>
  Effect.gen(function*() {
    let callers = 0
    const next = Winsock.accept(listener).pipe(Effect.mapError((error) => Failures.ofError(error)))
    const serveNext = Effect.flatMap(next, (accepted) => serve(++callers, accepted, echo, tell))
    if (once) return yield* serveNext
    return yield* Effect.forever(
      Effect.flatMap(next, (accepted) => Effect.forkScoped(serve(++callers, accepted, echo, tell)))
    )
  })

const takeDatagrams = (socket: Winsock.Socket, { echo, once }: Options, tell: Tell) => {
  const datagram = Effect.gen(function*() {
    const { bytes, from } = yield* Winsock.recvfrom(socket)
    const echoed = echo && (yield* Effect.isSuccess(Winsock.sendto(socket, bytes, from)))
    yield* tell(new Report.DatagramReport({ remote: named(from), receivedBytes: bytes.length, echoed }))
  })
  // An echo to somebody who has gone is told at the next receive (A09), and is no trouble of ours.
  const any = Effect.retry(datagram, { while: ({ _tag }) => _tag === "WSAECONNRESET" }).pipe(
    Effect.mapError((error) => Failures.ofError(error))
  )
  return once ? any : Effect.forever(any)
}

/** Runs the command, until it is interrupted or `once` has been enough. */
export const run = (
  options: Options,
  tell: Tell
): Effect.Effect<void, Report.Failure, Winsock.Winsock | AddressResolver.AddressResolver | Scope.Scope> =>
  Effect.gen(function*() {
    const { protocol } = options.target
    const [address] = yield* resolve(options.target)
    const type = protocol === "udp" ? "datagram" : "stream"
    const socket = yield* Effect.gen(function*() {
      const s = yield* Winsock.socket({ family: SocketAddress.familyOf(address!), type })
      yield* Winsock.bind(s, address!)
      if (type === "stream") yield* Winsock.listen(s)
      yield* tell(new Report.ListeningReport({ protocol, address: named(yield* Winsock.getsockname(s)) }))
      return s
    }).pipe(Effect.mapError((error) => Failures.ofError(error)))
    yield* type === "stream" ? takeCallers(socket, options, tell) : takeDatagrams(socket, options, tell)
  })
