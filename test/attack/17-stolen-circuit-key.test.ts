import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { ROTATE_AFTER_MS, rotationTurnMs } from '../../hub/circuit-keys.ts'
import { Hub } from '../../hub/hub.ts'
import { HubState } from '../../hub/hub-state.ts'
import { hubOptionsSchema } from '../../hub/options.ts'
import { utf8 } from '../../shared/base/bytes.ts'
import { silentLog } from '../../shared/base/log.ts'
import { parseOptions } from '../../shared/base/options.ts'
import { bodyOf, CELL_TYPES, newFrame } from '../../shared/cell/cell.ts'
import { openCreate, readOffer } from '../../shared/cell/create.ts'
import { LayerOpener } from '../../shared/cell/layer.ts'
import { SWITCH_DELAY_MS } from '../../shared/circuit/timers.ts'
import { CircuitKeyPair } from '../../shared/crypto/circuit-key.ts'
import { type EarlySecrets, receive } from '../../shared/crypto/handshake.ts'
import { X25519PrivateKey, X25519PublicKey } from '../../shared/crypto/x25519.ts'
import { openLayer } from '../support/layers.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { NOW_MS, networkWith } from '../support/map-fixtures.ts'
import { MemoryNetwork, NETWORK_ID } from '../support/memory-network.ts'
import { nobleFull } from '../support/noble-handshake.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { until } from '../support/until.ts'
import { timeAnswer, VirtualDirectories } from '../support/virtual-directories.ts'
import { FrameTap } from './support/frame-tap.ts'

/*
 * Somebody kept everything that crossed the wires, and later steals the circuit keys of all hubs of a path. The CREATE and the
 * early bytes open, as the SPEC says (6.6); what follows the SWITCH must not. When the keys were replaced and their time is over,
 * they are good for nothing, and lie nowhere.
 */

const PATH = ['a', 'b', 'c']
const WIRES = ['client>a', 'a>b', 'b>c']
const BACK = ['a>client', 'b>a', 'c>b']
const EARLY = utf8('early bytes of the application')

afterEach(() => void jest.restoreAllMocks())

/** A circuit that was used, all that crossed its wires, and what each hub's key opens of the CREATE. */
async function recorded() {
  const network = new MemoryNetwork(PATH)
  const generate = jest.spyOn(X25519PrivateKey, 'generate')
  const tap = new FrameTap(network)
  const { clientKey, linkBinding } = network.join('client', 'a')
  const client = network.open('client', PATH)
  client.circuit.write(EARLY)
  const clientKeys = generate.mock.results
    .slice(0, PATH.length)
    .map(({ value }) => (value as X25519PrivateKey).toBytes())
  await network.run()
  network.hub('c').exits[0]!.circuit().write(utf8('what the destination says'))
  await network.pass(SWITCH_DELAY_MS, [client])
  expect(client.events).toEqual(['opened 4'])

  const stolen = PATH.map((name) => network.hub(name).keys.current.pair.toBytes())
  const hops: { X: Uint8Array; early: EarlySecrets }[] = []
  let body = bodyOf(tap.frames('client>a', CELL_TYPES.create)[0]!)
  for (const [i, name] of PATH.entries()) {
    const previousId = i === 0 ? clientKey : network.hub(PATH[i - 1] as string).id
    const binding = i === 0 ? linkBinding : new Uint8Array(32)
    const context = { networkId: NETWORK_ID, hubId: network.hub(name).id, previousId, linkBinding: binding }
    const offer = readOffer(body)
    const thief = receive(context, CircuitKeyPair.fromBytes(stolen[i] as Uint8Array), offer)!
    const create = openCreate(body, 3, i > 0, thief)!
    hops.push({ X: offer.x.slice(), early: create.early })
    if (create.routing.role === 'relay') body = bodyOf(frameOf(create.routing.inner))
  }
  return { tap, stolen, hops, clientKeys }
}

function frameOf(inner: Uint8Array): Uint8Array {
  const frame = newFrame(3)
  bodyOf(frame).set(inner)
  return frame
}

const agree = (own: Uint8Array, theirs: Uint8Array): Uint8Array =>
  X25519PrivateKey.fromBytes(own).agree(new X25519PublicKey(theirs)) ?? new Uint8Array(32)

type Recorded = Awaited<ReturnType<typeof recorded>>

/** What this shared secret would open at this place: the SWITCH, the first cell back. */
function opensWith({ tap, hops }: Recorded, index: number, dh: Uint8Array): boolean[] {
  const place = index + 1
  const Y = bodyOf(tap.frames(BACK[index] as string, CELL_TYPES.answer)[0]!).slice(0, 32)
  const full = nobleFull(dh, Y, hops[index]!.early.chain)
  const forward = new LayerOpener(
    { direction: 'forward', phase: 'full', place },
    { key: full.forwardKey, ratchet: full.forwardRatchet },
  )
  const backward = new LayerOpener(
    { direction: 'backward', phase: 'full', place },
    { key: full.backwardKey, ratchet: full.backwardRatchet },
  )
  const [theSwitch] = tap.frames(WIRES[index] as string, CELL_TYPES.switch)
  const answer = bodyOf(tap.frames(BACK[index] as string, CELL_TYPES.answer)[0]!)
  const sealed = answer.subarray(64, 504 - 81 * index)
  const into = new Uint8Array(sealed.length)
  return [
    openLayer(forward, bodyOf(theSwitch!), theSwitch![1] as 1, CELL_TYPES.switch) !== undefined,
    backward.openBytes(sealed, 0, sealed.length, into, 0, 1, CELL_TYPES.answer),
  ]
}

