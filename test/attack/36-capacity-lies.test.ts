import net from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { makeMap } from '../../directory/consensus/make-map.ts'
import type { Vote } from '../../directory/consensus/vote.ts'
import { assess, FIRST_KBITS } from '../../directory/measure/assess.ts'
import { type HubRecord, NO_RECORD, withResult } from '../../directory/measure/hub-record.ts'
import { rateOf } from '../../directory/measure/transfer-rate.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'
import { freePort } from '../net/free-port.ts'
import { votedHub, voteOf } from '../support/directory-votes.ts'
import { rejectionOf } from '../support/fault-of.ts'
import { EPOCH, NOW_S } from '../support/map-fixtures.ts'
import { SinkScene } from '../support/measure-sink.ts'

const DIRECTORIES = 7
const LIARS = 2
const NO_REPORTS = { loadClass: 0, links: undefined }
const TRUE_KBITS = 8192
const CLAIMED_KBITS = 10 * TRUE_KBITS

/** One directory after the other measures so much, epoch after epoch; what the map says at each. */
function publish(
  epochs: number,
  claimedKbits: number,
  carried: (directory: number, epoch: number) => number,
): MapHub[] {
  const records: HubRecord[] = Array.from({ length: DIRECTORIES }, () => NO_RECORD)
  const maps: MapHub[] = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    const votes = records.map((record, directory): Vote => {
      records[directory] = withResult(record, { atS: NOW_S, kbits: carried(directory, epoch) })
      const facts = {
        record: records[directory] as HubRecord,
        claimedKbits,
        places: [],
        published: maps.at(-1),
        ...NO_REPORTS,
      }
      const { weightKbits, measured } = assess(facts, NOW_S)
      const isLiar = directory < LIARS
      return voteOf({
        hubs: [votedHub(1, { capacityKbits: claimedKbits, measured }, 1, isLiar ? 0xffff_ffff : weightKbits)],
      })
    })
    const hub = makeMap(votes, EPOCH, LIARS)?.hubs[0]
    if (hub === undefined) throw new Error('no map')
    maps.push(hub)
  }
  return maps
}

describe('a hub that claims ten times what it carries', () => {
  test('ends with what was measured, and marked, whatever two of seven directories say', () => {
    const maps = publish(12, CLAIMED_KBITS, () => TRUE_KBITS)
    expect(maps.map(({ capacityKbits }) => capacityKbits)).toEqual([
      ...[1024, 2048, 4096],
      ...Array.from({ length: 9 }, () => TRUE_KBITS),
    ])
    expect(maps.at(-1)?.measured.doubts.capacity).toBe(true)
    expect(publish(12, TRUE_KBITS, () => TRUE_KBITS).at(-1)?.measured.doubts.capacity).toBe(false)
  })

  test('gains nothing from being fast now and then', () => {
    const maps = publish(40, CLAIMED_KBITS, (_, epoch) => (epoch % 8 === 0 ? CLAIMED_KBITS : TRUE_KBITS))
    for (const { capacityKbits } of maps) expect(capacityKbits).toBeLessThanOrEqual(TRUE_KBITS)
  })

  test('gains nothing from being fast for three directories of seven, two of which lie anyway', () => {
    const maps = publish(20, CLAIMED_KBITS, (directory) => (directory <= LIARS ? CLAIMED_KBITS : TRUE_KBITS))
    for (const { capacityKbits } of maps) expect(capacityKbits).toBeLessThanOrEqual(TRUE_KBITS)
  })

  test('with a line as fast as it says takes hours to get weight, and loses it at once', () => {
    const fast = 1_048_576
    const maps = publish(25, fast, (_, epoch) => (epoch < 13 ? fast : 100))
    expect(maps.slice(0, 11).map(({ capacityKbits }) => capacityKbits)).toEqual(
      Array.from({ length: 11 }, (_, epoch) => FIRST_KBITS * 2 ** epoch),
    )
    expect(maps.at(-1)?.capacityKbits).toBeLessThan(FIRST_KBITS)
  })
})

describe('a hub that is the exit of its own measurement', () => {
  const BYTES = 2_000_000
  let scene: SinkScene
  let servers: net.Server[]
  beforeEach(async () => {
    scene = await SinkScene.create()
    servers = []
  })
  afterEach(async () => {
    await scene.sink.close()
    for (const server of servers) server.close()
  })

  /** An exit that passes on what the sink sends as long as this says so. */
  async function exit(passes: (total: number) => 'yes' | 'no' | 'cut'): Promise<net.Socket> {
    const port = await freePort('127.0.0.1')
    const server = net.createServer((client) => {
      const upstream = scene.connect()
      let total = 0
      client.pipe(upstream)
      for (const socket of [client, upstream]) socket.on('error', () => {})
      client.on('close', () => upstream.destroy())
      upstream.on('data', (chunk: Buffer) => {
        total += chunk.length
        const verdict = passes(total)
        if (verdict === 'yes') client.write(chunk)
        if (verdict === 'cut') client.destroy()
      })
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    return scene.connect(port)
  }
  const agreed = () => ({ token: scene.sink.expect(BYTES), bytes: BYTES })

  test('gets a rate where it passes all on', async () => {
    expect(rateOf(await scene.download(await exit(() => 'yes'), agreed()))).toBeGreaterThan(0)
  })

  test('gets next to nothing for a quick beginning and silence behind it', async () => {
    const stream = await exit((total) => (total < 300_000 ? 'yes' : 'no'))
    const arrivals = await scene.download(stream, agreed(), { transferMs: 500 })
    expect(rateOf(arrivals)).toBeLessThan(100)
  })

  test('gets no result for a quick beginning and an end behind it', async () => {
    const stream = await exit((total) => (total < 300_000 ? 'yes' : 'cut'))
    await expect(scene.download(stream, agreed())).rejects.toBeDefined()
  })

  test('gets no result where it says nothing at all', async () => {
    const stream = await exit(() => 'no')
    const fault = await rejectionOf(scene.download(stream, agreed(), { waitMs: 200 }))
    expect(fault.code).toBe('circuit-timeout')
  })
})
