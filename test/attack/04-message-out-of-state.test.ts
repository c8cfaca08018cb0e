import { describe, expect, test } from '@jest/globals'
import { CELL_TYPES, type CellClass, type CellType, newFrame } from '../../shared/cell/cell.ts'
import type { Message } from '../../shared/cell/message.ts'
import { MemoryNetwork } from '../support/memory-network.ts'
import { cellOf, RawClient, RawExit, WEB } from '../support/raw-circuit.ts'

/*
 * Every message, and every kind of cell, in every state of every party. Never a crash (what is thrown where nobody catches
 * it fails the test), always either what the SPEC allows (sections 9.1 to 9.3) or a close that leaves nothing.
 */

const MESSAGES: Readonly<Record<string, Message>> = {
  open: { type: 'open', target: WEB },
  opened: { type: 'opened', family: 4 },
  refused: { type: 'refused', reason: 0x20 },
  data: { type: 'data', bytes: Uint8Array.of(1, 2, 3) },
  fin: { type: 'fin', total: 0n },
  reset: { type: 'reset' },
  ping: { type: 'ping', token: 7n },
  pong: { type: 'pong', token: 7n },
}
/** Application bytes of a cell by what they are. */
const CONTENTS: Readonly<Record<string, Uint8Array>> = {
  ...Object.fromEntries(Object.entries(MESSAGES).map(([name, message]) => [name, cellOf(message)])),
  nothing: new Uint8Array(0),
  'a type that does not exist': Uint8Array.of(9, 0, 0),
  'the highest type': Uint8Array.of(255, 0, 1, 0),
  'a length beyond the cell': Uint8Array.of(4, 255, 255, 1),
  'a reset with more behind it': cellOf(
    { type: 'reset' },
    { type: 'ping', token: 1n },
    { type: 'data', bytes: Uint8Array.of(1) },
    { type: 'fin', total: 1n },
    { type: 'open', target: WEB },
  ),
  'a FIN of more bytes than came': cellOf({ type: 'fin', total: 1n }),
  'a half header': Uint8Array.of(...cellOf({ type: 'data', bytes: new Uint8Array(434) }), 4, 0),
}

describe('an evil client, at the exit', () => {
  /** Brings the exit into a state; then the client may send one more cell. */
  const states: Readonly<Record<string, (network: MemoryNetwork) => Promise<RawClient>>> = {
    waiting: async (network) => {
      const client = new RawClient(network, ['a', 'b'], { target: undefined })
      await network.run()
      client.switch()
      return client
    },
    connecting: async (network) => {
      const client = new RawClient(network, ['a', 'b'])
      await network.run()
      client.switch()
      return client
    },
    'connecting, FIN received': async (network) => {
      const client = await states.connecting!(network)
      client.send(cellOf({ type: 'fin', total: 0n }))
      return client
    },
    open: async (network) => {
      const client = await states.connecting!(network)
      await network.run()
      network.hub('b').exits[0]?.circuit().connected(4)
      return client
    },
    'open, FIN received': async (network) => {
      const client = await states.open!(network)
      client.send(cellOf({ type: 'fin', total: 0n }))
      return client
    },
    'open, FIN sent': async (network) => {
      const client = await states.open!(network)
      network.hub('b').exits[0]?.circuit().finish()
      return client
    },
  }
  /** What does not close the circuit (SPEC section 9.3). A FIN in the last state is the clean end. */
  const legal: Readonly<Record<string, readonly string[]>> = {
    waiting: ['open', 'ping', 'nothing'],
    connecting: ['data', 'fin', 'ping', 'nothing'],
    'connecting, FIN received': ['ping', 'nothing'],
    open: ['data', 'fin', 'ping', 'nothing'],
    'open, FIN received': ['ping', 'nothing'],
    'open, FIN sent': ['data', 'ping', 'nothing'],
  }

  test.each(Object.keys(states).flatMap((state) => Object.keys(CONTENTS).map((content) => [state, content] as const)))(
    '%s: %s',
    async (state, content) => {
      const network = new MemoryNetwork(['a', 'b'], { onConnect: () => {} })
      const client = await states[state]!(network)
      await network.run()
      const exit = network.hub('b').exits[0]!
      const before = [exit.target.length, exit.received.length]
      client.send(CONTENTS[content] as Uint8Array)
      await network.run()
      const stays = legal[state]?.includes(content) ?? false
      expect(client.closed).toBe(!stays)
      if (stays) return
      expect(network.remains).toEqual([])
      expect(exit.events.filter((event) => event.startsWith('closed'))).toHaveLength(1)
      expect([exit.target.length, exit.received.length]).toEqual(before)
      expect(exit.events.at(-1) === 'closed cleanly').toBe(state === 'open, FIN sent' && content === 'fin')
    },
  )

  test.each(Object.keys(CONTENTS))('before the SWITCH: %s in an early cell', async (content) => {
    const network = new MemoryNetwork(['a', 'b'], { onConnect: () => {} })
    const client = new RawClient(network, ['a', 'b'])
    client.send(CONTENTS[content] as Uint8Array)
    await network.run()
    const stays = ['data', 'fin', 'ping', 'nothing'].includes(content)
    expect(client.closed).toBe(!stays)
    if (!stays) expect(network.remains).toEqual([])
  })
})

