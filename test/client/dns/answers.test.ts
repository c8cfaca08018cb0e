import { describe, expect, test } from '@jest/globals'
import { encode, type Packet } from 'dns-packet'
import { type AnswerBody, answerQuery, bodyOf, MAX_ALIASES } from '../../../client/dns/answer-body.ts'
import { type AskedQuery, readQuery } from '../../../client/dns/asked-query.ts'
import { addressBody, anyBody, emptyBody, failureBody, pointerBody } from '../../../client/dns/local-body.ts'
import { concatBytes } from '../../../shared/base/bytes.ts'
import { readMessage } from '../../../shared/dns/dns-message.ts'
import { type QueryExtras, queryOf, readAnswer } from '../../support/dns-questions.ts'

const FRESH = { transport: 'udp', ageS: 0, leastTtlS: 0, mostTtlS: 3600 } as const
const SOA = { mname: 'm', rname: 'r', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 40 }
const soa = { name: 'test', type: 'SOA', ttl: 50, data: SOA }

function asked(name: string, type = 'A', extras: QueryExtras = {}): AskedQuery {
  const reading = readQuery(queryOf(name, type, extras))
  if (reading?.kind !== 'query') throw new Error('no query')
  return reading.query
}

function body(parts: Partial<Packet>, rcode = 0): AnswerBody {
  const bytes = new Uint8Array(
    encode({
      type: 'response',
      id: 5,
      flags: 0x8580 | 0x20 | rcode,
      questions: [{ name: 'a.test', type: 'A' }],
      ...parts,
    }),
  )
  return bodyOf(bytes, readMessage(bytes)!)
}

const a = (ttl: number, data = '1.2.3.4') => ({ name: 'a.test', type: 'A', ttl, data })

describe('a query of an app', () => {
  test('is its question, and what it takes', () => {
    expect(asked('A.test', 'AAAA', { udpBytes: 1400, dnssecOk: true })).toMatchObject({
      ask: { question: { name: 'a.test', type: 28, class: 1 }, dnssecOk: true, checkingDisabled: false },
      ...{ id: 77, hasEdns: true, udpBytes: 1400 },
    })
    expect(asked('a.test')).toMatchObject({ hasEdns: false, udpBytes: 512 })
    expect(asked('a.test', 'A', { udpBytes: 1 }).udpBytes).toBe(512)
    expect(asked('a.test', 'A', { udpBytes: 65_535 }).udpBytes).toBe(4096)
  })

  const change = (at: number, value: number): Uint8Array => {
    const query = queryOf('a.test', 'A', { udpBytes: 1232 })
    query[at] = value
    return query
  }

  test.each([
    ['an operation that is not served', change(2, 0x28), 'NOTIMP'],
    ['two questions', change(5, 2), 'FORMERR'],
    ['no question', change(5, 0), 'FORMERR'],
    ['a byte too many', concatBytes(queryOf('a.test'), Uint8Array.of(0)), 'FORMERR'],
    ['a header alone that promises more', queryOf('a.test').subarray(0, 12), 'FORMERR'],
    ['another class', queryOf('version.bind', 'TXT', { class: 'CH' }), 'NOTIMP'],
    ['a whole zone wanted', queryOf('a.test', 'AXFR'), 'REFUSED'],
    ['an increment of a zone wanted', queryOf('a.test', 'IXFR'), 'REFUSED'],
  ])('with %s is refused', (_, query, rcode) => {
    const reading = readQuery(query)
    if (reading?.kind !== 'refusal') throw new Error('not refused')
    expect(readAnswer(reading.answer)).toMatchObject({ id: 77, rcode, data: [] })
    expect(readAnswer(reading.answer).flags).toContain('qr')
  })

  test('of another version of EDNS is told ours', () => {
    const query = queryOf('a.test', 'A', { udpBytes: 1232 })
    query[query.length - 5] = 1
    const reading = readQuery(query)
    if (reading?.kind !== 'refusal') throw new Error('not refused')
    const opt = readMessage(reading.answer)?.records[0]
    expect([opt?.type, (opt?.ttl ?? 0) >>> 24]).toEqual([41, 1])
  })

  test('is none if it is too short or an answer, and gets none: else two resolvers could talk for ever', () => {
    expect(readQuery(queryOf('a.test').subarray(0, 11))).toBeUndefined()
    expect(readQuery(change(2, 0x81))).toBeUndefined()
  })
})

