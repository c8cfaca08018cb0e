import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { createHttpServer } from '../../directory/http-server.ts'
import { MapArchive, type MapDocuments } from '../../directory/map-archive.ts'
import { SqliteStore } from '../../directory/sqlite-store.ts'
import type { Store } from '../../directory/store.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { systemClock } from '../../shared/base/clock.ts'
import { createLog } from '../../shared/base/log.ts'
import { NetworkTime } from '../../shared/base/network-time.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { CIRCUIT_PUBLIC_KEY_BYTES, CircuitKeyPair, CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { sha256 } from '../../shared/crypto/kdf.ts'
import { encodeCanonical } from '../../shared/map/canonical.ts'
import { directHttp } from '../../shared/map/direct-http.ts'
import { DirectoryClient } from '../../shared/map/directory-client.ts'
import type { HttpAnswer, HttpSend } from '../../shared/map/http-send.ts'
import { sortHubs } from '../../shared/map/hub-map.ts'
import { bundleOf, type KeyedHub, makeKeyBundles } from '../../shared/map/key-bundles.ts'
import { encodeKeyDiff } from '../../shared/map/key-diff.ts'
import { encodeMapDiff } from '../../shared/map/map-diff.ts'
import { MapKeeper } from '../../shared/map/map-keeper.ts'
import { NO_DOUBTS, UNMEASURED } from '../../shared/map/measured.ts'
import type { Network } from '../../shared/map/network.ts'
import { pack } from '../../shared/map/packing.ts'
import { encodeSignedFrame } from '../../shared/map/signed-frame.ts'
import { encodeSignedMap, type HubMap, signaturesOf, signMapBody, UnverifiedMap } from '../../shared/map/signed-map.ts'
import { signTime } from '../../shared/map/signed-time.ts'
import { rejectionOf } from '../support/fault-of.ts'
import { OTHER_HANDLERS } from '../support/map-documents.ts'
import { EPOCH, EPOCH_S, mapHubOf, mapOf, NETWORK_ID, networkWith, signMap } from '../support/map-fixtures.ts'
import { until } from '../support/until.ts'
import { timeAnswer } from '../support/virtual-directories.ts'

/* One directory of three is evil, or somebody sits between; the client asks that one. Maps count that two signed. */

const NOW_MS = (EPOCH + 1) * EPOCH_S * 1000 + 60_000
const { network: bare, keys } = networkWith(3, 2)
const [ONE, , EVIL] = keys
const newKey = (): CircuitPublicKey => new CircuitPublicKey(CircuitKeyPair.generate().publicBytes)
/** Two of the same bundle, one of another; the first gets a new key with the second map, the last is found to carry more. */
const OLD = sortHubs([1, 65, 7].map((fill) => mapHubOf(new Uint8Array(32).fill(fill), { circuitKey: newKey() })))
const FOUND = {
  capacityKbits: 200_000,
  measured: { ...UNMEASURED, uptimeClass: 9, doubts: { ...NO_DOUBTS, capacity: true } },
}
const NEW = OLD.map((hub, place) => {
  if (place === 0) return { ...hub, circuitKey: newKey(), operator: 'new' }
  return place === 2 ? { ...hub, ...FOUND } : hub
})
const VICTIM = NEW[0] as KeyedHub
const [FIRST, SECOND] = [mapOf({ hubs: OLD }), mapOf({ epoch: EPOCH + 1, hubs: NEW })]
const SIGNERS = keys.slice(0, 2)

let store: Store
let archive: MapArchive
let newest: 0 | 1
/** What is said in the place of documents. */
let lies: Partial<
  Record<
    keyof MapDocuments,
    (from: Uint8Array, to: Uint8Array) => ReturnType<MapDocuments['keys']> | Uint8Array | undefined
  >
>
let asked: string[]
let server: ReturnType<typeof createHttpServer>
let network: Network
let client: DirectoryClient
const signed = [signMap(FIRST, SIGNERS), signMap(SECOND, SIGNERS)] as const
const verified = [FIRST, SECOND].map((map, i) =>
  new UnverifiedMap(signed[i] as Uint8Array).verify(bare, map.validAfter * 1000),
) as [HubMap, HubMap]

