// What TLS has to do in the simulator too, by Node's OpenSSL: the same programs, with certificates of openssl.
import { NodeTls, NodeWinsock } from "@effect-winsock/node"
import { afterAll, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { cases, type Issuer } from "../../testing/test/utils/tlsCases.ts"
import { Certificates } from "./utils/certificates.ts"
import { leavingNothing } from "./utils/leaks.ts"

const altNames = (names: ReadonlyArray<string>) =>
  names.map((name) => /^[\d.]+$|:/.test(name) ? `IP:${name}` : `DNS:${name}`).join(",")

describe("TLS of Node, as the simulator has it", () => {
  let made: Certificates
  let issuer: Issuer
  beforeAll(() => {
    made = new Certificates()
    issuer = {
      ca: made.ca.cert,
      tells: false,
      issue: ({ by, names = ["localhost"], passphrase, ...wanted } = {}) => {
        const secret = passphrase === undefined ? {} : { passphrase }
        const pair = made.issued(
          { ...wanted, ...secret, names: altNames(names) },
          by === "stranger" ? made.stranger : made.ca
        )
        return {
          cert: pair.cert,
          key: Redacted.make(pair.key),
          ...(passphrase === undefined ? {} : { passphrase: Redacted.make(passphrase) })
        }
      },
      selfSigned: (name) => {
        const pair = made.selfSigned(altNames([name]))
        return { cert: pair.cert, key: Redacted.make(pair.key) }
      }
    }
  })
  afterAll(() => made.remove())

  for (const { run, title } of cases) {
    it.live(
      title,
      () =>
        leavingNothing(
          Effect.suspend(() => run(issuer)).pipe(
            Effect.scoped,
            Effect.provide(Layer.merge(NodeWinsock.layer, NodeTls.layer)),
            Effect.asVoid
          )
        ),
      60_000
    )
  }
})
