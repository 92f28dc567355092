/**
 * A TLS session of Node's over a connection.
 */
import { Connection, Tls, WsaError } from "@effect-winsock/core"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import type { X509Certificate } from "node:crypto"
import type * as tls from "node:tls"
import { Carrier } from "./tlsCarrier.ts"
import { alertNumberIn, meaningOf } from "./tlsCodes.ts"

/** What a side does with the stream once it is there. */
export interface Side {
  readonly _tag: "client" | "server"
  /** Whom the client means, where it does. */
  readonly serverName: string | undefined
  /** Makes the session over a stream; `peer` gives the certificate that the other side has shown, once it has. */
  readonly begin: (stream: Carrier, peer: () => X509Certificate | undefined) => tls.TLSSocket
  /** What it has shown when the session was begun that a client takes up again. */
  readonly remembered: Tls.Certificate | undefined
  /** Whether that is of whom the client means: Node compares no names where a session is taken up again. */
  readonly isRememberedMeant: boolean
  /** Whether a certificate is judged that the other side shows, and whether it has to show one. */
  readonly certificate: "none" | "request" | "require"
}

type Failure = Tls.HandshakeError | Tls.StreamError

/** Bytes that are handed to OpenSSL at once: it keeps them encrypted until they are taken. */
const slice = 256 * 1024

/** How long the end of the session is waited for on closing, by a stack that does not take it. */
const farewell = "100 millis"

const noBytes = new Uint8Array(0)

// What Node takes of its pool is shared with others; the rest is nobody else's.
const owned = (chunk: Buffer): Uint8Array =>
  chunk.byteLength === chunk.buffer.byteLength
    ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    : new Uint8Array(chunk)

export class Channel<E> {
  private readonly under: Connection.Connection<E>
  private readonly side: Side
  private readonly carrier: Carrier
  private readonly socket: tls.TLSSocket
  private readonly writing = Semaphore.makeUnsafe(1)
  private readonly reading = Semaphore.makeUnsafe(1)
  /** Who waits for something to happen, and how often something has. */
  private readonly waiting = new Set<() => void>()
  private turn = 0
  private certificate: X509Certificate | undefined
  private established = false
  /** The other side's end: of the session, of the stream, and read to here. */
  private notified = false
  private streamEnded = false
  private readEnded = false
  /** The own end: asked for, and done. */
  private ending = false
  private finished = false
  private endedFirst: "peer" | "us" | undefined
  /** Why there is no session any more. */
  private error: Error | undefined
  private aborted = false
  private destroyed = false
  private closing = false

  constructor(under: Connection.Connection<E>, side: Side, context: Context.Context<never>) {
    this.under = under
    this.side = side
    this.carrier = new Carrier(under, context, () => this.wake())
    const socket = this.socket = side.begin(this.carrier, () => this.certificate)
    // Node tells of no difference between an end that the other side has told and one that it has not.
    const push = socket.push
    socket.push = (...args) => {
      if (args[0] === null && !this.streamEnded) {
        this.notified = true
        this.endedFirst ??= "peer"
      }
      return push.apply(socket, args)
    }
    this.carrier.prependListener("end", () => {
      this.streamEnded = true
      // what the last bytes have brought about comes first
      setImmediate(() => this.wake())
    })
    // Once only, and first: Node takes it out of the session where it gives it as this.
    socket.prependListener("secure", () => {
      this.certificate = socket.getPeerX509Certificate()
    })
    socket.on(side._tag === "client" ? "secureConnect" : "secure", () => {
      this.established = true
      this.wake()
    })
    const failed = (error: Error) => {
      this.error ??= error
      this.wake()
    }
    socket.on("error", failed)
    // What breaks a session of a server after its handshake Node tells to its own servers only, by this.
    if (side._tag === "server") socket.on("_tlsError", failed)
    socket.on("end", () => {
      this.readEnded = true
      this.wake()
    })
    socket.on("finish", () => {
      this.finished = true
      this.wake()
    })
    socket.on("close", () => {
      this.destroyed = true
      this.wake()
    })
    socket.on("readable", () => this.wake())
  }

