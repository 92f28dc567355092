import type { Entry } from "./heap.ts"

/** What is to happen at this instant: a task of a scheduler, or something whose time has come. */
export type Task = (() => void) | Entry

/** Tasks in the order in which they became ready. */
export class Ready {
  size = 0
  private tasks = empty(16)
  private head = 0

  push(task: Task): void {
    if (this.size === this.tasks.length) this.grow()
    this.tasks[(this.head + this.size) & (this.tasks.length - 1)] = task
    this.size++
  }

  /** Takes the one at that place; the others keep their order. */
  take(place: number): Task {
    const mask = this.tasks.length - 1
    const at = this.head + place
    const task = this.tasks[at & mask]!
    for (let index = at; index > this.head; index--) this.tasks[index & mask] = this.tasks[(index - 1) & mask]
    this.tasks[this.head] = undefined
    this.head = (this.head + 1) & mask
    this.size--
    return task
  }

  private grow(): void {
    const tasks = empty(this.tasks.length * 2)
    for (let index = 0; index < this.size; index++) {
      tasks[index] = this.tasks[(this.head + index) & (this.tasks.length - 1)]
    }
    this.tasks = tasks
    this.head = 0
  }
}

const empty = (length: number): Array<Task | undefined> => {
  const tasks: Array<Task | undefined> = []
  for (let index = 0; index < length; index++) tasks.push(undefined)
  return tasks
}
