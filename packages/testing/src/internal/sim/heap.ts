// What is to happen later, the earliest first and in the order of scheduling among equals.
//
// A heap with four children to a node: half as deep as one with two, and what is compared lies side by side in memory.
// The times stand in arrays of their own, so that a comparison follows no reference. What is called off stays where it
// is until its time comes, or until half of the heap is such.

/** Something in the heap, or out of it: `task` is gone when it has run or was called off. */
export class Entry {
  readonly at: number
  task: ((argument: any) => void) | undefined
  queued = false

  constructor(at: number, task: (argument: any) => void) {
    this.at = at
    this.task = task
  }
}

export class Heap {
  /** How many comparisons and moves it made. */
  operations = 0
  private times = new Float64Array(8)
  private orders = new Float64Array(8)
  private readonly entries: Array<Entry | undefined> = []
  private size = 0
  private calledOff = 0
  private nextOrder = 0

  /** How many are still to happen. */
  get pending(): number {
    return this.size - this.calledOff
  }

  push(entry: Entry): void {
    if (this.size === this.times.length) this.grow()
    entry.queued = true
    this.up(this.size++, entry.at, this.nextOrder++, entry)
  }

  cancel(entry: Entry): void {
    if (entry.task === undefined) return
    entry.task = undefined
    if (!entry.queued) return
    this.calledOff++
    if (this.calledOff > 64 && this.calledOff * 2 > this.size) this.sweep()
  }

  /** The time of the earliest; Infinity when there is none. */
  next(): number {
    while (this.size > 0 && this.entries[0]!.task === undefined) {
      this.calledOff--
      this.shift()
    }
    return this.size === 0 ? Infinity : this.times[0]!
  }

  /** Takes the earliest, which `next` has found. */
  shift(): Entry {
    const first = this.entries[0]!
    first.queued = false
    const last = --this.size
    const entry = this.entries[last]!
    this.entries[last] = undefined
    if (last > 0) this.down(0, this.times[last]!, this.orders[last]!, entry)
    return first
  }

  private up(start: number, at: number, order: number, entry: Entry): void {
    const { entries, orders, times } = this
    let index = start
    let operations = 1
    while (index > 0) {
      const parent = (index - 1) >>> 2
      operations++
      const time = times[parent]!
      // what is pushed is later than all of its own time
      if (time <= at) break
      times[index] = time
      orders[index] = orders[parent]!
      entries[index] = entries[parent]
      operations++
      index = parent
    }
    times[index] = at
    orders[index] = order
    entries[index] = entry
    this.operations += operations
  }

  private down(start: number, at: number, order: number, entry: Entry): void {
    const { entries, orders, size, times } = this
    let index = start
    let operations = 1
    for (let child = 4 * index + 1; child < size; child = 4 * index + 1) {
      let least = child
      let time = times[child]!
      const end = child + 4 < size ? child + 4 : size
      for (let other = child + 1; other < end; other++) {
        const otherTime = times[other]!
        if (otherTime < time || (otherTime === time && orders[other]! < orders[least]!)) {
          least = other
          time = otherTime
        }
      }
      operations += end - child
      if (at < time || (at === time && order < orders[least]!)) break
      times[index] = time
      orders[index] = orders[least]!
      entries[index] = entries[least]
      operations++
      index = least
    }
    times[index] = at
    orders[index] = order
    entries[index] = entry
    this.operations += operations
  }

  private sweep(): void {
    const { entries, orders, times } = this
    let kept = 0
    for (let index = 0; index < this.size; index++) {
      const entry = entries[index]!
      if (entry.task === undefined) {
        entry.queued = false
        continue
      }
      times[kept] = times[index]!
      orders[kept] = orders[index]!
      entries[kept++] = entry
    }
    this.operations += this.size
    entries.length = kept
    this.size = kept
    this.calledOff = 0
    for (let index = (kept - 2) >> 2; index >= 0; index--) {
      this.down(index, times[index]!, orders[index]!, entries[index]!)
    }
  }

  private grow(): void {
    const times = new Float64Array(this.times.length * 2)
    times.set(this.times)
    this.times = times
    const orders = new Float64Array(this.orders.length * 2)
    orders.set(this.orders)
    this.orders = orders
  }
}
