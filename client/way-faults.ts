import type { FaultCode } from '../shared/base/fault-codes.ts'

/** Faults that say that the way was bad, not the destination: another way may work. */
export const WORTH_ANOTHER_WAY: ReadonlySet<FaultCode> = new Set([
  ...['hub-busy', 'hub-draining', 'role-refused', 'clock-skew', 'exit-busy', 'family-refused', 'kind-refused'],
  ...['next-unknown', 'next-forbidden', 'next-unreachable', 'next-closed', 'next-silent'],
  ...['circuit-closed', 'circuit-timeout', 'link-closed', 'link-silent', 'cell-rejected', 'circuit-protocol'],
] as FaultCode[])

/** What a home hub says of itself when it takes no new circuits, now or ever. */
export const HOME_IS_OVER: ReadonlySet<FaultCode> = new Set<FaultCode>(['hub-draining', 'role-refused'])

/** Faults that say something of the hubs that they blame, for others too. */
export const OF_HUBS: ReadonlySet<FaultCode> = new Set<FaultCode>([
  ...['hub-busy', 'hub-draining', 'role-refused', 'clock-skew', 'exit-busy', 'circuit-closed', 'circuit-timeout'],
  ...['next-unknown', 'next-forbidden', 'next-unreachable', 'next-closed', 'next-silent', 'cell-rejected'],
] as FaultCode[])

/** How an open circuit ends whose way was lost, whichever hub it was: the destination did not do it. */
export const CUT: FaultCode = 'circuit-closed'

/** How an open circuit ends that a hub has killed, or lost. */
export const KILLS: ReadonlySet<FaultCode> = new Set<FaultCode>(['circuit-closed', 'cell-rejected', 'circuit-protocol'])
