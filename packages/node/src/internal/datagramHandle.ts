/**
 * Datagrams over node:dgram.
 */
import { Provider, SocketAddress } from "@effect-winsock/core"
import type * as NetAddress from "effect/net/NetAddress"
import * as dgram from "node:dgram"
import { failureOf, fromNode, hostOf } from "./native.ts"
import * as Quality from "./quality.ts"

type Address = SocketAddress.SocketAddress

type Owned = dgram.Socket & { owner?: DatagramHandle | undefined }

// Hosts are literals. An answer at once makes Node send at once, so a socket may be closed or connected elsewhere right
// after `send`: the datagram is with the kernel, or in libuv's queue together with its destination.
const lookup = (
  host: string,
  options: unknown,
  callback: (error: null, address: string, family: number) => void
): void => callback(null, host, options as number)

/** How often another port is tried where somebody took the one that was learned. */
const portTries = 16

/** In place of a peer's port 0. */
const discardPort = 9

interface Sending {
  readonly bytes: Uint8Array
  readonly to: Address | undefined
}

function onMessage(this: Owned, bytes: Uint8Array, from: dgram.RemoteInfo): void {
  const handle = this.owner
  if (handle !== undefined && handle.socket === this) handle.arrived(bytes, from)
}

function onError(this: Owned, error: Error): void {
  const handle = this.owner
  if (handle !== undefined && handle.socket === this) handle.reported(error)
}

const reportClosed = (handle: DatagramHandle): void => handle.released()
const reportBroken = (handle: DatagramHandle, failure: Provider.Failure): void => handle.broken(failure)
const reportSent = (handle: DatagramHandle): void => handle.wasSent(null)

export class DatagramHandle implements Provider.Handle {
  readonly kind: Provider.Kind
  private readonly means: Quality.Means
  private readonly sink: Provider.Sink
  socket: Owned | undefined = undefined
  private options: Provider.BindOptions = { reuse: false, v6Only: true }
  private broadcast = false
  /** What the socket was told to do, and each that takes its place is. */
  private quality: Provider.Quality | undefined = undefined
  /** What the socket is bound to; its port is never 0. */
  private bound: NetAddress.InetAddress | undefined = undefined
  private address: Address | undefined = undefined
  private peer: Address | undefined = undefined
  /** The kernel knows the peer. It never does where the peer's port is 0. */
  private connected = false
  private flowing = false
  private rearmed = false
  private closing = false
  private over = false
  /** The first one is with Node. */
  private readonly queue: Array<Sending> = []
  private lastHost = ""
  private lastPort = 0
  private lastFrom: Address | undefined = undefined
  private readonly onSent = (error: Error | null): void => this.wasSent(error)

  constructor(kind: Provider.Kind, means: Quality.Means, sink: Provider.Sink) {
    this.kind = kind
    this.means = means
    this.sink = sink
  }

  bind(local: Address, options: Provider.BindOptions): Address | Provider.Failure {
    if (this.closing) return this.refuse("EBADF", "bind")
    if (this.socket !== undefined) return this.refuse("ERR_SOCKET_ALREADY_BOUND", "bind")
    if (local._tag === "UnixPathAddress") return this.refuse("EAFNOSUPPORT", "bind")
    this.options = options
    try {
      this.socket = local.port === 0 ? this.openAnywhere(hostOf(local)) : this.open(hostOf(local), local.port)
    } catch (error) {
      return failureOf(error, { kind: this.kind, stage: "bind", local })
    }
    this.bound = addressOf(this.socket) as NetAddress.InetAddress
    this.address = this.bound
    return this.bound
  }

  connect(): Provider.Failure {
    return this.refuse("ENOTSUP", "connect")
  }

  abort(): undefined {
    return undefined
  }

  setPeer(
    peer: Address | undefined,
    queue: "keep" | "discard",
    quality?: Provider.Quality | undefined
  ): Address | Provider.Failure {
    if (Quality.isBeyond(quality, this.means)) return this.refuse("ENOTSUP", "connect")
    const socket = this.bindIfNeeded()
    if (Provider.isFailure(socket)) return socket
    if (peer?._tag === "UnixPathAddress") return this.refuse("EAFNOSUPPORT", "connect")
    const before = this.peer
    const asked = this.quality
    const refused = this.changeQuality(socket, quality)
    if (refused !== undefined) return refused
    if (queue === "keep" && (peer === undefined ? before === undefined : isSame(before, peer))) return this.address!
    // The old socket tries it first: where it cannot, nothing has been lost.
    try {
      this.disconnect(socket)
      this.connectTo(socket, peer)
    } catch (error) {
      this.reconnect(socket)
      this.changeQuality(socket, asked)
      return failureOf(error, { kind: this.kind, stage: "connect", local: this.bound, remote: peer })
    }
    this.peer = peer
    if (queue === "discard") {
      const failure = this.renew(socket)
      if (failure !== undefined) return failure
    }
    if (peer === undefined) this.address = this.bound
    return this.address!
  }

