/**
 * `winsock connect`: from a target to a report.
 */
import { SocketAddress, Winsock, type WsaError } from "@effect-winsock/core"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as AddressResolver from "effect/net/AddressResolver"
import * as Host from "effect/net/Host"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Report from "../../Report.ts"
import type { Target } from "./arguments.ts"
import { type Ending, exchange } from "./exchange.ts"
import * as Failures from "./failures.ts"
import { type Network, type Options, started, type Watcher } from "./request.ts"
import * as Told from "./told.ts"

type Address = SocketAddress.SocketAddress

interface Made extends Winsock.Connected {
  readonly local: Address
}

/** Between two rounds. */
const pause = Duration.millis(500)

const exitCodes = {
  connected: 0,
  answered: 0,
  unanswered: 0,
  unsent: 0,
  failed: 1,
  unmet: 3,
  interrupted: 130
} as const

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
    ).pipe(Effect.mapError(Failures.ofLookup(target.endpoint)))

const familyOfBind = (bind: Address | undefined): NetAddress.IpFamily | undefined => {
  const family = bind && SocketAddress.familyOf(bind)
  return family === "Unix" ? undefined : family
}

/** Connects to one address. `over` runs as soon as the attempt is over: before the socket is given back, which takes time. */
const connectTo = (
  address: Address,
  { bind, calleeCapacity, callerData, qos, target }: Options,
  over: Effect.Effect<void>
): Effect.Effect<Made, WsaError.WsaError, Winsock.Winsock | Scope.Scope> =>
  Effect.gen(function*() {
    const socket = yield* Winsock.socket({
      family: SocketAddress.familyOf(address),
      type: target.protocol === "udp" ? "datagram" : "stream"
    })
    return yield* Effect.gen(function*() {
      if (bind !== undefined) yield* Winsock.bind(socket, bind)
      const connected = yield* Winsock.WSAConnect(socket, address, {
        callerData,
        calleeData: calleeCapacity,
        sqos: qos
      })
      return { ...connected, local: yield* Winsock.getsockname(socket) }
    }).pipe(
      Effect.ensuring(over),
      Effect.onError(() => Effect.ignore(Winsock.closesocket(socket))) // the next one may want the same port
    )
  })

/** Why an attempt failed, and from where it was made. */
interface Failed {
  readonly failure: Report.Failure
  readonly local?: Address | undefined
}

const failed = (error: WsaError.WsaError | Report.Failure): Failed =>
  error instanceof Report.Failure ? { failure: error } : { failure: Failures.ofError(error), local: error.local }

/** What became of an attempt. One that has neither succeeded nor failed was pending when the command was interrupted. */
const fateOf = (exit: Exit.Exit<Made, Failed>): Pick<Report.Attempt, "local" | "error" | "pending"> => {
  const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined
  const local = Failures.nameOf(Exit.isSuccess(exit) ? exit.value.local : error?.local)
  return {
    ...(local === undefined ? {} : { local }),
    ...(error === undefined ? {} : { error: error.failure }),
    ...(Exit.isFailure(exit) && error === undefined ? { pending: true } : {})
  }
}

type Requirements = Winsock.Winsock | AddressResolver.AddressResolver | Scope.Scope

/** The rounds of attempts, and what is told of them. */
class Attempts {
  readonly list: Array<Report.Attempt> = []
  lookup: Report.Lookup | undefined
  made: Made | undefined
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
      const addresses = yield* this.deadline.hold({ call: "lookup", stage: "resolve" })(found)
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
      return yield* connectTo(address, this.options, over).pipe(
        this.deadline.hold({ call: "WSAConnect", stage: "connect" }),
        Effect.mapError(failed),
        Effect.onExit((exit) => {
          if (Exit.isSuccess(exit)) this.made = exit.value
          const attempt = new Report.Attempt({ round, address: name, durationMs, ...fateOf(exit) })
          this.list.push(attempt)
          return this.watcher.attempted(attempt)
        }),
        Effect.mapError(({ failure }) => failure)
      )
    })
  }
}

/**
 * Runs the command, and tells its one report, also where it is interrupted; answers the exit code. It does not fail:
 * failures are what it reports.
 */
export const run = (
  options: Options,
  watcher: Watcher,
  tell: (report: Report.ConnectReport) => Effect.Effect<void>
): Effect.Effect<number, never, Network | AddressResolver.AddressResolver> =>
  Effect.gen(function*() {
    const elapsed = yield* Failures.stopwatch
    const deadline = yield* Failures.deadline(options.timeout)
    const attempts = new Attempts(options, deadline, watcher)
    let said: Report.Exchange | undefined
    const hear = (exchange: Report.Exchange) => {
      said = exchange
    }
    const end = ({ error, outcome }: Ending) =>
      Effect.flatMap(elapsed, (durationMs) => {
        const { list, lookup, made } = attempts
        const local = Failures.nameOf(made?.local)
        const remote = Failures.nameOf(made?.remote)
        const exitCode = exitCodes[outcome]
        const report = new Report.ConnectReport({
          target: options.target.text,
          protocol: options.target.protocol,
          outcome,
          exitCode,
          attempts: list,
          durationMs,
          ...(lookup === undefined ? {} : { lookup }),
          ...(local === undefined ? {} : { local }),
          ...(remote === undefined ? {} : { remote }),
          ...(made === undefined ? {} : Told.ofConnected(made)),
          ...(said === undefined ? {} : { exchange: said }),
          ...(error === undefined ? {} : { error })
        })
        return Effect.as(tell(report), exitCode)
      })
    const ending = attempts.rounds(1).pipe(
      Effect.flatMap(({ socket }) => exchange(socket, options, deadline, watcher, hear)),
      Effect.scoped,
      Effect.provide(yield* started(options)),
      Effect.catch((error): Effect.Effect<Ending> => Effect.succeed({ outcome: "failed", error: Failures.of(error) }))
    )
    // What is told is told once: an interruption comes before the ending, or not at all.
    return yield* Effect.uninterruptibleMask((restore) =>
      restore(ending).pipe(
        Effect.onInterrupt(() => end({ outcome: "interrupted" })),
        Effect.flatMap(end)
      )
    )
  })
