/**
 * The errors of the calls: a class for every Winsock code, a union for every call.
 *
 * An error is named as its code, and so is its tag: `Effect.catchTag("WSAECONNREFUSED", …)`. The failure type of a call
 * is the union of exactly the codes that the call can end with, so a handler for a code that cannot come does not
 * compile. What a stack says that no row knows is `WsaUnmapped`, with the raw code: never lost, never guessed.
 *
 * **What an error carries**
 *
 * | field | what it says |
 * | --- | --- |
 * | `number` | Winsock's number, such as 10061 |
 * | `call`, `stage` | the call that failed, and the step of it |
 * | `local`, `remote` | the addresses, where known |
 * | `native` | the stack's own words: `ECONNREFUSED`, -111, `connect` |
 * | `detail` | what was wrong, where, and what would be right |
 * | `path` | the field of the input that was wrong, such as `["sending", "tokenRate"]` |
 * | `attempts` | all attempts of a race that failed, of which this is the most telling failure |
 * | `by` | of WSAETIMEDOUT: `"attempt"` or `"deadline"`, where a time-out of ours ended it, and not the stack |
 * | `cause` | an error that lies beneath |
 * | `retryClass` | how to take it, see `RetryClass` |
 * | `message` | all of it in one line |
 *
 * Every class is the schema of its errors: they cross JSON and come back as instances, addresses included.
 *
 * **Where things are**
 *
 * `table` has a row for every code, `callErrors` a row for every call. `fromNative` chooses the code for what a stack
 * said, by the lines of `nativeRules`. A new code is a row of `table`, a class, and its name in `classes`: the compiler
 * asks for what is missing.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as NetAddress from "effect/net/NetAddress"
import { hasProperty } from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SocketAddress from "./SocketAddress.ts"

const TypeId = "~@effect-winsock/core/WsaError" as const

/**
 * How a code is to be taken by whoever decides on another attempt.
 *
 * **Details**
 *
 * | class | what it says |
 * | --- | --- |
 * | `"transient"` | the network was not in the mood: another attempt may go well |
 * | `"lookup-transient"` | the same of a name server |
 * | `"resource"` | something has run out here: waiting may help, hurrying will not |
 * | `"pending"` | nothing has failed: the answer is still to come |
 * | `"interrupt"` | somebody cancelled it |
 * | `"defect"` | the program asked for something that cannot be: it has to be changed |
 * | `"unsupported"` | it cannot be done with this socket or provider |
 * | `"policy"` | it is forbidden |
 * | `"local-address"` | the local address is the trouble: another one may do |
 * | `"address"` | the address is the trouble: it cannot be used from here |
 * | `"startup"` | Winsock is not started, or cannot be |
 * | `"provider"` | the provider itself is broken |
 * | `"closed"` | the peer is ending the connection in good order |
 * | `"lookup"` | the name has no answer |
 * | `"qos-error"` | a quality of service that is wrong or was refused |
 * | `"qos-event"` | news about a quality of service, no failure |
 * | `"other"` | none of these |
 *
 * @category models
 * @since 0.1.0
 */
export type RetryClass =
  | "defect"
  | "resource"
  | "interrupt"
  | "pending"
  | "policy"
  | "unsupported"
  | "local-address"
  | "address"
  | "transient"
  | "other"
  | "startup"
  | "closed"
  | "lookup"
  | "lookup-transient"
  | "provider"
  | "qos-event"
  | "qos-error"

/**
 * What the table knows of one code.
 *
 * **Details**
 *
 * `null` stands where the code has no counterpart. A name such as `EPROCLIM (BSD only)` says where it is found.
 *
 * @category models
 * @since 0.1.0
 */
export interface Row<N extends number = number, R extends RetryClass = RetryClass> {
  /** Winsock's number. */
  readonly number: N
  /** How to take it. */
  readonly retryClass: R
  /** What POSIX, or `getaddrinfo`, calls it. */
  readonly posix: string | null
  /** Its `errno` on Linux. */
  readonly linuxErrno: number | null
  /** Its `errno` on BSD and macOS. */
  readonly bsdErrno: number | null
  /** What libuv calls it on Windows, `UNKNOWN` where it does not know it. */
  readonly libuvWindows: string
  /** libuv's number on Windows. */
  readonly libuvWindowsNumber: number
  /** What libuv calls it when a lookup ends with it. */
  readonly libuvGetaddrinfo: string | null
  /** What it means, in our own words. */
  readonly words: string
}

const row = <const N extends number, const R extends RetryClass>(
  number: N,
  retryClass: R,
  posix: string | null,
  linuxErrno: number | null,
  bsdErrno: number | null,
  libuvWindows: string,
  libuvWindowsNumber: number,
  libuvGetaddrinfo: string | null,
  words: string
): Row<N, R> => ({
  number,
  retryClass,
  posix,
  linuxErrno,
  bsdErrno,
  libuvWindows,
  libuvWindowsNumber,
  libuvGetaddrinfo,
  words
})

/**
 * Every Winsock code: its number, what POSIX and libuv call it, how to take it, and what it means in plain words.
 *
 * **Example** (Looking a code up)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * const { number, posix, retryClass } = WsaError.table.WSAETIMEDOUT
 * number // => 10060
 * posix // => "ETIMEDOUT"
 * retryClass // => "transient"
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
// dprint-ignore
export const table = {
  // number, retry class, POSIX name, errno on Linux, errno on BSD, libuv's name and number on Windows, name of getaddrinfo
  WSA_INVALID_HANDLE: row(6, "defect", "EBADF", 9, null, "EBADF", -4083, null,
    "the event object is closed, or was never one of ours"),
  WSA_NOT_ENOUGH_MEMORY: row(8, "resource", "ENOMEM", 12, null, "ENOMEM", -4057, "EAI_MEMORY",
    "the machine has no memory left for this call"),
  WSA_INVALID_PARAMETER: row(87, "defect", "EINVAL", 22, null, "EINVAL", -4071, null,
    "an argument is outside what the call accepts"),
  WSA_OPERATION_ABORTED: row(995, "interrupt", "ECANCELED", 125, null, "ECANCELED", -4081, null,
    "the operation was cancelled because its socket was closed"),
  WSA_IO_INCOMPLETE: row(996, "pending", null, null, null, "UNKNOWN", -4094, null,
    "the operation has not finished yet"),
  WSA_IO_PENDING: row(997, "pending", "EINPROGRESS", 115, null, "UNKNOWN", -4094, null,
    "the operation has begun and will finish later"),
  WSAEINTR: row(10004, "interrupt", "EINTR", 4, 4, "ECANCELED", -4081, null,
    "the waiting call was cancelled, or its socket was closed under it"),
  WSAEBADF: row(10009, "defect", "EBADF", 9, 9, "UNKNOWN", -4094, null,
    "the descriptor is not open"),
  WSAEACCES: row(10013, "policy", "EACCES", 13, 13, "EACCES", -4092, null,
    "permission denied: the machine, its policy or a missing option forbids this"),
  WSAEFAULT: row(10014, "defect", "EFAULT", 14, 14, "EFAULT", -4074, null,
    "an argument is malformed: it cannot be read as what the call needs"),
  WSAEINVAL: row(10022, "defect", "EINVAL", 22, 22, "EINVAL", -4071, "EAI_BADFLAGS",
    "the socket is in no state for this call, or an argument makes no sense for it"),
  WSAEMFILE: row(10024, "resource", "EMFILE", 24, 24, "EMFILE", -4066, null,
    "this process has no descriptor left for another socket"),
  WSAEWOULDBLOCK: row(10035, "pending", "EWOULDBLOCK", 11, 35, "EAGAIN", -4088, null,
    "the socket does not block, and the answer is not there yet"),
  WSAEINPROGRESS: row(10036, "pending", "EINPROGRESS", 115, 36, "UNKNOWN", -4094, null,
    "another blocking call or an accept condition is still running"),
  WSAEALREADY: row(10037, "defect", "EALREADY", 114, 37, "EALREADY", -4084, null,
    "an earlier connect is still under way on this socket"),
  WSAENOTSOCK: row(10038, "defect", "ENOTSOCK", 88, 38, "ENOTSOCK", -4050, null,
    "the socket is closed, or was never a socket of this instance"),
  WSAEDESTADDRREQ: row(10039, "defect", "EDESTADDRREQ", 89, 39, "UNKNOWN", -4094, null,
    "a destination address is needed and none was given"),
  WSAEMSGSIZE: row(10040, "defect", "EMSGSIZE", 90, 40, "EMSGSIZE", -4065, null,
    "the datagram is larger than the buffer or the transport allows"),
  WSAEPROTOTYPE: row(10041, "defect", "EPROTOTYPE", 91, 41, "UNKNOWN", -4094, null,
    "the protocol or the peer does not fit the type of this socket"),
  WSAENOPROTOOPT: row(10042, "defect", "ENOPROTOOPT", 92, 42, "UNKNOWN", -4094, null,
    "this option is unknown here, or cannot be set on this socket"),
  WSAEPROTONOSUPPORT: row(10043, "unsupported", "EPROTONOSUPPORT", 93, 43, "EPROTONOSUPPORT", -4045, null,
    "the protocol, or connect data on it, is not supported here"),
  WSAESOCKTNOSUPPORT: row(10044, "unsupported", "ESOCKTNOSUPPORT", 94, 44, "ESOCKTNOSUPPORT", -4025, "EAI_SOCKTYPE",
    "sockets of this type are not supported here"),
  WSAEOPNOTSUPP: row(10045, "unsupported", "EOPNOTSUPP", 95, 45, "UNKNOWN", -4094, null,
    "this socket cannot do what was asked of it"),
  WSAEPFNOSUPPORT: row(10046, "unsupported", "EPFNOSUPPORT", 96, 46, "EINVAL", -4071, null,
    "this protocol family is not supported here"),
  WSAEAFNOSUPPORT: row(10047, "unsupported", "EAFNOSUPPORT", 97, 47, "EAFNOSUPPORT", -4089, "EAI_FAMILY",
    "an address of this family cannot be used with this socket"),
  WSAEADDRINUSE: row(10048, "local-address", "EADDRINUSE", 98, 48, "EADDRINUSE", -4091, null,
    "the local address is already in use"),
  WSAEADDRNOTAVAIL: row(10049, "address", "EADDRNOTAVAIL", 99, 49, "EADDRNOTAVAIL", -4090, null,
    "the address cannot be used from this machine"),
  WSAENETDOWN: row(10050, "transient", "ENETDOWN", 100, 50, "UNKNOWN", -4094, null,
    "the network of this machine is down"),
  WSAENETUNREACH: row(10051, "transient", "ENETUNREACH", 101, 51, "ENETUNREACH", -4062, null,
    "no route leads to that network"),
  WSAENETRESET: row(10052, "transient", "ENETRESET", 102, 52, "UNKNOWN", -4094, null,
    "keep-alive found the connection dead and dropped it"),
  WSAECONNABORTED: row(10053, "transient", "ECONNABORTED", 103, 53, "ECONNABORTED", -4079, null,
    "this machine gave the connection up"),
  WSAECONNRESET: row(10054, "transient", "ECONNRESET", 104, 54, "ECONNRESET", -4077, null,
    "the other side broke the connection off, or its port is dead"),
  WSAENOBUFS: row(10055, "resource", "ENOBUFS", 105, 55, "ENOBUFS", -4060, null,
    "the machine has run out of buffers, ports or descriptors for this"),
  WSAEISCONN: row(10056, "defect", "EISCONN", 106, 56, "EISCONN", -4069, null,
    "the socket is connected already"),
  WSAENOTCONN: row(10057, "defect", "ENOTCONN", 107, 57, "ENOTCONN", -4053, null,
    "the socket is not connected"),
  WSAESHUTDOWN: row(10058, "defect", "ESHUTDOWN", 108, 58, "EPIPE", -4047, null,
    "this direction of the socket has been shut down"),
  WSAETOOMANYREFS: row(10059, "resource", "ETOOMANYREFS", 109, 59, "UNKNOWN", -4094, null,
    "too many references to one object of the system"),
  WSAETIMEDOUT: row(10060, "transient", "ETIMEDOUT", 110, 60, "ETIMEDOUT", -4039, null,
    "no answer came in time"),
  WSAECONNREFUSED: row(10061, "transient", "ECONNREFUSED", 111, 61, "ECONNREFUSED", -4078, null,
    "the other side refused: nothing listens there, or the listener turned the caller away"),
  WSAELOOP: row(10062, "address", "ELOOP", 40, 62, "UNKNOWN", -4094, null,
    "the name leads in circles and cannot be resolved"),
  WSAENAMETOOLONG: row(10063, "defect", "ENAMETOOLONG", 36, 63, "UNKNOWN", -4094, null,
    "the name, or a part of it, is too long"),
  WSAEHOSTDOWN: row(10064, "transient", "EHOSTDOWN", 112, 64, "UNKNOWN", -4094, null,
    "the other machine is down"),
  WSAEHOSTUNREACH: row(10065, "transient", "EHOSTUNREACH", 113, 65, "EHOSTUNREACH", -4073, null,
    "no route leads to that machine"),
  WSAENOTEMPTY: row(10066, "other", "ENOTEMPTY", 39, 66, "UNKNOWN", -4094, null,
    "the directory is not empty"),
  WSAEPROCLIM: row(10067, "resource", "EPROCLIM (BSD only)", null, 67, "UNKNOWN", -4094, null,
    "too many programs use the network at once"),
  WSAEUSERS: row(10068, "resource", "EUSERS", 87, 68, "UNKNOWN", -4094, null,
    "the quota of this user is exhausted"),
  WSAEDQUOT: row(10069, "resource", "EDQUOT", 122, 69, "UNKNOWN", -4094, null,
    "the disk quota is exhausted"),
  WSAESTALE: row(10070, "other", "ESTALE", 116, 70, "UNKNOWN", -4094, null,
    "the file handle refers to something that is gone"),
  WSAEREMOTE: row(10071, "other", "EREMOTE", 66, 71, "UNKNOWN", -4094, null,
    "the item is not on this machine"),
  WSASYSNOTREADY: row(10091, "startup", null, null, null, "UNKNOWN", -4094, null,
    "the network of this machine is not ready to be used"),
  WSAVERNOTSUPPORTED: row(10092, "startup", null, null, null, "UNKNOWN", -4094, null,
    "no version of Winsock this old is supported"),
  WSANOTINITIALISED: row(10093, "startup", null, null, null, "UNKNOWN", -4094, null,
    "Winsock has not been started, or was already cleaned up"),
  WSAEDISCON: row(10101, "closed", null, null, null, "UNKNOWN", -4094, null,
    "the other side is closing the connection in good order"),
  WSAENOMORE: row(10102, "lookup", null, null, null, "UNKNOWN", -4094, null,
    "the lookup has no more results"),
  WSAECANCELLED: row(10103, "interrupt", "ECANCELED", 125, null, "UNKNOWN", -4094, null,
    "the lookup was cancelled"),
  WSAEINVALIDPROCTABLE: row(10104, "provider", null, null, null, "UNKNOWN", -4094, null,
    "the provider's table of functions is broken"),
  WSAEINVALIDPROVIDER: row(10105, "provider", null, null, null, "UNKNOWN", -4094, null,
    "the provider's entry or version is not valid"),
  WSAEPROVIDERFAILEDINIT: row(10106, "provider", null, null, null, "UNKNOWN", -4094, null,
    "the provider could not be loaded or initialised"),
  WSASYSCALLFAILURE: row(10107, "provider", null, null, null, "UNKNOWN", -4094, null,
    "a system call failed that never should"),
  WSASERVICE_NOT_FOUND: row(10108, "lookup", null, null, null, "UNKNOWN", -4094, null,
    "no such service is known in this name space"),
  WSATYPE_NOT_FOUND: row(10109, "lookup", "EAI_SERVICE", null, null, "UNKNOWN", -4094, "EAI_SERVICE",
    "the service or its class was not found"),
  WSA_E_NO_MORE: row(10110, "lookup", null, null, null, "UNKNOWN", -4094, null,
    "the lookup has no more results"),
  WSA_E_CANCELLED: row(10111, "interrupt", "ECANCELED", 125, null, "UNKNOWN", -4094, null,
    "the lookup was cancelled"),
  WSAEREFUSED: row(10112, "lookup", null, null, null, "UNKNOWN", -4094, null,
    "the name server refused the query"),
  WSAHOST_NOT_FOUND: row(11001, "lookup", "EAI_NONAME", null, null, "ENOENT", -4058, "EAI_NONAME",
    "no host of this name exists"),
  WSATRY_AGAIN: row(11002, "lookup-transient", "EAI_AGAIN", null, null, "UNKNOWN", -4094, "EAI_AGAIN",
    "there is no answer for now: ask again later"),
  WSANO_RECOVERY: row(11003, "lookup", "EAI_FAIL", null, null, "UNKNOWN", -4094, "EAI_FAIL",
    "the name server failed for good"),
  WSANO_DATA: row(11004, "lookup", "EAI_NODATA", null, null, "ENOENT", -4058, null,
    "the name exists, but has no address of the kind asked for"),
  WSA_QOS_RECEIVERS: row(11005, "qos-event", null, null, null, "UNKNOWN", -4094, null,
    "at least one receiver has reserved"),
  WSA_QOS_SENDERS: row(11006, "qos-event", null, null, null, "UNKNOWN", -4094, null,
    "at least one sender has announced itself"),
  WSA_QOS_NO_SENDERS: row(11007, "qos-event", null, null, null, "UNKNOWN", -4094, null,
    "no sender is left"),
  WSA_QOS_NO_RECEIVERS: row(11008, "qos-event", null, null, null, "UNKNOWN", -4094, null,
    "no receiver is left"),
  WSA_QOS_REQUEST_CONFIRMED: row(11009, "qos-event", null, null, null, "UNKNOWN", -4094, null,
    "the reservation has been confirmed"),
  WSA_QOS_ADMISSION_FAILURE: row(11010, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the reservation was refused: there is not enough capacity"),
  WSA_QOS_POLICY_FAILURE: row(11011, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the reservation was refused: policy does not allow it"),
  WSA_QOS_BAD_STYLE: row(11012, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the style of the reservation is unknown or conflicts with another"),
  WSA_QOS_BAD_OBJECT: row(11013, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "a filter or the provider-specific part of the quality of service is bad"),
  WSA_QOS_TRAFFIC_CTRL_ERROR: row(11014, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "traffic control on this machine failed"),
  WSA_QOS_GENERIC_ERROR: row(11015, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the quality of service failed for a reason that was not given"),
  WSA_QOS_ESERVICETYPE: row(11016, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the service type of a flow specification is not valid"),
  WSA_QOS_EFLOWSPEC: row(11017, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "a flow specification is not valid, or contradicts itself"),
  WSA_QOS_EPROVSPECBUF: row(11018, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the provider-specific part of the quality of service is not valid"),
  WSA_QOS_EFILTERSTYLE: row(11019, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the style of a filter is not valid"),
  WSA_QOS_EFILTERTYPE: row(11020, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the type of a filter is not valid"),
  WSA_QOS_EFILTERCOUNT: row(11021, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "a flow has the wrong number of filters"),
  WSA_QOS_EOBJLENGTH: row(11022, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the length of an object in the provider-specific part is wrong"),
  WSA_QOS_EFLOWCOUNT: row(11023, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the number of flows is wrong"),
  WSA_QOS_EUNKNOWNPSOBJ: row(11024, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the provider-specific part holds an object that nobody knows"),
  WSA_QOS_EPOLICYOBJ: row(11025, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the policy object is not valid"),
  WSA_QOS_EFLOWDESC: row(11026, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the description of a flow is not valid"),
  WSA_QOS_EPSFLOWSPEC: row(11027, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the provider-specific flow specification is not valid"),
  WSA_QOS_EPSFILTERSPEC: row(11028, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the provider-specific filter is not valid"),
  WSA_QOS_ESDMODEOBJ: row(11029, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the object that chooses between shaping and discarding is not valid"),
  WSA_QOS_ESHAPERATEOBJ: row(11030, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the object that sets the shaping rate is not valid"),
  WSA_QOS_RESERVED_PETYPE: row(11031, "qos-error", null, null, null, "UNKNOWN", -4094, null,
    "the type of a policy element is a reserved one"),
  WSA_SECURE_HOST_NOT_FOUND: row(11032, "lookup", null, null, null, "UNKNOWN", -4094, null,
    "no host of this name was found by secure lookup"),
  WSA_IPSEC_NAME_POLICY_ERROR: row(11033, "lookup", null, null, null, "UNKNOWN", -4094, null,
    "the name could not be resolved under the IPsec policy")
} as const

/**
 * The name of a Winsock code, which is also the tag of its error.
 *
 * @category models
 * @since 0.1.0
 */
