import { describe, expect, test } from '@jest/globals'
import { FAULTS } from '../../shared/base/fault-codes.ts'
import { CELL_TYPES, type CellClass, newFrame } from '../../shared/cell/cell.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import type { CircuitEnd } from '../../shared/link/circuit-end.ts'
import { MemoryNetwork, NETWORK_ID } from '../support/memory-network.ts'
import { NobleClient, nobleOpenPayload } from '../support/noble-client.ts'
import { noblePublicKey } from '../support/noble-handshake.ts'
import { join, u16 } from '../support/noble-primitives.ts'
import { RawClient } from '../support/raw-circuit.ts'
import { seededRandom } from '../support/seeded-random.ts'

/*
 * A client that leads circuits in circles, out of the map, or over more hops than there may be, to let a network attack itself.
 * Hubs are asked by a client that keeps to no rule.
 */

const NAMES = ['a', 'b', 'c', 'd', 'e']
const random = seededRandom('loops')

/** What the client reads of the answer: the place that refused, and the fault. */
async function ask(network: MemoryNetwork, path: readonly string[]) {
  const client = new RawClient(network, path)
  await network.run()
  const { failed } = client.answered ?? {}
  const exits = [...network.hubs.values()].reduce((sum, hub) => sum + hub.exits.length, 0)
  return { failed, closed: client.closed, exits, remains: network.remains }
}

describe('a circuit that is to go on', () => {
  test.each([
    ['to the hub itself', ['a', 'a'], 1],
    ['to the hub itself, further on', ['a', 'b', 'b'], 2],
    ['back to where it came from', ['a', 'b', 'a'], 2],
    ['back to where it came from, further on', ['a', 'b', 'c', 'b'], 3],
  ])('%s is refused there', async (_what, path, place) => {
    const { failed, closed, exits, remains } = await ask(new MemoryNetwork(NAMES), path)
    expect([failed, closed]).toEqual([{ place, status: FAULTS['next-forbidden'].wire }, true])
    expect([exits, remains]).toEqual([0, []])
  })

  test('to somebody who is no hub of the map is refused, and nobody is dialled', async () => {
    const network = new MemoryNetwork(NAMES)
    const stranger = network.hub('e')
    network.hubs.delete('e')
    const path = ['a', 'b', 'e']
    network.hubs.set('e', stranger)
    const client = new RawClient(network, path)
    network.hubs.delete('e')
    await network.run()
    expect(client.answered?.failed).toEqual({ place: 2, status: FAULTS['next-unknown'].wire })
    expect([client.closed, stranger.exits, network.remains]).toEqual([true, [], []])
    expect(network.hub('b').metrics.createsAccepted.total).toBe(0)
  })
})

/** A CREATE for any number of hops, with the text of the SPEC carried on beyond its limit. */
function longCreate(
  network: MemoryNetwork,
  path: readonly string[],
): { create: NobleClient; end: CircuitEnd; closes: () => number } {
  const { link, clientKey, linkBinding } = network.join('client', path[0] as string)
  const create = new NobleClient({
    ...{ networkId: NETWORK_ID, clientKey, binding: linkBinding },
    path: path.map((name) => {
      const { hubId, key } = network.pathHop(name)
      return { hubId, key: noblePublicKey(key.bytes) }
    }),
    granule: network.time.granuleAt(network.clock.now()),
    open: nobleOpenPayload(join([1], [93, 184, 216, 34], u16(443))),
    random: (length) => random.bytes(length),
  })
  let closes = 0
  const end = link.openCircuit()
  end.attach({ ...{ onCell() {}, onSent() {}, onRoom() {} }, onClosed: () => void closes++ })
  const frame = newFrame(create.cellClass as CellClass)
  frame.set(create.create, 8)
  end.send(CELL_TYPES.create, frame)
  return { create, end, closes: () => closes }
}

describe('a path that is too long', () => {
  test('of four hops is the longest that there is', async () => {
    const network = new MemoryNetwork(NAMES)
    longCreate(network, NAMES.slice(0, 4))
    await network.run()
    expect(network.hub('d').exits).toHaveLength(1)
  })

  test('of five ends at the fourth hub, which opens no circuit and tells nobody', async () => {
    const network = new MemoryNetwork(NAMES)
    const { closes } = longCreate(network, NAMES)
    await network.run()
    expect([...network.hubs.values()].map(({ exits }) => exits.length)).toEqual([0, 0, 0, 0, 0])
    expect([...network.hub('d').metrics.createsRefused.entries]).toEqual([['create-unreadable', 1]])
    expect([closes(), network.hub('e').metrics.createsRefused.total, network.remains]).toEqual([1, 0, []])
  })

  test.each([
    ['of four hops in the size of three', 3, 4],
    ['of three hops in the size of four', 4, 3],
  ])('%s opens nowhere', async (_what, cellClass, hops) => {
    const network = new MemoryNetwork(NAMES)
    const { link } = network.join('client', 'a')
    const { create } = longCreate(new MemoryNetwork(NAMES), NAMES.slice(0, hops))
    const end = link.openCircuit()
    const frame = newFrame(cellClass as CellClass)
    frame.set(create.create.subarray(0, frame.length - 8), 8)
    end.send(CELL_TYPES.create, frame)
    await network.run()
    expect([network.remains, network.hub('a').metrics.createsAccepted.total]).toEqual([[], 0])
  })
})

describe('a client that gives itself out for more', () => {
  test('can not start in the middle of a path: its key is no hub of the map', async () => {
    const network = new MemoryNetwork(['a', 'b'])
    const stranger = HubKey.generate()
    expect(network.hub('a').peerIsHub(stranger.publicBytes)).toBe(false)
    // What a hub would send to its neighbour: the part of place 2, as it came out of the part of place 1.
    let inner: Uint8Array | undefined
    network.tamper = (header, frame, from) => {
      if (header.type === CELL_TYPES.create && from === 'a') inner = frame.slice()
      return [frame]
    }
    new RawClient(network, ['a', 'b'])
    await network.run()
    const before = network.hub('b').exits.length
    const { link } = network.join('thief', 'b')
    link.openCircuit().send(CELL_TYPES.create, inner as Uint8Array)
    await network.run()
    expect([before, network.hub('b').exits.length]).toEqual([1, 1])
    expect([...network.hub('b').metrics.createsRefused.entries]).toEqual([['create-unreadable', 1]])
  })
})
