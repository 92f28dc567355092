// Turns the examples of the documentation into tests: every fence marked `ts import.meta.vitest` in a doc comment of
// `packages/*/src`, in README.md or in docs/. `expr // => expected` becomes an assertion.
//
// One source file becomes one test file, because what costs is starting a file, not running an example. Line n of the
// test file is line n of the source file, so the line in a type error or a stack trace is the line to look at; the
// test's name and the message of a failed assertion say the source file too.
//
//   packages/core/src/WsaError.ts  →  packages/core/.doctest/WsaError.test.ts
//   README.md                      →  .doctest/README.test.ts
//
// An import stands in the line of the first fence that needs it and serves all that follow. An example must still be
// complete when it is copied: this script fails when one uses a name that only another example imports. Examples that
// import different things under one name go to a second test file (`WsaError.2.test.ts`).
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import { tokenize, words } from "./lib/tokens.mjs"

const problems = []

const main = () => {
  const written = new Set()
  let examples = 0
  for (const file of [...globSync("packages/*/src/**/*.ts"), ...globSync("{README.md,docs/**/*.md}")].sort()) {
    const found = examplesOf(file, readFileSync(file, "utf8"))
    examples += found.length
    groupByImports(found).forEach((group, i) => {
      const target = targetOf(file, i)
      written.add(target)
      writeIfChanged(target, testFile(file, group))
    })
  }
  for (const old of globSync("{.doctest,packages/*/.doctest}/**/*.test.ts")) {
    if (!written.has(old)) rmSync(old)
  }
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  process.stdout.write(`${examples} examples in ${written.size} test files\n`)
  if (problems.length > 0) process.exitCode = 1
}

const targetOf = (file, group) => {
  const suffix = group === 0 ? ".test.ts" : `.${group + 1}.test.ts`
  const source = /^packages\/([^/]+)\/src\/(.*)\.ts$/.exec(file)
  const dir = source === null ? ".doctest" : `packages/${source[1]}/.doctest`
  const name = source === null ? file.replace(/\.md$/, "") : source[2]
  return path.join(dir, name.replaceAll("/", "_") + suffix)
}

// --- reading -------------------------------------------------------------------------------------------------------

const fenceInComment = /^[ \t]*\*[ \t]*```ts import\.meta\.vitest[^\n]*\n([\s\S]*?)^[ \t]*\*[ \t]*```[ \t]*$/gm
const fenceInPage = /^[ \t]*```ts [^\n]*\bimport\.meta\.vitest[^\n]*\n([\s\S]*?)^[ \t]*```[ \t]*$/gm

/** The examples of a file: the line of the fence, the lines of code, what they import. */
const examplesOf = (file, source) => {
  const isPage = file.endsWith(".md")
  return Array.from(source.matchAll(isPage ? fenceInPage : fenceInComment), (match) => {
    const line = lineAt(source, match.index)
    const code = isPage ? match[1] : match[1].replace(/^[ \t]*\* ?/gm, "").replaceAll("*\\/", "*/")
    const example = { file, line, ...readImports(file, line, code) }
    example.lines = assertions(file, line, example.code).split("\n")
    return example
  })
}

const lineAt = (source, offset) => source.slice(0, offset).split("\n").length

/** Takes the import statements out of the code, leaving their lines empty. */
const readImports = (file, fenceLine, code) => {
  const tokens = tokenize(code).filter((t) => t.kind !== "comment" && t.kind !== "doc")
  const imports = []
  let rest = code
  for (let i = 0; i < tokens.length; i++) {
    const startsLine = i === 0 || tokens[i - 1].endLine < tokens[i].line || tokens[i - 1].text === ";"
    const isDynamic = ["(", "."].includes(tokens[i + 1]?.text)
    if (tokens[i].text !== "import" || !startsLine || isDynamic) continue
    const to = tokens.findIndex((t, at) => at > i && t.kind === "string")
    imports.push(...importsIn(tokens.slice(i + 1, to), tokens[to].text.slice(1, -1)))
    const end = tokens[to + 1]?.text === ";" ? tokens[to + 1].end : tokens[to].end
    rest = rest.slice(0, tokens[i].start) + rest.slice(tokens[i].start, end).replace(/[^\n]/g, " ") + rest.slice(end)
    i = to
  }
  rest = rest.replace(/^[ \t]+$/gm, "").replace(/^export /gm, "")
  const used = new Set(words(tokenize(rest)).map((w) => w.text))
  for (const { local } of imports) {
    if (local !== undefined && !used.has(local)) {
      problems.push(`${file}:${fenceLine}: the example imports ${local} and does not use it`)
    }
  }
  return { imports, code: rest }
}