  private wake(): void {
    this.turn++
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const resume of waiting) resume()
  }

  /** Looks whenever something has happened, until there is an answer. */
  private until<A, E2>(look: () => Effect.Effect<A, E2> | undefined): Effect.Effect<A, E2> {
    const again: Effect.Effect<A, E2> = Effect.suspend(() => {
      const { turn } = this
      return look() ?? Effect.flatMap(this.after(turn), () => again)
    })
    return again
  }

  private after(turn: number): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const go = () => resume(Effect.void)
      if (this.turn !== turn) return go()
      this.waiting.add(go)
      return Effect.sync(() => void this.waiting.delete(go))
    })
  }

  // --- the handshake -------------------------------------------------------------------------------------------------

  get handshake(): Effect.Effect<Tls.Session, Tls.HandshakeError | E> {
    return this.until(() => {
      if (this.established) return this.judge()
      const told = this.told("tls")
      if (told !== undefined) return Effect.fail(told as Tls.HandshakeError)
      const { unread, unwritten } = this.carrier
      // What the other side said before the connection broke is still to be read.
      if (unwritten !== undefined && (this.streamEnded || this.under.closeReason === undefined)) {
        return this.brokenBy(unwritten)
      }
      if (!this.streamEnded && !this.destroyed) return undefined
      return unread === undefined ? Effect.fail(Tls.earlyEnd(this.under)) : this.brokenBy(unread)
    })
  }

  private brokenBy(cause: Cause.Cause<unknown>): Effect.Effect<never, Tls.HandshakeError | E> {
    const error = Cause.findError(cause)
    if (Result.isFailure(error)) return Effect.failCause(cause as Cause.Cause<never>)
    return Effect.fail(
      WsaError.isWsaError(error.success)
        ? Tls.fromTransport(error.success as Connection.ReadError | Connection.WriteError)
        : error.success as E
    )
  }

  /** A client has judged already. Of what a server is shown OpenSSL has an opinion, which Node asks for in its own servers only. */
  private judge(): Effect.Effect<Tls.Session, Tls.HandshakeError> {
    const { certificate, side, socket } = this
    const session = (verified: boolean) =>
      Effect.succeed(
        sessionOf(socket, certificate === undefined ? side.remembered : certificateOf(certificate), verified)
      )
    if (side._tag === "client") {
      return session(socket.authorized && (side.isRememberedMeant || !socket.isSessionReused()))
    }
    if (side.certificate === "none") return session(false)
    if (certificate === undefined) {
      return side.certificate === "request"
        ? session(false)
        : Effect.fail(new Tls.TlsUntrusted({ stage: "tls", remote: this.under.remote, why: "missing" }))
    }
    const fault = verifyErrorOf(socket)
    return fault === undefined ? session(true) : Effect.fail(this.errorOf("tls", fault) as Tls.HandshakeError)
  }

  // --- errors --------------------------------------------------------------------------------------------------------

  /** What OpenSSL, or Node, has said was wrong: not what it says of a stream that ended. */
  private told(stage: "tls" | "receive" | "send" | "shutdown"): Failure | undefined {
    const { error } = this
    if (error === undefined) return undefined
    const code = "code" in error ? String(error.code) : ""
    const isOfStream = meaningOf(code) === undefined && /^(?:E[A-Z]+|ERR_STREAM_\w+|ERR_SOCKET_\w+)$/.test(code) &&
      this.streamEnded
    return isOfStream ? undefined : this.errorOf(stage, { code, message: error.message })
  }

  private errorOf(
    stage: "tls" | "receive" | "send" | "shutdown",
    { code, message }: { readonly code: string; readonly message: string }
  ): Failure {
    const { serverName } = this.side
    const certificate = this.certificate && certificateOf(this.certificate)
    const common = {
      stage,
      remote: this.under.remote,
      ...(serverName === undefined ? {} : { serverName }),
      ...(code === "" ? {} : { native: { code } })
    }
    const shown = certificate === undefined ? {} : { certificate }
    const meaning = meaningOf(code)
    const number = alertNumberIn(message)
    if (meaning === undefined) {
      return number === undefined
        ? new Tls.TlsProtocol({ ...common, why: "other", ...(message === "" ? {} : { detail: message }) })
        : new Tls.TlsAlert({ ...common, alert: Tls.alertOf(number), number })
    }
    switch (meaning[0]) {
      case "TlsUntrusted":
        return new Tls.TlsUntrusted({ ...common, ...shown, why: meaning[1] })
      case "TlsExpired":
        return new Tls.TlsExpired({ ...common, ...shown, ...this.datesOf(meaning[1]), why: meaning[1] }) as Failure
      case "TlsNameMismatch":
        return new Tls.TlsNameMismatch({
          ...common,
          ...shown,
          expected: serverName ?? "",
          names: certificate?.names ?? []
        })
      case "TlsProtocol":
        return new Tls.TlsProtocol({ ...common, why: meaning[1] })
      case "TlsAlert":
        return new Tls.TlsAlert({ ...common, alert: meaning[1], number: Tls.alerts[meaning[1]] })
    }
  }

  /** The dates of the first certificate on the way to an authority that is out of its time. */
  private datesOf(why: "expired" | "not-yet-valid") {
    const now = Date.now()
    const isOut = ({ validFromDate, validToDate }: X509Certificate) =>
      why === "expired" ? validToDate.getTime() < now : validFromDate.getTime() > now
    let at = this.certificate
    while (at !== undefined && !isOut(at) && at.issuerCertificate !== at) at = at.issuerCertificate
    if (at === undefined) return {}
    const { validFrom, validTo } = certificateOf(at)
    return { validFrom, validTo }
  }

  /** What breaks a call of the session, with a code that the call can end with. */
  private fault<C extends "recv" | "send" | "shutdown">(
    call: C,
    code: WsaError.Code,
    detail?: string
  ): WsaError.ErrorOf<C> {
    const { local, remote } = this.under
    return WsaError.forCall(call, code, { stage: stageOf[call], local, remote, detail })
  }

  private causeOf<C extends "recv" | "send" | "shutdown">(
    call: C,
    cause: Cause.Cause<unknown>
  ): Effect.Effect<never, WsaError.ErrorOf<C> | E> {
    const found = Cause.findError(cause)
    if (Result.isFailure(found)) return Effect.failCause(cause as Cause.Cause<never>)
    const error = found.success
    if (!WsaError.isWsaError(error)) return Effect.fail(error as E)
    const code = error._tag === "WsaUnmapped" ? error.code : error._tag
    const { local, native, remote } = error
    return Effect.fail(
      WsaError.isCode(code) || error._tag === "WsaUnmapped"
        ? WsaError.forCall(call, error._tag, { stage: stageOf[call], code, local, remote, native, cause: error })
        : this.fault(call, "WSAECONNABORTED")
    )
  }

  /** Why nothing can be done any more, if so. */
  private over<C extends "recv" | "send" | "shutdown">(
    call: C
  ): Effect.Effect<never, WsaError.ErrorOf<C> | Tls.StreamError | E> | undefined {
    if (this.closing) return Effect.fail(this.fault(call, this.destroyed ? "WSAENOTSOCK" : "WSAEINTR"))
    if (this.aborted) return Effect.fail(this.fault(call, "WSAECONNABORTED", "a write was interrupted"))
    const told = this.told(stageOf[call])
    return told === undefined ? undefined : Effect.fail(told as Tls.StreamError)
  }

  // --- reading -------------------------------------------------------------------------------------------------------

  /** Takes bytes as soon as there are any; `end` is what it gives where there will be none. */
  private take<A>(
    from: () => A | undefined,
    end: () => A
  ): Effect.Effect<A, Connection.ReadError | Tls.StreamError | E> {
    return this.reading.withPermits(1)(this.until(() => {
      if (this.socket.readableLength > 0 && !this.closing) return withoutGivingWay(() => from() ?? end())
      // Asked for nothing it tells of an end.
      this.socket.read(0)
      const over = this.over("recv")
      if (over !== undefined) return over
      if (!this.readEnded) return this.destroyed ? this.cut() : undefined
      return this.notified ? Effect.sync(end) : this.cut()
    })) as Effect.Effect<A, Connection.ReadError | Tls.StreamError | E>
  }

  /** The stream has ended, the session had not. */
  private cut(): Effect.Effect<never, WsaError.RecvError | Tls.StreamError | E> {
    const cause = this.carrier.unread ?? this.carrier.unwritten
    return cause === undefined
      ? Effect.fail(new Tls.TlsTruncated({ stage: "receive", remote: this.under.remote }))
      : this.causeOf("recv", cause)
  }

  private chunk(most: number): Buffer | undefined {
    const { readableLength } = this.socket
    return readableLength === 0 ? undefined : this.socket.read(Math.min(most, readableLength)) ?? undefined
  }

  // --- writing -------------------------------------------------------------------------------------------------------

  private cannotWrite<C extends "send" | "shutdown">(
    call: C
  ): Effect.Effect<never, WsaError.ErrorOf<C> | Tls.StreamError | E> | undefined {
    const over = this.over(call)
    if (over !== undefined) return over
    const cause = this.carrier.unwritten ?? this.carrier.unread
    if (cause !== undefined) return this.causeOf(call, cause)
    return this.destroyed ? Effect.fail(this.fault(call, "WSAECONNABORTED")) : undefined
  }

  private writeAll(bytes: Uint8Array): Effect.Effect<void, Connection.WriteError | Tls.StreamError | E> {
    return this.writing.withPermits(1)(Effect.suspend(() => {
      if (this.ending) return Effect.fail(this.fault("send", "WSAESHUTDOWN"))
      const fault = this.cannotWrite("send")
      if (fault !== undefined) return fault
      let at = 0
      return Effect.whileLoop({
        while: () => at < bytes.length,
        body: () => this.writeSome(bytes.subarray(at, at + slice)),
        step: () => {
          at += slice
        }
      })
    })) as Effect.Effect<void, Connection.WriteError | Tls.StreamError | E>
  }

  private writeSome(bytes: Uint8Array) {
    let taken = false
    this.socket.write(bytes, (error) => {
      taken = !error
      this.wake()
    })
    return Effect.onInterrupt(
      this.until(() => taken ? Effect.void : this.cannotWrite("send")),
      // Nobody knows how much of it has gone.
      () =>
        Effect.sync(() => {
          this.aborted = true
          this.wake()
        })
    )
  }

  private get endAll(): Effect.Effect<void, Connection.EndError | Tls.StreamError | E> {
    return this.writing.withPermits(1)(Effect.suspend(() => {
      if (!this.ending) {
        const fault = this.cannotWrite("shutdown")
        if (fault !== undefined) return fault
        this.ending = true
        this.endedFirst ??= "us"
        return Effect.andThen(this.quiet(), this.endNow)
      }
      return this.ended
    })) as Effect.Effect<void, Connection.EndError | Tls.StreamError | E>
  }

  private get endNow() {
    return Effect.suspend(() => {
      this.socket.end()
      return this.ended
    })
  }

  private get ended() {
    return this.until(() => this.finished ? Effect.void : this.cannotWrite("shutdown"))
  }

  /**
   * Waits until nothing is being written. While anything is, such as the tickets of a server after its handshake, Node ends
   * the stream and forgets to end the session.
   */
  private quiet(): Effect.Effect<void, WsaError.ShutdownError | Tls.StreamError | E> {
    const written = this.until(() => this.carrier.writableLength === 0 ? Effect.void : this.cannotWrite("shutdown"))
    return Effect.flatMap(
      Effect.andThen(written, turns),
      () => this.carrier.writableLength === 0 ? Effect.void : this.quiet()
    )
  }

  // --- closing -------------------------------------------------------------------------------------------------------

  private reason(): Connection.CloseReason<E | Tls.StreamError> | undefined {
    const broken = this.aborted
      ? Effect.fail(this.fault("recv", "WSAECONNABORTED", "a write was interrupted"))
      : this.brokenReason()
    if (broken !== undefined) {
      return { _tag: "Broken", error: errorIn(broken) as Connection.ReadError | E | Tls.StreamError }
    }
    if (this.closing || (this.notified && this.finished)) return { _tag: "Ended", by: this.endedFirst ?? "us" }
    return undefined
  }

  private brokenReason(): Effect.Effect<never, WsaError.RecvError | Tls.StreamError | E> | undefined {
    const told = this.told("receive")
    if (told !== undefined) return Effect.fail(told as Tls.StreamError)
    const { unread, unwritten } = this.carrier
    if ((unread ?? unwritten) !== undefined) return this.causeOf("recv", (unread ?? unwritten)!)
    return this.streamEnded && !this.notified ? this.cut() : undefined
  }

  /** Ends the session where it went well, and leaves nothing of it. */
  close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const isWell = exit._tag === "Success" && this.established && !this.ending && this.reason() === undefined
      const told = isWell
        ? Effect.ignoreCause(Effect.timeoutOption(Effect.interruptible(this.endAll), farewell))
        : Effect.void
      return Effect.flatMap(told, () => {
        this.closing = true
        this.socket.destroy()
        this.wake()
        return Effect.andThen(
          this.until(() => this.destroyed ? Effect.void : undefined),
          this.carrier.halt
        )
      })
    })
  }

  // --- the connection ------------------------------------------------------------------------------------------------

  connection(session: Tls.Session): Tls.TlsConnection<E> {
    const over = Connection.over(
      this.under as Connection.Connection<E | Tls.StreamError>,
      {
        read: this.take(() => {
          const chunk = this.chunk(Infinity)
          return chunk && owned(chunk)
        }, () => noBytes),
        readInto: (buffer) =>
          this.take(() => {
            const chunk = this.chunk(buffer.length)
            if (chunk !== undefined) buffer.set(chunk)
            return chunk?.length
          }, () => 0),
        readLent: (f) => {
          const chunk = () => this.chunk(Infinity)
          return Effect.map(this.take<Uint8Array>(chunk, () => noBytes), f)
        },
        write: (bytes) => this.writeAll(bytes),
        end: this.endAll,
        unread: () => this.socket.readableLength > 0,
        closeReason: () => this.reason(),
        closed: Effect.raceFirst(
          this.until(() => {
            const reason = this.reason()
            return reason === undefined ? undefined : Effect.succeed(reason)
          }),
          Effect.map(this.under.closed, (reason) => this.reason() ?? reason)
        )
      } satisfies Connection.Through<E | Tls.StreamError>
    )
    return Object.assign(over, { tls: session }) as Tls.TlsConnection<E>
  }
}

