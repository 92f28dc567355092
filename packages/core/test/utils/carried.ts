/**
 * Handles of a provider, with sinks that hold it to its contract, and time that passes when it is told to.
 */
import { type ConnectData, Provider, SocketAddress } from "@effect-winsock/core"
import { assert } from "@effect/vitest"

export const at = SocketAddress.fromInputUnsafe
export const bytesOf = (text: string) => new TextEncoder().encode(text)
export const textOf = (bytes: Iterable<number>) => new TextDecoder().decode(Uint8Array.from(bytes))

/** Lets everything that is on the way arrive. */
export const settle = () => new Promise<void>((resolve) => void setImmediate(resolve))

export class FakeTime implements ConnectData.Timers {
  millis = 0
  private readonly waiting = new Set<{ readonly at: number; readonly task: () => void }>()

  get armed(): number {
    return this.waiting.size
  }

  readonly now = () => BigInt(Math.round(this.millis * 1e6))

  readonly after = (millis: number, task: () => void) => {
    const one = { at: this.millis + millis, task }
    this.waiting.add(one)
    return () => void this.waiting.delete(one)
  }

  /** Lets time pass, and all that follows from it happen. */
  async pass(millis: number): Promise<void> {
    const end = this.millis + millis
    for (;;) {
      const next = [...this.waiting].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.millis = next.at
      this.waiting.delete(next)
      next.task()
      await settle()
    }
    this.millis = end
    await settle()
  }
}

export const succeed = <A>(answer: A | Provider.Failure): A => {
  if (Provider.isFailure(answer)) return assert.fail(`unexpected ${answer.code}`)
  return answer as A
}

export const codeOf = (answer: unknown) => Provider.isFailure(answer) ? answer.code : answer

let insideCall: string | undefined

/** Nothing is told from inside a call, and no call throws. */
const guarded = (handle: Provider.Handle): Provider.Handle =>
  new Proxy(handle, {
    get(target, name) {
      const method = Reflect.get(target, name)
      if (typeof method !== "function") return method
      return (...args: Array<unknown>) => {
        const before = insideCall
        insideCall = String(name)
        try {
          return Reflect.apply(method, target, args)
        } finally {
          insideCall = before
        }
      }
    }
  })

/** A socket that writes down what it is told, and holds it to the order that is promised. */
export class End implements Provider.Sink {
  handle!: Provider.Handle
  readonly events: Array<string> = []
  readonly callers: Array<Provider.Incoming> = []
  readonly received: Array<number> = []
  credit = 0
  /** Bytes of a write that are still referred to. */
  lent = 0
  isClosing = false
  /** `false`: the provider gives all that it has read, as Node does. */
  isExact = true
  private readonly attempts = new Map<number, "asked" | "issued" | "over">()
  /** What to do from inside an event. */
  react: (event: string) => void = () => undefined

  static open(provider: Provider.Provider, family: SocketAddress.Family = "IPv4"): End {
    const end = new End()
    end.handle = guarded(succeed(provider.open({ family, type: "stream", direction: "both" }, end)))
    return end
  }

  static accept(request: Provider.Incoming, calleeData?: Uint8Array): End | Provider.Failure {
    const end = new End()
    const handle = request.accept(end, calleeData)
    if (Provider.isFailure(handle)) return handle
    end.handle = guarded(handle)
    return end
  }

  connect(
    remote: SocketAddress.Input | SocketAddress.SocketAddress,
    plan: Partial<Provider.ConnectPlan> = {}
  ): unknown {
    const attempt = plan.attempt ?? 1
    const answer = this.handle.connect({
      attempt,
      remote: typeof remote === "string" ? at(remote) : remote as SocketAddress.SocketAddress,
      local: undefined,
      keepLocalPort: false,
      callerData: undefined,
      calleeCapacity: 0,
      quality: undefined,
      sqos: undefined,
      gqos: undefined,
      ...plan
    })
    if (answer === "pending") this.attempts.set(attempt, "asked")
    return answer
  }

  abort(attempt = 1): SocketAddress.SocketAddress | undefined {
    this.attempts.set(attempt, "over")
    return this.handle.abort(attempt)
  }

  read(credit: number): this {
    this.credit = credit
    this.handle.read(credit)
    return this
  }

  write(bytes: Uint8Array | string): number | Provider.Failure {
    assert.strictEqual(this.lent, 0, "a write before the last one was drained")
    const left = this.handle.write(typeof bytes === "string" ? bytesOf(bytes) : bytes)
    if (!Provider.isFailure(left)) this.lent = left
    return left
  }

  close(how: "graceful" | "reset" = "graceful"): this {
    this.isClosing = true
    this.handle.close(how)
    return this
  }

  get text(): string {
    return textOf(this.received)
  }

