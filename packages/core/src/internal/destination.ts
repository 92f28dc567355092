/**
 * The name and the service of WSAConnectByName.
 */
import * as Host from "effect/net/Host"
import * as Result from "effect/Result"
import type { Target } from "../Connector.ts"
import { type Fail, fail } from "./socketState.ts"
import * as Targets from "./target.ts"

/** Those that people write, as the registry of IANA has them for TCP. */
const services: ReadonlyMap<string, number> = new Map([
  ["echo", 7],
  ["discard", 9],
  ["daytime", 13],
  ["chargen", 19],
  ["ftp-data", 20],
  ["ftp", 21],
  ["ssh", 22],
  ["telnet", 23],
  ["smtp", 25],
  ["time", 37],
  ["whois", 43],
  ["domain", 53],
  ["gopher", 70],
  ["finger", 79],
  ["http", 80],
  ["kerberos", 88],
  ["pop3", 110],
  ["sunrpc", 111],
  ["nntp", 119],
  ["imap", 143],
  ["bgp", 179],
  ["ldap", 389],
  ["https", 443],
  ["submissions", 465],
  ["submission", 587],
  ["ldaps", 636],
  ["domain-s", 853],
  ["ftps", 990],
  ["imaps", 993],
  ["pop3s", 995],
  ["socks", 1080],
  ["mqtt", 1883],
  ["nfs", 2049],
  ["mysql", 3306],
  ["postgresql", 5432],
  ["amqp", 5672],
  ["redis", 6379],
  ["http-alt", 8080]
])

const portOf = (service: number | string): number => {
  if (typeof service === "number") return service
  return /^\d{1,5}$/.test(service) ? Number(service) : services.get(service.toLowerCase()) ?? -1
}

const isPort = (port: number): boolean => Number.isInteger(port) && port >= 0 && port <= 65_535

const forms = "write example.org, 192.0.2.1 or ::1"

/** What is to be connected to: an address, or a name to look up; or what is wrong with it. */
export const read = (nodename: unknown, servicename: unknown): Result.Result<Target, Fail> => {
  if (typeof nodename !== "string") return Result.fail(fail("WSAEFAULT", `a name is a text; ${forms}`))
  if (typeof servicename !== "string" && typeof servicename !== "number") {
    return Result.fail(fail("WSAEFAULT", "a service is a port, or a text"))
  }
  const port = portOf(servicename)
  if (!isPort(port)) {
    const known = [...services.keys()].join(", ")
    const what = Targets.show(servicename)
    return Result.fail(
      fail("WSAEINVAL", `${what} is no service: write a port from 0 through 65535, or one of ${known}`)
    )
  }
  const host = Host.hostFromString(nodename)
  return Result.isSuccess(host)
    ? Result.succeed(Targets.ofOrigin(Host.hostPortUnsafe(host.success, port)))
    : Result.fail(fail("WSAEINVAL", `${Targets.show(nodename)} is no name: ${host.failure.message}; ${forms}`))
}
