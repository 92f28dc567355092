import { assert, describe, it } from "@effect/vitest"
import { Entry, Heap } from "../../src/internal/sim/heap.ts"
import { Ready } from "../../src/internal/sim/ready.ts"
import { Dice } from "../utils/dice.ts"

const runs = Number(process.env["WINSOCK_PROPERTY_RUNS"] ?? 200)

describe("Heap", () => {
  it("gives the earliest first, and equals in the order in which they were set, whatever is called off", () => {
    for (let seed = 0; seed < runs; seed++) {
      const dice = new Dice(seed)
      const heap = new Heap()
      // how it should be: a list that is sorted by each look at it
      let list: Array<{ readonly entry: Entry; readonly order: number }> = []
      const span = 1 + dice.below(40)
      for (let step = 0; step < 400; step++) {
        const what = dice.below(10)
        if (what < 6) {
          const entry = new Entry(dice.below(span), () => undefined)
          heap.push(entry)
          list.push({ entry, order: step })
        } else if (what < 8 && list.length > 0) {
          const [gone] = list.splice(dice.below(list.length), 1)
          heap.cancel(gone!.entry)
          heap.cancel(gone!.entry)
        } else {
          list = list.sort((a, b) => a.entry.at - b.entry.at || a.order - b.order)
          assert.strictEqual(heap.next(), list[0]?.entry.at ?? Infinity, `seed ${seed}, step ${step}`)
          if (list.length > 0) assert.strictEqual(heap.shift(), list.shift()!.entry, `seed ${seed}, step ${step}`)
        }
        assert.strictEqual(heap.pending, list.length)
      }
    }
  })

  it("takes at most 4 log2 n comparisons and moves for an event among n, from 1,000 to a million", () => {
    for (const n of [1000, 10_000, 100_000, 1_000_000]) {
      for (const order of ["increasing", "decreasing", "random"] as const) {
        const dice = new Dice(n)
        const next = order === "increasing"
          ? (i: number) => i
          : order === "decreasing"
          ? (i: number) => n - i
          : () => dice.below(n)
        const heap = new Heap()
        const task = () => undefined
        for (let i = 0; i < n; i++) heap.push(new Entry(next(i), task))
        // an event is what happens with n pending: one is taken, one is set
        const before = heap.operations
        const events = Math.min(n, 50_000)
        for (let i = 0; i < events; i++) {
          const at = heap.next()
          heap.shift()
          heap.push(new Entry(at + dice.below(n), task))
        }
        const perEvent = (heap.operations - before) / events
        assert.isAtMost(perEvent, 4 * Math.log2(n), `${order}, ${n} pending`)
        assert.isAtMost(before / n, 4 * Math.log2(n), `${order}, filling with ${n}`)
      }
    }
  }, 60_000)

  it("stays small where all is called off: a million time-outs that never come", () => {
    const heap = new Heap()
    const task = () => undefined
    for (let i = 0; i < 1_000_000; i++) {
      const entry = new Entry(i + 1_000_000, task)
      heap.push(entry)
      heap.cancel(entry)
    }
    assert.strictEqual(heap.pending, 0)
    assert.isAtMost(heap.operations, 10 * 1_000_000)
    assert.strictEqual(heap.next(), Infinity)
  })
})

describe("Ready", () => {
  it("is a queue, from which any can be taken while the others keep their order", () => {
    for (let seed = 0; seed < runs; seed++) {
      const dice = new Dice(seed)
      const ready = new Ready()
      const list: Array<Entry> = []
      for (let step = 0; step < 500; step++) {
        if (dice.below(5) < 3 || list.length === 0) {
          const entry = new Entry(step, () => undefined)
          ready.push(entry)
          list.push(entry)
        } else {
          const place = dice.below(3) === 0 ? dice.below(list.length) : 0
          assert.strictEqual(ready.take(place), list.splice(place, 1)[0], `seed ${seed}, step ${step}`)
        }
        assert.strictEqual(ready.size, list.length)
      }
    }
  })
})
