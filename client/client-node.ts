import type { MonotonicClock } from '../shared/base/clock.ts'
import type { Random } from '../shared/base/random.ts'
import { LinkNode, type LinkNodeParts } from '../shared/link/link-node.ts'
import type { LinkTransport } from '../shared/map/link-address.ts'

/** Most bytes held for circuits: on their way to the hub, or to apps. */
const MAX_HELD_BYTES = 128 * 1024 * 1024
/** The client opens circuits on its links; hubs open none. */
const NO_CIRCUITS_FROM_HUB = 0

export interface ClientNodeOptions {
  readonly networkId: Uint8Array
  readonly transport: LinkTransport
  readonly clock: MonotonicClock
  readonly random: Random
}

/** A libp2p node for one link of the client, with an identity of its own (SPEC section 10.8). */
export function clientNode(
  { networkId, transport, clock, random }: ClientNodeOptions,
  onLinkClosed?: LinkNodeParts['onLinkClosed'],
): LinkNode {
  return new LinkNode(
    {
      seed: random.bytes(32),
      networkId,
      dialsNoise: transport === 'noise',
      ...{ listen: [], listenNoise: [], maxCircuitsPerLink: NO_CIRCUITS_FROM_HUB, maxLinks: 4, agent: 'spn' },
      maxHeldBytes: MAX_HELD_BYTES,
    },
    {
      clock,
      onCircuit: (_handle, end) => end.abort(),
      ...(onLinkClosed === undefined ? {} : { onLinkClosed }),
    },
  )
}
