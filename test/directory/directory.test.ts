import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { HubLists, ListEntry } from '../../directory/admission/hub-lists.ts'
import { writeListFile } from '../../directory/admission/list-file.ts'
import { mapExportSchema } from '../../directory/api-schemas.ts'
import { Directory, type DirectoryParts } from '../../directory/directory.ts'
import { directoryOptionsSchema } from '../../directory/options.ts'
import { SqliteStore } from '../../directory/sqlite-store.ts'
import type { Store, StoredMap } from '../../directory/store.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { systemClock } from '../../shared/base/clock.ts'
import { Fault } from '../../shared/base/fault.ts'
import { silentLog } from '../../shared/base/log.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { askDaemon } from '../../shared/control/control-client.ts'
import { CircuitKeyPair } from '../../shared/crypto/circuit-key.ts'
import { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { OperatorKey } from '../../shared/crypto/operator-key.ts'
import { NOWHERE } from '../../shared/geo/locator.ts'
import { type LinkHandle, LinkNode } from '../../shared/link/link-node.ts'
import { type Descriptor, signDescriptor } from '../../shared/map/descriptor.ts'
import { directHttp } from '../../shared/map/direct-http.ts'
import { DirectoryClient } from '../../shared/map/directory-client.ts'
import type { HttpSend } from '../../shared/map/http-send.ts'
import { HUB_FLAGS } from '../../shared/map/hub-flags.ts'
import type { LinkAddress } from '../../shared/map/link-address.ts'
import type { Network } from '../../shared/map/network.ts'
import type { HubMap } from '../../shared/map/signed-map.ts'
import { freePort } from '../net/free-port.ts'
import { faultOf, rejectionOf } from '../support/fault-of.ts'
import { companionsOf } from '../support/map-documents.ts'
import { descriptorOf, EPOCH, EPOCH_S, NETWORK_ID, networkWith } from '../support/map-fixtures.ts'
import { until } from '../support/until.ts'

const HERE = Uint8Array.of(127, 0, 0, 1)
const PROBE_S = 600
const OTHER_CIRCUIT_KEY = CircuitKeyPair.generate().publicBytes

/** One directory and real hubs on loopback. Intervals and the wall clock move when the test says so. */
class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'spn-directory-'))
  readonly key: DirectoryKey
  readonly network: Network
  readonly port: number
  readonly hubs: LinkNode[] = []
  /** Hubs that did not answer at one of their addresses, as the log says. */
  readonly notReached: string[] = []
  readonly errors: string[] = []
  nowMs = EPOCH * EPOCH_S * 1000
  directory: Directory | undefined
  store: Store | undefined

  constructor(port: number) {
    const { network, keys } = networkWith(1, 1, { testNetwork: true })
    this.port = port
    this.key = keys[0] as DirectoryKey
    const directories = network.directories.map((one) => ({ ...one, url: `http://127.0.0.1:${port}` }))
    this.network = { ...network, directories }
  }

  options(changes: Record<string, unknown> = {}) {
    return directoryOptionsSchema.parse({
      ...{ networkFile: 'network.json', stateDir: this.folder, listen: `127.0.0.1:${this.port}` },
      ...{ epochSeconds: EPOCH_S, probeSeconds: PROBE_S, addressScope: ['127.0.0.0/8'] },
      ...changes,
    })
  }

  parts(changes: Partial<DirectoryParts> = {}): DirectoryParts {
    return {
      ...{
        network: this.network,
        key: this.key,
        locator: NOWHERE,
        clock: systemClock,
        random: systemRandom,
      },
      store: this.store ?? new SqliteStore(':memory:'),
      log: {
        ...silentLog,
        warn: (_, fields) => void this.notReached.push(String(fields?.hub)),
        error: (message) => void this.errors.push(message),
      },
      wallClock: () => this.nowMs,
      ...changes,
    }
  }

  async start(changes: Record<string, unknown> = {}): Promise<void> {
    this.store = new SqliteStore(join(this.folder, 'directory.sqlite'))
    this.directory = new Directory(this.options(changes), this.parts())
    await this.directory.start()
  }

  /** Also in the eyes of `fetch`, which may still hold a connection to it. */
  async stop(): Promise<void> {
    await this.directory?.close()
    this.directory = undefined
    const url = `http://127.0.0.1:${this.port}/healthz`
    await directHttp({ method: 'GET', url, maxBytes: 1_000 }, AbortSignal.timeout(20_000)).catch(() => undefined)
  }

  async hub(
    key = HubKey.generate(),
    listenNoise: readonly LinkAddress[] = [],
    onLink: (handle: LinkHandle) => void = () => undefined,
  ): Promise<{ key: HubKey; port: number; node: LinkNode }> {
    const port = await freePort('127.0.0.1')
    const node = new LinkNode(
      {
        ...{ seed: key.toSeed(), networkId: NETWORK_ID, listen: [{ ip: HERE, port }], listenNoise },
        ...{ maxCircuitsPerLink: 1, maxLinks: 10, maxHeldBytes: 1024 * 1024, agent: 'spn' },
      },
      { clock: systemClock, onLink, onCircuit: (_, end) => end.abort() },
    )
    await node.start()
    this.hubs.push(node)
    return { key, port, node }
  }

  describe(key: HubKey, ports: readonly number[], changes: Partial<Descriptor> = {}): Descriptor {
    const now = Math.floor(this.nowMs / 1000)
    const linkAddresses = ports.map((port) => ({ ip: HERE, port }))
    return descriptorOf(key, { sequence: now, published: now, expires: now + 6 * EPOCH_S, linkAddresses, ...changes })
  }

  async publish(key: HubKey, descriptor: Descriptor): Promise<void> {
    await this.#client().publish(directHttp, signDescriptor(descriptor, key, NETWORK_ID), AbortSignal.timeout(20_000))
  }

  fetchMap(held?: HubMap, send: HttpSend = directHttp): Promise<HubMap | undefined> {
    return this.#client().fetchMap(send, this.nowMs, held, AbortSignal.timeout(20_000))
  }

  fetchKeys(map: HubMap, held?: HubMap, send: HttpSend = directHttp): Promise<HubMap> {
    return this.#client().fetchKeys(send, map, held, AbortSignal.timeout(20_000))
  }

  /** Time passes: the wall clock, and the intervals of the directory. */
  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.nowMs += 1_000
      await jest.advanceTimersByTimeAsync(1_000)
    }
  }

  #client(): DirectoryClient {
    return new DirectoryClient(this.network, { clock: systemClock, random: systemRandom })
  }
}

