import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { ByteQueue, MessageQueue } from "../../src/internal/queue.ts"
import { at, failure, pick } from "../utils/machines.ts"

const property = { arbitrary: { runs: Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200), seed: "queue" } }

const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)
const peer = at("192.0.2.1:80")

describe("ByteQueue", () => {
  it("R27: keeps a copy of what is lent, and never changes what it handed out", () => {
    const queue = new ByteQueue()
    const lent = bytes(1, 2, 3)
    queue.push(lent)
    lent.fill(9)
    const taken = queue.take(10)
    assert.deepStrictEqual(taken, bytes(1, 2, 3))
    queue.push(bytes(4, 5, 6))
    const head = queue.take(1)
    const target = new Uint8Array(2)
    assert.strictEqual(queue.takeInto(target), 2)
    target.fill(9)
    assert.deepStrictEqual([taken, head], [bytes(1, 2, 3), bytes(4)])
  })

  it("A08: no bytes are nothing that waits, so a take never looks like an end while bytes wait", () => {
    const queue = new ByteQueue()
    queue.push(bytes())
    assert.strictEqual(queue.length, 0)
    queue.push(bytes(1))
    assert.deepStrictEqual(queue.take(10), bytes(1))
    assert.deepStrictEqual(queue.take(10), bytes())
  })

  it("takeInto fills across pieces, take gives one piece at a time", () => {
    const queue = new ByteQueue()
    queue.push(bytes(1, 2, 3))
    queue.push(bytes(4, 5))
    const target = new Uint8Array(4)
    assert.strictEqual(queue.takeInto(target), 4)
    assert.deepStrictEqual(target, bytes(1, 2, 3, 4))
    assert.strictEqual(queue.length, 1)
    assert.deepStrictEqual(queue.take(10), bytes(5))
    assert.strictEqual(queue.takeInto(target), 0)
  })

  it("R27: lend gives the bytes as they lie there, one piece at a time, and takes them", () => {
    const queue = new ByteQueue()
    queue.push(bytes(1, 2, 3))
    queue.push(bytes(4))
    assert.deepStrictEqual(queue.lend(2), bytes(1, 2))
    assert.deepStrictEqual(queue.lend(Infinity), bytes(3))
    assert.strictEqual(queue.length, 1)
    assert.deepStrictEqual(queue.lend(Infinity), bytes(4))
    assert.deepStrictEqual(queue.lend(Infinity), bytes())
  })

  it("A08: peekInto shows what takeInto would give, across pieces and from the middle of one", () => {
    const queue = new ByteQueue()
    queue.push(bytes(1, 2, 3))
    queue.push(bytes(4, 5))
    queue.take(1)
    const target = new Uint8Array(3)
    assert.strictEqual(queue.peekInto(target), 3)
    assert.deepStrictEqual(target, bytes(2, 3, 4))
    const roomy = new Uint8Array(9)
    assert.strictEqual(queue.peekInto(roomy), 4)
    assert.deepStrictEqual(roomy.subarray(0, 5), bytes(2, 3, 4, 5, 0))
    assert.strictEqual(queue.length, 4)
    assert.strictEqual(queue.takeInto(roomy), 4)
  })

  it("A15: firstSize is the length of the first datagram, whatever was reported before it", () => {
    const queue = new MessageQueue({ messages: 4, bytes: 100 })
    assert.strictEqual(queue.firstSize(), 0)
    queue.report(failure("WSAECONNRESET"))
    assert.strictEqual(queue.firstSize(), 0)
    queue.push(bytes(1, 2, 3), peer)
    queue.push(bytes(4), peer)
    assert.strictEqual(queue.firstSize(), 3)
    queue.shift()
    queue.shift()
    assert.strictEqual(queue.firstSize(), 1)
  })

  it("R27: bytes that are borrowed can be taken as they lie there, and what is left of them is kept as a copy", () => {
    const queue = new ByteQueue()
    queue.push(bytes(1))
    const lent = bytes(2, 3, 4, 5, 6)
    queue.borrow(lent)
    assert.strictEqual(queue.length, 6)
    assert.deepStrictEqual([queue.take(9), queue.lend(1)], [bytes(1), bytes(2)])
    assert.strictEqual(queue.lend(1).buffer, lent.buffer)
    const owned = queue.take(1)
    queue.keep()
    lent.fill(9)
    assert.deepStrictEqual([owned, queue.take(9)], [bytes(4), bytes(5, 6)])
    queue.keep()
    assert.strictEqual(queue.length, 0)
  })

  it("R27: a borrowed piece is never handed out to be kept, be it its whole buffer or one whose slice is no copy", () => {
    for (const lent of [bytes(1, 2, 3), Buffer.from([1, 2, 3])]) {
      const queue = new ByteQueue()
      queue.borrow(lent)
      const [part, rest] = [queue.take(1), queue.take(9)]
      queue.borrow(lent)
      const whole = queue.take(9)
      queue.borrow(lent)
      queue.clear()
      queue.keep()
      assert.strictEqual(queue.length, 0)
      lent.fill(9)
      assert.deepStrictEqual([part, rest, whole], [bytes(1), bytes(2, 3), bytes(1, 2, 3)])
    }
  })

  it("clear leaves nothing, not even the rest of a piece", () => {
    const queue = new ByteQueue()
    queue.push(bytes(1, 2, 3))
    queue.take(1)
    queue.clear()
    assert.strictEqual(queue.length, 0)
    queue.push(bytes(7, 8))
    assert.deepStrictEqual(queue.take(10), bytes(7, 8))
  })

  const size = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 })))
  const steps = Arbitrary.array(
    Arbitrary.all({ does: pick(["push", "borrow", "borrow", "keep", "take", "takeInto"]), size }),
    { maxLength: 40 }
  )

  it.prop("A08: gives every byte once, in order, whatever the pieces", [steps], ([steps]) => {
    const queue = new ByteQueue()
    let pushed = 0
    let taken = 0
    const expect = (got: Uint8Array) => {
      for (const byte of got) assert.strictEqual(byte, taken++ % 255)
    }
    let lent = bytes()
    const giveBack = () => {
      queue.keep()
      lent.fill(255)
    }
    for (const { does, size } of steps) {
      if (does === "keep") giveBack()
      else if (does === "push" || does === "borrow") {
        giveBack()
        lent = Uint8Array.from({ length: size }, () => pushed++ % 255)
        queue[does](lent)
      } else if (does === "take") {
        const got = queue.take(size)
        assert.isAtMost(got.length, size)
        if (size > 0 && taken < pushed) assert.isAbove(got.length, 0)
        expect(got)
      } else {
        const target = new Uint8Array(size)
        const filled = queue.takeInto(target)
        assert.strictEqual(filled, Math.min(size, pushed - taken))
        expect(target.subarray(0, filled))
      }
      assert.strictEqual(queue.length, pushed - taken)
    }
  }, property)
})

