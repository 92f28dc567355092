// Checks what would be published, as the people who install it would find it: packs the three packages, looks into the
// tarballs, installs them with npm in a fresh project outside the workspace, type-checks the README's examples and the
// cookbook there, runs the README's program and the cookbook's, and imports every entry to see that importing does nothing.
import { execFileSync } from "node:child_process"
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { examples, program } from "./lib/readme.mjs"

const packages = ["core", "node", "testing"]
const root = path.resolve(import.meta.dirname, "..")
const node24 = realpathSync(path.join(root, "node_modules/.bin/node"))
const temp = mkdtempSync(path.join(tmpdir(), "effect-winsock-pack-"))
const project = path.join(temp, "project")

const problems = []
const say = (text) => process.stdout.write(`${text}\n`)
const run = (cwd, command, args, timeout = 300_000) =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], timeout })
const attempt = (what, body) => {
  try {
    say(`${what}: ${body() ?? "ok"}`)
  } catch (error) {
    // a compiler says on stdout what it did not like
    problems.push(`${what}: ${error.message}${error.stdout ? `\n${error.stdout}` : ""}`)
  }
}

/** Packs one package and returns its unpacked folder and manifest. */
const pack = (name) => {
  const tarball = path.join(temp, `${name}.tgz`)
  run(path.join(root, "packages", name), "npx", ["-y", "pnpm@12", "pack", "--out", tarball])
  const dir = path.join(temp, "unpacked", name)
  mkdirSync(dir, { recursive: true })
  run(dir, "tar", ["xzf", tarball, "--strip-components=1"])
  return { name, tarball, dir, manifest: JSON.parse(readFileSync(path.join(dir, "package.json"), "utf8")) }
}

/** Every source has its four outputs, every output its source, and nothing in the manifest speaks of the workspace. */
const checkContents = ({ dir, manifest, name }) => {
  const missing = []
  const sources = globSync("src/**/*.ts", { cwd: dir })
  const expected = new Set(["package.json", "LICENSE", ...sources])
  for (const file of globSync("src/**/*.ts", { cwd: path.join(root, "packages", name) })) {
    const output = file.replace(/^src(.*)\.ts$/, "dist$1")
    for (const f of [file, `${output}.js`, `${output}.js.map`, `${output}.d.ts`, `${output}.d.ts.map`]) expected.add(f)
  }
  const packed = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((e) => e.isFile())
    .map((e) => path.relative(dir, path.join(e.parentPath, e.name)))
  for (const file of expected) if (!packed.includes(file)) missing.push(`lacks ${file}`)
  for (const file of packed) {
    if (!expected.has(file) && file !== "README.md") missing.push(`has ${file}, which no source explains`)
  }
  for (const leftover of ["workspace:", "catalog:"]) {
    if (JSON.stringify(manifest).includes(leftover)) missing.push(`its package.json still says ${leftover}`)
  }
  for (const target of Object.values(manifest.exports)) {
    if (target !== null && target.startsWith("./src")) missing.push(`its exports point to ${target}`)
  }
  if (missing.length > 0) throw new Error(missing.join("; "))
  return `${packed.length} files`
}

/** Installs the tarballs and what they, or the program, expect to find beside them. */
const install = (packed, code) => {
  const [, catalogs] = readFileSync(path.join(root, "pnpm-workspace.yaml"), "utf8").split(/^catalog:$/m)
  const catalog = Object.fromEntries(
    Array.from(
      catalogs.matchAll(/^ {2}"?([@\w/-]+)"?: (\S+)$/gm),
      ([, name, version]) => [name, version]
    )
  )
  const dependencies = { "@types/node": catalog["@types/node"], effect: catalog.effect }
  for (const { manifest } of packed) {
    for (const [name, range] of Object.entries(manifest.peerDependencies ?? {})) {
      // What is loaded only when it is asked for is left out: everything below has to work without it. What the tests
      // of others need is in the catalog, as theirs.
      const optional = manifest.peerDependenciesMeta?.[name]?.optional === true && !(name in catalog)
      if (!optional) dependencies[name] ??= catalog[name] ?? range
    }
  }
  for (const [, name] of code.matchAll(/from "((?:@[^/"]+\/)?[^/"]+)/g)) {
    if (!name.includes(":")) dependencies[name] ??= catalog[name] ?? "latest"
  }
  for (const { manifest, tarball } of packed) dependencies[manifest.name] = `file:${tarball}`
  mkdirSync(project)
  writeFileSync(path.join(project, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }))
  run(project, "npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"])
  return Object.keys(dependencies).join(", ")
}

