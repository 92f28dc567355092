import { Connector, Proxy, RetryPolicy, SocketOption, Tls, WsaError } from "@effect-winsock/core"
import { NodeConnector, NodeUndici } from "@effect-winsock/node"
import { NodeHttpClient } from "@effect/platform-node"
import Undici from "@effect/platform-node/Undici"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Schedule, Scope, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { once } from "node:events"
import * as http from "node:http"
import * as http2 from "node:http2"
import * as net from "node:net"
import { setImmediate } from "node:timers/promises"
import { blackHole } from "./utils/blackHole.ts"
import { Certificates, type Pair } from "./utils/certificates.ts"
import { leavingNothing, turns } from "./utils/leaks.ts"

const pipeline = Connector.winsock.pipe(
  Connector.options([[SocketOption.TCP_NODELAY, true]]),
  Connector.attemptTimeout("5 seconds"),
  Connector.happyEyeballs(),
  Connector.resolve(),
  Connector.retry(RetryPolicy.byCode({ WSAENOBUFS: Schedule.recurs(1) })),
  Connector.timeout("10 seconds")
)

/** effect's own client, whose undici connects by ours. */
const clientOf = <E1 = never, R1 = never, E2 = never, R2 = never>(connectors: NodeUndici.Connectors<E1, R1, E2, R2>) =>
  NodeHttpClient.layerUndiciNoDispatcher.pipe(Layer.provide(Layer.effect(
    NodeHttpClient.Dispatcher,
    Effect.flatMap(NodeUndici.connect(connectors), (connect) => NodeHttpClient.makeDispatcherOptions({ connect }))
  )))

const live = <A, E>(program: Effect.Effect<A, E, HttpClient.HttpClient | Scope.Scope>, connector = pipeline) =>
  leavingNothing(
    Effect.provide(Effect.scoped(program), Layer.provide(clientOf({ http: connector }), NodeConnector.layer))
  )

interface Server {
  readonly url: string
  readonly port: number
  /** How many connections there have been. */
  readonly connections: () => number
}

const serve = (answer: http.RequestListener, host = "127.0.0.1"): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        let connections = 0
        const server = http.createServer(answer).on("connection", () => connections++)
        await once(server.listen(0, host), "listening")
        return { server, connections: () => connections }
      }),
      ({ server }) =>
        Effect.promise(async () => {
          const closed = once(server, "close")
          server.close()
          server.closeAllConnections()
          await closed
        })
    ),
    ({ connections, server }) => {
      const { port } = server.address() as net.AddressInfo
      return { url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`, port, connections }
    }
  )

/** Sends back what comes. */
const echo: http.RequestListener = (request, response) => {
  response.writeHead(200, { "x-method": request.method!, "x-path": request.url! })
  request.pipe(response)
}

const failure = <A, E, R>(program: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(program), (error) => NodeUndici.wsaError(error))

/** A port where nobody listens. */
const refusing = Effect.promise(async () => {
  const server = net.createServer()
  await once(server.listen(0, "127.0.0.1"), "listening")
  const { port } = server.address() as net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${port}/`
})

