import { Provider, SocketAddress } from "@effect-winsock/core"

/** A provider that writes down every handle that is opened, and every address that one is told to connect to. */
export const counted = (inner: Provider.Provider) => {
  const seen = { opened: 0, connects: [] as Array<string> }
  const provider: Provider.Provider = {
    ...inner,
    open: (kind, sink) => {
      const handle = inner.open(kind, sink)
      if (Provider.isFailure(handle)) return handle
      seen.opened++
      const connect = handle.connect.bind(handle)
      return Object.assign(handle, {
        connect: (plan: Provider.ConnectPlan) => {
          seen.connects.push(SocketAddress.format(plan.remote))
          return connect(plan)
        }
      })
    }
  }
  return { provider, seen }
}
