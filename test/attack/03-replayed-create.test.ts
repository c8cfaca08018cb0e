import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { CircuitPeer } from '../../hub/circuit-service.ts'
import { ReplayJournal } from '../../hub/replay-journal.ts'
import { GENERATION_GRANULES, GRANULES_AHEAD, GRANULES_BEHIND, ReplayStore } from '../../hub/replay-store.ts'
import { GRANULE_MS } from '../../shared/base/network-time.ts'
import { bodyOf, CELL_TYPES } from '../../shared/cell/cell.ts'
import { CircuitEnd, type CircuitLink } from '../../shared/link/circuit-end.ts'
import { RecordingHandler } from '../support/link-pair.ts'
import { type MemoryHub, MemoryNetwork, type MemoryNetworkOptions } from '../support/memory-network.ts'

/*
 * A CREATE that was seen before is sent again: by the client's wire, by an evil relay, at once, later, and after the hub was
 * restarted. It must not make the exit connect a second time, ever.
 */

const PATH = ['a', 'b']

/** Opens a circuit and keeps its CREATE as it crossed this wire. */
async function recorded(wire: 'client>a' | 'a>b', granulesAhead = 0, options: MemoryNetworkOptions = {}) {
  const network = new MemoryNetwork(PATH, options)
  let create: Uint8Array | undefined
  network.tamper = (header, frame, from, to) => {
    if (header.type === CELL_TYPES.create && `${from}>${to}` === wire) create ??= frame.slice()
    return [frame]
  }
  const granule = network.time.granuleAt(network.clock.now()) + granulesAhead
  const client = network.open('client', PATH, { granule })
  client.circuit.write(Uint8Array.of(1))
  await network.run()
  expect([create !== undefined, client.events]).toEqual([true, ['opened 4']])
  return { network, create: create as Uint8Array }
}

async function replay(
  network: MemoryNetwork,
  wire: string,
  create: Uint8Array,
): Promise<{ end: CircuitEnd; handler: RecordingHandler }> {
  const [from, to] = wire.split('>') as [string, string]
  const end = network.link(from, to).openCircuit()
  const handler = new RecordingHandler()
  end.attach(handler)
  end.send(CELL_TYPES.create, create.slice())
  await network.run()
  return { end, handler }
}

const targets = (network: MemoryNetwork): number =>
  [...network.hubs.values()].reduce(
    (sum, hub) => sum + hub.exits.reduce((inner, exit) => inner + exit.target.length, 0),
    0,
  )

describe.each(['client>a', 'a>b'] as const)('a CREATE that is sent again on %s', (wire) => {
  test('is closed without an answer, however often it comes', async () => {
    const { network, create } = await recorded(wire)
    for (let i = 0; i < 5; i++) {
      const { handler } = await replay(network, wire, create)
      expect([handler.cells.length, handler.closes]).toEqual([0, 1])
    }
    expect(targets(network)).toBe(1)
  })

  test('is refused as long as its time is accepted, and after that because of its time', async () => {
    const { network, create } = await recorded(wire)
    // Until the last table that had the tag is dropped, and longer.
    for (let granule = 0; granule <= 2 * GENERATION_GRANULES + 1; granule++) {
      await replay(network, wire, create)
      await network.pass(GRANULE_MS)
    }
    expect(targets(network)).toBe(1)
  })

  test.each([0, GRANULES_AHEAD])(
    'is refused after a restart of the hub, also if it was %i granules ahead of its time',
    async (ahead) => {
      for (const restartedAfter of [0, 1, 2]) {
        const { network, create } = await recorded(wire, ahead)
        await network.pass(restartedAfter * GRANULE_MS)
        const name = wire.split('>')[1] as string
        const before = targets(network)
        const hub = network.addHub(name, network.hub(name))
        for (let granule = 0; granule <= GRANULES_BEHIND + GRANULES_AHEAD + 2; granule++) {
          await replay(network, wire, create)
          await network.pass(GRANULE_MS)
        }
        expect([hub.exits, hub.service.circuitCount, hub.metrics.createsAccepted.total]).toEqual([[], 0, 0])
        expect(before).toBe(1)
      }
    },
  )

  test('with another circuit id, or with other zeros behind it, is the same CREATE', async () => {
    const { network, create } = await recorded(wire)
    const changed = create.slice()
    changed[changed.length - 1] = wire === 'a>b' ? 1 : (changed[changed.length - 1] as number)
    await replay(network, wire, changed)
    expect(targets(network)).toBe(1)
  })
})

