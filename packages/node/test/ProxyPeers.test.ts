// The PROXY protocol with programs that nobody here wrote: HAProxy and nginx read our header, and we read HAProxy's. What
// the page docs/connect-data.md says of them is held here too.
import { ConnectData, SocketAddress, UserData, Winsock } from "@effect-winsock/core"
import { NodeWinsock } from "@effect-winsock/node"
import { assert, describe } from "@effect/vitest"
import { type Duration, Effect, Fiber, Layer } from "effect"
import { writeFileSync } from "node:fs"
import path from "node:path"
import * as Frames from "../../core/src/internal/exchangeFrames.ts"
import * as ProxyHeader from "../../core/src/internal/proxyHeader.ts"
import {
  connectWhenReady,
  freePort,
  hasIPv6,
  receiveText,
  sendText,
  start,
  temporaryDirectory,
  withServer
} from "./utils/servers.ts"

const at = SocketAddress.fromInputUnsafe
const utf8 = (text: string) => new TextEncoder().encode(text)

const endpoints = (source: string, destination: string): ProxyHeader.Endpoints => ({
  transport: "stream",
  source: at(source),
  destination: at(destination)
})

/** What a caller of the exchange says, among everything that the protocol has entries for. */
const everything = ProxyHeader.tlvsOf({
  alpn: utf8("h2"),
  authority: "shop.test",
  uniqueId: utf8("call-7"),
  ssl: { client: 1, verify: 0, version: "TLSv1.3" },
  netns: "blue",
  others: [{
    type: Frames.defaultType,
    value: Frames.encodeCall({
      callerData: utf8("acme"),
      socketQos: undefined,
      groupQos: undefined,
      calleeCapacity: 64
    })
  }]
})

const headerOf = (
  given: ProxyHeader.Endpoints | undefined,
  tlvs: ProxyHeader.Proxied["tlvs"] = everything
): Uint8Array => ProxyHeader.encode({ command: "PROXY", endpoints: given, tlvs, checksum: true })

const inet = {
  v4: endpoints("192.0.2.1:50000", "198.51.100.7:443"),
  v6: endpoints("[2001:db8::1]:50000", "[2001:db8::7]:443"),
  mixed: endpoints("192.0.2.1:50000", "[2001:db8::7]:443")
}
const unix = endpoints("unix:/run/a", "unix:/run/b")

const damaged = headerOf(inet.v4)
damaged[damaged.length - 1]! ^= 1

/** A header that is so long as a whole. */
const long = (length: number) => {
  const beside = headerOf(inet.v4, [{ type: 0xe4, value: new Uint8Array(0) }]).length
  return headerOf(inet.v4, [{ type: 0xe4, value: new Uint8Array(length - beside) }])
}

interface Place {
  readonly name: string
  readonly address: string
}

/** One on each family that the machine has. */
const places = (directory: string) =>
  Effect.gen(function*() {
    const result: Array<Place> = [{ name: "IPv4", address: `127.0.0.1:${yield* freePort("127.0.0.1")}` }]
    if (hasIPv6) result.push({ name: "IPv6", address: `[::1]:${yield* freePort("[::1]")}` })
    result.push({ name: "Unix", address: `unix:${path.join(directory, "peer.sock")}` })
    return result
  })

/** Sends a header and a request, and gives what the server says it has understood; `"reset"` where it does not. */
const asked = (address: string, header: Uint8Array) =>
  Effect.gen(function*() {
    const s = yield* Winsock.socket({ family: SocketAddress.familyOf(at(address)), type: "stream" })
    yield* Winsock.WSAConnect(s, address)
    yield* Winsock.send(s, header)
    yield* sendText(s, "GET / HTTP/1.0\r\n\r\n")
    return (yield* receiveText(s, () => false)).split("\r\n\r\n")[1]
  }).pipe(
    Effect.scoped,
    Effect.catchTag(["WSAECONNRESET", "WSAECONNABORTED"], () => Effect.succeed("reset"))
  )

