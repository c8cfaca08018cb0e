import { describe, expect, test } from '@jest/globals'
import { toHex } from '../../../shared/base/bytes.ts'
import { CIRCUIT_PUBLIC_KEY_BYTES, CircuitPublicKey } from '../../../shared/crypto/circuit-key.ts'
import { sha256 } from '../../../shared/crypto/kdf.ts'
import { DirectoryClient } from '../../../shared/map/directory-client.ts'
import type { HttpAnswer, HttpRequest } from '../../../shared/map/http-send.ts'
import { sortHubs } from '../../../shared/map/hub-map.ts'
import { type KeyedHub, makeKeyBundles } from '../../../shared/map/key-bundles.ts'
import { encodeKeyDiff } from '../../../shared/map/key-diff.ts'
import { encodeMapDiff } from '../../../shared/map/map-diff.ts'
import { MAX_MAP_BYTES, signaturesOf, UnverifiedMap } from '../../../shared/map/signed-map.ts'
import { rejectionOf } from '../../support/fault-of.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { EPOCH, mapHubOf, mapOf, NOW_MS, networkWith, signMap, verifiedMap } from '../../support/map-fixtures.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import {
  type Behaviour,
  headFirst,
  jsonAnswer,
  timeAnswer,
  VirtualDirectories,
} from '../../support/virtual-directories.ts'

const { network, keys } = networkWith(5, 3)
const signal = new AbortController().signal

function scene(): { clock: ManualClock; directories: VirtualDirectories; client: DirectoryClient } {
  const clock = new ManualClock(500_000)
  const client = new DirectoryClient(network, { clock, random: seededRandom('client') })
  return { clock, directories: new VirtualDirectories(), client }
}

describe('the time of the directories', () => {
  const tellsTime = (i: number, timeMs: number) => (request: HttpRequest) =>
    timeAnswer(request, timeMs, keys[i]!, network)

  test('is the median of what they say', async () => {
    const { clock, directories, client } = scene()
    const times = [NOW_MS + 40, NOW_MS - 3_600_000, NOW_MS, NOW_MS + 1e12, NOW_MS + 20]
    for (const [i, time] of times.entries()) directories.on(`d${i}`, tellsTime(i, time))
    const { networkMs, at } = await client.fetchTime(directories.send, signal)
    expect([networkMs, at]).toEqual([NOW_MS + 20, clock.now()])
    expect(new Set(directories.asked).size).toBe(5)
  })

  test('is believed in the middle between question and answer', async () => {
    const { clock, directories, client } = scene()
    for (const i of [0, 1, 2]) {
      directories.on(`d${i}`, async (request) => {
        const answer = timeAnswer(request, NOW_MS, keys[i]!, network)
        await Promise.resolve()
        if (i === 0) clock.advance(400)
        return answer
      })
    }
    const { networkMs, at } = await client.fetchTime(directories.send, signal)
    expect(at).toBe(500_400)
    expect(networkMs).toBe(NOW_MS + 200)
  })

  test('is asked for with a new nonce of 32 bytes each time', async () => {
    const { directories, client } = scene()
    for (const i of [0, 1, 2, 3, 4]) directories.on(`d${i}`, tellsTime(i, NOW_MS))
    await client.fetchTime(directories.send, signal)
    await client.fetchTime(directories.send, signal)
    const nonces = directories.requests.map(({ url }) => new URL(url).searchParams.get('nonce') ?? '')
    expect(new Set(nonces).size).toBe(10)
    for (const nonce of nonces) expect(nonce).toMatch(/^[0-9a-f]{64}$/)
  })

  test('needs as many answers as a map needs signatures', async () => {
    const { directories, client } = scene()
    for (const i of [0, 1, 2]) directories.on(`d${i}`, tellsTime(i, NOW_MS))
    expect((await client.fetchTime(directories.send, signal)).networkMs).toBe(NOW_MS)
    directories.on('d2', () => undefined)
    expect((await rejectionOf(client.fetchTime(directories.send, signal))).code).toBe('directory-unreachable')
  })

  const lies: [string, (request: HttpRequest) => Partial<HttpAnswer>][] = [
    ['is signed by another directory', (request) => timeAnswer(request, NOW_MS, keys[0]!, network)],
    [
      'is not the one that is signed',
      (request) => {
        const { timeMs, signature } = JSON.parse(
          Buffer.from(timeAnswer(request, NOW_MS, keys[2]!, network).body!).toString(),
        )
        return jsonAnswer({ timeMs: timeMs + 1, signature })
      },
    ],
    [
      'answers another nonce',
      (request) => timeAnswer({ ...request, url: `http://x/?nonce=${'00'.repeat(32)}` }, NOW_MS, keys[2]!, network),
    ],
    ['has no signature', () => jsonAnswer({ timeMs: NOW_MS, signature: '' })],
    ['has a signature of no hexadecimal digits', () => jsonAnswer({ timeMs: NOW_MS, signature: 'zz' })],
    ['is no number', () => jsonAnswer({ timeMs: String(NOW_MS), signature: '00' })],
    ['is no JSON', () => ({ body: new Uint8Array(Buffer.from('<html>')) })],
    ['is beyond all numbers', () => ({ body: new Uint8Array(Buffer.from('{"timeMs": 1e999, "signature": "00"}')) })],
  ]
  test.each(lies)('that %s counts for nothing', async (_, answer) => {
    const { directories, client } = scene()
    for (const i of [0, 1]) directories.on(`d${i}`, tellsTime(i, NOW_MS))
    directories.on('d2', answer)
    expect((await rejectionOf(client.fetchTime(directories.send, signal))).code).toBe('directory-unreachable')
    directories.on('d3', tellsTime(3, NOW_MS))
    expect((await client.fetchTime(directories.send, signal)).networkMs).toBe(NOW_MS)
  })
})

