#!/usr/bin/env node
/**
 * The `winsock` command, as it is installed. It is no module to import: what it can do, `Winsock` and `NodeWinsock` can.
 *
 * @since 0.1.0
 */
import * as NodeAddressResolver from "@effect/platform-node-shared/NodeAddressResolver"
import * as NodeChildProcessSpawner from "@effect/platform-node-shared/NodeChildProcessSpawner"
import * as NodeDns from "@effect/platform-node-shared/NodeDns"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as NodeRuntime from "@effect/platform-node-shared/NodeRuntime"
import * as NodeStdio from "@effect/platform-node-shared/NodeStdio"
import * as NodeTerminal from "@effect/platform-node-shared/NodeTerminal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stdio from "effect/Stdio"
import { createRequire } from "node:module"
import * as net from "node:net"
import { run } from "./internal/command.ts"
import { Network } from "./internal/command/request.ts"
import { warmUp } from "./internal/command/warmUp.ts"
import * as NodeWinsock from "./NodeWinsock.ts"

// npm installs on an older Node with a warning only, and then the first bind would be where it shows.
if (!("BoundSocket" in net)) {
  process.stderr.write(`winsock needs Node 24.19 or newer, this is ${process.version}\n`)
  process.exit(2)
}

const { version } = createRequire(import.meta.url)("../package.json") as { readonly version: string }

const environment = NodeChildProcessSpawner.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeStdio.layer, NodeTerminal.layer))
)
const network = Layer.mergeAll(
  Layer.succeed(Network, NodeWinsock.layer),
  Layer.provide(NodeAddressResolver.layer, NodeDns.layer)
)

Effect.gen(function*() {
  const words = yield* (yield* Stdio.Stdio).args
  if (words[0] === "connect") yield* warmUp.pipe(Effect.provide(NodeWinsock.layer), Effect.ignore)
  yield* run(words, version)
}).pipe(
  Effect.provide(Layer.merge(environment, network)),
  NodeRuntime.runMain
)
