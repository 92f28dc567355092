/**
 * How two ends of a connection find each other: the caller's attempt, and the request that it is at the listener.
 */
import * as Provider from "@effect-winsock/core/Provider"
import type * as WsaError from "@effect-winsock/core/WsaError"
import type { Timer } from "../../Sim.ts"
import { type Address, type Place, placeOf, seenBy } from "../addresses.ts"
import type { Host } from "./host.ts"
import { makeFlow } from "./link.ts"
import type { Meeting } from "./network.ts"
import { End, noBytes, noEar, wasReset } from "./stream.ts"
import type { StreamHandle } from "./streamHandle.ts"

/** What a caller has under way. */
export class Attempt {
  readonly handle: StreamHandle
  readonly plan: Provider.ConnectPlan
  readonly callerData: Uint8Array
  readonly conn: string
  readonly end: End
  over = false
  request: Request | undefined
  private meeting: Meeting | undefined
  private timer: Timer | undefined
  private tries = 0
  /** A request of it has left the host. */
  private asked = false

  constructor(handle: StreamHandle, plan: Provider.ConnectPlan, local: Address) {
    this.handle = handle
    this.plan = plan
    this.callerData = plan.callerData === undefined ? noBytes : new Uint8Array(plan.callerData)
    this.conn = handle.host.net.nameConnection()
    this.end = new End(this.conn, handle.host, local)
    this.end.flow.dscp = plan.quality?.dscp ?? 0
    // An attempt whose connection breaks before it is there ends with it.
    this.end.handle = { ...noEar, wake: () => this.failAt(0, this.broken) }
  }

  private get broken(): WsaError.Code {
    const code = this.end.failure?.code
    return code === undefined || code === "WsaUnmapped" ? "WSAECONNRESET" : code
  }

  private get net() {
    return this.handle.host.net
  }

  note(kind: string, why?: string): void {
    this.end.note(kind, undefined, why)
  }

  begin(): void {
    const { net } = this
    const { remote } = this.plan
    const place = placeOf(remote)
    net.noteAddresses("connect", this.handle.host, this.conn, this.end.local, remote)
    net.noteMark(this.handle, this.plan.quality)
    const found = net.route(this.handle.host, place.host)
    const meeting = this.meeting = net.meeting(place, this.end.local)
    if (meeting === undefined) return this.setOut(place, found)
    const { after, outcome } = meeting
    const trip = typeof found === "string" ? 0 : net.roundTrip(this.handle.host, found)
    if (outcome === "silence") return this.syn(undefined)
    if (outcome !== "listener") return this.failAt(after ?? trip, outcome)
    if (after === undefined || after <= trip) return this.setOut(place, found)
    this.timer = net.engine.at(net.engine.now() + after - trip, () => this.setOut(place, found))
  }

  private setOut(place: Place, found: Host | "nobody" | "elsewhere"): void {
    const { net } = this
    const told = net.told(place)
    if (told === "blackhole" && typeof found === "string") return this.syn(undefined)
    if (told !== undefined && told !== "blackhole" && told !== "refuse") return this.failAt(0, told)
    if (found === "elsewhere") return this.failAt(0, "WSAENETUNREACH")
    if (found === "nobody") return this.failAt(net.profile.neighborTimeout * 1000, "WSAEHOSTUNREACH")
    this.end.out = net.link(this.handle.host, found)
    this.syn(found)
  }

  private failAt(micros: number, code: WsaError.Code): void {
    if (this.timer !== undefined) this.net.engine.cancel(this.timer)
    this.timer = this.net.engine.at(this.net.engine.now() + micros, () => this.refuse(code))
  }

  /** Asks, and asks again, as the table of the profile says. */
  private syn(host: Host | undefined): void {
    const { engine, profile } = this.net
    const wait = profile.synRetries[this.tries]
    if (wait === undefined) {
      this.note("timed out")
      return this.refuse("WSAETIMEDOUT")
    }
    this.note(this.tries++ === 0 ? "syn" : "syn again")
    this.timer = engine.at(engine.now() + wait * 1000, () => this.syn(host))
    if (host === undefined || this.net.told(placeOf(this.plan.remote)) === "blackhole") {
      return this.note("lost", "black hole")
    }
    this.asked = true
    this.end.out.pass(this.end.flow, {
      arrive: () => host.called(this),
      lost: (why) => this.note("lost", why)
    })
  }

  /** Its request is at the host that is called: what is asked for is reserved there and on the way, or it is refused. */
  reserves(callee: Host): boolean {
    const { end, handle, over, plan: { quality } } = this
    return over || quality === undefined || handle.reserves(quality, callee, end.flow)
  }

  /** Nothing more is heard of it. */
  conclude(how?: "established" | Provider.Failure["code"]): void {
    if (!this.over) this.meeting?.ended?.(how)
    this.over = true
    if (this.timer !== undefined) this.net.engine.cancel(this.timer)
    this.timer = undefined
  }

  refuse(code: WsaError.Code): void {
    if (this.over) return
    this.note("refused", code)
    this.handle.refuse(this, Provider.failure(code))
  }

  /** The caller gives up. Only where requests wait for an answer of the program is a word of it sent. */
  abandon(): void {
    this.conclude()
    this.note("abandoned")
    if (!this.net.conditional || !this.asked) return
    this.end.out.pass(this.end.flow, {
      arrive: () => this.request?.callee.fail(wasReset),
      lost: (why) => this.note("lost", why)
    })
  }

  /** The listener has answered: the connection is there, and its last word goes out. */
  answered(request: Request): void {
    const { end } = this
    if (!this.over && end.over) return
    if (!this.over) {
      this.conclude("established")
      end.open()
      this.acknowledge(request)
      this.note("established")
      return this.handle.establish(this, request.calleeData)
    }
    if (this.handle.holds(end)) this.acknowledge(request)
    else end.sendReset()
  }

