import { formatEndpoint, formatIp } from '../shared/base/ip-address.ts'
import { isOfPackets, type Purpose, type StreamPurpose } from '../shared/cell/purpose.ts'

/**
 * What a circuit is for, as the user reads it in the list of connections.
 * @param near the destination; of several the first
 */
export function purposeText(purpose: Purpose, near: StreamPurpose): string {
  if (!isOfPackets(purpose)) return targetText(near)
  return purpose.kind === 'echo' ? `${formatIp(purpose.address)}/echo` : `${targetText(near)}/udp`
}

export function targetText(target: StreamPurpose): string {
  if (target.kind === 'dns') return 'dns'
  return target.kind === 'ip' ? formatEndpoint(target.address, target.port) : `${target.name}:${target.port}`
}
