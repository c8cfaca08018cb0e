import { hasBitsBehind, type IpAddress, type IpRange, rangeContains } from '../base/ip-address.ts'
import type { Value } from './canonical.ts'
import type { ValueReader } from './value-reader.ts'

/** One line of an exit policy: what it says of these addresses (all, if no range) and these ports, both ends included. */
export interface ExitRule {
  readonly action: 'accept' | 'reject'
  readonly range?: IpRange
  readonly fromPort: number
  readonly toPort: number
}

/** The first rule that fits decides; what none fits is rejected. */
export type ExitPolicy = readonly ExitRule[]

export const MAX_EXIT_RULES = 256

/** Ports that a hub does not connect to unless its operator says otherwise: mail relaying, news, Windows file sharing. */
export const DEFAULT_REJECTED_PORTS: readonly (readonly [number, number])[] = [
  [25, 25],
  [119, 119],
  [135, 139],
  [445, 445],
  [563, 563],
]

/**
 * Ports to which no exit sends datagrams, whatever its policy: of services that were only meant for a local network, and
 * whose large answers to small questions are used for floods.
 */
export const REFUSED_DATAGRAM_PORTS: readonly (readonly [number, number])[] = [
  [17, 17],
  [19, 19],
  [67, 69],
  [111, 111],
  [135, 139],
  [161, 162],
  [389, 389],
  [445, 445],
  [520, 520],
  [1900, 1900],
  [3702, 3702],
  [5353, 5353],
  [5355, 5355],
  [11211, 11211],
]

export const DEFAULT_EXIT_POLICY: ExitPolicy = [
  ...DEFAULT_REJECTED_PORTS.map(([fromPort, toPort]): ExitRule => ({ action: 'reject', fromPort, toPort })),
  { action: 'accept', fromPort: 1, toPort: 65535 },
]

export function policyAllows(policy: ExitPolicy, address: IpAddress, port: number): boolean {
  const rule = policy.find(
    (one) => fitsPort(one, port) && (one.range === undefined || rangeContains(one.range, address)),
  )
  return rule?.action === 'accept'
}

/** Could this port be allowed at some address? For targets that are names, of which the address is not known yet. */
export function policyMayAllow(policy: ExitPolicy, port: number): boolean {
  const rule = policy.find((one) => fitsPort(one, port) && (one.range === undefined || one.action === 'accept'))
  return rule?.action === 'accept'
}

function fitsPort(rule: ExitRule, port: number): boolean {
  return port >= rule.fromPort && port <= rule.toPort
}

/** [accept 1 or reject 0, address (empty for all), prefix, from port, to port] */
export function exitPolicyValue(policy: ExitPolicy): Value {
  return policy.map((rule) => [
    rule.action === 'accept' ? 1 : 0,
    rule.range?.address ?? new Uint8Array(0),
    rule.range?.prefix ?? 0,
    rule.fromPort,
    rule.toPort,
  ])
}

export function readExitRule(reader: ValueReader): ExitRule | undefined {
  const action = reader.uint(1) === 1 ? 'accept' : 'reject'
  const address = reader.bytes(0, 16)
  const prefix = reader.uint(address.length * 8)
  const fromPort = reader.uint(65535)
  const toPort = reader.uint(65535)
  if (!reader.ended || fromPort < 1 || toPort < fromPort || ![0, 4, 16].includes(address.length)) return undefined
  if (hasBitsBehind({ address, prefix })) return undefined
  return address.length === 0 ? { action, fromPort, toPort } : { action, range: { address, prefix }, fromPort, toPort }
}
