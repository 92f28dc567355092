/**
 * What the words of a command line mean. A parser gives a value, or what it expected: one line of an error message.
 */
import { Proxy, Qos, SocketAddress, UserData, WsaError } from "@effect-winsock/core"
import * as Duration from "effect/Duration"
import * as Host from "effect/net/Host"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Codes from "./codes.ts"

/** Where to: a path is an address already, the host of an endpoint may be a name. */
export type Target =
  | { readonly protocol: "tcp" | "udp"; readonly text: string; readonly endpoint: Host.HostPort }
  | { readonly protocol: "unix"; readonly text: string; readonly address: SocketAddress.SocketAddress }

export const target = (text: string): Result.Result<Target, string> => {
  if (text.startsWith("unix:")) {
    return Result.match(SocketAddress.fromInput(text), {
      onFailure: ({ reason }) => Result.fail(reason),
      onSuccess: (address) => Result.succeed({ protocol: "unix", text, address } as const)
    })
  }
  const [, named, rest] = /^(?:(tcp|udp):(?:\/\/)?)?(.*)$/s.exec(text)!
  const protocol = named === "udp" ? "udp" : "tcp"
  return Result.match(Host.hostPortFromString(rest!), {
    onFailure: ({ message }) =>
      Result.fail(`HOST:PORT, [::1]:PORT, tcp:HOST:PORT, udp:HOST:PORT or unix:/PATH (${message})`),
    onSuccess: (endpoint) => Result.succeed({ protocol, text, endpoint } as const)
  })
}

/** A local address; without a port, the system chooses one. */
export const local = (text: string): Result.Result<SocketAddress.SocketAddress, string> => {
  const bracketed = text.includes(":") && !text.startsWith("[") ? `[${text}]` : text
  for (const form of [text, `${bracketed}:0`]) {
    const address = SocketAddress.fromInput(form)
    if (Result.isSuccess(address)) return Result.succeed(address.success)
  }
  return Result.fail("an address of this machine, such as 192.0.2.1, 192.0.2.1:4000, [::1]:4000 or unix:/PATH")
}

export const proxy = (text: string): Result.Result<Proxy.Hop<Host.HostPort>, string> =>
  Result.mapError(Proxy.fromUrl(text), ({ reason }) => reason)

const units = { ms: "millis", s: "seconds", m: "minutes", h: "hours" } as const

/** Seconds, or a number with a unit: 2, 500ms, 1.5s, 2m; also what Effect writes: "2 seconds". */
export const duration = (text: string): Result.Result<Duration.Duration, string> => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim()) ?? []
  const parsed = amount === undefined
    ? Duration.fromInput(text as Duration.Input)
    : Option.some(Duration.fromInputUnsafe(`${Number(amount)} ${units[(unit ?? "s") as keyof typeof units]}`))
  return Option.isSome(parsed) && Duration.isPositive(parsed.value) && Duration.isFinite(parsed.value)
    ? Result.succeed(parsed.value)
    : Result.fail("a time longer than none, such as 2 (seconds), 500ms, 1.5s or 2m")
}

const connectCodes: ReadonlySet<string> = new Set([
  ...WsaError.callErrors.WSAConnect,
  ...WsaError.callErrors.WSAConnectByName
])

/** How often to try again after a code. */
export interface Retry {
  readonly code: WsaError.Code
  readonly times: number
}

export const retry = (text: string): Result.Result<Retry, string> => {
  const [, name, times] = /^([^=]+)=([1-9]\d{0,5})$/.exec(text) ?? []
  if (name === undefined) return Result.fail("CODE=N with N from 1 to 999999, such as WSAECONNREFUSED=5")
  return Result.flatMap(Codes.lookUp(name), (found) => {
    const code = found.find((code) => connectCodes.has(code))
    return code === undefined
      ? Result.fail(`a code that a connect can end with: ${found.join(" and ")} cannot be one`)
      : Result.succeed({ code, times: Number(times) })
  })
}

const escapes: { readonly [letter: string]: string } = { n: "\n", r: "\r", t: "\t", "0": "\0", "\\": "\\" }

