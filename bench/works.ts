// What is measured, against whom, and in which unit. Everything else here only runs it.

/** What a side did in one round. */
export interface Sample {
  /** What was asked of it: connects, bytes, datagrams, connections. */
  readonly count: number
  readonly seconds: number
  /** Processor time of the side's process, in microseconds. */
  readonly cpu: number
  /** Growth of the process, in bytes; of works that hold connections only. */
  readonly rss: number
  readonly heap: number
}

/** A program that can do a task: a module of `sides/`, and what it calls the task. */
export interface Contender {
  readonly name: string
  readonly side: "winsock" | "node" | "nodeSocket"
  readonly task: string
}

export interface Measure {
  /** What is added to the name of the work. */
  readonly suffix: string
  readonly unit: string
  /** Whether more of it is better, or less. */
  readonly better: "more" | "less"
  readonly of: (sample: Sample) => number
}

/** What is to be run. */
export interface Plan {
  /** Ours, each under the name of its row. */
  readonly ours: ReadonlyArray<Contender>
  readonly peers: ReadonlyArray<Contender>
  /** What one round asks of each. */
  readonly count: number
  /** What is asked of each before anything counts. */
  readonly warmUp: number
  /** Memory is measured in a process that has done nothing else: a new one each round. */
  readonly fresh: boolean
  /** The peer does not sleep: see `peer.ts`. */
  readonly awake?: boolean
}

export interface Work extends Plan {
  readonly measures: ReadonlyArray<Measure>
}

const gibibyte = 2 ** 30

const perSecond = (unit: string): Measure => ({
  suffix: "",
  unit: `${unit}/s`,
  better: "more",
  of: ({ count, seconds }) => count / seconds
})

const cpuPer = (unit: string): Measure => ({
  suffix: " cpu",
  unit: `µs/${unit}`,
  better: "less",
  of: ({ count, cpu }) => cpu / count
})

const volume: ReadonlyArray<Measure> = [
  { suffix: "", unit: "GiB/s", better: "more", of: ({ count, seconds }) => count / gibibyte / seconds },
  { suffix: " cpu", unit: "ms/GiB", better: "less", of: ({ count, cpu }) => cpu / 1000 / (count / gibibyte) }
]

const perConnection: ReadonlyArray<Measure> = [
  { suffix: " rss", unit: "B/connection", better: "less", of: ({ count, rss }) => rss / count },
  { suffix: " heap", unit: "B/connection", better: "less", of: ({ count, heap }) => heap / count }
]

const contenders = (
  side: Contender["side"],
  tasks: Readonly<Record<string, string>>
): ReadonlyArray<Contender> => Object.entries(tasks).map(([name, task]) => ({ name, side, task }))

const ours = (...rows: ReadonlyArray<string>) =>
  rows.map((row): Contender => ({ name: row, side: "winsock", task: row }))

/** `node:net` and NodeSocket, which call the task alike. */
const streams = (task: string) => [
  ...contenders("node", { "node:net": task }),
  ...contenders("nodeSocket", { NodeSocket: task })
]

const connects = (name: string, count = 2000): Work => ({
  ours: ours(name),
  peers: streams(name),
  measures: [perSecond("connect"), cpuPer("connect")],
  count,
  // Before so many, compilation is what takes the time.
  warmUp: 20_000,
  fresh: false
})

/** An exchange of connect data, and the round trip that a program without one has to make. */
const exchanged: Work = {
  ...connects("connect exchanged"),
  peers: contenders("winsock", { "plain, one echo": "connect echoed" })
}

/** A mark, on a socket that is bound for it and on one that was bound anyway. */
const marked: Work = {
  ...connects("connect marked"),
  ours: ours("connect marked", "connect marked bound"),
  peers: contenders("winsock", { "bound, unmarked": "connect bound" })
}

/** A connect with everything around it, to an address: what the steps cost that have nothing to do. */
const pipeline: Work = {
  ...connects("connect pipeline"),
  peers: contenders("winsock", { "bare WSAConnect": "connect bare", "the same, scoped": "connect scoped" })
}

/** The same, of which nothing is spent on waking the peer. */
const pipelineAwake: Work = {
  ...pipeline,
  ours: contenders("winsock", { "connect pipeline awake": "connect pipeline" }),
  awake: true
}

const bytes = (rows: ReadonlyArray<string>, task: string): Work => ({
  ours: ours(...rows),
  peers: streams(task),
  measures: volume,
  count: gibibyte,
  warmUp: 2 * gibibyte,
  fresh: false
})

const datagrams = (name: string): Work => ({
  ours: ours(name),
  peers: [...contenders("node", { "node:dgram": name }), ...contenders("nodeSocket", { NodeDatagramSocket: name })],
  measures: [perSecond("datagram"), cpuPer("datagram")],
  count: 20_480,
  warmUp: 61_440,
  fresh: false
})

export const works: ReadonlyArray<Work> = [
  connects("connect tcp"),
  connects("connect unix"),
  connects("connect refused"),
  connects("connect concurrent", 1000),
  exchanged,
  marked,
  pipeline,
  pipelineAwake,
  bytes(["read into", "read owned", "read lent"], "read"),
  {
    ...bytes(["connection read into", "connection read owned", "connection read lent"], "read"),
    peers: contenders("nodeSocket", { NodeSocket: "read" })
  },
  bytes(["write"], "write"),
  datagrams("datagrams sent"),
  datagrams("datagrams received"),
  { ours: ours("idle"), peers: streams("idle"), measures: perConnection, count: 5000, warmUp: 500, fresh: true }
]

/** The same works so small that their figures say nothing: to see that they run. */
export const small = (work: Work): Work => {
  const divisor = work.count === gibibyte ? 256 : 20
  return { ...work, count: work.count / divisor, warmUp: work.count / divisor }
}

/** The rows that a work gives, without their figures. */
export const rowsOf = (work: Work) =>
  work.ours.flatMap((own) =>
    work.measures.flatMap((measure) =>
      work.peers.map((peer) => ({ name: `${own.name}${measure.suffix}`, own, peer, measure }))
    )
  )
