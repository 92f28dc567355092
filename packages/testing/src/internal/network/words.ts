/**
 * What a test has said of addresses and names: the last word counts, and each is taken back by itself.
 */
export class Words<A> {
  private readonly said = new Map<string, ReadonlyArray<{ readonly word: A }>>()

  /** Answers what takes it back. */
  say(key: string, word: A): () => void {
    const one = { word }
    this.said.set(key, [...this.said.get(key) ?? [], one])
    return () => {
      const left = (this.said.get(key) ?? []).filter((other) => other !== one)
      if (left.length > 0) this.said.set(key, left)
      else this.said.delete(key)
    }
  }

  /** The last word on the first of these keys that anything was said of. */
  last(...keys: ReadonlyArray<string>): A | undefined {
    if (this.said.size === 0) return undefined
    for (const key of keys) {
      const found = this.said.get(key)
      if (found !== undefined) return found.at(-1)!.word
    }
    return undefined
  }

  unsay(key: string): void {
    this.said.delete(key)
  }
}