describe('the circuit keys of all hubs of a path, stolen later', () => {
  test('open the early bytes, as the SPEC says', async () => {
    const { tap, hops } = await recorded()
    let cell: Uint8Array | undefined = bodyOf(tap.frames('client>a', CELL_TYPES.cell)[0]!)
    for (const [i, { early }] of hops.entries()) {
      const where = { direction: 'forward', phase: 'early', place: i + 1 } as const
      const opener = new LayerOpener(where, { key: early.earlyKey, ratchet: new Uint8Array(0) })
      cell = cell && openLayer(opener, cell, 1, CELL_TYPES.cell)
    }
    expect(Buffer.from(cell ?? []).indexOf(EARLY)).toBeGreaterThan(0)
  })

  test.each([0, 1, 2])('do not open what follows the SWITCH, at hub %i', async (index) => {
    const all = await recorded()
    const { X } = all.hops[index]!
    const Y = bodyOf(all.tap.frames(BACK[index] as string, CELL_TYPES.answer)[0]!).slice(0, 32)
    const guesses = all.stolen.flatMap((bytes) => {
      const b = bytes.slice(0, 32)
      return [agree(b, X), agree(b, Y), b]
    })
    for (const dh of [...guesses, X, Y, new Uint8Array(32), all.hops[index]!.early.chain]) {
      expect(opensWith(all, index, dh)).toEqual([false, false])
    }
    // With what only the client had, it opens: the attack is one.
    expect(opensWith(all, index, agree(all.clientKeys[2 - index] as Uint8Array, Y))).toEqual([true, true])
  })
})

describe('a circuit key whose time is over', () => {
  const OVERLAP_MS = 3_600_000

  test('opens no circuit any more; as long as maps name it, it does', async () => {
    const network = new MemoryNetwork(PATH)
    const { keys, metrics } = network.hub('b')
    const path = PATH.map((name) => network.pathHop(name))
    const rotatedAt = network.time.at(network.clock.now()) + ROTATE_AFTER_MS
    keys.rotate(rotatedAt, rotatedAt % ROTATE_AFTER_MS, OVERLAP_MS)
    const early = network.open('client', PATH, { path })
    await network.run()
    expect(early.events).toEqual(['opened 4'])
    keys.rotate(rotatedAt + OVERLAP_MS, rotatedAt % ROTATE_AFTER_MS, OVERLAP_MS)
    const late = network.open('client', PATH, { path })
    await network.run()
    expect(late.fault?.code).toBe('next-closed')
    expect([...metrics.createsRefused.entries]).toEqual([['create-key-unknown', 1]])
  })
})

describe('the disk of a hub', () => {
  const { network, keys } = networkWith(1, 1)
  let folder: string
  let clock: ManualClock
  let hub: Hub

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'spn-stolen-'))
    clock = new ManualClock()
  })
  afterEach(async () => {
    jest.restoreAllMocks()
    await hub.close()
    rmSync(folder, { recursive: true })
  })

  async function start(): Promise<HubState> {
    const state = new HubState(folder)
    const directories = new VirtualDirectories().on('d0', (request) => {
      if (request.url.includes('/v1/time')) return timeAnswer(request, NOW_MS + clock.now(), keys[0]!, network)
      return { status: request.method === 'GET' ? 503 : 202 }
    })
    const config = { networkFile: 'n', stateDir: folder, listen: ['127.0.0.1:0'], drainSeconds: 0 }
    const options = parseOptions(hubOptionsSchema, { ...config, announce: ['9.9.9.9:443'] }, 'hub.json')
    hub = new Hub(options, {
      canEcho: () => false,
      bootId: undefined,
      ...{
        network,
        identity: state.loadIdentity(),
        state,
        clock,
        wallClock: () => NOW_MS,
        random: seededRandom('hub'),
      },
      ...{ log: silentLog, http: directories.send, resolver: { resolve: () => Promise.resolve([]) } },
    })
    await hub.start()
    return state
  }

  /** Is any part of this key in any file of the hub? */
  const holds = (secret: Uint8Array): boolean =>
    readdirSync(folder).some((name) => {
      const file = readFileSync(join(folder, name))
      return [secret.subarray(0, 32), secret.subarray(32, 64), secret.subarray(64, 96)].some((part) =>
        file.includes(Buffer.from(part)),
      )
    })

  test.each([false, true])('holds no key whose time is over (disk full when that was: %s)', async (isFull) => {
    const state = await start()
    const old = state.loadKeys(0)!.current.pair.toBytes()
    expect(holds(old)).toBe(true)
    const turn = rotationTurnMs(state.loadIdentity().publicBytes)
    clock.advance(ROTATE_AFTER_MS - ((NOW_MS + clock.now() - turn) % ROTATE_AFTER_MS))
    await until(() => state.loadKeys(0)!.previous !== undefined)
    expect(holds(old)).toBe(true)
    let failed = 0
    const save = HubState.prototype.saveKeys
    if (isFull) {
      jest.spyOn(HubState.prototype, 'saveKeys').mockImplementation(function (this: HubState, ring) {
        if (failed++ === 0) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
        save.call(this, ring)
      })
    }
    clock.advance(5 * 3_600_000)
    await until(() => !holds(old), 'the end of the old key')
    expect([state.loadKeys(0)!.previous, failed]).toEqual([undefined, isFull ? 2 : 0])
  })
})
