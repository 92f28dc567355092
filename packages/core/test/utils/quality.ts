/**
 * A provider that notes what a QOS asks of it, and answers as a test wants: Memory, which can do none of it, goes on below.
 */
import { Provider, type Qos } from "@effect-winsock/core"

export interface Noted {
  readonly provider: Provider.Provider
  /** What was asked, in order; a connect and a new peer ask too. */
  readonly asked: Array<Provider.Quality | undefined>
  /** The sinks of the handles, by the order in which they were opened; accepted ones too. */
  readonly sinks: Array<Provider.Sink>
  /** What the next question is answered with. */
  answer: Provider.Failure | undefined
  reserved: Qos.Reservation | undefined
}

export const noting = (
  below: Provider.Provider,
  able: Partial<Provider.Capabilities> = { marking: true }
): Noted => {
  const asked: Noted["asked"] = []
  const sinks: Noted["sinks"] = []
  const ask = (quality: Provider.Quality | undefined): Provider.Failure | undefined => {
    asked.push(quality)
    return quality === undefined ? undefined : noted.answer
  }
  const wrap = (handle: Provider.Handle): Provider.Handle =>
    new Proxy(handle, {
      get(target, name) {
        switch (name) {
          case "connect":
            return (plan: Provider.ConnectPlan) => ask(plan.quality) ?? target.connect({ ...plan, quality: undefined })
          case "setPeer":
            return (peer: never, queue: never, quality: Provider.Quality | undefined) =>
              ask(quality) ?? target.setPeer(peer, queue)
          case "setQuality":
            return ask
          case "reserved":
            return () => noted.reserved
          default: {
            const member: unknown = Reflect.get(target, name)
            return typeof member === "function" ? member.bind(target) : member
          }
        }
      }
    })
  const noted: Noted = {
    asked,
    sinks,
    answer: undefined,
    reserved: undefined,
    provider: {
      ...below,
      capabilities: (kind) => ({ ...below.capabilities(kind), ...able }),
      open: (kind, sink) => {
        sinks.push(sink)
        const handle = below.open(kind, sink)
        return Provider.isFailure(handle) ? handle : wrap(handle)
      }
    }
  }
  return noted
}