/** What one import statement brings: `{ from, name, local, type }`, where name is `*`, `default` or a named export. */
const importsIn = (tokens, from) => {
  const text = tokens.map((t) => t.text)
  if (text.length === 0) return [{ from }]
  const type = text[0] === "type" && text[1] !== "from" && text[1] !== ","
  const clause = text.slice(type ? 1 : 0, -1)
  const open = clause.indexOf("{")
  const star = clause.indexOf("*")
  const found = []
  if (open !== 0 && star !== 0) found.push({ from, name: "default", local: clause[0], type })
  if (star !== -1) found.push({ from, name: "*", local: clause[star + 2], type })
  if (open !== -1) {
    const named = clause.slice(open + 1, clause.indexOf("}")).join(" ").split(",")
    for (const specifier of named.map((s) => s.trim().split(" ")).filter(([first]) => first !== "")) {
      const ownType = specifier.length > 1 && specifier[0] === "type" && specifier[1] !== "as"
      const [name, , local = name] = ownType ? specifier.slice(1) : specifier
      found.push({ from, name, local, type: type || ownType })
    }
  }
  return found
}

// --- assertions ----------------------------------------------------------------------------------------------------

const arrow = /^\/\/ =>\s*/
const continues = new Set([
  ".",
  "?.",
  ",",
  ")",
  "]",
  "}",
  "?",
  ":",
  "=",
  "=>",
  "&&",
  "||",
  "??",
  "+",
  "*",
  "|",
  "&",
  "<",
  ">"
])
const unfinished = new Set([...continues, "(", "[", "...", "!", "-"].filter((p) => ![")", "]", "}"].includes(p)))
const openers = new Set(["(", "[", "{"])
const closers = new Set([")", "]", "}"])

/** Rewrites `expr // => expected` so that no line moves. */
const assertions = (file, fenceLine, code) => {
  const tokens = tokenize(code)
  const edits = []
  tokens.forEach((comment, i) => {
    if (comment.kind !== "comment" || !arrow.test(comment.text)) return
    const line = fenceLine + comment.line
    const before = tokens.slice(0, i).filter((t) => t.kind !== "comment" && t.kind !== "doc")
    if (before.at(-1)?.text === ";") before.pop()
    const last = before.at(-1)
    if (last?.endLine !== comment.line || unfinished.has(last.text)) {
      problems.push(`${file}:${line}: \`// =>\` has to stand at the end of a statement`)
      return
    }
    const [first, second] = before.slice(statementStart(before))
    const expected = comment.text.replace(arrow, "").trim().replace(/;$/, "")
    if (!["const", "let", "var"].includes(first.text)) {
      const { start } = first.text === "return" ? second : first
      edits.push({ start, end: start, text: `__equals(${line}, ` })
      edits.push({ start: last.end, end: comment.end, text: `, ${expected})` })
    } else if (second.kind === "word") {
      edits.push({ start: last.end, end: comment.end, text: `; __equals(${line}, ${second.text}, ${expected})` })
    } else {
      problems.push(
        `${file}:${line}: \`// =>\` behind a destructuring declaration: assert each name on a line of its own`
      )
    }
  })
  return edits
    .sort((a, b) => b.start - a.start)
    .reduce((out, { end, start, text }) => out.slice(0, start) + text + out.slice(end), code)
}

