// What becomes of connects where a family is dead, an address silent, an answer late: `node run.ts`, in a network namespace
// of its own. Prints a line of JSON for each. Nobody starts it but Connector.test.ts.
import { Connector, HappyEyeballs, SocketAddress, type Winsock, type WsaError } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { Effect } from "effect"
import * as childProcess from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import * as net from "node:net"

/** What became of a connect. */
export interface Outcome {
  readonly title: string
  /** The address, or the tag of the error. */
  readonly became: string
  readonly by?: string | undefined
  /** What was tried in vain: the address, the step, the code. */
  readonly attempts: ReadonlyArray<string>
  readonly millis: number
  /** How many sockets were left when it had failed, or had been closed. */
  readonly left: number
}

const ip = (words: string) =>
  childProcess.execFileSync("ip", words.split(" "), { stdio: ["ignore", "ignore", "inherit"] })

ip("link set lo up")
ip("link add winsock0 type veth peer name winsock1")
ip("address add 192.0.2.1/24 dev winsock0")
ip("-6 address add 2001:db8::1/64 dev winsock0 nodad")
ip("link set winsock0 up")
ip("link set winsock1 up")
// Neighbours that never were: what is sent there comes out at winsock1, and nobody takes it.
for (const last of [66, 67]) {
  ip(`neighbour replace 192.0.2.${last} lladdr 02:00:00:00:00:${last} dev winsock0 nud permanent`)
  ip(`-6 neighbour replace 2001:db8::${last} lladdr 02:00:00:00:00:${last} dev winsock0 nud permanent`)
}
ip("route add unreachable 198.51.100.0/24")
ip("-6 route add unreachable 2001:db8:1::/64")

const port = 8080
const servers = ["127.0.0.1", "::1"].map((host) => net.createServer((socket) => socket.resume()).listen(port, host))
await Promise.all(servers.map((server) => once(server, "listening")))

const at = (host: string, to = port) => SocketAddress.fromInputUnsafe({ address: host, port: to })
const six = at("::1")
const four = at("127.0.0.1")
const silent = { IPv4: at("192.0.2.66"), IPv6: at("2001:db8::66"), other: at("192.0.2.67") }
const unreachable = { IPv4: at("198.51.100.9"), IPv6: at("2001:db8:1::9") }
const refusing = { IPv4: at("127.0.0.1", 9), IPv6: at("::1", 9) }

const race = Connector.winsock.pipe(Connector.attemptTimeout("3 seconds"), Connector.happyEyeballs())
const among = (...addresses: ReadonlyArray<SocketAddress.SocketAddress>): Connector.Candidates => ({
  _tag: "Candidates",
  origin: undefined,
  addresses
})

/** IPv4 comes at once, and IPv6 so much later. */
const late = (millis: number): Connector.Candidates => ({
  _tag: "Candidates",
  origin: undefined,
  addresses: HappyEyeballs.lookups((family) =>
    family === "IPv4" ? Effect.succeed([four]) : Effect.delay(Effect.succeed([six]), millis)
  )
})

type Failing = WsaError.WsaError
type Scene = Effect.Effect<{ readonly remote: SocketAddress.SocketAddress }, Failing, Winsock.Winsock>

const to = <E extends Failing>(
  connector: Connector.Connector<
    Connector.Candidates,
    { readonly remote: SocketAddress.SocketAddress },
    E,
    Winsock.Winsock
  >,
  candidates: Connector.Candidates
): Scene => Effect.scoped(connector.connect(candidates))

const scenes: ReadonlyArray<readonly [title: string, scene: Scene]> = [
  ["IPv6 is dead", to(race, among(unreachable.IPv6, four))],
  ["IPv4 is dead, and comes first", to(race, among(unreachable.IPv4, six))],
  ["both are dead", to(race, among(unreachable.IPv4, unreachable.IPv6))],
  ["the first address is silent", to(race, among(silent.IPv6, four))],
  ["the first two addresses are silent", to(race, among(silent.IPv6, silent.IPv4, six, four))],
  ["all refuse", to(race, among(refusing.IPv6, refusing.IPv4))],
  ["one refuses, and one is silent", to(race, among(refusing.IPv6, silent.IPv4))],
  [
    "all are silent",
    to(
      Connector.winsock.pipe(Connector.attemptTimeout("400 millis"), Connector.happyEyeballs()),
      among(silent.IPv6, silent.IPv4)
    )
  ],
  [
    "the deadline comes while three run",
    to(Connector.timeout(race, "700 millis"), among(silent.IPv6, silent.IPv4, silent.other))
  ],
  ["IPv6 is found within its delay", to(race, late(10))],
  ["IPv6 is found too late", to(race, late(1000))],
  [
    "IPv6 cannot be bound",
    to(
      Connector.winsock.pipe(Connector.bindTo({ IPv6: "[2001:db8:ff::1]:0" }), Connector.happyEyeballs()),
      among(six, four)
    )
  ]
]

const sockets = () =>
  fs.readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:")
    } catch {
      return false
    }
  }).length

const turns = Effect.promise(() => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve))))

/** What the servers have accepted is gone a moment after its clients. */
const settled = (before: number): Effect.Effect<number> =>
  Effect.flatMap(turns, () => {
    const left = sockets() - before
    const accepted = servers.map((server) =>
      new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)))
    )
    return Effect.flatMap(
      Effect.promise(() => Promise.all(accepted)),
      (counts) => counts.some((count) => count > 0) ? settled(before) : Effect.succeed(left)
    )
  })

const program = Effect.forEach(scenes, ([title, scene]) =>
  Effect.gen(function*() {
    const before = sockets()
    const from = performance.now()
    const result = yield* Effect.match(scene, {
      onFailure: (error) => ({
        became: error._tag as string,
        by: error.by,
        attempts: (error.attempts ?? []).map(({ address, code, stage }) =>
          `${SocketAddress.format(address)} ${stage} ${code}`
        )
      }),
      onSuccess: ({ remote }) => ({ became: SocketAddress.format(remote), attempts: [] })
    })
    const millis = performance.now() - from
    const outcome: Outcome = { title, ...result, millis, left: yield* settled(before) }
    process.stdout.write(`${JSON.stringify(outcome)}\n`)
  }), { discard: true })

await Effect.runPromise(Effect.provide(program, NodeWinsock.layer))
process.exit()