describe('the map of the directories', () => {
  const newest = signMap(mapOf(), keys)
  const held = verifiedMap(mapOf({ epoch: EPOCH - 1 }), network, keys)
  const on = (directories: VirtualDirectories, i: number, behaviour: Behaviour): void =>
    void directories.on(`d${i}`, headFirst(behaviour))

  test('is asked of one, and of the others only if that one fails', async () => {
    const { directories, client } = scene()
    for (const i of [0, 1, 2, 3, 4]) on(directories, i, () => ({ body: newest }))
    expect((await client.fetchMap(directories.send, NOW_MS, undefined, signal))?.content.epoch).toBe(EPOCH)
    expect(directories.asked).toHaveLength(2)
    const [first] = directories.asked
    on(directories, Number(first![1]), () => undefined)
    for (let i = 0; i < 10; i++) {
      expect((await client.fetchMap(directories.send, NOW_MS, undefined, signal))?.content.epoch).toBe(EPOCH)
    }
  })

  test('is asked of each directory as often', async () => {
    const { directories, client } = scene()
    for (const i of [0, 1, 2, 3, 4]) on(directories, i, () => ({ body: newest }))
    for (let i = 0; i < 500; i++) await client.fetchMap(directories.send, NOW_MS, undefined, signal)
    for (const i of [0, 1, 2, 3, 4]) {
      const times = directories.asked.filter((name) => name === `d${i}/v1/head`).length
      expect(Math.abs(times - 100)).toBeLessThan(45)
    }
  })

  test('is asked for by its hash, and not at all if it is the one that is held', async () => {
    const { directories, client } = scene()
    for (const i of [0, 1, 2, 3, 4]) on(directories, i, () => ({ body: held.bytes }))
    expect(await client.fetchMap(directories.send, NOW_MS, held, signal)).toBeUndefined()
    expect(directories.requests).toHaveLength(1)
    expect(directories.requests[0]).toMatchObject({ method: 'GET', maxBytes: 16_384 })
    expect(directories.requests[0]!.url).toMatch(/\/v1\/head$/)
    expect((await client.fetchMap(directories.send, NOW_MS, undefined, signal))?.hash).toEqual(held.hash)
    expect(directories.requests[2]).toMatchObject({ method: 'GET', maxBytes: MAX_MAP_BYTES })
    expect(directories.requests[2]!.url.endsWith(`/v1/maps/${toHex(held.hash)}`)).toBe(true)
  })

  test.each<[string, unknown]>([
    ['is no JSON', undefined],
    ['has no hash', { epoch: EPOCH }],
    ['has a hash that is none', { epoch: EPOCH, hash: 'ab' }],
    ['has no epoch', { hash: 'ab'.repeat(32) }],
    ['has an epoch that is none', { epoch: 1.5, hash: 'ab'.repeat(32) }],
  ])('is not asked of a directory whose head %s', async (_, said) => {
    const { directories, client } = scene()
    for (const i of [0, 1, 2, 3, 4]) directories.on(`d${i}`, () => (said === undefined ? {} : jsonAnswer(said)))
    expect((await rejectionOf(client.fetchMap(directories.send, NOW_MS, undefined, signal))).code).toBe(
      'encoding-invalid',
    )
    expect(directories.asked.every((path) => path.endsWith('/v1/head'))).toBe(true)
  })

  test.each<[string, () => Partial<HttpAnswer> | undefined, string]>([
    ['do not answer', () => undefined, 'directory-unreachable'],
    ['have none yet', () => jsonAnswer({ fault: 'map-early' }, 503), 'directory-unreachable'],
    ['answer with a redirection', () => ({ status: 302 }), 'directory-unreachable'],
    ['send one that too few signed', () => ({ body: signMap(mapOf(), keys.slice(0, 2)) }), 'signatures-too-few'],
    [
      'send one that has expired',
      () => ({ body: signMap(mapOf({ validAfter: 1, freshUntil: 2, validUntil: 3 }), keys) }),
      'map-expired',
    ],
    ['send an older one', () => ({ body: signMap(mapOf({ epoch: EPOCH - 2 }), keys) }), 'map-older'],
    ['send something else', () => ({ body: new Uint8Array(Buffer.from('<html>')) }), 'encoding-invalid'],
  ])('is none if all of them %s', async (_, behaviour, code) => {
    const { directories, client } = scene()
    for (const i of [0, 1, 2, 3, 4]) on(directories, i, behaviour)
    expect((await rejectionOf(client.fetchMap(directories.send, NOW_MS, held, signal))).code).toBe(code)
    expect(directories.asked.filter((path) => path.endsWith('/v1/head'))).toHaveLength(5)
  })

  test('comes from the one honest directory, whatever the others send', async () => {
    const { directories, client } = scene()
    on(directories, 0, () => ({ body: signMap(mapOf(), keys.slice(0, 2)) }))
    on(directories, 1, () => undefined)
    on(directories, 2, () => ({ status: 500 }))
    on(directories, 3, () => ({ body: new Uint8Array(5) }))
    on(directories, 4, () => ({ body: newest }))
    for (let i = 0; i < 20; i++) {
      expect((await client.fetchMap(directories.send, NOW_MS, held, signal))?.content.epoch).toBe(EPOCH)
    }
  })
})

