import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  associationAnswer,
  encodeDatagram,
  greetingAnswer,
  MAX_GREETING_BYTES,
  MAX_REQUEST_BYTES,
  type Request,
  readDatagram,
  readGreeting,
  readRequest,
  replyFor,
  requestAnswer,
  SOCKS_REPLIES,
} from '../../../client/socks/socks5.ts'
import { concatBytes, toHex, utf8 } from '../../../shared/base/bytes.ts'
import { FAULTS, type FaultCode } from '../../../shared/base/fault-codes.ts'
import { parseIp } from '../../../shared/base/ip-address.ts'
import type { Target } from '../../../shared/cell/target.ts'
import { hex } from '../../support/hex.ts'

const ip = (text: string, port: number): Target => ({ kind: 'ip', address: parseIp(text) as Uint8Array, port })
const named = (name: string, port = 443): Uint8Array =>
  concatBytes(Uint8Array.of(5, 1, 0, 3, utf8(name).length), utf8(name), Uint8Array.of(port >> 8, port & 255))

describe('the greeting of SOCKS 5', () => {
  test.each([
    ['05 01 00', { used: 3, acceptable: true }],
    ['05 02 02 00', { used: 4, acceptable: true }],
    ['05 01 02', { used: 3, acceptable: false }],
    ['05 01 00 ff ff', { used: 3, acceptable: true }],
    ['', undefined],
    ['05', undefined],
    ['05 02 00', undefined],
    ['04 01', 'malformed'],
    ['47 45 54', 'malformed'],
    ['05 00', 'malformed'],
  ] as const)('%s', (bytes, greeting) => {
    expect(readGreeting(hex(bytes))).toEqual(greeting)
  })

  test('is answered', () => {
    expect(toHex(greetingAnswer({ used: 3, acceptable: true }))).toBe('0500')
    expect(toHex(greetingAnswer({ used: 3, acceptable: false }))).toBe('05ff')
  })

  test('is never longer than its limit', () => {
    const longest = concatBytes(Uint8Array.of(5, 255), new Uint8Array(255))
    expect(longest).toHaveLength(MAX_GREETING_BYTES)
    expect(readGreeting(longest)).toEqual({ used: MAX_GREETING_BYTES, acceptable: true })
    expect(readGreeting(longest.subarray(0, -1))).toBeUndefined()
  })
})