let scene: Scene
beforeEach(async () => {
  const real = [
    'setTimeout',
    'clearTimeout',
    'setImmediate',
    'clearImmediate',
    'nextTick',
    'queueMicrotask',
    'Date',
  ] as const
  jest.useFakeTimers({ doNotFake: [...real, 'performance', 'hrtime'] })
  scene = new Scene(await freePort('127.0.0.1'))
})
afterEach(async () => {
  await scene.stop()
  for (const hub of scene.hubs) await hub.close()
  jest.useRealTimers()
  rmSync(scene.folder, { recursive: true })
})

describe('a directory', () => {
  test('has no map until it reached a hub, then waits for others, then publishes one a epoch', async () => {
    await scene.start()
    const [a, b] = [await scene.hub(), await scene.hub()]
    expect((await rejectionOf(scene.fetchMap())).details).toMatchObject({ status: 503 })
    await scene.publish(a.key, scene.describe(a.key, [a.port]))
    await until(async () => (await scene.store!.probes()).length === 1)
    await scene.pass(29)
    expect(scene.store!.latestMap()).toBeUndefined()
    await scene.publish(b.key, scene.describe(b.key, [b.port]))
    await until(async () => (await scene.store!.probes()).length === 2)
    await scene.pass(2)

    const first = (await scene.fetchMap())!
    expect(first.content).toMatchObject({ epoch: EPOCH, previousHash: new Uint8Array(32) })
    expect(first.content.hubs).toHaveLength(2)
    expect(first.hub(a.key.publicBytes)?.linkAddresses).toEqual([{ ip: HERE, port: a.port }])

    await scene.pass(EPOCH_S)
    const second = (await scene.fetchMap())!
    expect(second.content.epoch).toBe(EPOCH + 1)
    expect(second.content.previousHash).toEqual(new Uint8Array(first.hash))
  })

  test('takes into the map no address at which the hub itself does not answer', async () => {
    await scene.start()
    const [a, b] = [await scene.hub(), await scene.hub()]
    const liar = HubKey.generate()
    const nobody = await freePort('127.0.0.1')
    await scene.publish(liar, scene.describe(liar, [b.port]))
    await scene.publish(a.key, scene.describe(a.key, [nobody, b.port, a.port]))
    await scene.publish(b.key, scene.describe(b.key, [b.port]))
    await until(async () => (await scene.store!.probes()).length >= 2 && scene.notReached.length === 3)
    expect(scene.notReached.toSorted()).toEqual(
      [liar, a.key, a.key].map(({ publicBytes }) => toHex(publicBytes)).toSorted(),
    )
    await scene.pass(31)
    const map = (await scene.fetchMap())!
    expect(map.content.hubs).toHaveLength(2)
    expect(map.hub(a.key.publicBytes)?.linkAddresses).toEqual([{ ip: HERE, port: a.port }])
    expect(map.hub(liar.publicBytes)).toBeUndefined()
  })

  test('takes into the map the noise addresses at which the hub itself answers over noise', async () => {
    await scene.start()
    const noise = { ip: HERE, port: await freePort('127.0.0.1') }
    const [a, b] = [await scene.hub(HubKey.generate(), [noise]), await scene.hub()]
    const wrong = { ip: HERE, port: b.port }
    await scene.publish(a.key, scene.describe(a.key, [a.port], { noiseAddresses: [wrong, noise] }))
    await scene.publish(b.key, scene.describe(b.key, [b.port], { noiseAddresses: [noise] }))
    await until(async () => (await scene.store!.probes()).length >= 3 && scene.notReached.length === 2)
    await scene.pass(31)
    const map = (await scene.fetchMap())!
    expect(map.hub(a.key.publicBytes)).toMatchObject({
      linkAddresses: [{ ip: HERE, port: a.port }],
      noiseAddresses: [noise],
    })
    expect(map.hub(b.key.publicBytes)?.noiseAddresses).toEqual([])
  })

  test('leaves out a hub that failed twice in a row, and takes it back when it answers', async () => {
    await scene.start()
    const [a, b] = [await scene.hub(), await scene.hub()]
    for (const { key, port } of [a, b]) await scene.publish(key, scene.describe(key, [port]))
    await until(async () => (await scene.store!.probes()).length === 2)
    await scene.pass(31)
    expect((await scene.fetchMap())!.content.hubs).toHaveLength(2)
    const failuresOf = async (port: number): Promise<number> =>
      (await scene.store!.probes()).find(({ address }) => address.port === port)!.failures
    await b.node.close()
    await scene.pass(PROBE_S)
    await until(async () => (await failuresOf(b.port)) === 1)
    await scene.pass(PROBE_S)
    await until(async () => (await failuresOf(b.port)) === 2)
    expect(await failuresOf(a.port)).toBe(0)
    await scene.pass(EPOCH_S - 2 * PROBE_S)
    const without = (await scene.fetchMap())!
    expect(without.content.epoch).toBe(EPOCH + 1)
    expect(without.content.hubs.map(({ id }) => id)).toEqual([a.key.publicBytes])
  })

  test('serves the map of before after a restart, and goes on with the chain of hashes', async () => {
    await scene.start()
    const hub = await scene.hub()
    await scene.publish(hub.key, scene.describe(hub.key, [hub.port]))
    await until(async () => (await scene.store!.probes()).length === 1)
    await scene.pass(31)
    const before = (await scene.fetchMap())!
    await scene.stop()
    await scene.start()
    expect((await scene.fetchMap())!.bytes).toEqual(before.bytes)
    await scene.pass(EPOCH_S)
    expect((await scene.fetchMap())!.content.previousHash).toEqual(new Uint8Array(before.hash))
  })

  test('has a diff from every map of a day to the newest, and their keys, over HTTP and after a restart', async () => {
    await scene.start()
    const [a, b] = [await scene.hub(), await scene.hub()]
    const asked: string[] = []
    const send: HttpSend = (request, signal) => {
      asked.push(new URL(request.url).pathname.replace(/[0-9a-f]{64}/g, 'HASH'))
      return directHttp(request, signal)
    }
    await scene.publish(a.key, scene.describe(a.key, [a.port], { expires: Math.floor(scene.nowMs / 1000) + 86_400 }))
    await until(async () => (await scene.store!.probes()).length === 1)
    await scene.pass(31)
    const first = await scene.fetchKeys((await scene.fetchMap(undefined, send))!, undefined, send)
    expect(asked.splice(0)).toEqual(['/v1/head', '/v1/maps/HASH', '/v1/keys/HASH'])

    await scene.publish(b.key, scene.describe(b.key, [b.port], { circuitKey: new Uint8Array(OTHER_CIRCUIT_KEY) }))
    await until(async () => (await scene.store!.probes()).length === 2)
    await scene.pass(EPOCH_S)
    await scene.stop()
    await scene.start()
    const next = await scene.fetchKeys((await scene.fetchMap(first, send))!, first, send)
    expect(asked.splice(0)).toEqual(['/v1/head', '/v1/diffs/HASH/HASH', '/v1/keys/HASH/HASH'])
    expect(next.bytes).toEqual((await scene.fetchMap())!.bytes)
    expect(next.content.hubs).toHaveLength(2)
    expect(next.keys!.of({ key: toHex(b.key.publicBytes) })!.bytes).toEqual(OTHER_CIRCUIT_KEY)
    expect(await scene.fetchMap(next, send)).toBeUndefined()
    expect(asked.splice(0)).toEqual(['/v1/head'])

    await scene.pass(EPOCH_S * 24)
    const last = (await scene.fetchMap(next, send))!
    await scene.fetchMap(first, send)
    expect(asked).toEqual(['/v1/head', '/v1/diffs/HASH/HASH', '/v1/head', '/v1/diffs/HASH/HASH', '/v1/maps/HASH'])
    expect([last.content.epoch, last.content.hubs.length]).toEqual([first.content.epoch + 25, 0])
  })

  test('forgets hubs whose descriptor expired', async () => {
    await scene.start()
    const hub = await scene.hub()
    await scene.publish(
      hub.key,
      scene.describe(hub.key, [hub.port], { expires: Math.floor(scene.nowMs / 1000) + EPOCH_S }),
    )
    await until(async () => (await scene.store!.probes()).length === 1)
    await scene.pass(31)
    expect((await scene.fetchMap())!.content.hubs).toHaveLength(1)
    await scene.pass(EPOCH_S)
    expect((await scene.fetchMap())!.content.hubs).toEqual([])
  })

  test('goes on with the map that it has while its disk is full, says so, and publishes again afterwards', async () => {
    await scene.start()
    const hub = await scene.hub()
    await scene.publish(hub.key, scene.describe(hub.key, [hub.port]))
    await until(async () => (await scene.store!.probes()).length === 1)
    await scene.pass(31)
    const before = (await scene.fetchMap())!
    const { store } = scene
    store!.putMap = async () => {
      throw new Error('database or disk is full')
    }
    await scene.pass(EPOCH_S)
    expect(scene.errors).toContain('map not published')
    expect((await scene.fetchMap())!.bytes).toEqual(before.bytes)
    Reflect.deleteProperty(store!, 'putMap')
    await scene.pass(2)
    expect((await scene.fetchMap())!.content.epoch).toBe(EPOCH + 1)
  })

  test('dials hubs with its own key, by which they can tell it from a stranger', async () => {
    await scene.start()
    const peers: string[] = []
    const hub = await scene.hub(HubKey.generate(), [], (handle) => peers.push(toHex(handle.peerKey)))
    await scene.publish(hub.key, scene.describe(hub.key, [hub.port]))
    await until(async () => (await scene.store!.probes()).length === 1)
    expect(peers).toEqual([toHex(scene.key.publicBytes)])
  })

  test('leaves a hub that its operator bans out of the next map, without a restart, and says why', async () => {
    const operator = OperatorKey.generate()
    const file = join(scene.folder, 'lists')
    const lists = { file, operatorKey: toHex(operator.publicBytes) }
    const listsWith = (number: number, verdict: ListEntry['verdict'], key: HubKey): HubLists => ({
      number,
      entries: [{ verdict, subject: 'hub', value: toHex(key.publicBytes), reason: 'it lies' }],
    })
    await scene.start({ lists })
    const [a, b] = [await scene.hub(), await scene.hub()]
    for (const { key, port } of [a, b]) await scene.publish(key, scene.describe(key, [port]))
    await until(async () => (await scene.store!.probes()).length === 2)
    writeListFile(file, listsWith(1, 'discouraged', a.key), operator, NETWORK_ID)
    await scene.pass(31)
    expect((await scene.fetchMap())!.hub(a.key.publicBytes)?.flags).toBe(HUB_FLAGS.discouraged)
    writeListFile(file, listsWith(2, 'banned', a.key), operator, NETWORK_ID)
    await scene.pass(EPOCH_S)
    expect((await scene.fetchMap())!.content.hubs.map(({ key }) => key)).toEqual([toHex(b.key.publicBytes)])

    const socket = join(scene.folder, 'control.sock')
    expect(statSync(socket).mode & 0o777).toBe(0o600)
    const id = toHex(a.key.publicBytes)
    expect(await askDaemon(socket, 'hub', { id })).toMatchObject({
      ...{ hub: id, state: 'not in the map', leftOut: 'banned', listed: 'banned: it lies' },
      addresses: [{ address: `127.0.0.1:${a.port}`, failuresSince: 0 }],
    })
    expect(await askDaemon(socket, 'hub', { id: toHex(b.key.publicBytes) })).toMatchObject({ state: 'in the map' })
    const stranger = { id: '00'.repeat(32) }
    expect(await askDaemon(socket, 'hub', stranger)).toMatchObject({
      state: expect.stringMatching(/^unknown: .*the log of the hub/),
    })
    expect((await rejectionOf(askDaemon(socket, 'hub', { id: 'x' }))).details.mistakes).toMatch(/64 hexadecimal digits/)
    expect(await askDaemon(socket, 'status')).toMatchObject({
      ...{ key: toHex(scene.key.publicBytes), epoch: EPOCH + 1, mapHubs: 1, descriptors: 2, unproved: 0 },
      lists: { number: 2, entries: 1 },
    })
  })

  test('answers Prometheus where it is told to, and nobody elsewhere', async () => {
    const port = await freePort('127.0.0.1')
    await scene.start({ metricsListen: `127.0.0.1:${port}` })
    const ask = (at: number) =>
      directHttp(
        { method: 'GET', url: `http://127.0.0.1:${at}/metrics`, maxBytes: 100_000 },
        AbortSignal.timeout(20_000),
      )
    const { status, body } = await ask(port)
    expect([status, Buffer.from(body).toString()]).toEqual([200, expect.stringContaining('spn_directory_map_hubs 0\n')])
    expect((await ask(scene.port)).status).toBe(404)
  })

  test('keeps a record of a hub from its first probe on', async () => {
    await scene.start()
    const hub = await scene.hub()
    await scene.publish(hub.key, scene.describe(hub.key, [hub.port]))
    await until(async () => (await scene.store!.probes()).length === 1)
    await scene.stop()
    const again = new SqliteStore(join(scene.folder, 'directory.sqlite'))
    expect((await again.records()).map(({ hubId }) => toHex(hubId))).toEqual([toHex(hub.key.publicBytes)])
    await again.close()
  })

  test('answers Prometheus and its operator also while the store does not answer', async () => {
    const port = await freePort('127.0.0.1')
    await scene.start({ metricsListen: `127.0.0.1:${port}` })
    const away = () => Promise.reject(new Fault('store-unreachable'))
    Object.assign(scene.store!, { hubCount: away })
    Object.assign(scene.store!.unproved, { all: away })
    const url = `http://127.0.0.1:${port}/metrics`
    const { status, body } = await directHttp({ method: 'GET', url, maxBytes: 100_000 }, AbortSignal.timeout(20_000))
    expect([status, Buffer.from(body).toString()]).toEqual([
      200,
      expect.stringContaining('spn_directory_map_epoch 0\n'),
    ])
    expect(await askDaemon(`${scene.folder}/control.sock`, 'status')).toMatchObject({
      mapHubs: 0,
      lists: { number: 0 },
    })
  })

  test('is ready with a map that may be used and a store that takes what is written, and lives in any case', async () => {
    await scene.start()
    const ask = async (path: string) => {
      const url = `http://127.0.0.1:${scene.port}${path}`
      const { status, body } = await directHttp({ method: 'GET', url, maxBytes: 10_000 }, AbortSignal.timeout(20_000))
      return [status, JSON.parse(Buffer.from(body).toString())]
    }
    expect(await ask('/readyz')).toEqual([503, { ok: false, map: false, store: true }])
    expect(await ask('/healthz')).toMatchObject([200, { ok: true }])
    const hub = await scene.hub()
    await scene.publish(hub.key, scene.describe(hub.key, [hub.port]))
    await until(async () => (await scene.store!.probes()).length === 1)
    await scene.pass(31)
    expect(await ask('/readyz')).toEqual([200, { ok: true, map: true, store: true }])
    const [, exported] = await ask('/v1/map.json')
    expect(mapExportSchema.safeParse(exported).error).toBeUndefined()
    expect(exported).toMatchObject({ epoch: EPOCH, hubs: [{ id: toHex(hub.key.publicBytes) }] })
  })

  test('can be closed twice, and before it was started', async () => {
    const directory = new Directory(scene.options(), scene.parts())
    await Promise.all([directory.close(), directory.close()])
  })
})