describe('an answer', () => {
  test('has the id and the writing of the question, and TTLs by its age', () => {
    const answer = readAnswer(
      answerQuery(asked('A.TeSt', 'A', { id: 99 }), body({ answers: [a(60)] }), { ...FRESH, ageS: 7 }),
    )
    expect(answer).toMatchObject({ id: 99, name: 'A.TeSt', rcode: 'NOERROR', data: ['1.2.3.4'], ttls: [53] })
    expect(answer.flags).toEqual(['qr', 'rd', 'ra'])
  })

  test.each([
    [{ ageS: 100 }, 0],
    [{ ageS: 100, leastTtlS: 30 }, 30],
    [{ mostTtlS: 20 }, 20],
    [{ mostTtlS: 20, ageS: 5 }, 15],
  ])('has TTLs within limits: %j gives %i', (options, ttl) => {
    const answer = answerQuery(asked('a.test'), body({ answers: [a(60)] }), { ...FRESH, ...options })
    expect(readAnswer(answer).ttls).toEqual([ttl])
  })

  test.each(['answers', 'authorities'] as const)(
    'ends at an OPT record, also where none may stand: in %s',
    (section) => {
      const opt = { type: 'OPT', name: '.', udpPayloadSize: 512, flags: 0x8000 }
      const held = body({ answers: [a(60)], authorities: [soa], additionals: [a(9)], [section]: [a(60), opt, a(60)] })
      const answer = readMessage(answerQuery(asked('a.test', 'A', { udpBytes: 1232 }), held, FRESH))
      expect(answer?.records.map((one) => `${one.section} ${one.type}`)).toEqual(
        section === 'answers' ? ['answer 1', 'additional 41'] : ['answer 1', 'authority 1', 'additional 41'],
      )
      expect(held.addresses).toHaveLength(1)
    },
  )

  test('says nothing of DNSSEC, and has OPT only for who had it', () => {
    const opt = { type: 'OPT', name: '.', udpPayloadSize: 512, flags: 0x8000 }
    const held = body({ answers: [a(60)], additionals: [{ ...a(9), name: 'x.test' }, opt] })
    expect(readAnswer(answerQuery(asked('a.test'), held, FRESH))).toMatchObject({
      ...{ flags: ['qr', 'rd', 'ra'], others: ['A'] },
    })
    const withOpt = answerQuery(asked('a.test', 'A', { udpBytes: 1232 }), held, FRESH)
    expect(readAnswer(withOpt).others).toEqual(['A', 'OPT'])
    expect(readMessage(withOpt)?.records.at(-1)).toMatchObject({ class: 1232, ttl: 0 })
  })

  test('over UDP is as long as the asker takes; one byte longer it is cut', () => {
    const held = body({ answers: Array.from({ length: 40 }, (_, i) => a(60, `1.2.3.${i}`)) })
    const length = held.bytes.length + 11
    const whole = answerQuery(asked('a.test', 'A', { udpBytes: length }), held, FRESH)
    expect([whole.length, readAnswer(whole).data.length]).toEqual([length, 40])
    const cut = answerQuery(asked('a.test', 'A', { udpBytes: length - 1 }), held, FRESH)
    expect(readAnswer(cut)).toMatchObject({ data: [], flags: ['qr', 'tc', 'rd', 'ra'], others: ['OPT'] })
    const overTcp = answerQuery(asked('a.test'), held, { ...FRESH, transport: 'tcp' })
    expect(readAnswer(overTcp).data).toHaveLength(40)
  })

  test.each<[string, AnswerBody, number | undefined, boolean]>([
    ['the least TTL of its records', body({ answers: [a(60), a(30)] }), 30, false],
    ['the SOA record where there is nothing', body({ authorities: [soa] }), 40, true],
    ['that where there is no such name', body({ authorities: [{ ...soa, ttl: 9 }] }, 3), 9, true],
    ['nothing, without an SOA record', body({}, 3), undefined, true],
    ['nothing, if it is a failure', body({}, 2), undefined, true],
    [
      'alias and SOA, if the alias leads nowhere',
      body({ answers: [{ name: 'a.test', type: 'CNAME', ttl: 20, data: 'b.test' }], authorities: [soa] }),
      20,
      true,
    ],
    ['nothing for a TTL with its highest bit', body({ answers: [a(0x8000_0001)] }), 0, false],
  ])('may be kept for %s', (_, held, ttlS, isAbsence) => {
    expect([held.ttlS, held.isAbsence]).toEqual([ttlS, isAbsence])
  })
})

