import { afterEach, describe, expect, test } from '@jest/globals'
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import * as schemas from '../../directory/api-schemas.ts'
import type { Consensus } from '../../directory/consensus/consensus.ts'
import { createHttpServer, type HttpHandlers, type HttpOptions } from '../../directory/http-server.ts'
import { exportMap } from '../../directory/map-export.ts'
import { DirectoryMetrics } from '../../directory/metrics.ts'
import { createMetricsServer } from '../../directory/metrics-server.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import { sha256 } from '../../shared/crypto/kdf.ts'
import { signTime } from '../../shared/map/signed-time.ts'
import { NO_DOCUMENTS, OTHER_HANDLERS } from '../support/map-documents.ts'
import { mapHubOf, mapOf, NETWORK_ID, NOW_MS } from '../support/map-fixtures.ts'

const KEY = DirectoryKey.generate()
const HASH = 'ab'.repeat(32)
const DOCUMENT = Uint8Array.from({ length: 1000 }, (_, i) => i % 251)
const MAP = { map: { epoch: 7, hash: new Uint8Array(32).fill(0xab), signed: DOCUMENT }, freshForS: 90 }
/** Routes of several directories, without any. */
const NO_CONSENSUS = { find: () => undefined, checkHead: () => undefined } as unknown as Consensus

let server: FastifyInstance
afterEach(() => server.close())

function serve(changes: Partial<HttpHandlers> = {}, options: HttpOptions = {}): FastifyInstance {
  server = createHttpServer(
    {
      takeDescriptor: async () => 'accepted',
      map: () => MAP,
      documents: { ...NO_DOCUMENTS, map: async (hash) => (toHex(hash) === HASH ? DOCUMENT : undefined) },
      time: (nonce) => signTime(nonce, NOW_MS, KEY, NETWORK_ID),
      health: async () => ({ epoch: 7, hubs: 3 }),
      ...OTHER_HANDLERS,
      ...changes,
    },
    options,
  )
  return server
}

interface OpenApi {
  readonly openapi: string
  readonly paths: Record<string, Record<string, { summary?: string; responses: Record<string, { content?: object }> }>>
}

describe('the OpenAPI document', () => {
  test('has every route that there is, with what it answers, and no other', async () => {
    const routes: string[] = []
    const found = createHttpServer({
      ...{ takeDescriptor: async () => 'accepted', map: () => MAP, documents: NO_DOCUMENTS, consensus: NO_CONSENSUS },
      time: (nonce) => signTime(nonce, NOW_MS, KEY, NETWORK_ID),
      health: async () => ({ epoch: 7, hubs: 3 }),
      ...OTHER_HANDLERS,
    })
    found.addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) if (one !== 'HEAD') routes.push(`${one} ${url.replaceAll(/:(\w+)/g, '{$1}')}`)
    })
    server = found
    const document = (await found.inject('/openapi.json')).json<OpenApi>()
    expect(document.openapi).toBe('3.1.0')
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(routes.length).toBe(18)
    expect(documented.toSorted()).toEqual(routes.toSorted())
    for (const operation of Object.values(document.paths).flatMap((methods) => Object.values(methods))) {
      expect(operation.summary).toMatch(/\w/)
      expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['200', '400', '429']))
    }
  })

  test.each<[string, z.ZodType]>([
    ['/v1/head', schemas.headSchema],
    [`/v1/time?nonce=${HASH}`, schemas.timeSchema],
    ['/healthz', schemas.healthSchema],
    ['/readyz', schemas.readySchema],
    ['/nothing', schemas.refusalSchema],
    ['/v1/time', schemas.refusalSchema],
  ])('says what is answered at %s', async (url, schema) => {
    expect(schema.safeParse((await serve().inject(url)).json()).error).toBeUndefined()
  })
})

describe('a document that never changes', () => {
  const url = `/v1/maps/${HASH}`
  const etag = `"${toHex(sha256(DOCUMENT))}"`

  test('has the hash of its bytes as entity tag, and is not sent to who has it', async () => {
    const whole = await serve().inject(url)
    expect([whole.statusCode, whole.headers.etag, whole.headers['accept-ranges']]).toEqual([200, etag, 'bytes'])
    expect(new Uint8Array(whole.rawPayload)).toEqual(DOCUMENT)
    const known = await server.inject({ url, headers: { 'if-none-match': etag } })
    expect([known.statusCode, known.rawPayload.length]).toEqual([304, 0])
  })

  test('comes in parts to who asks for them, which make the whole', async () => {
    serve()
    const parts = await Promise.all(
      ['bytes=0-399', 'bytes=400-799', 'bytes=800-'].map((range) => server.inject({ url, headers: { range } })),
    )
    expect(parts.map(({ statusCode, headers }) => [statusCode, headers['content-range']])).toEqual([
      [206, 'bytes 0-399/1000'],
      [206, 'bytes 400-799/1000'],
      [206, 'bytes 800-999/1000'],
    ])
    expect(new Uint8Array(Buffer.concat(parts.map(({ rawPayload }) => rawPayload)))).toEqual(DOCUMENT)
  })

  test('comes whole where the part was of other bytes, and not at all from behind its end', async () => {
    serve()
    const ask = (headers: Record<string, string>) => server.inject({ url, headers })
    expect((await ask({ range: 'bytes=1-2', 'if-range': etag })).statusCode).toBe(206)
    expect((await ask({ range: 'bytes=1-2', 'if-range': '"other"' })).statusCode).toBe(200)
    const behind = await ask({ range: 'bytes=1000-' })
    expect([behind.statusCode, behind.headers['content-range']]).toEqual([416, 'bytes */1000'])
  })
})

