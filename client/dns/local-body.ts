import { ByteWriter } from '../../shared/base/byte-writer.ts'
import { concatBytes, utf8 } from '../../shared/base/bytes.ts'
import type { IpAddress } from '../../shared/base/ip-address.ts'
import { CLASS_IN, DNS_FLAGS, DNS_HEADER_BYTES, DNS_RCODES, DNS_TYPES } from '../../shared/dns/dns-codes.ts'
import { type DnsQuestion, readMessage } from '../../shared/dns/dns-message.ts'
import { encodeName, u16 } from '../../shared/dns/dns-query.ts'
import { type AnswerBody, bodyOf } from './answer-body.ts'

/** What is answered here changes with files and settings, so nobody shall keep it for long. */
const LOCAL_TTL_S = 5
/** That a name does not exist is a matter of standards, and lasts. */
const ABSENT_TTL_S = 300

/** The answer of this computer that a name has these addresses, as far as they are of the family that is asked for. */
export function addressBody(question: DnsQuestion, addresses: readonly IpAddress[]): AnswerBody {
  const wanted = question.type === DNS_TYPES.a ? 4 : question.type === DNS_TYPES.aaaa ? 16 : 0
  const found = addresses.filter((address) => address.length === wanted)
  return localBody(
    question,
    DNS_RCODES.noError,
    found.map((address) => record(question.type, LOCAL_TTL_S, address)),
  )
}

/** The answer that an address has these names. */
export function pointerBody(question: DnsQuestion, names: readonly string[]): AnswerBody {
  const records = names.map((name) => record(DNS_TYPES.ptr, LOCAL_TTL_S, encodeName(name)))
  return localBody(question, DNS_RCODES.noError, records)
}

/** That there is nothing of this type, or no such name, and that this may be kept for a while. */
export function emptyBody(question: DnsQuestion, rcode: number): AnswerBody {
  return localBody(question, rcode, [], [soa()])
}

/** A failure, which nobody shall keep. */
export function failureBody(question: DnsQuestion, rcode: number): AnswerBody {
  return localBody(question, rcode, [])
}

/** What a question for everything gets (RFC 8482). */
export function anyBody(question: DnsQuestion): AnswerBody {
  const cpu = utf8('RFC8482')
  const data = concatBytes(Uint8Array.of(cpu.length), cpu, Uint8Array.of(0))
  return localBody(question, DNS_RCODES.noError, [record(DNS_TYPES.hinfo, ABSENT_TTL_S, data)])
}

/** As if the name were a zone of its own. */
function soa(): Uint8Array {
  const numbers = new Uint8Array(20)
  const writer = new ByteWriter(numbers)
  for (const number of [1, 3600, 900, 86_400, ABSENT_TTL_S]) writer.u32(number)
  const data = concatBytes(encodeName('localhost'), encodeName('nobody.invalid'), numbers)
  return record(DNS_TYPES.soa, ABSENT_TTL_S, data)
}

/** A record of the name in the question, which stands right behind the header. */
function record(type: number, ttlS: number, data: Uint8Array): Uint8Array {
  const owner = u16(0xc000 | DNS_HEADER_BYTES)
  return concatBytes(owner, u16(type), u16(CLASS_IN), u16(0), u16(ttlS), u16(data.length), data)
}

function localBody(
  { name, type }: DnsQuestion,
  rcode: number,
  answers: readonly Uint8Array[],
  authorities: readonly Uint8Array[] = [],
): AnswerBody {
  const counts = [1, answers.length, authorities.length, 0]
  const bytes = concatBytes(
    ...[u16(0), u16(DNS_FLAGS.response | rcode), ...counts.map(u16)],
    ...[encodeName(name), u16(type), u16(CLASS_IN), ...answers, ...authorities],
  )
  const message = readMessage(bytes)
  if (message === undefined) throw new RangeError('an answer of our own is malformed')
  return bodyOf(bytes, message)
}