const typeCheck = () => {
  const compilerOptions = {
    module: "NodeNext",
    target: "ES2023", // and its usual libraries: effect's declarations speak of CryptoKey and other names of the DOM
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    allowImportingTsExtensions: true
  }
  const include = ["*.ts", "cookbook/*.ts"]
  writeFileSync(path.join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include }))
  run(project, path.join(root, "node_modules/.bin/tsc"), ["-p", "."])
}

const runProgram = () => {
  const output = run(project, node24, ["program.ts"], 60_000)
  if (output.trim() === "") throw new Error("it printed nothing")
  return `printed\n${output.replace(/^/gm, "  | ").trimEnd()}`
}

/** The public entries of a package: its root and its modules, but not what it installs as commands. */
const entriesOf = ({ dir, manifest }) => {
  const commands = new Set(Object.values(manifest.bin ?? {}).map((file) => path.normalize(file)))
  return globSync("dist/*.js", { cwd: dir }).sort().filter((file) => !commands.has(file)).map((file) => {
    const module = path.basename(file, ".js")
    return module === "index" ? manifest.name : `${manifest.name}/${module}`
  })
}

/** One process imports all entries, one after the other, and looks around itself after each. */
const checkImports = (packed) => {
  const entries = packed.flatMap(entriesOf)
  cpSync(path.join(root, "scripts/lib/import-quietly.mjs"), path.join(project, "import-quietly.mjs"))
  const output = run(project, node24, ["import-quietly.mjs", ...entries])
  if (output !== "") throw new Error(output)
  return `${entries.length} entries`
}

const checkCommands = (packed) => {
  const commands = packed.flatMap(({ manifest }) => Object.keys(manifest.bin ?? {}))
  const runCommand = (command, ...args) =>
    run(project, node24, [path.join(project, "node_modules/.bin", command), ...args])
  for (const command of commands) {
    if (runCommand(command, "--help").trim() === "") throw new Error(`${command} --help printed nothing`)
  }
  const answer = runCommand("winsock", "errors", "WSAECONNREFUSED")
  if (!answer.startsWith("WSAECONNREFUSED (10061)")) throw new Error(`winsock errors says ${answer}`)
  return commands.join(", ")
}

const main = () => {
  run(root, path.join(root, "node_modules/.bin/tsc"), ["-b", "tsconfig.packages.json"])
  const packed = packages.map(pack)
  for (const one of packed) {
    attempt(`contents of ${one.manifest.name}-${one.manifest.version}.tgz`, () => checkContents(one))
  }
  const code = program()
  say(`npm install: ${install(packed, examples().join(""))}`)
  attempt("imports without effects", () => checkImports(packed))
  attempt("commands that answer", () => checkCommands(packed))
  writeFileSync(path.join(project, "program.ts"), code)
  examples().forEach((example, i) => writeFileSync(path.join(project, `example${i}.ts`), example))
  cpSync(path.join(root, "examples/cookbook"), path.join(project, "cookbook"), { recursive: true })
  attempt("types of the README's examples, and of the cookbook", typeCheck)
  attempt("the README's program", runProgram)
  for (
    const name of globSync("*.ts", { cwd: path.join(project, "cookbook"), exclude: ["certificates.ts", "worlds.ts"] })
  ) {
    attempt(`cookbook/${name}`, () => run(project, node24, [path.join("cookbook", name)]).trim().split("\n").at(-1))
  }
}

try {
  process.chdir(root)
  main()
} catch (error) {
  problems.push(`${error.message}${error.stdout ? `\n${error.stdout}` : ""}`)
}
for (const problem of problems) process.stderr.write(`pack-check: ${problem}\n`)
if (problems.length === 0) rmSync(temp, { recursive: true, force: true })
else process.stderr.write(`pack-check: left in ${temp}\n`)
process.exitCode = problems.length > 0 ? 1 : 0
