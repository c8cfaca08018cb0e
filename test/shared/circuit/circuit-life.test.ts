import { describe, expect, test } from '@jest/globals'
import { CELL_TYPES, capacityOf } from '../../../shared/cell/cell.ts'
import { decodeMessages } from '../../../shared/cell/message.ts'
import {
  BUILD_TIMEOUT_MS,
  EXTEND_STEP_MS,
  EXTEND_TIMEOUT_MS,
  IDLE_TIMEOUT_MS,
  OPEN_TIMEOUT_MS,
  OPEN_WAIT_TIMEOUT_MS,
  PING_IDLE_MS,
  SWITCH_DELAY_MS,
  SWITCH_TIMEOUT_MS,
} from '../../../shared/circuit/timers.ts'
import { type ClientRecord, MemoryNetwork } from '../../support/memory-network.ts'
import { cellOf, RawClient, RawExit } from '../../support/raw-circuit.ts'

const PATH = ['a', 'b', 'c']

describe('a client waits', () => {
  test('so long for the answer of its path, and no longer', async () => {
    const network = new MemoryNetwork(['a'])
    new RawExit(network.hub('a'), false)
    const client = network.open('client', ['a'])
    await network.run()
    await network.pass(BUILD_TIMEOUT_MS - 1, [client])
    expect(client.closed).toBe(false)
    await network.pass(1, [client])
    expect([client.fault?.code, network.remains]).toEqual(['circuit-timeout', []])
  })

  test('so long for the destination, from the answer on', async () => {
    const network = new MemoryNetwork(PATH, { onConnect: () => {} })
    const client = network.open('client', PATH)
    await network.run()
    expect(client.circuit.state.at).toBe('opening')
    await network.pass(OPEN_TIMEOUT_MS - 1, [client])
    expect(client.closed).toBe(false)
    await network.pass(1, [client])
    expect([client.fault?.code, network.remains]).toEqual(['circuit-timeout', []])
  })

  test('with an open circuit for as long as its app likes, and keeps it alive by PINGs', async () => {
    const network = new MemoryNetwork(PATH)
    const client = await network.openSwitched('client', PATH)
    let cells = 0
    network.tamper = (header, frame) => {
      if (header.type === CELL_TYPES.cell) cells++
      return [frame]
    }
    for (let i = 0; i < 2 * (IDLE_TIMEOUT_MS / PING_IDLE_MS); i++) {
      await network.pass(PING_IDLE_MS - 1, [client])
      expect(cells).toBe(i * 6)
      await network.pass(1, [client])
      expect(cells).toBe((i + 1) * 6) // a PING and a PONG over three links each
    }
    expect(client.closed).toBe(false)
    client.circuit.write(new Uint8Array(10))
    await network.pass(PING_IDLE_MS - 1, [client])
    expect(cells).toBe(6 * 6 + 3)
  })

  test('and draws the token of each PING by chance, so that it has no clock in it', async () => {
    const network = new MemoryNetwork(['a'])
    const exit = new RawExit(network.hub('a'))
    const client = network.open('client', ['a'])
    await network.run()
    exit.send(cellOf({ type: 'opened', family: 4 }))
    await network.pass(SWITCH_DELAY_MS, [client])
    for (let i = 0; i < 3; i++) await network.pass(PING_IDLE_MS, [client])
    const tokens = exit.received
      .flatMap(({ plain }) => decodeMessages(plain!.subarray(0, capacityOf(1))) ?? [])
      .flatMap((message) => (message.type === 'ping' ? [message.token] : []))
    expect([tokens.length, new Set(tokens).size]).toEqual([3, 3])
    for (const token of tokens) expect(token).toBeGreaterThan(2n ** 40n) // wrong once in millions of runs
  })
})

