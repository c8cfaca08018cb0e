import { describe, expect, test } from '@jest/globals'
import type { App } from '../../client/apps/app.ts'
import { MAX_TRIES } from '../../client/connector.ts'
import type { Profile } from '../../client/navigator/profiles.ts'
import type { RuleWish } from '../../client/navigator/wish.ts'
import { targetText } from '../../client/purpose-text.ts'
import { utf8 } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import { FAULTS, type FaultCode } from '../../shared/base/fault-codes.ts'
import { parseIp, parseRange } from '../../shared/base/ip-address.ts'
import { CELL_TYPES } from '../../shared/cell/cell.ts'
import type { Target } from '../../shared/cell/target.ts'
import { CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { HUB_FLAGS } from '../../shared/map/hub-flags.ts'
import { ConnectorScene } from '../support/connector-scene.ts'
import { concatAll, MemoryNetwork } from '../support/memory-network.ts'
import { cellOf, RawExit, WEB } from '../support/raw-circuit.ts'

const WEB_ADDRESS = Uint8Array.of(93, 184, 216, 34)
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const ip = (text: string, port = 443): Target => ({ kind: 'ip', address: parseIp(text) as Uint8Array, port })

type Options = ConstructorParameters<typeof MemoryNetwork>[1]
const sceneWith = (options: Options = {}, hops = 3, names = NAMES): ConnectorScene =>
  new ConnectorScene(new MemoryNetwork(names, options), { hops })

/** How many circuits were tried, by counting the CREATEs that the client sends, and to whom. */
function countCreates(scene: ConnectorScene): { homes: string[] } {
  const counts = { homes: [] as string[] }
  scene.network.tamper = (header, frame, from, to) => {
    if (header.type === CELL_TYPES.create && from === 'client') counts.homes.push(to)
    return [frame]
  }
  return counts
}

describe('a connection', () => {
  test('takes a path that begins at home, and carries bytes both ways', async () => {
    const scene = sceneWith()
    const opened = scene.open(WEB)
    await scene.settle()
    expect(opened.events).toEqual(['opened 4'])
    expect(scene.paths[0]).toMatch(/^a>[b-h]>[b-h]$/)
    const exit = scene.network.hub(scene.paths[0]?.at(-1) as string).exits[0]!
    opened.tunnel.write(Uint8Array.of(1, 2, 3))
    exit.circuit().write(Uint8Array.of(4, 5))
    opened.tunnel.finish()
    exit.circuit().finish()
    await scene.settle()
    expect([concatAll(exit.received), concatAll(opened.received)]).toEqual([
      Uint8Array.of(1, 2, 3),
      Uint8Array.of(4, 5),
    ])
    expect([opened.events.at(-1), scene.network.remains, scene.connector.circuitCount]).toEqual([
      'closed cleanly',
      [],
      0,
    ])
    expect(scene.connections.all()[0]).toMatchObject({ state: 'ended', target: '93.184.216.34:443', fault: undefined })
  })

  test('has a path of its own, and so has the next', async () => {
    const scene = sceneWith()
    for (let i = 0; i < 20; i++) scene.open(WEB)
    await scene.settle()
    expect(new Set(scene.paths).size).toBeGreaterThan(5)
    expect(scene.connector.circuitCount).toBe(20)
  })

  test.each([1, 2, 3, 4])('has as many hops as wished: %i', async (hops) => {
    const scene = sceneWith({}, hops)
    const opened = scene.open(WEB)
    await scene.settle()
    expect([opened.events, scene.paths[0]?.split('>').length]).toEqual([['opened 4'], hops])
  })

  test('has as many hops as a rule asks for', async () => {
    const scene = sceneWith()
    const opened = scene.open(WEB, { open: (...args) => scene.connector.open(...args, { hops: 1 }) })
    await scene.settle()
    expect([opened.events, scene.paths[0]]).toEqual([['opened 4'], 'a'])
  })

  test.each<[RuleWish, string]>([
    [{ exit: [{ kind: 'country', country: 'DE' }] }, 'exit DE'],
    [{ hops: 2, avoid: [{ kind: 'as', asn: 5 }], trusted: true }, 'avoid AS5, trusted exit'],
  ])('is none where a rule asks for more than can be done: nothing is sent (%j)', async (wish, told) => {
    const scene = sceneWith()
    const { homes } = countCreates(scene)
    const opened = scene.open(WEB, { open: (...args) => scene.connector.open(...args, wish) })
    await scene.settle()
    expect([opened.events, opened.fault?.details, homes]).toEqual([['closed wish-unmet'], { wish: told }, []])
    expect(scene.connections.all()[0]).toMatchObject({ state: 'failed', fault: 'wish-unmet', path: [] })
  })

  test('leaves by a hub that the map marks as trusted where a rule asks for it, over any other hubs', async () => {
    const scene = sceneWith()
    for (const name of ['d', 'f']) scene.hubs.set(name, { ...scene.hubs.get(name)!, flags: HUB_FLAGS.trusted })
    for (let i = 0; i < 20; i++) {
      scene.open(ip(`93.184.216.${i}`), { open: (...args) => scene.connector.open(...args, { trusted: true }) })
    }
    await scene.settle()
    expect(new Set(scene.paths.map((path) => path.at(-1)))).toEqual(new Set(['d', 'f']))
    const relays = scene.paths.map((path) => path[2] as string)
    expect(relays.filter((relay) => !['d', 'f'].includes(relay)).length).toBeGreaterThan(10)
  })

  test.each([
    [{ hops: 1 } as const, false, 'wish-unmet'],
    [{ hops: 1 } as const, true, 'a'],
    [{ profile: 'plain' } as const, false, 'wish-unmet'],
    [{ profile: 'plain' } as const, true, 'a'],
  ])('over the home hub alone is trusted if that is: %j %s', async (length, isTrusted, expected) => {
    const scene = sceneWith()
    if (isTrusted) scene.hubs.set('a', { ...scene.hubs.get('a')!, flags: HUB_FLAGS.trusted })
    const wish = { ...length, trusted: true }
    const opened = scene.open(WEB, { open: (...args) => scene.connector.open(...args, wish) })
    await scene.settle()
    expect(opened.fault?.code ?? scene.paths[0]).toBe(expected)
  })

  test.each([
    ['198.51.100.1:443', ip('198.51.100.1')],
    ['[2001:db8::1]:80', ip('2001:db8::1', 80)],
    ['example.com:443', { kind: 'name', name: 'example.com', port: 443 }],
  ] as const)('is shown to the user as %s', (text, target) => {
    expect(targetText(target)).toBe(text)
  })
})

describe.each([
  ['the second home', { acquainted: ['d', 'a'] }],
  ['a home that was just lost', { lostHomes: ['d', 'a'] }],
])('%s', (_, homes) => {
  test.each([
    ['is on no path', ['a', 'b', 'c', 'd', 'e'], 0],
    ['is on paths where there is no other', ['a', 'c', 'd'], 20],
  ])('%s', async (_, names, times) => {
    const scene = sceneWith({}, 3, names)
    Object.assign(scene, homes)
    for (let i = 0; i < 20; i++) scene.open(ip(`93.184.216.${i + 1}`))
    await scene.settle()
    expect(scene.paths.filter((path) => path.length === 5).length).toBe(20)
    expect(scene.paths.filter((path) => path.includes('d')).length).toBe(times)
  })
})

describe('a network of so few hubs that there is no way without those that failed', () => {
  test('goes by those that failed long ago, and not by one that just did', async () => {
    const scene = sceneWith({}, 3, ['a', 'b', 'c', 'd'])
    const failed = Promise.reject(new Fault('next-unreachable'))
    failed.catch(() => {})
    for (const name of ['b', 'c']) {
      scene.network.dialling.clear()
      scene.network.dialling.set(name, failed)
      for (let i = 0; i < 5; i++) {
        scene.open(WEB)
        await scene.settle()
      }
      scene.network.clock.advance(1_000)
    }
    const before = scene.paths.length
    for (let i = 0; i < 20; i++) scene.open(ip(`93.184.216.${i + 1}`))
    await scene.settle()
    expect(scene.paths.slice(before).filter((path) => path.includes('c'))).toEqual([])
  })
})

describe('a hub that knows this computer by a link', () => {
  test('is on no path only because others failed lately', async () => {
    const scene = sceneWith({}, 3, ['a', 'b', 'c', 'd', 'e'])
    scene.acquainted = ['d']
    const failed = Promise.reject(new Fault('next-unreachable'))
    failed.catch(() => {})
    for (const name of ['b', 'c']) scene.network.dialling.set(name, failed)
    for (let i = 0; i < 5; i++) {
      scene.open(WEB)
      await scene.settle()
    }
    scene.network.dialling.clear()
    const before = scene.paths.length
    for (let i = 0; i < 10; i++) scene.open(ip(`93.184.216.${i + 1}`))
    await scene.settle()
    expect(scene.paths.slice(before).map((path) => path.includes('d'))).toEqual(Array(10).fill(false))
  })
})

describe('a home hub that lets live only circuits to few hubs', () => {
  const MANY = Array.from({ length: 40 }, (_, i) => `${i}`)

  const isFriend = (name: string | undefined): boolean => Number(name) % 8 === 0

  /** The first byte that comes over this circuit is changed by the home hub. */
  const kill = async (scene: ConnectorScene, exit: string): Promise<void> => {
    scene.network.tamper = (header, frame, from, to) => {
      if (header.type !== CELL_TYPES.cell || from !== '0' || to !== 'client') return [frame]
      return [frame.with(frame.length - 1, (frame.at(-1) as number) ^ 1)]
    }
    scene.network.hub(exit).exits.at(-1)?.circuit().write(Uint8Array.of(1))
    await scene.settle()
    scene.network.tamper = (_, frame) => [frame]
  }

  test.each(['before they are open', 'when they are open'])(
    'is left for another one: it kills others %s',
    async (when) => {
      const scene = sceneWith({}, 3, MANY)
      scene.openedHome = scene.homeNow()
      for (const name of when === 'before they are open' ? MANY.filter((one) => !isFriend(one)) : []) {
        const failed = Promise.reject(new Fault('next-unreachable'))
        failed.catch(() => {})
        scene.network.dialling.set(name, failed)
      }
      scene.onLeave = () => scene.network.dialling.clear()
      let circuits = 0
      while (circuits++ < 400 && scene.homeName === '0') {
        scene.connector.networkChanged() // hubs that failed are tried again, as they are after a while
        scene.open(WEB)
        await scene.settle()
        const [, second, exit = ''] = scene.paths.at(-1)!.split('>')
        if (when === 'when they are open' && !isFriend(second)) await kill(scene, exit)
      }
      expect([scene.homeName, scene.warnings.at(-1)]).toEqual(['1', 'home hub left: hardly any circuit gets beyond it'])
      expect(circuits).toBeGreaterThan(20)
      // That hubs failed behind it is no reason to keep clear of them.
      scene.openedHome = scene.homeNow()
      const rules = scene.connector.explainRoute(WEB, {}, nobody).excluded.map(({ rule }) => rule)
      expect(rules).not.toContain('failed not long ago')
    },
  )

  test('is kept when its link breaks, with all circuits that it carries: no hub has killed these', async () => {
    const scene = sceneWith({}, 3, MANY)
    const home = scene.homeNow()
    scene.openedHome = home
    for (let i = 0; i < 300; i++) {
      scene.connector.networkChanged()
      scene.open(WEB)
      await scene.settle()
    }
    const seconds = new Map<string, number>()
    for (const [second = ''] of scene.paths.map((path) => path.split('>').slice(1)))
      seconds.set(second, (seconds.get(second) ?? 0) + 1)
    expect([...seconds.values()].filter((circuits) => circuits >= 3).length).toBeGreaterThanOrEqual(20)
    scene.openedHome = scene.homeNow()
    home.handle.link.fail(new Fault('link-silent'))
    expect([scene.homeName, scene.warnings]).toEqual(['0', []])
  })

  test('is not to blame for circuits that were being built when its link broke', async () => {
    const scene = sceneWith({}, 3, MANY)
    const breaking = new Fault('link-silent')
    scene.home = async () => {
      const home = scene.homeNow()
      const { link } = home.handle
      const open = link.openCircuit.bind(link)
      link.openCircuit = (group) => {
        queueMicrotask(() => link.fail(breaking))
        return open(group)
      }
      return home
    }
    for (let i = 0; i < 150; i++) {
      scene.connector.networkChanged()
      const opened = scene.open(WEB)
      await scene.settle()
      expect(opened.closed).toBe(true)
    }
    expect(scene.warnings).toEqual([])
  })

  test('is kept where it lets all live, and where what fails is not of its next hub', async () => {
    const scene = sceneWith({ onConnect: ({ circuit }) => circuit().refuse('exit-busy') }, 3, MANY)
    scene.openedHome = scene.homeNow()
    for (let i = 0; i < 100; i++) {
      scene.connector.networkChanged()
      scene.open(WEB)
      await scene.settle()
    }
    expect([scene.homeName, scene.warnings]).toEqual(['0', []])
  })
})

describe('a destination that is no public address', () => {
  test.each(['10.0.0.1', '127.0.0.1', '169.254.169.254', '192.168.1.1', '224.0.0.1', '0.0.0.0', '::1', 'fe80::1'])(
    '%s is refused here, and nothing is sent',
    async (text) => {
      const scene = sceneWith()
      const { homes } = countCreates(scene)
      const opened = scene.open(ip(text))
      await scene.settle()
      expect([opened.fault?.code, homes, scene.network.remains]).toEqual(['destination-forbidden', [], []])
      expect(scene.connections.all()[0]).toMatchObject({ state: 'failed', path: [] })
    },
  )

  test('is carried where the map of a test network calls it public', async () => {
    const scene = sceneWith()
    scene.scope = [parseRange('198.18.0.0/15') as NonNullable<ReturnType<typeof parseRange>>]
    const [inside, outside] = [scene.open(ip('198.18.5.1')), scene.open(ip('10.0.0.1'))]
    await scene.settle()
    expect([inside.events, outside.fault?.code]).toEqual([['opened 4'], 'destination-forbidden'])
  })
})

const nobody = (): boolean => false
const WAY_FAULTS: readonly FaultCode[] = ['exit-busy', 'family-refused', 'kind-refused']
const DESTINATION_FAULTS = (Object.keys(FAULTS) as FaultCode[]).filter(
  (code) => FAULTS[code].wire >= 0x20 && !WAY_FAULTS.includes(code),
)

describe('another way', () => {
  test.each(WAY_FAULTS)(
    'is taken when the exit says %s: at most three in all, by the same home, never by that exit',
    async (code) => {
      const scene = sceneWith({ onConnect: ({ circuit }) => circuit().refuse(code) })
      const { homes } = countCreates(scene)
      const opened = scene.open(WEB)
      await scene.settle()
      expect([opened.fault?.code, homes]).toEqual([code, Array(MAX_TRIES).fill('a')])
      const used = [...scene.network.hubs.values()].filter(({ exits: seen }) => seen.length > 0)
      expect(used.map(({ exits: seen }) => seen.length)).toEqual([1, 1, 1])
      expect(scene.network.remains).toEqual([])
    },
  )

  test.each(DESTINATION_FAULTS)('is not taken when the destination is to blame: %s', async (code) => {
    const scene = sceneWith({ onConnect: ({ circuit }) => circuit().refuse(code) })
    const { homes } = countCreates(scene)
    const opened = scene.open(WEB)
    await scene.settle()
    expect([opened.events, homes]).toEqual([[`closed ${code}`], ['a']])
  })

  test('is found around hubs that can not be reached', async () => {
    const scene = sceneWith({}, 2, ['a', 'b', 'c', 'd'])
    for (const name of ['b', 'c']) {
      const failed = Promise.reject(new Fault('next-unreachable'))
      failed.catch(() => {})
      scene.network.dialling.set(name, failed)
    }
    const opened = scene.open(WEB)
    await scene.settle()
    expect([opened.events, scene.paths[0]]).toEqual([['opened 4'], 'a>d'])
  })

  test('is found around a hub whose circuit key is none', async () => {
    const scene = sceneWith({}, 2, ['a', 'b', 'c'])
    const bad = scene.hubs.get('b')!
    const key = bad.circuitKey.bytes.slice()
    key.fill(0, 0, 32)
    scene.hubs.set('b', { ...bad, circuitKey: new CircuitPublicKey(key) })
    for (let i = 0; i < 10; i++) scene.open(WEB)
    await scene.settle()
    expect(scene.paths).toEqual(Array(10).fill('a>c'))
    expect(scene.network.join('client', 'a').link.circuitCount).toBe(10)
  })

  test('does not hide why the first one failed, when there is no other', async () => {
    const scene = sceneWith({ onConnect: ({ circuit }) => circuit().refuse('exit-busy') }, 2, ['a', 'b'])
    const opened = scene.open(WEB)
    await scene.settle()
    expect(opened.fault?.code).toBe('exit-busy')
  })

  test('is never taken once bytes may have arrived that must not arrive twice', async () => {
    const scene = sceneWith()
    const { homes } = countCreates(scene)
    const opened = scene.open(WEB)
    await scene.settle()
    opened.tunnel.write(utf8('POST / HTTP/1.1\r\n\r\n'))
    const exit = scene.paths[0]?.at(-1) as string
    scene.network.hub(exit).service.close()
    await scene.settle()
    expect([opened.events, homes]).toEqual([['opened 4', 'closed circuit-closed'], ['a']])
  })

  test('is taken when the exit dies behind a request that changes nothing, which goes there', async () => {
    const scene = sceneWith()
    const opened = scene.open(WEB)
    await scene.settle()
    opened.tunnel.write(utf8('GET / HTTP/1.1\r\n\r\n'))
    const exit = scene.paths[0]?.at(-1) as string
    scene.network.hub(exit).service.close()
    await scene.settle()
    expect(opened.events).toEqual(['opened 4'])
    const again = scene.network.hub(scene.paths[1]?.at(-1) as string).exits.at(-1)
    expect(concatAll(again?.received ?? [])).toEqual(utf8('GET / HTTP/1.1\r\n\r\n'))
    expect(scene.connections.all().map(({ state }) => state)).toEqual(['failed', 'open'])
  })

  test('is not taken for an app that does not want the connection any more', async () => {
    const scene = sceneWith({ onConnect: ({ circuit }) => circuit().refuse('exit-busy') })
    const { homes } = countCreates(scene)
    const opened = scene.open(WEB)
    await new Promise((resolve) => setImmediate(resolve))
    opened.tunnel.reset()
    await scene.settle()
    expect([opened.events, homes.length <= 1, scene.network.remains]).toEqual([['closed cancelled'], true, []])
  })

  test('begins anew: nothing of an exit before it reaches the app', async () => {
    const scene = sceneWith({}, 2, ['a', 'b', 'c'])
    const evil = new RawExit(scene.network.hub('b'))
    for (let i = 0; i < 20; i++) {
      evil.end = undefined
      const opened = scene.open(WEB)
      await scene.settle()
      evil.send(cellOf({ type: 'fin', total: 0n }))
      await scene.settle()
      expect([opened.events, scene.paths.at(-1)]).toEqual([['opened 4'], 'a>c'])
    }
  })
})

describe('a home hub that stops', () => {
  test('is left: the way and all after it go by another, and what was open stays open', async () => {
    const scene = sceneWith()
    const { homes } = countCreates(scene)
    const before = scene.open(WEB)
    await scene.settle()
    scene.network.hub('a').service.drain()
    const [first, second] = [scene.open(WEB), scene.open(WEB)]
    await scene.settle()
    const third = scene.open(WEB)
    await scene.settle()
    for (const { events } of [before, first, second, third]) expect(events).toEqual(['opened 4'])
    expect(homes.slice(0, 5)).toEqual(['a', 'a', 'a', 'b', 'b'])
    expect(homes.slice(5).includes('a')).toBe(false)
    expect(scene.paths.slice(1, 3).some((path) => path.includes('a'))).toBe(false)
    const exit = scene.network.hub(scene.paths[0]?.at(-1) as string).exits[0]!
    exit.circuit().write(Uint8Array.of(1, 2, 3))
    await scene.settle()
    expect(concatAll(before.received)).toEqual(Uint8Array.of(1, 2, 3))
  })

  test('is left too when no map has it any more, and so nobody its circuit key: no CREATE goes there', async () => {
    const scene = sceneWith()
    const { homes } = countCreates(scene)
    scene.unlisted.add('a')
    const opened = scene.open(WEB)
    await scene.settle()
    expect([opened.events, homes, scene.homes[0]]).toEqual([['opened 4'], ['b'], 'b'])
  })

  test('is not left because another hub of the path stops', async () => {
    const scene = sceneWith({}, 2, ['a', 'b', 'c'])
    scene.network.hub('b').service.drain()
    for (let i = 0; i < 10; i++) scene.open(WEB)
    await scene.settle()
    expect([scene.paths, scene.homes]).toEqual([Array(10).fill('a>c'), ['a', 'b', 'c']])
  })

  test('and is the only one there is: the connection fails for that reason', async () => {
    const scene = sceneWith({}, 2, ['a', 'b'])
    for (const { service } of scene.network.hubs.values()) service.drain()
    const opened = scene.open(WEB)
    await scene.settle()
    expect(opened.events).toEqual(['closed hub-draining'])
  })
})

describe('a client whose time is wrong', () => {
  const HOUR_MS = 3_600_000

  test.each([-HOUR_MS, HOUR_MS])('by %i ms: asks for it when its home refuses, and gets through', async (offBy) => {
    const scene = sceneWith()
    scene.setTime(offBy)
    let asked = 0
    scene.checkTime = async () => {
      asked++
      scene.setTime(0)
    }
    const opened = scene.open(WEB)
    await scene.settle()
    expect([opened.events, asked]).toEqual([['opened 4'], 1])
    expect(scene.network.remains).not.toEqual([])
  })

  test('that cannot be asked for: the connection fails with that reason', async () => {
    const scene = sceneWith()
    scene.setTime(HOUR_MS)
    const opened = scene.open(WEB)
    await scene.settle()
    expect([opened.events, scene.network.remains]).toEqual([['closed clock-skew'], []])
  })

  test('says a hub behind the home: then it is that hub’s time, and nobody is asked', async () => {
    const scene = sceneWith({}, 2, ['a', 'b', 'c'])
    let asked = 0
    scene.checkTime = async () => void asked++
    for (const name of ['b', 'c']) scene.network.addHub(name, scene.network.hub(name)) // take nothing yet: restarted
    const opened = scene.open(WEB)
    await scene.settle()
    expect([opened.events, asked]).toEqual([['closed clock-skew'], 0])
  })
})

describe('a connection that can not even be tried', () => {
  test('says so when there is no home hub in time', async () => {
    const scene = sceneWith()
    scene.home = () => Promise.reject(new Fault('cancelled'))
    const opened = scene.open(WEB)
    await scene.settle()
    expect(opened.events).toEqual(['closed cancelled'])
  })

  test('says so when the map has expired', async () => {
    const scene = sceneWith()
    scene.map = () => {
      throw new Fault('map-expired')
    }
    const opened = scene.open(WEB)
    await scene.settle()
    expect(opened.events).toEqual(['closed map-expired'])
  })

  test('tries again on a new link when the old one broke under it, and gives up after three', async () => {
    const scene = sceneWith()
    scene.network.join('client', 'a').link.fail(new Fault('link-closed'))
    const opened = scene.open(WEB)
    await scene.settle()
    expect(opened.events).toEqual(['closed link-closed'])
  })

  test('is an internal fault for anything else that is thrown, and ends nothing but itself', async () => {
    const scene = sceneWith()
    scene.map = () => {
      throw new RangeError('a bug')
    }
    const opened = scene.open(WEB)
    await scene.settle()
    expect(opened.events).toEqual(['closed internal'])
  })
})

describe('the end of the connector', () => {
  test('ends all connections, also those that are being built, and leaves nothing', async () => {
    const scene = sceneWith({ onConnect: () => {} })
    const opened = Array.from({ length: 5 }, () => scene.open(WEB))
    await scene.settle()
    opened.push(scene.open(WEB))
    scene.connector.close()
    await scene.settle()
    for (const { closed } of opened.slice(0, 5)) expect(closed).toBe(true)
    opened.at(-1)?.tunnel.reset()
    await scene.settle()
    expect([scene.network.remains, scene.connector.circuitCount]).toEqual([[], 0])
  })

  test('a reset before anything else costs nothing', async () => {
    const scene = sceneWith()
    for (let i = 0; i < 50; i++) scene.open(WEB).tunnel.reset()
    await scene.settle()
    expect([scene.network.remains, scene.connections.all().map(({ state }) => state)]).toEqual([
      [],
      Array(50).fill('failed'),
    ])
  })
})

describe('a profile', () => {
  const FAR_AWAY = { place: { latitude: -33, longitude: 151, country: 'AU', city: '' }, asn: 7 }
  const openBy = async (scene: ConnectorScene, profile: Profile, port: number): Promise<string> => {
    scene.open({ ...WEB, port }, { open: (...args) => scene.connector.open(...args, { profile }) })
    await scene.settle()
    return scene.paths.at(-1) as string
  }
  /** The home is far from all others, and they from each other. */
  const apart = (): ConnectorScene => {
    const scene = sceneWith()
    for (const [i, name] of [...scene.hubs.keys()].entries())
      scene.hubs.set(name, {
        ...scene.hubs.get(name)!,
        location: { place: { ...FAR_AWAY.place, country: `${'ABCDEFGHIJ'[i]}X` }, asn: 100 + i },
      })
    return scene
  }

  test.each([
    ['plain', 443, 1],
    ['plain', 80, 2],
    ['fast', 80, 2],
    ['balanced', 80, 3],
    ['private', 443, 4],
  ] as const)('%s, to port %i, takes %i hubs', async (profile, port, hops) => {
    expect((await openBy(apart(), profile, port)).split('>')).toHaveLength(hops)
  })

  test('plain, to any port, takes one where the map of now marks the home hub as trusted', async () => {
    const scene = apart()
    scene.hubs.set('a', { ...scene.hubs.get('a')!, flags: HUB_FLAGS.trusted })
    expect(await openBy(scene, 'plain', 80)).toBe('a')
    const home = scene.homeNow()
    scene.hubs.set('a', { ...home.hub, circuitKey: scene.hubs.get('a')!.circuitKey, flags: 0 })
    scene.home = () => Promise.resolve(home) // as it was when the link was made
    expect((await openBy(scene, 'plain', 80)).split('>')).toHaveLength(2)
  })

  test('plain takes two hubs for a UDP socket: what follows the first datagram may be to any port', async () => {
    const scene = apart()
    const sink = { datagram: () => {}, closed: () => {} }
    scene.connector
      .openAssociation('socks', sink, undefined, { profile: 'plain' })
      .send(WEB_ADDRESS, 443, Uint8Array.of(1))
    await scene.settle()
    expect(scene.paths.at(-1)!.split('>')).toHaveLength(2)
  })

  test('takes one more where the home may not be the exit, or home and exit are near each other', async () => {
    const scene = apart()
    const home = scene.hubs.get('a')!
    scene.hubs.set('a', { ...home, roles: { ...home.roles, exit4: false } })
    expect((await openBy(scene, 'plain', 443)).split('>')).toHaveLength(2)
    for (const [name, hub] of scene.hubs)
      scene.hubs.set(name, { ...hub, location: { ...FAR_AWAY, asn: hub.location.asn } })
    expect((await openBy(scene, 'fast', 443)).split('>')).toHaveLength(3)
  })

  test.each([
    ['private', []],
    ['balanced', ['ip']],
  ] as const)('%s: before the path is answered the exit knows %j', async (profile, known) => {
    const scene = apart()
    let atAnswer: string[] | undefined
    scene.network.tamper = (header, frame, _from, to) => {
      const targets = [...scene.network.hubs.values()].flatMap(({ exits }) => exits.flatMap(({ target }) => target))
      if (header.type === CELL_TYPES.answer && to === 'client') atAnswer = targets.map(({ kind }) => kind)
      return [frame]
    }
    await openBy(scene, profile, 443)
    expect(atAnswer).toEqual(known)
  })
})

describe('a way that is late', () => {
  test('gets a rival by other hubs and the same home: the first answer wins, and the other ends', async () => {
    const scene = sceneWith({}, 2, ['a', 'b', 'c', 'd'])
    new RawExit(scene.network.hub('b')) // takes circuits, and never says that one is open
    const openings = Array.from({ length: 12 }, (_, i) => scene.open(ip(`93.184.216.${i + 1}`)))
    await scene.settle()
    expect(openings.filter(({ events }) => events.length === 0).length).toBeGreaterThan(0)
    scene.network.clock.advance(3_000)
    scene.connector.tickWays(scene.network.clock.now())
    await scene.settle()
    for (const { events } of openings) expect(events).toEqual(['opened 4'])
    for (const path of scene.paths) expect(path).toMatch(/^a>[cd]$/)
    expect(scene.connector.circuitCount).toBe(12)
  })

  test('by a home from which nothing came meanwhile gets a rival by the one that takes over', async () => {
    const scene = sceneWith({}, 2, ['a', 'b', 'c', 'd'])
    const doubts: [string | undefined, number][] = []
    scene.onDoubt = ({ operator }, since) => {
      doubts.push([operator, since])
      scene.homes = ['d']
    }
    scene.network.tamper = (header, frame, _from, to) =>
      to === 'a' && header.type === CELL_TYPES.create ? [] : [frame]
    const startedAt = scene.network.clock.now()
    const opening = scene.open(WEB)
    await scene.settle()
    expect(opening.events).toEqual([])
    scene.network.clock.advance(3_000)
    scene.connector.tickWays(scene.network.clock.now())
    await scene.settle()
    expect([opening.events, doubts]).toEqual([['opened 4'], [['a', startedAt]]])
    expect(scene.paths.at(-1)).toMatch(/^d>/)
  })

  test('gets one rival and no more', async () => {
    const scene = sceneWith({ onConnect: () => {} }, 2, ['a', 'b', 'c', 'd', 'e'])
    const { homes } = countCreates(scene)
    scene.open(WEB)
    await scene.settle()
    for (let i = 0; i < 4; i++) {
      scene.network.clock.advance(1_000)
      scene.connector.tickWays(scene.network.clock.now())
      await scene.settle()
    }
    expect(homes).toEqual(['a', 'a'])
  })
})

describe('a network of which 30 % of the hubs are dead', () => {
  test('carries on: hubs that failed one connection are avoided by the next', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `hub ${i}`)
    const scene = sceneWith({}, 3, names)
    for (const name of names.slice(1, 7)) {
      const failed = Promise.reject(new Fault('next-unreachable'))
      failed.catch(() => {})
      scene.network.dialling.set(name, failed)
    }
    const outcomes: boolean[] = []
    for (let i = 0; i < 200; i++) {
      const opened = scene.open(ip(`93.184.${i}.1`))
      await scene.settle()
      outcomes.push(opened.events[0] === 'opened 4')
      opened.tunnel.reset()
    }
    expect(outcomes.slice(0, 10).filter((isOpen) => !isOpen).length).toBeLessThanOrEqual(2)
    expect(outcomes.slice(10)).toEqual(Array(190).fill(true))
  })
})

