// Names that dnsmasq serves, and what becomes of connects to them: `node run.ts`, in namespaces of its own for network,
// mounts and processes. Prints a line of JSON for each. Nobody starts it but Resolving.test.ts.
import { Connector, type HappyEyeballs, SocketAddress, SocketOption, Winsock } from "@effect-winsock/core"
import { NodeConnector } from "@effect-winsock/node"
import { Effect, Schedule } from "effect"
import * as childProcess from "node:child_process"
import * as dgram from "node:dgram"
import { once } from "node:events"
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"

/** What became of a connect. */
export interface Outcome {
  readonly resolver: string
  readonly what: string
  /** The address, or the tag and the stage of the error. */
  readonly became: string
  /** The addresses that were tried. */
  readonly tried: ReadonlyArray<string>
  readonly detail?: string | undefined
}

const directory = process.argv[2]!
const file = (name: string, text: string): string => {
  const target = path.join(directory, name)
  fs.writeFileSync(target, text, { mode: 0o644 })
  return target
}
const sh = (line: string): void =>
  void childProcess.execSync(line, { stdio: ["ignore", process.stderr, process.stderr] })

// --- the world -------------------------------------------------------------------------------------------------------

sh("ip link set lo up")
sh("ip -6 addr add 2001:db8:7::1/128 dev lo")
sh("ip -6 addr add 2001:db8:7::2/128 dev lo")
sh(`mount --bind ${file("resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")} /etc/resolv.conf`)
sh(`mount --bind ${file("hosts", "127.0.0.1 localhost\n::1 localhost\n")} /etc/hosts`)
sh(`mount --bind ${file("nsswitch.conf", "hosts: files dns\n")} /etc/nsswitch.conf`)

// --- a name server that is slow, broken, or silent: dnsmasq asks it for what ends with .up.test -------------------------

const types = { IPv4: 1, IPv6: 28 } as const
const bytesOf = { [types.IPv4]: [127, 0, 0, 7], [types.IPv6]: [0x20, 1, 0xd, 0xb8, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] }

/** The answers that are kept back until somebody is through. */
const held: Array<() => void> = []

const upstream = dgram.createSocket("udp4", (query, { address, port }) => {
  const end = query.indexOf(0, 12)
  const type = query.readUInt16BE(end + 1)
  const name = query.toString("latin1", 13, end).split(/[^a-z0-9-]/)[0]!
  const question = query.subarray(12, end + 5)
  const answer = (rcode: number, data: ReadonlyArray<number> = []): void => {
    const head = Buffer.from([query[0]!, query[1]!, 0x85, 0x80 | rcode, 0, 1, 0, data.length > 0 ? 1 : 0, 0, 0, 0, 0])
    const record = data.length === 0 ? [] : [0xc0, 0x0c, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length, ...data]
    upstream.send(Buffer.concat([head, question, Buffer.from(record)]), port, address)
  }
  const addresses = bytesOf[type as keyof typeof bytesOf]
  switch (name) {
    case "servfail":
      return answer(2)
    case "silent":
      return
    case "six-is-late":
      return type === types.IPv6 ? void held.push(() => answer(0, addresses)) : answer(0, addresses)
    case "four-is-late":
      return type === types.IPv4 ? void held.push(() => answer(0, addresses)) : answer(0, addresses)
    case "six-fails":
      return type === types.IPv6 ? answer(2) : answer(0, addresses)
  }
})
upstream.bind(5301, "127.0.0.1")
await once(upstream, "listening")

const dnsmasq = childProcess.spawn(
  "dnsmasq",
  [
    "-d",
    "-C",
    file(
      "dnsmasq.conf",
      `no-resolv
no-hosts
cache-size=0
local=/test/
server=/up.test/127.0.0.1#5301
host-record=both.test,127.0.0.7,2001:db8:7::1
host-record=four.test,127.0.0.7
host-record=six.test,2001:db8:7::1
host-record=unreachable.test,127.0.0.7,2a00::1
host-record=refusing.test,127.0.0.8,2001:db8:7::2
txt-record=empty.test,"a name without an address"
cname=alias.test,both.test
`
    )
  ],
  { stdio: ["ignore", process.stderr, process.stderr] }
)
dnsmasq.on("error", (error) => {
  process.stderr.write(`dnsmasq: ${error.message}\n`)
})

const server = net.createServer((socket) => socket.on("error", () => {}).end("hello"))
server.listen({ host: "::", port: 0 })
await once(server, "listening")
const { port } = server.address() as net.AddressInfo
// Nobody listens there: a port that was free a moment ago, in a network of our own.
const closed = port === 1 ? 2 : 1

