// The world of the live provider: loopback, and a network namespace in which routes, time-outs and port ranges may be
// what a row needs.
//
// A process does not move into a namespace, so one is started there: `enterNamespace` runs the same program again under
// `unshare -n`. The namespace, with all that was made in it, is gone when that process ends. Nothing leaves the machine:
// its only devices are `lo` and a pair of virtual ones that lead to each other.
import { ConnectData, SocketAddress, type Winsock, type WsaError } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { World } from "@effect-winsock/testing"
import { Effect, Layer, type Scope } from "effect"
import * as childProcess from "node:child_process"
import * as dgram from "node:dgram"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"

type Family = SocketAddress.Family
type Address = SocketAddress.SocketAddress

// --- the namespace ---------------------------------------------------------------------------------------------------

const variable = "WINSOCK_OUTER_NAMESPACE"

const currentNamespace = (): string => {
  try {
    return fs.readlinkSync("/proc/self/ns/net")
  } catch {
    return ""
  }
}

/** Whether this process has a network namespace of its own, made by `enterNamespace`. */
export const inNamespace = (): boolean => {
  const outer = process.env[variable]
  return outer !== undefined && outer !== "" && outer !== currentNamespace()
}

const works = (command: string, args: ReadonlyArray<string>): boolean =>
  childProcess.spawnSync(command, args, { stdio: "ignore" }).status === 0

/** The command that starts a program in a namespace, or why there is none. */
export const namespaceCommand = (): ReadonlyArray<string> | string => {
  if (process.platform !== "linux") return "needs a network namespace, which only Linux has"
  if (!works("ip", ["-V"])) return "needs a network namespace, and `ip` (iproute2) is missing"
  // Without root, a user namespace gives the right to make one where the machine allows it.
  for (const flags of [["-n"], ["-r", "-n"]]) {
    const probe = [...flags, "sh", "-c", "ip link set lo up && ip link add winsock0 type veth peer name winsock1"]
    if (works("unshare", probe)) return ["unshare", ...flags]
  }
  return "needs a network namespace, which takes root, or leave to make user namespaces"
}

/** The environment that tells a program that it was started in a namespace. */
export const namespaceEnvironment = (): NodeJS.ProcessEnv => ({ ...process.env, [variable]: currentNamespace() })

const blackhole = { IPv4: "192.0.2.66:9", IPv6: "[2001:db8::66]:9" } as const
const noHost = { IPv4: "198.51.100.9:9", IPv6: "[2001:db8:1::9]:9" } as const
const noNet = { IPv4: "203.0.113.9:9", IPv6: "[2001:db8:ffff::9]:9" } as const
const portRange = "/proc/sys/net/ipv4/ip_local_port_range"

let prepared = false

/** Once a process: what the namespace has besides `lo`. */
const prepare = (): void => {
  if (prepared) return
  prepared = true
  const ip = (words: string) =>
    childProcess.execFileSync("ip", words.split(" "), { stdio: ["ignore", "ignore", "inherit"] })
  ip("link set lo up")
  ip("link add winsock0 type veth peer name winsock1")
  ip("address add 192.0.2.1/24 dev winsock0")
  ip("-6 address add 2001:db8::1/64 dev winsock0 nodad")
  ip("link set winsock0 up")
  ip("link set winsock1 up")
  // A neighbour that never was: what is sent there comes out at winsock1, and nobody takes it.
  ip("neighbour replace 192.0.2.66 lladdr 02:00:00:00:00:66 dev winsock0 nud permanent")
  ip("-6 neighbour replace 2001:db8::66 lladdr 02:00:00:00:00:66 dev winsock0 nud permanent")
  ip("route add broadcast 255.255.255.255 dev winsock0")
  ip("route add unreachable 198.51.100.0/24")
  ip("-6 route add unreachable 2001:db8:1::/64")
  fs.writeFileSync("/proc/sys/net/ipv4/tcp_syn_retries", "1")
  try {
    fs.writeFileSync("/proc/sys/net/ipv4/tcp_syn_linear_timeouts", "0")
  } catch {
    // An older kernel does not have it, nor what it turns off.
  }
}

// --- what is on loopback ---------------------------------------------------------------------------------------------

const at = (text: string): Address => SocketAddress.fromInputUnsafe(text as SocketAddress.Input)

const loopback = { IPv4: "127.0.0.1", IPv6: "::1" } as const

const hasIPv6 = (): boolean =>
  Object.values(os.networkInterfaces()).some((all) => all?.some((one) => one.address === "::1") ?? false)

const checkFamily = (family: Family): Effect.Effect<void, World.NotHere> =>
  family === "IPv6" && !hasIPv6()
    ? World.notHere("needs IPv6, which this machine has not")
    : family === "Unix" && process.platform === "win32"
    ? World.notHere("needs Unix-domain sockets")
    : Effect.void

