import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ByteReader } from '../../../shared/base/byte-reader.ts'
import { ByteWriter } from '../../../shared/base/byte-writer.ts'
import {
  decodeMessages,
  encodeMessage,
  MAX_CELL_MESSAGES,
  MESSAGE_HEADER_BYTES,
  type Message,
  messageBytes,
} from '../../../shared/cell/message.ts'
import { decodeOpen, encodeOpen } from '../../../shared/cell/purpose.ts'
import type { Target } from '../../../shared/cell/target.ts'
import { hex } from '../../support/hex.ts'
import { join, u16 } from '../../support/noble-primitives.ts'

const VECTORS: readonly [string, Message][] = [
  [
    '01  00 08  01  01 c0 00 02 01 01 bb',
    { type: 'open', target: { kind: 'ip', address: hex('c0000201'), port: 443 } },
  ],
  ['01  00 06  01  03 01 61 00 50', { type: 'open', target: { kind: 'name', name: 'a', port: 80 } }],
  ['01  00 01  03', { type: 'open', target: { kind: 'dns' } }],
  ['02  00 01  04', { type: 'opened', family: 4 }],
  ['02  00 01  06', { type: 'opened', family: 6 }],
  ['03  00 01  26', { type: 'refused', reason: 0x26 }],
  ['04  00 03  0a 0b 0c', { type: 'data', bytes: hex('0a 0b 0c') }],
  ['05  00 08  00 00 00 00 00 01 00 00', { type: 'fin', total: 65536n }],
  ['06  00 00', { type: 'reset' }],
  ['07  00 08  ff ff ff ff ff ff ff ff', { type: 'ping', token: 2n ** 64n - 1n }],
  ['08  00 08  00 00 00 00 00 00 00 07', { type: 'pong', token: 7n }],
  ['01  00 01  02', { type: 'open', target: { kind: 'udp' } }],
  ['01  00 06  04  01 c0 00 02 01', { type: 'open', target: { kind: 'echo', address: hex('c0000201') } }],
  ['02  00 01  0a', { type: 'opened', family: 10 }],
  [
    '09  00 09  01 c0 00 02 01 01 bb  0a 0b',
    { type: 'datagram', peer: { kind: 'ip', address: hex('c0000201'), port: 443 }, bytes: hex('0a 0b') },
  ],
  [
    '09  00 06  03 01 61 00 50  0a',
    { type: 'datagram', peer: { kind: 'name', name: 'a', port: 80 }, bytes: hex('0a') },
  ],
  [
    '0a  00 08  26  01 c0 00 02 01 01 bb',
    { type: 'unreachable', reason: 0x26, peer: { kind: 'ip', address: hex('c0000201'), port: 443 } },
  ],
  ['0b  00 03  02 01  0a', { type: 'echo', sequence: 513, bytes: hex('0a') }],
]

const PEER: Target = { kind: 'ip', address: new Uint8Array(16).fill(0x20), port: 1 }

function encode(messages: readonly Message[]): Uint8Array {
  const bytes = new Uint8Array(messages.reduce((sum, message) => sum + messageBytes(message), 0))
  const writer = new ByteWriter(bytes)
  for (const message of messages) encodeMessage(message, writer)
  expect(writer.offset).toBe(bytes.length)
  return bytes
}

