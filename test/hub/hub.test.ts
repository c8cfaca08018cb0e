import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { ROTATE_AFTER_MS } from '../../hub/circuit-keys.ts'
import { Hub, type HubParts } from '../../hub/hub.ts'
import { HubState } from '../../hub/hub-state.ts'
import { hubOptionsSchema } from '../../hub/options.ts'
import { toHex } from '../../shared/base/bytes.ts'
import type { Log } from '../../shared/base/log.ts'
import { parseOptions } from '../../shared/base/options.ts'
import { FamilyKey } from '../../shared/crypto/family-key.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { type Descriptor, verifyDescriptor } from '../../shared/map/descriptor.ts'
import { familyProof } from '../../shared/map/family.ts'
import { freePort } from '../net/free-port.ts'
import { faultOf, rejectionOf } from '../support/fault-of.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { NOW_MS, networkWith } from '../support/map-fixtures.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { until } from '../support/until.ts'
import { timeAnswer, VirtualDirectories } from '../support/virtual-directories.ts'

const { network, keys } = networkWith(1, 1)

let folder: string
let clock: ManualClock
let directories: VirtualDirectories
let descriptors: Descriptor[]
let lines: string[]
const hubs: Hub[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-hub-'))
  clock = new ManualClock()
  descriptors = []
  lines = []
  directories = new VirtualDirectories().on('d0', (request) => {
    if (request.url.includes('/v1/time')) return timeAnswer(request, NOW_MS + clock.now(), keys[0]!, network)
    if (request.method === 'GET') return { status: 503 }
    descriptors.push(verifyDescriptor(request.body as Uint8Array, network.id))
    return { status: 202 }
  })
})

afterEach(async () => {
  jest.restoreAllMocks()
  await Promise.all(hubs.splice(0).map((hub) => hub.close()))
  rmSync(folder, { recursive: true })
})

const log: Log = {
  error: (message) => void lines.push(`error ${message}`),
  warn: (message) => void lines.push(`warn ${message}`),
  info: (message) => void lines.push(`info ${message}`),
  debug: (message) => void lines.push(`debug ${message}`),
  part: () => log,
}

function hubWith(config: Record<string, unknown> = {}, parts: Partial<HubParts> = {}): { hub: Hub; state: HubState } {
  const state = new HubState(folder)
  const least = { networkFile: 'n', stateDir: folder, listen: ['127.0.0.1:0'], drainSeconds: 0 }
  const options = parseOptions(hubOptionsSchema, { ...least, announce: ['9.9.9.9:443'], ...config }, 'hub.json')
  const hub = new Hub(options, {
    ...{ network, identity: state.loadIdentity(), state, clock, wallClock: () => NOW_MS, random: seededRandom('hub') },
    ...{ log, http: directories.send, resolver: { resolve: () => Promise.resolve([]) } },
    canEcho: () => false,
    bootId: undefined,
    ...parts,
  })
  hubs.push(hub)
  return { hub, state }
}

