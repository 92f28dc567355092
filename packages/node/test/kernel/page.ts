// docs/causes.md, from the causes: scripts/causes.ts writes it.
import { WsaError } from "@effect-winsock/core"
import { table } from "../../../../scripts/lib/markdown.ts"
import { type Cause, causes, groups } from "./causes.ts"

/** The codes that the document lists for WSAConnect. */
export const documented: ReadonlyArray<readonly [row: string, code: WsaError.Code]> = [
  ["E01", "WSANOTINITIALISED"],
  ["E02", "WSAENETDOWN"],
  ["E03", "WSAEADDRINUSE"],
  ["E04", "WSAEINTR"],
  ["E05", "WSAEINPROGRESS"],
  ["E06", "WSAEALREADY"],
  ["E07", "WSAEADDRNOTAVAIL"],
  ["E08", "WSAEAFNOSUPPORT"],
  ["E09", "WSAECONNREFUSED"],
  ["E10", "WSAEFAULT"],
  ["E11", "WSAEINVAL"],
  ["E12", "WSAEISCONN"],
  ["E13", "WSAENETUNREACH"],
  ["E14", "WSAENOBUFS"],
  ["E15", "WSAENOTSOCK"],
  ["E16", "WSAEOPNOTSUPP"],
  ["E17", "WSAEPROTONOSUPPORT"],
  ["E18", "WSAETIMEDOUT"],
  ["E19", "WSAEWOULDBLOCK"],
  ["E20", "WSAEACCES"]
]

/** Of these, the ones that do not come out live, and why. */
export const notLive: ReadonlyMap<WsaError.Code, string> = new Map<WsaError.Code, string>([
  [
    "WSAENETDOWN",
    "does not come: to a socket Linux says ENETUNREACH of an interface that is down, and Node cannot tell cheaply whether" +
    " the network is up"
  ]
])

/** The causes that bring a code about in a connect. */
export const causesOf = (code: WsaError.Code): ReadonlyArray<Cause> =>
  causes.filter((cause) => cause.code === code && (cause.call === "WSAConnect" || cause.call === "connectResult"))

const cellsOf = ({ call, cause, code, rows, said }: Cause): ReadonlyArray<string> => [
  cause,
  call,
  said ?? (code === undefined ? "" : "was not asked"),
  code ?? "succeeds",
  rows.join(", ")
]

const comesFrom = (code: WsaError.Code): string => {
  const found = causesOf(code)
  const first = found.slice(0, 3).map(({ cause }) => cause).join("; ")
  return found.length > 3 ? `${first}; ${found.length - 3} more` : first
}

const networkDown =
  `An interface that goes down takes its routes along. A new attempt and a datagram then meet ENETUNREACH;
  so does an attempt that is pending, at its next SYN; a connection whose bytes are not acknowledged breaks with ETIMEDOUT.`

const stages: { readonly [systemCall: string]: WsaError.Stage } = {
  bind: "bind",
  connect: "connect",
  read: "receive",
  recvmsg: "receive",
  send: "send",
  write: "send"
}

/** Whether a cause shows a line of the conversion table. */
const isShown = ({ code, native, stages: at }: WsaError.NativeRule): boolean =>
  causes.some((cause) => {
    const [systemCall, name] = cause.said?.split(" ") ?? []
    if (systemCall === undefined || name === undefined) return false
    return cause.code === code && native.includes(name) && at.includes(stages[systemCall]!)
  })

const rules = WsaError.nativeRules.filter((rule) => !rule.stages.includes("resolve") || rule.stages.length > 1)

/** The page. */
export const render = (): string =>
  `# Causes

What makes a call fail, what Node says then, and the code that comes of it. This is the evidence for
[the conversion table](../packages/core/src/WsaError.ts), \`WsaError.nativeRules\`. Every line is brought about anew by
[the suite of kernel faults](../packages/node/test/KernelFaults.test.ts), by a real kernel, in network namespaces that the
suite makes and removes: with pairs of virtual devices, routes, a firewall, settings of the kernel, and a forwarder on a TUN
device that delays packets, loses them, or answers as a router. \`npx -y pnpm@12 test packages/node/test/KernelFaults.test.ts\`
runs it; it takes Linux, and root or leave to make user namespaces.

This page is printed from [causes.ts](../packages/node/test/kernel/causes.ts) by
\`npx -y pnpm@12 exec node scripts/causes.ts\`. It was measured on Linux 6.18 with Node 24. "Was not asked" means that core
knew the answer. The numbers are those of Linux.

${
    groups.map(({ causes, title }) =>
      `## ${title}\n\n${table(["cause", "call", "what Node said", "code", "rows"], causes.map(cellsOf))}`
    ).join("\n\n")
  }

## The document's twenty codes

How each comes out of a live connect.

${
    table(
      ["row", "code", "cause"],
      documented.map(([row, code]) => [row, code, notLive.get(code) ?? comesFrom(code)])
    )
  }

## The conversion table

Its lines, and whether a cause above shows them. The others rest on documentation or on other systems, or stand guard: core
decides before Node is asked, so that Node has no occasion to say so.

${
    table(
      ["what the stack says", "code", "cause", "shown here"],
      rules.map((rule) => [rule.native.join(", "), rule.code, rule.cause, isShown(rule) ? "yes" : ""])
    )
  }

## What does not come from this kernel

- **WSAENETDOWN.** ${networkDown}
- **WSAENETRESET.** Where keep-alive finds a connection dead, Linux says ETIMEDOUT, as it does of any connection whose
  packets are not acknowledged. So the code is WSAETIMEDOUT; Linux has no cause for ENETRESET in TCP.
- **WSAENETUNREACH and WSAEHOSTUNREACH of an earlier datagram, from ICMP 3/0 and 3/1.** Both may pass, and Linux tells a
  connected datagram socket of neither.
- **WSAEMFILE from accept.** libuv gives one descriptor up to turn the caller away, and says nothing.
- **WSAENOBUFS from lack of memory.** It would take the memory of the whole machine.

## How long it takes

A SYN that nobody answers is sent again after 1 s, 2 s, 4 s, and so on: an attempt with one retry fails after 3 s, with six
after more than two minutes. The suite sets \`tcp_rto_max_ms\` to 1000 unless it is run with \`WINSOCK_TIER=long\`: six then take
7 s. Over IPv6 the word of a router or a firewall takes effect here only at the second SYN, after a second.
`