describe('a message', () => {
  test.each(VECTORS)('is the bytes %s', (bytes, message) => {
    expect(encode([message])).toEqual(hex(bytes))
    expect(decodeMessages(hex(bytes))).toEqual([message])
  })

  test.each(VECTORS)('is refused in every truncation of %s', (bytes) => {
    const whole = hex(bytes)
    for (let length = 1; length < whole.length; length++) {
      expect([length, decodeMessages(whole.subarray(0, length))]).toEqual([length, undefined])
    }
  })

  test.each(VECTORS)('is refused with one byte more or fewer in its payload than %s', (bytes, { type }) => {
    const whole = hex(bytes)
    const payload = whole.subarray(MESSAGE_HEADER_BYTES)
    const changed = [join(payload, [0]), payload.subarray(0, -1)].slice(0, payload.length === 0 ? 1 : 2)
    for (const wrong of changed) {
      const decoded = decodeMessages(join([whole[0] as number], u16(wrong.length), wrong))
      if (type === 'data') expect(decoded).toEqual([{ type, bytes: wrong }])
      else if (type === 'datagram' || type === 'echo')
        expect(encode(decoded!)).toEqual(join([whole[0]!, 0], [wrong.length], wrong))
      else expect(decoded).toBeUndefined()
    }
  })

  test('of an unknown type is refused, also behind good ones and before the end mark', () => {
    for (let type = 12; type <= 255; type++) {
      expect([type, decodeMessages(join([6, 0, 0, type, 0, 0, 0]))]).toEqual([type, undefined])
      expect([type, decodeMessages(join([type, 0, 1, 1]))]).toEqual([type, undefined])
    }
  })

  test.each([
    ['DATA of nothing', '04  00 00'],
    ['OPENED of a family that is none', '02  00 01  05'],
    ['OPENED of family 0', '02  00 01  00'],
    ['OPEN of UDP with a target', '01  00 08  02  01 c0 00 02 01 01 bb'],
    ['OPEN of a kind that there is not', '01  00 08  05  01 c0 00 02 01 01 bb'],
    ['OPEN of echo to a name', '01  00 06  04  03 01 61 00 50'],
    ['OPENED of three families', '02  00 01  0b'],
    ['DATAGRAM to port 0', '09  00 08  01 c0 00 02 01 00 00  0a'],
    ['DATAGRAM to nobody', '09  00 00'],
    ['UNREACHABLE of nobody', '0a  00 01  26'],
    ['ECHO without a number', '0b  00 01  00'],
    ['OPEN for the DNS with a target', '01  00 08  03  01 c0 00 02 01 01 bb'],
    ['OPEN of kind 0', '01  00 08  00  01 c0 00 02 01 01 bb'],
    ['OPEN to port 0', '01  00 08  01  01 c0 00 02 01 00 00'],
    ['OPEN to an address of an unknown kind', '01  00 08  01  04 c0 00 02 01 01 bb'],
    ['OPEN to a number that poses as a name', '01  00 06  01  03 01 31 00 50'],
    ['a length that reaches past the cell', '04  ff ff  01'],
  ])('that is %s is refused', (_, bytes) => {
    expect(decodeMessages(hex(bytes))).toBeUndefined()
  })

  test('stands behind another until type 0, and what follows that is filler', () => {
    const messages = VECTORS.map(([, message]) => message).slice(-MAX_CELL_MESSAGES)
    const bytes = encode(messages)
    expect(decodeMessages(bytes)).toEqual(messages)
    expect(decodeMessages(join(bytes, new Uint8Array(400)))).toEqual(messages)
    expect(decodeMessages(join(bytes, [0, 9, 9, 9, 0xff]))).toEqual(messages)
    expect(decodeMessages(join(bytes, [0]))).toEqual(messages)
    expect(decodeMessages(new Uint8Array(440))).toEqual([])
    expect(decodeMessages(new Uint8Array(0))).toEqual([])
  })

  test('stands with so many others and no more', () => {
    const pings = (count: number): Message[] =>
      Array.from({ length: count }, (_, i) => ({ type: 'ping', token: BigInt(i) }))
    expect(decodeMessages(encode(pings(MAX_CELL_MESSAGES)))).toEqual(pings(MAX_CELL_MESSAGES))
    expect(decodeMessages(encode(pings(MAX_CELL_MESSAGES + 1)))).toBeUndefined()
    expect(decodeMessages(encode(Array(5000).fill({ type: 'reset' })))).toBeUndefined()
  })

  test('survives encoding, whatever it is', () => {
    const u64 = fc.bigInt(0n, 2n ** 64n - 1n)
    const message: fc.Arbitrary<Message> = fc.oneof(
      fc.constantFrom(...VECTORS.map(([, one]) => one)),
      fc.record({ type: fc.constant('data' as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 600 }) }),
      fc.record({ type: fc.constantFrom('ping' as const, 'pong' as const), token: u64 }),
      fc.record({ type: fc.constant('fin' as const), total: u64 }),
      fc.record({ type: fc.constant('refused' as const), reason: fc.nat(255) }),
      fc.record({
        type: fc.constant('echo' as const),
        sequence: fc.nat(65_535),
        bytes: fc.uint8Array({ maxLength: 90 }),
      }),
      fc.record({
        type: fc.constant('datagram' as const),
        peer: fc.constant(PEER),
        bytes: fc.uint8Array({ maxLength: 90 }),
      }),
    )
    fc.assert(
      fc.property(fc.array(message, { maxLength: MAX_CELL_MESSAGES }), fc.nat(50), (messages, filler) => {
        expect(decodeMessages(join(encode(messages), new Uint8Array(filler)))).toEqual(messages)
      }),
    )
  })

  test('comes out of random bytes only if they begin with its encoding, and nothing throws', () => {
    const likely = fc.array(fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), fc.nat(255)), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(likely, (raw) => {
        const bytes = Uint8Array.from(raw)
        const messages = decodeMessages(bytes)
        if (messages === undefined) return
        const encoded = encode(messages)
        expect(bytes.subarray(0, encoded.length)).toEqual(encoded)
        expect(bytes[encoded.length] ?? 0).toBe(0)
      }),
      { numRuns: 3_000 },
    )
  })

  test('of data is a view of the cell', () => {
    const cell = hex('04  00 02  0a 0b')
    const [message] = decodeMessages(cell)!
    cell[3] = 0xff
    expect(message).toEqual({ type: 'data', bytes: hex('ff 0b') })
  })
})

describe('an OPEN in a CREATE', () => {
  test('is kind and target without a header, and leaves what follows', () => {
    const bytes = encodeOpen({ kind: 'name', name: 'a', port: 80 })
    expect(bytes).toEqual(hex('01  03 01 61 00 50'))
    const reader = new ByteReader(join(bytes, new Uint8Array(9)))
    expect(decodeOpen(reader)).toEqual({ kind: 'name', name: 'a', port: 80 })
    expect(reader.remaining).toBe(9)
  })
})
