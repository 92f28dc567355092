/**
 * Streams over node:net: TCP and Unix-domain ones.
 *
 * A socket of ours hears its own events and has a pointer to the handle, and all sockets read into one buffer: an idle
 * connection costs its socket and this handle, no listener, no closure and no buffer.
 */
import { Provider, SocketAddress } from "@effect-winsock/core"
import * as NetAddress from "effect/net/NetAddress"
import * as net from "node:net"
import { failureOf, fromNode, hostOf, stageOf } from "./native.ts"
import * as Quality from "./quality.ts"

type Address = SocketAddress.SocketAddress

/** What a socket says of its own end; `{}` where it has none. */
interface Name {
  readonly address?: string
  readonly port?: number
}

// libuv fills it and calls back at once, so that one buffer serves every socket of the thread: what a sink is given is
// lent for its call only.
const shared = Buffer.allocUnsafeSlow(256 * 1024)

const noBytes = new Uint8Array(0)

/** Stacks choose local ports from here on: Linux from 32768, others from 49152, unless told otherwise. */
const lowestChosen = 32_768

const streamOptions = {
  allowHalfOpen: true,
  // Every write that the kernel does not take at once has to be told from one that it does.
  writableHighWaterMark: 1,
  onread: {
    buffer: shared,
    // Node calls it as a method of the socket. `false` stops reading.
    callback(this: unknown, length: number, buffer: Uint8Array): boolean {
      return received((this as Connection).owner, buffer.subarray(0, length))
    }
  }
} as const

/** A socket that connects, or an accepted one that is ours. */
class Connection extends net.Socket {
  owner: StreamHandle | undefined = undefined

  // In place of listeners, which each socket would hold a list of. An 'error' that nobody hears would end the process.
  override emit(event: string | symbol, ...args: Array<any>): boolean {
    const owner = this.owner
    switch (event) {
      case "error":
        owner?.failed(this, args[0])
        return true
      case "connectionAttemptFailed":
        owner?.failedAttempt(this, args[3])
        return true
      case "connect":
        owner?.established(this)
        break
      case "end":
        owner?.ended(this)
        break
      // A stream that is ending emits no 'drain'.
      case "drain":
      case "finish":
        owner?.drained(this)
        break
      case "close":
        owner?.released()
    }
    return super.emit(event, ...args)
  }

  // Node destroys a socket by itself after an error and after both ends; the local address is lost with it.
  override destroy(error?: Error): this {
    if (this.destroyed || this.owner?.postpones(this, error)) return this
    this.owner?.capture(this)
    return super.destroy(error)
  }

  // `null` is the end. There is no 'end' after a failed write, and what failed is not to look like an orderly end.
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    const owner = this.owner
    if (chunk !== null || owner?.failure === undefined) return super.push(chunk, encoding)
    this.destroy(owner.failure)
    return false
  }
}

type Owned = net.Socket & { owner?: StreamHandle | undefined }

const received = (handle: StreamHandle | undefined, bytes: Uint8Array): boolean => {
  if (handle === undefined || handle.closing) return false
  handle.rearmed = false
  const left = handle.sink.data(bytes)
  // A fiber that woke inside the call may have asked for more already.
  return left > 0 || handle.rearmed || handle.stopped()
}

function onError(this: Owned, error: Error): void {
  this.owner?.failed(this, error)
}

function onEnd(this: Owned): void {
  this.owner?.ended(this)
}

function onDrain(this: Owned): void {
  this.owner?.drained(this)
}

function onData(this: Owned, bytes: Uint8Array): void {
  if (!received(this.owner, bytes)) this.pause()
}

function onClose(this: Owned): void {
  this.owner?.released()
}

const afterIssue = (handle: StreamHandle, socket: net.Socket): void => handle.afterIssue(socket)
const reportClosed = (handle: StreamHandle): void => handle.released()

