// TLS through a proxy: the proxy is told the name of the target, and nothing else; the handshake is with the target.
//
//   node examples/cookbook/proxy.ts
//
// Both peers are here, a proxy that knows HTTP CONNECT and a server that knows TLS. Certificates are a layer, as the rest is:
// real ones live, and simulated ones in virtual time.
import { Connection, ConnectionServer, Connector, Proxy, type SocketAddress, Tls } from "@effect-winsock/core"
import { Effect } from "effect"
import { Certificates, inBoth } from "./worlds.ts"

const encode = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** Says who it is, under TLS, to whoever calls. */
const server = Effect.gen(function*() {
  const { identity } = yield* Certificates
  const tls = yield* Tls.Tls
  const { address, run } = yield* ConnectionServer.make({ address: "127.0.0.1:0" })
  yield* Effect.forkScoped(run((caller) =>
    Effect.gen(function*() {
      const connection = yield* tls.accept(caller, { identity })
      yield* connection.write(encode(`hello from ${connection.tls.serverName}`))
      yield* connection.end
      yield* connection.read
    })
  ))
  return address
})

/** Goes to the server whatever name it is asked for, so that nobody needs a name server. */
const proxy = (target: SocketAddress.SocketAddress) =>
  Effect.gen(function*() {
    const asked: Array<string> = []
    const { address, run } = yield* ConnectionServer.make({ address: "127.0.0.1:0" })
    yield* Effect.forkScoped(run((caller) =>
      Effect.gen(function*() {
        let head = ""
        while (!head.includes("\r\n\r\n")) head += decode(yield* caller.read)
        asked.push(head.split("\r\n")[0]!)
        const beyond = yield* Connector.winsock.connect(target)
        yield* caller.write(encode("HTTP/1.1 200 Go ahead\r\n\r\n"))
        yield* Connection.relay(caller, beyond)
      })
    ))
    return { address, asked }
  })

export const program = Effect.gen(function*() {
  const { ca } = yield* Certificates
  const { address, asked } = yield* proxy(yield* server)

  const connector = Connector.winsock.pipe(
    Connector.via(Proxy.http({ address })),
    Connector.tls({ ca }),
    Connector.attemptTimeout("5 seconds")
  )
  const target = yield* Effect.fromResult(Connector.target("server.example:443"))
  const connection = yield* connector.connect(target)
  const greeting = decode(yield* connection.read)
  yield* connection.end
  return `"${greeting}", by ${connection.tls.protocol}; the proxy heard "${asked.join()}"`
}).pipe(Effect.scoped)

if (import.meta.main) await inBoth(program)
