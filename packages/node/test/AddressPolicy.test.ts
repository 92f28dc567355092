import { AddressPolicy, Connector, Proxy, RetryPolicy, SocketAddress } from "@effect-winsock/core"
import { NodeConnector } from "@effect-winsock/node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { AddressResolver, Dns, NetAddress } from "effect/net"
import { once } from "node:events"
import * as net from "node:net"
import { leavingNothing } from "./utils/leaks.ts"

const at = SocketAddress.fromInputUnsafe

/** Listens on one port of every address, and counts who comes, to each. */
const listeners = (...addresses: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const came = Object.fromEntries(addresses.map((address) => [address, 0]))
    const listen = async (address: string, port: number) => {
      const server = net.createServer((socket) => {
        came[address]!++
        socket.on("error", () => {}).end()
      })
      server.listen(port, address)
      await once(server, "listening")
      return server
    }
    const close = (servers: ReadonlyArray<net.Server>) =>
      Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    // a port that is free on one address may be taken on another
    const all = Effect.tryPromise(async () => {
      const servers: Array<net.Server> = []
      try {
        for (const address of addresses) {
          servers.push(await listen(address, servers.length === 0 ? 0 : portOf(servers[0]!)))
        }
        return servers
      } catch (error) {
        await close(servers)
        throw error
      }
    })
    const servers = yield* Effect.acquireRelease(
      Effect.orDie(Effect.retry(all, { times: 10 })),
      (servers) => Effect.promise(() => close(servers))
    )
    return { came, port: portOf(servers[0]!) }
  })

const portOf = (server: net.Server) => (server.address() as net.AddressInfo).port

/** Answers each look-up with the next of these. */
const answering = (...answers: ReadonlyArray<ReadonlyArray<string>>) => {
  let asked = 0
  const lookup = (family: NetAddress.IpFamily) => {
    const answer = answers[Math.min(Math.trunc(asked++ / 2), answers.length - 1)]!
    return answer.map((one) => NetAddress.ipFromStringUnsafe(one)).filter((one) => NetAddress.familyOf(one) === family)
  }
  const dns = Layer.succeed(
    Dns.Dns,
    Dns.make({
      lookup: (hostname, family) =>
        Effect.suspend(() => {
          const found = lookup(family!)
          return found.length > 0
            ? Effect.succeed(found)
            : Effect.fail(new Dns.DnsError({ reason: "NotFound", method: "lookup", hostname }))
        })
    })
  )
  return Layer.merge(NodeConnector.layer, AddressResolver.layer().pipe(Layer.provide(dns)))
}

const one = AddressPolicy.make({
  name: "one",
  rules: [AddressPolicy.allow("the one", { networks: ["127.0.0.1/32"] })],
  otherwise: "deny"
})

const named = Connector.winsock.pipe(Connector.happyEyeballs(), Connector.resolve())