/** What is used here of the object below a socket. It is Node's own business, so nothing counts on its being there. */
interface NativeHandle {
  readonly getpeername?: (out: object) => number
  readonly useUserBuffer?: unknown
}

type WithNative = { _handle?: NativeHandle | null }

/**
 * An accepted socket that reads into the shared buffer. A server takes no `onread`, and 'data' events bring a fresh
 * buffer each: 0.8 of the throughput for 1.7 times the processor. So the socket that the server has made gives
 * what lies below it to one of ours. Where that cannot be done, the server's own goes on, with 'data' events.
 */
const intoShared = (socket: Owned): Owned => {
  const handle = (socket as WithNative)._handle
  if (typeof handle?.useUserBuffer !== "function") return socket
  const ours = new Connection({ ...streamOptions, handle, pauseOnCreate: true } as object)
  const left = socket as WithNative
  left._handle = null
  return ours
}

const isMapped = (address: Address): boolean =>
  address._tag === "InetAddressV6" && NetAddress.isIpv4Mapped(address.address)

const wildcard = (local: Address): string => local._tag === "InetAddressV4" ? "0.0.0.0" : "::"

/**
 * Closes a TCP socket with a reset: what is unsent is dropped, and no TIME_WAIT keeps its pair of addresses from being
 * connected anew. That matters even to an attempt: the kernel may have established it while Node had not looked yet.
 *
 * `resetAndDestroy` would wait for 'connect' (and so does nothing for an attempt that is given up), hence the flag that
 * it sets itself (lib/net.js, `_reset`). Where a Node does not know the flag, this is a plain destroy. libuv refuses to
 * reset what has no descriptor, or is in the middle of a shutdown, and Node would then leak the handle: a plain close
 * has to do for these.
 */
const reset = (socket: net.Socket & { resetAndClosing?: boolean }, kind: Provider.Kind): void => {
  const shuttingDown = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0
  if (kind.family !== "Unix" && !shuttingDown) socket.resetAndClosing = true
  socket.destroy()
}

export class StreamHandle implements Provider.Handle {
  readonly kind: Provider.Kind
  private readonly means: Quality.Means
  sink: Provider.Sink
  socket: Owned | undefined = undefined
  closing = false
  /** `read` was called since the last bytes went to the sink. */
  rearmed = false
  /** Bytes of the last write are still referred to. */
  lending = false
  /** A write has failed, and what the kernel still holds is being read. */
  failure: Error | undefined = undefined
  private attempt = 0
  private connecting = false
  /** connect(2) was called: there is a descriptor, and the kernel may have a connection before Node looks. */
  private issued = false
  private armed = false
  /** Node takes bytes off the kernel as they come. */
  private reading = false
  private flushing = false
  private over = false
  private keepAlive = false
  private noDelay = false
  private v6Only = true
  private server: net.Server | undefined = undefined
  /** Bound and not in use yet. */
  private bound: net.BoundSocket | undefined = undefined
  /** The address of `bind`. */
  private explicit: Address | undefined = undefined
  private address: Address | undefined = undefined
  /** The socket knows the local address better than `address`. */
  private stale = false
  private name: Name | undefined = undefined
  private remote: Address | undefined = undefined
  private planned: Address | undefined = undefined
  /** The attempt that is made from a port nobody asked for by name. */
  private kept: Provider.ConnectPlan | undefined = undefined
  /** What the socket was told to do. */
  private quality: Provider.Quality | undefined = undefined

  constructor(kind: Provider.Kind, means: Quality.Means, sink: Provider.Sink) {
    this.kind = kind
    this.means = means
    this.sink = sink
  }

