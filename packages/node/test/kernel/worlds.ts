// The worlds in which the causes come about: network namespaces, each with a process of its own (see run.ts), and what
// can be made in them. All of it is gone when that process is: a namespace lasts as long as somebody is in it.
import { Effect, type Scope } from "effect"
import * as childProcess from "node:child_process"
import * as dgram from "node:dgram"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import type { Readable, Writable } from "node:stream"
import * as LiveWorld from "../../../../scripts/lib/live-world.ts"
import type { Options } from "./forwarder.ts"

// --- tools -----------------------------------------------------------------------------------------------------------

/** Runs a command line; its words are parted by single spaces. */
export const sh = (line: string): string => {
  const [command, ...args] = line.split(" ")
  return childProcess.execFileSync(command!, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })
}

const setting = (name: string): string => `/proc/sys/net/ipv4/${name}`

const set = (name: string, value: number): void => fs.writeFileSync(setting(name), String(value))

interface Program {
  readonly child: childProcess.ChildProcessByStdio<Writable, Readable, null>
  /** What it said first. */
  readonly words: string
}

/**
 * A program that runs for as long as the scope lasts, from its first words on. It has to end with its input too, which
 * ends when this process does.
 */
const program = (command: string, args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.callback<Program>((resume) => {
      const child = childProcess.spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] })
      const early = (code: number | null) => resume(Effect.die(new Error(`${command} ended with ${code}`)))
      child.once("close", early)
      child.once("error", (error) => resume(Effect.die(error)))
      child.stdin.on("error", () => undefined)
      child.stdout.once("data", (words: Buffer) => {
        child.off("close", early)
        resume(Effect.succeed({ child, words: words.toString() }))
      })
    }),
    ({ child }) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("close", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )

// --- what a world is made of -----------------------------------------------------------------------------------------

/** A port of the router where what arrives is dropped. */
export const silentPort = 9

const rejected = {
  "198.51.100.1": "icmp type net-unreachable",
  "198.51.100.2": "icmp type host-unreachable",
  "198.51.100.3": "icmp type admin-prohibited",
  "198.51.100.4": "tcp reset",
  "2001:db8:1::1": "icmpv6 type no-route",
  "2001:db8:1::2": "icmpv6 type addr-unreachable",
  "2001:db8:1::3": "icmpv6 type admin-prohibited",
  "2001:db8:1::4": "tcp reset"
}

/**
 * Another namespace at the end of a pair of virtual devices, as the router to 198.51.100.0/24, 203.0.113.0/24 and
 * 2001:db8:1::/48. Its firewall answers for the first and for 2001:db8:1::/64; to the others it has no route itself.
 */
const router = Effect.gen(function*() {
  const { child: { pid } } = yield* program("unshare", ["-n", "sh", "-c", "echo; exec cat"])
  const there = (line: string) => sh(`nsenter --net=/proc/${pid}/ns/net ${line}`)
  sh("ip link add wk0 type veth peer name wk1")
  sh(`ip link set wk1 netns ${pid}`)
  sh("ip address add 192.0.2.1/24 dev wk0")
  sh("ip -6 address add 2001:db8::1/64 dev wk0 nodad")
  sh("ip link set wk0 up")
  there("ip link set lo up")
  there("ip address add 192.0.2.2/24 dev wk1")
  there("ip -6 address add 2001:db8::2/64 dev wk1 nodad")
  there("ip link set wk1 up")
  there("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0")
  // The firewall speaks of packets that have somewhere to go; of others the kernel would speak first.
  there("ip link add wk2 type veth peer name wk3")
  there("ip link set wk2 up")
  there("ip link set wk3 up")
  there("ip route add 198.51.100.0/24 dev wk2")
  there("ip -6 route add 2001:db8:1::/64 dev wk2")
  there("nft add table inet wk")
  there("nft add chain inet wk forward { type filter hook forward priority 0 ; }")
  there("nft add chain inet wk input { type filter hook input priority 0 ; }")
  for (const [to, how] of Object.entries(rejected)) {
    there(
      `nft add rule inet wk forward ${to.includes(":") ? "ip6" : "ip"} daddr ${to} meta l4proto tcp reject with ${how}`
    )
  }
  there(`nft add rule inet wk input tcp dport ${silentPort} drop`)
  sh("ip route add 198.51.100.0/24 via 192.0.2.2")
  sh("ip route add 203.0.113.0/24 via 192.0.2.2")
  sh("ip -6 route add 2001:db8:1::/48 via 2001:db8::2")
})

