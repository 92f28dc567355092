import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Held, type Item } from "../../src/internal/held.ts"

class One implements Item {
  before: Item | undefined = undefined
  after: Item | undefined = undefined
}

describe("what an instance holds", () => {
  const Draws = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 99 })))

  it.prop("is what came and has not gone, in the order in which it came", [Draws], ([draws]) => {
    const held = new Held<One>()
    const expected: Array<One> = []
    for (const draw of draws) {
      if (draw < 60 || expected.length === 0) {
        const one = new One()
        held.add(one)
        expected.push(one)
      } else {
        const [gone] = expected.splice(draw % expected.length, 1)
        held.delete(gone!)
        held.delete(gone!)
        // else one that has lived for long keeps all that come after it
        assert.isUndefined(gone!.before)
        assert.isUndefined(gone!.after)
      }
      assert.deepStrictEqual(Array.from(held, (one) => expected.indexOf(one)), expected.map((_, index) => index))
    }
  })
})