  setQuality(quality: Provider.Quality | undefined): Provider.Failure | undefined {
    if (this.closing) return undefined
    if (Quality.isBeyond(quality, this.means)) return this.refuse("ENOTSUP", "option")
    if (this.socket !== undefined) return this.changeQuality(this.socket, quality)
    this.quality = quality
    return undefined
  }

  private changeQuality(socket: Owned, quality: Provider.Quality | undefined): Provider.Failure | undefined {
    if (quality === this.quality) return undefined
    const failure = Quality.change(this.quality, quality, this.setterOf(socket))
    if (failure === undefined) this.quality = quality
    return failure
  }

  private setterOf(socket: Owned): Quality.Set {
    const IPv6 = this.kind.family === "IPv6"
    return (name, value) =>
      Quality.setOn(
        this.means,
        Quality.datagramDescriptor(socket),
        { IPv4: !IPv6 || !this.options.v6Only, IPv6 },
        name,
        value
      )
  }

  reserved(): undefined {
    return undefined
  }

  listen(): Provider.Failure {
    return this.refuse("ENOTSUP", "listen")
  }

  read(credit: number): void {
    if (this.closing || credit <= 0) return
    this.flowing = true
    this.rearmed = true
  }

  arrived(bytes: Uint8Array, from: dgram.RemoteInfo): void {
    if (this.closing || !this.flowing) return
    if (this.lastFrom === undefined || from.port !== this.lastPort || from.address !== this.lastHost) {
      this.lastFrom = fromNode(from.address, from.port)
      this.lastHost = from.address
      this.lastPort = from.port
    }
    this.rearmed = false
    // What comes while it is off is dropped, as by a kernel whose buffer is full: Node cannot stop to receive.
    this.flowing = false
    const left = this.sink.datagram(bytes, this.lastFrom)
    this.flowing = left > 0 || this.rearmed
  }

  reported(error: Error): void {
    if (this.closing) return
    this.sink.soft(failureOf(error, { kind: this.kind, stage: "receive", remote: this.peer }))
  }

  write(): number | Provider.Failure {
    return this.closing ? 0 : this.refuse("ENOTSUP", "send")
  }

  sendTo(bytes: Uint8Array, to: Address | undefined): Provider.Failure | Provider.Pending | undefined {
    if (this.closing) return undefined
    const destination = to ?? this.peer
    if (destination === undefined) return this.refuse("ENOTCONN", "send")
    if (destination._tag === "UnixPathAddress") return this.refuse("EAFNOSUPPORT", "send")
    const socket = this.bindIfNeeded()
    if (Provider.isFailure(socket)) return socket
    this.queue.push({ bytes, to: destination })
    if (this.queue.length === 1) this.sendFirst()
    return "pending"
  }

  private sendFirst(): void {
    const socket = this.socket
    if (socket === undefined) {
      process.nextTick(reportSent, this)
      return
    }
    const { bytes, to } = this.queue[0]!
    const inet = to as NetAddress.InetAddress
    // Nobody can have port 0: what is sent there is lost on the way, which is no failure of sending it.
    if (inet.port === 0) {
      process.nextTick(reportSent, this)
      return
    }
    try {
      if (this.connected && isSame(this.peer, inet)) {
        socket.send(bytes, this.onSent)
        return
      }
      // Node refuses a destination, or ignores it, while a peer is set; the port stays, as it was bound by number.
      this.disconnect(socket)
      socket.send(bytes, inet.port, hostOf(inet), this.onSent)
      this.reconnect(socket)
    } catch (error) {
      process.nextTick(this.onSent, error as Error)
    }
  }

  wasSent(error: Error | null): void {
    const sending = this.queue[0]
    if (sending === undefined || this.over) return
    const code = (error as { readonly code?: string } | null)?.code
    // The kernel tells at a send what an earlier datagram met, and does not send this one.
    if (code === "ECONNREFUSED") {
      this.sendFirst()
      if (!this.closing) {
        this.sink.soft(failureOf(error, { kind: this.kind, stage: "send", remote: this.peer }))
      }
      return
    }
    this.queue.shift()
    if (this.queue.length > 0) this.sendFirst()
    if (this.closing) {
      if (this.queue.length === 0) this.shut()
      return
    }
    // Cancelled: it was waiting in a socket that has been renewed meanwhile, and is lost as datagrams may be.
    this.sink.sent(
      error === null || code === "ECANCELED"
        ? undefined
        : failureOf(error, { kind: this.kind, stage: "send", local: this.bound, remote: sending.to })
    )
  }

  shutdownSend(): undefined {
    return undefined
  }

