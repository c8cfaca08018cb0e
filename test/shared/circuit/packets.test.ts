import { describe, expect, test } from '@jest/globals'
import type { PacketMessage } from '../../../shared/cell/message.ts'
import { PacketLane } from '../../../shared/circuit/packet-lane.ts'
import { MAX_PACKET_AGE_MS } from '../../../shared/circuit/packet-queue.ts'
import { PACKETS_IDLE_MS, PING_IDLE_MS } from '../../../shared/circuit/timers.ts'
import { FRAME_TYPES } from '../../../shared/link/frame.ts'
import { type ClientRecord, type ExitRecord, MemoryNetwork } from '../../support/memory-network.ts'

const PATH = ['a', 'b', 'c']
const PEER = { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 } as const

function datagram(text: string): PacketMessage {
  return { type: 'datagram', peer: PEER, bytes: new TextEncoder().encode(text) }
}

interface Scene {
  readonly network: MemoryNetwork
  readonly client: ClientRecord
  readonly exit: ExitRecord
  readonly lane: PacketLane
}

/** An open circuit of UDP over three hops, with a lane at the client. */
async function scene(): Promise<Scene> {
  const network = new MemoryNetwork(PATH, { onConnect: ({ circuit }) => circuit().connected(10) })
  const client = network.open('client', PATH, { target: { kind: 'udp' } })
  const lane = new PacketLane(client.circuit, network.clock)
  client.onWritable = () => lane.flush()
  await network.run()
  lane.open()
  return { network, client, lane, exit: network.hub('c').exits[0] as ExitRecord }
}

const textsOf = (packets: readonly PacketMessage[]): string[] =>
  packets.map((one) => ('bytes' in one ? Buffer.from(one.bytes).toString() : one.type))

describe('a circuit of packets', () => {
  test('opens with the families of the exit, and carries packets both ways', async () => {
    const { network, client, lane, exit } = await scene()
    expect(exit.target).toEqual([{ kind: 'udp' }])
    expect(client.events).toContain('opened 10')
    lane.push(datagram('there'))
    lane.push(datagram(''))
    await network.run()
    expect(textsOf(exit.packets)).toEqual(['there', ''])
    exit.circuit().carry([datagram('and back'), { type: 'unreachable', reason: 0x26, peer: PEER }])
    await network.run()
    expect(textsOf(client.packets)).toEqual(['and back', 'unreachable'])
    expect(client.packets[0]).toEqual(datagram('and back'))
  })

  test('waits with packets until it is open, however long that takes', async () => {
    const network = new MemoryNetwork(PATH, { onConnect: () => {} })
    const client = network.open('client', PATH, { target: { kind: 'udp' } })
    const lane = new PacketLane(client.circuit, network.clock)
    lane.push(datagram('patient'))
    await network.run()
    await network.pass(10 * MAX_PACKET_AGE_MS, [client])
    const exit = network.hub('c').exits[0] as ExitRecord
    exit.circuit().connected(4)
    await network.run()
    lane.open()
    await network.run()
    expect(textsOf(exit.packets)).toEqual(['patient'])
  })

  test('puts what one turn brings into few cells', async () => {
    const { network, exit, lane } = await scene()
    let cells = 0
    network.tamper = (header, frame, from) => {
      const isCell = header.type === FRAME_TYPES.cell || header.type === FRAME_TYPES.switch
      if (isCell && from === 'client') cells++
      return [frame]
    }
    for (let i = 0; i < 24; i++) lane.push(datagram(`${i}`.padEnd(200)))
    await network.run()
    expect(exit.packets).toHaveLength(24)
    expect(cells).toBe(3)
  })

  test('drops packets that are late before they are sealed, and no cell', async () => {
    const { network, client, exit, lane } = await scene()
    const held: Uint8Array[] = []
    // Nothing of the first hub goes on: neither to the next one nor as credit to the client.
    network.tamper = (header, frame, from, to) => {
      if (from !== 'a' || to !== 'client' || header.type !== FRAME_TYPES.credit) return [frame]
      held.push(frame)
      return []
    }
    for (let i = 0; i < 40; i++) {
      for (let k = 0; k < 8; k++) lane.push(datagram(`${8 * i + k}`.padEnd(1500)))
      await network.run()
    }
    const early = exit.packets.length
    expect(early).toBeGreaterThan(50)
    expect(early).toBeLessThan(320)
    expect(client.circuit.mayCarry).toBe(false)
    network.clock.advance(MAX_PACKET_AGE_MS)
    lane.push(datagram('in time'))
    network.tamper = (_header, frame) => [frame]
    for (const frame of held) network.link('client', 'a').receive(frame, network.clock.now())
    await network.run()
    expect(textsOf(exit.packets.slice(early)).filter((text) => text !== 'in time').length).toBeLessThanOrEqual(8)
    expect(textsOf(exit.packets).at(-1)).toBe('in time')
    expect(lane.dropped).toBeGreaterThan(100)
    expect(lane.dropped + exit.packets.length).toBe(321)
    expect(client.closed).toBe(false)
  })

  test('gives credit for what it delivers by itself', async () => {
    const { network, exit, lane } = await scene()
    for (let i = 0; i < 100; i++) {
      for (let k = 0; k < 8; k++) lane.push(datagram('x'.repeat(1900)))
      await network.run()
    }
    expect([exit.packets.length, lane.dropped]).toEqual([800, 0])
  })

  test('is ended cleanly by the exit when it was idle, and by nobody before', async () => {
    const { network, client, exit, lane } = await scene()
    client.onFinished = () => client.circuit.finish()
    await network.pass(PACKETS_IDLE_MS - 10_000, [client])
    lane.push(datagram('still here'))
    await network.run()
    await network.pass(PACKETS_IDLE_MS - 10_000, [client])
    expect(client.closed).toBe(false)
    await network.pass(20_000, [client])
    expect([client.closed, client.fault]).toEqual([true, undefined])
    expect(exit.events.at(-1)).toBe('closed cleanly')
    expect(network.remains).toEqual([])
    expect(PACKETS_IDLE_MS).toBeLessThan(PING_IDLE_MS)
  })

  test('ends at the exit when its client resets it', async () => {
    const { network, client, exit } = await scene()
    client.circuit.reset()
    await network.run()
    expect(exit.events.at(-1)).toBe('closed connection-reset')
    expect(network.remains).toEqual([])
  })
})

