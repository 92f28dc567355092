/**
 * MODULEDOC
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import { hasProperty } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SocketAddress from "./SocketAddress.ts"

const TypeId = "~@effect-winsock/core/WsaError" as const

/**
 * How a code is to be taken by whoever decides on another attempt.
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
 * @category models
 * @since 0.1.0
 */
export interface Row<N extends number = number, R extends RetryClass = RetryClass> {
  readonly number: N
  readonly retryClass: R
  readonly posix: string | null
  readonly linuxErrno: number | null
  readonly bsdErrno: number | null
  readonly libuvWindows: string
  readonly libuvWindowsNumber: number
  readonly libuvGetaddrinfo: string | null
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
}

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
 * Which codes each call can end with.
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
    "WSAEINVAL", "WSAEISCONN", "WSAENETDOWN", "WSAENETUNREACH", "WSAENOBUFS", "WSAENOTSOCK", "WSAEPROTOTYPE",
    "WSAETIMEDOUT", "WSAEWOULDBLOCK", "WSANOTINITIALISED"
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
    "WSAEISCONN", "WSAENETDOWN", "WSAENETUNREACH", "WSAENOBUFS", "WSAENOTSOCK", "WSAEPROTOTYPE", "WSAETIMEDOUT",
    "WSANOTINITIALISED"
  ],
  WSAConnectByName: [
    "WSAEACCES", "WSAEADDRINUSE", "WSAEADDRNOTAVAIL", "WSAEAFNOSUPPORT", "WSAECONNABORTED", "WSAECONNREFUSED",
    "WSAECONNRESET", "WSAEFAULT", "WSAEHOSTDOWN", "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINTR", "WSAEINVAL",
    "WSAEISCONN", "WSAENETDOWN", "WSAENETUNREACH", "WSAENOBUFS", "WSAENOTSOCK", "WSAEPROTOTYPE", "WSAETIMEDOUT",
    "WSAHOST_NOT_FOUND", "WSANOTINITIALISED", "WSANO_DATA", "WSANO_RECOVERY", "WSATRY_AGAIN"
  ],
  listen: [
    "WSAEADDRINUSE", "WSAEINPROGRESS", "WSAEINVAL", "WSAEISCONN", "WSAEMFILE", "WSAENETDOWN", "WSAENOBUFS",
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
    "WSAEACCES", "WSAECONNABORTED", "WSAECONNRESET", "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINTR", "WSAEMSGSIZE",
    "WSAENETDOWN", "WSAENETRESET", "WSAENETUNREACH", "WSAENOBUFS", "WSAENOTCONN", "WSAENOTSOCK", "WSAEOPNOTSUPP",
    "WSAESHUTDOWN", "WSAETIMEDOUT", "WSAEWOULDBLOCK", "WSANOTINITIALISED"
  ],
  sendto: [
    "WSAEACCES", "WSAEADDRNOTAVAIL", "WSAEAFNOSUPPORT", "WSAECONNABORTED", "WSAECONNRESET", "WSAEFAULT",
    "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINTR", "WSAEMSGSIZE", "WSAENETDOWN", "WSAENETRESET", "WSAENETUNREACH",
    "WSAENOBUFS", "WSAENOTCONN", "WSAENOTSOCK", "WSAEOPNOTSUPP", "WSAESHUTDOWN", "WSAETIMEDOUT", "WSAEWOULDBLOCK",
    "WSANOTINITIALISED"
  ],
  recv: [
    "WSAECONNABORTED", "WSAECONNRESET", "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINTR", "WSAEINVAL", "WSAEMSGSIZE",
    "WSAENETDOWN", "WSAENETRESET", "WSAENETUNREACH", "WSAENOTCONN", "WSAENOTSOCK", "WSAEOPNOTSUPP", "WSAESHUTDOWN",
    "WSAETIMEDOUT", "WSAEWOULDBLOCK", "WSANOTINITIALISED"
  ],
  recvfrom: [
    "WSAECONNABORTED", "WSAECONNRESET", "WSAEHOSTUNREACH", "WSAEINPROGRESS", "WSAEINTR", "WSAEINVAL", "WSAEMSGSIZE",
    "WSAENETDOWN", "WSAENETRESET", "WSAENETUNREACH", "WSAENOTCONN", "WSAENOTSOCK", "WSAEOPNOTSUPP", "WSAESHUTDOWN",
    "WSAETIMEDOUT", "WSAEWOULDBLOCK", "WSANOTINITIALISED"
  ],
  shutdown: [
    "WSAECONNABORTED", "WSAECONNRESET", "WSAEINPROGRESS", "WSAEINVAL", "WSAENETDOWN", "WSAENOTCONN", "WSAENOTSOCK",
    "WSANOTINITIALISED"
  ],
  closesocket: [
    "WSAEINPROGRESS", "WSAENETDOWN", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  getsockname: [
    "WSAEINPROGRESS", "WSAEINVAL", "WSAENETDOWN", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  getpeername: [
    "WSAEINPROGRESS", "WSAENETDOWN", "WSAENOTCONN", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  getsockopt: [
    "WSAEINPROGRESS", "WSAEINVAL", "WSAENETDOWN", "WSAENOPROTOOPT", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  setsockopt: [
    "WSAEFAULT", "WSAEINPROGRESS", "WSAEINVAL", "WSAENETDOWN", "WSAENOPROTOOPT", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  ioctlsocket: [
    "WSAEINPROGRESS", "WSAEINVAL", "WSAENETDOWN", "WSAENOTSOCK", "WSANOTINITIALISED"
  ],
  WSAIoctl: [
    "WSAEFAULT", "WSAEINPROGRESS", "WSAEINVAL", "WSAENETDOWN", "WSAENOTSOCK", "WSAEOPNOTSUPP", "WSANOTINITIALISED"
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
 * Schema of the name of a call.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Call: Schema.Literals<ReadonlyArray<Call>> = Schema.Literals(Object.keys(callErrors) as Array<Call>)

/**
 * The calls that ask a provider, and so can meet a code that nobody expected.
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
 * The calls that can also end with a quality-of-service code.
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
  "listen",
  "accept",
  "send",
  "receive",
  "shutdown",
  "option",
  "close"
] as const

/**
 * Where in a call an error arose.
 *
 * @category models
 * @since 0.1.0
 */
export type Stage = (typeof stages)[number]

/**
 * Schema of the stage of a call.
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
  readonly code?: string
  readonly errno?: number
  readonly syscall?: string
}

/**
 * Schema of the provider's own words for a failure.
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

const fields = {
  call: Call,
  stage: Stage,
  local: Schema.optionalKey(SocketAddress.schema),
  remote: Schema.optionalKey(SocketAddress.schema),
  native: Schema.optionalKey(Native),
  detail: Schema.optionalKey(Schema.String),
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
  readonly call: Call
  readonly stage: Stage
  readonly local?: SocketAddress.SocketAddress | undefined
  readonly remote?: SocketAddress.SocketAddress | undefined
  readonly native?: Native | undefined
  readonly detail?: string | undefined
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
    (error.detail ? `; ${error.detail}` : "") + (native ? `; ${native}` : "")
}

const addMembers = (prototype: object, name: string, retryClass: (this: Shape) => RetryClass): void => {
  Object.defineProperties(prototype, {
    [TypeId]: { value: TypeId },
    name: { value: name, configurable: true, writable: true },
    message: getter(function() {
      return messageOf(this)
    }),
    retryClass: getter(retryClass)
  })
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
 * The error WSA_INVALID_HANDLE: the event object is closed, or was never one of ours.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_INVALID_HANDLE extends define<WSA_INVALID_HANDLE>()("WSA_INVALID_HANDLE") {}

/**
 * The error WSA_NOT_ENOUGH_MEMORY: the machine has no memory left for this call.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_NOT_ENOUGH_MEMORY extends define<WSA_NOT_ENOUGH_MEMORY>()("WSA_NOT_ENOUGH_MEMORY") {}

/**
 * The error WSA_INVALID_PARAMETER: an argument is outside what the call accepts.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_INVALID_PARAMETER extends define<WSA_INVALID_PARAMETER>()("WSA_INVALID_PARAMETER") {}

/**
 * The error WSA_OPERATION_ABORTED: the operation was cancelled because its socket was closed.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_OPERATION_ABORTED extends define<WSA_OPERATION_ABORTED>()("WSA_OPERATION_ABORTED") {}

/**
 * The error WSA_IO_INCOMPLETE: the operation has not finished yet.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_IO_INCOMPLETE extends define<WSA_IO_INCOMPLETE>()("WSA_IO_INCOMPLETE") {}

/**
 * The error WSA_IO_PENDING: the operation has begun and will finish later.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_IO_PENDING extends define<WSA_IO_PENDING>()("WSA_IO_PENDING") {}

/**
 * The error WSAEINTR: the waiting call was cancelled, or its socket was closed under it.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEINTR extends define<WSAEINTR>()("WSAEINTR") {}

/**
 * The error WSAEBADF: the descriptor is not open.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEBADF extends define<WSAEBADF>()("WSAEBADF") {}

/**
 * The error WSAEACCES: permission denied: the machine, its policy or a missing option forbids this.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEACCES extends define<WSAEACCES>()("WSAEACCES") {}

/**
 * The error WSAEFAULT: an argument is malformed: it cannot be read as what the call needs.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEFAULT extends define<WSAEFAULT>()("WSAEFAULT") {}

/**
 * The error WSAEINVAL: the socket is in no state for this call, or an argument makes no sense for it.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEINVAL extends define<WSAEINVAL>()("WSAEINVAL") {}

/**
 * The error WSAEMFILE: this process has no descriptor left for another socket.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEMFILE extends define<WSAEMFILE>()("WSAEMFILE") {}

/**
 * The error WSAEWOULDBLOCK: the socket does not block, and the answer is not there yet.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEWOULDBLOCK extends define<WSAEWOULDBLOCK>()("WSAEWOULDBLOCK") {}

/**
 * The error WSAEINPROGRESS: another blocking call or an accept condition is still running.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEINPROGRESS extends define<WSAEINPROGRESS>()("WSAEINPROGRESS") {}

/**
 * The error WSAEALREADY: an earlier connect is still under way on this socket.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEALREADY extends define<WSAEALREADY>()("WSAEALREADY") {}

/**
 * The error WSAENOTSOCK: the socket is closed, or was never a socket of this instance.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENOTSOCK extends define<WSAENOTSOCK>()("WSAENOTSOCK") {}

/**
 * The error WSAEDESTADDRREQ: a destination address is needed and none was given.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEDESTADDRREQ extends define<WSAEDESTADDRREQ>()("WSAEDESTADDRREQ") {}

/**
 * The error WSAEMSGSIZE: the datagram is larger than the buffer or the transport allows.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEMSGSIZE extends define<WSAEMSGSIZE>()("WSAEMSGSIZE") {}

/**
 * The error WSAEPROTOTYPE: the protocol or the peer does not fit the type of this socket.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEPROTOTYPE extends define<WSAEPROTOTYPE>()("WSAEPROTOTYPE") {}

/**
 * The error WSAENOPROTOOPT: this option is unknown here, or cannot be set on this socket.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENOPROTOOPT extends define<WSAENOPROTOOPT>()("WSAENOPROTOOPT") {}

/**
 * The error WSAEPROTONOSUPPORT: the protocol, or connect data on it, is not supported here.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEPROTONOSUPPORT extends define<WSAEPROTONOSUPPORT>()("WSAEPROTONOSUPPORT") {}

/**
 * The error WSAESOCKTNOSUPPORT: sockets of this type are not supported here.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAESOCKTNOSUPPORT extends define<WSAESOCKTNOSUPPORT>()("WSAESOCKTNOSUPPORT") {}

/**
 * The error WSAEOPNOTSUPP: this socket cannot do what was asked of it.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEOPNOTSUPP extends define<WSAEOPNOTSUPP>()("WSAEOPNOTSUPP") {}

/**
 * The error WSAEPFNOSUPPORT: this protocol family is not supported here.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEPFNOSUPPORT extends define<WSAEPFNOSUPPORT>()("WSAEPFNOSUPPORT") {}

/**
 * The error WSAEAFNOSUPPORT: an address of this family cannot be used with this socket.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEAFNOSUPPORT extends define<WSAEAFNOSUPPORT>()("WSAEAFNOSUPPORT") {}

/**
 * The error WSAEADDRINUSE: the local address is already in use.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEADDRINUSE extends define<WSAEADDRINUSE>()("WSAEADDRINUSE") {}

/**
 * The error WSAEADDRNOTAVAIL: the address cannot be used from this machine.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEADDRNOTAVAIL extends define<WSAEADDRNOTAVAIL>()("WSAEADDRNOTAVAIL") {}

/**
 * The error WSAENETDOWN: the network of this machine is down.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENETDOWN extends define<WSAENETDOWN>()("WSAENETDOWN") {}

/**
 * The error WSAENETUNREACH: no route leads to that network.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENETUNREACH extends define<WSAENETUNREACH>()("WSAENETUNREACH") {}

/**
 * The error WSAENETRESET: keep-alive found the connection dead and dropped it.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENETRESET extends define<WSAENETRESET>()("WSAENETRESET") {}

/**
 * The error WSAECONNABORTED: this machine gave the connection up.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAECONNABORTED extends define<WSAECONNABORTED>()("WSAECONNABORTED") {}

/**
 * The error WSAECONNRESET: the other side broke the connection off, or its port is dead.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAECONNRESET extends define<WSAECONNRESET>()("WSAECONNRESET") {}

/**
 * The error WSAENOBUFS: the machine has run out of buffers, ports or descriptors for this.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENOBUFS extends define<WSAENOBUFS>()("WSAENOBUFS") {}

/**
 * The error WSAEISCONN: the socket is connected already.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEISCONN extends define<WSAEISCONN>()("WSAEISCONN") {}

/**
 * The error WSAENOTCONN: the socket is not connected.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENOTCONN extends define<WSAENOTCONN>()("WSAENOTCONN") {}

/**
 * The error WSAESHUTDOWN: this direction of the socket has been shut down.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAESHUTDOWN extends define<WSAESHUTDOWN>()("WSAESHUTDOWN") {}

/**
 * The error WSAETOOMANYREFS: too many references to one object of the system.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAETOOMANYREFS extends define<WSAETOOMANYREFS>()("WSAETOOMANYREFS") {}

/**
 * The error WSAETIMEDOUT: no answer came in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAETIMEDOUT extends define<WSAETIMEDOUT>()("WSAETIMEDOUT") {}

/**
 * The error WSAECONNREFUSED: the other side refused: nothing listens there, or the listener turned the caller away.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAECONNREFUSED extends define<WSAECONNREFUSED>()("WSAECONNREFUSED") {}

/**
 * The error WSAELOOP: the name leads in circles and cannot be resolved.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAELOOP extends define<WSAELOOP>()("WSAELOOP") {}

/**
 * The error WSAENAMETOOLONG: the name, or a part of it, is too long.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENAMETOOLONG extends define<WSAENAMETOOLONG>()("WSAENAMETOOLONG") {}

/**
 * The error WSAEHOSTDOWN: the other machine is down.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEHOSTDOWN extends define<WSAEHOSTDOWN>()("WSAEHOSTDOWN") {}

/**
 * The error WSAEHOSTUNREACH: no route leads to that machine.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEHOSTUNREACH extends define<WSAEHOSTUNREACH>()("WSAEHOSTUNREACH") {}

/**
 * The error WSAENOTEMPTY: the directory is not empty.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENOTEMPTY extends define<WSAENOTEMPTY>()("WSAENOTEMPTY") {}

/**
 * The error WSAEPROCLIM: too many programs use the network at once.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEPROCLIM extends define<WSAEPROCLIM>()("WSAEPROCLIM") {}

/**
 * The error WSAEUSERS: the quota of this user is exhausted.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEUSERS extends define<WSAEUSERS>()("WSAEUSERS") {}

/**
 * The error WSAEDQUOT: the disk quota is exhausted.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEDQUOT extends define<WSAEDQUOT>()("WSAEDQUOT") {}

/**
 * The error WSAESTALE: the file handle refers to something that is gone.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAESTALE extends define<WSAESTALE>()("WSAESTALE") {}

/**
 * The error WSAEREMOTE: the item is not on this machine.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEREMOTE extends define<WSAEREMOTE>()("WSAEREMOTE") {}

/**
 * The error WSASYSNOTREADY: the network of this machine is not ready to be used.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSASYSNOTREADY extends define<WSASYSNOTREADY>()("WSASYSNOTREADY") {}

/**
 * The error WSAVERNOTSUPPORTED: no version of Winsock this old is supported.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAVERNOTSUPPORTED extends define<WSAVERNOTSUPPORTED>()("WSAVERNOTSUPPORTED") {}

/**
 * The error WSANOTINITIALISED: Winsock has not been started, or was already cleaned up.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSANOTINITIALISED extends define<WSANOTINITIALISED>()("WSANOTINITIALISED") {}

/**
 * The error WSAEDISCON: the other side is closing the connection in good order.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEDISCON extends define<WSAEDISCON>()("WSAEDISCON") {}

/**
 * The error WSAENOMORE: the lookup has no more results.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAENOMORE extends define<WSAENOMORE>()("WSAENOMORE") {}

/**
 * The error WSAECANCELLED: the lookup was cancelled.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAECANCELLED extends define<WSAECANCELLED>()("WSAECANCELLED") {}

/**
 * The error WSAEINVALIDPROCTABLE: the provider's table of functions is broken.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEINVALIDPROCTABLE extends define<WSAEINVALIDPROCTABLE>()("WSAEINVALIDPROCTABLE") {}

/**
 * The error WSAEINVALIDPROVIDER: the provider's entry or version is not valid.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEINVALIDPROVIDER extends define<WSAEINVALIDPROVIDER>()("WSAEINVALIDPROVIDER") {}

/**
 * The error WSAEPROVIDERFAILEDINIT: the provider could not be loaded or initialised.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEPROVIDERFAILEDINIT extends define<WSAEPROVIDERFAILEDINIT>()("WSAEPROVIDERFAILEDINIT") {}

/**
 * The error WSASYSCALLFAILURE: a system call failed that never should.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSASYSCALLFAILURE extends define<WSASYSCALLFAILURE>()("WSASYSCALLFAILURE") {}

/**
 * The error WSASERVICE_NOT_FOUND: no such service is known in this name space.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSASERVICE_NOT_FOUND extends define<WSASERVICE_NOT_FOUND>()("WSASERVICE_NOT_FOUND") {}

/**
 * The error WSATYPE_NOT_FOUND: the service or its class was not found.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSATYPE_NOT_FOUND extends define<WSATYPE_NOT_FOUND>()("WSATYPE_NOT_FOUND") {}

/**
 * The error WSA_E_NO_MORE: the lookup has no more results.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_E_NO_MORE extends define<WSA_E_NO_MORE>()("WSA_E_NO_MORE") {}

/**
 * The error WSA_E_CANCELLED: the lookup was cancelled.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_E_CANCELLED extends define<WSA_E_CANCELLED>()("WSA_E_CANCELLED") {}

/**
 * The error WSAEREFUSED: the name server refused the query.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAEREFUSED extends define<WSAEREFUSED>()("WSAEREFUSED") {}

/**
 * The error WSAHOST_NOT_FOUND: no host of this name exists.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSAHOST_NOT_FOUND extends define<WSAHOST_NOT_FOUND>()("WSAHOST_NOT_FOUND") {}

/**
 * The error WSATRY_AGAIN: there is no answer for now: ask again later.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSATRY_AGAIN extends define<WSATRY_AGAIN>()("WSATRY_AGAIN") {}

/**
 * The error WSANO_RECOVERY: the name server failed for good.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSANO_RECOVERY extends define<WSANO_RECOVERY>()("WSANO_RECOVERY") {}

/**
 * The error WSANO_DATA: the name exists, but has no address of the kind asked for.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSANO_DATA extends define<WSANO_DATA>()("WSANO_DATA") {}

/**
 * The error WSA_QOS_RECEIVERS: at least one receiver has reserved.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_RECEIVERS extends define<WSA_QOS_RECEIVERS>()("WSA_QOS_RECEIVERS") {}

/**
 * The error WSA_QOS_SENDERS: at least one sender has announced itself.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_SENDERS extends define<WSA_QOS_SENDERS>()("WSA_QOS_SENDERS") {}

/**
 * The error WSA_QOS_NO_SENDERS: no sender is left.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_NO_SENDERS extends define<WSA_QOS_NO_SENDERS>()("WSA_QOS_NO_SENDERS") {}

/**
 * The error WSA_QOS_NO_RECEIVERS: no receiver is left.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_NO_RECEIVERS extends define<WSA_QOS_NO_RECEIVERS>()("WSA_QOS_NO_RECEIVERS") {}

/**
 * The error WSA_QOS_REQUEST_CONFIRMED: the reservation has been confirmed.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_REQUEST_CONFIRMED extends define<WSA_QOS_REQUEST_CONFIRMED>()("WSA_QOS_REQUEST_CONFIRMED") {}

/**
 * The error WSA_QOS_ADMISSION_FAILURE: the reservation was refused: there is not enough capacity.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_ADMISSION_FAILURE extends define<WSA_QOS_ADMISSION_FAILURE>()("WSA_QOS_ADMISSION_FAILURE") {}

/**
 * The error WSA_QOS_POLICY_FAILURE: the reservation was refused: policy does not allow it.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_POLICY_FAILURE extends define<WSA_QOS_POLICY_FAILURE>()("WSA_QOS_POLICY_FAILURE") {}

/**
 * The error WSA_QOS_BAD_STYLE: the style of the reservation is unknown or conflicts with another.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_BAD_STYLE extends define<WSA_QOS_BAD_STYLE>()("WSA_QOS_BAD_STYLE") {}

/**
 * The error WSA_QOS_BAD_OBJECT: a filter or the provider-specific part of the quality of service is bad.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_BAD_OBJECT extends define<WSA_QOS_BAD_OBJECT>()("WSA_QOS_BAD_OBJECT") {}

/**
 * The error WSA_QOS_TRAFFIC_CTRL_ERROR: traffic control on this machine failed.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_TRAFFIC_CTRL_ERROR extends define<WSA_QOS_TRAFFIC_CTRL_ERROR>()("WSA_QOS_TRAFFIC_CTRL_ERROR") {}

/**
 * The error WSA_QOS_GENERIC_ERROR: the quality of service failed for a reason that was not given.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_GENERIC_ERROR extends define<WSA_QOS_GENERIC_ERROR>()("WSA_QOS_GENERIC_ERROR") {}

/**
 * The error WSA_QOS_ESERVICETYPE: the service type of a flow specification is not valid.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_ESERVICETYPE extends define<WSA_QOS_ESERVICETYPE>()("WSA_QOS_ESERVICETYPE") {}

/**
 * The error WSA_QOS_EFLOWSPEC: a flow specification is not valid, or contradicts itself.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EFLOWSPEC extends define<WSA_QOS_EFLOWSPEC>()("WSA_QOS_EFLOWSPEC") {}

/**
 * The error WSA_QOS_EPROVSPECBUF: the provider-specific part of the quality of service is not valid.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EPROVSPECBUF extends define<WSA_QOS_EPROVSPECBUF>()("WSA_QOS_EPROVSPECBUF") {}

/**
 * The error WSA_QOS_EFILTERSTYLE: the style of a filter is not valid.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EFILTERSTYLE extends define<WSA_QOS_EFILTERSTYLE>()("WSA_QOS_EFILTERSTYLE") {}

/**
 * The error WSA_QOS_EFILTERTYPE: the type of a filter is not valid.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EFILTERTYPE extends define<WSA_QOS_EFILTERTYPE>()("WSA_QOS_EFILTERTYPE") {}

/**
 * The error WSA_QOS_EFILTERCOUNT: a flow has the wrong number of filters.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EFILTERCOUNT extends define<WSA_QOS_EFILTERCOUNT>()("WSA_QOS_EFILTERCOUNT") {}

/**
 * The error WSA_QOS_EOBJLENGTH: the length of an object in the provider-specific part is wrong.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EOBJLENGTH extends define<WSA_QOS_EOBJLENGTH>()("WSA_QOS_EOBJLENGTH") {}

/**
 * The error WSA_QOS_EFLOWCOUNT: the number of flows is wrong.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EFLOWCOUNT extends define<WSA_QOS_EFLOWCOUNT>()("WSA_QOS_EFLOWCOUNT") {}

/**
 * The error WSA_QOS_EUNKNOWNPSOBJ: the provider-specific part holds an object that nobody knows.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EUNKNOWNPSOBJ extends define<WSA_QOS_EUNKNOWNPSOBJ>()("WSA_QOS_EUNKNOWNPSOBJ") {}

/**
 * The error WSA_QOS_EPOLICYOBJ: the policy object is not valid.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EPOLICYOBJ extends define<WSA_QOS_EPOLICYOBJ>()("WSA_QOS_EPOLICYOBJ") {}

/**
 * The error WSA_QOS_EFLOWDESC: the description of a flow is not valid.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EFLOWDESC extends define<WSA_QOS_EFLOWDESC>()("WSA_QOS_EFLOWDESC") {}

/**
 * The error WSA_QOS_EPSFLOWSPEC: the provider-specific flow specification is not valid.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EPSFLOWSPEC extends define<WSA_QOS_EPSFLOWSPEC>()("WSA_QOS_EPSFLOWSPEC") {}

/**
 * The error WSA_QOS_EPSFILTERSPEC: the provider-specific filter is not valid.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_EPSFILTERSPEC extends define<WSA_QOS_EPSFILTERSPEC>()("WSA_QOS_EPSFILTERSPEC") {}

/**
 * The error WSA_QOS_ESDMODEOBJ: the object that chooses between shaping and discarding is not valid.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_ESDMODEOBJ extends define<WSA_QOS_ESDMODEOBJ>()("WSA_QOS_ESDMODEOBJ") {}

/**
 * The error WSA_QOS_ESHAPERATEOBJ: the object that sets the shaping rate is not valid.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_ESHAPERATEOBJ extends define<WSA_QOS_ESHAPERATEOBJ>()("WSA_QOS_ESHAPERATEOBJ") {}

/**
 * The error WSA_QOS_RESERVED_PETYPE: the type of a policy element is a reserved one.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_QOS_RESERVED_PETYPE extends define<WSA_QOS_RESERVED_PETYPE>()("WSA_QOS_RESERVED_PETYPE") {}

/**
 * The error WSA_SECURE_HOST_NOT_FOUND: no host of this name was found by secure lookup.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_SECURE_HOST_NOT_FOUND extends define<WSA_SECURE_HOST_NOT_FOUND>()("WSA_SECURE_HOST_NOT_FOUND") {}

/**
 * The error WSA_IPSEC_NAME_POLICY_ERROR: the name could not be resolved under the IPsec policy.
 *
 * @category errors
 * @since 0.1.0
 */
export class WSA_IPSEC_NAME_POLICY_ERROR extends define<WSA_IPSEC_NAME_POLICY_ERROR>()("WSA_IPSEC_NAME_POLICY_ERROR") {}

const unmapped = Schema.TaggedError<WsaUnmapped>("@effect-winsock/core/WsaError/WsaUnmapped")("WsaUnmapped", {
  code: Schema.String,
  number: Schema.optionalKey(Schema.Number),
  ...fields
})
addMembers(unmapped.prototype, "WsaUnmapped", function() {
  return this.code !== undefined && isCode(this.code) ? table[this.code].retryClass : "other"
})

/**
 * The class of the error for what no row of the table knows.
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
 * @category errors
 * @since 0.1.0
 */
export class WsaUnmapped extends (unmapped as unknown as UnmappedClass<WsaUnmapped>) {}

/**
 * The class of every code.
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
 * The codes a call can end with, as tags of its errors.
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
 * The errors a call can end with.
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

const codes = new Map<string, Code>(Object.keys(table).map((code) => [code, code as Code]))
const isCode = (name: string): name is Code => codes.has(name)
const numbers = new Map<number, Code>(Object.entries(table).map(([code, { number }]) => [number, code as Code]))

/**
 * Returns the code that has a number, if any has.
 *
 * @category getters
 * @since 0.1.0
 */
export const fromNumber = (number: number): Code | undefined => numbers.get(number)

/**
 * Returns `true` when a value is a Winsock error.
 *
 * @category guards
 * @since 0.1.0
 */
export const isWsaError = (u: unknown): u is WsaError => hasProperty(u, TypeId)

/**
 * Returns `true` when the same attempt may go well if it is made again a little later.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isTransient = (error: { readonly retryClass: RetryClass }): boolean =>
  error.retryClass === "transient" || error.retryClass === "lookup-transient"

type ClassOf<T extends Code | "WsaUnmapped"> = T extends Code ? (typeof classes)[T] : typeof WsaUnmapped

/**
 * The schema of the errors a call can end with.
 *
 * @category models
 * @since 0.1.0
 */
export interface ErrorsOf<C extends Call> extends Schema.Union<ReadonlyArray<ClassOf<TagOf<C>>>> {}

const isOneOf = (calls: ReadonlyArray<Call>, call: Call): boolean => calls.includes(call)
const qosErrorCodes = [...codes.values()].filter((code) => table[code].retryClass === "qos-error")

// What a call can end with, worked out once for all calls: forCall is on the way of every failure.
const allowed = new Map<Call, ReadonlySet<string>>(
  (Object.keys(callErrors) as Array<Call>).map((call) => [
    call,
    new Set<string>([...callErrors[call], ...(isOneOf(reachesQos, call) ? qosErrorCodes : [])])
  ])
)

const unions = new Map<Call, unknown>()

/**
 * Returns the schema of the errors that a call can end with.
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
const construct = (target: Function, value: object): WsaError => {
  const limit = ErrorWithLimit.stackTraceLimit
  if (canLimit) ErrorWithLimit.stackTraceLimit = 0
  try {
    return Reflect.construct(Data.Error, [value], target)
  } finally {
    if (canLimit) ErrorWithLimit.stackTraceLimit = limit
  }
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/**
 * Makes the error of a code, without a stack trace.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <C extends Code | "WsaUnmapped">(
  code: C,
  details: Details & { readonly code?: string | undefined; readonly number?: number | undefined }
): Instance<C> => {
  const value: Mutable<Partial<Shape>> = { _tag: code }
  if (code === "WsaUnmapped") {
    value.code = details.code ?? details.native?.code ?? "UNKNOWN"
    const number = details.number ?? (isCode(value.code) ? table[value.code].number : undefined)
    if (number !== undefined) value.number = number
  } else {
    value.number = table[code as Code].number
  }
  value.call = details.call
  value.stage = details.stage
  if (details.local !== undefined) value.local = details.local
  if (details.remote !== undefined) value.remote = details.remote
  if (details.native !== undefined) value.native = details.native
  if (details.detail !== undefined) value.detail = details.detail
  if (details.cause !== undefined) value.cause = details.cause
  return construct(code === "WsaUnmapped" ? WsaUnmapped : classes[code as Code], value) as Instance<C>
}

/**
 * Makes the error with which a call ends.
 *
 * @category constructors
 * @since 0.1.0
 */
export const forCall = <C extends Call>(
  call: C,
  code: Code | "WsaUnmapped",
  details: Omit<Details, "call"> & { readonly code?: string | undefined; readonly number?: number | undefined }
): ErrorOf<C> => {
  const known = allowed.get(call)!.has(code)
  const value = { ...details, call }
  if (known) return make(code, value) as ErrorOf<C>
  return make("WsaUnmapped", code === "WsaUnmapped" ? value : { ...value, code }) as WsaError as ErrorOf<C>
}

/**
 * What has to be known of a failure besides its native code.
 *
 * @category models
 * @since 0.1.0
 */
export interface NativeContext {
  readonly stage: Stage
  readonly family: SocketAddress.Family
  readonly type: "stream" | "datagram"
  readonly local?: SocketAddress.SocketAddress | undefined
  readonly remote?: SocketAddress.SocketAddress | undefined
  readonly platform?: string | undefined
  readonly noSource?: boolean | undefined
}

/**
 * One line of the table from native codes to Winsock codes.
 *
 * @category models
 * @since 0.1.0
 */
export interface NativeRule {
  readonly native: ReadonlyArray<string>
  readonly stages: ReadonlyArray<Stage> | "any"
  readonly when?: (at: NativeContext) => boolean
  readonly code: Code
  readonly cause: string
}

/**
 * Chooses the code for what a stack below said.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromNative = (native: Native, _at: NativeContext): Code | "WsaUnmapped" =>
  native.code !== undefined && isCode(`WSA${native.code}`) ? `WSA${native.code}` as Code : "WsaUnmapped"
