import type { MonotonicClock } from '../base/clock.ts'
import type { Fault } from '../base/fault.ts'
import type { Random } from '../base/random.ts'
import type { LinkTransport } from '../map/link-address.ts'
import { type LinkHandle, LinkNode } from './link-node.ts'

export interface ClientNodeParts {
  readonly networkId: Uint8Array
  readonly transport: LinkTransport
  readonly clock: MonotonicClock
  readonly random: Random
  /** Most bytes held for circuits: on their way to the hub, or to apps. */
  readonly maxHeldBytes: number
  readonly onLinkClosed?: (handle: LinkHandle, fault: Fault) => void
}

/** The client opens circuits on its link; hubs open none. */
const NO_CIRCUITS_FROM_HUB = 0

/**
 * The node of a client, for one link: with an identity of its own, so that two of them have nothing in common that a hub
 * could see (SPEC section 10.8). Whoever measures hubs has the same, and looks to them as every client does.
 */
export function clientNode(parts: ClientNodeParts): LinkNode {
  const { networkId, transport, clock, random, maxHeldBytes, onLinkClosed } = parts
  return new LinkNode(
    {
      seed: random.bytes(32),
      networkId,
      dialsNoise: transport === 'noise',
      ...{ listen: [], listenNoise: [], maxCircuitsPerLink: NO_CIRCUITS_FROM_HUB, maxLinks: 4, agent: 'spn' },
      maxHeldBytes,
    },
    {
      clock,
      onCircuit: (_handle, end) => end.abort(),
      ...(onLinkClosed === undefined ? {} : { onLinkClosed }),
    },
  )
}
