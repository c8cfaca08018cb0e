import { describe, expect, test } from '@jest/globals'
import { encode } from 'dns-packet'
import fc from 'fast-check'
import { concatBytes } from '../../../shared/base/bytes.ts'
import { addressesIn, answersQuestion, readMessage } from '../../../shared/dns/dns-message.ts'
import { askOf, emptyResponse, encodeName, encodeQuery } from '../../../shared/dns/dns-query.ts'
import { askFor, queryOf, readAnswer } from '../../support/dns-questions.ts'
import { hex } from '../../support/hex.ts'

const HEAD = '00 01 81 80 00 01 00 01 00 00 00 00'
const QUESTION = '01 61 00 00 01 00 01'
const bytesOf = (...parts: string[]): Uint8Array => hex(parts.join(' '))

describe('a message', () => {
  test('is read as another implementation wrote it', () => {
    const bytes = encode({
      ...{ type: 'response', id: 9, flags: 0x0180 },
      questions: [{ name: 'Shop.TEST', type: 'A' }],
      answers: [
        { name: 'shop.test', type: 'CNAME', ttl: 5, data: 'a.b' },
        { name: 'a.b', type: 'A', ttl: 6, data: '1.2.3.4' },
        { name: 'a.b', type: 'AAAA', ttl: 7, data: '::1' },
      ],
      authorities: [{ name: 'test', type: 'NS', ttl: 8, data: 'ns.test' }],
    })
    const message = readMessage(bytes)!
    expect(message).toMatchObject({ id: 9, opcode: 0, rcode: 0, questions: [{ name: 'shop.test', type: 1, class: 1 }] })
    expect(message.records.map(({ section, name, type, ttl }) => `${section} ${name} ${type} ${ttl}`)).toEqual([
      ...['answer shop.test 5 5', 'answer a.b 1 6', 'answer a.b 28 7', 'authority test 2 8'],
    ])
    expect(addressesIn(bytes, message).map((one) => one.length)).toEqual([4, 16])
    expect(answersQuestion(message, { name: 'shop.test', type: 1, class: 1 })).toBe(true)
    expect(answersQuestion(message, { name: 'shop.test', type: 28, class: 1 })).toBe(false)
    expect(answersQuestion(message, { name: 'shop2.test', type: 1, class: 1 })).toBe(false)
  })

  test('that is cut anywhere is none, and neither is one with a byte behind it', () => {
    const bytes = queryOf('a.long-name.test', 'AAAA', { udpBytes: 1232 })
    for (let cut = 0; cut < bytes.length; cut++)
      expect([cut, readMessage(bytes.subarray(0, cut))]).toEqual([cut, undefined])
    expect(readMessage(bytes)).toBeDefined()
    expect(readMessage(concatBytes(bytes, Uint8Array.of(0)))).toBeUndefined()
  })

  test.each([
    ['a pointer to itself', `${HEAD} ${QUESTION} c0 13 00 01 00 01 00 00 00 00 00 00`],
    ['a pointer to what comes later', `${HEAD} ${QUESTION} c0 20 00 01 00 01 00 00 00 00 00 00`],
    ['a pointer in a question', `${HEAD} c0 00 00 01 00 01 01 61 00 00 01 00 01 00 00 00 00 00 00`],
    ['a label of a type that is gone', `${HEAD} 41 61 00 00 01 00 01`],
    ['data that is longer than the message', `${HEAD} ${QUESTION} c0 0c 00 01 00 01 00 00 00 00 00 05 01 02 03 04`],
    ['a name without an end', `${HEAD} 01 61`],
  ])('with %s is none', (_, text) => {
    expect(readMessage(bytesOf(text))).toBeUndefined()
  })

  test('takes names of 255 bytes and labels of 63, and not one byte more', () => {
    const name = (last: number): string => [...Array(3).fill('a'.repeat(63)), 'b'.repeat(last)].join('.')
    const query = (text: string) => concatBytes(hex('000101000001000000000000'), encodeName(text), hex('00010001'))
    expect(readMessage(query(name(61)))?.questions[0]?.name).toBe(name(61))
    expect(readMessage(query(name(62)))).toBeUndefined()
  })

  test('follows a few pointers, not a chain of them', () => {
    const chain = (length: number): Uint8Array => {
      const pointers = Array.from({ length }, (_, i) => {
        const to = i === 0 ? 12 : 19 + 12 * (i - 1)
        return hex(`c0${to.toString(16).padStart(2, '0')} 0001 0001 00000000 0000`)
      })
      return concatBytes(hex('000181800001'), Uint8Array.of(0, length, 0, 0, 0, 0), hex(QUESTION), ...pointers)
    }
    expect(readMessage(chain(16))).toBeDefined()
    expect(readMessage(chain(17))).toBeUndefined()
  })

  test('has names that can be written again, whatever bytes are in them', () => {
    const label = fc.uint8Array({ minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(fc.array(label, { maxLength: 5 }), (labels) => {
        const wire = concatBytes(...labels.flatMap((one) => [Uint8Array.of(one.length), one]), Uint8Array.of(0))
        const name = readMessage(concatBytes(hex('000101000001000000000000'), wire, hex('00010001')))?.questions[0]
          ?.name
        const lower = wire.map((byte, i) => (isInLabel(labels, i) && byte >= 65 && byte <= 90 ? byte + 32 : byte))
        expect([...encodeName(name as string)]).toEqual([...lower])
      }),
    )
  })
})

/** Is this place of the wire form a byte of a label, and not a length? */
function isInLabel(labels: readonly Uint8Array[], place: number): boolean {
  let at = 0
  for (const { length } of labels) {
    if (place === at) return false
    at += length + 1
    if (place < at) return true
  }
  return false
}

describe('a query of our own', () => {
  test('holds the question, and of the asker two bits', () => {
    const query = readMessage(queryOf('X.test', 'TXT', { udpBytes: 4096, dnssecOk: true, flags: 0x0110, id: 5 }))!
    const ask = askOf(query)!
    expect(ask).toEqual({ question: { name: 'x.test', type: 16, class: 1 }, dnssecOk: true, checkingDisabled: true })
    const sent = readMessage(encodeQuery(ask, 1234, 0))!
    expect([sent.id, sent.flags, sent.questions]).toEqual([1234, 0x0110, [ask.question]])
    expect(sent.records).toMatchObject([{ type: 41, class: 1232, ttl: 0x8000 }])
  })

  test('has no options but padding, and that where sizes can be seen', () => {
    const subnet = { code: 8, data: hex('0001 18 00 c00002') }
    const ask = askOf(readMessage(queryOf('x.test', 'A', { udpBytes: 512, options: [subnet] }))!)!
    for (const name of ['x.test', `${'y'.repeat(60)}.test`, [...Array(3).fill('z'.repeat(60)), 'test'].join('.')]) {
      const question = { ...ask.question, name }
      expect(encodeQuery({ ...ask, question }, 1, 128).length % 128).toBe(0)
    }
    const plain = readMessage(encodeQuery(ask, 1, 0))!
    expect(plain.records.map(({ dataAt, end }) => end - dataAt)).toEqual([0])
  })

  test('of an asker with two OPT records is none', () => {
    const once = queryOf('x.test', 'A', { udpBytes: 512 })
    const twice = concatBytes(once, once.subarray(-11))
    twice[11] = 2
    expect(askOf(readMessage(twice)!)).toBeUndefined()
  })

  test('is answered by its own question alone, with the code', () => {
    const query = queryOf('Shop.test', 'MX', { id: 3, udpBytes: 1232 })
    const answer = readAnswer(emptyResponse(query, readMessage(query), 5))
    expect(answer).toEqual({
      ...{ id: 3, rcode: 'REFUSED', flags: ['qr', 'rd', 'ra'], name: 'Shop.test', data: [], ttls: [], others: [] },
    })
    expect(readMessage(encodeQuery(askFor('a.b'), 0xffff, 0))?.id).toBe(0xffff)
  })
})