describe('a client switches to full keys', () => {
  const watched = async () => {
    const network = new MemoryNetwork(PATH)
    const types: number[] = []
    network.tamper = (header, frame, from) => {
      if (from === 'client' && header.cellClass !== 0) types.push(header.type)
      return [frame]
    }
    const client = network.open('client', PATH)
    await network.run()
    expect([client.events, types]).toEqual([['opened 4'], [CELL_TYPES.create]])
    return { network, types, client, exit: network.hub('c').exits[0]! }
  }

  test('by the cell that brings its first bytes', async () => {
    const { network, types, client, exit } = await watched()
    for (const length of [600, 20]) {
      client.circuit.write(new Uint8Array(length))
      await network.run()
    }
    expect(types).toEqual([CELL_TYPES.create, CELL_TYPES.switch, CELL_TYPES.cell])
    expect(exit.received.map(({ length }) => length)).toEqual([600, 20])
  })

  test('by a cell without messages, once, if it has nothing to say for a while', async () => {
    const { network, types, client, exit } = await watched()
    await network.pass(SWITCH_DELAY_MS - 1, [client])
    expect(types).toEqual([CELL_TYPES.create])
    await network.pass(1, [client])
    await network.pass(SWITCH_TIMEOUT_MS, [client])
    expect([types, exit.received, client.closed]).toEqual([[CELL_TYPES.create, CELL_TYPES.switch], [], false])
  })
})

describe('a relay waits', () => {
  test('so long for a link to the next hub', async () => {
    const network = new MemoryNetwork(PATH)
    network.dialling.set('c', new Promise(() => {}))
    const client = network.open('client', PATH)
    await network.run()
    await network.pass(EXTEND_TIMEOUT_MS - EXTEND_STEP_MS - 1) // it is at place 2
    expect(client.closed).toBe(false)
    await network.pass(1)
    expect([client.fault?.code, network.remains]).toEqual(['next-silent', []])
  })

  test.each([1, 2, 3])(
    'in such a way that the client learns that the hub behind place %i is the silent one',
    async (place) => {
      const path = ['a', 'b', 'c', 'd']
      const network = new MemoryNetwork(path)
      new RawExit(network.hub(path[place]!), false)
      const client = network.open('client', path)
      await network.run()
      for (let second = 0; second < BUILD_TIMEOUT_MS / 1000; second++) await network.pass(1000, [client])
      expect([client.fault?.code, client.fault?.details]).toEqual(['next-silent', { place }])
    },
  )

  test('and forgets a link that comes too late', async () => {
    const network = new MemoryNetwork(['a', 'b'])
    const late = Promise.withResolvers<void>()
    network.dialling.set('b', late.promise)
    network.open('client', ['a', 'b'])
    await network.run()
    await network.pass(EXTEND_TIMEOUT_MS)
    late.resolve()
    await network.run()
    expect([network.remains, network.hub('b').exits]).toEqual([[], []])
  })

  test('so long for the SWITCH, and so does the exit', async () => {
    const network = new MemoryNetwork(['a', 'b'])
    const client = new RawClient(network, ['a', 'b'])
    await network.run()
    await network.pass(SWITCH_TIMEOUT_MS - 1)
    expect([client.closed, network.hub('a').service.circuitCount]).toEqual([false, 1])
    await network.pass(1)
    expect([client.closed, network.remains]).toEqual([true, []])
  })

  test('so long for anything at all', async () => {
    const network = new MemoryNetwork(['a', 'b'])
    const client = new RawClient(network, ['a', 'b'])
    await network.run()
    client.switch()
    await network.run()
    await network.pass(IDLE_TIMEOUT_MS - 1)
    expect(client.closed).toBe(false)
    await network.pass(1)
    expect([client.closed, network.hub('b').exits[0]?.events, network.remains]).toEqual([
      true,
      ['closed circuit-timeout'],
      [],
    ])
  })
})

describe('an exit waits', () => {
  test('so long for a target', async () => {
    const network = new MemoryNetwork(['a'])
    const client = new RawClient(network, ['a'], { target: undefined })
    await network.run()
    client.switch()
    await network.run()
    await network.pass(OPEN_WAIT_TIMEOUT_MS - 1)
    expect(client.closed).toBe(false)
    await network.pass(1)
    expect([client.closed, network.remains]).toEqual([true, []])
  })
})

