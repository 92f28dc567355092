import { assert, describe, it } from "@effect/vitest"
import { ByteQueue } from "../../src/internal/queue.ts"

const window = 256 * 1024

describe("ByteQueue of a peer that sends byte by byte", () => {
  it("A08: what came in a window's worth of single bytes is taken at once", () => {
    const queue = new ByteQueue()
    for (let i = 0; i < window; i++) queue.push(new Uint8Array([i % 251]))
    const target = new Uint8Array(window)
    const start = performance.now()
    assert.strictEqual(queue.takeInto(target), window)
    // It was 7 seconds.
    assert.isBelow(performance.now() - start, 500)
    assert.isTrue(target.every((byte, i) => byte === i % 251))
  })

  it("R27: bytes that were handed out are not written over by what comes after them", () => {
    const queue = new ByteQueue()
    const taken: Array<Uint8Array> = []
    let next = 0
    let expected = 0
    for (let i = 0; i < 5000; i++) {
      queue.push(Uint8Array.from({ length: (i * 37) % 1500 }, () => next++ % 251))
      if (i % 3 === 0) taken.push(queue.take((i * 53) % 700))
      if (i % 50 === 0) { while (queue.length > 0) taken.push(queue.take(4096)) }
    }
    while (queue.length > 0) taken.push(queue.take(4096))
    for (const bytes of taken) {
      assert.strictEqual(bytes.buffer.byteLength, bytes.length)
      for (const byte of bytes) if (byte !== expected++ % 251) assert.fail(`byte ${expected - 1} is ${byte}`)
    }
    assert.strictEqual(expected, next)
  })
})
