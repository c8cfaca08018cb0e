import { describe, expect, test } from '@jest/globals'
import { formatIp, parseIp } from '../../../shared/base/ip-address.ts'
import { scopeOf } from '../../../shared/base/ip-scope.ts'
import { addressOfReverse, specialUse } from '../../../shared/dns/special-names.ts'

describe('names that are not asked of the world', () => {
  test.each([
    ...[
      ['localhost', 'localhost'],
      ['a.b.localhost', 'localhost'],
      ['resolver.arpa', 'resolver'],
    ],
    ...[
      ['_dns.resolver.arpa', 'resolver'],
      ['ipv4only.arpa', 'ipv4only'],
    ],
    ...['invalid', 'x.invalid', 'nas.local', 'abc.onion', 'x.alt', 'x.home.arpa', 'db.internal', 'printer.lan'].map(
      (name) => [name, 'absent'],
    ),
    ...['1.1.168.192.in-addr.arpa', '168.192.in-addr.arpa', '10.in-addr.arpa', '1.0.0.127.in-addr.arpa'].map((name) => [
      name,
      'absent',
    ]),
    ...['16.172.in-addr.arpa', '254.169.in-addr.arpa', 'd.f.ip6.arpa', '8.b.d.0.1.0.0.2.ip6.arpa'].map((name) => [
      ...[name, 'absent'],
    ]),
  ])('%s: %s', (name, use) => {
    expect(specialUse(name as string)).toBe(use)
  })

  test.each([
    ...['', 'com', 'shop.test', 'localhost.example.com', 'mylocalhost', 'onion.example', 'homearpa.com', 'arpa'],
    ...['8.8.8.8.in-addr.arpa', '8.in-addr.arpa', '192.in-addr.arpa', '172.in-addr.arpa', '999.10.in-addr.arpa'],
    ...[
      '8.8.8.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.8.4.0.6.8.4.1.0.0.2.ip6.arpa',
      '2.ip6.arpa',
      'use-application-dns.net',
    ],
  ])('"%s" is one of the world', (name) => {
    expect(specialUse(name)).toBeUndefined()
  })

  test.each(['127.0.0.1', '10.200.3.4', '192.168.255.255', '::1', 'fd00::1', 'fe80::abcd', '8.8.8.8', '2001:4860::8'])(
    'the name of %s leads to it, and out only if it is public',
    (text) => {
      const ip = parseIp(text)!
      const digits = Buffer.from(ip).toString('hex').split('')
      const name =
        ip.length === 4 ? `${[...ip].reverse().join('.')}.in-addr.arpa` : `${digits.reverse().join('.')}.ip6.arpa`
      expect(formatIp(addressOfReverse(name)!)).toBe(text)
      expect(specialUse(name)).toBe(scopeOf(ip) === 'public' ? undefined : 'absent')
    },
  )
})
