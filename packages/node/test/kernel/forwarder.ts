// The forwarder on a TUN device: `node forwarder.ts DESCRIPTOR OPTIONS`, started by `tun` in worlds.ts, which has opened
// the device.
//
// What the kernel sends out of the device comes in here, a packet at a time. It goes back with its two addresses
// exchanged, so that a listener on the device's own address has the caller at the next one: a network with both ends in
// one process. Exchanging them leaves every checksum right. On the way a packet can be delayed or lost, or met by a
// router's word that it cannot be delivered; lines on the standard input change that.
import * as fs from "node:fs"
import * as readline from "node:readline"

export interface Options {
  /** Milliseconds that each packet takes. */
  readonly delay?: number
  /** The share of packets that is lost: 0 to 1. */
  readonly loss?: number
  /** What the losses follow from. */
  readonly seed?: number
  /** A router answers "destination unreachable", with this code; or with the last byte of the destination less 100. */
  readonly icmp?: number | "by destination"
}

const descriptor = Number(process.argv[2])
let options = JSON.parse(process.argv[3]!) as Options

// mulberry32: the same seed loses the same packets
let state = options.seed ?? 1
const random = (): number => {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

const checksum = (bytes: Buffer): number => {
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt8(i) * 256 + (bytes[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}

const turned = (packet: Buffer): Buffer => {
  const back = Buffer.from(packet)
  packet.copy(back, 12, 16, 20)
  packet.copy(back, 16, 12, 16)
  return back
}

/** A tunnel of 600 bytes, for the code that says how much would fit. */
const narrow = 600

const unreachable = (packet: Buffer, code: number): Buffer => {
  const quoted = packet.subarray(0, Math.min(packet.length, 20 + 8))
  const icmp = Buffer.concat([Buffer.from([3, code, 0, 0, 0, 0, 0, 0]), quoted])
  if (code === 4) icmp.writeUInt16BE(narrow, 6)
  icmp.writeUInt16BE(checksum(icmp), 2)
  const header = Buffer.alloc(20)
  header[0] = 0x45
  header.writeUInt16BE(20 + icmp.length, 2)
  header[8] = 64
  header[9] = 1
  packet.copy(header, 12, 16, 20)
  packet.copy(header, 16, 12, 16)
  header.writeUInt16BE(checksum(header), 10)
  return Buffer.concat([header, icmp])
}

const write = (packet: Buffer): void =>
  fs.write(descriptor, packet, () => {
    // The device may be down by now, and then the packet is lost like any other.
  })

const buffer = Buffer.alloc(65_536)

const next = (): void =>
  fs.read(descriptor, buffer, 0, buffer.length, null, (error, length) => {
    // While the device is down a read fails, and there is nothing to wait for.
    if (error !== null) return void setTimeout(next, 10)
    const packet = buffer.subarray(0, length)
    if (packet[0]! >> 4 === 4 && random() >= (options.loss ?? 0)) {
      const { icmp } = options
      const answer = icmp === undefined
        ? turned(packet)
        : unreachable(packet, icmp === "by destination" ? packet[19]! - 100 : icmp)
      if (options.delay === undefined) write(answer)
      else setTimeout(write, options.delay, answer)
    }
    next()
  })

next()
readline.createInterface(process.stdin)
  .on("line", (line) => {
    options = { ...options, ...JSON.parse(line) as Options }
    process.stdout.write("changed\n")
  })
  // A thread sits in the read above, and an orderly exit would wait for it.
  .on("close", () => process.kill(process.pid, "SIGKILL"))
process.stdout.write("ready\n")
