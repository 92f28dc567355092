import { WsaError } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import * as m from "./utils/machines.ts"

/** The steps of a provider that a call goes through, and so whose failures it can end with. */
const stages: { readonly [C in m.SocketCall | "socket" | "WSASocket"]: ReadonlyArray<WsaError.Stage> } = {
  socket: ["open"],
  WSASocket: ["open"],
  bind: ["bind"],
  connect: ["bind", "connect"],
  WSAConnect: ["bind", "connect"],
  WSAConnectByList: ["bind", "connect"],
  WSAConnectByName: ["resolve", "bind", "connect"],
  connectResult: ["bind", "connect"],
  listen: ["listen"],
  accept: ["accept"],
  // R21: a send, and a shutdown, also say with which code the connection broke.
  send: ["send", "receive"],
  sendto: ["send", "receive"],
  recv: ["receive"],
  recvfrom: ["receive"],
  shutdown: ["shutdown", "receive"],
  closesocket: [],
  getsockname: [],
  getpeername: [],
  // Read from what core keeps: no provider is asked.
  getsockopt: [],
  setsockopt: ["option"],
  ioctlsocket: [],
  // Kept by core, until a provider honours it.
  WSAIoctl: []
}

/** E04, A11: calls that can wait, and end so when their socket is closed under them. */
const waiting = new Set<WsaError.Call>([
  "connect",
  "WSAConnect",
  "WSAConnectByList",
  "WSAConnectByName",
  "connectResult",
  "listen",
  "accept",
  "send",
  "sendto",
  "recv",
  "recvfrom"
])

/** What neither a machine nor a stack gives, but the shell around them. */
const shell: ReadonlyArray<readonly [call: WsaError.Call, code: WsaError.Code, cause: string]> = [
  ["connect", "WSAEWOULDBLOCK", "R23: a non-blocking attempt was issued"],
  ["WSAConnect", "WSAEWOULDBLOCK", "R23: a non-blocking attempt was issued"],
  ["connect", "WSAEPROTONOSUPPORT", "E17: a peer that does not speak the connect-data exchange"],
  ["WSAConnectByList", "WSAEPROTONOSUPPORT", "E17: a peer that does not speak the connect-data exchange"],
  ["connectResult", "WSAEPROTONOSUPPORT", "E17: a peer that does not speak the connect-data exchange"],
  ["WSAConnectByList", "WSAETIMEDOUT", "A22: the time-out of the list"],
  ["WSAConnectByName", "WSAEPROTONOSUPPORT", "E17: a peer that does not speak the connect-data exchange"],
  ["WSAConnectByName", "WSAETIMEDOUT", "A22: the time-out of the call, the look-up included"],
  ["send", "WSAEFAULT", "E10: what is to be sent is no bytes"],
  ["recv", "WSAEFAULT", "E10: the length is no count of bytes"],
  ["recvfrom", "WSAEFAULT", "E10: the length is no count of bytes"],
  ["recv", "WSAEMSGSIZE", "A09: the datagram is longer than the buffer"],
  ["recvfrom", "WSAEMSGSIZE", "A09: the datagram is longer than the buffer"]
]

/** Codes whose cause comes with a row of the requirements that is not built yet. */
const later: ReadonlyArray<readonly [call: WsaError.Call, code: WsaError.Code, cause: string]> = [
  ["connectResult", "WSAEOPNOTSUPP", "comes with E16: a provider that reserves, and finds only later that it cannot"]
]

const decided = new Map<WsaError.Call, ReadonlySet<m.Tag>>([
  ["socket", m.decidedBySocket()],
  ["WSASocket", m.decidedBySocket()]
])
for (const call of m.socketCalls) {
  const codes = new Set<m.Tag>()
  for (const state of m.states) {
    for (const facts of m.allFacts) {
      for (const capabilities of [m.able, m.plain]) {
        for (const code of m.decided(call, state, facts, capabilities)) codes.add(code)
      }
    }
  }
  decided.set(call, codes)
}

const calls = ["socket", "WSASocket", ...m.socketCalls] as const
const has = (
  table: ReadonlyArray<readonly [call: WsaError.Call, code: WsaError.Code, cause: string]>,
  call: WsaError.Call,
  code: WsaError.Code
): boolean => table.some((row) => row[0] === call && row[1] === code)

const isCaused = (call: (typeof calls)[number], code: WsaError.Code): boolean =>
  decided.get(call)!.has(code) ||
  stages[call].some((stage) => WsaError.nativeCodes(stage).has(code)) ||
  (code === "WSAEINTR" && waiting.has(call)) ||
  has(shell, call, code)

describe("causes", () => {
  it.each(calls)("%s: every code of its row has a cause", (call) => {
    for (const code of WsaError.callErrors[call]) {
      assert.isTrue(isCaused(call, code) || has(later, call, code), code)
    }
  })

  it.each(calls)("%s: no decision gives a code that its row lacks", (call) => {
    const row = new Set<string>(WsaError.callErrors[call])
    for (const code of decided.get(call)!) assert.isTrue(row.has(code), code)
  })

  it("a cause that is said to come later has not come, and is of a code of the row", () => {
    for (const [call, code] of later) {
      const known = calls.find((known) => known === call)
      assert.isTrue(known !== undefined && !isCaused(known, code), `${call}: ${code}`)
      assert.isTrue(WsaError.callErrors[call].some((own) => own === code), `${call}: ${code}`)
    }
  })

  it("what is struck has no cause", () => {
    for (const { call, code } of WsaError.struckCodes) {
      const known = calls.find((known) => known === call)
      assert.isTrue(known !== undefined && !isCaused(known, code), `${call}: ${code}`)
    }
  })
})
