/** Options, flags and commands of the calls, and the rows that need them. */
import * as SocketAddress from "@effect-winsock/core/SocketAddress"
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

const peek = [
  ...F.each("A08", F.families, "MSG_PEEK looks without taking, also where it waits", function*(family) {
    const { client, server } = yield* F.pair(family)
    const waiting = yield* F.begin(Winsock.recv(server, 3, Winsock.MSG_PEEK))
    const behind = yield* F.begin(Winsock.recv(server, 2))
    yield* Winsock.send(client, F.text("abcdef"))
    yield* F.equal("what a call sees that waits", yield* Fiber.join(waiting), F.text("abc"))
    yield* F.equal("what the call behind it takes", yield* Fiber.join(behind), F.text("ab"))
    const buffer = new Uint8Array(2)
    yield* F.equal("how much it sees", yield* Winsock.recv(server, buffer, Winsock.MSG_PEEK), 2)
    yield* F.equal("what it sees", buffer, F.text("cd"))
    yield* F.equal("the rest, once more", yield* Winsock.recv(server, 100, Winsock.MSG_PEEK), F.text("cdef"))
    yield* F.receives("the rest", server, F.text("cdef"))
    yield* F.nonBlocking(server)
    yield* F.fails("nothing there", "WSAEWOULDBLOCK", Winsock.recv(server, 1, Winsock.MSG_PEEK))
    yield* F.blocking(server)
    yield* Winsock.shutdown(client, "send")
    yield* F.equal("the end", (yield* Winsock.recv(server, 1, Winsock.MSG_PEEK)).length, 0)
    yield* F.equal("the end for good", (yield* Winsock.recv(server)).length, 0)
  }),
  ...F.each("A08", F.inet, "an unknown flag is WSAEINVAL, MSG_OOB and MSG_WAITALL WSAEOPNOTSUPP", function*(family) {
    const { client } = yield* F.pair(family)
    yield* F.fails("MSG_OOB", "WSAEOPNOTSUPP", Winsock.recv(client, 1, 1))
    yield* F.fails("MSG_OOB with MSG_PEEK", "WSAEOPNOTSUPP", Winsock.recvfrom(client, 1, 1 | Winsock.MSG_PEEK))
    yield* F.fails("MSG_WAITALL", "WSAEOPNOTSUPP", Winsock.recv(client, 1, 8))
    yield* F.fails("a flag of a send", "WSAEINVAL", Winsock.recv(client, 1, 4))
    yield* F.fails("a flag that nobody has", "WSAEINVAL", Winsock.recvfrom(client, 1, 0x4000 | 1))
    yield* F.fails("no number", "WSAEINVAL", Winsock.recv(client, 1, F.anything("peek")))
    yield* Winsock.closesocket(client)
    yield* F.fails("what comes before it", "WSAENOTSOCK", Winsock.recv(client, 1, 4))
  }),
  ...F.each("A09", F.inet, "MSG_PEEK leaves a datagram, also one that is too long", function*(family) {
    const { address, socket } = yield* F.bound(family, "datagram")
    const s = yield* F.make(family, "datagram")
    const waiting = yield* F.begin(Winsock.recvfrom(socket, 16, Winsock.MSG_PEEK))
    yield* Winsock.sendto(s, F.text("first"), address)
    const seen = yield* Fiber.join(waiting)
    yield* F.equal("what it sees", seen.bytes, F.text("first"))
    yield* F.equal("whose it is", SocketAddress.portOf(seen.from), yield* F.portOf(s))
    seen.bytes.fill(0)
    yield* Winsock.sendto(s, F.text("second"), address)
    const buffer = new Uint8Array(3)
    const peeked = yield* F.fails("too long", "WSAEMSGSIZE", Winsock.recv(socket, buffer, Winsock.MSG_PEEK))
    yield* F.equal("its head", "head" in peeked ? peeked.head : undefined, F.text("fir"))
    yield* F.nextIs("the first is still there", socket, "first")
    yield* F.nextIs("the second", socket, "second")
  })
]

export const optionRows: ReadonlyArray<F.Case> = [...lent, ...peek]
