/**
 * The handshakes of the modelled TLS: what each side says, in which order, and what it checks.
 */
import type * as Connection from "@effect-winsock/core/Connection"
import * as Tls from "@effect-winsock/core/Tls"
import * as WsaError from "@effect-winsock/core/WsaError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Hash } from "../sim/hash.ts"
import * as Text from "../text.ts"
import * as Certificates from "./certificates.ts"
import * as Wire from "./wire.ts"

/** Who a side is. */
export interface Identity {
  readonly chain: ReadonlyArray<Certificates.Certificate>
  readonly key: string
}

/** What one side has, wants and trusts. */
export interface Common {
  readonly versions: ReadonlyArray<Tls.Version>
  readonly ciphers: ReadonlyArray<string>
  readonly alpn: ReadonlyArray<string>
  readonly trusted: ReadonlyArray<Certificates.Certificate>
}

export interface Client extends Common {
  readonly options: Tls.ConnectOptions
  readonly identity: Identity | undefined
}

export interface Server extends Common {
  readonly identity: Identity
  readonly clientCertificate: "none" | "request" | "require"
  /** Tickets with this seal were given by this very server, to whoever it asked for the same. */
  readonly seal: string
  /** How long they are taken, in milliseconds. */
  readonly ticketLifetime: number
}

/** What a handshake comes to. */
export interface Done {
  readonly session: Tls.Session
  /** What has come after it, if anything has. */
  readonly reader: Wire.Reader
  /** Takes the ticket that a server sends. */
  readonly keep: (ticket: string) => void
}

type Failure<E> = Tls.HandshakeError | E

// A cipher suite of TLS 1.3 names no key exchange.
const isFor = (version: Tls.Version) => (cipher: string) => cipher.includes("_WITH_") === (version === "TLSv1.2")

const nonce = Effect.map(Random.nextIntBetween(0, 0xffff_ffff), (n) => n.toString(16).padStart(8, "0"))
const clock = Effect.map(DateTime.now, DateTime.toEpochMillis)

const proofOf = (key: string, said: string): string => Certificates.digest("proof", key, said)

// ---------------------------------------------------------------------------------------------------------------------
// Saying and hearing
// ---------------------------------------------------------------------------------------------------------------------

/** How long a peer that takes nothing keeps the alert that breaks off waiting. */
const farewell = "100 millis"

class Talk<E> {
  readonly reader = new Wire.Reader()
  private readonly under: Connection.Connection<E>
  private readonly serverName: string | undefined
  /** All that both have said, in its order. */
  private readonly transcript = new Hash()

  constructor(under: Connection.Connection<E>, serverName: string | undefined) {
    this.under = under
    this.serverName = serverName
  }

  get said(): string {
    return this.transcript.toString()
  }

  get common() {
    return {
      stage: "tls",
      remote: this.under.remote,
      ...(this.serverName === undefined ? {} : { serverName: this.serverName })
    } as const
  }

  private note(bytes: Uint8Array): void {
    for (const byte of bytes) this.transcript.add(byte)
  }

  /** A message, as part of a flight. Those that a proof is in are made after those before them were. */
  say(message: Wire.Message): Uint8Array {
    const bytes = Wire.encodeMessage(message)
    this.note(bytes)
    return bytes
  }

  prove(key: string): Uint8Array {
    return this.say({ type: "certificate_verify", signature: proofOf(key, this.said) })
  }

  finish(): Uint8Array {
    return this.say({ type: "finished", verify: this.said })
  }

  /** Sends messages together. */
  send(flight: ReadonlyArray<Uint8Array>): Effect.Effect<void, Failure<E>> {
    const bytes = new Uint8Array(flight.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const message of flight) {
      bytes.set(message, at)
      at += message.length
    }
    return Effect.catch(
      this.under.write(Wire.encodeHandshake(bytes)),
      // What the peer said before the connection broke tells more than that it broke.
      (error): Effect.Effect<never, Failure<E>> =>
        this.under.closeReason === undefined ? this.broken(error) : Effect.andThen(this.lastWords(), this.broken(error))
    )
  }