  bind(local: Address, options: Provider.BindOptions): Address | Provider.Failure {
    if (this.closing) return this.refuse("EBADF", "bind")
    if (this.explicit !== undefined || this.socket !== undefined || this.server !== undefined) {
      return this.refuse("ERR_SOCKET_ALREADY_BOUND", "bind")
    }
    this.v6Only = options.v6Only
    try {
      this.bound = this.makeBound(local, false)
    } catch (error) {
      return failureOf(error, { kind: this.kind, stage: "bind", local })
    }
    const name = this.bound.address()
    this.explicit = typeof name === "string" ? local : fromNode(name.address, name.port)
    this.address = this.explicit
    return this.explicit
  }

  connect(plan: Provider.ConnectPlan): Provider.Failure | Provider.Pending {
    const { local, quality, remote } = plan
    if (this.closing) return this.refuse("EBADF", "connect")
    if (this.socket !== undefined) return this.refuse(this.connecting ? "EALREADY" : "EISCONN", "connect")
    if (this.server !== undefined) return this.refuse("EISCONN", "connect")
    if (Quality.isBeyond(quality, this.means)) return this.refuse("ENOTSUP", "connect")
    const asks = Quality.asks(quality)
    let named: net.BoundSocket | undefined
    let bound: net.BoundSocket | undefined
    try {
      if (isMapped(remote)) this.v6Only = false
      named = this.takeNamed(plan)
      // A socket that is marked from its first packet on needs a descriptor before it connects.
      bound = named ?? (asks ? this.makeBound(SocketAddress.unspecified(this.kind.family), false) : undefined)
    } catch (error) {
      return failureOf(error, { kind: this.kind, stage: stageOf(error, "connect"), local, remote })
    }
    const descriptor = asks ? bound!.fd() : undefined
    const socket = new Connection(
      bound === undefined ? streamOptions : { ...streamOptions, handle: bound } as net.SocketConstructorOpts
    )
    if (asks) {
      const failure = Quality.change(undefined, quality, this.setterOf(socket, descriptor, remote))
      if (failure !== undefined) {
        socket.destroy()
        this.rebind()
        return failure
      }
    }
    this.quality = quality
    socket.owner = this
    // Node would start to read by itself at 'connect'.
    socket.pause()
    this.adopt(socket)
    this.attempt = plan.attempt
    this.connecting = true
    this.issued = false
    this.remote = remote
    this.planned = local
    this.kept = plan.keepLocalPort && named !== undefined ? plan : undefined
    this.stale = false
    this.name = undefined
    this.address = named === undefined ? undefined : local ?? this.explicit
    try {
      if (remote._tag === "UnixPathAddress") socket.connect({ path: remote.path })
      else socket.connect({ host: hostOf(remote), port: remote.port })
    } catch (error) {
      this.socket = undefined
      this.connecting = false
      socket.owner = undefined
      socket.destroy()
      return failureOf(error, { kind: this.kind, stage: "connect", local, remote })
    }
    // An adopted socket calls connect(2) at once, a plain one on the next tick, queued before this one.
    this.issued = bound !== undefined
    process.nextTick(afterIssue, this, socket)
    return "pending"
  }

  afterIssue(socket: net.Socket): void {
    // Where connect(2) failed at once the socket is destroyed by now, and its 'error' is on the way.
    if (this.socket !== socket || !this.connecting || socket.destroyed) return
    this.issued = true
    this.stale = true
    this.sink.issued(this.attempt)
  }

  established(socket: Owned): void {
    if (this.socket !== socket) return
    this.stale = true
    if (this.metItself()) {
      this.discard(socket)
      this.rebind()
      this.sink.connected(this.attempt, this.refuse("ECONNREFUSED", "connect"))
      return
    }
    this.connecting = false
    // At once: else the peer's bytes are lost when its reset and a failing send of ours come before the first receive.
    if (this.armed) {
      this.reading = true
      socket.read(0)
    }
    this.sink.connected(this.attempt, Provider.established)
  }