describe('an evil exit, at the client', () => {
  const states: Readonly<
    Record<string, (network: MemoryNetwork, exit: RawExit) => Promise<ReturnType<MemoryNetwork['open']>>>
  > = {
    opening: async (network) => {
      const client = network.open('client', ['a', 'b'])
      await network.run()
      return client
    },
    open: async (network, exit) => {
      const client = await states.opening!(network, exit)
      exit.send(cellOf({ type: 'opened', family: 4 }))
      await network.run()
      return client
    },
    'open, FIN received': async (network, exit) => {
      const client = await states.open!(network, exit)
      exit.send(cellOf({ type: 'fin', total: 0n }))
      return client
    },
    'open, FIN sent': async (network, exit) => {
      const client = await states.open!(network, exit)
      client.circuit.finish()
      return client
    },
  }
  const legal: Readonly<Record<string, readonly string[]>> = {
    opening: ['opened', 'pong', 'nothing'],
    open: ['data', 'fin', 'pong', 'nothing'],
    'open, FIN received': ['pong', 'nothing'],
    'open, FIN sent': ['data', 'pong', 'nothing'],
  }
  /** Ends that the exit may bring about, by their fault. */
  const ends: Readonly<Record<string, string>> = {
    'opening refused': 'connection-refused',
    'opening reset': 'connection-reset',
    'open reset': 'connection-reset',
    'open, FIN received reset': 'connection-reset',
    'open, FIN sent reset': 'connection-reset',
    ...Object.fromEntries(
      Object.keys(states).map((state) => [`${state} a reset with more behind it`, 'connection-reset']),
    ),
    ...Object.fromEntries(
      Object.keys(states).map((state) => [`${state} a FIN of more bytes than came`, 'cell-rejected']),
    ),
    'open, FIN sent fin': 'clean',
  }

  test.each(Object.keys(states).flatMap((state) => Object.keys(CONTENTS).map((content) => [state, content] as const)))(
    '%s: %s',
    async (state, content) => {
      const network = new MemoryNetwork(['a', 'b'])
      const exit = new RawExit(network.hub('b'))
      const client = await states[state]!(network, exit)
      await network.run()
      const before = client.received.length
      exit.send(CONTENTS[content] as Uint8Array)
      await network.run()
      const stays = legal[state]?.includes(content) ?? false
      expect(client.closed).toBe(!stays)
      if (stays) return
      const fault = client.fault?.code ?? 'clean'
      expect(fault).toBe(
        ends[`${state} ${content}`] ?? (/type|length|half/.test(content) ? 'cell-rejected' : 'circuit-protocol'),
      )
      expect([client.received.length, network.remains]).toEqual([before, []])
      expect(client.events.filter((event) => event.startsWith('closed'))).toHaveLength(1)
    },
  )
})

