/** What it takes a client to join through hubs: bytes and time for map and keys over one link; and what that costs the hub. */
import { systemAfter } from '../../shared/base/after.ts'
import { systemClock } from '../../shared/base/clock.ts'
import { systemRandom } from '../../shared/base/random.ts'
import { LinkNode } from '../../shared/link/link-node.ts'
import { openLinkStream, serveLinkStreams } from '../../shared/link/link-stream.ts'
import { sortHubs } from '../../shared/map/hub-map.ts'
import { MapMirror } from '../../shared/map/map-mirror.ts'
import { MIRROR_PROTOCOL } from '../../shared/map/mirror-message.ts'
import { type HubMap, UnverifiedMap } from '../../shared/map/signed-map.ts'
import { MAX_UNREAD_BYTES, Mirror } from '../../shared/mirror/mirror.ts'
import { MirrorServer } from '../../shared/mirror/mirror-server.ts'
import { MirrorSource } from '../../shared/mirror/mirror-source.ts'
import { freePort } from '../net/free-port.ts'
import { EPOCH, EPOCH_S } from '../support/map-fixtures.ts'
import { BENCH_NETWORK } from './bench-network.ts'
import { anHourLater, generateHub, publishedMap } from './generated-map.ts'
import { report } from './report.ts'

const HERE = Uint8Array.of(127, 0, 0, 1)
const PLENTY = 1024 * 1024 * 1024

async function benchMirrors(count: number, churn: number): Promise<void> {
  const nowMs = (EPOCH + 1) * EPOCH_S * 1000 + 60_000
  const hubs = sortHubs(Array.from({ length: count }, generateHub))
  const published = [publishedMap(hubs, 0), publishedMap(anHourLater(hubs, 1, churn), 1)]
  const maps = published.map(({ signed, bundles }) =>
    new UnverifiedMap(signed).verify(BENCH_NETWORK, nowMs).withKeys(bundles),
  ) as [HubMap, HubMap]
  const documents = new MapMirror(BENCH_NETWORK.id)
  documents.take(maps[0])
  const taking = performance.now()
  documents.take(maps[1])
  report(`mirror${count}.take_ms`, performance.now() - taking, 'ms')
  const making = performance.now()
  const diff = documents.diff(maps[0].hash, maps[1].hash)
  report(`mirror${count}.make_diff_ms`, performance.now() - making, 'ms')
  report(`mirror${count}.map_bytes`, maps[1].bytes.length, 'bytes')
  report(`mirror${count}.keys_bytes`, maps[1].keys?.bundles.reduce((sum, { length }) => sum + length, 0) ?? 0, 'bytes')
  report(`mirror${count}.diff_bytes`, diff?.length ?? 0, 'bytes')

  const server = new MirrorServer(PLENTY, {
    ...{ documents, clock: systemClock, after: systemAfter, networkMs: () => nowMs, askTime: () => undefined },
  })
  const port = await freePort('127.0.0.1')
  const node = (listen: readonly { ip: Uint8Array; port: number }[]): LinkNode =>
    new LinkNode(
      {
        ...{ seed: systemRandom.bytes(32), networkId: BENCH_NETWORK.id, listen, listenNoise: [], agent: 'bench' },
        ...{ maxCircuitsPerLink: 1, maxLinks: 10, maxHeldBytes: 1024 * 1024 },
      },
      { clock: systemClock, onCircuit: (_, end) => end.abort() },
    )
  const [hub, client] = [node([{ ip: HERE, port }]), node([])]
  await Promise.all([hub.start(), client.start()])
  await serveLinkStreams(hub.libp2p, server.service)
  const id = hub.libp2p.peerId.publicKey?.raw as Uint8Array
  for (const [name, held] of [
    ['join', undefined],
    ['hour', maps[0]],
  ] as const) {
    const over = new AbortController()
    const started = performance.now()
    await client.dialAnother(id, [{ ip: HERE, port }], AbortSignal.timeout(10_000))
    const mirror = new Mirror(
      (signal) => openLinkStream(client.libp2p, id, MIRROR_PROTOCOL, MAX_UNREAD_BYTES, signal),
      over.signal,
    )
    const parts = { network: BENCH_NETWORK, clock: systemClock, random: systemRandom, after: systemAfter }
    const source = new MirrorSource([mirror], parts)
    const map = await source.fetchMap(nowMs, held, AbortSignal.timeout(60_000))
    if (map === undefined) throw new Error('no map')
    await source.fetchKeys(map, held, AbortSignal.timeout(60_000))
    report(`mirror${count}.${name}_ms`, performance.now() - started, 'ms')
    report(`mirror${count}.${name}_bytes`, mirror.receivedBytes, 'bytes')
    over.abort()
  }
  await Promise.all([hub.close(), client.close()])
}

for (const count of [1_000, 10_000]) await benchMirrors(count, 0.01)
process.exit()