export type Code = keyof typeof table

/**
 * The codes that tell of a bad or refused quality of service.
 *
 * @category models
 * @since 0.1.0
 */
export type QosErrorCode = { [C in Code]: (typeof table)[C]["retryClass"] extends "qos-error" ? C : never }[Code]

/**
 * Which codes each call can end with, besides `WsaUnmapped` and those about a quality of service.
 *
 * **Details**
 *
 * The codes of a call's public reference, less those that a typed interface makes impossible (a bad pointer for an
 * answer) and those that nothing can bring about here, plus, for the connects, what real stacks are measured to answer.
 * `connectResult` is ours: it gives what became of a non-blocking connect.
 *
 * **Example** (Asking what a call can end with)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.callErrors.WSACleanup // => ["WSAEINPROGRESS", "WSAENETDOWN", "WSANOTINITIALISED"]
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
// dprint-ignore
export const callErrors = {
  WSAStartup: [
    "WSAEINPROGRESS", "WSASYSNOTREADY", "WSAVERNOTSUPPORTED"
  ],
  WSACleanup: [
    "WSAEINPROGRESS", "WSAENETDOWN", "WSANOTINITIALISED"
  ],
  socket: [
    "WSAEAFNOSUPPORT", "WSAEINPROGRESS", "WSAEINVAL", "WSAEMFILE", "WSAENETDOWN", "WSAENOBUFS", "WSAEPROTONOSUPPORT",
    "WSAEPROTOTYPE", "WSAESOCKTNOSUPPORT", "WSANOTINITIALISED"
  ],
  bind: [
    "WSAEACCES", "WSAEADDRINUSE", "WSAEADDRNOTAVAIL", "WSAEAFNOSUPPORT", "WSAEFAULT", "WSAEINPROGRESS", "WSAEINVAL",
    "WSAENETDOWN", "WSAENOBUFS", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  connect: [
    "WSAEACCES", "WSAEADDRINUSE", "WSAEADDRNOTAVAIL", "WSAEAFNOSUPPORT", "WSAEALREADY", "WSAECONNABORTED",
    "WSAECONNREFUSED", "WSAECONNRESET", "WSAEFAULT", "WSAEHOSTDOWN", "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINTR",
    "WSAEINVAL", "WSAEISCONN", "WSAENETDOWN", "WSAENETUNREACH", "WSAENOBUFS", "WSAENOTSOCK", "WSAEPROTONOSUPPORT",
    "WSAEPROTOTYPE", "WSAETIMEDOUT", "WSAEWOULDBLOCK", "WSANOTINITIALISED"
  ],
  WSAConnect: [
    "WSAEACCES", "WSAEADDRINUSE", "WSAEADDRNOTAVAIL", "WSAEAFNOSUPPORT", "WSAEALREADY", "WSAECONNABORTED",
    "WSAECONNREFUSED", "WSAECONNRESET", "WSAEFAULT", "WSAEHOSTDOWN", "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINTR",
    "WSAEINVAL", "WSAEISCONN", "WSAENETDOWN", "WSAENETUNREACH", "WSAENOBUFS", "WSAENOTSOCK", "WSAEOPNOTSUPP",
    "WSAEPROTONOSUPPORT", "WSAEPROTOTYPE", "WSAETIMEDOUT", "WSAEWOULDBLOCK", "WSANOTINITIALISED"
  ],
  WSAConnectByList: [
    "WSAEACCES", "WSAEADDRINUSE", "WSAEADDRNOTAVAIL", "WSAEAFNOSUPPORT", "WSAECONNABORTED", "WSAECONNREFUSED",
    "WSAECONNRESET", "WSAEFAULT", "WSAEHOSTDOWN", "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINTR", "WSAEINVAL",
    "WSAEISCONN", "WSAENETDOWN", "WSAENETUNREACH", "WSAENOBUFS", "WSAENOTSOCK", "WSAEPROTONOSUPPORT", "WSAEPROTOTYPE",
    "WSAETIMEDOUT", "WSANOTINITIALISED"
  ],
  WSAConnectByName: [
    "WSAEACCES", "WSAEADDRINUSE", "WSAEADDRNOTAVAIL", "WSAEAFNOSUPPORT", "WSAECONNABORTED", "WSAECONNREFUSED",
    "WSAECONNRESET", "WSAEFAULT", "WSAEHOSTDOWN", "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINTR", "WSAEINVAL",
    "WSAEISCONN", "WSAENETDOWN", "WSAENETUNREACH", "WSAENOBUFS", "WSAENOTSOCK", "WSAEPROTONOSUPPORT", "WSAEPROTOTYPE",
    "WSAETIMEDOUT", "WSAHOST_NOT_FOUND", "WSANOTINITIALISED", "WSANO_DATA", "WSANO_RECOVERY", "WSATRY_AGAIN"
  ],
  listen: [
    "WSAEADDRINUSE", "WSAEINPROGRESS", "WSAEINTR", "WSAEINVAL", "WSAEISCONN", "WSAEMFILE", "WSAENETDOWN", "WSAENOBUFS",
    "WSAENOTSOCK", "WSAEOPNOTSUPP", "WSANOTINITIALISED"
  ],
  accept: [
    "WSAEINPROGRESS", "WSAEINTR", "WSAEINVAL", "WSAEMFILE", "WSAENETDOWN", "WSAENOBUFS", "WSAENOTSOCK", "WSAEOPNOTSUPP",
    "WSAEWOULDBLOCK", "WSANOTINITIALISED"
  ],
  WSAAccept: [
    "WSAEACCES", "WSAECONNREFUSED", "WSAEINPROGRESS", "WSAEINTR", "WSAEINVAL", "WSAEMFILE", "WSAENETDOWN", "WSAENOBUFS",
    "WSAENOTSOCK", "WSAEOPNOTSUPP", "WSAEWOULDBLOCK", "WSANOTINITIALISED", "WSATRY_AGAIN"
  ],
  send: [
    "WSAEACCES", "WSAECONNABORTED", "WSAECONNRESET", "WSAEFAULT", "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINTR",
    "WSAEMSGSIZE", "WSAENETDOWN", "WSAENETRESET", "WSAENETUNREACH", "WSAENOBUFS", "WSAENOTCONN", "WSAENOTSOCK",
    "WSAEOPNOTSUPP", "WSAESHUTDOWN", "WSAETIMEDOUT", "WSAEWOULDBLOCK", "WSANOTINITIALISED"
  ],
  sendto: [
    "WSAEACCES", "WSAEADDRNOTAVAIL", "WSAEAFNOSUPPORT", "WSAECONNABORTED", "WSAECONNRESET", "WSAEFAULT",
    "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINTR", "WSAEMSGSIZE", "WSAENETDOWN", "WSAENETRESET", "WSAENETUNREACH",
    "WSAENOBUFS", "WSAENOTCONN", "WSAENOTSOCK", "WSAEOPNOTSUPP", "WSAESHUTDOWN", "WSAETIMEDOUT", "WSAEWOULDBLOCK",
    "WSANOTINITIALISED"
  ],
  recv: [
    "WSAECONNABORTED", "WSAECONNRESET", "WSAEFAULT", "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINTR", "WSAEINVAL",
    "WSAEMSGSIZE", "WSAENETDOWN", "WSAENETRESET", "WSAENETUNREACH", "WSAENOTCONN", "WSAENOTSOCK", "WSAEOPNOTSUPP",
    "WSAESHUTDOWN", "WSAETIMEDOUT", "WSAEWOULDBLOCK", "WSANOTINITIALISED"
  ],
  recvfrom: [
    "WSAECONNABORTED", "WSAECONNRESET", "WSAEFAULT", "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINTR", "WSAEINVAL",
    "WSAEMSGSIZE", "WSAENETDOWN", "WSAENETRESET", "WSAENETUNREACH", "WSAENOTCONN", "WSAENOTSOCK", "WSAEOPNOTSUPP",
    "WSAESHUTDOWN", "WSAETIMEDOUT", "WSAEWOULDBLOCK", "WSANOTINITIALISED"
  ],
  shutdown: [
    "WSAECONNABORTED", "WSAECONNRESET", "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINVAL", "WSAENETDOWN", "WSAENETRESET",
    "WSAENETUNREACH", "WSAENOTCONN", "WSAENOTSOCK", "WSAETIMEDOUT", "WSANOTINITIALISED"
  ],
  closesocket: [
    "WSAEINPROGRESS", "WSAENETDOWN", "WSAENOTSOCK", "WSAEWOULDBLOCK", "WSANOTINITIALISED"
  ],
  getsockname: [
    "WSAEINPROGRESS", "WSAEINVAL", "WSAENETDOWN", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  getpeername: [
    "WSAEINPROGRESS", "WSAENETDOWN", "WSAENOTCONN", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  getsockopt: [
    "WSAEINPROGRESS", "WSAENETDOWN", "WSAENOPROTOOPT", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  setsockopt: [
    "WSAEFAULT", "WSAEINPROGRESS", "WSAEINVAL", "WSAENETDOWN", "WSAENOPROTOOPT", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  ioctlsocket: [
    "WSAEINPROGRESS", "WSAEINVAL", "WSAENETDOWN", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  WSAIoctl: [
    "WSAEFAULT", "WSAEINPROGRESS", "WSAENETDOWN", "WSAENOTSOCK", "WSAEOPNOTSUPP", "WSANOTINITIALISED"
  ],
  select: [
    "WSAEINPROGRESS", "WSAEINTR", "WSAEINVAL", "WSAENETDOWN", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  WSAEventSelect: [
    "WSAEINPROGRESS", "WSAEINVAL", "WSAENETDOWN", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  WSAAsyncSelect: [
    "WSAEINPROGRESS", "WSAEINVAL", "WSAENETDOWN", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  WSAEnumNetworkEvents: [
    "WSAEINPROGRESS", "WSAEINVAL", "WSAENETDOWN", "WSAENOTSOCK", "WSANOTINITIALISED", "WSA_INVALID_HANDLE"
  ],
  WSAWaitForMultipleEvents: [
    "WSAEINPROGRESS", "WSAENETDOWN", "WSANOTINITIALISED", "WSA_INVALID_HANDLE", "WSA_INVALID_PARAMETER"
  ],
  WSACancelBlockingCall: [
    "WSAEINVAL", "WSAENETDOWN", "WSAEOPNOTSUPP", "WSANOTINITIALISED"
  ],
  WSAEnumProtocols: [
    "WSAEINPROGRESS", "WSAENETDOWN", "WSANOTINITIALISED"
  ],
  WSASocket: [
    "WSAEAFNOSUPPORT", "WSAEINPROGRESS", "WSAEINVAL", "WSAEMFILE", "WSAENETDOWN", "WSAENOBUFS", "WSAEPROTONOSUPPORT",
    "WSAEPROTOTYPE", "WSAESOCKTNOSUPPORT", "WSANOTINITIALISED"
  ],
  WSACreateEvent: [
    "WSAEINPROGRESS", "WSAENETDOWN", "WSANOTINITIALISED"
  ],
  WSASetEvent: [
    "WSAEINPROGRESS", "WSAENETDOWN", "WSANOTINITIALISED", "WSA_INVALID_HANDLE"
  ],
  WSAResetEvent: [
    "WSAEINPROGRESS", "WSAENETDOWN", "WSANOTINITIALISED", "WSA_INVALID_HANDLE"
  ],
  WSACloseEvent: [
    "WSAEINPROGRESS", "WSAENETDOWN", "WSANOTINITIALISED", "WSA_INVALID_HANDLE"
  ],
  connectResult: [
    "WSAEACCES", "WSAEADDRINUSE", "WSAEADDRNOTAVAIL", "WSAEAFNOSUPPORT", "WSAEALREADY", "WSAECONNABORTED",
    "WSAECONNREFUSED", "WSAECONNRESET", "WSAEFAULT", "WSAEHOSTDOWN", "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINTR",
    "WSAEINVAL", "WSAENETDOWN", "WSAENETUNREACH", "WSAENOBUFS", "WSAENOTCONN", "WSAENOTSOCK", "WSAEOPNOTSUPP",
    "WSAEPROTONOSUPPORT", "WSAEPROTOTYPE", "WSAETIMEDOUT", "WSANOTINITIALISED"
  ]
} as const satisfies { readonly [call: string]: ReadonlyArray<Code> }

/**
 * The name of a call.
 *
 * @category models
 * @since 0.1.0
 */
export type Call = keyof typeof callErrors

