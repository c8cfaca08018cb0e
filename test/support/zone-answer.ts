import { type Answer, decode, encode, type Packet, RECURSION_AVAILABLE, TRUNCATED_RESPONSE } from 'dns-packet'

/** Records by name in lower case, without a last dot. */
export type Zone = Readonly<Record<string, readonly Omit<Answer, 'name'>[]>>

/** What a name server was asked, as a second implementation reads it. */
export interface ZoneQuestion {
  readonly name: string
  readonly type: string
  readonly transport: 'udp' | 'tcp' | 'tls' | 'https'
  readonly id: number
  readonly flags: number
  /** Codes of the options of EDNS; undefined without EDNS. */
  readonly options: readonly number[] | undefined
  readonly bytes: number
}

const NXDOMAIN = 3
const SOA = { mname: 'ns.test', rname: 'admin.test', serial: 1, refresh: 60, retry: 60, expire: 60, minimum: 40 }

export function readZoneQuery(query: Uint8Array, transport: ZoneQuestion['transport']): ZoneQuestion {
  const packet = decode(Buffer.from(query))
  const question = packet.questions?.[0]
  const opt = packet.additionals?.find(({ type }) => type === 'OPT')
  return {
    ...{ name: question?.name ?? '', type: question?.type ?? '', transport },
    ...{ id: packet.id ?? 0, flags: packet.flags ?? 0, bytes: query.length },
    options: opt?.options?.map(({ code }) => code),
  }
}

/** The answer of a server that has these records: aliases are followed, what does not exist comes with an SOA record. */
export function answerFromZone(query: Uint8Array, zone: Zone, transport: ZoneQuestion['transport']): Uint8Array {
  const asked = decode(Buffer.from(query))
  const question = asked.questions?.[0]
  if (question === undefined) throw new Error('no question')
  const { answers, exists } = follow(question.name.toLowerCase(), question.type, zone)
  const authorities = answers.some(({ type }) => type === question.type)
    ? []
    : [{ type: 'SOA', name: 'test', ttl: 50, data: SOA }]
  const reply = (flags: number, parts: Partial<Packet>): Uint8Array =>
    encode({
      ...{ id: asked.id ?? 0, type: 'response', questions: [question] },
      flags: ((asked.flags ?? 0) & 0x0110) | RECURSION_AVAILABLE | flags | (exists ? 0 : NXDOMAIN),
      ...parts,
      additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 1232 }],
    })
  const bytes = reply(0, { answers, authorities })
  const room = asked.additionals?.find(({ type }) => type === 'OPT')?.udpPayloadSize ?? 512
  return transport === 'udp' && bytes.length > room ? reply(TRUNCATED_RESPONSE, {}) : bytes
}

function follow(name: string, type: string, zone: Zone): { answers: Answer[]; exists: boolean } {
  const records = zone[name]
  if (records === undefined) return { answers: [], exists: false }
  const own = records.filter((record) => record.type === type || record.type === 'CNAME')
  const answers = own.map((record) => ({ ttl: 60, ...record, name }))
  const alias = own.find((record) => record.type === 'CNAME')?.data
  if (typeof alias !== 'string' || type === 'CNAME') return { answers, exists: true }
  const rest = follow(alias, type, zone)
  return { answers: [...answers, ...rest.answers], exists: rest.exists }
}