/** What was written is known to be in one turn of the event loop, and what comes of that is written in the next one. */
const turns = Effect.callback<void>((resume) => {
  let next = setImmediate(() => {
    next = setImmediate(() => resume(Effect.void))
  })
  return Effect.sync(() => clearImmediate(next))
})

// A fiber gives way after so many steps, and can be interrupted there: what was taken would be lost.
const stepsOfRead = 32

const withoutGivingWay = <A>(take: () => A): Effect.Effect<A> =>
  Effect.withFiber((fiber) =>
    fiber.currentOpCount + stepsOfRead < fiber.cache.maxOpsBeforeYield
      ? Effect.sync(take)
      : Effect.flatMap(Effect.yieldNow, () => Effect.sync(take))
  )

const stageOf = { recv: "receive", send: "send", shutdown: "shutdown" } as const

const errorIn = (failure: Effect.Effect<never, unknown>): unknown => {
  const exit = Effect.runSyncExit(failure)
  return exit._tag === "Failure" ? Result.getOrUndefined(Cause.findError(exit.cause)) : undefined
}

/** What OpenSSL thinks of the certificate that a client has shown. */
const verifyErrorOf = (socket: tls.TLSSocket): { readonly code: string; readonly message: string } | undefined => {
  const handle: unknown = Reflect.get(socket, "_handle")
  const verifyError: unknown = typeof handle === "object" && handle !== null
    ? Reflect.get(handle, "verifyError")
    : undefined
  if (typeof verifyError !== "function") return { code: "UNSPECIFIED", message: "" }
  const error: unknown = Reflect.apply(verifyError, handle, [])
  if (!(error instanceof Error)) return undefined
  return { code: "code" in error ? String(error.code) : "UNSPECIFIED", message: error.message }
}

const line = (name: string): string => name.split("\n").join(", ")

export const namesOf = ({ subjectAltName }: X509Certificate): ReadonlyArray<string> =>
  (subjectAltName ?? "").split(", ").flatMap((entry) => /^(?:DNS|IP Address):(.*)$/.exec(entry)?.[1] ?? [])

export const certificateOf = (certificate: X509Certificate): Tls.Certificate => ({
  subject: line(certificate.subject ?? ""),
  issuer: line(certificate.issuer ?? ""),
  names: namesOf(certificate),
  validFrom: DateTime.fromDateUnsafe(certificate.validFromDate),
  validTo: DateTime.fromDateUnsafe(certificate.validToDate),
  fingerprint: certificate.fingerprint256
})

const sessionOf = (
  socket: tls.TLSSocket,
  certificate: Tls.Certificate | undefined,
  verified: boolean
): Tls.Session => ({
  protocol: socket.getProtocol() as Tls.Version,
  cipher: socket.getCipher().standardName,
  alpn: typeof socket.alpnProtocol === "string" ? socket.alpnProtocol : undefined,
  serverName: typeof socket.servername === "string" && socket.servername !== "" ? socket.servername : undefined,
  certificate,
  verified,
  reused: socket.isSessionReused()
})
