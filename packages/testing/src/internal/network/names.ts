/**
 * The names of a network, as effect's `Dns` gives them.
 */
import type * as WsaError from "@effect-winsock/core/WsaError"
import * as Effect from "effect/Effect"
import * as Dns from "effect/net/Dns"
import type { Network } from "./network.ts"

/** What a resolver says where Winsock would say the code. What none of its reasons stands for it names itself. */
const failureOf = (code: WsaError.Code, hostname: string): Dns.DnsError => {
  const [reason, native] = said[code] ?? ["Unknown", code]
  return new Dns.DnsError({ reason, method: "lookup", hostname, cause: { code: native } })
}

const said: { readonly [C in WsaError.Code]?: readonly [Dns.DnsErrorReason, string] } = {
  WSAHOST_NOT_FOUND: ["NotFound", "ENOTFOUND"],
  WSANO_DATA: ["NotFound", "ENODATA"],
  WSATRY_AGAIN: ["ServerFailure", "ESERVFAIL"],
  WSAETIMEDOUT: ["Timeout", "ETIMEOUT"],
  WSANO_RECOVERY: ["Refused", "EREFUSED"]
}

export const dnsOf = (model: Network): Dns.Dns["Service"] =>
  Dns.make({
    lookup: (host) =>
      Effect.suspend(() => {
        const found = model.lookup(host) ?? "WSAHOST_NOT_FOUND"
        return typeof found === "string"
          ? Effect.fail(failureOf(found, host))
          : Effect.succeed(found.flatMap((address) => address._tag === "UnixPathAddress" ? [] : [address.address]))
      })
  })