/** Routes that say themselves what becomes of a packet. */
const routes = Effect.sync(() => {
  for (const [n, type] of ["unreachable", "prohibit", "blackhole"].entries()) {
    sh(`ip route add ${type} 198.18.${n}.0/24`)
    sh(`ip -6 route add ${type} 2001:db8:2:${n}::/64`)
  }
})

const long = process.env.WINSOCK_TIER === "long"

/** How often the kernel sends a SYN again that nobody answers. */
const retries = (count: number): void => {
  set("tcp_syn_retries", count)
  // Newer kernels send some more in between, unless told not to.
  if (fs.existsSync(setting("tcp_syn_linear_timeouts"))) set("tcp_syn_linear_timeouts", 0)
}

const oneRetry = Effect.sync(() => retries(1))

// Left alone, the kernel waits twice as long each time. In the gate, it is told to wait a second each time.
const sixRetries = Effect.sync(() => {
  retries(6)
  if (!long) set("tcp_rto_max_ms", 1000)
})

/** The kernel gives a connection up after a few seconds. */
const impatient = Effect.sync(() => {
  set("tcp_syn_retries", 1)
  set("tcp_retries2", 3)
  set("tcp_keepalive_time", 1)
  set("tcp_keepalive_intvl", 1)
  set("tcp_keepalive_probes", 1)
})

const withoutRetryLimit = (): string | undefined =>
  long || fs.existsSync(setting("tcp_rto_max_ms"))
    ? undefined
    : "this kernel has no tcp_rto_max_ms, without which six retries take two minutes: run it with WINSOCK_TIER=long"

const cannotOpenTun = (): string | undefined => {
  try {
    fs.closeSync(fs.openSync("/dev/net/tun", "r+"))
    return undefined
  } catch (error) {
    return `needs a TUN device: ${(error as Error).message}`
  }
}

export interface World {
  /** Programs that it takes, besides `ip` and `unshare`. */
  readonly needs: ReadonlyArray<string>
  /** Why it cannot be had here. */
  readonly lacking?: () => string | undefined
  /** What its process is started under, besides the namespace. */
  readonly under?: ReadonlyArray<string>
  /** Its causes may come about at the same time. */
  readonly together: boolean
  readonly make: Effect.Effect<unknown, never, Scope.Scope>
}

const worlds = {
  /** A router at the end of a cable, and routes that refuse. */
  network: {
    needs: ["nft", "nsenter", "ss", "prlimit", "perl"],
    together: false,
    make: Effect.andThen(router, routes)
  },
  /** The same router, and a kernel that sends a SYN once more and no more. */
  oneRetry: {
    needs: ["nft", "nsenter"],
    together: true,
    make: Effect.andThen(router, oneRetry)
  },
  /** The same router, and a kernel that sends a SYN six times more, as it does by itself. */
  sixRetries: {
    needs: ["nft", "nsenter"],
    lacking: withoutRetryLimit,
    together: true,
    make: Effect.andThen(router, sixRetries)
  },
  /** Devices whose packets come to a program, see `tun`, and a kernel that soon gives up. */
  tun: {
    needs: ["perl"],
    lacking: cannotOpenTun,
    together: true,
    make: Effect.andThen(impatient, Effect.suspend(() => tun({ icmp: "by destination" })))
  },
  /** Such devices, and a kernel as patient as it is by itself. */
  patientTun: {
    needs: ["perl"],
    lacking: cannotOpenTun,
    together: true,
    make: Effect.void
  },
  /** The loopback device alone. */
  bare: {
    needs: [],
    together: false,
    make: Effect.void
  },
  /** A process that may do nothing but what the modes of files allow it. */
  noRights: {
    needs: ["setpriv"],
    under: ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--"],
    together: false,
    make: Effect.void
  }
} as const satisfies { readonly [name: string]: World }