const freshPath: Effect.Effect<string, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "winsock-"))),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => path.join(directory, "socket")
)

const local = (family: Family): World.Making<Address> =>
  Effect.andThen(
    checkFamily(family),
    family === "Unix"
      ? Effect.map(freshPath, (path) => at(`unix:${path}`))
      : Effect.succeed(at(family === "IPv4" ? "127.0.0.1:0" : "[::1]:0"))
  )

/** A listener of another program: node:net alone. */
const serve = (
  family: Family,
  onConnection: (socket: net.Socket) => void
): World.Making<Address> =>
  Effect.gen(function*() {
    yield* checkFamily(family)
    const where = family === "Unix" ? { path: yield* freshPath } : { host: loopback[family], port: 0 }
    const sockets = new Set<net.Socket>()
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      sockets.add(socket)
      socket.on("error", () => undefined)
      onConnection(socket)
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        server.listen(where, () => resume(Effect.void))
      }),
      () =>
        Effect.callback<void>((resume) => {
          for (const socket of sockets) socket.destroy()
          server.close(() => resume(Effect.void))
        })
    )
    const name = server.address()
    return typeof name === "string" ? at(`unix:${name}`) : addressOf(name!)
  })

const addressOf = ({ address, port }: { readonly address: string; readonly port: number }): Address =>
  SocketAddress.fromInputUnsafe({ address, port })

const taken = (family: Family, type: "stream" | "datagram"): World.Making<Address> => {
  if (type === "stream") return serve(family, () => undefined)
  if (family === "Unix") return World.notHere("Node has no Unix-domain datagrams")
  return Effect.gen(function*() {
    yield* checkFamily(family)
    const socket = dgram.createSocket({ type: family === "IPv4" ? "udp4" : "udp6", ipv6Only: family === "IPv6" })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        socket.bind({ address: loopback[family], port: 0 }, () => resume(Effect.void))
      }),
      () =>
        Effect.callback<void>((resume) => {
          socket.close(() => resume(Effect.void))
        })
    )
    return addressOf(socket.address())
  })
}

/** A port that is bound and on which nobody listens. */
const dead = (family: "IPv4" | "IPv6"): World.Making<Address> =>
  Effect.andThen(
    checkFamily(family),
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => new net.BoundSocket({ host: loopback[family], port: 0 })),
        (bound) => Effect.sync(() => bound.close())
      ),
      (bound) => addressOf(bound.address() as net.AddressInfo)
    )
  )

const crashing = (family: Family, bytes: Uint8Array, when: "told" | "at once"): World.Making<World.Crashing> => {
  if (family === "Unix") return World.notHere("a Unix-domain connection has no reset")
  return Effect.gen(function*() {
    let ready!: (socket: net.Socket) => void
    const called = new Promise<net.Socket>((resolve) => {
      ready = resolve
    })
    const address = yield* serve(family, (socket) => {
      if (when === "told") socket.write(bytes, () => ready(socket))
      else ready(socket)
    })
    const crash = Effect.promise(async () => {
      const socket = await called
      if (when === "at once") {
        // The kernel takes the bytes, and the reset follows in the same turn: the other end has looked at neither.
        await new Promise<void>((resolve) => void socket.write(bytes, () => resolve()))
      }
      socket.resetAndDestroy()
    })
    return { address, crash }
  })
}

// --- what a namespace allows -----------------------------------------------------------------------------------------

/** Why what takes a namespace cannot be made. */
export const needsNamespace = "needs a network namespace: run it with scripts/conformance.ts"

/** Two ports for everything that is bound to none. */
export const fewPorts: World.Making<World.Instance> = Effect.as(
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = fs.readFileSync(portRange, "utf8")
      fs.writeFileSync(portRange, "50000 50001")
      return before
    }),
    (before) => Effect.sync(() => fs.writeFileSync(portRange, before))
  ),
  NodeWinsock.layer
)

const inNetwork = (reason: string | undefined): Partial<World.Shape> => {
  const only = <A>(making: World.Making<A>): World.Making<A> => reason === undefined ? making : World.notHere(reason)
  const inet = (family: Family, addresses: { readonly IPv4: string; readonly IPv6: string }) =>
    family === "Unix" ? World.notHere("a path has no route") : only(Effect.succeed(at(addresses[family])))
  return {
    blackholed: (family) => inet(family, blackhole),
    failing: (family, code) => {
      switch (code) {
        case "WSAECONNREFUSED":
          return family === "Unix" ? World.notHere("a path has no port") : dead(family)
        case "WSAENETUNREACH":
          return inet(family, noNet)
        case "WSAEHOSTUNREACH":
          return inet(family, noHost)
        case "WSAETIMEDOUT":
          return inet(family, blackhole)
        default:
          return World.notHere(`no address of this machine fails with ${code}`)
      }
    },
    broadcast: only(Effect.succeed(at("255.255.255.255:9"))),
    fewPorts: only(fewPorts)
  }
}