function putMap(store: Store, map: StoredMap): Promise<void> {
  return store.putMap(map, companionsOf(map))
}

describe('a directory does not start', () => {
  const mistakesOf = (options: Record<string, unknown>, parts: Partial<DirectoryParts>): string[] =>
    String(faultOf(() => new Directory(scene.options(options), scene.parts(parts))).details.mistakes).split('\n')

  test('with a key, a scope and an epoch that do not fit, and says so of all', async () => {
    const store = new SqliteStore(':memory:')
    await putMap(store, { epoch: EPOCH * 60, hash: new Uint8Array(32), signed: new Uint8Array(1) })
    const network = { ...scene.network, testNetwork: false }
    expect(mistakesOf({}, { key: DirectoryKey.generate(), network, store })).toEqual([
      'networkFile: expected the key of this directory among its directories',
      'addressScope: expected none, because the network file does not say "testNetwork": true',
      expect.stringMatching(/^epochSeconds: /),
    ])
  })

  test('with an epoch so long that the last map would never be followed by another', async () => {
    const store = new SqliteStore(':memory:')
    await putMap(store, { epoch: EPOCH, hash: new Uint8Array(32), signed: new Uint8Array(1) })
    expect(mistakesOf({ epochSeconds: EPOCH_S * 2 }, { store })).toHaveLength(1)
    expect(() => new Directory(scene.options(), scene.parts({ store }))).not.toThrow()
    expect(() => new Directory(scene.options({ epochSeconds: EPOCH_S / 2 }), scene.parts({ store }))).not.toThrow()
  })

  test('where its port is taken', async () => {
    await scene.start()
    const other = new Directory(scene.options(), scene.parts({ store: new SqliteStore(':memory:') }))
    expect((await rejectionOf(other.start())).code).toBe('port-in-use')
    await other.close()
  })
})
