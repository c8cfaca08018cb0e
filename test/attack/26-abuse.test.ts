import net from 'node:net'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { MAX_ADDRESSES_TRIED } from '../../hub/exit-connection.ts'
import { hubOptionsSchema } from '../../hub/options.ts'
import { parseOptions } from '../../shared/base/options.ts'
import type { Target } from '../../shared/cell/target.ts'
import { DEFAULT_REJECTED_PORTS } from '../../shared/map/exit-policy.ts'
import { ExitScene, peerOf } from '../support/exit-scene.ts'
import { until } from '../support/until.ts'

/*
 * An exit used for what exits are used for by people without manners: mail, worms, floods of connections, scans.
 */

const PUBLIC = Uint8Array.of(93, 184, 216, 34)
const web = (port: number): Target => ({ kind: 'ip', address: PUBLIC, port })

let sockets: net.Socket[]
const scenes: ExitScene[] = []

beforeEach(() => {
  sockets = []
  jest.spyOn(net, 'connect').mockImplementation(() => {
    sockets.push(new net.Socket())
    return sockets.at(-1) as net.Socket
  })
})

afterEach(() => {
  for (const scene of scenes.splice(0)) scene.close()
  for (const socket of sockets) socket.destroy()
  jest.restoreAllMocks()
})

function newScene(...options: ConstructorParameters<typeof ExitScene>): ExitScene {
  const scene = new ExitScene(...options)
  scenes.push(scene)
  return scene
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Connects, and says what came of it: a refusal, or that it was dialled. */
async function attempt(scene: ExitScene, target: Target, from = peerOf(1)): Promise<string> {
  const before = sockets.length
  const { circuit, connection } = scene.open(from)
  connection.connect(target)
  return until(() => circuit.refused ?? (sockets.length > before && 'dialled'))
}

describe('the policy of an exit whose operator said nothing', () => {
  const options = parseOptions(
    hubOptionsSchema,
    { networkFile: 'n', stateDir: 's', listen: ['192.0.2.1:443'] },
    'hub.json',
  )
  const exit = (): ExitScene => {
    const scene = newScene()
    scene.facts = { ...scene.facts, policy: options.exitPolicy }
    return scene
  }

  test.each([25, 119, 135, 136, 137, 138, 139, 445, 563])('refuses port %i, by address and by name', async (port) => {
    const scene = exit()
    scene.resolve = () => Promise.resolve([PUBLIC])
    expect(await attempt(scene, web(port))).toBe('policy-refused')
    expect(await attempt(scene, { kind: 'name', name: 'mail.test', port })).toBe('policy-refused')
    expect(sockets).toEqual([])
  })

  test('lets all other ports pass', async () => {
    const scene = exit()
    for (const port of [1, 22, 24, 26, 53, 80, 118, 120, 134, 140, 443, 444, 446, 465, 562, 564, 587, 853, 65_535]) {
      expect([port, await attempt(scene, web(port))]).toEqual([port, 'dialled'])
    }
    expect(DEFAULT_REJECTED_PORTS.reduce((sum, [from, to]) => sum + to - from + 1, 0)).toBe(9)
  })

  test('of an operator who named a few ports lets nothing else pass', async () => {
    const scene = exit()
    scene.facts = { ...scene.facts, policy: [{ action: 'accept', fromPort: 443, toPort: 443 }] }
    expect(await attempt(scene, web(443))).toBe('dialled')
    expect(await attempt(scene, web(80))).toBe('policy-refused')
  })

  test('makes no exit of it: that has to be switched on', async () => {
    const scene = exit()
    scene.facts = { ...scene.facts, roles: options.roles }
    expect(await attempt(scene, web(443))).toBe('family-refused')
  })
})

describe('connections', () => {
  test('that come by one neighbour are limited a second; those of another are not harmed', async () => {
    const scene = newScene({ connectsPerSecond: 10, connectBurst: 20 })
    const [flood, quiet] = [peerOf(1), peerOf(2)]
    const results = []
    for (let i = 0; i < 50; i++) results.push(await attempt(scene, web(443), flood))
    expect(results.filter((result) => result === 'dialled')).toHaveLength(20)
    expect(results.filter((result) => result === 'exit-busy')).toHaveLength(30)
    expect(await attempt(scene, web(443), quiet)).toBe('dialled')
    scene.clock.advance(1000)
    const later = []
    for (let i = 0; i < 20; i++) later.push(await attempt(scene, web(443), flood))
    expect(later.filter((result) => result === 'dialled')).toHaveLength(10)
  })

  test('that are refused count too: a scan of forbidden ports is a flood like any other', async () => {
    const scene = newScene({ connectsPerSecond: 1, connectBurst: 5 })
    const from = peerOf(1)
    const results = []
    for (let i = 0; i < 6; i++) results.push(await attempt(scene, web(25), from))
    expect(results).toEqual([...Array(5).fill('policy-refused'), 'exit-busy'])
  })

  test('at once are capped: at the cap and one past it, from however many neighbours', async () => {
    const scene = newScene({ maxConnections: 30 })
    for (let i = 0; i < 30; i++) expect(await attempt(scene, web(443), peerOf(i))).toBe('dialled')
    expect(await attempt(scene, web(443), peerOf(200))).toBe('exit-busy')
    sockets[0]?.destroy(Object.assign(new Error(), { code: 'ECONNREFUSED' }))
    await until(() => scene.service.connectionCount === 29)
    expect(await attempt(scene, web(443), peerOf(200))).toBe('dialled')
  })

  test('that wait for a name count as well: a slow name server does not lift the cap', async () => {
    const scene = newScene({ maxConnections: 3 })
    scene.resolve = () => new Promise(() => {})
    for (let i = 0; i < 3; i++) scene.open().connection.connect({ kind: 'name', name: 'slow.test', port: 443 })
    await turn()
    expect([scene.service.connectionCount, await attempt(scene, web(443))]).toEqual([3, 'exit-busy'])
  })

  test('to the addresses of one name are few: whoever owns a name owns no scanner', async () => {
    const scene = newScene()
    scene.resolve = () =>
      Promise.resolve(Array.from({ length: 4000 }, (_, i) => Uint8Array.of(93, 184, i >> 8, i & 255)))
    const { circuit, connection } = scene.open()
    connection.connect({ kind: 'name', name: 'scan.test', port: 22 })
    for (let i = 0; i < 100 && circuit.refused === undefined; i++) {
      await turn()
      for (const socket of sockets) socket.destroy(Object.assign(new Error(), { code: 'ECONNREFUSED' }))
    }
    await until(() => circuit.refused)
    expect([circuit.refused, sockets.length]).toEqual(['connection-refused', MAX_ADDRESSES_TRIED])
  })
})