  /**
   * Nobody listens, but the attempt came from the very port that it went to, so TCP connected it with itself
   * (simultaneous open, RFC 9293 §3.5). Only a port that the stack may choose, or that was bound, can be met so.
   */
  private metItself(): boolean {
    const remote = this.remote
    if (remote === undefined || remote._tag === "UnixPathAddress") return false
    if (this.planned === undefined ? remote.port < lowestChosen : SocketAddress.portOf(this.planned) !== remote.port) {
      return false
    }
    if (this.socket !== undefined) this.capture(this.socket)
    // The ports differ, as they nearly always do: nobody needs the rest of the address.
    if (this.name !== undefined && this.name.port !== remote.port) return false
    const local = this.local()
    return local !== undefined && SocketAddress.same(local, remote)
  }

  failedAttempt(socket: Owned, error: Error): void {
    if (this.socket !== socket) return
    this.capture(socket)
    // Without the error: Node, which is about to destroy the socket with it, then finds that done and emits no 'error'.
    socket.destroy()
    this.attemptFailed(error)
  }

  private attemptFailed(error: Error): void {
    this.socket = undefined
    this.connecting = false
    const { attempt, kept, kind, planned: local, remote } = this
    let failure = failureOf(error, { kind, stage: stageOf(error, "connect"), local, remote })
    if (kept !== undefined && failure.code === "WSAEADDRINUSE") {
      // The kept port is ours, but what is left of another connection has it to this very peer.
      const again = this.connect({ ...kept, local: undefined, keepLocalPort: false })
      if (again === "pending") return
      failure = again
    }
    this.rebind()
    this.sink.connected(attempt, failure)
  }

  failed(socket: Owned, error: Error): void {
    if (this.closing) {
      // A handle that could not be reset never says 'close'.
      if ((error as { readonly syscall?: string }).syscall === "reset") process.nextTick(reportClosed, this)
      return
    }
    if (this.socket !== socket) return
    if (this.connecting) return this.attemptFailed(error)
    this.lending = false
    this.sink.broken(
      failureOf(error, { kind: this.kind, stage: stageOf(error, "receive"), local: this.planned, remote: this.remote })
    )
  }

  ended(socket: Owned): void {
    if (this.socket !== socket || this.closing) return
    this.stopped()
    this.sink.ended()
  }

  drained(socket: Owned): void {
    if (this.closing || !this.lending || socket.writableLength !== 0) return
    this.lending = false
    this.sink.drained()
  }

  /**
   * A write that fails tells of a peer that has reset the connection, and Node would close the socket with what the peer
   * had sent before (R21). The kernel still gives that, and then its end: so the failure waits for the end, as long as
   * somebody wants bytes.
   */
  postpones(socket: Owned, error: Error | undefined): boolean {
    if (this.failure !== undefined || error === undefined || !this.mayPostpone(socket, error)) return false
    this.failure = error
    return true
  }

  private mayPostpone(socket: Owned, error: Error | null): boolean {
    const { code, syscall } = (error ?? {}) as { readonly code?: string; readonly syscall?: string }
    return this.socket === socket && !this.connecting && !this.closing && this.reading && !socket.destroyed &&
      socket instanceof Connection && !socket.readableEnded && syscall === "write" &&
      (code === "ECONNRESET" || code === "EPIPE")
  }

  /** The credit is at its end: nothing more is read, not even for a failure to wait for. */
  stopped(): false {
    this.reading = false
    if (this.failure !== undefined) this.socket?.destroy(this.failure)
    return false
  }

  abort(attempt: number): Address | undefined {
    const socket = this.socket
    if (this.closing || socket === undefined || !this.connecting || attempt !== this.attempt) return undefined
    this.discard(socket)
    this.rebind()
    return this.local()
  }

  setPeer(): Provider.Failure {
    return this.refuse("ENOTSUP", "connect")
  }

