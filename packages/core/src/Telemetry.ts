/**
 * What `Connector.telemetry` tells: the names of its spans, its histogram, and what it calls each error.
 *
 * The names are OpenTelemetry's, and of its instrumentation of .NET, where there is none for all: whoever reads the one
 * reads the other.
 *
 * | span | is | its parent |
 * | --- | --- | --- |
 * | `connection_setup example.org:443` | a connect, with all that belongs to it | the current one |
 * | `DNS lookup example.org` | asking for the addresses of a family | the connect's |
 * | `socket connect 192.0.2.1:443` | an attempt, with all of its steps | the connect's, or that of the attempt it is part of |
 *
 * | attribute | says | of |
 * | --- | --- | --- |
 * | `server.address`, `server.port` | what was asked for | connects |
 * | `network.peer.address`, `network.peer.port` | whom the socket is connected to; a path has no port | attempts, and connects that went well |
 * | `network.local.address`, `network.local.port` | from where | attempts that were connected, connects that went well |
 * | `network.transport` | `tcp`, `unix` | attempts, and connects that went well |
 * | `network.type` | `ipv4`, `ipv6` | the same, of TCP |
 * | `network.protocol.name`, `network.protocol.version` | what TLS agreed on: `http` and `2` of `h2` | attempts |
 * | `dns.question.name`, `dns.answers` | the name, and its addresses | look-ups |
 * | `error.type` | why it failed, see {@link errorType} | whatever failed |
 *
 * A connect that goes well is no error, whatever became of its attempts. An attempt that was cancelled, since another one
 * won, has ended by an interruption, and is no error either.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"
import type * as WsaError from "./WsaError.ts"

/**
 * What telemetry can be told.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Go to every span and to the histogram: a few different values, such as the name of a service. */
  readonly attributes?: { readonly [name: string]: string } | undefined
}

// The names that .NET has are those of its instrumentation; the others are made in its style.
const codes: { readonly [code in WsaError.Code]: string } = {
  WSA_INVALID_HANDLE: "invalid_handle",
  WSA_NOT_ENOUGH_MEMORY: "not_enough_memory",
  WSA_INVALID_PARAMETER: "invalid_parameter",
  WSA_OPERATION_ABORTED: "operation_aborted",
  WSA_IO_INCOMPLETE: "io_incomplete",
  WSA_IO_PENDING: "io_pending",
  WSAEINTR: "interrupted",
  WSAEBADF: "bad_descriptor",
  WSAEACCES: "access_denied",
  WSAEFAULT: "fault",
  WSAEINVAL: "invalid_argument",
  WSAEMFILE: "too_many_open_sockets",
  WSAEWOULDBLOCK: "would_block",
  WSAEINPROGRESS: "in_progress",
  WSAEALREADY: "already_in_progress",
  WSAENOTSOCK: "not_socket",
  WSAEDESTADDRREQ: "destination_address_required",
  WSAEMSGSIZE: "message_size",
  WSAEPROTOTYPE: "protocol_type",
  WSAENOPROTOOPT: "protocol_option",
  WSAEPROTONOSUPPORT: "protocol_not_supported",
  WSAESOCKTNOSUPPORT: "socket_not_supported",
  WSAEOPNOTSUPP: "operation_not_supported",
  WSAEPFNOSUPPORT: "protocol_family_not_supported",
  WSAEAFNOSUPPORT: "address_family_not_supported",
  WSAEADDRINUSE: "address_already_in_use",
  WSAEADDRNOTAVAIL: "address_not_available",
  WSAENETDOWN: "network_down",
  WSAENETUNREACH: "network_unreachable",
  WSAENETRESET: "network_reset",
  WSAECONNABORTED: "connection_aborted",
  WSAECONNRESET: "connection_reset",
  WSAENOBUFS: "no_buffer_space_available",
  WSAEISCONN: "is_connected",
  WSAENOTCONN: "not_connected",
  WSAESHUTDOWN: "shutdown",
  WSAETOOMANYREFS: "too_many_references",
  WSAETIMEDOUT: "timed_out",
  WSAECONNREFUSED: "connection_refused",
  WSAELOOP: "loop",
  WSAENAMETOOLONG: "name_too_long",
  WSAEHOSTDOWN: "host_down",
  WSAEHOSTUNREACH: "host_unreachable",
  WSAENOTEMPTY: "not_empty",
  WSAEPROCLIM: "process_limit",
  WSAEUSERS: "too_many_users",
  WSAEDQUOT: "disk_quota",
  WSAESTALE: "stale",
  WSAEREMOTE: "remote",
  WSASYSNOTREADY: "system_not_ready",
  WSAVERNOTSUPPORTED: "version_not_supported",
  WSANOTINITIALISED: "not_initialised",
  WSAEDISCON: "disconnecting",
  WSAENOMORE: "no_more_results",
  WSAECANCELLED: "cancelled",
  WSAEINVALIDPROCTABLE: "invalid_procedure_table",
  WSAEINVALIDPROVIDER: "invalid_provider",
  WSAEPROVIDERFAILEDINIT: "provider_failed_init",
  WSASYSCALLFAILURE: "system_call_failure",
  WSASERVICE_NOT_FOUND: "service_not_found",
  WSATYPE_NOT_FOUND: "type_not_found",
  WSA_E_NO_MORE: "lookup_no_more",
  WSA_E_CANCELLED: "lookup_cancelled",
  WSAEREFUSED: "query_refused",
  WSAHOST_NOT_FOUND: "host_not_found",
  WSATRY_AGAIN: "try_again",
  WSANO_RECOVERY: "no_recovery",
  WSANO_DATA: "no_data",
  WSA_QOS_RECEIVERS: "qos_receivers",
  WSA_QOS_SENDERS: "qos_senders",
  WSA_QOS_NO_SENDERS: "qos_no_senders",
  WSA_QOS_NO_RECEIVERS: "qos_no_receivers",
  WSA_QOS_REQUEST_CONFIRMED: "qos_request_confirmed",
  WSA_QOS_ADMISSION_FAILURE: "qos_admission_failure",
  WSA_QOS_POLICY_FAILURE: "qos_policy_failure",
  WSA_QOS_BAD_STYLE: "qos_bad_style",
  WSA_QOS_BAD_OBJECT: "qos_bad_object",
  WSA_QOS_TRAFFIC_CTRL_ERROR: "qos_traffic_control_error",
  WSA_QOS_GENERIC_ERROR: "qos_generic_error",
  WSA_QOS_ESERVICETYPE: "qos_service_type",
  WSA_QOS_EFLOWSPEC: "qos_flow_specification",
  WSA_QOS_EPROVSPECBUF: "qos_provider_specific_buffer",
  WSA_QOS_EFILTERSTYLE: "qos_filter_style",
  WSA_QOS_EFILTERTYPE: "qos_filter_type",
  WSA_QOS_EFILTERCOUNT: "qos_filter_count",
  WSA_QOS_EOBJLENGTH: "qos_object_length",
  WSA_QOS_EFLOWCOUNT: "qos_flow_count",
  WSA_QOS_EUNKNOWNPSOBJ: "qos_unknown_object",
  WSA_QOS_EPOLICYOBJ: "qos_policy_object",
  WSA_QOS_EFLOWDESC: "qos_flow_descriptor",
  WSA_QOS_EPSFLOWSPEC: "qos_provider_specific_flow_specification",
  WSA_QOS_EPSFILTERSPEC: "qos_provider_specific_filter_specification",
  WSA_QOS_ESDMODEOBJ: "qos_shape_discard_mode_object",
  WSA_QOS_ESHAPERATEOBJ: "qos_shape_rate_object",
  WSA_QOS_RESERVED_PETYPE: "qos_reserved_policy_element_type",
  WSA_SECURE_HOST_NOT_FOUND: "secure_host_not_found",
  WSA_IPSEC_NAME_POLICY_ERROR: "ipsec_name_policy_error"
}

