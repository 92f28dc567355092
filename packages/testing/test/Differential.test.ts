import { Provider } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import { compare, type Difference, printDifference } from "./differential/compare.ts"
import { generate, print, type Program, type Step } from "./differential/program.ts"
import { smallest } from "./differential/shrink.ts"
import { run, simulate, simulated } from "./differential/simulated.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Providers that lie
// ---------------------------------------------------------------------------------------------------------------------

/** The same object but for these methods. */
const but = <A extends object>(target: A, changes: Partial<A>): A =>
  new Proxy(target, {
    get: (target, key) => {
      const value = (key in changes ? changes : target)[key as keyof A]
      return typeof value === "function" ? value.bind(target) : value
    }
  })

/** What it tells instead. */
type Lie = (sink: Provider.Sink) => Partial<Provider.Sink>

const lying = (lie: Lie) => (provider: Provider.Provider): Provider.Provider => ({
  ...provider,
  open: (kind, sink) => provider.open(kind, but(sink, lie(sink)))
})

const lies: { readonly [what: string]: Lie } = {
  "a datagram loses its last byte": (sink) => ({
    datagram: (bytes, from) => sink.datagram(bytes.subarray(0, bytes.length - 1), from)
  }),
  "a refusal is called a time-out": (sink) => ({
    connected: (attempt, result) =>
      sink.connected(attempt, Provider.isFailure(result) ? Provider.failure("WSAETIMEDOUT") : result)
  }),
  "a rejected caller is not told": (sink) => ({
    incoming: (request) => sink.incoming(but(request, { reject: () => undefined }))
  })
}

const allOps: ReadonlyArray<Step["op"]> = [
  "socket",
  "bind",
  "listen",
  "connect",
  "WSAConnectByList",
  "attempt",
  "connectResult",
  "accept",
  "send",
  "sendto",
  "recv",
  "recvfrom",
  "transfer",
  "shutdown",
  "closesocket",
  "setsockopt",
  "linger",
  "patience",
  "nonBlocking",
  "select",
  "WSAEventSelect",
  "WSAAsyncSelect",
  "WSAEnumNetworkEvents",
  "interrupt"
]

/** The first words of what calls end with. */
const expectedEnds: ReadonlyArray<string> = [
  "ok",
  "waits",
  "interrupted",
  "connected",
  "accepted",
  "sent",
  "300000",
  "WSAEADDRINUSE",
  "WSAEADDRNOTAVAIL",
  "WSAEAFNOSUPPORT",
  "WSAECONNABORTED",
  "WSAECONNREFUSED",
  "WSAECONNRESET",
  "WSAEFAULT",
  "WSAEINVAL",
  "WSAEISCONN",
  "WSAEMSGSIZE,",
  "WSAENOPROTOOPT",
  "WSAENOTCONN",
  "WSAENOTSOCK",
  "WSAEOPNOTSUPP",
  "WSAESHUTDOWN",
  "WSAETIMEDOUT",
  "WSAEWOULDBLOCK",
  "WSATRY_AGAIN"
]

const truth = simulated("truth")

/** The first program of some that shows the lie, made as small as it can be. */
const find = (lie: Lie): Difference | undefined => {
  const differ = (program: Program) => compare(program, truth, simulated("lie", lying(lie)), [])
  for (let seed = 1; seed <= 200; seed++) {
    const program = generate(seed)
    const { difference } = run(program, differ(program))
    if (difference !== undefined) return run(program, smallest(difference, differ))
  }
  return undefined
}

describe("differential runs", () => {
  for (const [what, lie] of Object.entries(lies)) {
    it(`catch that ${what}, and show it in at most 6 steps`, () => {
      const difference = find(lie)
      if (difference === undefined) return assert.fail("nobody noticed")
      const { parts, program, step } = difference
      // What was found is shown whole: the program, the step, and what each world said.
      const text = printDifference(difference)
      assert.isAtMost(program.length, 6, text)
      assert.include(text, `${print(program)}\nthey part at ${step}\n`)
      assert.isNotEmpty(parts)
      for (const { first, second } of parts) assert.include(text, `truth  ${first}\n    lie    ${second}`)
      // Without any one of its steps nothing is left of it.
      for (let i = 0; i < program.length; i++) {
        const fewer = program.toSpliced(i, 1)
        const verdict = run(fewer, compare(fewer, truth, simulated("lie", lying(lie)), []))
        assert.isUndefined(verdict.difference, print(fewer))
      }
    })
  }

  it("find nothing between a world and itself", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const program = generate(seed)
      assert.deepStrictEqual(simulate(program), simulate(program), print(program))
      const { difference } = run(program, compare(program, truth, simulated("again"), []))
      if (difference !== undefined) assert.fail(`seed ${seed}\n${printDifference(difference)}`)
    }
  })

  it("show every kind of step, and most of what a call can end with", () => {
    const ops = new Set<string>(allOps)
    const ends = new Set(expectedEnds)
    for (let seed = 1; seed <= 500 && ops.size + ends.size > 0; seed++) {
      const program = generate(seed)
      for (const { op } of program) ops.delete(op)
      for (const { seen, step } of simulate(program)) ends.delete(seen[step]!.split(" ")[0]!)
    }
    assert.deepStrictEqual([...ops, ...ends], [])
  })

  it("have the same program for the same seed, of 5 to 60 steps", () => {
    for (let seed = 1; seed <= 500; seed++) {
      const program = generate(seed)
      assert.deepStrictEqual(program, generate(seed))
      assert.isAtLeast(program.length, 5)
      assert.isAtMost(program.length, 60)
    }
  })
})
