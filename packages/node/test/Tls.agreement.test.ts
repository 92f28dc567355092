// The same handshakes by OpenSSL and by the model of the simulator: the same options, and the same certificates as far as a
// test can tell. Whoever judges has to come to the same judgement. What the other side hears of it is compared where Node
// says it at all: it sends no alert where it does not trust a certificate.
import { Connection, Connector, Tls, Winsock } from "@effect-winsock/core"
import { NodeTls, NodeWinsock } from "@effect-winsock/node"
import { Sim, SimNetwork, SimTls } from "@effect-winsock/testing"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { DateTime, Effect, Exit, Fiber, Layer, Redacted } from "effect"
import { Certificates, type Pair } from "./utils/certificates.ts"
import { find } from "./utils/servers.ts"

const kinds = ["good", "expired", "early", "stranger", "self", "elsewhere"] as const
type Kind = (typeof kinds)[number]

interface World {
  readonly ca: string
  readonly identities: { readonly [K in Kind]: Tls.Identity }
}

interface Scene {
  readonly title: string
  /** Who judges: only what that side says is compared. */
  readonly judge: "client" | "server" | "both"
  readonly client?: Omit<Tls.ConnectOptions, "identity" | "ca"> & { readonly identity?: Kind }
  readonly server?: Omit<Tls.AcceptOptions, "identity" | "ca"> & { readonly identity?: Kind }
}

const judged: ReadonlyArray<Scene> = [
  { title: "good", judge: "both" },
  ...kinds.slice(1).map((identity): Scene => ({
    title: `a server that is ${identity}`,
    judge: "client",
    server: { identity }
  })),
  ...kinds.map((identity): Scene => ({
    title: `any server: ${identity}`,
    judge: "both",
    client: { dangerouslyAcceptAnyCertificate: true },
    server: { identity }
  })),
  ...kinds.map((identity): Scene => ({
    title: `a client that is ${identity}`,
    judge: identity === "good" || identity === "elsewhere" ? "both" : "server",
    client: { identity },
    server: { clientCertificate: "require" }
  })),
  { title: "a client that is nobody", judge: "both", server: { clientCertificate: "require" } },
  { title: "a client that is asked and says nothing", judge: "both", server: { clientCertificate: "request" } },
  { title: "a client that is not asked", judge: "both", client: { identity: "good" } },
  { title: "a protocol of both", judge: "both", client: { alpn: ["x", "h2"] }, server: { alpn: ["h2", "x"] } },
  { title: "no protocol of both", judge: "both", client: { alpn: ["x"] }, server: { alpn: ["h2"] } },
  { title: "protocols of the client only", judge: "both", client: { alpn: ["x"] } },
  { title: "protocols of the server only", judge: "both", server: { alpn: ["x"] } },
  { title: "an address that is meant", judge: "client", client: { serverName: "127.0.0.1" } },
  { title: "another address that is meant", judge: "client", client: { serverName: "127.0.0.2" } },
  { title: "another name that is meant", judge: "client", client: { serverName: "example.org" } },
  { title: "nobody that is meant", judge: "client", client: { serverName: undefined } }
]

const under = (version: Tls.Version) =>
  judged.map(({ client, judge, server, title }): Scene => ({
    judge,
    title: `${version}: ${title}`,
    server: { ...server, maxVersion: version },
    client: { serverName: "localhost", ...client }
  }))

const scenes: ReadonlyArray<Scene> = [
  ...under("TLSv1.2"),
  ...under("TLSv1.3"),
  {
    title: "a server that is too old",
    judge: "both",
    client: { minVersion: "TLSv1.3" },
    server: { maxVersion: "TLSv1.2" }
  },
  {
    title: "a server that is too new",
    judge: "both",
    client: { maxVersion: "TLSv1.2" },
    server: { minVersion: "TLSv1.3" }
  }
]

/** What is compared: of sessions what was settled, of errors what a program can decide by. */
const told = (exit: Exit.Exit<Tls.Session, unknown>) => {
  if (Exit.isSuccess(exit)) {
    const { alpn, certificate, protocol, reused, serverName, verified } = exit.value
    return { protocol, alpn, reused, serverName, verified, names: certificate?.names.slice(0, 2) }
  }
  const reason = exit.cause.reasons[0]
  if (reason?._tag !== "Fail") return reason?._tag
  const { _tag, alert, expected, names, stage, why } = reason.error as { readonly [key: string]: unknown }
  return { _tag, stage, why, alert, expected, names: Array.isArray(names) ? names.slice(0, 2) : names }
}

