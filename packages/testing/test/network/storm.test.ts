import { Provider, type Qos, SocketAddress } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import * as SimNetwork from "../../src/SimNetwork.ts"
import { Dice } from "../utils/dice.ts"
import { at, second, world } from "../utils/wire.ts"

const runs = Number(process.env.WINSOCK_PROPERTY_RUNS)

const hosts = ["a", "b", "c"] as const
const anywhere = { reuse: false, v6Only: true }

/** A socket that does things by luck, and holds the provider to its contract. */
class Player implements Provider.Sink {
  readonly storm: Storm
  readonly kind: Provider.Kind
  readonly name: number
  handle!: Provider.Handle
  closing = false
  closed_ = false
  connecting = false
  attempt = 0
  lent = false
  broken_ = false
  ended_ = false
  written = 0
  received = 0
  credit = 0

  constructor(storm: Storm, kind: Provider.Kind, name: number) {
    this.storm = storm
    this.kind = kind
    this.name = name
  }

  private hear(event: string): void {
    const { storm } = this
    assert.isFalse(storm.inside, `${event} came from inside a call`)
    assert.isFalse(this.closing && event !== "closed", `${event} came after the close`)
    storm.log.push(`${storm.engine.now()} ${this.name} ${event}`)
  }

  /** Fibers resume inside events. */
  private resume(): void {
    if (this.storm.dice.chance(50)) this.storm.act(this)
  }

  issued = () => {
    this.hear("issued")
    this.resume()
  }
  connected = (attempt: number, result: Provider.Established | Provider.Failure) => {
    assert.strictEqual(attempt, this.attempt)
    assert.isTrue(this.connecting)
    this.connecting = false
    this.hear(`connected ${Provider.isFailure(result) ? result.code : ""}`)
    this.resume()
  }
  listening = () => this.hear("listening")
  incoming = (request: Provider.Incoming) => {
    this.hear(`incoming ${SocketAddress.format(request.remote)}`)
    this.storm.callers.push([this.kind, request])
    this.resume()
  }
  data = (bytes: Uint8Array) => {
    this.hear(`data ${bytes.length}`)
    assert.isTrue(bytes.length > 0 && bytes.length <= this.credit, `${bytes.length} of ${this.credit}`)
    assert.isFalse(this.ended_ || this.broken_, "bytes after the end")
    for (const byte of bytes) assert.strictEqual(byte, this.received++ & 255)
    this.credit -= bytes.length
    this.resume()
    return this.credit
  }
  datagram = (bytes: Uint8Array, from: SocketAddress.SocketAddress) => {
    this.hear(`datagram ${bytes.length} ${SocketAddress.format(from)}`)
    assert.isTrue(this.credit > 0)
    this.credit--
    this.resume()
    return this.credit
  }
  sent = () => this.hear("sent")
  drained = () => {
    this.hear("drained")
    assert.isTrue(this.lent, "drained without a write")
    this.lent = false
    this.resume()
  }
  ended = () => {
    this.hear("ended")
    assert.isFalse(this.ended_)
    this.ended_ = true
    this.resume()
  }
  qosChanged = ({ code }: Provider.QosChange) => {
    this.hear(code)
    this.resume()
  }
  soft = ({ code }: Provider.Failure) => {
    this.hear(`soft ${code}`)
    this.resume()
  }
  broken = ({ code }: Provider.Failure) => {
    this.hear(`broken ${code}`)
    assert.isFalse(this.broken_)
    this.broken_ = true
    this.lent = false
    this.resume()
  }
  closed = () => {
    this.hear("closed")
    assert.isTrue(this.closing)
    assert.isFalse(this.closed_)
    this.closed_ = true
    this.resume()
  }
}

class Storm {
  readonly dice: Dice
  readonly engine: ReturnType<typeof world>["engine"]
  readonly net: ReturnType<typeof world>["net"]
  readonly players: Array<Player> = []
  readonly callers: Array<readonly [Provider.Kind, Provider.Incoming]> = []
  readonly log: Array<string> = []
  readonly undo: Array<() => void> = []
  inside = false
  private left = 250
  private readonly reserves: boolean
  private readonly groups = [{}, {}, undefined]
  readonly addresses: ReadonlyArray<SocketAddress.SocketAddress>

