import { encode } from 'dns-packet'
import { answerQuery, bodyOf } from '../../../client/dns/answer-body.ts'
import { readQuery } from '../../../client/dns/asked-query.ts'
import { parseHosts } from '../../../client/dns/hosts-file.ts'
import { judgeLocally } from '../../../client/dns/local-names.ts'
import { concatBytes, equalBytes, utf8 } from '../../../shared/base/bytes.ts'
import { isHostName } from '../../../shared/cell/target.ts'
import { leadsInside } from '../../../shared/dns/answer-guard.ts'
import { answersQuestion, readMessage } from '../../../shared/dns/dns-message.ts'
import { askOf, encodeQuery } from '../../../shared/dns/dns-query.ts'
import { DnsStreamReader, frameMessage } from '../../../shared/dns/dns-stream.ts'
import { queryOf } from '../../support/dns-questions.ts'
import { answerFromZone, type Zone } from '../../support/zone-answer.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'

const NO_ZONES = { zones: new Map(), canary: true, blockKnownDoh: true }
const OPTIONS = { transport: 'udp', ageS: 5, leastTtlS: 1, mostTtlS: 3600 } as const

const dnsQuery: FuzzTarget = {
  name: 'dns-query',
  about: 'what an app asks the resolver, and an exit is asked',
  maxBytes: 600,
  words: [Uint8Array.of(0xc0, 0x0c), Uint8Array.of(0, 41), Uint8Array.of(0, 255, 0, 1), utf8('\x05local\x00')],
  seeds: () => [
    queryOf('a.test'),
    queryOf('A.b-c._d.test', 'AAAA', { udpBytes: 1232, dnssecOk: true }),
    queryOf('a.test', 'ANY', { udpBytes: 512, options: [{ code: 8, data: Uint8Array.of(0, 1, 0, 0) }] }),
    queryOf('1.0.0.10.in-addr.arpa', 'PTR'),
    queryOf('a.test', 'AXFR'),
    queryOf('version.bind', 'TXT', { class: 'CH' }),
  ],
  run(input) {
    const reading = readQuery(input)
    if (reading === undefined) return 'no answer'
    if (reading.kind === 'refusal') {
      promise(equalBytes(reading.answer.subarray(0, 2), input.subarray(0, 2)), 'a refusal has the id of the query')
      promise(readMessage(reading.answer) !== undefined, 'and is well formed')
      return `refused ${readMessage(reading.answer)?.rcode}`
    }
    const { query } = reading
    const sent = encodeQuery(query.ask, 1, 128)
    const read = readMessage(sent)
    promise(sent.length % 128 === 0, 'what is sent has few sizes')
    promise(read !== undefined, 'what is sent is well formed')
    promise(JSON.stringify(askOf(read)) === JSON.stringify(query.ask), 'and asks the same')
    const verdict = judgeLocally(query.ask.question, [], NO_ZONES)
    if (verdict.kind !== 'answer') return verdict.kind
    const answer = answerQuery(query, verdict.body, OPTIONS)
    const message = readMessage(answer)
    promise(message !== undefined && answersQuestion(message, query.ask.question), 'an answer answers the question')
    promise(answer.length <= query.udpBytes, 'and fits')
    return `local ${message.rcode} ${message.records.length}`
  },
}

const ZONE: Zone = {
  'a.test': [
    { type: 'A', data: '9.9.9.9', ttl: 60 },
    { type: 'AAAA', data: '2001:4860::8', ttl: 30 },
    { type: 'MX', data: { preference: 1, exchange: 'm.a.test' } },
  ],
  'www.test': [{ type: 'CNAME', data: 'a.test' }],
  'inside.test': [{ type: 'A', data: '10.0.0.1' }],
}
const QUESTION = { name: 'a.test', type: 1, class: 1 }