describe('hubs that keep on disk what they took', () => {
  let folder: string
  let bootId = new Uint8Array(16).fill(1)

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'spn-replays-'))
    bootId = new Uint8Array(16).fill(1)
  })

  afterEach(() => rmSync(folder, { recursive: true }))

  const onFailure = (error: unknown): never => {
    throw error
  }
  const journal = (hub: string, isFirstStart: boolean, nowGranule: number): ReplayJournal =>
    new ReplayJournal({ file: join(folder, hub), bootId, isFirstStart, nowGranule, onFailure })

  test.each([0, GRANULES_AHEAD])(
    'refuse a CREATE of before after every restart, and take new ones at once (%i granules ahead)',
    async (ahead) => {
      const { network, create } = await recorded('a>b', ahead, { journal })
      for (let restart = 0; restart <= 2 * GENERATION_GRANULES; restart++) {
        const hub = network.addHub('b', network.hub('b'))
        const { handler } = await replay(network, 'a>b', create)
        expect([handler.cells.length > 0, hub.exits.length]).toEqual([restart > GRANULES_BEHIND + ahead, 0])
        const client = network.open('client', PATH)
        await network.run()
        expect([client.events, hub.exits.length]).toEqual([['opened 4'], 1])
        if (restart % 2 === 1) await replay(network, 'a>b', create)
        await network.pass(GRANULE_MS)
        await replay(network, 'a>b', create)
        expect(hub.exits.length).toBe(1)
      }
    },
  )

  test('and whose computer started anew refuse all of that time, also when they are killed again meanwhile', async () => {
    const { network, create } = await recorded('a>b', GRANULES_AHEAD, { journal })
    bootId = new Uint8Array(16).fill(2)
    for (let granule = 0; granule <= GRANULES_BEHIND + GRANULES_AHEAD + 1; granule++) {
      const hub = network.addHub('b', network.hub('b'))
      await replay(network, 'a>b', create)
      const client = network.open('client', PATH)
      await network.run()
      const isTaken = granule > GRANULES_AHEAD
      expect([hub.exits.length, client.fault?.code]).toEqual(isTaken ? [1, undefined] : [0, 'clock-skew'])
      await network.pass(GRANULE_MS)
    }
  })
})

describe('a CREATE that is sent again', () => {
  test.each(Array.from({ length: GENERATION_GRANULES + 1 }, (_, age) => age))(
    'is refused wherever the tables of tags are in their turn (%i granules)',
    async (age) => {
      const network = new MemoryNetwork(PATH)
      network.open('client', PATH)
      await network.run() // from now on the first table is in use
      await network.pass(age * GRANULE_MS)
      const creates: Uint8Array[] = []
      network.tamper = (header, frame, from) => {
        if (header.type === CELL_TYPES.create && from === 'client') creates.push(frame.slice())
        return [frame]
      }
      for (const ahead of [0, GRANULES_AHEAD]) {
        network.open('client', PATH, { granule: network.time.granuleAt(network.clock.now()) + ahead })
      }
      await network.run()
      expect([creates.length, targets(network)]).toEqual([2, 3])
      for (let granule = 0; granule <= 2 * GENERATION_GRANULES; granule++) {
        for (const create of creates.slice(0, 2)) await replay(network, 'client>a', create)
        await network.pass(GRANULE_MS)
      }
      expect(targets(network)).toBe(3)
    },
  )

  test.each([GRANULES_AHEAD + 1, 3 * GENERATION_GRANULES])(
    'and is %i granules ahead of its time is not taken, so that it is not forgotten before its time comes',
    async (ahead) => {
      const network = new MemoryNetwork(['a'])
      let create: Uint8Array | undefined
      network.tamper = (header, frame) => {
        if (header.type === CELL_TYPES.create) create ??= frame.slice()
        return [frame]
      }
      const granule = network.time.granuleAt(network.clock.now()) + ahead
      const client = network.open('client', ['a'], { granule })
      await network.run()
      expect([client.fault?.code, targets(network)]).toEqual(['clock-skew', 0])
      for (let passed = 0; passed <= ahead + GRANULES_BEHIND + 1; passed++) {
        await replay(network, 'client>a', create as Uint8Array)
        await network.pass(GRANULE_MS)
      }
      expect(targets(network)).toBeLessThanOrEqual(1)
    },
  )
})

