// Fails when something exported from `packages/*/src/*.ts` is not documented in the style of the library:
//
//   a module    begins with a doc comment that has `@since`
//   a value     (const, function, class) has a doc comment with a paragraph, `@category`, `@since` and an
//               `**Example**` whose fence runs (`ts import.meta.vitest`)
//   a type      (interface, type, namespace) has the same, but may do without the example
//   a member    of an exported interface has a doc comment; signatures without a name, `_tag` and `[computed]` need none
//
// and when a doc comment uses headings or `@example`. Barrels (`index.ts`) may re-export without words.
// Prints `file:line: what is missing`. With file names as arguments it checks only those.
import { globSync, readFileSync } from "node:fs"
import path from "node:path"
import { tokenize } from "./lib/tokens.mjs"

const main = () => {
  const args = process.argv.slice(2)
  const files = args.length > 0 ? args : globSync("packages/*/src/*.ts").sort()
  const total = { exports: 0, members: 0 }
  const problems = files.flatMap((file) => check(file, readFileSync(file, "utf8"), total))
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  process.stdout.write(
    `${total.exports} exports and ${total.members} members in ${files.length} modules, ${problems.length} problems\n`
  )
  if (problems.length > 0) process.exitCode = 1
}

const check = (file, source, total) => {
  const problems = []
  const report = (line, what) => problems.push(`${path.relative(".", file)}:${line}: ${what}`)
  const tokens = tokenize(source).filter((t) => t.kind !== "comment")
  const isBarrel = path.basename(file) === "index.ts"
  checkModule(tokens, isBarrel, report)
  for (const declaration of exportsOf(tokens, isBarrel)) {
    total.exports++
    checkDoc(declaration, report)
    for (const member of declaration.members) {
      total.members++
      if (member.doc === undefined) report(member.line, `${declaration.name}.${member.name} has no doc comment`)
      else checkStyle(member.doc, `${declaration.name}.${member.name}`, report)
    }
  }
  return problems
}

// --- what a comment has to say ---------------------------------------------------------------------------------------

const checkModule = (tokens, isBarrel, report) => {
  const [first, second] = tokens
  if (second === undefined || (isBarrel && first.kind !== "doc")) return
  // the doc comment of the first declaration is not the module's
  const isModuleDoc = first.kind === "doc" && (second.kind === "doc" || second.text === "import" || isBarrel)
  if (!isModuleDoc) report(1, "the module has no doc comment of its own")
  else if (!/@since \d/.test(first.text)) report(first.line, "the module's doc comment lacks @since")
}

