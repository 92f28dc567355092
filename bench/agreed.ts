// What the sides and their peer agree on.

/** Where the peer has what. */
export interface Peer {
  readonly host: string
  /** TCP that takes a connection and waits for its end. */
  readonly accept: number
  /** The same on a Unix path. */
  readonly path: string
  /** A port that is bound, and nobody listens. */
  readonly refused: number
  /** TCP that sends as many bytes as a `request` asks for, and ends. */
  readonly source: number
  /** TCP that takes bytes. */
  readonly sink: number
  /** TCP that sends back what comes. */
  readonly echo: number
  /** TCP that replies to connect data, as docs/connect-data.md says. */
  readonly replies: number
  /** UDP that takes datagrams, and answers those that begin with 1 with a burst. */
  readonly datagrams: number
}

/** What asks the source for so many bytes. */
export const request = (count: number): Uint8Array => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(count))
  return bytes
}

/** What whoever sends many bytes sends at a time. */
export const chunk = new Uint8Array(2 ** 20).fill(7)

/** What a receive asks for at the most. */
export const piece = 64 * 1024

/** What an idle connection has sent and got back. */
export const message = new Uint8Array(1024).fill(7)

/** What goes along with a connect, and what is echoed where nothing can. */
export const callerData = new Uint8Array(64).fill(7)

/** So many connections are opened at a time where many are held. */
export const openers = 50

export const datagram = new Uint8Array(512)

/** Asks for so many datagrams. They fit into the receive buffer of any socket. */
export const askForBurst = new Uint8Array([1])
export const burst = 64

/** Bytes that are missing, or too many. */
export const checkNone = (left: number): void => {
  if (left !== 0) throw new Error(`${left} bytes are missing`)
}
