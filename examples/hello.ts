// What a connect can say beside "connect": who calls, and which quality of service the flow is to have.
//
//   node examples/hello.ts             on Node's sockets, and once more on the simulated network
//
// The program is the same in both worlds, and so is what carries the data: the exchange of ConnectData, since TCP has no
// place for it. What differs is what was done of the quality of service, and each world says so itself.
import { ConnectData, Qos, UserData, Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { Sim, SimNetwork } from "@effect-winsock/testing"
import { Console, Effect, Layer, Schema } from "effect"

/** What a caller says of itself, and what it is told, typed on both sides. */
class Hello extends UserData.Exchange<Hello>()("Hello", {
  caller: Schema.Struct({ tenant: Schema.String }),
  callee: Schema.Struct({ session: Schema.Int }),
  calleeCapacity: 256
}) {}

/** Takes callers of one tenant, and numbers them. */
const serve = (listener: Winsock.Socket) =>
  Effect.gen(function*() {
    let sessions = 0
    const accept = Winsock.WSAAccept(
      listener,
      Hello.condition(({ tenant }) =>
        tenant === "acme" ? Hello.accept({ session: ++sessions }) : Effect.succeed(Winsock.CF_REJECT)
      )
    )
    yield* Effect.forkScoped(Effect.forever(Effect.ignore(accept)))
  })

const socket = Winsock.socket({ family: "IPv4", type: "stream" })

/** A server, for as long as the scope lasts. */
export const server = Effect.gen(function*() {
  const listener = yield* socket
  yield* Winsock.bind(listener, "127.0.0.1:0")
  yield* Winsock.listen(listener)
  yield* serve(listener)
  return yield* Winsock.getsockname(listener)
})

const done = ({ marked, reserved, shaped }: Qos.AppliedFlow): string =>
  [
    marked === undefined ? undefined : `marked ${marked}`,
    shaped === undefined ? undefined : `shaped to ${shaped.tokenRate} bytes/s`,
    reserved === undefined ? undefined : `${reserved.rate} bytes/s reserved`
  ].filter((part) => part !== undefined).join(", ")

/** Calls the server as a tenant, and says what came of it. */
export const hello = (tenant: string) =>
  Effect.gen(function*() {
    const address = yield* server
    const s = yield* socket
    const connected = yield* Winsock.WSAConnect(s, address)
    const { session } = yield* Hello.callee(connected)
    return `"${tenant}" has session ${session}; ${done(connected.applied.sending)}`
  }).pipe(
    Effect.provide(Layer.mergeAll(
      Hello.layer({ tenant }),
      Qos.layer({ sending: { serviceType: "controlledLoad", tokenRate: 64_000, tokenBucketSize: 4000 } })
    ))
  )

const program = Effect.gen(function*() {
  yield* Console.log(yield* hello("acme"))
  yield* hello("evil").pipe(
    Effect.flatMap(Console.log),
    Effect.catchTag("WSAECONNREFUSED", (error) => Console.log(`"evil": ${error._tag} ${error.number}`))
  )
}).pipe(Effect.scoped)

const carried = Layer.provide(ConnectData.layerExchange())

if (import.meta.main) {
  await Effect.runPromise(Effect.provide(program, carried(NodeWinsock.layer)))
  const network = SimNetwork.layer({ loopback: { latency: "2 millis", reservable: 1_000_000 } })
  Sim.getOrThrow(Sim.run(Effect.provide(program, carried(network))))
}
