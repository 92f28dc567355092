// Proxies over real sockets: what the simulated ones are held to, where a kernel and OpenSSL are in between.
import { type Connection, Connector, Proxy, type Tls, type Winsock } from "@effect-winsock/core"
import { NodeTls, NodeWinsock } from "@effect-winsock/node"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Redacted, type Scope } from "effect"
import {
  type Act,
  httpProxy,
  scripted,
  serve,
  socksProxy,
  textOf,
  tlsBecomes,
  tlsThroughProxies,
  utf8
} from "../../testing/test/utils/proxies.ts"
import { Certificates, type Pair } from "./utils/certificates.ts"
import { leavingNothing } from "./utils/leaks.ts"

const layer = Layer.merge(NodeWinsock.layer, NodeTls.layer)

const live = (
  title: string,
  program: Effect.Effect<unknown, unknown, Winsock.Winsock | Tls.Tls | Scope.Scope>
) => it.live(title, () => leavingNothing(Effect.asVoid(Effect.provide(Effect.scoped(program), layer))))

const made = {
  socks5: { make: Proxy.socks5, serve: socksProxy },
  http: { make: Proxy.http, serve: httpProxy }
} as const

describe("Proxy, live", () => {
  for (const [name, kind] of Object.entries(made)) {
    live(
      `${name}: a mebibyte goes there and back, with what came early before it`,
      Effect.gen(function*() {
        const echoing = (caller: Connection.Connection): Effect.Effect<void, unknown> =>
          Effect.flatMap(
            caller.read,
            (bytes) => bytes.length === 0 ? caller.end : Effect.andThen(caller.write(bytes), echoing(caller))
          )
        const address = yield* serve("127.0.0.1:0", echoing)
        const proxy = kind.make({ address: yield* kind.serve("127.0.0.1:0", { early: "early" }) })
        const connection = yield* Connector.winsock.pipe(
          Connector.via(proxy),
          Connector.connect(address)
        )
        const sent = new Uint8Array(1 << 20).map((_, i) => i % 251)
        const writing = yield* Effect.forkChild(Effect.andThen(connection.write(sent), connection.end))
        const received: Array<Uint8Array> = []
        for (let bytes = yield* connection.read; bytes.length > 0; bytes = yield* connection.read) received.push(bytes)
        yield* Fiber.join(writing)
        const all = Buffer.concat(received)
        assert.strictEqual(textOf(all.subarray(0, 5)), "early")
        assert.isTrue(Buffer.from(sent).equals(all.subarray(5)))
      })
    )
  }

  const request = "CONNECT server.test:80 HTTP/1.1\r\nHost: server.test:80\r\n\r\n".length
  const steps: ReadonlyArray<readonly [Act, ...Array<Act>]> = [
    [{ hears: request }],
    [{ hears: request }, { says: "HTTP/1.1 " }],
    [{ hears: request }, { says: "HTTP/1.1 100 Continue\r\n\r\n" }]
  ]

  for (const how of ["ends", "resets"] as const) {
    live(
      `a proxy that ${how} at whatever step is WSAECONNRESET, and leaves nothing`,
      Effect.gen(function*() {
        for (const acts of steps) {
          const proxy = Proxy.http({ address: yield* scripted("127.0.0.1:0", [...acts, how]) })
          const error = yield* Connector.winsock.pipe(
            Connector.via(proxy),
            Connector.connect("server.test:80"),
            Effect.flip
          )
          assert.strictEqual(`${error._tag} ${error.stage}`, "WSAECONNRESET proxy")
        }
      })
    )
  }

  live(
    "a connect that is interrupted while the proxy is silent leaves nothing",
    Effect.gen(function*() {
      for (const acts of steps) {
        const asked = yield* Deferred.make<void>()
        const address = yield* serve("127.0.0.1:0", (caller) =>
          Effect.gen(function*() {
            yield* caller.read
            for (const act of acts) {
              if (typeof act === "object" && "says" in act) yield* caller.write(utf8(String(act.says)))
            }
            yield* Deferred.succeed(asked, undefined)
            // It ends because the other side has gone.
            yield* caller.read
          }))
        const fiber = yield* Connector.winsock.pipe(
          Connector.via(Proxy.http({ address })),
          Connector.connect("server.test:80"),
          Effect.scoped,
          Effect.forkChild
        )
        yield* Deferred.await(asked)
        yield* Fiber.interrupt(fiber)
      }
    })
  )

  live(
    "TLS goes through proxies, and to them: names and authorities are checked inside of the tunnel",
    Effect.gen(function*() {
      const certificates = yield* Effect.acquireRelease(
        Effect.sync(() => new Certificates()),
        (made) => Effect.sync(() => made.remove())
      )
      const identityOf = ({ cert, key }: Pair): Tls.Identity => ({ cert, key: Redacted.make(key) })
      const issued = (name: string, by?: Pair) => identityOf(certificates.issued({ names: `DNS:${name}` }, by))
      const became = yield* tlsThroughProxies({
        ca: certificates.ca.cert,
        server: issued("server.test"),
        proxy: issued("proxy.test"),
        stranger: issued("stranger.test", certificates.stranger)
      })
      assert.deepStrictEqual(became, tlsBecomes)
    })
  )
})