const WEB = { kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 } as const
const ECHO: PacketMessage = { type: 'echo', sequence: 1, bytes: new Uint8Array(3) }

describe('messages of another kind of circuit end it', () => {
  test.each([
    ['a datagram on a connection', WEB, datagram('x')],
    ['an echo on a connection', WEB, ECHO],
    ['an echo on a circuit of UDP', { kind: 'udp' } as const, ECHO],
    ['a datagram on a circuit of echo', { kind: 'echo', address: WEB.address } as const, datagram('x')],
  ])('%s, from the client and from the exit', async (_what, target, message) => {
    for (const from of ['client', 'exit']) {
      const network = new MemoryNetwork(PATH)
      const client = network.open('client', PATH, { target })
      await network.run()
      const exit = network.hub('c').exits[0] as ExitRecord
      if (from === 'client') client.circuit.carry([message])
      else exit.circuit().carry([message])
      await network.run()
      expect([client.packets, exit.packets, client.closed, network.remains]).toEqual([[], [], true, []])
      expect(exit.events.at(-1)).toBe(from === 'client' ? 'closed circuit-protocol' : 'closed circuit-closed')
    }
  })

  test.each([{ kind: 'udp' }, { kind: 'echo', address: WEB.address }] as const)(
    'data on a circuit of $kind',
    async (target) => {
      const network = new MemoryNetwork(PATH)
      const client = network.open('client', PATH, { target })
      await network.run()
      client.circuit.write(Uint8Array.of(1))
      await network.run()
      expect([client.closed, network.hub('c').exits[0]?.received]).toEqual([true, []])
    },
  )

  test('both families of a connection, and a name for who sent a datagram', async () => {
    const both = new MemoryNetwork(PATH, { onConnect: ({ circuit }) => circuit().connected(10) })
    const connection = both.open('client', PATH)
    await both.run()
    expect(connection.fault?.code).toBe('circuit-protocol')
    const { network, client, exit } = await scene()
    exit.circuit().carry([{ type: 'datagram', peer: { kind: 'name', name: 'a', port: 1 }, bytes: new Uint8Array(1) }])
    await network.run()
    expect([client.fault?.code, client.packets]).toEqual(['circuit-protocol', []])
  })
})