export type WorldName = keyof typeof worlds

const all: { readonly [name in WorldName]: World } = worlds
export { all as worlds }

// --- what a cause can take -------------------------------------------------------------------------------------------

/** A file, or what is to be one, in a directory of its own. */
export const freshPath = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "winsock-kernel-"))),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => path.join(directory, "socket")
)

/** A listener of another program: node:net alone. */
export const serve = (where: net.ListenOptions, onConnection: (socket: net.Socket) => void = () => undefined) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly server: net.Server; readonly sockets: Set<net.Socket> }>(
      (resume) => {
        const sockets = new Set<net.Socket>()
        const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
          sockets.add(socket)
          socket.on("error", () => undefined)
          onConnection(socket)
        })
        server.on("error", (error) => resume(Effect.die(error)))
        server.listen(where.path === undefined ? { port: 0, ...where } : where, () => {
          const name = server.address()
          resume(Effect.succeed({ port: typeof name === "string" ? 0 : name!.port, server, sockets }))
        })
      }
    ),
    ({ server, sockets }) =>
      Effect.callback<void>((resume) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  )

const unixSocket = `
  use strict; use Socket; $| = 1;
  my ($path, $type) = @ARGV;
  socket(my $s, AF_UNIX, $type eq "stream" ? SOCK_STREAM : SOCK_DGRAM, 0) or die $!;
  bind($s, sockaddr_un($path)) or die $!;
  $type ne "stream" or listen($s, 0) or die $!;
  print "ready\\n"; my $end = <STDIN>;
`

/** A socket of another program at a path: a datagram socket, or a listener that accepts nobody and has room for one. */
export const foreignUnix = (path: string, type: "stream" | "datagram") =>
  program("perl", ["-e", unixSocket, path, type])

const resetting = `
  use strict; use Socket; $| = 1;
  socket(my $l, AF_INET, SOCK_STREAM, 0) or die $!;
  bind($l, sockaddr_in(0, INADDR_LOOPBACK)) and listen($l, 1) or die $!;
  print +(sockaddr_in(getsockname($l)))[0], "\\n";
  accept(my $s, $l) or die $!;
  setsockopt($s, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0)) and close($s) or die $!;
  open(my $told, ">", $ARGV[0]) or die $!;
  close($told);
  my $end = <STDIN>;
`

/**
 * A listener of another program, which resets its caller at once, and a wait for that. Nothing else happens here meanwhile,
 * so that the reset is there before Node looks at the connection.
 */
export const foreignResetting = Effect.gen(function*() {
  const file = yield* freshPath
  sh(`mkfifo ${file}`)
  const { words } = yield* program("perl", ["-e", resetting, file])
  return { address: `127.0.0.1:${words.trim()}`, waitForReset: () => sh(`cat ${file}`) }
})

/** How often this machine was told "destination unreachable". */
export const unreachables = (): number => {
  const [names, counts] = fs.readFileSync("/proc/net/snmp", "utf8").split("\n")
    .filter((line) => line.startsWith("Icmp: ")).map((line) => line.split(" "))
  return Number(counts![names!.indexOf("InDestUnreachs")])
}

const openTun = `
  use strict; my ($name, @program) = @ARGV;
  $^F = 99;  # descriptors up to this one outlive exec
  open(my $t, "+<", "/dev/net/tun") or die "/dev/net/tun: $!";
  ioctl($t, 0x400454ca, pack("a16 s x22", $name, 0x1001)) or die "TUNSETIFF: $!";  # IFF_TUN, IFF_NO_PI
  splice(@program, 2, 0, fileno($t));
  exec @program or die $!;
`

