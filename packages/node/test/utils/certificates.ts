/**
 * Certificates, made by openssl for the test that wants them: none is in the repository, so that none expires there.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"

export interface Pair {
  readonly cert: string
  readonly key: string
  /** Where they are, for programs that read files. */
  readonly certFile: string
  readonly keyFile: string
}

export interface Wanted {
  /** What is in its subjectAltName, as openssl writes it. Default `DNS:localhost,IP:127.0.0.1,IP:::1`. */
  readonly names?: string
  /** In days from now. */
  readonly from?: number
  readonly to?: number
  readonly passphrase?: string
}

const day = 86_400_000
// the form that openssl takes: 20261123185343Z
const dateOf = (days: number) => new Date(Date.now() + days * day).toISOString().replace(/[-:T]|\.\d+/g, "")

/** Authorities and certificates in a directory of their own. */
export class Certificates {
  readonly directory = mkdtempSync(path.join(tmpdir(), "winsock-tls-"))
  private count = 0
  readonly ca: Pair
  readonly stranger: Pair

  constructor() {
    writeFileSync(this.file("index.txt"), "")
    writeFileSync(
      this.file("openssl.cnf"),
      `[ca]
default_ca = own
[own]
dir = ${this.directory}
database = ${this.file("index.txt")}
new_certs_dir = ${this.directory}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = dn
[dn]
`
    )
    this.ca = this.authority("Authority of the test")
    this.stranger = this.authority("Authority that nobody trusts")
  }

  file(name: string): string {
    return path.join(this.directory, name)
  }

  /** Runs openssl; what has blanks in it comes after the line. */
  openssl(line: string, ...rest: ReadonlyArray<string>): void {
    execFileSync("openssl", [...line.split(" "), ...rest], { cwd: this.directory, stdio: ["ignore", "pipe", "pipe"] })
  }

  private pair(name: string): Pair {
    const certFile = this.file(`${name}.crt`)
    const keyFile = this.file(`${name}.key`)
    const read = (file: string) => readFileSync(file, "utf8")
    return { certFile, keyFile, cert: read(certFile), key: read(keyFile) }
  }

  private key(name: string, passphrase?: string): void {
    const cipher = passphrase === undefined ? "" : ` -aes-256-cbc -pass pass:${passphrase}`
    this.openssl(`genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256${cipher} -out ${name}.key`)
  }

  /** One that vouches for itself. */
  selfSigned(names = "DNS:localhost,IP:127.0.0.1"): Pair {
    const name = `self${this.count++}`
    this.key(name)
    this.openssl(
      `req -x509 -new -config openssl.cnf -key ${name}.key -out ${name}.crt -subj /CN=localhost -days 2 -addext`,
      `subjectAltName=${names}`
    )
    return this.pair(name)
  }

  private authority(subject: string): Pair {
    const name = `ca${this.count++}`
    this.key(name)
    this.openssl(
      `req -x509 -new -config openssl.cnf -key ${name}.key -out ${name}.crt -days 30 ` +
        "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -subj",
      `/CN=${subject}`
    )
    return this.pair(name)
  }

  /** One that an authority vouches for. */
  issued(wanted: Wanted = {}, by: Pair = this.ca): Pair {
    const name = `leaf${this.count++}`
    const { from = -1, names = "DNS:localhost,IP:127.0.0.1,IP:::1", passphrase, to = 2 } = wanted
    this.key(name, passphrase)
    const secret = passphrase === undefined ? "" : ` -passin pass:${passphrase}`
    this.openssl(
      `req -new -config openssl.cnf -key ${name}.key -out ${name}.csr${secret} -subj /CN=${name} -addext`,
      `subjectAltName=${names}`
    )
    this.openssl(
      `ca -batch -config openssl.cnf -cert ${by.certFile} -keyfile ${by.keyFile} -notext -in ${name}.csr ` +
        `-out ${name}.crt -startdate ${dateOf(from)} -enddate ${dateOf(to)}`
    )
    return this.pair(name)
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}