describe('the circuit keys of a map', () => {
  const hubsOf = (fill: number): KeyedHub[] =>
    sortHubs(
      Array.from({ length: 20 }, (_, i) => {
        const circuitKey = new CircuitPublicKey(new Uint8Array(CIRCUIT_PUBLIC_KEY_BYTES).fill(i < 3 ? fill : i))
        return mapHubOf(new Uint8Array(32).fill(i + 1), { circuitKey })
      }),
    )
  const hubs = hubsOf(200)
  const map = new UnverifiedMap(signMap(mapOf({ hubs }), keys)).verify(network, NOW_MS)
  const bundles = new Map(makeKeyBundles(hubs).map((bundle) => [toHex(sha256(bundle)), bundle]))
  const answer = ({ url }: HttpRequest): Partial<HttpAnswer> => {
    const body = bundles.get(url.split('/v1/keys/')[1] as string)
    return body === undefined ? { status: 404 } : { body }
  }
  const all = [0, 1, 2, 3, 4]

  test('are asked for by their hashes, some at a time, and never those of nobody', async () => {
    const { directories, client } = scene()
    let [now, most] = [0, 0]
    for (const i of all) {
      directories.on(`d${i}`, async (request) => {
        most = Math.max(most, ++now)
        await new Promise((resolve) => setImmediate(resolve))
        now--
        return answer(request)
      })
    }
    const { keys: found } = await client.fetchKeys(directories.send, map, undefined, signal)
    for (const hub of hubs) expect(found?.of(hub)?.bytes).toEqual(hub.circuitKey.bytes)
    expect(directories.asked).toHaveLength(20)
    expect(directories.requests.map(({ maxBytes }) => maxBytes)).toEqual(new Array(20).fill(16_384))
    expect(most).toBe(8)
  })

  test('are asked for again only where they changed', async () => {
    const { directories, client } = scene()
    for (const i of all) directories.on(`d${i}`, answer)
    const before = verifiedMap(mapOf({ epoch: EPOCH - 1, hubs: hubsOf(100) }), network, keys)
    const { keys: found } = await client.fetchKeys(directories.send, map, before, signal)
    for (const hub of hubs) expect(found?.of(hub)?.bytes).toEqual(hub.circuitKey.bytes)
    const bundlePaths = directories.asked.filter((path) => /\/v1\/keys\/[0-9a-f]{64}$/.test(path))
    expect(bundlePaths).toHaveLength(3)
  })

  test.each<[string, Partial<HttpAnswer>, string]>([
    ['are not there', { status: 404 }, 'directory-unreachable'],
    ['are others', { body: hubs[0]!.circuitKey.bytes.map((byte) => byte ^ 1) }, 'keys-damaged'],
    ['are none', { body: new Uint8Array(0) }, 'keys-damaged'],
  ])('come from the one honest directory where those of the others %s', async (_, bad, code) => {
    const { directories, client } = scene()
    for (const i of all) directories.on(`d${i}`, () => bad)
    expect((await rejectionOf(client.fetchKeys(directories.send, map, undefined, signal))).code).toBe(code)
    directories.on('d3', answer)
    const { keys: found } = await client.fetchKeys(directories.send, map, undefined, signal)
    for (const hub of hubs) expect(found?.of(hub)?.bytes).toEqual(hub.circuitKey.bytes)
  })

  test('are no longer asked for once one of them can not be had', async () => {
    const { directories, client } = scene()
    for (const i of all) directories.on(`d${i}`, () => undefined)
    expect((await rejectionOf(client.fetchKeys(directories.send, map, undefined, signal))).code).toBe(
      'directory-unreachable',
    )
    await new Promise((resolve) => setImmediate(resolve))
    expect(directories.asked.length).toBeLessThan(20 * 5)
  })
})