describe('a hub', () => {
  test('announces what it is and does, with its circuit key', async () => {
    const { hub, state } = hubWith({ operator: 'example.org', roles: { exit4: true } })
    await hub.start()
    const [descriptor] = await until(() => descriptors.length > 0 && descriptors)
    expect(Buffer.from(descriptor?.hubId ?? []).toString('hex')).toBe(hub.id)
    expect(descriptor?.circuitKey).toEqual(state.loadKeys(0)?.current.pair.publicBytes)
    expect(descriptor).toMatchObject({
      operator: 'example.org',
      roles: { home: true, relay: true, exit4: true, exit6: false },
      linkAddresses: [{ ip: Uint8Array.of(9, 9, 9, 9), port: 443 }],
    })
  })

  test.each([
    [true, true, { echo: true }],
    [true, false, {}],
    [false, true, {}],
  ])('says that it can ping if it is an exit (%s) and its system lets it (%s)', async (exit6, canEcho, more) => {
    const { hub } = hubWith({ roles: { exit6 } }, { canEcho: () => canEcho })
    await hub.start()
    const [descriptor] = await until(() => descriptors.length > 0 && descriptors)
    expect(descriptor?.roles).toEqual({ home: true, relay: true, exit4: false, exit6, ...more })
    expect(lines.some((line) => line.includes('can not ping'))).toBe(exit6 && !canEcho)
  })

  test.each([
    ['where it listens for them', undefined],
    ['where it says that others dial', { ip: Uint8Array.of(9, 9, 9, 9), port: 4001 }],
  ])('announces that it takes links over noise %s', async (_where, announced) => {
    const own = { ip: Uint8Array.of(127, 0, 0, 1), port: await freePort('127.0.0.1') }
    const announceNoise = announced === undefined ? {} : { announceNoise: ['9.9.9.9:4001'] }
    const { hub } = hubWith({ listenNoise: [`127.0.0.1:${own.port}`], ...announceNoise })
    await hub.start()
    const [descriptor] = await until(() => descriptors.length > 0 && descriptors)
    expect(descriptor?.noiseAddresses).toEqual([announced ?? own])
  })

  test('does not begin with a family that proves nothing for it, and says how to come by the proof', () => {
    const identity = new HubState(folder).loadIdentity()
    const family = FamilyKey.generate()
    const proof = familyProof(family, identity.publicBytes, network.id)
    expect(hubWith({ family: proof }, { identity }).hub.id).toBe(toHex(identity.publicBytes))
    for (const wrong of ['my-family', familyProof(family, HubKey.generate().publicBytes, network.id)]) {
      const { mistakes } = faultOf(() => hubWith({ family: wrong }, { identity })).details
      expect(mistakes).toMatch(/^family: expected .* `spn-directory sign-request hub` asks for it$/)
    }
  })

  test('says before it stops that it does nothing any more', async () => {
    const { hub } = hubWith()
    await hub.start()
    await until(() => descriptors.length === 1)
    await Promise.all([hub.close(), hub.close()])
    expect(descriptors.at(-1)?.roles).toEqual({ home: false, relay: false, exit4: false, exit6: false })
    expect(descriptors.at(-1)?.sequence).toBeGreaterThan(descriptors[0]?.sequence as number)
    expect(lines.filter((line) => line === 'info hub stopped')).toHaveLength(1)
  })

  test('is the same after a restart, but takes no CREATE under an old key that an earlier process may have seen', async () => {
    const first = hubWith()
    await first.hub.start()
    await first.hub.close()
    const load = jest.spyOn(HubState.prototype, 'loadKeys')
    const second = hubWith()
    await second.hub.start()
    expect(second.hub.id).toBe(first.hub.id)
    const granule = Math.floor((NOW_MS + clock.now()) / 60_000)
    expect(load).toHaveBeenCalledWith(granule + 2)
  })

  test('takes CREATEs under an old key at once after a restart if it has on disk what it took', async () => {
    const bootId = new Uint8Array(16).fill(1)
    const load = jest.spyOn(HubState.prototype, 'loadKeys')
    for (let start = 0; start < 3; start++) {
      const { hub } = hubWith({}, { bootId })
      await hub.start()
      await hub.close()
      expect(load).toHaveBeenLastCalledWith(0)
    }
  })

  test('does not come up on a port that is taken', async () => {
    const { createServer } = await import('node:net')
    const other = createServer()
    await new Promise<void>((resolve) => other.listen({ host: '127.0.0.1', port: 0 }, resolve))
    const address = other.address()
    const port = typeof address === 'object' ? address?.port : 0
    const { hub } = hubWith({ listen: [`127.0.0.1:${port}`] })
    expect((await rejectionOf(hub.start())).code).toBe('port-in-use')
    await new Promise((resolve) => other.close(resolve))
  })

  test('takes so many links from one address and no more, and does not speak TLS with the next', async () => {
    const { connect } = await import('node:net')
    const port = await freePort('127.0.0.1')
    const { hub } = hubWith({ listen: [`127.0.0.1:${port}`], limits: { linksPerAddress: 2 } })
    await hub.start()
    const open = async (): Promise<{ socket: Socket; closed: () => boolean }> => {
      const socket = connect({ host: '127.0.0.1', port })
      let closed = false
      socket
        .on('error', () => {})
        .on('close', () => {
          closed = true
        })
      await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
      return { socket, closed: () => closed }
    }
    const [first, second, third] = [await open(), await open(), await open()]
    await until(third.closed)
    expect([first.closed(), second.closed()]).toEqual([false, false])
    first.socket.destroy()
    let again = false // a socket that is admitted stays open and silent
    for (let i = 0; i < 100 && !again; i++) {
      const { socket, closed } = await open()
      for (let turn = 0; turn < 20 && !closed(); turn++) await new Promise((resolve) => setImmediate(resolve))
      again = !closed()
      if (again) socket.destroy()
    }
    expect(again).toBe(true)
    second.socket.destroy()
  })

  test('waits for a directory as long as it takes, and can be stopped while it waits', async () => {
    directories.on('d0', () => undefined)
    const { hub } = hubWith()
    const started = hub.start().catch(() => 'stopped')
    await until(() => lines.some((line) => line.startsWith('warn no directory')))
    await hub.close()
    expect(await started).toBe('stopped')
  })

  test('replaces its circuit keys after a day, announces them, and outlives a disk that is full', async () => {
    const { hub } = hubWith()
    await hub.start()
    await until(() => descriptors.length === 1)
    jest.spyOn(HubState.prototype, 'saveKeys').mockImplementation(() => {
      throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
    })
    clock.advance(ROTATE_AFTER_MS)
    await until(() => descriptors.length === 2)
    expect(descriptors[1]?.circuitKey).not.toEqual(descriptors[0]?.circuitKey)
    expect(lines).toContain('error circuit keys not kept on disk')
  })
})
