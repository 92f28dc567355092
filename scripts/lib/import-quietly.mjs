// Imports each module named as an argument and prints a line for everything an import did besides: output, handles that
// keep the process alive, global names, listeners on the process. Prints nothing when imports are only imports.
const write = process.stdout.write.bind(process.stdout)
const found = []
let current = "(start)"

for (const name of ["stdout", "stderr"]) {
  process[name].write = (text) => {
    found.push(`${current} writes to ${name}: ${String(text).trim()}`)
    return true
  }
}
process.on("uncaughtException", (error) => found.push(`${current} throws: ${error.message}`))
// touch what is defined lazily, so that the first import does not seem to have made it
void [globalThis.fetch, globalThis.crypto, globalThis.navigator, globalThis.localStorage === undefined]

const look = () => ({
  handles: process.getActiveResourcesInfo().filter((name) => !name.startsWith("FSReq")),
  globals: Object.getOwnPropertyNames(globalThis),
  listeners: process.eventNames().flatMap((event) => process.listeners(event).map(() => String(event)))
})

/** What is there more often than before. */
const added = (before, after) => {
  const left = [...before]
  return after.filter((name) => {
    const at = left.indexOf(name)
    if (at !== -1) left.splice(at, 1)
    return at === -1
  })
}

for (const entry of process.argv.slice(2)) {
  current = entry
  const before = look()
  try {
    await import(entry)
  } catch (error) {
    found.push(`${entry} cannot be imported: ${error.message}`)
  }
  await new Promise((resolve) => setImmediate(resolve))
  const after = look()
  for (const key of Object.keys(before)) {
    const more = added(before[key], after[key])
    if (more.length > 0) found.push(`${entry} adds ${key}: ${more.join(", ")}`)
  }
}

current = "(end)"
process.on("exit", () => {
  for (const line of found) write(`${line}\n`)
})
// nothing that was imported may keep the process from ending by itself
setTimeout(() => {
  found.push(`still alive: ${process.getActiveResourcesInfo().join(", ")}`)
  process.exit()
}, 3000).unref()
