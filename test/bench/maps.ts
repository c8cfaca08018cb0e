/** What a large map costs: bytes of map, keys and diffs, time of directory and client, memory of a client that takes it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PublishedMap } from '../../directory/consensus/consensus.ts'
import { MapArchive } from '../../directory/map-archive.ts'
import { SqliteStore } from '../../directory/sqlite-store.ts'
import { concatBytes } from '../../shared/base/bytes.ts'
import { sortHubs } from '../../shared/map/hub-map.ts'
import type { KeyedHub } from '../../shared/map/key-bundles.ts'
import { applyKeyDiff } from '../../shared/map/key-diff.ts'
import { applyMapDiff } from '../../shared/map/map-diff.ts'
import { UnverifiedMap } from '../../shared/map/signed-map.ts'
import { runAsClient } from '../support/as-client.ts'
import { EPOCH, EPOCH_S } from '../support/map-fixtures.ts'
import { BENCH_NETWORK } from './bench-network.ts'
import { anHourLater, generateHub, longKnown, publishedMap } from './generated-map.ts'
import { median, report } from './report.ts'

export interface MapBenchOptions {
  readonly hubs: number
  /** Share of the hubs that leave, and as many come, in an hour. */
  readonly churn: number
  /** Programs that take the map, one after the other; figures are medians. */
  readonly loads: number
}

const HOURS = 24

/** Hubs that stayed, of which something else was measured. */
function countRemeasured(old: readonly KeyedHub[], now: readonly KeyedHub[]): number {
  const found = new Map(old.map(({ key, capacityKbits, measured }) => [key, JSON.stringify([capacityKbits, measured])]))
  const texts = now.map(({ key, capacityKbits, measured }) => [
    found.get(key),
    JSON.stringify([capacityKbits, measured]),
  ])
  return texts.filter(([past, text]) => past !== undefined && past !== text).length
}

export async function benchMaps({ hubs: count, churn, loads }: MapBenchOptions): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'spn-maps-'))
  const store = new SqliteStore(join(folder, 'directory.sqlite'))
  try {
    const archive = new MapArchive(store, BENCH_NETWORK.id)
    let hubs = sortHubs(Array.from({ length: count }, generateHub)).map(longKnown)
    const remeasured: number[] = []
    let before: typeof hubs = []
    const maps: (PublishedMap & { putMs: number })[] = []
    for (let hour = 0; hour <= HOURS; hour++) {
      if (hour > 0) hubs = anHourLater(hubs, hour, churn)
      const map = publishedMap(hubs, hour)
      remeasured.push(countRemeasured(before, hubs))
      before = hubs
      const started = performance.now()
      await archive.put(map)
      maps.push({ ...map, putMs: performance.now() - started })
    }
    const [dayOld, hourOld, newest] = [maps[0]!, maps.at(-2)!, maps.at(-1)!]
    const diff = (await archive.diff(hourOld.hash, newest.hash))!
    const allKeys = concatBytes(...newest.bundles)
    const keyStarted = performance.now()
    const keyDiff = (await archive.keyDiff(hourOld.hash, newest.hash))!
    const keyMs = performance.now() - keyStarted
    report('map.hubs', count, 'hubs')
    report('map.full_bytes', newest.signed.length, 'bytes')
    report('map.diff1pct_bytes', diff.length, 'bytes')
    report('map.diff1pct_share_pct', (100 * diff.length) / newest.signed.length, '%')
    report('map.remeasured_share_pct', (100 * median(remeasured.slice(1))) / count, '%')
    report('map.diff_day_bytes', (await archive.diff(dayOld.hash, newest.hash))!.length, 'bytes')
    report('map.keys_bytes', allKeys.length, 'bytes')
    report('map.keys_diff_bytes', keyDiff.length, 'bytes')
    report('map.keys_diff_day_bytes', (await archive.keyDiff(dayOld.hash, newest.hash))!.length, 'bytes')
    report('map.publish_ms', newest.putMs, 'ms')
    report('map.keys_diff_make_ms', keyMs, 'ms')

    const timeOf = (hour: number): number => (EPOCH + hour) * EPOCH_S * 1000
    const held = new UnverifiedMap(hourOld.signed).verify(BENCH_NETWORK, timeOf(HOURS - 1)).withKeys(hourOld.bundles)
    const started = performance.now()
    const map = new UnverifiedMap(applyMapDiff(diff, held)).verify(BENCH_NETWORK, timeOf(HOURS), held)
    const applied = map.withKeys(applyKeyDiff(keyDiff, map, held))
    report('map.apply_diff_ms', performance.now() - started, 'ms')
    if (Buffer.compare(applied.bytes, newest.signed) !== 0) throw new Error('the diff made another map')

    const files = [join(folder, 'map'), join(folder, 'keys')] as const
    writeFileSync(files[0], newest.signed)
    writeFileSync(files[1], allKeys)
    const script = new URL('map-load.ts', import.meta.url).pathname
    const taken = Array.from({ length: loads }, () =>
      JSON.parse(runAsClient(script, [...files, String(timeOf(HOURS))])),
    ) as Record<'verifyMs' | 'keysMs' | 'beforeMib' | 'peakMib', number>[]
    const middle = (name: keyof (typeof taken)[number]): number => median(taken.map((one) => one[name]))
    report('map.verify_ms', middle('verifyMs'), 'ms')
    report('map.keys_check_ms', middle('keysMs'), 'ms')
    report('map.rss_before_mib', middle('beforeMib'), 'MiB')
    report('map.rss_mib', middle('peakMib'), 'MiB')
  } finally {
    await store.close()
    rmSync(folder, { recursive: true })
  }
}

if (import.meta.main) await benchMaps({ hubs: 10_000, churn: 0.01, loads: 3 })
