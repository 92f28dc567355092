import type { Provider, SocketAddress } from "@effect-winsock/core"

export type Event =
  | { readonly _tag: "issued"; readonly attempt: number }
  | { readonly _tag: "connected"; readonly attempt: number; readonly result: Provider.Established | Provider.Failure }
  | { readonly _tag: "listening"; readonly result: SocketAddress.SocketAddress | Provider.Failure }
  | { readonly _tag: "incoming"; readonly request: Provider.Incoming }
  | { readonly _tag: "data"; readonly bytes: Uint8Array }
  | { readonly _tag: "datagram"; readonly text: string; readonly from: SocketAddress.SocketAddress }
  | { readonly _tag: "sent"; readonly result: Provider.Failure | undefined }
  | { readonly _tag: "drained" }
  | { readonly _tag: "ended" }
  | { readonly _tag: "soft"; readonly failure: Provider.Failure }
  | { readonly _tag: "broken"; readonly failure: Provider.Failure }
  | { readonly _tag: "closed" }

type Of<T extends Event["_tag"]> = Extract<Event, { readonly _tag: T }>

/** A sink that keeps what it is told, and lets a test wait for it. */
export class Recorder implements Provider.Sink {
  readonly events: Array<Event> = []
  /** What `data` and `datagram` answer. */
  credit = Number.MAX_SAFE_INTEGER
  received = 0
  private waiting: Array<() => void> = []

  private push(event: Event): void {
    this.events.push(event)
    const waiting = this.waiting
    this.waiting = []
    for (const wake of waiting) wake()
  }

  get tags(): ReadonlyArray<string> {
    return this.events.map(({ _tag }) => _tag)
  }

  all<T extends Event["_tag"]>(tag: T): ReadonlyArray<Of<T>> {
    return this.events.filter((event): event is Of<T> => event._tag === tag)
  }

  /** The `nth` event of a kind, now or when it comes. */
  async wait<T extends Event["_tag"]>(tag: T, nth = 1): Promise<Of<T>> {
    for (;;) {
      const event = this.all(tag)[nth - 1]
      if (event !== undefined) return event
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
  }

  async bytes(count: number): Promise<void> {
    while (this.received < count) await new Promise<void>((resolve) => this.waiting.push(resolve))
  }

  issued = (attempt: number) => this.push({ _tag: "issued", attempt })
  connected = (attempt: number, result: Provider.Established | Provider.Failure) =>
    this.push({ _tag: "connected", attempt, result })
  listening = (result: SocketAddress.SocketAddress | Provider.Failure) => this.push({ _tag: "listening", result })
  incoming = (request: Provider.Incoming) => this.push({ _tag: "incoming", request })
  data = (bytes: Uint8Array) => {
    this.received += bytes.length
    this.push({ _tag: "data", bytes: bytes.slice() })
    return this.credit
  }
  datagram = (bytes: Uint8Array, from: SocketAddress.SocketAddress) => {
    this.push({ _tag: "datagram", text: new TextDecoder().decode(bytes), from })
    return this.credit
  }
  sent = (result: Provider.Failure | undefined) => this.push({ _tag: "sent", result })
  drained = () => this.push({ _tag: "drained" })
  ended = () => this.push({ _tag: "ended" })
  qosChanged = () => {}
  soft = (failure: Provider.Failure) => this.push({ _tag: "soft", failure })
  broken = (failure: Provider.Failure) => this.push({ _tag: "broken", failure })
  closed = () => this.push({ _tag: "closed" })
}
