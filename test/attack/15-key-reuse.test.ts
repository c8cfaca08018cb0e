import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { granuleOf } from '../../shared/base/network-time.ts'
import { bodyOf, CELL_TYPES } from '../../shared/cell/cell.ts'
import { CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { NO_BINDING } from '../../shared/crypto/handshake.ts'
import type { CircuitEnd } from '../../shared/link/circuit-end.ts'
import { LoopbackNetwork, type LoopbackReady } from '../net/loopback-network.ts'
import { type TestNode, TestNodes } from '../support/link-nodes.ts'
import { RecordingHandler } from '../support/link-pair.ts'
import { Program } from '../support/program.ts'
import { until } from '../support/until.ts'

/*
 * A key that seals twice under one number gives its secrets away. Here everything starts anew that can: links, hubs, processes
 * that are killed; CREATEs come again as they were. Nothing may ever be sealed with a key and a nonce that were used before.
 */

/** Every pair of key and nonce that anything in this process sealed with. */
const sealed = new Set<string>()
let twice = 0

const real = await import('../../shared/crypto/aead.ts')
jest.unstable_mockModule('../../shared/crypto/aead.ts', () => ({
  ...real,
  createAead: (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array): import('../../shared/crypto/aead.ts').Aead => {
    const name = createHash('sha256').update(key).digest('hex')
    const aead = real.createAead(key, nonce, aad)
    return {
      seal: (...args) => {
        const use = `${name} ${Buffer.from(nonce).toString('hex')}`
        if (sealed.has(use)) twice++
        sealed.add(use)
        aead.seal(...args)
      },
      open: (...args) => aead.open(...args),
      close: () => aead.close(),
    }
  },
}))
// Everything that seals must be loaded behind the witness.
const { MemoryNetwork, NETWORK_ID } = await import('../support/memory-network.ts')
const { CircuitService } = await import('../../hub/circuit-service.ts')
const { CircuitKeyRing } = await import('../../hub/circuit-keys.ts')
const { HubState } = await import('../../hub/hub-state.ts')
const { HubMetrics } = await import('../../hub/metrics.ts')
const { ReplayStore } = await import('../../hub/replay-store.ts')
const { buildCreate } = await import('../../shared/cell/create.ts')
const { readAnswer } = await import('../../shared/cell/answer.ts')
const { RATCHET_CELLS, LayerSealer } = await import('../../shared/cell/layer.ts')
const links = await import('../../shared/link/circuit-end.ts')

const PATH = ['a', 'b', 'c']

describe('no key seals twice under one nonce', () => {
  test('over many circuits, new links and restarts of hubs, and with all that was recorded sent again', async () => {
    twice = 0
    const before = sealed.size
    const network = new MemoryNetwork(PATH)
    const recorded = new Map<string, Uint8Array[]>()
    network.tamper = (header, frame, from, to) => {
      if (header.type === CELL_TYPES.create) {
        const wire = `${from}>${to}`
        recorded.set(wire, [...(recorded.get(wire) ?? []), frame.slice()])
      }
      return [frame]
    }
    for (const restarted of [undefined, 'a', 'b', 'c', 'a']) {
      if (restarted !== undefined) network.addHub(restarted, network.hub(restarted))
      await network.pass(3 * 60_000)
      for (let i = 0; i < 6; i++) {
        const client = network.open(`client ${i % 2}`, PATH)
        client.circuit.write(new Uint8Array(40_000))
        await network.run()
        network.hub('c').exits.at(-1)?.circuit().write(new Uint8Array(40_000))
        await network.run()
        expect(client.events).toEqual(['opened 4'])
      }
      for (const [wire, creates] of recorded) {
        const [from, to] = wire.split('>') as [string, string]
        for (const create of creates) network.link(from, to).openCircuit().send(CELL_TYPES.create, create.slice())
      }
      await network.run()
    }
    expect(sealed.size - before).toBeGreaterThan(1_000)
    expect(twice).toBe(0)
  })

  test('where the key advances', () => {
    twice = 0
    const secrets = { key: new Uint8Array(32).fill(1), ratchet: new Uint8Array(32).fill(2) }
    const sealer = new LayerSealer({ direction: 'forward', phase: 'full', place: 1 }, secrets)
    const frame = new Uint8Array(512)
    const before = sealed.size
    const cells = 2 * RATCHET_CELLS + 10
    for (let i = 0; i < cells; i++) sealer.seal(frame, 8, frame, 1, CELL_TYPES.cell)
    expect([sealed.size - before, twice]).toEqual([cells, 0])
  })

  test('is noticed if it happens: two layers with the same secrets', () => {
    twice = 0
    for (let i = 0; i < 2; i++) {
      const secrets = { key: new Uint8Array(32).fill(5), ratchet: new Uint8Array(32).fill(6) }
      const frame = new Uint8Array(512)
      const where = { direction: 'forward', phase: 'full', place: 1 } as const
      new LayerSealer(where, secrets).seal(frame, 8, frame, 1, CELL_TYPES.cell)
    }
    expect(twice).toBe(1)
  })
})

describe('two lives of a hub', () => {
  /** A hub with this key that remembers nothing, asked with these bytes over a link that claims to be the same. */
  function answerOf(ring: InstanceType<typeof CircuitKeyRing>, create: Uint8Array): Uint8Array {
    const network = new MemoryNetwork([])
    const service = new CircuitService(
      {
        ...{ hubId: new Uint8Array(32).fill(1), networkId: NETWORK_ID, maxCircuits: 10 },
        roles: { home: true, relay: true, exit4: true, exit6: true },
        ...{ clientRate: { perSecond: 10, burst: 10 }, hubRate: { perSecond: 10, burst: 10 } },
      },
      {
        ...{ clock: network.clock, time: network.time, replays: new ReplayStore(), metrics: new HubMetrics() },
        keys: new CircuitKeyRing({ ...ring.current, notBefore: 0 }),
        ...{ isHub: () => false, openCircuitTo: () => new Promise(() => {}), afterWriting: () => {} },
        exit: () => ({ connect() {}, data() {}, finished() {}, writable() {}, closed() {} }),
      },
    )
    const end: CircuitEnd = new links.CircuitEnd(
      1,
      { ready() {}, owes() {}, held() {}, isRoomy: () => true, closeNow() {}, forget() {} },
      true,
    )
    service.accept({ peerKey: new Uint8Array(32).fill(9), binding: new Uint8Array(32) }, end, 3, bodyOf(create))
    return bodyOf(end.takeFrame() as Uint8Array)
  }

  test('that would both take the same CREATE answer with other keys', () => {
    twice = 0
    const network = new MemoryNetwork([])
    const now = network.time.at(network.clock.now())
    const ring = CircuitKeyRing.fresh(now)
    const ids = { hubId: new Uint8Array(32).fill(1), previousId: new Uint8Array(32).fill(9) }
    const context = { networkId: NETWORK_ID, ...ids, linkBinding: new Uint8Array(32) }
    const key = new CircuitPublicKey(ring.current.pair.publicBytes)
    const { frame, initiated } = buildCreate([{ context, key }], granuleOf(now), undefined)
    const answers = [1, 2].map(() => answerOf(ring, frame))
    const keys = answers.map((body) => readAnswer(body, initiated)?.hops[0]?.full)
    for (const [one, other] of [
      [answers[0]?.subarray(0, 32), answers[1]?.subarray(0, 32)],
      [keys[0]?.backward.key, keys[1]?.backward.key],
      [keys[0]?.forward.key, keys[1]?.forward.key],
      [keys[0]?.backward.ratchet, keys[1]?.backward.ratchet],
    ]) {
      expect(one).toHaveLength(32)
      expect(one).not.toEqual(other)
    }
    expect(twice).toBe(0)
  })
})

describe('a hub that is killed', () => {
  const network = new LoopbackNetwork({
    ...{ hubs: 1, hops: 1, logLevel: 'info', socks: { host: '127.0.0.1', port: 0 } },
  })
  const nodes = new TestNodes()
  let ready: LoopbackReady
  let again: Program | undefined

  beforeAll(async () => {
    ready = await network.start()
  })
  afterAll(async () => {
    await nodes.close()
    await again?.stop()
    await network.stop()
  })

  const folder = (): string => join(network.folder, 'hub0')
  const files = (): Record<string, string> =>
    Object.fromEntries(readdirSync(folder()).map((name) => [name, readFileSync(join(folder(), name)).toString('hex')]))

  async function dial(networkId: Uint8Array, seed: Uint8Array): Promise<TestNode['links'][0]> {
    const { node } = await nodes.start({ networkId, seed, listen: [] })
    const [{ address, port }] = ready.hubs as [LoopbackReady['hubs'][0]]
    const ip = Uint8Array.from(address.split('.').map(Number))
    return node.dial(new HubState(folder()).loadIdentity().publicBytes, [{ ip, port }], AbortSignal.timeout(10_000))
  }

  function send(link: TestNode['links'][0], create: Uint8Array): RecordingHandler {
    const end = link.link.openCircuit()
    const handler = new RecordingHandler()
    end.attach(handler)
    end.send(CELL_TYPES.create, create.slice())
    return handler
  }

  test('kept no counter, takes no CREATE of before, and answers new ones with other keys', async () => {
    const { id } = JSON.parse(readFileSync(join(network.folder, 'network.json'), 'utf8')) as { id: string }
    const networkId = new Uint8Array(Buffer.from(id, 'hex'))
    const pair = new HubState(folder()).loadKeys(0)!.current.pair
    const hubId = new HubState(folder()).loadIdentity().publicBytes
    const seed = new Uint8Array(32).fill(8)
    const first = await dial(networkId, seed)
    const create = (link: TestNode['links'][0]): Uint8Array => {
      const context = { networkId, hubId, previousId: link.ownKey, linkBinding: link.binding ?? NO_BINDING }
      const hop = { context, key: new CircuitPublicKey(pair.publicBytes) }
      return buildCreate([hop], granuleOf(Date.now()), undefined).frame.slice()
    }
    const kept = files()
    const old = create(first)
    const answered = send(first, old)
    await until(() => answered.cells.length === 1)
    expect(files()['circuit.keys']).toBe(kept['circuit.keys'])
    expect(Object.keys(files()).sort()).toEqual(['circuit.keys', 'hub-map', 'identity.key', 'replays', 'sequence'])

    process.kill(ready.hubs[0]!.pid, 'SIGKILL')
    await until(() => first.link.closed)
    again = new Program('hub again', ['deploy/bin/spn-hub', '--config', join(network.folder, 'hub0.json')])
    await again.line('hub started')
    expect(files()['circuit.keys']).toBe(kept['circuit.keys'])

    const second = await dial(networkId, seed)
    expect(second.ownKey).toEqual(first.ownKey)
    expect(second.binding).not.toEqual(first.binding)
    const replayed = send(second, old)
    await until(() => replayed.closes === 1)
    expect(replayed.cells).toEqual([])
    const fresh = send(second, create(second))
    await until(() => fresh.cells.length === 1)
    const [before, after] = [answered, fresh].map(({ cells }) => cells[0]!.body.subarray(0, 32))
    expect(after).not.toEqual(before)
  })
})
