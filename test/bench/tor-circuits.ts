/**
 * From what Tor's control port tells (control-spec, `SETEVENTS CIRC STREAM`): which circuit each connection took, and whether
 * that was a new one.
 */

export interface CircuitUse {
  /** Connections that were attached to a circuit. */
  readonly streams: number
  /** Of those: the ones whose circuit no other connection used. */
  readonly own: number
  /** Of those: the ones whose circuit was begun after the connection had come. */
  readonly begunAfter: number
  /** Circuits of these connections by their number of hops when they were built. */
  readonly hops: ReadonlyMap<number, number>
  /** Circuits begun while the events were listened to, used or not. */
  readonly launched: number
}

interface Stream {
  readonly newAt: number
  circuit?: string
}

interface Circuit {
  readonly launchedAt: number
  hops: number
}

/** @param lines in the order in which they came */
export function circuitUse(lines: readonly string[]): CircuitUse {
  const streams = new Map<string, Stream>()
  const circuits = new Map<string, Circuit>()
  for (const [at, line] of lines.entries()) {
    const [code, event, id = '', state, ...words] = line.split(' ')
    if (code !== '650') continue
    // Tor's own fetches from directories are no connections of an app.
    if (event === 'STREAM' && state === 'NEW' && !line.includes(' PURPOSE=DIR_')) streams.set(id, { newAt: at })
    if (event === 'STREAM' && state === 'SENTCONNECT') {
      const stream = streams.get(id)
      if (stream !== undefined) stream.circuit = words[0] ?? ''
    }
    if (event === 'CIRC' && state === 'LAUNCHED') circuits.set(id, { launchedAt: at, hops: 0 })
    if (event === 'CIRC' && state === 'BUILT') {
      const circuit = circuits.get(id)
      if (circuit !== undefined) circuit.hops = words[0]?.split(',').length ?? 0
    }
  }
  return summary([...streams.values()], circuits)
}

function summary(streams: readonly Stream[], circuits: ReadonlyMap<string, Circuit>): CircuitUse {
  const users = new Map<string, number>()
  const attached = streams.flatMap(({ newAt, circuit }) => (circuit === undefined ? [] : [{ newAt, circuit }]))
  for (const { circuit } of attached) users.set(circuit, (users.get(circuit) ?? 0) + 1)
  const hops = new Map<number, number>()
  for (const id of users.keys()) {
    const count = circuits.get(id)?.hops ?? 0
    hops.set(count, (hops.get(count) ?? 0) + 1)
  }
  return {
    streams: attached.length,
    own: attached.filter(({ circuit }) => users.get(circuit) === 1).length,
    begunAfter: attached.filter(({ newAt, circuit }) => (circuits.get(circuit)?.launchedAt ?? -1) > newAt).length,
    hops,
    launched: circuits.size,
  }
}

/** The circuits in the answer to `GETINFO circuit-status`: one line each, or a single one in the line of the answer. */
export function circuitIds(lines: readonly string[]): readonly string[] {
  return lines.flatMap(
    (line) => /^(?:250-circuit-status=)?(\d+) (?:LAUNCHED|EXTENDED|GUARD_WAIT|BUILT)\b/.exec(line)?.[1] ?? [],
  )
}
