import { afterEach, describe, expect, test } from '@jest/globals'
import { UNANSWERED_BYTES, UNANSWERED_PEER_BYTES } from '../../hub/udp-peers.ts'
import { FAULTS } from '../../shared/base/fault-codes.ts'
import { parseIp } from '../../shared/base/ip-address.ts'
import { REFUSED_DATAGRAM_PORTS } from '../../shared/map/exit-policy.ts'
import { peerAt, TestAssociation } from '../support/association-scene.ts'
import { ExitScene, peerOf } from '../support/exit-scene.ts'
import { UdpServer } from '../support/udp-server.ts'
import { until } from '../support/until.ts'

/*
 * An exit as a weapon: somebody is flooded who wants nothing, large answers are drawn to others, and UDP reaches what TCP
 * may not. Sockets are real; loopback is the internet.
 */

const SIZE = 1000
const open: { close(): void }[] = []

afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

async function server(host: string, answer: (bytes: Buffer) => Uint8Array | undefined): Promise<UdpServer> {
  const made = await UdpServer.open(host, answer)
  open.push(made)
  return made
}

const victimAt = (host: string): Promise<UdpServer> => server(host, () => undefined)

function association(scene: ExitScene, from = peerOf(1)): TestAssociation {
  const made = new TestAssociation(scene, from)
  open.push(made)
  return made
}

/** What is on its way has come by then. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50))

/** Sends so many datagrams, and waits until the exit has said what became of each. */
async function flood(scene: ExitScene, own: TestAssociation, victim: UdpServer, count: number): Promise<void> {
  const before = scene.metrics.packets.total
  for (let i = 0; i < count; i++) own.send(peerAt(victim.host, victim.port), new Uint8Array(SIZE))
  expect(scene.metrics.packets.total - before).toBe(count)
  await settled()
}

const bytesAt = (victim: UdpServer): number => victim.seen.reduce((sum, { bytes }) => sum + bytes.length, 0)

describe('somebody who wants nothing', () => {
  test('gets little of a flood, and little of one that goes on', async () => {
    const scene = new ExitScene()
    const own = association(scene)
    const victim = await victimAt('127.0.0.1')
    await flood(scene, own, victim, 5000)
    await until(() => bytesAt(victim) > UNANSWERED_PEER_BYTES / 2, 'a little of the flood')
    await settled()
    expect(bytesAt(victim)).toBeLessThanOrEqual(UNANSWERED_PEER_BYTES)
    const first = bytesAt(victim)
    for (let second = 0; second < 5; second++) {
      scene.clock.advance(1000)
      await flood(scene, own, victim, 1000)
    }
    expect(bytesAt(victim) - first).toBeLessThanOrEqual(5 * 8192)
    expect(scene.metrics.packets.entries.get('unanswered')).toBeGreaterThan(9000)
  })

  test('gets no more by standing at many addresses and ports', async () => {
    const scene = new ExitScene()
    const own = association(scene)
    const victims = await Promise.all(Array.from({ length: 30 }, (_, i) => victimAt(`127.0.1.${i + 1}`)))
    for (const victim of victims) await flood(scene, own, victim, 100)
    const total = victims.reduce((sum, victim) => sum + bytesAt(victim), 0)
    expect(total).toBeLessThanOrEqual(UNANSWERED_BYTES)
  })

  test.each([
    ['another address', '127.0.0.3'],
    ['another port of its address', '127.0.0.2'],
  ])('is not taken for somebody who answered because %s did', async (_what, host) => {
    const scene = new ExitScene()
    const own = association(scene)
    const victim = await victimAt('127.0.0.2')
    const helper = await server(host, (bytes) => bytes)
    own.send(peerAt(victim.host, victim.port), '')
    own.send(peerAt(helper.host, helper.port), 'hello')
    await until(() => own.texts.length === 1)
    await flood(scene, own, victim, 1000)
    expect(bytesAt(victim)).toBeLessThanOrEqual(UNANSWERED_PEER_BYTES)
  })

  test('is never sent to unless the client named that very address and port', async () => {
    const scene = new ExitScene()
    const own = association(scene)
    const [victim, helper] = [await victimAt('127.0.0.1'), await server('127.0.0.1', (bytes) => bytes)]
    own.send(peerAt(helper.host, helper.port), 'hello')
    await until(() => own.texts.length === 1)
    helper.sendTo('127.0.0.1', helper.seen[0]?.port as number, `send to ${victim.port}`)
    await until(() => own.texts.length === 2)
    expect(victim.seen).toEqual([])
  })
})

