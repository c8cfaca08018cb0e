import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { dnsOptionsSchema } from '../../../client/dns/dns-options.ts'
import { DnsService } from '../../../client/dns/dns-service.ts'
import { HostsWatch } from '../../../client/dns/hosts-watch.ts'
import { systemClock } from '../../../shared/base/clock.ts'
import type { Fault } from '../../../shared/base/fault.ts'
import { formatIp } from '../../../shared/base/ip-address.ts'
import { parseOptions } from '../../../shared/base/options.ts'
import { systemRandom } from '../../../shared/base/random.ts'
import { faultOf } from '../../support/fault-of.ts'
import { until } from '../../support/until.ts'

const parse = (config: unknown) => parseOptions(dnsOptionsSchema, config, 'client.json')

function mistakes(config: unknown): string[] {
  const fault: Fault = faultOf(() => parse(config))
  return String(fault.details.mistakes).split('\n')
}

describe('the settings of the resolver', () => {
  test('say by themselves: ask the exit, listen nowhere, read the hosts file', () => {
    expect(parse({})).toMatchObject({
      ...{ listen: null, upstreams: [{ kind: 'exit' }], hostsFile: '/etc/hosts', canary: true, blockKnownDoh: false },
      ...{ staleSeconds: 0, leastTtlSeconds: 10, mostTtlSeconds: 3600, cacheEntries: 10_000, cacheMib: 16 },
    })
  })

  test('take names in any writing', () => {
    const { zones, hosts } = parse({ zones: { 'Corp.Example.': ['10.0.0.53:53'] }, hosts: { 'NAS.lan': ['::1'] } })
    expect([[...zones.keys()], [...hosts].map(([name, ips]) => [name, ips.map(formatIp)])]).toEqual([
      ['corp.example'],
      [['nas.lan', ['::1']]],
    ])
  })

  test('are refused with a sentence for each mistake', () => {
    expect(
      mistakes({
        listen: '192.0.2.1:53',
        upstreams: [
          { kind: 'https', url: 'http://dns.example/' },
          { kind: 'tls', server: '1.2.3.4' },
          { kind: 'other' },
        ],
        zones: { 'a b': ['10.0.0.1:53'], c: ['10.0.0.1'], d: [] },
        hosts: { nas: ['nowhere'] },
        ...{ leastTtlSeconds: -1, cacheMib: 0, nonsense: true },
      }).toSorted(),
    ).toEqual([
      'cacheMib: Too small: expected number to be >=1',
      'hosts.nas[0]: expected an address, like 192.0.2.1 or 2001:db8::1',
      'leastTtlSeconds: Too small: expected number to be >=0',
      'listen: expected an address of loopback, like 127.0.0.1:5300: others could use it to ask in your name',
      'unknown option "nonsense"',
      'upstreams[0].url: expected an address like https://dns.example/dns-query',
      'upstreams[1].server: expected a host name, like dns.example',
      expect.stringMatching(/^upstreams\[2\]\.kind: /),
      expect.stringMatching(/^zones\.a b: /),
      'zones.c[0]: expected ADDRESS:PORT, like 192.0.2.1:443 or [2001:db8::1]:443',
      expect.stringMatching(/^zones\.d: Too small/),
    ])
  })

  test.each([
    'https://user@dns.example/',
    'https://dns.example/#x',
    'https://1.2.3.4/',
    'ftp://dns.example/',
    'dns.example',
  ])('refuse %s as a server', (url) => {
    expect(mistakes({ upstreams: [{ kind: 'https', url }] })).toHaveLength(1)
  })

  test('name certificates that can be read', () => {
    const parts = { clock: systemClock, random: systemRandom, refuses: () => undefined, addressScope: () => [] }
    const routeOf = (): never => {
      throw new Error('nothing is asked here')
    }
    const options = parse({ caFile: '/nonexistent/ca.pem' })
    expect(faultOf(() => new DnsService(options, { ...parts, routeOf })).code).toBe('options-invalid')
  })
})

describe('the hosts file', () => {
  test('is read again when it changes, is replaced, or comes and goes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'spn-hosts-'))
    const file = join(folder, 'hosts')
    const watch = new HostsWatch(file)
    const addressOf = (name: string): string | undefined => {
      const [address] = watch.table.addresses.get(name) ?? []
      return address && formatIp(address)
    }
    try {
      watch.start()
      expect(watch.table.addresses.size).toBe(0)
      writeFileSync(file, '10.0.0.1 nas')
      await until(() => addressOf('nas') === '10.0.0.1', 'the file that came')
      writeFileSync(`${file}.new`, '10.0.0.2 nas other')
      renameSync(`${file}.new`, file)
      await until(() => addressOf('other') === '10.0.0.2', 'the file that was replaced')
      rmSync(file)
      await until(() => watch.table.addresses.size === 0, 'the file that went')
    } finally {
      watch.close()
      rmSync(folder, { recursive: true })
    }
  })
})