  constructor(seed: number) {
    const dice = this.dice = new Dice(seed)
    this.reserves = dice.chance(70)
    const { engine, net } = world({
      hosts: { a: { ephemeralPorts: [5000, 5007] }, b: { maxSockets: 12 }, c: {} },
      link: {
        latency: dice.below(30),
        jitter: dice.below(3) * 5,
        loss: dice.below(3) / 20,
        duplicate: dice.below(2) / 10,
        reorder: dice.below(2) / 5,
        bandwidth: dice.pick([Infinity, 10_000, 1_000_000]),
        mtu: dice.pick([68, 1500]),
        reservable: this.reserves ? dice.pick([500, 5000]) : undefined
      },
      conditional: dice.chance(30),
      exclusiveBind: dice.chance(50),
      profile: {
        ...SimNetwork.linux,
        backlog: dice.pick(["ignore", "refuse", "reset"]),
        marking: dice.pick(["none", "streams", "all"]),
        receiveWindow: 1 + dice.below(500),
        sendBuffer: 1 + dice.below(500),
        keepAlive: { idle: 5000, interval: 1000, count: 3, code: "WSAETIMEDOUT" }
      }
    }, seed)
    this.engine = engine
    this.net = net
    const unix = ["unix:/one", "unix:@two"].map(at)
    const inet = (port: number, family: "IPv4" | "IPv6") => hosts.map((host) => net.address(host, port, family))
    this.addresses = [
      ...inet(80, "IPv4"),
      ...inet(80, "IPv6"),
      ...inet(5000, "IPv4"),
      ...unix,
      at("127.0.0.1:80"),
      at("192.0.2.1:80"),
      at("10.0.0.77:80"),
      at("0.0.0.0:80")
    ]
  }

  call<A>(f: () => A): A {
    const before = this.inside
    this.inside = true
    try {
      return f()
    } finally {
      this.inside = before
    }
  }

  private open(): void {
    const { dice } = this
    this.enlist(dice.pick(hosts), {
      family: dice.pick(["IPv4", "IPv4", "IPv4", "IPv6", "Unix"]),
      type: dice.pick(["stream", "stream", "stream", "datagram"]),
      direction: "both"
    })
  }

  private enlist(host: string, kind: Provider.Kind): Player | undefined {
    const player = new Player(this, kind, this.players.length)
    const handle = this.net.provider(host).open(kind, player)
    if (Provider.isFailure(handle)) return undefined
    player.handle = handle
    this.players.push(player)
    return player
  }

  /** Without someone who listens little would come of it. */
  private listen(host: string, address: SocketAddress.SocketAddress): void {
    const family = SocketAddress.familyOf(address)
    const listener = this.enlist(host, { family, type: "stream", direction: "both" })
    listener?.handle.bind(address, anywhere)
    listener?.handle.listen({ backlog: 3, local: address, keepLocalPort: false })
  }

  private quality(): Provider.Quality {
    const { dice } = this
    const flow = (): Qos.FlowSpec | undefined =>
      dice.chance(30) ? undefined : {
        serviceType: dice.pick(["controlledLoad", "guaranteed", "networkControl", "qualitative"]),
        tokenRate: 1 + dice.below(1000),
        tokenBucketSize: 1 + dice.below(2000),
        ...(dice.chance(20) ? { latency: dice.below(5_000_000) } : {})
      }
    const flows = () => dice.chance(60) && this.reserves ? { sending: flow(), receiving: flow() } : undefined
    return {
      dscp: dice.chance(60) ? dice.pick([0, 1, 8, 46, 48]) : undefined,
      priority: dice.chance(3) ? 1 : undefined,
      pacingRate: undefined,
      reserve: flows(),
      reserveGroup: dice.chance(50) ? flows() : undefined,
      group: dice.pick(this.groups)
    }
  }

  private accept(): void {
    const [kind, request] = this.callers.shift()!
    if (this.dice.chance(20)) return this.call(() => request.reject())
    request.withdrawn()
    const player = new Player(this, kind, this.players.length)
    const handle = this.call(() => request.accept(player, undefined))
    if (Provider.isFailure(handle)) return this.call(() => request.reject())
    player.handle = handle
    this.players.push(player)
  }

  private write(player: Player): void {
    if (player.lent) return
    const bytes = Uint8Array.from({ length: this.dice.below(700) }, (_, index) => (player.written + index) & 255)
    const answer = this.call(() => player.handle.write(bytes))
    if (Provider.isFailure(answer)) return
    assert.isTrue(answer <= bytes.length)
    player.written += bytes.length
    player.lent = answer > 0
  }

