import { getEventListeners } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type Home, waitFor } from '../../client/home-dialer.ts'
import { HomeLink } from '../../client/home-link.ts'
import { HomeStore } from '../../client/home-store.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { systemClock } from '../../shared/base/clock.ts'
import { Fault } from '../../shared/base/fault.ts'
import { type IpFamily, parseIp } from '../../shared/base/ip-address.ts'
import { type Log, silentLog } from '../../shared/base/log.ts'
import { CELL_TYPES, newFrame } from '../../shared/cell/cell.ts'
import { encodeFrame, FRAME_TYPES } from '../../shared/link/frame.ts'
import { createLinkCertificate } from '../../shared/link/link-certificate.ts'
import { libp2pKeyFromSeed } from '../../shared/link/peer.ts'
import { LINK_TLS_OPTIONS } from '../../shared/link/tls-parameters.ts'
import { type MapHub, sortHubs } from '../../shared/map/hub-map.ts'
import type { LinkAddress, LinkTransport } from '../../shared/map/link-address.ts'
import type { HubMap } from '../../shared/map/signed-map.ts'
import { rejectionOf } from '../support/fault-of.ts'
import { LOOPBACK, NODE_NETWORK_ID, type TestNode, TestNodes } from '../support/link-nodes.ts'
import { mapHubOf, NOW_S } from '../support/map-fixtures.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { until } from '../support/until.ts'

/** The clock of the machine, which a test can move forward. */
class ShiftedClock {
  #ahead = 0
  now = (): number => systemClock.now() + this.#ahead
  advance(ms: number): void {
    this.#ahead += ms
  }
}

let folder: string
let hubs: MapHub[]
let homeLink: HomeLink
let clock: ShiftedClock
let ups: number
let downs: string[]
let warnings: string[]
let errors: string[]
let draws = 0
let families: ReadonlySet<IpFamily>
const log: Log = {
  ...silentLog,
  warn: (message) => void warnings.push(message),
  error: (message) => void errors.push(message),
}
const nodes = new TestNodes()
const cleanUp: (() => unknown)[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-home-'))
  hubs = []
  families = new Set([4, 6])
  ups = 0
  downs = []
  warnings = []
  errors = []
  clock = new ShiftedClock()
  homeLink = make()
})

afterEach(async () => {
  await homeLink.close()
  for (const step of cleanUp.splice(0)) await step()
  await nodes.close()
  rmSync(folder, { recursive: true })
})

function make(transport: LinkTransport = 'tls'): HomeLink {
  const chance = seededRandom('home link')
  const below = (limit: number): number => {
    draws++
    return chance.below(limit)
  }
  return new HomeLink({
    ...{ networkId: NODE_NETWORK_ID, clock, random: { ...chance, below }, log },
    homes: new HomeStore(folder),
    transport,
    families: () => families,
    ownLocation: () => undefined,
    map: () => {
      if (hubs.length === 0) throw new Fault('map-expired')
      const sorted = sortHubs(hubs)
      return {
        content: { hubs: sorted, validAfter: NOW_S },
        hub: (id: Uint8Array) => sorted.find(({ key }) => key === toHex(id)),
      } as unknown as HubMap
    },
    onUp: () => {
      ups++
    },
    onDown: ({ code }) => void downs.push(code),
  })
}

const inMap = (id: Uint8Array, address: LinkAddress): MapHub => mapHubOf(id, { linkAddresses: [address] })
const soon = (): AbortSignal => AbortSignal.timeout(20_000)

async function hub(): Promise<TestNode> {
  const node = await nodes.start()
  hubs.push(inMap(node.id, node.address))
  return node
}

describe('a wait', () => {
  test('that is over leaves nothing behind at its signal, and ends at once where that came before', async () => {
    const stop = new AbortController()
    for (let i = 0; i < 20; i++) await waitFor(1, stop.signal)
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0)
    stop.abort()
    await waitFor(60_000, stop.signal)
  })
})

