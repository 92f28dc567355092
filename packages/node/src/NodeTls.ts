/**
 * TLS by Node's own OpenSSL, over any connection: of a socket, through a proxy, under TLS already.
 *
 * @since 0.1.0
 */
import { type Connection, Tls } from "@effect-winsock/core"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { X509Certificate } from "node:crypto"
import * as net from "node:net"
import * as tls from "node:tls"
import { certificateOf, Channel, namesOf, type Side } from "./internal/tlsChannel.ts"
import { makeContexts } from "./internal/tlsContext.ts"

const secured = <E>(under: Connection.Connection<E>, side: Side) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const context = yield* Effect.context<never>()
      const channel = yield* Effect.acquireRelease(
        Effect.sync(() => new Channel(under, side, context)),
        (channel, exit) => channel.close(exit)
      )
      // Nothing of a handshake that failed waits for the end of the scope.
      const session = yield* Effect.onExit(
        restore(channel.handshake),
        (exit) => Exit.isFailure(exit) ? channel.close(exit) : Effect.void
      )
      return channel.connection(session)
    })
  )

const notMeant = Object.assign(new Error("the certificate is of somebody else"), {
  code: "ERR_TLS_CERT_ALTNAME_INVALID"
})

/** Whether core's rule holds, which is also the simulator's, and OpenSSL's does. */
const isMeant = (certificate: X509Certificate | undefined, meant: string | undefined): boolean =>
  meant === undefined || (certificate !== undefined && Tls.isFor(namesOf(certificate), meant) &&
    (net.isIP(meant) === 0
        ? certificate.checkHost(meant, { subject: "never" })
        : certificate.checkIP(meant)) !== undefined)

/** An address as Node writes it: without brackets and without a zone. */
const plain = (serverName: string): string => serverName.replace(/^\[|\]$/g, "").replace(/%.*$/, "")

const client = (
  options: Tls.ConnectOptions,
  secureContext: tls.SecureContext,
  session: ReturnType<Tls.SessionCache["take"]>
): Side => {
  const { alpn, dangerouslyAcceptAnyCertificate, serverName, sessions } = options
  const indicated = serverName === undefined ? undefined : Tls.indicated(serverName)
  const meant = indicated ?? (serverName === undefined ? undefined : plain(serverName))
  return {
    _tag: "client",
    serverName,
    certificate: "require",
    remembered: session?.certificate,
    isRememberedMeant: dangerouslyAcceptAnyCertificate !== true || meant === undefined ||
      (session?.certificate !== undefined && Tls.isFor(session.certificate.names, meant)),
    begin: (stream, peer) => {
      const socket = tls.connect({
        socket: stream,
        secureContext,
        rejectUnauthorized: dangerouslyAcceptAnyCertificate !== true,
        ...(indicated === undefined ? {} : { servername: indicated }),
        // Node calls whom a session was made with by this, where it may not call him by name.
        ...(meant === undefined ? {} : { host: meant }),
        ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
        ...(session === undefined ? {} : { session: Buffer.from(session.bytes) }),
        checkServerIdentity: () => isMeant(peer(), meant) ? undefined : notMeant
      })
      if (sessions !== undefined) {
        socket.on("session", (bytes) => {
          const shown = peer()
          const certificate = shown === undefined ? session?.certificate : certificateOf(shown)
          sessions.put(options, { bytes, protocol: socket.getProtocol() as Tls.Version, certificate })
        })
      }
      return socket
    }
  }
}

const server = (options: Tls.AcceptOptions, secureContext: tls.SecureContext): Side => {
  const { alpn, clientCertificate = "none" } = options
  return {
    _tag: "server",
    serverName: undefined,
    certificate: clientCertificate,
    remembered: undefined,
    isRememberedMeant: true,
    begin: (stream) =>
      new tls.TLSSocket(stream, {
        isServer: true,
        secureContext,
        requestCert: clientCertificate !== "none",
        rejectUnauthorized: clientCertificate === "require",
        ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] })
      })
  }
}

/**
 * Makes handshakes by Node's own OpenSSL.
 *
 * **When to use**
 *
 * Use with a Winsock layer of your own. `NodeConnector.layer` has it already.
 *
 * **Details**
 *
 * - Where no authorities are given, those count that Node trusts: the ones it was built with, unless Node was told to take
 *   the system's (`--use-system-ca`) or more (`NODE_EXTRA_CA_CERTS`). `NODE_TLS_REJECT_UNAUTHORIZED` counts for nothing.
 * - A certificate that this side does not take is told to the other one by nothing but the end of the connection: Node sends
 *   no alert then. One that a client does not show at all is told it by an alert.
 * - Closing a connection ends the session, where it went well, so that the other side can tell that nothing is missing. A
 *   stack that does not take these bytes is not waited for.
 *
 * **Example** (A server and a client of one process)
 *
 * ```ts import.meta.vitest
 * import { Connection, Connector, Tls, Winsock } from "@effect-winsock/core"
 * import { NodeTls, NodeWinsock } from "@effect-winsock/node"
 * import { Effect, Layer, Redacted } from "effect"
 *
 * // A handshake of a server with a key that cannot be read fails before any client is asked.
 * const program = Effect.gen(function*() {
 *   const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
 *   yield* Winsock.bind(listener, "127.0.0.1:0")
 *   yield* Winsock.listen(listener)
 *   yield* Connector.winsock.connect(yield* Winsock.getsockname(listener))
 *   const connection = Connection.fromAccepted(yield* Winsock.accept(listener))
 *   return yield* Tls.Tls.use((tls) => tls.accept(connection, { identity: { cert: "?", key: Redacted.make("?") } }))
 * }).pipe(
 *   Effect.catchTag("TlsBadOption", (error) => Effect.succeed(error.option)),
 *   Effect.scoped,
 *   Effect.provide(Layer.merge(NodeWinsock.layer, NodeTls.layer))
 * )
 * await Effect.runPromise(program) // => "cert"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Tls.Tls> = Layer.sync(Tls.Tls, () => {
  const contextOfClient = makeContexts("client")
  const contextOfServer = makeContexts("server")
  return Tls.Tls.of({
    connect: (connection, options) =>
      Effect.gen(function*() {
        const fault = Tls.faultOf("client", options)
        if (fault !== undefined) return yield* fault
        const context = yield* Effect.fromResult(contextOfClient(options))
        const session = options.sessions?.take(options, yield* DateTime.now)
        return yield* secured(connection, client(options, context, session))
      }),
    accept: (connection, options) =>
      Effect.gen(function*() {
        const fault = Tls.faultOf("server", options)
        if (fault !== undefined) return yield* fault
        return yield* secured(connection, server(options, yield* Effect.fromResult(contextOfServer(options))))
      })
  })
})
