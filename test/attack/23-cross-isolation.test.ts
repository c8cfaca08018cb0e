import { describe, expect, test } from '@jest/globals'
import type { App } from '../../client/apps/app.ts'
import { parseIp } from '../../shared/base/ip-address.ts'
import type { Target } from '../../shared/cell/target.ts'
import { ConnectorScene } from '../support/connector-scene.ts'
import { concatAll, MemoryNetwork } from '../support/memory-network.ts'

const at = (text: string): Target => ({ kind: 'ip', address: parseIp(text)!, port: 443 })
const app = (key: string): Promise<App> => Promise.resolve({ key, path: '/x', uid: 1, pid: 1 })

describe('connections of two programs, or to two sites', () => {
  test('never share a circuit, also where their exit is the same', async () => {
    const scene = new ConnectorScene(new MemoryNetwork(['a', 'b', 'c'], {}), { hops: 2 })
    const asked = ['one', 'two'].flatMap((key) =>
      ['93.184.216.1', '93.184.216.2', '93.184.216.1'].map((to) => ({ key, to })),
    )
    const opened = asked.map(({ key, to }) => scene.open(at(to), scene.connector, app(key)))
    await scene.settle()
    expect(scene.connector.circuitCount).toBe(asked.length)
    for (const [i, { tunnel }] of opened.entries()) tunnel.write(Uint8Array.of(i, i))
    await scene.settle()
    const exits = ['a', 'b', 'c'].flatMap((name) => scene.network.hub(name).exits)
    expect(exits.map(({ received }) => [...concatAll(received)]).sort()).toEqual(asked.map((_, i) => [i, i]))
  })

  test('tell nothing of each other by their exits: what one app has at a site says nothing of another', async () => {
    const pairs = new Map<string, number>()
    for (let i = 0; i < 60; i++) {
      const scene = new ConnectorScene(new MemoryNetwork(['a', 'b', 'c'], {}), { hops: 2, seed: `${i}` })
      for (const key of ['one', 'two']) {
        scene.open(at('93.184.216.1'), scene.connector, app(key))
        await scene.settle()
      }
      const pair = scene.paths.map((path) => path.at(-1)).join('')
      pairs.set(pair, (pairs.get(pair) ?? 0) + 1)
    }
    expect([...pairs.keys()].sort()).toEqual(['bb', 'bc', 'cb', 'cc'])
    for (const count of pairs.values()) expect(count).toBeGreaterThan(4)
  })
})
