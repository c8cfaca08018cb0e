import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { toHex } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import { createLog } from '../../shared/base/log.ts'
import type { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import { HeadWatch } from '../../shared/map/head-watch.ts'
import { encodeContradiction, verifyContradiction } from '../../shared/map/map-contradiction.ts'
import type { MapReader } from '../../shared/map/map-download.ts'
import { type HubMap, UnverifiedMap } from '../../shared/map/signed-map.ts'
import { faultOf } from '../support/fault-of.ts'
import { EPOCH, type KeyedMap, mapHubOf, mapOf, networkWith, signMap } from '../support/map-fixtures.ts'

/* More directories lie than the network can bear: they sign two maps of one epoch, and show them to different people. */

const { network, keys } = networkWith(3, 2)
const SIGNERS = keys.slice(0, 2)
const hubs = (fill: number) => [mapHubOf(new Uint8Array(32).fill(fill))]

function signed(map: KeyedMap, signers: readonly DirectoryKey[] = SIGNERS): HubMap {
  return new UnverifiedMap(signMap(map, signers)).verifyOfAnyTime({ ...network, threshold: signers.length })
}

const before = signed(mapOf({ epoch: EPOCH - 1, hubs: hubs(1) }))
const ours = signed(mapOf({ hubs: hubs(1), previousHash: before.hash }))
const theirs = signed(mapOf({ hubs: hubs(2), previousHash: before.hash }))

let folder: string
let proofFile: string
let logged: { level: string; message: string; maps?: string }[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-two-maps-'))
  proofFile = join(folder, 'contradiction')
  logged = []
})
afterEach(() => rmSync(folder, { recursive: true }))

const watch = (): HeadWatch =>
  new HeadWatch({
    ...{ network, proofFile },
    log: createLog('info', { write: (line) => void logged.push(JSON.parse(line)) }),
  })

/** Somebody who shows the first map as his newest, and has all of them. */
function shows(head: { content: { epoch: number }; hash: Uint8Array }, has: readonly HubMap[]): MapReader {
  const nothing = (): Promise<never> => Promise.reject(new Fault('not-found'))
  return {
    head: () => Promise.resolve({ epoch: head.content.epoch, hash: head.hash }),
    map: (hash) => {
      const found = has.find((map) => toHex(map.hash) === toHex(hash))
      return found === undefined ? nothing() : Promise.resolve(found.bytes)
    },
    ...{ diff: nothing, keys: nothing, keyDiff: nothing },
  }
}
const silent: MapReader = { ...shows(ours, []), head: () => Promise.reject(new Fault('directory-unreachable')) }

describe('two maps of one epoch', () => {
  test('are found among many who show the same or nothing, logged, and kept for whoever asks later', async () => {
    const first = watch()
    await first.compare([silent, shows(ours, [ours]), shows(before, [before]), shows(theirs, [theirs])], [ours, before])
    expect(first.contradiction?.maps.map(({ hash }) => hash)).toEqual([ours.hash, theirs.hash])
    const said = {
      level: 'error',
      message: 'directories signed two hub maps of one epoch',
      maps: `${toHex(ours.hash)} ${toHex(theirs.hash)}`,
    }
    expect(logged).toEqual([expect.objectContaining(said)])

    const later = watch()
    expect(later.contradiction?.epoch).toBe(EPOCH)
    expect(logged).toEqual([expect.objectContaining(said), expect.objectContaining(said)])
    const proof = verifyContradiction(readFileSync(proofFile), network)
    expect(proof.maps.map(({ bytes }) => bytes)).toEqual([ours.bytes, theirs.bytes])
  })

  test('are found for the epoch before, too', async () => {
    const other = signed(mapOf({ epoch: EPOCH - 1, hubs: hubs(3) }))
    const one = watch()
    await one.compare([shows(other, [other])], [ours, before])
    expect(one.contradiction?.epoch).toBe(EPOCH - 1)
  })

  test('are found where a map does not go on from the one that was held', async () => {
    const newest = signed(mapOf({ epoch: EPOCH + 1, hubs: hubs(1), previousHash: theirs.hash }))
    const one = watch()
    await one.compare([shows(newest, [newest, theirs])], [newest, ours])
    expect(one.contradiction?.maps.map(({ hash }) => hash)).toEqual([ours.hash, theirs.hash])
    expect(logged[0]).toMatchObject({ level: 'warn', message: 'the hub map does not name the one before it' })
  })
})

