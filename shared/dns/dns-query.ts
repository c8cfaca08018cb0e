import { concatBytes, EMPTY } from '../base/bytes.ts'
import { CLASS_IN, DNS_FLAGS, DNS_HEADER_BYTES, DNS_TYPES, DNSSEC_OK, OWN_UDP_BYTES } from './dns-codes.ts'
import type { DnsMessage, DnsQuestion } from './dns-message.ts'

/** What is asked, and how: everything of an asker that is ever passed on to a name server. */
export interface DnsAsk {
  readonly question: DnsQuestion
  /** Records of DNSSEC are wanted (EDNS: DO). */
  readonly dnssecOk: boolean
  /** The asker checks signatures by himself (CD). */
  readonly checkingDisabled: boolean
}

/** Types that no name server is asked for: whole zones, or as much as it has. */
const REFUSED_TYPES: ReadonlySet<number> = new Set([
  ...[DNS_TYPES.any, DNS_TYPES.axfr, DNS_TYPES.ixfr, DNS_TYPES.maila, DNS_TYPES.mailb, DNS_TYPES.opt],
])

export function isRefusedType(type: number): boolean {
  return REFUSED_TYPES.has(type)
}

/** What a query asks; of its other contents (cookies, subnets, paddings) nothing. Undefined if it has more than one OPT. */
export function askOf(message: DnsMessage): DnsAsk | undefined {
  const [question] = message.questions
  const options = message.records.filter(({ type }) => type === DNS_TYPES.opt)
  if (question === undefined || options.length > 1) return undefined
  return {
    question,
    dnssecOk: ((options[0]?.ttl ?? 0) & DNSSEC_OK) !== 0,
    checkingDisabled: (message.flags & DNS_FLAGS.checkingDisabled) !== 0,
  }
}

/** One byte for the root and of each label its length and bytes. Of names that `readMessage` gave. */
export function encodeName(name: string): Uint8Array {
  if (name === '') return Uint8Array.of(0)
  const labels = name.split('.').map((label) => {
    const text = label.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number(code)))
    return Buffer.from(text, 'latin1')
  })
  return concatBytes(...labels.flatMap((label) => [Uint8Array.of(label.length), label]), Uint8Array.of(0))
}

const OPTION_PADDING = 12
const OPT_BYTES = 11

/**
 * The query that is sent for this question: the same from everybody, but for what `DnsAsk` holds. Never a client subnet.
 *
 * @param padTo bytes of which the length is to be a multiple (RFC 8467), where an observer sees it; 0 for none
 */
export function encodeQuery(ask: DnsAsk, id: number, padTo: number): Uint8Array {
  const { question, dnssecOk, checkingDisabled } = ask
  const name = encodeName(question.name)
  const bare = DNS_HEADER_BYTES + name.length + 4 + OPT_BYTES
  const padding = padTo === 0 ? undefined : (padTo - ((bare + 4) % padTo)) % padTo
  const options =
    padding === undefined ? EMPTY : concatBytes(u16(OPTION_PADDING), u16(padding), new Uint8Array(padding))
  const flags = DNS_FLAGS.recursionDesired | (checkingDisabled ? DNS_FLAGS.checkingDisabled : 0)
  return concatBytes(
    ...[u16(id), u16(flags), u16(1), u16(0), u16(0), u16(1)],
    ...[name, u16(question.type), u16(CLASS_IN)],
    encodeOpt(OWN_UDP_BYTES, 0, dnssecOk, options),
  )
}

/** An OPT record (RFC 6891): root u8 | type | size of UDP | upper bits of the rcode u8 | version u8 | flags | options */
export function encodeOpt(udpBytes: number, rcode: number, dnssecOk: boolean, options: Uint8Array = EMPTY): Uint8Array {
  return concatBytes(
    ...[Uint8Array.of(0), u16(DNS_TYPES.opt), u16(udpBytes), Uint8Array.of(rcode >> 4, 0)],
    ...[u16(dnssecOk ? DNSSEC_OK : 0), u16(options.length), options],
  )
}

/** A response that holds nothing but its code, and the question if it could be read. */
export function emptyResponse(query: Uint8Array, message: DnsMessage | undefined, rcode: number): Uint8Array {
  const question = message?.questions.length === 1 ? query.subarray(DNS_HEADER_BYTES, message.questionsEnd) : EMPTY
  const asked = ((query[2] as number) << 8) | (query[3] as number)
  const kept = asked & (0x7800 | DNS_FLAGS.recursionDesired | DNS_FLAGS.checkingDisabled)
  const flags = DNS_FLAGS.response | DNS_FLAGS.recursionAvailable | kept | (rcode & 0x0f)
  const counts = [question.length > 0 ? 1 : 0, 0, 0, 0].map(u16)
  return concatBytes(query.subarray(0, 2), u16(flags), ...counts, question)
}

export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff)
}
