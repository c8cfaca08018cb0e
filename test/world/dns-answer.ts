import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  RECURSION_AVAILABLE,
  TRUNCATED_RESPONSE,
} from 'dns-packet'
import { familyOf, parseIp } from '../../shared/base/ip-address.ts'
import { ALIAS, isAlias, type NameTable } from './name-files.ts'

/** One question that the DNS server of the world was asked. */
export interface DnsQuestion {
  /** In lower case, without a final dot. */
  readonly name: string
  /** `A`, `AAAA`, ... */
  readonly type: string
}

export interface DnsReply {
  readonly question: DnsQuestion
  readonly bytes: Uint8Array
}

/** Without EDNS an answer by UDP may be this long (RFC 1035). */
const PLAIN_UDP_BYTES = 512
const TTL_SECONDS = 60
const NXDOMAIN = 3

/**
 * The answer to one query: the addresses of the table and aliases on the way, no records for other types of a known name, NXDOMAIN for
 * everything else. Longer than what fits `transport`, it is cut to a truncated one without records. Undefined for bytes
 * that are no query.
 */
export function answerDns(query: Uint8Array, names: NameTable, transport: 'udp' | 'tcp'): DnsReply | undefined {
  const asked = readQuery(query)
  const first = asked?.questions?.[0]
  if (asked === undefined || first === undefined) return undefined
  const question = { name: first.name.toLowerCase().replace(/\.$/, ''), type: first.type }
  const addresses = names[question.name]
  const family = question.type === 'A' ? 4 : question.type === 'AAAA' ? 6 : undefined
  const answers = family === undefined ? [] : recordsOf(first.name, family, names)
  const code = addresses === undefined ? NXDOMAIN : 0
  const reply = (flags: number, records: readonly Answer[]): Uint8Array =>
    encode({
      id: asked.id ?? 0,
      type: 'response',
      // The encoder takes the response code from the low bits of the flags.
      flags: ((asked.flags ?? 0) & 0x0100) | AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | flags | code,
      questions: [first],
      answers: [...records],
    })
  const bytes = reply(0, answers)
  const room = transport === 'tcp' ? 0xffff : Math.max(PLAIN_UDP_BYTES, edns(asked) ?? 0)
  return { question, bytes: bytes.length <= room ? bytes : reply(TRUNCATED_RESPONSE, []) }
}

/** Addresses of a name, and the aliases on the way to them. */
function recordsOf(name: string, family: 4 | 6, names: NameTable): Answer[] {
  const targets = names[name.toLowerCase()] ?? []
  const alias = targets.find(isAlias)?.slice(ALIAS.length)
  const record = { name, ttl: TTL_SECONDS, class: 'IN' } as const
  if (alias !== undefined) return [{ ...record, type: 'CNAME', data: alias }, ...recordsOf(alias, family, names)]
  const addresses = targets.filter((address) => familyOf(parseIp(address) ?? new Uint8Array(0)) === family)
  return addresses.map((data) => ({ ...record, type: family === 4 ? 'A' : 'AAAA', data }))
}

function readQuery(bytes: Uint8Array): Packet | undefined {
  try {
    const packet = decode(Buffer.from(bytes))
    return packet.type === 'query' ? packet : undefined
  } catch {
    return undefined
  }
}

function edns(packet: Packet): number | undefined {
  return packet.additionals?.find((record) => record.type === 'OPT')?.udpPayloadSize
}