/**
 * The codes that a call's public reference lists, and that nothing can bring about here: with the reason of each.
 *
 * **Details**
 *
 * They stand in no row of `callErrors`, so that no handler is written for what never comes. Whatever makes one of them
 * possible takes it out of here and puts it into its row.
 *
 * **Example** (Asking why a code is missing)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.struckCodes.map(({ call, code }) => `${call} ${code}`) // => ["getsockopt WSAEINVAL", "WSAIoctl WSAEINVAL"]
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const struckCodes = [
  {
    call: "getsockopt",
    code: "WSAEINVAL",
    reason: "it means an unknown level, and an option here has none: an unknown option is WSAENOPROTOOPT (A14)"
  },
  {
    call: "WSAIoctl",
    code: "WSAEINVAL",
    reason: "an unknown code is WSAEOPNOTSUPP (A16), and input that will not do is WSAEFAULT (E10)"
  }
] as const satisfies ReadonlyArray<{ readonly call: Call; readonly code: Code; readonly reason: string }>

/**
 * The codes that stand in a call's row beyond those of its public reference: with the reason of each.
 *
 * **Example** (Asking why a code is there)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.addedCodes.filter(({ code }) => code === "WSAEINTR").map(({ call }) => call) // => ["listen"]
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const addedCodes = [
  { call: "listen", code: "WSAEINTR", reason: "a call that is pending while its socket is closed ends so (A11, E04)" },
  { call: "send", code: "WSAEFAULT", reason: "what is no bytes does not decode (E10), as in sendto" },
  { call: "recv", code: "WSAEFAULT", reason: "a length can be negative or a fraction, which does not decode (E10)" },
  {
    call: "recvfrom",
    code: "WSAEFAULT",
    reason: "a length can be negative or a fraction, which does not decode (E10)"
  },
  {
    call: "closesocket",
    code: "WSAEWOULDBLOCK",
    reason: "a non-blocking socket that lingers cannot wait for its unsent bytes (A11), as its reference says"
  },
  { call: "shutdown", code: "WSAEHOSTUNREACH", reason: "a connection that broke so says so (A10, R21)" },
  { call: "shutdown", code: "WSAENETRESET", reason: "a connection that broke so says so (A10, R21)" },
  { call: "shutdown", code: "WSAENETUNREACH", reason: "a connection that broke so says so (A10, R21)" },
  { call: "shutdown", code: "WSAETIMEDOUT", reason: "a connection that broke so says so (A10, R21)" }
] as const satisfies ReadonlyArray<{ readonly call: Call; readonly code: Code; readonly reason: string }>

/**
 * Schema of the name of a call.
 *
 * **Example** (Recognising a call)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.is(WsaError.Call)("WSAConnect") // => true
 * Schema.is(WsaError.Call)("WSAReconnect") // => false
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Call: Schema.Literals<ReadonlyArray<Call>> = Schema.Literals(Object.keys(callErrors) as Array<Call>)

/**
 * The calls that ask a provider, and so can end with a `WsaUnmapped`.
 *
 * **Details**
 *
 * All others are answered from what core knows: names of sockets, events and readiness, start-up and clean-up, the list
 * of protocols. Closing is among these: a provider's `close` cannot fail.
 *
 * **Example** (Telling a question to the stack from one to core)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * const calls: ReadonlyArray<WsaError.Call> = WsaError.reachesProvider
 * calls.includes("WSAConnect") // => true
 * calls.includes("getpeername") // => false
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const reachesProvider = [
  "socket",
  "WSASocket",
  "bind",
  "connect",
  "WSAConnect",
  "WSAConnectByList",
  "WSAConnectByName",
  "connectResult",
  "listen",
  "accept",
  "WSAAccept",
  "send",
  "sendto",
  "recv",
  "recvfrom",
  "shutdown",
  "getsockopt",
  "setsockopt",
  "WSAIoctl"
] as const satisfies ReadonlyArray<Call>

/**
 * The calls that apply a quality of service, and so can also end with any code of the class `"qos-error"`.
 *
 * **Example** (Finding the calls)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.reachesQos // => ["WSAConnect", "connectResult", "WSAIoctl"]
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const reachesQos = ["WSAConnect", "connectResult", "WSAIoctl"] as const satisfies ReadonlyArray<Call>

const stages = [
  "request",
  "resolve",
  "open",
  "bind",
  "connect",
  "proxy",
  "tls",
  "listen",
  "accept",
  "send",
  "receive",
  "shutdown",
  "option",
  "close"
] as const

/**
 * The step of a call at which an error arose.
 *
 * **Details**
 *
 * `"request"` means that the request was refused here, before a provider was asked. `"resolve"` is the lookup of a name.
 * `"proxy"` and `"tls"` are the steps of a pipeline over a connection that stands already: what a proxy answers, and the
 * handshake. The others name what the provider was asked to do; a call can go through several: a connect binds and connects.
 *
 * @category models
 * @since 0.1.0
 */
export type Stage = (typeof stages)[number]

/**
 * Schema of the step of a call.
 *
 * **Example** (Recognising a stage)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.is(WsaError.Stage)("request") // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Stage: Schema.Literals<typeof stages> = Schema.Literals(stages)

/**
 * The provider's own words for a failure.
 *
 * @category models
 * @since 0.1.0
 */
export interface Native {
  /** The name, such as `"ECONNREFUSED"`. */
  readonly code?: string
  /** The number, as the stack writes it (libuv: negative). */
  readonly errno?: number
  /** The system call, such as `"connect"`. */
  readonly syscall?: string
}

/**
 * Schema of the provider's own words for a failure.
 *
 * **Example** (Checking what a provider said)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.is(WsaError.Native)({ code: "ECONNREFUSED", errno: -111, syscall: "connect" }) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Native: Schema.Struct<{
  readonly code: Schema.optionalKey<Schema.String>
  readonly errno: Schema.optionalKey<Schema.Number>
  readonly syscall: Schema.optionalKey<Schema.String>
}> = Schema.Struct({
  code: Schema.optionalKey(Schema.String),
  errno: Schema.optionalKey(Schema.Number),
  syscall: Schema.optionalKey(Schema.String)
})

/**
 * Schema of an attempt that failed, one of several that were made for one connection.
 *
 * **Details**
 *
 * `code` is the tag of its error, or the raw code where that is `WsaUnmapped`. `began` and `ended` are in milliseconds since
 * the race began.
 *
 * **Example** (Sending an attempt across JSON)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress, WsaError } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * Schema.encodeSync(Schema.toCodecJson(WsaError.Attempt))({
 *   address: SocketAddress.fromInputUnsafe("[2001:db8::1]:443"),
 *   stage: "connect",
 *   code: "WSAENETUNREACH",
 *   began: 0,
 *   ended: 0.25
 * }) // => { address: "[2001:db8::1]:443", stage: "connect", code: "WSAENETUNREACH", began: 0, ended: 0.25 }
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Attempt: Schema.Struct<{
  readonly address: typeof SocketAddress.schema
  readonly stage: typeof Stage
  readonly code: Schema.String
  readonly began: Schema.Finite
  readonly ended: Schema.Finite
  readonly native: Schema.optionalKey<typeof Native>
  readonly detail: Schema.optionalKey<Schema.String>
}> = Schema.Struct({
  address: SocketAddress.schema,
  stage: Stage,
  code: Schema.String,
  began: Schema.Finite,
  ended: Schema.Finite,
  native: Schema.optionalKey(Native),
  detail: Schema.optionalKey(Schema.String)
})

/**
 * An attempt that failed, one of several that were made for one connection.
 *
 * @category models
 * @since 0.1.0
 */
export type Attempt = typeof Attempt.Type

const fields = {
  call: Call,
  stage: Stage,
  local: Schema.optionalKey(SocketAddress.schema),
  remote: Schema.optionalKey(SocketAddress.schema),
  native: Schema.optionalKey(Native),
  detail: Schema.optionalKey(Schema.String),
  path: Schema.optionalKey(Schema.Array(Schema.Union([Schema.String, Schema.Int]))),
  head: Schema.optionalKey(Schema.Uint8Array),
  attempts: Schema.optionalKey(Schema.Array(Attempt)),
  by: Schema.optionalKey(Schema.Literals(["attempt", "deadline"])),
  cause: Schema.optionalKey(Schema.Defect())
}

/**
 * The schemas of the fields that every error has.
 *
 * @category models
 * @since 0.1.0
 */
export type Fields = typeof fields

/**
 * What an error is made of, besides its code.
 *
 * @category models
 * @since 0.1.0
 */
export interface Details {
  /** The call that failed. */
  readonly call: Call
  /** The step of the call. */
  readonly stage: Stage
  /** The local address, where known. */
  readonly local?: SocketAddress.SocketAddress | undefined
  /** The peer's address, where known. */
  readonly remote?: SocketAddress.SocketAddress | undefined
  /** What the stack below said. */
  readonly native?: Native | undefined
  /** What was wrong, where, and what would be right. */
  readonly detail?: string | undefined
  /** Where in the input it was wrong, such as `["sending", "tokenRate"]`. */
  readonly path?: ReadonlyArray<string | number> | undefined
  /** WSAEMSGSIZE of recv and recvfrom: the head of the datagram, as much as there was room for (A09). */
  readonly head?: Uint8Array | undefined
  /** Where several addresses were raced: all attempts, in the order in which they began. */
  readonly attempts?: ReadonlyArray<Attempt> | undefined
  /** Of WSAETIMEDOUT, where it was not the stack that gave up: the time-out of one attempt, or the deadline of everything. */
  readonly by?: "attempt" | "deadline" | undefined
  /** The error that lies beneath. */
  readonly cause?: unknown
}

/**
 * What every error has besides its fields.
 *
 * @category models
 * @since 0.1.0
 */
export interface Members<R extends RetryClass = RetryClass> {
  readonly [TypeId]: typeof TypeId
  /** How to take the error. */
  readonly retryClass: R
}

/**
 * The class of the errors of one code, which is also their schema.
 *
 * @category models
 * @since 0.1.0
 */
export interface ErrorClass<Self, C extends Code> extends
  Schema.Class<
    Self,
    Schema.TaggedStruct<C, { readonly number: Schema.tag<(typeof table)[C]["number"]> } & Fields>,
    Cause.YieldableError & Members<(typeof table)[C]["retryClass"]>
  >
{}

interface Shape extends Details {
  readonly _tag: Code | "WsaUnmapped"
  readonly number?: number
  readonly code?: string
  readonly retryClass: RetryClass
}

const getter = (get: (this: Shape) => unknown): PropertyDescriptor & ThisType<Shape> => ({ get, configurable: true })

const nativeWords = ({ code, errno, syscall }: Native): string =>
  [syscall, code, errno === undefined ? undefined : `(${errno})`].filter((word) => word !== undefined).join(" ")

const messageOf = (error: Shape): string => {
  const number = error.number === undefined ? "" : ` (${error.number})`
  const what = error._tag === "WsaUnmapped"
    ? `${error.code} is not a code that this call is known to end with`
    : table[error._tag].words
  const where = [
    error.remote && `remote ${SocketAddress.format(error.remote)}`,
    error.local && `from ${SocketAddress.format(error.local)}`
  ].filter(Boolean).join(", ")
  const native = error.native && nativeWords(error.native)
  return `${error.call}: ${error._tag}${number}: ${what}${where && ` [${where}]`}` +
    (error.detail ? `; ${error.detail}` : "") + (native ? `; ${native}` : "") + attemptWords(error.attempts ?? [])
}

const attemptWords = (attempts: ReadonlyArray<Attempt>): string =>
  attempts.length < 2
    ? ""
    : `; the most telling of ${attempts.length} attempts: ` +
      attempts.map(({ address, code }) => `${SocketAddress.format(address)} ${code}`).join(", ")

const addMembers = (prototype: object, name: string, retryClass: (this: Shape) => RetryClass): void => {
  Object.defineProperties(prototype, {
    [TypeId]: { value: TypeId },
    name: { value: name, configurable: true, writable: true },
    message: getter(function() {
      return messageOf(this)
    }),
    retryClass: getter(retryClass),
    toJSON: {
      value(this: Shape) {
        return toJson(this)
      },
      configurable: true,
      writable: true
    }
  })
}

type Encode = (error: unknown) => Result.Result<unknown, unknown>
const encoders = new Map<string, Encode>()

// JSON.stringify, and what Effect logs, show what the schema would send, so that either can be read back.
const toJson = (error: Shape): unknown => {
  let encode = encoders.get(error._tag)
  if (encode === undefined) {
    const schema: Schema.Codec<WsaError, unknown> = error._tag === "WsaUnmapped" ? WsaUnmapped : classes[error._tag]
    encode = Schema.encodeUnknownResult(Schema.toCodecJson(schema))
    encoders.set(error._tag, encode)
  }
  const encoded = encode(error)
  return Result.isSuccess(encoded) ? encoded.success : { ...error }
}

const define = <Self>() => <C extends Code>(code: C): ErrorClass<Self, C> => {
  const { number, retryClass } = table[code]
  const base = Schema.TaggedError<any>(`@effect-winsock/core/WsaError/${code}`)(code, {
    number: Schema.tag(number),
    ...fields
  })
  addMembers(base.prototype, code, () => retryClass)
  return base as any
}

/**
 * The error of a code.
 *
 * @category models
 * @since 0.1.0
 */
export type Instance<C extends Code | "WsaUnmapped"> = C extends Code ? InstanceType<(typeof classes)[C]> : WsaUnmapped

/**
 * Any Winsock error.
 *
 * @category models
 * @since 0.1.0
 */
export type WsaError = Instance<Code | "WsaUnmapped">

/**
 * The tags of the errors a call can end with: its codes, and `"WsaUnmapped"` where it reaches a provider.
 *
 * @category models
 * @since 0.1.0
 */
export type TagOf<C extends Call> = C extends Call ?
    | (typeof callErrors)[C][number]
    | (C extends (typeof reachesProvider)[number] ? "WsaUnmapped" : never)
    | (C extends (typeof reachesQos)[number] ? QosErrorCode : never)
  : never

/**
 * The errors a call can end with: its failure type.
 *
 * **Details**
 *
 * Each call has an alias: `ErrorOf<"WSAConnect">` is `WSAConnectError`, `ErrorOf<"bind">` is `BindError`.
 *
 * @category models
 * @since 0.1.0
 */
export type ErrorOf<C extends Call> = Instance<TagOf<C>>

/**
 * The errors that `WSAStartup` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSAStartupError = ErrorOf<"WSAStartup">

/**
 * The errors that `WSACleanup` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSACleanupError = ErrorOf<"WSACleanup">

/**
 * The errors that `socket` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type SocketError = ErrorOf<"socket">

/**
 * The errors that `bind` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type BindError = ErrorOf<"bind">

/**
 * The errors that `connect` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type ConnectError = ErrorOf<"connect">

/**
 * The errors that `WSAConnect` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSAConnectError = ErrorOf<"WSAConnect">

/**
 * The errors that `WSAConnectByList` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSAConnectByListError = ErrorOf<"WSAConnectByList">

/**
 * The errors that `WSAConnectByName` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSAConnectByNameError = ErrorOf<"WSAConnectByName">

/**
 * The errors that `listen` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type ListenError = ErrorOf<"listen">

/**
 * The errors that `accept` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type AcceptError = ErrorOf<"accept">

/**
 * The errors that `WSAAccept` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSAAcceptError = ErrorOf<"WSAAccept">

/**
 * The errors that `send` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type SendError = ErrorOf<"send">

/**
 * The errors that `sendto` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type SendtoError = ErrorOf<"sendto">

/**
 * The errors that `recv` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type RecvError = ErrorOf<"recv">

/**
 * The errors that `recvfrom` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type RecvfromError = ErrorOf<"recvfrom">

/**
 * The errors that `shutdown` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type ShutdownError = ErrorOf<"shutdown">

/**
 * The errors that `closesocket` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type ClosesocketError = ErrorOf<"closesocket">

/**
 * The errors that `getsockname` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type GetsocknameError = ErrorOf<"getsockname">

/**
 * The errors that `getpeername` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type GetpeernameError = ErrorOf<"getpeername">

/**
 * The errors that `getsockopt` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type GetsockoptError = ErrorOf<"getsockopt">

/**
 * The errors that `setsockopt` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type SetsockoptError = ErrorOf<"setsockopt">

/**
 * The errors that `ioctlsocket` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type IoctlsocketError = ErrorOf<"ioctlsocket">

/**
 * The errors that `WSAIoctl` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSAIoctlError = ErrorOf<"WSAIoctl">

/**
 * The errors that `select` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type SelectError = ErrorOf<"select">

/**
 * The errors that `WSAEventSelect` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSAEventSelectError = ErrorOf<"WSAEventSelect">

/**
 * The errors that `WSAAsyncSelect` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSAAsyncSelectError = ErrorOf<"WSAAsyncSelect">

/**
 * The errors that `WSAEnumNetworkEvents` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSAEnumNetworkEventsError = ErrorOf<"WSAEnumNetworkEvents">

/**
 * The errors that `WSAWaitForMultipleEvents` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSAWaitForMultipleEventsError = ErrorOf<"WSAWaitForMultipleEvents">

/**
 * The errors that `WSACancelBlockingCall` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSACancelBlockingCallError = ErrorOf<"WSACancelBlockingCall">

/**
 * The errors that `WSAEnumProtocols` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSAEnumProtocolsError = ErrorOf<"WSAEnumProtocols">

/**
 * The errors that `WSASocket` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSASocketError = ErrorOf<"WSASocket">

/**
 * The errors that `WSACreateEvent` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSACreateEventError = ErrorOf<"WSACreateEvent">

/**
 * The errors that `WSASetEvent` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSASetEventError = ErrorOf<"WSASetEvent">

/**
 * The errors that `WSAResetEvent` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSAResetEventError = ErrorOf<"WSAResetEvent">

/**
 * The errors that `WSACloseEvent` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type WSACloseEventError = ErrorOf<"WSACloseEvent">

/**
 * The errors that `connectResult` can end with.
 *
 * @category models
 * @since 0.1.0
 */
