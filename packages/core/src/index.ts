export * as SocketAddress from "./SocketAddress.ts"
export * as WsaError from "./WsaError.ts"
