import { Provider, SocketAddress } from "@effect-winsock/core"
import { Effect } from "effect"
import { Sim } from "../../src/Sim.ts"
import * as SimNetwork from "../../src/SimNetwork.ts"
import { TestEngine } from "./engine.ts"

export const at = SocketAddress.fromInputUnsafe

/** A network on the smallest engine. */
export const world = (options: SimNetwork.Options, seed = 1) => {
  const engine = new TestEngine(seed)
  const net = Effect.runSync(Effect.provideService(SimNetwork.make(options), Sim, engine))
  return { engine, net }
}

export const milli = 1000
export const second = 1_000_000

/** A socket of a provider that writes down what it hears, and when. */
export class Peer implements Provider.Sink {
  readonly engine: TestEngine
  readonly log: Array<readonly [micros: number, what: string, detail?: unknown]> = []
  readonly callers: Array<Provider.Incoming> = []
  received = 0
  /** What `data` answers. */
  credit = Infinity
  handle!: Provider.Handle
  onData: ((bytes: Uint8Array) => void) | undefined

  constructor(engine: TestEngine) {
    this.engine = engine
  }

  static open(
    { engine, net }: ReturnType<typeof world>,
    host: string,
    family: SocketAddress.Family = "IPv4",
    type: Provider.Kind["type"] = "stream"
  ): Peer {
    const peer = new Peer(engine)
    const handle = net.provider(host).open({ family, type, direction: "both" }, peer)
    if (Provider.isFailure(handle)) throw new Error(handle.code)
    peer.handle = handle
    return peer
  }

  connect(remote: SocketAddress.Input, plan: Partial<Provider.ConnectPlan> = {}): this {
    this.handle.read(this.credit)
    const answer = this.handle.connect({
      attempt: 1,
      remote: at(remote),
      local: undefined,
      keepLocalPort: false,
      callerData: undefined,
      calleeCapacity: 0,
      quality: undefined,
      sqos: undefined,
      gqos: undefined,
      ...plan
    })
    if (Provider.isFailure(answer)) this.hear("connect", answer.code)
    return this
  }

  listen(local: SocketAddress.Input, backlog = 128): this {
    const bound = this.handle.bind(at(local), { reuse: false, v6Only: true })
    if (Provider.isFailure(bound)) throw new Error(bound.code)
    const answer = this.handle.listen({ backlog, local: at(local), keepLocalPort: false })
    if (Provider.isFailure(answer)) throw new Error(answer.code)
    return this
  }

  accept(): Peer {
    const peer = new Peer(this.engine)
    const handle = this.callers.shift()!.accept(peer, undefined)
    if (Provider.isFailure(handle)) throw new Error(handle.code)
    peer.handle = handle
    handle.read(Infinity)
    return peer
  }

  private hear(what: string, detail?: unknown): void {
    this.log.push(detail === undefined ? [this.engine.now(), what] : [this.engine.now(), what, detail])
  }

  /** What was heard of this, or the time of it. */
  when(what: string): number | undefined {
    return this.log.find(([, name]) => name === what)?.[0]
  }

  get last(): readonly [number, string, unknown?] | undefined {
    return this.log.at(-1)
  }

  issued = () => this.hear("issued")
  connected = (_: number, result: Provider.Established | Provider.Failure) =>
    this.hear("connected", Provider.isFailure(result) ? result.code : "established")
  listening = () => this.hear("listening")
  incoming = (request: Provider.Incoming) => {
    this.callers.push(request)
    this.hear("incoming", SocketAddress.format(request.remote))
  }
  data = (bytes: Uint8Array) => {
    this.received += bytes.length
    this.hear("data", bytes.length)
    this.onData?.(bytes)
    return this.credit -= bytes.length
  }
  datagram = (bytes: Uint8Array, from: SocketAddress.SocketAddress) => {
    this.hear("datagram", `${new TextDecoder().decode(bytes)} from ${SocketAddress.format(from)}`)
    return --this.credit
  }
  sent = () => this.hear("sent")
  drained = () => this.hear("drained")
  ended = () => this.hear("ended")
  qosChanged = ({ code }: Provider.QosChange) => this.hear("qosChanged", code)
  soft = ({ code }: Provider.Failure) => this.hear("soft", code)
  broken = ({ code }: Provider.Failure) => this.hear("broken", code)
  closed = () => this.hear("closed")
}

/** A connection between the two hosts of a world, at rest. */
export const joined = (here: ReturnType<typeof world>, from: string, to: string, port = 80) => {
  const address = here.net.address(to, port)
  const listener = Peer.open(here, to).listen(address)
  const client = Peer.open(here, from).connect(address)
  while (listener.callers.length === 0 && here.engine.pending > 0) here.engine.run(here.engine.now() + milli)
  const server = listener.accept()
  here.engine.run(here.engine.now())
  return { address, client, listener, server }
}