describe("ProxyPeers", () => {
  const haproxy = (file: string, config: (directory: string) => string) =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const target = path.join(directory, "haproxy.cfg")
      const defaults = "  timeout connect 5s\n  timeout client 10s\n  timeout server 10s"
      writeFileSync(target, `global\n  maxconn 50\ndefaults\n${defaults}\n${config(directory)}\n`)
      return yield* start(file, ["-db", "-f", target])
    })

  /** An address as HAProxy writes it. */
  const named = (address: string) => address.replace("unix:", "unix@").replaceAll(/[[\]]/g, "")

  const binds = (all: ReadonlyArray<Place>, options: string) =>
    all.map(({ address }) => `  bind ${named(address)} ${options}`).join("\n")

  const readingHaproxy = (file: string) =>
    Effect.gen(function*() {
      const all = yield* places(yield* temporaryDirectory)
      const said = "%[src] %[src_port] %[dst] %[dst_port] %[fc_rcvd_proxy] %[fc_pp_authority] %[fc_pp_unique_id]"
      const server = yield* haproxy(
        file,
        () =>
          `frontend all\n  mode http\n${binds(all, "accept-proxy")}\n` +
          `  http-request return status 200 content-type text/plain lf-string "${said}"`
      )
      for (const { address } of all) yield* Effect.scoped(connectWhenReady(server, address))
      return all
    })

  withServer(
    "haproxy",
    "HAProxy reads our header, with our entry in it, over every family",
    (file) =>
      Effect.gen(function*() {
        for (const { address, name } of yield* readingHaproxy(file)) {
          const understood = (header: ProxyHeader.Endpoints) => asked(address, headerOf(header))
          const rest = "1 shop.test call-7"
          assert.strictEqual(yield* understood(inet.v4), `192.0.2.1 50000 198.51.100.7 443 ${rest}`, name)
          assert.strictEqual(yield* understood(inet.v6), `2001:db8::1 50000 2001:db8::7 443 ${rest}`, name)
          assert.strictEqual(yield* understood(inet.mixed), `::ffff:192.0.2.1 50000 2001:db8::7 443 ${rest}`, name)
        }
      })
  )

  withServer("haproxy", "HAProxy takes and refuses what the page says", (file) =>
    Effect.gen(function*() {
      for (const { address, name } of yield* readingHaproxy(file)) {
        assert.strictEqual(yield* asked(address, damaged), "reset", `${name}: a checksum that is another`)
        assert.strictEqual(yield* asked(address, headerOf(unix)), "reset", `${name}: Unix-domain addresses`)
        assert.strictEqual(yield* asked(address, headerOf(undefined)), "reset", `${name}: unspecified`)
        const local = yield* asked(address, ProxyHeader.encode({ command: "LOCAL" }))
        assert.match(
          local ?? "",
          name === "IPv4" ? /^127\.0\.0\.1 \d+ 127/ : name === "IPv6" ? /^::1 \d+ ::1/ : /^ +1 *$/
        )
        const longest = yield* asked(address, long(16384))
        assert.strictEqual(longest?.split(" ")[0], "192.0.2.1", `${name}: a header as long as its buffer`)
        assert.strictEqual(yield* asked(address, long(16385)), "reset", `${name}: a longer one`)
      }
    }))

  const nginx = (file: string, options = "proxy_protocol") =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const all = yield* places(directory)
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((what) => `${what}_temp_path ${path.join(directory, what)};`)
      const said = "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port"
      const config = path.join(directory, "nginx.conf")
      writeFileSync(
        config,
        `daemon off; master_process off; error_log stderr; pid ${path.join(directory, "nginx.pid")};
        events {}
        http {
          access_log off; ${temporary.join(" ")}
          server {
            ${all.map(({ address }) => `listen ${address} ${options};`).join(" ")}
            location / { return 200 "${said}"; }
          }
        }`
      )
      const server = yield* start(file, ["-p", directory, "-c", config, "-e", "stderr"])
      for (const { address } of all) yield* Effect.scoped(connectWhenReady(server, address))
      return all
    })

  withServer(
    "nginx",
    "nginx reads our header, with our entry in it, over every family",
    (file) =>
      Effect.gen(function*() {
        for (const { address, name } of yield* nginx(file)) {
          const understood = (header: ProxyHeader.Endpoints) => asked(address, headerOf(header))
          assert.strictEqual(yield* understood(inet.v4), "192.0.2.1 50000 198.51.100.7 443", name)
          assert.strictEqual(yield* understood(inet.v6), "2001:db8::1 50000 2001:db8::7 443", name)
          assert.strictEqual(yield* understood(inet.mixed), "::ffff:192.0.2.1 50000 2001:db8::7 443", name)
        }
      })
  )

  withServer("nginx", "nginx takes and refuses what the page says", (file) =>
    Effect.gen(function*() {
      for (const { address, name } of yield* nginx(file)) {
        assert.strictEqual((yield* asked(address, damaged))?.split(" ")[0], "192.0.2.1", `${name}: another checksum`)
        for (const header of [headerOf(unix), headerOf(undefined), ProxyHeader.encode({ command: "LOCAL" })]) {
          assert.strictEqual((yield* asked(address, header))?.trim(), "", name)
        }
        const longest = yield* asked(address, long(1024))
        assert.strictEqual(longest?.split(" ")[0], "192.0.2.1", `${name}: a header as long as its buffer`)
        assert.strictEqual(yield* asked(address, long(1025)), "reset", `${name}: a longer one`)
      }
    }))

  /** Accepts a connection and reads its header, and gives both with the bytes that came behind it. */
  const accepted = (listener: Winsock.Socket) =>
    Effect.gen(function*() {
      const { socket } = yield* Winsock.accept(listener)
      let bytes = new Uint8Array(0)
      while (true) {
        const decoded = ProxyHeader.decode(bytes)
        if (decoded._tag === "Done") return { socket, header: decoded.value, rest: bytes.subarray(decoded.used) }
        if (decoded._tag === "Wrong") return yield* Effect.die(decoded.why)
        const piece = yield* Winsock.recv(socket)
        if (piece.length === 0) return yield* Effect.die("ended inside the header")
        bytes = Uint8Array.of(...bytes, ...piece)
      }
    }).pipe(Effect.timeout("10 seconds"))

  const listening = (family: SocketAddress.Family, address: string) =>
    Effect.gen(function*() {
      const listener = yield* Winsock.socket({ family, type: "stream" })
      yield* Winsock.bind(listener, address)
      yield* Winsock.listen(listener)
      return { listener, address: SocketAddress.format(yield* Winsock.getsockname(listener)) }
    })

  const ours = [
    { family: "IPv4", bind: "127.0.0.1:0" },
    ...(hasIPv6 ? [{ family: "IPv6", bind: "[::1]:0" } as const] : []),
    { family: "Unix", bind: "" }
  ] as const

  for (const { bind, family } of ours) {
    withServer(
      "haproxy",
      `we read what HAProxy sends for its clients to our listener, ${family}`,
      (file) =>
        Effect.gen(function*() {
          const directory = yield* temporaryDirectory
          const { address, listener } = yield* listening(family, bind === "" ? `unix:${directory}/ours.sock` : bind)
          const all = yield* places(directory)
          const server = yield* haproxy(
            file,
            () =>
              `listen all\n  mode tcp\n${binds(all, "")}\n  unique-id-format call-%[src_port]\n` +
              `  server ours ${named(address)} send-proxy-v2 proxy-v2-options unique-id,crc32c`
          )
          for (const { address, name } of all) {
            const caller = yield* connectWhenReady(server, address)
            yield* sendText(caller, "first words")
            const { header, rest, socket } = yield* accepted(listener)
            if (name === "Unix") {
              assert.deepStrictEqual(header, { command: "LOCAL" })
            } else {
              const source = yield* Winsock.getsockname(caller)
              assert.deepStrictEqual(header, {
                command: "PROXY",
                endpoints: { transport: "stream", source, destination: at(address) },
                tlvs: [{ type: ProxyHeader.Type.uniqueId, value: utf8(`call-${SocketAddress.portOf(source)}`) }],
                checksum: true
              })
            }
            // The stream begins behind the header, and goes both ways.
            let heard = new TextDecoder().decode(rest)
            if (heard.length < 11) heard += yield* receiveText(socket, (text) => heard.length + text.length >= 11)
            assert.strictEqual(heard, "first words")
            yield* sendText(socket, "an answer")
            assert.strictEqual(yield* receiveText(caller, (text) => text.length >= 9), "an answer")
          }
        })
    )
  }

  withServer(
    "haproxy",
    "we read what HAProxy sends to see whether our listener is alive",
    (file) =>
      Effect.gen(function*() {
        const { address, listener } = yield* listening("IPv4", "127.0.0.1:0")
        // A check that expects an answer: one that only connects is reset at once, mostly before anyone can accept it.
        yield* haproxy(
          file,
          (directory) =>
            `listen all\n  mode tcp\n  bind unix@${directory}/front.sock\n` +
            `  option tcp-check\n  tcp-check connect default\n  tcp-check expect string alive\n` +
            `  server ours ${address} send-proxy-v2 proxy-v2-options crc32c check check-send-proxy`
        )
        const { header } = yield* accepted(listener)
        assert.deepStrictEqual(header, { command: "LOCAL" })
      })
  )

  // -- the same through the layers that a program uses ---------------------------------------------------------------

  const withCarrier = (carrier: Layer.Layer<never, unknown>) =>
    Effect.provide(Layer.fresh(NodeWinsock.layer.pipe(Layer.provide(carrier))))

  const saying = ConnectData.layerProxy({
    entries: {
      alpn: utf8("h2"),
      authority: "shop.test",
      uniqueId: utf8("call-7"),
      ssl: { client: 1, verify: 0, version: "TLSv1.3" },
      netns: "blue"
    }
  })

  /** Connects with caller data, asks, and gives what the server answers with the addresses that it should have been told. */
  const toldOf = (address: string) =>
    Effect.gen(function*() {
      const s = yield* Winsock.socket({ family: SocketAddress.familyOf(at(address)), type: "stream" })
      yield* Winsock.WSAConnect(s, address, { callerData: utf8("acme") })
      yield* sendText(s, "GET / HTTP/1.0\r\n\r\n")
      const answer = (yield* receiveText(s, () => false)).split("\r\n\r\n")[1]
      const shown = [yield* Winsock.getsockname(s), at(address)]
        .map((end) => (end._tag === "UnixPathAddress" ? "" : `${String(end.address)} ${end.port}`)).join(" ").trim()
      return { answer, shown }
    }).pipe(Effect.scoped, withCarrier(saying))

  const withPort = (all: ReadonlyArray<Place>) => all.filter(({ name }) => name !== "Unix")

  withServer(
    "haproxy",
    "R12: HAProxy is told who calls, beside caller data that it knows nothing of",
    (file) =>
      Effect.gen(function*() {
        for (const { address } of withPort(yield* readingHaproxy(file))) {
          const { answer, shown } = yield* toldOf(address)
          assert.strictEqual(answer, `${shown} 1 shop.test call-7`)
        }
      })
  )

  withServer(
    "nginx",
    "R12: nginx is told who calls, beside caller data that it knows nothing of",
    (file) =>
      Effect.gen(function*() {
        for (const { address } of yield* nginx(file)) {
          const { answer, shown } = yield* toldOf(address)
          assert.strictEqual(answer?.trim(), shown)
        }
      })
  )

  for (const { bind, family } of ours) {
    withServer(
      "haproxy",
      `A07: accept gives the true source of what HAProxy hands on, ${family}`,
      (file) =>
        Effect.gen(function*() {
          const directory = yield* temporaryDirectory
          const all = yield* places(directory)
          yield* Effect.gen(function*() {
            const { address, listener } = yield* listening(family, bind === "" ? `unix:${directory}/ours.sock` : bind)
            const server = yield* haproxy(
              file,
              () =>
                `listen all\n  mode tcp\n${binds(all, "")}\n` +
                `  server ours ${named(address)} send-proxy-v2 proxy-v2-options crc32c`
            )
            for (const { address, name } of all) {
              const caller = yield* connectWhenReady(server, address)
              yield* sendText(caller, "first words")
              const source = yield* Winsock.getsockname(caller)
              const seen: Array<SocketAddress.SocketAddress> = []
              const { remote, socket } = yield* Winsock.WSAAccept(listener, (request) => {
                seen.push(request.remote)
                return Effect.succeed(Winsock.CF_ACCEPT)
              })
              seen.push(remote, yield* Winsock.getpeername(socket))
              // HAProxy tells nothing of who calls it over a Unix-domain socket: then the caller is HAProxy.
              if (name === "Unix") assert.strictEqual(SocketAddress.familyOf(remote), family)
              else assert.deepStrictEqual(seen.map(SocketAddress.format), Array(3).fill(SocketAddress.format(source)))
              assert.strictEqual(yield* receiveText(socket, (text) => text.length >= 11), "first words")
              yield* sendText(socket, "an answer")
              assert.strictEqual(yield* receiveText(caller, (text) => text.length >= 9), "an answer")
            }
          }).pipe(Effect.scoped, withCarrier(ConnectData.layerProxy({ side: "listen" })))
        })
    )
  }

  withServer(
    "haproxy",
    "A07: an HAProxy between two ends hands the source on, and takes the caller data out",
    (file) =>
      Effect.gen(function*() {
        const all = yield* places(yield* temporaryDirectory)
        yield* Effect.gen(function*() {
          const { address, listener } = yield* listening("IPv4", "127.0.0.1:0")
          const server = yield* haproxy(
            file,
            () => `listen all\n  mode tcp\n${binds(all, "accept-proxy")}\n  server ours ${named(address)} send-proxy-v2`
          )
          for (const { address } of withPort(all)) {
            const caller = yield* connectWhenReady(server, address)
            const seen: Array<Uint8Array> = []
            const { remote } = yield* Winsock.WSAAccept(listener, ({ callerData }) => {
              seen.push(callerData)
              return Effect.succeed(Winsock.CF_ACCEPT)
            })
            assert.deepStrictEqual(remote, yield* Winsock.getsockname(caller))
            assert.deepStrictEqual(seen, [new Uint8Array(0)])
          }
        }).pipe(Effect.scoped, Effect.provideService(UserData.CallerData, utf8("acme")), withCarrier(saying))
      })
  )

  withServer(
    "haproxy",
    "R12–R14, A07: our two ends exchange data through an HAProxy that hands on what it gets",
    (file) =>
      Effect.gen(function*() {
        const directory = yield* temporaryDirectory
        const all = yield* places(directory)
        yield* Effect.gen(function*() {
          const { address, listener } = yield* listening("IPv4", "127.0.0.1:0")
          const server = yield* haproxy(
            file,
            () => `listen all\n  mode tcp\n${binds(all, "")}\n  server ours ${named(address)}`
          )
          // A connect of the exchange is not there before it is accepted: the bare one of another layer sees it ready.
          for (const { address } of all) {
            yield* connectWhenReady(server, address).pipe(Effect.scoped, withCarrier(ConnectData.layerNone))
          }
          for (const { address } of all) {
            const call = (callerData: string) =>
              Effect.gen(function*() {
                const s = yield* Winsock.socket({ family: SocketAddress.familyOf(at(address)), type: "stream" })
                const { calleeData } = yield* Winsock.WSAConnect(s, address, {
                  callerData: utf8(callerData),
                  calleeData: 64
                })
                return { s, calleeData }
              })
            const answer = Winsock.WSAAccept(listener, ({ callerData }) => {
              const name = new TextDecoder().decode(callerData)
              return Effect.succeed(
                name === "acme"
                  ? { verdict: Winsock.CF_ACCEPT, calleeData: utf8(`welcome, ${name}`) } as const
                  : Winsock.CF_REJECT
              )
            })
            const calling = yield* Effect.forkChild(call("acme"))
            const { socket } = yield* answer
            const { calleeData, s } = yield* Fiber.join(calling)
            assert.strictEqual(new TextDecoder().decode(calleeData), "welcome, acme")
            yield* sendText(s, "first words")
            assert.strictEqual(yield* receiveText(socket, (text) => text.length >= 11), "first words")

            const refused = yield* Effect.forkChild(Effect.flip(call("somebody")))
            yield* Effect.flip(answer)
            assert.strictEqual((yield* Fiber.join(refused))._tag, "WSAECONNREFUSED")
          }
        }).pipe(Effect.scoped, withCarrier(ConnectData.layerExchange()))
      })
  )

  const exchanging = (address: string, replyTimeout: Duration.Input = "20 seconds") =>
    Effect.gen(function*() {
      const s = yield* Winsock.socket({ family: SocketAddress.familyOf(at(address)), type: "stream" })
      return yield* Effect.flip(Winsock.WSAConnect(s, address, { callerData: utf8("acme") }))
    }).pipe(Effect.scoped, withCarrier(ConnectData.layerExchange({ replyTimeout })))

  withServer("nginx", "E17: nginx speaks something else", (file) =>
    Effect.gen(function*() {
      for (const { address } of yield* nginx(file, "")) {
        assert.strictEqual((yield* exchanging(address))._tag, "WSAEPROTONOSUPPORT")
      }
    }))

  withServer(
    "haproxy",
    "an HAProxy that reads the header and waits for a request says nothing",
    (file) =>
      Effect.gen(function*() {
        for (const { address } of withPort(yield* readingHaproxy(file))) {
          assert.strictEqual((yield* exchanging(address, "300 millis"))._tag, "WSAETIMEDOUT")
        }
      })
  )
})
