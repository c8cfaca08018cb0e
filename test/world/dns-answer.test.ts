import { expect, test } from '@jest/globals'
import { decode, encode, RECURSION_DESIRED } from 'dns-packet'
import { answerDns } from './dns-answer.ts'

const NAMES = {
  'shop.test': ['198.18.1.2', '2001:db8:1::2'],
  'www.shop.test': ['alias shop.test'],
  'many.test': Array.from({ length: 30 }, (_, i) => `198.18.1.${i + 1}`),
}

function ask(name: string, type: string, transport: 'udp' | 'tcp' = 'udp', udpPayloadSize?: number) {
  const additionals = udpPayloadSize === undefined ? [] : [{ type: 'OPT', name: '.', udpPayloadSize }]
  const query = encode({ type: 'query', id: 77, flags: RECURSION_DESIRED, questions: [{ type, name }], additionals })
  const reply = answerDns(query, NAMES, transport)
  if (reply === undefined) throw new Error('no reply')
  const { id, rcode, answers, ...rest } = decode(reply.bytes)
  return { id, rcode, data: answers?.map(({ data }) => data), truncated: (rest as { flag_tc?: boolean }).flag_tc }
}

test('a name has its addresses, by family', () => {
  expect(ask('shop.test', 'A')).toEqual({ id: 77, rcode: 'NOERROR', data: ['198.18.1.2'], truncated: false })
  expect(ask('Shop.TEST', 'AAAA').data).toEqual(['2001:db8:1::2'])
})

test('an alias comes with the addresses of the name that it stands for', () => {
  expect(ask('www.shop.test', 'A').data).toEqual(['shop.test', '198.18.1.2'])
  expect(ask('www.shop.test', 'AAAA').data).toEqual(['shop.test', '2001:db8:1::2'])
  expect(ask('www.shop.test', 'TXT').data).toEqual([])
})

test('a known name without records of this type exists all the same', () => {
  expect(ask('many.test', 'AAAA')).toMatchObject({ rcode: 'NOERROR', data: [] })
  expect(ask('shop.test', 'TXT')).toMatchObject({ rcode: 'NOERROR', data: [] })
})

test('all other names do not exist', () => {
  expect(ask('example.com', 'A')).toMatchObject({ rcode: 'NXDOMAIN', data: [] })
})

test('an answer that does not fit is truncated, and whole on TCP or with room', () => {
  expect(ask('many.test', 'A')).toMatchObject({ data: [], truncated: true })
  expect(ask('many.test', 'A', 'udp', 1232)).toMatchObject({ truncated: false })
  expect(ask('many.test', 'A', 'tcp').data).toHaveLength(30)
})

test('bytes that are no query get no answer', () => {
  const response = encode({ type: 'response', id: 1, questions: [{ type: 'A', name: 'shop.test' }] })
  for (const bytes of [new Uint8Array(0), new Uint8Array(5), Buffer.from('GET / HTTP/1.1'), response]) {
    expect(answerDns(bytes, NAMES, 'udp')).toBeUndefined()
  }
})
