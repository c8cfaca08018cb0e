import { describe, expect, test } from '@jest/globals'
import { ownFamilies, usableFamilies } from '../../client/own-families.ts'
import type { IpFamily } from '../../shared/base/ip-address.ts'

const WIRE = ['127.0.0.1', '::1', '169.254.3.4', 'fe80::1%eth0', 'fe80::2']

describe('the families of addresses by which this computer reaches others', () => {
  test.each<[string, string[], IpFamily[], IpFamily[]]>([
    ['both', ['192.168.1.5', '2001:db8::5'], [4, 6], [4, 6]],
    ['IPv4 alone', ['192.168.1.5'], [4], [4]],
    ['IPv6 alone', ['2001:db8::5'], [6], [6]],
    ['addresses of both, of which one family leads nowhere', ['192.168.1.5', 'fd00::5'], [4], [4]],
    ['a route of a family of which it has no address', ['192.168.1.5'], [4, 6], [4]],
    ['no default route, or a system that does not tell', ['192.168.1.5'], [], [4]],
    ['nothing but its own wire', [], [4], [4, 6]],
  ])('are known where it has %s', (_, addresses, routed, expected) => {
    expect([...usableFamilies([...WIRE, ...addresses], new Set(routed))]).toEqual(expected)
  })

  test('are never none', () => {
    expect(ownFamilies().size).toBeGreaterThan(0)
  })
})
