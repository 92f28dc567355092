// Proxies of Debian, each in front of the same targets, and what becomes of a connect through each: `node run.ts`, in
// namespaces of its own for network, mounts and processes. Prints a line of JSON for each. Nobody starts it but
// ProxyServers.test.ts.
import { ConnectData, type Connection, Connector, Proxy, SocketAddress } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { Host } from "effect/net"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { serve, textOf, utf8 } from "../../../testing/test/utils/proxies.ts"

/** What became of a connect. */
export interface Outcome {
  readonly proxy: string
  readonly what: string
  /** What the target said, or the tag and the stage of the error. */
  readonly became: string
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
sh("ip route add unreachable 198.18.0.0/24")
sh("ip route add prohibit 198.18.1.0/24")
// A listener that does not answer, as far as whoever calls can see; who waits for it has waited three seconds.
sh("nft add table inet wp && nft add chain inet wp input '{ type filter hook input priority 0 ; }'")
sh("nft add rule inet wp input tcp dport 9 drop")
fs.writeFileSync("/proc/sys/net/ipv4/tcp_syn_retries", "1")
if (fs.existsSync("/proc/sys/net/ipv4/tcp_syn_linear_timeouts")) {
  fs.writeFileSync("/proc/sys/net/ipv4/tcp_syn_linear_timeouts", "0")
}
sh(`mount --bind ${file("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")} /etc/resolv.conf`)

// Squid keeps its tables there.
sh("mount -t tmpfs none /dev/shm")

/** It ends with this process, which is the first one of its namespace. */
const start = (program: string, ...args: ReadonlyArray<string>): void => {
  const child = childProcess.spawn(program, args, { stdio: ["ignore", process.stderr, process.stderr], cwd: directory })
  child.on("error", (error) => {
    process.stderr.write(`${program}: ${error.message}\n`)
  })
}

start(
  "dnsmasq",
  "-d",
  "-C",
  file("dnsmasq.conf", "no-resolv\nno-hosts\nlocal=/test/\naddress=/server.test/127.0.0.7\n")
)

const dante = (port: number, method: string, rules: string): string =>
  `logoutput: ${directory}/dante-${port}.log
internal: 127.0.0.1 port = ${port}
external: lo
clientmethod: none
socksmethod: ${method}
user.privileged: root
user.unprivileged: root
timeout.connect: 30
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
${rules}
socks pass { from: 0/0 to: 0/0 }
`
const block = "socks block { from: 0.0.0.0/0 to: 127.0.0.3/32 }"
start("danted", "-N", "1", "-f", file("dante.conf", dante(1080, "none", block)))
start("danted", "-N", "1", "-f", file("dante-user.conf", dante(1081, "username", block)))
start("microsocks", "-i", "127.0.0.1", "-p", "1082")
start("microsocks", "-i", "127.0.0.1", "-p", "1083", "-u", "alice", "-P", "open sesame")

const squid = (port: number, rules: string): string =>
  `http_port 127.0.0.1:${port}
pid_filename none
cache_log /dev/null
access_log none
cache deny all
cache_effective_user proxy
visible_hostname squid.test
coredump_dir ${directory}
connect_timeout 30 seconds
forward_timeout 30 seconds
dns_nameservers 127.0.0.1
dns_timeout 2 seconds
netdb_filename none
acl prohibited dst 127.0.0.3
${rules}
`
const users = file("users", `alice:${childProcess.execSync("openssl passwd -apr1 'open sesame'").toString()}`)
start(
  "squid",
  "-N",
  "-n",
  "open",
  "-f",
  file("squid.conf", squid(3128, "http_access deny prohibited\nhttp_access allow all"))
)
start(
  "squid",
  "-N",
  "-n",
  "user",
  "-f",
  file(
    "squid-user.conf",
    squid(
      3129,
      `
auth_param basic program /usr/lib/squid/basic_ncsa_auth ${users}
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all`
    )
  )
)

const tinyproxy = (port: number, more: string): string =>
  `Port ${port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 50\n${more}\n`
const filter = file("filter", "^127\\.0\\.0\\.3$\n")
start("tinyproxy", "-d", "-c", file("tiny.conf", tinyproxy(8888, `Filter "${filter}"\nFilterType ere`)))
start("tinyproxy", "-d", "-c", file("tiny-user.conf", tinyproxy(8889, "BasicAuth alice open-sesame")))

start(
  "haproxy",
  "-db",
  "-f",
  file(
    "haproxy.cfg",
    `global
  maxconn 50
defaults
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend told
  mode http
  bind 127.0.0.1:81 accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] to %[dst]:%[dst_port]"
`
  )
)

// --- what is asked of them -------------------------------------------------------------------------------------------

const socks = (port: number, credentials?: Proxy.Credentials) =>
  Proxy.socks5({ address: `127.0.0.1:${port}`, credentials })
const http = (port: number, credentials?: Proxy.Credentials) =>
  Proxy.http({ address: `127.0.0.1:${port}`, credentials })
const alice = (password: string): Proxy.Credentials => ({ username: "alice", password: Redacted.make(password) })

const named = (text: string): Connector.Named => ({ _tag: "Named", origin: Host.hostPortFromStringUnsafe(text) })
const endpoint = (text: string): Connector.Endpoint => Connector.endpoint(SocketAddress.fromInputUnsafe(text))

const targets: { readonly [what: string]: Connector.Target } = {
  "IPv4": endpoint("127.0.0.7:80"),
  "IPv6": endpoint("[::1]:80"),
  "a name": named("server.test:80"),
  "nobody listens": endpoint("127.0.0.1:1"),
  "nobody listens, by name": named("server.test:1"),
  "no route": endpoint("203.0.113.1:80"),
  "no route to the host": endpoint("198.18.0.1:80"),
  "forbidden by a route": endpoint("198.18.1.1:80"),
  "forbidden by the proxy": endpoint("127.0.0.3:80"),
  "no answer": endpoint("127.0.0.7:9"),
  "no such name": named("nobody.test:80")
}

const proxies = {
  dante: socks(1080),
  microsocks: socks(1082),
  squid: http(3128),
  tinyproxy: http(8888)
} as const

const asked: ReadonlyArray<
  readonly [proxy: string, what: string, Proxy.Proxy<SocketAddress.SocketAddress>, Connector.Target]
> = [
  ...Object.entries(proxies).flatMap(([name, proxy]) =>
    Object.entries(targets).map(([what, target]) => [name, what, proxy, target] as const)
  ),
  ...([
    ["dante", "a user is missing", socks(1081)],
    ["dante", "a user is wrong", socks(1081, alice("a guess"))],
    ["microsocks", "a user is missing", socks(1083)],
    ["microsocks", "a user is wrong", socks(1083, alice("a guess"))],
    ["microsocks", "a user is right", socks(1083, alice("open sesame"))],
    ["squid", "a user is missing", http(3129)],
    ["squid", "a user is wrong", http(3129, alice("a guess"))],
    ["squid", "a user is right", http(3129, alice("open sesame"))],
    ["tinyproxy", "a user is missing", http(8889)],
    ["tinyproxy", "a user is wrong", http(8889, alice("a guess"))],
    ["tinyproxy", "a user is right", http(8889, alice("open-sesame"))],
    ["all", "in a row", Proxy.chain(proxies.dante, proxies.squid, proxies.microsocks, proxies.tinyproxy)],
    ["microsocks", "asked for HTTP", http(1082)],
    ["nobody", "is not there", socks(2)]
  ] as const).map(([name, what, proxy]) => [name, what, proxy, endpoint("127.0.0.7:80")] as const),
  [
    "all",
    "in a row, and nobody listens",
    Proxy.chain(proxies.microsocks, proxies.tinyproxy, proxies.squid),
    named("server.test:1")
  ]
]

const greeted = (connection: Connection.Connection) =>
  Effect.gen(function*() {
    yield* connection.write(utf8("client"))
    let heard = ""
    while (heard !== "hello, client") {
      const bytes = yield* connection.read
      if (bytes.length === 0) break
      heard += textOf(bytes)
    }
    return heard
  })

const ask = ([proxy, what, through, target]: (typeof asked)[number]) =>
  Connector.winsock.pipe(
    Connector.via(through),
    Connector.attemptTimeout("20 seconds"),
    Connector.connect(target),
    Effect.flatMap(greeted),
    Effect.match({
      onSuccess: (became): Outcome => ({ proxy, what, became }),
      onFailure: (error): Outcome => ({ proxy, what, became: `${error._tag} ${error.stage}`, detail: error.detail })
    }),
    Effect.scoped,
    Effect.tap((outcome) => Effect.sync(() => void process.stdout.write(`${JSON.stringify(outcome)}\n`)))
  )

const greeting = (caller: Connection.Connection) =>
  Effect.gen(function*() {
    const heard = textOf(yield* caller.read)
    yield* caller.write(utf8(`hello, ${heard}`))
    yield* caller.read
  })

/** Whom a target that reads the header of the PROXY protocol takes for its caller: not the proxy. */
const told = ([proxy, through]: readonly [string, Proxy.Proxy<SocketAddress.SocketAddress>]) =>
  Effect.gen(function*() {
    const connection = yield* Connector.winsock.pipe(
      Connector.bindTo({ IPv4: "127.0.0.9:0" }),
      Connector.via(through),
      Connector.connect(endpoint("127.0.0.1:81"))
    )
    yield* connection.write(utf8("GET / HTTP/1.0\r\n\r\n"))
    let heard = ""
    for (let bytes = yield* connection.read; bytes.length > 0; bytes = yield* connection.read) heard += textOf(bytes)
    return heard.split("\r\n\r\n")[1] ?? ""
  }).pipe(
    Effect.match({
      onSuccess: (became): Outcome => ({ proxy, what: "who calls", became }),
      onFailure: (error): Outcome => ({ proxy, what: "who calls", became: error._tag, detail: error.detail })
    }),
    Effect.scoped,
    Effect.tap((outcome) => Effect.sync(() => void process.stdout.write(`${JSON.stringify(outcome)}\n`)))
  )

const ready = (port: number) =>
  Connector.winsock.connect(`127.0.0.1:${port}`).pipe(
    Effect.scoped,
    Effect.retry({ while: ({ _tag }) => _tag === "WSAECONNREFUSED", schedule: Schedule.spaced("20 millis") }),
    Effect.timeoutOrElse({ duration: "20 seconds", orElse: () => Effect.die(`nothing listens on ${port}`) })
  )

await Effect.runPromise(
  Effect.gen(function*() {
    yield* serve("0.0.0.0:80", greeting)
    yield* serve("[::]:80", greeting)
    yield* Effect.forEach([1080, 1081, 1082, 1083, 3128, 3129, 8888, 8889, 53, 81], ready, { concurrency: "unbounded" })
    yield* Effect.forEach(asked, ask, { concurrency: "unbounded" })
  }).pipe(Effect.scoped, Effect.provide(NodeWinsock.layer))
)
await Effect.runPromise(
  Effect.forEach(Object.entries(proxies), told).pipe(
    Effect.provide(Layer.provide(NodeWinsock.layer, ConnectData.layerProxy({ side: "connect" })))
  )
)
process.exit(0)
