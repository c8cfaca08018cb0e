import { expect, test } from '@jest/globals'
import { parsePacket } from './packet.ts'
import { parsePcap } from './pcap.ts'

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))

const MACS = '02 00 00 00 00 01  02 00 00 00 00 02'
const TCP_SYN = '9c 40 01 bb  11 22 33 44  00 00 00 00  50 02 ff ff  00 00 00 00'
const IPV4_TCP = `${MACS} 08 00  45 00 00 2b  00 00 40 00  40 06 00 00  c6 12 01 02  c6 12 02 02  ${TCP_SYN}  61 62 63`
const SOURCE_6 = '20 01 0d b8 00 01 00 00 00 00 00 00 00 00 00 02'
const TARGET_6 = '20 01 0d b8 00 02 00 00 00 00 00 00 00 00 00 02'
const UDP = '00 35 c0 00  00 0a 00 00  68 69'

const frame = (text: string) => {
  const bytes = hex(text)
  return parsePacket({ atMs: 0, bytes, wireLength: bytes.length })
}

test('an IPv4 segment of TCP is taken apart, without the padding of a short frame', () => {
  expect(frame(`${IPV4_TCP} 00 00 00`)).toMatchObject({
    etherType: 0x0800,
    ip: {
      source: '198.18.1.2',
      destination: '198.18.2.2',
      protocol: 6,
      sourcePort: 40000,
      destinationPort: 443,
      tcp: { sequence: 0x11223344, syn: true, fin: false, reset: false },
      payload: hex('61 62 63'),
    },
  })
})

test('an IPv6 datagram is found behind its options', () => {
  const header = `${MACS} 86 dd  60 00 00 00 00 12 00 40 ${SOURCE_6} ${TARGET_6}`
  expect(frame(`${header}  11 00 05 02 00 00 01 00  ${UDP}`)).toMatchObject({
    etherType: 0x86dd,
    ip: {
      source: '2001:db8:1::2',
      destination: '2001:db8:2::2',
      protocol: 17,
      sourcePort: 53,
      destinationPort: 0xc000,
      payload: hex('68 69'),
    },
  })
})

test('the first fragment shows its ports, later ones are fragments', () => {
  const header = `${MACS} 86 dd  60 00 00 00 00 12 2c 40 ${SOURCE_6} ${TARGET_6}`
  expect(frame(`${header}  11 00 00 01 00 00 00 07  ${UDP}`).ip).toMatchObject({ protocol: 17, sourcePort: 53 })
  expect(frame(`${header}  11 00 05 a8 00 00 00 07  ${UDP}`).ip).toMatchObject({ protocol: 44, sourcePort: 0 })
  const later = IPV4_TCP.replace('00 00 40 00', '00 00 00 b9')
  expect(frame(later).ip).toMatchObject({ protocol: 44, sourcePort: 0, tcp: undefined })
})

test('other frames and every truncation are no surprise', () => {
  expect(frame(`${MACS} 08 06 00 01`)).toMatchObject({ etherType: 0x0806, ip: undefined })
  const whole = hex(IPV4_TCP)
  for (let length = 0; length < 34; length++) {
    expect(parsePacket({ atMs: 0, bytes: whole.subarray(0, length), wireLength: whole.length }).ip).toBeUndefined()
  }
})

const LITTLE = 'd4 c3 b2 a1  02 00 04 00  00 00 00 00  00 00 00 00  00 00 04 00  01 00 00 00'
const BIG = 'a1 b2 3c 4d  00 02 00 04  00 00 00 00  00 00 00 00  00 04 00 00  00 00 00 01'

test('capture files of either byte order and accuracy are read', () => {
  const little = parsePcap(hex(`${LITTLE}  0a 00 00 00  20 a1 07 00  02 00 00 00  3c 00 00 00  ab cd`))
  expect(little).toEqual([{ atMs: 10_500, bytes: hex('ab cd'), wireLength: 60 }])
  const big = parsePcap(hex(`${BIG}  00 00 00 0a  1d cd 65 00  00 00 00 01  00 00 00 01  ee`))
  expect(big).toEqual([{ atMs: 10_500, bytes: hex('ee'), wireLength: 1 }])
})

test('a file that is still being written gives its whole frames', () => {
  const record = '0a 00 00 00  00 00 00 00  02 00 00 00  02 00 00 00  ab cd'
  const file = hex(`${LITTLE} ${record} ${record}`)
  for (let length = 0; length <= file.length; length++) {
    expect(parsePcap(file.subarray(0, length))).toHaveLength(length < 42 ? 0 : length < 60 ? 1 : 2)
  }
})

test('a file that is no capture of Ethernet is refused', () => {
  expect(() => parsePcap(new Uint8Array(24))).toThrow('not a capture file')
  expect(() => parsePcap(hex(LITTLE.replace('01 00 00 00', '71 00 00 00')))).toThrow('link type 113')
})