test('an answer goes to the client alone: the exit has a port of its own choice, at each association another', async () => {
  const scene = new ExitScene()
  const echo = await server('127.0.0.1', (bytes) => bytes)
  const ports = new Set<number>()
  for (let i = 0; i < 5; i++) {
    const own = association(scene)
    own.send(peerAt(echo.host, echo.port), `${i}`)
    await until(() => own.texts.length === 1)
    expect(own.texts).toEqual([`${i}`])
    ports.add(echo.seen[i]?.port as number)
  }
  expect(ports.size).toBe(5)
  expect([...ports].every((port) => port >= 1024)).toBe(true)
})

describe('UDP reaches nothing that TCP may not', () => {
  const POLICY = FAULTS['policy-refused'].wire

  test.each([
    '10.0.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '224.0.0.251',
    '255.255.255.255',
    '100.100.100.200',
    '::1',
    'fe80::1',
    'ff02::fb',
  ])('%s', async (host) => {
    const scene = new ExitScene()
    const own = association(scene)
    own.send(peerAt(host, 443), 'x')
    await until(() => own.refusals.length === 1)
    expect([own.refusals, scene.metrics.packets.entries.get('sent')]).toEqual([[POLICY], undefined])
  })

  test('an address of a hub, of this computer, or a name that stands for one', async () => {
    const scene = new ExitScene()
    const hub = await victimAt('127.0.0.7')
    scene.facts = { ...scene.facts, forbidden: new Set(['7f000007']) }
    scene.resolve = () => Promise.resolve([parseIp('127.0.0.7')!, parseIp('10.0.0.1')!])
    const own = association(scene)
    own.send(peerAt(hub.host, hub.port), 'x')
    own.send({ kind: 'name', name: 'hub.test', port: hub.port }, 'x')
    await until(() => own.refusals.length === 2)
    expect([own.refusals, hub.seen]).toEqual([[POLICY, POLICY], []])
  })

  test('a port of the policy, or of services that floods are made of', async () => {
    const scene = new ExitScene()
    const own = association(scene)
    const ports = [25, ...REFUSED_DATAGRAM_PORTS.flat()]
    for (const port of ports) own.send(peerAt('127.0.0.1', port), 'x')
    await until(() => own.refusals.length === ports.length)
    expect(new Set(own.refusals)).toEqual(new Set([POLICY]))
    expect(ports).toEqual(expect.arrayContaining([19, 135, 389, 445, 1900, 11_211]))
  })

  test('nor does anything come from there, once the port is known', async () => {
    const scene = new ExitScene()
    const [hub, echo] = [await victimAt('127.0.0.7'), await server('127.0.0.1', (bytes) => bytes)]
    scene.facts = { ...scene.facts, forbidden: new Set(['7f000007']) }
    const own = association(scene)
    own.send(peerAt(echo.host, echo.port), 'x')
    await until(() => own.texts.length === 1)
    hub.sendTo('127.0.0.1', echo.seen[0]?.port as number, 'from a hub')
    await until(() => scene.metrics.packets.entries.get('refused') === 1)
    expect(own.texts).toEqual(['x'])
  })
})

describe('many associations', () => {
  const limited = (): ExitScene => new ExitScene({ maxAssociations: 5, maxAssociationsPerNeighbour: 3 })
  const refused = (own: TestAssociation): string | undefined => own.circuit.refused

  test('of one neighbour have a limit, and leave room for others', () => {
    const scene = limited()
    const one = peerOf(1)
    const ofOne = Array.from({ length: 5 }, () => association(scene, one))
    expect(ofOne.map(refused)).toEqual([undefined, undefined, undefined, 'exit-busy', 'exit-busy'])
    const other = peerOf(2)
    const ofOther = Array.from({ length: 3 }, () => association(scene, other))
    expect(ofOther.map(refused)).toEqual([undefined, undefined, 'exit-busy'])
  })

  test('count as long as they live, and those that were refused never', () => {
    const scene = limited()
    const neighbour = peerOf(1)
    for (let i = 0; i < 20; i++) {
      const own = Array.from({ length: 5 }, () => association(scene, neighbour))
      expect(own.filter((one) => refused(one) === undefined)).toHaveLength(3)
      for (const one of own) one.close()
      expect(scene.service.associationCount).toBe(0)
    }
  })

  test('can not be opened faster than connections', () => {
    const scene = new ExitScene({ connectsPerSecond: 10, connectBurst: 10 })
    const neighbour = peerOf(1)
    const own = Array.from({ length: 12 }, () => association(scene, neighbour))
    expect(own.filter((one) => refused(one) === 'exit-busy')).toHaveLength(2)
  })
})
