/**
 * The system's calls by koffi, which not everybody has installed.
 */
import { createRequire } from "node:module"
import * as util from "node:util"
import type { SystemCalls } from "../NodeProvider.ts"

// What is used of it, so that whoever has not installed it needs no types of it either.
interface Koffi {
  readonly errno: () => number
  readonly load: (path: null) => { readonly func: (prototype: string) => (...args: ReadonlyArray<unknown>) => number }
}

/** Throws where it is not installed, or not for this machine. */
export const load = (): SystemCalls => {
  // Not by `import`: a bundler would follow that, and fail where the package is missing.
  const koffi = createRequire(import.meta.url)("koffi") as Koffi
  // The library of the system is in Node's own process, whatever it is called there.
  const system = koffi.load(null)
  const get = system.func("int getsockopt(int, int, int, _Out_ void *value, _Inout_ uint32_t *length)")
  const set = system.func("int setsockopt(int, int, int, const void *value, uint32_t length)")
  const word = new Uint32Array(1)
  const length: [number] = [word.byteLength]
  const check = (syscall: string, result: number): void => {
    if (result === 0) return
    const errno = -koffi.errno()
    throw Object.assign(new Error(syscall), { code: util.getSystemErrorName(errno), errno, syscall })
  }
  return {
    getsockopt: (descriptor, level, option) => {
      length[0] = word.byteLength
      check("getsockopt", get(descriptor, level, option, word, length))
      return word[0]!
    },
    setsockopt: (descriptor, level, option, value) => {
      word[0] = value
      check("setsockopt", set(descriptor, level, option, word, word.byteLength))
    }
  }
}

/** Why it could not be loaded, in a line: Node's words go on with a list of who asked for it. */
export const reason = (error: unknown): string => String((error as { message?: unknown }).message).split("\n")[0]!