describe('no proof', () => {
  test.each<[string, MapReader[], HubMap[]]>([
    ['a head without its map', [shows(theirs, [])], [ours]],
    [
      'a map that too few signed',
      [shows(theirs, [signed(mapOf({ hubs: hubs(2), previousHash: before.hash }), keys.slice(0, 1))])],
      [ours],
    ],
    [
      'a map of another epoch under the hash',
      [shows({ content: { epoch: EPOCH }, hash: before.hash }, [before])],
      [ours],
    ],
    ['another map in its place', [{ ...shows(theirs, []), map: () => Promise.resolve(ours.bytes) }], [ours]],
    ['a newer map', [shows(signed(mapOf({ epoch: EPOCH + 1 })), [])], [ours, before]],
    [
      'an epoch that was skipped',
      [shows(ours, [before, ours])],
      [signed(mapOf({ epoch: EPOCH + 2, previousHash: before.hash })), ours],
    ],
    ['a map that names one which nobody has', [shows(ours, [ours])], [signed(mapOf({ epoch: EPOCH + 1 })), ours]],
  ])('is %s', async (_, readers, known) => {
    const one = watch()
    await one.compare(readers, known)
    expect(one.contradiction).toBeUndefined()
    expect(existsSync(proofFile)).toBe(false)
    expect(logged.filter(({ level }) => level === 'error')).toEqual([])
  })

  test.each<[string, (proof: Uint8Array) => Uint8Array]>([
    ['cut', (proof) => proof.subarray(0, -1)],
    ['of one map twice', () => encodeContradiction({ epoch: EPOCH, maps: [ours, ours] })],
    ['of two epochs', () => encodeContradiction({ epoch: EPOCH, maps: [ours, before] })],
    [
      'of a network of others',
      () => {
        const others = networkWith(3, 2).keys
        const maps = [1, 2].map((fill) => signed(mapOf({ hubs: hubs(fill) })).content)
        const [a, b] = maps.map((map) => ({ ...ours, bytes: signMap(map, others) }) as HubMap) as [HubMap, HubMap]
        return encodeContradiction({ epoch: EPOCH, maps: [a, b] })
      },
    ],
    ['of nothing', () => new Uint8Array(0)],
  ])('is a file that is %s: it is said in the log, and the program runs', (_, damage) => {
    const proof = encodeContradiction({ epoch: EPOCH, maps: [ours, theirs] })
    writeFileSync(proofFile, damage(proof))
    expect(faultOf(() => verifyContradiction(damage(proof), network)).code).toMatch(/^(encoding|signature|signatures)-/)
    expect(watch().contradiction).toBeUndefined()
    expect(logged).toEqual([expect.objectContaining({ level: 'warn', message: 'kept proof not used' })])
  })

  test('that can not be kept on disk is lost on a program that goes on', async () => {
    const one = new HeadWatch({
      network,
      proofFile: join(folder, 'contradiction.new', 'x'),
      log: createLog('info', { write: (line) => void logged.push(JSON.parse(line)) }),
    })
    writeFileSync(join(folder, 'contradiction.new'), '')
    await one.compare([shows(theirs, [theirs])], [ours])
    expect(one.contradiction?.epoch).toBe(EPOCH)
    expect(logged.map(({ message }) => message)).toContain('the proof is not kept on disk')
  })
})
