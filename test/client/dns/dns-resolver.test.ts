import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { bodyOf } from '../../../client/dns/answer-body.ts'
import { dnsOptionsSchema } from '../../../client/dns/dns-options.ts'
import {
  type DnsAsker,
  type DnsCounts,
  DnsResolver,
  type DnsResolverParts,
  MAX_UNDER_WAY,
} from '../../../client/dns/dns-resolver.ts'
import { type HostsTable, NO_HOSTS, parseHosts } from '../../../client/dns/hosts-file.ts'
import { Fault } from '../../../shared/base/fault.ts'
import { systemRandom } from '../../../shared/base/random.ts'
import { readMessage } from '../../../shared/dns/dns-message.ts'
import type { DnsAsk } from '../../../shared/dns/dns-query.ts'
import { type QueryExtras, queryOf, readAnswer } from '../../support/dns-questions.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { answerFromZone, type Zone } from '../../support/zone-answer.ts'
import { ZoneServer } from '../../support/zone-server.ts'

const ZONE: Zone = {
  'a.test': [{ type: 'A', data: '9.9.9.9', ttl: 60 }],
  'www.shop.test': [{ type: 'CNAME', data: 'cdn.test' }],
  'cdn.test': [{ type: 'A', data: '8.8.8.8', ttl: 20 }],
  'long.test': [{ type: 'A', data: '6.6.6.6', ttl: 1_000_000 }],
  'short.test': [{ type: 'A', data: '7.7.7.7', ttl: 1 }],
}

let clock: ManualClock
let asked: string[]
let hosts: HostsTable
let upstream: (ask: DnsAsk) => Promise<Uint8Array>
let local: ZoneServer
let resolver: DnsResolver

async function make(
  config: Parameters<typeof dnsOptionsSchema.parse>[0] = {},
  refuses: NonNullable<DnsResolverParts['refuses']> = () => undefined,
): Promise<DnsResolver> {
  return new DnsResolver(dnsOptionsSchema.parse(config), {
    ...{ clock, random: systemRandom, hosts: () => hosts, refuses },
    routeOf: (name) => ({ text: name === 'pinned.test' ? 'exit JP' : '', connect: () => new PassThrough() }),
    upstreams: {
      ask: async (ask, { key }) => {
        asked.push(key)
        const response = await upstream(ask)
        return bodyOf(response, readMessage(response)!)
      },
      ...{ close: () => {}, tick: () => {}, views: () => [] },
    },
  })
}

beforeEach(async () => {
  clock = new ManualClock()
  asked = []
  hosts = NO_HOSTS
  upstream = async ({ question }) => answerFromZone(queryOf(question.name), ZONE, 'tcp')
  local = new ZoneServer({ 'nas.corp.lan': [{ type: 'A', data: '10.0.0.9' }] })
  resolver = await make()
})

afterEach(() => local.close())

const ask = async (name: string, asker: DnsAsker = { app: 'browser' }, extras: QueryExtras = {}) =>
  readAnswer(await resolver.answer(queryOf(name, 'A', extras), asker, 'udp'))
const counts = (): Partial<DnsCounts> =>
  Object.fromEntries(Object.entries(resolver.counts).filter(([, count]) => count > 0))

