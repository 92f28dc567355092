/**
 * `winsock listen`: takes callers, or datagrams, and tells of them.
 */
import { type Qos, SocketAddress, Winsock } from "@effect-winsock/core"
import * as Effect from "effect/Effect"
import type * as AddressResolver from "effect/net/AddressResolver"
import * as Result from "effect/Result"
import * as Report from "../../Report.ts"
import type { Target } from "./arguments.ts"
import { resolve } from "./connect.ts"
import * as Failures from "./failures.ts"
import { type Carrying, type Network, started } from "./request.ts"
import * as Told from "./told.ts"

export interface Options extends Carrying {
  readonly target: Target
  /** Send back what comes. */
  readonly echo: boolean
  /** Take one caller, or one datagram, and end with it. */
  readonly once: boolean
  /** What is passed back to a caller while it connects. */
  readonly calleeData: Uint8Array | undefined
}

/** What it tells. */
export type News = Exclude<Report.Report, Report.ConnectReport>

type Tell = (news: News) => Effect.Effect<void>

const named = (address: SocketAddress.SocketAddress): string => Failures.nameOf(address) ?? "unix:"

/** A caller that was accepted, and what it came with. */
interface Caller extends Winsock.Accepted {
  readonly request: Winsock.ConnectionRequest
}

/** Accepts the next caller, whoever it is. */
const next = (listener: Winsock.Socket, { calleeData }: Options) =>
  Effect.gen(function*() {
    let seen: Winsock.ConnectionRequest | undefined
    const accepted = yield* Winsock.WSAAccept(listener, (request) => {
      seen = request
      return Effect.succeed({ verdict: Winsock.CF_ACCEPT, calleeData })
    })
    return { ...accepted, request: seen! } satisfies Caller
  }).pipe(
    Effect.retry({ while: ({ _tag }) => goes.has(_tag) }),
    Effect.mapError((error) => Failures.ofError(error))
  )

/** What a WSAAccept ends with whose caller has gone meanwhile. The next one may stay. */
const goes: ReadonlySet<string> = new Set(["WSAEACCES", "WSAECONNRESET", "WSAECONNABORTED"])

/** Gives a connection a QOS, and says what was done of it. */
const qualify = (socket: Winsock.Socket, qos: Qos.Qos) =>
  Winsock.WSAIoctl(socket, "SIO_SET_QOS", qos).pipe(
    Effect.andThen(Winsock.connectResult(socket)),
    Effect.map(Told.ofConnected)
  )

/** Hears a caller out. */
const serve = (
  caller: number,
  { remote, request, socket }: Caller,
  { echo, qos }: Options,
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
    const qualified = qos === undefined ? undefined : yield* Effect.result(qualify(socket, qos))
    const applied = qualified === undefined || Result.isFailure(qualified) ? undefined : qualified.success
    yield* tell(
      new Report.CallerReport({ caller, remote: named(remote), ...Told.ofRequest(request), ...applied })
    )
    const error = qualified !== undefined && Result.isFailure(qualified)
      ? Failures.ofError(qualified.failure)
      : yield* piece.pipe(
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

const takeCallers = (listener: Winsock.Socket, options: Options, tell: Tell) =>
  Effect.gen(function*() {
    let callers = 0
    const serveNext = Effect.map(next(listener, options), (caller) => serve(++callers, caller, options, tell))
    if (options.once) return yield* Effect.flatten(serveNext)
    return yield* Effect.forever(Effect.flatMap(serveNext, Effect.forkScoped))
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

const listening = (options: Options, tell: Tell) =>
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
  }).pipe(Effect.scoped)

/** Runs the command, until it is interrupted or `once` has been enough. */
export const run = (
  options: Options,
  tell: Tell
): Effect.Effect<void, Report.Failure, Network | AddressResolver.AddressResolver> =>
  Effect.flatMap(started(options), (winsock) => Effect.provide(listening(options, tell), winsock)).pipe(
    Effect.mapError(Failures.of)
  )