  setQuality(quality: Provider.Quality | undefined): Provider.Failure | undefined {
    const { remote, socket } = this
    if (this.closing) return undefined
    if (Quality.isBeyond(quality, this.means)) return this.refuse("ENOTSUP", "option")
    if (socket === undefined || this.connecting) {
      return quality === undefined ? undefined : this.refuse("ENOTCONN", "option")
    }
    // A broken one sends nothing any more, and its descriptor may be somebody else's.
    if (socket.destroyed) return undefined
    const failure = Quality.change(
      this.quality,
      quality,
      this.setterOf(socket, Quality.streamDescriptor(socket), remote!)
    )
    if (failure === undefined) this.quality = quality
    return failure
  }

  /** Node's own call does for the code point, except towards the IPv4 peers of an IPv6 socket: it marks IPv6 only. */
  private setterOf(socket: net.Socket, descriptor: number | undefined, remote: Address): Quality.Set {
    return (name, value) => {
      if (name === "dscp" && !isMapped(remote)) socket.setTypeOfService((value ?? 0) << 2)
      else Quality.setOn(this.means, descriptor, { IPv4: true, IPv6: false }, name, value)
    }
  }

  reserved(): undefined {
    return undefined
  }

  listen(plan: Provider.ListenPlan): Address | Provider.Failure | Provider.Pending {
    if (this.closing) return this.refuse("EBADF", "listen")
    if (this.socket !== undefined) return this.refuse("EISCONN", "listen")
    // Node cannot change the backlog of a listener.
    if (this.server !== undefined) return this.address ?? plan.local
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, highWaterMark: 1 })
    try {
      const bound = this.takeBound(plan.local, plan.keepLocalPort)
      const name = bound.address()
      this.address = typeof name === "string" ? plan.local : fromNode(name.address, name.port)
      this.stale = false
      this.name = undefined
      server.on("error", (error) => this.listenerFailed(server, plan, error))
      server.on("connection", (socket) => this.called(socket))
      server.listen(bound, plan.backlog)
    } catch (error) {
      return failureOf(error, { kind: this.kind, stage: "listen", local: plan.local })
    }
    this.server = server
    // listen(2) has been called by now; where it failed, 'error' follows.
    return server.listening ? this.address : "pending"
  }

  private listenerFailed(server: net.Server, plan: Provider.ListenPlan, error: Error): void {
    // A caller that could not be accepted, for want of a descriptor: libuv has turned it away, and the listener lives.
    if (this.closing || this.server !== server || server.listening) return
    this.server = undefined
    this.rebind()
    this.sink.listening(failureOf(error, { kind: this.kind, stage: "listen", local: plan.local }))
  }

  private called(socket: Owned): void {
    socket.on("error", onError)
    const unix = this.kind.family === "Unix"
    const host = socket.remoteAddress
    // Without a peer it has been reset already, and is nobody's any more.
    if (this.closing || (!unix && host === undefined)) {
      socket.destroy()
      return
    }
    const remote = unix ? SocketAddress.unspecified("Unix") : fromNode(host!, socket.remotePort!)
    const local = unix ? this.address! : fromNode(socket.localAddress!, socket.localPort!)
    this.sink.incoming(new Request(this, socket, local, remote))
  }

  /** The handle of a connection that this listener was asked for. */
  accept(request: Request, sink: Provider.Sink): StreamHandle {
    const { local, remote } = request
    const socket = intoShared(request.socket)
    const handle = new StreamHandle(this.kind, this.means, sink)
    handle.address = local
    handle.remote = remote
    handle.v6Only = this.v6Only
    socket.owner = handle
    if (!(socket instanceof Connection)) {
      socket.on("data", onData).on("end", onEnd).on("drain", onDrain).on("finish", onDrain).on("close", onClose)
    }
    socket.pause()
    handle.adopt(socket)
    return handle
  }

  read(credit: number): void {
    if (this.closing || credit <= 0) return
    this.rearmed = true
    this.armed = true
    const socket = this.socket
    if (socket === undefined || this.connecting || socket.destroyed) return
    this.reading = true
    if (socket instanceof Connection) socket.read(0)
    else socket.resume()
  }

  write(bytes: Uint8Array): number | Provider.Failure {
    if (this.closing) return 0
    const socket = this.socket
    if (socket === undefined || this.connecting) return this.refuse("ENOTCONN", "send")
    if (socket.writableEnded) return this.refuse("ESHUTDOWN", "send")
    if (bytes.length === 0) return 0
    if (!socket.destroyed && socket.errored === null) socket.write(bytes)
    if (socket.destroyed || socket.errored !== null) {
      // `broken` answers, after what the peer had sent: Node has not told of the failure yet.
      if (this.mayPostpone(socket, socket.errored)) {
        this.lending = true
        return bytes.length
      }
      return failureOf(socket.errored ?? { code: "EPIPE" }, { kind: this.kind, stage: "send" })
    }
    const left = socket.writableLength
    if (left === 0) return 0
    this.lending = true
    return left
  }

  sendTo(): Provider.Failure {
    return this.refuse("ENOTSUP", "send")
  }

  shutdownSend(): Provider.Failure | undefined {
    if (this.closing) return undefined
    const socket = this.socket
    if (socket === undefined || this.connecting) return this.refuse("ENOTCONN", "shutdown")
    if (socket.writableEnded || socket.destroyed) return undefined
    socket.end()
    return undefined
  }

  close(how: "graceful" | "reset"): void {
    const socket = this.socket
    if (this.closing) {
      if (how === "reset" && this.flushing && socket !== undefined && !socket.destroyed) reset(socket, this.kind)
      return
    }
    this.closing = true
    this.bound?.close()
    this.bound = undefined
    // Its descriptor is closed at once; Node's own 'close' would wait for the accepted connections.
    this.server?.close()
    if (socket === undefined || socket.destroyed) {
      process.nextTick(reportClosed, this)
    } else {
      if (this.connecting) this.discard(socket)
      else if (how === "reset") reset(socket, this.kind)
      // Nothing is left for Node to write: the kernel delivers what it has taken.
      else if (socket.writableLength === 0) socket.destroy()
      else {
        this.flushing = true
        socket.destroySoon()
      }
    }
  }

  released(): void {
    if (!this.closing || this.over) return
    this.over = true
    // What Node still holds of the socket, for a while, holds nothing of ours.
    if (this.socket !== undefined) this.socket.owner = undefined
    this.socket = undefined
    this.server = undefined
    this.sink.closed()
  }

  local(): Address | undefined {
    if (this.socket !== undefined) this.capture(this.socket)
    const name = this.name
    if (name !== undefined) {
      this.name = undefined
      this.address = fromNode(name.address!, name.port!)
    }
    return this.address
  }

  /** Notes the local address while the socket still has one. */
  capture(socket: Owned): void {
    if (!this.stale || this.closing || this.socket !== socket || socket.destroyed) return
    this.stale = false
    if (this.kind.family === "Unix") {
      // What was not bound has the empty name, and an attempt that fails leaves nothing to be kept.
      if (this.address === undefined && !this.connecting) this.address = SocketAddress.unspecified("Unix")
      return
    }
    const name: Name = socket.address()
    if (name.address !== undefined && name.port !== undefined) this.name = name
  }

  setOption(option: Provider.ProviderOption, value: boolean): Provider.Failure | undefined {
    if (this.closing) return undefined
    switch (option) {
      case "SO_KEEPALIVE":
        this.keepAlive = value
        this.socket?.setKeepAlive(value)
        return undefined
      case "TCP_NODELAY":
        this.noDelay = value
        this.socket?.setNoDelay(value)
        return undefined
      case "SO_BROADCAST":
        return this.refuse("ENOPROTOOPT", "option")
    }
  }

  private adopt(socket: Owned): void {
    this.socket = socket
    this.lending = false
    this.reading = false
    if (this.keepAlive) socket.setKeepAlive(true)
    if (this.noDelay) socket.setNoDelay(true)
  }

  /** Ends an attempt; nothing more is heard of it. */
  private discard(socket: Owned): void {
    this.capture(socket)
    this.socket = undefined
    this.connecting = false
    // Before it is issued there is no descriptor to reset, and nothing the kernel could have established.
    if (this.issued) reset(socket, this.kind)
    else socket.destroy()
    if (!this.closing) (socket as Owned).owner = undefined
  }

  /** An adopted binding is gone with its attempt: what was bound by name is bound again at once, to hold it. */
  private rebind(): void {
    if (this.closing || this.bound !== undefined || this.explicit === undefined) return
    try {
      this.bound = this.makeBound(this.explicit, false)
    } catch {
      // The next connect or listen tries again, and tells.
    }
  }

  /** The binding that an attempt is to be made from; `undefined` leaves it to connect(2). */
  private takeNamed({ keepLocalPort, local }: Provider.ConnectPlan): net.BoundSocket | undefined {
    if (local === undefined && this.bound === undefined) return undefined
    try {
      return this.takeBound(local, keepLocalPort)
    } catch (error) {
      // The port was never asked for: an attempt from another one is better than none. `listen` is strict about it.
      if (keepLocalPort && (error as { readonly code?: string }).code === "EADDRINUSE") return undefined
      throw error
    }
  }

  private takeBound(local: Address | undefined, portOnly: boolean): net.BoundSocket {
    const bound = this.bound ?? this.makeBound(this.explicit ?? local!, portOnly && this.explicit === undefined)
    this.bound = undefined
    return bound
  }

  private makeBound(local: Address, portOnly: boolean): net.BoundSocket {
    if (local._tag === "UnixPathAddress") {
      // The first Node versions with BoundSocket ignore a path, and bind a TCP port instead.
      if (!("isPipe" in net.BoundSocket.prototype)) throw Object.assign(new Error(), { code: "EOPNOTSUPP" })
      return new net.BoundSocket({ path: local.path } as net.BoundSocketOptions)
    }
    return new net.BoundSocket({
      host: portOnly ? wildcard(local) : hostOf(local),
      port: local.port,
      ipv6Only: local._tag === "InetAddressV6" && this.v6Only && !isMapped(local)
    })
  }

  private refuse(code: string, stage: Parameters<typeof failureOf>[1]["stage"]): Provider.Failure {
    return failureOf({ code }, { kind: this.kind, stage })
  }
}