describe('who holds a map', () => {
  const key = (byte: number): CircuitPublicKey =>
    new CircuitPublicKey(new Uint8Array(CIRCUIT_PUBLIC_KEY_BYTES).fill(byte))
  const hubs = [1, 2, 3].map((fill) => mapHubOf(new Uint8Array(32).fill(fill), { circuitKey: key(fill) }))
  const old = mapOf({ epoch: EPOCH - 1, hubs })
  const now = mapOf({
    hubs: hubs.map((hub) => (hub.id[0] === 3 ? { ...hub, circuitKey: key(9), operator: 'new' } : hub)),
  })
  const held = verifiedMap(old, network, keys)
  const next = verifiedMap(now, network, keys)
  const [from, to] = [toHex(held.hash), toHex(next.hash)]
  const bundles = makeKeyBundles(now.hubs)
  const documents: Record<string, Uint8Array> = {
    '/v1/head': jsonAnswer({ epoch: EPOCH, hash: to }).body!,
    [`/v1/maps/${to}`]: next.bytes,
    [`/v1/diffs/${from}/${to}`]: encodeMapDiff(
      { from: held.hash, head: now, left: [], remeasured: [], hubs: now.hubs.slice(2) },
      network.id,
      signaturesOf(next.bytes),
    ),
    [`/v1/keys/${from}/${to}`]: encodeKeyDiff([undefined, undefined, key(9).bytes]),
    ...Object.fromEntries(bundles.map((bundle) => [`/v1/keys/${toHex(sha256(bundle))}`, bundle])),
  }
  const serve = (changes: Record<string, Uint8Array | undefined> = {}): ReturnType<typeof scene> => {
    const made = scene()
    for (const i of [0, 1, 2, 3, 4]) {
      made.directories.on(`d${i}`, ({ url }) => {
        const body = { ...documents, ...changes }[new URL(url).pathname]
        return body === undefined ? { status: 404 } : { body }
      })
    }
    return made
  }
  const pathsOf = ({ asked }: VirtualDirectories): string[] =>
    asked.map((path) => path.slice(2).replaceAll(/[0-9a-f]{60}/g, ''))
  const short = { from: from.slice(-4), to: to.slice(-4) }

  test('fetches a diff, and the keys that changed, in one request each', async () => {
    const { directories, client } = serve()
    const map = await client.fetchMap(directories.send, NOW_MS, held, signal)
    expect(map?.bytes).toEqual(next.bytes)
    const { keys: found } = await client.fetchKeys(directories.send, map!, held, signal)
    expect(found?.bundles).toEqual(bundles)
    expect(pathsOf(directories)).toEqual([
      '/v1/head',
      `/v1/diffs/${short.from}/${short.to}`,
      `/v1/keys/${short.from}/${short.to}`,
    ])
  })

  const broken = documents[`/v1/diffs/${from}/${to}`]!.map((byte, i, all) => (i === all.length - 9 ? byte ^ 1 : byte))
  const unsigned = encodeMapDiff(
    { from: held.hash, head: now, left: [], remeasured: [], hubs: now.hubs.slice(2) },
    network.id,
    [],
  )
  const evil = { ...now, hubs: [{ ...now.hubs[0]!, operator: 'evil' }, ...now.hubs.slice(1)] }
  const changed = encodeMapDiff(
    { from: held.hash, head: now, left: [], remeasured: [], hubs: evil.hubs },
    network.id,
    signaturesOf(next.bytes),
  )
  test.each<[string, Uint8Array | undefined]>([
    ['is not there', undefined],
    ['is damaged', broken],
    ['is not signed', unsigned],
    ['is of another map than was signed', changed],
    ['is nothing', new Uint8Array(0)],
  ])('fetches the whole map where the diff %s', async (_, diff) => {
    const { directories, client } = serve({ [`/v1/diffs/${from}/${to}`]: diff })
    expect((await client.fetchMap(directories.send, NOW_MS, held, signal))?.bytes).toEqual(next.bytes)
    expect(pathsOf(directories)).toEqual([
      '/v1/head',
      `/v1/diffs/${short.from}/${short.to}`,
      expect.stringMatching(/^\/v1\/maps/),
    ])
  })

  test.each<[string, Uint8Array | undefined]>([
    ['is not there', undefined],
    ['has another key', encodeKeyDiff([undefined, undefined, key(8).bytes])],
    ['leaves a key out', encodeKeyDiff([undefined, undefined, undefined])],
    ['is of another map', encodeKeyDiff([undefined, undefined])],
  ])('fetches whole bundles where the key diff %s', async (_, diff) => {
    const { directories, client } = serve({ [`/v1/keys/${from}/${to}`]: diff })
    const { keys: found } = await client.fetchKeys(directories.send, next, held, signal)
    expect(found?.bundles).toEqual(bundles)
    const last = toHex(sha256(bundles[3]!)).slice(-4)
    expect(pathsOf(directories).at(-1)).toBe(`/v1/keys/${last}`)
    expect(pathsOf(directories).filter((path) => /^\/v1\/keys\/[0-9a-f]{4}$/.test(path))).toHaveLength(1)
  })

  test('asks for no keys where none changed', async () => {
    const { directories, client } = serve()
    const same = verifiedMap(mapOf({ hubs }), network, keys)
    expect((await client.fetchKeys(directories.send, same, held, signal)).keys?.bundles).toEqual(held.keys?.bundles)
    expect(directories.asked).toEqual([])
  })

  test('asks another directory where one has no newer map, and for nothing of the older one', async () => {
    const { directories, client } = serve({ '/v1/head': jsonAnswer({ epoch: EPOCH - 2, hash: to }).body! })
    expect((await rejectionOf(client.fetchMap(directories.send, NOW_MS, held, signal))).code).toBe('map-older')
    expect(pathsOf(directories)).toEqual(new Array(5).fill('/v1/head'))
  })

  test('takes no map that has another hash than it asked for', async () => {
    const { directories, client } = serve({
      [`/v1/diffs/${from}/${to}`]: undefined,
      [`/v1/maps/${to}`]: signMap(mapOf(), keys),
    })
    expect((await rejectionOf(client.fetchMap(directories.send, NOW_MS, held, signal))).code).toBe('encoding-invalid')
  })
})

