// What effect hashes by reference it gives a random number once, and keeps it. So a second run in the same process would
// see another order of such keys, and a run in another process a third. While a run goes on, the number is a constant:
// such keys are in the order of their insertion. What had its number before keeps it, or maps that have it as a key
// would lose it.
import * as Hash from "effect/Hash"

type Cache = WeakMap<object, number>

const constant = 0

/** Effect's own memory of these numbers, seen when it is used; nobody is told of it otherwise. */
const findCache = (): Cache | undefined => {
  const probe = {}
  let found: Cache | undefined
  const prototype: Cache = WeakMap.prototype
  const { set } = prototype
  prototype.set = function(key, value) {
    if (key === probe) found = this as Cache
    return set.call(this, key, value)
  }
  try {
    Hash.random(probe)
  } finally {
    prototype.set = set
  }
  return found
}

let cache: Cache | undefined
let searched = false

function has(this: Cache, key: object): boolean {
  if (!WeakMap.prototype.has.call(this, key)) this.set(key, constant)
  return true
}

/** From here on the numbers are the constant, until `restore`. */
export const install = (): void => {
  if (!searched) {
    searched = true
    cache = findCache()
  }
  if (cache !== undefined) cache.has = has
}

export const restore = (): void => {
  if (cache !== undefined) delete (cache as Partial<Cache>).has
}
