import type { Provider } from "@effect-winsock/core"
import { setImmediate } from "node:timers"

/**
 * The same provider, but what it may answer later it answers later: a listen and each datagram are pending for a turn of
 * the event loop.
 */
export const late = (provider: Provider.Provider): Provider.Provider => ({
  ...provider,
  open: (kind, sink) => {
    const handle = provider.open(kind, sink)
    return "_tag" in handle ? handle : lateHandle(handle, sink)
  }
})

const lateHandle = (handle: Provider.Handle, sink: Provider.Sink): Provider.Handle => {
  let closed = false
  const later = (tell: () => void): Provider.Pending => {
    setImmediate(() => {
      if (!closed) tell()
    })
    return "pending"
  }
  return {
    bind: (local, options) => handle.bind(local, options),
    connect: (plan) => handle.connect(plan),
    abort: (attempt) => handle.abort(attempt),
    setPeer: (peer, queue, quality) => handle.setPeer(peer, queue, quality),
    setQuality: (quality) => handle.setQuality(quality),
    reserved: () => handle.reserved(),
    listen: (plan) => later(() => sink.listening(handle.listen(plan) as Provider.Failure)),
    read: (credit) => handle.read(credit),
    write: (bytes) => handle.write(bytes),
    sendTo: (bytes, to) => later(() => sink.sent(handle.sendTo(bytes, to) as Provider.Failure | undefined)),
    shutdownSend: () => handle.shutdownSend(),
    close: (how) => {
      closed = true
      handle.close(how)
    },
    local: () => handle.local(),
    setOption: (option, value) => handle.setOption(option, value)
  }
}
