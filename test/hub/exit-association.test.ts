import { afterEach, describe, expect, test } from '@jest/globals'
import { MAX_NAMES } from '../../hub/exit-association.ts'
import { Fault } from '../../shared/base/fault.ts'
import { FAULTS } from '../../shared/base/fault-codes.ts'
import { parseIp, parseRange } from '../../shared/base/ip-address.ts'
import { MAX_PACKET_AGE_MS } from '../../shared/circuit/packet-queue.ts'
import { peerAt, TestAssociation } from '../support/association-scene.ts'
import { ExitScene, LOOPBACK_RANGE } from '../support/exit-scene.ts'
import { UdpServer } from '../support/udp-server.ts'
import { until } from '../support/until.ts'

const LOOPBACK_6 = parseRange('::1/128') as NonNullable<ReturnType<typeof parseRange>>
const open: { close(): void }[] = []

function exit(): ExitScene {
  const scene = new ExitScene()
  scene.facts = { ...scene.facts, addressScope: [LOOPBACK_RANGE, LOOPBACK_6] }
  return scene
}

function association(scene: ExitScene): TestAssociation {
  const made = new TestAssociation(scene)
  open.push(made)
  return made
}

async function echo(host = '127.0.0.1'): Promise<UdpServer> {
  const server = await UdpServer.echo(host)
  open.push(server)
  return server
}

afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

