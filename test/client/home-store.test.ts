import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { HomeStore } from '../../client/home-store.ts'
import { type Guards, MAX_GUARDS, next } from '../../client/navigator/home-guards.ts'
import { faultOf } from '../support/fault-of.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-homes-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

const idOf = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const keyOf = (fill: number): string => Buffer.from(idOf(fill)).toString('hex')
const store = (): HomeStore => new HomeStore(folder)
const file = (): string => join(folder, 'homes')
const SOME: Guards = [
  { hub: keyOf(3), sampledAt: 100, confirmedAt: 200, failures: 0, failedAt: 0 },
  { hub: keyOf(1), sampledAt: 50, unlistedSince: 400, failures: 0, failedAt: 0 },
  { hub: keyOf(2), sampledAt: 60, failures: 0, failedAt: 0 },
]

describe('the home hubs of a client', () => {
  test('are kept over a restart, in their order, with their times, for nobody else to read', () => {
    expect(store().guards).toEqual([])
    store().put(SOME)
    expect(store().guards).toEqual(SOME)
    expect(store().ids).toEqual([idOf(3)])
    expect(statSync(file()).mode & 0o777).toBe(0o600)
  })

  test('are written only when something changed that is kept: failures are not', () => {
    const homes = store()
    homes.put(SOME)
    rmSync(file())
    homes.put(SOME.map((guard) => ({ ...guard, failures: 3, failedAt: 7 })))
    expect([homes.guards[0]?.failures, store().guards]).toEqual([3, []])
  })

  test('of a file of before are homes that worked, in that order, and as old as the next map', () => {
    writeFileSync(file(), Buffer.concat([idOf(3), idOf(1)]))
    expect(store().ids).toEqual([idOf(3), idOf(1)])
    const dated = next(store().guards, { kind: 'map', isListed: () => true, nowS: 1_000 })
    expect(dated.map(({ hub, sampledAt, confirmedAt }) => [hub, sampledAt, confirmedAt])).toEqual([
      [keyOf(3), 1_000, 1_000],
      [keyOf(1), 1_000, 1_000],
    ])
    const homes = store()
    homes.put(dated)
    expect(store().guards).toEqual(dated)
  })

  test('in a file that is cut, too long or says one twice are damaged, and the file is left as it is', () => {
    store().put(SOME)
    const whole = readFileSync(file())
    const twice = Buffer.concat([whole, whole.subarray(5, 49)])
    const tooMany = Buffer.concat([
      whole.subarray(0, 5),
      ...Array.from({ length: MAX_GUARDS + 1 }, (_, i) => Buffer.concat([idOf(i), Buffer.alloc(12)])),
    ])
    const cut = Array.from({ length: whole.length - 1 }, (_, i) => whole.subarray(0, i + 1))
    const isWhole = (length: number): boolean => (length - 5) % 44 === 0
    const old = [31, 33, 160].map((length) => Buffer.alloc(length))
    for (const bytes of [
      twice,
      tooMany,
      ...old,
      ...cut.filter(({ length }) => !isWhole(length) && length % 32 !== 0),
    ]) {
      writeFileSync(file(), bytes)
      expect(faultOf(store)).toMatchObject({ code: 'state-corrupt', details: { file: file() } })
      expect(readFileSync(file())).toHaveLength(bytes.length)
    }
    writeFileSync(file(), '')
    expect(store().guards).toEqual([])
    writeFileSync(file(), tooMany.subarray(0, -44))
    expect(store().guards).toHaveLength(MAX_GUARDS)
  })
})
