import { type SocketAddress, Winsock } from "@effect-winsock/core"
import { Effect } from "effect"

const stream = { family: "IPv4", type: "stream" } as const

/** A client that is connected to a server, on any port or on this one. */
export const pairAt = (address: SocketAddress.Input) =>
  Effect.gen(function*() {
    const listener = yield* Winsock.socket(stream)
    yield* Winsock.bind(listener, address)
    yield* Winsock.listen(listener)
    const client = yield* Winsock.socket(stream)
    yield* Winsock.WSAConnect(client, yield* Winsock.getsockname(listener))
    const { socket: server } = yield* Winsock.accept(listener)
    return { listener, client, server }
  })

export const pair = pairAt("127.0.0.1:0")