/** Bytes written as text: UTF-8, with \r \n \t \0 \\ and \xHH. */
export const bytes = (text: string): Result.Result<Uint8Array, string> => {
  const parts: Array<Buffer> = []
  for (const [part, hex, letter] of text.matchAll(/\\x([0-9a-fA-F]{2})|\\([nrt0\\])|[^\\]+|\\/gs)) {
    if (part === "\\") return Result.fail(`text with \\r \\n \\t \\0 \\\\ or \\xHH; a lone \\ is written \\\\`)
    parts.push(
      hex === undefined ? Buffer.from(letter === undefined ? part : escapes[letter]!) : Buffer.from(hex, "hex")
    )
  }
  return Result.succeed(new Uint8Array(Buffer.concat(parts)))
}

/** User data: bytes, or the file that has them. */
export type Data = Uint8Array | { readonly path: string }

/** Text with the escapes of `bytes`, `hex:` and digits, or `@` and the path of a file. */
export const data = (text: string): Result.Result<Data, string> => {
  if (text.startsWith("@")) {
    return text === "@"
      ? Result.fail("@ and the path of a file")
      : Result.succeed({ path: text.slice(1) })
  }
  if (!text.startsWith("hex:")) return bytes(text)
  const digits = text.slice(4)
  return /^(?:[0-9a-f]{2})*$/i.test(digits)
    ? Result.succeed(new Uint8Array(Buffer.from(digits, "hex")))
    : Result.fail("hex: and two digits for each byte")
}

export const capacity = (text: string): Result.Result<number, string> =>
  /^\d+$/.test(text) && Schema.is(UserData.Capacity)(Number(text))
    ? Result.succeed(Number(text))
    : Result.fail("a whole number of bytes from 0 to 4294967295")

/** A differentiated services code point: its number, or the name of its class. */
export const dscp = (text: string): Result.Result<number, string> => {
  const named = Object.entries(Qos.dscp).find(([name]) => name === text.toUpperCase())
  if (named !== undefined) return Result.succeed(named[1])
  return /^\d+$/.test(text) && Number(text) <= 63
    ? Result.succeed(Number(text))
    : Result.fail(`a number from 0 to 63, or ${Object.keys(Qos.dscp).join(", ")}`)
}

const services = Qos.ServiceType.literals
const scales = { "": 1, k: 1000, M: 1_000_000 } as const

/** A template, or a kind of service and the rate of what is sent: G711, controlledLoad:16000, bestEffort:64k. */
export const qos = (text: string): Result.Result<Qos.Qos, string> => {
  const template = Qos.template(text)
  if (template !== undefined) return Result.succeed(template)
  const [, name, amount, scale = ""] = /^([a-z]+)(?::(\d{1,12}(?:\.\d{1,6})?)([kM]?))?$/i.exec(text) ?? []
  const serviceType = services.find((own) => own.toLowerCase() === name?.toLowerCase())
  if (serviceType === undefined) {
    const templates = Object.keys(Qos.templates).join(", ")
    return Result.fail(`${services.join(", ")}, with a rate after a colon or without; or ${templates}`)
  }
  const factor = scales[scale as keyof typeof scales]
  const sending: Qos.FlowSpec = amount === undefined
    ? { serviceType }
    : { serviceType, tokenRate: Math.round(Number(amount) * factor) }
  const wrong = Qos.check({ sending })
  return wrong === undefined
    ? Result.succeed({ sending })
    : Result.fail(`what can be asked for: ${wrong.detail ?? wrong._tag}`)
}

/** A QOS whose packets have a code point, whatever the kind of service says; best effort where nothing else is asked for. */
export const marked = (qos: Qos.Qos | undefined, dsField: number | undefined): Qos.Qos | undefined =>
  dsField === undefined ? qos : {
    ...(qos ?? { sending: { serviceType: "bestEffort" } }),
    providerSpecific: Result.getOrThrow(Qos.encodeObjects([{ _tag: "DsClass", dsField }]))
  }
