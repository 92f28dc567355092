/**
 * Rows over time, as text: what `Waterfall` draws with.
 */

/** What a bar ends in. */
export type Mark = ">" | "x" | "~"

export interface Row {
  readonly label: string
  /** What the bar is made of: an attempt, a step or a look-up, time in which nothing is done. */
  readonly fill: "=" | "-" | "."
  readonly began: number
  ended: number | undefined
  mark: Mark | undefined
  note: string
  /** What is too long for a note. */
  detail: string | undefined
  readonly rows: Array<Row>
}

export const row = (label: string, fill: Row["fill"], began: number): Row => ({
  label,
  fill,
  began,
  ended: undefined,
  mark: undefined,
  note: "",
  detail: undefined,
  rows: []
})

export const end = (row: Row, ended: number, mark: Mark | undefined, note: string, detail?: string): void => {
  row.ended = ended
  row.mark = mark
  row.note = note
  row.detail = detail
}

/** Milliseconds in at most seven columns. */
export const inWords = (ms: number): string => {
  if (ms >= 100_000) return `${Math.round(ms / 1000)} s`
  if (ms >= 1000) return `${Number((ms / 1000).toFixed(2))} s`
  return `${Number(ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0))} ms`
}

/** Peers have a say in some words, and a terminal obeys some characters. */
const plain = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}]/gu, (c) => `\\u${c.codePointAt(0)!.toString(16).padStart(4, "0")}`)

/** Lines of at most so many columns; a word that is longer is cut. */
export const wrap = (text: string, width: number, indent: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of plain(text).split(" ")) {
    if (line !== "" && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line)
      line = ""
    }
    line = line === "" ? word : `${line} ${word}`
    while (indent.length + line.length > width) {
      lines.push(indent + line.slice(0, width - indent.length))
      line = line.slice(width - indent.length)
    }
  }
  return line === "" ? lines : [...lines, indent + line]
}

const labelWidth = 22
const timeWidth = 8
const noteWidth = 20

const barWidth = (width: number): number => width - labelWidth - timeWidth - noteWidth - 4

const bar = ({ began, ended = began, fill, mark }: Row, total: number, width: number): string => {
  const at = (time: number) => total === 0 ? 0 : (time / total) * width
  const from = Math.min(Math.floor(at(began)), width - 1)
  const to = Math.min(Math.max(Math.ceil(at(ended)), from + 1), width)
  return " ".repeat(from) + fill.repeat(to - from - 1) + (mark ?? fill)
}

const drawRow = (row: Row, depth: number, total: number, width: number): ReadonlyArray<string> => {
  const label = "  ".repeat(depth) + plain(row.label)
  const note = plain(row.note)
  const [above, name] = label.length <= labelWidth ? [[], label] : [wrap(row.label, width, "  ".repeat(depth)), ""]
  const beside = note.length <= noteWidth
  const { began, ended = began } = row
  const line = [
    name.padEnd(labelWidth),
    bar(row, total, barWidth(width)).padEnd(barWidth(width)),
    inWords(ended - began).padStart(timeWidth),
    ` ${beside ? note : ""}`
  ].join(" ").trimEnd()
  const indent = "  ".repeat(depth + 2)
  return [
    ...above,
    line,
    ...(beside ? [] : wrap(row.note, width, indent)),
    ...(row.detail === undefined ? [] : wrap(row.detail, width, indent)),
    ...row.rows.flatMap((each) => drawRow(each, depth + 1, total, width))
  ]
}

const close = (rows: ReadonlyArray<Row>, total: number, isOver: boolean): void => {
  for (const each of rows) {
    if (each.ended === undefined) end(each, total, isOver ? "~" : undefined, isOver ? "given up" : "under way")
    close(each.rows, total, isOver)
  }
}

/** `total`: when it was over, or the last that is known of it. */
export const draw = (
  title: string,
  detail: string | undefined,
  rows: ReadonlyArray<Row>,
  total: number,
  isOver: boolean,
  width: number
): string => {
  close(rows, total, isOver)
  const axis = " ".repeat(labelWidth + 1) + "0 ms" + inWords(total).padStart(barWidth(width) - 4)
  return [
    ...wrap(title, width, ""),
    ...(detail === undefined ? [] : wrap(detail, width, "  ")),
    ...(rows.length === 0 ? [] : [axis]),
    ...rows.flatMap((each) => drawRow(each, 0, total, width))
  ].join("\n")
}