  private broken(error: Connection.ReadError | Connection.WriteError | E): Effect.Effect<never, Failure<E>> {
    return Effect.fail(
      WsaError.isWsaError(error) ? Tls.fromTransport(error as Connection.ReadError | Connection.WriteError) : error as E
    )
  }

  private get more(): Effect.Effect<void, Failure<E>> {
    return Effect.flatMap(
      Effect.catch(
        this.under.readLent((lent) => {
          this.reader.push(lent.slice())
          return lent.length
        }),
        (error) => this.broken(error)
      ),
      (size) => size === 0 ? Effect.fail(Tls.earlyEnd(this.under)) : Effect.void
    )
  }

  private lastWords(): Effect.Effect<void, Tls.TlsAlert> {
    return Effect.suspend(() => {
      const incoming = this.reader.next()
      if (incoming === undefined) {
        return Effect.matchEffect(this.more, { onSuccess: () => this.lastWords(), onFailure: () => Effect.void })
      }
      if (incoming._tag === "Wrong") return Effect.void
      return incoming._tag === "Alert" && incoming.isFatal
        ? Effect.fail(this.alertOf(incoming.number))
        : this.lastWords()
    })
  }

  private alertOf(number: number): Tls.TlsAlert {
    return new Tls.TlsAlert({ ...this.common, alert: Tls.alertOf(number), number })
  }

  /** The next message, which has to be one of these. */
  hear<T extends Wire.Message["type"]>(...types: ReadonlyArray<T>): Effect.Effect<Wire.MessageOf<T>, Failure<E>> {
    const next: Effect.Effect<Wire.MessageOf<T>, Failure<E>> = Effect.suspend(() => {
      const incoming = this.reader.next()
      if (incoming === undefined) return Effect.andThen(this.more, next)
      switch (incoming._tag) {
        case "Close":
          return Effect.fail(Tls.earlyEnd(this.under))
        case "Alert":
          return incoming.isFatal ? Effect.fail(this.alertOf(incoming.number)) : next
        case "Wrong":
          return this.refuse(
            // Whoever does not speak TLS would not understand.
            incoming.why === "not-tls" ? undefined : incoming.alert,
            this.protocol(incoming.why, incoming.detail)
          )
        case "Data":
          return this.outOfOrder(types, "data")
      }
      const { bytes, message } = incoming
      if (!types.some((type) => type === message.type)) return this.outOfOrder(types, message.type)
      const before = this.said
      this.note(bytes)
      return message.type === "finished" && message.verify !== before
        ? this.refuse("decrypt_error", this.protocol("malformed", "the two sides have not heard the same"))
        : Effect.succeed(message as Wire.MessageOf<T>)
    })
    return next
  }

  private outOfOrder(types: ReadonlyArray<string>, came: string): Effect.Effect<never, Failure<E>> {
    const detail = `${came} came, where ${types.join(" or ")} was due`
    return this.refuse("unexpected_message", this.protocol("malformed", detail))
  }

  protocol(why: Tls.ProtocolReason, detail: string): Tls.TlsProtocol {
    return new Tls.TlsProtocol({ ...this.common, why, detail })
  }

