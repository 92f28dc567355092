/** A table as Markdown has it, unpadded: a longer word then changes one line, not all. */
export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.map(cell).join(" | ")} |`).join("\n")

const cell = (words: string): string => words.replaceAll("|", "\\|")