describe('an association at an exit', () => {
  test.each([
    [true, true, 10],
    [true, false, 4],
    [false, true, 6],
  ])('says its families: IPv4 %s, IPv6 %s', (exit4, exit6, family) => {
    const scene = exit()
    scene.facts = { ...scene.facts, roles: { ...scene.facts.roles, exit4, exit6 } }
    expect(association(scene).circuit.events).toEqual([`connected ${family}`])
  })

  test.each(['127.0.0.1', '::1'])('sends to %s, and says from where the answer came', async (host) => {
    const server = await echo(host)
    const own = association(exit())
    own.send(peerAt(host, server.port), 'hello')
    await until(() => own.packets.length === 1)
    expect(own.packets).toEqual([{ type: 'datagram', peer: peerAt(host, server.port), bytes: Buffer.from('hello') }])
  })

  test('has one port for all peers, and takes datagrams of peers that it never sent to', async () => {
    const [one, two, stranger] = await Promise.all([echo(), echo(), echo()])
    const own = association(exit())
    own.send(peerAt('127.0.0.1', one.port), '1')
    own.send(peerAt('127.0.0.1', two.port), '2')
    await until(() => own.texts.length === 2)
    expect(one.seen[0]?.port).toBe(two.seen[0]?.port)
    stranger.sendTo('127.0.0.1', one.seen[0]?.port as number, 'a call')
    await until(() => own.texts.includes('a call'))
  })

  test('tells the client why a datagram was not sent, by the peer that it named', async () => {
    const scene = exit()
    const own = association(scene)
    scene.resolve = (name) => (name === 'lan.test' ? Promise.resolve([parseIp('10.0.0.1')!]) : Promise.reject(notFound))
    const notFound = new Fault('name-not-found')
    const peers = [
      peerAt('10.1.2.3', 443),
      peerAt('127.0.0.1', 25),
      { kind: 'name', name: 'lan.test', port: 443 } as const,
      { kind: 'name', name: 'none.test', port: 443 } as const,
    ]
    for (const peer of peers) own.send(peer, 'x')
    await until(() => own.packets.length === 4)
    const policy = FAULTS['policy-refused'].wire
    expect(own.refusals).toEqual([policy, policy, policy, FAULTS['name-not-found'].wire])
    expect(own.packets.map((one) => 'peer' in one && one.peer)).toEqual(peers)
    expect(scene.metrics.packets.entries.get('refused')).toBe(4)
  })

  test.each(['127.0.0.1', '::1'])('tells the client that nobody listens at %s, and goes on', async (host) => {
    const [server, gone] = await Promise.all([echo(host), UdpServer.echo(host)])
    const own = association(exit())
    const peer = peerAt(host, gone.port)
    gone.close()
    own.send(peer, 'x')
    await until(() => own.refusals.length === 1)
    expect(own.packets).toEqual([{ type: 'unreachable', reason: FAULTS['connection-refused'].wire, peer }])
    own.send(peer, 'y')
    for (let i = 0; i < 5; i++) own.send(peerAt(host, server.port), `${i}`)
    await until(() => own.refusals.length === 2 && own.texts.length === 5)
    expect(own.texts.toSorted()).toEqual(['0', '1', '2', '3', '4']) // one was sent again, behind the others
  })

  test('looks a name up once, keeps the order of datagrams, and sends all to one address', async () => {
    const server = await echo('127.0.0.2')
    const scene = exit()
    let asked = 0
    scene.resolve = () => {
      asked++
      return Promise.resolve([parseIp('10.0.0.1')!, parseIp(asked === 1 ? '127.0.0.2' : '127.0.0.3')!])
    }
    const own = association(scene)
    const peer = { kind: 'name', name: 'Server.test', port: server.port } as const
    for (const text of ['1', '2', '3']) own.send(peer, text)
    await until(() => own.texts.length === 3)
    own.send({ ...peer, name: 'server.test' }, '4')
    await until(() => own.texts.length === 4)
    expect([asked, own.texts]).toEqual([1, ['1', '2', '3', '4']])
    expect(own.packets[0]).toMatchObject({ peer: peerAt('127.0.0.2', server.port) })
  })

  test('loses nothing of what comes at once for a name that it knows', async () => {
    const server = await echo()
    const scene = exit()
    scene.resolve = () => Promise.resolve([parseIp('127.0.0.1')!])
    const own = association(scene)
    const peer = { kind: 'name', name: 'server.test', port: server.port } as const
    own.send(peer, 'first')
    await until(() => own.texts.length === 1)
    for (let i = 0; i < 100; i++) own.send(peer, `${i}`)
    await until(() => own.texts.length === 101)
    expect(scene.metrics.packets.entries.get('congested')).toBeUndefined()
  })

  test('asks again for a name that could not be found', async () => {
    const server = await echo()
    const scene = exit()
    scene.resolve = () => Promise.reject(new Fault('name-failed'))
    const own = association(scene)
    own.send({ kind: 'name', name: 'late.test', port: server.port }, '1')
    await until(() => own.refusals.length === 1)
    scene.resolve = () => Promise.resolve([parseIp('127.0.0.1')!])
    own.send({ kind: 'name', name: 'late.test', port: server.port }, '2')
    await until(() => own.texts.length === 1)
  })

  test('has so many names looked up and no more', async () => {
    const scene = exit()
    let asked = 0
    scene.resolve = () => {
      asked++
      return new Promise(() => {})
    }
    const own = association(scene)
    for (let i = 0; i < MAX_NAMES + 10; i++) own.send({ kind: 'name', name: `n${i}.test`, port: 443 }, 'x')
    expect([asked, scene.metrics.packets.entries.get('congested')]).toEqual([MAX_NAMES, 10])
  })

  test('lets what comes wait for the circuit, and drops it when it is late', async () => {
    const server = await echo()
    const scene = exit()
    const own = association(scene)
    own.circuit.mayCarry = false
    own.send(peerAt('127.0.0.1', server.port), 'late')
    await until(() => (scene.metrics.packets.entries.get('received') ?? 0) === 1)
    scene.clock.advance(MAX_PACKET_AGE_MS)
    own.send(peerAt('127.0.0.1', server.port), 'in time')
    await until(() => (scene.metrics.packets.entries.get('received') ?? 0) === 2)
    own.circuit.mayCarry = true
    own.writable()
    expect([own.texts, scene.metrics.packets.entries.get('late')]).toEqual([['in time'], 1])
  })

  test('drops a datagram that fits no cell, and counts it', async () => {
    const server = await UdpServer.open('127.0.0.1', () => new Uint8Array(20_000))
    open.push(server)
    const scene = exit()
    const own = association(scene)
    own.send(peerAt('127.0.0.1', server.port), 'x')
    await until(() => scene.metrics.packets.entries.get('too-large') === 1)
    expect(own.packets).toEqual([])
  })

  test('gives its sockets back when the circuit ends, and its place, once', async () => {
    const server = await echo()
    const scene = exit()
    const own = association(scene)
    own.send(peerAt('127.0.0.1', server.port), 'x')
    await until(() => own.texts.length === 1)
    expect(scene.service.associationCount).toBe(1)
    own.close()
    own.close()
    expect(scene.service.associationCount).toBe(0)
    server.sendTo('127.0.0.1', server.seen[0]?.port as number, 'too late')
    own.send(peerAt('127.0.0.1', server.port), 'y')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect([own.texts, server.seen.length]).toEqual([['x'], 1])
  })
})