export type ConnectResultError = ErrorOf<"connectResult">

const allCodes = Object.keys(table) as ReadonlyArray<Code>
const codes: ReadonlySet<string> = new Set(allCodes)
const numbers: ReadonlyMap<number, Code> = new Map(allCodes.map((code) => [table[code].number, code]))

/**
 * Returns `true` when a name is that of a Winsock code.
 *
 * **Example** (Recognising a code)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.isCode("WSAEISCONN") // => true
 * WsaError.isCode("EISCONN") // => false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isCode = (name: string): name is Code => codes.has(name)

/**
 * Returns the code that has a number, if any has.
 *
 * **Example** (Reading a number)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.fromNumber(10061) // => "WSAECONNREFUSED"
 * WsaError.fromNumber(1) // => undefined
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const fromNumber = (number: number): Code | undefined => numbers.get(number)

/**
 * Returns `true` when a value is a Winsock error.
 *
 * **Example** (Telling our errors from others)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.isWsaError(WsaError.make("WSAEINTR", { call: "recv", stage: "receive" })) // => true
 * WsaError.isWsaError(new Error("no")) // => false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isWsaError = (u: unknown): u is WsaError => hasProperty(u, TypeId)

/**
 * Returns `true` when the same attempt may go well if it is made again a little later.
 *
 * **When to use**
 *
 * Use as the condition of a retry: `Effect.retry({ while: WsaError.isTransient, schedule })`.
 *
 * **Details**
 *
 * True of the classes `"transient"` and `"lookup-transient"`.
 *
 * **Example** (Retrying what may heal)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * let attempts = 0
 * const attempt = Effect.suspend(() =>
 *   ++attempts < 3
 *     ? Effect.fail(WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" }))
 *     : Effect.succeed("connected")
 * )
 * await Effect.runPromise(Effect.retry(attempt, { while: WsaError.isTransient, times: 5 })) // => "connected"
 * attempts // => 3
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isTransient = (error: { readonly retryClass: RetryClass }): boolean =>
  error.retryClass === "transient" || error.retryClass === "lookup-transient"

type ClassOf<T extends Code | "WsaUnmapped"> = T extends Code ? (typeof classes)[T] : typeof WsaUnmapped

/**
 * The type of `errorsOf(call)`: the union of the classes of everything a call can end with.
 *
 * @category models
 * @since 0.1.0
 */
export interface ErrorsOf<C extends Call> extends Schema.Union<ReadonlyArray<ClassOf<TagOf<C>>>> {}

const isOneOf = (calls: ReadonlyArray<Call>, call: Call): boolean => calls.includes(call)
const qosErrorCodes = allCodes.filter((code) => table[code].retryClass === "qos-error")

// What a call can end with, worked out once for all calls: forCall is on the way of every failure.
const allowed = new Map<Call, ReadonlySet<string>>(
  (Object.keys(callErrors) as Array<Call>).map((call) => [
    call,
    new Set<string>([...callErrors[call], ...(isOneOf(reachesQos, call) ? qosErrorCodes : [])])
  ])
)

const unions = new Map<Call, unknown>()

/**
 * Returns the schema of the errors that a call can end with: the union of their classes.
 *
 * **When to use**
 *
 * Use to send the failure of a call elsewhere as JSON, or to read one back.
 *
 * **Details**
 *
 * What is read back are instances of the classes, with real addresses in them. A code that the call cannot end with is
 * refused. The union is built at the first request and kept.
 *
 * **Example** (Sending a failure across JSON)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 * import { Schema } from "effect"
 *
 * const json = Schema.toCodecJson(WsaError.errorsOf("WSAConnect"))
 * const error = WsaError.make("WSAETIMEDOUT", { call: "WSAConnect", stage: "connect" })
 * const sent = Schema.encodeSync(json)(error)
 * sent // => { _tag: "WSAETIMEDOUT", number: 10060, call: "WSAConnect", stage: "connect" }
 * Schema.decodeUnknownSync(json)(sent) instanceof WsaError.WSAETIMEDOUT // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const errorsOf = <C extends Call>(call: C): ErrorsOf<C> => {
  let union = unions.get(call)
  if (union === undefined) {
    const members: Array<Schema.Top> = [...allowed.get(call)!].map((code) => classes[code as Code])
    if (isOneOf(reachesProvider, call)) members.push(WsaUnmapped)
    union = Schema.Union(members)
    unions.set(call, union)
  }
  return union as ErrorsOf<C>
}

const ErrorWithLimit = Error as { stackTraceLimit?: number | undefined }

// In hardened environments the property may be frozen; then errors carry a stack, which is slower and nothing worse.
const canLimit = (() => {
  const descriptor = Object.getOwnPropertyDescriptor(Error, "stackTraceLimit")
  if (descriptor === undefined) return Object.isExtensible(Error)
  return descriptor.writable ?? descriptor.set !== undefined
})()

// The instance is made by the constructor at the bottom of all schema errors, under the prototype of its own class:
// what the class's own constructor would add is a check of fields that the types have checked already.
const construct = (target: Function, value: object): object => {
  const limit = ErrorWithLimit.stackTraceLimit
  if (canLimit) ErrorWithLimit.stackTraceLimit = 0
  try {
    return Reflect.construct(Data.Error, [value], target)
  } finally {
    if (canLimit) ErrorWithLimit.stackTraceLimit = limit
  }
}

/**
 * What an unmapped error is made of, besides what every error is; other codes do not look at it.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnmappedDetails {
  /** The raw name, where it is not the `code` of the native words. */
  readonly code?: string | undefined
  /** The Winsock number, where there is one and the table does not have it. */
  readonly number?: number | undefined
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

const build = (
  tag: Code | "WsaUnmapped",
  call: Call,
  raw: string | undefined,
  details: Omit<Details, "call"> & UnmappedDetails
): WsaError => {
  const value: Mutable<Partial<Shape>> = { _tag: tag }
  const { attempts, by, cause, detail, head, local, native, path, remote, stage } = details
  if (tag === "WsaUnmapped") {
    const code = raw ?? native?.code ?? (native?.errno === undefined ? "UNKNOWN" : String(native.errno))
    const number = details.number ?? (isCode(code) ? table[code].number : undefined)
    value.code = code
    if (number !== undefined) value.number = number
  } else {
    value.number = table[tag].number
  }
  value.call = call
  value.stage = stage
  if (local !== undefined) value.local = local
  if (remote !== undefined) value.remote = remote
  if (native !== undefined) value.native = native
  if (detail !== undefined) value.detail = detail
  if (path !== undefined) value.path = path
  if (head !== undefined) value.head = head
  if (attempts !== undefined) value.attempts = attempts
  if (by !== undefined) value.by = by
  if (cause !== undefined) value.cause = cause
  return construct(tag === "WsaUnmapped" ? WsaUnmapped : classes[tag], value) as WsaError
}

/**
 * Makes the error of a code, without a stack trace.
 *
 * **When to use**
 *
 * Use where failures are expected and many: it takes a tenth of what `new WsaError.WSAECONNREFUSED(…)` takes, since it
 * formats no stack and does not check what the types have checked.
 *
 * **Details**
 *
 * A field that is `undefined` is left out. A `WsaUnmapped` takes its code from `code`, or from the native words, and its
 * number from the table if Winsock has a code of that name.
 *
 * **Example** (Making a refusal)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress, WsaError } from "@effect-winsock/core"
 *
 * const error = WsaError.make("WSAECONNREFUSED", {
 *   call: "WSAConnect",
 *   stage: "connect",
 *   remote: SocketAddress.fromInputUnsafe("127.0.0.1:1"),
 *   native: { code: "ECONNREFUSED", errno: -111, syscall: "connect" }
 * })
 * error.number // => 10061
 * error.message.startsWith("WSAConnect: WSAECONNREFUSED (10061): ") // => true
 * error.message.endsWith("[remote 127.0.0.1:1]; connect ECONNREFUSED (-111)") // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <C extends Code | "WsaUnmapped">(
  code: C,
  details: Details & UnmappedDetails
): Instance<C> => build(code, details.call, details.code, details) as Instance<C>

/**
 * Makes the error with which a call ends, of a type that the call can end with.
 *
 * **Details**
 *
 * A code that the call is not known to end with becomes a `WsaUnmapped` that carries it with its number: a caller who
 * handles every code of the type has handled everything, and nothing is lost.
 *
 * **Gotchas**
 *
 * A call that reaches no provider has no `WsaUnmapped` in its type. All its codes come from decisions of ours, so one
 * that its row lacks is a mistake here; it is still made a `WsaUnmapped`, and told apart by nobody.
 *
 * **Example** (Meeting a code that nobody expected)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.forCall("WSAConnect", "WSAENETUNREACH", { stage: "connect" })._tag // => "WSAENETUNREACH"
 * const error = WsaError.forCall("WSAConnect", "WSAELOOP", { stage: "connect" })
 * error._tag // => "WsaUnmapped"
 * error._tag === "WsaUnmapped" && error.code // => "WSAELOOP"
 * error.number // => 10062
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const forCall = <C extends Call>(
  call: C,
  code: Code | "WsaUnmapped",
  details: Omit<Details, "call"> & UnmappedDetails
): ErrorOf<C> => {
  const known = allowed.get(call)!.has(code)
  const raw = known || code === "WsaUnmapped" ? details.code : code
  return build(known ? code : "WsaUnmapped", call, raw, details) as ErrorOf<C>
}

/**
 * Makes the same error again, of the same class, with the attempts of the race that it is the failure of.
 *
 * **When to use**
 *
 * Use where addresses are tried in a way of your own; `HappyEyeballs.race` has done it already.
 *
 * **Details**
 *
 * Takes any error that was made as Effect makes them, by `Schema.TaggedError` or `Data.TaggedError`, so that what a step of
 * an attempt fails with carries the attempts too. It crosses JSON where the error's schema has such a field.
 *
 * **Example** (Telling what else was tried)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress, WsaError } from "@effect-winsock/core"
 *
 * const address = SocketAddress.fromInputUnsafe("127.0.0.1:1")
 * const refused = WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" })
 * const error = WsaError.withAttempts(refused, [
 *   { address, stage: "connect", code: "WSAECONNREFUSED", began: 0, ended: 1 }
 * ])
 * error instanceof WsaError.WSAECONNREFUSED // => true
 * error.attempts.length // => 1
 * refused.attempts // => undefined
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withAttempts = <E extends object>(
  error: E,
  attempts: ReadonlyArray<Attempt>
): E & { readonly attempts: ReadonlyArray<Attempt> } =>
  construct(error.constructor, { ...hidden(error), ...error, attempts }) as E & {
    readonly attempts: ReadonlyArray<Attempt>
  }

// What JavaScript keeps of an error where no spread finds it.
const hidden = (error: object): object =>
  Object.fromEntries(
    ["message", "cause"]
      .filter((name) => Object.hasOwn(error, name))
      .map((name) => [name, (error as { readonly [name: string]: unknown })[name]])
  )

/**
 * What has to be known of a failure, besides the stack's own words, to choose a code for it.
 *
 * **Details**
 *
 * `local` is the address that was bound or asked for explicitly, if any: its port decides whether "address in use"
 * means that this port is taken or that no port is left. `noSource` says that this machine has no address from which
 * the destination could be reached, which only the provider can know. `platform` is what `process.platform` says.
 *
 * @category models
 * @since 0.1.0
 */
export interface NativeContext {
  /** The step that failed. */
  readonly stage: Stage
  /** The family of the socket. */
  readonly family: SocketAddress.Family
  /** The type of the socket. */
  readonly type: "stream" | "datagram"
  /** The explicit local binding. */
  readonly local?: SocketAddress.SocketAddress | undefined
  /** The peer that was named. */
  readonly remote?: SocketAddress.SocketAddress | undefined
  /** `"linux"` unless said otherwise. */
  readonly platform?: string | undefined
  /** `true`: no address of this machine can be the source. */
  readonly noSource?: boolean | undefined
}

/**
 * One line of the table from native codes to Winsock codes.
 *
 * **Details**
 *
 * A line applies where the native name, the stage and the condition fit; of several the first one applies.
 *
 * @category models
 * @since 0.1.0
 */
export interface NativeRule {
  /** The names that the stack may use: of POSIX, of libuv or of Node. */
  readonly native: ReadonlyArray<string>
  /** The steps at which the stack says so. */
  readonly stages: ReadonlyArray<Stage>
  /** What else must hold. */
  readonly when?: (at: NativeContext) => boolean
  /** What it means. */
  readonly code: Code
  /** What brought it about where it was measured, or who documents it. */
  readonly cause: string
}

const isUnix = (at: NativeContext): boolean => at.family === "Unix"
const isDatagram = (at: NativeContext): boolean => at.type === "datagram"
const isWindows = (at: NativeContext): boolean => at.platform === "win32"
const namesPort = (at: NativeContext): boolean => at.local !== undefined && (SocketAddress.portOf(at.local) ?? 0) !== 0
const familiesDiffer = (at: NativeContext): boolean =>
  [at.local, at.remote].some((address) => address !== undefined && SocketAddress.familyOf(address) !== at.family)
const isLinkLocal = (address: SocketAddress.SocketAddress | undefined): boolean =>
  address?._tag === "InetAddressV6" && NetAddress.isLinkLocal(address.address)
const isLoopback = (address: SocketAddress.SocketAddress | undefined): boolean =>
  address !== undefined && address._tag !== "UnixPathAddress" &&
  NetAddress.isLoopback(NetAddress.toCanonical(address.address))
const isLoopbackToElsewhere = (at: NativeContext): boolean =>
  isLoopback(at.local) && at.remote !== undefined && !isLoopback(at.remote)