describe("address policies, live", () => {
  it.live("nobody comes to what is denied, whatever form leads there", () =>
    leavingNothing(Effect.scoped(Effect.gen(function*() {
      const { came, port } = yield* listeners("127.0.0.1", "127.0.0.2", "::1")
      const guarded = named.pipe(Connector.addressPolicy(AddressPolicy.publicOnly))
      for (
        const [target, ...answers] of [
          [`127.0.0.1:${port}`],
          [`[::1]:${port}`],
          [`[::ffff:127.0.0.1]:${port}`],
          [`[::ffff:7f00:2]:${port}`],
          [`http://127.1:${port}/`],
          [`http://0x7f.1:${port}/`],
          [`http://2130706433:${port}/`],
          [`http://[::ffff:127.0.0.1]:${port}/`],
          [`http://0:${port}/`],
          [`evil.example:${port}`, "127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"],
          [`evil.example:${port}`, "64:ff9b::7f00:1", "2002:7f00:1::1", "::127.0.0.1"],
          ["unix:/run/dbus/system_bus_socket"]
        ] as const
      ) {
        const error = yield* Effect.flip(Effect.scoped(guarded.connect(target))).pipe(
          Effect.provide(answering(answers))
        )
        assert.strictEqual(error._tag, "WSAEACCES", target)
      }
      for (const target of [`127.1:${port}`, `0x7f000001:${port}`, `017700000001:${port}`]) {
        const error = yield* Effect.flip(Effect.scoped(guarded.connect(target))).pipe(Effect.provide(answering([])))
        assert.strictEqual(error._tag, "WSAEINVAL", target)
      }
      const local = yield* Effect.flip(Effect.scoped(guarded.connect(`localhost:${port}`))).pipe(
        Effect.provide(NodeConnector.layer)
      )
      assert.strictEqual(local._tag, "WSAEACCES")
      assert.deepStrictEqual(came, { "127.0.0.1": 0, "127.0.0.2": 0, "::1": 0 })
    }))))

  it.live("somebody comes to the address that is allowed, and nobody to the other one of a race", () =>
    leavingNothing(Effect.scoped(Effect.gen(function*() {
      const { came, port } = yield* listeners("127.0.0.1", "127.0.0.2", "::1")
      const guarded = named.pipe(Connector.addressPolicy(one))
      for (let i = 0; i < 5; i++) {
        yield* Effect.scoped(Effect.flatMap(guarded.connect(`both.example:${port}`), ({ read }) => read)).pipe(
          Effect.provide(answering(["127.0.0.2", "::1", "127.0.0.1"]))
        )
      }
      assert.deepStrictEqual(came, { "127.0.0.1": 5, "127.0.0.2": 0, "::1": 0 })
    }))))

  it.live("a name that stands for something else at the next look-up leads nowhere", () =>
    leavingNothing(Effect.scoped(Effect.gen(function*() {
      const { came, port } = yield* listeners("127.0.0.2")
      const policy = RetryPolicy.byCode({ WSAECONNREFUSED: Schedule.recurs(3) })
      const guarded = named.pipe(Connector.retry(policy), Connector.addressPolicy(one))
      const error = yield* Effect.flip(Effect.scoped(guarded.connect(`evil.example:${port}`))).pipe(
        Effect.provide(answering(["127.0.0.1"], ["127.0.0.2"]))
      )
      // the first address refuses, and the second one is not allowed
      assert.strictEqual(error._tag, "WSAEACCES")
      assert.include(error.detail, "the rule \"otherwise\" of the address policy \"one\" denies 127.0.0.2")
      assert.deepStrictEqual(came, { "127.0.0.2": 0 })
    }))))

  it.live("a proxy is not called for what is denied, nor where it is denied itself", () =>
    leavingNothing(Effect.scoped(Effect.gen(function*() {
      const { came, port } = yield* listeners("127.0.0.1", "127.0.0.2")
      for (const make of [Proxy.socks5, Proxy.http]) {
        const through = (address: string) =>
          Connector.winsock.pipe(
            Connector.via(make({ address: `${address}:${port}` })),
            Connector.addressPolicy(one)
          )
        for (
          const [proxy, target] of [["127.0.0.1", "127.0.0.2:80"], ["127.0.0.2", "127.0.0.1:80"]] as const
        ) {
          const error = yield* Effect.flip(Effect.scoped(through(proxy).connect(Connector.endpoint(at(target))))).pipe(
            Effect.provide(NodeConnector.layer)
          )
          assert.strictEqual(error._tag, "WSAEACCES")
        }
      }
      assert.deepStrictEqual(came, { "127.0.0.1": 0, "127.0.0.2": 0 })
    }))))

  it.live("a layer holds for a pipeline that knows nothing of it", () =>
    leavingNothing(Effect.scoped(Effect.gen(function*() {
      const { came, port } = yield* listeners("127.0.0.1", "127.0.0.2")
      const tags = yield* Effect.forEach(
        ["127.0.0.1", "127.0.0.2"],
        (address) =>
          Effect.match(Effect.scoped(Effect.flatMap(named.connect(`${address}:${port}`), ({ read }) => read)), {
            onFailure: ({ _tag }) => _tag,
            onSuccess: () => "connected"
          })
      ).pipe(Effect.provide([NodeConnector.layer, AddressPolicy.layer(one)]))
      assert.deepStrictEqual(tags, ["connected", "WSAEACCES"])
      assert.deepStrictEqual(came, { "127.0.0.1": 1, "127.0.0.2": 0 })
    }))))
})