describe("effect's HTTP client over connectors", () => {
  it.live("gets and posts, and keeps its connection", () =>
    live(Effect.gen(function*() {
      const { connections, url } = yield* serve(echo)
      const got = yield* HttpClient.get(`${url}/path?query=1`)
      assert.deepStrictEqual([got.status, got.headers["x-method"], got.headers["x-path"]], [
        200,
        "GET",
        "/path?query=1"
      ])
      assert.strictEqual(yield* got.text, "")
      for (let i = 0; i < 10; i++) {
        const posted = yield* HttpClientRequest.post(url).pipe(
          HttpClientRequest.bodyText("x".repeat(i * 1000)),
          HttpClient.execute
        )
        assert.strictEqual(yield* posted.text, "x".repeat(i * 1000))
      }
      // As over Node's own sockets: undici opens another one while it looks after one that was idle.
      assert.isAtMost(connections(), 2)
    })))

  it.live("looks names up, and connects to IPv6", () =>
    live(Effect.gen(function*() {
      const { port } = yield* serve(echo)
      assert.strictEqual((yield* HttpClient.get(`http://localhost:${port}/name`)).headers["x-path"], "/name")
      const { url } = yield* serve(echo, "::1")
      assert.strictEqual((yield* HttpClient.get(`${url}/six`)).headers["x-path"], "/six")
    })))

  it.live("streams megabytes both ways, of which every byte arrives", () =>
    live(Effect.gen(function*() {
      const { url } = yield* serve(echo)
      const size = 65_521
      const chunks = Array.from({ length: 128 }, (_, i) => new Uint8Array(size).fill(i))
      const response = yield* HttpClientRequest.post(url).pipe(
        HttpClientRequest.bodyStream(Stream.fromIterable(chunks)),
        HttpClient.execute
      )
      let at = 0
      yield* Stream.runForEach(response.stream, (bytes) =>
        Effect.sync(() => {
          for (const byte of bytes) if (byte !== Math.trunc(at++ / size)) assert.fail(`byte ${at} is ${byte}`)
        }))
      assert.strictEqual(at, size * chunks.length)
    })))

  it.live("holds a server back whose body nobody reads", () =>
    live(Effect.gen(function*() {
      let written = 0
      const { url } = yield* serve((_, response) => {
        const more = () => {
          while (response.write(Buffer.alloc(64 * 1024))) written += 64 * 1024
        }
        response.on("drain", more)
        more()
      })
      const response = yield* HttpClient.get(url)
      yield* Stream.runHead(response.stream)
      // As long as it can write it does, in every turn of the loop.
      let [before, quiet] = [-1, 0]
      while (quiet < 50) {
        quiet = before === written ? quiet + 1 : 0
        before = written
        yield* Effect.promise(() => setImmediate())
      }
      assert.isBelow(written, 64 * 2 ** 20)
    })))

  it.live("makes 10,000 requests over a few connections, and leaves none", () =>
    live(Effect.gen(function*() {
      let requests = 0
      const { connections, url } = yield* serve((_, response) => response.end(String(++requests)))
      yield* Effect.forEach(
        Array.from({ length: 10_000 }),
        () => Effect.flatMap(HttpClient.get(url), (response) => response.text),
        { concurrency: 20, discard: true }
      )
      assert.strictEqual(requests, 10_000)
      assert.isAtMost(connections(), 40)
    })), 60_000)

  it.live("R04: a refusal is WSAECONNREFUSED, with the attempts", () =>
    live(Effect.gen(function*() {
      const error = yield* failure(HttpClient.get(yield* refusing))
      assert.instanceOf(error, WsaError.WSAECONNREFUSED)
      assert.deepInclude(error, { call: "WSAConnect", stage: "connect" })
      assert.deepStrictEqual(error.attempts?.map(({ code }) => code), ["WSAECONNREFUSED"])
      assert.strictEqual(error.native?.code, "ECONNREFUSED")
    })))

  it.live("a time-out is WSAETIMEDOUT, by the attempt or by the deadline", () =>
    Effect.gen(function*() {
      const silent = yield* blackHole
      const get = HttpClient.get(`http://${silent}/`)
      const attempt = yield* live(
        failure(get),
        pipeline.pipe(Connector.timeout("100 millis"))
      )
      assert.deepInclude(attempt, { _tag: "WSAETIMEDOUT", by: "deadline" })
      const hurried = Connector.winsock.pipe(
        Connector.attemptTimeout("100 millis"),
        Connector.happyEyeballs(),
        Connector.resolve()
      )
      const error = yield* leavingNothing(
        Effect.provide(failure(get), Layer.provide(clientOf({ http: hurried }), NodeConnector.layer))
      )
      assert.deepInclude(error, { _tag: "WSAETIMEDOUT", by: "attempt" })
    }).pipe(Effect.scoped))

  it.live("a name that does not exist is WSAHOST_NOT_FOUND", () =>
    live(Effect.gen(function*() {
      const error = yield* failure(HttpClient.get("http://nobody.invalid/"))
      // Where no name server can be reached, that is what the system says.
      assert.include(["WSAHOST_NOT_FOUND", "WSATRY_AGAIN"], error?._tag)
      assert.strictEqual(error?.stage, "resolve")
    })))

  it.live("a server that resets in the middle of a body is WSAECONNRESET, of the read", () =>
    live(Effect.gen(function*() {
      const { url } = yield* serve((request, response) => {
        response.writeHead(200, { "content-length": "1000000" })
        response.write("the beginning", () => request.socket.resetAndDestroy())
      })
      const response = yield* HttpClient.get(url)
      const error = yield* Effect.flip(response.text)
      assert.strictEqual(error.reason._tag, "DecodeError")
      assert.instanceOf(NodeUndici.wsaError(error), WsaError.WSAECONNRESET)
    })))

  it.live("goes on with a new connection where the server has closed the last one", () =>
    live(Effect.gen(function*() {
      const { connections, url } = yield* serve((_, response) => {
        response.writeHead(200, { connection: "close" })
        response.end("done")
      })
      for (let i = 0; i < 5; i++) assert.strictEqual(yield* (yield* HttpClient.get(url)).text, "done")
      assert.strictEqual(connections(), 5)
    })))

  it.live("an interrupted request closes its connection, and others go on", () =>
    live(Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const gone = yield* Deferred.make<void>()
      const { url } = yield* serve((request, response) => {
        if (request.url !== "/never") return response.end("done")
        request.socket.on("close", () => Deferred.doneUnsafe(gone, Exit.void))
        Deferred.doneUnsafe(asked, Exit.void)
      })
      const fiber = yield* Effect.forkChild(HttpClient.get(`${url}/never`))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(gone)
      assert.strictEqual(yield* (yield* HttpClient.get(url)).text, "done")
    })))

  it.live("leaves nothing of a connect that was under way when its scope ended", () =>
    Effect.gen(function*() {
      const silent = yield* blackHole
      yield* live(Effect.gen(function*() {
        yield* Effect.forkChild(HttpClient.get(`http://${silent}/`), { startImmediately: true })
        yield* turns(5)
      }))
    }).pipe(Effect.scoped))

  it.live("tells whoever waits when the scope of the connectors ends: WSAEINTR", () =>
    leavingNothing(
      Effect.gen(function*() {
        const silent = yield* blackHole
        const scope = yield* Scope.make()
        const connect = yield* Scope.provide(NodeUndici.connect({ http: pipeline }), scope)
        const [hostname, port] = silent.split(":") as [string, string]
        const answered = new Promise<Error | null>((resolve) => {
          connect({ hostname, port, protocol: "http:" }, (...[error]) => resolve(error))
        })
        yield* turns(2)
        yield* Scope.close(scope, Exit.void)
        assert.instanceOf(yield* Effect.promise(() => answered), WsaError.WSAEINTR)
      }).pipe(Effect.scoped, Effect.provide(NodeConnector.layer))
    ))

  it.live("fails where there is no connector for the scheme, and says which one is missing", () =>
    live(Effect.gen(function*() {
      const error = yield* failure(HttpClient.get("https://127.0.0.1:1/"))
      assert.instanceOf(error, WsaError.WSAEPROTONOSUPPORT)
      assert.match(error.detail!, /https:/)
    })))

  it.live("tells undici both addresses of a connection that broke", () =>
    live(Effect.gen(function*() {
      const { port, url } = yield* serve((request) => request.socket.end())
      const error = yield* Effect.flip(HttpClient.get(url))
      const cause = error.reason.cause as Error & { readonly socket?: Record<string, unknown> }
      assert.strictEqual(cause.message, "other side closed")
      assert.deepInclude(cause.socket, { remoteAddress: "127.0.0.1", remotePort: port, remoteFamily: "IPv4" })
      assert.isAbove(Number(cause.socket?.["bytesWritten"]), 0)
      assert.isUndefined(NodeUndici.wsaError(error))
    })))

  it.live("is a connector for undici by itself", () =>
    leavingNothing(
      Effect.gen(function*() {
        const { url } = yield* serve(echo)
        const connect = yield* NodeUndici.connect({ http: pipeline })
        yield* Effect.promise(async () => {
          const agent = new Undici.Agent({ connect, connections: 1, pipelining: 1 })
          const { body } = await Undici.request(url, {
            dispatcher: agent,
            method: "PUT",
            body: Buffer.alloc(1_000_000, 7)
          })
          assert.deepStrictEqual(Buffer.from(await body.arrayBuffer()), Buffer.alloc(1_000_000, 7))
          await agent.close()
        })
      }).pipe(Effect.scoped, Effect.provide(NodeConnector.layer))
    ))

  describe("HTTPS", () => {
    const certificates = Effect.acquireRelease(
      Effect.sync(() => new Certificates()),
      (made) => Effect.sync(() => made.remove())
    )

    const secured = (options: Tls.ConnectOptions) =>
      Connector.winsock.pipe(
        Connector.tls(options),
        Connector.attemptTimeout("5 seconds"),
        Connector.happyEyeballs(),
        Connector.resolve()
      )

    const serveSecured = (pair: Pair, alpn: ReadonlyArray<string>) =>
      Effect.map(
        Effect.acquireRelease(
          Effect.promise(async () => {
            const server = http2.createSecureServer(
              { cert: pair.cert, key: pair.key, ALPNProtocols: [...alpn], allowHTTP1: true },
              (request, response) => {
                response.end(`${request.httpVersion} ${request.url}`)
              }
            )
            const sockets = new Set<net.Socket>()
            server.on("connection", (socket: net.Socket) => sockets.add(socket)).on("tlsClientError", () => undefined)
            await once(server.listen(0, "127.0.0.1"), "listening")
            return { server, sockets }
          }),
          ({ server, sockets }) =>
            Effect.promise(async () => {
              const closed = once(server, "close")
              server.close()
              for (const socket of sockets) socket.destroy()
              await closed
            })
        ),
        ({ server }) => (server.address() as net.AddressInfo).port
      )

    it.live("goes over TLS, and verifies the host of the URL", () =>
      Effect.scoped(Effect.gen(function*() {
        const made = yield* certificates
        yield* leavingNothing(Effect.scoped(Effect.gen(function*() {
          const port = yield* serveSecured(made.issued(), ["http/1.1"])
          const ask = (ca: string) =>
            HttpClient.get(`https://localhost:${port}/path`).pipe(
              Effect.flatMap((response) => response.text),
              Effect.provide(
                Layer.provide(clientOf({ https: secured({ ca, alpn: ["http/1.1"] }) }), NodeConnector.layer)
              )
            )
          assert.strictEqual(yield* ask(made.ca.cert), "1.1 /path")
          const error = yield* Effect.flip(ask(made.stranger.cert))
          assert.isTrue(error._tag === "HttpClientError" && error.reason.cause instanceof Tls.TlsUntrusted)
          assert.isUndefined(NodeUndici.wsaError(error))
        })))
      })))

    it.live("speaks HTTP/2 where that was agreed on", () =>
      Effect.scoped(Effect.gen(function*() {
        const made = yield* certificates
        const port = yield* serveSecured(made.issued(), ["h2", "http/1.1"])
        const https = secured({ ca: made.ca.cert, alpn: ["h2", "http/1.1"] })
        const texts = Effect.all(
          Array.from({ length: 20 }, (_, i) =>
            Effect.flatMap(HttpClient.get(`https://localhost:${port}/${i}`), (response) => response.text)),
          { concurrency: 20 }
        )
        assert.deepStrictEqual(
          yield* Effect.provide(texts, Layer.provide(clientOf({ https }), NodeConnector.layer)),
          Array.from({ length: 20 }, (_, i) =>
            `2.0 /${i}`)
        )
      })))
  })

  it.live("goes through a proxy, and tells a refusal behind it as WSAECONNREFUSED", () =>
    Effect.scoped(Effect.gen(function*() {
      const proxied: Array<string> = []
      const proxy = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const server = http.createServer().on("connect", (request, client: net.Socket) => {
            proxied.push(request.url!)
            const [host, port] = request.url!.split(":") as [string, string]
            const target = net.connect(Number(port), host, () => {
              client.write("HTTP/1.1 200 OK\r\n\r\n")
              client.pipe(target).pipe(client)
            })
            target.on(
              "error",
              () => client.end("HTTP/1.1 502 Bad Gateway\r\nProxy-Status: p; error=connection_refused\r\n\r\n")
            )
            client.on("error", () => target.destroy())
          })
          await once(server.listen(0, "127.0.0.1"), "listening")
          return server
        }),
        (server) => Effect.promise(() => new Promise((resolve) => server.close(resolve)))
      )
      const { port } = proxy.address() as net.AddressInfo
      const through = Connector.winsock.pipe(Connector.via(Proxy.http({ address: `127.0.0.1:${port}` })))
      const { url } = yield* serve(echo)
      const get = (url: string) => Effect.flatMap(HttpClient.get(url), (response) => response.text)
      const layer = Layer.provide(clientOf({ http: through }), NodeConnector.layer)
      assert.strictEqual(yield* Effect.provide(get(url), layer), "")
      const refused = yield* refusing
      const error = yield* Effect.provide(failure(get(refused)), layer)
      assert.instanceOf(error, WsaError.WSAECONNREFUSED)
      assert.strictEqual(error.stage, "proxy")
      assert.deepStrictEqual(proxied, [url, refused].map((url) => new URL(url).host))
    })))
})