/**
 * The table from what a stack says to Winsock codes, with the cause of each line.
 *
 * **Details**
 *
 * Lines for one name stand in the order in which they are tried. A name that no line of its stage knows is taken by
 * its own name: `EISCONN` is `WSAEISCONN` wherever it appears. The causes are those that were provoked on Linux with
 * Node 24, unless a line says that it rests on documentation.
 *
 * **Example** (Listing what a full backlog can look like)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * const rule = WsaError.nativeRules.find(({ cause }) => cause.includes("backlog"))
 * rule?.native.includes("EAGAIN") // => true
 * rule?.code // => "WSAECONNREFUSED"
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
// dprint-ignore
export const nativeRules: ReadonlyArray<NativeRule> = [
  // ── a name that means several things ─────────────────────────────────────────────────────────────────────────────

  // EINVAL
  { native: ["EINVAL", "ENAMETOOLONG"], stages: ["bind", "connect"], when: isUnix, code: "WSAEFAULT",
    cause: "the path is too long, or holds a NUL" },
  { native: ["EINVAL"], stages: ["bind", "connect", "send"], when: familiesDiffer, code: "WSAEAFNOSUPPORT",
    cause: "the address is of another family than the socket" },
  { native: ["EINVAL"], stages: ["connect", "send"], when: (at) => isLinkLocal(at.remote), code: "WSAEADDRNOTAVAIL",
    cause: "a link-local peer without a scope, or with one that no interface has" },
  { native: ["EINVAL", "ENODEV"], stages: ["bind"], when: (at) => isLinkLocal(at.local), code: "WSAEADDRNOTAVAIL",
    cause: "a link-local address without a scope, or with one that no interface has" },
  { native: ["EINVAL"], stages: ["connect", "send"], when: isLoopbackToElsewhere, code: "WSAEADDRNOTAVAIL",
    cause: "bound to loopback, but the peer is elsewhere" },
  { native: ["EINVAL"], stages: ["connect"], when: (at) => !isWindows(at), code: "WSAENETUNREACH",
    cause: "the route to the peer is a black hole" },
  { native: ["EINVAL"], stages: ["send"], when: (at) => isDatagram(at) && !isWindows(at), code: "WSAENETUNREACH",
    cause: "the route to the peer is a black hole" },
  { native: ["EINVAL"], stages: ["bind", "listen", "accept", "shutdown", "option"], code: "WSAEINVAL",
    cause: "the socket is in no state for it, or the value is out of range" },

  // addresses in use, ports used up
  { native: ["EADDRINUSE"], stages: ["bind", "listen"], when: (at) => isUnix(at) || namesPort(at), code: "WSAEADDRINUSE",
    cause: "the port is taken; the path exists" },
  { native: ["EADDRINUSE"], stages: ["bind", "listen"], code: "WSAENOBUFS",
    cause: "no port was named and none is left" },
  { native: ["EADDRINUSE", "EADDRNOTAVAIL"], stages: ["connect"], when: namesPort, code: "WSAEADDRINUSE",
    cause: "the same two addresses are connected already, or the local one is taken" },
  { native: ["EADDRNOTAVAIL"], stages: ["connect"], when: (at) => at.noSource === true || isWindows(at), code: "WSAEADDRNOTAVAIL",
    cause: "this machine has no address from which the peer could be reached: IPv6 is off, or has no ::1" },
  { native: ["EADDRINUSE", "EADDRNOTAVAIL"], stages: ["connect"], when: (at) => !isWindows(at), code: "WSAENOBUFS",
    cause: "every port towards this peer is used up" },
  { native: ["EADDRNOTAVAIL"], stages: ["bind", "listen", "send"], code: "WSAEADDRNOTAVAIL",
    cause: "the address is not one of this machine" },

  // EAGAIN
  { native: ["EAGAIN", "EWOULDBLOCK"], stages: ["connect"], when: isUnix, code: "WSAECONNREFUSED",
    cause: "the backlog of the listener is full" },
  { native: ["EAGAIN", "EWOULDBLOCK"], stages: ["connect"], when: (at) => !isWindows(at), code: "WSAENOBUFS",
    cause: "no port is left: a datagram connect says it like this" },
  { native: ["EAGAIN", "EWOULDBLOCK"], stages: ["connect", "accept", "send", "receive"], code: "WSAEWOULDBLOCK",
    cause: "it cannot be done at once" },

  // ── what a connect meets ─────────────────────────────────────────────────────────────────────────────────────────
  { native: ["ENOENT", "ENOTDIR", "ELOOP"], stages: ["connect"], when: isUnix, code: "WSAECONNREFUSED",
    cause: "the path leads to nothing" },
  { native: ["ECONNREFUSED"], stages: ["connect"], code: "WSAECONNREFUSED",
    cause: "a closed port, a firewall that resets, a path that nobody serves" },
  { native: ["ETIMEDOUT", "ERR_SOCKET_CONNECTION_TIMEOUT"], stages: ["connect"], code: "WSAETIMEDOUT",
    cause: "nothing came back for as long as the stack tries" },
  { native: ["ENETUNREACH"], stages: ["connect", "send", "receive"], code: "WSAENETUNREACH",
    cause: "no route, an interface that is down, or a router said so (ICMP 3/0, 6, 9, 11)" },
  { native: ["ENOPROTOOPT"], stages: ["connect"], code: "WSAENETUNREACH",
    cause: "the peer said that it has no such protocol (ICMP 3/2)" },
  { native: ["EHOSTUNREACH"], stages: ["connect", "send", "receive"], code: "WSAEHOSTUNREACH",
    cause: "no neighbour answers, or a router said so (ICMP 3/1, 10, 12 to 15)" },
  { native: ["ENONET"], stages: ["connect", "send", "receive"], code: "WSAEHOSTUNREACH",
    cause: "a router said that the peer is isolated (ICMP 3/8)" },
  { native: ["ENOTSUP", "EOPNOTSUPP"], stages: ["connect"], code: "WSAEHOSTUNREACH",
    cause: "a source route failed (ICMP 3/5)" },
  { native: ["EHOSTDOWN"], stages: ["send", "receive"], when: isDatagram, code: "WSAEHOSTUNREACH",
    cause: "a router does not know the peer (ICMP 3/7)" },
  { native: ["EHOSTDOWN"], stages: ["connect"], code: "WSAEHOSTDOWN",
    cause: "a router does not know the peer (ICMP 3/7)" },
  { native: ["ENETDOWN"], stages: ["bind", "connect", "listen", "send", "receive"], code: "WSAENETDOWN",
    cause: "documented by Linux for an interface that is down; measured, one gives ENETUNREACH" },
  { native: ["EPROTOTYPE"], stages: ["open", "connect"], code: "WSAEPROTOTYPE",
    cause: "the path is served by a socket of another type" },
  { native: ["EALREADY"], stages: ["connect"], code: "WSAEALREADY",
    cause: "an earlier attempt is pending" },
  { native: ["EISCONN", "ERR_SOCKET_DGRAM_IS_CONNECTED"], stages: ["connect", "send"], code: "WSAEISCONN",
    cause: "the socket is connected" },
  { native: ["EAFNOSUPPORT"], stages: ["open", "bind", "connect", "send"], code: "WSAEAFNOSUPPORT",
    cause: "the machine has no such family, or the address is of another one" },
  { native: ["EACCES", "EPERM"], stages: ["bind", "connect", "send"], code: "WSAEACCES",
    cause: "a prohibiting route, a broadcast without leave, a privileged port, a path that may not be used, a firewall" },

  // ── what a bind meets ────────────────────────────────────────────────────────────────────────────────────────────
  { native: ["ENOENT", "ENOTDIR", "EROFS"], stages: ["bind"], when: isUnix, code: "WSAEACCES",
    cause: "no socket can be made at this path: libuv says EACCES itself where the directory is missing" },
  { native: ["ERR_SOCKET_ALREADY_BOUND"], stages: ["bind"], code: "WSAEINVAL",
    cause: "bound twice" },

  // ── what runs out ────────────────────────────────────────────────────────────────────────────────────────────────
  { native: ["EMFILE", "ENFILE"], stages: ["open", "listen", "accept"], code: "WSAEMFILE",
    cause: "no descriptor is left" },
  { native: ["EMFILE", "ENFILE"], stages: ["bind", "connect", "send"], code: "WSAENOBUFS",
    cause: "no descriptor is left; these calls have no WSAEMFILE" },
  { native: ["ENOBUFS", "ENOMEM"], stages: ["open", "bind", "connect", "listen", "accept", "send", "receive", "option"], code: "WSAENOBUFS",
    cause: "documented: no memory or no buffers are left" },

  // ── what a connection meets ──────────────────────────────────────────────────────────────────────────────────────
  { native: ["ECONNREFUSED"], stages: ["send", "receive"], when: isDatagram, code: "WSAECONNRESET",
    cause: "an earlier datagram met a dead port (ICMP 3/3)" },
  { native: ["ENOPROTOOPT"], stages: ["send", "receive"], when: isDatagram, code: "WSAENETUNREACH",
    cause: "the peer said that it has no such protocol (ICMP 3/2)" },
  { native: ["ECONNRESET"], stages: ["connect", "send", "receive", "shutdown"], code: "WSAECONNRESET",
    cause: "the peer reset the connection, or closed it with bytes unread" },
  { native: ["ECONNABORTED"], stages: ["connect", "send", "receive", "shutdown"], code: "WSAECONNABORTED",
    cause: "this machine dropped the connection" },
  { native: ["EPIPE"], stages: ["send", "shutdown"], when: isWindows, code: "WSAESHUTDOWN",
    cause: "what libuv on Windows makes of WSAESHUTDOWN" },
  { native: ["EPIPE"], stages: ["send", "shutdown"], code: "WSAECONNABORTED",
    cause: "a write after the connection was gone" },
  { native: ["ETIMEDOUT"], stages: ["send", "receive", "shutdown"], code: "WSAETIMEDOUT",
    cause: "keep-alive, retransmission or the user time-out gave up" },
  { native: ["ENETRESET"], stages: ["send", "receive"], code: "WSAENETRESET",
    cause: "documented by Windows: keep-alive gave up" },
  { native: ["EMSGSIZE"], stages: ["send", "receive"], code: "WSAEMSGSIZE",
    cause: "a datagram too long for the socket or for the path (ICMP 3/4)" },
  { native: ["ENOTCONN", "EDESTADDRREQ", "ERR_SOCKET_CLOSED", "ERR_SOCKET_DGRAM_NOT_CONNECTED"], stages: ["connect", "send", "receive", "shutdown"], code: "WSAENOTCONN",
    cause: "the socket is not connected" },
  { native: ["ESHUTDOWN"], stages: ["send", "receive"], code: "WSAESHUTDOWN",
    cause: "documented: this direction has been shut down" },
  { native: ["EINTR", "ECANCELED"], stages: ["connect", "accept", "send", "receive"], code: "WSAEINTR",
    cause: "the operation was cancelled" },

  // ── what an option meets ─────────────────────────────────────────────────────────────────────────────────────────
  { native: ["EBADF", "ERR_OUT_OF_RANGE", "ERR_SOCKET_BUFFER_SIZE"], stages: ["option"], code: "WSAEINVAL",
    cause: "the socket has no descriptor yet, or the value is out of range" },
  { native: ["ENOPROTOOPT"], stages: ["option"], code: "WSAENOPROTOOPT",
    cause: "the stack does not know the option" },
  { native: ["ENOTSUP", "EOPNOTSUPP", "ENOSYS"], stages: ["open", "listen", "accept", "send", "receive", "option"], code: "WSAEOPNOTSUPP",
    cause: "the socket cannot do it" },
  { native: ["EPROTONOSUPPORT"], stages: ["open"], code: "WSAEPROTONOSUPPORT",
    cause: "documented: the family has no such protocol" },
  { native: ["ESOCKTNOSUPPORT"], stages: ["open"], code: "WSAESOCKTNOSUPPORT",
    cause: "documented: the family has no such type" },

  // ── what any step can meet ───────────────────────────────────────────────────────────────────────────────────────
  { native: ["EBADF", "ENOTSOCK", "ERR_SOCKET_DGRAM_NOT_RUNNING", "ERR_INVALID_FD_TYPE"], stages, code: "WSAENOTSOCK",
    cause: "the descriptor is closed, or no socket" },
  { native: ["EFAULT", "ERR_SOCKET_BAD_PORT", "ERR_INVALID_ARG_TYPE", "ERR_INVALID_ARG_VALUE"], stages, code: "WSAEFAULT",
    cause: "an argument that the stack cannot read: port 65536, a NUL in a host" },

  // ── what a name server answers ───────────────────────────────────────────────────────────────────────────────────
  { native: ["ENOTFOUND", "ENOENT"], stages: ["resolve"], code: "WSAHOST_NOT_FOUND",
    cause: "there is no such host" },
  { native: ["ENODATA", "EAI_ADDRFAMILY"], stages: ["resolve"], code: "WSANO_DATA",
    cause: "documented: the host has no address of this family" },
  { native: ["ESERVFAIL", "ETIMEOUT"], stages: ["resolve"], code: "WSATRY_AGAIN",
    cause: "documented: the name server did not answer, or could not" },
  ...resolverRules()
]

// getaddrinfo's own names stand in the table of codes.
function resolverRules(): ReadonlyArray<NativeRule> {
  return allCodes.flatMap((code) => {
    const { libuvGetaddrinfo, posix } = table[code]
    const name = libuvGetaddrinfo ?? (posix?.startsWith("EAI_") ? posix : null)
    return name === null ? [] : [{ native: [name], stages: ["resolve"], code, cause: "getaddrinfo says so" }]
  })
}

const rulesByName = (() => {
  const byName = new Map<string, Array<NativeRule>>()
  for (const rule of nativeRules) {
    for (const name of rule.native) {
      const rules = byName.get(name)
      if (rules === undefined) byName.set(name, [rule])
      else rules.push(rule)
    }
  }
  return byName as ReadonlyMap<string, ReadonlyArray<NativeRule>>
})()

const stagesOf = new Map<NativeRule, ReadonlySet<Stage>>(nativeRules.map((rule) => [rule, new Set(rule.stages)]))

// What a name means at a stage that has no line for it, where Winsock has no code of that name or another is meant.
const generally: ReadonlyMap<string, Code> = new Map<string, Code>([
  ["EAGAIN", "WSAEWOULDBLOCK"],
  ["ECANCELED", "WSAEINTR"],
  ["EMFILE", "WSAENOBUFS"],
  ["ENFILE", "WSAENOBUFS"],
  ["ENOMEM", "WSAENOBUFS"],
  ["ENONET", "WSAEHOSTUNREACH"],
  ["ENOSYS", "WSAEOPNOTSUPP"],
  ["ENOTSUP", "WSAEOPNOTSUPP"],
  ["EPERM", "WSAEACCES"],
  ["EPIPE", "WSAECONNABORTED"],
  ["ERR_SOCKET_CLOSED", "WSAENOTCONN"],
  ["ERR_SOCKET_DGRAM_NOT_CONNECTED", "WSAENOTCONN"]
])

const byName = (name: string, at: NativeContext): Code | "WsaUnmapped" | undefined => {
  const rules = rulesByName.get(name)
  if (rules !== undefined) {
    for (const rule of rules) {
      if (stagesOf.get(rule)!.has(at.stage) && (rule.when === undefined || rule.when(at))) return rule.code
    }
  }
  const general = generally.get(name)
  if (general !== undefined) return general
  // The same name, or Winsock's own: what a provider over ws2_32 says needs no translation.
  const same = `WSA${name}`
  if (isCode(same)) return same
  if (isCode(name)) return name
  return undefined
}

// Names that no row of the table bears, by number: Linux, BSD, libuv on Windows.
// dprint-ignore
const moreErrnos: ReadonlyArray<readonly [name: string, linux: number, bsd: number | null, libuvWindows: number]> = [
  ["EPERM", 1, 1, -4048], ["ENOENT", 2, 2, -4058], ["ENOMEM", 12, 12, -4057], ["ENODEV", 19, 19, -4059],
  ["ENOTDIR", 20, 20, -4052], ["ENFILE", 23, 23, -4061], ["EROFS", 30, 30, -4043], ["EPIPE", 32, 32, -4047],
  ["ENOSYS", 38, 78, -4054], ["ECANCELED", 125, 89, -4081], ["ENONET", 64, null, -4056]
]

const errnoNames = (() => {
  const linux = new Map<number, string>()
  const bsd = new Map<number, string>()
  const libuvWindows = new Map<number, string>()
  for (const [name, ...errnos] of moreErrnos) {
    linux.set(errnos[0], name)
    if (errnos[1] !== null) bsd.set(errnos[1], name)
    libuvWindows.set(errnos[2], name)
  }
  for (const code of allCodes) {
    const row = table[code]
    // Several codes share a number: the one that is named after it gives it its name.
    if (row.posix !== null && code === `WSA${row.posix}`) {
      if (row.linuxErrno !== null) linux.set(row.linuxErrno, row.posix)
      if (row.bsdErrno !== null) bsd.set(row.bsdErrno, row.posix)
    }
    if (row.libuvWindows !== "UNKNOWN") libuvWindows.set(row.libuvWindowsNumber, row.libuvWindows)
  }
  return { linux, bsd, libuvWindows }
})()

const bsds: ReadonlySet<string | undefined> = new Set(["darwin", "freebsd", "openbsd", "netbsd"])

const errnoName = (errno: number, platform: string | undefined): string | undefined => {
  if (errno <= -4000) return errnoNames.libuvWindows.get(errno)
  // Winsock's own numbers begin at 10000, where no other stack has any.
  if (errno >= 10000 || (errno > 0 && platform === "win32")) return fromNumber(errno)
  return (bsds.has(platform) ? errnoNames.bsd : errnoNames.linux).get(Math.abs(errno))
}

/**
 * Chooses the Winsock code for what the stack below said.
 *
 * **When to use**
 *
 * Use in a provider, to turn an error of its stack into a `Failure`.
 *
 * **Details**
 *
 * Goes by the name, as `nativeRules` has it for the stage; by the number where there is no name, or one that only says
 * that it is unknown. What neither knows is `"WsaUnmapped"`: the error then carries the stack's words as they are.
 * Pure and total: any name and any number will do.
 *
 * **Gotchas**
 *
 * `local` must be the binding that somebody asked for, not the one that the stack chose: with the chosen port in it,
 * ports that are used up would look like a port that is taken.
 *
 * **Example** (Telling two meanings of one errno apart)
 *
 * ```ts import.meta.vitest
 * import { SocketAddress, WsaError } from "@effect-winsock/core"
 *
 * const at = { stage: "connect", family: "IPv4", type: "stream" } as const
 * const local = SocketAddress.fromInputUnsafe("127.0.0.1:4000")
 * WsaError.fromNative({ code: "EADDRNOTAVAIL" }, at) // => "WSAENOBUFS"
 * WsaError.fromNative({ code: "EADDRNOTAVAIL" }, { ...at, local }) // => "WSAEADDRINUSE"
 * WsaError.fromNative({ errno: -111 }, at) // => "WSAECONNREFUSED"
 * WsaError.fromNative({ code: "EWEIRD" }, at) // => "WsaUnmapped"
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const fromNative = (native: Native, at: NativeContext): Code | "WsaUnmapped" => {
  const { code, errno } = native
  const named = code !== undefined && code !== "UNKNOWN" && !code.startsWith("Unknown system error")
  const name = named ? code : errno === undefined ? undefined : errnoName(errno, at.platform)
  return name === undefined ? "WsaUnmapped" : byName(name, at) ?? "WsaUnmapped"
}

/**
 * Returns the codes that a stack is known to bring about at a stage.
 *
 * **When to use**
 *
 * Use to check that every code of a call has a cause: in a decision of ours, or in what a provider says.
 *
 * **Details**
 *
 * Read off `nativeRules`. `fromNative` can yield more, since it takes a name that no line has for the stage at its
 * word.
 *
 * **Example** (Asking where descriptors run out)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.nativeCodes("accept").has("WSAEMFILE") // => true
 * WsaError.nativeCodes("connect").has("WSAEMFILE") // => false
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const nativeCodes = (stage: Stage): ReadonlySet<Code> =>
  new Set(nativeRules.filter((rule) => rule.stages.includes(stage)).map((rule) => rule.code))

// ── the classes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * An event object that is closed, or that no `WSACreateEvent` of this instance made.
 *
 * **Details**
 *
 * Number 6, `EBADF` in POSIX, retry class `"defect"`. The calls on event objects end with it: `WSASetEvent`,
 * `WSAResetEvent`, `WSACloseEvent`, `WSAWaitForMultipleEvents`, and `WSAEnumNetworkEvents` when an event object is
 * handed to it (A19).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_INVALID_HANDLE.number // => 6
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_INVALID_HANDLE extends define<WSA_INVALID_HANDLE>()("WSA_INVALID_HANDLE") {}

/**
 * The machine has no memory left for what was asked.
 *
 * **Details**
 *
 * Number 8, `ENOMEM` in POSIX, retry class `"resource"`. No call ends with it by itself: a lookup whose stack says
 * `EAI_MEMORY` brings it up, inside a `WsaUnmapped`. Out of memory at any other step is `WSAENOBUFS`.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_NOT_ENOUGH_MEMORY.number // => 8
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_NOT_ENOUGH_MEMORY extends define<WSA_NOT_ENOUGH_MEMORY>()("WSA_NOT_ENOUGH_MEMORY") {}

/**
 * An argument that lies outside what the call accepts.
 *
 * **Details**
 *
 * Number 87, `EINVAL` in POSIX, retry class `"defect"`. `WSAWaitForMultipleEvents` ends with it for a list of events
 * that is empty or too long (A19).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_INVALID_PARAMETER.number // => 87
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_INVALID_PARAMETER extends define<WSA_INVALID_PARAMETER>()("WSA_INVALID_PARAMETER") {}

/**
 * An overlapped operation that was cancelled because its socket was closed.
 *
 * **Details**
 *
 * Number 995, `ECANCELED` in POSIX, retry class `"interrupt"`. No call here ends with it: a call that is pending while
 * its socket is closed ends with `WSAEINTR` (E04, A11). A provider over native overlapped operations may say it.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_OPERATION_ABORTED.number // => 995
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_OPERATION_ABORTED extends define<WSA_OPERATION_ABORTED>()("WSA_OPERATION_ABORTED") {}

/**
 * An overlapped operation that has not finished yet.
 *
 * **Details**
 *
 * Number 996, no name in POSIX, retry class `"pending"`. No call here ends with it: a call that waits suspends its
 * fiber instead.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_IO_INCOMPLETE.number // => 996
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_IO_INCOMPLETE extends define<WSA_IO_INCOMPLETE>()("WSA_IO_INCOMPLETE") {}

/**
 * An overlapped operation that has begun and will finish later.
 *
 * **Details**
 *
 * Number 997, `EINPROGRESS` in POSIX, retry class `"pending"`. No call here ends with it: on a non-blocking socket the
 * word for it is `WSAEWOULDBLOCK`.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_IO_PENDING.number // => 997
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_IO_PENDING extends define<WSA_IO_PENDING>()("WSA_IO_PENDING") {}

/**
 * A waiting call that was cancelled from elsewhere.
 *
 * **Details**
 *
 * Number 10004, `EINTR` in POSIX, retry class `"interrupt"`. A blocking call ends with it when `WSACancelBlockingCall`
 * cancels it, which only a version 1.1 instance can do, and in every version when its socket is closed while it waits
 * (E04, A11). Interrupting a fiber is another thing: that stays an interruption and becomes no error.
 *
 * **Example** (Handling a cancelled wait)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const cancelled = Effect.fail(WsaError.make("WSAEINTR", { call: "recv", stage: "request" }))
 * const program = Effect.catchTag(cancelled, "WSAEINTR", () => Effect.succeed("nobody waits any more"))
 * await Effect.runPromise(program) // => "nobody waits any more"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEINTR extends define<WSAEINTR>()("WSAEINTR") {}

/**
 * A descriptor that is not open.
 *
 * **Details**
 *
 * Number 10009, `EBADF` in POSIX, retry class `"defect"`. No call ends with it: whatever is wrong with a descriptor is
 * `WSAENOTSOCK` here, also when the stack says `EBADF` (E15).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEBADF.number // => 10009
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEBADF extends define<WSAEBADF>()("WSAEBADF") {}

/**
 * Something forbids what was asked: the machine, its policy, or an option that has to be set first.
 *
 * **Details**
 *
 * Number 10013, `EACCES` in POSIX, retry class `"policy"`. A datagram socket that connects or sends to a broadcast
 * address without `SO_BROADCAST` (E20, R10); a bind to a privileged port or a path that may not be used; a route or
 * firewall of this machine that prohibits the peer; `WSAAccept` where the caller has gone while the condition ran
 * (A07).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEACCES.number // => 10013
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEACCES extends define<WSAEACCES>()("WSAEACCES") {}

/**
 * An argument that cannot be read as what the call needs: where C has a bad pointer, this has a value that does not
 * decode.
 *
 * **Details**
 *
 * Number 10014, `EFAULT` in POSIX, retry class `"defect"`. An address that is malformed, a callee capacity or a quality
 * of service that does not decode, caller data that is larger than the provider carries (E10). The `detail` says which
 * part, and what would be right.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEFAULT.number // => 10014
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEFAULT extends define<WSAEFAULT>()("WSAEFAULT") {}

/**
 * The socket is in no state for the call, or an argument makes no sense for it.
 *
 * **Details**
 *
 * Number 10022, `EINVAL` in POSIX, retry class `"defect"`. Connecting a listening socket, or a destination that does
 * not agree with the constrained group of the socket (E11); binding twice (A02); listening, or receiving a datagram,
 * before the socket is bound (A05, A09); asking an unbound socket for its name (A03).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEINVAL.number // => 10022
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEINVAL extends define<WSAEINVAL>()("WSAEINVAL") {}

/**
 * The process has no descriptor left for another socket.
 *
 * **Details**
 *
 * Number 10024, `EMFILE` in POSIX, retry class `"resource"`. `socket`, `listen` and `accept` end with it. At a bind or
 * a connect the same shortage is `WSAENOBUFS` (E14).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEMFILE.number // => 10024
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEMFILE extends define<WSAEMFILE>()("WSAEMFILE") {}

/**
 * Nothing has failed: the socket does not block, and the answer is not there yet.
 *
 * **Details**
 *
 * Number 10035, `EWOULDBLOCK` in POSIX, retry class `"pending"`. A connect on a non-blocking socket that cannot
 * complete at once: the attempt goes on, and `select`, `WSAEventSelect` or `WSAAsyncSelect` tell when it is over (R23,
 * R24, E19). Likewise `accept`, `send` and `recv` when there is nothing to accept, no room, or nothing to read.
 *
 * **Example** (Telling a pending connect from a failed one)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const begun = Effect.fail(WsaError.make("WSAEWOULDBLOCK", { call: "WSAConnect", stage: "connect" }))
 * await Effect.runPromise(Effect.catchTag(begun, "WSAEWOULDBLOCK", () => Effect.succeed("pending"))) // => "pending"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEWOULDBLOCK extends define<WSAEWOULDBLOCK>()("WSAEWOULDBLOCK") {}

/**
 * Another call of the instance is still running, and it does not allow this one beside it.
 *
 * **Details**
 *
 * Number 10036, `EINPROGRESS` in POSIX, retry class `"pending"`. In a version 1.1 instance, which has one blocking call
 * at a time whichever fiber made it; and in every version, a call made from inside an accept condition (E05).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEINPROGRESS.number // => 10036
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEINPROGRESS extends define<WSAEINPROGRESS>()("WSAEINPROGRESS") {}

/**
 * An attempt to connect is still under way on this socket.
 *
 * **Details**
 *
 * Number 10037, `EALREADY` in POSIX, retry class `"defect"`. Connecting again before the first attempt is over (R25,
 * E06), and `connectResult` as long as there is no result (R14). It is about the socket, not about the peer: the
 * pending attempt goes on undisturbed.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEALREADY.number // => 10037
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEALREADY extends define<WSAEALREADY>()("WSAEALREADY") {}

/**
 * The handle is no open socket of this instance.
 *
 * **Details**
 *
 * Number 10038, `ENOTSOCK` in POSIX, retry class `"defect"`. Every call on a socket that is closed, whose scope is
 * over, that belongs to another instance, or that was made before the instance was started anew (E15, A11, A21). It is
 * looked at before anything else about the socket.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAENOTSOCK.number // => 10038
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENOTSOCK extends define<WSAENOTSOCK>()("WSAENOTSOCK") {}

/**
 * A destination is needed, and none was given.
 *
 * **Details**
 *
 * Number 10039, `EDESTADDRREQ` in POSIX, retry class `"defect"`. No call ends with it: sending on a datagram socket
 * without a destination is `WSAENOTCONN` (A09), also when the stack says `EDESTADDRREQ` (T28).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEDESTADDRREQ.number // => 10039
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEDESTADDRREQ extends define<WSAEDESTADDRREQ>()("WSAEDESTADDRREQ") {}

/**
 * A datagram that is larger than what it has to fit in.
 *
 * **Details**
 *
 * Number 10040, `EMSGSIZE` in POSIX, retry class `"defect"`. `send` and `sendto` for a datagram longer than
 * `SO_MAX_MSG_SIZE`, of which nothing is sent; `recv` and `recvfrom` for one longer than the buffer, whose head is
 * delivered all the same (A09).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEMSGSIZE.number // => 10040
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEMSGSIZE extends define<WSAEMSGSIZE>()("WSAEMSGSIZE") {}

/**
 * The protocol, or the peer, does not fit the type of the socket.
 *
 * **Details**
 *
 * Number 10041, `EPROTOTYPE` in POSIX, retry class `"defect"`. `socket` for a protocol that goes with another type
 * (A01); a connect to a Unix-domain path that a socket of another type serves.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEPROTOTYPE.number // => 10041
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEPROTOTYPE extends define<WSAEPROTOTYPE>()("WSAEPROTOTYPE") {}

/**
 * An option that is unknown, or not one of this kind of socket.
 *
 * **Details**
 *
 * Number 10042, `ENOPROTOOPT` in POSIX, retry class `"defect"`. `getsockopt` and `setsockopt`, also for options that
 * the provider cannot set, which its capabilities say beforehand (A14).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAENOPROTOOPT.number // => 10042
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENOPROTOOPT extends define<WSAENOPROTOOPT>()("WSAENOPROTOOPT") {}

/**
 * The protocol is not supported, or connect data on it is not.
 *
 * **Details**
 *
 * Number 10043, `EPROTONOSUPPORT` in POSIX, retry class `"unsupported"`. `socket` for a protocol that is unknown (A01).
 * `WSAConnect` with caller data where the provider carries none, and any connect whose peer does not speak the exchange of
 * the layer's `ConnectData` (E17).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEPROTONOSUPPORT.number // => 10043
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEPROTONOSUPPORT extends define<WSAEPROTONOSUPPORT>()("WSAEPROTONOSUPPORT") {}

/**
 * Sockets of this type are not supported.
 *
 * **Details**
 *
 * Number 10044, `ESOCKTNOSUPPORT` in POSIX, retry class `"unsupported"`. `socket` and `WSASocket` for an unknown type
 * (A01).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAESOCKTNOSUPPORT.number // => 10044
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAESOCKTNOSUPPORT extends define<WSAESOCKTNOSUPPORT>()("WSAESOCKTNOSUPPORT") {}

/**
 * This socket, or this provider, cannot do what was asked of it.
 *
 * **Details**
 *
 * Number 10045, `EOPNOTSUPP` in POSIX, retry class `"unsupported"`. `WSAConnect` with a quality of service that cannot
 * be honoured, after which the socket is as it was before (R16, E16); `listen` and `accept` on a datagram socket (A05,
 * A06); an unknown `WSAIoctl` (A16); `WSACancelBlockingCall` in a version 2 instance (E04).
 *
 * **Example** (Doing without what cannot be had)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const guaranteed = Effect.fail(WsaError.make("WSAEOPNOTSUPP", { call: "WSAConnect", stage: "request" }))
 * const program = Effect.catchTag(guaranteed, "WSAEOPNOTSUPP", () => Effect.succeed("best effort"))
 * await Effect.runPromise(program) // => "best effort"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEOPNOTSUPP extends define<WSAEOPNOTSUPP>()("WSAEOPNOTSUPP") {}

/**
 * A protocol family that is not supported.
 *
 * **Details**
 *
 * Number 10046, `EPFNOSUPPORT` in POSIX, retry class `"unsupported"`. No call ends with it: a family that cannot be
 * used is `WSAEAFNOSUPPORT` here (E08, A01).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEPFNOSUPPORT.number // => 10046
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEPFNOSUPPORT extends define<WSAEPFNOSUPPORT>()("WSAEPFNOSUPPORT") {}

/**
 * Addresses of this family cannot be used with this socket.
 *
 * **Details**
 *
 * Number 10047, `EAFNOSUPPORT` in POSIX, retry class `"unsupported"`. A bind or connect whose address is of another
 * family than the socket (E08, A02), and `socket` for a family that is unknown or that the machine does not have (A01).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEAFNOSUPPORT.number // => 10047
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEAFNOSUPPORT extends define<WSAEAFNOSUPPORT>()("WSAEAFNOSUPPORT") {}

/**
 * The local address is taken.
 *
 * **Details**
 *
 * Number 10048, `EADDRINUSE` in POSIX, retry class `"local-address"`. A bind to a port, or a path, that another socket
 * has, also where the stack below would let both in (A02, E03); a connect whose bind was put off until then, or whose
 * two addresses are connected already (T21). Where no port was named and none is left it is `WSAENOBUFS`.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEADDRINUSE.number // => 10048
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEADDRINUSE extends define<WSAEADDRINUSE>()("WSAEADDRINUSE") {}

/**
 * An address that cannot be used from this machine.
 *
 * **Details**
 *
 * Number 10049, `EADDRNOTAVAIL` in POSIX, retry class `"address"`. A stream connect to an all-zero address or to port 0
 * (R03, E07), where Linux would connect to loopback or be refused (T1, T2); a bind to an address that is not one of
 * this machine (A02); a link-local peer without its scope; a peer elsewhere from a socket that is bound to loopback
 * (T40).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEADDRNOTAVAIL.number // => 10049
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEADDRNOTAVAIL extends define<WSAEADDRNOTAVAIL>()("WSAEADDRNOTAVAIL") {}

/**
 * The network of this machine has failed.
 *
 * **Details**
 *
 * Number 10050, `ENETDOWN` in POSIX, retry class `"transient"`. Every call, for as long as the provider says that its
 * network is down (E02). It is looked at right after whether Winsock is started.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAENETDOWN.number // => 10050
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENETDOWN extends define<WSAENETDOWN>()("WSAENETDOWN") {}

/**
 * No route leads to the network of the peer.
 *
 * **Details**
 *
 * Number 10051, `ENETUNREACH` in POSIX, retry class `"transient"`. A connect or a send, when this machine has no route
 * or a router on the way says that it has none (E13). The same socket may be connected again (R26).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAENETUNREACH.number // => 10051
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENETUNREACH extends define<WSAENETUNREACH>()("WSAENETUNREACH") {}

/**
 * Keep-alive found that the connection is dead and dropped it.
 *
 * **Details**
 *
 * Number 10052, `ENETRESET` in POSIX, retry class `"transient"`. `send` and `recv` on a connection whose peer no longer
 * answers; Linux says `WSAETIMEDOUT` for the same thing. The socket is broken for good (R21).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAENETRESET.number // => 10052
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENETRESET extends define<WSAENETRESET>()("WSAENETRESET") {}

/**
 * This machine has given the connection up.
 *
 * **Details**
 *
 * Number 10053, `ECONNABORTED` in POSIX, retry class `"transient"`. `send`, `recv` and `shutdown` on a connection that
 * the stack dropped, or whose write was interrupted after bytes had been handed down: the socket is broken for good
 * (R21). A connect ends with it when the stack drops the attempt.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAECONNABORTED.number // => 10053
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAECONNABORTED extends define<WSAECONNABORTED>()("WSAECONNABORTED") {}

/**
 * The other side broke the connection off.
 *
 * **Details**
 *
 * Number 10054, `ECONNRESET` in POSIX, retry class `"transient"`. `send`, `recv` and `shutdown` after a reset by the
 * peer: bytes that came before are still received, then the socket is broken for good (R21). On a datagram socket one
 * receive ends with it after an earlier datagram met a dead port, and the socket goes on (A09, T31).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAECONNRESET.number // => 10054
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAECONNRESET extends define<WSAECONNRESET>()("WSAECONNRESET") {}

/**
 * The machine has run out of something that the call needs.
 *
 * **Details**
 *
 * Number 10055, `ENOBUFS` in POSIX, retry class `"resource"`. Buffers; ephemeral ports, towards this peer or at all;
 * descriptors, at a bind or a connect (E14). Linux says `EADDRNOTAVAIL`, `EADDRINUSE` or `EAGAIN` when ports are used
 * up (T22): `nativeRules` tells them apart.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAENOBUFS.number // => 10055
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENOBUFS extends define<WSAENOBUFS>()("WSAENOBUFS") {}

/**
 * The socket is connected already.
 *
 * **Details**
 *
 * Number 10056, `EISCONN` in POSIX, retry class `"defect"`. Connecting a connected stream again, also after its peer
 * has gone or it was shut down (R04, E12, R21), or listening on it (A05). A datagram socket may be connected again
 * (R08).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEISCONN.number // => 10056
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEISCONN extends define<WSAEISCONN>()("WSAEISCONN") {}

/**
 * The socket is not connected.
 *
 * **Details**
 *
 * Number 10057, `ENOTCONN` in POSIX, retry class `"defect"`. `send`, `recv`, `shutdown` and `getpeername` before there
 * is a connection, `send` and `recv` also while a connect is pending (A04, A08, A10); a datagram socket after it was
 * dis-connected (R07); `connectResult` where there was no attempt (R14).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAENOTCONN.number // => 10057
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENOTCONN extends define<WSAENOTCONN>()("WSAENOTCONN") {}

/**
 * This direction of the socket has been shut down here.
 *
 * **Details**
 *
 * Number 10058, `ESHUTDOWN` in POSIX, retry class `"defect"`. `send` after the sending side was shut down, `recv` after
 * the receiving side was (A08). The other direction goes on (A10).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAESHUTDOWN.number // => 10058
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAESHUTDOWN extends define<WSAESHUTDOWN>()("WSAESHUTDOWN") {}

/**
 * Too many references to one object of the system.
 *
 * **Details**
 *
 * Number 10059, `ETOOMANYREFS` in POSIX, retry class `"resource"`. No call ends with it by itself; a stack that says
 * `ETOOMANYREFS` brings it up, inside a `WsaUnmapped`.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAETOOMANYREFS.number // => 10059
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAETOOMANYREFS extends define<WSAETOOMANYREFS>()("WSAETOOMANYREFS") {}

/**
 * No answer came within the time that was allowed.
 *
 * **Details**
 *
 * Number 10060, `ETIMEDOUT` in POSIX, retry class `"transient"`. A connect that the stack gave up, or that ran into a
 * time-out of ours (E18); a receive with `SO_RCVTIMEO` or a send with `SO_SNDTIMEO` (A14); a connection whose peer no
 * longer answers. After a connect the same socket may be connected again (R26).
 *
 * **Example** (Treating silence and refusal alike)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const silent = Effect.fail(WsaError.forCall("WSAConnect", "WSAETIMEDOUT", { stage: "connect" }))
 * const program = Effect.catchTag(silent, ["WSAETIMEDOUT", "WSAECONNREFUSED"], (error) => Effect.succeed(error.number))
 * await Effect.runPromise(program) // => 10060
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAETIMEDOUT extends define<WSAETIMEDOUT>()("WSAETIMEDOUT") {}

/**
 * The other side refused: nothing listens at that address, or the listener turned the caller away.
 *
 * **Details**
 *
 * Number 10061, `ECONNREFUSED` in POSIX, retry class `"transient"`. A connect to a closed port, a path that nobody
 * serves, or a listener whose backlog is full; one that an accept condition rejects, where the transport can still say
 * so (E09, A07). `WSAAccept` ends with it on the rejecting side. The same socket may be connected again (R26).
 *
 * **Example** (Going on when nobody listens)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 * import { Effect } from "effect"
 *
 * const refused = Effect.fail(WsaError.make("WSAECONNREFUSED", { call: "WSAConnect", stage: "connect" }))
 * const program = Effect.catchTag(refused, "WSAECONNREFUSED", (error) => Effect.succeed(error.number))
 * await Effect.runPromise(program) // => 10061
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAECONNREFUSED extends define<WSAECONNREFUSED>()("WSAECONNREFUSED") {}

/**
 * A name that leads in circles.
 *
 * **Details**
 *
 * Number 10062, `ELOOP` in POSIX, retry class `"address"`. No call ends with it by itself: a Unix-domain path of
 * looping links is `WSAECONNREFUSED` at a connect, as every path that leads nowhere.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAELOOP.number // => 10062
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAELOOP extends define<WSAELOOP>()("WSAELOOP") {}

/**
 * A name, or a part of it, that is too long.
 *
 * **Details**
 *
 * Number 10063, `ENAMETOOLONG` in POSIX, retry class `"defect"`. No call ends with it: an address that is too long is
 * malformed, which is `WSAEFAULT` (E10).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAENAMETOOLONG.number // => 10063
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENAMETOOLONG extends define<WSAENAMETOOLONG>()("WSAENAMETOOLONG") {}

/**
 * The other machine is down.
 *
 * **Details**
 *
 * Number 10064, `EHOSTDOWN` in POSIX, retry class `"transient"`. A connect, when a router on the way says that it does
 * not know the peer. On datagrams the same report is `WSAEHOSTUNREACH`.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEHOSTDOWN.number // => 10064
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEHOSTDOWN extends define<WSAEHOSTDOWN>()("WSAEHOSTDOWN") {}

/**
 * No route leads to that machine, although one may lead to its network.
 *
 * **Details**
 *
 * Number 10065, `EHOSTUNREACH` in POSIX, retry class `"transient"`. A connect or a send, when no neighbour answers for
 * the peer or a router on the way says that it cannot be reached (E13).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEHOSTUNREACH.number // => 10065
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEHOSTUNREACH extends define<WSAEHOSTUNREACH>()("WSAEHOSTUNREACH") {}

/**
 * A directory that is not empty.
 *
 * **Details**
 *
 * Number 10066, `ENOTEMPTY` in POSIX, retry class `"other"`. No call ends with it: it belongs to file systems.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAENOTEMPTY.number // => 10066
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENOTEMPTY extends define<WSAENOTEMPTY>()("WSAENOTEMPTY") {}

/**
 * Too many programs use the network at once.
 *
 * **Details**
 *
 * Number 10067, `EPROCLIM (BSD only)` in POSIX, retry class `"resource"`. No call ends with it: the start-up of an
 * instance here is not limited.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEPROCLIM.number // => 10067
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEPROCLIM extends define<WSAEPROCLIM>()("WSAEPROCLIM") {}

/**
 * The quota of the user is exhausted.
 *
 * **Details**
 *
 * Number 10068, `EUSERS` in POSIX, retry class `"resource"`. No call ends with it by itself; a stack that says `EUSERS`
 * brings it up, inside a `WsaUnmapped`.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEUSERS.number // => 10068
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEUSERS extends define<WSAEUSERS>()("WSAEUSERS") {}

/**
 * The disk quota is exhausted.
 *
 * **Details**
 *
 * Number 10069, `EDQUOT` in POSIX, retry class `"resource"`. No call ends with it by itself; a stack that says
 * `EDQUOT`, as for a Unix-domain path, brings it up inside a `WsaUnmapped`.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEDQUOT.number // => 10069
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEDQUOT extends define<WSAEDQUOT>()("WSAEDQUOT") {}

/**
 * A file handle that refers to something that is gone.
 *
 * **Details**
 *
 * Number 10070, `ESTALE` in POSIX, retry class `"other"`. No call ends with it: it belongs to file systems.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAESTALE.number // => 10070
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAESTALE extends define<WSAESTALE>()("WSAESTALE") {}

/**
 * An item that is not on this machine.
 *
 * **Details**
 *
 * Number 10071, `EREMOTE` in POSIX, retry class `"other"`. No call ends with it: it belongs to file systems.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEREMOTE.number // => 10071
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEREMOTE extends define<WSAEREMOTE>()("WSAEREMOTE") {}

/**
 * The network of this machine is not ready to be used.
 *
 * **Details**
 *
 * Number 10091, no name in POSIX, retry class `"startup"`. `WSAStartup`, and so building the layer, while the provider
 * says that its network is down (E02).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSASYSNOTREADY.number // => 10091
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSASYSNOTREADY extends define<WSASYSNOTREADY>()("WSASYSNOTREADY") {}

/**
 * A version of Winsock that is older than any that is supported.
 *
 * **Details**
 *
 * Number 10092, no name in POSIX, retry class `"startup"`. `WSAStartup` for a version below 1.0; one above 2.2 is given
 * 2.2 (A21).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAVERNOTSUPPORTED.number // => 10092
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAVERNOTSUPPORTED extends define<WSAVERNOTSUPPORTED>()("WSAVERNOTSUPPORTED") {}

/**
 * Winsock has not been started, or has been cleaned up.
 *
 * **Details**
 *
 * Number 10093, no name in POSIX, retry class `"startup"`. Every call after the layer's scope closed, and one
 * `WSACleanup` too many (E01, A21). Before, a missing layer does not compile. It is looked at before anything else.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSANOTINITIALISED.number // => 10093
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSANOTINITIALISED extends define<WSANOTINITIALISED>()("WSANOTINITIALISED") {}

/**
 * The peer is ending the connection in good order.
 *
 * **Details**
 *
 * Number 10101, no name in POSIX, retry class `"closed"`. No call ends with it: an orderly end is no failure, `recv`
 * gives 0 bytes (A08).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEDISCON.number // => 10101
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEDISCON extends define<WSAEDISCON>()("WSAEDISCON") {}

/**
 * A lookup that has no more results.
 *
 * **Details**
 *
 * Number 10102, no name in POSIX, retry class `"lookup"`. No call ends with it: a lookup gives all its results at once.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAENOMORE.number // => 10102
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENOMORE extends define<WSAENOMORE>()("WSAENOMORE") {}

/**
 * A lookup that was cancelled.
 *
 * **Details**
 *
 * Number 10103, `ECANCELED` in POSIX, retry class `"interrupt"`. No call ends with it: a cancelled call ends with
 * `WSAEINTR` (E04).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAECANCELLED.number // => 10103
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAECANCELLED extends define<WSAECANCELLED>()("WSAECANCELLED") {}

/**
 * A provider whose table of functions is broken.
 *
 * **Details**
 *
 * Number 10104, no name in POSIX, retry class `"provider"`. No call ends with it: a provider that lacks a method does
 * not compile.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEINVALIDPROCTABLE.number // => 10104
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEINVALIDPROCTABLE extends define<WSAEINVALIDPROCTABLE>()("WSAEINVALIDPROCTABLE") {}

/**
 * A provider whose entry or version is not valid.
 *
 * **Details**
 *
 * Number 10105, no name in POSIX, retry class `"provider"`. No call ends with it: a provider is a value, and is found
 * by its layer.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEINVALIDPROVIDER.number // => 10105
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEINVALIDPROVIDER extends define<WSAEINVALIDPROVIDER>()("WSAEINVALIDPROVIDER") {}

/**
 * A provider that could not be loaded or initialised.
 *
 * **Details**
 *
 * Number 10106, no name in POSIX, retry class `"provider"`. No call ends with it by itself: building the provider's
 * layer fails before there is a call. A native provider may say it.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEPROVIDERFAILEDINIT.number // => 10106
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEPROVIDERFAILEDINIT extends define<WSAEPROVIDERFAILEDINIT>()("WSAEPROVIDERFAILEDINIT") {}

/**
 * A system call that never should fail, and did.
 *
 * **Details**
 *
 * Number 10107, no name in POSIX, retry class `"provider"`. No call ends with it by itself; a native provider may say
 * it, and it then arrives inside a `WsaUnmapped`.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSASYSCALLFAILURE.number // => 10107
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSASYSCALLFAILURE extends define<WSASYSCALLFAILURE>()("WSASYSCALLFAILURE") {}

/**
 * A service that the name space does not know.
 *
 * **Details**
 *
 * Number 10108, no name in POSIX, retry class `"lookup"`. No call ends with it: names are looked up as hosts.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSASERVICE_NOT_FOUND.number // => 10108
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSASERVICE_NOT_FOUND extends define<WSASERVICE_NOT_FOUND>()("WSASERVICE_NOT_FOUND") {}

/**
 * A service, or its class, that was not found.
 *
 * **Details**
 *
 * Number 10109, `EAI_SERVICE` in POSIX, retry class `"lookup"`. No call ends with it by itself: a lookup whose stack
 * says `EAI_SERVICE` brings it up, inside a `WsaUnmapped`.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSATYPE_NOT_FOUND.number // => 10109
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSATYPE_NOT_FOUND extends define<WSATYPE_NOT_FOUND>()("WSATYPE_NOT_FOUND") {}

/**
 * A lookup that has no more results; the newer name of `WSAENOMORE`.
 *
 * **Details**
 *
 * Number 10110, no name in POSIX, retry class `"lookup"`. No call ends with it: a lookup gives all its results at once.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_E_NO_MORE.number // => 10110
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_E_NO_MORE extends define<WSA_E_NO_MORE>()("WSA_E_NO_MORE") {}

/**
 * A lookup that was cancelled; the newer name of `WSAECANCELLED`.
 *
 * **Details**
 *
 * Number 10111, `ECANCELED` in POSIX, retry class `"interrupt"`. No call ends with it: a cancelled call ends with
 * `WSAEINTR` (E04).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_E_CANCELLED.number // => 10111
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_E_CANCELLED extends define<WSA_E_CANCELLED>()("WSA_E_CANCELLED") {}

/**
 * A name server that refused the query.
 *
 * **Details**
 *
 * Number 10112, no name in POSIX, retry class `"lookup"`. No call ends with it by itself; a stack that says `EREFUSED`
 * brings it up, inside a `WsaUnmapped`.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAEREFUSED.number // => 10112
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEREFUSED extends define<WSAEREFUSED>()("WSAEREFUSED") {}

/**
 * No host of that name exists.
 *
 * **Details**
 *
 * Number 11001, `EAI_NONAME` in POSIX, retry class `"lookup"`. `WSAConnectByName`, when the name server says so with
 * authority (A22).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSAHOST_NOT_FOUND.number // => 11001
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAHOST_NOT_FOUND extends define<WSAHOST_NOT_FOUND>()("WSAHOST_NOT_FOUND") {}

/**
 * There is no answer for now, and there may be one later.
 *
 * **Details**
 *
 * Number 11002, `EAI_AGAIN` in POSIX, retry class `"lookup-transient"`. `WSAConnectByName`, when the name server does
 * not answer (A22). `WSAAccept`, when the condition defers: the request stays, and is the next one given (A07).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSATRY_AGAIN.number // => 11002
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSATRY_AGAIN extends define<WSATRY_AGAIN>()("WSATRY_AGAIN") {}

/**
 * A name server that failed, and will fail again.
 *
 * **Details**
 *
 * Number 11003, `EAI_FAIL` in POSIX, retry class `"lookup"`. `WSAConnectByName`, when the lookup fails for good (A22).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSANO_RECOVERY.number // => 11003
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSANO_RECOVERY extends define<WSANO_RECOVERY>()("WSANO_RECOVERY") {}

/**
 * A name that exists, but has no address of the kind that was asked for.
 *
 * **Details**
 *
 * Number 11004, `EAI_NODATA` in POSIX, retry class `"lookup"`. `WSAConnectByName`, when the name has no address of the
 * socket's family (A22).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSANO_DATA.number // => 11004
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSANO_DATA extends define<WSANO_DATA>()("WSANO_DATA") {}

/**
 * News: at least one receiver has made a reservation.
 *
 * **Details**
 *
 * Number 11005, no name in POSIX, retry class `"qos-event"`. No call fails with it: it is what `FD_QOS` reports (A18).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_RECEIVERS.number // => 11005
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_RECEIVERS extends define<WSA_QOS_RECEIVERS>()("WSA_QOS_RECEIVERS") {}

/**
 * News: at least one sender has announced itself.
 *
 * **Details**
 *
 * Number 11006, no name in POSIX, retry class `"qos-event"`. No call fails with it: it is what `FD_QOS` reports (A18).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_SENDERS.number // => 11006
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_SENDERS extends define<WSA_QOS_SENDERS>()("WSA_QOS_SENDERS") {}

/**
 * News: no sender is left.
 *
 * **Details**
 *
 * Number 11007, no name in POSIX, retry class `"qos-event"`. No call fails with it: it is what `FD_QOS` reports (A18).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_NO_SENDERS.number // => 11007
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_NO_SENDERS extends define<WSA_QOS_NO_SENDERS>()("WSA_QOS_NO_SENDERS") {}

/**
 * News: no receiver is left.
 *
 * **Details**
 *
 * Number 11008, no name in POSIX, retry class `"qos-event"`. No call fails with it: it is what `FD_QOS` reports (A18).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_NO_RECEIVERS.number // => 11008
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_NO_RECEIVERS extends define<WSA_QOS_NO_RECEIVERS>()("WSA_QOS_NO_RECEIVERS") {}

/**
 * News: the reservation has been confirmed.
 *
 * **Details**
 *
 * Number 11009, no name in POSIX, retry class `"qos-event"`. No call fails with it: it is what `FD_QOS` reports (A18).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_REQUEST_CONFIRMED.number // => 11009
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_REQUEST_CONFIRMED extends define<WSA_QOS_REQUEST_CONFIRMED>()("WSA_QOS_REQUEST_CONFIRMED") {}

/**
 * A reservation that was refused because there is not enough capacity.
 *
 * **Details**
 *
 * Number 11010, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_ADMISSION_FAILURE.number // => 11010
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_ADMISSION_FAILURE extends define<WSA_QOS_ADMISSION_FAILURE>()("WSA_QOS_ADMISSION_FAILURE") {}

/**
 * A reservation that was refused because policy does not allow it.
 *
 * **Details**
 *
 * Number 11011, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_POLICY_FAILURE.number // => 11011
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_POLICY_FAILURE extends define<WSA_QOS_POLICY_FAILURE>()("WSA_QOS_POLICY_FAILURE") {}

/**
 * A style of reservation that is unknown, or conflicts with another.
 *
 * **Details**
 *
 * Number 11012, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_BAD_STYLE.number // => 11012
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_BAD_STYLE extends define<WSA_QOS_BAD_STYLE>()("WSA_QOS_BAD_STYLE") {}

/**
 * A filter, or a provider-specific part of a quality of service, that is bad.
 *
 * **Details**
 *
 * Number 11013, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_BAD_OBJECT.number // => 11013
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_BAD_OBJECT extends define<WSA_QOS_BAD_OBJECT>()("WSA_QOS_BAD_OBJECT") {}

/**
 * The traffic control of this machine, which failed.
 *
 * **Details**
 *
 * Number 11014, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_TRAFFIC_CTRL_ERROR.number // => 11014
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_TRAFFIC_CTRL_ERROR extends define<WSA_QOS_TRAFFIC_CTRL_ERROR>()("WSA_QOS_TRAFFIC_CTRL_ERROR") {}

/**
 * A quality of service that failed for a reason which nobody gave.
 *
 * **Details**
 *
 * Number 11015, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_GENERIC_ERROR.number // => 11015
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_GENERIC_ERROR extends define<WSA_QOS_GENERIC_ERROR>()("WSA_QOS_GENERIC_ERROR") {}

/**
 * A flow specification whose service type is none.
 *
 * **Details**
 *
 * Number 11016, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_ESERVICETYPE.number // => 11016
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_ESERVICETYPE extends define<WSA_QOS_ESERVICETYPE>()("WSA_QOS_ESERVICETYPE") {}

/**
 * A flow specification that is not valid, or contradicts itself.
 *
 * **Details**
 *
 * Number 11017, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_EFLOWSPEC.number // => 11017
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EFLOWSPEC extends define<WSA_QOS_EFLOWSPEC>()("WSA_QOS_EFLOWSPEC") {}

/**
 * A provider-specific part of a quality of service that is not valid.
 *
 * **Details**
 *
 * Number 11018, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_EPROVSPECBUF.number // => 11018
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EPROVSPECBUF extends define<WSA_QOS_EPROVSPECBUF>()("WSA_QOS_EPROVSPECBUF") {}

/**
 * A filter whose style is not valid.
 *
 * **Details**
 *
 * Number 11019, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_EFILTERSTYLE.number // => 11019
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EFILTERSTYLE extends define<WSA_QOS_EFILTERSTYLE>()("WSA_QOS_EFILTERSTYLE") {}

/**
 * A filter whose type is not valid.
 *
 * **Details**
 *
 * Number 11020, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_EFILTERTYPE.number // => 11020
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EFILTERTYPE extends define<WSA_QOS_EFILTERTYPE>()("WSA_QOS_EFILTERTYPE") {}

/**
 * A flow that has the wrong number of filters.
 *
 * **Details**
 *
 * Number 11021, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_EFILTERCOUNT.number // => 11021
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EFILTERCOUNT extends define<WSA_QOS_EFILTERCOUNT>()("WSA_QOS_EFILTERCOUNT") {}

/**
 * An object of the provider-specific part that says a wrong length of itself.
 *
 * **Details**
 *
 * Number 11022, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_EOBJLENGTH.number // => 11022
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EOBJLENGTH extends define<WSA_QOS_EOBJLENGTH>()("WSA_QOS_EOBJLENGTH") {}

/**
 * A wrong number of flows.
 *
 * **Details**
 *
 * Number 11023, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_EFLOWCOUNT.number // => 11023
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EFLOWCOUNT extends define<WSA_QOS_EFLOWCOUNT>()("WSA_QOS_EFLOWCOUNT") {}

/**
 * An object of the provider-specific part that nobody knows.
 *
 * **Details**
 *
 * Number 11024, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_EUNKNOWNPSOBJ.number // => 11024
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EUNKNOWNPSOBJ extends define<WSA_QOS_EUNKNOWNPSOBJ>()("WSA_QOS_EUNKNOWNPSOBJ") {}

/**
 * A policy object that is not valid.
 *
 * **Details**
 *
 * Number 11025, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_EPOLICYOBJ.number // => 11025
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EPOLICYOBJ extends define<WSA_QOS_EPOLICYOBJ>()("WSA_QOS_EPOLICYOBJ") {}

/**
 * A description of a flow that is not valid.
 *
 * **Details**
 *
 * Number 11026, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_EFLOWDESC.number // => 11026
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EFLOWDESC extends define<WSA_QOS_EFLOWDESC>()("WSA_QOS_EFLOWDESC") {}

/**
 * A provider-specific flow specification that is not valid.
 *
 * **Details**
 *
 * Number 11027, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_EPSFLOWSPEC.number // => 11027
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EPSFLOWSPEC extends define<WSA_QOS_EPSFLOWSPEC>()("WSA_QOS_EPSFLOWSPEC") {}

/**
 * A provider-specific filter that is not valid.
 *
 * **Details**
 *
 * Number 11028, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_EPSFILTERSPEC.number // => 11028
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EPSFILTERSPEC extends define<WSA_QOS_EPSFILTERSPEC>()("WSA_QOS_EPSFILTERSPEC") {}

/**
 * An object that should choose between shaping and discarding, and is not valid.
 *
 * **Details**
 *
 * Number 11029, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_ESDMODEOBJ.number // => 11029
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_ESDMODEOBJ extends define<WSA_QOS_ESDMODEOBJ>()("WSA_QOS_ESDMODEOBJ") {}

/**
 * An object that should set the shaping rate, and is not valid.
 *
 * **Details**
 *
 * Number 11030, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_ESHAPERATEOBJ.number // => 11030
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_ESHAPERATEOBJ extends define<WSA_QOS_ESHAPERATEOBJ>()("WSA_QOS_ESHAPERATEOBJ") {}

/**
 * A policy element whose type is reserved.
 *
 * **Details**
 *
 * Number 11031, no name in POSIX, retry class `"qos-error"`. A provider that reserves can fail `WSAConnect`,
 * `connectResult` and `WSAIoctl` with it (R15, R18); live on Node nothing is reserved, and what cannot be honoured is
 * `WSAEOPNOTSUPP` (R16).
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_QOS_RESERVED_PETYPE.number // => 11031
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_RESERVED_PETYPE extends define<WSA_QOS_RESERVED_PETYPE>()("WSA_QOS_RESERVED_PETYPE") {}

/**
 * No host of that name was found by a secure lookup.
 *
 * **Details**
 *
 * Number 11032, no name in POSIX, retry class `"lookup"`. No call ends with it: lookups here are plain ones.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_SECURE_HOST_NOT_FOUND.number // => 11032
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_SECURE_HOST_NOT_FOUND extends define<WSA_SECURE_HOST_NOT_FOUND>()("WSA_SECURE_HOST_NOT_FOUND") {}

/**
 * A name that could not be looked up under the IPsec policy.
 *
 * **Details**
 *
 * Number 11033, no name in POSIX, retry class `"lookup"`. No call ends with it: lookups here are plain ones.
 *
 * **Example** (Reading its row of the table)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.table.WSA_IPSEC_NAME_POLICY_ERROR.number // => 11033
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_IPSEC_NAME_POLICY_ERROR extends define<WSA_IPSEC_NAME_POLICY_ERROR>()("WSA_IPSEC_NAME_POLICY_ERROR") {}

const unmapped: { readonly prototype: object } = Schema.TaggedError<any>("@effect-winsock/core/WsaError/WsaUnmapped")(
  "WsaUnmapped",
  {
    code: Schema.String,
    number: Schema.optionalKey(Schema.Number),
    ...fields
  }
)
addMembers(unmapped.prototype, "WsaUnmapped", function() {
  return this.code !== undefined && isCode(this.code) ? table[this.code].retryClass : "other"
})

/**
 * The class of `WsaUnmapped`, which is also its schema: the error for what no row of the
 * table knows.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnmappedClass<Self> extends
  Schema.Class<
    Self,
    Schema.TaggedStruct<
      "WsaUnmapped",
      { readonly code: Schema.String; readonly number: Schema.optionalKey<Schema.Number> } & Fields
    >,
    Cause.YieldableError & Members
  >
{}

/**
 * What the stack below said and no row of the table knows, or a code that the call is not known to end with.
 *
 * **When to use**
 *
 * Use to see in a log what a stack came up with, and tell us: it may deserve a line in `nativeRules`.
 *
 * **Details**
 *
 * `code` is the raw name: Winsock's where there is one, and then `number` is its number, else the stack's own. `native`
 * has everything that the stack said. The retry class is that of the Winsock code, or `"other"`.
 *
 * **Example** (Keeping a word that nobody knows)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * const error = WsaError.make("WsaUnmapped", { call: "bind", stage: "bind", native: { code: "EWEIRD" } })
 * error.code // => "EWEIRD"
 * error.retryClass // => "other"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class WsaUnmapped extends (unmapped as unknown as UnmappedClass<WsaUnmapped>) {}

/**
 * The class of every code, by its name.
 *
 * **Example** (Finding the class of a code)
 *
 * ```ts import.meta.vitest
 * import { WsaError } from "@effect-winsock/core"
 *
 * WsaError.classes.WSAEISCONN === WsaError.WSAEISCONN // => true
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const classes = {
  WSA_INVALID_HANDLE,
  WSA_NOT_ENOUGH_MEMORY,
  WSA_INVALID_PARAMETER,
  WSA_OPERATION_ABORTED,
  WSA_IO_INCOMPLETE,
  WSA_IO_PENDING,
  WSAEINTR,
  WSAEBADF,
  WSAEACCES,
  WSAEFAULT,
  WSAEINVAL,
  WSAEMFILE,
  WSAEWOULDBLOCK,
  WSAEINPROGRESS,
  WSAEALREADY,
  WSAENOTSOCK,
  WSAEDESTADDRREQ,
  WSAEMSGSIZE,
  WSAEPROTOTYPE,
  WSAENOPROTOOPT,
  WSAEPROTONOSUPPORT,
  WSAESOCKTNOSUPPORT,
  WSAEOPNOTSUPP,
  WSAEPFNOSUPPORT,
  WSAEAFNOSUPPORT,
  WSAEADDRINUSE,
  WSAEADDRNOTAVAIL,
  WSAENETDOWN,
  WSAENETUNREACH,
  WSAENETRESET,
  WSAECONNABORTED,
  WSAECONNRESET,
  WSAENOBUFS,
  WSAEISCONN,
  WSAENOTCONN,
  WSAESHUTDOWN,
  WSAETOOMANYREFS,
  WSAETIMEDOUT,
  WSAECONNREFUSED,
  WSAELOOP,
  WSAENAMETOOLONG,
  WSAEHOSTDOWN,
  WSAEHOSTUNREACH,
  WSAENOTEMPTY,
  WSAEPROCLIM,
  WSAEUSERS,
  WSAEDQUOT,
  WSAESTALE,
  WSAEREMOTE,
  WSASYSNOTREADY,
  WSAVERNOTSUPPORTED,
  WSANOTINITIALISED,
  WSAEDISCON,
  WSAENOMORE,
  WSAECANCELLED,
  WSAEINVALIDPROCTABLE,
  WSAEINVALIDPROVIDER,
  WSAEPROVIDERFAILEDINIT,
  WSASYSCALLFAILURE,
  WSASERVICE_NOT_FOUND,
  WSATYPE_NOT_FOUND,
  WSA_E_NO_MORE,
  WSA_E_CANCELLED,
  WSAEREFUSED,
  WSAHOST_NOT_FOUND,
  WSATRY_AGAIN,
  WSANO_RECOVERY,
  WSANO_DATA,
  WSA_QOS_RECEIVERS,
  WSA_QOS_SENDERS,
  WSA_QOS_NO_SENDERS,
  WSA_QOS_NO_RECEIVERS,
  WSA_QOS_REQUEST_CONFIRMED,
  WSA_QOS_ADMISSION_FAILURE,
  WSA_QOS_POLICY_FAILURE,
  WSA_QOS_BAD_STYLE,
  WSA_QOS_BAD_OBJECT,
  WSA_QOS_TRAFFIC_CTRL_ERROR,
  WSA_QOS_GENERIC_ERROR,
  WSA_QOS_ESERVICETYPE,
  WSA_QOS_EFLOWSPEC,
  WSA_QOS_EPROVSPECBUF,
  WSA_QOS_EFILTERSTYLE,
  WSA_QOS_EFILTERTYPE,
  WSA_QOS_EFILTERCOUNT,
  WSA_QOS_EOBJLENGTH,
  WSA_QOS_EFLOWCOUNT,
  WSA_QOS_EUNKNOWNPSOBJ,
  WSA_QOS_EPOLICYOBJ,
  WSA_QOS_EFLOWDESC,
  WSA_QOS_EPSFLOWSPEC,
  WSA_QOS_EPSFILTERSPEC,
  WSA_QOS_ESDMODEOBJ,
  WSA_QOS_ESHAPERATEOBJ,
  WSA_QOS_RESERVED_PETYPE,
  WSA_SECURE_HOST_NOT_FOUND,
  WSA_IPSEC_NAME_POLICY_ERROR
} satisfies { readonly [C in Code]: ErrorClass<any, C> }
