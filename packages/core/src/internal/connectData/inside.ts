/**
 * Connect data inside of a tunnel: what the carrier of the layer would say at the beginning of a connection of its own is said
 * as soon as the way to the target is open, by the same bytes.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Host from "effect/net/Host"
import type * as NetAddress from "effect/net/NetAddress"
import * as Connection from "../../Connection.ts"
import type * as Provider from "../../Provider.ts"
import type { ProxyError } from "../../Proxy.ts"
import * as Qos from "../../Qos.ts"
import type * as SocketAddress from "../../SocketAddress.ts"
import * as UserData from "../../UserData.ts"
import * as WsaError from "../../WsaError.ts"
import { Conversation } from "../conversation.ts"
import * as Frames from "../exchangeFrames.ts"
import { Silent } from "../instance.ts"
import { carrierOf } from "../socket.ts"
import { brokenAt, failureOf } from "../transport.ts"
import { within } from "../within.ts"
import * as Speech from "./speech.ts"

/** What there is to be said to a target, and by which carrier. */
export interface Speaking {
  readonly said: Speech.Said
  /** Absent where nothing is to be said. */
  readonly settings: Speech.Settings | undefined
}

/** What of a target a header can name. */
export interface Whom {
  readonly host: NetAddress.IpAddress | Host.DomainName
  readonly address: SocketAddress.SocketAddress | undefined
}

const refusedHere = (code: "WSAEPROTONOSUPPORT" | "WSAEFAULT", detail: string, remote: Whom["address"]) => {
  const details = { call: "WSAConnect", stage: "request", detail, remote } as const
  return code === "WSAEPROTONOSUPPORT" ? WsaError.make(code, details) : failureOf(code, details)
}

/** What is to be said, once it is known over which socket; or why it cannot be said (E10, E17). */
export const speaking = (
  connection: Connection.Connection<unknown>,
  { address }: Whom
): Effect.Effect<Speaking, ProxyError> =>
  Effect.contextWith((context: Context.Context<never>): Effect.Effect<Speaking, ProxyError> => {
    const said: Speech.Said = {
      callerData: Context.get(context, UserData.CallerData),
      calleeCapacity: Context.get(context, UserData.CalleeCapacity),
      sqos: Context.get(context, Qos.SocketQos),
      gqos: Context.get(context, Qos.GroupQos)
    }
    // One proxy is asked for another: what is meant for the target is not for that one.
    if (Context.get(context, Silent)) return Effect.succeed({ said, settings: undefined })
    const carrier = carrierOf(connection.socket)
    const settings = carrier?.connects === true ? carrier : undefined
    const { length } = said.callerData ?? []
    if (length > 0 && settings === undefined) {
      const detail =
        "caller data goes through a proxy by a carrier of connect data only, and this layer has none that connects"
      return Effect.fail(refusedHere("WSAEPROTONOSUPPORT", detail, address))
    }
    if (settings !== undefined && length > settings.callerDataMax) {
      const detail = `caller data is ${length} bytes, the carrier takes at most ${settings.callerDataMax}`
      return Effect.fail(refusedHere("WSAEFAULT", detail, address))
    }
    return Effect.succeed({ said, settings })
  })

const notApplied = (asked: Qos.FlowSpec | undefined): Qos.AppliedFlow => ({
  ...Qos.nothingApplied.sending,
  asked,
  ignored: asked === undefined ? [] : [{
    field: "serviceType",
    why:
      "the connection goes through a proxy: what goes to the proxy is not of this flow alone, and nothing is known of the rest"
  }]
})

const told = (
  connection: Connection.Connection<unknown>,
  { address }: Whom,
  { code, detail }: Provider.Failure & { readonly detail?: string }
): ProxyError => {
  const details = { call: "WSAConnect", stage: "connect", local: connection.local, remote: address, detail } as const
  return code === "WSAEPROTONOSUPPORT" || code === "WSAECONNREFUSED"
    ? WsaError.make(code, details)
    : failureOf(code, details)
}

/** Says it, and gives the connection as the target has taken it. */
export const spoken = <E0>(
  connection: Connection.Connection<E0>,
  whom: Whom,
  { said, settings }: Speaking
): Effect.Effect<Connection.Connection<E0>, E0 | ProxyError> => {
  const applied = said.sqos === undefined ? undefined : {
    sending: notApplied(said.sqos.sending),
    receiving: notApplied(said.sqos.receiving)
  }
  const taken = (connection: Connection.Connection<E0>, calleeData: Uint8Array | undefined) =>
    applied === undefined && calleeData === undefined
      ? connection
      : Connection.over(connection, { applied, calleeData })
  if (settings === undefined) return Effect.succeed(taken(connection, undefined))
  const authority = settings.entries.authority ?? (typeof whom.host === "string" ? whom.host : undefined)
  const header = Speech.headerOf(
    { ...settings, entries: { ...settings.entries, authority } },
    said,
    connection.local,
    whom.address
  )
  if (!(header instanceof Uint8Array)) return Effect.fail(told(connection, whom, header))
  const talk = new Conversation<E0, ProxyError>(connection, {
    broken: (error) => brokenAt("connect", error, "while exchanging connect data"),
    endedEarly: () => told(connection, whom, Speech.endedEarly),
    wrong: (why) => told(connection, whom, Speech.foreign(why))
  })
  const says = talk.say(header)
  if (!settings.replies) return Effect.map(says, () => taken(connection, undefined))
  const capacity = Speech.capacityOf(settings, said)
  return Effect.andThen(
    says,
    within(
      talk.hear((bytes) => Frames.decodeReply(bytes, capacity), Frames.replyOverhead + capacity),
      Duration.millis(settings.replyTimeout),
      () => Exit.fail(told(connection, whom, Speech.silent(settings.replyTimeout)))
    )
  ).pipe(Effect.flatMap(({ calleeData, verdict }) =>
    verdict === "rejected"
      ? Effect.fail(told(connection, whom, Speech.refused))
      : Effect.succeed(taken(talk.done(), calleeData))
  ))
}
