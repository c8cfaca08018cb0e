import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { HubLists } from '../../../directory/admission/hub-lists.ts'
import { encodeListFile, readListFile, writeListFile } from '../../../directory/admission/list-file.ts'
import { ListWatch } from '../../../directory/admission/list-watch.ts'
import { silentLog } from '../../../shared/base/log.ts'
import { OperatorKey, OperatorPublicKey } from '../../../shared/crypto/operator-key.ts'
import { faultOf } from '../../support/fault-of.ts'
import { flipBit } from '../../support/hex.ts'
import { mapHubOf, NETWORK_ID } from '../../support/map-fixtures.ts'

const KEY = OperatorKey.generate()
const PUBLIC = new OperatorPublicKey(KEY.publicBytes)
const HUB = mapHubOf(new Uint8Array(32).fill(1))
const bans = (number: number, country = 'AT'): HubLists => ({
  number,
  entries: [{ verdict: 'banned', subject: 'country', value: country, reason: 'because' }],
})

let folder: string
let file: string
let errors: string[]
let watch: ListWatch
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spn-lists-'))
  file = join(folder, 'lists')
  errors = []
  const log = { ...silentLog, error: (message: string) => void errors.push(message) }
  watch = new ListWatch({ file, key: PUBLIC, networkId: NETWORK_ID, log })
})
afterEach(() => rmSync(folder, { recursive: true }))

const isBanned = (): boolean => watch.judge.judge(HUB).isBanned

describe('the lists of an operator', () => {
  test('come into force when their file changes, without a restart', () => {
    writeListFile(file, bans(1), KEY, NETWORK_ID)
    watch.look()
    expect([isBanned(), watch.state]).toEqual([true, { number: 1, entries: 1, refused: undefined }])
    writeListFile(file, bans(2, 'DE'), KEY, NETWORK_ID)
    expect(isBanned()).toBe(true)
    watch.look()
    expect(isBanned()).toBe(false)
    expect(readListFile(file, PUBLIC, NETWORK_ID)).toEqual(bans(2, 'DE'))
  })

  test.each<[string, string, (good: Uint8Array) => Uint8Array]>([
    [
      'with a signature of somebody else',
      'signature-invalid',
      () => encodeListFile(bans(9, 'DE'), OperatorKey.generate(), NETWORK_ID),
    ],
    ['for another network', 'signature-invalid', () => encodeListFile(bans(9, 'DE'), KEY, flipBit(NETWORK_ID, 0))],
    ['changed by one bit', 'signature-invalid', (good) => flipBit(good, 8 * 200)],
    ['cut', 'signature-invalid', (good) => good.slice(0, -1)],
    ['without a line', 'encoding-invalid', () => new Uint8Array(10)],
    ['of nothing', 'encoding-invalid', () => new Uint8Array(0)],
    ['that is huge', 'document-too-large', () => new Uint8Array(4 * 1024 * 1024 + 1)],
    ['with mistakes', 'options-invalid', () => encodeListFile(bans(9, 'Germany'), KEY, NETWORK_ID)],
    ['that is older, although signed', 'list-older', () => encodeListFile(bans(1, 'DE'), KEY, NETWORK_ID)],
  ])('in a file %s change nothing, and that is told once', (_, code, make) => {
    writeListFile(file, bans(2), KEY, NETWORK_ID)
    watch.look()
    writeFileSync(file, make(new Uint8Array(readFileSync(file))))
    for (let look = 0; look < 3; look++) watch.look()
    expect([isBanned(), watch.state, errors.length]).toEqual([true, { number: 2, entries: 1, refused: code }, 1])
    writeListFile(file, bans(3, 'DE'), KEY, NETWORK_ID)
    watch.look()
    expect([isBanned(), watch.state.refused]).toEqual([false, undefined])
  })

  test('stay when their file goes, and that is told once', () => {
    writeListFile(file, bans(1), KEY, NETWORK_ID)
    watch.look()
    rmSync(file)
    for (let look = 0; look < 3; look++) watch.look()
    expect([isBanned(), watch.state.refused, errors.length]).toEqual([true, 'state-unreadable', 1])
  })

  test('with mistakes are not written', () => {
    writeListFile(file, bans(1), KEY, NETWORK_ID)
    expect(faultOf(() => writeListFile(file, bans(2, 'Germany'), KEY, NETWORK_ID)).code).toBe('options-invalid')
    expect(readListFile(file, PUBLIC, NETWORK_ID)).toEqual(bans(1))
  })

  test('of an operator who has none say nothing', () => {
    const none = new ListWatch(undefined)
    none.look()
    expect([none.judge.judge(HUB).isBanned, none.state.number]).toEqual([false, 0])
  })
})
