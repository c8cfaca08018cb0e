import { describe, expect, test } from '@jest/globals'
import { concatBytes } from '../../shared/base/bytes.ts'
import { CELL_TYPES, type CellClass, type CellType, newFrame } from '../../shared/cell/cell.ts'
import { encodeFrame, FRAME_TYPES } from '../../shared/link/frame.ts'
import { LINK_NETWORK_ID, LinkPair, linkSide, RecordingHandler } from '../support/link-pair.ts'
import { MemoryNetwork } from '../support/memory-network.ts'
import { cellOf, RawExit } from '../support/raw-circuit.ts'

/* An answer, an opening or a circuit that nobody asked for closes the circuit, or the link. */

const PATH = ['a', 'b', 'c']

/** A circuit with an evil exit, and the ANSWER as it crossed each wire. */
async function scene() {
  const network = new MemoryNetwork(PATH)
  const exit = new RawExit(network.hub('c'))
  const answers = new Map<string, Uint8Array>()
  network.tamper = (header, frame, from, to) => {
    if (header.type === CELL_TYPES.answer) answers.set(`${from}>${to}`, frame.slice())
    return [frame]
  }
  const client = network.open('client', PATH)
  await network.run()
  return { network, exit, client, answers }
}

describe('an answer', () => {
  test('that comes twice from the exit closes the circuit at the relay before it', async () => {
    const { network, exit, client, answers } = await scene()
    expect(client.circuit.state.at).toBe('opening')
    exit.sendFrame(CELL_TYPES.answer, (answers.get('c>b') as Uint8Array).slice())
    await network.run()
    expect([client.fault?.code, network.hub('b').service.circuitCount, network.hub('a').service.circuitCount]).toEqual([
      'circuit-closed',
      0,
      0,
    ])
  })

  test('that the home hub sends again closes the circuit at the client, in every state', async () => {
    for (const open of [false, true]) {
      const { network, exit, client, answers } = await scene()
      if (open) exit.send(cellOf({ type: 'opened', family: 4 }))
      await network.run()
      network.tamper = (header, frame, _from, to) => {
        const isAnswered = to === 'client' && header.type === CELL_TYPES.cell
        return isAnswered ? [answers.get('a>client') as Uint8Array, frame] : [frame]
      }
      exit.send(cellOf({ type: 'pong', token: 1n }))
      await network.run()
      expect([client.fault?.code, client.events.includes('opened 4')]).toEqual(['circuit-protocol', open])
    }
  })

  test.each([2, 3, 4] as const)('of class %i is none', async (cellClass) => {
    const network = new MemoryNetwork(['a'])
    const hub = new RawExit(network.hub('a'), false)
    const client = network.open('client', ['a'])
    await network.run()
    hub.sendFrame(CELL_TYPES.answer, newFrame(cellClass))
    await network.run()
    expect(client.fault?.code).toBe('circuit-protocol')
  })

  test('for another circuit is none: the keys are not those', async () => {
    const network = new MemoryNetwork(PATH)
    const held: Uint8Array[] = []
    network.tamper = (header, frame, _from, to) => {
      if (header.type !== CELL_TYPES.answer || to !== 'client') return [frame]
      held.push(frame)
      if (held.length < 2) return []
      const [one, two] = held as [Uint8Array, Uint8Array]
      const swapped = [one.slice(), two.slice()] as const
      swapped[0].set(two.subarray(4, 8), 4)
      swapped[1].set(one.subarray(4, 8), 4)
      return [...swapped]
    }
    const clients = [network.open('client', PATH), network.open('client', PATH)]
    await network.run()
    expect(clients.map(({ fault }) => fault?.code)).toEqual(['cell-rejected', 'cell-rejected'])
  })
})

describe('an opening', () => {
  test('that comes twice closes the circuit', async () => {
    const { network, exit, client } = await scene()
    exit.send(cellOf({ type: 'opened', family: 4 }, { type: 'opened', family: 6 }))
    await network.run()
    expect(client.events).toEqual(['opened 4', 'closed circuit-protocol'])
  })

  test('before the answer closes the circuit', async () => {
    const network = new MemoryNetwork(['a'])
    const exit = new RawExit(network.hub('a'), false)
    const client = network.open('client', ['a'])
    await network.run()
    exit.send(cellOf({ type: 'opened', family: 4 }))
    await network.run()
    expect(client.events).toEqual(['closed circuit-protocol'])
  })
})

describe('an extension', () => {
  test('that a hub begins towards a client ends the link', async () => {
    const pair = new LinkPair({ maxCircuits: 0 })
    const end = pair.b.link.openCircuit()
    end.attach(new RecordingHandler())
    end.send(CELL_TYPES.create, newFrame(3))
    pair.run()
    expect([pair.a.fault?.code, pair.a.circuits.length]).toEqual(['link-protocol', 0])
  })

  test('over a circuit that is there already ends the link', async () => {
    const { network, answers } = await scene()
    const frame = newFrame(3)
    frame.set([CELL_TYPES.create, 3, 0, 0])
    frame.set((answers.get('a>client') as Uint8Array).subarray(4, 8), 4) // the id of that circuit
    network.link('a', 'client').receive(frame, network.clock.now())
    expect(network.link('a', 'client').closed).toBe(true)
  })
})

describe('a circuit that nobody opened', () => {
  const greeted = (): ReturnType<typeof linkSide> => {
    const side = linkSide({ initiator: false })
    side.link.receive(encodeFrame(FRAME_TYPES.hello, 0, concatBytes(Uint8Array.of(1), LINK_NETWORK_ID)), 0)
    return side
  }
  const frameOf = (type: CellType, cellClass: CellClass, id: number): Uint8Array => {
    const frame = newFrame(cellClass)
    frame.set([type, cellClass, 0, 0, 0, 0, 0, id])
    return frame
  }

  test.each([
    ['a cell', CELL_TYPES.cell, 1],
    ['an answer', CELL_TYPES.answer, 1],
    ['a SWITCH', CELL_TYPES.switch, 1],
  ] as const)('%s of it ends the link', (_what, type, cellClass) => {
    for (const id of [1, 2]) {
      const side = greeted()
      side.link.receive(frameOf(type, cellClass, id), 0)
      expect([side.link.closed, side.circuits]).toEqual([true, []])
    }
  })

  test('can not be opened under an id of ours', () => {
    for (const [id, isOver] of [
      [1, false],
      [2, true],
    ] as const) {
      const side = greeted()
      side.link.receive(frameOf(CELL_TYPES.create, 3, id), 0)
      expect([side.link.closed, side.circuits.length]).toEqual([isOver, isOver ? 0 : 1])
    }
  })
})

describe('a sign of life', () => {
  test('that nobody asked for ends the link', () => {
    const pair = new LinkPair()
    pair.run()
    pair.a.link.receive(encodeFrame(FRAME_TYPES.pong, 0, new Uint8Array(8)), 0)
    expect(pair.a.fault?.code).toBe('link-protocol')
  })
})
