import { AddressSelection, SocketAddress } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"

const at = (ip: string) => SocketAddress.fromInputUnsafe(ip.includes(":") ? `[${ip}]:80` : `${ip}:80`)
const ipOf = (address: SocketAddress.SocketAddress) => SocketAddress.format(address).replace(/^\[?(.*?)\]?:80$/, "$1")

type Pair = readonly [destination: string, source: string | undefined]
const sorted = (pairs: ReadonlyArray<Pair>, table?: AddressSelection.PolicyTable) =>
  AddressSelection.sort(
    pairs.map(([address, source]) => ({ address: at(address), source: source === undefined ? undefined : at(source) })),
    table
  ).map(ipOf)

/** The pairs stand in the order that the rules ask for. */
const inOrder = (pairs: ReadonlyArray<Pair>, table?: AddressSelection.PolicyTable) => {
  const expected = pairs.map(([address]) => address)
  assert.deepStrictEqual(sorted(pairs, table), expected)
  assert.deepStrictEqual(sorted([...pairs].reverse(), table), expected, "whatever order they came in")
}

describe("the examples of RFC 6724 §10.2", () => {
  it("rule 2: a scope that matches, over the family", () => {
    inOrder([["2001:db8:1::1", "2001:db8:1::2"], ["198.51.100.121", "169.254.13.78"]])
    inOrder([["198.51.100.121", "198.51.100.117"], ["2001:db8:1::1", "fe80::1"]])
  })

  it("rule 6: IPv6 before IPv4, also before a private address", () => {
    inOrder([["2001:db8:1::1", "2001:db8:1::2"], ["10.1.2.3", "10.1.2.4"]])
  })

  it("rule 8: the smaller scope", () => {
    inOrder([["fe80::1", "fe80::2"], ["2001:db8:1::1", "2001:db8:1::2"]])
  })

  it("rule 9: the longer prefix in common", () => {
    inOrder([["2001:db8:1::1", "2001:db8:1::2"], ["2001:db8:3ffe::1", "2001:db8:3f44::2"]])
  })

  it("rule 5: the label that matches", () => {
    inOrder([["2002:c633:6401::1", "2002:c633:6401::2"], ["2001:db8:1::1", "2002:c633:6401::2"]])
  })

  it("rule 6: a native address before one of 6to4, where both labels match", () => {
    inOrder([["2001:db8:1::1", "2001:db8:1::2"], ["2002:c633:6401::1", "2002:c633:6401::2"]])
  })
})

describe("the order of addresses", () => {
  it("rule 1: what cannot be reached comes last, and stays in its order", () => {
    assert.deepStrictEqual(
      sorted([["2001:db8::1", undefined], ["10.0.0.1", "10.0.0.2"], ["2001:db8::2", undefined]]),
      ["10.0.0.1", "2001:db8::1", "2001:db8::2"]
    )
  })

  it("rule 5: a machine with unique local addresses only goes to the world over IPv4", () => {
    inOrder([["198.51.100.1", "10.0.0.2"], ["2001:db8::1", "fd00::2"]])
  })

  it("rule 9 and 10: IPv4 addresses stay as the name server had them, however near they are", () => {
    const rotated = ["54.83.193.112", "184.72.238.214", "23.23.172.185", "75.101.148.21", "23.23.134.56", "10.2.3.5"]
    assert.deepStrictEqual(sorted(rotated.map((ip) => [ip, "10.2.3.4"])), rotated)
  })

  it("rule 9: bits beyond the 64th tell nothing", () => {
    const near: Pair = ["2001:db8:1:2::ff01", "2001:db8:1:2::ff02"]
    const far: Pair = ["2001:db8:1:2:8000::1", "2001:db8:1:2::ff02"]
    assert.deepStrictEqual(sorted([far, near]), [far[0], near[0]])
    assert.deepStrictEqual(sorted([near, far]), [near[0], far[0]])
  })

  it("rule 9: counts up to the last bit of a network", () => {
    inOrder([
      ["2001:db8:1:2::1", "2001:db8:1:2::9"],
      ["2001:db8:1:3::1", "2001:db8:1:2::9"],
      ["2001:db8:9:2::1", "2001:db8:1:2::9"],
      ["2a00::1", "2001:db8:1:2::9"]
    ])
  })

  it("rule 8: loopback and 169.254.0.0/16 are of a link, the sites of IPv6 between that and the world", () => {
    const flat = [AddressSelection.policy("::/0", 1, 1)]
    inOrder([["127.0.0.1", "127.0.0.1"], ["fec0::1", "fec0::2"], ["198.51.100.1", "198.51.100.2"]], flat)
    inOrder([["::1", "::1"], ["fec0::1", "fec0::2"], ["2001:db8::1", "2001:db8::2"]], flat)
    inOrder([["169.254.1.2", "169.254.1.1"], ["10.0.0.1", "10.0.0.2"]], flat)
    // A multicast address says its scope itself.
    inOrder([["ff02::1", "fe80::2"], ["ff05::1", "fec0::2"], ["ff0e::1", "2001:db8::2"]], flat)
    // The table decides before the scope does.
    inOrder([["::1", "::1"], ["2001:db8::1", "2001:db8::2"], ["127.0.0.1", "127.0.0.1"]])
  })

  it("counts an IPv4 address that is mapped into IPv6 as what it is", () => {
    inOrder([["2001:db8:1::1", "2001:db8:1::2"], ["::ffff:198.51.100.121", "::ffff:198.51.100.117"]])
  })

  it("goes by a table that is given, of which the longest prefix counts", () => {
    const v4First = [...AddressSelection.defaultTable, AddressSelection.policy("::ffff:10.0.0.0/104", 60, 4)]
    const pairs: ReadonlyArray<Pair> = [["10.0.0.1", "10.0.0.2"], ["2001:db8::1", "2001:db8::2"]]
    inOrder(pairs, v4First)
    inOrder(pairs, [...v4First].reverse())
    inOrder([...pairs].reverse())
  })

  it("puts what no row of a table is about last", () => {
    const table = [AddressSelection.policy("2001:db8::/32", 1, 1)]
    inOrder([["2001:db8::1", "2001:db8::2"], ["2a00::1", "2a00::2"]], table)
  })

  it("leaves paths, which nobody is asked for, at the end", () => {
    const path = SocketAddress.fromInputUnsafe("unix:/run/app.sock")
    const found = AddressSelection.sort([
      { address: path, source: undefined },
      { address: at("127.0.0.1"), source: at("127.0.0.1") }
    ])
    assert.strictEqual(found[1], path)
  })

  it("is a mistake of the program to ask for with a network of IPv4", () => {
    assert.throws(() => AddressSelection.policy("10.0.0.0/8", 1, 1), /write IPv4 as a mapped one/)
  })
})