/** Where the statement that ends with the last token begins. */
const statementStart = (tokens) => {
  let depth = 0
  for (let i = tokens.length - 1; i >= 0; i--) {
    const { text } = tokens[i]
    if (closers.has(text)) depth++
    if (openers.has(text) && --depth < 0) return i + 1
    if (depth > 0 || i === 0) continue
    const previous = tokens[i - 1]
    if (previous.text === ";") return i
    if (previous.endLine < tokens[i].line && !continues.has(text) && !unfinished.has(previous.text)) return i
  }
  return 0
}

// --- writing -------------------------------------------------------------------------------------------------------

/** Puts the examples into as few groups as can share their imports. */
const groupByImports = (examples) => {
  const groups = []
  for (const example of examples) {
    const agrees = (known) =>
      example.imports.every(({ from, local, name }) => {
        const other = known.imports.get(local ?? from)
        return other === undefined || (other.from === from && other.name === name)
      })
    let group = groups.find(agrees)
    if (group === undefined) groups.push(group = { imports: new Map(), examples: [] })
    group.examples.push(example)
    for (const found of example.imports) {
      const key = found.local ?? found.from
      const known = group.imports.get(key) ?? { ...found, first: example }
      group.imports.set(key, { ...known, type: known.type && found.type })
    }
  }
  return groups
}

const testFile = (file, { examples, imports }) => {
  const lines = [header(file)]
  const put = (line, text) => {
    while (lines.length < line) lines.push("")
    lines[line - 1] += text
  }
  for (const example of examples) {
    checkNames(example, imports)
    const needed = Array.from(imports.values()).filter((i) => i.first === example).map((i) => `${importStatement(i)}; `)
    put(example.line, `${needed.join("")}__it(${JSON.stringify(`${file}:${example.line}`)}, async () => {`)
    example.lines.forEach((text, i) => put(example.line + 1 + i, text))
    put(example.line + example.lines.length, "});")
  }
  return `${lines.join("\n")}\n`
}

const header = (file) =>
  `/* generated by scripts/doctest.mjs: line n is line n of ${file} */ ` +
  `import { it as __it } from "@effect/vitest"; ` +
  `import { assertEquals as __assertEquals } from "@effect/vitest/utils"; ` +
  `const __equals = <A>(line: number, actual: A, expected: unknown): A => { ` +
  `try { __assertEquals<unknown>(actual, expected) } ` +
  `catch (e) { const error = e as Error; error.message = \`${file}:\${line}: \${error.message}\`; ` +
  `Error.captureStackTrace(error, __equals); throw error } ` +
  `return actual }; `

const importStatement = ({ from, local, name, type }) => {
  if (local === undefined) return `import "${from}"`
  const keyword = type ? "import type" : "import"
  if (name === "*") return `${keyword} * as ${local} from "${from}"`
  return `${keyword} { ${name === local ? name : `${name} as ${local}`} } from "${from}"`
}

/** An example that relies on the imports of another would pass here and fail for the reader who copies it. */
const checkNames = (example, imports) => {
  const own = new Set(example.imports.map((i) => i.local))
  const found = words(tokenize(example.lines.join("\n")))
  const declared = new Set(
    found.filter(({ after, before, text }) =>
      declaring.has(before?.text) || (/^[^A-Z]/.test(text) && (after?.text === "=>" || closers.has(after?.text)))
    ).map((w) => w.text)
  )
  for (const { after, before, line, text } of found) {
    const isName = before?.text !== "." && before?.text !== "?." && after?.text !== ":"
    if (isName && imports.has(text) && !own.has(text) && !declared.has(text)) {
      own.add(text) // once is enough
      problems.push(`${example.file}:${example.line + line}: the example uses ${text} and does not import it`)
    }
  }
}

const declaring = new Set(["const", "let", "var", "class", "function", "function*", "type", "interface", "namespace"])

const writeIfChanged = (target, text) => {
  mkdirSync(path.dirname(target), { recursive: true })
  try {
    if (readFileSync(target, "utf8") === text) return
  } catch {
    // not there yet
  }
  writeFileSync(target, text)
}

main()
