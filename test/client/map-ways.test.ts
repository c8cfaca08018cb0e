import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { HomeLink } from '../../client/home-link.ts'
import { MapWays } from '../../client/map-ways.ts'
import { systemClock } from '../../shared/base/clock.ts'
import { NetworkTime } from '../../shared/base/network-time.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { DirectoryClient } from '../../shared/map/directory-client.ts'
import type { HttpSend } from '../../shared/map/http-send.ts'
import { sortHubs } from '../../shared/map/hub-map.ts'
import { type KeyedHub, makeKeyBundles } from '../../shared/map/key-bundles.ts'
import { type HubMap, UnverifiedMap } from '../../shared/map/signed-map.ts'
import { rejectionOf } from '../support/fault-of.ts'
import { NODE_NETWORK_ID, type TestNode } from '../support/link-nodes.ts'
import { EPOCH, mapHubOf, mapOf, NOW_MS, networkWith, signMap } from '../support/map-fixtures.ts'
import { MirrorScene } from '../support/mirror-scene.ts'

const { network, keys } = networkWith(1, 1, { id: NODE_NETWORK_ID })
const directly: HttpSend = () => Promise.reject(new Error('directly'))
const circuits: HttpSend = () => Promise.reject(new Error('through circuits'))
const NEVER_MS = 60_000

function signed(epoch: number, hubs: readonly KeyedHub[]): HubMap {
  const map = mapOf({ epoch, hubs: sortHubs(hubs) })
  return new UnverifiedMap(signMap(map, keys, NODE_NETWORK_ID))
    .verifyOfAnyTime(network)
    .withKeys(makeKeyBundles(map.hubs))
}
const newest = signed(EPOCH, [mapHubOf(new Uint8Array(32).fill(1))])
const hubAt = ({ id, address }: TestNode, changes: Partial<KeyedHub> = {}): KeyedHub =>
  mapHubOf(id, { linkAddresses: [address], ...changes })

let scene: MirrorScene
beforeEach(() => {
  scene = new MirrorScene(network)
})
afterEach(() => scene.close())

interface Has {
  readonly home?: TestNode
  readonly homes?: readonly Uint8Array[]
  readonly bootstrap?: readonly TestNode[]
}

function ways({ home, homes = [], bootstrap = [] }: Has = {}): MapWays {
  const time = new NetworkTime()
  time.set(NOW_MS, systemClock.now())
  const hubs = bootstrap.map(({ id, address }) => ({ id, linkAddresses: [address], noiseAddresses: [] }))
  const homeLink = {
    home: home && { hub: hubAt(home) },
    openStream: (_protocol: string, _maxUnread: number, signal: AbortSignal) => scene.stream(home as TestNode, signal),
  } as unknown as HomeLink
  return new MapWays({
    ...{ network: { ...network, hubs }, transport: 'tls', clock: systemClock, time, random: systemRandom },
    ...{ homeLink, homes: () => homes, directHttp: directly, throughCircuits: circuits },
    directories: new DirectoryClient(network, { clock: systemClock, random: systemRandom }),
  })
}

const mapBy = (one: MapWays, held?: HubMap): Promise<HubMap | undefined> => {
  const signal = AbortSignal.timeout(NEVER_MS)
  return one.useMirrors(held, (source) => source.fetchMap(NOW_MS, held, signal), signal)
}
/** A map of which some hubs are left, and that is over. */
const over = (hubs: readonly KeyedHub[]): HubMap => signed(EPOCH - 9, hubs)

describe('a client with a valid map', () => {
  test('goes through circuits as soon as it has a home link, and waits until then', async () => {
    const { node } = await scene.honest([newest])
    const before = node.links.length
    expect(ways({ bootstrap: [node] }).toDirectories(newest)).toBeUndefined()
    expect((await rejectionOf(mapBy(ways({ bootstrap: [node] }), newest))).code).toBe('directory-unreachable')
    expect(node.links).toHaveLength(before)
    expect(ways({ home: node }).toDirectories(newest)).toBe(circuits)
  })

  test('asks its home hub on the home link, and nobody else', async () => {
    const before = signed(EPOCH - 1, [mapHubOf(new Uint8Array(32).fill(1))])
    const [home, other] = [await scene.honest([before, newest]), await scene.honest([newest])]
    const dialled = home.node.links.length
    expect((await mapBy(ways({ home: home.node, bootstrap: [other.node] }), before))?.hash).toEqual(newest.hash)
    expect(home.node.links).toHaveLength(dialled)
    const readers = ways({ home: home.node }).readers(AbortSignal.timeout(NEVER_MS))
    expect(readers).toHaveLength(1 + network.directories.length)
    expect((await readers[0]?.head())?.epoch).toBe(EPOCH)
    expect(ways().readers(AbortSignal.timeout(NEVER_MS))).toEqual([])
  })
})

describe('a client without a valid map', () => {
  test('goes to directories directly, and to the hubs of the network file', async () => {
    const { node } = await scene.honest([newest])
    expect(ways().toDirectories(undefined)).toBe(directly)
    expect((await mapBy(ways({ bootstrap: [node] })))?.hash).toEqual(newest.hash)
    expect((await rejectionOf(mapBy(ways()))).code).toBe('directory-unreachable')
  })

  test('goes to the hubs of a map that is over, with a new identity, and lets go of them', async () => {
    const { node } = await scene.honest([newest])
    const asker = node.links.length
    expect(ways().toDirectories(over([hubAt(node)]))).toBe(directly)
    for (let i = 0; i < 2; i++) expect((await mapBy(ways(), over([hubAt(node)])))?.hash).toEqual(newest.hash)
    const own = node.links.slice(asker).map(({ peerKey }) => Buffer.from(peerKey).toString('hex'))
    expect([own.length, new Set(own).size]).toEqual([2, 2])
  })

  test('begins with its homes, and dials no hub that takes no clients', async () => {
    const [home, other, relay] = [await scene.honest([newest]), await scene.honest([]), await scene.honest([newest])]
    const roles = { home: false, relay: true, exit4: false, exit6: false }
    const map = over([hubAt(home.node), hubAt(other.node), hubAt(relay.node, { roles })])
    const before = relay.node.links.length
    expect((await mapBy(ways({ homes: [home.node.id] }), map))?.hash).toEqual(newest.hash)
    expect(relay.node.links).toHaveLength(before)
  })

  test('passes over a hub that moved, and over somebody else at its address', async () => {
    const { node } = await scene.honest([newest])
    const stranger = hubAt(node, { id: new Uint8Array(32).fill(9) })
    const moved = mapHubOf(new Uint8Array(32).fill(8), { linkAddresses: [{ ip: node.address.ip, port: 1 }] })
    const map = over([{ ...stranger, key: '09'.repeat(32) }, moved])
    expect((await mapBy(ways({ bootstrap: [node] }), map))?.hash).toEqual(newest.hash)
  })
})
