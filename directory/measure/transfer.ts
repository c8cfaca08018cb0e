import { connect } from 'node:tls'
import type { MonotonicClock } from '../../shared/base/clock.ts'
import { Fault } from '../../shared/base/fault.ts'
import type { Random } from '../../shared/base/random.ts'
import { CircuitStream } from '../../shared/circuit/circuit-stream.ts'
import { openClientCircuit, type PathHop } from '../../shared/circuit/client-circuit.ts'
import { clientNode } from '../../shared/link/client-node.ts'
import type { LinkHandle } from '../../shared/link/link-node.ts'
import type { MeasuredWay } from './choose-way.ts'
import { type Arrival, rateOf } from './transfer-rate.ts'

export interface TransferParts {
  readonly networkId: Uint8Array
  readonly clock: MonotonicClock
  readonly random: Random
}

/** What is to be carried, by which way. */
export interface Transfer {
  readonly way: MeasuredWay
  /** One for each hub of the way. */
  readonly hops: readonly PathHop[]
  /** Granule of network time. */
  readonly granule: number
  readonly token: Uint8Array
  readonly bytes: number
  /** What the sink shows. */
  readonly certificate: string
}

/** A slow hub is judged by what it carried so far. */
export const TRANSFER_MS = 6_000
const BUILD_MS = 15_000
const MAX_HELD_BYTES = 67_108_864

/**
 * Carries bytes from a sink through a circuit, as a client that downloads something: with a link, an identity and a circuit of
 * its own. Gives the rate in kbit/s, or nothing if too little came to tell.
 * @throws Fault if there was no circuit, or it ended before all was there
 */
export async function carry(
  transfer: Transfer,
  parts: TransferParts,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { clock, random, networkId } = parts
  const node = clientNode({ networkId, transport: 'tls', clock, random, maxHeldBytes: MAX_HELD_BYTES })
  await node.start()
  try {
    const home = transfer.way.path[0]
    if (home === undefined) throw new RangeError('a way has hubs')
    const building = AbortSignal.any([signal, AbortSignal.timeout(BUILD_MS)])
    const handle = await node.dial(home.id, home.linkAddresses, building)
    return rateOf(await download(transfer, handle, parts, building, signal))
  } finally {
    await node.close()
  }
}

/** @param building ends the wait for the first bytes */
function download(
  transfer: Transfer,
  handle: LinkHandle,
  { clock, networkId }: TransferParts,
  building: AbortSignal,
  signal: AbortSignal,
): Promise<Arrival[]> {
  const { hops: path, granule, token, bytes, certificate } = transfer
  const { ip: address, port } = transfer.way.sink
  const options = { networkId, path, granule, target: { kind: 'ip', address, port }, targetAfterAnswer: false } as const
  const stream = new CircuitStream((sink) => openClientCircuit(options, handle, sink, clock.now()))
  const socket = connect({ socket: stream, ca: certificate, checkServerIdentity: () => undefined })
  const arrivals: Arrival[] = []
  const total = (): number => arrivals.at(-1)?.total ?? 0
  return new Promise<Arrival[]>((resolve, reject) => {
    const fail = (error?: Error): void => reject(error ?? new Fault('circuit-closed'))
    stream.on('error', fail)
    socket.on('error', fail)
    socket.on('close', () => fail())
    const onBuilt = atAbort(building, () => fail(new Fault('circuit-timeout')))
    socket.on('secureConnect', () => socket.write(token))
    socket.on('data', (chunk: Buffer) => {
      if (arrivals.length === 0) {
        onBuilt()
        // What stalls does not count as what it was before.
        atAbort(AbortSignal.any([signal, AbortSignal.timeout(TRANSFER_MS)]), () => {
          arrivals.push({ at: clock.now(), total: total() })
          resolve(arrivals)
        })
      }
      arrivals.push({ at: clock.now(), total: total() + chunk.length })
      if (total() >= bytes) resolve(arrivals)
    })
  }).finally(() => {
    socket.destroy()
    stream.destroy()
  })
}

/** Gives what takes the action back. */
function atAbort(signal: AbortSignal, action: () => void): () => void {
  signal.addEventListener('abort', action, { once: true })
  return () => signal.removeEventListener('abort', action)
}
