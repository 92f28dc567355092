import { Winsock } from "@effect-winsock/core"
import { Effect } from "effect"

/** Listens on port 7, and sends back what each caller sends, until it ends. */
export const echo = Effect.gen(function*() {
  const listener = yield* Winsock.socket({ family: "IPv4", type: "stream" })
  yield* Winsock.bind(listener, "0.0.0.0:7")
  yield* Winsock.listen(listener)
  return yield* Effect.forever(Effect.gen(function*() {
    const { socket } = yield* Winsock.accept(listener)
    yield* Effect.forkScoped(
      Effect.gen(function*() {
        for (let got = yield* Winsock.recv(socket); got.length > 0; got = yield* Winsock.recv(socket)) {
          yield* Winsock.send(socket, got)
        }
      }).pipe(Effect.ignore, Effect.andThen(Effect.ignore(Winsock.closesocket(socket))))
    )
  }))
})