// --- what is asked -----------------------------------------------------------------------------------------------------

const tell = (outcome: Outcome): void => void process.stdout.write(`${JSON.stringify(outcome)}\n`)

interface Told {
  readonly _tag: string
  readonly stage: string
  readonly message: string
}

const failed = (error: Told) => ({ became: `${error._tag} ${error.stage}`, detail: error.message })

/** A busy machine answers later than a race waits for: where both families are answered, both are waited for. */
const patient: HappyEyeballs.Options = { resolutionDelay: "20 seconds", attemptDelay: "2 seconds" }

const through = (resolver: string, options: HappyEyeballs.Options) => {
  const tried: Array<string> = []
  const connector = Connector.winsock.pipe(
    Connector.hook((_, { address }) => Effect.sync(() => void tried.push(SocketAddress.format(address)))),
    Connector.happyEyeballs(options),
    Connector.resolve()
  )
  return (what: string, target: string) =>
    Effect.scoped(connector.connect(target)).pipe(
      Effect.match({
        onFailure: failed,
        onSuccess: ({ remote }) => ({ became: SocketAddress.format(remote) })
      }),
      Effect.tap((found) =>
        Effect.sync(() => {
          tell({ resolver, what, ...found, tried: tried.splice(0) })
          for (const answer of held.splice(0)) answer()
        })
      )
    )
}

const byName = (family: "IPv4" | "IPv6", nodename: string, both = false) =>
  Effect.scoped(Effect.gen(function*() {
    const s = yield* Winsock.socket({ family, type: "stream" })
    if (both) yield* Winsock.setsockopt(s, SocketOption.IPV6_V6ONLY, false)
    return SocketAddress.format((yield* Winsock.WSAConnectByName(s, nodename, port)).remote)
  })).pipe(Effect.match({ onFailure: failed, onSuccess: (became) => ({ became }) }))

const all = (resolver: string) =>
  Effect.gen(function*() {
    const to = through(resolver, patient)
    const soon = through(resolver, {})
    yield* to("both families", `both.test:${port}`)
    yield* to("an alias", `alias.test:${port}`)
    yield* to("IPv4 only", `four.test:${port}`)
    yield* to("IPv6 only", `six.test:${port}`)
    yield* to("a URL", `http://both.test:${port}/path`)
    yield* to("this machine", `localhost:${port}`)
    yield* to("IPv6 leads nowhere", `unreachable.test:${port}`)
    yield* to("both refuse", `refusing.test:${closed}`)
    yield* to("no such name", `missing.test:${port}`)
    yield* to("a name without an address", `empty.test:${port}`)
    yield* to("the server fails", `servfail.up.test:${port}`)
    yield* to("the server refuses", `other.example:${port}`)
    yield* to("nobody answers", `silent.up.test:${port}`)
    yield* to("IPv6 cannot be asked for", `six-fails.up.test:${port}`)
    yield* soon("IPv6 is not answered before all is over", `six-is-late.up.test:${port}`)
    yield* soon("IPv4 is not answered before all is over", `four-is-late.up.test:${port}`)
    const call = (what: string, found: { readonly became: string; readonly detail?: string }) =>
      Effect.sync(() => tell({ resolver, what: `WSAConnectByName: ${what}`, tried: [], ...found }))
    yield* call("IPv4", yield* byName("IPv4", "both.test"))
    yield* call("IPv6", yield* byName("IPv6", "both.test"))
    yield* call("IPv4 on a socket for both", yield* byName("IPv6", "four.test", true))
    yield* call("IPv4 on a socket for IPv6", yield* byName("IPv6", "four.test"))
    yield* call("no such name", yield* byName("IPv4", "missing.test"))
  })

const nameServers = NodeConnector.layerNameServers({ nameServers: ["127.0.0.1"], timeout: "1 second", tries: 1 })

await Effect.runPromise(Effect.gen(function*() {
  // dnsmasq takes a moment.
  yield* byName("IPv4", "both.test").pipe(
    Effect.flatMap(({ became }) => became.startsWith("127.") ? Effect.void : Effect.fail(became)),
    Effect.retry(Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 200 }))),
    Effect.orDie,
    Effect.provide(nameServers)
  )
  yield* Effect.provide(all("system"), NodeConnector.layer)
  yield* Effect.provide(all("name servers"), nameServers)
}))
process.exit(0)
