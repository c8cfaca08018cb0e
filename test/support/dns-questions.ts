import { decode, encode, type Packet, RECURSION_DESIRED } from 'dns-packet'
import { DNS_TYPES } from '../../shared/dns/dns-codes.ts'
import type { DnsAsk } from '../../shared/dns/dns-query.ts'

export interface QueryExtras {
  readonly id?: number
  readonly flags?: number
  readonly class?: string
  /** An OPT record with this size of UDP; none if not given. */
  readonly udpBytes?: number
  readonly dnssecOk?: boolean
  readonly options?: readonly { readonly code: number; readonly data: Uint8Array }[]
}

/** A query as apps write them, by a second implementation. */
export function queryOf(name: string, type = 'A', extras: QueryExtras = {}): Uint8Array {
  const { udpBytes, dnssecOk = false, options = [] } = extras
  const flags = dnssecOk ? 0x8000 : 0
  const opt = { type: 'OPT', name: '.', udpPayloadSize: udpBytes ?? 0, flags, options: bytesAsBuffers(options) }
  return new Uint8Array(
    encode({
      ...{ type: 'query', id: extras.id ?? 77, flags: extras.flags ?? RECURSION_DESIRED },
      questions: [{ name, type, class: extras.class ?? 'IN' }],
      additionals: udpBytes === undefined ? [] : [opt],
    }),
  )
}

const bytesAsBuffers = (options: NonNullable<QueryExtras['options']>) =>
  options.map(({ code, data }) => ({ code, data: Buffer.from(data) }))

/** What is asked of upstreams. */
export function askFor(name: string, type: number = DNS_TYPES.a): DnsAsk {
  return { question: { name, type, class: 1 }, dnssecOk: false, checkingDisabled: false }
}

export interface ReadAnswer {
  readonly id: number
  readonly rcode: string
  /** Names of the flags that are set. */
  readonly flags: readonly string[]
  readonly name: string
  readonly data: readonly unknown[]
  readonly ttls: readonly number[]
  /** Of the records behind the answer. */
  readonly others: readonly string[]
}

const FLAGS = { qr: 15, aa: 10, tc: 9, rd: 8, ra: 7, ad: 5, cd: 4 }

/** An answer as a second implementation reads it. */
export function readAnswer(bytes: Uint8Array | undefined): ReadAnswer {
  if (bytes === undefined) throw new Error('no answer')
  const packet: Packet = decode(Buffer.from(bytes))
  const word = ((bytes[2] as number) << 8) | (bytes[3] as number)
  const { answers = [], authorities = [], additionals = [] } = packet
  return {
    ...{ id: packet.id ?? 0, rcode: packet.rcode ?? '', name: packet.questions?.[0]?.name ?? '' },
    flags: Object.entries(FLAGS).flatMap(([flag, bit]) => ((word >> bit) & 1 ? [flag] : [])),
    data: answers.map(({ data }) => data),
    ttls: answers.map(({ ttl }) => ttl ?? 0),
    others: [...authorities, ...additionals].map(({ type }) => type),
  }
}
