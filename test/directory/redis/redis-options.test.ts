import { describe, expect, test } from '@jest/globals'
import { redisSchema } from '../../../directory/redis/redis-options.ts'
import { parseInfo, parseVersion, unsafeSettings } from '../../../directory/redis/redis-settings.ts'
import { isPrimary, type SentinelView } from '../../../directory/redis/sentinel-watch.ts'
import { parseOptions } from '../../../shared/base/options.ts'
import { faultOf } from '../../support/fault-of.ts'

const parse = (redis: unknown) => parseOptions(redisSchema, redis, 'test')
const PLAIN = {
  ...{ tls: false, username: undefined, password: undefined, database: 0, sentinel: undefined, cluster: false },
}

describe('the place of Redis', () => {
  test.each<[unknown, object]>([
    ['redis://a', { nodes: [{ host: 'a', port: 6379 }] }],
    ['redis://[::1]:7000/3', { nodes: [{ host: '::1', port: 7000 }], database: 3 }],
    ['rediss://u:p%40w@a:1', { nodes: [{ host: 'a', port: 1 }], tls: true, username: 'u', password: 'p@w' }],
    [
      'redis://:pw@a:1,redis://b:2?sentinel=main',
      {
        nodes: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
        password: 'pw',
        sentinel: 'main',
      },
    ],
    [
      'redis://a,redis://b?cluster=yes',
      {
        nodes: [
          { host: 'a', port: 6379 },
          { host: 'b', port: 6379 },
        ],
        cluster: true,
      },
    ],
    [
      { urls: ['redis://a'], sentinel: 'main' },
      { nodes: [{ host: 'a', port: 6379 }], sentinel: 'main' },
    ],
  ])('%j is understood', (text, expected) => {
    expect(parse(text)).toEqual({ ...PLAIN, ...expected })
  })

  test.each<[unknown, RegExp]>([
    ['http://u:secret@a', /^url 1: expected redis:/],
    ['redis://:secret@a?sentinel=', /expected redis:/],
    ['redis://:secret@a?timeout=3', /expected redis:/],
    ['redis://:secret@a/x', /expected redis:/],
    ['redis://:secret@a,redis://b', /^expected one url, or the name of the primary/],
    ['redis://:secret@a/1?cluster=yes', /^expected database 0/],
    ['rediss://:secret@a,redis://b?sentinel=x', /^expected TLS for all urls or for none/],
    [{ urls: ['redis://:secret@a'], sentinel: 'x', cluster: true }, /^expected sentinels or a cluster, not both/],
  ])('%j is refused without repeating it', (text, expected) => {
    const { mistakes } = faultOf(() => parse(text)).details
    expect(mistakes).toMatch(expected)
    expect(mistakes).not.toMatch(/secret/)
  })
})

describe('the settings of Redis', () => {
  const SAFE = {
    appendonly: 'yes',
    appendfsync: 'always',
    'min-replicas-to-write': '1',
    'maxmemory-policy': 'noeviction',
  }
  const mistakesOf = (version: [number, number], changes: Record<string, string> = {}): string[] =>
    unsafeSettings(version, new Map(Object.entries({ ...SAFE, ...changes }))).map(
      (text) => text.split(':')[0] as string,
    )

  test('with which nothing gets lost are taken', () => {
    expect(mistakesOf([7, 0])).toEqual([])
    expect(mistakesOf([7, 2], { appendfsync: 'everysec', 'min-replicas-to-write': '2' })).toEqual([])
    expect(unsafeSettings([7, 0], undefined)).toEqual([])
  })

  test.each<[[number, number], Record<string, string>, string]>([
    [[7, 0], { appendonly: 'no' }, 'appendonly'],
    [[7, 0], { appendfsync: 'everysec' }, 'appendfsync'],
    [[8, 0], { appendfsync: 'no' }, 'appendfsync'],
    [[7, 0], { 'min-replicas-to-write': '0' }, 'min-replicas-to-write'],
    [[7, 0], { 'maxmemory-policy': 'volatile-ttl' }, 'maxmemory-policy'],
  ])('that are not are refused: %j %j', (version, changes, expected) => {
    expect(mistakesOf(version, changes)).toEqual([expected])
  })

  test('of an old Redis are not looked at', () => {
    expect(mistakesOf([6, 2])[0]).toMatch(/expected Redis 7\.0/)
  })

  test('are read from what Redis says', () => {
    const text =
      'role:master\r\nslave0:ip=::1,port=1,state=online,offset=9,lag=0\r\nslave1:ip=a,port=2,state=wait_bgsave,offset=0,lag=0\r\nslave2:ip=b,port=3,state=online,offset=9,lag=11\r\nmaster_replid:abc\r\n'
    expect(parseInfo(text)).toEqual({ role: 'master', replicationId: 'abc', replicas: 1 })
    expect(parseVersion('redis_version:7.0.15\r\n')).toEqual([7, 0])
  })
})

describe('a primary with fewer replicas than before', () => {
  const view = (changes: Partial<SentinelView> = {}): SentinelView => ({
    ...{ runId: 'x', flags: 'master', replicas: 2, deadSentinels: 0 },
    ...changes,
  })

  test.each<[string, SentinelView[], boolean]>([
    ['all sentinels say that it is', [view(), view(), view()], true],
    ['one makes another one the primary', [view(), view({ flags: 'master,failover_in_progress' }), view()], false],
    ['one does not hear it', [view(), view({ flags: 'master,s_down' }), view()], false],
    ['one has another one', [view(), view(), view({ runId: 'y' })], false],
    ['one is dead for the others', [view({ deadSentinels: 1 }), view({ deadSentinels: 1 })], true],
    ['one does not answer, but another one hears it', [view({ deadSentinels: 1 }), view()], false],
    ['most do not answer', [view({ deadSentinels: 2 })], false],
  ])('is taken for it where %s: %#', (_, views, expected) => {
    expect(isPrimary('x', views, 3)).toBe(expected)
  })
})