/** Kinds of cells that may not come then, by whom they are sent. */
const CELLS: readonly (readonly [string, CellType, CellClass])[] = [
  ['a CREATE', CELL_TYPES.create, 3],
  ['an ANSWER', CELL_TYPES.answer, 1],
  ['an ANSWER of another size', CELL_TYPES.answer, 2],
  ['a cell', CELL_TYPES.cell, 1],
  ['the largest cell', CELL_TYPES.cell, 4],
  ['a SWITCH', CELL_TYPES.switch, 1],
]

describe('a cell of the wrong kind', () => {
  test.each(CELLS)(
    '%s of zeros from the client ends its circuit at the first hub, or the link',
    async (_what, type, cellClass) => {
      for (const answered of [false, true]) {
        const network = new MemoryNetwork(['a', 'b'])
        if (!answered) network.dialling.set('b', new Promise(() => {}))
        const client = new RawClient(network, ['a', 'b'])
        await network.run()
        client.end.send(type, newFrame(cellClass))
        await network.run()
        const over = type === CELL_TYPES.create ? network.link('a', 'client').closed : client.closed
        expect([over, network.hub('a').service.circuitCount]).toEqual([true, 0])
        expect(network.hub('b').exits.every(({ received }) => received.length === 0)).toBe(true)
      }
    },
  )

  test.each(CELLS)(
    '%s of zeros from the next hub ends the circuit at the relay before it',
    async (what, type, cellClass) => {
      for (const answers of [false, true]) {
        const network = new MemoryNetwork(['a', 'b', 'c'])
        const exit = new RawExit(network.hub('c'), answers)
        const client = network.open('client', ['a', 'b', 'c'])
        await network.run()
        const passed: number[] = []
        network.tamper = (header, frame, from, to) => {
          if (from === 'b' && to === 'a') passed.push(header.type)
          return [frame]
        }
        exit.sendFrame(type, newFrame(cellClass))
        await network.run()
        const due = answers ? type === CELL_TYPES.cell : what === 'an ANSWER'
        const isCell = (passedType: number): boolean =>
          passedType >= CELL_TYPES.create && passedType <= CELL_TYPES.switch
        if (type !== CELL_TYPES.create) expect([what, passed.filter(isCell)]).toEqual([what, due ? [type] : []])
        // What a relay can not look into it passes on, under its own layer: the client finds it.
        expect([client.closed, client.received.length, network.hub('a').service.circuitCount]).toEqual([true, 0, 0])
        expect([what, client.events.includes('opened 4')]).toEqual([what, false])
      }
    },
  )

  test('an ANSWER from the client, under keys that are right, is no cell', async () => {
    for (const path of [['a'], ['a', 'b']]) {
      for (const switched of [false, true]) {
        const network = new MemoryNetwork(path)
        const client = new RawClient(network, path)
        if (switched) await network.run()
        if (switched) client.switch()
        client.send(cellOf({ type: 'data', bytes: Uint8Array.of(1) }), CELL_TYPES.answer)
        await network.run()
        expect([client.closed, network.remains]).toEqual([true, []])
        expect(network.hub(path.at(-1) as string).exits.flatMap(({ received }) => received)).toEqual([])
      }
    }
  })

  test('a SWITCH that comes twice, or before the ANSWER, ends the circuit', async () => {
    const network = new MemoryNetwork(['a', 'b'])
    const client = new RawClient(network, ['a', 'b'])
    await network.run()
    client.switch()
    client.switch()
    await network.run()
    expect([client.closed, network.remains]).toEqual([true, []])

    const early = new MemoryNetwork(['a', 'b'])
    early.dialling.set('b', new Promise(() => {}))
    const hasty = new RawClient(early, ['a', 'b'])
    hasty.switch()
    await early.run()
    expect([hasty.closed, early.remains]).toEqual([true, []])
  })

  test.each([
    ['as many early cells as there may be', 1024, false],
    ['one early cell more', 1025, true],
  ])('%s', async (_what, count, closes) => {
    const network = new MemoryNetwork(['a'], { onConnect: () => {} })
    const client = new RawClient(network, ['a'])
    for (let i = 0; i < count; i++) client.send(new Uint8Array(0))
    await network.run()
    expect([client.closed, network.remains.length === 0]).toEqual([closes, closes])
  })
})