describe("MessageQueue", () => {
  const make = () => new MessageQueue({ messages: 3, bytes: 10 })

  it("R27: keeps a copy of what is lent", () => {
    const queue = make()
    const lent = bytes(1)
    queue.push(lent, peer)
    lent.fill(9)
    assert.deepStrictEqual(queue.shift(), { _tag: "Datagram", bytes: bytes(1), from: peer })
    assert.isUndefined(queue.shift())
  })

  it("drops what does not fit, by number and by bytes, and keeps the order", () => {
    const queue = make()
    for (let i = 0; i < 5; i++) queue.push(bytes(i), peer)
    assert.deepStrictEqual([queue.length, queue.credit], [3, 0])
    assert.deepStrictEqual(
      [0, 1, 2].map(() => queue.shift()),
      [0, 1, 2].map((i) => ({
        _tag: "Datagram" as const,
        bytes: bytes(i),
        from: peer
      }))
    )
    queue.push(new Uint8Array(10), peer)
    assert.strictEqual(queue.credit, 0)
    queue.push(bytes(1), peer)
    assert.strictEqual(queue.length, 1)
    queue.shift()
    assert.strictEqual(queue.credit, 3)
  })

  it("A09: an empty datagram is a datagram", () => {
    const queue = make()
    queue.push(bytes(), peer)
    assert.deepStrictEqual(queue.shift(), { _tag: "Datagram", bytes: bytes(), from: peer })
  })

  it("A09: a report is told once, in its place, also when there is no room for datagrams", () => {
    const queue = make()
    for (let i = 0; i < 3; i++) queue.push(bytes(i), peer)
    queue.report(failure("WSAECONNRESET"))
    queue.report(failure("WSAENETUNREACH"))
    const order = [queue.shift(), queue.shift(), queue.shift(), queue.shift(), queue.shift()].map((m) => m?._tag)
    assert.deepStrictEqual(order, ["Datagram", "Datagram", "Datagram", "Soft", undefined])
    queue.report(failure("WSAECONNRESET"))
    assert.strictEqual(queue.shift()?._tag, "Soft")
  })

  it("R09: clear leaves nothing and gives all room back", () => {
    const queue = make()
    queue.push(new Uint8Array(10), peer)
    queue.report(failure("WSAECONNRESET"))
    queue.clear()
    assert.deepStrictEqual([queue.length, queue.credit, queue.shift()], [0, 3, undefined])
    queue.report(failure("WSAECONNRESET"))
    assert.strictEqual(queue.length, 1)
  })
})
