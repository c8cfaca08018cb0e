import { describe, expect, test } from '@jest/globals'
import type { Association } from '../../client/association.ts'
import { Fault } from '../../shared/base/fault.ts'
import type { FaultCode } from '../../shared/base/fault-codes.ts'
import { formatIp } from '../../shared/base/ip-address.ts'
import { MAX_PACKET_AGE_MS, MAX_PACKET_BYTES } from '../../shared/circuit/packet-queue.ts'
import { PACKETS_IDLE_MS } from '../../shared/circuit/timers.ts'
import { ConnectorScene } from '../support/connector-scene.ts'
import { type ExitRecord, MemoryNetwork } from '../support/memory-network.ts'

const SERVER = Uint8Array.of(93, 184, 216, 34)
const SIX = Uint8Array.from([0x20, 1, 0x48, 0x60, ...new Uint8Array(12)])

interface Own {
  readonly association: Association
  readonly received: string[]
  readonly events: string[]
}

/** An app's UDP socket, in a network of which every exit takes UDP. */
function sceneOf(
  names = ['a', 'b', 'c', 'd'],
  onConnect: (record: ExitRecord) => void = ({ circuit }) => circuit().connected(10),
): { scene: ConnectorScene; own: Own } {
  const scene = new ConnectorScene(new MemoryNetwork(names, { onConnect }))
  return { scene, own: open(scene) }
}

function open(scene: ConnectorScene): Own {
  const [received, events]: [string[], string[]] = [[], []]
  const association = scene.connector.openAssociation('socks', {
    datagram: (address, port, bytes) => received.push(`${formatIp(address)} ${port} ${Buffer.from(bytes)}`),
    error: (peer, because: FaultCode) =>
      events.push(`${peer.kind === 'ip' ? formatIp(peer.address) : peer.name} ${because}`),
    closed: (fault) => events.push(`closed ${fault?.code ?? 'cleanly'}`),
  })
  return { association, received, events }
}

function exitsOf(scene: ConnectorScene): ExitRecord[] {
  return [...scene.network.hubs.values()].flatMap(({ exits }) => exits)
}

const textsAt = ({ packets }: ExitRecord): string[] =>
  packets.map((one) => ('bytes' in one ? Buffer.from(one.bytes).toString() : one.type))

