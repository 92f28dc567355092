// A race: a name with three addresses, of which one may not be used, one is dead, and one works.
//
//   node examples/cookbook/race.ts
//
// Where names come from is a layer as well. Here it is a table of our own, so that both worlds know the same ones.
import { AddressPolicy, Connector, SocketAddress, Winsock } from "@effect-winsock/core"
import { Effect, Layer } from "effect"
import { AddressResolver, Dns } from "effect/net"
import { inBoth } from "./worlds.ts"

const names = AddressResolver.layer().pipe(
  Layer.provide(Dns.layerStatic({ hosts: { "db.example": ["127.0.0.3", "127.0.0.2", "127.0.0.1"] } }))
)

const policy = AddressPolicy.make({
  name: "ours",
  rules: [AddressPolicy.deny("retired", { networks: ["127.0.0.3/32"] })],
  otherwise: "allow"
})

const connector = Connector.winsock.pipe(
  Connector.attemptTimeout("2 seconds"),
  Connector.happyEyeballs(),
  // the order of the table, not that of RFC 6724
  Connector.resolve({ sort: false }),
  Connector.addressPolicy(policy),
  Connector.timeout("10 seconds")
)

const listening = Effect.gen(function*() {
  const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
  yield* Winsock.bind(listener, "127.0.0.1:0")
  yield* Winsock.listen(listener)
  return SocketAddress.portOf(yield* Winsock.getsockname(listener))
})

/** What happens, drawn as a waterfall. */
export const program = Effect.gen(function*() {
  const port = yield* listening
  return `\n${yield* Connector.explain(connector, `db.example:${port}`)}\n`
}).pipe(Effect.scoped, Effect.provide(names))

if (import.meta.main) await inBoth(program)