const types: ReadonlyMap<string, string> = new Map(Object.entries({
  ...codes,
  BreakerOpen: "breaker_open",
  TlsUntrusted: "tls_untrusted",
  TlsExpired: "tls_expired",
  TlsNameMismatch: "tls_name_mismatch",
  TlsProtocol: "tls_protocol",
  TlsAlert: "tls_alert",
  TlsTruncated: "tls_truncated",
  TlsBadOption: "tls_bad_option",
  ProxyFailure: "proxy_failure",
  ProxyAuthenticationRequired: "proxy_authentication_required",
  ProxyProtocol: "proxy_protocol"
}))

/**
 * Gives what OpenTelemetry calls an error, by its code or its tag: `error.type`.
 *
 * **Details**
 *
 * Each code of Winsock has a name of its own, and so has each error of TLS, of proxies and of breakers. All others are
 * `"_OTHER"`, so that nobody has to be afraid of many different values.
 *
 * **Example** (Codes, and what is none)
 *
 * ```ts import.meta.vitest
 * import { Telemetry } from "@effect-winsock/core"
 *
 * Telemetry.errorType("WSAECONNREFUSED") // => "connection_refused"
 * Telemetry.errorType("TlsExpired") // => "tls_expired"
 * Telemetry.errorType("MyError") // => "_OTHER"
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const errorType = (code: string): string => types.get(code) ?? "_OTHER"

/**
 * How long connects take, in seconds, with all that belongs to them: the one histogram.
 *
 * **Details**
 *
 * Its name is `winsock.connect.duration`. Those that failed have the attribute `error.type`, those that were interrupted
 * `"interrupted"` in it; those that went well have none. Its bounds are 1, 2.5, 5, 10, 25, 50, 75, 100, 250, 500, 750
 * milliseconds, and 1, 2.5, 5, 7.5, 10, 30 and 60 seconds: OpenTelemetry's for durations, with three below for networks that
 * are near, and two above for those that give up late.
 *
 * **Example** (What it is called)
 *
 * ```ts import.meta.vitest
 * import { Telemetry } from "@effect-winsock/core"
 *
 * Telemetry.duration.id // => "winsock.connect.duration"
 * ```
 *
 * @category metrics
 * @since 0.1.0
 */
export const duration: Metric.Histogram<number> = Metric.histogram("winsock.connect.duration", {
  description: "How long it takes to connect",
  attributes: { unit: "s" },
  boundaries: [
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.25,
    0.5,
    0.75,
    1,
    2.5,
    5,
    7.5,
    10,
    30,
    60
  ]
})
