import { describe, expect, test } from '@jest/globals'
import { parseWhere, type Where } from '../../../client/rules/where.ts'
import { ip } from '../../support/geo-fixtures.ts'

const range = (address: string, prefix: number): Where => ({ kind: 'range', range: { address: ip(address), prefix } })
const name = (text: string, below = false): Where => ({ kind: 'name', name: text, below })
const mistake = (text: string): string => (parseWhere(text) as { mistake: string }).mistake

describe('where a rule applies', () => {
  test.each<[string, Where]>([
    ['*', { kind: 'any' }],
    ['192.0.2.1', range('192.0.2.1', 32)],
    ['192.0.2.0/24', range('192.0.2.0', 24)],
    ['0.0.0.0/0', range('0.0.0.0', 0)],
    ['2001:db8::1', range('2001:db8::1', 128)],
    ['[2001:db8::1]', range('2001:db8::1', 128)],
    ['2001:db8::/32', range('2001:db8::', 32)],
    ['::/0', range('::', 0)],
    ['::ffff:192.0.2.0/120', range('192.0.2.0', 24)],
    ['DE', { kind: 'country', country: 'DE' }],
    ['C:DE', { kind: 'country', country: 'DE' }],
    ['c:de', { kind: 'country', country: 'DE' }],
    ['C:EU', { kind: 'continent', continent: 'EU' }],
    ['NA', { kind: 'country', country: 'NA' }],
    ['C:NA', { kind: 'continent', continent: 'NA' }],
    ['AS', { kind: 'country', country: 'AS' }],
    ['AS123', { kind: 'as', asn: 123 }],
    ['as4294967295', { kind: 'as', asn: 4294967295 }],
    ['public', { kind: 'scope', scopes: ['public'] }],
    ['Internet', { kind: 'scope', scopes: ['public'] }],
    ['LAN', { kind: 'scope', scopes: ['private', 'link-local'] }],
    ['Localhost', { kind: 'scope', scopes: ['loopback'] }],
    ['multicast', { kind: 'scope', scopes: ['multicast'] }],
    ['reserved', { kind: 'scope', scopes: ['reserved'] }],
    ['LAN,Localhost,private', { kind: 'scope', scopes: ['private', 'link-local', 'loopback'] }],
    ['L:ads', { kind: 'list', list: 'ads' }],
    ['l:my_list-2', { kind: 'list', list: 'my_list-2' }],
    ['example.com', name('example.com')],
    ['Example.COM.', name('example.com')],
    ['.example.com', name('example.com', true)],
    ['localhost.localdomain', name('localhost.localdomain')],
    ['nas', name('nas')],
    ['.com', name('com', true)],
    ['.de', name('de', true)],
    ['_dmarc.example.com', name('_dmarc.example.com')],
    ['xn--bcher-kva.de', name('xn--bcher-kva.de')],
    ['cafe.de', name('cafe.de')],
  ])('%s', (text, where) => {
    expect(parseWhere(text)).toEqual(where)
  })

  test.each([
    ['*.example.com', ['a.example.com', 'a.b.example.com'], ['example.com', 'xexample.com', 'a.example.com.de']],
    ['*example*', ['example.com', 'an-example.org'], ['exampl.com']],
    ['example.*', ['example.com', 'example.co.uk'], ['www.example.com', 'example']],
    ['*xample.com', ['example.com', 'xample.com', 'www.example.com'], ['ample.com']],
    ['ad*.example.com', ['ad.example.com', 'ads1.example.com'], ['bad.example.com']],
    ['*.AD.*', ['x.ad.y'], ['ad.y']],
  ])('%s stands for some names and not for others', (text, yes, no) => {
    const where = parseWhere(text)
    if (!('kind' in where) || where.kind !== 'names') throw new Error(`no pattern: ${JSON.stringify(where)}`)
    expect(yes.filter((one) => !where.names.matches(one))).toEqual([])
    expect(no.filter((one) => where.names.matches(one))).toEqual([])
  })

  test.each([
    ['10.0.0.1/8', '"10.0.0.1/8" has bits behind its prefix; write 10.0.0.0/8'],
    ['2001:db8::1/32', '"2001:db8::1/32" has bits behind its prefix; write 2001:db8::/32'],
    ['10.0.0.0/33', '"10.0.0.0/33" is no network; write /0 to /32 behind the address'],
    ['10.0.0.0/', '"10.0.0.0/" is no network; write /0 to /32 behind the address'],
    ['2001:db8::/x', '"2001:db8::/x" is no network; write /0 to /128 behind the address'],
    ['1.2.3', '"1.2.3" is no address; write it like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32'],
    ['300.1.1.1', '"300.1.1.1" is no address; write it like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32'],
    ['2001:db8:::1', '"2001:db8:::1" is no address; write it like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32'],
    ['C:UK', 'there is no country "UK"; write C:GB'],
    ['UK', 'there is no country "UK"; write C:GB'],
    ['EU', 'there is no country "EU"; write C:EU for the continent'],
    ['C:XX', 'there is no country "XX"; write two letters of ISO 3166, like C:DE'],
    ['C:Germany', 'there is no country "GERMANY"; write two letters of ISO 3166, like C:DE'],
    ['C:', 'there is no country ""; write two letters of ISO 3166, like C:DE'],
    ['de', '"de" is no whole name; write C:DE for a country'],
    ['AS0', '"AS0" is no AS; write AS1 to AS4294967295'],
    ['AS4294967296', '"AS4294967296" is no AS; write AS1 to AS4294967295'],
    ['L:', '"L:" names no list; write it like L:ads'],
    ['L:a b', '"L:a b" names no list; write it like L:ads'],
    ['https://example.com/', '"https://example.com/" is no destination; write the name alone, like example.com'],
    ['example.com:443', '"example.com:443" is no destination; write the port behind it, like example.com TCP/443'],
    ['bücher.de', '"bücher.de" is no destination; write xn--bcher-kva.de'],
    ['.bücher.de', '".bücher.de" is no destination; write .xn--bcher-kva.de'],
    [
      'LAN,moon',
      '"LAN,moon" is no destination; write a name, an address, a network, C:DE, C:EU, AS123, LAN, L:NAME or *',
    ],
    ['a..b', '"a..b" is no destination; write a name, an address, a network, C:DE, C:EU, AS123, LAN, L:NAME or *'],
    ['a.de..', '"a.de.." is no destination; write a name, an address, a network, C:DE, C:EU, AS123, LAN, L:NAME or *'],
    ['.*.de', '".*.de" is no destination; write a name, an address, a network, C:DE, C:EU, AS123, LAN, L:NAME or *'],
    ['', '"" is no destination; write a name, an address, a network, C:DE, C:EU, AS123, LAN, L:NAME or *'],
  ])('%s is a mistake', (text, message) => {
    expect(mistake(text)).toBe(message)
  })
})
