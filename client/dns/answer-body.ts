import { concatBytes } from '../../shared/base/bytes.ts'
import { DNS_FLAGS, DNS_HEADER_BYTES, DNS_RCODES, DNS_TYPES, OWN_UDP_BYTES } from '../../shared/dns/dns-codes.ts'
import { addressesIn, type DnsMessage, type DnsRecord } from '../../shared/dns/dns-message.ts'
import { encodeOpt } from '../../shared/dns/dns-query.ts'
import type { AskedQuery } from './asked-query.ts'

/** What is known about a question, apart from who asked, when and over what. */
export interface AnswerBody {
  /** A whole response without OPT, with id 0. */
  readonly bytes: Uint8Array
  /** Where the TTLs of its records stand. */
  readonly ttlsAt: readonly number[]
  /** Addresses of the answer, 4 or 16 bytes each. */
  readonly addresses: readonly Uint8Array[]
  /** Names that the name in the question is an alias for, where it is one. */
  readonly aliases: readonly string[]
  readonly rcode: number
  /** There is no such name, or nothing of this type. */
  readonly isAbsence: boolean
  /** How long it may be kept; undefined for an answer that says nothing of that. */
  readonly ttlS: number | undefined
}

/** What is taken over of the flags of name servers: not that they checked signatures, which nobody here has seen. */
const KEPT_FLAGS = DNS_FLAGS.response | 0x0f
/** Where the numbers of records stand in the header. */
const COUNTS = [
  ['answer', 6],
  ['authority', 8],
  ['additional', 10],
] as const
/** SOA: minimum TTL, the last field (RFC 2308, section 4). */
const SOA_LEAST_BYTES = 22

/** Copies what is kept of a response. Behind an OPT record nothing is: what may stand there is meant for us. */
export function bodyOf(response: Uint8Array, message: DnsMessage): AnswerBody {
  const opt = message.records.findIndex(({ type }) => type === DNS_TYPES.opt)
  const records = opt < 0 ? message.records : message.records.slice(0, opt)
  const wanted = message.questions[0]?.type
  const hasWanted = records.some(({ section, type }) => section === 'answer' && type === wanted)
  const isAbsence = message.rcode === DNS_RCODES.noSuchName || !hasWanted
  const end = records.at(-1)?.end ?? message.questionsEnd
  const bytes = concatBytes(response.subarray(0, end))
  const view = new DataView(bytes.buffer)
  view.setUint16(0, 0)
  view.setUint16(2, message.flags & KEPT_FLAGS)
  for (const [section, at] of COUNTS) view.setUint16(at, records.filter((record) => record.section === section).length)
  return {
    bytes,
    ttlsAt: records.map(({ ttlAt }) => ttlAt),
    addresses: addressesIn(bytes, { ...message, records }),
    aliases: ownersBesides(message.questions[0]?.name, records),
    rcode: message.rcode,
    isAbsence,
    ttlS: ttlOf(response, { ...message, records }, isAbsence),
  }
}

/** Names along a chain of aliases. An answer with more than so many is kept without the rest. */
export const MAX_ALIASES = 16

function ownersBesides(asked: string | undefined, records: readonly DnsRecord[]): string[] {
  const owners = records.filter(({ section }) => section === 'answer').map(({ name }) => name)
  return [...new Set(owners)].filter((name) => name !== asked).slice(0, MAX_ALIASES)
}

/**
 * The least TTL of the answer; where there is nothing of the wanted type, also that of the SOA record, which says how long
 * the absence holds (RFC 2308).
 */
function ttlOf(bytes: Uint8Array, { rcode, records }: DnsMessage, isAbsence: boolean): number | undefined {
  if (rcode !== DNS_RCODES.noError && rcode !== DNS_RCODES.noSuchName) return undefined
  const ttls = records.filter(({ section }) => section === 'answer').map(({ ttl }) => ttl)
  if (!isAbsence) return Math.min(...ttls)
  const soa = records.find(({ section, type }) => section === 'authority' && type === DNS_TYPES.soa)
  if (soa === undefined || soa.end - soa.dataAt < SOA_LEAST_BYTES) return undefined
  const minimum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(soa.end - 4)
  return Math.min(...ttls, soa.ttl, minimum)
}

export interface AnswerOptions {
  readonly transport: 'udp' | 'tcp'
  /** Seconds that the body has been kept, which its TTLs become shorter by. */
  readonly ageS: number
  /** TTLs are not below this, nor above `mostTtlS`. */
  readonly leastTtlS: number
  readonly mostTtlS: number
}

/** The answer that an app gets. What is too long for UDP is cut off, so that it asks again over TCP. */
export function answerQuery(query: AskedQuery, body: AnswerBody, options: AnswerOptions): Uint8Array {
  const opt = query.hasEdns ? encodeOpt(OWN_UDP_BYTES, 0, query.ask.dnssecOk) : new Uint8Array(0)
  const isCut = options.transport === 'udp' && body.bytes.length + opt.length > query.udpBytes
  const kept = isCut ? body.bytes.subarray(0, DNS_HEADER_BYTES + query.question.length) : body.bytes
  const bytes = concatBytes(kept, opt)
  const view = new DataView(bytes.buffer)
  const asked = query.flags & (DNS_FLAGS.recursionDesired | DNS_FLAGS.checkingDisabled)
  const cut = isCut ? DNS_FLAGS.truncated : 0
  view.setUint16(0, query.id)
  view.setUint16(2, view.getUint16(2) | asked | cut | DNS_FLAGS.recursionAvailable)
  if (isCut) for (const at of [6, 8, 10]) view.setUint16(at, 0)
  if (opt.length > 0) view.setUint16(10, view.getUint16(10) + 1)
  bytes.set(query.question, DNS_HEADER_BYTES)
  if (!isCut) for (const at of body.ttlsAt) view.setUint32(at, ttlLeft(view.getUint32(at), options))
  return bytes
}

function ttlLeft(ttl: number, { ageS, leastTtlS, mostTtlS }: AnswerOptions): number {
  const valid = ttl > 0x7fff_ffff ? 0 : ttl
  return Math.max(leastTtlS, Math.min(valid, mostTtlS) - ageS, 0)
}
