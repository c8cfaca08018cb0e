import { describe, expect, test } from '@jest/globals'
import { encodeEchoRequest, readEchoReply } from '../../hub/icmp-echo.ts'
import { hex } from '../support/hex.ts'

describe('ICMP echo', () => {
  test.each([
    [4, '08 00 0000 0000 0201 6869'],
    [6, '80 00 0000 0000 0201 6869'],
  ] as const)('of IPv%i is asked by type, number and bytes; the system does the rest', (family, packet) => {
    expect(encodeEchoRequest(family, 0x201, hex('6869'))).toEqual(hex(packet))
  })

  test.each([
    [4, '00 00 1234 5678 0201 6869', { sequence: 0x201, bytes: hex('6869') }],
    [6, '81 00 1234 5678 ffff', { sequence: 65_535, bytes: new Uint8Array(0) }],
    [4, '00 00 1234 5678 02', undefined],
    [4, '', undefined],
    [4, '08 00 1234 5678 0201', undefined],
    [4, '81 00 1234 5678 0201', undefined],
    [6, '00 00 1234 5678 0201', undefined],
    [4, '00 01 1234 5678 0201', undefined],
    [4, '03 03 1234 5678 0201', undefined],
  ] as const)('of IPv%i: %s', (family, packet, reply) => {
    expect(readEchoReply(family, hex(packet))).toEqual(reply)
  })
})