const dnsAnswer: FuzzTarget = {
  name: 'dns-answer',
  about: 'what an exit or a name server answers',
  maxBytes: 1024,
  words: [Uint8Array.of(0xc0, 0x0c), Uint8Array.of(0, 41), Uint8Array.of(0xff, 0xff, 0xff, 0xff), Uint8Array.of(0, 6)],
  seeds: () => [
    ...['a.test', 'www.test', 'inside.test', 'absent.test'].map((name) => answerFromZone(queryOf(name), ZONE, 'tcp')),
    answerFromZone(queryOf('a.test', 'MX'), ZONE, 'tcp'),
    encode({
      ...{ type: 'response', id: 0, flags: 0, questions: [{ type: 'A', name: 'a.test' }] },
      additionals: [
        { type: 'OPT', name: '.', udpPayloadSize: 1 },
        { type: 'A', name: 'x', data: '1.2.3.4' },
      ],
    }),
  ],
  run(input) {
    const message = readMessage(input)
    if (message === undefined) return 'malformed'
    for (const { start, dataAt, end } of message.records)
      promise(start < dataAt && dataAt <= end && end <= input.length, 'places are in the message')
    const inside = leadsInside(input, message, [])
    if (!answersQuestion(message, QUESTION)) return `another question ${inside}`
    const before = input.slice()
    const body = bodyOf(input, message)
    promise(equalBytes(before, input), 'what is read is not changed')
    const kept = readMessage(body.bytes)
    promise(kept !== undefined && answersQuestion(kept, QUESTION), 'what is kept is well formed, and answers')
    promise(
      kept.records.every(({ type }) => type !== 41),
      'and holds no OPT',
    )
    const reading = readQuery(queryOf('a.test', 'A', { udpBytes: 1232 }))
    if (reading?.kind !== 'query') throw new Error('the query of the target can not be read')
    const answer = answerQuery(reading.query, body, OPTIONS)
    const given = readMessage(answer)
    promise(given !== undefined && answer.length <= 1232, 'what is given is well formed, and fits')
    promise((given.flags & 0x0020) === 0, 'and claims no signatures')
    promise(
      given.records.every(({ type, ttl }) => type === 41 || (ttl >= 1 && ttl <= 3600)),
      'TTLs are within limits',
    )
    return `${body.rcode} ${body.isAbsence} ${body.ttlS === undefined} ${inside} ${body.addresses.length > 0}`
  },
}

const dnsStream: FuzzTarget = {
  name: 'dns-stream',
  about: 'messages of the DNS on a stream, cut anywhere',
  maxBytes: 512,
  seeds: () => [concatBytes(frameMessage(queryOf('a.test')), frameMessage(new Uint8Array(0)), Uint8Array.of(0, 9, 1))],
  run(input) {
    const whole = new DnsStreamReader().push(input)
    for (const size of [1, 3, 64]) {
      const reader = new DnsStreamReader()
      const parts: Uint8Array[] = []
      for (let at = 0; at < input.length; at += size) parts.push(...reader.push(input.subarray(at, at + size)))
      promise(
        parts.length === whole.length && parts.every((part, i) => equalBytes(part, whole[i] as Uint8Array)),
        'cuts do not matter',
      )
    }
    promise(
      equalBytes(
        concatBytes(...whole.map(frameMessage)),
        input.subarray(
          0,
          whole.reduce((sum, one) => sum + one.length + 2, 0),
        ),
      ),
      'nothing is lost',
    )
    return `messages ${Math.min(whole.length, 3)}`
  },
}

const hostsFile: FuzzTarget = {
  name: 'hosts-file',
  about: 'a hosts file',
  maxBytes: 1024,
  words: ['\n', '127.0.0.1 ', '::1\t', ' # ', 'localhost', '\r\n', '::ffff:1.2.3.4 '].map(utf8),
  seeds: () =>
    ['127.0.0.1 localhost loop\n::1 localhost six\n# x\n', '10.0.0.1\tnas.lan NAS # y\r\n\r\n', ''].map(utf8),
  run(input) {
    const text = Buffer.from(input).toString('utf8')
    const { addresses, names } = parseHosts(text)
    for (const [name, found] of addresses) {
      promise(isHostName(name) && name === name.toLowerCase() && !name.endsWith('.'), 'names are plain host names')
      promise(
        found.every(({ length }) => length === 4 || length === 16),
        'each has addresses',
      )
    }
    promise(
      [...names.values()].flat().every((name) => addresses.has(name)),
      'each address has names that are known',
    )
    promise(parseHosts(`${text}\n${text}`).addresses.size === addresses.size, 'saying it twice changes no names')
    return `names ${Math.min(addresses.size, 4)}`
  },
}

export const DNS_TARGETS: readonly FuzzTarget[] = [dnsQuery, dnsAnswer, dnsStream, hostsFile]
