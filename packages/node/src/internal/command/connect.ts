/**
 * `winsock connect`: from a target to a report.
 */
import { SocketAddress, Winsock, type WsaError } from "@effect-winsock/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as AddressResolver from "effect/net/AddressResolver"
import * as Host from "effect/net/Host"
import type * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Report from "../../Report.ts"
import type { Target } from "./arguments.ts"
import { type Ending, exchange } from "./exchange.ts"
import * as Failures from "./failures.ts"
import type { Options, Watcher } from "./request.ts"

type Address = SocketAddress.SocketAddress

interface Made {
  readonly socket: Winsock.Socket
  readonly local: Address
  readonly remote: Address
}

/** Between two rounds. */
const pause = Duration.millis(500)

const exitCodes = { connected: 0, answered: 0, unanswered: 0, unsent: 0, failed: 1, unmet: 3 } as const

/** The name that a target has instead of an address. */
export const hostOf = (target: Target): string | undefined =>
  target.protocol !== "unix" && Host.isDomainName(target.endpoint.host) ? target.endpoint.host : undefined

/** The addresses that a target stands for: one where it is an address itself. */
export const resolve = (
  target: Target,
  family?: NetAddress.IpFamily | undefined
): Effect.Effect<ReadonlyArray<Address>, Report.Failure, AddressResolver.AddressResolver> =>
  target.protocol === "unix"
    ? Effect.succeed([target.address])
    : AddressResolver.AddressResolver.use(({ resolve }) =>
      // A literal of another family goes to the calls as it is: they have a code for it.
      resolve(target.endpoint, { family: hostOf(target) === undefined ? undefined : family })
    ).pipe(Effect.mapError(Failures.ofLookup))

const familyOfBind = (bind: Address | undefined): NetAddress.IpFamily | undefined => {
  const family = bind && SocketAddress.familyOf(bind)
  return family === "Unix" ? undefined : family
}

/** Connects to one address. `over` runs as soon as the attempt is over: before the socket is given back, which takes time. */
const connectTo = (
  address: Address,
  { bind, target }: Options,
  over: Effect.Effect<void>
): Effect.Effect<Made, WsaError.WsaError, Winsock.Winsock | Scope.Scope> =>
  Effect.gen(function*() {
    const socket = yield* Winsock.socket({
      family: SocketAddress.familyOf(address),
      type: target.protocol === "udp" ? "datagram" : "stream"
    })
    return yield* Effect.gen(function*() {
      if (bind !== undefined) yield* Winsock.bind(socket, bind)
      const { remote } = yield* Winsock.WSAConnect(socket, address)
      return { socket, local: yield* Winsock.getsockname(socket), remote }
    }).pipe(
      Effect.ensuring(over),
      Effect.onError(() => Effect.ignore(Winsock.closesocket(socket))) // the next one may want the same port
    )
  })

type Requirements = Winsock.Winsock | AddressResolver.AddressResolver | Scope.Scope

/** The rounds of attempts, and what is told of them. */
class Attempts {
  readonly list: Array<Report.Attempt> = []
  lookup: Report.Lookup | undefined
  private readonly left: Map<string, number>
  private readonly options: Options
  private readonly deadline: Failures.Deadline
  private readonly watcher: Watcher

  constructor(options: Options, deadline: Failures.Deadline, watcher: Watcher) {
    this.options = options
    this.deadline = deadline
    this.watcher = watcher
    this.left = new Map(options.retry.map(({ code, times }) => [code, times]))
  }

  /** Round after round, until one connects or no code of the last one has tries left. */
  rounds(number: number): Effect.Effect<Made, Report.Failure, Requirements> {
    return Effect.catch(this.round(number), (failure) => {
      if (!this.spend(number, failure)) return Effect.fail(failure)
      return this.watcher.doing(`${failure.code}, round ${number + 1} is next`).pipe(
        Effect.andThen(Effect.sleep(pause)),
        this.deadline.hold({ call: "WSAConnect", stage: "connect" }),
        Effect.andThen(this.rounds(number + 1))
      )
    })
  }

