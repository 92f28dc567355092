// A tokenizer for TypeScript that is just good enough for the scripts beside it: it never mistakes the inside of a
// string, a template, a regular expression or a comment for code. It does not parse.

/**
 * @typedef {object} Token
 * @property {"word" | "punct" | "string" | "template" | "regex" | "comment" | "doc"} kind
 * @property {string} text
 * @property {number} start offset of the first character
 * @property {number} end offset after the last character
 * @property {number} line 1-based line of the first character
 * @property {number} endLine 1-based line of the last character
 * @property {Array<Token>} [inner] of a template: the tokens of its `${}` parts
 */

const wordStart = /[\p{ID_Start}$_#@\d]/u
const wordPart = /[\p{ID_Continue}$\u200c\u200d]/u
// after these a slash begins a regular expression, although they are words
const beforeRegex = new Set(["return", "typeof", "case", "in", "of", "yield", "await", "void", "delete", "throw", "do"])
const puncts = ["...", "=>", "?.", "??", "&&", "||", "==", "!=", "<=", ">=", "**", "++", "--", "+=", "-=", "*=", "/="]

/** @returns {Array<Token>} */
export const tokenize = (source) => {
  const [tokens] = scan(source, 0, 1, false)
  return tokens
}

/** Tokens from `pos` on; inside a template's `${` up to the brace that closes it. */
const scan = (source, pos, line, inTemplate) => {
  const tokens = []
  let depth = 0
  const push = (kind, start, end, inner) => {
    const text = source.slice(start, end)
    const endLine = line + newlines(text)
    tokens.push({ kind, text, start, end, line, endLine, ...(inner && { inner }) })
    line = endLine
    pos = end
  }
  while (pos < source.length) {
    const c = source[pos]
    if (c === "\n") {
      line++
      pos++
    } else if (/\s/.test(c)) {
      pos++
    } else if (source.startsWith("//", pos) || (pos === 0 && source.startsWith("#!"))) {
      push("comment", pos, indexOr(source, "\n", pos, source.length))
    } else if (source.startsWith("/*", pos)) {
      const isDoc = source.startsWith("/**", pos) && source[pos + 3] !== "/"
      push(isDoc ? "doc" : "comment", pos, indexOr(source, "*/", pos + 2, source.length - 2) + 2)
    } else if (c === "\"" || c === "'") {
      push("string", pos, quoted(source, pos, c))
    } else if (c === "`") {
      const [end, inner] = template(source, pos, line)
      push("template", pos, end, inner)
    } else if (c === "/" && regexMayStart(tokens)) {
      push("regex", pos, regex(source, pos))
    } else if (wordStart.test(c)) {
      let end = pos + 1
      while (end < source.length && (wordPart.test(source[end]) || isDecimalPoint(source, pos, end))) end++
      push("word", pos, end)
    } else {
      if (inTemplate && c === "}" && depth === 0) return [tokens, pos + 1, line]
      if (c === "{") depth++
      if (c === "}") depth--
      const punct = puncts.find((p) => source.startsWith(p, pos))
      push("punct", pos, pos + (punct?.length ?? 1))
    }
  }
  return [tokens, pos, line]
}

const newlines = (text) => text.split("\n").length - 1

const indexOr = (source, what, from, otherwise) => {
  const at = source.indexOf(what, from)
  return at === -1 ? otherwise : at
}

const isDecimalPoint = (source, start, at) =>
  source[at] === "." && /^\d[\d_]*$/.test(source.slice(start, at)) && /\d/.test(source[at + 1] ?? "")

const quoted = (source, start, quote) => {
  let at = start + 1
  while (at < source.length && source[at] !== quote && source[at] !== "\n") at += source[at] === "\\" ? 2 : 1
  return at + 1
}

const template = (source, start, line) => {
  const inner = []
  let at = start + 1
  while (at < source.length && source[at] !== "`") {
    if (source[at] === "\\") {
      at += 2
    } else if (source.startsWith("${", at)) {
      const from = line + newlines(source.slice(start, at))
      const [tokens, end] = scan(source, at + 2, from, true)
      inner.push(...tokens)
      at = end
    } else {
      at++
    }
  }
  return [at + 1, inner]
}

const regex = (source, start) => {
  let at = start + 1
  let inClass = false
  while (at < source.length && source[at] !== "\n" && (inClass || source[at] !== "/")) {
    if (source[at] === "[") inClass = true
    if (source[at] === "]") inClass = false
    at += source[at] === "\\" ? 2 : 1
  }
  at++
  while (/[a-z]/.test(source[at] ?? "")) at++
  return at
}

const regexMayStart = (tokens) => {
  const last = tokens.findLast((t) => t.kind !== "comment" && t.kind !== "doc")
  if (last === undefined) return true
  if (last.kind === "punct") return ![")", "]", "}"].includes(last.text)
  return last.kind === "word" && beforeRegex.has(last.text)
}

/** Every word of the tokens, those inside templates too, each with the tokens before and after it. */
export const words = (tokens) => {
  const code = tokens.filter((t) => t.kind !== "comment" && t.kind !== "doc")
  return code.flatMap((token, i) => {
    if (token.kind === "template") return words(token.inner)
    return token.kind === "word"
      ? [{ text: token.text, line: token.line, before: code[i - 1], after: code[i + 1] }]
      : []
  })
}
