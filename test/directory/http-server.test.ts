import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { createHttpServer, type HttpHandlers, listenHttp } from '../../directory/http-server.ts'
import type { MapDocuments } from '../../directory/map-archive.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import type { FaultCode } from '../../shared/base/fault-codes.ts'
import { type IpRange, parseRange } from '../../shared/base/ip-address.ts'
import { DirectoryKey, DirectoryPublicKey } from '../../shared/crypto/directory-key.ts'
import { MAX_DESCRIPTOR_BYTES } from '../../shared/map/descriptor.ts'
import { directHttp } from '../../shared/map/direct-http.ts'
import { signTime, verifyTime } from '../../shared/map/signed-time.ts'
import { rejectionOf } from '../support/fault-of.ts'
import { hex } from '../support/hex.ts'
import { NO_DOCUMENTS, OTHER_HANDLERS } from '../support/map-documents.ts'
import { NETWORK_ID, NOW_MS } from '../support/map-fixtures.ts'

const key = DirectoryKey.generate()
const MAP = { map: { epoch: 7, hash: new Uint8Array(32).fill(0xab), signed: Uint8Array.of(1, 2, 3) }, freshForS: 90 }
const ETAG = `"${'ab'.repeat(32)}"`
const NONCE = '0f'.repeat(32)

let server: ReturnType<typeof createHttpServer> | undefined
afterEach(() => server?.close())

function serve(
  changes: Partial<HttpHandlers> = {},
  trustedProxies: readonly IpRange[] = [],
): ReturnType<typeof createHttpServer> {
  const handlers: HttpHandlers = {
    takeDescriptor: async () => 'accepted',
    map: () => MAP,
    documents: NO_DOCUMENTS,
    time: (nonce) => signTime(nonce, NOW_MS, key, NETWORK_ID),
    ...OTHER_HANDLERS,
    health: async () => ({ epoch: 7, hubs: 3 }),
    ...changes,
  }
  server = createHttpServer(handlers, { trustedProxies })
  return server
}

const post = (payload: Buffer | string, type = 'application/octet-stream') =>
  ({ method: 'POST', url: '/v1/descriptors', payload, headers: { 'content-type': type } }) as const