const play = ({ ca, identities }: World, { client = {}, server = {} }: Scene) =>
  Effect.gen(function*() {
    const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
    yield* Winsock.bind(listener, "127.0.0.1:0")
    yield* Winsock.listen(listener)
    const tls = yield* Tls.Tls
    const serving = yield* Effect.forkChild(Effect.scoped(Effect.gen(function*() {
      const under = Connection.fromAccepted(yield* Winsock.accept(listener))
      const asked = { ...server, ca, identity: identities[server.identity ?? "good"] }
      const connection = yield* tls.accept(under, asked)
      yield* connection.write(yield* connection.read)
      yield* connection.read
      return connection.tls
    })))
    const address = yield* Winsock.getsockname(listener)
    const asking = yield* Effect.exit(Effect.scoped(Effect.gen(function*() {
      const under = yield* Connector.winsock.connect(Connector.endpoint(address))
      const { identity, ...rest } = client
      const asked = { ...rest, ca, ...(identity === undefined ? {} : { identity: identities[identity] }) }
      const connection = yield* tls.connect(under, asked)
      yield* connection.write(new Uint8Array(1))
      yield* connection.read
      yield* connection.end
      return connection.tls
    })))
    return { client: told(asking), server: told(yield* Fiber.await(serving)) }
  }).pipe(Effect.scoped)

const simulated = (scene: Scene) =>
  Effect.gen(function*() {
    const now = yield* DateTime.now
    const on = (days: number) => DateTime.add(now, { days })
    const names = ["localhost", "127.0.0.1"]
    const authority = SimTls.authority("Authority")
    const world: World = {
      ca: authority.cert,
      identities: {
        good: authority.issue({ names }),
        expired: authority.issue({ names, notBefore: on(-9), notAfter: on(-2) }),
        early: authority.issue({ names, notBefore: on(2), notAfter: on(9) }),
        stranger: SimTls.authority("Stranger").issue({ names }),
        self: SimTls.selfSigned({ names }),
        elsewhere: authority.issue({ names: ["example.com"] })
      }
    }
    return yield* play(world, scene)
  }).pipe(Effect.provide(Layer.merge(SimNetwork.layer(), SimTls.layer())))

describe.skipIf(find("openssl") === undefined)("NodeTls and SimTls", () => {
  let made: Certificates
  let world: World
  beforeAll(() => {
    made = new Certificates()
    const identityOf = ({ cert, key }: Pair): Tls.Identity => ({ cert, key: Redacted.make(key) })
    const names = "DNS:localhost,IP:127.0.0.1"
    world = {
      ca: made.ca.cert,
      identities: {
        good: identityOf(made.issued({ names })),
        expired: identityOf(made.issued({ names, from: -9, to: -2 })),
        early: identityOf(made.issued({ names, from: 2, to: 9 })),
        stranger: identityOf(made.issued({ names }, made.stranger)),
        self: identityOf(made.selfSigned(names)),
        elsewhere: identityOf(made.issued({ names: "DNS:example.com" }))
      }
    }
  })
  afterAll(() => made.remove())

  const seen = new Set<string>()
  for (const scene of scenes) {
    it.live(`come to the same judgement: ${scene.title}`, () =>
      Effect.gen(function*() {
        const live = yield* play(world, scene).pipe(Effect.provide(Layer.merge(NodeWinsock.layer, NodeTls.layer)))
        const model = Sim.getOrThrow(Sim.run(simulated(scene)))
        for (const end of [live.client, live.server]) {
          seen.add(typeof end === "object" && "_tag" in end ? String(end._tag) : "through")
        }
        if (scene.judge !== "server") assert.deepStrictEqual(model.client, live.client, "the client")
        if (scene.judge !== "client") assert.deepStrictEqual(model.server, live.server, "the server")
      }))
  }

  it("come to all judgements that there are", () => {
    for (
      const tag of [
        "through",
        "TlsExpired",
        "TlsUntrusted",
        "TlsNameMismatch",
        "TlsProtocol",
        "TlsAlert",
        "TlsBadOption"
      ]
    ) assert.isTrue(seen.has(tag), tag)
  })
})