describe('a UDP socket of an app', () => {
  test('costs nothing before its first datagram, then one circuit for all peers', async () => {
    const { scene, own } = sceneOf()
    await scene.settle()
    expect(exitsOf(scene)).toHaveLength(0)
    expect(own.association.send(SERVER, 443, Buffer.from('one'))).toBe(true)
    expect(own.association.send('example.com', 53, Buffer.from('two'))).toBe(true)
    expect(own.association.send(SIX, 443, Buffer.from('three'))).toBe(true)
    await scene.settle()
    const [exit, ...others] = exitsOf(scene)
    expect([others, exit?.target, textsAt(exit!)]).toEqual([[], [{ kind: 'udp' }], ['one', 'two', 'three']])
    expect(scene.connections.all()).toMatchObject([{ by: 'socks', target: '93.184.216.34:443/udp', state: 'open' }])
  })

  test('gets datagrams of its peers, and errors by peer', async () => {
    const { scene, own } = sceneOf()
    own.association.send(SERVER, 443, Buffer.from('x'))
    await scene.settle()
    const peer = { kind: 'ip', address: SERVER, port: 443 } as const
    exitsOf(scene)[0]
      ?.circuit()
      .carry([
        { type: 'datagram', peer, bytes: Buffer.from('hello') },
        { type: 'unreachable', reason: 0x26, peer: { kind: 'name', name: 'lan.test', port: 1 } },
      ])
    await scene.settle()
    expect([own.received, own.events]).toEqual([['93.184.216.34 443 hello'], ['lan.test policy-refused']])
  })

  test('sends all that waited for the circuit, also if that took longer than packets may get old', async () => {
    const { scene, own } = sceneOf(undefined, () => {})
    for (const text of ['1', '2', '3']) own.association.send(SERVER, 443, Buffer.from(text))
    await scene.settle()
    scene.network.clock.advance(20 * MAX_PACKET_AGE_MS)
    const [exit] = exitsOf(scene)
    exit?.circuit().connected(4)
    await scene.settle()
    expect(textsAt(exit!)).toEqual(['1', '2', '3'])
  })

  test('is told when its circuit is gone, and has another one with its next datagram', async () => {
    const { scene, own } = sceneOf()
    own.association.send(SERVER, 443, Buffer.from('1'))
    await scene.settle()
    const first = exitsOf(scene)[0] as ExitRecord
    first.circuit().close('hub-draining')
    await scene.settle()
    expect(own.events).toEqual(['closed circuit-closed'])
    expect(own.association.send(SERVER, 443, Buffer.from('2'))).toBe(true)
    await scene.settle()
    const second = exitsOf(scene).find((exit) => exit !== first)
    expect(textsAt(second!)).toEqual(['2'])
  })

  test('ends cleanly when it was idle, and has another circuit behind that', async () => {
    const { scene, own } = sceneOf()
    own.association.send(SERVER, 443, Buffer.from('1'))
    await scene.settle()
    await scene.network.pass(PACKETS_IDLE_MS + 1000)
    await scene.settle()
    expect(own.events).toEqual(['closed cleanly'])
    expect(scene.network.remains).toEqual([])
    own.association.send(SERVER, 443, Buffer.from('2'))
    await scene.settle()
    expect(exitsOf(scene).flatMap(textsAt)).toEqual(['1', '2'])
  })

  test('takes another way if an exit is busy', async () => {
    let count = 0
    const { scene, own } = sceneOf(['a', 'b', 'c', 'd', 'e', 'f'], ({ circuit }) => {
      if (count++ === 0) circuit().refuse('exit-busy')
      else circuit().connected(4)
    })
    own.association.send(SERVER, 443, Buffer.from('x'))
    await scene.settle()
    expect([own.events, exitsOf(scene).flatMap(textsAt)]).toEqual([[], ['x']])
  })

  test('does not build a circuit for every datagram while there is no way', async () => {
    const { scene, own } = sceneOf()
    scene.map = () => {
      throw new Fault('map-expired')
    }
    expect(own.association.send(SERVER, 443, Buffer.from('1'))).toBe(true)
    await scene.settle()
    expect(own.events).toEqual(['closed map-expired'])
    for (let i = 0; i < 100; i++) expect(own.association.send(SERVER, 443, Buffer.from('2'))).toBe(false)
    await scene.settle()
    expect([own.events, scene.connections.all().length]).toEqual([['closed map-expired'], 1])
    scene.map = () => scene.mapNow()
    scene.network.clock.advance(1000)
    expect(own.association.send(SERVER, 443, Buffer.from('3'))).toBe(true)
    await scene.settle()
    expect(exitsOf(scene).flatMap(textsAt)).toEqual(['3'])
  })

  test.each([
    ['a private address', Uint8Array.of(10, 0, 0, 1), 443, ['10.0.0.1 destination-forbidden']],
    ['multicast', Uint8Array.of(224, 0, 0, 251), 5353, ['224.0.0.251 destination-forbidden']],
    [
      'a private address in IPv6',
      Uint8Array.from([...new Uint8Array(10), 255, 255, 10, 0, 0, 1]),
      1,
      ['10.0.0.1 destination-forbidden'],
    ],
    ['a private address as text', '192.168.1.1', 443, ['192.168.1.1 destination-forbidden']],
    ['a name that is none', '-x', 443, []],
    ['port 0', SERVER, 0, []],
  ])('does not send to %s', async (_what, to, port, events) => {
    const { scene, own } = sceneOf()
    expect(own.association.send(to, port, Buffer.from('x'))).toBe(false)
    await scene.settle()
    expect([own.events, exitsOf(scene)]).toEqual([events, []])
  })

  test('says that a datagram is too large', async () => {
    const { own } = sceneOf()
    expect(own.association.send(SERVER, 443, new Uint8Array(MAX_PACKET_BYTES - 10))).toBe(true)
    expect(own.association.send(SERVER, 443, new Uint8Array(MAX_PACKET_BYTES - 9))).toBe(false)
  })

  test('that was closed ends its circuit at the exit, and hears nothing more', async () => {
    const { scene, own } = sceneOf()
    own.association.send(SERVER, 443, Buffer.from('x'))
    await scene.settle()
    own.association.close()
    expect(own.association.send(SERVER, 443, Buffer.from('y'))).toBe(false)
    await scene.settle()
    expect([own.events, exitsOf(scene)[0]?.events.at(-1), scene.network.remains]).toEqual([
      [],
      'closed connection-reset',
      [],
    ])
  })

  test('leaves by an exit of both families where there is one', async () => {
    for (let i = 0; i < 8; i++) {
      const scene = new ConnectorScene(
        new MemoryNetwork(['a', 'b', 'c', 'd', 'e'], { onConnect: ({ circuit }) => circuit().connected(10) }),
        { seed: `families ${i}` },
      )
      for (const [name, hub] of scene.hubs) {
        scene.hubs.set(name, { ...hub, roles: { ...hub.roles, exit6: name === 'd' } })
      }
      open(scene).association.send(SERVER, 443, Buffer.from('x'))
      await scene.settle()
      expect(scene.paths[0]?.endsWith('>d')).toBe(true)
    }
  })
})

describe('echo requests of an app', () => {
  test('go to one address, and their answers come back by number', async () => {
    const { scene } = sceneOf()
    const events: string[] = []
    const echo = scene.connector.openEcho(SERVER, 'intercepted', {
      reply: (sequence, bytes) => events.push(`${sequence} ${Buffer.from(bytes)}`),
      closed: (fault) => events.push(`closed ${fault?.code ?? 'cleanly'}`),
    })
    expect(echo.send(7, Buffer.from('ping'))).toBe(true)
    await scene.settle()
    const [exit] = exitsOf(scene)
    expect(exit?.target).toEqual([{ kind: 'echo', address: SERVER }])
    expect(exit?.packets).toEqual([{ type: 'echo', sequence: 7, bytes: Buffer.from('ping') }])
    exit?.circuit().carry([{ type: 'echo', sequence: 7, bytes: Buffer.from('ping') }])
    await scene.settle()
    expect(events).toEqual(['7 ping'])
    expect(scene.connections.all()).toMatchObject([{ by: 'intercepted', target: '93.184.216.34/echo' }])
    echo.close()
    await scene.settle()
    expect([events, scene.network.remains]).toEqual([['7 ping'], []])
  })
})