describe('POST /v1/descriptors', () => {
  test.each([
    ['accepted', 202],
    ['unchanged', 200],
  ] as const)('of a descriptor that is %s is answered with %i', async (result, status) => {
    const takeDescriptor = jest.fn<HttpHandlers['takeDescriptor']>(async () => result)
    const answer = await serve({ takeDescriptor }).inject({ ...post(Buffer.of(1, 2, 3)), remoteAddress: '192.0.2.7' })
    expect([answer.statusCode, answer.json()]).toEqual([status, { result }])
    expect(takeDescriptor.mock.calls).toEqual([[Uint8Array.of(1, 2, 3), '192.0.2.7']])
  })

  test.each([
    ['nobody', [], '192.0.2.7', '8.8.8.8', '192.0.2.7'],
    ['the proxy that it came by', ['192.0.2.0/24'], '192.0.2.7', '8.8.8.8', '8.8.8.8'],
    ['that proxy, which adds to what the sender forged', ['192.0.2.0/24'], '192.0.2.7', '9.9.9.9, 8.8.8.8', '8.8.8.8'],
    ['another proxy', ['192.0.2.0/24'], '198.51.100.1', '8.8.8.8', '198.51.100.1'],
    ['a proxy over IPv6', ['2001:db8::/32'], '2001:db8::1', '2001:4860::8', '2001:4860::8'],
  ])('where %s is trusted, a descriptor comes from whom that says', async (_, proxies, remoteAddress, said, sender) => {
    const takeDescriptor = jest.fn<HttpHandlers['takeDescriptor']>(async () => 'accepted')
    const request = post(Buffer.of(1))
    const headers = { ...request.headers, 'x-forwarded-for': said }
    const ranges = proxies.map((text) => parseRange(text) as IpRange)
    await serve({ takeDescriptor }, ranges).inject({ ...request, headers, remoteAddress })
    expect(takeDescriptor.mock.calls).toEqual([[Uint8Array.of(1), sender]])
  })

  test.each<[FaultCode, number]>([
    ['signature-invalid', 400],
    ['descriptor-invalid', 400],
    ['descriptor-older', 409],
    ['document-too-large', 413],
    ['descriptor-rate', 429],
    ['limit-reached', 503],
    ['internal', 500],
  ])('that fails with %s is answered with %i and that name, and nothing else', async (code, status) => {
    const takeDescriptor = async (): Promise<never> => {
      throw new Fault(code, { limit: 'sender' }, new Error('inside'))
    }
    const answer = await serve({ takeDescriptor }).inject(post(Buffer.of(1)))
    expect([answer.statusCode, answer.body]).toEqual([status, JSON.stringify({ fault: code })])
  })

  test('that meets a bug tells nothing of it', async () => {
    const takeDescriptor = async (): Promise<never> => {
      throw new TypeError('secret is not a function')
    }
    const answer = await serve({ takeDescriptor }).inject(post(Buffer.of(1)))
    expect([answer.statusCode, answer.body]).toEqual([500, '{"fault":"internal"}'])
  })

  test('takes a body of the largest size, and refuses one byte more unread', async () => {
    const takeDescriptor = jest.fn<HttpHandlers['takeDescriptor']>(async () => 'accepted')
    serve({ takeDescriptor })
    expect((await server!.inject(post(Buffer.alloc(MAX_DESCRIPTOR_BYTES)))).statusCode).toBe(202)
    const answer = await server!.inject(post(Buffer.alloc(MAX_DESCRIPTOR_BYTES + 1)))
    expect([answer.statusCode, answer.json()]).toEqual([413, { fault: 'document-too-large' }])
    expect(takeDescriptor).toHaveBeenCalledTimes(1)
  })

  test.each(['application/json', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', ''])(
    'of a body of type "%s" is refused unread',
    async (type) => {
      const takeDescriptor = jest.fn<HttpHandlers['takeDescriptor']>(async () => 'accepted')
      const answer = await serve({ takeDescriptor }).inject(post('{}', type))
      expect([Math.floor(answer.statusCode / 100), answer.json()]).toEqual([4, { fault: 'encoding-invalid' }])
      expect(takeDescriptor).not.toHaveBeenCalled()
    },
  )

  test('without a body is refused', async () => {
    const answer = await serve().inject({ method: 'POST', url: '/v1/descriptors' })
    expect([answer.statusCode, answer.json()]).toEqual([400, { fault: 'encoding-invalid' }])
  })
})

describe('GET /v1/map', () => {
  test('is the signed bytes, with their hash as entity tag, and how long they are fresh', async () => {
    const answer = await serve().inject('/v1/map')
    expect([answer.statusCode, new Uint8Array(answer.rawPayload)]).toEqual([200, Uint8Array.of(1, 2, 3)])
    expect(answer.headers).toMatchObject({
      etag: ETAG,
      'cache-control': 'public, max-age=90',
      'content-type': 'application/octet-stream',
    })
  })

  test('is only 304 for who has it, and whole for who has another', async () => {
    serve()
    const has = (etag: string) => server!.inject({ url: '/v1/map', headers: { 'if-none-match': etag } })
    const same = await has(ETAG)
    expect([same.statusCode, same.body, same.headers.etag]).toEqual([304, '', ETAG])
    for (const other of [`"${'ac'.repeat(32)}"`, 'ab'.repeat(32), '']) expect((await has(other)).statusCode).toBe(200)
  })

  test('is 503 as long as there is none, with when to ask again', async () => {
    const answer = await serve({ map: () => undefined }).inject('/v1/map')
    expect([answer.statusCode, answer.json(), answer.headers['retry-after']]).toEqual([
      503,
      { fault: 'map-early' },
      '2',
    ])
    expect(answer.headers).not.toHaveProperty('etag')
  })

  test('is the part of a larger buffer that it is, and no more', async () => {
    const signed = new Uint8Array(20).fill(0x55).subarray(5, 8)
    const answer = await serve({ map: () => ({ ...MAP, map: { ...MAP.map, signed } }) }).inject('/v1/map')
    expect(new Uint8Array(answer.rawPayload)).toEqual(new Uint8Array(3).fill(0x55))
  })
})

describe('GET /v1/head', () => {
  test('names the newest map, for a short time', async () => {
    const answer = await serve().inject({ method: 'GET', url: '/v1/head' })
    expect([answer.statusCode, answer.json()]).toEqual([200, { epoch: 7, hash: 'ab'.repeat(32) }])
    expect(answer.headers['cache-control']).toBe('public, max-age=10')
  })

  test('says that it is early as long as there is no map', async () => {
    const answer = await serve({ map: () => undefined }).inject({ method: 'GET', url: '/v1/head' })
    expect([answer.statusCode, answer.json(), answer.headers['retry-after']]).toEqual([
      503,
      { fault: 'map-early' },
      '2',
    ])
    expect(answer.headers['cache-control']).toBeUndefined()
  })
})

describe('documents that are named by hashes', () => {
  const [A, B] = ['5c', 'd7'].map((byte) => byte.repeat(32)) as [string, string]
  const is = (hash: Uint8Array, text: string): boolean => toHex(hash) === text
  const documents: MapDocuments = {
    map: async (hash) => (is(hash, A) ? Uint8Array.of(1) : undefined),
    keys: async (hash) => (is(hash, A) ? Uint8Array.of(2) : undefined),
    diff: async (from, to) => (is(from, A) && is(to, B) ? Uint8Array.of(3) : undefined),
    keyDiff: async (from, to) => (is(from, A) && is(to, B) ? Uint8Array.of(4) : undefined),
  }

  test.each([
    [`/v1/maps/${A}`, 1],
    [`/v1/keys/${A}`, 2],
    [`/v1/diffs/${A}/${B}`, 3],
    [`/v1/keys/${A}/${B}`, 4],
  ])('are at %s, the same for ever', async (url, byte) => {
    const answer = await serve({ documents }).inject({ method: 'GET', url })
    expect([answer.statusCode, answer.rawPayload, answer.headers['content-type']]).toEqual([
      200,
      Buffer.of(byte),
      'application/octet-stream',
    ])
    expect(answer.headers['cache-control']).toBe('public, max-age=31536000, immutable')
  })

  test.each([
    ...['maps', 'keys'].flatMap((kind) =>
      [B, A.slice(2), `${A}00`, 'zz'.repeat(32), '', `${A}/`, A.toUpperCase()].map((name) => `/v1/${kind}/${name}`),
    ),
    ...['diffs', 'keys'].flatMap((kind) =>
      [`${B}/${A}`, `${A}/${A}`, `${A}/${B}/`, `${A}/${B.toUpperCase()}`, `/${B}`, `${A}/`].map(
        (name) => `/v1/${kind}/${name}`,
      ),
    ),
  ])('are not at %s', async (url) => {
    const answer = await serve({ documents }).inject({ method: 'GET', url })
    expect([answer.statusCode, answer.json(), answer.headers['cache-control']]).toEqual([
      404,
      { fault: 'not-found' },
      undefined,
    ])
  })
})

describe('GET /v1/time', () => {
  test('is signed for the nonce, and never kept on the way', async () => {
    const answer = await serve().inject(`/v1/time?nonce=${NONCE}`)
    const { timeMs, signature } = answer.json() as { timeMs: number; signature: string }
    const verifier = new DirectoryPublicKey(key.publicBytes)
    expect(verifyTime({ timeMs, signature: hex(signature) }, hex(NONCE), verifier, NETWORK_ID)).toBe(true)
    expect(answer.headers['cache-control']).toBe('no-store')
  })

  test.each([
    '',
    '?nonce=',
    `?nonce=${NONCE.slice(2)}`,
    `?nonce=${NONCE}00`,
    `?nonce=zz${NONCE.slice(2)}`,
    `?nonce=${NONCE}%20`,
    `?nonce=+${NONCE}`,
    `?nonce=${NONCE.slice(2)}%0a0f`,
    `?nonce=${NONCE}&nonce=${NONCE}`,
    `?nonce[]=${NONCE}`,
    '?nonce=%00',
  ])('with the query "%s" is refused', async (query) => {
    const answer = await serve().inject(`/v1/time${query}`)
    expect([answer.statusCode, answer.json()]).toEqual([400, { fault: 'encoding-invalid' }])
  })
})

describe('the HTTP server of a directory', () => {
  test('tells that it lives, also without a map, and whether it can serve', async () => {
    const lives = await serve().inject('/healthz')
    expect([lives.statusCode, lives.json()]).toEqual([200, { ok: true, epoch: 7, hubs: 3 }])
    const empty = await serve({ health: async () => ({ epoch: undefined, hubs: 0 }) }).inject('/healthz')
    expect([empty.statusCode, empty.json()]).toEqual([200, { ok: true, hubs: 0 }])
  })

  test.each([
    [true, true, 200],
    [false, true, 503],
    [true, false, 503],
  ])('with a map: %s, with a store that works: %s, is ready: %i', async (map, store, status) => {
    const answer = await serve({ ready: async () => ({ map, store }) }).inject('/readyz')
    expect([answer.statusCode, answer.json()]).toEqual([status, { ok: map && store, map, store }])
  })

  test.each(['/', '/v1', '/v2/map', '/v1/descriptors', '/healthz/', '/../etc/passwd', '/%2e%2e/x'])(
    'has nothing at GET %s',
    async (url) => {
      const answer = await serve().inject(url)
      expect([answer.statusCode, answer.json()]).toEqual([404, { fault: 'not-found' }])
    },
  )

  test.each(['/%', '/v1/%zz', '/%c3%28'])('does not repeat a path that is none: GET %s', async (url) => {
    const answer = await serve().inject(url)
    expect([answer.statusCode, answer.json()]).toEqual([400, { fault: 'encoding-invalid' }])
  })

  test('answers over a real socket, and ends when it is closed', async () => {
    serve()
    await listenHttp(server!, { ip: Uint8Array.of(127, 0, 0, 1), port: 0 })
    const { port } = server!.server.address() as AddressInfo
    const url = `http://127.0.0.1:${port}`
    const signal = AbortSignal.timeout(10_000)
    const map = await directHttp({ method: 'GET', url: `${url}/v1/map`, maxBytes: 1_000 }, signal)
    expect(map).toEqual({ status: 200, etag: ETAG, body: Uint8Array.of(1, 2, 3) })
    const headers = { 'content-type': 'application/octet-stream' }
    const taken = await directHttp(
      { method: 'POST', url: `${url}/v1/descriptors`, headers, body: Uint8Array.of(9), maxBytes: 1_000 },
      signal,
    )
    expect([taken.status, JSON.parse(Buffer.from(taken.body).toString())]).toEqual([202, { result: 'accepted' }])

    const second = createHttpServer({
      takeDescriptor: async () => 'accepted',
      map: () => undefined,
      documents: NO_DOCUMENTS,
      time: () => ({ timeMs: 0, signature: new Uint8Array(0) }),
      ...OTHER_HANDLERS,
      health: async () => ({ epoch: 1, hubs: 1 }),
    })
    const fault = await rejectionOf(listenHttp(second, { ip: Uint8Array.of(127, 0, 0, 1), port }))
    expect([fault.code, fault.details.address]).toEqual(['port-in-use', `127.0.0.1 port ${port}`])
    await second.close()
    await server!.close()
    await expect(directHttp({ method: 'GET', url: `${url}/v1/map`, maxBytes: 1_000 }, signal)).rejects.toThrow()
  })

  test('can not listen at an address that the computer does not have', async () => {
    const fault = await rejectionOf(listenHttp(serve(), { ip: Uint8Array.of(192, 0, 2, 1), port: 0 }))
    expect(fault.code).toBe('address-unavailable')
  })
})