describe('an exit', () => {
  const SOMEBODY = { path: '/x', uid: 1, pid: 1 }
  const app = (key: string): Promise<App> => Promise.resolve({ key, ...SOMEBODY })
  const exitsOf = async (scene: ConnectorScene, key: string, target = WEB): Promise<Set<string>> => {
    const exits = new Set<string>()
    for (let i = 0; i < 6; i++) {
      scene.open(target, scene.connector, app(key))
      await scene.settle()
      exits.add(scene.paths.at(-1)!.at(-1)!)
    }
    return exits
  }

  test('stays for an app at a site, and is another for others now and then', async () => {
    const scene = sceneWith()
    const exits: string[] = []
    for (const key of ['one', 'two', 'three', 'four', 'five', 'six', 'seven']) {
      const mine = await exitsOf(scene, key)
      expect(mine.size).toBe(1)
      exits.push([...mine][0]!)
    }
    expect(new Set(exits).size).toBeGreaterThan(1)
    for (const [i, key] of ['one', 'two'].entries()) expect([...(await exitsOf(scene, key))]).toEqual([exits[i]])
  })

  test('is not shared by apps that are still looked for when their connections open, and is theirs from then on', async () => {
    const scene = sceneWith()
    const later = (key: string): Promise<App> =>
      new Promise((resolve) => setImmediate(() => resolve({ key, ...SOMEBODY })))
    const firsts: string[] = []
    for (const key of ['one', 'two', 'three', 'four', 'five', 'six', 'seven']) {
      scene.open(WEB, scene.connector, later(key))
      await scene.settle()
      firsts.push(scene.paths.at(-1)!.at(-1)!)
      expect([...(await exitsOf(scene, key))]).toEqual([firsts.at(-1)])
    }
    expect(new Set(firsts).size).toBeGreaterThan(1)
  })

  test('of a connection that was under way at a new identity is none of it', async () => {
    const kept: boolean[] = []
    for (let i = 0; i < 8; i++) {
      const scene = new ConnectorScene(new MemoryNetwork(NAMES), { hops: 2, seed: `under way ${i}` })
      scene.open(WEB)
      await new Promise((resolve) => setImmediate(resolve)) // the path is chosen, and nothing has answered
      scene.connector.newIdentity()
      await scene.settle()
      scene.open(WEB)
      await scene.settle()
      const [before, after] = scene.paths.map((path) => path.at(-1))
      kept.push(before === after)
    }
    expect(kept).toContain(false)
  })

  test('is explained as it is taken: also when all exits failed lately, and by the hubs that the profile really has', async () => {
    const scene = sceneWith({ onConnect: ({ circuit }) => circuit().refuse('exit-busy') }, 2, ['a', 'b', 'c'])
    scene.openedHome = scene.homeNow()
    scene.open(WEB)
    await scene.settle()
    expect(scene.connector.explainRoute(WEB, {}, nobody).path).toHaveLength(2)
    expect(scene.connector.explainRoute(WEB, { profile: 'fast' }, nobody).path).toHaveLength(3) // all are in one place
  })

  test('is explained as the one that an app keeps, for that app and site alone', async () => {
    const scene = sceneWith({}, 2)
    scene.openedHome = scene.homeNow()
    const exits = new Map<string, string>()
    for (const key of ['one', 'two', 'three', 'four']) {
      scene.open(WEB, scene.connector, Promise.resolve({ key, ...SOMEBODY }))
      await scene.settle()
      exits.set(key, scene.hubs.get(scene.paths.at(-1)!.slice(-1))!.key)
    }
    expect(new Set(exits.values()).size).toBeGreaterThan(1)
    for (const [key, exit] of exits) {
      const { path, isKept } = scene.connector.explainRoute(WEB, {}, (app) => app === key)
      expect([path.at(-1)?.hub, isKept]).toEqual([exit, true])
      expect(scene.connector.explainRoute(ip('8.8.8.8'), {}, (app) => app === key).isKept).toBe(false)
    }
    expect(scene.connector.explainRoute(WEB, {}, nobody).isKept).toBe(false)
    scene.connector.newIdentity({ app: 'one' })
    const { path, isKept } = scene.connector.explainRoute(WEB, {}, (app) => app === 'one')
    expect([path.at(-1)?.hub === exits.get('one'), isKept]).toEqual([false, false])
  })

  test('is another one after a new identity, as long as there is one', async () => {
    const scene = sceneWith({}, 2, ['a', 'b', 'c'])
    const exitOf = async (): Promise<string> => {
      scene.open(WEB)
      await scene.settle()
      return scene.paths.at(-1)?.slice(2) as string
    }
    let before = await exitOf()
    for (let i = 0; i < 12; i++) {
      scene.connector.newIdentity()
      const after = await exitOf()
      expect([after, before].sort()).toEqual(['b', 'c'])
      before = after
    }
    scene.unlisted.add(before === 'b' ? 'c' : 'b')
    scene.connector.newIdentity()
    expect(await exitOf()).toBe(before)
  })

  test('is chosen anew for a new identity, and in another network', async () => {
    for (const renew of ['newIdentity', 'networkChanged'] as const) {
      const scene = sceneWith()
      const exits = new Set<string>()
      for (let i = 0; i < 12; i++) {
        for (const exit of await exitsOf(scene, 'app')) exits.add(exit)
        scene.connector[renew]()
      }
      expect(exits.size).toBeGreaterThan(3)
    }
  })

  test('is in the country that a rule asks for, and no hub that it avoids is on the path', async () => {
    const scene = sceneWith()
    const place = { latitude: 52, longitude: 13, country: 'DE', city: '' }
    for (const name of ['e', 'f']) scene.hubs.set(name, { ...scene.hubs.get(name)!, location: { place, asn: 1 } })
    const wish: RuleWish = { exit: [{ kind: 'country', country: 'DE' }], avoid: [{ kind: 'operator', operator: 'b' }] }
    for (let i = 0; i < 20; i++) scene.open(WEB, { open: (...args) => scene.connector.open(...args, wish) })
    await scene.settle()
    for (const path of scene.paths) expect(path).toMatch(/^a>[c-h]>[ef]$/)
  })
})
