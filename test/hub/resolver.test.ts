import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { dnsResolver, type NameResolver } from '../../hub/resolver.ts'
import { formatIp } from '../../shared/base/ip-address.ts'
import { LoopbackDns } from '../support/dns-loopback.ts'
import { rejectionOf } from '../support/fault-of.ts'

let dns: LoopbackDns
let resolver: NameResolver

beforeEach(async () => {
  dns = new LoopbackDns()
  resolver = dnsResolver([await dns.start()])
})

afterEach(() => dns.close())

const resolve = async (name: string): Promise<string[]> => (await resolver.resolve(name)).map(formatIp)

describe('the resolver of an exit', () => {
  test('finds the addresses of both families, in turn, IPv6 first', async () => {
    dns.names = { 'both.test': ['198.51.100.1', '2001:db8::1', '198.51.100.2', '2001:db8::2', '198.51.100.3'] }
    const found = await resolve('both.test')
    expect(found.map((text) => text.includes(':'))).toEqual([true, false, true, false, false])
    expect(new Set(found)).toEqual(new Set(dns.names['both.test']))
  })

  test.each([
    ['four.test', '198.51.100.1'],
    ['six.test', '2001:db8::1'],
  ])('is content with one family: %s', async (name, address) => {
    dns.names = { [name]: [address] }
    expect(await resolve(name)).toEqual([address])
  })

  test('gives an IPv4 address in IPv6 form as what it is', async () => {
    dns.names = { 'mapped.test': [] }
    dns.aaaa = { 'mapped.test': '::ffff:10.0.0.1' }
    expect(await resolve('mapped.test')).toEqual(['10.0.0.1'])
  })

  test('says name-not-found of a name that does not exist, or has no address', async () => {
    dns.names = { 'empty.test': [] }
    for (const name of ['no-such.test', 'empty.test']) {
      expect((await rejectionOf(resolver.resolve(name))).code).toBe('name-not-found')
    }
  })

  test('says name-failed when the server does', async () => {
    dns.mood = 'fails'
    dns.names = { 'known.test': ['198.51.100.1'] }
    expect((await rejectionOf(resolver.resolve('known.test'))).code).toBe('name-failed')
  })

  test('asks nobody but name servers: not the hosts file, no search domain', async () => {
    expect((await rejectionOf(resolver.resolve('localhost'))).code).toBe('name-not-found')
    await rejectionOf(resolver.resolve('host'))
    expect(new Set(dns.asked.map(({ name }) => name))).toEqual(new Set(['localhost', 'host']))
  })

  test('remembers nothing: each circuit asks anew, so that none can tell what another asked', async () => {
    dns.names = { 'twice.test': ['198.51.100.1'] }
    await resolve('twice.test')
    dns.names = { 'twice.test': ['198.51.100.2'] }
    expect(await resolve('twice.test')).toEqual(['198.51.100.2'])
    expect(dns.asked).toHaveLength(4)
  })
})