// --- descriptors -----------------------------------------------------------------------------------------------------

const limit = (soft: string): boolean => works("prlimit", ["--pid", String(process.pid), `--nofile=${soft}:`])

/** Hardly a descriptor is left. */
export const fewDescriptors: World.Making<World.Instance> = Effect.gen(function*() {
  if (process.platform !== "linux" || !works("prlimit", ["--version"])) {
    return yield* World.notHere("needs `prlimit` (util-linux)")
  }
  const before = /^Max open files\s+(\d+)/m.exec(fs.readFileSync("/proc/self/limits", "utf8"))![1]!
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      // Starting `prlimit` again takes some of those that are used up by then.
      const spare = Array.from({ length: 16 }, () => fs.openSync("/dev/null", "r"))
      const highest = Math.max(...fs.readdirSync("/proc/self/fd").map(Number))
      limit(String(highest + 4))
      return spare
    }),
    (spare) =>
      Effect.sync(() => {
        for (const descriptor of spare) fs.closeSync(descriptor)
        limit(before)
      })
  )
  return NodeWinsock.layer
})

// --- the world -------------------------------------------------------------------------------------------------------

const noResets = `table inet quiet {
  chain output { type filter hook output priority 0; tcp flags & rst == rst drop; }
}`

/** What the kernel itself can do to both ends of a connection at once. */
const breaking = (code: WsaError.Code) => {
  if (code !== "WSAECONNABORTED") {
    const other = code === "WSAETIMEDOUT" ? "shown there, one end at a time" : "Linux never says it"
    return World.notHere(`no connection of a live peer breaks with ${code} here: docs/causes.md (${other})`)
  }
  if (!inNamespace() || !works("ss", ["-V"]) || !works("nft", ["-v"])) {
    return World.notHere("needs a network of its own, `ss` (iproute2) and `nft` (nftables)")
  }
  return Effect.succeed((address: Address) =>
    Effect.suspend(() => {
      const port = SocketAddress.portOf(address)
      // The end that is destroyed first would reset the other one before its turn comes.
      childProcess.execFileSync("nft", ["-f", "-"], { input: noResets })
      // Not the listener, which has the port too.
      const ends = ["state", "established", `( sport = :${port} or dport = :${port} )`]
      // It complains of protocols that this kernel does not have.
      const destroyed = childProcess.execFileSync("ss", ["--no-header", "--kill", ...ends], {
        stdio: ["ignore", "pipe", "ignore"]
      }).toString().trim()
      childProcess.execFileSync("nft", ["delete", "table", "inet", "quiet"])
      return destroyed === "" ? World.notHere("this kernel destroys no connections (ss -K)") : Effect.void
    })
  )
}

/** What carries data while connecting, and waits for a reply as long as a busy machine may take. */
const carrying = Layer.provide(
  NodeWinsock.layer,
  Layer.orDie(ConnectData.layerExchange({ callerDataMax: 16, calleeDataMax: 8 }))
)

/** The live provider, in the world as it is, or in a namespace of its own where this process has one. */
export const layer = (): Layer.Layer<Winsock.Winsock | World.World, WsaError.WSAStartupError> =>
  Layer.merge(
    NodeWinsock.layer,
    Layer.sync(World.World, () => {
      if (inNamespace()) prepare()
      return World.make("the live world has no such thing", {
        ...inNetwork(inNamespace() ? undefined : needsNamespace),
        instance: Effect.succeed(NodeWinsock.layer),
        version: (version) => Effect.succeed(NodeWinsock.layerVersion(version)),
        local,
        foreign: (family) =>
          family === "Unix"
            ? World.notHere("a path is nobody's before it is bound")
            : Effect.andThen(
              checkFamily(family),
              Effect.succeed(at(family === "IPv4" ? "192.0.2.200:0" : "[2001:db8::200]:0"))
            ),
        taken,
        crashing,
        breaking: (_family, code) => breaking(code),
        networkDown: World.notHere("Node cannot tell whether the network is up: this provider always says it is"),
        fewDescriptors,
        beyondBacklog: World.notHere("Node accepts before anyone asks"),
        reserving: World.notHere("no network that this machine has reserves anything"),
        carrying: Effect.succeed(carrying),
        exchanging: Effect.succeed(World.exchanging(NodeWinsock.layer))
      })
    })
  )
