// What the README promises, for the scripts that keep it true: a fence that follows a marker comment,
// `<!-- commands -->` (the commands a newcomer types) or `<!-- program -->` (the first program), or whose info string
// has the word itself: ```ts program
import { readFileSync } from "node:fs"

const fenceOf = (mark) => {
  const readme = readFileSync("README.md", "utf8")
  const afterComment = new RegExp(`^<!-- ${mark} -->\\s*\`\`\`[^\\n]*\\n([\\s\\S]*?)^\`\`\``, "m").exec(readme)
  const inInfo = new RegExp(`^\`\`\`\\w+ (?:[^\\n]* )?${mark}(?: [^\\n]*)?\\n([\\s\\S]*?)^\`\`\``, "m").exec(readme)
  const found = afterComment ?? inInfo
  if (found === null) throw new Error(`README.md has no fence marked \`<!-- ${mark} -->\``)
  return found[1]
}

/** The commands, one a line, without prompts and comments. */
export const commands = () =>
  fenceOf("commands").split("\n").map((line) => line.replace(/^\$ /, "").replace(/\s+#.*$/, "").trim())
    .filter((line) => line !== "" && !line.startsWith("#"))

/** The program, as it stands. */
export const program = () => fenceOf("program")

/** All examples that stand for themselves, each as it stands: those that import something. */
export const examples = () =>
  Array.from(readFileSync("README.md", "utf8").matchAll(/^```ts[^\n]*\n([\s\S]*?)^```/gm), ([, code]) => code)
    .filter((code) => code.startsWith("import "))

if (import.meta.main) process.stdout.write(`${commands().join("\n")}\n`)
