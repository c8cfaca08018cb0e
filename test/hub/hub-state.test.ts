import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { CircuitKeyRing, ROTATE_AFTER_MS } from '../../hub/circuit-keys.ts'
import { HubState } from '../../hub/hub-state.ts'
import { faultOf } from '../support/fault-of.ts'

const NOW = 1_700_000_000_000
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-hub-state-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

const state = (): HubState => new HubState(folder)
const file = (name: string): string => join(folder, name)

describe('the files of a hub', () => {
  test('keep its identity over a restart', () => {
    const first = state().loadIdentity()
    expect(state().loadIdentity().publicBytes).toEqual(first.publicBytes)
  })

  test('keep its circuit keys, both pairs with their times', () => {
    const keys = CircuitKeyRing.fresh(NOW)
    state().saveKeys(keys)
    expect(state().loadKeys(5)?.previous).toBeUndefined()
    keys.rotate(NOW + ROTATE_AFTER_MS, 0, 1000)
    state().saveKeys(keys)
    const loaded = state().loadKeys(5)
    for (const which of ['current', 'previous'] as const) {
      expect(loaded?.[which]?.pair.publicBytes).toEqual(keys[which]?.pair.publicBytes)
      expect([loaded?.[which]?.createdMs, loaded?.[which]?.notBefore]).toEqual([keys[which]?.createdMs, 5])
    }
    expect(loaded?.previous?.untilMs).toBe(keys.previous?.untilMs)
  })

  test('keep the last sequence number', () => {
    expect(state().loadSequence()).toBe(0)
    state().saveSequence(4_000_000_000)
    expect(state().loadSequence()).toBe(4_000_000_000)
  })

  test('can be read by the hub alone', () => {
    state().loadIdentity()
    state().saveKeys(CircuitKeyRing.fresh(NOW))
    state().saveSequence(1)
    for (const name of readdirSync(folder)) expect(statSync(file(name)).mode & 0o777).toBe(0o600)
  })

  test('have nothing at the first start', () => {
    expect([state().loadKeys(0), state().loadSequence()]).toEqual([undefined, 0])
  })

  test('that are cut anywhere, or longer than they should be, are called damaged and left as they are', () => {
    const keys = CircuitKeyRing.fresh(NOW)
    keys.rotate(NOW + ROTATE_AFTER_MS, 0, 1000)
    state().saveKeys(keys)
    state().loadIdentity()
    state().saveSequence(9)
    const loads = {
      'circuit.keys': () => state().loadKeys(0),
      'identity.key': () => state().loadIdentity(),
      sequence: () => state().loadSequence(),
    }
    for (const [name, load] of Object.entries(loads)) {
      const whole = readFileSync(file(name))
      const cuts = [0, 1, 2, 3, whole.length >> 1, whole.length - 1].map((length) => whole.subarray(0, length))
      for (const bytes of [...cuts, Buffer.concat([whole, Buffer.alloc(1)])]) {
        writeFileSync(file(name), bytes)
        const fault = faultOf(load)
        expect([fault.code, fault.details.file]).toEqual(['state-corrupt', file(name)])
        expect(readFileSync(file(name)).equals(bytes)).toBe(true)
      }
    }
  })

  test.each([
    ['another format', 0, 2],
    ['no key', 1, 0],
    ['three keys', 1, 3],
  ])('of circuit keys with %s are damaged', (_what, at, value) => {
    state().saveKeys(CircuitKeyRing.fresh(NOW))
    const bytes = readFileSync(file('circuit.keys'))
    bytes[at] = value
    writeFileSync(file('circuit.keys'), bytes)
    expect(faultOf(() => state().loadKeys(0)).code).toBe('state-corrupt')
  })
})
