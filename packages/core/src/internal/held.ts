/**
 * What an instance holds, in the order in which it came.
 *
 * It is no `Set`: one that things go in and out of all the time gets a new table every few times, and each table refers to the
 * next. Once one of them has lived long enough to be collected seldom, all that come after it live as long, with the sockets
 * that were in them: as much garbage as sockets, copied by every collection.
 */
export interface Item {
  before: Item | undefined
  after: Item | undefined
}

export class Held<A extends Item> implements Iterable<A> {
  private first: Item | undefined
  private last: Item | undefined

  add(item: A): void {
    item.before = this.last
    if (this.last === undefined) this.first = item
    else this.last.after = item
    this.last = item
  }

  delete(item: A): void {
    const { after, before } = item
    // a provider may tell twice that it is closed
    if (before === undefined && this.first !== item) return
    if (before === undefined) this.first = after
    else before.after = after
    if (after === undefined) this.last = before
    else after.before = before
    // what is gone refers to nothing that comes later
    item.before = item.after = undefined
  }

  *[Symbol.iterator](): IterableIterator<A> {
    for (let item = this.first; item !== undefined; item = item.after) yield item as A
  }
}