describe('the request of SOCKS 5', () => {
  test.each<[string, string, Target]>([
    ['an IPv4 address', '05 01 00 01 5db8d822 01bb', ip('93.184.216.34', 443)],
    ['an IPv6 address', '05 01 00 04 20010db8000000000000000000000001 0050', ip('2001:db8::1', 80)],
    ['IPv4 in IPv6', '05 01 00 04 00000000000000000000ffff5db8d822 0050', ip('93.184.216.34', 80)],
    ['a name', '05 01 00 03 0b 6578616d706c652e636f6d 01bb', { kind: 'name', name: 'example.com', port: 443 }],
    ['an address as a name', '05 01 00 03 07 382e382e382e38 0035', ip('8.8.8.8', 53)],
    ['an IPv6 address as a name', '05 01 00 03 03 3a3a31 0050', ip('::1', 80)],
  ])('for %s', (_what, bytes, target) => {
    expect(readRequest(hex(bytes))).toEqual({ used: hex(bytes).length, target })
  })

  test.each([
    ['that says no port', '05 03 00 01 00000000 0000', 0],
    ['that says its port', '05 03 00 01 7f000001 9c40', 40_000],
    ['over IPv6', '05 03 00 04 00000000000000000000000000000000 0000', 0],
    ['that names itself', '05 03 00 03 01 61 0001', 1],
  ])('for a UDP socket of an app %s', (_what, bytes, port) => {
    expect(readRequest(hex(bytes))).toEqual({ used: hex(bytes).length, associate: { port } })
  })

  test.each([
    ['to listen', '05 02 00 01 5db8d822 01bb', SOCKS_REPLIES.commandNotSupported],
    ['of a kind of address that there is not', '05 01 00 02 5db8d822 01bb', SOCKS_REPLIES.addressNotSupported],
    ['for port 0', '05 01 00 01 5db8d822 0000', SOCKS_REPLIES.hostUnreachable],
    ['for an empty name', '05 01 00 03 00 01bb', SOCKS_REPLIES.hostUnreachable],
    ['for a name that is no text', '05 01 00 03 02 ff fe 01bb', SOCKS_REPLIES.hostUnreachable],
  ])('%s is refused', (_what, bytes, refuse) => {
    expect(readRequest(hex(bytes))).toMatchObject({ refuse })
  })

  test.each([
    '2130706433',
    '0x7f000001',
    '127.1',
    '0177.0.0.1',
    '127.0.0.1.',
    'a b',
    'a\u0000b',
    '-a.com',
    `${'a'.repeat(64)}.com`,
  ])('for %j, which some programs take for an address and others for nothing, is refused', (name) => {
    expect(readRequest(named(name))).toMatchObject({ refuse: SOCKS_REPLIES.hostUnreachable })
  })

  test.each([
    ['version 4', '04 01 00 50'],
    ['HTTP', '474554202f'],
    ['a reserved byte', '05 01 01 01 5db8d822 01bb'],
  ])('that is %s is no SOCKS 5', (_what, bytes) => {
    expect(readRequest(hex(bytes))).toBe('malformed')
  })

  test('needs all its bytes: cut anywhere, it waits for more', () => {
    for (const whole of [
      named('example.com'),
      hex('05 01 00 01 5db8d822 01bb'),
      hex(`05 01 00 04 ${'20'.repeat(16)} 0050`),
    ]) {
      for (let length = 0; length < whole.length; length++)
        expect(readRequest(whole.subarray(0, length))).toBeUndefined()
      expect(readRequest(concatBytes(whole, utf8('more')))).toMatchObject({ used: whole.length })
    }
  })

  test('is never longer than its limit', () => {
    const longest = concatBytes(Uint8Array.of(5, 1, 0, 3, 255), new Uint8Array(257))
    expect(longest).toHaveLength(MAX_REQUEST_BYTES)
    expect(readRequest(longest)).toMatchObject({ used: MAX_REQUEST_BYTES })
    expect(readRequest(longest.subarray(0, -1))).toBeUndefined()
  })

  test('survives any bytes, and never reads more than there are', () => {
    const beginning = fc.constantFrom([], [5], [5, 1, 0, 1], [5, 1, 0, 3], [5, 1, 0, 4], [5, 2, 0, 3])
    fc.assert(
      fc.property(beginning, fc.uint8Array({ maxLength: 300 }), (first, rest) => {
        const bytes = Uint8Array.from([...first, ...rest])
        for (const read of [readGreeting(bytes), readRequest(bytes)] as (Request | string | undefined)[]) {
          if (typeof read === 'object') expect(read.used).toBeLessThanOrEqual(bytes.length)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the reply', () => {
  test('is ten bytes, for every reason', () => {
    for (const reply of Object.values(SOCKS_REPLIES)) {
      expect(toHex(requestAnswer(reply))).toBe(`05${reply.toString(16).padStart(2, '0')}0001000000000000`)
    }
  })

  test.each([
    ['connection-refused', 5],
    ['host-unreachable', 4],
    ['name-not-found', 4],
    ['network-unreachable', 3],
    ['family-refused', 3],
    ['path-no-exit', 3],
    ['connect-timeout', 6],
    ['policy-refused', 2],
    ['destination-forbidden', 2],
    ['rule-blocked', 2],
    ['rule-direct', 2],
    ['wish-unmet', 2],
    ['map-expired', 1],
    ['internal', 1],
  ] as const)('to %s is %i', (fault, reply) => {
    expect(replyFor(fault)).toBe(reply)
  })

  test('never says that it succeeded', () => {
    for (const code of Object.keys(FAULTS) as FaultCode[]) expect(replyFor(code)).not.toBe(SOCKS_REPLIES.succeeded)
  })
})

describe('a datagram of SOCKS 5', () => {
  test.each<[string, string, Target, string]>([
    ['to IPv4', '0000 00 01 5db8d822 01bb 68 69', ip('93.184.216.34', 443), '68 69'],
    ['to IPv6, of nothing', '0000 00 04 20010db8000000000000000000000001 0050', ip('2001:db8::1', 80), ''],
    ['to IPv4 in IPv6', '0000 00 04 00000000000000000000ffff5db8d822 0050 00', ip('93.184.216.34', 80), '00'],
    ['to a name', '0000 00 03 01 61 0035 01', { kind: 'name', name: 'a', port: 53 }, '01'],
    ['to an address as a name', '0000 00 03 07 382e382e382e38 0035 01', ip('8.8.8.8', 53), '01'],
  ])('%s is read', (_what, packet, target, bytes) => {
    expect(readDatagram(hex(packet))).toEqual({ target, bytes: hex(bytes) })
  })

  test.each([
    ['a fragment', '0000 01 01 5db8d822 01bb 68'],
    ['with reserved bytes', '0001 00 01 5db8d822 01bb 68'],
    ['to a kind of address that there is not', '0000 00 02 5db8d822 01bb 68'],
    ['to port 0', '0000 00 01 5db8d822 0000 68'],
    ['to a name that is none', '0000 00 03 02 2d61 01bb 68'],
    ['to an empty name', '0000 00 03 00 01bb 68'],
  ])('%s is dropped', (_what, packet) => {
    expect(readDatagram(hex(packet))).toBeUndefined()
  })

  test('is dropped in every truncation of its head', () => {
    for (const packet of ['0000 00 01 5db8d822 01bb', '0000 00 03 01 61 0035']) {
      const whole = hex(packet)
      expect(readDatagram(whole)).toBeDefined()
      for (let length = 0; length < whole.length; length++) {
        expect([length, readDatagram(whole.subarray(0, length))]).toEqual([length, undefined])
      }
    }
  })

  test.each([
    ['93.184.216.34', '0000 00 01 5db8d822 01bb 68 69'],
    ['2001:db8::1', '0000 00 04 20010db8000000000000000000000001 01bb 68 69'],
  ])('for the app is the one that it would send to %s', (address, packet) => {
    const made = encodeDatagram(parseIp(address)!, 443, hex('68 69'))
    expect(made).toEqual(hex(packet))
    expect(readDatagram(made)).toEqual({ target: ip(address, 443), bytes: hex('68 69') })
  })

  test('of an app goes to the address and port that it was told', () => {
    expect(associationAnswer(parseIp('127.0.0.1')!, 0x1234)).toEqual(hex('05 00 00 01 7f000001 1234'))
    expect(associationAnswer(parseIp('::1')!, 1)).toEqual(hex('05 00 00 04 00000000000000000000000000000001 0001'))
  })
})