  close(how: "graceful" | "reset"): void {
    if (this.over) return
    const first = !this.closing
    this.closing = true
    if (this.socket === undefined) {
      if (first) process.nextTick(reportClosed, this)
    } else if (how === "reset" || this.queue.length === 0) this.shut()
  }

  private shut(): void {
    const socket = this.socket
    if (socket === undefined) return
    this.queue.length = 0
    this.socket = undefined
    socket.close()
    socket.on("close", () => this.released())
  }

  released(): void {
    if (this.over) return
    this.over = true
    this.sink.closed()
  }

  broken(failure: Provider.Failure): void {
    if (!this.closing) this.sink.broken(failure)
  }

  local(): Address | undefined {
    return this.address
  }

  setOption(option: Provider.ProviderOption, value: boolean): Provider.Failure | undefined {
    if (this.closing) return undefined
    if (option !== "SO_BROADCAST") return this.refuse("ENOPROTOOPT", "option")
    try {
      this.socket?.setBroadcast(value)
    } catch (error) {
      return failureOf(error, { kind: this.kind, stage: "option" })
    }
    this.broadcast = value
    return undefined
  }

  private bindIfNeeded(): Owned | Provider.Failure {
    if (this.closing) return this.refuse("EBADF", "bind")
    if (this.socket === undefined) {
      // It had one and lost it: see `renew`.
      if (this.bound !== undefined) return this.refuse("EBADF", "bind")
      const bound = this.bind(SocketAddress.unspecified(this.kind.family), this.options)
      if (Provider.isFailure(bound)) return bound
    }
    return this.socket!
  }

  private open(host: string, port: number): Owned {
    const socket: Owned = dgram.createSocket({
      type: this.kind.family === "IPv4" ? "udp4" : "udp6",
      reuseAddr: this.options.reuse,
      ipv6Only: this.kind.family === "IPv6" && this.options.v6Only,
      lookup: lookup as never
    })
    socket.owner = this
    socket.on("error", onError)
    socket.on("message", onMessage)
    try {
      socket.bindSync({ address: host, port })
      if (this.broadcast) socket.setBroadcast(true)
      const failure = Quality.change(undefined, this.quality, this.setterOf(socket))
      if (failure !== undefined) throw failure.native
    } catch (error) {
      socket.close()
      throw error
    }
    return socket
  }

  /**
   * Linux forgets a port that it has chosen itself when the peer is dissolved (T20, T25), and keeps one that was asked
   * for: so a port is learned, given back, and asked for.
   */
  private openAnywhere(host: string): Owned {
    for (let tries = 1;; tries++) {
      const scout = this.open(host, 0)
      const { port } = scout.address()
      scout.close()
      try {
        return this.open(host, port)
      } catch (error) {
        if ((error as { readonly code?: string }).code !== "EADDRINUSE" || tries === portTries) throw error
      }
    }
  }

  private disconnect(socket: Owned): void {
    if (!this.connected) return
    socket.disconnect()
    this.connected = false
  }

  private connectTo(socket: Owned, peer: Address | undefined): void {
    const inet = peer as NetAddress.InetAddress | undefined
    if (inet === undefined) return
    // Node refuses port 0. Any other one of that host keeps the rest away as well; nothing is sent there.
    socket.connectSync(inet.port === 0 ? discardPort : inet.port, hostOf(inet))
    this.connected = true
    this.address = addressOf(socket)
  }

  /** Where the kernel cannot have the peer back, datagrams go to it one by one, and core drops those of others. */
  private reconnect(socket: Owned): void {
    try {
      this.connectTo(socket, this.peer)
    } catch {
      this.connected = false
    }
  }

  /**
   * A socket on the same address that has received nothing. The kernel keeps what waits in the old one whatever the
   * peer becomes (T23, T24, T26), and Node cannot tell when it has all been read.
   */
  private renew(old: Owned): Provider.Failure | undefined {
    const { bound } = this
    this.socket = undefined
    this.connected = false
    old.close()
    try {
      this.socket = this.open(hostOf(bound!), bound!.port)
    } catch (error) {
      const failure = failureOf(error, { kind: this.kind, stage: "connect", local: bound, remote: this.peer })
      // Somebody has taken the port in between, or no descriptor is left: there is nothing to go back to.
      process.nextTick(reportBroken, this, failure)
      return failure
    }
    this.reconnect(this.socket)
    return undefined
  }

  private refuse(code: string, stage: Parameters<typeof failureOf>[1]["stage"]): Provider.Failure {
    return failureOf({ code }, { kind: this.kind, stage })
  }
}

const isSame = (a: Address | undefined, b: Address): boolean => a !== undefined && SocketAddress.same(a, b)

const addressOf = (socket: dgram.Socket): Address => {
  const { address, port } = socket.address()
  return fromNode(address, port)
}
