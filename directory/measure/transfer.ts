import type { MonotonicClock } from '../../shared/base/clock.ts'
import type { Random } from '../../shared/base/random.ts'
import { CircuitStream } from '../../shared/circuit/circuit-stream.ts'
import { openClientCircuit, type PathHop } from '../../shared/circuit/client-circuit.ts'
import { clientNode } from '../../shared/link/client-node.ts'
import type { MeasuredWay } from './choose-way.ts'
import { type Download, download } from './download.ts'
import { rateOf } from './transfer-rate.ts'

export interface TransferParts {
  readonly networkId: Uint8Array
  readonly clock: MonotonicClock
  readonly random: Random
}

/** What is to be carried, by which way. */
export interface Transfer extends Download {
  readonly way: MeasuredWay
  /** One for each hub of the way. */
  readonly hops: readonly PathHop[]
  /** Granule of network time. */
  readonly granule: number
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
    const { hops: path, granule } = transfer
    const { ip: address, port } = transfer.way.sink
    const options = {
      networkId,
      path,
      granule,
      target: { kind: 'ip', address, port },
      targetAfterAnswer: false,
    } as const
    const stream = new CircuitStream((sink) => openClientCircuit(options, handle, sink, clock.now()))
    return rateOf(await download(stream, transfer, { building, signal, transferMs: TRANSFER_MS }, clock))
  } finally {
    await node.close()
  }
}