/** A connection that the kernel has made and nobody has accepted. */
class Request implements Provider.Incoming {
  readonly callerData = noBytes
  readonly sqos = undefined
  readonly gqos = undefined
  readonly local: Address
  readonly remote: Address
  readonly socket: Owned
  private readonly listener: StreamHandle
  private done = false

  constructor(listener: StreamHandle, socket: Owned, local: Address, remote: Address) {
    this.listener = listener
    this.socket = socket
    this.local = local
    this.remote = remote
  }

  accept(sink: Provider.Sink): Provider.Handle | Provider.Failure {
    if (this.done || this.socket.destroyed) {
      return failureOf({ code: this.done ? "EINVAL" : "ECONNRESET" }, { kind: this.listener.kind, stage: "accept" })
    }
    this.done = true
    return this.listener.accept(this, sink)
  }

  reject(): void {
    if (this.done) return
    this.done = true
    if (!this.socket.destroyed) reset(this.socket, this.listener.kind)
  }

  withdrawn(): boolean {
    if (this.done) return false
    if (this.socket.destroyed) return true
    // Nothing is read yet, so Node hears of no reset; but a socket without a peer is one that was reset. The public
    // `remoteAddress` remembers its first answer, hence Node's own handle, where there is one.
    const handle = (this.socket as WithNative)._handle
    return handle?.getpeername !== undefined && handle.getpeername({}) !== 0
  }
}