describe('an answer with aliases', () => {
  const chain = (length: number) =>
    Array.from({ length }, (_, i) => ({
      name: i === 0 ? 'a.test' : `a${i}.test`,
      type: 'CNAME',
      ttl: 1,
      data: `a${i + 1}.test`,
    }))

  test('knows all of them, but for the name that was asked for', () => {
    const answers = [...chain(2), { ...a(1), name: 'A2.test' }]
    expect(body({ answers, authorities: [soa] }).aliases).toEqual(['a1.test', 'a2.test'])
    expect(body({ answers: [a(1)] }).aliases).toEqual([])
  })

  test('keeps so many, and no more', () => {
    expect(body({ answers: chain(MAX_ALIASES + 1) }).aliases).toHaveLength(MAX_ALIASES)
    expect(body({ answers: chain(MAX_ALIASES + 2) }).aliases).toHaveLength(MAX_ALIASES)
  })
})

describe('an answer of this computer', () => {
  const question = asked('a.test').ask.question
  const [four, six] = [Uint8Array.of(1, 2, 3, 4), new Uint8Array(16)]
  const read = (held: AnswerBody, type = 'A', name = 'a.test') =>
    readAnswer(answerQuery(asked(name, type), held, FRESH))

  test('has the addresses of the family that is asked for', () => {
    expect(read(addressBody(question, [four, six])).data).toEqual(['1.2.3.4'])
    expect(read(addressBody({ ...question, type: 28 }, [four, six]), 'AAAA').data).toEqual(['::'])
    expect(read(addressBody({ ...question, type: 16 }, [four, six]), 'TXT')).toMatchObject({
      rcode: 'NOERROR',
      data: [],
    })
  })

  test('names addresses, says that there is nothing, fails, or declines to list all', () => {
    expect(read(pointerBody({ ...question, type: 12 }, ['x.lan', 'y.lan']), 'PTR').data).toEqual(['x.lan', 'y.lan'])
    expect(read(emptyBody(question, 3))).toMatchObject({ rcode: 'NXDOMAIN', others: ['SOA'] })
    expect(emptyBody(question, 3).ttlS).toBe(300)
    expect(read(failureBody(question, 2))).toMatchObject({ rcode: 'SERVFAIL', others: [] })
    expect(read(anyBody({ ...question, type: 255 }), 'ANY').data).toEqual([{ cpu: 'RFC8482', os: '' }])
  })

  test('is well formed for names of any bytes', () => {
    for (const name of ['', '\\000.\\255\\046', `${'\\255'.repeat(63)}.test`]) {
      for (const held of [
        addressBody({ ...question, name }, [four]),
        anyBody({ ...question, name }),
        emptyBody({ ...question, name }, 3),
      ])
        expect(readMessage(held.bytes)?.questions[0]?.name).toBe(name)
    }
  })
})
