import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import { Hub } from '../../hub/hub.ts'
import { HubState } from '../../hub/hub-state.ts'
import { hubOptionsSchema } from '../../hub/options.ts'
import { Fault } from '../../shared/base/fault.ts'
import type { Log } from '../../shared/base/log.ts'
import { granuleOf } from '../../shared/base/network-time.ts'
import { parseOptions } from '../../shared/base/options.ts'
import { CELL_TYPES, newFrame } from '../../shared/cell/cell.ts'
import { buildCreate } from '../../shared/cell/create.ts'
import { CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { NO_BINDING } from '../../shared/crypto/handshake.ts'
import { CLOSING_LIMIT_MS } from '../../shared/link/link.ts'
import { freePort } from '../net/free-port.ts'
import { rejectionOf } from '../support/fault-of.ts'
import { LOOPBACK, TestNodes } from '../support/link-nodes.ts'
import { LinkPair, RecordingHandler } from '../support/link-pair.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { NOW_MS, networkWith } from '../support/map-fixtures.ts'
import { MemoryNetwork } from '../support/memory-network.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { until } from '../support/until.ts'
import { timeAnswer, VirtualDirectories } from '../support/virtual-directories.ts'
import { helloFrame, type RawLink, RawLinks, rawIdentity } from './support/raw-link.ts'

/*
 * Things end twice, from several sides at once, while they begin, while they end, and while memory is full. Nothing crashes, each
 * end is told once, and nothing is left in any table.
 */

const PATH = ['a', 'b', 'c']
const nodes = new TestNodes()
const raws = new RawLinks()
const cleanUp: (() => unknown)[] = []

afterEach(async () => {
  for (const step of cleanUp.splice(0)) await step()
  await raws.close()
  await nodes.close()
})

describe('circuits under pressure', () => {
  test.each(Array.from({ length: 12 }, (_, seed) => seed))(
    'that end from everywhere, in any order, end once and leave nothing (%i)',
    async (seed) => {
      const random = seededRandom(`double close ${seed}`)
      const network = new MemoryNetwork(PATH, { autoRelease: seed % 2 === 0 })
      const clients = Array.from({ length: 5 }, (_, i) => network.open('client', PATH.slice(0, 1 + (i % 3))))
      if (random.below(4) > 0) await network.run()
      const exits = () => [...network.hubs.values()].flatMap((hub) => hub.exits)
      const wires = [
        ['client', 'a'],
        ['a', 'b'],
        ['b', 'c'],
      ] as const
      const ends: (() => unknown)[] = [
        () => clients[random.below(clients.length)]?.circuit.reset(),
        () => clients[random.below(clients.length)]?.circuit.finish(),
        () => exits()[random.below(clients.length)]?.circuit().close('hub-busy'),
        () => exits()[random.below(clients.length)]?.circuit().reset(),
        () => exits()[random.below(clients.length)]?.circuit().finish(),
        () => exits()[random.below(clients.length)]?.circuit().refuse('connection-refused'),
        () => network.hub(PATH[random.below(3)] as string).service.close(),
        () => network.hub(PATH[random.below(3)] as string).service.drain(),
        () => {
          const [one, other] = wires[random.below(3)]!
          for (const link of [network.link(one, other), network.link(other, one)]) link.fail(new Fault('link-closed'))
        },
      ]
      for (let step = 0; step < 15; step++) {
        for (const client of clients) client.circuit.write(random.bytes(8_000))
        for (const exit of exits()) exit.circuit().write(random.bytes(8_000))
        const end = ends[random.below(ends.length)]!
        end()
        if (random.below(2) === 0) end()
        if (random.below(3) === 0) await network.run()
      }
      for (const { service } of network.hubs.values()) service.close()
      for (const { circuit } of clients) circuit.reset()
      await network.run()
      await network.pass(PATH.length * (CLOSING_LIMIT_MS + 20_000), clients)
      const times = (events: readonly string[]): number => events.filter((event) => event.startsWith('closed')).length
      expect(network.remains).toEqual([])
      expect(clients.map(({ events }) => times(events))).toEqual(clients.map(() => 1))
      expect(exits().map(({ events }) => times(events))).toEqual(exits().map(() => 1))
    },
  )

  test('that end before the next hub is reached leave nothing on the link to it', async () => {
    const network = new MemoryNetwork(PATH)
    const reached = Promise.withResolvers<void>()
    network.dialling.set('b', reached.promise)
    const clients = [1, 2, 3].map(() => network.open('client', PATH))
    await network.run()
    for (const { circuit } of clients) circuit.reset()
    await network.run()
    reached.resolve()
    await network.run()
    expect(network.remains).toEqual([])
  })

  test('that end while the link overflows are told so once, also if they end it again from there', () => {
    const pair = new LinkPair()
    pair.run()
    const handlers: RecordingHandler[] = []
    pair.b.onCircuit = (end) => {
      const handler = new RecordingHandler()
      handlers.push(handler)
      const told = handler.onClosed.bind(handler)
      handler.onClosed = () => {
        told()
        end.close()
        end.abort()
        end.release(4096)
        pair.b.link.fail(new Fault('link-closed'))
      }
      end.attach(handler)
    }
    for (let i = 0; i < 25; i++) pair.a.link.openCircuit().send(CELL_TYPES.create, newFrame(3))
    pair.move(pair.a, pair.b, 1 << 20)
    expect(handlers).toHaveLength(25)
    for (let i = 0; pair.b.fault === undefined; i++) pair.b.link.ping(i) // the peer does not read
    expect(pair.b.fault.code).toBe('link-protocol')
    expect(handlers.map(({ closes }) => closes)).toEqual(handlers.map(() => 1))
    expect([pair.b.link.circuitCount, pair.b.link.heldBytes]).toEqual([0, 0])
  })
})

describe('a hub that is closed while links begin', () => {
  const STAGES: Readonly<Record<string, (port: number) => Promise<unknown>>> = {
    'after TCP': (port) => connected(port),
    'in the ClientHello': async (port) => (await connected(port)).write(Uint8Array.of(0x16, 3, 1, 1, 0, 1)),
    'before the HELLO': async (port) => raws.dial(port, await rawIdentity(6)),
    'in the HELLO': async (port) => (await raws.dial(port, await rawIdentity(6)))?.send(helloFrame().subarray(0, 9)),
    'after the HELLO': async (port) => (await raws.dial(port, await rawIdentity(6)))?.send(helloFrame()),
  }
  const sockets: net.Socket[] = []

  async function connected(port: number): Promise<net.Socket> {
    const socket = net.connect({ host: '127.0.0.1', port })
    sockets.push(socket)
    cleanUp.push(() => socket.destroy())
    socket.on('error', () => {})
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
    return socket
  }

  test.each(Object.keys(STAGES))('%s: closes, twice, and keeps nothing', async (stage) => {
    const hub = await nodes.start()
    for (let i = 0; i < 3; i++) await STAGES[stage]?.(hub.address.port)
    await Promise.all([hub.node.close(), hub.node.close()])
    expect([[...hub.node.links], hub.node.libp2p.getConnections()]).toEqual([[], []])
    expect(hub.closed.length).toBe(hub.links.length)
    await expect(connectFails(hub.address.port)).resolves.toBe('ECONNREFUSED')
    for (const socket of sockets.splice(0)) await until(() => socket.closed)
  })

  function connectFails(port: number): Promise<string | undefined> {
    const socket = net.connect({ host: '127.0.0.1', port })
    cleanUp.push(() => socket.destroy())
    return new Promise((resolve) => {
      socket.once('error', (error) => resolve((error as NodeJS.ErrnoException).code))
      socket.once('connect', () => resolve(undefined))
    })
  }
})

describe('who dials and is closed meanwhile', () => {
  test.each(['no TLS', 'no HELLO'])(
    'with %s from the hub yet: the dial fails once, and nothing is left',
    async (what) => {
      const identity = await rawIdentity(5)
      const reached: unknown[] = []
      const silent = net.createServer((socket) => {
        reached.push(socket)
        cleanUp.push(() => socket.destroy())
        socket.on('error', () => {})
      })
      cleanUp.push(() => silent.close())
      const port =
        what === 'no TLS'
          ? await freePort('127.0.0.1')
          : await raws.listen(identity, (link: RawLink) => void reached.push(link))
      if (what === 'no TLS') await new Promise<void>((resolve) => silent.listen({ host: '127.0.0.1', port }, resolve))
      const { node, links } = await nodes.start()
      const giveUp = new AbortController()
      const failed = rejectionOf(node.dial(identity.id, [{ ip: LOOPBACK, port }], giveUp.signal))
      await until(() => reached.length === 1)
      giveUp.abort()
      await Promise.all([node.close(), node.close(), failed])
      expect([links, [...node.links], node.libp2p.getConnections()]).toEqual([[], [], []])
    },
  )
})

describe('a hub that drains', () => {
  const { network, keys } = networkWith(1, 1)

  async function drainingHub() {
    const folder = mkdtempSync(join(tmpdir(), 'spn-drain-'))
    const [clock, lines] = [new ManualClock(), [] as string[]]
    const note = (message: string): void => void lines.push(message)
    const log: Log = { error: note, warn: () => {}, info: note, debug: () => {}, part: () => log }
    const directories = new VirtualDirectories().on('d0', (request) => {
      if (request.url.includes('/v1/time')) return timeAnswer(request, NOW_MS + clock.now(), keys[0]!, network)
      return { status: request.method === 'GET' ? 503 : 202 }
    })
    const port = await freePort('127.0.0.1')
    const config = { networkFile: 'n', stateDir: folder, listen: [`127.0.0.1:${port}`], roles: { exit4: true } }
    const options = parseOptions(hubOptionsSchema, { ...config, announce: ['9.9.9.9:443'], drainSeconds: 60 }, 'hub')
    const state = new HubState(folder)
    const identity = state.loadIdentity()
    const hub = new Hub(options, {
      canEcho: () => false,
      bootId: undefined,
      ...{ network, identity, state, clock, wallClock: () => NOW_MS, random: seededRandom('hub'), log },
      ...{ http: directories.send, resolver: { resolve: () => Promise.resolve([]) } },
    })
    cleanUp.push(async () => {
      clock.advance(1e6)
      await hub.close()
      rmSync(folder, { recursive: true })
    })
    await hub.start()
    const { node } = await nodes.start({ networkId: network.id, listen: [] })
    const handle = await node.dial(identity.publicBytes, [{ ip: LOOPBACK, port }], AbortSignal.timeout(10_000))
    const key = new CircuitPublicKey(state.loadKeys(0)!.current.pair.publicBytes)
    const create = () => {
      const context = { networkId: network.id, hubId: identity.publicBytes, previousId: handle.ownKey }
      const hop = { context: { ...context, linkBinding: handle.binding ?? NO_BINDING }, key }
      const { frame } = buildCreate([hop], granuleOf(NOW_MS + clock.now()), undefined)
      const [end, handler] = [handle.link.openCircuit(), new RecordingHandler()]
      end.attach(handler)
      end.send(CELL_TYPES.create, frame)
      return { end, handler }
    }
    const circuits = Array.from({ length: 5 }, create)
    await until(() => circuits.every(({ handler }) => handler.cells.length === 1))
    return { hub, clock, lines, handle, create, circuits }
  }

  test('and whose circuits are closed meanwhile, twice, from the other side: stops once, when the last one is gone', async () => {
    const { hub, lines, handle, create, circuits } = await drainingHub()
    const closing = Promise.all([hub.close(), hub.close()])
    const late = create()
    await until(() => late.handler.closes === 1)
    for (const { end } of circuits) {
      end.close()
      end.close()
      end.abort()
    }
    await closing
    await hub.close()
    expect(lines.filter((line) => line === 'hub stopped')).toHaveLength(1)
    expect([handle.link.circuitCount, late.handler.cells.length]).toEqual([0, 1]) // an ANSWER that says why
    expect(circuits.map(({ handler }) => handler.closes)).toEqual([0, 0, 0, 0, 0]) // who closes is not told
  })

  test('and whose time is over cuts what is left: each circuit hears of it once', async () => {
    const { hub, clock, lines, handle, circuits } = await drainingHub()
    const closing = [hub.close(), hub.close()]
    expect(circuits.map(({ handler }) => handler.closes)).toEqual([0, 0, 0, 0, 0])
    clock.advance(61_000)
    await Promise.all([...closing, hub.close()])
    await until(() => handle.link.closed)
    expect(circuits.map(({ handler }) => handler.closes)).toEqual([1, 1, 1, 1, 1])
    expect([handle.link.circuitCount, lines.filter((line) => line === 'hub stopped').length]).toEqual([0, 1])
  })
})
