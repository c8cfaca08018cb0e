import { describe, expect, test } from '@jest/globals'
import { datagramPacket, echoPacket, undeliveredPacket } from '../../../client/interception/made-packet.ts'
import { parsePacket } from '../../../client/interception/packet.ts'
import { utf8 } from '../../../shared/base/bytes.ts'
import { parseIp } from '../../../shared/base/ip-address.ts'

describe('a datagram in the name of somebody', () => {
  test('over IPv4 is this, byte for byte', () => {
    const packet = datagramPacket(end('1.2.3.4', 53), end('198.18.0.2', 40_000), utf8('abc'))
    expect(hex(packet)).toBe(
      '4500001f 00000000 4011b0b4 01020304 c6120002 00359c40 000bd4e5 616263'.replaceAll(' ', ''),
    )
  })

  test('is read as what it is, with checksums that add up, of every length', () => {
    for (const [a, b] of [
      ['1.2.3.4', '198.18.0.2'],
      ['2606:4700::1111', '2001:db8::2'],
    ] as const) {
      for (let length = 0; length < 70; length++) {
        const from = end(a, 53)
        const to = end(b, 40_000)
        const bytes = Uint8Array.from({ length }, (_, i) => 251 - i)
        const packet = datagramPacket(from, to, bytes)
        const read = parsePacket(packet)
        expect(read).toMatchObject({ protocol: 17, ports: { source: 53, destination: 40_000 } })
        expect([read?.source, read?.destination]).toEqual([from.address, to.address])
        const header = from.address.length === 4 ? 20 : 40
        expect(packet.subarray(header + 8)).toEqual(Buffer.from(bytes))
        if (header === 20) expect(sumOf(packet.subarray(0, header))).toBe(0xffff)
        const pseudo = Uint8Array.of(...from.address, ...to.address, 0, 17, 0, length + 8)
        expect(sumOf(Buffer.concat([pseudo, packet.subarray(header)]))).toBe(0xffff)
      }
    }
  })

  test('whose checksum would be zero says all ones, because zero means none', () => {
    const bytes = new Uint8Array(2)
    const plain = datagramPacket(end('1.2.3.4', 53), end('198.18.0.2', 40_000), bytes)
    bytes.set(plain.subarray(26, 28))
    const packet = datagramPacket(end('1.2.3.4', 53), end('198.18.0.2', 40_000), bytes)
    expect(hex(packet.subarray(26, 28))).toBe('ffff')
  })
})

describe('an echo in the name of somebody', () => {
  test.each([
    ['1.2.3.4', '198.18.0.2', 0],
    ['2606:4700::1111', '2001:db8::2', 129],
  ] as const)('from %s is of the right kind, with checksums that add up, of every length', (a, b, type) => {
    for (let length = 0; length < 70; length++) {
      const [from, to] = [end(a, 0).address, end(b, 0).address]
      const bytes = Uint8Array.from({ length }, (_, i) => 251 - i)
      const packet = echoPacket(from, to, { identifier: 0x1234, sequence: 0xfffe, bytes })
      expect(parsePacket(packet)).toMatchObject({ source: from, destination: to, echo: undefined })
      const message = packet.subarray(from.length === 4 ? 20 : 40)
      expect(hex(message.subarray(0, 2))).toBe(Buffer.of(type, 0).toString('hex'))
      expect(hex(message.subarray(4))).toBe(`1234fffe${hex(bytes)}`)
      const pseudo = from.length === 4 ? [] : [...from, ...to, 0, 58, 0, length + 8]
      expect(sumOf(Buffer.concat([Uint8Array.from(pseudo), message]))).toBe(0xffff)
    }
  })
})

describe('an error about a datagram', () => {
  test.each([
    ['198.18.0.2', '1.2.3.4', 'refused', '0303'],
    ['198.18.0.2', '1.2.3.4', 'unreachable', '0301'],
    ['198.18.0.2', '1.2.3.4', 'prohibited', '030d'],
    ['2001:db8::2', '2606:4700::1111', 'refused', '0104'],
    ['2001:db8::2', '2606:4700::1111', 'unreachable', '0103'],
    ['2001:db8::2', '2606:4700::1111', 'prohibited', '0101'],
  ] as const)('from %s to %s which is %s is of the right kind, and repeats its headers', (a, b, why, kind) => {
    const [from, to] = [end(a, 40_000), end(b, 53)]
    const packet = undeliveredPacket(from, to, why)
    expect(parsePacket(packet)).toMatchObject({ source: to.address, destination: from.address })
    const message = packet.subarray(from.address.length === 4 ? 20 : 40)
    expect(hex(message.subarray(0, 2))).toBe(kind)
    expect(parsePacket(message.subarray(8))).toMatchObject({
      ...{ protocol: 17, source: from.address, destination: to.address },
      ports: { source: 40_000, destination: 53 },
    })
    const pseudo = from.address.length === 4 ? [] : [...to.address, ...from.address, 0, 58, 0, message.length]
    expect(sumOf(Buffer.concat([Uint8Array.from(pseudo), message]))).toBe(0xffff)
  })
})

/** The sum in ones' complement of all words, which a right checksum makes 0xffff. */
function sumOf(bytes: Uint8Array): number {
  let sum = 0
  bytes.forEach((byte, i) => {
    sum += i % 2 === 0 ? byte * 256 : byte
  })
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000)
  return sum
}

function end(address: string, port: number) {
  const parsed = parseIp(address)
  if (parsed === undefined) throw new Error(address)
  return { address: parsed, port }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
