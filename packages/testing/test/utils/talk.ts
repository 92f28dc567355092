import type { Connection } from "@effect-winsock/core"
import { Winsock } from "@effect-winsock/core"
import { Effect } from "effect"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Says a line, and gives the line that is answered; `undefined` where the peer has ended its direction. */
export const ask = <E>(connection: Connection.Connection<E>, line: string) =>
  Effect.gen(function*() {
    yield* connection.write(encoder.encode(`${line}\n`))
    let text = ""
    while (!text.endsWith("\n")) {
      const bytes = yield* connection.read
      if (bytes.length === 0) return undefined
      text += decoder.decode(bytes)
    }
    return text.slice(0, -1)
  })

/** What a server does with a line: the line to answer, or a special answer. */
export type Answering = (line: string, nth: number) => Effect.Effect<string | "hang up" | "say nothing">

/** Serves lines on an address, until the scope ends. */
export const serving = (address: string, answering: Answering, served = { accepted: 0 }) =>
  Effect.gen(function*() {
    const listener = yield* Winsock.socket({ family: address.startsWith("[") ? "IPv6" : "IPv4", type: "stream" })
    yield* Winsock.bind(listener, address)
    yield* Winsock.listen(listener)
    const bound = yield* Winsock.getsockname(listener)
    const one = Effect.gen(function*() {
      const { socket } = yield* Winsock.accept(listener)
      const nth = ++served.accepted
      const talk = Effect.gen(function*() {
        let text = ""
        for (;;) {
          const bytes = yield* Winsock.recv(socket)
          if (bytes.length === 0) return
          text += decoder.decode(bytes)
          for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n")) {
            const answer = yield* answering(text.slice(0, end), nth)
            text = text.slice(end + 1)
            if (answer === "hang up") return
            if (answer !== "say nothing") yield* Winsock.send(socket, encoder.encode(`${answer}\n`))
          }
        }
      })
      yield* Effect.forkChild(Effect.ensuring(Effect.ignore(talk), Effect.ignore(Winsock.closesocket(socket))))
    })
    yield* Effect.forkScoped(Effect.forever(one), { startImmediately: true })
    return bound
  })

export const echo: Answering = (line) => Effect.succeed(`${line}!`)
