import type { ByteReader } from '../base/byte-reader.ts'
import { concatBytes } from '../base/bytes.ts'
import type { IpAddress } from '../base/ip-address.ts'
import type { Message } from './message.ts'
import { decodeTarget, encodeAddress, encodeTarget, readAddress, type Target } from './target.ts'

/** What a circuit carries (SPEC section 8). */
export const CIRCUIT_KINDS = { tcp: 1, udp: 2, dns: 3, echo: 4 } as const

/** What carries bytes in order: a TCP connection to a target, or messages of the DNS, which the exit answers itself. */
export type StreamPurpose = Target | { readonly kind: 'dns' }

/**
 * What the client asks of the exit: a stream of bytes, a UDP socket that sends wherever the datagrams say, or echo requests
 * (ping) to one address.
 */
export type Purpose = StreamPurpose | { readonly kind: 'udp' } | { readonly kind: 'echo'; readonly address: IpAddress }

/** kind u8 | target (TCP), nothing (UDP, DNS) or address (echo). The same bytes stand in the exit's part of a CREATE. */
export function encodeOpen(purpose: Purpose): Uint8Array {
  switch (purpose.kind) {
    case 'udp':
    case 'dns':
      return Uint8Array.of(CIRCUIT_KINDS[purpose.kind])
    case 'echo':
      return concatBytes(Uint8Array.of(CIRCUIT_KINDS.echo), encodeAddress(purpose.address))
    default:
      return concatBytes(Uint8Array.of(CIRCUIT_KINDS.tcp), encodeTarget(purpose))
  }
}

/** Undefined for a kind that nobody carries, and for what is no target or address. */
export function decodeOpen(reader: ByteReader): Purpose | undefined {
  const kind = reader.u8()
  if (kind === CIRCUIT_KINDS.tcp) return decodeTarget(reader)
  if (kind === CIRCUIT_KINDS.udp) return { kind: 'udp' }
  if (kind === CIRCUIT_KINDS.dns) return { kind: 'dns' }
  if (kind !== CIRCUIT_KINDS.echo) return undefined
  const address = readAddress(reader)
  return address === undefined ? undefined : { kind: 'echo', address }
}

/** Is this a circuit of single packets, which keep their boundaries and may get lost? The others carry bytes in order. */
export function isOfPackets(purpose: Purpose): purpose is Exclude<Purpose, StreamPurpose> {
  return purpose.kind === 'udp' || purpose.kind === 'echo'
}

/** Is there nothing that the exit has to connect to before it can say that it is ready? */
export function isReadyAtOnce(purpose: Purpose): boolean {
  return isOfPackets(purpose) || purpose.kind === 'dns'
}

/** Does a circuit of this purpose carry such messages? Those that no circuit carries are the business of its states. */
export function carries(purpose: Purpose, type: Message['type']): boolean {
  switch (type) {
    case 'data':
      return !isOfPackets(purpose)
    case 'datagram':
    case 'unreachable':
      return purpose.kind === 'udp'
    case 'echo':
      return purpose.kind === 'echo'
    default:
      return true
  }
}