  /** Whether another round is due, which uses up a try of the code that it is due to. */
  private spend(round: number, last: Report.Failure): boolean {
    const failures = [last, ...this.list.flatMap((a) => a.round === round && a.error !== undefined ? [a.error] : [])]
    const due = failures.find(({ code }) => (this.left.get(code) ?? 0) > 0)
    if (due === undefined || last.by === "deadline") return false
    this.left.set(due.code, this.left.get(due.code)! - 1)
    return true
  }

  /** Every address in its order, until one is connected or the deadline has come. */
  private round(number: number): Effect.Effect<Made, Report.Failure, Requirements> {
    return Effect.flatMap(this.lookUp(number), ([first, ...others]) =>
      others.reduce(
        (before, address) =>
          Effect.catch(before, (failure) =>
            failure.by === "deadline" ? Effect.fail(failure) : this.attempt(number, address)),
        this.attempt(number, first!)
      ))
  }

  private lookUp(round: number): Effect.Effect<ReadonlyArray<Address>, Report.Failure, Requirements> {
    const { bind, target } = this.options
    const host = hostOf(target)
    const found = resolve(target, familyOfBind(bind))
    if (host === undefined) return found
    return Effect.gen({ self: this }, function*() {
      yield* this.watcher.doing(`looking ${host} up`)
      const took = yield* Failures.stopwatch
      const addresses = yield* this.deadline.hold({ call: "WSAConnectByName", stage: "resolve" })(found)
      const lookup = new Report.Lookup({
        host,
        addresses: addresses.map(SocketAddress.format),
        durationMs: yield* took
      })
      this.lookup = lookup
      if (round === 1) yield* this.watcher.resolved(lookup)
      return addresses
    })
  }

  private attempt(round: number, address: Address): Effect.Effect<Made, Report.Failure, Requirements> {
    return Effect.gen({ self: this }, function*() {
      const name = SocketAddress.format(address)
      yield* this.watcher.doing(`connecting to ${name}${round > 1 ? `, round ${round}` : ""}`)
      const took = yield* Failures.stopwatch
      let durationMs = 0
      const over = Effect.map(took, (ms) => {
        durationMs = ms
      })
      const result = yield* connectTo(address, this.options, over).pipe(
        this.deadline.hold({ call: "WSAConnect", stage: "connect" }),
        Effect.result
      )
      const made = Result.mapError(result, (error) => error instanceof Report.Failure ? error : Failures.ofError(error))
      const end = Result.merge(result)
      const from = end instanceof Report.Failure ? undefined : Failures.nameOf(end.local)
      const attempt = new Report.Attempt({
        round,
        address: name,
        durationMs,
        ...(from === undefined ? {} : { local: from }),
        ...(Result.isFailure(made) ? { error: made.failure } : {})
      })
      this.list.push(attempt)
      yield* this.watcher.attempted(attempt)
      return yield* Effect.fromResult(made)
    })
  }
}

/** Runs the command. It does not fail: failures are what it reports. */
export const run = (
  options: Options,
  watcher: Watcher
): Effect.Effect<Report.ConnectReport, never, Winsock.Winsock | AddressResolver.AddressResolver> =>
  Effect.gen(function*() {
    const elapsed = yield* Failures.stopwatch
    const deadline = yield* Failures.deadline(options.timeout)
    const attempts = new Attempts(options, deadline, watcher)
    let made: Made | undefined
    const ending = yield* attempts.rounds(1).pipe(
      Effect.tap((connected) => {
        made = connected
        return Effect.void
      }),
      Effect.flatMap(({ socket }) => exchange(socket, options, deadline, watcher)),
      Effect.catch((error): Effect.Effect<Ending> => Effect.succeed({ outcome: "failed", error })),
      Effect.scoped
    )
    const local = Failures.nameOf(made?.local)
    const remote = Failures.nameOf(made?.remote)
    return new Report.ConnectReport({
      target: options.target.text,
      protocol: options.target.protocol,
      outcome: ending.outcome,
      exitCode: exitCodes[ending.outcome],
      attempts: attempts.list,
      durationMs: yield* elapsed,
      ...(attempts.lookup === undefined ? {} : { lookup: attempts.lookup }),
      ...(local === undefined ? {} : { local }),
      ...(remote === undefined ? {} : { remote }),
      ...(ending.exchange === undefined ? {} : { exchange: ending.exchange }),
      ...(ending.error === undefined ? {} : { error: ending.error })
    })
  })
