import { describe, expect, test } from '@jest/globals'
import { hostsOf, NO_HOSTS, parseHosts } from '../../../client/dns/hosts-file.ts'
import { CANARY_NAMES, isKnownDoh, KNOWN_DOH_NAMES } from '../../../client/dns/known-doh.ts'
import { judgeLocally, type LocalNamesOptions } from '../../../client/dns/local-names.ts'
import { siteOf } from '../../../client/dns/site.ts'
import { formatIp, parseIp } from '../../../shared/base/ip-address.ts'
import { isHostName } from '../../../shared/cell/target.ts'
import { DNS_TYPES } from '../../../shared/dns/dns-codes.ts'

const SERVER = { ip: Uint8Array.of(10, 0, 0, 53), port: 53 }
const OTHER = { ip: Uint8Array.of(10, 0, 0, 54), port: 53 }
const OPTIONS: LocalNamesOptions = {
  zones: new Map([
    ['corp.example', [SERVER]],
    ['lab.corp.example', [OTHER]],
    ['168.192.in-addr.arpa', [SERVER]],
    ['office.local', [SERVER]],
  ]),
  ...{ canary: true, blockKnownDoh: false },
}

/** `10.1.1.1`, `no such name`, `nothing`, `zone`, `world`. */
function judge(name: string, type: number = DNS_TYPES.a, options = OPTIONS, hosts = [NO_HOSTS]): string {
  const verdict = judgeLocally({ name, type, class: 1 }, hosts, options)
  if (verdict.kind === 'zone') return verdict.servers[0] === SERVER ? 'zone' : 'inner zone'
  if (verdict.kind === 'world') return 'world'
  const { addresses, rcode } = verdict.body
  if (addresses.length > 0) return addresses.map(formatIp).join(' ')
  return rcode === 3 ? 'no such name' : 'nothing'
}

describe('a question is answered', () => {
  test.each([
    ['localhost', 1, '127.0.0.1'],
    ['a.localhost', 28, '::1'],
    ['localhost', 16, 'nothing'],
    ['nas.local', 1, 'no such name'],
    ['x.onion', 1, 'no such name'],
    ['printer', 1, 'no such name'],
    ['printer', 28, 'no such name'],
    ['1.1.0.10.in-addr.arpa', 12, 'no such name'],
    ['_dns.resolver.arpa', 64, 'nothing'],
    ['ipv4only.arpa', 1, '192.0.0.170 192.0.0.171'],
    ['ipv4only.arpa', 28, 'nothing'],
    ['shop.test', 255, 'nothing'],
    ...CANARY_NAMES.map((name) => [name, 1, 'no such name'] as const),
    ['x.corp.example', 1, 'zone'],
    ['corp.example', 6, 'zone'],
    ['x.lab.corp.example', 1, 'inner zone'],
    ['7.1.168.192.in-addr.arpa', 12, 'zone'],
    ['x.office.local', 1, 'zone'],
    ['notcorp.example', 1, 'world'],
    ['shop.test', 1, 'world'],
    ['', 2, 'world'],
    ['com', 2, 'world'],
    ['cloudflare-dns.com', 1, 'world'],
  ] as const)('%s, type %i: %s', (name, type, answer) => {
    expect(judge(name, type)).toBe(answer)
  })

  test('by the settings first, then by the hosts file, for all types at once', () => {
    const own = hostsOf(new Map([['a.lan', [parseIp('10.0.0.1')!]]]))
    const file = parseHosts('10.0.0.2 a.lan b.lan\n::1 b.lan\n')
    const hosts = [own, file]
    expect(judge('a.lan', 1, OPTIONS, hosts)).toBe('10.0.0.1')
    expect(judge('a.lan', 28, OPTIONS, hosts)).toBe('nothing')
    expect(judge('b.lan', 28, OPTIONS, hosts)).toBe('::1')
    expect(judge('2.0.0.10.in-addr.arpa', 12, OPTIONS, hosts)).toBe('nothing') // a pointer, no address
    expect(judge('3.0.0.10.in-addr.arpa', 12, OPTIONS, hosts)).toBe('no such name')
  })

  test('as settings say of canaries and of servers that programs bring along', () => {
    expect(judge('use-application-dns.net', 1, { ...OPTIONS, canary: false })).toBe('world')
    const blocking = { ...OPTIONS, blockKnownDoh: true }
    expect(judge('mozilla.cloudflare-dns.com', 1, blocking)).toBe('no such name')
    expect(judge('abcd.dns.nextdns.io', 28, blocking)).toBe('no such name')
    expect(judge('nextdns.io', 1, blocking)).toBe('world')
  })
})

test('names of known servers are host names in lower case', () => {
  for (const name of KNOWN_DOH_NAMES) {
    expect([name, isHostName(name), name === name.toLowerCase(), isKnownDoh(name)]).toEqual([name, true, true, true])
  }
  expect(isKnownDoh('google')).toBe(false)
})

describe('a hosts file', () => {
  test('is read line by line; what is something else is passed over', () => {
    const table = parseHosts(
      '# a comment\n127.0.0.1\tlocalhost  Loop.  # more\n\n::1 six\r\nnonsense here\n10.0.0.1 bad/name good\n999.1.1.1 x\n10.0.0.9\n',
    )
    const names = [...table.addresses].map(([name, addresses]) => [name, addresses.map(formatIp)])
    expect(names).toEqual([
      ['localhost', ['127.0.0.1']],
      ['loop', ['127.0.0.1']],
      ['six', ['::1']],
      ['good', ['10.0.0.1']],
    ])
    expect([...table.names.values()]).toEqual([['localhost'], ['six'], ['good']])
  })
})

describe('the site of a name', () => {
  test.each([
    ['www.shop.example', 'shop.example'],
    ['shop.example', 'shop.example'],
    ['a.b.shop.co.uk', 'shop.co.uk'],
    ['co.uk', 'co.uk'],
    ['x.com.br', 'x.com.br'],
    ['a.x.co', 'x.co'],
    ['www.heise.de', 'heise.de'],
    ['com', 'com'],
    ['', ''],
  ])('%s is of %s', (name, site) => {
    expect(siteOf(name)).toBe(site)
  })
})