describe('the home link', () => {
  test('is kept when the map expires during the dial', async () => {
    const node = await hub()
    homeLink.connect()
    hubs = []
    expect((await homeLink.ready(soon())).hub.key).toBe(toHex(node.id))
    await until(() => node.links.length === 1)
    expect(downs).toEqual([])
  })

  test('does not look for more homes each second where all that there are are kept', async () => {
    await hub()
    homeLink.connect()
    await homeLink.ready(soon())
    const before = draws
    for (let i = 0; i < 5; i++) {
      homeLink.tick()
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(draws).toBe(before)
  })

  test('comes up when it is told to connect, and says to what', async () => {
    const node = await hub()
    homeLink.connect()
    homeLink.connect()
    const home = await homeLink.ready(soon())
    expect([home.hub.key, home.handle.link.closed, ups]).toEqual([toHex(node.id), false, 1])
    expect(homeLink.home).toBe(home)
    await until(() => node.links.length === 1)
  })

  test('is made again when it breaks, to the same hub, by another identity', async () => {
    const node = await hub()
    homeLink.connect()
    const first = await homeLink.ready(soon())
    await until(() => node.links.length === 1)
    node.links[0]?.close()
    await until(() => homeLink.home !== first)
    const second = await homeLink.ready(soon())
    expect(second.hub.key).toBe(first.hub.key)
    expect(second.handle.ownKey).not.toEqual(first.handle.ownKey)
    expect(second.handle.binding).not.toEqual(first.handle.binding)
  })

  test('goes to a home that is known, over a restart, before any other', async () => {
    for (let i = 0; i < 5; i++) await hub()
    homeLink.connect()
    const first = await homeLink.ready(soon())
    for (let i = 0; i < 3; i++) {
      await homeLink.close()
      homeLink = make()
      homeLink.connect()
      expect((await homeLink.ready(soon())).hub.key).toBe(first.hub.key)
    }
  })

  test('goes on to another when the known one is gone, and comes back to it later', async () => {
    const old = await hub()
    homeLink.connect()
    await homeLink.ready(soon())
    await homeLink.close()
    const known = hubs[0] as MapHub
    hubs = [inMap(old.id, { ip: LOOPBACK, port: 1 })]
    const other = await hub()
    homeLink = make()
    homeLink.connect()
    expect((await homeLink.ready(soon())).hub.key).toBe(toHex(other.id))
    await homeLink.close()
    hubs[0] = known
    homeLink = make()
    homeLink.connect()
    expect((await homeLink.ready(soon())).hub.key).toBe(known.key)
  })

  test('is made to another home within a second where the one before is gone without a word', async () => {
    const silent = net.createServer(() => {}) // takes connections and says nothing
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    cleanUp.push(() => silent.close())
    const old = await hub()
    homeLink.connect()
    await homeLink.ready(soon())
    await homeLink.close()
    hubs = [inMap(old.id, { ip: LOOPBACK, port: (silent.address() as net.AddressInfo).port })]
    const other = await hub()
    homeLink = make()
    const started = systemClock.now()
    homeLink.connect()
    expect(homeLink.acquainted).toEqual(new Set([toHex(old.id)]))
    expect((await homeLink.ready(soon())).hub.key).toBe(toHex(other.id))
    expect(homeLink.acquainted).toContain(toHex(other.id))
    expect(systemClock.now() - started).toBeLessThan(4_000) // half of what a dial may take: another was dialled beside it
  })

  test('forgets homes that are in the map no more, and that take no clients', async () => {
    const old = await hub()
    homeLink.connect()
    await homeLink.ready(soon())
    await homeLink.close()
    const [first] = hubs as [MapHub]
    hubs = [{ ...first, roles: { ...first.roles, home: false } }]
    const other = await hub()
    homeLink = make()
    homeLink.connect()
    expect((await homeLink.ready(soon())).hub.key).toBe(toHex(other.id))
    expect(old.links.length).toBe(1)
  })

  test('tries again as long as there is no map and no hub', async () => {
    homeLink.connect()
    const home = homeLink.ready(soon())
    await new Promise((resolve) => setImmediate(resolve))
    await hub()
    expect((await home).handle.link.closed).toBe(false)
  })

  test('that is left is made to another hub at once; the old one lives on for the circuits that it has', async () => {
    const old = await hub()
    homeLink.connect()
    const first = await homeLink.ready(soon())
    const other = await hub()
    const circuit = first.handle.link.openCircuit()
    homeLink.leave(first)
    homeLink.leave(first)
    const second = await homeLink.ready(soon())
    expect([second.hub.key, ups]).toEqual([toHex(other.id), 2])
    homeLink.tick()
    expect([first.handle.link.closed, old.links.length]).toEqual([false, 1])
    circuit.abort()
    homeLink.tick()
    await until(() => old.links[0]?.link.closed === true)
    expect([homeLink.home, second.handle.link.closed]).toEqual([second, false])
  })

  test('goes back to a hub that was left rather than nowhere, and when a link breaks that was left nothing changes', async () => {
    const node = await hub()
    homeLink.connect()
    const first = await homeLink.ready(soon())
    homeLink.leave(first)
    const second = await homeLink.ready(soon())
    expect([second.hub.key, second === first]).toEqual([first.hub.key, false])
    node.links[0]?.close()
    await until(() => first.handle.link.closed)
    expect([homeLink.home, second.handle.link.closed]).toEqual([second, false])
  })

  test('that is worn is replaced by one to the same hub, and lives on for the circuits that it has', async () => {
    const node = await hub()
    homeLink.connect()
    const first = await homeLink.ready(soon())
    const circuit = first.handle.link.openCircuit()
    homeLink.tick()
    expect(homeLink.home).toBe(first)
    first.handle.link.isWorn = () => true // twelve hours of a real link would be needed; see wear.test.ts
    homeLink.tick()
    const second = await homeLink.ready(soon())
    expect([second.hub.key, second === first, first.handle.link.closed]).toEqual([first.hub.key, false, false])
    await until(() => node.links.length === 2)
    circuit.abort()
    homeLink.tick()
    await until(() => first.handle.link.closed)
    expect(homeLink.home).toBe(second)
  })

  test('after a change of the network is a new one; the one before lives on while it answers', async () => {
    const node = await hub()
    homeLink.connect()
    const first = await homeLink.ready(soon())
    first.handle.link.openCircuit()
    homeLink.renew()
    const second = await homeLink.ready(soon())
    expect(second.handle.link).not.toBe(first.handle.link)
    await until(() => node.links.length === 2)
    clock.advance(60_000)
    await until(() => first.handle.link.rttMs !== undefined)
    homeLink.tick()
    expect([first.handle.link.closed, homeLink.home === second]).toEqual([false, true])
  })

  test('that does not answer after a change of the network ends with its circuits', async () => {
    await hub()
    homeLink.connect()
    const first = await homeLink.ready(soon())
    const circuit = first.handle.link.openCircuit()
    first.handle.link.receive = () => {} // as when its address is gone: nothing comes any more
    homeLink.renew()
    await homeLink.ready(soon())
    homeLink.tick()
    expect(first.handle.link.closed).toBe(false)
    clock.advance(3_000)
    homeLink.tick()
    await until(() => first.handle.link.closed)
    expect(circuit.status).not.toBe('open')
  })

  test('that waits to be dialled again is dialled at once after a change of the network', async () => {
    homeLink.connect()
    for (let i = 1; i <= 4; i++) await until(() => downs.length >= i)
    await hub()
    const before = downs.length
    homeLink.renew()
    await homeLink.ready(soon())
    expect(downs.length).toBe(before)
  })

  describe('has a second one beside it,', () => {
    const both = () =>
      until(() => homeLink.second !== undefined && { home: homeLink.home as Home, second: homeLink.second })
    const nodeOf = ({ hub: { key } }: Home): TestNode => started.find(({ id }) => toHex(id) === key) as TestNode
    let started: TestNode[]

    beforeEach(async () => {
      started = [await hub(), await hub(), await hub(), await hub()]
      homeLink.connect()
      await homeLink.ready(soon())
    })

    test('to another hub, by another identity, and no third', async () => {
      const { home, second } = await both()
      expect(second.hub.key).not.toBe(home.hub.key)
      expect(second.handle.ownKey).not.toEqual(home.handle.ownKey)
      for (let i = 0; i < 5; i++) {
        homeLink.tick()
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect(started.reduce((sum, { links }) => sum + links.length, 0)).toBe(2)
    })

    test('and tells which hubs know this computer: also one that was left, as long as its link lives', async () => {
      const { home, second } = await both()
      expect(homeLink.acquainted).toEqual(new Set([home.hub.key, second.hub.key]))
      const circuit = home.handle.link.openCircuit()
      homeLink.leave(home)
      homeLink.tick() // dials a third
      const { second: third } = await both()
      expect(homeLink.acquainted).toEqual(new Set([home.hub.key, second.hub.key, third.hub.key]))
      circuit.abort()
      homeLink.tick()
      expect(homeLink.acquainted).toEqual(new Set([second.hub.key, third.hub.key]))
    })

    test('which takes over in the moment in which it breaks, and another takes its place', async () => {
      const { home, second } = await both()
      nodeOf(home).links[0]?.close()
      await until(() => home.handle.link.closed)
      expect([homeLink.home, downs]).toEqual([second, []])
      homeLink.tick()
      await both()
    })

    test('and calls a hub lost for a minute whose link broke, if not because the network changed', async () => {
      const { home, second } = await both()
      expect(homeLink.lost).toEqual([])
      nodeOf(home).links[0]?.close()
      await until(() => homeLink.lost.length > 0)
      expect(homeLink.lost).toEqual([home.hub.key])
      clock.advance(50_000)
      expect(homeLink.lost).toEqual([home.hub.key])
      clock.advance(10_000)
      expect(homeLink.lost).toEqual([])
      nodeOf(second).links[0]?.close()
      await until(() => homeLink.lost.length > 0)
      homeLink.renew()
      expect(homeLink.lost).toEqual([])
    })

    test('which takes over from a home that is left, and keeps what it has', async () => {
      const { home, second } = await both()
      home.handle.link.openCircuit()
      homeLink.leave(home)
      expect([homeLink.home, home.handle.link.closed]).toEqual([second, false])
      homeLink.tick()
      const { second: third } = await both()
      expect([home.hub.key, second.hub.key]).not.toContain(third.hub.key)
    })

    test('which takes over when it is silent though it should have answered, until it speaks', async () => {
      const { home, second } = await both()
      homeLink.doubt(home, home.handle.link.heardAt)
      expect(homeLink.home).toBe(home)
      clock.advance(1)
      homeLink.doubt(home, clock.now())
      expect([homeLink.home, homeLink.second]).toEqual([second, home])
      await until(() => home.handle.link.rttMs !== undefined)
      homeLink.tick()
      expect([homeLink.home, homeLink.second]).toEqual([home, second])
    })

    test('which stays when it never speaks again', async () => {
      const { home, second } = await both()
      home.handle.link.receive = () => {} // as when the hub lost its power: nothing comes any more
      homeLink.doubt(home, clock.now() + 1)
      clock.advance(3_000)
      homeLink.tick()
      expect(homeLink.home).toBe(second)
      await until(() => home.handle.link.closed)
      expect(downs).toEqual([])
      const { second: third } = await both()
      expect(third.hub.key).not.toBe(home.hub.key) // it waits for its time
    })

    test('which gives way when the preferred hub is there again', async () => {
      const { home, second } = await both()
      nodeOf(home).links[0]?.close()
      await until(() => homeLink.home === second)
      await until(() => {
        homeLink.tick()
        return homeLink.home?.hub.key === home.hub.key && homeLink.second === second
      })
      expect(second.handle.link.closed).toBe(false)
    })

    test('which is closed with it', async () => {
      await both()
      await homeLink.close()
      await until(() => started.every(({ links }) => links.every(({ link }) => link.closed)))
    })
  })

  test('that was left for long comes back when it is forgiven, as the preferred one', async () => {
    for (let i = 0; i < 3; i++) await hub()
    homeLink.connect()
    const first = await homeLink.ready(soon())
    await until(() => homeLink.second)
    homeLink.leave(first, 7 * 86_400_000)
    const next = homeLink.home
    expect(next?.hub.key).not.toBe(first.hub.key)
    const second = await until(() => {
      homeLink.tick()
      return homeLink.second
    })
    clock.advance(3_600_000)
    homeLink.tick()
    expect([homeLink.home === next, second.hub.key === first.hub.key]).toEqual([true, false])
    homeLink.forgive(first.hub.key)
    await until(() => {
      homeLink.tick()
      return homeLink.home?.hub.key === first.hub.key
    })
  })

  test('that was left is the home again only until there is another', async () => {
    for (let i = 0; i < 2; i++) await hub()
    homeLink.connect()
    const first = await homeLink.ready(soon())
    await until(() => homeLink.second)
    homeLink.leave(first, 7 * 86_400_000)
    const other = homeLink.home as Home
    const all = hubs
    hubs = all.filter(({ key }) => key === first.hub.key)
    other.handle.close()
    await until(() => homeLink.home?.hub.key === first.hub.key)
    hubs = all
    homeLink.tick()
    await until(() => homeLink.second !== undefined)
    expect(homeLink.home?.hub.key).toBe(other.hub.key)
    homeLink.tick()
    expect(homeLink.home?.hub.key).toBe(other.hub.key)
  })

  test('that was left is closed with the client', async () => {
    const node = await hub()
    homeLink.connect()
    homeLink.leave(await homeLink.ready(soon()))
    await homeLink.ready(soon())
    await homeLink.close()
    await until(() => node.links.every(({ link }) => link.closed))
  })

  test('comes up at the first dial also where its hub can not be kept on the disk, which is said', async () => {
    const node = await hub()
    mkdirSync(join(folder, 'homes.new'))
    homeLink.connect()
    await homeLink.ready(soon())
    await until(() => node.links.length > 0)
    expect([node.links.length, errors]).toEqual([1, ['home hubs not kept on disk']])
  })

  test('lets no hub open circuits on it', async () => {
    const node = await hub()
    homeLink.connect()
    const home = await homeLink.ready(soon())
    const handle = await until(() => node.links[0])
    handle.link.openCircuit().send(CELL_TYPES.create, newFrame(3))
    await until(() => home.handle.link.closed)
  })
})

describe('homes of a family of addresses that this computer has no way for now', () => {
  const far = (i: number): MapHub => inMap(new Uint8Array(32).fill(i), { ip: parseIp('::1') as Uint8Array, port: i })
  const kept = (): string[] => new HomeStore(folder).guards.map(({ hub: key }) => key)

  test('stay, and others come in beside them, as many as two links need', async () => {
    hubs = [far(1), far(2), far(3), far(4)]
    families = new Set([6])
    homeLink.connect()
    await until(() => warnings.includes('no home hub can be reached'))
    const before = kept()
    expect(before).toHaveLength(4)
    families = new Set([4])
    for (let i = 0; i < 4; i++) await hub()
    homeLink.renew()
    const home = await homeLink.ready(soon())
    const second = await until(() => {
      homeLink.tick()
      return homeLink.second
    })
    expect([kept().length, kept().filter((key) => before.includes(key)).length]).toEqual([6, 4])
    expect(before).not.toContain(home.hub.key)
    expect(before).not.toContain(second.hub.key)
  })

  test('are tried last, where there are others', async () => {
    await hub()
    homeLink.connect()
    await homeLink.ready(soon())
    hubs.push(far(1), far(2), far(3))
    homeLink.tick()
    await until(() => kept().length === 4)
    const connect = async (own: IpFamily): Promise<number> => {
      await homeLink.close()
      warnings = []
      families = new Set([own])
      homeLink = make()
      homeLink.connect()
      await homeLink.ready(soon())
      return warnings.length
    }
    expect(await connect(6)).toBeGreaterThan(0) // it seems that there is no way to it, and it is reached all the same
    expect(await connect(4)).toBe(0)
  })

  test('are tried all the same where the map has no others', async () => {
    await hub()
    families = new Set([6])
    homeLink.connect()
    await homeLink.ready(soon())
  })
})

describe('a home link over noise', () => {
  const noiseHub = async (): Promise<TestNode> => {
    const node = await nodes.start({ listenNoise: [{ ip: LOOPBACK, port: 0 }] })
    hubs.push({ ...inMap(node.id, node.address), noiseAddresses: [node.noiseAddress] })
    return node
  }

  test('goes to a hub that has a noise address, whatever others there are, and is bound to nothing', async () => {
    for (let i = 0; i < 3; i++) await hub()
    const node = await noiseHub()
    homeLink = make('noise')
    homeLink.connect()
    const { hub: home, handle } = await homeLink.ready(soon())
    expect([home.key, handle.transport, handle.binding]).toEqual([toHex(node.id), 'noise', undefined])
  })

  test('is never made because TLS fails: a hub that can not be reached so is no home', async () => {
    const node = await noiseHub()
    hubs = hubs.map((one) => ({ ...one, linkAddresses: [{ ip: LOOPBACK, port: 1 }] }))
    homeLink.connect()
    await until(() => warnings.includes('no home hub can be reached'))
    expect([homeLink.home, node.links]).toEqual([undefined, []])
  })

  test('falls back to nothing either: a known home without a noise address is not dialled', async () => {
    const node = await hub()
    homeLink.connect()
    await homeLink.ready(soon())
    await homeLink.close()
    await until(() => node.closed.length === 1)
    homeLink = make('noise')
    homeLink.connect()
    await until(() => warnings.includes('no home hub can be reached'))
    expect([homeLink.home, node.links.length]).toEqual([undefined, 1])
  })
})

describe('waiting for the home link', () => {
  test('ends with the signal, also if that was aborted before', async () => {
    expect((await rejectionOf(homeLink.ready(AbortSignal.abort()))).code).toBe('cancelled')
    const giveUp = new AbortController()
    const waiting = rejectionOf(homeLink.ready(giveUp.signal))
    giveUp.abort()
    expect((await waiting).code).toBe('cancelled')
  })

  test('ends when it is closed, and is refused from then on', async () => {
    await hub()
    homeLink.connect()
    await homeLink.ready(soon())
    const other = make()
    const waiting = rejectionOf(other.ready(soon()))
    await Promise.all([homeLink.close(), other.close()])
    expect((await waiting).code).toBe('cancelled')
    for (const closed of [homeLink, other]) {
      expect((await rejectionOf(closed.ready(AbortSignal.timeout(2_000)))).code).toBe('cancelled')
      closed.connect()
    }
    expect(homeLink.home).toBeUndefined()
  })
})

describe('an evil home hub', () => {
  /** A TLS server with the identity of a hub that says this, and nothing else. */
  async function evilHub(bytes: Uint8Array): Promise<{ connections: () => number }> {
    const key = await libp2pKeyFromSeed(new Uint8Array(32).fill(66))
    let connections = 0
    const sockets = new Set<net.Socket>()
    const options = { ...LINK_TLS_OPTIONS, ...(await createLinkCertificate(key)), requestCert: true }
    const server = tls.createServer(options, (socket) => {
      connections++
      socket.on('error', () => {})
      socket.write(bytes)
    })
    server.on('connection', (socket: net.Socket) => sockets.add(socket))
    server.on('tlsClientError', () => {})
    await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
    cleanUp.push(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    hubs.push(inMap(key.publicKey.raw, { ip: LOOPBACK, port: (server.address() as net.AddressInfo).port }))
    return { connections: () => connections }
  }

  const hello = encodeFrame(FRAME_TYPES.hello, 0, Uint8Array.from([1, ...NODE_NETWORK_ID]))

  test('that greets and breaks the rules in one breath does not stop the client from finding another', async () => {
    const evil = await evilHub(Uint8Array.from([...hello, ...new Uint8Array(16).fill(255)]))
    homeLink.connect()
    await until(() => evil.connections() > 0)
    const honest = await hub()
    const home = await until<Home>(() => {
      const { home: now } = homeLink
      return now !== undefined && !now.handle.link.closed && now
    })
    expect(home.hub.key).toBe(toHex(honest.id))
    expect(new HomeStore(folder).ids.map(toHex)).toEqual([toHex(honest.id)])
  })

  test('of another network is no home', async () => {
    const evil = await evilHub(encodeFrame(FRAME_TYPES.hello, 0, new Uint8Array(33).fill(1)))
    homeLink.connect()
    await until(() => evil.connections() > 0)
    await hub()
    expect((await homeLink.ready(soon())).handle.link.closed).toBe(false)
  })
})
