/**
 * How effect's Socket goes on under TLS: its options, as those of {@link Tls.Tls}.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { Connection } from "../Connection.ts"
import * as Tls from "../Tls.ts"
import { decode } from "./text.ts"

/** Which side this is, and whom a client means where the options do not say. */
export interface Role {
  readonly side: "client" | "server"
  readonly serverName?: string | undefined
}

/** The handshake, or why there is none with such options. */
export type Upgrade = Result.Result<
  Effect.Effect<Connection<unknown>, Socket.SocketError, Scope.Scope>,
  Socket.SocketError
>

const upgradeError = (cause: unknown) => new Socket.SocketError({ reason: new Socket.SocketUpgradeError({ cause }) })

const refuse = (why: string) => Result.fail(upgradeError(new Error(why)))

const isList = <A>(given: A | ReadonlyArray<A>): given is ReadonlyArray<A> => Array.isArray(given)

/** Several certificates of PEM are one text. */
const pemOf = (given: Tls.Pem | ReadonlyArray<Tls.Pem>): Tls.Pem => {
  if (!isList(given)) return given
  return given.length === 1
    ? given[0]!
    : given.map((pem) => typeof pem === "string" ? pem : decode(pem) ?? "").join("\n")
}

const oneKeyOf = (
  given: Redacted.Redacted<Tls.Pem> | ReadonlyArray<Redacted.Redacted<Tls.Pem>>
): Redacted.Redacted<Tls.Pem> | undefined => !isList(given) ? given : given.length === 1 ? given[0] : undefined

const handshake = <E>(
  tls: Tls.Tls["Service"],
  connection: Connection<E>,
  { serverName, side }: Role,
  options: Socket.TlsUpgradeOptions
): Upgrade => {
  const { cert, key, passphrase, rejectUnauthorized, requestCert } = options
  if ((key === undefined) !== (cert === undefined)) return refuse("a key and a certificate belong together")
  const oneKey = key === undefined ? undefined : oneKeyOf(key)
  if (key !== undefined && oneKey === undefined) return refuse("there can be one key, not several")
  const identity: Tls.Identity | undefined = oneKey === undefined
    ? undefined
    : { key: oneKey, cert: pemOf(cert!), passphrase }
  const common: Tls.CommonOptions = { alpn: options.alpnProtocols, ca: options.ca }
  if (side === "server" && identity === undefined) return refuse("a server needs a key and a certificate")
  const secured = side === "client"
    ? tls.connect(connection, {
      ...common,
      identity,
      serverName: options.servername ?? serverName,
      dangerouslyAcceptAnyCertificate: rejectUnauthorized === false
    })
    : tls.accept(connection, {
      ...common,
      identity: identity!,
      clientCertificate: requestCert !== true ? "none" : rejectUnauthorized === false ? "request" : "require"
    })
  return Result.succeed(Effect.mapError(secured, upgradeError))
}

/** `undefined`: no TLS is there to upgrade with. */
export const upgrading = (context: Context.Context<never>, role: Role) => {
  const tls = Context.getOrUndefined(context, Tls.Tls)
  return tls === undefined ?
    undefined :
    <E>(connection: Connection<E>, options: Socket.TlsUpgradeOptions) => handshake(tls, connection, role, options)
}