  private acknowledge(request: Request): void {
    this.end.out.pass(this.end.flow, {
      arrive: () => request.acknowledged(),
      lost: (why) => this.note("lost", why)
    })
  }
}

/** A caller at a listener. */
export class Request implements Provider.Incoming {
  readonly listener: StreamHandle
  readonly attempt: Attempt
  readonly callee: End
  readonly conditional: boolean
  readonly local: Address
  readonly remote: Address
  readonly callerData: Uint8Array
  readonly sqos: Provider.Incoming["sqos"]
  readonly gqos: Provider.Incoming["gqos"]
  calleeData: Uint8Array = noBytes
  private state: "handshake" | "waiting" | "accepted" | "over" = "handshake"
  private timer: Timer | undefined
  private tries = 0

  constructor(listener: StreamHandle, attempt: Attempt) {
    const { family } = listener.kind
    const { host } = listener
    this.listener = listener
    this.attempt = attempt
    this.conditional = host.net.conditional
    this.local = seenBy(family, attempt.plan.remote)
    this.remote = seenBy(family, attempt.end.local)
    this.callerData = attempt.callerData
    this.sqos = this.conditional ? attempt.plan.sqos : undefined
    this.gqos = this.conditional ? attempt.plan.gqos : undefined
    this.callee = new End(attempt.conn, host, this.local)
    this.callee.peer = attempt.end
    this.callee.out = host.net.link(host, attempt.end.host)
    attempt.end.peer = this.callee
    attempt.request = this
    this.callee.promote = () => this.acknowledged()
    // Until it is accepted the request is what hears of its end.
    this.callee.handle = { ...noEar, wake: () => this.broke() }
    listener.waiting.add(this)
    host.net.pending.add(this)
  }

  /** The caller has asked, perhaps not for the first time. */
  asked(): void {
    if (this.state !== "handshake" || this.callee.over) return
    if (this.tries > 0) return this.answer()
    if (!this.conditional) return this.answer()
    this.state = "waiting"
    this.tries = 1
    this.listener.sink.incoming(this)
  }

  /** Answers, and answers again, until the caller's last word is here. */
  private answer(): void {
    const { net } = this.listener.host
    const { engine, profile } = net
    if (this.timer !== undefined) engine.cancel(this.timer)
    const wait = profile.synAckRetries[this.tries++]
    if (wait === undefined) return this.forget()
    const delay = net.slowness(placeOf(this.attempt.plan.remote))
    this.timer = engine.at(engine.now() + delay + wait * 1000, () => this.answer())
    if (delay === 0) this.reply()
    else engine.at(engine.now() + delay, () => this.reply())
  }

  private reply(): void {
    if (this.callee.over) return
    this.callee.out.send(0, this.callee.flow, {
      arrive: () => this.attempt.answered(this),
      lost: (why) => this.callee.note("lost", 0, why)
    })
  }

  /** The handshake is over: now the listener hears of it. */
  acknowledged(): void {
    this.callee.promote = undefined
    if (this.timer !== undefined) this.listener.host.net.engine.cancel(this.timer)
    this.timer = undefined
    if (this.state !== "handshake") return
    this.state = "waiting"
    const { engine } = this.listener.host.net
    engine.at(engine.now(), () => {
      if (this.state === "waiting" && !this.listener.deaf) this.listener.sink.incoming(this)
    })
  }

  accept(sink: Provider.Sink, calleeData: Uint8Array | undefined): Provider.Handle | Provider.Failure {
    const { host, kind } = this.listener
    if (this.callee.failure !== undefined) return this.callee.failure
    if (this.state !== "waiting") return Provider.failure("WSAEINVAL")
    const handle = host.open(kind, sink) as StreamHandle | Provider.Failure
    if (Provider.isFailure(handle)) return handle
    this.state = "accepted"
    this.leave()
    this.callee.open()
    this.callee.handle = undefined
    handle.attach(this.callee, undefined)
    if (this.conditional) {
      if (calleeData !== undefined && calleeData.length > 0) {
        const max = Math.min(this.attempt.plan.calleeCapacity, host.net.calleeDataMax)
        this.calleeData = new Uint8Array(calleeData.subarray(0, max))
      }
      this.tries = 0
      this.answer()
    }
    return handle
  }

  reject(): void {
    if (this.state === "accepted" || this.state === "over") return
    this.state = "over"
    this.leave()
    if (this.callee.over) return
    // A caller that waits for the answer is refused; one that was let in is reset.
    if (this.conditional) {
      refuse(this.listener.host, this.attempt)
      this.callee.vanish()
    } else this.callee.abort()
  }

  withdrawn(): boolean {
    return this.callee.failure !== undefined
  }

  /** The power of its host is gone. */
  vanish(): void {
    this.state = "over"
    this.leave()
    this.callee.vanish()
  }

  private broke(): void {
    if (this.callee.failure !== undefined) this.leave()
  }

  private forget(): void {
    this.state = "over"
    this.leave()
    this.callee.fail(wasReset)
  }

  private leave(): void {
    const { net } = this.listener.host
    if (this.timer !== undefined) net.engine.cancel(this.timer)
    this.timer = undefined
    this.listener.waiting.delete(this)
    net.pending.delete(this)
  }
}

/** Says no to a caller: nobody waits for it, unless something else is said. */
export const refuse = (host: Host, attempt: Attempt, code: WsaError.Code = "WSAECONNREFUSED"): void => {
  host.net.link(host, attempt.end.host).send(0, makeFlow(), {
    arrive: () => attempt.refuse(code),
    lost: (why) => attempt.note("lost", why)
  })
}