export interface Tun {
  readonly device: string
  /** The first three bytes of its addresses: `.1` is this end, and what is sent elsewhere comes back from there. */
  readonly network: string
  readonly change: (options: Options) => Effect.Effect<void>
}

let devices = 0

/** An address for which a router's word comes back: "destination unreachable", with this code. */
export const unreachable = (code: number): string => `198.19.0.${100 + code}`

/** A TUN device with the forwarder of forwarder.ts at its other end. */
export const tun = (options: Options = {}): Effect.Effect<Tun, never, Scope.Scope> =>
  Effect.gen(function*() {
    const n = devices++
    const device = `wktun${n}`
    const { child } = yield* program("perl", [
      "-e",
      openTun,
      device,
      process.execPath,
      path.join(import.meta.dirname, "forwarder.ts"),
      JSON.stringify(options)
    ])
    sh(`ip address add 198.19.${n}.1/24 dev ${device}`)
    sh(`ip link set ${device} up`)
    return {
      device,
      network: `198.19.${n}`,
      change: (options) =>
        Effect.callback<void>((resume) => {
          child.stdout.once("data", () => resume(Effect.void))
          child.stdin.write(`${JSON.stringify(options)}\n`)
        })
    }
  })

/** A datagram socket of another program. */
export const foreignDatagram = Effect.acquireRelease(
  Effect.callback<dgram.Socket>((resume) => {
    const socket = dgram.createSocket("udp4")
    socket.bind(0, "127.0.0.1", () => resume(Effect.succeed(socket)))
  }),
  (socket) =>
    Effect.callback<void>((resume) => {
      socket.close(() => resume(Effect.void))
    })
).pipe(Effect.map((socket) => `127.0.0.1:${socket.address().port}`))

/** A connection of another program to an address; gives the address that it comes from. */
export const foreignConnection = (to: string) =>
  Effect.acquireRelease(
    Effect.callback<net.Socket>((resume) => {
      const bound = new net.BoundSocket({ host: "127.0.0.1", port: 0 })
      const socket = net.connect(
        { handle: bound, host: "127.0.0.1", port: Number(to.split(":")[1]) } as net.NetConnectOpts
      )
      socket.on("error", (error) => resume(Effect.die(error)))
      socket.on("connect", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(Effect.map((socket) => `127.0.0.1:${socket.localPort}`))

const ipv6 = "/proc/sys/net/ipv6/conf/all/disable_ipv6"

/** IPv6 is switched off. */
export const withoutIPv6 = Effect.acquireRelease(
  Effect.sync(() => fs.writeFileSync(ipv6, "1")),
  () => Effect.sync(() => fs.writeFileSync(ipv6, "0"))
)

const rule = (hook: "input" | "output", words: string, table: string = hook) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      sh(`nft add table inet ${table}`)
      sh(`nft add chain inet ${table} now { type filter hook ${hook} priority 0 ; }`)
      sh(`nft add rule inet ${table} now ${words}`)
    }),
    () => Effect.sync(() => sh(`nft delete table inet ${table}`))
  )

/** A firewall that lets nothing out to an address and port. */
export const dropOut = (protocol: "tcp" | "udp", address: string, port: number) =>
  rule("output", `ip daddr ${address} ${protocol} dport ${port} drop`)

/** A firewall that drops the first SYN for a port: it is within the limit, and what is beyond it passes. */
export const dropFirst = (port: number) =>
  rule("input", `tcp dport ${port} tcp flags syn limit rate 1/hour burst 1 packets drop`)

/** Counts what goes out to an address and port. */
export const countOut = (address: string, port: number) =>
  Effect.as(
    rule("output", `ip daddr ${address} tcp dport ${port} counter`, "count"),
    () => Number(/packets (\d+)/.exec(sh("nft list table inet count"))![1])
  )

/** Two ports for everything that is bound to none. */
export const fewPorts = Effect.orDie(LiveWorld.fewPorts)

/** Hardly a descriptor is left. */
export const fewDescriptors = Effect.orDie(LiveWorld.fewDescriptors)
