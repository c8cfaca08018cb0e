import type { FlowTableLimits } from './flow-table.ts'
import type { Verdict } from './marks.ts'
import {
  isOpening,
  type Packet,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  TCP_FLAGS,
} from './packet.ts'

export type FlowKind = 'tcp' | 'udp' | 'echo'
/** What comes in is bounded apart: who floods this computer keeps no program from its way out. */
export type TableName = FlowKind | 'incoming'

/** The flow that a packet opens: its kind, and a text that is the same for all packets that open this very flow. */
export interface Opening {
  readonly kind: FlowKind
  readonly key: string
}

/**
 * The limits of what is remembered of each kind of flow.
 *
 * TCP: the kernel forgets refused connections and queues every repetition of their opening, which systems send for about
 * 65 s; none while the first one waits, but other stacks may.
 *
 * UDP: all datagrams that are sent before the decision wait for it. A decision is remembered only for those that are on
 * their way to the queue at that moment: a flow that the kernel has forgotten is judged again.
 *
 * Echo: every request waits by itself, until there is an answer.
 */
export const FLOW_LIMITS: Readonly<Record<FlowKind, Pick<FlowTableLimits, 'maxRepetitions' | 'settledMs'>>> = {
  tcp: { maxRepetitions: 3, settledMs: 70_000 },
  udp: { maxRepetitions: 31, settledMs: 100 },
  echo: { maxRepetitions: 0, settledMs: 0 },
}

/** What a packet of the queue opens, or the verdict on one that opens nothing. Undefined: it could not be read. */
export function openingOf(packet: Packet | undefined): Opening | Verdict {
  if (packet === undefined || packet.fragment) return 'drop'
  const { protocol, echo, ports, family, source, destination } = packet
  const ends = Buffer.concat([source, destination]).toString('latin1')
  if (protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6) {
    // One that is larger than what the queue copies.
    if (echo === undefined) return 'block'
    return { kind: 'echo', key: `${family}${ends}${echo.identifier},${echo.sequence}` }
  }
  if (ports === undefined) return 'drop'
  const flow = `${family}${ends}${ports.source},${ports.destination}`
  if (protocol === PROTOCOL_UDP) return { kind: 'udp', key: flow }
  if (protocol !== PROTOCOL_TCP || packet.tcp === undefined) return 'drop'
  // A reset is not answered by a reset.
  if ((packet.tcp.flags & TCP_FLAGS.rst) !== 0) return 'drop'
  // In the middle of a connection that began before we did: it cannot be moved into the tunnel, so it ends.
  if (!isOpening(packet.tcp)) return 'block'
  // A new attempt of the program from the same port is a new flow.
  return { kind: 'tcp', key: `${flow},${packet.tcp.sequence}` }
}