/** A circuit in each of the states that it goes through, as far as its ends can tell them apart. */
const STAGES: Readonly<Record<string, (network: MemoryNetwork) => Promise<ClientRecord>>> = {
  'before anything was sent': async (network) => network.open('client', PATH),
  'while the first hub extends': async (network) => {
    network.dialling.set('b', new Promise(() => {}))
    const client = network.open('client', PATH)
    await network.run()
    return client
  },
  'while the second hub extends, with early bytes': async (network) => {
    network.dialling.set('c', new Promise(() => {}))
    const client = network.open('client', PATH)
    client.circuit.write(new Uint8Array(50_000))
    await network.run()
    return client
  },
  'while the exit does not answer': async (network) => {
    new RawExit(network.hub('c'), false)
    const client = network.open('client', PATH)
    await network.run()
    return client
  },
  'while the exit connects': async (network) => {
    const client = network.open('client', PATH)
    await network.run()
    return client
  },
  'while it is open': async (network) => {
    const client = network.open('client', PATH)
    await network.run()
    network.hub('c').exits[0]?.circuit().connected(4)
    await network.run()
    return client
  },
  'half closed by the client': async (network) => {
    const client = await STAGES['while it is open']!(network)
    client.circuit.finish()
    await network.run()
    return client
  },
  'half closed by the destination': async (network) => {
    const client = await STAGES['while it is open']!(network)
    network.hub('c').exits[0]?.circuit().finish()
    await network.run()
    return client
  },
  'with more queued than there is credit': async (network) => {
    const client = await STAGES['while it is open']!(network)
    client.circuit.write(new Uint8Array(3_000_000))
    network.hub('c').exits[0]?.circuit().write(new Uint8Array(3_000_000))
    await network.run()
    return client
  },
}

type End = (network: MemoryNetwork, client: ClientRecord) => void
const ENDS: Readonly<Record<string, End>> = {
  'the client resets': (_network, client) => client.circuit.reset(),
  'the client resets twice': (_network, { circuit }) => [0, 1].forEach(() => void circuit.reset()),
  'the first hub stops': (network) => network.hub('a').service.close(),
  'the second hub stops': (network) => network.hub('b').service.close(),
  'the exit stops': (network) => network.hub('c').service.close(),
  'all hubs stop': (network) => {
    for (const name of PATH) network.hub(name).service.close()
  },
  'the destination resets': (network) => network.hub('c').exits[0]?.circuit().reset(),
  'the client and the destination reset': (network, client) => {
    client.circuit.reset()
    network.hub('c').exits[0]?.circuit().reset()
  },
}

describe('the end of a circuit', () => {
  test.each(Object.keys(STAGES).flatMap((stage) => Object.keys(ENDS).map((end) => [stage, end] as const)))(
    '%s, because %s, leaves nothing anywhere',
    async (stage, end) => {
      const network = new MemoryNetwork(PATH, { onConnect: () => {}, autoRelease: false })
      const client = await STAGES[stage]!(network)
      ENDS[end]!(network, client)
      await network.run()
      // What waits for somebody who says nothing is over when that one's time is.
      await network.pass(EXTEND_TIMEOUT_MS, [client])
      for (let i = 0; i < 3; i++) await network.pass(OPEN_TIMEOUT_MS, [client])
      const live = network.remains.length > 0 && !client.closed
      if (live) client.circuit.reset()
      await network.run()
      for (let i = 0; i < 3; i++) await network.pass(31_000, [client])
      expect([network.remains, client.closed]).toEqual([[], true])
      const last = network.hub('c').exits[0]?.events.at(-1)
      if (last !== undefined) expect(last).toMatch(/^closed /)
      expect(client.events.filter((event) => event.startsWith('closed'))).toHaveLength(1)
    },
  )

  test('by a CLOSE in the same breath as the CREATE leaves nothing, however often', async () => {
    const network = new MemoryNetwork(PATH)
    for (let i = 0; i < 200; i++) network.open('client', PATH).circuit.reset()
    await network.run()
    expect(network.remains).toEqual([])
  })

  test('drops nothing that was sent before it', async () => {
    const network = new MemoryNetwork(PATH)
    const client = network.open('client', PATH)
    await network.run()
    client.circuit.write(new Uint8Array(200_000))
    client.circuit.reset()
    await network.run()
    const exit = network.hub('c').exits[0]!
    expect(exit.received.reduce((sum, bytes) => sum + bytes.length, 0)).toBe(200_000)
    expect(exit.events).toEqual(['closed connection-reset'])
  })
})
