/** Options, flags and commands of the calls, and the rows that need them. */
import * as Winsock from "@effect-winsock/core/Winsock"
import * as Fiber from "effect/Fiber"
import * as F from "./frame.ts"

const lent = [
  ...F.each("R27", F.families, "bytes lent to a function are those of the stream, and no bytes are its end", function*(
    family
  ) {
    const { client, server } = yield* F.pair(family)
    const copy = (lent: Uint8Array) => new Uint8Array(lent)
    const waiting = yield* F.begin(Winsock.recvLent(server, copy, 3))
    yield* Winsock.send(client, F.text("abcdef"))
    yield* F.equal("a call that waits", yield* Fiber.join(waiting), F.text("abc"))
    yield* F.equal("what waits for a call", yield* Winsock.recvLent(server, copy, 2), F.text("de"))
    yield* F.receives("the rest", server, F.text("f"))
    yield* Winsock.shutdown(client, "send")
    yield* F.equal("the end", yield* Winsock.recvLent(server, copy), new Uint8Array(0))
    yield* F.equal("the end for good", yield* Winsock.recvLent(server, copy), new Uint8Array(0))
  }),
  ...F.each("R27", F.inet, "datagrams are lent whole, or fail with WSAEMSGSIZE and their head", function*(family) {
    const { address, socket } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    const copy = (lent: Uint8Array) => new Uint8Array(lent)
    const waiting = yield* F.begin(Winsock.recvLent(socket, copy))
    yield* Winsock.sendto(s, F.text("first"), address)
    yield* F.equal("a call that waits", yield* Fiber.join(waiting), F.text("first"))
    yield* Winsock.sendto(s, F.text("second"), address)
    yield* Winsock.sendto(s, F.text("third"), address)
    const error = yield* F.fails("one that is too long", "WSAEMSGSIZE", Winsock.recvLent(socket, copy, 3))
    yield* F.equal("its head", "head" in error ? error.head : undefined, F.text("sec"))
    yield* F.equal("the next one", yield* Winsock.recvLent(socket, copy), F.text("third"))
  })
]

export const optionRows: ReadonlyArray<F.Case> = [...lent]