beforeEach(async () => {
  store = new SqliteStore(':memory:')
  archive = new MapArchive(store, NETWORK_ID)
  for (const [i, { content, hash, bytes }] of verified.entries()) {
    await archive.put({ content, hash, signed: bytes, bundles: makeKeyBundles(i === 0 ? OLD : NEW) })
  }
  ;[newest, lies, asked] = [1, {}, []]
  server = createHttpServer({
    takeDescriptor: async () => 'unchanged',
    map: () => ({
      map: { epoch: EPOCH + newest, hash: verified[newest].hash, signed: verified[newest].bytes },
      freshForS: 60,
    }),
    documents: {
      map: async (hash) => (lies.map ?? ((one) => archive.map(one)))(hash, hash),
      keys: async (hash) => (lies.keys ?? ((one) => archive.keys(one)))(hash, hash),
      diff: async (from, to) => (lies.diff ?? ((a, b) => archive.diff(a, b)))(from, to),
      keyDiff: async (from, to) => (lies.keyDiff ?? ((a, b) => archive.keyDiff(a, b)))(from, to),
    },
    time: (nonce) => signTime(nonce, NOW_MS, ONE!, NETWORK_ID),
    ...OTHER_HANDLERS,
    health: async () => ({ epoch: EPOCH, hubs: 3 }),
  })
  server.addHook('onRequest', async ({ url }) => void asked.push(url.replace(/[0-9a-f]{64}/g, 'HASH')))
  await server.listen({ host: '127.0.0.1', port: 0 })
  const url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`
  network = { ...bare, directories: bare.directories.map((one) => ({ ...one, url })) }
  client = new DirectoryClient(network, { clock: systemClock, random: systemRandom })
})
afterEach(async () => {
  await server.close()
  await store.close()
})

const signal = (): AbortSignal => AbortSignal.timeout(20_000)
const fetchMap = (held?: HubMap): Promise<HubMap | undefined> => client.fetchMap(directHttp, NOW_MS, held, signal())
const heldMap = (): HubMap => verified[0].withKeys(makeKeyBundles(OLD))

/** What circuits to the victim are built with, by who holds the first map, or none. */
async function keyTaken(held?: HubMap): Promise<Uint8Array | undefined> {
  const map = (await fetchMap(held)) as HubMap
  return (await client.fetchKeys(directHttp, map, held, signal())).keys?.of(VICTIM)?.bytes
}

const evilKey = CircuitKeyPair.generate().publicBytes
const evilHubs = NEW.map((hub) => (hub === VICTIM ? { ...hub, circuitKey: new CircuitPublicKey(evilKey) } : hub))
const VICTIMS_BUNDLE = bundleOf(VICTIM.id)
const honestBundle = makeKeyBundles(NEW)[VICTIMS_BUNDLE] as Uint8Array
const evilBundle = makeKeyBundles(evilHubs)[VICTIMS_BUNDLE] as Uint8Array
const inItsPlace = (bytes: Uint8Array) => (hash: Uint8Array) =>
  toHex(hash) === toHex(sha256(honestBundle)) ? bytes : archive.keys(hash)

describe('a circuit key of a hub can not be changed or left out by one directory, or by somebody between', () => {
  test('as long as nobody does, the client has it, with and without a map before', async () => {
    expect(await keyTaken()).toEqual(VICTIM.circuitKey.bytes)
    expect(await keyTaken(heldMap())).toEqual(VICTIM.circuitKey.bytes)
    expect(asked.filter((path) => path.includes('/HASH/HASH'))).toHaveLength(2)
  })

  test.each<[string, Uint8Array]>([
    ['another key in the place of it', evilBundle],
    ['the key left out', honestBundle.slice(CIRCUIT_PUBLIC_KEY_BYTES)],
    ['no keys at all', new Uint8Array(0)],
    [
      'the keys of two hubs swapped',
      Buffer.concat([
        honestBundle.subarray(CIRCUIT_PUBLIC_KEY_BYTES),
        honestBundle.subarray(0, CIRCUIT_PUBLIC_KEY_BYTES),
      ]),
    ],
    ['the key of the map before', makeKeyBundles(OLD)[VICTIMS_BUNDLE] as Uint8Array],
  ])('in a bundle: %s', async (_, bundle) => {
    lies.keys = inItsPlace(bundle)
    expect((await rejectionOf(keyTaken())).code).toBe('keys-damaged')
    lies.keyDiff = () => undefined
    expect((await rejectionOf(keyTaken(heldMap()))).code).toBe('keys-damaged')
  })

  const rest = NEW.slice(1).map(() => undefined)
  test.each<[string, Uint8Array]>([
    ['another key', encodeKeyDiff([evilKey, ...rest])],
    ['no key, as if the one of before were right', encodeKeyDiff([undefined, ...rest])],
    ['another key for a hub that has none new', encodeKeyDiff([VICTIM.circuitKey.bytes, evilKey, undefined])],
    ['bits for fewer hubs', encodeKeyDiff([])],
  ])('in a key diff: %s; bundles are asked for then', async (_, diff) => {
    lies.keyDiff = () => diff
    expect(await keyTaken(heldMap())).toEqual(VICTIM.circuitKey.bytes)
    lies.keys = inItsPlace(evilBundle)
    expect((await rejectionOf(keyTaken(heldMap()))).code).toBe('keys-damaged')
  })

  test('with a map of its own that names the other key: it signs alone', async () => {
    const evil = mapOf({ epoch: EPOCH + 1, hubs: evilHubs })
    lies.map = () => signMap(evil, [EVIL!])
    expect((await rejectionOf(fetchMap())).code).toBe('signatures-too-few')
    const from = verified[0].hash
    const evilDiff = { from, head: evil, left: [], remeasured: [], hubs: evilHubs }
    lies.diff = () => encodeMapDiff(evilDiff, NETWORK_ID, signaturesOf(signed[1]))
    expect((await rejectionOf(fetchMap(heldMap()))).code).toBe('signatures-too-few')
  })

  test('and a client that runs goes on with the map that it has, and builds nothing with other keys', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'spn-hostile-'))
    const warnings: string[] = []
    const directories = network.directories.map((one, i) => ({ ...one, url: `${one.url}/${i}` }))
    const several = { ...network, directories }
    const send: HttpSend = (request, stop) => {
      const [, origin, number, path] = /^(http:..[^/]+).(\d)(.*)$/.exec(request.url) as unknown as string[]
      if (path?.startsWith('/v1/time')) {
        return Promise.resolve({
          status: 200,
          etag: undefined,
          ...timeAnswer(request, NOW_MS, keys[Number(number)]!, several),
        } as HttpAnswer)
      }
      return directHttp({ ...request, url: `${origin}${path}` }, stop)
    }
    const keeper = new MapKeeper(
      { network: several, cacheFile: join(folder, 'hub-map'), fetchAfterEpochs: [0.2, 1], withKeys: true },
      {
        directories: new DirectoryClient(several, { clock: systemClock, random: systemRandom }),
        ...{ time: new NetworkTime(), clock: systemClock, random: systemRandom },
        wallClock: () => NOW_MS,
        log: createLog('warn', { write: (line) => void warnings.push(JSON.parse(line).fault) }),
        send: () => send,
        sendDirectly: send,
        onMap: () => {},
      },
    )
    newest = 0
    keeper.start()
    expect((await keeper.ready()).content.epoch).toBe(EPOCH)
    newest = 1
    lies.keys = inItsPlace(evilBundle)
    lies.keyDiff = () => encodeKeyDiff([evilKey, ...rest])
    keeper.refresh()
    await until(() => warnings.includes('keys-damaged'))
    expect(keeper.map.content.epoch).toBe(EPOCH)
    expect(keeper.circuitKey(VICTIM)?.bytes).toEqual((OLD[0] as KeyedHub).circuitKey.bytes)
    keeper.close()
    rmSync(folder, { recursive: true })
  })
})

describe('a diff that an evil directory made', () => {
  const body = (value: Parameters<typeof encodeCanonical>[0]): Uint8Array => {
    const bytes = encodeCanonical(value)
    return encodeSignedFrame('SPND', {
      signatures: signaturesOf(signed[1]),
      length: bytes.length,
      content: pack(bytes),
    })
  }
  const from = verified[0].hash
  const found = { place: 2, ...FOUND }
  const named = { from, head: SECOND, left: [] as number[], remeasured: [found], hubs: [VICTIM] }
  const diffOf = (changes: Partial<typeof named>): Uint8Array =>
    encodeMapDiff({ ...named, ...changes }, NETWORK_ID, signaturesOf(signed[1]))
  const bomb = pack(new Uint8Array(48 * 1024 * 1024))

  test('is taken if it tells the truth', async () => {
    lies.diff = () => diffOf({})
    expect((await fetchMap(heldMap()))?.bytes).toEqual(signed[1])
    expect(asked).toEqual(['/v1/head', '/v1/diffs/HASH/HASH'])
  })

  test.each<[string, () => Uint8Array]>([
    ['leaves a hub out', () => diffOf({ left: [1] })],
    ['keeps an old entry', () => diffOf({ hubs: [] })],
    ['adds a hub', () => diffOf({ hubs: [VICTIM, mapHubOf(new Uint8Array(32).fill(99))] })],
    ['changes an entry', () => diffOf({ hubs: [{ ...VICTIM, operator: 'evil' }] })],
    ['has another head', () => diffOf({ head: { ...SECOND, validUntil: SECOND.validUntil + 1 } })],
    ['is for another map', () => diffOf({ from: verified[1].hash })],
    ['has another capacity', () => diffOf({ remeasured: [{ ...found, capacityKbits: 0xffff_ffff }] })],
    [
      'clears a doubt',
      () => diffOf({ remeasured: [{ ...found, measured: { ...found.measured, doubts: NO_DOUBTS } }] }),
    ],
    ['keeps an old measurement', () => diffOf({ remeasured: [] })],
    ['measures another hub', () => diffOf({ remeasured: [{ ...found, place: 1 }] })],
    ['measures a hub more', () => diffOf({ remeasured: [{ ...found, place: 1 }, found] })],
    ['measures a hub that it replaces', () => diffOf({ remeasured: [{ ...found, place: 0 }, found] })],
    ['measures a hub that left', () => diffOf({ left: [2] })],
    ['measures hubs that there are not', () => diffOf({ remeasured: [found, { ...found, place: 20_000 }] })],
    ['is deep', () => body([1, from, [[[[[[[[1]]]]]]]], [], [], []])],
    [
      'unpacks to much more than it says',
      () => encodeSignedFrame('SPND', { signatures: [], length: 100, content: bomb }),
    ],
    [
      'unpacks to as much as a map may have',
      () => encodeSignedFrame('SPND', { signatures: [], length: 48 * 1024 * 1024, content: bomb }),
    ],
  ])('that %s costs the client a request, and gives it no other map', async (_, diff) => {
    lies.diff = diff
    expect((await fetchMap(heldMap()))?.bytes).toEqual(signed[1])
    expect(asked).toEqual(['/v1/head', '/v1/diffs/HASH/HASH', '/v1/maps/HASH'])
  })

  test('of ten megabytes is refused in the time that it takes to read it', async () => {
    const policy = Array.from({ length: 256 }, () => [1, new Uint8Array(0), 0, 1, 65_535])
    const bytes = encodeCanonical([
      1,
      from,
      [],
      [],
      [],
      Array.from({ length: 4_000 }, () => [new Uint8Array(32), [], 1, policy]),
    ])
    expect(bytes.length).toBeGreaterThan(8_000_000)
    lies.diff = () => encodeSignedFrame('SPND', { signatures: [], length: bytes.length, content: pack(bytes) })
    expect((await fetchMap(heldMap()))?.bytes).toEqual(signed[1])
  }, 60_000)
})

describe('a whole map that an evil directory made', () => {
  test('with a hub twice is refused, although enough signed it', async () => {
    const twice = mapOf({ epoch: EPOCH + 1, hubs: [VICTIM, VICTIM] })
    const bytes = signMap(twice, SIGNERS)
    lies.map = () => bytes
    expect((await rejectionOf(fetchMap())).code).toBe('encoding-invalid')
  })

  test('of the epoch before is not taken for the newest', async () => {
    lies.map = () => signed[0]
    expect((await rejectionOf(fetchMap())).code).toBe('encoding-invalid')
  })

  test('with a signature that is wrong is refused', async () => {
    const read = verified[1].bytes.slice()
    const bodyOf = read.slice(10 + 2 * 96)
    const wrong = signMapBody(bodyOf.slice(1), ONE!, NETWORK_ID)
    lies.map = () => encodeSignedMap(bodyOf, [wrong, signMapBody(bodyOf, keys[1]!, NETWORK_ID)])
    expect((await rejectionOf(fetchMap())).code).toBe('signature-invalid')
  })
})