describe('the resolver', () => {
  test('asks the world once, and then answers by itself until the TTL is over', async () => {
    expect(await ask('a.test')).toMatchObject({ data: ['9.9.9.9'], ttls: [60] })
    clock.advance(59_000)
    expect(await ask('A.Test', { app: 'mail' })).toMatchObject({ name: 'A.Test', data: ['9.9.9.9'], ttls: [1] })
    expect(asked).toHaveLength(1)
    clock.advance(1_000)
    await ask('a.test')
    expect(asked).toHaveLength(2)
    expect(counts()).toEqual({ queries: 3, asked: 2, cached: 1 })
  })

  test('refuses what it is told to, unasked, with an answer or in silence; not what this computer knows itself', async () => {
    hosts = parseHosts('10.0.0.1 a.here\n')
    const asked4: unknown[] = []
    resolver = await make({ zones: { 'corp.lan': ['127.0.0.1:1'] } }, (name, { app }, isLocal) => {
      asked4.push([name, app, isLocal])
      return name === 'silent.test' ? 'drop' : 'refuse'
    })
    expect(await ask('a.test')).toMatchObject({ rcode: 'REFUSED', data: [] })
    expect(await ask('nas.corp.lan')).toMatchObject({ rcode: 'REFUSED' })
    expect(await resolver.answer(queryOf('silent.test', 'A'), {}, 'udp')).toBeUndefined()
    expect(await ask('a.here')).toMatchObject({ data: ['10.0.0.1'] })
    expect(asked4).toEqual([
      ['a.test', 'browser', false],
      ['nas.corp.lan', 'browser', true],
      ['silent.test', undefined, false],
    ])
    expect([asked, counts()]).toEqual([[], { queries: 4, refused: 3, local: 1 }])
  })

  test('asks once for all who wait for the same', async () => {
    await Promise.all([ask('a.test'), ask('a.test', { app: 'mail' }), ask('A.TEST')])
    expect(asked).toHaveLength(1)
  })

  test('goes by circuits of this app, or else this user, and this site alone', async () => {
    await ask('x.a.shop.test', { app: 'browser', uid: 5 })
    await ask('y.b.shop.test', { app: 'mail' })
    await ask('z.shop.co.uk', { uid: 5 })
    await ask('other.shop.co.uk', {})
    expect(asked).toEqual(['app browser shop.test', 'app mail shop.test', 'uid 5 shop.co.uk', 'unknown shop.co.uk'])
  })

  test('goes apart where rules want another route for a name', async () => {
    await ask('pinned.test', { app: 'browser' })
    expect(asked).toEqual(['app browser pinned.test exit JP'])
  })

  test('remembers what does not exist, as long as its zone says', async () => {
    expect(await ask('absent.test')).toMatchObject({ rcode: 'NXDOMAIN', others: ['SOA'] })
    clock.advance(39_000)
    expect(await ask('absent.test')).toMatchObject({ rcode: 'NXDOMAIN' })
    clock.advance(1_000)
    await ask('absent.test')
    expect(asked).toHaveLength(2)
  })

  test('keeps what is hardly worth keeping for the least time, and then gives it the least TTL', async () => {
    await ask('short.test')
    clock.advance(9_000)
    expect((await ask('short.test')).ttls).toEqual([1])
    expect(asked).toHaveLength(1)
  })

  test('takes apart who wants signatures and who does not', async () => {
    await ask('a.test')
    await ask('a.test', {}, { udpBytes: 1232, dnssecOk: true })
    expect(asked).toHaveLength(2)
  })

  test('fails truthfully, asks again a second later, and nobody else ever', async () => {
    upstream = () => Promise.reject(new Fault('name-failed'))
    expect(await ask('a.test')).toMatchObject({ rcode: 'SERVFAIL', data: [] })
    expect(await ask('a.test')).toMatchObject({ rcode: 'SERVFAIL' })
    expect(asked).toHaveLength(1)
    clock.advance(1_000)
    resolver.tick(clock.now())
    await ask('a.test')
    expect(asked).toHaveLength(2)
    expect(counts()).toEqual({ queries: 3, asked: 2, failed: 3 })
  })

  test('passes a refusal on as one', async () => {
    upstream = async ({ question }) => {
      const bytes = Buffer.from(answerFromZone(queryOf(question.name), { [question.name]: [] }, 'tcp'))
      bytes.writeUInt8((bytes.readUInt8(3) & 0xf0) | 5, 3)
      return bytes
    }
    expect(await ask('a.test')).toMatchObject({ rcode: 'REFUSED' })
    await ask('a.test')
    expect(asked).toHaveLength(2)
  })

  test('gives what is over if there is nothing else, where that is wanted', async () => {
    resolver = await make({ staleSeconds: 100 })
    await ask('a.test')
    clock.advance(61_000)
    upstream = () => Promise.reject(new Fault('name-failed'))
    expect(await ask('a.test')).toMatchObject({ data: ['9.9.9.9'], ttls: [30] })
    clock.advance(100_000)
    expect(await ask('a.test')).toMatchObject({ rcode: 'SERVFAIL' })
    expect(counts()).toMatchObject({ stale: 1, failed: 1 })
  })

  test('has so many questions under way, and not one more', async () => {
    upstream = () => new Promise(() => {})
    for (let i = 0; i < MAX_UNDER_WAY; i++) void ask(`n${i}.test`)
    expect(await ask('one-more.test')).toMatchObject({ rcode: 'SERVFAIL' })
    expect(asked).toHaveLength(MAX_UNDER_WAY)
  })

  test('asks servers of the local network for their zones, and them alone', async () => {
    resolver = await make({ zones: { 'Corp.lan.': [`127.0.0.1:${await local.startPlain()}`] } })
    expect(await ask('nas.corp.lan')).toMatchObject({ data: ['10.0.0.9'] })
    expect(await ask('absent.corp.lan')).toMatchObject({ rcode: 'NXDOMAIN' })
    expect([asked, local.asked.map(({ name }) => name)]).toEqual([[], ['nas.corp.lan', 'absent.corp.lan']])
    await ask('nas.corp.lan')
    expect(local.asked).toHaveLength(2)
    expect(counts()).toEqual({ queries: 3, zone: 2, cached: 1 })
  })

  test('answers from the hosts file as it is now', async () => {
    hosts = parseHosts('10.0.0.1 nas.lan')
    expect((await ask('nas.lan')).data).toEqual(['10.0.0.1'])
    hosts = parseHosts('10.0.0.2 nas.lan')
    expect((await ask('nas.lan')).data).toEqual(['10.0.0.2'])
    hosts = NO_HOSTS
    expect((await ask('nas.lan')).rcode).toBe('NXDOMAIN')
    expect([asked, counts()]).toEqual([[], { queries: 3, local: 3 }])
  })

  test('gives no answer to what is no query, and refuses what it can not read', async () => {
    expect(await resolver.answer(Uint8Array.of(1, 2, 3), {}, 'udp')).toBeUndefined()
    const answer = await resolver.answer(new Uint8Array(12), {}, 'udp')
    expect(readAnswer(answer).rcode).toBe('FORMERR')
    expect(counts()).toEqual({ queries: 1, refused: 1 })
  })

  test('remembers a name no longer than programs may keep its address, whatever its server says', async () => {
    await ask('long.test')
    const name = (): string | undefined => resolver.nameFor({ app: 'browser' }, Uint8Array.of(6, 6, 6, 6))?.name
    clock.advance(3_599_000)
    expect(name()).toBe('long.test')
    clock.advance(1_000)
    expect(name()).toBeUndefined()
  })

  test('remembers the name that was asked for, not the end of its aliases, and also from the cache', async () => {
    await ask('www.shop.test')
    await ask('www.shop.test', { app: 'mail' })
    const address = Uint8Array.of(8, 8, 8, 8)
    const known = { name: 'www.shop.test', aliases: ['cdn.test'] }
    expect(resolver.nameFor({ app: 'browser' }, address)).toEqual({ ...known, isGuess: false })
    expect(resolver.nameFor({ app: 'mail' }, address)).toEqual({ ...known, isGuess: false })
    expect(resolver.nameFor({ uid: 7 }, address)).toEqual({ ...known, isGuess: true })
    resolver.forgetAnswers()
    expect(resolver.nameFor({ app: 'browser' }, address)).toEqual({ ...known, isGuess: false })
    await ask('www.shop.test')
    expect(asked).toHaveLength(2)
  })

  test('counts without names', async () => {
    await ask('a.test')
    const text = JSON.stringify(resolver.status())
    expect(text).not.toContain('a.test')
    expect(resolver.status()).toMatchObject({ queries: 1, cachedNow: 1 })
  })
})
