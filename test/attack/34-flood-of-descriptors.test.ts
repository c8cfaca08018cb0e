import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { FastifyInstance } from 'fastify'
import { createHttpServer } from '../../directory/http-server.ts'
import { Intake } from '../../directory/intake.ts'
import { SqliteStore } from '../../directory/sqlite-store.ts'
import { MAX_UNPROVED } from '../../directory/unproved-hubs.ts'
import { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { type Descriptor, signDescriptor } from '../../shared/map/descriptor.ts'
import { signTime } from '../../shared/map/signed-time.ts'
import { rejectionOf } from '../support/fault-of.ts'
import { NO_DOCUMENTS, OTHER_HANDLERS } from '../support/map-documents.ts'
import { descriptorOf, NETWORK_ID, NOW_MS, NOW_S } from '../support/map-fixtures.ts'

const KEY = DirectoryKey.generate()
const HUB = HubKey.generate()
const LIMITS = { maxHubs: 100, newHubsPerBlock: 8, perMinutePerHub: 6, perMinutePerSender: 60 }
const ADDRESS = { ip: Uint8Array.of(9, 9, 9, 9), port: 443 }
const sign = (changes: Partial<Descriptor> = {}, by = HUB): Uint8Array =>
  signDescriptor(descriptorOf(by, changes), by, NETWORK_ID)

let folder: string
let store: SqliteStore
let intake: Intake
let nowMs: number
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-flood-'))
  store = new SqliteStore(join(folder, 'directory.sqlite'))
  intake = new Intake({ networkId: NETWORK_ID, addressScope: [], ...LIMITS }, store)
  nowMs = NOW_MS
})
afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

const codeOf = async (signed: Uint8Array, sender = '192.0.2.1'): Promise<string> =>
  (await rejectionOf(intake.take(signed, sender, nowMs))).code
const unprovedCount = async (): Promise<number> => (await store.unproved.all(Math.floor(nowMs / 1000))).length
/** The hub was reached. */
async function prove(key: HubKey): Promise<void> {
  if (await intake.prove(key.publicBytes, nowMs))
    await store.putReached(key.publicBytes, ADDRESS, Math.floor(nowMs / 1000))
}

describe('1,000 descriptors a second from one sender', () => {
  let server: FastifyInstance
  let looked: number
  beforeEach(() => {
    looked = 0
    server = createHttpServer(
      {
        takeDescriptor: async (signed, sender) => {
          looked++
          return (await intake.take(signed, sender, nowMs)).isNew ? 'accepted' : 'unchanged'
        },
        ...{ map: () => undefined, documents: NO_DOCUMENTS, ...OTHER_HANDLERS },
        time: (nonce) => signTime(nonce, NOW_MS, KEY, NETWORK_ID),
        health: async () => ({ epoch: undefined, hubs: 0 }),
      },
      { requestsPerMinute: 200 },
    )
  })
  afterEach(() => server.close())
  const send = async (payload: Uint8Array, remoteAddress: string): Promise<number> => {
    const headers = { 'content-type': 'application/octet-stream' }
    const request = { method: 'POST', url: '/v1/descriptors', headers, remoteAddress } as const
    return (await server.inject({ ...request, payload: Buffer.from(payload) })).statusCode
  }

  test('cost it few signatures, keep few hubs, and hold nobody else up', async () => {
    const flood = Array.from({ length: 1000 }, () => sign({}, HubKey.generate()))
    const statuses = new Map<number, number>()
    for (const [i, signed] of flood.entries()) {
      nowMs = NOW_MS + i
      const status = await send(signed, '192.0.2.1')
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
    // 8 hubs that were never reached from one block; 60 a minute looked at; 200 requests read; the rest refused unread.
    expect(Object.fromEntries(statuses)).toEqual({ 202: 8, 503: 52, 429: 940 })
    expect([looked, await unprovedCount(), await store.rowCount()]).toEqual([200, 8, 0])
    expect(await send(sign(), '198.51.100.1')).toBe(202)
  })

  test('spread over addresses of one block keep no more hubs', async () => {
    for (let i = 0; i < 250; i++) await send(sign({}, HubKey.generate()), `192.0.2.${i}`)
    expect(await unprovedCount()).toBe(8)
  })

  test('spread over the world keep so many in memory and none on the disk, and a real hub gets in', async () => {
    for (let i = 0; i < 1300; i++) {
      expect((await intake.take(sign({}, HubKey.generate()), `198.${i >> 8}.${i & 255}.1`, nowMs)).isNew).toBe(true)
    }
    expect([await unprovedCount(), await store.rowCount()]).toEqual([MAX_UNPROVED, 0])
    expect(await send(sign(), '203.0.113.1')).toBe(202)
    await prove(HUB)
    expect(await store.descriptor(HUB.publicBytes)).toBeDefined()
  })
})

describe('a descriptor from another time', () => {
  test.each([
    ['of the future', NOW_S + 601],
    ['of the far future', 0xffffffff - 86_400],
    ['of the past', NOW_S - 601],
  ])('%s is refused, and does not stand in the way of the next', async (_, published) => {
    const far = { sequence: 0xffffffff, published, expires: published + 3_600 }
    expect(await codeOf(sign(far))).toBe('descriptor-invalid')
    expect((await intake.take(sign({ sequence: 2 }), '192.0.2.1', nowMs)).isNew).toBe(true)
  })

  test('that was caught and is sent again changes nothing, whatever its order', async () => {
    const [first, second] = [sign({ sequence: 1, operator: 'old' }), sign({ sequence: 2 })]
    await intake.take(first, '192.0.2.1', nowMs)
    await prove(HUB)
    await intake.take(second, '192.0.2.1', nowMs)
    for (let i = 0; i < 50; i++) expect(await codeOf(first, '203.0.113.1')).toBe('descriptor-older')
    // What strangers repeat uses up nothing of what the hub may send.
    expect((await intake.take(sign({ sequence: 3 }), '192.0.2.1', nowMs)).isNew).toBe(true)
  })
})

describe('a clock of the directory that jumps', () => {
  const HOUR_MS = 3_600_000

  test.each([
    ['an hour ahead', HOUR_MS],
    ['a year ahead', 365 * 24 * HOUR_MS],
    ['an hour back', -HOUR_MS],
    ['a year back', -365 * 24 * HOUR_MS],
  ])('%s and back again leaves hubs, rates and ages as they were', async (_, jumpMs) => {
    await intake.take(sign(), '192.0.2.1', nowMs)
    await prove(HUB)
    const before = await store.probes()
    nowMs = NOW_MS + jumpMs
    expect(await codeOf(sign({ sequence: 2 }))).toBe('descriptor-invalid')
    nowMs = NOW_MS
    for (let i = 3; i < 6; i++) expect((await intake.take(sign({ sequence: i }), '192.0.2.1', nowMs)).isNew).toBe(true)
    expect([(await store.descriptors(NOW_S)).length, await store.probes()]).toEqual([1, before])
  })

  test('back gives nobody more than its rate for it', async () => {
    for (let i = 0; i < LIMITS.perMinutePerSender; i++) await intake.take(sign(), '192.0.2.1', nowMs)
    for (const jumpMs of [0, -HOUR_MS, -24 * HOUR_MS]) {
      nowMs = NOW_MS + jumpMs
      expect(await codeOf(sign())).toBe('descriptor-rate')
    }
    expect((await intake.take(sign(), '198.51.100.1', NOW_MS)).isNew).toBe(false)
  })
})