  get isClosed(): boolean {
    return this.events.at(-1) === "closed"
  }

  private tell(event: string): void {
    assert.strictEqual(insideCall, undefined, `${event} came from inside a call`)
    assert.isFalse(this.isClosed, `${event} after closed`)
    if (this.isClosing) assert.strictEqual(event, "closed", "nothing but that follows a close")
    this.events.push(event)
    this.react(event)
  }

  issued(attempt: number) {
    assert.strictEqual(this.attempts.get(attempt), "asked", `issued ${attempt}`)
    this.attempts.set(attempt, "issued")
    this.tell("issued")
  }
  connected(attempt: number, result: Provider.Established | Provider.Failure) {
    const state = this.attempts.get(attempt)
    assert.isTrue(state === "issued" || (state === "asked" && Provider.isFailure(result)), `connected ${state}`)
    this.attempts.set(attempt, "over")
    this.tell(Provider.isFailure(result) ? result.code : `connected [${textOf(result.calleeData)}]`)
  }
  listening() {
    this.tell("listening")
  }
  incoming(request: Provider.Incoming) {
    this.callers.push(request)
    this.tell("incoming")
  }
  data(piece: Uint8Array): number {
    if (this.isExact) assert.isAtLeast(this.credit, piece.length, "no more than the credit")
    else assert.isAbove(this.credit, 0, "nothing without credit")
    assert.isAbove(piece.length, 0)
    this.received.push(...piece)
    this.credit -= piece.length
    this.tell("data")
    return this.credit
  }
  datagram(): number {
    return assert.fail("no datagram")
  }
  sent() {
    assert.fail("nothing was sent so")
  }
  drained() {
    assert.isAbove(this.lent, 0, "drained where nothing was lent")
    this.lent = 0
    this.tell("drained")
  }
  ended() {
    this.tell("ended")
  }
  qosChanged() {}
  soft() {
    assert.fail("nothing is soft")
  }
  broken(failure: Provider.Failure) {
    this.lent = 0
    this.tell(`broken ${failure.code}`)
  }
  closed() {
    assert.isTrue(this.isClosing, "closed without a close")
    this.tell("closed")
  }
}

/** The sink of a decorator that changes some of what is told. */
export const forwarding = (sink: Provider.Sink): Provider.Sink => ({
  issued: (attempt) => sink.issued(attempt),
  connected: (attempt, result) => sink.connected(attempt, result),
  listening: (result) => sink.listening(result),
  incoming: (request) => sink.incoming(request),
  data: (bytes) => sink.data(bytes),
  datagram: (bytes, from) => sink.datagram(bytes, from),
  sent: (result) => sink.sent(result),
  drained: () => sink.drained(),
  ended: () => sink.ended(),
  soft: (failure) => sink.soft(failure),
  qosChanged: (change) => sink.qosChanged(change),
  broken: (failure) => sink.broken(failure),
  closed: () => sink.closed()
})

/** The handle of a decorator that changes some of what is asked. */
export const forwardingHandle = (handle: Provider.Handle): Provider.Handle => ({
  bind: (local, options) => handle.bind(local, options),
  connect: (plan) => handle.connect(plan),
  abort: (attempt) => handle.abort(attempt),
  setPeer: (peer, queue, quality) => handle.setPeer(peer, queue, quality),
  setQuality: (quality) => handle.setQuality(quality),
  reserved: () => handle.reserved(),
  listen: (plan) => handle.listen(plan),
  read: (credit) => handle.read(credit),
  write: (bytes) => handle.write(bytes),
  sendTo: (bytes, to) => handle.sendTo(bytes, to),
  shutdownSend: () => handle.shutdownSend(),
  close: (how) => handle.close(how),
  local: () => handle.local(),
  setOption: (option, value) => handle.setOption(option, value)
})

/** As Node reads: whatever has arrived is given at once, as long as anything is wanted. */
export const generous = (provider: Provider.Provider): Provider.Provider => {
  const handleOf = (handle: Provider.Handle): Provider.Handle => ({
    ...forwardingHandle(handle),
    read: (credit) => handle.read(credit > 0 ? 1_000_000 : credit)
  })
  const sinkOf = (sink: Provider.Sink): Provider.Sink => ({
    ...forwarding(sink),
    data: (bytes) => sink.data(bytes) > 0 ? 1_000_000 : 0,
    incoming: (request) =>
      sink.incoming({
        ...request,
        accept: (accepting, calleeData) => {
          const handle = request.accept(sinkOf(accepting), calleeData)
          return Provider.isFailure(handle) ? handle : handleOf(handle)
        }
      })
  })
  return {
    ...provider,
    open: (kind, sink) => {
      const handle = provider.open(kind, sinkOf(sink))
      return Provider.isFailure(handle) ? handle : handleOf(handle)
    }
  }
}