const checkDoc = ({ doc, kind, line, name }, report) => {
  const what = `${kind} ${name}`
  if (doc === undefined) {
    report(line, `${what} has no doc comment`)
    return
  }
  const text = textOf(doc)
  const missing = []
  if (!/^[^\s@*`#]/m.test(text.split(/^(?:\*\*|@)/m)[0])) missing.push("a paragraph that says what it is")
  if (!/^@since \d+\.\d+\.\d+$/m.test(text)) missing.push("@since x.y.z")
  if (!/^@category \S/m.test(text)) missing.push("@category")
  const example = /^\*\*Example\*\*.*\n([\s\S]*)/m.exec(text)
  if (example === null) {
    if (!typeLevel.has(kind)) missing.push("**Example**")
  } else if (!/^\s*```ts import\.meta\.vitest/m.test(example[1])) {
    missing.push("a fence that runs (ts import.meta.vitest) under **Example**")
  }
  if (missing.length > 0) report(line, `${what} lacks ${missing.join(", ")}`)
  checkStyle(doc, what, report)
}

const typeLevel = new Set(["interface", "type", "namespace"])

const checkStyle = (doc, what, report) => {
  const prose = textOf(doc).replace(/^\s*```[\s\S]*?^\s*```/gm, "")
  if (/^#{1,6} /m.test(prose)) report(doc.line, `${what}: headings are not used, **Bold** sections are`)
  if (/^@example\b/m.test(prose)) report(doc.line, `${what}: @example is not used, **Example** is`)
}

const textOf = (doc) => doc.text.slice(3, -2).replace(/^[ \t]*\*(?: |$)/gm, "").replace(/^ /, "")

// --- what is exported ------------------------------------------------------------------------------------------------

/** Exported declarations: `{ name, kind, line, doc, members }`. */
const exportsOf = (tokens, isBarrel) => {
  const found = []
  const overloaded = new Set()
  let depth = 0
  const namespaces = [] // the depths inside exported namespaces
  for (let i = 0; i < tokens.length; i++) {
    const { text } = tokens[i]
    if (opens.has(text)) depth++
    if (closes.has(text) && --depth < (namespaces.at(-1) ?? 0)) namespaces.pop()
    if (text !== "export" || depth !== (namespaces.at(-1) ?? 0) || tokens[i - 1]?.text === ".") continue
    const doc = tokens[i - 1]?.kind === "doc" ? tokens[i - 1] : undefined
    let at = i + 1
    while (modifiers.has(tokens[at].text) && !isNameOfType(tokens, at)) at++
    const kind = tokens[at].text === "let" ? "const" : tokens[at].text
    const { line } = tokens[i]
    if (kind === "*" || kind === "{" || (kind === "type" && ["{", "*"].includes(tokens[at + 1].text))) {
      if (!isBarrel) found.push(...reExports(tokens, i, kind === "type" ? at + 1 : at, doc))
      continue
    }
    const generator = tokens[at + 1].text === "*" ? 1 : 0
    const name = tokens[at + 1 + generator].text
    if (kind === "function" && overloaded.has(name)) continue
    if (kind === "function") overloaded.add(name)
    if (kind === "namespace") namespaces.push(depth + 1)
    found.push({ name, kind, line, doc, members: kind === "interface" ? membersOf(tokens, at + 2) : [] })
  }
  return found
}

const opens = new Set(["{", "(", "["])
const closes = new Set(["}", ")", "]"])
const modifiers = new Set(["declare", "abstract", "async", "default"])
const isNameOfType = (tokens, at) => tokens[at + 1]?.text === "="

/** `export { a, type B as C }`, `export * from`, `export * as A from`: each name is documented where it stands. */
const reExports = (tokens, start, at, docBefore) => {
  const { line } = tokens[start]
  if (tokens[at].text === "*") {
    const name = tokens[at + 1].text === "as" ? tokens[at + 2].text : "*"
    return [{ name, kind: "type", line, doc: docBefore, members: [] }]
  }
  const found = []
  let doc = docBefore
  for (let i = at + 1; tokens[i].text !== "}"; i++) {
    if (tokens[i].kind === "doc") doc = tokens[i]
    if (tokens[i].kind !== "word" || ![",", "}"].includes(tokens[i + 1].text)) continue
    const from = tokens.slice(at + 1, i + 1).findLastIndex((t) => t.text === ",") + 1
    const isType = tokens[at - 1].text === "type" || tokens[at + 1 + from].text === "type"
    found.push({ name: tokens[i].text, kind: isType ? "type" : "export", line: tokens[i].line, doc, members: [] })
    doc = undefined
  }
  return found
}

/** The named members of an interface: `{ name, line, doc }`. */
const membersOf = (tokens, start) => {
  let i = start
  let angle = 0 // the body is the first brace outside the type parameters and arguments
  while (tokens[i].text !== "{" || angle > 0) {
    if (tokens[i].text === "<") angle++
    if (tokens[i].text === ">") angle--
    i++
  }
  const members = []
  const names = new Set()
  let depth = 0
  let fresh = true // a member may begin here
  for (i++; depth > 0 || tokens[i].text !== "}"; i++) {
    const token = tokens[i]
    if (token.kind === "doc") continue
    const previous = tokens[i - 1].kind === "doc" ? tokens[i - 2] : tokens[i - 1]
    const newLine = token.line > previous.endLine && !continuesType.has(token.text) && !expectsType.has(previous.text)
    const isPropertyName = ["?", ":", "(", "<"].includes(tokens[i + 1].text)
    if (
      depth === 0 && (fresh || newLine || (token.line > previous.endLine && isPropertyName && token.kind === "word"))
    ) {
      const doc = tokens[i - 1].kind === "doc" ? tokens[i - 1] : undefined
      const member = nameOf(tokens, i)
      if (member !== undefined && !names.has(member)) members.push({ name: member, line: token.line, doc })
      if (member !== undefined) names.add(member)
    }
    fresh = depth === 0 && (token.text === ";" || token.text === ",")
    if (opens.has(token.text) || token.text === "<") depth++
    if (closes.has(token.text) || token.text === ">") depth--
  }
  return members.filter((m) => m.name !== "_tag")
}

const continuesType = new Set(["|", "&", "=>", "?", ":", "extends", "is", ")", "]", "}", ">", ",", "."])
const expectsType = new Set([
  "|",
  "&",
  "=>",
  "?",
  ":",
  "extends",
  "is",
  "=",
  "keyof",
  "typeof",
  "infer",
  ".",
  "<",
  "readonly"
])

/** The name of the member that begins at `i`, if it has one. */
const nameOf = (tokens, i) => {
  let at = i
  while (["readonly", "get", "set"].includes(tokens[at].text) && !["?", ":", "(", "<"].includes(tokens[at + 1].text)) {
    at++
  }
  const { kind, text } = tokens[at]
  if (kind === "string") return text.slice(1, -1)
  const isConstructor = text === "new" && ["(", "<"].includes(tokens[at + 1].text)
  return kind === "word" && !isConstructor ? text : undefined
}

main()
