/**
 * A connection that breaks while something is settled over it, before it is anyone's: what that is to whoever connects.
 */
import * as WsaError from "../WsaError.ts"

/** What a read or a write can fail with. */
export type Transport = WsaError.RecvError | WsaError.SendError | WsaError.ShutdownError

/** What a fresh blocking socket does not say. */
type Pending = "WSAEWOULDBLOCK" | "WSAEINPROGRESS"

/** A code of WSAConnect. */
export type Broken = Exclude<
  Extract<WsaError.WSAConnectError, { readonly _tag: Transport["_tag"] }>,
  { readonly _tag: Pending }
>

const { WSAConnect, recv, send } = WsaError.callErrors
const both: ReadonlySet<string> = new Set<string>([...recv, ...send])
const broken: ReadonlySet<string> = new Set(
  WSAConnect.filter((code) => both.has(code) && code !== "WSAEWOULDBLOCK" && code !== "WSAEINPROGRESS")
)

/** The error of a code, where a connect can end with it so; else it is told as what was not expected. */
export const failureOf = (code: string, details: WsaError.Details): Broken =>
  WsaError.isCode(code) && broken.has(code)
    ? WsaError.make(code, details) as Broken
    : WsaError.make("WsaUnmapped", { ...details, code })

/** The failure of the connect that a broken connection is. `detail`: what is to be said before its own. */
export const brokenAt = (stage: WsaError.Stage, error: Transport, detail?: string): Broken => {
  const { _tag, local, native, remote } = error
  const words = [detail, error.detail].filter((each) => each !== undefined).join(": ")
  return failureOf(_tag === "WsaUnmapped" ? error.code : _tag, {
    call: "WSAConnect",
    stage,
    local,
    native,
    remote,
    detail: words === "" ? undefined : words,
    cause: error
  })
}
