import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { HomeStore, MAX_HOMES } from '../../client/home-store.ts'
import { faultOf } from '../support/fault-of.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-homes-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

const idOf = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const store = (): HomeStore => new HomeStore(folder)
const fills = (homes = store()): number[] => homes.ids.map((id) => id[0] as number)

describe('the home hubs of a client', () => {
  test('are kept over a restart, in the order in which they came', () => {
    expect(fills()).toEqual([])
    for (const fill of [3, 1, 2]) store().add(idOf(fill))
    expect(fills()).toEqual([3, 1, 2])
    expect(statSync(join(folder, 'homes')).mode & 0o777).toBe(0o600)
  })

  test('are each kept once', () => {
    const homes = store()
    for (const fill of [3, 1, 3, 1]) homes.add(idOf(fill))
    expect(fills(homes)).toEqual([3, 1])
  })

  test('are few, and the preferred ones stay: whoever makes homes fail does not push them out', () => {
    const homes = store()
    for (let fill = 1; fill <= MAX_HOMES; fill++) homes.add(idOf(fill))
    expect(fills(homes)).toEqual([1, 2, 3, 4])
    for (let fill = 10; fill < 20; fill++) homes.add(idOf(fill))
    expect(fills()).toEqual([1, 2, 3, 19])
  })

  test('are forgotten when no map knows them any more', () => {
    const homes = store()
    for (const fill of [1, 2, 3]) homes.add(idOf(fill))
    homes.keep((id) => id[0] !== 2)
    expect([fills(homes), fills()]).toEqual([
      [1, 3],
      [1, 3],
    ])
  })

  test('in a file that is cut or too long are damaged, and the file is left as it is', () => {
    store().add(idOf(1))
    const file = join(folder, 'homes')
    for (const length of [1, 31, 33, 32 * MAX_HOMES + 32]) {
      writeFileSync(file, Buffer.alloc(length))
      expect(faultOf(store)).toMatchObject({ code: 'state-corrupt', details: { file } })
      expect(readFileSync(file)).toHaveLength(length)
    }
    writeFileSync(file, '')
    expect(fills()).toEqual([])
  })
})