describe('requests of one sender', () => {
  const ask = (remoteAddress: string, url = '/v1/head') => server.inject({ url, remoteAddress })

  test('are counted whatever they ask for, and refused beyond the rate; others are not', async () => {
    serve({}, { requestsPerMinute: 3 })
    const answers = [
      await ask('192.0.2.1'),
      await ask('192.0.2.1', '/nothing'),
      await ask('192.0.2.1', `/v1/keys/${HASH}`),
    ]
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 404, 404])
    for (const url of ['/v1/head', '/nothing', '/openapi.json']) {
      const refused = await ask('192.0.2.1', url)
      expect([refused.statusCode, refused.json()]).toEqual([429, { fault: 'request-rate' }])
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    }
    expect((await ask('192.0.2.2')).statusCode).toBe(200)
  })

  test('over IPv6 are those of a /64, which is what one customer has', async () => {
    serve({}, { requestsPerMinute: 1 })
    const statuses = [await ask('2001:db8::1'), await ask('2001:db8::2'), await ask('2001:db8:0:1::1')]
    expect(statuses.map(({ statusCode }) => statusCode)).toEqual([200, 429, 200])
  })

  test('are not told of in answers, which are the same for everybody', async () => {
    const { headers } = await serve({}, { requestsPerMinute: 3 }).inject('/v1/head')
    expect(Object.keys(headers).filter((name) => name.includes('ratelimit'))).toEqual([])
  })

  test('that are too large are refused before a descriptor is looked at', async () => {
    let taken = 0
    const takeDescriptor = async (): Promise<'accepted'> => {
      taken++
      return 'accepted'
    }
    serve({ takeDescriptor })
    const headers = { 'content-type': 'application/octet-stream' }
    const answer = await server.inject({
      method: 'POST',
      url: '/v1/descriptors',
      payload: Buffer.alloc(16_385),
      headers,
    })
    expect([answer.statusCode, answer.json(), taken]).toEqual([413, { fault: 'document-too-large' }, 0])
  })
})

describe('the map as JSON', () => {
  const content = mapOf({
    hubs: [
      mapHubOf(new Uint8Array(32).fill(1), {
        flags: 0x103,
        noiseAddresses: [{ ip: new Uint8Array(16).fill(0x20), port: 9 }],
      }),
    ],
  })

  test('says what the map says, by the schema, and nothing that is not public', () => {
    const exported = exportMap(content, new Uint8Array(32).fill(9), NETWORK_ID)
    expect(schemas.mapExportSchema.safeParse(exported).error).toBeUndefined()
    expect(exported.hubs[0]).toMatchObject({
      ...{ id: '01'.repeat(32), roles: ['home', 'relay', 'exit4'], asn: 64_500, capacityKbits: 100_000 },
      flags: ['trusted', 'discouraged', 'bit8'],
      addresses: [
        { ip: '9.9.9.9', port: 443, transport: 'tls' },
        { ip: '2020:2020:2020:2020:2020:2020:2020:2020', port: 9, transport: 'noise' },
      ],
    })
    expect(JSON.stringify(exported)).not.toContain('contact')
  })

  test('has the entity tag of the map, and is not sent to who has it', async () => {
    serve({ mapExport: () => '{"format":1}' })
    const answer = await server.inject('/v1/map.json')
    expect([answer.json(), answer.headers['content-type']]).toEqual([{ format: 1 }, 'application/json; charset=utf-8'])
    const headers = { 'if-none-match': answer.headers.etag as string }
    expect((await server.inject({ url: '/v1/map.json', headers })).statusCode).toBe(304)
    expect(answer.headers.etag).toBe(`"${HASH}"`)
  })

  test('is not there as long as there is no map', async () => {
    expect((await serve({ map: () => undefined }).inject('/v1/map.json')).statusCode).toBe(503)
  })
})

describe('metrics', () => {
  const facts = { descriptors: 5, mapHubs: 4, mapEpoch: 3, mapValidForS: -2, listEntries: 1, listRefused: true }

  test('count, and name no sender, no hub and no path that somebody asked for', async () => {
    const metrics = new DirectoryMetrics(async () => facts)
    serve({ onAnswer: (...answer) => metrics.answered(...answer) })
    await server.inject({ url: `/v1/maps/${'cd'.repeat(32)}`, remoteAddress: '203.0.113.77' })
    await server.inject({ url: '/secret-path', remoteAddress: '203.0.113.77' })
    metrics.descriptor('accepted')
    metrics.probed(6, false)
    metrics.failed('map not published')
    const answering = createMetricsServer(metrics)
    const { body, statusCode } = await answering.inject('/metrics')
    await answering.close()
    expect(statusCode).toBe(200)
    for (const line of [
      'spn_directory_descriptors 5',
      'spn_directory_map_valid_seconds -2',
      'spn_directory_list_refused 1',
      'spn_directory_descriptors_total{result="accepted"} 1',
      'spn_directory_probes_total{family="6",result="failed"} 1',
      'spn_directory_answer_seconds_count{route="/v1/maps/:hash",status="404"} 1',
    ]) {
      expect(body.split('\n')).toContain(line)
    }
    expect(body).not.toMatch(/203\.0\.113|cdcd|secret-path/)
    metrics.close()
  })

  test('are not at the address where everybody asks', async () => {
    expect((await serve().inject('/metrics')).statusCode).toBe(404)
  })
})