const NO_LINK: CircuitLink = { ready() {}, owes() {}, held() {}, isRoomy: () => true, closeNow() {}, forget() {} }

describe('a CREATE that was caught before it arrived', () => {
  /** Hands it to a hub as if it came over a link to this peer. */
  function handTo(hub: MemoryHub, peer: CircuitPeer, create: Uint8Array): string[] {
    const end = new CircuitEnd(1, NO_LINK, true)
    hub.service.accept(peer, end, 3, bodyOf(create))
    return [...hub.metrics.createsRefused.entries.keys(), ...hub.metrics.createsAccepted.entries.keys()]
  }

  async function caught() {
    const network = new MemoryNetwork(['a'])
    let create: Uint8Array | undefined
    network.tamper = (header, frame) => {
      if (header.type !== CELL_TYPES.create) return [frame]
      create = frame.slice()
      return []
    }
    const { clientKey, linkBinding } = network.join('client', 'a')
    network.open('client', ['a'])
    await network.run()
    return { network, create: create as Uint8Array, peer: { peerKey: clientKey, binding: linkBinding } }
  }
  const other = new Uint8Array(32).fill(0xee)

  test('opens on the link that it was made for', async () => {
    const { network, create, peer } = await caught()
    expect(handTo(network.hub('a'), peer, create)).toEqual(['exit'])
  })

  test.each(['peerKey', 'binding'] as const)('opens on no link with another %s', async (fact) => {
    const { network, create, peer } = await caught()
    expect(handTo(network.hub('a'), { ...peer, [fact]: other }, create)).toEqual(['create-unreadable'])
    expect(network.hub('a').exits).toEqual([])
  })

  test.each(['hubId', 'networkId'] as const)(
    'opens at no hub with another %s, even with the same key',
    async (fact) => {
      const { network, create, peer } = await caught()
      const twin = network.addHub('twin', network.hub('a'), { [fact]: other })
      expect(handTo(twin, peer, create)).toEqual(['create-unreadable'])
      expect(twin.exits).toEqual([])
    },
  )
})

describe('the store of seen CREATEs', () => {
  test('refuses circuits when it is full', async () => {
    const network = new MemoryNetwork(['a'])
    jest.spyOn(network.hub('a').replays, 'check').mockReturnValue('full')
    const client = network.open('client', ['a'])
    await network.run()
    expect([client.fault?.code, network.hub('a').exits]).toEqual(['hub-busy', []])
  })

  test('is bounded: when it is full, circuits are refused and nothing is forgotten', () => {
    const store = new ReplayStore(100)
    const tag = (n: number): Uint8Array => new Uint8Array(16).fill(n)
    for (let i = 0; i < 100; i++) expect(store.check(tag(i), 10, 10, 0)).toBe('fresh')
    const { bytes } = store
    for (let i = 100; i < 250; i++) expect(store.check(tag(i), 10, 10, 0)).toBe('full')
    for (let i = 0; i < 100; i++) expect(store.check(tag(i), 10, 10, 0)).toBe('seen')
    expect(store.bytes).toBe(bytes)
  })
})
