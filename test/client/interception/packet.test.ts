import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isOpening, type Packet, parsePacket, TCP_FLAGS } from '../../../client/interception/packet.ts'
import { formatIp } from '../../../shared/base/ip-address.ts'

const V4_TCP = `
  45 00 00 3c  12 34 40 00  40 06 00 00  c6 12 00 02  c6 12 00 01
  d4 31 01 bb  01 02 03 04  00 00 00 00  a0 02 fa f0  00 00 00 00`
const V6_HEADER = (next: string) => `
  60 00 00 00  00 28 ${next} 40
  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01`
const TCP = 'd4 31 01 bb  f1 02 03 04  00 00 00 00  50 12 fa f0  00 00 00 00'
const UDP = '14 e9 00 35  00 08 00 00'

const V4_ENDS = { family: 4, source: '198.18.0.2', destination: '198.18.0.1' }
const V6_ENDS = { family: 6, source: '2001:db8::2', destination: '2001:db8::1' }
const WHOLE = { fragment: false, ports: { source: 0xd431, destination: 443 } }
const PING = { fragment: false, ports: undefined, tcp: undefined }

describe('a packet', () => {
  test.each<[string, string, object]>([
    [
      'of TCP over IPv4',
      V4_TCP,
      { ...V4_ENDS, ...WHOLE, protocol: 6, tcp: { sequence: 0x01020304, flags: TCP_FLAGS.syn } },
    ],
    [
      'with IPv4 options in front of TCP',
      `46 00 00 40  00 00 00 00  40 06 00 00  c6 12 00 02  c6 12 00 01  94 04 00 00 ${TCP}`,
      { ...V4_ENDS, ...WHOLE, protocol: 6, tcp: { sequence: 0xf1020304, flags: TCP_FLAGS.syn | TCP_FLAGS.ack } },
    ],
    [
      'of UDP over IPv4',
      `45 00 00 1c  00 00 00 00  40 11 00 00  c6 12 00 02  c6 12 00 01  ${UDP}`,
      { ...V4_ENDS, protocol: 17, fragment: false, ports: { source: 5353, destination: 53 }, tcp: undefined },
    ],
    [
      'of ICMP has no ports',
      '45 00 00 1c  00 00 00 00  40 01 00 00  c6 12 00 02  c6 12 00 01  03 01 00 00 00 01 00 01',
      { ...V4_ENDS, ...PING, protocol: 1 },
    ],
    [
      'that asks for an echo over IPv4 up to its own end',
      '45 00 00 1e  00 00 00 00  40 01 00 00  c6 12 00 02  c6 12 00 01  08 00 00 00 12 34 ff fe  ab cd  99 99',
      {
        ...V4_ENDS,
        ...PING,
        protocol: 1,
        echo: { identifier: 0x1234, sequence: 0xfffe, bytes: Uint8Array.of(0xab, 0xcd) },
      },
    ],
    [
      'that asks for an echo over IPv6',
      `${V6_HEADER('3a').replace('00 28', '00 09')}  80 00 00 00 12 34 ff fe  ab`,
      { ...V6_ENDS, ...PING, protocol: 58, echo: { identifier: 0x1234, sequence: 0xfffe, bytes: Uint8Array.of(0xab) } },
    ],
    [
      'that asks for an echo and is cut off asks for none',
      '45 00 00 1e  00 00 00 00  40 01 00 00  c6 12 00 02  c6 12 00 01  08 00 00 00 12 34 ff fe  ab',
      { ...V4_ENDS, ...PING, protocol: 1 },
    ],
    [
      'of a fragment asks for no echo',
      '45 00 00 1e  00 00 20 00  40 01 00 00  c6 12 00 02  c6 12 00 01  08 00 00 00 12 34 ff fe  ab cd',
      { ...V4_ENDS, ...PING, fragment: true, protocol: 1 },
    ],
    [
      'that answers a request for an echo asks for none',
      `${V6_HEADER('3a').replace('00 28', '00 09')}  81 00 00 00 12 34 ff fe  ab`,
      { ...V6_ENDS, ...PING, protocol: 58 },
    ],
    [
      'that is the first IPv4 fragment still has its ports',
      V4_TCP.replace('40 00  40 06', '20 00  40 06'),
      { ...V4_ENDS, ...WHOLE, fragment: true, protocol: 6, tcp: { sequence: 0x01020304, flags: TCP_FLAGS.syn } },
    ],
    [
      'that is a later IPv4 fragment has none',
      V4_TCP.replace('40 00  40 06', '00 01  40 06'),
      { ...V4_ENDS, fragment: true, protocol: 6, ports: undefined, tcp: undefined },
    ],
    [
      'of TCP over IPv6',
      `${V6_HEADER('06')} ${TCP}`,
      { ...V6_ENDS, ...WHOLE, protocol: 6, tcp: { sequence: 0xf1020304, flags: 0x12 } },
    ],
    [
      'behind hop-by-hop, destination options, routing and authentication headers',
      `${V6_HEADER('00')}  3c 00 01 04 00 00 00 00  2b 01 01 0c 00 00 00 00 00 00 00 00 00 00 00 00
       33 00 00 00 00 00 00 00  06 04 00 00 00 00 00 01 00 00 00 02  00 00 00 00 00 00 00 00 00 00 00 00 ${TCP}`,
      { ...V6_ENDS, ...WHOLE, protocol: 6, tcp: { sequence: 0xf1020304, flags: 0x12 } },
    ],
    [
      'that is the first IPv6 fragment',
      `${V6_HEADER('2c')}  06 00 00 01 12 34 56 78  ${TCP}`,
      { ...V6_ENDS, ...WHOLE, fragment: true, protocol: 6, tcp: { sequence: 0xf1020304, flags: 0x12 } },
    ],
    [
      'that is a later IPv6 fragment: the bytes behind its header are no headers',
      `${V6_HEADER('2c')}  3c 00 00 08 12 34 56 78  ff ff ff ff ff ff ff ff`,
      { ...V6_ENDS, fragment: true, protocol: 60, ports: undefined, tcp: undefined },
    ],
    [
      'that is encrypted (ESP) has no ports',
      `${V6_HEADER('32')} ${TCP}`,
      { ...V6_ENDS, fragment: false, protocol: 50, ports: undefined, tcp: undefined },
    ],
  ])('%s is read', (_what, text, expected) => {
    const packet = parsePacket(hex(text))
    expect(packet && { ...packet, source: formatIp(packet.source), destination: formatIp(packet.destination) }).toEqual(
      expected,
    )
  })

  test.each<[string, string]>([
    ['nothing', ''],
    ['another version', V4_TCP.replace('45', '55')],
    ['an IPv4 header shorter than the least', V4_TCP.replace('45', '44')],
    ['an IPv6 extension header longer than the bytes', `${V6_HEADER('00')} 06 ff 00 00 00 00 00 00 ${TCP}`],
    ['an authentication header longer than the bytes', `${V6_HEADER('33')} 06 ff 00 00 00 00 00 00 ${TCP}`],
    ['more extension headers than anybody needs', `${V6_HEADER('3c')} ${'3c 00 00 00 00 00 00 00 '.repeat(9)} ${TCP}`],
    [
      'an IPv4-mapped destination in an IPv6 packet',
      `60 00 00 00  00 14 06 40  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
       00 00 00 00 00 00 00 00 00 00 ff ff c6 12 00 01 ${TCP}`,
    ],
  ])('with %s is refused', (_what, text) => {
    expect(parsePacket(hex(text))).toBeUndefined()
  })

  test('with 8 extension headers, the most allowed, is read', () => {
    const text = `${V6_HEADER('3c')} ${'3c 00 00 00 00 00 00 00 '.repeat(7)} 06 00 00 00 00 00 00 00 ${TCP}`
    expect(parsePacket(hex(text))?.ports).toEqual(WHOLE.ports)
  })

  test.each([
    ['IPv4', hex(V4_TCP), 20],
    ['IPv6', hex(`${V6_HEADER('3c')} 06 00 00 00 00 00 00 00 ${TCP}`), 48],
  ])('of %s cut off at any length says no more than its bytes hold', (_family, whole, headerBytes) => {
    const complete = parsePacket(whole) as Packet
    for (let length = 0; length < whole.length; length++) {
      const packet = parsePacket(whole.subarray(0, length))
      expect(packet === undefined).toBe(length < headerBytes)
      if (packet === undefined) continue
      expect(packet.ports).toEqual(length < headerBytes + 4 ? undefined : complete.ports)
      expect(packet.tcp).toEqual(length < headerBytes + 14 ? undefined : complete.tcp)
    }
  })

  test('of any bytes never throws, and holds copies', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(0x45, 0x4f, 0x60, 0x00), (bytes, first) => {
        if (bytes.length > 0) bytes[0] = first
        const packet = parsePacket(bytes)
        if (packet === undefined) return
        const before = formatIp(packet.source)
        bytes.fill(0xee)
        expect(formatIp(packet.source)).toBe(before)
        expect(packet.source).toHaveLength(packet.family === 4 ? 4 : 16)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('the opening of a connection', () => {
  test.each<[string, number, boolean]>([
    ['SYN', 0x02, true],
    ['SYN with ECN', 0xc2, true],
    ['SYN with data pushed', 0x0a, true],
    ['SYN ACK', 0x12, false],
    ['SYN FIN', 0x03, false],
    ['SYN RST', 0x06, false],
    ['ACK', 0x10, false],
    ['nothing', 0x00, false],
  ])('%s: %i is %s', (_name, flags, expected) => {
    expect(isOpening({ flags })).toBe(expected)
  })
})

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replace(/\s/g, ''), 'hex'))
}