describe('a descriptor', () => {
  const signed = Uint8Array.of(1, 2, 3)

  test('is handed to every directory, and it is told which took it', async () => {
    const { directories, client } = scene()
    directories
      .on('d0', () => ({ status: 202 }))
      .on('d2', () => ({ status: 200 }))
      .on('d3', () => ({ status: 409 }))
    expect(await client.publish(directories.send, signed, signal)).toEqual(['d0', 'd2'])
    expect(directories.asked.toSorted()).toEqual([0, 1, 2, 3, 4].map((i) => `d${i}/v1/descriptors`))
    expect(directories.requests[0]).toMatchObject({
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: signed,
    })
  })

  test('that none took is refused, with what one of them said', async () => {
    const { directories, client } = scene()
    directories.on('d3', () => jsonAnswer({ fault: 'descriptor-older' }, 409))
    const fault = await rejectionOf(client.publish(directories.send, signed, signal))
    expect([fault.code, fault.details]).toEqual([
      'directory-refused',
      { directory: 'd3', status: 409, reason: 'descriptor-older' },
    ])
  })

  test.each(['<script>', 'two\nlines', 'x'.repeat(41), ''])('is refused without repeating %j', async (text) => {
    const { directories, client } = scene()
    directories.on('d3', () => jsonAnswer({ fault: text }, 400))
    expect((await rejectionOf(client.publish(directories.send, signed, signal))).details.reason).toBe('not said')
    directories.on('d3', () => ({ status: 400, body: new Uint8Array(Buffer.from(text)) }))
    expect((await rejectionOf(client.publish(directories.send, signed, signal))).details.reason).toBe('not said')
  })

  test('that reaches nobody fails', async () => {
    const { directories, client } = scene()
    expect((await rejectionOf(client.publish(directories.send, signed, signal))).code).toBe('directory-unreachable')
  })

  test('is not sent by who gave up', async () => {
    const { directories, client } = scene()
    const gone = AbortSignal.abort()
    directories.on('d0', () => ({ status: 202 }))
    expect((await rejectionOf(client.publish(directories.send, signed, gone))).code).toBe('directory-unreachable')
    expect(directories.asked).toEqual([])
  })
})
