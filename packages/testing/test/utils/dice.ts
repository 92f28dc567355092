/** Draws that depend on nothing but the seed. */
export class Dice {
  private state: number
  constructor(seed: number) {
    this.state = Math.imul(seed, 0x9e3779b1) >>> 0
  }
  below(n: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
  chance(percent: number): boolean {
    return this.below(100) < percent
  }
  pick<A>(all: ReadonlyArray<A>): A {
    return all[this.below(all.length)]!
  }
}
