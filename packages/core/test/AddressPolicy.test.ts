import { AddressPolicy, SocketAddress } from "@effect-winsock/core"
import { assert, describe, it } from "@effect/vitest"
import { IpNetwork, NetAddress } from "effect/net"
import { Random } from "./utils/fuzz.ts"

const at = SocketAddress.fromInputUnsafe
const runs = Number(process.env["WINSOCK_FUZZ_INPUTS"] ?? 20_000)

const ruleOf = (address: string, policy = AddressPolicy.publicOnly) => AddressPolicy.check(policy, at(address))?.rule

describe("AddressPolicy.publicOnly", () => {
  const denied: ReadonlyArray<readonly [rule: string, ...addresses: ReadonlyArray<string>]> = [
    ["unspecified", "0.0.0.0:80", "0.1.2.3:80", "[::]:80", "[::ffff:0.0.0.0]:80"],
    ["loopback", "127.0.0.1:80", "127.255.255.254:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "[::ffff:7f00:1]:80"],
    ["private", "10.0.0.1:80", "172.16.0.1:80", "172.31.255.255:80", "192.168.1.1:80", "[::ffff:10.0.0.1]:80"],
    ["link-local", "169.254.169.254:80", "[fe80::1%1]:80", "[febf::1]:80", "[::ffff:169.254.169.254]:80"],
    ["unique-local", "[fc00::1]:80", "[fdff::1]:80", "[fd00:ec2::254]:80"],
    ["carrier-grade NAT", "100.64.0.1:80", "100.127.255.255:80", "[::ffff:100.64.0.1]:80"],
    ["multicast", "224.0.0.1:80", "239.255.255.255:80", "[ff02::1]:80", "[::ffff:224.0.0.1]:80"],
    ["broadcast", "255.255.255.255:80", "[::ffff:255.255.255.255]:80"],
    ["reserved", "240.0.0.1:80", "255.255.255.254:80"],
    ["documentation", "192.0.2.1:80", "198.51.100.1:80", "203.0.113.1:80", "[2001:db8::1]:80", "[3fff:fff::1]:80"],
    ["benchmarking", "198.18.0.1:80", "198.19.255.255:80", "[2001:2::1]:80"],
    ["protocol assignments", "192.0.0.1:80", "192.0.0.9:80", "192.0.0.170:80", "[2001:1::1]:80", "[2001:20::1]:80"],
    ["6to4 relay", "192.88.99.1:80"],
    ["6to4", "[2002:909:909::1]:80"],
    ["Teredo", "[2001:0:909:909::f6f6:f6f6]:80"],
    ["local NAT64", "[64:ff9b:1::909:909]:80"],
    ["IPv4-compatible", "[::9.9.9.9]:80"],
    ["IPv4-translated", "[::ffff:0:909:909]:80"],
    ["discard-only", "[100::1]:80"],
    ["dummy", "[100:0:0:1::1]:80"],
    ["segment routing", "[5f00::1]:80"],
    ["site-local", "[fec0::1]:80"],
    ["not given out", "[4000::1]:80", "[::1:0:0:1]:80", "[1fff::1]:80", "[64:ff9b:2::1]:80", "[e000::1]:80"],
    ["unix paths", "unix:/run/docker.sock", "unix:@app", "unix:"]
  ]
  for (const [rule, ...addresses] of denied) {
    it(`denies ${rule}`, () => {
      assert.deepStrictEqual(
        addresses.map((address) => [address, ruleOf(address)]),
        addresses.map((one) => [one, rule])
      )
    })
  }

  const carriers: ReadonlyArray<readonly [form: AddressPolicy.Embedded["form"], write: (hex: string) => string]> = [
    ["IPv4-mapped", (v4) => `[::ffff:${v4}]:80`],
    ["IPv4-compatible", (v4) => `[::${v4}]:80`],
    ["IPv4-translated", (v4) => `[::ffff:0:${v4}]:80`],
    ["NAT64", (v4) => `[64:ff9b::${v4}]:80`],
    ["NAT64", (v4) => `[64:ff9b:1::${v4}]:80`],
    ["NAT64", (v4) => `[64:ff9b:1:ffff:abcd::${v4}]:80`],
    ["6to4", (v4) => `[2002:${v4}::1]:80`],
    ["Teredo", (v4) => `[2001:0:${v4}::f6f6:f6f6]:80`],
    ["ISATAP", (v4) => `[2a00:1:2:3:0:5efe:${v4}]:80`],
    ["ISATAP", (v4) => `[2a00:1:2:3:200:5efe:${v4}]:80`]
  ]
  const forbidden = [
    ["7f00:1", "loopback"],
    ["a00:1", "private"],
    ["ac10:1", "private"],
    ["c0a8:1", "private"],
    ["a9fe:a9fe", "link-local"],
    ["6440:1", "carrier-grade NAT"],
    ["0:2", "unspecified"],
    ["e000:1", "multicast"],
    ["ffff:ffff", "broadcast"],
    ["c000:201", "documentation"],
    ["c612:1", "benchmarking"]
  ] as const
  for (const [form, write] of carriers) {
    it(`denies what ${write("a:b")} carries as ${form}, by the rule of what is carried`, () => {
      for (const [hex, rule] of forbidden) {
        const denial = AddressPolicy.check(AddressPolicy.publicOnly, at(write(hex)))
        assert.strictEqual(denial?.rule, rule, write(hex))
        assert.strictEqual(denial?.embedded?.form, form, write(hex))
      }
    })
  }

  it("denies the client of Teredo, which is written inverted", () => {
    assert.strictEqual(ruleOf("[2001:0:909:909::80ff:fffe]:80"), "loopback")
  })

  it("allows what is public, also where it is mapped or translated", () => {
    for (
      const address of [
        "9.9.9.9:443",
        "1.0.0.0:80",
        "223.255.255.255:80",
        "[2606:4700::1111]:443",
        "[2a00:1450::1]:80",
        "[::ffff:9.9.9.9]:80",
        "[64:ff9b::909:909]:80",
        "[2a00:1:2:3:0:5efe:909:909]:80",
        "192.31.196.1:80",
        "[2620:4f:8000::1]:80"
      ]
    ) assert.isUndefined(ruleOf(address), address)
  })

  // The same, said the other way round: what may be reached, as pairs of a first and a last address.
  const v4 = (text: string) => text.split(".").reduce((sum, octet) => sum * 256n + BigInt(octet), 0n)
  const v6 = (text: string) => BigInt(`0x${text.padEnd(32, text.length < 32 && text.endsWith("f") ? "f" : "0")}`)
  const open4 = [
    "1.0.0.0-9.255.255.255",
    "11.0.0.0-100.63.255.255",
    "100.128.0.0-126.255.255.255",
    "128.0.0.0-169.253.255.255",
    "169.255.0.0-172.15.255.255",
    "172.32.0.0-191.255.255.255",
    "192.0.1.0-192.0.1.255",
    "192.0.3.0-192.88.98.255",
    "192.88.100.0-192.167.255.255",
    "192.169.0.0-198.17.255.255",
    "198.20.0.0-198.51.99.255",
    "198.51.101.0-203.0.112.255",
    "203.0.114.0-223.255.255.255"
  ].map((range) => range.split("-").map(v4))
  const open6 = [
    ["20000000", "2000ffff"],
    ["20010200", "20010db7ffff"],
    ["20010db9", "2001ffff"],
    ["20030000", "3ffeffff"],
    ["3fff1000", "3fffffff"]
  ].map((range) => range.map((end) => v6(end)))
  const isIn = (ranges: ReadonlyArray<ReadonlyArray<bigint>>, n: bigint) =>
    ranges.some(([first, last]) => first! <= n && n <= last!)
  const low = (n: bigint) => n & 0xffff_ffffn
  const isPublic6 = (n: bigint): boolean => {
    if (n >> 32n === 0xffffn || n >> 32n === 0x64_ff9b_0000_0000_0000_0000n) return isIn(open4, low(n))
    const isatap = (n >> 32n) & 0xffff_ffffn
    if ((isatap === 0x5efen || isatap === 0x0200_5efen) && !isIn(open4, low(n))) return false
    return isIn(open6, n)
  }

  const bytesOf = (n: bigint, length: number) =>
    Uint8Array.from({ length }, (_, i) => Number((n >> BigInt(8 * (length - 1 - i))) & 0xffn))

  it(`agrees with what may be reached on ${runs} addresses of each family, most at an edge`, () => {
    const random = new Random(20_261_123)
    const any = (bits: number) => random.bytes(bits / 8).reduce((sum: bigint, octet) => sum * 256n + BigInt(octet), 0n)
    const edges = (ranges: ReadonlyArray<ReadonlyArray<bigint>>) =>
      ranges.flatMap(([a, b]) => [a! - 1n, a!, b!, b! + 1n])
    const networks = AddressPolicy.specialPurpose.map(({ network }) => IpNetwork.fromInputUnsafe(network))
    const numberOf = (address: NetAddress.IpAddress) =>
      (NetAddress.isIpv4Address(address) ? NetAddress.ipv4ToOctets(address) : NetAddress.ipv6ToOctets(address))
        .reduce((sum: bigint, octet) => sum * 256n + BigInt(octet), 0n)
    const around = (family: 32 | 128) =>
      networks.filter(({ address }) => NetAddress.width(address) === family).flatMap((network) => {
        const [first, last] = [numberOf(network.address), numberOf(IpNetwork.lastAddress(network))]
        return [first - 1n, first, last, last + 1n]
      })
    const wrap = (n: bigint, bits: number) => n & ((1n << BigInt(bits)) - 1n)
    const edges4 = [...edges(open4), ...around(32)].map((n) => wrap(n, 32))
    const edges6 = [...edges(open6), ...around(128)].map((n) => wrap(n, 128))
    const draw4 = () => random.below(4) === 0 ? any(32) : random.pick(edges4)
    const draw6 = () => {
      const carried = draw4()
      switch (random.below(9)) {
        case 0:
          return any(128)
        case 1:
          return (0xffffn << 32n) | carried
        case 2:
          return carried
        case 3:
          return (0xffff_0000n << 32n) | carried
        case 4:
          return (0x64_ff9b_0000_0000_0000_0000n << 32n) | carried
        case 5:
          return (0x2002n << 112n) | (carried << 80n) | any(80)
        case 6:
          return wrap((any(64) << 64n) | (random.pick([0x5efen, 0x0200_5efen]) << 32n) | carried, 128)
        case 7:
          return (random.pick([0x2001_0000n, 0x2a00_0001n]) << 96n) | (any(64) << 32n) | carried
        default:
          return random.pick(edges6)
      }
    }
    const counts = { allowed: 0, denied: 0 }
    const compare = (n: bigint, length: 4 | 16, expected: boolean) => {
      const address = at({ address: bytesOf(n, length), port: 80 })
      const denial = AddressPolicy.check(AddressPolicy.publicOnly, address)
      assert.strictEqual(denial === undefined, expected, `${SocketAddress.format(address)} ${denial?.rule}`)
      counts[expected ? "allowed" : "denied"]++
    }
    for (let i = 0; i < runs; i++) {
      const four = draw4()
      compare(four, 4, isIn(open4, four))
      const six = draw6()
      compare(six, 16, isPublic6(six))
    }
    assert.isAbove(counts.allowed, runs / 10)
    assert.isAbove(counts.denied, runs / 10)
  })
})

describe("AddressPolicy.make", () => {
  it("asks the rules in their order, and the rest last", () => {
    const policy = AddressPolicy.make({
      name: "ours",
      rules: [
        AddressPolicy.deny("the vault", { networks: ["10.1.9.0/24"] }),
        AddressPolicy.allow("the rest", {
          networks: ["10.1.0.0/16"],
          except: ["10.1.8.0/24"],
          ports: [80, [8000, 8999]]
        })
      ],
      otherwise: "deny"
    })
    assert.strictEqual(ruleOf("10.1.9.1:80", policy), "the vault")
    assert.isUndefined(ruleOf("10.1.1.1:80", policy))
    assert.isUndefined(ruleOf("10.1.1.1:8999", policy))
    for (const address of ["10.1.1.1:81", "10.1.1.1:9000", "10.1.8.1:80", "10.2.0.1:80", "[2a00::1]:80", "unix:/x"]) {
      assert.strictEqual(ruleOf(address, policy), "otherwise", address)
    }
    const denial = AddressPolicy.check(policy, at("10.1.9.1:80"))!
    assert.strictEqual(
      AddressPolicy.describe(denial),
      "the rule \"the vault\" of the address policy \"ours\" denies 10.1.9.1:80 (10.1.9.0/24)"
    )
  })

  it("takes a mapped address and a mapped network for what they are", () => {
    const policy = AddressPolicy.make({
      rules: [AddressPolicy.allow("ours", { networks: ["::ffff:10.1.0.0/112"], families: ["IPv4"] })],
      otherwise: "deny"
    })
    assert.isUndefined(ruleOf("10.1.2.3:80", policy))
    assert.isUndefined(ruleOf("[::ffff:10.1.2.3]:80", policy))
    assert.strictEqual(ruleOf("[::ffff:10.2.2.3]:80", policy), "otherwise")
  })

  it("wants both, an address and what it carries, to be allowed", () => {
    const nat64 = AddressPolicy.allow("our NAT64", { networks: ["64:ff9b:1::/96"] })
    const policy = AddressPolicy.publicOnly.pipe(AddressPolicy.before(nat64))
    assert.isUndefined(ruleOf("[64:ff9b:1::909:909]:80", policy))
    assert.strictEqual(ruleOf("[64:ff9b:1::a00:1]:80", policy), "private")
  })

  it("asks for the family of the address itself", () => {
    const six = AddressPolicy.make({ rules: [AddressPolicy.allow("six", { families: ["IPv6"] })], otherwise: "deny" })
    assert.isUndefined(ruleOf("[64:ff9b::a00:1]:80", six))
    assert.strictEqual(ruleOf("[::ffff:10.0.0.1]:80", six), "otherwise")
    assert.strictEqual(ruleOf("10.0.0.1:80", six), "otherwise")
  })

  it("compares paths as they are written, with dots worked out", () => {
    const policy = AddressPolicy.make({
      rules: [AddressPolicy.allow("ours", { paths: ["/run/app/", "/run/one.sock", "\0ours", "here.sock"] })],
      otherwise: "deny"
    })
    for (const path of ["/run/app/a.sock", "/run//app/./a/b.sock", "/run/x/../one.sock", "\0ours", "./here.sock"]) {
      assert.isUndefined(AddressPolicy.check(policy, at({ path })), path)
    }
    for (
      const path of [
        "/run/app",
        "/run/app/../x",
        "/run/application/x",
        "run/app/x",
        "../run/one.sock",
        "../here.sock",
        "\0ours2",
        "/here.sock",
        ""
      ]
    ) assert.isDefined(AddressPolicy.check(policy, at({ path })), path)
  })

  it("is frozen, and so are its rules", () => {
    const { publicOnly } = AddressPolicy
    assert.throws(() => Object.assign(publicOnly, { otherwise: "allow", rules: [] }))
    assert.throws(() => (publicOnly.rules as Array<AddressPolicy.Rule>).pop())
    assert.throws(() => Object.assign(publicOnly.rules[0]!, { verdict: "allow" }))
    assert.throws(() => (publicOnly.rules[0]!.networks as Array<unknown>).pop())
  })

  it("throws where a rule cannot be read", () => {
    for (const networks of [["10.0.0.1/8"], ["10.0.0.0"], ["example.org"], ["10.0.0.0/33"]]) {
      assert.throws(() => AddressPolicy.deny("wrong", { networks }), undefined, undefined, networks[0]!)
    }
    for (const port of [-1, 65536, 1.5, [2, 1], [0, 70000]] as const) {
      assert.throws(() => AddressPolicy.deny("wrong", { ports: [port] }), /expected a port/)
    }
    // it would fit nothing, and what was meant to be denied would be allowed
    for (const families of ["IPv4", ["ipv4"], ["IPv6", 4], [undefined]]) {
      assert.throws(() => AddressPolicy.deny("wrong", { families } as AddressPolicy.Conditions), /^families: expected/)
    }
  })
})
