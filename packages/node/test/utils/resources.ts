import { readdirSync, readlinkSync } from "node:fs"

/** What this process holds: sockets, timers and other resources of its event loop by name, and descriptors of sockets. */
export const resources = (): { readonly [name: string]: number } => {
  const counts: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) {
    // Microtasks of the test itself; whether one is there is a matter of the moment.
    if (name === "Immediate") continue
    counts[name] = (counts[name] ?? 0) + 1
  }
  counts.socketDescriptors = readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:")
    } catch {
      return false
    }
  }).length
  return counts
}