  /** Breaks off: tells the peer why, if that can be done, and fails. */
  refuse(alert: Tls.Alert | undefined, error: Tls.HandshakeError): Effect.Effect<never, Failure<E>> {
    const told = alert === undefined
      ? Effect.void
      : Effect.ignore(Effect.timeoutOption(this.under.write(Wire.encodeAlert(Tls.alerts[alert])), farewell))
    return Effect.andThen(told, Effect.fail(error))
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Certificates
// ---------------------------------------------------------------------------------------------------------------------

/** What is told to whoever has shown it (RFC 8446 §6.2), by OpenSSL's choice. */
const alertOf = (fault: Certificates.Fault, version: Tls.Version): Tls.Alert => {
  if (fault._tag === "Expired") return fault.why === "expired" ? "certificate_expired" : "bad_certificate"
  switch (fault.why) {
    case "missing":
      return version === "TLSv1.3" ? "certificate_required" : "handshake_failure"
    case "bad-signature":
      return "decrypt_error"
    case "revoked":
      return "certificate_revoked"
    case "purpose":
      return "unsupported_certificate"
    case "weak":
      return "bad_certificate"
    case "other":
      return "certificate_unknown"
    default:
      return "unknown_ca"
  }
}

const errorOf = (
  fault: Certificates.Fault,
  common: Talk<never>["common"],
  certificate: Tls.Certificate | undefined
): Tls.TlsUntrusted | Tls.TlsExpired => {
  const shown = certificate === undefined ? {} : { certificate }
  if (fault._tag === "Untrusted") {
    const of = fault.at === undefined ? {} : { detail: `it is that of ${fault.at.content.subject}` }
    return new Tls.TlsUntrusted({ ...common, ...shown, ...of, why: fault.why })
  }
  const { subject, validFrom, validTo } = Certificates.told(fault.at)
  return new Tls.TlsExpired({
    ...common,
    ...shown,
    why: fault.why,
    validFrom,
    validTo,
    detail: `it is that of ${subject}`
  })
}

interface Judged {
  readonly certificate: Certificates.Certificate | undefined
  readonly refusal: readonly [alert: Tls.Alert, error: Tls.HandshakeError] | undefined
}

/** What is to be thought of a chain that was shown, with the proof that the key is there. */
const judge = <E>(
  talk: Talk<E>,
  chain: ReadonlyArray<string>,
  { now, trusted, usage, version, whom }: {
    readonly now: number
    readonly trusted: ReadonlyArray<Certificates.Certificate>
    readonly usage: Certificates.Usage
    readonly version: Tls.Version
    /** Whom it has to be of, where that matters. */
    readonly whom: string | undefined
  }
): Judged => {
  const read = chain.map(Certificates.fromWire)
  const certificate = read[0]
  if (read.includes(undefined)) {
    const error = talk.protocol("malformed", "a certificate cannot be read")
    return { certificate: undefined, refusal: ["bad_certificate", error] }
  }
  const told = certificate && Certificates.told(certificate)
  const fault = Certificates.faultOf(read as ReadonlyArray<Certificates.Certificate>, { now, trusted, usage })
  if (fault !== undefined) {
    return { certificate, refusal: [alertOf(fault, version), errorOf(fault, talk.common, told)] }
  }
  if (whom === undefined || Tls.isFor(told!.names, whom)) return { certificate, refusal: undefined }
  const mismatch = new Tls.TlsNameMismatch({ ...talk.common, expected: whom, names: told!.names, certificate: told! })
  return { certificate, refusal: ["bad_certificate", mismatch] }
}

/** Hears the proof that whoever has shown a certificate has its key. */
const proven = <E>(
  talk: Talk<E>,
  certificate: Certificates.Certificate | undefined
): Effect.Effect<void, Failure<E>> =>
  Effect.suspend(() => {
    const { said } = talk
    return Effect.flatMap(talk.hear("certificate_verify"), ({ signature }) =>
      certificate === undefined || signature === proofOf(certificate.content.key, said)
        ? Effect.void
        : talk.refuse("decrypt_error", talk.protocol("malformed", "the key of the certificate is another")))
  })

const chainOf = (identity: Identity | undefined): Wire.Message => ({
  type: "certificate",
  chain: identity === undefined ? [] : identity.chain.map(Certificates.toWire)
})

/** Says who one is, to whoever has asked. */
const introduction = <E>(talk: Talk<E>, identity: Identity | undefined): ReadonlyArray<Uint8Array> => {
  const shown = talk.say(chainOf(identity))
  return identity === undefined ? [shown] : [shown, talk.prove(identity.key)]
}

// ---------------------------------------------------------------------------------------------------------------------
// Tickets
// ---------------------------------------------------------------------------------------------------------------------

const Kept = Schema.fromJsonString(Schema.Struct({
  ticket: Schema.String,
  protocol: Schema.Literals(["TLSv1.2", "TLSv1.3"]),
  cipher: Schema.String,
  verified: Schema.Boolean
}))

const keptOf = (client: Client, now: DateTime.Utc) => {
  const found = client.options.sessions?.take(client.options, now)
  const kept = found && Option.getOrUndefined(Schema.decodeUnknownOption(Kept)(Text.decode(found.bytes)))
  return kept !== undefined && client.versions.includes(kept.protocol) && client.ciphers.includes(kept.cipher)
    ? { ...kept, certificate: found?.certificate }
    : undefined
}

const keeping =
  ({ options }: Client, { certificate, cipher, protocol, verified }: Tls.Session) => (ticket: string): void => {
    const kept = Schema.encodeSync(Kept)({ ticket, protocol, cipher, verified })
    options.sessions?.put(options, { bytes: Text.encode(kept), protocol, certificate })
  }

const Ticket = Schema.fromJsonString(Schema.Struct({
  number: Schema.String,
  protocol: Schema.Literals(["TLSv1.2", "TLSv1.3"]),
  cipher: Schema.String,
  until: Schema.Number,
  certificate: Schema.optionalKey(Schema.String)
}))

const sealed = (seal: string, content: string): string =>
  `${Certificates.digest(seal, content)}.${Base64.encode(content)}`

const openTicket = (server: Server, ticket: string | undefined, now: number) => {
  const [mark, body = ""] = (ticket ?? "").split(".")
  const content = Result.getOrElse(Base64.decodeString(body), () => "")
  if (mark !== Certificates.digest(server.seal, content)) return undefined
  const open = Option.getOrUndefined(Schema.decodeUnknownOption(Ticket)(content))
  if (open === undefined || now >= open.until) return undefined
  const certificate = open.certificate === undefined ? undefined : Certificates.fromWire(open.certificate)
  return certificate !== undefined && now > certificate.content.notAfter ? undefined : { ...open, certificate }
}

const ticketFor = Effect.fnUntraced(function*(
  server: Server,
  { cipher, protocol }: Tls.Session,
  certificate: Certificates.Certificate | undefined
) {
  const content = Schema.encodeSync(Ticket)({
    number: yield* nonce,
    protocol,
    cipher,
    until: (yield* clock) + server.ticketLifetime,
    ...(certificate === undefined ? {} : { certificate: Certificates.toWire(certificate) })
  })
  return { type: "new_session_ticket", ticket: sealed(server.seal, content) } as const
})

// ---------------------------------------------------------------------------------------------------------------------
// The client
// ---------------------------------------------------------------------------------------------------------------------

export const connect = Effect.fnUntraced(function*<E>(under: Connection.Connection<E>, client: Client) {
  const { alpn, ciphers, identity, options, versions } = client
  const { serverName } = options
  const talk = new Talk(under, serverName)
  const kept = keptOf(client, yield* DateTime.now)
  const indicated = serverName === undefined ? undefined : Tls.indicated(serverName)
  const hello = talk.say({
    type: "client_hello",
    random: yield* nonce,
    versions,
    ciphers,
    alpn,
    ...(indicated === undefined ? {} : { serverName: indicated }),
    ...(kept === undefined ? {} : { ticket: kept.ticket })
  })
  yield* talk.send([hello])

  const reply = yield* talk.hear("server_hello")
  const fault = faultOfReply(reply, client, kept !== undefined)
  if (fault !== undefined) return yield* talk.refuse(fault[0], talk.protocol(fault[1], fault[2]))
  const { cipher, reused, version } = reply
  const sessionOf = (certificate: Tls.Certificate | undefined, verified: boolean): Tls.Session => ({
    protocol: version,
    cipher,
    alpn: reply.alpn,
    serverName: indicated,
    certificate,
    verified,
    reused
  })

  if (reused) {
    const session = sessionOf(kept!.certificate, kept!.verified)
    yield* talk.hear("finished")
    yield* talk.send([talk.finish()])
    return { session, reader: talk.reader, keep: keeping(client, session) } satisfies Done
  }

  const asked = {
    now: yield* clock,
    trusted: client.trusted,
    usage: "server",
    version,
    whom: serverName ?? ""
  } as const
  const isRefused = ({ certificate }: Judged) =>
    options.dangerouslyAcceptAnyCertificate !== true || certificate === undefined
  if (version === "TLSv1.3") {
    const first = yield* talk.hear("certificate_request", "certificate")
    const { chain } = first.type === "certificate" ? first : yield* talk.hear("certificate")
    const judged = judge(talk, chain, asked)
    const { certificate, refusal } = judged
    yield* proven(talk, certificate)
    yield* talk.hear("finished")
    if (refusal !== undefined && isRefused(judged)) return yield* talk.refuse(...refusal)
    const own = first.type === "certificate_request" ? introduction(talk, identity) : []
    yield* talk.send([...own, talk.finish()])
    const session = sessionOf(certificate && Certificates.told(certificate), refusal === undefined)
    return { session, reader: talk.reader, keep: keeping(client, session) } satisfies Done
  }

  const { chain } = yield* talk.hear("certificate")
  const judged = judge(talk, chain, asked)
  const { certificate, refusal } = judged
  yield* proven(talk, certificate)
  const last = yield* talk.hear("certificate_request", "server_hello_done")
  if (last.type === "certificate_request") yield* talk.hear("server_hello_done")
  if (refusal !== undefined && isRefused(judged)) return yield* talk.refuse(...refusal)
  const asks = last.type === "certificate_request"
  yield* talk.send([
    ...(asks ? [talk.say(chainOf(identity))] : []),
    talk.say({ type: "client_key_exchange" }),
    ...(asks && identity !== undefined ? [talk.prove(identity.key)] : []),
    talk.finish()
  ])
  const session = sessionOf(certificate && Certificates.told(certificate), refusal === undefined)
  const keep = keeping(client, session)
  const { ticket } = yield* talk.hear("new_session_ticket")
  yield* talk.hear("finished")
  keep(ticket)
  return { session, reader: talk.reader, keep } satisfies Done
})

const faultOfReply = (
  { alpn, cipher, reused, version }: Wire.MessageOf<"server_hello">,
  client: Client,
  offered: boolean
): readonly [Tls.Alert, Tls.ProtocolReason, string] | undefined => {
  if (!client.versions.includes(version)) return ["protocol_version", "version", `the server wants ${version}`]
  if (!client.ciphers.filter(isFor(version)).includes(cipher)) {
    return ["illegal_parameter", "cipher", `the server wants ${cipher}`]
  }
  if (alpn !== undefined && !client.alpn.includes(alpn)) {
    return [
      "illegal_parameter",
      "malformed",
      `the server wants the protocol ${JSON.stringify(alpn)}, which nobody offered`
    ]
  }
  return reused && !offered
    ? ["illegal_parameter", "malformed", "the server takes a session up that nobody offered"]
    : undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// The server
// ---------------------------------------------------------------------------------------------------------------------

/** What both have, by the liking of the server; of ciphers by that of the client. */
const agree = (
  hello: Wire.MessageOf<"client_hello">,
  server: Server
): {
  readonly version: Tls.Version
  readonly cipher: string
  readonly alpn: string | undefined
} | readonly [Tls.Alert, Tls.ProtocolReason, string] => {
  const version = server.versions.find((one) => hello.versions.includes(one))
  if (version === undefined) return ["protocol_version", "version", `the client speaks ${hello.versions.join(", ")}`]
  const cipher = hello.ciphers.filter(isFor(version)).find((one) => server.ciphers.includes(one))
  if (cipher === undefined) return ["handshake_failure", "cipher", `the client has ${hello.ciphers.join(", ")}`]
  const isOpen = server.alpn.length === 0 || hello.alpn.length === 0
  const alpn = isOpen ? undefined : server.alpn.find((one) => hello.alpn.includes(one))
  if (!isOpen && alpn === undefined) {
    return ["no_application_protocol", "alpn", `the client speaks ${hello.alpn.join(", ")}`]
  }
  return { version, cipher, alpn }
}

export const accept = Effect.fnUntraced(function*<E>(under: Connection.Connection<E>, server: Server) {
  const talk = new Talk(under, undefined)
  const hello = yield* talk.hear("client_hello")
  const now = yield* clock
  const agreed = agree(hello, server)
  if (!("version" in agreed)) return yield* talk.refuse(agreed[0], talk.protocol(agreed[1], agreed[2]))
  const { alpn, version } = agreed
  const opened = openTicket(server, hello.ticket, now)
  const taken = opened !== undefined && opened.protocol === version && server.ciphers.includes(opened.cipher) &&
      hello.ciphers.includes(opened.cipher)
    ? opened
    : undefined
  const cipher = taken?.cipher ?? agreed.cipher
  const greeting = talk.say({
    type: "server_hello",
    random: yield* nonce,
    version,
    cipher,
    ...(alpn === undefined ? {} : { alpn }),
    reused: taken !== undefined
  })
  const done = (certificate: Certificates.Certificate | undefined) => {
    const session: Tls.Session = {
      protocol: version,
      cipher,
      alpn,
      serverName: hello.serverName,
      certificate: certificate && Certificates.told(certificate),
      verified: certificate !== undefined,
      reused: taken !== undefined
    }
    return { session, reader: talk.reader, keep: () => undefined } satisfies Done
  }
  // A client that is gone already is found out by whoever reads.
  const tickets = Effect.fnUntraced(
    function*(session: Done, certificate: Certificates.Certificate | undefined, count: number) {
      const flight: Array<Uint8Array> = []
      while (flight.length < count) flight.push(talk.say(yield* ticketFor(server, session.session, certificate)))
      yield* Effect.ignore(talk.send(flight))
      return session
    }
  )

  if (taken !== undefined) {
    yield* talk.send([greeting, talk.finish()])
    yield* talk.hear("finished")
    const session = done(taken.certificate)
    return version === "TLSv1.3" ? yield* tickets(session, taken.certificate, 1) : session
  }

  const asks = server.clientCertificate !== "none"
  const request = () => asks ? [talk.say({ type: "certificate_request" })] : []
  const flight = version === "TLSv1.3"
    ? [greeting, ...request(), ...introduction(talk, server.identity), talk.finish()]
    : [
      greeting,
      ...introduction(talk, server.identity),
      ...request(),
      talk.say({ type: "server_hello_done" })
    ]
  yield* talk.send(flight)

  let certificate: Certificates.Certificate | undefined
  if (asks) {
    const { chain } = yield* talk.hear("certificate")
    if (chain.length > 0 || server.clientCertificate === "require") {
      const judged = judge(talk, chain, {
        now: yield* clock,
        trusted: server.trusted,
        usage: "client",
        version,
        whom: undefined
      })
      if (judged.refusal !== undefined) return yield* talk.refuse(...judged.refusal)
      certificate = judged.certificate
    }
  }
  if (version === "TLSv1.2") yield* talk.hear("client_key_exchange")
  if (certificate !== undefined) yield* proven(talk, certificate)
  yield* talk.hear("finished")
  const session = done(certificate)
  if (version === "TLSv1.3") return yield* tickets(session, certificate, 2)
  yield* talk.send([talk.say(yield* ticketFor(server, session.session, certificate)), talk.finish()])
  return session
})
