import { concatBytes } from '../../shared/base/bytes.ts'
import {
  CLASS_IN,
  DNS_FLAGS,
  DNS_HEADER_BYTES,
  DNS_RCODES,
  DNS_TYPES,
  OPCODE_QUERY,
  OWN_UDP_BYTES,
  PLAIN_UDP_BYTES,
} from '../../shared/dns/dns-codes.ts'
import { type DnsMessage, readMessage } from '../../shared/dns/dns-message.ts'
import { askOf, type DnsAsk, emptyResponse, encodeOpt, isRefusedType } from '../../shared/dns/dns-query.ts'

/** An app may ask for longer answers over UDP, but no longer than this. */
const MAX_UDP_BYTES = 4096

/** A query of an app that can be answered. */
export interface AskedQuery {
  readonly ask: DnsAsk
  readonly id: number
  readonly flags: number
  /** The question as it was written, whose case the answer repeats. A view of the query. */
  readonly question: Uint8Array
  /** Answers get an OPT record only where there was one. */
  readonly hasEdns: boolean
  /** How long an answer over UDP may be. */
  readonly udpBytes: number
}

export type QueryReading =
  | { readonly kind: 'query'; readonly query: AskedQuery }
  /** Can not be answered: this is what the app gets. */
  | { readonly kind: 'refusal'; readonly answer: Uint8Array }

/** Reads what an app has sent; undefined for what is no query and gets no answer. */
export function readQuery(bytes: Uint8Array): QueryReading | undefined {
  if (bytes.length < DNS_HEADER_BYTES || ((bytes[2] as number) & (DNS_FLAGS.response >> 8)) !== 0) return undefined
  const opcode = ((bytes[2] as number) >> 3) & 0x0f
  if (opcode !== OPCODE_QUERY) return refusal(bytes, undefined, DNS_RCODES.notImplemented)
  const message = readMessage(bytes)
  const ask = message === undefined || message.questions.length !== 1 ? undefined : askOf(message)
  if (message === undefined || ask === undefined) return refusal(bytes, message, DNS_RCODES.formatError)
  const opt = message.records.find(({ type }) => type === DNS_TYPES.opt)
  if (opt !== undefined && ((opt.ttl >> 16) & 0xff) !== 0) return badVersion(bytes, message)
  const { class: class_, type } = ask.question
  if (class_ !== CLASS_IN) return refusal(bytes, message, DNS_RCODES.notImplemented)
  // ANY has an answer of its own (RFC 8482).
  if (isRefusedType(type) && type !== DNS_TYPES.any) return refusal(bytes, message, DNS_RCODES.refused)
  return {
    kind: 'query',
    query: {
      ...{ ask, id: message.id, flags: message.flags, hasEdns: opt !== undefined },
      question: bytes.subarray(DNS_HEADER_BYTES, message.questionsEnd),
      udpBytes: opt === undefined ? PLAIN_UDP_BYTES : Math.min(Math.max(opt.class, PLAIN_UDP_BYTES), MAX_UDP_BYTES),
    },
  }
}

function refusal(query: Uint8Array, message: DnsMessage | undefined, rcode: number): QueryReading {
  return { kind: 'refusal', answer: emptyResponse(query, message, rcode) }
}

/** We speak version 0, and say so (RFC 6891, section 6.1.3). */
function badVersion(query: Uint8Array, message: DnsMessage): QueryReading {
  const answer = emptyResponse(query, message, DNS_RCODES.badVersion)
  answer[11] = 1
  return { kind: 'refusal', answer: concatBytes(answer, encodeOpt(OWN_UDP_BYTES, DNS_RCODES.badVersion, false)) }
}