  act(own?: Player): void {
    const { dice, players } = this
    if (this.left-- <= 0) return
    if (players.length === 0 || dice.chance(15)) return this.open()
    if (this.callers.length > 0 && dice.chance(40)) return this.accept()
    const player = own !== undefined && dice.chance(50) ? own : dice.pick(players)
    const { handle } = player
    const near = this.addresses.filter((address) => SocketAddress.familyOf(address) === player.kind.family)
    const address = dice.chance(90) ? near[dice.below(Math.min(near.length, 3))]! : dice.pick(this.addresses)
    const choice = dice.below(15)
    if (choice === 0 && dice.chance(30)) this.call(() => handle.bind(address, { ...anywhere, reuse: dice.chance(20) }))
    else if (choice <= 2) {
      if (player.connecting) return
      const plan = {
        local: undefined,
        keepLocalPort: false,
        callerData: undefined,
        calleeCapacity: 0,
        quality: dice.chance(30) ? this.quality() : undefined,
        sqos: undefined,
        gqos: undefined
      }
      const answer = this.call(() => handle.connect({ ...plan, attempt: player.attempt + 1, remote: address }))
      if (answer !== "pending") return
      player.attempt++
      player.connecting = true
    } else if (choice === 3) {
      if (!player.connecting || dice.chance(70)) return
      this.call(() => handle.abort(player.attempt))
      player.connecting = false
    } else if (choice === 4 && dice.chance(20)) {
      this.call(() => handle.listen({ backlog: 1 + dice.below(3), local: address, keepLocalPort: false }))
    } else if (choice <= 6) {
      player.credit = dice.below(1000)
      this.call(() => handle.read(player.credit))
    } else if (choice <= 9) this.write(player)
    else if (choice === 10) this.call(() => handle.sendTo(new Uint8Array(dice.below(3000)), address))
    else if (choice === 11) {
      const quality = dice.chance(40) ? this.quality() : undefined
      this.call(() => handle.setPeer(dice.chance(80) ? address : undefined, "discard", quality))
    } else if (choice === 13) this.call(() => handle.setQuality(dice.chance(70) ? this.quality() : undefined))
    else if (choice === 12) {
      if (dice.chance(50)) this.call(() => handle.shutdownSend())
      else this.call(() => handle.setOption(dice.pick(["SO_KEEPALIVE", "SO_BROADCAST"]), dice.chance(50)))
    } else if (dice.chance(20)) this.close(player)
    handle.local()
    handle.reserved()
  }

  close(player: Player): void {
    player.closing = true
    const how = this.dice.pick(["graceful", "reset"] as const)
    this.call(() => player.handle.close(how))
  }

  harm(): void {
    const { dice, net } = this
    const [from, to] = [dice.pick(hosts), dice.pick(hosts)]
    const again = (undo: () => void) => this.undo.push(undo)
    const choice = dice.below(this.reserves ? 9 : 8)
    if (choice === 0) {
      net.cut(from, to)
      again(() => net.heal(from, to))
    } else if (choice === 1) {
      net.hold(from, to)
      again(() => net.release(from, to))
    } else if (choice === 2) {
      net.crash(from)
      again(() => net.restart(from))
    } else if (choice === 3) {
      net.stop(from)
      again(() => net.restart(from))
    } else if (choice === 4) {
      net.setNetwork(from, "down")
      again(() => net.setNetwork(from, "up"))
    } else if (choice === 5) net.reset({ host: from })
    else if (choice === 6) net.failAttempts(dice.pick(this.addresses), "WSAETIMEDOUT")
    else if (choice === 8) again(net.setReservable(dice.chance(50) ? from : [from, to], dice.pick([0, 300, 3000])))
    else {
      const address = dice.pick(this.addresses)
      dice.pick([net.refuse, net.blackhole])(address)
      again(() => net.reachable(address))
    }
  }

  run(): void {
    const { dice, engine } = this
    for (const host of hosts) {
      this.listen(host, at("0.0.0.0:80"))
      this.listen(host, at("unix:/one"))
    }
    while (this.left > 0) {
      this.act()
      if (dice.chance(3)) this.harm()
      if (this.undo.length > 0 && dice.chance(10)) this.undo.shift()!()
      if (dice.chance(60)) engine.run(engine.now() + dice.pick([0, 1000, 20_000, second, 30 * second]))
    }
    for (const undo of this.undo) undo()
    for (const [, request] of this.callers) this.call(() => request.reject())
    for (const player of this.players) if (!player.closing) this.close(player)
    engine.run()
    for (const player of this.players) assert.isTrue(player.closed_, `${player.name} was never told that it is closed`)
    assert.deepStrictEqual(this.net.counts(), { handles: 0, listeners: 0, streams: 0, attempts: 0 })
    assert.deepStrictEqual(this.net.reservations(), [])
    assert.deepStrictEqual(engine.leftovers(), [])
  }
}

describe("a storm", () => {
  it("whatever is done in whatever order: the contract holds, bytes stay in order, and all is given back", () => {
    for (let seed = 1; seed <= runs; seed++) {
      const storm = new Storm(seed)
      try {
        storm.run()
      } catch (error) {
        throw new Error(`seed ${seed}\n${storm.log.slice(-30).join("\n")}`, { cause: error })
      }
      if (seed % 20 !== 1) continue
      const again = new Storm(seed)
      again.run()
      assert.deepStrictEqual(again.log, storm.log, `seed ${seed} is not deterministic`)
      assert.deepStrictEqual(again.engine.events, storm.engine.events)
    }
  })
})
